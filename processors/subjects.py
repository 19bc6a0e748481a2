"""One subject of a chain: what reaches it, what follows, and how it is shown."""

from decimal import Decimal
from typing import NamedTuple

from immutables import Map
from msgspec import Struct

from supplytwin.processors.consignment import Tally
from supplytwin.processors.facts import Identity
from supplytwin.processors.sequence import NOTHING, Ordered
from supplytwin.processors.standing import Accumulator, Problem
from supplytwin.schemas.events import ShipmentDelivered


class SubjectKey(NamedTuple):
    subject_type: str
    subject_id: str


class Subject(Struct, frozen=True, kw_only=True, gc=False):
    """Everything known about one subject, of any type; only some types have a lifecycle."""

    members: Map[Identity, None] = Map()
    """Identities of which any version has this subject or a ref to it."""
    ordered: Ordered = NOTHING
    effective: int = 0
    """How many versions that count reach it; 0 = nothing is left of it."""
    conflicts: frozenset[Identity] = frozenset()
    links: Map[SubjectKey, int] = Map()
    """By how many facts: a consignment's lines and declarations, and the other way round."""
    tally: Tally = Tally()
    """A consignment's lines."""
    stated: bool = False
    """A delivery was stated of it at some time, whether or not it still counts."""
    deliveries: tuple[ShipmentDelivered, ...] = ()
    """The actual ones that count, by their subject, source and event id."""
    inferred: int = 0
    """How many actual facts that count were inferred by their source."""

    @property
    def value(self) -> Accumulator:
        """What its own facts add up to; for a consignment without its lines."""
        return self.ordered.value

    @property
    def state(self) -> str | None:
        """Its lifecycle state; a consignment's is the least of its lines'."""
        return self.ordered.value.state or self.tally.state

    @property
    def codes(self) -> frozenset[str]:
        """Milestones that it has reached; a consignment also has those that every line has."""
        return frozenset(self.ordered.value.milestones) | self.tally.complete

    @property
    def delay_days(self) -> int | None:
        """Days late (negative: early); a consignment's is the largest of its lines'."""
        own = self.ordered.value.delay_days
        return self.tally.delay_days if own is None else own

    @property
    def late(self) -> bool:
        return self.ordered.value.late or self.tally.late

    @property
    def flags(self) -> frozenset[str]:
        """What to know before trusting its figures."""
        named = (
            ("inferred", bool(self.value.inferred)),
            ("conflict", bool(self.conflicts)),
            ("partial", self.tally.partial),
            ("late", self.late),
        )
        return self.value.flags | {name for name, on in named if on}

    def linked(self, subject_type: str) -> list[str]:
        """Ids of the subjects of this type that it is linked with, sorted."""
        return sorted(key.subject_id for key in self.links if key.subject_type == subject_type)


def decimal_text(amount: Decimal) -> str:
    """One spelling for one number: no exponent, no trailing zeros, no minus zero."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def canonical_problem(problem: Problem) -> list[str]:
    """What identifies an exception in the canonical state: its words may be improved."""
    return [problem.code, problem.source, problem.event_id]


def canonical_subject(key: SubjectKey, subject: Subject) -> dict[str, object]:
    """The subject without its history, as JSON: lists sorted, no arrival, no float."""
    value = subject.value
    codes = {code: [r.source, r.event_id, r.event_time] for code, r in value.milestones.items()}
    return {
        "subject": list(key),
        "state": subject.state,
        "inferred": sorted(value.inferred),
        "revoked": value.revoked,
        "holds": sorted(value.holds),
        "invoices": sorted(value.invoices),
        "milestones": {code: codes.get(code) for code in sorted(subject.codes)},
        "quantities": [
            None if value.ordered is None else decimal_text(value.ordered),
            *map(decimal_text, (value.received, value.reversed, value.on_hand, value.reserved)),
        ],
        "pieces": value.pieces,
        "duty": [
            {currency: decimal_text(amount) for currency, amount in sorted(amounts.items())}
            for amounts in (value.assessed, value.paid)
        ],
        "bonded": value.bonded,
        "planned": value.planned and value.planned.time,
        "eta": value.eta and value.eta.time,
        "delivered": value.delivered and value.delivered.time,
        "delay_days": subject.delay_days,
        "flags": sorted(subject.flags),
        "links": sorted(list(other) for other in subject.links),
        "exceptions": sorted(map(canonical_problem, value.exceptions)),
    }
