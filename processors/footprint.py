"""The footprint of one consignment: its request computed by the calculator's own functions.

The same numbers, findings and hash as `carbon_chain.calculate` gives for the request, in a fraction
of the time: an element that was computed once is not computed again, and texts that only documents
have are left to them.
"""

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from supplytwin.processors import carbon_report as report
from supplytwin.processors.carbon_categories import worst
from supplytwin.processors.carbon_chain import METHOD, UNCERTAINTY, input_sha256
from supplytwin.processors.carbon_element import Element, element
from supplytwin.processors.carbon_factors import Book, Found, Shelf
from supplytwin.processors.carbon_outcome import World
from supplytwin.processors.carbon_parts import Number
from supplytwin.processors.carbon_twin import FORM
from supplytwin.schemas.calculated import Co2e, DataQuality, Group
from supplytwin.schemas.calculation import Period, Request, Tce
from supplytwin.schemas.findings import Finding

__all__ = ["METHOD", "UNCERTAINTY", "Computed", "computed"]


class Computed(Struct, frozen=True, kw_only=True):
    """A footprint with all that its records say. Texts are ``CODE:what``."""

    request: Request
    shelf: Shelf
    elements: tuple[Element, ...]
    whole: Group
    part: Co2e
    """What could be computed."""
    by_emissions: Number
    by_tkm: Number
    quality: DataQuality
    factors: dict[str, Found]
    missing: tuple[str, ...]
    input_sha256: str

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def data_type(self) -> str | None:
        """The least of its elements; None while it is not complete."""
        if not self.complete:
            return None
        return worst([one.result.data_type or "DEFAULT" for one in self.elements])

    @property
    def planned(self) -> bool:
        return any(one.planned for one in self.request.tces)

    @property
    def warnings(self) -> tuple[str, ...]:
        warned = (one for each in self.elements for one in each.trail.warned)
        return _texts((*report.warnings(self.factors, self.request.period), *warned))

    @property
    def assumptions(self) -> tuple[str, ...]:
        own = tuple(_joined(text) for text in self.request.assumptions)
        return (*own, *_texts(one for each in self.elements for one in each.trail.assumed))

    @property
    def deviations(self) -> tuple[str, ...]:
        return _texts(one for each in self.elements for one in each.trail.deviates)


def computed(request: Request, shelf: Shelf) -> Computed:
    """A footprint from its request, which has neither factors nor categories of its own."""
    period = request.period if shelf.dated else None
    elements = tuple(_element(one, shelf, period) for one in request.tces)
    factors = {ref: found for one in elements for ref, found in one.trail.used.items()}
    missing = [f"{one.code}:{one.says}" for one in request.missing]
    for one in elements:
        missing += _texts((*one.trail.missing, *one.trail.refused))
    by_emissions, by_tkm = report.primary_shares(elements)
    return Computed(
        request=request,
        shelf=shelf,
        elements=elements,
        whole=report.group("chain", elements),
        part=report.computed(elements),
        by_emissions=by_emissions,
        by_tkm=by_tkm,
        quality=report.quality(elements),
        factors=factors,
        missing=tuple(dict.fromkeys(missing)),
        input_sha256=input_sha256(request, shelf, factors),
    )


@lru_cache(maxsize=4096)
def _element(one: Tce, shelf: Shelf, period: Period | None) -> Element:
    """Cached: of a chain only the element that a fact is about changes."""
    alone = Request(calculation=FORM, chain_id="", period=period)
    world = World(book=Book(alone, shelf), tocs={}, hocs={}, rounds={}, stops={})
    return element(one, one.tce_id, world)


def _texts(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(f"{one.code}:{_about(one)}{one.says}" for one in findings)


def _about(one: Finding) -> str:
    return "" if one.path == "$" or one.path in one.says else f"{one.path}: "


def _joined(text: str) -> str:
    """``CODE: what`` as other texts are spelt."""
    code, _, what = text.partition(": ")
    return f"{code}:{what}"
