"""Footprints by other packs of factors: new versions from a day on, the same for ever, no money."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner
from upgrade_world import World, assert_linked, at_day_35, footprints

from supplytwin.processors.carbon_packs import Rule, in_force
from supplytwin.processors.chain import ChainFold
from supplytwin.schemas import codec, factors
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.footprints import Footprint
from supplytwin.schemas.ids import control_key
from supplytwin.schemas.records import EXCEPTIONS, JOURNAL, SETTLEMENT_EVENTS, STATE, StateRecord
from supplytwin.streams import (
    audit_run,
    carbon_restate,
    cli,
    cli_carbon_restate,
    journal_file,
    show,
)
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.summary import read_all


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Some footprints are complete, some wait."""
    yield from at_day_35(tmp_path)


def doubled() -> str:
    """A pack in which every default of the first built-in one emits twice as much."""
    pack = msgspec.to_builtins(factors.load(), builtin_types=(Decimal,))
    pack["pack"] = "doubled"
    for one in pack["factors"]:
        for name in ("wtw", "wtt", "ttw"):
            one[name] = None if one[name] is None else str(2 * Decimal(one[name]))
    pack["factors"] = [one for one in pack["factors"] if one["default_for"]]
    return json.dumps(pack, default=str)


PACKS = (doubled(),)


def plan(world: World, rule: Rule) -> carbon_restate.Plan:
    return carbon_restate.plan(world.broker, world.meta, rule, ("doubled-2025",), nobody)


def apply(world: World, rule: Rule) -> int:
    return carbon_restate.apply(world.broker, world.meta, rule, nobody)


def nobody(*_: object) -> None:
    """Is told how far reading is."""


def newest(world: World) -> dict[tuple[str, str], Footprint]:
    return {key: versions[-1] for key, versions in footprints(world).items()}


def middle(world: World) -> str:
    """A day before and behind which transport ended."""
    days = sorted({one.period_last for one in newest(world).values() if one.period_last})
    assert len(days) > 1
    return days[len(days) // 2]


def test_a_plan_writes_nothing_and_names_each_footprint(world: World) -> None:
    """Chain, consignment, next version, and what it was and is."""
    before = world.values(JOURNAL)
    rule = Rule(since=middle(world), packs=PACKS)
    found = plan(world, rule)
    assert world.values(JOURNAL) == before
    was = newest(world)
    differing = {(one.chain_id, one.consignment_id): one for one in found.footprints}
    for key, one in differing.items():
        assert one.version == was[key].version + 1
        assert one.was_wtw_kg == was[key].co2e_wtw_kg
        if one.was_wtw_kg is not None and one.is_wtw_kg is not None:
            assert Decimal(one.is_wtw_kg) == 2 * Decimal(one.was_wtw_kg)
    assert {
        key for key, one in was.items() if one.period_last and one.period_last >= rule.since
    } <= (differing.keys())
    assert not any(
        was[key].period_last is not None and str(was[key].period_last) < rule.since
        for key in differing
    )


def test_footprints_from_that_day_on_get_a_version_that_links_the_old_one(world: World) -> None:
    """By the new packs, with their names; earlier ones stay as they are, no claim is touched."""
    before = newest(world)
    events, alarms = world.values(SETTLEMENT_EVENTS), world.values(EXCEPTIONS)
    rule = Rule(since=middle(world), packs=PACKS)
    planned = plan(world, rule)
    assert apply(world, rule) == len(planned.footprints) > 0
    after = newest(world)
    assert_linked(world)
    restated = {key for key in after if after[key].version != before[key].version}
    assert restated == {(one.chain_id, one.consignment_id) for one in planned.footprints}
    for key in restated:
        one, old = after[key], before[key]
        assert one.previous_version == old.version
        assert (one.pack, one.pack_version) == ("doubled", "2025")
        assert one.input_hash != old.input_hash
        if old.complete:
            assert Decimal(one.co2e_wtw_kg or 0) == 2 * Decimal(old.co2e_wtw_kg or 0)
            assert one.packs == ("doubled-2025",)
    assert world.values(SETTLEMENT_EVENTS) == events
    assert [one for one in world.values(EXCEPTIONS) if one not in alarms] == []
    shown = {}
    for record in read_all(world.broker, STATE, 2):
        message = codec.decode(STATE, record.value or b"").message
        assert isinstance(message, StateRecord)
        shown[message.chain_id, message.subject_id] = message.co2e_kg
    assert all(shown[key] == one.co2e_wtw_kg for key, one in after.items())


def test_it_is_in_force_then(world: World) -> None:
    """Said once more it changes nothing; workers that start compute by the new packs, and what
    they compute an audit computes again.
    """
    rule = Rule(since="1970-01-01", packs=PACKS)
    assert apply(world, rule) > 0
    journal = world.values(JOURNAL)
    assert apply(world, rule) == 0
    assert world.values(JOURNAL) == journal
    assert plan(world, rule).in_force == 2
    known = newest(world)
    world.start()
    world.days(30)
    after = newest(world)
    assert_linked(world)
    fresh = [one for key, one in after.items() if key not in known or one != known[key]]
    assert any(one.complete for one in fresh)
    assert {one.pack for one in fresh} == {"doubled"}
    found = audit_run.run(world.broker, world.meta, nobody)
    assert not found.differences
    assert found.entries > len(journal)


def test_a_chain_that_is_folded_by_itself_is_computed_by_the_packs_in_force(
    world: World,
) -> None:
    """`twin show` reads one chain, and what every chain needs of the control chains."""
    rule = Rule(since="1970-01-01", packs=PACKS)
    before = world.values(JOURNAL)
    apply(world, rule)
    records = list(read_all(world.broker, JOURNAL, 2))
    common = [record.value or b"" for record in records if show.is_common(record)]
    assert len(common) == 2
    for (chain, consignment), one in newest(world).items():
        entries = [r.value or b"" for r in records if r.key == chain.encode()]
        (shown,) = [
            found
            for found in show.show(chain, entries, None, common).footprints
            if found["consignment_id"] == consignment
        ]
        assert (shown["co2e_wtw_kg"], shown["version"]) == (one.co2e_wtw_kg, one.version)
        then = show.Times(known_at=0)
        assert show.show(chain, entries, None, common, then).footprints == []
    assert len(before) < len(records)


def test_a_live_footprint_leaves_by_the_packs_in_force(world: World, tmp_path: Path) -> None:
    """`carbon export CHAIN` says the numbers of the newest record, and its version."""
    apply(world, Rule(since="1970-01-01", packs=PACKS))
    file = tmp_path / "journal.jsonl"
    journal_file.write(file, world.values(JOURNAL))
    for (chain, consignment), one in newest(world).items():
        words = ["carbon", "export", chain, "--journal", str(file), "--consignment", consignment]
        words += ["--company", "C", "--company-id", "urn:x:1", "--exempted-percent", "0"]
        words += ["--exempted-description", "", "--boundary", "transport", "--gwp", "AR5"]
        done = CliRunner().invoke(
            cli.app, [*words, "--format", "pact3", "--created", "2026-01-31T12:00:00Z"]
        )
        assert one.complete
        assert done.exit_code == 0, done.output
        paper = json.loads(done.stdout.splitlines()[0])
        (extension,) = paper["extensions"]
        tces = extension["data"]["tces"]
        off = sum(Decimal(tce["co2eWTW"]) for tce in tces) - Decimal(one.co2e_wtw_kg or 0)
        assert abs(off) < Decimal("1e-20"), "the adjustment is inside the intensity there"
        assert Decimal(paper["pcf"]["declaredUnitAmount"]) == Decimal(one.activity_tkm or 0)
    code = CliRunner().invoke(cli.app, ["carbon", "export", "NOBODY", "--format", "ileap"])
    assert code.exit_code != 0


def test_a_second_rule_holds_from_its_own_day(world: World) -> None:
    """Of two rules the later one counts for what both cover; a third version links the second."""
    day = middle(world)
    assert apply(world, Rule(since="1970-01-01", packs=PACKS)) > 0
    first = newest(world)
    assert apply(world, Rule(since=day, packs=("desnz-2025", "epa-hub-2025", "grids-2023"))) > 0
    second = newest(world)
    assert_linked(world)
    for key, one in second.items():
        if one.period_last is not None and one.period_last < day:
            assert one == first[key]
        else:
            assert one.pack == "desnz"
    assert audit_run.run(world.broker, world.meta, nobody).differences == []


def test_a_worker_that_starts_from_a_snapshot_knows_the_rules(world: World) -> None:
    """The state of the control chain has them: nothing before the snapshot is read again."""
    rule = Rule(since="1970-01-01", packs=PACKS)
    apply(world, rule)
    fold = ChainFold("t")
    state = fold.new(control_key(1))
    fold.remember(msgspec.structs.replace(state, packs=((7, (rule,)),)))
    assert in_force(fold._packs.at(1), None).named == "doubled-2025"
    assert in_force(fold._packs.at(0), None).named.startswith("desnz-2025")


def test_it_is_refused_beside_a_worker(world: World) -> None:
    """Footprints that a worker writes meanwhile would have no place in the order of versions."""
    world.start()
    world.days(1)
    with pytest.raises(UsageError, match="stop every worker"):
        apply(world, Rule(since="1970-01-01", packs=PACKS))


def test_a_worker_that_comes_between_reading_and_writing_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entries and ours would have the same places: nothing is written, and it goes on."""
    once = carbon_restate._changed

    def late(found: Any, rules: Any) -> Any:
        yield from once(found, rules)
        world.start()
        world.days(15)
        world.worker.close()
        monkeypatch.setattr(carbon_restate, "_changed", once)

    monkeypatch.setattr(carbon_restate, "_changed", late)
    rule = Rule(since="1970-01-01", packs=PACKS)
    with pytest.raises(UsageError, match="has written meanwhile"):
        apply(world, rule)
    assert {one.pack for one in newest(world).values()} == {"desnz"}
    assert apply(world, rule) > 0
    world.start()
    world.days(5)
    assert_linked(world)
    assert audit_run.run(world.broker, world.meta, nobody).differences == []


def test_a_chain_that_is_read_again_is_computed_by_the_rules_of_then(world: World) -> None:
    """Whatever rules came later: its versions are those that were written."""
    apply(world, Rule(since=middle(world), packs=PACKS))
    apply(world, Rule(since="1970-01-01", packs=("desnz-2025",)))
    records = list(read_all(world.broker, JOURNAL, 2))
    said = newest(world)
    for number in range(2):
        fold = ChainFold("t")
        mine = fold.replay([r for r in records if r.partition == number])
        control = fold.new(control_key(number))
        for one in mine:
            if one.key == control_key(number).encode():
                control = fold.restore(control, one)
        for chain in {(one.key or b"").decode() for one in mine}:
            if chain.startswith("@"):
                continue
            state = fold.new(chain)
            for one in mine:
                if one.key == chain.encode():
                    state = fold.restore(state, one)
            for name, known in state.footprints.items():
                assert (known.version, known.input_hash) == (
                    said[chain, name].version, said[chain, name].input_hash,
                )  # fmt: skip


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command on that deployment; (exit code, what it prints)."""
    chosen = Chosen(broker=world.broker, how="in memory", close=lambda: None)
    monkeypatch.setattr(cli_carbon_restate, "connect", lambda context: (world.settings, chosen))

    def invoke(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, ["carbon", "restate", *words])
        return done.exit_code, done.output if done.exception is None else str(done.exception)

    return invoke


def test_the_command_plans_and_applies(run: Any, tmp_path: Path) -> None:
    """A file is a pack as well as a name is; the answer counts footprints."""
    file = tmp_path / "doubled.json"
    file.write_text(doubled())
    words = ["--pack", str(file), "--since", "1970-01-01"]
    code, text = run(*words, "--plan", "--json")
    planned = json.loads(text)
    assert (code, planned["packs"], planned["in_force"]) == (0, ["doubled-2025"], 0)
    code, text = run(*words, "--plan")
    assert code == 0
    assert "next version" in text
    code, text = run(*words, "--apply", "--json")
    assert json.loads(text)["restated"] == len(planned["footprints"]) > 0
    code, text = run(*words, "--plan")
    assert "in force already for 2 partition numbers" in text
    assert "no footprint differs" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--pack", "desnz-2025", "--since", "2024-13-01", "--plan"], "YYYY-MM-DD"),
        (["--pack", "nothing", "--since", "2024-01-01", "--plan"], "no pack nothing"),
        (["--pack", "desnz-2025", "--since", "2024-01-01"], "--plan or --apply"),
        (["--pack", "{bad}", "--since", "2024-01-01", "--plan"], "carbon pack check"),
        (["--pack", "{fake}", "--since", "2024-01-01", "--plan"], "is called desnz-2025, too"),
    ],
)
def test_what_cannot_be_says_why(run: Any, tmp_path: Path, words: list[str], says: str) -> None:
    """A day, a pack or a choice that is none; a pack that is wrong, or has the name of another."""
    bad, fake = tmp_path / "bad.json", tmp_path / "fake.json"
    bad.write_text("{}")
    fake.write_text(doubled().replace('"doubled"', '"desnz"'))
    code, text = run(*(word.format(bad=bad, fake=fake) for word in words))
    assert code != 0
    assert says in text
