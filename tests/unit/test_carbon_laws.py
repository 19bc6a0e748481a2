"""Laws of the carbon method: allocation conserves, order says nothing, and a second implementation
in fractions agrees over random chains.
"""

import copy
import json
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import carbon_oracle as oracle
import msgspec
from carbon_world import number
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.processors.carbon_allocation import shares
from supplytwin.processors.carbon_parts import total
from supplytwin.schemas.decimal_text import plain
from supplytwin.streams.cli_carbon import answered, spelt

Json = dict[str, Any]
EXAMPLES = settings(max_examples=50, deadline=None)


def decimals(least: str, most: str, places: int = 3) -> st.SearchStrategy[str]:
    """Numbers in plain digits."""
    return st.decimals(Decimal(least), Decimal(most), places=places).map(plain)


MASSES, KMS = decimals("0.001", "99999999"), decimals("0.1", "25000")
QUANTITIES = decimals("0", "9999999")
MODES = st.sampled_from(["ROAD", "RAIL", "AIR", "SEA", "BARGE"])


def factors(*units: str) -> st.SearchStrategy[Json]:
    """Inline factors with WTT and TTW; plausible in each unit."""
    return st.fixed_dictionaries({
        "unit": st.sampled_from(units),
        "wtt": decimals("0.01", "0.5", 6),
        "ttw": decimals("0.06", "2", 6),
        "density_kg_per_l": decimals("0.7", "1", 3),
        "source": st.just("a law"),
    })  # fmt: skip


AMOUNTS = st.builds(
    lambda quantity, unit, factor: {
        "carrier": "fuel",
        "quantity": quantity,
        "unit": unit,
        "factor": factor | {"unit": "kg/kg" if unit == "t" else factor["unit"]},
    },
    QUANTITIES, st.sampled_from(["l", "t"]), factors("kg/l", "kg/kg"),
)  # fmt: skip
BOXES = st.lists(
    st.fixed_dictionaries({
        "size": st.sampled_from(["20", "40", "40HC"]), "count": st.integers(1, 50),
        "weight": st.sampled_from(["LIGHT", "AVERAGE", "HEAVY", "EMPTY"]),
    }), min_size=1, max_size=3,
)  # fmt: skip
BASES = st.fixed_dictionaries({
    "distance_basis": st.sampled_from(["SFD", "GCD", "ACTUAL", "unknown"]),
    "daf_included": st.sampled_from(["yes", "no", "unknown"]),
})  # fmt: skip


@st.composite
def elements(draw: st.DrawFn, name: str, tocs: list[str], stops: list[tuple[str, str]]) -> Json:
    """One element of any kind."""
    sorts = ["leg", "boxes", "hub", "terminal", "energy"]
    sort = draw(st.sampled_from([*sorts, *(["toc"] if tocs else []), *(["stop"] if stops else [])]))
    made: Json = {"tce_id": name}
    if sort == "stop":
        round_id, stop_id = draw(st.sampled_from(stops))
        return made | {"round_id": round_id, "stop_id": stop_id}
    if sort == "hub":
        by = draw(factors("kg/t"))
        return made | {"hub_type": "Warehouse", "mass_kg": draw(MASSES), "factor": by}
    if sort == "terminal":
        by = draw(factors("kg/container", "kg/TEU"))
        return made | {"hub_type": "Terminal", "containers": draw(BOXES), "factor": by}
    mode = draw(MODES)
    made |= {"distance_km": draw(KMS), "distance_basis": "GCD"}
    if sort == "boxes":
        by = draw(factors("kg/TEU-km")) | draw(BASES)
        return made | {"mode": mode, "containers": draw(BOXES), "factor": by}
    made |= {"mass_kg": draw(MASSES)}
    if sort == "leg":
        return made | {"mode": mode, "factor": draw(factors("kg/tkm")) | draw(BASES)}
    if sort == "toc":
        return made | {"toc_id": draw(st.sampled_from(tocs))}
    amounts = [dict(one) for one in draw(st.lists(AMOUNTS, min_size=1, max_size=3))]
    for one in amounts:
        share = {"share": draw(decimals("0", "1", 4))}
        tkm = Fraction(made["mass_kg"]) / 1000 * Fraction(made["distance_km"])
        whole = {"total_tkm": str(int(tkm) + draw(st.integers(1, 10**6)))}
        one["allocation"] = draw(st.sampled_from([share, whole]))
    return made | {"mode": mode, "energy": amounts}


@st.composite
def requests(draw: st.DrawFn) -> Json:
    """A chain of up to eight elements with the categories and rounds that they name."""
    tocs: list[Json] = []
    for at in range(draw(st.integers(0, 2))):
        trip = st.fixed_dictionaries({
            "count": st.integers(1, 400), "distance_km": KMS, "mass_kg": MASSES,
        })  # fmt: skip
        tocs.append({
            "toc_id": f"T{at}", "mode": draw(MODES),
            "distance_basis": draw(st.sampled_from(["SFD", "GCD", "ACTUAL"])),
            "daf_included": draw(st.sampled_from(["yes", "no", "unknown"])),
            "activities": draw(st.lists(trip, min_size=1, max_size=3)),
            "energy": draw(st.lists(AMOUNTS, min_size=1, max_size=3)),
        })  # fmt: skip
    rounds: list[Json] = []
    for at in range(draw(st.integers(0, 1))):
        loads = draw(st.lists(st.tuples(MASSES, KMS), min_size=1, max_size=6))
        rounds.append({
            "round_id": f"R{at}", "mode": "ROAD", "distance_basis": "SFD",
            "energy": draw(st.lists(AMOUNTS, min_size=1, max_size=2)),
            "stops": [{"stop_id": str(n), "mass_kg": mass, "distance_km": km}
                      for n, (mass, km) in enumerate(loads)],
        })  # fmt: skip
    stops = [(one["round_id"], stop["stop_id"]) for one in rounds for stop in one["stops"]]
    names = [f"e{n}" for n in range(draw(st.integers(1, 8)))]
    tces = []
    for at, name in enumerate(names):
        one = draw(elements(name, [toc["toc_id"] for toc in tocs], stops))
        if at:
            one["prev_tce_ids"] = draw(st.lists(st.sampled_from(names[:at]), unique=True))
        tces.append(one)
    return {"calculation": "1", "chain_id": "random", "tces": tces, "tocs": tocs, "rounds": rounds}


def answer_of(request: Json) -> Json:
    """The answer, in the spelling of the command."""
    made: Json = spelt(answered(json.dumps(request).encode(), ()))
    assert not made.get("refused"), made
    return made


def close(found: str, exact: Fraction) -> bool:
    """Within the 34 digits that are computed with, and the 24 decimals of a share."""
    return abs(Fraction(found) - exact) <= abs(exact) / 10**18 + Fraction(1, 10**9)


@EXAMPLES
@given(requests())
def test_a_second_implementation_agrees(request: Json) -> None:
    """WTW, WTT, TTW and tkm of random chains, computed in fractions from the same JSON."""
    answer = answer_of(request)
    tkm, (wtw, wtt, ttw) = oracle.chain(request)
    assert answer["complete"]
    assert close(answer["transport_activity_tkm"], tkm)
    assert close(answer["co2e"]["co2e_wtw_kg"], wtw)
    assert close(answer["co2e"]["co2e_wtt_kg"], wtt)
    assert close(answer["co2e"]["co2e_ttw_kg"], ttw)


@EXAMPLES
@given(requests(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_given_says_nothing(request: Json, chance: random.Random) -> None:
    """Elements, categories, stops, trips and amounts in another order: same hash, same numbers."""
    first = answer_of(request)
    again = answer_of(shuffled(request, chance))
    assert first["input_sha256"] == again["input_sha256"]
    for name in ("co2e", "computed", "transport_activity_tkm", "kinds", "modes", "data_quality"):
        assert first[name] == again[name]
    assert [one["co2e"] for one in first["tces"]] == [one["co2e"] for one in again["tces"]]


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same document, its lists and objects in another order, numbers spelt otherwise."""
    if isinstance(value, dict):
        items = [(name, shuffled(one, chance)) for name, one in value.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        many = [shuffled(one, chance) for one in value]
        chance.shuffle(many)
        return many
    return f"{value}0" if isinstance(value, str) and "." in value else value


@EXAMPLES
@given(requests(), st.data())
def test_another_input_is_another_hash(request: Json, data: st.DataObject) -> None:
    """A gram, a metre or a source more or less does not pass as the same inputs."""
    before = answer_of(request)["input_sha256"]
    at = data.draw(st.integers(0, len(request["tces"]) - 1))
    request["tces"][at]["from_place"] = "elsewhere"
    assert answer_of(request)["input_sha256"] != before


@EXAMPLES
@given(
    st.dictionaries(st.text(min_size=1), st.decimals(0, 10**12, places=6), min_size=1),
    st.decimals(0, 10**9, places=6),
)
def test_allocation_conserves(weights: dict[str, Decimal], kg: Decimal) -> None:
    """Shares sum to exactly 1, allocated kg to the total within 1e-9; none is negative, and each
    is its part of the whole; the order of names does not matter.
    """
    if not any(weights.values()):
        weights = {**weights, "one": Decimal(1)}
    found = shares(weights)
    assert sum(map(Fraction, found.values())) == 1
    whole = sum(map(Fraction, weights.values()))
    for name, share in found.items():
        assert share >= 0
        assert abs(Fraction(share) - Fraction(weights[name]) / whole) <= Fraction(1, 10**24)
    borne = sum(Fraction(share) * Fraction(kg) for share in found.values())
    assert abs(borne - Fraction(kg)) <= Fraction(1, 10**9)
    assert shares(dict(reversed(weights.items()))) == found


@EXAMPLES
@given(st.lists(st.tuples(MASSES, KMS), min_size=1, max_size=20), QUANTITIES)
def test_a_round_gives_away_all_of_its_emissions(loads: list[tuple[str, str]], used: str) -> None:
    """What the stops bear is the round's total, WTW, WTT and TTW; the shares sum to exactly 1."""
    stops = [{"stop_id": str(n), "mass_kg": mass, "distance_km": km}
             for n, (mass, km) in enumerate(loads)]  # fmt: skip
    by = {"unit": "kg/l", "wtt": "0.8", "ttw": "2.64", "source": "a law"}
    fuel = {"carrier": "diesel", "quantity": used, "unit": "l", "factor": by}
    round_ = {"round_id": "R", "mode": "ROAD", "distance_basis": "SFD", "energy": [fuel]}
    tces = [{"tce_id": stop["stop_id"], "round_id": "R", "stop_id": stop["stop_id"]}
            for stop in stops]  # fmt: skip
    answer = answer_of({
        "calculation": "1", "chain_id": "R", "rounds": [round_ | {"stops": stops}], "tces": tces,
    })  # fmt: skip
    assert sum(Decimal(one["share"]) for one in answer["rounds"][0]["stops"]) == 1
    for name in ("co2e_wtw_kg", "co2e_wtt_kg", "co2e_ttw_kg"):
        borne = sum(Fraction(one["co2e"][name]) for one in answer["rounds"][0]["stops"])
        assert abs(borne - Fraction(number(answer, f"rounds.R.co2e.{name}"))) <= Fraction(1, 10**9)
        assert abs(borne - Fraction(number(answer, f"co2e.{name}"))) <= Fraction(1, 10**9)


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]), st.just({}),
    st.sampled_from(["1,5", "-1", "NaN", "0", "1e9", "ROAD", "kg/t", "e0", "T0", "ACTUAL"]),
    st.just([{}]), st.just({"unit": "kg/tkm", "wtw": "95"}),
)  # fmt: skip


@EXAMPLES
@given(requests(), st.data())
def test_whatever_is_wrong_is_told(request: Json, data: st.DataObject) -> None:
    """A request with junk put in anywhere is computed or refused, incomplete or not: it never
    raises, and a refusal has findings.
    """
    for _ in range(data.draw(st.integers(1, 4))):
        here: Any = request
        while True:
            places = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not places:
                break
            at = data.draw(st.sampled_from(places))
            if isinstance(here[at], dict | list) and data.draw(st.integers(0, 3)):
                here = here[at]
                continue
            here[at] = copy.deepcopy(data.draw(JUNK))
            break
    answer = spelt(answered(json.dumps(request).encode(), ()))
    msgspec.json.encode(answer)
    assert answer["findings"] if answer.get("refused") else "complete" in answer


@EXAMPLES
@given(st.lists(st.decimals(-(10**20), 10**20, places=30), max_size=30), st.randoms())
def test_a_sum_has_no_order(values: list[Decimal], chance: random.Random) -> None:
    """Sums are exact before they are rounded once, so no order of elements can change a digit."""
    other = list(values)
    chance.shuffle(other)
    assert total(values) == total(other)
