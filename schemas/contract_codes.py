"""The codes of what `contract check` finds in terms that read well (docs/contracts.md)."""

from supplytwin.schemas.findings import Finding

FAULTS = (
    "AMOUNTS", "ANCHOR", "ATTESTERS", "BANK", "CALENDAR", "CHALLENGE", "CLAIMS", "CONTRADICTION",
    "DISPUTES", "FREE_CONDITIONS", "FUNDING", "LONG_STOP", "NEVER_TRUE", "OVER_CAP", "PARTIES",
    "PURPOSE", "TEMPLATE", "UNPAYABLE", "UNREACHABLE", "UNTOLD", "VERSION", "WINDOW",
)  # fmt: skip
"""Keep a contract from being agreed."""
ADVICE = (
    "CALENDAR_ENDS", "CREDIT_RISK", "DOUBTFUL", "DUPLICATE", "KEPT_HOLDS", "NO_DISPUTES",
    "OWN_WORD", "PAID_ONCE", "PAID_UNDELIVERED", "RAIL", "REPUDIABLE", "SHORT_LOT", "TIGHT",
    "UNHEARD",
)  # fmt: skip
"""What its parties should know before they sign."""
LATER = "LATER"
"""Of a part that this version knows and does not keep."""


def problem(path: str, code: str, says: str) -> Finding:
    """A finding of one of these codes at a JSON path."""
    return Finding(path=path, code=code, says=says)
