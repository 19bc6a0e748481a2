"""Settings: one TOML file, overlaid by SUPPLYTWIN_SECTION__KEY in the environment."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import UsageError

PREFIX = "SUPPLYTWIN_"
CONFIG = "SUPPLYTWIN_CONFIG"
DEFAULT_FILE = Path("supplytwin.toml")


Count = Annotated[int, msgspec.Meta(ge=1)]
Whole = Annotated[int, msgspec.Meta(ge=0)]


class Kafka(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    bootstrap: str = ""
    """host:port[,host:port]; empty = find or start one (see `streams.broker_choice`)."""
    partitions: Count = 12
    replication: Count = 1
    min_insync_replicas: Count = 1
    client: dict[str, str | int | float | bool] = {}
    """Passed to librdkafka untouched, for producers, consumers and admin clients."""
    state_dir: str = ""
    """Where the local broker keeps its data; empty = the user's state directory."""


class Time(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    simulated: bool = False
    """True: a feed writes the ticks of its own timeline, and records carry recorded times."""
    timeline: str = "wall"
    tick_ms: Count = 200


class WorkerSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    batch: Count = 5000
    transaction_timeout_ms: Count = 10_000
    session_timeout_ms: Count = 45_000
    """45 s under a supervisor that restarts at once; 10 s where peers must take over. Of the group
    protocol `classic`; of `consumer` it is the broker's `group.consumer.session.timeout.ms`.
    """
    group_protocol: Literal["classic", "consumer"] = "classic"
    """`classic`: static membership, a restart within the session is no rebalance. `consumer`
    (KIP-848): partition numbers move one by one, a restart is a rebalance.
    """
    close_after_days: Whole = 90
    """A finished chain leaves memory after so many days of ticks without an entry; 0 = never."""
    memory_max_mb: Whole = 4096
    """Of one worker: an alarm from 80 % on, no more input at 100 %; 0 = no limit."""
    fail_at: str = ""
    """Only for tests: leave by SIGKILL at this point of the loop, `NAME` or `NAME:nth`."""


class QuarantineSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    stop: tuple[str, ...] = ()
    """Input topics of which a refused record stops the worker; the others skip it."""
    rate_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """Stop when more than this share of a minute's records is refused; 0 = never."""


class Keys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hmac_secrets: str = ""
    """JSON file of the worker: kid -> the shared secret in hex; empty = no HMAC is checked."""


class Snapshot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    dir: str = ""
    """Of this deployment only; empty = one in the user's state directory for each cluster."""
    every: Whole = 300
    """Seconds between two snapshots of a partition number; 0 = none are written or read."""


class Duck(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: str = "supplytwin.duckdb"
    rows_max: Count = 10_000
    seconds_max: Count = 30
    fail_at: str = ""
    """Only for tests: leave by SIGKILL at this point, `before_commit` or `after_commit`."""


class Gateway(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ledger: str = "simulated-rail.sqlite"
    seed: int = 7
    fail_at: str = ""
    behaviour: dict[str, int] = {}
    """Shares of the simulated rail's behaviours in per mille, by name; empty = its defaults."""


class RailSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rail the gateway leads to; see docs/rails.md."""

    kind: Literal["simulated", "iso20022-http", "iso20022-files"] = "simulated"
    """`simulated`: no bank and no money. The others: a bank, over HTTP or over two folders."""
    initiator: str = ""
    """The name of who hands files over, as the bank knows it."""
    agent: str = ""
    """BIC of the bank: every debtor's. Or `SYSTEM:NUMBER` of a clearing system (`CNAPS:1025…`)."""
    zone: str = "UTC"
    """The bank's time zone: its days are these."""
    parties: str = ""
    """A JSON file: terms hash -> debtor, creditor, funding, purpose_code, charges."""
    folder: str = "bank"
    """Where documents of the bank are kept."""
    to_bank: str = ""
    from_bank: str = ""
    payments_url: str = ""
    recalls_url: str = ""
    mailbox_url: str = ""
    status_url: str = ""
    """With {end_to_end_id}, {uetr} or {message_id} in it."""
    confirms: bool = False
    """The mailbox keeps a message until it is deleted by its id."""
    authorization: str = ""
    """The value of that header, with every request."""
    timeout_s: Annotated[int, msgspec.Meta(ge=1, le=15)] = 10
    poll_ms: Whole = 1000


class Watch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 6066
    alerts: Count = 500


class SchemaRegistry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registry that speaks Confluent's interface; see docs/security.md."""

    url: str = ""
    """http[s]://host:port[,…]; empty = none: what we write names its schema by its fingerprint."""
    subjects: Literal["TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy"] = (
        "TopicNameStrategy"
    )
    """How subjects are named: TOPIC-value, the record's full name, or TOPIC-the record's name."""
    auto_register: bool = True
    """False: a schema of ours that is not there stops the start."""
    client: dict[str, str | int | float | bool] = {}
    """Passed to confluent-kafka's SchemaRegistryClient: basic.auth.user.info, ssl.ca.location, …"""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set, by section."""

    kafka: Kafka = Kafka()
    time: Time = Time()
    worker: WorkerSection = WorkerSection()
    quarantine: QuarantineSection = QuarantineSection()
    keys: Keys = Keys()
    snapshot: Snapshot = Snapshot()
    duck: Duck = Duck()
    gateway: Gateway = Gateway()
    rail: RailSection = RailSection()
    watch: Watch = Watch()
    schema_registry: SchemaRegistry = SchemaRegistry()


SECTIONS: dict[str, type[Struct]] = {
    "kafka": Kafka, "time": Time, "worker": WorkerSection, "quarantine": QuarantineSection,
    "snapshot": Snapshot, "duck": Duck, "gateway": Gateway, "rail": RailSection, "watch": Watch,
    "schema_registry": SchemaRegistry, "keys": Keys,
}  # fmt: skip


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force: the file `path` (else SUPPLYTWIN_CONFIG, else ./supplytwin.toml if
    there is one), overlaid by the environment. Raises UsageError naming the unknown or bad key.
    """
    given = os.environ if environ is None else environ
    raw = _read(path, given)
    for section, values in raw.items():
        _check_names(section, values)
    for section, key, value in _overlay(given):
        raw.setdefault(section, {})[key] = value
    try:
        settings = msgspec.convert(raw, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"settings: {_placed(str(error))}") from None
    if settings.kafka.min_insync_replicas > settings.kafka.replication:
        raise UsageError("settings: [kafka] min_insync_replicas must not exceed replication")
    return settings


def _read(path: Path | None, environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    if path is None:
        named = environ.get(CONFIG)
        if not named and not DEFAULT_FILE.exists():
            return {}
        path = Path(named) if named else DEFAULT_FILE
    try:
        with path.open("rb") as file:
            found: dict[str, dict[str, Any]] = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"settings file {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"settings file {path}: {error}") from None
    return found


def _overlay(environ: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    """(section, key, value) for each of our variables; a table's value is a JSON object."""
    found: list[tuple[str, str, Any]] = []
    for name, text in sorted(environ.items()):
        section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
        if not name.startswith(PREFIX):
            continue
        if not separator:
            _check_separator(name)
            continue
        _check_names(section, {key: text})
        value: Any = text
        if isinstance(getattr(SECTIONS[section](), key), dict | tuple):
            try:
                value = msgspec.json.decode(text)
            except msgspec.DecodeError:
                raise UsageError(f"settings: {name} must be JSON: an object or a list") from None
        found.append((section, key, value))
    return found


def _check_separator(name: str) -> None:
    """A variable of ours with one underscore too few would be ignored without a word."""
    rest = name.removeprefix(PREFIX)
    for section in SECTIONS:
        if rest.lower().startswith(f"{section}_"):
            right = f"{PREFIX}{rest[: len(section)]}__{rest[len(section) + 1 :]}"
            raise UsageError(f"settings: {name} must be written {right}")


def _placed(text: str) -> str:
    """msgspec's words, with the place as people write it: `[kafka] partitions: expected …`."""
    what, _, where = text.rpartition(" - at `$.")
    section, _, key = where.rstrip("`").partition(".")
    return f"[{section}] {key}: {what}" if what else text


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
    """What a child process needs in its environment to have these settings, whatever its file."""
    found = {}
    for section in SECTIONS:
        values = msgspec.structs.asdict(getattr(settings, section))
        for key, value in values.items():
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            found[f"{PREFIX}{section.upper()}__{key.upper()}"] = text
    return found
