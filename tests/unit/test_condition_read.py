"""Conditions are read with every finding at once, and written in one spelling."""

import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from condition_world import as_json, condition, leaf, leaves, tree
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin import schemas
from supplytwin.schemas.condition import (
    DEPTH_MAX,
    LEAVES,
    NODES_MAX,
    OPERATORS,
    condition_hash,
    encode,
    walked,
)
from supplytwin.schemas.condition_read import read
from supplytwin.schemas.durations import duration_text, duration_us

SCHEMA = json.loads(Path(schemas.__file__).with_name("condition.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
TIME = {"time": {"not_before": "2027-02-10T00:00:00+08:00"}}
seeds = st.integers(0, 2**32).map(random.Random)


def findings(value: Any) -> dict[str, str]:
    """Path -> code of all that is found in a JSON value."""
    found = read(json.dumps(value).encode())
    assert found.value is None or not found.findings
    return {one.path: one.code for one in found.findings}


@settings(deadline=None)
@given(seeds)
def test_what_is_written_is_read_as_the_same(rng: random.Random) -> None:
    """Canonical bytes read back as the very condition, and are written as the very bytes."""
    one = tree(rng, leaves(rng, 4))
    found = read(encode(one))
    assert found.findings == () and found.value == one
    assert found.value is not None and encode(found.value) == encode(one)


def test_one_meaning_has_one_spelling() -> None:
    """Member order, white space, trailing zeros, Z, P2D and PT48H, the order of roles and defaults
    that are written out or null change nothing about the hash.
    """
    first = b"""{"all": [
      {"milestone": {"type": "CLEARED", "before": "2027-02-10T00:00:00.500Z",
                     "by": {"roles": ["IOT", "CUSTOMS"]}}},
      {"quality": {"test": "M", "op": "<=", "value": "13.00", "unit": "%",
                   "certificate_role": "INSPECTOR"}},
      {"absent": {"type": "CLAIM", "during":
          ["2027-02-10T00:00:00Z", {"anchor": "TRANCHE:T2", "plus": "PT48H"}]}}]}"""
    second = (
        b'{"all":[{"milestone":{"by":{"distinct_orgs":true,"k":1,"roles":["CUSTOMS","IOT"]},'
        b'"before":"2027-02-10T00:00:00.5+00:00","place":null,"type":"CLEARED"}},'
        b'{"quality":{"certificate_role":"INSPECTOR","op":"<=","test":"M","unit":"%",'
        b'"value":"13"}},{"absent":{"during":["2027-02-10T00:00:00+00:00",'
        b'{"anchor":"TRANCHE:T2","plus":"P2D"}],"type":"CLAIM"}}]}'
    )
    written = [encode(one) for one in (read(first).value, read(second).value) if one is not None]
    assert len(written) == 2 and written[0] == written[1]
    assert len(condition_hash(written[0])) == 64


def test_what_means_something_else_is_spelled_otherwise() -> None:
    """One instant with another offset is another condition: it is another day there."""
    told = [
        condition({"time": {"not_after": text}})
        for text in ("2027-02-10T00:00:00+08:00", "2027-02-09T16:00:00+00:00")
    ]
    assert encode(told[0]) != encode(told[1])


def test_every_finding_at_once() -> None:
    """Everything that is wrong is named with its path, in the order of the document."""
    wrong = {
        "all": [
            {"nope": 1},
            {"milestone": {"type": "low", "by": {"roles": [], "k": 0}, "befor": "x"}},
            {"quantity": {"line": "1", "measure": "ACCEPTED", "op": "<=", "value": 5}},
            {"at_least": {"k": 0, "of": [3], "more": 1}},
            {"time": {}},
            {"time": {"not_after": "2027-02-10T00:00:00"}},
            {"absent": {"type": "CLAIM"}},
            {"telemetry": 1},
            {"all": [], "any": []},
        ]
    }
    assert findings(wrong) == {
        "$.all[0].nope": "WORD",
        "$.all[1].milestone.befor": "FOREIGN_FIELD",
        "$.all[1].milestone.by.roles": "EMPTY",
        "$.all[1].milestone.type": "PATTERN",
        "$.all[2].quantity.op": "WORD",
        "$.all[2].quantity.value": "DECIMAL_NUMBER",
        "$.all[3].at_least.more": "FOREIGN_FIELD",
        "$.all[3].at_least.of[0]": "TYPE",
        "$.all[4].time": "EMPTY",
        "$.all[5].time.not_after": "PATTERN",
        "$.all[6].absent.during": "MISSING_FIELD",
        "$.all[7].telemetry": "TYPE",
        "$.all[8]": "TYPE",
    }


WRONG = [
    ({"milestone": {"type": "A", "by": {"roles": ["R"], "k": 0}}}, "$.milestone.by.k"),
    ({"milestone": {"type": "A", "by": {"roles": ["R"], "distinct_orgs": False}}},
     "$.milestone.by.distinct_orgs"),
    ({"milestone": {"type": "A", "by": {"roles": ["R", "R"]}}}, "$.milestone.by.roles[1]"),
    ({"milestone": {"type": "A", "subject": "C", "by": {"roles": ["R"]}}}, "$.milestone.subject"),
    ({"quantity": {"line": "1", "measure": "ACCEPTED", "op": ">="}}, "$.quantity"),
    ({"quantity": {"line": "1", "measure": "ACCEPTED", "op": ">=", "value": "1",
                   "pct_of_ordered_bp": 1}}, "$.quantity"),
    ({"quantity": {"line": "1", "measure": "ACCEPTED", "op": ">=", "value": "0"}},
     "$.quantity.value"),
    ({"document": {"type": "EBL", "state": "S", "unique": False, "issuer_role": "R"}},
     "$.document.unique"),
    ({"carbon": {"measure": "I", "op": "<=", "value": "1e2", "unit": "kg",
                 "assurance": "VERIFIED"}}, "$.carbon.value"),
    ({"absent": {"type": "A", "during": "LATER"}}, "$.absent.during"),
    ({"absent": {"type": "A", "during": ["2027-02-10T00:00:00Z"]}}, "$.absent.during"),
    ({"approval": {"roles": ["R"], "k": 1, "deadline": "2027-02-30T00:00:00Z"}},
     "$.approval.deadline"),
    ({"time": {"not_before": {"anchor": "T2"}}}, "$.time.not_before.anchor"),
    ({"time": {"not_before": {"anchor": "TRANCHE:T2", "plus": "P1M"}}}, "$.time.not_before.plus"),
    ({"at_least": {"of": [TIME]}}, "$.at_least.k"),
    ([TIME], "$"),
    ({}, "$"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "path"), WRONG, ids=[path for _, path in WRONG])
def test_what_is_wrong_is_named_where_it_stands(wrong: Any, path: str) -> None:
    """One fault is one finding, at its own path."""
    assert list(findings(wrong)) == [path]


def test_names_that_stand_twice_are_refused() -> None:
    """Nobody knows which of two members counts: of an operator, of a leaf, of an at_least."""
    for text in (
        b'{"any": [], "any": []}',
        b'{"time": {"not_after": "2027-02-10T00:00:00Z", "not_after": "2028-02-10T00:00:00Z"}}',
        b'{"at_least": {"k": 1, "k": 2, "of": [{"approval": {"roles": ["R"], "k": 1}}]}}',
    ):
        found = read(text)
        assert found.value is None and found.findings, text


def test_depth_and_number_are_bounded() -> None:
    """Eight conditions deep and 64 in all are read, one more is not; nor is what is no JSON."""
    deep: Any = TIME
    for _ in range(DEPTH_MAX - 1):
        deep = {"all": [deep]}
    assert findings(deep) == {}
    assert list(findings({"any": [deep]}).values()) == ["RANGE"]
    assert findings({"any": [TIME] * (NODES_MAX - 1)}) == {}
    assert findings({"any": [TIME] * NODES_MAX}) == {"$": "RANGE"}
    many = findings({"any": [3] * 100_000})
    assert many["$"] == "RANGE" and len(many) == 4 * NODES_MAX
    assert [one.code for one in read(b"{").findings] == ["MALFORMED"]
    assert [one.code for one in read(b"[" * 100_000).findings] == ["MALFORMED"]


def test_paths_are_those_of_the_document() -> None:
    """Each condition of a tree is walked once, by the path at which it stands in the JSON."""
    one = condition({"any": [TIME, {"at_least": {"k": 1, "of": [{"all": [TIME]}]}}]})
    assert [path for path, _ in walked(one)] == [
        "$", "$.any[0]", "$.any[1]", "$.any[1].at_least.of[0]", "$.any[1].at_least.of[0].all[0]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "us", "spelled"),
    [
        ("PT45M", 2_700_000_000, "PT45M"),
        ("PT48H", 172_800_000_000, "P2D"),
        ("P1W", 604_800_000_000, "P7D"),
        ("P1DT1H1M1S", 90_061_000_000, "P1DT1H1M1S"),
        ("PT0S", 0, "PT0S"),
        ("P0D", 0, "PT0S"),
    ],
)
def test_durations(text: str, us: int, spelled: str) -> None:
    """A duration is what it says in us, and has one spelling."""
    assert duration_us(text) == us and duration_text(us) == spelled
    assert duration_us(spelled) == us


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "P1M", "P1Y", "-P1D", "PT1.5S", "P99999W", "1D"]
)
def test_durations_without_a_length_of_their_own_are_refused(text: str) -> None:
    """Months, years, fractions, signs and more than a hundred years are no duration here."""
    with pytest.raises(ValueError, match=r"duration|hundred years"):
        duration_us(text)


# ---- the JSON Schema that authors get


def test_the_schema_is_one_and_knows_every_operator_and_field() -> None:
    """The shipped schema is valid, and has what the Structs have."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["condition"]["properties"]) == set(OPERATORS)
    for name, kind in LEAVES.items():
        fields = {one.removesuffix("_") for one in kind.__struct_fields__}
        assert set(SCHEMA["$defs"][name]["properties"]) == fields, name


@settings(deadline=None)
@given(seeds)
def test_the_schema_takes_what_the_reader_takes(rng: random.Random) -> None:
    """What is read without a finding is valid for the schema."""
    VALIDATOR.validate(as_json(tree(rng, leaves(rng, 3))))


def _mutated(rng: random.Random, value: Any) -> Any:
    """A leaf with one thing in it changed to what is mostly wrong."""
    odd = (None, "", "x y", "-1", 0, 3, True, [], ["R"], {}, "CHALLENGE", "2027-02-10T00:00:00Z")
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(sorted(value))
        if rng.random() < 0.15:
            return {one: value[one] for one in value if one != name}
        if rng.random() < 0.15:
            return {**value, rng.choice(("more", "before", "value", "k")): rng.choice(odd)}
        return {**value, name: _mutated(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], _mutated(rng, value[at]), *value[at + 1 :]]
    return rng.choice(odd)


@settings(deadline=None)
@given(seeds)
def test_the_schema_refuses_what_the_reader_refuses(rng: random.Random) -> None:
    """One thing changed in a condition is refused by both or by neither."""
    value = _mutated(rng, as_json(leaf(rng)))
    is_read = read(json.dumps(value).encode()).value is not None
    assert VALIDATOR.is_valid(value) == is_read, value
