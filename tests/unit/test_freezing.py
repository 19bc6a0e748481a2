"""States as bytes: back exactly, nothing else is let in, other code is told apart."""

import datetime as dt
import pickle
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from immutables import Map
from msgspec import Struct

from supplytwin.processors import simulate
from supplytwin.processors.chain import ChainFold, ChainState, canonical_hash
from supplytwin.processors.closing import Closed, ClosingFold, shrunk
from supplytwin.processors.freezing import Form
from supplytwin.schemas import codec
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.flow import Input, Record
from supplytwin.streams.states import Packed, States

FOLD = ClosingFold(ChainFold("test"))


def chain_of(seed: int, facts: int) -> tuple[ChainState, list[Input]]:
    """A simulated chain with everything that can go wrong, and what it has taken."""
    made = simulate.chains(
        1, seed, facts_per_chain=facts, late=0.5, duplicates=0.2, corrections=0.5, revocations=0.5
    )
    items = []
    for offset, message in enumerate(made.messages):
        value = codec.encode(message.topic, message.body)
        found = codec.decode(message.topic, value)
        record = Record(
            topic=message.topic,
            partition=0,
            offset=offset,
            arrival=message.arrival,
            key=message.key.encode(),
            value=value,
        )
        items.append(
            Input(
                record=record,
                key=message.key,
                message=found.message,
                fingerprint=found.fingerprint,
                content_hash=found.content_hash,
            )
        )
    fold = ChainFold("test")
    state = fold.new(items[0].key)
    for item in items:
        state = fold.step(state, item, item.record.arrival).state
    return state, items


@given(st.integers(1, 10**6), st.sampled_from([10, 20, 70]), st.integers(0, 30))
@settings(max_examples=25, deadline=None)
def test_a_state_comes_back_exactly_and_goes_on_alike(seed: int, facts: int, cut: int) -> None:
    """Equal field by field; and what it takes and decides afterwards is the same."""
    whole, items = chain_of(seed, facts)
    fold = ChainFold("test")
    state = fold.new(items[0].key)
    for item in items[:cut]:
        state = fold.step(state, item, item.record.arrival).state
    thawed = FOLD.thaw(FOLD.freeze(state))
    assert thawed == state
    assert isinstance(thawed, ChainState)
    for item in items[cut:]:
        one = fold.step(state, item, item.record.arrival)
        other = fold.step(thawed, item, item.record.arrival)
        assert (one.entries, one.outputs, one.counts) == (
            other.entries,
            other.outputs,
            other.counts,
        )
        state, thawed = one.state, other.state
    tick = items[-1].record.arrival + 1
    assert fold.decide(state, tick) == fold.decide(thawed, tick)
    assert canonical_hash(thawed) == canonical_hash(whole)


def test_a_closed_chain_comes_back_exactly() -> None:
    """Digests, settlements and head."""
    closed = shrunk(chain_of(3, 20)[0])
    assert FOLD.thaw(FOLD.freeze(closed)) == closed


def test_what_is_shared_is_frozen_once() -> None:
    """An event stands in the set of facts and on each subject it reaches: one object again."""
    state = FOLD.thaw(FOLD.freeze(chain_of(5, 20)[0]))
    assert isinstance(state, ChainState)
    events = {id(slot.latest.event) for _, slot in state.twin.facts.slots.items()}
    reached = {
        id(fact.event)
        for _, subject in state.twin.subjects.items()
        for fact in subject.ordered.facts
    }
    assert reached <= events


class Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return pytest.fail, ("it was called",)


class Point(NamedTuple):
    x: int


class Inner(Struct, frozen=True, kw_only=True):
    points: Map[str, Point] = Map()
    day: dt.date | None = None


class Outer(Struct, frozen=True, kw_only=True):
    inner: Inner
    amounts: tuple[Decimal, ...] = ()
    anything: object = None


FORM = Form([Outer])


def test_structs_named_tuples_maps_decimals_and_dates_come_back() -> None:
    """Everything that a state is made of, found from the annotations alone."""
    inner = Inner(points=Map(a=Point(1)), day=dt.date(2024, 2, 29))
    value = Outer(inner=inner, amounts=(Decimal("1.50"),), anything=frozenset(("x", 1)))
    assert FORM.thaw(FORM.freeze(value)) == value


@pytest.mark.parametrize("foreign", [Evil(), len, dt.datetime(2024, 1, 1), dict])
def test_nothing_foreign_is_frozen_and_nothing_foreign_is_thawed(foreign: object) -> None:
    """What could not come back is not written; what names other code is refused, and not called."""
    with pytest.raises(ValueError, match="no part of a state"):
        FORM.freeze(Outer(inner=Inner(), anything=foreign))
    with pytest.raises(ValueError, match="this is no state"):
        FORM.thaw(pickle.dumps(foreign))


@given(st.binary(max_size=60))
def test_bytes_that_are_no_pickle_are_refused(data: bytes) -> None:
    """Whatever stands there: a value, or one kind of error."""
    with suppress(ValueError):
        FORM.thaw(data)


def test_the_name_changes_with_every_field_and_type() -> None:
    """Two codes that would read each other's bytes differently have different names."""

    def form(**fields: Any) -> str:
        kind = msgspec.defstruct("State", list(fields.items()), kw_only=True, frozen=True)
        return Form([kind]).name

    names = [
        form(a=int),
        form(a=str),
        form(b=int),
        form(a=int, b=int),
        form(b=int, a=int),
        form(a=Map[str, int]),
        form(a=Map[str, str]),
        form(a=Inner),
        form(a=Outer),
    ]
    assert len(set(names)) == len(names)
    assert form(a=int) == names[0]


# ---- packed in memory


def states_of(*keys: str) -> States[Any]:
    states: States[Any] = States(FOLD)
    for key in keys:
        states[key] = FOLD.new(key)
    return states


def test_a_packed_state_is_unpacked_for_whoever_asks() -> None:
    """It is the same to everybody, and stays unpacked."""
    states = states_of("a", "b")
    before = states["a"]
    states.load("a", states.frozen(before))
    assert (states.packed, len(states), set(states)) == (1, 2, {"a", "b"})
    assert isinstance(states.raw["a"], Packed)
    assert states.frozen(states.raw["a"]) == states.raw["a"].data
    assert states.find("a") == before
    assert (states.packed, states.find("c")) == (0, None)
    assert states["a"] is states["a"]


def test_the_count_of_packed_states_follows_every_change() -> None:
    """Packed twice, replaced, removed."""
    states = states_of("a", "b")
    data = states.frozen(states["a"])
    for _ in range(2):
        states.load("a", data)
    assert states.packed == 1
    states["a"] = FOLD.new("a")
    assert states.packed == 0
    states.load("b", data)
    del states["b"]
    assert (states.packed, "b" in states) == (0, False)


def test_a_packed_state_that_cannot_be_read_stops_the_worker() -> None:
    """It was checked when it was read: this is a defect, and nothing may be decided on it."""
    states = states_of("a")
    states.load("a", b"not what it was")
    with pytest.raises(FatalError, match="remove the snapshots"):
        states.find("a")


def test_closed_is_small() -> None:
    """What the sizing table says of a closed chain: digests, and little else."""
    state, items = chain_of(7, 20)
    closed = shrunk(state)
    assert isinstance(closed, Closed)
    assert len(FOLD.freeze(closed)) < 16 * len(items) + 600
