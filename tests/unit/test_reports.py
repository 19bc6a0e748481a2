"""Several sources tell one milestone: who is reported, and how far apart they are."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.processors import sequence
from supplytwin.processors.reports import hours_text
from supplytwin.processors.standing import Accumulator, Fact, make_fact
from supplytwin.schemas.events import EVENT_TYPES
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.schemas.lifecycles import EFFECTS, effect_on
from supplytwin.schemas.priorities import MATRIX, priority

T = 20_000 * DAY_US + 10 * HOUR_US
"""10:00 UTC on day 20,000."""
FILL: dict[Any, Any] = {str: "x", int: 1, bool: False}
counter = itertools.count()


def fact(machine: str, kind: str, hours: float, source: str, **given_fields: Any) -> Fact:
    """A fact on subject "x" of this machine, `hours` after T, as its source tells it."""
    made = EVENT_TYPES[kind]
    required = [one for one in msgspec.structs.fields(made) if one.required]
    fields = {one.name: FILL.get(one.type, ()) for one in required}
    time = T + round(hours * HOUR_US)
    fields |= {
        "event_type": kind, "event_id": f"{next(counter):06}", "source": source, "revision": T,
        "classifier": "ACTUAL", "event_time": time, "event_tz": "+00:00", "time_precision": "S",
        "recorded_time": T, "subject_type": machine, "subject_id": "MSCU1234566/B",
    }  # fmt: skip
    event = made(**(fields | given_fields))
    effect = effect_on(event, machine, is_subject=True)
    return make_fact(event, time, effect, event.subject_id)


def told(value: Accumulator, code: str) -> tuple[str, float, list[str]]:
    """The source that is reported, the spread in hours, and the sources that are kept."""
    by = value.milestones[code]
    kept = [one.source for one in value.reports.get(code, ())]
    return by.source, by.spread_us / HOUR_US, kept


# ---- the matrix


def test_the_matrix_names_every_milestone() -> None:
    """Every effect's milestone has its row, and every row is some effect's."""
    reached = {effect.milestone for effects in EFFECTS.values() for effect in effects}
    assert MATRIX.keys() == reached - {None}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("DISCHARGED", "terminal:x carrier:x aggregator:x manual:x customs:x inferred:x"),
        ("ARRIVED", "terminal:x ACME:erp aggregator:x manual:x wms:x simulated:carrier"),
        ("CUSTOMS_RELEASED", "customs:x terminal:x carrier:x aggregator:x manual:x wms:x"),
        ("RECEIVED_WH", "wms:x terminal:x carrier:x aggregator:x manual:x customs:x inferred:x"),
    ],
)
def test_roles_are_believed_in_this_order(code: str, names: str) -> None:
    """Terminal, carrier, aggregator, people; customs and warehouses lead only in what is theirs."""
    ranked = names.split()
    places = [priority(code, name) for name in ranked]
    assert places == sorted(set(places))


def test_a_kind_that_is_not_listed_stands_with_the_carriers() -> None:
    """A source without a known role is as good as a carrier, whatever stands behind its colon."""
    assert priority("ARRIVED", "scms") == priority("ARRIVED", "carrier:x")
    assert priority("ARRIVED", "scms:terminal") == priority("ARRIVED", "carrier:x")


# ---- one milestone


def test_the_terminal_is_reported_and_the_carrier_is_kept() -> None:
    """Carrier says 10:00, an aggregator 13:30, the terminal 12:15: reported 12:15, 3.5 h apart."""
    value = sequence.fold(
        "CONSIGNMENT",
        [
            fact("CONSIGNMENT", "shipment.arrived", 0, "carrier:m"),
            fact("CONSIGNMENT", "shipment.arrived", 2.25, "terminal:t"),
            fact("CONSIGNMENT", "shipment.arrived", 3.5, "aggregator:a"),
        ],
    )
    assert told(value, "ARRIVED") == (
        "terminal:t", 3.5, ["carrier:m", "terminal:t", "aggregator:a"],
    )  # fmt: skip
    assert value.milestones["ARRIVED"].event_time == T + round(2.25 * HOUR_US)


def test_one_source_is_no_conflict_with_itself() -> None:
    """Two deliveries told by one source: the first is the milestone, and nothing is apart."""
    value = sequence.fold(
        "ORDER_LINE",
        [fact("ORDER_LINE", "shipment.delivered", hours, "carrier:m") for hours in (0, 50)],
    )
    assert told(value, "DELIVERED") == ("carrier:m", 0, [])
    assert value.milestones["DELIVERED"].event_time == T


def test_equal_roles_are_decided_by_time_then_source() -> None:
    """Of two carriers the earlier one is reported, at one time the one whose name sorts first."""
    pairs = ((1, "carrier:a", 0, "carrier:b"), (0, "carrier:a", 0, "carrier:b"))
    found = []
    for one, first, two, second in pairs:
        value = sequence.fold(
            "CONSIGNMENT",
            [
                fact("CONSIGNMENT", "shipment.departed", one, first),
                fact("CONSIGNMENT", "shipment.departed", two, second),
            ],
        )
        found.append(value.milestones["DEPARTED"].source)
    assert found == ["carrier:b", "carrier:a"]


def test_a_refused_step_of_a_better_source_is_reported() -> None:
    """The terminal says discharged after the carrier said available: an exception, the lifecycle
    stays, and yet the terminal's time is the one that is reported.
    """
    value = sequence.fold(
        "EQUIPMENT_TRIP",
        [
            fact("EQUIPMENT_TRIP", "shipment.discharged", 0, "carrier:m"),
            fact("EQUIPMENT_TRIP", "shipment.available", 6, "carrier:m"),
            fact("EQUIPMENT_TRIP", "shipment.discharged", 24, "terminal:t"),
        ],
    )
    assert value.state == "AVAILABLE"
    assert [one.code for one in value.exceptions] == ["ILLEGAL_TRANSITION"]
    assert told(value, "DISCHARGED") == ("terminal:t", 24, ["carrier:m", "terminal:t"])


def test_a_refused_step_that_nobody_else_told_is_no_report() -> None:
    """A step back to a milestone that was skipped stays an exception and nothing else."""
    value = sequence.fold(
        "EQUIPMENT_TRIP",
        [
            fact("EQUIPMENT_TRIP", "shipment.available", 0, "carrier:m"),
            fact("EQUIPMENT_TRIP", "shipment.discharged", 24, "terminal:t"),
        ],
    )
    assert "DISCHARGED" not in value.milestones


@pytest.mark.parametrize(
    ("first", "second", "competes"),
    [
        ({"unlocode": "CNSHA"}, {"unlocode": "SGSIN"}, False),
        ({"unlocode": "CNSHA"}, {"unlocode": "CNSHA", "facility": "T2"}, True),
        ({"facility": "T1"}, {"facility": "T2"}, False),
        ({"unlocode": "CNSHA"}, {"facility": "T1"}, True),
        ({"unlocode": "CNSHA"}, {}, True),
    ],
)
def test_reports_of_other_places_do_not_compete(
    first: dict[str, str], second: dict[str, str], competes: bool
) -> None:
    """Loaded in Shanghai and, at a transshipment, in Singapore: not two reports of one loading."""
    value = sequence.fold(
        "EQUIPMENT_TRIP",
        [
            fact("EQUIPMENT_TRIP", "shipment.loaded", 0, "carrier:m", **first),
            fact("EQUIPMENT_TRIP", "shipment.loaded", 100, "terminal:s", **second),
        ],
    )
    assert told(value, "ON_BOARD")[:2] == (("terminal:s", 100) if competes else ("carrier:m", 0))


def test_a_milestone_that_is_undone_takes_its_reports_along() -> None:
    """After a reversal the receipt of the next source is the only report."""
    value = sequence.fold(
        "LOT",
        [
            fact("LOT", "wh.received", 0, "wms:1", qty=10),
            fact("LOT", "wh.received", 5, "erp:1", qty=10),
            fact("LOT", "wh.receipt_reversed", 6, "wms:1", qty=20),
            fact("LOT", "wh.received", 9, "erp:1", qty=10),
        ],
    )
    assert told(value, "RECEIVED_WH") == ("erp:1", 0, [])


def test_days_are_compared_with_days() -> None:
    """A source that knows only the date agrees with any time of that date, and is else whole days
    apart.
    """
    for hours, apart in ((9, 0), (33, 24)):
        value = sequence.fold(
            "CONSIGNMENT",
            [
                fact("CONSIGNMENT", "shipment.arrived", 0, "carrier:m", time_precision="DAY"),
                fact("CONSIGNMENT", "shipment.arrived", hours, "terminal:t"),
            ],
        )
        assert told(value, "ARRIVED")[:2] == ("terminal:t", apart)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0"), (1, "0"), (HOUR_US, "1"), (HOUR_US * 5 // 2, "2.5"), (1_800_000, "0.001"),
     (1_799_999, "0"), (1000 * HOUR_US, "1000")],
)  # fmt: skip
def test_hours_are_decimal_text(micros: int, text: str) -> None:
    """Rounded half up to a thousandth of an hour, without trailing zeros."""
    assert hours_text(micros) == text


# ---- against an independent calculation

BELIEVED = ["terminal", "carrier", "aggregator", "manual", "wms", "simulated"]
TOLD = {"shipment.departed": "DEPARTED", "shipment.arrived": "ARRIVED"}
one_fact = st.builds(
    lambda kind, hours, source, place, day: fact(
        "CONSIGNMENT", kind, hours, f"{source}:x", unlocode=place,
        time_precision="DAY" if day else "S",
    ),
    st.sampled_from(sorted(TOLD)),
    st.integers(0, 90),
    st.sampled_from(BELIEVED),
    st.sampled_from((None, "A", "B")),
    st.booleans(),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(one_fact, max_size=8), st.randoms(use_true_random=False))
def test_reports_follow_from_the_set(facts: list[Fact], random: Any) -> None:
    """Whatever the order of arrival, and when some are taken away again, reported source, time and
    spread are those that a calculation from the bare events gives.
    """
    gone = [one for one in facts if random.random() < 0.2]
    random.shuffle(facts)
    ordered = sequence.NOTHING
    for one in facts:
        ordered = sequence.insert("CONSIGNMENT", ordered, one)
    for one in gone:
        ordered = sequence.remove("CONSIGNMENT", ordered, one)
    left = sorted((one for one in facts if one not in gone), key=lambda one: one.order)
    for kind, code in TOLD.items():
        events = [one.event for one in left if one.event.event_type == kind]
        if not events:
            assert code not in ordered.value.milestones
            continue
        place: str | None = None
        heard: dict[str, Any] = {}
        for event in events:
            if event.source not in heard and event.unlocode in (place or event.unlocode, None):
                heard[event.source] = event
                place = place or event.unlocode
        best = min(
            heard.values(),
            key=lambda e: (BELIEVED.index(e.source[:-2]), e.event_time, e.event_id),
        )
        apart = 0
        for one, other in itertools.combinations(heard.values(), 2):
            hours = abs(one.event_time - other.event_time) // HOUR_US
            if "DAY" in (one.time_precision, other.time_precision):
                hours = abs(one.event_time // DAY_US - other.event_time // DAY_US) * 24
            apart = max(apart, hours)
        source, spread, _ = told(ordered.value, code)
        assert (source, spread) == (best.source, apart)
        assert ordered.value.milestones[code].event_time == best.event_time
