"""Random streams for the laws: events of every type about every kind of subject, as sources tell
them: late, twice, corrected, taken back, by strangers and by delegates, in contradiction, and of
things that nobody has told of.

A stream is the events of one chain. Everything in it passes the strict decoder.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from supplytwin.schemas import codec
from supplytwin.schemas.events import (
    EVENT_TYPES,
    VALUES,
    DeclarationLine,
    Event,
    OrderLine,
)
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros

T = 20_000 * DAY_US + 10 * HOUR_US
"""10:00 UTC on day 20,000: Saturday 2024-10-05."""
SUBJECTS: dict[str, tuple[str, ...]] = {
    "ORDER": ("O",),
    "ORDER_LINE": ("1", "2"),
    "DECLARATION": ("1", "2"),
    "CONSIGNMENT": ("1", "2"),
    "LEG": ("1/1", "2/1"),
    "EQUIPMENT_TRIP": ("MSCU1234565/B1", "TCNU7654321/B1", "MSCU1234565"),
    "LOT": ("1", "2"),
    "HANDLING_UNIT": ("1", "2", "3"),
    "WAREHOUSE_RECEIPT": ("1", "2"),
}
ABOUT: dict[str, tuple[str, ...]] = {
    "order": ("ORDER", "ORDER_LINE", "ORDER_LINE", "ORDER_LINE"),
    "customs": ("DECLARATION",),
    "shipment": ("ORDER_LINE", "CONSIGNMENT", "LEG", "EQUIPMENT_TRIP", "EQUIPMENT_TRIP"),
    "wh": ("LOT", "LOT", "HANDLING_UNIT", "WAREHOUSE_RECEIPT"),
}
"""What events of a topic are mostly about."""
OFTEN = (
    *("wh.received", "wh.dispatched", "wh.warehouse_receipt", "wh.warehouse_receipt") * 3,
    *("customs.released", "customs.hold_placed", "customs.hold_removed", "shipment.delivered") * 2,
)
SOURCES = ("carrier:a", "carrier:a", "customs", "wms", "terminal:z", "inferred:x")
DELEGATE = "clerk"
"""May correct whatever `customs` and `wms` have told, by the policy of `POLICY`."""
POLICY = msgspec.json.encode(
    {
        "delegations": [
            {"source": DELEGATE, "target": target, "topic": topic}
            for target, topic in (("customs", "supply.customs"), ("wms", "supply.warehouse"))
        ],
        "sources": [],
    }
)
ZONES = ("+00:00", "-07:00", "+08:00", "Asia/Shanghai", "America/New_York", "unknown")


def numbers(text: str) -> tuple[Decimal, ...]:
    """Decimals that are written in `text`."""
    return tuple(map(Decimal, text.split()))


CHOICES: dict[str, Sequence[Any]] = {
    "qty": numbers("2.50 5 10.0"), "amount": numbers("1.10 2"), "delta": numbers("-3 1 -0.5"),
    "counted": numbers("5 7.5"), "currency": ("USD", "CNY"), "line_id": "12", "lot_id": "12",
    "order_line": "12", "hold_id": "ab", "hold_code": "ab", "invoice_id": "12",
    "consignment_id": "12", "leg_no": (1, 2), "vehicle_id": ("V1", "V2"), "seal_no": "12",
    "old_seal": (None, "1"), "trip_id": SUBJECTS["EQUIPMENT_TRIP"], "hu_id": "123",
    "hu_ids": (("1",), ("2", "3")), "children": (("2",), ("3", "ORDER_LINE:1"), ()), "wr_id": "12",
    "legs": (("1;SEA;CNSHA;DEHAM",), ("1;SEA;CNSHA;DEHAM", "2;ROAD;DEHAM;DEMUC")),
    "limits": ((), ("TEMPERATURE;CEL;2;8",)), "metric": ("TEMPERATURE", "HUMIDITY"),
    "unit": ("CEL",), "device_id": ("D1", "D2"), "value": (5.0, 1.0, -18.5), "lower": (None, 2.0),
    "upper": (None, 8.0), "holder": ("bank", "trader"), "new": ("7", "x", "-3", "12.0"),
    "alert": (None, "HOT"), "primary_share": (Decimal(0), Decimal("0.4367")),
    "co2e_wtw_kg": (Decimal(20), Decimal("21.5")), "co2e_ttw_kg": (None, Decimal(17)),
    "line_ids": (("1",), ("1", "2")), "mode": ("AIR", "SEA", None), "pieces": (None, 3),
    "from_place": ("Roche Basel", "?"), "to_place": ("Kenya", None), "facility": ("WH-1", None),
    "mass_kg": (None, Decimal("7.50")), "mode_detail": (None, "Air Charter"), "hs6": ("870899",),
    "declaration_lines": (
        (),
        (DeclarationLine(line_no=1, value=Decimal("2.50"), currency="USD", origin="CN"),),
    ),
    "order_lines": (
        tuple(
            OrderLine(line_id=one, sku="s", qty=Decimal("10.0"), uom="u", unit_price=Decimal(1))
            for one in "12"
        ),
    ),
}  # fmt: skip
"""What the fields of a payload say, where their types and closed lists do not."""
_BY_TYPE: dict[Any, Sequence[Any]] = {
    str: ("x", "y"), int: (1, 2), bool: (False, True), float: (1.0, -18.5), Micros: (Micros(T),),
    Decimal: numbers("1 10"), dt.date: (dt.date(2024, 10, 5),), tuple[str, ...]: ((), ("x",)),
}  # fmt: skip


def payload(kind: type[Event], one_of: Callable[[Sequence[Any]], Any]) -> dict[str, Any]:
    """Every field of an event type's own, an optional one now and then left out."""
    own = Event.__struct_fields__
    found = {}
    for field in msgspec.structs.fields(kind):
        if field.name in own:
            continue
        if not field.required and one_of((False, False, True)):
            continue
        choices = CHOICES.get(field.name) or sorted(VALUES.get(field.name, ()))
        inner = field.type
        if not choices and inner not in _BY_TYPE:
            inner = next(one for one in inner.__args__ if one is not type(None))
        value = one_of(choices or _BY_TYPE[inner])
        if value is not None or not field.required:
            found[field.name] = value
    return found


def make(kind: str, subject: str, *refs: str, **given: Any) -> Event:
    """An event that happened at T, with the first of every choice where nothing is given."""
    subject_type, _, subject_id = subject.partition(":")
    fields: dict[str, Any] = {
        "event_id": kind, "source": "s", "revision": Micros(1), "event_type": kind,
        "classifier": "ACTUAL", "event_time": Micros(T), "event_tz": "+00:00",
        "time_precision": "S", "recorded_time": Micros(T), "chain_id": "C",
        "subject_type": subject_type, "subject_id": subject_id, "refs": refs,
    }  # fmt: skip
    made = EVENT_TYPES[kind]
    required = {one.name for one in msgspec.structs.fields(made) if one.required}
    own = payload(made, lambda choices: choices[0])
    own = {name: value for name, value in own.items() if name in required}
    return made(**{**fields, **own, **given})


def item(event: Event, arrival: int | None = None) -> Input:
    """The event as the engine hands it over."""
    record = Record(
        topic=event.TOPIC, partition=0, offset=0, key=event.chain_id.encode(), value=b"",
        arrival=event.event_time if arrival is None else arrival,
    )  # fmt: skip
    digest = codec.content_hash(event.TOPIC, event)
    return Input(
        record=record, key=event.chain_id, message=event, fingerprint=0, content_hash=digest
    )


def span(event: Event) -> tuple[int, int]:
    """From when and until when it may have happened, us; its zone is known."""
    if event.time_precision != "DAY":
        grain = {"MS": 1_000, "S": SECOND_US, "MIN": 60 * SECOND_US}[event.time_precision]
        begin = event.event_time // grain * grain
        return begin, begin + grain
    tz = dt.UTC if event.event_tz == "+00:00" else ZoneInfo(event.event_tz)
    moment = dt.datetime.fromtimestamp(event.event_time // SECOND_US, tz)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    after = (day + dt.timedelta(days=1)).replace(fold=0)
    return int(day.timestamp()) * SECOND_US, int(after.timestamp()) * SECOND_US


# ---- streams


class Told(msgspec.Struct, frozen=True):
    """An event and when it arrived, us in whole ms."""

    event: Event
    arrival: int


def stream(random: Random, chain_id: str) -> list[Told]:
    """8 to 28 events of one chain, in no order; of one chain in 25 so many that it is cut."""
    found: list[Event] = []
    length = random.randint(150, 250) if random.random() < 0.04 else random.randint(8, 28)
    pool = random.randint(6, 24) + length // 2
    for _ in range(length):
        if found and random.random() < 0.12:
            found.append(_restated(random, random.choice(found)))
        else:
            found.append(_anything(random, chain_id, pool, found))
        if found[-1].event_type == "wh.dispatched" and random.random() < 0.3:
            found.append(_numbered_alike(random, found[-1]))
    return [Told(event, _arrival(random, event)) for event in found]


def _anything(random: Random, chain_id: str, pool: int, others: list[Event]) -> Event:
    kind = random.choice(OFTEN) if random.random() < 0.35 else random.choice(list(EVENT_TYPES))
    made = EVENT_TYPES[kind]
    about = tuple(SUBJECTS) if random.random() < 0.2 else ABOUT[kind.partition(".")[0]]
    subject_type = random.choice(about)
    fields: dict[str, Any] = {
        "event_id": f"e{random.randrange(pool)}",
        "source": random.choice(SOURCES),
        "revision": Micros(T + random.choice((0, 0, 0, 1, 2)) * SECOND_US),
        "event_type": kind,
        "classifier": random.choice(("ACTUAL",) * 5 + ("PLANNED", "ESTIMATED")),
        "event_time": Micros(T + random.randrange(30) * 5 * HOUR_US + random.choice((0, 700_000))),
        "event_tz": random.choice(ZONES),
        "time_precision": random.choice(("S", "S", "MS", "MIN", "DAY")),
        "recorded_time": Micros(T),
        "chain_id": chain_id,
        "subject_type": subject_type,
        "subject_id": random.choice(SUBJECTS[subject_type]),
        "refs": _refs(random),
        "facility": random.choice(("WH-1", None)),
    }
    if others and random.random() < 0.2:
        fields |= _correction(random, random.choice(others), pool)
    return made(**fields, **payload(made, random.choice))


def _refs(random: Random) -> tuple[str, ...]:
    names = [f"{kind}:{one}" for kind, ids in SUBJECTS.items() for one in ids]
    names += ["PO:9", "SSCC:1", "WR:1", "TRIP:MSCU1234565/B1"]
    return tuple(sorted(random.sample(names, random.choice((0, 1, 1, 2, 3)))))


def _correction(random: Random, target: Event, pool: int) -> dict[str, Any]:
    """Mostly by the source of the target itself, or its delegate; else by a stranger."""
    by = random.choice((target.source, target.source, DELEGATE, "terminal:z"))
    aimed = target.event_id if random.random() < 0.9 else f"e{random.randrange(pool)}"
    return {
        "event_id": f"c{random.randrange(pool)}",
        "source": by,
        "revision": Micros(target.revision + random.choice((-1, 0, 1, 1)) * SECOND_US),
        "correction_action": random.choice(("RETRACT", "RETRACT", "SUPERSEDE")),
        "correction_source": target.source if by != target.source else random.choice(
            (target.source, None)
        ),
        "correction_event_id": aimed,
        "correction_reason": random.choice((None, "DID_NOT_OCCUR", "INCORRECT_DATA")),
    }  # fmt: skip


def _restated(random: Random, event: Event) -> Event:
    """The same identity: in a later revision (which revives it), or in contradiction."""
    changes: dict[str, Any] = {
        "event_time": Micros(event.event_time + random.choice((0, 3, 50)) * HOUR_US),
        "refs": _refs(random) if random.random() < 0.3 else event.refs,
    }
    if random.random() < 0.6:
        changes["revision"] = Micros(event.revision + random.choice((1, 2)) * SECOND_US)
    if random.random() < 0.1:
        changes["classifier"] = random.choice(("ACTUAL", "PLANNED", "ESTIMATED"))
    return replace(event, **changes)


def _numbered_alike(random: Random, event: Event) -> Event:
    """A plain reading under the identity of a dispatch, of its revision or a later one: its source
    numbers both from 1.
    """
    about = random.choice(("CONSIGNMENT:1", "CONSIGNMENT:2", "ORDER_LINE:1", "LOT:1"))
    return make(
        "shipment.sensor", about, *_refs(random), event_id=event.event_id, source=event.source,
        revision=Micros(event.revision + random.choice((0, 1, 2)) * SECOND_US),
        event_time=event.event_time, chain_id=event.chain_id,
    )  # fmt: skip


def _arrival(random: Random, event: Event) -> int:
    """At once, days late, months late, or a little before it happened."""
    latest = max(event.event_time, event.revision)
    late = random.choice((0, 0, 3, 40, 7 * 24, 43 * 24, 546 * 24, -1, -20))
    return (latest + late * HOUR_US) // 1000 * 1000


def orders(random: Random, told: list[Told]) -> Iterator[list[Told]]:
    """The stream without end in other orders, with copies of a third of it at other times."""
    while True:
        again = [
            replace(one, arrival=one.arrival + random.choice((0, 0, 5, -3)) * HOUR_US)
            for one in random.sample(told, len(told) // 3)
        ]
        # a copy that arrives before the first one moves its arrival: part of the set from now on
        mixed = [*told, *(max(one, _first(told, one), key=_by_arrival) for one in again)]
        random.shuffle(mixed)
        yield mixed


def _by_arrival(one: Told) -> int:
    return one.arrival


def _first(told: list[Told], copy: Told) -> Told:
    """The first arrival of an event that was told."""
    return min((one for one in told if one.event == copy.event), key=_by_arrival)
