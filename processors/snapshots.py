"""twin.state: one latest-value record per subject, written when a commit has changed the
subject.
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from supplytwin.processors.standing import Happened, Scheduled
from supplytwin.processors.subjects import Subject, SubjectKey, canonical_subject, decimal_text
from supplytwin.processors.twin import Twin, reached_by, reaching
from supplytwin.schemas import codec
from supplytwin.schemas.events import ShipmentDelivered
from supplytwin.schemas.flow import Output
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.machines import CONSIGNMENT, LINE
from supplytwin.schemas.records import STATE, StateRecord

if TYPE_CHECKING:
    from supplytwin.processors.chain import ChainState

UNPAID = frozenset(("CREATED", "RESERVED", "MATCHED", "APPROVED", "INSTRUCTED", "ACCEPTED",
                    "IN_DOUBT", "CANCEL_PENDING", "HELD"))  # fmt: skip


def key_of(chain_id: str, subject: SubjectKey) -> str:
    """The record key of a subject's latest state."""
    return f"{chain_id}|{subject.subject_type}|{subject.subject_id}"


def changed(before: "ChainState", after: "ChainState") -> list[SubjectKey]:
    """Subjects whose latest record may differ, sorted: their facts moved, or money on them did."""
    was, now = before.twin.subjects, after.twin.subjects
    found = set[SubjectKey]()
    if was is not now:
        found = {key for key, subject in now.items() if was.get(key) is not subject}
    if before.book is not after.book or before.footprints is not after.footprints:
        found |= {
            key
            for key in now
            if key.subject_type == CONSIGNMENT
            and (
                exposure(before, key.subject_id) != exposure(after, key.subject_id)
                or before.footprints.get(key.subject_id) is not after.footprints.get(key.subject_id)
            )
        }
    return sorted(found)


def exposure(state: "ChainState", consignment_id: str) -> tuple[int, str] | None:
    """(minor units not yet paid, currency) on the claims for a consignment; None = no claim."""
    terms = state.book.terms
    if terms is None:
        return None
    mine = {claim.claim_id for claim in terms.claims if claim.consignment_id == consignment_id}
    claims = [claim for claim in state.book.claims.values() if claim.claim_id in mine]
    if not claims:
        return None
    return sum(claim.amount_minor for claim in claims if claim.state in UNPAID), terms.currency


def attributes(twin: Twin, key: SubjectKey, subject: Subject) -> Iterator[str]:
    """`name=value`: what lanes are cut by, and whether the order date was inferred."""
    if key.subject_type != LINE:
        return
    for consignment in subject.linked(CONSIGNMENT):
        yield f"consignment={consignment}"
    for slot in reaching(twin, key.subject_type, key.subject_id):
        version = slot.effective
        if version is None or version.event.classifier != "ACTUAL":
            continue
        event = version.event
        if key not in reached_by(event):  # it was revised, and is of another line now
            continue
        if event.source.startswith("inferred:"):
            yield "order_date=inferred"
        if isinstance(event, ShipmentDelivered):
            for name, value in (
                ("mode", event.mode),
                ("mode_detail", event.mode_detail),
                ("from", event.from_place),
                ("to", event.to_place),
            ):
                if value is not None:
                    yield f"{name}={value}"


def _micros(moment: Scheduled | Happened | None) -> Micros | None:
    return None if moment is None else Micros(moment.time)


def record(
    state: "ChainState", key: SubjectKey, subject: Subject, common: dict[str, object]
) -> StateRecord:
    """The latest-value record of one subject."""
    value = subject.value
    owed = exposure(state, key.subject_id) if key.subject_type == CONSIGNMENT else None
    printed = state.footprints.get(key.subject_id) if key.subject_type == CONSIGNMENT else None
    canonical = msgspec.json.encode(canonical_subject(key, subject), order="deterministic")
    return StateRecord(
        **common,  # type: ignore[arg-type]
        subject_type=key.subject_type,
        subject_id=key.subject_id,
        lifecycle=subject.state,
        milestones=tuple(sorted(subject.codes)),
        flags=tuple(sorted(subject.flags)),
        holds_open=len(value.holds),
        state_hash=hashlib.sha256(canonical).hexdigest(),
        planned_time=_micros(value.planned),
        eta=_micros(value.eta),
        actual_time=_micros(value.delivered),
        delay_days=subject.delay_days,
        qty_ordered=None if value.ordered is None else decimal_text(value.ordered),
        qty_received=decimal_text(value.net_received) if key.subject_type == LINE else None,
        exposure_minor=None if owed is None else owed[0],
        currency=None if owed is None else owed[1],
        co2e_kg=None if printed is None else printed.co2e_wtw_kg,
        attributes=tuple(sorted(set(attributes(state.twin, key, subject)))),
    )


def records(
    before: "ChainState", after: "ChainState", *, fold_version: str, timeline: str, now: int
) -> list[Output]:
    """A record, or a tombstone when no fact is left, for each subject that changed.

    They are placed behind the records of the chain's last entry: their index goes on from
    there.
    """
    outputs = []
    for place, key in enumerate(changed(before, after)):
        subject = after.twin.subjects[key]
        value: bytes | None = None
        if subject.effective or subject.conflicts:
            common: dict[str, object] = {
                "chain_id": after.chain_id,
                "seq": after.head.seq,
                "index": after.index + place,
                "fold_version": fold_version,
                "taken_at": now,
                "timeline": timeline,
            }
            value = codec.encode(STATE, record(after, key, subject, common))
        outputs.append(Output(topic=STATE, key=key_of(after.chain_id, key), value=value))
    return outputs
