"""A second reading of the claim state machine, from the prose of the reference alone: plain code,
one function for each event, to be walked beside the table of the product.

It keeps no table and interprets none: whoever changes a row there has to change his mind here as
well. Where the reference is silent, or two of its rules collide, the reading is the one that sends
the least money early and can never trap a refund; each such place is an entry of READINGS in
`settlement_machine_readings`. Parents of per-unit claims do not exist (the signed terms list every
claim), so row 35 and the halves of rows 5, 6, 14 and 34 about parents have no code.
"""

from __future__ import annotations

from dataclasses import replace

from settlement_machine_claim import ROW_12_ORIGINS, Claim, check_claim
from settlement_machine_receipts import Answer, Receipts
from settlement_machine_words import (
    ABSORBING,
    BEFORE,
    LIVE,
    PRE,
    AmendmentAccepted,
    Booked,
    ClaimTerms,
    ContractAgreed,
    CourtOrder,
    Cut,
    DisputeRaised,
    DisputeResolved,
    DisputeWithdrawn,
    HoldConfirmed,
    HoldLost,
    HoldRefused,
    HoldRenewed,
    Input,
    MutualCancel,
    NoOriginal,
    NotFound,
    Pending,
    RecallDone,
    RecallOrdered,
    RecallRefused,
    ReconBreak,
    ReconResolved,
    Refused,
    Rejected,
    Released,
    ReleaseFailed,
    Returned,
    ReviewRejected,
    ReviewReleased,
    RiskHold,
    Taken,
    Verdict,
)

FOR_EVER = 2**62


class Machine(Receipts):
    """One contract: `take` an input, get the rows taken or the reason why none was."""

    def take(self, said: Input) -> Answer:
        """Applies one input; every promise about money is checked before this returns."""
        answer = self._dispatch(said)
        for claim in (*self.claims.values(), *self.superseded):
            check_claim(claim, self.terms)
        held = sum(claim.reserved + claim.in_flight for claim in self.claims.values())
        assert held <= self.terms.cap, f"{held} held, the cap is {self.terms.cap}"
        if self.status == "ACTIVE" and all(c.state in ABSORBING for c in self.claims.values()):
            self.status = "COMPLETED"
        return answer

    def _dispatch(self, said: Input) -> Answer:
        match said:
            case ContractAgreed():
                return self.contract_agreed()
            case Cut():
                return self.cut(said)
            case MutualCancel() | CourtOrder():
                return self.contract_ended()
        name = said.replaces if isinstance(said, AmendmentAccepted) else said.claim
        claim = self.claims.get(name)
        if claim is None:
            return [Refused(name, "illegal", "no such claim")]
        match said:
            case HoldConfirmed():
                return self.hold_confirmed(claim, said)
            case HoldRefused():
                return self.hold_refused(claim, said)
            case HoldRenewed():
                return self.hold_renewed(claim, said)
            case HoldLost():
                return self.hold_lost(claim, said)
            case Released() | ReleaseFailed():
                return self.release_answered(claim, said)
            case Pending():
                return self.pending(claim, said)
            case Booked():
                return self.booked(claim, said)
            case Rejected():
                return self.rejected(claim, said)
            case NotFound():
                return self.not_found(claim, said)
            case Returned():
                return self.returned(claim, said)
            case RecallDone():
                return self.recall_done(claim, said)
            case RecallRefused() | NoOriginal():
                return self.recall_refused(claim, said)
        return self._dispatch_act(claim, said)

    def _dispatch_act(self, claim: Claim, said: Input) -> Answer:
        match said:
            case ReviewReleased():
                return self.review_released(claim, said)
            case ReviewRejected():
                return self.review_rejected(claim, said)
            case RiskHold():
                return self.risk_hold(claim, said)
            case RecallOrdered():
                return self.recall_ordered(claim)
            case DisputeRaised():
                return self.dispute_raised(claim, said)
            case DisputeWithdrawn():
                return self.dispute_withdrawn(claim)
            case DisputeResolved():
                return self.dispute_resolved(claim, said)
            case AmendmentAccepted():
                return self.amended(claim, said.successor, said.funding)
            case ReconBreak():
                if said.id in claim.standing:
                    return self.stale(claim, "that break is known")
                if claim.state in ABSORBING:
                    return self.illegal(claim, "nothing is left to hold")
                return self.recon_break(claim, said.id)
            case ReconResolved():
                return self.recon_resolved(claim, said)
        raise AssertionError(said)

    # -- contract ----------------------------------------------------------------------------

    def contract_agreed(self) -> Answer:
        """Rows 1, 2 (a commitment needs no answer), 37 (nothing can ever be due)."""
        if self.status != "DRAFT":
            self.rows[36] += 1
            return [Refused("", "stale", "already agreed")]
        if sum(claim.max_minor for claim in self.terms.claims) > self.terms.cap:
            return [Refused("", "illegal", "the maxima exceed the cap")]
        self.status, self.version = "ACTIVE", 1
        taken: Answer = []
        for terms in self.terms.claims:
            claim = self.claims[terms.id] = Claim(terms, self.terms.long_stop, self.terms.funding)
            claim.funding_due = self.terms.funding_deadline
            taken += self._fund(claim, 1)
        return taken

    def _fund(self, claim: Claim, row: int) -> Answer:
        """∅ → CREATED (row 1 or 52) and what follows at once."""
        if claim.terms.max_minor == 0:
            return [self.step(claim, 37).to("CLOSED")]
        step = self.step(claim, row)
        if self.terms.funding != "COMMITMENT_ONLY":
            step.ask_hold()
            return [step.to("CREATED")]
        created = step.to("CREATED")
        step = self.step(claim, 2)
        step.take_hold(claim.terms.max_minor, FOR_EVER)
        return [created, step.to("RESERVED")]

    def contract_ended(self) -> Answer:
        """Mutual cancel and court order: rows 34, 28."""
        if self.status != "ACTIVE":
            known = self.status == "TERMINATED"
            self.rows[36] += known
            return [Refused("", "stale" if known else "illegal", f"contract {self.status}")]
        self.status = "TERMINATED"
        taken: Answer = []
        for claim in self.claims.values():
            if claim.state in BEFORE:
                taken.append(self._void(claim, 34))
            elif self._recallable(claim):
                taken.append(self._recall(claim))
        return taken

    def _void(self, claim: Claim, row: int) -> Taken:
        step = self.step(claim, row)
        step.refund()
        return step.to("VOIDED")

    def _recallable(self, claim: Claim) -> bool:
        return claim.state in LIVE and not claim.recall_refused and not claim.recon_open

    def _recall(self, claim: Claim) -> Taken:
        step = self.step(claim, 28)
        step.recall()
        return step.to("CANCEL_PENDING")

    def amended(self, claim: Claim, new: ClaimTerms, funding: str = "") -> Answer:
        """Rows 33 and 52; row 37 for a successor that can never be due."""
        if claim.state not in ("CREATED", "RESERVED", "MATCHED", "HELD", "DISPUTED"):
            return self.illegal(claim, "not before approval")
        others = sum(c.terms.max_minor for c in self.claims.values()) - claim.terms.max_minor
        if claim.attempts_sent or claim.basis == "AWARD":
            return self.illegal(claim, "there was an attempt, or there is an award")
        if new.id != claim.terms.id or others + new.max_minor > self.terms.cap:
            return self.illegal(claim, "another claim, or more than the cap")
        if self.over():
            return self.illegal(claim, "the contract is over")
        self.version += 1
        if funding:
            self.terms = replace(self.terms, funding=funding)
        close = new.deadline + new.grace
        lasts = claim.hold_expires > (self.tick if self.terms.auto_renew else max(self.tick, close))
        large = claim.hold_no > 0 and 0 < new.max_minor <= claim.hold_minor
        alike = claim.funding == self.terms.funding
        moves = claim.hold == "live" and large and lasts and alike
        had_time = claim.hold == "live" or claim.funding_due is None
        hold = (claim.hold_no, claim.hold_minor, claim.hold_expires)
        step = self.step(claim, 33)
        step.post("reserved", "buyer", claim.reserved)
        if moves:
            claim.hold = "none"
        else:
            step.drop_hold()
        taken: Answer = [step.to("SUPERSEDED")]
        self.superseded.append(claim)
        heir = self.claims[new.id] = self._heir(claim, new)
        if had_time and self.terms.funding_deadline <= heir.close():
            heir.funding_due = None
        if not moves:
            return taken + self._fund(heir, 52)
        for shared in (claim.holds, claim.releasing):
            shared.pop(hold[0], None)
        if hold[0]:
            heir.holds[hold[0]] = "live"
        step = self.step(heir, 52)
        step.take_hold(hold[1], hold[2])
        return [*taken, step.to("RESERVED")]

    def _heir(self, old: Claim, new: ClaimTerms) -> Claim:
        """The successor: same numbers, same risk holds; no review of the old terms counts."""
        heir = Claim(
            new, self.terms.long_stop, self.terms.funding, had_loss=old.had_loss, told=old.told
        )
        heir.verdict, heir.funding_due = old.verdict, self.terms.funding_deadline
        heir.hold_no, heir.query_no, heir.recall_no = old.hold_no, old.query_no, old.recall_no
        heir.standing, heir.cleared, heir.noted = old.standing, old.cleared, old.noted
        heir.holds, heir.confirmed = dict(old.holds), set(old.confirmed)
        heir.releasing, heir.released = dict(old.releasing), set(old.released)
        heir.bookings, heir.returns = dict(old.bookings), dict(old.returns)
        old.releasing = {}
        return heir

    # -- acts of people ----------------------------------------------------------------------

    def risk_hold(self, claim: Claim, said: RiskHold) -> Answer:
        """Rows 12, 54; between, it is noted for the day on which the claim comes back."""
        if said.id in claim.standing:
            return self.stale(claim, "that hold is known")
        if claim.state in ABSORBING:
            return self.illegal(claim, "nothing is left to hold")
        claim.standing[said.id] = ("RISK", said.by)
        if claim.state in PRE:
            step = self.step(claim, 12)
            claim.origin = "RISK"
            return [step.to("HELD")]
        if claim.state in LIVE:
            return self.illegal(claim, "noted: it holds the claim if it comes back to row 12")
        return [self.step(claim, 54).to(claim.state)]

    def recall_ordered(self, claim: Claim) -> Answer:
        """Row 28."""
        if not self._recallable(claim):
            return self.illegal(claim, "nothing to recall, or a recall has been refused")
        return [self._recall(claim)]

    def _raised_by(self, claim: Claim, reviewer: str) -> bool:
        return any(claim.standing[id_][1] == reviewer for id_ in claim.held_by_people())

    def review_released(self, claim: Claim, said: ReviewReleased) -> Answer:
        """Row 13."""
        self.look(claim)
        now = claim.verdict
        if claim.state != "HELD":
            return self.illegal(claim, "not held")
        if self._raised_by(claim, said.reviewer):
            return self.illegal(claim, "the reviewer has raised it")
        if said.evidence_hash != now.evidence_hash:
            return self.illegal(claim, "the evidence is no longer what was seen")
        if self.tick > self.terms.long_stop:
            return self.illegal(claim, "past the long stop")
        award = claim.basis == "AWARD"
        past = now.value != "TRUE" and self.tick > claim.close()
        if not award and (now.value == "FALSE" or past):
            return self.illegal(claim, "the condition can no longer be met by waiting")
        stands = {*claim.held_by_people(), *claim.adverse()}
        if not stands.issuperset(said.cleared_ids):
            return self.illegal(claim, "it clears what does not stand")
        claim.cleared.update(said.cleared_ids)
        step = self.step(claim, 13)
        if award:
            return [step.to("DISPUTED")]
        if claim.hold != "live":
            claim.funding_due = None
            return [step.to("CREATED")]
        if now.value == "TRUE":
            step.open_window()
            return [step.to("MATCHED")]
        return [step.to("RESERVED")]

    def review_rejected(self, claim: Claim, said: ReviewRejected) -> Answer:
        """Row 14."""
        if claim.state != "HELD":
            return self.illegal(claim, "not held")
        if claim.basis == "AWARD" or self._raised_by(claim, said.reviewer):
            return self.illegal(claim, "there is an award, or the reviewer has raised it")
        return [self._void(claim, 14)]

    def dispute_raised(self, claim: Claim, said: DisputeRaised) -> Answer:
        """Row 16."""
        if claim.state not in (*PRE, "HELD"):
            return self.illegal(claim, "nothing to dispute")
        if self.terms.disputes is None or said.role not in self.terms.disputes.who:
            return self.illegal(claim, "not entitled")
        if claim.basis == "AWARD" or claim.attempts_sent:
            return self.illegal(claim, "there is an award, or a payment was instructed")
        step = self.step(claim, 16)
        claim.dispute_since, claim.votes = self.tick, {}
        return [step.to("DISPUTED")]

    def dispute_withdrawn(self, claim: Claim) -> Answer:
        """Row 17."""
        if claim.state != "DISPUTED" or claim.basis == "AWARD":
            return self.illegal(claim, "no open dispute")
        step = self.step(claim, 17)
        if claim.hold != "live":
            claim.funding_due = None
        return [step.to("RESERVED" if claim.hold == "live" else "CREATED")]

    def dispute_resolved(self, claim: Claim, said: DisputeResolved) -> Answer:
        """Rows 18, 19, when k arbiters have said the same."""
        terms = self.terms.disputes
        amount = said.amount if said.for_ == "SELLER" else 0
        vote = (said.for_, amount)
        claim.votes[said.arbiter] = vote  # a word that decides nothing takes back the one before
        award = claim.basis == "AWARD" and said.for_ == "BUYER"
        if claim.state != "DISPUTED" or award or terms is None:
            return self.illegal(claim, "no open dispute")
        if said.arbiter not in terms.arbiters:
            return self.illegal(claim, "not an arbiter of these terms")
        if said.for_ == "SELLER" and not 0 < amount <= claim.reserved:
            return self.illegal(claim, "an award is more than nothing and at most the reservation")
        same = {who for who, other in claim.votes.items() if other == vote}
        if len(same.intersection(terms.arbiters)) < terms.k:
            return [Refused(claim.terms.id, "counted", "more votes are needed")]
        if said.for_ == "BUYER":
            return [self._void(claim, 19)]
        return [self._award(claim, amount)]

    def _award(self, claim: Claim, minor: int) -> Taken:
        step = self.step(claim, 18)
        claim.basis, claim.award = "AWARD", minor
        step.post("reserved", "buyer", claim.reserved - minor)
        return step.to("DISPUTED")

    def recon_resolved(self, claim: Claim, said: ReconResolved) -> Answer:
        """Row 51."""
        if claim.state != "IN_DOUBT" or not claim.recon_open:
            return self.illegal(claim, "no wrong booking is open")
        if (said.to == "SETTLED") != (said.amount > 0) or said.amount < 0:
            return self.illegal(claim, "settled needs an amount, held needs none")
        claim.recon_open = False
        step = self.step(claim, 51)
        if said.to == "SETTLED":
            if said.amount > claim.in_flight:
                step.alarm("OVERPAID")
            step.pay_seller(said.amount, release=False)
            return [step.to("SETTLED")]
        step.next_attempt()
        if claim.hold == "lost":
            step.post("in_flight", "buyer", claim.in_flight)
            step.lose_hold()
        else:
            step.post("in_flight", "reserved", claim.in_flight)
        claim.origin = "RAIL"
        return [step.to("HELD")]

    # -- the cut -----------------------------------------------------------------------------

    def cut(self, said: Cut) -> Answer:
        """Every claim takes the first row that applies, and what that row lets follow."""
        if not self.claims or said.tick <= self.tick:
            self.rows[36] += 1
            return [Refused("", "stale", "nothing to decide, or an older tick")]
        self.tick = said.tick
        for name, claim in self.claims.items():
            claim.told = said.verdicts.get(name, Verdict())
            self.look(claim)
        taken: Answer = []
        for claim in self.claims.values():
            taken += self._contradicted_after_payment(claim)
        claimed = {one.claim for one in taken if isinstance(one, Taken)}
        for claim in sorted(self.claims.values(), key=lambda one: one.terms.rest):
            if claim.terms.id not in claimed:
                self.look(claim)
                taken += self._decide(claim) or self._silent_releases(claim)
        return taken

    def _contradicted_after_payment(self, claim: Claim) -> Answer:
        """Row 32, before any claim is decided: it freezes all the others."""
        if claim.state != "SETTLED":
            return []
        adverse, own = set(claim.adverse()), f"settlement {claim.terms.id}"
        untrue = claim.verdict.value != "TRUE" and claim.basis == "CONDITION"
        if not (adverse or untrue) or (claim.claimed and adverse <= claim.claimed):
            return []
        claim.claimed |= {own, *adverse}
        for other in self.claims.values():
            if other is not claim and other.state not in ABSORBING:
                other.standing[own] = ("FREEZE", "")
                if own in other.cleared:
                    other.cleared.remove(own)
                    other.noted.discard(own)
        step = self.step(claim, 32)
        step.alarm("CLAIM")
        return [step.to("SETTLED")]

    def _silent_releases(self, claim: Claim) -> Answer:
        """Row 42 for a rail that does not answer a RELEASE."""
        silent = [no for no, at in claim.releasing.items() if self.tick > at + self.terms.sla]
        if not silent:
            return []
        step = self.step(claim, 42)
        for hold_no in sorted(silent):
            step.release(hold_no)
        step.alarm("RELEASE_SILENT")
        return [step.to(claim.state)]

    def _decide(self, claim: Claim) -> Answer:
        """34, 19, 4, 8/9, 15, 28/32/54, 10, 12, 20, 37, 7, 43, 11, 21, 26/46 in this order; after 7
        row 11, and after 11 or 43 row 21 may follow. Between 12 and 20 a hold that has run out is
        noticed, unless row 37 closes the claim.
        """
        if claim.state in ABSORBING:
            return []
        if claim.state in BEFORE and self.tick > self.terms.long_stop:
            return [self._void(claim, 34)]
        for attempt in (
            self._timed_out, self._unfunded, self._false, self._false_while_held,
            self._contradicted, self._unmatch, self._hold_back, self._nothing_due, self._run_out,
            self._short_hold,
        ):  # fmt: skip
            taken = attempt(claim)
            if taken:
                return [taken]
        done: Answer = []
        for follow in (self._match, self._approve_award, self._approve, self._instruct):
            taken = follow(claim)
            if taken:
                done.append(taken)
        if not done:
            late = self._overdue(claim)
            done = [late] if late else []
        return done

    def _timed_out(self, claim: Claim) -> Taken | None:
        """Row 19, and row 18 when silence speaks for the seller."""
        terms = self.terms.disputes
        if claim.state != "DISPUTED" or claim.basis == "AWARD" or terms is None:
            return None
        if self.tick <= claim.dispute_since + terms.max_len:
            return None
        if terms.on_timeout == "BUYER":
            return self._void(claim, 19)
        now = claim.verdict
        worth = now.due_minor if now.due_minor > 0 else now.known_minor
        minor = min(worth, claim.reserved)
        return self._award(claim, minor) if minor > 0 else None

    def _unfunded(self, claim: Claim) -> Taken | None:
        """Row 4."""
        if claim.state != "CREATED" or self.tick <= claim.funded_by():
            return None
        step = self.step(claim, 4)
        step.refund()
        step.alarm("FUNDING_MISSED")
        if claim.had_loss:
            step.alarm("DEFAULT")
        return step.to("EXPIRED")

    def _false(self, claim: Claim) -> Taken | None:
        """Rows 8, 9."""
        now = claim.verdict
        if claim.state != "RESERVED":
            return None
        if now.value == "FALSE" and claim.terms.on_false == "EXPIRE":
            step = self.step(claim, 8)
            step.refund()
            return step.to("EXPIRED")
        unclear = now.value == "UNKNOWN" and now.revivable and not self.awaits(claim)
        if self.tick > claim.close() and (now.value == "FALSE" or unclear):
            step = self.step(claim, 9)
            claim.origin = "REVIVABLE" if unclear else "FALSE"
            step.alarm("REVIEW")
            return step.to("HELD")
        return None

    def _false_while_held(self, claim: Claim) -> Taken | None:
        """Row 15."""
        ends = (
            claim.state == "HELD"
            and self.tick > claim.close()
            and not self.terms.tolls
            and claim.verdict.value == "FALSE"
            and claim.origin in ROW_12_ORIGINS
            and claim.basis == "CONDITION"
        )
        if not ends:
            return None
        step = self.step(claim, 15)
        step.refund()
        return step.to("EXPIRED")

    def _contradicted(self, claim: Claim) -> Taken | None:
        """Rows 28, 54 (32 has been tried)."""
        new = [id_ for id_ in claim.adverse() if id_ not in claim.noted]
        if claim.state in LIVE:
            untrue = claim.verdict.value != "TRUE"
            bad = bool(claim.adverse()) or (untrue and claim.basis == "CONDITION")
            if not bad or not self._recallable(claim):
                return None
            claim.noted.update(new)
            return self._recall(claim)
        new += [id_ for id_ in claim.freezes() if id_ not in claim.noted]
        if claim.state in ("CREATED", "HELD", "DISPUTED", "CANCEL_PENDING") and new:
            claim.noted.update(new)
            return self.step(claim, 54).to(claim.state)
        return None

    def _unmatch(self, claim: Claim) -> Taken | None:
        """Row 10, unless row 12 holds the claim."""
        if claim.state not in ("MATCHED", "APPROVED") or claim.basis != "CONDITION":
            return None
        true = claim.verdict.value == "TRUE"
        if true and not (claim.state == "MATCHED" and claim.verdict.due_minor == 0):
            return None
        if claim.adverse() or claim.held_by_people():
            return None
        step = self.step(claim, 10)
        if self.tick <= claim.close():
            return step.to("RESERVED")
        claim.origin = "REVIVABLE"
        return step.to("HELD")

    def _hold_back(self, claim: Claim) -> Taken | None:
        """Row 12; in CREATED a freeze is noted (row 54) and holds the claim once it is funded."""
        people, adverse = claim.held_by_people(), claim.adverse()
        if claim.state not in PRE or not (people or adverse):
            return None
        step = self.step(claim, 12)
        claim.noted.update(adverse, claim.freezes())
        claim.origin = claim.standing[people[0]][0] if people else "ADVERSE"
        return step.to("HELD")

    def _run_out(self, claim: Claim) -> Taken | None:
        """Failure 26: the hold expires at the rail. As if the rail had said that it is lost: row 6,
        and row 41 in HELD and DISPUTED; while a payment is under way it may have been used.
        """
        if claim.hold != "live" or claim.state not in BEFORE or claim.hold_reaches(self.tick):
            return None
        step = self.step(claim, 6 if claim.state in PRE else 41)
        step.lose_hold()
        if claim.state not in PRE:
            return step.to(claim.state)
        return step.to("DISPUTED" if claim.basis == "AWARD" else "CREATED")

    def _short_hold(self, claim: Claim) -> Taken | None:
        """Row 20."""
        if claim.state != "APPROVED" or self._hold_serves(claim):
            return None
        step = self.step(claim, 20)
        return step.to("DISPUTED" if claim.basis == "AWARD" else "MATCHED")

    def _hold_serves(self, claim: Claim) -> bool:
        return claim.hold_reaches(self.tick + self.terms.sla)

    def _nothing_due(self, claim: Claim) -> Taken | None:
        """Row 37."""
        now = claim.verdict
        if claim.state not in ("CREATED", "RESERVED") or now.value != "TRUE" or now.due_minor > 0:
            return None
        step = self.step(claim, 37)
        step.refund()
        return step.to("CLOSED")

    def _match(self, claim: Claim) -> Taken | None:
        """Row 7."""
        if claim.state != "RESERVED" or claim.verdict.value != "TRUE":
            return None
        step = self.step(claim, 7)
        step.open_window()
        return step.to("MATCHED")

    def _approve_award(self, claim: Claim) -> Taken | None:
        """Row 43."""
        if claim.state != "DISPUTED" or claim.basis != "AWARD":
            return None
        if not self._hold_serves(claim) or self.status != "ACTIVE":
            return None
        step = self.step(claim, 43)
        claim.amount = claim.award
        return step.to("APPROVED")

    def _approve(self, claim: Claim) -> Taken | None:
        """Row 11."""
        now = claim.verdict
        if claim.state != "MATCHED" or now.value != "TRUE" or not now.whole:
            return None
        if claim.window_end is None or self.tick < claim.window_end:
            return None
        if not self._hold_serves(claim) or self.status != "ACTIVE":
            return None
        amount = min(now.due_minor, claim.reserved)
        if amount <= 0:
            return None
        step = self.step(claim, 11)
        claim.amount = amount
        return step.to("APPROVED")

    def _instruct(self, claim: Claim) -> Taken | None:
        """Row 21."""
        if claim.state != "APPROVED" or self.status != "ACTIVE" or not self._hold_serves(claim):
            return None
        if claim.held_by_people() or not set(range(1, claim.attempt)) <= claim.rejected:
            return None
        if claim.adverse() or (claim.verdict.value != "TRUE" and claim.basis != "AWARD"):
            return None
        step = self.step(claim, 21)
        assert 0 < claim.amount <= claim.reserved
        assert claim.attempts_sent.get(claim.attempt, claim.amount) == claim.amount
        step.post("reserved", "in_flight", claim.amount)
        claim.attempts_sent[claim.attempt] = claim.amount
        claim.since = self.tick
        step.say("PAY", claim.attempt, claim.amount)
        return step.to("INSTRUCTED")

    def _overdue(self, claim: Claim) -> Taken | None:
        """Rows 26, 46."""
        if (
            claim.state not in (*LIVE, "CANCEL_PENDING")
            or self.tick <= claim.since + self.terms.sla
        ):
            return None
        again = claim.state in ("IN_DOUBT", "CANCEL_PENDING")
        step = self.step(claim, 46 if again else 26)
        step.query()
        if claim.state == "CANCEL_PENDING":
            step.say("RECALL", claim.recall_no)
        if again:
            step.alarm("SLA")
        return step.to("CANCEL_PENDING" if claim.state == "CANCEL_PENDING" else "IN_DOUBT")
