"""Avro's binary encoding: what is read agrees with fastavro, and what Avro forbids is refused."""

import io
import struct
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplytwin.schemas import avro, binary
from supplytwin.schemas.errors import Code, RecordError

ITEM = {"type": "record", "name": "Item", "fields": [
    {"name": "sku", "type": "string"}, {"name": "note", "type": ["null", "bytes"]},
]}  # fmt: skip
SCHEMA: dict[str, Any] = {"type": "record", "name": "All", "fields": [
    {"name": "text", "type": "string"},
    {"name": "maybe", "type": ["null", "long"]},
    {"name": "flag", "type": "boolean"},
    {"name": "day", "type": ["null", "int"]},
    {"name": "list", "type": {"type": "array", "items": "string"}},
    {"name": "items", "type": ["null", {"type": "array", "items": ITEM}]},
    {"name": "number", "type": "double"},
    {"name": "raw", "type": "bytes"},
]}  # fmt: skip
FOREIGN: dict[str, Any] = {"type": "record", "name": "All", "namespace": "acme", "fields": [
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
    {"name": "text", "type": "string"},
    {"name": "tags", "type": {"type": "map", "values": ["null", "Kind", "double"]}},
    {"name": "maybe", "type": ["int", "null"]},
    {"name": "flag", "type": "boolean"},
    {"name": "md5", "type": {"type": "fixed", "name": "Md5", "size": 16}},
    {"name": "day", "type": "int"},
    {"name": "list", "type": {"type": "array", "items": "bytes"}},
    {"name": "deep", "type": {"type": "record", "name": "Deep", "fields": [
        {"name": "kinds", "type": {"type": "array", "items": "Kind"}},
        {"name": "ratio", "type": "float"},
    ]}},
    {"name": "number", "type": "float"},
    {"name": "raw", "type": "string"},
]}  # fmt: skip


def compiled(writer: dict[str, Any], reader: dict[str, Any] = SCHEMA) -> binary.Read:
    """A reader of what `writer` wrote."""
    node, names = avro.parsed(writer)
    return binary.row_reader(node, names, reader)


READ = compiled(SCHEMA)
BODY = b"".join(
    (binary.text("a"), b"\x02\x04", b"\x01", b"\x02\x06", b"\x04\x02x\x02y\x00",
     b"\x02\x02\x02s\x00\x00", struct.pack("<d", 1.5), b"\x02\xff")
)  # fmt: skip
ROW = {
    "text": "a", "maybe": 2, "flag": True, "day": 3, "list": ["x", "y"],
    "items": [{"sku": "s"}], "number": 1.5, "raw": b"\xff",
}  # fmt: skip

texts = st.text(st.characters(codec="utf-8"), max_size=80)
longs = st.integers(-(2**63), 2**63 - 1)
ints = st.integers(-(2**31), 2**31 - 1)
items = st.fixed_dictionaries({"sku": texts, "note": st.none() | st.binary(max_size=5)})
rows = st.fixed_dictionaries({
    "text": texts, "maybe": st.none() | longs, "flag": st.booleans(), "day": st.none() | ints,
    "list": st.lists(texts, max_size=70), "items": st.none() | st.lists(items, max_size=3),
    "number": st.floats(allow_nan=False), "raw": st.binary(max_size=200),
})  # fmt: skip
foreign_rows = st.fixed_dictionaries({
    "kind": st.sampled_from("AB"), "text": texts, "maybe": st.none() | ints,
    "tags": st.dictionaries(texts, st.none() | st.sampled_from("AB") | st.just(1.5), max_size=3),
    "flag": st.booleans(), "md5": st.binary(min_size=16, max_size=16), "day": ints,
    "list": st.lists(texts.map(str.encode), max_size=3),
    "deep": st.fixed_dictionaries({
        "kinds": st.lists(st.sampled_from("AB"), max_size=3), "ratio": st.floats(width=32),
    }),
    "number": st.floats(width=32, allow_nan=False), "raw": texts,
})  # fmt: skip


def written(schema: dict[str, Any], row: Any) -> bytes:
    """A row as fastavro writes it."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), row)
    return buffer.getvalue()


def bare(row: dict[str, Any]) -> dict[str, Any]:
    """A row as our readers give it: without nulls."""
    return {
        name: [bare(one) if isinstance(one, dict) else one for one in value]
        if isinstance(value, list)
        else value
        for name, value in row.items()
        if value is not None
    }


@given(longs)
def test_longs_are_written_as_fastavro_writes_them(number: int) -> None:
    """Zig-zag varints over the whole 64 bits."""
    assert binary.long(number) == written({"type": "long"}, number)


@pytest.mark.parametrize("bits", range(64))
def test_longs_at_every_length(bits: int) -> None:
    """Each power of two and its neighbours, both signs: every length of a varint."""
    for number in (2**bits - 1, -(2**bits), *([2**bits] if bits < 63 else [])):
        assert binary.long(number) == written({"type": "long"}, number)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_longs_beyond_64_bits_are_refused(number: int) -> None:
    """A number that Avro cannot hold is an error, not another number."""
    with pytest.raises(OverflowError):
        binary.long(number)


@given(st.integers(0, 3000))
def test_texts_and_bytes_of_any_length(length: int) -> None:
    """The length is counted in bytes of UTF-8, and right beyond the table of short ones."""
    text = "ü" * length
    assert binary.text(text) == written({"type": "string"}, text)
    assert binary.blob(text.encode()) == written({"type": "bytes"}, text.encode())


@given(rows)
def test_rows_are_read_as_fastavro_reads_them(row: dict[str, Any]) -> None:
    """What fastavro wrote is what we read, with nulls left out."""
    assert binary.read_whole(READ, written(SCHEMA, row), 0) == bare(row)


@given(foreign_rows)
def test_foreign_rows_are_resolved_as_fastavro_resolves_them(row: dict[str, Any]) -> None:
    """Another field order, promotions and strange types that we read over: Avro's resolution."""
    data = written(FOREIGN, row)
    reader = {**SCHEMA, "namespace": "acme"}
    reader["fields"] = [one for one in SCHEMA["fields"] if one["name"] != "items"]
    expected: Any = fastavro.schemaless_reader(
        io.BytesIO(data), fastavro.parse_schema(FOREIGN), fastavro.parse_schema(reader)
    )
    if isinstance(expected["raw"], str):  # fastavro leaves a promoted string as it is
        expected["raw"] = expected["raw"].encode()
    expected["list"] = [one.decode() if isinstance(one, bytes) else one for one in expected["list"]]
    assert binary.read_whole(compiled(FOREIGN), data, 0) == bare(expected)


def test_blocks_with_sizes_and_several_blocks_are_read() -> None:
    """Writers may split arrays and give block sizes: the content is the same."""
    for spelled in (
        b"\x03\x08\x02x\x02y\x00",
        b"\x02\x02x\x02\x02y\x00",
        b"\x01\x04\x02x\x02\x02y\x00",
    ):
        data = BODY.replace(b"\x04\x02x\x02y\x00", spelled)
        assert binary.read_whole(READ, data, 0) == ROW


def test_a_padded_integer_is_read() -> None:
    """A varint may be longer than it must be, up to ten bytes."""
    data = BODY.replace(b"\x02\x04\x01", b"\x02\x84\x80\x80\x80\x80\x80\x80\x80\x80\x00\x01")
    assert binary.read_whole(READ, data, 0) == ROW


CASES = {
    "negative union branch": (b"\x02\x04\x01", b"\x01\x04\x01", "maybe", "union byte 1"),
    "branch beyond the union": (b"\x02\x04\x01", b"\x04\x04\x01", "maybe", "union byte 4"),
    "padded branch": (b"\x02\x04\x01", b"\x82\x00\x04\x01", "maybe", "union byte 130"),
    "boolean byte 2": (b"\x04\x01\x02\x06", b"\x04\x02\x02\x06", "flag", "boolean byte 2"),
    "integer of 11 bytes": (
        b"\x02\x04\x01", b"\x02\x84" + b"\x80" * 9 + b"\x00\x01", "maybe", "more than 10 bytes",
    ),
    "integer of 70 bits": (
        b"\x02\x04\x01", b"\x02" + b"\xff" * 9 + b"\x7f\x01", "maybe", "more than 64 bits",
    ),
    "int of 33 bits": (b"\x01\x02\x06", b"\x01\x02\x80\x80\x80\x80\x20", "day", "32 bits"),
    "not UTF-8": (b"\x02a", b"\x02\xff", "text", "UTF-8"),
    "a surrogate": (b"\x02a", b"\x06\xed\xa0\x80", "text", "UTF-8"),
    "negative length": (b"\x02a", b"\x01a", "text", "negative length -1"),
    "length beyond the end": (b"\x02a", b"\x80\x80\x01a", "text", "truncated"),
    "length of 63 bits": (b"\x02a", b"\xfe" + b"\xff" * 8 + b"\x01a", "text", "truncated"),
    "count beyond the end": (
        b"\x04\x02x\x02y", b"\xfe\xff\xff\xff\x0f\x02x\x02y", "list", "items in",
    ),
    "least negative count": (
        b"\x04\x02x\x02y", b"\xff" * 9 + b"\x01\x08\x02x\x02y", "list", "items in",
    ),
    "wrong block size": (b"\x04\x02x\x02y", b"\x03\x0a\x02x\x02y", "list", "block of 4 bytes"),
    "bad item": (b"\x02s\x00\x00", b"\x02s\x04\x00", "items[0].note", "union byte 4"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_avro_does_not_allow_is_refused(case: str) -> None:
    """Each is refused with the path of the field; fastavro or polars takes several of them."""
    good, bad, field, reason = CASES[case]
    assert BODY.count(good) == 1
    with pytest.raises(RecordError) as caught:
        binary.read_whole(READ, BODY.replace(good, bad), 0)
    assert (caught.value.code, caught.value.field) == (Code.MALFORMED, field)
    assert reason in caught.value.reason


@pytest.mark.parametrize("length", range(len(BODY)))
def test_every_truncation_is_refused(length: int) -> None:
    """A record that ends anywhere before its end is malformed, and says where."""
    with pytest.raises(RecordError, match="truncated") as caught:
        binary.read_whole(READ, BODY[:length], 0)
    assert caught.value.code == Code.MALFORMED
    assert caught.value.field


def test_bytes_behind_the_end_are_refused() -> None:
    """A record ends where its schema says; what follows is nobody's."""
    assert binary.read_whole(READ, BODY, 0) == ROW
    with pytest.raises(RecordError, match="2 bytes stand behind its end"):
        binary.read_whole(READ, BODY + b"\0\0", 0)


@pytest.mark.parametrize("data", [b"\x04", b"\x01", b"\x03"])
def test_a_foreign_branch_or_symbol_that_does_not_exist_is_refused(data: bytes) -> None:
    """Unions of any shape and enums are checked even where their value is read over."""
    for kind in (["int", "null"], {"type": "enum", "name": "K", "symbols": ["A", "B"]}):
        writer = avro.record("All", [{"name": "strange", "type": kind}])
        with pytest.raises(RecordError) as caught:
            binary.read_whole(compiled(writer, avro.record("All", [])), data, 0)
        assert (caught.value.code, caught.value.field) == (Code.MALFORMED, "strange")


@pytest.mark.parametrize(
    "items",
    ["null", {"type": "record", "name": "Nothing", "fields": []},
     {"type": "fixed", "name": "None", "size": 0}],
)  # fmt: skip
def test_items_without_bytes_are_refused_with_their_schema(items: Any) -> None:
    """Ten bytes could claim 2^60 of them."""
    writer = avro.record("All", [{"name": "many", "type": {"type": "array", "items": items}}])
    with pytest.raises(ValueError, match="take no bytes"):
        compiled(writer)


def test_a_recursive_schema_is_refused() -> None:
    """A megabyte of nesting must not reach the end of the stack."""
    writer = avro.record("Node", [{"name": "next", "type": ["null", "supplytwin.Node"]}])
    with pytest.raises(ValueError, match="recursive type"):
        compiled(writer)


@given(st.binary(max_size=60))
def test_random_bytes_raise_nothing_but_a_refusal(data: bytes) -> None:
    """Whatever comes is a row or a RecordError."""
    try:
        row = binary.read_whole(READ, data, 0)
    except RecordError as error:
        assert error.code == Code.MALFORMED
    else:
        assert row.keys() <= ROW.keys()
