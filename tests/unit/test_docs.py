"""The documentation says what the code has: commands, topics, metrics, codes, settings, files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import typer.main

from supplytwin.processors import epcis, epcis_sensors
from supplytwin.schemas.errors import Code
from supplytwin.schemas.events import Event
from supplytwin.streams import acl, topics
from supplytwin.streams.cli import app
from supplytwin.streams.gauges import Gauges
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.observe import GatewayMetrics, Metrics, SinkMetrics, UpMetrics

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()


def commands(group: Any, before: str = "") -> Iterator[str]:
    """Every command that does something, as its words behind `supplytwin`."""
    for name, command in group.commands.items():
        words = f"{before}{name}"
        if hasattr(command, "commands"):
            yield from commands(command, f"{words} ")
        else:
            yield words


def test_every_command_is_documented() -> None:
    """No command of `supplytwin` is missing from docs/operations.md, and none there is made up."""
    known = set(commands(typer.main.get_command(app)))
    assert len(known) > 15
    for words in known:
        assert re.search(rf"`(supplytwin )?{words}( --[^`]*)?`", OPERATIONS), words
    for said in re.findall(
        r"`supplytwin ([a-z][a-z ]*?)(?: [-A-Z\"…][^`]*)?`", OPERATIONS + README
    ):
        assert said in known, said


def test_every_statement_of_the_docs_can_be_asked() -> None:
    """Each block of SQL is one statement, and none begins like an option of the command line."""
    texts = [README, *(path.read_text() for path in (ROOT / "docs").glob("*.md"))]
    blocks = [one for text in texts for one in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)]
    assert len(blocks) > 3
    for block in blocks:
        assert len(duckdb.extract_statements(block)) == 1, block
        assert not block.startswith("-"), block


def test_every_topic_is_documented() -> None:
    """Every topic of the declaration stands in the table, and no other."""
    section = OPERATIONS.split("## Topics")[1].split("##")[0]
    first_column = " ".join(line.split("|")[1] for line in section.splitlines() if "| `" in line)
    said = set(re.findall(r"`([a-z.]+)`", first_column))
    assert said == set(topics.ALL)


def test_every_metric_is_documented() -> None:
    """Every metric of every process stands in the table under the name it is scraped as."""
    worker = Metrics()
    Gauges(MemoryBroker(), worker.registry, "g", (), numbers=list)
    for one in (worker, GatewayMetrics(), SinkMetrics(), UpMetrics()):
        for family in one.registry.collect():
            if family.name.startswith("process_"):
                continue  # prometheus_client's own, documented there
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert f"`{name}" in OPERATIONS, name


def test_every_quarantine_code_is_documented() -> None:
    """Each reason for a quarantine has a line that says what to do."""
    for code in Code:
        assert f"| `{code}` |" in OPERATIONS, code


def test_every_alarm_is_documented() -> None:
    """Each log line of level error has a line that says what to do."""
    for path in sorted((ROOT / "streams").glob("*.py")):
        for text in re.findall(r"log\.error\(\s*\"([^\"]+)\"", path.read_text()):
            assert f"`{text}`" in OPERATIONS, f"{path.name}: {text}"


def test_every_named_file_exists() -> None:
    """Paths that the documents name are there."""
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/operations.md",
                 "docs/security.md", "docs/feeds.md"):  # fmt: skip
        text = (ROOT / name).read_text()
        for path in re.findall(
            r"`((?:schemas|processors|streams|sinks|tests|infra|docs)/[\w./-]+)`", text
        ):
            assert list(ROOT.glob(path)) or "NAME" in path, f"{name}: {path}"


def test_every_role_is_documented() -> None:
    """Each role of `topics acl` has its place in docs/security.md, and no other has."""
    section = (ROOT / "docs" / "security.md").read_text().split("## Rights")[1].split("\n## ")[0]
    first_column = " ".join(line.split("|")[1] for line in section.splitlines() if "| `" in line)
    said = re.findall(r"`([a-z-]+)`", first_column)
    assert said == [role.name for role in acl.roles()]


def test_every_fact_of_epcis_is_documented() -> None:
    """The table of steps names the event types that the mapping makes, and no other."""
    section = (ROOT / "docs" / "feeds.md").read_text().split("### What a step becomes")[1]
    said = set(re.findall(r"`((?:wh|shipment)\.[a-z_]+)`", section.split("\nConsignment =")[0]))
    modules = vars(epcis) | vars(epcis_sensors)
    made = [one for one in modules.values() if isinstance(one, type)]
    assert said == {one.TYPE for one in made if issubclass(one, Event) and one is not Event}


def test_every_option_that_the_docs_show_exists() -> None:
    """Of each command line in README and docs: its command, and every option of it."""
    texts = [README, *(path.read_text() for path in (ROOT / "docs").glob("*.md"))]
    shown = [
        line
        for text in texts
        for kind, block in re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        for line in block.replace("\\\n", " ").splitlines()
        if kind in ("", "sh", "bash", "console")
    ]
    shown += [one for text in texts for one in re.findall(r"`(supplytwin [^`\n]+)`", text)]
    seen = 0
    for line in shown:
        said = re.search(r"\bsupplytwin ([a-z].*)", line.split(" #")[0])
        if said is None:
            continue
        command: Any = typer.main.get_command(app)
        words = said[1].split()
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not getattr(command, "commands", {}) or not words, line
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        used = {word.split("=")[0] for word in words if word.startswith("--")}
        assert used <= known | {"--help"}, line
        seen += bool(used)
    assert seen > 30
