"""The committed schemas: derived from the Structs, flat, and found again by their fingerprints."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supplytwin.schemas import avro, codec
from supplytwin.schemas.events import EVENT_TYPES, ORDERS, SUPPLY_TOPICS, Event
from supplytwin.schemas.records import CONTROL, SCHEMAS, Control
from supplytwin.schemas.shapes import shape

TOPICS = avro.topics()


def crc64_avro(data: bytes) -> int:
    """The fingerprint as the Avro specification defines it, bit by bit."""
    found = empty = 0xC15D213AA4D7A795
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ (empty if found & 1 else 0)
    return found


@pytest.mark.parametrize("topic", TOPICS)
def test_the_committed_file_is_what_the_structs_say(topic: str) -> None:
    """`<topic>.avsc` equals the schema that is derived from the Structs."""
    assert (avro.FOLDER / f"{topic}.avsc").read_text() == avro.text(topic)


def test_no_file_stands_for_a_topic_that_does_not_exist() -> None:
    """Every .avsc belongs to a topic, or is a former schema of one."""
    names = {path.stem.partition("@")[0] for path in avro.FOLDER.glob("*.avsc")}
    assert names == set(TOPICS) == {*SUPPLY_TOPICS, *SCHEMAS}


def _types(node: Any) -> Iterator[Any]:
    if isinstance(node, list):
        assert len(node) == 2 and node[0] == "null", f"a union beyond null: {node}"
        yield from _types(node[1])
    elif isinstance(node, dict) and node["type"] == "record":
        for field in node["fields"]:
            nullable = isinstance(field["type"], list)
            assert not nullable or field["default"] is None, f"{field['name']} defaults to a value"
            yield from _types(field["type"])
    elif isinstance(node, dict) and node["type"] == "array":
        yield from _types(node["items"])
    else:
        yield node["type"] if isinstance(node, dict) else node


@pytest.mark.parametrize("topic", TOPICS)
def test_schemas_hold_only_what_decodes_in_columns(topic: str) -> None:
    """No enum, no map, no union beyond null with default null: polars panics at those."""
    allowed = {"string", "bytes", "long", "int", "boolean", "double"}
    assert set(_types(avro.schema(topic))) <= allowed


@pytest.mark.parametrize("topic", SUPPLY_TOPICS)
def test_a_supply_schema_is_the_envelope_and_every_payload_field(topic: str) -> None:
    """The envelope first, in its order; then each payload field of the topic, nullable."""
    fields = {one["name"]: one for one in avro.schema(topic)["fields"]}
    envelope = Event.__struct_fields__
    assert tuple(fields)[: len(envelope)] == envelope
    payload = {
        name
        for event_type, kind in EVENT_TYPES.items()
        if topic == kind.TOPIC
        for name in shape(event_type).allowed
    }
    assert set(fields) == {*envelope, *payload}
    for name in payload:
        assert fields[name]["type"][0] == "null"
        assert fields[name]["default"] is None


def test_one_name_has_one_type() -> None:
    """Two event types of a topic cannot give one column two types."""

    class Counted(Event, frozen=True, kw_only=True):
        amount: int

    class Weighed(Event, frozen=True, kw_only=True):
        amount: str

    assert avro.flat([Counted])[-1]["type"] == ["null", "long"]
    with pytest.raises(TypeError, match=r"Weighed\.amount"):
        avro.flat([Counted, Weighed])


@pytest.mark.parametrize(
    ("schema", "expected"),
    [("null", 7195948357588979594), ("boolean", -6970731678124411036),
     ("int", 8247732601305521295), ("string", -8142146995180207161)],
)  # fmt: skip
def test_fingerprints_are_those_of_the_avro_specification(schema: str, expected: int) -> None:
    """The four test vectors of Avro's own schema tests."""
    assert avro.fingerprint_of_schema(schema) == expected % 2**64


@pytest.mark.parametrize("topic", TOPICS)
def test_the_wire_header_carries_the_fingerprint_little_endian(topic: str) -> None:
    """C3 01, then CRC-64-AVRO of the parsing canonical form, computed here a second time."""
    from fastavro.schema import to_parsing_canonical_form

    canonical = to_parsing_canonical_form(json.loads(avro.text(topic)))
    expected = crc64_avro(canonical.encode())
    assert codec.header(topic) == b"\xc3\x01" + expected.to_bytes(8, "little")
    assert avro.known()[topic, expected] == avro.schema(topic)


def test_every_topic_has_a_fingerprint_of_its_own() -> None:
    """No two topics share a schema, so a record cannot be taken for another topic's."""
    assert len({avro.fingerprint_of(topic) for topic in TOPICS}) == len(TOPICS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another folder of schemas, empty."""
    monkeypatch.setattr(avro, "FOLDER", tmp_path)
    yield tmp_path
    monkeypatch.undo()
    avro.known.cache_clear()
    codec._known.cache_clear()


def test_the_module_writes_all_files(folder: Path) -> None:
    """`python -m supplytwin.schemas.avro` writes one file for each topic."""
    avro.main()
    assert {path.name for path in folder.iterdir()} == {f"{topic}.avsc" for topic in TOPICS}
    assert json.loads((folder / f"{ORDERS}.avsc").read_text()) == avro.schema(ORDERS)


def test_a_former_schema_stays_readable(folder: Path) -> None:
    """A record written before a field was added is read; the field has its default."""
    former = {**avro.schema(CONTROL), "fields": avro.schema(CONTROL)["fields"][:4]}
    (folder / f"{CONTROL}@2.avsc").write_text(json.dumps(former))
    (folder / f"{CONTROL}@10.avsc").write_text(json.dumps({**former, "doc": "later"}))
    avro.known.cache_clear()
    codec._known.cache_clear()
    assert [one.get("doc") for one in avro.earlier(CONTROL)] == [None, "later"]
    now = Control(input_id="1", kind="TICK", tick_time=5, timeline="t")
    fingerprint = avro.fingerprint_of_schema(former)
    value = b"\xc3\x01" + fingerprint.to_bytes(8, "little") + codec.body(CONTROL, now)[:-1]
    decoded = codec.decode(CONTROL, value)
    assert (decoded.message, decoded.fingerprint) == (now, fingerprint)
    assert decoded.content_hash == codec.content_hash(CONTROL, now)
