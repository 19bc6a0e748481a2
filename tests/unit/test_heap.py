"""The collector runs when it is told to, and then frees what it must."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from supplytwin.streams import heap


class Node:
    """Something that can stand in a cycle."""

    other: "Node"


@pytest.fixture
def taken() -> Iterator[None]:
    """The collector as a worker has it; as it was afterwards."""
    heap.take_over()
    yield
    gc.enable()
    gc.unfreeze()


def cycle() -> "weakref.ref[Node]":
    one, two = Node(), Node()
    one.other, two.other = two, one
    return weakref.ref(one)


@pytest.mark.usefixtures("taken")
def test_cycles_of_a_batch_are_freed_when_it_is_settled() -> None:
    """Not before, and not by chance."""
    lost = cycle()
    assert lost() is not None
    heap.settle()
    assert lost() is None


@pytest.mark.usefixtures("taken")
def test_what_is_alive_is_walked_once() -> None:
    """After a batch was settled the collector has nothing left to look at."""
    kept = [Node() for _ in range(1000)]
    heap.settle()
    assert len(kept) == 1000
    assert sum(gc.get_count()) < 100


def test_elsewhere_the_collector_is_left_alone() -> None:
    """A process that has not taken it over keeps Python's own collector."""
    frozen = gc.get_freeze_count()
    heap.settle()
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen
