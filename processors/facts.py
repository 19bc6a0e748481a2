"""A chain's set of facts: identities, revisions, conflicts, retractions. Arrival order is nothing.

For one identity (source, event_id) the highest revision wins. Same identity and revision with other
content makes the identity CONFLICTED until a higher revision comes. A correction (RETRACT or
SUPERSEDE) beats every version of its target whose revision is not above its own, whichever came
first, when it has authority over the target: the same topic, and the same source or a delegation
that it was taken under. Without authority it is an exception and has no effect at all. A correction
that is itself beaten has no effect either; of corrections that aim at each other in a ring the one
with the highest (revision, source, event_id) stands, and the one that aims at it does not reach it.

Plain sensor readings are kept packed (see `readings`); what makes one less plain takes it out.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import readings
from supplytwin.processors.readings import NO_READINGS, Readings, is_plain
from supplytwin.schemas.events import Event, ShipmentSensor
from supplytwin.schemas.flow import DELEGATION, Input, Record


class Identity(NamedTuple):
    source: str
    event_id: str


class Version(Struct, frozen=True, kw_only=True, gc=False):
    """One revision of one identity."""

    revision: int
    hashes: tuple[bytes, ...]
    """Distinct content hashes seen, sorted."""
    contents: tuple[Event, ...]
    """What they are the hashes of, in the same order; more than one = conflicted."""
    arrival: int
    """The earliest arrival of this revision, us."""
    delegated: bool = False
    """It was taken under a delegation: as a correction it has the authority of its target."""

    @property
    def event(self) -> Event:
        """The content; when conflicted the one with the lowest hash, which then means nothing."""
        return self.contents[0]

    @property
    def conflicted(self) -> bool:
        return len(self.hashes) > 1


class Slot(Struct, frozen=True, kw_only=True, gc=False):
    """All that is known under one identity: versions by ascending revision, and what beats them."""

    identity: Identity
    versions: tuple[Version, ...]
    retracted_to: int | None = None
    """The highest revision that a standing correction beats; None = not retracted."""
    unauthorised: bool = False
    """The latest version is a correction without authority over its target."""

    @property
    def latest(self) -> Version:
        return self.versions[-1]

    @property
    def topic(self) -> str:
        """The topic of the latest version's event type."""
        return self.latest.event.TOPIC

    @property
    def retracted(self) -> bool:
        return self.retracted_to is not None and self.versions[-1].revision <= self.retracted_to

    @property
    def conflicted(self) -> bool:
        return len(self.versions[-1].hashes) > 1 and not self.retracted

    @property
    def effective(self) -> Version | None:
        """The version that counts: not retracted, conflicted, unauthorised or a bare retraction."""
        latest = self.versions[-1]
        if len(latest.hashes) > 1 or self.unauthorised:
            return None
        if self.retracted_to is not None and latest.revision <= self.retracted_to:
            return None
        return None if latest.contents[0].correction_action == "RETRACT" else latest


Verdict = Literal["NEW", "EARLIER", "DUPLICATE"]


class FactSet(Struct, frozen=True, kw_only=True, gc=False):
    slots: Map[Identity, Slot] = Map()
    aims: Map[Identity, frozenset[Identity]] = Map()
    """Target -> the corrections whose latest version aims at it (known or not yet)."""
    readings: Readings = NO_READINGS
    """Identities that are no slot: plain readings of one version, at which nothing aims."""

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
        return replace(found, slots=found.slots.delete(identity))

    @property
    def count(self) -> int:
        """How many identities there are."""
        return len(self.slots) + readings.count(self.readings)


class Inserted(Struct, frozen=True, kw_only=True, gc=False):
    facts: FactSet
    verdict: Verdict
    moved: tuple[tuple[Slot | None, Slot], ...] = ()
    """Slots that changed, as they were and as they are, the inserted one first."""


def target_of(event: Event) -> Identity | None:
    """The identity that a correction aims at; None when it aims at nothing but itself."""
    if event.correction_action is None or event.correction_event_id is None:
        return None
    target = Identity(event.correction_source or event.source, event.correction_event_id)
    return None if target == (event.source, event.event_id) else target


def is_delegated(record: Record) -> bool:
    """Whether a record was taken under a delegation (see `sources.admitted`)."""
    return any(name == DELEGATION for name, _ in record.headers)


def insert(facts: FactSet, item: Input) -> Inserted:
    """Add one event.

    EARLIER = a known content that turns out to have arrived before: only its arrival moves.
    """
    event = item.message
    assert isinstance(event, Event)
    identity = Identity(event.source, event.event_id)
    whole, target = facts, target_of(event)
    if facts.readings.forms:
        for one in filter(None, (identity, target)):
            whole = _taken_out(whole, one)
    if is_plain(event) and identity not in whole.slots and identity not in facts.aims:
        slot = Slot(identity=identity, versions=(_version(item, event),))
        if not slot.latest.delegated:
            return Inserted(facts=_packed(whole, slot), verdict="NEW", moved=((None, slot),))
    done = _insert(whole, item, event, identity)
    if done.verdict == "DUPLICATE":
        return Inserted(facts=facts, verdict="DUPLICATE")
    before = done.moved[0][0]
    left = None if before is None else _aim(before)
    found = done.facts
    for one in filter(None, (identity, target, left)):
        found = _put_away(found, one)
    return done if found is done.facts else replace(done, facts=found)


def _version(item: Input, event: Event) -> Version:
    return Version(
        revision=event.revision,
        hashes=(item.content_hash,),
        contents=(event,),
        arrival=item.record.arrival,
        delegated=bool(item.record.headers) and is_delegated(item.record),
    )


def _insert(facts: FactSet, item: Input, event: Event, identity: Identity) -> Inserted:
    """`insert`, where neither the event's identity nor its target is packed."""
    before = facts.slots.get(identity)
    arrival = item.record.arrival
    version = _version(item, event)
    if before is None:
        slot = Slot(identity=identity, versions=(version,))
        if event.correction_action is None and identity not in facts.aims:
            found = replace(facts, slots=facts.slots.set(identity, slot))
            return Inserted(facts=found, verdict="NEW", moved=((None, slot),))
    else:
        known = next((v for v in before.versions if v.revision == event.revision), None)
        if known is not None and item.content_hash in known.hashes:
            if arrival >= known.arrival:
                return Inserted(facts=facts, verdict="DUPLICATE")
            slot = _with_version(before, replace(known, arrival=arrival))
            found = replace(facts, slots=facts.slots.set(identity, slot))
            return Inserted(facts=found, verdict="EARLIER", moved=((before, slot),))
        slot = _with_version(before, version if known is None else _conflict(known, version))
    slots, aims = facts.slots.set(identity, slot), facts.aims
    old_aim, aim = None if before is None else _aim(before), _aim(slot)
    if old_aim is None and aim is None and identity not in aims:
        found = replace(facts, slots=slots)
        return Inserted(facts=found, verdict="NEW", moved=((before, slot),))
    if old_aim != aim:
        aims = _re_aim(aims, identity, old_aim, aim)
    slots, marked = _settle(slots, aims, (identity, old_aim))
    others = ((facts.slots[one], slots[one]) for one in marked if one != identity)
    return Inserted(
        facts=replace(facts, slots=slots, aims=aims),
        verdict="NEW",
        moved=((before, slots[identity]), *others),
    )


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
    if slot is None or len(slot.versions) > 1 or identity in facts.aims:
        return facts
    (version,) = slot.versions
    if version.conflicted or version.delegated or not is_plain(version.event):
        return facts
    return _packed(replace(facts, slots=facts.slots.delete(identity)), slot)


def _aim(slot: Slot) -> Identity | None:
    """What the latest version corrects; a conflicted one corrects nothing."""
    latest = slot.latest
    return None if latest.conflicted else target_of(latest.event)


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
    )


def _with_version(slot: Slot, version: Version) -> Slot:
    others = [v for v in slot.versions if v.revision != version.revision]
    versions = tuple(sorted((*others, version), key=lambda v: v.revision))
    return replace(slot, versions=versions)


def _re_aim(
    aims: Map[Identity, frozenset[Identity]],
    correction: Identity,
    old: Identity | None,
    new: Identity | None,
) -> Map[Identity, frozenset[Identity]]:
    if old is not None:
        left = aims[old] - {correction}
        aims = aims.set(old, left) if left else aims.delete(old)
    if new is not None:
        aims = aims.set(new, aims.get(new, frozenset()) | {correction})
    return aims


# ---- which corrections stand


def _settle(
    slots: Map[Identity, Slot],
    aims: Map[Identity, frozenset[Identity]],
    seeds: tuple[Identity | None, ...],
) -> tuple[Map[Identity, Slot], list[Identity]]:
    """Mark again, in all that hangs on the seeds, what is beaten and what has no authority."""
    members = sorted(_connected(slots, aims, seeds))
    targets: dict[Identity, Identity] = {}
    unauthorised = set[Identity]()
    for identity in members:
        slot = slots.get(identity)
        target = None if slot is None else _aim(slot)
        if slot is None or target is None:
            continue
        if _has_authority(slot, target, slots.get(target)):
            targets[identity] = target
        else:
            unauthorised.add(identity)
    beaten_to = _beaten(slots, targets)
    moved = []
    for identity in members:
        slot = slots.get(identity)
        if slot is None:
            continue
        marks = (beaten_to.get(identity), identity in unauthorised)
        if marks != (slot.retracted_to, slot.unauthorised):
            marked = replace(slot, retracted_to=marks[0], unauthorised=marks[1])
            slots = slots.set(identity, marked)
            moved.append(identity)
    return slots, moved


def _connected(
    slots: Map[Identity, Slot],
    aims: Map[Identity, frozenset[Identity]],
    seeds: tuple[Identity | None, ...],
) -> set[Identity]:
    """Everything that the seeds aim at or are aimed at by, over any number of steps."""
    found = set[Identity]()
    waiting = [seed for seed in seeds if seed is not None]
    while waiting:
        identity = waiting.pop()
        if identity in found:
            continue
        found.add(identity)
        waiting.extend(aims.get(identity, ()))
        slot = slots.get(identity)
        target = None if slot is None else _aim(slot)
        if target is not None:
            waiting.append(target)
    return found


def _has_authority(slot: Slot, target: Identity, aim: Slot | None) -> bool:
    if target.source != slot.identity.source and not slot.latest.delegated:
        return False
    return aim is None or aim.topic == slot.topic


def _beaten(slots: Map[Identity, Slot], targets: dict[Identity, Identity]) -> dict[Identity, int]:
    """Target -> the highest revision of the corrections that stand against it.

    A correction stands when none stands that aims at it with at least its revision. Every one has
    one target, so what cannot be decided from the outside in are rings of equal revision.
    """
    attackers: dict[Identity, set[Identity]] = {identity: set() for identity in targets}
    for identity, target in targets.items():
        if target in targets and slots[identity].latest.revision >= slots[target].latest.revision:
            attackers[target].add(identity)
    beaten_to: dict[Identity, int] = {}
    beaten = set[Identity]()
    shielded = set[Identity]()
    undecided = dict(attackers)
    for identity in _outside_in(undecided, slots):
        if attackers[identity] - beaten - undecided.keys():
            beaten.add(identity)
            continue
        if undecided.keys() & attackers[identity]:
            shielded.add(identity)
        target = targets[identity]
        if target not in shielded:
            revision = slots[identity].latest.revision
            beaten_to[target] = max(revision, beaten_to.get(target, revision))
    return beaten_to


def _outside_in(
    undecided: dict[Identity, set[Identity]], slots: Map[Identity, Slot]
) -> Iterator[Identity]:
    """Corrections after those that aim at them, a ring from its highest on. Empties the dict."""
    while undecided:
        free = [i for i, against in undecided.items() if not against & undecided.keys()]
        if not free:
            free = [max(undecided, key=lambda i: (slots[i].latest.revision, i))]
        for identity in free:
            del undecided[identity]
            yield identity
