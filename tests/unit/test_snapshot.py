"""Snapshots: restore reads only what follows them, and believes none that is not exactly right."""

import hashlib
import json
import time
import zlib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from supplytwin.schemas.errors import FatalError
from supplytwin.streams import snapshotter as snapshotter_module
from supplytwin.streams.snapshot import DIGEST_LEN, MAGIC, Frame, Header, Writer, file_of
from supplytwin.streams.testing import Driver, Gate, GateState
from supplytwin.streams.upkeep import UpkeepSettings
from supplytwin.streams.worker import WorkerSettings

KEYS = [f"order-{n}" for n in range(30)]


class World:
    """Gates with snapshots in a folder. The worker's clock stands: one is taken when asked for."""

    def __init__(self, folder: Path, fold: Gate | None = None, **upkeep: Any) -> None:
        self.folder = folder
        own = UpkeepSettings(**{"snapshots": folder, "every_s": 100.0, "timeline": "t", **upkeep})
        self.driver = Driver(
            fold or Gate(), settings=WorkerSettings(simulated=True, poll_s=0.0, upkeep=own)
        )

    @property
    def file(self) -> Path:
        return file_of(self.folder, 0)

    def facts(self, says: str, id: str, keys: list[str] = KEYS) -> None:
        for key in keys:
            self.driver.fact("papers", key, id, says)
        self.driver.settle()

    def snapshot(self) -> Header:
        """Let the time come, and turn until the file is written."""
        metrics = self.driver.worker.metrics
        before = metrics.value("supplytwin_snapshots_total")
        self.driver.seconds += 1000.0
        deadline = time.monotonic() + 10.0
        while metrics.value("supplytwin_snapshots_total") == before:
            assert time.monotonic() < deadline
            self.driver.turn()
            time.sleep(0.001)
        return header_of(self.file)

    def restart(self) -> list[Any]:
        """Another worker takes over; the log of its restore."""
        self.driver.worker.close()
        with capture_logs() as logs:
            self.driver.restart()
            self.driver.settle()
        assert 0 in self.driver.worker.stores, "it is restored"
        return logs

    @property
    def entries_read(self) -> float:
        return self.driver.worker.metrics.value("supplytwin_restore_entries_total")

    def states(self) -> dict[str, GateState]:
        """Without the hint that a restore sets."""
        states = self.driver.worker.stores[0].states
        return {k: msgspec.structs.replace(s, touched=False) for k, s in states.items()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def header_of(file: Path) -> Header:
    data = file.read_bytes()[len(MAGIC) :]
    length = int.from_bytes(data[:4], "little")
    return msgspec.json.decode(data[4 : 4 + length], type=Header)


def rewritten(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The file with another header, and the right hash."""
    data = file.read_bytes()
    length = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "little")
    start = len(MAGIC) + 4
    header = json.loads(data[start : start + length])
    change(header)
    head = json.dumps(header).encode()
    body = MAGIC + len(head).to_bytes(4, "little") + head + data[start + length : -DIGEST_LEN]
    file.write_bytes(body + hashlib.sha256(body).digest())


def refusals(logs: list[Any]) -> list[str]:
    return [line["why"] for line in logs if line["event"].startswith("the snapshot is not used")]


# ---- what it is for


def test_a_restore_reads_only_the_tail(world: World) -> None:
    """Snapshot + the entries behind it = the states, the tick and the places of before."""
    world.facts("released", "p")
    world.facts("received", "w", KEYS[:5])
    world.driver.tick(60)
    world.driver.settle()
    header = world.snapshot()
    assert (header.chains, header.now) == (len(KEYS) + 1, 60)
    world.facts("received", "w", KEYS[5:12])
    before = world.states()
    places = dict(world.driver.worker.stores[0].places.of)
    logs = world.restart()
    assert refusals(logs) == []
    assert world.entries_read == 7
    assert world.states() == before
    store = world.driver.worker.stores[0]
    assert store.now == 60
    assert store.places.of == places
    world.driver.tick(70)
    world.driver.settle()
    assert sorted(world.driver.values("payments")) == sorted((k, b"pay") for k in KEYS[:12])


def test_nothing_is_read_when_nothing_follows(world: World) -> None:
    """A snapshot of the very end: no entry is read again, and nothing is paid twice."""
    world.facts("released", "p")
    world.facts("received", "w")
    world.driver.tick(60)
    world.driver.settle()
    world.snapshot()
    before = world.states()
    logs = world.restart()
    assert world.entries_read == 0
    assert refusals(logs) == []
    assert world.states() == before
    world.driver.tick(70)
    world.driver.settle()
    assert sorted(key for key, _ in world.driver.values("payments")) == sorted(KEYS)


def test_a_snapshot_is_taken_of_what_is_committed_at_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is written down facts go on; the file holds the moment it was begun, whole."""
    monkeypatch.setattr(snapshotter_module, "ENTRIES", 1)
    monkeypatch.setattr(snapshotter_module, "BUSY_S", -1.0)
    monkeypatch.setattr(snapshotter_module, "IDLE_S", -1.0)
    world = World(tmp_path)
    world.facts("released", "p")
    world.driver.seconds += 1000.0
    world.driver.turn()
    for key in KEYS[:20]:
        world.driver.fact("parcels", key, "w", "received")
        world.driver.turn()
    assert not world.file.exists(), "it is still being written"
    for _ in range(3 * len(KEYS)):
        world.driver.turn()
        time.sleep(0.001)
    assert header_of(world.file).chains == len(KEYS)
    logs = world.restart()
    assert refusals(logs) == []
    assert world.entries_read == 20
    assert {k: s.standing for k, s in world.states().items()} == {
        key: {"released", "received"} if at < 20 else {"released"} for at, key in enumerate(KEYS)
    }


def test_a_file_appears_whole_or_not_at_all(world: World) -> None:
    """What is given up, and what a killed process left, is never read and is cleared away."""
    world.facts("released", "p")
    old = world.snapshot()
    left = world.file.with_name(f"{world.file.name}.1.tmp")
    left.write_bytes(b"half")
    writer = Writer(world.file, msgspec.structs.replace(old, chains=0))
    writer.add(Frame(keys=(), due=(), places=(), states=(), resting=(), dozing=()))
    writer.abandon()
    assert header_of(world.file) == old
    assert list(world.folder.iterdir()) == [world.file]


def test_a_disk_that_refuses_is_said_and_the_work_goes_on(tmp_path: Path) -> None:
    """No snapshot can be written: an error line each time, and every payment all the same."""
    occupied = tmp_path / "file"
    occupied.write_text("no folder")
    world = World(occupied / "snapshots")
    with capture_logs() as logs:
        world.facts("released", "p")
        world.facts("received", "w")
        world.driver.seconds += 1000.0
        for _ in range(50):
            world.driver.turn()
            time.sleep(0.001)
        world.driver.tick(60)
        world.driver.settle()
    assert "the snapshot was not written" in {line["event"] for line in logs}
    assert len(world.driver.values("payments")) == len(KEYS)


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    """Snapshots are off: the journal is read whole."""
    world = World(tmp_path, snapshots=None)
    world.facts("released", "p")
    world.restart()
    assert list(tmp_path.iterdir()) == []
    assert world.entries_read == len(KEYS)


# ---- what is refused


def damaged(world: World) -> str:
    data = bytearray(world.file.read_bytes())
    data[len(data) // 2] ^= 1
    world.file.write_bytes(bytes(data))
    return "damaged"


def truncated(world: World) -> str:
    world.file.write_bytes(world.file.read_bytes()[:-40])
    return "damaged"


def empty(world: World) -> str:
    world.file.write_bytes(b"")
    return "no snapshot of this format"


def of_another_format(world: World) -> str:
    world.file.write_bytes(b"supplytwin snapshot 0\n" + world.file.read_bytes()[len(MAGIC) :])
    return "no snapshot of this format"


def of(name: str, value: object) -> Callable[[World], str]:
    def change(world: World) -> str:
        rewritten(world.file, lambda header: header.update({name: value}))
        return f"of another {name}"

    return change


def of_another_cluster(world: World) -> str:
    rewritten(world.file, lambda header: header.update(last_hash="ab" * 32))
    return "another last entry"


def beyond_the_end(world: World) -> str:
    rewritten(world.file, lambda header: header.update(offset=10**6))
    return "the journal ends at"


def of_fewer_chains(world: World) -> str:
    rewritten(world.file, lambda header: header.update(chains=header["chains"] + 1))
    return "chains instead of"


def of_a_state_that_never_was(world: World) -> str:
    """Its hash is right, and yet the next entry does not follow what it says."""
    data = world.file.read_bytes()
    length = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "little")
    at = len(MAGIC) + 4 + length
    size = int.from_bytes(data[at : at + 4], "little")
    frame = msgspec.msgpack.decode(data[at + 4 : at + 4 + size], type=Frame)
    states = [Gate().thaw(zlib.decompress(state)) for state in frame.states]
    wrong = [msgspec.structs.replace(state, hash=bytes(32)) for state in states]
    columns = tuple(zlib.compress(Gate().freeze(state)) for state in wrong)
    packed = msgspec.msgpack.encode(msgspec.structs.replace(frame, states=columns))
    body = data[:at] + len(packed).to_bytes(4, "little") + packed + data[at + 4 + size : -32]
    world.file.write_bytes(body + hashlib.sha256(body).digest())
    return "hash chain"


@pytest.mark.parametrize(
    "spoil",
    [
        damaged,
        truncated,
        empty,
        of_another_format,
        of("fold", "0"),
        of("form", "other"),
        of("timeline", "another"),
        of("journal", "another.journal"),
        of("partition", 3),
        of_another_cluster,
        beyond_the_end,
        of_fewer_chains,
        of_a_state_that_never_was,
    ],
)
def test_a_snapshot_that_is_not_right_is_refused_and_the_journal_read_whole(
    world: World, spoil: Callable[[World], str]
) -> None:
    """One line says why, and the states are those of the journal."""
    world.facts("released", "p")
    world.snapshot()
    world.facts("received", "w")
    reason = spoil(world)
    logs = world.restart()
    assert [reason in why for why in refusals(logs)] == [True], refusals(logs)
    assert world.entries_read >= 2 * len(KEYS)
    assert world.driver.worker.metrics.value("supplytwin_snapshots_refused_total") == 1
    assert {s.standing == {"released", "received"} for s in world.states().values()} == {True}
    world.driver.tick(60)
    world.driver.settle()
    assert len(world.driver.values("payments")) == len(KEYS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(0, 9_999), flip=st.integers(1, 255))
def test_no_changed_byte_is_believed(place: int, flip: int, tmp_path_factory: Any) -> None:
    """Whatever single byte of the file is changed, it is refused, and nothing is lost."""
    world = World(tmp_path_factory.mktemp("snapshot"))
    world.facts("released", "p", KEYS[:3])
    world.snapshot()
    world.driver.worker.close()
    content = bytearray(world.file.read_bytes())
    content[place * len(content) // 10_000] ^= flip
    world.file.write_bytes(bytes(content))
    logs = world.restart()
    assert len(refusals(logs)) == 1
    assert set(world.states()) == set(KEYS[:3])


def test_a_journal_that_cannot_be_asked_now_is_asked_again(world: World) -> None:
    """The last entry stands behind a stranger's open transaction: waited for, and never taken for
    a snapshot without chains."""
    world.facts("released", "p")
    stranger = world.driver.broker.producer("stranger")
    stranger.init(5.0)
    stranger.begin()
    stranger.produce("twin.journal", b"zzz", b"never", partition=0)
    world.facts("received", "w")
    world.snapshot()
    before = world.states()
    world.driver.worker.close()
    world.driver._clock = count(0.0, 0.5).__next__
    with capture_logs() as logs:
        world.driver.restart()
        world.driver.turn(6)
        assert world.driver.worker.stores == {}
        assert "the journal cannot be read, trying again" in {line["event"] for line in logs}
        stranger.abort()
        world.driver.settle()
    assert refusals(logs) == []
    assert world.entries_read == 0
    assert world.states() == before


def test_quiet_chains_are_packed_on_the_way(world: World) -> None:
    """A chain without an entry between two snapshots is bytes after the second; the third takes
    them as they are; whoever is told something is unpacked."""
    world.facts("released", "p")
    states = world.driver.worker.stores[0].states
    world.snapshot()
    assert states.packed == 0
    world.facts("received", "w", KEYS[:1])
    world.snapshot()
    assert states.packed == len(KEYS) - 1
    raw = dict(states.raw)
    world.facts("hold", "h", KEYS[1:2])
    world.snapshot()
    same = [key for key in KEYS[2:] if states.raw[key] is raw[key]]
    assert same == KEYS[2:]
    assert world.driver.worker.metrics.value("supplytwin_chains_packed") == states.packed
    world.restart()
    assert world.driver.worker.stores[0].states.packed == len(KEYS)
    world.facts("received", "w", KEYS[1:])
    world.driver.tick(60)
    world.driver.settle()
    assert sorted(k for k, _ in world.driver.values("payments")) == sorted({*KEYS} - {KEYS[1]})


def test_a_broken_journal_is_not_blamed_on_the_snapshot(world: World) -> None:
    """The tail does not follow, and neither does the whole: the worker stops."""
    world.facts("released", "p")
    world.snapshot()
    world.facts("received", "w", KEYS[:1])
    broken = world.driver.read("twin.journal")[-1]
    world.driver.worker.close()
    producer = world.driver.broker.producer(None)
    producer.produce("twin.journal", broken.key, broken.value, partition=0)
    producer.flush()
    world.driver.restart()
    with pytest.raises(FatalError, match="hash chain"):
        for _ in range(20):
            world.driver.turn()
