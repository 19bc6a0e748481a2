"""Who may do what on the cluster: the least that each role needs, from the one topic declaration.

`rules` says it; `commands` and `strimzi` write it down for kafka-acls.sh and for Strimzi. That it
is enough, and that nothing more is allowed, is tested on a broker that enforces it.
"""

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.records import (
    CONTRACTS,
    CONTROL,
    EXCEPTIONS,
    INSTRUCTIONS,
    JOURNAL,
    QUARANTINE,
    RECEIPTS,
    REVIEWS,
    SENT,
    SETTLEMENT_EVENTS,
)
from supplytwin.sinks.duck import DuckSink
from supplytwin.streams import feeding, watch_views
from supplytwin.streams.kafka import UNJOINED
from supplytwin.streams.redrive import OPERATOR_ID
from supplytwin.streams.topics import (
    ALL,
    DERIVED,
    GATEWAY_GROUP,
    GATEWAY_ID,
    INIT_ID,
    INPUTS,
    SINK_GROUP,
    TICK_ID,
    WATCH_GROUP,
    WORKER_GROUP,
)
from supplytwin.streams.upgrade import UPGRADE_ID
from supplytwin.streams.worker import WorkerSettings

Resource = Literal["topic", "group", "transactionalId"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]
PREFIX = "supplytwin-"
_API = "kafka.strimzi.io/v1"
_OPTIONS = {"topic": "--topic", "group": "--group", "transactionalId": "--transactional-id"}


class Rule(Struct, frozen=True, kw_only=True, order=True):
    """Operations on one resource, allowed from any host; `prefix`: on all whose name begins so."""

    resource: Resource
    name: str
    prefix: bool = False
    operations: tuple[Operation, ...]


class Role(Struct, frozen=True, kw_only=True):
    """A principal of its own. `about` says what it is for, and which command needs it."""

    name: str
    about: str
    rules: tuple[Rule, ...]


def _on(
    resource: Resource, names: Iterable[str], *operations: Operation, prefix: bool = False
) -> list[Rule]:
    return [
        Rule(resource=resource, name=name, prefix=prefix, operations=operations) for name in names
    ]


def _read(*names: str) -> list[Rule]:
    return _on("topic", names, "Read", "Describe")


def _browse(*names: str) -> list[Rule]:
    """Without joining a group; the client names one nevertheless. Nobody can commit there."""
    return [*_read(*names), *_on("group", (UNJOINED,), "Describe")]


def _write(*names: str) -> list[Rule]:
    """Idempotent producers need no right of their own since Kafka 2.8."""
    return _on("topic", names, "Write", "Describe")


def _group(*names: str) -> list[Rule]:
    return _on("group", names, "Read", "Describe")


def _transactions(*names: str, prefix: bool = False) -> list[Rule]:
    return _on("transactionalId", names, "Write", "Describe", prefix=prefix)


def roles() -> tuple[Role, ...]:
    """Every role, in the order of the road of an event."""
    return (*_outside(), *_services(), *_people())


def _role(name: str, about: str, *rules: list[Rule]) -> Role:
    """One rule for each resource: the operations of several on one are joined."""
    joined: dict[tuple[Resource, str, bool], dict[Operation, None]] = {}
    for rule in (one for some in rules for one in some):
        operations = joined.setdefault((rule.resource, rule.name, rule.prefix), {})
        operations.update(dict.fromkeys(rule.operations))
    return Role(
        name=name,
        about=about,
        rules=tuple(
            Rule(resource=resource, name=at, prefix=prefix, operations=tuple(sorted(operations)))
            for (resource, at, prefix), operations in joined.items()
        ),
    )


def _outside() -> list[Role]:
    """Those whose records come in."""
    return [
        *(
            _role(f"producer-{topic.rpartition('.')[2]}", f"a company's {topic}", _write(topic))
            for topic in SUPPLY_TOPICS
        ),
        _role(
            "documents",
            "`supplytwin feed epcis | dcsa | customs`: documents of others",
            _write(*feeding.TOPICS),
            _browse(CONTROL),
        ),
        _role(
            "contracts",
            "`contract publish`, the contract desk: signed terms",
            _write(CONTRACTS),
            _browse(CONTROL),
        ),
        _role(
            "reviewer",
            "`settlement hold`, `release`, `dispute`, `recall`, and other desks: acts on claims",
            _browse(SETTLEMENT_EVENTS, JOURNAL, EXCEPTIONS, QUARANTINE, CONTROL),
            _write(REVIEWS),
        ),
        _role(
            "ticker",
            "`supplytwin tick`: the clock of a deployment in wall-clock time",
            _browse(CONTROL),
            _write(CONTROL),
            _transactions(TICK_ID),
        ),
        _role(
            "feed",
            "`supplytwin feed scms | simulate`: a simulated deployment, instead of the above",
            _write(*SUPPLY_TOPICS, CONTRACTS, CONTROL),
            _browse(CONTROL, SETTLEMENT_EVENTS),
            _on("topic", (*INPUTS, INSTRUCTIONS), "Describe"),
            _on("group", (WORKER_GROUP, GATEWAY_GROUP), "Describe"),
            _transactions(TICK_ID),
        ),
    ]


def _services() -> list[Role]:
    """The processes of a deployment."""
    worker = WorkerSettings()
    return [
        _role(
            "worker",
            "`supplytwin work`, every slot",
            _read(*INPUTS),
            _browse(CONTROL, JOURNAL),
            _write(*DERIVED),
            _on(
                "topic", (*INPUTS, *DERIVED), "DescribeConfigs"
            ),  # it checks sizes before it produces
            _group(worker.group),
            _transactions(f"{worker.transactional_id}.", prefix=True),
        ),
        _role(
            "gateway",
            "`supplytwin gateway`: instructions to the rail, receipts back",
            _read(INSTRUCTIONS),
            _browse(CONTROL),
            _write(RECEIPTS),
            _group(GATEWAY_GROUP),
            _on("group", (WORKER_GROUP,), "Describe"),  # on simulated time it goes behind it
            _transactions(GATEWAY_ID),
        ),
        _role(
            "gateway-bank",
            "`supplytwin gateway` with a bank: it reads its own record, and what claims post",
            _read(INSTRUCTIONS),
            _browse(CONTROL, CONTRACTS, SENT, RECEIPTS, SETTLEMENT_EVENTS),
            _write(RECEIPTS, SENT),
            _group(GATEWAY_GROUP),
            _on("group", (WORKER_GROUP,), "Describe"),
            _transactions(GATEWAY_ID),
        ),
        _role(
            "gateway-recovery",
            "`supplytwin gateway --recover-since`, after a failover: revoke it afterwards",
            _browse(CONTRACTS, RECEIPTS, SETTLEMENT_EVENTS, INSTRUCTIONS, SENT, CONTROL),
            _write(RECEIPTS),
            _group(GATEWAY_GROUP),
            _on("group", (WORKER_GROUP,), "Describe"),
            _transactions(GATEWAY_ID),
        ),
        _role(
            "sink",
            "`supplytwin sink duck`: reads what the worker writes",
            _read(*DuckSink.topics),
            _browse(CONTROL),
            _group(SINK_GROUP),
        ),
        _role(
            "watcher",
            "`supplytwin watch`: alerts",
            _read(*watch_views.TOPICS),
            _on("group", (f"{WATCH_GROUP}-",), "Read", "Describe", prefix=True),
        ),
    ]


def _people() -> list[Role]:
    """Those who look, and those who set up and repair."""
    committed = (
        *INPUTS,
        INSTRUCTIONS,
        SENT,
    )  # who sets offsets of a topic must be allowed to read it
    return [
        _role(
            "operator",
            "`topics check`, `doctor`, `audit`, `journal export`: looks, and changes nothing",
            _browse(*DERIVED, CONTROL),
            _on("topic", ALL, "Describe", "DescribeConfigs"),
            _on("group", (WORKER_GROUP, GATEWAY_GROUP), "Describe"),
        ),
        _role(
            "initialiser",
            "`supplytwin init`, once: revoke it afterwards",
            _on("topic", ALL, "Create", "Describe", "DescribeConfigs"),
            _read(*committed),
            _browse(CONTROL),
            _write(CONTROL),
            _group(WORKER_GROUP, GATEWAY_GROUP),
            _transactions(INIT_ID),
        ),
        _role(
            "desk",
            "`quarantine release`, `quarantine drop`, `policy publish`: acts that are records",
            _browse(QUARANTINE, CONTROL),
            _write(*(topic for topic in INPUTS if topic != RECEIPTS)),
            _transactions(OPERATOR_ID),
        ),
        _role(
            "upgrader",
            "`supplytwin upgrade`, `carbon restate`: what a newer fold or other packs say",
            _browse(*DERIVED, CONTROL),
            _write(*DERIVED),
            _read(*INPUTS),
            _group(WORKER_GROUP),
            _transactions(UPGRADE_ID),
        ),
        _role(
            "admin",
            "`supplytwin offsets restore`: gives worker and gateway lost offsets back",
            _read(*committed),
            _browse(CONTROL, JOURNAL, QUARANTINE),
            _group(WORKER_GROUP, GATEWAY_GROUP),
        ),
    ]


# ---- written down


def principal(role: Role, prefix: str = PREFIX) -> str:
    """The name under which a role authenticates."""
    return prefix + role.name


def commands(chosen: Sequence[Role], prefix: str) -> str:
    """One kafka-acls.sh command for each rule; $BOOTSTRAP and $ADMIN (a file) are the reader's."""
    lines = []
    for role in chosen:
        lines.append(f"# {principal(role, prefix)}: {role.about}")
        for rule in role.rules:
            words = ["--add", "--allow-principal", f"User:{principal(role, prefix)}"]
            for operation in rule.operations:
                words += ["--operation", operation]
            words += [_OPTIONS[rule.resource], rule.name]
            words += ["--resource-pattern-type", "prefixed" if rule.prefix else "literal"]
            lines.append(
                'kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$ADMIN" '
                + shlex.join(words)
            )
    return "\n".join(lines) + "\n"


def strimzi(chosen: Sequence[Role], prefix: str, cluster: str) -> str:
    """One KafkaUser document for each role; the Kafka resource is named `cluster`."""
    return "".join(_kafka_user(role, principal(role, prefix), cluster) for role in chosen)


def _kafka_user(role: Role, name: str, cluster: str) -> str:
    # every string in JSON's form, which is one of YAML's: no name can mean something else
    lines = [
        "---",
        f"# {role.about}",
        f"apiVersion: {_API}",
        "kind: KafkaUser",
        "metadata:",
        f"  name: {json.dumps(name)}",
        "  labels:",
        f"    strimzi.io/cluster: {json.dumps(cluster)}",
        "spec:",
        "  authentication:",
        "    type: scram-sha-512",
        "  authorization:",
        "    type: simple",
        "    acls:",
    ]
    for rule in role.rules:
        lines += [
            "      - resource:",
            f"          type: {rule.resource}",
            f"          name: {json.dumps(rule.name)}",
            f"          patternType: {'prefix' if rule.prefix else 'literal'}",
            f"        operations: {json.dumps(list(rule.operations))}",
        ]
    return "\n".join(lines) + "\n"
