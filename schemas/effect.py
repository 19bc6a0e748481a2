"""What an event type does to one subject type, as a record: the rows of `schemas.lifecycles`."""

from typing import Literal

from msgspec import Struct

NONE = ""
"""In `Effect.leaves`: the subject has no state yet."""


Kind = Literal[
    "ORDER", "CHANGE", "DELIVER", "RECEIVE", "REVERSE", "ADJUST", "COUNT", "RESERVE", "UNRESERVE",
    "DISPATCH", "HOLD", "UNHOLD", "INVOICE", "UNINVOICE", "ASSESS", "PAY", "REVOKE", "RELEASE",
    "CANCEL",
    "REINSTATE", "ALERT", "SEAL", "ROUTE", "BIND", "ROLL", "HOLDER", "NEST",
    "UNNEST", "PLEDGE", "FREE", "PAWN", "REDEEM", "DEPART", "PROMISE", "LIMIT",
]  # fmt: skip
"""What an effect does besides moving the state: one function each in `processors.lifecycle`."""


class Effect(Struct, frozen=True, kw_only=True):
    """What an event type does to one subject type."""

    machine: str
    reaches: Literal["subject", "ref", "either"] = "either"
    to: str | None = None
    """The state it leads to; None = the state stays."""
    leaves: tuple[str, ...] = ()
    """The only states from which it leads there; () = every state before `to` on the path."""
    repeats: bool = False
    """Allowed again in the state it leads to (partial deliveries, second confirmations)."""
    always: bool = False
    """Allowed in every state, terminal ones too: what it does is beside the lifecycle."""
    reverses: bool = False
    """Takes something back: within one local date it comes after that, whatever the order."""
    adverse: bool = False
    """Contrary evidence: counts even while it is ahead of the clock."""
    last: bool = False
    """Of facts of one type and time it comes last, whoever tells it."""
    pledges: bool = False
    """Binds goods: of one date it comes before they leave."""
    kind: Kind | None = None
    milestone: str | None = None
    introduces: bool = False
    """Tells of a subject that it exists, even where only a ref or the payload names it."""
    undoes: tuple[str, ...] = ()
    when: tuple[str, frozenset[object]] | None = None
    """Only when this payload field has one of these values."""


def said(field: str, *values: object) -> tuple[str, frozenset[object]]:
    """For `Effect.when`: the payload field says one of these values."""
    return field, frozenset(values)
