"""The whole road: real deliveries through a broker to twins, payments and SQL."""

import csv
import datetime as dt
import importlib.resources
import json
import os
import random
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from supplytwin.schemas import scms
from supplytwin.schemas.flow import Message
from supplytwin.sinks.simulated_rail import booked
from supplytwin.streams import demo
from supplytwin.streams.settings import Gateway, Settings

BEHAVIOUR = {
    "refuse_hold": 20,
    "reject_once": 60,
    "reject": 30,
    "give_back": 40,
    "silent": 40,
    "lose": 40,
}
"""Shares of the simulated rail that show every behaviour on a few hundred claims."""
CONFIG = "[gateway.behaviour]\n" + "".join(f"{k} = {v}\n" for k, v in BEHAVIOUR.items())


def supplytwin(*words: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    done = subprocess.run(
        [sys.executable, "-m", "supplytwin.streams.cli", *words],
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if not k.startswith("SUPPLYTWIN_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def on_kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """The summary of a demo on a real Kafka that it started itself, and where it ran."""
    full = request.config.getoption("--tier") == "verify"
    folder = tmp_path_factory.mktemp("kafka-demo")
    words = ["demo", "--broker", "kafka", "--json"]
    if not full:
        (folder / "supplytwin.toml").write_text(CONFIG)
        words += ["--chains", "400"]
    done = supplytwin(*words, cwd=folder)
    return json.loads(done.stdout), folder


@pytest.fixture(scope="module")
def database(on_kafka: tuple[dict[str, Any], Path]) -> duckdb.DuckDBPyConnection:
    """The demo's file, as an analyst opens it."""
    summary, folder = on_kafka
    return duckdb.connect(str(folder / summary["database"]), read_only=True)


def in_memory(
    folder: Path, chains: int, arrange: Callable[[list[Message]], list[Message]] = list
) -> demo.Summary:
    """A demo on the broker in memory, with the raised shares."""
    settings = Settings(gateway=Gateway(behaviour=BEHAVIOUR))
    return demo.run(
        settings,
        want="memory",
        chains=chains,
        directory=folder,
        keep=False,
        report=lambda *_: None,
        arrange=arrange,
    )


def shuffled(messages: list[Message], seed: int) -> list[Message]:
    """Another order within each tick interval."""
    draw = random.Random(seed)
    groups: dict[int, list[Message]] = {}
    for message in messages:
        groups.setdefault(-(-message.arrival // demo.TICK_US), []).append(message)
    for group in groups.values():
        draw.shuffle(group)
    return [message for _, group in sorted(groups.items()) for message in group]


@pytest.mark.kafka
def test_the_demo_takes_everything_and_leaves_nothing_open(
    on_kafka: tuple[dict[str, Any], Path], required: Callable[[str], Any]
) -> None:
    """Every event is taken, nothing is quarantined, every claim ends, and stdout is one object."""
    summary, _ = on_kafka
    required("demo_chains").done(summary["chains"])
    assert summary["quarantined"] == 0
    assert summary["open_claims"] == []
    assert summary["broker"].startswith("Apache Kafka 4")
    claims = sum(one["claims"] for one in summary["settlements"])
    assert claims == summary["consignments"]
    states = {one["state"] for one in summary["settlements"]}
    assert {"SETTLED", "RETURNED", "EXPIRED", "VOIDED"} <= states


@pytest.mark.kafka
def test_late_lines_are_what_the_file_says(
    on_kafka: tuple[dict[str, Any], Path], database: duckdb.DuckDBPyConnection
) -> None:
    """Late lines by mode in SQL equal a count over the CSV file that shares no code with it."""
    summary, _ = on_kafka
    text = importlib.resources.files("supplytwin.schemas").joinpath("scms_shipments.csv")
    rows = list(csv.DictReader(text.read_text("utf-8").splitlines()))
    orders = list(dict.fromkeys(row["po / so #"] for row in rows))[: summary["chains"]]
    wanted = set(orders)
    lines: Counter[str | None] = Counter()
    late: Counter[str | None] = Counter()
    late_consignments = set()
    for row in rows:
        if row["po / so #"] not in wanted:
            continue
        mode = row["shipment mode"] or None
        delivered = dt.datetime.strptime(row["delivered to client date"], "%d-%b-%y")
        scheduled = dt.datetime.strptime(row["scheduled delivery date"], "%d-%b-%y")
        lines[mode] += 1
        if delivered > scheduled:
            late[mode] += 1
            late_consignments.add(row["asn/dn #"])
    found = database.sql(
        "SELECT mode, count(*) FILTER (late), count(*) FROM late_line GROUP BY mode"
    ).fetchall()
    assert {mode: (n, total) for mode, n, total in found} == {
        mode: (late[mode], lines[mode]) for mode in lines
    }
    ((consignments,),) = database.sql(
        "SELECT count(DISTINCT consignment_id) FROM late_line WHERE late"
    ).fetchall()
    assert consignments == len(late_consignments)
    if summary["chains"] == 6233:
        assert (sum(late.values()), len(late_consignments)) == (1186, 805)


@pytest.mark.kafka
def test_every_payment_rests_on_both_proofs(database: duckdb.DuckDBPyConnection) -> None:
    """Before a claim is instructed its chain's journal has the release and every receipt of it."""
    unproven = database.sql("""
        WITH paid AS (
            SELECT chain_id, claim_id, min(seq) AS seq FROM settlement_instruction
            WHERE kind = 'PAY' GROUP BY ALL),
        proofs AS (
            SELECT m.chain_id, m.code, m.seq, m.subject_id FROM milestone m
            WHERE m.reached AND m.code IN ('CUSTOMS_RELEASED', 'RECEIVED_WH'))
        SELECT p.claim_id FROM paid p
        WHERE NOT EXISTS (FROM proofs r WHERE r.chain_id = p.chain_id AND r.seq < p.seq
                          AND r.code = 'CUSTOMS_RELEASED'
                          AND r.subject_id = 'simulated:' || p.claim_id)
           OR EXISTS (FROM late_line l WHERE l.consignment_id = p.claim_id
                      AND NOT EXISTS (FROM proofs r WHERE r.chain_id = p.chain_id
                                      AND r.seq < p.seq AND r.code = 'RECEIVED_WH'
                                      AND r.subject_id = l.line_id))
    """).fetchall()
    assert unproven == []
    ((paid,),) = database.sql(
        "SELECT count(DISTINCT settlement_id) FROM settlement_instruction WHERE kind = 'PAY'"
    ).fetchall()
    assert paid > 0


@pytest.mark.kafka
def test_a_second_payment_is_a_repeat_or_follows_a_final_rejection(
    database: duckdb.DuckDBPyConnection,
) -> None:
    """Per attempt all PAY are the same act; attempt n+1 comes only after attempt n was rejected."""
    rows = database.sql("""
        SELECT settlement_id, attempt, uetr, amount_minor, end_to_end_id, seq, chain_id
        FROM settlement_instruction WHERE kind = 'PAY' ORDER BY chain_id, seq
    """).fetchall()
    acts: dict[tuple[str, int], set[tuple[Any, ...]]] = {}
    first: dict[tuple[str, int], int] = {}
    for settlement, attempt, uetr, amount, end_to_end, seq, _ in rows:
        acts.setdefault((settlement, attempt), set()).add((uetr, amount, end_to_end))
        first.setdefault((settlement, attempt), seq)
    assert all(len(same) == 1 for same in acts.values())
    rejected = {
        (settlement, seq)
        for settlement, seq in database.sql(
            "SELECT settlement_id, seq FROM settlement_event WHERE row IN (24, 25)"
        ).fetchall()
    }
    for (settlement, attempt), seq in first.items():
        if attempt > 1:
            earlier = [s for one, s in rejected if one == settlement and s < seq]
            assert len(earlier) >= attempt - 1
    assert len(rows) > len(acts), "a repeat after NOT_FOUND must be among them"
    assert any(attempt > 1 for _, attempt in acts), "a retry after a rejection must be among them"


@pytest.mark.kafka
def test_the_demo_shows_every_turn_that_a_payment_can_take(
    database: duckdb.DuckDBPyConnection,
) -> None:
    """RETURNED, HELD, IN_DOUBT and EXPIRED all happen, and the mirror postings sum to zero."""
    seen = {
        state
        for (state,) in database.sql("SELECT DISTINCT to_state FROM settlement_event").fetchall()
    }
    assert {"RETURNED", "HELD", "IN_DOUBT", "EXPIRED", "SETTLED", "VOIDED"} <= seen
    unbalanced = database.sql("""
        SELECT settlement_id, sum(split_part(p, ';', 2)::BIGINT) FROM (
            SELECT settlement_id, unnest(postings) AS p FROM settlement_event)
        GROUP BY ALL HAVING sum(split_part(p, ';', 2)::BIGINT) <> 0
    """).fetchall()
    assert unbalanced == []


@pytest.mark.kafka
def test_the_rails_own_ledger_agrees(
    on_kafka: tuple[dict[str, Any], Path], database: duckdb.DuckDBPyConnection
) -> None:
    """Outside witness: one booking for each SETTLED or RETURNED claim, of its amount, no other."""
    _, folder = on_kafka
    ledger = booked(folder / "supplytwin-demo" / "simulated-rail.sqlite")
    paid = {
        settlement: (amount, currency)
        for settlement, amount, currency in database.sql(
            "SELECT settlement_id, amount_minor, currency FROM settlement "
            "WHERE state IN ('SETTLED', 'RETURNED')"
        ).fetchall()
    }
    assert {settlement: [act] for settlement, act in paid.items()} == ledger


@pytest.mark.kafka
def test_memory_and_kafka_agree(on_kafka: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    """The broker in memory gives the same twins and the same payments as the real one."""
    summary, _ = on_kafka
    words = ["demo", "--broker", "memory", "--json"]
    if summary["chains"] != 6233:
        (tmp_path / "supplytwin.toml").write_text(CONFIG)
        words += ["--chains", str(summary["chains"])]
    other = json.loads(supplytwin(*words, cwd=tmp_path).stdout)
    for name in ("hash_states", "hash_settlements", "events_in", "chains"):
        assert other[name] == summary[name], name


def test_order_within_a_tick_and_repetition_change_nothing(tmp_path: Path) -> None:
    """Shuffled within each tick interval, and everything sent twice: the same hashes."""
    plain = in_memory(tmp_path / "plain", 60)
    mixed = in_memory(tmp_path / "mixed", 60, lambda m: shuffled(m, seed=5))
    doubled = in_memory(tmp_path / "doubled", 60, lambda m: [one for one in m for _ in range(2)])
    for other in (mixed, doubled):
        assert other.hash_states == plain.hash_states
        assert other.hash_settlements == plain.hash_settlements
        assert other.rounds == plain.rounds  # simulated time ends with the last claim
    assert doubled.events_in == 2 * plain.events_in
    assert doubled.journal_entries == plain.journal_entries


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    """`twin show` names the first bad entry of an exported journal and of a changed database."""
    in_memory(tmp_path / "supplytwin-demo", 5)
    supplytwin("journal", "export", "j.jsonl", "--db", "supplytwin-demo/twin.duckdb", cwd=tmp_path)
    journal = tmp_path / "j.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    of_chains = Counter(json.loads(line)["chain_id"] for line in lines)
    chain = next(name for name, n in of_chains.items() if n >= 3 and name.startswith("SCMS"))
    good = supplytwin("twin", "show", chain, "--journal", "j.jsonl", cwd=tmp_path)
    assert "sound" in good.stdout
    mine = [at for at, line in enumerate(lines) if json.loads(line)["chain_id"] == chain]
    third = bytearray(lines[mine[2]])
    at = third.index(b'"entry":"') + 60
    third[at] = ord("A") if third[at] != ord("A") else ord("B")
    lines[mine[2]] = bytes(third)
    journal.write_bytes(b"".join(lines))
    bad = supplytwin("twin", "show", chain, "--journal", "j.jsonl", cwd=tmp_path, check=False)
    assert bad.returncode == 1
    assert "BROKEN" in bad.stdout and "entry 3" in bad.stdout

    copy = tmp_path / "copy.duckdb"
    copy.write_bytes((tmp_path / "supplytwin-demo" / "twin.duckdb").read_bytes())
    with duckdb.connect(str(copy)) as connection:
        (raw,) = connection.execute(
            "SELECT raw FROM journal WHERE chain_id = ? AND seq = 2", [chain]
        ).fetchone() or (b"",)
        changed = bytes((*raw[:40], raw[40] ^ 1, *raw[41:]))
        connection.execute(
            "UPDATE journal SET raw = ? WHERE chain_id = ? AND seq = 2", [changed, chain]
        )
    bad = supplytwin("twin", "show", chain, "--db", "copy.duckdb", cwd=tmp_path, check=False)
    assert bad.returncode == 1
    assert "entry 2" in bad.stdout


def test_the_readmes_commands_work(tmp_path: Path) -> None:
    """Every `supplytwin sql` and `twin show` of the README runs on the demo's file; here on that of
    30 chains, where the first stands for those which it has not.
    """
    readme = Path(__file__).resolve().parents[2] / "README.md"
    block = re.search(r"```sh\n(.*?)```", readme.read_text(), re.DOTALL)
    assert block is not None
    commands = [shlex.split(line, comments=True) for line in block[1].splitlines() if line]
    assert len(commands) >= 3
    in_memory(tmp_path / "supplytwin-demo", 30)
    orders = [row.order for row in demo.first_chains(scms.read(), None)]
    here = {row.order for row in demo.first_chains(scms.read(), 30)}
    for command in commands:
        assert command[0] == "supplytwin"
        words = [orders[0] if one in orders and one not in here else one for one in command[1:]]
        done = supplytwin(*words, cwd=tmp_path)
        assert done.stdout.strip()
