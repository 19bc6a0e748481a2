"""The summary at the end of a demo: counted in the DuckDB file, hashed from the journal."""

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct

from supplytwin.processors import chain
from supplytwin.schemas.flow import Record
from supplytwin.schemas.money import from_minor
from supplytwin.schemas.records import JOURNAL
from supplytwin.sinks.query import query
from supplytwin.streams.conductor import OpenClaim, Played
from supplytwin.streams.ports import Broker, Eof, TopicPartition

PAID = frozenset(("SETTLED", "RETURNED"))


class Carbon(Struct, frozen=True, kw_only=True):
    """Footprints over all consignments; `why_not` counts consignments by what is missing."""

    consignments: int
    computed: int
    not_computed: int
    share_not_computed: str
    tonnes_co2e: str
    why_not: dict[str, int]


class Settled(Struct, frozen=True, kw_only=True):
    """Claims in one state, in one currency; the amount in its major unit."""

    state: str
    currency: str
    claims: int
    amount: str


class Summary(Struct, frozen=True, kw_only=True):
    """What a demo says at its end."""

    broker: str
    broker_version: str
    duration_s: float
    rounds: int
    chains: int
    consignments: int
    lines: int
    events_in: int
    journal_entries: int
    quarantined: int
    carbon: Carbon
    instructed: list[Settled]
    """Claims for which a PAY was issued, by currency, whatever became of them."""
    settlements: list[Settled]
    open_claims: list[OpenClaim]
    hash_states: str
    hash_settlements: str
    database: str
    queries: list[str]


def queries(database: Path) -> list[str]:
    """Three to try."""
    command = f"supplytwin sql --db {database}"
    return [
        f'{command} "SELECT mode, count(*) FILTER (late) AS late, count(*) AS lines '
        'FROM late_line GROUP BY mode ORDER BY lines DESC"',
        f'{command} "SELECT state, count(*) AS claims, sum(amount_minor) / 100 AS usd '
        'FROM settlement GROUP BY state ORDER BY claims DESC"',
        f'{command} "SELECT source_topic, code, count(*) FROM quarantine GROUP BY ALL"',
    ]


def summarise(
    broker: Broker,
    *,
    how: str,
    partitions: int,
    database: Path,
    played: Played,
    seconds: float,
) -> Summary:
    """Count in the file, fold the journal once more, and put both together."""
    hashes = fold_journal(broker, partitions)

    def ask(text: str) -> list[list[Any]]:
        return query(database, text).rows

    def one(text: str) -> int:
        return int(ask(text)[0][0])

    return Summary(
        broker=how,
        broker_version=broker.version(),
        duration_s=round(seconds, 1),
        rounds=played.rounds,
        chains=hashes.chains,
        consignments=one("SELECT count(*) FROM twin_state WHERE subject_type = 'CONSIGNMENT'"),
        lines=one("SELECT count(*) FROM twin_state WHERE subject_type = 'ORDER_LINE'"),
        events_in=played.records,
        journal_entries=hashes.entries,
        quarantined=one("SELECT count(*) FROM quarantine"),
        carbon=_carbon(ask),
        instructed=_instructed(ask),
        settlements=_settled(ask),
        open_claims=list(played.open_claims),
        hash_states=hashes.states,
        hash_settlements=hashes.settlements,
        database=str(database),
        queries=queries(database),
    )


def _carbon(ask: Any) -> Carbon:
    computed, total = 0, Decimal(0)
    why: dict[str, int] = {}
    missing_of = ask("SELECT complete, co2e_wtw_kg, missing FROM current_footprint")
    for complete, kg, missing in missing_of:
        if complete:
            computed += 1
            total += Decimal(kg)
        for code in {str(one).partition(":")[0] for one in missing or ()}:
            why[code] = why.get(code, 0) + 1
    consignments = len(missing_of)
    left = consignments - computed
    share = Decimal(left) / Decimal(consignments or 1) * 100
    return Carbon(
        consignments=consignments,
        computed=computed,
        not_computed=left,
        share_not_computed=f"{share:.1f} %",
        tonnes_co2e=f"{total / 1000:.1f}",
        why_not=dict(sorted(why.items())),
    )


def _instructed(ask: Any) -> list[Settled]:
    return _amounts(
        ask(
            "SELECT 'INSTRUCTED', currency, count(*), sum(amount_minor)::BIGINT FROM "
            "(SELECT DISTINCT settlement_id, currency, amount_minor FROM settlement_instruction "
            "WHERE kind = 'PAY') GROUP BY ALL ORDER BY currency"
        )
    )


def _settled(ask: Any) -> list[Settled]:
    return _amounts(
        ask(
            "SELECT state, currency, count(*), sum(amount_minor)::BIGINT FROM settlement "
            "GROUP BY ALL ORDER BY count(*) DESC, state"
        )
    )


def _amounts(rows: list[list[Any]]) -> list[Settled]:
    return [
        Settled(
            state=state,
            currency=currency,
            claims=claims,
            amount=str(from_minor(int(minor), currency)),
        )
        for state, currency, claims, minor in rows
    ]


class Hashes(Struct, frozen=True, kw_only=True):
    """Hex SHA-256 over the canonical states, and over the set of (settlement id, amount,
    currency).
    """

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
        if claim.state in PAID
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
    """Every committed record of a topic, partition by partition up to the ends seen at the
    start.
    """
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
