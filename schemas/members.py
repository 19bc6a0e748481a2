"""Fields between wire and Struct: how each is written, read and checked.

Wire values are what `schemas.binary` yields: decimals are strings, dates are days, arrays are
lists, records are dicts without their null fields.
"""

import datetime as dt
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields as struct_fields

from supplytwin.schemas import avro, binary, validate
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import ENVELOPE, EVENT_TYPES, Event
from supplytwin.schemas.flow import Header
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import spelled
from supplytwin.schemas.records import SCHEMAS
from supplytwin.schemas.straight import Source

Encode = Callable[[Any], bytes]
"""A field's value as Avro. Raises one of UNWRITABLE for a value of another type or range."""
Convert = Callable[[Any, str], Any]
"""(wire value, field path) -> the field's value. Raises RecordError."""
UNWRITABLE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_TAGGED = {
    tag: tuple(tuple(tag + one for one in table) for table in (binary.READY, binary.LENGTHS))
    for tag in (b"", binary.PRESENT)
}
"""What `binary` has ready, behind the byte of its branch."""
_EPOCH = dt.date(1970, 1, 1).toordinal()
ARRAY_END = b"\0"
"""What an array ends with, and all of an empty one."""


# ---- one value


def _write_decimal(value: Decimal) -> bytes:
    if not value.is_finite():
        raise ValueError(f"{value} is not a number")
    return binary.text(format(value, "f"))


def _write_date(value: dt.date) -> bytes:
    return binary.long(value.toordinal() - _EPOCH)


def _array(encode: Encode) -> Encode:
    def write(values: tuple[Any, ...]) -> bytes:
        if not values:
            return ARRAY_END
        return b"".join((binary.long(len(values)), *map(encode, values), ARRAY_END))

    return write


def _write_header(header: Header) -> bytes:
    key, value = header
    return binary.text(key) + (
        binary.NULL if value is None else binary.PRESENT + binary.blob(value)
    )


_WRITERS: Mapping[Any, Encode] = {
    str: binary.text, int: binary.long, Micros: binary.moment, bool: binary.boolean,
    float: binary.double, bytes: binary.blob, Decimal: _write_decimal, dt.date: _write_date,
    Header: _write_header,
}  # fmt: skip


def encoder_of(hint: Any) -> Encode:
    """The encoder of values of a type, null left aside. Raises TypeError for another type."""
    if hint in _WRITERS:
        return _WRITERS[hint]
    if typing.get_origin(hint) is tuple:
        return _array(encoder_of(typing.get_args(hint)[0]))
    if isinstance(hint, type) and issubclass(hint, Struct):
        return body_encoder(hint)
    raise TypeError(f"no Avro type for {hint}")


def _read_date(value: int, path: str) -> dt.date:
    try:
        return dt.date.fromordinal(value + _EPOCH)
    except (ValueError, OverflowError):
        raise RecordError(Code.BAD_VALUE, path, f"day {value} is not a date") from None


def _read_zone(value: str, path: str) -> str:
    return spelled(value)


def _read_strings(value: list[str], path: str) -> tuple[str, ...]:
    return tuple(value)


def _read_headers(value: list[dict[str, Any]], path: str) -> tuple[Header, ...]:
    return tuple((one["k"], one.get("v")) for one in value)


def _read_records(kind: type[Struct]) -> Convert:
    def read(value: list[dict[str, Any]], path: str) -> tuple[Struct, ...]:
        return tuple(made(kind, one, f"{path}[{at}].") for at, one in enumerate(value))

    return read


_READERS: Mapping[Any, Convert] = {Decimal: validate.decimal, dt.date: _read_date}


def _converter(inner: Any) -> Convert | None:
    """None = the wire value is the field's value."""
    if typing.get_origin(inner) is not tuple or inner == Header:
        return _READERS.get(inner)
    item = typing.get_args(inner)[0]
    if item == Header:
        return _read_headers
    return _read_strings if item is str else _read_records(item)


# ---- the fields of a Struct


class Member(Struct, frozen=True, kw_only=True, eq=False):
    """One field. `inner` = its type, null left aside; `nullable` = may be null on the wire.

    `required` = the Struct has no default for it; `default` = what a null stands for.
    """

    name: str
    required: bool
    default: Any
    inner: Any
    nullable: bool
    convert: Convert | None
    check: validate.Check | None

    def value(self, wire: Any, prefix: str = "") -> Any:
        """The field's value; a null or left-out one is its default. Raises RecordError."""
        if wire is None:
            if self.default is NODEFAULT:
                raise RecordError(Code.MISSING_FIELD, prefix + self.name, "is required")
            return self.default
        found = wire if self.convert is None else self.convert(wire, prefix + self.name)
        if self.check is not None:
            self.check(found, prefix + self.name)
        return found


@cache
def members(kind: type[Struct]) -> dict[str, Member]:
    """The fields of a Struct by name, in wire order.

    A nullable field of a record may be left out, whatever its Struct says: rows carry no nulls.
    """
    hints = typing.get_type_hints(kind)
    is_event = issubclass(kind, Event)
    found = {}
    for one in struct_fields(kind):
        inner, nullable = avro.unwrap(hints[one.name])
        default = one.default
        if default is NODEFAULT and nullable and not is_event:
            default = None
        found[one.name] = Member(
            name=one.name,
            required=one.required,
            default=default,
            inner=inner,
            # in the flat schema of a supply topic every payload field is nullable
            nullable=nullable or (is_event and one.name not in ENVELOPE),
            convert=_read_zone if is_event and one.name == "event_tz" else _converter(inner),
            check=validate.check(kind, one.name, inner),
        )
    return found


def made(kind: type[Struct], row: Mapping[str, Any], prefix: str = "") -> Struct:
    """The Struct that a row says. Raises RecordError naming the field."""
    return kind(**{name: one.value(row.get(name), prefix) for name, one in members(kind).items()})


# ---- bodies


def _write_value(source: Source, inner: Any, tag: bytes) -> list[str]:
    """Write lines that encode `v` behind `tag`; returns the names of the parts."""
    head = f"{tag!r} + " if tag else ""
    if inner is str:
        lengths = source.name(_TAGGED[tag][1])
        otherwise = f"{head}{source.name(binary.long)}(n)"
        source.line("v = v.encode()", "n = len(v)")
        source.line(f"w = {lengths}[n] if n < {binary.READY_END} else {otherwise}")
        return ["w", "v"]
    if inner is int:
        ready, start = source.name(_TAGGED[tag][0]), binary.READY_FROM
        otherwise = f"{head}{source.name(binary.long)}(v)"
        source.line(
            f"w = {ready}[v + {-start}] if {start} <= v < {binary.READY_END} else {otherwise}"
        )
    else:
        written = f"{head}{source.name(encoder_of(inner))}(v)"
        if typing.get_origin(inner) is tuple:  # most of them are empty
            written = f"{tag + ARRAY_END!r} if not v else {written}"
        source.line(f"w = {written}")
    return ["w"]


def _write_field(source: Source, at: int, member: Member) -> list[str]:
    """Write lines that encode a field; returns the names of its parts."""
    source.line(f"name = {member.name!r}", f"v = message.{member.name}")
    if not member.nullable:
        parts = _write_value(source, member.inner, b"")
        own = [f"{part}{at}" for part in parts]
        source.line(f"{', '.join(own)} = {', '.join(parts)}")
        return own
    with source.inside("if v is None:"):
        source.line(f"w{at} = {binary.NULL!r}")
    with source.inside("else:"):
        parts = _write_value(source, member.inner, binary.PRESENT)
        source.line(f"w{at} = {' + '.join(parts)}")
    return [f"w{at}"]


def _unwritable(error: Exception, name: str) -> RecordError:
    if isinstance(error, RecordError):
        return RecordError(error.code, f"{name}.{error.field}", error.reason)
    return RecordError(Code.BAD_VALUE, name, f"cannot be written: {error}")


@cache
def body_encoder(kind: type[Struct], order: tuple[str, ...] = (), head: bytes = b"") -> Encode:
    """What encodes a Struct behind `head` in a schema with these fields (default: its own).

    A field that is not its own is null. The encoder raises RecordError naming the field that
    cannot be written.
    """
    own = members(kind)
    source = Source("def encode(message):")
    parts: list[str | bytes] = [head]
    with source.inside("try:"):
        for at, name in enumerate(order or own):
            if name in own:
                parts += _write_field(source, at, own[name])
            elif isinstance(last := parts[-1], bytes):
                parts[-1] = last + binary.NULL
            else:
                parts.append(binary.NULL)
        joined = ", ".join(one if isinstance(one, str) else repr(one) for one in parts if one)
        source.line(f"return b''.join(({joined},))")
    with source.inside(f"except {source.name((RecordError, *UNWRITABLE))} as error:"):
        source.line(f"raise {source.name(_unwritable)}(error, name) from None")
    return source.function()


@cache
def wire_order(topic: str) -> tuple[str, ...]:
    """The field names of the topic's newest schema."""
    return tuple(one["name"] for one in avro.schema(topic)["fields"])


@cache
def wire_encoder(topic: str, kind: type[Struct], head: bytes) -> Encode:
    """What encodes a topic's messages behind `head`. Raises RecordError for a stranger."""
    if issubclass(kind, Event):
        belongs = EVENT_TYPES.get(kind.TYPE) is kind and topic == kind.TOPIC
    else:
        belongs = SCHEMAS.get(topic) is kind
    if not belongs:
        raise RecordError(Code.BAD_VALUE, "", f"{kind.__name__} is no record of {topic}")
    return body_encoder(kind, wire_order(topic), head)
