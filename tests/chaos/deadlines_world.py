"""Contracts whose claims have a deadline each, and what must become of every one of them.

A claim waits for one last fact: the receipt of its goods, its customs release, or the removal of a
customs hold. When that fact happened and when it arrived decides, and nothing else: both are drawn
here first, so that the outcome and the tick that brings it are known by arithmetic alone. Nothing
of the engine is asked or used. (What is told: `deadlines_told`, and the check: `deadlines_check`.)
"""

import datetime as dt
import hashlib
import random

from msgspec import Struct

from supplytwin.schemas.ids import DAY_US, HOUR_US

MS = 1000
ZONE, ZONE_NAME = dt.timezone(dt.timedelta(hours=8)), "+08:00"
"""The contracts' zone: it decides on which date a deadline is."""
AGREED_DAYS, YEAR_DAYS, STOP_DAYS = 90, 365, 5
CLAIMS = 25
"""Of one contract."""
AHEAD_US = 47 * HOUR_US
"""So long before it happens a fact may arrive: one that comes earlier is refused."""
NEVER_US = 3 * YEAR_DAYS * DAY_US
_BEGIN = int(dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000


class Step(Struct, frozen=True, kw_only=True):
    """Rows that a cut takes together, at the first tick that is not before `moment`.

    `after` instead: so long after the step before it, us, exclusive. `known` = from when on the
    same outcome follows as soon as the fact is read, for a cut that reads ahead of its tick.
    """

    rows: tuple[int, ...]
    state: str
    verdict: str
    moment: int = 0
    after: int | None = None
    known: int | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """One claim: where its last fact lies, and what must come of it."""

    chain_id: str
    claim_id: str
    kind: str
    role: str
    deadline: int
    grace: int
    amount_minor: int
    happened: int | None
    arrived: int
    precision: str = "MS"
    steps: tuple[Step, ...]

    @property
    def close(self) -> int:
        return self.deadline + self.grace

    @property
    def settlement_id(self) -> str:
        text = "\0".join((self.chain_id, "T1", self.claim_id))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _local_midnight(micros: int) -> int:
    """The instant at which the date of `micros` in the contracts' zone began."""
    date = dt.datetime.fromtimestamp(micros / 1_000_000, ZONE).date()
    midnight = dt.datetime(date.year, date.month, date.day, tzinfo=ZONE)
    return int(midnight.timestamp()) * 1_000_000


class Draw:
    """Where the last fact of a claim lies around its deadline, by kind: (happened, arrived)."""

    def __init__(
        self, chance: random.Random, ready: int, deadline: int, close: int, tick_us: int
    ) -> None:
        self.chance, self.ready, self.deadline, self.close = chance, ready, deadline, close
        self.decided = close + tick_us
        self.precision = "MS"

    def within(self, low: int, high: int) -> int:
        """A whole ms in [low, high]."""
        return self.chance.randrange(low // MS, high // MS + 1) * MS

    def in_time(self) -> tuple[int, int]:
        happened = self.within(self.ready, self.deadline)
        return happened, self.within(happened, self.deadline)

    def on_the_stroke(self) -> tuple[int, int]:
        return self.deadline, self.close

    def within_the_grace(self) -> tuple[int, int]:
        return self.within(self.ready, self.deadline), self.within(self.deadline + MS, self.close)

    def told_ahead(self) -> tuple[int, int]:
        arrived = self.within(self.ready, self.deadline)
        return self.within(arrived, min(self.deadline, arrived + AHEAD_US)), arrived

    def on_the_date(self) -> tuple[int, int]:
        """At the last ms of the deadline's date: known to the day only, that is in time."""
        self.precision = "DAY"
        begins = _local_midnight(self.deadline)
        return begins + DAY_US - MS, self.within(begins, self.close)

    def happened_late(self) -> tuple[int, int]:
        return self.deadline + MS, self.within(self.deadline + MS, self.close)

    def foretold_late(self) -> tuple[int, int]:
        happened = self.within(self.deadline + MS, self.deadline + AHEAD_US)
        return happened, self.within(happened - AHEAD_US, self.deadline)

    def on_the_next_date(self) -> tuple[int, int]:
        self.precision = "DAY"
        begins = _local_midnight(self.deadline) + DAY_US
        return begins, self.within(begins, self.close)

    def arrived_late(self) -> tuple[int, int]:
        return self.within(self.ready, self.deadline), self.close + MS

    def long_after(self) -> tuple[int, int]:
        late = self.within(self.decided, self.decided + 4 * DAY_US)
        return self.within(self.ready, self.deadline), late


PAID = ("in_time", "on_the_stroke", "within_the_grace", "told_ahead", "on_the_date")
TOO_LATE = (
    "happened_late", "foretold_late", "on_the_next_date", "arrived_late", "long_after", "never",
)  # fmt: skip
KINDS = (*PAID, "withdrawn", *TOO_LATE, "unfunded")


class World(Struct, frozen=True, kw_only=True):
    """At least `claims` claims over a year of ticks of `tick_us`."""

    claims: int
    tick_us: int
    seed: int = 1

    @property
    def begins(self) -> int:
        return -(-_BEGIN // self.tick_us) * self.tick_us

    def tick(self, number: int) -> int:
        return self.begins + number * self.tick_us

    @property
    def ticks(self) -> int:
        """The last tick is beyond every deadline."""
        return self.number_of(self.begins + (YEAR_DAYS + STOP_DAYS) * DAY_US) + 3

    @property
    def chains(self) -> int:
        return -(-self.claims // CLAIMS)

    def number_of(self, moment: int) -> int:
        """The first tick that is not before `moment`."""
        return -(-(moment - self.begins) // self.tick_us)

    def first_tick(self, moment: int) -> int:
        return self.tick(self.number_of(moment))


class Chain:
    """One contract and what is told about it. In every fifth each claim has a customs declaration
    of its own, and waits for that; in the others all claims share one, and wait for their goods.
    """

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.chance = random.Random(f"{world.seed} {number}")
        self.chain_id = f"D{world.seed}-{number:06d}"
        self.apart = number % 5 == 4
        self.agreed = world.begins + self.chance.randrange(1, AGREED_DAYS * DAY_US // MS) * MS
        self.funding = self.agreed + self.chance.randrange(20 * DAY_US, 40 * DAY_US) // MS * MS
        self.ready = world.first_tick(self.agreed) + 3 * world.tick_us
        """When everything but the last fact of each claim is known."""
        beyond = world.tick_us + self.chance.randrange(STOP_DAYS * DAY_US) // MS * MS
        self.long_stop = world.begins + YEAR_DAYS * DAY_US + beyond
        self.sla = 45 * DAY_US if number % 8 == 7 else NEVER_US
        """How long the rail, which says nothing after the hold, is waited for."""
        self.plans = [self._plan(at) for at in range(CLAIMS)]

    def _plan(self, number: int) -> Plan:
        chance, world = self.chance, self.world
        kind = chance.choice(KINDS if self.sla == NEVER_US else PAID)
        grace = chance.randrange(3 * DAY_US // MS, 12 * DAY_US // MS) * MS
        last = world.begins + YEAR_DAYS * DAY_US - grace - world.tick_us
        deadline = chance.randrange((self.ready + 10 * DAY_US) // MS, last // MS) * MS
        if chance.random() < 0.2:  # the tick at the very close must still wait
            grace += world.first_tick(deadline + grace) - deadline - grace
        draw = Draw(chance, self.ready, deadline, deadline + grace, world.tick_us)
        told = "in_time" if kind in ("withdrawn", "unfunded", "never") else kind
        happened, arrived = getattr(draw, told)()
        role = "receipt"
        if self.apart:
            role = "removal" if kind == "withdrawn" else chance.choice(("release", "removal"))
        return Plan(
            chain_id=self.chain_id,
            claim_id=f"A{number}",
            kind=kind,
            role=role,
            deadline=deadline,
            grace=grace,
            amount_minor=1000 + number,
            happened=None if kind == "never" else happened,
            arrived=arrived,
            precision=draw.precision,
            steps=self._steps(kind, happened, arrived, deadline + grace, draw.precision),
        )

    def _steps(
        self, kind: str, happened: int, arrived: int, close: int, precision: str
    ) -> tuple[Step, ...]:
        """By arithmetic: `first tick >= moment`, and a moment after is one us more."""
        if kind == "unfunded":
            return (Step(rows=(4,), state="EXPIRED", verdict="", moment=self.funding + 1),)
        if kind == "withdrawn":
            return (
                Step(rows=(9,), state="HELD", verdict="UNKNOWN", moment=close + 1),
                Step(rows=(34,), state="VOIDED", verdict="", moment=self.long_stop + 1),
            )
        if kind in TOO_LATE:
            return (Step(rows=(8,), state="EXPIRED", verdict="FALSE", moment=close + 1),)
        counts = _local_midnight(happened) if precision == "DAY" else happened
        paid = Step(
            rows=(7, 11, 21), state="INSTRUCTED", verdict="TRUE", moment=max(counts, arrived),
            known=counts,
        )  # fmt: skip
        silent = Step(rows=(26,), state="IN_DOUBT", verdict="", after=self.sla)
        again = Step(rows=(46,), state="IN_DOUBT", verdict="", after=self.sla)
        return (paid, silent, *[again] * 10)
