"""What is calculated of a subject: by hand, and against calculations of another kind."""

from typing import Any

import fold_world as world
import pytest
import test_reports as reports
from hypothesis import given, settings
from hypothesis import strategies as st
from immutables import Map
from msgspec.structs import replace

from supplytwin.processors import across, derived, sequence, twin
from supplytwin.processors.facts import Identity, Version
from supplytwin.processors.sensed import totals
from supplytwin.processors.standing import Fact
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Input
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.schemas.localtime import date_of
from supplytwin.schemas.machines import MACHINES
from supplytwin.schemas.records import STATE, StateRecord

fact = reports.fact
T: int = reports.T


def subject(machine: str, *facts: Fact) -> tuple[SubjectKey, Subject]:
    """Subject "x" with these facts."""
    ordered = sequence.NOTHING
    for one in facts:
        ordered = sequence.insert(machine, ordered, one)
    return SubjectKey(machine, "x"), Subject(ordered=ordered)


def fields(machine: str, *facts: Fact) -> dict[str, Any]:
    return derived.fields(*subject(machine, *facts))


def arrival(hours: float, classifier: str, revision: int, source: str = "carrier:m") -> Fact:
    found: Fact = fact(
        "ORDER_LINE", "shipment.arrived", hours, source, classifier=classifier, revision=revision
    )
    return found


# ---- ETA and promise


def test_the_eta_says_who_stated_it_and_when() -> None:
    """The latest revision counts, with its source; its age is the asker's clock minus it."""
    found = subject(
        "ORDER_LINE", arrival(90, "ESTIMATED", T + 1), arrival(70, "ESTIMATED", T + 2, "terminal:t")
    )
    told = derived.told(*found, T + 2 + 36 * HOUR_US)
    assert told["expected"] == T + 70 * HOUR_US
    assert (told["expected_basis"], told["eta_source"]) == ("ESTIMATED", "terminal:t")
    assert (told["eta_stated"], told["eta_age_hours"]) == (T + 2, 36)


@pytest.mark.parametrize("machine", ["ORDER_LINE", "CONSIGNMENT", "LEG", "EQUIPMENT_TRIP"])
def test_everything_that_travels_has_an_eta(machine: str) -> None:
    """An estimated arrival about a line, consignment, leg or trip is its ETA and moves nothing."""
    guess = fact(machine, "shipment.arrived", 9, "carrier:m", classifier="ESTIMATED")
    key, found = subject(machine, guess)
    assert found.value.eta is not None and found.value.eta.time == T + 9 * HOUR_US
    assert (found.value.state, found.codes) == (None, ())
    assert derived.fields(key, found)["eta_source"] == "carrier:m"


def test_without_an_estimate_the_plan_is_expected() -> None:
    """The planned arrival takes the place of the ETA; it has no age."""
    told = derived.told(*subject("ORDER_LINE", arrival(90, "PLANNED", T)), T)
    assert (told["expected"], told["expected_basis"]) == (T + 90 * HOUR_US, "PLANNED")
    assert told["eta_age_hours"] is None


def test_the_delay_is_against_what_was_promised_last() -> None:
    """Promised for day 20,005, then day 20,007; an ETA on day 20,008 is a day late, a delivery on
    day 20,006 a day early. Without a confirmation the plan's date is the promise.
    """
    promises = [
        fact("ORDER_LINE", "order.confirmed", at, "seller:s", confirmed_qty=1,
             promised_date=date_of(day))
        for at, day in ((0, 20_005), (1, 20_007))
    ]  # fmt: skip
    eta = arrival(8 * 24, "ESTIMATED", T)
    planned = arrival(6 * 24, "PLANNED", T)
    delivered = fact("ORDER_LINE", "shipment.delivered", 6 * 24, "carrier:m")
    found = fields("ORDER_LINE", planned, *promises, eta)
    assert (found["promised_date"], found["promise_delay_days"]) == (date_of(20_007), 1)
    assert fields("ORDER_LINE", *promises, eta, delivered)["promise_delay_days"] == -1
    assert fields("ORDER_LINE", planned, eta)["promise_delay_days"] == 2
    assert fields("ORDER_LINE", promises[0])["promise_delay_days"] is None
    assert fields("ORDER_LINE", eta)["promised_date"] is None


# ---- completeness


def test_steps_that_nobody_told_are_counted_apart() -> None:
    """Released straight after filing: of FILED, ACCEPTED, RELEASED one is inferred; the
    inspection may be left out and is not required.
    """
    filed = fact(
        "DECLARATION", "customs.declared", 0, "customs:c",
        declaration_lines=(), declaration_id="x",
    )  # fmt: skip
    released = fact("DECLARATION", "customs.released", 5, "customs:c")
    found = fields("DECLARATION", filed, released)
    assert (found["steps_required"], found["steps_inferred"]) == (3, 1)
    assert derived.completeness(3, 1) == pytest.approx(2 / 3)


def test_nothing_is_complete_where_nothing_is_required() -> None:
    """A subject without a state, or in one that is beside the path from the start, has no share."""
    found = fields("ORDER_LINE")
    assert (found["steps_required"], found["steps_inferred"]) == (None, None)
    assert derived.completeness(None, None) is None
    assert derived.completeness(0, 0) is None


FORWARD: dict[str, dict[str, str]] = {
    "ORDER_LINE": {
        "order.placed": "PLACED", "order.confirmed": "CONFIRMED", "order.goods_ready": "READY",
        "shipment.departed": "SHIPPED", "shipment.delivered": "DELIVERED",
        "order.accepted": "ACCEPTED",
    },
    "DECLARATION": {
        "customs.declared": "FILED", "customs.accepted": "ACCEPTED",
        "customs.inspection_ordered": "SELECTED", "customs.released": "RELEASED",
        "customs.cleared": "CLEARED",
    },
    "EQUIPMENT_TRIP": {
        "shipment.stuffed": "STUFFED", "shipment.gate_in": "GATED_IN",
        "shipment.discharged": "DISCHARGED", "shipment.available": "AVAILABLE",
        "shipment.stripped": "STRIPPED",
    },
}  # fmt: skip
"""Events that lead forward, by machine, and where to."""


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_completeness_is_what_counting_the_told_steps_gives(data: st.DataObject) -> None:
    """Any forward events in any order: required are the steps up to the furthest one, inferred
    those of them that no accepted event leads to.
    """
    machine = data.draw(st.sampled_from(sorted(FORWARD)))
    kinds = data.draw(st.lists(st.sampled_from(sorted(FORWARD[machine])), unique=True))
    given_fields: dict[str, Any] = {
        "promised_date": date_of(0), "order_lines": (), "declaration_lines": (), "legs": (),
    }  # fmt: skip
    facts = []
    for at, kind in enumerate(kinds):
        own = world.EVENT_TYPES[kind].__struct_fields__
        extra = {name: value for name, value in given_fields.items() if name in own}
        facts.append(fact(machine, kind, at, "s", **extra))
    path = MACHINES[machine].path
    furthest, heard = -1, set()
    for kind in kinds:
        place = path.index(FORWARD[machine][kind])
        if place > furthest:
            furthest = place
            heard.add(path[place])
    required = set(path[: furthest + 1]) - {"SELECTED", "EXAMINED"}
    found = fields(machine, *data.draw(st.permutations(facts)))
    assert (found["steps_required"] or 0) == len(required)
    assert (found["steps_inferred"] or 0) == len(required - heard)


# ---- freshness


def test_the_last_actual_fact_is_what_happened_last() -> None:
    """Estimates about the future do not make a subject fresh, whenever they come."""
    facts = [
        fact("ORDER_LINE", "shipment.departed", 5, "carrier:m"),
        arrival(50, "ESTIMATED", T),
        fact("ORDER_LINE", "shipment.loaded", 3, "carrier:m"),
    ]
    found = subject("ORDER_LINE", *facts)
    told = derived.told(*found, T + 29 * HOUR_US)
    assert (told["last_actual"], told["silent_hours"]) == (T + 5 * HOUR_US, 24)
    assert fields("ORDER_LINE", facts[1])["last_actual"] is None


# ---- dwell


def move(kind: str, hours: float, place: str | None, **more: Any) -> Fact:
    found: Fact = fact("CONSIGNMENT", f"shipment.{kind}", hours, "c", facility=place, **more)
    return found


def test_dwell_is_the_next_departure_minus_the_arrival() -> None:
    """A 10 h at A (the gate-in there is the same stay), nobody told when it left B, open at C."""
    found = subject(
        "CONSIGNMENT",
        move("arrived", 0, "A"), move("gate_in", 2, "A"), move("departed", 10, "A"),
        move("arrived", 20, "B"), move("arrived", 30, "C"),
    )  # fmt: skip
    stays = derived.told(*found, T + 37 * HOUR_US)["dwell"]
    assert [(one["place"], one["hours"], one["open"]) for one in stays] == [
        ("A", 10, False), ("B", None, False), ("C", 7, True),
    ]  # fmt: skip
    first, second, last = derived.fields(*found)["visits"]
    assert first == f"{T};{T + 10 * HOUR_US};{10 * HOUR_US};A"
    assert second == f"{T + 20 * HOUR_US};;;B"
    assert last == f"{T + 30 * HOUR_US};;;C"


def test_dwell_in_days_is_whole_days() -> None:
    """With a gate-out that is known by its date alone, from 10:00 to the next day is 24 h."""
    stay = [
        move("discharged", 0, "A"),
        move("gate_out", 14, "A", time_precision="DAY", empty=False),
    ]
    (one,) = derived.told(*subject("CONSIGNMENT", *stay), T)["dwell"]
    assert one["hours"] == 24


def test_a_departure_from_elsewhere_ends_no_stay() -> None:
    """It is another place's; one without a place ends the stay that is open."""
    left = [move("arrived", 0, "A"), move("departed", 3, "B")]
    (one,) = derived.told(*subject("CONSIGNMENT", *left), T + 4 * HOUR_US)["dwell"]
    assert (one["open"], one["hours"]) == (True, 4)
    (one,) = derived.told(*subject("CONSIGNMENT", *left, move("departed", 5, None)), T)["dwell"]
    assert (one["open"], one["hours"]) == (False, 5)


one_move = st.tuples(
    st.sampled_from(("arrived", "gate_in", "discharged", "departed", "gate_out")),
    st.sampled_from(("A", "B", None)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(one_move, max_size=9), st.randoms(use_true_random=False))
def test_dwell_is_what_pairing_arrivals_and_departures_gives(
    moves: list[tuple[str, str | None]], random: Any
) -> None:
    """Any moves, one an hour, arriving in any order: for each place where a stay begins, the first
    departure from there before it is seen elsewhere.
    """
    facts = [
        move(kind, at, place, **({"empty": False} if kind.startswith("gate") else {}))
        for at, (kind, place) in enumerate(moves)
    ]
    expected: list[tuple[str, int, int | None]] = []
    at = 0
    while at < len(moves):
        kind, place = moves[at]
        begun, at = at, at + 1
        if kind in ("departed", "gate_out"):
            continue
        left = None
        while at < len(moves):
            kind, other = moves[at]
            if kind in ("departed", "gate_out"):
                at += 1
                if place is None or other in (None, place):
                    left = at - 1
                    break
            elif other in (None, place):
                at += 1
            else:
                break
        expected.append((place or "", begun, left))
    random.shuffle(facts)
    _, found = subject("CONSIGNMENT", *facts)
    assert [
        (one.place, (one.arrived - T) // HOUR_US, one.left and (one.left - T) // HOUR_US)
        for one in found.value.visits
    ] == expected
    for one in found.value.visits:
        assert one.stayed_us == (None if one.left is None else one.left - one.arrived)


# ---- trust


@pytest.mark.parametrize(
    ("kind", "source", "tz", "grade"),
    [
        ("shipment.departed", "terminal:t", "+00:00", "A"),
        ("shipment.departed", "carrier:m", "+00:00", "B"),
        ("shipment.departed", "scms", "+00:00", "B"),
        ("shipment.departed", "aggregator:a", "+00:00", "C"),
        ("shipment.departed", "manual:m", "+00:00", "C"),
        ("shipment.departed", "customs:c", "+00:00", "C"),
        ("shipment.departed", "terminal:t", "unknown", "C"),
        ("shipment.departed", "inferred:x", "unknown", "D"),
        ("order.goods_ready", "seller:s", "+00:00", "A"),
        ("order.goods_ready", "terminal:s", "+00:00", "C"),
    ],
)
def test_the_grade_of_a_fact(kind: str, source: str, tz: str, grade: str) -> None:
    """By the role of its source on its topic; no better than C in an unknown zone."""
    assert fields("ORDER_LINE", fact("ORDER_LINE", kind, 0, source, event_tz=tz))["trust"] == grade


def test_trust_is_that_of_the_worst_fact() -> None:
    """One entry by hand among a terminal's makes C; what did not happen yet, or is refused, has no
    part in it; an identity with two contents makes D.
    """
    good = fact("ORDER_LINE", "shipment.departed", 0, "terminal:t")
    poor = fact("ORDER_LINE", "shipment.loaded", 1, "manual:m")
    guess = arrival(3, "ESTIMATED", T, "inferred:x")
    refused = fact("ORDER_LINE", "order.goods_ready", 2, "inferred:x")
    assert fields("ORDER_LINE", good, guess, refused)["trust"] == "A"
    assert fields("ORDER_LINE", good, poor)["trust"] == "C"
    assert fields("ORDER_LINE", guess)["trust"] is None
    key, found = subject("ORDER_LINE", good)
    conflicted = replace(found, conflicts=frozenset((Identity("s", "1"),)))
    assert derived.fields(key, conflicted)["trust"] == "D"


def test_what_stands_after_all_has_its_part_in_the_trust() -> None:
    """A reversal by hand that is known by its date alone follows the receipt of that date."""
    reversal = fact("LOT", "wh.receipt_reversed", 0, "manual:m", time_precision="DAY", qty=4)
    received = fact("LOT", "wh.received", 2, "wms:1", qty=10)
    found = fields("LOT", received, reversal)
    assert (found["trust"], found["exceptions"]) == ("C", ())
    assert fields("LOT", reversal)["trust"] is None


def test_what_arrived_before_it_happened_is_trusted_least() -> None:
    """A terminal's departure three hours ahead of its arrival is D."""
    early = replace(fact("ORDER_LINE", "shipment.departed", 0, "terminal:t"),
                    flags=frozenset(("implausible_time",)))  # fmt: skip
    assert fields("ORDER_LINE", early)["trust"] == "D"


# ---- exceptions


def test_open_exceptions_stand_with_their_code_and_since_when() -> None:
    """Those of the lifecycle, and those that an identity is in itself; gone when they are."""
    departed = fact("ORDER_LINE", "shipment.departed", 5, "carrier:m")
    ready = fact("ORDER_LINE", "order.goods_ready", 7, "seller:s")
    key, found = subject("ORDER_LINE", departed, ready)
    found = replace(found, marked=Map({("CONFLICT", "s", "1"): T}))
    assert derived.fields(key, found)["exceptions"] == (
        f"CONFLICT;{T}", f"ILLEGAL_TRANSITION;{T + 7 * HOUR_US}",
    )  # fmt: skip


# ---- over whole chains


def _effective(made: twin.Twin, key: SubjectKey) -> list[tuple[Event, int]]:
    """The events that count for a subject and reach it, and when they arrived: by what they name,
    and of a line by its lots what is reversed of them without a line.
    """
    counting = [slot.effective for slot in made.facts.every() if slot.effective is not None]
    named = [(one, set(twin.reached_by(one.event))) for one in counting]
    lots = {other for one, keys in named if one.event.event_type == "wh.received" and key in keys
            for other in keys if other.subject_type == "LOT"}  # fmt: skip

    def by_lot(one: Version, keys: set[SubjectKey]) -> bool:
        bare = all(other.subject_type != "ORDER_LINE" for other in keys)
        return bare and one.event.event_type == "wh.receipt_reversed" and not lots.isdisjoint(keys)

    return [(one.event, one.arrival) for one, keys in named if key in keys or by_lot(one, keys)]


ROLES = ("terminal:z", "carrier:m", "aggregator:a", "manual:m", "s", "inferred:x", "wms:1")
PLACES = (None, "AAAAA", "BBBBB")
streams = st.tuples(
    st.integers(5, 30), st.integers(0, 10**6), st.sampled_from((6, 20, 60)), st.booleans()
)


def _stream(drawn: tuple[int, int, int, bool]) -> list[Input]:
    """Wild events, told by many roles at a few places."""
    length, seed, identities, freight = drawn
    found = []
    for at, item in enumerate(world.wild(length, seed, identities, freight=freight)):
        event = item.message
        told = replace(event, source=ROLES[(seed + hash_of(event)) % len(ROLES)],
                       unlocode=PLACES[(seed + at) % 3])  # fmt: skip
        found.append(world.item(told, item.record.arrival, at))
    return found


def hash_of(event: Event) -> int:
    return int(event.event_id) + len(event.event_type)


@settings(max_examples=40, deadline=None)
@given(streams, st.randoms(use_true_random=False))
def test_twin_state_follows_from_the_set_of_facts(
    drawn: tuple[int, int, int, bool], random: Any
) -> None:
    """In two orders of arrival each newest record says the same, and exceptions and last actual
    fact are those of the events that count.
    """
    items = _stream(drawn)
    seen: list[dict[str, StateRecord]] = []
    for _ in range(2):
        newest: dict[str, StateRecord | None] = {}

        def hear(output: Any, newest: Any = newest) -> None:
            if output.topic == STATE:
                said = None if output.value is None else codec.decode(STATE, output.value).message
                newest[output.key] = said

        desk = world.Desk(hear)
        for at in range(0, len(items), 4):
            desk.round(items[at : at + 4], tick=False)
        seen.append(
            {
                key: replace(one, seq=0, index=0, taken_at=0)
                for key, one in newest.items()
                if one is not None
            }
        )
        random.shuffle(items)
    assert seen[0] == seen[1]
    made = _afresh(items)
    for key, found in made.subjects.items():
        record = seen[0].get(f"C|{key.subject_type}|{key.subject_id}")
        if record is None:
            assert not (found.marked or found.value.exceptions or found.sensed.series)
            continue
        events = _effective(made, key)
        actual = [event.event_time for event, _ in events if event.classifier == "ACTUAL"]
        own = [event.event_time for event, _ in events
               if event.classifier == "ACTUAL" and event.subject_id == key.subject_id
               and event.subject_type == key.subject_type != "ORDER"]  # fmt: skip
        assert record.last_actual in {None, *actual}
        # a date stands for any time of it, and in an unknown zone it may end twelve hours later
        assert not own or (record.last_actual or 0) > max(own) - DAY_US - 12 * HOUR_US
        wanted = [f"{one.code};{one.arrival}" for one in found.value.exceptions]
        wanted += [f"{code};{since}" for (code, _, _), since in found.marked.items()]
        open_ = [block.since for _, block in totals(found.sensed) if block.since is not None]
        wanted += [f"EXCURSION;{first.time}" for first in open_]
        assert sorted(record.exceptions) == sorted(wanted)
        standing = across.standing(made.facts, made.documents, made.subjects)
        marked = {
            (one.code, one.source, one.event_id): derived.since(one)
            for owner, one in standing
            if owner == key
        }
        assert dict(found.marked) == marked


def _afresh(items: list[Input]) -> twin.Twin:
    made = twin.EMPTY
    for each in items:
        try:
            made = twin.take(made, each).twin
        except RecordError:
            continue
    return made


def test_values_without_facts_say_nothing() -> None:
    """A subject of which nothing is known has no derived value at all."""
    found = derived.fields(SubjectKey("LOT", "x"), Subject())
    assert set(found.values()) == {None, (), False}
    assert found.keys() <= set(StateRecord.__struct_fields__)
    assert derived.promise_delay_days(Subject()) is None
