"""A footprint of six elements computed again, as the stream does it after a fact: CPU microseconds.

A chain of legs and hubs, of which one element changes each time, so that nothing that was computed
before is found again but the others. Beside it: everything anew, and what it costs to find the
elements in the twin.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from measure import answer, median, once, say
from report import Aim, table

from supplytwin.processors import carbon_parts, footprint
from supplytwin.processors.carbon_packs import DEFAULT, shelf
from supplytwin.processors.carbon_twin import request_of
from supplytwin.processors.simulate import Draw
from supplytwin.processors.twin import EMPTY, Twin, take
from supplytwin.schemas.calculation import Request
from supplytwin.schemas.events import Event, ShipmentBooked, ShipmentDeparted, ShipmentStuffed
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.ids import SECOND_US, Micros

START = 1_704_067_200 * SECOND_US
LEGS = ("1;ROAD;CNSGH;CNSHA;150;SFD", "2;SEA;CNSHA;SGSIN", "3;SEA;SGSIN;NLRTM")
TIMES = 2_000
AIM_US = 150


def _event(kind: type[Event], subject: tuple[str, str], **fields: Any) -> Event:
    return kind(
        event_id=f"{kind.TYPE}{fields.get('leg_no', '')}", source="carrier:c",
        revision=Micros(START), event_type=kind.TYPE, classifier="ACTUAL",
        event_time=Micros(START), event_tz="+00:00", time_precision="S",
        recorded_time=Micros(START), chain_id="C", subject_type=subject[0], subject_id=subject[1],
        **fields,
    )  # fmt: skip


def _twin() -> Twin:
    """Booked, stuffed, under way: three legs, a fourth by rail that nobody has booked a hub for."""
    here = ("CONSIGNMENT", "ASN-1")
    legs = (*LEGS, "4;RAIL;NLRTM;DEDUI;300;SFD")
    trip = "MSKU1234565/B"
    events = [
        _event(ShipmentBooked, here, booking_ref="B", carrier="c", legs=legs),
        _event(ShipmentStuffed, ("EQUIPMENT_TRIP", trip), trip_id=trip, children=(),
               container_no="MSKU1234565", gross_kg=Decimal(10_000), refs=("CONSIGNMENT:ASN-1",)),
        *(_event(ShipmentDeparted, here, leg_no=leg) for leg in (1, 2, 3)),
    ]  # fmt: skip
    found, draw = EMPTY, Draw(1, 1)
    for event in events:
        record = Record(topic=event.TOPIC, partition=0, offset=0, arrival=START, key=b"", value=b"")
        digest = f"{event.event_id} {draw.below(1 << 30, event.event_id)}".encode().ljust(32)
        item = Input(record=record, key="C", message=event, fingerprint=0, content_hash=digest[:32])
        found = take(found, item).twin
    return found


def _each_us(work: Callable[[int], object]) -> float:
    """CPU us of one call."""
    began = time.process_time()
    for at in range(TIMES):
        work(at)
    return (time.process_time() - began) / TIMES * 1e6


def measure() -> None:
    """Role: one measurement of each."""
    twin, packs = _twin(), shelf(DEFAULT)
    found = request_of(twin, "ASN-1", packs)
    assert found is not None
    request: Request = msgspec.structs.replace(found, tces=found.tces[:6])
    first, *others = request.tces
    kg = iter(range(20_000, 20_000 + 4 * TIMES))

    def changed(at: int) -> object:
        mass = Decimal(next(kg))
        tces = (msgspec.structs.replace(first, mass_kg=mass), *others)
        return footprint.computed(msgspec.structs.replace(request, tces=tces), packs)

    def anew(at: int) -> object:
        footprint._element.cache_clear()
        carbon_parts.digest_of.cache_clear()
        return footprint.computed(request, packs)

    changed(0)
    answer(
        {
            "elements": len(request.tces),
            "one_changed_us": _each_us(changed),
            "all_anew_us": _each_us(anew),
            "derived_us": _each_us(lambda at: request_of(twin, "ASN-1", packs)),
        }
    )


def bench(rounds: int) -> dict[str, Any]:
    """Rounds, each in a process of its own."""
    say("a footprint of six elements computed again")
    runs = [once("carbon") for _ in range(rounds)]
    middle = {
        name: round(median(one[name] for one in runs), 1)
        for name in ("one_changed_us", "all_anew_us", "derived_us")
    }
    table(
        "A footprint of six elements: CPU us",
        ("", "us"),
        [
            ("computed again, one element changed", middle["one_changed_us"]),
            ("everything anew", middle["all_anew_us"]),
            ("its elements found in the twin", middle["derived_us"]),
        ],
    )
    aims = [Aim("six elements recomputed, CPU us", middle["one_changed_us"], AIM_US, smaller=True)]
    return {"aims": aims, "runs": runs}
