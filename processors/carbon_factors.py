"""Which factor is meant, what it gives, and the trail of why: what auditors ask about a number."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from supplytwin.processors.carbon_parts import (
    ONE,
    UNKNOWN,
    ZERO,
    Number,
    Parts,
    completed,
    digest,
)
from supplytwin.schemas.calculated import Used
from supplytwin.schemas.calculation import InlineFactor, Period, Ref, Request
from supplytwin.schemas.carriers import CARRIERS, ELECTRICITY, Carrier
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.factor_form import UNITS, Factor, Kind, Pack, is_without_operation
from supplytwin.schemas.findings import Finding

GIVEN = "request"
"""Stands for the pack of a factor that was given in the request without one."""


class Found(Struct, frozen=True, kw_only=True, gc=False):
    """A factor, what it is of, and what the request says of it beyond its numbers."""

    factor: Factor
    ref: str
    pack: str
    data_type: str
    primary_share: Number


class Trail:
    """What was noticed while one element was computed; `path` is its JSON path."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.said: list[str] = []
        self.missing: list[Finding] = []
        self.refused: list[Finding] = []
        self.assumed: list[Finding] = []
        self.deviates: list[Finding] = []
        self.warned: list[Finding] = []
        self.used: dict[str, Found] = {}

    def say(self, text: str) -> None:
        """One line of the trace."""
        self.said.append(text)

    def lack(self, code: str, says: str) -> None:
        """Something is missing: the element has no number."""
        self.missing.append(Finding(path=self.path, code=code, says=says))

    def refuse(self, code: str, says: str, field: str = "") -> None:
        """The request contradicts itself or the method; `field` is where in the element."""
        path = f"{self.path}.{field}" if field else self.path
        self.refused.append(Finding(path=path, code=code, says=says))

    def assume(self, code: str, says: str) -> None:
        """For the list of assumptions; stands in the trace, too."""
        self.assumed.append(Finding(path=self.path, code=code, says=says))
        self.say(f"assumed: {says}")

    def deviate(self, code: str, says: str) -> None:
        """For the list of deviations from the standard; stands in the trace, too."""
        self.deviates.append(Finding(path=self.path, code=code, says=says))
        self.say(f"deviation: {says}")

    def warn(self, code: str, says: str) -> None:
        """For the warnings of the whole; stands in the trace, too."""
        self.warned.append(Finding(path=self.path, code=code, says=says))
        self.say(f"warning: {says}")

    def use(self, found: Found) -> None:
        """Something rests on this factor."""
        self.used[found.ref] = found


class Shelf:
    """The packs that stand ready, by what is looked for in them. It never changes."""

    def __init__(self, chosen: Sequence[Pack], at_hand: Sequence[Pack]) -> None:
        self.chosen = tuple({pack.name: pack for pack in chosen}.values())
        self.packs = {pack.name: pack for pack in (*at_hand, *self.chosen)}
        self.named = ", ".join(pack.name for pack in self.chosen) or "no pack"
        self.dated = False
        """Whether a factor holds in some periods alone."""
        self._by_id = {
            name: {one.id: one for one in pack.factors} for name, pack in self.packs.items()
        }
        self._defaults: dict[str, list[tuple[Pack, Factor]]] = {}
        self._carriers: dict[str, list[tuple[Pack, Factor]]] = {}
        for pack in self.chosen:
            for one in pack.factors:
                what = one.hub_type if one.kind == "HUB" else one.default_for
                if what is not None:
                    self._defaults.setdefault(what, []).append((pack, one))
                self.dated |= one.valid_from is not None or one.valid_to is not None
                if one.kind in {"ENERGY", "GRID"} and one.carrier and one.partial is None:
                    self._carriers.setdefault(one.carrier.lower(), []).append((pack, one))
        self._countries = {
            one.country: f"{pack.name}/{one.id}"
            for pack in (*at_hand, *reversed(self.chosen))
            for one in pack.factors
            if one.country is not None
        }

    def find(self, ref: str) -> list[tuple[Pack, Factor]]:
        """Every factor that a name may mean: ``PACK/ID``, or an ID of the chosen packs."""
        name, slash, wanted = ref.partition("/")
        if slash and name in self.packs:
            one = self._by_id[name].get(wanted)
            return [] if one is None else [(self.packs[name], one)]
        return [
            (pack, self._by_id[pack.name][ref])
            for pack in self.chosen
            if ref in self._by_id[pack.name]
        ]

    def default(
        self, what: str, haul: str | None, temperature: str | None
    ) -> tuple[Pack, Factor] | None:
        """Of the first chosen pack that has one for a mode or a type of hub: that of its haul and
        temperature control before one of none; a refrigerated one only for what is refrigerated.
        """
        best: tuple[tuple[int, int, int], Pack, Factor] | None = None
        for pack, one in self._defaults.get(what, ()):
            if one.haul not in (None, haul) or (
                one.temperature_control == "refrigerated" and temperature != "refrigerated"
            ):
                continue
            fits = one.temperature_control == temperature, one.temperature_control != "mixed"
            rank = (self.chosen.index(pack), -2 * fits[0] - fits[1], -(one.haul is not None))
            if best is None or rank < best[0]:
                best = rank, pack, one
        return None if best is None else best[1:]

    def energy(self, carrier: str, country: str | None) -> Carrier:
        """The factors of a carrier: of the chosen packs, else those that are known to go together.
        Electricity is that of its country.
        """
        name = carrier.lower()
        if name == ELECTRICITY:
            grid = self._countries.get(country or "")
            return Carrier() if grid is None else Carrier(refs=(grid,))
        for pack, one in self._carriers.get(name, ()):
            if completed(Parts(wtt=one.wtt, ttw=one.ttw, wtw=one.wtw)).wtw is not None:
                return Carrier(refs=(f"{pack.name}/{one.id}",))
        found = CARRIERS.get(name, Carrier())
        return found if all(self.find(ref) for ref in found.refs) else Carrier()


class Book:
    """Every factor that a request can name: its own, of the chosen packs, of those at hand."""

    def __init__(self, request: Request, shelf: Shelf) -> None:
        self._own = {one.id: one for one in request.factors if one.id is not None}
        self.shelf = shelf
        self._period = request.period

    def find(self, ref: Ref, kind: Kind, trail: Trail) -> Found | None:
        """The factor that is meant; None, with a FACTOR_* in the trail, when there is none."""
        if isinstance(ref, InlineFactor):
            return self._inline(ref, ref.id or _name(ref), kind, trail)
        if ref in self._own:
            return self._inline(self._own[ref], ref, kind, trail)
        found = self.shelf.find(ref)
        if not found:
            trail.lack(
                "FACTOR_UNKNOWN", f'no factor "{ref}" in the request or in {self.shelf.named}'
            )
            return None
        if len(found) > 1:
            packs = ", ".join(pack.name for pack, _ in found)
            trail.lack("FACTOR_AMBIGUOUS", f'"{ref}" is in {packs}: write PACK/{ref}')
            return None
        ((pack, factor),) = found
        if factor.kind != kind and not (kind == "ENERGY" and factor.kind == "GRID"):
            trail.refuse("WRONG_UNIT", f"{ref} is a {factor.kind} factor, here stands {kind}")
            return None
        if not _holds(factor, self._period):
            says = f"{ref} is valid from {factor.valid_from} to {factor.valid_to}"
            trail.lack("FACTOR_NOT_VALID", f"{says}, the period is not within it")
            return None
        made = Found(
            factor=factor,
            ref=f"{pack.name}/{factor.id}",
            pack=pack.name,
            data_type="DEFAULT",
            primary_share=ZERO,
        )
        trail.use(made)
        return made

    def data_type(self, ref: Ref) -> str:
        """Of a factor, without looking for it in packs: these are defaults."""
        own = ref if isinstance(ref, InlineFactor) else self._own.get(ref)
        return "DEFAULT" if own is None else own.data_type

    def default(
        self, what: str, haul: str | None, temperature: str | None, trail: Trail
    ) -> Found | None:
        """The default of a mode or a type of hub; see `Shelf.default`."""
        found = self.shelf.default(what, haul, temperature)
        if found is None:
            trail.lack(
                "FACTOR_UNKNOWN", f"no default for {what or 'no mode'} in {self.shelf.named}"
            )
            return None
        pack, factor = found
        kept = factor.temperature_control
        if temperature == "refrigerated" and kept != temperature:
            says = (
                f"the goods are refrigerated, {pack.name}/{factor.id} is {kept or 'not said to be'}"
            )
            trail.assume("TEMPERATURE_NOT_INSIDE", says)
        sort: Kind = "HUB" if factor.kind == "HUB" else "TRANSPORT"
        return self.find(f"{pack.name}/{factor.id}", sort, trail)

    def _inline(self, one: InlineFactor, ref: str, kind: Kind, trail: Trail) -> Found | None:
        if one.unit not in UNITS[kind]:
            listed = ", ".join(UNITS[kind])
            trail.refuse("WRONG_UNIT", f"{ref} is in {one.unit}: here stands {listed}")
            return None
        made = Found(
            factor=as_factor(one, ref, kind),
            ref=ref,
            pack=one.pack or GIVEN,
            data_type=one.data_type,
            primary_share=_stated_share(one),
        )
        if one.source is None:
            trail.deviate("SOURCE_UNKNOWN", f"factor {ref} names no source")
        trail.use(made)
        return made


def as_factor(one: InlineFactor, ref: str, kind: Kind) -> Factor:
    """A factor of a request in the form of a pack's."""
    return Factor(
        id=ref,
        what=one.what or ref,
        kind=kind,
        carrier=one.carrier,
        unit=one.unit,
        wtt=one.wtt,
        ttw=one.ttw,
        wtw=one.wtw,
        gwp=one.gwp or "not stated",
        region=one.region or "not stated",
        year=0,
        source=one.source or "not stated",
        page=one.page or "not stated",
        licence="as given in the request",
        distance_basis=one.distance_basis,
        daf_included=one.daf_included or "no",
        temperature_control=one.temperature_control,
        density_kg_per_l=one.density_kg_per_l,
        lhv_mj_per_kg=one.lhv_mj_per_kg,
        partial=one.partial,
    )


def _name(one: InlineFactor) -> str:
    """A name that no other content has."""
    value = next((each for each in (one.wtw, one.ttw, one.wtt) if each is not None), ZERO)
    return f"{one.pack or 'given'} {plain(value)} {one.unit} #{digest(one)[:6]}"


def _stated_share(one: InlineFactor) -> Number:
    if one.data_type != "PRIMARY":
        return ZERO
    return ONE if one.primary_share is None else one.primary_share


def _holds(factor: Factor, period: Period | None) -> bool:
    if period is None:
        return True
    return not (
        (factor.valid_from is not None and period.first < factor.valid_from)
        or (factor.valid_to is not None and period.last > factor.valid_to)
    )


def parts_of(found: Found, carrier: str | None, accept: str | None, trail: Trail) -> Parts:
    """What a factor gives, with what follows from it; unknown, with FACTOR_PARTIAL in the trail,
    when its pack calls it partial and nobody accepts that.

    Electricity and hydrogen emit nothing in operation: what is published as operation is the
    generation, which is provision of energy.
    """
    factor = found.factor
    parts = Parts(wtt=factor.wtt, ttw=factor.ttw, wtw=factor.wtw)
    if factor.partial is not None:
        if accept is None:
            says = f"{found.ref} is partial: {factor.partial} Say accept_partial, and why"
            trail.lack("FACTOR_PARTIAL", says)
            return UNKNOWN
        trail.deviate("PARTIAL_FACTOR", f"{found.ref}: {factor.partial} Accepted: {accept}")
    if factor.kind == "REFRIGERANT":
        leaked = parts.wtw if parts.ttw is None else parts.ttw
        return Parts(wtt=ZERO, ttw=leaked, wtw=leaked)
    if is_without_operation(carrier) or is_without_operation(factor.carrier):
        whole = parts.wtw if parts.wtw is not None else completed(parts).wtw
        whole = parts.wtt if whole is None else whole
        if factor.ttw:
            says = f"{found.ref}: its TTW is generation of {factor.carrier}, counted as WTT"
            trail.assume("TTW_IS_WTT", says)
        return Parts(wtt=whole, ttw=ZERO, wtw=whole)
    made = completed(parts)
    if made != parts:
        names = [name for name in ("wtt", "ttw", "wtw") if getattr(made, name) is not None]
        known = [name for name in names if getattr(parts, name) is None]
        trail.say(f"{', '.join(known).upper()} of {found.ref} by WTW = WTT + TTW")
    elif made.wtw is not None and made.wtt is not None and made.ttw is not None:
        _rounded(found, made, trail)
    return made


def _rounded(found: Found, parts: Parts, trail: Trail) -> None:
    whole = completed(Parts(wtt=parts.wtt, ttw=parts.ttw, wtw=None)).wtw
    if whole != parts.wtw:
        says = f"{found.ref} is used as printed: WTT + TTW = {whole}, WTW = {parts.wtw} (rounded)"
        trail.assume("PARTS_ROUNDED", says)


def used(found: Mapping[str, Found]) -> tuple[Used, ...]:
    """Factors in the form of the answer, by their names."""
    return tuple(
        Used(
            ref=ref,
            pack=one.pack,
            what=one.factor.what,
            unit=one.factor.unit,
            wtw=one.factor.wtw,
            wtt=one.factor.wtt,
            ttw=one.factor.ttw,
            gwp=one.factor.gwp,
            region=one.factor.region,
            source=one.factor.source,
            page=one.factor.page,
            licence=one.factor.licence,
            distance_basis=one.factor.distance_basis,
            daf_included=one.factor.daf_included,
            data_type=one.data_type,
        )
        for ref, one in sorted(found.items())
    )
