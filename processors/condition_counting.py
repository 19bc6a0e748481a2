"""Which facts count for a leaf, which may, and what follows when its time is over.

A fact counts when its winning revision qualifies and some qualifying revision of its identity
arrived by the close. It may count when one did and now is retracted, superseded, in conflict or
void, or is still ahead of the tick, or when it is not known closely enough whether it qualifies.
What speaks against a leaf counts as soon as it may stand; what speaks for it only when it does.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from msgspec import Struct

from supplytwin.processors.condition_view import (
    Due,
    Fact,
    Scope,
    Statement,
    Told,
    shown_time,
)

Value = Literal["TRUE", "FALSE", "UNKNOWN"]
Cause = Literal[
    "OPEN", "WINDOW", "AHEAD", "UNSURE", "REVIVABLE", "CONTRADICTED", "CONFLICTED"
]  # fmt: skip
"""Why a leaf is UNKNOWN: more may come by its close; its window is open; a fact is ahead of the
tick; it is not known closely enough; a proof was withdrawn; another fact speaks against it; one
identity contradicts itself. The last that holds is named."""
_BY_WEIGHT: tuple[Cause, ...] = (
    "OPEN", "WINDOW", "AHEAD", "UNSURE", "REVIVABLE", "CONTRADICTED", "CONFLICTED",
)  # fmt: skip
How = Literal["counts", "ahead", "unsure", "withdrawn", "conflicted", "contrary", "in doubt"]
_CAUSES: dict[How, Cause] = {
    "ahead": "AHEAD",
    "unsure": "UNSURE",
    "withdrawn": "REVIVABLE",
    "conflicted": "CONFLICTED",
    "contrary": "CONTRADICTED",
    "in doubt": "CONTRADICTED",
}
Fits = Callable[[Fact, Statement], Told]
"""Whether what a fact says is what a leaf asks for, whenever it happened."""


class Witness(Struct, frozen=True, kw_only=True, gc=False):
    """A fact that bears on a leaf, how, and by which of its statements."""

    fact: Fact
    how: How
    present: Statement | None = None
    """What it says for the leaf, if it counts or is ahead."""
    may: tuple[Statement, ...] = ()
    """What else it may come to say for the leaf; or what it may say against it."""

    @property
    def counts(self) -> bool:
        """Whether it counts for the leaf."""
        return self.how == "counts"

    @property
    def ever(self) -> tuple[Statement, ...]:
        """All that it says for the leaf or may come to say."""
        return self.may if self.present is None else (self.present, *self.may)


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """A leaf at a tick."""

    value: Value
    cause: Cause | None
    """Of UNKNOWN."""
    why: str
    needs: str | None
    """What would make it TRUE; None = it is, or nothing can any more."""
    until: int | None
    """By when that has to have arrived, us UTC; None = there is no end, or nothing to wait for."""
    witnesses: tuple[Witness, ...] = ()
    others: tuple[tuple[str, bytes], ...] = ()
    """Evidence that is no fact: its name, and what it says."""


def least(*told: Told) -> Told:
    """All of them together."""
    if "NO" in told:
        return "NO"
    return "PERHAPS" if "PERHAPS" in told else "YES"


def whether(true: bool) -> Told:
    """What is known for sure."""
    return "YES" if true else "NO"


def supporting(facts: Iterable[Fact], fits: Fits, due: Due, scope: Scope) -> Iterator[Witness]:
    """Each fact that counts for a leaf, or may: when it was told in time, it may come back by all
    that it ever said for the leaf, as it counts by a revision that was late. What nobody has a role
    to tell counts for nothing.
    """
    for fact in facts:
        if not fact.roles:
            continue
        told = [(one, _qualifies(fact, one, fits, due)) for one in fact.statements]
        in_time = {how for one, how in told if one.arrival <= due.close}
        is_sure = any(
            how == "YES" and one.arrival <= due.close and not one.void for one, how in told
        )
        if in_time <= {"NO"}:
            continue
        now = fact.current if told[0][1] == "YES" and is_sure else None
        may = tuple([one for one, how in told if how != "NO" and one != now])
        yield Witness(fact=fact, how=_how(fact, now, scope, is_sure=is_sure), present=now, may=may)


def _how(fact: Fact, now: Statement | None, scope: Scope, *, is_sure: bool) -> How:
    if now is not None:
        begun = now.first if now.begins is None else now.begins
        return "ahead" if begun > scope.tick else "counts"
    if fact.standing == "CONFLICTED":
        return "conflicted"
    is_void = any(one.void for one in fact.statements)
    return "unsure" if fact.standing == "LIVE" and not is_sure and not is_void else "withdrawn"


def _qualifies(fact: Fact, statement: Statement, fits: Fits, due: Due) -> Told:
    met: list[Told] = [limit.met(statement) for limit in due.limits]
    return least(fits(fact, statement), *met)


def against(facts: Iterable[Fact], speaks: Fits) -> Iterator[Witness]:
    """Each fact that speaks against a leaf whenever it happened and arrived, or may do so."""
    for fact in facts:
        if fact.current is not None:
            if speaks(fact, fact.current) != "NO":
                yield Witness(fact=fact, how="contrary", may=(fact.current,))
        elif fact.standing in ("CONFLICTED", "VOID"):
            found = tuple([one for one in fact.others if speaks(fact, one) != "NO"])
            if found:
                yield Witness(fact=fact, how="in doubt", may=found)


def attested(pairs: Iterable[tuple[str, str]]) -> int:
    """How many organisations there are at most, each in another role, of (organisation, role)."""
    roles: dict[str, set[str]] = {}
    for organisation, role in pairs:
        roles.setdefault(organisation, set()).add(role)
    taken: dict[str, str] = {}

    def place(organisation: str, seen: set[str]) -> bool:
        for role in sorted(roles[organisation] - seen):
            seen.add(role)
            if role not in taken or place(taken[role], seen):
                taken[role] = organisation
                return True
        return False

    return sum(place(one, set()) for one in sorted(roles))


def heaviest(witnesses: Iterable[Witness], otherwise: Cause) -> Cause:
    """The cause that is named, of those that the witnesses give."""
    causes = [_CAUSES[one.how] for one in witnesses if one.how in _CAUSES]
    return max([otherwise, *causes], key=_BY_WEIGHT.index)


def settled(
    scope: Scope,
    close: int,
    *,
    true: bool,
    possible: bool,
    witnesses: tuple[Witness, ...],
    why: str,
    needs: str,
    otherwise: Cause = "REVIVABLE",
    others: tuple[tuple[str, bytes], ...] = (),
) -> Outcome:
    """The rule of a leaf: TRUE when it is; UNKNOWN up to its close; after it FALSE, unless what was
    in time may still make it TRUE (`possible`), of which `otherwise` is the cause when no witness
    has another.
    """
    value: Value = "TRUE" if true else "UNKNOWN"
    cause: Cause | None = None
    asks: str | None = None if true else needs
    until: int | None = None
    if not true:
        is_closed = scope.passed(close)
        cause = heaviest(witnesses, "OPEN")
        if is_closed and cause == "OPEN":
            cause = otherwise
        until = None if is_closed else close
        if is_closed and not possible:
            value, cause, asks = "FALSE", None, None
            why = f"{why}; closed at {shown_time(close, scope)}"
        elif is_closed:
            asks = f"what was in time to stand again: {needs}"
    return Outcome(
        value=value,
        cause=cause,
        why=why,
        needs=asks,
        until=until,
        witnesses=witnesses,
        others=others,
    )
