"""New code may fold old facts otherwise: a chain is said again, and no money moves by that alone.

A restatement is one CONTROL entry of the chain. For every claim from APPROVED on whose condition
the new fold does not find TRUE it raises a review and marks the evidence that it has seen: over
that same evidence no row of the table approves, recalls or claims back; new evidence counts.
The entry also records the versions of the footprints that are said anew: they link to the old ones.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import carbon, carbon_packs
from supplytwin.processors.carbon_packs import Rules, rules_of
from supplytwin.processors.conditions import Verdict
from supplytwin.processors.settlement_state import LIVE, Alarm, Book, Claim
from supplytwin.processors.settlement_verdict import evaluated
from supplytwin.processors.twin import Twin
from supplytwin.schemas.records import Control

if TYPE_CHECKING:
    from supplytwin.processors.chain import ChainState

STANDS = frozenset(("APPROVED", *LIVE, "CANCEL_PENDING", "SETTLED"))
"""States in which money is committed, under way or paid."""
CODE = "RESTATEMENT_REVIEW"


def disagreements(book: Book, twin: Twin, tick: int) -> Iterator[tuple[Claim, Verdict]]:
    """Claims whose money rests on a condition that is not TRUE over these facts."""
    if book.terms is None:
        return
    for settlement in book.order:
        claim = book.claims[settlement]
        if claim.state in STANDS and claim.basis != "AWARD":
            verdict = evaluated(book, claim, twin, tick)
            if verdict.value != "TRUE":
                yield claim, verdict


def restated(book: Book, twin: Twin, tick: int) -> Book:
    """The book with the evidence marked over which nothing follows."""
    claims = book.claims
    for claim, verdict in disagreements(book, twin, tick):
        marked = replace(claim, restated=verdict.evidence_hash)
        claims = claims.set(claim.settlement_id, marked)
    return book if claims is book.claims else replace(book, claims=claims)


def body(old: str | None, new: str, footprints: Mapping[str, int]) -> bytes:
    """What the entry says: both folds, and the versions that `carbon.renumbered` gives."""
    return msgspec.json.encode({"restated": {"from": old, "to": new}, "footprints": footprints})


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


def is_of_fold(said: Control) -> bool:
    """Whether another fold said it, so that money has to be looked at."""
    return _read(said).restated is not None


def changes(
    state: "ChainState", said: Control, now: int, rules: Rules, offset: int
) -> dict[str, Any]:
    """What a restatement changes in a state; the same when it is taken and when it is restored.
    `offset` = where its entry stands.
    """
    body = _read(said)
    prints = carbon.numbered(state.footprints, state.twin, rules, body.footprints)
    made: dict[str, Any] = {"footprints": prints}
    if body.restated is not None:
        made["book"] = restated(state.book, state.twin, now)
    told = rules_of(said)
    if told is not None:
        made["packs"] = (*state.packs, (offset, told))
    return made


def _read(said: Control) -> _Body:
    return msgspec.json.decode(said.body or b"{}", type=_Body)


def alarms(book: Book, twin: Twin, tick: int, version: str) -> list[Alarm]:
    """One review for each claim that fold `version` would not have paid."""
    return [
        Alarm(
            code=CODE,
            settlement_id=claim.settlement_id,
            reason=f"{claim.state} under an older fold; fold {version} finds {verdict.value}: "
            + "; ".join(leaf.why for leaf in verdict.leaves if leaf.value != "TRUE"),
        )
        for claim, verdict in disagreements(book, twin, tick)
    ]
