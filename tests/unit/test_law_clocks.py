"""Times in unknown zones: what opens a gate counts only when it is surely later than what closed
it, on one source's clock as read, on any other as it may have been anywhere on Earth.
"""

from itertools import permutations
from typing import Any

import law_world as w
import pytest

from supplytwin.processors import twin
from supplytwin.processors.standing import Accumulator
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros

T = 20_000 * DAY_US
WORDS = {"rel": "customs.released", "rev": "customs.release_revoked", "clr": "customs.cleared",
         "+": "customs.hold_placed", "-": "customs.hold_removed", "got": "wh.received",
         "back": "wh.receipt_reversed"}  # fmt: skip


def say(text: str, number: int) -> Event:
    """``word@hour``, then any of ``/DAY``, ``/?`` (in an unknown zone) and ``/by:source``."""
    word, _, when = text.partition("@")
    hour, *more = when.split("/")
    fields: dict[str, Any] = {
        "event_id": f"e{number}", "event_time": Micros(T + round(float(hour) * HOUR_US)),
        "time_precision": "DAY" if "DAY" in more else "S",
        "event_tz": "unknown" if "?" in more else "+00:00",
    }  # fmt: skip
    for one in more:
        if one.startswith("by:"):
            fields["source"] = one[3:]
    goods = word in ("got", "back")
    if word in "+-":
        fields |= {"hold_id": "H", "authority": "a"}
    if goods:
        fields |= {"lot_id": "1"}
    made: Event = w.make(WORDS[word], "LOT:1" if goods else "DECLARATION:1", **fields)
    return made


def folded(text: str) -> Accumulator:
    """The subject after these facts, the same in every order of arrival."""
    events = [say(part, at) for at, part in enumerate(text.split())]
    found = set[bytes | str]()
    value = None
    for order in permutations(events):
        state = twin.EMPTY
        for event in order:
            state = twin.take(state, w.item(event, event.event_time + 3 * DAY_US)).twin
        found.add(str(twin.canonical(state)))
        subject = twin.subject(state, events[0].subject_type, "1")
        assert subject is not None
        value = subject.value
    assert len(found) == 1
    assert value is not None
    return value


RELEASES = {
    # revoked in an unknown zone: until 12 h after what it reads
    "rel@-40 rev@10/? rel@11": False,
    "rel@-40 rev@10/? rel@22": False,
    "rel@-40 rev@10/? rel@22.001": True,
    "rel@-40 rev@10/? clr@11": False,
    "rel@-40 rev@0/DAY/? rel@25": False,
    "rel@-40 rev@0/DAY/? rel@36": True,
    # released in an unknown zone: from 14 h before what it reads
    "rel@-40 rev@20 rel@24/DAY/?": False,
    "rel@-40 rev@20 rel@21/?": False,
    "rel@-40 rev@20 rel@34.001/?": True,
    # one clock is compared as read, two are not
    "rel@-40 rev@10/? rel@11/?": True,
    "rel@-40 rev@0/DAY/? rel@24/DAY/?": True,
    "rel@-40 rev@10/? rel@11/?/by:t": False,
    "rel@-40 rev@10/? rel@36/?/by:t": False,
    "rel@-40 rev@10/? rel@36.001/?/by:t": True,
    # each clock for itself
    "rel@-60 rev@10/? rev@-15/?/by:t rel@11/?": False,
    "rel@-60 rev@10/? rev@-16/?/by:t rel@11/?": True,
    "rel@-60 rev@10/? rel@11 rel@22.001": True,
}  # fmt: skip


@pytest.mark.parametrize("text", RELEASES)
def test_a_release_counts_when_it_is_surely_later_than_a_revocation(text: str) -> None:
    """Whichever of the two has no zone, and whoever tells it."""
    value = folded(text)
    assert value.free_to_deliver == RELEASES[text]
    assert value.revoked != RELEASES[text]


HOLDS = {
    "+@10 -@11": False,
    "+@10/? -@11": True,
    "+@10/? -@22": False,
    "+@10/? -@11/?": False,
    "+@10/? -@11/?/by:t": True,
    "+@10/? -@36/?/by:t": False,
    "+@10 -@11/?": True,
    "+@10 -@24/?": False,
    "+@0/DAY/? -@0/DAY/?": False,
    "+@0/DAY/? -@0/DAY/?/by:t": True,
    "+@-50 +@10/?/by:t -@11": True,
    "+@-50 -@-49 +@10 -@11": False,
}


@pytest.mark.parametrize("text", HOLDS)
def test_a_removal_is_of_a_hold_that_was_surely_placed_before(text: str) -> None:
    """Another clock's removal may have been before the hold: that one stays open."""
    assert bool(folded(text).holds) == HOLDS[text]


BACK = {
    "back@10 got@11": False,
    "back@10/? got@11": True,
    "back@10 got@11/?": True,
    "back@10/? got@11/?": False,
    "back@10/? got@11/?/by:t": True,
    "back@10/? got@40": False,
    "back@0/DAY/? got@24/DAY/?": False,
    "back@0/DAY/? got@24/DAY/?/by:t": True,
}


@pytest.mark.parametrize("text", BACK)
def test_a_reversal_follows_a_receipt_that_may_have_been_before(text: str) -> None:
    """What went back is not taken for a mistake because its clock cannot be compared."""
    assert (folded(text).net_received == 0) == BACK[text]
