"""What a condition is evaluated over: evidence, as whoever has the facts hands it over, and the
window of the tranche. Nothing here knows a twin.

Evidence is a set: its order and what stands in it twice change nothing.
"""

from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.schemas.condition import Anchor, Instant, When, micros
from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import local_day
from supplytwin.schemas.rfc3339 import moment_in

T = TypeVar("T")
Kind = Literal[
    "MILESTONE", "QUANTITY", "QUALITY", "DOCUMENT", "ASSET", "CARBON", "VERIFIED", "OTHER"
]
"""VERIFIED: that a footprint was, whichever it was."""
Standing = Literal["LIVE", "RETRACTED", "SUPERSEDED", "CONFLICTED", "VOID"]
"""LIVE = one revision counts; SUPERSEDED by another identity; VOID = its key was compromised."""
Identity = tuple[str, str]
"""(source, event_id)."""
Told = Literal["YES", "NO", "PERHAPS"]


class Statement(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What one revision of a fact says, and when it arrived."""

    revision: int
    arrival: int
    """us UTC."""
    kind: Kind
    type: str
    """A milestone, a measure, a test, a document type, a kind of title: what a leaf names."""
    subject: str = ""
    """``TYPE:id``: the consignment, the one document, the one title. Of a QUANTITY: the line."""
    first: int
    last: int
    """The first and the last instant at which it may have happened, us UTC; the same one where its
    source is exact to its own precision and its zone is known."""
    grain_us: int = 0
    """How long the unit of its precision is (a minute of MIN): against a leaf it may have happened
    that much later, for one it happened when it says."""
    begins: int | None = None
    """The last instant at which it may have begun, where that is not `first`: up to then it is
    ahead of the tick."""
    day: int | None = None
    """Of DAY precision: the local date, in days since 1970-01-01; then dates are compared."""
    place: str | None = None
    state: str | None = None
    """Of a DOCUMENT or an ASSET."""
    controller: str | None = None
    """Of an ASSET: the role of who controls it."""
    value: Decimal | None = None
    """A QUANTITY that was taken back is negative."""
    unit: str | None = None
    assurance: str | None = None
    """Of a CARBON value one of CARBON_ASSURANCE, of others one of EVIDENCE_ASSURANCE."""
    unique: bool | None = None
    """Of a DOCUMENT: whether it backs no other live contract; None = nobody has answered yet."""
    void: bool = False
    """Its key was compromised: that it was in time brings no other revision in time, but it may
    come back."""


class Fact(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One identity with all its revisions, as far as they are `about` one thing. Raises ValueError
    unless exactly a LIVE one has what counts now.
    """

    source: str
    event_id: str
    organisation: str
    """Whose source it is."""
    role: str
    """"" = nobody gave its source one: it counts for nothing, and yet against a leaf."""
    also: tuple[str, ...] = ()
    """Further roles of its source."""
    about: str = ""
    """What of all that an event says this fact is: a receipt is a milestone and a quantity."""
    standing: Standing = "LIVE"
    current: Statement | None = None
    others: tuple[Statement, ...] = ()
    """Revisions that do not count, of a conflict all contents."""

    def __post_init__(self) -> None:
        if (self.current is None) == (self.standing == "LIVE"):
            raise ValueError(f"{self.name} is {self.standing}: what counts now does not fit")

    @property
    def identity(self) -> Identity:
        """With `about`, it decides what a duplicate is."""
        return self.source, self.event_id

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles of its source; () = it has none."""
        return (self.role, *self.also) if self.role else ()

    @property
    def name(self) -> str:
        """``source/event_id``."""
        return f"{self.source}/{self.event_id}"

    @property
    def spelled(self) -> "Fact":
        """The same fact, with the revisions that do not count once and in one order."""
        if len(self.others) < 2:
            return self
        return replace(self, others=tuple(sorted(set(self.others), key=said)))

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every revision, the one that counts now first."""
        return self.others if self.current is None else (self.current, *self.others)


class Assent(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An organisation agreed, in a role, to what stands there now. What lapsed is no longer in the
    evidence.
    """

    review_id: str
    organisation: str
    role: str
    at: int
    """Its arrival, us UTC."""


class Exposure(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A series over its whole window, us: covered by readings, outside of the bounds, and the
    longest time without a break outside.
    """

    covered_us: int = 0
    outside_us: int = 0
    longest_us: int = 0


class Asked(Struct, frozen=True, kw_only=True, gc=False, order=True):
    """What a telemetry leaf asks of a series: readings of a time from `first` to `last` that
    arrived by `close`, us UTC, held against `low` and `high`.
    """

    metric: str
    unit: str
    low: Decimal
    high: Decimal
    first: int
    last: int
    close: int


class Series(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The answer to what a leaf asked."""

    asked: Asked
    current: Exposure
    best: Exposure
    """What it would be if every in-time reading that no longer counts came back, at its best."""
    evidence: tuple[str, ...] = ()
    """What it rests on, ``source/event_id`` or a hash of many."""


class Anchored(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The time of an anchor."""

    anchor: str
    at: int | None
    """us UTC; None = there is none."""
    may_return: bool = False
    """`at` is None, and what told it in time was withdrawn or is in conflict."""
    evidence: tuple[str, ...] = ()


class Ordered(Struct, frozen=True, kw_only=True, gc=False):
    """An order line of the terms."""

    line: str
    qty: Decimal
    unit: str
    short_bp: int = 0
    """By how much less may come, in basis points."""
    lots: tuple[tuple[str, Decimal], ...] = ()
    """(lot, how much of the line it is), where the terms state them."""


class Evidence(Struct, frozen=True, kw_only=True, dict=True):
    """All that is known; of one identity and what it is about one Fact, though it may stand there
    more than once.
    """

    facts: tuple[Fact, ...] = ()
    assents: tuple[Assent, ...] = ()
    series: tuple[Series, ...] = ()
    anchors: tuple[Anchored, ...] = ()

    @cached_property
    def every(self) -> tuple[Fact, ...]:
        """Each fact once, by identity. Raises ValueError for two that differ under one."""
        found: dict[tuple[Identity, str], Fact] = {}
        for fact in self.facts:
            one = fact.spelled
            if found.setdefault((fact.identity, fact.about), one) != one:
                raise ValueError(f"{fact.name} stands there twice and differs")
        return tuple([found[one] for one in sorted(found)])

    @cached_property
    def _by_type(self) -> dict[str, tuple[Fact, ...]]:
        found: dict[str, list[Fact]] = {}
        for fact in self.every:
            for type_ in {one.type for one in fact.statements}:
                found.setdefault(type_, []).append(fact)
        return {type_: tuple(facts) for type_, facts in found.items()}

    def of_type(self, type_: str) -> tuple[Fact, ...]:
        """Each fact once of which any revision is of a type, by identity."""
        return self._by_type.get(type_, ())

    @cached_property
    def agreed(self) -> tuple[Assent, ...]:
        """Each assent once, sorted."""
        return tuple(sorted(set(self.assents), key=lambda one: (one.review_id, repr(one))))

    def answer(self, asked: Asked) -> Series | None:
        """Raises ValueError for two answers that differ."""
        return _only([one for one in self.series if one.asked == asked], str(asked))

    def anchored(self, anchor: str) -> Anchored | None:
        """Raises ValueError for two answers that differ."""
        return _only([one for one in self.anchors if one.anchor == anchor], anchor)


def _only(found: list[T], name: str) -> T | None:
    if any(one != found[0] for one in found):
        raise ValueError(f"{name} has answers that differ")
    return found[0] if found else None


class Scope(Struct, frozen=True, kw_only=True, gc=False):
    """The window of a tranche at one tick; us UTC."""

    tick: int
    deadline: int
    """The effective one, with what tolling has added. Inclusive."""
    grace_us: int = 0
    zone: str = "+00:00"
    """Of the terms: it decides which day the deadline is."""
    long_stop: int
    challenge_end: int | None = None
    """End of the latest challenge window; None = none was opened."""
    tolling: bool = False
    """The time stands still: no leaf closes."""
    tolled_us: int = 0
    """What tolling has added; while the time stands still, more than any leaf is earlier."""
    fixed: bool = False
    """What is paid is unconditional but for evidence: no time is over any more."""
    lines: tuple[Ordered, ...] = ()

    @property
    def close(self) -> int:
        """The last instant at which evidence may arrive."""
        return self.deadline + self.grace_us

    def passed(self, moment: int) -> bool:
        """Whether it is later than `moment`, and not tolled."""
        return self.tick > moment and not self.tolling


class Limit(Struct, frozen=True, kw_only=True, gc=False):
    """By when something must have happened, inclusive: an instant, or its date in its zone."""

    at: int
    zone: str

    def met(self, statement: Statement) -> Told:
        """Of DAY precision the dates are compared. PERHAPS = it is not known closely enough."""
        if statement.day is not None:
            return "YES" if statement.day <= local_day(self.at, self.zone) else "NO"
        if statement.last <= self.at:
            return "YES"
        return "NO" if statement.first > self.at else "PERHAPS"


class Due(Struct, frozen=True, kw_only=True, gc=False):
    """The limits of a leaf, and the last instant at which its evidence may arrive, us UTC."""

    limits: tuple[Limit, ...]
    close: int


def due(scope: Scope, before: Instant | None = None) -> Due:
    """The deadline, and `before` where the leaf has one: it closes at the earlier + grace. What was
    tolled is later news, not a later time at which it may happen.
    """
    limits: tuple[Limit, ...] = (Limit(at=scope.deadline, zone=scope.zone),)
    end = scope.deadline
    if before is not None:
        end = min(end, micros(before) + scope.tolled_us)
        limits = (*limits, Limit(at=micros(before), zone=offset(before)))
    return Due(limits=limits, close=end + scope.grace_us)


def offset(text: Instant) -> str:
    """The zone of an instant in its one spelling, as `localtime` takes it."""
    return text[-6:]


class Resolved(Struct, frozen=True, kw_only=True, gc=False):
    """A time of a leaf, us UTC; None = nobody can tell it now."""

    at: int | None
    may_return: bool = False
    evidence: tuple[str, ...] = ()


def resolve(when: When, evidence: Evidence) -> Resolved:
    """An instant as it stands; an anchor as the evidence has it."""
    if not isinstance(when, Anchor):
        return Resolved(at=micros(when))
    found = evidence.anchored(when.anchor)
    if found is None:
        return Resolved(at=None)
    at = None if found.at is None else found.at + duration_us(when.plus)
    return Resolved(at=at, may_return=found.may_return, evidence=tuple(sorted(found.evidence)))


def said(value: Struct) -> bytes:
    """One spelling of what a part of the evidence says; fields at their defaults are left out, so
    that one more field changes no hash.
    """
    return msgspec.json.encode(value, order="sorted")


def shown_time(moment: int, scope: Scope) -> str:
    """An instant as people of the contract read it."""
    return _text(moment, scope.zone)


@lru_cache(maxsize=4096)
def _text(moment: int, zone: str) -> str:
    """The same few ends are told at every cut."""
    return moment_in(Micros(moment), zone, "MS").text
