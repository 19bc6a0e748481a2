"""The checker for anyone's footprints: what a file is, whether it has the shape of its standard,
and whether its numbers agree with each other. Decimals of 34 digits; a difference that rounding to
the digits that are stated explains is none.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from supplytwin.processors import carbon_category_rules as category_rules
from supplytwin.processors import carbon_pact_rules as pact_rules
from supplytwin.processors import carbon_rules as rules
from supplytwin.processors.carbon_exchange import (
    Profile,
    extensions,
    kind_of,
    parts,
    read,
)
from supplytwin.processors.carbon_values import Object, objects, text, wrong
from supplytwin.schemas import ileap, json_exact
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.findings import Finding, below, place

_ID: dict[type[Any], str] = {ileap.TOC: "tocId", ileap.HOC: "hocId"}
_PLAIN: dict[str, type[Any]] = {kind.__name__: kind for kind in ileap.FILES}


class Checked(Struct, frozen=True, kw_only=True, gc=False):
    """One document of the file and what it was taken for."""

    path: str
    kind: str
    """ShipmentFootprint | TOC | HOC | TAD, pact2 or pact3 with what it carries, or unknown."""


class Report(Struct, frozen=True, kw_only=True, gc=False):
    """What the checker says; `unchecked` = what it could not look at, and why."""

    documents: tuple[Checked, ...]
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]


class _Found(Struct, frozen=True, kw_only=True):
    path: str
    kind: str | None
    value: Any
    inner: tuple[pact_rules.Carried, ...]


def check(raw: bytes, profile: Profile | None = None) -> Report:
    """Every finding in a file, in its order. `profile` decides where iLEAP and PACT differ; None =
    iLEAP for PACT 2, PACT for PACT 3. Never raises.
    """
    findings = list(read(raw).findings)
    try:
        value = json_exact.parsed(raw)
    except RecordError:
        return Report(documents=(), findings=tuple(findings), unchecked=())
    found = [_look(path, one) for path, one in parts(value)]
    if not found:
        do = "check that it is the file that was meant"
        findings.append(wrong("NOTHING", "$", "no document", "at least one", do))
    categories, doubled = _categories(found)
    findings += doubled
    for one in found:
        for carried in one.inner:
            findings += _inside(carried, categories)
        if one.kind in ("pact2", "pact3"):
            findings += pact_rules.footprint(
                one.value, one.path, one.kind, one.inner, categories, profile
            )
    return Report(
        documents=tuple(Checked(path=one.path, kind=_said(one)) for one in found),
        findings=tuple(sorted(findings, key=lambda one: place(one.path))),
        unchecked=tuple(_unchecked(found, categories)),
    )


def _look(path: str, value: Any) -> _Found:
    kind = kind_of(value)
    inner: tuple[pact_rules.Carried, ...] = ()
    if kind in _PLAIN:
        inner = (pact_rules.Carried(path=path, kind=_PLAIN[kind], value=value),)
    elif kind is not None:
        inner = tuple(
            pact_rules.Carried(path=where, kind=type_, value=data)
            for where, type_, data in extensions(value, path)
        )
    return _Found(path=path, kind=kind, value=value, inner=inner)


def _said(one: _Found) -> str:
    if one.kind is None or one.kind in _PLAIN:
        return one.kind or "unknown"
    return " ".join([one.kind, *(carried.kind.__name__ for carried in one.inner)])


def _categories(found: list[_Found]) -> tuple[dict[tuple[str, str], Object], list[Finding]]:
    """The TOCs and HOCs of the file by id, and those that say something else under a known id."""
    known: dict[tuple[str, str], Object] = {}
    doubled = []
    for one in found:
        for carried in one.inner:
            field = _ID.get(carried.kind)
            name = None if field is None else text(carried.value, field)
            if field is None or name is None:
                continue
            if known.setdefault((field, name), carried.value) != carried.value:
                do = "the first one counts here: leave one out, or give it another id"
                where = below(carried.path, field)
                doubled.append(wrong("CATEGORY_TWICE", where, name, "one meaning of an id", do))
    return known, doubled


def _inside(carried: pact_rules.Carried, categories: rules.Categories) -> Iterator[Finding]:
    if carried.kind is ileap.ShipmentFootprint:
        yield from rules.shipment(carried.value, carried.path, categories)
    elif carried.kind is ileap.TAD:
        yield from category_rules.activity_data(carried.value, carried.path)
    else:
        yield from category_rules.category(carried.value, carried.path)


def _unchecked(found: list[_Found], categories: rules.Categories) -> Iterator[str]:
    for one in found:
        for carried in one.inner:
            for where, tce in objects(carried.value, "tces", carried.path):
                for field in ("tocId", "hocId"):
                    name = text(tce, field)
                    if name is not None and (field, name) not in categories:
                        yield f"{where}: {field} {name} is not in the file: intensity unknown"
