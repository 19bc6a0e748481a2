"""The graph of a chain: an order in which each element stands behind those it follows; cycles."""

import heapq
from collections.abc import Collection, Iterator, Mapping

Before = Mapping[str, Collection[str]]
"""The elements of a chain, each with those that it names as its predecessors."""


def ordered(chain: Before) -> tuple[list[int], set[str]]:
    """(places of the elements in `chain`, each behind its predecessors, ties by id; ids that are in
    or behind a cycle, and so in no order).
    """
    known = {name: at for at, name in enumerate(chain)}
    waits: dict[str, int] = {}
    after: dict[str, list[str]] = {name: [] for name in known}
    for name, said in chain.items():
        before = {prev for prev in said if prev in known}
        waits[name] = len(before)
        for prev in before:
            after[prev].append(name)
    ready = sorted(name for name, count in waits.items() if not count)
    made: list[int] = []
    while ready:
        name = heapq.heappop(ready)
        made.append(known[name])
        del waits[name]
        for later in after[name]:
            waits[later] -= 1
            if not waits[later]:
                heapq.heappush(ready, later)
    return made, set(waits)


def cycles(chain: Before) -> Iterator[list[str]]:
    """One way around for each knot of elements that come before themselves, from its first id."""
    _, stuck = ordered(chain)
    before = {
        name: sorted(stuck.intersection(said)) for name, said in chain.items() if name in stuck
    }
    for knot in _knots(before):
        way = [min(knot)]
        while True:
            name = min(prev for prev in before[way[-1]] if prev in knot)
            if name in way:
                break
            way.append(name)
        way = way[way.index(name) :]
        first = way.index(min(way))
        yield [*way[first:], *way[: first + 1]]


def _knots(before: dict[str, list[str]]) -> Iterator[set[str]]:
    """Sets of names of which each leads to each other (Tarjan's algorithm, without recursion)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_names: list[str] = []
    for start, first in before.items():
        if start in number:
            continue
        work = [(start, iter(first))]
        number[start] = lowest[start] = len(number)
        open_names.append(start)
        while work:
            name, rest = work[-1]
            for prev in rest:
                if prev not in number:
                    number[prev] = lowest[prev] = len(number)
                    open_names.append(prev)
                    work.append((prev, iter(before[prev])))
                    break
                if prev in lowest:
                    lowest[name] = min(lowest[name], number[prev])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == number[name]:
                    at = open_names.index(name)
                    knot, open_names[at:] = set(open_names[at:]), []
                    for one in knot:
                        del lowest[one]
                    if len(knot) > 1 or name in before[name]:
                        yield knot
