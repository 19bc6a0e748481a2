"""What can be calculated of one subject, without a clock and with one: docs/derived.md.

What needs no clock stands in twin.state; what needs one is calculated from that by whoever asks.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from supplytwin.processors import excursions
from supplytwin.processors.gathered import expected
from supplytwin.processors.legs import at_the_end
from supplytwin.processors.reports import hours_text, preference
from supplytwin.processors.sensed import totals
from supplytwin.processors.standing import Accumulator, Fact, Problem, Visit
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.schemas.ids import HOUR_US
from supplytwin.schemas.lifecycles import (
    LINK_DOUBTED,
    LOT_FREED,
    LOT_PLEDGED,
    TITLE_DOUBTED,
    UNIT_BOUND,
    UNIT_FREED,
)
from supplytwin.schemas.localtime import date_of
from supplytwin.schemas.machines import MACHINES
from supplytwin.schemas.priorities import AT_BEST

SHOWN_MAX = 50
"""Visits, reports and exceptions in one record: it has to stay small, the rest is in the journal.
"""


def fields(key: SubjectKey, subject: Subject) -> dict[str, Any]:
    """All that needs no clock: the fields of `StateRecord` from `eta_source` on."""
    value = subject.ordered.value
    eta, promise = value.eta, promised_day(value)
    required, inferred = steps_of(key.subject_type, value.state, value.inferred)
    spread, reports = _disputed(value) if value.reports else (0, ())
    return {
        "eta_source": None if eta is None else eta.latest[2],
        "eta_stated": None if eta is None else eta.latest[1],
        "promised_date": None if promise is None else date_of(promise),
        "promise_delay_days": promise_delay_days(subject),
        "steps_required": required,
        "steps_inferred": inferred,
        "last_actual": last_actual(subject),
        "visits": value.visits and tuple(map(_visit, value.visits[-SHOWN_MAX:])),
        "spread_hours": hours_text(spread) if spread else None,
        "reports": reports,
        "trust": trust(subject),
        "exceptions": _exceptions(subject),
        "arrived": has_arrived(subject),
    }


def has_arrived(subject: Subject) -> bool:
    """Whether it is where it goes: delivered, or at the end of the last leg that is known."""
    codes = subject.codes
    if "DELIVERED" in codes:
        return True
    return "ARRIVED" in codes and at_the_end(subject.ordered.value)


def promised_day(value: Accumulator) -> int | None:
    """The date of the last confirmation, else that of the schedule; days since 1970-01-01."""
    if value.promised_day is not None:
        return value.promised_day
    return None if value.planned is None else value.planned.day


def promise_delay_days(subject: Subject) -> int | None:
    """Local date of delivery, else of the ETA, minus the promised one; positive = late."""
    value = subject.ordered.value
    promise = promised_day(value)
    expected = subject.delivered or value.eta
    return None if promise is None or expected is None else expected.day - promise


@lru_cache(maxsize=4096)
def steps_of(
    machine: str, state: str | None, skipped: frozenset[str]
) -> tuple[int, int] | tuple[None, None]:
    """How many steps the state needs, and how many of them nobody has told; None = no state.

    A step is a state of the path that may not be left out, up to the one reached (of a state beside
    the path: where it goes on).
    """
    if state is None:
        return None, None
    rules = MACHINES[machine]
    passed = rules.path[: rules.places[state] + 1]
    required = [one for one in passed if one not in rules.optional]
    return len(required), sum(one in skipped for one in required)


def last_actual(subject: Subject) -> int | None:
    """When the last actual fact that counts happened, in the order of facts, or the last reading of
    a sensor, whichever is later; us UTC.
    """
    times = [block.last.time for _, block in totals(subject.sensed)]
    found = (fact for chunk in reversed(subject.ordered.chunks) for fact in reversed(chunk.facts))
    last = next((fact for fact in found if _counts(fact)), None)
    if last is not None:
        times.append(last.event.event_time)
    return max(times, default=None)


_NOT_TOLD = (LOT_PLEDGED, LOT_FREED, UNIT_BOUND, UNIT_FREED, TITLE_DOUBTED, LINK_DOUBTED)


def _counts(fact: Fact) -> bool:
    """Whether it is actual and told of the subject: not what a receipt does to its lots, nor one of
    two contradictory contents.
    """
    return fact.event.classifier == "ACTUAL" and fact.effect not in _NOT_TOLD


def trust(subject: Subject) -> str | None:
    """The worst grade of what is known of it; None = nothing actual."""
    found = subject.ordered.value.trust
    return max(found, AT_BEST["conflict"]) if subject.conflicts else found or None


def _visit(one: Visit) -> str:
    left = "" if one.left is None else one.left
    stayed = "" if one.stayed_us is None else one.stayed_us
    return f"{one.arrived};{left};{stayed};{one.place}"


def _exceptions(subject: Subject) -> tuple[str, ...]:
    problems, marked = subject.ordered.value.exceptions, subject.marked
    sensed = excursions.problems(subject.sensed)
    if not problems and not marked and not sensed:
        return ()
    found = [(since(one), one.code) for one in (*problems, *sensed)]
    found += [(arrival, code) for (code, _, _), arrival in marked.items()]
    return tuple([f"{code};{since}" for since, code in sorted(found)[-SHOWN_MAX:]])


def since(problem: Problem) -> int:
    """From when on an exception is known, us: when its fact arrived, else when it began."""
    return problem.event_time if problem.arrival is None else problem.arrival


def _disputed(value: Accumulator) -> tuple[int, tuple[str, ...]]:
    """The largest spread, us, and the reports of every milestone that has one."""
    spread, found = 0, []
    for code, told in sorted(value.reports.items()):
        apart = value.milestones[code].spread_us
        if apart:
            spread = max(spread, apart)
            found += [
                f"{code};{time};{source}/{event_id}"
                for _, time, source, event_id in sorted(preference(code, one) for one in told)
            ]
    return spread, tuple(found[:SHOWN_MAX])


# ---- with the clock of the one who asks


def told(
    key: SubjectKey, subject: Subject, now: int, parts: Sequence[Subject] = ()
) -> dict[str, Any]:
    """The same for people, with what depends on `now`, us UTC; times are us UTC. `parts`: of a
    consignment, which has from them what it is not told itself.
    """
    value, found = subject.ordered.value, fields(key, subject)
    coming = expected(subject, parts)
    eta, planned = coming.eta, coming.planned
    stated = None if eta is None else eta.latest[1]
    times = (found["last_actual"], *map(last_actual, parts))
    actual = max((time for time in times if time is not None), default=None)
    grades = (found["trust"], *map(trust, parts))
    return {
        "arrived": found["arrived"],
        "expected": coming.time,
        "expected_basis": "ESTIMATED" if eta else "PLANNED" if planned else None,
        "eta_source": None if eta is None else eta.latest[2],
        "eta_stated": stated,
        "eta_age_hours": age_hours(stated, now),
        "promised_date": found["promised_date"],
        "promise_delay_days": found["promise_delay_days"],
        "completeness": completeness(found["steps_required"], found["steps_inferred"]),
        "steps_required": found["steps_required"],
        "steps_inferred": found["steps_inferred"],
        "last_actual": actual,
        "silent_hours": age_hours(actual, now),
        "dwell": dwell(value, now),
        "spread_hours": found["spread_hours"],
        "reports": list(found["reports"]),
        "trust": max((one for one in grades if one is not None), default=None),
    }


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
    for at, one in enumerate(value.visits, 1):
        is_open = one.left is None and at == len(value.visits)
        hours = age_hours(one.arrived, now)
        if not is_open:
            hours = None if one.stayed_us is None else round(one.stayed_us / HOUR_US, 3)
        found.append({"place": one.place, "arrived": one.arrived, "left": one.left,
                      "open": is_open, "hours": hours})  # fmt: skip
    return found
