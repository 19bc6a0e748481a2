"""Whether all parties of a contract have signed the same terms: the rule of AGREED."""

from collections.abc import Iterable, Iterator

from supplytwin.processors import keys
from supplytwin.processors.keys import Register, Usable
from supplytwin.schemas.contract import ContractTerms, Party, encode, terms_hash
from supplytwin.schemas.contract_signature import message
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import CONTRACTS, Signature
from supplytwin.schemas.signature import ED25519, SIZES
from supplytwin.schemas.signing import verifies


def signed_by_all(
    terms: ContractTerms, signatures: Iterable[Signature], register: Register, at: Micros
) -> tuple[str, ...]:
    """What is missing or wrong, in words; nothing = every party has signed exactly these terms.

    Each seat has one signature by a key of its organisation and role that signs for
    `settlement.contracts` and is usable `at` (us UTC, when the signatures arrived). A signature of
    somebody who is no party, or a second one of a seat, is wrong, too: nobody knows what it is for.
    """
    return tuple(_wrong(terms, tuple(signatures), register, at))


def _wrong(
    terms: ContractTerms, signatures: tuple[Signature, ...], register: Register, at: Micros
) -> Iterator[str]:
    seats, hashed = terms.seats, terms_hash(encode(terms))
    for one in signatures:
        if one.party not in seats:
            yield f"{one.party[:80]} is no party: there are {', '.join(seats)}"
    for seat, party in seats.items():
        own = [one for one in signatures if one.party == seat]
        if not own:
            yield f"{seat} ({party.org_id}) has not signed"
        elif len(own) > 1:
            yield f"{seat} ({party.org_id}) has {len(own)} signatures: leave one"
        else:
            wrong = _refused(party, seat, own[0], hashed, register, at)
            if wrong is not None:
                yield f"the signature of {seat} ({party.org_id}) does not count: {wrong}"


def _refused(
    party: Party, seat: str, one: Signature, hashed: str, register: Register, at: Micros
) -> str | None:
    """Why a signature counts for nothing; None = it counts."""
    if one.alg != ED25519:
        return f"its algorithm is {one.alg[:20]}: only {ED25519} binds its owner"
    found = keys.usable(register, one.kid)
    if isinstance(found, str):
        return found or f"key {one.kid} is not registered"
    wrong = _foreign(party, found) or _over(found, at)
    if wrong is not None:
        return wrong
    public = bytes.fromhex(found.key.key)
    if len(one.sig) != SIZES[ED25519] or not verifies(public, message(seat, hashed), one.sig):
        return "it is not over these terms, or was changed"
    return None


def _foreign(party: Party, found: Usable) -> str | None:
    key = found.key
    if key.alg != ED25519:
        return f"key {key.kid} is one of {key.alg}"
    if key.organisation != party.org_id:
        return f"key {key.kid} belongs to {key.organisation}"
    if key.role != party.role:
        return f"key {key.kid} has the role {key.role}"
    if not keys.signs_for(key, CONTRACTS):
        return f"key {key.kid} does not sign for {CONTRACTS}"
    return None


def _over(found: Usable, at: Micros) -> str | None:
    key = found.key
    if not key.valid_from <= at < key.valid_to:
        return f"key {key.kid} is not valid then"
    if found.revoked_at is not None and at >= found.revoked_at:
        return f"key {key.kid} was revoked"
    if found.compromise_at is not None and at >= found.compromise_at:
        return f"key {key.kid} was compromised"
    return None
