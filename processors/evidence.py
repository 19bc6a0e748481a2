"""Which facts count for a claim at a tick, and what its verdict rests on.

A fact supports a claim when the version of its identity that counts now is ACTUAL, happened by the
deadline (DAY precision: local dates, the deadline's in the terms' zone) and some qualifying version
of that identity arrived by the close (deadline + grace). A supporting fact ahead of the tick counts
from its own time on. A contrary one (hold, revocation, reversal) counts at once and has no
deadline: it can only delay.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Set
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from supplytwin.processors.facts import Identity, Slot, Version
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import CUSTOMS, Event
from supplytwin.schemas.ids import DAY_US, Micros
from supplytwin.schemas.localtime import day_start, happened_by, local_day, zone
from supplytwin.schemas.terms import ClaimTerms, Terms

RECEIVED, REVERSED = "wh.received", "wh.receipt_reversed"
WITHDRAWN = "withdrawn"
"""How a fact stands that counted and may count again, where it does not stand otherwise."""
NEVER = 2**63
"""Later than every tick time, us."""
Value = Literal["TRUE", "FALSE", "UNKNOWN"]
Test = Callable[[Event], bool]
Sort = Literal["CUSTOMS", "GOODS"]
Concern = tuple[Sort, SubjectKey]
"""Facts of a sort that reach a subject."""


class Leaf(Struct, frozen=True, kw_only=True, gc=False):
    """One part of the condition. `why` says in words what makes it true, or what it waits for."""

    name: str
    value: Value
    why: str


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """The condition of one claim at one tick."""

    value: Value
    rests_on: tuple[tuple[Slot, str], ...]
    """Facts and how they stand: counts, contrary, withdrawn, conflicted. Sorted by identity."""
    adverse: tuple[Identity, ...]
    """Conflicted identities, sorted."""
    adverse_ids: tuple[str, ...]
    """Of each of them ``source/event_id~`` and 8 hex digits of a hash over its contents: one more
    content under the same identity is another adverse id."""
    against: tuple[Identity, ...]
    """Contrary or withdrawn identities."""
    leaves: tuple[Leaf, ...]
    wakes_at: int | None
    """The first tick at which a fact that is still ahead will count."""
    matches: Value | None = None
    """The value when nothing is taken to be missing during the challenge; None = the same."""
    waits: bool = False
    """Of that value UNKNOWN: only leaves whose own time is not over keep it so, nothing that may
    come back or is in doubt."""
    due_minor: int | None = None
    """What is to be paid, in minor units; None = the whole amount of the claim."""
    gross_minor: int | None = None
    """That before adjustments; None = the terms have none."""
    adjusted_bp: int = 0
    """What the adjustments change it by, basis points."""
    measure: str | None = None
    """See `Claim.measure`."""
    unadjusted_minor: int = 0
    """What is due by what is known, while nothing is because nobody knows an adjustment."""
    ignored: tuple[str, ...] = ()
    """``source/event_id: REASON`` of facts about the claim that count for nothing, sorted."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """``source/event_id`` of every fact that it rests on, sorted."""
        return tuple(sorted("/".join(slot.identity) for slot, _ in self.rests_on))

    @property
    def evidence_hash(self) -> str:
        """Hex SHA-256 over their identities, revisions, content hashes and standing."""
        lines = []
        for slot, standing in self.rests_on:
            current = slot.current
            hashes = (one.hex() for one in current.hashes)
            lines.append("\0".join((*slot.identity, str(current.revision), standing, *hashes)))
        return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def sorts(slot: Slot) -> set[Sort]:
    """Of which sorts that a condition looks at anything under this identity is."""
    found: set[Sort] = set()
    for version in slot.versions:
        for event in version.contents:
            if event.TOPIC == CUSTOMS:
                found.add("CUSTOMS")
            elif event.event_type in (RECEIVED, REVERSED):
                found.add("GOODS")
    return found


def bears(moved: Iterable[tuple[Slot | None, Slot]]) -> bool:
    """Whether a condition looks at anything of what became another. If not, no verdict is another
    before time makes it so.
    """
    return any(sorts(slot) for pair in moved for slot in pair if slot is not None)


def counts_from(event: Event) -> int:
    """The first tick time at which `event` is not ahead."""
    if event.time_precision == "DAY":
        return day_start(local_day(event.event_time, event.event_tz), event.event_tz)
    return event.event_time


def happening(event: Event, tick: int) -> tuple[bool, int]:
    """Whether `event` is not ahead of `tick`, and the first later tick time at which that may be
    otherwise.

    In a named zone clocks go back, so within a day of midnight a local date may come twice.
    """
    if event.time_precision != "DAY":
        return event.event_time <= tick, NEVER if event.event_time <= tick else event.event_time
    happened = happened_by(event, tick)
    if isinstance(zone(event.event_tz), int):
        return (True, NEVER) if happened else (False, counts_from(event))
    midnight_utc = local_day(event.event_time, event.event_tz) * DAY_US
    if tick >= midnight_utc + DAY_US:
        return happened, NEVER
    return happened, max(tick + 1, midnight_utc - DAY_US)


class Part(Struct, frozen=True, kw_only=True, gc=False):
    """What one part of a condition comes to: the customs, or one line."""

    leaves: tuple[Leaf, ...]
    rests_on: Mapping[Identity, tuple[Slot, str]]
    adverse: Mapping[Identity, str]
    """With their adverse ids."""
    against: Set[Identity]
    wakes_at: int | None
    at: int
    """The tick at which this was found."""
    until: int
    """The first later tick time at which time alone may change it."""
    concerns: frozenset[Concern]
    """It follows from these facts, terms and tick."""

    def holds(self, tick: int, stirred: set[Concern]) -> bool:
        """Whether it is the same at `tick`, when of all facts only those `stirred` are others."""
        return self.at <= tick < self.until and stirred.isdisjoint(self.concerns)


def verdict(parts: tuple[Part, ...]) -> Verdict:
    """The leaves combined by Kleene's `all`, with everything that they rest on."""
    leaves: list[Leaf] = []
    standing: dict[Identity, tuple[Slot, str]] = {}
    adverse: dict[Identity, str] = {}
    against: set[Identity] = set()
    wakes: list[int] = []
    for part in parts:
        leaves += part.leaves
        for identity, one in part.rests_on.items():
            if one[1] != WITHDRAWN or identity not in standing:
                standing[identity] = one
        adverse.update(part.adverse)
        against.update(part.against)
        if part.wakes_at is not None:
            wakes.append(part.wakes_at)
    values = {leaf.value for leaf in leaves}
    return Verdict(
        value="FALSE" if "FALSE" in values else "UNKNOWN" if "UNKNOWN" in values else "TRUE",
        rests_on=tuple([standing[one] for one in sorted(standing)]),
        adverse=tuple(sorted(adverse)),
        adverse_ids=tuple([adverse[one] for one in sorted(adverse)]),
        against=tuple(sorted(against)),
        leaves=tuple(leaves),
        wakes_at=min(wakes, default=None),
    )


def quantity(event: Any) -> Decimal:
    """The quantity of a receipt or of its reversal."""
    qty: Decimal = event.qty
    return qty


class Scope:
    """The evaluation of one part: sorts facts, and collects what it rests on. Lives for that
    call."""

    def __init__(self, terms: Terms, claim: ClaimTerms, tick: int) -> None:
        self.terms = terms
        self.claim = claim
        self.tick = tick
        self.close: int = terms.close(claim)
        self.rests_on: dict[Identity, tuple[Slot, str]] = {}
        self.adverse: dict[Identity, str] = {}
        self.against: set[Identity] = set()
        self.ahead: list[int] = []
        self.until = self.close + 1 if tick <= self.close else NEVER
        """The first tick time from which on the same facts may add up to another verdict."""
        self._last_day: int | None = None

    def in_time(self, event: Event) -> bool:
        """Happened by the deadline, inclusive."""
        if event.time_precision == "DAY":
            if self._last_day is None:
                self._last_day = local_day(Micros(self.claim.deadline), self.terms.zone)
            return local_day(event.event_time, event.event_tz) <= self._last_day
        return event.event_time <= self.claim.deadline

    def happened(self, event: Event) -> bool:
        """Whether `event` is not ahead of the tick."""
        if event.event_time <= self.tick and event.time_precision != "DAY":
            return True
        happened, until = happening(event, self.tick)
        self.until = min(self.until, until)
        return happened

    def supports(self, slot: Slot, version: Version, test: Test) -> bool:
        """Whether the effective `version` counts for the claim now; one ahead is waited for."""
        if not self._counts(slot, version, test):
            return False
        return self._is_not_ahead(slot, version)

    def is_settled(self, slot: Slot, version: Version | None) -> bool:
        """One version, and it stands and is not ahead: nothing of it can be `revivable`."""
        return version is not None and len(slot.versions) == 1 and self.happened(version.event)

    def revivable(self, slot: Slot, version: Version | None, test: Test) -> bool:
        """Whether a qualifying version of `slot` was in time and yet the identity does not count.

        A conflicted version qualifies when one of its contents does. A fact that is in time and
        still ahead of the tick is as good as revivable: nothing is lost yet.
        """
        if version is not None and self._counts(slot, version, test):
            return not self.happened(version.event)
        if not any(self._was_in_time(slot, version, test) for version in slot.versions):
            return False
        self.against.add(slot.identity)
        if slot.identity not in self.rests_on:
            self._rest_on(slot, WITHDRAWN)
        return True

    def most(self, slot: Slot, test: Test) -> Decimal:
        """The largest quantity of an in-time qualifying version: a revision may have lowered it."""
        return max(
            (
                quantity(event)
                for version in slot.versions
                if version.arrival <= self.close
                for event in version.contents
                if self._qualifies(slot, version, event, test)
            ),
            default=Decimal(0),
        )

    def contradicts(self, slot: Slot, version: Version) -> bool:
        """Whether an effective contrary fact counts: whenever it happened, even ahead."""
        if version.event.classifier != "ACTUAL":
            return False
        self._rest_on(slot, "contrary")
        self.against.add(slot.identity)
        return True

    def plain(self, slot: Slot, version: Version, *, contrary: bool) -> bool:
        """Whether an effective fact that neither supports nor contradicts by itself counts: it has
        no deadline."""
        if version.event.classifier != "ACTUAL" or not self._is_not_ahead(slot, version):
            return False
        if contrary:
            self.against.add(slot.identity)
        return True

    def look_for_conflict(self, slot: Slot) -> None:
        """A conflicted identity is adverse, unless nothing under it is more than a plan."""
        if slot.conflicted and any(
            event.classifier == "ACTUAL" for one in slot.versions for event in one.contents
        ):
            self.adverse[slot.identity] = f"{'/'.join(slot.identity)}~{slot.dispute.hex()[:8]}"
            self._rest_on(slot, "conflicted")

    def leaf(self, name: str, why: str, *, true: bool, revivable: bool) -> Leaf:
        """The three-valued rule of every leaf (see `conditions`)."""
        if true:
            return Leaf(name=name, value="TRUE", why=why)
        if self.tick <= self.close:
            return Leaf(name=name, value="UNKNOWN", why=f"waits for {why}")
        if revivable:
            why = f"a proof is withdrawn or in conflict: {why}"
            return Leaf(name=name, value="UNKNOWN", why=why)
        return Leaf(name=name, value="FALSE", why=f"too late for {why}")

    def part(self, leaves: tuple[Leaf, ...], concerns: frozenset[Concern]) -> Part:
        """What was found, by these leaves."""
        return Part(
            leaves=leaves,
            rests_on=self.rests_on,
            adverse=self.adverse,
            against=self.against,
            wakes_at=min(self.ahead, default=None),
            at=self.tick,
            until=self.until,
            concerns=concerns,
        )

    def _rest_on(self, slot: Slot, standing: str) -> None:
        self.rests_on[slot.identity] = (slot, standing)

    def _is_not_ahead(self, slot: Slot, version: Version) -> bool:
        if self.happened(version.event):
            self._rest_on(slot, "counts")
            return True
        self.ahead.append(counts_from(version.event))
        return False

    def _counts(self, slot: Slot, version: Version, test: Test) -> bool:
        if not self._qualifies(slot, version, version.event, test):
            return False
        if len(slot.versions) == 1:
            return version.arrival <= self.close
        return any(self._was_in_time(slot, one, test) for one in slot.versions)

    def _was_in_time(self, slot: Slot, version: Version, test: Test) -> bool:
        if version.arrival > self.close:
            return False
        return any(self._qualifies(slot, version, event, test) for event in version.contents)

    def _qualifies(self, slot: Slot, version: Version, event: Event, test: Test) -> bool:
        """A bare retraction, or a correction that its source had no right to make, is no proof."""
        if event.classifier != "ACTUAL" or event.correction_action == "RETRACT":
            return False
        if version.revision in slot.powerless:
            return False
        return test(event) and self.in_time(event)
