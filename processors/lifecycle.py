"""The lifecycle of one subject: facts in their order -> where it stands. Pure; one fact at a time.

Only ACTUAL facts move a lifecycle, a milestone or a quantity; PLANNED and ESTIMATED arrivals set
the schedule and the ETA. A fact that its machine does not allow becomes exactly one exception and
leaves the lifecycle as it was. Contrary evidence still counts where money looks.
"""

from msgspec.structs import replace

from supplytwin.processors import clocks, plausibility
from supplytwin.processors.doubts import judged
from supplytwin.processors.effects import KINDS, PLEDGED, REDUCED, Changes, quantity, redeemed
from supplytwin.processors.legs import GOODS, NAMES, leg_of, note
from supplytwin.processors.reports import reached, told_again, weigh
from supplytwin.processors.standing import Accumulator, Fact, Scheduled, problem_of
from supplytwin.processors.visits import MOVES, follow
from supplytwin.schemas import localtime
from supplytwin.schemas.effect import NONE, Effect
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.machines import DECLARATION, MACHINES, TRIP, Machine
from supplytwin.schemas.trips import is_bare_container

ILLEGAL, AFTER_CLOSE = "ILLEGAL_TRANSITION", "AFTER_CLOSE"
NO_DOCUMENT = "CONTAINER_WITHOUT_DOCUMENT"
"""A trip that is named by its container alone: its facts may be those of many trips."""
FREE, DUTY_OK = "FREE_TO_DELIVER", "DUTY_OK"
_REMEMBERED_US = 3 * DAY_US
"""Longer than any fact stands behind the first instant at which it may have happened."""
Span = tuple[int, int]
_TURNING = ("REVERSE", "UNRESERVE", "REINSTATE", "REDEEM")
"""Where they lead depends on what was there before."""
_COUNTS_ANYWAY = ("REVERSE", "REVOKE", "RELEASE", "PAWN")
"""What closes the gates, or opens them again, or binds goods once more, even where its machine
refuses the step."""
_TELLS = ("ALERT", "ROLL")
"""An exception in itself, whatever it moves."""
_STANDS = (*_TELLS, "SEAL")
"""What it says stands, even when it is an exception."""


def accumulate(machine: str, accumulator: Accumulator, fact: Fact) -> Accumulator:
    """`accumulator` after `fact`, which sorts behind everything in it."""
    effect = fact.effect
    rules = MACHINES[machine]
    problem = None
    counts = effect is not None and fact.event.classifier == "ACTUAL"
    if effect is None or not counts:
        changes = _schedule(machine, accumulator, fact)
    else:
        changes, problem = _apply(rules, accumulator, fact, effect)
        if problem is not None:
            _refuse(accumulator, fact, effect, problem, changes)
    if machine in GOODS and fact.event.event_type in NAMES:
        note(machine, accumulator, fact, changes, allowed=problem is None)
    if problem is None and fact.event.classifier == "ACTUAL":
        weigh(accumulator, fact, changes)
        if fact.event.event_type in MOVES:
            visits = follow(accumulator.visits, fact)
            if visits is not accumulator.visits:
                changes["visits"] = visits
    flags = fact.flags
    if flags and not flags <= accumulator.flags:
        changes["flags"] = changes.get("flags", accumulator.flags) | flags
    after = accumulator
    if changes:
        after = replace(accumulator, **changes)
        if problem is None and accumulator.pending and counts:
            after = _retry(rules, accumulator, after, fact)
        if machine == DECLARATION:
            after = _gates(after, fact)
    if fact.watched or after.reversed is not accumulator.reversed:
        return judged(machine, accumulator, after, fact)
    return after


def _schedule(machine: str, acc: Accumulator, fact: Fact) -> Changes:
    """What a fact that is planned or estimated changes: of goods, the last leg counts."""
    event = fact.event
    if event.event_type != "shipment.arrived" or event.classifier == "ACTUAL":
        return {}
    name = "planned" if event.classifier == "PLANNED" else "eta"
    known: Scheduled | None = getattr(acc, name)
    latest = (leg_of(machine, event), event.revision, event.source, event.event_id)
    if known is None or latest > known.latest:
        return {name: Scheduled(latest=latest, time=event.event_time, day=fact.day)}
    return {}


# ---- one fact


def _apply(
    rules: Machine, acc: Accumulator, fact: Fact, effect: Effect
) -> tuple[Changes, str | None]:
    """All that `fact` does, and the code of the exception when it is refused."""
    if rules.name == TRIP and is_bare_container(fact.subject_id):
        return {}, NO_DOCUMENT
    changes: Changes = {}
    kind, to = effect.kind, effect.to
    if kind in _TURNING:
        to = _destination(acc, fact, effect)
    problem = None if to is None and effect.always else _move(rules, acc, fact, effect, to, changes)
    if problem is not None and kind not in _COUNTS_ANYWAY and kind not in _TELLS:
        return {}, problem
    if kind is not None:
        refused = KINDS[kind](acc, fact, changes)
        if refused == REDUCED:
            problem = problem or refused
        elif refused is not None:
            return changes if kind in _STANDS else {}, refused
    _mark(acc, fact, effect, to, changes, allowed=problem is None)
    return changes, problem


def _destination(acc: Accumulator, fact: Fact, effect: Effect) -> str | None:
    """Where the effect leads: part of a reversal leaves the state; a reinstatement restores one."""
    if effect.kind == "REVERSE":
        return effect.to if quantity(fact) >= acc.net_received else None
    if effect.kind == "UNRESERVE":
        return effect.to if quantity(fact) >= acc.reserved else None
    if effect.kind == "REDEEM":
        return None if redeemed(acc, fact.event.source) else effect.to
    if effect.kind == "REINSTATE":
        return acc.previous or effect.to
    return effect.to


def _move(
    rules: Machine, acc: Accumulator, fact: Fact, effect: Effect, to: str | None, changes: Changes
) -> str | None:
    """Move the state if the machine allows it; the code of the exception if not."""
    state = acc.state or NONE
    closed = state in rules.terminal
    skipped: tuple[str, ...] = ()
    if to is None:
        allowed = stays = not closed or _one_day(acc, fact)
    elif effect.leaves:
        allowed, stays = state in effect.leaves, effect.repeats and state == to
        skipped = _skipped(rules, state, to)
    else:
        here, there = rules.places[state], rules.places[to]
        allowed = here < there and not closed
        stays = state == to and effect.repeats and not closed
        if allowed:
            skipped = _passed(rules, here, there)
        elif not stays and (there < here or state in rules.side):
            stays = _one_day(acc, fact)
    if stays:
        if to in acc.inferred:
            changes["inferred"] = acc.inferred - {to}
        return None
    if not allowed:
        return AFTER_CLOSE if closed else ILLEGAL
    if skipped or to in acc.inferred:
        changes["inferred"] = (acc.inferred | frozenset(skipped)) - {to}
    changes["state"] = to
    changes["moved"] = (*localtime.span_as_read(fact.event), fact.coarse)
    return None


def _skipped(rules: Machine, state: str, to: str) -> tuple[str, ...]:
    """What a step that names the states it leaves must have passed on its way forward."""
    here, there = rules.places[state], rules.places[to]
    if to not in rules.side:
        return () if state in rules.side else _passed(rules, here, there)
    if there < 0:
        return () if state != NONE or rules.born else rules.path[:1]
    return _passed(rules, here, there + 1)


def _passed(rules: Machine, here: int, there: int) -> tuple[str, ...]:
    """The states between two places of the path that must have been passed. Optional ones side by
    side are left out together: who has begun an inspection, or ended it, was in all of it.
    """
    path, optional = rules.path, rules.optional
    found = []
    for at in range(here + 1, there):
        first = last = at
        while path[first] in optional:
            first -= 1
        while path[last] in optional:
            last += 1
        if first == at or first < here or last > there:
            found.append(path[at])
    return tuple(found)


def _one_day(acc: Accumulator, fact: Fact) -> bool:
    """Whether `fact` and the one that led to this state may have happened at one time, one of them
    with DAY precision.

    Their order within that date is unknown, so a step back between them is no exception.
    """
    if acc.moved is None:
        return False
    first, last, coarse = acc.moved
    return (coarse or fact.coarse) and _overlap((first, last), localtime.span_as_read(fact.event))


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _may_follow(late: Fact, fact: Fact) -> bool:
    """Whether `late`, which was refused, may have happened after `fact`: on one clock, when one of
    them has DAY precision. Against another clock only contrary evidence is believed to have.
    """
    one, other = late.event, fact.event
    if clocks.clock(one) == clocks.clock(other):
        as_read = localtime.span_as_read
        return (late.coarse or fact.coarse) and _overlap(as_read(one), as_read(other))
    is_contrary = late.effect is not None and late.effect.adverse
    return is_contrary and _overlap(localtime.span(one), localtime.span(other))


def _mark(
    acc: Accumulator,
    fact: Fact,
    effect: Effect,
    to: str | None,
    changes: Changes,
    *,
    allowed: bool,
) -> None:
    """Reach the effect's milestone, and take back those that it undoes."""
    milestones = acc.milestones
    code = effect.milestone
    if code is not None and allowed:
        if code in milestones:
            told_again(acc, code, fact, changes)
            milestones = changes.get("milestones", milestones)
        else:
            milestones = milestones.set(code, reached(fact))
    undone = effect.undoes if to is not None else ()
    if effect.kind == "UNINVOICE" and not changes["invoices"]:
        undone = ("INVOICED",)
    for one in undone:
        if one in milestones:
            milestones = milestones.delete(one)
        if one in acc.reports:
            changes["reports"] = changes.get("reports", acc.reports).delete(one)
    if milestones is not acc.milestones:
        changes["milestones"] = milestones


def _refuse(acc: Accumulator, fact: Fact, effect: Effect, code: str, changes: Changes) -> None:
    """Record the one exception of a fact that is not allowed."""
    reason = f"{fact.event.event_type} in state {acc.state or 'none'}"
    changes["exceptions"] = (*acc.exceptions, problem_of(fact, code, reason))
    if code == AFTER_CLOSE:
        changes["flags"] = changes.get("flags", acc.flags) | {"after_close"}
    told = effect.milestone
    if told is not None and told in acc.milestones and code in (AFTER_CLOSE, ILLEGAL):
        told_again(acc, told, fact, changes)
    counted = effect.kind == "REVERSE" and "reversed" in changes
    if (effect.reverses and not counted) or code == PLEDGED:
        since = fact.order[0] - _REMEMBERED_US
        kept = (one for one in acc.pending if localtime.span(one.event)[1] > since)
        changes["pending"] = (*kept, fact)


def _retry(rules: Machine, before: Accumulator, acc: Accumulator, fact: Fact) -> Accumulator:
    """Let what was refused, and still would be `before` this fact, follow it where it may have."""
    for late in acc.pending:
        assert late.effect is not None
        if not _may_follow(late, fact) or _apply(rules, before, late, late.effect)[1] is None:
            continue
        changes, problem = _apply(rules, acc, late, late.effect)
        if problem is None:
            key = (late.event.source, late.event.event_id)
            weigh(acc, late, changes)
            changes["pending"] = tuple(p for p in acc.pending if p is not late)
            changes["exceptions"] = tuple(
                p
                for p in acc.exceptions
                if (p.source, p.event_id) != key or p.code in plausibility.CODES
            )
            acc = replace(acc, **changes)
    return acc


def _gates(acc: Accumulator, fact: Fact) -> Accumulator:
    """Reach or take back the milestones of a declaration that follow from several facts."""
    milestones = acc.milestones
    duty = acc.bonded or "DUTY_DUE" in milestones or bool(acc.paid)
    for code, stands in ((DUTY_OK, duty and acc.duty_settled), (FREE, acc.free_to_deliver)):
        if stands != (code in milestones):
            milestones = milestones.set(code, reached(fact)) if stands else milestones.delete(code)
    return acc if milestones is acc.milestones else replace(acc, milestones=milestones)
