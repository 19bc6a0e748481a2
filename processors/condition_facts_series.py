"""What sensors measured of a claim's goods, over the window of a telemetry leaf.

Each reading is held against the bounds of the leaf, whatever bounds it came with, and counts when a
listed source told it in time: so the readings themselves are looked at, which the hours of a sensor
(`sensed`) keep without their sources and arrivals. As there, a value holds until the next reading,
and two that are more than 2 h apart leave what is between them uncovered.

Of several devices on one thing the one that covers most counts for coverage, and the worst one for
what was outside, even one that nobody listed. Of several things the one that is known least. Where
the consignment is not measured itself, every container of it must be.
"""

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from supplytwin.processors import readings
from supplytwin.processors.condition_facts_look import Look
from supplytwin.processors.condition_facts_milestones import Claim
from supplytwin.processors.condition_view import Asked, Evidence, Exposure, Series
from supplytwin.processors.condition_windows import asked_of_series
from supplytwin.processors.facts import Slot
from supplytwin.processors.sensed import GAP_MAX_US
from supplytwin.processors.singly import spelt
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import Event, ShipmentSensor
from supplytwin.schemas.localtime import UNKNOWN_ZONE


class Sample(NamedTuple):
    """One reading. Of several at one instant one that is outside holds."""

    at: int
    outside: bool


class _Device(Struct, kw_only=True):
    """What one device told of one thing. Lives for one call."""

    listed: list[Sample]
    unlisted: list[Sample]
    withdrawn: list[Sample]
    """In time, and counts no longer."""


_Found = dict[tuple[SubjectKey, str], _Device]


def exposure(samples: Iterable[Sample], first: int, last: int) -> Exposure:
    """What readings come to from `first` to `last`, us UTC."""
    covered = outside = longest = run = 0
    for one, other in pairwise(sorted(samples)):
        gap = other.at - one.at
        if gap > GAP_MAX_US:
            run = 0
            continue
        length = max(min(other.at, last) - max(one.at, first), 0)
        covered += length
        if one.outside:
            outside += length
            run += length
            longest = max(longest, run)
        elif gap:
            run = 0
    return Exposure(covered_us=covered, outside_us=outside, longest_us=longest)


def series(look: Look, claim: Claim, known: Evidence) -> Iterator[Series]:
    """The answer to each thing that the condition asks of a series, where anything was measured."""
    asked = look.asked
    for question in sorted(set(asked_of_series(asked.condition, known, asked.scope))):
        if not look.passes(question.last) and not asked.measures_open:
            continue
        found = _found(look, claim, question)
        answer = _answer(claim, found, question)
        if answer is not None:
            yield answer


def _found(look: Look, claim: Claim, question: Asked) -> _Found:
    keys = set(claim.every) - claim.once
    found: _Found = {}

    def is_asked(event: Event) -> bool:
        return isinstance(event, ShipmentSensor) and _is_of(event, keys, question)

    for one in readings.chosen(look.twin.facts.readings, is_asked):
        if one.arrival <= question.close and look.passes(one.event.event_time):
            voice = look.voice(one.event, one.content_hash)
            _put(found, one.event, question, heard=not voice.reason, void=voice.void)
    look.concerns |= keys
    for slot in look.twin.facts.slots.values():  # subjects do not remember what was a plain reading
        if any(is_asked(event) for version in slot.versions for event in version.contents):
            _of_slot(look, slot, question, keys, found)
    return found


def _is_of(event: ShipmentSensor, keys: set[SubjectKey], question: Asked) -> bool:
    return (
        SubjectKey(event.subject_type, event.subject_id) in keys
        and spelt(event.metric) == spelt(question.metric)
        and event.unit.casefold() == question.unit.casefold()
    )


def _of_slot(look: Look, slot: Slot, question: Asked, keys: set[SubjectKey], found: _Found) -> None:
    """Readings that are facts of their own: corrected, signed, with a position."""
    now, in_time = slot.effective, False
    for version in slot.versions:
        if version.revision in slot.powerless or version.arrival > question.close:
            continue
        for content_hash, event in zip(version.hashes, version.contents, strict=True):
            if isinstance(event, ShipmentSensor) and _is_of(event, keys, question):
                voice = look.voice(event, content_hash)
                in_time = in_time or not (voice.reason or voice.void)
                if version is not now and _is_sample(event) and not voice.reason:
                    _device(found, event).withdrawn.append(_sample(event, question))
    if now is None or not isinstance(now.event, ShipmentSensor):
        return
    event, voice = now.event, look.voice(now.event, now.hashes[0])
    if _is_of(event, keys, question) and _is_sample(event) and look.passes(event.event_time):
        heard = in_time and not voice.reason
        if heard or now.arrival <= question.close:
            _put(found, event, question, heard=heard, void=voice.void)


def _is_sample(event: ShipmentSensor) -> bool:
    """At a known time; as in `sensed` no plan and nothing that is known to the day."""
    is_real = event.classifier == "ACTUAL" and event.correction_action != "RETRACT"
    return is_real and event.time_precision != "DAY" and event.event_tz != UNKNOWN_ZONE


def _sample(event: ShipmentSensor, question: Asked) -> Sample:
    """The value as its source wrote it; what is no number is outside."""
    value = Decimal(str(event.value))
    inside = value.is_finite() and question.low <= value <= question.high
    return Sample(event.event_time, not inside)


def _device(found: _Found, event: ShipmentSensor) -> _Device:
    key = SubjectKey(event.subject_type, event.subject_id), event.device_id
    return found.setdefault(key, _Device(listed=[], unlisted=[], withdrawn=[]))


def _put(found: _Found, event: ShipmentSensor, question: Asked, *, heard: bool, void: bool) -> None:
    one = _device(found, event)
    sample = _sample(event, question)
    if void:
        one.withdrawn.append(sample)
    if void or not heard:
        one.unlisted.append(sample)
    else:
        one.listed.append(sample)


# ---- adding up


def _answer(claim: Claim, found: _Found, question: Asked) -> Series | None:
    by_key: dict[SubjectKey, list[_Device]] = {}
    for (key, _), device in sorted(found.items(), key=lambda one: one[0]):
        by_key.setdefault(key, []).append(device)
    if not by_key:
        return None
    keys = set(by_key)
    if keys.isdisjoint(claim.roots):
        keys |= set(claim.trips)
    span = question.first, question.last
    now = [_of_key(by_key.get(key, ()), span, at_best=False) for key in sorted(keys)]
    best = [_of_key(by_key.get(key, ()), span, at_best=True) for key in sorted(keys)]
    digest = hashlib.sha256(
        repr(sorted((*name, *_all(one)) for name, one in found.items())).encode()
    )
    return Series(
        asked=question,
        current=_together(now),
        best=_together(best),
        evidence=(f"{question.metric}/{digest.hexdigest()[:16]}",),
    )


def _all(one: _Device) -> tuple[str, ...]:
    return tuple(repr(sorted(part)) for part in (one.listed, one.unlisted, one.withdrawn))


def _of_key(devices: Iterable[_Device], span: tuple[int, int], *, at_best: bool) -> Exposure:
    found = []
    for one in devices:
        now = exposure(one.listed, *span)
        back = [sample for sample in one.withdrawn if not sample.outside]
        others = Exposure() if at_best else exposure(one.unlisted, *span)
        if at_best:
            best = exposure([*one.listed, *back], *span)
            now = Exposure(
                covered_us=max(now.covered_us, best.covered_us),
                outside_us=min(now.outside_us, best.outside_us),
                longest_us=min(now.longest_us, best.longest_us),
            )
        found.append((now, others))
    return Exposure(
        covered_us=max((now.covered_us for now, _ in found), default=0),
        outside_us=max((one.outside_us for pair in found for one in pair), default=0),
        longest_us=max((one.longest_us for pair in found for one in pair), default=0),
    )


def _together(found: list[Exposure]) -> Exposure:
    return Exposure(
        covered_us=min(one.covered_us for one in found),
        outside_us=max(one.outside_us for one in found),
        longest_us=max(one.longest_us for one in found),
    )
