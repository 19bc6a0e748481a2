"""Payments and recalls as messages: what is written, and what is refused."""

import datetime as dt
import random
import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso20022_world import (
    BUYER,
    DECIMALS,
    DESK,
    NOW,
    SELLER,
    iban,
    payment,
    sent_file,
    some_payment,
)
from msgspec.structs import replace

from supplytwin.schemas import ids as schema_ids
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.ids import Micros
from supplytwin.sinks import iso20022_ids as ids
from supplytwin.sinks.iso20022_out import PAYMENTS_MAX, Payment, date_time, payment_file
from supplytwin.sinks.iso20022_parties import Account, Agent, Party
from supplytwin.sinks.iso20022_recall import REASONS, Recall, recall_message

ONE = schema_ids.settlement_id("C-1", "T1", "a")
OTHER = schema_ids.settlement_id("C-1", "T1", "b")


def tree(data: bytes) -> ElementTree.Element:
    """A document without its namespace."""
    return ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", data))


def refused(call: Callable[[], object]) -> str:
    """The field that is named when a call refuses."""
    with pytest.raises(RecordError) as caught:
        call()
    return caught.value.field


def test_ids_follow_from_what_is_paid() -> None:
    """EndToEndId is the settlement id; UETR and InstrId change with the attempt; all are of
    their forms and of at most 35 characters.
    """
    assert ids.end_to_end_id(ONE) == ONE
    made = {ids.uetr(ONE, 1), ids.uetr(ONE, 2), ids.uetr(OTHER, 1)}
    assert len(made) == 3
    assert all(ids.UETR.fullmatch(one) for one in made)
    domains = {
        ids.message_id([(ONE, 1)]), ids.payment_information_id([(ONE, 1)]),
        ids.instruction_id(ONE, 1), ids.recall_id(ONE, 1), ids.message_id([(ONE, 2)]),
        ids.message_id([(ONE, 1), (OTHER, 1)]),
    }  # fmt: skip
    assert len(domains) == 6
    assert all(re.fullmatch(r"[A-Z][0-9a-f]{32}", one) for one in domains)


def test_ids_are_those_of_the_reference() -> None:
    """The hashes of the id scheme, computed with another program, stay what they are for ever."""
    assert ONE == "469af9ab0b71391e886257284c8084f9"
    assert ids.uetr(ONE, 7) == "75cca02b-a430-4ef5-8715-ea772b1dc585"
    assert ids.message_id([(ONE, 7)]) == "M79f9777baf70eae9c4765f96993dcf3e"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: ids.end_to_end_id("E" * 32), "settlement_id"),
        (lambda: ids.end_to_end_id("e" * 36), "settlement_id"),
        (lambda: ids.uetr(ONE, 0), "attempt"),
        (lambda: ids.recall_id(ONE, 0), "recall_no"),
        (lambda: ids.message_id([]), "payments"),
    ],
)
def test_ids_of_wrong_form_are_refused(call: Callable[[], object], field: str) -> None:
    """A settlement id that is not 32 lower-case hex digits, and a count below 1, make no ids."""
    assert refused(call) == field


def test_a_file_says_what_is_paid() -> None:
    """Every part of a payment stands where a bank looks for it."""
    file = sent_file()
    block = tree(file.data).find("CstmrCdtTrfInitn/PmtInf")
    assert block is not None
    told = {path: block.findtext(path) for path in (
        "PmtMtd", "BtchBookg", "ReqdExctnDt/Dt", "Dbtr/Nm", "Dbtr/Id/OrgId/LEI",
        "DbtrAcct/Id/IBAN", "DbtrAgt/FinInstnId/BICFI", "CdtTrfTxInf/PmtId/EndToEndId",
        "CdtTrfTxInf/Amt/InstdAmt", "CdtTrfTxInf/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId",
        "CdtTrfTxInf/Cdtr/Nm", "CdtTrfTxInf/Cdtr/PstlAdr/Ctry", "CdtTrfTxInf/CdtrAcct/Id/Othr/Id",
        "CdtTrfTxInf/Purp/Prtry", "CdtTrfTxInf/RmtInf/Ustrd",
    )}  # fmt: skip
    assert list(told.values()) == [
        "TRF", "false", "2026-11-19", BUYER.name, BUYER.lei, BUYER.account.iban, "EBILAEAD",
        file.sent[0].settlement_id, "240000.50", "102584002110", SELLER.name, "CN",
        "4000023009200345678", "CGODDR", "CONTRACT C-2026-1 TRANCHE T1",
    ]  # fmt: skip
    currency = block.find("CdtTrfTxInf/Amt/InstdAmt")
    assert currency is not None
    assert currency.attrib == {"Ccy": "CNY"}
    assert block.findtext("CdtTrfTxInf/PmtId/UETR") == file.sent[0].uetr


@given(st.integers(0, 4 * 10**15))
def test_a_file_is_of_the_instant_of_its_decision(micros: int) -> None:
    """CreDtTm is the tick time in UTC, to the second below."""
    text = date_time(Micros(micros))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    assert dt.datetime.fromisoformat(text).timestamp() == micros // 10**6


def test_payments_of_one_file_are_counted_and_summed() -> None:
    """Several payments share a block when debtor and day are the same; counts and sums, over
    currencies too, are right in the file and in each block.
    """
    payments = [
        payment(settlement_id=ONE, amount_minor=100),
        payment(settlement_id=OTHER, amount_minor=5, currency="KWD"),
        payment(amount_minor=7, currency="JPY", execution_date=dt.date(2026, 11, 20)),
    ]
    file = payment_file(payments, DESK, NOW)
    body = tree(file.data)
    assert body.findtext("*/GrpHdr/NbOfTxs") == "3"
    assert body.findtext("*/GrpHdr/CtrlSum") == "8.005"
    blocks = body.findall("*/PmtInf")
    assert [(one.findtext("NbOfTxs"), one.findtext("CtrlSum")) for one in blocks] == [
        ("2", "1.005"), ("1", "7"),
    ]  # fmt: skip
    assert {one.message_id for one in file.sent} == {body.findtext("*/GrpHdr/MsgId")}
    assert len({one.payment_information_id for one in file.sent}) == 2


@given(st.integers(), st.integers(1, 6))
def test_the_order_of_payments_does_not_matter(seed: int, many: int) -> None:
    """The same payments in any order are the same bytes, and other payments are others."""
    rng = random.Random(seed)
    payments = [some_payment(rng) for _ in range(many)]
    first = payment_file(payments, DESK, NOW)
    assert payment_file(rng.sample(payments, many), DESK, NOW) == first
    changed = [replace(payments[0], attempt=payments[0].attempt + 1), *payments[1:]]
    assert payment_file(changed, DESK, NOW).message_id != first.message_id


@given(st.integers(1, 10**15), st.sampled_from(sorted(DECIMALS)))
def test_an_amount_has_the_decimals_of_its_currency(minor: int, currency: str) -> None:
    """As many decimals as ISO 4217 says, never an exponent, and the same minor units."""
    data = sent_file(payment(amount_minor=minor, currency=currency)).data
    stated = tree(data).findtext("*/PmtInf/CdtTrfTxInf/Amt/InstdAmt") or ""
    whole, _, decimals = stated.partition(".")
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", stated)
    assert len(decimals) == DECIMALS[currency]
    assert int(whole + decimals) == minor


def _creditor(**changes: object) -> Payment:
    return payment(creditor=replace(SELLER, **changes))


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (payment(settlement_id="x"), "settlement_id"),
        (payment(attempt=0), "attempt"),
        (payment(contract_id="C/1"), "contract_id"),
        (payment(tranche_id=""), "tranche_id"),
        (payment(amount_minor=0), "amount_minor"),
        (payment(amount_minor=-5), "amount_minor"),
        (payment(amount_minor=10**18), "amount_minor"),
        (payment(amount_minor=10.5), "amount_minor"),
        (payment(currency="XXX"), "currency"),
        (payment(currency="cny"), "currency"),
        (payment(charges="CRED"), "charges"),
        (payment(execution_date=dt.date(2026, 11, 16)), "execution_date"),
        (payment(purpose_code=""), "purpose_code"),
        (payment(purpose_code="GDDS"), "purpose_code"),
        (payment(purpose_code="goods"), "purpose_code"),
        (payment(creditor=replace(SELLER, account=BUYER.account)), "creditor.account"),
        (_creditor(name=""), "creditor.name"),
        (_creditor(name="深圳光有限公司"), "creditor.name"),
        (_creditor(name="Müller GmbH"), "creditor.name"),
        (_creditor(name="A & B"), "creditor.name"),
        (_creditor(name="Two\nlines"), "creditor.name"),
        (_creditor(name=" ahead"), "creditor.name"),
        (_creditor(name="x" * 141), "creditor.name"),
        (_creditor(lei="549300TESTGULFTOOL00"), "creditor.lei"),
        (_creditor(address=replace(SELLER.address, town="")), "creditor.address.town"),
        (_creditor(address=replace(SELLER.address, town="x" * 36)), "creditor.address.town"),
        (_creditor(address=replace(SELLER.address, country="China")), "creditor.address.country"),
        (_creditor(address=replace(SELLER.address, street="Str. <1>")), "creditor.address.street"),
        (_creditor(agent=Agent()), "creditor.agent"),
        (_creditor(agent=Agent(bic="EBILAEAD", member_id="1")), "creditor.agent"),
        (_creditor(agent=Agent(bic="EBILAEA")), "creditor.agent.bic"),
        (_creditor(agent=Agent(clearing_system="CNAPS6", member_id="1")),
         "creditor.agent.clearing_system"),
        (_creditor(agent=Agent(member_id="1")), "creditor.agent.clearing_system"),
        (_creditor(agent=Agent(clearing_system="CNAPS", member_id="/1")),
         "creditor.agent.member_id"),
        (_creditor(account=Account()), "creditor.account"),
        (_creditor(account=Account(iban="AE070331234567890123457")), "creditor.account.iban"),
        (_creditor(account=Account(other="1//2")), "creditor.account.other"),
        (_creditor(account=Account(other="1" * 35)), "creditor.account.other"),
    ],
)  # fmt: skip
def test_what_a_bank_would_not_take_is_refused(bad: Payment, field: str) -> None:
    """Each refusal names the field, and nothing is written."""
    assert refused(lambda: sent_file(bad)) == f"payments[0].{field}"


@pytest.mark.parametrize(
    ("name", "most"),
    [("town", 35), ("street", 70), ("building", 16), ("post_code", 16), ("subdivision", 35)],
)
def test_a_part_of_an_address_is_as_long_as_the_schema_takes(name: str, most: int) -> None:
    """Up to the schema's length it is written, one character more is refused."""
    for length in (most, most + 1):
        address = replace(SELLER.address, **{name: "x" * length})
        changed = payment(creditor=replace(SELLER, address=address))
        if length == most:
            assert b"x" * most in sent_file(changed).data
        else:
            assert refused(lambda one=changed: sent_file(one)).endswith(f"address.{name}")


def test_the_longest_names_ids_and_numbers_are_written() -> None:
    """Each at its limit: name 140, account 34, member id 35, contract and tranche 35, 18 digits."""
    party = replace(
        SELLER, name="n" * 140, account=Account(other="9" * 34),
        agent=Agent(clearing_system="ABCDE", member_id="8" * 35),
    )  # fmt: skip
    one = payment(
        creditor=party, contract_id="c" * 35, tranche_id="t" * 35, amount_minor=10**18 - 1,
        currency="JPY", purpose_code="P" * 35, execution_date=dt.date(2026, 11, 17),
    )  # fmt: skip
    data = sent_file(one).data
    for text in ("n" * 140, "9" * 34, "8" * 35, "P" * 35, str(10**18 - 1)):
        assert f">{text}<".encode() in data
    assert refused(lambda: sent_file(replace(one, purpose_code="P" * 36))).endswith("purpose_code")


def test_a_purpose_is_needed_only_where_cny_crosses_a_border() -> None:
    """CNY at home, and other currencies, are written without; abroad is where address, IBAN or
    BIC are.
    """
    at_home = replace(BUYER, address=SELLER.address, agent=SELLER.agent, account=Account(other="1"))
    sent_file(payment(debtor=at_home, purpose_code=""))
    sent_file(payment(currency="USD", purpose_code=""))
    here, there = (
        replace(
            BUYER, address=replace(BUYER.address, country="DE"), agent=Agent(bic="COBADEFF"),
            account=Account(iban=iban("DE", digits * 18)),
        )
        for digits in "12"
    )  # fmt: skip
    sent_file(payment(debtor=here, creditor=there, purpose_code=""))
    abroad = replace(there, account=Account(iban=iban("FR", "2" * 23)))
    both = payment(debtor=here, creditor=abroad, purpose_code="")
    assert refused(lambda: sent_file(both)).endswith("purpose_code")
    hong_kong = replace(at_home, agent=Agent(bic="BANKHK2A"))
    assert refused(lambda: sent_file(payment(debtor=hong_kong, purpose_code=""))).endswith(
        "purpose_code"
    )


def test_a_purpose_of_iso_and_another_stand_in_their_own_places() -> None:
    """Four letters are an ISO code, more a code of the clearing system."""
    data = sent_file(payment(currency="USD", purpose_code="GDDS")).data
    assert tree(data).findtext("*/PmtInf/CdtTrfTxInf/Purp/Cd") == "GDDS"
    assert tree(data).find("*/PmtInf/CdtTrfTxInf/Purp/Prtry") is None


def test_a_file_is_refused_as_a_whole() -> None:
    """No payment, the same settlement twice (in whichever attempt), too large a sum, and an
    initiator that cannot be written.
    """
    assert refused(lambda: payment_file([], DESK, NOW)) == "payments"
    many = [payment(settlement_id=f"{number:032x}") for number in range(PAYMENTS_MAX + 1)]
    assert refused(lambda: payment_file(many, DESK, NOW)) == "payments"
    assert len(payment_file(many[1:], DESK, NOW).sent) == PAYMENTS_MAX
    twice = [payment(), payment(attempt=2)]
    assert refused(lambda: payment_file(twice, DESK, NOW)) == "payments[1].settlement_id"
    huge = [payment(settlement_id=one, amount_minor=9 * 10**17) for one in (ONE, OTHER)]
    assert refused(lambda: payment_file(huge, DESK, NOW)) == "payments"
    assert refused(lambda: payment_file([payment()], "", NOW)) == "initiator"


def _recall(**changes: object) -> Recall:
    fields: dict[str, object] = {
        "sent": sent_file().sent[0],
        "recall_no": 1,
        "reason": "CUST",
        "requested_by": DESK,
        "bank": BUYER.agent,
    }
    return Recall(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_recall_names_the_payment_in_every_way() -> None:
    """The payment by its file, InstrId, EndToEndId, UETR and amount; the recall by its case."""
    sent = sent_file().sent[0]
    one = tree(recall_message(_recall(says="SEIZED BY CUSTOMS"), NOW)).find("*/Undrlyg/TxInf")
    assert one is not None
    paths = ("OrgnlGrpInf/OrgnlMsgId", "OrgnlInstrId", "OrgnlEndToEndId", "OrgnlUETR",
             "OrgnlIntrBkSttlmAmt", "CxlRsnInf/Rsn/Cd", "CxlRsnInf/AddtlInf", "CxlId")  # fmt: skip
    assert [one.findtext(path) for path in paths] == [
        sent.message_id, sent.instruction_id, sent.settlement_id, sent.uetr, "240000.50", "CUST",
        "SEIZED BY CUSTOMS", ids.recall_id(sent.settlement_id, 1),
    ]  # fmt: skip


def test_a_recall_again_is_the_same_and_the_next_one_another() -> None:
    """The same recall number is the same bytes; every reason that we know is taken."""
    assert recall_message(_recall(), NOW) == recall_message(_recall(), NOW)
    assert recall_message(_recall(), NOW) != recall_message(_recall(recall_no=2), NOW)
    for reason in REASONS:
        assert reason.encode() in recall_message(_recall(reason=reason), NOW)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reason": "ZZZZ"}, "reason"),
        ({"recall_no": 0}, "recall_no"),
        ({"requested_by": "é"}, "requested_by"),
        ({"bank": Agent()}, "bank"),
        ({"says": "x" * 106}, "says"),
        ({"sent": replace(sent_file().sent[0], attempt=2)}, "sent.uetr"),
        ({"sent": replace(sent_file().sent[0], instruction_id="I1")}, "sent.instruction_id"),
        ({"sent": replace(sent_file().sent[0], message_id="")}, "sent.message_id"),
        ({"sent": replace(sent_file().sent[0], amount_minor=0)}, "sent.amount_minor"),
    ],
)
def test_a_recall_of_nothing_is_refused(changes: dict[str, object], field: str) -> None:
    """A recall that names no payment of ours, or no reason that banks know, is not written."""
    assert refused(lambda: recall_message(_recall(**changes), NOW)) == field


def test_an_iban_is_checked_by_its_digits() -> None:
    """Any one digit or letter changed: no IBAN any more."""
    good = iban("DE", "370400440532013000")
    assert good == "DE89370400440532013000"
    party: Party = replace(SELLER, account=Account(iban=good))
    sent_file(payment(creditor=party))
    for place in range(4, len(good)):
        wrong = good[:place] + str((int(good[place]) + 1) % 10) + good[place + 1 :]
        bad = replace(SELLER, account=Account(iban=wrong))
        assert refused(lambda bad=bad: sent_file(payment(creditor=bad))).endswith("iban")
