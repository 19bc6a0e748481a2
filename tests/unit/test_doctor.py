"""`supplytwin doctor` on transactions that stay open: told where they hold something up, and not
taken for those of a process at work.
"""

from collections.abc import Callable

import pytest

from supplytwin.schemas.records import INSTRUCTIONS, JOURNAL
from supplytwin.streams import doctor, topics
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Producer
from supplytwin.streams.settings import Kafka, Settings

PARTITIONS = 2
OPEN = "open transactions"


@pytest.fixture
def broker() -> MemoryBroker:
    """An initialised deployment."""
    found = MemoryBroker()
    topics.init(found, Settings(kafka=Kafka(partitions=PARTITIONS)))
    return found


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens between two looks, and that nobody waits for it."""
    happens: list[Callable[[], None]] = []

    def sleep(_: float) -> None:
        for one in happens:
            one()

    monkeypatch.setattr(doctor.time, "sleep", sleep)
    return happens


def writer(broker: MemoryBroker, name: str, topic: str) -> Producer:
    """Its transaction is open, with a record in it."""
    found = broker.producer(name)
    found.init(1.0)
    found.begin()
    found.produce(topic, b"k", b"v")
    return found


def said(broker: MemoryBroker) -> doctor.Finding:
    found = {one.what: one for one in doctor.lags(broker, broker.admin())}
    return found[OPEN]


@pytest.mark.parametrize("topic", [JOURNAL, INSTRUCTIONS, "supply.customs"])
def test_what_an_open_transaction_holds_up_is_named(
    broker: MemoryBroker, meanwhile: list[Callable[[], None]], topic: str
) -> None:
    """Inputs and what the worker writes: with the offset, and where it says what to do."""
    stuck = writer(broker, "stranger", topic)
    found = said(broker)
    assert not found.ok
    assert f"{topic} " in found.says and " at offset " in found.says
    assert "docs/operations.md" in found.says
    stuck.abort()
    assert said(broker).ok


def test_a_worker_that_commits_is_not_taken_for_one(
    broker: MemoryBroker, meanwhile: list[Callable[[], None]]
) -> None:
    """At each look a transaction is open, but never the same one."""
    busy = writer(broker, "busy", JOURNAL)

    def goes_on() -> None:
        busy.commit()
        busy.begin()
        busy.produce(JOURNAL, b"k", b"v")

    meanwhile.append(goes_on)
    assert said(broker).ok
    meanwhile.clear()
    assert not said(broker).ok
