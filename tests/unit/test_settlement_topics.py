"""docs/settlement-topics.md says what the records have, field by field, and in which words."""

import datetime as dt
import re
import typing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from supplytwin.processors import settlement_noted
from supplytwin.processors.postings import ACCOUNTS
from supplytwin.processors.settlement_state import ABSORBING, PUBLIC
from supplytwin.schemas import validate
from supplytwin.schemas.derived import Derived
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import (
    CONTRACTS,
    INSTRUCTIONS,
    RECEIPTS,
    REVIEWS,
    SCHEMAS,
    SETTLEMENT_EVENTS,
    Signature,
)

TEXT = (Path(__file__).parents[2] / "docs" / "settlement-topics.md").read_text()
COMMON = "Fields that both outputs begin with"
TOPICS = (SETTLEMENT_EVENTS, INSTRUCTIONS, CONTRACTS, RECEIPTS, REVIEWS)


def section(title: str) -> str:
    return re.split(r"\n##+ ", TEXT.split(f"## {title}\n")[1])[0]


def rows(title: str) -> list[list[str]]:
    lines = [one for one in section(title).splitlines() if one.startswith("| `")]
    return [[cell.strip() for cell in one.strip("|").split("|")] for one in lines]


def type_name(hint: Any) -> str:
    """A type of a record as the page calls it."""
    given = typing.get_args(hint)
    if type(None) in given:
        (inner,) = [one for one in given if one is not type(None)]
        return f"{type_name(inner)}, null"
    if typing.get_origin(hint) is tuple:
        return f"list of {type_name(given[0])}"
    names = {str: "text", int: "integer", Micros: "time", dt.date: "date", bytes: "bytes",
             Signature: "Signature"}  # fmt: skip
    return names[hint]


@pytest.mark.parametrize("topic", [COMMON, *TOPICS])
def test_every_field_stands_there_with_its_type_and_order(topic: str) -> None:
    """The table of a topic is its record: no field is missing, made up, or of another type."""
    kind = Derived if topic == COMMON else SCHEMAS[topic]
    hints = typing.get_type_hints(kind)
    shared = {one.name for one in fields(Derived)} if issubclass(kind, Derived) else set()
    own = [one.name for one in fields(kind) if kind is Derived or one.name not in shared]
    said = [(row[0].strip("`"), row[1]) for row in rows(topic)]
    assert said == [(name, type_name(hints[name])) for name in own]
    assert all(row[2] for row in rows(topic))


def test_the_states_are_those_of_the_code() -> None:
    """Each state with its public name, in the order of a claim's life, and which are final."""
    said = {row[0].strip("`"): (row[1], row[2].split(",")[0]) for row in rows("States")}
    assert said == {
        state: (public, "yes" if state in ABSORBING else "no") for state, public in PUBLIC.items()
    }


@pytest.mark.parametrize(
    ("topic", "field", "words"),
    [
        (INSTRUCTIONS, "kind", validate.INSTRUCTION_KINDS),
        (RECEIPTS, "rail_status", validate.RAIL_STATUSES),
        (REVIEWS, "verdict", validate.VERDICTS),
        (SETTLEMENT_EVENTS, "postings", frozenset(ACCOUNTS)),
    ],
)
def test_the_words_of_a_field_are_all_there(topic: str, field: str, words: frozenset[str]) -> None:
    """What a closed list has is said, and nothing else."""
    (row,) = [one for one in rows(topic) if one[0] == f"`{field}`"]
    assert set(re.findall(r"`(\w+)`", row[2])) == words


def test_the_consumer_is_short_and_reads_what_is_committed() -> None:
    """30 lines, and the one setting without which it would show what never happened."""
    code = TEXT.split("```python\n")[1].split("```")[0]
    assert code.count("\n") <= 30
    assert '"isolation.level": "read_committed"' in code


def test_every_act_of_a_person_has_its_row() -> None:
    """Who may do it, of which claim, and what it takes."""
    told = [name for row in rows("Acts of people")[1:] for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(told) == sorted({*settlement_noted._VERDICTS, settlement_noted.APPROVE})
