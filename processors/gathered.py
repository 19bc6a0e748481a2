"""What is known of a consignment by its parts: the lines, legs and trips that it is linked with.

Carriers tell of legs and containers. Whoever asks when a consignment comes, how long it has been
silent and how far it can be believed, asks of all of them (docs/derived.md).
"""

from collections.abc import Sequence

from msgspec import Struct

from supplytwin.processors.standing import Scheduled
from supplytwin.processors.subjects import Subject, SubjectKey, Subjects
from supplytwin.schemas.machines import CONSIGNMENT, LEG, LINE, TRIP

PARTS = (LEG, LINE, TRIP)


class Expected(Struct, frozen=True, kw_only=True, gc=False):
    """When something is to come; `eta` before `planned`."""

    eta: Scheduled | None
    planned: Scheduled | None

    @property
    def time(self) -> int | None:
        """us UTC."""
        found = self.eta or self.planned
        return None if found is None else found.time


def parts_of(subjects: Subjects, key: SubjectKey) -> tuple[Subject, ...]:
    """A consignment's lines, legs and trips, sorted; of anything else there are none."""
    if key.subject_type != CONSIGNMENT:
        return ()
    links = sorted(one for one in subjects[key].links if one.subject_type in PARTS)
    return tuple(subjects[one] for one in links)


def expected(subject: Subject, parts: Sequence[Subject]) -> Expected:
    """Its own ETA and plan; each that it is not told, of the part that is expected last."""
    own = _own(subject)
    last, latest = None, 0
    for part in map(_own, parts):
        at = part.time
        if at is not None and (last is None or (at, part.eta is not None) > (
            latest, last.eta is not None
        )):  # fmt: skip
            last, latest = part, at
    if last is None:
        return own
    return Expected(eta=own.eta or last.eta, planned=own.planned or last.planned)


def _own(subject: Subject) -> Expected:
    value = subject.ordered.value
    return Expected(eta=value.eta, planned=value.planned)
