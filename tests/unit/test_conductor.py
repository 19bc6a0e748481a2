"""The conductor of simulated time beside a broker that is away for a moment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supplytwin.processors import simulate
from supplytwin.schemas.errors import AbortError, FatalError, TransientError
from supplytwin.schemas.ids import DAY_US
from supplytwin.streams import deployment, topics
from supplytwin.streams.conductor import Conductor, Played
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time

TICK_US = 7 * DAY_US


class Flaky:
    """The broker as the conductor sees it: what `fails` says fails that many times."""

    def __init__(self, broker: MemoryBroker, fails: dict[str, list[Exception]]) -> None:
        self._broker, self._fails = broker, fails

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._broker, name)
        if name in {"admin", "producer"}:
            return lambda *given: Flaky(found(*given), self._fails)
        if not self._fails.get(name) or not isinstance(found, Callable):  # type: ignore[arg-type]
            return found

        def call(*given: Any) -> Any:
            if self._fails[name]:
                raise self._fails[name].pop()
            return found(*given)

        return call


def play(folder: Path, fails: dict[str, list[Exception]], patience_s: float = 60.0) -> Played:
    broker = MemoryBroker()
    ledger = folder / "rail.sqlite"
    ledger.unlink(missing_ok=True)
    settings = Settings(
        kafka=Kafka(partitions=2),
        time=Time(simulated=True, timeline="flaky"),
        gateway=Gateway(ledger=str(ledger)),
    )
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    worker = deployment.worker(broker, settings, meta)
    gateway = deployment.gateway(broker, settings, meta)

    def pump() -> None:
        worker.turn(0.0)
        gateway.turn(0.0)

    flaky: Any = Flaky(broker, fails)
    try:
        conductor = Conductor(
            flaky, partitions=2, timeline="flaky", pump=pump, patience_s=patience_s
        )
        return conductor.play(simulate.chains(2, 1).messages, TICK_US)
    finally:
        worker.close()
        gateway.close()


def test_a_broker_that_does_not_answer_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    """Neither a look at the ends nor a tick that fails for now ends the feed."""
    undisturbed = play(tmp_path, {})
    away = [TransientError("the leader is moving") for _ in range(3)]
    fails: dict[str, list[Exception]] = {
        "ends": list(away),
        "committed": list(away),
        "commit": [*away, AbortError("not this time")],
    }
    assert play(tmp_path, fails) == undisturbed
    assert not any(fails.values()), "each of them was met"


def test_a_broker_that_stays_away_ends_the_feed(tmp_path: Path) -> None:
    """After its patience the conductor says what it was waiting for."""
    fails: dict[str, list[Exception]] = {
        "ends": [TransientError("nobody leads") for _ in range(10**6)]
    }
    with pytest.raises(FatalError, match="stands still: nobody leads"):
        play(tmp_path, fails, patience_s=0.2)
