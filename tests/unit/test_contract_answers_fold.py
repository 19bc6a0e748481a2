"""What `contract check` says no fact can ever answer, against the facts themselves: each milestone
told of every subject in turn, for a claim of every kind.
"""

import datetime as dt
import json
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from contract_world import free
from msgspec.structs import fields
from settlement_world import twin_of

from supplytwin.processors import contract_check, settlement_versions
from supplytwin.processors.condition_eval import evaluate
from supplytwin.processors.condition_facts import built
from supplytwin.processors.condition_facts_words import CODES, machines_of, words_of
from supplytwin.processors.settlement_answers import Answers
from supplytwin.processors.settlement_apply import new_claim
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, asked, desk
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.twin import Twin
from supplytwin.schemas import events
from supplytwin.schemas.condition import micros
from supplytwin.schemas.contract import ContractTerms
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.ids import DAY_US, settlement_id
from supplytwin.schemas.lifecycles import EFFECTS
from supplytwin.schemas.terms_read import of_contract

START = micros("2027-03-01T00:00:00Z")
SITE, ROLES = "JAFZA-7", ("CUSTOMS", "WAREHOUSE")
SUBJECTS = {
    "CONSIGNMENT": "CONSIGNMENT:K1", "ORDER_LINE": "ORDER_LINE:1", "LOT": "LOT:L",
    "EQUIPMENT_TRIP": "EQUIPMENT_TRIP:T", "DECLARATION": "DECLARATION:D", "LEG": "LEG:K1/1",
}  # fmt: skip
REFS = (("CONSIGNMENT:K1", "ORDER_LINE:1"), ("ORDER_LINE:1",), ())
SAID: dict[str, Any] = {
    "trip_id": "T", "lot_id": "L", "consignment_id": "K1", "line_ids": ("1",), "line_id": "1",
    "declaration_id": "D", "result": "PASS", "empty": False, "hu_ids": (), "legs": (),
    "facility": SITE, "uom": "EA",
}  # fmt: skip
PLAIN: dict[Any, Any] = {str: "x", Decimal: Decimal(1), int: 1, dt.date: dt.date(2027, 1, 1)}
TYPES = sorted(
    {*CODES, "FREE_TO_DELIVER", "IMPORT_FREE_TO_DELIVER", "IMPORT_CLEARED", "EXPORT_DECLARED",
     "IN_BUYER_WAREHOUSE", "GATE_OUT", "RECEIVED"}
)  # fmt: skip
KINDS = ("whole", "consignment", "lot", "crowded", "homeless")


def told(kind: str, subject: str, id: str, days: int, role: str, *refs: str, **more: Any) -> Any:
    """An event of any type, with something in each field that it must have."""
    made = events.EVENT_TYPES[kind]
    named, _, about = subject.partition(":")
    at = START + days * DAY_US
    said: dict[str, Any] = {
        "event_id": id, "source": role.lower(), "revision": 1, "event_type": kind,
        "classifier": "ACTUAL", "event_time": at, "event_tz": "+00:00", "time_precision": "S",
        "recorded_time": at, "chain_id": "PO-4711", "subject_type": named, "subject_id": about,
        "refs": tuple(one for one in refs if one != subject),
    }  # fmt: skip
    hints = typing.get_type_hints(made)
    for one in fields(made):
        if one.name in more:
            said[one.name] = more[one.name]
        elif one.name in SAID:
            said[one.name] = SAID[one.name]
        elif one.required and one.name not in said:
            said[one.name] = PLAIN.get(hints[one.name], ())
    return made(**said)


def contract(kind: str, type_: str, role: str) -> ContractTerms:
    """One tranche on one milestone, for a claim of this kind."""
    made = free()
    made["attesters"] = [{"org_id": one, "role": one, "sources": [one.lower()]} for one in ROLES]
    made["warehouses"] = [] if kind == "homeless" else [SITE]
    made["tranches"] = made["tranches"][:1]
    tranche = made["tranches"][0]
    claim = tranche["claims"][0]
    tranche["condition"] = {"milestone": {"type": type_, "by": {"roles": [role], "k": 1}}}
    tranche["window"] |= {"deadline": "2027-03-20T00:00:00Z", "grace": "P2D"}
    if kind == "consignment":
        claim["consignment_id"] = "K1"
    elif kind == "lot":
        claim["lot"] = "L"
        made["lines"][0] |= {"lots": [{"lot": "L", "qty": "1200"}]}
        made["lines"][0]["tolerance"]["basis"] = "LOT"
    elif kind == "crowded":
        tranche["claims"].append({**claim, "claim_id": "other", "consignment_id": "K1"})
    found = read(json.dumps(made).encode())
    assert found.value is not None, found.findings
    return found.value


def histories(terms: ContractTerms, type_: str, role: str) -> Iterator[Twin]:
    """A declaration of the goods, one event that tells the milestone, and a receipt before it or
    after it.
    """
    codes = {one.code for one in words_of(type_)}
    codes = {"CUSTOMS_RELEASED"} if "FREE_TO_DELIVER" in codes else codes
    regime = "EXPORT" if type_.startswith("EXPORT") else "IMPORT"
    claim = terms.tranches[0].claims[0]
    own = ("CONSIGNMENT:K1",) if claim.consignment_id else ()
    more: dict[str, Any] = {"regime": regime, "empty": type_ in ("EMPTY_OUT", "TRIP_CLOSED")}
    more |= {"result": "FAIL"} if type_ == "QC_HOLD" else {}
    link = told("customs.declared", "DECLARATION:D", "link", 0, "CUSTOMS", *REFS[0], regime=regime)
    received = told("wh.received", "LOT:L", "receipt", 2, "WAREHOUSE", "ORDER_LINE:1", *own)
    before = [link, told("wh.inspected", "LOT:L", "seen", 2, "WAREHOUSE")]  # or none is RESERVED
    before = before if type_ == "RESERVED" else [link]
    kinds = {one for code in codes for one in machines_of(code)}
    for kind, effects in EFFECTS.items():
        if any(one.milestone in codes for one in effects):
            for subject in (SUBJECTS[one] for one in sorted(kinds) if one in SUBJECTS):
                for refs in REFS:
                    for day in (1, 3):
                        fact = told(kind, subject, "fact", day, role, *refs, **more)
                        history = (*before, fact, received)
                        yield twin_of(*[(one, one.event_time) for one in history])


def can_be_true(terms: ContractTerms, type_: str, role: str) -> bool:
    """Whether the condition of the first claim is TRUE over any of these."""
    book = settlement_versions.taken(Book(), of_contract(terms))
    tranche = terms.tranches[0]
    name = settlement_id(terms.contract_id, tranche.tranche_id, tranche.claims[0].claim_id)
    claim = new_claim(book, name)
    for twin in histories(terms, type_, role):
        on = desk(book, claim, twin, START + 5 * DAY_US, NOTHING_KNOWN, Answers(twin))
        question = asked(on, claim, tranche.condition)
        evidence = built(twin, question).evidence
        if evaluate(tranche.condition, evidence, question.scope).value == "TRUE":
            return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_the_check_refuses_just_what_no_fact_can_make_true(kind: str) -> None:
    """Every milestone by customs and by a warehouse, for a claim of the whole contract, of a
    consignment, of a lot, beside claims of consignments, and without a warehouse of the buyer.
    """
    wrong = []
    for type_ in TYPES:
        for role in ROLES:
            terms = contract(kind, type_, role)
            faults, _ = contract_check.sense(terms, free_conditions=True)
            at = "$.tranches[0].condition"
            never = any(
                one.code in ("NEVER_TRUE", "UNTOLD")
                and (one.path.startswith(at) or one.path == "$.warehouses")
                and "other" not in one.says
                for one in faults
            )
            if never == can_be_true(terms, type_, role):
                wrong.append((type_, role, "refused" if never else "let through"))
    assert wrong == []
