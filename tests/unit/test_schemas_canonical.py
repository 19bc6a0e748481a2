"""What the fast reader leaves out is decided by what it has seen: its assumptions about checks."""

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from supplytwin.schemas import binary, canonical, validate
from supplytwin.schemas.events import EVENT_TYPES
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN, check_time
from supplytwin.schemas.members import Member, members
from supplytwin.schemas.records import SCHEMAS

KINDS: list[type[Struct]] = [*EVENT_TYPES.values(), *SCHEMAS.values()]
FIELDS: list[Member] = [one for kind in KINDS for one in members(kind).values()]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=63))
def test_a_text_of_1_to_63_bytes_passes_every_check_of_length(text: str) -> None:
    """So the reader need not ask."""
    while len(text.encode()) > 63:
        text = text[:-1]
    for check in validate.OF_LENGTH:
        if check is not None:
            check(text, "field")


def test_a_time_of_eight_bytes_needs_no_check() -> None:
    """They lie within the years that have local dates, and times have no other check."""
    least, most = 1 << 48, (1 << 55) - 1
    assert len(binary.long(least)) == len(binary.long(most)) == 8
    assert TIME_MIN <= least < most <= TIME_MAX
    assert {one.check for one in FIELDS if one.inner == Micros} == {None, check_time}


def test_an_empty_list_passes_every_check() -> None:
    """A zero byte stands for it, unasked."""
    lists = [one for one in FIELDS if typing.get_origin(one.inner) is tuple]
    assert lists
    for one in lists:
        if one.check is not None:
            one.check((), one.name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_number_may_be_a_nan(kind: type[Struct]) -> None:
    """A NaN has many spellings: every float has a check that refuses it."""
    for one in members(kind).values():
        if one.inner is float:
            assert one.check is not None
            with pytest.raises(Exception, match="is not"):
                one.check(float("nan"), one.name)


def test_an_unknown_type_has_no_reader() -> None:
    """A field of a new type is found when its reader is made, not when a record comes."""

    class Odd(Struct, frozen=True, kw_only=True):
        odd: int

    (one,) = members(Odd).values()
    source = canonical._Reader("def read(d, p):")
    for inner, check in ((complex, None), (float, None)):
        odd = Member(
            name="odd", required=True, default=None, inner=inner, nullable=False, convert=None,
            check=check,
        )  # fmt: skip
        with pytest.raises(TypeError, match="odd is"):
            source.value("v", odd)
    source.value("v", one)
