"""Commands that run something: broker, init, work, tick, gateway, sink, up, watch."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from supplytwin.processors.chain import ChainFold
from supplytwin.schemas.errors import FatalError, UsageError
from supplytwin.streams import broker_choice, deployment, local_broker, observe, process
from supplytwin.streams.children import Children
from supplytwin.streams.settings import Settings, load

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


class Context(Struct, frozen=True, kw_only=True):
    """What the options before the command say."""

    config: Path | None
    debug: bool

    def settings(self) -> Settings:
        return load(self.config)


def emit_json(value: Any) -> None:
    """One JSON object and nothing else on standard output."""
    typer.echo(msgspec.json.encode(value).decode())


def connect(context: typer.Context, *, say: bool = True) -> tuple[Settings, broker_choice.Chosen]:
    """Settings, and the broker that a long-running command or a look needs: never one in memory."""
    settings = context.obj.settings()
    chosen = broker_choice.running(settings)
    if say:
        err.print(f"broker: {chosen.how}", style="dim")
    return settings, chosen


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(broker_app, name="broker")
    app.add_typer(sink_app, name="sink")
    app.command()(init)
    app.command()(work)
    app.command()(tick)
    app.command()(gateway)
    app.command()(up)
    app.command()(watch)


broker_app = typer.Typer(no_args_is_help=True, help="The local Apache Kafka (Java 17 and Maven).")
sink_app = typer.Typer(no_args_is_help=True, help="Consumers that put results somewhere.")
