"""All that `processors.timetravel` could ever say of a chain, as rows: how each subject stood over
which times, and by what was known when.

The facts are taken in the order of their arrival. Each batch changes how subjects stood from some
moment on; from there the later facts are left out one after the other, the latest first, and
compared with what was said before. A fact that comes in time costs one such step.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec import Struct

from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.snapshots import state_hash
from supplytwin.processors.subjects import Subject, SubjectKey, canonical_subject, decimal_text
from supplytwin.processors.timetravel import ALWAYS, NEVER, since
from supplytwin.processors.twin import EMPTY, Twin, take, without
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.foreign import Foreign
from supplytwin.schemas.machines import LINE
from supplytwin.schemas.replay import replay
from supplytwin.schemas.spans import Span, Standing


class _Piece(Struct, frozen=True, gc=False):
    """From `start` up to the next piece; `known_from` = since when that is said."""

    start: int
    known_from: int
    standing: Standing | None
    """None = there is no such subject."""


class _Said(Struct, frozen=True, gc=False):
    """What is no longer said: it was, from `start` to `end`."""

    start: int
    end: int
    known_from: int
    standing: Standing


Line = tuple[_Piece, ...]
"""How a subject stands over all times, ascending."""


def of_entries(chain_id: str, entries: Sequence[Record], schemas: Sequence[Record]) -> list[Span]:
    """The spans of a chain from its journal records; no hash is checked.

    `schemas` = entries that are schemas of others (see `schemas.foreign`). Raises FatalError for
    what cannot be read.
    """
    foreign = Foreign()
    replay(schemas, foreign)
    taken = replay(entries, foreign)
    return spans(chain_id, [one.item for one in taken if one.item and one.entry.kind == "FACT"])


def spans(chain_id: str, items: Iterable[Input]) -> list[Span]:
    """The spans of a chain of these facts, in whatever order they are given."""
    found: list[Span] = []
    lines: dict[SubjectKey, Line] = {}
    starts: dict[Identity, int] = {}
    twin = EMPTY
    for arrival, batch in groupby(sorted(items, key=_arrival), key=_arrival):
        twin, low, touched = _take(twin, batch, starts)
        if low == NEVER:
            continue
        fresh = _fresh(twin, starts, low)
        touched.update(fresh, (key for key, line in lines.items() if line[-1].start >= low))
        for key in touched:
            pieces = fresh.get(key) or [(low, twin.subjects.get(key))]
            said = [(start, None if one is None else standing(key, one)) for start, one in pieces]
            lines[key], gone = _overlay(lines.get(key, ()), said, arrival)
            found += (_span(chain_id, key, one, arrival) for one in gone)
    for key, line in lines.items():
        found += (_span(chain_id, key, one, None) for one in _standing(line))
    return found


def _arrival(item: Input) -> int:
    return item.record.arrival


def _take(
    twin: Twin, batch: Iterable[Input], starts: dict[Identity, int]
) -> tuple[Twin, int, set[SubjectKey]]:
    """(the twin with a batch, from when on it may differ, the subjects that it touched)."""
    low, touched = NEVER, set[SubjectKey]()
    for item in batch:
        taken = take(twin, item)
        twin = taken.twin
        touched.update(taken.dirty)
        for _, slot in taken.slots:
            low = min(low, starts.get(slot.identity, NEVER))
            starts[slot.identity] = since(slot)
            low = min(low, starts[slot.identity])
    return twin, low, touched


def _fresh(
    twin: Twin, starts: dict[Identity, int], low: int
) -> dict[SubjectKey, list[tuple[int, Subject | None]]]:
    """How the subjects stand from `low` on that do not always stand the same, ascending."""
    later = sorted((at, identity) for identity, at in starts.items() if at > low)
    found: dict[SubjectKey, list[tuple[int, Subject | None]]] = {}
    now = twin
    for start, group in groupby(reversed(later), key=lambda one: one[0]):
        hidden: list[Slot] = [now.facts.slot(identity) for _, identity in group]
        before, moved = without(now, hidden)
        for key in moved:
            found.setdefault(key, []).append((start, now.subjects.get(key)))
        now = before
    for key, pieces in found.items():
        pieces.append((low, now.subjects.get(key)))
        pieces.reverse()
    return found


def standing(key: SubjectKey, subject: Subject) -> Standing | None:
    """What is told of a subject; None when nothing is left of it."""
    if not subject.effective and not subject.conflicts:
        return None
    shown = canonical_subject(key, subject)
    received = decimal_text(subject.value.net_received) if key.subject_type == LINE else None
    return Standing(
        lifecycle=shown.state,
        milestones=tuple(shown.milestones),
        flags=shown.flags,
        holds_open=len(shown.holds),
        state_hash=state_hash(shown),
        planned_time=shown.planned,
        eta=shown.eta,
        actual_time=None if subject.delivered is None else subject.delivered.time,
        delay_days=shown.delay_days,
        qty_ordered=shown.quantities[0],
        qty_received=received,
    )


def _overlay(
    line: Line, fresh: Sequence[tuple[int, Standing | None]], arrival: int
) -> tuple[Line, list[_Said]]:
    """(the line as it is said from `arrival` on, what is no longer said).

    `fresh` begins where the line may differ, and goes on to the end of time.
    """
    low = fresh[0][0]
    pieces = [piece for piece in line if piece.start < low]
    bounds = sorted({start for start, _ in fresh} | {one.start for one in line if one.start > low})
    gone: list[_Said] = []
    olds, news = list(reversed(line)), list(reversed(fresh))
    old: _Piece | None = None
    new: Standing | None = None
    for start, end in zip(bounds, [*bounds[1:], NEVER], strict=True):
        while olds and olds[-1].start <= start:
            old = olds.pop()
        while news and news[-1][0] <= start:
            _, new = news.pop()
        was = None if old is None else old.standing
        same = was == new
        if was is not None and not same:
            assert old is not None
            _leave(gone, _Said(start, end, old.known_from, was))
        known_from = old.known_from if same and old is not None else arrival
        last = pieces[-1] if pieces else None
        if last is None or (last.known_from, last.standing) != (known_from, new):
            pieces.append(_Piece(start, known_from, new))
    return tuple(pieces), gone


def _leave(gone: list[_Said], one: _Said) -> None:
    """Append to `gone`, as one with the last where that goes over into it."""
    last = gone[-1] if gone else None
    joined = (one.start, one.known_from, one.standing)
    if last is not None and (last.end, last.known_from, last.standing) == joined:
        gone[-1] = _Said(last.start, one.end, one.known_from, one.standing)
    else:
        gone.append(one)


def _standing(line: Line) -> list[_Said]:
    """What is said to this day."""
    ends = [*(piece.start for piece in line[1:]), NEVER]
    return [
        _Said(piece.start, end, piece.known_from, piece.standing)
        for piece, end in zip(line, ends, strict=True)
        if piece.standing is not None
    ]


def _span(chain_id: str, key: SubjectKey, one: _Said, known_to: int | None) -> Span:
    return Span(
        chain_id=chain_id,
        subject_type=key.subject_type,
        subject_id=key.subject_id,
        valid_from=None if one.start == ALWAYS else one.start,
        valid_to=None if one.end == NEVER else one.end,
        known_from=one.known_from,
        known_to=known_to,
        standing=one.standing,
    )
