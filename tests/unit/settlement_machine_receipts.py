"""The second reading, part one: what the answers of the rail do, one function for each answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from settlement_machine_claim import Claim, Step
from settlement_machine_words import (
    ABSORBING,
    BEFORE,
    LIVE,
    PAID,
    PAYING,
    PRE,
    Booked,
    HoldConfirmed,
    HoldLost,
    HoldRefused,
    HoldRenewed,
    NoOriginal,
    NotFound,
    Pending,
    RecallDone,
    RecallRefused,
    Refused,
    Rejected,
    Released,
    ReleaseFailed,
    Returned,
    Taken,
    Terms,
)

Answer = list[Taken | Refused]
DEFINITIVE = (22, 23, 24, 25, 29, 44, 47)  # the rows that row 27 points to


def waits_for(claim: Claim, hold_no: int) -> bool:
    """Whether that hold is the last one that was asked for, and the claim has ended since."""
    return claim.state in ABSORBING and hold_no == claim.hold_no


class Receipts:
    """A contract with its claims; takes the answers of the rail."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.status = "DRAFT"  # ACTIVE, COMPLETED, TERMINATED
        self.version = 0
        self.tick = 0
        self.claims: dict[str, Claim] = {}
        self.superseded: list[Claim] = []
        self.rows: Counter[int] = Counter()

    # -- plumbing ----------------------------------------------------------------------------

    def step(self, claim: Claim, row: int) -> Step:
        """Begins one row; row 27 is counted with the row that it points to."""
        self.rows[row] += 1
        if claim.state == "IN_DOUBT" and row in DEFINITIVE:
            self.rows[27] += 1
        return Step(self.terms, claim, row, self.tick)

    def illegal(self, claim: Claim, reason: str) -> Answer:
        """No such pair, or a guard failed: recorded, counted, alarmed."""
        return [Refused(claim.terms.id, "illegal", f"{claim.state}: {reason}")]

    def stale(self, claim: Claim, reason: str) -> Answer:
        """Row 36."""
        self.rows[36] += 1
        return [Refused(claim.terms.id, "stale", f"{claim.state}: {reason}")]

    def over(self) -> bool:
        """Whether a rejected payment ends its claim instead of holding it."""
        return self.status == "TERMINATED" or self.tick > self.terms.long_stop

    # -- residuals ---------------------------------------------------------------------------

    def awaits(self, claim: Claim) -> bool:
        """Whether it is the rest of claims that have not ended."""
        ended = (one.state in ABSORBING for one in self.claims.values() if not one.terms.rest)
        return claim.terms.rest and not all(ended)

    def look(self, claim: Claim) -> None:
        """What is known of the claim now. A residual waits for the others; it is all that is kept
        for it, because they cannot be paid more than is kept for them.
        """
        now = claim.told
        ends = {one.state for one in self.claims.values() if not one.terms.rest}
        if not claim.terms.rest:
            claim.verdict = now
        elif ends.intersection(ABSORBING) - {"SETTLED", "CLOSED"}:
            claim.verdict = replace(now, value="FALSE", due_minor=0, whole=True, known_minor=0)
        elif self.awaits(claim):
            value = "FALSE" if now.value == "FALSE" else "UNKNOWN"
            claim.verdict = replace(now, value=value, due_minor=0, whole=True, known_minor=0)
        else:
            claim.verdict = replace(now, due_minor=claim.terms.max_minor, known_minor=0)

    # -- holds -------------------------------------------------------------------------------

    def hold_confirmed(self, claim: Claim, said: HoldConfirmed) -> Answer:
        """Rows 2, 38, 39, 41."""
        how = claim.holds.get(said.hold_no)
        unasked = claim.hold_no == 0 and self.terms.funding != "COMMITMENT_ONLY"
        if how is None and unasked and said.hold_no == 1:
            return self._unasked_hold(claim)
        if how is None:
            return self._no_hold(claim, said.hold_no)
        if said.hold_no in claim.confirmed:
            return self.stale(claim, "hold already confirmed")
        waits = claim.hold == "asked" and said.hold_no == claim.hold_no
        if claim.state in ("CREATED", "HELD", "DISPUTED") and waits:
            claim.confirmed.add(said.hold_no)
            fits = (
                how == "asked"
                and said.ccy == self.terms.currency
                and said.amount >= claim.need()
                and said.expires > self.tick
                and (said.expires > claim.closes_so_far() or self.terms.auto_renew)
            )
            if not fits:
                return self._unfit_hold(claim, said.hold_no)
            claim.holds[said.hold_no] = "live"
            step = self.step(claim, 2 if claim.state == "CREATED" else 41)
            step.take_hold(said.amount, said.expires)
            return [step.to("RESERVED" if claim.state == "CREATED" else claim.state)]
        if how in ("released", "refused") and waits_for(claim, said.hold_no):
            claim.confirmed.add(said.hold_no)
            step = self.step(claim, 39)
            step.release(said.hold_no)
            return [step.to(claim.state)]
        return self.stale(claim, f"hold already {how}")

    def _unasked_hold(self, claim: Claim) -> Answer:
        """Row 39 for a claim that was closed without a RESERVE: nothing of it may stay."""
        claim.confirmed.add(1)
        step = self.step(claim, 39)
        step.release(1)
        return [step.to(claim.state)]

    def _no_hold(self, claim: Claim, hold_no: int) -> Answer:
        """A number that was never asked for: older than the first one, or of nobody."""
        if hold_no < claim.hold_no:
            return self.stale(claim, "an older hold")
        return self.illegal(claim, "no such hold was asked")

    def _unfit_hold(self, claim: Claim, hold_no: int) -> Answer:
        """Row 38; row 41 for HELD and DISPUTED."""
        created = claim.state == "CREATED"
        step = self.step(claim, 38 if created else 41)
        step.release(hold_no)
        step.alarm("HOLD_UNFIT")
        if not created:
            claim.funding_due = None
        if not created or self.tick <= claim.funded_by():
            step.ask_hold()
        else:
            claim.hold = "none"
        return [step.to(claim.state)]

    def hold_refused(self, claim: Claim, said: HoldRefused) -> Answer:
        """Row 3."""
        how = claim.holds.get(said.hold_no)
        if how is None:
            return self._no_hold(claim, said.hold_no)
        if claim.state == "CREATED" and claim.hold == "asked" and said.hold_no == claim.hold_no:
            step = self.step(claim, 3)
            claim.holds[said.hold_no], claim.hold = "refused", "none"
            return [step.to("VOIDED")]
        if how != "asked":
            return self.stale(claim, f"hold already {how}")
        return self.illegal(claim, "only a claim in CREATED ends with its hold")

    def hold_renewed(self, claim: Claim, said: HoldRenewed) -> Answer:
        """Row 5."""
        how = claim.holds.get(said.hold_no)
        if how is None:
            return self._no_hold(claim, said.hold_no)
        if how not in ("asked", "live"):
            return self.stale(claim, f"hold already {how}")
        if how == "asked":
            return self.illegal(claim, "the hold is not confirmed")
        step = self.step(claim, 5)
        claim.hold_expires = said.expires
        return [step.to(claim.state)]

    def hold_lost(self, claim: Claim, said: HoldLost) -> Answer:
        """Rows 6, 40, 41."""
        how = claim.holds.get(said.hold_no)
        if how is None:
            return self._no_hold(claim, said.hold_no)
        if how not in ("asked", "live"):
            return self.stale(claim, f"hold already {how}")
        if claim.state == "CREATED":
            claim.holds[said.hold_no] = "lost"
            claim.had_loss = True
            return self.illegal(claim, "lost before it was confirmed: noted for row 2")
        if claim.state in PAYING:
            step = self.step(claim, 40)
            claim.holds[said.hold_no], claim.hold = "lost", "lost"
            claim.had_loss = True
            return [step.to(claim.state)]
        step = self.step(claim, 6 if claim.state in PRE else 41)
        step.lose_hold()
        created = "DISPUTED" if claim.basis == "AWARD" else "CREATED"
        return [step.to(created if claim.state in PRE else claim.state)]

    def release_answered(self, claim: Claim, said: Released | ReleaseFailed) -> Answer:
        """Row 42."""
        if said.hold_no in claim.releasing:
            step = self.step(claim, 42)
            if isinstance(said, Released):
                del claim.releasing[said.hold_no]
                claim.released.add(said.hold_no)
            else:
                step.release(said.hold_no)
                step.alarm("RELEASE_FAILED")
            return [step.to(claim.state)]
        if said.hold_no in claim.released or said.hold_no < claim.hold_no:
            return self.stale(claim, "already released")
        return self.illegal(claim, "no release of that hold was asked")

    # -- payments ----------------------------------------------------------------------------

    def not_running(self, claim: Claim, attempt: int) -> Answer | None:
        """What is said of an answer that is not about the running attempt."""
        if attempt not in claim.attempts_sent:
            return self.illegal(claim, "no such attempt was sent")
        if attempt < claim.attempt or claim.state not in PAYING:
            return self.stale(claim, "that attempt is over")
        if claim.recon_open:
            return self.illegal(claim, "a wrong booking is unresolved: no retry, recall or refund")
        return None

    def pending(self, claim: Claim, said: Pending) -> Answer:
        """Row 22."""
        refused = self.not_running(claim, said.attempt)
        if refused is not None:
            return refused
        if claim.state == "ACCEPTED":
            return self.stale(claim, "already accepted")
        if claim.state == "CANCEL_PENDING":
            return self.stale(claim, "a recall is under way")
        step = self.step(claim, 22)
        claim.since = self.tick
        return [step.to("ACCEPTED")]

    def rejected(self, claim: Claim, said: Rejected) -> Answer:
        """Rows 24, 25, 45, 53."""
        if claim.state in PAID and not 1 <= said.attempt < claim.attempt:
            step = self.step(claim, 53)
            step.alarm("RECON_BREAK")
            return [step.to(claim.state)]
        refused = self.not_running(claim, said.attempt)
        if refused is not None:
            return refused
        retry = (
            claim.state in LIVE
            and said.retryable
            and not claim.recall_refused
            and said.attempt < self.terms.attempts_max
            and claim.hold_reaches(self.tick)
            and self.status == "ACTIVE"
            and not self.over()
        )
        if retry:
            step = self.step(claim, 24)
            step.post("in_flight", "reserved", claim.in_flight)
            step.next_attempt()
            return [step.to("APPROVED")]
        step = self.step(claim, 25 if claim.state in LIVE else 45)
        return [self._after_reject(step)]

    def _after_reject(self, step: Step) -> Taken:
        """The effect of row 25: nothing more is sent for this attempt."""
        claim = step.claim
        step.next_attempt()
        if self.over():
            step.refund()
            return step.to("VOIDED")
        if claim.hold == "lost":
            step.post("in_flight", "buyer", claim.in_flight)
            step.lose_hold()
        else:
            step.post("in_flight", "reserved", claim.in_flight)
        claim.origin = "RAIL"
        return step.to("HELD")

    def not_found(self, claim: Claim, said: NotFound) -> Answer:
        """Row 44."""
        refused = self.not_running(claim, said.attempt)
        if refused is not None:
            return refused
        if claim.state not in ("INSTRUCTED", "IN_DOUBT"):
            return self.illegal(claim, "the bank had accepted it, or a recall is under way")
        step = self.step(claim, 44)
        if claim.recall_refused:
            step.recall()
            return [step.to("CANCEL_PENDING")]
        claim.since = self.tick
        step.say("PAY", claim.attempt, claim.attempts_sent[claim.attempt])
        return [step.to("INSTRUCTED")]

    def booked(self, claim: Claim, said: Booked) -> Answer:
        """Rows 23, 48, 49, 50, 53."""
        if said.entry_id in claim.bookings:
            return self.stale(claim, "entry already applied")
        claim.bookings[said.entry_id] = (said.attempt, said.amount, said.ccy)
        own = said.ccy == self.terms.currency
        if claim.state in PAID:
            return self._booked_again(claim, said)
        if claim.state in PAYING:
            wrong = claim.recon_open or not own
            if wrong or said.amount != claim.attempts_sent[claim.attempt]:
                return self._wrong_booking(claim)
            step = self.step(claim, 23)
            step.pay_seller(said.amount, release=said.attempt < claim.attempt)
            self._take_off(step)
            return [step.to(step.settled_state())]
        if claim.state in BEFORE:
            if not own or said.amount <= 0:
                return self.recon_break(claim, f"entry {said.entry_id}")
            step = self.step(claim, 48)
            step.alarm("RECON_BREAK")
            step.pay_seller(said.amount, release=True)
            self._take_off(step)
            return [step.to(step.settled_state())]
        return self._follow_the_rail(claim, counts=own and said.amount > 0)

    def _take_off(self, step: Step) -> None:
        """Returns that came before the booking: they are facts, whenever they were told."""
        own = self.terms.currency
        back = sum(minor for minor, ccy in step.claim.returns.values() if ccy == own)
        step.give_back(min(back, step.claim.settled))

    def _booked_again(self, claim: Claim, said: Booked) -> Answer:
        """SETTLED or RETURNED: the booking that a return announced, or row 53."""
        own = said.ccy == self.terms.currency
        if own and said.amount == claim.unbooked:
            claim.unbooked = None
            return self.stale(claim, "the return that came first has applied it")
        step = self.step(claim, 53)
        step.alarm("RECON_BREAK")
        step.alarm("OVERPAID")
        if own and said.amount > 0:
            step.post("buyer", "seller", said.amount)
            claim.settled += said.amount
        return [step.to(claim.state)]

    def _wrong_booking(self, claim: Claim) -> Answer:
        """Row 50."""
        step = self.step(claim, 50)
        claim.recon_open = True
        claim.since = self.tick
        step.alarm("RECON_BREAK")
        return [step.to("IN_DOUBT")]

    def _follow_the_rail(self, claim: Claim, *, counts: bool) -> Answer:
        """Row 49: after an end without payment the seller has what the rail says, never less
        than nothing.
        """
        if claim.state == "CLOSED" or not counts:
            return self.illegal(claim, "recorded; nothing to post")
        step = self.step(claim, 49)
        step.alarm("RECON_BREAK")
        step.alarm("CLAIM")
        own = self.terms.currency
        paid = sum(minor for _, minor, ccy in claim.bookings.values() if ccy == own)
        back = sum(minor for minor, ccy in claim.returns.values() if ccy == own)
        wanted = max(0, paid - back)
        step.post("buyer", "seller", max(0, wanted - claim.seller))
        step.post("seller", "buyer", max(0, claim.seller - wanted))
        return [step.to(claim.state)]

    def returned(self, claim: Claim, said: Returned) -> Answer:
        """Rows 31, 47, 48, 49."""
        if said.return_id in claim.returns:
            return self.stale(claim, "return already applied")
        if said.amount <= 0:
            return self.illegal(claim, "nothing returned")
        own = said.ccy == self.terms.currency
        claim.returns[said.return_id] = (said.amount, said.ccy)
        if claim.state in PAID and not (own and claim.returned + said.amount <= claim.settled):
            return self.illegal(claim, "more returned than was settled, or in another currency")
        if claim.state in PAID:
            step = self.step(claim, 31)
            step.give_back(said.amount)
            back = claim.state == "RETURNED"
            return [step.to("RETURNED" if back else step.settled_state())]
        if claim.state in PAYING:
            if claim.recon_open or not own or said.amount > claim.in_flight:
                return self._wrong_booking(claim)
            step = self.step(claim, 47)
            claim.unbooked = claim.in_flight
            step.pay_seller(claim.in_flight, release=False)
            step.give_back(said.amount)
            return [step.to(step.settled_state())]
        if claim.state in BEFORE:
            if not own:
                return self.recon_break(claim, f"return {said.return_id}")
            step = self.step(claim, 48)
            step.alarm("RECON_BREAK")
            sent = claim.attempts_sent.get(max(claim.attempts_sent, default=0), 0)
            claim.unbooked = max(sent, said.amount)
            step.pay_seller(claim.unbooked, release=True)
            step.give_back(said.amount)
            return [step.to(step.settled_state())]
        return self._follow_the_rail(claim, counts=own)

    def recon_break(self, claim: Claim, id_: str) -> Answer:
        """A break that stands until a review clears it: row 12 from PRE, elsewhere noted (54)."""
        claim.standing[id_] = ("RECON", "")
        if claim.state in PRE:
            step = self.step(claim, 12)
            claim.origin = "RECON"
            step.alarm("RECON_BREAK")
            return [step.to("HELD")]
        if claim.state in (*BEFORE, "CANCEL_PENDING"):
            step = self.step(claim, 54)
            step.alarm("RECON_BREAK")
            return [step.to(claim.state)]
        return self.illegal(claim, "noted: it holds the claim if it comes back to row 12")

    # -- recalls -----------------------------------------------------------------------------

    def recall_done(self, claim: Claim, said: RecallDone) -> Answer:
        """Rows 29, 53."""
        if claim.state in PAID and not 1 <= said.attempt < claim.attempt:
            return self._after_payment(claim)
        refused = self.not_running(claim, said.attempt)
        if refused is not None:
            return refused
        step = self.step(claim, 29)
        step.refund()
        return [step.to("VOIDED")]

    def recall_refused(self, claim: Claim, said: RecallRefused | NoOriginal) -> Answer:
        """Rows 30, 53."""
        known = said.recall_no in claim.recall_attempt
        over = known and said.recall_no <= max(claim.recall_no - 1, claim.refused_no)
        if claim.state in PAID and not over:
            return self._after_payment(claim)
        if not known:
            return self.illegal(claim, "no such recall was sent")
        if over or claim.state != "CANCEL_PENDING":
            return self.stale(claim, "that recall is over")
        step = self.step(claim, 30)
        step.query()
        if isinstance(said, NoOriginal):
            return [step.to(claim.state)]
        claim.recall_refused, claim.refused_no = True, claim.recall_no
        return [step.to("IN_DOUBT")]

    def _after_payment(self, claim: Claim) -> Answer:
        """Row 53: an answer to a recall of a payment that was made."""
        step = self.step(claim, 53)
        step.alarm("RECON_BREAK")
        return [step.to(claim.state)]
