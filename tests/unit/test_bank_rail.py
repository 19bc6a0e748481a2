"""A rail with a bank behind it: what is kept, what goes out, what is told, and what never happens.

The bank is of paper; what it says is written by the tests' own hand.
"""

import datetime as dt

import bank_rail_world as w
import pytest
from bank_rail_world import Desktop, Known, instruction, query, recall
from iso20022_world import (
    NOW,
    SELLER,
    bank_statement,
    entry,
    notification,
    payment,
    payment_return,
    resolution,
    sent_file,
    status_report,
)
from msgspec.structs import replace

from supplytwin.schemas import codec
from supplytwin.schemas.ids import Micros, settlement_id
from supplytwin.schemas.records import RECEIPTS, Instruction, Receipt
from supplytwin.sinks.bank_rail import NO_HOLD, NO_PARTIES, Asked
from supplytwin.sinks.bank_rail_terms import Funding, Held, Paying
from supplytwin.sinks.iso20022_ids import message_id, recall_id
from supplytwin.sinks.iso20022_parties import Account, Agent
from supplytwin.sinks.rail import hand_over

BOOKED = [("PAY", "BOOKED", None)]


# ---- what goes out


def test_a_payment_is_kept_before_it_goes_out() -> None:
    """Drafting hands nothing over; what is handed over is what was drafted, with the ids that
    follow from settlement and attempt.
    """
    desk = Desktop()
    draft = desk.rail.draft(instruction())
    assert draft is not None
    assert not desk.paper.delivered
    hand_over(desk.rail, draft)
    assert desk.paper.delivered == [draft]
    assert draft.message_id == message_id([(w.SETTLEMENT, 1)])
    assert w.SETTLEMENT.encode() in draft.body
    assert b"<CreDtTm>2026-11-18T11:06:40Z</CreDtTm>" in draft.body


def test_one_payment_has_one_message_for_ever() -> None:
    """The same instruction again, later, from another process, after the terms have changed: the
    bytes that were kept.
    """
    desk = Desktop()
    first = desk.give(instruction())
    desk.parties.paying = replace(desk.parties.paying, purpose_code="CSTRDR")
    for again in (instruction(), instruction(taken_at=Micros(NOW + 10**10), seq=9)):
        assert desk.give(again) == first
        desk.new()
        assert desk.give(again) == first


def test_the_bank_is_asked_for_the_day_that_the_instruction_names() -> None:
    """That of the contract's calendar; where it names none, the day of the tick."""
    named = Desktop().rail.draft(instruction(execution_date=dt.date(2026, 11, 23)))
    plain = Desktop().rail.draft(instruction())
    assert named is not None
    assert plain is not None
    assert b"<Dt>2026-11-23</Dt>" in named.body
    assert b"<Dt>2026-11-18</Dt>" in plain.body


def test_another_attempt_is_another_message() -> None:
    """Another UETR and MsgId, the same EndToEndId."""
    desk = Desktop()
    one, two = desk.give(instruction()), desk.give(instruction(attempt=2))
    assert one is not None
    assert two is not None
    assert one.message_id != two.message_id
    assert w.SETTLEMENT.encode() in two.body


@pytest.mark.parametrize("word", ["booked", "rejected", "returned"])
def test_nothing_goes_out_after_the_last_word(word: str) -> None:
    """A payment that the bank has booked, rejected or returned is not handed over again, by no
    process and whoever asks.
    """
    desk = Desktop()
    sent = desk.paid()
    says = {
        "booked": notification(entry(sent)),
        "rejected": status_report(sent, "RJCT", "AC04"),
        "returned": notification(entry(sent, "ASR-2", "CRDT", returned="AC04")),
    }
    assert len(desk.hear(says[word])) == 1
    kept = desk.kept[0]
    for _ in range(2):
        assert desk.give(instruction()) is None
        hand_over(desk.rail, kept)  # type: ignore[arg-type]
        assert len(desk.paper.delivered) == 1
        desk.new()


@pytest.mark.parametrize(
    ("parties", "why"),
    [
        (Known(creditor=replace(SELLER, name="Möbel GmbH")), "creditor.name"),
        (Known(debtor=replace(Known().paying.debtor, agent=Agent(bic="COBADEFF"))), "debtor.agent"),
        (Known(creditor=replace(SELLER, account=Account())), "creditor.account"),
        (Known(purpose_code=""), "purpose_code"),
    ],
    ids=["a name that no bank takes", "another bank", "no account", "no purpose for CNY"],
)
def test_what_cannot_be_written_is_rejected_for_good(parties: Known, why: str) -> None:
    """RJCT says which field, nothing is handed over, and the id stays dead when the terms are
    mended: only another attempt is paid.
    """
    desk = Desktop(parties)
    draft = desk.give(instruction())
    assert draft is not None
    assert (draft.body, draft.message_id) == (b"", "")
    (told,) = desk.publish()
    assert (told.kind, told.rail_status) == ("PAY", "RJCT")
    assert (told.rail_reason or "").startswith("NOT_SENT: ")
    assert why in (told.rail_reason or "")
    desk.parties.paying = Known().paying
    desk.new()
    assert desk.give(instruction()) is None
    assert desk.publish() == [told]
    desk.give(query())
    assert [one.rail_status for one in desk.publish()] == ["RJCT"]
    assert not desk.paper.delivered
    assert desk.give(instruction(attempt=2)) == desk.paper.delivered[0]


def test_an_unknown_contract_pays_nothing() -> None:
    """Without parties a hold is refused and a payment rejected."""
    desk = Desktop()
    desk.give(instruction("RESERVE", contract_id="C-9"))
    desk.give(instruction(contract_id="C-9"))
    assert [one.rail_reason for one in desk.publish()] == [
        NO_PARTIES, "NOT_SENT: terms_hash: names no terms with known accounts",
    ]  # fmt: skip
    assert not desk.paper.delivered


def test_foreign_ids_in_an_instruction_are_refused() -> None:
    """An instruction whose UETR or EndToEndId is not that of its settlement goes nowhere."""
    for changes in ({"uetr": "x"}, {"end_to_end_id": "0" * 32}):
        desk = Desktop()
        desk.give(instruction(**changes))
        assert [one.rail_status for one in desk.publish()] == ["RJCT"]
        assert not desk.paper.delivered


@pytest.mark.parametrize(("exponent", "currency"), [(0, "CNY"), (3, "CNY"), (2, "JPY"), (2, "XYZ")])
def test_other_decimals_than_the_gateway_knows_are_refused(exponent: int, currency: str) -> None:
    """The amount was decided in other minor units than it would be written in: ten or a hundred
    times the sum. Nothing is handed over.
    """
    desk = Desktop()
    desk.give(instruction(exponent=exponent, currency=currency))
    (told,) = desk.publish()
    assert told.rail_status == "RJCT"
    assert (told.rail_reason or "").startswith(
        "NOT_SENT: exponent: " if currency != "XYZ" else "NOT_SENT: currency: "
    )
    assert not desk.paper.delivered


def test_a_message_for_another_bank_is_not_handed_over() -> None:
    """What was kept for one bank does not go to another when the settings change."""
    desk = Desktop()
    draft = desk.rail.draft(instruction())
    assert draft is not None
    hand_over(desk.rail, replace(draft, rail="iso20022-OTHER"))
    assert not desk.paper.delivered


# ---- funding


@pytest.mark.parametrize("funding", [Funding.BANK_UNDERTAKING, Funding.COMMITMENT_ONLY])
def test_without_a_hold_the_funding_is_named(funding: Funding) -> None:
    """CONFIRMED says by which promise, nothing is sent to the bank, nothing is left to release."""
    desk = Desktop(Known(funding))
    desk.give(instruction("RESERVE"))
    desk.give(instruction("RELEASE"))
    confirmed, released = desk.publish()
    assert (confirmed.rail_status, confirmed.rail_reason) == ("CONFIRMED", funding)
    assert (confirmed.amount_minor, confirmed.currency) == (24_000_050, "CNY")
    assert confirmed.hold_expires is None
    assert (released.rail_status, released.rail_reason) == ("RELEASED", "nothing was held")
    assert not desk.paper.delivered


def test_a_hold_that_the_bank_cannot_make_is_refused() -> None:
    """PREFUNDED_HOLD without an interface for holds: REFUSED, with the reason."""
    desk = Desktop(Known(Funding.PREFUNDED_HOLD))
    desk.give(instruction("RESERVE"))
    (told,) = desk.publish()
    assert (told.rail_status, told.rail_reason) == ("REFUSED", NO_HOLD)


class Vault:
    """A bank that holds up to 1,000,000.00."""

    def reserve(self, instruction: Instruction, paying: Paying) -> Held:
        """Hold it."""
        if instruction.amount_minor > 100_000_000:
            return Held(done=False, reason="AM04")
        return Held(done=True, expires=Micros(NOW + 1))

    def release(self, instruction: Instruction, paying: Paying) -> Held:
        """Give it back, unless it is the second hold."""
        return Held(
            done=instruction.hold_no == 1, reason="" if instruction.hold_no == 1 else "TM01"
        )


def test_a_bank_that_holds_is_asked_for_it() -> None:
    """The extension point: its word is the receipt."""
    desk = Desktop(Known(Funding.PREFUNDED_HOLD), Vault())
    desk.give(instruction("RESERVE"))
    desk.give(instruction("RESERVE", amount_minor=100_000_001))
    desk.give(instruction("RELEASE"))
    desk.give(instruction("RELEASE", hold_no=2))
    told = desk.publish()
    assert [(one.rail_status, one.rail_reason) for one in told] == [
        ("CONFIRMED", "PREFUNDED_HOLD"), ("REFUSED", "AM04"),
        ("RELEASED", None), ("FAILED", "TM01"),
    ]  # fmt: skip
    assert told[0].hold_expires == NOW + 1


# ---- recalls and questions


def test_a_recall_names_the_payment_and_is_answered_by_its_case() -> None:
    """camt.056 with the ids of the payment; camt.029 cancelled, refused, not received."""
    for confirmed, status in (("CNCL", "CNCL"), ("RJCR", "RJCR")):
        desk = Desktop()
        sent = desk.paid()
        draft = desk.give(recall())
        assert draft is not None
        case = recall_id(w.SETTLEMENT, 1)
        assert (draft.message, draft.message_id) == ("camt.056.001.12", case)
        for name in (sent.message_id, sent.uetr, sent.settlement_id):
            assert name.encode() in draft.body
        assert desk.give(recall(taken_at=Micros(NOW + 10**9))) == draft
        (told,) = desk.hear(resolution(None, case, confirmed))
        assert (told.kind, told.rail_status, told.recall_no) == ("RECALL", status, 1)
        assert told.instruction_no == 3


def test_a_recall_of_what_was_never_sent_kills_it() -> None:
    """CNCL at once; the payment is not handed over afterwards, by no process."""
    desk = Desktop()
    desk.give(recall())
    assert [(one.kind, one.rail_status) for one in desk.publish()] == [("RECALL", "CNCL")]
    desk.new()
    assert desk.give(instruction()) is None
    assert [(one.kind, one.rail_status) for one in desk.publish()] == [("PAY", "RJCT")]
    assert not desk.paper.delivered


def test_a_question_is_answered_as_one() -> None:
    """Not found; a status, with the number of the question; a bank that cannot be asked says
    nothing, and nothing is made up for it.
    """
    desk = Desktop()
    sent = desk.paid()
    desk.give(query())
    assert desk.publish() == []
    desk.paper.knows[sent.message_id] = Asked(known=False)
    desk.give(query(query_no=2))
    (told,) = desk.publish()
    assert (told.kind, told.rail_status, told.query_no) == ("QUERY", "NOT_FOUND", 2)
    desk.paper.knows[sent.message_id] = Asked(known=True, data=status_report(sent, "ACSP"))
    desk.give(query(query_no=3))
    (told,) = desk.publish()
    assert (told.kind, told.rail_status, told.query_no) == ("QUERY", "ACSP", 3)


def test_a_question_makes_no_second_payment() -> None:
    """Whatever is asked and answered, one message has gone out."""
    desk = Desktop()
    sent = desk.paid()
    desk.paper.knows[sent.message_id] = Asked(known=False)
    for number in range(1, 6):
        desk.give(query(query_no=number))
        desk.publish()
    assert len(desk.paper.delivered) == 1


def test_a_duplicate_is_asked_about() -> None:
    """DUPL is no rejection: the bank is asked, and its word about the payment is told."""
    desk = Desktop()
    sent = desk.paid()
    desk.paper.knows[sent.message_id] = Asked(known=True, data=status_report(sent, "ACCP"))
    assert desk.statuses(status_report(sent, "RJCT", "DUPL")) == [("PAY", "ACCP", None)]
    assert desk.paper.asked == [sent.message_id]


def test_a_duplicate_waits_for_a_bank_that_is_away() -> None:
    """Its document stays until the question could be put."""
    desk = Desktop()
    sent = desk.paid()
    desk.paper.bring(status_report(sent, "RJCT", "DUPL"))
    desk.paper.knows[sent.message_id] = Asked(known=True, data=status_report(sent, "ACCP"))
    desk.paper.away = True
    assert desk.publish() == []
    desk.paper.away = False
    assert [one.rail_status for one in desk.publish()] == ["ACCP"]


# ---- what is told


def test_the_same_document_makes_the_same_receipts() -> None:
    """Before it is acknowledged, in another process, and when it is asked for again by settlement:
    one id, one content.
    """
    desk = Desktop()
    sent = desk.paid()
    document = notification(entry(sent))
    desk.paper.bring(document)
    first = desk.rail.answers(0)
    assert first == desk.rail.answers(0) == desk.new().answers(0)
    (receipt,) = desk.publish()
    assert [receipt] == [one.receipt for one in first]
    assert desk.rail.answers(0) == []
    assert desk.paper.confirmed == ["doc-0"]
    told = desk.new().told({w.SETTLEMENT}, NOW + 10**12)
    assert [one.receipt for one in told] == [receipt]
    assert desk.rail.told({"0" * 32}, NOW + 10**12) == []
    assert desk.rail.told({w.SETTLEMENT}, 1) == told


def test_one_booking_told_twice_has_two_receipts_of_one_entry() -> None:
    """Notification and statement: the worker knows the second by its entry id."""
    desk = Desktop()
    sent = desk.paid()
    one = desk.hear(notification(entry(sent)))
    two = desk.hear(bank_statement(24_000_050, 0, entry(sent)))
    receipts: list[Receipt] = [*one, *two]
    assert {receipt.entry_id for receipt in receipts} == {"ASR-1"}
    assert len({receipt.input_id for receipt in receipts}) == 2
    assert {receipt.amount_minor for receipt in receipts} == {24_000_050}


@pytest.mark.parametrize("parts", [(24_000_050,), (12_000_025, 12_000_025)])
def test_a_return_is_told_once_whatever_tells_it_first(parts: tuple[int, ...]) -> None:
    """By its entry, under the id of that: a pacs.004 names it otherwise and only announces it. Two
    returns of one amount are two by their entries.
    """
    for announced_first in (True, False):
        desk = Desktop()
        sent = desk.paid()
        desk.hear(notification(entry(sent)))
        documents = []
        for number, minor in enumerate(parts):
            between = payment_return(sent, f"CNAPS-{number}", minor=minor)
            back = entry(sent, f"ASR-{number}", "CRDT", returned="AC04", minor=minor)
            shown = (notification(back), bank_statement(0, minor, back))
            documents += [between, *shown] if announced_first else [*shown, between]
        told = desk.hear(*documents)
        returns = {(one.rail_status, one.return_id, one.amount_minor) for one in told}
        assert returns == {("RETURNED", f"ASR-{one}", minor) for one, minor in enumerate(parts)}


@pytest.mark.parametrize("year", [b"0001", b"9999"])
def test_what_is_told_can_be_taken_whatever_the_time_of_its_document(year: bytes) -> None:
    """The receipt passes the worker's own check: a time out of range is told as 0."""
    desk = Desktop()
    sent = desk.paid()
    (told,) = desk.hear(notification(entry(sent)).replace(b"2026-11-19T", year + b"-11-19T"))
    assert codec.decode(RECEIPTS, codec.encode(RECEIPTS, told)).message == told
    assert told.rail_time == 0


def test_what_moves_no_claim_is_not_told() -> None:
    """RCVD and PART; the document is dealt with."""
    desk = Desktop()
    sent = desk.paid()
    assert desk.hear(status_report(sent, "RCVD")) == []
    assert desk.hear(status_report(None, group="PART", message_id=sent.message_id)) == []
    assert desk.paper.confirmed == ["doc-0", "doc-1"]


def test_a_status_of_the_file_is_told_to_its_payment() -> None:
    """FF01 for the file by its MsgId."""
    desk = Desktop()
    sent = desk.paid()
    refused = status_report(None, reason="FF01", group="RJCT", message_id=sent.message_id)
    assert desk.statuses(refused) == [("PAY", "RJCT", "FF01")]


def test_documents_that_cannot_be_read_are_laid_aside() -> None:
    """Garbage is refused to its folder and stops nothing; a stranger's payment is nobody's."""
    desk = Desktop()
    sent = desk.paid()
    (other,) = sent_file(payment(settlement_id=settlement_id("X", "Y", "Z"))).sent
    assert desk.statuses(b"<not xml", notification(entry(other)), notification(entry(sent))) == (
        BOOKED
    )
    assert desk.paper.refused == ["doc-0"]
    assert desk.paper.confirmed == ["doc-1", "doc-2"]


def test_the_rails_own_answers_wait_for_no_bank() -> None:
    """With the bank away what needs none is told."""
    desk = Desktop()
    desk.paper.away = True
    desk.give(instruction("RESERVE"))
    assert [one.rail_status for one in desk.publish()] == ["CONFIRMED"]


def test_the_last_word_of_any_rail_ends_a_payment() -> None:
    """Booked by whatever rail, it is handed over no more."""
    desk = Desktop()
    desk.paid()
    (told,) = desk.hear(notification(entry(desk.paid())))
    desk.kept = [one for one in desk.kept if one != told]
    desk.kept.append(replace(told, source="simulated:rail"))
    desk.new()
    assert desk.give(instruction()) is None
    assert len(desk.paper.delivered) == 2
