"""Suppliers' footprints in a calculation: primary data with the share that they state."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from carbon_document_world import CARBON
from carbon_world import at, done, factor, leg, refused, request, run
from hypothesis import HealthCheck, Phase, given, settings
from test_carbon_export import DIESEL, OPTIONS, by_toc, leaving, toc

from supplytwin.schemas.errors import UsageError

Json = dict[str, Any]
G20 = str(CARBON / "g20-two-elements.json")
THEIRS = "fb1faac2-7712-458a-a1db-bace3a44abb4"
PAIR = request(leg("abcdef", "87", "423"), leg("ghijkl", "87", "321"))


def with_documents(asked: Json, *words: str) -> tuple[int, Json]:
    """(exit code, answer) with documents of suppliers."""
    code, said = run("calculate", "-", "--json", *words, text=json.dumps(asked))
    return code, json.loads(said)


def taken(asked: Json, *words: str) -> Json:
    """The answer, computed whole."""
    code, answer = with_documents(asked, *words)
    assert code == 0, answer
    return answer


def told(asked: Json, *words: str) -> list[tuple[str, str]]:
    """(file and path, code) of each finding."""
    code, answer = with_documents(asked, *words)
    assert code == 1 and answer["refused"], answer
    return [(one["path"], one["code"]) for one in answer["findings"]]


def changed(tmp_path: Path, name: str, change: Any, source: str = "g20-two-elements.json") -> str:
    """A file with a change in it."""
    value = json.loads((CARBON / source).read_text())
    value = change(value) or value
    path = tmp_path / name
    path.write_text(json.dumps(value))
    return str(path)


def test_an_operators_footprint_is_primary_data_with_its_share() -> None:
    """WTW and TTW as stated, WTT between them, the share by emissions for each element; neither
    DAF nor factor; nothing to warn of where the tkm are alike.
    """
    answer = taken(PAIR, "--supplier", G20)
    element = at(answer, "tces.ghijkl")
    assert element["co2e"] == {"co2e_wtw_kg": "4.74759", "co2e_wtt_kg": "0.474759",
                               "co2e_ttw_kg": "4.272831"}  # fmt: skip
    assert (element["data_type"], element["way"], element["primary_share"]) == (
        "PRIMARY", "supplied", "0.4367"
    )  # fmt: skip
    assert (element["daf"], element["toc_id"], element["factors"]) == (
        None, f"supplied:{THEIRS}", []
    )  # fmt: skip
    assert (answer["co2e"]["co2e_wtw_kg"], answer["primary_share_by_emissions"]) == (
        "8.42769", "0.4367"
    )  # fmt: skip
    assert answer["data_quality"] == {"primary": "0.4367", "modelled": "0", "default": "0.5633"}
    assert answer["warnings"] == []
    assert any(f"stated in {THEIRS} (iLEAP 1.0 in PACT 2.3.0)" in one for one in element["trace"])


def test_a_share_by_tkm_is_not_taken() -> None:
    """N3: 56.85 % is the share by tkm, 43.67 % the one by emissions: refused with both."""
    name = str(CARBON / "n3-share.json")
    code, answer = with_documents(PAIR, "--supplier", name)
    (found,) = answer["findings"]
    assert code == 1
    assert found["path"] == f"{name}: $.pcf.primaryDataShare"
    assert (found["code"], found["stated"], found["delta"]) == (
        "PRIMARY_SHARE_BY_TKM", "56.85", "13.18"
    )  # fmt: skip
    assert "43.67" in found["expected"]


def test_another_activity_is_a_warning_that_names_both() -> None:
    """What rounding explains is none."""
    other = request(leg("abcdef", "87", "423.001"), leg("ghijkl", "87", "400"))
    (warning,) = taken(other, "--supplier", G20)["warnings"]
    assert (warning["path"], warning["code"]) == ("$.tces[1]", "TKM_DIFFERS")
    assert warning["says"] == f"{THEIRS} states 27.927 tkm, here are 34.8"


SUPPLIED = {"co2e_wtw_kg": "5", "co2e_ttw_kg": "4", "primary_share": "0.4", "source_id": "F1",
            "spec": "iLEAP 1.0"}  # fmt: skip
NONE = SUPPLIED | {"primary_share": "0"}
RANKED: list[tuple[Json, str]] = [
    (leg(supplied=SUPPLIED), "supplied"),
    (leg(supplied=SUPPLIED, energy=[DIESEL]), "energy"),
    (leg(supplied=SUPPLIED, energy=[DIESEL | {"data_type": "MODELLED"}]), "supplied"),
    (by_toc("1", supplied=SUPPLIED), "supplied"),
    (by_toc("1", supplied=NONE), "category"),
    (leg(supplied=SUPPLIED, factor=factor(data_type="PRIMARY")), "supplied"),
    (leg(supplied=NONE, factor=factor(data_type="MODELLED")), "factor"),
    (leg(supplied=NONE, factor=factor()), "supplied"),
    (leg(supplied=NONE), "supplied"),
]


@pytest.mark.parametrize(("element", "way"), RANKED)
def test_the_more_specific_goes_first(element: Json, way: str) -> None:
    """Own energy, then what the operator states, then categories and factors; a footprint of which
    nothing is primary ranks with the defaults.
    """
    answer = done(request(element, tocs=[toc()]))
    assert at(answer, "tces.1.way") == way
    if way == "supplied":
        assert at(answer, "tces.1.co2e.co2e_wtt_kg") == "1"
        share = element["supplied"]["primary_share"]
        assert at(answer, "tces.1.primary_share") == share
        assert at(answer, "tces.1.data_type") == ("DEFAULT" if share == "0" else "PRIMARY")


def test_operation_is_not_more_than_all() -> None:
    """TTW above WTW is refused where it stands."""
    wrong = leg(supplied=SUPPLIED | {"co2e_ttw_kg": "6"})
    assert refused(request(wrong)) == {"$.tces[0].supplied.co2e_ttw_kg": "BAD_VALUE"}


def test_a_category_of_a_supplier_is_a_factor_of_its_share(tmp_path: Path) -> None:
    """A TOC or HOC that an element names: its intensity, the adjustment inside; mode and type of
    hub are its own. What iLEAP alone cannot say is given beside it.
    """

    def right(value: Json) -> list[Json]:
        rail, hub, road = value["data"][1:]
        return [rail, hub, road]

    name = changed(tmp_path, "tocs.json", right, "n1-transposed.json")
    chain = request(
        {"tce_id": "r", "toc_id": "toc-rail-1", "mass_kg": "40000", "distance_km": "423",
         "distance_basis": "SFD"},
        {"tce_id": "h", "hoc_id": "hoc-transshipment-1", "mass_kg": "40000"},
        leg("t", "40000", "423", toc_id="toc-road-1"),
    )  # fmt: skip
    answer = taken(chain, "--supplier", name, "--supplier-share", "80")
    assert [at(answer, f"tces.{one}.co2e.co2e_wtw_kg") for one in "rht"] == [
        "118.44", "1320", "1962.72"
    ]  # fmt: skip
    assert (at(answer, "tces.r.mode"), at(answer, "tces.h.hub_type")) == ("RAIL", "Transshipment")
    assert {one["data_type"] for one in answer["tces"]} == {"PRIMARY"}
    assert answer["primary_share_by_emissions"] == "0.8"
    assert at(answer, "tces.t.daf") == "1"
    assert at(answer, "factors.toc-road-1.source") == name
    path = f"{name}: $[2]"
    wrong = request(leg("t", toc_id="toc-road-1") | {"mode": "RAIL"})
    assert told(wrong, "--supplier", name, "--supplier-share", "80") == [(path, "WRONG_MODE")]
    own = request(by_toc("t") | {"toc_id": "toc-road-1"}, tocs=[toc() | {"toc_id": "toc-road-1"}])
    assert told(own, "--supplier", name, "--supplier-share", "80") == [(path, "TWO_IDS")]
    assert told(chain, "--supplier", name) == [
        (f"{name}: $[{at}].primaryDataShare", "MISSING_FIELD") for at in range(3)
    ]  # fmt: skip


TIMED = {"from_place": "Angola", "to_place": "Hamburg, DE", "departure_at": "2025-03-01T10:00:00Z",
         "arrival_at": "2025-03-02T10:00:00Z"}  # fmt: skip


def test_what_nobody_can_use_is_told(tmp_path: Path) -> None:
    """A document of other elements, and two that contradict each other or the request."""
    assert told(request(leg("x")), "--supplier", G20) == [(f"{G20}: $", "NOTHING_TAKEN")]
    _, said = run("export", "-", "--format", "ileap", text=json.dumps(request(leg(**TIMED))))
    data = tmp_path / "tad.json"
    data.write_text(said.splitlines()[-1])
    assert told(PAIR, "--supplier", str(data)) == [(f"{data}: $", "NOTHING_TAKEN")]

    def other(value: Json) -> None:
        tce = value["extensions"][0]["data"]["tces"][1]
        tce |= {"co2eWTW": "5.74759"}
        value["pcf"] |= {"pCfExcludingBiogenic": "9.42769", "fossilGhgEmissions": "9.42769"}
        value["pcf"]["primaryDataShare"] = 20

    two = changed(tmp_path, "two.json", other)
    again = changed(tmp_path, "again.json", lambda value: value)
    inner = "$.extensions[0].data"
    found = told(PAIR, "--supplier", G20, "--supplier", two)
    assert found == [(f"{two}: {inner}", "TWO_IDS")] * 2  # abcdef has another share
    assert taken(PAIR, "--supplier", G20, "--supplier", again)["complete"]
    itself = request(leg("abcdef", "87", "423", supplied=SUPPLIED))
    assert told(itself, "--supplier", G20) == [(f"{G20}: {inner}", "TWO_IDS")]


def test_the_shipment_tells_elements_of_one_id_apart(tmp_path: Path) -> None:
    """Two shipments with an element of the same id: the chain's own counts."""

    def other(value: Json) -> None:
        data = value["extensions"][0]["data"]
        data["shipmentId"] = "S2"
        for tce in data["tces"]:
            tce |= {"shipmentId": "S2", "co2eWTW": "9", "co2eTTW": "8"}
        value["pcf"] |= {"pCfExcludingBiogenic": "18", "fossilGhgEmissions": "18",
                         "primaryDataShare": 20}  # fmt: skip
        value["productIds"] = ["urn:pathfinder:product:customcode:vendor-assigned:shipment:S2"]

    name = changed(tmp_path, "s2.json", other)
    mine = PAIR | {"chain_id": "S2"}
    assert taken(mine, "--supplier", G20, "--supplier", name)["co2e"]["co2e_wtw_kg"] == "18"


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(leaving())
def test_what_leaves_can_be_taken_in(tmp_path_factory: Any, asked: Json) -> None:
    """A random chain that left as PACT 3 is a supplier's footprint: the same elements without
    their data get the same WTW and TTW, to the last digit, and the same share of primary data.
    """
    folder = tmp_path_factory.mktemp("out")
    for one in asked["tces"]:
        one["consignment_id"] = None
    options = ("--gwp", "AR6", "--gwp", "AR5", "--mass-kg", "1", "--out", str(folder))
    code, _ = run("export", "-", "--format", "pact3", *OPTIONS, *options, text=json.dumps(asked))
    answer = done(asked)
    if code == 1:  # hubs alone, or nothing emitted
        assert answer["transport_activity_tkm"] == "0" or answer["co2e"]["co2e_wtw_kg"] == "0"
        return
    bare = []
    for one, made in zip(asked["tces"], (at(answer, f"tces.{each['tce_id']}")
                                         for each in asked["tces"]), strict=True):  # fmt: skip
        element = {"tce_id": one["tce_id"], "mass_kg": made["mass_kg"]}
        element |= ({"hub_type": "Warehouse"} if made["kind"] == "HUB" else
                    {"mode": made["mode"], "distance_km": made["distance_km"],
                     "distance_basis": made["distance_basis"]})  # fmt: skip
        bare.append(element)
    paper = str(folder / "shipment-random.json")
    again = taken(request(*bare) | {"chain_id": "random"}, "--supplier", paper)
    assert again["transport_activity_tkm"] == answer["transport_activity_tkm"]
    for here, there in ((again, answer), *((at(again, f"tces.{one['tce_id']}"), one)
                                           for one in answer["tces"])):  # fmt: skip
        assert here["co2e"]["co2e_wtw_kg"] == there["co2e"]["co2e_wtw_kg"]
        assert here["co2e"]["co2e_ttw_kg"] == there["co2e"]["co2e_ttw_kg"]
        wtt = Decimal(there["co2e"]["co2e_wtt_kg"])  # ours to 34 digits, theirs a difference
        assert abs(Decimal(here["co2e"]["co2e_wtt_kg"]) - wtt) <= wtt / 10**20
    name = "primary_share_by_emissions"
    gap = Decimal(again[name]) - Decimal(answer[name])
    assert abs(gap) <= Decimal("1e-8")
    assert again["warnings"] == []


def test_a_supplied_element_leaves_with_the_report_of_its_gwp() -> None:
    """What a supplier states leaves again, by the report that it was stated with."""
    period = {"first": "2025-01-01", "last": "2025-12-31"}
    asked = json.dumps(PAIR | {"period": period, "chain_id": "1237890"})
    code, said = run("export", "-", "--format", "pact3", *OPTIONS, "--supplier", G20, text=asked)
    assert code == 0
    pcf = json.loads(said)["pcf"]
    assert (pcf["ipccCharacterizationFactors"], pcf["primaryDataShare"]) == (["AR6"], "43.67")
    assert "secondaryEmissionFactorSources" not in pcf


def test_a_share_that_is_no_number_is_told() -> None:
    """One line that says how to write it."""
    with pytest.raises(UsageError, match=r"--supplier-share 43,67: write 43\.67"):
        run("calculate", "-", "--supplier-share", "43,67", text=json.dumps(PAIR))
