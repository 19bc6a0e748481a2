"""One random life of a contract, given to both readings of the state table at once.

The second reading (`settlement_machine_*`) takes its own inputs; the fold takes the same as
contracts, receipts, reviews and cuts. What a cut is to find is put in where the fold asks for its
condition. After every input both have to say the same: rows, instructions, refusals, claims.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

from settlement_machine_claim import Claim as Second
from settlement_machine_words import (
    ABSORBING,
    AmendmentAccepted,
    ClaimTerms,
    ContractAgreed,
    CourtOrder,
    Cut,
    HoldConfirmed,
    HoldLost,
    HoldRefused,
    HoldRenewed,
    Input,
    MutualCancel,
    Refused,
    Released,
    ReleaseFailed,
    Taken,
    Verdict,
)
from settlement_machine_world import World
from settlement_walk_records import T0, Records, named
from settlement_walk_restores import Journal, content_hash, history, thawed
from settlement_walk_told import Told

from supplytwin.processors import settlement
from supplytwin.processors import twin as twins
from supplytwin.processors.settlement_state import Book, Claim, Order, Outcome, Transition
from supplytwin.schemas import terms
from supplytwin.schemas.records import Contract, Receipt, Review

ORIGINS = {
    **dict.fromkeys(("RISK", "ADVERSE", "RECON", "FREEZE"), "RISK"),
    "FALSE": "FALSE", "REVIVABLE": "REVIVABLE", "RAIL": "RAIL", "": None,
}  # fmt: skip
"""The second reading tells why row 12 holds a claim, the fold that it does."""
OF_THE_RAIL = {"REJECTED": "RAIL", "RECON": "RAIL"}
REFUSALS = {
    "ILLEGAL": "illegal",
    "CONFLICT": "illegal",
    "STALE": "stale",
    "DUPLICATE": "stale",
    "NOTED": "counted",
}
ONCE = ("CREATED", "RESERVED", "MATCHED", "HELD", "DISPUTED")
AS_CONFIRMED = ("RESERVED", "MATCHED", "APPROVED", "INSTRUCTED", "ACCEPTED", "IN_DOUBT",
                "CANCEL_PENDING", "HELD", "DISPUTED")  # fmt: skip


ABOUT_HOLDS = (HoldConfirmed, HoldRefused, HoldRenewed, HoldLost, Released, ReleaseFailed)
LEFT_OUT = {
    "older tick": "the engine takes none: it never reaches the fold",
    "another claim": "a successor with another id: in the fold its id is that of what it replaces",
}
"""Inputs that are given to neither, and why."""
ALIKE = {
    "same record": "the fold knows it by its id before it asks the table",
    "contract has ended": "a further cancel or order: refused by both, by other names",
    "no hold": "an answer about a hold to a claim that asked for none: one says illegal, one stale",
    "nothing replaceable": "the fold takes the terms, and all its claims stay as they are",
}
"""Where neither moves anything, and only the name of the refusal differs."""


class Life(World):
    """Terms as the fold accepts them: it wants the cap to be the sum, and no close after the long
    stop.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        own = self.machine.terms
        self.terms = replace(own, cap=10_000, long_stop=max(own.long_stop, 200))
        self.machine.terms = self.terms


class Both(Records):
    """A contract in both readings. `step` gives the differences after one more input.

    Now and then the fold goes on with a book that was read back, from the journal or from a
    snapshot of its state.
    """

    def __init__(self, seed: int, told: Told) -> None:
        super().__init__(Life(seed))
        self.told, told.of = told, {}
        self.journal = Journal()
        self.chance = random.Random(f"restores of {seed}")
        self.rows: Counter[tuple[int, str, str]] = Counter()

    def step(self) -> tuple[Input, list[str]]:
        """Gives the next input to both; returns it and every difference, in words."""
        machine = self.world.machine
        said = self.world.next_input()
        if self._left_out(said) is not None:
            return said, []
        inputs = self._of_version(said) if isinstance(said, AmendmentAccepted) else [said]
        ready = self._record(inputs[0])
        answer = [one for given in inputs for one in machine.take(given)]
        cut = isinstance(said, Cut)
        outcome, moved = self._cut(said) if cut else self._taken(said, ready)
        for one in moved:
            self.rows[one.row, one.from_state, one.to_state] += 1
        found = [*self._differing(said, answer, outcome, moved), *self._apart()]
        return said, [*found, *self._restored()]

    def _restored(self) -> list[str]:
        """One time in ten the book is read back, and what comes back is used."""
        how = self.chance.choice(("journal", "snapshot", *("",) * 18))
        if not how:
            return []
        back = self.journal.book() if how == "journal" else thawed(self.book)
        found = [] if history(back) == history(self.book) else [f"restored from its {how}"]
        self.book = back
        return found

    def _left_out(self, said: Input) -> str | None:
        """Under which name of LEFT_OUT the input falls."""
        machine = self.world.machine
        match said:
            case Cut() if said.tick <= machine.tick:
                return "older tick"
            case AmendmentAccepted():
                known = said.replaces in machine.claims
                return "another claim" if not known or said.successor.id != said.replaces else None
        return None

    # -- to the fold -------------------------------------------------------------------------

    def _of_version(self, said: AmendmentAccepted) -> list[Input]:
        """The fold amends by versions: every claim that may be replaced is, by itself if it is not
        the one in question; that one is asked for at last when it may not be.
        """
        machine = self.world.machine
        open_ = [
            name
            for name, claim in machine.claims.items()
            if claim.state in ONCE and not claim.attempts_sent and claim.basis == "CONDITION"
        ]
        rest: list[Input] = [
            said
            if one == said.replaces
            else AmendmentAccepted(one, machine.claims[one].terms, said.funding)
            for one in open_
        ]
        return rest if said in rest else [*rest, said]

    def _cut(self, said: Cut) -> tuple[str, tuple[Transition, ...]]:
        self.told.of = {name: said.verdicts.get(name, Verdict()) for name in self.cases_of()}
        self.book, moved = settlement.cut(self.book, twins.EMPTY, self.now)
        self.journal.add(None, moved)
        return "TAKEN", moved

    def cases_of(self) -> list[str]:
        """The claims of the contract."""
        return list(self.world.machine.claims)

    def _taken(self, said: Input, ready: list[Any]) -> tuple[str, tuple[Transition, ...]]:
        if isinstance(said, ContractAgreed):
            ready = [self._contract(list(self.world.machine.terms.claims), 1)]
        elif isinstance(said, AmendmentAccepted):
            version = 1 if self.book.terms is None else self.book.terms.version + 1
            amended = [self._amended(claim, said) for claim in self._claims()]
            ready = [self._contract(amended, version)]
        moved: list[Transition] = []
        outcome = "TAKEN"
        for record in ready:
            got = self._give(record)
            self.book = got.book
            if got.verdict != "DUPLICATE":
                self.journal.add(record, got.transitions)
            moved += got.transitions
            outcome = got.verdict
        return outcome, tuple(moved)

    def _amended(self, claim: Second, said: AmendmentAccepted) -> ClaimTerms:
        """What the new version says of a claim: for one that may not be replaced, too, other terms
        (of its amount, so that the version stays within the cap).
        """
        if claim.terms.id != said.replaces or claim.terms == said.successor:
            return claim.terms
        return replace(said.successor, max_minor=claim.terms.max_minor)

    def _claims(self) -> list[Second]:
        return list(self.world.machine.claims.values())

    def _give(self, record: Contract | Receipt | Review) -> Outcome:
        content = content_hash(record)
        match record:
            case Contract():
                return settlement.agree(self.book, record, content, self.now)
            case Receipt():
                return settlement.receipt(self.book, record, content, self.now)
            case Review():
                return settlement.review(self.book, twins.EMPTY, record, content, self.now)

    # -- what both say -----------------------------------------------------------------------

    def _differing(
        self,
        said: Input,
        answer: list[Taken | Refused],
        outcome: str,
        moved: tuple[Transition, ...],
    ) -> list[str]:
        taken = [one for one in answer if isinstance(one, Taken)]
        refused = sorted({one.kind for one in answer if isinstance(one, Refused)})
        found: list[str] = []
        for name in self.cases_of():
            here = [(one.row, one.source or "NONE", one.target) for one in taken
                    if one.claim == name]  # fmt: skip
            there = [(one.row, one.from_state, one.to_state) for one in moved
                     if one.claim_id == name]  # fmt: skip
            if here != there:
                found.append(f"rows {here} {there}")
            sent = [(order.kind, order.no, order.minor) for one in taken if one.claim == name
                    for order in one.instructions]  # fmt: skip
            gone = [spelled(order) for one in moved if one.claim_id == name
                    for order in one.instructions]  # fmt: skip
            if sent != gone:
                found.append(f"instructions {sent} {gone}")
        told = [REFUSALS[outcome]] if not moved and outcome in REFUSALS else []
        if (
            not taken
            and not moved
            and refused != told
            and not self._alike(said, refused, told, outcome)
        ):
            found.append(f"refusal {refused or ['nothing']} {told or ['nothing']}")
        return found

    def _alike(self, said: Input, refused: list[str], told: list[str], outcome: str) -> bool:
        """Whether both have refused, and only by the names that ALIKE tells of."""
        if outcome == "DUPLICATE" or isinstance(said, MutualCancel | CourtOrder):
            return True
        if isinstance(said, AmendmentAccepted):
            return refused == ["illegal"]
        claim = self.world.machine.claims.get(getattr(said, "claim", ""))
        unheld = claim is not None and claim.hold_no == 0 and isinstance(said, ABOUT_HOLDS)
        return unheld and {*refused, *told} <= {"illegal", "stale"}

    def _apart(self) -> list[str]:
        """Where the claims are not alike."""
        found = []
        machine = self.world.machine
        for name, second in machine.claims.items():
            claim = self.book.claims.get(named(name))
            if claim is None:
                found.append("claim unknown to the fold")
                continue
            own, other = second_view(second), view(claim, self.book)
            found += [f"{key} {own[key]} {other[key]}" for key in own if own[key] != other[key]]
        states = (machine.status, self.book.contract_state or "DRAFT")
        if states[0] != states[1]:
            found.append(f"contract {states[0]} {states[1]}")
        return found


def spelled(order: Order) -> tuple[str, int, int]:
    """(kind, number, minor units of a PAY) of an instruction."""
    number = {
        "RESERVE": order.hold_no, "RELEASE": order.hold_no, "PAY": order.attempt,
        "RECALL": order.recall_no, "QUERY": order.query_no,
    }[order.kind]  # fmt: skip
    return order.kind, number, order.amount_minor if order.kind == "PAY" else 0


def second_view(claim: Second) -> dict[str, object]:
    """What is compared, of the second reading."""
    over, live = claim.state in ABSORBING, claim.hold == "live"
    created = claim.state == "CREATED"
    expires = claim.hold_expires if live and not over and claim.hold_no else None
    return {
        "state": claim.state,
        "accounts": (claim.buyer, claim.reserved, claim.in_flight, claim.seller),
        "attempt": claim.attempt,
        "hold": None if over or not claim.hold_no else (claim.hold_no, live, expires),
        "releases": sorted(claim.releasing),
        "recall": (claim.recall_no, claim.recall_refused) if not over else claim.recall_no,
        "basis": (claim.basis, claim.award),
        "origin": ORIGINS[claim.origin],
        "close": None if over else (claim.close(), claim.funded_by() if created else None),
        "window": claim.window_end if claim.state in ("MATCHED", "APPROVED") else None,
        "disputed": claim.dispute_since if disputed(claim.state, claim.basis) else None,
    }


def view(claim: Claim, book: Book) -> dict[str, object]:
    """What is compared, of the fold."""
    terms_ = book.terms_of(claim)
    over, money = claim.state in ABSORBING, claim.accounts
    live, expires = claim.hold_live, claim.hold_expires
    expires = None if over or not live or expires is None else expires - T0
    origin = OF_THE_RAIL.get(claim.origin or "", claim.origin)
    end = claim.window_end
    refused = claim.refused_attempt == claim.attempt
    close = terms_.close(book.promises[claim.settlement_id])
    due = close if claim.funding_due is None else claim.funding_due
    return {
        "state": claim.state,
        "accounts": (money.buyer, money.reserved, money.in_flight, money.seller),
        "attempt": claim.attempt,
        "hold": None
        if over or terms_.funding_mode == terms.COMMITMENT
        else (claim.hold_no, live, expires),
        "releases": sorted(no for no, one in claim.releases.items() if one.open),
        "recall": (claim.recall_no, refused) if not over else claim.recall_no,
        "basis": (claim.basis, claim.due_minor if claim.basis == "AWARD" else 0),
        "origin": origin if claim.state == "HELD" else None,
        "close": None if over else (close - T0, due - T0 if claim.state == "CREATED" else None),
        "window": end - T0 if end and claim.state in ("MATCHED", "APPROVED") else None,
        "disputed": claim.disputed_at - T0 if disputed(claim.state, claim.basis) else None,
    }


def disputed(state: str, basis: str) -> bool:
    """Whether a dispute is open that nobody has decided."""
    return state == "DISPUTED" and basis == "CONDITION"
