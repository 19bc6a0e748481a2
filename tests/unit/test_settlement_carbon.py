"""A verified footprint takes its points off the price, and nothing else does."""

import json
from decimal import Decimal

import contract_world
import pytest
from msgspec.structs import replace
from settlement_full_world import LINE, FullWorld, a_year_ago, day
from settlement_world import event

from supplytwin.processors.contract_windows import problems
from supplytwin.processors.settlement_known import known_of
from supplytwin.processors.settlement_report import explain
from supplytwin.schemas.contract import ContractTerms, written
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.ids import SECOND_US
from supplytwin.schemas.records import SETTLEMENT_EVENTS

FINANCE = "warehouse-inventory-finance"
HOME = "CONSIGNMENT:ASN-8"
FULL_MINOR = 25_000 * 150_00 * 8 // 10


class Financed(FullWorld):
    """25,000 lamps, an advance of 80 % of 150.00 each, 10 basis points off for a low footprint."""

    def __init__(self, at_most: str = "2.1") -> None:
        super().__init__(a_year_ago(FINANCE, intensity_max=at_most))
        self.tick(day(1))
        self.answer("RESERVE", "CONFIRMED", 1.1)

    def carried(self, kg: int = 5000) -> None:
        """By road, weighed at the door."""
        self.fact("shipment.booked", HOME, "booked", 2, "carrier", booking_ref="b", carrier="c",
                  legs=("1;ROAD;CNSZX;CNSHA",), refs=(LINE,))  # fmt: skip
        self.fact("shipment.delivered", HOME, "delivered", 10, "carrier", consignment_id="ASN-8",
                  receiver="r", mass_kg=Decimal(kg), refs=(LINE,))  # fmt: skip
        for kind, port, on in (("departed", "CNSZX", 7), ("arrived", "CNSHA", 9)):
            self.fact(f"shipment.{kind}", "LEG:ASN-8/1", kind, on, "carrier", unlocode=port,
                      refs=(HOME,))  # fmt: skip

    def stored(self, on: float = 12) -> None:
        self.fact("wh.received", "LOT:L", "received", on, "wms-hamburg", lot_id="L",
                  sku="LAMP-LED", qty=Decimal(25_000), uom="EA", facility="HAM-2",
                  refs=(LINE,))  # fmt: skip
        for number, action in enumerate(("ISSUE", "PLEDGE")):
            self.fact("wh.warehouse_receipt", "WAREHOUSE_RECEIPT:WR-1", action, on + 1 + number,
                      "receipts", wr_id="WR-1", action=action, holder="bay-factoring",
                      qty=Decimal(25_000),
                      refs=("LOT:L", LINE))  # fmt: skip

    def hash(self) -> str:
        return str(self.state(self.chain).footprints["ASN-8"].input_hash)

    def verify(self, of: str, on: float = 11, source: str = "verifier") -> None:
        self.fact("shipment.noted", HOME, f"verified {of} {source}", on, source, text="verified",
                  evidence=(f"VERIFIED_FOOTPRINT;{of};",))  # fmt: skip

    def pay(self) -> list[int]:
        for number in range(15, 20):
            self.tick(day(number))
        return self.paid()

    def why(self) -> str:
        return str([one.reason for one in self.read(SETTLEMENT_EVENTS) if one.row == 11])


def intensity(world: Financed) -> Decimal:
    made = world.state(world.chain).footprints["ASN-8"]
    assert made.co2e_wtw_kg is not None, made.missing
    return Decimal(made.co2e_wtw_kg) / 25_000


def test_a_verified_footprint_lowers_the_price() -> None:
    """10 basis points of 3,000,000.00, with the hash of what was verified in the reason."""
    world = Financed()
    world.carried()
    world.verify(world.hash())
    world.stored()
    assert 0 < intensity(world) < Decimal("2.1")
    assert world.pay() == [FULL_MINOR - FULL_MINOR // 1000]
    assert "-10 bp" in world.why()
    assert world.audit().differences == []


@pytest.mark.parametrize("how", ["nobody", "another", "unheard", "later", "too much"])
def test_nothing_else_does(how: str) -> None:
    """Verified by nobody, by its carrier, as another one, or before it became another one; or more
    than the terms allow: the whole price."""
    world = Financed("0.0001" if how == "too much" else "2.1")
    world.carried()
    if how in ("later", "too much"):
        world.verify(world.hash())
    if how == "another":
        world.verify("0" * 64)
    if how == "unheard":
        world.verify(world.hash(), source="carrier")
    if how == "later":
        before = world.hash()
        world.fact("shipment.energy", "LEG:ASN-8/1", "fuel", 11.5, "carrier",
                   energy_carrier="diesel", energy_qty=Decimal(100), energy_unit="l",
                   refs=(HOME,))  # fmt: skip
        assert world.hash() != before
    world.stored()
    assert world.pay() == [FULL_MINOR]


@pytest.mark.parametrize(
    ("happens", "arrives", "bp"),
    [(11, 11.1, 10), (120.5, 122.9, 10), (121.5, 122, 0), (120, 123.1, 0)],
    ids=["in time", "within the grace", "after the deadline", "after the grace"],
)
def test_a_verification_is_in_time_like_any_evidence(
    happens: float, arrives: float, bp: int
) -> None:
    """It happened by the deadline (day 121) and came within the grace (day 123), or it changes no
    amount, though the claim is approved when it is known (day 124).
    """
    world = Financed()
    world.carried()
    named = (f"VERIFIED_FOOTPRINT;{world.hash()};",)
    made = event("shipment.noted", HOME, "verified", day(happens), source="verifier", text="ok",
                 chain_id=world.chain, evidence=named)  # fmt: skip
    steps = [(arrives, lambda: world.send(made, at=day(arrives))),
             (121, lambda: world.stored(118)), (122.5, lambda: None), (124.6, lambda: None),
             (125, lambda: None)]  # fmt: skip
    for on, step in sorted(steps, key=lambda one: one[0]):
        step()
        world.tick(day(on) + SECOND_US)
    assert world.paid() == [FULL_MINOR - FULL_MINOR * bp // 10_000]
    assert world.audit().differences == []


def test_the_check_names_points_that_nobody_can_earn() -> None:
    """Without a verifier, or in a unit that no footprint is in."""
    terms = contract_world.terms(FINANCE)
    path = "$.tranches[0].adjustments.carbon"

    def named(terms: ContractTerms) -> list[str]:
        return [one.code for one in problems(terms) if one.path == path]

    assert named(terms) == []
    silent = tuple([one for one in terms.attesters if one.role != "VERIFIER"])
    assert named(replace(terms, attesters=silent)) == ["UNHEARD"]
    (tranche,) = terms.tranches
    assert tranche.adjustments.carbon is not None
    other = replace(tranche.adjustments.carbon, unit="kgCO2e/tkg")
    changed = replace(tranche, adjustments=replace(tranche.adjustments, carbon=other))
    assert named(replace(terms, tranches=(changed,))) == ["UNHEARD"]


class Agreed(Financed):
    """The advance is paid when the warehouse agrees to it; 2,000 basis points off."""

    def __init__(self) -> None:
        made = json.loads(json.dumps(written(a_year_ago(FINANCE, intensity_max="2.1"))))
        made |= {"template": None, "template_version": None, "parameters": {}}
        first = made["tranches"][0]
        received = {"line": first["amount"]["line"], "measure": "RECEIVED", "op": ">=",
                    "value": "1"}  # fmt: skip
        agreed = {"roles": ["WAREHOUSE"], "k": 1}
        first["condition"] = {"all": [{"quantity": received}, {"approval": agreed}]}
        first["challenge"] = None
        first["adjustments"]["carbon"]["bp"] = -2000
        found = read(json.dumps(made).encode())
        assert found.value is not None, found.findings
        FullWorld.__init__(self, found.value)
        self.tick(day(1))
        self.answer("RESERVE", "CONFIRMED", 1.1)
        self.carried()
        self.stored()
        self.tick(day(15))

    def approve(self, on: float) -> None:
        """He agrees to what he sees."""
        state = self.state(self.chain)
        known = known_of(state.book, state.twin, self.register(), state.footprints)
        seen = explain(state.book, state.twin, day(on), known)[0]
        self.review("APPROVE", 0, on, role="WAREHOUSE", source="wms-hamburg",
                    evidence_hash=seen.evidence_hash)  # fmt: skip


def test_who_agreed_to_one_amount_is_asked_again_when_it_is_another_one() -> None:
    """A footprint is verified after he agreed: it is no evidence of the condition, and lowers what
    is paid.
    """
    world = Agreed()
    world.approve(15.1)
    world.verify(world.hash(), 15.2)
    world.tick(day(15.3))
    assert world.states() == ["RESERVED"]
    world.approve(15.4)
    world.tick(day(15.5))
    assert world.states() == ["INSTRUCTED"]
    assert world.paid() == [FULL_MINOR * 8 // 10]
    assert world.audit().differences == []


def test_who_agreed_to_the_amount_that_is_due_is_not_asked_again() -> None:
    """A footprint that is verified after the approval moves nothing."""
    world = Agreed()
    world.approve(15.1)
    world.tick(day(15.3))
    assert world.states() == ["INSTRUCTED"]
    world.verify(world.hash(), 15.4)
    assert world.paid() == [FULL_MINOR]
