"""The report of footprints as one HTML page: it loads nothing, and has no script.

Every text goes through the template's escaping. Numbers are rounded for reading here and nowhere
else: at most four digits that say something behind the point, fewer of large ones.
"""

import datetime as dt
import importlib.resources
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import jinja2
from msgspec import Struct

from supplytwin.processors.carbon_figures import Sum
from supplytwin.processors.carbon_parts import ONE, total
from supplytwin.processors.carbon_selection import Selection
from supplytwin.processors.carbon_whole_report import Entry, Report
from supplytwin.schemas.decimal_text import plain
from supplytwin.streams.carbon_flow import chart

_WIDE = Context(prec=100)
_TEMPLATE = "carbon_report.html"
_UNKNOWN = "not known"
_TONNE = Decimal(1000)
_LARGE = Decimal(10_000)
_ROWS, _TEXTS, _ENTRIES = 25, 5, 50
"""Rows of a table by lane, wordings of a note, footprints: `--json` has the others, too."""
_YEAR_DAYS = 365
KIND = {"ROAD": "road", "RAIL": "rail", "AIR": "air", "SEA": "sea", "BARGE": "barge"}
"""Class of the colour of each mode; hubs have one together."""


class Rest(Struct, frozen=True, kw_only=True):
    """What a shortened table leaves out."""

    rows: int
    wtw_kg: Decimal | None


def page(report: Report) -> str:
    """The page. The same report gives the same page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(num=shown, share=percent, mass=mass, bar=bar, exact=exact)
    text = importlib.resources.files("supplytwin.streams").joinpath(_TEMPLATE).read_text("utf-8")
    lanes, rest = _shortened(report.totals.lanes)
    entries = sorted(report.footprints, key=_by_size)
    return environment.from_string(text).render(
        report=report,
        title=title(report.selection),
        chart=chart(report.totals.flows),
        lanes=lanes,
        lanes_rest=rest,
        entries=entries[:_ENTRIES],
        entries_rest=len(entries) - len(entries[:_ENTRIES]),
        gaps_named=[one for one in entries if one.standing == "INCOMPLETE"][:_ENTRIES],
        notes=(
            ("Warnings", report.warnings),
            ("Deviations from ISO 14083", report.deviations),
            ("Assumptions", report.assumptions),
        ),
        texts_max=_TEXTS,
        kind=KIND,
        days=_days(report),
        year_days=_YEAR_DAYS,
        single=report.selection.chain_id is not None,
    )


def title(selection: Selection) -> str:
    """What the report is about, for people."""
    parts = [
        f"{name} {value}"
        for name, value in (
            ("chain", selection.chain_id),
            ("lane", selection.lane),
            ("year", selection.year),
            ("month", selection.month),
        )
        if value is not None
    ]
    return ", ".join(parts) or "all chains"


def shown(value: Decimal | str | None) -> str:
    """A number with thousands separators: from 10,000 without decimals, from 100 with two, below
    with four significant digits.
    """
    if value is None:
        return _UNKNOWN
    value = Decimal(value)
    size = value.copy_abs()
    if size >= _LARGE:
        places = 0
    elif size >= 100:
        places = 2
    else:
        places = 3 - size.adjusted() if size else 0
    text = f"{value.quantize(Decimal(1).scaleb(-places), None, _WIDE):,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")


def exact(value: Decimal | str) -> str:
    """A number with all its digits, and thousands separators."""
    return f"{Decimal(plain(Decimal(value))):,f}"


def mass(kg: Decimal | None) -> str:
    """kg CO2e as people say it: tonnes from 10 t."""
    if kg is None:
        return _UNKNOWN
    return f"{shown(kg / _TONNE)} t" if kg.copy_abs() >= _LARGE else f"{shown(kg)} kg"


def percent(share: Decimal | None) -> str:
    """A share of 1 in percent, one decimal."""
    if share is None:
        return _UNKNOWN
    if 0 < share < Decimal("0.0005"):
        return "< 0.1 %"
    return f"{(share * 100).quantize(Decimal('0.1'), None, _WIDE)} %".replace("-", "−")


def bar(share: Decimal | None) -> str:
    """The width of a bar out of 100."""
    within = min(max(share or Decimal(0), Decimal(0)), ONE)
    return str((within * 100).quantize(Decimal("0.1")))


def _shortened(lanes: Sequence[Sum]) -> tuple[Sequence[Sum], Rest | None]:
    head, tail = lanes[:_ROWS], lanes[_ROWS:]
    rest = Rest(rows=len(tail), wtw_kg=total(one.wtw_kg for one in tail))
    return head, rest if tail else None


def _by_size(one: Entry) -> tuple[Any, ...]:
    kg = Decimal(one.newest.wtw_kg or 0)
    return (-kg, one.chain_id, one.consignment_id)


def _days(report: Report) -> int | None:
    """Days of the period, both ends included."""
    if report.period_first is None or report.period_last is None:
        return None
    first, last = map(dt.date.fromisoformat, (report.period_first, report.period_last))
    return (last - first).days + 1
