"""Which corrections stand, of all that hang together by what they aim at.

A correction stands when none that stands aims at it with at least its revision. One that is in
doubt (its identity is in conflict, or it is a plan and its target has happened) beats nothing: what
it aims at is in doubt, too, and so is what that aims at. In a ring of corrections the one with the
highest (revision, name) stands, and the one that aims at it does not reach it; in doubt it does.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

Name = tuple[str, str]
Doubt = tuple[int, bytes]
"""Revision and content hash of what would take back, if it counted."""


class Aim(NamedTuple):
    target: Name
    content_hash: bytes
    sure: bool
    """It beats what it aims at, when it stands."""


class Speaker(NamedTuple):
    """What one identity says of others, at the revision that counts of it."""

    revision: int
    aims: tuple[Aim, ...] = ()


class Standing(NamedTuple):
    beaten_to: Mapping[Name, int]
    """Target -> the highest revision of the corrections that stand against it."""
    doubts: Mapping[Name, tuple[Doubt, ...]]
    """Target -> what would take it back, sorted."""


def stand(speakers: Mapping[Name, Speaker]) -> Standing:
    """What holds of all names at which any of these aims, known or not."""
    against: dict[Name, dict[Name, bool]] = {name: {} for name in speakers}
    for name, speaker in speakers.items():
        for aim in speaker.aims:
            known = speakers.get(aim.target)
            if known is not None and speaker.revision >= known.revision:
                against[aim.target][name] = aim.sure
    beaten_to: dict[Name, int] = {}
    doubts: dict[Name, set[Doubt]] = {}
    shielded: dict[Name, set[Name]] = {}
    for name, waiting in _outside_in(against, speakers):
        revision, aims = speakers[name]
        if revision <= beaten_to.get(name, revision - 1):
            continue
        in_doubt = any(at >= revision for at, _ in doubts.get(name, ()))
        in_doubt = in_doubt or not all(against[name][one] for one in waiting)
        shielded[name] = {one for one in waiting if against[name][one]}
        for target, content_hash, sure in aims:
            if name in shielded.get(target, ()):
                continue
            if sure and not in_doubt:
                beaten_to[target] = max(revision, beaten_to.get(target, revision))
            else:
                doubts.setdefault(target, set()).add((revision, content_hash))
    return Standing(beaten_to, {name: tuple(sorted(found)) for name, found in doubts.items()})


def _outside_in(
    against: Mapping[Name, Mapping[Name, bool]], speakers: Mapping[Name, Speaker]
) -> Iterator[tuple[Name, set[Name]]]:
    """Names after those that aim at them, a ring from its highest on; each with those that aim at
    it and come later.
    """
    undecided = {name: set(others) for name, others in against.items()}
    while undecided:
        found = [name for name, others in undecided.items() if not others & undecided.keys()]
        if not found:
            ring = _ring(undecided)
            found = [max(ring, key=lambda name: (speakers[name].revision, name))]
        for name in found:
            yield name, undecided.pop(name) & undecided.keys()


def _ring(undecided: Mapping[Name, set[Name]]) -> set[Name]:
    """Names that hang on each other and on no other that is undecided."""
    after: dict[Name, set[Name]] = {name: set() for name in undecided}
    for name, others in undecided.items():
        for one in others & undecided.keys():
            after[one].add(name)
    start = next(iter(undecided))
    while True:
        before = _reached(start, undecided)
        outside = before - _reached(start, after)
        if not outside:
            return before
        start = min(outside)


def _reached(start: Name, steps: Mapping[Name, set[Name]]) -> set[Name]:
    """All names that one or more steps lead to."""
    found = set[Name]()
    waiting = [start]
    while waiting:
        new = (steps[waiting.pop()] & steps.keys()) - found
        found |= new
        waiting += new
    return found
