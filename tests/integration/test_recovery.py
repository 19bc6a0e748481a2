"""Snapshots of real chains on a real Kafka: killed workers come back with the tail alone."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import late_world as late
import msgspec
import pytest
from msgspec import Struct

from supplytwin.processors.chain import canonical_hash
from supplytwin.processors.closing import Chain, Closed
from supplytwin.schemas import codec
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import JOURNAL
from supplytwin.streams import broker_choice, deployment, local_broker, topics
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.observe import Metrics
from supplytwin.streams.ports import Broker
from supplytwin.streams.settings import (
    Gateway,
    Kafka,
    Settings,
    Snapshot,
    Time,
    WorkerSection,
    as_environment,
)
from supplytwin.streams.snapshot import MAGIC, Header, file_of
from supplytwin.streams.summary import Hashes, fold_journal, read_all
from supplytwin.streams.topics import Meta

pytestmark = pytest.mark.kafka
PARTITIONS, CHAINS = 2, 30
KILL_AT = (0.3, 0.6)
"""Shares of the feed at which the worker is killed."""


class Done(Struct, frozen=True, kw_only=True, eq=False):
    """A deployment whose worker was killed on the way and at the end."""

    broker: Broker
    settings: Settings
    meta: Meta
    entries: int
    hashes: Hashes
    log: str


class Child:
    """`supplytwin work` in a process of its own."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._environment = {**os.environ, **as_environment(settings)}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "supplytwin.streams.cli", "work"],
                env=self._environment,
                stderr=log,
            )

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Thirty chains, conducted; kill -9 twice on the way, and once at the end."""
    folder = tmp_path_factory.mktemp("recovery")
    started = local_broker.start(folder / "kafka", with_parent=True)
    settings = Settings(
        kafka=Kafka(bootstrap=started.bootstrap, partitions=PARTITIONS),
        time=Time(simulated=True, timeline="recovery"),
        worker=WorkerSection(close_after_days=20, session_timeout_ms=10_000),
        snapshot=Snapshot(dir=str(folder / "snapshots"), every=1),
        gateway=Gateway(ledger=str(folder / "rail.sqlite")),
    )
    broker = broker_choice.client_of(settings, started.bootstrap)
    child = None
    try:
        topics.init(broker, settings)
        meta = topics.require_meta(broker)
        child = Child(settings, folder / "worker.log")
        play(broker, settings, meta, child)
        snapshots_settle(folder / "snapshots")
        child.kill()
        yield Done(
            broker=broker,
            settings=settings,
            meta=meta,
            entries=sum(1 for _ in read_all(broker, JOURNAL, PARTITIONS)),
            hashes=fold_journal(broker, PARTITIONS),
            log=(folder / "worker.log").read_text(),
        )
    finally:
        if child is not None:
            child.kill()
        broker.close()
        local_broker.stop(folder / "kafka", remove=True)


def play(broker: Broker, settings: Settings, meta: Meta, child: Child) -> None:
    gateway = deployment.gateway(broker, settings, meta)
    messages = late.messages_of(CHAINS, 5)
    kills = [int(share * len(messages)) for share in KILL_AT]

    def moved(sent: int, at: int) -> None:
        if kills and sent >= kills[0]:
            kills.pop(0)
            child.kill()
            child.start()

    def pump() -> None:
        gateway.turn(0.0)
        time.sleep(0.003)

    conductor = Conductor(broker, partitions=PARTITIONS, timeline=meta.timeline, pump=pump)
    conductor.play(messages, 3 * DAY_US, moved)
    assert not kills
    gateway.close()


def snapshots_settle(folder: Path) -> None:
    """Until no newer snapshot has come for a while."""
    deadline = time.monotonic() + 30.0
    seen: list[int] = []
    while seen[-3:] != seen[-4:-1] or len(seen) < 4 or not seen[-1]:
        assert time.monotonic() < deadline, seen
        time.sleep(1.0)
        seen.append(sum(one.stat().st_mtime_ns for one in folder.glob("*.snapshot")))


def restored(done: Done, settings: Settings) -> tuple[dict[str, Chain], Metrics]:
    """What a new worker has in memory when it is ready, and its metrics."""
    metrics = Metrics()
    worker = deployment.worker(done.broker, settings, done.meta, metrics=metrics)
    deadline = time.monotonic() + 60.0
    while len(worker.stores) < PARTITIONS:
        assert time.monotonic() < deadline
        worker.turn(0.05)
    states = {k: s for store in worker.stores.values() for k, s in store.states.items()}
    worker.close()
    return states, metrics


def shape(states: dict[str, Chain]) -> dict[str, Any]:
    """Closed chains as they are; of the others what no restart may change."""
    return {
        key: state if isinstance(state, Closed) else (state.head, canonical_hash(state))
        for key, state in states.items()
    }


def copy_of(done: Done, folder: Path) -> Settings:
    """The same settings with a copy of the snapshots, which are not written again."""
    origin = Path(done.settings.snapshot.dir)
    for number in range(PARTITIONS):
        file_of(folder, number).write_bytes(file_of(origin, number).read_bytes())
    return msgspec.structs.replace(done.settings, snapshot=Snapshot(dir=str(folder), every=3600))


def whole(done: Done) -> dict[str, Any]:
    """What the journal alone gives."""
    off = msgspec.structs.replace(done.settings, snapshot=Snapshot(every=0))
    states, metrics = restored(done, off)
    entries = sum(1 for _ in read_all(done.broker, JOURNAL, PARTITIONS))
    assert metrics.value("supplytwin_restore_entries_total") == entries
    return shape(states)


def header_of(file: Path) -> tuple[dict[str, Any], bytes]:
    """(its header, the frames behind it)"""
    data = file.read_bytes()[len(MAGIC) :]
    length = int.from_bytes(data[:4], "little")
    return msgspec.json.decode(data[4 : 4 + length]), data[4 + length : -32]


def test_a_killed_worker_comes_back_with_the_tail_alone(done: Done, tmp_path: Path) -> None:
    """Only what follows the snapshots is read, and memory is what the whole journal gives."""
    settings = copy_of(done, tmp_path)
    headers = [
        msgspec.convert(header_of(file_of(tmp_path, number))[0], Header)
        for number in range(PARTITIONS)
    ]
    tail = sum(
        record.offset >= headers[record.partition].offset
        for record in read_all(done.broker, JOURNAL, PARTITIONS)
    )
    states, metrics = restored(done, settings)
    assert metrics.value("supplytwin_restore_entries_total") == tail
    assert tail < done.entries / 4
    assert metrics.value("supplytwin_snapshots_refused_total") == 0
    assert shape(states) == whole(done)
    assert any(isinstance(state, Closed) for state in states.values())


def test_kills_snapshots_and_closing_change_no_twin_and_no_payment(
    done: Done, tmp_path: Path
) -> None:
    """The same chains in memory, undisturbed and never closed: the same states and payments."""
    settings = msgspec.structs.replace(
        done.settings,
        worker=WorkerSection(close_after_days=0),
        gateway=Gateway(ledger=str(tmp_path / "rail.sqlite")),
    )
    broker = MemoryBroker()
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    worker = deployment.worker(broker, settings, meta)
    gateway = deployment.gateway(broker, settings, meta)

    def pump() -> None:
        worker.turn(0.0)
        gateway.turn(0.0)

    conductor = Conductor(broker, partitions=PARTITIONS, timeline=meta.timeline, pump=pump)
    conductor.play(late.messages_of(CHAINS, 5), 3 * DAY_US)
    plain = fold_journal(broker, PARTITIONS)
    assert done.log.count('"chains opened again"') > 3, "late facts came to closed chains"
    assert (plain.states, plain.settlements) == (done.hashes.states, done.hashes.settlements)
    worker.close()
    gateway.close()


def spoil(file: Path, header: dict[str, Any], frames: bytes) -> None:
    head = msgspec.json.encode(header)
    body = MAGIC + len(head).to_bytes(4, "little") + head + frames
    file.write_bytes(body + hashlib.sha256(body).digest())


@pytest.mark.parametrize(
    "how", ["damaged", "of another cluster", "of another fold version", "of another partition"]
)
def test_a_bad_snapshot_is_refused_and_the_journal_read_whole(
    done: Done, tmp_path: Path, how: str
) -> None:
    """The other partition number still begins with its own."""
    settings = copy_of(done, tmp_path)
    file = file_of(tmp_path, 0)
    header, frames = header_of(file)
    if how == "damaged":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 4
        file.write_bytes(bytes(data))
    elif how == "of another cluster":
        spoil(file, {**header, "last_hash": "00" * 32}, frames)
    elif how == "of another fold version":
        spoil(file, {**header, "fold": "0"}, frames)
    else:
        file.write_bytes(file_of(tmp_path, 1).read_bytes())
    states, metrics = restored(done, settings)
    assert metrics.value("supplytwin_snapshots_refused_total") == 1
    first = sum(r.partition == 0 for r in read_all(done.broker, JOURNAL, PARTITIONS))
    assert first <= metrics.value("supplytwin_restore_entries_total") < done.entries
    assert shape(states) == whole(done)


def test_at_the_memory_limit_the_group_stays_and_nothing_is_lost(done: Done) -> None:
    """Records come while nothing is read; the partition numbers are kept, and then all is taken."""
    settings = msgspec.structs.replace(
        done.settings,
        snapshot=Snapshot(every=0),
        worker=msgspec.structs.replace(done.settings.worker, memory_max_mb=10**6),
    )
    worker = deployment.worker(done.broker, settings, done.meta)

    def turn_until(condition: Callable[[], bool], patience_s: float = 60.0) -> None:
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline
            worker.turn(0.05)

    turn_until(lambda: len(worker.stores) == PARTITIONS)
    stores = dict(worker.stores)
    pressure: Any = worker._clients.upkeep.pressure  # type: ignore[union-attr]
    pressure._resident = lambda: 1 << 60
    turn_until(lambda: pressure.paused)
    message = late.messages_of(1, 99)[0]
    producer = done.broker.producer(None)
    producer.produce(
        message.topic,
        message.key.encode(),
        codec.encode(message.topic, message.body),
        timestamp_us=message.arrival,
    )
    producer.flush()
    producer.close()
    until = time.monotonic() + 15.0
    turn_until(lambda: time.monotonic() > until)
    assert worker.stores == stores, "still ours after more than a session timeout"
    assert all(message.key not in store.states for store in stores.values())
    pressure._resident = lambda: 0
    turn_until(lambda: any(message.key in store.states for store in worker.stores.values()))
    assert worker.stores == stores
    worker.close()
