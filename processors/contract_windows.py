"""The times of a contract, and conditions within them: what closes before it opens, what nobody
can reach, what the long stop cuts off.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from supplytwin.processors import condition_lint
from supplytwin.processors.condition_facts_words import (
    EACH_UNIT,
    INTENSITY,
    UNITS,
    VERIFIER,
)
from supplytwin.processors.condition_view import Ordered, Scope
from supplytwin.schemas.amounts import PerUnit, Residual
from supplytwin.schemas.calendars import calendar, shipped
from supplytwin.schemas.condition import Absent, Anchor, Telemetry, Time, When, micros, walked
from supplytwin.schemas.contract import ContractTerms, Tranche
from supplytwin.schemas.contract_codes import problem
from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.findings import Finding
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import UNKNOWN_ZONE, local_date, zone
from supplytwin.schemas.rfc3339 import moment_in

_TRANCHE = "TRANCHE:"
YEAR_MIN, YEAR_END = "2000", "2200"


def problems(terms: ContractTerms) -> Iterator[Finding]:
    """What is wrong with times, calendar and conditions."""
    odd = list(_bounded(terms))
    yield from odd
    if odd:
        return
    zones = list(_zone(terms))
    yield from zones
    if zones:
        terms = replace(terms, calendar=replace(terms.calendar, zone="+00:00"))
    yield from _calendar(terms)
    yield from _funded(terms)
    for at, tranche in enumerate(terms.tranches):
        path = f"$.tranches[{at}]"
        yield from _window(terms, tranche, path)
        yield from _challenge(terms, tranche, path)
        yield from _condition(terms, tranche, f"{path}.condition")
        yield from _carbon(terms, tranche, f"{path}.adjustments.carbon")
        yield from _anchors(terms, tranche, f"{path}.condition")
        yield from _residual(terms, tranche, path)


def _bounded(terms: ContractTerms) -> Iterator[Finding]:
    """Times of our days: what is added to them stays a date."""
    given = {
        "$.funding.funding_deadline": terms.funding.funding_deadline,
        "$.long_stop": terms.long_stop,
    }
    for at, tranche in enumerate(terms.tranches):
        given[f"$.tranches[{at}].window.deadline"] = tranche.window.deadline
        if tranche.window.not_before is not None:
            given[f"$.tranches[{at}].window.not_before"] = tranche.window.not_before
    for path, text in given.items():
        if not YEAR_MIN <= text[:4] < YEAR_END:
            says = f"is outside the years {YEAR_MIN} to {YEAR_END}: correct it"
            yield problem(path, "WINDOW", says)


def shown(at: int, terms: ContractTerms) -> str:
    """An instant as people of the contract read it."""
    return moment_in(Micros(at), terms.calendar.zone, "MS").text


def _zone(terms: ContractTerms) -> Iterator[Finding]:
    try:
        zone(terms.calendar.zone)
    except RecordError as error:
        yield problem("$.calendar.zone", "CALENDAR", error.reason)
    else:
        if terms.calendar.zone == UNKNOWN_ZONE:
            yield problem("$.calendar.zone", "CALENDAR", "must be known: it decides what day it is")


def _calendar(terms: ContractTerms) -> Iterator[Finding]:
    try:
        days = calendar(terms.calendar.id)
    except RecordError:
        known = ", ".join(sorted(shipped()))
        yield problem("$.calendar.id", "CALENDAR", f"{terms.calendar.id} is none of {known}")
        return
    try:
        last = local_date(micros(terms.long_stop), terms.calendar.zone)
    except RecordError as error:
        yield problem("$.long_stop", "LONG_STOP", error.reason)
        return
    if last > days.last:
        says = (
            f"{days.id} version {days.version} ends on {days.last}: what is to be paid later "
            "waits for a version that knows those days"
        )
        yield problem("$.calendar.id", "CALENDAR_ENDS", says)


def _funded(terms: ContractTerms) -> Iterator[Finding]:
    funding, stop = terms.funding, micros(terms.long_stop)
    due = micros(funding.funding_deadline)
    if due > stop:
        says = f"is after the long stop ({shown(stop, terms)})"
        yield problem("$.funding.funding_deadline", "FUNDING", says)
    for at, tranche in enumerate(terms.tranches):
        if due > tranche.close:
            says = f"is after the close of $.tranches[{at}] ({shown(tranche.close, terms)})"
            yield problem("$.funding.funding_deadline", "DOUBTFUL", says)
    if funding.mode == "PREFUNDED_HOLD" and not funding.auto_renew:
        yield from _lasting(terms, Micros(due + duration_us(funding.hold_len)))


def _lasting(terms: ContractTerms, lasts: Micros) -> Iterator[Finding]:
    """Whether a hold of the funding deadline, which ends at `lasts`, covers what it is for."""
    last = max(one.close for one in terms.tranches)
    paid = max(one.close + _challenged(one) for one in terms.tranches)
    if lasts <= last:
        says = (
            f"even a hold of the funding deadline ends by {shown(lasts, terms)}, before the last "
            f"close ({shown(last, terms)}): lengthen it, or write auto_renew"
        )
        yield problem("$.funding.hold_len", "FUNDING", says)
    elif lasts <= paid + duration_us(terms.status_sla):
        says = (
            f"a hold of the funding deadline ends by {shown(lasts, terms)}: what is proven at the "
            "close is challenged and sent later than that, so it is not paid"
        )
        yield problem("$.funding.hold_len", "TIGHT", says)


def _challenged(tranche: Tranche) -> int:
    """How long its challenge window is, us."""
    return 0 if tranche.challenge is None else duration_us(tranche.challenge)


def _window(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    window, stop = tranche.window, micros(terms.long_stop)
    if window.not_before is not None and micros(window.not_before) > tranche.deadline:
        says = f"is before the window opens ({window.not_before})"
        yield problem(f"{path}.window.deadline", "WINDOW", says)
    if tranche.close > stop:
        says = f"is before the close of {path} ({shown(tranche.close, terms)})"
        yield problem("$.long_stop", "LONG_STOP", says)


def _challenge(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    asks = any(
        isinstance(one, Absent) and one.during == "CHALLENGE"
        for _, one in walked(tranche.condition)
    )
    if tranche.challenge is None:
        if asks:
            says = "is missing: its condition has an `absent` during CHALLENGE"
            yield problem(f"{path}.challenge", "CHALLENGE", says)
        return
    length = duration_us(tranche.challenge)
    if length == 0:
        yield problem(f"{path}.challenge", "CHALLENGE", "is nothing: nobody could object")
    if not asks:
        says = "only delays the payment: no `absent` during CHALLENGE stands in the condition"
        yield problem(f"{path}.challenge", "DOUBTFUL", says)
    ends = tranche.close + length
    if tranche.close <= micros(terms.long_stop) < ends:
        says = f"is before the end of the challenge window of {path} ({shown(ends, terms)})"
        yield problem("$.long_stop", "LONG_STOP", says)


def scope(terms: ContractTerms, tranche: Tranche) -> Scope:
    """The window of a tranche as a condition sees it, before anything has happened."""
    return Scope(
        tick=0,
        deadline=tranche.deadline,
        grace_us=tranche.close - tranche.deadline,
        zone=terms.calendar.zone,
        long_stop=micros(terms.long_stop),
        lines=tuple([Ordered(line=one.line, qty=one.qty, unit=one.unit) for one in terms.lines]),
    )


def _condition(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    for one in condition_lint.lint(tranche.condition, scope(terms, tranche)):
        says = f"{tranche.tranche_id}: {one.says}"
        yield replace(one, path=path + one.path.removeprefix("$"), says=says)


def _carbon(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    """Points for a footprint that nobody will ever verify, or in another measure or unit."""
    carbon = tranche.adjustments.carbon
    if carbon is None:
        return
    units = {UNITS.get(carbon.measure)}
    if carbon.measure == INTENSITY and isinstance(tranche.amount, PerUnit):
        units.add(EACH_UNIT)
    if carbon.unit not in units:
        says = f"{carbon.measure} in {carbon.unit} is no footprint of this amount"
    elif not any(one.role == VERIFIER for one in terms.attesters):
        says = f"no attester has the role {VERIFIER}"
    else:
        return
    yield problem(path, "UNHEARD", f"{says}: the amount never changes by it")


def _whens(tranche: Tranche, path: str) -> Iterator[tuple[str, When]]:
    """The times in a condition that may be anchored, each with its path."""
    for where, node in walked(tranche.condition, path):
        match node:
            case Telemetry():
                yield f"{where}.telemetry.from", node.from_
                yield f"{where}.telemetry.to", node.to
            case Absent() if node.during != "CHALLENGE":
                yield f"{where}.absent.during[0]", node.during[0]
                yield f"{where}.absent.during[1]", node.during[1]
            case Time():
                for name in ("not_before", "not_after"):
                    if getattr(node, name) is not None:
                        yield f"{where}.time.{name}", getattr(node, name)


def _anchors(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    """Tranches that others wait for are there, come first, and leave time enough."""
    order = [one.tranche_id for one in terms.tranches]
    for where, when in _whens(tranche, path):
        if not isinstance(when, Anchor) or not when.anchor.startswith(_TRANCHE):
            continue
        name = when.anchor.removeprefix(_TRANCHE)
        if name not in order:
            yield problem(f"{where}.anchor", "ANCHOR", f"{name} is no tranche of these terms")
        elif order.index(name) >= order.index(tranche.tranche_id):
            says = f"{name} does not stand before {tranche.tranche_id}: it would wait for itself"
            yield problem(f"{where}.anchor", "ANCHOR", says)
        elif not where.endswith("not_after"):
            other = terms.tranches[order.index(name)]
            yield from _in_time(terms, tranche, other, duration_us(when.plus), where)


def _in_time(
    terms: ContractTerms, tranche: Tranche, other: Tranche, plus: int, path: str
) -> Iterator[Finding]:
    """What waits for another tranche and so much longer, against the close."""
    first = other.window.not_before
    earliest = None if first is None else micros(first) + plus
    if earliest is not None and earliest > tranche.close:
        says = f"is {shown(earliest, terms)} at the earliest, after the close: nothing is paid"
        yield problem(path, "UNREACHABLE", says)
        return
    latest = other.close + _challenged(other) + plus
    if latest > tranche.close:
        says = (
            f"is {shown(latest, terms)} if {other.tranche_id} is proven at its close, after the "
            f"close here ({shown(tranche.close, terms)}): then {tranche.tranche_id} is not paid"
        )
        yield problem(path, "TIGHT", says)


def _residual(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    """What is computed when others have ended must not be over before that."""
    if not isinstance(tranche.amount, Residual):
        return
    others = [one for one in terms.tranches if one.tranche_id in tranche.amount.of]
    opens = [micros(one.window.not_before) for one in others if one.window.not_before is not None]
    if opens and max(opens) > tranche.close:
        says = "is over before the tranches that it waits for may begin: it is never paid"
        yield problem(f"{path}.window.deadline", "UNREACHABLE", says)
    elif any(one.close > tranche.close for one in others):
        says = "is over before the tranches that it waits for: what is left may not be paid"
        yield problem(f"{path}.window.deadline", "TIGHT", says)
