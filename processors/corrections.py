"""Which corrections stand, of all that hang together by what they aim at.

A correction beats what it aims at, up to its own revision, unless it is undone: by a retraction of
it, with at least its revision, that is not undone itself. One that is only replaced (SUPERSEDE)
counts no more, but what it took back does not return: the last of a chain of replacements stands in
the place of all. One that is in doubt (its identity is in conflict, it is a plan and its target has
happened, or a retraction of it is in doubt) beats nothing: what it aims at is in doubt, too.
In a ring of corrections the one with the highest (revision, name) stands, and the one that aims at
it does not reach it; in doubt it does.
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
    """It beats what it aims at, unless it is undone or in doubt."""
    retracts: bool
    """It undoes what its target says of others; else it only replaces the target."""


class Speaker(NamedTuple):
    """What one identity says of others, at the revision that counts of it."""

    revision: int
    aims: tuple[Aim, ...] = ()


class Standing(NamedTuple):
    beaten_to: Mapping[Name, int]
    """Target -> the highest revision of the corrections that beat it."""
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
    undone_to: dict[Name, int] = {}
    doubts: dict[Name, set[Doubt]] = {}
    shaken_to: dict[Name, int] = {}
    shielded: dict[Name, set[Name]] = {}
    for name, waiting in _outside_in(against, speakers):
        revision, aims = speakers[name]
        if revision <= undone_to.get(name, revision - 1):
            continue
        shielded[name] = {one for one in waiting if against[name][one]}
        in_doubt = revision <= shaken_to.get(name, revision - 1) or any(
            aim.retracts and aim.target == name
            for one in waiting - shielded[name]
            for aim in speakers[one].aims
        )
        for target, content_hash, sure, retracts in aims:
            if name in shielded.get(target, ()):
                continue
            beats = sure and not in_doubt
            if beats:
                beaten_to[target] = max(revision, beaten_to.get(target, revision))
            else:
                doubts.setdefault(target, set()).add((revision, content_hash))
            if retracts:
                reached = undone_to if beats else shaken_to
                reached[target] = max(revision, reached.get(target, revision))
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
