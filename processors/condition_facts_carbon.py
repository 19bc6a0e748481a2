"""Footprints of a claim's goods, as far as somebody has verified them.

A live footprint is nobody's word: it changes with every fact. It counts once a verifier has
attached its `input_hash` to an event about the consignment, as a document VERIFIED_FOOTPRINT. The
hash names the inputs, factors and method, so a footprint that has become another one is verified no
longer. Only what is not fixed yet asks for that: of a claim that is, it is enough that whoever has
verified a footprint of its goods still stands by that.
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal

from msgspec.structs import replace

from supplytwin.processors.condition_facts_asked import Footprinted
from supplytwin.processors.condition_facts_look import Look, silenced
from supplytwin.processors.condition_facts_milestones import Claim
from supplytwin.processors.condition_facts_papers import Papers
from supplytwin.processors.condition_facts_words import UNITS, VERIFIED_FOOTPRINT, VERIFIER, WTW
from supplytwin.processors.condition_view import Fact, Kind, Statement
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
    nothing while one of them has none that is whole. And that any was verified, whichever it was.
    """
    homes = consignments(look, claim)
    made = [look.asked.footprints.get(home) for home in homes]
    whole = [one for one in made if one is not None]
    value = _value(whole, measure) if homes and len(whole) == len(homes) else None
    told = [
        _verified(papers, home, one.input_hash)
        for home, one in zip(homes, made, strict=True)
        if one
    ]
    known = [one for one in told if one is not None]
    if value is not None and len(known) == len(homes):
        fields = {"state": " ".join(one.input_hash for one in whole), "unit": UNITS[measure]}
        stated = _stated(known, "CARBON", measure)
        yield _together(known, replace(stated, subject=_named(homes), value=value, **fields))
    once = {home: one for home in homes if (one := _verified(papers, home, ""))}
    if once:
        pairs = list(once.values())
        stated = _stated(pairs, "VERIFIED", measure)
        yield _together(pairs, replace(stated, subject=_named(once)))


_Known = tuple[Fact, Statement]
"""Who has verified it, and the statement that says so."""


def _named(homes: Iterable[str]) -> str:
    return " ".join(f"{CONSIGNMENT}:{home}" for home in homes)


def _last(known: list[_Known]) -> Fact:
    return max(known, key=lambda one: (one[1].arrival, one[0].identity))[0]


def _stated(known: list[_Known], kind: Kind, measure: str) -> Statement:
    return Statement(
        revision=_last(known).statements[0].revision,
        arrival=max(one.arrival for _, one in known),
        first=max(one.first for _, one in known),
        last=max(one.last for _, one in known),
        kind=kind,
        type=measure,
        assurance=CARBON_ASSURANCE[1],
    )


def _together(known: list[_Known], stated: Statement) -> Fact:
    """What several verifications say together: in doubt as soon as one of them is."""
    about = f"{stated.kind} {stated.type}"
    doubtful = [fact for fact, one in known if one is not fact.current]
    if not doubtful:
        return replace(_last(known), about=about, current=stated, others=())
    weak = doubtful[0]
    now = None if weak.current is None else silenced(weak.current)
    return replace(weak, about=about, current=now, others=(stated,))


def consignments(look: Look, claim: Claim) -> tuple[str, ...]:
    """That of the claim, else all that anything about its goods names, as it stands or may."""
    if look.asked.consignment_id is not None:
        return (look.asked.consignment_id,)
    found = {
        key.subject_id
        for own in claim.every
        for slot in look.slots(own)
        for version in slot.disputed or ((slot.effective,) if slot.effective is not None else ())
        for event in version.contents
        if not look.is_of_others(event)
        for key in reached_by(event)
        if key.subject_type == CONSIGNMENT
    }
    return tuple(sorted(found))


def _verified(papers: Papers, home: str, input_hash: str) -> _Known | None:
    """Who has verified a footprint, "" = whichever: by what counts, else by what may again."""
    subject = f"{VERIFIED_FOOTPRINT}:{input_hash}"
    key = SubjectKey(CONSIGNMENT, home)
    told = [
        (fact, said)
        for fact in papers.attached_to(key, VERIFIED_FOOTPRINT)
        for said in fact.statements
        if VERIFIER in fact.roles
        and (said.subject == subject or (not input_hash and said.type == VERIFIED_FOOTPRINT))
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
