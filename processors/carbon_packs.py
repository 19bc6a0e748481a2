"""Which packs of factors are in force: rules that the journal has, each from a date on.

The last rule that holds at the end of a consignment's transport counts; what is only planned has
the last one of all. Without a rule it is `DEFAULT`. A rule holds a loaded pack whole, so that it
stays in the journal, and a built-in one by its name, under which its factors never change.
"""

from functools import cache, lru_cache

import msgspec
from msgspec import Struct

from supplytwin.processors.carbon_factors import Shelf
from supplytwin.schemas import codec, factors
from supplytwin.schemas.factor_form import Pack
from supplytwin.schemas.records import CONTROL, Control, JournalEntry

DEFAULT = ("desnz-2025", "epa-hub-2025", "grids-2023")
"""Defaults of transport come from the first one; the others have energy carriers and grids."""


class Rule(Struct, frozen=True, kw_only=True, gc=False):
    """Packs that are in force for transport that ends on `since` (ISO date) or later."""

    since: str
    packs: tuple[str, ...]
    """Each as its name where it is built in, else as its JSON."""


Rules = tuple[Rule, ...]
"""Oldest first."""


class _Body(Struct, frozen=True, kw_only=True):
    carbon: Rules | None = None


def body(rules: Rules) -> dict[str, Rules]:
    """What a control entry says of them."""
    return {"carbon": rules}


def rules_of(control: Control) -> Rules | None:
    """The rules that a control entry says; None = it says none."""
    return msgspec.json.decode(control.body or b"{}", type=_Body).carbon


def rules_in(entry: JournalEntry) -> Rules | None:
    """The rules that an entry of a control chain says; None = it says none."""
    if entry.kind != "CONTROL" or entry.source_topic is not None or entry.chain_id[:1] != "@":
        return None
    said = codec.decode(CONTROL, entry.body).message
    return rules_of(said) if isinstance(said, Control) else None


def in_force(rules: Rules, day: str | None) -> Shelf:
    """The packs for transport that ends on a day (ISO date); None = it has not happened yet."""
    for rule in reversed(rules):
        if day is None or day >= rule.since:
            return shelf(rule.packs)
    return shelf(DEFAULT)


@lru_cache(maxsize=256)
def shelf(packs: tuple[str, ...]) -> Shelf:
    """Packs by name or JSON, ready to be looked into. Raises FatalError for what is none."""
    return Shelf([_pack(one) for one in packs], ())


@cache
def _pack(text: str) -> Pack:
    if text in factors.BUILT_IN:
        return factors.load(factors.BUILT_IN[text])
    return factors.parse(text.encode(), "of the journal")


NEWEST = 2**62
"""Behind every journal entry."""
Told = tuple[tuple[int, Rules], ...]
"""The rules that a control chain was told, each with the offset of its journal entry."""


def newest(told: Told) -> Rules:
    """Those that were told last."""
    return told[-1][1] if told else ()


class InForce:
    """The rules that the journal has told, by partition number, and from which entry on: a fact is
    computed by those that stood before it, however late a chain is read again.
    """

    def __init__(self) -> None:
        self._told: dict[int, Told] = {}
        self._elsewhere: Told = ()

    def learn(self, partition: int, offset: int, rules: Rules | None) -> None:
        """The control entry at an offset says these; None = nothing."""
        known = self._told.get(partition, ())
        if rules is not None and all(at != offset for at, _ in known):
            self._told[partition] = tuple(sorted((*known, (offset, rules)), key=lambda one: one[0]))

    def learn_everywhere(self, taken_at: int, rules: Rules | None) -> None:
        """The same for those who read chains without the places of their entries: from a tick time
        on.
        """
        if rules is not None:
            self._elsewhere = tuple(
                sorted((*self._elsewhere, (taken_at, rules)), key=lambda one: one[0])
            )

    def at(self, partition: int, offset: int = NEWEST, taken_at: int = NEWEST) -> Rules:
        """Those in force for the entry at an offset, taken at a tick time."""
        told = self._told.get(partition)
        if told is not None:
            return next((rules for at, rules in reversed(told) if at < offset), ())
        return next((rules for at, rules in reversed(self._elsewhere) if at <= taken_at), ())
