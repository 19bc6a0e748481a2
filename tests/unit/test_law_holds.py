"""Holds are counted, by authority and number: what was placed twice is lifted twice, whoever tells
it, and what nobody can know keeps the goods. Checked against an account by hand.
"""

from itertools import permutations
from random import Random
from typing import Any

import law_world as w
import pytest

from supplytwin.processors import twin
from supplytwin.processors.standing import Accumulator
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros

T = 20_000 * DAY_US
DAY, MIN, MS = ({"time_precision": name} for name in ("DAY", "MIN", "MS"))
NUMBERS = iter(range(10**9))


def say(
    what: str, hour: float, *, hold: str = "1", authority: str = "customs", **given: Any
) -> Event:
    """Placed (+), removed (-) or released (!) at this hour of day 20,000."""
    kind = {"+": "hold_placed", "-": "hold_removed", "!": "released"}[what]
    named = {} if what == "!" else {"hold_id": hold, "authority": authority}
    fields = {
        "event_id": f"{next(NUMBERS):09}", "event_time": Micros(T + round(hour * HOUR_US)),
        **named, **given,
    }  # fmt: skip
    made: Event = w.make(f"customs.{kind}", "DECLARATION:1", **fields)
    return made


RELEASED = say("!", -100)


def after(*events: Event) -> Accumulator:
    """The declaration, released long before; the same whatever arrives first."""
    found = set[str]()
    for at, order in enumerate(permutations((RELEASED, *events))):
        if at == 120:
            break
        state = twin.EMPTY
        for event in order:
            state = twin.take(state, w.item(event, event.event_time + 3 * DAY_US)).twin
        found.add(str(twin.canonical(state)))
    assert len(found) == 1
    subject = twin.subject(state, "DECLARATION", "1")
    assert subject is not None
    return subject.value


S = SECOND_US / HOUR_US
"""One second, in hours."""
TABLE: dict[str, tuple[tuple[Event, ...], set[str], int]] = {
    # what is told -> the holds that are open, how many removals found none
    "placed": ((say("+", 1),), {"customs:1"}, 0),
    "removed": ((say("+", 1), say("-", 2)), set(), 0),
    "placed and removed in one second": ((say("+", 1), say("-", 1)), set(), 0),
    "placed and removed on one day": ((say("+", 1, **DAY), say("-", 1, **DAY)), set(), 0),
    "of two authorities, one removed": (
        (say("+", 1), say("+", 2, authority="quarantine"), say("-", 3)), {"quarantine:1"}, 0,
    ),
    "of two authorities, both removed": (
        (say("+", 1), say("+", 2, authority="quarantine"), say("-", 3),
         say("-", 4, authority="quarantine")), set(), 0,
    ),
    "removed by another authority": (
        (say("+", 1), say("-", 2, authority="quarantine")), {"customs:1"}, 1,
    ),
    "placed twice, removed once": ((say("+", 1), say("+", 2), say("-", 3)), {"customs:1"}, 0),
    "placed twice, removed twice": (
        (say("+", 1), say("+", 2), say("-", 3), say("-", 4)), set(), 0,
    ),
    "placed, removed and placed again on one day": (
        (say("+", 1, **DAY), say("-", 1, **DAY), say("+", 2, **DAY)), {"customs:1"}, 0,
    ),
    "placed, removed and placed again in one second": (
        (say("+", 1), say("-", 1), say("+", 1)), {"customs:1"}, 0,
    ),
    "removed at a time, placed again on that day": (
        (say("+", -30), say("-", 8), say("+", 12, **DAY)), {"customs:1"}, 0,
    ),
    "removed in the minute in which it is placed again": (
        (say("+", -30), say("-", 1 + 10 * S), say("+", 1 + 59 * S, **MIN)), {"customs:1"}, 0,
    ),
    "removed in the second in which it is placed again": (
        (say("+", -30), say("-", 1 + S / 10, **MS), say("+", 1 + S * 9 / 10)), {"customs:1"}, 0,
    ),
    "placed again on another day": (
        (say("+", -30), say("-", -6), say("+", 12, **DAY)), {"customs:1"}, 0,
    ),
    "told by two, removed by one": (
        (say("+", 1), say("+", 1, source="terminal:z"), say("-", 2)), set(), 0,
    ),
    "told by two, removed by both": (
        (say("+", 1), say("+", 1, source="terminal:z"), say("-", 2),
         say("-", 3, source="terminal:z")), set(), 1,
    ),
    "placed twice, one removal told by two": (
        (say("+", 1), say("+", 2), say("-", 3), say("-", 3, source="broker")), {"customs:1"}, 0,
    ),
    "removed, told again by another, placed again": (
        (say("+", 1), say("-", 2), say("-", 3, source="broker"), say("+", 4)), {"customs:1"}, 1,
    ),
    "removed by one, placed again, removed by another": (
        (say("+", 1), say("-", 2), say("+", 3), say("-", 4, source="broker")), set(), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_which_holds_are_open(name: str) -> None:
    """The holds of the table are open and no other; goods are free when none is."""
    events, holds, unfounded = TABLE[name]
    value = after(*events)
    assert value.holds == holds
    assert [one.code for one in value.exceptions] == ["HOLD_NOT_OPEN"] * unfounded
    assert value.free_to_deliver == (not holds)


# ---- by hand


def open_by_hand(told: list[tuple[str, str]]) -> bool:
    """Whether a hold is open after (source, + or -) in this order.

    Each source that places has an account of its own; it is settled when one source has removed as
    often as it was placed since the account was opened.
    """
    accounts: dict[str, list[tuple[str, str]]] = {}
    for source, sign in told:
        if sign == "+":
            accounts.setdefault(source, []).append((source, "+"))
            continue
        for owner, entries in [*accounts.items()]:
            entries.append((source, "-"))
            for remover in {one for one, mark in entries if mark == "-"}:
                due = 0
                for one, mark in entries:
                    due = due + 1 if mark == "+" else max(0, due - (one == remover))
                if not due:
                    accounts.pop(owner, None)
    return bool(accounts)


@pytest.mark.parametrize("seed", range(150))
def test_accounts_by_hand(seed: int) -> None:
    """Random holds and removals of three sources, one a second: open as counted by hand."""
    random = Random(seed)
    told = [(random.choice(("a", "a", "b", "c")), random.choice("++-")) for _ in range(9)]
    events = [say(sign, at * S, source=source) for at, (source, sign) in enumerate(told)]
    state = twin.EMPTY
    for event in [RELEASED, *random.sample(events, len(events))]:
        state = twin.take(state, w.item(event, event.event_time + 3 * DAY_US)).twin
    subject = twin.subject(state, "DECLARATION", "1")
    assert subject is not None
    assert bool(subject.value.holds) == open_by_hand(told)


@pytest.mark.parametrize("seed", range(150))
def test_no_hold_is_lifted_that_some_order_leaves_open(seed: int) -> None:
    """Placed more often than removed by any order that the times allow: the hold is open. One
    source, days and clocks, several zones; each removal is of one placement that it may follow.
    """
    random = Random(seed)
    events = [
        say(random.choice("+++--"), random.randrange(-20, 50),
            time_precision=random.choice(("S", "MIN", "DAY")),
            event_tz=random.choice(("+00:00", "Asia/Seoul", "America/New_York")))
        for _ in range(random.randint(1, 6))
    ]  # fmt: skip
    placed = [w.span(e) for e in events if e.event_type == "customs.hold_placed"]
    removed = [w.span(e) for e in events if e.event_type == "customs.hold_removed"]
    short = any(
        sum(start >= since for start, _ in placed) > sum(end > since for _, end in removed)
        for since, _ in placed
    )
    value = after(*events)
    assert value.holds or not short
