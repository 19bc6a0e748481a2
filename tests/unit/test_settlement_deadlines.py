"""Every deadline of a claim as a fixed table: one millisecond before, at it, one after.

Deadlines are inclusive instants. They are written with an offset, and two spellings of one instant
are one deadline, on the days too on which clocks change.
"""

import pytest
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import settlement
from supplytwin.schemas import terms
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.localtime import day_start, local_day
from supplytwin.schemas.rfc3339 import moment

MS = 1_000
STEPS = (-MS, 0, MS)
INSTANTS = (
    "2025-03-02T00:00:00+00:00", "2025-03-02T08:00:00+08:00", "2025-03-01T19:00:00-05:00",
    "2025-03-02T05:45:00+05:45", "2025-03-01T12:00:00-12:00", "2025-03-02T14:00:00+14:00",
    "2025-03-09T01:59:59.999-05:00", "2025-03-09T03:00:00-04:00",
    "2025-03-30T01:59:59.999+01:00", "2025-03-30T03:00:00+02:00",
    "2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+01:00",
)  # fmt: skip
"""One instant in six spellings, then the last and the first of New York's and Berlin's changes, and
an hour that Berlin has twice."""
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin")
GRACES = (0, 30 * DAY_US)


def chain_with(deadline, grace, zone="UTC", **changes):
    """A funded claim with this deadline and grace; everything else is months away."""
    of_claim = {"deadline": deadline, "grace_us": grace, **changes.pop("claim", {})}
    agreed = w.contract_terms(
        (w.claim_terms(**of_claim),), zone=zone, funding_deadline=w.day(28),
        long_stop=deadline + grace + 200 * DAY_US, **changes,
    )  # fmt: skip
    chain = w.Chain(agreed)
    chain.agree()
    chain.answer(chain.last("RESERVE"), "CONFIRMED", hold_expires=None)
    return chain


def replayed(chain, tick):
    """What the same cut takes over the book that the journal gives: replay gives the same."""
    return [t.row for t in settlement.cut(chain.restored(), chain.twin, tick)[1]]


def at(text):
    return moment(text).micros


def test_one_instant_has_one_deadline_however_it_is_spelled():
    """Six offsets, one instant."""
    assert len({at(text) for text in INSTANTS[:6]}) == 1
    assert at(INSTANTS[7]) - at(INSTANTS[6]) == MS
    assert at(INSTANTS[9]) - at(INSTANTS[8]) == MS
    assert at(INSTANTS[11]) - at(INSTANTS[10]) == 3_600_000_000


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("grace", GRACES)
@pytest.mark.parametrize("text", INSTANTS)
def test_what_happened_by_the_deadline_and_arrived_by_the_close_counts(text, grace, zone):
    """Nine places of the last proof: it pays in time, and does not later; never before the close is
    over is the claim given up.
    """
    deadline = at(text)
    for happened in STEPS:
        for arrived in STEPS:
            chain = chain_with(deadline, grace, zone)
            arrival = deadline + grace + arrived
            *early, last = w.proofs(at=20)
            late = replace(last[0], event_time=deadline + happened)
            chain.facts(*early, (late, arrival))
            tick = deadline + grace + DAY_US
            in_time = happened <= 0 and arrived <= 0
            rows = [7, 11, 21] if in_time else [8]
            assert replayed(chain, tick) == rows
            assert chain.cut(tick) == rows
            assert bool(chain.pays()) == in_time


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", INSTANTS)
def test_of_a_proof_that_knows_its_day_alone_the_local_date_decides(text, zone):
    """The day of the deadline in the zone of the contract counts whole, the next one does not; also
    where that day has 23 or 25 hours.
    """
    deadline = at(text)
    for days in (-1, 0, 1):
        chain = chain_with(deadline, 3 * DAY_US, zone)
        *early, last = w.proofs(at=20)
        day = day_start(local_day(deadline, zone) + days, zone)
        late = replace(last[0], event_time=day, event_tz=zone, time_precision="DAY")
        chain.facts(*early, (late, deadline + 2 * DAY_US))
        tick = deadline + 4 * DAY_US
        rows = [7, 11, 21] if days <= 0 else [8]
        assert replayed(chain, tick) == rows
        assert chain.cut(tick) == rows


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("grace", GRACES)
@pytest.mark.parametrize("text", INSTANTS)
def test_a_claim_is_given_up_at_the_first_cut_after_its_close(text, grace, zone):
    """Deadline plus grace, inclusive; the zone of the contract changes nothing for an instant."""
    close = at(text) + grace
    for step in STEPS:
        chain = chain_with(at(text), grace, zone)
        rows = [8] if step > 0 else []
        assert replayed(chain, close + step) == rows
        assert chain.cut(close + step) == rows


def _funding(chain):
    return w.day(28), [4], True


def _long_stop(chain):
    return chain.terms.long_stop, [34], True


def _window(chain):
    chain.facts(*w.proofs(at=20))
    chain.cut(w.day(21))
    return chain.claim().window_end, [11, 21], False


def _dispute(chain):
    chain.cut(w.day(21))
    chain.review("DISPUTE", role="BUYER")
    return w.day(21) + 30 * DAY_US, [19], True


def _silence(chain):
    chain.facts(*w.proofs(at=20))
    chain.cut(w.day(21))
    chain.cut(chain.claim().window_end)
    return chain.now + w.SLA, [26], True


def _lost_hold(chain):
    hold = chain.last("RESERVE")
    chain.answer(hold, "LOST")
    return chain.terms.close(chain.terms.claims[0]), [4], True


@pytest.mark.parametrize("text", INSTANTS)
@pytest.mark.parametrize(
    "case", [_funding, _long_stop, _window, _dispute, _silence, _lost_hold],
    ids=lambda case: case.__name__.strip("_"),
)  # fmt: skip
def test_every_other_deadline_is_inclusive_too(case, text):
    """Funding, long stop, dispute, silence of the rail, another hold: over one later; the end of a
    challenge window belongs to what follows it.
    """
    rule = terms.Disputes(
        who=("BUYER",), arbiters=("ann",), k=1, max_len_us=30 * DAY_US, on_timeout="BUYER"
    )
    for step in STEPS:
        fields = {"challenge_us": 3 * DAY_US, "on_false": "HOLD"}
        chain = chain_with(at(text), 0, disputes=rule, claim=fields)
        if case is _funding:
            chain = w.Chain(chain.terms)
            chain.agree()
        end, rows, inclusive = case(chain)
        over = step > 0 if inclusive else step >= 0
        found = replayed(chain, end + step)
        assert chain.cut(end + step) == found
        assert (rows[0] in found) == over
