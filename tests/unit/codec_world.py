"""Events and records to encode: one sample of each, and strategies that make any valid one."""

import datetime as dt
import io
import random
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
from hypothesis import strategies as st
from msgspec import Struct

from supplytwin.schemas import avro, binary, events, records, validate
from supplytwin.schemas.events import EVENT_TYPES, Event
from supplytwin.schemas.flow import Header
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN
from supplytwin.schemas.money import from_minor

GUARD = b"\x8f\x11\xfe\x00\x02\x93\x7c\xd5"
NOON = 1_700_000_000_000_000
DIGEST = "0f" * 32


def guard() -> bytes:
    """Stands for 8 random bytes."""
    return GUARD


# ---- one sample of each

_SAMPLE_BY_NAME: Mapping[str, Any] = {
    "event_tz": "+08:00", "refs": ("CONSIGNMENT:ASN-8", "PO:4500012"), "unlocode": "CNSZX",
    "lat": 22.5, "lon": 114.0, "currency": "CNY", "amount": Decimal("120.50"),
    "evidence": (f"photo;{DIGEST};s3://bucket/1.jpg",), "legs": ("1;SEA;CNSZX;NLRTM",),
    "limits": ("TEMPERATURE;CEL;2;8",),
    "correction_action": None, "correction_source": None, "correction_event_id": None,
    "correction_reason": None, "terms_hash": DIGEST, "body_fingerprint": b"12345678",
    "prev_hash": bytes(32), "hash": b"\x01" * 32,
}  # fmt: skip
_KINDS: Mapping[type[Struct], Mapping[str, Any]] = {
    records.Receipt: {"kind": "PAY", "rail_status": "ACSC"},
    records.Review: {"verdict": "RELEASE"},
    records.Control: {"kind": "TICK"},
    events.ShipmentFootprint: {"primary_share": Decimal("0.4367")},
}


def _sample_of(name: str, hint: Any) -> Any:
    if name in _SAMPLE_BY_NAME:
        return _SAMPLE_BY_NAME[name]
    if name in events.VALUES:
        return min(events.VALUES[name])
    inner, _ = avro.unwrap(hint)
    if typing.get_origin(inner) is tuple:
        item = typing.get_args(inner)[0]
        if item == Header:
            return (("st-signature", b"\x00\xff"), ("empty", None))
        return (_sample_of("item", item),)
    if isinstance(inner, type) and issubclass(inner, Struct):
        return sample(inner)
    simple = {
        str: name, int: 3, bool: True, float: 4.5, bytes: b"\x00" + name.encode(),
        Micros: NOON, dt.date: dt.date(2026, 2, 28), Decimal: Decimal("12.500"),
    }  # fmt: skip
    return simple[inner]


def sample(kind: type[Struct], **given: Any) -> Any:
    """A valid message with every field set (but for corrections)."""
    hints = typing.get_type_hints(kind)
    made = {name: _sample_of(name, hints[name]) for name in kind.__struct_fields__}
    if issubclass(kind, Event):
        made["event_type"] = kind.TYPE
    return kind(**{**made, **_KINDS.get(kind, {}), **given})


def event(event_type: str, **given: Any) -> Any:
    """A valid event of that type."""
    return sample(EVENT_TYPES[event_type], **given)


def least(event_type: str, **given: Any) -> Any:
    """A valid event with nothing but what it must have."""
    kind = EVENT_TYPES[event_type]
    whole = msgspec.structs.asdict(event(event_type))
    needed = [one.name for one in msgspec.structs.fields(kind) if one.required]
    return kind(**{**{name: whole[name] for name in needed}, **given})


def samples() -> list[tuple[str, Struct]]:
    """(topic, message): one of each event type and of each record."""
    found: list[tuple[str, Struct]] = [(kind.TOPIC, sample(kind)) for kind in EVENT_TYPES.values()]
    return found + [(topic, sample(kind)) for topic, kind in records.SCHEMAS.items()]


# ---- any valid message

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
longs = st.integers(-(2**63), 2**63 - 1)
counts = st.integers(0, 2**31)
times = st.integers(TIME_MIN, TIME_MAX)
floats = st.floats(allow_nan=False, allow_infinity=False)
dates = st.dates()


@st.composite
def decimals(draw: st.DrawFn, *, least_value: int = -(10**18 - 1)) -> Decimal:
    """At most 18 digits before and 9 behind the point, as a source might write it."""
    whole = draw(st.integers(max(least_value, -(10**18 - 1)), 10**18 - 1))
    behind = draw(st.text("0123456789", max_size=9))
    return Decimal(f"{whole}.{behind}" if behind else str(whole))


_AMOUNTS = st.one_of(
    st.tuples(st.just(code), st.integers(-(10**12), 10**12).map(lambda n, c=code: from_minor(n, c)))
    for code in ("CNY", "JPY", "KWD")
)
_REFS = st.builds("{}:{}".format, st.sampled_from(sorted(validate.REF_TYPES)), names)
_EVIDENCE = st.builds("{};{};{}".format, st.just("receipt"), st.just(DIGEST), texts)
_BY_NAME: Mapping[str, st.SearchStrategy[Any]] = {
    "chain_id": names.filter(lambda one: not one.startswith("@")),
    "event_tz": st.sampled_from(("unknown", "+00:00", "-03:30", "Asia/Shanghai")),
    "refs": st.lists(_REFS, max_size=3).map(tuple),
    "evidence": st.lists(_EVIDENCE, max_size=2).map(tuple),
    "legs": st.lists(st.just("2;AIR;CNSZX;DEHAM"), max_size=2).map(tuple),
    "limits": st.lists(st.just("HUMIDITY;PCT;;60.5"), max_size=2).map(tuple),
    "unlocode": st.just("NLRTM"),
    "currency": st.sampled_from(("CNY", "JPY", "KWD")),
}


def _any_of(name: str, hint: Any) -> st.SearchStrategy[Any]:
    inner, nullable = avro.unwrap(hint)
    if nullable:
        return st.none() | _any_of(name, inner)
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in events.VALUES:
        return st.sampled_from(sorted(events.VALUES[name]))
    if typing.get_origin(inner) is tuple:
        item = typing.get_args(inner)[0]
        headers = st.tuples(texts, st.none() | st.binary(max_size=8))
        one = headers if item == Header else names if item is str else anything(item)
        return st.lists(one, max_size=3).map(tuple)
    simple = {
        str: names, int: counts, bool: st.booleans(), float: floats, Micros: times,
        bytes: st.binary(max_size=20), dt.date: dates, Decimal: decimals(least_value=0),
    }  # fmt: skip
    return simple[inner]


@st.composite
def anything(draw: st.DrawFn, kind: type[Struct]) -> Any:
    """Any valid message of a kind."""
    hints = typing.get_type_hints(kind)
    made = {name: draw(_any_of(name, hints[name])) for name in kind.__struct_fields__}
    made.update(_KINDS.get(kind, {}))
    if issubclass(kind, Event):
        made["event_type"] = kind.TYPE
        made.update(draw(_places), **draw(_corrections))
    if kind is events.ShipmentSensor and None not in (made["lower"], made["upper"]):
        made["lower"], made["upper"] = sorted((made["lower"], made["upper"]))
    if kind is events.ShipmentFootprint and made["co2e_ttw_kg"] is not None:
        both = sorted((made["co2e_ttw_kg"], made["co2e_wtw_kg"]))
        made["co2e_ttw_kg"], made["co2e_wtw_kg"] = both
    if "amount" in made:
        made["currency"], made["amount"] = draw(_AMOUNTS)
    if kind is events.DeclarationLine:
        made["currency"], made["value"] = draw(_AMOUNTS)
    return kind(**made)


_places = st.just({"lat": None, "lon": None}) | st.fixed_dictionaries(
    {"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)}
)
_NO_CORRECTION = {
    "correction_action": None, "correction_source": None,
    "correction_event_id": None, "correction_reason": None,
}  # fmt: skip
_corrections = st.just(_NO_CORRECTION) | st.fixed_dictionaries(
    {
        "correction_action": st.sampled_from(sorted(events.CORRECTIONS)),
        "correction_source": st.none() | names,
        "correction_event_id": names,
        "correction_reason": st.none() | st.just("INCORRECT_DATA"),
    }
)
any_event = st.sampled_from(sorted(EVENT_TYPES)).flatmap(lambda name: anything(EVENT_TYPES[name]))


# ---- the same by fastavro, as a witness


def plain(message: Struct) -> dict[str, Any]:
    """A message as the dict that fastavro writes under the topic's schema."""
    made: dict[str, Any] = {}
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if name == "headers":
            made[name] = [{"k": key, "v": given} for key, given in value]
        elif isinstance(value, tuple):
            made[name] = [plain(one) if isinstance(one, Struct) else one for one in value]
        elif isinstance(value, Decimal):
            made[name] = format(value, "f")
        elif isinstance(value, dt.date):
            made[name] = (value - dt.date(1970, 1, 1)).days
        else:
            made[name] = value
    return made


def deep_plain(message: Struct) -> dict[str, Any]:
    """`plain`, with decimals inside of lines too."""
    made = plain(message)
    for name, value in made.items():
        if isinstance(value, list):
            made[name] = [
                {k: format(v, "f") if isinstance(v, Decimal) else v for k, v in one.items()}
                if isinstance(one, dict)
                else one
                for one in value
            ]
    return made


def witness(topic: str, message: Struct) -> bytes:
    """The Avro body of a message as fastavro writes it."""
    buffer = io.BytesIO()
    schema = fastavro.parse_schema(avro.schema(topic))
    fastavro.schemaless_writer(buffer, schema, deep_plain(message))
    return buffer.getvalue()


# ---- other spellings


class Speller:
    """Writes a message with the freedom that Avro leaves, and now and then more than that.

    `rate` = how often a value is not spelled as we would.
    """

    def __init__(self, seed: int, rate: float) -> None:
        self._random = random.Random(seed)
        self._rate = rate

    def body(self, topic: str, message: Struct) -> bytes:
        """The body of a message under the topic's newest schema."""
        return self._record(avro.schema(topic), deep_plain(message))

    def _otherwise(self) -> bool:
        return self._random.random() < self._rate

    def _long(self, number: int) -> bytes:
        right = binary.long(number)
        if not self._otherwise():
            return right
        if self._random.random() < 0.1:
            return binary.long(number ^ 1 << self._random.randrange(40))
        more = self._random.randrange(1, 11)
        return right[:-1] + bytes((right[-1] | 128, *[128] * (more - 1), 0))

    def _blob(self, value: bytes) -> bytes:
        if value and self._random.random() < self._rate / 4:
            value = bytes((value[0] ^ 128, *value[1:]))
        return self._long(len(value)) + value

    def _text(self, text: str) -> bytes:
        if text[:1].isdigit() and self._otherwise():
            text = self._random.choice(("0", "+", "-", " ")) + text
        return self._blob(text.encode())

    def _record(self, node: typing.Any, row: Mapping[str, Any]) -> bytes:
        return b"".join(
            self._value(field["type"], row.get(field["name"])) for field in node["fields"]
        )

    def _array(self, items: typing.Any, values: list[Any]) -> bytes:
        if not values and not self._otherwise():
            return b"\0"
        out, left = [], values
        while left:
            taken = self._random.randrange(1, len(left) + 1) if self._otherwise() else len(left)
            inside = b"".join(self._value(items, one) for one in left[:taken])
            if self._otherwise():
                out += [self._long(-taken), self._long(len(inside)), inside]
            else:
                out += [self._long(taken), inside]
            left = left[taken:]
        return b"".join((*out, self._long(0)))

    def _value(self, node: typing.Any, value: Any) -> bytes:
        if isinstance(node, list):
            if self._random.random() < self._rate / 8:
                return self._random.choice((b"\x01", b"\x04", b"\x80\x00", b"\x02\x00"))
            return b"\0" if value is None else b"\x02" + self._value(node[1], value)
        kind = node["type"] if isinstance(node, dict) else node
        match kind:
            case "record":
                return self._record(node, value)
            case "array":
                return self._array(node["items"], value)
            case "string":
                return self._text(value)
            case "bytes":
                return self._blob(value)
            case "boolean":
                return b"\x02" if self._otherwise() else binary.boolean(value)
            case "double":
                return binary.double(float("nan") if self._otherwise() else value)
            case "int":
                far = value + (self._random.choice((-1, 1)) << 32)
                return self._long(far if self._otherwise() else value)
            case _:
                return self._long(value)
