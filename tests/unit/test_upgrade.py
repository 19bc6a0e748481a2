"""A fold that says old facts otherwise: listed, said again, and no money moved by it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner
from upgrade_world import CHAINS, World, assert_linked, at_day_35, footprints

from supplytwin.processors import (
    carbon,
    carbon_activity,
    chain,
    closing,
    conditions,
    footprint,
    milestones,
    simulate,
)
from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.restatement import CODE
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.events import ShipmentDelivered
from supplytwin.schemas.footprints import Leg
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import (
    EXCEPTIONS,
    FOOTPRINTS,
    INSTRUCTIONS,
    JOURNAL,
    LEGS,
    STATE,
    ExceptionRecord,
    StateRecord,
)
from supplytwin.streams import audit_run, cli, cli_check, topics, upgrade
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.conductor import send


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Day 35: the first chains are paid, the last have hardly begun."""
    yield from at_day_35(tmp_path)


def install(patch: pytest.MonkeyPatch, version: str) -> None:
    """This code is another fold from now on."""
    for module in (chain, upgrade):
        patch.setattr(module, "FOLD_VERSION", version)
    for fold in (chain.ChainFold, closing.ClosingFold):
        patch.setattr(fold, "version", version)


@pytest.fixture
def newer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fold 2: a release is not enough any more, facts look implausible, lines look 99 days late."""
    install(monkeypatch, "2")
    monkeypatch.setattr(conditions, "RELEASED_STATES", ("CLEARED",))
    monkeypatch.setattr(milestones, "is_implausible", lambda *_: True)
    monkeypatch.setattr(Subject, "delay_days", property(lambda self: 99))


def test_the_same_fold_changes_nothing(world: World) -> None:
    """Under the version that took everything a plan is empty, and applying it writes nothing."""
    plan = world.plan()
    assert plan.chains == ()
    assert plan.taken_by == {"1": 2}
    before = len(world.values(JOURNAL))
    assert upgrade.apply(world.broker, world.meta, lambda *_: None) == 0
    assert len(world.values(JOURNAL)) == before


@pytest.mark.usefixtures("newer")
def test_a_worker_does_not_start_over_another_folds_journal(world: World) -> None:
    """It says which command to run; nothing is folded under the new meaning by accident."""
    world.start()
    with pytest.raises(UsageError, match="supplytwin upgrade --plan"):
        for _ in range(50):
            world.worker.turn(0.0)


@pytest.mark.usefixtures("newer")
def test_a_plan_lists_what_changes_and_writes_nothing(world: World) -> None:
    """Every chain with facts, its states and exceptions, and each payment to be looked at again."""
    before = {topic: len(world.values(topic)) for topic in topics.DERIVED}
    plan = world.plan()
    assert plan.to == "2" and plan.taken_by == {"1": 2}
    assert plan.chains
    assert any(one.states for one in plan.chains)
    assert any(one.exceptions for one in plan.chains)
    assert any(one.reviews for one in plan.chains)
    assert {topic: len(world.values(topic)) for topic in topics.DERIVED} == before


@pytest.mark.usefixtures("newer")
def test_a_restatement_moves_no_money_and_raises_a_review(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paid stays paid, nothing is recalled or claimed back; a review for each; states are new."""
    plan = world.plan()
    instructed = len(world.values(INSTRUCTIONS))
    delays = world.delays()
    restated = upgrade.apply(world.broker, world.meta, lambda *_: None)
    assert restated == len(plan.chains)
    assert world.plan().taken_by == {"2": 2}
    to_review = {name for one in plan.chains for name in one.reviews}
    raised = [codec.decode(EXCEPTIONS, value).message for value in world.values(EXCEPTIONS)]
    assert {
        one.subject_id for one in raised if isinstance(one, ExceptionRecord) and one.code == CODE
    } == to_review
    assert any(days is not None for days in delays.values())
    assert world.delays() == {k: None if days is None else 99 for k, days in delays.items()}
    world.start()
    claims = world.claims()
    assert {claims[name].state for name in to_review} == {"SETTLED"}
    world.days(3)
    after = world.claims()
    assert {after[name].state for name in to_review} == {"SETTLED"}
    assert all(not claim.claimed for claim in after.values())
    assert len(world.values(INSTRUCTIONS)) >= instructed
    assert not any(claim.state == "CANCEL_PENDING" for claim in after.values())
    # a second plan has nothing left to say
    world.worker.close()
    assert all(one.reviews and not (one.states or one.milestones or one.exceptions)
               for one in world.plan().chains)  # fmt: skip


@pytest.mark.usefixtures("newer")
def test_what_was_taken_before_is_not_recomputed_by_an_audit(world: World) -> None:
    """Spans of the older fold are listed by version; what the new fold took is compared."""
    upgrade.apply(world.broker, world.meta, lambda *_: None)
    world.start()
    world.days(3)
    world.worker.close()
    found = audit_run.run(world.broker, world.meta, lambda *_: None)
    assert found.other_versions["1"] > 0
    assert [one for one in found.differences if "journal" in one.place] == []
    versions = {journal.read(value).fold_version for value in world.values(JOURNAL)}
    assert versions == {"1", "2"}


def test_a_running_worker_is_in_the_way(world: World) -> None:
    """An upgrade beside a worker would be written over: it is refused."""
    world.start()
    world.claims()
    with pytest.raises(UsageError, match="stop every worker"):
        upgrade.apply(world.broker, world.meta, lambda *_: None)


# ---- another carbon fold


def count_distances_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    once = carbon_activity.daf

    def twice(**of: Any) -> carbon_activity.Adjusted:
        found = once(**of)
        return replace(found, value=None if found.value is None else 2 * found.value)

    monkeypatch.setattr(carbon_activity, "daf", twice)


@pytest.fixture
def newer_carbon(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fold 2: every distance counts twice; nothing else is said otherwise."""
    install(monkeypatch, "2")
    monkeypatch.setattr(footprint, "_element", footprint._element.__wrapped__)
    count_distances_twice(monkeypatch)


@pytest.mark.usefixtures("newer_carbon")
def test_footprints_are_restated_where_the_number_differs(world: World) -> None:
    """A new version that links the old one, marked with its fold; the latest state has the new
    number, and no second time is anything left to say."""
    before = footprints(world)
    complete = {key for key, versions in before.items() if versions[-1].complete}
    assert complete
    plan = world.plan()
    assert {one.chain_id for one in plan.chains} == {chain_id for chain_id, _ in complete}
    assert sum(one.footprints for one in plan.chains) == len(complete)
    assert upgrade.apply(world.broker, world.meta, lambda *_: None) == len(plan.chains)
    after = footprints(world)
    assert {key for key in before if after[key] != before[key]} == complete
    for key in complete:
        old, new = before[key][-1], after[key][-1]
        assert (new.fold_version, new.previous_version) == ("2", old.version)
        assert round(Decimal(new.co2e_wtw_kg or 0) / Decimal(old.co2e_wtw_kg or 0), 20) == 2
    assert_linked(world)
    told = [codec.decode(LEGS, value).message for value in world.values(LEGS)]
    legs = {
        (one.chain_id, one.consignment_id): one.version
        for one in told
        if isinstance(one, Leg) and one.fold_version == "2"
    }
    assert legs == {key: after[key][-1].version for key in complete}
    state = {
        (one.chain_id, one.subject_id): one.co2e_kg
        for value in world.values(STATE)
        if isinstance(one := codec.decode(STATE, value).message, StateRecord)
    }
    assert all(state[key] == after[key][-1].co2e_wtw_kg for key in complete)
    assert world.plan().chains == ()


@pytest.mark.usefixtures("newer_carbon")
def test_versions_go_on_after_a_restatement(world: World) -> None:
    """A corrected delivery, taken by a worker that read the journal, links to the restated one."""
    upgrade.apply(world.broker, world.meta, lambda *_: None)
    restated = {key: v[-1] for key, v in footprints(world).items() if v[-1].fold_version == "2"}
    world.start()
    world.claims()
    made = simulate.chains(CHAINS, 11, spacing_us=4 * DAY_US)
    (told, *_) = [
        one for one in made.messages
        if isinstance(one.body, ShipmentDelivered) and one.body.mass_kg
        and (one.body.chain_id, one.body.consignment_id) in restated
    ]  # fmt: skip
    assert isinstance(told.body, ShipmentDelivered) and told.body.mass_kg
    corrected = replace(
        told.body, revision=told.body.revision + 1, mass_kg=told.body.mass_kg + 1,
    )  # fmt: skip
    send(world.records, replace(told, body=corrected, arrival=world.now))
    world.days(3)
    key = (corrected.chain_id, corrected.consignment_id)
    assert footprints(world)[key][-1].previous_version == restated[key].version
    assert_linked(world)
    found = audit_run.run(world.broker, world.meta, lambda *_: None)
    assert [one for one in found.differences if one.topic == FOOTPRINTS] == []


@pytest.mark.usefixtures("newer_carbon")
def test_a_fold_that_counts_other_versions_goes_on_from_those_that_were_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fold 2 sees no footprint before everything is delivered: fewer versions, and no gap."""
    known = carbon.affected
    monkeypatch.setattr(
        carbon,
        "affected",
        lambda subjects, moved: [
            name
            for name in known(subjects, moved)
            if subjects[SubjectKey("CONSIGNMENT", name)].deliveries
        ],
    )
    assert any(len(versions) > 1 for versions in footprints(world).values())
    upgrade.apply(world.broker, world.meta, lambda *_: None)
    assert world.plan().chains == ()
    world.start()
    world.days(30)
    assert_linked(world)


def test_a_footprint_that_opens_an_exception_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fold 2 has no factor: the number is gone, the exception stands, once."""
    install(monkeypatch, "2")
    complete = {key for key, versions in footprints(world).items() if versions[-1].complete}
    monkeypatch.setattr(footprint, "_element", footprint._element.__wrapped__)
    monkeypatch.setattr(Shelf, "default", lambda *_: None)
    upgrade.apply(world.broker, world.meta, lambda *_: None)
    after = footprints(world)
    assert all(after[key][-1].co2e_wtw_kg is None for key in complete)
    raised = [codec.decode(EXCEPTIONS, value).message for value in world.values(EXCEPTIONS)]
    opened = [
        (one.chain_id, one.subject_id) for one in raised
        if isinstance(one, ExceptionRecord) and one.code == "FACTOR_UNKNOWN" and one.open
    ]  # fmt: skip
    assert sorted(opened) == sorted(complete)


@pytest.mark.usefixtures("newer_carbon")
def test_the_command_counts_footprints(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`supplytwin upgrade --plan --json` and `--apply --json` say how many of what."""
    chosen = Chosen(broker=world.broker, how="in memory", close=lambda: None)
    monkeypatch.setattr(cli_check, "connect", lambda context: (world.settings, chosen))
    complete = sum(versions[-1].complete for versions in footprints(world).values())

    def said(*words: str) -> Any:
        done = CliRunner().invoke(cli.app, ["upgrade", *words])
        assert done.exit_code == 0, done.output
        return done.output

    planned = msgspec.json.decode(said("--plan", "--json"))
    assert sum(one["footprints"] for one in planned["chains"]) == complete > 0
    assert "footprints" in said("--plan")
    restated = msgspec.json.decode(said("--apply", "--json"))
    assert restated == {"restated": len(planned["chains"])}
    assert "nothing is said otherwise" in said("--plan")


@pytest.mark.usefixtures("newer_carbon")
def test_a_restatement_of_a_restatement_links_to_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fold 3 folds the journal with fold 2's restatement in it, and goes on from what that said."""
    upgrade.apply(world.broker, world.meta, lambda *_: None)
    second = {key: v[-1] for key, v in footprints(world).items() if v[-1].fold_version == "2"}
    install(monkeypatch, "3")
    count_distances_twice(monkeypatch)
    assert upgrade.apply(world.broker, world.meta, lambda *_: None) == len(second) > 0
    third = {key: v[-1] for key, v in footprints(world).items() if v[-1].fold_version == "3"}
    assert {key: one.previous_version for key, one in third.items()} == {
        key: one.version for key, one in second.items()
    }
    assert_linked(world)
    assert world.plan().chains == ()
