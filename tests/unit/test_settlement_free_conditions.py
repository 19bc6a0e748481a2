"""Template first: terms that no template makes are agreed only where the policy of the deployment,
which is control data, permits free conditions.
"""

import json
from typing import Any

import msgspec
import pytest
from contract_world import changed
from settlement_full_world import FullWorld, day, electronics
from test_settlement_full_review import amend

from supplytwin.schemas import codec
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash, written
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.flow import PERMIT
from supplytwin.schemas.records import CONTRACTS, INSTRUCTIONS, QUARANTINE
from supplytwin.streams import audit
from supplytwin.streams.cli_contract_check import checked

RULES: dict[str, Any] = {"sources": []}


def free(**changes: Any) -> ContractTerms:
    """The founding use case with another condition at export than its template has."""
    made: dict[str, Any] = json.loads(json.dumps(written(electronics())))
    alone = {"template": None, "template_version": None, "parameters": {}}
    cleared = {"milestone": {"type": "EXPORT_CLEARED", "by": {"roles": ["CUSTOMS"], "k": 1}}}
    found = read(changed(made, {**alone, "tranches.0.condition": cleared, **changes}))
    assert found.value is not None, found.findings
    return found.value


class Permitting(FullWorld):
    """A chain before its contract, in a deployment that has a policy or none."""

    def __init__(self, *policies: dict[str, Any]) -> None:
        super().__init__(free())
        for one in policies:
            self.policy(one)

    def permit(self) -> None:
        """The test says whether."""

    def agree(self, signed: tuple[Any, ...]) -> None:
        """The test says when."""

    @property
    def agreed(self) -> bool:
        self.tick(day(0.5))
        return [one.kind for one in self.read(INSTRUCTIONS)] == ["RESERVE"] * 3


def test_free_conditions_are_refused_unless_they_are_permitted() -> None:
    """No policy, one that says nothing of it, one that says no, one with another word for it: the
    record goes to the quarantine with the reason.
    """
    for policies in ((), (RULES,), ({**RULES, "free_conditions": False},),
                     ({**RULES, "free_condition": True},)):  # fmt: skip
        world = Permitting(*policies)
        amend(world, world.terms, 0.1)
        assert not world.agreed
        (refused,) = world.read(QUARANTINE)
        assert (refused.code, refused.field) == ("BAD_TERMS", "$.template")
        assert "free_conditions" in refused.reason


def test_free_conditions_are_agreed_where_the_policy_permits_them() -> None:
    """They pay as they say; an audit and a worker that starts again take the same."""
    world = Permitting({**RULES, "free_conditions": True})
    amend(world, world.terms, 0.1)
    assert world.agreed
    world.answer("RESERVE", "CONFIRMED", 0.6)
    world.declared("X-1", "EXPORT", 2, "customs-cn")
    world.tick(day(3))
    assert world.paid() == []
    world.fact("customs.cleared", "DECLARATION:X-1", "out", 4, "customs-cn", entry_id="E")
    world.tick(day(5))
    assert world.paid() == [72_000_000]
    assert world.audit().differences == []
    world.restart()
    assert world.states() == ["INSTRUCTED", "RESERVED", "RESERVED"]


def test_an_audit_finds_terms_that_no_policy_permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the journal says was permitted must be so by the policy at its place."""
    world = Permitting({**RULES, "free_conditions": True})
    amend(world, world.terms, 0.1)
    assert world.agreed
    monkeypatch.setattr(audit, "permits_free", lambda _: False)
    assert ["no policy permits" in one.says for one in world.audit().differences] == [True]


def test_the_newest_policy_counts_and_takes_nothing_back() -> None:
    """What was agreed under a former policy stays; what comes after it is refused."""
    world = Permitting({**RULES, "free_conditions": True})
    amend(world, world.terms, 0.1)
    assert world.agreed
    world.policy(RULES)
    before = world.state(world.chain).book.terms
    amend(world, free(version=2, amends=terms_hash(encode(world.terms))), 1)
    assert world.state(world.chain).book.terms == before
    assert [one.code for one in world.read(QUARANTINE)] == ["BAD_TERMS"]
    assert world.audit().differences == []


class Forging(Permitting):
    """Whoever writes contracts here brings a permission along."""

    def put(self, topic: str, message: Any, at: int) -> None:
        forged = ((PERMIT, b"free_conditions"),) if topic == CONTRACTS else ()
        body = codec.encode(topic, message)
        self.driver.send(topic, self.chain, body, headers=forged, timestamp_us=at)
        self.driver.settle()


def test_a_producer_cannot_permit_itself() -> None:
    """The header that a policy writes is dropped when a record brings it along."""
    for policies in ((), (RULES,)):
        world = Forging(*policies)
        amend(world, world.terms, 0.1)
        assert not world.agreed
    world = Forging(RULES)
    amend(world, electronics(), 0.1)
    assert world.agreed
    assert world.audit().differences == []


def test_terms_that_name_a_template_are_its_own_whatever_is_permitted() -> None:
    """A permission is for terms without a template: with the name of one they are what it makes."""
    world = Permitting({**RULES, "free_conditions": True})
    own = electronics()
    tranches = (msgspec.structs.replace(own.tranches[0], on_false="HOLD"), *own.tranches[1:])
    amend(world, msgspec.structs.replace(own, tranches=tranches), 0.1)
    assert not world.agreed
    assert [one.field for one in world.read(QUARANTINE)] == ["$.tranches[0].on_false"]


def test_the_check_says_what_permits_them() -> None:
    """In words: a template, or the policy of the deployment."""
    raw = json.dumps(written(free())).encode()
    (fault,) = checked(raw).findings
    assert (fault.path, fault.code) == ("$.template", "FREE_CONDITIONS")
    assert "free_conditions" in fault.says
    assert checked(raw, free_conditions=True).good
