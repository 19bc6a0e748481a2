"""Live footprints against a second reading of their rules, and laws of their records."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import live_carbon_oracle as oracle
import live_carbon_world as world
from hypothesis import HealthCheck, given, settings
from live_carbon_world import OWN, fraction, loaded, near

from supplytwin.processors import carbon
from supplytwin.processors.carbon_packs import Rules
from supplytwin.processors.footprint import Computed

PACKS = [oracle.built_in("desnz2025"), oracle.built_in("epa2025"), oracle.built_in("grids2023")]

NOTED = ("UNPLACED", "ENERGY_UNUSED", "ENERGY_SOURCE")


def elements(found: Computed) -> list[oracle.Element]:
    """As the oracle writes them."""
    made = []
    asked = {one.tce_id: one for one in found.request.tces}
    for each in found.elements:
        one = each.result
        tce = asked[one.tce_id]
        energy = tuple(
            sorted(
                oracle.Energy(
                    amount.carrier.lower(), Fraction(amount.quantity), amount.unit,
                    fraction(amount.allocation and amount.allocation.total_kg),
                )
                for amount in tce.energy
            )
        )  # fmt: skip
        made.append(
            oracle.Element(
                one.kind, one.hub_type if one.kind == "HUB" else one.mode, fraction(one.mass_kg),
                fraction(one.distance_km), one.distance_basis, energy, tce.planned,
                tce.temperature_control, tce.from_place, tce.to_place,
                fraction(one.co2e.co2e_wtw_kg),
            )
        )  # fmt: skip
    return made


def agree(told: list[Any], name: str, rules: Rules = ()) -> None:
    if oracle.is_open(told, name):
        return
    found = carbon.of(loaded(told), name, rules)
    wanted = oracle.footprint(told, name, [world.PACK, *PACKS] if rules else PACKS)
    if wanted is None:
        assert found is None
        return
    assert found is not None
    mine, theirs = list(wanted.elements), elements(found)
    assert [one[:10] for one in theirs] == [one[:10] for one in mine]
    codes = {one.partition(":")[0] for one in found.missing}
    assert codes == wanted.codes
    for one, other in zip(theirs, mine, strict=True):
        assert near(one.wtw_kg, other.wtw_kg), (one, other)
    noted = {one.partition(":")[0] for one in found.assumptions}
    assert {one for one in noted if one in NOTED} == wanted.told
    assert found.complete == (not wanted.codes)
    period = found.request.period
    for day in wanted.days:
        assert period is not None
        assert period.first <= day.isoformat() <= period.last
    if found.complete:
        assert near(fraction(found.whole.co2e.co2e_wtw_kg), wanted.total_kg)


def test_live_footprints_are_those_of_a_second_reading(required: Callable[[str], Any]) -> None:
    """Elements, what is missing and emissions of random consignments, in every detail."""
    count, done = required("carbon_live"), 0

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(world.chains())
    def law(chain: Any) -> None:
        nonlocal done
        names, told = chain
        for name in names:
            agree(told, name)
            agree(told, name, OWN)
        done += 1

    law()
    count.done(done)
