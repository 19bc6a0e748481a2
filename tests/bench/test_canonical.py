"""The work that the peers are compared by, on the broker in memory: right, and restored alike."""

from canonical import PARTITIONS, Decoder, Tally, TallyFold, events, expected, topics

from supplytwin.schemas.ids import partition_of
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import TopicPartition, TopicSpec
from supplytwin.streams.summary import read_all
from supplytwin.streams.worker import Worker, WorkerSettings

PREFIX, SOURCE, COUNT = "t-", "in", 2_000


def deployed() -> MemoryBroker:
    """Topics and first offsets; the events are in the input."""
    broker = MemoryBroker()
    named = topics(PREFIX, SOURCE)
    every = (*named.inputs, named.control, named.journal, named.state, named.quarantine,
             *named.derived)  # fmt: skip
    broker.admin().create(
        [TopicSpec(name=name, partitions=PARTITIONS, replication=1, config={}) for name in every]
    )
    producer = broker.producer(None)
    for one in events(COUNT):
        key = one.key.encode()
        producer.produce(SOURCE, key, one.value, partition=partition_of(key, PARTITIONS))
    producer.flush()
    group = broker.consumer(PREFIX + "worker")
    group.commit(
        {TopicPartition(name, number): 0 for name in (*named.inputs, named.control)
         for number in range(PARTITIONS)}
    )  # fmt: skip
    group.close()
    return broker


def worked(broker: MemoryBroker) -> dict[str, Tally]:
    """A new worker reads to the end of the input; the states that it has then."""
    settings = WorkerSettings(group=PREFIX + "worker", transactional_id=PREFIX + "worker")
    worker = Worker(broker, TallyFold(PREFIX), Decoder(), topics(PREFIX, SOURCE), settings=settings)
    for _ in range(50):
        worker.turn(0.0)
    assert len(worker.stores) == PARTITIONS
    states = {key: state for store in worker.stores.values() for key, state in store.states.items()}
    worker.close()
    return states


def test_ours_does_the_work_of_the_comparison_and_restores_it() -> None:
    """Every output as computed the shortest way; a second worker has the same states from the
    journal alone, and writes nothing.
    """
    broker = deployed()
    states = worked(broker)
    found = [(one.key, one.value) for one in read_all(broker, PREFIX + "out", PARTITIONS)]
    assert sorted(found) == sorted(expected(list(events(COUNT))))
    assert sum(state.count for state in states.values()) == COUNT
    assert worked(broker) == states
    assert len(list(read_all(broker, PREFIX + "out", PARTITIONS))) == len(found)
    assert not list(read_all(broker, PREFIX + "quarantine", PARTITIONS))
