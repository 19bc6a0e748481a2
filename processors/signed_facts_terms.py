"""What the terms of a chain say of a signature that is right: whose it is, and for what.

The register says whose key it is. The terms say whose word counts under the name of a source, told
of which site, and whether a shared key is enough.
"""

from collections.abc import Iterator

from supplytwin.processors.condition_facts_look import Look
from supplytwin.processors.condition_facts_sight import Sight
from supplytwin.processors.settlement_answers import Answers
from supplytwin.processors.settlement_asked import Known, Said, asked, desk, tranche_of
from supplytwin.processors.settlement_state import Book, Claim
from supplytwin.processors.signed import Counts, Nothing, Reason
from supplytwin.processors.twin import Twin
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import Micros

_SAYS = {
    Reason.HMAC_NOT_ALLOWED: "the terms ask for a signature, HMAC is none",
    Reason.FOREIGN_KEY: "the terms name somebody else for this source",
    Reason.OTHER_SITE: "the terms name another site, of the key or of what is told",
}


def refused(
    book: Book, twin: Twin, event: Event, content_hash: bytes, found: Counts
) -> Nothing | None:
    """Why a fact with a right signature counts for nothing by any version of the terms that claims
    are under; None = one takes it, or there is nothing to be said of its signature.
    """
    reasons = [_reason(book, claim, twin, event, content_hash, found) for claim in _one_each(book)]
    if not reasons or any(one not in _SAYS for one in reasons):
        return None
    reason = Reason(reasons[0])
    who = f"key {found.kid} of {found.organisation}, {found.role} at {found.site}"
    return Nothing(reason=reason, says=f"{_SAYS[reason]}: {who}")


def _one_each(book: Book) -> Iterator[Claim]:
    """One claim for each version of full terms, the newest first."""
    of = {one.version: one for one in book.claims.values()}
    for version in sorted(of, reverse=True):
        if book.terms_of(of[version]).full is not None:
            yield of[version]


def _reason(
    book: Book, claim: Claim, twin: Twin, event: Event, content_hash: bytes, found: Counts
) -> str:
    """ "" = it counts."""
    full = book.terms_of(claim).full
    assert full is not None
    allowed = full.evidence.hmac_allowed
    if not (found.non_repudiable or allowed):
        return Reason.HMAC_NOT_ALLOWED
    known = Known(signatures={allowed: Said(verdicts={content_hash: found})})
    on = desk(book, claim, twin, Micros(0), known, Answers(twin))
    question = asked(on, claim, tranche_of(full, claim).condition)
    return Look(Sight(twin), question).voice(event, content_hash).reason
