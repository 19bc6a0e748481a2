"""Whole runs with chains that close, wake and restart: the same twins and payments as without."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import late_world as late
import pytest
from msgspec import Struct

from supplytwin.processors.chain import canonical_hash
from supplytwin.processors.closing import Chain, Closed
from supplytwin.schemas import journal
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import JOURNAL
from supplytwin.sinks.query import query
from supplytwin.streams import demo, deployment, topics
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time, WorkerSection
from supplytwin.streams.summary import Hashes, fold_journal, read_all
from supplytwin.streams.worker import Worker

PARTITIONS = 2
BEHAVIOUR = {"give_back": 150, "silent": 50, "reject_once": 100}


class Run(Struct, frozen=True, kw_only=True, eq=False):
    """What a conducted run left behind."""

    hashes: Hashes
    kinds: Counter[str]
    states: dict[str, Chain]
    restarted: dict[str, Chain]
    reopened: float


def play(folder: Path, days: int, chains: int, restart_every: int = 0) -> Run:
    """The simulated chains through a worker and a rail, conducted day by day."""
    settings = Settings(
        kafka=Kafka(partitions=PARTITIONS),
        time=Time(simulated=True, timeline="closing"),
        worker=WorkerSection(close_after_days=days),
        gateway=Gateway(ledger=str(folder / f"rail-{days}-{restart_every}.sqlite"),
                        behaviour=BEHAVIOUR),
    )  # fmt: skip
    broker = MemoryBroker()
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    workers: list[Worker[Chain]] = [deployment.worker(broker, settings, meta)]
    gateway = deployment.gateway(broker, settings, meta)
    reopened = 0.0
    turns = 0

    def pump() -> None:
        nonlocal turns, reopened
        turns += 1
        if restart_every and turns % restart_every == 0:
            reopened += workers[-1].metrics.value("supplytwin_folded_total", what="reopened")
            workers.pop().close()
            workers.append(deployment.worker(broker, settings, meta))
        workers[-1].turn(0.0)
        gateway.turn(0.0)

    conductor = Conductor(broker, partitions=PARTITIONS, timeline=meta.timeline, pump=pump)
    conductor.play(late.messages_of(chains, 11), 2 * DAY_US)
    live = states_of(workers[-1])
    reopened += workers[-1].metrics.value("supplytwin_folded_total", what="reopened")
    workers.pop().close()
    other = deployment.worker(broker, settings, meta)
    while len(other.stores) < PARTITIONS:
        other.turn(0.0)
    found = Run(
        hashes=fold_journal(broker, PARTITIONS),
        kinds=Counter(
            journal.read(record.value or b"").kind
            for record in read_all(broker, JOURNAL, PARTITIONS)
        ),
        states=live,
        restarted=states_of(other),
        reopened=reopened,
    )
    other.close()
    gateway.close()
    return found


def states_of(worker: Worker[Chain]) -> dict[str, Chain]:
    return {key: one for store in worker.stores.values() for key, one in store.states.items()}


def shape(state: Chain) -> Any:
    """A closed chain's value; of an open one what a restart has to give back."""
    return state if isinstance(state, Closed) else (state.head, canonical_hash(state))


@pytest.mark.parametrize("restart_every", [0, 37], ids=["one worker", "many restarts"])
def test_closing_changes_no_twin_and_no_payment(
    tmp_path: Path, restart_every: int, required: Callable[[str], Any]
) -> None:
    """With closing after 3 days, and never: the same canonical states and the same payments; after
    a restart the same memory."""
    chains = required("closing_chains")
    plain = play(tmp_path, 0, chains)
    closing = play(tmp_path, 3, chains, restart_every)
    required("closing_chains").done(closing.hashes.chains)
    assert closing.hashes.states == plain.hashes.states
    assert closing.hashes.settlements == plain.hashes.settlements
    assert plain.kinds["CLOSED"] == 0
    assert closing.kinds["CLOSED"] > chains / 2
    assert closing.reopened > chains / 4
    for kind in ("FACT", "INPUT", "DECISION"):
        assert closing.kinds[kind] == plain.kinds[kind], kind
    closed = sum(isinstance(state, Closed) for state in closing.states.values())
    assert closed > chains / 2
    assert {k: shape(s) for k, s in closing.restarted.items()} == {
        k: shape(s) for k, s in closing.states.items()
    }


def test_the_real_deliveries_close_and_analysts_see_it(tmp_path: Path) -> None:
    """SCMS in memory, closed after 5 days and never: the same hashes and results in SQL; the sink
    takes CLOSED entries as rows of the journal."""
    found = {}
    for days in (0, 5):
        settings = Settings(worker=WorkerSection(close_after_days=days))
        found[days] = demo.run(
            settings,
            want="memory",
            chains=60,
            directory=tmp_path / str(days),
            keep=False,
            report=lambda *_: None,
        )
    plain, closing = found[0], found[5]
    for name in (
        "hash_states",
        "hash_settlements",
        "chains",
        "quarantined",
        "settlements",
        "carbon",
    ):
        assert getattr(closing, name) == getattr(plain, name), name
    asked = "SELECT count(*), count(DISTINCT chain_id) FROM journal WHERE kind = 'CLOSED'"
    ((closed, chains),) = query(Path(closing.database), asked).rows
    assert chains > 50
    ticks = "SELECT count(*) FROM journal WHERE kind = 'CONTROL'"
    controls = [query(Path(one.database), ticks).rows[0][0] for one in (plain, closing)]
    assert closing.journal_entries == plain.journal_entries + closed + controls[1] - controls[0]
    same = (
        "SELECT * EXCLUDE (kafka_partition, kafka_offset, seq, taken_at) FROM settlement_event "
        "ORDER BY ALL"
    )
    assert query(Path(closing.database), same).rows == query(Path(plain.database), same).rows
