"""Laws of the records of live footprints: they follow from the facts, whatever way these came."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import fold_world as fold
import live_carbon_world as world
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_carbon_world import OWN, fraction, loaded, near
from msgspec.structs import replace

from supplytwin.processors import carbon, carbon_packs
from supplytwin.processors.carbon_chain import calculate
from supplytwin.processors.twin import EMPTY, take
from supplytwin.schemas import codec
from supplytwin.schemas.calculated import Refused
from supplytwin.schemas.flow import Output
from supplytwin.schemas.footprints import Footprint
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import FOOTPRINTS
from supplytwin.streams.cli_carbon import answered


class Told:
    """The footprints that a worker writes, by consignment, and the worker."""

    def __init__(self) -> None:
        self.records: dict[str, list[Footprint]] = {}
        self._desk = fold.Desk(self._hear, rail=False)

    def _hear(self, output: Output) -> None:
        if output.topic == FOOTPRINTS and output.value is not None:
            found = codec.decode(FOOTPRINTS, output.value).message
            assert isinstance(found, Footprint)
            self.records.setdefault(found.consignment_id, []).append(found)

    def take(self, told: Iterable[Any]) -> None:
        for one in told:
            self._desk.round([fold.item(one, one.revision)])

    @property
    def last(self) -> dict[str, Footprint]:
        return {name: found[-1] for name, found in self.records.items()}


def folded(told: Iterable[Any]) -> Told:
    made = Told()
    made.take(told)
    return made


NUMBERS = (
    "complete", "input_hash", "co2e_wtw_kg", "co2e_wtt_kg", "co2e_ttw_kg", "activity_tkm",
    "computed_wtw_kg", "primary_share", "primary_share_by_tkm", "missing", "planned", "inputs",
    "assumptions", "period_first", "period_last", "factors", "warnings", "deviations",
)  # fmt: skip


def numbers(one: Footprint) -> dict[str, Any]:
    return {name: getattr(one, name) for name in NUMBERS}


def check_inputs(one: Footprint) -> None:
    """`carbon calculate` on the inputs of a record says what the record says."""
    assert one.inputs is not None
    found = answered(one.inputs.encode(), carbon_packs.DEFAULT)
    assert not isinstance(found, Refused), found
    assert found.input_sha256 == one.input_hash
    assert found.complete == one.complete
    assert near(fraction(one.computed_wtw_kg), fraction(found.computed.co2e_wtw_kg))
    if one.complete:
        assert near(fraction(one.co2e_wtw_kg), fraction(found.co2e.co2e_wtw_kg))
        assert near(fraction(one.primary_share), fraction(found.primary_share_by_emissions))
        assert near(fraction(one.primary_share_by_tkm), fraction(found.primary_share_by_tkm))
    codes = sorted(each.code for each in found.missing)
    assert codes == sorted(each.partition(":")[0] for each in one.missing)


def check_steps(names: tuple[str, ...], told: list[Any]) -> None:
    """After every fact the last records are what all facts so far add up to, and no version says
    what the one before said.
    """
    made, twin = Told(), EMPTY
    for one in told:
        made.take([one])
        twin = take(twin, fold.item(one, one.revision)).twin
        for name in names:
            now = carbon.of(twin, name, ())
            if now is not None:
                assert made.last[name].input_hash == now.input_sha256
    for versions in made.records.values():
        hashes = [one.input_hash for one in versions]
        assert all(one != other for one, other in pairwise(hashes))


def check_chain(names: tuple[str, ...], told: list[Any], random: Random) -> None:
    """One chain in three orders, with duplicates and with facts that do not matter."""
    first = folded(told)
    twin = loaded(told)
    live = {name: now for name in names if (now := carbon.of(twin, name, ())) is not None}
    found = {name: first.last[name] for name in live}
    for name, now in live.items():
        record = found[name]
        assert record.input_hash == now.input_sha256
        assert record.complete == now.complete
        if now.complete:
            assert Decimal(record.co2e_wtw_kg or "") == now.whole.co2e.co2e_wtw_kg
        else:
            assert record.co2e_wtw_kg is None
        check_inputs(record)
    for versions in first.records.values():
        assert [one.version for one in versions] == [*range(1, len(versions) + 1)]
        assert [one.previous_version for one in versions] == [None, *range(1, len(versions))]
    for _ in range(2):
        other = [*told, *random.choices(told, k=len(told) // 3), *world.noise()]
        random.shuffle(other)
        again = folded(other).last
        check_steps(names, other)
        for name, one in found.items():
            assert numbers(again[name]) == numbers(one)
    count = {name: len(each) for name, each in first.records.items()}
    first.take(world.noise())
    assert {name: len(each) for name, each in first.records.items()} == count


def test_records_follow_from_the_facts_alone(required: Callable[[str], Any]) -> None:
    """Any order with duplicates gives the same numbers, hash and inputs, which calculate again to
    the same; facts that do not matter write no version.
    """
    count, done = required("carbon_live_orders"), 0

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(world.chains(), st.randoms(use_true_random=False))
    def law(chain: Any, random: Random) -> None:
        nonlocal done
        names, told = chain
        if told:
            check_chain(names, told, random)
        done += 1

    law()
    count.done(done)


# ---- by hand


def _lorry() -> list[Any]:
    """18 t from Shenzhen to Shanghai by road, told by its carrier."""
    trip = "MSCU1234566/B"
    return [
        world.event("shipment.booked", "CONSIGNMENT:A", "booked", 0, booking_ref="B", carrier="c",
                    legs=("1;ROAD;CNSZX;CNSHA;1500;SFD",)),
        world.event("shipment.stuffed", f"EQUIPMENT_TRIP:{trip}", "stuffed", 60, trip_id=trip,
                    container_no="MSCU1234566", children=(), gross_kg=Decimal(18_000),
                    refs=("CONSIGNMENT:A",)),
        world.event("shipment.departed", "CONSIGNMENT:A", "departed", 120, leg_no=1,
                    unlocode="CNSZX"),
        world.event("shipment.arrived", "CONSIGNMENT:A", "arrived", 3000, leg_no=1,
                    unlocode="CNSHA"),
    ]  # fmt: skip


def _receipt() -> Any:
    """500 l of diesel."""
    return world.event(
        "shipment.energy", "CONSIGNMENT:A", "receipt", 3100, leg_no=1, energy_carrier="diesel",
        energy_qty=Decimal(500), energy_unit="l",
    )  # fmt: skip


def _taken_back() -> Any:
    """The receipt is retracted."""
    return replace(
        _receipt(), event_id="back", revision=Micros(world.SAID + 1), correction_action="RETRACT",
        correction_source="carrier:c", correction_event_id="receipt",
        correction_reason="INCORRECT_DATA",
    )  # fmt: skip


def test_a_later_fuel_receipt_supersedes_the_default() -> None:
    """It is a new version that names the old one, on primary data; taking the receipt back gives
    the former numbers, inputs and hash under a third version.
    """
    told = folded(_lorry())
    before = told.last["A"]
    told.take([_receipt()])
    measured = told.last["A"]
    told.take([_taken_back()])
    after = told.last["A"]
    assert [one.version for one in (before, measured, after)] == [
        before.version, before.version + 1, before.version + 2,
    ]  # fmt: skip
    assert (measured.previous_version, after.previous_version) == (before.version, measured.version)
    assert before.complete and measured.complete
    assert [Decimal(one.primary_share or "-1") for one in (before, measured, after)] == [0, 1, 0]
    assert (before.data_type, measured.data_type) == ("DEFAULT", "PRIMARY")
    assert Decimal(before.co2e_wtw_kg or "") == Decimal("27000") * Decimal("1.05") * Decimal(
        "0.09623"
    )
    litre = Decimal("2.69719665458") + Decimal("0.62409")
    assert Decimal(measured.co2e_wtw_kg or "") == 500 * litre
    assert measured.input_hash != before.input_hash
    assert numbers(after) == numbers(before)


def test_a_receipt_that_comes_first_is_the_same_footprint() -> None:
    """The receipt, its retraction and the transport in any order end on the same record."""
    back = _taken_back()
    wanted = numbers(folded(_lorry()).last["A"])
    for facts in ([back, _receipt(), *_lorry()], [*_lorry(), back, _receipt(), back]):
        assert numbers(folded(facts).last["A"]) == wanted


def test_a_whole_chain_with_terminals() -> None:
    """10 t in a container by lorry, ship and train over two terminals, on a pack that has hubs:
    1,500 x 0.082 + 210,000 x 0.0195 + 5,000 x 0.028 + 2 x 10 x 2 = 4,398 kg; each leg and hub
    follows the one before, and `carbon calculate` gives the same.
    """
    trip = "MSCU1234566/B"
    legs = ("1;ROAD;CNSZX;CNSHA;150;SFD", "2;SEA;CNSHA;NLRTM;21000;SFD",
            "3;RAIL;NLRTM;DEHAM;500;SFD")  # fmt: skip
    told = [
        world.event("shipment.booked", "CONSIGNMENT:A", "booked", 0, booking_ref="B", carrier="c",
                    legs=legs),
        world.event("shipment.stuffed", f"EQUIPMENT_TRIP:{trip}", "stuffed", 60, trip_id=trip,
                    container_no="MSCU1234566", children=(), gross_kg=Decimal(10_000),
                    refs=("CONSIGNMENT:A",)),
    ]  # fmt: skip
    found = carbon.of(loaded(told), "A", OWN)
    assert found is not None and found.complete
    assert found.whole.co2e.co2e_wtw_kg == 4398
    assert found.whole.transport_activity_tkm == 216_500
    results = [one.result for one in found.elements]
    assert [one.hub_type or one.mode for one in results] == [
        "ROAD", "MaritimeContainerTerminal", "SEA", "MaritimeContainerTerminal", "RAIL",
    ]  # fmt: skip
    assert [one.co2e.co2e_wtw_kg for one in results] == [123, 20, 4095, 20, 140]
    assert [one.prev_tce_ids for one in results] == [
        (), *((one.tce_id,) for one in results[:-1]),
    ]  # fmt: skip
    again = calculate(found.request, found.shelf.chosen)
    assert not isinstance(again, Refused)
    assert again.co2e == found.whole.co2e
    assert again.input_sha256 == found.input_sha256


@pytest.mark.parametrize("fact", world.noise(), ids=lambda one: one.event_type)
def test_what_does_not_matter_writes_no_version(fact: Any) -> None:
    """A changed order line, customs, a count, a shock or an estimate leave the footprint alone."""
    told = folded(_lorry())
    count = len(told.records["A"])
    told.take([fact])
    assert len(told.records["A"]) == count


def test_a_second_reading_with_the_same_range_writes_no_version() -> None:
    """The first reading with an agreed range makes the goods refrigerated, the next ones say it
    again.
    """

    def reading(name: str, at: int) -> Any:
        return world.event("shipment.sensor", "CONSIGNMENT:A", name, at, device_id="d", unit="CEL",
                           metric="temperature", value=5.0, lower=2.0, upper=8.0)  # fmt: skip

    told = folded([*_lorry(), reading("one", 200)])
    count = len(told.records["A"])
    told.take([reading("two", 300)])
    assert len(told.records["A"]) == count
