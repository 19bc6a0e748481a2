"""Where one subject stands: the accumulator of its facts, and a fact as it reaches a subject."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import NamedTuple

from immutables import Map
from msgspec import Struct

from supplytwin.processors.accounts import Rows
from supplytwin.processors.clocks import Bounds
from supplytwin.processors.watch import Watch, concerns
from supplytwin.schemas import localtime
from supplytwin.schemas.effect import Effect
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, Micros
from supplytwin.schemas.ranks import RANK, source_priority

IMPLAUSIBLE_AFTER_US = 120_000_000
"""An ACTUAL event further ahead of its arrival than this is implausible."""

ZERO = Decimal(0)
EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])
"""Sums must not depend on their order: no rounding, ever (`is_bounded` terms are exact)."""

DIGITS_BEFORE, DIGITS_AFTER = 20, 18


def is_bounded(amount: Decimal) -> bool:
    """Whether sums of such amounts are exact: finite, < 1e20, at most 18 decimals."""
    if not amount.is_finite():
        return False
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    return amount.adjusted() < DIGITS_BEFORE and exponent >= -DIGITS_AFTER


Order = tuple[int, int, int, str, str]
"""Floored event time, lifecycle rank, source priority, source, event id: a total order of facts."""


class Fact(Struct, frozen=True, kw_only=True, gc=False):
    """One effective version of one identity, as it reaches one subject."""

    order: Order
    event: Event
    effect: Effect | None
    subject_id: str
    arrival: int
    day: int
    """Its local date, in days since 1970-01-01."""
    flags: frozenset[str]
    """What to know about its time."""
    coarse: bool
    """Its time of day is unknown."""
    watched: bool
    """The plausibility rules look at it here."""


_LAST = 100
"""More than any source priority."""


def make_fact(event: Event, arrival: int, effect: Effect | None, subject_id: str) -> Fact:
    """How `event`, first arrived at `arrival`, reaches a subject on which it has this effect."""
    source, tz, coarse = event.source, event.event_tz, event.time_precision == "DAY"
    day = localtime.local_day(event.event_time, tz)
    return Fact(
        order=(
            _place(day, tz, effect) if coarse else localtime.floor(event),
            RANK[event.event_type],
            source_priority(source) + (_LAST if effect is not None and effect.last else 0),
            source,
            event.event_id,
        ),
        event=event,
        effect=effect,
        subject_id=subject_id,
        arrival=arrival,
        day=day,
        coarse=coarse,
        watched=concerns(
            event.subject_type if effect is None else effect.machine, event, subject_id
        ),
        flags=_FLAGS[coarse, tz == localtime.UNKNOWN_ZONE, is_implausible(event, arrival)],
    )


def _place(day: int, tz: str, effect: Effect | None) -> int:
    """Where a fact of DAY precision stands: where it lets the least go.

    A lot leaves when its date may have ended last, and is pledged when the date may have begun
    first. Other contrary evidence stands where its date may have begun last: what takes a hold
    away, or releases, may have been before it.
    """
    if effect is None:
        return localtime.day_place(day, tz)
    if effect.kind in ("DISPATCH", "DEPART"):
        return localtime.latest_end(day, tz) - 1
    if effect.pledges:
        return localtime.earliest_start(day, tz)
    return (localtime.latest_place if effect.adverse else localtime.day_place)(day, tz)


_FLAGS = {
    (day, no_tz, implausible): frozenset(
        name
        for name, on in (
            ("day_precision", day),
            ("no_tz", no_tz),
            ("implausible_time", implausible),
        )
        if on
    )
    for day in (False, True)
    for no_tz in (False, True)
    for implausible in (False, True)
}


def is_implausible(event: Event, arrival: int) -> bool:
    """ACTUAL, and ahead of its arrival: by over 120 s, at DAY precision by a later local date."""
    if event.classifier != "ACTUAL" or event.event_time + DAY_US <= arrival:
        return False
    if event.time_precision == "DAY":
        return not localtime.happened_by(event, arrival)
    return event.event_time - arrival > IMPLAUSIBLE_AFTER_US


class Reached(Struct, frozen=True, kw_only=True, gc=False):
    """A milestone stands, by this fact."""

    source: str
    event_id: str
    event_time: int
    arrival: int
    day: int
    """Local date, in days since 1970-01-01."""
    coarse: bool
    """It has DAY precision."""
    unlocode: str | None = None
    facility: str | None = None
    spread_us: int = 0
    """How far the reports of several sources are apart (`processors.reports`)."""


class Visit(Struct, frozen=True, kw_only=True, gc=False):
    """A stay at one place (`processors.visits`)."""

    place: str
    arrived: int
    day: int
    coarse: bool
    left: int | None = None
    """None = it is still there, or (unless it is the last visit) nobody has told when it left."""
    stayed_us: int | None = None
    """Whole days where arrival or departure has DAY precision."""


class Problem(Struct, frozen=True, kw_only=True, gc=False):
    """An exception that one fact is, or that the readings of one sensor add up to."""

    code: str
    reason: str
    source: str
    event_id: str
    event_time: int
    arrival: int | None
    """None: it follows from several facts."""


def problem_of(fact: Fact, code: str, reason: str) -> Problem:
    """What is wrong with a fact."""
    event = fact.event
    return Problem(
        code=code,
        reason=reason,
        source=event.source,
        event_id=event.event_id,
        event_time=event.event_time,
        arrival=fact.arrival,
    )


class Scheduled(Struct, frozen=True, kw_only=True, gc=False):
    """When something is to happen, by the latest revision that says so of the last leg."""

    latest: tuple[int, int, str, str]
    """Leg (`processors.legs`), revision, source, event id."""
    time: Micros
    day: int
    """Local date, in days since 1970-01-01."""


class Happened(NamedTuple):
    time: Micros
    day: int


class Accumulator(Struct, frozen=True, kw_only=True, gc=False):
    """Where a subject stands after some of its facts."""

    state: str | None = None
    inferred: frozenset[str] = frozenset()
    """States that were skipped: they must have been passed, no fact says so."""
    moved: tuple[int, int, bool] | None = None
    """From when and until when the fact that led to this state may have happened, us, and whether
    it has DAY precision."""
    previous: str | None = None
    """The state before CANCELLED."""
    revoked: bool = False
    """A release was taken back, or the declaration with it, and none was given since."""
    contrary: Bounds = Map()
    """Until when what speaks against a release may have happened."""
    holds: frozenset[str] = frozenset()
    """Those that are open, as ``authority:hold_id`` or ``scope:hold_code``."""
    placed: Map[str, Bounds] = Map()
    """By when each open hold was placed."""
    accounts: Map[str, Rows] = Map()
    """How often each open hold was placed, and a receipt pledged."""
    invoices: frozenset[str] = frozenset()
    milestones: Map[str, Reached] = Map()
    """Those that stand, by the fact that is reported."""
    reports: Map[str, tuple[Reached, ...]] = Map()
    """Where several sources tell one: the first report of each, in the order of facts."""
    ordered: Decimal | None = None
    received: Decimal = ZERO
    reversed: Decimal = ZERO
    on_hand: Decimal = ZERO
    reserved: Decimal = ZERO
    pieces: int = 0
    assessed: Map[str, Decimal] = Map()
    """Duty to pay, by currency; what stands on a bond is not in it."""
    paid: Map[str, Decimal] = Map()
    bonded: bool = False
    planned: Scheduled | None = None
    eta: Scheduled | None = None
    delivered: Happened | None = None
    legs: tuple[int, int] = (0, -1)
    """Of goods: the highest leg that an actual fact names, and the highest one at whose end they
    are (`processors.legs`); -1 = none."""
    bound: str | None = None
    """Of a leg its vehicle, of a trip the container's seal, of a warehouse receipt its holder, of a
    handling unit what it is in (``TYPE:id``)."""
    route: str | None = None
    """Of a leg: ``mode;from;to``, as booked."""
    limits: tuple[str, ...] = ()
    """Of a consignment: ``metric;unit;lower;upper``, as booked."""
    pledges: int = 0
    """How many warehouse receipts of a lot are pledged, or of the lots of a handling unit."""
    promised_day: int | None = None
    """Of a line: the date that the last confirmation promises, in days since 1970-01-01."""
    visits: tuple[Visit, ...] = ()
    trust: str = ""
    """The worst grade (`schemas.priorities.GRADES`) of the actual facts that stand; "" = none."""
    flags: frozenset[str] = frozenset()
    exceptions: tuple[Problem, ...] = ()
    pending: tuple[Fact, ...] = ()
    """What was refused and may yet follow something that may have happened at the same time:
    reversals, and the dispatch of a pledged lot."""
    watch: Watch | None = None
    """What the plausibility rules remember; None = nothing yet."""

    @property
    def net_received(self) -> Decimal:
        return EXACT.subtract(self.received, self.reversed)

    @property
    def duty_settled(self) -> bool:
        """Paid >= assessed in every currency, or on a bond; nothing assessed = settled."""
        if self.bonded or not self.assessed:
            return True
        return all(
            self.paid.get(currency, ZERO) >= amount for currency, amount in self.assessed.items()
        )

    @property
    def free_to_deliver(self) -> bool:
        return (
            self.state in ("RELEASED", "CLEARED")
            and not self.holds
            and not self.revoked
            and self.duty_settled
        )

    @property
    def delay_days(self) -> int | None:
        """Local date of delivery minus that of the schedule, in days; positive = late."""
        if self.delivered is None or self.planned is None:
            return None
        return self.delivered.day - self.planned.day

    @property
    def late(self) -> bool:
        delay = self.delay_days
        return delay is not None and delay > 0


EMPTY = Accumulator()
