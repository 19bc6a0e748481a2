"""What was true at T by what was known at K: the fold and its spans against an oracle."""

import random
from collections.abc import Sequence
from typing import Any

import fold_world as world
import pytest
import times_oracle as oracle
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from supplytwin.processors import across, spans, timetravel
from supplytwin.processors.facts import Slot
from supplytwin.processors.spans import standing
from supplytwin.processors.subjects import SubjectKey, canonical_subject
from supplytwin.processors.timetravel import NEVER
from supplytwin.processors.twin import EMPTY, Twin, take
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Input
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US
from supplytwin.schemas.spans import Span, Standing

T0, DAY = oracle.T0, oracle.DAY
MOMENTS = st.one_of(
    st.integers(-10, 60).map(lambda at: T0 + at * HOUR_US * 3),
    st.tuples(st.integers(0, 12), st.sampled_from((-1, 0, 1))).map(
        lambda at: T0 + at[0] * 5 * HOUR_US + at[1]
    ),
    st.just(NEVER - 1),
)


@st.composite
def streams(draw: Any) -> list[Any]:
    """Up to 14 messages; some come again, earlier or later.

    Contents in conflict do not: a worker journals one content of these again only when it is
    earlier than all of them, so that no journal says when the others first arrived.
    """
    told = [
        oracle.draw(lambda choices: draw(st.sampled_from(list(choices))))
        for _ in range(draw(st.integers(1, 12)))
    ]
    for at in draw(st.lists(st.integers(0, len(told) - 1), max_size=2)):
        shift = draw(st.sampled_from((-7, 7))) * HOUR_US
        told.append(told[at]._replace(arrival=told[at].arrival + shift))
    contents: dict[Any, set[Any]] = {}
    for one in told:
        contents.setdefault((one.identity, one.revision), set()).add(one.content)
    once = {one.content: one for one in told}
    return [
        one
        for one in told
        if len(contents[one.identity, one.revision]) == 1 or one is once[one.content]
    ]


def inputs(told: Sequence[Any]) -> list[Input]:
    """What a worker takes of these messages, in this order: no duplicates, nothing refused."""
    messages = [oracle.message(one, "C") for one in told]
    return accepted(world.decoded(message, at) for at, message in enumerate(messages))


def accepted(items: Any) -> list[Input]:
    taken, twin = [], EMPTY
    for item in items:
        try:
            found = take(twin, item)
        except RecordError:
            continue
        twin = found.twin
        if found.verdict != "DUPLICATE":
            taken.append(item)
    return taken


def known(items: Sequence[Input], moment: int) -> Twin:
    twin = EMPTY
    for item in items:
        if item.record.arrival <= moment:
            twin = take(twin, item).twin
    return twin


def seen(items: Sequence[Input], as_of: int, known_at: int) -> dict[SubjectKey, Standing]:
    """How every subject stood, by the fold."""
    view = timetravel.as_of(known(items, known_at), as_of)
    found = {key: standing(key, subject) for key, subject in view.subjects.items()}
    return {key: one for key, one in found.items() if one is not None}


def picked(rows: Sequence[Span], as_of: int, known_at: int) -> dict[SubjectKey, Standing]:
    """How every subject stood, by the rows; a subject has at most one."""
    found: dict[SubjectKey, Standing] = {}
    for row in rows:
        if (
            (row.valid_from is None or row.valid_from <= as_of)
            and (row.valid_to is None or as_of < row.valid_to)
            and row.known_from <= known_at
            and (row.known_to is None or known_at < row.known_to)
        ):
            key = SubjectKey(row.subject_type, row.subject_id)
            assert key not in found
            found[key] = row.standing
    return found


def lines(found: dict[SubjectKey, Standing]) -> dict[str, Any]:
    """The order lines among them, as the oracle tells them."""
    return {
        key.subject_id: oracle.Row(**{name: getattr(one, name) for name in oracle.Row._fields})
        for key, one in found.items()
        if key.subject_type == "ORDER_LINE"
    }


# ---- laws


@settings(max_examples=200, deadline=None)
@given(streams(), MOMENTS, MOMENTS)
def test_the_fold_tells_what_was_true_by_what_was_known(
    told: list[Any], as_of: int, known_at: int
) -> None:
    """Late, repeated, revised, contradictory and corrected messages: as the oracle counts them."""
    assert lines(seen(inputs(told), as_of, known_at)) == oracle.rows(told, as_of, known_at)


@settings(max_examples=100, deadline=None)
@given(streams(), st.lists(st.tuples(MOMENTS, MOMENTS), min_size=5, max_size=5))
def test_the_rows_tell_what_was_true_by_what_was_known(
    told: list[Any], moments: list[tuple[int, int]]
) -> None:
    """The spans say of any two times what the oracle says."""
    rows = spans.spans("C", inputs(told))
    for as_of, known_at in moments:
        assert lines(picked(rows, as_of, known_at)) == oracle.rows(told, as_of, known_at)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.lists(st.tuples(MOMENTS, MOMENTS), min_size=8))
def test_rows_and_fold_agree_on_every_kind_of_subject(
    seed: int, freight: bool, moments: list[tuple[int, int]]
) -> None:
    """Of all event types: every subject stands the same, to the last field of its state hash."""
    items = accepted(world.wild(25, seed, 9, freight=freight))
    rows = spans.spans("C", items)
    shift = world.T - T0 + 2 * DAY_US
    for as_of, known_at in moments:
        at, by = min(as_of + shift, NEVER - 1), min(known_at + shift, NEVER - 1)
        assert picked(rows, at, by) == seen(items, at, by)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), MOMENTS)
@example(seed=38, freight=False, as_of=2**62 - 1)  # a correction without authority above a conflict
@example(seed=3314, freight=False, as_of=1_728_010_800_000_000)  # a reading about an order
def test_what_had_not_happened_leaves_no_trace(seed: int, freight: bool, as_of: int) -> None:
    """The twin as of a time is the twin of the facts that stood and had happened, and no other:
    its subjects, its documents, its exceptions, and what subjects keep of these.
    """
    twin = known(accepted(world.wild(30, seed, 9, freight=freight)), NEVER)
    at = min(as_of + world.T - T0 + 2 * DAY_US, NEVER - 1)
    view, fresh = timetravel.as_of(twin, at), EMPTY
    for slot in view.facts.every():
        for item in _standing(slot):
            fresh = take(fresh, item).twin
    assert _subjects(view) == _subjects(fresh)
    assert _documents(view) == _documents(fresh)
    assert _exceptions(view) == _exceptions(fresh)
    for one in (view, fresh):
        marks = {(key, *name) for key, found in one.subjects.items() for name in found.marked}
        standing = across.standing(one.facts, one.documents, one.subjects)
        assert marks == {(key, p.code, p.source, p.event_id) for key, p in standing}


def _standing(slot: Slot) -> list[Input]:
    """What counts of a slot, told plainly: without what it corrects. What is in conflict is told
    as it is; when only a correction says so, with a plan of the same as the other content.
    """
    version = slot.effective
    if version is None and not slot.conflicted:
        return []
    if version is None:
        events: tuple[Event, ...] = slot.contents
        if not slot.contradicting:
            is_plan = events[0].classifier == "PLANNED"
            other = replace(events[0], classifier="ESTIMATED" if is_plan else "PLANNED")
            events = (*events, other)
        return [world.item(event, event.event_time, at) for at, event in enumerate(events)]
    plain = replace(version.event, correction_action=None, correction_event_id=None)
    return [world.item(plain, version.arrival)]


def _documents(twin: Twin) -> dict[Any, set[Any]]:
    return {document: set(claims) for document, claims in twin.documents.items()}


def _exceptions(twin: Twin) -> set[Any]:
    """Those beside the lifecycles. `_standing` tells nothing of a retraction without authority, and
    contradictions with other hashes: these choose the subject that has the exception.
    """
    standing = across.standing(twin.facts, twin.documents, twin.subjects)
    return {
        (None if p.code == "CONFLICT" else key, p.code, p.source, p.event_id)
        for key, p in standing
        if p.code != "UNAUTHORISED_RETRACTION"
    }


def _subjects(twin: Twin) -> dict[SubjectKey, Any]:
    return {
        key: canonical_subject(key, subject)
        for key, subject in twin.subjects.items()
        if subject.effective or subject.conflicts
    }


@settings(max_examples=30, deadline=None)
@given(streams(), st.randoms(use_true_random=False))
def test_the_rows_do_not_depend_on_the_order_in_which_the_facts_were_taken(
    told: list[Any], shuffler: random.Random
) -> None:
    """Only arrivals count: a worker that read its topics in another order wrote the same rows."""
    rows = spans.spans("C", inputs(told))
    shuffler.shuffle(told)
    assert sorted(map(repr, spans.spans("C", inputs(told)))) == sorted(map(repr, rows))


# ---- examples


def delivery(**fields: Any) -> Any:
    """A delivery of line 1 at 10:00 UTC of day 20,000 that arrived two days later."""
    filled: dict[str, Any] = {
        "kind": "delivered", "source": "s", "event_id": "f0s", "revision": 1,
        "classifier": "ACTUAL", "line": "1", "time": T0 + 10 * HOUR_US, "tz": "+00:00",
        "precision": "S", "arrival": T0 + 2 * DAY_US, **fields,
    }  # fmt: skip
    return oracle.Told(**filled)


def state(told: Sequence[Any], as_of: int = NEVER - 1, known_at: int = NEVER - 1) -> Any:
    return lines(seen(inputs(told), as_of, known_at)).get("1")


def test_a_late_record_was_true_before_it_was_known() -> None:
    """Delivered from 10:00 on with what is known now; with what was known then nothing at all."""
    told = [delivery()]
    assert state(told, as_of=T0 + 10 * HOUR_US).lifecycle == "DELIVERED"
    assert state(told, as_of=T0 + 10 * HOUR_US - 1) is None
    assert state(told, as_of=T0 + 10 * HOUR_US, known_at=T0 + 2 * DAY_US - 1) is None
    assert state(told, as_of=T0 + 10 * HOUR_US, known_at=T0 + 2 * DAY_US) is not None


def test_a_retraction_undoes_at_all_times_from_when_it_is_known() -> None:
    """It arrives on day 5: by what is known since then the line was never delivered."""
    taken_back = delivery(
        event_id="r0s", revision=2, action="RETRACT", target_source="s", target_id="f0s",
        time=T0 + 5 * DAY_US, arrival=T0 + 5 * DAY_US,
    )  # fmt: skip
    told = [delivery(), taken_back]
    noon = T0 + 12 * HOUR_US
    assert state(told, as_of=noon, known_at=T0 + 5 * DAY_US - 1).lifecycle == "DELIVERED"
    assert state(told, as_of=noon, known_at=T0 + 5 * DAY_US) is None


def test_a_plan_counts_when_it_is_known_whatever_its_own_time() -> None:
    """A schedule of day 9 is the schedule as of day 1 too, and makes no state."""
    plan = delivery(kind="arrived", classifier="PLANNED", time=T0 + 9 * DAY_US, arrival=T0)
    found = state([plan], as_of=T0 + DAY_US)
    assert (found.lifecycle, found.planned_time) == (None, T0 + 9 * DAY_US)
    assert state([plan], as_of=T0 + DAY_US, known_at=T0 - 1) is None


@pytest.mark.parametrize(("tz", "hours"), [("+00:00", 0), ("+08:00", -8), ("-07:00", 7)])
def test_a_day_has_happened_from_the_start_of_the_local_date(tz: str, hours: int) -> None:
    """An event of DAY precision counts from midnight of its own zone, not from its clock time."""
    told = [delivery(precision="DAY", tz=tz, time=T0 + 12 * HOUR_US)]
    midnight = T0 + hours * HOUR_US
    assert state(told, as_of=midnight).lifecycle == "DELIVERED"
    assert state(told, as_of=midnight - 1) is None


def test_a_day_without_midnight_has_happened_from_its_first_moment() -> None:
    """Where clocks go forward at midnight the date begins at 01:00, which is when it counts."""
    event = oracle.message(delivery(precision="DAY"), "C").body
    gap = replace(event, event_tz="America/Sao_Paulo", event_time=1_540_000_000 * SECOND_US)
    start = timetravel.happened_from(replace(gap, event_time=1_541_350_000 * SECOND_US))
    assert start == 1_541_300_400 * SECOND_US  # 2018-11-04T03:00Z = 01:00 at -02:00


def test_a_conflict_is_shown_as_soon_as_one_of_its_contents_had_happened() -> None:
    """Two contents of one revision: nobody is delivered, both lines carry the flag from then on."""
    told = [delivery(), delivery(line="2", time=T0 + 20 * HOUR_US)]
    found = lines(seen(inputs(told), T0 + 10 * HOUR_US, NEVER - 1))
    assert {line: (row.lifecycle, row.flags) for line, row in found.items()} == {
        "1": (None, ("conflict",)), "2": (None, ("conflict",)),
    }  # fmt: skip
    assert seen(inputs(told), T0 + 10 * HOUR_US - 1, NEVER - 1) == {}


def test_a_chain_in_order_costs_a_row_or_two_a_fact() -> None:
    """A thousand departures that arrive in order: rows grow with the facts, not their square."""
    told = [
        delivery(kind="departed", event_id=f"f{at}s", time=T0 + at * SECOND_US,
                 arrival=T0 + (at + 1) * SECOND_US)
        for at in range(1000)
    ]  # fmt: skip
    rows = spans.spans("C", inputs(told))
    assert len(rows) <= 2 * len(told)
