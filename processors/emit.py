"""Writes what one input did: journal entries, each with the derived records that it causes.

Every derived record is placed: (chain_id, seq of its journal entry, index within that entry).
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from supplytwin.processors import custody
from supplytwin.processors.twin import Taken
from supplytwin.schemas import avro, codec
from supplytwin.schemas.flow import Input, Output, Record
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import (
    CONTROL,
    EXCEPTIONS,
    JOURNAL,
    MILESTONES,
    SETTLEMENT_EVENTS,
    ExceptionRecord,
    Milestone,
    SettlementEvent,
)


class Emitter:
    """Collects the entries and outputs of one step of one chain; `head` moves with every entry."""

    def __init__(
        self, chain_id: str, head: custody.Head, *, fold_version: str, timeline: str, taken_at: int
    ) -> None:
        self.chain_id = chain_id
        self.head = head
        self.taken_at = taken_at
        self.entries: list[Output] = []
        self.outputs: list[Output] = []
        self.index = 0
        self._fold_version = fold_version
        self._timeline = timeline

    def take(self, kind: str, item: Input) -> int:
        """Write the entry of an accepted input; returns its seq."""
        return self._entry(kind, item.record.value or b"", item.fingerprint, item.record)

    def decide(self, transition: Mapping[str, Any]) -> SettlementEvent:
        """Write a DECISION and its settlement event: one record, the same bytes in both."""
        event = SettlementEvent(**self.common(seq=self.head.seq + 1, index=0), **transition)
        value = codec.encode(SETTLEMENT_EVENTS, event)
        self._entry("DECISION", value, avro.fingerprint_of(SETTLEMENT_EVENTS), None)
        self.index = 1
        self.outputs.append(Output(topic=SETTLEMENT_EVENTS, key=self.chain_id, value=value))
        return event

    def restate(self, body: bytes) -> int:
        """Write the CONTROL entry of a restatement, which has no input; returns its seq."""
        return self._entry("CONTROL", body, avro.fingerprint_of(CONTROL), None)

    def close(self, body: bytes) -> int:
        """Write the CLOSED entry: the chain leaves memory. It has no source; its body is empty, or
        says by which keys the chain was decided (`settlement_known.judged_by`).
        """
        return self._entry("CLOSED", body, 0, None)

    def _entry(self, kind: str, body: bytes, fingerprint: int, record: Record | None) -> int:
        self.head, value = custody.append(
            self.head,
            chain_id=self.chain_id,
            kind=kind,
            record=record,
            fingerprint=fingerprint,
            taken_at=self.taken_at,
            fold_version=self._fold_version,
            timeline=self._timeline,
            body=body,
        )
        self.index = 0
        self.entries.append(Output(topic=JOURNAL, key=self.chain_id, value=value))
        return self.head.seq

    def report(self, taken: Taken) -> None:
        """The milestones and exceptions of the fact that the entry written last took."""
        for reached in taken.milestones:
            record = Milestone(
                chain_id=self.chain_id,
                seq=self.head.seq,
                index=self.index,
                fold_version=self._fold_version,
                taken_at=Micros(self.taken_at),
                timeline=self._timeline,
                subject_type=reached.subject_type,
                subject_id=reached.subject_id,
                code=reached.code,
                reached=reached.reached,
                source=reached.source,
                event_id=reached.event_id,
                event_time=Micros(reached.event_time),
                arrival=Micros(reached.arrival),
                reason=reached.reason,
                spread_hours=reached.spread_hours,
            )
            self._place(MILESTONES, record)
        for found in taken.exceptions:
            self.derive(EXCEPTIONS, ExceptionRecord, **asdict(found))

    def derive(self, topic: str, struct: type[Struct], /, **fields: Any) -> None:
        """One derived record of the entry written last."""
        self._place(topic, struct(**self.common(seq=self.head.seq, index=self.index), **fields))

    def _place(self, topic: str, record: Struct) -> None:
        self.index += 1
        value = codec.encode(topic, record)
        self.outputs.append(Output(topic=topic, key=self.chain_id, value=value))

    def common(self, *, seq: int, index: int) -> dict[str, Any]:
        """The fields that every derived record starts with."""
        return {
            "chain_id": self.chain_id,
            "seq": seq,
            "index": index,
            "fold_version": self._fold_version,
            "taken_at": self.taken_at,
            "timeline": self._timeline,
        }


def silent(topic: str, struct: type[Struct], /, **fields: object) -> None:
    """At restore the records are already in their topics."""
