"""A chain's set of facts: identities, revisions, conflicts, retractions. Arrival order is nothing.

For one identity (source, event_id) the highest revision wins; what contradicts itself is CONFLICTED
until a higher one comes (`slots`). A correction (RETRACT or SUPERSEDE) beats every version of its
target whose revision is not above its own, whichever came first, when it has authority over the
target: the same topic, and the same source or a delegation that it was taken under. Without
authority it is an exception and has no effect at all, not even on earlier versions of its own
identity. A correction that is itself retracted has none either, but one that is only superseded
still beats its target; one that is in conflict, or that is a plan of which the target has happened,
leaves its target in conflict (`corrections`).

Plain sensor readings are kept packed (see `readings`); what makes one less plain takes it out.
"""

from collections.abc import Iterator
from typing import Literal

from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import readings
from supplytwin.processors.corrections import Aim, Speaker, stand
from supplytwin.processors.readings import NO_READINGS, Readings, is_plain
from supplytwin.processors.signed import Slot as SeqSlot
from supplytwin.processors.signed import slot_of, united
from supplytwin.processors.signed_facts import signatures
from supplytwin.processors.slots import Identity, Slot, Version, target_of
from supplytwin.schemas.events import Event, ShipmentSensor
from supplytwin.schemas.flow import DELEGATION, Input, Record

__all__ = [
    "FactSet",
    "Identity",
    "Inserted",
    "Slot",
    "Verdict",
    "Version",
    "insert",
    "is_delegated",
    "target_of",
]

Verdict = Literal["NEW", "EARLIER", "DUPLICATE"]


class FactSet(Struct, frozen=True, kw_only=True, gc=False):
    slots: Map[Identity, Slot] = Map()
    aims: Map[Identity, frozenset[Identity]] = Map()
    """Target -> the corrections of which any version aims at it (known or not yet)."""
    readings: Readings = NO_READINGS
    """Identities that are no slot: plain readings of one version, at which nothing aims."""
    signed: Map[Identity, None] = Map()
    """Those with a signed version."""
    seqs: Map[SeqSlot, frozenset[Identity]] = Map()
    """The same by what a signature of theirs uses up."""

    def every(self) -> Iterator[Slot]:
        """All slots, those of packed readings, too, in no order."""
        yield from self.slots.values()
        for found in readings.every(self.readings):
            yield _slot(found)

    def slot(self, identity: Identity) -> Slot:
        """That of an identity that is known, packed or not."""
        return _taken_out(self, identity).slots[identity]

    def without(self, identity: Identity) -> "FactSet":
        """The set without a known identity; what it says of others as a correction still holds."""
        found = _taken_out(self, identity)
        left = replace(found, slots=found.slots.delete(identity))
        return _forgotten(left, found.slots[identity]) if identity in found.signed else left

    @property
    def count(self) -> int:
        """How many identities there are."""
        return len(self.slots) + readings.count(self.readings)


class Inserted(Struct, frozen=True, kw_only=True, gc=False):
    facts: FactSet
    verdict: Verdict
    moved: tuple[tuple[Slot | None, Slot], ...] = ()
    """Slots that changed, as they were and as they are, the inserted one first."""


def is_delegated(record: Record) -> bool:
    """Whether a record was taken under a delegation (see `sources.admitted`)."""
    return any(name == DELEGATION for name, _ in record.headers)


def insert(facts: FactSet, item: Input) -> Inserted:
    """Add one event.

    EARLIER = a known content that turns out to have arrived before, or to be signed otherwise, too:
    only its arrival and its signatures move.
    """
    event = item.message
    assert isinstance(event, Event)
    version = _version(item, event)
    identity = Identity(event.source, event.event_id)
    whole, target = facts, target_of(event)
    if facts.readings.forms:
        for one in filter(None, (identity, target)):
            whole = _taken_out(whole, one)
    bare = not version.delegated and not version.signed and is_plain(event)
    if bare and identity not in whole.slots and identity not in facts.aims:
        slot = Slot(identity=identity, versions=(version,))
        return Inserted(facts=_packed(whole, slot), verdict="NEW", moved=((None, slot),))
    done = _insert(whole, version, event, identity)
    if done.verdict == "DUPLICATE":
        return Inserted(facts=facts, verdict="DUPLICATE")
    found = _put_away(done.facts, identity)
    if version.signed:
        found = _signed(found, identity, version)
    return done if found is done.facts else replace(done, facts=found)


def _version(item: Input, event: Event) -> Version:
    return Version(
        revision=event.revision,
        hashes=(item.content_hash,),
        contents=(event,),
        arrival=item.record.arrival,
        delegated=bool(item.record.headers) and is_delegated(item.record),
        signed=signatures(item, event) if item.record.headers else (),
    )


def _insert(facts: FactSet, version: Version, event: Event, identity: Identity) -> Inserted:
    """`insert`, where neither the event's identity nor its target is packed."""
    before = facts.slots.get(identity)
    if before is None:
        slot = Slot(identity=identity, versions=(version,))
        if event.correction_action is None and identity not in facts.aims:
            found = replace(facts, slots=facts.slots.set(identity, slot))
            return Inserted(facts=found, verdict="NEW", moved=((None, slot),))
    else:
        known = next((v for v in before.versions if v.revision == event.revision), None)
        if known is not None and version.hashes[0] in known.hashes:
            signed, arrival = united(known.signed, version.signed), version.arrival
            if arrival >= known.arrival and signed is known.signed:
                return Inserted(facts=facts, verdict="DUPLICATE")
            earlier = replace(known, arrival=min(arrival, known.arrival), signed=signed)
            slot = _with_version(before, earlier)
            found = replace(facts, slots=facts.slots.set(identity, slot))
            return Inserted(facts=found, verdict="EARLIER", moved=((before, slot),))
        slot = _with_version(before, version if known is None else _conflict(known, version))
    slots, aims = facts.slots.set(identity, slot), facts.aims
    targets = _aims(slot)
    if not targets and identity not in aims:
        found = replace(facts, slots=slots)
        return Inserted(facts=found, verdict="NEW", moved=((before, slot),))
    for target in targets:
        aims = aims.set(target, aims.get(target, frozenset()) | {identity})
    slots, marked = _settle(slots, aims, identity)
    others = ((facts.slots[one], slots[one]) for one in marked if one != identity)
    return Inserted(
        facts=replace(facts, slots=slots, aims=aims),
        verdict="NEW",
        moved=((before, slots[identity]), *others),
    )


# ---- who is signed


def _signed(facts: FactSet, identity: Identity, version: Version) -> FactSet:
    """`facts` in which an identity is known to have this signed version."""
    seqs = facts.seqs
    for seq in filter(None, map(slot_of, version.signed)):
        seqs = seqs.set(seq, seqs.get(seq, frozenset()) | {identity})
    return replace(facts, signed=facts.signed.set(identity, None), seqs=seqs)


def _forgotten(facts: FactSet, slot: Slot) -> FactSet:
    """`facts` in which nothing is signed by a slot."""
    seqs = facts.seqs
    used = {slot_of(one) for version in slot.versions for one in version.signed}
    for seq in filter(None, used):
        left = seqs[seq] - {slot.identity}
        seqs = seqs.set(seq, left) if left else seqs.delete(seq)
    return replace(facts, signed=facts.signed.delete(slot.identity), seqs=seqs)


# ---- plain readings


def _slot(found: readings.Reading) -> Slot:
    event = found.event
    version = Version(
        revision=event.revision,
        hashes=(found.content_hash,),
        contents=(event,),
        arrival=found.arrival,
    )
    return Slot(identity=Identity(event.source, event.event_id), versions=(version,))


def _taken_out(facts: FactSet, identity: Identity) -> FactSet:
    """`facts` in which `identity` is no packed reading, but a slot, if it is known."""
    found = readings.find(facts.readings, *identity)
    if found is None:
        return facts
    left = readings.remove(facts.readings, found)
    return replace(facts, slots=facts.slots.set(identity, _slot(found)), readings=left)


def _packed(facts: FactSet, slot: Slot) -> FactSet:
    (version,) = slot.versions
    event = version.event
    assert isinstance(event, ShipmentSensor)
    more = readings.add(facts.readings, event, version.hashes[0], version.arrival)
    return replace(facts, readings=more)


def _put_away(facts: FactSet, identity: Identity) -> FactSet:
    """`facts` in which `identity` is packed if that is all that there is to know of it."""
    slot = facts.slots.get(identity)
    if slot is None or len(slot.versions) != 1 or identity in facts.aims:
        return facts
    (version,) = slot.versions
    if version.conflicted or version.delegated or version.signed or not is_plain(version.event):
        return facts
    return _packed(replace(facts, slots=facts.slots.delete(identity)), slot)


def _aims(slot: Slot) -> set[Identity]:
    """What any version corrects, with authority or without."""
    events = (event for version in slot.versions for event in version.contents)
    return {target for target in map(target_of, events) if target is not None}


def _conflict(known: Version, other: Version) -> Version:
    pairs = sorted(
        (*zip(known.hashes, known.contents, strict=True), (other.hashes[0], other.event)),
        key=lambda pair: pair[0],
    )
    return Version(
        revision=known.revision,
        hashes=tuple(content_hash for content_hash, _ in pairs),
        contents=tuple(event for _, event in pairs),
        arrival=min(known.arrival, other.arrival),
        delegated=known.delegated or other.delegated,
        signed=united(known.signed, other.signed),
    )


def _with_version(slot: Slot, version: Version) -> Slot:
    others = [v for v in slot.versions if v.revision != version.revision]
    versions = tuple(sorted((*others, version), key=lambda v: v.revision))
    return replace(slot, versions=versions)


# ---- which corrections stand


def _settle(
    slots: Map[Identity, Slot], aims: Map[Identity, frozenset[Identity]], seed: Identity
) -> tuple[Map[Identity, Slot], list[Identity]]:
    """Mark again, in all that hangs on the seed, what is beaten, in doubt or without authority."""
    members = [slots[one] for one in sorted(_connected(slots, aims, seed)) if one in slots]
    powers = [replace(slot, powerless=_powerless(slots, slot)) for slot in members]
    found = stand({slot.identity: _speaker(slots, slot) for slot in powers})
    moved = []
    for slot, marked in zip(members, powers, strict=True):
        identity = slot.identity
        after = replace(
            marked,
            retracted_to=found.beaten_to.get(identity),
            doubts=found.doubts.get(identity, ()),
        )
        if after != slot:
            slots = slots.set(identity, after)
            moved.append(identity)
    return slots, moved


def _connected(
    slots: Map[Identity, Slot], aims: Map[Identity, frozenset[Identity]], seed: Identity
) -> set[Identity]:
    """Everything that the seed aims at or is aimed at by, over any number of steps."""
    found = set[Identity]()
    waiting = [seed]
    while waiting:
        identity = waiting.pop()
        if identity in found:
            continue
        found.add(identity)
        waiting.extend(aims.get(identity, ()))
        if identity in slots:
            waiting.extend(_aims(slots[identity]))
    return found


def _powerless(slots: Map[Identity, Slot], slot: Slot) -> tuple[int, ...]:
    return tuple(
        version.revision
        for version in slot.versions
        if not any(_has_authority(slots, version, event) for event in version.contents)
    )


def _has_authority(slots: Map[Identity, Slot], version: Version, event: Event) -> bool:
    """Over what the event corrects: no target, one of its own source or delegated, and of nothing
    but its own topic.
    """
    target = target_of(event)
    if target is None:
        return True
    if target.source != event.source and not version.delegated:
        return False
    aim = slots.get(target)
    versions = () if aim is None else aim.versions
    return all(one.TOPIC == event.TOPIC for version in versions for one in version.contents)


def _speaker(slots: Map[Identity, Slot], slot: Slot) -> Speaker:
    current = slot.current
    unmarked = replace(slot, retracted_to=None)
    contradicting = unmarked.contradicting
    aims = []
    for version in contradicting or (current,):
        for content_hash, event in zip(version.hashes, version.contents, strict=True):
            target = target_of(event)
            if target is None or not _has_authority(slots, version, event):
                continue
            sure = not contradicting and (
                event.classifier == "ACTUAL" or not _happened(slots.get(target), current.revision)
            )
            aims.append(Aim(target, content_hash, sure, event.correction_action == "RETRACT"))
    return Speaker(current.revision, tuple(aims))


def _happened(slot: Slot | None, revision: int) -> bool:
    """Whether any version up to a revision is more than a plan."""
    return slot is not None and any(
        event.classifier == "ACTUAL"
        for version in slot.versions
        if version.revision <= revision
        for event in version.contents
    )
