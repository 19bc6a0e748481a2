"""Records as the worker writes them, for the tests of what lands in DuckDB."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from supplytwin.schemas import avro, codec, journal
from supplytwin.schemas.events import (
    ORDERS,
    SHIPMENTS,
    Event,
    OrderInvoiced,
    OrderLine,
    OrderPlaced,
)
from supplytwin.schemas.events import ShipmentDelivered as Delivered
from supplytwin.schemas.flow import Header, Record
from supplytwin.schemas.footprints import Footprint
from supplytwin.schemas.ids import DAY_US, Micros, partition_of
from supplytwin.schemas.records import (
    EXCEPTIONS,
    FOOTPRINTS,
    JOURNAL,
    MILESTONES,
    SETTLEMENT_EVENTS,
    STATE,
    ExceptionRecord,
    Milestone,
    SettlementEvent,
    StateRecord,
)

NOON = Micros(1_400_000_000_000_000)
"""2014-05-13T16:53:20Z"""
PARTITIONS = 3
Ask = Callable[[str], list[tuple[Any, ...]]]
"""The fixture `ask`: rows of a statement."""


class Log:
    """Numbers records by topic and partition, as a broker would."""

    def __init__(self) -> None:
        self.ends: dict[tuple[str, int], int] = {}

    def put(self, topic: str, key: bytes | None, value: bytes | None) -> Record:
        """The record at the end of the key's partition."""
        partition = partition_of(key or b"", PARTITIONS)
        offset = self.ends.get((topic, partition), 0)
        self.ends[(topic, partition)] = offset + 1
        return Record(
            topic=topic, partition=partition, offset=offset, arrival=NOON, key=key, value=value
        )


def grouped(records: Iterable[Record]) -> dict[str, list[Record]]:
    """By topic, as a subscriber hands them over."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.topic, []).append(record)
    return found


class Chain:
    """One chain's journal and what follows from it."""

    def __init__(self, log: Log, chain_id: str) -> None:
        self.log, self.chain_id = log, chain_id
        self.seq, self.hash = 0, journal.GENESIS
        self.index = 0

    def entry(
        self,
        kind: str,
        topic: str | None,
        body: bytes,
        fingerprint: int = 0,
        headers: tuple[Header, ...] = (("trace", b"x"), ("empty", None)),
    ) -> Record:
        """The next entry of the hash chain; `topic` None = a DECISION, which has no source."""
        self.seq, self.index = self.seq + 1, 0
        value, self.hash = journal.encode(
            chain_id=self.chain_id,
            seq=self.seq,
            kind=kind,
            source=None if topic is None else (topic, 1, 100 + self.seq, NOON),
            taken_at=NOON + self.seq,
            fold_version="1",
            timeline="",
            body_fingerprint=fingerprint.to_bytes(8, "little"),
            headers=headers,
            body=body,
            prev_hash=self.hash,
        )
        return self.log.put(JOURNAL, self.chain_id.encode(), value)

    def fact(self, event: Event) -> Record:
        """The journal entry of an accepted event."""
        body = codec.encode(event.TOPIC, event)
        return self.entry("FACT", event.TOPIC, body, avro.fingerprint_of(event.TOPIC))

    def derived(self, topic: str, kind: type[Any], /, **fields: Any) -> Record:
        """A derived record of the last entry."""
        found = kind(**self._common(), **fields)
        return self.log.put(topic, self.chain_id.encode(), codec.encode(topic, found))

    def _common(self) -> dict[str, Any]:
        self.index += 1
        return {
            "chain_id": self.chain_id,
            "seq": self.seq,
            "index": self.index - 1,
            "fold_version": "1",
            "taken_at": Micros(NOON + self.seq),
            "timeline": "",
        }

    def state(self, subject_type: str, subject_id: str, **fields: Any) -> Record:
        """The latest state of a subject."""
        filled: dict[str, Any] = {
            "lifecycle": "DELIVERED", "milestones": ("DELIVERED",), "flags": (), "holds_open": 0,
            "state_hash": "00", **fields,
        }  # fmt: skip
        found = StateRecord(
            **self._common(), subject_type=subject_type, subject_id=subject_id, **filled
        )
        key = f"{self.chain_id}|{subject_type}|{subject_id}".encode()
        return self.log.put(STATE, key, codec.encode(STATE, found))

    def forget(self, subject_type: str, subject_id: str) -> Record:
        """The tombstone of a subject."""
        return self.log.put(STATE, f"{self.chain_id}|{subject_type}|{subject_id}".encode(), None)

    def line(self, line_id: str, *, mode: str | None, asn: str, late_days: int) -> Record:
        """The state of a delivered order line."""
        attributes = [f"consignment={asn}", "to=Haiti"]
        attributes += [] if mode is None else [f"mode_detail={mode}"]
        return self.state(
            "ORDER_LINE",
            line_id,
            planned_time=NOON,
            actual_time=Micros(NOON + late_days * DAY_US),
            delay_days=late_days,
            attributes=tuple(sorted(attributes)),
            qty_ordered="12.5",
        )

    def milestone(self, code: str = "DELIVERED", **fields: Any) -> Record:
        """A milestone of line 1."""
        filled: dict[str, Any] = {
            "subject_type": "ORDER_LINE", "subject_id": "1", "code": code, "reached": True,
            "source": "scms", "event_id": "e1", "event_time": NOON, "arrival": NOON, **fields,
        }  # fmt: skip
        return self.derived(MILESTONES, Milestone, **filled)

    def exception(
        self, code: str, *, open: bool, event_id: str | None = None, reason: str = "because"
    ) -> Record:
        """An exception of line 1."""
        return self.derived(
            EXCEPTIONS, ExceptionRecord, subject_type="ORDER_LINE", subject_id="1", code=code,
            open=open, reason=reason, event_id=event_id,
        )  # fmt: skip

    def footprint(self, version: int, kg: str | None) -> Record:
        """A version of the footprint of consignment ASN-1."""
        return self.derived(
            FOOTPRINTS, Footprint, consignment_id="ASN-1", version=version, previous_version=None,
            complete=kg is not None, input_hash="00", pack="p", pack_version="1", method="m",
            co2e_wtw_kg=kg, missing=() if kg is not None else ("MASS_UNKNOWN:1",),
        )  # fmt: skip

    def settle(self, claim: str, contract_seq: int, state: str) -> Record:
        """A transition of a claim."""
        return self.derived(
            SETTLEMENT_EVENTS, SettlementEvent, contract_id="C", contract_seq=contract_seq,
            settlement_id=f"s-{claim}", tranche_id="T", claim_id=claim, row=1, from_state="",
            to_state=state, public_state=state, cause_chain_id=None, cause_seq=None,
            tick_time=Micros(NOON + contract_seq), rule_version="1", verdict=None,
            evidence_ids=("scms/e1",), amount_minor=1234, currency="USD",
            postings=("buyer;-1234", "seller;1234"), reason=f"to {state}",
        )  # fmt: skip


def envelope(chain_id: str, event_id: str, **fields: Any) -> dict[str, Any]:
    """The envelope of an event about an order line."""
    filled: dict[str, Any] = {
        "event_id": event_id, "source": "scms", "revision": NOON, "classifier": "ACTUAL",
        "event_time": NOON, "event_tz": "+00:00", "time_precision": "DAY", "recorded_time": NOON,
        "chain_id": chain_id, "subject_type": "ORDER_LINE", "subject_id": "1",
        "refs": ("CONSIGNMENT:ASN-1",), **fields,
    }  # fmt: skip
    return filled


def placed(chain_id: str, event_id: str = "e1") -> OrderPlaced:
    """An order of one line: 3 at 1.25."""
    line = OrderLine(line_id="1", sku="kit", qty=Decimal(3), uom="PACK", unit_price=Decimal("1.25"))
    return OrderPlaced(
        **envelope(chain_id, event_id), event_type=OrderPlaced.TYPE, order_id=chain_id,
        buyer="Haiti", seller="maker", currency="USD", order_lines=(line,), incoterm="EXW",
    )  # fmt: skip


def delivered(chain_id: str, event_id: str = "e2", **fields: Any) -> Delivered:
    """A delivery of 12.345 kg by air."""
    filled: dict[str, Any] = {
        "consignment_id": "ASN-1", "receiver": "Haiti", "mode": "AIR", "mode_detail": "Air",
        "mass_kg": Decimal("12.345"), **fields,
    }  # fmt: skip
    return Delivered(**envelope(chain_id, event_id), event_type=Delivered.TYPE, **filled)


def invoiced(chain_id: str, event_id: str, source: str, invoice_id: str) -> OrderInvoiced:
    """An invoice over 1.25."""
    return OrderInvoiced(
        **envelope(chain_id, event_id, source=source), event_type=OrderInvoiced.TYPE,
        invoice_id=invoice_id, amount=Decimal("1.25"), currency="USD",
        due_date=dt.date(2026, 1, 1),
    )  # fmt: skip


def history(log: Log, number: int, facts: int = 2) -> list[Record]:
    """`number` chains, each with `facts` facts, a line, a milestone and a settled claim."""
    found = []
    for at in range(number):
        chain = Chain(log, f"SCMS-{at}")
        found.append(chain.fact(placed(chain.chain_id)))
        found += [chain.fact(delivered(chain.chain_id, f"d{n}")) for n in range(1, facts)]
        mode = ("Air", "Truck", None)[at % 3]
        found.append(chain.line("1", mode=mode, asn=f"ASN-{at // 2}", late_days=at % 5 - 2))
        found += [chain.milestone(), chain.settle("K", 1, "CREATED")]
        decision = codec.encode(ORDERS, placed(chain.chain_id))
        found.append(chain.entry("DECISION", None, decision))
        found.append(chain.settle("K", 2, "SETTLED"))
    return found


def offsets_of(log: Log) -> Mapping[tuple[str, int], int]:
    """Next offsets behind everything in the log."""
    return dict(log.ends)


__all__ = ["ORDERS", "SHIPMENTS"]
