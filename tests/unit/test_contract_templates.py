"""Templates are data: parameters are declared and checked, and terms are what a template makes."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from contract_world import DURIAN, ELECTRONICS, LOTS, NAMES, changed, document, example, terms
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from supplytwin.processors.contract_templates import make
from supplytwin.schemas.contract import encode
from supplytwin.schemas.contract_templates import DETAILS, shipped
from supplytwin.streams.cli import app
from supplytwin.streams.cli_contract_check import checked

RUNNER = CliRunner()
RELEASE = "release-and-receipt"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_passes_the_check(name: str) -> None:
    """Each template, filled in with its example, has no fault; its claims hold its maxima."""
    made = make(shipped()[name], json.dumps(example(name)).encode())
    assert made.raw is not None
    report = checked(made.raw)
    assert report.findings == ()
    assert report.terms is not None
    assert (report.terms.template, report.terms.template_version) == (
        name,
        shipped()[name].version,
    )


def test_there_are_the_five_examples_and_release_and_receipt() -> None:
    """Six templates, each with what it leaves out of the contract that it is after."""
    assert len(NAMES) == 6
    assert RELEASE in NAMES
    for one in shipped().values():
        assert len(one.title) > 30
        assert all(len(parameter.says) > 3 for parameter in one.parameters)
        assert not {parameter.name for parameter in one.parameters} & set(DETAILS)


@pytest.mark.parametrize("mode", ["PREFUNDED_HOLD", "BANK_UNDERTAKING", "COMMITMENT_ONLY"])
@pytest.mark.parametrize("name", NAMES)
def test_each_template_is_funded_as_its_parties_say(name: str, mode: str) -> None:
    """A bank that is reached by messages holds no money: each template has the other ways, too."""
    made = make(shipped()[name], json.dumps(example(name) | {"funding_mode": mode}).encode())
    report = checked(made.raw or b"")
    assert report.findings == ()
    assert report.terms is not None
    assert report.terms.funding.mode == mode


def test_all_that_is_missing_is_told_at_once() -> None:
    """Parameters and the contract's own members, in one round."""
    found = make(shipped()[ELECTRONICS], b"{}").findings
    missing = {one.path for one in found if one.code == "MISSING_FIELD"}
    assert {"$.contract_id", "$.parties", "$.currency", "$.arbiters"} <= missing
    given_ = example(ELECTRONICS) | {"second_bp": "x", "currency": "RENMINBI"}
    found = make(shipped()[ELECTRONICS], json.dumps(given_).encode()).findings
    assert [one.path for one in found] == ["$.currency", "$.second_bp"]


@pytest.mark.parametrize("name", NAMES)
def test_every_required_parameter_is_asked_for(name: str) -> None:
    """Without any of them there are no terms, and the finding names it; defaults are filled in."""
    template = shipped()[name]
    for parameter in template.parameters:
        given_ = example(name)
        given_.pop(parameter.name, None)
        made = make(template, json.dumps(given_).encode())
        if parameter.required:
            assert [(one.path, one.code) for one in made.findings] == [
                (f"$.{parameter.name}", "MISSING_FIELD")
            ]
        else:
            assert made.findings == ()
            assert json.loads(made.raw or b"")["parameters"][parameter.name] is not None


@pytest.mark.parametrize(
    ("name", "changes", "path", "code"),
    [
        (ELECTRONICS, {"first_bp": 0}, "$.first_bp", "RANGE"),
        (ELECTRONICS, {"first_bp": "3000"}, "$.first_bp", "TYPE"),
        (ELECTRONICS, {"deadline": "2027-03-10"}, "$.deadline", "PATTERN"),
        (ELECTRONICS, {"late_due": "2027-02-30"}, "$.late_due", "PATTERN"),
        (ELECTRONICS, {"grace": "2d"}, "$.grace", "PATTERN"),
        (ELECTRONICS, {"on_timeout": "CARRIER"}, "$.on_timeout", "WORD"),
        (ELECTRONICS, {"auto_renew": "yes"}, "$.auto_renew", "TYPE"),
        (ELECTRONICS, {"arbiters": []}, "$.arbiters", "EMPTY"),
        (ELECTRONICS, {"bonus": 1}, "$.bonus", "FOREIGN_FIELD"),
        (ELECTRONICS, {"line": "line 1"}, "$.line", "PATTERN"),
        (DURIAN, {"low": 13}, "$.low", "DECIMAL_NUMBER"),
        (DURIAN, {"high": "99"}, "$.high", "RANGE"),
        (LOTS, {"lots": [{"tranche_id": "T1"}]}, "$.lots[0].cap_minor", "MISSING_FIELD"),
        (DURIAN, {"rest_cap_minor": -1}, "$.rest_cap_minor", "RANGE"),
        (LOTS, {"lots": []}, "$.lots", "EMPTY"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_found(name: str, changes: dict[str, Any], path: str, code: str) -> None:
    """Types, ranges, words and forms of parameters: the path of each, and no terms."""
    made = make(shipped()[name], json.dumps(example(name) | changes).encode())
    assert made.raw is None
    assert (path, code) in {(one.path, one.code) for one in made.findings}


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b'{"deadline": "a", "deadline": "b"}', b"[" * 50_000,
     b'{"parties": [{"name": "a", "name": "b"}]}', b'{"parties": ["\\ud800"]}',
     b'{"lines": ' + b"[" * 900 + b"]" * 900 + b"}"],
)  # fmt: skip
def test_no_parameters_raise(text: bytes) -> None:
    """Whatever stands in a file of parameters, there are findings, not exceptions."""
    for template in shipped().values():
        made = make(template, text)
        assert made.findings or not checked(made.raw or b"").good


def test_numbers_that_nothing_can_be_computed_of_are_found_by_the_check() -> None:
    """Lines without right numbers, or of no currency, give terms with faults, and quickly."""
    for changes in ({"lines": [{"qty": "1e999999999"}]}, {"lines": 5}, {"currency": "XXX"},
                    {"lines": [{**example()["lines"][0], "qty": "1" * 40}]}):  # fmt: skip
        made = make(shipped()[ELECTRONICS], json.dumps(example() | changes).encode())
        assert made.raw is not None
        assert not checked(made.raw).good


def leaves(value: Any, path: str = "") -> list[str]:
    """The path of everything that is neither object nor list."""
    if isinstance(value, dict):
        return [p for name, one in value.items() for p in leaves(one, f"{path}.{name}")]
    if isinstance(value, list):
        return [p for at, one in enumerate(value) for p in leaves(one, f"{path}.{at}")]
    return [path.removeprefix(".")]


DOCUMENT = document()
OURS = [
    one
    for one in leaves(DOCUMENT)
    if one.split(".")[0] not in (*DETAILS, "parameters", "form", "template", "template_version")
]


@given(path=st.sampled_from(OURS))
def test_nothing_but_parameters_changes_what_a_template_makes(path: str) -> None:
    """Whatever is changed in the terms beside parameters and the contract's own members is found:
    at its own path, or as something that the form or the sense of the terms refuses.
    """
    value: Any = DOCUMENT
    for step in path.split("."):
        value = value[int(step) if step.isdecimal() else step]
    others = {"P2D": "P3D", "EXPIRE": "HOLD", "HOLD": "EXPIRE", "BUYER": "SELLER"}
    new = value + 1 if type(value) is int else not value if isinstance(value, bool) else None
    if isinstance(value, str):
        new = others.get(value, f"{value}1")
    if new is None:
        new = "P9D"
    report = checked(changed(document(), {path: new}))
    assert not report.good, path


def test_a_changed_condition_is_no_longer_the_template() -> None:
    """Another share of accepted goods than the parameter says: a fault at its place."""
    where = "tranches.1.condition.all.2.quantity.pct_of_ordered_bp"
    report = checked(changed(document(), {where: 9000}))
    assert [(one.path, one.code) for one in report.findings] == [
        ("$.tranches[1].condition.all[2].quantity.pct_of_ordered_bp", "TEMPLATE")
    ]
    assert "9000" in report.findings[0].says
    assert "9800" in report.findings[0].says


@given(
    shares=st.tuples(st.integers(1, 5000), st.integers(1, 4999)),
    qty=st.integers(1, 10**6),
    price=st.decimals(min_value="0.01", max_value="99999", places=2),
)
def test_any_parameters_in_range_make_good_terms(
    shares: tuple[int, int], qty: int, price: Any
) -> None:
    """Shares, quantities and prices of any size: what is held is the whole price, exactly."""
    first, second = shares
    line = example()["lines"][0] | {"qty": str(qty), "unit_price": str(price)}
    made = terms(first_bp=first, second_bp=second, lines=[line])
    assert checked(encode(made)).findings == ()
    held = sum(claim.max_minor for one in made.tranches for claim in one.claims)
    assert held == made.total_minor == made.cap_minor == int(qty * price * 100)


# ---- commands


def run(*words: str, code: int = 0, text: str | None = None) -> str:
    """The output of a command that ends with that exit code."""
    done = RUNNER.invoke(app, ["contract", *words], input=text)
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_make_and_check_terms(name: str, tmp_path: Path) -> None:
    """`new --example`, `new`, `check`: from nothing to good terms; `--json` says the same."""
    parameters, file = tmp_path / "p.json", tmp_path / "t.json"
    parameters.write_text(run("new", name, "--example"))
    run("new", name, str(parameters), "--out", str(file))
    said = run("check", str(file))
    assert f"template {name} " in said
    told = json.loads(run("check", str(file), "--json"))
    assert told["good"] is True
    assert told["findings"] == []
    assert told["terms_hash"] in said
    assert all(line in said for line in told["words"])
    assert json.loads(file.read_text()) == document(name)


def test_parameters_can_be_typed() -> None:
    """`--set NAME=VALUE`: texts stay texts, even of digits; everything else is JSON."""
    text = json.dumps({name: one for name, one in example().items() if name != "line"})
    said = run("new", ELECTRONICS, "-", "--set", "first_bp=2000", "--set", "grace=P4D", "--set",
               "line=1", "--set", "contract_id=17", "--set", 'warehouses=["JAFZA-7", "JAFZA-9"]',
               text=text)  # fmt: skip
    made = json.loads(said)
    assert made["parameters"]["first_bp"] == 2000
    assert made["tranches"][0]["window"]["grace"] == "P4D"
    assert (made["contract_id"], made["warehouses"]) == ("17", ["JAFZA-7", "JAFZA-9"])
    assert "first_bp" in run("new", ELECTRONICS, "-", "--set", "first_bp=1.5", code=1, text=text)


def test_exit_codes_say_what_happened(tmp_path: Path) -> None:
    """1 = there are faults, each with its path and what to do; 2 = no file, no template."""
    file = tmp_path / "t.json"
    file.write_bytes(changed(document(), {"tranches.0.claims.0.max_minor": 1}))
    said = run("check", str(file), code=1)
    assert "$.tranches[0].claims" in said
    assert "make them equal" in said
    assert json.loads(run("check", str(file), "--json", code=1))["good"] is False
    file.write_text("{")
    assert "MALFORMED" in run("check", str(file), code=1)
    assert isinstance(RUNNER.invoke(app, ["contract", "check", "none.json"]).exception, OSError)
    assert "no template" in str(RUNNER.invoke(app, ["contract", "new", "barter"]).exception)
    for option in ("novalue", "=1"):
        done = RUNNER.invoke(app, ["contract", "new", ELECTRONICS, "--set", option])
        assert "NAME=VALUE" in str(done.exception)


def test_an_amendment_is_checked_against_the_version_before(tmp_path: Path) -> None:
    """`--previous`: version, hash and what may not change."""
    before, after = tmp_path / "1.json", tmp_path / "2.json"
    before.write_bytes(json.dumps(document()).encode())
    hashed = json.loads(run("check", str(before), "--json"))["terms_hash"]
    after.write_bytes(json.dumps(document(version=2, amends=hashed)).encode())
    run("check", str(after), "--previous", str(before))
    said = run("check", str(after), "--previous", str(after), code=1)
    assert "after 2 comes 3" in said
    before.write_text("{}")
    assert "does not read" in run("check", str(after), "--previous", str(before), code=1)


def test_the_check_advises_of_holds_that_an_amendment_lowers(tmp_path: Path) -> None:
    """Whether anything of them is paid by then it cannot know: no fault."""
    before, after = tmp_path / "1.json", tmp_path / "2.json"
    before.write_bytes(json.dumps(document()).encode())
    hashed = json.loads(run("check", str(before), "--json"))["terms_hash"]
    (line,) = example()["lines"]
    half = {**line, "unit_price": str(Decimal(line["unit_price"]) / 2)}
    after.write_bytes(json.dumps(document(version=2, amends=hashed, lines=[half])).encode())
    said = run("check", str(after), "--previous", str(before))
    assert "advice KEPT_HOLDS $.cap_minor" in said
    assert "KEPT_HOLDS" not in run("check", str(after))


def test_templates_are_listed() -> None:
    """`contract templates`: every one with what it leaves out; of one all parameters."""
    said = run("templates")
    assert all(name in said for name in NAMES)
    said = run("templates", DURIAN)
    for parameter in shipped()[DURIAN].parameters:
        assert f"{parameter.name} ({parameter.type}, " in said
    assert "differs: " in said
    assert json.loads(run("templates", DURIAN, "--json"))["name"] == DURIAN
    assert len(json.loads(run("templates", "--json"))) == 6
