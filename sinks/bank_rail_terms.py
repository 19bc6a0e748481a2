"""What a bank must know of a contract, and where it comes from: two small protocols.

`Parties` looks the two sides of a payment up by contract; the signed terms are where they belong.
`Holds` is the extension point for a bank that can hold money on request: ISO 20022 has no message
for that between a company and its bank, so each such bank has an interface of its own.
"""

from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import Instruction
from supplytwin.sinks.iso20022_out import CHARGES
from supplytwin.sinks.iso20022_parties import Party, check_party


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
    """Contracts by id."""

    def of(self, contract_id: str) -> Paying | None:
        """The same answer for ever, or None: nothing can be paid under this contract then."""


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
        """`data` = a JSON object, contract id -> Paying. Raises UsageError that names the field."""
        try:
            self._known = msgspec.json.decode(data, type=dict[str, Paying])
            for contract_id, paying in self._known.items():
                for role in ("debtor", "creditor"):
                    check_party(getattr(paying, role), f"{contract_id}.{role}")
                if paying.charges not in CHARGES:
                    raise UsageError(f"{name}: {contract_id}.charges is none of DEBT, SHAR, SLEV")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{name}: {error}") from None
        except RecordError as error:
            raise UsageError(f"{name}: {error.field}: {error.reason}") from None

    def of(self, contract_id: str) -> Paying | None:
        return self._known.get(contract_id)
