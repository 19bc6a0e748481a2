"""Versions of footprints: a new one when its inputs changed, linked to the one before."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from immutables import Map
from msgspec import Struct

from supplytwin.processors.carbon_own import Masses
from supplytwin.processors.carbon_packs import Rules, in_force
from supplytwin.processors.carbon_parts import over
from supplytwin.processors.carbon_twin import affected, is_void, request_of, void
from supplytwin.processors.footprint import METHOD, UNCERTAINTY, Computed, computed
from supplytwin.processors.subjects import decimal_text
from supplytwin.processors.twin import Taken, Twin
from supplytwin.schemas.calculated import TceResult
from supplytwin.schemas.calculation import Tce
from supplytwin.schemas.footprints import Footprint, Leg
from supplytwin.schemas.records import EXCEPTIONS, FOOTPRINTS, LEGS, ExceptionRecord

Derive = Callable[..., None]
"""`Emitter.derive`: (topic, Struct, **fields)."""


class Versioned(Struct, frozen=True, kw_only=True, gc=False):
    """The newest footprint of a consignment, and how many there were."""

    version: int
    input_hash: str
    co2e_wtw_kg: str | None
    computed_wtw_kg: str | None
    """The part that could be computed."""
    activity_tkm: str | None
    missing: tuple[str, ...]
    data_type: str | None
    planned: bool
    void: bool
    """Everything that it was from is taken back."""

    def canonical(self) -> dict[str, object]:
        """Without its version: what every order of the same facts agrees on."""
        return {
            "inputs": self.input_hash,
            "missing": sorted(self.missing),
            "co2e_wtw_kg": self.co2e_wtw_kg,
        }

    def describe(self, consignment_id: str) -> dict[str, Any]:
        """For people."""
        return {
            "consignment_id": consignment_id,
            "version": self.version,
            "co2e_wtw_kg": self.co2e_wtw_kg,
            "computed_wtw_kg": self.computed_wtw_kg,
            "activity_tkm": self.activity_tkm,
            "data_type": self.data_type,
            "planned": self.planned,
            "missing": list(self.missing),
        }


Versions = Map[str, Versioned]
"""By consignment."""


def canonical(known: Versions) -> dict[str, object]:
    """Footprints as every order of the same facts agrees on them."""
    return {name: one.canonical() for name, one in sorted(known.items()) if not one.void}


def of(
    twin: Twin, consignment_id: str, rules: Rules, masses: Masses | None = None
) -> Computed | None:
    """The footprint of a consignment by the packs in force; None when nothing is told of its
    transport. `masses` = those of the twin that are known already.
    """
    shelf = in_force(rules, None)
    request = request_of(twin, consignment_id, shelf, masses)
    if request is None:
        return None
    if request.period is not None and len(rules):
        then = in_force(rules, request.period.last)
        if then is not shelf:
            shelf = then
            request = request_of(twin, consignment_id, shelf, masses)
            assert request is not None
    return computed(request, shelf)


def follow(known: Versions, taken: Taken, rules: Rules, derive: Derive) -> Versions:
    """`known` with a new version of every footprint whose inputs a fact has changed."""
    masses = Masses(taken.twin)
    for name in affected(taken.twin.subjects, taken.moved):
        made = of(taken.twin, name, rules, masses)
        before = known.get(name)
        if made is None:
            if before is None:
                continue
            made = computed(void(name), in_force(rules, None))
        if before is not None and before.input_hash == made.input_sha256:
            continue
        after = _versioned(1 if before is None else before.version + 1, made)
        if before is None:
            _write(name, after, made, None, (), derive)
        else:
            was = () if before.void else before.missing
            _write(name, after, made, before.version, was, derive)
        known = known.set(name, after)
    return known


def _versioned(version: int, made: Computed) -> Versioned:
    return Versioned(
        version=version,
        input_hash=made.input_sha256,
        co2e_wtw_kg=_text(made.whole.co2e.co2e_wtw_kg) if made.complete else None,
        computed_wtw_kg=_text(made.part.co2e_wtw_kg),
        activity_tkm=_text(made.whole.transport_activity_tkm) if made.complete else None,
        missing=made.missing,
        data_type=made.data_type,
        planned=made.planned,
        void=is_void(made.request),
    )


# ---- saying it anew


def recomputed(known: Versions, twin: Twin, rules: Rules) -> Iterator[tuple[str, Computed]]:
    """Every footprint that stands, by these rules."""
    masses = Masses(twin)
    for name in sorted(known):
        made = of(twin, name, rules, masses)
        yield name, made or computed(void(name), in_force(rules, None))


def renumbered(
    known: Versions, twin: Twin, rules: Rules, said: Mapping[str, Footprint]
) -> dict[str, int]:
    """The version that each footprint has once it is restated, where that is not its own.

    `said` = the newest record of each, of an older fold or other packs. A footprint of which
    anything but its version differs from that is its next version; any other is the version that
    was said, however often this fold would have counted.
    """
    found: dict[str, int] = {}
    for name, made in recomputed(known, twin, rules):
        own, old = known[name], said.get(name)
        version = _restated_version(made, old)
        if version != own.version or old is None or version > old.version:
            found[name] = version
    return found


def _restated_version(made: Computed, old: Footprint | None) -> int:
    if old is None:
        return 1
    figures = _figures(made)
    return old.version + any(getattr(old, name) != value for name, value in figures.items())


def numbered(known: Versions, twin: Twin, rules: Rules, versions: Mapping[str, int]) -> Versions:
    """`known` with the footprints of a restatement by the packs in force, under its versions."""
    again = Map({name: known[name] for name in versions if name in known})
    for name, made in recomputed(again, twin, rules):
        known = known.set(name, _versioned(versions[name], made))
    return known


def unsaid(versions: Mapping[str, int], said: Mapping[str, Footprint]) -> list[str]:
    """Those of `versions` of which no record has been written yet."""
    return [name for name, version in versions.items()
            if name not in said or version > said[name].version]  # fmt: skip


def restate(
    known: Versions,
    twin: Twin,
    rules: Rules,
    versions: Mapping[str, int],
    said: Mapping[str, Footprint],
    derive: Derive,
) -> None:
    """Write each of `versions` that is unsaid, linked to what was said before."""
    to_say = set(unsaid(versions, said))
    for name, made in recomputed(known, twin, rules):
        if name in to_say:
            old = said.get(name)
            before, was = (None, ()) if old is None else (old.version, old.missing)
            _write(name, known[name], made, before, was, derive)


# ---- records


def _text(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def _figures(made: Computed) -> dict[str, Any]:
    """What a footprint says, whatever its version."""
    whole, full = made.whole, made.complete
    co2e, period = whole.co2e, made.request.period
    ttw = over(co2e.co2e_ttw_kg, whole.transport_activity_tkm)
    first = made.shelf.chosen[0]
    return {
        "complete": full,
        "input_hash": made.input_sha256,
        "pack": first.pack,
        "pack_version": first.version,
        "method": METHOD,
        "co2e_wtw_kg": _text(co2e.co2e_wtw_kg) if full else None,
        "co2e_wtt_kg": _text(co2e.co2e_wtt_kg) if full else None,
        "co2e_ttw_kg": _text(co2e.co2e_ttw_kg) if full else None,
        "activity_tkm": _text(whole.transport_activity_tkm) if full else None,
        "intensity_kg_per_tkm": _text(whole.intensity_wtw_kg_per_tkm) if full else None,
        "data_type": made.data_type,
        "missing": made.missing,
        "planned": made.planned,
        "computed_wtw_kg": _text(made.part.co2e_wtw_kg),
        "intensity_ttw_kg_per_tkm": _text(ttw) if full else None,
        "hub_activity_t": _text(whole.hub_activity_t),
        "primary_share": _text(made.by_emissions) if full else None,
        "primary_share_by_tkm": _text(made.by_tkm) if full else None,
        "modelled_share": _text(made.quality.modelled) if full else None,
        "packs": tuple(sorted({found.pack for found in made.factors.values()})),
        "factors": tuple(sorted(made.factors)),
        "distance_types": tuple(
            sorted({one.distance_basis for one in made.request.tces if one.distance_basis})
        ),
        "period_first": None if period is None else period.first,
        "period_last": None if period is None else period.last,
        "warnings": made.warnings,
        "assumptions": made.assumptions,
        "deviations": made.deviations,
        "uncertainty": UNCERTAINTY,
        "inputs": msgspec.json.encode(made.request).decode(),
    }


def _write(
    name: str,
    one: Versioned,
    made: Computed,
    previous: int | None,
    was: tuple[str, ...],
    derive: Derive,
) -> None:
    """`previous` = the version before it, `was` = what was missing then."""
    derive(
        FOOTPRINTS,
        Footprint,
        consignment_id=name,
        version=one.version,
        previous_version=previous,
        **_figures(made),
    )
    first = made.shelf.chosen[0]
    for asked, element in zip(made.request.tces, made.elements, strict=True):
        derive(
            LEGS,
            Leg,
            consignment_id=name,
            version=one.version,
            pack=first.pack,
            pack_version=first.version,
            **_element(asked, element.result),
        )
    _exceptions(name, () if one.void else made.missing, was, derive)


def _element(asked: Tce, found: TceResult) -> dict[str, Any]:
    by = found.intensity
    return {
        "tce_id": found.tce_id,
        "mode": found.mode,
        "from_place": asked.from_place,
        "to_place": asked.to_place,
        "mass_kg": _text(found.mass_kg),
        "distance_km": _text(found.distance_km),
        "distance_basis": found.distance_basis,
        "daf": _text(found.daf),
        "factor_id": found.factors[0] if found.factors else None,
        "co2e_wtw_kg": _text(found.co2e.co2e_wtw_kg),
        "co2e_wtt_kg": _text(found.co2e.co2e_wtt_kg),
        "co2e_ttw_kg": _text(found.co2e.co2e_ttw_kg),
        "activity_tkm": _text(found.transport_activity_tkm),
        "kind": found.kind,
        "hub_type": found.hub_type,
        "hub_activity_t": _text(found.hub_activity_t),
        "prev_tce_ids": found.prev_tce_ids,
        "toc_id": found.toc_id,
        "hoc_id": found.hoc_id,
        "planned": asked.planned,
        "data_type": found.data_type,
        "primary_share": _text(found.primary_share),
        "intensity_unit": None if by is None else by.unit,
        "intensity_wtw": None if by is None else _text(by.wtw),
        "intensity_wtt": None if by is None else _text(by.wtt),
        "intensity_ttw": None if by is None else _text(by.ttw),
        "temperature_control": asked.temperature_control,
        "energy": tuple(
            f"{use.carrier};{decimal_text(use.quantity)};{use.unit}" for use in asked.energy
        ),
        "factors": found.factors,
        "complete": found.complete,
        "trace": found.trace,
    }


def _codes(missing: tuple[str, ...]) -> dict[str, str]:
    """First reason by code."""
    found: dict[str, str] = {}
    for one in missing:
        code, _, reason = one.partition(":")
        found.setdefault(code, reason)
    return found


def _exceptions(
    name: str, missing: tuple[str, ...], before: tuple[str, ...], derive: Derive
) -> None:
    """An exception opens for each kind of input that is missing, and closes when it is there."""
    was, now = _codes(before), _codes(missing)
    for code in sorted(was.keys() | now.keys()):
        if (code in was) == (code in now):
            continue
        derive(
            EXCEPTIONS,
            ExceptionRecord,
            subject_type="CONSIGNMENT",
            subject_id=name,
            code=code,
            open=code in now,
            reason=f"footprint: {now.get(code, 'is known now')}",
        )
