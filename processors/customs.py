"""Import declarations as events of customs: the tables are in `docs/feeds.md`.

The file has one day and a label for each declaration. From the file is that it was declared
(source `customs:kr`); that an inspection was ordered, and what it found, follows from the label,
and its time is derived (source `inferred:customs:kr`). A corrected row without the label takes both
back. Nothing is released: the file does not say so.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import msgspec

from supplytwin.processors.feeds import Check, Given, Read, Refused, encoded
from supplytwin.schemas.customs import DECLARATION_ID, WAY_OUT, Line, Row, located, read
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import (
    CustomsDeclared,
    CustomsInspectionCompleted,
    CustomsInspectionOrdered,
    DeclarationLine,
    Event,
)
from supplytwin.schemas.ids import CHAIN_ID_BYTES, Micros, check_chain_id
from supplytwin.schemas.localtime import check_time, day_start
from supplytwin.schemas.money import exponent, to_minor

KIND_OF_SOURCE, SOURCE = "customs", "kr"
RECORDED = "--recorded"
"""The option behind `Given.recorded`: what is wrong with it is named by it."""
TZ = "+09:00"
"""Korea has no summer time."""
KIND = "PHYSICAL"
"""Assumed: the file does not say how it was inspected."""
_PLACED = frozenset(
    (DECLARATION_ID, "Date", "Office ID", "Declarant ID", "HS6 Code", "Country of Origin",
     "Net Mass", "Item Price", "Fraud")
)  # fmt: skip
"""Columns for which our events have a field; all others stand in the original alone."""
_MASS_UNIT = Decimal("0.000000001")
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_EPOCH_ORDINAL = 719_163
"""Of 1970-01-01 in `date.toordinal`."""


def document(data: bytes, given: Given | None = None, check: Check = encoded) -> Read:
    """What a file becomes: the events of every right row; each wrong row is refused by itself.

    A corrected file needs `given.recorded`: then its events replace those of before.
    """
    told = given or Given()
    accepted = 0
    events: list[Event] = []
    body_only = Counter[str]()
    refused: list[Refused] = []
    try:
        for line in read(data):
            try:
                made = _made(line, told, check)
            except RecordError as error:
                refused.append(Refused(line.body, error, _chain_of(line, told)))
            else:
                accepted += 1
                events += made
                body_only.update(_without_place(line.cells))
    except RecordError as error:
        return Read(refused=(Refused(data, error, told.chain),))
    return Read(
        accepted=accepted, events=tuple(events), body_only=body_only, refused=tuple(refused)
    )


def _made(line: Line, given: Given, check: Check) -> list[Event]:
    """The events of a row, each of which can be sent. Raises RecordError naming line and column."""
    if isinstance(line.row, RecordError):
        raise line.row
    try:
        made = list(declared(line.row, line, given))
        for one in made:
            check(one)
    except RecordError as error:
        way_out = "say when the file was made" if error.field == RECORDED else WAY_OUT
        raise located(line.number, error, way_out) from None
    return made


def _without_place(cells: Mapping[str, str]) -> Iterator[str]:
    """The columns that say something for which no field of our events is.

    Critical Fraud = 0 is what Fraud = 0 says, too.
    """
    for column, cell in cells.items():
        said = cell.strip()
        if said and column not in _PLACED and (column, said) != ("Critical Fraud", "0"):
            yield column


def _chain_of(line: Line, given: Given) -> str | None:
    """The chain of a row, also of a wrong one that says which declaration it is."""
    declaration_id = line.cells.get(DECLARATION_ID, "").strip()
    found = f"KCS:{declaration_id}" if given.chain is None else given.chain
    return found if declaration_id and len(found.encode()) <= CHAIN_ID_BYTES else given.chain


def check_recorded(recorded: Micros) -> None:
    """Raise RecordError unless it can be the time at which a file was made."""
    check_time(recorded, RECORDED)


def declared(row: Row, line: Line, given: Given) -> Iterator[Event]:
    """The events of one row: declared, and for a labelled one inspected, all on its day.

    A correction (`given.recorded`) without the label says that there was no inspection: whoever had
    the row before may have had it with the label. Raises RecordError naming the column or option.
    """
    chain_id = _chain_of(line, given)
    if chain_id is None:
        reason = f"makes a chain id of more than {CHAIN_ID_BYTES} bytes"
        raise RecordError(Code.BAD_VALUE, DECLARATION_ID, reason)
    check_chain_id(chain_id)
    day = row.date.toordinal() - _EPOCH_ORDINAL
    known = day_start(day + 1, TZ)
    if given.recorded is not None:
        known = given.recorded
        check_recorded(known)
        if known < day_start(day, TZ):
            reason = f"is before {row.date}, the day of the declaration: it would never count"
            raise RecordError(Code.BAD_VALUE, RECORDED, reason)
    source = f"{KIND_OF_SOURCE}:{given.source or SOURCE}"
    common: dict[str, Any] = {
        "revision": known,
        "classifier": "ACTUAL",
        "event_time": day_start(day, TZ),
        "event_tz": TZ,
        "time_precision": "DAY",
        "recorded_time": known,
        "chain_id": chain_id,
        "subject_type": "DECLARATION",
        "subject_id": row.declaration_id,
        "refs": (f"MRN:{row.declaration_id}",),
        "original_media_type": "application/json",
        "original": msgspec.json.encode(line.cells, order="sorted"),
    }
    yield CustomsDeclared(
        event_type=CustomsDeclared.TYPE,
        event_id=f"declared:{row.declaration_id}",
        source=source,
        declaration_id=row.declaration_id,
        regime="IMPORT",
        office=row.office,
        declarant=row.declarant,
        declaration_lines=(_item(row, given.currency),),
        **common,
    )
    if row.fraud or given.recorded is not None:
        yield from _inspection(row, {**common, "source": f"inferred:{source}"})


def _inspection(row: Row, common: Mapping[str, Any]) -> Iterator[Event]:
    """Ordered and completed, or that neither was.

    Taken back under its own id: of several files the latest counts, whatever it says, and two that
    were made in one instant and contradict each other are a conflict.
    """
    ordered = f"inspection_ordered:{row.declaration_id}"
    yield CustomsInspectionOrdered(
        event_type=CustomsInspectionOrdered.TYPE,
        event_id=ordered,
        inspection_kind=KIND,
        **_taken_back(row, ordered),
        **common,
    )
    completed = f"inspection_completed:{row.declaration_id}"
    yield CustomsInspectionCompleted(
        event_type=CustomsInspectionCompleted.TYPE,
        event_id=completed,
        result="FAIL",
        **_taken_back(row, completed),
        **common,
    )


def _taken_back(row: Row, event_id: str) -> dict[str, Any]:
    if row.fraud:
        return {}
    return {
        "correction_action": "RETRACT",
        "correction_event_id": event_id,
        "correction_reason": "INCORRECT_DATA",
    }


def _item(row: Row, currency: str) -> DeclarationLine:
    """Its one line. Prices are rounded to the currency's minor unit: the file has the noise of
    binary fractions in them (73.72000000000001); what it says stays in the original.
    """
    unit = Decimal(1).scaleb(-exponent(currency))
    value = row.item_price.quantize(unit, context=_WIDE)
    to_minor(value, currency, "Item Price")
    return DeclarationLine(
        line_no=1,
        value=value,
        currency=currency,
        hs6=row.hs6,
        origin=row.origin,
        net_mass_kg=_shortened(row.net_mass_kg),
    )


def _shortened(mass: Decimal) -> Decimal:
    """With at most the nine decimals that a decimal of ours may have."""
    rounded = mass.quantize(_MASS_UNIT, context=_WIDE)
    return mass if mass == rounded else rounded
