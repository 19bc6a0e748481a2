"""An element's own emissions: the energy that was measured for it, and what its operator states.

Energy counts as a whole or not at all. Of several consignments each bears its part by mass.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.carbon_consignment import mass_of
from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.carbon_intensity import default_factors
from supplytwin.processors.carbon_parts import Number, summed
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas.calculation import Allocation, ElementEnergy, EnergyUnit, Supplied
from supplytwin.schemas.carriers import ELECTRICITY
from supplytwin.schemas.events import SHIPMENTS, Measurement, ShipmentEnergy, ShipmentFootprint
from supplytwin.schemas.machines import CONSIGNMENT, LEG
from supplytwin.schemas.priorities import WORST, grade

_UNITS: Mapping[str, EnergyUnit] = {
    **dict[str, EnergyUnit].fromkeys(("l", "litre", "litres", "liter", "liters"), "l"),
    "kg": "kg",
    "t": "t",
    "kwh": "kWh",
    "mj": "MJ",
}
Sharers = frozenset[SubjectKey]


class Own(Struct, frozen=True, kw_only=True, gc=False):
    """What is known of one element's own emissions, and what was taken for granted."""

    energy: tuple[ElementEnergy, ...] = ()
    supplied: Supplied | None = None
    assumptions: tuple[str, ...] = ()


class Element(Struct, frozen=True, kw_only=True, gc=False):
    """Of which consignment and leg (None = it has none) an element is, with its mass; the country
    where its electricity was drawn.
    """

    key: SubjectKey
    leg: Subject | None
    kg: Number
    country: str | None


def names_a_leg(event: Measurement) -> bool:
    """Whether what was measured says which leg it is of."""
    named = event.subject_type == LEG or any(ref.startswith(f"{LEG}:") for ref in event.refs)
    return named or event.leg_no is not None


def own(twin: Twin, one: Element, events: Sequence[Measurement], shelf: Shelf) -> Own:
    """Measured energy, and what its operator states; each of the best source that tells it."""
    mine = [event for event in events if one.key in _sharers(event, one)]
    if not mine:
        return Own()
    amounts = [event for event in mine if isinstance(event, ShipmentEnergy)]
    energy, said = _energy(twin, one, amounts, shelf)
    stated = [event for event in mine if isinstance(event, ShipmentFootprint)]
    supplied, more = _supplied(one, stated)
    return Own(energy=energy, supplied=supplied, assumptions=(*said, *more))


def _sharers(event: Measurement, one: Element) -> Sharers:
    """The consignments that it is of: those that it names; of a leg all that it carried."""
    found = set[SubjectKey]()
    if event.subject_type == CONSIGNMENT:
        found.add(SubjectKey(CONSIGNMENT, event.subject_id))
    elif event.subject_type == LEG and one.leg is not None:
        found.update(key for key in one.leg.links if key.subject_type == CONSIGNMENT)
    for ref in event.refs:
        kind, _, name = ref.partition(":")
        if kind == CONSIGNMENT and name:
            found.add(SubjectKey(CONSIGNMENT, name))
    return frozenset(found or (one.key,))


def _ranked(events: Sequence[Measurement]) -> list[tuple[str, str]]:
    """(grade, source) of all who tell, the best first."""
    return sorted({(grade(SHIPMENTS, one.source, frozenset()), one.source) for one in events})


def _energy(
    twin: Twin, one: Element, events: Sequence[ShipmentEnergy], shelf: Shelf
) -> tuple[tuple[ElementEnergy, ...], list[str]]:
    """All amounts of the best source of which all can be used."""
    said: list[str] = []
    ranked = _ranked(events)
    for at, (_, source) in enumerate(ranked):
        found: list[ElementEnergy] = []
        wrong = None
        for event in events:
            if event.source == source and wrong is None:
                made = _amount(twin, one, event, shelf)
                if isinstance(made, str):
                    wrong = f"ENERGY_UNUSED: {source} {event.event_id}: {made}"
                else:
                    found.append(made)
        if wrong is not None:
            said.append(wrong)
            continue
        said += (
            f"ENERGY_SOURCE: {source} is taken, {other} tells of it, too"
            for _, other in ranked[at + 1 :]
        )
        shared = {use.allocation for use in found} - {None}
        if shared:
            said.append("ENERGY_ALLOCATED: by mass among the consignments that it is of")
        found.sort(key=lambda use: (use.carrier, use.unit, use.quantity))
        return tuple(found), said
    return (), said


def _amount(twin: Twin, one: Element, event: ShipmentEnergy, shelf: Shelf) -> ElementEnergy | str:
    """An amount with this consignment's part; or why it cannot be used."""
    unit = _UNITS.get(event.energy_unit.lower())
    what = f"{event.energy_qty} {event.energy_unit} of {event.energy_carrier}"
    if unit is None:
        return f"{what} is not in l, kg, t, kWh or MJ"
    if event.energy_qty <= 0:
        return f"{what} is no amount"
    electric = event.energy_carrier.lower() == ELECTRICITY
    unseen = grade(SHIPMENTS, event.source, frozenset()) == WORST
    made = ElementEnergy(
        carrier=event.energy_carrier,
        quantity=event.energy_qty,
        unit=unit,
        country=one.country if electric else None,
        data_type="MODELLED" if unseen else "PRIMARY",
    )
    if not default_factors(made, shelf).refs:
        return f"no factor for {what} in {shelf.named}"
    sharers = _sharers(event, one)
    if len(sharers) < 2:
        return made
    masses = [_kg(twin, key) for key in sharers]
    known = [mass for mass in masses if mass is not None]
    if len(known) < len(masses) or one.kg is None or one.kg != _kg(twin, one.key):
        return f"{what} is of {len(sharers)} consignments, not all masses are known"
    return replace(made, allocation=Allocation(total_kg=summed(known)))


def _kg(twin: Twin, key: SubjectKey) -> Number:
    here = subject(twin, *key)
    return None if here is None else mass_of(twin, here).kg


def _supplied(
    one: Element, events: Sequence[ShipmentFootprint]
) -> tuple[Supplied | None, list[str]]:
    """The one footprint that its operator states of this consignment alone; of several it is not
    known whose is which.
    """
    alone = [event for event in events if len(_sharers(event, one)) == 1]
    said = [
        f"FOOTPRINT_UNUSED: {event.event_id} is of several consignments"
        for event in events
        if event not in alone
    ]
    ranked = _ranked(alone)
    if not ranked:
        return None, said
    source = ranked[0][1]
    said += (f"FOOTPRINT_SOURCE: {source} is taken, {other} tells of it, too"
             for _, other in ranked[1:])  # fmt: skip
    taken = [event for event in alone if event.source == source]
    if len(taken) > 1:
        names = ", ".join(event.event_id for event in taken)
        return None, [*said, f"FOOTPRINT_UNUSED: {len(taken)} are stated of one leg: {names}"]
    (event,) = taken
    stated = Supplied(
        co2e_wtw_kg=event.co2e_wtw_kg,
        co2e_ttw_kg=event.co2e_ttw_kg,
        primary_share=event.primary_share,
        source_id=event.source_id,
        spec=event.spec,
        transport_activity_tkm=event.activity_tkm,
    )
    return stated, said


def homeless(
    loose: Sequence[Measurement], is_placed: Callable[[Measurement], bool]
) -> Iterator[str]:
    """What somebody measured and that is of no leg that is known."""
    for event in loose:
        if not is_placed(event):
            says = f"{event.source} {event.event_id} names no leg that is known: say leg_no"
            yield f"UNPLACED: {says}"
