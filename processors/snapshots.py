"""twin.state: one latest-value record per subject, written when a commit has changed the
subject.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec
from immutables import Map

from supplytwin.processors import derived
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.subjects import (
    CanonicalSubject,
    Subject,
    SubjectKey,
    canonical_subject,
    decimal_text,
)
from supplytwin.processors.twin import Taken
from supplytwin.schemas import codec
from supplytwin.schemas.flow import Output
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.machines import CONSIGNMENT, LEG, LINE, LOT, TITLE, TRIP, UNIT
from supplytwin.schemas.records import STATE, StateRecord

if TYPE_CHECKING:
    from supplytwin.processors.chain import ChainState

UNPAID = frozenset(("CREATED", "RESERVED", "MATCHED", "APPROVED", "INSTRUCTED", "ACCEPTED",
                    "IN_DOUBT", "CANCEL_PENDING", "HELD", "DISPUTED"))  # fmt: skip


def key_of(chain_id: str, subject: SubjectKey) -> str:
    """The record key of a subject's latest state."""
    return f"{chain_id}|{subject.subject_type}|{subject.subject_id}"


# ---- which subjects changed

Recent = tuple[tuple[int, tuple[SubjectKey, ...]], ...]
"""The last facts of a large chain: the seq of each, and the subjects that it touched."""
SMALL, KEPT = 32, 64
"""A chain of so few subjects is looked through as a whole; of others so many facts are kept."""


def remember(recent: Recent, seq: int, taken: Taken) -> Recent:
    """`recent` with the fact that entry `seq` took."""
    if len(taken.twin.subjects) <= SMALL:
        return ()
    return (*recent[1 - KEPT :], (seq, taken.dirty))


def _touched(before: "ChainState", after: "ChainState") -> Iterable[SubjectKey]:
    """At least the subjects that facts have changed."""
    found = set[SubjectKey]()
    for seq, keys in reversed(after.recent):
        if seq <= before.head.seq:
            return found
        found.update(keys)
    return after.twin.subjects


def changed(before: "ChainState", after: "ChainState") -> list[SubjectKey]:
    """Subjects whose latest record may differ, sorted: their facts moved, or money on them did.

    `after` must come from `before`.
    """
    was, now = before.twin.subjects, after.twin.subjects
    found = set[SubjectKey]()
    if was is not now:
        found = {key for key in _touched(before, after) if was.get(key) is not now[key]}
    if before.book.claims is not after.book.claims:
        found.update(_owing(before, after))
    if before.footprints is not after.footprints:
        found.update(_emitting(before, after))
    return sorted(found)


def _emitting(before: "ChainState", after: "ChainState") -> Iterator[SubjectKey]:
    """Consignments with another footprint than before: a leg of theirs may have moved it."""
    for name, one in after.footprints.items():
        known = before.footprints.get(name)
        if known is None or known.co2e_wtw_kg != one.co2e_wtw_kg:
            yield SubjectKey(CONSIGNMENT, name)


def _owing(before: "ChainState", after: "ChainState") -> Iterator[SubjectKey]:
    """Consignments on which more or less is owed than before."""
    was, promises = before.book.claims, after.book.promises
    names = {
        promises[settlement].consignment_id
        for settlement, claim in after.book.claims.items()
        if was.get(settlement) is not claim
    }
    for name in names:
        key = SubjectKey(CONSIGNMENT, name)
        if key in after.twin.subjects and exposure(before, name) != exposure(after, name):
            yield key


def claims_of(book: Book) -> Map[str, tuple[str, ...]]:
    """Consignment -> the settlement ids of the claims for it."""
    found: dict[str, tuple[str, ...]] = {}
    for settlement in book.order:
        name = book.promises[settlement].consignment_id
        found[name] = (*found.get(name, ()), settlement)
    return Map(found)


def exposure(state: "ChainState", consignment_id: str) -> tuple[int, str] | None:
    """(minor units not yet paid, currency) on the claims for a consignment; None = no claim."""
    terms, known = state.book.terms, state.book.claims
    ids = state.claims_of.get(consignment_id, ())
    claims = [known[settlement] for settlement in ids if settlement in known]
    if terms is None or not claims:
        return None
    return sum(claim.amount_minor for claim in claims if claim.state in UNPAID), terms.currency


# ---- their records


_BOUND = {LEG: "vehicle", TRIP: "seal", TITLE: "holder", UNIT: "inside"}
_LISTED = {
    LEG: (CONSIGNMENT,), TRIP: (CONSIGNMENT, LINE), TITLE: (LOT,), UNIT: (CONSIGNMENT, LINE, LOT),
}  # fmt: skip
_LISTED_MAX = 50
"""Names of linked subjects, or sensors, or places, in one record: it has to stay small, the rest is
in the journal."""


def attributes(subject: Subject) -> tuple[str, ...]:
    """`name=value`, sorted: what the lanes of a line are cut by, and whether its order date was
    inferred; of each name so many as are listed.
    """
    said = {"consignment": {name for kind, name in subject.links if kind == CONSIGNMENT}}
    if subject.inferred:
        said["order_date"] = {"inferred"}
    for event in subject.deliveries:
        for name, value in (
            ("mode", event.mode),
            ("mode_detail", event.mode_detail),
            ("from", event.from_place),
            ("to", event.to_place),
        ):
            if value is not None:
                said.setdefault(name, set()).add(value)
    found = [
        f"{name}={value}"
        for name, values in said.items()
        for value in (values if len(values) < 2 else sorted(values)[:_LISTED_MAX])
    ]
    return tuple(sorted(found)) if len(found) > 1 else tuple(found)


def _attributes(key: SubjectKey, subject: Subject, sensors: tuple[str, ...]) -> tuple[str, ...]:
    """`name=value`, sorted: what the subject is cut by or bound to, and what sensors measured."""
    found = _bindings(key, subject)
    if sensors:
        found = tuple(sorted((*found, *(f"sensor={line}" for line in sensors[:_LISTED_MAX]))))
    return found


def _bindings(key: SubjectKey, subject: Subject) -> tuple[str, ...]:
    """`name=value`, sorted: what a line is cut by, and what another subject is bound to or with."""
    kind, value = key.subject_type, subject.ordered.value
    if kind == LINE:
        return attributes(subject)
    if kind == LOT:
        return (f"pledged={value.pledges}",) if value.pledges else ()
    found = [] if value.bound is None else [f"{_BOUND[kind]}={value.bound}"]
    if value.route is not None:
        named = zip(("mode", "from", "to"), value.route.split(";")[:3], strict=True)
        found += [f"{name}={said}" for name, said in named]
    listed = sorted(one for one in subject.links if one.subject_type in _LISTED.get(kind, ()))
    found += [f"{one.subject_type.lower()}={one.subject_id}" for one in listed[:_LISTED_MAX]]
    return tuple(sorted(found))


def _encode(
    state: "ChainState",
    key: SubjectKey,
    subject: Subject,
    *,
    index: int,
    fold_version: str,
    timeline: str,
) -> bytes:
    """The latest-value record of one subject."""
    value = subject.ordered.value
    owed = printed = None
    if key.subject_type == CONSIGNMENT:
        owed = exposure(state, key.subject_id)
        printed = state.footprints.get(key.subject_id)
    is_line = key.subject_type == LINE
    shown = canonical_subject(key, subject)
    return codec.encode(
        STATE,
        StateRecord(
            chain_id=state.chain_id,
            seq=state.head.seq,
            index=index,
            fold_version=fold_version,
            taken_at=Micros(state.taken_at),
            timeline=timeline,
            subject_type=key.subject_type,
            subject_id=key.subject_id,
            lifecycle=shown.state,
            milestones=tuple(shown.milestones),
            flags=shown.flags,
            holds_open=len(value.holds),
            state_hash=state_hash(shown),
            planned_time=shown.planned,
            eta=shown.eta,
            actual_time=None if subject.delivered is None else subject.delivered.time,
            delay_days=shown.delay_days,
            qty_ordered=shown.quantities[0],
            qty_received=decimal_text(value.net_received) if is_line else None,
            exposure_minor=None if owed is None else owed[0],
            currency=None if owed is None else owed[1],
            co2e_kg=None if printed is None else printed.co2e_wtw_kg,
            attributes=_attributes(key, subject, shown.sensors),
            **derived.fields(key, subject),
        ),
    )


_canonical = msgspec.json.Encoder(order="deterministic")


def state_hash(shown: CanonicalSubject) -> str:
    """Hex SHA-256 of the canonical state of a subject."""
    return hashlib.sha256(_canonical.encode(shown)).hexdigest()


def records(
    before: "ChainState", after: "ChainState", *, fold_version: str, timeline: str
) -> list[Output]:
    """A record, or a tombstone when no fact is left and nothing is wrong, for each subject that
    changed.

    They are placed behind the records of the chain's last entry: their index goes on from
    there.
    """
    outputs = []
    for index, key in enumerate(changed(before, after), after.index):
        subject = after.twin.subjects[key]
        value = None
        if subject.effective or subject.conflicts or subject.marked:
            value = _encode(
                after, key, subject, index=index, fold_version=fold_version, timeline=timeline
            )
        outputs.append(Output(topic=STATE, key=key_of(after.chain_id, key), value=value))
    return outputs
