"""The rights that `topics acl` prints, enforced by a real Kafka with TLS and SCRAM: they are enough
for the whole road, every one of them is used, and what goes beyond them is refused.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import access_world as w
import pytest

from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.events import CUSTOMS, ORDERS, SHIPMENTS, WAREHOUSE
from supplytwin.schemas.records import (
    CONTRACTS,
    CONTROL,
    EXCEPTIONS,
    INSTRUCTIONS,
    JOURNAL,
    MILESTONES,
    QUARANTINE,
    RECEIPTS,
    REVIEWS,
    SENT,
    SETTLEMENT_EVENTS,
    STATE,
)
from supplytwin.streams import (
    acl,
    audit_run,
    broker_choice,
    deployment,
    offsets,
    recovery,
    summary,
    topics,
)
from supplytwin.streams.redrive import OPERATOR_ID
from supplytwin.streams.topics import (
    GATEWAY_GROUP,
    GATEWAY_ID,
    SINK_GROUP,
    TICK_ID,
    WATCH_GROUP,
    WORKER_GROUP,
)
from supplytwin.streams.upgrade import UPGRADE_ID

pytestmark = pytest.mark.kafka
WORKER_ID = "supplytwin.worker.0"
SENDERS = {
    "producer-orders": ORDERS,
    "producer-customs": CUSTOMS,
    "producer-shipments": SHIPMENTS,
    "producer-warehouse": WAREHOUSE,
    "contracts": CONTRACTS,
    "reviewer": REVIEWS,
}
"""Roles whose processes are not ours, and where they write."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The broker; its authorizer tells what it allows."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JAVA_TOOL_OPTIONS", w.AUTHORIZER_LOG)
        world = w.World(tmp_path_factory.mktemp("access"))
    yield world
    world.stop()


@pytest.fixture(scope="module")
def chains(request: pytest.FixtureRequest) -> int:
    """How many purchase orders are played: what tests/counts.toml wants, or more."""
    return 40 if request.config.getoption("--tier") == "verify" else 12


@pytest.fixture(scope="module")
def played(world: Any, chains: int) -> Any:
    """The whole road: each process as its own principal, and stopped again."""
    topics.init(world.broker("initialiser"), world.settings("initialiser"))
    world.start("worker", "work", "--slot", "0")
    world.start("gateway", "gateway")
    world.start("sink", "sink", "duck")
    world.start("watcher", "watch", "--port", "0")
    words = ("feed", "scms", "--chains", str(chains), "--tick", f"{w.TICK_DAYS}d", "--json")
    fed = world.run("feed", *words)
    assert fed.returncode == 0, fed.stderr
    for role, topic in SENDERS.items():
        w.write(world.broker(role), topic)
    world.wait(world.caught_up(WORKER_GROUP, topics.INPUTS), "the worker stays behind")
    world.wait(world.caught_up(SINK_GROUP, topics.DERIVED), "the sink stays behind")
    world.stop_services()
    return world


def test_every_process_has_what_it_needs(
    played: Any, chains: int, tmp_path: Path, required: Callable[[str], Any]
) -> None:
    """Twins and payments are those of a run without any rights, and the operator's audit agrees.

    What strangers wrote beside them is in the quarantine, and nowhere else.
    """
    required("access_chains").done(chains)
    operator = played.broker("operator")
    found = summary.fold_journal(operator, w.PARTITIONS)
    assert found == w.in_memory(tmp_path, chains)
    assert found.chains == chains
    refused = list(summary.read_all(operator, QUARANTINE, w.PARTITIONS))
    assert len(refused) == len(SENDERS)
    meta = topics.require_meta(operator)
    audited = audit_run.run(
        operator, meta, lambda *_: None, database=Path(played.settings("sink").duck.path)
    )
    assert audited.differences == []
    assert audited.decisions > chains


# ---- refused

AUTHORIZATION = r"(?i)authorization failed|lacks the right"
Attempt = Callable[[Any], None]


def writes(topic: str, transactional_id: str | None = None) -> Attempt:
    return lambda broker: w.write(broker, topic, transactional_id)


def joins(group: str, topic: str) -> Attempt:
    return lambda broker: w.join(broker, group, topic)


def browses(topic: str) -> Attempt:
    return lambda broker: w.browse(broker, topic)


def sets(group: str, topic: str) -> Attempt:
    return lambda broker: w.set_offset(broker, group, topic)


REFUSED: dict[str, dict[str, Attempt]] = {
    "producer-orders": {
        "write customs events": writes(CUSTOMS),
        "write contracts": writes(CONTRACTS),
        "take the worker's transactional id": writes(ORDERS, WORKER_ID),
        "read what others wrote": browses(ORDERS),
    },
    "producer-customs": {"write orders": writes(ORDERS), "write ticks": writes(CONTROL)},
    "producer-shipments": {"write receipts": writes(RECEIPTS), "write facts": writes(JOURNAL)},
    "producer-warehouse": {
        "write reviews": writes(REVIEWS),
        "be the tick source": writes(WAREHOUSE, TICK_ID),
    },
    "documents": {
        "write contracts": writes(CONTRACTS),
        "write ticks": writes(CONTROL),
        "write orders": writes(ORDERS),
        "read supply events": browses(SHIPMENTS),
    },
    "contracts": {
        "write instructions": writes(INSTRUCTIONS),
        "write receipts": writes(RECEIPTS),
        "be a gateway": joins(GATEWAY_GROUP, INSTRUCTIONS),
    },
    "reviewer": {"write contracts": writes(CONTRACTS), "write orders": writes(ORDERS)},
    "ticker": {
        "write orders": writes(ORDERS),
        "write reviews in a transaction of its own": writes(REVIEWS, TICK_ID),
        "take the gateway's transactional id": writes(CONTROL, GATEWAY_ID),
    },
    "feed": {
        "write receipts": writes(RECEIPTS),
        "write reviews": writes(REVIEWS),
        "take the worker's transactional id": writes(CONTROL, WORKER_ID),
        "set the worker's offsets": sets(WORKER_GROUP, CONTROL),
    },
    "worker": {
        "write receipts": writes(RECEIPTS, WORKER_ID),
        "write contracts": writes(CONTRACTS, WORKER_ID),
        "write ticks": writes(CONTROL),
        "take the gateway's transactional id": writes(JOURNAL, GATEWAY_ID),
        "be a gateway": joins(GATEWAY_GROUP, INSTRUCTIONS),
        "read the quarantine": joins(WORKER_GROUP, QUARANTINE),
    },
    "gateway": {
        "read supply events": joins(GATEWAY_GROUP, ORDERS),
        "read the journal": joins(GATEWAY_GROUP, JOURNAL),
        "write instructions": writes(INSTRUCTIONS, GATEWAY_ID),
        "take the worker's transactional id": writes(RECEIPTS, WORKER_ID),
        "set the worker's offsets": sets(WORKER_GROUP, CONTROL),
    },
    "gateway-bank": {
        "read the journal": joins(GATEWAY_GROUP, JOURNAL),
        "write instructions": writes(INSTRUCTIONS, GATEWAY_ID),
        "set the worker's offsets": sets(WORKER_GROUP, CONTROL),
    },
    "gateway-recovery": {
        "write instructions": writes(INSTRUCTIONS, GATEWAY_ID),
        "read supply events": joins(GATEWAY_GROUP, ORDERS),
        "set the worker's offsets": sets(WORKER_GROUP, CONTROL),
        "write contracts": writes(CONTRACTS),
    },
    "sink": {
        "write states": writes(STATE),
        "write orders": writes(ORDERS),
        "read supply events": joins(SINK_GROUP, ORDERS),
        "be a worker": joins(WORKER_GROUP, JOURNAL),
    },
    "watcher": {
        "write milestones": writes(MILESTONES),
        "write settlement events": writes(SETTLEMENT_EVENTS),
        "read the journal": joins(f"{WATCH_GROUP}-x", JOURNAL),
        "be a worker": joins(WORKER_GROUP, SETTLEMENT_EVENTS),
    },
    "operator": {
        "write ticks": writes(CONTROL),
        "write reviews": writes(REVIEWS),
        "be a worker": joins(WORKER_GROUP, CONTROL),
        "set the worker's offsets": sets(WORKER_GROUP, CONTROL),
        "create a topic": lambda broker: w.create(broker, "x"),
    },
    "initialiser": {
        "write receipts": writes(RECEIPTS),
        "write facts": writes(JOURNAL),
        "create a topic that is not ours": lambda broker: w.create(broker, "x"),
        "take the worker's transactional id": writes(CONTROL, WORKER_ID),
    },
    "desk": {
        "write receipts": writes(RECEIPTS),
        "write instructions": writes(INSTRUCTIONS),
        "be the tick source": writes(CONTROL, TICK_ID),
        "be a worker": joins(WORKER_GROUP, CONTROL),
    },
    "upgrader": {
        "write receipts": writes(RECEIPTS),
        "write contracts": writes(CONTRACTS),
        "write ticks": writes(CONTROL),
        "take the worker's transactional id": writes(JOURNAL, WORKER_ID),
        "set the gateway's offsets": sets(GATEWAY_GROUP, INSTRUCTIONS),
    },
    "admin": {
        "write ticks": writes(CONTROL),
        "write reviews": writes(REVIEWS),
        "set the sink's offsets": sets(SINK_GROUP, JOURNAL),
        "create a topic": lambda broker: w.create(broker, "x"),
    },
}
"""What each role must not be able to do."""


def test_every_role_is_tried() -> None:
    """At least two refusals for each role that there is."""
    assert REFUSED.keys() == {role.name for role in acl.roles()}
    assert all(len(attempts) >= 2 for attempts in REFUSED.values())


@pytest.mark.parametrize("role", REFUSED)
def test_what_a_role_is_refused(played: Any, role: str) -> None:
    """Each attempt ends with the broker's refusal, in one line that names what it was about."""
    for what, attempt in REFUSED[role].items():
        with pytest.raises(UsageError, match=AUTHORIZATION) as refused:
            attempt(played.broker(role))
        said = str(refused.value)
        assert "\n" not in said, what
        assert "supplytwin topics acl" in said, what
        names = (*topics.ALL, WORKER_GROUP, GATEWAY_GROUP, SINK_GROUP, "supplytwin-unjoined",
                 "supplytwin.", "topic x")  # fmt: skip
        assert any(name in said for name in names), (what, said)


def test_who_is_not_let_in(world: Any) -> None:
    """A wrong password and an unknown user are refused in words; so is whom TLS does not convince.

    A client that does not speak TLS and SASL gets no answer at all.
    """
    other = world.folder / "other"
    other.mkdir()
    w.certify(other)
    for changed in (
        {"sasl.password": "guessed"},
        {"sasl.username": "nobody"},
        {"sasl.mechanism": "PLAIN"},
        {"ssl.ca.location": str(other / "ca.pem")},
    ):
        with pytest.raises(UsageError, match="does not let us in") as refused:
            broker_choice.running(world.settings("operator", **changed))
        assert "secret" not in str(refused.value)
    for protocol in ("PLAINTEXT", "SASL_PLAINTEXT", "SSL"):
        changed = {"security.protocol": protocol}
        address, client = world.kafka.bootstrap, world.settings("operator", **changed).kafka.client
        assert not w.local_broker.reachable(address, 1.5, client), protocol


@pytest.mark.parametrize(
    ("role", "words", "topic", "right"),
    [
        ("worker", ("work", "--slot", "0"), QUARANTINE, "Write"),
        ("sink", ("sink", "duck"), MILESTONES, "Read"),
    ],
)
def test_a_right_that_is_taken_back(
    played: Any, role: str, words: tuple[str, ...], topic: str, right: str
) -> None:
    """The process ends with 2, and its last line names the right and the topic, once."""
    played.revoke(role, topic, right)
    w.write(played.broker("producer-orders"), ORDERS)
    done = played.run(role, *words)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert topic in errors[0]
    assert "supplytwin topics acl" in errors[0]


# ---- last: what was granted was needed


def test_nothing_is_granted_that_nobody_uses(played: Any) -> None:
    """The authorizer's own log has every operation of every rule of every role.

    The ticker's are used as far as a deployment in simulated time lets it.
    """
    with pytest.raises(UsageError, match="initialised already"):
        topics.init(played.broker("initialiser"), played.settings("initialiser"))
    topics.require_meta(played.broker("ticker"))
    with pytest.raises(UsageError):
        REFUSED["ticker"]["write reviews in a transaction of its own"](played.broker("ticker"))
    ticks = played.broker("ticker").producer(None)
    ticks.produce(CONTROL, b"@p0", b"\x01", partition=0)
    ticks.flush()
    ticks.close()
    operator = played.broker("operator")
    assert topics.check(operator.admin(), played.settings("operator")) == []
    operator.admin().committed(GATEWAY_GROUP, topics.places((INSTRUCTIONS,), w.PARTITIONS))
    operator.admin().committed(WORKER_GROUP, topics.places((CONTROL,), w.PARTITIONS))
    meta = topics.require_meta(operator)
    played.wait_for_groups(WORKER_GROUP, GATEWAY_GROUP)
    rail = deployment.simulated_rail(played.settings("gateway-recovery"), meta)
    recovering = played.broker("gateway-recovery")
    recovered = recovery.recover(recovering, rail, meta, 0, lambda *_: None, lambda: None)
    assert recovered.answers > recovered.queried > 0
    assert recovered.lost == ()
    rail.close()
    w.write(recovering, RECEIPTS)
    played.forget(WORKER_GROUP, GATEWAY_GROUP)
    assert offsets.restore(played.broker("admin"), meta, lambda *_: None)
    reviewer = played.broker("reviewer")
    for topic in (SETTLEMENT_EVENTS, JOURNAL, EXCEPTIONS, QUARANTINE, CONTROL):
        w.browse(reviewer, topic)
    w.browse(played.broker("contracts"), CONTROL)
    bank = played.broker("gateway-bank")
    for topic in (CONTROL, SENT, RECEIPTS, SETTLEMENT_EVENTS, CONTRACTS):
        w.browse(bank, topic)
    for topic in (RECEIPTS, SENT):
        w.write(bank, topic, GATEWAY_ID)
    w.join(bank, GATEWAY_GROUP, INSTRUCTIONS)
    bank.admin().committed(WORKER_GROUP, topics.places((RECEIPTS,), w.PARTITIONS))
    desk = played.broker("desk")
    for topic in (QUARANTINE, CONTROL):
        w.browse(desk, topic)
    for topic in topics.INPUTS:
        if topic != RECEIPTS:
            w.write(desk, topic, OPERATOR_ID)
    upgrader = played.broker("upgrader")
    for topic in (*topics.DERIVED, CONTROL):
        w.browse(upgrader, topic)
    for topic in topics.DERIVED:
        w.write(upgrader, topic, UPGRADE_ID)
    upgrader.admin().committed(WORKER_GROUP, topics.places(topics.INPUTS, w.PARTITIONS))
    for topic in topics.INPUTS:
        w.set_offset(upgrader, WORKER_GROUP, topic)
    for name, path in w.documents(played.folder).items():
        fed = played.run("documents", "feed", name, str(path), "--json")
        assert fed.returncode == 0, fed.stderr
    used = played.rights_used()
    for role in acl.roles():
        ours = {right[1:] for right in used if right[0] == acl.principal(role)}
        for rule in role.rules:
            for operation in rule.operations:
                assert any(
                    kind.lower() == rule.resource.lower()
                    and asked == operation.upper().replace("CONFIGS", "_CONFIGS")
                    and (name == rule.name or (rule.prefix and name.startswith(rule.name)))
                    for kind, name, asked in ours
                ), f"{role.name} never needed {operation} on {rule.resource} {rule.name}"
