"""A second implementation of the carbon method, in fractions, straight from the request's JSON.

Written from the reference, not from the code: it knows inline factors, categories, rounds and
energy with an allocation, and nothing of how the project computes them.
"""

from fractions import Fraction
from typing import Any

Json = dict[str, Any]
Parts = tuple[Fraction, Fraction, Fraction]
"""WTW, WTT, TTW."""
TEU = {"20": Fraction(1), "40": Fraction(2), "40HC": Fraction(9, 4)}
TONNES = {"LIGHT": Fraction(6), "AVERAGE": Fraction(10), "HEAVY": Fraction(29, 2),
          "EMPTY": Fraction(2)}  # fmt: skip
BY_MODE = {"SEA": Fraction(23, 20), "ROAD": Fraction(21, 20), "RAIL": Fraction(1),
           "BARGE": Fraction(1)}  # fmt: skip


def plus(one: Parts, other: Parts) -> Parts:
    """Part by part."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def by(parts: Parts, number: Fraction) -> Parts:
    """Each part times a number."""
    return parts[0] * number, parts[1] * number, parts[2] * number


def parts_of(factor: Json) -> Parts:
    """WTT and TTW are given, WTW is their sum."""
    wtt, ttw = Fraction(factor["wtt"]), Fraction(factor["ttw"])
    return wtt + ttw, wtt, ttw


def energy(amounts: list[Json]) -> Parts:
    """Sum of quantity times factor; litres and kg by density."""
    made = Fraction(0), Fraction(0), Fraction(0)
    for one in amounts:
        quantity = Fraction(one["quantity"])
        if one["unit"] == "t":
            quantity *= 1000
        if one["unit"] == "l" and one["factor"]["unit"] == "kg/kg":
            quantity *= Fraction(one["factor"]["density_kg_per_l"])
        made = plus(made, by(parts_of(one["factor"]), quantity))
    return made


def adjustment(tce: Json, basis: str, included: str, mode: str) -> Fraction:
    """1 when it is inside or both distances are alike; else by mode."""
    if included == "yes" or basis == tce["distance_basis"]:
        return Fraction(1)
    if "daf" in tce:
        return Fraction(tce["daf"]["value"])
    if basis in {"GCD", "SFD"}:
        return Fraction(1)
    if mode == "AIR":
        return (Fraction(tce["distance_km"]) + 95) / Fraction(tce["distance_km"])
    return BY_MODE[mode]


def teu(tce: Json) -> Fraction:
    """TEU of its containers."""
    return sum((TEU[one["size"]] * one["count"] for one in tce["containers"]), Fraction(0))


def tonnes(tce: Json) -> Fraction:
    """As weighed, or by its containers."""
    if "mass_kg" in tce:
        return Fraction(tce["mass_kg"]) / 1000
    return sum(
        (TEU[one["size"]] * one["count"] * TONNES[one["weight"]] for one in tce["containers"]),
        Fraction(0),
    )


def element(tce: Json, request: Json) -> tuple[Fraction, Parts]:
    """(tkm, emissions) of one element."""
    if "round_id" in tce:
        (trip,) = [one for one in request["rounds"] if one["round_id"] == tce["round_id"]]
        weights = {
            stop["stop_id"]: Fraction(stop["mass_kg"]) / 1000 * Fraction(stop["distance_km"])
            for stop in trip["stops"]
        }
        mine = weights[tce["stop_id"]]
        return mine, by(energy(trip["energy"]), mine / sum(weights.values()))
    if "hub_type" in tce:
        unit = tce["factor"]["unit"]
        done = {
            "kg/t": tonnes(tce),
            "kg/TEU": teu(tce) if unit == "kg/TEU" else Fraction(0),
            "kg/container": Fraction(sum(one["count"] for one in tce.get("containers", ()))),
        }[unit]
        return Fraction(0), by(parts_of(tce["factor"]), done)
    km = Fraction(tce["distance_km"])
    tkm = tonnes(tce) * km
    if "energy" in tce:
        made = Fraction(0), Fraction(0), Fraction(0)
        for one in tce["energy"]:
            rule = one.get("allocation", {})
            part = Fraction(rule.get("share", 1))
            if "total_tkm" in rule:
                part = tkm / Fraction(rule["total_tkm"])
            made = plus(made, by(energy([one]), part))
        return tkm, made
    if "toc_id" in tce:
        (toc,) = [one for one in request["tocs"] if one["toc_id"] == tce["toc_id"]]
        whole = sum(
            (Fraction(one.get("count", 1)) * Fraction(one["mass_kg"]) / 1000
             * Fraction(one["distance_km"]) for one in toc["activities"]),
            Fraction(0),
        )  # fmt: skip
        daf = adjustment(tce, toc["distance_basis"], toc["daf_included"], toc["mode"])
        return tkm, by(energy(toc["energy"]), tkm / whole * daf)
    factor = tce["factor"]
    daf = adjustment(tce, factor["distance_basis"], factor["daf_included"], tce["mode"])
    done = teu(tce) * km if factor["unit"] == "kg/TEU-km" else tkm
    return tkm, by(parts_of(factor), done * daf)


def chain(request: Json) -> tuple[Fraction, Parts]:
    """(tkm, emissions) of all elements."""
    tkm, parts = Fraction(0), (Fraction(0), Fraction(0), Fraction(0))
    for tce in request["tces"]:
        done, made = element(tce, request)
        tkm, parts = tkm + done, plus(parts, made)
    return tkm, parts
