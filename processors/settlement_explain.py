"""Why each claim waits: which leaf of its condition is what, on which evidence, and until when."""

from msgspec import Struct

from supplytwin.processors.conditions import assess
from supplytwin.processors.evidence import Part
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known
from supplytwin.processors.settlement_judged import judged, said_of
from supplytwin.processors.settlement_overlooked import with_overlooked
from supplytwin.processors.settlement_report import Explanation, explain
from supplytwin.processors.settlement_state import ABSORBING, Book
from supplytwin.processors.settlement_step import case_of
from supplytwin.processors.twin import Twin


class Fact(Struct, frozen=True, kw_only=True, gc=False):
    """A fact that a leaf looks at."""

    id: str
    """``source/event_id``"""
    stands: str
    """counts | contrary | withdrawn | conflicted"""


class LeafNow(Struct, frozen=True, kw_only=True, gc=False):
    """One leaf at one tick."""

    name: str
    value: str
    """TRUE | FALSE (it can no longer become true) | UNKNOWN (it is waited for)."""
    why: str
    """What makes it true, what would, or why nothing can any more."""
    evidence: tuple[Fact, ...]
    """What its part of the condition rests on, sorted."""
    happened_until: int | None
    """UNKNOWN: by when what would make it true must happen, us UTC."""
    arrived_until: int | None
    """UNKNOWN: by when that must be known here, us UTC."""


class ClaimNow(Struct, frozen=True, kw_only=True, gc=False):
    """One claim at one tick."""

    explained: Explanation
    leaves: tuple[LeafNow, ...]


def explained(
    book: Book, twin: Twin, at: int, known: Known = NOTHING_KNOWN
) -> tuple[ClaimNow, ...]:
    """Every claim in the order of the terms, as of tick time `at`, us UTC."""
    found = []
    for told in with_overlooked(book, twin, at, known, explain(book, twin, at, known)):
        full = book.terms_of(book.claims[told.settlement_id]).full is not None
        leaves = (
            _of_language(book, twin, told, at, known) if full else _leaves(book, twin, told, at)
        )
        found.append(ClaimNow(explained=told, leaves=leaves))
    return tuple(found)


def _of_language(
    book: Book, twin: Twin, told: Explanation, at: int, known: Known
) -> tuple[LeafNow, ...]:
    """The leaves of a condition of full terms, and the amount, each with what it rests on."""
    verdict = judged(book, book.claims[told.settlement_id], twin, at, known)
    said = dict(zip((leaf.name for leaf in verdict.leaves), verdict.explained, strict=False))
    return tuple(
        LeafNow(
            name=leaf.name,
            value=leaf.value,
            why=leaf.why if one is None else said_of(one),
            evidence=()
            if one is None
            else tuple([Fact(id=name, stands=how) for name, how in one.evidence]),
            happened_until=None,
            arrived_until=None if one is None or told.state in ABSORBING else one.until,
        )
        for leaf in verdict.leaves
        for one in (said.get(leaf.name),)
    )


def _leaves(book: Book, twin: Twin, told: Explanation, at: int) -> tuple[LeafNow, ...]:
    """The leaves as the fold explains them, each with the facts of its part of the condition."""
    case = case_of(book, book.claims[told.settlement_id], at)
    evidence = {
        leaf.name: _facts(part)
        for part in assess(case.terms, case.promise, twin, at).parts
        for leaf in part.leaves
    }
    waits = {leaf.name for leaf in told.leaves if leaf.value == "UNKNOWN"}
    if told.state in ABSORBING:
        waits = set()
    return tuple(
        LeafNow(
            name=leaf.name,
            value=leaf.value,
            why=leaf.why,
            evidence=evidence.get(leaf.name, ()),
            happened_until=case.promise.deadline if leaf.name in waits else None,
            arrived_until=case.close if leaf.name in waits else None,
        )
        for leaf in told.leaves
    )


def _facts(part: Part) -> tuple[Fact, ...]:
    return tuple(
        Fact(id="/".join(identity), stands=stands)
        for identity, (_, stands) in sorted(part.rests_on.items())
    )
