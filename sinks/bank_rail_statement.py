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
from supplytwin.sinks.bank_rail_ledger import STATEMENT, Ledger
from supplytwin.sinks.iso20022_answers import Statement
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


def due(posted: Sequence[Posted], statement: Statement, ledger: Ledger, zone: str) -> list[Posting]:
    """The postings that this statement is laid against: of its account, in no earlier statement,
    and taken by the end of its day; later ones only where it has an entry for them.
    """
    accounts = ledger.accounts()
    own = [one for one in posted if accounts.get(one.posting.settlement_id) == statement.account]
    shown = {(one.settlement_id, one.returned) for one in statement.entries}
    here = {entry.entry_id for entry in statement.entries}
    earlier: dict[tuple[str, bool], list[int]] = {}
    for settlement in {one.posting.settlement_id for one in own}:
        for (returned, name), heard in ledger.heard(settlement).items():
            if heard.shown and name not in here:
                minor = heard.receipt.amount_minor or 0
                earlier.setdefault((settlement, returned), []).append(minor)
    found = []
    for one in own:
        posting = one.posting
        key = (posting.settlement_id, posting.returned)
        if posting.booked and posting.amount_minor in earlier.get(key, []):
            earlier[key].remove(posting.amount_minor)
        elif not posting.booked or key in shown or _in_time(one, statement, zone):
            found.append(posting)
    return found


def _in_time(one: Posted, statement: Statement, zone: str) -> bool:
    return statement.closed_on is not None and local_date(one.at, zone) <= statement.closed_on


def closed(
    statement: Statement, posted: Sequence[Posted], ledger: Ledger, zone: str
) -> tuple[Reconciliation, list[Receipt]]:
    """The result, and a receipt for each difference that is about a booking which was told.

    Such a receipt has the id of the one that told the booking, and another content: the worker
    takes it as two words of the rail about one thing, which is a RECON_BREAK in every state.
    """
    result = reconcile(statement, due(posted, statement, ledger, zone))
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
        chosen = [heard for heard in known.values() if not heard.shown]
    if not chosen or ledger.told_break(chosen[0].receipt.input_id, result.difference):
        return None
    told = chosen[0].receipt
    rail = told.source.partition(":")[0]
    return replace(
        told,
        source=f"{rail}:{STATEMENT}",
        rail_status=str(result.difference),
        rail_reason=f"{STATEMENT} against the mirror",
    )
