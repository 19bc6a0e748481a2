"""A statement against the mirror: which postings belong to its account and days, and what the
claims are told of each difference.

The mirror is what `settlement.events` posts: what reached `seller` is booked, what left it is
returned, what is `in_flight` is instructed.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.schemas.localtime import local_date
from supplytwin.schemas.records import Receipt, SettlementEvent
from supplytwin.sinks.bank_rail_balances import Balances
from supplytwin.sinks.bank_rail_entries import statement_name
from supplytwin.sinks.bank_rail_ledger import STATEMENT, Heard, Ledger
from supplytwin.sinks.iso20022_answers import Entry, Statement
from supplytwin.sinks.reconcile import Difference, Posting, Reconciliation, Result, reconcile


class Posted(Struct, frozen=True, kw_only=True, gc=False):
    """One posting to or from the seller, and the tick time at which it was taken."""

    posting: Posting
    at: int


def mirrored(events: Iterable[SettlementEvent]) -> list[Posted]:
    """Every posting that a bank should have an entry for, and what is in flight at the end."""
    found: list[Posted] = []
    flying: dict[str, tuple[int, SettlementEvent]] = {}
    for event in events:
        for line in event.postings:
            account, _, text = line.partition(";")
            minor = int(text)
            if account == "in_flight":
                before = flying.get(event.settlement_id, (0, event))[0]
                flying[event.settlement_id] = (before + minor, event)
            elif account == "seller":
                found.append(_posted(event, abs(minor), booked=True, returned=minor < 0))
    for minor, event in flying.values():
        if minor > 0:
            found.append(_posted(event, minor, booked=False, returned=False))
    return found


def _posted(event: SettlementEvent, minor: int, *, booked: bool, returned: bool) -> Posted:
    return Posted(
        posting=Posting(
            settlement_id=event.settlement_id,
            amount_minor=minor,
            currency=event.currency,
            booked=booked,
            returned=returned,
        ),
        at=event.tick_time,
    )


def repeated(statement: Statement, ledger: Ledger) -> frozenset[str]:
    """The paths of entries that another statement had under the same id of the bank: the account
    was moved again, whatever the bank calls it.
    """
    name = statement_name(statement)
    found = []
    for entry in statement.entries:
        heard = ledger.heard(entry.settlement_id or "").get((entry.returned, entry.entry_id or ""))
        if heard is not None and heard.shown not in (None, "", name):
            found.append(entry.path)
    return frozenset(found)


def due(
    posted: Sequence[Posted],
    entries: Sequence[Entry],
    statement: Statement,
    ledger: Ledger,
    zone: str,
) -> list[Posting]:
    """The postings that this statement is laid against: of its account and currency, in no earlier
    statement, and told by the end of its day; later ones only where it has an entry for them.
    `entries` = its entries without those that are repeated.
    """
    accounts = ledger.accounts()
    here = {entry.entry_id for entry in entries}
    shown = {(one.settlement_id, one.returned) for one in entries}
    waiting: dict[str, list[tuple[bool, Heard]]] = {}
    found = []
    for one in posted:
        posting, settlement = one.posting, one.posting.settlement_id
        if accounts.get(settlement) != statement.account:
            continue
        if settlement not in waiting:
            waiting[settlement] = _told(ledger, settlement, here)
        heard = _taken(waiting[settlement], posting) if posting.booked else None
        if heard is not None and heard.shown is not None and not _is_of(heard.receipt, here):
            continue
        at = one.at if heard is None else heard.receipt.rail_time or one.at
        key = (settlement, posting.returned)
        missed = posting.currency == statement.currency and _in_time(at, statement, zone)
        if not posting.booked or key in shown or missed:
            found.append(posting)
    return found


def _told(ledger: Ledger, settlement: str, here: set[str | None]) -> list[tuple[bool, Heard]]:
    """What was told of a settlement: first what earlier statements have."""
    heard = [(returned, one) for (returned, _), one in ledger.heard(settlement).items()]
    return sorted(heard, key=lambda pair: pair[1].shown is None or _is_of(pair[1].receipt, here))


def _taken(waiting: list[tuple[bool, Heard]], posting: Posting) -> Heard | None:
    """The telling of a posting, which then stands for no other one."""
    for at, (returned, heard) in enumerate(waiting):
        if (returned, heard.receipt.amount_minor) == (posting.returned, posting.amount_minor):
            del waiting[at]
            return heard
    return None


def _is_of(receipt: Receipt, entries: set[str | None]) -> bool:
    return (receipt.entry_id or receipt.return_id) in entries


def _in_time(at: int, statement: Statement, zone: str) -> bool:
    """Whether the bank's day of `at` is the statement's, or an earlier one."""
    return statement.closed_on is not None and local_date(at, zone) <= statement.closed_on


def closed(
    statement: Statement, posted: Sequence[Posted], ledger: Ledger, balances: Balances, zone: str
) -> tuple[Reconciliation, list[Receipt]]:
    """The result, and a receipt for each difference that is about a booking which was told.

    Such a receipt has the id of the one that told the booking, and another content: the worker
    takes it as two words of the rail about one thing, which is a RECON_BREAK in every state.
    """
    again = repeated(statement, ledger)
    entries = [entry for entry in statement.entries if entry.path not in again]
    mirror = due(posted, entries, statement, ledger, zone)
    result = reconcile(statement, mirror, repeated=again)
    known = ledger.accounts()
    renamed = tuple(
        replace(one, difference=Difference.MISSING_HERE)
        if one.difference is Difference.UNKNOWN_REFERENCE and one.settlement_id in known
        else one
        for one in result.results
    )
    result = replace(result, results=renamed)
    gap = balances.gap(statement)
    if gap is not None:
        result = replace(result, results=(*result.results, gap))
    breaks = [
        found
        for one in result.results
        if one.settlement_id is not None and (found := _break(one, ledger)) is not None
    ]
    return result, breaks


def _break(result: Result, ledger: Ledger) -> Receipt | None:
    assert result.settlement_id is not None
    known = ledger.heard(result.settlement_id)
    chosen = [heard for (_, name), heard in known.items() if name == result.entry_id]
    if not chosen and result.difference is Difference.MISSING_AT_BANK:
        chosen = [heard for heard in known.values() if heard.shown is None]
    if not chosen or ledger.told_break(chosen[0].receipt.input_id, result.difference):
        return None
    told = chosen[0].receipt
    rail = told.source.partition(":")[0]
    missing = result.difference is Difference.MISSING_AT_BANK
    return replace(
        told,
        source=f"{rail}:{STATEMENT}",
        rail_status="NOT_FOUND" if missing else told.rail_status,
        rail_reason=f"{result.difference}: the bank's statement against the mirror",
    )
