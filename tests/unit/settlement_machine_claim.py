"""One claim of the second reading: its state, its four accounts, its holds at the rail, and the
checks of conservation that run after every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from settlement_machine_words import (
    ABSORBING,
    BEFORE,
    LIVE,
    PAID,
    PAYING,
    ClaimTerms,
    Instruction,
    Posting,
    Taken,
    Terms,
    Verdict,
)

NOTHING_KNOWN = Verdict()
ROW_12_ORIGINS = ("RISK", "ADVERSE", "RECON", "FREEZE")


@dataclass(slots=True)
class Claim:
    """What is carried for one claim. `buyer` is the mirror's other side: zero or negative."""

    terms: ClaimTerms
    long_stop: int
    funding: str = ""  # the mode of the terms that it is under
    state: str = ""
    buyer: int = 0
    reserved: int = 0
    in_flight: int = 0
    seller: int = 0

    attempt: int = 1
    attempts_sent: dict[int, int] = field(default_factory=dict)  # attempt -> minor
    rejected: set[int] = field(default_factory=set)
    amount: int = 0  # fixed by row 11 or 43
    since: int = 0  # tick of the last thing said or heard about the running attempt
    query_no: int = 0

    hold_no: int = 0
    hold: str = "none"  # asked, live, lost, none
    hold_minor: int = 0
    hold_expires: int = 0
    holds: dict[int, str] = field(default_factory=dict)  # + released, used, refused
    confirmed: set[int] = field(default_factory=set)
    releasing: dict[int, int] = field(default_factory=dict)  # unanswered RELEASE -> tick sent
    released: set[int] = field(default_factory=set)
    had_loss: bool = False
    funding_due: int | None = 0  # None: the close, wherever that is

    recall_no: int = 0
    recall_attempt: dict[int, int] = field(default_factory=dict)
    refused_no: int = 0  # the highest recall that was refused
    recall_refused: bool = False
    recon_open: bool = False  # row 50: no retry, recall or refund until row 51

    basis: str = "CONDITION"
    award: int = 0
    origin: str = ""
    matched_minor: int = 0
    matched_hash: str = ""
    window_end: int | None = None
    dispute_since: int = 0
    votes: dict[str, tuple[str, int]] = field(default_factory=dict)

    standing: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> (kind, raiser)
    cleared: set[str] = field(default_factory=set)
    noted: set[str] = field(default_factory=set)  # adverse evidence already acted on
    told: Verdict = NOTHING_KNOWN  # of its own condition, at the last cut
    verdict: Verdict = NOTHING_KNOWN  # the same with what the other claims have to do with it
    claimed: set[str] = field(default_factory=set)  # what row 32 has recorded

    bookings: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    returns: dict[str, tuple[int, str]] = field(default_factory=dict)
    settled: int = 0  # what the mirror counts as having reached the seller
    returned: int = 0  # and as having come back from there
    unbooked: int | None = None  # what a return has shown to be paid before its booking

    paused: list[tuple[int, int]] = field(default_factory=list)
    paused_since: int | None = None

    def view(self) -> dict[str, object]:
        """What another implementation can be compared with, and what a refused input leaves as it
        was.
        """
        return {
            "state": self.state,
            "accounts": (self.buyer, self.reserved, self.in_flight, self.seller),
            "attempt": self.attempt,
            "hold": (self.hold_no, self.hold, self.hold_expires),
            "recall": (self.recall_no, self.recall_refused),
            "basis": (self.basis, self.award),
            "origin": self.origin,
            "matched": (self.matched_minor, self.matched_hash),
            "window_end": self.window_end,
            "paused": (tuple(self.paused), self.paused_since),
            "cleared": tuple(sorted(self.cleared)),
            "moved": (self.settled, self.returned),
        }

    def close(self) -> int:
        """Effective deadline + grace; while a pause runs, the long stop: nothing closes in it."""
        return self.long_stop if self.paused_since is not None else self.closes_so_far()

    def closes_so_far(self) -> int:
        """Effective deadline + grace by the pauses that are over: what a hold must reach beyond."""
        paused = sum(end - start for start, end in self.paused)
        return min(self.terms.deadline + paused + self.terms.grace, self.long_stop)

    def funded_by(self) -> int:
        """Until when a hold is to be confirmed."""
        return self.close() if self.funding_due is None else self.funding_due

    def need(self) -> int:
        """What a hold must cover: the maximum, or the award once there is one."""
        return self.award if self.basis == "AWARD" else self.terms.max_minor

    def held_by_people(self) -> list[str]:
        """Ids of risk holds, breaks and freezes that no review has cleared."""
        return sorted(id_ for id_ in self.standing if id_ not in self.cleared)

    def adverse(self) -> list[str]:
        """Ids of adverse facts, at the last cut, that no review has cleared."""
        return sorted(id_ for id_ in self.verdict.adverse_ids if id_ not in self.cleared)

    def freezes(self) -> list[str]:
        """Ids of what money that another claim paid wrongly freezes here."""
        return [id_ for id_ in self.held_by_people() if self.standing[id_][0] == "FREEZE"]

    def hold_reaches(self, moment: int) -> bool:
        """Whether the hold is live and expires after `moment`."""
        return self.hold == "live" and self.hold_expires > moment


class Step:
    """One row being taken: collects postings, instructions and alarms, then moves the claim."""

    def __init__(self, terms: Terms, claim: Claim, row: int, tick: int) -> None:
        self.terms, self.claim, self.row, self.tick = terms, claim, row, tick
        self.source = claim.state
        self.postings: list[Posting] = []
        self.instructions: list[Instruction] = []
        self.alarms: list[str] = []

    def post(self, source: str, target: str, minor: int) -> None:
        """Moves `minor` in the mirror; nothing is written for zero."""
        assert minor >= 0, f"posting of {minor}"
        if minor:
            setattr(self.claim, source, getattr(self.claim, source) - minor)
            setattr(self.claim, target, getattr(self.claim, target) + minor)
            self.postings.append(Posting(source, target, minor))

    def say(self, kind: str, no: int, minor: int = 0) -> None:
        """Adds an instruction."""
        self.instructions.append(Instruction(kind, no, minor))

    def alarm(self, code: str) -> None:
        """Adds an alarm."""
        self.alarms.append(code)

    def query(self) -> None:
        """QUERY under its next number; the waiting time starts again."""
        self.claim.query_no += 1
        self.claim.since = self.tick
        self.say("QUERY", self.claim.query_no)

    def ask_hold(self) -> None:
        """RESERVE under the next hold number."""
        claim = self.claim
        claim.hold_no += 1
        claim.hold, claim.hold_minor, claim.hold_expires = "asked", 0, 0
        claim.holds[claim.hold_no] = "asked"
        self.say("RESERVE", claim.hold_no)

    def take_hold(self, minor: int, expires: int) -> None:
        """The current hold is live: what the claim may need goes from the buyer to reserved."""
        claim = self.claim
        claim.hold, claim.hold_minor, claim.hold_expires = "live", minor, expires
        self.post("buyer", "reserved", claim.need())

    def lose_hold(self) -> None:
        """The current hold is gone: its money is the buyer's again and another hold is asked."""
        claim = self.claim
        self.post("reserved", "buyer", claim.reserved)
        claim.holds[claim.hold_no] = "lost"
        claim.had_loss = True
        self.alarm("HOLD_LOST")
        self.ask_hold()
        claim.funding_due = None

    def release(self, hold_no: int) -> None:
        """RELEASE of that hold, to be repeated until the rail confirms it."""
        self.claim.releasing[hold_no] = self.tick
        self.claim.holds[hold_no] = "released"
        self.say("RELEASE", hold_no)

    def refund(self) -> None:
        """All that is reserved or in flight is the buyer's; a hold that may exist is released."""
        claim = self.claim
        self.post("in_flight", "buyer", claim.in_flight)
        self.post("reserved", "buyer", claim.reserved)
        if claim.hold == "lost" and claim.hold_no:  # it may only have shrunk
            self.release(claim.hold_no)
        self.drop_hold()

    def drop_hold(self) -> None:
        """Nothing is held any more: RELEASE if the hold is live, or was asked and not answered."""
        claim = self.claim
        if claim.hold in ("asked", "live"):
            if claim.hold_no:  # 0: a commitment only, nothing at the rail
                self.release(claim.hold_no)
            claim.hold = "none"

    def recall(self) -> None:
        """RECALL under its next number."""
        claim = self.claim
        claim.recall_no += 1
        claim.recall_attempt[claim.recall_no] = claim.attempt
        claim.since = self.tick
        self.say("RECALL", claim.recall_no)

    def next_attempt(self) -> None:
        """The running attempt is definitively rejected; what was refused of it is forgotten."""
        claim = self.claim
        claim.rejected.add(claim.attempt)
        claim.attempt += 1
        claim.recall_refused = False

    def pay_seller(self, minor: int, *, release: bool) -> None:
        """`minor` has reached the seller, out of what is in flight, reserved or still the buyer's,
        in this order; the rest is the buyer's. The hold is released if `release` is set or it was
        larger than the payment.
        """
        claim, left = self.claim, minor
        for account in ("in_flight", "reserved", "buyer"):
            part = left if account == "buyer" else min(left, getattr(claim, account))
            self.post(account, "seller", part)
            left -= part
        self.post("in_flight", "buyer", claim.in_flight)
        self.post("reserved", "buyer", claim.reserved)
        claim.settled += minor
        if release or claim.hold == "asked" or claim.hold_minor > minor:
            self.drop_hold()
        elif claim.hold == "live":
            claim.hold = "none"
            if claim.hold_no:
                claim.holds[claim.hold_no] = "used"

    def give_back(self, minor: int) -> None:
        """`minor` has come back from the seller to the buyer."""
        self.post("seller", "buyer", minor)
        self.claim.returned += minor

    def settled_state(self) -> str:
        """RETURNED when the returns cover all that was paid, else SETTLED."""
        return "RETURNED" if self.claim.returned >= self.claim.settled else "SETTLED"

    def open_window(self) -> None:
        """Amount and evidence are recorded, and the time to challenge them starts."""
        claim = self.claim
        claim.matched_minor = min(claim.verdict.due_minor, claim.reserved)
        claim.matched_hash = claim.verdict.evidence_hash
        claim.window_end = self.tick + claim.terms.challenge

    def to(self, target: str) -> Taken:
        """The claim is in `target`; pauses, windows and origins follow."""
        claim, source = self.claim, self.source
        if self.tolls(target) and claim.paused_since is None:
            claim.paused_since = self.tick if self.tick <= claim.close() else None
        elif not self.tolls(target) and claim.paused_since is not None:
            claim.paused.append((claim.paused_since, self.tick))
            claim.paused_since = None
        if target not in ("MATCHED", "APPROVED", *PAYING):
            claim.window_end = None
        if target != "HELD":
            claim.origin = ""
        if source in ABSORBING:
            allowed = target == source or (source, target) == ("SETTLED", "RETURNED")
            assert allowed, f"{source} is absorbing, not {target}"
        if self.row not in (5, 40, 41, 42):
            claim.votes = {}
        claim.state = target
        done = (tuple(self.postings), tuple(self.instructions), tuple(self.alarms))
        return Taken(claim.terms.id, self.row, source, target, *done)

    def tolls(self, state: str) -> bool:
        """Whether time in that state does not count against the deadline."""
        return state == "DISPUTED" or (state == "HELD" and self.terms.tolls)


def check_claim(claim: Claim, terms: Terms) -> None:
    """What must be true of one claim after every step."""
    total = claim.buyer + claim.reserved + claim.in_flight + claim.seller
    assert total == 0, f"{claim.terms.id}: the mirror sums to {total}"
    assert min(claim.reserved, claim.in_flight, claim.seller) >= 0, f"{claim.terms.id} is negative"
    held = claim.reserved + claim.in_flight
    assert held <= claim.need() or not held, f"{claim.terms.id}: {held} held"
    assert held <= terms.cap
    assert (claim.in_flight > 0) == (claim.state in PAYING), f"{claim.state}: {claim.in_flight}"
    if claim.state in ABSORBING:
        assert held == 0, f"{claim.state} keeps {held}"
        assert claim.hold in ("none", "lost"), f"{claim.state} with a hold {claim.hold}"
        loose = [no for no, how in claim.holds.items() if how in ("asked", "live")]
        assert not loose, f"{claim.state} leaves holds {loose}"
    if claim.state in BEFORE and terms.funding != "COMMITMENT_ONLY":
        assert (claim.hold == "live") == (claim.reserved > 0), f"{claim.hold}: {claim.reserved}"
    if claim.state in PAID:
        assert claim.seller == claim.settled - claim.returned
    if claim.state in LIVE:
        assert claim.attempts_sent[claim.attempt] == claim.in_flight
    earlier = set(range(1, max(claim.attempts_sent, default=1)))
    assert earlier <= claim.rejected, f"{claim.terms.id}: {earlier} not all rejected"
