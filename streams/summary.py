"""The summary at the end of a demo: counted in the DuckDB file, hashed from the journal."""

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec import Struct

from supplytwin.processors import chain
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import SECOND_US
from supplytwin.schemas.money import from_minor
from supplytwin.schemas.records import JOURNAL
from supplytwin.sinks.query import Result, query
from supplytwin.streams.ports import Broker, Eof, TopicPartition

EPOCH_DAY_US = 24 * 3600 * SECOND_US


class Hashes(Struct, frozen=True, kw_only=True):
    """Hex SHA-256 over the canonical states, and over the set of (settlement id, amount, currency)."""

    states: str
    settlements: str
    chains: int
    entries: int


def fold_journal(broker: Broker, partitions: int) -> Hashes:
    """Fold the whole journal again, checking every link, and hash what comes out.

    The same twins give the same hashes whatever broker, partition count or order of arrival.
    """
    fold = chain.ChainFold("")
    states: dict[str, chain.ChainState] = {}
    entries = 0
    for record in read_all(broker, JOURNAL, partitions):
        key = (record.key or b"").decode()
        states[key] = fold.restore(states.get(key) or fold.new(key), record)
        entries += 1
    return hash_states(states.values(), entries)


def hash_states(states: Iterable[chain.ChainState], entries: int = 0) -> Hashes:
    """Hashes over chains in the order of their ids; control chains are not twins."""
    twins = sorted(
        (state for state in states if not state.chain_id.startswith("@")),
        key=lambda state: state.chain_id,
    )
    of_states, of_settlements = hashlib.sha256(), hashlib.sha256()
    paid = sorted(
        (claim.settlement_id, claim.amount_minor, claim.currency)
        for state in twins
        for claim in state.book.claims.values()
        if claim.state in {"SETTLED", "RETURNED"}
    )
    for state in twins:
        of_states.update(f"{state.chain_id} {chain.canonical_hash(state)}\n".encode())
    for settlement_id, amount, currency in paid:
        of_settlements.update(f"{settlement_id} {amount} {currency}\n".encode())
    return Hashes(
        states=of_states.hexdigest(),
        settlements=of_settlements.hexdigest(),
        chains=len(twins),
        entries=entries,
    )


def read_all(broker: Broker, topic: str, partitions: int) -> Iterable[Record]:
    """Every committed record of a topic, partition by partition up to the ends seen at the start."""
    admin = broker.admin()
    places = [TopicPartition(topic, number) for number in range(partitions)]
    ends = admin.ends(places, "read_committed")
    consumer = broker.consumer(None, from_start=True)
    try:
        left = {at for at, end in ends.items() if end > 0}
        consumer.assign(dict.fromkeys(places, 0))
        while left:
            for item in consumer.consume(5000, 0.5):
                at = TopicPartition(item.topic, item.partition)
                if isinstance(item, Eof):
                    if item.offset >= ends[at]:
                        left.discard(at)
                    continue
                yield item
                if item.offset + 1 >= ends[at]:
                    left.discard(at)
    finally:
        consumer.close()
        admin.close()
