"""Random lives of a contract: terms, and inputs that mostly fit the state of the claims, are
sometimes a repetition, an older answer or a foreign one, and often fall on the edge of a deadline.

`World(seed)` holds a machine of the second reading; `next_input` looks at it, `play` walks it. The
inputs of a walk can be given to any other implementation as well. `drain` ends a walk the way a
patient operator would, so that a test can see that no money stays behind.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from settlement_machine_claim import Claim
from settlement_machine_oracle import Machine
from settlement_machine_words import (
    ABSORBING,
    BEFORE,
    LIVE,
    PAID,
    PAYING,
    PRE,
    AmendmentAccepted,
    Booked,
    ClaimTerms,
    ContractAgreed,
    CourtOrder,
    Cut,
    DisputeRaised,
    DisputeResolved,
    Disputes,
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
    Terms,
    Verdict,
)

OWN, FOREIGN = "CNY", "USD"
REST = "R"
"""The name of a claim that is the rest of the others."""
TWO_CONTENTS = "twice "
"""With a number behind it: a break because an answer of the rail came with two contents."""
PEOPLE = ("ann", "bob", "cem", "dee")
Weighted = list[tuple[float, Input]]


def random_terms(rng: random.Random) -> Terms:
    """Terms of one to three claims in all modes, with small numbers so that edges meet."""
    names = ("A", "B", "C")[: rng.choice((1, 1, 2, 3))]
    rest = (REST,) if rng.random() < 0.3 else ()
    claims = tuple(random_claim(rng, name) for name in (*names, *rest))
    funding = rng.choices(("PREFUNDED_HOLD", "BANK_UNDERTAKING", "COMMITMENT_ONLY"), (6, 2, 1))[0]
    disputes = Disputes(
        who=rng.choice((("BUYER",), ("BUYER", "SELLER"))),
        k=rng.choice((1, 1, 2)),
        arbiters=("x", "y", "z"),
        max_len=rng.choice((10, 40)),
        on_timeout=rng.choice(("SELLER", "BUYER")),
    )
    return Terms(
        claims=claims,
        currency=OWN,
        cap=sum(claim.max_minor for claim in claims) + rng.choice((0, 0, 50)),
        funding=funding,
        auto_renew=rng.random() < 0.5,
        funding_deadline=rng.choice((10, 60, 100)),
        long_stop=rng.choice((120, 250, 600)),
        tolls=rng.random() < 0.4,
        attempts_max=rng.choice((1, 3, 4)),
        sla=rng.choice((2, 5, 10)),
        disputes=disputes if rng.random() < 0.9 else None,
    )


def random_claim(rng: random.Random, name: str) -> ClaimTerms:
    """One claim; now and then one that can never be due."""
    return ClaimTerms(
        id=name,
        max_minor=rng.choice((1, 100, 100, 250, 250, 999)) if rng.random() < 0.97 else 0,
        deadline=rng.choice((40, 80, 150)),
        grace=rng.choice((0, 5, 20)),
        challenge=rng.choice((0, 0, 5, 25)),
        on_false=rng.choice(("EXPIRE", "HOLD")),
        rest=name == REST,
    )


class World:
    """One contract, the facts about it, and what the rail and the people might say next."""

    def __init__(self, seed: int) -> None:
        self.rng, self.hints = random.Random(seed), random.Random(f"what is known of {seed}")
        self.terms = random_terms(self.rng)
        self.machine = Machine(self.terms)
        self.facts: dict[str, Verdict] = {}
        self.told: list[Input] = []
        self.count = 0

    def play(self, steps: int) -> Iterator[tuple[Input, list[Taken | Refused]]]:
        """Takes `steps` inputs one after another."""
        for _ in range(steps):
            said = self.next_input()
            yield said, self.machine.take(said)

    def next_input(self) -> Input:
        """The next thing that is said; remembered, so that it may be said again."""
        said = self._choose()
        if not isinstance(said, Cut):
            self.told.append(said)
        return said

    def _choose(self) -> Input:
        rng, machine = self.rng, self.machine
        dice = rng.random()
        if machine.status == "DRAFT":
            return ContractAgreed()
        if dice < 0.05 and self.told:
            return rng.choice(self.told)
        if dice < 0.09:
            return self._foreign(rng.choice(list(machine.claims)))
        if dice < 0.095:
            return rng.choice((MutualCancel(), CourtOrder()))
        if dice < 0.45:
            return self._cut()
        open_claims = [c for c in machine.claims.values() if c.state not in ABSORBING]
        everyone = list(machine.claims.values())
        claim = rng.choice(open_claims if open_claims and dice < 0.93 else everyone)
        weights, inputs = zip(*self._apt(claim), strict=True)
        return rng.choices(inputs, weights)[0]

    def fresh(self, word: str) -> str:
        """An id that nobody has used."""
        self.count += 1
        return f"{word}{self.count}"

    # -- time and facts ----------------------------------------------------------------------

    def _cut(self) -> Cut:
        machine, rng = self.machine, self.rng
        tick = machine.tick + rng.choice((1, 1, 2, 5, 12))
        edges = [edge for claim in machine.claims.values() for edge in self._edges(claim)]
        ahead = [edge + by for edge in edges for by in (-1, 0, 1) if edge + by > machine.tick]
        if ahead and rng.random() < 0.3:
            tick = min(rng.choice(ahead), machine.tick + 60)
        if rng.random() < 0.02:
            tick = machine.tick - rng.choice((0, 1))
        elif rng.random() < 0.01:
            tick = machine.terms.long_stop + rng.choice((-1, 0, 1))
        for name in machine.claims:
            self._change(name, tick)
        return Cut(tick, dict(self.facts))

    def _edges(self, claim: Claim) -> list[int]:
        if claim.state in ABSORBING:
            return []
        terms = self.machine.terms
        edges = [claim.close(), terms.long_stop]
        if claim.state == "CREATED":
            edges.append(claim.funded_by())
        if claim.state == "DISPUTED" and terms.disputes:
            edges.append(claim.dispute_since + terms.disputes.max_len)
        if claim.state in PAYING:
            edges += [claim.since + terms.sla] * 3
        if claim.window_end is not None:
            edges += [claim.window_end] * 3
        if claim.hold == "live" and claim.hold_no:
            edges.append(claim.hold_expires)
        return edges

    def _change(self, name: str, tick: int) -> None:
        """The facts move: towards TRUE, rarely away from it, FALSE only after the close."""
        rng, claim = self.rng, self.machine.claims[name]
        now = self.facts.get(name, Verdict())
        value, due, adverse, revivable = now.value, now.due_minor, now.adverse_ids, now.revivable
        dice = rng.random()
        if value == "UNKNOWN" and dice < 0.35:
            value, revivable = "TRUE", False
            zero = rng.random() < 0.1
            due = 0 if zero else rng.randint(1, max(1, claim.terms.max_minor))
        elif value == "TRUE" and dice < 0.05:
            value, revivable = "UNKNOWN", rng.random() < 0.7
        elif value == "TRUE" and dice < 0.1:
            due = rng.choice((0, 1, due + 1, claim.terms.max_minor, claim.terms.max_minor + 7))
        elif value == "UNKNOWN" and tick > claim.close() and dice < 0.8:
            value, revivable = ("UNKNOWN", True) if dice < 0.5 else ("FALSE", False)
        elif value == "FALSE" and dice < 0.15:
            value, revivable = rng.choice((("TRUE", False), ("UNKNOWN", True)))
        if rng.random() < 0.04:
            adverse = (*adverse, self.fresh("adverse-"))
        elif adverse and rng.random() < 0.1:
            adverse = adverse[1:]
        same = (value, due, adverse, revivable) == (
            now.value, now.due_minor, now.adverse_ids, now.revivable,
        )  # fmt: skip
        seen = now.evidence_hash if same else self.fresh("hash-")
        # A leaf that waits for the window is decided when that has ended.
        open_ = claim.state in ("RESERVED", "MATCHED") and tick < (claim.window_end or tick + 1)
        whole = value != "TRUE" or not open_ or rng.random() < 0.95
        known = self.hints.choice((0, 1, claim.terms.max_minor)) if due == 0 else 0
        self.facts[name] = Verdict(value, due, seen, adverse, revivable, whole, known)

    # -- what fits ---------------------------------------------------------------------------

    def _apt(self, claim: Claim) -> Weighted:
        rng, name = self.rng, claim.terms.id
        found = self.fresh(rng.choice(("r", TWO_CONTENTS)))
        options: Weighted = [(0.2, self._risk_hold(name)), (0.1, ReconBreak(name, found))]
        for hold_no in claim.releasing:
            options += [(4, Released(name, hold_no)), (0.5, ReleaseFailed(name, hold_no))]
        for number, how in claim.holds.items():
            if how in ("released", "refused") and number not in claim.confirmed:
                options.append((3, self._confirm(claim, number)))
        if claim.state in BEFORE:
            options += self._apt_holds(claim) + self._apt_before(claim)
        elif claim.state in PAYING:
            options += self._apt_holds(claim) + self._apt_paying(claim)
        else:
            options += self._apt_ended(claim)
        return options

    def _risk_hold(self, name: str) -> RiskHold:
        return RiskHold(name, self.fresh("risk-"), self.rng.choice(PEOPLE))

    def _confirm(self, claim: Claim, hold_no: int) -> HoldConfirmed:
        rng, name = self.rng, claim.terms.id
        tick, need = self.machine.tick, claim.need()
        soon = tick + self.machine.terms.sla + rng.choice((0, 1, 9))
        soon = soon if self.machine.terms.auto_renew else claim.close() + 1
        expires = rng.choice((soon, *(claim.close() + by for by in (1, 30, 500))))
        if self.hints.random() < 0.05:  # over when it is confirmed, or the moment after
            expires = tick + self.hints.choice((-1, 0, 1))
        elif claim.paused_since is not None and self.hints.random() < 0.5:
            expires = claim.closes_so_far() + self.hints.choice((0, 1, 30))
        if rng.random() < 0.85:
            return HoldConfirmed(name, hold_no, need + rng.choice((0, 0, 3)), OWN, expires)
        return rng.choice(
            (
                HoldConfirmed(name, hold_no, need - 1, OWN, expires),
                HoldConfirmed(name, hold_no, need, FOREIGN, expires),
                HoldConfirmed(name, hold_no, need, OWN, claim.close()),
            )
        )

    def _apt_holds(self, claim: Claim) -> Weighted:
        name, number = claim.terms.id, claim.hold_no
        if claim.hold == "asked":
            refused = (0.5, HoldRefused(name, number))
            return [(8, self._confirm(claim, number)), refused, (0.4, HoldLost(name, number))]
        if claim.hold == "live" and number:
            soon = self.machine.tick + self.machine.terms.sla
            known = claim.hold_expires
            later = self.rng.choice((known - 1, known, known + 20, soon))
            renewed = HoldRenewed(name, number, later)
            return [(0.3, HoldLost(name, number)), (0.4, renewed)]
        return []

    def _funding(self) -> str:
        """Now and then the new terms name another way; nobody goes back to a word of the buyer."""
        modes = ("PREFUNDED_HOLD", "BANK_UNDERTAKING")
        known = self.machine.terms.funding in modes
        return self.hints.choice(("", "", *modes)) if known else ""

    def _apt_before(self, claim: Claim) -> Weighted:
        rng, name, state = self.rng, claim.terms.id, claim.state
        options: Weighted = [
            (0.25, AmendmentAccepted(name, random_claim(rng, name), self._funding())),
            (0.08, Booked(name, rng.randint(1, claim.attempt), self.fresh("e"), 40, OWN)),
            (0.04, Booked(name, claim.attempt, self.fresh("e"), 40, FOREIGN)),
            (0.05, Returned(name, self.fresh("t"), rng.choice((5, 40)), OWN)),
            (0.03, Returned(name, self.fresh("t"), 40, FOREIGN)),
        ]
        for attempt, minor in claim.attempts_sent.items():
            options += [(0.5, Booked(name, attempt, self.fresh("e"), minor, OWN))]
            options += [(0.2, Returned(name, self.fresh("t"), minor, OWN))]
        if state in (*PRE, "HELD"):
            role = rng.choice(("BUYER", "BUYER", "SELLER", "CARRIER"))
            options.append((0.6, DisputeRaised(name, rng.choice(PEOPLE), role)))
        if state == "HELD":
            seen = claim.verdict.evidence_hash
            known = tuple(sorted({*claim.held_by_people(), *claim.adverse()}))
            cleared = known if rng.random() < 0.9 else known[:1]
            options += [
                (5, ReviewReleased(name, rng.choice(PEOPLE), seen, cleared)),
                (0.3, ReviewReleased(name, "eva", "another hash", cleared)),
                (0.5, ReviewRejected(name, rng.choice(PEOPLE))),
            ]
        if state == "DISPUTED":
            amount = rng.randint(1, max(1, claim.reserved + (rng.random() < 0.1)))
            amount = next((minor for _, minor in claim.votes.values() if minor), amount)
            options += [
                (1, DisputeWithdrawn(name)),
                (5, DisputeResolved(name, "SELLER", amount, rng.choice("xyzw"))),
                (1, DisputeResolved(name, "BUYER", 0, rng.choice("xyzw"))),
            ]
        return options

    def _apt_paying(self, claim: Claim) -> Weighted:
        rng, name, attempt = self.rng, claim.terms.id, claim.attempt
        if claim.recon_open and rng.random() < 0.6:
            settled = ReconResolved(name, "eva", rng.choice((1, claim.in_flight, 1500)), "SETTLED")
            held = [(1.0, ReconResolved(name, "eva", 0, "HELD"))]
            return [(2, settled), *held, (0.3, ReconResolved(name, "eva", 1, "HELD"))]
        sent = rng.choice(list(claim.attempts_sent))
        minor = claim.attempts_sent[sent]
        part = rng.randint(1, claim.in_flight)
        options: Weighted = [
            (2, Booked(name, sent, self.fresh("e"), minor, OWN)),
            (0.3, Booked(name, sent, self.fresh("e"), minor + 1, OWN)),
            (0.1, Booked(name, sent, self.fresh("e"), minor, FOREIGN)),
            (0.2, Returned(name, self.fresh("t"), part, OWN)),
            (0.2, Returned(name, self.fresh("t"), claim.in_flight, OWN)),
            (0.1, Returned(name, self.fresh("t"), claim.in_flight + 1, OWN)),
            (1.5, Rejected(name, attempt, retryable=True)),
            (0.7, Rejected(name, attempt, retryable=False)),
            (0.4, ReconBreak(name, self.fresh(TWO_CONTENTS))),
        ]
        if claim.state in LIVE:
            options += [
                (1, Pending(name, attempt)),
                (0.7, NotFound(name, attempt)),
                (1, RecallOrdered(name, "eva")),
            ]
        if claim.recall_no:
            options += [
                (1, RecallDone(name, attempt, claim.recall_no)),
                (2, RecallRefused(name, claim.recall_no)),
                (0.7, NoOriginal(name, claim.recall_no)),
            ]
        return options

    def _apt_ended(self, claim: Claim) -> Weighted:
        rng, name, attempt = self.rng, claim.terms.id, claim.attempt
        options: Weighted = [
            (0.5, Booked(name, rng.randint(1, attempt), self.fresh("e"), 30, OWN)),
            (0.5, Returned(name, self.fresh("t"), rng.choice((1, 30)), OWN)),
            (0.5, Rejected(name, attempt, retryable=True)),
            (0.5, Pending(name, attempt)),
        ]
        left = claim.settled - claim.returned
        if claim.state in PAID and left > 0:
            options += [
                (2, Returned(name, self.fresh("t"), rng.choice((1, left, left)), OWN)),
                (0.5, Booked(name, attempt, self.fresh("e"), claim.settled, OWN)),
            ]
        for number in claim.recall_attempt:
            options += [(1, RecallRefused(name, number)), (1, RecallDone(name, attempt, number))]
        return options

    def _foreign(self, name: str) -> Input:
        """Something with a number of nobody, or from another time of the claim's life."""
        rng = self.rng
        number = rng.choice((0, 1, 1, 2, 3, 9))
        claim = rng.choice((name, name, name, "Z"))
        seen = self.machine.claims[name].verdict.evidence_hash
        return rng.choice(
            (
                HoldConfirmed(claim, number, 300, OWN, 900),
                HoldRefused(claim, number),
                HoldRenewed(claim, number, 901),
                HoldLost(claim, number),
                Released(claim, number),
                ReleaseFailed(claim, number),
                Pending(claim, number),
                Booked(claim, 9, self.fresh("e"), 10, OWN),
                Booked(claim, number, self.fresh("e"), 0, OWN),
                Rejected(claim, number, retryable=rng.random() < 0.5),
                NotFound(claim, number),
                RecallDone(claim, 1, number),
                RecallRefused(claim, number),
                NoOriginal(claim, number),
                ReviewReleased(claim, "eva", seen),
                ReviewRejected(claim, "eva"),
                RecallOrdered(claim, "eva"),
                DisputeRaised(claim, "eva", "BUYER"),
                DisputeWithdrawn(claim),
                DisputeResolved(claim, "SELLER", 1, "x"),
                ReconResolved(claim, "eva", 1, "SETTLED"),
                AmendmentAccepted(claim, random_claim(rng, rng.choice((name, "B")))),
                ContractAgreed(),
            )
        )


def every_input(claim: Claim, tick: int) -> list[Input]:
    """Every kind of input for one claim, with the number of now, an older and an unknown one."""
    name, minor = claim.terms.id, claim.in_flight or claim.reserved or 40
    said: list[Input] = [ContractAgreed(), MutualCancel(), CourtOrder(), Cut(tick), Cut(tick + 1)]
    for value in ("TRUE", "FALSE", "UNKNOWN"):
        for adverse in ((), ("adverse",)):
            said.append(Cut(tick + 9, {name: Verdict(value, 30, "h", adverse)}))
    for number in sorted({0, 1, claim.hold_no, claim.hold_no + 1}):
        said += [HoldConfirmed(name, number, 2000, OWN, 2000), HoldRefused(name, number)]
        said += [HoldRenewed(name, number, 5000), HoldLost(name, number)]
        said += [Released(name, number), ReleaseFailed(name, number)]
    for number in sorted({0, 1, claim.attempt, claim.attempt + 1}):
        said += [Pending(name, number), NotFound(name, number)]
        said += [Rejected(name, number, retryable=True), Rejected(name, number, retryable=False)]
        for amount, ccy in ((minor, OWN), (minor + 1, OWN), (minor, FOREIGN), (0, OWN)):
            said.append(Booked(name, number, "new", amount, ccy))
    for amount, ccy in ((minor, OWN), (1, OWN), (minor + 1, OWN), (minor, FOREIGN), (0, OWN)):
        said.append(Returned(name, "new", amount, ccy))
    for number in sorted({0, 1, claim.recall_no, claim.recall_no + 1}):
        said += [RecallDone(name, attempt, number) for attempt in (1, claim.attempt)]
        said += [RecallRefused(name, number), NoOriginal(name, number)]
    seen = claim.verdict.evidence_hash
    said += [ReviewReleased(name, "eva", seen), ReviewReleased(name, "eva", "other")]
    said += [ReviewRejected(name, "eva"), RiskHold(name, "new", "eva"), RecallOrdered(name, "eva")]
    said += [DisputeRaised(name, "eva", role) for role in ("BUYER", "CARRIER")]
    said += [DisputeWithdrawn(name), DisputeResolved(name, "SELLER", 1, "x")]
    said += [DisputeResolved(name, "BUYER", 0, "x"), DisputeResolved(name, "SELLER", 0, "x")]
    said += [AmendmentAccepted(name, replace(claim.terms, id=id_)) for id_ in (name, "other")]
    said += [ReconBreak(name, "new"), ReconResolved(name, "eva", minor, "SETTLED")]
    said += [ReconResolved(name, "eva", 0, "HELD"), ReconResolved(name, "eva", 1, "HELD")]
    return said


def drain(machine: Machine) -> list[Input]:
    """Ends every claim with answers that only the rail and the operators give, after the long
    stop; returns what it took. No condition, dispute or review is asked.
    """
    taken: list[Input] = []

    def say(said: Input) -> None:
        taken.append(said)
        machine.take(said)

    say(Cut(max(machine.tick, machine.terms.long_stop) + 1))
    for number in range(3):
        for name, claim in list(machine.claims.items()):
            if claim.recon_open:
                say(ReconResolved(name, "eva", number % 2 * claim.in_flight, "HELD"))
                say(ReconResolved(name, "eva", 0, "HELD"))
            elif claim.state in PAYING:
                say(Rejected(name, claim.attempt, retryable=True))
        say(Cut(machine.tick + 1))
    for name, claim in machine.claims.items():
        for hold_no in list(claim.releasing):
            say(Released(name, hold_no))
    return taken
