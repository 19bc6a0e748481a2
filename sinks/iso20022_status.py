"""A status report (pain.002), read whole: what it says of a file, its blocks and its payments.

Three levels may each have a status and reasons, and they need not agree. A rejection as a duplicate
at any of them is one of all that it is about: it must never look like a rejection that allows
another attempt. A part whose status is not understood is kept as unread, so that the word of what
it stands in is not told in its place.
"""

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.sinks.iso20022_answers import Answer, Fault, Place, Reader, Scope, Unread, joined

STATUSES = frozenset(("RCVD", "ACTC", "ACCP", "ACSP", "ACSC", "ACWC", "PDNG", "RJCT"))
"""Of one payment; a block or a file may be PART of these."""
ALREADY_THERE = frozenset(("AM05", "DUPL", "DU01", "DU02", "DU03", "DU04", "DU05"))
"""Reasons of a rejection that mean: the bank has this already. It rejects the repetition and not
the payment, so that no new attempt may follow: the bank is asked.
"""
NO_ORIGINAL = "NOOR"
_AMOUNT = "OrgnlTxRef/Amt/InstdAmt"


class _Level(Struct, kw_only=True, gc=False):
    """A file, a block or a payment: its status as it stands there, and the level around it."""

    about: Answer
    """`status` is empty when there is none, or none that is understood."""
    codes: frozenset[str]
    unread: bool
    """There is a status, or should be, and it is not understood."""
    around: "_Level | None" = None
    duplicate: bool = False
    """It, or a part of it, is rejected as a duplicate."""


def status_report(reader: Reader, body: Place, base: Answer) -> list[Answer]:
    """The answers of a pain.002 in their order; what is not understood is the reader's `unread`."""
    group = reader.need(body, "OrgnlGrpInfAndSts")
    if group is not None:
        base = replace(base, original_message_id=reader.id(group, "OrgnlMsgId"))
    file = _level(reader, group, "GrpSts", replace(base, scope=Scope.MESSAGE))
    levels = [file]
    for block in reader.all(body, "OrgnlPmtInfAndSts"):
        batch = replace(base, original_batch_id=reader.id(block, "OrgnlPmtInfId"))
        around = _level(reader, block, "PmtInfSts", replace(batch, scope=Scope.BATCH), file)
        levels.append(around)
        for tx in reader.all(block, "TxInfAndSts"):
            levels.append(_payment(reader, tx, batch, around))
    for one in levels:
        if one.codes & ALREADY_THERE:
            _mark(one)
    reader.unread += [Unread(about=one.about) for one in levels if one.unread]
    return [_answer(one) for one in levels if one.about.status]


def _payment(reader: Reader, tx: Place, batch: Answer, around: _Level) -> _Level:
    about = replace(
        batch,
        settlement_id=reader.settlement(tx, "OrgnlEndToEndId"),
        uetr=reader.uetr(tx, "OrgnlUETR"),
        instruction_id=reader.id(tx, "OrgnlInstrId"),
    )
    reader.needed(tx, "TxSts")
    level = _level(reader, tx, "TxSts", about, around)
    before = len(reader.findings)
    money = reader.money(tx, _AMOUNT) if reader.one(tx, _AMOUNT) is not None else None
    if money is not None:
        level.about = replace(level.about, amount_minor=money.minor, currency=money.currency)
    elif len(reader.findings) > before and level.about.status == "ACSC":
        level.about = replace(level.about, status="")
    level.unread = not level.about.status
    return level


def _level(
    reader: Reader, place: Place | None, name: str, about: Answer, around: _Level | None = None
) -> _Level:
    """What stands at one level; `name` is the element of its status."""
    before = len(reader.findings)
    code = reader.text(place, name)
    unread = len(reader.findings) > before
    if place is None:
        return _Level(about=about, codes=frozenset(), unread=False, around=around)
    if code is not None and code not in STATUSES and (code, about.scope) not in _OF_PARTS:
        says = f"{code[:20]!r} is no status that we know"
        reader.fault(f"{place.path}/{name}", Fault.UNKNOWN_CODE, says)
        code, unread = None, True
    codes, says_why = reader.reasons(place, "StsRsnInf")
    about = replace(about, path=place.path, status=code or "", says=says_why)
    return _Level(about=about, codes=codes, unread=unread, around=around)


_OF_PARTS = (("PART", Scope.MESSAGE), ("PART", Scope.BATCH))


def _mark(level: _Level) -> None:
    """It is a duplicate, and so is what it stands in."""
    upward: _Level | None = level
    while upward is not None:
        upward.duplicate = True
        upward = upward.around


def _is_duplicate(level: _Level) -> bool:
    """Itself, a part of it, or one that it stands in."""
    if level.duplicate:
        return True
    around = level.around
    while around is not None:
        if around.codes & ALREADY_THERE:
            return True
        around = around.around
    return False


def _answer(level: _Level) -> Answer:
    """The status as it is told. A rejection without a reason has that of the nearest rejection
    that it stands in.
    """
    about, codes = level.about, level.codes
    around = level.around
    while about.status == "RJCT" and not codes and around is not None:
        rejected = around.about.status in {"RJCT", ""} and not around.unread
        codes = around.codes if rejected else frozenset()
        around = around.around
    status = about.status
    if status == "RJCT" and _is_duplicate(level):
        status = "DUPL"
    elif status == "RJCT" and codes == {NO_ORIGINAL}:
        status = "NOT_FOUND"
    return replace(about, status=status, reason=joined(codes))
