"""A deployment over a broker in memory with its worker, and the commands beside it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from supplytwin.processors.chain import ChainState
from supplytwin.schemas import codec, journal
from supplytwin.schemas.events import SHIPMENTS, Event
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import partition_of
from supplytwin.schemas.records import JOURNAL, QUARANTINE, JournalEntry, Quarantined
from supplytwin.streams import cli, cli_check, cli_feed, deployment, topics
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Kafka, Settings, Time
from supplytwin.streams.summary import read_all

DATA = Path(__file__).resolve().parents[1] / "data"
PARTITIONS = 3
TURNS = 30
"""So many turns of the worker take whatever a command has sent."""


class World:
    """The deployment; every command is followed by what the worker makes of it."""

    def __init__(self, patch: pytest.MonkeyPatch, *, simulated: bool = False) -> None:
        self.settings = Settings(
            kafka=Kafka(partitions=PARTITIONS), time=Time(simulated=simulated, timeline="t")
        )
        self.broker = MemoryBroker()
        topics.init(self.broker, self.settings)
        self.worker = deployment.worker(
            self.broker, self.settings, topics.require_meta(self.broker)
        )
        chosen = Chosen(broker=self.broker, how="in memory", close=lambda: None)
        for module in (cli_feed, cli_check):
            patch.setattr(module, "connect", lambda context: (self.settings, chosen))

    def pump(self) -> None:
        for _ in range(TURNS):
            self.worker.turn(0.0)

    def run(self, *words: str, stdin: bytes | None = None) -> Result:
        """A command, and what the worker makes of it."""
        done = CliRunner().invoke(cli.app, [*words], input=stdin)
        self.pump()
        return done

    def fed(self, *words: str, stdin: bytes | None = None) -> dict[str, Any]:
        """The summary of `feed ... --json`."""
        done = self.run("feed", *words, "--json", stdin=stdin)
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.exit_code == (1 if found["refused"] else 0)
        return found

    def act(self, how: str, place: Quarantined, *options: str) -> Result:
        """The desk's command on a refused record."""
        where = (place.topic, str(place.partition), str(place.offset))
        return self.run("quarantine", how, *where, "--who", "olga", "--reason", "told", *options)

    def records(self, topic: str) -> list[Record]:
        return list(read_all(self.broker, topic, PARTITIONS))

    def events(self, topic: str = SHIPMENTS) -> list[Event]:
        """Of a supply topic, without what was refused there."""
        sent = [one for one in self.records(topic) if (one.value or b"")[:1] == b"\xc3"]
        found = [codec.read(topic, record.value or b"") for record in sent]
        return [one for one in found if isinstance(one, Event)]

    def refused(self) -> list[Quarantined]:
        found = [codec.read(QUARANTINE, one.value or b"") for one in self.records(QUARANTINE)]
        return [one for one in found if isinstance(one, Quarantined)]

    def facts(self) -> list[JournalEntry]:
        """The journal's entries of facts."""
        found = [journal.read(record.value or b"") for record in self.records(JOURNAL)]
        return [entry for entry in found if entry.kind == "FACT"]

    def state(self, chain: str) -> ChainState:
        return self.worker.stores[partition_of(chain.encode(), PARTITIONS)].states[chain]
