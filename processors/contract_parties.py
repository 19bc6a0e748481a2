"""The people of a contract: who pays, who is paid, who signs, whose word counts, who decides."""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from supplytwin.processors.condition_counting import attested
from supplytwin.schemas.condition import (
    Approval,
    Condition,
    Document,
    Milestone,
    Quality,
    Quantity,
    walked,
)
from supplytwin.schemas.contract import SINGLE, ContractTerms, Disputes, Party
from supplytwin.schemas.contract_codes import problem
from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.findings import Finding
from supplytwin.schemas.ids import check_chain_id

IN_WAREHOUSE = frozenset(("IN_BUYER_WAREHOUSE", "RECEIVED", "RECEIVED_WH"))
"""Milestones of the buyer's warehouses."""
_PURPOSE_CNY = 6
_WILD = re.compile(r"[*?\[\]]")


def problems(terms: ContractTerms) -> Iterator[Finding]:
    """What is wrong with parties, attesters, disputes and the purpose."""
    yield from _chain(terms)
    yield from _parties(terms)
    for name, role in (("payer", terms.payer), ("payee", terms.payee)):
        yield from _side(terms, name, role)
    yield from _between(terms)
    yield from _attesters(terms)
    people = _People(terms)
    for at, tranche in enumerate(terms.tranches):
        for path, node in walked(tranche.condition, f"$.tranches[{at}].condition"):
            for one in people.missing(node, path):
                yield replace(one, says=f"{tranche.tranche_id}: {one.says}")
    if terms.disputes is None:
        says = "there are none: nobody can stop a payment but by evidence"
        yield problem("$.disputes", "NO_DISPUTES", says)
    else:
        yield from _disputes(terms, terms.disputes)
    if terms.evidence.hmac_allowed:
        says = "a shared key binds nobody: who can check such evidence could have made it"
        yield problem("$.evidence.hmac_allowed", "REPUDIABLE", says)


def _chain(terms: ContractTerms) -> Iterator[Finding]:
    try:
        check_chain_id(terms.chain_id)
    except RecordError as error:
        yield problem("$.chain_id", "PARTIES", error.reason)


def _parties(terms: ContractTerms) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for at, one in enumerate(terms.parties):
        path = f"$.parties[{at}]"
        if one.role in SINGLE and any(other.role == one.role for other in terms.parties[:at]):
            yield problem(f"{path}.role", "PARTIES", f"there is a {one.role} already")
        elif (one.role, one.org_id) in seen:
            yield problem(f"{path}.org_id", "PARTIES", f"is a {one.role} already: name it once")
        seen.add((one.role, one.org_id))


def _side(terms: ContractTerms, name: str, role: str) -> Iterator[Finding]:
    """Who pays or is paid needs a bank and an account."""
    party = terms.party(role)
    if role not in SINGLE:
        says = f"is {role}: only one of {', '.join(SINGLE)} pays or is paid"
        yield problem(f"$.{name}", "PARTIES", says)
    elif party is None:
        yield problem(f"$.{name}", "PARTIES", f"there is no {role} among the parties: add it")
    else:
        path = f"$.parties[{terms.parties.index(party)}]"
        for part, value in (("agent", party.agent), ("account", party.account)):
            if value is None:
                says = f"is missing: no payment can be written without it ({name})"
                yield problem(f"{path}.{part}", "PARTIES", says)


def _between(terms: ContractTerms) -> Iterator[Finding]:
    """What payer and payee have to do with each other."""
    payer, payee = terms.party(terms.payer), terms.party(terms.payee)
    if payer is None or payee is None:
        return
    if payer is payee:
        yield problem("$.payee", "PARTIES", "is the payer: name another party")
    elif payer.account is not None and payer.account == payee.account:
        yield problem("$.payee", "PARTIES", "has the payer's own account")
    yield from _purpose(terms, payer, payee)


def _purpose(terms: ContractTerms, payer: Party, payee: Party) -> Iterator[Finding]:
    places = payer.countries | payee.countries
    code = terms.purpose_code
    if terms.currency != "CNY" or len(places) < 2:
        return
    if code is None or len(code) != _PURPOSE_CNY or not code.isalpha():
        says = f"CNY between {', '.join(sorted(places))} needs one of six letters, as CGODDR"
        yield problem("$.purpose_code", "PURPOSE", says)


def _attesters(terms: ContractTerms) -> Iterator[Finding]:
    owners: dict[str, tuple[str, str]] = {}
    seats: set[tuple[str, str]] = set()
    payee = terms.party(terms.payee)
    for at, one in enumerate(terms.attesters):
        path, seat = f"$.attesters[{at}]", (one.org_id, one.role)
        if seat in seats:
            says = f"stands there twice as {one.role}: write all its sources together"
            yield problem(f"{path}.org_id", "ATTESTERS", says)
        seats.add(seat)
        for number, source in enumerate(one.sources):
            if _WILD.search(source):
                says = "has a wildcard: write each source by its exact name"
                yield problem(f"{path}.sources[{number}]", "ATTESTERS", says)
            owner = owners.setdefault(source, seat)
            if owner != seat:
                says = f"is a source of {owner[0]} as {owner[1]}: one source speaks for one role"
                yield problem(f"{path}.sources[{number}]", "ATTESTERS", says)
        if payee is not None and one.org_id == payee.org_id:
            says = f"is the payee: as {one.role} it speaks for its own payment"
            yield problem(f"{path}.org_id", "OWN_WORD", says)


class _People:
    """Whether there is anybody whose word a leaf asks for."""

    def __init__(self, terms: ContractTerms) -> None:
        self._attesters = [(one.org_id, one.role) for one in terms.attesters]
        self._homeless = not terms.warehouses

    def missing(self, node: Condition, path: str) -> Iterator[Finding]:
        """Of the leaf at `path`."""
        match node:
            case Milestone():
                who = node.by
                yield from _enough(self._attesters, who.roles, who.k, f"{path}.milestone.by")
                if node.type in IN_WAREHOUSE and self._homeless:
                    says = f"{path} asks for {node.type}: name the buyer's warehouses"
                    yield problem("$.warehouses", "UNTOLD", says)
            case Approval():
                yield from _enough(self._attesters, node.roles, node.k, f"{path}.approval")
            case Document():
                where = f"{path}.document.issuer_role"
                yield from _enough(self._attesters, (node.issuer_role,), 1, where)
            case Quality():
                where = f"{path}.quality.certificate_role"
                yield from _enough(self._attesters, (node.certificate_role,), 1, where)
            case Quantity(measure="RECEIVED" | "ACCEPTED") if self._homeless:
                says = f"{path} asks for goods {node.measure}: name the buyer's warehouses"
                yield problem("$.warehouses", "UNTOLD", says)


def _enough(
    people: list[tuple[str, str]], roles: tuple[str, ...], k: int, path: str
) -> Iterator[Finding]:
    found = attested([one for one in people if one[1] in roles])
    if found < k:
        says = (
            f"asks for {k} of {', '.join(roles)}, but {found} can speak in these roles: "
            "add attesters of other organisations"
        )
        yield problem(path, "UNTOLD", says)


def _disputes(terms: ContractTerms, disputes: Disputes) -> Iterator[Finding]:
    roles = {one.role for one in terms.parties}
    for at, role in enumerate(disputes.who):
        if role not in roles:
            says = f"there is no {role} among the parties"
            yield problem(f"$.disputes.who[{at}]", "DISPUTES", says)
    arbiters = {one.org_id for one in terms.parties if one.role == "ARBITER"}
    sides = {one.org_id for one in terms.parties if one.role in (terms.payer, terms.payee)}
    for at, name in enumerate(disputes.arbiter.of):
        path = f"$.disputes.arbiter.of[{at}]"
        if name not in arbiters:
            yield problem(path, "DISPUTES", f"{name} is no party with the role ARBITER")
        if name in sides:
            yield problem(path, "DISPUTES", f"{name} pays or is paid: it cannot decide")
    if disputes.arbiter.k > len(disputes.arbiter.of):
        says = f"asks for {disputes.arbiter.k} of {len(disputes.arbiter.of)}: lower it"
        yield problem("$.disputes.arbiter.k", "DISPUTES", says)
    if duration_us(disputes.max_len) == 0:
        yield problem("$.disputes.max_len", "DISPUTES", "is nothing: nobody could decide in time")
