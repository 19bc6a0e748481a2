"""The end of a day: which postings a statement is laid against, and what claims are told of it."""

from collections.abc import Callable

import bank_rail_world as w
import pytest
from bank_rail_world import Desktop, instructed, settled
from iso20022_world import BUYER, bank_statement, entry, notification, payment, sent_file
from msgspec.structs import replace

from supplytwin.schemas.ids import DAY_US, Micros, settlement_id
from supplytwin.schemas.records import SettlementEvent
from supplytwin.sinks.bank_rail_statement import mirrored
from supplytwin.sinks.iso20022_answers import Fault
from supplytwin.sinks.iso20022_in import read
from supplytwin.sinks.iso20022_out import Sent
from supplytwin.sinks.rail import Closed
from supplytwin.sinks.reconcile import Posting

OPENING = 100_000_000
CLOSING = OPENING - 24_000_050
BOTH = (instructed(), settled())
Back = Callable[[Sent], list[tuple[str, ...]]]
OTHER = settlement_id("C-9", "T1", "lot-9")


def closed(desk: Desktop, *events: SettlementEvent) -> list[Closed]:
    """The statements that wait, laid against the mirror; and what is told of them is published."""
    desk.publish()
    found = desk.rail.close_day(events)
    desk.told = desk.publish()  # type: ignore[attr-defined]
    return found


def breaks(desk: Desktop) -> list[tuple[str, str]]:
    """(status, first word of the reason) of what was told when a day closed."""
    return [
        (one.rail_status, (one.rail_reason or "").partition(":")[0])
        for one in desk.told  # type: ignore[attr-defined]
    ]


def names(found: list[Closed]) -> list[str]:
    """The differences, by name."""
    return [str(one.difference) for day in found for one in day.result.results]


def booked() -> Desktop:
    """A payment whose booking the bank has notified on the 19th."""
    desk = Desktop()
    desk.sent = desk.paid()  # type: ignore[attr-defined]
    desk.hear(notification(entry(desk.sent)))  # type: ignore[attr-defined]
    return desk


def statement(desk: Desktop, *entries: list, **more) -> bytes:  # type: ignore[type-arg,no-untyped-def]
    """The statement of the 19th, which closes where its entries lead."""
    moved = -24_000_050 * len(entries)
    return bank_statement(OPENING, more.pop("closing", OPENING + moved), *entries, **more)


def test_a_day_that_closes_clean() -> None:
    """Booked here and there: matched, nothing is told, the document is dealt with only then."""
    desk = booked()
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    desk.publish()
    assert desk.rail.statements() == 1
    assert desk.paper.confirmed == ["doc-0"]
    (day,) = closed(desk, *BOTH)
    assert (day.account, day.result.matched, day.result.clean) == (BUYER.account.iban, 1, True)
    assert breaks(desk) == []
    assert desk.paper.confirmed == ["doc-0", "doc-1"]
    assert desk.rail.statements() == 0


def test_a_statement_waits_until_its_entries_are_told() -> None:
    """Before they are published there is nothing to close."""
    desk = booked()
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    desk.rail.answers(0)
    assert desk.rail.statements() == 0
    assert desk.rail.close_day(BOTH) == []


def test_an_entry_that_is_missing_at_the_bank_is_told_once() -> None:
    """Under the id of the receipt that told the booking, with another content; not a second time
    by the next statement, nor by another process.
    """
    desk = booked()
    told = desk.kept[-1]
    desk.paper.bring(statement(desk))
    assert names(closed(desk, *BOTH)) == ["MISSING_AT_BANK"]
    (one,) = desk.told  # type: ignore[attr-defined]
    assert breaks(desk) == [("NOT_FOUND", "MISSING_AT_BANK")]
    assert one.input_id == told.input_id  # type: ignore[union-attr]
    assert one != told
    desk.new()
    desk.paper.bring(statement(desk).replace(b"STMT-324", b"STMT-325"))
    assert names(closed(desk, *BOTH)) == ["MISSING_AT_BANK"]
    assert breaks(desk) == []


def test_what_is_told_after_the_day_is_not_missed_by_it() -> None:
    """A booking notified on the 19th is no gap of the 18th's statement."""
    desk = booked()
    desk.paper.bring(statement(desk).replace(b"<Dt>2026-11-19</Dt>", b"<Dt>2026-11-18</Dt>"))
    (day,) = closed(desk, *BOTH)
    assert day.result.clean


def test_the_banks_zone_says_which_day_it_was() -> None:
    """06:00 UTC of the 19th is still the 18th in Honolulu."""
    desk = booked()
    desk.rail._desk = replace(desk.rail._desk, zone="-10:00")  # type: ignore[attr-defined]
    desk.paper.bring(statement(desk).replace(b"<Dt>2026-11-19</Dt>", b"<Dt>2026-11-18</Dt>"))
    assert names(closed(desk, *BOTH)) == ["MISSING_AT_BANK"]


def test_an_earlier_statement_has_had_it() -> None:
    """What one statement has shown the next one need not; across processes, too."""
    desk = booked()
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    closed(desk, *BOTH)
    desk.new()
    desk.paper.bring(bank_statement(CLOSING, CLOSING).replace(b"2026-11-19", b"2026-11-20"))
    (day,) = closed(desk, *BOTH)
    assert day.result.clean


def test_the_same_statement_again_changes_nothing() -> None:
    """Read again after a crash it matches as before."""
    desk = booked()
    data = statement(desk, entry(desk.sent))  # type: ignore[attr-defined]
    for _ in range(2):
        desk.paper.bring(data)
        (day,) = closed(desk, *BOTH)
        assert (day.result.matched, day.result.clean) == (1, True)
        assert breaks(desk) == []


def test_a_booking_that_only_the_statement_tells() -> None:
    """It is told as a booking first; then the mirror has it, and the day is clean."""
    desk = Desktop()
    sent = desk.paid()
    desk.paper.bring(statement(desk, entry(sent)))
    assert [one.rail_status for one in desk.publish()] == ["BOOKED"]
    (day,) = closed(desk, *BOTH)
    assert (day.result.matched, day.result.clean) == (1, True)


def test_a_booking_that_the_mirror_refuses_is_a_break() -> None:
    """Told, and not posted: MISSING_HERE, on the claim."""
    desk = Desktop()
    sent = desk.paid()
    desk.paper.bring(statement(desk, entry(sent)))
    assert names(closed(desk, instructed())) == ["MISSING_HERE"]
    assert breaks(desk) == [("BOOKED", "MISSING_HERE")]


def test_another_amount_is_a_break() -> None:
    """One cent more at the bank than here."""
    desk = Desktop()
    sent = desk.paid()
    desk.paper.bring(statement(desk, entry(sent, minor=24_000_051), closing=OPENING - 24_000_051))
    assert names(closed(desk, *BOTH)) == ["AMOUNT_DIFFERS"]
    assert breaks(desk) == [("BOOKED", "AMOUNT_DIFFERS")]


def test_two_entries_for_one_payment() -> None:
    """The second is TWICE, on the claim."""
    desk = Desktop()
    sent = desk.paid()
    desk.paper.bring(statement(desk, entry(sent), entry(sent, "ASR-2")))
    assert names(closed(desk, *BOTH)) == ["TWICE"]
    assert breaks(desk) == [("BOOKED", "TWICE")]


def test_a_return_is_laid_against_its_own_posting() -> None:
    """Out and back on one statement and in the mirror: clean. The return missing: a break."""
    back = w.posted(31, "seller;-24000050", "buyer;24000050")
    desk = booked()
    out = entry(desk.sent)  # type: ignore[attr-defined]
    came = entry(desk.sent, "ASR-2", "CRDT", returned="AC04")  # type: ignore[attr-defined]
    desk.hear(notification(came))
    desk.paper.bring(statement(desk, out, came, closing=OPENING))
    (day,) = closed(desk, *BOTH, back)
    assert (day.result.matched, day.result.clean) == (2, True)
    desk = booked()
    desk.hear(notification(came))
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    assert names(closed(desk, *BOTH, back)) == ["MISSING_AT_BANK"]
    assert breaks(desk) == [("NOT_FOUND", "MISSING_AT_BANK")]


def test_differences_without_a_claim_are_named_and_told_to_nobody() -> None:
    """An open balance, a reference that was never given, an unreadable page."""
    desk = booked()
    (stranger,) = sent_file(payment(settlement_id=OTHER)).sent
    own = entry(desk.sent)  # type: ignore[attr-defined]
    desk.paper.bring(statement(desk, own, entry(stranger, "ASR-9"), closing=OPENING))
    assert names(closed(desk, *BOTH)) == ["UNKNOWN_REFERENCE", "BALANCE_OPEN"]
    assert breaks(desk) == []
    desk = booked()
    desk.paper.bring(statement(desk, entry(desk.sent), page=("1", "false")))  # type: ignore[attr-defined]
    assert names(closed(desk, *BOTH)) == ["UNREADABLE"]


def test_other_accounts_are_not_missed() -> None:
    """A statement of another account says nothing about ours."""
    desk = booked()
    other = statement(desk).replace(BUYER.account.iban.encode(), b"AE070331234567890123457")
    desk.paper.bring(other)
    (day,) = closed(desk, *BOTH)
    assert day.result.clean


def test_the_mirror_is_what_the_transitions_post() -> None:
    """To the seller: booked; from it: returned; in flight: instructed."""
    found = [
        one.posting
        for one in mirrored(
            (
                instructed(),
                settled(),
                w.posted(31, "seller;-7", "buyer;7"),
                instructed(OTHER),
                w.posted(47, "in_flight;-24000050", "seller;24000050", "seller;-24000050",
                         "buyer;24000050", settlement=settlement_id("C", "T", "x")),
            )
        )
    ]  # fmt: skip
    common = {"currency": "CNY", "booked": True}
    third = settlement_id("C", "T", "x")
    assert found == [
        Posting(settlement_id=w.SETTLEMENT, amount_minor=24_000_050, **common),
        Posting(settlement_id=w.SETTLEMENT, amount_minor=7, returned=True, **common),
        Posting(settlement_id=third, amount_minor=24_000_050, **common),
        Posting(settlement_id=third, amount_minor=24_000_050, returned=True, **common),
        Posting(settlement_id=OTHER, amount_minor=24_000_050, currency="CNY", booked=False),
    ]


def test_a_posting_that_no_receipt_told_has_its_tick_time() -> None:
    """What people resolved is missed from the statement of its day on."""
    for at, missing in ((0, ["MISSING_AT_BANK"]), (5 * DAY_US, [])):
        desk = Desktop()
        desk.paid()
        desk.paper.bring(statement(desk))
        events = (instructed(), settled(at=Micros(w.NOW + at)))
        assert names(closed(desk, *events)) == missing


def reversal(sent: Sent) -> list[tuple[str, ...]]:
    """The bank takes back its booking by an entry of its own."""
    parts = list(entry(sent, "ASR-2", "CRDT"))
    at = next(n for n, part in enumerate(parts) if part[0] == "Ntry/CdtDbtInd")
    return [*parts[: at + 1], ("Ntry/RvslInd", "true"), *parts[at + 1 :]]


def bare_credit(sent: Sent) -> list[tuple[str, ...]]:
    """The money comes back without return information."""
    return entry(sent, "ASR-2", "CRDT")


def without_reference(sent: Sent) -> list[tuple[str, ...]]:
    """As before, and of our ids it bears none but InstrId, PmtInfId and MsgId."""
    names = ("EndToEndId", "UETR")
    return [one for one in bare_credit(sent) if one[0].rpartition("/")[2] not in names]


BACK = pytest.mark.parametrize("back", [reversal, bare_credit, without_reference])


@BACK
def test_money_that_comes_back_in_another_way_reaches_the_claim(back: Back) -> None:
    """No return, so that nothing is posted: the claim is told that the bank has an entry of it that
    is not understood, once, whichever document tells it, whichever process reads it.
    """
    desk = booked()
    told = desk.kept[-1]
    data = notification(back(desk.sent)).replace(b"BANK-N-1", b"BANK-N-2")  # type: ignore[attr-defined]
    (one,) = desk.hear(data)
    assert one.input_id == told.input_id  # type: ignore[union-attr]
    assert (one.rail_status, (one.rail_reason or "").partition(":")[0]) == (
        "BOOKED", "NOT_UNDERSTOOD",
    )  # fmt: skip
    assert desk.paper.confirmed == ["doc-0", "doc-1"]
    for number in (3, 4):
        desk.new()
        assert desk.hear(data.replace(b"BANK-N-2", b"BANK-N-%d" % number)) == []
        assert desk.publish() == []
    assert desk.paper.confirmed == ["doc-0", "doc-1", "doc-2", "doc-3"]
    assert desk.rail.findings()
    assert desk.rail.findings() == ()


@BACK
@pytest.mark.parametrize("apart", [True, False])
def test_money_that_comes_back_beside_its_booking_reaches_the_claim(
    back: Back, apart: bool
) -> None:
    """In the same document, or in one that was fetched together with it: first the booking is
    told, then the break.
    """
    desk = Desktop()
    sent = desk.paid()
    if apart:
        desk.paper.bring(notification(entry(sent)), notification(back(sent)))
    else:
        desk.paper.bring(notification(entry(sent), back(sent)))
    assert [one.rail_reason for one in desk.publish()] == [None]
    (one,) = desk.publish()
    assert (one.rail_reason or "").startswith("NOT_UNDERSTOOD: ")
    assert desk.publish() == []
    assert desk.paper.confirmed == [one.name for one in desk.paper.mail]


@BACK
def test_the_close_of_the_day_knows_whose_money_came_back(back: Back) -> None:
    """Booked the day before; the entry is no reference that we never gave."""
    desk = booked()
    sent = desk.sent  # type: ignore[attr-defined]
    desk.paper.bring(statement(desk, entry(sent)))
    closed(desk, *BOTH)
    later = bank_statement(CLOSING, OPENING, back(sent)).replace(b"2026-11-19", b"2026-11-20")
    desk.paper.bring(later.replace(b"STMT-324", b"STMT-325"))
    assert "MISSING_HERE" in names(closed(desk, *BOTH))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"<Dt>2026-11-19</Dt>", b"<DtTm>2026-11-19T23:59:59+08:00</DtTm>", None),
        (b"<Dt><Dt>2026-11-19</Dt></Dt>", b"", Fault.MISSING),
        (b"<Dt>2026-11-19</Dt>", b"<Dt>19/11/2026</Dt>", Fault.BAD_TIME),
    ],
)
def test_a_statement_says_which_day_it_closes(old: bytes, new: bytes, fault: Fault | None) -> None:
    """By date or by instant; without it the sum proves nothing about a day, which is a finding."""
    found = read(bank_statement(5, 5).replace(old, new))
    (one,) = found.statements
    if fault is None:
        assert (one.closed_on, one.complete) == (w.DAY, True)
    else:
        assert (one.closed_on, one.complete) == (None, False)
        assert {finding.code for finding in found.findings} == {fault}
