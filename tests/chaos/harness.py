"""A deployment under attack: its processes, what of their work is uncommitted right now, and the
means to stop, kill and start them exactly there.

All that is asked here is asked of Kafka and of the operating system, never of the engine.
"""

import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.records import JOURNAL
from supplytwin.streams import topics
from supplytwin.streams.checkpoint import insist
from supplytwin.streams.children import CLI, Child
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.kafka_errors import client_log
from supplytwin.streams.ports import Isolation, TopicPartition
from supplytwin.streams.settings import (
    Duck,
    Gateway,
    Kafka,
    RailSection,
    Settings,
    Time,
    WorkerSection,
    as_environment,
)
from supplytwin.streams.topics import DERIVED, INPUTS, WORKER_GROUP, places

PATIENCE_S = 120.0
VARIANTS = Path(__file__).with_name("variants.py")
TIMELINE = "chaos"
HONEST = {
    "refuse_hold": 0, "reject_once": 0, "reject": 0, "give_back": 0, "silent": 0, "lose": 0
}  # fmt: skip
"""A rail that does its part: then the ledger says exactly what becomes of each claim."""


class Open(NamedTuple):
    """An open transaction on a partition: [start, end) is written and not committed."""

    where: TopicPartition
    start: int
    end: int


class Deployment:
    """One deployment on `bootstrap`, initialised; its processes are started by name."""

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        *,
        simulated: bool = True,
        partitions: int = 12,
        replication: int = 1,
        worker: WorkerSection | None = None,
        rail: RailSection | None = None,
        tick_ms: int = 200,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.partitions = partitions
        self.settings = Settings(
            kafka=Kafka(
                bootstrap=bootstrap,
                partitions=partitions,
                replication=replication,
                min_insync_replicas=max(1, replication - 1),
            ),
            time=Time(
                simulated=simulated, timeline=TIMELINE if simulated else "wall", tick_ms=tick_ms
            ),
            worker=worker or WorkerSection(transaction_timeout_ms=60_000),
            duck=Duck(path=str(folder / "twin.duckdb")),
            gateway=Gateway(ledger=str(folder / "rail.sqlite"), behaviour=HONEST),
            rail=rail or RailSection(),
        )
        self.broker = KafkaBroker(bootstrap)
        self.folder = folder
        self.children: dict[str, Child] = {}
        self.restarts: list[tuple[str, str]] = []
        self._logged: dict[str, int] = {}
        """How long the log of each was when it was started last."""
        self.admin = self.broker.admin()
        self._init()
        self._native = self._client()

    def _init(self) -> None:
        """As `supplytwin init`, again while a loaded machine is slow to find leaders."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                topics.init(self.broker, self.settings)
                return
            except TransientError:
                if time.monotonic() > deadline:
                    raise

    def _client(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.settings.kafka.bootstrap}, logger=client_log)

    # ---- processes

    def environment(
        self, client_id: str, *, gateway_fail_at: str = "", **worker: Any
    ) -> dict[str, str]:
        """What a process is told; `worker` changes its own section. By its client id Kafka knows
        it.
        """
        kafka = replace(self.settings.kafka, client={"client.id": client_id})
        section = replace(self.settings.worker, **worker)
        gateway = replace(self.settings.gateway, fail_at=gateway_fail_at)
        return as_environment(replace(self.settings, kafka=kafka, worker=section, gateway=gateway))

    def start(
        self,
        name: str,
        *words: str,
        variant: str = "",
        client_id: str = "",
        **worker: Any,
    ) -> Child:
        """One of our commands, as a process that ends with this one; a second one of a name
        replaces the first in `children`. `variant`: a wrong engine, see variants.py.
        """
        path = self.folder / f"{name}.log"
        self._logged[name] = path.stat().st_size if path.exists() else 0
        program = (str(VARIANTS), variant) if variant else CLI
        environment = self.environment(client_id or name, **worker)
        child = Child(name, words, environment, path, self._restarted, program=program)
        self.children[name] = child
        return child

    def _restarted(self, name: str, why: str) -> None:
        self.restarts.append((name, why))

    def worker(self, slot: int, *words: str, name: str = "", **worker: Any) -> Child:
        """The worker of a slot."""
        known = f"worker-{slot}"
        return self.start(
            name or known, "work", "--slot", str(slot), *words, client_id=known, **worker
        )

    def gateway(self, fail_at: str = "", variant: str = "") -> Child:
        return self.start("gateway", "gateway", variant=variant, gateway_fail_at=fail_at)

    def ticker(self) -> Child:
        return self.start("ticker", "tick")

    def tend(self) -> None:
        """Start again who asked for it or was killed, as a supervisor does."""
        for child in self.children.values():
            child.tend()

    def stop(self, *names: str) -> dict[str, int]:
        """Drain processes (default: all); their exit codes."""
        return {name: self.children.pop(name).stop(20.0) for name in names or list(self.children)}

    def assert_alive(self) -> None:
        """Nobody has ended."""
        for name, child in self.children.items():
            code = child.process.poll()
            assert code is None, f"{name} ended with {code}: {self.log(name)[-3000:]}"

    def log(self, name: str) -> str:
        """What a process has said since it was started last."""
        text = (self.folder / f"{name}.log").read_bytes()[self._logged[name] :]
        return text.decode(errors="replace")

    def tells(self) -> str:
        """For whoever looks why it stands still: what is open, and what each process said last."""
        found = [str(one) for one in self.open((*INPUTS, *DERIVED))]
        found += [f"{name}: {self.log(name)[-3000:]}" for name in self.children]
        return "\n".join(found)

    def said(self, name: str) -> list[dict[str, Any]]:
        """The same, its JSON lines."""
        lines = self.log(name).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def up(self, *slots: int) -> bool:
        """Whether these workers, as they were started last, are members and share everything."""
        joined = all("assigned" in self.log(f"worker-{slot}") for slot in slots)
        return joined and self.assigned(*slots)

    def close(self) -> None:
        """Nothing of it runs any more."""
        for child in self.children.values():
            if child.process.poll() is None:
                child.process.kill()
            child.process.wait()
        self.children.clear()

    # ---- what Kafka says

    def ends(
        self, names: Sequence[str], isolation: Isolation = "read_uncommitted"
    ) -> dict[TopicPartition, int]:
        """Ends of some topics, asked again while brokers come and go."""
        wanted = places(names, self.partitions)
        deadline = time.monotonic() + PATIENCE_S
        return insist(lambda: self.admin.ends(wanted, isolation), deadline, time.monotonic)

    def open(self, names: Sequence[str] = (JOURNAL,)) -> list[Open]:
        """The open transactions on some topics at this moment."""
        wanted = places(names, self.partitions)
        ends = self.ends(names)
        stable = self.ends(names, "read_committed")
        # the stable end was asked later: what was committed in between is not open
        return [Open(at, stable[at], ends[at]) for at in wanted if stable[at] < ends[at]]

    def written(self, names: Sequence[str] = (JOURNAL,)) -> int:
        """How far some topics have grown, aborted records and markers included."""
        return sum(self.ends(names).values())

    def owners(self) -> dict[int, int]:
        """Partition number -> slot, as the group's coordinator says. Of a number that two have, or
        of which one has not every topic, nobody.
        """
        try:
            described = self._native.describe_consumer_groups([WORKER_GROUP], request_timeout=10.0)
            members = described[WORKER_GROUP].result(PATIENCE_S).members
        except KafkaException:  # the coordinator that it knows has gone: a new client looks for it
            self._native = self._client()
            return {}
        held: dict[int, list[int]] = defaultdict(list)
        for member in members:
            slot = int(member.client_id.rpartition("-")[2])
            for at in member.assignment.topic_partitions if member.assignment else ():
                held[at.partition].append(slot)
        whole = {number: set(slots) for number, slots in held.items() if len(slots) == len(INPUTS)}
        return {number: slots.pop() for number, slots in whole.items() if len(slots) == 1}

    def behind(self) -> dict[TopicPartition, tuple[int, int]]:
        """(committed, end) of each input that the workers have not committed to its end."""
        wanted = places(INPUTS, self.partitions)
        ends = self.ends(INPUTS)
        done = self.admin.committed(WORKER_GROUP, wanted)
        return {at: (done[at] or 0, ends[at]) for at in wanted if (done[at] or 0) < ends[at]}

    def assigned(self, *slots: int) -> bool:
        """Whether every partition number belongs to one of `slots`, and each has some."""
        owners = self.owners()
        return len(owners) == self.partitions and set(owners.values()) == set(slots)

    def leaders(self) -> dict[TopicPartition, int]:
        """Partition -> the broker that leads it, of every topic, Kafka's own included."""
        return {at: number.leader for at, number in self._partitions()}

    def in_sync(self) -> bool:
        """Whether every replica of every partition is."""
        return all(len(at.isrs) == len(at.replicas) for _, at in self._partitions())

    def _partitions(self) -> Iterator[tuple[TopicPartition, Any]]:
        for name, topic in self._native.list_topics(timeout=PATIENCE_S).topics.items():
            for number, at in topic.partitions.items():
                yield TopicPartition(name, number), at

    # ---- attacks

    def freeze_at_work(self, slot: int, patience_s: float = 30.0) -> list[Open]:
        """SIGSTOP the worker of `slot` while it has a transaction open; what is open.

        It was hit when the transaction stays open although the process stands still: a commit that
        was on its way has arrived by then. It runs on, and is tried again, until it is hit.
        """
        process = self.children[f"worker-{slot}"].process
        deadline = time.monotonic() + patience_s
        mine = {number for number, owner in self.owners().items() if owner == slot}
        while time.monotonic() < deadline:
            if not any(one.where.partition in mine for one in self.open()):
                continue
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
            held = [one for one in self.open() if one.where.partition in mine]
            time.sleep(0.1)
            if held and [one for one in self.open() if one.where.partition in mine] == held:
                return held
            process.send_signal(signal.SIGCONT)
        return []

    def kill(self, name: str) -> None:
        """kill -9 by pid; returns when the process is gone."""
        process = self.children[name].process
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


class Attacks:
    """Runs each attack once, when the journal has grown past its share of `entries`.

    An attack returns False when it did not hit what it meant to hit: then it is tried again. Who
    else ends without having been attacked fails the test.
    """

    def __init__(
        self, deployed: Deployment, entries: int, attacks: Sequence[Callable[[], bool]]
    ) -> None:
        self.deployed = deployed
        self.guard: Callable[[], None] = deployed.assert_alive
        count = len(attacks)
        self.left = [
            (entries * (0.1 + 0.75 * number / count), attack)
            for number, attack in enumerate(attacks)
        ]

    def pump(self) -> None:
        """For `loads.conduct`."""
        self.guard()
        if self.left and self.deployed.written() >= self.left[0][0]:
            if self.left[0][1]():
                self.left.pop(0)
        else:
            time.sleep(0.005)


def patience(seconds: float) -> float:
    """`seconds` on a quiet machine: longer by how much longer work takes here right now."""
    wall, cpu = time.monotonic(), time.process_time()
    while time.process_time() - cpu < 0.1:
        pass
    return seconds * max(1.0, (time.monotonic() - wall) / 0.1)


def until(
    met: Callable[[], bool], what: str, patience_s: float = PATIENCE_S, every_s: float = 0.05
) -> float:
    """Wait until `met`; how long it took, seconds."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() - began < patience_s, f"{what}: not within {patience_s:.0f} s"
        time.sleep(every_s)
    return time.monotonic() - began
