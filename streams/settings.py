"""Settings: one TOML file, overlaid by SUPPLYTWIN_SECTION__KEY in the environment, checked at once."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import UsageError

PREFIX = "SUPPLYTWIN_"
DEFAULT_FILE = Path("supplytwin.toml")


class Kafka(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    bootstrap: str = ""
    """host:port[,host:port]; empty = find or start one (see `streams.broker_choice`)."""
    partitions: int = 12
    replication: int = 1
    min_insync_replicas: int = 1
    client: dict[str, str] = {}
    """Passed to librdkafka untouched, for producers, consumers and admin clients."""
    state_dir: str = ""
    """Where the local broker keeps its data; empty = the user's state directory."""


class Time(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    simulated: bool = False
    """True: a feed writes the ticks of its own timeline, and records carry recorded times."""
    timeline: str = "wall"
    tick_ms: int = 200


class WorkerSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    batch: int = 5000
    transaction_timeout_ms: int = 10_000
    session_timeout_ms: int = 45_000
    """45 s under a supervisor that restarts at once; 10 s where peers must take over."""
    fail_at: str = ""
    """Only for tests: leave by SIGKILL at this point of the loop, `NAME` or `NAME:nth`."""


class Duck(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: str = "supplytwin.duckdb"
    rows_max: int = 10_000
    seconds_max: int = 30


class Gateway(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ledger: str = "simulated-rail.sqlite"
    seed: int = 7
    fail_at: str = ""
    behaviour: dict[str, int] = {}
    """Shares of the simulated rail's behaviours in per mille, by name; empty = its defaults."""


class Watch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: int = 6066
    alerts: int = 500


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kafka: Kafka = Kafka()
    time: Time = Time()
    worker: WorkerSection = WorkerSection()
    duck: Duck = Duck()
    gateway: Gateway = Gateway()
    watch: Watch = Watch()


SECTIONS: dict[str, type[Struct]] = {
    "kafka": Kafka, "time": Time, "worker": WorkerSection, "duck": Duck, "gateway": Gateway,
    "watch": Watch,
}  # fmt: skip


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Raises UsageError naming the unknown or bad key."""
    raw = _read(path)
    for section, key, value in _overlay(os.environ if environ is None else environ):
        raw.setdefault(section, {})[key] = value
    for section, values in raw.items():
        _check_names(section, values)
    try:
        return msgspec.convert(raw, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"settings: {error}") from None


def _read(path: Path | None) -> dict[str, dict[str, Any]]:
    if path is None:
        if not DEFAULT_FILE.exists():
            return {}
        path = DEFAULT_FILE
    try:
        with path.open("rb") as file:
            found: dict[str, dict[str, Any]] = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"settings file {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"settings file {path}: {error}") from None
    return found


def _overlay(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    found = []
    for name, value in sorted(environ.items()):
        section, separator, key = name.removeprefix(PREFIX).partition("__")
        if name.startswith(PREFIX) and separator:
            found.append((section.lower(), key.lower(), value))
    return found


def _check_names(section: str, values: Any) -> None:
    if section not in SECTIONS:
        raise UsageError(f"settings: unknown section [{section}]{_nearest(section, SECTIONS)}")
    if not isinstance(values, dict):
        raise UsageError(f"settings: [{section}] must be a section")
    names = SECTIONS[section].__struct_fields__
    for key in values:
        if key not in names:
            raise UsageError(f"settings: unknown key [{section}] {key}{_nearest(key, names)}")


def _nearest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"


def as_environment(settings: Settings) -> dict[str, str]:
    """What child processes need in their environment to have the same scalar settings."""
    found = {}
    for section in SECTIONS:
        values = msgspec.structs.asdict(getattr(settings, section))
        for key, value in values.items():
            if not isinstance(value, dict):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                found[f"{PREFIX}{section.upper()}__{key.upper()}"] = text
    return found
