"""Plain sensor readings of a chain, packed as bytes and found by their identity.

A reading is plain when it says nothing but what was measured. It is packed while it has one version
and one content and no correction aims at it: most readings are that for ever. What many share (of
one device on one trip all but time, value and id) is kept once. What is kept gives every event back
exactly: when a correction, another revision or another content comes, `processors.facts` takes the
reading out again and treats it as any other fact.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
from immutables import Map
from msgspec import Struct

from supplytwin.processors.singly import is_singly
from supplytwin.schemas.events import Event, ShipmentSensor
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import UNKNOWN_ZONE
from supplytwin.schemas.trips import is_bare_container

DIGEST_LEN, FORM_LEN, HASH_LEN = 8, 16, 32
"""Two identities may share a digest, they are compared; two forms cannot be made to."""
_FORM_END = DIGEST_LEN + FORM_LEN
_BODY = _FORM_END + HASH_LEN
_OWN = (
    "event_id", "revision", "event_time", "recorded_time", "value", "lat", "lon",
)  # fmt: skip
"""What each reading has for itself; all else is its form."""
_SHARED = tuple(name for name in ShipmentSensor.__struct_fields__ if name not in _OWN)
_shared = attrgetter(*_SHARED)
_body = msgspec.msgpack.Decoder(tuple[str, int, int, int, int, float, float | None, float | None])
"""Event id, event time; revision, recorded time and arrival as differences to it; value, lat, lon.
"""
_encode = msgspec.msgpack.Encoder().encode


class Form(Struct, frozen=True, kw_only=True, gc=False):
    """What `count` readings have in common: `event` is one of them without its own fields."""

    event: ShipmentSensor
    count: int


class Readings(Struct, frozen=True, kw_only=True, gc=False):
    """A set of plain readings; equal sets are equal, however they came about."""

    shelves: Map[int, tuple[bytes, ...]] = Map()
    """First byte of the digest of an identity -> rows, sorted: that digest, the digest of the form,
    the content hash, and what the reading has for itself (msgpack)."""
    forms: Map[bytes, Form] = Map()
    """By digest."""


class Reading(Struct, frozen=True, kw_only=True, gc=False):
    """One plain reading as it was given."""

    event: ShipmentSensor
    content_hash: bytes
    arrival: int
    row: bytes
    """How it is kept."""


NO_READINGS = Readings()


# ---- which are plain


def is_plain(event: Event) -> bool:
    """Whether `event` is a reading that moves no lifecycle, is no exception by what it says and
    needs no look by itself, carries no proof and no original, and whose time of day and zone are
    known.
    """
    if type(event) is not ShipmentSensor or event.alert is not None:
        return False
    return (
        event.classifier == "ACTUAL"
        and event.correction_action is None
        and not event.evidence
        and event.original is None
        and event.original_media_type is None
        and event.time_precision != "DAY"
        and event.event_tz != UNKNOWN_ZONE
        and not event.source.startswith("inferred:")
        and not _is_refused(event.subject_type, event.subject_id)
        and not is_singly(event)
    )


def _is_refused(subject_type: str, subject_id: str) -> bool:
    """Every fact of such a trip is an exception."""
    return subject_type == "EQUIPMENT_TRIP" and is_bare_container(subject_id)


# ---- the set


def find(readings: Readings, source: str, event_id: str) -> Reading | None:
    """The reading with this identity."""
    digest = _digest(source, event_id)
    rows = readings.shelves.get(digest[0])
    if rows is None:
        return None
    for at in range(bisect_left(rows, digest), len(rows)):
        if not rows[at].startswith(digest):
            return None
        found = _reading(readings, rows[at])
        if found.event.event_id == event_id and found.event.source == source:
            return found
    return None


def add(readings: Readings, event: ShipmentSensor, content_hash: bytes, arrival: int) -> Readings:
    """`readings` with a plain one whose identity is not in it."""
    digest = _digest(event.source, event.event_id)
    name, bare = _form(_shared(event))
    rows = readings.shelves.get(digest[0], ())
    row = digest + name + content_hash + _packed(event, arrival)
    at = bisect_left(rows, row)
    known = readings.forms.get(name)
    form = Form(event=bare, count=1) if known is None else _counted(known, 1)
    return Readings(
        shelves=readings.shelves.set(digest[0], (*rows[:at], row, *rows[at:])),
        forms=readings.forms.set(name, form),
    )


def remove(readings: Readings, found: Reading) -> Readings:
    """`readings` without one that was found in it."""
    row = found.row
    rows = readings.shelves[row[0]]
    at = bisect_left(rows, row)
    left = (*rows[:at], *rows[at + 1 :])
    name = row[DIGEST_LEN:_FORM_END]
    form = _counted(readings.forms[name], -1)
    shelves, forms = readings.shelves, readings.forms
    return Readings(
        shelves=shelves.set(row[0], left) if left else shelves.delete(row[0]),
        forms=forms.set(name, form) if form.count else forms.delete(name),
    )


def every(readings: Readings) -> Iterator[Reading]:
    """All of them, in no order."""
    for rows in readings.shelves.values():
        for row in rows:
            yield _reading(readings, row)


def chosen(readings: Readings, test: Callable[[ShipmentSensor], bool]) -> Iterator[Reading]:
    """Those of which what they share with others passes a test, in no order."""
    names = {name for name, form in readings.forms.items() if test(form.event)}
    for rows in readings.shelves.values() if names else ():
        for row in rows:
            if row[DIGEST_LEN:_FORM_END] in names:
                yield _reading(readings, row)


def differing(before: Readings, after: Readings) -> Iterator[ShipmentSensor]:
    """What each reading that only one of two sets has shares with others; a form may come twice."""
    if before is after:
        return
    for shelf in {*before.shelves, *after.shelves}:
        old, new = before.shelves.get(shelf, ()), after.shelves.get(shelf, ())
        if old is not new:
            for name in {row[DIGEST_LEN:_FORM_END] for row in set(old) ^ set(new)}:
                yield (before.forms.get(name) or after.forms[name]).event


def count(readings: Readings) -> int:
    """How many there are."""
    return sum(form.count for form in readings.forms.values())


# ---- their bytes


def _digest(source: str, event_id: str) -> bytes:
    text = f"{len(source)}:{source}{event_id}".encode()
    return hashlib.blake2b(text, digest_size=DIGEST_LEN).digest()


def _counted(form: Form, by: int) -> Form:
    return Form(event=form.event, count=form.count + by)


@lru_cache(maxsize=4096)
def _form(shared: tuple[Any, ...]) -> tuple[bytes, ShipmentSensor]:
    """What readings share, and a digest of it."""
    digest = hashlib.blake2b(repr(shared).encode(), digest_size=FORM_LEN).digest()
    zero = Micros(0)
    bare = ShipmentSensor(
        event_id="", revision=zero, event_time=zero, recorded_time=zero, value=0.0,
        **dict(zip(_SHARED, shared, strict=True)),
    )  # fmt: skip
    return digest, bare


def _packed(event: ShipmentSensor, arrival: int) -> bytes:
    time = event.event_time
    late = (event.revision - time, event.recorded_time - time, arrival - time)
    return _encode((event.event_id, time, *late, event.value, event.lat, event.lon))


def _reading(readings: Readings, row: bytes) -> Reading:
    form = readings.forms[row[DIGEST_LEN:_FORM_END]].event
    event_id, time, revision, recorded, arrival, value, lat, lon = _body.decode(row[_BODY:])
    own = {
        "event_id": event_id, "event_time": Micros(time), "revision": Micros(time + revision),
        "recorded_time": Micros(time + recorded), "value": value, "lat": lat, "lon": lon,
    }  # fmt: skip
    return Reading(
        event=msgspec.structs.replace(form, **own),
        content_hash=row[_FORM_END:_BODY],
        arrival=time + arrival,
        row=row,
    )
