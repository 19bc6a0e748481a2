"""Whom to believe: who is reported when sources tell one milestone differently, and how good a
source's word is.

The role of a source is its kind, before the colon of its name; what is not listed is OTHER.
"""

from collections.abc import Mapping
from functools import lru_cache

from supplytwin.schemas.events import CUSTOMS, ORDERS, SHIPMENTS, WAREHOUSE

OTHER = "*"

_SEEN: tuple[tuple[str, ...], ...] = (
    ("terminal",), ("carrier", OTHER), ("aggregator",), ("manual",), ("customs", "wms"),
    ("inferred", "simulated"),
)  # fmt: skip
"""Terminal > carrier > aggregator > manual; those who have no say come after all who have, those
who saw nothing last. A kind that is not listed stands with the carriers, as in `schemas.ranks`."""
_CLEARED = (
    ("customs",), ("terminal",), ("carrier", OTHER), ("aggregator",), ("manual",), ("wms",),
    ("inferred", "simulated"),
)  # fmt: skip
_STORED = (
    ("wms",), ("terminal",), ("carrier", OTHER), ("aggregator",), ("manual",), ("customs",),
    ("inferred", "simulated"),
)  # fmt: skip

MATRIX: Mapping[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(
        (
            "ORDER_PLACED", "ORDER_CONFIRMED", "GOODS_READY", "INVOICED", "ACCEPTED", "CLOSED",
            "CANCELLED", "BOOKED", "EMPTY_OUT", "STUFFED", "GATED_IN", "ON_BOARD", "DEPARTED",
            "ARRIVED", "DISCHARGED", "AVAILABLE", "GATED_OUT", "DELIVERED", "UNPACKED",
            "TRIP_CLOSED",
        ),
        _SEEN,
    ),
    **dict.fromkeys(
        (
            "CUSTOMS_FILED", "CUSTOMS_ACCEPTED", "CUSTOMS_SELECTED", "CUSTOMS_EXAMINED",
            "CUSTOMS_RELEASED", "CUSTOMS_CLEARED", "DUTY_DUE",
        ),
        _CLEARED,
    ),
    **dict.fromkeys(
        (
            "RECEIVED_WH", "QC_PASSED", "QC_HOLD", "STOCKED", "RESERVED", "PICKED", "PACKED",
            "DISPATCHED",
        ),
        _STORED,
    ),
}  # fmt: skip
"""Milestone -> roles, the first ones are believed first; roles of one group are equal. Source:
vocabulary §3.2: customs only for customs facts, a warehouse only for what is in it."""

GRADES: Mapping[str, Mapping[str, str]] = {
    topic: {
        OTHER: "B", "aggregator": "C", "manual": "C", "inferred": "D", "simulated": "D",
        "terminal": "C", "customs": "C", "wms": "C", **dict.fromkeys(own, "A"),
    }
    for topic, own in (
        (ORDERS, ("buyer", "seller", "erp")),
        (CUSTOMS, ("customs",)),
        (SHIPMENTS, ("terminal",)),
        (WAREHOUSE, ("wms",)),
    )
}  # fmt: skip
"""Topic -> role -> grade: A = its own fact, B = a party to it, C = second hand, D = nobody saw it.
"""
RECEIPTS = ("wms", "simulated:wms")
"""Whose receipts count for a payment by terms that list nobody, the best first; no other source's
do. The second one says of itself that nobody saw the goods: it stands in where there is no first
one. Vocabulary §3.2: the buyer's warehouse only for its receipts. By full terms their attesters
decide (`condition_facts_shared.rank`)."""
WORST = "D"
AT_BEST: Mapping[str, str] = {"no_tz": "C", "implausible_time": WORST, "conflict": WORST}
"""No fact with this flag is better than this."""


def role_of(source: str) -> str:
    """The kind of a source."""
    return source.partition(":")[0]


def is_simulated(source: str) -> bool:
    """Whether a source says of itself that nobody saw what it tells."""
    return role_of(source) == "simulated"


@lru_cache(maxsize=65536)
def witness(source: str) -> int | None:
    """The place of a source among those whose receipts count, the smallest is best; None = it is
    none of them."""
    kinds = (at for at, one in enumerate(RECEIPTS) if source == one or source.startswith(f"{one}:"))
    return next(kinds, None)


@lru_cache(maxsize=65536)
def priority(milestone: str, source: str) -> int:
    """The place of a source in the matrix; the smallest is believed."""
    groups = MATRIX[milestone]
    role = role_of(source)
    listed = any(role in group for group in groups)
    return next(at for at, group in enumerate(groups) if (role if listed else OTHER) in group)


@lru_cache(maxsize=65536)
def grade(topic: str, source: str, flags: frozenset[str]) -> str:
    """How good a fact is: A, B, C or D. Every flag against it can only make it worse."""
    by_role = GRADES[topic]
    own = by_role.get(role_of(source), by_role[OTHER])
    return max([own, *(AT_BEST[flag] for flag in flags if flag in AT_BEST)])
