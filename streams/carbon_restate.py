"""`supplytwin carbon restate`: footprints said again by other packs of factors, from a day on.

Runs while no worker does. In one transaction for each partition number the control chain gets the
rule, whole packs included, and every footprint that differs its next version, linked to the one
before. Workers go by the rule from then on. No claim is looked at.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from supplytwin.processors import carbon, restatement
from supplytwin.processors.carbon_packs import NEWEST, Rule, Rules
from supplytwin.processors.chain import FOLD_VERSION
from supplytwin.schemas.errors import UsageError
from supplytwin.streams.audit_run import Progress
from supplytwin.streams.ports import Broker, Producer
from supplytwin.streams.topics import Meta
from supplytwin.streams.upgrade import (
    INIT_S,
    UPGRADE_ID,
    Changed,
    Number,
    commit_alone,
    require_idle,
)

ENTRY_MOST_BYTES = 1_000_000
"""What an entry of the journal holds beside its frame."""


class Restated(Struct, frozen=True, kw_only=True):
    """A footprint that is another one by the new packs. kg CO2e, null = not complete."""

    chain_id: str
    consignment_id: str
    version: int
    """The next one."""
    was_wtw_kg: str | None
    is_wtw_kg: str | None


class Plan(Struct, frozen=True, kw_only=True):
    """What a restatement does."""

    since: str
    packs: tuple[str, ...]
    footprints: tuple[Restated, ...]
    in_force: int
    """Partition numbers for which it is in force already."""


def plan(broker: Broker, meta: Meta, rule: Rule, names: tuple[str, ...], read: Progress) -> Plan:
    """What would be said otherwise. Nothing is written."""
    found: list[Restated] = []
    done = 0
    for number in range(meta.partitions):
        one = _number(broker, meta, number, read)
        rules = _with(one, rule)
        if rules is None:
            done += 1
            continue
        for changed in _changed(one, rules):
            found += _listed(one, changed, rules)
    return Plan(since=rule.since, packs=names, footprints=tuple(found), in_force=done)


def apply(broker: Broker, meta: Meta, rule: Rule, read: Progress) -> int:
    """Say it; how many footprints. Raises UsageError while a worker runs.

    Partition numbers for which it is in force are left alone: after an interruption it is called
    again.
    """
    require_idle(broker, meta)
    producer = broker.producer(UPGRADE_ID)
    producer.init(INIT_S)
    restated = 0
    try:
        for number in range(meta.partitions):
            found = _number(broker, meta, number, read)
            rules = _with(found, rule)
            if rules is not None:
                restated += _apply_number(broker, meta, producer, found, rules)
    finally:
        producer.close()
    return restated


def _number(broker: Broker, meta: Meta, number: int, read: Progress) -> Number:
    found = Number(broker, meta, number, read)
    if found.version not in (None, FOLD_VERSION):
        says = f"partition number {number} was last written by fold {found.version}"
        raise UsageError(f"{says}: supplytwin upgrade comes first")
    return found


def _with(found: Number, rule: Rule) -> Rules | None:
    """The rules with this one; None = it is the last one already. UsageError when the journal has
    no room for all of them in one entry.
    """
    known = found.rules
    if known and known[-1] == rule:
        return None
    rules = (*known, rule)
    size = len(restatement.packs_body(rules, {}))
    if size > ENTRY_MOST_BYTES:
        says = f"the packs of all restatements have {size} bytes, an entry holds {ENTRY_MOST_BYTES}"
        raise UsageError(f"{says}: name a built-in pack, or leave factors out that nobody uses")
    return rules


def _changed(found: Number, rules: Rules) -> Iterator[Changed]:
    for chain_id, state in sorted(found.states.items()):
        if chain_id.startswith("@"):
            continue
        versions = found.renumbered(state, rules)
        unsaid = carbon.unsaid(versions, found.printed(chain_id))
        if unsaid:
            own = {name: versions[name] for name in unsaid}
            yield Changed(state=state, changes=[], outputs=[], marks={}, versions=own)


def _listed(found: Number, one: Changed, rules: Rules) -> Iterator[Restated]:
    state = one.state
    made = carbon.numbered(state.footprints, state.twin, rules, one.versions)
    for name, version in sorted(one.versions.items()):
        yield Restated(
            chain_id=state.chain_id,
            consignment_id=name,
            version=version,
            was_wtw_kg=state.footprints[name].co2e_wtw_kg,
            is_wtw_kg=made[name].co2e_wtw_kg,
        )


def _apply_number(
    broker: Broker, meta: Meta, producer: Producer, found: Number, rules: Rules
) -> int:
    changed = list(_changed(found, rules))
    body = restatement.packs_body(rules, {})
    said = found.told(found.control, body)
    told = (*found.control.packs, (NEWEST, rules))
    found.states[found.control.chain_id] = msgspec.structs.replace(found.control, packs=told)
    for one in changed:
        said += found.told(one.state, restatement.packs_body(None, one.versions), one)
    commit_alone(broker, meta, producer, found, said)
    return sum(len(one.versions) for one in changed)
