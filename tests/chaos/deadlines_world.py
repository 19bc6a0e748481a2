"""Contracts whose claims have a deadline each, and what must become of every one of them.

A claim waits for one last fact: the receipt of its goods, its customs release, or the removal of a
customs hold. When that fact happened and when it arrived decides, and nothing else: both are drawn
here first, so that the outcome and the tick that brings it are known by arithmetic alone. Nothing
of the engine is asked; only the messages are built from its record types.
"""

import datetime as dt
import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from supplytwin.schemas import terms as contract_terms
from supplytwin.schemas.events import (
    CustomsHoldPlaced,
    CustomsHoldRemoved,
    CustomsReleased,
    Event,
    OrderLine,
    OrderPlaced,
    WarehouseInspected,
    WarehouseReceived,
)
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros
from supplytwin.schemas.records import CONTRACTS, RECEIPTS, Contract, Receipt
from supplytwin.schemas.terms import ClaimLine, ClaimTerms, Party, Terms

MS = 1000
ZONE = dt.timezone(dt.timedelta(hours=8))
OFFSET, OFFSET_US = "+08:00", 8 * HOUR_US
"""The contracts' zone: it decides on which date a deadline is."""
AGREED_DAYS, YEAR_DAYS, STOP_DAYS = 90, 365, 5
CLAIMS = 25
"""Of one contract."""
STORE = "store:1"
AHEAD_US = 47 * HOUR_US
"""So long before it happens a fact may arrive: one that comes earlier is refused."""
NEVER_US = 3 * YEAR_DAYS * DAY_US
IDLE = "supply.shipments"
"""Nobody ever sends anything to this topic."""
_BEGIN = int(dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000


class Step(Struct, frozen=True, kw_only=True):
    """Rows that a cut takes together, at the first tick that is not before `moment`.

    `after` instead: so long after the step before it, us, exclusive. `known` = from when on the
    same outcome follows as soon as the fact is read, for a cut that reads ahead of its tick.
    """

    rows: tuple[int, ...]
    state: str
    verdict: str | None
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

    def made(self) -> tuple[list[Plan], list[list[Message]], int]:
        """Claims; messages by the tick that follows them, shuffled; how many are repeated."""
        plans: list[Plan] = []
        sent: dict[int, list[Message]] = defaultdict(list)
        repeated = 0
        for number in range(self.chains):
            chain = Chain(self, number)
            plans += chain.plans
            for message in chain.messages():
                sent[self.number_of(message.arrival)].append(message)
                again = self.number_of(message.arrival) + chain.chance.randrange(1, 6)
                if chain.chance.random() < 0.03 and again < self.ticks:
                    sent[again].append(message)
                    repeated += 1
        chance = random.Random(self.seed)
        assert max(sent) < self.ticks
        rounds = [sent[number] for number in range(self.ticks)]
        for messages in rounds:
            chance.shuffle(messages)
        return plans, rounds, repeated


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

    # ---- what is told

    def messages(self) -> Iterator[Message]:
        """Everything, in no order."""
        yield self._contract()
        yield self._order()
        confirmed = self.world.first_tick(self.agreed) + self.world.tick_us
        before = self.agreed - DAY_US
        if not self.apart:
            yield self._customs(CustomsReleased, "", before, self.agreed, release_kind="FULL")
        for plan in self.plans:
            if plan.kind != "unfunded":
                yield self._confirmed(plan, confirmed - self.chance.randrange(HOUR_US) // MS * MS)
            yield from self._facts(plan, before)

    def _facts(self, plan: Plan, before: int) -> Iterator[Message]:
        own = plan.claim_id if self.apart else ""
        told: list[Message] = []
        if self.apart:
            yield self._receipt(plan, before, self.agreed)
            hold: dict[str, Any] = {"hold_id": f"H-{plan.claim_id}", "authority": "customs:1"}
            release: dict[str, Any] = {"release_kind": "FULL"}
            if plan.role == "removal":
                yield self._customs(CustomsReleased, own, before, self.agreed, **release)
                yield self._customs(CustomsHoldPlaced, own, before + HOUR_US, self.agreed, **hold)
            kind: tuple[type[Event], dict[str, Any]] = (
                (CustomsReleased, release) if plan.role == "release" else (CustomsHoldRemoved, hold)
            )
            if plan.happened is not None:
                told.append(
                    self._customs(kind[0], own, plan.happened, plan.arrived,
                                  time_precision=plan.precision, **kind[1])
                )  # fmt: skip
        elif plan.happened is not None:
            told.append(
                self._receipt(plan, plan.happened, plan.arrived, time_precision=plan.precision)
            )
        yield from told
        if plan.kind == "withdrawn":
            yield self._inspected(plan, before)
            yield from (_withdrawn(one) for one in told)

    def _contract(self) -> Message:
        claims = tuple(
            ClaimTerms(
                claim_id=plan.claim_id,
                tranche_id="T1",
                consignment_id=self._consignment(plan.claim_id if self.apart else ""),
                lines=(ClaimLine(line_id=self._line(plan), qty=Decimal(10)),),
                amount_minor=plan.amount_minor,
                deadline=Micros(plan.deadline),
                grace_us=plan.grace,
            )
            for plan in self.plans
        )
        terms = Terms(
            contract_id=self.chain_id,
            version=1,
            template=contract_terms.TEMPLATE,
            template_version=contract_terms.TEMPLATE_VERSION,
            chain_id=self.chain_id,
            buyer=Party(org_id="buyer:1", name="Buyer", account="account:b"),
            seller=Party(org_id="seller:1", name="Seller", account="account:s"),
            currency="EUR",
            cap_minor=sum(plan.amount_minor for plan in self.plans),
            agreed_at=Micros(self.agreed),
            funding_deadline=Micros(self.funding),
            long_stop=Micros(self.long_stop),
            zone=OFFSET,
            warehouses=(STORE,),
            claims=claims,
            status_sla_us=self.sla,
        )
        canonical = contract_terms.encode(terms)
        body = Contract(
            input_id=f"contract:{self.chain_id}", source="desk:1", chain_id=self.chain_id,
            contract_id=self.chain_id, version=1, terms=canonical,
            terms_hash=contract_terms.terms_hash(canonical),
        )  # fmt: skip
        return Message(topic=CONTRACTS, key=self.chain_id, arrival=self.agreed, body=body)

    def _confirmed(self, plan: Plan, arrival: int) -> Message:
        body = Receipt(
            input_id=f"hold:{plan.settlement_id}", source="rail:1", chain_id=self.chain_id,
            contract_id=self.chain_id, settlement_id=plan.settlement_id, kind="RESERVE",
            instruction_no=1, attempt=0, hold_no=1, recall_no=0, query_no=0,
            rail_status="CONFIRMED", rail_time=Micros(arrival), amount_minor=plan.amount_minor,
            currency="EUR",
        )  # fmt: skip
        return Message(topic=RECEIPTS, key=self.chain_id, arrival=arrival, body=body)

    def _consignment(self, own: str) -> str:
        return f"{self.chain_id}-C{own}"

    def _line(self, plan: Plan) -> str:
        return f"{self.chain_id}-L{plan.claim_id}"

    def _order(self) -> Message:
        line = self._line(self.plans[0])
        item = OrderLine(
            line_id=line, sku="SKU-1", qty=Decimal(10), uom="EA", unit_price=Decimal("1.00")
        )
        return self._told(
            OrderPlaced, f"order:{line}", "erp:1", self.agreed, self.agreed,
            subject_type="ORDER_LINE", subject_id=line, order_id=self.chain_id, buyer="buyer:1",
            seller="seller:1", currency="EUR", order_lines=(item,),
        )  # fmt: skip

    def _customs(
        self, kind: type[Event], own: str, happened: int, arrival: int, **fields: Any
    ) -> Message:
        consignment = self._consignment(own)
        return self._told(
            kind, f"{kind.TYPE}:{consignment}", "customs:1", happened, arrival,
            subject_type="DECLARATION", subject_id=f"{consignment}-X",
            refs=(f"CONSIGNMENT:{consignment}",), **fields,
        )  # fmt: skip

    def _receipt(self, plan: Plan, happened: int, arrival: int, **fields: Any) -> Message:
        line = self._line(plan)
        return self._told(
            WarehouseReceived, f"received:{line}", "wms:1", happened, arrival,
            subject_type="LOT", subject_id=line, facility=STORE, lot_id=line, sku="SKU-1",
            refs=(f"ORDER_LINE:{line}",), qty=Decimal(10), uom="EA", line_id=line, **fields,
        )  # fmt: skip

    def _inspected(self, plan: Plan, happened: int) -> Message:
        """Of goods whose receipt is taken back something is known still."""
        line = self._line(plan)
        return self._told(
            WarehouseInspected, f"inspected:{line}", "wms:1", happened, self.agreed,
            subject_type="LOT", subject_id=line, refs=(f"ORDER_LINE:{line}",), lot_id=line,
            result="PASS",
        )  # fmt: skip

    def _told(
        self, kind: type[Event], event_id: str, source: str, happened: int, arrival: int,
        **fields: Any,
    ) -> Message:  # fmt: skip
        envelope: dict[str, Any] = {
            "event_id": event_id,
            "source": source,
            "revision": Micros(arrival),
            "event_type": kind.TYPE,
            "classifier": "ACTUAL",
            "event_time": Micros(happened),
            "event_tz": OFFSET,
            "time_precision": "MS",
            "recorded_time": Micros(arrival),
            "chain_id": self.chain_id,
        }
        body = kind(**{**envelope, **fields})
        return Message(topic=kind.TOPIC, key=self.chain_id, arrival=arrival, body=body)


def _withdrawn(told: Message) -> Message:
    """Its source takes a fact back before any tick has seen it; it may even come first."""
    fact: Any = told.body
    fields = {name: getattr(fact, name) for name in type(fact).__struct_fields__}
    fields |= {
        "event_id": f"retraction:{fact.event_id}",
        "correction_action": "RETRACT",
        "correction_source": fact.source,
        "correction_event_id": fact.event_id,
        "correction_reason": "DID_NOT_OCCUR",
    }
    return Message(topic=told.topic, key=told.key, arrival=told.arrival, body=type(fact)(**fields))


# ---- what must have happened


Cuts = dict[str, list[tuple[int, str, int, str]]]
"""settlement -> (row, state, tick, verdict) of every transition that a cut made, in order."""
Instructions = dict[str, list[tuple[str, int]]]
"""settlement -> (kind, amount) of every instruction, in order."""


class Outage(Struct, frozen=True, kw_only=True):
    """While a worker was away these ticks were appended, on these partition numbers; the last of
    them when it was back. It may pass over ticks, and handles a later one in their place.
    """

    numbers: frozenset[int]
    ticks: tuple[int, ...]


class Check:
    """Compares what was found with the plans, tick by tick. `problems` says what is wrong."""

    def __init__(
        self,
        world: World,
        partition: Callable[[str], int],
        handled: dict[int, Sequence[int]],
        outage: Outage | None = None,
    ) -> None:
        self.world, self.partition, self.handled = world, partition, handled
        self.outage = outage
        self.problems: list[str] = []
        self.fired = self.moved = 0
        """Deadlines that were right; of all, decided at another tick because of the outage."""

    def compare(self, plans: Sequence[Plan], cuts: Cuts, sent: Instructions) -> None:
        for plan in plans:
            found = cuts.get(plan.settlement_id, [])
            wanted, told, steps = self._wanted(plan, found)
            orders = sent.get(plan.settlement_id, [])
            if found != wanted or orders != told:
                self.problems.append(
                    f"{plan.chain_id} {plan.claim_id} ({plan.kind}, {plan.role}): {found} {orders},"
                    f" and must be {wanted} {told}"
                )
            else:
                self.fired += steps
        for settlement in cuts.keys() - {plan.settlement_id for plan in plans}:
            self.problems.append(f"{settlement} is no claim")

    def _wanted(
        self, plan: Plan, found: list[tuple[int, str, int, str]]
    ) -> tuple[list[tuple[int, str, int, str]], list[tuple[str, int]], int]:
        """Transitions, instructions, and how many steps of the plan these are."""
        number = self.partition(plan.chain_id)
        last = self.world.tick(self.world.ticks - 1)
        wanted: list[tuple[int, str, int, str]] = []
        orders = [("RESERVE", plan.amount_minor)]
        tick = steps = 0
        for step in plan.steps:
            moment = step.moment if step.after is None else tick + step.after + 1
            at = found[len(wanted)][2] if len(wanted) < len(found) else 0
            tick = self._tick(number, step, moment, at)
            if tick > last:
                break
            wanted += [(row, STATES.get(row, step.state), tick, step.verdict or "")
                       for row in step.rows]  # fmt: skip
            orders += [(ORDERS[row], plan.amount_minor) for row in step.rows if row in ORDERS]
            steps += 1
        return wanted, orders, steps

    def _tick(self, number: int, step: Step, moment: int, found: int) -> int:
        """The tick that must decide; after an outage the first one that was handled."""
        right = self.world.first_tick(moment)
        if self.outage is None or number not in self.outage.numbers:
            return right
        if right not in self.outage.ticks:
            return right
        known = self.world.first_tick(max(step.known or moment, self.outage.ticks[0]))
        for tick in self.handled.get(number, ()):
            if tick in self.outage.ticks and tick >= known and (tick >= right or tick == found):
                self.moved += tick != right
                return tick
        return right


STATES = {7: "MATCHED", 11: "APPROVED"}
"""Rows on the way of a step."""
ORDERS = {4: "RELEASE", 8: "RELEASE", 34: "RELEASE", 21: "PAY", 26: "QUERY", 46: "QUERY"}
