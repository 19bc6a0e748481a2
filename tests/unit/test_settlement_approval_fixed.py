"""What is told after the approval lets no assent lapse that a payment rests on."""

from decimal import Decimal
from typing import Any

from settlement_full_world import FullWorld, a_year_ago, day
from test_contract_templates_paid import approved, bulk, driven, durian, paper, received, told

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


def landed(world: FullWorld, lot: str, on: float, **fields: Any) -> None:
    """Another hundred tonnes are in the buyer's silo."""
    step = received(lot, 100, on, "wms-qingdao", "QINGDAO-SILO-1", HOME, "ORDER_LINE:1", uom="TNE",
                    **fields)  # fmt: skip
    step[2](world)
    world.tick(day(on + 0.02))


def test_goods_that_are_first_heard_of_later_recall_nothing_and_claim_nothing_back() -> None:
    """Nobody has surveyed a further lot, and none of its goods are paid: the right payment stands,
    under way and paid.
    """
    world = sold()
    landed(world, "M", 104.13)
    assert world.states() == ["INSTRUCTED"]
    world.answer("PAY", "ACSC", 104.16)
    landed(world, "N", 105)
    assert world.states() == ["SETTLED"]
    assert {28, 32}.isdisjoint(rows(world))
    assert world.audit().differences == []


def test_until_the_claim_is_approved_a_further_lot_takes_it_back() -> None:
    """What every lot has to reach has not been reached by this one."""
    world = sold(agreed=False)
    landed(world, "M", 104.05)
    for role, on, source in (
        ("FINANCIER", 104.1, "desk-financier"),
        ("BUYER", 104.3, "desk-buyer"),
    ):
        approved(role, on, source, 0)[2](world)
        world.tick(day(on + 0.05))
    assert world.paid() == []


def test_goods_that_were_known_count_as_they_are_corrected() -> None:
    """What was received is another lot than was said, which nobody has surveyed nor pledged."""
    world = sold()
    here = (HOME, "ORDER_LINE:1")
    world.fact("wh.received", "LOT:M", "received L", 101, "wms-qingdao", lot_id="M", sku="S",
               qty=Decimal(61_000), uom="TNE", facility="QINGDAO-SILO-1", refs=here,
               revision=2)  # fmt: skip
    world.tick(day(104.15))
    assert world.states() == ["CANCEL_PENDING"]


def test_a_second_truck_moves_no_measured_window() -> None:
    """The cold chain was measured until the goods came: what comes six hours after the payment
    ends nothing later.
    """
    here = ("CONSIGNMENT:K1", "ORDER_LINE:1")
    more = received("L2", 500, 122.3, "wms-nansha", "NANSHA-C4", *here, uom="KGM")
    world = driven("durian-cold-chain", [*durian(60), more, (122.4, "", lambda _: None)])
    assert world.states() == ["SETTLED", "SETTLED"]
    assert {28, 32}.isdisjoint(rows(world))
