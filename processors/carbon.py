"""Versions of footprints: a new one when its inputs changed, linked to the one before."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.footprint import (
    CONTEXT,
    METHOD,
    FootprintResult,
    footprint,
    may_differ,
)
from supplytwin.processors.subjects import decimal_text
from supplytwin.processors.twin import Taken, Twin
from supplytwin.schemas.machines import CONSIGNMENT
from supplytwin.schemas.records import EXCEPTIONS, FOOTPRINTS, LEGS, ExceptionRecord, Footprint, Leg

Derive = Callable[..., None]
"""`Emitter.derive`: (topic, Struct, **fields)."""


class Versioned(Struct, frozen=True, kw_only=True, gc=False):
    """The newest footprint of a consignment, and how many there were."""

    version: int
    result: FootprintResult

    @property
    def co2e_wtw_kg(self) -> str | None:
        return _text(self.result.total("co2e_wtw_kg"))

    def canonical(self) -> dict[str, object]:
        """Without its version: what every order of the same facts agrees on."""
        return {
            "inputs": self.result.input_hash,
            "missing": sorted(self.result.missing),
            "co2e_wtw_kg": self.co2e_wtw_kg,
        }

    def describe(self) -> dict[str, Any]:
        """For people."""
        return {
            "consignment_id": self.result.consignment_id,
            "version": self.version,
            "co2e_wtw_kg": self.co2e_wtw_kg,
            "activity_tkm": _text(self.result.total("transport_activity_tkm")),
            "missing": list(self.result.missing),
        }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


Versions = Map[str, Versioned]


def follow(known: Versions, taken: Taken, derive: Derive) -> Versions:
    """`known` with a new version of every footprint whose inputs a fact has changed."""
    for key, old, new in taken.moved:
        if key.subject_type == CONSIGNMENT and may_differ(old, new):
            known = _update(known, taken.twin, key.subject_id, derive)
    return known


def _update(known: Versions, twin: Twin, consignment_id: str, derive: Derive) -> Versions:
    """`known` with a new version of the consignment's footprint, if its inputs changed."""
    result = footprint(twin, consignment_id)
    assert result is not None
    before = known.get(consignment_id)
    if before is not None and before.result.input_hash == result.input_hash:
        return known
    after = Versioned(version=1 if before is None else before.version + 1, result=result)
    if before is None:
        _write(after, None, (), derive)
    else:
        _write(after, before.version, before.result.missing, derive)
    return known.set(consignment_id, after)


def renumbered(known: Versions, said: Mapping[str, Footprint]) -> dict[str, int]:
    """The version that each footprint has once it is restated, where that is not its own.

    `said` = the newest record of each, of an older fold. A footprint of which anything but its
    version differs from that is its next version; any other is the version that was said, however
    often this fold would have counted.
    """
    found: dict[str, int] = {}
    for name, own in sorted(known.items()):
        old = said.get(name)
        version = _restated_version(own.result, old)
        if version != own.version or old is None or version > old.version:
            found[name] = version
    return found


def _restated_version(result: FootprintResult, old: Footprint | None) -> int:
    if old is None:
        return 1
    figures = _figures(result)
    return old.version + any(getattr(old, name) != value for name, value in figures.items())


def numbered(known: Versions, versions: Mapping[str, int]) -> Versions:
    """`known` with the versions that a restatement has recorded."""
    for name, version in versions.items():
        if name in known:
            known = known.set(name, replace(known[name], version=version))
    return known


def unsaid(versions: Mapping[str, int], said: Mapping[str, Footprint]) -> list[str]:
    """Those of `versions` of which no record has been written yet."""
    return [name for name, version in versions.items()
            if name not in said or version > said[name].version]  # fmt: skip


def restate(
    known: Versions, versions: Mapping[str, int], said: Mapping[str, Footprint], derive: Derive
) -> None:
    """Write each of `versions` that is unsaid, linked to what was said before."""
    for name in unsaid(versions, said):
        old = said.get(name)
        if old is None:
            _write(known[name], None, (), derive)
        else:
            _write(known[name], old.version, old.missing, derive)


def _figures(result: FootprintResult) -> dict[str, Any]:
    """What a footprint says, whatever its version."""
    wtw = result.total("co2e_wtw_kg")
    activity = result.total("transport_activity_tkm")
    return {
        "complete": result.complete,
        "input_hash": result.input_hash,
        "pack": result.pack,
        "pack_version": result.pack_version,
        "method": METHOD,
        "co2e_wtw_kg": _text(wtw),
        "co2e_wtt_kg": _text(result.total("co2e_wtt_kg")),
        "co2e_ttw_kg": _text(result.total("co2e_ttw_kg")),
        "activity_tkm": _text(activity),
        "intensity_kg_per_tkm": _text(CONTEXT.divide(wtw, activity)) if wtw and activity else None,
        "data_type": "DEFAULT" if result.complete else None,
        "missing": result.missing,
    }


def _write(one: Versioned, previous: int | None, was: tuple[str, ...], derive: Derive) -> None:
    """`previous` = the version before it, `was` = what was missing then."""
    result, version = one.result, one.version
    derive(
        FOOTPRINTS,
        Footprint,
        consignment_id=result.consignment_id,
        version=version,
        previous_version=previous,
        **_figures(result),
    )
    for tce in result.tces:
        derive(
            LEGS,
            Leg,
            consignment_id=result.consignment_id,
            tce_id=tce.tce_id,
            version=version,
            mode=tce.mode,
            from_place=tce.from_place,
            to_place=tce.to_place,
            mass_kg=decimal_text(tce.mass_kg),
            distance_km=decimal_text(tce.distance_km),
            distance_basis="GCD",
            daf=decimal_text(tce.daf),
            factor_id=tce.factor_id,
            pack=result.pack,
            pack_version=result.pack_version,
            co2e_wtw_kg=decimal_text(tce.co2e_wtw_kg),
            co2e_wtt_kg=decimal_text(tce.co2e_wtt_kg),
            co2e_ttw_kg=decimal_text(tce.co2e_ttw_kg),
            activity_tkm=decimal_text(tce.transport_activity_tkm),
        )
    _exceptions(result, _codes(was), derive)


def _codes(missing: tuple[str, ...]) -> dict[str, str]:
    """First reason by code."""
    found: dict[str, str] = {}
    for one in missing:
        code, _, reason = one.partition(":")
        found.setdefault(code, reason)
    return found


def _exceptions(result: FootprintResult, was: dict[str, str], derive: Derive) -> None:
    """An exception opens for each kind of input that is missing, and closes when it is there."""
    now = _codes(result.missing)
    for code in sorted(was.keys() | now.keys()):
        if (code in was) == (code in now):
            continue
        derive(
            EXCEPTIONS,
            ExceptionRecord,
            subject_type="CONSIGNMENT",
            subject_id=result.consignment_id,
            code=code,
            open=code in now,
            reason=f"footprint: {now.get(code, 'is known now')}",
        )
