"""One subject of a chain: what reaches it, what follows, and how it is shown."""

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from immutables import Map
from msgspec import Struct

from supplytwin.processors import excursions
from supplytwin.processors.consignment import Tally, least_of
from supplytwin.processors.facts import Identity
from supplytwin.processors.passages import Passages
from supplytwin.processors.sensed import NOTHING_SENSED, Sensed
from supplytwin.processors.sequence import NOTHING, Ordered
from supplytwin.processors.standing import Accumulator, Happened, Problem
from supplytwin.schemas.events import Measurement, ShipmentDelivered
from supplytwin.schemas.ids import Micros


class SubjectKey(NamedTuple):
    subject_type: str
    subject_id: str


class Subject(Struct, frozen=True, kw_only=True, gc=False):
    """Everything known about one subject, of any type; only some types have a lifecycle."""

    members: Map[Identity, None] = Map()
    """Identities of which any version, but for plain readings, has this subject or a ref to it."""
    ordered: Ordered = NOTHING
    effective: int = 0
    """How many versions that count reach it; 0 = nothing is left of it."""
    told: int = 0
    """How many of them tell of it that it exists: they are about it, or introduce it."""
    conflicts: frozenset[Identity] = frozenset()
    links: Map[SubjectKey, None] = Map()
    """What it is linked with (`reach.LINKS`), both ways: a fact that counts, about the one, names
    the other.
    """
    tally: Tally = Tally()
    """A consignment's lines."""
    trips: Map[str, int] = Map()
    """A consignment's trips, by state."""
    stated: bool = False
    """A delivery was stated of it at some time, whether or not it still counts."""
    deliveries: tuple[ShipmentDelivered, ...] = ()
    """The actual ones that count, by their subject, source and event id."""
    measured: tuple[Measurement, ...] = ()
    """Energy and footprints that are told of it, the facts that count, by their subject, source and
    event id."""
    passages: Passages = Map()
    inferred: int = 0
    """How many actual facts that count were inferred by their source."""
    marked: Map[tuple[str, str, str], int] = Map()
    """Exceptions that identities about it are in themselves: code, source, event id -> arrival."""
    sensed: Sensed = NOTHING_SENSED
    """What sensors measured of it, and what plain readings of it told besides."""

    @property
    def value(self) -> Accumulator:
        """What its own facts add up to; for a consignment without its lines."""
        return self.ordered.value

    @property
    def orphan(self) -> bool:
        """A placeholder: others refer to it, nothing tells of it. A consignment consists of its
        lines, so they tell of it, too.
        """
        return bool(self.effective) and not self.told and not self.tally.states

    @property
    def state(self) -> str | None:
        """Its lifecycle state; a consignment's is the least of its lines', or of its trips'."""
        if self.tally.states:
            return self.ordered.value.state or self.tally.state
        return self.ordered.value.state or (least_of(self.trips) if self.trips else None)

    @property
    def codes(self) -> tuple[str, ...]:
        """Milestones that it has reached, sorted; a consignment has also those that every one of
        its lines has.
        """
        return tuple(sorted(self.tally.complete.union(self.ordered.value.milestones)))

    @property
    def delay_days(self) -> int | None:
        """Days late (negative: early); a consignment's is the largest of its own and its lines'."""
        own = self.ordered.value.delay_days
        if not self.tally.delays:
            return own
        lines = self.tally.delay_days
        return lines if own is None or lines is None else max(own, lines)

    @property
    def delivered(self) -> Happened | None:
        """The last delivery; a consignment's is its own or the last of its lines', once all are."""
        own, lines = self.ordered.value.delivered, self.tally.delivered
        return max(own, lines) if own and lines else own or lines

    @property
    def late(self) -> bool:
        value, tally = self.ordered.value, self.tally
        return (value.delivered is not None and value.late) or bool(tally.delays and tally.late)

    @property
    def flags(self) -> tuple[str, ...]:
        """What to know before trusting its figures, sorted."""
        value, tally = self.ordered.value, self.tally
        partial = tally.partial if tally.states else len(self.trips) > 1
        own = value.flags | _IMPLAUSIBLE if self.sensed.implausible else value.flags
        return _flags(
            own, bool(value.inferred), bool(self.conflicts), partial, self.late, self.orphan
        )


_IMPLAUSIBLE = frozenset(("implausible_time",))


@lru_cache(maxsize=1024)
def _flags(
    own: frozenset[str], inferred: bool, conflict: bool, partial: bool, late: bool, orphan: bool
) -> tuple[str, ...]:
    named = (("inferred", inferred), ("conflict", conflict), ("partial", partial),
             ("late", late), ("orphan", orphan))  # fmt: skip
    return tuple(sorted(own.union(name for name, on in named if on)))


Subjects = Map[SubjectKey, Subject]
Work = dict[SubjectKey, Subject]
"""Every subject that an event touches."""
NOBODY = Subject()


def decimal_text(amount: Decimal) -> str:
    """One spelling for one number: no exponent, no trailing zeros, no minus zero."""
    if not amount:
        return "0"
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def canonical_problem(problem: Problem) -> tuple[str, str, str]:
    """What identifies an exception in the canonical state: its words may be improved."""
    return problem.code, problem.source, problem.event_id


Quantities = tuple[str | None, str, str, str, str]
"""Ordered, received, reversed, on hand, reserved."""


class CanonicalSubject(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A subject without its history: lists sorted, no arrival, no float.

    The fields stand in the order of their names, so that its JSON is that of the sorted object.
    Those with a default are left out where they say nothing.
    """

    bonded: bool
    bound: str | None = None
    delay_days: int | None
    delivered: Micros | None
    duty: tuple[dict[str, str], dict[str, str]]
    """Assessed and paid, by currency."""
    eta: Micros | None
    exceptions: list[tuple[str, str, str]]
    flags: tuple[str, ...]
    holds: list[str]
    inferred: list[str]
    invoices: list[str]
    limits: tuple[str, ...] = ()
    links: list[SubjectKey]
    milestones: dict[str, tuple[str, str, int] | None]
    """Code -> the fact that it rests on; None = on every line of a consignment."""
    pieces: int
    planned: Micros | None
    pledges: int = 0
    quantities: Quantities
    revoked: bool
    route: str | None = None
    sensors: tuple[str, ...] = ()
    """See `excursions.lines`."""
    state: str | None
    subject: SubjectKey


def canonical_subject(key: SubjectKey, subject: Subject) -> CanonicalSubject:
    """The subject as it stands in the canonical state."""
    value, tally = subject.ordered.value, subject.tally
    own = value.milestones
    milestones = {}
    for code in subject.codes if tally.complete else sorted(own):
        by = own.get(code)
        milestones[code] = None if by is None else (by.source, by.event_id, by.event_time)
    planned, eta, delivered = value.planned, value.eta, value.delivered
    return CanonicalSubject(
        bonded=value.bonded,
        bound=value.bound,
        delay_days=subject.delay_days if delivered or tally.delays else None,
        delivered=delivered.time if delivered else None,
        duty=(_amounts(value.assessed), _amounts(value.paid)),
        eta=eta.time if eta else None,
        exceptions=sorted(map(canonical_problem, value.exceptions)) if value.exceptions else [],
        flags=subject.flags,
        holds=sorted(value.holds),
        inferred=sorted(value.inferred),
        invoices=sorted(value.invoices),
        limits=value.limits,
        links=sorted(subject.links),
        milestones=milestones,
        pieces=value.pieces,
        planned=planned.time if planned else None,
        pledges=value.pledges,
        quantities=_quantities(value),
        revoked=value.revoked,
        route=value.route,
        sensors=excursions.lines(subject.sensed),
        state=subject.state,
        subject=key,
    )


def _quantities(value: Accumulator) -> Quantities:
    ordered = None if value.ordered is None else decimal_text(value.ordered)
    if not (value.received or value.reversed or value.on_hand or value.reserved):
        return ordered, "0", "0", "0", "0"
    return (
        ordered,
        decimal_text(value.received),
        decimal_text(value.reversed),
        decimal_text(value.on_hand),
        decimal_text(value.reserved),
    )


def _amounts(amounts: Map[str, Decimal]) -> dict[str, str]:
    if not amounts:
        return {}
    return {currency: decimal_text(amount) for currency, amount in sorted(amounts.items())}
