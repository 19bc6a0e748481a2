"""What can be calculated of one subject, without a clock and with one: docs/derived.md.

What needs no clock stands in twin.state; what needs one is calculated from that by whoever asks.
"""

import datetime as dt
from typing import Any

from msgspec import Struct

from supplytwin.processors.reports import hours_text, preference
from supplytwin.processors.sequence import Ordered
from supplytwin.processors.standing import Accumulator, Fact, Visit
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.schemas.ids import HOUR_US, Micros
from supplytwin.schemas.localtime import date_of
from supplytwin.schemas.machines import MACHINES
from supplytwin.schemas.priorities import AT_BEST

SHOWN_MAX = 50
"""Visits, reports and exceptions in one record: it has to stay small, the rest is in the journal.
"""


class Derived(Struct, frozen=True, kw_only=True, gc=False):
    """Fields of `StateRecord`, by the same names."""

    eta_source: str | None
    eta_stated: Micros | None
    promised_date: dt.date | None
    promise_delay_days: int | None
    steps_required: int | None
    steps_inferred: int | None
    last_actual: Micros | None
    visits: tuple[str, ...]
    spread_hours: str | None
    reports: tuple[str, ...]
    trust: str | None
    exceptions: tuple[str, ...]


def derive(key: SubjectKey, subject: Subject) -> Derived:
    """All that needs no clock."""
    value = subject.ordered.value
    promise, last = promised_day(value), last_actual(subject.ordered)
    steps = steps_of(key.subject_type, value)
    spread = max([one.spread_us for one in value.milestones.values()], default=0)
    return Derived(
        eta_source=None if value.eta is None else value.eta.latest[1],
        eta_stated=None if value.eta is None else Micros(value.eta.latest[0]),
        promised_date=None if promise is None else date_of(promise),
        promise_delay_days=promise_delay_days(value),
        steps_required=None if steps is None else steps[0],
        steps_inferred=None if steps is None else steps[1],
        last_actual=None if last is None else last.event.event_time,
        visits=tuple([_visit(one) for one in value.visits[-SHOWN_MAX:]]),
        spread_hours=hours_text(spread) if spread else None,
        reports=_reports(value) if spread else (),
        trust=trust(subject),
        exceptions=tuple([f"{one.code};{one.arrival}" for one in value.exceptions[-SHOWN_MAX:]]),
    )


def promised_day(value: Accumulator) -> int | None:
    """The date of the last confirmation, else that of the schedule; days since 1970-01-01."""
    if value.promised_day is not None:
        return value.promised_day
    return None if value.planned is None else value.planned.day


def promise_delay_days(value: Accumulator) -> int | None:
    """Local date of delivery, else of the ETA, minus the promised one; positive = late."""
    promise = promised_day(value)
    expected = value.delivered or value.eta
    return None if promise is None or expected is None else expected.day - promise


def steps_of(machine: str, value: Accumulator) -> tuple[int, int] | None:
    """How many steps the state needs, and how many of them nobody has told; None = no state.

    A step is a state of the path that may not be left out, up to the one reached (of a state beside
    the path: where it goes on).
    """
    if value.state is None:
        return None
    rules = MACHINES[machine]
    passed = rules.path[: rules.places[value.state] + 1]
    required = [state for state in passed if state not in rules.optional]
    return len(required), sum(state in value.inferred for state in required)


def last_actual(ordered: Ordered) -> Fact | None:
    """The last actual fact that counts, in the order of facts."""
    for chunk in reversed(ordered.chunks):
        for fact in reversed(chunk.facts):
            if fact.event.classifier == "ACTUAL":
                return fact
    return None


def trust(subject: Subject) -> str | None:
    """The worst grade of what is known of it; None = nothing actual."""
    found = subject.ordered.value.trust
    return max(found, AT_BEST["conflict"]) if subject.conflicts else found or None


def _visit(one: Visit) -> str:
    left = "" if one.left is None else one.left
    stayed = "" if one.stayed_us is None else one.stayed_us
    return f"{one.arrived};{left};{stayed};{one.place}"


def _reports(value: Accumulator) -> tuple[str, ...]:
    found = [
        f"{code};{one.event_time};{one.source}/{one.event_id}"
        for code, told in sorted(value.reports.items())
        if value.milestones[code].spread_us
        for one in sorted(told, key=lambda one: preference(code, one))
    ]
    return tuple(found[:SHOWN_MAX])


# ---- with the clock of the one who asks


def completeness(required: int | None, inferred: int | None) -> float | None:
    """Steps told, of those required; None = none is required."""
    if not required or inferred is None:
        return None
    return (required - inferred) / required


def age_hours(since: int | None, now: int) -> float | None:
    """From then to now; negative = it is ahead."""
    return None if since is None else round((now - since) / HOUR_US, 3)


def dwell(value: Accumulator, now: int) -> list[dict[str, Any]]:
    """Every visit with its hours; the last one, when it is open, up to now. None = not told."""
    found = []
    for at, one in enumerate(value.visits):
        is_open = one.left is None and at == len(value.visits) - 1
        stayed = now - one.arrived if is_open else one.stayed_us
        hours = None if stayed is None else round(stayed / HOUR_US, 3)
        found.append({"place": one.place, "arrived": one.arrived, "left": one.left,
                      "open": is_open, "hours": hours})  # fmt: skip
    return found
