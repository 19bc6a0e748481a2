"""Records that nobody should send, through the whole deployment: each has one fate, and no other
record notices. On the broker in memory, and on a real Apache Kafka of its own.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import bad_input_world as w
import duckdb
import pytest

from supplytwin.schemas import avro, codec
from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.events import SHIPMENTS
from supplytwin.schemas.flow import UNREADABLE
from supplytwin.streams import local_broker, topics
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Broker

c = w.c
NAMES = [one.name for one in w.BAD]
FOREIGN = (
    "header of other bytes", "arrival max", "arrival min", "key of 2 MB", "20 MB of zeros",
    "event of 2 MB", "2 MB of headers",
)  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same good and odd records without a bad one, in memory."""
    return w.play(MemoryBroker(), tmp_path_factory.mktemp("clean"), w.ODD)


@pytest.fixture(scope="module", params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Everything, once, to its end; the broker is still there."""
    folder = tmp_path_factory.mktemp(f"bad-{request.param}")
    if request.param == "memory":
        yield w.play(MemoryBroker(), folder, [*w.BAD, *w.ODD])
        return
    local_broker.require()
    try:
        address = local_broker.start(folder / "kafka", with_parent=True).bootstrap
        yield w.play(KafkaBroker(address), folder, [*w.BAD, *w.ODD], address)
    finally:
        local_broker.stop(folder / "kafka", remove=True)


on_kafka = pytest.mark.parametrize(
    "played", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True
)


def assert_refused(played: Any, name: str) -> Any:
    """Once, in its own place, for the right reason, with all that is needed to send it again."""
    case, found = played.cases[name], played.refused(name)
    assert len(found) == 1, [one for _, one in found]
    record, one = found[0]
    assert (one.code, one.field) == (case.code, case.field), one.reason
    assert case.says in one.reason
    assert len(one.reason.split()) > 2, "says what to do"
    value = case.value or b""
    assert (one.size, one.body_sha256) == (len(value), hashlib.sha256(value).hexdigest())
    assert one.body == (case.value if case.kept else None)
    assert record.partition == one.partition, "it stands beside its input"
    assert played.places[name] not in played.entries, "it was taken, too"
    return record, one


# ---- what is refused


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_record_is_refused_once_for_its_own_reason(played: Any, name: str) -> None:
    """Topic, partition, offset, arrival, key, headers, body, code, field and reason are kept."""
    record, one = assert_refused(played, name)
    case = played.cases[name]
    assert (record.key, one.key, one.headers) == (case.key, case.key, case.all_headers)
    assert one.arrival == c.AT


def test_nothing_else_is_refused(played: Any) -> None:
    """As many quarantine records as bad ones, each place once; metrics count the same by code."""
    places = [(one.topic, one.partition, one.offset) for _, one in played.quarantine]
    assert sorted(places) == sorted(played.places[name] for name in played.cases)
    expected = Counter(case.code for case in played.cases.values())
    assert played.counts["supplytwin_quarantined"] == expected


def test_no_transaction_is_aborted_and_nothing_fails_for_a_reason_of_ours(played: Any) -> None:
    """No abort, no defect, no stale view, no chain that cannot be decided on."""
    assert "supplytwin_aborts" not in played.counts
    assert not {"publish_failed", "decide_failed"} & played.counts["supplytwin_folded"].keys()
    assert "FOLD_ERROR" not in played.counts["supplytwin_quarantined"]
    assert played.fallbacks > 0, "the fast decoder has met them"


# ---- what is not


@pytest.mark.parametrize("name", [one.name for one in w.ODD])
def test_an_odd_record_is_taken_as_it_came(played: Any, name: str) -> None:
    """Strange is not wrong: its journal entry holds its bytes, its headers and its place."""
    sent = next(one for one in w.ODD if one.name == name)
    entry = played.entries[played.places[name]]
    assert (entry.body, entry.headers) == (sent.value, sent.all_headers)
    assert entry.chain_id.encode() == sent.key
    assert played.refused(name) == []


def test_good_neighbours_are_what_they_would_have_been(played: Any, clean: Any) -> None:
    """Every twin is that of a run without bad records. So is every decision about a chain under
    whose key nothing was refused; elsewhere open claims are held, and nothing else is ever paid.
    """
    assert clean.quarantine == []
    chains = {message.key for message in c.good()} | {one.key.decode() for one in w.ODD}
    assert clean.hashes.keys() == chains
    assert played.twins == clean.twins
    held = set(played.held.values())
    assert held and held < chains
    for key in chains - held:
        assert played.hashes[key] == clean.hashes[key]
    assert {one for one in played.paid if one[2] == "PAY"} <= set(clean.paid)
    assert set(played.held) <= set(played.places.values())
    assert {kind for _, _, kind, _, _ in clean.paid} >= {"RESERVE", "PAY"}
    ours = ("control", "settlement.receipts")  # these follow from what is decided
    taken, expected = (
        Counter(place[0] for place in one.entries if place[0] not in ours)
        for one in (played, clean)
    )
    assert taken == expected


def test_a_receipt_of_no_contract_is_an_exception_of_its_chain(played: Any) -> None:
    """It is journalled, moves no money, and an operator sees it."""
    with duckdb.connect(str(played.parts.path), read_only=True) as file:
        found = file.execute(
            "SELECT code, reason FROM open_exception WHERE chain_id = 'ODD-4' ORDER BY reason"
        ).fetchall()
    assert [code for code, _ in found] == ["ILLEGAL_PAIR"]


# ---- sizes


def test_the_largest_record_that_the_broker_takes_is_taken(played: Any) -> None:
    """Valid: journalled, and a row of `event`; one byte more never gets into the topic."""
    (sent,) = (one for one in w.ODD if one.name == w.LARGEST)
    with duckdb.connect(str(played.parts.path), read_only=True) as file:
        rows = file.execute(
            "SELECT octet_length(original) FROM event WHERE chain_id = 'ODD-3'"
        ).fetchall()
    assert len(rows) == 1
    assert rows[0][0] > 1_040_000
    producer = played.parts.broker.producer(None)
    producer.produce(
        SHIPMENTS, sent.key, (sent.value or b"") + b"x", headers=sent.all_headers,
        timestamp_us=c.AT,
    )  # fmt: skip
    with pytest.raises(FatalError, match="not delivered"):
        producer.flush()
    producer.close()


@on_kafka
@pytest.mark.parametrize("name", FOREIGN)
def test_what_only_other_clients_send_is_refused_like_the_rest(played: Any, name: str) -> None:
    """Names that are no UTF-8, times that are none, and what is only small when compressed."""
    record, one = assert_refused(played, name)
    case = played.cases[name]
    assert one.key == (case.key or b"")[:1000]
    assert record.key == (None if len(case.key or b"") > 1000 else case.key)
    unreadable = UNREADABLE if name == "header of other bytes" else ()
    assert one.headers == unreadable


# ---- afterwards


def ends(broker: Broker, isolation: str, names: tuple[str, ...]) -> Any:
    admin = broker.admin()
    found = admin.ends(topics.places(names, c.PARTITIONS), isolation)  # type: ignore[arg-type]
    admin.close()
    return found


def test_offsets_stand_at_the_ends(played: Any) -> None:
    """Nothing of any input is left over."""
    broker = played.parts.broker
    admin = broker.admin()
    committed = admin.committed(topics.WORKER_GROUP, topics.places(topics.INPUTS, c.PARTITIONS))
    admin.close()
    assert committed == ends(broker, "read_uncommitted", topics.INPUTS)


def test_a_restarted_worker_handles_nothing_twice(played: Any) -> None:
    """Its successor restores the journal, reads on, and writes nothing at all."""
    parts = played.parts
    before = ends(parts.broker, "read_uncommitted", topics.DERIVED)
    parts.open()
    try:
        deadline, idle = time.monotonic() + 20, 0
        while len(parts.worker.stores) < c.PARTITIONS or idle < 20:
            assert time.monotonic() < deadline
            idle = 0 if parts.worker.turn(parts.wait_s) else idle + 1
        hashes = {
            key: w.chain.canonical_hash(state)
            for store in parts.worker.stores.values()
            for key, state in store.states.items()
            if not key.startswith("@")
        }
    finally:
        parts.close()
    assert hashes == played.hashes
    assert ends(parts.broker, "read_uncommitted", topics.DERIVED) == before


# ---- what an operator sees


def supplytwin(played: Any, *words: str) -> subprocess.CompletedProcess[str]:
    """The command on the file, run as an operator would on a wide terminal."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("SUPPLYTWIN_")}
    done = subprocess.run(
        [sys.executable, "-m", "supplytwin.streams.cli", *words, "--db", str(played.parts.path)],
        cwd=played.parts.folder,
        env={**own, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done


@on_kafka
def test_quarantine_list_shows_all_of_them(played: Any) -> None:
    """As JSON: place, code, field, reason, key and size of each; DuckDB has what Kafka has."""
    said = json.loads(supplytwin(played, "quarantine", "list", "--json", "--limit", "500").stdout)
    assert len(said) == len(played.quarantine)
    names = ("source_topic", "source_partition", "source_offset")
    listed = {tuple(one[name] for name in names): one for one in said}
    for _, one in played.quarantine:
        row = listed[one.topic, one.partition, one.offset]
        assert (row["code"], row["field"], row["reason"]) == (one.code, one.field, one.reason)
        assert row["record_key"] == (None if one.key is None else one.key.hex())
        assert row["size"] == one.size


@on_kafka
def test_quarantine_list_says_when_there_are_more(played: Any) -> None:
    """The newest so many, and a line on standard error that these are not all."""
    done = supplytwin(played, "quarantine", "list", "--json", "--limit", "7")
    assert len(json.loads(done.stdout)) == 7
    assert "there are more" in done.stderr


@on_kafka
def test_quarantine_list_is_harmless_for_a_terminal(played: Any) -> None:
    """Mark-up of a stranger is shown as text, and no control character gets through."""
    said = supplytwin(played, "quarantine", "list", "--limit", "500").stdout
    assert "'[/red]\\x1b[31m' is not one of AIR, BARGE" in said
    assert not [char for char in said if ord(char) < 32 and char != "\n"]


@on_kafka
def test_quarantine_show_tells_everything_about_one(played: Any, tmp_path: Path) -> None:
    """By topic, partition and offset: the body is there, to the last byte."""
    name = "largest, wrong enum"
    place, case = [str(part) for part in played.places[name]], played.cases[name]
    file = tmp_path / "body"
    words = ("quarantine", "show", *place, "--json", "--body", str(file))
    one = json.loads(supplytwin(played, *words).stdout)
    assert file.read_bytes() == case.value
    assert (one["code"], one["field"]) == (case.code, case.field)
    assert one["body"] == case.value.hex()
    assert one["headers"] == [{"k": c.CASE, "v": name.encode().hex()}]


@on_kafka
def test_twin_show_is_harmless_for_a_terminal(played: Any) -> None:
    """A chain whose names are control characters and mark-up is told like any other."""
    said = supplytwin(played, "twin", "show", w.ODD_CHAIN).stdout
    assert "chain ODD-\\x07\\x1b[31m[/red]:bomb:\\u202e" in said
    assert "hash chain: sound" in said
    assert not [char for char in said if ord(char) < 32 and char != "\n"]


# ---- both wire formats


@cache
def registry(schema_id: int) -> Any:
    """A registry of the newest schemas."""
    names = avro.topics()
    return avro.schema(names[schema_id]) if schema_id < len(names) else None


def judged(topic: str, value: bytes) -> codec.Decoded | RecordError:
    """What a value is decoded to, or its refusal."""
    try:
        return codec.decode(topic, value, registry)
    except RecordError as error:
        return error


@pytest.mark.parametrize("case", list(c.meaningless()), ids=lambda case: case.name)
def test_both_wire_formats_are_judged_alike_and_harm_no_neighbour(case: Any) -> None:
    """With a registry the same body is refused for the same reason, whoever came before it."""
    good = codec.encode(case.topic, c.told(case.topic))
    foreign = c.confluent(case.value, avro.topics().index(case.topic))
    values = [good, case.value, good, foreign, c.confluent(good, 99), good]
    found = [judged(case.topic, value) for value in values]
    alone = codec.decode(case.topic, good)
    assert [found[at] for at in (0, 2, 5)] == [alone] * 3
    own, other, unknown = (found[at] for at in (1, 3, 4))
    assert isinstance(unknown, RecordError)
    assert unknown.code == "UNKNOWN_SCHEMA"
    if case.code == "FUTURE":
        assert not isinstance(own, RecordError)
        assert not isinstance(other, RecordError)
        assert own.content_hash == other.content_hash
    else:
        assert isinstance(own, RecordError)
        assert isinstance(other, RecordError)
        assert (own.code, own.field, own.reason) == (other.code, other.field, other.reason)
        assert (own.code, own.field) == (case.code, case.field)
