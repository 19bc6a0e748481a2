"""Random consignments on the way, for the laws of live footprints."""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fold_world import item
from hypothesis import strategies as st
from msgspec.structs import replace

from supplytwin.processors.carbon_packs import DEFAULT, Rule, Rules
from supplytwin.processors.twin import EMPTY, Twin, take
from supplytwin.schemas.events import EVENT_TYPES, Event, OrderLine
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros

T = 20_000 * DAY_US + 10 * HOUR_US
MINUTE_US = 60_000_000
SAID = T + 60 * DAY_US
"""First revisions are told then: everything has happened by that time."""
PORTS = ("CNSHA", "NLRTM", "DEHAM", "SGSIN", "USLAX", "CNSZX")
SOURCES = ("terminal:t", "carrier:c", "aggregator:a", "manual:m")
SHIPS = ("IMO9074729", "truck-7", None)
DISTANCES = ("", "", "", ";812.5;SFD", ";9100;GCD", ";640;ACTUAL")
LIMITS = ((), (), (), (), (), ("temperature;CEL;2;8",), ("humidity;P1;;60",))
GROSS = (*(Decimal(18_000), Decimal("9500.5"), Decimal(4000)) * 3, None)
AMOUNTS = (
    ("diesel", "l"), ("Diesel", "l"), ("hfo", "l"), ("electricity", "kWh"), ("electricity", "MJ"),
    ("diesel", "l"), ("electricity", "kWh"), ("petrol", "l"), ("jet a1", "l"),
    ("diesel", "gallon"), ("moonshine", "l"), ("electricity", "l"),
)  # fmt: skip
IN, OUT, RECEIVED, DISPATCHED = (
    "shipment.gate_in", "shipment.gate_out", "wh.received", "wh.dispatched",
)  # fmt: skip
PASSAGES = (
    (IN,), (OUT,), (RECEIVED,), (DISPATCHED,), (IN, OUT), (RECEIVED, DISPATCHED),
    (IN, RECEIVED), (OUT, DISPATCHED), (IN, DISPATCHED), (IN, OUT, RECEIVED, DISPATCHED),
)  # fmt: skip
"""What is told at one place."""
ELSEWHERE = (
    {"unlocode": "USLAX"}, {"unlocode": "XXXXX"}, {"facility": "Depot 7"}, {"facility": "Haiti"},
    {"lat": 1.5, "lon": 2.5}, {}, {"facility": ""},
)  # fmt: skip
SAME, ALIKE = "Orasure Technologies, Inc", "Orasure Technologies, Inc USA"
"""Two names of one place."""
ORIGINS = "Roche Basel", SAME


def event(kind: str, subject: str, name: str, at: int, **fields: Any) -> Any:
    """An event about ``TYPE:id`` that happened `at` minutes after T."""
    subject_type, _, subject_id = subject.partition(":")
    made = EVENT_TYPES[kind]
    envelope: dict[str, Any] = {
        "event_id": name, "source": "carrier:c", "revision": Micros(SAID), "event_type": kind,
        "classifier": "ACTUAL", "event_time": Micros(T + at * MINUTE_US), "event_tz": "+00:00",
        "time_precision": "S", "recorded_time": Micros(SAID), "chain_id": "C",
        "subject_type": subject_type, "subject_id": subject_id,
    }  # fmt: skip
    return made(**{**envelope, **fields})


class Maker:
    """Makes the events of one chain, each with an id and a minute of its own."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self.made: list[Any] = []

    def pick(self, choices: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(choices))

    def chance(self, one_in: int) -> bool:
        return bool(self._draw(st.integers(0, one_in - 1)) == 1)

    def tell(self, kind: str, subject: str, hours: int, **fields: Any) -> Any:
        at = len(self.made)
        self.made.append(event(kind, subject, f"{kind} {at}", hours * 60 + at, **fields))
        return self.made[-1]


def _of_leg(make: Maker, name: str, number: int, **more: Any) -> tuple[str, dict[str, Any]]:
    """Subject and fields of a fact about a consignment's leg: by its number, or by itself."""
    if make.chance(2):
        return f"CONSIGNMENT:{name}", {"leg_no": number, **more}
    refs = (f"CONSIGNMENT:{name}", *more.pop("refs", ()))
    return f"LEG:{name}/{number}", {"refs": refs, **more}


def _booked(make: Maker, name: str, ways: Sequence[tuple[str, str, str]]) -> None:
    legs = tuple(
        f"{number};{mode};{start};{end}{make.pick(DISTANCES)}"
        for number, (mode, start, end) in enumerate(ways, 1)
        if not make.chance(15)
    )
    if legs:
        hours = make.pick((0, 0, 0, 60))
        make.tell("shipment.booked", f"CONSIGNMENT:{name}", hours, booking_ref="b", carrier="c",
                  legs=legs, limits=make.pick(LIMITS))  # fmt: skip


def _moved(make: Maker, name: str, number: int, start: str, end: str) -> None:
    """Departures and arrivals by no, one or several sources, some of them from elsewhere."""
    vehicle = make.pick(SHIPS)
    for kind, place, hours in (
        ("departed", start, 48 * number),
        ("arrived", end, 48 * number + 24),
    ):
        for source in SOURCES:
            if not make.chance(3):
                continue
            subject, fields = _of_leg(make, name, number)
            told = make.pick((*(place,) * 7, None, None, "XXXXX", "USLAX"))
            shift = make.pick((0, 0, 0, 5, -30))
            make.tell(f"shipment.{kind}", subject, hours + shift, source=source, unlocode=told,
                      vehicle_id=vehicle, **fields)  # fmt: skip
    if make.chance(6):
        kind = make.pick(("order.cancelled", "shipment.exception"))
        more = {"line_ids": (), "reason": "r"} if kind.startswith("order") else {
            "exception_code": "REROUTED", "text": "t"}  # fmt: skip
        make.tell(kind, f"LEG:{name}/{number}", make.pick((1, 48 * number + 12)), **more)
    if make.chance(3):
        _measured(make, name, number, vehicle)


def _measured(make: Maker, name: str, number: int, vehicle: str | None) -> None:
    """One to two amounts, by one or two sources."""
    way = make.pick(("leg", "leg", "vehicle", "consignment"))
    for source in (make.pick(SOURCES),) * make.pick((1, 1, 2)) + (
        ("terminal:t",) if make.chance(4) else ()
    ):
        carrier, unit = make.pick(AMOUNTS)
        subject, fields = _of_leg(make, name, number)
        if way != "leg":
            subject, fields = f"CONSIGNMENT:{name}", {}
        if way == "vehicle":
            fields["vehicle_id"] = vehicle
        make.tell("shipment.energy", subject, 48 * number + 20, source=source,
                  energy_carrier=carrier, energy_unit=unit,
                  energy_qty=make.pick((Decimal("120.5"), Decimal(7000))), **fields)  # fmt: skip


def _filled(make: Maker, name: str, other: str | None, legs: int) -> None:
    for at in range(make.pick((0, 1, 1, 1, 2))):
        trip = f"MSCU123456{at}/{name}"
        refs = [f"CONSIGNMENT:{name}"]
        if other and make.chance(5):
            refs.append(f"CONSIGNMENT:{other}")
        make.tell("shipment.stuffed", f"EQUIPMENT_TRIP:{trip}", 2, refs=tuple(refs), trip_id=trip,
                  container_no=trip[:11], children=(),
                  gross_kg=make.pick(GROSS))  # fmt: skip
        if legs and make.chance(4):
            make.tell("shipment.loaded", f"EQUIPMENT_TRIP:{trip}", 40, trip_id=trip,
                      refs=(f"CONSIGNMENT:{name}",),
                      leg_no=make.pick(range(1, legs + 1)))  # fmt: skip


def _passed(make: Maker, name: str, other: str | None, stops: Sequence[str]) -> None:
    """Gates, receipts and dispatches at some stops of a way, and elsewhere."""
    for _ in range(make.pick((0, 1, 1, 2, 3))):
        where = make.pick(ELSEWHERE)
        if not make.chance(5):
            where = _at(make, make.pick((stops[0], stops[-1], stops[0], stops[-1], *stops)))
        for kind in make.pick(PASSAGES):
            _passage(make, kind, name, other, where)


def _at(make: Maker, place: str) -> dict[str, Any]:
    """A place as a gate or a warehouse tells it."""
    if place not in PORTS:
        return {"facility": ALIKE if place == SAME and make.chance(2) else place}
    return make.pick((*({"unlocode": place},) * 3, {"facility": place},
                      {"unlocode": place, "facility": "Depot 7"}))  # fmt: skip


def _passage(
    make: Maker, kind: str, name: str, other: str | None, where: dict[str, Any]
) -> None:  # fmt: skip
    of = make.pick((*((name,),) * 6, (), (name, other or name), (other or name,)))
    refs = tuple(f"CONSIGNMENT:{one}" for one in dict.fromkeys(of))
    fields: dict[str, Any] = {"refs": refs, **where}
    if kind in (IN, OUT):
        trip = f"MSCU123456{make.pick((0, 0, 0, 1))}/{name}"
        subject = f"EQUIPMENT_TRIP:{trip}"
        fields |= {"trip_id": trip, "empty": make.chance(6)}
        if make.chance(3):
            del fields["refs"]
    else:
        lot = make.pick(("1", "2"))
        subject = f"LOT:{name}{lot}"
        fields |= {"lot_id": f"{name}{lot}", "qty": Decimal(3)}
        fields |= {"sku": "s", "uom": "u"} if kind == RECEIVED else {
            "hu_ids": (), "consignment_id": of[0] if of else "Z"}  # fmt: skip
        if kind == DISPATCHED and of and make.chance(2):
            subject, fields["refs"] = refs[0], (*refs[1:], f"LOT:{name}{lot}")
    if make.chance(15):
        fields["classifier"] = "ESTIMATED"
    # a container that is stuffed behind its gates would be another story: its mass is not counted
    first = 3 if kind in (IN, OUT) else -90
    make.tell(kind, subject, make.pick((first, 30, 70, 130, 400)), **fields)


def _brought(make: Maker, name: str, *, on_legs: bool) -> None:
    masses = (Decimal(700), Decimal("55.25")) * 6 + (() if on_legs else (None,))
    mode = make.pick(("AIR", "AIR", "ROAD", "SEA", "SEA"))
    origin = make.pick(ORIGINS)
    for at in range(make.pick((1, 1, 2))):
        line = f"ORDER_LINE:{name}{at}"
        refs = (f"CONSIGNMENT:{name}",)
        if make.chance(3):
            make.tell("order.placed", line, 0, refs=refs, order_id="O", buyer="b", seller="s",
                      currency="USD", order_lines=())  # fmt: skip
        if make.chance(6):
            make.tell("order.cancelled", line, 1, refs=refs, line_ids=(f"{name}{at}",), reason="r")
        elif not make.chance(20 if on_legs else 8):
            for _ in range(2 if make.chance(20) else 1):
                make.tell(
                    "shipment.delivered", line, 300, refs=refs, consignment_id=name, receiver="r",
                    mode=make.pick((*(mode,) * 20, "ROAD", "SEA", None)),
                    from_place=make.pick((*(origin,) * 20, "Roche Madrid", "?", None)),
                    to_place=make.pick((*("Kenya",) * 20, "Haiti", "nowhere")),
                    mass_kg=make.pick(masses),
                    mass_included_in=make.pick((None, None, f"{name}0")),
                )  # fmt: skip


def _shared(make: Maker, names: Sequence[str]) -> None:
    refs = tuple(f"CONSIGNMENT:{name}" for name in names)
    if not make.chance(4):
        make.tell("shipment.booked", "LEG:shared", 0, refs=refs, booking_ref="b", carrier="c",
                  legs=(f"9;{make.pick(('SEA', 'ROAD'))};DEHAM;SGSIN",))  # fmt: skip
    for kind, place, hours in (("departed", "DEHAM", 500), ("arrived", "SGSIN", 524)):
        if make.chance(2):
            make.tell(f"shipment.{kind}", "LEG:shared", hours, refs=refs, leg_no=9, unlocode=place,
                      vehicle_id="IMO9321483")  # fmt: skip
    if make.chance(2):
        carrier, unit = make.pick(AMOUNTS)
        make.tell("shipment.energy", "LEG:shared", 520, refs=make.pick((refs, ())),
                  energy_carrier=carrier, energy_unit=unit, energy_qty=Decimal(900))  # fmt: skip


NEW: dict[str, Any] = {
    "shipment.departed": {"unlocode": "CNSZX"}, "shipment.arrived": {"unlocode": "CNSZX"},
    "shipment.energy": {"energy_qty": Decimal(33)}, "shipment.stuffed": {"gross_kg": Decimal(1234)},
    "shipment.delivered": {"mass_kg": Decimal(88)},
    "shipment.booked": {"legs": ("1;ROAD;CNSHA;CNSZX",)},
    **{kind: {"unlocode": "CNSZX"} for kind in (IN, OUT, RECEIVED, DISPATCHED)},
}  # fmt: skip
"""What a correction makes of an event."""


def _corrected(make: Maker, told: Any) -> None:
    """A later revision, a retraction, a replacement, or a retraction that is itself retracted."""
    later = Micros(SAID + 1)
    new = NEW.get(told.event_type, {})
    if told.subject_id == "shared" and "legs" in new:
        new = {"legs": ("9;ROAD;CNSHA;CNSZX",)}
    how = make.pick(("revision", "retract", "supersede", "undone"))
    if how == "revision":
        make.made.append(replace(told, revision=later, **new))
        return
    name = f"{how} of {told.event_id}"
    action = "SUPERSEDE" if how == "supersede" else "RETRACT"
    fields = new if how == "supersede" else {}
    back = replace(told, event_id=name, revision=later, correction_action=action,
                   correction_source=told.source, correction_event_id=told.event_id,
                   correction_reason="INCORRECT_DATA", **fields)  # fmt: skip
    make.made.append(back)
    if how == "undone" or make.chance(6):
        make.made.append(
            replace(back, event_id=f"undo {name}", revision=Micros(SAID + 2),
                    correction_action="RETRACT", correction_event_id=name)
        )  # fmt: skip


@st.composite
def chains(draw: Any) -> tuple[tuple[str, ...], list[Any]]:
    """(consignments, everything that was told)."""
    make = Maker(draw)
    names = make.pick((("A",), ("A", "B")))
    for name in names:
        count = make.pick((0, 0, 1, 1, 1, 2, 2, 3, 4))
        stops = [make.pick(PORTS)]
        while len(stops) <= count:
            stops.append(make.pick([one for one in PORTS if one != stops[-1] or make.chance(15)]))
        if make.chance(10):
            stops[-1] = stops[0]
        ways = [
            (make.pick(("SEA", "SEA", "ROAD", "RAIL", "AIR", "BARGE")), *stops[at : at + 2])
            for at in range(count)
        ]
        if ways and not make.chance(6):
            for _ in range(2 if make.chance(8) else 1):
                _booked(make, name, ways)
        for number, (_, start, end) in enumerate(ways, 1):
            _moved(make, name, number, start, end)
        other = next((one for one in names if one != name), None)
        _filled(make, name, other, count)
        if not count or make.chance(3):
            _brought(make, name, on_legs=count > 0)
        _passed(make, name, other, stops if ways else (make.pick(ORIGINS), "Kenya"))
        if make.chance(5):
            make.tell("shipment.sensor", f"CONSIGNMENT:{name}", 60, device_id="d",
                      metric=make.pick(("temperature", "humidity")), value=5.0, unit="CEL",
                      lower=make.pick((None, 2.0)), upper=make.pick((None, 8.0)))  # fmt: skip
    if len(names) > 1 and not make.chance(3):
        _shared(make, names)
    for told in [*make.made]:
        if make.chance(6 if told.event_type in (IN, OUT, RECEIVED, DISPATCHED) else 12):
            _corrected(make, told)
    return names, make.made


def noise() -> list[Event]:
    """Facts of the same subjects that no footprint rests on."""
    trip = "EQUIPMENT_TRIP:MSCU1234560/A"
    line = OrderLine(line_id="A0", sku="s", qty=Decimal(1), uom="u", unit_price=Decimal(1))
    return [
        event("order.line_changed", "ORDER_LINE:A0", "n1", 700, line_id="A0", field="PRICE",
              old="1", new="2"),
        event("order.placed", "ORDER:O", "n2", 701, order_id="O", buyer="b", seller="s",
              currency="USD", order_lines=(line,)),
        event("customs.declared", "DECLARATION:1", "n3", 702, declaration_id="1",
              regime="IMPORT", office="o", declarant="d", declaration_lines=(),
              refs=("CONSIGNMENT:A",)),
        event("wh.counted", "LOT:1", "n4", 703, lot_id="1", counted=Decimal(3)),
        event("shipment.sensor", "CONSIGNMENT:A", "n5", 704, device_id="d", metric="shock",
              value=1.0, unit="G"),
        event("shipment.arrived", "CONSIGNMENT:A", "n6", 705, classifier="ESTIMATED", leg_no=1),
        event(IN, trip, "n7", 706, trip_id=trip[15:], empty=True, unlocode="CNSZX"),
        event(OUT, trip, "n8", 707, trip_id=trip[15:], empty=False),
        event(RECEIVED, "LOT:1", "n9", 708, lot_id="1", sku="s", qty=Decimal(3), uom="u",
              unlocode="CNSZX"),
    ]  # fmt: skip


# ---- a pack with hubs


def _factor(name: str, unit: str, wtt: str, ttw: str, **more: str) -> dict[str, Any]:
    made = {"id": name, "what": name, "unit": unit, "wtt": wtt, "ttw": ttw, "gwp": "AR6"}
    wtw = str(Decimal(wtt) + Decimal(ttw))
    kind = "HUB" if unit == "kg/t" else "TRANSPORT"
    return {**made, "kind": kind, "wtw": wtw, "region": "EU", "year": 2024, "source": "a book",
            "page": "p. 1", "licence": "free", **more}  # fmt: skip


def _of_mode(name: str, mode: str, ttw: str, basis: str, daf: str, **more: str) -> dict[str, Any]:
    return _factor(name, "kg/tkm", "0.011", ttw, mode=mode, default_for=mode, distance_basis=basis,
                   daf_included=daf, **more)  # fmt: skip


def _of_hub(name: str, hub_type: str, ttw: str, kept: str) -> dict[str, Any]:
    return _factor(name, "kg/t", "0.3", ttw, hub_type=hub_type, temperature_control=kept)


PACK: dict[str, Any] = {
    "pack": "test", "version": "1", "title": "t", "publisher": "p", "licence": "l", "origin": "o",
    "factors": [
        _of_mode("lorry", "ROAD", "0.071", "SFD", "no"),
        _of_mode("train", "RAIL", "0.017", "ACTUAL", "no"),
        _of_mode("ship", "SEA", "0.0085", "ACTUAL", "yes"),
        _of_mode("flight-short", "AIR", "0.95", "GCD", "no", haul="short"),
        _of_mode("flight-long", "AIR", "0.61", "GCD", "no", haul="long"),
        _of_mode("barge", "BARGE", "0.02", "unknown", "no"),
        _of_hub("terminal", "MaritimeContainerTerminal", "1.7", "ambient"),
        _of_hub("terminal-cold", "MaritimeContainerTerminal", "2.9", "refrigerated"),
        _of_hub("transshipment", "Transshipment", "0.9", "ambient"),
        _of_hub("warehouse", "Warehouse", "2.3", "ambient"),
        _of_hub("warehouse-cold", "Warehouse", "4.1", "refrigerated"),
    ],
}  # fmt: skip
"""Defaults of every mode and of the three hubs, by every kind of distance; no energy carrier."""
OWN: Rules = (Rule(since="2000-01-01", packs=(json.dumps(PACK), *DEFAULT)),)
"""It is in force, before the built-in ones."""


# ---- what the twin has


def loaded(told: Iterable[Event]) -> Twin:
    """The twin of what was told."""
    found = EMPTY
    for one in told:
        found = take(found, item(one, one.revision)).twin
    return found


def fraction(value: Any) -> Fraction | None:
    """A number of ours, exactly."""
    return None if value is None else Fraction(value)


def near(one: Fraction | None, other: Fraction | None) -> bool:
    """Whether both are unknown, or one number within 1e-12 of itself."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= abs(other) * Fraction(1, 10**12)
