"""States, the overlay of one batch, who is due when, and what is too large to be written."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, FatalError, RecordError
from supplytwin.schemas.flow import Due, Input, Output, Record, Step
from supplytwin.schemas.records import JOURNAL, QUARANTINE, Quarantined
from supplytwin.streams.consume import Item, decoded
from supplytwin.streams.ports import Lenient
from supplytwin.streams.quarantine import LARGEST, MARGIN, Limits, quarantined
from supplytwin.streams.store import Overlay, Store
from supplytwin.streams.testing import Fact, Gate, GateState


def item(offset: int, key: str, says: str, id: str | None = None) -> Item:
    body = f'{{"id":"{id or offset}","says":"{says}"}}'.encode()
    record = Record(
        topic="papers", partition=0, offset=offset, arrival=1, key=key.encode(), value=body
    )
    message = Fact(id=id or str(offset), says=says)
    return Item(
        record,
        Input(record=record, key=key, message=message, fingerprint=0, content_hash=bytes(32)),
        0.0,
    )


def overlay_of(store: Store[GateState], limits: Limits | None = None) -> Overlay[GateState]:
    return Overlay(store, limits or Limits(), QUARANTINE)


def quarantine_of(overlay: Overlay[GateState]) -> list[Quarantined]:
    values = [w.value or b"" for w in overlay.writes if w.topic == QUARANTINE]
    found = [codec.decode(QUARANTINE, value).message for value in values]
    return [message for message in found if isinstance(message, Quarantined)]


class PanicError(BaseException):
    """What a Rust extension raises: no Exception."""


def test_nothing_is_true_before_the_merge() -> None:
    """An overlay that is dropped leaves store, tick time and due times as they were."""
    store = Store(0, Gate())
    overlay = overlay_of(store)
    overlay.take(item(0, "k", "by:50"))
    overlay.now = 40
    assert overlay.state("k").seq == 1
    assert not store.states
    assert store.now == 0
    assert store.due(1000) == set()
    overlay.merge()
    assert store.states["k"].seq == 1
    assert store.now == 40
    assert store.due(0) == {"k"}, "something was taken: due at the next cut"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecordError(Code.BAD_TERMS, "terms", "do not add up"), "BAD_TERMS"),
        (ZeroDivisionError("a defect"), "FOLD_ERROR"),
        (PanicError("index out of bounds"), "FOLD_ERROR"),
    ],
)
def test_a_record_whose_fold_raises_leaves_no_trace(error: BaseException, code: str) -> None:
    """It is quarantined under its code; the state, its neighbours and the entries know nothing."""

    class Poisoned(Gate):
        def step(self, state: GateState, item: Input, now: int) -> Step[GateState]:
            step = super().step(state, item, now)
            if item.record.offset == 1:
                raise error
            return step

    overlay = overlay_of(Store(0, Poisoned()))
    for offset, says in enumerate(("released", "hold", "received")):
        overlay.take(item(offset, "k", says))
    assert overlay.state("k").standing == {"released", "received"}
    assert overlay.state("k").seq == 2
    bad = quarantine_of(overlay)
    assert [(q.offset, q.code) for q in bad] == [(1, code)]
    assert bad[0].body == item(1, "k", "hold").record.value
    assert str(error.args[0] if code == "FOLD_ERROR" else "do not add up") in bad[0].reason


@pytest.mark.parametrize("error", [FatalError("stop"), MemoryError(), KeyboardInterrupt()])
def test_what_must_end_the_process_is_no_fault_of_a_record(error: BaseException) -> None:
    """FatalError, lack of memory and an interrupt are not quarantined, they are raised."""

    class Ending(Gate):
        def step(self, state: GateState, item: Input, now: int) -> Step[GateState]:
            raise error

    overlay = overlay_of(Store(0, Ending()))
    with pytest.raises(type(error)):
        overlay.take(item(0, "k", "released"))
    assert not overlay.writes


def test_consequences_that_do_not_fit_quarantine_the_input() -> None:
    """An output over the limit: TOO_LARGE, by hash and position, no state, no entry."""
    overlay = overlay_of(Store(0, Gate()))
    overlay.take(item(0, "k", f"large:{LARGEST}"))
    overlay.take(item(1, "k", "released"))
    (bad,) = quarantine_of(overlay)
    assert (bad.code, bad.body, bad.offset) == ("TOO_LARGE", None, 0)
    source = item(0, "k", f"large:{LARGEST}").record.value or b""
    assert bad.body_sha256 == hashlib.sha256(source).hexdigest()
    assert bad.size == len(source)
    assert overlay.state("k").standing == {"released"}
    assert [w.topic for w in overlay.writes].count(JOURNAL) == 1


def test_the_limit_is_exact_and_may_be_smaller_for_a_topic() -> None:
    """Key + value + headers at the limit pass, one byte more does not."""
    limits = Limits({"small": 5000})
    room = 5000 - MARGIN - 1
    limits.writes([Output(topic="small", key="k", value=bytes(room))])
    with pytest.raises(RecordError, match="TOO_LARGE"):
        limits.writes([Output(topic="small", key="k", value=bytes(room + 1))])
    limits.writes([Output(topic="other", key="k", value=bytes(room + 1))])


@pytest.mark.parametrize(
    ("key", "value", "header"),
    [
        (10, LARGEST, 0),
        (700_000, 10, 0),
        (10, 10, LARGEST),
        (700_000, 700_000, 700_000),
    ],
)
def test_every_quarantine_record_fits(key: int, value: int, header: int) -> None:
    """Body, headers and the Kafka key are given up in turn; position, hash and size stay."""
    record = Record(
        topic="papers",
        partition=3,
        offset=9,
        arrival=1,
        key=b"k" * key,
        value=bytes(value),
        headers=(("h", bytes(header)),),
    )
    kafka_key, text = quarantined(record, RecordError(Code.MALFORMED, "", "bad"), Limits())
    assert len(kafka_key or b"") + len(text) <= LARGEST - MARGIN
    found = codec.decode(QUARANTINE, text).message
    assert isinstance(found, Quarantined)
    assert (found.partition, found.offset, found.size) == (3, 9, value)
    assert found.body_sha256 == hashlib.sha256(bytes(value)).hexdigest()


def test_a_chain_that_did_not_change_is_not_published() -> None:
    """publish() is asked for changed states only; a duplicate changes none."""
    asked: list[str] = []

    class Asked(Gate):
        def publish(self, before: GateState, after: GateState) -> Sequence[Output]:
            asked.append(after.key)
            return super().publish(before, after)

    store = Store(0, Asked())
    for _ in range(2):
        overlay = overlay_of(store)
        overlay.take(item(0, "k", "released"))
        overlay.publish()
        overlay.merge()
    assert asked == ["k"]


def test_the_control_chain_is_not_decided() -> None:
    """Ticks, breakers and policies are journalled under it; it has no deadlines of its own."""

    class Always(Gate):
        def due(self, state: GateState) -> int | Due | None:
            return Due.NEXT

    overlay = overlay_of(Store(0, Always()))
    overlay.take(item(0, "@p0", "released"))
    overlay.take(item(1, "k", "released"))
    assert overlay.due(60) == ["k"]


def test_a_view_that_cannot_be_published_stops_nobody() -> None:
    """publish() that raises is counted; the batch's entries stay."""

    class Blind(Gate):
        def publish(self, before: GateState, after: GateState) -> list[Output]:
            raise ZeroDivisionError

    overlay = overlay_of(Store(0, Blind()))
    overlay.take(item(0, "k", "released"))
    overlay.publish()
    assert overlay.counts["publish_failed"] == 1
    assert len(overlay.writes) == 1


def test_a_decision_that_raises_leaves_the_chain_due() -> None:
    """decide() that raises decides nothing, this time and until it does not raise."""

    class Undecided(Gate):
        def decide(
            self, state: GateState, tick: int, control: GateState | None = None
        ) -> Step[GateState]:
            raise ZeroDivisionError

    store = Store(0, Undecided())
    overlay = overlay_of(store)
    overlay.take(item(0, "k", "released"))
    assert overlay.decision("k", overlay.state("k"), 60) is None
    assert overlay.counts["decide_failed"] == 1
    assert overlay.due(60) == ["k"]


def test_a_chain_that_cannot_say_when_it_is_due_is_not_decided() -> None:
    """due() that raises: fail closed."""

    class Clueless(Gate):
        def due(self, state: GateState) -> int | None:
            raise ZeroDivisionError

    store = Store(0, Clueless())
    overlay = overlay_of(store)
    overlay.take(item(0, "k", "released"))
    overlay.merge()
    assert store.due(1 << 60) == set()


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.none() | st.integers(0, 20)),
        max_size=200,
    ),
    st.integers(-1, 21),
)
def test_the_heap_finds_exactly_who_is_due(
    changes: list[tuple[str, int | None]], tick: int
) -> None:
    """Whatever was put before, `due` names the keys whose present due time has come."""

    class Timed(Lenient[int | None]):
        version = "1"

        def due(self, state: int | None) -> int | None:
            return state

    store: Store[int | None] = Store(0, Timed())  # type: ignore[arg-type]
    for key, time in changes:
        store.put({key: time})
    now = dict(changes)
    expected = {key for key, time in now.items() if time is not None and time <= tick}
    assert store.due(tick) == expected


def test_a_decoder_that_panics_is_asked_record_by_record() -> None:
    """The one bad record becomes a RecordError, the others are decoded."""
    records = [item(offset, "k", "released").record for offset in range(3)]

    def decode(batch: object, partitions: int) -> list[Input | RecordError]:
        assert isinstance(batch, list)
        if any(record.offset == 1 for record in batch):
            raise PanicError("not a record")
        return [item(record.offset, "k", "released").result for record in batch]

    results = [one.result for one in decoded(records, decode, 1, 0.0)]
    assert [isinstance(result, RecordError) for result in results] == [False, True, False]
