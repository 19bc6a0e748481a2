"""Which bounds hold for readings that come without any: those that were booked for the goods.

A consignment's booking may state ranges. They hold for its own readings and for those of every
subject that it is linked with, its trips above all; where several consignments share one, the
narrowest part that all allow. Ranges that exclude each other leave no such part: then only what is
outside all of them, and beyond them, is outside.
"""

import math
from functools import lru_cache

from immutables import Map
from msgspec.structs import replace

from supplytwin.processors.sensed import Range, limited
from supplytwin.processors.singly import spelt
from supplytwin.processors.subjects import NOBODY, Subject, SubjectKey, Subjects, Work
from supplytwin.schemas.machines import CONSIGNMENT


def carry(subjects: Subjects, work: Work) -> None:
    """Make what was measured of the subjects in `work`, and of those linked with its consignments,
    follow the ranges that are booked and the links that stand now.
    """
    stirred: dict[SubjectKey, None] = {}
    for key, after in work.items():
        before = subjects.get(key, NOBODY)
        same = before.ordered is after.ordered or before.value.limits == after.value.limits
        if same and before.links is after.links:
            continue
        stirred[key] = None
        if not same:
            stirred.update(dict.fromkeys((*before.links, *after.links)))
    for key in stirred:
        subject = _now(subjects, work, key)
        limits = _limits(subjects, work, key, subject)
        if limits != subject.sensed.limits:
            work[key] = replace(subject, sensed=limited(subject.sensed, limits))


def _now(subjects: Subjects, work: Work, key: SubjectKey) -> Subject:
    return work[key] if key in work else subjects.get(key, NOBODY)


def _limits(
    subjects: Subjects, work: Work, key: SubjectKey, subject: Subject
) -> Map[tuple[str, str], Range]:
    found: dict[tuple[str, str], list[Range]] = {}
    own = key.subject_type == CONSIGNMENT  # consignments are not linked with one another
    owners = (key,) if own else [one for one in subject.links if one.subject_type == CONSIGNMENT]
    for owner in owners:
        for limit in _now(subjects, work, owner).value.limits:
            name, bounds = _parsed(limit)
            found.setdefault(name, []).append(bounds)
    return Map({name: _common(ranges) for name, ranges in found.items()})


def _common(ranges: list[Range]) -> Range:
    """What all allow; where that is nothing, from the least to the most that any allows."""
    lowers, uppers = zip(*ranges, strict=True)
    common: Range = (max(lowers), min(uppers))
    return common if common[0] <= common[1] else (min(lowers), max(uppers))


@lru_cache(maxsize=4096)
def _parsed(limit: str) -> tuple[tuple[str, str], Range]:
    metric, unit, lower, upper = limit.split(";")
    return (spelt(metric), unit), (
        float(lower) + 0.0 if lower else -math.inf, float(upper) + 0.0 if upper else math.inf,
    )  # fmt: skip
