"""Every shipped template pays: its example, a year earlier, through a real worker over a broker in
memory, and never without any one of the things that it asks for.
"""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from contract_world import NAMES
from settlement_full_world import FullWorld, a_year_ago, day

from supplytwin.schemas.ids import SECOND_US

Step = tuple[float, str, Callable[[FullWorld], None]]
"""On which day, what, and how it is told."""


def told(kind: str, subject: str, id: str, on: float, source: str, **fields: Any) -> Step:
    """One fact as a step of its own name."""
    return on, id, lambda world: world.fact(kind, subject, id, on, source, **fields)


def paper(kind: str, number: str) -> tuple[str, ...]:
    return (f"{kind};{number * 32};doc://{kind}-{number}",)


def approved(role: str, on: float, source: str, claim: int) -> Step:
    """Somebody agrees to what he sees of a claim."""

    def step(world: FullWorld) -> None:
        seen = world.now(claim).evidence_hash
        world.review("APPROVE", claim, on, role=role, source=source, evidence_hash=seen)

    return on, f"{role} approves", step


def declared(name: str, on: float, source: str, *refs: str, regime: str = "IMPORT") -> Step:
    return told("customs.declared", f"DECLARATION:{name}", f"declared {name}", on, source,
                declaration_id=name, regime=regime, office="o", declarant="d",
                declaration_lines=(), refs=refs)  # fmt: skip


def released(
    name: str, on: float, source: str, kind: str = "FULL", qty: int | None = None, again: str = ""
) -> Step:
    stated = None if qty is None else Decimal(qty)
    return told("customs.released", f"DECLARATION:{name}", f"released {name}{again}", on, source,
                release_kind=kind, qty=stated)  # fmt: skip


def seized(name: str, on: float, source: str) -> Step:
    return told("customs.hold_placed", f"DECLARATION:{name}", "seized", on, source, hold_id="H",
                authority="A")  # fmt: skip


def received(lot: str, qty: int, on: float, source: str, site: str, *refs: str, uom: str = "EA",
             **fields: Any) -> Step:  # fmt: skip
    return told("wh.received", f"LOT:{lot}", f"received {lot}", on, source, lot_id=lot, sku="S",
                qty=Decimal(qty), uom=uom, facility=site, refs=refs, **fields)  # fmt: skip


def accepted(qty: int, on: float, source: str, *refs: str) -> Step:
    return told("order.accepted", "ORDER_LINE:1", "accepted", on, source, line_ids=("1",),
                accepted_qty=Decimal(qty), rejected_qty=Decimal(0), refs=refs)  # fmt: skip


def title(action: str, on: float, holder: str, source: str) -> Step:
    return told("wh.warehouse_receipt", "WAREHOUSE_RECEIPT:WR-1", f"{action} to {holder}", on,
                source, wr_id="WR-1", action=action, holder=holder, qty=Decimal(1),
                refs=("LOT:L",))  # fmt: skip


# ---- the six


def electronics() -> list[Step]:
    here = ("CONSIGNMENT:ASN-1", "ORDER_LINE:1")
    return [
        told("order.invoiced", "ORDER_LINE:1", "invoice", 1, "erp-seller", invoice_id="INV-1",
             amount=Decimal(2_400_000), currency="CNY", due_date=dt.date(2026, 1, 1)),
        declared("X-1", 2, "customs-cn", *here, regime="EXPORT"),
        declared("I-1", 60, "customs-ae", *here),
        told("customs.cleared", "DECLARATION:I-1", "cleared", 61, "customs-ae", entry_id="E"),
        received("L", 1200, 62, "wms-jafza", "JAFZA-7", *here),
        told("shipment.delivered", "CONSIGNMENT:ASN-1", "delivered", 61.5, "tracker",
             consignment_id="ASN-1", receiver="r", facility="JAFZA-7", refs=("ORDER_LINE:1",)),
        accepted(1200, 63, "erp-buyer"),
        (66, "", lambda _: None),
        (100, "", lambda _: None),
    ]  # fmt: skip


def reading(minute: int, value: float, on: float) -> Callable[[FullWorld], None]:
    at = on + minute / 1440
    return lambda world: world.fact(
        "shipment.sensor", "CONSIGNMENT:K1", f"reading {minute}", at, "carrier-events",
        device_id="d", metric="TEMPERATURE", value=value, unit="CEL",
    )  # fmt: skip


def durian(warm_min: int = 60) -> list[Step]:
    """`warm_min` of one day were too warm, 15 minutes at once; a reading every 5 minutes."""
    here = ("CONSIGNMENT:K1", "ORDER_LINE:1")

    def readings(world: FullWorld) -> None:
        spent = 0
        for minute in range(0, 1445, 5):
            warm = minute % 60 < 15 and spent < warm_min
            spent += 5 * warm
            reading(minute, 18.0 if warm else 14.0, 120)(world)

    return [
        told("shipment.stuffed", "EQUIPMENT_TRIP:TRIP-1", "stuffed", 119, "carrier-events",
             trip_id="TRIP-1", container_no="MSCU6639870", children=(), refs=here),
        told("shipment.gate_out", "EQUIPMENT_TRIP:TRIP-1", "gate out", 120, "carrier-events",
             trip_id="TRIP-1", empty=False, facility="CHANTHABURI-PACK-2", refs=here),
        (120.5, "readings", readings),
        received("L", 20_000, 121, "wms-nansha", "NANSHA-C4", *here, uom="KGM"),
        told("shipment.delivered", "CONSIGNMENT:K1", "delivered", 121, "carrier-events",
             consignment_id="K1", receiver="r", refs=("ORDER_LINE:1",)),
        declared("I-1", 121.1, "ciq-nansha", *here),
        released("I-1", 121.2, "ciq-nansha"),
        accepted(19_000, 122, "erp-nansha", "CONSIGNMENT:K1"),
    ]  # fmt: skip


def bulk() -> list[Step]:
    here = ("CONSIGNMENT:MV-SANTOS-1", "ORDER_LINE:1")
    return [
        told("shipment.discharged", "CONSIGNMENT:MV-SANTOS-1", "discharged by the survey", 100,
             "surveys", trip_id="HOLD-1", leg_no=1),
        told("shipment.discharged", "CONSIGNMENT:MV-SANTOS-1", "discharged by the silo", 100.1,
             "wms-qingdao", trip_id="HOLD-1", leg_no=1),
        told("shipment.arrived", "CONSIGNMENT:MV-SANTOS-1", "bill of lading", 100.2,
             "ebl-platform", leg_no=1, evidence=paper("EBL", "a1")),
        received("L", 61_000, 101, "wms-qingdao", "QINGDAO-SILO-1", *here, uom="TNE"),
        told("wh.inspected", "LOT:L", "quality", 101.1, "surveys", lot_id="L", result="PASS"),
        told("shipment.arrived", "CONSIGNMENT:MV-SANTOS-1", "certificate", 101.2, "surveys",
             leg_no=1, evidence=paper("CERT_QUALITY", "b2")),
        title("ISSUE", 102, "santos-grain", "wms-qingdao"),
        title("PLEDGE", 102.1, "shandong-bank", "wms-qingdao"),
        (103, "", lambda _: None),
        approved("BUYER", 104, "desk-buyer", 0),
        approved("FINANCIER", 104.1, "desk-financier", 0),
    ]  # fmt: skip


def inventory() -> list[Step]:
    return [
        received("L", 24_000, 60, "wms-hamburg", "HAM-2", "ORDER_LINE:1"),
        title("ISSUE", 61, "shenzhen-light", "receipts"),
        title("PLEDGE", 61.1, "bay-factoring", "receipts"),
        (64, "", lambda _: None),
    ]


def lots(stated: int | None = None) -> list[Step]:
    """`stated`: of how much each release says that it is."""
    found: list[Step] = []
    for at in range(6):
        lot, on = str(at + 1), 40.0 + 10 * at
        found += [
            declared(f"I-{lot}", on, "customs-id", f"LOT:{lot}", "ORDER_LINE:1"),
            released(f"I-{lot}", on + 0.1, "customs-id", "BOND", stated),
            received(lot, 8, on + 1, "wms-surabaya", "SUB-BONDED-2", "ORDER_LINE:1"),
            told("wh.inspected", f"LOT:{lot}", f"certificate {lot}", on + 2, "certificates",
                 lot_id=lot, result="PASS", evidence=paper("CERT_ORIGIN", f"c{lot}")),
            (on + 3, "", lambda _: None),
            approved("BUYER_QA", on + 4, "qa-buyer", at),
            approved("INSPECTOR", on + 4.1, "inspections", at),
        ]  # fmt: skip
    return [*found, (184.5, "", lambda _: None), (186, "", lambda _: None)]


def consignments(*, stated: bool = False) -> list[Step]:
    """`stated`: each release says of how much it is."""
    found: list[Step] = []
    for name, qty, on in (("K1", 200, 20), ("K2", 300, 40)):
        found += [
            declared(f"I-{name}", on, "customs-ae", f"CONSIGNMENT:{name}"),
            released(f"I-{name}", on + 0.1, "customs-ae", qty=qty if stated else None),
            received(f"L-{name}", qty, on + 1, "wms-jafza", "JAFZA-7", f"CONSIGNMENT:{name}",
                     "ORDER_LINE:1", asn=name),
        ]  # fmt: skip
    return found


STORIES: dict[str, tuple[Callable[[], list[Step]], list[int]]] = {
    "electronics-dap": (electronics, [72_000_000, 144_000_000, 24_000_000]),
    "durian-cold-chain": (durian, [17_200_000, 19_000 * 4300 * 8 // 10 * 97 // 100]),
    "bulk-draft-survey": (bulk, [61_000 * 315_000]),
    "warehouse-inventory-finance": (inventory, [24_000 * 15_000 * 8 // 10]),
    "machine-lots": (lots, [235_600_000] * 6 + [1_488_000_000 - 6 * 235_600_000]),
    "release-and-receipt": (consignments, [9_600_000, 14_400_000]),
}
"""Template -> its story, and the minor units of each of its payments in turn."""


def driven(name: str, steps: list[Step], without: str = "") -> FullWorld:
    """The world of a template after its story, without one thing; the rail pays what it is told."""
    world = FullWorld(a_year_ago(name))
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    for on, what, step in sorted(steps, key=lambda one: one[0]):
        if not without or what != without:
            step(world)
        world.tick(day(on) + 2 * SECOND_US)
        if "INSTRUCTED" in world.states():
            world.answer("PAY", "ACSC", on + 0.01)
    world.tick(day(max(on for on, *_ in steps) + 0.5))
    return world


def test_there_is_a_story_for_every_template() -> None:
    """No template is shipped that none of these tests pays."""
    assert set(STORIES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_template_is_paid(name: str) -> None:
    """Every tranche is instructed with its amount and settled; an audit decides the same."""
    make, amounts = STORIES[name]
    world = driven(name, make())
    left = [leaf for one in range(len(world.states())) for leaf in world.now(one).leaves]
    assert world.paid() == amounts, [one for one in left if one.value != "TRUE"]
    assert set(world.states()) == {"SETTLED"}
    assert world.audit().differences == []


@pytest.mark.parametrize(
    ("name", "steps"),
    [("release-and-receipt", consignments(stated=True)), ("machine-lots", lots(8))],
)
def test_a_release_may_say_of_how_much_it_is(name: str, steps: list[Step]) -> None:
    """Of its whole consignment or lot, which is a part of what was ordered: paid all the same."""
    world = driven(name, steps)
    assert world.paid() == STORIES[name][1]
    assert set(world.states()) == {"SETTLED"}
    assert world.audit().differences == []


def test_a_lot_that_is_released_in_part_is_not_paid() -> None:
    """7 of 8 machines of each lot."""
    world = driven("machine-lots", lots(7))
    assert world.paid() == []


PARTS: list[tuple[list[Step], bool]] = [
    ([released("I-1", 121.2, "ciq-nansha", qty=20_000)], True),
    ([released("I-1", 121.2, "ciq-nansha", qty=10_000)], False),
    ([released("I-1", 121.2, "ciq-nansha", qty=10_000),
      released("I-1", 121.3, "ciq-nansha", qty=10_000, again=" rest")], True),
    ([released("I-1", 121.2, "ciq-nansha", qty=10_000),
      told("customs.release_revoked", "DECLARATION:I-1", "revoked", 121.25, "ciq-nansha",
           reason="pests"),
      released("I-1", 121.3, "ciq-nansha", qty=10_000, again=" again")], False),
    ([declared("X-1", 119.5, "ciq-nansha", "CONSIGNMENT:K1", "ORDER_LINE:1", regime="EXPORT"),
      released("X-1", 119.6, "ciq-nansha", qty=20_000),
      released("I-1", 121.2, "ciq-nansha", qty=10_000)], False),
]  # fmt: skip
"""What customs releases of 20,000 kg, and whether the goods are paid."""


@pytest.mark.parametrize(("steps", "is_paid"), PARTS)
def test_goods_are_paid_when_all_of_them_are_released(steps: list[Step], is_paid: bool) -> None:
    """What was revoked, and what left the other country, is not what came in."""
    story = [one for one in durian() if one[1] != "released I-1"]
    world = driven("durian-cold-chain", [*story, *steps, (123, "", lambda _: None)])
    amounts = STORIES["durian-cold-chain"][1]
    assert world.paid() == (amounts if is_paid else amounts[:1])


MISSING: list[tuple[str, str, set[int]]] = [
    *[("electronics-dap", one, {0, 2}) for one in ("invoice", "declared X-1")],
    *[("electronics-dap", one, {1, 2})
      for one in ("declared I-1", "cleared", "received L", "delivered", "accepted")],
    ("durian-cold-chain", "gate out", {0, 1}),
    *[("durian-cold-chain", one, {1})
      for one in ("readings", "declared I-1", "released I-1", "received L", "delivered",
                  "accepted")],
    *[("bulk-draft-survey", one, {0})
      for one in ("discharged by the survey", "discharged by the silo", "bill of lading",
                  "received L", "quality", "certificate", "PLEDGE to shandong-bank",
                  "BUYER approves", "FINANCIER approves")],
    *[("warehouse-inventory-finance", one, {0})
      for one in ("received L", "PLEDGE to bay-factoring")],
    *[("machine-lots", f"{one}3", {2, 6})
      for one in ("declared I-", "released I-", "received ", "certificate ")],
    ("machine-lots", "INSPECTOR approves", set(range(7))),
    *[("release-and-receipt", one, {1}) for one in ("declared I-K2", "released I-K2",
                                                    "received L-K2")],
]  # fmt: skip
"""Template, what is missing, and the claims that it keeps from being paid."""


@pytest.mark.parametrize(("name", "without", "unpaid"), MISSING, ids=str)
def test_without_one_thing_its_tranche_is_not_paid(
    name: str, without: str, unpaid: set[int]
) -> None:
    """Each leaf of each condition is needed: without what makes it TRUE nothing is instructed of
    its tranche, nor of a rest that waits for it; all else is paid.
    """
    make, amounts = STORIES[name]
    world = driven(name, make(), without)
    assert world.paid() == [one for at, one in enumerate(amounts) if at not in unpaid]
    assert {at for at, one in enumerate(world.states()) if one != "SETTLED"} == unpaid


def a_hold(on: float) -> Step:
    return told("order.held", "ORDER_LINE:1", "buyer's claim", on, "erp-buyer", line_id="1",
                hold_code="QUALITY", scope="PAYMENT")  # fmt: skip


def taken_back(lot: str, qty: int, on: float, source: str, site: str) -> Step:
    return told("wh.receipt_reversed", f"LOT:{lot}", f"reversed {lot}", on, source, lot_id=lot,
                qty=Decimal(qty), reason="counted wrongly", facility=site,
                refs=("ORDER_LINE:1",))  # fmt: skip


CONTRARY: list[tuple[str, list[Step], set[int]]] = [
    ("electronics-dap", [seized("I-1", 63.5, "customs-ae")], {1, 2}),
    ("electronics-dap", [a_hold(80)], {2}),
    ("durian-cold-chain", [seized("I-1", 121.3, "ciq-nansha")], {1}),
    ("durian-cold-chain", [told("customs.release_revoked", "DECLARATION:I-1", "revoked", 121.3,
                                "ciq-nansha", reason="pests")], {1}),
    ("bulk-draft-survey", [title("UNPLEDGE", 102.5, "shandong-bank", "wms-qingdao")], {0}),
    ("warehouse-inventory-finance", [title("UNPLEDGE", 62, "bay-factoring", "receipts"),
                                     title("PLEDGE", 62.1, "other-bank", "receipts")], {0}),
    ("warehouse-inventory-finance", [taken_back("L", 2000, 62, "wms-hamburg", "HAM-2")], {0}),
    ("machine-lots", [seized("I-3", 60.5, "customs-id")], {2, 6}),
    ("machine-lots", [taken_back("3", 8, 61.5, "wms-surabaya", "SUB-BONDED-2")], {2, 6}),
    ("warehouse-inventory-finance", [
        declared("I-1", 62, "customs-de", "ORDER_LINE:1"), seized("I-1", 62.1, "customs-de")], {0}),
    ("release-and-receipt", [seized("I-K2", 40.5, "customs-ae")], {1}),
    ("release-and-receipt", [told("customs.release_revoked", "DECLARATION:I-K2", "revoked", 40.5,
                                  "customs-ae", reason="forged")], {1}),
]  # fmt: skip
"""Template, what comes in between, and the claims that it keeps from being paid."""


@pytest.mark.parametrize(
    ("name", "more", "unpaid"),
    CONTRARY,
    ids=[f"{name} {', '.join(what for _, what, _ in more)}" for name, more, _ in CONTRARY],
)
def test_what_speaks_against_it_keeps_it_from_being_paid(
    name: str, more: list[Step], unpaid: set[int]
) -> None:
    """A seizure, a revoked release, a pledge to another, goods taken back, a claim of the buyer
    within the warranty: nothing is instructed of what it is about.
    """
    make, amounts = STORIES[name]
    world = driven(name, [*make(), *more])
    assert world.paid() == [one for at, one in enumerate(amounts) if at not in unpaid]
    assert "SETTLED" not in {world.states()[one] for one in unpaid}


@pytest.mark.parametrize(
    ("warm_min", "share"), [(0, 10_000), (45, 10_000), (60, 9700), (105, 8500), (195, None)]
)
def test_time_outside_the_cold_chain_takes_off_what_its_band_says(
    warm_min: int, share: int | None
) -> None:
    """Nothing up to 45 minutes, 3 % and 15 % in the bands; beyond the last one people decide."""
    world = driven("durian-cold-chain", durian(warm_min))
    full = 19_000 * 4300 * 8 // 10
    assert world.paid()[1:] == ([] if share is None else [full * share // 10_000])


def test_one_lot_is_not_paid_on_the_receipt_of_another() -> None:
    """What is in the warehouse of lot 1 says nothing of lot 2."""
    steps = [one for one in lots() if one[1] != "received 2"]
    again = received("1", 8, 51, "wms-surabaya", "SUB-BONDED-2", "ORDER_LINE:1")
    world = driven("machine-lots", [*steps, (51, "again", again[2])])
    assert world.states()[1] != "SETTLED"
