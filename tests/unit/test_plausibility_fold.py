"""Plausibility in the fold: what is reported follows from the set of facts, and only flags."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import fold_world as world
import plausibility_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from supplytwin.processors import across, describe, health, twin
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.plausibility import CODES
from supplytwin.processors.readings import is_plain
from supplytwin.processors.standing import EMPTY, make_fact
from supplytwin.processors.twin import Twin
from supplytwin.schemas import codec, plausibility
from supplytwin.schemas.events import EVENT_TYPES, Event
from supplytwin.schemas.flow import Input
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.records import EXCEPTIONS, STATE

Said = tuple[str, str, str, str, str]
T = 20_000 * DAY_US + 10 * HOUR_US
MIN = 60 * SECOND_US
RIGHT, WRONG = "MSCU1234566/B", "MSCU1234564/B"
KINDS = {
    "shipment.gate_in": ("EQUIPMENT_TRIP", "CONSIGNMENT"),
    "shipment.gate_out": ("EQUIPMENT_TRIP",),
    "shipment.stuffed": ("EQUIPMENT_TRIP", "CONSIGNMENT"),
    "shipment.sensor": ("EQUIPMENT_TRIP", "EQUIPMENT_TRIP", "LOT"),
    "shipment.booked": ("CONSIGNMENT",),
    "shipment.departed": ("CONSIGNMENT", "ORDER_LINE", "EQUIPMENT_TRIP", "LOT"),
    "shipment.arrived": ("CONSIGNMENT", "ORDER_LINE", "EQUIPMENT_TRIP", "LOT"),
    "shipment.delivered": ("CONSIGNMENT", "ORDER_LINE"),
    "wh.dispatched": ("LOT",),
    "wh.received": ("LOT", "ORDER_LINE"),
    "wh.receipt_reversed": ("LOT", "ORDER_LINE"),
    "wh.warehouse_receipt": ("WAREHOUSE_RECEIPT", "LOT"),
    "customs.declared": ("DECLARATION",),
    "customs.accepted": ("DECLARATION",),
}
OFTEN = ("shipment.gate_in", "shipment.gate_out", "wh.dispatched", "wh.received") * 3
LINES = ("ORDER_LINE:1", "ORDER_LINE:2")
POSITIONS = ((None, None), (None, None), (31.0, 121.0), (31.9, 121.0), (-1.3, 36.8))


def of(kind: str, subject: str, *refs: str, id: str, at: int = 0, **given: Any) -> Event:
    """An event that says nothing it need not."""
    made = EVENT_TYPES[kind]
    known: dict[str, Any] = {
        "event_type": kind, "event_id": id, "source": "s", "revision": Micros(1), "refs": refs,
        "classifier": "ACTUAL", "event_time": Micros(T + at), "event_tz": "+00:00",
        "time_precision": "S", "recorded_time": Micros(T + at), "chain_id": "C",
        "subject_type": subject.partition(":")[0], "subject_id": subject.partition(":")[2],
        "accepted_time": Micros(T),
    }  # fmt: skip
    blank: dict[Any, Any] = {str: "x", int: 1, bool: False, float: 1.0, Decimal: Decimal(10)}
    filled = {f.name: blank.get(f.type, ()) for f in fields(made) if f.required}
    named = {name: value for name, value in known.items() if name in made.__struct_fields__}
    return made(**{**filled, **named, **given})


@st.composite
def facts(draw: st.DrawFn) -> Input:
    """A fact that some rule looks at."""

    def pick(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    kind = pick(*KINDS, *OFTEN)
    made = EVENT_TYPES[kind]
    subject_type = pick(*KINDS[kind])
    lat, lon = pick(*POSITIONS)
    at = pick(0, 0, 0, 1, 2, 3) * DAY_US + pick(0, 0, 1, 4, 12) * HOUR_US + pick(0, 5, 9) * MIN
    trip = pick(RIGHT, WRONG)
    number = pick("1", "1", "2")
    given = {
        "trip_id": trip, "container_no": trip.partition("/")[0], "children": (), "empty": False,
        "gross_kg": pick(None, Decimal(1000), Decimal(1020), Decimal(1021)),
        "leg_no": pick(None, None, 1),
        "legs": (pick("1;SEA;CNSHA;DEHAM", "1;AIR;CNSHA;DEHAM"),),
        "mode": pick(None, "ROAD", "AIR"), "to_place": pick(None, "Kenya"), "pieces": None,
        "device_id": pick("D1", "D1", "D2"), "qty": pick(*[Decimal(3), Decimal(5)] * 4, None),
        "metric": pick("Temperature", "Temperature", "weight", "door"), "unit": "t",
        "value": pick(1.0, 1.0, 1.05), "line_id": pick("1", "1", "2"),
        "lot_id": pick("L-1", "L1", "L2"),
        "wr_id": pick("W-1", "W1"), "action": pick("ISSUE", "PLEDGE"), "hu_ids": (),
        "declaration_id": pick("d1", "D-1"), "office": "O", "mrn": pick("M1", "M2"),
    }  # fmt: skip
    if kind != "wh.dispatched":
        given["qty"] = given["qty"] or Decimal(1)
    given = {name: value for name, value in given.items() if name in made.__struct_fields__}
    own = trip if subject_type == "EQUIPMENT_TRIP" else number
    event = of(
        kind, f"{subject_type}:{own}", *pick((), LINES[:1], LINES[:1], LINES[:1], LINES),
        id=pick(*"123456789"), at=at, source=pick("s", "s", "t"), revision=Micros(pick(1, 1, 1, 2)),
        classifier=pick(*["ACTUAL"] * 9, "ESTIMATED"), event_tz=pick(*["+00:00"] * 6, "unknown"),
        time_precision=pick(*"SSSS", "MIN", "DAY"), lat=lat, lon=lon,
        unlocode=pick(None, None, "CNSHA", "DEHAM", "XXXXX"),
        facility=pick(None, None, "Kenya", "?"),
        recorded_time=Micros(T + at + pick(0, 0, -200 * SECOND_US, 29 * DAY_US, 45 * DAY_US)),
        **given,
    )  # fmt: skip
    if pick(*[False] * 7, True):
        event = replace(event, correction_action="RETRACT", correction_event_id=pick(*"123456789"))
    return world.item(event, event.event_time + pick(-1, 0, 1, 50) * HOUR_US)


def said(found: Twin) -> set[Said]:
    """What stands by the plausibility rules."""
    problems = [
        (key, one) for key, subject in found.subjects.items() for one in subject.value.exceptions
    ]
    problems += across.standing(found.facts, found.documents, found.subjects)
    return {(*key, p.code, p.source, p.event_id) for key, p in problems if p.code in CODES}


def told(items: list[Input]) -> tuple[Twin, set[Said]]:
    """The twin after some inputs, and what was reported of the rules and not taken back."""
    found, opened = twin.EMPTY, set[Said]()
    for each in items:
        taken = twin.take(found, each)
        found = taken.twin
        for one in taken.exceptions:
            if one.code in CODES:
                name = (one.subject_type, one.subject_id, one.code, one.source, one.event_id)
                opened = opened | {name} if one.open else opened - {name}
    return found, opened


@settings(max_examples=150, deadline=None)
@given(st.lists(facts(), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_what_stands_is_what_all_facts_together_say(stream: list[Input], random: Any) -> None:
    """In any order, with duplicates, conflicts and retractions, exactly what brute force finds in
    the final set is open, and what was reported adds up to it.
    """
    found, opened = told(stream)
    assert opened == said(found) == oracle.implausible(found)
    again = [*stream, *stream[::3]]
    random.shuffle(again)
    other, also = told(again)
    assert also == opened
    assert json.dumps(twin.canonical(found)) == json.dumps(twin.canonical(other))


def _somewhere(at: int, step: int) -> dict[str, Any]:
    """Two of three readings are plain; the third has a position, and is kept by itself."""
    return {} if at % 3 else {"lat": 31.0 + (step % 7 == 0) * 3, "lon": 121.0}


SENSED = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from((4.0, 4.0, 4.0, 5.0)), st.booleans()),
    min_size=30, max_size=120,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(SENSED, st.randoms(use_true_random=False))
def test_long_streams_are_judged_as_a_whole(
    read: list[tuple[int, float, bool]], random: Any
) -> None:
    """Readings over ten days, over many chunks, in any order and with some retracted."""
    items = [
        world.item(
            of("shipment.sensor", f"EQUIPMENT_TRIP:{RIGHT}", id=str(at), at=step * 35 * MIN,
               metric="Temperature", value=value, **_somewhere(at, step)),
            T + 20 * DAY_US,
        )
        for at, (step, value, _) in enumerate(read)
    ]  # fmt: skip
    for at, (_, _, gone) in enumerate(read):
        if gone and at % 4 == 0:
            event = of("shipment.sensor", f"EQUIPMENT_TRIP:{RIGHT}", id=f"r{at}",
                       correction_action="RETRACT", correction_event_id=str(at))  # fmt: skip
            items.append(world.item(event, T + 20 * DAY_US))
    random.shuffle(items)
    found, opened = told(items)
    assert opened == said(found) == oracle.implausible(found)
    marked = {(*key, *name) for key, subject in found.subjects.items() for name in subject.marked}
    assert marked == {one for one in opened if one[2] == "SENSOR_HEALTH"}


TRIP = f"EQUIPMENT_TRIP:{RIGHT}"
SMALLEST: dict[str, tuple[str, list[Event]]] = {
    "speed": ("IMPOSSIBLE_SPEED", [
        of("wh.received", "LOT:1", id="1", lat=31.0, lon=121.0, lot_id="1"),
        of("wh.inspected", "LOT:1", id="2", lat=45.0, lon=121.0, at=HOUR_US),
    ]),
    "two places": ("TWO_PLACES", [
        of("shipment.gate_out", TRIP, id="1", trip_id=RIGHT, lat=31.0, lon=121.0),
        of("shipment.gate_out", TRIP, id="2", trip_id=RIGHT, lat=31.9, lon=121.0, at=9 * MIN),
    ]),
    "fence": ("OUTSIDE_GEOFENCE", [
        of("shipment.delivered", "ORDER_LINE:1", id="1", lat=1.0, lon=36.8, to_place="Kenya"),
    ]),
    "weight": ("WEIGHT_MISMATCH", [
        of("shipment.stuffed", TRIP, id="1", trip_id=RIGHT, gross_kg=Decimal(1000)),
        of("shipment.sensor", TRIP, id="2", source="t", metric="weight", unit="t", value=1.03,
           at=HOUR_US),
    ]),
    "departure": ("SEQUENCE", [
        of("shipment.arrived", "CONSIGNMENT:1", id="1", unlocode="CNSHA", leg_no=None),
        of("shipment.departed", "CONSIGNMENT:1", id="2", leg_no=None, at=DAY_US),
    ]),
    "gate": ("SEQUENCE", [
        of("wh.received", "LOT:1", "ORDER_LINE:1", id="1", line_id="1", lot_id="1"),
        of("shipment.gate_in", TRIP, "ORDER_LINE:1", id="2", trip_id=RIGHT, at=3 * DAY_US),
    ]),
    "over": ("RECEIVED_OVER_SHIPPED", [
        of("wh.dispatched", "LOT:1", "ORDER_LINE:1", id="1", qty=Decimal(3)),
        of("wh.received", "LOT:2", "ORDER_LINE:1", id="2", qty=Decimal(5), line_id="1", lot_id="2",
           at=HOUR_US),
    ]),
    "document": ("DUPLICATE_DOCUMENT", [
        of("customs.declared", "DECLARATION:1", id="1", declaration_id="D-1"),
        of("customs.declared", "DECLARATION:2", id="2", declaration_id="d1", at=HOUR_US),
    ]),
    "digit": ("BAD_CHECK_DIGIT", [
        of("shipment.gate_in", f"EQUIPMENT_TRIP:{WRONG}", id="1", trip_id=WRONG),
        of("shipment.gate_out", f"EQUIPMENT_TRIP:{WRONG}", id="2", trip_id=WRONG, at=HOUR_US),
    ]),
    "flat": ("SENSOR_HEALTH", [
        of("shipment.sensor", "LOT:1", id=str(n), metric="Temperature", at=n * 2 * HOUR_US)
        for n in range(5)
    ]),
    "drift": ("SENSOR_HEALTH", [
        of("shipment.sensor", "LOT:1", id="1", metric="Temperature",
           recorded_time=Micros(T - 121 * SECOND_US)),
    ]),
    "gap": ("SENSOR_HEALTH", [
        of("shipment.sensor", "LOT:1", id=str(n), metric="Temperature", value=float(n),
           at=n * DAY_US)
        for n in range(3)
    ]),
    "old": ("TIMING", [
        of("customs.released", "DECLARATION:1", id="1", recorded_time=Micros(T + 31 * DAY_US)),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALLEST)
def test_the_smallest_case_of_every_rule(name: str) -> None:
    """Two facts, or a few, break one rule once, in both orders; without the last one none is."""
    code, events = SMALLEST[name]
    items = [world.item(event, T + 32 * DAY_US) for event in events]
    for order in (items, items[::-1]):
        found, opened = told(order)
        assert [one[2] for one in opened] == [code]
        assert opened == said(found) == oracle.implausible(found)
    if len(items) > 1 and name not in ("digit", "flat"):
        assert told(items[:-1])[1] == set()


@pytest.mark.parametrize("name", SMALLEST)
def test_what_is_open_shows_everywhere_alike(name: str) -> None:
    """The latest states, what people see, and what was reported and not taken back."""
    code, events = SMALLEST[name]
    state, fold = ChainFold("test").new("C"), ChainFold("test")
    reported: dict[Any, bool] = {}
    latest: dict[str, tuple[str, ...]] = {}
    for event in events:
        item = world.item(event, T + 32 * DAY_US)
        step = fold.step(state, item, T + 40 * DAY_US)
        for output in (*step.outputs, *fold.publish(state, step.state)):
            record: Any = codec.decode(output.topic, output.value or b"").message
            if output.topic == EXCEPTIONS:
                about = f"{record.subject_type} {record.subject_id}"
                reported[about, record.code, record.source, record.event_id] = record.open
            elif output.topic == STATE:
                latest[f"{record.subject_type} {record.subject_id}"] = record.exceptions
        state = step.state
    shown = describe.exceptions(state)
    assert code in [one["code"] for one in shown]
    assert sorted(one for one, is_open in reported.items() if is_open) == sorted(
        (one["subject"], one["code"], one["source"], one["event_id"]) for one in shown
    )
    assert sorted((about, one) for about, all_ in latest.items() for one in all_) == sorted(
        (one["subject"], f"{one['code']};{one['since']}") for one in shown
    )


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({}, True), ({"lat": 1.0, "lon": 1.0}, False), ({"unlocode": "DEHAM"}, False),
        ({"unlocode": "XXXXX"}, True), ({"facility": "Kenya"}, False),
        ({"metric": "Gross weight", "unit": "T"}, False), ({"metric": "weight", "unit": "%"}, True),
        ({"subject_id": RIGHT}, True), ({"subject_id": WRONG}, False),
        ({"recorded_time": Micros(T - DAY_US)}, True),
    ],
)  # fmt: skip
def test_what_a_rule_looks_at_by_itself_is_no_plain_reading(
    given: dict[str, Any], plain: bool
) -> None:
    """Positions, weights and wrong containers are kept as whole facts; what only many readings
    can tell is not, a clock that is ahead among it.
    """
    event = replace(
        of("shipment.sensor", "EQUIPMENT_TRIP:X", id="1", metric="Temperature"), **given
    )
    assert is_plain(event) is plain
    found, _ = told([world.item(event, T)])
    assert len(found.facts.slots) == (not plain)


def test_a_late_reading_has_its_neighbours_looked_at_again_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a trip four times as long, a reading that is two days late looks at no more hours."""
    looked: list[int] = []
    for name in ("bounds", "trail", "prolonged"):
        real = getattr(health, name)

        def spy(*given: Any, real: Any = real) -> Any:
            looked.append(1)
            return real(*given)

        monkeypatch.setattr(health, name, spy)

    def cost(hours: int) -> int:
        events = [
            of("shipment.sensor", "LOT:1", id=str(n), metric="Temperature", at=n * HOUR_US)
            for n in range(hours)
        ]
        late = events.pop(hours - 49)
        found = told([world.item(event, T + 90 * DAY_US) for event in events])[0]
        looked.clear()
        twin.take(found, world.item(late, T + 90 * DAY_US))
        return len(looked)

    assert cost(800) == cost(200) < 400


def test_every_rule_has_a_smallest_case() -> None:
    """No code of the rules is without one."""
    assert {code for code, _ in SMALLEST.values()} == CODES


def test_a_pass_writes_nothing_and_a_doubt_says_its_verdict() -> None:
    """A plausible way has no exception; an impossible one has one, with its verdict and numbers."""
    gate = of(
        "shipment.gate_out", f"EQUIPMENT_TRIP:{RIGHT}", id="1", trip_id=RIGHT, unlocode="CNSHA"
    )
    slow, fast = (
        of("shipment.gate_in", f"EQUIPMENT_TRIP:{RIGHT}", id="2", trip_id=RIGHT, at=at,
           unlocode="DEHAM")
        for at in (30 * DAY_US, HOUR_US)
    )  # fmt: skip
    plain = [world.item(gate, T), world.item(slow, T + 40 * DAY_US)]
    assert told(plain)[1] == set()
    taken = twin.take(told(plain[:1])[0], world.item(fast, T + HOUR_US))
    (one,) = [change for change in taken.exceptions if change.code in CODES]
    assert one.code == "IMPOSSIBLE_SPEED"
    assert one.reason.startswith("REJECT: 8")
    assert "since 1" in one.reason
    assert "over 250" in one.reason


def test_one_outlier_is_one_exception() -> None:
    """A wrong fix among right ones is flagged; the one after it is not."""
    at = [(31.0, 0), (48.0, HOUR_US), (31.1, 2 * HOUR_US), (31.2, 3 * HOUR_US)]
    items = [
        world.item(of("shipment.gate_in", f"EQUIPMENT_TRIP:{RIGHT}", id=str(n), trip_id=RIGHT,
                      at=when, lat=lat, lon=121.0), T + DAY_US)
        for n, (lat, when) in enumerate(at)
    ]  # fmt: skip
    assert {one[4] for one in told(items)[1]} == {"1"}


@pytest.mark.parametrize("old_s", [8 * 86_400, 40 * 86_400])
def test_a_later_policy_judges_later_facts_only(
    monkeypatch: pytest.MonkeyPatch, old_s: int
) -> None:
    """A new entry counts for what happens from its date on, whenever it arrives."""
    first = plausibility.shipped().entries[0]
    start = (dt.date(2024, 10, 5) - dt.date(1970, 1, 1)).days * DAY_US
    later = replace(first, valid_from=dt.date(2024, 10, 5), old_s=old_s)
    dated = plausibility.policy((first, later))
    monkeypatch.setattr("supplytwin.processors.milestones.shipped", lambda: dated)
    for happened, days in ((start - SECOND_US, 35), (start, 35), (start, 10)):
        event = of("customs.released", "DECLARATION:D", id="1", at=happened - T,
                   recorded_time=Micros(happened + days * DAY_US))  # fmt: skip
        limit = 30 * DAY_US if happened < start else old_s * SECOND_US
        expected = {"TIMING"} if days * DAY_US - SECOND_US > limit else set()
        assert {one[2] for one in told([world.item(event, happened)])[1]} == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_doubt_moves_nothing(data: st.DataObject) -> None:
    """Apart from exceptions and memory, a fact that rules look at leads where it does without."""

    def pick(choices: Any, name: str) -> Any:
        return data.draw(st.sampled_from(list(choices)))

    known: dict[str, Any] = {}
    for at in range(8):
        event = replace(
            world.anything(pick, 9, freight=True), event_id=str(at), lat=50.0 * (at % 2), lon=1.0
        )
        machine = event.subject_type
        before = known.get(machine, EMPTY)
        effect = effect_on(event, machine, is_subject=True)
        fact = make_fact(event, event.event_time, effect, event.subject_id)
        seen = accumulate(machine, before, fact)
        unseen = accumulate(machine, before, replace(fact, watched=False))
        kept = tuple(p for p in seen.exceptions if p in unseen.exceptions)
        waiting = tuple(replace(one, watched=False) for one in seen.pending)
        assert waiting == tuple(replace(one, watched=False) for one in unseen.pending)
        same = {"watch": unseen.watch, "exceptions": kept, "pending": unseen.pending}
        assert replace(seen, **same) == unseen
        known[machine] = seen


def test_open_doubts_are_shown_with_the_chain() -> None:
    """What people see of a chain has the doubts about several subjects, too."""
    first = of("wh.received", "LOT:A", id="1", lot_id="L-1")
    second = of("wh.received", "LOT:B", id="2", lot_id="l 1", at=HOUR_US)
    found, _ = told([world.item(second, T + HOUR_US), world.item(first, T + HOUR_US)])
    shown = describe.exceptions(ChainState(chain_id="C", twin=found))
    assert [(one["subject"], one["code"]) for one in shown] == [("LOT B", "DUPLICATE_DOCUMENT")]
    assert shown[0]["reason"] == "REJECT: lot L1 of S already stands for LOT A"
