"""Contract terms are read strictly, have one spelling, and one hash for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from contract_world import DURIAN, NAMES, changed, document, free, terms
from hypothesis import given
from hypothesis import strategies as st

from supplytwin.schemas import contract, contract_read
from supplytwin.schemas.contract_schema import json_schema
from supplytwin.schemas.errors import RecordError

SCHEMA = Path(contract.__file__).with_name("contract.schema.json")
ONE = "$.tranches[0]"


def found(raw: bytes) -> set[tuple[str, str]]:
    """(path, code) of what reading finds."""
    return {(one.path, one.code) for one in contract_read.read(raw).findings}


@pytest.mark.parametrize("name", NAMES)
def test_terms_survive_writing_and_reading(name: str) -> None:
    """Canonical bytes read as the same terms, which give the same bytes and the same hash."""
    made = terms(name)
    raw = contract.encode(made)
    assert contract_read.decode(raw) == made
    assert contract.encode(contract_read.decode(raw)) == raw
    assert b" " not in raw.split(b'"contract_id"')[0]
    assert len(contract.terms_hash(raw)) == 64


def test_one_meaning_has_one_spelling() -> None:
    """Order of members, white space, spellings of times, durations and decimals change no byte."""
    made = document(DURIAN)
    spelt = changed(
        dict(reversed(made.items())),
        {
            "tranches.1.window.grace": "PT24H",
            "lines.0.unit_price": "43.000",
            "lines.0.qty": "20000.0",
            "status_sla": "PT240M",
            "tranches.0.window.deadline": "2027-05-02T23:59:59.000+08:00",
        },
    )
    for raw in (spelt, json.dumps(json.loads(spelt), indent=4).encode()):
        value = contract_read.read(raw).value
        assert value is not None
        assert contract.encode(value) == contract.encode(terms(DURIAN))


def test_another_spelling_is_not_what_was_signed() -> None:
    """Right terms that are not in canonical form are no signed terms."""
    raw = contract.encode(terms())
    with pytest.raises(RecordError, match="canonical"):
        contract_read.decode(raw + b" ")


@given(at=st.integers(0), bit=st.integers(0, 7))
def test_one_bit_changed_is_another_contract(at: int, bit: int) -> None:
    """No bit of canonical terms can be flipped and leave terms with the same hash."""
    raw = bytearray(RAW)
    raw[at % len(raw)] ^= 1 << bit
    try:
        made = contract_read.decode(bytes(raw))
    except RecordError:
        return
    assert contract.terms_hash(contract.encode(made)) != contract.terms_hash(RAW)
    assert made != terms()


RAW = contract.encode(terms())


def test_every_finding_comes_at_once() -> None:
    """All that is wrong in the form of a document is said together, each with its path."""
    raw = changed(
        document(),
        {
            "contract_id": "has space",
            "cap_minor": 1.5,
            "partys": [],
            "references": ...,
            "tranches.0.condition": {"milestone": {"type": "X"}},
            "tranches.1.amount.bp": 0,
            "tranches.2.window.deadline": "2027-05-31T23:59:59",
            "lines.0.qty": 1200,
            "funding.mode": "TRUST",
        },
    )
    assert found(raw) == {
        ("$.contract_id", "PATTERN"),
        ("$.cap_minor", "TYPE"),
        ("$.partys", "FOREIGN_FIELD"),
        ("$.references", "MISSING_FIELD"),
        (f"{ONE}.condition.milestone.by", "MISSING_FIELD"),
        ("$.tranches[1].amount.bp", "RANGE"),
        ("$.tranches[2].window.deadline", "PATTERN"),
        ("$.lines[0].qty", "DECIMAL_NUMBER"),
        ("$.funding.mode", "WORD"),
    }


@pytest.mark.parametrize(
    ("path", "new", "where"),
    [
        ("approvals", {"k": 2}, "$.approvals"),
        ("risk", None, "$.risk"),
        ("asset_lock", "WR", "$.asset_lock"),
        ("tranches.0.approvals", {"k": 2, "roles": ["BUYER"]}, f"{ONE}.approvals"),
        ("tranches.0.asset_lock", "WAREHOUSE_RECEIPT", f"{ONE}.asset_lock"),
        ("tranches.0.amount", {"rule": "BORROWING_BASE", "haircut_bp": 8000}, f"{ONE}.amount.rule"),
    ],
)
def test_what_comes_later_is_refused_with_the_reason(path: str, new: Any, where: str) -> None:
    """Approvals, risk profiles, title locks and borrowing bases are refused by their names, even
    when they are null.
    """
    (one,) = contract_read.read(changed(document(), {path: new})).findings
    assert (one.path, one.code) == (where, "LATER")
    assert len(one.says) > 40


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"version": 0}, "$.version", "RANGE"),
    ({"version": "1"}, "$.version", "TYPE"),
    ({"cap_minor": 2**63}, "$.cap_minor", "RANGE"),
    ({"cap_minor": -1}, "$.cap_minor", "RANGE"),
    ({"cap_minor": 10**30}, "$.cap_minor", "TYPE"),
    ({"parties": []}, "$.parties", "EMPTY"),
    ({"parties.0.role": "BANK"}, "$.parties[0].role", "WORD"),
    ({"parties.0.address.town": ""}, "$.parties[0].address.town", "PATTERN"),
    ({"parties.0.address.town": "a\nb"}, "$.parties[0].address.town", "PATTERN"),
    ({"parties.0.name": "x" * 141}, "$.parties[0].name", "PATTERN"),
    ({"parties.0.address.country": "Dubai"}, "$.parties[0].address.country", "PATTERN"),
    ({"attesters.0.sources": []}, "$.attesters[0].sources", "EMPTY"),
    ({"attesters.0.sources": ["a", "a"]}, "$.attesters[0].sources[1]", "TWICE"),
    ({"warehouses": "JAFZA"}, "$.warehouses", "TYPE"),
    ({"tranches.0.amount": 5}, f"{ONE}.amount", "TYPE"),
    ({"tranches.0.amount": {"bp": 1}}, f"{ONE}.amount.rule", "MISSING_FIELD"),
    ({"tranches.0.amount": {"rule": "ALL"}}, f"{ONE}.amount.rule", "WORD"),
    ({"tranches.0.amount.cap": 1}, f"{ONE}.amount.cap", "FOREIGN_FIELD"),
    ({"tranches.0.claims": []}, f"{ONE}.claims", "EMPTY"),
    ({"tranches.0.condition": {"not": {}}}, f"{ONE}.condition.not", "WORD"),
    ({"tranches.0.condition": ...}, f"{ONE}.condition", "MISSING_FIELD"),
    ({"tranches.0.on_false": "PAY"}, f"{ONE}.on_false", "WORD"),
    ({"calendar.cut_off": "24:00"}, "$.calendar.cut_off", "PATTERN"),
    ({"status_sla": "1h"}, "$.status_sla", "PATTERN"),
    ({"purpose_code": "goods"}, "$.purpose_code", "PATTERN"),
    ({"amends": "0f"}, "$.amends", "PATTERN"),
    ({"attempts_max": 0}, "$.attempts_max", "RANGE"),
    ({"form": "contract/2"}, "$.form", "WORD"),
    ({"parameters.x": 1.5}, "$.parameters.x", "DECIMAL_NUMBER"),
    ({"parameters.x": "a\u0000"}, "$.parameters.x", "PATTERN"),
    ({"parameters.x": [[[[[[[[[1]]]]]]]]]}, "$.parameters.x[0][0][0][0][0][0][0]", "RANGE"),
    ({"warehouses": [str(one) for one in range(1001)]}, "$.warehouses", "RANGE"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "code"), BAD, ids=str)
def test_a_bad_value_is_found_where_it_stands(
    changes: dict[str, Any], path: str, code: str
) -> None:
    """Values outside their types, words, forms and ranges: one finding with the path."""
    assert found(changed(document(), changes)) == {(path, code)}


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"{", b'"x"', b"\xff", b'{"a": 1, "a": 2}', b"[" * 100_000, b"NaN"],
)
def test_what_is_no_document_is_said(text: bytes) -> None:
    """Whatever is no JSON object of terms has a finding and no value."""
    read = contract_read.read(text)
    assert read.value is None
    assert read.findings


def test_a_name_that_stands_twice_is_refused() -> None:
    """Nobody knows which of two members counts, wherever they stand."""
    raw = json.dumps(document()).encode()
    for at, (old, path) in enumerate(
        [
            (b'"currency": "CNY"', "$.currency"),
            (b'"rule": "SHARE"', f"{ONE}.amount.rule"),
            (b'"first_bp": 3000', "$.parameters.first_bp"),
        ]
    ):
        assert raw.count(old) >= 1, at
        assert (path, "TWICE") in found(raw.replace(old, old + b", " + old, 1))


def test_the_schema_ships_as_the_reader_reads() -> None:
    """The JSON Schema for authors is made of the Structs: write it anew when this fails."""
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(json_schema()))


VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [document, free])
def test_the_schema_takes_what_the_reader_takes(
    name: str, make: Callable[[str], dict[str, Any]]
) -> None:
    """A general validator accepts every example, with a template and without."""
    assert list(VALIDATOR.iter_errors(make(name))) == []


LOOSE = ("TWICE", "RANGE")
"""What the schema does not say: equal members, depth, length of lists; nor control characters."""


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        one
        for one in BAD
        if one[2] not in LOOSE and "parameters" not in one[1] and "a\nb" not in one[0].values()
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_reader_refuses(
    changes: dict[str, Any], path: str, code: str
) -> None:
    """A general validator refuses it, too; so it does with what comes later."""
    assert list(VALIDATOR.iter_errors(json.loads(changed(document(), changes)))), (path, code)
    assert list(VALIDATOR.iter_errors(document() | {"risk": {}}))
