"""What is told after the approval lets no assent lapse that a payment rests on."""

from decimal import Decimal

from settlement_full_world import FullWorld, a_year_ago, day
from test_contract_templates_paid import approved, bulk, paper, told

from supplytwin.schemas.ids import SECOND_US
from supplytwin.schemas.records import SETTLEMENT_EVENTS

HOME = "CONSIGNMENT:MV-SANTOS-1"


def sold(*, agreed: bool = True) -> FullWorld:
    """The bulk cargo: buyer and financier approve on day 104, it is instructed."""
    world = FullWorld(a_year_ago("bulk-draft-survey"))
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    for on, what, step in sorted(bulk(), key=lambda one: one[0]):
        if agreed or not what.startswith("FINANCIER"):
            step(world)
            world.tick(day(on) + 2 * SECOND_US)
    assert world.states() == ["INSTRUCTED" if agreed else "RESERVED"]
    return world


def again(world: FullWorld, on: float) -> None:
    """The survey says it once more, with another paper: nothing but more of the same."""
    step = told("shipment.discharged", HOME, f"discharged again {on}", 100.5, "surveys",
                trip_id="HOLD-1", leg_no=1, evidence=paper("PHOTO", "d4"))[2]  # fmt: skip
    step(world)
    world.tick(day(on))


def rows(world: FullWorld) -> list[int]:
    return [one.row for one in world.read(SETTLEMENT_EVENTS)]


def test_more_of_the_same_recalls_nothing_and_claims_nothing_back() -> None:
    """Under way and paid: the evidence is another one, and what was approved stays approved."""
    world = sold()
    again(world, 104.15)
    assert world.states() == ["INSTRUCTED"]
    world.answer("PAY", "ACSC", 104.16)
    again(world, 105)
    assert world.states() == ["SETTLED"]
    assert {28, 32}.isdisjoint(rows(world))
    assert world.audit().differences == []


def test_until_the_claim_is_approved_another_evidence_lets_an_assent_lapse() -> None:
    """The buyer has approved what he saw: he is asked again, and so is the financier."""
    world = sold(agreed=False)
    again(world, 104.05)
    approved("FINANCIER", 104.1, "desk-financier", 0)[2](world)
    world.tick(day(104.2))
    assert world.paid() == []
    approved("BUYER", 104.3, "desk-buyer", 0)[2](world)
    world.tick(day(104.4))
    assert len(world.paid()) == 1


def test_what_speaks_against_it_recalls_it_still() -> None:
    """The pledge is lifted while the payment is under way."""
    world = sold()
    told(
        "wh.warehouse_receipt",
        "WAREHOUSE_RECEIPT:WR-1",
        "lifted",
        104.12,
        "wms-qingdao",
        wr_id="WR-1",
        action="UNPLEDGE",
        holder="shandong-bank",
        qty=Decimal(1),
        refs=("LOT:L",),
    )[2](world)
    world.tick(day(104.15))
    assert world.states() == ["CANCEL_PENDING"]
