"""What is received of an order line against what is dispatched for it."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import fold_world as world
import pytest
from test_plausibility_fold import T, of, said, told

from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US


def sent(name: str, hours: int, qty: int, **given: Any) -> Event:
    return of("wh.dispatched", "ORDER_LINE:1", id=name, at=hours * HOUR_US, qty=Decimal(qty),
              **given)  # fmt: skip


def got(name: str, hours: int, qty: int, **given: Any) -> Event:
    more = {"line_id": "1", "lot_id": "L", "source": "wms:t", **given}
    return of("wh.received", "ORDER_LINE:1", id=name, at=hours * HOUR_US, qty=Decimal(qty), **more)


def back(hours: int, qty: int) -> Event:
    return of("wh.receipt_reversed", "ORDER_LINE:1", id="back", at=hours * HOUR_US,
              qty=Decimal(qty), lot_id="L", source="wms:t")  # fmt: skip


@pytest.mark.parametrize(
    ("events", "over"),
    [
        ([sent("a", 0, 5), got("r", 24, 10)], ["r"]),
        ([sent("a", 0, 5), sent("b", 24, 5), got("r", 10, 10, time_precision="DAY")], ["r"]),
        ([sent("a", 0, 5), sent("b", 12, 5), got("r", 10, 10, time_precision="DAY")], []),
        ([sent("a", 0, 5), sent("b", 9, 5, time_precision="DAY"), got("r", 11, 10)], []),
        ([sent("a", 0, 5), sent("b", 29, 5, event_tz="unknown"), got("r", 26, 10)], []),
        ([sent("a", 0, 5), got("r", 24, 10), back(48, 5)], []),
        ([sent("a", 0, 5), got("r", 24, 10), back(48, 4)], ["r"]),
        ([sent("a", 0, 10), got("r", 24, 10), got("r", 24, 10, source="aggregator:t")], []),
        ([sent("a", 0, 5), got("r", 24, 5), got("q", 25, 5, lot_id="M", source="wms:u")], ["q"]),
        ([got("r", 0, 10), sent("a", 24, 5)], []),
    ],
    ids=["too many", "sent the next date", "a day's receipt", "a day's dispatch", "unknown zone",
         "sent back", "not all sent back", "told twice", "two lots", "received first"],
)  # fmt: skip
def test_goods_are_counted_in_favour_of_the_receipt(events: list[Event], over: list[str]) -> None:
    """Every dispatch that may have been before the receipt counts, what goes back does not, and of
    each lot one source; in every order of arrival.
    """
    for order in permutations(events):
        found, opened = told([world.item(event, T + 9 * DAY_US) for event in order])
        assert opened == said(found)
        assert sorted(one[4] for one in opened if one[2] == "RECEIVED_OVER_SHIPPED") == over
