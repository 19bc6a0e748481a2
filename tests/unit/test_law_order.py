"""The first law: a twin is a set of facts. One set gives one canonical hash, whatever the order of
arrival, the copies, the lateness of corrections, the number of partitions, and a rebuild on the
way.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import law_world as w

from supplytwin.processors import chain
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.closing import Chain, ClosingFold, gist
from supplytwin.processors.facts import Identity
from supplytwin.processors.sources import admitted, sources_of
from supplytwin.schemas import codec
from supplytwin.schemas.events import CLASSIFIERS, EVENT_TYPES, PRECISIONS
from supplytwin.schemas.ids import DAY_US, Micros, control_key
from supplytwin.schemas.records import CONTROL, JOURNAL, Control
from supplytwin.streams import deployment
from supplytwin.streams.intake import Intake
from supplytwin.streams.summary import read_all
from supplytwin.streams.testing import Driver
from supplytwin.streams.worker import WorkerSettings

PARTITIONS = (1, 3, 8)
TOGETHER = 25
"""Streams that share one deployment."""
SETTINGS = WorkerSettings(simulated=True, poll_s=0.0)
POLICY = Control(
    input_id="policy", kind="POLICY", tick_time=Micros(0), timeline="test", body=w.POLICY
)


def folded(told: Iterable[Any]) -> str:
    """The canonical hash of a stream, folded fact by fact in the order in which it stands."""
    return chain.canonical_hash(_whole(told))


def _whole(told: Iterable[Any]) -> ChainState:
    fold, sources = ChainFold("test"), sources_of(POLICY)
    state = None
    for one in told:
        state = state or fold.new(one.event.chain_id)
        state = fold.step(state, admitted(sources, w.item(one.event, one.arrival)), 0).state
    assert state is not None
    return state


class Deployment:
    """A worker over the broker in memory, with a policy in force."""

    def __init__(self, partitions: int) -> None:
        self.driver: Driver[Chain] = Driver(
            ClosingFold(ChainFold("test"), 90 * DAY_US), Intake(), topics=deployment.TOPICS,
            settings=SETTINGS, gist=gist, partitions=partitions,
        )  # fmt: skip
        policy = codec.encode(CONTROL, POLICY)
        for number in range(partitions):
            self.driver.send(CONTROL, control_key(number), policy, partition=number)
        self.driver.settle()

    def take(self, told: Iterable[Any]) -> None:
        for one in told:
            event = one.event
            value = codec.encode(event.TOPIC, event)
            self.driver.send(event.TOPIC, event.chain_id, value, timestamp_us=one.arrival)
        self.driver.settle()

    def rebuild(self) -> None:
        """The worker leaves, and another one begins with what the journal says."""
        self.driver.worker.close()
        self.driver.restart()
        self.driver.settle()

    def hashes(self) -> dict[str, str]:
        """By chain, of the journal folded once more; the live states are the same."""
        fold = ChainFold("test")
        states: dict[str, ChainState] = {}
        for record in read_all(self.driver.broker, JOURNAL, self.driver.partitions):
            key = (record.key or b"").decode()
            states[key] = fold.restore(states.get(key) or fold.new(key), record)
        found = {key: one for key, one in states.items() if not key.startswith("@")}
        for key, state in found.items():
            live = self.driver.state(key)
            if isinstance(live, ChainState):
                assert chain.canonical(live) == chain.canonical(state)
        assert self.driver.quarantine() == []
        return {key: chain.canonical_hash(state) for key, state in found.items()}


def deployed(random: Random, streams: dict[str, list[Any]], partitions: int) -> dict[str, str]:
    """The hashes of streams that come mixed, in parts, with a rebuild and ticks between them."""
    mixed = [one for told in streams.values() for one in next(w.orders(random, told))]
    random.shuffle(mixed)
    found = Deployment(partitions)
    at = sorted(random.randrange(len(mixed)) for _ in range(2))
    found.take(mixed[: at[0]])
    found.driver.tick(w.T + 1000 * DAY_US)
    found.take(mixed[at[0] : at[1]])
    found.rebuild()
    found.driver.tick(w.T + 2000 * DAY_US)
    found.take(mixed[at[1] :])
    return found.hashes()


def test_the_streams_hold_all_that_the_law_speaks_of() -> None:
    """Every event type, about every kind of subject, in every classifier, zone and precision; some
    facts are retracted, by their source or by delegation, before or after they come; some revive,
    conflict, are in doubt, lack authority (above a revision that has it, too), are ahead of their
    arrival or refused by a pledged lot; some subjects are orphans.
    """
    seen = set[str]()
    for number in range(150):
        told = w.stream(Random(number), "C")
        found = _whole(told).twin
        for one in told:
            event = one.event
            words = (event.event_type, event.subject_type, event.classifier, event.event_tz)
            seen.update((*words, event.time_precision))
            slot = found.facts.slot(Identity(event.source, event.event_id))
            names = {
                "conflict": slot.conflicted, "no authority": slot.unauthorised,
                "retracted": slot.retracted, "delegated": slot.latest.delegated,
                "revived": slot.retracted_to is not None and not slot.retracted,
                "in doubt": bool(slot.doubts) and slot.conflicted,
                "planned again": len(slot.disputed) > 1,
                "told without power": slot.unauthorised and slot.current is not slot.latest,
                "ahead": one.arrival < event.event_time,
            }  # fmt: skip
            seen.update(name for name, is_so in names.items() if is_so)
        for subject in found.subjects.values():
            seen.update(problem.code for problem in subject.value.exceptions)
            seen.update(("orphan",) if subject.orphan else ())
    wanted = {*EVENT_TYPES, *w.SUBJECTS, *CLASSIFIERS, *PRECISIONS, *w.ZONES, "LOT_PLEDGED"}
    wanted |= {"in doubt", "planned again", "told without power"}
    wanted |= {"conflict", "orphan", "no authority", "retracted", "delegated", "revived", "ahead"}
    assert wanted <= seen


def test_one_set_of_facts_has_one_hash(required: Callable[[str], Any]) -> None:
    """Random streams in other orders, with copies, over 1, 3 and 8 partitions, with a rebuild on
    the way, give the hashes that folding them one after the other gives.
    """
    count = required("law_streams")
    for first in range(0, count, TOGETHER):
        random = Random(first)
        names = [f"C-{number}" for number in range(first, min(first + TOGETHER, count))]
        streams = {name: w.stream(random, name) for name in names}
        expected = {name: folded(told) for name, told in streams.items()}
        for partitions in PARTITIONS:
            assert deployed(random, streams, partitions) == expected
    count.done(count)
