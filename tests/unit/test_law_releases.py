"""A release opens the gate again only when it is surely later than what was said against it."""

from itertools import permutations
from typing import Any

import law_world as w
import pytest

from supplytwin.processors import twin
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros

T = 20_000 * DAY_US
WORDS = {"rel": "released", "rev": "release_revoked", "rej": "rejected", "can": "cancelled",
         "clr": "cleared", "fil": "declared"}  # fmt: skip

TABLE = {
    # word@hour[/precision], ... -> state, free, exceptions
    "rel@-24 rev@1 rel@2": ("RELEASED", True, ""),
    "rel@-24 rej@1": ("RELEASED", False, "ILLEGAL_TRANSITION"),
    "rel@-24 rej@1 rel@2": ("RELEASED", True, "ILLEGAL_TRANSITION ILLEGAL_TRANSITION"),
    "rel@-24 rej@1 rel@1": ("RELEASED", False, "ILLEGAL_TRANSITION ILLEGAL_TRANSITION"),
    "rel@-24 rej@1/DAY rel@2": ("RELEASED", False, "ILLEGAL_TRANSITION ILLEGAL_TRANSITION"),
    "rel@-24 rej@1/DAY rel@2 rel@24":
        ("RELEASED", True, "ILLEGAL_TRANSITION ILLEGAL_TRANSITION ILLEGAL_TRANSITION"),
    "rel@-24 clr@-23 rev@1 rel@2": ("CLEARED", True, "AFTER_CLOSE AFTER_CLOSE"),
    "rel@-24 clr@-23 rev@1 rel@1": ("CLEARED", False, "AFTER_CLOSE AFTER_CLOSE"),
    "rel@-24 clr@-23 can@1 rel@2": ("CLEARED", True, "AFTER_CLOSE AFTER_CLOSE"),
    "rel@-24 can@1 rel@2": ("CANCELLED", False, "AFTER_CLOSE"),
    # revoked and released again within one date or second: nobody knows which was last
    "rel@-24 rev@1/DAY rel@1/DAY": ("REVOKED", False, "ILLEGAL_TRANSITION"),
    "rel@-24 rev@1 rel@1": ("REVOKED", False, "ILLEGAL_TRANSITION"),
    "rel@-24 rev@1/DAY rel@2": ("RELEASED", False, ""),
    "rel@-24 rev@1/DAY clr@2": ("CLEARED", False, ""),
    "rel@-24 rev@1/DAY rel@2 rel@24": ("RELEASED", True, "ILLEGAL_TRANSITION"),
    "rel@-24 rev@1/DAY rel@24": ("RELEASED", True, ""),
    "rel@-24 rev@1/MIN rel@1.001": ("RELEASED", False, ""),
    # a rejection can only have come before the release of its date
    "fil@0/DAY rej@0/DAY rel@0/DAY": ("RELEASED", True, ""),
}  # fmt: skip


def say(text: str, number: int) -> Event:
    word, _, when = text.partition("@")
    hour, _, precision = when.partition("/")
    fields: dict[str, Any] = {
        "event_id": f"e{number}", "event_time": Micros(T + round(float(hour) * HOUR_US)),
        "time_precision": precision or "S",
    }  # fmt: skip
    made: Event = w.make(f"customs.{WORDS[word]}", "DECLARATION:1", **fields)
    return made


@pytest.mark.parametrize("text", TABLE)
def test_when_a_declaration_is_free_again(text: str) -> None:
    """State, gate and exceptions are those of the table, in every order of arrival."""
    events = [say(part, at) for at, part in enumerate(text.split())]
    for order in permutations(events):
        state = twin.EMPTY
        for event in order:
            state = twin.take(state, w.item(event, event.event_time + 3 * DAY_US)).twin
        subject = twin.subject(state, "DECLARATION", "1")
        assert subject is not None
        value = subject.value
        found = (value.state, value.free_to_deliver, " ".join(p.code for p in value.exceptions))
        assert found == TABLE[text]
        assert ("FREE_TO_DELIVER" in value.milestones) == value.free_to_deliver
