"""Returns that were announced between banks (pacs.004): an account that does not show one closes
with a doubt about its claim.
"""

from collections.abc import Iterable

from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.localtime import local_date
from supplytwin.sinks.bank_rail_ledger import Ledger
from supplytwin.sinks.iso20022_answers import Answer, Statement
from supplytwin.sinks.iso20022_in import read
from supplytwin.sinks.iso20022_sent import Doubt, Told

_MARK = b"pacs.004"
"""Stands in the name of every announcement."""


class Announced:
    """Every return that was announced, by its settlement and the bank's id."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Told]] = {}

    def take(self, told: Iterable[Told]) -> None:
        """Keep these; the first under its id counts."""
        for one in told:
            name = one.answer.return_id or ""
            self._known.setdefault(one.settlement_id, {}).setdefault(name, one)

    def read(self, data: bytes, ledger: Ledger) -> None:
        """Take what a kept document announces; one that cannot be read was refused when it came."""
        if _MARK not in data:
            return
        try:
            self.take(ledger.understood(read(data)).announced)
        except RecordError:
            return

    def missing(self, statement: Statement, ledger: Ledger, zone: str) -> tuple[Doubt, ...]:
        """What this statement should have shown by the end of its day: a whole one, of the account
        that paid. As many returns as an account has shown, of whatever amount, are not missing.
        """
        if not statement.complete or statement.closed_on is None:
            return ()
        accounts, found = ledger.accounts(), []
        for settlement, known in self._known.items():
            if accounts.get(settlement) != statement.account:
                continue
            shown = [
                one.receipt.amount_minor
                for (returned, _), one in ledger.heard(settlement).items()
                if returned
            ]
            for told in _not_among(shown, known.values()):
                answer = told.answer
                at = answer.rail_time
                if statement.currency not in (None, answer.currency):
                    continue
                if at is None or local_date(at, zone) <= statement.closed_on:
                    found.append(_doubt(told))
        return tuple(found)


def _not_among(shown: list[int | None], told: Iterable[Told]) -> list[Told]:
    """Those that none of the returns that were shown can stand for: first by amount."""
    left = []
    for one in told:
        if one.answer.amount_minor in shown:
            shown.remove(one.answer.amount_minor)
        else:
            left.append(one)
    return left[len(shown) :]


def _doubt(told: Told) -> Doubt:
    one: Answer = told.answer
    says = f"return {one.return_id} of {one.amount_minor} {one.currency} (minor units)"
    return Doubt(
        settlement_id=told.settlement_id,
        attempt=told.attempt,
        says=f"{says} was announced, and the account does not show it",
    )
