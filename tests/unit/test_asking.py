"""What people type, and what a command that cannot do it says."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.streams import audit_run, cli, cli_check, topics
from supplytwin.streams.audit import Audited
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Settings


def run(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, [*words], input=stdin)


def refused(*words: str) -> str:
    """What a command says that does nothing."""
    done = run(*words)
    assert isinstance(done.exception, UsageError), done.exception
    assert not done.stdout
    return str(done.exception)


# ---- times


@pytest.mark.parametrize("text", ["1415181600", "2014-11-05T10:00:00", "soon"])
@pytest.mark.parametrize(
    "words",
    [
        ("audit", "--since"),
        ("gateway", "--recover-since"),
        ("twin", "show", "C", "--journal", "journal.jsonl", "--now"),
    ],
    ids=lambda words: words[-1],
)
def test_every_time_is_read_in_one_way(
    words: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bare number, no time without its zone; what to write is said before anything is done."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "journal.jsonl").touch()
    said = refused(*words, text)
    assert f"{words[-1]} '{text}' is no date" in said
    assert "2014-11-05T18:30:00+08:00" in said


@pytest.mark.parametrize(
    ("text", "micros"),
    [("1970-01-02", DAY_US), ("1970-01-02T09:00:00+08:00", DAY_US + HOUR_US)],
)
def test_an_audit_begins_at_the_time_that_was_written(
    text: str, micros: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a date all counts that was taken on it; an offset moves the time."""
    broker, heard = MemoryBroker(), []
    topics.init(broker, Settings())

    def audited(*_: Any, since: int, **__: Any) -> Audited:
        heard.append(since)
        return Audited()

    chosen = Chosen(broker=broker, how="in memory", close=lambda: None)
    monkeypatch.setattr(cli_check, "connect", lambda context: (Settings(), chosen))
    monkeypatch.setattr(audit_run, "run", audited)
    assert run("audit", "--since", text).exit_code == 0
    assert heard == [micros]
