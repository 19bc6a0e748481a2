"""What `contract check` says of conditions and amounts that no fact can ever answer for the goods
that a claim is of: each by its place, its tranche and claim, and what to do.
"""

import json
from typing import Any

import pytest
from contract_world import DURIAN, ELECTRONICS, LOTS, NAMES, changed, document, free

from supplytwin.schemas.contract_codes import ADVICE
from supplytwin.streams.cli_contract_check import checked

BULK = "bulk-draft-survey"
T1, T2, T3 = "$.tranches[0]", "$.tranches[1]", "$.tranches[2]"
C1, C2, C3 = "tranches.0.condition", "tranches.1.condition", "tranches.2.condition"
LATE = {"due": "2026-12-20", "bp_per_day": 10, "max_bp": 500}
OPENS = {"time": {"not_before": "2026-12-15T00:00:00Z"}}


def milestone(type_: str, role: str = "CUSTOMS", **more: str) -> dict[str, Any]:
    return {"milestone": {"type": type_, "by": {"roles": [role], "k": 1}, **more}}


CLEARED, AGREED = milestone("IMPORT_CLEARED"), {"approval": {"roles": ["BUYER"], "k": 1}}


def document_leaf(type_: str, state: str) -> dict[str, Any]:
    return {"document": {"type": type_, "state": state, "unique": True, "issuer_role": "SELLER"}}


def quantity(measure: str, value: str = "8") -> dict[str, Any]:
    return {"quantity": {"line": "1", "measure": measure, "op": ">=", "value": value}}


def title(**changes: str) -> dict[str, Any]:
    said = {"kind": "WAREHOUSE_RECEIPT", "state": "LOCKED", "controller_role": "FINANCIER"}
    return {"asset": said | changes}


def cold(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = document(DURIAN)["tranches"][1]["condition"]["all"][2]
    return {"telemetry": made["telemetry"] | changes}


def no(type_: str, *during: Any) -> dict[str, Any]:
    return {"absent": {"type": type_, "during": list(during)}}


def after(milestone_: str) -> dict[str, str]:
    return {"anchor": f"MILESTONE:{milestone_}"}


UNANSWERED: list[tuple[str, dict[str, Any], str, str]] = [
    # words that no event has
    (ELECTRONICS, {C1: milestone("BONDED_STORED")}, f"{T1}.condition.milestone", "no event tells"),
    (ELECTRONICS, {C3: no("BUYER_CLAIM", "2027-03-11T00:00:00Z", "2027-04-11T00:00:00Z")},
     f"{T3}.condition.absent", "ORDER_HELD"),
    (ELECTRONICS, {C1: {"quality": {"test": "MOISTURE", "op": "<=", "value": "13", "unit": "P1",
                                    "certificate_role": "SELLER"}}},
     f"{T1}.condition.quality", "QC_PASSED"),
    (ELECTRONICS, {C1: {"carbon": {"measure": "CO2E_WTW", "op": "<=", "value": "1",
                                   "unit": "kgCO2e", "assurance": "UNVERIFIED"}}},
     f"{T1}.condition.carbon", "VERIFIED"),
    (ELECTRONICS, {C1: document_leaf("EBL", "SURRENDERED")}, f"{T1}.condition.document.state",
     "PRESENTED"),
    (ELECTRONICS, {C1: document_leaf("INVOICE", "PAID")}, f"{T1}.condition.document.state",
     "ISSUED, REVERSED"),
    (ELECTRONICS, {C1: document_leaf("IMPORT_DECLARATION", "SIGNED")},
     f"{T1}.condition.document.state", "CLEARED"),
    (BULK, {C1: title(kind="BILL")}, f"{T1}.condition.asset", "WAREHOUSE_RECEIPT"),
    (BULK, {C1: title(state="SOLD")}, f"{T1}.condition.asset.state", "PLEDGED"),
    (ELECTRONICS, {C1: {"any": [CLEARED, milestone("BONDED_STORED")]}},
     f"{T1}.condition.any[1].milestone", "no event tells"),
    # what the claim is of
    (ELECTRONICS, {C1: milestone("GATE_OUT", "IOT")}, f"{T1}.condition.milestone.type",
     "consignment_id"),
    (ELECTRONICS, {C1: milestone("QC_PASSED", "WAREHOUSE"), "warehouses": []},
     f"{T1}.condition.milestone.type", "warehouses"),
    (ELECTRONICS, {C1: milestone("CUSTOMS_RELEASED", "WAREHOUSE")},
     f"{T1}.condition.milestone.by.roles", "CUSTOMS"),
    (ELECTRONICS, {C1: milestone("IMPORT_CLEARED", subject="LEG:1")},
     f"{T1}.condition.milestone.subject", "DECLARATION"),
    (DURIAN, {C1: milestone("DEPARTED", "CARRIER"), "tranches.0.claims.0.consignment_id": None},
     f"{T1}.condition.milestone.type", "consignment_id"),
    (DURIAN, {C1: quantity("SHIPPED"), "tranches.0.claims.0.consignment_id": None},
     f"{T1}.condition.quantity.line", "consignment_id"),
    (ELECTRONICS, {C1: {"all": [CLEARED, {"time": {"not_before": after("NOWHERE")}}]}},
     f"{T1}.condition.all[1].time.not_before.anchor", "no event tells"),
    (DURIAN, {"tranches.1.condition.all.2": cold(**{"from": after("NOWHERE")})},
     f"{T2}.condition.all[2].telemetry.from.anchor", "no event tells"),
    (ELECTRONICS, {C1: {"all": [CLEARED, no("ORDER_HELD", after("CLEARD"), after("CLEARD"))]}},
     f"{T1}.condition.all[1].absent.during[0].anchor", "no event tells"),
]  # fmt: skip

NOBODY: list[tuple[str, dict[str, Any], str, str]] = [
    (ELECTRONICS, {C1: {"carbon": {"measure": "CO2E_WTW", "op": "<=", "value": "1",
                                   "unit": "kgCO2e", "assurance": "VERIFIED"}}},
     f"{T1}.condition.carbon", "VERIFIER"),
    (DURIAN, {"attesters.4.role": "SHOP"}, f"{T2}.amount", "BUYER"),
    (ELECTRONICS, {"attesters.5.role": "SHOP"}, f"{T2}.condition.all[2].quantity", "BUYER"),
    (ELECTRONICS, {C1: {"approval": {"roles": ["ARBITER"], "k": 1}}}, f"{T1}.condition.approval",
     "attesters"),
    (BULK, {C1: title(controller_role="CARRIER")}, f"{T1}.condition.asset.controller_role",
     "CARRIER"),
    (BULK, {C1: title(), "attesters": []}, f"{T1}.condition.asset", "attesters"),
    (DURIAN, {"attesters": []}, f"{T2}.condition.all[2].telemetry", "attesters"),
    (ELECTRONICS, {C1: milestone("RECEIVED", "WAREHOUSE"), "warehouses": []}, "$.warehouses",
     "warehouses"),
]  # fmt: skip

UNPAYABLE: list[tuple[str, dict[str, Any], str, str]] = [
    (ELECTRONICS, {"tranches.0.adjustments.late": LATE, C1: condition},
     f"{T1}.adjustments.late", "milestone")
    for condition in (OPENS, AGREED, {"all": [OPENS, AGREED]}, {"any": [CLEARED, OPENS]},
                      {"at_least": {"k": 1, "of": [CLEARED, AGREED]}})
] + [
    (DURIAN, {"tranches.1.condition": condition}, f"{T2}.adjustments.excursion", "telemetry")
    for condition in (CLEARED, {"any": [cold(), CLEARED]},
                      {"at_least": {"k": 1, "of": [cold(), CLEARED]}})
]  # fmt: skip

PAYABLE: list[tuple[str, dict[str, Any]]] = [
    (ELECTRONICS, {"tranches.0.adjustments.late": LATE, C1: condition})
    for condition in (CLEARED, {"all": [OPENS, CLEARED]},
                      {"at_least": {"k": 2, "of": [CLEARED, AGREED]}},
                      {"any": [CLEARED, milestone("IMPORT_RELEASED")]})
] + [
    (DURIAN, {"tranches.1.condition": {"at_least": {"k": 2, "of": [CLEARED, cold()]}}}),
    (LOTS, {"tranches.0.condition.all.1": quantity("SHIPPED")}),
    (LOTS, {"tranches.0.condition.all.1": quantity("ACCEPTED"),
            "attesters.2": {"org_id": "b", "role": "BUYER", "sources": ["x"]}}),
    (LOTS, {C1: {"all": [milestone("QC_PASSED", "WAREHOUSE"), quantity("RECEIVED")]}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "path", "code", "words"),
    [
        (*case[:3], code, case[3])
        for code, cases in (
            ("NEVER_TRUE", UNANSWERED), ("UNTOLD", NOBODY), ("UNPAYABLE", UNPAYABLE)
        )
        for case in cases
    ],
    ids=str,
)  # fmt: skip
def test_what_nobody_can_ever_answer_is_a_fault(
    name: str, changes: dict[str, Any], path: str, code: str, words: str
) -> None:
    """By its path, with the tranche, the word that is wrong, and what to write instead."""
    report = checked(changed(free(name), changes), free_conditions=True)
    assert report.terms is not None, report.findings
    said = [one for one in report.findings if (one.path, one.code) == (path, code)]
    assert said, [(one.path, one.code, one.says) for one in report.findings]
    assert words in said[0].says
    if path.startswith("$.tranches"):
        number = int(path.partition("[")[2].partition("]")[0])
        assert report.terms.tranches[number].tranche_id in said[0].says
    assert ":" in said[0].says


@pytest.mark.parametrize(("name", "changes"), PAYABLE, ids=str)
def test_what_can_be_answered_is_no_fault(name: str, changes: dict[str, Any]) -> None:
    """The same leaves where something tells them, the same adjustments where all is known."""
    report = checked(changed(free(name), changes), free_conditions=True)
    codes = {"NEVER_TRUE", "UNTOLD", "UNPAYABLE"}
    assert [one for one in report.findings if one.code in codes] == []


def test_more_than_a_lot_is_asked_for_of_it() -> None:
    """A share of the whole line is more than one lot of it: it is asked whether that is meant."""
    leaf = {"line": "1", "measure": "RECEIVED", "op": ">=", "pct_of_ordered_bp": 9500}
    raw = changed(free(LOTS), {"tranches.0.condition.all.1": {"quantity": leaf}})
    report = checked(raw, free_conditions=True)
    path = f"{T1}.condition.all[1].quantity.pct_of_ordered_bp"
    assert [one.code for one in report.advice if one.path == path] == ["DOUBTFUL"]


def test_a_footprint_that_nobody_verifies_changes_no_price() -> None:
    """The adjustment never applies, and keeps nothing from being paid: advice."""
    rule = {"measure": "INTENSITY", "at_most": "1", "unit": "kgCO2e/tkm", "bp": -10}
    raw = changed(free(ELECTRONICS), {"tranches.0.adjustments.carbon": rule})
    report = checked(raw, free_conditions=True)
    path = f"{T1}.adjustments.carbon"
    assert [one.code for one in report.advice if one.path == path] == ["UNHEARD"]
    assert report.good


@pytest.mark.parametrize("name", NAMES)
def test_every_template_can_be_answered(name: str) -> None:
    """Nothing of an example is beyond the facts."""
    report = checked(json.dumps(document(name)).encode())
    assert report.findings == ()
    kind = {"RAIL", "CALENDAR_ENDS", "OWN_WORD", "PAID_ONCE", "SHORT_LOT"}
    assert {one.code for one in report.advice} <= kind < {*ADVICE}
