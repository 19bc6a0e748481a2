"""A deadline of full terms: a millisecond before, at it and after, through a worker; with grace and
without, on the days on which clocks change; an audit and a restart say the same. And what closes
later than the claim.
"""

from decimal import Decimal
from typing import Any

import pytest
from settlement_full_world import LINE, FullWorld, day
from settlement_world import event
from test_settlement_full_review import is_sound
from test_settlement_owed import free_conditions, funded, measured, pieces, receive

from supplytwin.schemas.condition import micros

pytestmark = pytest.mark.usefixtures(free_conditions.__name__)

MS = 1_000
DEADLINES = (
    "2026-02-10T23:59:59.999+08:00", "2026-02-10T15:59:59.999Z", "2026-03-08T03:00:00-04:00",
    "2026-03-29T01:59:59.999+01:00", "2026-03-29T03:00:00+02:00",
)  # fmt: skip
"""One instant twice, then the first of New York's summer, and both ends of Berlin's lost hour."""
PLACES = ((-1, -1), (0, 0), (0, -1), (1, 0), (0, 1), (1, 1))
"""(happened, arrived) in ms after the deadline and after the close."""


@pytest.mark.parametrize(("happened", "arrived"), PLACES)
@pytest.mark.parametrize("grace", ["PT0S", "P2D"])
@pytest.mark.parametrize("deadline", DEADLINES)
def test_a_millisecond_decides_whether_it_is_paid(
    deadline: str, grace: str, happened: int, arrived: int
) -> None:
    """Happened by the deadline and arrived by its close: paid, else held at the first cut after the
    close; never a cut earlier.
    """
    window = {"not_before": None, "deadline": deadline, "grace": grace}
    world = funded(pieces({"T1": {"window": window}}))
    at, close = micros(deadline), world.terms.tranches[0].close
    assert close == at + (0 if grace == "PT0S" else 2 * 86_400_000_000)
    made = event("wh.received", "LOT:L1", "received 1", at + happened * MS, source="wms-jafza",
                 chain_id=world.chain, lot_id="L1", sku="ROUTER-AX", qty=Decimal(70), uom="EA",
                 facility="JAFZA-7", refs=("CONSIGNMENT:ASN-1", LINE))  # fmt: skip
    in_time = happened <= 0 and arrived <= 0
    world.tick(day(60))
    if in_time:
        world.send(made, at=close + arrived * MS)
    world.tick(close)
    assert world.states()[0] == ("INSTRUCTED" if in_time else "RESERVED")
    if not in_time:
        world.send(made, at=close + arrived * MS)
    world.tick(close + max(arrived, 0) * MS + MS)
    assert world.states()[0] == ("INSTRUCTED" if in_time else "HELD")
    assert world.paid() == [63_000] * in_time
    assert is_sound(world)


# ---- leaves that close later than the claim

CLOSE = 64
APPROVAL = {"approval": {"roles": ["BUYER"], "k": 1, "deadline": "2026-02-25T00:00:00+08:00"}}
"""Until day 86."""
CLEARED = {"milestone": {"type": "IMPORT_CLEARED", "by": {"roles": ["CUSTOMS"], "k": 1}}}
WEEKS = ["2026-01-20T00:00:00+08:00", "2026-02-10T00:00:00+08:00"]
QUIET = {"absent": {"type": "SHIPMENT_EXCEPTION", "during": WEEKS}}
"""Decided after day 73."""


def waiting(
    condition: dict[str, Any], on_false: str = "HOLD", *, withdrawn: bool = False, **fields: Any
) -> FullWorld:
    """Its goods came on day 60, its close is on day 64; the claim waits for another leaf.
    `withdrawn`: they were cleared, and were not after all.
    """
    window = {"not_before": None, "deadline": "2026-02-01T00:00:00+08:00", "grace": "P2D"}
    terms = {"condition": condition, "window": window, "on_false": on_false, **fields}
    world = funded(pieces({"T1": terms}))
    if withdrawn:
        told: dict[str, Any] = {"entry_id": "E", "refs": ("CONSIGNMENT:ASN-1",)}
        world.declared("I-1", "IMPORT", 50, "customs-ae")
        world.fact("customs.cleared", "DECLARATION:I-1", "cleared", 51, "customs-ae", **told)
        world.fact("customs.cleared", "DECLARATION:I-1", "not cleared", 51.1, "customs-ae",
                   revision=2, correction_action="RETRACT", correction_source="customs-ae",
                   correction_event_id="cleared", **told)  # fmt: skip
    receive(world, 1, 72, 60)
    for on in (61, CLOSE, CLOSE + 0.1):
        world.tick(day(on))
    world.answer("RELEASE", "RELEASED", CLOSE + 0.2)  # of the other claim, whose goods never came
    world.tick(day(CLOSE + 0.3))
    return world


def approve(world: FullWorld, on: float) -> None:
    seen = world.now(0).evidence_hash
    world.review("APPROVE", 0, on, role="BUYER", source="erp-buyer", evidence_hash=seen)
    world.tick(day(on + 0.1))


@pytest.mark.parametrize("on_false", ["HOLD", "EXPIRE"])
@pytest.mark.parametrize("late", [None, {"due": "2026-01-29", "bp_per_day": 100, "max_bp": 500}])
def test_an_approval_that_closes_later_is_waited_for(on_false: str, late: Any) -> None:
    """After the close nothing but an approval is missing, and it may still come: the claim stays
    RESERVED and is paid when it does, though how late the goods were is known only then.
    """
    more = {"adjustments": {"late": late, "excursion": [], "carbon": None}}
    asks = {"all": [measured("RECEIVED"), APPROVAL]}
    world = waiting(asks, on_false, **more)
    assert world.states()[0] == "RESERVED"
    approve(world, 80)
    assert world.states()[0] == "INSTRUCTED"
    assert world.paid() == [64_800 if late is None else 64_800 * 9_900 // 10_000]
    assert is_sound(world)


@pytest.mark.parametrize(("on_false", "ends"), [("HOLD", "HELD"), ("EXPIRE", "EXPIRED")])
def test_an_approval_that_never_comes_is_decided_when_it_closes(on_false: str, ends: str) -> None:
    """The cut after its own deadline looks at the claim again: FALSE, by the terms."""
    world = waiting({"all": [measured("RECEIVED"), APPROVAL]}, on_false)
    world.tick(day(86))
    assert world.states()[0] == "RESERVED"
    assert world.fold.due(world.state(world.chain)) == day(86) + 1
    world.tick(day(86) + MS)
    assert world.states()[0] == ends
    assert world.paid() == []


def test_an_absence_is_waited_for_until_its_window_is_over() -> None:
    """Nobody has told of an exception: decided, and paid, when none can be told any more."""
    world = waiting({"all": [measured("RECEIVED"), QUIET]})
    assert world.states()[0] == "RESERVED"
    world.tick(day(73))
    assert world.paid() == []
    assert world.fold.due(world.state(world.chain)) == day(73) + 1
    world.tick(day(73) + MS)
    assert world.paid() == [64_800]
    assert is_sound(world)


@pytest.mark.parametrize("group", ["all", "any"])
def test_what_is_in_doubt_beside_an_open_leaf_is_held_at_the_close(group: str) -> None:
    """A clearance was withdrawn, and may come back: people look at the claim, whether it needs that
    and an approval or either of them. The long stop must end none of whose doubt nobody was told.
    """
    asks = {"all": [measured("RECEIVED"), {group: [CLEARED, APPROVAL]}]}
    world = waiting(asks, withdrawn=True)
    assert world.states()[0] == "HELD"
    assert world.rows()[-1] == 9
    approve(world, 80)
    assert world.paid() == []
    world.review("RELEASE", 0, 81, reviewer="olga", evidence_hash=world.now(0).evidence_hash)
    world.tick(day(82))
    assert world.paid() == ([64_800] if group == "any" else [])
    assert is_sound(world)


# ---- time that stood still

DEADLINE = "2026-02-01T00:00:00+08:00"
"""Day 62."""


@pytest.mark.parametrize("happened", [61.4, 62.1])
@pytest.mark.parametrize("before", [None, DEADLINE])
def test_before_is_later_told_by_the_time_in_the_quarantine(
    before: str | None, happened: float
) -> None:
    """The receipt was refused on day 61.5 and came again, corrected, on day 68.1: with `before` as
    by the deadline alone it is in time. It must have happened by then: what was tolled moves when
    `before` closes, not what it asks.
    """
    leaf: dict[str, Any] = {"type": "IN_BUYER_WAREHOUSE", "by": {"roles": ["WAREHOUSE"], "k": 1}}
    leaf |= {} if before is None else {"before": before}
    window = {"not_before": None, "deadline": DEADLINE, "grace": "P2D"}
    terms = {"window": window, "on_false": "EXPIRE",
             "condition": {"all": [{"milestone": leaf}, measured("RECEIVED")]}}  # fmt: skip
    world = funded(pieces({"T1": terms}))
    world.tick(day(60))
    world.driver.send("supply.warehouse", world.chain, b"garbage", timestamp_us=day(61.5))
    world.driver.settle()
    for on in (62, 64, 66, 68):
        world.tick(day(on))
    book = world.state(world.chain).book
    refused = tuple(book.claims[book.order[0]].standing)
    world.review("RELEASE_RECORD", 0, 68.05, settlement_id="*", cleared_ids=refused)
    made = event("wh.received", "LOT:L1", "received 1", day(happened), source="wms-jafza",
                 chain_id=world.chain, lot_id="L1", sku="ROUTER-AX", qty=Decimal(72), uom="EA",
                 facility="JAFZA-7", refs=("CONSIGNMENT:ASN-1", LINE))  # fmt: skip
    world.send(made, at=day(68.1))
    world.tick(day(68.2))
    is_paid = before is None or happened <= 62
    assert world.paid() == [64_800] * is_paid
    world.tick(day(73))
    assert (world.states()[0] == "EXPIRED") != is_paid
    assert is_sound(world)
