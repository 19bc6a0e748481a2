"""Avro's binary encoding, strict: writers of single values, and readers compiled from schemas.

Decoders at hand disagree about damaged bytes: of a boolean byte 2 one makes true, another false;
branch -1 of a union is taken for the last one; a day that does not fit 32 bits becomes another day.
What a record says must not depend on who reads it, so the reading that counts is this one: it
refuses whatever the specification (1.12, "Data Serialization and Deserialization") does not allow.
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from supplytwin.schemas.errors import Code, RecordError

Read = Callable[[bytes, int], tuple[Any, int]]
"""(data, position) -> (value, position behind it). Raises ValueError, IndexError or RecordError."""
Schema = dict[str, Any]

NULL, PRESENT = b"\0", b"\x02"
"""The two branches of a nullable field: null, and the value that follows."""
_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1
_EIGHT_BYTES_END = 1 << 56
_MORE = tuple(sum(128 << 8 * at for at in range(n - 1)) for n in range(9))
"""The flags of a varint of n bytes that say of each but the last that more follow."""
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")


# ---- writing


def _long(number: int) -> bytes:
    if not _LONG_MIN <= number <= _LONG_MAX:
        raise OverflowError(f"{number} does not fit 64 bits")
    z = number << 1 ^ number >> 63
    if z < _EIGHT_BYTES_END:
        length = (z.bit_length() + 6) // 7 or 1
        z = z & 0xFFFFFFF | (z & 0xFFFFFFF0000000) << 4  # two of 28 bits, with room for the flags
        z = z & 0x3FFF00003FFF | (z & 0xFFFC0000FFFC000) << 2  # four of 14
        z = z & 0x7F007F007F007F | (z & 0x3F803F803F803F80) << 1  # eight of 7
        return (z | _MORE[length]).to_bytes(length, "little")
    out = bytearray()
    while z > 127:
        out.append(z & 127 | 128)
        z >>= 7
    out.append(z)
    return bytes(out)


READY_FROM, READY_END = -64, 1 << 10
READY = tuple(_long(number) for number in range(READY_FROM, READY_END))
"""The integers that are written most, from READY_FROM."""
LENGTHS = READY[-READY_FROM:]


def long(number: int) -> bytes:
    """A zig-zag varint. Raises OverflowError outside 64 bits."""
    if READY_FROM <= number < READY_END:
        return READY[number - READY_FROM]
    return _long(number)


moment = lru_cache(maxsize=64, typed=True)(long)
"""`long` for times: what one input leads to shares a few."""


def blob(value: bytes) -> bytes:
    """Bytes with their length."""
    length = len(value)
    return (LENGTHS[length] if length < READY_END else _long(length)) + value


def text(value: str) -> bytes:
    """A string as UTF-8 with its length. Raises UnicodeEncodeError for a lone surrogate."""
    raw = value.encode()
    length = len(raw)
    return (LENGTHS[length] if length < READY_END else _long(length)) + raw


def boolean(value: bool) -> bytes:
    """One byte, 0 or 1."""
    return b"\x01" if value else NULL


def double(value: float) -> bytes:
    """Eight bytes, little endian."""
    return _DOUBLE.pack(value)


# ---- reading


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """(a varint of at most 64 bits, the position behind it), however it is padded."""
    byte = data[at]
    at += 1
    if byte < 128:
        return byte >> 1 ^ -(byte & 1), at
    z, shift = byte & 127, 7
    while True:
        byte = data[at]
        at += 1
        z |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise ValueError("has an integer of more than 10 bytes")
    if z >> 64:
        raise ValueError("has an integer of more than 64 bits")
    return z >> 1 ^ -(z & 1), at


def _int(data: bytes, at: int) -> tuple[int, int]:
    value, at = read_long(data, at)
    if not _INT_MIN <= value <= _INT_MAX:
        raise ValueError(f"has an int of more than 32 bits: {value}")
    return value, at


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_long(data, at)
    end = at + length
    if length < 0:
        raise ValueError(f"has the negative length {length}")
    if end > len(data):
        raise IndexError
    return data[at:end], end


def _text(data: bytes, at: int) -> tuple[str, int]:
    byte = data[at]
    if byte < 128 and not byte & 1:  # a length of one byte, which most have
        at += 1
        end = at + (byte >> 1)
        if end > len(data):
            raise IndexError
        raw = data[at:end]
    else:
        raw, end = _bytes(data, at)
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    byte = data[at]
    if byte > 1:
        raise ValueError(f"has a boolean byte {byte}: must be 0 or 1")
    return byte == 1, at + 1


def _packed(kind: struct.Struct) -> Read:
    def read(data: bytes, at: int) -> tuple[float, int]:
        end = at + kind.size
        if end > len(data):
            raise IndexError
        return kind.unpack_from(data, at)[0], end

    return read


def _null(data: bytes, at: int) -> tuple[None, int]:
    return None, at


def _converted(read: Read, convert: Callable[[Any], Any]) -> Read:
    def read_one(data: bytes, at: int) -> tuple[Any, int]:
        value, at = read(data, at)
        return convert(value), at

    return read_one


_PRIMITIVES: Mapping[str, Read] = {
    "null": _null, "boolean": _boolean, "int": _int, "long": read_long, "float": _packed(_FLOAT),
    "double": _packed(_DOUBLE), "bytes": _bytes, "string": _text,
}  # fmt: skip
_PROMOTIONS: Mapping[tuple[str, str], Read] = {
    ("int", "long"): _int,
    ("int", "float"): _converted(_int, float),
    ("int", "double"): _converted(_int, float),
    ("long", "float"): _converted(read_long, float),
    ("long", "double"): _converted(read_long, float),
    ("float", "double"): _packed(_FLOAT),
    ("string", "bytes"): _bytes,
    ("bytes", "string"): _text,
}
"""(written as, read as) -> reader; the promotions of the specification's schema resolution."""
PROMOTIONS = frozenset(_PROMOTIONS)


def _blocks(read_item: Read) -> Read:
    """Items in blocks, each with its count; a negative count is followed by the block's size."""

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        while True:
            count, at = read_long(data, at)
            if count == 0:
                return items, at
            size, start = None, at
            if count < 0:
                count = -count
                size, at = read_long(data, at)
                start = at
            if count > len(data) - at:  # an item has at least one byte: see `_array`
                left = len(data) - at
                raise ValueError(f"has {count} items in {left} bytes: is it truncated?")
            for _ in range(count):
                try:
                    item, at = read_item(data, at)
                except RecordError as error:
                    raise RecordError(
                        error.code, f"[{len(items)}].{error.field}", error.reason
                    ) from None
                items.append(item)
            if size is not None and at - start != size:
                raise ValueError(f"has a block of {at - start} bytes that claims {size}")

    return read


class _Compiler:
    """Turns a writer's schema into readers that yield what the reader's schema wants."""

    def __init__(self, names: Mapping[str, Schema]) -> None:
        self._names = names
        self._open: list[str] = []

    def read(self, writer: Any, target: Any) -> Read:
        """`target` None = read over it."""
        if isinstance(writer, str) and writer not in _PRIMITIVES:
            writer = self._names[writer]
        if isinstance(writer, list):
            return self._union([self.read(one, target) for one in writer])
        if isinstance(target, list):
            target = next(one for one in target if one != "null")
        node: Schema = {"type": writer} if isinstance(writer, str) else writer
        kind = node["type"]
        if isinstance(kind, dict | list):
            return self.read(kind, target)
        match kind:
            case "record" | "error":
                return self._record(node, target)
            case "array":
                return self._array(node["items"], None if target is None else target["items"])
            case "map":
                pair = {"type": "record", "name": "", "fields": [
                    {"name": "k", "type": "string"}, {"name": "v", "type": node["values"]}
                ]}  # fmt: skip
                return _blocks(self._record(pair, None))
            case "enum":
                return _enum(len(node["symbols"]))
            case "fixed":
                return _fixed(node["size"])
            case _:
                wanted = kind if target is None or kind == "null" else _kind(target)
                return _PRIMITIVES[kind] if wanted == kind else _PROMOTIONS[kind, wanted]

    def _array(self, item: Any, target: Any) -> Read:
        if not self._width(item):
            raise ValueError("has an array whose items take no bytes")
        return _blocks(self.read(item, target))

    def _width(self, node: Any) -> int:
        """Least number of bytes of a value, as far as it matters: 0 or more."""
        if isinstance(node, list):
            return 1
        if isinstance(node, str):
            if node in _PRIMITIVES:
                return int(node != "null")
            node = self._names[node]
        match node["type"]:
            case "record" | "error":
                return sum(self._width(one["type"]) for one in node["fields"])
            case "fixed":
                return int(node["size"])
            case str(kind) if kind in {"array", "map", "enum"}:
                return 1
            case inner:
                return self._width(inner)

    def _record(self, writer: Schema, target: Schema | None) -> Read:
        name = writer["name"]
        if name in self._open:
            raise ValueError(f"has the recursive type {name}")
        self._open.append(name)
        wanted = {} if target is None else {one["name"]: one["type"] for one in target["fields"]}
        fields: list[tuple[str, bool, Read]] = []
        for field in writer["fields"]:
            wrote, to = field["type"], wanted.get(field["name"])
            optional = isinstance(wrote, list) and len(wrote) == 2 and wrote[0] == "null"
            fields.append((field["name"], optional, self.read(wrote[1] if optional else wrote, to)))
        self._open.pop()
        unions = tuple(one["name"] for one in writer["fields"] if isinstance(one["type"], list))
        return _row(fields, tuple(one for one, _, _ in fields if one not in wanted), unions)

    @staticmethod
    def _union(branches: list[Read]) -> Read:
        def read(data: bytes, at: int) -> tuple[Any, int]:
            branch, at = read_long(data, at)
            if not 0 <= branch < len(branches):
                raise ValueError(f"has branch {branch} of a union of {len(branches)}")
            return branches[branch](data, at)

        return read


def _kind(target: Any) -> str:
    return str(target["type"] if isinstance(target, dict) else target)


def _enum(symbols: int) -> Read:
    def read(data: bytes, at: int) -> tuple[int, int]:
        symbol, at = _int(data, at)
        if not 0 <= symbol < symbols:
            raise ValueError(f"has symbol {symbol} of an enum of {symbols}")
        return symbol, at

    return read


def _fixed(size: int) -> Read:
    def read(data: bytes, at: int) -> tuple[bytes, int]:
        if at + size > len(data):
            raise IndexError
        return data[at : at + size], at + size

    return read


def _row(
    fields: list[tuple[str, bool, Read]], dropped: tuple[str, ...], unions: tuple[str, ...]
) -> Read:
    odd = {name for name, optional, _ in fields if not optional}.intersection(unions)

    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        row: dict[str, Any] = {}
        name = ""
        try:
            for name, optional, read_one in fields:
                if optional:
                    tag = data[at]
                    at += 1
                    if tag == 0:
                        continue
                    if tag != 2:
                        raise ValueError(f"has union byte {tag}: must be 0 (null) or 2 (a value)")
                row[name], at = read_one(data, at)
        except RecordError as error:
            dot = "" if error.field.startswith("[") else "."
            raise RecordError(error.code, f"{name}{dot}{error.field}", error.reason) from None
        except IndexError:
            raise RecordError(Code.MALFORMED, name, "ends too early: is it truncated?") from None
        except ValueError as error:
            raise RecordError(Code.MALFORMED, name, str(error)) from None
        for name in dropped:
            row.pop(name, None)
        for name in odd:
            if row.get(name, NULL) is None:
                del row[name]
        return row, at

    return read


def row_reader(writer: Schema, names: Mapping[str, Schema], reader: Schema) -> Read:
    """A reader of records that `writer` wrote, as rows of `reader`: dicts without the null fields.

    `names` are the writer's named types by full name. The two must be compatible
    (`schemas.compat`). Fields that only the writer has are read over; those that only the reader
    has are left out, as nulls are. Raises ValueError for a recursive type and for items without
    bytes: with such schemas a small record could cost without bound.
    """
    return _Compiler(names).read(writer, reader)


def read_whole(read: Read, data: bytes, at: int) -> dict[str, Any]:
    """The row at `at`. Raises RecordError(MALFORMED) unless it ends where the data ends."""
    try:
        row, end = read(data, at)
    except RecursionError:
        raise RecordError(Code.MALFORMED, "", "is nested too deep") from None
    if end != len(data):
        raise RecordError(Code.MALFORMED, "", f"{len(data) - end} bytes stand behind its end")
    found: dict[str, Any] = row
    return found
