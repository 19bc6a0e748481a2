"""What somebody else has to grant before money moves: breakers, limits, screening, approvals, a
lock on an asset.

None of these rules exists in this version. So everything is granted where the terms ask for none of
them, and terms that ask for one are refused when they come in: a rule that nobody keeps must not be
signed. Refunds (rows 8, 14, 15, 19, 29, 34) never ask.
"""

from supplytwin.processors.settlement_agreement import Agreement
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.terms import Terms


def granted(agreed: Agreement) -> bool:
    """Whether every rule that a claim's terms ask for lets the payment pass."""
    return not agreed.needs


def check(terms: Terms) -> None:
    """Raise RecordError(BAD_TERMS) for terms that ask for a rule which nobody keeps."""
    if terms.needs:
        asked = ", ".join(sorted(terms.needs))
        raise RecordError(Code.BAD_TERMS, "terms.needs", f"nobody grants {asked} in this version")
