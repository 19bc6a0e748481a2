"""A schema registry beside the deployment: nothing that is known changes, only what stands before
each record; what others write with its ids is understood, kept, and read again without it.
"""

import importlib
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import registry_world as w
import structlog
from fastavro import schemaless_writer
from typer.testing import CliRunner

from supplytwin.schemas import avro, codec, journal
from supplytwin.schemas.errors import FatalError, TransientError, UsageError
from supplytwin.schemas.events import ORDERS
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import CONTROL, JOURNAL, QUARANTINE, Quarantined
from supplytwin.streams import broker_choice, cli_look, deployment, doctor, framed, show, summary
from supplytwin.streams import topics as topic_list
from supplytwin.streams.registry import LEVEL, Registry
from supplytwin.streams.settings import Kafka, SchemaRegistry, Settings, as_environment

CHAINS = 6
BAD = {"type": "record", "name": "SupplyOrders", "namespace": "supplytwin",
       "fields": [{"name": "event_id", "type": "long"}]}  # fmt: skip
"""A schema that ours cannot read: an id is no number."""


@pytest.fixture
def server() -> Iterator[Any]:
    """A registry of one's own."""
    server = w.Server()
    yield server
    server.down()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any, Any]]:
    """The same deliveries without and with a registry, and the registry."""
    folder = tmp_path_factory.mktemp("pair")
    server = w.Server()
    plain = w.deploy(folder / "plain")
    with_registry = w.deploy(folder / "registry", server.settings())
    for one in (plain, with_registry):
        one.play(w.deliveries(CHAINS))
        one.stop()
    yield plain, with_registry, server
    server.down()


# ---- nothing changes but the frame


def test_twins_and_payments_are_the_same(pair: tuple[Any, Any, Any]) -> None:
    """Both deployments fold to the same states and pay the same, and both audits are equal."""
    plain, framed_one, _ = pair
    assert framed_one.hashes().states == plain.hashes().states
    assert framed_one.hashes().settlements == plain.hashes().settlements
    assert framed_one.hashes().chains == CHAINS
    for one in (plain, framed_one):
        audited = one.audit()
        assert audited.differences == []
        assert audited.decisions > CHAINS


def test_everything_in_kafka_names_its_schema_by_an_id(pair: tuple[Any, Any, Any]) -> None:
    """Every value begins with 00 and the id of its topic's subject; behind it are the same bytes
    that stand behind the fingerprint where there is no registry.
    """
    plain, framed_one, server = pair
    seen = set()
    for topic in topic_list.ALL:
        (number,) = server.store.subjects[f"{topic}-value"]
        registered = json.loads(server.store.texts[number - 1])
        assert avro.fingerprint_of_schema(registered) == avro.fingerprint_of(topic)
        records = [one for one in framed_one.raw(topic) if one.value is not None]
        for record in records:
            assert record.value[:5] == b"\0" + number.to_bytes(4, "big"), topic
        seen |= {topic} if records else set()
        if topic != JOURNAL:  # its entries hold inputs as they came
            bodies = sorted(one.value[5:] for one in records)
            others = [one for one in plain.raw(topic) if one.value is not None]
            assert bodies == sorted(one.value[10:] for one in others), topic
    assert seen >= {*topic_list.INPUTS, *topic_list.DERIVED} - {QUARANTINE, "settlement.reviews"}


def test_journal_bodies_are_what_came(pair: tuple[Any, Any, Any]) -> None:
    """Byte for byte what the input topics hold, whoever framed it."""
    _, framed_one, _ = pair
    inputs = {
        (one.topic, one.partition, one.offset): one.value
        for topic in topic_list.INPUTS
        for one in framed_one.raw(topic)
    }
    taken = 0
    for record in summary.read_all(framed_one.broker, JOURNAL, w.PARTITIONS):
        entry = journal.read(record.value or b"")
        if entry.source_topic is not None:
            place = (entry.source_topic, entry.source_partition, entry.source_offset)
            assert entry.body == inputs[place]
            known = int.from_bytes(entry.body_fingerprint, "little")
            assert (entry.source_topic, known) in avro.known()
            taken += 1
    assert taken > 50


def test_analysts_see_no_difference(pair: tuple[Any, Any, Any]) -> None:
    """Every row of the event, settlement and milestone tables is the same."""
    plain, framed_one, _ = pair
    for table in ("event", "settlement_event", "milestone", "footprint", "exception"):
        rows = []
        for one in (plain, framed_one):
            with duckdb.connect(one.settings.duck.path, read_only=True) as file:
                rows.append(file.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall())
        assert rows[0] == rows[1], table
        assert rows[0] or table == "exception"


def test_a_subject_that_we_made_guards_what_we_need(pair: tuple[Any, Any, Any]) -> None:
    """Its compatibility is BACKWARD_TRANSITIVE, whatever the registry does otherwise."""
    _, _, server = pair
    for topic in topic_list.ALL:
        assert server.store.levels[f"{topic}-value"] == LEVEL


def test_ids_are_asked_for_once(pair: tuple[Any, Any, Any]) -> None:
    """At start: a few questions for each topic and process, and nothing while records flow."""
    _, framed_one, server = pair
    before = len(server.requests)
    assert before < 300
    framed_one.hashes()
    assert len(server.requests) == before


# ---- what others write


def schema_with(topic: str, *fields: dict[str, Any], without: tuple[str, ...] = ()) -> Any:
    """Ours with fields more and fewer."""
    ours = avro.schema(topic)
    kept = [one for one in ours["fields"] if one["name"] not in without]
    return {**ours, "fields": [*kept, *fields]}


def written(schema: Any, number: int, message: Any, **more: Any) -> bytes:
    """An event as a producer with fastavro and the registry's id writes it."""
    row = codec.strict_row(message.TOPIC, codec.encode(message.TOPIC, message))
    file = io.BytesIO()
    schemaless_writer(file, schema, {**row, **more})
    return b"\0" + number.to_bytes(4, "big") + file.getvalue()


def entries(one: Any) -> list[tuple[Any, Any]]:
    """(record, entry) of the whole journal."""
    read = summary.read_all(one.broker, JOURNAL, w.PARTITIONS)
    return [(record, journal.read(record.value or b"")) for record in read]


def quarantined(one: Any) -> list[Quarantined]:
    found = []
    for record in summary.read_all(one.broker, QUARANTINE, w.PARTITIONS):
        message = codec.decode(QUARANTINE, record.value or b"").message
        assert isinstance(message, Quarantined)
        found.append(message)
    return found


def orders() -> list[Any]:
    """(key, event, arrival) of the order events of the deliveries."""
    return [(m.key, m.body, m.arrival) for m in w.deliveries(CHAINS) if m.topic == ORDERS]


NEWER = schema_with(ORDERS, {"name": "colour", "type": ["null", "string"], "default": None})
OLDER = schema_with(ORDERS, without=("correction_reason",))


def feed(one: Any, server: Any) -> None:
    """All deliveries; a third of the order events is of a newer, a third of an older schema."""
    newer, older = (
        server.store.register(f"{ORDERS}-value", json.dumps(schema)) for schema in (NEWER, OLDER)
    )
    sent = 0
    for message in w.deliveries(CHAINS):
        value = codec.encode(message.topic, message.body)
        if message.topic == ORDERS:
            sent += 1
            if sent % 3 == 1:
                value = written(NEWER, newer, message.body, colour="red")
            elif sent % 3 == 2:
                value = written(OLDER, older, message.body)
        one.send(message.topic, message.key.encode(), value, message.arrival)
    one.settle()


@pytest.fixture
def mixed(tmp_path: Path, server: Any) -> Iterator[Any]:
    """A deployment that got events of other versions, in both wire formats, without any tick."""
    one = w.deploy(tmp_path / "mixed", server.settings())
    feed(one, server)
    yield one
    one.stop()


def test_other_versions_mean_the_same(mixed: Any, tmp_path: Path, server: Any) -> None:
    """Older and newer schemas of a registry are taken as if ours had written them."""
    plain = w.deploy(tmp_path / "plain")
    for message in w.deliveries(CHAINS):
        value = codec.encode(message.topic, message.body)
        plain.send(message.topic, message.key.encode(), value, message.arrival)
    plain.settle()
    plain.stop()
    assert quarantined(mixed) == []
    assert mixed.hashes().states == plain.hashes().states
    events = (
        "SELECT * EXCLUDE (seq, taken_at, kafka_partition, kafka_offset) FROM event ORDER BY ALL"
    )
    mixed.stop()
    rows = []
    for one in (plain, mixed):
        with duckdb.connect(one.settings.duck.path, read_only=True) as file:
            rows.append(file.execute(events).fetchall())
    assert rows[0] == rows[1]


def test_a_foreign_schema_is_journalled_once_for_each_partition(mixed: Any) -> None:
    """Before the first entry that needs it, as a CONTROL entry with its text and fingerprint."""
    texts = {
        avro.fingerprint_of_schema(schema): json.dumps(
            schema, sort_keys=True, separators=(",", ":")
        ).encode()
        for schema in (NEWER, OLDER)
    }
    known: dict[int, dict[int, bytes]] = {number: {} for number in range(w.PARTITIONS)}
    needed = 0
    for record, entry in entries(mixed):
        fingerprint = int.from_bytes(entry.body_fingerprint, "little")
        if entry.kind == "CONTROL" and entry.source_topic != CONTROL:
            assert fingerprint not in known[record.partition]
            known[record.partition][fingerprint] = entry.body
            assert entry.chain_id == f"@p{record.partition}"
        elif fingerprint in texts:
            assert fingerprint in known[record.partition]
            needed += 1
    assert needed >= CHAINS
    assert known[0] == texts
    assert known[1].items() <= texts.items()
    assert known[1]


def test_the_journal_tells_what_the_registry_has_lost(
    mixed: Any, tmp_path: Path, server: Any
) -> None:
    """With the schemas of others gone, restore, audit, `twin show` and the sink read everything."""
    states = mixed.states()
    mixed.stop()
    server.store.lost |= {number for number in server.store.kinds if is_foreign(server, number)}
    assert len(server.store.lost) == 2
    again = mixed.reopened(tmp_path / "again.duckdb")
    assert again.states() == states
    again.stop()
    assert again.audit().differences == []
    (key, *_), *_ = orders()
    found = show.show(
        key,
        [record.value for record, entry in entries(again) if entry.chain_id == key],
        common=[record.value for record, _ in entries(again) if show.is_common(record)],
    )
    assert found.broken is None
    assert len(found.timeline) == found.entries


def is_foreign(server: Any, number: int) -> bool:
    """Whether a registered schema is none of ours."""
    fingerprint = avro.fingerprint_of_schema(json.loads(server.store.texts[number - 1]))
    return fingerprint not in {known for _, known in avro.known()}


def test_twin_show_reads_foreign_facts_from_file_and_database(
    mixed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One chain exported takes the schemas along; the DuckDB file has them anyway."""
    mixed.stop()
    (key, *_), *_ = orders()
    folder = tmp_path / "shown"
    folder.mkdir()
    monkeypatch.chdir(folder)
    exported = folder / "j.jsonl"
    context = type("Obj", (), {"settings": lambda self: mixed.settings})()
    database = mixed.settings.duck.path
    done = CliRunner().invoke(
        cli_look.journal_app, ["--db", database, "--chain", key, str(exported)], obj=context
    )
    assert done.exit_code == 0, done.output
    shown = []
    asked = ["show", key, "--json", "--now", "2026-11-27T00:00:00Z"]
    for words in (["--journal", str(exported)], ["--db", database]):
        done = CliRunner().invoke(cli_look.twin_app, [*asked, *words], obj=context)
        assert done.exit_code == 0, done.output
        shown.append(json.loads(done.stdout))
    assert shown[0] == shown[1]
    assert shown[0]["broken"] is None
    lines = [line.chain_id for line in show.journal_file.read(exported)]
    assert {name for name in lines if name.startswith("@")} <= {"@p0", "@p1"}


def test_an_id_that_nobody_knows(tmp_path: Path, server: Any) -> None:
    """Goes to the quarantine as UNKNOWN_SCHEMA; what is registered later is taken from then on."""
    one = w.deploy(tmp_path / "unknown", server.settings())
    (key, event, arrival), (other_key, other, later), *_ = orders()
    number = len(server.store.texts) + 1
    one.send(ORDERS, key.encode(), written(NEWER, number, event), arrival)
    one.send(ORDERS, key.encode(), b"\0\xff\xff\xff\xff" + bytes(20), arrival)
    one.settle()
    assert [(q.code, q.body[:1]) for q in quarantined(one)] == [("UNKNOWN_SCHEMA", b"\0")] * 2
    assert server.store.register(f"{ORDERS}-value", json.dumps(NEWER)) == number
    one.broker.registry._unknown.clear()  # a second later
    one.send(ORDERS, other_key.encode(), written(NEWER, number, other), later)
    one.settle()
    assert len(quarantined(one)) == 2
    taken = [e.kind for _, e in entries(one) if e.source_topic == ORDERS]
    assert taken == ["CONTROL", "FACT"]
    one.stop()


@pytest.mark.parametrize(
    ("schema", "kind", "says"),
    [
        (BAD, "AVRO", "event_id"),
        ("message Order {}", "PROTOBUF", "cannot be used"),
        ('"string"', "AVRO", "record"),
    ],
)
def test_schemas_that_are_of_no_use(
    tmp_path: Path, server: Any, schema: Any, kind: str, says: str
) -> None:
    """What ours cannot read, and what is no Avro, is refused by name and never guessed at."""
    one = w.deploy(tmp_path / "useless", server.settings())
    text = schema if isinstance(schema, str) else json.dumps(schema)
    number = server.store.register("another-subject", text, kind)
    one.send(ORDERS, b"c", b"\0" + number.to_bytes(4, "big") + b"\x02\x02", DAY_US)
    one.settle()
    (found,) = quarantined(one)
    assert (found.code, says in found.reason + found.field) == ("UNKNOWN_SCHEMA", True)
    one.stop()


def test_another_unit_of_time_is_another_schema(tmp_path: Path, server: Any) -> None:
    """Milliseconds have the fingerprint of microseconds: they are refused, not read as these."""
    ours = avro.schema(ORDERS)
    text = json.dumps(ours).replace("timestamp-micros", "timestamp-millis")
    assert avro.fingerprint_of_schema(json.loads(text)) == avro.fingerprint_of(ORDERS)
    one = w.deploy(tmp_path / "millis", server.settings())
    number = server.store.register("another-subject", text)
    (key, event, arrival), *_ = orders()
    one.send(ORDERS, key.encode(), written(ours, number, event), arrival)
    one.settle()
    (found,) = quarantined(one)
    assert found.code == "UNKNOWN_SCHEMA"
    assert "timestamp-millis" in found.reason
    one.stop()


# ---- a registry that is away


def test_an_unknown_id_while_the_registry_is_away(tmp_path: Path, server: Any) -> None:
    """Nothing is decided about the record: the process ends with 75, and takes it later.

    What is known already goes on meanwhile.
    """
    one = w.deploy(tmp_path / "away", server.settings())
    (key, event, arrival), (other_key, other, later), *_ = orders()
    number = server.store.register(f"{ORDERS}-value", json.dumps(NEWER))
    own = server.store.subjects[f"{ORDERS}-value"][0]
    server.down()
    one.send(ORDERS, key.encode(), written(avro.schema(ORDERS), own, event), arrival)
    one.settle()
    one.send(ORDERS, other_key.encode(), written(NEWER, number, other), later)
    with pytest.raises(FatalError, match=r"no schema registry answers at http://127"):
        one.settle()
    assert quarantined(one) == []
    server.up()
    one.parts = []
    one.start()
    one.settle()
    assert quarantined(one) == []
    assert [e.kind for _, e in entries(one)].count("FACT") == 2
    one.stop()


def test_a_registry_that_stumbles_is_asked_again(tmp_path: Path, server: Any) -> None:
    """A 503 is no answer."""
    server.failing = 2
    registry = Registry(server.settings(), patience_s=5.0)
    registry.require((CONTROL,))
    assert server.store.subjects.keys() == {f"{CONTROL}-value"}


def demo_with(settings: SchemaRegistry, folder: Path) -> subprocess.CompletedProcess[str]:
    """`supplytwin demo` in a process of its own."""
    environment = as_environment(Settings(schema_registry=settings))
    return subprocess.run(
        [sys.executable, "-m", "supplytwin.streams.cli", "demo", "--broker", "memory",
         "--chains", "1", "--dir", str(folder), "--json"],
        env=environment, capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip


def test_one_line_when_it_is_away_at_start(tmp_path: Path, server: Any) -> None:
    """After a while, with exit code 75: start me again."""
    server.down()
    done = demo_with(server.settings(), tmp_path)
    server.up()
    assert done.returncode == 75
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: no schema registry answers at {server.url}")


def test_one_line_when_it_refuses(tmp_path: Path, server: Any) -> None:
    """An incompatible schema is there already: exit code 2, subject and way out in one line."""
    server.store.register(f"{ORDERS}-value", json.dumps(BAD))
    done = demo_with(server.settings(), tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the schema registry refuses our schema of supply.orders")
    assert f"{ORDERS}-value" in line
    assert not (tmp_path / "twin.duckdb").exists()


def test_the_demo_runs_with_a_registry(tmp_path: Path, server: Any) -> None:
    """And says on which broker and registry."""
    done = demo_with(server.settings(), tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert server.url in found["broker"]
    assert (found["chains"], found["quarantined"]) == (1, 0)
    assert len(server.store.subjects) == len(topic_list.ALL)


# ---- at start


def test_a_registry_that_guards_less_is_checked_version_by_version(server: Any) -> None:
    """Under the level NONE anything may be registered: what we cannot read stops the start."""
    subject = f"{ORDERS}-value"
    server.store.levels[None] = "NONE"
    server.store.register(subject, json.dumps(OLDER))
    with structlog.testing.capture_logs() as lines:
        Registry(server.settings()).require((ORDERS,))
    assert [(line["subject"], line["level"], line["needed"]) for line in lines] == [
        (subject, "NONE", LEVEL)
    ]
    server.store.register(subject, json.dumps(BAD))
    server.store.register(subject, json.dumps(NEWER))
    with pytest.raises(UsageError, match=rf"{subject} has \(version 3: event_id"):
        Registry(server.settings()).require((ORDERS,))


def test_transitive_is_left_to_the_registry(server: Any) -> None:
    """An older version that is not compatible is the registry's to refuse: 409 is one line."""
    subject = f"{ORDERS}-value"
    server.store.levels[subject] = LEVEL
    server.store.register(subject, json.dumps(BAD))
    server.store.register(subject, json.dumps(OLDER))
    with pytest.raises(UsageError, match="incompatible with an earlier one"):
        Registry(server.settings()).require((ORDERS,))


def test_without_auto_register_somebody_else_does_it(server: Any) -> None:
    """The line names subject and file; registered once, everybody starts."""
    section = server.settings(auto_register=False)
    with pytest.raises(UsageError, match=rf"{ORDERS}-value.*schemas/{ORDERS}\.avsc"):
        Registry(section).require((ORDERS,))
    assert server.store.subjects == {}
    path = avro.FOLDER / f"{ORDERS}.avsc"
    server.store.register(f"{ORDERS}-value", path.read_text())
    Registry(section).require((ORDERS,))


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        ("TopicNameStrategy", "supply.orders-value"),
        ("RecordNameStrategy", "supplytwin.SupplyOrders"),
        ("TopicRecordNameStrategy", "supply.orders-supplytwin.SupplyOrders"),
    ],
)
def test_subjects_are_named_as_the_clients_of_others_do(
    server: Any, strategy: str, subject: str
) -> None:
    """The three strategies of Confluent's serializers."""
    Registry(server.settings(subjects=strategy)).require((ORDERS,))
    assert list(server.store.subjects) == [subject]


def test_credentials_are_used_and_never_told(tmp_path: Path) -> None:
    """Basic authentication, in the client's settings or in the URL; no message has the password."""
    server = w.Server(user="twin:p4ssw0rd")
    there = f"127.0.0.1:{server.port}"
    right = {"basic.auth.user.info": "twin:p4ssw0rd"}
    try:
        Registry(server.settings(client=right)).require((ORDERS,))
        Registry(SchemaRegistry(url=f"http://twin:p4ssw0rd@{there}")).require((ORDERS,))
        for section in (
            server.settings(client={"basic.auth.user.info": "twin:s3cret"}),
            SchemaRegistry(url=f"http://twin:s3cret@{there}"),
            server.settings(client={"basic.auth.user.info": "s3cret"}),
            server.settings(client={**right, "s3cret.option": "s3cret"}),
        ):
            with pytest.raises(UsageError, match=r"\[schema_registry\]") as refused:
                Registry(section).require((ORDERS,))
            assert "s3cret" not in str(refused.value).replace("s3cret.option", "")
    finally:
        server.down()
    section = SchemaRegistry(url=f"http://twin:s3cret@{there}")
    with pytest.raises(TransientError, match=there) as away:
        Registry(section, patience_s=0.1).require((ORDERS,))
    assert "s3cret" not in str(away.value)
    settings = Settings(kafka=Kafka(state_dir=str(tmp_path)), schema_registry=section)
    chosen = broker_choice.choose(settings, "memory")
    assert "s3cret" not in chosen.how
    assert there in chosen.how


def test_the_extra_is_asked_for_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it: one line with the command, and no word where there is no registry."""
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == "confluent_kafka.schema_registry":
            raise ImportError("httpx2")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    assert framed.registry_of(broker_choice.choose(Settings(), "memory").broker) is None
    settings = Settings(schema_registry=SchemaRegistry(url="http://127.0.0.1:1"))
    with pytest.raises(UsageError, match=r"supplytwin\[registry\]"):
        broker_choice.choose(settings, "memory")


def test_doctor_looks_at_the_registry(server: Any) -> None:
    """Which schemas are there; it registers nothing."""
    registry = Registry(server.settings())
    assert "supply.orders" in doctor.registered(registry)
    assert server.store.subjects == {}
    registry.require(avro.topics())
    assert doctor.registered(registry) == f"at {server.url}: all 18 schemas are registered"
    server.down()
    with pytest.raises(TransientError):
        doctor.registered(Registry(server.settings(), patience_s=0.1))
    server.up()


def test_workers_and_gateways_check_before_they_start(tmp_path: Path, server: Any) -> None:
    """Each asks about what it writes and reads, although `init` has registered everything."""
    one = w.deploy(tmp_path / "start", server.settings())
    one.stop()
    for make, topics in (
        (deployment.worker, (*topic_list.INPUTS, *topic_list.DERIVED)),
        (
            deployment.gateway,
            ("settlement.receipts", "settlement.instructions", "settlement.sent", CONTROL),
        ),
    ):
        server.requests.clear()
        broker = framed.FramedBroker(
            one.log, Registry(server.settings()), as_it_came=topic_list.WORKER_GROUP
        )
        made = make(broker, one.settings, one.meta)
        asked = {
            path.split("/")[2] for path in server.requests if path.startswith("POST /subjects")
        }
        assert asked == {f"{topic}-value" for topic in topics}
        made.close()
