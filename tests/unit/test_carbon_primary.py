"""Suppliers' footprints as primary data."""

import json
from decimal import Decimal
from typing import Any

import carbon_document_world as w
import pytest

from supplytwin.processors.carbon_exchange import Document, read
from supplytwin.processors.carbon_primary import Origin, origin, primary
from supplytwin.schemas.errors import RecordError


def document(**changes: Any) -> Document:
    """The corrected example of the standard, with other fields of `pcf`, `top` or `tce`."""
    value = json.loads(w.fixture("g20-two-elements.json"))
    value["extensions"][0]["data"]["tces"][1].update(changes.get("tce", {}))
    value["pcf"].update(changes.get("pcf", {}))
    value.update(changes.get("top", {}))
    (one,) = read(w.raw(value)).documents
    return one


def test_each_element_comes_with_its_numbers_and_its_source() -> None:
    """WTW and TTW as stated; share, id and standard are those of the footprint."""
    one = document()
    first, second = primary(one, origin(one))
    assert (first.tce_id, first.shipment_id, first.transport_activity_tkm) == (
        "abcdef", "1237890", Decimal("36.801")
    )  # fmt: skip
    assert (second.co2e_wtw_kg, second.co2e_ttw_kg) == (
        Decimal("4.74759"), Decimal("4.272831")
    )  # fmt: skip
    assert (
        first.origin
        == second.origin
        == Origin(
            source_id="fb1faac2-7712-458a-a1db-bace3a44abb4",
            spec="iLEAP 1.0 in PACT 2.3.0",
            primary_share_percent=Decimal("43.67"),
            company="Carrier",
            gwp="AR6",
        )
    )


def test_a_shipment_footprint_alone_says_neither_share_nor_id() -> None:
    """Both are given beside it, or it is refused by name."""
    inner = json.loads(w.fixture("g20-two-elements.json"))["extensions"][0]["data"]
    (alone,) = read(w.raw(inner)).documents
    with pytest.raises(RecordError, match="primaryDataShare"):
        origin(alone, source_id="mail 7")
    with pytest.raises(RecordError, match="source_id"):
        origin(alone, share_percent=Decimal(0))
    with pytest.raises(RecordError, match="101 is no share"):
        origin(alone, source_id="mail 7", share_percent=Decimal(101))
    found = origin(alone, source_id="mail 7", share_percent=Decimal(0))
    assert (found.source_id, found.primary_share_percent, found.spec) == ("mail 7", 0, "iLEAP 1.0")
    assert (found.company, found.gwp) == (None, None)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no share": ({"pcf": {"primaryDataShare": None}}, "primaryDataShare: is not stated"),
    "replaced": ({"top": {"status": "Deprecated"}}, "Deprecated"),
    "contradiction": ({"tce": {"co2eTTW": "5"}}, r"tces\[1\]\.co2eTTW"),
    "no extension": ({"top": {"extensions": []}}, "has nothing of iLEAP"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_missing_is_named(name: str) -> None:
    """Nothing is estimated: the refusal says what to ask for."""
    changes, reason = REFUSED[name]
    with pytest.raises(RecordError, match=reason):
        one = document(**changes)
        primary(one, origin(one))


def test_an_intensity_is_no_footprint_of_an_element() -> None:
    """A TOC is not taken for a shipment."""
    toc = read(w.fixture("n1-transposed.json")).documents[-1]
    by = origin(toc, source_id="mail 7", share_percent=Decimal(100))
    with pytest.raises(RecordError, match="has a TOC"):
        primary(toc, by)
