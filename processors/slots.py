"""What is known under one identity: every revision of it, and which of them counts.

The highest revision counts, but a correction without authority over its target is none. What
contradicts itself is in conflict, adverse and counting for nothing, until a higher revision says
what is true: other content under the same revision; a plan above what has happened, for no plan
takes back what is done; and whatever a correction in doubt would take back. Versions of several
topics are in conflict for good: which of them the identity belongs to would depend on arrival.
"""

import hashlib
from typing import NamedTuple

from msgspec import Struct

from supplytwin.processors.corrections import Doubt
from supplytwin.processors.signed import Signed
from supplytwin.schemas.events import Event


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
    signed: tuple[Signed, ...] = ()
    """Its signatures, of any of its contents (`signed.united`)."""

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
    """The highest revision that a correction beats which is not undone; None = not retracted."""
    doubts: tuple[Doubt, ...] = ()
    """Corrections in doubt that aim at it."""
    powerless: tuple[int, ...] = ()
    """Revisions that are corrections without authority over their target."""

    @property
    def latest(self) -> Version:
        return self.versions[-1]

    @property
    def current(self) -> Version:
        """The highest version with authority for what it corrects; the latest when none has."""
        for version in reversed(self.versions) if self.powerless else ():
            if version.revision not in self.powerless:
                return version
        return self.versions[-1]

    @property
    def unauthorised(self) -> bool:
        """The latest version is a correction without authority over its target."""
        return self.latest.revision in self.powerless

    @property
    def topic(self) -> str:
        """The topic of the current version's event type."""
        return self.current.event.TOPIC

    @property
    def retracted(self) -> bool:
        return self.retracted_to is not None and self.current.revision <= self.retracted_to

    @property
    def contradicting(self) -> tuple[Version, ...]:
        """The versions that cannot all be true, ascending: the current one with several contents;
        a plan above what has happened; all of them when they are of several topics.
        """
        current, versions = self.current, self.versions
        if len(versions) > 1:
            if len({one.TOPIC for version in versions for one in version.contents}) > 1:
                return versions
            if not any(one.classifier == "ACTUAL" for one in current.contents):
                from_actual = self._from_actual(current)
                if from_actual:
                    return from_actual
        return (current,) if len(current.hashes) > 1 else ()

    def _from_actual(self, plan: Version) -> tuple[Version, ...]:
        """What counts from the highest version below a plan on that has happened; () = none."""
        above = -1 if self.retracted_to is None else self.retracted_to
        found: tuple[Version, ...] = ()
        for version in reversed(self.versions):
            if version.revision > plan.revision or version.revision in self.powerless:
                continue
            if version.revision <= above:
                break
            found = (version, *found)
            if any(one.classifier == "ACTUAL" for one in version.contents):
                return found
        return ()

    @property
    def disputed(self) -> tuple[Version, ...]:
        """The versions on whose account the identity is in conflict; () = it is not."""
        if len(self.versions) == 1 and len(self.versions[0].hashes) == 1 and not self.doubts:
            return ()
        if self.retracted:
            return ()
        current = self.current
        doubted = any(revision >= current.revision for revision, _ in self.doubts)
        return self.contradicting or ((current,) if doubted else ())

    @property
    def dispute(self) -> bytes:
        """What the conflict is about, as a hash: of another one it is another."""
        hashes = [one for version in self.disputed for one in version.hashes]
        return hashlib.sha256(b"".join((*hashes, *(one for _, one in self.doubts)))).digest()

    @property
    def conflicted(self) -> bool:
        return bool(self.disputed)

    @property
    def contents(self) -> tuple[Event, ...]:
        """What it says now: the content that counts, or all that are in conflict."""
        versions = self.disputed or (self.current,)
        return tuple(event for version in versions for event in version.contents)

    @property
    def effective(self) -> Version | None:
        """The version that counts: not retracted, conflicted, unauthorised or a bare retraction."""
        if len(self.versions) == 1 and not self.powerless and not self.doubts:  # as most are
            current = self.versions[0]
            unclear = len(current.hashes) > 1
        else:
            current = self.current
            unclear = current.revision in self.powerless or bool(self.disputed)
        if unclear or (self.retracted_to is not None and current.revision <= self.retracted_to):
            return None
        return None if current.contents[0].correction_action == "RETRACT" else current


def target_of(event: Event) -> Identity | None:
    """The identity that a correction aims at; None when it aims at nothing but itself."""
    if event.correction_action is None or event.correction_event_id is None:
        return None
    target = Identity(event.correction_source or event.source, event.correction_event_id)
    return None if target == (event.source, event.event_id) else target
