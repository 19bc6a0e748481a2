"""What the watch side-car shows: the newest alerts, and where each chain stands. Pure, bounded.

As long as nothing is forgotten, both are functions of the set of records taken: the order of
partitions and records read twice change nothing. So reading the topics again rebuilds them.
"""

import heapq
from bisect import bisect_left
from typing import Any

from msgspec import Struct, structs

from supplytwin.schemas import codec
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import (
    EXCEPTIONS,
    SETTLEMENT_EVENTS,
    ExceptionRecord,
    SettlementEvent,
)

TOPICS = (EXCEPTIONS, SETTLEMENT_EVENTS)
CLAIM = "CLAIM"
"""Subject type of what concerns one claim; its subject id is the settlement id."""
ALERT_STATES = frozenset(
    ("HELD", "DISPUTED", "IN_DOUBT", "CANCEL_PENDING", "RETURNED", "EXPIRED", "VOIDED")
)  # fmt: skip
"""A claim that enters one of these needs a person, or will not be paid as agreed."""
MONEY_BACK = "MONEY_BACK"
"""Code of a return that moves no claim to RETURNED: a part, or one after the end."""
CHAINS_MAX = 10_000
THINGS_MAX = 1_000
"""Claims and exceptions kept for one chain."""

Place = tuple[int, int]
"""(seq, index): where a record stands in what its chain said."""


class Alert(Struct, frozen=True, kw_only=True, gc=False):
    """One thing that an operator should see. (chain_id, seq, index) is its identity.

    `code` = the exception's code; of a transition its new state, or MONEY_BACK. `taken_at` = tick
    time of the journal entry that caused it, us UTC.
    """

    chain_id: str
    seq: int
    index: int
    taken_at: Micros
    topic: str
    code: str
    subject_type: str
    subject_id: str
    reason: str
    source: str | None = None
    event_id: str | None = None
    contract_id: str | None = None
    tranche_id: str | None = None
    claim_id: str | None = None
    from_state: str | None = None
    to_state: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


def alert_of(message: Struct) -> Alert | None:
    """The alert that a record is, or None. An alarm of a claim comes as an exception of its own."""
    match message:
        case ExceptionRecord(open=True):
            return Alert(
                **_place(message),
                topic=EXCEPTIONS,
                code=message.code,
                subject_type=message.subject_type,
                subject_id=message.subject_id,
                reason=message.reason,
                source=message.source,
                event_id=message.event_id,
            )
        case SettlementEvent():
            code = _code(message)
            if code is None:
                return None
            return Alert(
                **_place(message),
                topic=SETTLEMENT_EVENTS,
                code=code,
                subject_type=CLAIM,
                subject_id=message.settlement_id,
                reason=message.reason,
                contract_id=message.contract_id,
                tranche_id=message.tranche_id,
                claim_id=message.claim_id,
                from_state=message.from_state,
                to_state=message.to_state,
                amount_minor=message.amount_minor,
                currency=message.currency,
            )
        case _:
            return None


def _place(message: ExceptionRecord | SettlementEvent) -> dict[str, Any]:
    return {name: getattr(message, name) for name in ("chain_id", "seq", "index", "taken_at")}


def _code(event: SettlementEvent) -> str | None:
    """Staying in a state is no alert: what is wrong then comes as an alarm."""
    if event.to_state in ALERT_STATES and event.to_state != event.from_state:
        return event.to_state
    if any(posting.startswith("seller;-") for posting in event.postings):
        return MONEY_BACK
    return None


def _order(alert: Alert) -> tuple[int, str, int, int]:
    """Tick time first: partitions are read one after the other, however old their records are."""
    return alert.taken_at, alert.chain_id, alert.seq, alert.index


class _Chain:
    """The newest record about each claim and each exception of one chain."""

    __slots__ = ("claims", "exceptions", "taken_at", "whole")

    def __init__(self, *, whole: bool) -> None:
        self.claims: dict[str, SettlementEvent] = {}
        self.exceptions: dict[tuple[str, ...], ExceptionRecord] = {}
        """By subject, code and event: closed ones stay, or reading again would open them."""
        self.taken_at = 0
        self.whole = whole

    def take(self, message: ExceptionRecord | SettlementEvent, things_max: int) -> None:
        self.taken_at = max(self.taken_at, message.taken_at)
        if isinstance(message, SettlementEvent):
            _keep_newer(self.claims, message.settlement_id, message)
        else:
            _keep_newer(self.exceptions, _identity(message), message)
        if len(self.claims) + len(self.exceptions) > things_max:
            self._shrink(things_max * 9 // 10)

    def _shrink(self, left: int) -> None:
        """Closed exceptions go first, then what is oldest; the chain is no longer whole then."""
        things: list[tuple[bool, Place, bool, Any]] = [
            (one.open, (one.seq, one.index), False, key) for key, one in self.exceptions.items()
        ]
        things += [(True, (one.seq, one.index), True, key) for key, one in self.claims.items()]
        things.sort(key=lambda thing: thing[:2])
        for _, _, claim, key in things[: len(things) - left]:
            if claim:
                del self.claims[key]
            else:
                del self.exceptions[key]
        self.whole = False

    def superseded(self, alert: Alert) -> bool:
        """Whether a newer record says something else about what the alert is about."""
        place = (alert.seq, alert.index)
        claim = self.claims.get(alert.subject_id) if alert.subject_type == CLAIM else None
        if claim is not None and claim.seq > alert.seq and claim.cause_seq != alert.seq:
            return True  # alarms of a claim are never closed: the claim has moved on
        if alert.topic == SETTLEMENT_EVENTS:
            return False
        one = self.exceptions.get(_identity(alert))
        return one is not None and (one.seq, one.index) > place


def _identity(one: ExceptionRecord | Alert) -> tuple[str, ...]:
    return (one.subject_type, one.subject_id, one.code, one.source or "", one.event_id or "")


def _keep_newer(kept: dict[Any, Any], key: object, one: ExceptionRecord | SettlementEvent) -> None:
    old = kept.get(key)
    if old is None or (old.seq, old.index) < (one.seq, one.index):
        kept[key] = one


class Views:
    """Everything in memory: the newest `alerts_max` alerts, the newest `chains_max` chains."""

    def __init__(
        self, alerts_max: int, *, chains_max: int = CHAINS_MAX, things_max: int = THINGS_MAX
    ) -> None:
        self._alerts_max = alerts_max
        self._chains_max = chains_max
        self._things_max = things_max
        self._alerts: list[Alert] = []
        self._chains: dict[str, _Chain] = {}
        self._next: dict[tuple[str, int], int] = {}
        self._forgot = False
        self.records = 0
        self.undecodable = 0
        self.newest: Micros | None = None
        """Kafka's time of the newest record, us UTC."""

    def take(self, record: Record) -> Alert | None:
        """Take one record; the alert that it is, if that is new.

        A record at or before one taken of its partition changes nothing (after a rebalance they
        come again). Raises RecordError for one that cannot be decoded; it is counted.
        """
        if record.offset < self.next_of(record.topic, record.partition):
            return None
        self._next[record.topic, record.partition] = record.offset + 1
        self.records += 1
        self.newest = Micros(max(record.arrival, self.newest or 0))
        try:
            message = codec.decode(record.topic, record.value or b"").message
        except Exception:
            self.undecodable += 1
            raise
        return self.follow(message)

    def next_of(self, topic: str, partition: int) -> int:
        """The offset after the last record that was taken of a partition."""
        return self._next.get((topic, partition), 0)

    def follow(self, message: Struct) -> Alert | None:
        """Take a decoded record; the alert that it is, if that is among the newest and new."""
        if not isinstance(message, ExceptionRecord | SettlementEvent):
            return None
        chain = self._chains.get(message.chain_id)
        if chain is None:
            chain = self._chains[message.chain_id] = _Chain(whole=not self._forgot)
        chain.take(message, self._things_max)
        if len(self._chains) > self._chains_max:
            self._forget()
        alert = alert_of(message)
        return alert if alert is not None and self._insert(alert) else None

    def _insert(self, alert: Alert) -> bool:
        place = _order(alert)
        at = bisect_left(self._alerts, place, key=_order)
        if at < len(self._alerts) and _order(self._alerts[at]) == place:
            return False
        if at == 0 and len(self._alerts) >= self._alerts_max:
            return False
        self._alerts.insert(at, alert)
        del self._alerts[: -self._alerts_max]
        return True

    def _forget(self) -> None:
        """A tenth at once, those that were quiet for longest: cheap for each record."""
        many = max(1, len(self._chains) - self._chains_max * 9 // 10)
        quiet = heapq.nsmallest(
            many, self._chains, key=lambda one: (self._chains[one].taken_at, one)
        )
        for name in quiet:
            del self._chains[name]
        self._forgot = True

    def alerts(self, limit: int) -> list[dict[str, Any]]:
        """At most `limit` alerts, newest first; `superseded` null = its chain is forgotten."""
        found = []
        for alert in reversed(self._alerts[-limit:] if limit > 0 else []):
            chain = self._chains.get(alert.chain_id)
            superseded = None if chain is None else chain.superseded(alert)
            found.append({**structs.asdict(alert), "superseded": superseded})
        return found

    def chain(self, chain_id: str) -> dict[str, Any] | None:
        """Where its claims stand and what is wrong, JSON-able; None when it is not in memory.

        `whole` false = older records about it may have been forgotten.
        """
        chain = self._chains.get(chain_id)
        if chain is None:
            return None
        exceptions = [one for one in chain.exceptions.values() if one.open]
        return {
            "chain_id": chain_id,
            "taken_at": chain.taken_at,
            "whole": chain.whole,
            "claims": [chain.claims[name] for name in sorted(chain.claims)],
            "open_exceptions": sorted(exceptions, key=lambda one: (one.seq, one.index)),
        }

    def counts(self, now: float) -> dict[str, Any]:
        """How much there is, and how old the newest record is at `now` (s since 1970)."""
        age = None if self.newest is None else round(now - self.newest / 1e6, 3)
        return {
            "records": self.records,
            "undecodable": self.undecodable,
            "alerts": len(self._alerts),
            "chains": len(self._chains),
            "newest_record_age_s": age,
        }
