"""Random histories of whole contracts, with verdicts that are made up: every row can be met.

What is told is half likely and half nonsense. The condition of a claim is whatever the walk says it
is, so that amounts, challenges and conflicts come as often as they are needed.
"""

import random
from collections import Counter

import settlement_world as w

from supplytwin.processors import settlement
from supplytwin.processors.conditions import Assessment
from supplytwin.processors.evidence import Leaf, Verdict
from supplytwin.processors.postings import parse
from supplytwin.processors.settlement_state import ABSORBING
from supplytwin.processors.settlement_table import FLYING, OPEN
from supplytwin.schemas import terms
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK, Receipt, Review

day = w.day
VALUES = ("TRUE",) * 8 + ("UNKNOWN", "FALSE")
PERSONS = ("ann", "bob", "rosa", "hal", "")
ROLES = ("BUYER", "SELLER", "ARBITER", "COURT", "FINANCIER")
STATUSES = {
    "RESERVE": ("CONFIRMED", "CONFIRMED", "REFUSED", "RENEWED", "LOST"),
    "PAY": ("ACSP", "ACSC", "BOOKED", "RJCT", "NOT_FOUND", "RETURNED"),
    "QUERY": ("PDNG", "BOOKED", "RJCT", "NOT_FOUND"),
    "RELEASE": ("RELEASED", "FAILED"),
    "RECALL": ("CNCL", "RJCR", "NOOR"),
}
VERDICTS = (
    "RELEASE", "RELEASE", "RELEASE", "REJECT", "HOLD", "RECALL", "UNDERTAKING", "DISPUTE",
    "DISPUTE", "WITHDRAW", "DISMISS", "RESOLVE_SELLER", "RESOLVE_SELLER", "RESOLVE_BUYER",
    "RECON_BREAK", "RECON_SETTLED", "RECON_HELD", "COURT_ORDER",
)  # fmt: skip


def _verdict(promise, told):
    """What the walk has made up about one claim."""
    value, matches, due, adverse = told.get(promise.claim_id, ("UNKNOWN", None, None, ()))
    return Verdict(
        value=value, matches=matches, due_minor=due, rests_on=(), against=(), wakes_at=None,
        adverse=tuple(("x", one) for one in adverse),
        adverse_ids=tuple(f"x/{one}~0" for one in adverse),
        leaves=(Leaf(name="told", value=value, why="so it is told"),),
    )  # fmt: skip


class _Other:
    """A part of a verdict that is never the same again."""

    def holds(self, tick, stirred):
        return False


class Told:
    """Stands in for the conditions: patched in where verdicts are asked for."""

    def __init__(self, monkeypatch):
        self.of = {}
        monkeypatch.setattr("supplytwin.processors.settlement_verdict.evaluate", self.evaluate)
        monkeypatch.setattr("supplytwin.processors.settlement_memory.assess", self.assess)

    def evaluate(self, terms, promise, twin, at):
        return _verdict(promise, self.of)

    def assess(self, terms, promise, twin, at, known=None):
        return Assessment(
            verdict=_verdict(promise, self.of), promise=promise, parts=(_Other(),), until=at + 1,
            concerns=frozenset(),
        )  # fmt: skip


class Walk:
    """One history. Every step is checked (`conserve`); `rows` counts (row, from)."""

    def __init__(self, seed, told):
        self.random = random.Random(seed)
        self.of_records = random.Random(f"which records of {seed}")
        self.told = told
        told.of = {}
        self.wild = seed % 3 / 2
        """0 = the rail and the people mostly do what is asked for."""
        pick = self.random
        self.fields = {
            "attempts_max": 2,
            "funding_mode": pick.choice((*terms.FUNDING_MODES, terms.PREFUNDED, terms.PREFUNDED)),
            "auto_renew": pick.random() < 0.5,
            "hold_tolls_deadline": pick.random() < 0.3,
            "release_reviewers": pick.choice((1, 1, 2)),
            "disputes": terms.Disputes(
                who=("BUYER", "SELLER"), arbiters=("ann", "bob"), k=pick.choice((1, 2)),
                max_len_us=40 * DAY_US, on_timeout=pick.choice(("BUYER", "SELLER")),
            ),
        }  # fmt: skip
        self.chain = w.Chain(self._terms(1))
        self.chain.agree()
        self.tick = day(0)
        self.rows = Counter()
        self.steps = 0
        self.seen = 0
        self.unread = set()
        """Refused records of the chain that nobody has dealt with."""
        self.mirror = dict.fromkeys(("buyer", "reserved", "in_flight", "seller"), 0)
        self.conserve()

    def _terms(self, version):
        pick = self.random
        claims = tuple(
            w.claim_terms(
                number,
                amount_minor=pick.choice((100_000, 100_000, 60_000, 0 if version > 1 else 80_000)),
                challenge_us=pick.choice((0, 0, 5 * DAY_US)),
                on_false=pick.choice((None, None, "HOLD")),
            )
            for number in (1, 2)
            if version == 1 or pick.random() < 0.9
        ) or (w.claim_terms(1),)
        rest = w.claim_terms(3, tranche_id="T2", residual_of=("T1",), amount_minor=50_000)
        claims += (rest,) if pick.random() < 0.5 else ()
        return w.contract_terms(claims, version=version, **self.fields)

    # -- checks

    def conserve(self):
        """Sum zero at every prefix, nothing negative, instructed <= reserved <= cap, ends once."""
        chain = self.chain
        for transition in self._new():
            net = parse(transition.postings)
            assert sum(net.values()) == 0
            for account, change in net.items():
                self.mirror[account] += change
            assert min(self.mirror[name] for name in ("reserved", "in_flight", "seller")) >= 0
            self._paid(transition, net)
            self.rows[transition.row, transition.from_state] += 1
            ended = transition.from_state in ABSORBING
            assert (
                not ended
                or transition.to_state == transition.from_state
                or ((transition.from_state, transition.to_state) == ("SETTLED", "RETURNED"))
            )
        most = 0
        for claim in chain.book.claims.values():
            money = claim.accounts
            assert money.buyer + money.reserved + money.in_flight + money.seller == 0
            assert min(money.reserved, money.in_flight, money.seller) >= 0
            assert money.reserved + money.in_flight <= claim.amount_minor
            assert claim.instructed_minor <= claim.amount_minor
            assert claim.state in FLYING or money.in_flight == 0
            assert claim.state not in OPEN or (money.reserved > 0) == claim.hold_live
            assert claim.state not in ABSORBING or money.reserved == 0
            sent = claim.issued > 0 and claim.state in (*FLYING, "SETTLED", "RETURNED")
            most += money.reserved + (claim.instructed_minor if sent else money.in_flight)
        assert most <= chain.book.terms.cap_minor
        self._unread_stand()

    def _unread_stand(self):
        """Against every claim that is open, however it came to be, stands each refused record that
        nobody has dealt with, unless a review has cleared it there; and no other one does.
        """
        for claim in self.chain.book.claims.values():
            if claim.state not in (*OPEN, *FLYING):
                continue
            stood = {key for key in claim.standing if key.startswith(QUARANTINE_DESK)}
            assert stood - claim.cleared == self.unread - claim.cleared
            assert stood >= self.unread

    def _new(self):
        recorded = [entry[1] for entry in self.chain.journal if entry[0] == "DECISION"]
        fresh = recorded[self.seen :]
        assert [one.contract_seq for one in recorded[self.seen :]] == list(
            range(self.seen + 1, len(recorded) + 1)
        )
        self.seen = len(recorded)
        return fresh

    def _paid(self, record, net):
        """What a PAY is for was reserved for it, and it goes out by row 21 alone; row 44 repeats
        the same one.
        """
        if record.row == 21:
            assert net["in_flight"] == -net["reserved"] == record.amount_minor > 0
        assert net["in_flight"] <= 0 or record.row == 21

    # -- steps

    def step(self):
        """One thing that happens, and the checks."""
        self.steps += 1
        what = self.random.random()
        wild = self.wild
        if what < 0.12:
            self._tell()
        elif what < 0.40:
            self._rail()
        elif what < 0.40 + 0.12 * wild:
            self._nonsense()
        elif what < 0.64:
            self._review()
        elif what < 0.64 + 0.02 * wild:
            self._of_all()
        elif what < 0.665 + 0.02 * wild:
            self._amend()
        else:
            self._cut()
        self.conserve()

    def _tell(self):
        pick = self.random
        value = pick.choice(VALUES) if self.tick <= day(90) else pick.choice(("TRUE", *VALUES))
        if value == "FALSE" and self.tick <= day(90):
            value = "UNKNOWN"
        matches = "TRUE" if value != "TRUE" and pick.random() < 0.3 else None
        due = pick.choice((None,) * 6 + (70_000, 35_000, 35_000, 0, 150_000))
        adverse = ("c1",) if pick.random() < 0.06 else ()
        self.told.of[f"A-{pick.choice((1, 2, 3))}"] = (value, matches, due, adverse)

    def _cut(self):
        days = self.random.choice((0, 0, 1, 1, 1, 2, 3, 6, 15))
        self.tick += days * DAY_US
        if self.random.random() < 0.01:
            self.tick = max(self.tick, day(271))
        self.chain.cut(self.tick)

    def _claim(self):
        return self.chain.book.claims[self.random.choice(self.chain.book.order)]

    def _receipt(self, claim, kind, status, **fields):
        self.chain._ids += 1
        base = {
            "input_id": f"r{self.chain._ids}", "source": "rail", "chain_id": w.CHAIN,
            "contract_id": w.CONTRACT, "settlement_id": claim.settlement_id, "kind": kind,
            "instruction_no": 1, "attempt": claim.attempt, "hold_no": claim.hold_no,
            "recall_no": claim.recall_no, "query_no": claim.query_no, "rail_status": status,
            "rail_time": self.tick, "amount_minor": claim.amount_minor, "currency": "USD",
            "hold_expires": day(300),
        }  # fmt: skip
        self.chain.receive(Receipt(**{**base, **fields}))

    def _rail(self):
        """The likely next answer."""
        pick, claim = self.random, self._claim()
        kind, statuses = {
            "CREATED": ("RESERVE", ("CONFIRMED",)),
            "INSTRUCTED": ("PAY", ("ACSP", "BOOKED", "RJCT", "RJCT", "NOT_FOUND")),
            "ACCEPTED": ("PAY", ("BOOKED", "RJCT", "RETURNED")),
            "IN_DOUBT": ("QUERY", ("BOOKED", "RJCT", "NOT_FOUND", "ACSP")),
            "CANCEL_PENDING": pick.choice(
                (("RECALL", ("CNCL", "RJCR", "NOOR")), ("PAY", ("RJCT",)))
            ),
            "SETTLED": ("PAY", ("RETURNED", "BOOKED")),
            "RESERVED": ("RESERVE", ("RENEWED", "RENEWED", "LOST")),
            "HELD": ("RESERVE", ("CONFIRMED", "CONFIRMED", "LOST")),
            "DISPUTED": ("RESERVE", ("CONFIRMED", "CONFIRMED", "LOST")),
        }.get(claim.state, pick.choice((("RELEASE", ("RELEASED",)), ("RESERVE", ("LOST",)))))
        status = pick.choice(statuses)
        if status == "LOST" and pick.random() < 0.6:
            return
        amount = claim.amount_minor if kind == "RESERVE" else claim.instructed_minor
        short = kind == "RESERVE" and pick.random() < 0.15
        short |= status in ("BOOKED", "RETURNED") and pick.random() < 0.2
        self._receipt(
            claim, kind, status, amount_minor=amount - 1 if short else amount,
            entry_id=f"E{claim.attempt}", return_id=f"R{pick.randrange(3)}",
            rail_reason=pick.choice(("AM04", "AC04")),
            hold_expires=pick.choice((day(300), day(300), None, self.tick + 20 * DAY_US)),
        )  # fmt: skip

    def _nonsense(self):
        pick, claim = self.random, self._claim()
        kind = pick.choice(tuple(STATUSES))
        self._receipt(
            claim, kind, pick.choice(STATUSES[kind]),
            attempt=pick.choice((claim.attempt, claim.issued, 0, 1, 4)),
            hold_no=pick.choice((claim.hold_no, claim.hold_no, 1, 0, 9)),
            recall_no=pick.choice((claim.recall_no, 1, 3)),
            amount_minor=pick.choice((claim.instructed_minor, 7, 60_000, 150_000, None)),
            currency=pick.choice(("USD", "USD", "USD", "EUR", None)),
            entry_id=pick.choice((None, "E1", "E2", "E3")),
            return_id=pick.choice((None, "R1", "R2")),
            hold_expires=pick.choice((None, day(80), day(300))),
            rail_reason=pick.choice(("AM04", "AC04")),
        )  # fmt: skip

    def _review(self):
        pick, claim = self.random, self._claim()
        adverse = {**claim.standing, **{f"settlement/{n}": "" for n in self.chain.book.freezes}}
        told = settlement.explain(self.chain.book, self.chain.twin, self.tick)
        mine = next(one for one in told if one.settlement_id == claim.settlement_id)
        likely = {
            "HELD": ("RELEASE",), "IN_DOUBT": ("RECON_SETTLED", "RECON_HELD", "RECALL"),
            "DISPUTED": ("RESOLVE_SELLER", "DISMISS", "RESOLVE_BUYER", "WITHDRAW", "HOLD"),
            "CREATED": ("UNDERTAKING",), "APPROVED": ("DISPUTE", "HOLD"),
        }.get(claim.state, VERDICTS if self.wild else ("DISPUTE", "RECALL"))  # fmt: skip
        verdict = pick.choice(pick.choice((likely, VERDICTS) if self.wild else (likely,)))
        role = {
            "DISMISS": "ARBITER", "RESOLVE_SELLER": "ARBITER", "RESOLVE_BUYER": "ARBITER",
            "COURT_ORDER": "COURT", "UNDERTAKING": "FINANCIER",
        }.get(verdict, "BUYER")  # fmt: skip
        if verdict == "COURT_ORDER" and pick.random() < 0.7:
            return
        clears = mine.adverse_ids if pick.random() < 0.8 else tuple(sorted(adverse))[:1]
        self.chain.review(
            verdict, settlement_id=claim.settlement_id, reviewer=pick.choice(PERSONS),
            role=role if pick.random() < 0.9 else pick.choice(ROLES),
            evidence_hash=pick.choice((mine.evidence_hash, mine.evidence_hash, "other")),
            cleared_ids=clears if verdict == "RELEASE" else (),
            amount_minor=pick.choice((claim.amount_minor, claim.instructed_minor, 40_000, None)),
            attempts=pick.choice((None, 1)),
        )  # fmt: skip

    def _of_all(self):
        pick = self.random
        what = pick.random()
        base = {"settlement_id": EVERY, "reviewer": pick.choice(PERSONS)}
        if what < 0.15:
            self.chain.review("CANCEL", role=pick.choice(("BUYER", "SELLER")), **base)
        elif what < 0.25:
            verdict = pick.choice(("COURT_ORDER", "TERMINATE"))
            self.chain.review(verdict, role=pick.choice(("COURT", "BUYER")), **base)
        elif what < 0.6:
            self.chain._ids += 1
            self.unread.add(f"{QUARANTINE_DESK}/topic/0/{self.chain._ids}")
            self.chain.act(Review(
                input_id=f"topic/0/{self.chain._ids}", source=QUARANTINE_DESK, chain_id=w.CHAIN,
                contract_id=EVERY, settlement_id=EVERY, verdict="QUARANTINE", reviewer="",
                role="SYSTEM", reason="refused",
            ))  # fmt: skip
        else:
            places = {
                key
                for claim in self.chain.book.claims.values()
                for key in claim.standing
                if key.startswith(QUARANTINE_DESK)
            }
            some = {key for key in sorted(places) if self.of_records.random() < 0.8}
            self.chain.review(
                "DROP_RECORD", contract_id=EVERY, cleared_ids=tuple(sorted(some)), **base
            )
            self.unread -= some

    def _amend(self):
        version = self.chain.book.terms.version + 1
        amended = self._terms(version)
        held = sum(c.amount_minor for c in self.chain.book.claims.values() if c.state in FLYING)
        if held > amended.cap_minor:
            return
        self.chain.amend(amended)
