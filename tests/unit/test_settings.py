"""Settings: one file, overlaid by the environment; what is not understood is an error."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from supplytwin.schemas.errors import UsageError
from supplytwin.streams import deployment, settings
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Snapshot, Time, load
from supplytwin.streams.topics import Meta


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_defaults_need_no_file(folder: Path) -> None:
    """Without file and environment everything has its default."""
    found = load(environ={})
    assert found == Settings()
    assert (found.kafka.partitions, found.time.simulated, found.time.tick_ms) == (12, False, 200)
    assert (found.worker.batch, found.worker.transaction_timeout_ms) == (5000, 10_000)


def test_the_file_that_is_named_wins(folder: Path) -> None:
    """--config before SUPPLYTWIN_CONFIG before ./supplytwin.toml."""
    write(folder / "supplytwin.toml", "kafka.partitions = 1")
    named = write(folder / "named.toml", "kafka.partitions = 2")
    given = write(folder / "given.toml", "kafka.partitions = 3")
    environ = {"SUPPLYTWIN_CONFIG": str(named)}
    assert load(environ={}).kafka.partitions == 1
    assert load(environ=environ).kafka.partitions == 2
    assert load(given, environ).kafka.partitions == 3


def test_the_environment_overlays_the_file(folder: Path) -> None:
    """Text becomes what the field is; the rest of the file stays."""
    file = write(folder / "a.toml", "[kafka]\nbootstrap = 'a:1'\npartitions = 5\n")
    environ = {
        "SUPPLYTWIN_KAFKA__BOOTSTRAP": "b:2,c:3",
        "SUPPLYTWIN_TIME__SIMULATED": "true",
        "SUPPLYTWIN_WORKER__BATCH": "77",
        "SUPPLYTWIN_GATEWAY__BEHAVIOUR": '{"silent": 3}',
        "PATH": "/bin",
    }
    found = load(file, environ)
    assert found.kafka == Kafka(bootstrap="b:2,c:3", partitions=5)
    assert (found.time.simulated, found.worker.batch) == (True, 77)
    assert found.gateway.behaviour == {"silent": 3}


def test_client_settings_pass_untouched(folder: Path) -> None:
    """[kafka.client] keeps its names with dots, and text, numbers and truth values."""
    text = "[kafka.client]\n'security.protocol' = 'SSL'\n'fetch.max.bytes' = 9\n'x.y' = true\n"
    client = load(write(folder / "a.toml", text), {}).kafka.client
    assert client == {"security.protocol": "SSL", "fetch.max.bytes": 9, "x.y": True}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[kafka]\nbootstap = 'a'", r"\[kafka\] bootstap; did you mean bootstrap\?"),
        ("[kafak]\npartitions = 1", r"\[kafak\]; did you mean kafka\?"),
        ("[time]\nqqq = 1", r"\[time\] qqq; known: simulated, tick_ms, timeline"),
        ("kafka = 1", r"\[kafka\] must be a section"),
        ("[kafka]\npartitions = 'many'", r"\[kafka\] partitions: .*int"),
        ("[kafka]\npartitions = 0", r"\[kafka\] partitions: .*>= 1"),
        ("[kafka]\nmin_insync_replicas = 2", "min_insync_replicas must not exceed replication"),
        ("[watch]\nport = 70000", r"\[watch\] port: .*<= 65535"),
        ("[kafka", "settings file .*a.toml: "),
    ],
)
def test_what_is_wrong_in_the_file_is_named(folder: Path, text: str, said: str) -> None:
    """One line with section and key, and the nearest that exists."""
    with pytest.raises(UsageError, match=said) as caught:
        load(write(folder / "a.toml", text), {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SUPPLYTWIN_KAFKA__BOOTSTRP", "a", r"\[kafka\] bootstrp; did you mean bootstrap\?"),
        ("SUPPLYTWIN_KAFAK__BOOTSTRAP", "a", r"\[kafak\]; did you mean kafka\?"),
        ("SUPPLYTWIN_TIME__TICK_MS", "soon", r"\[time\] tick_ms: .*int"),
        ("SUPPLYTWIN_TIME__SIMULATED", "perhaps", r"\[time\] simulated: .*bool"),
        ("SUPPLYTWIN_KAFKA_BOOTSTRAP", "a", "must be written SUPPLYTWIN_KAFKA__BOOTSTRAP"),
        ("SUPPLYTWIN_KAFKA__CLIENT", "a=b", "SUPPLYTWIN_KAFKA__CLIENT must be JSON: an object"),
        ("SUPPLYTWIN_CONFIG", "gone.toml", "settings file gone.toml: No such file"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(
    folder: Path, name: str, value: str, said: str
) -> None:
    """A variable of ours that would be ignored is an error, not a silence."""
    with pytest.raises(UsageError, match=said):
        load(environ={name: value})


def test_a_missing_file_is_an_error_when_it_was_named(folder: Path) -> None:
    """Only ./supplytwin.toml may be absent."""
    with pytest.raises(UsageError, match=r"gone\.toml: No such file"):
        load(Path("gone.toml"), {})


def test_children_get_the_same_settings(folder: Path) -> None:
    """The environment made of settings, tables included, gives these settings again."""
    wanted = Settings(
        kafka=Kafka(bootstrap="a:1", partitions=4, client={"a.b": "c", "n": 5, "t": True}),
        time=Time(simulated=True, timeline="scms"),
        gateway=Gateway(behaviour={"reject": 20}, seed=-3),
    )
    write(folder / "supplytwin.toml", "[kafka]\npartitions = 9\n[kafka.client]\n'x' = 'y'\n")
    assert load(environ=settings.as_environment(wanted)) == wanted


def test_settings_cannot_be_changed() -> None:
    """They are frozen, and every section is listed."""
    with pytest.raises(AttributeError):
        load(environ={}).kafka.partitions = 3  # type: ignore[misc]
    assert settings.SECTIONS.keys() == set(Settings.__struct_fields__)


def test_a_registry_is_a_section(folder: Path) -> None:
    """With the client's own settings as a table, in the file and in the environment."""
    written = write(
        folder / "r.toml",
        '[schema_registry]\nurl = "http://r"\nauto_register = false\n'
        'client = { "ssl.ca.location" = "ca.pem" }\n',
    )
    found = load(written, {}).schema_registry
    assert (found.url, found.auto_register, found.subjects) == (
        "http://r", False, "TopicNameStrategy",
    )  # fmt: skip
    assert found.client == {"ssl.ca.location": "ca.pem"}
    again = load(environ=settings.as_environment(load(written, {})))
    assert again.schema_registry == found
    with pytest.raises(UsageError, match=r"\[schema_registry\] subjects"):
        load(environ={"SUPPLYTWIN_SCHEMA_REGISTRY__SUBJECTS": "mine"})
    with pytest.raises(UsageError, match="SUPPLYTWIN_SCHEMA_REGISTRY__URL"):
        load(environ={"SUPPLYTWIN_SCHEMA_REGISTRY_URL": "http://r"})


class Elsewhere:
    kind, address = "kafka", "broker:9092"


def test_snapshots_are_kept_apart_by_deployment(tmp_path: Path) -> None:
    """By default a folder for each cluster and timeline; none when off or when nothing outlives the
    broker; a folder that is given is taken as it is."""
    broker: Any = Elsewhere()
    meta = Meta(simulated=False, timeline="wall", partitions=1)
    found = deployment.snapshot_folder(broker, Settings(), meta)
    other = deployment.snapshot_folder(
        broker, Settings(), msgspec.structs.replace(meta, timeline="x")
    )
    assert found is not None
    assert found != other
    assert found.parent.name == "snapshots"
    off = Settings(snapshot=Snapshot(every=0))
    assert deployment.snapshot_folder(broker, off, meta) is None
    assert deployment.snapshot_folder(MemoryBroker(), Settings(), meta) is None
    given = Settings(snapshot=Snapshot(dir=str(tmp_path)))
    assert deployment.snapshot_folder(broker, given, meta) == tmp_path
    with pytest.raises(UsageError, match="every"):
        load(environ={"SUPPLYTWIN_SNAPSHOT__EVERY": "-1"})
