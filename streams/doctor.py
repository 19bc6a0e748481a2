"""`supplytwin doctor`: configuration, broker, topics, schemas, lag. Each line: ok, or what to
do.
"""

import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from supplytwin.schemas import avro
from supplytwin.schemas.errors import SupplytwinError
from supplytwin.schemas.records import CONTROL, INSTRUCTIONS, SENT
from supplytwin.streams import broker_choice, framed, settings, topics
from supplytwin.streams.ports import Admin, Broker, TopicPartition
from supplytwin.streams.registry import Registry

LOOKS, LOOK_S = 5, 0.5
"""How often it is looked whether an open transaction moves, and the time between two looks."""


class Finding(Struct, frozen=True, kw_only=True):
    ok: bool
    what: str
    says: str


def examine(config: Path | None) -> list[Finding]:
    """Look at everything that can be looked at; a failure hides only what depends on it."""
    findings: list[Finding] = []
    found: list[settings.Settings] = []

    def load() -> str:
        found.append(settings.load(config))
        return "settings are valid"

    if not _try(findings, "config", load):
        return findings
    _try(findings, "schemas", schemas)
    chosen: list[broker_choice.Chosen] = []

    def connect() -> str:
        chosen.append(broker_choice.running(found[0]))
        return f"{chosen[0].how}: {chosen[0].broker.version()}"

    if not _try(findings, "broker", connect):
        return findings
    broker = chosen[0].broker
    registry = framed.registry_of(broker)
    if registry is not None:
        _try(findings, "schema registry", lambda: registered(registry))
    admin = broker.admin()
    try:
        _topics(findings, admin, found[0])
        _try(findings, "deployment", lambda: _deployment(broker))
        if findings[-1].ok:
            findings += lags(broker, admin)
    finally:
        admin.close()
        chosen[0].close()
    return findings


def _try(findings: list[Finding], what: str, look: Callable[[], str]) -> bool:
    try:
        findings.append(Finding(ok=True, what=what, says=look()))
    except SupplytwinError as error:
        findings.append(Finding(ok=False, what=what, says=str(error)))
    return findings[-1].ok


def schemas() -> str:
    """The shipped .avsc files are what the code writes."""
    for topic in avro.topics():
        path = avro.FOLDER / f"{topic}.avsc"
        if not path.exists() or path.read_text() != avro.text(topic):
            raise SupplytwinError(f"{path.name} differs from the code: reinstall supplytwin")
    return f"{len(avro.topics())} schemas of version 1"


def registered(registry: Registry) -> str:
    """Whether the registry has our schemas."""
    missing = registry.learn(avro.topics())
    if missing:
        return f"at {registry.address}; not there before their writer starts: {', '.join(missing)}"
    return f"at {registry.address}: all {len(avro.topics())} schemas are registered"


def _topics(findings: list[Finding], admin: Admin, found: settings.Settings) -> None:
    problems = topics.check(admin, found)
    says = "; ".join(problems[:5]) + (" …" if len(problems) > 5 else "")
    findings.append(
        Finding(ok=not problems, what="topics", says=says or f"all {len(topics.ALL)} are right")
    )


def _deployment(broker: Broker) -> str:
    meta = topics.require_meta(broker)
    kind = f"simulated time {meta.timeline!r}" if meta.simulated else "wall-clock time"
    return f"{kind}, {meta.partitions} partitions"


def lags(broker: Broker, admin: Admin) -> list[Finding]:
    """Records that worker and gateway have still to read, and what an open transaction blocks."""
    meta = topics.require_meta(broker)
    findings = []
    for group, names in (
        (topics.WORKER_GROUP, topics.INPUTS),
        (topics.GATEWAY_GROUP, (INSTRUCTIONS, CONTROL, SENT)),
    ):
        places = topics.places(names, meta.partitions)
        ends = admin.ends(places, "read_uncommitted")
        committed = admin.committed(group, places)
        missing = [at for at in places if committed[at] is None]
        behind = {at: ends[at] - (committed[at] or 0) for at in places if at not in missing}
        total = sum(behind.values())
        says = f"{total} behind the ends"
        if missing:
            says = f"no committed offset for {_name(missing[0])}: run `supplytwin init`"
        findings.append(Finding(ok=not missing, what=f"lag of {group}", says=says))
    stuck = held(admin, topics.places(topics.ALL, meta.partitions))
    says = "nothing is held up by an open transaction"
    if stuck:
        where = ", ".join(f"{_name(at)} at offset {offset}" for at, offset in stuck[:3])
        says = (
            f"an open transaction holds up {where}: what stands behind it is not read, and no "
            "final decision is taken there, until it ends. If it does not end by itself: before "
            'you abort it see "A transaction that stays open" in docs/operations.md'
        )
    findings.append(Finding(ok=not stuck, what="open transactions", says=says))
    return findings


def held(admin: Admin, places: list[TopicPartition]) -> list[tuple[TopicPartition, int]]:
    """Where records stand behind an open transaction, and its first offset: those that stay where
    they are while we look. A transaction of a process at work moves on meanwhile.
    """
    first: dict[TopicPartition, int] = {}
    for look in range(LOOKS):
        stable = admin.ends(places, "read_committed")
        ends = admin.ends(places, "read_uncommitted")
        first = {
            at: stable[at]
            for at in places
            if stable[at] < ends[at] and first.get(at, stable[at]) == stable[at]
        }
        places = list(first)
        if not places:
            break
        if look + 1 < LOOKS:
            time.sleep(LOOK_S)
    return sorted(first.items())


def _name(at: TopicPartition) -> str:
    return f"{at.topic} {at.partition}"
