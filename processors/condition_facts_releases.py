"""Releases that say of how much they are: whether together they cover what a claim is of.

Of one organisation the releases of one regime add up that stand; what several sources of it tell of
one declaration is told of the same goods. They state no unit: it is taken for that of the lines. A
claim is of what was ordered of its lines, where it has them to itself, or of its lots, as far as
the terms state them; else of what its condition asks to be there, or what was shipped or received
of it, whichever is most; where nobody knows that of one of its lines, of all that was declared, of
goods by mass. A declaration that may be of other goods, too, has to be released for all of them:
nobody knows whose were released first. What is released of one line is not of another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from msgspec import Struct

from supplytwin.processors.condition_facts_customs import (
    Declarations,
    Declared,
    is_about,
    is_of,
)
from supplytwin.processors.condition_facts_goods import Goods, in_unit
from supplytwin.processors.condition_facts_look import Look
from supplytwin.processors.condition_facts_then import stated, then
from supplytwin.processors.condition_leaves import quantity
from supplytwin.processors.condition_view import Evidence, Ordered
from supplytwin.processors.facts import Identity
from supplytwin.processors.standing import EXACT
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.condition import All, Condition, Quantity
from supplytwin.schemas.events import CustomsDeclared, CustomsReleased, Event
from supplytwin.schemas.machines import CONSIGNMENT, LINE, LOT
from supplytwin.schemas.units import code_of

ZERO = Decimal(0)
_BP_DIGITS = -4


class _Told(Struct, frozen=True, kw_only=True, gc=False):
    """What an organisation has released by one declaration."""

    by: Declared
    qty: Decimal
    lines: frozenset[str]
    """That the declaration names."""
    others: frozenset[str]
    """Lines that are not the claim's and that it may be of."""
    shared: bool
    """It may be of other goods than the claim's."""


class Releases:
    """Those of one claim; `roots` = what it is of. Lives for one call."""

    def __init__(
        self, look: Look, declarations: Declarations, roots: tuple[SubjectKey, ...]
    ) -> None:
        self._look, self._roots = look, roots
        self._lines = look.asked.scope.lines
        self._parts: dict[str, Decimal | None] | None = None
        self._known = {one.key: one for one in declarations.every}
        self._told_of: dict[tuple[SubjectKey, str], _Told] = {}
        self._covered: dict[tuple[str | None, str, str], bool] = {}

    def covers(self, key: SubjectKey, organisation: str, code: str) -> bool:
        """Whether what an organisation has released by a declaration, and the others of its regime,
        is all of the claim; `code` = the milestone that has to stand. What was when the claim was
        approved is so until less is released than stood then.
        """
        which = self._known[key].regime, organisation, code
        if which not in self._covered:
            self._covered[which] = self._covers(*which)
        return self._covered[which]

    def _covers(self, regime: str | None, organisation: str, code: str) -> bool:
        alike = [one for one in self._known.values() if one.regime == regime or not one.linked]
        if self._is_as_then(regime, organisation, code):
            return True
        stands = [one for one in alike if one.linked and one.releases and code in one.sources]
        told = [one for one in (self._told(each, organisation) for each in stands) if one.qty]
        return self._is_part(told, alike) or self._is_whole(told)

    # -- what was released

    def _told(self, one: Declared, organisation: str) -> _Told:
        which = one.key, organisation
        if which not in self._told_of:
            self._told_of[which] = self._found(one, organisation)
        return self._told_of[which]

    def _found(self, one: Declared, organisation: str) -> _Told:
        sums: dict[str, Decimal] = {}
        for slot in one.releases:
            now = slot.effective
            assert now is not None
            if self._look.voice(now.event, now.hashes[0]).organisation == organisation:
                known = sums.get(slot.identity.source, ZERO)
                sums[slot.identity.source] = EXACT.add(known, _stated(now.event))
        named, may_name = self._named(one.key, heard=True), self._named(one.key, heard=False)
        lines = _ids(named, LINE)
        others = _ids(may_name, LINE) if lines else self._lines_of_home
        others -= {each.line for each in self._lines}
        lots = self._look.asked.lots
        is_of_lots = bool(_ids(named, LOT)) and _ids(may_name, LOT) <= set(lots)
        return _Told(
            by=one,
            qty=max(sums.values(), default=ZERO),
            lines=lines,
            others=others,
            shared=bool(others) or self._names_rival(may_name) or (bool(lots) and not is_of_lots),
        )

    @cached_property
    def _then(self) -> "Releases | None":
        """As it was when the claim was approved; None = it is not."""
        if self._look.asked.fixing is None:
            return None
        look = then(self._look)
        return Releases(look, Declarations(look, self._roots), self._roots)

    def _is_as_then(self, regime: str | None, organisation: str, code: str) -> bool:
        """Whether it was all of the claim then, and of nothing less is released now."""
        before = self._then
        if before is None:
            return False
        was_all = before._covers(regime, organisation, code)
        self._look.concerns |= before._look.concerns
        of_regime = [one for one in before._known.values() if one.regime == regime]
        return was_all and not any(self._is_less(one, code) for one in of_regime)

    def _is_less(self, then: Declared, code: str) -> bool:
        """Whether less of a declaration is released than was then."""
        one = self._known.get(then.key)
        now = {} if one is None or one.regime != then.regime else _released(one, code)
        return any(qty > now.get(name, ZERO) for name, qty in _released(then, code).items())

    def _said_of(self, key: SubjectKey, *, heard: bool) -> Iterator[Event]:
        """What is told of a declaration: by customs, as it counts now; or by anybody, as it may."""
        look = self._look
        for slot in look.slots(key):
            now = slot.effective
            if heard and not look.is_heard(slot, look.asked.customs_roles):
                continue
            for version in (() if heard else slot.disputed) or (() if now is None else (now,)):
                for event in version.contents:
                    if event.classifier == "ACTUAL" and is_of(event, key) and is_about(event, key):
                        yield event

    def _named(self, key: SubjectKey, *, heard: bool) -> frozenset[SubjectKey]:
        events = self._said_of(key, heard=heard)
        return frozenset(one for event in events for one in self._look.reached_by(event))

    @cached_property
    def _lines_of_home(self) -> frozenset[str]:
        """The lines that whoever is listed names together with the claim's consignment."""
        home = self._look.asked.consignment_id
        slots = [] if home is None else self._look.slots(SubjectKey(CONSIGNMENT, home))
        return frozenset[str]().union(
            *(
                _ids(self._look.reached_by(slot.effective.event), LINE)
                for slot in slots
                if slot.effective is not None and self._look.is_heard(slot)
            )
        )

    def _names_rival(self, named: frozenset[SubjectKey]) -> bool:
        rivals = (one for each in self._look.asked.lines for one in each.rivals)
        return not _ids(named, CONSIGNMENT).isdisjoint(rivals)

    # -- of how much the claim is

    def _is_whole(self, told: Sequence[_Told]) -> bool:
        """Whether it is all that was ordered of the lines that it may be of."""
        known = {one.line: one for one in (*self._look.asked.ordered, *self._lines)}
        names = {one.line for one in self._lines}.union(*(one.others for one in told))
        if not names <= known.keys():
            return False
        return _is_enough(told, {name: known[name].qty for name in names}, known.values())

    def _is_part(self, told: Sequence[_Told], alike: Sequence[Declared]) -> bool:
        """Whether it is all that the claim is of, of each of its lines; where that is not known of
        all of them, all that was declared, of goods by mass.
        """
        own = [one for one in told if not one.shared]
        if self._parts is None:
            self._parts = {one.line: self._part(one) for one in self._lines}
        needed = {line: qty for line, qty in self._parts.items() if qty}
        if None not in self._parts.values():
            return _is_enough(own, needed, self._lines)
        is_by_mass = self._is_by_mass(own, alike)
        return is_by_mass and (not needed or _is_enough(own, needed, self._lines))

    def _part(self, line: Ordered) -> Decimal | None:
        """How much of a line the claim is of; None = nobody knows."""
        there = max(self._there(line, "SHIPPED"), self._there(line, "RECEIVED"))
        own = self._own(line)
        if own:
            least = EXACT.scaleb(EXACT.multiply(own, 10_000 - line.short_bp), _BP_DIGITS)
            return max(least, min(there, own)) if there else own
        asks = [self._asks(line, one) for one in _required(self._look.asked.condition)]
        return max([there, *asks]) or own

    def _own(self, line: Ordered) -> Decimal | None:
        """What the terms say of how much of a line is the claim's."""
        asked = self._look.asked
        if asked.lots:
            stated = {lot for each in self._lines for lot, _ in each.lots}
            own = _sum(qty for lot, qty in line.lots if lot in asked.lots)
            return own if stated.issuperset(asked.lots) else None
        has_rivals = any(one.rivals for one in asked.lines if one.line == line.line)
        return None if has_rivals and asked.consignment_id is not None else line.qty

    def _asks(self, line: Ordered, leaf: Quantity) -> Decimal:
        if leaf.line != line.line:
            return ZERO
        if leaf.value is not None:
            return leaf.value
        share = EXACT.multiply(line.qty, leaf.pct_of_ordered_bp or 0)
        return EXACT.scaleb(share, _BP_DIGITS)

    def _there(self, line: Ordered, measure: str) -> Decimal:
        """What counts of a measure, less what was taken back."""
        leaf = Quantity(line=line.line, measure=measure, op=">", value=ZERO)  # type: ignore[arg-type]
        goods = Goods(self._look, SubjectKey(LINE, line.line), measure)
        found = quantity(leaf, Evidence(facts=tuple(goods.facts())), self._look.asked.scope)
        told = [one.present for one in found.witnesses if one.counts]
        told += [one.may[0] for one in found.witnesses if one.how == "contrary"]
        there = _sum(one.value or ZERO for one in told if one is not None and one.unit == line.unit)
        return max(there, ZERO)

    def _is_by_mass(self, told: Sequence[_Told], alike: Sequence[Declared]) -> bool:
        """Whether of each declaration as much is released as was declared of it."""
        qty = {one.by.key: one.qty for one in told}
        found = [(one.key, self._mass(one.key)) for one in alike if one.linked and one.live]
        return bool(found) and all(
            mass is not None and qty.get(key, ZERO) >= mass for key, mass in found
        )

    def _mass(self, key: SubjectKey) -> Decimal | None:
        """The net mass that was declared, in the unit of the lines; None = they are not by mass, or
        not all of it was said.
        """
        units = _units(self._lines)
        masses = [
            [each.net_mass_kg for each in event.declaration_lines]
            for event in self._said_of(key, heard=True)
            if isinstance(event, CustomsDeclared)
        ]
        if not masses or len(units) != 1 or not all(all(each) for each in masses):
            return None
        most = max(_sum(one for one in each if one is not None) for each in masses)
        value, unit = in_unit(most, "KGM", *units)
        return value if unit in units and value else None


def _ids(keys: Iterable[SubjectKey], machine: str) -> frozenset[str]:
    return frozenset(key.subject_id for key in keys if key.subject_type == machine)


def _stated(event: Event) -> Decimal:
    """Of how much a release says that it is."""
    return (event.qty or ZERO) if isinstance(event, CustomsReleased) else ZERO


def _released(one: Declared, code: str) -> dict[Identity, Decimal]:
    """Of how much each release is by which a milestone of a declaration stands."""
    found = one.releases if one.linked and code in one.sources else ()
    return {
        slot.identity: stated(slot.effective.event) for slot in found if slot.effective is not None
    }


def _is_enough(told: Sequence[_Told], needed: dict[str, Decimal], lines: Iterable[Ordered]) -> bool:
    """Whether releases cover so much of each line: where they have one unit, each declaration for
    all lines that it may be of; else line by line, each declaration for the one that it names.
    """
    if len(_units(one for one in lines if one.line in needed)) == 1:
        sums: dict[frozenset[str], Decimal] = {}
        for one in told:
            of = one.lines | one.others if one.lines else frozenset(needed)
            sums[of] = EXACT.add(sums.get(of, ZERO), one.qty)
        return is_shared_out(sums, needed)
    return bool(needed) and all(
        _sum(one.qty for one in told if one.lines == {line}) >= qty for line, qty in needed.items()
    )


def is_shared_out(there: Mapping[frozenset[str], Decimal], needed: Mapping[str, Decimal]) -> bool:
    """Whether what is there of some lines or others can be shared out so that each has enough."""
    left, given = dict(there), dict[tuple[frozenset[str], str], Decimal]()
    for line, enough in needed.items():
        qty = enough
        while qty > ZERO:
            way = _way(line, left, given)
            if not way:
                return False
            behind = [given[of, after] for (of, _), (_, after) in pairwise(way)]
            most = min(qty, left[way[-1][0]], *behind)
            for of, to in way:
                given[of, to] = EXACT.add(given.get((of, to), ZERO), most)
            for (of, _), (_, after) in pairwise(way):
                given[of, after] = EXACT.subtract(given[of, after], most)
            left[way[-1][0]] = EXACT.subtract(left[way[-1][0]], most)
            qty = EXACT.subtract(qty, most)
    return True


def _way(
    line: str,
    left: Mapping[frozenset[str], Decimal],
    given: Mapping[tuple[frozenset[str], str], Decimal],
) -> list[tuple[frozenset[str], str]]:
    """The shortest way by which a line can have more: it takes from what another line was given,
    this one from what the next one was, up to where something is left; [] = there is none.
    """
    ways: dict[str, list[tuple[frozenset[str], str]]] = {line: []}
    seen = set[frozenset[str]]()
    for to in (waiting := [line]):
        for of in left:
            if to not in of or of in seen:
                continue
            seen.add(of)
            way = [*ways[to], (of, to)]
            if left[of] > ZERO:
                return way
            for after in sorted(of):
                if after not in ways and given.get((of, after), ZERO) > ZERO:
                    ways[after] = way
                    waiting.append(after)
    return []


def _units(lines: Iterable[Ordered]) -> set[str]:
    return {code_of(one.unit) or one.unit for one in lines}


def _required(node: Condition) -> Iterator[Quantity]:
    """The quantities without which a condition is not TRUE."""
    if isinstance(node, Quantity):
        yield node
    for one in node.of if isinstance(node, All) else ():
        yield from _required(one)


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for one in numbers:
        total = EXACT.add(total, one)
    return total
