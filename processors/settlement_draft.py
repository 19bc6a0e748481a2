"""A claim in transition, and what an effect can do to it.

It can change the claim, move money in its mirror, send an instruction and raise an alarm.
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import postings
from supplytwin.processors.settlement_agreement import Agreement
from supplytwin.processors.settlement_state import Alarm, Cause, Claim, Order
from supplytwin.schemas.ids import Micros, uetr
from supplytwin.schemas.money import exponent
from supplytwin.schemas.records import Receipt, Review


class Act(Agreement, frozen=True, kw_only=True, gc=False):
    """What an effect may read: the transition being taken, its record, and its cause."""

    to_state: str
    at: int
    evidence_ids: tuple[str, ...]
    verdict: str | None
    due_minor: int
    """The amount that the record names: what is due where a row fixes it."""
    gross_minor: int | None
    """That before adjustments; None = the terms have none."""
    adjusted_bp: int | None
    measure: str | None
    """See `Claim.measure`."""
    cause: Cause | None
    refused: frozenset[str]
    """See `Book.refused`."""
    frozen: frozenset[str]
    """Ids of the freezes that other claims put on this one."""
    succeeded: bool
    """The terms that were agreed last name the claim, too."""

    @property
    def receipt(self) -> Receipt:
        """The cause, which is a receipt for every row with an event of the rail."""
        assert isinstance(self.cause, Receipt)
        return self.cause

    @property
    def review(self) -> Review:
        """The cause, which is a review for every act of a person."""
        assert isinstance(self.cause, Review)
        return self.cause

    @property
    def amount_minor(self) -> int:
        """The amount that the receipt names; its guards have looked that it names one."""
        assert self.receipt.amount_minor is not None
        return self.receipt.amount_minor


class Draft(Struct, frozen=True, kw_only=True, gc=False):
    """A claim in transition, with what goes out."""

    claim: Claim
    postings: tuple[str, ...] = ()
    orders: tuple[Order, ...] = ()
    alarms: tuple[Alarm, ...] = ()


def change(draft: Draft, **changes: Any) -> Draft:
    """The draft with fields of its claim changed."""
    return replace(draft, claim=replace(draft.claim, **changes))


def move(draft: Draft, source: str, target: str, amount_minor: int) -> Draft:
    """The draft after one posting; an amount of 0 posts nothing."""
    if amount_minor == 0:
        return draft
    draft = change(
        draft, accounts=postings.move(draft.claim.accounts, source, target, amount_minor)
    )
    lines = postings.entries(source, target, amount_minor)
    return replace(draft, postings=draft.postings + lines)


def alarm(draft: Draft, code: str, reason: str) -> Draft:
    """The draft with one more alarm."""
    raised = Alarm(code=code, settlement_id=draft.claim.settlement_id, reason=reason)
    return replace(draft, alarms=(*draft.alarms, raised))


def instruction_id(settlement: str, number: int) -> str:
    """Of the `number`-th instruction of a settlement: for ever the same, at most 35 characters."""
    return f"{settlement[:28]}-{number}"


def order(draft: Draft, act: Act, kind: str, amount_minor: int) -> tuple[Draft, Order]:
    """The next instruction to the rail."""
    claim = draft.claim
    number = claim.instruction_no + 1
    day = act.execution(act.at) if kind == "PAY" else None
    sent = Order(
        instruction_id=instruction_id(claim.settlement_id, number),
        instruction_no=number,
        settlement_id=claim.settlement_id,
        contract_id=act.contract_id,
        tranche_id=claim.tranche_id,
        claim_id=claim.claim_id,
        kind=kind,
        attempt=claim.attempt,
        hold_no=claim.hold_no,
        recall_no=claim.recall_no,
        query_no=claim.query_no,
        amount_minor=amount_minor,
        currency=claim.currency,
        exponent=exponent(claim.currency),
        debtor=act.debtor,
        creditor=act.creditor,
        hold_until=Micros(act.long_stop + act.status_sla_us),
        end_to_end_id=claim.settlement_id,
        uetr=uetr(claim.settlement_id, claim.attempt),
        execution_date=None if day is None else day.date,
        calendar=None if day is None else f"{day.calendar_id}@{day.calendar_version}",
        terms_hash=act.terms.terms_hash,
    )
    return replace(change(draft, instruction_no=number), orders=(*draft.orders, sent)), sent


def again(draft: Draft, sent: Order | None) -> Draft:
    """The identical instruction once more: same id, same number."""
    return draft if sent is None else replace(draft, orders=(*draft.orders, sent))
