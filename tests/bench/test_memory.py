"""What a chain and a fact cost in memory: in work, packed, closed. The table of docs/operations.md.

python -m pytest --tier=verify tests/bench/test_memory.py -q -s
"""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from supplytwin.processors import simulate
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.closing import Chain, ClosingFold, shrunk
from supplytwin.schemas import codec
from supplytwin.schemas.flow import Input, Output, Record
from supplytwin.schemas.records import CONTRACTS
from supplytwin.streams.intake import Intake
from supplytwin.streams.pressure import resident_bytes
from supplytwin.streams.store import Store

SHAPES = {"many": 20, "large": 200}
"""Facts of a chain."""
BYTES_MAX = {"work": 4_500, "packed": 600, "closed": 300}
"""Of one fact with its share of the chain: what the table may not be far from."""
DUE = 1_800_000_000_000_000
WARM_FACTS = 14_000
"""What fills the caches, which are of a fixed size."""


def inputs(number: int, facts: int, decode: Intake) -> list[Input]:
    """All messages of one chain of its own, decoded as a worker decodes them."""
    made = simulate.chains(1, number, facts_per_chain=facts)
    records = []
    for offset, message in enumerate(made.messages):
        value = codec.encode(message.topic, message.body)
        records.append(
            Record(
                topic=message.topic,
                partition=0,
                offset=offset,
                arrival=message.arrival,
                key=message.key.encode(),
                value=value,
            )
        )
    return [one for one in decode(records, 1) if isinstance(one, Input)]


def measure(form: str, chains: int, facts: int) -> dict[str, float]:
    """Fill a store of this process; bytes for each chain, and for each of its facts."""
    fold = ClosingFold(ChainFold("bench"), 1)
    store: Store[Chain] = Store(0, fold)
    decode = Intake()
    fill(store, form, WARM_FACTS // facts, facts, decode, first=10**6)
    gc.collect()
    before = resident_bytes()
    taken = fill(store, form, chains, facts, decode, first=0)
    gc.collect()
    used = resident_bytes() - before
    return {"chain": used / chains, "fact": used / taken, "base": before}


def fill(
    store: Store[Chain], form: str, chains: int, facts: int, decode: Intake, *, first: int
) -> int:
    """Put `chains` more into the store; how many facts they have."""
    taken = 0
    for number in range(first, first + chains):
        items = inputs(number, facts, decode)
        state = store.fold.new(items[0].key)
        entries: list[Output] = []
        for item in items:
            step = store.fold.step(state, item, item.record.arrival)
            state = step.state
            entries.extend(step.entries)
            taken += item.record.topic != CONTRACTS
        key = items[0].key
        if form == "closed":
            state = shrunk(state)  # type: ignore[arg-type]
        store.put({key: state})
        store.set_due(key, None if form == "closed" else DUE)
        store.places.wrote(entries)
        if form == "packed":
            store.states.load(key, store.states.frozen(state))
    return taken


@pytest.mark.full
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", BYTES_MAX)
def test_bytes_for_each_chain_and_fact(
    form: str, shape: str, required: Callable[[str], Any]
) -> None:
    """Resident memory of a process of its own, over many chains: within the documented bounds."""
    chains = int(required(f"memory_{shape}_chains"))
    found = subprocess.run(
        [sys.executable, __file__, form, str(chains), str(SHAPES[shape])],
        capture_output=True,
        text=True,
        check=True,
    )
    measured = json.loads(found.stdout)
    required(f"memory_{shape}_chains").done(chains)
    print(  # noqa: T201 - what a measurement is for
        f"\n{form:7} {chains:6} chains of {SHAPES[shape]:3} facts: "
        f"{measured['chain']:9.0f} bytes a chain, {measured['fact']:6.0f} a fact; "
        f"base {measured['base'] / 2**20:.0f} MiB"
    )
    assert measured["fact"] < BYTES_MAX[form]


if __name__ == "__main__":
    found = measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(found))
