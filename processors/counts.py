"""What is received of an order line against what is dispatched for it.

All dispatches and receipts of the line are kept, and every receipt is judged again when one comes
or is reversed: of two facts of about one time nobody knows which was first, and goods that go back
were not too many.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal
from typing import Any

from msgspec.structs import replace

from supplytwin.processors.facts import Identity
from supplytwin.processors.plausibility import OVER, Got, Sent, over_shipped
from supplytwin.processors.standing import Accumulator, Fact, Problem
from supplytwin.processors.watch import START, Watch, told
from supplytwin.schemas import localtime
from supplytwin.schemas.machines import LINE
from supplytwin.schemas.priorities import priority

_SUMS = Context(prec=60)


def counted(before: Accumulator, after: Accumulator, fact: Fact) -> Accumulator:
    """`after`, to which a fact of a line led from `before`, with its receipts judged again."""
    known = after.watch or START
    now = known
    if fact.event.event_type == "wh.dispatched" and fact.effect is not None:
        now = _sent(known, fact)
    elif after.received is not before.received:
        now = _received(known, fact)
    if now is known and after.reversed is before.reversed:
        return after
    others = tuple(one for one in after.exceptions if one.code != OVER)
    found = _judge(now, after.reversed)
    return replace(after, watch=now, exceptions=(*others, *found))


def _sent(known: Watch, fact: Fact) -> Watch:
    """One dispatch more. One that names no quantity, or several lines, leaves open how much it
    was; one that a pledged lot refuses has no effect and ships nothing.
    """
    event: Any = fact.event
    lines = {ref for ref in event.refs if ref.startswith(f"{LINE}:")}
    lines |= {f"{LINE}:{event.subject_id}"} if event.subject_type == LINE else set()
    qty = None if len(lines) > 1 else event.qty
    return replace(known, sent=(*known.sent, Sent(localtime.span(event)[0], qty)))


def _received(known: Watch, fact: Fact) -> Watch:
    event: Any = fact.event
    got = Got(
        lot=event.lot_id, qty=event.qty, latest=localtime.span(event)[1], source=event.source,
        event_id=event.event_id, event_time=event.event_time, arrival=fact.arrival,
    )  # fmt: skip
    return replace(known, got=(*known.got, got))


def _judge(known: Watch, reversed_in_all: Decimal) -> Iterable[Problem]:
    """The receipts with which more was received than sent, what went back at any time aside."""
    sent = sorted(known.sent, key=lambda one: one.earliest)
    times, sums = [one.earliest for one in sent], [*_sums(sent)]
    net = -reversed_in_all
    for one in _told_once(known.got):
        net = _SUMS.add(net, one.qty)
        at = bisect_right(times, one.latest)
        shipped = sums[at - 1] if at else None
        if not shipped:
            continue
        found = over_shipped(net, shipped, Identity(one.source, one.event_id))
        if found.verdict != "PASS":
            ((code, reason),) = told([found])
            yield Problem(
                code=code, reason=reason, source=one.source, event_id=one.event_id,
                event_time=one.event_time, arrival=one.arrival,
            )  # fmt: skip


def _sums(sent: Iterable[Sent]) -> Iterator[Decimal | None]:
    """What was sent with each dispatch and all before it; None once one leaves that open."""
    whole: Decimal | None = Decimal(0)
    for one in sent:
        whole = None if whole is None or one.qty is None else _SUMS.add(whole, one.qty)
        yield whole


def _told_once(got: tuple[Got, ...]) -> list[Got]:
    """Of each lot the receipts of the source that is believed: two may tell of one receipt."""
    best: dict[str, tuple[int, str]] = {}
    for one in got:
        rank = priority("RECEIVED_WH", one.source), one.source
        best[one.lot] = min(rank, best.get(one.lot, rank))
    return [one for one in got if best[one.lot][1] == one.source]
