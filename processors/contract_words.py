"""Contract terms in words: what would be paid, when, on what, to whom."""

from collections.abc import Iterator
from typing import assert_never

from supplytwin.processors.contract_payments import maxima
from supplytwin.schemas.amounts import Fixed, OfTotal, PerUnit, Residual, Tolerance
from supplytwin.schemas.condition import (
    Absent,
    All,
    Anchor,
    AnyOf,
    Approval,
    Asset,
    AtLeast,
    Carbon,
    Condition,
    Document,
    Leaf,
    Milestone,
    Quality,
    Quantity,
    Telemetry,
    Time,
    When,
)
from supplytwin.schemas.contract import ContractTerms, Disputes, Party, Tranche
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.money import from_minor

_FUNDED = {
    "PREFUNDED_HOLD": "the money is reserved at the bank beforehand",
    "BANK_UNDERTAKING": "a bank has undertaken to pay; no hold is placed",
    "COMMITMENT_ONLY": "CREDIT RISK: nothing is reserved, the payer has only promised",
}
_ON_FALSE = {
    "EXPIRE": "it expires, and what is reserved goes back",
    "HOLD": "it is held until people have decided",
}


def words(terms: ContractTerms) -> tuple[str, ...]:
    """What the terms say, a line for each thing. `terms` have no faults."""
    return tuple(_words(terms))


def _words(terms: ContractTerms) -> Iterator[str]:
    made_by = f"template {terms.template} {terms.template_version}"
    by = made_by if terms.template else "free conditions"
    yield f"Contract {terms.contract_id} version {terms.version} for chain {terms.chain_id}: {by}"
    payer, payee = _side(terms, terms.payer), _side(terms, terms.payee)
    purpose = f", purpose {terms.purpose_code}" if terms.purpose_code else ""
    yield f"{payer} pays {payee} at most {_money(terms.cap_minor, terms)}{purpose}"
    yield from _goods(terms)
    yield from _funding(terms)
    most = maxima(terms)
    for tranche in terms.tranches:
        yield from _tranche(terms, tranche, most[tranche.tranche_id].minor)
    days = terms.calendar
    yield (
        f"The bank is asked to pay on the day of the decision until {days.cut_off} {days.zone}, "
        f"else on the next day of calendar {days.id}"
    )
    yield f"After {terms.attempts_max} refused attempts people decide"
    if terms.disputes is not None:
        yield _disputes(terms.disputes)
    tolls = "moves" if terms.hold_tolls_deadline else "does not move"
    yield f"A hold by people {tolls} the deadline"
    yield f"What is not instructed by {terms.long_stop} is void"
    yield f"It is agreed when these have signed: {', '.join(terms.seats)}"


def _side(terms: ContractTerms, role: str) -> str:
    party: Party | None = terms.party(role)
    return role if party is None else f"{party.name} ({role}, {party.address.country})"


def _money(minor: int, terms: ContractTerms) -> str:
    return f"{from_minor(minor, terms.currency)} {terms.currency}"


def _goods(terms: ContractTerms) -> Iterator[str]:
    """What was ordered, and by whose word it is known."""
    for line in terms.lines:
        price = f"{plain(line.unit_price)} {terms.currency}"
        of = f"{plain(line.qty)} {line.unit} of {line.sku} at {price}"
        lots = ", ".join(f"{one.lot} ({plain(one.qty)})" for one in line.lots)
        parts = f", in lots {lots}" if lots else ""
        yield f"Line {line.line}: {of}{parts}{_tolerance(line.tolerance)}"
    for one in terms.attesters:
        sites = f" at {', '.join(one.sites)}" if one.sites else ""
        yield f"{one.org_id} speaks as {one.role} by {', '.join(one.sources)}{sites}"
    if terms.warehouses:
        yield f"Warehouses of the buyer: {', '.join(terms.warehouses)}"


def _tolerance(given: Tolerance) -> str:
    if not given.minus_bp and not given.plus_bp:
        return ""
    of = "each lot" if given.basis == "LOT" else "the line"
    less, more = _percent(given.minus_bp), _percent(given.plus_bp)
    return f"; {less} less or {more} more of {of} is in order"


def _funding(terms: ContractTerms) -> Iterator[str]:
    funding = terms.funding
    renewed = "is renewed" if funding.auto_renew else "is not renewed"
    held = f"; a hold lasts {funding.hold_len} and {renewed}"
    yield (
        f"Funding until {funding.funding_deadline}: {_FUNDED[funding.mode]}"
        f"{held if funding.mode == 'PREFUNDED_HOLD' else ''}"
    )


def _tranche(terms: ContractTerms, tranche: Tranche, most: int) -> Iterator[str]:
    yield f"{tranche.tranche_id}: {_amount(terms, tranche)}, at most {_money(most, terms)}"
    for change in _adjustments(tranche):
        yield f"  {change}"
    yield from _condition(tranche.condition, "  when ")
    window = tranche.window
    opens = f"not before {window.not_before}, " if window.not_before is not None else ""
    grace = f", told at most {window.grace} later" if duration_us(window.grace) else ""
    yield f"  {opens}by {window.deadline}{grace}"
    if tranche.challenge is not None:
        yield f"  and nothing of it contradicted within {tranche.challenge} of being proven"
    yield f"  if that can no longer be: {_ON_FALSE[tranche.on_false]}"
    for claim in tranche.claims:
        named = [
            *((f"consignment {claim.consignment_id}",) if claim.consignment_id else ()),
            *((f"lot {claim.lot}",) if claim.lot else ()),
            *(f"line {line}" for line in claim.lines),
        ]
        about = ", ".join(named) or "the tranche as a whole"
        yield f"  claim {claim.claim_id} ({about}) holds {_money(claim.max_minor, terms)}"


def _amount(terms: ContractTerms, tranche: Tranche) -> str:
    amount = tranche.amount
    match amount:
        case Fixed():
            return _money(amount.amount_minor, terms)
        case OfTotal():
            return f"{_percent(amount.bp)} of {_money(terms.total_minor, terms)}"
        case PerUnit():
            line = next(one for one in terms.lines if one.line == amount.line)
            lot = f", lot {amount.lot}" if amount.lot else ""
            share = "" if amount.bp == 10_000 else f", {_percent(amount.bp)} of it"
            price = f"{plain(line.unit_price)} {terms.currency} for each {line.unit}"
            return f"{price} of line {line.line}{lot}{share}"
        case Residual():
            return f"what is left when {', '.join(amount.of)} have ended"


def _percent(bp: int) -> str:
    whole, rest = divmod(abs(bp), 100)
    sign = "-" if bp < 0 else ""
    return f"{sign}{whole}.{rest:02} %" if rest else f"{sign}{whole} %"


def _adjustments(tranche: Tranche) -> Iterator[str]:
    late, carbon = tranche.adjustments.late, tranche.adjustments.carbon
    if late is not None:
        off = f"{_percent(late.bp_per_day)} off for each day after {late.due}"
        yield f"{off}, at most {_percent(late.max_bp)}"
    for band in tranche.adjustments.excursion:
        what = "people decide" if band.off_bp == "HOLD" else f"{_percent(band.off_bp)} off"
        yield f"{what} when more than {band.over_min} minutes were outside the bounds"
    if carbon is not None:
        at_most = f"{carbon.measure} is at most {plain(carbon.at_most)} {carbon.unit}"
        yield f"{_percent(carbon.bp)} on the price when a verified {at_most}"


def _condition(node: Condition, lead: str) -> Iterator[str]:
    """One line for each condition, what is inside of it further in."""
    below = " " * (len(lead) - len(lead.lstrip()) + 2) + "- "
    match node:
        case All():
            yield f"{lead}all of these hold:"
        case AnyOf():
            yield f"{lead}one of these holds:"
        case AtLeast():
            yield f"{lead}at least {node.k} of these hold:"
        case _:
            yield lead + leaf(node)
            return
    for child in node.of:
        yield from _condition(child, below)


def leaf(node: Leaf) -> str:
    """One condition that has none inside of it."""
    match node:
        case Milestone():
            subject = f" of {node.subject}" if node.subject else ""
            place = f" at {node.place}" if node.place else ""
            before = f" by {node.before}" if node.before else ""
            sure = f", {node.min_assurance} at least" if node.min_assurance else ""
            told = f"told by {_whom(node.by.roles, node.by.k)}"
            return f"{node.type}{subject}{place}{before}, {told}{sure}"
        case Quantity():
            much = (
                _percent(node.pct_of_ordered_bp or 0) if node.value is None else plain(node.value)
            )
            return f"{node.measure} of line {node.line} {node.op} {much}"
        case Quality():
            value = f"{node.op} {plain(node.value)} {node.unit}"
            return f"{node.test} {value} by certificate of {node.certificate_role}"
        case Telemetry():
            span = f"from {_when(node.from_)} to {_when(node.to)}"
            within = f"{plain(node.min)} to {plain(node.max)} {node.unit}"
            outside = f"outside {node.max_excursion} in all and {node.max_single} at once at most"
            covered = f"{_percent(node.min_coverage_bp)} covered"
            return f"{node.metric} {within} {span}, {outside}, {covered}"
        case Document():
            return f"document {node.type} {node.state} by {node.issuer_role}, for nothing else"
        case Asset():
            return f"title {node.kind} {node.state} under {node.controller_role}"
        case Carbon():
            value = f"{node.op} {plain(node.value)} {node.unit}"
            return f"footprint {node.measure} {value}, {node.assurance} at least"
        case Absent():
            if node.during == "CHALLENGE":
                return f"no {node.type} during the challenge window"
            first, last = node.during
            return f"no {node.type} from {_when(first)} to {_when(last)}"
        case Approval():
            until = f" by {node.deadline}" if node.deadline else ""
            return f"approval of {_whom(node.roles, node.k)}{until}"
        case Time():
            ends = [("not before", node.not_before), ("not after", node.not_after)]
            return "it is " + " and ".join(f"{name} {_when(at)}" for name, at in ends if at)
        case _:
            assert_never(node)


def _whom(roles: tuple[str, ...], k: int) -> str:
    if k == 1:
        return " or ".join(roles)
    return f"{k} organisations, each in another role of {', '.join(roles)}"


def _when(when: When) -> str:
    if not isinstance(when, Anchor):
        return when
    name = when.anchor.partition(":")[2]
    what = f"{name} is settled" if when.anchor.startswith("TRANCHE:") else name
    return f"{when.plus} after {what}" if duration_us(when.plus) else f"when {what}"


def _disputes(disputes: Disputes) -> str:
    arbiter = disputes.arbiter
    deciders = f"{arbiter.k} of {', '.join(arbiter.of)}"
    return (
        f"{', '.join(disputes.who)} may dispute a payment until it is instructed; {deciders} "
        f"decide within {disputes.max_len}, else the {disputes.on_timeout} is right"
    )
