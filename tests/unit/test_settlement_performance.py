"""Late is the seller's delivery, by the time at which it happened, not what others say of it."""

from decimal import Decimal
from typing import Any

import pytest
from goods_world import START, Till, claim, contract, tranche

from supplytwin.schemas.condition import micros
from supplytwin.schemas.ids import DAY_US

DUE = "2027-02-10"
LATE = {"late": {"due": DUE, "bp_per_day": 10, "max_bp": 500}}
RECEIVED = {"milestone": {"type": "RECEIVED", "by": {"roles": ["WAREHOUSE"], "k": 1}}}
ACCEPTED = {"quantity": {"line": "1", "measure": "ACCEPTED", "op": ">=", "value": "10"}}
INSPECTED = {"milestone": {"type": "QC_PASSED", "by": {"roles": ["INSPECTOR"], "k": 1}}}
CLEARED = {"milestone": {"type": "IMPORT_CLEARED", "by": {"roles": ["CUSTOMS"], "k": 1}}}
ALWAYS = {"time": {"not_before": "2027-01-02T00:00:00+08:00"}}
K = "CONSIGNMENT:K1"


def on(text: str) -> float:
    """A day of the small world, from a time of Shanghai unless it names its offset."""
    full = text if len(text) > len("2027-02-10T12:00:00.000") else f"{text}+08:00"
    return (micros(full) - START) / DAY_US


def till(condition: Any, zone: str = "Asia/Shanghai", **changes: Any) -> Till:
    """One fixed amount on a condition, less ten basis points for each day that it is late."""
    amount = {"rule": "FIXED", "amount_minor": 100_000}
    base = {"amount": amount, "condition": condition, "adjustments": LATE} | changes
    return Till(contract(tranche("T1", claim("A", consignment_id="K1"), **base), zone=zone))


def received(world: Till, at: str, **more: Any) -> None:
    world.receive("r1", 10, on(at), "L1", K, **more)


def accepted(world: Till, at: str, source: str = "erp-buyer") -> None:
    world.tell("order.accepted", "ORDER_LINE:1", "a1", on(at), source=source, line_ids=("1",),
               accepted_qty=Decimal(10), rejected_qty=Decimal(0), refs=(K,))  # fmt: skip


def inspected(world: Till, at: str) -> None:
    world.tell("wh.inspected", "LOT:L1", "q1", on(at), source="inspector", lot_id="L1",
               result="PASS", refs=(K, "ORDER_LINE:1"))  # fmt: skip


def cleared(world: Till, at: str) -> None:
    payload = {"declaration_id": "D", "regime": "IMPORT", "office": "o", "declarant": "d",
               "transport_doc": "B", "declaration_lines": (), "refs": (K,)}  # fmt: skip
    world.tell("customs.declared", "DECLARATION:D", "d1", 3, source="customs", **payload)
    world.tell("customs.cleared", "DECLARATION:D", "c1", on(at), source="customs", entry_id="E",
               refs=(K,))  # fmt: skip


def off(world: Till, day: str = "2027-03-20T00:00:00") -> int | None:
    """Basis points that are taken off; None = it cannot be paid."""
    seen = world.look("A", on(day))
    return -(seen.adjusted_bp or 0) if seen.value == "TRUE" else None


# ---- whose time counts


def test_a_slow_buyer_makes_no_seller_late() -> None:
    """In the warehouse in time, accepted ten days after the date."""
    world = till({"all": [RECEIVED, ACCEPTED]})
    received(world, "2027-02-09T12:00:00")
    accepted(world, "2027-02-20T12:00:00")
    assert off(world) == 0


def test_a_seller_is_late_by_the_days_of_the_receipt() -> None:
    """However fast the buyer accepts it, or even before it is there."""
    for day in ("2027-02-01T12:00:00", "2027-02-12T13:00:00", "2027-02-28T12:00:00"):
        world = till({"all": [RECEIVED, ACCEPTED]})
        received(world, "2027-02-12T12:00:00")
        accepted(world, day)
        assert off(world) == 20


@pytest.mark.parametrize("day", ["2027-01-20T12:00:00", "2027-02-25T12:00:00"])
def test_an_inspection_early_or_late_does_not_move_the_delivery(day: str) -> None:
    """Its result is asked for, its time is not the seller's."""
    for at, expected in (("2027-02-10T23:59:59", 0), ("2027-02-13T12:00:00", 30)):
        world = till({"all": [RECEIVED, INSPECTED]})
        received(world, at)
        inspected(world, day)
        assert off(world) == expected


def test_an_inspectors_word_of_an_arrival_decides_only_where_nobody_else_has_told_it() -> None:
    """Two are asked for it: the carrier's time counts, the inspector came a week later."""

    def asks(roles: list[str], k: int) -> Any:
        return {"milestone": {"type": "ARRIVED", "by": {"roles": roles, "k": k}}}

    def told(world: Till, source: str, at: str) -> None:
        world.tell("shipment.arrived", K, f"x-{source}", on(at), source=source)

    both = till(asks(["CARRIER", "INSPECTOR"], 2))
    told(both, "carrier", "2027-02-09T12:00:00")
    told(both, "inspector", "2027-02-17T12:00:00")
    assert off(both) == 0
    alone = till(asks(["INSPECTOR"], 1))
    told(alone, "inspector", "2027-02-17T12:00:00")
    assert off(alone) == 70


def test_customs_decide_only_where_nothing_tells_of_the_goods() -> None:
    """Cleared five days late: late where clearing is all that is asked, else not."""
    for condition, expected in (({"all": [RECEIVED, CLEARED]}, 0), (CLEARED, 50)):
        world = till(condition)
        received(world, "2027-02-09T12:00:00")
        cleared(world, "2027-02-15T12:00:00")
        assert off(world) == expected


def test_what_comes_after_the_condition_was_met_makes_nothing_late() -> None:
    """Any of two: delivered in time, the warehouse's word of it came a week later."""
    delivered = {"milestone": {"type": "DELIVERED", "by": {"roles": ["CARRIER"], "k": 1}}}
    world = till({"any": [delivered, RECEIVED]})
    world.tell("shipment.delivered", K, "x1", on("2027-02-09T12:00:00"), source="carrier",
               consignment_id="K1", receiver="r", refs=("ORDER_LINE:1",))  # fmt: skip
    received(world, "2027-02-17T12:00:00")
    assert off(world) == 0


def test_goods_that_are_paid_by_the_piece_are_as_late_as_the_last_of_them() -> None:
    """Some of a delivery came in time, the rest two days after the date."""
    amount = {"rule": "PER_UNIT", "line": "1", "cap_minor": 10**9}
    some = {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">=", "value": "5"}}
    world = till(some, amount=amount)
    world.receive("r1", 6, on("2027-02-09T12:00:00"), "L1", K)
    assert off(world) == 0
    world.receive("r2", 4, on("2027-02-12T12:00:00"), "L1", K)
    assert off(world) == 20


@pytest.mark.parametrize(("first", "then"), [("09", "13"), ("13", "09")])
def test_a_corrected_arrival_counts_as_it_is_corrected(first: str, then: str) -> None:
    """The warehouse corrects the day of its receipt, in either direction."""
    world = till({"all": [RECEIVED, ACCEPTED]})
    accepted(world, "2027-02-14T12:00:00")
    days = {"09": 0, "13": 30}
    received(world, f"2027-02-{first}T12:00:00")
    assert off(world) == days[first]
    received(world, f"2027-02-{then}T12:00:00", revision=2, arrives=on("2027-03-01T00:00:00"))
    assert off(world) == days[then]


# ---- to the millisecond

MIDNIGHTS = [
    ("Asia/Shanghai", "2027-02-10", "2027-02-11T00:00:00+08:00"),
    ("Europe/Berlin", "2027-03-27", "2027-03-28T00:00:00+01:00"),
    ("Europe/Berlin", "2027-03-28", "2027-03-29T00:00:00+02:00"),
    ("America/New_York", "2027-03-13", "2027-03-14T00:00:00-05:00"),
    ("America/New_York", "2027-03-14", "2027-03-15T00:00:00-04:00"),
    ("Pacific/Apia", "2027-02-10", "2027-02-11T00:00:00+13:00"),
    ("UTC", "2027-02-10", "2027-02-11T00:00:00+00:00"),
]


@pytest.mark.parametrize(("zone", "due", "midnight"), MIDNIGHTS)
def test_the_date_ends_at_its_midnight_in_the_zone_of_the_terms(
    zone: str, due: str, midnight: str
) -> None:
    """One millisecond before it nothing is late, at it and after it one day is; also where clocks
    are changed on that day or the next, and whenever that came to be known.
    """
    late = {"late": {"due": due, "bp_per_day": 10, "max_bp": 500}}
    for ms, expected in ((-1, 0), (0, 10), (1, 10)):
        for arrives in (0.001, 10):
            world = till(RECEIVED, zone, adjustments=late)
            at = (micros(midnight) - START) / DAY_US
            world.receive("r1", 10, at, "L1", K, time_precision="MS", shift_ms=ms,
                          arrives=min(at + arrives, on("2027-03-31T00:00:00")))  # fmt: skip
            assert off(world, "2027-03-31T12:00:00") == expected, (zone, ms)


@pytest.mark.parametrize(("ms", "arrives_ms", "counts"), [
    (-1, 0, True), (0, 0, True), (1, 0, False), (0, -1, True), (0, 1, False)])  # fmt: skip
def test_grace_is_for_what_is_told_late_not_for_what_is_late(
    ms: int, arrives_ms: int, counts: bool
) -> None:
    """It happened by the deadline and is told by the end of the grace: it counts, and is as late as
    it was, not as its news.
    """
    window = {"deadline": "2027-02-12T00:00:00+08:00", "grace": "P2D"}
    world = till(RECEIVED, window=window)
    world.receive("r1", 10, on("2027-02-12T00:00:00"), "L1", K, time_precision="MS", shift_ms=ms,
                  arrives_us=micros("2027-02-14T00:00:00+08:00") + arrives_ms * 1000)  # fmt: skip
    expected = 10 if ms < 0 else 20
    assert off(world, "2027-02-14T01:00:00") == (expected if counts else None)


# ---- where nothing was delivered


def test_where_the_terms_ask_for_no_delivery_nothing_is_late() -> None:
    """Only a time is asked for: the amount is the whole, and says why."""
    world = till(ALWAYS)
    assert off(world) == 0
    assert "asks for no delivery" in world.amount("A", on("2027-03-20T00:00:00")).why


def test_a_delivery_that_is_not_needed_is_waited_for_while_it_may_come() -> None:
    """The explanation names its leaf; once none can come any more it is as late as the close."""
    window = {"deadline": "2027-02-12T23:59:59+08:00", "grace": "P1D"}
    world = till({"any": [RECEIVED, ALWAYS]}, window=window)
    waits = world.amount("A", on("2027-02-13T12:00:00"))
    assert waits.value == "UNKNOWN"
    assert "$.any[0]" in waits.why
    assert off(world, "2027-02-14T12:00:00") == 30
    received(world, "2027-02-11T12:00:00")
    assert off(world, "2027-02-14T12:00:00") == 10


BANDS = {"excursion": [{"over_min": 45, "off_bp": 300}, {"over_min": 180, "off_bp": "HOLD"}]}
COLD = {"telemetry": {
    "metric": "TEMPERATURE", "min": "13", "max": "15", "unit": "CEL",
    "from": "2027-01-10T00:00:00+08:00", "to": "2027-01-10T06:00:00+08:00",
    "max_excursion": "PT3H", "max_single": "PT3H", "min_coverage_bp": 9000}}  # fmt: skip
FROM_GATE = {"telemetry": COLD["telemetry"] | {
    "from": {"anchor": "MILESTONE:GATE_OUT", "plus": "PT0S"},
    "to": {"anchor": "MILESTONE:RECEIVED", "plus": "PT0S"}}}  # fmt: skip


@pytest.mark.parametrize("adjustments", [LATE, BANDS])
def test_what_can_never_be_measured_is_paid_after_the_close_not_held_for_ever(
    adjustments: Any,
) -> None:
    """By the state table: it waits up to the close, and is matched at the first cut after it."""
    window = {"deadline": "2027-02-12T23:59:59+08:00", "grace": "P1D"}
    condition = {"any": [RECEIVED, FROM_GATE, ALWAYS]}
    world = till(condition, window=window, adjustments=adjustments)
    assert world.cut(on("2027-02-13T12:00:00")) == []
    assert world.cut(on("2027-02-14T00:00:00"))[:2] == ["MATCHED", "APPROVED"]
    assert world.claim("A").adjusted_bp == (-30 if adjustments is LATE else 0)


def test_a_series_that_is_not_needed_is_waited_for_while_it_may_come() -> None:
    """Whatever releases beside it: nothing was measured, so nothing is taken off, but only when no
    reading can come any more.
    """
    window = {"deadline": "2027-02-12T23:59:59+08:00", "grace": "P1D"}
    for series in (COLD, FROM_GATE):
        world = till({"any": [series, ALWAYS]}, window=window, adjustments=BANDS)
        waits = world.amount("A", on("2027-02-13T12:00:00"))
        assert waits.value == "UNKNOWN"
        assert "$.any[0]" in waits.why
        assert off(world, "2027-02-14T12:00:00") == 0


def test_without_a_series_in_the_terms_nothing_is_outside() -> None:
    """A table of excursions that nothing is measured for takes nothing off, and says so."""
    world = till(ALWAYS, adjustments=BANDS)
    assert off(world) == 0
    assert "asks for no series" in world.amount("A", on("2027-03-20T00:00:00")).why
