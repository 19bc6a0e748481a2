"""A deadline of full terms: a millisecond before, at it and after, through a worker; with grace and
without, on the days on which clocks change; an audit and a restart say the same.
"""

from decimal import Decimal

import pytest
from settlement_full_world import LINE, day
from settlement_world import event
from test_settlement_full_review import is_sound
from test_settlement_owed import free_conditions, funded, pieces

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
