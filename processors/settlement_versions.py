"""The versions of a contract: which terms are in force, what an amendment may replace, and what
waits for the version that it amends.

A version may arrive before the one that it follows: of one topic only who writes it knows the
order. It waits, and takes effect right after that one, whatever was decided meanwhile.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from supplytwin.processors import contract_check
from supplytwin.processors.settlement_rows import OVER, REPLACEABLE
from supplytwin.processors.settlement_state import Book, Claim
from supplytwin.schemas.contract import ContractTerms
from supplytwin.schemas.ids import settlement_id
from supplytwin.schemas.money import from_minor
from supplytwin.schemas.terms import ClaimTerms, Terms

WAITING_MAX = 8
"""So many versions wait in one chain. A further one is refused, and may be sent again."""

NOTHING_NEW = "the contract is COMPLETED: it goes on only with a claim under a new claim id"
"""Why an amendment is refused where every claim has ended."""
_OTHER_FORM = {
    True: "signed terms are amended by terms that all parties sign",
    False: "terms of the older form are amended by such terms only: full terms are a contract of "
    "their own, for another chain",
}
"""By whether those in force are signed: claims are counted together, by terms of one form."""


def taken(book: Book, terms: Terms) -> Book:
    """The book with these terms: in force, with all that waited for them; waiting; or refused."""
    if amendment_refused(book, terms) is None:
        *_, (book, _) = _followed(book, terms)
        return book
    if not _is_early(book, terms) or waiting_refused(book, terms) is not None:
        return book
    return replace(book, waiting=book.waiting.set(_key(terms), terms))


def waits(book: Book, terms: Terms) -> str | None:
    """What these terms wait for, in words; None = nothing, or they may not wait."""
    if not _is_early(book, terms) or waiting_refused(book, terms) is not None:
        return None
    return f"version {terms.version} waits for version {terms.version - 1}"


def waiting_refused(book: Book, terms: Terms) -> str | None:
    """Why terms that come before what they follow do not wait; None = they do."""
    if not _is_early(book, terms):
        return None
    if _key(terms) in book.waiting:
        return f"another version {terms.version} waits already"
    if sum(_is_signed(one) == _is_signed(terms) for one in book.waiting.values()) >= WAITING_MAX:
        return f"{WAITING_MAX} versions wait for version {_next(book)} already: send it again later"
    return None


def unfollowed(book: Book, terms: Terms) -> Iterator[str]:
    """Why what waited for these terms, which come into force, does not follow them after all."""
    for _, refused in _followed(book, terms):
        if refused is not None:
            yield refused


def _followed(book: Book, terms: Terms) -> Iterator[tuple[Book, str | None]]:
    """The book after these terms, then after each version that waited; why one does not count.
    What waited in the other form never can.
    """
    book = _in_force(book, terms)
    yield book, None
    for key in sorted(book.waiting):
        other = book.waiting[key]
        if other.contract_id == terms.contract_id and _is_signed(other) != _is_signed(terms):
            book = replace(book, waiting=book.waiting.delete(key))
            yield book, f"version {other.version} waited: {_OTHER_FORM[_is_signed(terms)]}"
    while (waited := book.waiting.get(_key(terms, terms.version + 1))) is not None:
        terms, book = waited, replace(book, waiting=book.waiting.delete(_key(waited)))
        refused = amendment_refused(book, waited)
        if refused is not None:
            yield book, f"version {waited.version} waited: {refused}"
            return
        book = _in_force(book, waited)
        yield book, None


def _key(terms: Terms, version: int = 0) -> str:
    """Of these terms, or of another version of them. Who need not sign keeps nobody out."""
    kind = "signed" if _is_signed(terms) else "unsigned"
    return f"{kind}/{terms.contract_id}/{version or terms.version}"


def _is_signed(terms: Terms) -> bool:
    """Whether all parties have to sign them: those of the older form nobody does."""
    return terms.full is not None


def _next(book: Book) -> int:
    return 1 if book.terms is None else book.terms.version + 1


def _is_early(book: Book, terms: Terms) -> bool:
    """Whether they follow a version that is still to come."""
    now = book.terms
    if now is not None and now.contract_id != terms.contract_id:
        return False
    if now is not None and _is_signed(now) != _is_signed(terms):
        return False
    return terms.version > _next(book)


def _in_force(book: Book, terms: Terms) -> Book:
    """The book under these terms: they are the first, or amend what is not approved yet."""
    named = {
        settlement_id(terms.contract_id, claim.tranche_id, claim.claim_id): claim
        for claim in terms.claims
    }
    promises = book.promises
    for name, promise in named.items():
        claim = book.claims.get(name)
        if claim is None or claim.state == "SUPERSEDED" or replaceable(claim):
            promises = promises.set(name, promise)
    former = book.former if book.terms is None else book.former.set(book.terms.version, book.terms)
    rest = (name for name in book.order if name not in named and name in book.claims)
    return replace(book, terms=terms, former=former, promises=promises, order=(*named, *rest))


def replaceable(claim: Claim) -> bool:
    """Whether an amendment may put another claim in its place: what row 33 asks."""
    fresh = claim.issued == 0 and claim.basis == "CONDITION"
    return claim.state in REPLACEABLE and fresh


_UNPAID = ("EXPIRED", "VOIDED", "CLOSED", "RETURNED")
_INSTEAD = (
    "to pay it after all, amend once more and list it under a new claim id, with a funding deadline"
    " that is still ahead"
)


def ended(before: Book, after: Book) -> Iterator[tuple[str, str]]:
    """Claims that have ended without the money and that new terms say something else of: the
    settlement id, and why that changes nothing.
    """
    was, now = before.terms, after.terms
    if was is None or now is None or was is now:
        return
    for claim in now.claims:
        name = settlement_id(now.contract_id, claim.tranche_id, claim.claim_id)
        known = before.claims.get(name)
        if known is None or known.state not in _UNPAID or _of(was, claim) == _of(now, claim):
            continue
        whose = f"claim {claim.claim_id} of tranche {claim.tranche_id} is {known.state}"
        yield name, f"{whose}, and version {now.version} does not bring it back: {_INSTEAD}"


def _of(terms: Terms, claim: ClaimTerms) -> tuple[object, ...]:
    """What terms say of the claim of that name."""
    full = () if terms.full is None else terms.full.tranches
    key = (claim.tranche_id, claim.claim_id)
    return (
        [one for one in terms.claims if (one.tranche_id, one.claim_id) == key],
        [replace(one, claims=()) for one in full if one.tranche_id == claim.tranche_id],
    )


def amendment_refused(book: Book, terms: Terms) -> str | None:  # one reason each
    """Why these terms are neither the first of the chain nor an amendment; None = they count."""
    now = book.terms
    if now is None:
        return None if terms.version == 1 else "the first version is missing"
    if terms.contract_id != now.contract_id or terms.version == 1:
        return "this chain has a contract already"
    if _is_signed(now) != _is_signed(terms):
        return _OTHER_FORM[_is_signed(now)]
    if terms.version != now.version + 1:
        return f"version {terms.version} does not follow version {now.version}"
    if book.contract_state == "COMPLETED" and not _adds(book, terms):
        return NOTHING_NEW
    if book.terminated:
        return "the contract is TERMINATED"
    if terms.currency != now.currency:
        return "another currency needs another contract"
    if now.full is not None and terms.full is not None:
        foreign = _not_theirs(now.full, terms.full)
        if foreign is not None:
            return foreign
    return _over_cap(book, terms)


def _over_cap(book: Book, terms: Terms) -> str | None:
    """Why claims that keep their terms and what is listed beside them are too much together."""
    listed = {
        settlement_id(terms.contract_id, one.tranche_id, one.claim_id): one.amount_minor
        for one in terms.claims
    }
    kept = [one for one in book.claims.values() if not replaceable(one)]
    theirs = {one.settlement_id for one in kept if one.state != "SUPERSEDED"}
    counted = [one for one in kept if one.state not in (*OVER, "CLOSED")]
    most = sum(one.amount_minor for one in counted)
    most += sum(minor for name, minor in listed.items() if name not in theirs)
    if most <= terms.cap_minor:
        return None
    currency = terms.currency
    says = [
        f"; claim {one.claim_id} of tranche {one.tranche_id} is {one.state} and keeps its "
        f"{_text(one.amount_minor, currency)}, here it has "
        f"{_text(listed.get(one.settlement_id, 0), currency)}"
        for one in counted
        if one.amount_minor != listed.get(one.settlement_id)
    ]
    whole, cap = _text(most, currency), _text(terms.cap_minor, currency)
    told = "".join(says[: contract_check.SHOWN])
    advice = f"; {contract_check.KEEP}" if says else ""
    return f"{whole} could be paid, more than the cap of {cap}{told}{advice}"


def _text(minor: int, currency: str) -> str:
    return f"{from_minor(minor, currency)} {currency}"


def _adds(book: Book, terms: Terms) -> bool:
    """Whether a claim is listed that the contract never had."""
    names = (settlement_id(terms.contract_id, one.tranche_id, one.claim_id) for one in terms.claims)
    return any(name not in book.claims for name in names)


def _not_theirs(now: ContractTerms, then: ContractTerms) -> str | None:
    """Why those who signed the terms in force have not signed these instead: all of them sign, and
    what they sign names what it amends.
    """
    seats = {(one.role, one.org_id) for one in then.parties}
    gone = [one for one in now.parties if (one.role, one.org_id) not in seats]
    if gone:
        return f"{gone[0].role} {gone[0].org_id} has signed the version before, and not this one"
    wrong = contract_check.succession(now, then)
    return f"{wrong[0].path} {wrong[0].line}" if wrong else None
