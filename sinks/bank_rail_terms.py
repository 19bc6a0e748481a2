"""What a bank must know of a contract, and where it comes from: two small protocols.

`Parties` looks the two sides of a payment up by the terms under which it was decided, never by
what its contract says by now.
`Holds` is the extension point for a bank that can hold money on request: ISO 20022 has no message
for that between a company and its bank, so each such bank has an interface of its own.
"""

import re
from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec import Struct

from supplytwin.schemas import contract
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import Instruction
from supplytwin.sinks.iso20022_out import CHARGES
from supplytwin.sinks.iso20022_parties import Party, check_party

_HASH = re.compile("[0-9a-f]{64}")


class Funding(StrEnum):
    """How it is certain that the money is there when it is due."""

    PREFUNDED_HOLD = "PREFUNDED_HOLD"
    """The buyer's bank holds it: only with a `Holds`."""
    BANK_UNDERTAKING = "BANK_UNDERTAKING"
    """A bank has promised to pay: nothing is held, the promise is a document of the contract."""
    COMMITMENT_ONLY = "COMMITMENT_ONLY"
    """The buyer has promised to pay: credit risk, nothing is held."""


class Paying(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What a payment of one contract says beside its amount."""

    debtor: Party
    creditor: Party
    funding: Funding
    purpose_code: str = ""
    charges: str = ""


class Parties(Protocol):
    """Terms by the hash that an instruction names."""

    def of(self, order: Instruction) -> Paying | None:
        """For the same terms the same answer for ever, or None: nothing can be paid under them
        then. Raises TransientError when it has to be asked again.
        """


class _Sides(Struct, frozen=True, kw_only=True, gc=False):
    """What a payment needs of full terms: their canonical bytes have every member."""

    parties: tuple[contract.Party, ...]
    payer: contract.Role
    payee: contract.Role
    funding: contract.Funding
    purpose_code: str | None


_sides = msgspec.json.Decoder(_Sides)


def agreed(canonical: bytes) -> Paying | None:
    """What these terms say of a payment; None: they name no two sides with bank and account, as
    terms of the older form never do.
    """
    try:
        terms = _sides.decode(canonical)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    by_role = {one.role: one for one in reversed(terms.parties)}
    sides = [by_role.get(role) for role in (terms.payer, terms.payee)]
    named = [as_bank(one) for one in sides if one is not None and one.agent and one.account]
    if len(named) < len(sides):
        return None
    return Paying(
        debtor=named[0],
        creditor=named[1],
        funding=Funding(terms.funding.mode),
        purpose_code=terms.purpose_code or "",
    )


def as_bank(party: contract.Party) -> Party:
    """A party of the terms as the messages have it. It needs agent and account."""
    return msgspec.convert(party, Party, from_attributes=True)


class Held(Struct, frozen=True, kw_only=True, gc=False):
    """What a bank says to a RESERVE or a RELEASE."""

    done: bool
    reason: str = ""
    """Why not."""
    expires: Micros | None = None
    """Of a hold; None = when it is released."""


class Holds(Protocol):
    """A bank that can hold money. Both calls are idempotent by (settlement id, hold number) for
    ever, and raise TransientError when they must be made again.
    """

    def reserve(self, instruction: Instruction, paying: Paying) -> Held: ...

    def release(self, instruction: Instruction, paying: Paying) -> Held: ...


class ListedParties:
    """Parties from a file, for contracts whose terms do not name accounts."""

    def __init__(self, data: bytes, name: str) -> None:
        """`data` = a JSON object, terms hash -> Paying. Raises UsageError that names the field."""
        try:
            self._known = msgspec.json.decode(data, type=dict[str, Paying])
            for hashed, paying in self._known.items():
                if not _HASH.fullmatch(hashed):
                    raise UsageError(f"{name}: {hashed} is no terms hash (64 hex digits)")
                for role in ("debtor", "creditor"):
                    check_party(getattr(paying, role), f"{hashed}.{role}")
                if paying.charges not in CHARGES:
                    raise UsageError(f"{name}: {hashed}.charges is none of DEBT, SHAR, SLEV")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{name}: {error}") from None
        except RecordError as error:
            raise UsageError(f"{name}: {error.field}: {error.reason}") from None

    def of(self, order: Instruction) -> Paying | None:
        return self._known.get(order.terms_hash or "")
