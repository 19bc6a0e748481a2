"""Questions about the claims of the small settlement world, in the condition language."""

import itertools
import json

import settlement_world as w

from supplytwin.processors.condition_eval import evaluate
from supplytwin.processors.condition_facts import built, stirred_by
from supplytwin.processors.condition_facts_asked import Attester, ClaimAsked, ClaimLine
from supplytwin.processors.condition_view import Ordered, Scope
from supplytwin.schemas.condition_read import read

__all__ = ["evaluate", "stirred_by"]
SOURCES = (
    Attester(source="customs", organisation="customs-org", roles=("CUSTOMS",)),
    Attester(source="wms*", organisation="buyer-wh", roles=("WAREHOUSE",)),
    Attester(source="simulated:wms*", organisation="sim-wh", roles=("WAREHOUSE",)),
    Attester(source="carrier", organisation="line", roles=("CARRIER",)),
    Attester(source="iot", organisation="telco", roles=("IOT",)),
    Attester(source="seller", organisation="S", roles=("SELLER",)),
    Attester(source="buyer", organisation="B", roles=("BUYER",)),
    Attester(source="verifier", organisation="auditor", roles=("VERIFIER",)),
)


def condition(value):
    """A condition that reads without a finding."""
    found = read(json.dumps(value).encode())
    assert found.findings == (), found.findings
    return found.value


def milestone(type_, *roles, k=1, **more):
    """A milestone leaf, as JSON."""
    return {"milestone": {"type": type_, "by": {"roles": list(roles), "k": k}, **more}}


def quantity(line, value, measure="RECEIVED", op=">="):
    """A quantity leaf, as JSON."""
    return {"quantity": {"line": line, "measure": measure, "op": op, "value": str(value)}}


def absent(type_, *during):
    """An absence, during the challenge window unless two times are given."""
    return {"absent": {"type": type_, "during": list(during) or "CHALLENGE"}}


def thin(claim):
    """What the template "release-and-receipt" asks, in the language."""
    released = [milestone(one, "CUSTOMS", "WAREHOUSE") for one in
                ("CUSTOMS_RELEASED", "CUSTOMS_CLEARED")]  # fmt: skip
    received = [quantity(one.line_id, one.qty) for one in claim.lines]
    return {"all": [{"any": released}, *received, absent("CUSTOMS_HOLD")]}


def asked(value, claim=None, *, terms=None, tick=None, **changes):
    """The question of a claim at a tick; a challenge window ends at the tick."""
    claim = w.claim_terms() if claim is None else claim
    terms = w.contract_terms((claim,)) if terms is None else terms
    tick = w.day(80) if tick is None else tick
    rivals = {
        line.line_id: tuple(sorted({
            other.consignment_id for other in terms.claims for one in other.lines
            if one.line_id == line.line_id and other.consignment_id != claim.consignment_id
        }))
        for line in claim.lines
    }  # fmt: skip
    scope = Scope(
        tick=tick, deadline=claim.deadline, grace_us=claim.grace_us, zone=terms.zone,
        long_stop=changes.pop("long_stop", terms.long_stop),
        challenge_end=changes.pop("challenge_end", tick),
        lines=tuple(Ordered(line=one.line_id, qty=one.qty, unit="EA") for one in claim.lines),
    )  # fmt: skip
    fields = {
        "condition": condition(value), "scope": scope, "consignment_id": claim.consignment_id,
        "lines": tuple(ClaimLine(line=one, rivals=rivals[one]) for one in rivals),
        "attesters": SOURCES, "warehouses": terms.warehouses,
    }  # fmt: skip
    return ClaimAsked(**{**fields, **changes})


def look(value, *facts, **changes):
    """(what was built, the evaluation) over (event, arrival) pairs."""
    question = asked(value, **changes)
    found = built(w.twin_of(*facts), question)
    return found, evaluate(question.condition, found.evidence, question.scope)


def value_of(value, *facts, **changes):
    """TRUE, FALSE or UNKNOWN."""
    return look(value, *facts, **changes)[1].value


def orders(facts):
    """Some orders of facts, some of them told twice."""
    for order in itertools.islice(itertools.permutations(facts), 24):
        yield order
        yield (*order, *order[:2])
