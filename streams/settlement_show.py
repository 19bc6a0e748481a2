"""`settlement show` and `settlement explain`: one claim with its whole history and money, and why
claims wait."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from supplytwin.processors.settlement_explain import ClaimNow, LeafNow, explained
from supplytwin.processors.settlement_report import Explanation
from supplytwin.processors.settlement_simulate import balances_of
from supplytwin.processors.settlement_step import case_of
from supplytwin.schemas import codec
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.records import (
    EVERY,
    SETTLEMENT_EVENTS,
    Contract,
    Receipt,
    Review,
    SettlementEvent,
)
from supplytwin.schemas.replay import Replayed
from supplytwin.streams.settlement_read import Folded, Listed, Sent
from supplytwin.streams.show import iso


class Happened(Struct, frozen=True, kw_only=True):
    """One journal entry that is about a claim."""

    seq: int
    kind: str
    at: str
    """Tick time; ISO 8601, UTC."""
    what: str
    by: str | None = None
    """Of an input: its source."""
    record: dict[str, Any] | None = None
    """Of an input: what it says. Money in minor units."""
    moved: bool | None = None
    """Of an input: whether it moved a claim; what did not is stale, noted, or was refused."""
    transition: SettlementEvent | None = None


class Shown(Struct, frozen=True, kw_only=True):
    """One claim. Money in minor units, times ISO 8601 in UTC."""

    claim: Listed
    explained: Explanation
    buyer: str
    seller: str
    deadline: str
    """The one in force: what paused it is added."""
    close: str
    long_stop: str
    attempt: int
    """The number that the current or the next payment carries."""
    accounts: dict[str, int]
    bookings: dict[str, dict[str, Any]]
    returns: dict[str, int]
    against: dict[str, str]
    """Adverse ids that people or this system have raised -> who; "" = this system."""
    cleared: list[str]
    history: list[Happened]
    instructions: list[Sent] | None
    """None = not to be had where this was read."""
    broken: str | None
    """The first bad journal entry; then everything is of what stands before it."""


class Leaf(Struct, frozen=True, kw_only=True):
    """A leaf with its times in words."""

    name: str
    value: str
    why: str
    evidence: list[str]
    """``source/event_id (how it stands)``"""
    happened_until: str | None
    arrived_until: str | None


class Waits(Struct, frozen=True, kw_only=True):
    """Why one claim is where it is."""

    explained: Explanation
    leaves: list[Leaf]


class Explained(Struct, frozen=True, kw_only=True):
    """Every claim that was asked for, at one tick time."""

    chain_id: str
    at: str
    claims: list[Waits]
    broken: str | None


def told(folded: Folded, settlement: str) -> Explanation:
    """A claim as it stands at the last tick that the journal has."""
    return _now(folded, [settlement], folded.state.taken_at)[0].explained


def _now(folded: Folded, settlements: Sequence[str], at: int) -> list[ClaimNow]:
    every = explained(folded.state.book, folded.state.twin, at, folded.known)
    found = {one.explained.settlement_id: one for one in every}
    for one in settlements:
        if one not in found:
            why = f", which is broken: {folded.broken}" if folded.broken else ""
            raise UsageError(f"the journal of its chain does not have claim {one}{why}")
    return [found[one] for one in settlements]


def show(folded: Folded, one: Listed, sent: list[Sent] | None) -> Shown:
    """The claim as its chain's journal has it."""
    book, settlement = folded.state.book, one.settlement_id
    now = told(folded, settlement)
    claim = book.claims[settlement]
    case = case_of(book, claim, folded.state.taken_at)
    terms = case.terms
    return Shown(
        claim=one,
        explained=now,
        buyer=f"{terms.buyer.name} ({terms.buyer.org_id}), {terms.buyer.account}",
        seller=f"{terms.seller.name} ({terms.seller.org_id}), {terms.seller.account}",
        deadline=iso(case.promise.deadline) or "",
        close=iso(case.close) or "",
        long_stop=iso(terms.long_stop) or "",
        attempt=claim.attempt,
        accounts=balances_of(claim.accounts),
        bookings={
            key: {"attempt": b.attempt, "amount_minor": b.amount_minor, "currency": b.currency}
            for key, b in sorted(claim.bookings.items())
        },
        returns=dict(sorted(claim.returns.items())),
        against=dict(sorted(claim.standing.items())),
        cleared=sorted(claim.cleared),
        history=list(_history(folded, one)),
        instructions=sent,
        broken=folded.broken,
    )


def _history(folded: Folded, one: Listed) -> Iterator[Happened]:
    causes = {event.cause_seq for event in map(_decided, folded.past) if event is not None}
    for past in folded.past:
        entry = past.entry
        at = iso(entry.taken_at) or ""
        event = _decided(past)
        if event is not None and event.settlement_id == one.settlement_id:
            what = f"{event.from_state} -> {event.to_state} (row {event.row}): {event.reason}"
            yield Happened(seq=entry.seq, kind=entry.kind, at=at, what=what, transition=event)
        message = None if past.item is None else past.item.message
        if isinstance(message, Contract | Receipt | Review) and _is_about(message, one):
            yield Happened(
                seq=entry.seq,
                kind=entry.kind,
                at=at,
                what=_said(message),
                by=message.source,
                record=_record(message),
                moved=entry.seq in causes,
            )


def _decided(past: Replayed) -> SettlementEvent | None:
    if past.entry.kind != "DECISION":
        return None
    event = codec.decode(SETTLEMENT_EVENTS, past.entry.body).message
    return event if isinstance(event, SettlementEvent) else None


def _is_about(message: Contract | Receipt | Review, one: Listed) -> bool:
    if isinstance(message, Contract):
        return message.contract_id == one.contract_id
    return message.settlement_id in (one.settlement_id, EVERY)


def _said(message: Contract | Receipt | Review) -> str:
    match message:
        case Contract():
            return f"contract {message.contract_id} version {message.version}"
        case Receipt():
            reason = "" if message.rail_reason is None else f" ({message.rail_reason})"
            return f"rail: {message.kind} {message.rail_status}{reason}"
        case Review():
            return f"{message.verdict} by {message.reviewer} ({message.role}): {message.reason}"


def _record(message: Contract | Receipt | Review) -> dict[str, Any]:
    """What it says; of a contract not the terms, which have their hash."""
    left_out = ("terms", "signatures")
    fields = ((name, getattr(message, name)) for name in message.__struct_fields__)
    return {name: value for name, value in fields if name not in left_out}


def explain(chain_id: str, folded: Folded, wanted: Sequence[Listed], at: int | None) -> Explained:
    """Why these claims are where they are; `at` = another tick time than the journal's last, us."""
    moment = folded.state.taken_at if at is None else at
    settlements = [one.settlement_id for one in wanted]
    return Explained(
        chain_id=chain_id,
        at=iso(moment) or "",
        claims=[_waits(one) for one in _now(folded, settlements, moment)],
        broken=folded.broken,
    )


def _waits(now: ClaimNow) -> Waits:
    return Waits(explained=now.explained, leaves=[_leaf(one) for one in now.leaves])


def _leaf(one: LeafNow) -> Leaf:
    return Leaf(
        name=one.name,
        value=one.value,
        why=one.why,
        evidence=[f"{fact.id} ({fact.stands})" for fact in one.evidence],
        happened_until=iso(one.happened_until),
        arrived_until=iso(one.arrived_until),
    )
