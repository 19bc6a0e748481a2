"""Where claims are read: the topics of a cluster (committed records only), a DuckDB file, an
exported journal. Each gives the same answers as of where it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from supplytwin.processors import timetravel
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.custody import verify
from supplytwin.processors.settlement_asked import Known
from supplytwin.processors.settlement_known import known_of
from supplytwin.processors.settlement_state import PUBLIC
from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.ids import partition_of
from supplytwin.schemas.records import (
    INSTRUCTIONS,
    JOURNAL,
    SETTLEMENT_EVENTS,
    Instruction,
    SettlementEvent,
)
from supplytwin.schemas.replay import Replayed
from supplytwin.sinks.query import common_entries, journal_entries, of_chain, query
from supplytwin.streams import journal_file, show
from supplytwin.streams.audit_run import Progress, read
from supplytwin.streams.ports import Broker, TopicPartition
from supplytwin.streams.show import iso
from supplytwin.streams.topics import Meta

_SHOWN = 5
"""Candidates that an error names."""
_ROWS = 100_000


class Listed(Struct, frozen=True, kw_only=True):
    """Where one claim stands: its last recorded transition."""

    settlement_id: str
    contract_id: str
    chain_id: str
    tranche_id: str
    claim_id: str
    state: str
    public_state: str
    amount_minor: int
    currency: str
    since: str
    """Tick time of that transition; ISO 8601, UTC."""
    row: int
    reason: str
    contract_seq: int

    @property
    def path(self) -> str:
        """How people name it: contract/tranche/claim."""
        return f"{self.contract_id}/{self.tranche_id}/{self.claim_id}"


class Wanted(Struct, frozen=True, kw_only=True):
    """Which claims; None = all."""

    states: frozenset[str] | None = None
    contract: str | None = None
    chain: str | None = None
    named: str | None = None
    """A settlement, claim, contract or chain id, contract/claim, or contract/tranche/claim."""

    def fits(self, one: Listed) -> bool:
        """Whether `one` is among them."""
        return (
            (self.states is None or one.state in self.states)
            and self.contract in (None, one.contract_id)
            and self.chain in (None, one.chain_id)
            and self.named in (None, *_names(one))
        )


def _names(one: Listed) -> tuple[str, ...]:
    pair = f"{one.contract_id}/{one.claim_id}"
    return (one.settlement_id, one.claim_id, one.contract_id, one.chain_id, pair, one.path)


class Sent(Struct, frozen=True, kw_only=True):
    """An instruction that has gone out for a claim."""

    instruction_no: int
    kind: str
    attempt: int
    hold_no: int
    recall_no: int
    query_no: int
    amount_minor: int
    currency: str
    end_to_end_id: str
    uetr: str
    at: str


class Entries(Struct, frozen=True, kw_only=True):
    """The journal of one chain: entries in order, what is wrong with the first damaged one, and
    entries that every chain may need."""

    entries: Sequence[bytes]
    damage: str | None
    common: Sequence[bytes]


class Source(Protocol):
    """One place where claims can be read."""

    name: str

    def claims(self, wanted: Wanted) -> list[Listed]:
        """In the order of contract, tranche and claim."""

    def entries(self, chain_id: str) -> Entries:
        """Raises UsageError when nothing is known of the chain."""

    def sent(self, one: Listed) -> list[Sent] | None:
        """Its instructions in order; None = this place does not have them."""


# ---- the implementations


class Topics:
    """A cluster."""

    def __init__(self, broker: Broker, meta: Meta, progress: Progress) -> None:
        self.name = broker.address
        self._broker, self._meta, self._progress = broker, meta, progress

    def claims(self, wanted: Wanted) -> list[Listed]:
        """Of one partition when the chain is given, else of all."""
        chain, count = wanted.chain, self._meta.partitions
        numbers = range(count) if chain is None else (partition_of(chain.encode(), count),)
        found = (_event(one) for number in numbers for one in self._read(SETTLEMENT_EVENTS, number))
        return _latest(found, wanted)

    def entries(self, chain_id: str) -> Entries:
        """From the chain's partition, from its beginning."""
        number = partition_of(chain_id.encode(), self._meta.partitions)
        own, common = list[bytes](), list[bytes]()
        for value, key, is_common in (
            (one.value or b"", one.key, show.is_common(one)) for one in self._read(JOURNAL, number)
        ):
            if key == chain_id.encode():
                own.append(value)
            elif is_common:
                common.append(value)
        if not own:
            raise UsageError(f"no chain {chain_id!r} in {self.name}")
        return Entries(entries=own, damage=None, common=common)

    def sent(self, one: Listed) -> list[Sent] | None:
        """From the chain's partition."""
        number = partition_of(one.chain_id.encode(), self._meta.partitions)
        found = (
            codec.decode(INSTRUCTIONS, record.value or b"").message
            for record in self._read(INSTRUCTIONS, number)
            if record.key == one.chain_id.encode()
        )
        return [
            _sent(each)
            for each in found
            if isinstance(each, Instruction) and each.settlement_id == one.settlement_id
        ]

    def _read(self, topic: str, number: int) -> Iterator[Any]:
        return read(self._broker, TopicPartition(topic, number), None, self._progress)


class Database:
    """A file of the sink, or the running sink that has it open."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.name = str(path)
        self._path, self._seconds = path, seconds

    def claims(self, wanted: Wanted) -> list[Listed]:
        """The last transition of each, in SQL."""
        last = ", ".join(
            f"arg_max({name}, contract_seq)"
            for name in ("to_state", "public_state", "amount_minor", "currency", "tick_time",
                         "row", "reason", "contract_seq")
        )  # fmt: skip
        text = (
            f"SELECT settlement_id, contract_id, chain_id, tranche_id, claim_id, {last} "
            f"FROM settlement_event WHERE {_where(wanted)} GROUP BY ALL"
        )
        if wanted.states is not None:
            states = ", ".join(_quoted(one) for one in sorted(wanted.states))
            text += f" HAVING arg_max(to_state, contract_seq) IN ({states})"
        answer = query(self._path, text, _ROWS, self._seconds)
        if answer.truncated:
            raise UsageError(
                f"{self.name} has too many claims for one answer: give --contract or --chain"
            )
        names = Listed.__struct_fields__
        rows = (dict(zip(names, row, strict=True)) for row in answer.rows)
        found = (Listed(**{**row, "since": f"{row['since'][:19]}Z"}) for row in rows)
        return sorted(found, key=_order)

    def entries(self, chain_id: str) -> Entries:
        """As they stand in the file."""
        entries, damage = journal_entries(self._path, chain_id)
        if not entries and damage is None:
            raise UsageError(f"no chain {chain_id!r} in {self.name}")
        common = [] if damage is not None else common_entries(self._path)
        return Entries(entries=entries, damage=damage, common=common)

    def sent(self, one: Listed) -> list[Sent] | None:
        """From its table."""
        names = [name for name in Sent.__struct_fields__ if name != "at"]
        text = (
            f"SELECT {', '.join(names)}, taken_at FROM settlement_instruction "
            f"WHERE {of_chain(one.chain_id)} AND settlement_id = '{one.settlement_id}' "
            "ORDER BY kafka_offset"
        )
        rows = query(self._path, text, _ROWS, self._seconds).rows
        dated = ((*row[:-1], f"{row[-1][:19]}Z") for row in rows)
        return [Sent(**dict[str, Any](zip((*names, "at"), row, strict=True))) for row in dated]


class Exported:
    """A file of `journal export`."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def claims(self, wanted: Wanted) -> list[Listed]:
        """From its decisions; damaged lines count for nothing here, `show` names them."""
        lines = list(journal_file.read(self._path))
        sound = [line.entry for line in lines if line.damage is None]
        if lines and not sound:
            raise UsageError(f"{self._path} line {lines[0].number}: {lines[0].damage}")
        bodies = (entry.body for entry in map(journal.read, sound) if entry.kind == "DECISION")
        return _latest((codec.decode(SETTLEMENT_EVENTS, body).message for body in bodies), wanted)

    def entries(self, chain_id: str) -> Entries:
        """Up to the first damaged one."""
        entries, damage = show.from_file(self._path, chain_id)
        common = show.common_from_file(self._path)
        return Entries(entries=entries, damage=damage, common=common)

    def sent(self, one: Listed) -> list[Sent] | None:
        """A journal has decisions, and no instructions."""
        return None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _where(wanted: Wanted) -> str:
    """SQL for what `Wanted.fits` says, but for the states."""
    found = ["TRUE" if wanted.chain is None else of_chain(wanted.chain)]
    if wanted.contract is not None:
        found.append(f"contract_id = {_quoted(wanted.contract)}")
    if wanted.named is not None:
        names = ("settlement_id", "claim_id", "contract_id", "chain_id",
                 "concat_ws('/', contract_id, claim_id)",
                 "concat_ws('/', contract_id, tranche_id, claim_id)")  # fmt: skip
        found.append(f"{_quoted(wanted.named)} IN ({', '.join(names)})")
    return " AND ".join(found)


def _event(record: Any) -> Struct:
    try:
        return codec.decode(SETTLEMENT_EVENTS, record.value or b"").message
    except RecordError as error:
        place = f"{record.topic} {record.partition} {record.offset}"
        raise UsageError(f"{place} cannot be read by this version: {error}") from None


def _sent(one: Instruction) -> Sent:
    own = {name: getattr(one, name) for name in Sent.__struct_fields__ if name != "at"}
    return Sent(**own, at=iso(one.taken_at) or "")


def _latest(events: Iterable[Struct], wanted: Wanted) -> list[Listed]:
    last: dict[str, SettlementEvent] = {}
    for one in events:
        if isinstance(one, SettlementEvent):
            known = last.get(one.settlement_id)
            if known is None or one.contract_seq > known.contract_seq:
                last[one.settlement_id] = one
    found = (_listed(one) for one in last.values())
    return sorted((one for one in found if wanted.fits(one)), key=_order)


def _listed(one: SettlementEvent) -> Listed:
    return Listed(
        settlement_id=one.settlement_id,
        contract_id=one.contract_id,
        chain_id=one.chain_id,
        tranche_id=one.tranche_id,
        claim_id=one.claim_id,
        state=one.to_state,
        public_state=one.public_state,
        amount_minor=one.amount_minor,
        currency=one.currency,
        since=iso(one.tick_time) or "",
        row=one.row,
        reason=one.reason,
        contract_seq=one.contract_seq,
    )


def _order(one: Listed) -> tuple[str, ...]:
    return one.contract_id, one.tranche_id, one.claim_id, one.settlement_id


# ---- what is asked for


def states(asked: Sequence[str]) -> frozenset[str] | None:
    """States by their own or their public names. Raises UsageError that lists them."""
    by_name = {name.lower(): state for state, public in PUBLIC.items() for name in (state, public)}
    for name in asked:
        if name.lower() not in by_name:
            known = ", ".join(f"{state} ({public})" for state, public in PUBLIC.items())
            raise UsageError(f"--state {name!r} is none: {known}")
    return frozenset(by_name[name.lower()] for name in asked) or None


def one_claim(source: Source, named: str, chain: str | None) -> Listed:
    """The one claim of this name. Raises UsageError when there is none, or more than one."""
    found = source.claims(Wanted(named=named, chain=chain))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"no claim {named!r} in {source.name}: name it by settlement id, claim id, or "
            "contract/tranche/claim; `supplytwin settlement list` has them"
        )
    some = ", ".join(f"{one.path} ({one.settlement_id})" for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise UsageError(f"{named!r} names {len(found)} claims: {some}{more}; say which")


class Folded(Struct, frozen=True, kw_only=True):
    """A chain folded from its journal. `broken` names the first bad entry: the state is of what
    stands before it."""

    state: ChainState
    known: Known
    """What the signatures of its facts count for."""
    past: Sequence[Replayed]
    broken: str | None


def fold(chain_id: str, found: Entries) -> Folded:
    """Every link checked, every sound entry folded."""
    bad = verify(chain_id, found.entries)
    sound = found.entries if bad is None else found.entries[: bad.position]
    folding = ChainFold("")
    folding.told_of_all([show.record_of(value) for value in found.common])
    past = folding.replay([show.record_of(value) for value in sound])
    reports = [one for one in (None if bad is None else str(bad), found.damage) if one is not None]
    state = timetravel.restored(folding, chain_id, past)
    return Folded(
        state=state,
        known=known_of(state.book, state.twin, folding.register, state.footprints),
        past=past,
        broken="; ".join(reports) or None,
    )
