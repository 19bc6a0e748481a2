"""What customs says, as tables: where a declaration ends, whether its goods are free to deliver and
what is an exception, in whatever order the facts arrive.
"""

import random
from decimal import Decimal
from itertools import permutations
from typing import Any

import fold_world as world
import pytest
from msgspec.structs import replace

from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.schemas.events import ENVELOPE, EVENT_TYPES, Event
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, SECOND_US, Micros

T = 20_000 * DAY_US
SAY: dict[str, dict[str, Any]] = {
    "declared": {"declaration_id": "D", "regime": "IMPORT", "office": "o", "declarant": "d",
                 "declaration_lines": ()},
    "accepted": {"mrn": "M", "accepted_time": T},
    "rejected": {"reason_code": "r"},
    "ordered": {"inspection_kind": "PHYSICAL"},
    "passed": {"result": "PASS"},
    "hold": {"hold_id": "h", "authority": "a"},
    "hold2": {"hold_id": "h2", "authority": "a"},
    "unhold": {"hold_id": "h", "authority": "a"},
    "unhold2": {"hold_id": "h2", "authority": "a"},
    "assessed": {"amount": Decimal(5), "currency": "EUR", "basis": "PAYMENT"},
    "paid": {"amount": Decimal(5), "currency": "EUR", "basis": "PAYMENT"},
    "bond": {"amount": Decimal(5), "currency": "EUR", "basis": "BOND"},
    "released": {"release_kind": "FULL"},
    "cleared": {"entry_id": "E"},
    "revoked": {"reason": "r"},
    "cancelled": {"reason": "r"},
}  # fmt: skip
TYPES = {
    "ordered": "inspection_ordered", "passed": "inspection_completed", "hold": "hold_placed",
    "hold2": "hold_placed", "unhold": "hold_removed", "unhold2": "hold_removed",
    "assessed": "duty_assessed", "paid": "duty_paid", "bond": "duty_paid",
    "revoked": "release_revoked",
}  # fmt: skip

# what is said (second:word, - = no second of its own: that of the day) -> state, free, exceptions
TABLE = {
    "filed": ("1:declared", "FILED", False, ""),
    "released": ("1:declared 2:accepted 3:released", "RELEASED", True, ""),
    "held before its release":
        ("1:declared 2:accepted 3:hold 4:released", "RELEASED", False, ""),
    "held after its release":
        ("1:declared 2:accepted 3:released 4:hold", "RELEASED", False, ""),
    "hold removed": ("1:declared 2:accepted 3:hold 4:released 5:unhold", "RELEASED", True, ""),
    "two holds, one removed":
        ("1:declared 2:hold 3:hold2 4:released 5:unhold", "RELEASED", False, ""),
    "two holds, both removed":
        ("1:declared 2:hold 3:hold2 4:released 5:unhold 6:unhold2", "RELEASED", True, ""),
    "another hold removed":
        ("1:declared 2:hold 3:released 4:unhold2", "RELEASED", False, "HOLD_NOT_OPEN"),
    "held in the second of its release": ("1:declared 3:hold 3:released", "RELEASED", False, ""),
    "held and let go in one second":
        ("1:declared 3:hold 3:unhold 4:released", "RELEASED", True, ""),
    "revoked": ("1:declared 2:released 3:revoked", "REVOKED", False, ""),
    "revoked in the second of its release":
        ("1:declared 2:released 2:revoked", "REVOKED", False, ""),
    "released again": ("1:declared 2:released 3:revoked 4:released", "RELEASED", True, ""),
    "released again, held":
        ("1:declared 2:released 3:revoked 4:hold 5:released", "RELEASED", False, ""),
    "released again, revoked again":
        ("1:declared 2:released 3:revoked 4:released 5:revoked", "REVOKED", False, ""),
    "revoked and cancelled":
        ("1:declared 2:released 3:revoked 4:cancelled", "CANCELLED", False, ""),
    "revoked without a release":
        ("1:declared 2:revoked", "FILED", False, "ILLEGAL_TRANSITION"),
    "cleared in the second of its release":
        ("1:declared 2:accepted 3:released 3:cleared", "CLEARED", True, ""),
    "everything in one second":
        ("1:declared 1:accepted 1:released 1:cleared", "CLEARED", True, ""),
    "cleared without a release": ("1:declared 2:cleared", "CLEARED", True, ""),
    "cleared before its release":
        ("1:declared 2:cleared 3:released", "CLEARED", True, "AFTER_CLOSE"),
    "revoked after clearance":
        ("1:declared 2:released 3:cleared 4:revoked", "CLEARED", False, "AFTER_CLOSE"),
    "held after clearance": ("1:declared 2:released 3:cleared 4:hold", "CLEARED", False, ""),
    "rejected": ("1:declared 2:rejected", "REJECTED", False, ""),
    "rejected, filed again": ("1:declared 2:rejected 3:declared", "FILED", False, ""),
    "rejected, filed again, released":
        ("1:declared 2:rejected 3:declared 4:accepted 5:released", "RELEASED", True, ""),
    "rejected twice": ("1:declared 2:rejected 3:declared 4:rejected", "REJECTED", False, ""),
    "rejected after acceptance":
        ("1:declared 2:accepted 3:rejected", "ACCEPTED", False, "ILLEGAL_TRANSITION"),
    "inspected": ("1:declared 2:accepted 3:ordered 4:passed 5:released", "RELEASED", True, ""),
    "inspection open": ("1:declared 2:accepted 3:ordered", "SELECTED", False, ""),
    "duty open": ("1:declared 2:assessed 3:released", "RELEASED", False, ""),
    "duty paid": ("1:declared 2:assessed 3:released 4:paid", "RELEASED", True, ""),
    "duty bonded": ("1:declared 2:assessed 3:bond 4:released", "RELEASED", True, ""),
    "cancelled": ("1:declared 2:accepted 3:cancelled", "CANCELLED", False, ""),
}  # fmt: skip


def say(word: str, second: int, number: int, **given: Any) -> Event:
    """One fact of customs, `second` s into the day."""
    kind = EVENT_TYPES[f"customs.{TYPES.get(word, word)}"]
    fields: dict[str, Any] = {
        "event_type": kind.TYPE, "event_id": str(number), "source": "customs:x",
        "revision": T + number, "classifier": "ACTUAL", "event_time": T + second * SECOND_US,
        "event_tz": "+00:00", "time_precision": "S", "recorded_time": T + number, "chain_id": "C",
        "subject_type": "DECLARATION", "subject_id": "D",
    }  # fmt: skip
    return kind(**{**fields, **SAY[word], **given})


def told(text: str, **given: Any) -> list[Event]:
    """The facts of one row of the table; receipt numbers against the order, as a customs log has
    them.
    """
    words = [part.partition(":") for part in text.split()]
    return [
        say(word, int(second), len(words) - at, **given)
        for at, (second, _, word) in enumerate(words)
    ]


def folded(events: list[Event]) -> Subject:
    """The declaration, when its facts arrive in this order."""
    chain = ChainFold("t")
    state: ChainState = chain.new("C")
    for at, one in enumerate(events):
        message = Message(topic=one.TOPIC, key="C", arrival=T + DAY_US + at, body=one)
        state = chain.step(state, world.decoded(message, at), 0).state
    return state.twin.subjects[SubjectKey("DECLARATION", "D")]


def orders(events: list[Event]) -> list[list[Event]]:
    """Every order of arrival, or 30 of many; some facts come twice."""
    if len(events) <= 4:
        return [list(order) for order in permutations(events)]
    found = []
    for seed in range(30):
        draw = random.Random(seed)
        some = events + draw.sample(events, 2)
        draw.shuffle(some)
        found.append(some)
    return found


@pytest.mark.parametrize("name", TABLE)
def test_where_a_declaration_ends(name: str) -> None:
    """State, FREE_TO_DELIVER and exceptions are those of the table, in every order of arrival."""
    text, state, free, codes = TABLE[name]
    for events in orders(told(text)):
        found = folded(events)
        assert found.state == state
        assert ("FREE_TO_DELIVER" in found.codes) == free
        assert sorted(one.code for one in found.value.exceptions) == codes.split()


@pytest.mark.parametrize("name", TABLE)
def test_a_release_is_a_milestone_only_while_it_stands(name: str) -> None:
    """CUSTOMS_RELEASED is reached by the last release that nothing has revoked since."""
    text, *_ = TABLE[name]
    stands = False
    for part in text.split():
        word = part.partition(":")[2]
        if word == "released":
            stands = name != "cleared before its release"
        elif word == "revoked":
            stands = False
    assert ("CUSTOMS_RELEASED" in folded(told(text)).codes) == stands


@pytest.mark.parametrize("order", [1, -1])
def test_release_and_clearance_of_one_second_have_both_milestones(order: int) -> None:
    """Whichever has the lower receipt number and comes first: the lifecycle says what was first."""
    first, second = say("released", 3, 2), say("cleared", 3, 1)
    for numbered in (
        (first, second),
        (replace(first, event_id="1"), replace(second, event_id="2")),
    ):
        found = folded([say("declared", 1, 9), *numbered[::order]])
        assert found.state == "CLEARED"
        assert {"CUSTOMS_RELEASED", "CUSTOMS_CLEARED", "FREE_TO_DELIVER"} <= set(found.codes)
        assert not found.value.exceptions


@pytest.mark.parametrize("same_identity", [True, False])
def test_filing_again_is_a_new_revision_or_a_new_event(same_identity: bool) -> None:
    """Both ways in which customs systems say it end at the same place, without an exception."""
    first, no, again = told("1:declared 2:rejected 3:declared")
    if same_identity:
        again = replace(again, event_id=first.event_id, revision=Micros(first.revision + 10))
    yes = say("released", 4, 50)
    for events in permutations([first, no, again]):
        assert folded(list(events)).state == "FILED"
        found = folded([yes, *events])
        assert (found.state, found.value.exceptions) == ("RELEASED", ())
        assert "FREE_TO_DELIVER" in found.codes


@pytest.mark.parametrize("later", [True, False])
def test_a_retracted_release_never_was(later: bool) -> None:
    """Taken back by its source it opens no gate, whichever arrives first; a later one does."""
    declared, released = told("1:declared 2:released")
    gone = say(
        "released", 2, 70, correction_action="RETRACT", correction_source="customs:x",
        correction_event_id=released.event_id,
    )  # fmt: skip
    found = folded([gone, declared, released] if later else [declared, released, gone])
    assert (found.state, "FREE_TO_DELIVER" in found.codes) == ("FILED", False)
    back = replace(released, revision=Micros(gone.revision + 1))
    found = folded([back, gone, declared, released] if later else [declared, released, gone, back])
    assert (found.state, "FREE_TO_DELIVER" in found.codes) == ("RELEASED", True)


def test_a_carrier_lifts_no_hold_and_releases_nothing() -> None:
    """A fact of the shipments topic about the declaration changes nothing of it."""
    held = told("1:declared 2:hold")
    fields = {name: getattr(held[0], name) for name in ENVELOPE}
    noted = EVENT_TYPES["shipment.noted"]
    word = noted(
        **{**fields, "event_type": noted.TYPE, "event_id": "n", "source": "dcsa:X"},
        text="EQUIPMENT CUSTOMS_RELEASED",
    )
    found = folded([*held, word])
    assert (found.state, found.codes) == ("FILED", ("CUSTOMS_FILED",))


def test_on_one_day_without_times_the_lifecycle_says_the_order() -> None:
    """DAY precision: release, revocation and clearance of one date; the revocation is last."""
    for text, state in (
        ("0:declared 0:accepted 0:released 0:cleared", "CLEARED"),
        ("0:declared 0:released 0:revoked", "REVOKED"),
        ("0:declared 0:ordered 0:passed", "EXAMINED"),
    ):
        for events in permutations(told(text, time_precision="DAY")):
            found = folded(list(events))
            assert (found.state, found.value.exceptions) == (state, ())
