"""`supplytwin settlement simulate`: the page's cases give what it says, the fold is a worker's, and
what cannot be read is named by line and field."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from contract_world import free
from settlement_deployment import CASES, CONTRACT, DOC, World
from typer.testing import CliRunner

from supplytwin.processors import settlement_lines, settlement_simulate
from supplytwin.processors.chain import canonical_hash
from supplytwin.processors.evidence import Leaf
from supplytwin.processors.postings import ACCOUNTS, parse
from supplytwin.processors.settlement_footprints import ToVerify
from supplytwin.processors.settlement_report import Explanation
from supplytwin.processors.settlement_simulate import Standing
from supplytwin.processors.settlement_state import Booking, Taken
from supplytwin.schemas import codec
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.ids import DAY_US, partition_of
from supplytwin.schemas.records import SETTLEMENT_EVENTS
from supplytwin.streams import cli, settlement_run
from supplytwin.streams.settlement_run import Ran, Told, Unreadable
from supplytwin.streams.summary import read_all

SAID = re.findall(r"```jsonl\n.*?```\n\n```text\n(.*?)```", DOC, re.DOTALL)
AMOUNT = 240_000_000
TEMPLATELESS = json.dumps(free())
RESERVED = CASES[0].splitlines()[0]
ARRIVED = CASES[0].splitlines()[1:]


def files(folder: Path, events: str, contract: str = CONTRACT) -> list[str]:
    """The words of a command over these two files."""
    (folder / "CONTRACT.json").write_text(contract)
    (folder / "EVENTS.jsonl").write_text(events)
    return [str(folder / "CONTRACT.json"), str(folder / "EVENTS.jsonl")]


def run(folder: Path, events: str, *words: str, contract: str = CONTRACT, code: int = 0) -> str:
    done = CliRunner().invoke(
        cli.app, ["settlement", "simulate", *files(folder, events, contract), *words]
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def told(folder: Path, *lines: Any, code: int = 0, contract: str = CONTRACT) -> Any:
    """What comes of these lines, as JSON."""
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    return json.loads(run(folder, text, "--json", code=code, contract=contract))


def found(folder: Path, *lines: Any, contract: str = CONTRACT) -> list[tuple[int, str, str]]:
    """(line, field, says) of everything that is wrong in these lines."""
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    with pytest.raises(Unreadable) as error:
        settlement_run.run(*map(Path, files(folder, text, contract)))
    return [(one.line, one.field, one.says) for one in error.value.findings]


BARE = {"verdict": "HOLD", "reviewer": "r", "role": "R", "reason": "r"}
HOLD = {**BARE, "claim_id": "A-1"}
RECALL = {**HOLD, "verdict": "RECALL"}


def event(number: int, **changes: Any) -> dict[str, Any]:
    """An event of the first case (0 declared, 1 cleared, 3 received) with fields changed."""
    given = json.loads(ARRIVED[number])
    return {"event": {**given["event"], **changes}}


# ---- the page


@pytest.mark.parametrize("case", [0, 1], ids=["paid", "seized"])
def test_a_case_of_the_page_gives_what_the_page_says(tmp_path: Path, case: int) -> None:
    """Word for word."""
    assert run(tmp_path, CASES[case]) == SAID[case]


def financed(folder: Path) -> str:
    """The contract of the third case, as the page makes it."""
    first, second = DOC.split("```console\n")[1].split("```")[0].splitlines()
    for line in (first, second):
        asked, _, name = line.partition(" > ")
        words = [str(folder / one) if one.endswith(".json") else one for one in asked.split()[1:]]
        done = CliRunner().invoke(cli.app, words)
        assert done.exit_code == 0, done.output
        (folder / name).write_text(done.stdout)
    return (folder / "CONTRACT.json").read_text()


def test_a_verification_names_the_hash_that_the_case_prints(tmp_path: Path) -> None:
    """The third case: run up to where it is verified, it says what a verifier attaches."""
    contract, lines = financed(tmp_path), CASES[2].splitlines()
    assert run(tmp_path, CASES[2], contract=contract) == SAID[2]
    before = "\n".join(lines[:9])
    (claim,) = json.loads(run(tmp_path, before, "--json", contract=contract))["claims"]
    (footprint,) = claim["explained"]["footprints"]
    assert footprint["consignment_id"] == "ASN-8"
    attached = f"VERIFIED_FOOTPRINT;{footprint['input_hash']};"
    assert json.loads(lines[9])["event"]["evidence"] == [attached]
    assert f"footprint of ASN-8: {footprint['co2e_wtw_kg']} kgCO2e; {attached}" in run(
        tmp_path, before, contract=contract
    )
    started = run(tmp_path, "\n".join(lines[:3]), contract=contract)
    assert "footprint of" not in started, "of no consignment that anybody has told of"
    booked = run(tmp_path, "\n".join(lines[:4]), contract=contract)
    assert "footprint of ASN-8: not whole, or by a plan; VERIFIED_FOOTPRINT;" in booked
    stored = [*lines[:3], json.dumps({"event": {
        **json.loads(lines[7])["event"], "refs": ["ORDER_LINE:1", "CONSIGNMENT:K"]}})]  # fmt: skip
    assert "footprint of K: none so far" in run(tmp_path, "\n".join(stored), contract=contract)
    (plain,) = told(tmp_path, CASES[0])["claims"]
    assert plain["explained"]["footprints"] == []


def test_the_cases_end_paid_and_held(tmp_path: Path) -> None:
    """Cleared and received: the seller has the money. Seized in between: it stays reserved."""
    for case, state, account in ((0, "SETTLED", "seller"), (1, "HELD", "reserved")):
        made = told(tmp_path, CASES[case])
        (claim,) = made["claims"]
        assert claim["explained"]["state"] == state
        assert made["balances"]["CNY"] == {
            **dict.fromkeys(ACCOUNTS, 0), "buyer": -AMOUNT, account: AMOUNT,
        }  # fmt: skip
        sent = [one["kind"] for step in made["steps"] for one in step["instructions"]]
        assert ("PAY" in sent) == (state == "SETTLED")


BEHAVIOUR = '{"rail": "simulated", "behaviour": {"lose": 400, "silent": 300}}'
SEVERAL = [
    {**one, "claim_id": f"A-{number}", "amount_minor": AMOUNT // 8}
    for one in json.loads(CONTRACT)["claims"]
    for number in range(8)
]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    """In processes that hash text differently: eight claims, a rail that misbehaves; and what is
    wrong with a file."""
    contract = json.dumps(json.loads(CONTRACT) | {"claims": SEVERAL})
    days = (json.dumps({"tick": f"2027-02-{day:02}T12:00:00Z"}) for day in range(1, 20))
    good = "\n".join((BEHAVIOUR, *CASES[1].splitlines()[1:4], ARRIVED[3], *days))
    bad = '{"tick": 1, "b": 1, "a": 2, "c": 3}\n{"review": {"x": 1, "y": 2}}'
    for events, code in ((good, 0), (bad, 2)):
        named = files(tmp_path, events, contract)
        said = set()
        for seed in ("1", "2"):
            done = subprocess.run(
                [sys.executable, "-m", "supplytwin.streams.cli", "settlement", "simulate",
                 *named, "--json"],
                capture_output=True, check=False, env={**os.environ, "PYTHONHASHSEED": seed},
            )  # fmt: skip
            assert done.returncode == code, done.stderr
            said.add((done.stdout, done.stderr))
        assert len(said) == 1


def test_the_page_names_every_kind_of_line_and_every_verdict() -> None:
    """Its tables are those of the reader and of the runner."""
    rows = re.findall(r"^\| `(\w+)` \|", DOC, re.MULTILINE)
    given = [*settlement_lines.KINDS, *Taken.__args__, "QUARANTINED"]
    assert sorted(rows) == sorted(given)
    assert set(settlement_simulate.REFUSED) < set(rows)


# ---- the fold is the worker's


def test_a_worker_does_the_same_with_the_same_records(tmp_path: Path) -> None:
    """Contract, facts and daily ticks through worker, gateway and rail, and as a case: the same
    transitions with the same postings, the same canonical state."""
    world = World(tmp_path)
    start = world.now - DAY_US
    world.events(1)
    world.days(20)
    lines: list[Any] = [{"rail": "simulated"}]
    waiting = [json.loads(one) for one in CASES[1].splitlines() if '"event":' in one]
    times = [settlement_lines.read(json.dumps(one).encode())[0][0].body for one in waiting]
    for day in range(1, (world.now - start) // DAY_US + 1):
        now = start + day * DAY_US
        # the deployment sends a record in the round behind its time
        while times and times[0].recorded_time <= now - DAY_US:  # type: ignore[union-attr]
            lines.append(waiting.pop(0))
            times.pop(0)
        lines.append({"tick": now})
    made = told(tmp_path, *lines)
    mine = [_essence(one) for step in made["steps"] for one in step["transitions"]]
    records = read_all(world.broker, SETTLEMENT_EVENTS, 2)
    theirs = [codec.decode(SETTLEMENT_EVENTS, one.value or b"").message for one in records]
    names = mine[0].keys()
    assert mine == [_essence({name: getattr(one, name) for name in names}) for one in theirs]
    assert made["claims"][0]["explained"]["state"] == "SETTLED", "the hold was lifted"
    state: Any = world.worker.stores[partition_of(b"PO-1", 2)].states["PO-1"]
    assert made["canonical_hashes"]["PO-1"] == canonical_hash(state)


def _essence(one: dict[str, Any]) -> dict[str, Any]:
    """A transition without its place in a journal and the time before the first tick."""
    wanted = ("contract_seq", "row", "from_state", "to_state", "postings", "evidence_ids",
              "amount_minor", "reason", "verdict", "rule_version", "settlement_id")  # fmt: skip
    return {name: list(v) if isinstance(v := one[name], tuple) else v for name in wanted}


def test_postings_add_up_to_zero_at_every_step(tmp_path: Path) -> None:
    """Each transition moves what it takes; the balances are the sum of all postings."""
    made = told(tmp_path, CASES[0])
    balances = dict.fromkeys(ACCOUNTS, 0)
    for step in made["steps"]:
        for one in step["transitions"]:
            net = parse(tuple(one["postings"]))
            assert sum(net.values()) == 0
            balances = {name: balances[name] + net[name] for name in ACCOUNTS}
    assert balances == made["balances"]["CNY"]


# ---- what is refused, and what is run all the same


def test_what_a_worker_would_refuse_is_refused_and_the_case_goes_on(tmp_path: Path) -> None:
    """No row fits, one id with two contents, a record for the quarantine: exit 1, each with why."""
    held = json.loads(RESERVED)
    made = told(
        tmp_path,
        {"review": RECALL},
        {**held, "receipt": {**held["receipt"], "input_id": "r"}},
        {**held, "receipt": {**held["receipt"], "input_id": "r"}},
        {**held, "receipt": {**held["receipt"], "input_id": "r", "amount_minor": 5}},
        {**event(1), "arrival": "2027-01-10T00:00:00Z"},
        {"tick": "2027-01-01T00:00:00Z"},
        code=1,
    )
    steps = made["steps"][2:]
    assert [one["verdict"] for one in steps] == [
        "ILLEGAL", "TAKEN", "DUPLICATE", "CONFLICT", "QUARANTINED", "STALE",
    ]  # fmt: skip
    assert made["refused"] == 3
    assert steps[0]["reason"] == "RecallOrdered in CREATED"
    assert "two contents" in steps[3]["reason"]
    assert steps[4]["reason"].startswith("FUTURE: event_time")
    assert made["claims"][0]["explained"]["state"] == "HELD"
    said = run(tmp_path, json.dumps({"review": RECALL}), code=1)
    assert "1 of 3 steps were refused" in said
    assert "review RECALL by r (R) ILLEGAL: RecallOrdered in CREATED" in said


def test_a_released_claim_names_evidence_and_adverse_ids_as_they_are_now(tmp_path: Path) -> None:
    """`now` stands for what a person would have seen at that line; another person releases."""
    hold = {"claim_id": "A-1", "verdict": "HOLD", "reviewer": "rosa", "role": "RISK", "reason": "r"}
    act = {**hold, "verdict": "RELEASE", "evidence_hash": "now", "cleared_ids": "now"}
    lines = (RESERVED, {"review": hold}, {"review": {**act, "reviewer": "olga"}})
    made = told(tmp_path, *lines)
    (moved,) = made["steps"][-1]["transitions"]
    assert (moved["from_state"], moved["to_state"]) == ("HELD", "RESERVED")
    refused = told(tmp_path, *lines[:2], {"review": act}, code=1)
    assert "be another person than who raised" in refused["steps"][-1]["reason"]


def test_the_contract_is_taken_where_the_case_says_so(tmp_path: Path) -> None:
    """First at its own time; with "here" behind what came before it."""
    usual = told(tmp_path, {"tick": "2027-01-05T00:00:00Z"})
    assert [(one["line"], one["what"]) for one in usual["steps"]] == [
        (0, "tick"), (0, "contract C-1 version 1"), (1, "tick"),
    ]  # fmt: skip
    assert usual["steps"][0]["at"] == "2027-01-04T08:00:00Z"
    later = told(tmp_path, *ARRIVED[:2], {"tick": "2027-01-21T07:00:00Z"}, {"contract": "here"})
    assert [one["line"] for one in later["steps"]] == [1, 2, 3, 4]
    leaves = later["claims"][0]["explained"]["leaves"]
    assert leaves[0]["value"] == "TRUE", "evidence from before the contract counts"


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (event(3), "2027-01-22T06:00:00Z"),
        ({**event(3), "arrival": "2027-01-23T06:00:00Z"}, "2027-01-23T06:00:00Z"),
        ({"tick": "2026-11-01T00:00:00Z"}, "2026-11-01T00:00:00Z"),
    ],
)
def test_full_terms_are_taken_at_the_first_time_that_a_line_names(
    tmp_path: Path, line: Any, at: str
) -> None:
    """A tick, an arrival, or when an event was recorded; there is none in 1970."""
    text = "\n".join(map(json.dumps, (line, {"tick": "2027-01-30T00:00:00Z"})))
    made = json.loads(run(tmp_path, text, "--json", "--free-conditions", contract=TEMPLATELESS))
    assert [(one["line"], one["at"]) for one in made["steps"][:2]] == [(0, at), (0, at)]
    assert made["steps"][-1]["verdict"] == "TAKEN"
    assert found(tmp_path, {"rail": "simulated"}, contract=TEMPLATELESS) == [
        (0, "terms.agreed_at", "full terms have none, and no line names a time: begin with a tick")
    ]


def test_an_event_of_a_chain_without_a_contract_is_named(tmp_path: Path) -> None:
    """It counts for no claim: that may be a slip of the pen. The case is run all the same."""
    lines = [ARRIVED[0], json.dumps(event(3, chain_id="PO-I")), json.dumps(event(3, chain_id="X"))]
    says = "has no contract here, the event counts for no claim"
    made = told(tmp_path, *lines)
    assert made["findings"] == [
        {"line": 2, "field": "event.chain_id", "says": f"PO-I {says}: did you mean PO-1?"},
        {"line": 3, "field": "event.chain_id", "says": f"X {says}"},
    ]
    words = files(tmp_path, "\n".join(lines))
    done = CliRunner().invoke(cli.app, ["settlement", "simulate", *words])
    assert done.exit_code == 0
    assert f"{words[1]} line 2: event.chain_id: PO-I {says}" in " ".join(done.stderr.split())
    assert says not in " ".join(done.stdout.split())
    assert told(tmp_path, *CASES[0].splitlines())["findings"] == []
    later = json.loads(CONTRACT) | {"contract_id": "C-2", "chain_id": "PO-I"}
    assert told(tmp_path, *lines[:2], {"contract": later})["findings"] == []


def test_either_file_may_be_standard_input(tmp_path: Path) -> None:
    """As of `contract check`; of both there would be nothing left for the second."""
    events = "\n".join(CASES[0].splitlines())
    words = files(tmp_path, events)
    expected = run(tmp_path, events, "--json")
    for at, given in enumerate((CONTRACT, events)):
        asked = [*words[:at], "-", *words[at + 1 :]]
        done = CliRunner().invoke(
            cli.app, ["settlement", "simulate", *asked, "--json"], input=given.encode()
        )
        assert (done.exit_code, done.stdout) == (0, expected)
    done = CliRunner().invoke(cli.app, ["settlement", "simulate", "-", "-"], input=b"")
    assert isinstance(done.exception, UsageError)
    assert "not both" in str(done.exception)


def test_the_page_names_every_field_of_the_output(tmp_path: Path) -> None:
    """Those of the whole, of a step, of a claim, of its explanation, leaves and bookings."""
    kinds = (Ran, Told, Standing, Explanation, ToVerify, Leaf, Booking)
    names = {name for kind in kinds for name in kind.__struct_fields__}
    made = told(tmp_path, *CASES[0].splitlines())
    assert set(made) == set(Ran.__struct_fields__)
    assert set(made["claims"][0]) == set(Standing.__struct_fields__)
    assert [one for one in sorted(names) if f"`{one}`" not in DOC] == []


def test_several_contracts_in_one_case(tmp_path: Path) -> None:
    """Each has its chain; a claim id that two have has to be said with its contract."""
    other = json.loads(CONTRACT) | {"contract_id": "C-2", "chain_id": "PO-2", "currency": "JPY"}
    receipt = json.loads(RESERVED)["receipt"] | {"contract_id": "C-2", "currency": "JPY"}
    made = told(tmp_path, {"contract": other}, {"receipt": receipt})
    assert {one["contract_id"]: one["explained"]["state"] for one in made["claims"]} == {
        "C-1": "CREATED", "C-2": "RESERVED",
    }  # fmt: skip
    assert made["balances"]["JPY"]["reserved"] == AMOUNT
    assert made["balances"]["CNY"] == dict.fromkeys(ACCOUNTS, 0)
    ((line, field, says),) = found(tmp_path, {"contract": other}, RESERVED)
    assert (line, field) == (2, "receipt.claim_id")
    assert "more than one claim has it" in says


def test_a_whole_receipt_needs_no_instruction(tmp_path: Path) -> None:
    """With all of its numbers an answer that nobody asked for is taken as it stands: refused."""
    pay = {"claim_id": "A-1", "kind": "PAY", "rail_status": "ACSC", "amount_minor": 5,
           "currency": "CNY", "entry_id": "E", "instruction_no": 9, "attempt": 1, "hold_no": 1,
           "recall_no": 0, "query_no": 0}  # fmt: skip
    made = told(tmp_path, RESERVED, {"receipt": pay})
    (moved,) = made["steps"][-1]["transitions"]
    assert (moved["row"], moved["to_state"]) == (48, "SETTLED")
    assert [one["code"] for one in made["steps"][-1]["alarms"]] == ["RECON_BREAK"]


def test_the_simulator_can_misbehave(tmp_path: Path) -> None:
    """Every claim silent: asked, and paid late; every hold refused: nothing is reserved."""
    rest = CASES[1].splitlines()[1:4] + ARRIVED[3:4]
    days = [{"tick": f"2027-01-{day}T12:00:00Z"} for day in range(22, 32)]
    silent = told(tmp_path, {"rail": "simulated", "behaviour": {"silent": 1000}}, *rest, *days)
    assert "QUERY" in [one["kind"] for step in silent["steps"] for one in step["instructions"]]
    assert silent["rail"] == "the SIMULATED rail"
    refused = told(tmp_path, {"rail": "simulated", "behaviour": {"refuse_hold": 1000}}, *rest)
    assert refused["claims"][0]["explained"]["state"] == "VOIDED"
    assert refused["steps"][3]["by"] == "the SIMULATED rail"


# ---- what cannot be read


def without(given: dict[str, Any], name: str) -> dict[str, Any]:
    return {"event": {key: one for key, one in given["event"].items() if key != name}}


TERMS = json.loads(CONTRACT)
DECLARED = "event.declaration_lines[0].value"
PAID = {"claim_id": "A-1", "kind": "PAY", "rail_status": "ACSC"}


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        ("{", "", "is not JSON at column 2"),
        ("[1]", "", r"must be an object, not \[1\]"),
        ({"contract": "there"}, "contract", 'not "there": write the contract, or "here"'),
        ('{"tick": 1} x', "", "is not JSON at column 13: Extra data"),
        ('{"tick": 1, "tick": 2}', "tick", "stands there twice"),
        ({"tik": 1}, "", "must have exactly one of event, tick, .*: it has tik"),
        ({"tick": 1, "event": {}}, "", "exactly one of .*: it has event and tick"),
        ({"tick": 1, "arrival": 1}, "arrival", "has no meaning here: .* may be note"),
        ({"tick": "2027-01-04"}, "tick", "is not a date-time with an offset"),
        ({"tick": "2027-01-04T10:00:00"}, "tick", "with an offset"),
        ({"tick": 1.5}, "tick", "1.5 is no time"),
        ({"tick": None}, "tick", "null is no time"),
        ({"tick": 1, "note": 5}, "note", "expected str, got int"),
        ({**event(1), "arrival": "soon"}, "arrival", "is not a date-time"),
        ({"event": []}, "event", "must be an object"),
        ({"event": {}}, "event.event_type", "is missing"),
        (event(1, event_type="customs.cleard"), "event.event_type", "did you mean customs.cleared"),
        (event(1, event_id=7), "event.event_id", "expected str, got int: it is 7"),
        (event(1, entry="E"), "event.entry", "is no field of customs.*mean entry_id"),
        (without(event(1), "entry_id"), "event.entry_id", "is missing: customs.cleared must have"),
        (event(1, classifier="REAL"), "event.classifier", "'REAL' is not one of"),
        (event(1, event_time="2027-01-21T06:00:00"), "event.event_time", "with an offset"),
        (event(1, refs="CONSIGNMENT:A"), "event.refs", "expected array, got str"),
        (event(1, lat=95.5, lon=1.5), "event.lat", "90"),
        (event(3, qty="many"), "event.qty", "Invalid decimal|invalid decimal"),
        (event(3, qty=33.3), "event.qty", r'a decimal is a text: write "33\.3", not 33\.3'),
        (event(3, qty=-4), "event.qty", 'write "-4", not -4'),
        (event(0, declaration_lines=[{"line_no": 1}]), DECLARED, "is missing"),
        (event(0, declaration_lines={}), "event.declaration_lines", "must be a list"),
        ({"receipt": {**PAID, "kind": "PAYMENT"}}, "receipt.kind", "'PAYMENT' is not one of"),
        ({"receipt": {**PAID, "rail_status": "OK"}}, "receipt.rail_status", "'OK' is not one of"),
        ({"receipt": {**PAID, "amount_minor": 1.5}}, "receipt.amount_minor", "expected int"),
        ({"receipt": {**PAID, "amount": 1}}, "receipt.amount", "did you mean amount_minor"),
        ({"receipt": {"claim_id": "A-1", "kind": "PAY"}}, "receipt.rail_status", "is missing"),
        ({"receipt": {**PAID, "settlement_id": "5"}}, "receipt.claim_id", "by either"),
        ({"receipt": PAID}, "receipt.kind", "no PAY has gone out for A-1 so far"),
        ({"receipt": {**PAID, "claim_id": "B"}}, "receipt.claim_id", "no contract .* has such"),
        ({"review": {**HOLD, "verdict": "STOP"}}, "review.verdict", "'STOP' is not one of"),
        ({"review": {"claim_id": "A-1", "verdict": "HOLD"}}, "review.reviewer", "is missing"),
        ({"review": {**BARE, "settlement_id": "5"}}, "review.chain_id", "is missing"),
        ({"contract": 5}, "contract", "must be an object"),
        ({"contract": {"terms": {}}}, "contract.terms.contract_id", "is missing"),
        ({"contract": {**TERMS, "cap_minor": 1}}, "contract.cap_minor", "add up to"),
        ({"contract": {**TERMS, "claims": [{**TERMS["claims"][0], "lines": [
            {"line_id": "10", "qty": 40}]}]}}, "contract.claims[0].lines[0].qty", 'write "40"'),
        ({"contract": {**TERMS, "capminor": 1}}, "contract.capminor", "did you mean cap_minor"),
        ({"contract": {"terms": TERMS, "sigs": []}}, "contract.sigs", "no field of"),
        ({"rail": "real"}, "rail", "the only one that answers here"),
        ({"rail": "simulated", "seed": "x"}, "seed", "expected int"),
        ({"rail": "simulated", "behaviour": {"slow": 1}}, "rail.behaviour", "'slow' is no"),
        ({"rail": "simulated", "behaviour": {"lose": 1001}}, "rail.behaviour", "1000 at most"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line_and_field(
    tmp_path: Path, line: Any, field: str, says: str
) -> None:
    """The first finding of a line; nothing is run."""
    first = found(tmp_path, line)[0]
    assert first[:2] == (1, field)
    assert re.search(says, first[2])


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """One finding a line, each with its own number; as JSON, too."""
    lines = ["", '{"tick": "x"}', '{"rail": "simulated"}', "{}"]
    assert [one[0] for one in found(tmp_path, *lines)] == [2, 4]
    done = CliRunner().invoke(
        cli.app, ["settlement", "simulate", *files(tmp_path, "\n".join(lines)), "--json"]
    )
    said = json.loads(done.stdout)
    assert said["error"] == "the case was not run: 2 findings"
    assert [one["line"] for one in said["findings"]] == [2, 4]


def test_a_rail_that_comes_late_is_refused(tmp_path: Path) -> None:
    """What was sent before it would stay without an answer."""
    ((line, field, says),) = found(tmp_path, {"tick": 1}, {"rail": "simulated"})
    assert (line, field) == (2, "rail")
    assert "must be the first line" in says


def test_a_contract_that_cannot_be_read_is_named_by_its_file(tmp_path: Path) -> None:
    """Line 0 stands for it; the text of the finding has its name."""
    given = json.loads(CONTRACT)
    del given["claims"][0]["deadline"]
    given["zone"] = 8
    where = files(tmp_path, "", json.dumps(given))
    with pytest.raises(Unreadable) as error:
        settlement_run.run(*map(Path, where))
    assert error.value.lines == [
        f"{where[0]}: zone: expected str, got int: it is 8",
        f"{where[0]}: claims[0].deadline: is missing: ClaimTerms must have it",
    ]


def test_canonical_terms_and_those_with_white_space_are_one_contract(tmp_path: Path) -> None:
    """The hash is over the canonical form; defaults may be left out."""
    spaced, _ = settlement_lines.read_contract(CONTRACT.encode())
    assert spaced is not None
    same, _ = settlement_lines.read_contract(spaced.terms)
    whole, _ = settlement_lines.read_contract(b'{"terms": ' + spaced.terms + b"}")
    assert spaced == same == whole


ODD = (None, 1, -1, 2**70, 1.5, "", [], {}, "x" * 300, True, "2027-01-01T00:00:00Z", ["a", None])


def _spoilt(value: Any, chance: random.Random) -> Any:
    """The value with one thing in it missing, another, or twice under two names."""
    if isinstance(value, dict) and value:
        name = chance.choice(list(value))
        how = chance.random()
        if how < 0.2:
            return {key: one for key, one in value.items() if key != name}
        if how < 0.4:
            return {**value, chance.choice(("note", "tick", "arrival", "chain_id")): value[name]}
        odd = how < 0.6
        return {**value, name: chance.choice(ODD) if odd else _spoilt(value[name], chance)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [*value[:at], _spoilt(value[at], chance), *value[at + 1 :]]
    return chance.choice(ODD)


def test_spoilt_files_are_run_or_refused(tmp_path: Path) -> None:
    """Whatever stands in them: findings with a line each, or a run whose money adds up to zero."""
    chance = random.Random(5)
    ran = 0
    for number in range(300):
        lines = CASES[number % 2].splitlines()
        at = chance.randrange(len(lines))
        lines[at] = json.dumps(_spoilt(json.loads(lines[at]), chance))
        if chance.random() < 0.3:
            chance.shuffle(lines)
        contract = CONTRACT
        if chance.random() < 0.3:
            contract = json.dumps(_spoilt(json.loads(CONTRACT), chance))
        try:
            made = settlement_run.run(*map(Path, files(tmp_path, "\n".join(lines), contract)))
        except Unreadable as error:
            assert error.findings
            assert all(0 <= one.line <= len(lines) and one.says for one in error.findings)
        else:
            ran += 1
            assert all(sum(one.values()) == 0 for one in made.balances.values())
    assert ran > 10


def test_free_conditions_are_taken_where_the_case_permits_them(tmp_path: Path) -> None:
    """Terms without a template are refused as BAD_TERMS, unless `--free-conditions` says that the
    deployment permits them: then they make claims.
    """
    contract = TEMPLATELESS
    tick = json.dumps({"tick": "2026-11-01T00:00:00Z"})
    refused = json.loads(run(tmp_path, tick, "--json", contract=contract, code=1))
    assert "BAD_TERMS" in refused["steps"][1]["reason"]
    assert not refused["claims"]
    taken = json.loads(run(tmp_path, tick, "--json", "--free-conditions", contract=contract))
    assert {one["explained"]["state"] for one in taken["claims"]} == {"CREATED"}
