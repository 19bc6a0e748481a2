"""Live footprints of one chain, from its journal: what they rest on, and by which packs."""

from collections.abc import Sequence

from msgspec import Struct

from supplytwin.processors.carbon_factors import Shelf
from supplytwin.schemas.calculation import Request
from supplytwin.streams.exporting import folded


class Live(Struct, frozen=True, kw_only=True):
    """A footprint to be computed: the newest of a consignment, or one that a file describes."""

    request: Request
    shelf: Shelf
    version: int


def footprints(chain_id: str, entries: Sequence[bytes], common: Sequence[bytes]) -> list[Live]:
    """Those of a chain, by consignment; see `exporting.folded`."""
    fold, state = folded(chain_id, entries, common)
    found = []
    for name, known in sorted(state.footprints.items()):
        made = fold.footprint(state, name)
        if made is not None:
            found.append(Live(request=made.request, shelf=made.shelf, version=known.version))
    return found
