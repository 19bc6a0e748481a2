"""Two of two voices, from end to end: however much one organisation says, it is one."""

from decimal import Decimal
from typing import Any

import contract_world
from settlement_full_world import CONSIGNMENT, LINE, FullWorld, a_year_ago, day
from test_settlement_full_review import is_sound

ARRIVAL = 1


def test_what_one_organisation_tells_in_two_roles_is_told_once() -> None:
    """The warehouse also has a tracker of its own: with both its words nothing is paid; with one
    of somebody else, it is.
    """
    listed = contract_world.example()["attesters"]
    listed.append({"org_id": "gulf-logistics", "role": "IOT", "sources": ["own-tracker"]})
    world = FullWorld(a_year_ago(contract_world.ELECTRONICS, attesters=listed))
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.tick(day(3))
    world.answer("PAY", "ACSC", 4)
    world.cleared()
    said: dict[str, Any] = {
        "consignment_id": "ASN-1",
        "receiver": "r",
        "facility": "JAFZA-7",
        "refs": (LINE,),
    }
    for number in range(3):
        name = f"own {number}"
        world.fact("shipment.delivered", CONSIGNMENT, name, 62, "own-tracker", **said)
    world.fact("wh.received", "LOT:L", "received", 62, "wms-jafza", lot_id="L", sku="ROUTER-AX",
               qty=Decimal(1200), uom="EA", facility="JAFZA-7",
               refs=(CONSIGNMENT, LINE))  # fmt: skip
    world.fact("order.accepted", LINE, "accepted", 63, "erp-buyer", line_ids=("1",),
               accepted_qty=Decimal(1200), rejected_qty=Decimal(0),
               refs=(CONSIGNMENT,))  # fmt: skip
    for tick in (64, 65, 67):
        world.tick(day(tick))
        assert world.states()[ARRIVAL] == "RESERVED"
    waits = next(leaf for leaf in world.now(ARRIVAL).leaves if "all[1]" in leaf.name)
    assert waits.value == "UNKNOWN"
    world.fact("shipment.delivered", CONSIGNMENT, "delivered", 67.2, "tracker", **said)
    world.tick(day(68))
    world.tick(day(69))
    assert world.states()[ARRIVAL] == "INSTRUCTED"
    assert is_sound(world)
