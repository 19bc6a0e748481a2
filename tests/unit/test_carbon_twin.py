"""Elements of live footprints where facts are about several: who bears what, and what is no leg."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from test_footprint import T, delivered, event, item_of, load

from supplytwin.processors import carbon, twin
from supplytwin.processors.footprint import Computed
from supplytwin.schemas import codec
from supplytwin.schemas.calculation import Tce
from supplytwin.schemas.events import (
    WAREHOUSE,
    Event,
    OrderCancelled,
    ShipmentArrived,
    ShipmentBooked,
    ShipmentDeparted,
    ShipmentEnergy,
    ShipmentFootprint,
    ShipmentGateIn,
    ShipmentGateOut,
    ShipmentLoaded,
    ShipmentSensor,
    ShipmentStuffed,
    WarehouseDispatched,
    WarehouseReceived,
)
from supplytwin.schemas.ids import DAY_US, Micros

ROAD = "1;ROAD;CNSZX;CNSHA"
TRIP = "EQUIPMENT_TRIP:MSCU1234566/B"


def fact(kind: type[Event], subject: str, id: str = "", **fields: Any) -> Any:
    """About nothing but its subject, unless `fields` say so."""
    given = {"refs": (), "source": "carrier:c", **fields}
    return event(kind, subject, id or f"{kind.TYPE} {subject}", **given)


def booked(name: str, *legs: str, **fields: Any) -> Any:
    return fact(ShipmentBooked, f"CONSIGNMENT:{name}", booking_ref="b", carrier="c",
                legs=legs or (ROAD,), **fields)  # fmt: skip


def weighed(name: str, kg: int) -> Any:
    """A delivery of the whole consignment."""
    return delivered(name, on="CONSIGNMENT", id=f"delivered {name}", refs=(), mass_kg=Decimal(kg))


def fuel(subject: str, id: str = "fuel", **fields: Any) -> Any:
    given = {"energy_carrier": "diesel", "energy_qty": Decimal(900), "energy_unit": "l", **fields}
    return fact(ShipmentEnergy, subject, id, **given)


def stated(subject: str, id: str = "stated", **fields: Any) -> Any:
    given = {
        "co2e_wtw_kg": Decimal(100), "co2e_ttw_kg": Decimal(80), "primary_share": Decimal("0.5"),
        "source_id": "f", "spec": "iLEAP 1.0", **fields,
    }  # fmt: skip
    return fact(ShipmentFootprint, subject, id, **given)


def of(name: str, *told: Event) -> Computed:
    found = carbon.of(load(*told), name, ())
    assert found is not None
    return found


def asked(name: str, *told: Event) -> list[Tce]:
    return list(of(name, *told).request.tces)


SHARED = (
    fact(ShipmentDeparted, "LEG:S", "gone", refs=("CONSIGNMENT:A", "CONSIGNMENT:B"),
         unlocode="CNSZX", vehicle_id="IMO9074729"),
    fact(ShipmentArrived, "LEG:S", "come", refs=("CONSIGNMENT:A", "CONSIGNMENT:B"),
         unlocode="CNSHA", vehicle_id="IMO9074729"),
    weighed("A", 700),
    weighed("B", 300),
)  # fmt: skip


def test_energy_of_a_leg_is_divided_by_mass() -> None:
    """700 kg and 300 kg aboard: 70 and 30 percent, together all of it."""
    kg = [of(name, *SHARED, fuel("LEG:S")).elements[0].parts.wtw or 0 for name in "AB"]
    alone = of("A", booked("A"), weighed("A", 700), fuel("LEG:A/1")).elements[0].parts.wtw
    assert sum(kg) == alone
    assert kg[0] * 3 == kg[1] * 7


def test_energy_that_names_one_consignment_is_its_alone() -> None:
    """On a shared leg the others bear nothing of it, and stay on their default."""
    told = (*SHARED, fuel("CONSIGNMENT:A"))
    (mine,), (theirs,) = asked("A", *told), asked("B", *told)
    assert [one.allocation for one in mine.energy] == [None]
    assert theirs.energy == ()


def test_energy_that_names_several_consignments_is_divided_among_them() -> None:
    """Also where it is of the vehicle of legs of their own."""
    told = (booked("A"), booked("B"), weighed("A", 700), weighed("B", 300))
    use = fuel("CONSIGNMENT:A", refs=("CONSIGNMENT:B",))
    for name in "AB":
        (tce,) = asked(name, *told, use)
        (amount,) = tce.energy
        assert amount.allocation is not None
        assert amount.allocation.total_kg == 1000
    (tce,) = asked("A", *told[:-1], use)
    assert tce.energy == ()
    assert any(text.startswith("ENERGY_UNUSED") for text in tce.assumptions)


def test_energy_of_a_leg_that_is_called_off_is_of_no_other() -> None:
    """It says of which leg it is: it does not land on the one that is left."""
    legs = booked("A", ROAD, "2;RAIL;CNSHA;CNNGB")
    off = fact(OrderCancelled, "LEG:A/1", line_ids=(), reason="r",
               event_time=Micros(T + 1))  # fmt: skip
    found = of("A", legs, weighed("A", 700), off,
               fuel("LEG:A/1", refs=("CONSIGNMENT:A",)))  # fmt: skip
    (tce,) = found.request.tces
    assert (tce.tce_id, tce.energy) == ("A/2", ())
    assert [text[:8] for text in found.request.assumptions] == ["UNPLACED"]


def test_the_numbered_leg_of_another_consignment_is_none_of_ours() -> None:
    """A departure that names two consignments names a leg of each."""
    both = fact(ShipmentDeparted, "CONSIGNMENT:A", refs=("CONSIGNMENT:B",), leg_no=1)
    for name in "AB":
        found = asked(name, booked("A"), booked("B"), both)
        assert [one.tce_id for one in found] == [f"{name}/1"]


def test_a_range_of_temperature_is_of_those_who_agreed_it() -> None:
    """Who shares a leg or a container with cooled goods is not cooled by that."""
    cool = booked("A", limits=("temperature;CEL;2;8",))
    trip = fact(ShipmentStuffed, TRIP, refs=("CONSIGNMENT:A", "CONSIGNMENT:B"),
                trip_id=TRIP.partition(":")[2], container_no="MSCU1234566", children=(),
                gross_kg=Decimal(9000))  # fmt: skip
    told = (cool, booked("B"), *SHARED, trip)
    assert {one.temperature_control for one in asked("A", *told)} == {"refrigerated"}
    assert {one.temperature_control for one in asked("B", *told)} == {None}


def test_a_cooled_container_counts_without_legs_too() -> None:
    """Readings with bounds of a container that is of this consignment alone."""
    trip = fact(ShipmentStuffed, TRIP, refs=("CONSIGNMENT:A",), trip_id=TRIP.partition(":")[2],
                container_no="MSCU1234566", children=(), gross_kg=Decimal(9000))  # fmt: skip
    cold = fact(ShipmentSensor, TRIP, refs=("CONSIGNMENT:A",), device_id="d", value=5.0, unit="CEL",
                metric="TEMPERATURE", lower=2.0, upper=8.0, time_precision="S")  # fmt: skip
    assert asked("A", weighed("A", 700), trip)[0].temperature_control is None
    assert asked("A", weighed("A", 700), trip, cold)[0].temperature_control == "refrigerated"


TWO_LEGS = ("1;ROAD;CNSZX;CNSHA", "2;SEA;CNSHA;NLRTM")


def gate(way: str, place: str, *, empty: bool = False, **fields: Any) -> Any:
    kind: type[Event] = ShipmentGateIn if way == "in" else ShipmentGateOut
    return fact(kind, TRIP, f"gate {way} {place}", refs=("CONSIGNMENT:A",), unlocode=place,
                trip_id=TRIP.partition(":")[2], empty=empty, **fields)  # fmt: skip


def stock(way: str, place: str | None, **fields: Any) -> Any:
    """A receipt or a dispatch of goods of consignment A."""
    told = {"refs": ("CONSIGNMENT:A",), "source": "wms:w", "unlocode": place, **fields}
    told.setdefault("id", f"{way} {place}")
    if way == "in":
        return fact(WarehouseReceived, "LOT:l", lot_id="l", sku="s", qty=Decimal(1), uom="KGM",
                    **told)  # fmt: skip
    return fact(WarehouseDispatched, "LOT:l", hu_ids=(), consignment_id="A", **told)


def chain(*told: Event) -> list[str]:
    """Its elements, a hub by its type and what is special of it."""
    return [one.mode or f"{one.hub_type} {one.from_place}" for one in asked("A", *told)]


def test_a_warehouse_where_two_legs_meet_is_the_hub_between_them() -> None:
    """By land it takes the place of the transshipment; the goods were there, so it is no plan."""
    legs = booked("A", "1;ROAD;CNSZX;CNSHA", "2;RAIL;CNSHA;CNNGB")
    assert chain(legs) == ["ROAD", "Transshipment CNSHA", "RAIL"]
    assert [one.planned for one in asked("A", legs)] == [True, True, True]
    for told in (stock("in", "CNSHA"), stock("out", "CNSHA")):
        assert chain(legs, told) == ["ROAD", "Warehouse CNSHA", "RAIL"]
        assert [one.planned for one in asked("A", legs, told)] == [True, False, True]


def test_a_warehouse_at_a_port_stands_beside_the_terminal() -> None:
    """On the side away from the sea, whichever that is."""
    boxed = gate("in", "CNSHA")
    out = (booked("A", *TWO_LEGS), boxed, stock("in", "CNSHA"))
    assert chain(*out) == ["ROAD", "Warehouse CNSHA", "MaritimeContainerTerminal CNSHA", "SEA"]
    back = booked("A", "1;SEA;NLRTM;CNSHA", "2;ROAD;CNSHA;CNSZX")
    found = chain(back, boxed, stock("in", "CNSHA"))
    assert found == ["SEA", "MaritimeContainerTerminal CNSHA", "Warehouse CNSHA", "ROAD"]
    names = [one.tce_id for one in asked("A", back, boxed, stock("in", "CNSHA"))]
    assert names == ["A/1", "A/1+hub", "A/1+warehouse", "A/2"]


def test_the_ends_of_the_way_are_hubs_when_goods_came_to_them_or_went_on() -> None:
    """A gate in or receipt before the first leg, a gate out or dispatch behind the last; not the
    other way round: there the goods are with those who send and receive them.
    """
    way = booked("A", "1;SEA;CNSHA;NLRTM")
    both = (gate("in", "CNSHA"), gate("out", "NLRTM"))
    port = "MaritimeContainerTerminal"
    assert chain(way, *both) == [f"{port} CNSHA", "SEA", f"{port} NLRTM"]
    assert [one.tce_id for one in asked("A", way, *both)] == ["hub+A/1", "A/1", "A/1+hub"]
    assert chain(way, gate("out", "CNSHA"), gate("in", "NLRTM")) == ["SEA"]
    assert chain(way, gate("in", "CNSHA", empty=True)) == ["SEA"]
    stored = (stock("in", "CNSHA"), stock("out", "NLRTM"))
    assert chain(way, *stored) == ["Warehouse CNSHA", "SEA", "Warehouse NLRTM"]
    assert chain(way, stock("out", "CNSHA"), stock("in", "NLRTM")) == ["SEA"]
    every = chain(way, *both, *stored)
    assert every == ["Warehouse CNSHA", f"{port} CNSHA", "SEA", f"{port} NLRTM", "Warehouse NLRTM"]


def test_a_consignment_without_legs_has_hubs_at_its_ends() -> None:
    """They hang on the one element that its delivery tells."""
    told = delivered("A", on="CONSIGNMENT", id="d", refs=(), mode="SEA", mass_kg=Decimal(500),
                     from_place="CNSHA", to_place="NLRTM")  # fmt: skip
    found = asked("A", told, gate("in", "CNSHA"), stock("out", "NLRTM"))
    assert [one.tce_id for one in found] == ["hub+A-1", "A-1", "A-1+warehouse"]
    assert [one.prev_tce_ids for one in found] == [(), ("hub+A-1",), ("A-1",)]
    assert [one.mass_kg for one in found] == [500, 500, 500]


def test_a_hub_off_the_way_leaves_the_footprint_incomplete() -> None:
    """Entered and left at a place to which no leg leads: that is said, not put somewhere."""
    legs = booked("A", *TWO_LEGS)
    through = (stock("in", "CNNGB"), stock("out", "CNNGB"))
    off = [one for one in of("A", legs, *through).missing if one.startswith("HUB")]
    assert off == ["HUB_UNPLACED:CNNGB"]
    for told in (through[:1], through[1:], (through[0], gate("out", "CNNGB")),
                 (stock("in", None), stock("out", None))):  # fmt: skip
        assert not any(one.startswith("HUB") for one in of("A", legs, *told).missing)
    there_and_back = booked("A", "1;SEA;CNSHA;CNSHA")
    either = of("A", there_and_back, gate("in", "CNSHA"))
    assert "HUB_UNPLACED:CNSHA" in either.missing
    assert [one.mode for one in either.request.tces] == ["SEA"]


def test_a_passage_with_an_empty_name_of_a_place_says_nothing() -> None:
    """Such a record is taken, as any with an empty text; the position that it tells counts."""
    legs = booked("A", *TWO_LEGS)
    for way in ("in", "out"):
        told = codec.decode(WAREHOUSE, codec.encode(WAREHOUSE, stock(way, None, facility="")))
        assert isinstance(told.message, Event)
        assert of("A", legs, told.message) == of("A", legs)
    through = [stock(way, None, facility="", lat=31.5, lon=121.5) for way in ("in", "out")]
    assert "HUB_UNPLACED:31.5,121.5" in of("A", legs, *through).missing


def test_a_passage_belongs_to_the_period_of_the_hub_that_it_makes() -> None:
    """Its date is that of a fact that counts."""
    way = booked("A", "1;SEA;CNSHA;NLRTM")
    early = gate("in", "CNSHA", event_time=Micros(T - 3 * DAY_US))
    gone = fact(ShipmentDeparted, "LEG:A/1", unlocode="CNSHA", refs=("CONSIGNMENT:A",))
    alone, period = of("A", way, gone).request.period, of("A", way, gone, early).request.period
    assert alone is not None
    assert period is not None
    assert (period.first, period.last) < (alone.first, alone.last)
    assert period.last == alone.last
    no_hub = gate("in", "NLRTM", event_time=Micros(T - 3 * DAY_US))
    assert of("A", way, gone, no_hub).request.period == alone


def test_gates_and_receipts_that_come_late_or_are_taken_back_count_as_in_order() -> None:
    """Also on a container that is known only afterwards to carry the consignment."""
    gates = replace(gate("in", "CNSHA"), refs=())
    trip = fact(ShipmentStuffed, TRIP, refs=("CONSIGNMENT:A",), trip_id=TRIP.partition(":")[2],
                container_no="MSCU1234566", children=(), gross_kg=Decimal(9000))  # fmt: skip
    told = (booked("A", "1;SEA;CNSHA;NLRTM"), trip, gates, stock("out", "NLRTM"))
    assert in_order(*told) == in_order(*reversed(told))
    assert in_order(*told) != in_order(*told[:3])
    back = replace(told[3], event_id="back", correction_event_id=told[3].event_id,
                   correction_action="RETRACT")  # fmt: skip
    assert chain(*told, back) == chain(*told[:3])


def test_loading_tells_no_leg() -> None:
    """It names neither mode nor places: the delivery is the transport that is known."""
    loaded = fact(ShipmentLoaded, "CONSIGNMENT:A", leg_no=2)
    (tce,) = asked("A", weighed("A", 700), loaded)
    assert tce.tce_id == "A-1"


def test_a_leg_that_left_from_elsewhere_has_not_its_booked_distance() -> None:
    """What was booked is the distance of what was booked."""
    known = booked("A", f"{ROAD};100;SFD")
    (as_booked,) = asked("A", known, fact(ShipmentDeparted, "LEG:A/1", unlocode="CNSZX"))
    assert (as_booked.distance_km, as_booked.distance_basis) == (100, "SFD")
    (strayed,) = asked("A", known, fact(ShipmentDeparted, "LEG:A/1", unlocode="CNXMN"))
    assert strayed.distance_basis == "GCD"
    lost = of("A", known, fact(ShipmentDeparted, "LEG:A/1", unlocode="XXXXX"))
    assert any(one.startswith("PLACE_UNKNOWN") for one in lost.missing)


def test_a_container_with_lines_of_another_is_not_ours_alone() -> None:
    """Its gross mass is not divided: the mass is not known."""
    trip = fact(ShipmentStuffed, TRIP, refs=("CONSIGNMENT:A", "ORDER_LINE:x"),
                trip_id=TRIP.partition(":")[2], container_no="MSCU1234566", children=(),
                gross_kg=Decimal(9000))  # fmt: skip
    line = delivered("x", id="x", refs=("CONSIGNMENT:B",))
    assert asked("A", booked("A"), trip)[0].mass_kg == 9000
    found = of("A", booked("A"), trip, line)
    assert any(one.startswith("MASS_UNKNOWN") for one in found.missing)


def test_deliveries_may_name_ports() -> None:
    """From port to port by sea: the distance along the lanes."""
    (tce,) = asked("A", delivered("A", on="CONSIGNMENT", id="d", refs=(), mode="SEA",
                                  from_place="CNSHA", to_place="NLRTM"))  # fmt: skip
    assert tce.distance_basis == "SFD"


@pytest.mark.parametrize(
    ("source", "other", "data_type"),
    [
        ("carrier:c", {"energy_unit": "gal"}, "PRIMARY"),
        ("carrier:c", {"energy_qty": Decimal(0)}, "PRIMARY"),
        ("simulated:c", {"energy_unit": "gal"}, "MODELLED"),
    ],
)
def test_the_best_source_that_can_be_used_counts(
    source: str, other: dict[str, Any], data_type: str
) -> None:
    """What is in no known unit, or nothing, gives way; what nobody saw is not primary."""
    better = fuel("LEG:A/1", "bad", source="terminal:t", **other)
    (tce,) = asked("A", booked("A"), weighed("A", 700), better, fuel("LEG:A/1", source=source))
    (amount,) = tce.energy
    assert (amount.quantity, amount.data_type) == (900, data_type)


def in_order(*told: Any) -> bytes:
    known, found = twin.EMPTY, carbon.Versions()
    for one in told:
        taken = twin.take(known, item_of(one))
        found, known = carbon.follow(found, taken, (), lambda *_, **__: None), taken.twin
    return msgspec.json.encode(carbon.canonical(found), order="sorted")


def test_a_mass_that_comes_late_counts_for_those_who_share_a_measurement() -> None:
    """A consignment that only a fact about energy names with another has no leg with it."""
    use = fuel("CONSIGNMENT:A", refs=("CONSIGNMENT:Z",), leg_no=1)
    told = (booked("A"), weighed("A", 700), use, weighed("Z", 300))
    assert in_order(*told) == in_order(*reversed(told))
    told = (weighed("A", 700), fuel("CONSIGNMENT:A", refs=("CONSIGNMENT:Z",)), weighed("Z", 300))
    assert in_order(*told) == in_order(*reversed(told))


def test_a_line_that_turns_out_to_be_of_another_consignment_counts_for_its_container() -> None:
    """Whose the goods in a container are may be told after they were stuffed."""
    trip = fact(ShipmentStuffed, TRIP, refs=("CONSIGNMENT:A", "ORDER_LINE:x"),
                trip_id=TRIP.partition(":")[2], container_no="MSCU1234566", children=(),
                gross_kg=Decimal(9000))  # fmt: skip
    told = (booked("A"), trip, delivered("x", id="x", refs=("CONSIGNMENT:Z",)))
    assert in_order(*told) == in_order(*reversed(told))


def test_a_record_stays_small_however_much_is_told() -> None:
    """Thousands of readings are one amount; legs, lines and names are told up to a number."""
    readings = [fuel("LEG:A/1", f"fuel {at}", energy_qty=Decimal(1)) for at in range(300)]
    lost = [fuel("CONSIGNMENT:A", f"lost {at}", leg_no=9) for at in range(300)]
    found = of("A", booked("A"), weighed("A", 700), *readings, *lost)
    (amount,) = found.request.tces[0].energy
    assert amount.quantity == 300
    assert len(str(found.request)) < 3_000
    many = booked("A", *(f"{at};ROAD;CNSZX;CNSHA" for at in range(1, 102)))
    assert [one.partition(":")[0] for one in of("A", many).missing] == ["TOO_MANY_LEGS"]
    lines = [delivered(f"l{at}", refs=("CONSIGNMENT:A",), mass_kg=None) for at in range(50)]
    assert len(of("A", *lines).missing) == 21


def test_what_an_operator_states_goes_behind_measured_energy() -> None:
    """With its share of primary data; of a shared leg only what names the consignment."""
    own = (booked("A"), weighed("A", 700), stated("LEG:A/1"))
    (element,) = of("A", *own).elements
    assert (element.result.co2e.co2e_wtw_kg, element.result.primary_share) == (
        100, Decimal("0.5"),
    )  # fmt: skip
    (burnt,) = of("A", *own, fuel("LEG:A/1")).elements
    assert burnt.result.primary_share == 1
    (shared,) = asked("A", *SHARED, stated("LEG:S"))
    assert shared.supplied is None
    (named,) = asked("A", *SHARED, stated("CONSIGNMENT:A", leg_no=None, vehicle_id="IMO9074729"))
    assert named.supplied is not None


def test_a_booking_that_is_taken_back_leaves_no_exception_open() -> None:
    """A last version says so; nothing is missing of what is not."""
    gone = fact(OrderCancelled, "LEG:A/1", line_ids=(), reason="r", event_time=Micros(T + 1))
    known, found = twin.EMPTY, carbon.Versions()
    open_codes = set[str]()
    versions = []

    def derive(topic: str, struct: type, /, **fields: Any) -> None:
        if topic == "twin.exceptions":
            (open_codes.add if fields["open"] else open_codes.discard)(fields["code"])
        elif topic == "carbon.footprints":
            versions.append((fields["version"], fields["missing"]))

    for one in (booked("A"), gone):
        taken = twin.take(known, item_of(one))
        found, known = carbon.follow(found, taken, (), derive), taken.twin
    assert open_codes == set()
    assert versions[-1] == (2, ("TRANSPORT_UNKNOWN:what was told of its transport is taken back",))
    assert carbon.canonical(found) == {}


def test_a_hundred_cartons_at_one_door_are_one_passage() -> None:
    """Each is a fact of its own; the footprint is computed for the first of them alone."""
    legs = booked("A", "1;SEA;CNSHA;NLRTM")
    known, versions = twin.EMPTY, 0
    found = carbon.Versions()

    def derive(topic: str, struct: type, /, **fields: Any) -> None:
        nonlocal versions
        versions += topic == "carbon.footprints"

    cartons = [stock("out", "NLRTM", id=f"carton {at}") for at in range(100)]
    for one in (legs, *cartons):
        taken = twin.take(known, item_of(one))
        found, known = carbon.follow(found, taken, (), derive), taken.twin
    assert versions == 2
    here = twin.subject(known, "CONSIGNMENT", "A")
    assert here is not None
    assert [*here.passages.values()] == [100]
