"""The condition of a claim as the table sees it, at a cut, at a review and in an explanation.

What the condition itself cannot know is added here: a residual waits for the claims that it is the
rest of, and what is due is what they have left.
"""

from msgspec.structs import replace

from supplytwin.processors.conditions import Verdict, evaluate
from supplytwin.processors.evidence import Leaf
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known
from supplytwin.processors.settlement_judged import judged
from supplytwin.processors.settlement_state import ABSORBING, LIVE, Book, Claim
from supplytwin.processors.twin import Twin
from supplytwin.schemas.money import from_minor

_INSTRUCTED = (*LIVE, "CANCEL_PENDING", "SETTLED", "RETURNED")
_WELL_ENDED = {"SETTLED", "CLOSED"}


def evaluated(
    book: Book, claim: Claim, twin: Twin, at: int, known: Known = NOTHING_KNOWN
) -> Verdict:
    """The verdict over all facts of the chain at tick time `at`; pure."""
    if book.terms_of(claim).full is not None:
        return judged(book, claim, twin, at, known)
    promise = book.promises[claim.settlement_id]
    return appraised(book, claim, evaluate(book.terms_of(claim), promise, twin, at))


def appraised(book: Book, claim: Claim, verdict: Verdict) -> Verdict:
    """The verdict with what other claims have to do with it."""
    named = book.promises[claim.settlement_id].residual_of
    if not named:
        return verdict
    tranches = ", ".join(sorted(named))
    gone = sum(one.instructed_minor for one in _others(book, claim) if one.state in _INSTRUCTED)
    left = max(0, min(book.terms_of(claim).cap_minor - gone, claim.amount_minor))
    ends = {one.state for one in _named(book, claim) if one.state in ABSORBING}
    if not ends <= _WELL_ENDED:
        leaf = Leaf(name="residual", value="FALSE", why=f"{tranches} ended without a payment")
    elif awaits_others(book, claim):
        leaf = Leaf(name="residual", value="UNKNOWN", why=f"waits for {tranches} to end")
    else:
        rest = f"{from_minor(left, claim.currency)} {claim.currency}"
        leaf = Leaf(name="residual", value="TRUE", why=f"{tranches} left {rest}")
    values = (leaf.value, verdict.value)
    return replace(
        verdict,
        value=next((one for one in ("FALSE", "UNKNOWN") if one in values), "TRUE"),
        matches=verdict.matches if leaf.value == "TRUE" else None,
        due_minor=left if leaf.value == "TRUE" else 0,
        unadjusted_minor=0,
        leaves=(*verdict.leaves, leaf),
    )


def awaits_others(book: Book, claim: Claim) -> bool:
    """Whether the claim is the rest of claims that have not ended: no time of its own ends that."""
    return any(one.state not in ABSORBING for one in _named(book, claim))


def _others(book: Book, claim: Claim) -> list[Claim]:
    own = claim.settlement_id
    return [book.claims[one] for one in book.order if one != own and one in book.claims]


def _named(book: Book, claim: Claim) -> list[Claim]:
    """The claims that it is the rest of; those that an amendment has taken out are none."""
    named = book.promises[claim.settlement_id].residual_of
    found = [one for one in _others(book, claim) if one.tranche_id in named]
    return [one for one in found if one.state != "SUPERSEDED"]
