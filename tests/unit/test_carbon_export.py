"""Computed chains leave as documents of iLEAP and PACT: whole, valid, and with the same numbers."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import carbon_document_world as documents
import pytest
from carbon_world import factor, leg, request, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_carbon_documents import FORMS, judged
from test_carbon_laws import requests

from supplytwin.processors import carbon_check
from supplytwin.processors.carbon_chain import calculate
from supplytwin.processors.carbon_exchange import Form, read
from supplytwin.processors.carbon_export import Export, export, shipments
from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.carbon_parts import total
from supplytwin.processors.carbon_statement import Papers, Told, papers
from supplytwin.schemas import factors, ileap, strict
from supplytwin.schemas.calculated import Refused, Result
from supplytwin.schemas.calculation import Request
from supplytwin.schemas.errors import UsageError

Json = dict[str, Any]
PACKS = [factors.load(name) for name in factors.BUILT_IN.values()]
SHELF = Shelf(PACKS[:1], PACKS)
TOLD = Told(
    company_name="Carrier",
    company_ids=("urn:epc:id:sgln:4063973.00000.8",),
    created="2026-02-01T10:00:00Z",
    exempted_percent=Decimal(0),
    exempted_description="",
    boundary="ISO 14083:2023, WTW",
    gwp=("AR5", "AR6"),
    general_standards=("GHG Protocol Product standard",),
    tonnes_per_teu=Decimal(10),
)
DIESEL = {"carrier": "diesel", "quantity": "20", "unit": "l",
          "factor": {"unit": "kg/l", "wtt": "0.8", "ttw": "2.6", "pack": "GLEC-3.1",
                     "gwp": "AR6", "source": "GLEC", "page": "p. 1"}}  # fmt: skip
POWER = {"carrier": "electricity", "quantity": "30", "unit": "kWh",
         "factor": {"unit": "kg/kWh", "wtw": "0.4", "gwp": "AR6", "source": "grid"}}  # fmt: skip


def computed(asked: Json) -> tuple[Request, Result]:
    """A request and what the calculator makes of it."""
    found = strict.read(json.dumps(asked).encode(), Request)
    assert found.value is not None and not found.findings, found.findings
    result = calculate(found.value, PACKS[:1], PACKS)
    assert isinstance(result, Result), result
    return found.value, result


def left(asked: Json, form: Form = "ileap", told: Told | None = TOLD, **more: Any) -> Papers:
    """The documents of a request, one shipment."""
    said, result = computed(asked)
    leaves = export(said, result, SHELF, **more)
    assert isinstance(leaves, Export), leaves
    made = papers(said, result, leaves, SHELF.packs, form, told)
    assert isinstance(made, Papers), made
    return made


def refused(asked: Json, form: Form = "ileap", told: Told | None = TOLD, **more: Any) -> Json:
    """Code of each reason, by path."""
    said, result = computed(asked)
    leaves = export(said, result, SHELF, **more)
    made = leaves
    if isinstance(leaves, Export):
        made = papers(said, result, leaves, SHELF.packs, form, told)  # type: ignore[assignment]
    assert isinstance(made, Refused), made
    return {one.path: one.code for one in made.findings}


def values(made: Papers, kind: str) -> list[Json]:
    """The JSON of each document of a kind."""
    return [json.loads(one.raw) for one in made.papers if one.kind == kind]


TIMES = st.none() | st.just(("2025-03-01T10:00:00Z", "2025-03-02T10:00:00Z"))
PLACES = st.sampled_from([None, "Angola", "Hamburg, DE", "NLRTM", "somewhere"])


@st.composite
def leaving(draw: st.DrawFn) -> Json:
    """A random chain with places, times, energies that iLEAP knows, and up to two consignments."""
    asked: Json = draw(requests())
    asked["period"] = {"first": "2025-01-01", "last": "2025-12-31"}
    names = draw(st.sampled_from([(None,), ("C1",), ("C1", "C2")]))
    for one in asked["tces"]:
        name, time = draw(st.sampled_from(names)), draw(TIMES)
        one |= {"consignment_id": name, "from_place": draw(PLACES), "to_place": draw(PLACES)}
        if time is not None and "hub_type" not in one:
            one |= {"departure_at": time[0], "arrival_at": time[1]}
            one["prev_tce_ids"] = []
    for one in (*asked["tces"], *asked["tocs"], *asked["rounds"]):
        for amount in one.get("energy", ()):
            amount["carrier"] = draw(st.sampled_from(["diesel", "HVO", "electricity", "peat"]))
    return asked


def test_random_calculations_leave_and_come_back(required: Callable[[str], Any]) -> None:
    """Every shipment of a random chain is valid in every form and read again as it was; the checker
    finds nothing and misses only the categories that were said to be left out; the sums are the
    result's, to the last digit.
    """
    count, done = required("carbon_exports"), 0

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(leaving())
    def law(asked: Json) -> None:
        nonlocal done
        said, result = computed(asked)
        for form in FORMS:
            wtw, ttw, tkm, elements = [], [], [], 0
            for name in shipments(said):
                leaves = export(said, result, SHELF, name, Decimal(1))
                assert isinstance(leaves, Export), leaves
                shipment = leaves.leaving[0].subject
                assert isinstance(shipment, ileap.ShipmentFootprint)
                wtw += [tce.co2e_wtw for tce in shipment.tces]
                ttw += [tce.co2e_ttw for tce in shipment.tces]
                tkm += [tce.transport_activity for tce in shipment.tces]
                elements += len(shipment.tces)
                made = papers(said, result, leaves, SHELF.packs, form, TOLD)
                if isinstance(made, Refused):
                    assert form != "ileap" and hopeless(made, shipment), made
                    continue
                told_again(made, leaves, form)
            assert elements == len(said.tces)
            assert total(wtw) == result.co2e.co2e_wtw_kg
            assert total(ttw) == result.co2e.co2e_ttw_kg
            assert total(tkm) == result.transport_activity_tkm
        done += 1

    law()
    count.done(done)


def hopeless(made: Refused, shipment: ileap.ShipmentFootprint) -> bool:
    """Whether PACT has no place for it: no tkm, or no emissions of which data could be primary."""
    codes = {one.code for one in made.findings}
    nothing = not any(one.co2e_wtw for one in shipment.tces)
    hubs = not any(one.transport_activity for one in shipment.tces)
    return codes <= {*(["NO_TKM"] if hubs else []), *(["SHARE_UNKNOWN"] if nothing else [])}


def told_again(made: Papers, leaves: Export, form: Form) -> None:
    """Each document is valid and says what was to be said; together they agree."""
    subjects = [one.subject for one in leaves.leaving
                if form == "ileap" or not isinstance(one.subject, ileap.TAD)]  # fmt: skip
    idle = [one.subject for one in leaves.leaving
            if not any(each.co2e.co2e_wtw_kg for each in one.elements)]  # fmt: skip
    subjects = [one for one in subjects if form == "ileap" or one not in idle]
    assert len(subjects) == len(made.papers)
    for subject, paper in zip(subjects, made.papers, strict=True):
        if isinstance(subject, ileap.TAD):
            assert not list(documents.published("tad").iter_errors(json.loads(paper.raw)))
        else:
            assert not judged(paper.raw, form, type(subject))
        (again,) = read(paper.raw).documents
        assert (again.form, again.inner) == (form, subject)
    report = carbon_check.check(b"[" + b",".join(one.raw for one in made.papers) + b"]")
    assert not report.findings
    for text in report.unchecked:
        name = text.split("Id ", 1)[1].removesuffix(" is not in the file: intensity unknown")
        assert any(f" {name} is left out" in one.says for one in made.left_out)
    if form != "ileap":
        pcf = json.loads(made.papers[0].raw)["pcf"]
        inner = json.loads(made.papers[0].raw)["extensions"][0]["data"]["tces"]
        whole = total(Decimal(one["co2eWTW"]) for one in inner)
        assert whole == Decimal(pcf["fossilGhgEmissions"])


def toc(**more: Any) -> Json:
    """A category of 100 l diesel over 1,000 tkm."""
    energy = [DIESEL | {"quantity": "100"}]
    return {"toc_id": "fleet", "mode": "ROAD", "distance_basis": "ACTUAL",
            "activities": [{"tkm": "1000"}], "energy": energy, **more}  # fmt: skip


def by_toc(name: str, **more: Any) -> Json:
    """A leg of 1 t over 100 km by that category."""
    made = leg(name, toc_id="fleet", **more)
    del made["mode"]
    return made


def test_a_category_leaves_with_its_energy_and_its_adjustment() -> None:
    """Activity x intensity is the emissions, so the adjustment is inside; who has none of it names
    the category itself. Consumption x emission factor is the intensity.
    """
    made = left(request(by_toc("a"), by_toc("b", distance_basis="ACTUAL"), tocs=[toc(what="own")]))
    adjusted, plain = values(made, "toc")
    assert (adjusted["tocId"], plain["tocId"]) == ("fleet;daf=1.05", "fleet")
    assert plain == {
        "tocId": "fleet", "description": "own", "mode": "Road", "energyCarriers": [
            {"energyCarrier": "Diesel", "relativeShare": "1", "energyConsumption": "0.1",
             "energyConsumptionUnit": "l", "emissionFactorWTW": "3.4", "emissionFactorTTW": "2.6"}],
        "co2eIntensityWTW": "0.34", "co2eIntensityTTW": "0.26", "transportActivityUnit": "tkm",
    }  # fmt: skip
    assert adjusted["co2eIntensityWTW"] == "0.357"
    assert adjusted["energyCarriers"][0]["energyConsumption"] == "0.105"
    (shipment,) = values(made, "shipment")
    assert [one["tocId"] for one in shipment["tces"]] == ["fleet;daf=1.05", "fleet"]
    assert [one["distance"] for one in shipment["tces"]] == [{"sfd": "100"}, {"actual": "100"}]
    assert not made.left_out


def test_shares_of_energies_are_said_or_the_category_stays() -> None:
    """iLEAP wants the part of the activity by each energy, which no amount tells: it is given, or
    the category is left out by name. Two amounts of one energy are one.
    """
    for shares, said in (((None, None), None), (("0.7", "0.3"), ["0.7", "0.3"]),
                         (("0.7", "0.2"), None), (("0", "1"), None)):  # fmt: skip
        energy = [one | {"activity_share": share}
                  for one, share in zip((DIESEL, POWER), shares, strict=True)]  # fmt: skip
        made = left(request(by_toc("a"), tocs=[toc(energy=energy)]))
        if said is None:
            assert not values(made, "toc")
            (note,) = made.left_out
            assert (note.path, note.code) == ("$.tces[0]", "ENERGY_SHARES")
        else:
            (found,) = values(made, "toc")
            assert [one["relativeShare"] for one in found["energyCarriers"]] == said
            assert found["energyCarriers"][1]["emissionFactorTTW"] == "0"
    twice = left(request(by_toc("a"), tocs=[toc(energy=[DIESEL, DIESEL])]))
    (one,) = values(twice, "toc")[0]["energyCarriers"]
    assert (one["relativeShare"], one["energyConsumption"]) == ("1", "0.042")


HUB: Json = {"tce_id": "h", "mass_kg": "1000", "hub_type": "Warehouse", "energy": [DIESEL]}
LEFT_OUT: dict[str, tuple[Json, str, str]] = {
    "a published default": (leg(), "ENERGY_CARRIERS", "nobody states any"),
    "a fuel without a word": (leg(energy=[DIESEL | {"carrier": "peat"}]), "ENERGY_CARRIERS",
                              "no word for peat"),
    "nothing used": (leg(energy=[DIESEL | {"quantity": "0"}]), "ENERGY_CARRIERS", "are 0"),
    "another hub": (HUB | {"hub_type": "Shed"}, "HUB_TYPE", "Shed is not one of"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_nobody_knows_of_a_category_is_named(name: str) -> None:
    """The shipment leaves, its category does not: nothing is invented for it."""
    element, code, why = LEFT_OUT[name]
    made = left(request(element))
    assert [one.kind for one in made.papers] == ["shipment"]
    (note,) = made.left_out
    assert (note.code, why in note.says) == (code, True)


def test_a_modelled_vehicle_leaves_with_its_load() -> None:
    """Load factor and empty running are what iLEAP calls them, and the fuel's factor is stated."""
    model = {
        "load_factor": "0.6", "empty_distance_factor": "0.17", "capacity_kg": "25000",
        "consumption": {"carrier": "diesel", "unit": "l", "empty_per_km": "0.2",
                        "full_per_km": "0.35", "factor": DIESEL["factor"]},
        "distance_basis": "ACTUAL", "source": "handbook",
    }  # fmt: skip
    (found,) = values(left(request(leg(model=model))), "toc")
    assert (found["tocId"], found["loadFactor"], found["emptyDistanceFactor"]) == (
        "test;tce=1", "0.6", "0.17"
    )  # fmt: skip
    assert found["energyCarriers"][0]["emissionFactorWTW"] == "3.4"


def test_containers_at_sea_are_counted_in_teu() -> None:
    """An intensity per TEU-km stays one for ships; on the road, where TEU measure nothing, the
    element has its own per tkm. PACT wants the tonnes of a TEU for it.
    """
    by = factor("0.5", "kg/TEU-km", ttw="0.4")
    boxes = [{"size": "40HC", "count": 2}]
    element = {"tce_id": "1", "mode": "SEA", "containers": boxes, "distance_km": "1000",
               "distance_basis": "SFD", "factor": by}  # fmt: skip
    made = left(request(element))
    (tce,) = values(made, "shipment")[0]["tces"]
    assert (tce["packagingOrTrEqType"], tce["packagingOrTrEqAmount"]) == ("Container-TEU", "4.5")
    assert tce["tocId"].startswith("given 0.5 kg/TEU-km #")
    (tce,) = values(left(request(element | {"mode": "ROAD"})), "shipment")[0]["tces"]
    assert tce["tocId"] == "test;tce=1"


def test_activity_data_are_said_where_both_places_and_times_are() -> None:
    """A TAD has no emissions: where, when, how far, how much; one place less and there is none."""
    told = {"from_place": "Angola", "to_place": "Hamburg, DE", "flight_no": "LH1"}
    told |= {"departure_at": "2025-03-01T10:00:00Z", "arrival_at": "2025-03-01T20:00:00Z"}
    one = leg(energy=[DIESEL], temperature_control="refrigerated", **told)
    made = left(request(one))
    (tad,) = values(made, "tad")
    assert tad == {
        "activityId": "test;tce=1", "consignmentIds": ["test"], "distance": {"sfd": "100"},
        "mass": "1000", "origin": {"city": "Luanda", "country": "AO"},
        "destination": {"city": "Hamburg", "country": "DE"}, "mode": "Road",
        "departureAt": "2025-03-01T10:00:00Z", "arrivalAt": "2025-03-01T20:00:00Z",
        "energyCarriers": values(made, "toc")[0]["energyCarriers"],
        "temperatureControl": "refrigerated",
    }  # fmt: skip
    (tce,) = values(made, "shipment")[0]["tces"]
    assert (tce["flightNo"], tce["origin"]["city"]) == ("LH1", "Luanda")
    assert not values(left(request(one | {"to_place": "NLRTM"})), "tad")
    period = {"first": "2025-01-01", "last": "2025-12-31"}
    assert not values(left(request(one, period=period), "pact3"), "tad")


def test_one_consignment_leaves_with_the_order_of_its_own_elements() -> None:
    """Elements of others are left out, what lay before them stays before; a chain with one
    consignment is that consignment's.
    """
    asked = request(
        leg("a", consignment_id="C1"),
        leg("b", consignment_id="C2", prev_tce_ids=["a"]),
        leg("c", consignment_id="C1", prev_tce_ids=["b"]),
    )
    (shipment,) = values(left(asked, consignment_id="C1"), "shipment")
    assert shipment["shipmentId"] == "C1"
    assert [(one["tceId"], one["prevTceIds"]) for one in shipment["tces"]] == [
        ("a", []), ("c", ["a"]),
    ]  # fmt: skip
    (alone,) = values(left(asked, consignment_id="C2"), "shipment")
    assert alone["tces"][0]["prevTceIds"] == []
    one = request(leg("a", consignment_id="C1"), leg("b"))
    (whole,) = values(left(one), "shipment")
    assert (whole["shipmentId"], len(whole["tces"])) == ("C1", 2)
    assert all("prevTceIds" not in tce for tce in whole["tces"])  # no order is said


REFUSED: dict[str, tuple[Json, Json, dict[str, str]]] = {
    "a hole": (request(leg(), leg("2", mass=None) | {"mass_kg": None}), {},
               {"$.tces[1]": "MASS_UNKNOWN"}),
    "the sender's hole": (request(leg(), missing=[{"code": "X", "says": "y"}]), {}, {"$": "X"}),
    "planned": (request(leg(planned=True)), {}, {"$.tces[0]": "PLANNED"}),
    "no TTW": (request(leg(factor=factor())), {}, {"$.tces[0]": "TTW_UNKNOWN"}),
    "no emissions": (request(leg(), only="ACTIVITY"), {}, {"$.tces[0]": "NO_EMISSIONS"}),
    "two masses": (request(leg(), leg("2", mass="7")), {}, {"$.tces": "SHIPMENT_MASS"}),
    "whose": (request(leg(consignment_id="A"), leg("2", consignment_id="B"), leg("3")),
              {"consignment_id": "A"}, {"$.tces[2]": "CONSIGNMENT_UNKNOWN"}),
    "which": (request(leg(consignment_id="A"), leg("2", consignment_id="B")), {},
              {"$.tces": "CONSIGNMENT_UNKNOWN"}),
    "nobody's": (request(leg(consignment_id="A")), {"consignment_id": "B"},
                 {"$.tces": "EMPTY"}),
    "nothing": (request(tocs=[toc()]), {}, {"$.tces": "EMPTY"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_whole_does_not_leave(name: str) -> None:
    """Each hole is named with its element."""
    asked, more, findings = REFUSED[name]
    assert refused(asked, **more).items() >= findings.items()


def test_what_the_checker_would_find_does_not_leave() -> None:
    """Arrival before departure: the same finding as of `supplytwin carbon validate`."""
    late = leg(departure_at="2025-03-02T10:00:00Z", arrival_at="2025-03-01T10:00:00Z")
    assert list(refused(request(late)).values()) == ["TIMES"]


PERIOD = {"first": "2025-01-01", "last": "2025-12-31"}


def test_the_statement_says_what_the_factors_say() -> None:
    """The period ends where the next begins; the share is by emissions, not by tkm; sources are
    those of what is no primary intensity.
    """
    first = leg("a", km="423", mass="87", energy=[DIESEL | {"quantity": "1"}])
    second = leg("b", km="321", mass="87", factor=factor("0.17", ttw="0.153", gwp="AR6"),
                 prev_tce_ids=["a"])  # fmt: skip
    made = left(request(first, second, period=PERIOD), "pact3", told=TOLD_AR6)
    (said,) = values(made, "shipment")
    pcf = said["pcf"]
    assert (pcf["referencePeriodStart"], pcf["referencePeriodEnd"]) == (
        "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
    )  # fmt: skip
    assert Decimal(pcf["primaryDataShare"]) == round(Decimal(340) / Decimal("8.14759"), 6)
    assert pcf["ipccCharacterizationFactors"] == ["AR6"]
    assert pcf["secondaryEmissionFactorSources"] == [
        {"name": "GLEC", "version": "3.1"}, {"name": "test", "version": "not stated"},
    ]  # fmt: skip
    primary = second | {"factor": factor("0.17", ttw="0.153", gwp="AR6", data_type="PRIMARY")}
    (said,) = values(left(request(primary | {"prev_tce_ids": []}, period=PERIOD), "pact3",
                          told=TOLD_AR6), "shipment")  # fmt: skip
    assert "secondaryEmissionFactorSources" not in said["pcf"]
    packed = left(request(leg(), period=PERIOD), "pact2", told=TOLD_AR5)
    (said,) = values(packed, "shipment")
    assert said["pcf"]["secondaryEmissionFactorSources"] == [{"name": "desnz", "version": "2025"}]
    assert said["pcf"]["ipccCharacterizationFactorsSources"] == ["AR5"]


def other(**changes: Any) -> Told:
    """The statement with changes."""
    return Told(**{name: getattr(TOLD, name) for name in TOLD.__struct_fields__} | changes)


TOLD_AR5, TOLD_AR6 = other(gwp=()), other(gwp=("AR6",))
UNTOLD: dict[str, tuple[Json, Told, dict[str, str]]] = {
    "no report": (request(leg(factor=factor("0.1", ttw="0.1")), period=PERIOD), TOLD_AR5,
                  {"$.factors": "GWP_UNKNOWN"}),
    "another report": (request(leg(), period=PERIOD), TOLD_AR6, {"$.factors": "GWP_DIFFERS"}),
    "no period": (request(leg()), TOLD, {"$.period": "PERIOD_UNKNOWN"}),
    "hubs alone": (request(HUB, period=PERIOD), TOLD, {"$.tces": "NO_TKM"}),
    "nothing emitted": (request(leg(energy=[DIESEL | {"quantity": "0"}]), period=PERIOD), TOLD,
                        {"$.tces": "SHARE_UNKNOWN"}),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTOLD)
def test_what_pact_demands_and_nobody_says_is_named(name: str) -> None:
    """A product footprint without it does not leave."""
    asked, told, findings = UNTOLD[name]
    assert refused(asked, "pact3", told) == findings


OPTIONS = (
    "--company", "Carrier", "--company-id", "urn:epc:id:sgln:4063973.00000.8",
    "--created", "2026-02-01T10:00:00Z", "--exempted-percent", "0", "--exempted-description", "",
    "--boundary", "WTW", "--standard", "GHG Protocol Product standard",
)  # fmt: skip


def test_the_command_writes_lines_or_files(tmp_path: Path) -> None:
    """A line or a file for each document; what they name and nobody says goes to standard error;
    `carbon validate` has nothing to say against them.
    """
    text = json.dumps(request(by_toc("a"), HUB | {"prev_tce_ids": ["a"]}, tocs=[toc()]))
    code, said = run("export", "-", "--format", "ileap", text=text)
    assert code == 0
    assert [sorted(json.loads(line))[-2:] for line in said.splitlines()] == [
        ["shipmentId", "tces"], ["tocId", "transportActivityUnit"], ["hubActivityUnit", "hubType"],
    ]  # fmt: skip
    code, _ = run("export", "-", "--format", "pact2", "--out", str(tmp_path), *OPTIONS,
                  "--period", "2025-01-01..2025-12-31", text=text)  # fmt: skip
    assert code == 0
    files = sorted(path.name for path in tmp_path.iterdir())
    assert [name.split("-")[0] for name in files] == ["hoc", "shipment", "toc"]
    assert "shipment-test.json" in files
    everything = "[" + ",".join(path.read_text() for path in tmp_path.iterdir()) + "]"
    code, said = run("validate", "-", text=everything)
    assert (code, said.splitlines()[-1]) == (0, "findings: 0")


def test_the_command_writes_nothing_of_what_is_refused(tmp_path: Path) -> None:
    """Two consignments of which one has a hole: exit 1, no file of the other."""
    text = json.dumps(request(leg(consignment_id="A"),
                              leg("2", consignment_id="B", planned=True)))  # fmt: skip
    code, said = run("export", "-", "--format", "ileap", "--out", str(tmp_path / "x"), text=text)
    assert (code, said) == (1, "$.tces[1]: PLANNED: is planned, which iLEAP has no word for: it "
                               "can leave when it happened\n")  # fmt: skip
    assert not (tmp_path / "x").exists()
    code, said = run("export", "-", "--format", "ileap", "--consignment", "A", text=text)
    assert code == 0 and json.loads(said)["shipmentId"] == "A"


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "format": (("--format", "xml"), "must be one of ileap, pact2, pact3"),
    "nobody": (("--format", "pact3"), "--company, --company-id, --created"),
    "number": (("--format", "ileap", "--mass-kg", "1,5"), "write 1.5"),
    "period": (("--format", "pact2", *OPTIONS, "--period", "2025"), "write FIRST..LAST"),
    "ids": (("--format", "ileap", "--assigned-by", "me"), "vendor or buyer"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_option_that_cannot_be_is_told(name: str) -> None:
    """One line that says what to write."""
    options, says = WRONG[name]
    with pytest.raises(UsageError, match=says):
        run("export", "-", *options, text=json.dumps(request(leg())))
