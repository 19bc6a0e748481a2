"""The mirror of a claim's money: double entries between buyer, reserved, in_flight and seller.

It mirrors what the rail has told; it holds nothing. Every posting moves one amount from one account
to another, so that the sum per currency is zero after each; only the buyer, where the money comes
from, may stand below zero.
"""

from supplytwin.processors.settlement_state import Accounts

ACCOUNTS = ("buyer", "reserved", "in_flight", "seller")


def entries(source: str, target: str, amount_minor: int) -> tuple[str, str]:
    """The two lines of one posting: ``account;signed minor units``."""
    return f"{source};{-amount_minor}", f"{target};{amount_minor}"


def move(accounts: Accounts, source: str, target: str, amount_minor: int) -> Accounts:
    """`accounts` after the posting. Raises AssertionError where an account but the buyer's would
    fall below zero."""
    assert amount_minor > 0
    balances = {name: getattr(accounts, name) for name in ACCOUNTS}
    balances[source] -= amount_minor
    balances[target] += amount_minor
    moved = Accounts(**balances)
    assert min(moved.reserved, moved.in_flight, moved.seller) >= 0, (
        f"{moved} after {source} to {target}"
    )
    return moved


def parse(lines: tuple[str, ...]) -> dict[str, int]:
    """Net change per account of a record's posting lines. Raises ValueError for a line that is
    none."""
    net = dict.fromkeys(ACCOUNTS, 0)
    for line in lines:
        account, _, amount = line.partition(";")
        if account not in net:
            raise ValueError(f"{line!r} names no account")
        net[account] += int(amount)
    return net
