"""The event hash id of CBV 2.0, against the vectors of its reference tool; GS1 keys."""

import json
from pathlib import Path

import pytest

from supplytwin.schemas import epcis
from supplytwin.schemas.epcis_hash import event_hash
from supplytwin.schemas.gs1 import canonical, check_digit, digital_link, identity, kept, lot_of

DATA = Path(__file__).resolve().parents[1] / "data" / "epcis"
VECTORS = sorted((DATA / "hashes").glob("*.jsonld"))


def hashes(path: Path) -> list[str]:
    """The hash ids of a file's events, whatever eventID they have."""
    return [event_hash(event.fields) for event in epcis.read(path.read_bytes()).events]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_published_vectors(path: Path) -> None:
    """Every event without an id of its own gets the one that the reference tool gives it."""
    document = json.loads(path.read_text())
    body = document["epcisBody"]
    if "event" in body:  # one document holds a single event in a form of its own
        body = document["epcisBody"] = {"eventList": [body["event"]]}
    elif "queryResults" in body:
        body = body["queryResults"]["resultsBody"]
    for event in body["eventList"]:
        event.pop("eventID", None)
    reading = epcis.read(json.dumps(document).encode())
    assert not reading.refused
    expected = path.with_suffix(".hashes").read_text().split()
    assert [event.event_id for event in reading.events] == expected


def test_there_are_vectors() -> None:
    """All of the tool's JSON documents but two of a private option."""
    assert len(VECTORS) == 20


def test_an_error_declaration_has_the_hash_of_what_it_cancels() -> None:
    """Declared or not, recorded or not, with or without an id: one hash."""
    path = DATA / "Documents" / "ObjectEvent_with_error_declaration.json"
    document = json.loads(path.read_text())
    first = document["epcisBody"]["eventList"][0]
    (declared, _) = hashes(path)
    del first["errorDeclaration"]
    first["recordTime"] = "2020-01-01T00:00:00Z"
    plain = epcis.read(json.dumps(document).encode()).events[0]
    assert event_hash(plain.fields) == declared
    first["bizStep"] = "storing"
    other = epcis.read(json.dumps(document).encode()).events[0]
    assert event_hash(other.fields) != declared


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("urn:epc:id:sgtin:4012345.011111.98%22", "01/04012345111118/21/98%22"),
        ("urn:epc:id:sgtin:415056789012.0.987654", "01/04150567890128/21/987654"),
        ("urn:epc:id:sgtin:0614141.812345.6789()", "01/80614141123458/21/6789%28%29"),
        ("urn:epc:id:sscc:4012345.3111111111", "00/340123451111111111"),
        ("urn:epc:id:sgln:4012345.00005.0", "414/4012345000054"),
        ("urn:epc:id:sgln:4012345.00005.122", "414/4012345000054/254/122"),
        ("urn:epc:id:pgln:999999999999.", "417/9999999999994"),
        ("urn:epc:id:grai:4012345.00022.334455", "8003/04012345000221334455"),
        ("urn:epc:id:giai:4012345.ABC345", "8004/4012345ABC345"),
        ("urn:epc:id:gdti:987659999999..9", "253/98765999999929"),
        ("urn:epc:id:cpi:0614141.11-A%23.1234", "8010/061414111-A%23/8011/1234"),
        ("urn:epc:id:itip:4012345.011111.01.02.987", "8006/040123451111180102/21/987"),
        ("urn:epc:class:lgtin:4012345.012345.Lot", "01/04012345123456/10/Lot"),
        ("urn:epc:idpat:sgtin:4012345.012345.*", "01/04012345123456"),
        ("urn:epc:idpat:itip:4012345.012345.01.02.*", "8006/040123451234560102"),
        ("http://example.com/gtin/9780345418913/cpv/3/lot/12/ser/76?a=b#c",
         "01/09780345418913/21/76"),
        ("https://example.com/x/8006/040123451234560102/22/AB/10/XYZ",
         "8006/040123451234560102/10/XYZ"),
        ("https://example.co.uk/party/4226350800008", "417/4226350800008"),
        ("urn:epc:id:sgtin:4012345.0111.1", None),
        ("urn:epc:idpat:sgln:4012345.00005.*", None),
        ("http://example.org/123/4012345ABC987/456/4711", None),
        ("http://id.gs1.org/01/9780345418913/99/u", None),
        ("http://example.de/01/97803", None),
        ("https://example.org", None),
    ],
)  # fmt: skip
def test_keys_in_one_spelling(uri: str, expected: str | None) -> None:
    """EPC URIs, classes, patterns and links of any domain; what is no key stays as it is."""
    link = None if expected is None else f"https://id.gs1.org/{expected}"
    assert digital_link(uri) == link
    assert canonical(uri) == (link or uri)
    assert canonical(canonical(uri)) == canonical(uri)


KEY = "https://id.gs1.org"


@pytest.mark.parametrize(
    ("uri", "called", "same"),
    [
        ("urn:epc:id:sgtin:4012345.011111.1", f"{KEY}/01/04012345111118/21/1", False),
        (f"{KEY}/gtin/4012345111118/ser/1", f"{KEY}/01/04012345111118/21/1", False),
        ("https://brand.example/01/04012345111118/21/1", f"{KEY}/01/04012345111118/21/1", True),
        (f"{KEY}/01/04012345111118/10/L/21/1", f"{KEY}/01/04012345111118/21/1", True),
        (f"{KEY}/01/04012345111118/21/1?3103=000195", f"{KEY}/01/04012345111118/21/1", True),
        ("https://brand.example/shop/01/04012345111118", f"{KEY}/01/04012345111118", True),
        ("https://brand.example/shop/01/04012345111119", None, True),
        ("https://brand.example/401/45000123", f"{KEY}/401/45000123", True),
        ("https://erp.example/po/401/45000123", None, True),
        ("https://erp.example/po/00/123456789012345678", None, True),
        ("https://erp.example/po/00/123456789012345675", f"{KEY}/00/123456789012345675", True),
        (f"{KEY}/po/401/45000123", f"{KEY}/401/45000123", True),
        ("https://example.org/x", None, True),
    ],
)  # fmt: skip
def test_what_is_kept_of_a_link_and_what_the_thing_is_called(
    uri: str, called: str | None, *, same: bool
) -> None:
    """Kept is all that a link says; called is its key, where somebody means one."""
    assert identity(uri) == (called or uri)
    assert kept(uri) == (uri if same else called)
    assert kept(kept(uri)) == kept(uri)
    assert identity(kept(uri)) == identity(uri)


@pytest.mark.parametrize(
    ("uri", "lot"),
    [
        ("https://brand.example/01/9506000134352/10/L7/21/S1?17=1", "01/09506000134352/10/L7"),
        ("https://brand.example/gtin/9506000134352/lot/L7/ser/01", "01/09506000134352/10/L7"),
        ("https://id.gs1.org/01/09506000134352/21/S1", None),
        ("https://id.gs1.org/8006/040123451234560102/10/XYZ", None),
        ("urn:epc:id:sgtin:4012345.011111.1", None),
    ],
)
def test_the_lot_that_a_link_names(uri: str, lot: str | None) -> None:
    """Beside a serial number, too."""
    assert lot_of(uri) == (None if lot is None else f"{KEY}/{lot}")


def test_check_digits() -> None:
    """Of the General Specifications' own example."""
    assert check_digit("629104150021") == "3"
    assert check_digit("37610425002123456") == "9"
