"""The footprints that a contract's conditions and amounts may look at, and the one of an amount."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.adjustments import Footprint
from supplytwin.processors.carbon import Versions
from supplytwin.processors.condition_counting import supporting, whether
from supplytwin.processors.condition_facts_asked import Footprinted
from supplytwin.processors.condition_facts_carbon import consignments, measures_in, per_unit
from supplytwin.processors.condition_facts_look import Look
from supplytwin.processors.condition_facts_members import claim_of
from supplytwin.processors.condition_facts_sight import Sight
from supplytwin.processors.condition_facts_words import EACH_UNIT
from supplytwin.processors.condition_view import Evidence, Fact, Scope, Statement, Told, due
from supplytwin.processors.quantities import Delivery
from supplytwin.processors.settlement_answers import Answers
from supplytwin.processors.settlement_asked import Known, asked, carbon_measure, desk, tranche_of
from supplytwin.processors.settlement_state import Book, Claim
from supplytwin.processors.twin import Twin
from supplytwin.schemas.condition import Carbon, walked
from supplytwin.schemas.contract import ContractTerms, Tranche
from supplytwin.schemas.decimal_text import plain


class ToVerify(Struct, frozen=True, kw_only=True, gc=False):
    """What a verifier needs of one consignment of a claim's goods; JSON-able."""

    consignment_id: str
    input_hash: str | None
    """Of its footprint as it stands, which a verification has to name; None = it has none."""
    co2e_wtw_kg: str | None
    """None = it is not whole, or by a plan: no verification of it counts."""


def to_verify(book: Book, claim: Claim, twin: Twin, at: int, known: Known) -> tuple[ToVerify, ...]:
    """The footprints that the terms of a claim look at; () = none."""
    if book.terms_of(claim).full is None:
        return ()
    on = desk(book, claim, twin, at, known, Answers(twin))
    look = Look(Sight(twin), asked(on, claim, tranche_of(on.full, claim).condition))
    if not measures_in(look):
        return ()
    return tuple(
        [
            _to_verify(home, known.footprints.get(home))
            for home in consignments(look, claim_of(look))
        ]
    )


def _to_verify(home: str, made: Footprinted | None) -> ToVerify:
    if made is None:
        return ToVerify(consignment_id=home, input_hash=None, co2e_wtw_kg=None)
    kg = made.co2e_wtw_kg
    return ToVerify(
        consignment_id=home,
        input_hash=made.input_hash,
        co2e_wtw_kg=None if kg is None else plain(kg),
    )


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


def footprint(
    tranche: Tranche, evidence: Evidence, goods: Sequence[Delivery], scope: Scope
) -> Footprint | None:
    """The one that an amount is adjusted by, verified in time: for each unit of the goods that are
    paid, if the terms say so. None = there is none.
    """
    carbon = tranche.adjustments.carbon
    if carbon is None:
        return None

    def fits(_: Fact, one: Statement) -> Told:
        return whether(one.kind == "CARBON" and one.value is not None)

    known = evidence.of_type(carbon_measure(tranche))
    for witness in supporting(known, fits, due(scope), scope):
        now = witness.present
        if not witness.counts or now is None or now.value is None:
            continue
        value, unit, measure = now.value, now.unit or "", now.type
        if carbon.unit == EACH_UNIT:
            if len({one.unit for one in goods}) != 1:
                return None
            value = per_unit(value, sum((one.qty for one in goods), Decimal(0)))
            measure, unit = carbon.measure, EACH_UNIT
        return Footprint(footprint_id=now.state or "", measure=measure, value=value, unit=unit)
    return None
