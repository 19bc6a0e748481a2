"""Goods under a PER_UNIT contract: a book with its claims reserved, deliveries, and a decision per
claim by hand, without a rail.
"""

import json
from decimal import Decimal
from typing import Any

import contract_world
from immutables import Map
from msgspec.structs import replace
from settlement_world import event, twin_of

from supplytwin.processors import settlement_cut
from supplytwin.processors.conditions import Verdict
from supplytwin.processors.settlement_judged import judged
from supplytwin.processors.settlement_state import Accounts, Book, Claim
from supplytwin.processors.twin import Twin
from supplytwin.schemas import terms_read
from supplytwin.schemas.amounts import ALL_BP
from supplytwin.schemas.condition import micros
from supplytwin.schemas.contract import ContractTerms
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.ids import DAY_US, SECOND_US, settlement_id

START = micros("2027-01-01T00:00:00+08:00")
PLENTY = 10**9
ANY = {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">=", "value": "0.001"}}


def day(number: float) -> int:
    """So many days after the first of January 2027 in Shanghai, us."""
    return START + int(number * DAY_US)


def claim(name: str, **of: Any) -> dict[str, Any]:
    """A claim as JSON."""
    return {"claim_id": name, "max_minor": PLENTY, "lines": ["1"], **of}


def tranche(name: str, *claims: Any, bp: int = ALL_BP, **changes: Any) -> dict[str, Any]:
    """A PER_UNIT of line 1 as JSON: pays for what was received, until the end of March."""
    window = {"deadline": "2027-03-31T23:59:59+08:00", "grace": "P2D"}
    amount = {"rule": "PER_UNIT", "line": "1", "cap_minor": PLENTY * max(len(claims), 1), "bp": bp}
    base = {"tranche_id": name, "amount": amount, "condition": ANY, "window": window,
            "on_false": "HOLD", "claims": list(claims)}  # fmt: skip
    lot = changes.pop("lot", None)
    if lot is not None:
        amount["lot"] = lot
    return {**base, **changes}


def rest(*of: str) -> dict[str, Any]:
    """A RESIDUAL that time alone releases."""
    window = {"deadline": "2027-05-31T23:59:59+08:00"}
    after = {"time": {"not_before": "2027-04-15T00:00:00+08:00"}}
    return {"tranche_id": "REST", "amount": {"rule": "RESIDUAL", "of": list(of)},
            "condition": after, "window": window, "on_false": "HOLD",
            "claims": [{"claim_id": "rest", "max_minor": PLENTY}]}  # fmt: skip


def contract(*tranches: Any, **line: Any) -> ContractTerms:
    """Terms of one line, 100 pieces at 3.33 unless it is said otherwise; as they are read."""
    made = contract_world.free("durian-cold-chain")
    made["version"] = line.pop("version", 1)
    made["calendar"]["zone"] = line.pop("zone", "Asia/Shanghai")
    ordered = {"line": "1", "sku": "S", "qty": "100", "unit": "EA", "unit_price": "3.33"} | line
    total = int(Decimal(ordered["qty"]) * Decimal(ordered["unit_price"]) * 100)
    made |= {
        "lines": [ordered],
        "tranches": list(tranches),
        "warehouses": ["WH-1"],
        "total_minor": total,
        "cap_minor": 20 * PLENTY,
        "long_stop": "2027-12-31T00:00:00+08:00",
        "attesters": [
            {"org_id": "store", "role": "WAREHOUSE", "sources": ["wms"]},
            {"org_id": "line", "role": "CARRIER", "sources": ["carrier"]},
            {"org_id": "gacc", "role": "CUSTOMS", "sources": ["customs"]},
            {"org_id": "check", "role": "INSPECTOR", "sources": ["inspector"]},
            {"org_id": "canton-fruit", "role": "BUYER", "sources": ["erp-buyer"]},
        ],
    }
    found = read(json.dumps(made).encode())
    assert found.value is not None, found.findings
    return found.value


class Till:
    """One contract: `tell` facts, `look` at a claim, `fix` its amount. Nothing is sent."""

    def __init__(self, full: ContractTerms) -> None:
        self.told, self.book = list[Any](), Book()
        self.amend(full)

    def amend(self, full: ContractTerms) -> None:
        """Other terms: their claims are reserved; those that are paid or ended, or of former
        terms alone, stay as they are.
        """
        self.full, terms = full, terms_read.of_contract(full)
        claims, promises = dict(self.book.claims), dict[str, Any](self.book.promises)
        former, before = self.book.former, self.book.terms
        if before is not None:
            former = former.set(before.version, before)
        added = list[str]()
        for one in terms.claims:
            name = settlement_id(full.contract_id, one.tranche_id, one.claim_id)
            added.append(name)
            if name in claims and claims[name].state != "RESERVED":
                continue
            promises[name] = one
            claims[name] = Claim(
                settlement_id=name, claim_id=one.claim_id, tranche_id=one.tranche_id,
                state="RESERVED", amount_minor=one.amount_minor, currency=full.currency,
                funding_due=None, hold_live=True, version=full.version,
                accounts=Accounts(buyer=-one.amount_minor, reserved=one.amount_minor),
            )  # fmt: skip
        self.book = Book(
            terms=terms, former=former, claims=Map(claims), promises=Map(promises),
            order=(*added, *[one for one in self.book.order if one not in added]),
        )  # fmt: skip

    # -- facts

    def tell(self, kind: str, subject: str, id: str, on: float, **fields: Any) -> None:
        """A fact that happened on a day; it arrives a second later unless `arrives` (a day) or
        `arrives_us` says when.
        """
        arrives = day(fields.pop("arrives", on)) + SECOND_US
        arrives = fields.pop("arrives_us", arrives)
        at = round(day(on) / 1000 + fields.pop("shift_ms", 0)) * 1000
        made = event(kind, subject, id, at, chain_id=self.full.chain_id, **fields)
        self.told.append((made, arrives))

    def receive(
        self, id: str, qty: Any, on: float, lot: str = "L", *refs: str, **more: Any
    ) -> None:
        """So many pieces of a lot are in the buyer's warehouse."""
        base = {"lot_id": lot, "sku": "S", "qty": Decimal(qty), "uom": "EA", "facility": "WH-1",
                "refs": ("ORDER_LINE:1", *refs)}  # fmt: skip
        self.tell("wh.received", f"LOT:{lot}", id, on, **{**base, **more})

    def reverse(self, id: str, qty: Any, on: float, lot: str = "L", **more: Any) -> None:
        """So many of them are taken back."""
        base = {"lot_id": lot, "qty": Decimal(qty), "reason": "R", "facility": "WH-1",
                "refs": ("ORDER_LINE:1",)}  # fmt: skip
        self.tell("wh.receipt_reversed", f"LOT:{lot}", id, on, **{**base, **more})

    # -- decisions

    def claim(self, name: str, tranche: str | None = None) -> Claim:
        """The claim of that id, of that tranche where it is said."""
        return next(
            one for one in self.book.claims.values()
            if one.claim_id == name and tranche in (None, one.tranche_id)
        )  # fmt: skip

    def look(self, name: str, on: float, tranche: str | None = None) -> Verdict:
        """What the fold says of a claim on a day."""
        return judged(self.book, self.claim(name, tranche), self.twin(on), day(on))

    def twin(self, on: float) -> Twin:
        """What is known by a day."""
        return twin_of(*[one for one in self.told if one[1] <= day(on)])

    def cut(self, on: float) -> list[str]:
        """A cut of the state table; the states that its rows led to."""
        self.book, moved = settlement_cut.cut(self.book, self.twin(on), day(on))
        return [one.to_state for one in moved]

    def amount(self, name: str, on: float) -> Any:
        """Its leaf about the amount."""
        return next(one for one in self.look(name, on).leaves if one.name == "amount")

    def fix(self, name: str, on: float, state: str = "SETTLED", tranche: str | None = None) -> int:
        """Approve and pay a claim if it is TRUE and something is due; minor units before
        adjustments, 0 = it was not paid.
        """
        seen = self.look(name, on, tranche)
        if seen.value != "TRUE" or not seen.due_minor:
            return 0
        self.change(name, tranche, state=state, due_minor=seen.due_minor,
                    gross_minor=seen.gross_minor, adjusted_bp=seen.adjusted_bp or 0,
                    measure=seen.measure)  # fmt: skip
        return seen.due_minor

    def change(self, name: str, tranche: str | None = None, **changes: Any) -> None:
        """Put a claim into another state."""
        one = replace(self.claim(name, tranche), **changes)
        self.book = replace(self.book, claims=self.book.claims.set(one.settlement_id, one))
