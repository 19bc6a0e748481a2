"""The vocabulary: which types of a condition the facts of a twin can answer, and by which events.

A condition may name whatever it likes. A milestone, document or measure that no event tells never
becomes TRUE; an `absent` of such a type would be TRUE for ever, so it is kept from that.
"""

from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from supplytwin.schemas.condition import (
    CARBON_ASSURANCE,
    Absent,
    Anchor,
    Asset,
    Carbon,
    Condition,
    Milestone,
    Quality,
    Telemetry,
    Time,
    walked,
)
from supplytwin.schemas.events import EVENT_TYPES, VALUES
from supplytwin.schemas.findings import Finding
from supplytwin.schemas.lifecycles import EFFECTS
from supplytwin.schemas.machines import DECLARATION

HOLD, SEIZED = "CUSTOMS_HOLD", "CUSTOMS_SEIZED"
"""A hold that is open; a hold that was placed, lifted or not, or a release that was revoked."""
FREE = "FREE_TO_DELIVER"
AT_BUYERS = "IN_BUYER_WAREHOUSE"
RELEASES = ("CUSTOMS_RELEASED", "CUSTOMS_CLEARED")
TITLE_KIND = "WAREHOUSE_RECEIPT"
VERIFIED_FOOTPRINT, VERIFIER = "VERIFIED_FOOTPRINT", "VERIFIER"
"""The document, and the role of who attaches it, that verify a footprint by its `input_hash`."""
WTW, INTENSITY = "CO2E_WTW", "INTENSITY"
EACH_UNIT = "kgCO2e/unit"
"""The unit of an INTENSITY of goods: an adjustment may name it where goods are paid by quantity."""
UNITS = {WTW: "kgCO2e", INTENSITY: "kgCO2e/tkm"}
"""Measure of a footprint -> its unit."""
REGIMES = tuple(sorted(VALUES["regime"]))
CODES = frozenset(
    one.milestone for effects in EFFECTS.values() for one in effects if one.milestone is not None
)
"""Every milestone of every lifecycle."""
_ALIASES = {
    "GATE_OUT": "GATED_OUT",
    "GATE_IN": "GATED_IN",
    "RECEIVED": "RECEIVED_WH",
    "IMPORT_DECLARED": "IMPORT_FILED",
    "EXPORT_DECLARED": "EXPORT_FILED",
}
_EVENTS = {name.replace(".", "_").upper(): name for name in EVENT_TYPES}
_OF_DECLARATIONS = frozenset(
    one.milestone
    for effects in EFFECTS.values()
    for one in effects
    if one.machine == DECLARATION and one.milestone is not None
)


class Word(Struct, frozen=True, kw_only=True, gc=False):
    """What stands behind a type of a milestone."""

    code: str
    regime: str | None = None
    """Only of declarations of that regime."""
    at_buyers: bool = False
    """Only at a facility of the buyer."""


@lru_cache(maxsize=1024)
def machines_of(code: str) -> frozenset[str]:
    """The subject types that can reach a milestone."""
    if code == FREE:
        return frozenset((DECLARATION,))
    return frozenset(
        one.machine for effects in EFFECTS.values() for one in effects if one.milestone == code
    )


@lru_cache(maxsize=1024)
def words_of(type_: str) -> tuple[Word, ...]:
    """The milestones that answer a type; () = none does."""
    name = _ALIASES.get(type_, type_)
    if name == AT_BUYERS:
        return Word(code="RECEIVED_WH"), Word(code="DELIVERED", at_buyers=True)
    if name in CODES or name == FREE:
        return (Word(code=name),)
    regime, _, rest = name.partition("_")
    code = rest if rest == FREE else f"CUSTOMS_{rest}"
    known = code in _OF_DECLARATIONS or code == FREE
    return (Word(code=code, regime=regime),) if regime in REGIMES and known else ()


@lru_cache(maxsize=1024)
def events_of(type_: str) -> frozenset[str]:
    """The event types that speak against an `absent` of a type; empty = none does, or not by its
    type alone.
    """
    if type_ in _EVENTS:
        return frozenset((_EVENTS[type_],))
    if type_ == SEIZED:
        return frozenset(("customs.hold_placed", "customs.release_revoked"))
    codes = {word.code for word in words_of(type_)}
    return frozenset(
        name for name, effects in EFFECTS.items() if any(one.milestone in codes for one in effects)
    )


def is_known(type_: str) -> bool:
    """Whether anything can speak against an `absent` of the type."""
    return type_ == HOLD or bool(events_of(type_))


def anchors_in(node: Condition) -> Iterator[tuple[str, str]]:
    """(anchor, FIRST or LAST) of each time that only the chain will tell: which of several times
    of it would let go the least.
    """
    for _, leaf in walked(node):
        match leaf:
            case Telemetry():
                ends = ((leaf.from_, "FIRST"), (leaf.to, "LAST"))
            case Absent(during=(first, last)):
                ends = ((first, "FIRST"), (last, "LAST"))
            case Time():
                ends = ((leaf.not_before, "LAST"), (leaf.not_after, "FIRST"))  # type: ignore[assignment]
            case _:
                continue
        for when, which in ends:
            if isinstance(when, Anchor):
                yield when.anchor, which


def unanswered(node: Condition) -> tuple[Finding, ...]:
    """What no event can ever answer, by its JSON path: a leaf that never becomes TRUE."""
    found = []
    for path, leaf in walked(node):
        says = _unanswered(leaf)
        if says:
            found.append(Finding(path=path, code="NEVER_TRUE", says=says))
    return tuple(found)


def _unanswered(leaf: Condition) -> str:
    match leaf:
        case Milestone() if not words_of(leaf.type):
            return f"{leaf.type}: no event tells such a milestone"
        case Absent() if not is_known(leaf.type):
            return f"{leaf.type}: no event could speak against it, so nobody would know"
        case Quality():
            return f"{leaf.test}: no event carries the value of a test; ask for QC_PASSED"
        case Asset() if leaf.kind != TITLE_KIND:
            return f"{leaf.kind}: the only titles that events tell of are {TITLE_KIND}s"
        case Carbon() if UNITS.get(leaf.measure) != leaf.unit:
            known = ", ".join(f"{name} in {unit}" for name, unit in UNITS.items())
            return f"{leaf.measure} in {leaf.unit}: footprints say {known}"
        case Carbon() if leaf.assurance != CARBON_ASSURANCE[1]:
            return f"{leaf.assurance}: only a {CARBON_ASSURANCE[1]} footprint decides a payment"
    return ""
