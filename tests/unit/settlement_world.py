"""A small world for the settlement tests: terms, facts, receipts, and a chain that keeps its own
journal."""

import hashlib
from decimal import Decimal

import msgspec

from supplytwin.processors import settlement
from supplytwin.processors import twin as twins
from supplytwin.processors.evidence import bears
from supplytwin.processors.settlement_state import Book
from supplytwin.schemas import events, terms
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import Contract, Receipt, Review, SettlementEvent

T0 = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z."""
CHAIN, CONTRACT = "PO-1", "C-1"
BUYER = terms.Party(org_id="B", name="Buyer", account="B-1")
SELLER = terms.Party(org_id="S", name="Seller", account="S-1")
SLA = 14 * DAY_US


def day(number, us=0):
    """Midnight UTC of day `number` after T0, plus microseconds."""
    return T0 + number * DAY_US + us


def claim_terms(number=1, **changes):
    """Claim A-n: consignment ASN-n, 40 of line Ln, 1,000.00, deadline day 60, grace 30 days."""
    fields = {
        "claim_id": f"A-{number}",
        "tranche_id": "T1",
        "consignment_id": f"ASN-{number}",
        "lines": (terms.ClaimLine(line_id=f"L{number}", qty=Decimal(40)),),
        "amount_minor": 100_000,
        "deadline": day(60),
        "grace_us": 30 * DAY_US,
    }
    return terms.ClaimTerms(**{**fields, **changes})


def contract_terms(claims=None, **changes):
    """Terms with one claim: funding until day 28, close day 90, long stop day 270, SLA 14 days."""
    claims = (claim_terms(),) if claims is None else claims
    fields = {
        "contract_id": CONTRACT,
        "version": 1,
        "template": terms.TEMPLATE,
        "template_version": terms.TEMPLATE_VERSION,
        "chain_id": CHAIN,
        "buyer": BUYER,
        "seller": SELLER,
        "currency": "USD",
        "cap_minor": sum(claim.amount_minor for claim in claims),
        "agreed_at": T0,
        "funding_deadline": day(28),
        "long_stop": day(270),
        "zone": "UTC",
        "warehouses": ("WH-1",),
        "claims": claims,
        "status_sla_us": SLA,
    }
    return terms.Terms(**{**fields, **changes})


def contract(signed):
    """The contract input that carries `signed` terms."""
    body = terms.encode(signed)
    return Contract(
        input_id="contract-1",
        source="buyer",
        chain_id=CHAIN,
        contract_id=signed.contract_id,
        version=signed.version,
        terms=body,
        terms_hash=terms.terms_hash(body),
    )


# ---- facts


def event(event_type, subject, event_id, at, **fields):
    """An ACTUAL event of any type; `subject` = ``TYPE:id``."""
    cls = events.EVENT_TYPES[event_type]
    subject_type, _, subject_id = subject.partition(":")
    envelope = {
        "event_id": event_id,
        "source": "customs" if cls.TOPIC == events.CUSTOMS else "wms",
        "revision": 1,
        "event_type": event_type,
        "classifier": "ACTUAL",
        "event_time": at,
        "event_tz": "+00:00",
        "time_precision": "S",
        "recorded_time": at,
        "chain_id": CHAIN,
        "subject_type": subject_type,
        "subject_id": subject_id,
    }
    return cls(**{**envelope, **fields})


def declared(at, declaration="D1", consignment="ASN-1", event_id=None, **fields):
    payload = {
        "declaration_id": declaration, "regime": "IMPORT", "office": "O", "declarant": "X",
        "transport_doc": "T", "declaration_lines": (),
    }  # fmt: skip
    refs = (f"CONSIGNMENT:{consignment}",)
    return event(
        "customs.declared", f"DECLARATION:{declaration}", event_id or f"decl-{declaration}", at,
        **{"refs": refs, **payload, **fields},
    )  # fmt: skip


def customs(kind, at, declaration="D1", event_id=None, **fields):
    """Any other customs event of a declaration."""
    payload = {
        "released": {"release_kind": "FULL"},
        "cleared": {"entry_id": "E"},
        "hold_placed": {"hold_id": "H1", "authority": "A"},
        "hold_removed": {"hold_id": "H1", "authority": "A"},
        "release_revoked": {"reason": "R"},
        "cancelled": {"reason": "R"},
        "rejected": {"reason_code": "R"},
    }[kind]
    return event(
        f"customs.{kind}", f"DECLARATION:{declaration}", event_id or f"{kind}-{declaration}", at,
        **{**payload, **fields},
    )  # fmt: skip


def received(at, qty=40, line="L1", event_id=None, **fields):
    base = {
        "lot_id": f"lot-{line}", "sku": "SKU", "qty": Decimal(qty), "uom": "EA",
        "refs": (f"ORDER_LINE:{line}",), "facility": "WH-1",
    }  # fmt: skip
    return event(
        "wh.received", f"LOT:lot-{line}", event_id or f"recv-{line}", at, **{**base, **fields}
    )


def reversed_(at, qty=40, line="L1", event_id=None, **fields):
    base = {
        "lot_id": f"lot-{line}", "qty": Decimal(qty), "reason": "R",
        "refs": (f"ORDER_LINE:{line}",), "facility": "WH-1",
    }  # fmt: skip
    return event(
        "wh.receipt_reversed",
        f"LOT:lot-{line}",
        event_id or f"rev-{line}",
        at,
        **{**base, **fields},
    )


def with_(message, **changes):
    return msgspec.structs.replace(message, **changes)


def item(message, arrival):
    """The event as the engine hands it over."""
    body = msgspec.json.encode(message)
    record = Record(
        topic=message.TOPIC, partition=0, offset=0, arrival=arrival, key=None, value=body
    )
    return Input(
        record=record, key=CHAIN, message=message, fingerprint=0,
        content_hash=hashlib.sha256(body).digest(),
    )  # fmt: skip


def twin_of(*facts):
    """A twin of (event, arrival) pairs."""
    twin = twins.EMPTY
    for message, arrival in facts:
        twin = twins.take(twin, item(message, arrival)).twin
    return twin


def proofs(number=1, at=30):
    """Declared, released, received: all that claim A-n needs, on day `at`."""
    moment = day(at)
    found = (
        declared(moment, f"D{number}", f"ASN-{number}"),
        customs("released", moment + 1_000_000, f"D{number}"),
        received(moment + 2_000_000, line=f"L{number}"),
    )
    return tuple((message, message.event_time) for message in found)


# ---- a chain


class Chain:
    """A chain driven as the worker drives it; every input and decision goes to its own journal."""

    def __init__(self, signed=None):
        self.terms = contract_terms() if signed is None else signed
        self.book = Book()
        self.twin, self.touched = twins.EMPTY, False
        self.now = 0
        self.journal = []
        self.sent = []
        self.alarms = []
        self.rows = []
        self.postings = []
        self._ids = 0

    # -- inputs

    def agree(self):
        message = contract(self.terms)
        return self._ordered(
            message, settlement.agree(self.book, message, _hash(message), self.now)
        )

    def amend(self, signed):
        message = with_(contract(signed), input_id=f"amended-{signed.version}")
        outcome = settlement.agree(self.book, message, _hash(message), self.now)
        return self._ordered(message, outcome)

    def facts(self, *pairs):
        for message, arrival in pairs:
            taken = twins.take(self.twin, item(message, arrival))
            self.twin, self.touched = taken.twin, self.touched or bears(taken.slots)
        return self

    def answer(self, order, status, *, input_id=None, **fields):
        """The rail answers one instruction."""
        self._ids += 1
        base = {
            "input_id": input_id or f"receipt-{self._ids}", "source": "rail", "chain_id": CHAIN,
            "contract_id": CONTRACT, "settlement_id": order.settlement_id, "kind": order.kind,
            "instruction_no": order.instruction_no, "attempt": order.attempt,
            "hold_no": order.hold_no, "recall_no": order.recall_no, "query_no": order.query_no,
            "rail_status": status, "rail_time": self.now,
        }  # fmt: skip
        if status in ("CONFIRMED", "ACSC", "BOOKED"):
            base["amount_minor"], base["currency"] = order.amount_minor, order.currency
        return self.receive(Receipt(**{**base, **fields}))

    def receive(self, message):
        return self._ordered(
            message, settlement.receipt(self.book, message, _hash(message), self.now)
        )

    def review(self, verdict, claim=0, **fields):
        self._ids += 1
        base = {
            "input_id": f"review-{self._ids}", "source": "desk", "chain_id": CHAIN,
            "contract_id": CONTRACT, "settlement_id": self.ids[claim], "verdict": verdict,
            "reviewer": "rosa", "role": "OPERATOR", "reason": "looked at it",
        }  # fmt: skip
        return self.act(Review(**{**base, **fields}))

    def act(self, message):
        outcome = settlement.review(self.book, self.twin, message, _hash(message), self.now)
        return self._ordered(message, outcome)

    def cut(self, tick):
        self.now = tick
        self.book, transitions = settlement.cut(self.book, self.twin, tick)
        self._decided(transitions, None)
        return [transition.row for transition in transitions]

    def _ordered(self, message, outcome):
        if outcome.verdict != "DUPLICATE":
            self.journal.append(("INPUT", message, _hash(message)))
        self.book = outcome.book
        self.alarms.extend(outcome.alarms)
        self._decided(outcome.transitions, message)
        return outcome

    def _decided(self, transitions, cause):
        for transition in transitions:
            self.journal.append(("DECISION", recorded(transition), cause, self.twin))
            self.rows.append(transition.row)
            self.sent.extend(transition.instructions)
            self.alarms.extend(transition.alarms)
            self.postings.append((transition.currency, transition.postings))

    # -- questions

    @property
    def ids(self):
        return self.book.order

    def claim(self, number=0):
        return self.book.claims[self.ids[number]]

    def state(self, number=0):
        return self.claim(number).state

    def last(self, kind, number=0):
        """The last instruction of a kind that went out for a claim."""
        mine = (o for o in reversed(self.sent) if o.settlement_id == self.ids[number])
        return next((order for order in mine if order.kind == kind), None)

    def pays(self, number=0):
        return [o for o in self.sent if o.kind == "PAY" and o.settlement_id == self.ids[number]]

    # -- ways to a state

    def reserved(self, number=0):
        if not self.book.order:
            self.agree()
        self.answer(self.last("RESERVE", number), "CONFIRMED", hold_expires=day(300))
        return self

    def instructed(self, number=0, at=31):
        self.reserved(number)
        self.facts(*proofs(number + 1))
        self.cut(day(at))
        assert self.state(number) == "INSTRUCTED"
        return self

    def restored(self):
        """The book that the journal alone gives."""
        book = Book()
        for entry in self.journal:
            if entry[0] == "INPUT":
                book = settlement.noted(book, entry[1], entry[2])
            else:
                book = settlement.apply(book, *entry[1:])
        return book


def recorded(transition):
    """The settlement.events record of a transition, as a restore reads it."""
    common = {
        "chain_id": CHAIN, "seq": 1, "index": 0, "fold_version": "1", "taken_at": 0,
        "timeline": "t",
    }  # fmt: skip
    return SettlementEvent(**common, **settlement.event_fields(transition, None))


def history(book):
    """A book without its hint: what a restore must give."""
    return msgspec.structs.replace(book, agenda=None)


def _hash(message):
    return hashlib.sha256(msgspec.json.encode(message)).digest()
