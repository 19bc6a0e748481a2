"""The facts of one subject in their total order, with an accumulator before every chunk of them.

A fact that sorts last advances the value; anything else folds again from the chunk that it is in,
until a chunk begins as it did before. Both give what folding everything from the start gives.
"""

from bisect import bisect_left
from collections.abc import Iterable

from msgspec import Struct

from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.standing import EMPTY, Accumulator, Fact, Order

CHUNK = 32
"""Facts between two kept accumulators; a chunk that grows to twice that is cut in two."""


class Chunk(Struct, frozen=True, kw_only=True, gc=False):
    before: Accumulator
    facts: tuple[Fact, ...]
    """Never empty."""


class Ordered(Struct, frozen=True, kw_only=True, gc=False):
    """Facts of one subject and what they add up to."""

    chunks: tuple[Chunk, ...] = ()
    value: Accumulator = EMPTY

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(fact for chunk in self.chunks for fact in chunk.facts)


NOTHING = Ordered()


def fold(machine: str, facts: Iterable[Fact]) -> Accumulator:
    """What `facts`, in any order, add up to."""
    value = EMPTY
    for fact in sorted(facts, key=_order):
        value = accumulate(machine, value, fact)
    return value


def _order(fact: Fact) -> Order:
    return fact.order


def insert(machine: str, ordered: Ordered, fact: Fact) -> Ordered:
    """`ordered` with `fact`, whose identity is not in it."""
    chunks = ordered.chunks
    if not chunks:
        first = Chunk(before=EMPTY, facts=(fact,))
        return Ordered(chunks=(first,), value=accumulate(machine, EMPTY, fact))
    last = chunks[-1]
    if fact.order > last.facts[-1].order:
        value = accumulate(machine, ordered.value, fact)
        if len(last.facts) >= CHUNK:
            new = Chunk(before=ordered.value, facts=(fact,))
            return Ordered(chunks=(*chunks, new), value=value)
        grown = Chunk(before=last.before, facts=(*last.facts, fact))
        return Ordered(chunks=(*chunks[:-1], grown), value=value)
    at = _chunk_of(chunks, fact.order)
    facts = chunks[at].facts
    place = bisect_left(facts, fact.order, key=_order)
    return _refold(machine, ordered, at, (*facts[:place], fact, *facts[place:]))


def remove(machine: str, ordered: Ordered, fact: Fact) -> Ordered:
    """`ordered` without `fact`, which is in it."""
    order = fact.order
    at = _chunk_of(ordered.chunks, order)
    facts = ordered.chunks[at].facts
    place = bisect_left(facts, order, key=_order)
    assert facts[place].order == order
    return _refold(machine, ordered, at, (*facts[:place], *facts[place + 1 :]))


def _chunk_of(chunks: tuple[Chunk, ...], order: Order) -> int:
    """The last chunk that begins at or before `order`, else the first (late facts are late)."""
    at = len(chunks) - 1
    while at > 0 and chunks[at].facts[0].order > order:
        at -= 1
    return at


def _refold(machine: str, ordered: Ordered, at: int, facts: tuple[Fact, ...]) -> Ordered:
    """`ordered` with other `facts` in chunk `at`, folded again from there."""
    old = ordered.chunks
    value = old[at].before
    half = len(facts) // 2 if len(facts) >= 2 * CHUNK else len(facts)
    new = []
    for part in (facts[:half], facts[half:]):
        if part:
            new.append(Chunk(before=value, facts=part))
            value = _advance(machine, value, part)
    for index in range(at + 1, len(old)):
        if old[index].before == value:
            return Ordered(chunks=(*old[:at], *new, *old[index:]), value=ordered.value)
        new.append(Chunk(before=value, facts=old[index].facts))
        value = _advance(machine, value, old[index].facts)
    return Ordered(chunks=(*old[:at], *new), value=value)


def _advance(machine: str, value: Accumulator, facts: tuple[Fact, ...]) -> Accumulator:
    for fact in facts:
        value = accumulate(machine, value, fact)
    return value
