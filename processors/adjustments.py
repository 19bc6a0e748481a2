"""What changes an amount after it is known: delay, excursions of temperature, a footprint.

Their basis points are added up. What a rule needs and nobody knows is never guessed: a delay or an
excursion that is unknown holds the amount; a footprint that is missing or unverified changes
nothing.
"""

import datetime as dt
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.explained import Why, why
from supplytwin.schemas.amounts import ALL_BP, Adjustments, Band, Carbon, Late
from supplytwin.schemas.durations import duration_text
from supplytwin.schemas.ids import SECOND_US
from supplytwin.schemas.localtime import days_since_epoch, local_day

MINUTE_US = 60 * SECOND_US
FOR_PEOPLE = "EXCURSION_HOLD"
"""The rule by which the terms leave an amount to people."""


class Footprint(Struct, frozen=True, kw_only=True, gc=False):
    """A verified footprint as it stood when the amount was fixed."""

    footprint_id: str
    """Its `input_hash`; of several consignments all of them."""
    measure: str
    value: Decimal
    unit: str


class Seen(Struct, frozen=True, kw_only=True, gc=False):
    """What is known when the amount is fixed; None = unknown."""

    days_late: int | None = None
    late_why: str = ""
    """What is missing, or why it goes by something else than a fact; "" = nothing to say."""
    excursion_us: int | None = None
    excursion_why: str = ""
    """As of the delay."""
    footprint: Footprint | None = None


class Adjusted(Struct, frozen=True, kw_only=True, gc=False):
    """`bp`: what the amount changes by, as far as anybody knows, at least -10,000. `held`: it
    cannot be fixed.
    """

    bp: int
    held: bool
    reasons: tuple[Why, ...]
    unknown: bool = False
    """It is held because nobody knows a part of it, not because the terms give it to people."""


def days_late(due: str, happened: int, tz: str) -> int:
    """Local dates from `due` (YYYY-MM-DD) to the one in zone `tz` on which something happened
    (us); 0 when that is not later.
    """
    return max(0, local_day(happened, tz) - days_since_epoch(dt.date.fromisoformat(due)))


def adjust(rules: Adjustments, seen: Seen) -> Adjusted:
    """The sum of all adjustments, and the reason of each that applies or cannot be known."""
    parts: list[tuple[int | None, Why]] = []
    if rules.late is not None:
        parts.append(_late(rules.late, seen.days_late, seen.late_why))
    if rules.excursion:
        parts.append(_excursion(rules.excursion, seen.excursion_us, seen.excursion_why))
    if rules.carbon is not None:
        parts.append(_carbon(rules.carbon, seen.footprint))
    total = sum(bp for bp, _ in parts if bp is not None)
    holds = [said.rule for bp, said in parts if bp is None]
    return Adjusted(
        bp=max(-ALL_BP, total),
        held=bool(holds),
        reasons=tuple(said for _, said in parts),
        unknown=bool(holds) and FOR_PEOPLE not in holds,
    )


def _late(rule: Late, days: int | None, rests_on: str) -> tuple[int | None, Why]:
    if days is None:
        says = f"how late it was after {rule.due} is {_when_known(rests_on)}"
        return None, why("LATE_UNKNOWN", says, due=rule.due)
    off = min(rule.max_bp, max(0, days) * rule.bp_per_day)
    says = _based(f"{max(0, days)} days after {rule.due} take off {off} bp", rests_on)
    return -off, why("LATE", says, days=days, bp_per_day=rule.bp_per_day, max_bp=rule.max_bp)


def _when_known(missing: str) -> str:
    return f"unknown: {missing}" if missing else "counted once the condition holds"


def _based(says: str, rests_on: str) -> str:
    return f"{says} ({rests_on})" if rests_on else says


def _excursion(
    bands: tuple[Band, ...], lasted_us: int | None, rests_on: str
) -> tuple[int | None, Why]:
    if lasted_us is None:
        says = f"how long it was outside is {_when_known(rests_on)}"
        return None, why("EXCURSION_UNKNOWN", says)
    hit = [one for one in bands if lasted_us > one.over_min * MINUTE_US]
    whole = duration_text(-(-lasted_us // SECOND_US) * SECOND_US)  # up to whole seconds
    lasted = _based(f"outside for {whole}", rests_on)
    if not hit:
        says = f"{lasted}, within {bands[0].over_min} minutes: nothing is taken off"
        return 0, why("EXCURSION", says, lasted_us=lasted_us)
    last = hit[-1]
    if last.off_bp == "HOLD":
        says = f"{lasted}, more than {last.over_min} minutes: the amount is left to people"
        return None, why(FOR_PEOPLE, says, lasted_us=lasted_us, over_min=last.over_min)
    says = f"{lasted}, more than {last.over_min} minutes: {last.off_bp} bp are taken off"
    return -last.off_bp, why("EXCURSION", says, lasted_us=lasted_us, over_min=last.over_min)


def _carbon(rule: Carbon, found: Footprint | None) -> tuple[int, Why]:
    if found is None:
        return 0, why(
            "CARBON_MISSING", "no verified footprint: nothing changes", measure=rule.measure
        )
    inputs: dict[str, object] = {
        "footprint": found.footprint_id,
        "value": found.value,
        "unit": found.unit,
        "at_most": rule.at_most,
    }
    if (found.measure, found.unit) != (rule.measure, rule.unit):
        says = f"the footprint is {found.measure} in {found.unit}, the terms say {rule.measure} "
        return 0, why("CARBON_OTHER_UNIT", f"{says}in {rule.unit}: nothing changes", **inputs)
    if not found.value.is_finite() or found.value > rule.at_most:
        says = f"{found.value} {found.unit} are more than {rule.at_most}: nothing changes"
        return 0, why("CARBON_MISSED", says, **inputs)
    says = f"{found.value} {found.unit} are at most {rule.at_most}: {rule.bp:+d} bp"
    return rule.bp, why("CARBON", says, **inputs)
