"""Evolution: whatever was written with any shipped schema can be read with the newest."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from supplytwin.schemas import avro, compat
from supplytwin.schemas.events import ORDERS
from supplytwin.schemas.records import CONTRACTS, CONTROL, JOURNAL

FROZEN = Path(__file__).parents[1] / "data" / "schema_v1"
Schema = dict[str, Any]


def frozen(topic: str) -> Schema:
    """The first version of a topic's schema, as it was shipped."""
    found: Schema = json.loads((FROZEN / f"{topic}.avsc").read_text())
    return found


def changed(topic: str, name: str, **change: Any) -> Schema:
    """The topic's schema with one field changed."""
    schema = copy.deepcopy(avro.schema(topic))
    next(one for one in schema["fields"] if one["name"] == name).update(change)
    return schema


def without(schema: Schema, name: str) -> Schema:
    """The schema without a field."""
    return {**schema, "fields": [one for one in schema["fields"] if one["name"] != name]}


def with_field(schema: Schema, **field: Any) -> Schema:
    """The schema with one more field at its end."""
    return {**schema, "fields": [*schema["fields"], field]}


@pytest.mark.parametrize("topic", sorted(path.stem for path in FROZEN.glob("*.avsc")))
def test_the_newest_schema_reads_all_that_was_shipped(topic: str) -> None:
    """BACKWARD_TRANSITIVE: the newest reads the first version and every one between."""
    assert compat.incompatibilities(avro.schema(topic), [frozen(topic), *avro.earlier(topic)]) == []


@pytest.mark.parametrize("topic", avro.topics())
def test_a_changed_schema_keeps_its_former_ones(topic: str) -> None:
    """The first version's fingerprint is still among the writers that the reader knows."""
    assert (topic, avro.fingerprint_of_schema(frozen(topic))) in avro.known()


READABLE = {
    "added nullable field": with_field(
        avro.schema(ORDERS), name="tenant", type=["null", "string"], default=None
    ),
    "added field with default": with_field(
        avro.schema(ORDERS), name="grade", type="long", default=0
    ),
    "removed field": without(avro.schema(ORDERS), "hold_code"),
    "required to nullable": changed(ORDERS, "event_tz", type=["null", "string"], default=None),
    "another order": {**avro.schema(ORDERS), "fields": avro.schema(ORDERS)["fields"][::-1]},
    "another doc": {**avro.schema(ORDERS), "doc": "What buyers say."},
}


@pytest.mark.parametrize("change", READABLE)
def test_what_may_change(change: str) -> None:
    """Additions with a default, removals, widening and order leave old records readable."""
    assert compat.problems(READABLE[change], avro.schema(ORDERS)) == []


def one_field(kind: Any) -> Schema:
    """A record of one field."""
    return avro.record("One", [{"name": "value", "type": kind}])


@pytest.mark.parametrize(
    ("wrote", "read"),
    [("int", "long"), ("int", "double"), ("long", "double"), ("float", "double"),
     ("string", "bytes"), ("bytes", "string"), ("long", ["null", "long"]),
     (["null", "int"], ["null", "long"]), ({"type": "string", "logicalType": "uuid"}, "string")],
)  # fmt: skip
def test_a_type_may_widen(wrote: Any, read: Any) -> None:
    """Avro's promotions are readable, and none of them the other way round unless it is one."""
    assert compat.problems(one_field(read), one_field(wrote)) == []
    back = compat.problems(one_field(wrote), one_field(read))
    assert bool(back) == (
        {str(wrote), str(read)} != {"string", "bytes"} and "uuid" not in str(wrote)
    )


UNREADABLE = {
    "added field without default": (
        with_field(avro.schema(ORDERS), name="tenant", type="string"),
        "tenant", "is new and has no default",
    ),
    "another name": ({**avro.schema(ORDERS), "name": "Orders"}, "", "was named SupplyOrders"),
    "string to long": (changed(ORDERS, "event_id", type="long"), "event_id", "was string, is long"),
    "nullable to required": (
        changed(ORDERS, "facility", type="string", default=""), "facility", "was null, is string",
    ),
    "time to plain long": (
        changed(ORDERS, "revision", type="long"), "revision", "was timestamp-micros, is long",
    ),
    "another unit": (
        changed(ORDERS, "revision", type={"type": "long", "logicalType": "timestamp-millis"}),
        "revision", "was timestamp-micros, is timestamp-millis",
    ),
    "narrowed": (
        changed(ORDERS, "lat", type=["null", "float"]), "lat", "was double, is float",
    ),
    "array to string": (changed(ORDERS, "refs", type="string"), "refs", "was array, is string"),
    "other items": (
        changed(ORDERS, "refs", type={"type": "array", "items": "long"}),
        "refs[]", "was string, is long",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", UNREADABLE)
def test_what_may_not_change(change: str) -> None:
    """Each change that makes an old record unreadable, or mean another thing, is named."""
    reader, path, reason = UNREADABLE[change]
    (problem,) = compat.incompatibilities(reader, [avro.schema(ORDERS)])
    assert (problem.path, problem.reason.startswith(reason)) == (path, True), str(problem)


def test_a_change_inside_of_an_items_record_is_found() -> None:
    """A field of an array's records is compared as any other, and named with its path."""
    contract = copy.deepcopy(avro.schema(CONTRACTS))
    signature = contract["fields"][-1]["type"]["items"]
    signature["fields"].append({"name": "level", "type": "long"})
    (problem,) = compat.problems(contract, avro.schema(CONTRACTS))
    assert str(problem) == "signatures[].level: is new and has no default"


def test_the_rule_is_transitive() -> None:
    """A default that was removed again breaks only the oldest writer, and that is enough."""
    first = without(avro.schema(CONTROL), "body")
    second = avro.schema(CONTROL)
    third = changed(CONTROL, "body", type="bytes")
    third["fields"][-1].pop("default")
    assert compat.incompatibilities(third, [second]) == []
    (problem,) = compat.incompatibilities(third, [first, second])
    assert str(problem) == "body: is new and has no default"


def test_a_writer_may_refer_to_its_own_names() -> None:
    """A foreign schema names a record once and refers to it: the name is followed."""
    node, names = avro.parsed(copy.deepcopy(avro.schema(JOURNAL)))
    field = next(one for one in node["fields"] if one["name"] == "headers")
    field["type"] = {"type": "array", "items": "supplytwin.Header"}
    assert compat.problems(avro.schema(JOURNAL), node, names) == []
