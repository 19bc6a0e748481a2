"""The footprints that a contract's conditions and amounts may look at."""

from collections.abc import Mapping
from decimal import Decimal

from supplytwin.processors.carbon import Versions
from supplytwin.processors.condition_facts_asked import Footprinted
from supplytwin.processors.settlement_state import Book
from supplytwin.schemas.condition import Carbon, walked
from supplytwin.schemas.contract import ContractTerms


def footprinted(book: Book, footprints: Versions) -> Mapping[str, Footprinted]:
    """By consignment, as they stand; none where no version of the terms names any."""
    versions = (*book.former.values(), book.terms)
    if not any(one is not None and one.full is not None and _names(one.full) for one in versions):
        return {}
    return {
        name: Footprinted(
            input_hash=one.input_hash,
            co2e_wtw_kg=None if one.planned else _number(one.co2e_wtw_kg),
            activity_tkm=_number(one.activity_tkm),
        )
        for name, one in footprints.items()
    }


def _names(full: ContractTerms) -> bool:
    return any(
        one.adjustments.carbon is not None
        or any(isinstance(leaf, Carbon) for _, leaf in walked(one.condition))
        for one in full.tranches
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
