"""`supplytwin keys`: what it writes is what workers take, and what it refuses names the option."""

import json
import re

import pytest
import signed_fold_world as world
from typer.testing import CliRunner

from supplytwin.schemas import codec
from supplytwin.schemas.errors import UsageError
from supplytwin.sinks import query
from supplytwin.streams import cli, cli_keys, deployment, journal_file, key_records, show, topics
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Kafka, Settings, Time
from supplytwin.streams.summary import read_all

WHO = ("--who", "olga", "--reason", "onboarding")
ADD = (
    "keys", "add", "wh-1", "--organisation", "ORG-WH", "--key-role", "WAREHOUSE", "--site", "FRA",
    "--key", world.a_key().key, "--valid-from", "2026-01-01", "--valid-to", "2027-01-01T00:00:00Z",
    "--source", "wms:fra*", "--source", "wms:x", *WHO,
)  # fmt: skip
SETTINGS = Settings(kafka=Kafka(partitions=3), time=Time(timeline="test"))


@pytest.fixture
def desk(monkeypatch):
    """The command line over a broker in memory, and a worker."""
    broker = MemoryBroker()
    topics.init(broker, SETTINGS)
    monkeypatch.setattr(cli_keys, "connect", lambda _: _chosen(broker))
    yield broker
    broker.close()


def _chosen(broker):
    return SETTINGS, Chosen(broker=broker, how="", close=lambda: None)


def told(broker):
    """The bodies of the KEY records on all partitions."""
    found = [codec.decode("control", one.value).message for one in read_all(broker, "control", 3)]
    return [one.body for one in found if one.kind == "KEY"]


def ran(*words):
    found = CliRunner().invoke(cli.app, words)
    if isinstance(found.exception, UsageError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.output


def registers(broker):
    """What a worker knows on each partition number, after it has read everything."""
    worker = deployment.worker(broker, SETTINGS, topics.require_meta(broker))
    for _ in range(200):
        worker.turn(0.0)
    found = [worker.stores[number].states[f"@p{number}"].register for number in range(3)]
    worker.close()
    return found


def test_add_revoke_and_compromised_are_known_on_every_partition(desk, tmp_path, monkeypatch):
    """Each is one record on each partition, with who and why; `keys list` tells all of it."""
    ran(*ADD)
    ran("keys", "revoke", "wh-1", "--at", "2026-06-01", *WHO)
    ran("keys", "compromised", "wh-2", "--since", "2026-05-01T12:00:00+02:00", *WHO)
    known = registers(desk)
    assert known[0] == known[1] == known[2]
    bodies = told(desk)
    assert (len(bodies), len(set(bodies))) == (9, 3)
    act = b'"act":{"reason":"onboarding","role":"OPERATOR","who":"olga"}'
    assert all(act in one for one in bodies)
    journal = list(read_all(desk, "twin.journal", 3))
    assert len(list(filter(show.is_common, journal))) == 9
    file = tmp_path / "journal.jsonl"
    journal_file.write(file, [one.value for one in journal])
    rows = json.loads(ran("keys", "list", "--journal", str(file), "--json"))
    assert [(one["kid"], one["organisation"], one["why_not"]) for one in rows] == [
        ("wh-1", "ORG-WH", ""), ("wh-2", None, "no key of that name is registered")
    ]  # fmt: skip
    assert rows[0] | {"key": ""} == {
        "kid": "wh-1", "alg": "Ed25519", "organisation": "ORG-WH", "role": "WAREHOUSE",
        "site": "FRA", "key": "", "valid_from": "2026-01-01T00:00:00Z",
        "valid_to": "2027-01-01T00:00:00Z", "sources": ["wms:fra*", "wms:x"],
        "revoked_at": "2026-06-01T00:00:00Z", "compromise_at": None, "why_not": "",
    }  # fmt: skip
    assert rows[1]["compromise_at"] == "2026-05-01T10:00:00Z"
    sink, _ = deployment.duck(desk, tmp_path / "twin.duckdb", topics.require_meta(desk))
    for _ in range(20):
        sink.turn(0.0)
    sink.close()
    listed = ("keys", "list", "--db", str(tmp_path / "twin.duckdb"), "--json")
    assert json.loads(ran(*listed)) == rows
    with monkeypatch.context() as few:
        few.setattr(query, "_PAGE", 2)
        assert json.loads(ran(*listed)) == rows, "answers have a limit, keys have none"
    drawn = ran("keys", "list", "--journal", str(file))
    assert "ORG-WH" in drawn
    assert "revoked 2026" in re.sub(r"\s+", " ", drawn)
    file.write_bytes(b"{}\n" + file.read_bytes())
    with pytest.raises(UsageError, match="line 1: not a journal line"):
        ran("keys", "list", "--journal", str(file))


def _with(option, value):
    words = list(ADD)
    words[words.index(option) + 1] = value
    return words


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (_with("--key-role", "warehouse"), "--key-role: 'warehouse' is not"),
        (_with("--organisation", ""), "--organisation: "),
        (_with("--key", "00"), "--key: '00' is not"),
        (_with("--key", "01" + "00" * 31), "--key: is no public key"),
        (_with("--valid-to", "2025-01-01"), "--valid-to: is not after valid_from"),
        (_with("--valid-from", "yesterday"), "--valid-from 'yesterday'"),
        ([*ADD, "--alg", "RSA"], "--alg 'RSA' is not one of Ed25519, HMAC-SHA-256"),
        ([*ADD[:2], "a;b", *ADD[3:]], "KID: 'a;b' is not"),
        (["keys", "revoke", "a b", "--at", "2026-06-01", *WHO], "KID: 'a b' is not"),
        (["keys", "revoke", "a", "--at", "2026", *WHO], "--at '2026' is no date"),
        (["keys", "revoke", "a", "--at", "2026-06-01", *WHO[:2], "--reason", ""], "--reason: "),
        (["keys", "compromised", "a", "--since", "x", *WHO], "--since 'x' is no date"),
        (["keys", "list", "--db", "x", "--journal", "y"], "not both"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_option_and_nothing_is_written(desk, words, says):
    """One line says which option and why; no partition has a record of it."""
    with pytest.raises(UsageError) as refused:
        ran(*words)
    assert says in str(refused.value)
    assert not told(desk)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "is no JSON"), ('{"a": 1}', "is no JSON"), ('{"a": "xy"}', "'a' is not in hex"),
     ('{"a": "00ff"}', "'a' has 2 bytes, needs 32")],
)  # fmt: skip
def test_secrets_that_are_none_are_named_by_their_kid(tmp_path, text, says):
    """A worker does not start with a file of secrets that it cannot use."""
    file = tmp_path / "secrets.json"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        key_records.secrets_of(str(file))
    assert says in str(refused.value)


def test_secrets_are_read_as_they_are_written(tmp_path):
    """kid -> bytes; without a file there is none."""
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({"a": "0f" * 32}))
    assert key_records.secrets_of(str(file)) == {"a": b"\x0f" * 32}
    assert key_records.secrets_of("") == {}


def test_twin_show_tells_what_each_signed_fact_counts_for(tmp_path):
    """By the keys that the journal knows, and by those that were known at a time."""
    played = world.SignedWorld()
    played.signed(world.fact())
    played.tick(world.day(11))
    played.tell(world.record(world.a_key()))
    played.signed(world.fact("recv-2"), seq=2)
    played.tick(world.day(12))
    played.tell(world.record(compromised=[("wh-1", world.day(1))]))
    played.tick(world.day(13))
    journal = played.driver.read("twin.journal")
    mine = [one.value for one in journal if one.key == b"PO-1"]
    common = [one.value for one in journal if show.is_common(one)]

    def shown(known_at=None):
        found = show.show("PO-1", mine, None, common, show.Times(known_at=known_at))
        return {one["event_id"]: one.get("reason", one.get("role")) for one in found.signatures}

    assert shown() == dict.fromkeys(("recv-1", "recv-2"), "COMPROMISED")
    assert shown(world.day(11)) == dict.fromkeys(("recv-1", "recv-2"), "WAREHOUSE")
    file = tmp_path / "journal.jsonl"
    journal_file.write(file, [one.value for one in journal])
    drawn = ran("twin", "show", "PO-1", "--journal", str(file))
    assert "signatures" in drawn
    assert "COMPROMISED" in drawn


def test_a_key_of_keygen_is_loaded_from_its_file(desk, tmp_path):
    """Each file is a record with who and why; what is no such file is named, and nothing is
    written.
    """
    made = [tmp_path / "buyer", tmp_path / "seller"]
    for at, role in zip(made, ("BUYER", "SELLER"), strict=True):
        ran("contract", "keygen", str(at), "--kid", f"{role}-1", "--organisation", "o", "--role",
            role)  # fmt: skip
    files = [f"{at}.public.json" for at in made]
    assert "BUYER-1 signs for o" in ran("keys", "load", *files, *WHO)
    assert all({*one.known} == {"BUYER-1", "SELLER-1"} for one in registers(desk))
    for wrong, says in ((tmp_path / "none", "No such file"), (made[0], "has no keys")):
        with pytest.raises(UsageError, match=says):
            ran("keys", "load", files[0], str(wrong), *WHO)
    assert len(told(desk)) == 2 * 3
