"""A day's end: the statement of the bank against our mirror of what it should have booked.

Every entry and every posting ends in exactly one place: matched, or a difference with a name; of a
statement that is UNREADABLE postings may be left. Only people resolve differences; nothing here
changes a claim.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from supplytwin.sinks.iso20022_answers import Entry, Statement
from supplytwin.sinks.iso20022_entries import Side


class Difference(StrEnum):
    """How bank and mirror can differ."""

    MISSING_AT_BANK = "MISSING_AT_BANK"
    """We have it as booked, the statement, read whole, has not."""
    MISSING_HERE = "MISSING_HERE"
    """The bank booked it, we do not have it as booked."""
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    """Booked on both sides, with another amount or currency."""
    TWICE = "TWICE"
    """More entries at the bank than postings here: the amount is that of the ones too many."""
    NOT_UNDERSTOOD = "NOT_UNDERSTOOD"
    """The bank has an entry of it that became a finding: a reversal, a credit that is no return."""
    REPEATED = "REPEATED"
    """One entry is there twice, in the statement or in an earlier one, with the same bank's id."""
    NO_ENTRY_ID = "NO_ENTRY_ID"
    """An entry of ours without the bank's id: it cannot be told from another one."""
    UNKNOWN_REFERENCE = "UNKNOWN_REFERENCE"
    """A reference of the form of ours that we never gave."""
    NOT_OURS = "NOT_OURS"
    """Other business on the account: counts for the balance alone."""
    BALANCE_OPEN = "BALANCE_OPEN"
    """Opening + entries is not closing; the amount is closing less that sum."""
    OPENING_DIFFERS = "OPENING_DIFFERS"
    """Opens with another balance than the last one of its account and currency closed with: a
    statement is missing, or was changed. The amounts are what it opens with, and that closing.
    """
    UNREADABLE = "UNREADABLE"
    """A part of the statement, or a balance, could not be read: its sum proves nothing."""


class Posting(Struct, frozen=True, kw_only=True, gc=False):
    """What the mirror has of one payment on this account, for the days of the statement."""

    settlement_id: str
    amount_minor: int
    """Above zero."""
    currency: str
    booked: bool
    """False: instructed, and no booking known yet."""
    returned: bool = False
    """A return of it, in the other direction."""


class Result(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One difference, and what it is about; amounts signed as on the account."""

    difference: Difference
    settlement_id: str | None = None
    entry_id: str | None = None
    path: str = ""
    bank_minor: int | None = None
    mirror_minor: int | None = None
    currency: str | None = None


class Reconciliation(Struct, frozen=True, kw_only=True, gc=False):
    """`clean` when nobody has to look at anything (other business on the account is no matter)."""

    statement_id: str
    matched: int
    """Entries that are exactly a booked posting."""
    results: tuple[Result, ...]

    @property
    def clean(self) -> bool:
        """Nothing but matches and other business."""
        return all(one.difference is Difference.NOT_OURS for one in self.results)


_Key = tuple[str, bool]


def reconcile(
    statement: Statement,
    postings: Sequence[Posting],
    side: Side = Side.DEBTOR,
    *,
    repeated: Collection[str] = (),
) -> Reconciliation:
    """Each entry against each posting of the account `side`; results in the order of the
    statement, then of the postings, then the balance. `repeated` = paths of entries that an earlier
    statement had, which are laid against nothing.
    """
    outward = -1 if side is Side.DEBTOR else 1
    waiting: dict[_Key, list[Posting]] = defaultdict(list)
    for posting in postings:
        waiting[posting.settlement_id, posting.returned].append(posting)
    known = {posting.settlement_id for posting in postings}
    again = [entry for entry in statement.entries if entry.path in repeated]
    results = [_about(Difference.REPEATED, entry) for entry in again]
    matched, seen = 0, set[tuple[str, str]]()
    for key, entries in _grouped(one for one in statement.entries if one.path not in repeated):
        settlement, returned = key
        if settlement is None:
            results += [_about(Difference.NOT_OURS, entry) for entry in entries]
        elif settlement not in known:
            results += [_about(Difference.UNKNOWN_REFERENCE, entry) for entry in entries]
        else:
            distinct = list(_distinct(entries, seen, results))
            sign = -outward if returned else outward
            own = waiting.pop((settlement, returned), [])
            matched += _compared(distinct, own, sign, results)
    for own in waiting.values():
        results += [_missing(one, outward) for one in own if one.booked]
    if not statement.complete:  # what is not seen may stand in what was not read
        results = [one for one in results if one.difference is not Difference.MISSING_AT_BANK]
    results += _balance(statement)
    return Reconciliation(
        statement_id=statement.statement_id, matched=matched, results=tuple(results)
    )


def _grouped(entries: Iterable[Entry]) -> list[tuple[tuple[str | None, bool], list[Entry]]]:
    """Entries by (settlement, way), in the order of the first of each."""
    groups: dict[tuple[str | None, bool], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.settlement_id, entry.returned].append(entry)
    return list(groups.items())


def _distinct(
    entries: Iterable[Entry], seen: set[tuple[str, str]], results: list[Result]
) -> Iterable[Entry]:
    """The entries without repetitions: same bank's id and same EndToEndId are one entry."""
    for entry in entries:
        if entry.entry_id is None:
            results.append(_about(Difference.NO_ENTRY_ID, entry))
        elif (entry.entry_id, entry.settlement_id or "") in seen:
            results.append(_about(Difference.REPEATED, entry))
        else:
            seen.add((entry.entry_id, entry.settlement_id or ""))
            yield entry


def _compared(
    entries: list[Entry], postings: list[Posting], sign: int, results: list[Result]
) -> int:
    """How many entries are exactly a booked posting; whatever is left of either is a result."""
    left = list(postings)
    matched, others = 0, []
    for entry in entries:
        fits = [
            one
            for one in left
            if (sign * one.amount_minor, one.currency) == (entry.signed_minor, entry.currency)
        ]
        if not fits:
            others.append(entry)
            continue
        best = max(fits, key=lambda one: one.booked)
        left.remove(best)
        if best.booked:
            matched += 1
        else:
            results.append(_about(Difference.MISSING_HERE, entry, sign * best.amount_minor))
    for entry in others:
        if left:
            best = max(left, key=lambda one: one.booked)
            left.remove(best)
            results.append(_about(Difference.AMOUNT_DIFFERS, entry, sign * best.amount_minor))
        else:
            extra = Difference.TWICE if postings else Difference.MISSING_HERE
            results.append(_about(extra, entry))
    results += [_missing(one, sign if not one.returned else -sign) for one in left if one.booked]
    return matched


def _about(difference: Difference, entry: Entry, mirror_minor: int | None = None) -> Result:
    return Result(
        difference=difference,
        settlement_id=entry.settlement_id,
        entry_id=entry.entry_id,
        path=entry.path,
        bank_minor=entry.signed_minor,
        mirror_minor=mirror_minor,
        currency=entry.currency,
    )


def _missing(posting: Posting, outward: int) -> Result:
    sign = -outward if posting.returned else outward
    return Result(
        difference=Difference.MISSING_AT_BANK,
        settlement_id=posting.settlement_id,
        mirror_minor=sign * posting.amount_minor,
        currency=posting.currency,
    )


def _balance(statement: Statement) -> list[Result]:
    opening, closing = statement.opening_minor, statement.closing_minor
    if not statement.complete or opening is None or closing is None:
        return [Result(difference=Difference.UNREADABLE)]
    open_minor = closing - opening - sum(entry.signed_minor for entry in statement.entries)
    if not open_minor:
        return []
    return [
        Result(
            difference=Difference.BALANCE_OPEN,
            bank_minor=open_minor,
            currency=statement.currency,
        )
    ]
