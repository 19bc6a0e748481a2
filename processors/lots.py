"""Receipts and their reversals, between lots and order lines.

A receipt makes a lot, and names the line of which it is. Its reversal names the lot, and need not
name the line: then it stands among the facts of every line that a receipt of this lot names, at its
own place in time, whichever came first. Where several lines are named it takes back from each of
them: nobody has said whose goods went.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from supplytwin.processors import sequence
from supplytwin.processors.evidence import RECEIVED, REVERSED
from supplytwin.processors.reach import reached_by
from supplytwin.processors.sequence import Ordered
from supplytwin.processors.standing import Fact, Order, make_fact
from supplytwin.processors.subjects import NOBODY, SubjectKey, Subjects, Work
from supplytwin.schemas.events import Event
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import LINE, LOT


def line_of(receipt: Any) -> SubjectKey | None:
    """The order line of which a receipt is; None = of none, or nobody can tell of which.

    `line_id` decides between several, but for the one that the receipt is about.
    """
    lines = [key for key in reached_by(receipt) if key.subject_type == LINE]
    if receipt.line_id is not None:
        own = SubjectKey(LINE, receipt.line_id)
        elsewhere = receipt.subject_type == LINE and receipt.subject_id != own.subject_id
        return own if own in lines and not elsewhere else None
    return lines[0] if len(lines) == 1 else None


def lines_of(receipt: Event) -> Iterable[SubjectKey]:
    """Every line of which a receipt may be."""
    line = line_of(receipt)
    if line is not None:
        return (line,)
    return (key for key in reached_by(receipt) if key.subject_type == LINE)


def is_bare(event: Event) -> bool:
    """Whether it is the reversal of a receipt that names no line."""
    if event.event_type != REVERSED:
        return False
    return all(key.subject_type != LINE for key in reached_by(event))


def carry(subjects: Subjects, work: Work) -> None:
    """Make the lines of the lots in `work` follow what is reversed without naming them."""
    for lot in [key for key in work if key.subject_type == LOT]:
        before, after = subjects.get(lot, NOBODY).ordered, work[lot].ordered
        if before is after:
            continue
        old, new = _reversals(before), _reversals(after)
        if not old and not new:
            continue
        was, now = _lines(before), _lines(after)
        for line in was | now if old != new else was ^ now:
            gone = _on_line(old, lot, line) if line in was else {}
            come = _on_line(new, lot, line) if line in now else {}
            subject = work[line] if line in work else subjects.get(line, NOBODY)
            ordered = sequence.exchanged(LINE, subject.ordered, gone, come)
            work[line] = replace(subject, ordered=ordered)


def _reversals(ordered: Ordered) -> dict[Order, Fact]:
    """The actual reversals of a lot that name no line."""
    value = ordered.value
    if not value.reversed and not value.exceptions:  # each counts, or is an exception
        return {}
    return {
        fact.order: fact
        for fact in ordered.facts
        if fact.event.classifier == "ACTUAL" and is_bare(fact.event)
    }


def _lines(ordered: Ordered) -> set[SubjectKey]:
    """The lines that actual receipts of a lot name."""
    return {
        line
        for fact in ordered.facts
        if fact.event.event_type == RECEIVED and fact.event.classifier == "ACTUAL"
        for line in lines_of(fact.event)
    }


def _on_line(
    reversals: Mapping[Order, Fact], lot: SubjectKey, line: SubjectKey
) -> dict[Order, Fact]:
    """The reversals as they reach the line by its lot."""
    found = {}
    for one in reversals.values():
        effect = effect_on(one.event, LINE, is_subject=False)
        fact = make_fact(one.event, one.arrival, effect, line.subject_id)
        order = (*fact.order[:4], f"{fact.order[4]}\0{lot.subject_id}")
        found[order] = replace(fact, order=order)
    return found


def lot_named(event: Event) -> str | None:
    """The one lot that a report of goods is of: by its payload, else by reference; None = of none,
    or of several.
    """
    own: str | None = getattr(event, "lot_id", None)
    named = {key.subject_id for key in reached_by(event) if key.subject_type == LOT}
    return own if own is not None else named.pop() if len(named) == 1 else None
