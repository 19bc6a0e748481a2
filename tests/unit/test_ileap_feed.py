"""Operators' footprints as facts of the stream: `supplytwin feed ileap`."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from carbon_document_world import CARBON
from feed_world import World

from supplytwin.processors.feeds import Given
from supplytwin.processors.ileap_feed import document
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import SHIPMENTS, Event, ShipmentFootprint, ShipmentNoted
from supplytwin.schemas.rfc3339 import moment

Json = dict[str, Any]
G20 = CARBON / "g20-two-elements.json"
CREATED = "2022-05-22T21:47:32Z"
WHO = "ileap:urn:epc:id:sgln:4063973.00000.8"


def changed(change: Callable[[Json, list[Json]], None], source: Path = G20) -> bytes:
    """The corrected example of the standard with a change: of the document, or of its elements."""
    value = json.loads(source.read_text())
    change(value, value["extensions"][0]["data"]["tces"])
    return json.dumps(value).encode()


def events(data: bytes, given: Given | None = None) -> list[Event]:
    """What a file becomes that is right."""
    found = document(data, given)
    assert not found.refused, found.refused[0].error
    return list(found.events)


def refusal(data: bytes, given: Given | None = None) -> str:
    """Why a file is refused, as a whole and under no chain."""
    found = document(data, given)
    (one,) = found.refused
    assert (found.events, one.body, one.chain) == ((), data, None)
    return str(one.error)


def test_each_transport_is_a_fact_with_what_its_operator_states() -> None:
    """Numbers, share from 0 to 1, footprint, standard; who states it and when; the element as it
    came is kept. Without times it happened when it was stated.
    """
    first, second = events(G20.read_bytes())
    assert isinstance(second, ShipmentFootprint)
    assert (second.co2e_wtw_kg, second.co2e_ttw_kg, second.activity_tkm) == (
        Decimal("4.74759"), Decimal("4.272831"), Decimal("27.927")
    )  # fmt: skip
    assert (second.primary_share, second.source_id, second.spec) == (
        Decimal("0.4367"), "fb1faac2-7712-458a-a1db-bace3a44abb4", "iLEAP 1.0 in PACT 2.3.0"
    )  # fmt: skip
    assert (second.event_id, second.source, second.chain_id) == ("1237890/ghijkl", WHO, "1237890")
    assert (second.subject_type, second.subject_id) == ("CONSIGNMENT", "1237890")
    created = moment(CREATED).micros
    assert (second.event_time, second.recorded_time, second.revision) == (created,) * 3
    assert (second.classifier, second.leg_no, first.event_type) == (
        "ACTUAL", None, "shipment.footprint"
    )  # fmt: skip
    said = json.loads(G20.read_text())["extensions"][0]["data"]["tces"][1]
    assert json.loads(second.original or b"") == said
    assert codec.read(SHIPMENTS, codec.encode(SHIPMENTS, second)) == second


def test_an_element_that_is_called_like_a_leg_is_that_leg() -> None:
    """CONSIGNMENT/NUMBER is how our own legs are called, and leave; the consignment is the
    element's own, where it has one.
    """

    def legs(value: Json, tces: list[Json]) -> None:
        tces[0] |= {"tceId": "ASN-8/1", "consignmentId": "ASN-8"}
        tces[1] |= {"tceId": "1237890/2", "prevTceIds": ["ASN-8/1"]}

    def others(value: Json, tces: list[Json]) -> None:
        tces[0] |= {"tceId": "ASN-9/1", "consignmentId": "ASN-8"}
        tces[1] |= {"tceId": "1237890/2+hub", "prevTceIds": []}

    made = events(changed(legs), Given(chain="PO-1"))
    assert [(one.chain_id, one.subject_id, one.leg_no) for one in made  # type: ignore[attr-defined]
            ] == [("PO-1", "ASN-8", 1), ("PO-1", "1237890", 2)]  # fmt: skip
    assert [one.leg_no for one in events(changed(others))] == [None, None]  # type: ignore[attr-defined]


def test_it_happened_when_it_arrived() -> None:
    """Else when it left; what is to come has emitted nothing."""

    def timed(value: Json, tces: list[Json]) -> None:
        tces[0] |= {"departureAt": "2021-03-01T10:00:00Z", "arrivalAt": "2021-03-02T10:00:00Z"}
        tces[1] |= {"departureAt": "2021-03-03T10:00:00Z"}

    first, second = events(changed(timed))
    assert (first.event_time, second.event_time) == (
        moment("2021-03-02T10:00:00Z").micros, moment("2021-03-03T10:00:00Z").micros
    )  # fmt: skip

    def ahead(value: Json, tces: list[Json]) -> None:
        tces[1] |= {"arrivalAt": "2022-06-01T10:00:00Z"}

    said = refusal(changed(ahead))
    assert "$.extensions[0].data.tces[1].arrivalAt" in said and "when it has happened" in said


def test_a_footprint_alone_is_told_who_when_and_how_much_is_primary() -> None:
    """iLEAP has no field for them: each is asked for by its option, never invented."""
    inner = json.loads(G20.read_text())["extensions"][0]["data"]
    data = json.dumps(inner).encode()
    share, recorded = Decimal("43.67"), moment("2022-01-01T00:00:00Z").micros
    assert "primaryDataShare: is not stated" in refusal(data)
    assert "give --recorded" in refusal(data, Given(share_percent=share))
    given = Given(share_percent=share, recorded=recorded, source="carrier")
    one, _ = events(data, given)
    assert isinstance(one, ShipmentFootprint)
    assert (one.source, one.source_id, one.spec) == ("ileap:carrier", "1237890", "iLEAP 1.0")
    assert (one.event_time, one.primary_share) == (recorded, Decimal("0.4367"))


def test_hubs_and_what_has_no_emissions_are_counted() -> None:
    """A hub is noted with its number; TOCs, HOCs and TADs beside a shipment are what it was
    computed from; a file of them alone says nothing that was emitted.
    """
    value = json.loads((CARBON / "n1-transposed.json").read_text())
    shipment = value["data"][0]
    shipment["extensions"][0]["data"]["tces"][2] |= {"co2eWTW": "1962.72"}
    shipment["pcf"] |= {"pCfExcludingBiogenic": "3401.16", "fossilGhgEmissions": "3401.16"}
    found = document(json.dumps(value).encode())
    assert (found.accepted, len(found.events)) == (6, 3)
    assert found.noted == {"TOC": 2, "HOC": 1, "hub operation": 1}
    hub = found.events[1]
    assert isinstance(hub, ShipmentNoted)
    assert hub.text == "hub operation tce-2-hoc-transshipment-1: 1320 kg CO2e WTW"
    assert "carbon calculate --supplier" in refusal(json.dumps(value["data"][1:]).encode())


@pytest.mark.parametrize(
    ("name", "path"),
    [("n1-transposed", "$.data[0].extensions[0].data.tces[2].co2eWTW: EMISSIONS"),
     ("n2-activity", "$.extensions[0].data.tces[0].transportActivity: TKM"),
     ("n2-comma", "$.pcf.fossilGhgEmissions: DECIMAL_COMMA"),
     ("n3-share", "$.pcf.primaryDataShare: PRIMARY_SHARE_BY_TKM")],
)  # fmt: skip
def test_what_the_checker_finds_is_no_fact(name: str, path: str) -> None:
    """The traps of published documents: refused with path, numbers and what to do."""
    said = refusal((CARBON / f"{name}.json").read_bytes())
    assert path in said and "carbon validate" in said


def test_many_digits_become_those_of_an_event() -> None:
    """Nine decimals, half to even; the original keeps all of them."""

    def long(value: Json, tces: list[Json]) -> None:
        tces[0] |= {"co2eWTW": "3.6801000000000000005"}

    first, _ = events(changed(long))
    assert isinstance(first, ShipmentFootprint)
    assert first.co2e_wtw_kg == Decimal("3.6801")
    assert b"3.6801000000000000005" in (first.original or b"")


def test_a_fact_reaches_its_consignment_and_its_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the worker: in the journal under both; sent again it changes nothing, a later
    statement of the same element counts instead.
    """

    def legs(value: Json, tces: list[Json]) -> None:
        tces[0]["tceId"], tces[1]["tceId"] = "1237890/1", "1237890/2"
        tces[1]["prevTceIds"] = ["1237890/1"]

    def later(value: Json, tces: list[Json]) -> None:
        legs(value, tces)
        value |= {"created": "2022-06-22T21:47:32Z", "version": 1}
        tces[1] |= {"co2eWTW": "5.74759"}
        value["pcf"] |= {"pCfExcludingBiogenic": "9.42769", "fossilGhgEmissions": "9.42769",
                         "primaryDataShare": 20}  # fmt: skip

    world = World(monkeypatch, simulated=True)
    summary = world.fed("ileap", "-", stdin=changed(legs))
    assert summary["by_type"] == {"shipment.footprint": 2}
    assert summary["body_only"] == {"distance": 2, "mass": 2, "prevTceIds": 2, "tocId": 2}
    world.fed("ileap", "-", stdin=changed(legs))
    facts = world.facts()
    assert len(facts) == 2
    twin = world.state("1237890").twin
    for key in (("CONSIGNMENT", "1237890"), ("LEG", "1237890/1"), ("LEG", "1237890/2")):
        assert SubjectKey(*key) in twin.subjects
    world.fed("ileap", "-", stdin=changed(later))
    versions = [one.event_id for one in world.events()]
    assert versions.count("1237890/1237890/2") == 3


def test_a_refused_document_holds_no_chain_and_is_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It lies in the quarantine under a key of its own; corrected, it is read with the options of
    the feed.
    """
    world = World(monkeypatch)
    inner = json.loads(G20.read_text())["extensions"][0]["data"]
    inner["tces"][1] |= {"transportActivity": "2792.7"}
    told = world.fed("ileap", "-", "--share", "43.67", "--recorded", CREATED,
                     stdin=json.dumps(inner).encode())  # fmt: skip
    (one,) = told["refused"]
    assert one["field"] == "$.tces[1].transportActivity" and one["chain"].startswith("ileap:")
    (place,) = world.refused()
    inner["tces"][1] |= {"transportActivity": "27.927"}
    body = tmp_path / "corrected.json"
    body.write_text(json.dumps(inner))
    done = world.act("release", place, "--body", str(body))
    assert done.exit_code == 0, done.output
    made = world.events()
    assert [one.event_type for one in made] == ["shipment.footprint"] * 2
    assert isinstance(made[0], ShipmentFootprint)
    assert made[0].primary_share == Decimal("0.4367")


WRONG: dict[str, tuple[Json, str]] = {
    "share in percent": ({"primary_share": Decimal("43.67")}, "divide percent by 100"),
    "negative share": ({"primary_share": Decimal("-0.1")}, "share from 0 to 1"),
    "negative emissions": ({"co2e_wtw_kg": Decimal(-1), "co2e_ttw_kg": None}, "co2e_wtw_kg"),
    "operation above all": ({"co2e_ttw_kg": Decimal(5)}, "co2e_ttw_kg: 5 is more than"),
    "nobody's": ({"source_id": ""}, "source_id"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_fact_that_contradicts_itself_is_refused(name: str) -> None:
    """On the wire, by field: whoever produced it."""
    changes, says = WRONG[name]
    _, event = events(G20.read_bytes())
    wrong = type(event)(
        **{field: getattr(event, field) for field in event.__struct_fields__} | changes
    )
    with pytest.raises(RecordError, match=says):
        codec.strict(SHIPMENTS, codec.encode(SHIPMENTS, wrong))
