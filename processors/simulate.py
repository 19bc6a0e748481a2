"""Chains that never were, in any number, and what must be true of them at the end: their ledger.

Everything follows from SHA-256(seed, chain, name): the same arguments give the same messages. Every
source is called `simulated:…`. A chain has one contract; each of its consignments has a claim,
customs, one to three lines and, up to the wanted number of facts, ETAs. What goes wrong is drawn
for each consignment: late (happened after the deadline, or arrived after the close), revoked (and
released again, or not), corrected (a revision, a retraction, a replacement); duplicates for each
message. Also here: other orders of the same messages (`shuffled`, `duplicated`).
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import simulate_events as tell
from supplytwin.processors.simulate_events import Consignment, Draw, Line
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros, settlement_id

START: Micros = Micros(1_704_067_200 * SECOND_US)
"""2024-01-01T00:00:00Z."""
SPACING_US = HOUR_US // 2
"""Between the starts of two chains: what bounds how many are under way at one time."""
FACTS_MIN, SEED_MAX = 10, 10**15
_LINE_FACTS, _CUSTOMS_FACTS, _LINES_MAX, _CONSIGNMENT_FACTS = 5, 5, 3, 20
_CURRENCIES = ("USD", "EUR", "CNY", "JPY", "KWD")
_MODES = ("AIR", "SEA", "ROAD")
_SITES = ("Roche Basel", "Cipla, Goa, India", "Strides, Bangalore, India.", "GSK Ware (UK)")
_COUNTRIES = ("Kenya", "Zambia", "Nigeria", "Vietnam", "Haiti")
Outcome = Literal["PAY", "EXPIRE"]


class Settlement(Struct, frozen=True, kw_only=True, gc=False):
    """What becomes of a claim when the rail does its part.

    PAY = the condition comes true in time: once the money is reserved exactly one payment of this
    amount is due. EXPIRE = it never does: nothing may be paid, and the claim ends EXPIRED, at the
    latest at its long stop.
    """

    settlement_id: str
    claim_id: str
    outcome: Outcome
    amount_minor: int
    currency: str


class ChainLedger(Struct, frozen=True, kw_only=True):
    """What must be true of one chain."""

    chain_id: str
    messages: int
    """Contract and duplicates included."""
    duplicates: int
    versions: int
    """Distinct (identity, revision): the FACT entries when messages come in order of arrival."""
    identities: int
    milestones: Mapping[str, int]
    """``SUBJECT_TYPE.CODE`` -> how many subjects have reached it at the end."""
    settlements: tuple[Settlement, ...]


class Ledger(Struct, frozen=True, kw_only=True):
    """What must be true of all chains: the totals, then chain by chain."""

    seed: int
    chains: int
    messages: int
    duplicates: int
    versions: int
    identities: int
    milestones: Mapping[str, int]
    outcomes: Mapping[str, int]
    payable_minor: Mapping[str, int]
    """Currency -> sum of what is to be paid, minor units."""
    of_chains: tuple[ChainLedger, ...]


class Plan(Struct, frozen=True, kw_only=True):
    """The arguments of `chains`."""

    chains: int
    seed: int
    facts_per_chain: int
    late: float
    duplicates: float
    corrections: float
    revocations: float
    start: Micros
    spacing_us: int


class Made(Struct, frozen=True, kw_only=True):
    """Messages to send and what they lead to; both are made when they are asked for."""

    plan: Plan

    @property
    def messages(self) -> Iterator[Message]:
        """All messages in the order of arrival. In memory: those of the chains under way."""
        return _merged(self.plan)

    def chain(self, number: int) -> ChainLedger:
        """What must be true of one chain, from 0."""
        return _chain(self.plan, number)[1]

    @property
    def ledger(self) -> Ledger:
        """What must be true of all chains; about 1 kB for each, so ask `chain` in large runs."""
        found = tuple(self.chain(number) for number in range(self.plan.chains))
        payable: Counter[str] = Counter()
        outcomes: Counter[str] = Counter()
        milestones: Counter[str] = Counter()
        for one in found:
            milestones.update(one.milestones)
            for claim in one.settlements:
                outcomes[claim.outcome] += 1
                if claim.outcome == "PAY":
                    payable[claim.currency] += claim.amount_minor
        return Ledger(
            seed=self.plan.seed,
            chains=self.plan.chains,
            messages=sum(one.messages for one in found),
            duplicates=sum(one.duplicates for one in found),
            versions=sum(one.versions for one in found),
            identities=sum(one.identities for one in found),
            milestones=dict(sorted(milestones.items())),
            outcomes=dict(sorted(outcomes.items())),
            payable_minor=dict(sorted(payable.items())),
            of_chains=found,
        )


def chains(
    count: int,
    seed: int,
    *,
    facts_per_chain: int = 20,
    late: float = 0.0,
    duplicates: float = 0.0,
    corrections: float = 0.0,
    revocations: float = 0.0,
    start: Micros = START,
    spacing_us: int = SPACING_US,
) -> Made:
    """`count` complete chains. Shares are from 0 to 1. Raises UsageError for impossible arguments.

    `facts_per_chain` counts neither corrections nor revocations nor duplicates.
    """
    shares = {
        "late": late,
        "duplicates": duplicates,
        "corrections": corrections,
        "revocations": revocations,
    }
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise UsageError(f"{name} is {share}: give a share from 0 to 1")
    if count < 0 or abs(seed) >= SEED_MAX:
        raise UsageError(
            f"chains must not be negative, the seed must have at most 15 digits: {seed}"
        )
    if facts_per_chain < FACTS_MIN:
        raise UsageError(f"a complete chain has at least {FACTS_MIN} facts, not {facts_per_chain}")
    if spacing_us <= 0 or spacing_us % 1000 or start % 1000:
        raise UsageError("start and spacing must be whole ms, and the spacing positive")
    plan = Plan(
        chains=count,
        seed=seed,
        facts_per_chain=facts_per_chain,
        start=start,
        spacing_us=spacing_us,
        **shares,
    )
    return Made(plan=plan)


def _merged(plan: Plan) -> Iterator[Message]:
    """No message of a chain arrives before the chain starts, and chains start in their order."""
    waiting: list[tuple[int, int, int, Message]] = []
    for number in range(plan.chains):
        begins = plan.start + number * plan.spacing_us
        while waiting and waiting[0][0] < begins:
            yield heapq.heappop(waiting)[3]
        for at, message in enumerate(_chain(plan, number)[0]):
            heapq.heappush(waiting, (message.arrival, number, at, message))
    while waiting:
        yield heapq.heappop(waiting)[3]


# ---- one chain


def _chain(plan: Plan, number: int) -> tuple[list[Message], ChainLedger]:
    """The messages of a chain, unordered, and what must be true of it."""
    draw = Draw(plan.seed, number)
    chain_id = f"SIM-{plan.seed}-{number:08d}"
    begins = plan.start + number * plan.spacing_us
    currency = draw.one_of(_CURRENCIES, "currency")
    parts = max(1, plan.facts_per_chain // _CONSIGNMENT_FACTS)
    share, rest = divmod(plan.facts_per_chain, parts)
    parcels = [
        _consignment(plan, draw, chain_id, begins, part, share + (rest if part == 0 else 0))
        for part in range(parts)
    ]
    sent = [tell.contract(chain_id, begins, currency, parcels)]
    for parcel in parcels:
        sent += tell.consignment(chain_id, begins, currency, parcel)
    facts = sent[1:]
    repeats = [
        replace(message, arrival=message.arrival + draw.whole_ms(3 * DAY_US, f"again{at}"))
        for at, message in enumerate(sent)
        if draw.chance(plan.duplicates, f"duplicate{at}")
    ]
    found: list[Any] = [message.body for message in facts]
    ledger = ChainLedger(
        chain_id=chain_id,
        messages=len(sent) + len(repeats),
        duplicates=len(repeats),
        versions=len({(event.source, event.event_id, event.revision) for event in found}),
        identities=len({(event.source, event.event_id) for event in found}),
        milestones=_milestones(parcels),
        settlements=tuple(
            Settlement(
                settlement_id=settlement_id(chain_id, tell.TRANCHE, parcel.claim_id),
                claim_id=parcel.claim_id,
                outcome=_outcome(parcel),
                amount_minor=parcel.amount_minor,
                currency=currency,
            )
            for parcel in parcels
        ),
    )
    return sent + repeats, ledger


def _consignment(
    plan: Plan, draw: Draw, chain_id: str, begins: int, part: int, facts: int
) -> Consignment:
    name = f"A{part + 1}"
    consignment_id = f"{chain_id}-{name}"
    room = (facts - _CUSTOMS_FACTS) // _LINE_FACTS
    count = 1 + draw.below(min(room, _LINES_MAX), f"{name}lines")
    lines = tuple(
        Line(
            line_id=f"{consignment_id}-L{at + 1}",
            qty=Decimal(10 + draw.below(490, f"{name}qty{at}")),
            price_minor=100 + draw.below(24_900, f"{name}price{at}"),
            mass_kg=Decimal(5 + draw.below(2_000, f"{name}mass{at}")),
        )
        for at in range(count)
    )
    planned = begins + 10 * DAY_US + draw.whole_ms(10 * DAY_US, f"{name}planned")
    late: Literal["HAPPENED", "ARRIVED"] | None = None
    if draw.chance(plan.late, f"{name}late"):
        late = draw.one_of(("HAPPENED", "ARRIVED"), f"{name}how late")
    revoked: Literal["FOR_GOOD", "FOR_NOW"] | None = None
    if draw.chance(plan.revocations, f"{name}revoked"):
        revoked = draw.one_of(("FOR_GOOD", "FOR_NOW"), f"{name}how revoked")
    corrected: Literal["REVISION", "RETRACT", "SUPERSEDE"] | None = None
    if draw.chance(plan.corrections, f"{name}corrected"):
        corrected = draw.one_of(("REVISION", "RETRACT", "SUPERSEDE"), f"{name}how corrected")
    return Consignment(
        claim_id=name,
        consignment_id=consignment_id,
        lines=lines,
        etas=facts - _CUSTOMS_FACTS - _LINE_FACTS * count,
        mode=draw.one_of(_MODES, f"{name}mode"),
        site=draw.one_of(_SITES, f"{name}site"),
        country=draw.one_of(_COUNTRIES, "country"),
        planned=planned,
        late=late,
        revoked=revoked,
        corrected=corrected,
        draw=draw,
    )


# ---- what must be true at the end


def _outcome(parcel: Consignment) -> Outcome:
    return "EXPIRE" if parcel.late or parcel.revoked == "FOR_GOOD" else "PAY"


def _milestones(parcels: Iterable[Consignment]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for parcel in parcels:
        lines = len(parcel.lines)
        for code in ("ORDER_PLACED", "DEPARTED", "DELIVERED", "RECEIVED_WH"):
            found[f"ORDER_LINE.{code}"] += lines
            found[f"CONSIGNMENT.{code}"] += 1
        found["LOT.RECEIVED_WH"] += lines
        for code in ("CUSTOMS_FILED", "CUSTOMS_ACCEPTED", "DUTY_DUE", "DUTY_OK"):
            found[f"DECLARATION.{code}"] += 1
        if parcel.revoked != "FOR_GOOD":
            for code in ("CUSTOMS_RELEASED", "FREE_TO_DELIVER"):
                found[f"DECLARATION.{code}"] += 1
    return dict(sorted(found.items()))


# ---- other orders of the same messages


def _keyed(seed: int, at: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{at}".encode()).digest()


def shuffled(messages: Iterable[Message], interval_us: int, seed: int) -> Iterator[Message]:
    """The same messages in another order within each tick interval (previous < arrival <= tick).

    They keep their arrivals. `messages` come interval by interval.
    """
    batch: list[tuple[bytes, Message]] = []
    tick = 0
    for at, message in enumerate(messages):
        own = -(-message.arrival // interval_us) * interval_us
        if own < tick:
            raise UsageError(f"message {at} arrives before the interval that it stands in")
        if own > tick:
            yield from _in_key_order(batch)
            batch, tick = [], own
        batch.append((_keyed(seed, at), message))
    yield from _in_key_order(batch)


def _in_key_order(batch: list[tuple[bytes, Message]]) -> Iterator[Message]:
    return (message for _, message in sorted(batch, key=lambda pair: pair[0]))


def duplicated(messages: Iterable[Message], seed: int, share: float = 1.0) -> Iterator[Message]:
    """The same messages, a share of them (by default every one) twice, with the same arrival."""
    for at, message in enumerate(messages):
        yield message
        if int.from_bytes(_keyed(seed, at)[:8], "big") < share * 2**64:
            yield message
