"""Quantities, holds, the customs gate, and what happens within one day."""

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplytwin.processors.sequence import fold
from supplytwin.processors.standing import Accumulator, Fact, is_bounded, make_fact
from supplytwin.schemas import localtime
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import EVENT_TYPES, OrderLine
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.ranks import source_priority

FILL: dict[Any, Any] = {
    str: "x", int: 1, Micros: 1, bool: False, float: 1.0, Decimal: Decimal(10),
    dt.date: dt.date(2026, 1, 1),
}  # fmt: skip
T = 20_000 * DAY_US + 10 * HOUR_US
"""10:00 UTC on day 20,000."""
counter = itertools.count()


def fact(machine: str, kind: str, hours: int = 0, **given: Any) -> Fact:
    """One fact on subject "x" of this machine, `hours` after T; a DAY fact when asked for."""
    fields = {f.name: FILL.get(f.type, ()) for f in msgspec.structs.fields(EVENT_TYPES[kind])
              if f.required}  # fmt: skip
    time = T + hours * HOUR_US
    fields |= {
        "event_type": kind, "event_id": f"{next(counter):06}", "source": "s", "revision": T,
        "classifier": "ACTUAL", "event_time": time, "event_tz": "+00:00", "time_precision": "S",
        "recorded_time": T, "subject_type": machine, "subject_id": "x",
    }  # fmt: skip
    event = EVENT_TYPES[kind](**(fields | given))
    return make_fact(event, time, effect_on(event, machine, is_subject=True), "x")


def customs(*steps: tuple[str, dict[str, Any]]) -> Accumulator:
    """A declaration after these events, one hour apart."""
    facts = [
        fact("DECLARATION", f"customs.{kind}", at, **given)
        for at, (kind, given) in enumerate(steps)
    ]
    return fold("DECLARATION", facts)


def codes(value: Accumulator) -> list[str]:
    return [problem.code for problem in value.exceptions]


# ---- the customs gate

DECLARED: tuple[str, dict[str, Any]] = ("declared", {})
RELEASED: tuple[str, dict[str, Any]] = ("released", {})
CLEARED: tuple[str, dict[str, Any]] = ("cleared", {})
REVOKED: tuple[str, dict[str, Any]] = ("release_revoked", {})


def hold(name: str) -> tuple[str, dict[str, Any]]:
    return "hold_placed", {"hold_id": name}


def lift(name: str) -> tuple[str, dict[str, Any]]:
    return "hold_removed", {"hold_id": name}


def due(amount: str, currency: str = "CNY", basis: str = "PAYMENT") -> tuple[str, dict[str, Any]]:
    return "duty_assessed", {"amount": Decimal(amount), "currency": currency, "basis": basis}


def paid(amount: str, currency: str = "CNY", basis: str = "PAYMENT") -> tuple[str, dict[str, Any]]:
    return "duty_paid", {"amount": Decimal(amount), "currency": currency, "basis": basis}


@pytest.mark.parametrize(
    ("steps", "free"),
    [
        ([DECLARED], False),
        ([DECLARED, RELEASED], True),
        ([DECLARED, CLEARED], True),
        ([RELEASED, CLEARED], True),
        ([hold("a"), RELEASED], False),
        ([hold("a"), lift("a"), RELEASED], True),
        ([hold("a"), RELEASED, lift("a")], True),
        ([RELEASED, hold("a")], False),
        ([RELEASED, hold("a"), hold("b"), lift("a")], False),
        ([RELEASED, hold("a"), hold("b"), lift("a"), lift("b")], True),
        ([RELEASED, hold("a"), hold("a"), lift("a")], False),
        ([RELEASED, hold("a"), hold("a"), lift("a"), lift("a")], True),
        ([RELEASED, CLEARED, hold("a")], False),
        ([RELEASED, REVOKED], False),
        ([RELEASED, REVOKED, RELEASED], True),
        ([RELEASED, REVOKED, CLEARED], True),
        ([RELEASED, CLEARED, REVOKED], False),
        ([RELEASED, CLEARED, ("cancelled", {})], False),
        ([RELEASED, ("cancelled", {})], False),
        ([RELEASED, due("100")], False),
        ([due("100"), RELEASED, paid("99.99")], False),
        ([due("100"), RELEASED, paid("60"), paid("40.00")], True),
        ([due("100"), due("1"), RELEASED, paid("100")], False),
        ([due("100"), RELEASED, paid("100", "USD")], False),
        ([due("100"), due("5", "USD"), RELEASED, paid("100"), paid("5", "USD")], True),
        ([due("100"), RELEASED, paid("0", basis="BOND")], True),
        ([due("100", basis="BOND"), RELEASED], True),
        ([due("100", basis="BOND"), due("1"), RELEASED], False),
        ([paid("100"), due("100"), RELEASED], True),
    ],
)
def test_free_to_deliver(steps: list[tuple[str, dict[str, Any]]], free: bool) -> None:
    """Released or cleared, no hold open, duty settled, not revoked: a milestone while it stands."""
    value = customs(*steps)
    assert value.free_to_deliver == free
    assert ("FREE_TO_DELIVER" in value.milestones) == free


def test_the_gate_is_reached_by_the_fact_that_opens_it() -> None:
    """FREE_TO_DELIVER rests on the payment when that came last, and so does DUTY_OK."""
    facts = [
        fact("DECLARATION", "customs.duty_assessed", 0, basis="PAYMENT", currency="CNY"),
        fact("DECLARATION", "customs.released", 1),
        fact("DECLARATION", "customs.duty_paid", 2, basis="PAYMENT", currency="CNY"),
    ]
    reached = fold("DECLARATION", facts).milestones
    for code in ("FREE_TO_DELIVER", "DUTY_OK"):
        assert reached[code].event_id == facts[2].event.event_id
    assert reached["CUSTOMS_RELEASED"].event_id == facts[1].event.event_id


def test_a_revocation_after_clearance_is_an_exception_that_shuts_the_gate() -> None:
    """CLEARED is final: the state stays, one AFTER_CLOSE, and the declaration counts as revoked."""
    value = customs(RELEASED, CLEARED, REVOKED)
    assert (value.state, codes(value), value.revoked) == ("CLEARED", ["AFTER_CLOSE"], True)


def test_a_release_follows_a_revocation() -> None:
    """Released, revoked, released again: RELEASED, nothing wrong, ACCEPTED inferred."""
    value = customs(DECLARED, ("accepted", {}), RELEASED, REVOKED, RELEASED)
    assert (value.state, codes(value), value.revoked) == ("RELEASED", [], False)
    assert "CUSTOMS_RELEASED" in value.milestones


def test_a_hold_that_is_not_open_cannot_be_lifted() -> None:
    """Lifting an unknown or already lifted hold is one exception and changes no hold."""
    value = customs(RELEASED, hold("a"), lift("b"), lift("a"), lift("a"))
    assert codes(value) == ["HOLD_NOT_OPEN", "HOLD_NOT_OPEN"]
    assert value.holds == frozenset()


def test_holds_on_an_order_are_told_apart_by_scope_and_code() -> None:
    """A payment block and a goods block of one code are two holds."""
    facts = [
        fact("ORDER_LINE", "order.held", 0, scope="GOODS", hold_code="Q"),
        fact("ORDER_LINE", "order.held", 1, scope="PAYMENT", hold_code="Q"),
        fact("ORDER_LINE", "order.unheld", 2, scope="GOODS", hold_code="Q"),
    ]
    assert fold("ORDER_LINE", facts).holds == {"PAYMENT:Q"}


# ---- order lines


def test_a_cancelled_line_goes_back_to_where_it_was() -> None:
    """Reinstated = the state before the cancellation; CANCELLED is no longer reached."""
    kinds = ("order.placed", "order.confirmed", "order.cancelled", "order.reinstated")
    value = fold("ORDER_LINE", [fact("ORDER_LINE", kind, at) for at, kind in enumerate(kinds)])
    assert value.state == "CONFIRMED"
    assert set(value.milestones) == {"ORDER_PLACED", "ORDER_CONFIRMED"}


def test_receipts_add_up_and_reversals_take_away() -> None:
    """A part reversed leaves the line RECEIVED; all of it leads back to SHIPPED."""
    received = [fact("ORDER_LINE", "wh.received", at, qty=Decimal("2.5")) for at in (0, 1)]
    part = fact("ORDER_LINE", "wh.receipt_reversed", 2, qty=Decimal(3))
    rest = fact("ORDER_LINE", "wh.receipt_reversed", 3, qty=Decimal("2.0"))
    value = fold("ORDER_LINE", [*received, part])
    assert (value.state, value.net_received) == ("RECEIVED", 2)
    value = fold("ORDER_LINE", [*received, part, rest])
    assert (value.state, value.net_received, codes(value)) == ("SHIPPED", 0, [])
    assert "RECEIVED_WH" not in value.milestones


def test_more_cannot_be_reversed_than_was_received() -> None:
    """A reversal beyond what was received is one exception and takes nothing away."""
    facts = [
        fact("ORDER_LINE", "wh.received", 0, qty=Decimal(5)),
        fact("ORDER_LINE", "wh.receipt_reversed", 1, qty=Decimal("5.01")),
    ]
    value = fold("ORDER_LINE", facts)
    assert (value.state, value.net_received) == ("RECEIVED", 5)
    assert codes(value) == ["NEGATIVE_QUANTITY"]


def test_a_reversal_after_acceptance_still_counts() -> None:
    """The state cannot follow, which is an exception, but the quantity is no longer received."""
    facts = [
        fact("ORDER_LINE", "wh.received", 0),
        fact("ORDER_LINE", "order.accepted", 1),
        fact("ORDER_LINE", "wh.receipt_reversed", 2),
    ]
    value = fold("ORDER_LINE", facts)
    assert (value.state, value.net_received, codes(value)) == (
        "ACCEPTED",
        0,
        ["ILLEGAL_TRANSITION"],
    )


def test_a_changed_quantity_is_the_ordered_one() -> None:
    """QTY changes replace what was ordered; other fields and nonsense do not."""
    line = OrderLine(line_id="x", sku="s", qty=Decimal(5), uom="u", unit_price=Decimal(1))
    placed = fact("ORDER_LINE", "order.placed", 0, order_lines=(line,))
    qty = fact("ORDER_LINE", "order.line_changed", 1, field="QTY", new="7.50")
    price = fact("ORDER_LINE", "order.line_changed", 2, field="PRICE", new="9")
    assert fold("ORDER_LINE", [placed, price]).ordered == 5
    assert fold("ORDER_LINE", [placed, qty, price]).ordered == Decimal("7.5")
    for new in ("many", "-1", "NaN", "1e400"):
        bad = fact("ORDER_LINE", "order.line_changed", 1, field="QTY", new=new)
        value = fold("ORDER_LINE", [placed, bad])
        assert (value.ordered, codes(value)) == (5, ["BAD_QUANTITY"])


def test_an_invoice_is_undone_by_its_own_reversal() -> None:
    """INVOICED stands while any invoice is open; reversing one that is not open is an exception."""
    one = fact("ORDER_LINE", "order.invoiced", 0, invoice_id="1")
    two = fact("ORDER_LINE", "order.invoiced", 1, invoice_id="2")
    back = [
        fact("ORDER_LINE", "order.invoice_reversed", 2 + at, invoice_id=name)
        for at, name in enumerate("123")
    ]
    assert "INVOICED" in fold("ORDER_LINE", [one, two, back[0]]).milestones
    value = fold("ORDER_LINE", [one, two, *back])
    assert "INVOICED" not in value.milestones
    assert codes(value) == ["INVOICE_NOT_OPEN"]


def test_carriers_and_sensors_report_exceptions() -> None:
    """A damage report and an alert are exceptions on their subject; a plain reading is not."""
    facts = [
        fact("ORDER_LINE", "shipment.exception", 0, exception_code="DAMAGED"),
        fact("ORDER_LINE", "shipment.sensor", 1, alert="HIGH"),
        fact("ORDER_LINE", "shipment.sensor", 2),
    ]
    assert codes(fold("ORDER_LINE", facts)) == ["SHIPMENT_DAMAGED", "EXCURSION"]


# ---- lots


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("wh.receipt_reversed", {"qty": Decimal(11)}),
        ("wh.adjusted", {"delta": Decimal("-10.5")}),
        ("wh.dispatched", {"qty": Decimal(11)}),
        ("wh.reserved", {"qty": Decimal(11)}),
    ],
)
def test_a_lot_never_falls_below_zero(kind: str, given: dict[str, Any]) -> None:
    """What would take more than there is changes nothing and is one exception."""
    received = fact("LOT", "wh.received", 0)
    before = fold("LOT", [received])
    after = fold("LOT", [received, fact("LOT", kind, 1, **given)])
    assert codes(after) == ["NEGATIVE_QUANTITY"]
    assert (after.state, after.on_hand, after.reserved) == ("RECEIVED", before.on_hand, 0)


def test_a_lot_goes_out_in_parts() -> None:
    """Reserving, unreserving and dispatching parts keep what is on hand and what is reserved."""
    facts = [
        fact("LOT", "wh.received", 0),
        fact("LOT", "wh.reserved", 1, qty=Decimal(6)),
        fact("LOT", "wh.unreserved", 2, qty=Decimal(1)),
        fact("LOT", "wh.dispatched", 3, qty=Decimal(7)),
    ]
    assert fold("LOT", facts[:3]).state == "RESERVED"
    value = fold("LOT", facts)
    assert (value.state, value.on_hand, value.reserved) == ("DISPATCHED", 3, 3)
    everything = fold("LOT", [*facts, fact("LOT", "wh.dispatched", 4)])
    assert everything.on_hand == 0


def test_a_count_that_differs_is_a_mismatch() -> None:
    """A count changes nothing; one that differs from what should be there is an exception."""
    received = fact("LOT", "wh.received", 0)
    good = fact("LOT", "wh.counted", 1, counted=Decimal("10.00"))
    bad = fact("LOT", "wh.counted", 2, counted=Decimal(9))
    value = fold("LOT", [received, good, bad])
    assert (value.on_hand, codes(value)) == (10, ["QTY_MISMATCH"])


@given(
    st.lists(st.decimals(min_value=0, max_value=10**18, places=9, allow_nan=False), max_size=12),
    st.randoms(use_true_random=False),
)
def test_sums_are_exact_in_any_order(amounts: list[Decimal], random: Any) -> None:
    """Received quantities of the largest size allowed add up without rounding, in any order."""
    assert all(map(is_bounded, amounts))
    facts = [fact("LOT", "wh.received", at, qty=amount) for at, amount in enumerate(amounts)]
    random.shuffle(facts)
    whole = sum(int(amount.scaleb(9)) for amount in amounts)
    assert int(fold("LOT", facts).received.scaleb(9)) == whole


# ---- one local date


def test_a_step_back_within_a_day_is_no_exception() -> None:
    """Received on a date, delivered at a time of that date: both milestones, state RECEIVED."""
    received = fact("ORDER_LINE", "wh.received", 0, time_precision="DAY")
    delivered = fact("ORDER_LINE", "shipment.delivered", 1)
    value = fold("ORDER_LINE", [received, delivered])
    assert (value.state, codes(value)) == ("RECEIVED", [])
    assert set(value.milestones) == {"RECEIVED_WH", "DELIVERED"}
    assert "DELIVERED" not in value.inferred
    assert value.delivered is not None


@pytest.mark.parametrize(
    ("first", "hours", "second", "wrong"),
    [
        ("DAY", 13, "S", 0),
        ("DAY", 14, "S", 1),
        ("DAY", 14, "DAY", 1),
        ("S", 1, "S", 1),
    ],
)
def test_a_step_back_is_tolerated_only_within_a_date(
    first: str, hours: int, second: str, wrong: int
) -> None:
    """On another date, or with both times exact, delivered after received is an exception."""
    received = fact("ORDER_LINE", "wh.received", 0, time_precision=first)
    delivered = fact("ORDER_LINE", "shipment.delivered", hours, time_precision=second)
    assert len(codes(fold("ORDER_LINE", [received, delivered]))) == wrong


def test_after_a_close_of_the_same_date_is_no_exception() -> None:
    """Cleared on a date, released at a time of that date: CLEARED, both milestones."""
    cleared = fact("DECLARATION", "customs.cleared", 0, time_precision="DAY")
    released = fact("DECLARATION", "customs.released", 1)
    value = fold("DECLARATION", [cleared, released])
    assert (value.state, codes(value)) == ("CLEARED", [])
    assert {"CUSTOMS_RELEASED", "CUSTOMS_CLEARED"} <= set(value.milestones)


@pytest.mark.parametrize("released_hours", [0, 13])
def test_a_revocation_dated_by_day_follows_the_release_of_that_day(released_hours: int) -> None:
    """It sorts before the release of its date, yet it can only have come after it."""
    revoked = fact("DECLARATION", "customs.release_revoked", 0, time_precision="DAY")
    released = fact("DECLARATION", "customs.released", released_hours)
    value = fold("DECLARATION", [revoked, released])
    assert (value.state, codes(value), value.free_to_deliver) == ("REVOKED", [], False)
    next_day = fact("DECLARATION", "customs.released", 14)
    assert fold("DECLARATION", [revoked, next_day]).state == "RELEASED"


def test_a_hold_lifted_on_the_day_that_it_was_placed_is_lifted() -> None:
    """A removal dated by day closes the hold placed at a time of that day."""
    lifted = fact("DECLARATION", "customs.hold_removed", 0, time_precision="DAY")
    placed = fact("DECLARATION", "customs.hold_placed", 3)
    value = fold("DECLARATION", [lifted, placed])
    assert (value.holds, codes(value)) == (frozenset(), [])
    late = fact("DECLARATION", "customs.hold_placed", 15)
    value = fold("DECLARATION", [lifted, late])
    assert (value.holds, codes(value)) == ({"x:x"}, ["HOLD_NOT_OPEN"])


def test_a_reversal_dated_by_day_takes_back_a_receipt_of_that_day() -> None:
    """It counts once, and only once, although it sorts before the receipt."""
    reversal = fact("LOT", "wh.receipt_reversed", 0, time_precision="DAY", qty=Decimal(4))
    received = fact("LOT", "wh.received", 2)
    value = fold("LOT", [reversal, received])
    assert (value.state, value.on_hand, value.reversed, codes(value)) == ("RECEIVED", 6, 4, [])


def test_ties_are_read_in_lifecycle_order() -> None:
    """Cleared and released in one second, whatever their ids say, are released and then cleared."""
    cleared = fact("DECLARATION", "customs.cleared", 0, event_id="1")
    released = fact("DECLARATION", "customs.released", 0, event_id="2")
    value = fold("DECLARATION", [cleared, released])
    assert (value.state, codes(value)) == ("CLEARED", [])


def test_sources_of_one_time_are_read_by_their_kind() -> None:
    """Terminal before anyone, then aggregators, people, and what is simulated."""
    names = ["simulated:x", "manual:x", "aggregator:x", "ACME:erp", "terminal:x"]
    assert sorted(names, key=source_priority) == names[::-1]


# ---- local time


@pytest.mark.parametrize(
    ("tz", "hours", "day"),
    [
        ("+00:00", 0, 20_000), ("+14:00", 0, 20_001), ("-11:00", 0, 19_999),
        ("unknown", 13, 20_000), ("unknown", 14, 20_001), ("Asia/Shanghai", 5, 20_000),
        ("Asia/Shanghai", 6, 20_001), ("America/New_York", -7, 19_999),
        ("America/New_York", -6, 20_000), ("+05:30", 8, 20_000), ("+05:30", 9, 20_001),
    ],
)  # fmt: skip
def test_local_dates(tz: str, hours: int, day: int) -> None:
    """Offsets, named zones with their summer time, and unknown = UTC."""
    time = T + hours * HOUR_US
    assert localtime.local_day(time, tz) == day
    assert localtime.local_date(time, tz) == dt.date(1970, 1, 1) + dt.timedelta(days=day)
    start = localtime.day_start(day, tz)
    assert localtime.local_day(start, tz) == day
    assert localtime.local_day(start - 1, tz) == day - 1


@pytest.mark.parametrize(
    "tz", ["", "Z", "+8:00", "+19:00", "+08:60", "Mars/Base", "../etc", "Asia"]
)
def test_other_zones_are_refused(tz: str) -> None:
    """What is no offset, no zone and not 'unknown' is a bad value of event_tz."""
    with pytest.raises(RecordError) as caught:
        localtime.zone(tz)
    assert caught.value.field == "event_tz"


def test_times_are_floored_to_their_precision() -> None:
    """MS, S and MIN floor the instant; DAY is midnight of the local date taken as UTC."""
    time = T + 61_234_567
    expected = {"MS": T + 61_234_000, "S": T + 61_000_000, "MIN": T + 60_000_000,
                "DAY": 20_001 * DAY_US}  # fmt: skip
    for precision, floored in expected.items():
        one = fact("LOT", "wh.packed", 0, event_time=time, time_precision=precision,
                   event_tz="+14:00")  # fmt: skip
        assert localtime.floor(one.event) == one.order[0] == floored


@pytest.mark.parametrize("time", [localtime.TIME_MIN - 1, localtime.TIME_MAX + 1])
def test_times_without_a_date_are_refused(time: int) -> None:
    """A time outside the calendar is a bad value, in a named zone too."""
    for ask in (localtime.local_date, localtime.local_day):
        with pytest.raises(RecordError):
            ask(time, "Asia/Shanghai")
