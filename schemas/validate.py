"""What a well-formed message may still not say: values outside their lists, patterns and ranges."""

import re
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import (
    MODES,
    SUBJECT_TYPES,
    VALUES,
    DeclarationLine,
    Event,
    OrderLine,
)
from supplytwin.schemas.ids import check_chain_id
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN, zone
from supplytwin.schemas.money import exponent, to_minor
from supplytwin.schemas.records import Contract, Control, Receipt, Review

EVENT_ID_MAX = 500
REF_TYPES = SUBJECT_TYPES | {
    "PO", "BKG", "BL", "CONTAINER", "TRIP", "MRN", "ASN", "SSCC", "INVOICE", "WR",
}  # fmt: skip
"""What a reference may name: a subject, or a document."""
_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,9})?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOCODE = re.compile(r"[A-Z]{2}[A-Z0-9]{3}")

CONTROL_KINDS = frozenset(("TICK", "BREAKER", "POLICY", "KEY", "META"))
INSTRUCTION_KINDS = frozenset(("RESERVE", "PAY", "RELEASE", "RECALL", "QUERY"))
RAIL_STATUSES = frozenset(
    ("CONFIRMED", "REFUSED", "ACTC", "ACCP", "ACSP", "ACWC", "PDNG", "ACSC", "RJCT", "NOT_FOUND",
     "BOOKED", "RETURNED", "RELEASED", "FAILED", "CNCL", "RJCR", "NOOR")
)  # fmt: skip
VERDICTS = frozenset(("RELEASE", "REJECT", "HOLD", "CANCEL", "RECALL"))


def refuse(field: str, reason: str) -> RecordError:
    """A value that is not allowed."""
    return RecordError(Code.BAD_VALUE, field, reason)


def decimal(value: str, field: str) -> Decimal:
    """A decimal of at most 18 digits before and 9 behind the point, without exponent."""
    if _DECIMAL.fullmatch(value) is None:
        raise refuse(field, f"{value!r} is not a decimal like -123.45 (18 digits, 9 decimals)")
    return Decimal(value)


def one_of(value: str, allowed: frozenset[str], field: str) -> None:
    """Raise RecordError unless `value` is in the list."""
    if value not in allowed:
        raise refuse(field, f"{value!r} is not one of {', '.join(sorted(allowed))}")


@lru_cache(maxsize=65536)
def _ref_problem(ref: str) -> str | None:
    kind, colon, value = ref.partition(":")
    if not colon or not value or kind not in REF_TYPES:
        return f"{ref!r} is not TYPE:value with a TYPE of {', '.join(sorted(REF_TYPES))}"
    return None


def event(found: Event) -> None:
    """Raise RecordError unless every value of the envelope and of the payload is allowed."""
    check_chain_id(found.chain_id)
    for name in ("event_id", "source", "subject_id"):
        if not getattr(found, name):
            raise refuse(name, "must not be empty")
    if len(found.event_id) > EVENT_ID_MAX:
        raise refuse("event_id", f"has more than {EVENT_ID_MAX} characters")
    for name, allowed in VALUES.items():
        value = getattr(found, name, None)
        if value is not None and value not in allowed:
            one_of(value, allowed, name)
    for name in ("event_time", "revision", "recorded_time"):
        if not TIME_MIN <= getattr(found, name) <= TIME_MAX:
            raise refuse(name, "is outside the years 5 to 9987")
    zone(found.event_tz)
    for at, ref in enumerate(found.refs):
        problem = _ref_problem(ref)
        if problem is not None:
            raise refuse(f"refs[{at}]", problem)
    _envelope_options(found)
    _payload(found)


def _envelope_options(found: Event) -> None:
    if (found.lat is None) != (found.lon is None):
        raise refuse("lat" if found.lat is None else "lon", "lat and lon go together")
    if found.lat is not None and not -90 <= found.lat <= 90:
        raise refuse("lat", f"{found.lat} is not within -90 to 90 degrees")
    if found.lon is not None and not -180 <= found.lon <= 180:
        raise refuse("lon", f"{found.lon} is not within -180 to 180 degrees")
    if found.unlocode is not None and _LOCODE.fullmatch(found.unlocode) is None:
        raise refuse("unlocode", f"{found.unlocode!r} is not a UN/LOCODE like CNSZX")
    if (found.correction_action is None) != (found.correction_event_id is None):
        raise refuse("correction_event_id", "correction_action and correction_event_id go together")
    for at, evidence in enumerate(found.evidence):
        parts = evidence.split(";", 2)
        if len(parts) != 3 or not parts[0] or _SHA256.fullmatch(parts[1]) is None:
            raise refuse(f"evidence[{at}]", "must be kind;sha256;uri with 64 hex digits")


def _payload(found: Event) -> None:
    currency = getattr(found, "currency", None)
    if currency is not None:
        exponent(currency)
        amount = getattr(found, "amount", None)
        if amount is not None:
            to_minor(amount, currency)
    for name in ("qty", "gross_kg", "mass_kg", "counted", "confirmed_qty", "accepted_qty"):
        value = getattr(found, name, None)
        if value is not None and value < 0:
            raise refuse(name, "must not be negative")
    lines: tuple[OrderLine, ...] = getattr(found, "order_lines", ())
    for at, line in enumerate(lines):
        if not line.line_id:
            raise refuse(f"order_lines[{at}].line_id", "must not be empty")
        if line.qty < 0:
            raise refuse(f"order_lines[{at}].qty", "must not be negative")
    declared: tuple[DeclarationLine, ...] = getattr(found, "declaration_lines", ())
    for at, one in enumerate(declared):
        to_minor(one.value, one.currency, f"declaration_lines[{at}].value")
    for at, leg in enumerate(getattr(found, "legs", ())):
        parts = leg.split(";")
        if len(parts) != 4 or not parts[0].isdecimal() or parts[1] not in MODES:
            raise refuse(f"legs[{at}]", f"{leg!r} is not leg_no;MODE;from;to")


def record(found: Struct) -> None:
    """Raise RecordError unless an ordered input says only what is allowed; derived records are ours."""
    match found:
        case Contract() | Receipt() | Review():
            check_chain_id(found.chain_id)
            for name in ("input_id", "source", "contract_id"):
                if not getattr(found, name):
                    raise refuse(name, "must not be empty")
        case Control():
            one_of(found.kind, CONTROL_KINDS, "kind")
        case _:
            return
    match found:
        case Receipt():
            one_of(found.kind, INSTRUCTION_KINDS, "kind")
            one_of(found.rail_status, RAIL_STATUSES, "rail_status")
            if found.currency is not None:
                exponent(found.currency)
            if found.amount_minor is not None and found.amount_minor < 0:
                raise refuse("amount_minor", "must not be negative")
        case Review():
            one_of(found.verdict, VERDICTS, "verdict")
        case _:
            pass
