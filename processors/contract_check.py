"""What is wrong with contract terms that read well: everything at once, each with its JSON path.

A fault keeps a contract from being agreed; advice is what its parties should know before they sign.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from supplytwin.processors import (
    contract_answers,
    contract_parties,
    contract_payments,
    contract_windows,
)
from supplytwin.processors.contract_templates import differences
from supplytwin.schemas import contract_read
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.contract_codes import ADVICE, problem
from supplytwin.schemas.dimensions import factor
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.findings import Finding, in_order, shortened
from supplytwin.schemas.money import from_minor

KEEP = (
    "write its hold as it was, as much into the cap of its tranche, and the sum of all holds into "
    "cap_minor"
)
"""What to do about a claim that keeps its hold under an amendment."""
SHOWN = 5
"""So many claims are named at most."""
RAIL = (
    "a rail that books a payment after it has rejected it makes a double payment possible unless "
    "it knows the EndToEndId again: ask the bank to refuse a second one for ever"
)


class Report(Struct, frozen=True, kw_only=True):
    """What was found. `terms` is None when the text does not read as terms."""

    terms: ContractTerms | None
    terms_hash: str | None
    findings: tuple[Finding, ...]
    """Faults: none of them is in terms that can be agreed."""
    advice: tuple[Finding, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the terms can be signed."""
        return not self.findings


def check(raw: bytes, *, free_conditions: bool = False) -> Report:
    """Everything there is to say of a text. Never raises for what stands in it.

    `free_conditions`: the policy of the deployment permits terms that no template made.
    """
    found = contract_read.read(raw)
    if found.value is None:
        return Report(terms=None, terms_hash=None, findings=shortened(found.findings))
    terms = found.value
    findings, advice = sense(terms, free_conditions=free_conditions)
    return Report(
        terms=terms,
        terms_hash=terms_hash(encode(terms)),
        findings=shortened(findings),
        advice=shortened(advice),
    )


def sense(
    terms: ContractTerms, *, free_conditions: bool = False
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """(faults, advice) of terms that were read, each in the order of the document."""
    found = in_order(
        [
            *_head(terms, free_conditions=free_conditions),
            *contract_parties.problems(terms),
            *contract_payments.problems(terms),
            *contract_windows.problems(terms),
            *contract_answers.problems(terms),
        ]
    )
    faults = tuple([one for one in found if one.code not in ADVICE])
    return faults, tuple([one for one in found if one.code in ADVICE])


def succession(before: ContractTerms, after: ContractTerms) -> tuple[Finding, ...]:
    """What keeps `after` from being the next version of `before`, in the order of the document."""
    return in_order(_succession(before, after))


def _succession(before: ContractTerms, after: ContractTerms) -> Iterator[Finding]:
    for name in ("contract_id", "chain_id", "currency"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield problem(f"$.{name}", "VERSION", f"was {old}: no amendment changes it")
    if after.version != before.version + 1:
        says = f"is {after.version}, after {before.version} comes {before.version + 1}"
        yield problem("$.version", "VERSION", says)
    expected = terms_hash(encode(before))
    if after.amends != expected:
        yield problem("$.amends", "VERSION", f"is not the hash of the version before: {expected}")
    units = {one.line: one.unit for one in before.lines}
    for at, one in enumerate(after.lines):
        try:
            factor(units.get(one.line, one.unit), one.unit)
        except RecordError as error:
            says = f"line {one.line}: {error.reason}; write goods of another unit as another line"
            yield problem(f"$.lines[{at}].unit", "VERSION", says)


def kept_holds(before: ContractTerms, after: ContractTerms) -> tuple[Finding, ...]:
    """Advice: an amendment does not change what is approved or paid by then, and where that was
    more than it lists, it may be refused. Which claims those are no terms tell.
    """
    listed, held = _holds(after), _holds(before)
    more = {name: minor for name, minor in held.items() if minor > listed.get(name, 0)}
    most = sum(listed.values()) + sum(minor - listed.get(name, 0) for name, minor in more.items())
    if most <= after.cap_minor:
        return ()
    says = [
        f"claim {claim} of tranche {tranche} has {from_minor(minor, before.currency)} "
        f"{before.currency} there and {from_minor(listed.get((tranche, claim), 0), after.currency)}"
        " here"
        for (tranche, claim), minor in more.items()
    ]
    said = (
        "may be too small: a claim that is approved or paid when this version arrives keeps the "
        f"hold of the version before, and terms do not tell which are. {'; '.join(says[:SHOWN])}. "
        f"If they are more than the cap together, the version is refused. For each such one {KEEP}"
    )
    return (problem("$.cap_minor", "KEPT_HOLDS", said),)


def _holds(terms: ContractTerms) -> dict[tuple[str, str], int]:
    """Tranche and claim -> what is held for it, minor units."""
    return {
        (tranche.tranche_id, one.claim_id): one.max_minor
        for tranche in terms.tranches
        for one in tranche.claims
    }


def _head(terms: ContractTerms, *, free_conditions: bool) -> Iterator[Finding]:
    if terms.version == 1 and terms.amends is not None:
        yield problem("$.amends", "VERSION", "the first version amends nothing: leave it out")
    if terms.version > 1 and terms.amends is None:
        says = "is missing: write the terms hash of the version before"
        yield problem("$.amends", "VERSION", says)
    if terms.template is not None:
        yield from differences(terms)
    elif not free_conditions:
        says = (
            "is missing: write terms from a template (`contract templates`); without one they are "
            "agreed only where the deployment's policy says free_conditions"
        )
        yield problem("$.template", "FREE_CONDITIONS", says)
    elif terms.template_version is not None or terms.parameters:
        says = "stands there without a template: leave it out"
        name = "template_version" if terms.template_version is not None else "parameters"
        yield problem(f"$.{name}", "TEMPLATE", says)
    yield problem("$.attempts_max", "RAIL", RAIL)


def told(findings: Iterable[Finding]) -> Sequence[str]:
    """One line for each finding: path, code, and what to do."""
    return [f"{one.path} {one.code}: {one.line}" for one in findings]
