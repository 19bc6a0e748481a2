"""Where journal entries stand, and how those of some chains are read again."""

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.flow import Output, Record
from supplytwin.streams import history as history_module
from supplytwin.streams.history import History
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.places import WIDTH, Places, unpacked
from supplytwin.streams.ports import TopicSpec

JOURNAL = "journal"
Batch = tuple[bool, list[str]]
"""Whether its transaction commits, and the chains whose entries it writes."""

batches = st.lists(
    st.tuples(st.booleans(), st.lists(st.sampled_from("abcd"), min_size=1, max_size=5)),
    max_size=25,
)


def written(found: list[Batch]) -> tuple[MemoryBroker, Places, dict[str, list[Record]]]:
    """A journal partition, the places that its writer has noted, and what can be read of it."""
    broker = MemoryBroker()
    config = {"max.message.bytes": "1310720"}
    broker.admin().create([TopicSpec(name=JOURNAL, partitions=1, replication=1, config=config)])
    producer = broker.producer("writer")
    producer.init(1.0)
    places = Places()
    numbers = count()
    for commits, keys in found:
        producer.begin()
        entries = [
            Output(topic=JOURNAL, key=key, value=next(numbers).to_bytes(40, "big")) for key in keys
        ]
        for entry in entries:
            producer.produce(JOURNAL, entry.key.encode(), entry.value, partition=0)
        if commits:
            producer.commit()
            places.wrote(entries)
        else:
            producer.abort()
    true: dict[str, list[Record]] = {}
    for record in reader(broker)._from(broker.consumer(None), 0, 0, end(broker)):
        true.setdefault((record.key or b"").decode(), []).append(record)
    return broker, places, true


def end(broker: MemoryBroker) -> int:
    place = history_module.TopicPartition(JOURNAL, 0)
    return broker.admin().ends([place], "read_uncommitted")[place]


def reader(broker: MemoryBroker, ticks: Iterator[float] | None = None) -> History:
    times = ticks or count(0.0, 0.001)
    return History(broker, JOURNAL, clock=lambda: next(times), alive=lambda: None)


@given(batches)
@settings(deadline=None)
def test_a_place_is_never_behind_its_entry(found: list[Batch]) -> None:
    """Whatever was aborted in between: a lower bound of the offset, and exact without aborts."""
    _, places, true = written(found)
    for key, records in true.items():
        offsets = [record.offset for record in records]
        bounds = places.offsets(key)
        assert len(bounds) == len(offsets)
        assert all(bound <= offset for bound, offset in zip(bounds, offsets, strict=True))
        if all(commits for commits, _ in found):
            assert bounds == offsets
    assert places.of.keys() == true.keys()
    assert places.next <= end(_)


@given(batches, st.sets(st.sampled_from("abcd")), st.sampled_from([0, 2, 2000]))
@settings(deadline=None)
def test_exactly_the_entries_of_the_chains_asked_for_are_read(
    found: list[Batch], asked: set[str], gap: int
) -> None:
    """All of them, in order, however far apart; nothing that was aborted, nothing of others."""
    broker, places, true = written(found)
    wanted = {key: places.offsets(key) for key in asked}
    before, history_module.GAP = history_module.GAP, gap
    try:
        entries = reader(broker).entries(0, wanted)
    finally:
        history_module.GAP = before
    assert entries == {key: true.get(key, []) for key in asked}


@given(batches)
@settings(deadline=None)
def test_the_last_entry_is_found_from_its_place(found: list[Batch]) -> None:
    """Reading on from the noted place gives the last committed record, whose hash was noted."""
    broker, places, true = written(found)
    records = sorted((r for many in true.values() for r in many), key=lambda r: r.offset)
    last = reader(broker).last_before(0, places.last, end(broker))
    assert last == (records[-1] if records else None)
    assert places.last_hash == ((records[-1].value or b"")[-32:] if records else b"")


def test_jumps_leave_out_what_lies_between() -> None:
    """Two entries far apart: what stands between them is not read."""
    found = [(True, ["a"]), *[(True, ["b"] * 50)] * 100, (True, ["a"])]
    broker, places, true = written(found)
    passed: list[int] = []

    class Noting(History):
        def _from(self, *given: object) -> Iterator[Record]:
            for record in super()._from(*given):  # type: ignore[arg-type]
                passed.append(record.offset)
                yield record

    noting = Noting(broker, JOURNAL, clock=count(0.0, 0.001).__next__, alive=lambda: None)
    assert noting.entries(0, {"a": places.offsets("a")}) == {"a": true["a"]}
    assert len(passed) < 10


def test_an_entry_that_does_not_come_is_waited_for_and_then_said() -> None:
    """It may stand behind a stranger's open transaction: an error that is tried again."""
    broker, places, _ = written([(True, ["a"])])
    with pytest.raises(TransientError, match="cannot be read on"):
        reader(broker, count(0.0, 3.0)).entries(0, {"a": [*places.offsets("a"), 9]})


def test_long_reading_keeps_the_watchdog_quiet() -> None:
    """`alive` is called while it reads."""
    broker, places, _ = written([(True, ["a"])])
    beats: list[int] = []
    history = History(
        broker, JOURNAL, clock=count(0.0, 0.1).__next__, alive=lambda: beats.append(1)
    )
    history.entries(0, {"a": places.offsets("a")})
    assert beats


def test_places_cost_six_bytes_each() -> None:
    """The sizing table rests on it; offsets up to 2^48 are kept exactly."""
    places = Places()
    offsets = [0, 1, 2**40, 2**48 - 1]
    for offset in offsets:
        places.note("a", offset, bytes(32))
    assert len(places.of["a"]) == WIDTH * len(offsets)
    assert unpacked(places.of["a"]) == offsets
