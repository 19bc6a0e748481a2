"""What people type, and what a command that cannot do it says."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from settlement_world import contract, contract_terms
from typer.testing import CliRunner, Result

from supplytwin.schemas import codec
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros
from supplytwin.schemas.records import CONTRACTS, QUARANTINE, Quarantined
from supplytwin.sinks.duck import DuckSink
from supplytwin.streams import audit_run, cli, cli_check, topics
from supplytwin.streams.audit import Audited
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.drawing import Plain, folding
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


# ---- files


def db_commands(db: str) -> list[tuple[str, ...]]:
    """Every command that reads a file of the sink, or brings one up to date."""
    found: list[tuple[str, ...]] = [
        ("sql", "SELECT 1"),
        ("twin", "show", "C"),
        ("twin", "export", "C", "--format", "epcis"),
        ("twin", "spans"),
        ("quarantine", "list"),
        ("journal", "export", "out.jsonl"),
        ("journal", "export", "out.jsonl", "--chain", "C"),
    ]
    return [(*words, "--db", db) for words in found]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("db", [".", "/", "", "none.duckdb"])
def test_what_is_no_file_is_no_database(folder: Path, db: str) -> None:
    """A folder, nothing at all, or a name that nobody has: one line, whatever is asked."""
    for words in db_commands(db):
        assert "there is no database" in refused(*words), words
    assert not list(folder.iterdir())


def foreign(folder: Path, name: str) -> Path:
    """A file that somebody else made."""
    path = folder / name
    if name.endswith((".duckdb", ".parquet")):
        with duckdb.connect() if path.suffix == ".parquet" else duckdb.connect(path) as own:
            own.execute("CREATE TABLE journal AS SELECT 1 AS seq, 'mine' AS entry")
            if path.suffix == ".parquet":
                own.execute(f"COPY journal TO '{path}'")
    else:
        path.write_text('{"a": 1}' if name.endswith(".json") else "a,b\n1,2\n")
    return path


@pytest.mark.parametrize("name", ["own.duckdb", "x.csv", "x.json", "x.parquet", "x.txt"])
def test_what_somebody_else_made_is_refused_and_stays_as_it_was(folder: Path, name: str) -> None:
    """Not a byte is written, neither by a command that looks nor by one that writes."""
    path = foreign(folder, name)
    before = path.read_bytes()
    for words in db_commands(name):
        assert name in refused(*words), words
    with pytest.raises(UsageError, match=name):
        DuckSink(path, lambda: b"12345678")
    assert path.read_bytes() == before
    assert [one.name for one in folder.iterdir()] == [name]


def test_the_sink_fills_an_empty_database(folder: Path) -> None:
    """One whose first transaction was cut short is nobody else's."""
    duckdb.connect(folder / "twin.duckdb").close()
    DuckSink(folder / "twin.duckdb", lambda: b"12345678").close()
    assert run("sql", "FROM journal", "--db", "twin.duckdb").exit_code == 0


def test_a_file_that_is_no_database_is_called_that(folder: Path) -> None:
    """Whatever DuckDB could read it as."""
    assert refused("sql", "SELECT 1", "--db", str(foreign(folder, "x.csv"))).endswith(
        "x.csv: this is no DuckDB database"
    )


@pytest.fixture
def db(tmp_path: Path) -> str:
    """An empty file of the sink."""
    path = tmp_path / "twin.duckdb"
    DuckSink(path, lambda: b"12345678").close()
    return str(path)


def test_a_chain_that_nobody_has_is_not_exported(folder: Path, db: str) -> None:
    """Not as a file without entries, either."""
    words = ("journal", "export", "out.jsonl", "--db", db, "--chain", "NOPE")
    assert refused(*words) == f"no chain 'NOPE' in {db}"
    assert not (folder / "out.jsonl").exists()
    assert run(*words[:-2]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("journal", "export", "out.jsonl"), "or export from a DuckDB file: --db FILE"),
        (("audit", "--db", "twin.duckdb"), "an audit needs the Kafka that has the journal"),
    ],
    ids=["export", "audit"],
)
def test_without_a_broker_the_way_out_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], way_out: str
) -> None:
    """As after the demo, whose broker has ended with it."""
    monkeypatch.delenv("SUPPLYTWIN_KAFKA__BOOTSTRAP", raising=False)
    monkeypatch.setenv("SUPPLYTWIN_KAFKA__STATE_DIR", str(folder / "broker"))
    said = refused(*words)
    assert "no broker" in said and way_out in said


# ---- what is printed


def drawn(capsys: pytest.CaptureFixture[str]) -> list[str]:
    table = folding("one", "two")
    table.add_row("x" * 90, "y" * 90)
    Plain().print(table)
    return capsys.readouterr().out.splitlines()


def test_a_table_in_a_pipe_is_not_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row is one line, for grep and for files; COLUMNS says otherwise, as everywhere."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert sum("x" in line for line in drawn(capsys)) == 1
    monkeypatch.setenv("COLUMNS", "80")
    assert sum("x" in line for line in drawn(capsys)) > 1


# ---- SQL


def test_what_duckdb_proposes_is_kept(db: str) -> None:
    """Candidates, and the place in the statement."""
    said = refused("sql", "SELECT chain_i FROM journal", "--db", db)
    assert "chain_id" in said and "LINE 1:" in said
    assert '"journal"' in refused("sql", "FROM journall", "--db", db)


def test_a_statement_may_come_from_standard_input(db: str) -> None:
    """So it may begin with a comment, which as an argument would be an option."""
    done = run("sql", "-", "--db", db, "--csv", stdin="-- one\nSELECT 1 AS a")
    assert done.stdout.split() == ["a", "1"]


def test_an_answer_has_one_form(db: str) -> None:
    """JSON and CSV together are refused."""
    assert "--json or --csv" in refused("sql", "SELECT 1", "--db", db, "--json", "--csv")


# ---- the quarantine

CONTRACT = contract(contract_terms())


def refused_records(folder: Path) -> str:
    """A file of the sink with two refused records: one of our schemas, one of none."""
    records = []
    for topic, body in ((CONTRACTS, codec.encode(CONTRACTS, CONTRACT)), ("shipments", b"\xff\x00")):
        refused_ = Quarantined(
            topic=topic, partition=0, offset=7, arrival=Micros(0), key=b"PO-1", code="BAD_TERMS",
            field="signatures", reason="SELLER has not signed", headers=(), body=body,
            body_sha256="", size=len(body),
        )  # fmt: skip
        value = codec.encode(QUARANTINE, refused_)
        records.append(
            Record(
                topic=QUARANTINE,
                partition=0,
                offset=len(records),
                arrival=Micros(0),
                key=b"PO-1",
                value=value,
            )
        )
    path = folder / "twin.duckdb"
    sink = DuckSink(path, lambda: b"12345678")
    sink.write({QUARANTINE: records}, {})
    sink.close()
    return str(path)


def test_a_refused_record_of_ours_is_shown_field_by_field(folder: Path) -> None:
    """Its terms as the text that they are; what nobody can read stays in hex."""
    db = refused_records(folder)
    said = run("quarantine", "show", CONTRACTS, "0", "7", "--db", db).stdout
    assert f"  contract_id: {CONTRACT.contract_id}\n" in said
    terms = CONTRACT.terms.decode()
    assert "".join(f"terms: {terms}".split()) in "".join(said.split())
    assert "body: ff00" in run("quarantine", "show", "shipments", "0", "7", "--db", db).stdout
