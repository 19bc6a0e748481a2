"""Schemas of others in the journal: once for each partition number, and never mistaken."""

import json
import zlib
from typing import Any

import pytest
from msgspec.structs import replace

from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.closing import ClosingFold
from supplytwin.processors.sources import SourceRule, Sources
from supplytwin.schemas import avro, codec, journal
from supplytwin.schemas.errors import Code, FatalError, RecordError
from supplytwin.schemas.events import ORDERS
from supplytwin.schemas.flow import Input, Output, Record
from supplytwin.schemas.foreign import Foreign, WriterSchema, schema_in, schema_input, single
from supplytwin.schemas.foreign import writer_schema as written
from supplytwin.schemas.ids import DAY_US, Micros, control_key, partition_of
from supplytwin.schemas.records import CONTROL, JOURNAL, QUARANTINE, REVIEWS, Control, Review
from supplytwin.streams.consume import Item
from supplytwin.streams.intake import Intake
from supplytwin.streams.quarantine import Limits
from supplytwin.streams.replay import Replay
from supplytwin.streams.store import Overlay, Store

NUMBER = 0
KEY = control_key(NUMBER)
CHAIN = next(f"C{n}" for n in range(9) if partition_of(f"C{n}".encode(), 2) == NUMBER)


def schema(colour: str = "colour") -> Any:
    """That of reviews, and one field more."""
    ours = avro.schema(REVIEWS)
    more = {"name": colour, "type": ["null", "string"], "default": None}
    return {**ours, "fields": [*ours["fields"], more]}


def review(number: int = 1) -> Review:
    return Review(
        input_id=f"r{number}", source="desk", chain_id=CHAIN, contract_id="K", settlement_id="S",
        verdict="HOLD", reviewer="ann", role="OPERATOR", reason="look",
    )  # fmt: skip


def body(number: int = 1) -> bytes:
    """A review as the other schema writes it: a null more."""
    return codec.body(REVIEWS, review(number)) + b"\0"


def record(value: bytes, offset: int = 0) -> Record:
    return Record(
        topic=REVIEWS, partition=NUMBER, offset=offset, arrival=DAY_US, key=CHAIN.encode(),
        value=value,
    )  # fmt: skip


class Known:
    """A registry that has one schema under the id 7, and takes none for ours."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def own(self, topic: str, value: bytes) -> bytes:
        return value

    def of_id(self, number: int) -> Any:
        return self.found if number == 7 else None

    def written_with(self, number: int) -> WriterSchema:
        return written(self.found)


FRAME = b"\0\0\0\0\x07"


def understood(found: Any, value: bytes, offset: int = 0) -> Input | RecordError:
    (one,) = Intake(registry=Known(found))([record(value, offset)], 2)  # type: ignore[arg-type]
    return one


def overlay(fold: ChainFold, store: Store[Any] | None = None, limits: Limits | None = None) -> Any:
    return Overlay(store or Store(NUMBER, fold), limits or Limits(), QUARANTINE)


def replayed(writes: Any) -> list[Record]:
    """The journal records among what was written."""
    return [
        Record(topic=JOURNAL, partition=NUMBER, offset=at, arrival=0, key=one.key, value=one.value)
        for at, one in enumerate(write for write in writes if write.topic == JOURNAL)
    ]


def test_the_schema_comes_before_what_it_wrote_and_only_once() -> None:
    """Two reviews of one foreign schema: its entry, then theirs; bodies are what came."""
    fold = ChainFold("t")
    batch = overlay(fold)
    for offset in range(2):
        value = FRAME + body(offset)
        result = understood(schema(), value, offset)
        assert isinstance(result, Input)
        assert batch.take(Item(result.record, result, 0.0))
    found = [journal.read(one.value or b"") for one in replayed(batch.writes)]
    assert [(e.kind, e.chain_id) for e in found] == [
        ("CONTROL", KEY), ("INPUT", CHAIN), ("INPUT", CHAIN),
    ]  # fmt: skip
    assert schema_in(found[0]) == written(schema())
    assert (found[0].source_topic, found[0].source_offset) == (REVIEWS, 0)
    assert [e.body for e in found[1:]] == [FRAME + body(0), FRAME + body(1)]
    assert {e.body_fingerprint for e in found} == {found[0].body_fingerprint}
    assert batch.counts["control_schema"] == 1


def test_an_aborted_batch_forgets_that_it_was_written() -> None:
    """The next one writes it again: what counts is the committed state of the control chain."""
    fold = ChainFold("t")
    store = Store(NUMBER, fold)
    kinds = []
    for merged in (False, True, False):
        batch = overlay(fold, store)
        result = understood(schema(), FRAME + body(len(kinds)))
        assert isinstance(result, Input)
        batch.take(Item(result.record, result, 0.0))
        kinds.append([journal.read(one.value or b"").kind for one in replayed(batch.writes)])
        if merged:
            batch.merge()
    assert kinds == [["CONTROL", "INPUT"], ["CONTROL", "INPUT"], ["INPUT"]]


def test_restore_reads_by_the_fingerprint_and_takes_the_same() -> None:
    """A fold that has seen nothing but the journal has the same states, and knows the schema."""
    fold = ChainFold("t")
    batch = overlay(fold)
    result = understood(schema(), FRAME + body())
    assert isinstance(result, Input)
    batch.take(Item(result.record, result, 0.0))
    again = ChainFold("t")
    states: dict[str, Any] = {}
    for one in replayed(batch.writes):
        key = (one.key or b"").decode()
        states[key] = again.restore(states.get(key) or again.new(key), one)
    assert {key: state.head for key, state in states.items()} == {
        key: state.head for key, state in batch.changed.items()
    }
    assert states[KEY].schemas == batch.changed[KEY].schemas
    assert states[CHAIN].book == batch.changed[CHAIN].book


def test_without_its_schema_an_entry_is_not_guessed_at() -> None:
    """Neither with that of another partition number, nor with the id that stands before it."""
    fold = ChainFold("t")
    batch = overlay(fold)
    result = understood(schema(), FRAME + body())
    assert isinstance(result, Input)
    batch.take(Item(result.record, result, 0.0))
    _, entry = replayed(batch.writes)
    again = ChainFold("t")
    again.remember(replace(batch.changed[KEY], chain_id=control_key(NUMBER + 1)))
    with pytest.raises(FatalError, match="stands in no journal entry before it"):
        again.restore(again.new(CHAIN), entry)


def test_a_frozen_control_chain_brings_its_schemas_back() -> None:
    """From a snapshot on nothing before it is read: what it holds is enough."""
    batch = overlay(ChainFold("t"))
    result = understood(schema(), FRAME + body())
    assert isinstance(result, Input)
    batch.take(Item(result.record, result, 0.0))
    _, entry = replayed(batch.writes)
    again = ClosingFold(ChainFold("t"))
    store = Store(NUMBER, again)
    store.states.load(KEY, zlib.compress(again.freeze(batch.changed[KEY])))
    Replay(store, 1, CONTROL).take([entry])
    restored = again.restore(again.new(CHAIN), entry)
    assert isinstance(restored, ChainState)
    assert restored.book == batch.changed[CHAIN].book


def test_a_policy_about_sources_is_not_about_schemas() -> None:
    """A schema has no source: its record is admitted or not, and the schema comes with it."""
    fold = ChainFold("t")
    control = fold.new(KEY)
    rule = SourceRule(topic=REVIEWS, source="desk", organisation="us")
    store = Store(NUMBER, fold)
    store.put({KEY: replace(control, sources=Sources(sources=(rule,)))})
    batch = overlay(fold, store)
    result = understood(schema(), FRAME + body())
    assert isinstance(result, Input)
    assert batch.take(Item(result.record, result, 0.0))
    assert batch.refusals == {}


def test_two_schemas_of_one_fingerprint() -> None:
    """The second is refused with its record: the journal could not tell them apart."""
    fold = ChainFold("t")
    batch = overlay(fold)
    first = written(schema())
    other = replace(first, text=written(schema("form")).text)
    control = schema_input(record(first.text), KEY, first)
    assert batch.take(Item(control.record, control, 0.0))
    result = understood(schema(), FRAME + body())
    assert isinstance(result, Input)
    forged = replace(result, before=schema_input(record(other.text), KEY, other))
    assert not batch.take(Item(forged.record, forged, 0.0))
    assert batch.refusals == {Code.UNKNOWN_SCHEMA: 1}
    assert [one.topic for one in batch.writes] == [JOURNAL, QUARANTINE]


def test_a_schema_too_large_for_the_journal_refuses_its_record() -> None:
    """Once, as TOO_LARGE; nothing of the record is taken."""
    batch = overlay(ChainFold("t"), limits=Limits({JOURNAL: 2_000}))
    result = understood(schema("x" * 2_000), FRAME + body())
    assert isinstance(result, Input)
    assert not batch.take(Item(result.record, result, 0.0))
    assert batch.refusals == {Code.TOO_LARGE: 1}
    assert CHAIN not in batch.changed


def test_a_stranger_with_our_fingerprint_is_refused() -> None:
    """What the registry says is not ours must not be journalled under a fingerprint of ours."""
    found = understood(avro.schema(REVIEWS), FRAME + codec.body(REVIEWS, review()))
    assert isinstance(found, RecordError)
    assert found.code is Code.UNKNOWN_SCHEMA
    assert "schema 7" in found.reason


def test_a_changed_schema_is_not_believed() -> None:
    """Its text must have the fingerprint under which it stands."""
    with pytest.raises(FatalError):
        Foreign().learn(0, replace(written(schema()), text=json.dumps(schema("form")).encode()))


def test_control_records_are_no_schemas() -> None:
    """A tick's entry is told from a schema's by its source."""
    fold = ChainFold("t")
    control = Control(input_id="t", kind="TICK", tick_time=Micros(5), timeline="t")
    value = codec.encode(CONTROL, control)
    source = Record(topic=CONTROL, partition=0, offset=0, arrival=0, key=KEY.encode(), value=value)
    decoded = codec.decode(CONTROL, value)
    item = Input(
        record=source, key=KEY, message=decoded.message, fingerprint=decoded.fingerprint,
        content_hash=decoded.content_hash,
    )  # fmt: skip
    (entry,) = fold.step(fold.new(KEY), item, 5).entries
    assert isinstance(entry, Output)
    assert schema_in(journal.read(entry.value or b"")) is None


def test_a_body_of_ours_needs_nothing_but_the_package() -> None:
    """Whatever id stands before it; a single object is left as it is."""
    fingerprint = avro.fingerprint_of(ORDERS)
    own = Foreign().value(0, ORDERS, fingerprint, FRAME + b"body")
    assert own == single(fingerprint, FRAME + b"body") == codec.header(ORDERS) + b"body"
    assert Foreign().value(0, ORDERS, fingerprint, own) == own
