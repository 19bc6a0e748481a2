"""The twin as a function of its set of facts, and what it reports when the set changes."""

import datetime as dt
import hashlib
import itertools
import json
from collections import Counter
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.processors import packing, refusals, sequence, titles, twin
from supplytwin.processors.consignment import Tally, change
from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.standing import EMPTY, make_fact
from supplytwin.processors.subjects import NOBODY, SubjectKey
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import EVENT_TYPES, Event, OrderLine
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import MACHINES

FILL: dict[Any, Any] = {
    str: "x", int: 1, Micros: 1, bool: False, float: 1.0, Decimal: Decimal(10),
    dt.date: dt.date(2026, 1, 1),
}  # fmt: skip
T = 20_000 * DAY_US + 10 * HOUR_US
"""10:00 UTC on day 20,000."""


def make(kind: str, subject: str, *refs: str, id: str = "", **given: Any) -> Event:
    fields = {f.name: FILL.get(f.type, ()) for f in msgspec.structs.fields(EVENT_TYPES[kind])
              if f.required}  # fmt: skip
    subject_type, _, subject_id = subject.partition(":")
    fields |= {
        "event_type": kind, "event_id": id or kind, "source": "s", "revision": 1,
        "classifier": "ACTUAL", "event_time": T, "event_tz": "+00:00", "time_precision": "S",
        "recorded_time": T, "subject_type": subject_type, "subject_id": subject_id, "refs": refs,
        "chain_id": "C",
    }  # fmt: skip
    return EVENT_TYPES[kind](**(fields | given))


def item(event: Event, arrival: int | None = None) -> Input:
    record = Record(
        topic=event.TOPIC, partition=0, offset=0, key=b"C", value=b"",
        arrival=event.event_time if arrival is None else arrival,
    )  # fmt: skip
    digest = hashlib.sha256(repr(event).encode()).digest()
    return Input(record=record, key="C", message=event, fingerprint=0, content_hash=digest)


def load(*events: Event) -> twin.Twin:
    found = twin.EMPTY
    for event in events:
        found = twin.take(found, item(event)).twin
    return found


def value(found: twin.Twin, subject: str) -> Any:
    subject_type, _, subject_id = subject.partition(":")
    one = twin.subject(found, subject_type, subject_id)
    assert one is not None
    return one.value


# ---- the law: a function of the set

KINDS = (
    ("order.placed", "ORDER_LINE"), ("shipment.departed", "ORDER_LINE"),
    ("shipment.arrived", "ORDER_LINE"), ("shipment.delivered", "ORDER_LINE"),
    ("shipment.delivered", "CONSIGNMENT"), ("order.accepted", "ORDER_LINE"),
    ("order.held", "ORDER_LINE"), ("order.unheld", "ORDER_LINE"),
    ("order.cancelled", "ORDER_LINE"), ("order.reinstated", "ORDER_LINE"),
    ("customs.declared", "DECLARATION"), ("customs.released", "DECLARATION"),
    ("customs.cleared", "DECLARATION"), ("customs.release_revoked", "DECLARATION"),
    ("customs.hold_placed", "DECLARATION"), ("customs.hold_removed", "DECLARATION"),
    ("customs.duty_assessed", "DECLARATION"), ("customs.duty_paid", "DECLARATION"),
    ("wh.received", "LOT"), ("wh.receipt_reversed", "LOT"), ("wh.dispatched", "LOT"),
    ("order.placed", "ORDER"),
    ("shipment.booked", "CONSIGNMENT"), ("shipment.loaded", "LEG"), ("shipment.departed", "LEG"),
    ("shipment.arrived", "CONSIGNMENT"), ("shipment.discharged", "EQUIPMENT_TRIP"),
    ("shipment.loaded", "EQUIPMENT_TRIP"), ("shipment.stuffed", "EQUIPMENT_TRIP"),
    ("shipment.available", "EQUIPMENT_TRIP"), ("shipment.unavailable", "EQUIPMENT_TRIP"),
    ("shipment.gate_out", "EQUIPMENT_TRIP"), ("shipment.stripped", "HANDLING_UNIT"),
    ("shipment.exception", "LEG"), ("wh.packed", "HANDLING_UNIT"), ("wh.packed", "LOT"),
    *(("wh.warehouse_receipt", "WAREHOUSE_RECEIPT"),) * 4, ("wh.warehouse_receipt", "LOT"),
    *(("wh.dispatched", "LOT"), ("wh.received", "LOT")) * 2,
)  # fmt: skip


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind, subject_type = draw(st.sampled_from(KINDS))
    given: dict[str, Any] = {}
    if kind == "order.placed":
        lines = [OrderLine(line_id=n, sku="s", qty=Decimal("10.0"), uom="u", unit_price=Decimal(1))
                 for n in "12"]  # fmt: skip
        given["order_lines"] = tuple(lines)
    if kind.startswith("customs.duty"):
        given |= {
            "amount": draw(st.sampled_from((Decimal("1.10"), Decimal(2)))),
            "basis": "PAYMENT",
        }
    elif "qty" in EVENT_TYPES[kind].__struct_fields__:
        given["qty"] = draw(st.sampled_from((Decimal("2.50"), Decimal(5))))
    own = EVENT_TYPES[kind].__struct_fields__
    if "action" in own:
        given["action"] = draw(st.sampled_from(("ISSUE", "PLEDGE", "PLEDGE", "UNPLEDGE")))
        given["wr_id"] = draw(st.sampled_from("12"))
    for name in {"trip_id", "hu_id", "vehicle_id"} & set(own):
        given[name] = draw(st.sampled_from("12"))
    if "children" in own:
        given["children"] = tuple(sorted(draw(st.sets(st.sampled_from("123"), max_size=2))))
    if kind == "shipment.booked":
        given["legs"] = ("1;SEA;CNSHA;DEHAM", "2;ROAD;DEHAM;DEMUC")
    if kind == "shipment.exception":
        given["exception_code"] = draw(st.sampled_from(("ROLLED", "REROUTED", "DELAY")))
    refs = draw(
        st.sets(
            st.sampled_from(
                (
                    "ORDER_LINE:1",
                    "ORDER_LINE:2",
                    "CONSIGNMENT:A",
                    "CONSIGNMENT:B",
                    "LOT:1",
                    "PO:9",
                    "HANDLING_UNIT:2",
                    "EQUIPMENT_TRIP:1",
                    "WAREHOUSE_RECEIPT:1",
                )
            )
        )
    )
    action = draw(st.sampled_from((None, None, None, "RETRACT", "SUPERSEDE")))
    if action:
        given |= {"correction_action": action, "correction_source": draw(st.sampled_from("ss t")),
                  "correction_event_id": draw(st.sampled_from("123456"))}  # fmt: skip
    return make(
        kind,
        f"{subject_type}:{draw(st.sampled_from('12'))}",
        *sorted(refs),
        id=draw(st.sampled_from("123456789")),
        source=draw(st.sampled_from(("s", "s", "t"))),
        revision=draw(st.integers(1, 3)),
        classifier=draw(st.sampled_from(("ACTUAL", "ACTUAL", "ACTUAL", "PLANNED", "ESTIMATED"))),
        event_time=T + draw(st.integers(0, 8)) * 5 * HOUR_US,
        event_tz=draw(st.sampled_from(("+00:00", "-07:00", "Asia/Shanghai", "unknown"))),
        time_precision=draw(st.sampled_from(("S", "DAY"))),
        **given,
    )


def refolded(found: twin.Twin) -> None:
    """Every value that was kept is what folding everything from nothing gives."""
    for key, one in found.subjects.items():
        assert one.value == _afresh(found, key)
        assert one.orphan == _is_orphan(found, key)
        tally = Tally()
        for line in one.links:
            if line.subject_type == "ORDER_LINE" and key.subject_type == "CONSIGNMENT":
                tally = change(tally, None, found.subjects[line].value)
        assert one.tally == tally
        states = [
            found.subjects[k].value.state or ""
            for k in one.links
            if key.subject_type == "CONSIGNMENT" and k.subject_type == "EQUIPMENT_TRIP"
        ]
        assert dict(one.trips) == Counter(states)


def _standing(found: twin.Twin) -> list[Event]:
    slots = (slot.effective for _, slot in sorted(found.facts.slots.items()))
    return [version.event for version in slots if version is not None]


def _afresh(found: twin.Twin, key: SubjectKey) -> Any:
    """What reaches a subject, folded from nothing: its facts, but for what dispatches do that a
    pledged lot refuses; doubts about receipts; to a lot the pledges of its receipts, and to a
    handling unit those of its lots.
    """
    facts = []
    for slot in twin.reaching(found, *key):
        if slot.conflicted:
            facts += [fact for about, fact in titles.doubts(slot) if about == key]
        version = slot.effective
        if version is None or key not in twin.reached_by(version.event):
            continue
        reached = twin.reached_by(version.event)
        effect = effect_on(version.event, key.subject_type, is_subject=reached[0] == key)
        refusing = {kind for kind in ("LOT", "HANDLING_UNIT") for one in reached
                    if one.subject_type == kind
                    and slot.identity in refusals.refused(found.subjects[one].value)}  # fmt: skip
        own = {"LOT": {"LOT", "HANDLING_UNIT"}, "HANDLING_UNIT": {"HANDLING_UNIT"}}
        refused = bool(refusing - own.get(key.subject_type, set()))
        if effect is not None and not refused:
            facts.append(make_fact(version.event, version.arrival, effect, key.subject_id))
        elif reached[0] == key or effect is not None:
            facts.append(make_fact(version.event, version.arrival, None, key.subject_id))
    if key.subject_type == "LOT":
        for receipt in _receipts(found, key):
            facts += titles.turns(receipt, found.subjects[receipt].ordered).values()
    if key.subject_type == "HANDLING_UNIT":
        lots = packing.lots_in(lambda one: found.subjects.get(one, NOBODY), key)
        for lot in set(lots):  # one may be met twice: a unit that is told to be inside itself
            facts += titles.bonds(lot, found.subjects[lot]).values()
    return sequence.fold(key.subject_type, facts) if key.subject_type in MACHINES else EMPTY


def _receipts(found: twin.Twin, lot: SubjectKey) -> set[SubjectKey]:
    """Those that anything ACTUAL that counts, or is in contradiction, links with the lot."""
    told = list(_standing(found))
    for _, slot in found.facts.slots.items():
        if slot.conflicted:
            told += [one for one in slot.contents if one.correction_action != "RETRACT"]
    receipts = set[SubjectKey]()
    for event in told:
        own, *others = twin.reached_by(event)
        if event.classifier != "ACTUAL":
            continue
        if own == lot:
            receipts |= {key for key in others if key.subject_type == "WAREHOUSE_RECEIPT"}
        elif own.subject_type == "WAREHOUSE_RECEIPT" and lot in others:
            receipts.add(own)
    return receipts


def _is_orphan(found: twin.Twin, key: SubjectKey) -> bool:
    """Others name it, and nothing is about it or introduces it; a consignment has no line."""
    reached = [event for event in _standing(found) if key in twin.reached_by(event)]
    if key.subject_type == "CONSIGNMENT" and any(
        own.subject_type == "ORDER_LINE" for own in found.subjects[key].links
    ):
        return False
    for event in reached:
        own = twin.reached_by(event)[0] == key
        effect = effect_on(event, key.subject_type, is_subject=own)
        if own or (effect is not None and effect.introduces):
            return False
        if (key.subject_type, event.event_type) == ("ORDER", "order.placed"):
            return False
    return bool(reached)


streams = st.lists(st.tuples(events(), st.integers(-30, 60)), min_size=1, max_size=25)


@settings(max_examples=120, deadline=None)
@given(streams, st.randoms(use_true_random=False))
def test_the_order_of_arrival_cannot_matter(stream: list[tuple[Event, int]], random: Any) -> None:
    """Any order of any stream, with duplicates, gives one canonical state and one set of values."""
    items = [item(event, event.event_time + hours * HOUR_US) for event, hours in stream]
    shuffled = [*items, *items[::3]]
    random.shuffle(shuffled)
    one, other = twin.EMPTY, twin.EMPTY
    for each in items:
        one = twin.take(one, each).twin
    for each in shuffled:
        other = twin.take(other, each).twin
        refolded(other)
    assert json.dumps(twin.canonical(one)) == json.dumps(twin.canonical(other))
    assert one.facts == other.facts
    for key, subject in one.subjects.items():
        again = other.subjects[key]
        assert subject.value == again.value
        assert (subject.tally, subject.links, subject.members) == (
            again.tally, again.links, again.members,
        )  # fmt: skip
        assert (subject.effective, subject.conflicts) == (again.effective, again.conflicts)
        assert (subject.told, subject.flags) == (again.told, again.flags)


@settings(max_examples=100, deadline=None)
@given(streams)
def test_the_reports_add_up_to_the_state(stream: list[tuple[Event, int]]) -> None:
    """Milestones and exceptions that were reported and not taken back are those that stand."""
    found, reached, opened = twin.EMPTY, {}, set[tuple[str, ...]]()
    for event, hours in stream:
        taken = twin.take(found, item(event, event.event_time + hours * HOUR_US))
        found = taken.twin
        for m in taken.milestones:
            name = (m.subject_type, m.subject_id, m.code)
            if m.reached:
                reached[name] = (m.source, m.event_id, m.event_time, m.arrival)
            else:
                del reached[name]
        for e in taken.exceptions:
            name = (e.subject_type, e.subject_id, e.code, e.source, e.event_id)
            if e.open:
                opened.add(name)
            else:
                opened.remove(name)
        changed = [*taken.milestones, *taken.exceptions]
        assert {(c.subject_type, c.subject_id) for c in changed} <= {*taken.dirty}
    codes = {(*key, code) for key, one in found.subjects.items() for code in one.codes}
    assert reached.keys() == codes
    for key, one in found.subjects.items():
        for code, by in one.value.milestones.items():
            standing = (by.source, by.event_id, by.event_time, by.arrival)
            assert reached[(*key, code)] == standing
    canonical: Any = twin.canonical(found)
    own = {(*s["subject"], *e) for s in canonical["subjects"] for e in s["exceptions"]}
    assert opened == own | {tuple(e) for e in canonical["exceptions"]}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 200), min_size=70, max_size=150), st.data())
def test_long_subjects_fold_in_chunks_as_in_one(hours: list[int], data: st.DataObject) -> None:
    """With many chunks of facts, insertions and removals anywhere give the full fold."""
    kinds = ("customs.hold_placed", "customs.hold_removed", "customs.released",
             "customs.release_revoked", "customs.duty_assessed")  # fmt: skip
    made = [
        make(kinds[h % 5], "DECLARATION:1", id=str(at), event_time=T + h * HOUR_US, basis="PAYMENT",
             time_precision="DAY" if h % 3 else "S")
        if h % 5 == 4
        else make(kinds[h % 5], "DECLARATION:1", id=str(at), event_time=T + h * HOUR_US,
                  time_precision="DAY" if h % 3 else "S")
        for at, h in enumerate(hours)
    ]  # fmt: skip
    found = load(*made)
    gone = data.draw(st.sets(st.sampled_from(range(len(made))), max_size=40))
    retractions = [
        make("customs.declared", "DECLARATION:1", id=f"r{at}", correction_action="RETRACT",
             correction_event_id=str(at))
        for at in sorted(gone)
    ]  # fmt: skip
    for event in retractions:
        found = twin.take(found, item(event)).twin
    key = SubjectKey("DECLARATION", "1")
    assert found.subjects[key].value == twin.fold(*key, twin.reaching(found, *key))
    _check_chunks(found, len(made) - len(gone))
    for at in reversed([at for at in range(len(made)) if at not in gone]):
        retraction = make("customs.declared", "DECLARATION:1", id=f"r{at}", revision=2,
                          correction_action="RETRACT", correction_event_id=str(at))  # fmt: skip
        found = twin.take(found, item(retraction)).twin
        _check_chunks(found, len(found.subjects[key].ordered.facts))
    assert found.subjects[key].ordered == sequence.NOTHING


def _check_chunks(found: twin.Twin, count: int) -> None:
    """No chunk is empty or too long, and the values in the last one are those of a fold of it."""
    ordered = found.subjects[SubjectKey("DECLARATION", "1")].ordered
    assert all(0 < len(chunk.facts) < 2 * sequence.CHUNK for chunk in ordered.chunks)
    assert len(ordered.facts) == count
    for last in ordered.chunks[-1:]:
        fold = partial(accumulate, "DECLARATION")
        steps = itertools.accumulate(last.facts, fold, initial=last.before)
        assert list(ordered.steps) == list(steps)[1:]
        assert ordered.value == ordered.steps[-1]


# ---- what is reported

RELEASED = make("customs.released", "DECLARATION:D", "CONSIGNMENT:A")


def test_a_retraction_takes_the_milestone_back() -> None:
    """What rested on a retracted fact is reported as no longer reached, by that fact."""
    retraction = make(
        "customs.declared",
        "DECLARATION:D",
        id="r",
        revision=2,
        correction_action="RETRACT",
        correction_event_id="customs.released",
    )
    taken = twin.take(load(RELEASED), item(retraction))
    gone = [(m.code, m.reached, m.event_id) for m in taken.milestones]
    assert gone == [
        ("CUSTOMS_RELEASED", False, "customs.released"),
        ("FREE_TO_DELIVER", False, "customs.released"),
    ]


def test_a_retraction_that_comes_first_leaves_nothing_to_report() -> None:
    """A fact whose retraction is already known reaches nothing and reports nothing."""
    retraction = make(
        "customs.declared",
        "DECLARATION:D",
        id="r",
        correction_action="RETRACT",
        correction_event_id="customs.released",
    )
    taken = twin.take(load(retraction), item(RELEASED))
    assert (taken.verdict, taken.milestones, taken.exceptions) == ("NEW", (), ())


def test_a_duplicate_changes_nothing() -> None:
    """A duplicate returns the very same twin and touches nothing."""
    found = load(RELEASED)
    taken = twin.take(found, item(RELEASED))
    assert taken.twin is found
    assert (taken.verdict, taken.dirty) == ("DUPLICATE", ())


def test_an_earlier_duplicate_moves_the_arrival_of_the_milestone() -> None:
    """The milestone is reported again when its fact turns out to have arrived before."""
    taken = twin.take(load(RELEASED), item(RELEASED, T - 5))
    assert taken.verdict == "EARLIER"
    assert {(m.code, m.reached, m.arrival) for m in taken.milestones} == {
        ("CUSTOMS_RELEASED", True, T - 5), ("FREE_TO_DELIVER", True, T - 5),
    }  # fmt: skip


def test_a_conflict_is_an_exception_until_a_higher_revision_comes() -> None:
    """Two contents of one revision count for nothing and flag both subjects; a revision heals."""
    other = make("customs.released", "DECLARATION:E")
    opened = twin.take(load(RELEASED), item(other))
    assert [(e.code, e.open) for e in opened.exceptions] == [("CONFLICT", True)]
    assert {(m.code, m.reached) for m in opened.milestones} == {
        ("CUSTOMS_RELEASED", False), ("FREE_TO_DELIVER", False),
    }  # fmt: skip
    for name in "DE":
        one = twin.subject(opened.twin, "DECLARATION", name)
        assert one is not None
        assert "conflict" in one.flags
        assert [slot.conflicted for slot in twin.reaching(opened.twin, "DECLARATION", name)] == [
            True
        ]
    canonical: Any = twin.canonical(opened.twin)
    assert canonical["facts"][0][3:] == [
        sorted(item(e).content_hash.hex() for e in (RELEASED, other)), "CONFLICTED",
    ]  # fmt: skip
    healed = twin.take(opened.twin, item(make("customs.released", "DECLARATION:D", revision=2)))
    assert [(e.code, e.open) for e in healed.exceptions] == [("CONFLICT", False)]
    assert value(healed.twin, "DECLARATION:D").state == "RELEASED"


def test_an_unauthorised_retraction_is_an_exception_without_effect() -> None:
    """A stranger's retraction opens an exception on its own subject and the target stays."""
    stranger = make("wh.received", "LOT:L", id="r", source="w", correction_action="RETRACT",
                    correction_source="s", correction_event_id="customs.released")  # fmt: skip
    taken = twin.take(load(RELEASED), item(stranger))
    (problem,) = taken.exceptions
    assert (problem.subject_type, problem.code) == ("LOT", "UNAUTHORISED_RETRACTION")
    assert value(taken.twin, "DECLARATION:D").state == "RELEASED"


@pytest.mark.parametrize(
    ("ahead", "precision", "tz", "flagged"),
    [
        (120 * SECOND_US, "S", "+00:00", False),
        (120 * SECOND_US + 1, "S", "+00:00", True),
        (13 * HOUR_US, "DAY", "+00:00", False),
        (14 * HOUR_US, "DAY", "+00:00", True),
        (5 * HOUR_US, "DAY", "+08:00", False),
        (6 * HOUR_US, "DAY", "+08:00", True),
    ],
)
def test_an_event_ahead_of_its_arrival_is_implausible(
    ahead: int, precision: str, tz: str, flagged: bool
) -> None:
    """More than 120 s ahead, at DAY precision by a later local date: a fact, flagged."""
    event = make("customs.released", "DECLARATION:D", time_precision=precision, event_tz=tz,
                 event_time=T + ahead)  # fmt: skip
    taken = twin.take(twin.EMPTY, item(event, T))
    assert ("implausible_time" in value(taken.twin, "DECLARATION:D").flags) == flagged
    assert [e.code for e in taken.exceptions] == ["IMPLAUSIBLE_TIME"] * flagged


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"event_time": T + 48 * HOUR_US}, None),
        ({"event_time": T + 48 * HOUR_US + 1}, "event_time"),
        ({"event_time": T + 71 * HOUR_US, "classifier": "PLANNED"}, None),
        ({"event_time": T + 61 * HOUR_US, "time_precision": "DAY"}, None),
        ({"event_time": T + 62 * HOUR_US, "time_precision": "DAY"}, "event_time"),
        ({"event_time": T + 62 * HOUR_US, "time_precision": "DAY", "event_tz": "+14:00"}, None),
        ({"revision": T + 48 * HOUR_US}, None),
        ({"revision": T + 48 * HOUR_US + 1}, "revision"),
        ({"revision": T + 49 * HOUR_US, "classifier": "PLANNED"}, "revision"),
    ],
)
def test_more_than_two_days_ahead_is_not_taken(given: dict[str, Any], field: str | None) -> None:
    """An ACTUAL event or any revision over 48 h ahead is refused; DAY counts from midnight."""
    event = make("customs.released", "DECLARATION:D", **given)
    if field is None:
        assert twin.take(twin.EMPTY, item(event, T)).verdict == "NEW"
        return
    with pytest.raises(RecordError) as caught:
        twin.take(twin.EMPTY, item(event, T))
    assert (caught.value.code, caught.value.field) == (Code.FUTURE, field)


# ---- asking


def test_facts_ahead_of_the_tick_do_not_count_but_contrary_ones_do() -> None:
    """At a tick, an ACTUAL fact ahead of it does not count yet; a hold counts at once."""
    hold = make("customs.hold_placed", "DECLARATION:D", event_time=T + 60 * SECOND_US)
    found = load(RELEASED, hold)
    slots = twin.reaching(found, "DECLARATION", "D")
    early = twin.fold("DECLARATION", "D", slots, T - 1)
    assert (early.state, early.holds) == (None, {"x:x"})
    later = twin.fold("DECLARATION", "D", slots, T)
    assert (later.state, later.holds) == ("RELEASED", {"x:x"})


def test_a_day_fact_counts_from_the_start_of_its_local_date() -> None:
    """A DAY fact is not ahead of a tick on its own local date."""
    event = make("customs.released", "DECLARATION:D", time_precision="DAY", event_tz="+08:00")
    slots = twin.reaching(load(event), "DECLARATION", "D")
    start = 20_000 * DAY_US - 8 * HOUR_US
    assert twin.fold("DECLARATION", "D", slots, start - 1).state is None
    assert twin.fold("DECLARATION", "D", slots, start).state == "RELEASED"


def test_reaching_names_ineffective_facts_too() -> None:
    """Slots that ever reached a subject are found by subject and ref, retracted or moved away."""
    moved = make("customs.released", "DECLARATION:E", revision=2)
    found = load(RELEASED, moved)
    assert [s.identity.event_id for s in twin.reaching(found, "DECLARATION", "D")] == [
        "customs.released"
    ]
    assert twin.reaching(found, "CONSIGNMENT", "A")
    assert value(found, "DECLARATION:D").state is None
    left = twin.subject(found, "DECLARATION", "D")
    assert left is not None
    assert left.effective == 0
    canonical: Any = twin.canonical(found)
    assert [s["subject"][1] for s in canonical["subjects"]] == ["E"]
    assert twin.reaching(found, "LOT", "nothing") == ()


# ---- consignments


def line(number: int, *kinds: str, consignment: str = "A", day: int = 0) -> list[Event]:
    return [
        make(kind, f"ORDER_LINE:{number}", f"CONSIGNMENT:{consignment}", id=f"{number}{kind}",
             event_time=T + (day + at) * DAY_US)
        for at, kind in enumerate(kinds)
    ]  # fmt: skip


def test_a_consignment_is_where_its_least_line_is() -> None:
    """Minimum over its lines, flagged partial while they differ; cancelled lines stand aside."""
    both = load(*line(1, "shipment.delivered"), *line(2, "shipment.departed"))
    one = twin.subject(both, "CONSIGNMENT", "A")
    assert one is not None
    assert (one.state, "partial" in one.flags) == ("SHIPPED", True)
    cancelled = load(*line(1, "shipment.delivered"), *line(2, "order.cancelled"))
    one = twin.subject(cancelled, "CONSIGNMENT", "A")
    assert one is not None
    assert (one.state, "partial" in one.flags) == ("DELIVERED", False)
    none_left = load(*line(2, "order.cancelled"))
    one = twin.subject(none_left, "CONSIGNMENT", "A")
    assert one is not None
    assert one.state == "CANCELLED"


def test_a_consignment_reaches_a_milestone_with_its_last_line() -> None:
    """DELIVERED of a consignment is reported when the last line has it, by that line's fact."""
    found = load(*line(1, "shipment.delivered"), *line(2, "shipment.departed"))
    taken = twin.take(found, item(line(2, "shipment.delivered", day=3)[0]))
    own = [m for m in taken.milestones if m.subject_type == "CONSIGNMENT"]
    assert [(m.code, m.reached, m.event_id) for m in own] == [
        ("DELIVERED", True, "2shipment.delivered")
    ]


@pytest.mark.parametrize(
    ("scheduled", "delivered", "delay"),
    [(0, 0, 0), (0, 13, 0), (0, 14, 1), (20, 0, -1), (-11, 0, 1)],
)
def test_late_compares_local_dates(scheduled: int, delivered: int, delay: int) -> None:
    """Late = delivered on a local date after the scheduled one; so is the line's consignment."""
    planned = make("shipment.arrived", "ORDER_LINE:1", "CONSIGNMENT:A", classifier="PLANNED",
                   event_time=T + scheduled * HOUR_US)  # fmt: skip
    done = make("shipment.delivered", "ORDER_LINE:1", "CONSIGNMENT:A",
                event_time=T + delivered * HOUR_US)  # fmt: skip
    found = load(planned, done)
    for name in ("ORDER_LINE:1", "CONSIGNMENT:A"):
        one = twin.subject(found, *name.split(":"))
        assert one is not None
        assert (one.delay_days, one.late) == (delay, delay > 0)
        assert ("late" in one.flags) == (delay > 0)


def test_the_latest_revision_of_the_schedule_counts() -> None:
    """Of several planned arrivals the highest revision is the schedule, whatever their order."""
    plans = [
        make("shipment.arrived", "ORDER_LINE:1", id=str(revision), classifier="PLANNED",
             revision=revision, event_time=T + days * DAY_US)
        for revision, days in ((3, 1), (1, 5), (2, 9))
    ]  # fmt: skip
    for order in itertools.permutations(plans):
        planned = value(load(*order), "ORDER_LINE:1").planned
        assert planned.time == T + DAY_US


def test_an_estimated_arrival_is_the_eta() -> None:
    """ESTIMATED sets the ETA, PLANNED the schedule, ACTUAL neither."""
    found = load(
        make("shipment.arrived", "ORDER_LINE:1", id="1", classifier="PLANNED"),
        make("shipment.arrived", "ORDER_LINE:1", id="2", classifier="ESTIMATED", event_time=T + 1),
        make("shipment.arrived", "ORDER_LINE:1", id="3", event_time=T + 2),
    )
    known = value(found, "ORDER_LINE:1")
    assert (known.planned.time, known.eta.time) == (T, T + 1)


def test_refs_link_and_reach_only_as_the_table_says() -> None:
    """A receipt of a lot moves the line that it refers to, and only links the consignment."""
    receipt = make("wh.received", "LOT:L", "ORDER_LINE:1", "CONSIGNMENT:A", "PO:7")
    found = load(receipt, RELEASED)
    assert value(found, "ORDER_LINE:1").state == "RECEIVED"
    assert value(found, "ORDER_LINE:1").received == 10
    consignment = twin.subject(found, "CONSIGNMENT", "A")
    assert consignment is not None
    assert consignment.state is None
    assert set(consignment.links) == {SubjectKey("DECLARATION", "D")}
    assert SubjectKey("PO", "7") not in found.subjects


def test_an_order_moves_the_lines_that_it_refers_to() -> None:
    """An event on an ORDER reaches its lines by ref, each with its own quantity."""
    lines = tuple(
        OrderLine(line_id=n, sku="s", qty=Decimal(q), uom="u", unit_price=Decimal(1))
        for n, q in (("1", 5), ("2", 7))
    )
    found = load(make("order.placed", "ORDER:O", "ORDER_LINE:1", "ORDER_LINE:2", order_lines=lines))
    assert [value(found, f"ORDER_LINE:{n}").ordered for n in "12"] == [5, 7]
    assert [value(found, f"ORDER_LINE:{n}").state for n in "12"] == ["PLACED", "PLACED"]


def test_one_receipt_cannot_count_for_two_lines() -> None:
    """A receipt that refers to two lines counts for the one that it names, else for none."""
    both = ("ORDER_LINE:1", "ORDER_LINE:2")
    vague = load(make("wh.received", "LOT:L", *both))
    named = load(make("wh.received", "LOT:L", *both, line_id="2"))
    assert [value(vague, name).received for name in both] == [0, 0]
    assert [value(named, name).received for name in both] == [0, 10]
    assert [p.code for p in value(vague, "ORDER_LINE:1").exceptions] == ["AMBIGUOUS_LINE"]


def test_the_canonical_state_is_plain_json_without_arrivals() -> None:
    """It encodes as JSON, holds no float, and does not change when only arrivals do."""
    early, late = twin.EMPTY, twin.EMPTY
    for event in (RELEASED, *line(1, "order.placed", "shipment.delivered")):
        early = twin.take(early, item(event, event.event_time)).twin
        late = twin.take(late, item(event, event.event_time + DAY_US)).twin
    text = json.dumps(twin.canonical(early))
    assert text == json.dumps(twin.canonical(late))

    def no_floats(node: Any) -> bool:
        if isinstance(node, dict):
            return all(map(no_floats, node.values()))
        return all(map(no_floats, node)) if isinstance(node, list) else not isinstance(node, float)

    assert no_floats(json.loads(text))


@pytest.mark.parametrize("retraction_first", [False, True])
def test_a_pledge_that_is_gone_links_nothing(retraction_first: bool) -> None:
    """A lot is not linked with a receipt by a retracted pledge, whichever of the two came first."""
    pledge = make("wh.warehouse_receipt", "LOT:L", id="p", wr_id="W", action="PLEDGE")
    gone = make("wh.received", "LOT:X", id="r", revision=2, correction_action="RETRACT",
                correction_event_id="p")  # fmt: skip
    found = load(gone, pledge) if retraction_first else load(pledge, gone)
    assert not found.subjects[SubjectKey("LOT", "L")].links
