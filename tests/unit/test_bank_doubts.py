"""Money that moved in a way that is not understood: its claim is told of it whatever document says
so, before a rejection makes way for another attempt, and under an id that nobody has cleared.
"""

from collections.abc import Callable

import bank_rail_world as w
import pytest
from bank_rail_world import Desktop, instruction, query
from iso20022_world import entry, notification, status_report
from msgspec.structs import replace

from supplytwin.schemas.ids import settlement_id
from supplytwin.schemas.records import Receipt
from supplytwin.sinks.bank_rail import Asked
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.sinks.iso20022_out import Sent

OTHER = settlement_id(w.CONTRACT, "T1", "lot-2")
Told = list[tuple[str, str, str]]


def odd(sent: Sent, *entries: list[tuple[str, ...]]) -> bytes:
    """A debit of a payment that could be counted twice, behind these entries."""
    return notification(*entries, entry(sent, ""))


def held() -> tuple[Desktop, Sent]:
    """Its hold is told, and the payment is handed over."""
    desk = Desktop()
    desk.give(instruction("RESERVE"))
    desk.publish()
    return desk, desk.paid()


def says(receipts: list[Receipt]) -> Told:
    """(kind, status, what it says: of a break its difference)."""
    return [
        (one.kind, one.rail_status, (one.rail_reason or "").partition(":")[0]) for one in receipts
    ]


BREAK = ("RESERVE", "CONFIRMED", "NOT_UNDERSTOOD")
REJECTED = ("PAY", "RJCT", "AM04")


def by_question(desk: Desktop, sent: Sent) -> list[Receipt]:
    """The bank says it when it is asked."""
    desk.paper.knows[sent.message_id] = Asked(known=True, data=odd(sent))
    desk.give(query())
    return desk.publish()


def by_duplicate(desk: Desktop, sent: Sent) -> list[Receipt]:
    """The bank is asked since it has the payment already."""
    desk.paper.knows[sent.message_id] = Asked(known=True, data=odd(sent))
    return desk.hear(status_report(sent, "RJCT", "DUPL"))


@pytest.mark.parametrize("way", [by_question, by_duplicate])
def test_it_is_told_whatever_document_says_it(
    way: Callable[[Desktop, Sent], list[Receipt]],
) -> None:
    """Also where the bank said it as the answer to a question, which is kept in no mailbox."""
    desk, sent = held()
    assert says(way(desk, sent)) == [BREAK]
    assert desk.publish() == []
    assert desk.paper.confirmed == [one.name for one in desk.paper.mail]


def test_a_recovery_tells_it_again() -> None:
    """What the log has lost of it comes before all that follows; what it has is not told twice."""
    desk, sent = held()
    desk.hear(odd(sent))
    desk.hear(status_report(sent, "RJCT", "AM04"))
    desk.new()
    assert says([one.receipt for one in desk.rail.told({w.SETTLEMENT}, 0)]) == [REJECTED]
    desk.kept = [
        one for one in desk.kept if "NOT_UND" not in (getattr(one, "rail_reason", 0) or "")
    ]
    desk.new()
    told = [one.receipt for one in desk.rail.told({w.SETTLEMENT}, 0)]
    assert says(told) == [BREAK, REJECTED]


def test_a_rejection_goes_out_behind_it() -> None:
    """In the same transaction: a process that dies behind the first of two would pay again."""
    desk, sent = held()
    assert says(desk.hear(odd(sent), status_report(sent, "RJCT", "AM04"))) == [BREAK, REJECTED]
    assert desk.publish() == []


def test_a_rejection_waits_for_what_the_doubt_waits_for() -> None:
    """A booking of the payment is told first, then the doubt with the rejection behind it."""
    desk, sent = held()
    told = desk.hear(odd(sent, entry(sent)), status_report(sent, "RJCT", "AM04"))
    assert says(told) == [("PAY", "BOOKED", "")]
    assert says(desk.publish()) == [("PAY", "BOOKED", "NOT_UNDERSTOOD"), REJECTED]
    assert desk.paper.confirmed == ["doc-0", "doc-1"]


def test_it_waits_for_no_other_payment() -> None:
    """What other claims are told, and when, is their matter."""
    desk, sent = held()
    draft = desk.give(instruction(settlement_id=OTHER))
    assert draft is not None
    told = desk.hear(notification(entry(sent_of(draft), "ASR-2")), odd(sent))
    assert says(told) == [BREAK, ("PAY", "BOOKED", "")]


def test_each_has_an_id_that_nobody_has_cleared() -> None:
    """A person clears an id: a second doubt under it would not keep the payment from being made
    again.
    """
    desk, sent = held()
    ids = [one.input_id for one in desk.hear(odd(sent))]
    desk.hear(status_report(sent, "RJCT", "AM04"))
    second = desk.give(instruction(attempt=2))
    assert second is not None
    told = desk.hear(odd(sent_of(second)))
    assert says(told) == [("PAY", "RJCT", "NOT_UNDERSTOOD")]
    assert told[0].input_id not in ids
    assert desk.hear(odd(sent), odd(sent_of(second))) == []


def test_two_entries_of_one_payment_are_two() -> None:
    """By the bank's id of them; the same one again is none."""
    desk, sent = held()
    desk.hear(notification(entry(sent)))
    one, two = (notification(entry(sent, name, "CRDT")) for name in ("CR-1", "CR-2"))
    assert says(desk.hear(one)) == [("PAY", "BOOKED", "NOT_UNDERSTOOD")]
    assert says(desk.hear(two)) == [BREAK]
    assert desk.hear(one, two) == []


def test_what_another_rail_told_bears_it() -> None:
    """The hold was told by the rail of the former bank; the break is this one's word."""
    desk, sent = held()
    desk.kept = [
        replace(one, source="iso20022-OTHER:own") if isinstance(one, Receipt) else one
        for one in desk.kept
    ]
    desk.new()
    (told,) = desk.hear(odd(sent))
    assert (told.source, *says([told])) == (f"{w.DESK.rail}:own", BREAK)
    desk.new()
    assert desk.hear(odd(sent)) == []


def test_where_nothing_was_told_it_is_kept() -> None:
    """There is no id to tell it under: its document stays, and a rejection with it, until there is
    one. Another process does the same.
    """
    desk = Desktop()
    sent = desk.paid()
    rejected = status_report(sent, "RJCT", "AM04")
    assert desk.hear(odd(sent), rejected) == []
    assert desk.paper.confirmed == []
    desk.new()
    assert says(desk.hear(status_report(sent, "ACTC"))) == [("PAY", "ACTC", "")]
    assert says(desk.publish()) == [("PAY", "ACTC", "NOT_UNDERSTOOD"), REJECTED]
    assert desk.paper.confirmed == ["doc-2", "doc-0", "doc-1"]


def test_what_was_never_sent_is_rejected_at_once() -> None:
    """The rail's own answer makes way for no other attempt."""
    desk = Desktop()
    sent = desk.paid()
    desk.hear(odd(sent))
    desk.parties.paying = replace(desk.parties.paying, purpose_code="")
    desk.give(instruction(attempt=2))
    assert says(desk.publish()) == [("PAY", "RJCT", "NOT_SENT")]
