"""The plausibility rules over the facts of one subject: what they find becomes its exceptions."""

from msgspec.structs import replace

from supplytwin.processors import watch
from supplytwin.processors.counts import counted
from supplytwin.processors.plausibility import Finding
from supplytwin.processors.standing import Accumulator, Fact, problem_of
from supplytwin.schemas.machines import LINE


def judged(machine: str, before: Accumulator, after: Accumulator, fact: Fact) -> Accumulator:
    """`after`, to which a watched `fact` led from `before`, with what the rules say of it."""
    event = fact.event
    if machine == LINE:
        after = counted(before, after, fact)
    known, found = after.watch, list[Finding]()
    if watch.is_body(machine, event, fact.subject_id):
        departed = "DEPARTED" in before.milestones
        known, early = watch.ordered(known, machine, event, departed=departed)
        known, more = watch.look(
            known,
            machine,
            event,
            subject_id=fact.subject_id,
            route=after.route,
        )
        found = [*early, *more]
    if not found:
        return after if known is after.watch else replace(after, watch=known)
    problems = [problem_of(fact, code, reason) for code, reason in watch.told(found)]
    return replace(after, watch=known, exceptions=(*after.exceptions, *problems))
