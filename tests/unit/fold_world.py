"""Chains to fold: events of every kind about a few subjects, and simulated ones with a rail."""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from supplytwin.processors import simulate
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import EVENT_TYPES, VALUES, Event, OrderLine
from supplytwin.schemas.flow import Due, Input, Message, Output, Record, Step
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros
from supplytwin.schemas.records import INSTRUCTIONS, RECEIPTS, Instruction, Receipt

T = 20_000 * DAY_US + 10 * HOUR_US
"""10:00 UTC on day 20,000."""
Pick = Callable[[Sequence[Any], str], Any]
"""(choices, what for) -> one of them."""
FILL: dict[Any, Any] = {
    str: "x", int: 1, Micros: 1, bool: False, float: 1.0, Decimal: Decimal(10),
    dt.date: dt.date(2026, 1, 1),
}  # fmt: skip
_KINDS = [kind for kind in EVENT_TYPES if kind != "shipment.noted"]
KINDS = (
    *_KINDS,
    *("shipment.delivered",) * 12,
    *("order.cancelled", "order.reinstated", "wh.received", "shipment.arrived") * 3,
)
SUBJECTS = ("ORDER_LINE", "ORDER_LINE", "CONSIGNMENT", "DECLARATION", "LOT", "LEG", "ORDER")
REFS = tuple(
    f"{kind}:{one}"
    for kind in ("ORDER_LINE", "CONSIGNMENT", "CONSIGNMENT", "LOT", "DECLARATION", "PO")
    for one in "12"
)


FREIGHT_KINDS = tuple(kind for kind in _KINDS if kind.partition(".")[0] in ("shipment", "wh"))
FREIGHT_KINDS += ("wh.warehouse_receipt", "wh.dispatched", "wh.received", "order.cancelled") * 2
FREIGHT_SUBJECTS = (
    "EQUIPMENT_TRIP", "EQUIPMENT_TRIP", "LEG", "HANDLING_UNIT", "WAREHOUSE_RECEIPT", "LOT",
    "CONSIGNMENT", "ORDER_LINE",
)  # fmt: skip
FREIGHT_REFS = tuple(f"{kind}:{one}" for kind in FREIGHT_SUBJECTS[1:] for one in "12")

# ---- anything at all


def anything(pick: Pick, identities: int, *, freight: bool = False) -> Event:
    """An event that may be of any kind, correct, contradict or cancel another, or move it; with
    `freight` one of shipments or warehouse, about trips, legs, units and receipts, too.
    """
    kind = pick(FREIGHT_KINDS if freight else KINDS, "kind")
    made = EVENT_TYPES[kind]
    fields = {one.name: FILL.get(one.type, ()) for one in msgspec.structs.fields(made)}
    fields = {name: fields[name] for name in made.__struct_fields__ if name in _required(made)}
    happened = T + pick(range(30), "hours") * 5 * HOUR_US + pick((0, 700_000), "fraction")
    fields |= {
        "event_type": kind,
        "event_id": str(pick(range(identities), "id")),
        "source": pick(("s", "s", "s", "t", "inferred:x", "terminal:z"), "source"),
        "revision": Micros(pick((1, 1, 1, 2, 3), "revision")),
        "classifier": pick(("ACTUAL",) * 5 + ("PLANNED", "ESTIMATED"), "classifier"),
        "event_time": Micros(happened),
        "event_tz": pick(("+00:00", "-07:00", "Asia/Shanghai", "unknown"), "tz"),
        "time_precision": pick(("S", "S", "DAY", "MIN"), "precision"),
        "recorded_time": Micros(T),
        "chain_id": "C",
        "subject_type": pick(FREIGHT_SUBJECTS if freight else SUBJECTS, "subject"),
        "subject_id": pick("12", "subject id"),
        "refs": tuple(
            sorted(
                {
                    pick(FREIGHT_REFS if freight else REFS, f"ref {at}")
                    for at in range(pick((0, 1, 2), "refs"))
                }
            )
        ),
    }
    own = set(made.__struct_fields__)
    payload = _payload(pick, kind)
    if freight:
        names = ("trip_id", "hu_id", "wr_id", "vehicle_id", "seal_no", "old_seal")
        payload |= {name: pick("12", name) for name in names}
        payload["children"] = payload["hu_ids"] = (pick("123", "child"),)
        payload["legs"] = ("1;SEA;CNSHA;DEHAM", "2;ROAD;DEHAM;DEMUC")
    payload |= {name: pick(sorted(VALUES[name]), name) for name in _CLOSED & own - payload.keys()}
    fields |= {name: value for name, value in payload.items() if name in own}
    action = pick((None,) * 5 + ("RETRACT", "SUPERSEDE"), "action")
    if action:
        fields |= {
            "correction_action": action,
            "correction_source": pick(("s", "s", "t", None), "corrected source"),
            "correction_event_id": str(pick(range(identities), "corrected id")),
        }
    return made(**fields)


_CLOSED = frozenset(
    ("field", "scope", "result", "basis", "release_kind", "exception_code", "action")
)


def _required(made: type[Event]) -> set[str]:
    return {one.name for one in msgspec.structs.fields(made) if one.required}


_SAID: dict[str, dict[str, Any]] = {
    "customs.declared": {"transport_doc": "x"},
    "shipment.loaded": {"leg_no": 1, "vehicle_id": "x"},
    "shipment.discharged": {"leg_no": 1},
    "shipment.stuffed": {"gross_kg": Decimal(10)},
}
"""What need not be said; the digests that are compared with are of events that say it."""


def _payload(pick: Pick, kind: str) -> dict[str, Any]:
    lines = [OrderLine(line_id=name, sku="s", qty=Decimal("10.0"), uom="u", unit_price=Decimal(1))
             for name in "12"]  # fmt: skip
    found: dict[str, Any] = {
        **_SAID.get(kind, {}),
        "qty": pick((Decimal("2.50"), Decimal(5)), "qty"),
        "new": pick(("7", "x", "-3", "12.0"), "new"),
        "alert": pick((None, "HOT"), "alert"),
        "primary_share": Decimal("0.5"),
        "order_lines": tuple(lines),
    }
    if kind == "shipment.booked":
        found["limits"] = pick(((), ("x;x;4;8",), ("x;x;;4",)), "limits")
    if kind == "shipment.sensor":
        found |= {
            "value": pick((1.0, 5.0, 9.5), "value"),
            "lower": pick((None, 2.0), "lower"),
            "upper": pick((None, 8.0, 8.0), "upper"),
        }
    if kind == "shipment.delivered":
        found |= {
            "mode": pick(("AIR", "AIR", "AIR", "SEA", None), "mode"),
            "mode_detail": pick((None, "Air Charter"), "mode detail"),
            "from_place": pick(("Roche Basel", "Roche Basel", "GSK Ware (UK)", "?"), "from"),
            "to_place": pick(("Kenya", "Kenya", "Kenya", "Zambia", None), "to"),
            "mass_kg": pick((Decimal(5), Decimal("7.50"), None), "mass"),
            "mass_included_in": pick((None, None, "1"), "included"),
            "pieces": pick((None, 3), "pieces"),
        }
    return found


def item(event: Event, arrival: int, offset: int = 0) -> Input:
    """The event as the engine hands it over; its content hash stands for that of its encoding."""
    digest = hashlib.sha256(repr(event).encode()).digest()
    record = Record(
        topic=event.TOPIC, partition=0, offset=offset, arrival=arrival, key=b"C", value=digest
    )
    return Input(record=record, key="C", message=event, fingerprint=0, content_hash=digest)


def wild(count: int, seed: int, identities: int, *, freight: bool = False) -> list[Input]:
    """`count` inputs that follow from the seed; some come again, earlier or later."""
    draw = simulate.Draw(seed, 0)
    found: list[Input] = []
    for at in range(count):
        if found and draw.chance(0.06, f"{at} again"):
            old = draw.one_of(found, f"{at} which")
            shift = draw.below(40, f"{at} shift") - 20
            arrival = old.record.arrival + shift * HOUR_US
            found.append(replace(old, record=replace(old.record, arrival=arrival, offset=at)))
            continue

        def pick(choices: Sequence[Any], name: str, at: int = at) -> Any:
            return draw.one_of(choices, f"{at} {name}")

        event = anything(pick, identities, freight=freight)
        delay = draw.below(90, f"{at} delay") - 30
        found.append(item(event, event.event_time + delay * HOUR_US, at))
    return found


# ---- simulated chains


def simulated(chains: int, facts: int, seed: int = 7) -> list[Input]:
    """Chains with everything that may go wrong; one fact in seven is up to five days late."""
    draw = simulate.Draw(seed, 1)
    sent: list[Message] = []
    made = simulate.chains(
        chains, seed, facts_per_chain=facts, late=0.2, duplicates=0.1, corrections=0.3,
        revocations=0.2,
    )  # fmt: skip
    for at, message in enumerate(made.messages):
        late = draw.chance(0.15, f"late {at}")
        delay = draw.whole_ms(5 * DAY_US, f"delay {at}") if late else 0
        sent.append(replace(message, arrival=message.arrival + delay))
    sent.sort(key=lambda message: message.arrival)
    return [decoded(message, at) for at, message in enumerate(sent)]


def decoded(message: Message, offset: int) -> Input:
    """A message as it comes out of the intake."""
    value = codec.encode(message.topic, message.body)
    found = codec.decode(message.topic, value)
    key = message.key.encode()
    record = Record(
        topic=message.topic, partition=0, offset=offset, arrival=message.arrival, key=key,
        value=value,
    )  # fmt: skip
    return Input(
        record=record, key=message.key, message=found.message, fingerprint=found.fingerprint,
        content_hash=found.content_hash,
    )  # fmt: skip


# ---- the engine's part


class Desk:
    """Folds, decides and publishes as the worker does; `told` hears everything that comes out."""

    def __init__(self, told: Callable[[Output], None], *, rail: bool = True) -> None:
        self.fold = ChainFold("golden")
        self.states: dict[str, ChainState] = {}
        self.now = 0
        self._told, self._rail = told, rail
        self._answers: list[Input] = []

    def round(self, items: Iterable[Input], *, tick: bool = True) -> list[str]:
        """One batch and the tick after it; returns the chains that it changed."""
        after: dict[str, ChainState] = {}
        waiting, self._answers = self._answers, []
        last = self.now
        for each in (*waiting, *items):
            state = self._state(each.key, after)
            last = max(last, each.record.arrival)
            try:
                after[each.key] = self._did(self.fold.step(state, each, self.now))
            except RecordError:
                continue
        if tick:
            self.now = last
            for key in sorted({*self.states, *after}):
                due = self.fold.due(self._state(key, after))
                if due is Due.NEXT or (due is not None and due <= self.now):
                    after[key] = self._did(self.fold.decide(self._state(key, after), self.now))
        for key, state in after.items():
            before = self.states.get(key, self.fold.new(key))
            for output in self.fold.publish(before, state):
                self._told(output)
        self.states |= after
        return list(after)

    def _state(self, key: str, after: dict[str, ChainState]) -> ChainState:
        return after.get(key) or self.states.get(key) or self.fold.new(key)

    def _did(self, step: Step[ChainState]) -> ChainState:
        for output in (*step.entries, *step.outputs):
            self._told(output)
            if self._rail and output.topic == INSTRUCTIONS:
                order = codec.decode(INSTRUCTIONS, output.value or b"").message
                assert isinstance(order, Instruction)
                self._answers += [
                    decoded(Message(topic=RECEIPTS, key=each.chain_id, arrival=self.now, body=each),
                            order.instruction_no)
                    for each in _answers(order, self.now)
                ]  # fmt: skip
        return step.state


def _answers(order: Instruction, now: int) -> Iterator[Receipt]:
    """A rail that does what it is told."""
    said = {"RESERVE": ("CONFIRMED",), "PAY": ("ACSC", "BOOKED"), "RELEASE": ("RELEASED",),
            "RECALL": ("RJCR",), "QUERY": ("ACSC",)}  # fmt: skip
    same = ("chain_id", "contract_id", "settlement_id", "kind", "instruction_no", "attempt",
            "hold_no", "recall_no", "query_no")  # fmt: skip
    for status in said[order.kind]:
        fields: dict[str, Any] = {name: getattr(order, name) for name in same}
        if status in ("CONFIRMED", "ACSC", "BOOKED"):
            fields |= {"amount_minor": order.amount_minor, "currency": order.currency}
        if status == "CONFIRMED":
            fields["hold_expires"] = order.hold_until
        if status == "BOOKED":
            fields["entry_id"] = f"entry {order.uetr}"
        yield Receipt(
            input_id=f"{order.instruction_id} {status}", source="rail", rail_status=status,
            rail_time=Micros(now), **fields,
        )  # fmt: skip
