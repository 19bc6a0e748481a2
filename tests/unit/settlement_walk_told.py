"""Verdicts that are made up, put in where the fold asks for its condition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from settlement_machine_words import Verdict as Found

from supplytwin.processors import settlement_memory, settlement_verdict
from supplytwin.processors.conditions import Assessment
from supplytwin.processors.evidence import Verdict
from supplytwin.processors.facts import Identity
from supplytwin.schemas.terms import ClaimTerms

CHAIN = "PO-1"


class Sealed(Verdict, frozen=True, kw_only=True, gc=False):
    """A verdict whose evidence is only a name."""

    seal: str

    @property
    def evidence_hash(self) -> str:
        """What a review that releases the claim must name."""
        return self.seal


class _Other:
    """A part of a verdict that is never the same again."""

    def holds(self, tick: int, stirred: object) -> bool:
        """Never."""
        return False


class Told:
    """By claim, what a cut is to find."""

    def __init__(self) -> None:
        self.of: dict[str, Found] = {}

    def verdict(self, promise: ClaimTerms) -> Sealed:
        """The same in the words of the fold: wholly true, or but for what a challenge may bring."""
        found = self.of.get(promise.claim_id, Found())
        open_ = found.value == "TRUE" and not found.whole
        return Sealed(
            value="UNKNOWN" if open_ else found.value,
            matches="TRUE" if open_ else None,
            waits=not found.revivable,
            due_minor=found.due_minor,
            unadjusted_minor=found.known_minor,
            rests_on=(),
            against=(),
            wakes_at=None,
            leaves=(),
            adverse=tuple(Identity("x", one) for one in found.adverse_ids),
            adverse_ids=tuple(f"x/{one}~0" for one in found.adverse_ids),
            seal=found.evidence_hash,
        )

    def evaluate(self, terms: object, promise: ClaimTerms, twin: object, at: int) -> Sealed:
        """In the place of `conditions.evaluate`."""
        return self.verdict(promise)

    def assess(
        self, terms: object, promise: ClaimTerms, twin: object, at: int, known: object = None
    ) -> Assessment:
        """In the place of `conditions.assess`."""
        part: Any = _Other()
        return Assessment(
            verdict=self.verdict(promise), promise=promise, parts=(part,), until=at + 1,
            concerns=frozenset(),
        )  # fmt: skip


@contextmanager
def telling() -> Iterator[Told]:
    """While this lasts the fold finds what it is told."""
    told = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settlement_verdict, "evaluate", told.evaluate)
        patch.setattr(settlement_memory, "assess", told.assess)
        yield told
