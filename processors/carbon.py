"""Versions of footprints: a new one when its inputs changed, linked to the one before."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from immutables import Map
from msgspec import Struct

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
    version = 1 if before is None else before.version + 1
    _write(result, version, before, derive)
    return known.set(consignment_id, Versioned(version=version, result=result))


def _write(result: FootprintResult, version: int, before: Versioned | None, derive: Derive) -> None:
    wtw = result.total("co2e_wtw_kg")
    activity = result.total("transport_activity_tkm")
    derive(
        FOOTPRINTS,
        Footprint,
        consignment_id=result.consignment_id,
        version=version,
        previous_version=None if before is None else before.version,
        complete=result.complete,
        input_hash=result.input_hash,
        pack=result.pack,
        pack_version=result.pack_version,
        method=METHOD,
        co2e_wtw_kg=_text(wtw),
        co2e_wtt_kg=_text(result.total("co2e_wtt_kg")),
        co2e_ttw_kg=_text(result.total("co2e_ttw_kg")),
        activity_tkm=_text(activity),
        intensity_kg_per_tkm=_text(CONTEXT.divide(wtw, activity)) if wtw and activity else None,
        data_type="DEFAULT" if result.complete else None,
        missing=result.missing,
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
    _exceptions(result, before, derive)


def _codes(missing: tuple[str, ...]) -> dict[str, str]:
    """First reason by code."""
    found: dict[str, str] = {}
    for one in missing:
        code, _, reason = one.partition(":")
        found.setdefault(code, reason)
    return found


def _exceptions(result: FootprintResult, before: Versioned | None, derive: Derive) -> None:
    """An exception opens for each kind of input that is missing, and closes when it is there."""
    was = {} if before is None else _codes(before.result.missing)
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
