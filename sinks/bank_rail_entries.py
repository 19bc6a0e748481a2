"""Entries of an account as a rail keeps them: by the bank's id, and the statement that had them."""

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from supplytwin.sinks.iso20022_answers import Answer, Entry, Reading, Statement

Owner = Callable[[str | None], str | None]
"""The settlement of a UETR; None = it is not ours."""
Payment = Callable[[str], object | None]
"""The one payment that an id names (UETR, InstrId, settlement id); None = none, or several."""


def statement_name(statement: Statement) -> str:
    """What a receipt keeps of the statement that told it: its day, and a digest of account, day and
    Id. The pages of one statement have one name.
    """
    day = "" if statement.closed_on is None else statement.closed_on.isoformat()
    said = "\0".join((statement.account, day, statement.statement_id))
    return f"{day}:{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def named(reading: Reading) -> dict[str, str]:
    """The name of its statement, by the path of each entry."""
    return {
        entry.path: statement_name(statement)
        for statement in reading.statements
        for entry in statement.entries
    }


def _owned(reading: Reading, owner: Owner) -> Reading:
    if not reading.statements:
        return reading
    return replace(
        reading,
        statements=tuple(
            replace(
                statement,
                entries=tuple(
                    replace(one, settlement_id=one.settlement_id or owner(one.uetr))
                    for one in statement.entries
                ),
            )
            for statement in reading.statements
        ),
    )


class _Group(NamedTuple):
    """Transactions that one id does not tell apart."""

    ntry: str
    settlement: str
    returned: bool
    entry_id: str


def told_apart(reading: Reading, owner: Owner, payment: Payment) -> Reading:
    """The reading, with an id for each of several payments of one settlement that one Ntry has
    under one id: the bank's and the UETR (or the InstrId). Where all transactions are of one
    payment (its parts, or a charge beside it) they keep the bank's id. An entry of a statement
    without our reference is ours by its UETR.
    """
    reading = _owned(reading, owner)
    paths: dict[_Group, set[str]] = {}
    marks: dict[str, str] = {}
    for group, path, mark in _transactions(reading, owner):
        paths.setdefault(group, set()).add(path)
        if mark is not None:
            marks.setdefault(path, mark)
    ids = {
        path: f"{group.entry_id}/{marks[path]}"
        for group, several in paths.items()
        if len({_payment(marks.get(path), group, payment) for path in several}) > 1
        for path in several
        if path in marks
    }
    if not ids:
        return reading
    return replace(
        reading,
        answers=tuple(_answer(one, ids) for one in reading.answers),
        statements=tuple(
            replace(one, entries=tuple(_entry(entry, ids) for entry in one.entries))
            for one in reading.statements
        ),
    )


def _payment(mark: str | None, group: _Group, payment: Payment) -> object:
    """Of which payment a transaction is, as far as its ids say."""
    return payment(mark or group.settlement) or mark


def _transactions(reading: Reading, owner: Owner) -> Iterator[tuple[_Group, str, str | None]]:
    """Each that moved money of ours: its group, its path, and what may tell it from the others."""
    entries = [entry for one in reading.statements for entry in one.entries]
    for entry in entries:
        if entry.settlement_id is not None and entry.entry_id is not None:
            ntry, ours = _ntry(entry.path), entry.settlement_id
            yield _Group(ntry, ours, entry.returned, entry.entry_id), entry.path, entry.uetr
    for one in reading.answers:
        settlement, name = one.settlement_id or owner(one.uetr), one.entry_id or one.return_id
        if settlement is not None and name is not None and one.message.startswith("camt.05"):
            group = _Group(_ntry(one.path), settlement, one.return_id is not None, name)
            yield group, one.path, one.uetr or one.instruction_id


def _ntry(path: str) -> str:
    return path.partition("/NtryDtls")[0]


def _answer(one: Answer, ids: dict[str, str]) -> Answer:
    if one.path not in ids:
        return one
    if one.return_id is not None:
        return replace(one, return_id=ids[one.path])
    return one if one.entry_id is None else replace(one, entry_id=ids[one.path])


def _entry(entry: Entry, ids: dict[str, str]) -> Entry:
    return replace(entry, entry_id=ids[entry.path]) if entry.path in ids else entry
