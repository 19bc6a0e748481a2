"""Footprints of a claim's goods, as far as somebody has verified them.

A live footprint is nobody's word: it changes with every fact. It counts once a verifier has
attached its `input_hash` to an event about the consignment, as a document VERIFIED_FOOTPRINT. The
hash names the inputs, factors and method, so a footprint that has become another one is verified no
longer.
"""

from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal

from msgspec.structs import replace

from supplytwin.processors.condition_facts_asked import Footprinted
from supplytwin.processors.condition_facts_look import Look, silenced
from supplytwin.processors.condition_facts_milestones import Claim
from supplytwin.processors.condition_facts_papers import Papers
from supplytwin.processors.condition_facts_words import UNITS, VERIFIED_FOOTPRINT, VERIFIER, WTW
from supplytwin.processors.condition_view import Fact, Statement
from supplytwin.processors.reach import reached_by
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.condition import CARBON_ASSURANCE, Carbon, walked
from supplytwin.schemas.machines import CONSIGNMENT

_UP = Context(prec=34, rounding=ROUND_UP)
_DOWN = Context(prec=34, rounding=ROUND_DOWN)


def measures_in(look: Look) -> set[str]:
    """The measures of footprints that the condition and the adjustments of a claim name."""
    leaves = (leaf.measure for _, leaf in walked(look.asked.condition) if isinstance(leaf, Carbon))
    return {*leaves, look.asked.adjusts_by} & UNITS.keys()


def footprints(look: Look, claim: Claim, papers: Papers, measure: str) -> Iterator[Fact]:
    """The footprint of all the claim's consignments together, by the verification that came last;
    nothing while one of them has none that is whole.
    """
    homes = _consignments(look, claim)
    made = [look.asked.footprints.get(home) for home in homes]
    verified = [_verified(papers, home, one) for home, one in zip(homes, made, strict=True) if one]
    known = [one for one in verified if one is not None]
    if not homes or len(known) < len(homes):
        return
    value = _value([one for one in made if one is not None], measure)
    if value is None:
        return
    last, _ = max(known, key=lambda one: (one[1].arrival, one[0].identity))
    stated = Statement(
        revision=last.statements[0].revision,
        arrival=max(one.arrival for _, one in known),
        first=max(one.first for _, one in known),
        last=max(one.last for _, one in known),
        kind="CARBON",
        type=measure,
        subject=" ".join(f"{CONSIGNMENT}:{home}" for home in homes),
        state=" ".join(one.input_hash for one in made if one is not None),
        value=value,
        unit=UNITS[measure],
        assurance=CARBON_ASSURANCE[1],
    )
    about = f"CARBON {measure}"
    doubtful = [fact for fact, one in known if one is not fact.current]
    if not doubtful:
        yield replace(last, about=about, current=stated, others=())
        return
    weak = doubtful[0]
    now = None if weak.current is None else silenced(weak.current)
    yield replace(weak, about=about, current=now, others=(stated,))


def _consignments(look: Look, claim: Claim) -> tuple[str, ...]:
    """That of the claim, else all that anything about its goods names."""
    if look.asked.consignment_id is not None:
        return (look.asked.consignment_id,)
    found = {
        key.subject_id
        for own in claim.every
        for slot in look.slots(own)
        for version in slot.versions
        for event in version.contents
        for key in reached_by(event)
        if key.subject_type == CONSIGNMENT
    }
    return tuple(sorted(found))


def _verified(papers: Papers, home: str, one: Footprinted) -> tuple[Fact, Statement] | None:
    """Who has verified a footprint: by what counts, else by what may count again."""
    subject = f"{VERIFIED_FOOTPRINT}:{one.input_hash}"
    key = SubjectKey(CONSIGNMENT, home)
    told = [
        (fact, said)
        for fact in papers.attached_to(key, VERIFIED_FOOTPRINT)
        for said in fact.statements
        if VERIFIER in fact.roles and said.subject == subject
    ]
    sure = [pair for pair in told if pair[1] is pair[0].current]
    return min(sure or told, key=lambda pair: (pair[1].arrival, pair[0].identity), default=None)


def _value(made: list[Footprinted], measure: str) -> Decimal | None:
    """In the unit of the measure, to 34 digits, rounded up: what is too much must not look
    allowed; None = not known whole, or by a plan.
    """
    total = activity = Decimal(0)
    for one in made:
        if one.co2e_wtw_kg is None or one.activity_tkm is None:
            return None
        total = _UP.add(total, one.co2e_wtw_kg)
        activity = _DOWN.add(activity, one.activity_tkm)
    if measure == WTW:
        return total
    return per_unit(total, activity) if activity else None


def per_unit(total: Decimal, quantity: Decimal) -> Decimal:
    """To 34 digits, rounded up."""
    return _UP.divide(total, quantity)
