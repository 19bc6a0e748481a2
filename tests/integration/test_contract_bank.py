"""From the terms alone a bank gets a valid pain.001 for every claim."""

import datetime as dt

import pytest
from contract_world import NAMES, changed, free, terms
from iso20022_schemas import FILES, schema

from supplytwin.schemas.calendars import calendar, execution
from supplytwin.schemas.contract import ContractTerms
from supplytwin.schemas.ids import Micros, settlement_id
from supplytwin.schemas.rfc3339 import moment
from supplytwin.sinks.bank_rail_terms import as_bank
from supplytwin.sinks.iso20022_out import MESSAGE, Payment, payment_file
from supplytwin.streams.cli_contract_check import bank, checked

TICK = moment("2026-12-02T17:00:00+08:00").micros


def payments(made: ContractTerms, tick: Micros = TICK) -> list[Payment]:
    """Every claim at its maximum, from nothing but terms and tick."""
    payer, payee = made.party(made.payer), made.party(made.payee)
    assert payer is not None
    assert payee is not None
    days = made.calendar
    day = execution(tick, calendar(days.id), days.zone, days.cut_off).date
    return [
        Payment(
            settlement_id=settlement_id(made.contract_id, tranche.tranche_id, claim.claim_id),
            attempt=1,
            contract_id=made.contract_id,
            tranche_id=tranche.tranche_id,
            amount_minor=claim.max_minor,
            currency=made.currency,
            execution_date=day,
            debtor=as_bank(payer),
            creditor=as_bank(payee),
            purpose_code=made.purpose_code or "",
        )
        for tranche in made.tranches
        for claim in tranche.claims
    ]


@pytest.mark.parametrize("path", FILES[MESSAGE])
@pytest.mark.parametrize("name", NAMES)
def test_terms_are_enough_for_a_valid_payment(name: str, path: str) -> None:
    """Each template's example, all claims: valid against every genuine schema file, the same bytes
    again, the right names, the next working day after the cut-off.
    """
    made = terms(name)
    one, other = (payment_file(payments(made), "Desk", TICK) for _ in range(2))
    assert one.data == other.data
    assert not list(schema(path).iter_errors(one.data.decode()))
    payer, payee = made.party(made.payer), made.party(made.payee)
    assert payer is not None
    assert payee is not None
    for text in (payer.name, payee.name, made.contract_id, "2026-12-03", "CGODDR"):
        assert text.encode() in one.data
    assert sum(sent.amount_minor for sent in one.sent) <= made.cap_minor


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("parties.0.address.town", "Düsseldorf"),
        ("parties.0.agent.bic", "EBIL"),
        ("parties.1.agent.member_id", "10/"),
        ("parties.1.account", {}),
        ("parties.1.account", {"iban": "AE070331234567890123456", "other": "1"}),
        ("parties.1.lei", "549300TESTGULFTOOL00"),
        ("parties.0.address.street", " Road"),
    ],
)
def test_what_no_message_takes_is_a_fault_before_it_is_signed(path: str, new: object) -> None:
    """Characters, ids and accounts that `payment_file` would refuse are found by the check."""
    report = checked(changed(free(), {path: new}), free_conditions=True)
    assert report.terms is not None
    assert [one.code for one in report.findings] == ["BANK"]
    assert bank(report.terms) == report.findings
    with pytest.raises(Exception, match=r"payments\[0\]"):
        payment_file(payments(report.terms), "Desk", TICK)


def test_the_date_is_recorded_with_its_calendar() -> None:
    """What the date follows from is in the result: calendar and version."""
    days = terms().calendar
    made = execution(TICK, calendar(days.id), days.zone, days.cut_off)
    assert made.date == dt.date(2026, 12, 3)
    assert (made.calendar_id, made.calendar_version) == ("CN-WORKDAYS", "1")
