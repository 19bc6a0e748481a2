"""`supplytwin carbon calculate`: the method element by element, and what is refused or missing."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from carbon_world import Json, at, calculate, done, factor, leg, number, refused, request, run

DIESEL = {"unit": "kg/l", "wtw": "3.44", "ttw": "2.64", "source": "test", "gwp": "AR6"}
GLEC, CHINA = {"pack": "GLEC-3.0"}, {"pack": "GLEC-3.1"}


def fuel(quantity: str = "10", unit: str = "l", **more: Any) -> Json:
    """An amount of diesel."""
    made = {"carrier": "diesel", "quantity": quantity, "unit": unit, "factor": DIESEL}
    return {**made, **more}


def toc(name: str = "T", **more: Any) -> Json:
    """A measured category by road: 344 kg for 1,000 tkm."""
    made = {"toc_id": name, "mode": "ROAD", "distance_basis": "SFD", "energy": [fuel("100")]}
    return {**made, "activities": [{"tkm": "1000"}], **more}


def by_toc(name: str = "1", of: str = "T", **more: Any) -> Json:
    """100 tkm by a category."""
    made = {"tce_id": name, "toc_id": of, "mass_kg": "1000", "distance_km": "100"}
    return {**made, "distance_basis": "SFD", **more}


def missing(answer: Json) -> dict[str, str]:
    """Code of what is missing, by path; one for each path."""
    return {one["path"]: one["code"] for one in answer["missing"]}


# ---- the whole chain


def whole_chain() -> Json:
    """Lorry, terminal, ship, terminal, train, warehouse: one TEU of 10 t from China to Europe."""
    box = {"mass_kg": "10000", "containers": [{"size": "20", "count": 1}]}
    port = factor("10.7", "kg/container", **GLEC)
    lorry = factor("0.07818", wtt="0.01822", ttw="0.05996", daf_included="yes", **CHINA)
    ship = factor("0.0499", "kg/TEU-km", wtt="0.0068", ttw="0.0431", daf_included="yes", **GLEC)
    train = factor("0.0276", wtt="0.0064", ttw="0.0212", **GLEC)
    sea = {"tce_id": "3", "mode": "SEA", "distance_km": "21000", "distance_basis": "SFD", **box}
    rail = {"tce_id": "5", "mode": "RAIL", "distance_km": "500", "distance_basis": "SFD", **box}
    terminal = {"hub_type": "MaritimeContainerTerminal", "factor": port, **box}
    return request(
        leg("1", "10000", "150", factor=lorry),
        {"tce_id": "2", "prev_tce_ids": ["1"], **terminal},
        {**sea, "prev_tce_ids": ["2"], "factor": ship},
        {"tce_id": "4", "prev_tce_ids": ["3"], **terminal},
        {**rail, "prev_tce_ids": ["4"], "factor": train},
        {"tce_id": "6", "prev_tce_ids": ["5"], "hub_type": "Warehouse", "mass_kg": "10000",
         "factor": factor("17.5", "kg/t", **GLEC)},
    )  # fmt: skip


def test_a_whole_chain_from_china_to_a_warehouse() -> None:
    """1,499.57 kg WTW over 216,500 tkm, TTW of the transport 1,101.04; two packs are warned of."""
    answer = done(whole_chain())
    each = {name: number(answer, f"tces.{name}.co2e.co2e_wtw_kg") for name in "123456"}
    expected = ["117.27", "10.7", "1047.9", "10.7", "138", "175"]
    assert list(each.values()) == [Decimal(kg) for kg in expected]
    assert number(answer, "co2e.co2e_wtw_kg") == Decimal("1499.57")
    assert number(answer, "kinds.TRANSPORT.co2e.co2e_ttw_kg") == Decimal("1101.04")
    assert number(answer, "kinds.HUB.co2e.co2e_wtw_kg") == Decimal("196.4")
    assert number(answer, "transport_activity_tkm") == 216_500
    assert answer["co2e"]["co2e_ttw_kg"] is None  # hubs publish no TTW: not a zero
    assert number(answer, "computed.co2e_ttw_kg") == Decimal("1101.04")
    (warning,) = answer["warnings"]
    assert warning["code"] == "MIXED_PACKS"
    assert "GLEC-3.0" in warning["says"] and "GLEC-3.1" in warning["says"]
    assert at(answer, "statement.distance_types") == ["SFD"]
    assert [one["name"] for one in answer["modes"]] == ["RAIL", "ROAD", "SEA"]
    assert number(answer, "hubs.Warehouse.hub_activity_t") == 10


def test_the_same_chain_by_a_pack(tmp_path: Path) -> None:
    """Factors of a user's pack, named bare or with the pack, give the same total."""
    common = {"gwp": "AR6", "region": "EU", "year": 2024, "source": "s", "page": "p",
              "licence": "l"}  # fmt: skip
    by = {"distance_basis": "SFD", "daf_included": "no"}
    factors = [
        {"id": "train", "what": "t", "kind": "TRANSPORT", "mode": "RAIL", "unit": "kg/tkm",
         "wtw": "0.0276", **by, **common},
        {"id": "depot", "what": "d", "kind": "HUB", "hub_type": "Warehouse", "unit": "kg/t",
         "wtw": "17.5", **common},
    ]  # fmt: skip
    file = tmp_path / "pack.json"
    pack = {"pack": "own", "version": "1", "title": "t", "publisher": "p", "licence": "l",
            "origin": "o", "factors": factors}  # fmt: skip
    file.write_text(json.dumps(pack))
    asked = whole_chain()
    asked["tces"][4] |= {"toc_id": "train", "factor": None}
    asked["tces"][5] |= {"hoc_id": "own-1/depot", "factor": None}
    answer = done(asked, str(file))
    assert number(answer, "co2e.co2e_wtw_kg") == Decimal("1499.57")
    assert at(answer, "tces.5.toc_id") == "train" and at(answer, "tces.6.hoc_id") == "own-1/depot"
    assert at(answer, "factors.own-1/train.page") == "p"


def test_every_element_has_exactly_one_category() -> None:
    """toc_id or hoc_id, never both and never none, also where a factor stands inline."""
    for one in done(whole_chain())["tces"]:
        assert (one["toc_id"] is None) != (one["hoc_id"] is None)


# ---- distance adjustment


@pytest.mark.parametrize(
    ("mode", "km", "daf"),
    [
        ("AIR", "1000", "1.095"), ("AIR", "9000", "1.010556"), ("SEA", "1000", "1.15"),
        ("ROAD", "1000", "1.05"), ("RAIL", "1000", "1"), ("BARGE", "1000", "1"),
    ],
)  # fmt: skip
def test_a_factor_without_the_adjustment_gets_it_once(mode: str, km: str, daf: str) -> None:
    """By mode, where the intensity is by actual distance; the trace names value and reason."""
    by = factor(distance_basis="ACTUAL", daf_included="no")
    one = leg(mode=mode, km=km, distance_basis="GCD", factor=by)
    answer = done(request(one))
    assert round(number(answer, "tces.1.daf"), 6) == Decimal(daf)
    assert mode in at(answer, "tces.1.daf_why")
    expected = Decimal(km) * Decimal("0.1") * number(answer, "tces.1.daf")
    assert abs(number(answer, "co2e.co2e_wtw_kg") - expected) < Decimal("1e-20")
    assert any(line.startswith("DAF") for line in at(answer, "tces.1.trace"))
    inside = copy.deepcopy(one)
    inside["factor"]["daf_included"] = "yes"
    answer = done(request(inside))
    assert number(answer, "tces.1.daf") == 1
    assert "includes" in at(answer, "tces.1.daf_why")


def test_twice_is_refused_by_name() -> None:
    """A DAF on a factor that has it inside, or between distances of one kind, is an error."""
    given = {"value": "1.05", "why": "road"}
    inside = factor(distance_basis="ACTUAL", daf_included="yes")
    asked = request(leg("1", daf=given, factor=inside), leg("2", daf=given, factor=factor()))
    assert refused(asked) == {"$.tces[0].daf": "DAF_TWICE", "$.tces[1].daf": "DAF_NOT_DUE"}
    by_actual = factor(distance_basis="ACTUAL", daf_included="no")
    answer = done(request(leg(daf=given | {"value": "1.12"}, factor=by_actual)))
    assert number(answer, "tces.1.daf") == Decimal("1.12")
    assert at(answer, "tces.1.daf_why") == "given: road"


def test_each_flight_of_an_aircraft_has_its_own_allowance() -> None:
    """A stop on the way makes it (GCD + 2 x 95) / GCD, never split by the sender's rounding."""
    by = factor(distance_basis="ACTUAL", daf_included="no")
    one = {"tce_id": "1", "mode": "AIR", "mass_kg": "1000", "legs_km": ["1000", "900"],
           "distance_basis": "GCD", "factor": by}  # fmt: skip
    answer = done(request(one))
    assert number(answer, "tces.1.distance_km") == 1900
    assert number(answer, "tces.1.daf") == Decimal("1.1")
    assert calculate(request(one | {"distance_basis": "SFD"}))[1]["missing"][0]["code"] == (
        "DAF_UNKNOWN"
    )


def test_unknown_is_taken_as_not_inside_and_said() -> None:
    """As the live footprint does: the higher result, with the assumption in the statement."""
    answer = done(request(leg(toc_id="desnz-2025/road-artic-average-laden")))
    assert number(answer, "co2e.co2e_wtw_kg") == Decimal("0.09623") * 100 * Decimal("1.05")
    assert [one["code"] for one in at(answer, "statement.assumptions")] == ["DAF_ASSUMED"]


def test_an_actual_distance_is_a_deviation() -> None:
    """ISO 14083 asks for SFD or GCD; another distance than the factor's is named, too."""
    answer = done(request(
        leg("1", distance_basis="ACTUAL", factor=factor()),
        leg("2", distance_basis="GCD", factor=factor()),
    ))  # fmt: skip
    said = [(one["path"], one["code"]) for one in at(answer, "statement.deviations")]
    assert said[2:] == [
        ("$.tces[0]", "ACTUAL_DISTANCE"), ("$.tces[0]", "OTHER_DISTANCE"),
        ("$.tces[1]", "OTHER_DISTANCE"),
    ]  # fmt: skip


# ---- which data count


def test_primary_goes_before_modelled_before_default() -> None:
    """Each element takes the best that it has; the trace names what was left."""
    model = {"load_factor": "0.5", "empty_distance_factor": "0.2", "capacity_kg": "20000",
             "distance_basis": "SFD", "source": "test",
             "consumption": {"carrier": "diesel", "unit": "l", "empty_per_km": "0.2",
                             "full_per_km": "0.3", "factor": DIESEL}}  # fmt: skip
    own = {"energy": [fuel()]}
    answer = done(request(
        leg("1", factor=factor(), model=model, **own),
        leg("2", factor=factor(), model=model),
        leg("3", factor=factor()),
    ))  # fmt: skip
    assert [one["data_type"] for one in answer["tces"]] == ["PRIMARY", "MODELLED", "DEFAULT"]
    assert number(answer, "tces.1.co2e.co2e_wtw_kg") == Decimal("34.4")
    # (0.25 + 0.2 x 0.25) l/km over 10 t, 100 tkm, 3.44 kg/l
    assert number(answer, "tces.2.co2e.co2e_wtw_kg") == Decimal("10.32")
    assert number(answer, "tces.3.co2e.co2e_wtw_kg") == 10
    left = [line for line in at(answer, "tces.1.trace") if "goes before" in line]
    assert len(left) == 2
    whole = Decimal("34.4") + Decimal("10.32") + 10
    share = number(answer, "primary_share_by_emissions")
    assert abs(share * whole - Decimal("34.4")) < Decimal("1e-25")
    assert abs(number(answer, "primary_share_by_tkm") * 3 - 1) < Decimal("1e-25")
    shares = [number(answer, f"data_quality.{name}") for name in ("primary", "modelled", "default")]
    assert abs(sum(shares) - 1) < Decimal("1e-25")


def test_a_named_factor_is_as_primary_as_it_says() -> None:
    """A factor of the request that is named by its id goes before a model, too, when it is
    primary; a category that nobody uses says nothing about the total's packs.
    """
    model = {"load_factor": "1", "empty_distance_factor": "0", "capacity_kg": "1000",
             "distance_basis": "SFD", "empty_kg_per_km": {"wtw": "1"},
             "full_kg_per_km": {"wtw": "1"}}  # fmt: skip
    named = factor(id="mine", data_type="PRIMARY", pack="own-1")
    unused = toc(energy=[fuel(factor=DIESEL | {"pack": "other-1"})])
    by = {"model": model}
    answer = done(request(leg("1", factor="mine", **by), leg("2", toc_id="mine", **by),
                          factors=[named], tocs=[unused]))  # fmt: skip
    assert [one["data_type"] for one in answer["tces"]] == ["PRIMARY", "PRIMARY"]
    assert (answer["packs"], answer["warnings"]) == (["own-1"], [])


def test_a_suppliers_share_counts_as_stated() -> None:
    """A primary intensity of which 40 % rests on primary data counts as 40 %."""
    stated = factor(data_type="PRIMARY", primary_share="0.4")
    answer = done(request(leg(factor=stated)))
    assert number(answer, "primary_share_by_emissions") == Decimal("0.4")
    assert number(answer, "data_quality.default") == Decimal("0.6")


def test_the_default_of_a_mode_is_by_haul(tmp_path: Path) -> None:
    """Flights up to 1,500 km are short; nothing given means the default of the first pack."""
    common = {"kind": "TRANSPORT", "mode": "AIR", "unit": "kg/tkm", "gwp": "AR6", "region": "EU",
              "year": 2024, "source": "s", "page": "p", "licence": "l", "distance_basis": "GCD",
              "daf_included": "no", "default_for": "AIR"}  # fmt: skip
    pack = {"pack": "air", "version": "1", "title": "t", "publisher": "p", "licence": "l",
            "origin": "o", "factors": [
                {"id": "s", "what": "short", "haul": "short", "wtw": "1.5", **common},
                {"id": "l", "what": "long", "haul": "long", "wtw": "0.6", **common}]}  # fmt: skip
    path = tmp_path / "air.json"
    path.write_text(json.dumps(pack))
    with_air = [leg(str(km), km=str(km), mode="AIR", distance_basis="GCD") for km in (1500, 1501)]
    answer = done(request(*with_air), str(path))
    assert at(answer, "tces.1500.factors") == ["air-1/s"]
    assert at(answer, "tces.1501.factors") == ["air-1/l"]
    assert number(answer, "tces.1501.daf") == 1


def test_no_default_is_a_named_hole_with_the_computed_part() -> None:
    """Barges have no default in the built-in pack: the rest is computed and the total is not."""
    code, answer = calculate(request(leg("1", factor=factor()), leg("2", mode="BARGE")))
    assert (code, answer["complete"], answer["co2e"]["co2e_wtw_kg"]) == (1, False, None)
    assert missing(answer) == {"$.tces[1]": "FACTOR_UNKNOWN"}
    assert number(answer, "computed.co2e_wtw_kg") == 10
    assert answer["primary_share_by_emissions"] is None


def test_what_is_missing_is_named_element_by_element() -> None:
    """Mass, distance and factor, all at once; nothing counts as zero."""
    bare = {"tce_id": "1", "mode": "BARGE"}
    code, answer = calculate(request(bare, {"tce_id": "2", "hub_type": "Warehouse"}))
    assert code == 1
    assert sorted((one["path"], one["code"]) for one in answer["missing"]) == [
        ("$.tces[0]", "DISTANCE_UNKNOWN"), ("$.tces[0]", "FACTOR_UNKNOWN"),
        ("$.tces[0]", "MASS_UNKNOWN"), ("$.tces[1]", "FACTOR_UNKNOWN"),
        ("$.tces[1]", "MASS_UNKNOWN"),
    ]  # fmt: skip
    assert answer["transport_activity_tkm"] is None


def test_factors_are_named_by_pack_or_refused() -> None:
    """A factor of a pack that was not chosen needs its pack's name; another mode is refused."""
    code, answer = calculate(request(leg(toc_id="grid-chn")))
    assert (code, missing(answer)) == (1, {"$.tces[0]": "FACTOR_UNKNOWN"})
    assert refused(request(leg(toc_id="rail-freight-train"))) == {"$.tces[0]": "WRONG_MODE"}
    assert refused(request(leg(toc_id="grids-2023/grid-chn"))) == {"$.tces[0]": "WRONG_UNIT"}
    code, answer = calculate(request(leg(toc_id="road-truck")), "desnz-2025", "epa-hub-2025")
    assert (code, missing(answer)) == (1, {"$.tces[0]": "FACTOR_PART_UNKNOWN"})
    assert number(answer, "co2e.co2e_ttw_kg") > 0


# ---- mass and TEU


@pytest.mark.parametrize(
    ("boxes", "mass", "teu"),
    [
        ([("20", 1, None)], "10000", "1"), ([("40", 2, "LIGHT")], "24000", "4"),
        ([("40HC", 1, "HEAVY")], "32625", "2.25"), ([("20", 3, "EMPTY")], "6000", "3"),
        ([("20", 1, "HEAVY"), ("40", 1, "EMPTY")], "18500", "3"),
    ],
)  # fmt: skip
def test_containers_say_tonnes_where_mass_is_unknown(
    boxes: list[tuple[str, int, str | None]], mass: str, teu: str
) -> None:
    """10, 6 or 14.5 t per TEU of cargo, 2 t of an empty one; the statement says it was assumed."""
    listed = [{"size": size, "count": n, "weight": w} for size, n, w in boxes]
    one = {"tce_id": "1", "mode": "SEA", "distance_km": "1000", "distance_basis": "SFD"}
    answer = done(request({**one, "containers": listed, "factor": factor()}))
    assert (number(answer, "tces.1.mass_kg"), number(answer, "tces.1.teu")) == (
        Decimal(mass), Decimal(teu),
    )  # fmt: skip
    assert [one["code"] for one in at(answer, "statement.assumptions")] == ["MASS_BY_TEU"]


def test_a_hub_is_per_tonne_per_teu_or_per_container() -> None:
    """What the factor is per has to be there."""
    box = {"containers": [{"size": "40", "count": 3}], "mass_kg": "1000"}
    hub = {"hub_type": "MaritimeContainerTerminal"}
    units = ("kg/t", "kg/TEU", "kg/container")
    answer = done(request(*(
        {"tce_id": unit, **hub, **box, "factor": factor("10", unit)} for unit in units
    )))  # fmt: skip
    found = [number(answer, f"tces.{unit}.co2e.co2e_wtw_kg") for unit in units]
    assert found == [10, 60, 30]
    for unit, code in (("kg/TEU", "TEU_UNKNOWN"), ("kg/container", "CONTAINERS_UNKNOWN")):
        bare = {"tce_id": "1", **hub, "mass_kg": "1", "factor": factor("10", unit)}
        assert missing(calculate(request(bare))[1]) == {"$.tces[0]": code}


# ---- energy


def test_energy_of_one_element_with_an_allocation() -> None:
    """A share as given, by tkm, or by mass; more than all of it is refused."""

    def one(name: str, **rule: str) -> Json:
        return leg(name, energy=[fuel(allocation=rule)])

    answer = done(request(
        one("share", share="0.25"), one("tkm", total_tkm="400"), one("mass", total_kg="5000"),
    ))  # fmt: skip
    found = [number(answer, f"tces.{name}.co2e.co2e_wtw_kg") for name in ("share", "tkm", "mass")]
    assert found == [Decimal("8.6"), Decimal("8.6"), Decimal("6.88")]
    assert number(answer, "tces.share.co2e.co2e_wtt_kg") == 2
    assert set(refused(request(one("1", total_tkm="99"))).values()) == {"SHARES"}
    assert refused(request(one("1", total_tkm="400", share="1"))) == {
        "$.tces[0].energy[0].allocation": "BAD_VALUE"
    }


@pytest.mark.parametrize(
    ("quantity", "unit", "carries", "kg"),
    [
        ("1", "l", {"unit": "kg/l"}, "3"), ("2", "t", {"unit": "kg/kg"}, "6000"),
        ("1", "l", {"unit": "kg/kg", "density_kg_per_l": "0.8"}, "2.4"),
        ("1", "kg", {"unit": "kg/l", "density_kg_per_l": "0.8"}, "3.75"),
        ("1", "kg", {"unit": "kg/MJ", "wtw": "0.1", "lhv_mj_per_kg": "42"}, "4.2"),
        ("1", "kWh", {"unit": "kg/MJ", "wtw": "0.1"}, "0.36"),
        ("36", "MJ", {"unit": "kg/kWh", "wtw": "0.5"}, "5"),
        ("42", "MJ", {"unit": "kg/kg", "lhv_mj_per_kg": "42"}, "3"),
        ("1", "l", {"unit": "kg/MJ", "wtw": "0.1", "lhv_mj_per_kg": "40",
                    "density_kg_per_l": "0.8"}, "3.2"),
        ("3.2", "MJ", {"unit": "kg/l", "lhv_mj_per_kg": "40", "density_kg_per_l": "0.8"}, "0.3"),
        ("10", "kWh", {"unit": "kg/kg", "lhv_mj_per_kg": "36"}, "3"),
        ("1", "kg", {"unit": "kg/kWh", "wtw": "0.3", "lhv_mj_per_kg": "36"}, "3"),
    ],
)  # fmt: skip
def test_energy_is_converted_to_the_unit_of_its_factor(
    quantity: str, unit: str, carries: Json, kg: str
) -> None:
    """By density and heating value of the factor, never by a guess."""
    by = {"wtw": "3", "source": "test", **carries}
    answer = done(request(leg(energy=[fuel(quantity, unit, factor=by)])))
    assert abs(number(answer, "co2e.co2e_wtw_kg") - Decimal(kg)) < Decimal("1e-30")


def test_units_that_nothing_connects_are_a_named_hole() -> None:
    """Litres with a factor per kg and no density: said, not assumed."""
    by = {"unit": "kg/kg", "wtw": "3", "source": "test"}
    code, answer = calculate(request(leg(energy=[fuel(factor=by)])))
    assert (code, missing(answer)) == (1, {"$.tces[0]": "UNIT_DIFFERS"})


def test_electricity_and_hydrogen_have_no_operation() -> None:
    """TTW = 0, all of it WTT; a TTW that somebody writes is refused."""
    for carrier in ("electricity", "Hydrogen"):
        by = {"unit": "kg/kWh", "wtw": "0.5", "source": "test"}
        amount = {"carrier": carrier, "quantity": "10", "unit": "kWh", "factor": by}
        answer = done(request(leg(energy=[amount])))
        emitted = answer["co2e"]
        assert emitted == {"co2e_wtw_kg": "5", "co2e_wtt_kg": "5", "co2e_ttw_kg": "0"}
    wrong = factor("0.5", "kg/kWh", ttw="0.1", carrier="electricity")
    asked = request(leg(energy=[amount | {"factor": wrong}]))
    assert refused(asked) == {"$.tces[0].energy[0].factor.ttw": "TTW_NOT_ZERO"}


def test_published_operation_of_an_electric_van_is_provision() -> None:
    """DESNZ prints generation as operation: it is counted as WTT, and the statement says so."""
    answer = done(request(leg(
        toc_id="desnz-2025/road-van-average-up-to-3-5-tonnes-battery-electric-vehicle",
    )))  # fmt: skip
    assert number(answer, "co2e.co2e_ttw_kg") == 0
    assert number(answer, "tces.1.intensity.wtt") == Decimal("0.27625")
    assert "TTW_IS_WTT" in [one["code"] for one in at(answer, "statement.assumptions")]


def test_a_partial_factor_needs_a_reason() -> None:
    """The Chinese grid counts CO2 of generation only: a hole, or a deviation with a reason."""
    amount = {"carrier": "electricity", "quantity": "1000", "unit": "kWh",
              "factor": "grids-china-2023/grid-cn-bj"}  # fmt: skip
    code, answer = calculate(request(leg(energy=[amount])))
    assert (code, missing(answer)) == (1, {"$.tces[0]": "FACTOR_PARTIAL"})
    answer = done(request(leg(energy=[amount | {"accept_partial": "nothing better is public"}])))
    assert number(answer, "co2e.co2e_wtw_kg") == Decimal("555.4")
    assert "PARTIAL_FACTOR" in [one["code"] for one in at(answer, "statement.deviations")]


def test_operation_and_provision_of_two_publishers_together() -> None:
    """EPA publishes TTW of diesel, DESNZ WTT: named, added, and warned of as two packs."""
    amount = fuel("100", factor="epa-hub-2025/mobile-diesel-fuel", accept_partial="CH4, N2O small",
                  wtt_factor="desnz-2025/wtt-diesel-average-biofuel-blend-l")  # fmt: skip
    answer = done(request(leg(energy=[amount])))
    emitted = answer["co2e"]
    assert number(answer, "co2e.co2e_wtt_kg") == Decimal("61.101")
    assert round(Decimal(emitted["co2e_ttw_kg"]), 3) == Decimal("269.720")
    assert {one["code"] for one in answer["warnings"]} == {"MIXED_PACKS", "MIXED_GWP"}


def test_refrigerants_come_on_top_as_operation() -> None:
    """Refilled, or leaking from a charge by a rate: 5.5 kg x 32.5 % of 1,530 in a year."""
    leak = {"refrigerant": "R-134a", "charge_kg": "5.5", "loss_rate": "0.325",
            "factor": {"unit": "kg/kg", "ttw": "1530", "source": "test"}}  # fmt: skip
    answer = done(request(leg(factor=factor(ttw="0.08"), refrigerants=[leak])))
    lost = Decimal("1.7875") * 1530
    assert number(answer, "co2e.co2e_wtw_kg") == 10 + lost
    assert number(answer, "co2e.co2e_ttw_kg") == 8 + lost
    assert number(answer, "co2e.co2e_wtt_kg") == 2
    by_pack = leak | {"factor": "epa-hub-2025/hfc-134a", "quantity_kg": "1"}
    del by_pack["charge_kg"], by_pack["loss_rate"]
    answer = done(request(leg(factor=factor(), refrigerants=[by_pack])))
    assert number(answer, "co2e.co2e_wtw_kg") == 1310


# ---- categories


def test_each_temperature_zone_bears_its_own_energy() -> None:
    """Common fuel by all tkm, the cooling unit's by the cooled tkm alone; nothing is lost."""
    cool = toc(
        energy=[fuel("100"), fuel("10", zone="cool")],
        activities=[{"tkm": "600", "zone": "dry"}, {"tkm": "400", "zone": "cool"}],
        refrigerants=[{"refrigerant": "R-134a", "quantity_kg": "0.01", "zone": "cool",
                       "factor": {"unit": "kg/kg", "ttw": "1530", "source": "test"}}],
    )  # fmt: skip
    answer = done(request(by_toc("d", zone="dry"), by_toc("c", zone="cool"), tocs=[cool]))
    assert number(answer, "tocs.T.zones.dry.intensity.wtw") == Decimal("0.344")
    assert (
        number(answer, "tocs.T.zones.cool.intensity.wtw")
        == Decimal("0.344") + (Decimal("34.4") + Decimal("15.3")) / 400
    )
    parts = [number(answer, f"tocs.T.zones.{name}.co2e.co2e_wtw_kg") for name in ("dry", "cool")]
    assert sum(parts) == number(answer, "tocs.T.co2e.co2e_wtw_kg") == Decimal("393.7")
    code, answer = calculate(request(by_toc(), tocs=[cool]))
    assert (code, missing(answer)) == (1, {"$.tces[0]": "ACTIVITY_UNKNOWN"})
    nobody = toc(energy=[fuel(zone="frozen")])
    assert refused(request(tocs=[nobody])) == {"$.tocs[0].energy[0].zone": "UNKNOWN_ZONE"}


def test_a_ferry_shares_by_passenger_equivalents() -> None:
    """Freight bears its part of the equivalents, over its own tkm."""
    ferry = toc(
        mode="SEA",
        equivalents=[
            {"what": "car", "count": "100", "equivalents": "1.3", "use": "PASSENGER"},
            {"what": "person", "count": "90", "equivalents": "1", "use": "PASSENGER"},
            {"what": "articulated lorry", "count": "10", "equivalents": "18", "use": "FREIGHT"},
        ],
    )
    answer = done(request(by_toc(), tocs=[ferry]))
    assert number(answer, "tocs.T.freight_share") == Decimal("0.45")
    assert number(answer, "tocs.T.co2e.co2e_wtw_kg") == 344
    assert number(answer, "co2e.co2e_wtw_kg") == 344 * Decimal("0.45") / 10


def test_a_ballast_trip_has_energy_and_no_activity() -> None:
    """Empty trips make the loaded ones dearer; the category covers the round trip."""
    trips = [{"distance_km": "100", "mass_kg": "10000"}, {"distance_km": "100", "mass_kg": "0"}]
    answer = done(request(by_toc(), tocs=[toc(activities=trips)]))
    assert number(answer, "tocs.T.activity") == 1000
    assert number(answer, "co2e.co2e_wtw_kg") == Decimal("34.4")


def test_a_category_without_energy_or_activity_is_a_hole() -> None:
    """Nothing follows from nothing: both are named."""
    empty, idle = toc("E", energy=[]), toc("I", activities=[])
    code, answer = calculate(request(by_toc("1", "E"), by_toc("2", "I"), tocs=[empty, idle]))
    assert (code, missing(answer)) == (1, {
        "$.tocs[0]": "ENERGY_UNKNOWN", "$.tces[0]": "INTENSITY_UNKNOWN",
        "$.tces[1]": "ACTIVITY_UNKNOWN",
    })  # fmt: skip


def test_uplifts_of_region_and_temperature() -> None:
    """An articulated lorry of 95 g/tkm, cooled, in Asia: 95 x 1.22 x 1.12 = 129.81 g/tkm."""
    by = leg(factor=factor("0.095"), uplifts=["TEMPERATURE_TRUCK", "ASIA_AFRICA_TRUCK"])
    answer = done(request(by))
    assert round(number(answer, "tces.1.intensity.wtw"), 5) == Decimal("0.12981")
    assert {one["code"] for one in at(answer, "statement.assumptions")} == {"UPLIFT"}
    cold = factor("0.095", temperature_control="refrigerated")
    assert set(refused(request(by | {"factor": cold})).values()) == {"UPLIFT_TWICE"}
    twice = by | {"uplifts": ["TEMPERATURE_TRUCK", "TEMPERATURE_VAN"]}
    assert set(refused(request(twice)).values()) == {"UPLIFT_TWICE"}
    own = request(by_toc(uplifts=["TEMPERATURE_TRUCK"]), tocs=[toc()])
    assert refused(own) == {"$.tces[0].uplifts": "UPLIFT_NOT_DUE"}


# ---- reporting


def test_the_kpi_is_relative_and_on_one_pack() -> None:
    """G_now - g_prev x T_now: twice the activity at a lower intensity is an improvement."""
    before = {"intensity_wtw_kg_per_tkm": "0.12", "packs": ["own-1"]}
    now = leg(factor=factor(pack="own-1"))
    answer = done(request(now, kpi=before))
    assert number(answer, "kpi.relative_change_kg") == -2
    assert answer["kpi"]["improved"] is True
    by_total = {"co2e_wtw_kg": "4.5", "transport_activity_tkm": "50", "packs": ["own-1"]}
    answer = done(request(now, kpi=by_total))
    assert number(answer, "kpi.relative_change_kg") == 1
    code, answer = calculate(request(now, kpi=before | {"packs": ["own-0"]}))
    assert (code, answer["kpi"], missing(answer)) == (1, None, {
        "$.kpi.packs": "KPI_PACKS_DIFFER"
    })  # fmt: skip


def test_the_statement_has_what_iso_14083_asks_for() -> None:
    """Reference, period, distance types, sources of defaults, what is optional, deviations."""
    asked = request(
        leg(toc_id="desnz-2025/road-artic-average-laden"),
        period={"first": "2025-01-01", "last": "2025-12-31"},
        supporting_information="annual report, p. 7",
        optional_included=["storage"],
    )
    said = done(asked)["statement"]
    assert said["reference"] == "ISO 14083:2023"
    assert said["period"] == "2025-01-01 to 2025-12-31"
    assert said["distance_types"] == ["SFD"] and said["optional_included"] == ["storage"]
    assert "row 27_304_3136_14_1" in said["default_factor_sources"][0]
    assert said["deviations"] == [] and "not quantified" in said["uncertainty"]
    del asked["period"], asked["supporting_information"]
    codes = [one["code"] for one in done(asked)["statement"]["deviations"]]
    assert codes == ["NO_PERIOD", "NO_SUPPORTING_INFORMATION"]


def test_a_factor_outside_of_its_validity_is_not_taken(tmp_path: Path) -> None:
    """A factor that is valid in 2024 has nothing to say about 2025."""
    one = {"id": "a", "what": "w", "kind": "TRANSPORT", "mode": "ROAD", "unit": "kg/tkm",
           "wtw": "0.1", "gwp": "AR6", "region": "EU", "year": 2024, "source": "s", "page": "p",
           "licence": "l", "distance_basis": "SFD", "daf_included": "no",
           "valid_from": "2024-01-01", "valid_to": "2024-12-31"}  # fmt: skip
    file = tmp_path / "p.json"
    pack = {"pack": "p", "version": "1", "title": "t", "publisher": "p", "licence": "l",
            "origin": "o", "factors": [one]}  # fmt: skip
    file.write_text(json.dumps(pack))
    for year, codes in (("2024", {}), ("2025", {"$.tces[0]": "FACTOR_NOT_VALID"})):
        period = {"first": f"{year}-01-01", "last": f"{year}-12-31"}
        _, answer = calculate(request(leg(toc_id="a"), period=period), str(file))
        assert missing(answer) == codes


def test_printed_parts_that_do_not_add_up_are_used_as_printed() -> None:
    """42 + 138 with 179 printed: each number as its source has it, and the statement says so."""
    answer = done(request(leg(factor=factor("0.179", wtt="0.042", ttw="0.138"))))
    assert number(answer, "co2e.co2e_wtw_kg") == Decimal("17.9")
    assert [one["code"] for one in at(answer, "statement.assumptions")] == ["PARTS_ROUNDED"]


def test_people_can_read_it(tmp_path: Path) -> None:
    """Without --json there is a table, the trace, what is missing, and the same exit code."""
    file = tmp_path / "chain.json"
    file.write_text(json.dumps(whole_chain()))
    code, said = run("calculate", str(file))
    assert code == 0 and "1499.57" in said and "MIXED_PACKS" in said and "216500" in said
    file.write_text(json.dumps(request(leg(mode="BARGE", stated={"co2e_wtw_kg": "1"}))))
    code, said = run("calculate", str(file))
    assert code == 1 and "INCOMPLETE" in said and "FACTOR_UNKNOWN" in said and "differs" in said
    file.write_text(json.dumps(request(leg(mass="1,5"))))
    code, said = run("calculate", str(file))
    assert code == 1 and "$.tces[0].mass_kg: DECIMAL_COMMA" in said and "write 1.5" in said
