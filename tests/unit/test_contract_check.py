"""What `contract check` finds in terms that read well, and what it says in words."""

import ast
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_world import DURIAN, ELECTRONICS, LOTS, NAMES, changed, document, free, put, terms

from supplytwin import schemas
from supplytwin.processors import contract_check
from supplytwin.processors.amounts import maxima
from supplytwin.processors.contract_words import words
from supplytwin.schemas.contract import encode, terms_hash
from supplytwin.schemas.contract_codes import ADVICE, FAULTS
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.decimal_text import plain
from supplytwin.streams.cli_contract_check import bank, checked

OF_ITS_KIND = {name: set[str]() for name in NAMES} | {
    "durian-cold-chain": {"PAID_ONCE"}, "machine-lots": {"SHORT_LOT"},
}  # fmt: skip
"""What the form of a template entails: paid as it is accepted, each lot tested for itself."""
SEIZED = {"absent": {"type": "SEIZED", "during": "CHALLENGE"}}
CLEARED = {"milestone": {"type": "IMPORT_CLEARED", "by": {"roles": ["CUSTOMS"]}}}
T1, T2, T3 = "$.tranches[0]", "$.tranches[1]", "$.tranches[2]"


def milestone(*roles: str, k: int = 1, type_: str = "REACHED", **more: str) -> dict[str, Any]:
    """A milestone told by k of these roles."""
    return {"milestone": {"type": type_, "by": {"roles": list(roles), "k": k}, **more}}


def after(tranche: str, plus: str = "PT0S") -> dict[str, Any]:
    """A time after a tranche is settled."""
    return {"time": {"not_before": {"anchor": f"TRANCHE:{tranche}", "plus": plus}}}


FOUND: list[tuple[str, dict[str, Any], str, str]] = [
    # money
    (ELECTRONICS, {"total_minor": 1}, "$.total_minor", "AMOUNTS"),
    (ELECTRONICS, {"currency": "ZZZ"}, "$.currency", "AMOUNTS"),
    (ELECTRONICS, {"tranches.1.amount.bp": 8000}, "$.tranches", "AMOUNTS"),
    (DURIAN, {"cap_minor": 86000000, "tranches.1.amount.cap_minor": 68800001},
     "$.cap_minor", "OVER_CAP"),
    (ELECTRONICS, {"tranches.0.claims.0.max_minor": 1}, f"{T1}.claims", "CLAIMS"),
    (ELECTRONICS, {"tranches.0.claims.1": {"claim_id": "b", "max_minor": 0}},
     f"{T1}.claims", "CLAIMS"),
    (DURIAN, {"tranches.1.claims.1": {"claim_id": "receipt", "max_minor": 0}},
     f"{T2}.claims[1].claim_id", "CLAIMS"),
    (DURIAN, {"tranches.1.claims.0.lines": ["2"]}, f"{T2}.claims[0].lines[0]", "CLAIMS"),
    (DURIAN, {"tranches.1.claims.0.lines": ["2"]}, f"{T2}.claims[0].lines", "CLAIMS"),
    (DURIAN, {"tranches.1.claims.0.lot": "9"}, f"{T2}.claims[0].lot", "CLAIMS"),
    (DURIAN, {"tranches.1.claims.1": {"claim_id": "b", "consignment_id": "K1", "max_minor": 0}},
     f"{T2}.claims[1]", "CLAIMS"),
    (DURIAN, {"tranches.1.condition": milestone("CUSTOMS", subject="CONSIGNMENT:K9")},
     f"{T2}.condition.milestone.subject", "DOUBTFUL"),
    (LOTS, {"tranches.0.claims.0.lot": "2"}, f"{T1}.claims[0].lot", "CLAIMS"),
    (ELECTRONICS, {"cap_minor": 240000000, "tranches.0.amount.bp": 4000},
     f"{T3}.amount", "DOUBTFUL"),
    (ELECTRONICS, {"tranches.1.adjustments.late.due": "2027-03-10"},
     f"{T2}.adjustments.late.due", "DOUBTFUL"),
    # funding
    (ELECTRONICS, {"funding.mode": "COMMITMENT_ONLY"}, "$.funding.mode", "CREDIT_RISK"),
    (ELECTRONICS, {"funding.hold_len": "PT0S"}, "$.funding.hold_len", "FUNDING"),
    (ELECTRONICS, {"funding.auto_renew": False}, "$.funding.hold_len", "FUNDING"),
    (ELECTRONICS, {"funding.auto_renew": False, "funding.hold_len": "P175D",
                   "tranches.2.window.deadline": "2027-06-01T00:00:00+08:00",
                   "tranches.2.condition": {"all": [CLEARED, SEIZED]},
                   "tranches.2.challenge": "P2D", "tranches.2.window.grace": "P1D"},
     "$.funding.hold_len", "TIGHT"),
    (ELECTRONICS, {"funding.funding_deadline": "2027-07-01T00:00:00Z"},
     "$.funding.funding_deadline", "FUNDING"),
    (ELECTRONICS, {"funding.funding_deadline": "2027-02-01T00:00:00Z"},
     "$.funding.funding_deadline", "DOUBTFUL"),
    (ELECTRONICS, {"status_sla": "PT0S"}, "$.status_sla", "FUNDING"),
    # people
    (ELECTRONICS, {"chain_id": "@p1"}, "$.chain_id", "PARTIES"),
    (ELECTRONICS, {"parties.0.role": "CARRIER"}, "$.payer", "PARTIES"),
    (ELECTRONICS, {"payer": "ARBITER"}, "$.payer", "PARTIES"),
    (ELECTRONICS, {"payee": "BUYER"}, "$.payee", "PARTIES"),
    (ELECTRONICS, {"parties.2.role": "SELLER"}, "$.parties[2].role", "PARTIES"),
    (ELECTRONICS, {"parties.0.agent": None}, "$.parties[0].agent", "PARTIES"),
    (ELECTRONICS, {"parties.1.account": None}, "$.parties[1].account", "PARTIES"),
    (ELECTRONICS, {"parties.0.account": {"other": "4000023009200345678"}}, "$.payee", "PARTIES"),
    (ELECTRONICS, {"purpose_code": None}, "$.purpose_code", "PURPOSE"),
    (ELECTRONICS, {"purpose_code": "SUPP"}, "$.purpose_code", "PURPOSE"),
    (ELECTRONICS, {"attesters.1.org_id": "china-customs"}, "$.attesters[1].org_id", "ATTESTERS"),
    (ELECTRONICS, {"attesters.1.sources": ["customs-cn"]},
     "$.attesters[1].sources[0]", "ATTESTERS"),
    (ELECTRONICS, {"attesters.1.sources": ["customs-*"]},
     "$.attesters[1].sources[0]", "ATTESTERS"),
    (ELECTRONICS, {"attesters.2.org_id": "shenzhen-light"}, "$.attesters[2].org_id", "OWN_WORD"),
    (ELECTRONICS, {"tranches.0.condition": milestone("CARRIER")},
     f"{T1}.condition.milestone.by", "UNTOLD"),
    (ELECTRONICS, {"attesters.3.org_id": "gulf-logistics"},
     f"{T2}.condition.all[1].milestone.by", "UNTOLD"),
    (ELECTRONICS, {"attesters.4.role": "IOT"},
     f"{T1}.condition.all[1].document.issuer_role", "UNTOLD"),
    (ELECTRONICS, {"tranches.0.condition": {"approval": {"roles": ["QA"], "k": 1}}},
     f"{T1}.condition.approval", "UNTOLD"),
    (ELECTRONICS, {"tranches.0.condition": {"quality": {
        "test": "X", "op": ">", "value": "1", "unit": "P1", "certificate_role": "LAB"}}},
     f"{T1}.condition.quality.certificate_role", "UNTOLD"),
    (ELECTRONICS, {"warehouses": []}, "$.warehouses", "UNTOLD"),
    (ELECTRONICS, {"evidence.hmac_allowed": True}, "$.evidence.hmac_allowed", "REPUDIABLE"),
    (ELECTRONICS, {"disputes": None}, "$.disputes", "NO_DISPUTES"),
    (ELECTRONICS, {"disputes.who": ["CARRIER"]}, "$.disputes.who[0]", "DISPUTES"),
    (ELECTRONICS, {"disputes.arbiter.k": 2}, "$.disputes.arbiter.k", "DISPUTES"),
    (ELECTRONICS, {"disputes.arbiter.of": ["gulf-tools"]},
     "$.disputes.arbiter.of[0]", "DISPUTES"),
    (ELECTRONICS, {"disputes.max_len": "PT0S"}, "$.disputes.max_len", "DISPUTES"),
    # times
    (ELECTRONICS, {"calendar.id": "MARS"}, "$.calendar.id", "CALENDAR"),
    (ELECTRONICS, {"calendar.zone": "Mars/Base"}, "$.calendar.zone", "CALENDAR"),
    (ELECTRONICS, {"calendar.zone": "unknown"}, "$.calendar.zone", "CALENDAR"),
    (ELECTRONICS, {}, "$.calendar.id", "CALENDAR_ENDS"),
    (ELECTRONICS, {"tranches.0.adjustments.carbon": {
        "measure": "INTENSITY", "at_most": "1", "unit": "kgCO2e/tkm", "bp": -10}},
     f"{T1}.adjustments.carbon", "UNHEARD"),
    (ELECTRONICS, {"tranches.1.condition": after("T1")}, f"{T2}.adjustments.late", "UNPAYABLE"),
    (ELECTRONICS, {"tranches.0.window.not_before": "2027-01-02T00:00:00Z"},
     f"{T1}.window.deadline", "WINDOW"),
    (ELECTRONICS, {"long_stop": "2500-01-01T00:00:00Z"}, "$.long_stop", "WINDOW"),
    (ELECTRONICS, {"long_stop": "2027-06-02T00:00:00Z"}, "$.long_stop", "LONG_STOP"),
    (ELECTRONICS, {"tranches.1.challenge": "P200D"}, "$.long_stop", "LONG_STOP"),
    (ELECTRONICS, {"tranches.1.challenge": None}, f"{T2}.challenge", "CHALLENGE"),
    (ELECTRONICS, {"tranches.1.challenge": "PT0S"}, f"{T2}.challenge", "CHALLENGE"),
    (ELECTRONICS, {"tranches.0.challenge": "P1D"}, f"{T1}.challenge", "DOUBTFUL"),
    # conditions
    (ELECTRONICS, {"tranches.0.condition": {"at_least": {"k": 3, "of": [CLEARED, SEIZED]}}},
     f"{T1}.condition.at_least.k", "NEVER_TRUE"),
    (ELECTRONICS, {"tranches.1.condition": {"all": [
        milestone("CUSTOMS", type_="SEIZED"), SEIZED]}},
     f"{T2}.condition.all[1].absent.type", "CONTRADICTION"),
    (ELECTRONICS, {"tranches.0.condition": {"all": [CLEARED, CLEARED]}},
     f"{T1}.condition.all[1]", "DUPLICATE"),
    (ELECTRONICS, {"tranches.0.condition": milestone("CUSTOMS", before="2028-01-01T00:00:00Z")},
     f"{T1}.condition.milestone.before", "DOUBTFUL"),
    (ELECTRONICS, {"tranches.2.condition": after("T9")},
     f"{T3}.condition.time.not_before.anchor", "ANCHOR"),
    (ELECTRONICS, {"tranches.2.condition": after("T3")},
     f"{T3}.condition.time.not_before.anchor", "ANCHOR"),
    (ELECTRONICS, {"tranches.0.condition": after("T2")},
     f"{T1}.condition.time.not_before.anchor", "ANCHOR"),
    (ELECTRONICS, {"tranches.2.condition": after("T2", "P90D")},
     f"{T3}.condition.time.not_before", "TIGHT"),
    (ELECTRONICS, {"tranches.2.condition": after("T2", "P90D"),
                   "tranches.1.window.not_before": "2027-03-09T00:00:00Z"},
     f"{T3}.condition.time.not_before", "UNREACHABLE"),
    (ELECTRONICS, {"tranches.2.window.deadline": "2027-03-01T00:00:00Z",
                   "tranches.2.condition": CLEARED}, f"{T3}.window.deadline", "TIGHT"),
    (ELECTRONICS, {"tranches.2.window.deadline": "2027-03-01T00:00:00Z",
                   "tranches.1.window.not_before": "2027-03-09T00:00:00Z",
                   "tranches.2.condition": CLEARED}, f"{T3}.window.deadline", "UNREACHABLE"),
    # goods that nothing will pay
    ("durian-cold-chain", {}, f"{T2}.amount", "PAID_ONCE"),
    ("machine-lots", {}, "$.lines[0].tolerance", "SHORT_LOT"),
    # a payment for nothing
    (ELECTRONICS, {"disputes.on_timeout": "SELLER"}, "$.disputes.on_timeout", "PAID_UNDELIVERED"),
    # the whole
    (ELECTRONICS, {}, "$.attempts_max", "RAIL"),
    (ELECTRONICS, {"version": 2}, "$.amends", "VERSION"),
    (ELECTRONICS, {"amends": "0" * 64}, "$.amends", "VERSION"),
    (ELECTRONICS, {"parameters.x": 1}, "$.parameters", "TEMPLATE"),
    (ELECTRONICS, {"template": "barter"}, "$.template", "TEMPLATE"),
    # what no message to a bank takes
    (ELECTRONICS, {"parties.0.name": "海湾工具"}, "$.parties[0].name", "BANK"),
    (ELECTRONICS, {"parties.0.account.iban": "AE000331234567890123456"},
     "$.parties[0].account.iban", "BANK"),
    (ELECTRONICS, {"parties.1.agent.bic": "BKCHCNBJ"}, "$.parties[1].agent", "BANK"),
    (ELECTRONICS, {"cap_minor": 10**18}, "$.cap_minor", "BANK"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "path", "code"), FOUND, ids=str)
def test_a_problem_is_found_with_its_path(
    name: str, changes: dict[str, Any], path: str, code: str
) -> None:
    """Each contradiction, each missing person, each impossible time: its code, where it stands,
    and what to do; a fault is no advice and advice no fault.
    """
    report = checked(changed(free(name), changes), free_conditions=True)
    assert report.terms is not None, report.findings
    assert (code in ADVICE) != (code in FAULTS)
    where = report.advice if code in ADVICE else report.findings
    said = [one for one in where if (one.path, one.code) == (path, code)]
    assert said, [(one.path, one.code, one.says) for one in (*report.findings, *report.advice)]
    assert all(len(one.says) > 15 for one in said)
    assert report.good == (not report.findings)


def test_every_code_has_its_case() -> None:
    """No code of the list stands there without a case above; FREE_CONDITIONS has its own, and
    KEPT_HOLDS takes two versions.
    """
    alone = {"FREE_CONDITIONS", "KEPT_HOLDS"}
    assert {code for *_, code in FOUND} | alone == {*FAULTS, *ADVICE}


@pytest.mark.parametrize("name", NAMES)
def test_free_conditions_need_permission(name: str) -> None:
    """Terms without a template are good where the deployment permits them, and only there."""
    raw = json.dumps(free(name)).encode()
    assert checked(raw, free_conditions=True).good
    assert [one.code for one in checked(raw).findings] == ["FREE_CONDITIONS"]


@pytest.mark.parametrize("name", NAMES)
def test_sound_terms_get_no_advice_that_they_do_not_need(name: str) -> None:
    """Of the examples nothing is said but what holds of any contract of theirs."""
    advice = checked(json.dumps(document(name)).encode()).advice
    assert {one.code for one in advice} <= {"RAIL", "CALENDAR_ENDS", "OWN_WORD", *OF_ITS_KIND[name]}


@pytest.mark.parametrize("rest", [False, True])
def test_goods_that_are_accepted_after_the_payment_have_a_way_to_be_paid(rest: bool) -> None:
    """A quantity in the condition, or a residual behind it; without either it is said."""
    made = free("durian-cold-chain")
    enough = {"quantity": {"line": "1", "measure": "ACCEPTED", "op": ">=",
                           "pct_of_ordered_bp": 9500}}  # fmt: skip
    if rest:
        window = {"deadline": "2027-05-31T23:59:59+08:00"}
        after = {"time": {"not_before": "2027-04-15T00:00:00+08:00"}}
        amount = {"rule": "RESIDUAL", "of": [one["tranche_id"] for one in made["tranches"]]}
        claims = [{"claim_id": "rest", "max_minor": 1}]
        last = {"amount": amount, "condition": after, "window": window, "claims": claims}
        made["tranches"].append({"tranche_id": "REST", "on_false": "HOLD", **last})
    else:
        made["tranches"][1]["condition"]["all"].append(enough)
    report = checked(json.dumps(made).encode(), free_conditions=True)
    assert report.terms is not None, report.findings
    assert "PAID_ONCE" not in {one.code for one in report.advice}


def test_silence_pays_the_whole_only_where_no_goods_are_counted() -> None:
    """For the buyer nothing is paid; what came of a PER_UNIT, or is left for a RESIDUAL, is."""
    for winner, name in (("BUYER", ELECTRONICS), ("SELLER", "machine-lots")):
        made = free(name)
        put(made, "disputes.on_timeout", winner)
        report = checked(json.dumps(made).encode(), free_conditions=True)
        assert report.terms is not None, report.findings
        assert "PAID_UNDELIVERED" not in {one.code for one in report.advice}


def test_advice_is_no_fault() -> None:
    """Credit risk is said everywhere and keeps nobody from signing."""
    raw = changed(free(), {"funding.mode": "COMMITMENT_ONLY"})
    report = checked(raw, free_conditions=True)
    assert report.good
    assert report.terms is not None
    assert any("CREDIT RISK" in line for line in words(report.terms))


@pytest.mark.parametrize("name", NAMES)
def test_the_words_say_all_that_is_paid(name: str) -> None:
    """Every tranche with its maximum, every claim with its hold, both sides, every deadline; on
    what: each line with its quantity and tolerance, whose word counts, which warehouses.
    """
    made = terms(name)
    text = "\n".join(words(made))
    for line in made.lines:
        price = f"{plain(line.unit_price)} {made.currency}"
        assert f"\nLine {line.line}: {plain(line.qty)} {line.unit} of {line.sku} at {price}" in text
    assert ("5 % less or 5 % more" in text) == (name == "bulk-draft-survey")
    assert ("in lots 1 (8), 2 (8)" in text) == (name == "machine-lots")
    for one in made.attesters:
        assert f"\n{one.org_id} speaks as {one.role} by {', '.join(one.sources)}" in text
    for warehouse in made.warehouses:
        assert f"{warehouse}" in text.partition("\nWarehouses of the buyer: ")[2].partition("\n")[0]
    assert f" pays {made.party(made.payee).name} " in text  # type: ignore[union-attr]
    for tranche in made.tranches:
        assert f"\n{tranche.tranche_id}: " in text
        assert tranche.window.deadline in text
        for claim in tranche.claims:
            assert f"claim {claim.claim_id} (" in text
    assert "is void" in text
    assert sum(one.minor for one in maxima(made.amounts).values()) <= made.cap_minor


def test_amendments_follow_without_a_gap() -> None:
    """Version n+1 names the hash of version n; contract, chain and currency stay."""
    first = terms()
    made = document() | {"version": 2, "amends": terms_hash(encode(first))}
    second = read(json.dumps(made).encode()).value
    assert second is not None
    assert contract_check.succession(first, second) == ()
    for changes, path in (
        ({"version": 3}, "$.version"),
        ({"amends": "0" * 64}, "$.amends"),
        ({"chain_id": "PO-1"}, "$.chain_id"),
        ({"contract_id": "C-1"}, "$.contract_id"),
        ({"currency": "USD"}, "$.currency"),
    ):
        other = read(json.dumps(made | changes).encode()).value
        assert other is not None
        assert [one.path for one in contract_check.succession(first, other)] == [path]


VALUES: list[Callable[[random.Random], Any]] = [
    lambda rng: None,
    lambda rng: rng.choice((True, False)),
    lambda rng: rng.choice((0, 1, -1, 2**63, 10**40, 1.5, 1e300)),
    lambda rng: rng.choice(("", "x", "T1", "\x00", "\ud800", "P1D", "P36525D", "海", "x" * 300)),
    lambda rng: rng.choice(
        ("0001-01-01T00:00:00Z", "9986-12-31T23:59:59-18:00", "2199-12-31T23:59:59Z")
    ),
    lambda rng: rng.choice(([], {}, [[]], {"a": {}}, [1] * 1001)),
    lambda rng: rng.choice((CLEARED, SEIZED, after("T2", "P36525D"), {"rule": "FIXED"})),
    lambda rng: {"rule": "PER_UNIT", "line": "1", "cap_minor": rng.choice((0, 5, 2**63 - 1))},
    lambda rng: {"rule": "RESIDUAL", "of": rng.choice(([], ["T1"], ["T1", "T2"]))},
    lambda rng: rng.choice(("0", "1e5", "-1", "9" * 30, "0.000000001", "NaN")),
]


Place = tuple[Any, Any]
"""An object or a list, and a member of it."""


def places(value: Any) -> Iterator[Place]:
    """Every place of a document."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for step, one in members:
        yield value, step
        if isinstance(one, dict | list):
            yield from places(one)


def broken(rng: random.Random, made: Any) -> None:
    """Something of another type, taken away, or there twice."""
    inside, step = rng.choice(list(places(made)))
    if isinstance(inside, list) and rng.random() < 0.4:
        inside.insert(step, inside[step])
    elif isinstance(inside, dict) and rng.random() < 0.2:
        del inside[step]
    else:
        inside[step] = rng.choice(VALUES)(rng)


def shifted(rng: random.Random, made: Any) -> None:
    """A number, a time, a length or a text in another one's place: the form stays right."""
    leaves = [one for one in places(made) if not isinstance(one[0][one[1]], dict | list)]
    inside, step = rng.choice(leaves)
    old = inside[step]
    if type(old) is int:
        inside[step] = rng.choice((0, 1, old + 1, old * 2, 2**63 - 1))
    elif isinstance(old, str) and old[4:5] == "-" and "T" in old:
        inside[step] = rng.choice(("2026-11-30", "2027-03-10", "2199-12-31")) + old[10:]
    elif isinstance(old, str) and old.startswith("P"):
        inside[step] = rng.choice(("PT0S", "PT1S", "P1D", "P40D", "P36525D"))
    elif isinstance(old, bool):
        inside[step] = not old
    else:
        other = rng.choice([one for one in leaves if type(one[0][one[1]]) is type(old)])
        inside[step] = other[0][other[1]]


def test_the_check_never_raises(required: Callable[[str], Any]) -> None:
    """Random changes of right terms, of their form and of their sense: findings or words, never an
    exception; what is good can be written again and read as the same terms.
    """
    count = required("contract_mutations")
    rng = random.Random(20261126)
    texts = {(make, name): json.dumps(make(name)) for make in (free, document) for name in NAMES}
    good = 0
    for number in range(count):
        make = free if rng.random() < 0.7 else document
        made = json.loads(texts[make, rng.choice(NAMES)])
        for _ in range(rng.randint(1, 3)):
            rng.choice((broken, shifted, shifted, shifted))(rng, made)
        raw = json.dumps(made).encode()
        report = checked(raw, free_conditions=rng.random() < 0.8)
        assert report.findings or report.terms is not None, number
        if report.good and report.terms is not None:
            good += 1
            assert words(report.terms)
            assert read(encode(report.terms)).value == report.terms
            assert bank(report.terms) == ()
    assert good > count // 100
    count.done(count)


def test_no_contract_meets_a_float() -> None:
    """Terms, checks, templates and calendars use neither float literals nor float()."""
    root = Path(schemas.__file__).parents[1]
    patterns = ("*/contract*.py", "schemas/calendars.py", "streams/cli_contract*.py")
    modules = [path for pattern in patterns for path in root.glob(pattern)]
    assert len(modules) > 14
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), path
            assert not (isinstance(node, ast.Name) and node.id == "float"), path
