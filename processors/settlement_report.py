"""What a book says to the outside: its records, its canonical state, and why each claim waits."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from supplytwin.processors.conditions import Leaf
from supplytwin.processors.emit import Emitter
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known
from supplytwin.processors.settlement_case import Case, uncleared
from supplytwin.processors.settlement_footprints import ToVerify, to_verify
from supplytwin.processors.settlement_state import ABSORBING, Alarm, Book, Transition, public
from supplytwin.processors.settlement_step import case_of
from supplytwin.processors.settlement_verdict import evaluated
from supplytwin.processors.twin import Twin
from supplytwin.schemas.localtime import local_date
from supplytwin.schemas.records import EXCEPTIONS, INSTRUCTIONS, ExceptionRecord, Instruction


def event_fields(transition: Transition, cause: tuple[str, int] | None) -> dict[str, Any]:
    """The transition as fields of its settlement.events record, without the common ones.

    `cause` = the journal position (chain id, seq) of the input that caused it, None at a cut.
    """
    fields = asdict(transition)
    for name in ("evidence_hash", "instructions", "alarms"):
        del fields[name]
    fields["cause_chain_id"], fields["cause_seq"] = (None, None) if cause is None else cause
    return fields


def canonical(book: Book) -> object:
    """What every run over the same inputs agrees on, JSON-able. Without a contract: how many
    refused records and which later versions wait for it, None when there are none.
    """
    if book.terms is None:
        waiting = {"waiting": sorted(book.waiting)} if book.waiting else {}
        return ({"refused": len(book.refused)} if book.refused else {}) | waiting or None
    return {
        settlement: {
            "state": claim.state,
            "amount_minor": claim.owed_minor,
            "currency": claim.currency,
            "basis": claim.basis,
            "bookings": [
                [key, one.amount_minor, one.currency] for key, one in sorted(claim.bookings.items())
            ],
            "returns": [[key, amount] for key, amount in sorted(claim.returns.items())],
            "terms_version": claim.version,
        }
        for settlement, claim in sorted(book.claims.items())
    }


class Explanation(Struct, frozen=True, kw_only=True, gc=False):
    """Where one claim stands and what it waits for; JSON-able."""

    settlement_id: str
    claim_id: str
    tranche_id: str
    consignment_id: str
    state: str
    public_state: str
    amount_minor: int
    currency: str
    contract_state: str | None
    waits_for: str
    """In words; "" when the claim has ended."""
    verdict: str
    leaves: tuple[Leaf, ...]
    evidence_ids: tuple[str, ...]
    evidence_hash: str
    """What a review that releases the claim must name."""
    adverse_ids: tuple[str, ...]
    """What a review that releases the claim has to clear."""
    ignored: tuple[str, ...] = ()
    """``source/event_id: REASON`` of what was told of it and counts for nothing, sorted."""
    footprints: tuple[ToVerify, ...] = ()
    """Those that its terms look at, verified or not."""


def explain(
    book: Book, twin: Twin, at: int, known: Known = NOTHING_KNOWN
) -> tuple[Explanation, ...]:
    """Every claim in the order of the terms, as of tick time `at`."""
    if book.terms is None:
        return ()
    told = []
    for settlement in book.order:
        claim, promise = book.claims[settlement], book.promises[settlement]
        verdict = evaluated(book, claim, twin, at, known)
        case = case_of(book, claim, at, verdict=verdict)
        told.append(
            Explanation(
                settlement_id=settlement,
                claim_id=claim.claim_id,
                tranche_id=claim.tranche_id,
                consignment_id=promise.consignment_id,
                state=claim.state,
                public_state=public(claim.state, case.funding_mode),
                amount_minor=claim.owed_minor,
                currency=claim.currency,
                contract_state=book.contract_state,
                waits_for="" if claim.state in ABSORBING else _waits_for(case),
                verdict=verdict.value,
                leaves=verdict.leaves,
                evidence_ids=verdict.evidence,
                evidence_hash=verdict.evidence_hash,
                adverse_ids=tuple(sorted(uncleared(case))),
                ignored=verdict.ignored,
                footprints=to_verify(book, claim, twin, at, known),
            )
        )
    return tuple(told)


def _waits_for(case: Case) -> str:  # one text for each state
    claim, zone = case.claim, case.zone
    assert case.verdict is not None
    missing = "; ".join(
        leaf.why.removeprefix("waits for ")
        for leaf in case.verdict.leaves
        if leaf.value == case.verdict.value != "TRUE" and not case.awarded
    )
    match claim.state:
        case "CREATED":
            until = local_date(case.funding_due, zone)
            return f"the rail to confirm the hold of the buyer's funds, until {until}"
        case "RESERVED":
            return f"{_end_of_false(case)}{missing}" or "the next cut"
        case "MATCHED" if case.at < (claim.window_end or 0):
            until = local_date(claim.window_end or 0, zone)
            return f"the end of the challenge window, {until}"
        case "APPROVED" if case.terms.full is not None and case.execution(case.at) is None:
            named = case.terms.full.calendar.id
            return f"a version of calendar {named} that knows the days from now on"
        case "MATCHED" | "APPROVED":
            return missing or "the next cut, with a live hold"
        case "INSTRUCTED" | "ACCEPTED":
            return f"the rail to book the payment (attempt {claim.attempt})"
        case "IN_DOUBT" if claim.recon_break:
            return "people: the rail booked another amount or currency than was instructed"
        case "IN_DOUBT":
            return f"the rail to answer query {claim.query_no} (attempt {claim.attempt})"
        case "CANCEL_PENDING":
            return f"the rail to answer recall {claim.recall_no} (attempt {claim.attempt})"
        case "DISPUTED" if case.awarded:
            return "the next cut, with a live hold: the dispute is decided"
        case "DISPUTED":
            return f"the arbiters: disputed by the {claim.disputed_by}"
        case _:
            adverse = ", ".join(sorted(uncleared(case)))
            because = adverse or missing or (claim.origin or "").lower()
            until = local_date(case.long_stop, zone)
            return f"a review, until {until}: {because}"


def _end_of_false(case: Case) -> str:
    """What comes of a claim whose condition can no longer become true; of others ""."""
    if case.verdict is None or case.verdict.value != "FALSE":
        return ""
    if case.on_false == "EXPIRE":
        return "the next cut, which ends it: "
    if case.at > case.close:
        return "the next cut, which holds it for review: "
    return f"its close, {local_date(case.close, case.zone)}, to be held for review: "


def report(emit: Emitter, alarms: Sequence[Alarm]) -> None:
    """An exception for each thing that people have to look at."""
    for alarm in alarms:
        emit.derive(
            EXCEPTIONS,
            ExceptionRecord,
            subject_type="CLAIM",
            subject_id=alarm.settlement_id,
            code=alarm.code,
            open=True,
            reason=alarm.reason,
        )


def decided(
    emit: Emitter, transitions: Sequence[Transition], cause: tuple[str, int] | None
) -> None:
    """One DECISION for each transition, with its instructions and alarms."""
    for transition in transitions:
        emit.decide(event_fields(transition, cause))
        for order in transition.instructions:
            emit.derive(INSTRUCTIONS, Instruction, **asdict(order))
        report(emit, transition.alarms)
