"""An element's own emissions: the energy that was measured for it, and what its operator states.

Energy counts as a whole or not at all. Of several consignments each bears its part by mass.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.carbon_consignment import mass_of
from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.carbon_intensity import default_factors
from supplytwin.processors.carbon_parts import ZERO, Number, summed, total
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
NAMED_MOST = 5
"""So many are named where there may be thousands: a record has to stay small."""
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


class Masses:
    """Masses of consignments of one twin, each found once: hundreds may share a leg."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._kg: dict[SubjectKey, Number] = {}
        self._together: dict[Sharers, Number] = {}

    def kg(self, key: SubjectKey) -> Number:
        """That of one; None = not known."""
        if key not in self._kg:
            here = subject(self._twin, *key)
            self._kg[key] = None if here is None else mass_of(self._twin, here).kg
        return self._kg[key]

    def together(self, keys: Sharers) -> Number:
        """That of all; None = one is not known."""
        if keys not in self._together:
            self._together[keys] = total(self.kg(key) for key in keys)
        return self._together[keys]


def names_a_leg(event: Measurement) -> bool:
    """Whether what was measured says which leg it is of."""
    named = event.subject_type == LEG or any(ref.startswith(f"{LEG}:") for ref in event.refs)
    return named or event.leg_no is not None


def own(masses: Masses, one: Element, events: Sequence[Measurement], shelf: Shelf) -> Own:
    """Measured energy, and what its operator states; each of the best source that tells it."""
    if not events:
        return Own()
    energy, said = _energy(masses, one, _alike(events), shelf)
    stated = [event for event in events if isinstance(event, ShipmentFootprint)]
    mine = [event for event in stated if one.key in _sharers(event, one)]
    supplied, more = _supplied(one, mine)
    return Own(energy=energy, supplied=supplied, assumptions=(*said, *more))


def _alike(events: Sequence[Measurement]) -> list[tuple[ShipmentEnergy, list[Decimal]]]:
    """Amounts of one source, carrier and unit about the same subjects, with the first that tells
    them: there may be thousands, which have all else in common.
    """
    found: dict[tuple[object, ...], tuple[ShipmentEnergy, list[Decimal]]] = {}
    for event in events:
        if isinstance(event, ShipmentEnergy):
            key = (
                event.source, event.energy_carrier, event.energy_unit, event.subject_type,
                event.subject_id, event.refs, event.energy_qty > 0,
            )  # fmt: skip
            known = found.get(key)
            if known is None:
                found[key] = event, [event.energy_qty]
            else:
                known[1].append(event.energy_qty)
    return list(found.values())


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
    masses: Masses,
    one: Element,
    told: Sequence[tuple[ShipmentEnergy, list[Decimal]]],
    shelf: Shelf,
) -> tuple[tuple[ElementEnergy, ...], list[str]]:
    """All amounts of the best source of which all can be used."""
    mine = [(event, amounts) for event, amounts in told if one.key in _sharers(event, one)]
    said: list[str] = []
    ranked = _ranked([event for event, _ in mine])
    for at, (_, source) in enumerate(ranked):
        found: list[ElementEnergy] = []
        wrong = None
        for event, amounts in mine:
            if event.source == source and wrong is None:
                made = _amount(masses, one, event, summed(amounts), shelf)
                if isinstance(made, str):
                    wrong = f"ENERGY_UNUSED: {source} {event.event_id}: {made}"
                else:
                    found.append(made)
        if wrong is not None:
            if len(said) < NAMED_MOST:
                said.append(wrong)
            continue
        said += _others("ENERGY", source, [other for _, other in ranked[at + 1 :]])
        whole = _together(found)
        if any(use.allocation is not None for use in whole):
            said.append("ENERGY_ALLOCATED: by mass among the consignments that it is of")
        return whole, said
    return (), said


def _together(found: Sequence[ElementEnergy]) -> tuple[ElementEnergy, ...]:
    """Amounts of one carrier and unit as one: thousands of readings are one line of a record."""
    alike: dict[ElementEnergy, list[Decimal]] = {}
    for use in found:
        alike.setdefault(replace(use, quantity=ZERO), []).append(use.quantity)
    made = [replace(use, quantity=summed(amounts)) for use, amounts in alike.items()]
    made.sort(key=lambda use: (use.carrier, use.unit, use.quantity))
    return tuple(made)


def _others(what: str, source: str, others: Sequence[str]) -> list[str]:
    """Who tells it besides the one that is believed."""
    if not others:
        return []
    tells = "tells" if len(others) == 1 else "tell"
    return [f"{what}_SOURCE: {source} is taken, {_named(others)} {tells} of it, too"]


def _named(names: Sequence[str]) -> str:
    """A few names, and how many there are more."""
    more = len(names) - NAMED_MOST
    return ", ".join(names[:NAMED_MOST]) + (f" and {more} more" if more > 0 else "")


def _amount(
    masses: Masses, one: Element, event: ShipmentEnergy, quantity: Decimal, shelf: Shelf
) -> ElementEnergy | str:
    """An amount with this consignment's part; or why it cannot be used."""
    unit = _UNITS.get(event.energy_unit.lower())
    what = f"{quantity} {event.energy_unit} of {event.energy_carrier}"
    if unit is None:
        return f"{what} is not in l, kg, t, kWh or MJ"
    if quantity <= 0:
        return f"{what} is no amount"
    electric = event.energy_carrier.lower() == ELECTRICITY
    unseen = grade(SHIPMENTS, event.source, frozenset()) == WORST
    made = ElementEnergy(
        carrier=event.energy_carrier,
        quantity=quantity,
        unit=unit,
        country=one.country if electric else None,
        data_type="MODELLED" if unseen else "PRIMARY",
    )
    if not default_factors(made, shelf).refs:
        return f"no factor for {what} in {shelf.named}"
    sharers = _sharers(event, one)
    if len(sharers) < 2:
        return made
    whole = masses.together(sharers)
    if whole is None or one.kg is None or one.kg != masses.kg(one.key):
        return f"{what} is of {len(sharers)} consignments, not all masses are known"
    return replace(made, allocation=Allocation(total_kg=whole))


def _supplied(
    one: Element, events: Sequence[ShipmentFootprint]
) -> tuple[Supplied | None, list[str]]:
    """The one footprint that its operator states of this consignment alone; of several it is not
    known whose is which.
    """
    alone = [event for event in events if len(_sharers(event, one)) == 1]
    said = []
    several = [event.event_id for event in events if event not in alone]
    if several:
        said.append(f"FOOTPRINT_UNUSED: of several consignments: {_named(several)}")
    ranked = _ranked(alone)
    if not ranked:
        return None, said
    source = ranked[0][1]
    said += _others("FOOTPRINT", source, [other for _, other in ranked[1:]])
    taken = [event for event in alone if event.source == source]
    if len(taken) > 1:
        names = _named([event.event_id for event in taken])
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


def homeless(rest: Sequence[Measurement]) -> tuple[str, ...]:
    """What is said of measurements that are of no leg that is known."""
    if not rest:
        return ()
    found = [f"{event.source} {event.event_id}" for event in rest]
    return (f"UNPLACED: of no leg that is known (say leg_no): {_named(found)}",)
