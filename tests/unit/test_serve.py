"""SQL for analysts: through the running sink or from the file, and nothing but reading."""

import csv
import http.client
import io
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pytest
import sink_world as w

from supplytwin.schemas.errors import FatalError, UsageError
from supplytwin.schemas.records import JOURNAL, MILESTONES
from supplytwin.sinks import query as asking
from supplytwin.sinks import serve
from supplytwin.sinks.duck import DuckSink
from supplytwin.sinks.query import Endpoint, Result, endpoint_file, journal_entries, query
from supplytwin.sinks.serve import ARROW, CSV, SqlServer

CHAINS = 4
ROWS_MAX = 50
Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed file with four chains, for reading only."""
    path: Path = tmp_path_factory.mktemp("duck") / "twin.duckdb"
    _fill(path).close()
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SqlServer]]:
    """A sink that has its file open, and answers."""
    path: Path = tmp_path_factory.mktemp("live") / "twin.duckdb"
    sink = _fill(path)
    server = SqlServer(path, sink.connection, ROWS_MAX, 5.0)
    server.start()
    yield path, server
    server.stop()
    sink.close()


def _fill(path: Path) -> DuckSink:
    sink = DuckSink(path, lambda: b"12345678")
    log = w.Log()
    sink.write(w.grouped(w.history(log, CHAINS)), w.offsets_of(log))
    return sink


@pytest.fixture(params=["the file", "the running sink"])
def ask(request: pytest.FixtureRequest, filled: Path) -> Ask:
    """Both ways of asking."""
    if request.param == "the file":
        return lambda text, *limits: query(filled, text, *limits)
    path, _ = request.getfixturevalue("running")
    return lambda text, *limits: query(path, text, *limits)


# ---- answers


def test_both_ways_give_the_same_answer(filled: Path, running: tuple[Path, SqlServer]) -> None:
    """Rows, columns and offsets do not depend on whether a sink runs; the answer says which."""
    text = "SELECT chain_id, count(*) AS n, max(arrival) AS at FROM journal GROUP BY 1 ORDER BY 1"
    direct, served = query(filled, text), query(running[0], text)
    assert msgspec.structs.replace(served, via=direct.via) == direct
    assert direct.columns == ["chain_id", "n", "at"]
    assert direct.rows[0] == ["SCMS-0", 3, "2014-05-13T16:53:20"]
    assert direct.via == "the file"
    assert served.via == f"the running sink (pid {os.getpid()})"


def test_an_answer_says_as_of_which_offsets(ask: Ask) -> None:
    """Every answer names the next offset of each partition that the file held."""
    found = ask("SELECT sum(next_offset)::BIGINT FROM sink_offset WHERE topic = 'twin.journal'")
    assert sum(o for topic, _, o in found.offsets if topic == JOURNAL) == found.rows[0][0] == 12


def test_values_come_as_json_has_them(ask: Ask) -> None:
    """Decimals and times as text, bytes as hex, lists and structs as they are, giants as text."""
    found = ask(
        "SELECT 1.50::DECIMAL(9,2), DATE '2020-02-03', '\\x01\\xFF'::BLOB, [1, NULL], {'a': true}, "
        "170141183460469231731687303715884105727::HUGEINT, NULL, 'é', "
        "'2020-02-03 04:05:06+00'::TIMESTAMPTZ, MAP {'k': 1}"
    )
    assert found.rows == [
        ["1.50", "2020-02-03", "01ff", [1, None], {"a": True},
         "170141183460469231731687303715884105727", None, "é", "2020-02-03T04:05:06+00:00",
         {"k": 1}]
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["EXPLAIN SELECT * FROM journal", "DESCRIBE journal", "SHOW TABLES", "SUMMARIZE milestone",
     "FROM late_line", "WITH a AS (SELECT 1 AS b) SELECT b FROM a", "SELECT 1;"],
)  # fmt: skip
def test_every_kind_of_reading_is_allowed(ask: Ask, text: str) -> None:
    """EXPLAIN, DESCRIBE, SHOW and the FROM-first form are reading, too."""
    assert ask(text).columns


def test_rows_are_limited(ask: Ask) -> None:
    """No more rows than asked for, and it is said that there are more."""
    some, all_of_it = ask("FROM range(20)", 7), ask("FROM range(20)", 20)
    assert (len(some.rows), some.truncated) == (7, True)
    assert (len(all_of_it.rows), all_of_it.truncated) == (20, False)


def test_an_endless_answer_costs_only_what_is_asked_for(ask: Ask) -> None:
    """A result of a hundred billion rows is cut while it is made."""
    assert ask("FROM range(100000000000)", 3).rows == [[0], [1], [2]]


def test_the_sinks_own_limit_holds(running: tuple[Path, SqlServer]) -> None:
    """A client cannot ask the running sink for more rows than its operator allows."""
    assert len(query(running[0], "FROM range(1000)", 900).rows) == ROWS_MAX


def test_time_is_limited(ask: Ask) -> None:
    """A statement that takes too long is interrupted, and the next one is answered."""
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"took longer than 0\.3 s"):
        ask("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b", 10, 0.3)
    assert time.monotonic() - began < 5
    assert ask("SELECT 1").rows == [[1]]


# ---- nothing but reading

TRICKS = {
    "delete": "DELETE FROM journal",
    "insert": "INSERT INTO sink_offset VALUES ('x', 0, 0)",
    "update": "UPDATE twin_state SET flags = []",
    "drop": "DROP TABLE journal",
    "create": "CREATE TABLE x AS SELECT 1",
    "delete in a WITH": "WITH d AS (DELETE FROM journal RETURNING *) SELECT * FROM d",
    "insert in a WITH": "WITH d AS (INSERT INTO sink_offset VALUES ('x', 0, 0) RETURNING *) FROM d",
    "copy in a WITH": "WITH d AS (COPY journal TO '{out}') SELECT 1",
    "copy out": "COPY journal TO '{out}'",
    "copy a query out": "COPY (SELECT 1) TO '{out}' (FORMAT parquet)",
    "copy in": "COPY journal FROM '/etc/hostname'",
    "export": "EXPORT DATABASE '{out}'",
    "run the delete": "EXPLAIN ANALYZE DELETE FROM journal",
    "run the copy": "EXPLAIN ANALYZE COPY journal TO '{out}'",
    "delete by name": "FROM query('DELETE FROM journal')",
    "read a text file": "SELECT * FROM read_text('/etc/hostname')",
    "read a blob": "SELECT * FROM read_blob('/etc/hostname')",
    "read csv": "SELECT * FROM read_csv('/etc/hostname')",
    "read by name": "SELECT * FROM '/etc/hostname'",
    "read from the network": "FROM 'https://localhost/x.parquet'",
    "list files": "SELECT * FROM glob('/etc/*')",
    "sniff": "FROM sniff_csv('/etc/hostname')",
    "attach": "ATTACH '{out}' AS other",
    "detach": "DETACH twin",
    "set": "SET enable_external_access = true",
    "reset": "RESET lock_configuration",
    "pragma": "PRAGMA database_list",
    "pragma that writes": "PRAGMA enable_profiling",
    "call": "CALL pragma_version()",
    "two statements": "SELECT 1; SELECT 2",
    "two, the second one bad": "SELECT 1; DELETE FROM journal",
    "none": "  -- nothing",
    "checkpoint": "CHECKPOINT",
    "forced checkpoint": "FROM force_checkpoint()",
    "install": "INSTALL httpfs",
    "load": "LOAD httpfs",
    "begin": "BEGIN",
    "commit first": "COMMIT; DELETE FROM journal",
    "prepare": "PREPARE p AS SELECT 1",
    "use": "USE memory",
    "log": "FROM enable_logging()",
    "secret": "CREATE SECRET s (TYPE s3)",
    "vacuum": "VACUUM",
    "a variable of Python": "SELECT * FROM TRICKS",
    "not SQL": "SELEKT 1",
}


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_is_refused(ask: Ask, name: str, tmp_path: Path) -> None:
    """Whatever writes, leaves the file, or changes a setting is refused, and leaves no trace."""
    out = tmp_path / "out"
    with pytest.raises(UsageError) as refused:
        ask(TRICKS[name].format(out=out))
    assert "Traceback" not in str(refused.value)
    assert "Stack Trace" not in str(refused.value)
    assert not out.exists()
    counts = "(SELECT count(*) FROM journal), (SELECT count(*) FROM milestone)"
    kept = ask(f"SELECT {counts}, {len(name)}")
    assert kept.rows[0][:2] == [3 * CHAINS, CHAINS]


def test_an_error_in_the_middle_of_the_rows_is_one_line(ask: Ask) -> None:
    """A statement that fails while it is fetched fails as a whole, in DuckDB's words."""
    with pytest.raises(UsageError, match="boom"):
        ask("SELECT CASE WHEN range < 30 THEN 1 ELSE error('boom') END FROM range(40)")


# ---- the endpoint


def _post(
    server: SqlServer, body: Any, token: str | None = None, path: str = "/sql", accept: str = ""
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Authorization": f"Bearer {server.token if token is None else token}"}
    headers |= {"Accept": accept} if accept else {}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, content, headers)
    answer = connection.getresponse()
    found = (answer.status, dict(answer.getheaders()), answer.read())
    connection.close()
    return found


GOOD = {"sql": "SELECT 1 AS a", "rows": 10, "seconds": 1}


def test_the_announcement_is_for_its_owner_only(running: tuple[Path, SqlServer]) -> None:
    """The file beside the database names pid, port and token, and only its owner can read it."""
    path, server = running
    file = endpoint_file(path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = msgspec.json.decode(file.read_bytes(), type=Endpoint)
    assert found == Endpoint(pid=os.getpid(), port=server.port, token=server.token)
    assert len(server.token) >= 32
    assert [one.name for one in path.parent.glob("*.json.*")] == []


def test_only_this_machine_is_listened_to(running: tuple[Path, SqlServer]) -> None:
    """The endpoint is bound to 127.0.0.1."""
    assert running[1]._server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("token", ["", "wrong", "é", "x" * 43])
def test_without_the_token_nothing_is_answered(running: tuple[Path, SqlServer], token: str) -> None:
    """A missing, wrong or strange token is refused before anything is read."""
    status, _, body = _post(running[1], GOOD, token=token)
    assert (status, json.loads(body)) == (401, {"error": "the token is missing or wrong"})


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[]", b"{}", b'{"sql": "SELECT 1"}', b"\xff\xfe", b"[" * 100_000,
     {**GOOD, "rows": 0}, {**GOOD, "rows": "many"}, {**GOOD, "seconds": -1},
     {**GOOD, "seconds": float("nan")}, {**GOOD, "rows": 1e999}, {**GOOD, "sql": "\0"}],
)  # fmt: skip
def test_a_bad_request_gets_an_error(running: tuple[Path, SqlServer], body: Any) -> None:
    """What is no question is answered with status 400 and what is wrong."""
    status, _, content = _post(running[1], body)
    assert status == 400
    assert list(json.loads(content)) == ["error"]


def test_a_body_that_is_too_large_is_not_read(running: tuple[Path, SqlServer]) -> None:
    """The length is checked before the body is."""
    connection = http.client.HTTPConnection("127.0.0.1", running[1].port, timeout=10)
    connection.putrequest("POST", "/sql")
    connection.putheader("Authorization", f"Bearer {running[1].token}")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


def test_other_paths_are_not_there(running: tuple[Path, SqlServer]) -> None:
    """There is one thing to ask, and one way to see that the sink is alive."""
    assert _post(running[1], GOOD, path="/admin")[0] == 404
    for path in ("/", "/sql", "/alive", "/alive?" + "x" * 65):
        connection = http.client.HTTPConnection("127.0.0.1", running[1].port, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().status == 404
        connection.close()


def test_a_defect_is_not_shown_to_the_client(
    running: tuple[Path, SqlServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody thought of is one line to the client, without its text."""

    def broken(*_: Any) -> Result:
        raise RuntimeError("secret path")

    monkeypatch.setattr(serve, "execute", broken)
    status, _, body = _post(running[1], GOOD)
    assert (status, json.loads(body)) == (500, {"error": "the sink failed: see its log"})


def test_answers_come_as_csv(running: tuple[Path, SqlServer]) -> None:
    """Accept: text/csv gives a header line and rows; the headers say as of when and if cut."""
    question = {**GOOD, "sql": "SELECT 1 AS a, 'x,y' AS b, [1, 2] AS c FROM range(3)", "rows": 2}
    status, headers, body = _post(running[1], question, accept=CSV)
    assert (status, headers["Content-Type"], headers["X-Truncated"]) == (200, CSV, "true")
    assert list(csv.reader(io.StringIO(body.decode()))) == [
        ["a", "b", "c"], ["1", "x,y", "[1, 2]"], ["1", "x,y", "[1, 2]"],
    ]  # fmt: skip
    assert sum(json.loads(headers["X-Offsets"])[JOURNAL]) == 3 * CHAINS


@pytest.mark.parametrize(("rows", "cut"), [(7, "true"), (12, "false"), (40, "false")])
def test_answers_come_as_arrow(running: tuple[Path, SqlServer], rows: int, cut: str) -> None:
    """The Arrow stream has DuckDB's own types, the same limits and the same as-of."""
    question = {**GOOD, "sql": "SELECT seq, raw, arrival FROM journal ORDER BY ALL", "rows": rows}
    status, headers, body = _post(running[1], question, accept=ARROW)
    table = pa.ipc.open_stream(body).read_all()
    assert (status, headers["X-Truncated"], table.num_rows) == (200, cut, min(rows, 12))
    assert table.schema.field("seq").type == pa.int64()
    assert str(table.schema.field("arrival").type) == "timestamp[us]"
    assert sum(json.loads(headers["X-Offsets"])[JOURNAL]) == 3 * CHAINS


@pytest.mark.parametrize("name", ["delete in a WITH", "copy out", "two statements", "attach"])
def test_tricks_are_refused_as_arrow_too(
    running: tuple[Path, SqlServer], name: str, tmp_path: Path
) -> None:
    """The form of the answer opens no other door."""
    question = {**GOOD, "sql": TRICKS[name].format(out=tmp_path / "out")}
    assert _post(running[1], question, accept=ARROW)[0] == 400
    assert not (tmp_path / "out").exists()


def test_too_many_questions_at_once_wait_their_turn(
    running: tuple[Path, SqlServer],
) -> None:
    """Questions beyond the limit wait; all are answered."""
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(query(running[0], "SELECT 7").rows[0][0]))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [7] * 12


# ---- who has the file


def test_writing_goes_on_while_questions_are_answered(tmp_path: Path) -> None:
    """Every answer during a stream of writes is a whole number of batches, and fits its offsets."""
    path = tmp_path / "twin.duckdb"
    sink = DuckSink(path, lambda: b"12345678")
    server = SqlServer(path, sink.connection, 100, 5.0)
    server.start()
    log = w.Log()
    chain = w.Chain(log, "A")
    answers: list[Result] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            answers.append(query(path, "SELECT count(*) FROM milestone"))

    asker = threading.Thread(target=keep_asking)
    asker.start()
    for _ in range(30):
        sink.write({MILESTONES: [chain.milestone() for _ in range(10)]}, w.offsets_of(log))
    stop.set()
    asker.join(20)
    server.stop()
    sink.close()
    assert answers
    for one in answers:
        assert one.rows[0][0] % 10 == 0
        assert one.rows[0][0] == sum(offset for _, _, offset in one.offsets)


@pytest.mark.parametrize("left", ["dead pid", "closed port", "not ours", "garbage", "empty"])
def test_a_stale_announcement_is_ignored(
    tmp_path: Path, left: str, running: tuple[Path, SqlServer]
) -> None:
    """What a killed sink left behind does not keep anybody from the file."""
    path = tmp_path / "twin.duckdb"
    _fill(path).close()
    gone = subprocess.Popen(["true"])
    gone.wait()
    port = running[1].port
    content = {
        "dead pid": Endpoint(pid=gone.pid, port=port, token=running[1].token),
        "closed port": Endpoint(pid=os.getpid(), port=1, token="x"),
        "not ours": Endpoint(pid=os.getpid(), port=port, token="another sink's"),
    }
    raw = {"garbage": b"\xff{", "empty": b""}.get(left)
    endpoint_file(path).write_bytes(raw if raw is not None else msgspec.json.encode(content[left]))
    assert query(path, "SELECT 1").via == "the file"


def test_the_token_is_not_told_to_who_cannot_prove_that_he_has_it(
    filled: Path, running: tuple[Path, SqlServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that took over a dead sink's port is asked for a proof first, and gets no token."""
    path = tmp_path / "twin.duckdb"
    path.write_bytes(filled.read_bytes())
    found = Endpoint(pid=os.getpid(), port=running[1].port, token="of the dead sink")
    endpoint_file(path).write_bytes(msgspec.json.encode(found))
    told = []
    real = asking._request

    def spy(*args: Any, **options: Any) -> tuple[int, bytes]:
        told.append(options.get("token", ""))
        return real(*args, **options)

    monkeypatch.setattr(asking, "_request", spy)
    query(path, "SELECT 1")
    assert told == [""]


def test_a_stopped_server_takes_its_announcement_back(tmp_path: Path) -> None:
    """After a clean stop the next question goes to the file; another's announcement stays."""
    path = tmp_path / "twin.duckdb"
    sink = _fill(path)
    server = SqlServer(path, sink.connection, 10, 1.0)
    server.start()
    assert query(path, "SELECT 1").via != "the file"
    server.stop()
    assert not endpoint_file(path).exists()
    endpoint_file(path).write_bytes(msgspec.json.encode(Endpoint(pid=1, port=1, token="other")))
    server.stop()
    assert endpoint_file(path).exists()
    sink.close()


def test_a_question_after_the_sink_closed_is_one_line(tmp_path: Path) -> None:
    """Between closing the file and stopping to listen, a question fails cleanly."""
    path = tmp_path / "twin.duckdb"
    sink = _fill(path)
    server = SqlServer(path, sink.connection, 10, 1.0)
    server.start()
    sink.close()
    status, _, body = _post(server, GOOD)
    server.stop()
    assert status == 400
    assert "closed" in json.loads(body)["error"]


HOLDER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE IF NOT EXISTS x AS SELECT 1")
sys.stdout.write("open\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def test_a_file_that_somebody_else_has_open_is_said_to_be(tmp_path: Path) -> None:
    """Readers get a clear line, and a second sink ends with the error that starts it again."""
    path = tmp_path / "twin.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(UsageError, match="another process has it open for writing"):
            query(path, "SELECT 1")
        with pytest.raises(FatalError, match="open in another process"):
            DuckSink(path, lambda: b"12345678")
        server = SqlServer(path, duckdb.connect(":memory:"), 10, 1.0)
        server.start()
        with pytest.raises(UsageError, match=rf"running sink \(pid {os.getpid()}\) has it open"):
            asking.open_read_only(path)  # who must read the file itself
        server.stop()
        holder.stdin.close()


def test_a_missing_file_or_another_kind_of_file_is_said_plainly(tmp_path: Path) -> None:
    """No file, a folder, and a file that is no database each get one line with the name."""
    with pytest.raises(UsageError, match="there is no database"):
        query(tmp_path / "none.duckdb", "SELECT 1")
    with pytest.raises(UsageError, match="there is no database"):
        query(tmp_path, "SELECT 1")
    other = tmp_path / "other.duckdb"
    other.write_bytes(b"text" * 5000)
    with pytest.raises(UsageError, match=r"other\.duckdb"):
        query(other, "SELECT 1")


def test_a_database_that_is_not_the_sinks_is_said_plainly(tmp_path: Path) -> None:
    """A DuckDB file without our tables gets a line that names what is missing."""
    with duckdb.connect(str(tmp_path / "own.duckdb")) as connection:
        connection.execute("CREATE TABLE x AS SELECT 1")
    with pytest.raises(UsageError, match="sink_offset"):
        query(tmp_path / "own.duckdb", "SELECT 1")


# ---- the raw journal


def test_raw_entries_come_in_the_order_of_the_chain(
    filled: Path, running: tuple[Path, SqlServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways give the same bytes; through the sink page by page, past its row limit."""
    log = w.Log()
    written = [one for one in w.history(log, CHAINS) if one.topic == JOURNAL]
    monkeypatch.setattr(asking, "_PAGE", 5)
    for chain in ("SCMS-2", None):
        own = [one.value for one in written if chain is None or one.key == chain.encode()]
        for path in (filled, running[0]):
            assert journal_entries(path, chain) == (own, None)
    assert journal_entries(filled, "no ' such chain") == ([], None)


def test_a_page_shorter_than_asked_for_is_not_the_end(tmp_path: Path) -> None:
    """When the sink allows fewer rows than a page, the pages go on until there is no more."""
    path = tmp_path / "twin.duckdb"
    sink = _fill(path)
    server = SqlServer(path, sink.connection, 2, 5.0)
    server.start()
    entries, damage = journal_entries(path, None)
    server.stop()
    sink.close()
    assert (len(entries), damage) == (3 * CHAINS, None)


def test_a_flipped_byte_is_found_and_the_first_bad_entry_named(tmp_path: Path) -> None:
    """DuckDB's checksums refuse the block: what can be read is given, then what cannot is named."""
    path = tmp_path / "twin.duckdb"
    sink = DuckSink(path, lambda: b"12345678")
    chain = w.Chain(w.Log(), "A")
    bodies = [os.urandom(300_000) for _ in range(6)]
    entries = [chain.entry("INPUT", "settlement.contracts", body) for body in bodies]
    sink.write({JOURNAL: entries}, {})
    sink.close()
    part = bodies[-1][150_000:150_016]
    assert part in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(part, part[::-1]))
    found, damage = journal_entries(path, "A")
    assert found == [one.value for one in entries[: len(found)]]
    assert len(found) < 6
    assert damage is not None and damage.startswith(f"entry {len(found) + 1} cannot be read: ")


def test_damage_is_not_hidden_when_the_whole_journal_is_asked_for(tmp_path: Path) -> None:
    """An export of all chains from a damaged file fails instead of leaving entries out."""
    path = tmp_path / "twin.duckdb"
    sink = _fill(path)
    sink.close()
    data = path.read_bytes()
    headers = 3 * 4096
    path.write_bytes(data[:headers] + bytes(one ^ 0x55 for one in data[headers:]))
    with pytest.raises(UsageError, match=r"(?i)corrupt|checksum"):
        journal_entries(path, None)
