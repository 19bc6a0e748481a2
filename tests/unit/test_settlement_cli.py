"""`supplytwin settlement`: claims are found, shown and explained from topics, file and export; acts
are records, and the worker's answer is what is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from settlement_deployment import Pumped, World
from typer.testing import CliRunner

from supplytwin.processors.settlement_state import PUBLIC
from supplytwin.schemas import journal, validate
from supplytwin.schemas.errors import TransientError, UsageError
from supplytwin.schemas.records import JOURNAL, REVIEWS
from supplytwin.streams import cli, cli_settlement, deployment, redrive, settlement_tell
from supplytwin.streams import settlement_read as read
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.journal_file import write
from supplytwin.streams.settlement_show import Leaf
from supplytwin.streams.summary import read_all

OLGA = ("--as", "olga", "--reason", "looked at it")
ROSA = ("--as", "rosa", "--reason", "it is in order")
AMOUNT = 240_000_000


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A claim whose money is reserved, and the commands over it."""
    made = World(tmp_path)
    broker: Any = Pumped(made.broker, made)
    chosen = Chosen(broker=broker, how="in memory", close=lambda: None)
    monkeypatch.setattr(cli_settlement, "connect", lambda context: (made.settings, chosen))
    return made


def run(*words: str, code: int = 0, answer: str | None = None) -> str:
    done = CliRunner().invoke(cli.app, ["settlement", *words], input=answer)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def asked(*words: str, code: int = 0) -> Any:
    return json.loads(run(*words, "--json", code=code))


# ---- looking


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((), 1),
        (("--state", "RESERVED"), 1),
        (("--state", "funds reserved"), 1),
        (("--state", "held"), 0),
        (("--state", "HELD", "--state", "Funds Reserved"), 1),
        (("--contract", "C-1", "--chain", "PO-1"), 1),
        (("--contract", "C-2"), 0),
        (("--chain", "PO-2"), 0),
    ],
)
def test_claims_are_listed_by_state_contract_and_chain(
    world: World, words: tuple[str, ...], count: int
) -> None:
    """States by their own or their public names; several filters narrow it."""
    found = asked("list", *words)
    assert len(found) == count
    for one in found:
        assert (one["claim_id"], one["state"], one["amount_minor"]) == ("A-1", "RESERVED", AMOUNT)
        assert PUBLIC[one["state"]] == one["public_state"]


def test_a_state_that_is_none_is_refused_with_those_that_are(world: World) -> None:
    """The error lists every state under both names."""
    with pytest.raises(UsageError, match="--state 'paidd' is none") as error:
        run("list", "--state", "paidd")
    assert all(f"{state} ({public})" in str(error.value) for state, public in PUBLIC.items())


def test_topics_file_and_export_show_the_same(world: World, tmp_path: Path) -> None:
    """A claim with its history and money, wherever it is read; an export has no instructions."""
    world.events(0)
    world.days(3)
    database, exported = tmp_path / "twin.duckdb", tmp_path / "journal.jsonl"
    subscriber, sink = deployment.duck(world.broker, database, world.meta)
    for _ in range(20):
        subscriber.turn()
    sink.close()
    write(exported, [one.value or b"" for one in read_all(world.broker, JOURNAL, 2)])
    shown = asked("show", "A-1")
    in_file = asked("show", "A-1", "--db", str(database))
    taken_away = asked("show", "A-1", "--journal", str(exported))
    assert shown["explained"]["state"] == "SETTLED"
    assert [one["kind"] for one in shown["instructions"]] == ["RESERVE", "PAY"]
    assert in_file == shown
    assert taken_away == {**shown, "instructions": None}
    assert sum(shown["accounts"].values()) == 0
    assert shown["accounts"]["seller"] == AMOUNT
    assert [one["transition"]["to_state"] for one in shown["history"] if one["transition"]] == [
        "CREATED", "RESERVED", "MATCHED", "APPROVED", "INSTRUCTED", "ACCEPTED", "SETTLED",
    ]  # fmt: skip
    for words in (("list",), ("explain", "C-1")):
        here = asked(*words)
        assert asked(*words, "--db", str(database)) == here
        assert asked(*words, "--journal", str(exported)) == here


def test_a_damaged_export_is_shown_up_to_the_damage(world: World, tmp_path: Path) -> None:
    """Exit 1, and what is wrong."""
    exported = tmp_path / "journal.jsonl"
    entries = [one.value or b"" for one in read_all(world.broker, JOURNAL, 2)]
    own = [one for one in entries if journal.read(one).chain_id == "PO-1"]
    write(exported, [*own[:-2], own[-1]])
    shown = asked("show", "A-1", "--journal", str(exported), code=1)
    assert shown["broken"] is not None
    assert "BROKEN" in run("show", "A-1", "--journal", str(exported), code=1)
    assert "BROKEN" in run("explain", "A-1", "--journal", str(exported), code=1)


def test_each_leaf_is_explained(world: World) -> None:
    """TRUE on which evidence, UNKNOWN until when, and what is FALSE at a later tick."""
    world.events(0, until="customs.cleared")
    (claim,) = asked("explain", "C-1")["claims"]
    leaves = {one["name"]: one for one in claim["leaves"]}
    assert leaves["release"]["value"] == "TRUE"
    assert leaves["release"]["evidence"] == ["customs:ae/c-1 (counts)", "customs:ae/d-1 (counts)"]
    assert leaves["release"]["happened_until"] is None
    waited = leaves["received:10"]
    assert (waited["value"], waited["evidence"]) == ("UNKNOWN", [])
    assert waited["happened_until"] == "2027-02-09T16:00:00Z"
    assert waited["arrived_until"] == "2027-02-11T16:00:00Z"
    assert "received 0 of 40" in waited["why"]
    (late,) = asked("explain", "PO-1", "--at", "2027-02-20")["claims"]
    assert {one["name"]: one["value"] for one in late["leaves"]}["received:10"] == "FALSE"
    told = run("explain", "A-1")
    assert "evidence: customs:ae/c-1 (counts)" in told
    assert "until: happened by 2027-02-09T16:00:00Z, known by 2027-02-11T16:00:00Z" in told


def test_a_leaf_of_full_terms_says_by_when_it_must_be_known() -> None:
    """It has one time alone, which people are told all the same; what is TRUE has none."""
    given = {"name": "$", "why": "", "evidence": [], "happened_until": None}
    waited = Leaf(**given, value="UNKNOWN", arrived_until="2027-02-11T16:00:00Z")
    assert settlement_tell.until(waited) == "until: known by 2027-02-11T16:00:00Z"
    assert not settlement_tell.until(Leaf(**given, value="TRUE", arrived_until=None))


def listed(**changes: Any) -> read.Listed:
    fields = {
        "settlement_id": "5" * 32, "contract_id": "C-1", "chain_id": "PO-1", "tranche_id": "T1",
        "claim_id": "A-1", "state": "HELD", "public_state": "held for review", "amount_minor": 1,
        "currency": "CNY", "since": "", "row": 1, "reason": "", "contract_seq": 1,
    }  # fmt: skip
    return read.Listed(**{**fields, **changes})


class Given:
    """A place with these claims."""

    name = "here"

    def __init__(self, *found: read.Listed) -> None:
        self.found = found

    def claims(self, wanted: read.Wanted) -> list[read.Listed]:
        return [one for one in self.found if wanted.fits(one)]


def test_a_claim_has_several_names_and_must_be_one() -> None:
    """Its ids alone or joined; a name that fits several is refused with those that it fits."""
    other = listed(settlement_id="6" * 32, tranche_id="T2")
    source: Any = Given(listed(), other)
    for name in ("C-1/T1/A-1", "5" * 32):
        assert read.one_claim(source, name, None) == listed()
    for name in ("A-1", "C-1/A-1", "C-1", "PO-1"):
        with pytest.raises(UsageError, match=r"names 2 claims: C-1/T1/A-1 .*T2/A-1 .*say which"):
            read.one_claim(source, name, None)
    with pytest.raises(UsageError, match="no claim 'A-2' in here: name it by"):
        read.one_claim(source, "A-2", None)
    with pytest.raises(UsageError, match="no claim 'A-1' in here"):
        read.one_claim(source, "A-1", "PO-2")


# ---- acting


def test_a_hold_is_a_record_and_its_decision_is_told(world: World) -> None:
    """Who, in which role, why, over which evidence; and the transition that came of it."""
    seen = asked("show", "A-1")["explained"]
    done = asked("hold", "A-1", "--as", "olga", "--role", "RISK", "--reason", "seized")
    (told,) = world.told()
    assert (told.verdict, told.reviewer, told.role, told.reason) == (
        "HOLD",
        "olga",
        "RISK",
        "seized",
    )
    assert (told.settlement_id, told.evidence_hash) == (
        seen["settlement_id"],
        seen["evidence_hash"],
    )
    (transition,) = done["transitions"]
    assert (transition["from_state"], transition["to_state"]) == ("RESERVED", "HELD")
    assert transition["cause_seq"] == done["seq"]
    assert done["refused"] is None
    assert [one["code"] for one in done["alarms"]] == ["HELD_FOR_REVIEW"]
    world.events(0)
    assert asked("list")[0]["state"] == "HELD", "nothing is paid"


def test_a_release_shows_what_it_clears_and_asks(world: World) -> None:
    """Nobody answers, or no: nothing is sent. Yes: the ids that were shown are cleared."""
    run("hold", "A-1", *OLGA)
    for answer, why in (("n\n", "not confirmed"), ("", "nobody answered")):
        with pytest.raises(UsageError, match=f"{why}.*: nothing was sent"):
            run("release", "A-1", *ROSA, answer=answer)
    with pytest.raises(UsageError, match="--json asks nobody: give --yes"):
        run("release", "A-1", *ROSA, "--json")
    assert len(world.told()) == 1
    said = run("release", "A-1", *ROSA, answer="y\n")
    against = asked("show", "A-1")["cleared"]
    assert len(against) == 1
    assert f"clears {against[0]} (raised by olga)" in said
    assert "HELD -> RESERVED (row 13" in said
    assert list(world.told()[-1].cleared_ids) == against


def test_who_held_it_cannot_release_it(world: World) -> None:
    """The worker's refusal is told with its reason, exit 1; the history says that nothing moved."""
    run("hold", "A-1", *OLGA)
    done = asked("release", "A-1", *OLGA, "--yes", code=1)
    assert "be another person than who raised" in done["refused"]
    assert done["transitions"] == []
    last = asked("show", "A-1")["history"][-1]
    assert (last["kind"], last["moved"]) == ("INPUT", False)
    assert "moved no claim" in run("show", "A-1")
    assert "REFUSED" in run("recall", "A-1", *OLGA, code=1)


def test_evidence_that_has_changed_since_it_was_shown_is_not_released(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact that comes while the question stands: the worker refuses, the claim stays held."""
    run("hold", "A-1", *OLGA)
    monkeypatch.setattr(cli_settlement, "_confirm", lambda _: world.events(0))
    assert "is not that of the evidence as it is now" in run("release", "A-1", *ROSA, code=1)
    assert asked("list")[0]["state"] == "HELD"


def test_a_payment_on_its_way_is_recalled(world: World) -> None:
    """INSTRUCTED -> CANCEL_PENDING, and the rail is told."""
    world.events(0)
    assert asked("list")[0]["state"] == "INSTRUCTED"
    said = run("recall", "A-1", *OLGA)
    assert "INSTRUCTED -> CANCEL_PENDING (row 28" in said
    assert asked("show", "A-1")["instructions"][-1]["kind"] == "RECALL"


def test_a_dispute_goes_out_only_when_workers_can_read_it(world: World) -> None:
    """A verdict that no worker knows would only hold its chain, from the quarantine: not sent."""
    words = ("dispute", "A-1", *OLGA, "--role", "BUYER")
    if "DISPUTE" in validate.VERDICTS:
        done = CliRunner().invoke(cli.app, ["settlement", *words])
        assert done.exit_code in (0, 1)
        assert [one.verdict for one in world.told()] == ["DISPUTE"]
        return
    with pytest.raises(UsageError, match="nothing was sent: verdict 'DISPUTE' is not one of"):
        run(*words)
    assert world.told() == []


def test_without_a_worker_it_says_that_the_record_stands(world: World) -> None:
    """The wait is bounded; the same act again has the same id, and is taken once."""
    world.still = True
    for _ in range(2):
        with pytest.raises(TransientError, match="is sent, and no worker has taken it"):
            run("hold", "A-1", *OLGA, "--wait", "0.2")
    assert len({one.input_id for one in world.told()}) == 1
    world.still = False
    world.days(1)
    held = [one for one in asked("show", "A-1")["history"] if one["kind"] == "INPUT"]
    assert [one["what"] for one in held][-1].startswith("HOLD by olga")
    assert len(held) == 3, "contract, receipt, hold"


def test_an_act_that_goes_to_the_quarantine_is_refused(world: World, tmp_path: Path) -> None:
    """Here a policy does not let this desk speak: code and reason are told."""
    policy = tmp_path / "policy.json"
    rule = {"topic": REVIEWS, "source": "bank:*", "organisation": "B"}
    policy.write_text(json.dumps({"sources": [rule]}))
    act = redrive.Act(who="o", role="O", reason="r")
    redrive.publish_policy(world.broker, world.meta, policy, act, world.now)
    world.conductor.quiet()
    assert "REFUSED: quarantined, FORBIDDEN_SOURCE source" in run("hold", "A-1", *OLGA, code=1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("hold", "A-1", "--as", " ", "--reason", "r"), "--as is empty"),
        (("hold", "A-1", "--as", "o", "--reason", ""), "--reason is empty"),
        (("hold", "B-1", "--as", "o", "--reason", "r"), "no claim 'B-1'"),
        (("explain", "C-9"), "no claim, contract or chain 'C-9'"),
        (("show", "A-1", "--db", "a", "--journal", "b"), "not both"),
        (("show", "A-1", "--db", "nowhere.duckdb"), "there is no database nowhere.duckdb"),
        (("show", "A-1", "--journal", "nowhere.jsonl"), "cannot read nowhere.jsonl"),
        (("show", "A-1", "--journal", __file__), "line 1: not a journal line"),
    ],
)
def test_what_cannot_be_done_is_said(world: World, words: tuple[str, ...], says: str) -> None:
    """One line that names it; nothing is sent."""
    with pytest.raises(UsageError, match=says):
        run(*words)
    assert world.told() == []
