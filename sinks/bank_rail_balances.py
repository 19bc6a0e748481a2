"""What each account closed with: a statement opens with that, or one between them is not here."""

import datetime as dt
from collections.abc import Iterable

from supplytwin.schemas.errors import RecordError, TransientError
from supplytwin.sinks.bank_rail_entries import statement_name
from supplytwin.sinks.iso20022_answers import Statement
from supplytwin.sinks.iso20022_in import read
from supplytwin.sinks.rail import Alive
from supplytwin.sinks.reconcile import Difference, Result

_MARK = b"camt.053"
"""Stands in the name of every statement: nothing else has to be read."""


class Balances:
    """Closing balances by account and currency, by day and statement."""

    def __init__(self, documents: Iterable[bytes] = (), alive: Alive = lambda: None) -> None:
        """Of every statement among these. Raises TransientError when they cannot be read now."""
        self._closed: dict[tuple[str, str], dict[dt.date, dict[str, int]]] = {}
        try:
            for data in documents:
                self._read(data)
                alive()
        except OSError as error:
            raise TransientError(f"the kept statements: {error.strerror}") from None

    def _read(self, data: bytes) -> None:
        if _MARK not in data:
            return
        try:
            found = read(data).statements
        except RecordError:
            return  # refused when it came
        for one in found:
            self.take(one)

    def take(self, statement: Statement) -> None:
        """Keep its closing balance, where it can be read."""
        closing, day, currency = statement.closing_minor, statement.closed_on, statement.currency
        if closing is not None and day is not None and currency is not None:
            days = self._closed.setdefault((statement.account, currency), {})
            days.setdefault(day, {})[statement_name(statement)] = closing

    def gap(self, statement: Statement) -> Result | None:
        """OPENING_DIFFERS: no statement of the last day before it closed with what it opens with,
        nor another one of its own day. The first of an account proves nothing.
        """
        opening, day, currency = statement.opening_minor, statement.closed_on, statement.currency
        if opening is None or day is None or currency is None:
            return None
        days = self._closed.get((statement.account, currency), {})
        last = max((one for one in days if one < day), default=None)
        if last is None:
            return None
        own = statement_name(statement)
        beside = [minor for name, minor in days.get(day, {}).items() if name != own]
        if opening in (*days[last].values(), *beside):
            return None
        return Result(
            difference=Difference.OPENING_DIFFERS,
            bank_minor=opening,
            mirror_minor=max(days[last].items())[1],
            currency=currency,
        )
