"""New code may fold old facts otherwise: a chain is said again, and no money moves by that alone.

A restatement is one CONTROL entry of the chain. For every claim from APPROVED on whose condition
the new fold does not find TRUE it raises a review and marks the evidence that it has seen: over
that same evidence no row of the table approves, recalls or claims back; new evidence counts.
The entry records both that evidence and the versions of the footprints that are said anew, which
link to the old ones: who reads it applies it, and evaluates no condition.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import carbon, carbon_packs
from supplytwin.processors.carbon_packs import Rules, rules_of
from supplytwin.processors.conditions import Verdict
from supplytwin.processors.settlement_asked import Known
from supplytwin.processors.settlement_state import LIVE, Alarm, Book, Claim
from supplytwin.processors.settlement_verdict import evaluated
from supplytwin.processors.twin import Twin
from supplytwin.schemas.records import Control

if TYPE_CHECKING:
    from supplytwin.processors.chain import ChainState

STANDS = frozenset(("APPROVED", *LIVE, "CANCEL_PENDING", "SETTLED"))
"""States in which money is committed, under way or paid."""
CODE = "RESTATEMENT_REVIEW"


def disagreements(
    book: Book, twin: Twin, tick: int, known: Known
) -> Iterator[tuple[Claim, Verdict]]:
    """Claims whose money rests on a condition that is not TRUE over these facts, by what is known
    of their signatures.
    """
    if book.terms is None:
        return
    for settlement in book.order:
        claim = book.claims[settlement]
        if claim.state in STANDS and claim.basis != "AWARD":
            verdict = evaluated(book, claim, twin, tick, known)
            if verdict.value != "TRUE":
                yield claim, verdict


def marks(book: Book, twin: Twin, tick: int, known: Known) -> dict[str, str]:
    """Settlement id -> hash of the evidence over which nothing follows."""
    found = disagreements(book, twin, tick, known)
    return {claim.settlement_id: verdict.evidence_hash for claim, verdict in found}


def _marked(book: Book, marked: Mapping[str, str]) -> Book:
    claims = book.claims
    for name, evidence_hash in marked.items():
        claims = claims.set(name, replace(claims[name], restated=evidence_hash))
    return book if claims is book.claims else replace(book, claims=claims)


def body(
    old: str | None, new: str, footprints: Mapping[str, int], marked: Mapping[str, str]
) -> bytes:
    """What the entry says: both folds, the versions that `carbon.renumbered` gives, and `marks`."""
    told = {"restated": {"from": old, "to": new}, "footprints": footprints, "marks": marked}
    return msgspec.json.encode(told)


def packs_body(rules: Rules | None, footprints: Mapping[str, int]) -> bytes:
    """What an entry says when only packs of factors have changed: no claim is looked at. `rules`
    stand on the control chain's.
    """
    told = {} if rules is None else carbon_packs.body(rules)
    return msgspec.json.encode({**told, "footprints": footprints})


class _Body(Struct, frozen=True, kw_only=True):
    """What is read back of both."""

    restated: dict[str, str | None] | None = None
    footprints: dict[str, int] = {}
    marks: dict[str, str] = {}


def is_of_fold(said: Control) -> bool:
    """Whether another fold said it, so that money has to be looked at."""
    return _read(said).restated is not None


def changes(state: "ChainState", said: Control, rules: Rules, offset: int) -> dict[str, Any]:
    """What a restatement changes in a state; the same when it is taken and when it is restored.
    `offset` = where its entry stands.
    """
    body = _read(said)
    prints = carbon.numbered(state.footprints, state.twin, rules, body.footprints)
    made: dict[str, Any] = {"footprints": prints, "book": _marked(state.book, body.marks)}
    told = rules_of(said)
    if told is not None:
        made["packs"] = (*state.packs, (offset, told))
    return made


def _read(said: Control) -> _Body:
    return msgspec.json.decode(said.body or b"{}", type=_Body)


def alarms(book: Book, twin: Twin, tick: int, known: Known, version: str) -> list[Alarm]:
    """One review for each claim that fold `version` would not have paid."""
    return [
        Alarm(
            code=CODE,
            settlement_id=claim.settlement_id,
            reason=f"{claim.state} under an older fold; fold {version} finds {verdict.value}: "
            + "; ".join(leaf.why for leaf in verdict.leaves if leaf.value != "TRUE"),
        )
        for claim, verdict in disagreements(book, twin, tick, known)
    ]
