"""The plausibility rules: may it have been so? One pure function a rule, of facts and thresholds.

A verdict is PASS, SUSPECT or REJECT. What is not known exactly (a day without its time, a zone, a
port instead of a position) is read in favour of the fact. Verdicts only flag: they are exceptions,
and no lifecycle, condition or payment looks at them. The formulas are in docs/plausibility.md.
"""

import datetime as dt
from decimal import Context, Decimal
from typing import Literal, NamedTuple

from msgspec import Struct

from supplytwin.processors.facts import Identity
from supplytwin.processors.singly import misspelt
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US
from supplytwin.schemas.localtime import date_of
from supplytwin.schemas.places import Position, sphere_m
from supplytwin.schemas.plausibility import Thresholds

Outcome = Literal["PASS", "SUSPECT", "REJECT"]

SPEED, TWO_PLACES, GEOFENCE = "IMPOSSIBLE_SPEED", "TWO_PLACES", "OUTSIDE_GEOFENCE"
WEIGHT, SEQUENCE, OVER = "WEIGHT_MISMATCH", "SEQUENCE", "RECEIVED_OVER_SHIPPED"
DUPLICATE, CHECK_DIGIT = "DUPLICATE_DOCUMENT", "BAD_CHECK_DIGIT"
SENSOR, TIMING = "SENSOR_HEALTH", "TIMING"
CODES = frozenset(
    (SPEED, TWO_PLACES, GEOFENCE, WEIGHT, SEQUENCE, OVER, DUPLICATE, CHECK_DIGIT, SENSOR, TIMING)
)
_KMH_OF_M_PER_US = 3_600_000
"""Metres a microsecond, in km/h."""
_WHOLE_BP = 10_000
_DEGREE_M = 111_200
"""No degree on the sphere is longer."""
_PLAIN = Context(prec=50)
_READABLE = 18
"""More digits before or after the point are not read one by one."""


class Finding(Struct, frozen=True, kw_only=True, gc=False):
    """What one rule says of one or two facts."""

    rule: str
    verdict: Outcome
    reason: str = ""
    """With the numbers; empty when it passed."""
    facts: tuple[Identity, ...] = ()
    """The facts that were compared, the flagged one last."""


_PASSED = {code: Finding(rule=code, verdict="PASS") for code in CODES}


class Fix(NamedTuple):
    """Something was somewhere."""

    at: Position
    radius_m: int
    """How far from that point it may have been: 0 for a position, more for a place."""
    earliest: int
    latest: int
    """When it may have been there, us."""
    said: Identity


class Arrival(NamedTuple):
    """Something came to a place or left it."""

    unlocode: str | None
    facility: str | None
    earliest: int
    latest: int
    """When it may have, us."""
    source: str
    event_id: str


class Weighed(NamedTuple):
    """A statement of a weight."""

    kg: Decimal
    scale: bool
    """Read from a scale; otherwise it is in a document."""
    said: Identity


class Sent(NamedTuple):
    """A dispatch for an order line."""

    earliest: int
    """When it may have been, us."""
    qty: Decimal | None
    """None = it does not say how much for this line."""


class Got(NamedTuple):
    """A receipt of an order line."""

    lot: str
    qty: Decimal
    latest: int
    """When it may have been, us."""
    source: str
    event_id: str
    event_time: int
    arrival: int


# ---- where it was


def _apart(one: Fix, other: Fix) -> tuple[int, int]:
    """The least distance, m, and the longest time, us, that may lie between two fixes."""
    metres = max(0, sphere_m(one.at, other.at) - one.radius_m - other.radius_m)
    return metres, max(other.latest - one.earliest, one.latest - other.earliest)


def is_near(one: Fix, other: Fix, policy: Thresholds) -> bool:
    """Whether no rule can find anything between two fixes: along a parallel and a meridian, which
    is no shorter, it is too near for the slowest way of transport. Costs a tenth of the distance.
    """
    east = abs(one.at[1] - other.at[1])
    metres = (abs(one.at[0] - other.at[0]) + east) * _DEGREE_M
    elapsed = max(other.latest - one.earliest, one.latest - other.earliest)
    slowest = min(policy.speed_max_kmh.values())
    return metres <= policy.two_places_m and metres * _KMH_OF_M_PER_US <= slowest * elapsed


def _moved(rule: str, one: Fix, other: Fix, said: str, policy: Thresholds) -> Finding:
    metres, elapsed = _apart(one, other)
    verdict: Outcome = "SUSPECT"
    if metres * SECOND_US > policy.speed_reject_m_per_s * elapsed:
        verdict = "REJECT"
    pace = f"{metres / 1000:.1f} km in at most {elapsed / HOUR_US:.2f} h since {one.said.event_id}"
    return Finding(
        rule=rule, verdict=verdict, reason=f"{pace}, {said}", facts=(one.said, other.said)
    )


def speed(one: Fix, other: Fix, limit_kmh: int, policy: Thresholds) -> Finding:
    """Two fixes of one thing: was it faster than its way of transport can be?"""
    metres, elapsed = _apart(one, other)
    if metres * _KMH_OF_M_PER_US <= limit_kmh * elapsed:
        return _PASSED[SPEED]
    kmh = metres * _KMH_OF_M_PER_US / elapsed
    return _moved(SPEED, one, other, f"{kmh:.0f} km/h, over {limit_kmh}", policy)


def two_places(one: Fix, other: Fix, policy: Thresholds) -> Finding:
    """Two fixes of one container or device: was it in two places at about one time?"""
    metres, elapsed = _apart(one, other)
    if metres <= policy.two_places_m or elapsed > policy.two_places_s * SECOND_US:
        return _PASSED[TWO_PLACES]
    limits = f"over {policy.two_places_m / 1000:g} km within {policy.two_places_s / 60:g} min"
    return _moved(TWO_PLACES, one, other, limits, policy)


def geofence(fix: Fix, centre: Position, name: str, policy: Thresholds) -> Finding:
    """A delivery's fix against the place where it is said to be delivered."""
    metres = sphere_m(fix.at, centre) - fix.radius_m
    allowed = policy.place_radius_m + policy.geofence_margin_m
    if metres <= allowed:
        return _PASSED[GEOFENCE]
    reason = f"delivered {metres / 1000:.1f} km from {name}, over {allowed / 1000:g}"
    return Finding(rule=GEOFENCE, verdict="SUSPECT", reason=reason, facts=(fix.said,))


# ---- what it was, and how much


def weight(one: Weighed, other: Weighed, policy: Thresholds) -> Finding:
    """Two statements of one weight, by two sources or by other means; a document is the base for a
    scale.
    """
    base = other.kg if one.scale and not other.scale else one.kg
    off = abs(_PLAIN.subtract(one.kg, other.kg))
    if base <= 0 or _PLAIN.multiply(off, Decimal(_WHOLE_BP)) <= _PLAIN.multiply(
        base, Decimal(policy.weight_tolerance_bp)
    ):
        return _PASSED[WEIGHT]
    share = f"{_figure(off / base * 100, 1)} %, over {policy.weight_tolerance_bp / 100:g} %"
    weights = f"{_figure(other.kg)} kg against {_figure(one.kg)} kg by {one.said.source}"
    reason = f"{weights}: {share}"
    return Finding(rule=WEIGHT, verdict="SUSPECT", reason=reason, facts=(one.said, other.said))


def _figure(amount: Decimal, decimals: int | None = None) -> str:
    """A number as people write it; one that has too many digits for that in powers of ten."""
    if abs(amount.adjusted()) > _READABLE or len(amount.as_tuple().digits) > 2 * _READABLE:
        return f"{amount:.6g}"
    return f"{amount:f}" if decimals is None else f"{amount:.{decimals}f}"


def over_shipped(received: Decimal, shipped: Decimal, said: Identity) -> Finding:
    """All that was received of a line against all that was dispatched for it."""
    if received <= shipped:
        return _PASSED[OVER]
    reason = f"{_figure(received)} received, {_figure(shipped)} shipped"
    return Finding(rule=OVER, verdict="SUSPECT", reason=reason, facts=(said,))


def container_number(number: str, said: Identity) -> Finding:
    """The check digit of a container number; what is none by its form has nothing to check."""
    reason = misspelt(number)
    if not reason:
        return _PASSED[CHECK_DIGIT]
    return Finding(rule=CHECK_DIGIT, verdict="REJECT", reason=reason, facts=(said,))


def duplicate(kind: str, number: str, issuer: str, first: str, facts: tuple[Identity, ...]) -> (
    Finding
):  # fmt: skip
    """Two subjects under one document; `facts`: the one that had it first, the one flagged."""
    reason = f"{kind} {number} of {issuer} already stands for {first}"
    return Finding(rule=DUPLICATE, verdict="REJECT", reason=reason, facts=facts)


# ---- when it was


def _may_be_one_place(one: Arrival, other: Arrival) -> bool:
    """A port and a terminal of it may be; what names no place is not taken for one."""
    if one.unlocode and other.unlocode:
        return one.unlocode == other.unlocode
    if one.facility and other.facility:
        return one.facility == other.facility
    return bool((one.unlocode or one.facility) and (other.unlocode or other.facility))


def departed_late(arrived: Arrival, left: Arrival) -> Finding:
    """The first departure of something against an arrival before it.

    Where it left from the place at which it had arrived, only its first departure is not known.
    """
    if left.earliest <= arrived.latest or _may_be_one_place(arrived, left):
        return _PASSED[SEQUENCE]
    hours = (left.earliest - arrived.latest) / HOUR_US
    reason = f"first departure {hours:.1f} h after arrival {arrived.event_id}"
    facts = (
        Identity(arrived.source, arrived.event_id),
        Identity(left.source, left.event_id),
    )
    return Finding(rule=SEQUENCE, verdict="SUSPECT", reason=reason, facts=facts)


def in_before_gate(
    received: int, gated: int, trip: str, facts: tuple[Identity, Identity], policy: Thresholds
) -> Finding:
    """Goods in the warehouse before any container that they came in was at the terminal's gate."""
    early = gated - received
    if early <= policy.sequence_slack_s * SECOND_US:
        return _PASSED[SEQUENCE]
    reason = f"in the warehouse {early / HOUR_US:.1f} h before the gate-in of {trip}"
    return Finding(rule=SEQUENCE, verdict="SUSPECT", reason=reason, facts=facts)


def age(latest: int, recorded: int, said: Identity, policy: Thresholds) -> Finding:
    """How long after it happened, at the latest, its source recorded it."""
    late = recorded - latest
    if late <= policy.old_s * SECOND_US:
        return _PASSED[TIMING]
    limit = policy.old_s * SECOND_US / DAY_US
    reason = f"recorded {late / DAY_US:.1f} d after it happened, over {limit:g}"
    return Finding(rule=TIMING, verdict="SUSPECT", reason=reason, facts=(said,))


# ---- whether a sensor is well: of many readings, so that no single fact is named


def flat(since: int, until: int, readings: int, value: float, policy: Thresholds) -> Finding:
    """A metric that varies, read again and again with one value."""
    if until - since < policy.flat_s * SECOND_US or readings < policy.flat_readings:
        return _PASSED[SENSOR]
    limits = f"{policy.flat_s / 3600:g} h and {policy.flat_readings} readings"
    reason = f"nothing but {value:g} for at least {limits} from {_minute(since)} on"
    return Finding(rule=SENSOR, verdict="SUSPECT", reason=reason)


def coverage(covered_us: int, day: int, policy: Thresholds) -> Finding:
    """How much of one whole UTC day (in days since 1970-01-01) the readings cover."""
    if covered_us * _WHOLE_BP >= policy.coverage_min_bp * DAY_US:
        return _PASSED[SENSOR]
    least = f"under {policy.coverage_min_bp / 100:g} %"
    reason = f"{covered_us / DAY_US:.1%} of {date_of(day)} covered, {least}"
    return Finding(rule=SENSOR, verdict="SUSPECT", reason=reason)


def is_ahead(happened: int, recorded: int, policy: Thresholds) -> bool:
    """Whether a device's clock is ahead of the system that recorded its reading."""
    return happened - recorded > policy.clock_drift_s * SECOND_US


def clock(ahead: int, day: int, policy: Thresholds) -> Finding:
    """How many readings of one UTC day are by a clock that is ahead."""
    if not ahead:
        return _PASSED[SENSOR]
    reason = f"clock over {policy.clock_drift_s} s ahead of the record from {date_of(day)} on"
    return Finding(rule=SENSOR, verdict="SUSPECT", reason=reason)


def _minute(moment: int) -> str:
    found = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=moment)
    return f"{found:%Y-%m-%d %H:%M}"
