"""Footprints as documents of iLEAP and PACT: out, valid, and in again."""

import json
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import carbon_document_world as w
import pytest
from hypothesis import HealthCheck, given, settings

from supplytwin.processors import carbon_check
from supplytwin.processors.carbon_exchange import Form, Profile, read, to_document
from supplytwin.schemas import ileap, pact
from supplytwin.schemas.errors import RecordError

FORMS: tuple[Form, ...] = ("ileap", "pact2", "pact3")
EXTENDED = {ileap.ShipmentFootprint: "pcf-shipment-footprint", ileap.TOC: "pcf-toc",
            ileap.HOC: "pcf-hoc"}  # fmt: skip


def judged(document: bytes, form: Form, kind: type) -> list[str]:
    """What the published schemas say against a document."""
    value = json.loads(document)
    names = {"ileap": [ileap.FILES[kind]], "pact2": ["pact2", EXTENDED[kind]]}.get(form, ["pact3"])
    return [
        f"{name} {error.json_path}: {error.message}"
        for name in names
        for error in w.published(name).iter_errors(value)
    ]


def test_random_footprints_come_back(required: Callable[[str], Any]) -> None:
    """Every form of a random chain and of its TOCs and HOCs is valid, is read as it was, and gives
    the checker nothing to say: together in one file, where all intensities are known.
    """
    count, done = required("carbon_documents"), 0

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(w.chains())
    def law(chain: Any) -> None:
        nonlocal done
        shipment, tocs, hocs = chain
        for form in FORMS:
            made = []
            for subject in (shipment, *tocs, *hocs):
                document = to_document(subject, w.by(), form=form)
                assert not judged(document, form, type(subject))
                (again,) = read(document).documents
                assert (again.form, again.inner) == (form, subject)
                made.append(json.loads(document))
            report = carbon_check.check(w.raw({"data": made}))
            assert not report.findings and not report.unchecked
        done += 1

    law()
    count.done(done)


@settings(max_examples=60, deadline=None)
@given(w.chains())
def test_sums_are_exact(chain: Any) -> None:
    """Amount and footprint are the sums of the elements, added up by other arithmetic."""
    for form, amount, kg in (
        ("pact2", "unitaryProductAmount", "pCfExcludingBiogenic"),
        ("pact3", "declaredUnitAmount", "pcfExcludingBiogenicUptake"),
    ):
        said = json.loads(to_document(chain[0], w.by(), form=form))  # type: ignore[arg-type]
        tces = said["extensions"][0]["data"]["tces"]
        assert Fraction(said["pcf"][amount]) == sum(Fraction(one["transportActivity"])
                                                    for one in tces)  # fmt: skip
        assert Fraction(said["pcf"][kg]) == sum(Fraction(one["co2eWTW"]) for one in tces)


SHIPMENT = ileap.ShipmentFootprint(
    mass=Decimal("87.0"),
    shipment_id="S 1/é",
    tces=(
        ileap.TCE(
            tce_id="a",
            prev_tce_ids=(),
            toc_id="toc",
            shipment_id="S 1/é",
            mass=Decimal("8.7E+1"),
            distance=ileap.GLECDistance(actual=Decimal(423)),
            transport_activity=Decimal("36.801"),
            co2e_wtw=Decimal("3.6801"),
            co2e_ttw=Decimal("3.2801"),
        ),
    ),
)
TOC = ileap.TOC(
    toc_id="toc",
    mode="Sea",
    energy_carriers=(
        ileap.EnergyCarrier(
            energy_carrier="HFO",
            relative_share=Decimal(1),
            emission_factor_wtw=Decimal("3.79"),
            emission_factor_ttw=Decimal("3.23"),
        ),
    ),
    co2e_intensity_wtw=Decimal("0.0499"),
    co2e_intensity_ttw=Decimal("0.0431"),
    transport_activity_unit="TEUkm",
)
HOC = ileap.HOC(
    hoc_id="hoc",
    hub_type="MaritimeContainerTerminal",
    energy_carriers=TOC.energy_carriers,
    co2e_intensity_wtw=Decimal("10.7"),
    co2e_intensity_ttw=Decimal("8"),
    hub_activity_unit="TEU",
)


def test_one_value_has_one_spelling() -> None:
    """Equal footprints are equal bytes: no exponent, no zeros that say nothing, empty lists kept,
    absent fields left out.
    """
    plain = ileap.ShipmentFootprint(
        mass=Decimal(87), shipment_id=SHIPMENT.shipment_id, tces=SHIPMENT.tces
    )
    assert to_document(SHIPMENT) == to_document(plain)
    (tce,) = json.loads(to_document(SHIPMENT))["tces"]
    assert tce == {
        "tceId": "a", "prevTceIds": [], "tocId": "toc", "shipmentId": "S 1/é", "mass": "87",
        "distance": {"actual": "423"}, "transportActivity": "36.801", "co2eWTW": "3.6801",
        "co2eTTW": "3.2801",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["pact2", "pact3"])
def test_a_footprint_has_an_id_of_its_own_and_names_the_one_before(form: Form) -> None:
    """The id follows from company, shipment and version: again the same, and a new version refers
    to the old one.
    """
    first, again, second = (
        json.loads(to_document(SHIPMENT, w.by(version=version), form=form)) for version in (0, 0, 1)
    )
    assert first == again
    assert "precedingPfIds" not in first
    assert second["precedingPfIds"] == [first["id"]] != [second["id"]]
    other = json.loads(to_document(SHIPMENT, w.by(company_ids=("urn:x:y",)), form=form))
    assert other["id"] != first["id"]


def test_mixed_reports_are_named_and_the_old_field_has_the_older() -> None:
    """Version 2 has one field for one report beside the list of all."""
    said = json.loads(to_document(SHIPMENT, w.by(gwp=("AR6", "AR5")), form="pact2"))["pcf"]
    assert said["characterizationFactors"] == "AR5"
    assert said["ipccCharacterizationFactorsSources"] == ["AR6", "AR5"]


def test_a_shipment_id_becomes_a_urn() -> None:
    """What a URN cannot have is percent-encoded; who gave the id is said."""
    said = json.loads(to_document(SHIPMENT, w.by(assigned_by="buyer"), form="pact2"))
    assert said["productIds"] == [
        "urn:pathfinder:product:customcode:buyer-assigned:shipment:S%201/%C3%A9"
    ]


@pytest.mark.parametrize(
    ("form", "profile", "mass", "carbon"),
    [
        ("pact2", None, "87", "3.6801"),
        ("pact3", None, "0", "0"),
        ("pact2", "pact", "0", "0"),
        ("pact3", "ileap", "87", "3.6801"),
    ],
)
def test_where_the_standards_differ_the_profile_decides(
    form: Form, profile: Profile | None, mass: str, carbon: str
) -> None:
    """iLEAP 1.0 puts the mass of the shipment and the footprint's number where PACT puts 0; the
    checker takes either under its profile, and the mass of the other one as a finding.
    """
    document = to_document(SHIPMENT, w.by(), form=form, profile=profile)
    pcf = json.loads(document)["pcf"]
    assert (pcf["productMassPerDeclaredUnit"], pcf["fossilCarbonContent"]) == (mass, carbon)
    assert not carbon_check.check(document, profile).findings
    other: Profile = "ileap" if mass == "0" else "pact"
    (wrong,) = carbon_check.check(document, other).findings
    assert (wrong.code, wrong.path) == ("MASS", "$.pcf.productMassPerDeclaredUnit")


def test_intensities_per_teu_need_its_tonnes() -> None:
    """PACT has no TEU: what is stated per TEU or TEU-km goes out per tonne, or not at all."""
    for subject in (TOC, HOC):
        with pytest.raises(RecordError, match="tonnes a TEU"):
            to_document(subject, w.by(), form="pact2")
        document = to_document(subject, w.by(tonnes_per_teu=Decimal(10)), form="pact2")
        said = json.loads(document)["pcf"]
        assert Decimal(said["pCfExcludingBiogenic"]) == subject.co2e_intensity_wtw / 10
        assert not carbon_check.check(document).findings


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no UTC": ({"created": "2026-01-01T00:00:00+01:00"}, r"\$\.created"),
    "no time": ({"reference_period_end": "yesterday"}, r"\$\.pcf\.referencePeriodEnd"),
    "no URN": ({"company_ids": ("4063973",)}, r"\$\.companyIds\[0\]"),
    "no company": ({"company_ids": ()}, "company_ids"),
    "no name": ({"company_name": ""}, r"\$\.companyName"),
    "share": ({"primary_data_share_percent": Decimal(101)}, r"\$\.pcf\.primaryDataShare"),
    "no report": ({"gwp": ()}, r"\$\.pcf\.ipccCharacterizationFactorsSources"),
    "not finite": ({"exempted_emissions_percent": Decimal("NaN")}, "NaN"),
    "no standard of PACT 2": ({"general_standards": ()}, "general_standards"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_standard_does_not_have_is_refused_by_name(name: str) -> None:
    """A statement that cannot be written is refused with its field, never bent."""
    changes, where = REFUSED[name]
    with pytest.raises(RecordError, match=where):
        to_document(SHIPMENT, w.by(**changes), form="pact2")


def test_no_statement_and_no_transport_are_refused() -> None:
    """PACT needs somebody who states, and tkm: a shipment through hubs alone has none."""
    with pytest.raises(RecordError, match="who states it"):
        to_document(SHIPMENT, form="pact3")
    at_hub = ileap.TCE(
        tce_id="h",
        hoc_id="hoc",
        shipment_id="S",
        mass=Decimal(87),
        distance=ileap.GLECDistance(actual=Decimal(0)),
        transport_activity=Decimal(0),
        co2e_wtw=Decimal(1),
        co2e_ttw=Decimal(1),
    )
    alone = ileap.ShipmentFootprint(mass=Decimal(87), shipment_id="S", tces=(at_hub,))
    with pytest.raises(RecordError, match="no ton kilometer"):
        to_document(alone, w.by(), form="pact2")
    assert not carbon_check.check(to_document(alone)).findings


def test_a_word_of_a_later_version_is_kept_but_not_written() -> None:
    """The enumerations are open for the code that holds them; what goes out is of this version."""
    toc = ileap.TOC(
        **{name: getattr(TOC, name) for name in TOC.__struct_fields__} | {"mode": "Pipeline"}
    )
    with pytest.raises(RecordError, match=r"\$\.mode"):
        to_document(toc)


@pytest.mark.parametrize("name", ["pcf-toc", "pcf-hoc", "pcf-tad", "tad"])
def test_the_shipped_schemas_have_no_dangling_reference(name: str) -> None:
    """Every $ref of the schemas leads somewhere: three of them did not as published."""
    schema = ileap.published(name)
    text = json.dumps(schema)
    for part in text.split('"$ref": "#/definitions/')[1:]:
        assert part.split('"')[0] in schema["definitions"]


@pytest.mark.parametrize("version", [2, 3])
def test_the_structs_have_the_fields_of_pact(version: int) -> None:
    """Each field of the published component, and no other."""
    schemas = w.published(f"pact{version}").schema["components"]["schemas"]
    for name in ("ProductFootprint", "CarbonFootprint"):
        made = getattr(pact, f"{name}{version}")
        fields = {one: made.__struct_encode_fields__[at]
                  for at, one in enumerate(made.__struct_fields__)}  # fmt: skip
        assert set(fields.values()) == set(schemas[name]["properties"])
