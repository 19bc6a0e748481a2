"""The watch side-car as a process, on a real Apache Kafka: aborted records, HTTP, signals."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import confluent_kafka.admin
import pytest
import sink_world as w

from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import partition_of
from supplytwin.schemas.records import EXCEPTIONS, SETTLEMENT_EVENTS
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.kafka_errors import client_log
from supplytwin.streams.local_broker import free_ports
from supplytwin.streams.ports import Eof, Producer, TopicPartition, TopicSpec
from supplytwin.streams.topics import WATCH_GROUP

pytest.importorskip("faust")
pytestmark = pytest.mark.kafka

NAMES = (EXCEPTIONS, SETTLEMENT_EVENTS)
PATIENCE_S = 60.0
RUN = ("-m", "supplytwin.streams.cli", "watch")
DEFAULT_TRANSPORT = (
    "-c",
    """
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread as Default
from supplytwin.streams import cli, watch_kafka
watch_kafka.CommittedThread._create_worker_consumer = Default._create_worker_consumer
cli.main()
""",
    "watch",
)
"""The same side-car, but its consumer is as Faust makes it."""


def plain_admin(kafka: KafkaBroker) -> Any:
    """For what the port of the engine does not offer."""
    module: Any = confluent_kafka.admin
    return module.AdminClient({"bootstrap.servers": kafka.address}, logger=client_log)


class World:
    """The two topics, and chains whose names nobody else uses."""

    def __init__(self, kafka: KafkaBroker, prefix: str) -> None:
        self.kafka, self.prefix = kafka, prefix
        self.admin = kafka.admin()
        self.partitions = {name: self.admin.topics()[name].partitions for name in NAMES}
        self.places = [
            TopicPartition(name, n) for name in NAMES for n in range(self.partitions[name])
        ]
        self.log = w.Log()
        self.made = 0

    def chain(self, name: str) -> str:
        """A chain id that has to be percent-encoded."""
        return f"{self.prefix}/ä %2F?#{name}"

    def records(self, name: str, code: str) -> list[Record]:
        """An exception and a held claim of 20 chains."""
        found = []
        for number in range(20):
            chain = w.Chain(self.log, self.chain(f"{name}{number}"))
            found += [chain.exception(code, open=True), chain.settle("K", 1, "HELD")]
        return found

    def begin(self, records: list[Record]) -> Producer:
        """An open transaction whose records are all in the log."""
        self.made += 1
        producer = self.kafka.producer(f"{self.prefix}{self.made}")
        producer.init(10.0)
        producer.begin()
        before = self.admin.ends(self.places, "read_uncommitted")
        for one in records:
            partition = partition_of(one.key or b"", self.partitions[one.topic])
            producer.produce(one.topic, one.key, one.value, partition=partition)
        producer.flush()
        after = self.admin.ends(self.places, "read_uncommitted")
        assert sum(after.values()) - sum(before.values()) >= len(records)
        return producer

    def write(self, records: list[Record], *, commit: bool) -> None:
        """One transaction."""
        producer = self.begin(records)
        if commit:
            producer.commit()
        else:
            producer.abort()
        producer.close()

    def uncommitted(self) -> set[bytes | None]:
        """The value of every record in the log, aborted ones included."""
        consumer = self.kafka.consumer(None, isolation="read_uncommitted", from_start=True)
        consumer.assign(self.admin.begins(self.places))
        found, ended = set(), set()
        deadline = time.monotonic() + PATIENCE_S
        while len(ended) < len(self.places):
            assert time.monotonic() < deadline
            for item in consumer.consume(5000, 0.2):
                if isinstance(item, Eof):
                    ended.add((item.topic, item.partition))
                else:
                    found.add(item.value)
        consumer.close()
        return found


@pytest.fixture
def world(kafka: KafkaBroker, fresh_prefix: str) -> Iterator[World]:
    """The topics as `init` names them; those that were not there before are removed again."""
    admin = kafka.admin()
    missing = sorted(set(NAMES) - admin.topics().keys())
    admin.create([TopicSpec(name=name, partitions=3, replication=1, config={}) for name in missing])
    made = World(kafka, fresh_prefix)
    yield made
    made.admin.close()
    if missing:
        native = plain_admin(kafka)
        for future in native.delete_topics(missing).values():
            future.result(10.0)
        deadline = time.monotonic() + 10.0
        while set(missing) & admin.names() and time.monotonic() < deadline:
            time.sleep(0.1)
    admin.close()


class Sidecar:
    """A running process."""

    def __init__(
        self, address: str, folder: Path, how: tuple[str, ...] = RUN, port: int = 0
    ) -> None:
        self.port = port or free_ports(1)[0]
        self.folder = folder
        self.log = folder.with_suffix(f".{self.port}.log")
        environ = {k: v for k, v in os.environ.items() if not k.startswith("SUPPLYTWIN_")}
        with self.log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *how, "--port", str(self.port)],
                env={**environ, "SUPPLYTWIN_KAFKA__BOOTSTRAP": address,
                     "SUPPLYTWIN_WATCH__ALERTS": "100000"},
                cwd=folder, stderr=stderr,
            )  # fmt: skip

    def get(self, path: str, host: str = "") -> tuple[int, Any]:
        """Status and JSON."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=5.0) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def codes(self) -> set[str]:
        return {alert["code"] for alert in self.get("/alerts?limit=100000")[1]["alerts"]}

    def until(self, what: Callable[[], bool]) -> None:
        """Wait until it answers and `what` is true."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if what():
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def caught_up(self) -> None:
        self.until(lambda: self.get("/health")[1]["behind"] == 0)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged in JSON."""
        text = self.log.read_text().splitlines()
        return [json.loads(line) for line in text if line.startswith("{")]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


Start = Callable[..., Sidecar]


@pytest.fixture
def start(kafka_address: str, tmp_path: Path) -> Iterator[Start]:
    """Starts side-cars in an empty folder; kills what is left of them."""
    made: list[Sidecar] = []
    folder = tmp_path / "empty"
    folder.mkdir()

    def run(how: tuple[str, ...] = RUN, port: int = 0) -> Sidecar:
        made.append(Sidecar(kafka_address, folder, how, port))
        return made[-1]

    yield run
    for one in made:
        one.stop()


def test_committed_records_are_shown_and_aborted_ones_never(world: World, start: Start) -> None:
    """Before the start and while it runs: alerts and chains come from committed records only."""
    first, gone, second = (world.records(f"c{n}", f"{world.prefix}{n}") for n in range(3))
    world.write(first, commit=True)
    world.write(gone, commit=False)
    world.write(second, commit=True)
    in_log = world.uncommitted()
    assert {one.value for one in gone} <= in_log, "the test must have aborted records to show"
    sidecar = start()
    sidecar.caught_up()
    shown, aborted = {f"{world.prefix}0", f"{world.prefix}2"}, f"{world.prefix}1"
    assert sidecar.codes() >= shown
    assert aborted not in sidecar.codes()
    alerts = [one for one in sidecar.get("/alerts?limit=100000")[1]["alerts"]
              if one["chain_id"].startswith(world.prefix)]  # fmt: skip
    assert len(alerts) == len(first) + len(second)

    late = world.records("late", f"{world.prefix}late")
    producer = world.begin(late)
    lost = world.records("lost", f"{world.prefix}lost")
    world.write(lost, commit=False)
    time.sleep(2.0)
    assert sidecar.codes() & {f"{world.prefix}late", f"{world.prefix}lost", aborted} == set()
    producer.commit()
    producer.close()
    sidecar.until(lambda: f"{world.prefix}late" in sidecar.codes())
    sidecar.caught_up()
    assert sidecar.codes() & {f"{world.prefix}lost", aborted} == set()
    for name, status in (("c00", 200), ("c219", 200), ("late7", 200), ("c10", 404), ("lost3", 404)):
        assert sidecar.get(f"/chains/{quote(world.chain(name), safe='')}")[0] == status, name
    logged = {line["code"] for line in sidecar.lines() if line["event"] == "alert"}
    assert logged == {f"{world.prefix}late", "HELD"}, "older alerts are shown, not logged again"


def test_the_transport_of_faust_would_show_aborted_records(world: World, start: Start) -> None:
    """The same side-car with the consumer that Faust makes shows them: the test above can fail."""
    world.write(world.records("gone", f"{world.prefix}gone"), commit=False)
    world.write(world.records("kept", f"{world.prefix}kept"), commit=True)
    sidecar = start(DEFAULT_TRANSPORT)
    sidecar.until(lambda: f"{world.prefix}kept" in sidecar.codes())
    sidecar.until(lambda: f"{world.prefix}gone" in sidecar.codes())


def test_a_chain_is_found_by_its_percent_encoded_id(world: World, start: Start) -> None:
    """Slashes, spaces, percent signs and any letters; what is unknown is a clear 404."""
    world.write(world.records("n", "LATE"), commit=True)
    sidecar = start()
    sidecar.caught_up()
    status, found = sidecar.get(f"/chains/{quote(world.chain('n3'), safe='')}")
    assert (status, found["chain_id"], found["whole"]) == (200, world.chain("n3"), True)
    assert [(one["claim_id"], one["to_state"]) for one in found["claims"]] == [("K", "HELD")]
    assert [one["code"] for one in found["open_exceptions"]] == ["LATE"]
    assert sidecar.get(f"/chains/{quote(world.chain('n3'))}")[1]["chain_id"] == world.chain("n3")
    status, answer = sidecar.get("/chains/no%2Fsuch%25")
    assert (status, answer["chain_id"]) == (404, "no/such%")
    assert "nothing settled or wrong was seen of this chain" in answer["error"]
    assert sidecar.get("/chains/%ff")[0] == 400
    status, newest = sidecar.get("/alerts?limit=3")
    assert (status, len(newest["alerts"])) == (200, 3)
    for wrong in ("-1", "x", "", "1e3", "9999999999"):
        assert sidecar.get(f"/alerts?limit={wrong}")[0] == 400, wrong
    assert sidecar.get("/health", host="evil.example:80")[0] == 403
    assert sidecar.get("/health", host=f"localhost:{sidecar.port}")[0] == 200


def test_a_bad_record_is_told_with_its_place_and_stops_nothing(world: World, start: Start) -> None:
    """Junk, a tombstone and a record without key are logged and counted; reading goes on."""
    sidecar = start()
    sidecar.caught_up()
    before = sidecar.get("/health")[1]["undecodable"]
    producer = world.begin([])
    for key, value in ((b"k", b"junk"), (b"k", None), (None, b"")):
        producer.produce(EXCEPTIONS, key, value, partition=0)
    producer.commit()
    producer.close()
    world.write(world.records("after", f"{world.prefix}after"), commit=True)
    sidecar.until(lambda: f"{world.prefix}after" in sidecar.codes())
    sidecar.until(lambda: sidecar.get("/health")[1]["undecodable"] == before + 3)
    wrong = [line for line in sidecar.lines() if line["event"] == "undecodable"][-3:]
    assert [line["offset"] - wrong[0]["offset"] for line in wrong] == [0, 1, 2]
    assert {(line["topic"], line["partition"]) for line in wrong} == {(EXCEPTIONS, 0)}


def test_it_leaves_nothing_behind_and_ends_when_told(world: World, start: Start) -> None:
    """No topics, no offsets of its group, no files; SIGTERM ends it with 0 in less than 10 s."""
    world.write(world.records("n", "LATE"), commit=True)
    before = world.admin.topics().keys()
    sidecar, other = start(), start()
    for one in (sidecar, other):
        one.caught_up()
        assert one.get(f"/chains/{quote(world.chain('n0'), safe='')}")[0] == 200
    time.sleep(3.5)  # Faust would commit every 2.8 s
    native = plain_admin(world.kafka)
    listed = native.list_consumer_groups().result(10.0).valid
    groups = [one.group_id for one in listed if one.group_id.startswith(f"{WATCH_GROUP}-")]
    assert len(groups) >= 2, "each process reads everything, in a group of its own"
    for group in groups:
        asked = [confluent_kafka.ConsumerGroupTopicPartitions(group)]
        (future,) = native.list_consumer_group_offsets(asked).values()
        assert future.result(10.0).topic_partitions == []
    other.process.send_signal(signal.SIGINT)
    sidecar.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert sidecar.process.wait(20) == 0
    assert other.process.wait(20) == 0
    assert time.monotonic() - began < 10.0
    assert world.admin.topics().keys() == before
    assert list(sidecar.folder.iterdir()) == []
    assert {line["level"] for line in sidecar.lines()} <= {"info", "warning", "error"}


def test_a_taken_port_is_one_line(world: World, start: Start) -> None:
    """A second one on the same port ends with 2 and says how to choose another."""
    first = start()
    first.until(lambda: first.get("/health")[0] == 200)
    second = start(port=first.port)
    assert second.process.wait(PATIENCE_S) == 2
    assert "choose another port by --port" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()
