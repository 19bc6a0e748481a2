"""Readers that take one spelling only: the one that we would write ourselves.

Avro leaves a writer freedom: padded integers, arrays in several blocks; our decimals may have
leading zeros. What is read here has used none of it: encoding the message again gives the very
bytes, so that their SHA-256 is the content hash. Of anything else a reader says only that it is not
canonical; what it means, or what is wrong with it, is for the strict reader of `schemas.codec` to
say. Most of what comes is canonical, and read several times as fast.

Each record is read by itself: no neighbour can lend it a byte.
"""

import datetime as dt
import struct
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from itertools import groupby
from typing import Any, get_args, get_origin

from msgspec import Struct

from supplytwin.schemas import binary, validate
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import EVENT_TYPES, SUPPLY_TOPICS, Event
from supplytwin.schemas.flow import Header
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.members import Member, members, wire_order
from supplytwin.schemas.records import SCHEMAS
from supplytwin.schemas.straight import Source

ReadWhole = Callable[[bytes, int], Struct]
"""(data, where the body starts) -> the message whose body is all the rest. Raises one of OTHER."""
Item = Callable[[bytes, int], tuple[Any, int]]
"""(data, position) -> (value, position behind it); beyond the end when the data is too short."""
OTHER = (RecordError, LookupError, OverflowError, TypeError, ValueError, struct.error)
"""What a reader raises unless the bytes are the canonical ones of a valid message."""
_KEPT_MAX, _KEPT_LEN_MAX = 1 << 13, 64
_COMMON = frozenset(("refs",))
"""Fields that may be empty and seldom are."""


class NotCanonical(ValueError):
    """It may still be right: the strict reader knows."""


# ---- one value

_LENGTHS = tuple(None if n & 1 or n > 127 else n >> 1 for n in range(256))
"""First byte of a length -> the length; None = it has more bytes, or is none."""
_LENGTHS_FROM_1 = (None, *_LENGTHS[1:])
_INTS = tuple(None if n > 127 else n >> 1 ^ -(n & 1) for n in range(256))
_BOOLEANS = (False, True)
_PAIRS, _DOUBLE = struct.Struct("<HHHH").unpack_from, struct.Struct("<d").unpack_from


@cache
def _by_pair() -> tuple[list[int], ...]:
    """What each two bytes of a positive varint of eight bytes add to its value.

    The first table leaves out the bit of the sign. Bytes that do not stand in such a varint make
    the sum negative.
    """
    tables = tuple([-1 << 62] * (1 << 16) for _ in range(4))
    for n in range(1 << 14):
        low, high = n & 127 | 128, n >> 7
        for place, table in enumerate(tables[:3]):
            if place or not n & 1:
                table[(high | 128) << 8 | low] = n << 14 * place >> 1
        if high:
            tables[3][high << 8 | low] = n << 41
    return tables


def _long(data: bytes, at: int) -> tuple[int, int]:
    """(an integer without padding, the position behind it)."""
    if data[at] > 127 and 0 < (high := data[at + 1]) < 128:  # two bytes, as most lengths have
        return (high << 6 | (data[at] & 127) >> 1) ^ -(data[at] & 1), at + 2
    value, end = binary.read_long(data, at)
    if data[end - 1] == 0 and end - at > 1:
        raise NotCanonical
    return value, end


def _span(data: bytes, at: int) -> tuple[int, int]:
    """(begin, end) of a content whose length stands at `at`."""
    length, begin = _long(data, at)
    if length < 0:
        raise NotCanonical
    return begin, begin + length


class _Kept(dict[bytes, Any]):
    """Texts, decimals, and lists of one text, by their bytes: each is made and checked once.

    Bounded in number and in the length of what is kept.
    """

    def __init__(self, name: str, inner: Any, check: validate.Check | None) -> None:
        super().__init__()
        self._name, self._inner, self._check = name, inner, check

    def __missing__(self, raw: bytes) -> Any:
        text = raw.decode()
        value: Any = text if self._inner is str else (text,)
        if self._inner is Decimal:
            value = validate.decimal(text, self._name)
            if format(value, "f") != text:
                raise NotCanonical
        if self._check is not None:
            self._check(value, self._name)
        if len(raw) <= _KEPT_LEN_MAX:
            if len(self) >= _KEPT_MAX:
                self.clear()
            self[raw] = value
        return value


_kept = cache(_Kept)


# ---- items of arrays


def _text(data: bytes, at: int) -> tuple[str, int]:
    length = _LENGTHS[data[at]]
    begin, end = _span(data, at) if length is None else (at + 1, at + 1 + length)
    return data[begin:end].decode(), end


def _header(data: bytes, at: int) -> tuple[Header, int]:
    key, at = _text(data, at)
    tag = data[at]
    if tag == 0:
        return (key, None), at + 1
    if tag != 2:
        raise NotCanonical
    begin, end = _span(data, at + 1)
    return (key, data[begin:end]), end


def _array(item: Item) -> Item:
    """What reads an array that is not empty, in one block."""

    def read(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        count, at = _long(data, at)
        if not 0 < count <= len(data) - at:
            raise NotCanonical
        items = []
        for _ in range(count):
            value, at = item(data, at)
            items.append(value)
        if data[at]:
            raise NotCanonical
        return tuple(items), at + 1

    return read


@cache
def _array_of(item: Any) -> Item:
    if item == Header:
        return _array(_header)
    return _array(_text if item is str else _nested(item))


# ---- source that reads one value: `d` the data, `p` the position


class _Reader(Source):
    """The source of a reader of `d` from `p` on."""

    def check(self, to: str, one: Member) -> None:
        """Check the value, if its field has a check."""
        if one.check is not None:
            self.line(f"{self.name(one.check)}({to}, {one.name!r})")

    def value(self, to: str, one: Member) -> None:
        """Read the value of a field that is there."""
        if one.inner is str and one.check in validate.OF_LENGTH:
            self.content(to, "d[p:e].decode()", one)
        elif one.inner is str or one.inner is Decimal:
            self.content(to, f"{self.name(_kept(one.name, one.inner, one.check))}[d[p:e]]")
        elif one.inner is bytes:
            self.content(to, "d[p:e]")
        elif one.inner == Micros:
            self.moment(to, one)
        elif get_origin(one.inner) is tuple:
            self.array(to, one)
        else:
            self.scalar(to, one)

    def present(self, to: str, one: Member) -> None:
        """Read a field that must not be null."""
        if one.nullable:
            self.refuse_unless("d[p] == 2")
            self.line("p += 1")
        self.value(to, one)

    def content(self, to: str, value: str, checked: Member | None = None) -> None:
        """What has a length. `checked` = its check decides by the length: 1 to 63 are right."""
        by_length = checked is not None and checked.check is not None
        lengths = self.name(_LENGTHS_FROM_1 if by_length else _LENGTHS)
        self.line(f"n = {lengths}[d[p]]")
        with self.inside("if n is None:"):
            self.line(f"p, e = {self.name(_span)}(d, p)", f"{to} = {value}")
            if checked is not None:
                self.check(to, checked)
        with self.inside("else:"):
            self.line("p += 1", "e = p + n", f"{to} = {value}")
        self.line("p = e")

    def moment(self, to: str, one: Member) -> None:
        """Eight bytes, as every time of our days takes, are within the years 1978 to 3111."""
        terms = [f"{self.name(table)}[{at}]" for table, at in zip(_by_pair(), "abce", strict=True)]
        self.line(f"a, b, c, e = {self.name(_PAIRS)}(d, p)", f"{to} = {' + '.join(terms)}")
        with self.inside(f"if {to} < 0:"):
            self.line(f"{to}, p = {self.name(_long)}(d, p)")
            self.check(to, one)
        with self.inside("else:"):
            self.line("p += 8")

    def array(self, to: str, one: Member) -> None:
        """An array, which may be empty."""
        item = get_args(one.inner)[0]
        if item is str:
            kept = self.name(_kept(one.name, one.inner, one.check))
            self.line(f"n = {self.name(_LENGTHS)}[d[p + 1]] if d[p] == 2 else None")
            with self.inside("if n is not None:"):
                self.line("p += 2", "e = p + n", f"{to} = {kept}[d[p:e]]")
                self.refuse_unless("d[e] == 0")
                self.line("p = e + 1")
        with self.inside("elif d[p]:" if item is str else "if d[p]:"):
            self.line(f"{to}, p = {self.name(_array_of(item))}(d, p)")
            self.check(to, one)
        with self.inside("else:"):
            self.line(f"{to} = ()", "p += 1")
            self.check(to, one)

    def scalar(self, to: str, one: Member) -> None:
        """A number, a date or a boolean."""
        if one.inner is int:
            self.line(f"{to} = {self.name(_INTS)}[d[p]]")
            with self.inside(f"if {to} is None:"):
                self.line(f"{to}, p = {self.name(_long)}(d, p)")
            with self.inside("else:"):
                self.line("p += 1")
        elif one.inner is bool:
            self.line(f"{to} = {self.name(_BOOLEANS)}[d[p]]", "p += 1")
        elif one.inner is dt.date:
            self.line(f"{to}, p = {self.name(_long)}(d, p)")
            self.line(f"{to} = {self.name(one.convert)}({to}, {one.name!r})")
        elif one.inner is float and one.check is not None:  # no NaN: they have many spellings
            self.line(f"{to} = {self.name(_DOUBLE)}(d, p)[0]", "p += 8")
        else:
            raise TypeError(f"{one.name} is {one.inner}")
        self.check(to, one)

    def refuse_unless(self, condition: str) -> None:
        """What is not so is not canonical."""
        with self.inside(f"if not ({condition}):"):
            self.line(f"raise {self.name(NotCanonical)}")


# ---- fields


Field = tuple[str, Member | None]
"""(its name in the schema, None = another type's: it must be null)."""


def _is_rare(field: Field) -> bool:
    """Whether a zero byte stands for the default, as it mostly does where there is one.

    A null never stands for an empty list: there we would write the list.
    """
    name, one = field
    if one is None:
        return True
    zero: tuple[()] | None = None if one.nullable else ()
    return not one.required and one.default == zero and name not in _COMMON


def _rare(source: _Reader, fields: list[Field]) -> None:
    """Fields that mostly are zero bytes; what is not goes into the dict `more`."""
    absent = repr(bytes(len(fields)))
    if all(one is None for _, one in fields):
        source.refuse_unless(f"d[p:p + {len(fields)}] == {absent}")
        source.line(f"p += {len(fields)}")
        return
    with source.inside(f"if d[p:p + {len(fields)}] == {absent}:"):
        source.line(f"p += {len(fields)}")
    with source.inside("else:"):
        with source.inside("if more is None:"):
            source.line("more = {}")
        for is_other, group in groupby(fields, lambda field: field[1] is None):
            if is_other:
                _rare(source, list(group))
                continue
            for name, one in group:
                assert one is not None
                with source.inside("if d[p]:"):
                    source.present("v", one)
                    source.line(f"more[{name!r}] = v")
                with source.inside("else:"):
                    source.line("p += 1")


def _fields(source: _Reader, fields: list[Field]) -> list[str]:
    """Read the fields; returns the names of those that have a variable of their own."""
    found = []
    source.line("more = None")
    for is_rare, group in groupby(fields, _is_rare):
        if is_rare:
            _rare(source, list(group))
            continue
        for name, one in group:
            assert one is not None
            if one.nullable and one.default is None:
                with source.inside("if d[p]:"):
                    source.present(f"v_{name}", one)
                with source.inside("else:"):
                    source.line(f"v_{name} = None", "p += 1")
            else:
                source.present(f"v_{name}", one)
            found.append(name)
    return found


def _make(source: _Reader, kind: type[Struct], names: list[str]) -> None:
    call = f"{source.name(kind)}({', '.join(f'{name}=v_{name}' for name in names)}"
    source.line(f"found = {call}) if more is None else {call}, **more)")


# ---- readers


@cache
def _nested(kind: type[Struct]) -> Item:
    source = _Reader("def read(d, p):")
    _make(source, kind, _fields(source, list(members(kind).items())))
    source.line("return found, p")
    return source.function()


def _whole(
    source: _Reader, kind: type[Struct], fields: list[Field], given: list[str]
) -> Callable[..., Struct]:
    """The function that reads the rest of a message whose fields `given` are known."""
    names = given + _fields(source, fields)
    source.refuse_unless("p == len(d)")
    _make(source, kind, names)
    if issubclass(kind, Event):
        together = f"{source.name(validate.together)}(found)"
        if not validate.TOGETHER.isdisjoint(members(kind)):
            source.line(together)
        else:
            with source.inside("if more:"):
                source.line(together)
    source.line("return found")
    return source.function()


class _Rests(dict[bytes, Callable[..., Struct]]):
    """How each event type of a topic goes on behind the name of its type; made when it comes."""

    def __init__(self, topic: str, first: list[str]) -> None:
        super().__init__()
        self._topic, self._first = topic, first

    def __missing__(self, raw: bytes) -> Callable[..., Struct]:
        kind = EVENT_TYPES[raw.decode()]
        if self._topic != kind.TOPIC:
            raise NotCanonical
        own, order = members(kind), wire_order(self._topic)
        source = _Reader(f"def read(d, p, {', '.join(f'v_{name}' for name in self._first)}):")
        source.line(f"v_event_type = {kind.TYPE!r}")
        fields = [(name, own.get(name)) for name in order[len(self._first) + 1 :]]
        self[raw] = made = _whole(source, kind, fields, [*self._first, "event_type"])
        return made


def _event_reader(topic: str) -> ReadWhole:
    """Reads up to the event type, which knows how to go on."""
    order = wire_order(topic)
    first = list(order[: order.index("event_type")])
    source = _Reader("def read(d, p):")
    _fields(source, [(name, members(Event)[name]) for name in first])
    given = ", ".join(f"v_{name}" for name in first)
    source.line(f"p, e = {source.name(_span)}(d, p)")
    source.line(f"return {source.name(_Rests(topic, first))}[d[p:e]](d, e, {given})")
    return source.function()


@cache
def reader(topic: str) -> ReadWhole:
    """The reader of canonical bodies under the topic's newest schema. KeyError: unknown topic."""
    if topic in SUPPLY_TOPICS:
        return _event_reader(topic)
    kind = SCHEMAS[topic]
    return _whole(_Reader("def read(d, p):"), kind, list(members(kind).items()), [])
