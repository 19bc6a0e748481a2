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

_INSTRUCTED = (*LIVE, "CANCEL_PENDING", "SETTLED", "RETURNED")
_WELL_ENDED = ("SETTLED", "CLOSED")


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
    others = [one for one in book.claims.values() if one.settlement_id != claim.settlement_id]
    awaited = [one for one in others if one.tranche_id in named]
    badly = [one for one in awaited if one.state in ABSORBING and one.state not in _WELL_ENDED]
    open_ = [one for one in awaited if one.state not in ABSORBING]
    gone = sum(one.instructed_minor for one in others if one.state in _INSTRUCTED)
    due = max(0, min(book.terms_of(claim).cap_minor - gone, claim.amount_minor))
    tranches = ", ".join(sorted(named))
    if badly:
        leaf = Leaf(name="residual", value="FALSE", why=f"{tranches} ended without a payment")
    elif open_:
        leaf = Leaf(name="residual", value="UNKNOWN", why=f"waits for {tranches} to end")
    else:
        leaf = Leaf(name="residual", value="TRUE", why=f"{tranches} left {due} (minor units)")
    values = (leaf.value, verdict.value)
    value = next((one for one in ("FALSE", "UNKNOWN") if one in values), "TRUE")
    return replace(
        verdict,
        value=value,
        matches=None,
        due_minor=due,
        leaves=(*verdict.leaves, leaf),
    )
