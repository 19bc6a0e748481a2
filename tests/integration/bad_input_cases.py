"""Records that nobody should send, what must become of each, and odd ones that are to be taken."""

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import msgspec
from msgspec import Struct

from supplytwin.processors import simulate
from supplytwin.schemas import avro, codec
from supplytwin.schemas.binary import long
from supplytwin.schemas.events import CUSTOMS, ORDERS, SHIPMENTS, WAREHOUSE
from supplytwin.schemas.flow import Header, Message
from supplytwin.schemas.ids import DAY_US, partition_of
from supplytwin.schemas.records import CONTRACTS, CONTROL, RECEIPTS, REVIEWS
from supplytwin.schemas.terms import terms_hash

AT = simulate.START + 40 * DAY_US
"""When bad and odd records arrive: nothing that is told happens later."""
PARTITIONS = 3
CASE = "case"
"""The record header that names the case."""
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


def load(name: str) -> Any:
    """A world of the unit tests."""
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "unit" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


w = load("codec_world")


class Sent(Struct, frozen=True, kw_only=True):
    """A record to send. `partition` None = where its key belongs."""

    name: str
    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[Header, ...] = ()

    @property
    def all_headers(self) -> tuple[Header, ...]:
        return (*self.headers, (CASE, self.name.encode()))


class Bad(Sent, frozen=True, kw_only=True):
    """One that must be refused: under which code, naming which field, saying what to do."""

    code: str
    field: str
    says: str
    kept: bool = True
    """Its body stands in the quarantine."""


# ---- the good ones


@cache
def good() -> tuple[Message, ...]:
    """Chains of which some are late, revoked, corrected; a few messages twice."""
    made = simulate.chains(
        6, 5, facts_per_chain=12, late=0.3, duplicates=0.2, corrections=0.6, revocations=0.3
    )
    return tuple(made.messages)


def told(topic: str, event_type: str = "", number: int = 0) -> Any:
    """One of the good messages: what is broken below would change its chain if it were taken."""
    found = [message.body for message in good() if message.topic == topic]
    return [b for b in found if not event_type or b.event_type == event_type][number]  # type: ignore[attr-defined]


# ---- what our own encoder would not write


@cache
def _parsed(topic: str) -> Any:
    return fastavro.parse_schema(avro.schema(topic))


def wire(topic: str, fields: Mapping[str, Any]) -> bytes:
    """A wire value by fastavro: the bytes are right, whatever the fields say."""
    out = BytesIO()
    fastavro.schemaless_writer(out, _parsed(topic), dict(fields))
    return codec.header(topic) + out.getvalue()


def spoilt(message: Any, **fields: Any) -> bytes:
    """An event as it stands on the wire, with some fields as no source should write them."""
    return wire(message.TOPIC, {**w.deep_plain(message), **fields})


def confluent(value: bytes, schema_id: int = 7) -> bytes:
    """The same record in the wire format of a registry."""
    return b"\0" + schema_id.to_bytes(4, "big") + value[codec.HEADER_LEN :]


# ---- bytes


def unreadable() -> Iterator[Bad]:
    """Bytes that are no record, or not the right one."""
    event = told(SHIPMENTS, "shipment.delivered")
    key, value, own = (
        event.chain_id.encode(),
        codec.encode(SHIPMENTS, event),
        codec.header(SHIPMENTS),
    )
    cut = value.index(event.source.encode())
    last = avro.schema(SHIPMENTS)["fields"][-1]["name"]
    empty, full = (codec.encode(SHIPMENTS, w.event("shipment.gate_in", empty=b)) for b in (0, 1))
    byte = next(at for at, (a, b) in enumerate(zip(empty, full, strict=True)) if a != b)
    found = (
        ("truncated", value[:-1], "MALFORMED", last, "truncated"),
        ("truncated in a string", value[: cut + 3], "MALFORMED", "source", "truncated"),
        ("truncated in the header", own[:5], "MALFORMED", "", "wire header"),
        ("trailing bytes", value + b"\0\0", "MALFORMED", "", "2 bytes stand behind its end"),
        ("two in one", value + value[10:], "MALFORMED", "", "bytes stand behind its end"),
        ("reaches for its neighbour", own + b"\xc8\x01" + value[11:60], "MALFORMED", "event_id",
         "truncated"),
        ("garbage", b"garbage\xff\xfe" * 20, "UNKNOWN_SCHEMA", "", "C3 01"),
        ("garbage behind the header", own + b"\xff" * 64, "MALFORMED", "event_id", "10 bytes"),
        ("a length of 2^62", own + b"\xfe" + b"\xff" * 8 + b"\x01a", "MALFORMED", "event_id", ""),
        ("a negative length", own + b"\x01", "MALFORMED", "event_id", "negative length"),
        ("not UTF-8", own + b"\x04\xff\xfe" + value[11:], "MALFORMED", "event_id", "not UTF-8"),
        ("boolean 2", full[:byte] + b"\x02" + full[byte + 1 :], "MALFORMED", "empty", "0 or 1"),
        ("json", b'{"event_id": "1"}', "UNKNOWN_SCHEMA", "", "C3 01"),
        ("unknown schema", own[:2] + b"12345678" + value[10:], "UNKNOWN_SCHEMA", "", "fingerprint"),
        ("schema of another topic", codec.encode(ORDERS, told(ORDERS)), "UNKNOWN_SCHEMA", "",
         SHIPMENTS),
        ("no registry", confluent(value), "UNKNOWN_SCHEMA", "", "schema 7 is in no registry"),
        ("no registry, truncated", confluent(value)[:-9], "UNKNOWN_SCHEMA", "", "schema 7"),
        ("a registry's header cut", b"\0\0\0", "MALFORMED", "", "wire header"),
        ("empty body", b"", "UNKNOWN_SCHEMA", "", "is empty"),
        ("tombstone", None, "UNKNOWN_SCHEMA", "", "is empty"),
    )  # fmt: skip
    for name, given, code, field, says in found:
        yield Bad(
            name=name, topic=SHIPMENTS, key=key, value=given, code=code, field=field, says=says
        )
    order = told(ORDERS)
    dated = spoilt(order, requested_date=2**31 - 1)
    yield Bad(
        name="day of 33 bits", topic=ORDERS, key=order.chain_id.encode(),
        value=dated.replace(long(2**31 - 1), long(2**32 + 1)), code="MALFORMED",
        field="requested_date", says="32 bits",
    )  # fmt: skip


# ---- values

EVENTS = {
    "delivered": (SHIPMENTS, "shipment.delivered"), "arrived": (SHIPMENTS, "shipment.arrived"),
    "duty": (CUSTOMS, "customs.duty_assessed"), "declared": (CUSTOMS, "customs.declared"),
    "placed": (ORDERS, "order.placed"), "received": (WAREHOUSE, "wh.received"),
}  # fmt: skip
_FAR = 7_258_118_400_000_000
"""2200-01-01"""
_DECIMAL = "is not a decimal like -123.45"
_VALUES: tuple[tuple[str, str, dict[str, Any], str, str, str], ...] = (
    # name, event, what is wrong with it, code, field, reason
    ("unknown event type", "delivered", {"event_type": "shipment.teleported"}, "BAD_VALUE",
     "event_type", "shipment.departed"),
    ("event type of another topic", "delivered", {"event_type": "order.placed"}, "BAD_VALUE",
     "event_type", SHIPMENTS),
    ("wrong enum", "delivered", {"mode": "[/red]\x1b[31m"}, "BAD_VALUE", "mode", "AIR, BARGE"),
    ("wrong classifier", "delivered", {"classifier": "actual"}, "BAD_VALUE", "classifier",
     "ACTUAL, ESTIMATED, PLANNED"),
    ("wrong precision", "delivered", {"time_precision": "US"}, "BAD_VALUE", "time_precision", "MS"),
    ("wrong subject type", "delivered", {"subject_type": "SHIP"}, "BAD_VALUE", "subject_type",
     "CONSIGNMENT"),
    ("missing field", "delivered", {"receiver": None}, "MISSING_FIELD", "receiver", "requires it"),
    ("missing decimal", "duty", {"amount": None}, "MISSING_FIELD", "amount", "requires it"),
    ("foreign field", "delivered", {"device_id": "D-1"}, "FOREIGN_FIELD", "device_id", "no such"),
    ("field of a line", "placed", {"order_lines": [{"line_id": "1", "sku": "s", "qty": "-1",
     "uom": "EA", "unit_price": "1", "hs6": None}]}, "BAD_VALUE", "order_lines[0].qty", "negative"),
    ("no such day", "placed", {"requested_date": 2**31 - 1}, "BAD_VALUE", "requested_date",
     "not a date"),
    ("ACTUAL in the future", "delivered", {"event_time": _FAR}, "FUTURE", "event_time", "48 h"),
    ("ACTUAL day in the future", "delivered", {"event_time": _FAR, "time_precision": "DAY"},
     "FUTURE", "event_time", "48 h"),
    ("revision in the future", "arrived", {"revision": _FAR}, "FUTURE", "revision", "48 h"),
    ("event_time max", "arrived", {"event_time": LONG_MAX}, "BAD_VALUE", "event_time", "9987"),
    ("event_time min", "arrived", {"event_time": LONG_MIN}, "BAD_VALUE", "event_time", "years 5"),
    ("revision min", "arrived", {"revision": LONG_MIN}, "BAD_VALUE", "revision", "years 5"),
    ("recorded_time max", "arrived", {"recorded_time": LONG_MAX}, "BAD_VALUE", "recorded_time", ""),
    ("too many decimals", "duty", {"amount": "1.00001"}, "BAD_VALUE", "amount", "more decimals"),
    ("too many decimals in a line", "declared", {"declaration_lines": [{"line_no": 1,
     "value": "1.5", "currency": "JPY", "hs6": None, "origin": None, "net_mass_kg": None}]},
     "BAD_VALUE", "declaration_lines[0].value", "JPY"),
    ("NaN", "duty", {"amount": "NaN"}, "BAD_VALUE", "amount", _DECIMAL),
    ("Infinity", "duty", {"amount": "Infinity"}, "BAD_VALUE", "amount", _DECIMAL),
    ("1e400", "duty", {"amount": "1e400"}, "BAD_VALUE", "amount", _DECIMAL),
    ("40 digits", "received", {"qty": "1" * 40}, "BAD_VALUE", "qty", _DECIMAL),
    ("other digits", "received", {"qty": "١٢"}, "BAD_VALUE", "qty", _DECIMAL),
    ("more than 64 bits", "duty", {"amount": "9" * 18}, "BAD_VALUE", "amount", "64 bits"),
    ("unknown currency", "duty", {"currency": "XXX"}, "BAD_VALUE", "currency", "ISO 4217"),
    ("unknown time zone", "delivered", {"event_tz": "Mars/Olympus"}, "BAD_VALUE", "event_tz",
     "IANA"),
    ("time zone that is a path", "delivered", {"event_tz": "../../etc/passwd"}, "BAD_VALUE",
     "event_tz", "IANA"),
    ("time zone of 100 kB", "delivered", {"event_tz": "A" * 100_000}, "BAD_VALUE", "event_tz",
     "IANA"),
    ("ref without type", "delivered", {"refs": ["PO:1", "nonsense"]}, "BAD_VALUE", "refs[1]",
     "TYPE:value"),
    ("ref without value", "delivered", {"refs": ["PO:"]}, "BAD_VALUE", "refs[0]", "TYPE:value"),
    ("ref of 600 kB", "delivered", {"refs": ["LOT:" + "x" * 600_000]}, "BAD_VALUE", "refs[0]",
     "at most 500 characters"),
    ("too many refs", "delivered", {"refs": [f"LOT:{n}" for n in range(50_000)]}, "BAD_VALUE",
     "refs", "at most 1000"),
    ("subject of 700 kB", "delivered", {"subject_id": "x" * 700_000}, "BAD_VALUE", "subject_id",
     "1 to 500 characters"),
    ("source of 1 MB", "delivered", {"source": "x" * 1_000_000}, "BAD_VALUE", "source",
     "1 to 500 characters"),
    ("event id of 1 MB", "delivered", {"event_id": "x" * 1_000_000}, "BAD_VALUE", "event_id",
     "1 to 500 characters"),
    ("lat alone", "delivered", {"lat": 1.0}, "BAD_VALUE", "lon", "go together"),
    ("lat is NaN", "delivered", {"lat": float("nan"), "lon": 1.0}, "BAD_VALUE", "lat", "-90 to 90"),
    ("correction of nothing", "delivered", {"correction_action": "RETRACT"}, "BAD_VALUE",
     "correction_event_id", "is missing"),
    ("chain_id like ours", "delivered", {"chain_id": "@p0"}, "BAD_VALUE", "chain_id", "'@'"),
    ("chain_id of 256 bytes", "delivered", {"chain_id": "é" * 128}, "BAD_VALUE", "chain_id", "255"),
)  # fmt: skip


def meaningless() -> Iterator[Bad]:
    """Events that are well-formed and say what none may say."""
    for number, (name, base, changes, code, field, says) in enumerate(_VALUES):
        event = told(*EVENTS[base])
        fields = {"event_id": f"bad-{number}", **changes}
        key = fields.get("chain_id", event.chain_id).encode()
        value = spoilt(event, **fields)
        yield Bad(
            name=name, topic=event.TOPIC, key=key[:255], value=value, code=code, field=field,
            says=says,
        )  # fmt: skip


# ---- places


def misplaced() -> Iterator[Bad]:
    """Good events under a wrong key, or in a wrong partition."""
    event, other = (told(WAREHOUSE, number=n) for n in (0, -1))
    assert event.chain_id != other.chain_id
    key, value = event.chain_id.encode(), codec.encode(WAREHOUSE, event)
    wrong = (partition_of(key, PARTITIONS) + 1) % PARTITIONS
    lookalike = spoilt(event, chain_id="\ufffd")
    differs = "differs from the record's key"
    for name, given, body, partition, field, says in (
        ("wrong key", other.chain_id.encode(), value, None, "chain_id", differs),
        ("wrong partition", key, value, wrong, "partition", "murmur2_random"),
        ("no key", None, value, 0, "key", "chain_id as key"),
        ("empty key", b"", value, None, "chain_id", differs),
        ("key is not UTF-8", b"\xff\xfe\x00", value, None, "chain_id", differs),
        ("key that only looks like it", b"\xff", lookalike, None, "chain_id", differs),
        ("key of 300 bytes", b"k" * 300, value, None, "key", "at most 255"),
    ):
        yield Bad(
            name=name, topic=WAREHOUSE, key=given, value=body, partition=partition,
            code="MISPLACED", field=field, says=says,
        )  # fmt: skip


# ---- ordered inputs, control


def _terms(chain_id: str, **changes: Any) -> bytes:
    """The terms of a good contract for a chain, changed where the name is found, canonical."""
    found = json.loads(told(CONTRACTS).terms) | {"chain_id": chain_id}
    claim = found["claims"][0]
    for name, value in changes.items():
        place = next(one for one in (found, claim, claim["lines"][0]) if name in one)
        place[name] = value
    return msgspec.json.encode(found, order="sorted")


def contracts() -> Iterator[Bad]:
    """Contracts whose terms are not what they say, or could never be decided on."""
    claim, line = "terms.claims[0]", "terms.claims[0].lines[0]"
    deep = b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    big = {"amount_minor": 2**63, "cap_minor": 2**63}
    for number, (name, given, field, says, fields) in enumerate((
        ("terms_hash differs", {}, "terms_hash", "SHA-256", {"terms_hash": "0" * 64}),
        ("another contract", {}, "contract_id", "differs", {"contract_id": "C-9"}),
        ("terms of another chain", told(CONTRACTS).terms, "chain_id", "differs", {}),
        ("not canonical", told(CONTRACTS).terms + b"\n", "terms", "canonical", {}),
        ("not JSON", b"<terms/>", "terms", "malformed", {}),
        ("terms empty", b"", "terms", "truncated", {}),
        ("terms not UTF-8", b'{"contract_id":"\xff"}', "terms", "UTF-8", {}),
        ("nested too deep", deep, "terms", "nested", {}),
        ("do not add up", {"cap_minor": 1}, "terms.cap_minor", "add up", {}),
        ("quantity NaN", {"qty": "NaN"}, f"{line}.qty", _DECIMAL, {}),
        ("quantity sNaN", {"qty": "sNaN"}, f"{line}.qty", _DECIMAL, {}),
        ("quantity Infinity", {"qty": "Infinity"}, f"{line}.qty", _DECIMAL, {}),
        ("quantity 1E+400", {"qty": "1E+400"}, f"{line}.qty", _DECIMAL, {}),
        ("quantity of 40 digits", {"qty": "1" * 40}, f"{line}.qty", _DECIMAL, {}),
        ("zone of Mars", {"zone": "Mars/Olympus"}, "terms.zone", "IANA", {}),
        ("deadline of 40 digits", {"deadline": 10**40}, f"{claim}.deadline", "9987", {}),
        ("deadline min", {"deadline": LONG_MIN}, f"{claim}.deadline", "years 5", {}),
        ("long_stop max", {"long_stop": LONG_MAX}, "terms.long_stop", "9987", {}),
        ("amount of 64 bits", big, "terms.cap_minor", "64 bits", {}),
        ("currency of nobody", {"currency": "XXX"}, "terms.currency", "ISO 4217", {}),
        ("line of 1 MB", {"line_id": "x" * 1_000_000}, f"{line}.line_id", "1 to 500", {}),
    )):  # fmt: skip
        chain_id = f"BAD-{number}"
        text = given if isinstance(given, bytes) else _terms(chain_id, **given)
        whole = {**w.deep_plain(told(CONTRACTS)), "chain_id": chain_id, "terms": text}
        value = wire(CONTRACTS, {**whole, "terms_hash": terms_hash(text), **fields})
        yield Bad(
            name=name, topic=CONTRACTS, key=chain_id.encode(), value=value, code="BAD_TERMS",
            field=field, says=says,
        )  # fmt: skip


def answers() -> Iterator[Bad]:
    """Receipts, reviews and control records that say what none may say."""
    chain = told(CONTRACTS).chain_id
    for name, topic, fields, field, says in (
        ("receipt of an unknown kind", RECEIPTS, {"kind": "GIVE"}, "kind", "RESERVE"),
        ("receipt of an unknown status", RECEIPTS, {"rail_status": "OK"}, "rail_status", "ACSC"),
        ("receipt at the end of time", RECEIPTS, {"rail_time": LONG_MAX}, "rail_time", "9987"),
        ("hold until the beginning", RECEIPTS, {"hold_expires": LONG_MIN}, "hold_expires", ""),
        ("negative amount", RECEIPTS, {"amount_minor": -1}, "amount_minor", "negative"),
        ("review without verdict", REVIEWS, {"verdict": ""}, "verdict", "CANCEL"),
        ("review without id", REVIEWS, {"input_id": ""}, "input_id", "1 to 500"),
        ("review of ours", REVIEWS, {"chain_id": "@p1"}, "chain_id", "'@'"),
    ):  # fmt: skip
        kind = w.records.SCHEMAS[topic]
        whole = {**w.deep_plain(w.sample(kind)), "chain_id": chain, **fields}
        yield Bad(
            name=name, topic=topic, key=str(whole["chain_id"]).encode(), value=wire(topic, whole),
            code="BAD_VALUE", field=field, says=says,
        )  # fmt: skip
    control = {**w.deep_plain(w.sample(w.records.Control)), "kind": "POLICY"}
    for name, key, value, code, field, says in (
        ("control garbage", "@p1", b"garbage", "UNKNOWN_SCHEMA", "", "C3 01"),
        ("control tombstone", "@p1", None, "UNKNOWN_SCHEMA", "", "is empty"),
        ("control of another kind", "@p1", {"kind": "STOP"}, "BAD_VALUE", "kind", "TICK"),
        ("tick at the end of time", "@p1", {"kind": "TICK", "tick_time": LONG_MAX}, "BAD_VALUE",
         "tick_time", "9987"),
        ("control of another partition", "@p2", {}, "MISPLACED", "key", "must be @p1"),
        ("control without key", None, {}, "MISPLACED", "key", "must be @p1"),
    ):  # fmt: skip
        body = wire(CONTROL, {**control, **value}) if isinstance(value, dict) else value
        yield Bad(
            name=name, topic=CONTROL, key=None if key is None else key.encode(), value=body,
            partition=1, code=code, field=field, says=says,
        )  # fmt: skip
