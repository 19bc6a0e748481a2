"""What a well-formed message may still not say: values outside their lists, patterns and ranges."""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import (
    ENVELOPE,
    MODES,
    SUBJECT_TYPES,
    VALUES,
    DeclarationLine,
    Event,
    OrderLine,
    ShipmentFootprint,
    ShipmentSensor,
)
from supplytwin.schemas.ids import Micros, check_chain_id
from supplytwin.schemas.localtime import check_time, zone
from supplytwin.schemas.money import exponent, to_minor
from supplytwin.schemas.named import booked_legs
from supplytwin.schemas.records import Contract, Control, Receipt, Review
from supplytwin.schemas.shapes import shape

Check = Callable[[Any, str], None]
"""(value, field path) -> nothing, or a RecordError that says what is expected."""

NAME_MAX = 500
"""Characters of an identifier. Keys, evidence and reasons of derived records are made of them: with
longer ones a decision or a state could be larger than its topic takes, when it is too late.
"""
REFS_MAX = 1_000
"""Each ref, leg or child may be a subject to fold: the work for one record must have a bound. So it
is with the legs of a booking times its consignments."""
LIMITS_MAX = 50
"""Ranges in one booking: each is looked at for every subject that its consignment is linked with.
"""
REF_TYPES = SUBJECT_TYPES | {
    "PO", "BKG", "BL", "CONTAINER", "TRIP", "MRN", "ASN", "SSCC", "INVOICE", "WR",
}  # fmt: skip
"""What a reference may name: a subject, or a document."""
CONTROL_KINDS = frozenset(("TICK", "BREAKER", "POLICY", "KEY", "META"))
INSTRUCTION_KINDS = frozenset(("RESERVE", "PAY", "RELEASE", "RECALL", "QUERY"))
RAIL_STATUSES = frozenset(
    ("CONFIRMED", "REFUSED", "ACTC", "ACCP", "ACSP", "ACWC", "PDNG", "ACSC", "RJCT", "NOT_FOUND",
     "BOOKED", "RETURNED", "RELEASED", "RENEWED", "LOST", "FAILED", "CNCL", "RJCR", "NOOR")
)  # fmt: skip
VERDICTS = frozenset(
    ("RELEASE", "REJECT", "HOLD", "CANCEL", "RECALL", "APPROVE", "UNDERTAKING", "DISPUTE",
     "WITHDRAW", "DISMISS", "RESOLVE_SELLER", "RESOLVE_BUYER", "RECON_BREAK", "RECON_SETTLED",
     "RECON_HELD",
     "COURT_ORDER", "TERMINATE", "QUARANTINE", "RELEASE_RECORD", "DROP_RECORD")
)  # fmt: skip

_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,9})?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOCODE = re.compile(r"[A-Z]{2}[A-Z0-9]{3}")
_LEG = re.compile(
    r"\d{1,9};([A-Z]+);[^;]+;[^;]+(?:;\d{1,6}(?:\.\d{1,6})?;(?:GCD|SFD|ACTUAL))?", re.ASCII
)
_LIMIT = re.compile(r"[^;]+;[^;]+(;(-?\d{1,9}(\.\d{1,9})?)?){2}", re.ASCII)
_FREE_TEXT = frozenset(("old", "new", "reason", "text"))
"""Required fields that may be empty."""
_NOT_NEGATIVE = frozenset(
    ("qty", "confirmed_qty", "accepted_qty", "rejected_qty", "gross_kg", "mass_kg", "net_mass_kg",
     "counted", "energy_qty", "co2e_wtw_kg", "co2e_ttw_kg", "activity_tkm", "pieces", "sample",
     "leg_no", "line_no", "amount_minor", "instruction_no", "attempt", "hold_no", "recall_no",
     "query_no")
)  # fmt: skip


def refuse(path: str, reason: str) -> RecordError:
    """A value that is not allowed."""
    return RecordError(Code.BAD_VALUE, path, reason)


def decimal(value: str, path: str) -> Decimal:
    """A decimal of at most 18 digits before and 9 behind the point, without exponent."""
    if _DECIMAL.fullmatch(value) is None:
        reason = f"{value[:40]!r} is not a decimal like -123.45 (18 digits, 9 decimals)"
        raise refuse(path, reason)
    return Decimal(value)


def _one_of(allowed: frozenset[str]) -> Check:
    def check(value: str, path: str) -> None:
        if value not in allowed:
            raise refuse(path, f"{value[:40]!r} is not one of {', '.join(sorted(allowed))}")

    return check


def _not_empty(value: str, path: str) -> None:
    if not value:
        raise refuse(path, "must not be empty")


def identifier(value: str, path: str) -> None:
    """Raise RecordError unless an identifier has 1 to NAME_MAX characters."""
    if not 1 <= len(value) <= NAME_MAX:
        raise refuse(path, f"must have 1 to {NAME_MAX} characters, has {len(value)}")


def _short(value: str, path: str) -> None:
    if len(value) > NAME_MAX:
        raise refuse(path, f"must have at most {NAME_MAX} characters, has {len(value)}")


OF_LENGTH = frozenset((None, _not_empty, identifier, _short))
"""Checks of a text that its length decides: 1 to 63 bytes are right for each. None = no check."""


def _items_not_empty(values: tuple[str, ...], path: str) -> None:
    for at, value in enumerate(values):
        _not_empty(value, f"{path}[{at}]")


def _not_negative(value: Decimal | int, path: str) -> None:
    if value < 0:
        raise refuse(path, f"{value} must not be negative")


def _share(value: Decimal, path: str) -> None:
    if not 0 <= value <= 1:
        raise refuse(path, f"{value} is not a share from 0 to 1: divide percent by 100")


def _finite(value: float, path: str) -> None:
    if not math.isfinite(value):
        raise refuse(path, f"{value} is not a number")


def _within(bound: int) -> Check:
    def check(value: float, path: str) -> None:
        if not -bound <= value <= bound:
            raise refuse(path, f"{value} is not within -{bound} to {bound} degrees")

    return check


def _chain_id(value: str, path: str) -> None:
    check_chain_id(value)


def _zone(value: str, path: str) -> None:
    zone(value)


def _unlocode(value: str, path: str) -> None:
    if _LOCODE.fullmatch(value) is None:
        raise refuse(path, f"{value[:40]!r} is not a UN/LOCODE like CNSZX")


@lru_cache(maxsize=65536)
def _is_ref(ref: str) -> bool:
    kind, _, value = ref.partition(":")
    return bool(value) and kind in REF_TYPES


def _bounded(values: tuple[str, ...], path: str) -> None:
    if len(values) > REFS_MAX:
        raise refuse(path, f"must be at most {REFS_MAX}, are {len(values)}: send several events")


def _refs(values: tuple[str, ...], path: str) -> None:
    _bounded(values, path)
    for at, ref in enumerate(values):
        _short(ref, f"{path}[{at}]")
        if not _is_ref(ref):
            types = ", ".join(sorted(REF_TYPES))
            raise refuse(f"{path}[{at}]", f"{ref[:40]!r} is not TYPE:value with a TYPE of {types}")


def _names(values: tuple[str, ...], path: str) -> None:
    _bounded(values, path)
    for at, value in enumerate(values):
        identifier(value, f"{path}[{at}]")


def _evidence(values: tuple[str, ...], path: str) -> None:
    for at, evidence in enumerate(values):
        kind, _, rest = evidence.partition(";")
        digest, separator, _ = rest.partition(";")
        if not kind or not separator or _SHA256.fullmatch(digest) is None:
            reason = f"{evidence[:40]!r} is not kind;sha256;uri with 64 lower-case hex digits"
            raise refuse(f"{path}[{at}]", reason)


def _legs(values: tuple[str, ...], path: str) -> None:
    _names(values, path)
    for at, leg in enumerate(values):
        match = _LEG.fullmatch(leg)
        if match is None or match[1] not in MODES:
            modes = ", ".join(sorted(MODES))
            reason = f"{leg[:40]!r} is not leg_no;mode;from;to[;km;GCD|SFD|ACTUAL], mode of {modes}"
            raise refuse(f"{path}[{at}]", reason)


def _limits(values: tuple[str, ...], path: str) -> None:
    if len(values) > LIMITS_MAX:
        raise refuse(path, f"must be at most {LIMITS_MAX}, are {len(values)}")
    _names(values, path)
    for at, value in enumerate(values):
        if _LIMIT.fullmatch(value) is None or value.endswith(";;"):
            reason = f"{value[:40]!r} is not metric;unit;lower;upper with a number at least once"
            raise refuse(f"{path}[{at}]", reason)
        lower, upper = value.split(";")[2:]
        if lower and upper and Decimal(lower) > Decimal(upper):
            raise refuse(f"{path}[{at}]", f"{lower} is above {upper}: the lower bound comes first")


def _currency(value: str, path: str) -> None:
    try:
        exponent(value)
    except RecordError as error:
        raise refuse(path, error.reason) from None


def _order_lines(lines: tuple[OrderLine, ...], path: str) -> None:
    for at, line in enumerate(lines):
        _not_empty(line.line_id, f"{path}[{at}].line_id")
        _not_negative(line.qty, f"{path}[{at}].qty")


def _declaration_lines(lines: tuple[DeclarationLine, ...], path: str) -> None:
    for at, line in enumerate(lines):
        _not_negative(line.line_no, f"{path}[{at}].line_no")
        _currency(line.currency, f"{path}[{at}].currency")
        to_minor(line.value, line.currency, f"{path}[{at}].value")
        if line.net_mass_kg is not None:
            _not_negative(line.net_mass_kg, f"{path}[{at}].net_mass_kg")


_EVENT: Mapping[str, Check] = {
    "event_id": identifier, "source": identifier, "chain_id": _chain_id, "subject_id": identifier,
    "correction_event_id": identifier, "correction_source": identifier,
    "mode_detail": _short, "from_place": _short, "to_place": _short,
    "event_tz": _zone, "refs": _refs, "unlocode": _unlocode, "lat": _within(90),
    "lon": _within(180), "evidence": _evidence, "currency": _currency, "legs": _legs,
    "limits": _limits, "lot_id": identifier, "primary_share": _share, "source_id": identifier,
    "spec": identifier,
    "trip_id": identifier, "hu_id": identifier, "wr_id": identifier, "children": _names,
    "hu_ids": _names, "order_lines": _order_lines, "declaration_lines": _declaration_lines,
}  # fmt: skip
_ORDERED: Mapping[str, Check] = {
    "input_id": identifier, "source": identifier, "contract_id": identifier, "chain_id": _chain_id,
}  # fmt: skip
_OF_KIND: Mapping[type[Struct], Mapping[str, Check]] = {
    Contract: _ORDERED,
    Receipt: {
        **_ORDERED,
        "kind": _one_of(INSTRUCTION_KINDS),
        "rail_status": _one_of(RAIL_STATUSES),
        "currency": _currency,
    },
    Review: {**_ORDERED, "verdict": _one_of(VERDICTS)},
    Control: {"input_id": identifier, "kind": _one_of(CONTROL_KINDS)},
}


def check(kind: type[Struct], name: str, hint: Any) -> Check | None:
    """What a field's value must be beside its type. Derived records are ours: nothing to check."""
    if not issubclass(kind, Event):
        own = _OF_KIND.get(kind)
        return None if own is None else own.get(name) or _by_type(name, hint)
    if name in _EVENT:
        return _EVENT[name]
    if name in VALUES:
        return _one_of(VALUES[name])
    if name not in ENVELOPE and name not in _FREE_TEXT:
        if hint is str and name in shape(kind.TYPE).required:
            return _not_empty
        if hint == tuple[str, ...]:
            return _items_not_empty
    return _by_type(name, hint)


def _by_type(name: str, hint: Any) -> Check | None:
    if name in _NOT_NEGATIVE:
        return _not_negative
    if hint == Micros:
        return check_time
    return _finite if hint is float else None


_fits = lru_cache(maxsize=1 << 14)(to_minor)
"""Asked for whether it raises, which equal amounts do alike."""


TOGETHER = frozenset(("amount", "co2e_ttw_kg", "legs"))
"""Fields that `together` has to see wherever they are; the others that it looks at are mostly
absent."""


def together(found: Event) -> None:
    """Raise RecordError unless the fields of an event go together, each being right by itself."""
    if (found.lat is None) != (found.lon is None):
        raise refuse("lat" if found.lat is None else "lon", "lat and lon go together")
    if found.correction_action is None:
        for name in ("correction_event_id", "correction_source", "correction_reason"):
            if getattr(found, name) is not None:
                raise refuse("correction_action", f"is missing beside {name}")
    elif found.correction_event_id is None:
        raise refuse("correction_event_id", f"is missing beside {found.correction_action}")
    crossed = booked_legs(found)
    if crossed > REFS_MAX:
        reason = f"legs times consignments must be at most {REFS_MAX}, are {crossed}"
        raise refuse("refs", f"{reason}: send several events")
    if type(found) is ShipmentSensor:
        lower, upper = found.lower, found.upper
        if lower is not None and upper is not None and lower > upper:
            raise refuse("lower", f"{lower} is above the upper bound, {upper}")
    if type(found) is ShipmentFootprint:
        whole, operation = found.co2e_wtw_kg, found.co2e_ttw_kg
        if operation is not None and operation > whole:
            raise refuse("co2e_ttw_kg", f"{operation} is more than co2e_wtw_kg, {whole}")
    amount, currency = getattr(found, "amount", None), getattr(found, "currency", None)
    if amount is not None and currency is not None:
        _fits(amount, currency)
