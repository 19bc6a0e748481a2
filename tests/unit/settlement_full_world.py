"""A chain under full contract terms, in a real worker over a broker in memory: signed terms,
facts, a rail that the test answers for, an audit.
"""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import contract_world
from settlement_world import event
from signed_fold_world import SignedWorld
from test_contract_signing import secret

from supplytwin.processors.keys import Key, KeyRecord
from supplytwin.processors.settlement_known import known_of
from supplytwin.processors.settlement_report import explain
from supplytwin.schemas import codec, signing
from supplytwin.schemas import contract_signature as signatures
from supplytwin.schemas.condition import micros
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.ids import DAY_US, SECOND_US, Micros
from supplytwin.schemas.records import (
    CONTRACTS,
    CONTROL,
    INSTRUCTIONS,
    RECEIPTS,
    REVIEWS,
    SETTLEMENT_EVENTS,
    Contract,
    Control,
    Receipt,
    Review,
)

START = micros("2025-12-01T00:00:00+08:00")
CONSIGNMENT = "CONSIGNMENT:ASN-1"
LINE = "ORDER_LINE:1"


def day(number: float) -> Micros:
    """So many days after the first of December 2025 in Shanghai."""
    return Micros(START + int(number * DAY_US))


def a_year_ago(name: str, **changes: Any) -> ContractTerms:
    """The terms of a template's example, every date a year earlier."""
    text = json.dumps(contract_world.example(name))
    earlier = json.loads(text.replace("2026-", "2025-").replace("2027-", "2026-"))
    return contract_world.terms(name, **{**earlier, **changes})


def electronics(**changes: Any) -> ContractTerms:
    """The founding use case: 2,400,000.00 CNY for 1,200 routers."""
    return a_year_ago(contract_world.ELECTRONICS, **changes)


class FullWorld(SignedWorld):
    """One chain, one contract; `send` and `tick` as in its base."""

    def __init__(
        self, terms: ContractTerms | None = None, *, sign: bool = True, folder: Path | None = None
    ) -> None:
        super().__init__(folder)
        self.terms = electronics() if terms is None else terms
        self.ids = 0
        self.policies = 0
        self.keys()
        if self.terms.template is None:
            self.permit()
        self.agree(self.signatures() if sign else ())

    # -- the contract

    def keys(self) -> None:
        made = [
            Key(kid=f"{seat}-1", alg="Ed25519", organisation=party.org_id, role=party.role,
                site="desk", key=signing.public_key(secret(seat)).hex(),
                valid_from=day(-300), valid_to=day(900), sources=(CONTRACTS,))
            for seat, party in self.terms.seats.items()
        ]  # fmt: skip
        self.tell(KeyRecord(keys=tuple(made)))

    def permit(self) -> None:
        """What no template makes is agreed only where the policy says so."""
        self.policy({"sources": [], "free_conditions": True})

    def policy(self, body: dict[str, Any]) -> None:
        """Control data, in force from the next record on."""
        self.policies += 1
        control = Control(
            input_id=f"policy-{self.policies}", kind="POLICY", tick_time=day(0), timeline="test",
            body=json.dumps(body).encode(),
        )  # fmt: skip
        self.driver.send(CONTROL, "@p0", codec.encode(CONTROL, control), partition=0)
        self.driver.settle()

    def signatures(self) -> tuple[Any, ...]:
        hashed = terms_hash(encode(self.terms))
        return tuple(
            [
                signatures.record(
                    signatures.signed(secret(seat), kid=f"{seat}-1", seat=seat, terms_hash=hashed)
                )
                for seat in self.terms.seats
            ]
        )

    def agree(self, signed: tuple[Any, ...]) -> None:
        body = encode(self.terms)
        self.put(
            CONTRACTS,
            Contract(input_id="contract", source="desk", chain_id=self.chain,
                     contract_id=self.terms.contract_id, version=1, terms=body,
                     terms_hash=terms_hash(body), signatures=signed),
            day(0),
        )  # fmt: skip

    @property
    def chain(self) -> str:
        return self.terms.chain_id

    def put(self, topic: str, message: Any, at: int) -> None:
        body = codec.encode(topic, message)
        self.driver.send(topic, self.chain, body, timestamp_us=at)
        self.driver.settle()

    # -- facts

    def fact(self, kind: str, subject: str, id: str, on: float, source: str, **fields: Any) -> Any:
        """A fact that happened on a day and arrives a second later."""
        made = event(kind, subject, id, day(on), source=source, chain_id=self.chain, **fields)
        self.send(made, at=day(on) + SECOND_US)
        return made

    def export(self) -> None:
        """Declared for export, invoiced."""
        self.fact("order.invoiced", LINE, "invoice", 1, "erp-seller", invoice_id="INV-1",
                  amount=Decimal(2_400_000), currency="CNY", due_date=dt.date(2026, 1, 1),
                  refs=(CONSIGNMENT,))  # fmt: skip
        self.declared("X-1", "EXPORT", 2, "customs-cn")

    def declared(self, name: str, regime: str, on: float, source: str) -> None:
        self.fact("customs.declared", f"DECLARATION:{name}", f"declared {name}", on, source,
                  declaration_id=name, regime=regime, office="o", declarant="d", transport_doc="B",
                  declaration_lines=(), refs=(CONSIGNMENT, LINE))  # fmt: skip

    def cleared(self) -> None:
        self.declared("I-1", "IMPORT", 60, "customs-ae")
        self.fact("customs.cleared", "DECLARATION:I-1", "cleared", 61, "customs-ae", entry_id="E",
                  refs=(CONSIGNMENT,))  # fmt: skip

    def received(self, qty: int = 1200, on: float = 62, **fields: Any) -> None:
        """In the buyer's warehouse, by the warehouse and by the tracker; accepted by the buyer a
        day later.
        """
        self.fact("wh.received", "LOT:L", "received", on, "wms-jafza", lot_id="L", sku="ROUTER-AX",
                  qty=Decimal(qty), uom="EA", facility="JAFZA-7",
                  refs=(CONSIGNMENT, LINE), **fields)  # fmt: skip
        self.fact("shipment.delivered", CONSIGNMENT, "delivered", on, "tracker",
                  consignment_id="ASN-1", receiver="r", facility="JAFZA-7",
                  refs=(LINE,), **fields)  # fmt: skip
        self.fact("order.accepted", LINE, "accepted", on + 1, "erp-buyer", line_ids=("1",),
                  accepted_qty=Decimal(qty), rejected_qty=Decimal(0),
                  refs=(CONSIGNMENT,))  # fmt: skip

    def seized(self, on: float) -> None:
        self.fact("customs.hold_placed", "DECLARATION:I-1", "seized", on, "customs-ae",
                  hold_id="H", authority="A", refs=(CONSIGNMENT,))  # fmt: skip

    # -- the rail, people

    def answer(self, kind: str, status: str, on: float, **fields: Any) -> None:
        """The rail answers the newest instruction of a kind of every claim that has one open."""
        newest = {
            one.settlement_id: one for one in self.read(INSTRUCTIONS) if one.kind == kind
        }  # fmt: skip
        for order in newest.values():
            self.ids += 1
            same = {
                name: getattr(order, name)
                for name in ("chain_id", "contract_id", "settlement_id", "kind", "instruction_no",
                             "attempt", "hold_no", "recall_no", "query_no", "amount_minor",
                             "currency")
            }  # fmt: skip
            said = {"input_id": f"answer-{self.ids}", "source": "rail", "rail_status": status,
                    "rail_time": day(on), **same, **fields}  # fmt: skip
            if status == "ACSC":
                said.setdefault("entry_id", f"entry {order.settlement_id} {order.attempt}")
            self.put(RECEIPTS, Receipt(**said), day(on))

    def review(self, verdict: str, claim: int, on: float, **fields: Any) -> None:
        self.ids += 1
        said = {
            "input_id": f"review-{self.ids}", "source": "desk", "chain_id": self.chain,
            "contract_id": self.terms.contract_id,
            "settlement_id": self.state(self.chain).book.order[claim], "verdict": verdict,
            "reviewer": "rosa", "role": "OPERATOR", "reason": "looked at it",
        }  # fmt: skip
        self.put(REVIEWS, Review(**{**said, **fields}), day(on))

    # -- what came of it

    @property
    def fold(self) -> Any:
        return self.driver._fold

    def states(self) -> list[str]:
        book = self.state(self.chain).book
        return [book.claims[one].state for one in book.order]

    def paid(self) -> list[int]:
        """Minor units of each payment that was instructed."""
        return [one.amount_minor for one in self.read(INSTRUCTIONS) if one.kind == "PAY"]

    def rows(self) -> list[int]:
        return [one.row for one in self.read(SETTLEMENT_EVENTS)]

    def now(self, claim: int) -> Any:
        """The claim as people see it."""
        state = self.state(self.chain)
        known = known_of(state.book, state.twin, self.register(), state.footprints)
        return explain(state.book, state.twin, state.taken_at, known)[claim]
