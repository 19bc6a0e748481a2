"""`twin show`: one chain, folded again from its journal, with every link of its hash chain
checked.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import (
    chain,
    describe,
    settlement_report,
    signed_facts_counted,
    timetravel,
)
from supplytwin.processors.carbon_packs import rules_in
from supplytwin.processors.custody import Broken, verify
from supplytwin.processors.key_register import may_tell
from supplytwin.processors.restatement import is_of_fold
from supplytwin.processors.settlement_known import known_of
from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Record
from supplytwin.schemas.foreign import schema_in
from supplytwin.schemas.journal import GENESIS
from supplytwin.schemas.records import (
    CONTROL,
    JOURNAL,
    SETTLEMENT_EVENTS,
    Control,
    Receipt,
    Review,
    SettlementEvent,
)
from supplytwin.schemas.replay import Replayed
from supplytwin.streams import journal_file
from supplytwin.streams.moments import moment


class Moment(Struct, frozen=True, kw_only=True):
    """One journal entry in words. Times are ISO 8601, UTC."""

    seq: int
    kind: str
    what: str
    happened: str | None
    arrived: str | None
    taken_at: str
    source: str | None


class Shown(Struct, frozen=True, kw_only=True):
    """What `twin show` tells. `broken` names the first bad entry; then the state is of what
    stands before it.
    """

    chain_id: str
    now: str | None
    """The clock that ages and open visits are up to."""
    entries: int
    broken: str | None
    head_hash: str
    canonical_hash: str
    subjects: list[dict[str, Any]]
    footprints: list[dict[str, Any]]
    settlement: list[Any]
    exceptions: list[dict[str, Any]]
    signatures: list[dict[str, Any]]
    """What each signed fact counts for by the keys that were known."""
    timeline: list[Moment]
    as_of: str | None = None
    known_at: str | None = None
    notes: list[str] = []
    """What the two times mean for what is shown."""


RESTATED = "footprints restated by other packs of factors"


class Times(Struct, frozen=True, kw_only=True):
    """What was true at `as_of`, by what was known at `known_at`; us UTC, None = without bound."""

    as_of: int | None = None
    known_at: int | None = None


NOW = Times()


def times(as_of: str | None, known_at: str | None) -> Times:
    """The times as they were written. Raises UsageError that says what to write."""
    return Times(
        as_of=None if as_of is None else moment("--as-of", as_of),
        known_at=None if known_at is None else moment("--known-at", known_at),
    )


def iso(micros: int | None) -> str | None:
    """Micros as ISO 8601 UTC, to the second."""
    if micros is None:
        return None
    return dt.datetime.fromtimestamp(micros // 1_000_000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_file(path: Path, chain_id: str) -> tuple[list[bytes], str | None]:
    """(entries of one chain, what is wrong with the first damaged line or None) from an
    exported journal.

    A line too damaged to say whose it is counts for every chain: it may have been one of this
    one's.
    """
    entries: list[bytes] = []
    for line in journal_file.read(path):
        mine = line.chain_id == chain_id
        if line.damage is not None and (mine or not line.chain_id):
            return entries, f"line {line.number} (entry {line.seq or '?'}): {line.damage}"
        if mine:
            entries.append(line.entry)
    if not entries:
        raise UsageError(f"{path} has no entry of chain {chain_id!r}")
    return entries, None


def is_common(record: Record) -> bool:
    """Whether a journal record is one that every chain may need: a schema that is not ours, the
    packs of factors in force, or keys.
    """
    return (record.key or b"").startswith(b"@") and _is_common(record.value or b"")


def _is_common(value: bytes) -> bool:
    entry = journal.read(value)
    return schema_in(entry) is not None or rules_in(entry) is not None or may_tell(entry)


def common_from_file(path: Path) -> list[bytes]:
    """Entries of an exported journal that every chain may need."""
    sound = (line.entry for line in journal_file.read(path) if line.damage is None)
    return [entry for entry in sound if _is_common(entry)]


def show(
    chain_id: str,
    entries: Sequence[bytes],
    damage: str | None = None,
    common: Sequence[bytes] = (),
    seen: Times = NOW,
    now: int = 0,
) -> Shown:
    """Check every link, fold what is sound and was known, and say what was true.

    `common` = entries that every chain may need (`is_common`): schemas that some of these were
    written with, and packs of factors.
    `now` = the clock of the one who asks, us UTC: ages and open visits are up to it.
    The hash chain is always the whole one.
    """
    broken: Broken | None = verify(chain_id, entries)
    sound = entries if broken is None else entries[: broken.position]
    fold = chain.ChainFold("")
    known_at = timetravel.NEVER if seen.known_at is None else seen.known_at
    for value in common:
        if schema_in(journal.read(value)) is not None or journal.read(value).taken_at <= known_at:
            fold.told_of_all([record_of(value)])
    past = fold.replay([record_of(value) for value in sound])
    known = list(timetravel.known(past, known_at))
    state = timetravel.restored(fold, chain_id, known)
    last = min(known_at, max((one.entry.taken_at for one in known), default=0))
    signed = known_of(state.book, state.twin, fold.register, state.footprints)
    settlement = list(settlement_report.explain(state.book, state.twin, last, signed))
    footprints = [one.describe(name) for name, one in sorted(state.footprints.items())]
    if seen.as_of is not None:
        state = replace(state, twin=timetravel.as_of(state.twin, seen.as_of), footprints=Map())
        known = [one for one in known if _happened(one, seen.as_of)]
        footprints = []
    reports = [r for r in (None if broken is None else str(broken), damage) if r is not None]
    return Shown(
        chain_id=chain_id,
        now=iso(now),
        entries=len(entries),
        broken="; ".join(reports) or None,
        head_hash=(past[-1].entry.hash if past else GENESIS).hex(),
        canonical_hash=chain.canonical_hash(state),
        subjects=[_dated(one) for one in describe.subjects(state, now)],
        footprints=footprints,
        settlement=settlement,
        exceptions=[_dated(one) for one in describe.exceptions(state)],
        signatures=signed_facts_counted.described(state.twin, fold.register),
        timeline=[_moment(one) for one in known],
        as_of=iso(seen.as_of),
        known_at=iso(seen.known_at),
        notes=list(_notes(seen)),
    )


_TIMES = ("expected", "eta_stated", "last_actual", "since")
_OF_VISIT = ("arrived", "left")
"""Of a subject `arrived` is no time: it says whether."""


def _dated(one: dict[str, Any], times: Sequence[str] = _TIMES) -> dict[str, Any]:
    """What `describe` says, with its times as ISO 8601."""
    found = {name: iso(value) if name in times else value for name, value in one.items()}
    if "dwell" in one:
        found["dwell"] = [_dated(visit, _OF_VISIT) for visit in one["dwell"]]
    return found


def _happened(one: Replayed, by: int) -> bool:
    """Whether an entry is in the timeline of what was true at `by`: all but later facts are."""
    event = None if one.item is None else one.item.message
    if not isinstance(event, Event) or event.classifier != "ACTUAL":
        return True
    return timetravel.happened_from(event) <= by


def _notes(seen: Times) -> Iterator[str]:
    if seen.known_at is not None:
        yield (
            f"known at {iso(seen.known_at)}: facts that had arrived by then, and what had been "
            "decided by then"
        )
    if seen.as_of is not None:
        yield (
            f"as of {iso(seen.as_of)}: what had happened by then; plans, estimates and corrections "
            "count when they are known"
        )
        yield "the settlement is not of that time: it shows what was decided by what was known"
        yield "footprints are left out: they account for whole deliveries"


def record_of(value: bytes) -> Record:
    """An entry as a record of the partition number that its source had, if it has one."""
    entry = journal.read(value)
    return Record(
        topic=JOURNAL,
        partition=entry.source_partition or 0,
        offset=0,
        arrival=0,
        key=entry.chain_id.encode(),
        value=value,
    )


def _moment(past: Replayed) -> Moment:
    entry = past.entry
    happened, source = None, None
    what = entry.kind.lower()
    if entry.kind == "DECISION":
        event = codec.decode(SETTLEMENT_EVENTS, entry.body).message
        if isinstance(event, SettlementEvent):
            what = (
                f"{event.claim_id}: {event.from_state} -> {event.to_state} (row {event.row}): "
                f"{event.reason}"
            )
    elif entry.kind == "CLOSED":
        what = "closed: nothing is open, nothing has come for long"
    elif entry.source_topic is None:
        said = codec.decode(CONTROL, entry.body).message
        of_fold = isinstance(said, Control) and is_of_fold(said)
        what = f"restated under fold {entry.fold_version}" if of_fold else RESTATED
    elif past.item is not None:
        message = past.item.message
        source = getattr(message, "source", None)
        what = type(message).__name__.lower()
        if isinstance(message, Event):
            happened = iso(message.event_time)
            what = f"{message.event_type} {message.classifier} of {message.subject_type} "
            what += message.subject_id
        elif isinstance(message, Receipt):
            what = f"rail: {message.kind} {message.rail_status}"
        elif isinstance(message, Review):
            what = f"{message.verdict.lower().replace('_', ' ')}: {message.reason}"
    return Moment(
        seq=entry.seq,
        kind=entry.kind,
        what=what,
        happened=happened,
        arrived=iso(entry.arrival),
        taken_at=iso(entry.taken_at) or "",
        source=source,
    )
