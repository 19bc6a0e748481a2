"""A chain under signed full terms, for the failures of the catalogue: what was sent, what is told,
whether the money adds up.
"""

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import contract_world
import pytest
from bank_rail_world import Desktop, Known
from msgspec.structs import replace
from settlement_full_world import FullWorld, a_year_ago, day
from test_contract_signing import secret

from supplytwin.processors import contract_check
from supplytwin.processors.chain import canonical_hash
from supplytwin.schemas import contract_signature as signatures
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.records import (
    CONTRACTS,
    EXCEPTIONS,
    INSTRUCTIONS,
    QUARANTINE,
    RECEIPTS,
    SETTLEMENT_EVENTS,
    Contract,
    Receipt,
    SentMessage,
)
from supplytwin.sinks.bank_rail_terms import Paying

EXPORT, ARRIVAL, WARRANTY = 0, 1, 2
EXPORT_MINOR, ARRIVAL_MINOR, WARRANTY_MINOR = 72_000_000, 144_000_000, 24_000_000
RELEASE = "release-and-receipt"
_SAME = ("chain_id", "contract_id", "settlement_id", "kind", "instruction_no", "attempt", "hold_no",
         "recall_no", "query_no", "amount_minor", "currency")  # fmt: skip
"""What an answer has of its instruction."""
NEVER_BELOW_ZERO = ("reserved", "in_flight", "seller")


class Failures(FullWorld):
    """One chain; `agreed` False: the contract comes when `agree` is called."""

    def __init__(self, terms: ContractTerms | None = None, *, agreed: bool = True) -> None:
        self.waits = not agreed
        super().__init__(terms)

    def agree(self, signed: Any = None) -> None:
        """The contract arrives, signed by all of its parties."""
        if self.waits and signed is not None:
            return
        super().agree(self.signatures() if signed is None else signed)

    def amend(self, terms: ContractTerms, on: float, seats: Iterable[str] | None = None) -> None:
        """Terms take the place of those in force, signed by all, or by those who sit here."""
        body = encode(terms)
        hashed = terms_hash(body)
        signed = [
            signatures.signed(secret(seat), kid=f"{seat}-1", seat=seat, terms_hash=hashed)
            for seat in (terms.seats if seats is None else seats)
        ]
        self.put(
            CONTRACTS,
            Contract(input_id=f"contract {terms.version}", source="desk", chain_id=self.chain,
                     contract_id=terms.contract_id, version=terms.version, terms=body,
                     terms_hash=hashed, signatures=tuple(map(signatures.record, signed))),
            day(on),
        )  # fmt: skip

    def second(self, **changes: Any) -> ContractTerms:
        """The second version of the terms in force."""
        hashed = terms_hash(encode(self.terms))
        return replace(self.terms, version=2, amends=hashed, **changes)

    def says(self, claim: int, kind: str, status: str, on: float, **fields: Any) -> None:
        """The rail says something of the newest instruction of a kind of one claim."""
        name = self.claim(claim).settlement_id
        orders = [one for one in self.read(INSTRUCTIONS) if one.settlement_id == name]
        order = [one for one in orders if one.kind == kind][-1]
        self.ids += 1
        same = {one: getattr(order, one) for one in _SAME}
        said = {"input_id": f"answer-{self.ids}", "source": "rail", "rail_status": status,
                "rail_time": day(on), **same, **fields}  # fmt: skip
        self.put(RECEIPTS, Receipt(**said), day(on))

    # -- what came of it

    def claim(self, number: int) -> Any:
        book = self.state(self.chain).book
        return book.claims[book.order[number]]

    def public(self) -> list[str]:
        """What people are told of each claim."""
        return [self.now(one).public_state for one in range(len(self.states()))]

    def events(self, claim: int | None = None) -> list[Any]:
        """Every transition that was told, of one claim when it is named."""
        name = None if claim is None else self.claim(claim).settlement_id
        return [
            one for one in self.read(SETTLEMENT_EVENTS) if name in (None, one.settlement_id)
        ]  # fmt: skip

    def last(self, claim: int) -> tuple[int, str, str]:
        """(row, from, to) of the newest transition of a claim."""
        one = self.events(claim)[-1]
        return one.row, one.from_state, one.to_state

    def sent(self, kind: str, claim: int | None = None) -> list[int]:
        """Minor units of each instruction of a kind, of one claim when it is named."""
        name = None if claim is None else self.claim(claim).settlement_id
        return [
            one.amount_minor
            for one in self.read(INSTRUCTIONS)
            if one.kind == kind and name in (None, one.settlement_id)
        ]

    def codes(self) -> Counter[str]:
        """How often each exception was told."""
        return Counter(one.code for one in self.read(EXCEPTIONS))

    def why(self, code: str) -> list[str]:
        """The reasons of an exception."""
        return [one.reason for one in self.read(EXCEPTIONS) if one.code == code]

    def refused(self) -> list[tuple[str, str]]:
        """(code, field) of what went to the quarantine."""
        return [(one.code, one.field) for one in self.read(QUARANTINE)]

    def leaf(self, claim: int, name: str) -> Any:
        """The leaf of a claim's condition whose name ends so."""
        (found,) = [one for one in self.now(claim).leaves if one.name.endswith(name)]
        return found

    def facts(self) -> list[Any]:
        return [one for one in self.entries(self.chain) if one.kind == "FACT"]

    def hash(self) -> str:
        """Of the canonical state."""
        return canonical_hash(self.state(self.chain))

    def balances(self) -> dict[str, int]:
        """Minor units of each account after all that was posted; wrong sums fail on the way."""
        accounts: Counter[str] = Counter()
        of_claims: dict[str, Counter[str]] = {}
        for one in self.read(SETTLEMENT_EVENTS):
            own = of_claims.setdefault(one.settlement_id, Counter())
            lines = [line.split(";") for line in one.postings]
            assert sum(int(minor) for _, minor in lines) == 0, one
            for account, minor in lines:
                accounts[account] += int(minor)
                own[account] += int(minor)
            assert all(own[account] >= 0 for account in NEVER_BELOW_ZERO), one
        return {account: minor for account, minor in accounts.items() if minor}

    def is_sound(self) -> bool:
        """Money adds up; numbers of transitions and instructions have no hole; an audit computes
        every decision again; who reads the journal anew has the same state and sends nothing.
        """
        self.balances()
        told, sent = self.events(), self.read(INSTRUCTIONS)
        assert [one.contract_seq for one in told] == list(range(1, len(told) + 1))
        numbers: dict[str, dict[int, str]] = {}
        for one in sent:  # what is sent again has the number that it had
            known = numbers.setdefault(one.settlement_id, {})
            assert known.setdefault(one.instruction_no, one.instruction_id) == one.instruction_id
        assert all(list(one) == list(range(1, len(one) + 1)) for one in numbers.values())
        pays = {one.instruction_id: one for one in sent if one.kind == "PAY"}
        attempts = [(one.settlement_id, one.attempt) for one in pays.values()]
        before = self.hash()
        found = self.audit()
        self.restart()
        return (
            not found.differences
            and self.hash() == before
            and self.read(INSTRUCTIONS) == sent
            and len(self.events()) == len(told)
            and len(set(attempts)) == len(attempts)
        )


def funded(terms: ContractTerms | None = None) -> Failures:
    """Agreed, every claim with its hold."""
    world = Failures(terms)
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    return world


def exported(terms: ContractTerms | None = None) -> Failures:
    """Of the electronics the first share is paid, for the export."""
    world = funded(terms)
    world.export()
    world.tick(day(3))
    world.answer("PAY", "ACSC", 4)
    assert world.states() == ["SETTLED", "RESERVED", "RESERVED"]
    return world


def matched() -> Failures:
    """The second share waits for the end of its challenge window, day 65."""
    world = exported()
    world.cleared()
    world.received()
    world.tick(day(64))
    assert world.states()[ARRIVAL] == "MATCHED"
    return world


def instructed() -> Failures:
    """The second share is on its way."""
    world = matched()
    world.tick(day(65))
    assert world.states()[ARRIVAL] == "INSTRUCTED"
    return world


def settled() -> Failures:
    """The second share is paid."""
    world = instructed()
    world.answer("PAY", "ACSC", 65.1)
    assert world.states() == ["SETTLED", "SETTLED", "RESERVED"]
    return world


# ---- a bank


class Everybody(Known):
    """Parties of every contract."""

    def of(self, contract_id: str) -> Paying | None:
        """The same ones."""
        return self.paying


class AtTheBank:
    """What a chain instructs goes over the rail of a bank; what the bank says goes to the chain."""

    def __init__(self, world: Failures) -> None:
        self.world, self.desk = world, Desktop(Everybody())
        self._given = set[str]()

    def hand_over(self) -> SentMessage:
        """All payments, recalls and questions that are new; the last message that went out."""
        for order in self.world.read(INSTRUCTIONS):
            if order.kind in ("PAY", "RECALL", "QUERY") and order.instruction_id not in self._given:
                self._given.add(order.instruction_id)
                self.desk.give(order)
        return self.desk.paper.delivered[-1]

    def says(self, on: float, *documents: bytes) -> list[Receipt]:
        """Documents of the bank come; what the rail tells of them, which the chain has taken."""
        told = self.desk.hear(*documents)
        for one in told:
            self.world.put(RECEIPTS, one, day(on))
        return told


# ---- two consignments, each paid a fixed sum


def consignments() -> Failures:
    """200 and 300 switches to Dubai; the first by 20 January, two days of grace."""
    return funded(a_year_ago(RELEASE))


def freed(world: Failures, number: int, on: float) -> None:
    """Customs have released a consignment."""
    refs = (f"CONSIGNMENT:K{number}",)
    world.fact("customs.declared", f"DECLARATION:I-{number}", f"declared {number}", on,
               "customs-ae", declaration_id=f"I-{number}", regime="IMPORT", office="o",
               declarant="d", transport_doc="B", declaration_lines=(), refs=refs)  # fmt: skip
    world.fact("customs.released", f"DECLARATION:I-{number}", f"released {number}", on,
               "customs-ae", release_kind="FULL", refs=refs)  # fmt: skip


def received(world: Failures, number: int, qty: str, on: float, **fields: Any) -> Any:
    """So much of a consignment is in the buyer's warehouse."""
    said = {
        "lot_id": f"L{number}", "sku": "SWITCH-24", "qty": Decimal(qty), "uom": "EA",
        "facility": "JAFZA-7", "refs": (f"CONSIGNMENT:K{number}", "ORDER_LINE:1"),
    }  # fmt: skip
    id = f"received {number}"
    return world.fact("wh.received", f"LOT:L{number}", id, on, "wms-jafza", **{**said, **fields})


# ---- terms without a template


def permit_free_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker takes terms that no template made."""
    real = contract_check.sense

    def permitting(terms: ContractTerms, **_: bool) -> Any:
        return real(terms, free_conditions=True)

    monkeypatch.setattr(contract_check, "sense", permitting)


def by_hand(tranche: dict[str, Any], **changes: Any) -> ContractTerms:
    """The two consignments under terms that no template made, with one tranche; a year earlier."""
    made = contract_world.free(RELEASE)
    made |= {"tranches": [{**made["tranches"][0], **tranche}], **changes}
    text = json.dumps(made).replace("2026-", "2025-").replace("2027-", "2026-")
    found = read(text.encode())
    assert found.value is not None, found.findings
    return found.value


def by_weight(
    holds: Iterable[int],
    price: str,
    qty: str,
    tolerance: dict[str, Any] | None = None,
) -> ContractTerms:
    """Consignments K1, K2 ... are paid by what is received of them."""
    line = {"line": "1", "sku": "SWITCH-24", "qty": qty, "unit": "EA", "unit_price": price,
            "tolerance": tolerance or {}}  # fmt: skip
    cap, whole = sum(holds), int(Decimal(qty) * Decimal(price) * 100)
    tranche = {
        "amount": {"rule": "PER_UNIT", "line": "1", "cap_minor": cap},
        "condition": {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">", "value": "0.1"}},
        "claims": [
            {"claim_id": f"K{at}", "consignment_id": f"K{at}", "lines": ["1"], "max_minor": hold}
            for at, hold in enumerate(holds, 1)
        ],
    }
    return by_hand(tranche, lines=[line], cap_minor=cap, total_minor=whole)


def at_the_door() -> ContractTerms:
    """96,000.00 CNY when K1 is in the warehouse and a day has passed without a seizure."""
    here = {"milestone": {"type": "IN_BUYER_WAREHOUSE", "by": {"roles": ["WAREHOUSE"], "k": 1}}}
    calm = {"absent": {"type": "CUSTOMS_SEIZED", "during": "CHALLENGE"}}
    return by_hand({"condition": {"all": [here, calm]}, "challenge": "PT24H"})
