"""Footprints and elements as the worker will write them, in a DuckDB file of the project's sink."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import sink_world as w

from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.flow import Record
from supplytwin.schemas.footprints import Footprint, Leg
from supplytwin.schemas.records import FOOTPRINTS, LEGS
from supplytwin.sinks.duck import DuckSink

PACK = "desnz-2025"
ROAD = f"{PACK}/road-artic-average-laden"
Said = Mapping[str, Any]


def leg(tce_id: str, wtw: str | None, **said: Any) -> dict[str, Any]:
    """An element: 1,000 tkm by road unless something else is said; a quarter of WTW is WTT."""
    parts = (None, None)
    if wtw is not None:
        parts = (plain(Decimal(wtw) / 4), plain(Decimal(wtw) * 3 / 4))
    return {
        "tce_id": tce_id, "mode": "ROAD", "from_place": "Pune", "to_place": "Lagos",
        "mass_kg": "1000", "distance_km": "1000", "distance_basis": "GCD", "daf": "1",
        "co2e_wtw_kg": wtw, "co2e_wtt_kg": parts[0], "co2e_ttw_kg": parts[1],
        "activity_tkm": "1000", "data_type": "DEFAULT", "primary_share": "0", **said,
    }  # fmt: skip


def hub(tce_id: str, wtw: str, **said: Any) -> dict[str, Any]:
    """A transshipment of 1 t, without a split."""
    return leg(
        tce_id, wtw, kind="HUB", mode=None, from_place=None, to_place=None, distance_km=None,
        distance_basis=None, daf=None, activity_tkm="0", hub_type="Transshipment",
        hub_activity_t="1", co2e_wtt_kg=None, co2e_ttw_kg=None, **said,
    )  # fmt: skip


def _sum(legs: Sequence[Said], name: str) -> str | None:
    values = [one.get(name) for one in legs]
    return None if None in values else plain(sum((Decimal(value) for value in values), Decimal(0)))


class World:
    """Chains of one file."""

    def __init__(self) -> None:
        self.log = w.Log()
        self.records: list[Record] = []
        self.chains: dict[str, w.Chain] = {}

    def footprint(
        self, chain_id: str, consignment: str, legs: Sequence[Said], version: int = 1, **said: Any
    ) -> None:
        """A version with its elements; totals are theirs unless something else is said."""
        chain = self.chains.setdefault(chain_id, w.Chain(self.log, chain_id))
        chain.seq += 1
        chain.index = 0
        hubs = [one for one in legs if one.get("kind") == "HUB"]
        filled: dict[str, Any] = {
            "previous_version": version - 1 or None, "complete": True,
            "input_hash": f"{version:064}", "pack": "desnz", "pack_version": "2025",
            "method": "method 1", "co2e_wtw_kg": _sum(legs, "co2e_wtw_kg"),
            "co2e_wtt_kg": _sum(legs, "co2e_wtt_kg"),
            "co2e_ttw_kg": _sum(legs, "co2e_ttw_kg"), "activity_tkm": _sum(legs, "activity_tkm"),
            "hub_activity_t": _sum(hubs, "hub_activity_t") if hubs else None,
            "planned": any(one.get("planned") for one in legs), "data_type": "DEFAULT",
            "primary_share": "0", "primary_share_by_tkm": "0", "modelled_share": "0",
            "packs": (PACK,), "factors": (ROAD,), "distance_types": ("GCD",),
            "period_first": "2025-03-01", "period_last": "2025-03-20", **said,
        }  # fmt: skip
        filled.setdefault("computed_wtw_kg", filled["co2e_wtw_kg"])
        name = {"consignment_id": consignment, "version": version}
        self.records.append(chain.derived(FOOTPRINTS, Footprint, **name, **filled))
        for one in legs:
            more = {"factor_id": ROAD, "factors": (ROAD,), **one}
            own = {**more, **name, "pack": "desnz", "pack_version": "2025"}
            self.records.append(chain.derived(LEGS, Leg, **own))

    def incomplete(self, chain_id: str, consignment: str, *missing: str, **said: Any) -> None:
        """A footprint that could not be computed."""
        unknown = ("co2e_wtw_kg", "co2e_wtt_kg", "co2e_ttw_kg", "activity_tkm",
                   "primary_share", "primary_share_by_tkm", "modelled_share")  # fmt: skip
        given: dict[str, Any] = {
            **dict.fromkeys(unknown),
            "complete": False,
            "missing": missing,
            **said,
        }
        self.footprint(chain_id, consignment, (), **given)

    def write(self, path: Path, *more: Record) -> Path:
        """The file, closed."""
        sink = DuckSink(path, lambda: b"12345678")
        sink.write(w.grouped((*self.records, *more)), w.offsets_of(self.log))
        assert sink.refused == 0
        sink.close()
        return path
