"""What the lint says of conditions that read well: where, which kind, and nothing of good ones."""

from decimal import Decimal
from typing import Any

import pytest
from condition_world import DAY, DEADLINE, HOUR, condition

from supplytwin.processors.condition_lint import lint
from supplytwin.processors.condition_view import Ordered, Scope

SCOPE = Scope(
    tick=0,
    deadline=DEADLINE,  # 2027-03-28T00:59:59Z
    grace_us=HOUR,
    long_stop=DEADLINE + 30 * DAY,
    lines=(Ordered(line="1", qty=Decimal(100), unit="t"),),
)
CLEARED = {"milestone": {"type": "CLEARED", "by": {"roles": ["CUSTOMS"]}}}
FOREVER = {"time": {"not_before": "2027-01-01T00:00:00Z"}}
COLD = {
    "metric": "TEMP", "min": "13", "max": "15", "unit": "Cel", "from": "2027-03-01T00:00:00Z",
    "to": "2027-03-20T00:00:00Z", "max_excursion": "PT45M", "max_single": "PT20M",
    "min_coverage_bp": 9700,
}  # fmt: skip


def said(value: Any, scope: Scope | None = SCOPE) -> dict[str, str]:
    """Path -> code of all that the lint says, but of the whole."""
    found = {one.path: one.code for one in lint(condition(value), scope)}
    found.pop("$", None)
    return found


def without(**more: Any) -> Any:
    """A telemetry leaf with other fields."""
    return {"telemetry": {**COLD, **more}}


def absent(*during: Any) -> Any:
    """A leaf about seizures between two times."""
    return {"absent": {"type": "SEIZED", "during": list(during)}}


def anchored(plus: str) -> Any:
    """So long after T2."""
    return {"anchor": "TRANCHE:T2", "plus": plus}


def quantity(**more: Any) -> Any:
    """A leaf about line 1, or another one."""
    return {"quantity": {"line": "1", "measure": "ACCEPTED", "op": ">=", **more}}


NEVER = [
    ({"at_least": {"k": 3, "of": [CLEARED, FOREVER]}}, "$.at_least.k"),
    ({"milestone": {"type": "A", "by": {"roles": ["R", "S"], "k": 3}}}, "$.milestone.by.k"),
    ({"approval": {"roles": ["R"], "k": 2}}, "$.approval.k"),
    (without(min="15.1"), "$.telemetry.min"),
    (without(to="2027-03-01T00:00:00Z"), "$.telemetry.to"),
    (without(to="2027-03-28T03:00:00Z"), "$.telemetry.to"),
    (without(**{"from": anchored("P2D"), "to": anchored("P1D")}), "$.telemetry.to"),
    (absent("2027-03-02T00:00:00Z", "2027-03-01T00:00:00Z"), "$.absent.during"),
    (absent(anchored("P2D"), anchored("P1D")), "$.absent.during"),
    (absent("2027-03-02T00:00:00Z", "2027-04-27T00:30:00Z"), "$.absent.during[1]"),
    ({"time": {"not_before": "2027-03-02T00:00:00Z", "not_after": "2027-03-01T00:00:00Z"}},
     "$.time.not_after"),
    ({"time": {"not_before": anchored("P2D"), "not_after": anchored("P1D")}}, "$.time.not_after"),
    ({"time": {"not_before": "2027-03-28T02:00:00Z"}}, "$.time.not_before"),
    (quantity(line="2", value="1"), "$.quantity.line"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "path"), NEVER, ids=[path for _, path in NEVER])
def test_what_can_never_be_true(value: Any, path: str) -> None:
    """It is named at the member that makes it so, and so is the whole, which cannot be either."""
    found = lint(condition(value), SCOPE)
    assert [(one.path, one.code) for one in found] == [("$", "NEVER_TRUE"), (path, "NEVER_TRUE")]
    inside = said({"any": [FOREVER, value]})
    assert list(inside.values()) == ["NEVER_TRUE"]
    assert "$" not in [one.path for one in lint(condition({"any": [FOREVER, value]}), SCOPE)]


DOUBTFUL = [
    (without(max_single="PT46M"), "$.telemetry.max_single"),
    ({"milestone": {**CLEARED["milestone"], "before": "2027-03-29T00:00:00Z"}},
     "$.milestone.before"),
    (quantity(value="100.1"), "$.quantity.value"),
    (quantity(pct_of_ordered_bp=10_001), "$.quantity.pct_of_ordered_bp"),
    (absent("2027-03-02T00:00:00Z", "2027-03-28T01:00:00Z"), "$.absent.during[1]"),
    ({"approval": {"roles": ["R"], "k": 1, "deadline": "2027-06-01T00:00:00Z"}},
     "$.approval.deadline"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "path"), DOUBTFUL, ids=[path for _, path in DOUBTFUL])
def test_what_is_hardly_meant(value: Any, path: str) -> None:
    """It may be TRUE, so that the whole may."""
    assert [(one.path, one.code) for one in lint(condition(value), SCOPE)] == [(path, "DOUBTFUL")]


def test_times_that_exclude_each_other() -> None:
    """In one `all`, also through another `all`, no tick is after the one and before the other."""
    late = {"time": {"not_before": "2027-03-02T00:00:00Z"}}
    early = {"time": {"not_after": "2027-03-01T00:00:00Z"}}
    path = "$.all[1].time.not_after"
    assert said({"all": [late, early]}) == {path: "CONTRADICTION"}
    nested = {"all": [CLEARED, {"all": [late]}, {"all": [{"all": [early]}]}]}
    assert said(nested) == {"$.all[2].all[0].all[0].time.not_after": "CONTRADICTION"}
    assert said({"any": [late, early]}) == {}
    assert said({"all": [late, {"any": [early, CLEARED]}]}) == {}
    assert said({"any": [CLEARED, {"all": [late, early]}]}) == {
        "$.any[1].all[1].time.not_after": "CONTRADICTION"
    }


def test_a_milestone_before_a_time_that_has_to_come_first() -> None:
    """before < not_before is asked about: what is proven by then is paid only later."""
    before = {"milestone": {**CLEARED["milestone"], "before": "2027-03-01T00:00:00Z"}}
    late = {"time": {"not_before": "2027-03-02T00:00:00Z"}}
    assert said({"all": [before, late]}) == {"$.all[0].milestone.before": "DOUBTFUL"}
    assert said({"all": [before, FOREVER]}) == {}


def test_a_milestone_that_must_not_be_told() -> None:
    """Asked for and forbidden in the challenge window, it would have to be there and not."""
    not_told = {"absent": {"type": "CLEARED", "during": "CHALLENGE"}}
    found = lint(condition({"all": [CLEARED, not_told]}), SCOPE)
    assert [(one.path, one.code) for one in found] == [
        ("$", "NEVER_TRUE"),
        ("$.all[1].absent.type", "CONTRADICTION"),
    ]
    assert said({"all": [CLEARED, {"absent": {"type": "SEIZED", "during": "CHALLENGE"}}]}) == {}


def test_duplicates_beside_each_other() -> None:
    """The same condition twice in one group, however it was spelled; in two groups it is none."""
    same = {"milestone": {"type": "CLEARED", "by": {"k": 1, "roles": ["CUSTOMS"]}, "place": None}}
    assert said({"at_least": {"k": 2, "of": [CLEARED, same]}}) == {"$.at_least.of[1]": "DUPLICATE"}
    assert said({"any": [{"all": [CLEARED, FOREVER]}, {"all": [FOREVER, CLEARED]}]}) == {}
    assert said({"any": [{"all": [CLEARED, FOREVER]}] * 2}) == {"$.any[1]": "DUPLICATE"}


def test_what_follows_for_the_whole() -> None:
    """at_least with too few that can be TRUE never is; every finding stands beside the others."""
    never = {"approval": {"roles": ["R"], "k": 2}}
    other = {"approval": {"roles": ["R"], "k": 3}}
    found = lint(condition({"at_least": {"k": 2, "of": [CLEARED, never, other]}}))
    assert [one.path for one in found] == [
        "$", "$.at_least.of[1].approval.k", "$.at_least.of[2].approval.k",
    ]  # fmt: skip
    assert "R" in found[1].says and "lower k" in found[1].says


def test_nothing_is_said_of_the_tranche_without_its_window() -> None:
    """Lines, close and long stop are not known then."""
    tree = {
        "all": [quantity(line="9", value="1"), {"time": {"not_before": "2099-01-01T00:00:00Z"}}]
    }
    assert said(tree, None) == {}
    assert len(said(tree)) == 2


def by(*roles: str, k: int = 1) -> Any:
    """Who has to tell a milestone."""
    return {"roles": list(roles), "k": k}


def reached(name: str, *roles: str, k: int = 1) -> Any:
    """A milestone."""
    return {"milestone": {"type": name, "by": by(*roles, k=k)}}


def document(name: str, state: str, role: str) -> Any:
    """A document that backs nothing else."""
    return {"document": {"type": name, "state": state, "unique": True, "issuer_role": role}}


def quality(test: str, op: str, value: str) -> Any:
    """A certificate of the inspector, in percent."""
    return {"quality": {"test": test, "op": op, "value": value, "unit": "%",
                        "certificate_role": "INSPECTOR"}}  # fmt: skip


def not_seen(name: str) -> Any:
    """Nothing of the kind in the challenge window."""
    return {"absent": {"type": name, "during": "CHALLENGE"}}


LOCKED = {"asset": {"kind": "WAREHOUSE_RECEIPT", "state": "LOCKED", "controller_role": "FINANCIER"}}
PUBLISHED = {
    "electronics T1": {"all": [
        reached("EXPORT_DECLARED", "CUSTOMS"), document("INVOICE", "ISSUED", "SELLER"),
    ]},
    "electronics T2": {"all": [
        reached("IMPORT_CLEARED", "CUSTOMS"),
        reached("IN_BUYER_WAREHOUSE", "IOT", "WAREHOUSE", k=2),
        quantity(pct_of_ordered_bp=9800), not_seen("CUSTOMS_SEIZED"),
    ]},
    "electronics T3": {"all": [
        {"time": {"not_before": anchored("P30D")}},
        {"absent": {"type": "BUYER_CLAIM", "during": [anchored("PT0S"), anchored("P30D")]}},
    ]},
    "durian T2": {"all": [
        reached("CIQ_RELEASED", "CUSTOMS"),
        {"at_least": {"k": 2, "of": [
            reached("RECEIVED", "WAREHOUSE"), reached("DELIVERED", "CARRIER"),
            reached("SEALED", "INSPECTOR"),
        ]}},
        without(**{"from": {"anchor": "MILESTONE:GATE_OUT"},
                   "to": {"anchor": "MILESTONE:RECEIVED"}}),
    ]},
    "soybeans T1": {"all": [
        document("EBL", "SURRENDERED", "CARRIER"), quality("MOISTURE", "<=", "13.0"),
        quality("PROTEIN", ">=", "34.5"),
        reached("DISCHARGED", "INSPECTOR", "WAREHOUSE", k=2), LOCKED,
    ]},
    "inventory T1": {"all": [
        {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">=", "pct_of_ordered_bp": 9500}},
        LOCKED, not_seen("DUPLICATE_PLEDGE"), not_seen("PLAUSIBILITY_REJECT"),
    ]},
    "machine tools Tn": {"all": [
        {"any": [reached("IMPORT_CLEARED", "CUSTOMS"), reached("BONDED_STORED", "WAREHOUSE")]},
        {"approval": {"roles": ["BUYER_QA", "SELLER_QA", "INSPECTOR"], "k": 2}},
        document("CERT_ORIGIN", "ISSUED", "CUSTOMS"),
    ]},
    "a price, never a release": {"carbon": {
        "measure": "INTENSITY", "op": "<=", "value": "2.1", "unit": "kgCO2e/unit",
        "assurance": "VERIFIED",
    }},
}  # fmt: skip


@pytest.mark.parametrize("value", PUBLISHED.values(), ids=list(PUBLISHED))
def test_the_usual_contracts_are_good(value: Any) -> None:
    """The conditions of the five example contracts read, and there is nothing to say of them."""
    assert lint(condition(value), SCOPE) == ()
