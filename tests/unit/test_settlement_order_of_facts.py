"""A message that only confirms what is known takes no payment away, in whatever order things are
said to have happened.
"""

import itertools
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from goods_world import ANY, Till, claim, contract, tranche

K = "CONSIGNMENT:K1"
AT_BUYERS = {
    "milestone": {"type": "IN_BUYER_WAREHOUSE", "by": {"roles": ["CARRIER", "WAREHOUSE"], "k": 2}}
}
RECEIVED = {"milestone": {"type": "RECEIVED", "by": {"roles": ["WAREHOUSE"], "k": 1}}}
RELEASED = {"milestone": {"type": "CUSTOMS_RELEASED", "by": {"roles": ["CUSTOMS"], "k": 1}}}
STORED = {"milestone": {"type": "STOCKED", "by": {"roles": ["WAREHOUSE"], "k": 1}}}
ALL = {"all": [AT_BUYERS, RECEIVED, RELEASED, ANY]}


def till(condition: Any, **of: Any) -> Till:
    amount = {"rule": "FIXED", "amount_minor": 100_000}
    return Till(contract(tranche("T1", claim("A", **of), amount=amount, condition=condition)))


def tell(world: Till, what: str, at: float, **more: Any) -> None:
    """One of the things that happen to a delivery, on a day."""
    refs = (K, "ORDER_LINE:1")
    match what:
        case "delivered":
            world.tell("shipment.delivered", K, what, at, source="carrier", consignment_id="K1",
                       receiver="r", facility="WH-1", refs=refs[1:], **more)  # fmt: skip
        case "received":
            world.receive(what, 10, at, "L1", K, **more)
        case "put away":
            world.tell("wh.put_away", "LOT:L1", what, at, lot_id="L1", bin="B", refs=refs, **more)
        case "released" | "cleared":
            said = {"release_kind": "FULL"} if what == "released" else {"entry_id": "E"}
            world.tell(f"customs.{what}", "DECLARATION:D", what, at, source="customs",
                       refs=refs, **said, **more)  # fmt: skip
        case "accepted":
            world.tell("order.accepted", "ORDER_LINE:1", what, at, source="erp-buyer",
                       line_ids=("1",), accepted_qty=Decimal(10), rejected_qty=Decimal(0),
                       refs=refs[:1], **more)  # fmt: skip


def declared(world: Till) -> None:
    world.tell("customs.declared", "DECLARATION:D", "declared", 2, source="customs",
               declaration_id="D", regime="IMPORT", office="o", declarant="d", transport_doc="B",
               declaration_lines=(), refs=(K, "ORDER_LINE:1"))  # fmt: skip


def told(order: Iterable[str], *, arrives: bool, **of: Any) -> Any:
    """What the claim comes to when these happened (or, `arrives`, only came to be known) in an
    order.
    """
    world = till(ALL, **of)
    declared(world)
    for at, what in enumerate(order):
        more = {"arrives": 10 + at} if arrives else {}
        tell(world, what, 5 if arrives else 5 + at, **more)
    return world.look("A", 20)


FACTS = ("delivered", "received", "released", "accepted")


@pytest.mark.parametrize("of", [{}, {"consignment_id": "K1"}])
@pytest.mark.parametrize("arrives", [False, True])
def test_every_order_of_a_delivery_comes_to_the_same_claim(of: Any, arrives: bool) -> None:
    """Delivered, received, released, accepted, each of which confirms the others."""
    found = {
        order: told(order, arrives=arrives, **of).value for order in itertools.permutations(FACTS)
    }
    assert found == dict.fromkeys(found, "TRUE")


def test_a_message_that_comes_late_takes_no_match_away() -> None:
    """Due by then, the carrier tells of its delivery a day after the receipt, or of one before it;
    the buyer of an acceptance before the goods were there.
    """
    for what, at in (("delivered", 8.0), ("delivered", 4.0), ("accepted", 4.0), ("put away", 4.0)):
        world = till({"all": [RECEIVED, RELEASED, ANY]})
        declared(world)
        tell(world, "received", 6)
        tell(world, "released", 6)
        assert world.look("A", 9).value == "TRUE"
        tell(world, what, at, arrives=10)
        assert world.look("A", 11).value == "TRUE", (what, at)


def test_released_after_it_was_cleared_is_released() -> None:
    """Customs number their messages otherwise than they mean them: cleared, then released."""
    world = till(RELEASED)
    declared(world)
    tell(world, "cleared", 5)
    tell(world, "released", 6)
    assert world.look("A", 9).value == "TRUE"


# ---- what is undone stays undone


def test_a_receipt_that_was_reversed_is_none_whatever_came_before_it() -> None:
    """Accepted before it was received, then all of it taken back."""
    world = till(RECEIVED)
    tell(world, "accepted", 4)
    tell(world, "received", 5)
    assert world.look("A", 9).value == "TRUE"
    world.reverse("x", 10, 6, "L1")
    assert world.look("A", 9).value != "TRUE"


def test_a_receipt_after_the_line_was_cancelled_counts_for_nothing() -> None:
    """Nobody ordered it any more."""
    world = till(RECEIVED)
    world.tell("order.cancelled", "ORDER_LINE:1", "c", 4, source="erp-buyer", line_ids=("1",),
               reason="r")  # fmt: skip
    tell(world, "received", 5)
    assert world.look("A", 9).value != "TRUE"


@pytest.mark.parametrize("at", [5.5, 8.0])
def test_a_release_that_was_revoked_does_not_come_back_by_an_older_message(at: float) -> None:
    """Cleared and released, whichever is told first; then revoked: nothing is released."""
    world = till({"any": [RELEASED]})
    declared(world)
    tell(world, "cleared", 5)
    tell(world, "released", at)
    world.tell("customs.release_revoked", "DECLARATION:D", "v", 9, source="customs", reason="R",
               refs=(K, "ORDER_LINE:1"))  # fmt: skip
    assert world.look("A", 10).value != "TRUE"


def test_a_rejection_that_may_have_happened_stops_every_release_at_once() -> None:
    """Its zone is unknown: whoever is released beside it is believed again only when it is known
    that nothing was taken back.
    """
    world = till(RELEASED)
    declared(world)
    tell(world, "released", 5)
    refs = {"refs": (K, "ORDER_LINE:1")}
    world.tell("customs.declared", "DECLARATION:D2", "d2", 2, source="customs",
               declaration_id="D2", regime="IMPORT", office="o", declarant="d", transport_doc="B",
               declaration_lines=(), **refs)  # fmt: skip
    world.tell("customs.released", "DECLARATION:D2", "r2", 5, source="customs",
               release_kind="FULL", **refs)  # fmt: skip
    assert world.look("A", 9).value == "TRUE"
    world.tell("customs.rejected", "DECLARATION:D2", "x2", 9.5, source="customs", reason_code="R",
               event_tz="unknown", arrives=9.6, **refs)  # fmt: skip
    assert world.look("A", 9.7).value == "UNKNOWN"
    assert world.look("A", 11).value == "UNKNOWN"
