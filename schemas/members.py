"""Fields between wire and Struct: how each is written, read and checked.

Wire values are what `schemas.binary` yields: decimals are strings, dates are days, arrays are
lists, records are dicts without their null fields.
"""

import datetime as dt
import operator
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
from supplytwin.schemas.records import SCHEMAS

Encode = Callable[[Any], bytes]
"""A field's value as Avro. Raises one of UNWRITABLE for a value of another type or range."""
Convert = Callable[[Any, str], Any]
"""(wire value, field path) -> the field's value. Raises RecordError."""
UNWRITABLE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_EPOCH = dt.date(1970, 1, 1).toordinal()


# ---- one value


def _write_decimal(value: Decimal) -> bytes:
    if not value.is_finite():
        raise ValueError(f"{value} is not a number")
    return binary.text(format(value, "f"))


def _write_date(value: dt.date) -> bytes:
    return binary.long(value.toordinal() - _EPOCH)


def _optional(encode: Encode) -> Encode:
    if encode is binary.text:
        return _write_optional_text
    return lambda value: binary.NULL if value is None else binary.PRESENT + encode(value)


def _write_optional_text(value: str | None) -> bytes:
    return binary.NULL if value is None else b"\x02" + binary.text(value)


def _array(encode: Encode) -> Encode:
    def write(values: tuple[Any, ...]) -> bytes:
        if not values:
            return b"\0"
        return b"".join((binary.long(len(values)), *map(encode, values), b"\0"))

    return write


def _write_header(header: Header) -> bytes:
    key, value = header
    return binary.text(key) + (
        binary.NULL if value is None else binary.PRESENT + binary.blob(value)
    )


_WRITERS: Mapping[Any, Encode] = {
    str: binary.text, int: binary.long, Micros: binary.long, bool: binary.boolean,
    float: binary.double, bytes: binary.blob, Decimal: _write_decimal, dt.date: _write_date,
    Header: _write_header,
}  # fmt: skip


def _encoder(hint: Any) -> Encode:
    inner, nullable = avro.unwrap(hint)
    if nullable:
        return _optional(_encoder(inner))
    if hint in _WRITERS:
        return _WRITERS[hint]
    if typing.get_origin(hint) is tuple:
        return _array(_encoder(typing.get_args(hint)[0]))
    if isinstance(hint, type) and issubclass(hint, Struct):
        return layout_of(hint).encode
    raise TypeError(f"no Avro type for {hint}")


def _read_date(value: int, path: str) -> dt.date:
    try:
        return dt.date.fromordinal(value + _EPOCH)
    except (ValueError, OverflowError):
        raise RecordError(Code.BAD_VALUE, path, f"day {value} is not a date") from None


def _read_strings(value: list[str], path: str) -> tuple[str, ...]:
    return tuple(value)


def _read_headers(value: list[dict[str, Any]], path: str) -> tuple[Header, ...]:
    return tuple((one["k"], one.get("v")) for one in value)


def _read_records(kind: type[Struct]) -> Convert:
    def read(value: list[dict[str, Any]], path: str) -> tuple[Struct, ...]:
        return tuple(made(kind, one, f"{path}[{at}].") for at, one in enumerate(value))

    return read


_READERS: Mapping[Any, Convert] = {Decimal: validate.decimal, dt.date: _read_date}


def _converter(hint: Any) -> Convert | None:
    """None = the wire value is the field's value."""
    inner, _ = avro.unwrap(hint)
    if typing.get_origin(inner) is not tuple or inner == Header:
        return _READERS.get(inner)
    item = typing.get_args(inner)[0]
    if item == Header:
        return _read_headers
    return _read_strings if item is str else _read_records(item)


# ---- the fields of a Struct


class Member(Struct, frozen=True, kw_only=True, eq=False):
    """One field. `repeats` = equal wire values have one and the same meaning and encoding."""

    name: str
    default: Any
    encode: Encode
    convert: Convert | None
    check: validate.Check | None
    repeats: bool

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
        hint = hints[one.name]
        inner, nullable = avro.unwrap(hint)
        is_array = typing.get_origin(inner) is tuple
        encode = _encoder(hint)
        if is_event and one.name not in ENVELOPE and not nullable:
            encode = _optional(encode)  # in the topic's flat schema every payload field is nullable
        default = one.default
        if default is NODEFAULT and nullable and not is_event:
            default = None
        found[one.name] = Member(
            name=one.name,
            default=default,
            encode=encode,
            convert=_converter(hint),
            check=validate.check(kind, one.name, inner),
            repeats=inner is not float and (not is_array or inner == tuple[str, ...]),
        )
    return found


def made(kind: type[Struct], row: Mapping[str, Any], prefix: str = "") -> Struct:
    """The Struct that a row says. Raises RecordError naming the field."""
    return kind(**{name: one.value(row.get(name), prefix) for name, one in members(kind).items()})


# ---- bodies


class Layout(Struct, frozen=True, kw_only=True, eq=False):
    """Where the fields of a Struct stand in a schema; what is not its own is null there."""

    names: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    encoders: tuple[Encode, ...]
    slots: tuple[int, ...]
    blank: tuple[bytes, ...]

    def encode(self, message: Struct) -> bytes:
        """The Avro body. Raises RecordError naming the field that cannot be written."""
        parts = list(self.blank)
        slot = 0
        try:
            for slot, encode, value in zip(
                self.slots, self.encoders, self.values(message), strict=True
            ):
                parts[slot] = encode(value)
        except RecordError as error:
            field = f"{self.names[self.slots.index(slot)]}.{error.field}"
            raise RecordError(error.code, field, error.reason) from None
        except UNWRITABLE as error:
            name = self.names[self.slots.index(slot)]
            raise RecordError(Code.BAD_VALUE, name, f"cannot be written: {error}") from None
        return b"".join(parts)


@cache
def layout_of(kind: type[Struct], wire_order: tuple[str, ...] | None = None) -> Layout:
    """The layout of a Struct in a schema with these fields (default: its own)."""
    own = members(kind)
    order = wire_order or tuple(own)
    names = tuple(name for name in order if name in own)
    first, *more = names
    return Layout(
        names=names,
        values=operator.attrgetter(*names) if more else lambda message: (getattr(message, first),),
        encoders=tuple(own[name].encode for name in names),
        slots=tuple(at for at, name in enumerate(order) if name in own),
        blank=(binary.NULL,) * len(order),
    )


@cache
def wire_order(topic: str) -> tuple[str, ...]:
    """The field names of the topic's newest schema."""
    return tuple(one["name"] for one in avro.schema(topic)["fields"])


@cache
def layout(topic: str, kind: type[Struct]) -> Layout:
    """The layout of a message in its topic's newest schema. Raises RecordError for a stranger."""
    if issubclass(kind, Event):
        belongs = EVENT_TYPES.get(kind.TYPE) is kind and topic == kind.TOPIC
    else:
        belongs = SCHEMAS.get(topic) is kind
    if not belongs:
        raise RecordError(Code.BAD_VALUE, "", f"{kind.__name__} is no record of {topic}")
    return layout_of(kind, wire_order(topic))
