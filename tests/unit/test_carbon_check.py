"""The checker of anyone's footprints: traps of published material, defects that were planted."""

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import carbon_document_world as w
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supplytwin.processors.carbon_check import check
from supplytwin.processors.carbon_exchange import read, to_document
from supplytwin.schemas import ileap
from supplytwin.schemas.findings import Finding

Change = Callable[[Any], object]


def found(value: Any, **options: Any) -> list[Finding]:
    """What the checker says about a JSON value."""
    return list(check(w.raw(value), **options).findings)


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.code, one.path) for one in findings]


def test_trap_n1_a_leg_that_its_intensity_does_not_give() -> None:
    """1692.62 kg where 16 920 tkm x 0.116 are 1962.72: the leg by 270.10, and so the total."""
    leg, whole = check(w.fixture("n1-transposed.json")).findings
    assert (leg.code, leg.path) == ("EMISSIONS", "$.data[0].extensions[0].data.tces[2].co2eWTW")
    assert (leg.stated, leg.delta) == ("1692.62", "-270.1")
    assert leg.expected == "1962.72 = 16920 tkm x 0.116 kg/tkm"
    assert (whole.code, whole.path) == ("TOTAL_CO2E", "$.data[0].pcf.pCfExcludingBiogenic")
    assert (whole.stated, whole.delta) == ("3131.06", "-270.1")
    assert whole.expected.startswith("3401.16 = ")


def test_trap_n2_an_activity_that_mass_and_distance_do_not_give() -> None:
    """3.6801 tkm where 87 kg x 423 km are 36.801; the sum, which is right, is no second finding."""
    (one,) = check(w.fixture("n2-activity.json")).findings
    assert (one.code, one.path) == ("TKM", "$.extensions[0].data.tces[0].transportActivity")
    assert (one.stated, one.delta) == ("3.6801", "-33.1209")
    assert one.expected == "36.801 = 87 kg / 1000 x 423 km (actual)"


def test_trap_n2_a_decimal_comma() -> None:
    """8,42769 is no decimal: the finding says how to write it."""
    findings = check(w.fixture("n2-comma.json")).findings
    assert {one.path for one in findings} == {
        "$.pcf.pCfExcludingBiogenic", "$.pcf.fossilGhgEmissions"
    }  # fmt: skip
    assert {(one.code, one.stated, one.says) for one in findings} == {
        ("DECIMAL_COMMA", '"8,42769"', "write 8.42769")
    }


def test_trap_n3_a_share_by_tkm() -> None:
    """56.85 % is the share by tkm, 43.67 % the one that PACT means: both are named."""
    (one,) = check(w.fixture("n3-share.json")).findings
    assert (one.code, one.path) == ("PRIMARY_SHARE_BY_TKM", "$.pcf.primaryDataShare")
    assert "56.85 % is the share of abcdef by tkm; by emissions it is 43.67 %" in one.says
    assert one.delta == "13.18"


def test_a_share_that_is_both_is_right() -> None:
    """Where all elements have one intensity, the share by tkm is the share of the emissions."""
    value = json.loads(w.fixture("n3-share.json"))
    value["extensions"][0]["data"]["tces"][1].update(co2eWTW="2.7927", co2eTTW="2.5")
    value["pcf"].update(pCfExcludingBiogenic="6.4728", fossilGhgEmissions="6.4728")
    assert not found(value)


def test_the_corrected_example_has_no_finding() -> None:
    """The example of the standard, with its slips corrected."""
    report = check(w.fixture("g20-two-elements.json"))
    assert not report.findings
    assert [one.kind for one in report.documents] == ["pact2 ShipmentFootprint"]
    assert len(report.unchecked) == 2


def whole() -> Any:
    """A valid file: a shipment as PACT 2, one as PACT 3, and its categories."""
    value = json.loads(w.fixture("n1-transposed.json"))
    leg = value["data"][0]["extensions"][0]["data"]["tces"][2]
    leg["co2eWTW"] = "1962.72"
    for tce, (start, end) in zip(
        value["data"][0]["extensions"][0]["data"]["tces"],
        (("05", "09"), ("09", "11"), ("11", "17")),
        strict=True,
    ):
        tce["departureAt"], tce["arrivalAt"] = (f"2021-05-05T{at}:00:00Z" for at in (start, end))
    pcf = value["data"][0]["pcf"]
    pcf["pCfExcludingBiogenic"] = pcf["fossilGhgEmissions"] = "3401.16"
    shipment = read(w.raw(value)).documents[0].inner
    assert isinstance(shipment, ileap.ShipmentFootprint)
    value["data"].append(json.loads(to_document(shipment, w.by(), form="pact3")))
    return value


WHOLE = whole()
P2, P3, RAIL, HUB, ROAD = "$.data[0]", "$.data[4]", "$.data[1]", "$.data[2]", "$.data[3]"
SHIP = f"{P2}.extensions[0].data"
LEG = f"{SHIP}.tces[2]"


def ship(value: Any) -> Any:
    return value["data"][0]["extensions"][0]["data"]


def leg(value: Any) -> Any:
    return ship(value)["tces"][2]


def pcf(value: Any) -> Any:
    return value["data"][0]["pcf"]


def pcf3(value: Any) -> Any:
    return value["data"][4]["pcf"]


def of(at: int) -> Callable[[Any], Any]:
    return lambda value: value["data"][at]


def carrier(value: Any) -> Any:
    return value["data"][3]["energyCarriers"][0]


def put(holder: Callable[[Any], Any], **fields: Any) -> Change:
    return lambda value: holder(value).update(fields)


def out(holder: Callable[[Any], Any], name: str) -> Change:
    return lambda value: holder(value).pop(name)


def two_carriers(first: str, second: str) -> Change:
    def change(value: Any) -> None:
        one = carrier(value)
        value["data"][3]["energyCarriers"] = [
            one | {"relativeShare": first}, one | {"relativeShare": second}
        ]  # fmt: skip

    return change


def stocks(*shares: str) -> Change:
    made = [{"feedstock": "Fossil", "feedstockShare": share} for share in shares]
    return put(carrier, feedstocks=made)


PLANTED: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "transposed WTW": (put(leg, co2eWTW="1926.72"), [("EMISSIONS", f"{LEG}.co2eWTW")]),
    "transposed TTW": (put(leg, co2eTTW="1055.88"), [("EMISSIONS", f"{LEG}.co2eTTW")]),
    "low digits": (put(leg, co2eTTW="1508.58"), [("EMISSIONS_ROUNDED", f"{LEG}.co2eTTW")]),
    "rounded intensity": (put(leg, co2eWTW="1962.74"), [
        ("EMISSIONS_ROUNDED", f"{LEG}.co2eWTW"), ("SUM_CO2E", f"{P2}.pcf.pCfExcludingBiogenic")]),
    "transposed tkm": (put(leg, transportActivity="19620"), [
        ("TKM", f"{LEG}.transportActivity")]),
    "transposed total": (put(pcf, pCfExcludingBiogenic="3410.16", fossilGhgEmissions="3410.16"), [
        ("SUM_CO2E", f"{P2}.pcf.pCfExcludingBiogenic")]),
    "transposed amount": (put(pcf, unitaryProductAmount="38340"), [
        ("SUM_TKM", f"{P2}.pcf.unitaryProductAmount")]),
    "transposed total of 3": (
        put(pcf3, pcfExcludingBiogenicUptake="3410.16", pcfIncludingBiogenicUptake="3410.16",
            fossilGhgEmissions="3410.16"),
        [("SUM_CO2E", f"{P3}.pcf.pcfExcludingBiogenicUptake")]),
    "transposed amount of 3": (put(pcf3, declaredUnitAmount="38340"), [
        ("SUM_TKM", f"{P3}.pcf.declaredUnitAmount")]),
    "uptake that adds": (put(pcf3, pcfIncludingBiogenicUptake="3500"), [
        ("BIOGENIC", f"{P3}.pcf.pcfIncludingBiogenicUptake")]),
    "fossil": (put(pcf, fossilGhgEmissions="3000"), [("FOSSIL", f"{P2}.pcf.fossilGhgEmissions")]),
    "comma": (put(leg, co2eWTW="1962,72"), [("DECIMAL_COMMA", f"{LEG}.co2eWTW")]),
    "comma in a share": (put(carrier, relativeShare="1,0"), [
        ("DECIMAL_COMMA", f"{ROAD}.energyCarriers[0].relativeShare")]),
    "exponent": (put(leg, mass="4e4"), [("DECIMAL_EXPONENT", f"{LEG}.mass")]),
    "number": (put(leg, mass=40000), [("DECIMAL_NUMBER", f"{LEG}.mass")]),
    "no digits": (put(leg, mass=".5"), [("DECIMAL", f"{LEG}.mass")]),
    "plus": (put(leg, mass="+40000"), [("DECIMAL", f"{LEG}.mass")]),
    "huge": (put(leg, mass="9" * 90), [("RANGE", f"{LEG}.mass")]),
    "both categories": (put(leg, hocId="h"), [("TWO_CATEGORIES", LEG)]),
    "neither category": (out(leg, "tocId"), [("NO_CATEGORY", LEG)]),
    "null category": (put(leg, tocId=None), [("NO_CATEGORY", LEG)]),
    "missing share": (out(carrier, "relativeShare"), [
        ("MISSING_FIELD", f"{ROAD}.energyCarriers[0].relativeShare")]),
    "missing primary share": (out(pcf3, "primaryDataShare"), [
        ("PRIMARY_SHARE_MISSING", f"{P3}.pcf.primaryDataShare")]),
    "cycle": (lambda value: ship(value)["tces"][0].update(prevTceIds=["tce-3-toc-road-1"]), [
        ("TIMES", f"{SHIP}.tces[0].departureAt"), ("CYCLE", f"{SHIP}.tces[0].prevTceIds")]),
    "before itself": (put(leg, prevTceIds=["tce-3-toc-road-1"]), [("CYCLE", f"{LEG}.prevTceIds")]),
    "unknown predecessor": (put(leg, prevTceIds=["tce-2-hoc-transshipment-1", "x"]), [
        ("PREV_UNKNOWN", f"{LEG}.prevTceIds[1]")]),
    "two of one id": (put(leg, tceId="tce-1-toc-rail-1"), [("TCE_TWICE", f"{LEG}.tceId")]),
    "shares below 1": (two_carriers("0.6", "0.3"), [("SHARE_SUM", f"{ROAD}.energyCarriers")]),
    "shares above 1": (two_carriers("0.6", "0.41"), [("SHARE_SUM", f"{ROAD}.energyCarriers")]),
    "feedstocks below 1": (stocks("0.6", "0.3"), [
        ("FEEDSTOCK_SUM", f"{ROAD}.energyCarriers[0].feedstocks")]),
    "feedstocks above 1": (stocks("0.6", "0.5"), [
        ("FEEDSTOCK_SUM", f"{ROAD}.energyCarriers[0].feedstocks")]),
    "share of 0": (put(carrier, relativeShare="0"), [
        ("SHARE_SUM", f"{ROAD}.energyCarriers"),
        ("RANGE", f"{ROAD}.energyCarriers[0].relativeShare")]),
    "TTW over WTW": (put(leg, co2eTTW="1962.73"), [
        ("TTW_OVER_WTW", f"{LEG}.co2eTTW"), ("EMISSIONS", f"{LEG}.co2eTTW")]),
    "TTW over WTW in a factor": (put(carrier, emissionFactorTTW="4.2"), [
        ("TTW_OVER_WTW", f"{ROAD}.energyCarriers[0].emissionFactorTTW")]),
    "TTW of electricity": (
        lambda value: value["data"][1]["energyCarriers"][0].update(emissionFactorTTW="0.05"),
        [("TTW_OF_ELECTRICITY", f"{RAIL}.energyCarriers[0].emissionFactorTTW")]),
    "consumption of nothing": (put(carrier, energyConsumption="0.03"), [
        ("NO_UNIT", f"{ROAD}.energyCarriers[0].energyConsumptionUnit")]),
    "load factor": (put(of(3), loadFactor="1.2"), [("RANGE", f"{ROAD}.loadFactor")]),
    "load factor of 0": (put(of(3), loadFactor="0"), [("RANGE", f"{ROAD}.loadFactor")]),
    "always empty": (put(of(3), emptyDistanceFactor="1"), [
        ("RANGE", f"{ROAD}.emptyDistanceFactor")]),
    "mode": (put(of(1), truckLoadingSequence="FTL"), [("MODE", f"{RAIL}.truckLoadingSequence")]),
    "TEU on the road": (
        put(of(3), transportActivityUnit="TEUkm"), [("UNIT", f"{ROAD}.transportActivityUnit")]),
    "unit": (put(pcf, declaredUnit="kilogram"), [("UNIT", f"{P2}.pcf.declaredUnit")]),
    "unknown unit": (put(of(3), transportActivityUnit="tkms"), [
        ("WORD", f"{ROAD}.transportActivityUnit")]),
    "g for kg": (put(leg, co2eTTW="1505880", co2eWTW="1962720"), [
        ("EMISSIONS", f"{LEG}.co2eTTW"), ("EMISSIONS", f"{LEG}.co2eWTW")]),
    "arrives first": (put(leg, arrivalAt="2021-05-05T10:00:00Z"), [
        ("TIMES", f"{LEG}.arrivalAt")]),
    "departs before": (
        put(leg, prevTceIds=["tce-1-toc-rail-1"], departureAt="2021-05-05T06:00:00Z"), [
        ("TIMES", f"{LEG}.departureAt")]),
    "other zone": (put(leg, arrivalAt="2021-05-05T17:00:00+02:00"), [
        ("PATTERN", f"{LEG}.arrivalAt")]),
    "period": (put(pcf, referencePeriodEnd="2020-01-01T00:00:00Z"), [
        ("TIMES", f"{P2}.pcf.referencePeriodEnd")]),
    "hub that moves": (
        lambda value: ship(value)["tces"][1].update(distance={"actual": "3"}),
        [("HUB_DISTANCE", f"{SHIP}.tces[1].distance")]),
    "no distance": (put(leg, distance={}), [("NO_DISTANCE", f"{LEG}.distance")]),
    "half a position": (put(leg, origin={"city": "A", "country": "DE", "lat": "3"}), [
        ("HALF_POSITION", f"{LEG}.origin")]),
    "country": (put(leg, origin={"city": "A", "country": "Germany"}), [
        ("PATTERN", f"{LEG}.origin.country")]),
    "other shipment": (put(leg, shipmentId="s2"), [("SHIPMENT_ID", f"{LEG}.shipmentId")]),
    "no elements": (lambda value: ship(value).update(tces=[]), [("EMPTY", f"{SHIP}.tces")]),
    "unknown field": (put(leg, co2eWtw="1"), [("FOREIGN_FIELD", f"{LEG}.co2eWtw")]),
    "product id": (put(of(0), productIds=["urn:x:1"]), [("PRODUCT_ID", f"{P2}.productIds")]),
    "class": (put(of(0), productCategoryCpc="3342"), [("CPC", f"{P2}.productCategoryCpc")]),
    "class of 3": (out(of(4), "productClassifications"), [
        ("CPC", f"{P3}.productClassifications")]),
    "mass": (put(pcf, productMassPerDeclaredUnit="0"), [
        ("MASS", f"{P2}.pcf.productMassPerDeclaredUnit")]),
    "mass of 3": (put(pcf3, productMassPerDeclaredUnit="40000"), [
        ("MASS", f"{P3}.pcf.productMassPerDeclaredUnit")]),
    "packaging": (put(pcf, packagingEmissionsIncluded=True), [
        ("PACKAGING", f"{P2}.pcf.packagingEmissionsIncluded")]),
    "standard": (put(pcf3, crossSectoralStandards=["PACT-3.0"]), [
        ("STANDARD", f"{P3}.pcf.crossSectoralStandards")]),
    "geography": (put(pcf, geographyCountry="DE", geographyRegionOrSubregion="Europe"), [
        ("GEOGRAPHY", f"{P2}.pcf.geographyCountry")]),
    "null": (put(pcf3, declaredUnitAmount=None), [("TYPE", f"{P3}.pcf.declaredUnitAmount")]),
    "rating": (
        put(pcf3, dqi={"technologicalDQR": "5.1", "temporalDQR": "1", "geographicalDQR": "2"}),
        [("RANGE", f"{P3}.pcf.dqi.technologicalDQR")]),
    "extension": (lambda value: value["data"][0]["extensions"][0].update(specVersion="0.2.0"), [
        ("EXTENSION", f"{P2}.extensions[0].specVersion")]),
    "two types": (
        lambda value: value["data"][0]["extensions"].append(
            {"specVersion": "2.0.0", "dataSchema": "https://api.ileap.sine.dev/toc.json",
             "data": value["data"][3]}),
        [("ONE_TYPE", f"{P2}.extensions")]),
    "two meanings": (lambda value: value["data"].append(
        value["data"][3] | {"description": "another"}), [("CATEGORY_TWICE", "$.data[5].tocId")]),
    "stranger": (lambda value: value["data"].append({"a": 1}), [("NOT_RECOGNISED", "$.data[5]")]),
}  # fmt: skip


def test_the_valid_file_has_no_finding() -> None:
    """What the defects are planted in has none; null stands for an absent field."""
    assert not found(WHOLE)
    value = copy.deepcopy(WHOLE)
    leg(value).update(hocId=None, origin=None)
    pcf(value).update(dqi=None)
    pcf3(value).update(dqi=None)
    assert not found(value)


@pytest.mark.parametrize("name", PLANTED)
def test_every_planted_defect_is_found_where_it_is(name: str) -> None:
    """The finding names the defect and its path, and nothing else is blamed."""
    change, expected = PLANTED[name]
    value = copy.deepcopy(WHOLE)
    change(value)
    assert said(found(value)) == expected


@pytest.mark.parametrize(
    ("kg", "guess"),
    [("2060.856", "1.05 times"), ("2257.128", "1.15 times"), ("1962720", "kg and g")],
)
def test_what_a_factor_explains_is_guessed(kg: str, guess: str) -> None:
    """A distance adjustment, or grams for kilograms, is named as what it looks like."""
    value = copy.deepcopy(WHOLE)
    leg(value)["co2eWTW"] = kg
    one = next(one for one in found(value) if one.code == "EMISSIONS")
    assert guess in one.says


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(w.chains(), st.data())
def test_a_share_is_one_of_emissions(chain: Any, data: st.DataObject) -> None:
    """The share that some elements have of the emissions is never blamed; the one that they have of
    the tkm always is, where few elements leave no room for chance.
    """
    tces = chain[0].tces
    some = data.draw(st.sets(st.sampled_from([one.tce_id for one in tces])))
    if not 1 <= len(some) < len(tces) <= 5 or not sum(one.co2e_wtw for one in tces):
        return

    def share(name: str) -> Decimal:
        whole = sum(getattr(one, name) for one in tces)
        part = sum(getattr(one, name) for one in tces if one.tce_id in some)
        return (Decimal(100) * part / whole).quantize(Decimal("0.01"))

    by_kg, by_tkm = share("co2e_wtw"), share("transport_activity")
    fair = to_document(chain[0], w.by(primary_data_share_percent=by_kg), form="pact3")
    assert not check(fair).findings
    value = json.loads(fair)
    value["pcf"]["primaryDataShare"] = str(by_tkm)
    codes = {one.code for one in found(value)}
    assert codes <= {"PRIMARY_SHARE_BY_TKM"}
    if len(tces) == 2 and 0 < by_tkm < 100 and by_tkm not in (by_kg, 100 - by_kg):
        assert codes


@pytest.mark.parametrize(
    ("mass", "tkm", "wrong"),
    [
        ("87", "36.8", False),
        ("87", "37", False),
        ("87", "36.7", True),
        ("87", "36.80", False),
        ("87", "36.81", True),
        ("0.9", "0", True),
        ("0.9", "0.4", True),
        ("0.9", "0.38", False),
    ],
)
def test_rounding_to_the_digits_that_are_stated_is_no_finding(
    mass: str, tkm: str, wrong: bool
) -> None:
    """87 kg x 423 km are 36.801 tkm, 0.9 kg 0.3807: rounding explains half of the last digit, and
    never more than 1 %.
    """
    tce = {
        "tceId": "a", "tocId": "t", "shipmentId": "S", "mass": mass, "distance": {"sfd": "423"},
        "transportActivity": tkm, "co2eWTW": "1", "co2eTTW": "1",
    }  # fmt: skip
    codes = [one.code for one in found({"mass": mass, "shipmentId": "S", "tces": [tce]})]
    assert codes == (["TKM"] if wrong else [])


def test_a_distance_is_as_good_as_another() -> None:
    """Where several distances are declared, the activity must be that of one of them."""
    value = copy.deepcopy(WHOLE)
    leg(value)["distance"] = {"actual": "450", "sfd": "423", "gcd": "400"}
    assert not found(value)
    leg(value)["transportActivity"] = "17000"
    one = next(one for one in found(value) if one.code == "TKM")
    assert one.expected == (
        "16920 = 40000 kg / 1000 x 423 km (sfd), or 18000 by actual, or 16000 by gcd"
    )


def test_teu_are_counted() -> None:
    """Intensities per TEU-km and per TEU are applied to the containers of the element."""
    value = copy.deepcopy(WHOLE)
    value["data"][3].update(mode="Sea", transportActivityUnit="TEUkm", co2eIntensityWTW="0.0499",
                            co2eIntensityTTW="0.0431")  # fmt: skip
    leg(value).update(packagingOrTrEqType="Container-FEU", packagingOrTrEqAmount="1",
                      co2eWTW="42.2154", co2eTTW="36.4626")  # fmt: skip
    pcf(value).update(pCfExcludingBiogenic="1480.6554", fossilGhgEmissions="1480.6554")
    del value["data"][4]
    assert not found(value)
    leg(value)["packagingOrTrEqAmount"] = "2"
    assert ("EMISSIONS", f"{LEG}.co2eWTW") in said(found(value))


@pytest.mark.parametrize("form", ["pact2", "pact3"])
def test_intensities_in_pact_are_those_of_the_extension(form: Any) -> None:
    """TOC and HOC: the footprint is the intensity, of 1 tkm or of 1000 kg, and of a TEU never."""
    unit, amount, kg = {
        "pact2": ("declaredUnit", "unitaryProductAmount", "pCfExcludingBiogenic"),
        "pact3": ("declaredUnitOfMeasurement", "declaredUnitAmount", "pcfExcludingBiogenicUptake"),
    }[form]
    toc, hoc = (read(w.raw(WHOLE["data"][at])).documents[0].inner for at in (3, 2))
    assert isinstance(toc, ileap.TOC)
    assert isinstance(hoc, ileap.HOC)

    def changed(subject: Any, **fields: str) -> list[tuple[str, str]]:
        made = json.loads(to_document(subject, w.by(tonnes_per_teu=Decimal(10)), form=form))
        made["pcf"].update(fields)
        return said(found(made))

    both = {kg: "0.161", "fossilGhgEmissions": "0.161", "pcfIncludingBiogenicUptake": "0.161"}
    if form == "pact2":
        del both["pcfIncludingBiogenicUptake"]
    assert changed(toc, **both) == [("INTENSITY", f"$.pcf.{kg}")]
    assert changed(hoc, **{amount: "1"}) == [("AMOUNT", f"$.pcf.{amount}")]
    assert changed(hoc, **{unit: "ton kilometer"}) == [("UNIT", f"$.pcf.{unit}")]
    per_teu = msgspec.structs.replace(toc, mode="Sea", transport_activity_unit="TEUkm")
    assert not changed(per_teu)
    as_it_is = dict.fromkeys(both, "0.116")
    assert changed(per_teu, **as_it_is) == [("UNIT", f"$.pcf.{kg}")]


def test_times_at_a_hub_have_no_order() -> None:
    """Freight arrives at a hub and departs from it, and the hub works before it has all of it."""
    value = copy.deepcopy(WHOLE)
    ship(value)["tces"][1].update(
        departureAt="2021-05-05T08:30:00Z", arrivalAt="2021-05-05T08:00:00Z"
    )
    assert not found(value)


def test_findings_stand_in_the_order_of_the_file() -> None:
    """The eleventh document comes after the third."""
    file = [WHOLE["data"][3]] * 10 + [{}]
    file[2] = {}
    assert [one.path for one in found(file)] == ["$[2]", "$[10]"]


def test_a_hub_counts_teu_only_for_ships() -> None:
    """What leaves by truck is measured in tonnes; a buyer's id is as good as a vendor's."""
    value = copy.deepcopy(WHOLE)
    value["data"][2].update(outboundTransportMode="Road", hubActivityUnit="TEU")
    value["data"][0]["productIds"] = [
        value["data"][0]["productIds"][0].replace("vendor", "buyer")
    ]  # fmt: skip
    assert said(found(value)) == [("UNIT", f"{HUB}.hubActivityUnit")]


def test_activity_data_are_checked() -> None:
    """A TAD arrives after it has departed, and its shares are 1."""
    tad = {
        "activityId": "a", "consignmentIds": ["c"], "distance": {"actual": "3"},
        "origin": {"city": "A", "country": "DE"}, "destination": {"city": "B", "country": "DE"},
        "departureAt": "2025-05-05T05:00:00Z", "arrivalAt": "2025-05-05T06:00:00Z", "mode": "Road",
        "energyCarriers": WHOLE["data"][3]["energyCarriers"],
    }  # fmt: skip
    assert not found([tad])
    assert not list(w.published("tad").iter_errors(tad))
    late = tad | {"arrivalAt": "2025-05-04T06:00:00Z", "distance": {}, "loadFactor": "2"}
    assert said(found([late])) == [
        ("TIMES", "$[0].arrivalAt"), ("NO_DISTANCE", "$[0].distance"), ("RANGE", "$[0].loadFactor")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "MALFORMED"),
        (b"{", "MALFORMED"),
        (b"\xff", "MALFORMED"),
        (b'{"tces": NaN}', "MALFORMED"),
        (b"[" * 100_000, "MALFORMED"),
        (b"1e99999999999999999999", "MALFORMED"),
        (b'"\\ud800"', "MALFORMED"),
        (b"[]", "NOTHING"),
        (b'{"data": []}', "NOTHING"),
        (b"7", "NOT_RECOGNISED"),
        (b'{"tceId": "a", "tocId": "b"}', "NOT_RECOGNISED"),
    ],
)
def test_what_is_no_footprint_is_a_finding(text: bytes, code: str) -> None:
    """Whatever a file has, the checker answers with a finding, never with a failure."""
    assert [one.code for one in check(text).findings] == [code]


def test_a_name_that_stands_twice_is_found() -> None:
    """Readers take the first or the last: nobody knows which counts."""
    text = w.raw(WHOLE).replace(b'"mass": "40000", "shipmentId"',
                                b'"mass": "40000", "mass": "4", "shipmentId"', 1)  # fmt: skip
    codes = [one for one in check(text).findings if one.code == "TWICE"]
    assert [one.path for one in codes] == [f"{SHIP}.mass"]


def _swaps(text: str) -> list[str]:
    """The number with two neighbouring digits swapped, each way that changes it by more than what
    arithmetic leaves behind.
    """
    made = []
    for at in range(len(text) - 1):
        one = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        if text[at].isdigit() and text[at + 1].isdigit() and text[at] != text[at + 1]:
            changed = abs(Decimal(one) - Decimal(text))
            if changed > abs(Decimal(text)) * Decimal("1e-10"):
                made.append(one)
    return made


def _numbers(file: Any) -> list[tuple[Any, str]]:
    """(object, field) of the numbers that the others determine."""
    shipment = file[0]["extensions"][0]["data"]
    places = [(tce, name) for tce in shipment["tces"]
              for name in ("transportActivity", "co2eWTW", "co2eTTW", "mass")]  # fmt: skip
    places += [(file[0]["pcf"], name) for name in ("unitaryProductAmount", "pCfExcludingBiogenic")]
    places += [(one, "relativeShare") for toc in file[1:] for one in toc["energyCarriers"]]
    return [(holder, name) for holder, name in places if _swaps(holder[name])]


def test_no_transposed_digits_pass(required: Callable[[str], Any]) -> None:
    """Two digits swapped in any number that others determine are found in every random file."""
    count, done = required("carbon_transposed"), 0

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(w.chains(), st.data())
    def law(chain: Any, data: st.DataObject) -> None:
        nonlocal done
        shipment, tocs, hocs = chain
        file = [json.loads(to_document(shipment, w.by(), form="pact2"))]
        file += [json.loads(to_document(one)) for one in (*tocs, *hocs)]
        places = _numbers(file)
        if places:
            holder, name = data.draw(st.sampled_from(places))
            holder[name] = data.draw(st.sampled_from(_swaps(holder[name])))
            assert found(file), (name, holder)
        done += 1

    law()
    count.done(done)


WRONG = ("", "1,5", "x", 3, 3.5, True, [], {}, None, "-1", [[]], "2025-13-01T00:00:00Z")


def _without_nulls(value: Any) -> Any:
    """As PACT reads it, whose files know no null: a field that is null is not there."""
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    made = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        below = (*path, name)
        made += _places(inner, below) if isinstance(inner, dict | list) else [below]
    return made


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_the_published_schemas_refuse_is_found(data: st.DataObject) -> None:
    """A damaged document that a published schema refuses has a finding; the checker never fails."""
    kind, at, inner = data.draw(st.sampled_from((
        ("pact2", 0, None), ("pact3", 4, None), ("shipment-footprint", 0, ship), ("toc", 3, None),
        ("hoc", 2, None),
    )))  # fmt: skip
    value = copy.deepcopy(inner(WHOLE) if inner else WHOLE["data"][at])
    place = data.draw(st.sampled_from(_places(value)))
    holder = value
    for name in place[:-1]:
        holder = holder[name]
    if data.draw(st.booleans()):
        del holder[place[-1]]
    else:
        holder[place[-1]] = data.draw(st.sampled_from(WRONG))
    findings = found(value)
    judged = _without_nulls(value) if kind.startswith("pact") else value
    assert findings or not list(w.published(kind).iter_errors(judged)), place


@settings(max_examples=200, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from(("3.6", "1" * 80, "2025-01-01T00:00:00Z")),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from((
        "data", "tces", "pcf", "extensions", "tocId", "hocId", "mass", "distance", "actual",
        "energyCarriers", "prevTceIds", "tceId", "transportActivity", "primaryDataShare",
        "dataSchema", "activityId", "co2eWTW", "specVersion", "x y",
    )), inner),
))  # fmt: skip
def test_no_json_makes_the_checker_fail(value: Any) -> None:
    """Any JSON gives a report."""
    check(w.raw(value))
