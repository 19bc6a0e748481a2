"""The facts of one subject in their total order, with an accumulator before every chunk of them,
and after every fact of the last chunk.

A fact that sorts last advances the value; another one of the last chunk folds what follows it
again; anything else folds again from the chunk that it is in, until a chunk begins as it did
before. All give what folding everything from the start gives.
"""

from collections.abc import Iterable, Mapping

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
    steps: tuple[Accumulator, ...] = ()
    """The value after each fact of the last chunk."""

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
        value = accumulate(machine, EMPTY, fact)
        first = Chunk(before=EMPTY, facts=(fact,))
        return Ordered(chunks=(first,), value=value, steps=(value,))
    last = chunks[-1]
    if fact.order > last.facts[-1].order:
        value = accumulate(machine, ordered.value, fact)
        if len(last.facts) >= CHUNK:
            new = Chunk(before=ordered.value, facts=(fact,))
            return Ordered(chunks=(*chunks, new), value=value, steps=(value,))
        grown = Chunk(before=last.before, facts=(*last.facts, fact))
        return Ordered(chunks=(*chunks[:-1], grown), value=value, steps=(*ordered.steps, value))
    at, place = _place(chunks, fact.order)
    facts = chunks[at].facts
    return _refold(machine, ordered, at, place, (*facts[:place], fact, *facts[place:]))


def remove(machine: str, ordered: Ordered, fact: Fact) -> Ordered:
    """`ordered` without `fact`, which is in it."""
    at, place = _place(ordered.chunks, fact.order)
    facts = ordered.chunks[at].facts
    assert facts[place].order == fact.order
    return _refold(machine, ordered, at, place, (*facts[:place], *facts[place + 1 :]))


def exchanged(
    machine: str, ordered: Ordered, gone: Mapping[Order, Fact], come: Mapping[Order, Fact]
) -> Ordered:
    """`ordered` with the facts that come in the place of those that go, which are in it."""
    for order, fact in gone.items():
        if come.get(order) != fact:
            ordered = remove(machine, ordered, fact)
    for order, fact in come.items():
        if gone.get(order) != fact:
            ordered = insert(machine, ordered, fact)
    return ordered


def _place(chunks: tuple[Chunk, ...], order: Order) -> tuple[int, int]:
    """The last chunk that begins at or before `order`, else the first, and the place in it.

    Searched from the end: late facts are late.
    """
    at = len(chunks) - 1
    while at > 0 and chunks[at].facts[0].order > order:
        at -= 1
    facts = chunks[at].facts
    place = len(facts)
    while place > 0 and facts[place - 1].order >= order:
        place -= 1
    return at, place


def _refold(
    machine: str, ordered: Ordered, at: int, place: int, facts: tuple[Fact, ...]
) -> Ordered:
    """`ordered` with other `facts` from `place` on in chunk `at`, folded again from there."""
    old = ordered.chunks
    before = old[at].before
    was = ordered.steps if at == len(old) - 1 else ()
    steps = _steps(machine, before, facts, was[:place], was)
    value = steps[-1] if steps else before
    if at == len(old) - 1 and 0 < len(facts) < 2 * CHUNK:
        chunks = (*old[:at], Chunk(before=before, facts=facts))
        return Ordered(chunks=chunks, value=value, steps=tuple(steps))
    new = _chunks(before, facts, steps)
    for index in range(at + 1, len(old)):
        if old[index].before == value:
            chunks = (*old[:at], *new, *old[index:])
            return Ordered(chunks=chunks, value=ordered.value, steps=ordered.steps)
        new.append(Chunk(before=value, facts=old[index].facts))
        steps = _steps(machine, value, old[index].facts)
        value = steps[-1]
    chunks = (*old[:at], *new)
    if not new and chunks:  # the last chunk is gone: the one before it is the last now
        steps = _steps(machine, chunks[-1].before, chunks[-1].facts)
    last = len(chunks[-1].facts) if chunks else 0
    return Ordered(chunks=chunks, value=value, steps=tuple(steps[len(steps) - last :]))


def _steps(
    machine: str,
    before: Accumulator,
    facts: tuple[Fact, ...],
    known: tuple[Accumulator, ...] = (),
    was: tuple[Accumulator, ...] = (),
) -> list[Accumulator]:
    """The value after each of `facts`; those after the first ones are `known`.

    `was`: the values before there was one fact more or less. As soon as what is left begins as it
    did, it ends as it did.
    """
    steps = list(known)
    value = known[-1] if known else before
    for fact in facts[len(known) :]:
        value = accumulate(machine, value, fact)
        steps.append(value)
        same = len(was) - (len(facts) - len(steps))
        if same > 0 and value == was[same - 1]:
            return steps + list(was[same:])
    return steps


def _chunks(before: Accumulator, facts: tuple[Fact, ...], steps: list[Accumulator]) -> list[Chunk]:
    """`facts` as no chunk, one or two."""
    half = len(facts) // 2
    if len(facts) >= 2 * CHUNK:
        first = Chunk(before=before, facts=facts[:half])
        return [first, Chunk(before=steps[half - 1], facts=facts[half:])]
    return [Chunk(before=before, facts=facts)] if facts else []
