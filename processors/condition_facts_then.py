"""The facts of a twin as they were known when an amount was fixed.

Which of several contents of one revision came first nobody knows, nor what a correction said that
has another revision since: in doubt a release stood, and of as much as any of them says, so that
nothing that was relied on is overlooked.
"""

from decimal import Decimal

from msgspec.structs import replace

from supplytwin.processors.condition_facts_look import Look, target_key
from supplytwin.processors.condition_facts_sight import Sight
from supplytwin.processors.facts import Identity, Slot, Version, target_of
from supplytwin.processors.fixing import Fixing
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.events import CustomsReleased, Event

WHOLE = Decimal("Infinity")
"""Stated by a release that states no quantity: all that its declaration is of."""


class _Then(Sight):
    """A twin as it was at an approval; `concerns` gains what it follows from besides the subjects
    that are asked for.
    """

    def __init__(self, twin: Twin, fixing: Fixing, concerns: set[SubjectKey]) -> None:
        super().__init__(twin)
        self._fixing = fixing
        self._concerns = concerns

    def slots(self, key: SubjectKey) -> list[Slot]:
        """All that had reached a subject."""
        found = [self._slot(one) for one in super().slots(key)]
        return [one for one in found if one is not None]

    def _slot(self, slot: Slot) -> Slot | None:
        known = [one for one in slot.versions if self._knew(slot.identity, one)]
        if not known:
            return None
        return replace(
            slot,
            versions=tuple([_single(one) for one in known]),
            retracted_to=None if slot.retracted_to is None else self._retracted_to(slot),
            doubts=(),
        )

    def _retracted_to(self, slot: Slot) -> int | None:
        """Up to which revision what takes it back now did so then."""
        self._concerns.add(target_key(slot.identity))
        found = list[int]()
        for name in self.twin.facts.aims.get(slot.identity, ()):
            by = self.twin.facts.slots[name]
            counts = not by.retracted and not by.conflicted
            powerless = by.current.revision in by.powerless
            aims = target_of(by.current.event) == slot.identity
            if counts and not powerless and aims and self._knew(name, by.current):
                found.append(by.current.revision)
        return max(found, default=None)

    def _knew(self, identity: Identity, version: Version) -> bool:
        return self._fixing.knew(identity, version.revision, version.arrival)


def then(look: Look) -> Look:
    """What a claim looked at when its amount was fixed, as if it were not yet."""
    fixing = look.asked.fixing
    assert fixing is not None
    scope = replace(look.asked.scope, tick=fixing.at, fixed=False)
    asked = replace(look.asked, scope=scope, fixing=None)
    return Look(_Then(look.twin, fixing, look.concerns), asked)


def stated(event: Event) -> Decimal:
    """Of how much a release says that it is."""
    if not isinstance(event, CustomsReleased):
        return Decimal(0)
    return WHOLE if event.qty is None else event.qty


def _single(version: Version) -> Version:
    """A version of a release that contradicts itself by the content that says most."""
    is_release = all(isinstance(one, CustomsReleased) for one in version.contents)
    if not version.conflicted or not is_release:
        return version
    pairs = zip(version.hashes, version.contents, strict=True)
    content_hash, event = max(pairs, key=lambda one: (stated(one[1]), one[0]))
    return replace(version, hashes=(content_hash,), contents=(event,))
