"""Random histories: the code agrees with an independent reading of the table, money is conserved,
every prefix of the journal restores the same book, and with a rail that keeps its promises every
claim ends."""

import random
from collections import Counter
from decimal import Decimal

import pytest
import settlement_oracle as oracles
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import postings, settlement, settlement_table
from supplytwin.processors.conditions import evaluate
from supplytwin.processors.settlement_state import ABSORBING, Accounts, total
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK, Receipt, Review

day, Chain = w.day, w.Chain


class Walk:
    """One random history of a contract with two claims, told to code and oracle alike."""

    def __init__(self, seed, *, calm=None):
        self.random = random.Random(seed)
        self.beside = random.Random(f"what comes beside a refused record in {seed}")
        renewed = {"auto_renew": seed % 4 == 2}
        self.chain = Chain(w.contract_terms((w.claim_terms(1), w.claim_terms(2)), **renewed))
        self.chain.agree()
        self.oracle = oracles.Oracle(self.chain.terms, self.chain.ids)
        self.spoilt = self.random.choice((0.0, 0.04, 0.12))
        """The share of steps that are about refused records."""
        self.tick = day(0)
        self.kept = []
        self.refused = []
        """Places of refused records, dealt with or not."""
        self.fired = Counter()
        self.acts = Counter()
        """(act on a record, row, state before)."""
        self.calm = seed % 3 > 0 if calm is None else calm
        """Two of three walks get far: both holds, the proofs, fewer contradictions, less chaos."""
        if self.calm:
            self.chain.facts(*w.proofs(1, at=0), *w.proofs(2, at=0))
            for _ in range(4):
                self.helpful()
            if seed % 6 == 1:
                self.withdraw(self.random.choice((1, 2)))

    # -- what is told

    def told(self, outcome, verdict, moved):
        """The code's outcome is what the oracle says: verdict, rows, states, money."""
        assert outcome.verdict == verdict
        assert [(t.settlement_id, t.row) for t in outcome.transitions] == moved
        self.agree()

    def agree(self):
        for name, mine in self.oracle.claims.items():
            claim = self.chain.book.claims[name]
            assert claim.state == mine.state
            assert self.chain.terms.close(self.chain.book.promises[name]) == mine.close
            money = claim.accounts
            assert (money.reserved, money.in_flight, money.seller) == (
                mine.reserved, mine.in_flight, mine.seller,
            )  # fmt: skip
            assert (claim.attempt, claim.issued, claim.recall_no) == (
                mine.attempt, mine.sent, mine.recalls,
            )  # fmt: skip

    def conserve(self):
        """Sum zero at every prefix, nothing below zero, never more under way than owed."""
        for claim in self.chain.book.claims.values():
            money = claim.accounts
            assert money.buyer + money.reserved + money.in_flight + money.seller == 0
            assert min(money.reserved, money.in_flight, money.seller) >= 0
            assert money.reserved + money.in_flight <= claim.amount_minor
        summed = dict.fromkeys(postings.ACCOUNTS, 0)
        for _, lines in self.chain.postings:
            for account, net in postings.parse(lines).items():
                summed[account] += net
        assert sum(summed.values()) == 0
        assert Accounts(**summed) == total(c.accounts for c in self.chain.book.claims.values())

    def cut(self, tick):
        self.tick = tick
        verdicts = {name: self.verdict(name, tick) for name in self.chain.ids}
        self.chain.now = tick
        before = {name: claim.state for name, claim in self.chain.book.claims.items()}
        origins = {name: claim.origin for name, claim in self.chain.book.claims.items()}
        agenda = settlement.due(self.chain.book)
        touched, self.chain.touched = self.chain.touched, False
        book, transitions = settlement.cut(self.chain.book, self.chain.twin, tick)
        self.chain.book = book
        self.chain._decided(transitions, None)
        moved = [(t.settlement_id, t.row) for t in transitions]
        assert moved == self.oracle.cut(tick, verdicts)
        for t in transitions:
            if t.row == 21:
                assert verdicts[t.settlement_id].value == "TRUE"
                assert t.evidence_ids == verdicts[t.settlement_id].evidence
            self.fired[t.row, before[t.settlement_id]] += 1
            if origins[t.settlement_id] == "QUARANTINED":
                origin = self.chain.book.claims[t.settlement_id].origin
                self.acts["the cut finds more", t.row, origin] += 1
        awaited = agenda == "NEXT" or (agenda is not None and agenda <= tick)
        assert touched or awaited or not moved, "a cut moved a claim that was not due"
        self.agree()

    def verdict(self, name, tick):
        """The condition of a claim under the deadline that the oracle finds in force."""
        promise = self.chain.book.promises[name]
        deadline = self.oracle.claims[name].close - promise.grace_us
        return evaluate(
            self.chain.terms, replace(promise, deadline=deadline), self.chain.twin, tick
        )

    def receive(self, message):
        known = message.input_id in {one.input_id for one in self.kept}
        before = {name: claim.state for name, claim in self.chain.book.claims.items()}
        outcome = self.chain.receive(message)
        if known:
            if outcome.verdict == "DUPLICATE":
                assert message in self.kept
                return
            moved = self.oracle.two_contents(message)
            verdict = "CONFLICT"
        else:
            verdict, row = self.oracle.receipt(message, self.chain.now)
            moved = [] if row is None else [(message.settlement_id, row)]
        self.kept.append(message)
        self.told(outcome, verdict, moved)
        for name, row in moved:
            self.fired[row, before[name]] += 1

    def review(self, **fields):
        chain, pick = self.chain, self.random
        number = pick.randrange(2)
        name = chain.ids[number]
        verdict = self.verdict(name, chain.now)
        adverse = sorted(self.oracle.adverse(self.oracle.claims[name], verdict))
        base = {
            "reviewer": pick.choice(("rosa", "hal", "")), "role": pick.choice(("BUYER", "SELLER")),
            "evidence_hash": pick.choice((verdict.evidence_hash, verdict.evidence_hash, "other")),
            "cleared_ids": tuple(pick.choice((adverse, adverse, adverse[:1], ["x/y"]))),
        }  # fmt: skip
        message = chain.review(fields.pop("verdict"), number, **{**base, **fields})
        entry = chain.journal
        review = next(e[1] for e in reversed(entry) if e[0] == "INPUT")
        self.told(message, *self.oracle.review(review, chain.now, verdict))

    def _of_a_record(self, verdict, source, place, **fields):
        """Tell code and oracle what became of a record under the chain's key."""
        self.chain._ids += 1
        base = {
            "input_id": f"{verdict}-{self.chain._ids}", "source": source, "chain_id": w.CHAIN,
            "contract_id": EVERY, "settlement_id": EVERY, "verdict": verdict, "reviewer": "",
            "role": "SYSTEM", "reason": place,
        }  # fmt: skip
        review = Review(**{**base, **fields})
        before = {name: claim.state for name, claim in self.chain.book.claims.items()}
        outcome = self.chain.act(review)
        verdict, moved = self.oracle.review(review, self.chain.now, None)
        self.told(outcome, verdict, moved)
        self.acts.update((review.verdict, row, before[name]) for name, row in moved)
        return review

    def refuse(self):
        """A record of the chain goes to the quarantine; the worker may say so twice."""
        place = f"supply.customs/0/{len(self.refused)}"
        self.refused.append(place)
        source = self.random.choice((QUARANTINE_DESK,) * 15 + ("supplytwin:operator",))
        told = self._of_a_record("QUARANTINE", source, place, input_id=place)
        if self.random.random() < 0.1:
            assert self.chain.act(told).verdict == "DUPLICATE"
            self.agree()

    def deal_with(self, *places):
        """An operator releases or drops refused records, once or again, alone or with a friend."""
        pick = self.random
        self._of_a_record(
            pick.choice(("RELEASE_RECORD", "DROP_RECORD")),
            pick.choice(("supplytwin:operator",) * 15 + (QUARANTINE_DESK,)),
            places[0],
            reviewer=pick.choice(("olga",) * 8 + ("rosa", "")),
            role="OPERATOR",
            cleared_ids=tuple(f"{QUARANTINE_DESK}/{place}" for place in places),
        )

    def quarantine(self):
        """Refusals, and acts on one or two of them: mostly on what stands, so that claims go on."""
        pick = self.random
        open_ = sorted({key for c in self.oracle.claims.values() for key in c.in_quarantine()})
        if not self.refused or pick.random() < (0.25 if open_ else 0.5):
            self.refuse()
            return
        places = [key.removeprefix(f"{QUARANTINE_DESK}/") for key in open_] or self.refused
        if pick.random() < 0.1:
            places = [*self.refused, "supply.customs/1/0"]
        self.deal_with(*pick.sample(places, min(len(places), pick.choice((1, 1, 1, 2)))))

    # -- what happens

    def facts(self):
        """One random fact about either claim: proofs, contrary ones, corrections, conflicts."""
        pick, number = self.random, self.random.choice((1, 1, 2))
        at = max(day(1), self.tick - pick.randrange(3) * DAY_US) + pick.randrange(1_000) * 1_000_000
        at = min(at, self.tick + DAY_US)
        decl, line = f"D{number}", f"L{number}"
        revision = pick.randrange(10**6) if self.calm else pick.randrange(1, 4)
        supporting = ("declared", "released", "received", "hold_removed", "ready")
        contrary = ("hold_placed", "release_revoked", "reversed", "retract", "cancelled")
        kind = pick.choice((*supporting * 3, *contrary) if self.calm else (*supporting, *contrary))
        rev = {"revision": revision, "event_time": at}
        if kind == "declared":
            fact = w.declared(at, decl, f"ASN-{number}", **rev)
        elif kind == "received":
            fact = w.received(
                at, pick.choice((40, 40, 20)), line, f"r{pick.randrange(3)}-{line}", **rev
            )
        elif kind == "reversed":
            fact = w.reversed_(at, 40, line, f"v{pick.randrange(2)}-{line}", **rev)
        elif kind == "ready":  # no condition looks at it, unless it takes the place of a receipt
            name = pick.choice((f"ready-{line}", f"r0-{line}"))
            fact = w.event("order.goods_ready", f"ORDER_LINE:{line}", name, at, **rev,
                           line_id=line, qty=Decimal(40))  # fmt: skip
        elif kind == "retract":
            target = pick.choice(
                (f"released-{decl}", f"r0-{line}", f"hold_placed-{decl}", f"v0-{line}")
            )
            source = "wms" if target.endswith(line) else "customs"
            base = (
                w.customs("released", at, decl)
                if source == "customs"
                else w.received(at, line=line)
            )
            fact = w.with_(
                base, event_id=f"undo-{target}", revision=revision, correction_action="RETRACT",
                correction_source=source, correction_event_id=target,
            )  # fmt: skip
        else:
            fact = w.customs(kind, at, decl, **rev)
        self.chain.facts((fact, self.tick))

    def contradict(self):
        """A receipt says two things under one revision: evidence beside what the quarantine holds.
        A later revision may say which it was.
        """
        line = f"L{self.beside.choice((1, 2))}"
        revision = self.beside.randrange(10**6 if self.calm else 4)
        for qty in (40, 20):
            fact = w.received(self.tick, qty, line, f"r0-{line}", revision=revision)
            self.chain.facts((fact, self.tick))

    def withdraw(self, number):
        """The release of a claim is taken back by its own source."""
        release = w.proofs(number, at=0)[1][0]
        undo = w.with_(
            release, event_id=f"undo-{number}", revision=10**7, correction_action="RETRACT",
            correction_source=release.source, correction_event_id=release.event_id,
        )  # fmt: skip
        self.chain.facts((undo, self.tick))

    def chaos(self):
        """A receipt of any kind, about any attempt, with any ids: the rail has lost its mind."""
        pick, chain = self.random, self.chain
        name = pick.choice(chain.ids)
        status = {
            "RESERVE": ("CONFIRMED", "CONFIRMED", "REFUSED"),
            "PAY": ("ACSP", "ACSC", "BOOKED", "RJCT", "NOT_FOUND", "RETURNED"),
            "QUERY": ("PDNG", "BOOKED", "RJCT", "NOT_FOUND"),
            "RELEASE": ("RELEASED", "FAILED"),
            "RECALL": ("CNCL", "RJCR", "NOOR"),
        }  # fmt: skip
        claim = chain.book.claims[name]
        kind = pick.choice(tuple(status))
        message = Receipt(
            input_id=f"chaos-{pick.randrange(10_000)}", source="rail", chain_id=w.CHAIN,
            contract_id=w.CONTRACT, settlement_id=name, kind=kind,
            instruction_no=1,
            attempt=pick.choice((claim.attempt, claim.attempt, claim.issued, 0, 4)),
            hold_no=pick.choice((claim.hold_no,) * 4 + (1, 0, 2)),
            recall_no=pick.choice((claim.recall_no, claim.recall_no, 0, 1, 3)), query_no=1,
            rail_status=pick.choice(status[kind]), rail_time=self.tick,
            amount_minor=pick.choice((100_000, 100_000, 100_000, 100_000, 40_000, 60_000, 7, None)),
            currency=pick.choice(("USD", "USD", "USD", "USD", "USD", "EUR", None)),
            entry_id=pick.choice((None, "E1", "E2")), return_id=pick.choice((None, "R1", "R2")),
            hold_expires=pick.choice((None, day(300), day(300), day(80), day(100))),
            rail_reason=pick.choice(("AM04", "AC04")),
        )  # fmt: skip
        self.receive(message)

    def until(self, claim):
        """When a hold runs out; now and then soon, where holds are renewed: nobody does it. While
        the clock of its claim stands still, about the close that is known.
        """
        if claim.tolls_since is not None and self.random.random() < 0.6:
            known = self.oracle.claims[claim.settlement_id].known_close
            return known + self.random.choice((0, 1, 20 * DAY_US))
        soon = self.chain.terms.auto_renew and self.random.random() < 0.4
        return self.tick + self.random.choice((0, 15, 30)) * DAY_US if soon else day(300)

    def helpful(self):
        """The rail's likely next answer for one claim, so that walks get far."""
        pick, chain = self.random, self.chain
        number = pick.randrange(2)
        claim = chain.claim(number)
        answers = {
            "CREATED": ("RESERVE", ("CONFIRMED",)),
            "INSTRUCTED": ("PAY", ("ACSP", "BOOKED", "RJCT", "RJCT")),
            "ACCEPTED": ("PAY", ("BOOKED", "RJCT", "RETURNED")),
            "IN_DOUBT": ("QUERY", ("BOOKED", "RJCT", "NOT_FOUND", "ACSP")),
            "CANCEL_PENDING": pick.choice(
                (("RECALL", ("CNCL", "RJCR", "NOOR")), ("PAY", ("RJCT",)))
            ),
            "SETTLED": ("PAY", ("RETURNED", "BOOKED")),
        }.get(claim.state, ("RELEASE", ("RELEASED",)))
        order = chain.last(answers[0], number)
        if order is None:
            return
        status = pick.choice(answers[1])
        fields = {"rail_reason": pick.choice(("AM04", "AM04", "AC04"))}
        if status == "CONFIRMED":
            fields["hold_expires"] = self.until(claim)
        if status == "RETURNED":
            amount = pick.choice((100_000, 50_000))
            fields |= {
                "return_id": f"R{pick.randrange(3)}",
                "amount_minor": amount,
                "currency": "USD",
            }
        if status == "BOOKED":
            fields["entry_id"] = pick.choice(("E1", "E1", "E2"))
        base = {
            "input_id": f"help-{pick.randrange(10**9)}", "source": "rail", "chain_id": w.CHAIN,
            "contract_id": w.CONTRACT, "settlement_id": order.settlement_id, "kind": order.kind,
            "instruction_no": order.instruction_no, "attempt": order.attempt,
            "hold_no": order.hold_no, "recall_no": order.recall_no,
            "query_no": order.query_no, "rail_status": status, "rail_time": self.tick,
            "amount_minor": order.amount_minor, "currency": "USD",
        }  # fmt: skip
        self.receive(Receipt(**{**base, **fields}))

    def step(self):
        pick = self.random.random()
        facts, helpful, chaos = (0.14, 0.52, 0.55) if self.calm else (0.30, 0.50, 0.62)
        if pick < facts:
            self.facts()
        elif pick < helpful:
            self.helpful()
        elif pick < chaos:
            self.chaos()
        elif pick < 0.66 and self.kept:
            again = self.random.choice(self.kept)
            self.receive(self.random.choice((again, replace(again, rail_time=again.rail_time + 1))))
        elif pick < 0.72:
            self.review(
                verdict=self.random.choice(("HOLD", "RELEASE", "RELEASE", "REJECT", "RECALL"))
            )
        elif pick < 0.725:
            self.review(verdict="CANCEL")
        elif pick < 0.725 + self.spoilt:
            self.quarantine()
            if self.beside.random() < 0.3:
                self.contradict()
        else:
            days = self.random.choice((0, 1, 1, 2, 5, 15) if self.calm else (1, 2, 5, 15, 40))
            ahead = self.tick + days * DAY_US + self.random.randrange(2)
            jump = self.random.random()
            close = self.random.choice((day(90), *(c.close for c in self.oracle.claims.values())))
            ahead = max(ahead, close + self.random.randrange(2)) if jump < 0.05 else ahead
            self.cut(max(ahead, day(271)) if jump < 0.02 else ahead)


def test_random_walks_agree_with_the_oracle_and_restore(required):
    """Rows, states, money and counters at every step; sum zero; each journal restores its book."""
    count, fired, acts = required("settlement_walks"), Counter(), Counter()
    for seed in range(count):
        walk = Walk(seed)
        for _ in range(60):
            walk.step()
            walk.conserve()
        assert w.history(walk.chain.restored()) == w.history(walk.chain.book)
        fired.update(walk.fired)
        acts.update(walk.acts)
    count.done(seed + 1)
    numbers = {row for row, _ in fired}
    assert numbers >= {2, 3, 4, 6, 7, 8, 9, 10, 12, 21, 22, 23, 24, 25, 26, 28, 29, 30, 31, 32}
    assert numbers >= {15, 34, 38, 39, 41, 42, 44, 45, 46, 47, 48, 49, 50, 53, 54}
    assert numbers <= {row.number for row in settlement_table.ROWS}
    for state in ("CREATED", "HELD"):
        assert acts["QUARANTINE", 54, state] and acts["DROP_RECORD", 54, state]
    assert acts["QUARANTINE", 12, "RESERVED"]
    assert acts["the cut finds more", 54, "RISK"]
    assert acts["DROP_RECORD", 13, "HELD"] and acts["RELEASE_RECORD", 13, "HELD"]


def test_every_prefix_of_a_journal_restores_the_book_of_that_moment():
    """Whatever was committed last, a restore gives exactly the state that stood then."""
    for seed in range(12):
        walk = Walk(seed)
        for _ in range(40):
            walk.step()
            assert w.history(walk.chain.restored()) == w.history(walk.chain.book)


def test_a_restored_book_decides_as_the_live_one_would():
    """After a restore the same cut gives the same transitions and instructions."""
    for seed in range(40):
        walk = Walk(seed)
        for _ in range(45):
            walk.step()
        tick = walk.tick + 20 * DAY_US
        live = settlement.cut(walk.chain.book, walk.chain.twin, tick)
        again = settlement.cut(walk.chain.restored(), walk.chain.twin, tick)
        assert live[1] == again[1]
        assert w.history(live[0]) == w.history(again[0])


# ---- a rail that keeps its promises


class Rail:
    """Ids idempotent for ever, RJCT final, a recalled unsent payment is dead, answers by the third
    query.

    What it answers is a function of the seed; its ledger is the witness: one booking per
    settlement.
    """

    def __init__(self, pick):
        self.random = pick
        self.outbox = []
        self.turn = 0
        self.payments = {}
        self.queries = Counter()
        self.booked = Counter()
        self.killed = set()

    def _later(self, tick, order, status, **fields):
        delay = self.random.choice((0, 1, 3, 10, 25)) * DAY_US
        self.turn += 1
        self.outbox.append((tick + delay, self.turn, order, status, fields))

    def take(self, order, tick):
        getattr(self, f"_{order.kind.lower()}")(order, tick)

    def _reserve(self, order, tick):
        if self.random.random() < 0.85:
            self._later(tick, order, "CONFIRMED", hold_expires=order.hold_until)
        elif self.random.random() < 0.5:
            self._later(tick, order, "REFUSED", rail_reason="AM04")

    def _pay(self, order, tick):
        key = (order.settlement_id, order.attempt)
        if key in self.payments or key in self.killed:
            return
        fate = self.random.choice(("book", "book", "silent", "lost", "retry", "refuse", "return"))
        if fate == "lost":
            return
        self.payments[key] = fate
        if fate in ("retry", "refuse"):
            self._later(tick, order, "RJCT", rail_reason="AM04" if fate == "retry" else "AC04")
        elif fate != "silent":
            self._later(tick, order, "ACSP")
            self._book(order, tick)

    def _book(self, order, tick):
        self.booked[order.settlement_id] += 1
        self._later(tick, order, self.random.choice(("ACSC", "BOOKED")), entry_id=f"E{order.uetr}")
        if self.payments[order.settlement_id, order.attempt] == "return":
            self._later(
                tick + DAY_US, order, "RETURNED", return_id=f"R{order.uetr}",
                amount_minor=order.amount_minor, currency=order.currency,
            )  # fmt: skip

    def _query(self, order, tick):
        key = (order.settlement_id, order.attempt)
        self.queries[key] += 1
        if self.queries[key] < 3 and self.random.random() < 0.6:
            return
        fate = self.payments.get(key)
        if key in self.killed:
            self._later(tick, replace(order, kind="RECALL"), "CNCL")
        elif fate is None:
            self._later(tick, order, "NOT_FOUND")
        elif fate in ("retry", "refuse"):
            self._later(tick, order, "RJCT", rail_reason="AM04" if fate == "retry" else "AC04")
        else:
            if fate == "silent":
                self.payments[key] = "book"
                self._book(order, tick)
            self._later(tick, order, "ACSC", entry_id=f"E{order.uetr}")

    def _recall(self, order, tick):
        key = (order.settlement_id, order.attempt)
        if key not in self.payments or key in self.killed:
            self.killed.add(key)
            self._later(tick, order, "CNCL")
        elif self.payments[key] in ("retry", "refuse"):
            self._later(tick, order, "RJCR")
        elif self.payments[key] == "silent" and self.random.random() < 0.5:
            del self.payments[key]
            self.killed.add(key)
            self._later(tick, order, "CNCL")
        elif self.random.random() < 0.8:
            self._later(tick, order, "RJCR")

    def _release(self, order, tick):
        if self.random.random() < 0.9:
            self._later(tick, order, self.random.choice(("RELEASED", "RELEASED", "FAILED")))


def _run(seed):
    """A contract on such a rail until every claim has ended; returns its walk and the rail."""
    walk = Walk(seed, calm=False)
    chain, rail, sent = walk.chain, Rail(walk.random), 0
    for number in range(160):
        tick = day(7 * number)
        due = sorted(one for one in rail.outbox if one[0] <= tick)
        rail.outbox = [one for one in rail.outbox if one[0] > tick]
        for at, turn, order, status, fields in due:
            chain.answer(order, status, input_id=f"{at}-{turn}-{order.instruction_no}", **fields)
        if number in (3, 5) and walk.random.random() < 0.8:
            chain.facts(*w.proofs(number - 2 if number == 3 else 2, at=number))
        if number < 40 and walk.random.random() < 0.2:
            walk.tick = tick
            walk.facts()
        chain.cut(tick)
        walk.conserve()
        for order in chain.sent[sent:]:
            rail.take(order, tick)
        sent = len(chain.sent)
        ended = all(claim.state in ABSORBING for claim in chain.book.claims.values())
        if ended and not rail.outbox:
            return walk, rail, tick
    states = [(claim.state, claim.recon_break) for claim in chain.book.claims.values()]
    pytest.fail(f"seed {seed}: still open: {states}")


def test_on_a_rail_that_keeps_its_promises_every_claim_ends_and_is_paid_at_most_once():
    """By the long stop and a few rounds of queries; one booking per settlement at most."""
    seen = Counter()
    for seed in range(150):
        walk, rail, tick = _run(seed)
        chain = walk.chain
        assert tick <= chain.terms.long_stop + 12 * w.SLA
        assert not any(claim.recon_break for claim in chain.book.claims.values())
        for name, claim in chain.book.claims.items():
            seen[claim.state] += 1
            assert rail.booked[name] <= 1
            assert (claim.state in ("SETTLED", "RETURNED")) == bool(rail.booked[name])
            pays = [o for o in chain.sent if o.kind == "PAY" and o.settlement_id == name]
            assert len({o.attempt for o in pays}) == len({o.instruction_id for o in pays})
            assert [o.attempt for o in pays] == sorted(o.attempt for o in pays)
            numbers = [o.instruction_no for o in chain.sent if o.settlement_id == name]
            assert list(dict.fromkeys(numbers)) == list(range(1, len(set(numbers)) + 1))
        assert w.history(chain.restored()) == w.history(chain.book)
    assert set(seen) >= {"SETTLED", "RETURNED", "VOIDED", "EXPIRED"}
