"""Why each claim waits: which leaf of its condition is what, on which evidence, and until when."""

from msgspec import Struct

from supplytwin.processors.conditions import assess
from supplytwin.processors.settlement_report import Explanation, explain
from supplytwin.processors.settlement_state import ABSORBING, Book
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


def explained(book: Book, twin: Twin, at: int) -> tuple[ClaimNow, ...]:
    """Every claim in the order of the terms, as of tick time `at`, us UTC."""
    return tuple(
        ClaimNow(explained=told, leaves=_leaves(book, twin, told, at))
        for told in explain(book, twin, at)
    )


def _leaves(book: Book, twin: Twin, told: Explanation, at: int) -> tuple[LeafNow, ...]:
    assert book.terms is not None
    promise = book.promises[told.settlement_id]
    found = []
    for part in assess(book.terms, promise, twin, at).parts:
        evidence = tuple(
            Fact(id="/".join(identity), stands=stands)
            for identity, (_, stands) in sorted(part.rests_on.items())
        )
        for leaf in part.leaves:
            waits = leaf.value == "UNKNOWN" and told.state not in ABSORBING
            found.append(
                LeafNow(
                    name=leaf.name,
                    value=leaf.value,
                    why=leaf.why,
                    evidence=evidence,
                    happened_until=promise.deadline if waits else None,
                    arrived_until=book.terms.close(promise) if waits else None,
                )
            )
    return tuple(found)
