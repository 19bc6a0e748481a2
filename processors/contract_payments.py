"""The money of a contract: amounts, claims with their holds, funding."""

from collections.abc import Iterator, Mapping

from supplytwin.processors import amounts
from supplytwin.processors.amounts import Most
from supplytwin.schemas import amounts as amount_terms
from supplytwin.schemas.amounts import Fixed, Line, OfTotal, PerUnit, Residual
from supplytwin.schemas.condition import Milestone, Quantity, walked
from supplytwin.schemas.contract import Claim, ContractTerms, Tranche
from supplytwin.schemas.contract_codes import problem
from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.findings import Finding
from supplytwin.schemas.localtime import local_date


def problems(terms: ContractTerms) -> Iterator[Finding]:
    """What is wrong with amounts, claims and funding."""
    try:
        amount_terms.check(terms.amounts)
    except RecordError as error:
        yield problem(f"$.{error.field}", "AMOUNTS", error.reason)
    else:
        yield from _held(terms)
    seen: dict[str, str] = {}
    for at, tranche in enumerate(terms.tranches):
        yield from _claims(terms, tranche, f"$.tranches[{at}]")
        yield from _late(terms, tranche, f"$.tranches[{at}]")
        yield from _subjects(tranche, f"$.tranches[{at}].condition")
        yield from _once(terms, tranche, f"$.tranches[{at}].amount")
        for number, claim in enumerate(tranche.claims):
            path = f"$.tranches[{at}].claims[{number}].claim_id"
            first = seen.setdefault(f"{tranche.tranche_id}/{claim.claim_id}", path)
            if first != path:
                yield problem(path, "CLAIMS", f"is the same as {first}: one id is paid once")
    yield from _short(terms)
    yield from _by_silence(terms)
    yield from _funding(terms)


def maxima(terms: ContractTerms) -> Mapping[str, Most]:
    """The most that each tranche can pay. Raises RecordError when they are more than the cap."""
    return amounts.maxima(terms.amounts)


def _held(terms: ContractTerms) -> Iterator[Finding]:
    """The holds of a tranche's claims are what it can pay at most, not more and not less."""
    try:
        most = maxima(terms)
    except RecordError as error:
        yield problem(f"$.{error.field}", "OVER_CAP", f"{error.reason}: raise it, or pay less")
        return
    for at, tranche in enumerate(terms.tranches):
        total, held = most[tranche.tranche_id], sum(one.max_minor for one in tranche.claims)
        if held != total.minor:
            says = (
                f"hold {held} minor units, the tranche can pay at most {total.minor} "
                f"({total.why.says}): make them equal"
            )
            yield problem(f"$.tranches[{at}].claims", "CLAIMS", says)
        if total.minor == 0:
            says = "is nothing at most: the tranche is closed without a payment"
            yield problem(f"$.tranches[{at}].amount", "DOUBTFUL", says)


def _claims(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    amount = tranche.amount
    if not isinstance(amount, PerUnit) and len(tranche.claims) > 1:
        says = "are several: only a PER_UNIT is paid in parts, make a tranche of each"
        yield problem(f"{path}.claims", "CLAIMS", says)
    scopes: dict[tuple[str | None, str | None], int] = {}
    for at, claim in enumerate(tranche.claims):
        first = scopes.setdefault((claim.consignment_id, claim.lot), at)
        if first != at:
            says = f"is of the same goods as claims[{first}]: name another consignment or lot"
            yield problem(f"{path}.claims[{at}]", "CLAIMS", says)
    for at, claim in enumerate(tranche.claims):
        where = f"{path}.claims[{at}]"
        yield from _scope(terms, claim, where)
        if not isinstance(amount, PerUnit):
            continue
        if claim.lines and amount.line not in claim.lines:
            says = f"do not name line {amount.line}, which the tranche pays for"
            yield problem(f"{where}.lines", "CLAIMS", says)
        if claim.lot is not None and amount.lot not in (None, claim.lot):
            says = f"is {claim.lot}, the tranche pays for lot {amount.lot}"
            yield problem(f"{where}.lot", "CLAIMS", says)


def _scope(terms: ContractTerms, claim: Claim, path: str) -> Iterator[Finding]:
    """Lines and lots that a claim names are those of the terms."""
    known: dict[str, Line] = {one.line: one for one in terms.lines}
    for at, name in enumerate(claim.lines):
        if name not in known:
            yield problem(f"{path}.lines[{at}]", "CLAIMS", f"{name} is no line of these terms")
    if claim.lot is not None:
        lines = [known[name] for name in claim.lines if name in known] or terms.lines
        if claim.lot not in {one.lot for line in lines for one in line.lots}:
            says = f"{claim.lot} is no lot of these lines"
            yield problem(f"{path}.lot", "CLAIMS", says)


def _subjects(tranche: Tranche, path: str) -> Iterator[Finding]:
    """A consignment that a condition names is one of the claims', where those name theirs."""
    named = {one.consignment_id for one in tranche.claims}
    for where, node in walked(tranche.condition, path):
        if not isinstance(node, Milestone) or node.subject is None or None in named:
            continue
        kind, _, name = node.subject.partition(":")
        if kind == "CONSIGNMENT" and name not in named:
            says = f"{node.subject} is of no claim of this tranche: its evidence would not count"
            yield problem(f"{where}.milestone.subject", "DOUBTFUL", says)


def _once(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    """A claim is paid once: what comes of its goods afterwards needs a way to be paid."""
    amount = tranche.amount
    if not isinstance(amount, PerUnit):
        return
    asks = any(
        isinstance(one, Quantity) and one.line == amount.line
        for _, one in walked(tranche.condition)
    )
    if not asks and not any(isinstance(one.amount, Residual) for one in terms.tranches):
        says = (
            f"{tranche.tranche_id}: each claim is paid once, for what was accepted when its "
            "condition became TRUE: what is accepted later is never paid. Ask for a quantity of "
            f"line {amount.line} in the condition, or add a RESIDUAL"
        )
        yield problem(path, "PAID_ONCE", says)


def _short(terms: ContractTerms) -> Iterator[Finding]:
    """Lots that are tested each for itself: nobody can take one that is short as it is."""
    paid = {one.amount.line for one in terms.tranches if isinstance(one.amount, PerUnit)}
    for at, line in enumerate(terms.lines):
        if line.tolerance.basis == "LOT" and line.line in paid:
            says = (
                f"nothing is paid of a lot that is more than {line.tolerance.minus_bp} basis "
                "points short, whatever the buyer accepts of it: only an amendment of its quantity "
                "can pay it"
            )
            yield problem(f"$.lines[{at}].tolerance", "SHORT_LOT", says)


def _by_silence(terms: ContractTerms) -> Iterator[Finding]:
    """What a dispute that nobody decides pays the seller of an amount that no goods count for."""
    paid = [one.tranche_id for one in terms.tranches if isinstance(one.amount, Fixed | OfTotal)]
    if paid and terms.disputes is not None and terms.disputes.on_timeout == "SELLER":
        says = (
            f"a dispute of {', '.join(paid)} that nobody decides in time pays the whole amount, "
            "also when nothing was delivered: write BUYER, or a PER_UNIT, which pays what came"
        )
        yield problem("$.disputes.on_timeout", "PAID_UNDELIVERED", says)


def _late(terms: ContractTerms, tranche: Tranche, path: str) -> Iterator[Finding]:
    late = tranche.adjustments.late
    if late is None:
        return
    try:
        last = local_date(tranche.deadline, terms.calendar.zone).isoformat()
    except RecordError:
        return  # the zone has its own finding
    if late.due >= last:
        says = f"is not before the deadline ({last}): what counts is never late"
        yield problem(f"{path}.adjustments.late.due", "DOUBTFUL", says)


def _funding(terms: ContractTerms) -> Iterator[Finding]:
    funding = terms.funding
    if funding.mode == "COMMITMENT_ONLY":
        says = "nothing is reserved: the payee bears the credit risk of the payer"
        yield problem("$.funding.mode", "CREDIT_RISK", says)
    if duration_us(funding.hold_len) == 0:
        yield problem("$.funding.hold_len", "FUNDING", "is nothing: no hold would last")
    if duration_us(terms.status_sla) == 0:
        says = "is nothing: every instruction would be in doubt at once"
        yield problem("$.status_sla", "FUNDING", says)
