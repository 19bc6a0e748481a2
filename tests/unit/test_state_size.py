"""The latest-value record of a subject stays small, however much is told of it."""

import law_world as law

from supplytwin.processors import snapshots
from supplytwin.processors import twin as twins

MANY = 60


def test_a_line_lists_fifty_consignments_and_fifty_of_each_thing_of_its_lanes() -> None:
    """The first of each name, sorted; what belongs to few is listed whole, as before."""
    places = [f"{number:02}-{'x' * 400}" for number in range(MANY)]
    twin = twins.EMPTY
    for number, place in enumerate(places):
        delivered = law.make(
            "shipment.delivered", "ORDER_LINE:1", f"CONSIGNMENT:{place}", event_id=str(number),
            from_place=place, to_place="Kenya", mode="SEA", mode_detail=place,
        )  # fmt: skip
        twin = twins.take(twin, law.item(delivered)).twin
    line = twins.subject(twin, "ORDER_LINE", "1")
    assert line is not None
    listed = ("consignment", "from", "mode_detail")
    assert snapshots.attributes(line) == tuple(
        sorted(
            [f"{name}={place}" for name in listed for place in places[:50]]
            + ["mode=SEA", "to=Kenya"]
        )
    )
