"""Signatures for a case on paper: every party of full terms signs with a key of the case.

Real signatures by keys that everybody can make: they say nothing about who agreed, and only
`settlement simulate` takes them, so that a case can be written before anybody has signed.
"""

import hashlib

from msgspec.structs import replace

from supplytwin.processors.keys import Key, KeyRecord
from supplytwin.schemas import contract_signature, signing, terms_read
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import CONTRACTS, Contract, Signature

_FROM, _TO = Micros(0), Micros(253_370_764_800_000_000)
"""From 1970 up to the year 9999."""


def signed_for(contract: Contract) -> tuple[Contract, KeyRecord | None]:
    """(the contract, signed by all parties, their keys); as it is, without keys, where it has
    signatures, asks for none, or is not readable.
    """
    if contract.signatures:
        return contract, None
    try:
        full = terms_read.decode(contract.terms).full
    except RecordError:
        return contract, None
    if full is None:
        return contract, None
    signed: list[Signature] = []
    made: list[Key] = []
    for seat, party in full.seats.items():
        secret = hashlib.sha256(f"a case, signed by nobody: {seat}".encode()).digest()
        kid = f"case-{len(made) + 1}"
        signed.append(
            contract_signature.record(
                contract_signature.signed(
                    secret, kid=kid, seat=seat, terms_hash=contract.terms_hash
                )
            )
        )
        made.append(
            Key(
                kid=kid,
                alg="Ed25519",
                organisation=party.org_id,
                role=party.role,
                site="case",
                key=signing.public_key(secret).hex(),
                valid_from=_FROM,
                valid_to=_TO,
                sources=(CONTRACTS,),
            )
        )
    return replace(contract, signatures=tuple(signed)), KeyRecord(keys=tuple(made))
