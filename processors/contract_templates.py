"""Terms from a template and its parameters; and whether terms are what their template makes."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from supplytwin.processors.amounts import maxima
from supplytwin.schemas import contract_read
from supplytwin.schemas import contract_templates as data
from supplytwin.schemas.amounts import QTY_DECIMALS, AmountTerms, Line, billionths, check_number
from supplytwin.schemas.contract import FORM, ContractTerms, written
from supplytwin.schemas.contract_codes import problem
from supplytwin.schemas.contract_templates import DETAILS, Template
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.findings import Finding, below, in_order, shown
from supplytwin.schemas.json_exact import Number, parsed
from supplytwin.schemas.money import exponent

_HOLE = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)?)\}")
_DIFFERENCES_MAX = 20
Values = Mapping[str, Any]


class Made(Struct, frozen=True, kw_only=True):
    """Terms that a template made, as JSON; None where the parameters have findings."""

    raw: bytes | None
    findings: tuple[Finding, ...]


def make(template: Template, raw: bytes) -> Made:
    """Terms from a template and a JSON object with its parameters and the contract's own members
    (DETAILS). Whether the terms make sense is for `contract_check`. Never raises for what stands
    in `raw`.
    """
    try:
        return _made(template, parsed(raw, odd=True))
    except RecordError as error:
        says = f"{error.reason}: write JSON in UTF-8"
    except RecursionError:
        says = "is nested too deeply: flatten it"
    except UnicodeEncodeError:
        says = "has half of a character: write JSON in UTF-8"
    return Made(raw=None, findings=(Finding(path="$", code="MALFORMED", says=says),))


def _made(template: Template, given: Any) -> Made:
    if not isinstance(given, dict):
        says = "write an object with parameters"
        return Made(raw=None, findings=(Finding(path="$", code="TYPE", says=says),))
    twice = tuple(_twice(given, "$"))
    if twice:
        return Made(raw=None, findings=in_order(twice))
    details = {name: _as_written(one) for name, one in given.items() if name in DETAILS}
    others = {name: one for name, one in given.items() if name not in DETAILS}
    values, findings = read_parameters(template, others, "$")
    if values is None:
        own = contract_read.read(msgspec.json.encode(details)).findings
        more = [one for one in own if _member(one.path) in DETAILS]
        return Made(raw=None, findings=in_order((*findings, *more)))
    return Made(raw=msgspec.json.encode(_built(template, values, details)), findings=())


def _member(path: str) -> str:
    """The member of the whole document in which `path` is."""
    return re.split(r"[.\[]", path)[1] if len(path) > 1 else ""


def _twice(value: Any, path: str) -> Iterator[Finding]:
    """Names that stand twice in one object: nobody knows which counts."""
    if isinstance(value, dict):
        for name in getattr(value, "names", ()):
            says = "stands there twice: leave one out, nobody knows which counts"
            yield Finding(path=below(path, name), code="TWICE", says=says)
        for name, one in value.items():
            yield from _twice(one, below(path, name))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _twice(one, below(path, at))


def read_parameters(
    template: Template, value: Any, path: str
) -> tuple[Values | None, tuple[Finding, ...]]:
    """The values of a template's parameters, defaults filled in; None when any is wrong."""
    made, findings = contract_read.checked_as(value, data.form(template.name), path)
    if made is None:
        return None, in_order(findings)
    values: Values = _texts(msgspec.to_builtins(made, builtin_types=(Decimal,)))
    return values, ()


def _texts(value: Any) -> Any:
    """Decimals in their one spelling."""
    if isinstance(value, dict):
        return {name: _texts(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(one) for one in value]
    return plain(value) if isinstance(value, Decimal) else value


def differences(terms: ContractTerms) -> Iterator[Finding]:
    """Where terms are not what the template that they name makes of their parameters."""
    template = data.shipped().get(terms.template or "")
    if template is None:
        known = ", ".join(data.shipped())
        yield problem("$.template", "TEMPLATE", f"{terms.template} is none of {known}")
        return
    if terms.template_version != template.version:
        says = f"is {terms.template_version}, there is {template.version}"
        yield problem("$.template_version", "TEMPLATE", says)
        return
    stated = written(terms)
    again = parsed(msgspec.json.encode(terms.parameters), odd=True)
    values, findings = read_parameters(template, again, "$.parameters")
    if values is None:
        for one in findings:
            yield problem(one.path, "TEMPLATE", one.line)
        return
    details = {name: stated[name] for name in DETAILS}
    made = msgspec.json.encode(_built(template, values, details))
    found = contract_read.read(made)
    if found.value is None:
        for one in found.findings:
            says = f"the template makes of its parameters what cannot be read: {one.line}"
            yield problem(one.path, "TEMPLATE", says)
        return
    differ = _differ(stated, written(found.value), "$")
    for _, one in zip(range(_DIFFERENCES_MAX), differ, strict=False):
        yield one


def _differ(stated: Any, made: Any, path: str) -> Iterator[Finding]:
    if isinstance(stated, dict) and isinstance(made, dict) and stated.keys() == made.keys():
        for name in stated:
            yield from _differ(stated[name], made[name], below(path, name))
    elif isinstance(stated, list) and isinstance(made, list) and len(stated) == len(made):
        for at, (one, other) in enumerate(zip(stated, made, strict=True)):
            yield from _differ(one, other, below(path, at))
    elif stated != made:
        says = f"is {shown(stated)}, the template makes {shown(made)} of these parameters"
        yield problem(path, "TEMPLATE", says)


def _as_written(value: Any) -> Any:
    """What `parsed` gave, to be written again: numbers keep their own text."""
    if isinstance(value, dict):
        return {name: _as_written(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_as_written(one) for one in value]
    return msgspec.Raw(str(value).encode()) if isinstance(value, Number) else value


def _built(template: Template, values: Values, details: Mapping[str, Any]) -> dict[str, Any]:
    """The terms as a JSON object."""
    made: dict[str, Any] = {
        "form": FORM,
        "template": template.name,
        "template_version": template.version,
        "parameters": dict(values),
        **details,
        **_filled(template.terms, values),
    }
    return _computed(made)


def _filled(skeleton: Any, values: Values) -> Any:
    """A part of a template with its holes filled in."""
    if isinstance(skeleton, dict):
        return {name: _filled(one, values) for name, one in skeleton.items()}
    if isinstance(skeleton, list):
        return [one for part in skeleton for one in _elements(part, values)]
    if not isinstance(skeleton, str):
        return skeleton
    whole = _HOLE.fullmatch(skeleton)
    if whole is not None:
        return _value(whole[1], values)
    return _HOLE.sub(lambda hole: str(_value(hole[1], values)), skeleton)


def _elements(part: Any, values: Values) -> list[Any]:
    if not isinstance(part, dict) or "$each" not in part:
        return [_filled(part, values)]
    items = _value(part["$each"], values)
    return [_filled(part["make"], {**values, "each": item}) for item in items]


def _value(name: str, values: Values) -> Any:
    outer, _, inner = name.partition(".")
    return values[outer][inner] if inner else values[outer]


def _computed(made: dict[str, Any]) -> dict[str, Any]:
    """The terms with totals and maxima. What cannot be computed is 0: the check says why."""
    total = _total(made)
    made = {name: total if one == {"$total": True} else one for name, one in made.items()}
    tranches = [
        {name: one[name] for name in ("tranche_id", "amount", "adjustments") if name in one}
        for one in made["tranches"]
    ]
    asked = {
        "currency": made.get("currency"),
        "cap_minor": made["cap_minor"],
        "total_minor": made["total_minor"],
        "rounding": made["rounding"],
        "lines": made.get("lines", ()),
        "tranches": tranches,
    }
    try:
        terms = msgspec.json.decode(msgspec.json.encode(asked), type=AmountTerms)
        most = {name: one.minor for name, one in maxima(terms).items()}
    except (msgspec.MsgspecError, RecordError, UnicodeEncodeError):
        most = {}
    for tranche in made["tranches"]:
        for claim in tranche["claims"]:
            held = claim["max_minor"]
            if isinstance(held, dict):
                claim["max_minor"] = most.get(held["$most"], 0)
    return made


def _total(made: Mapping[str, Any]) -> int:
    """Quantities times prices in minor units, floored once."""
    try:
        raw = msgspec.json.encode(made.get("lines", ()))
        lines = msgspec.json.decode(raw, type=tuple[Line, ...])
        for one in lines:
            check_number(one.qty, "qty")
            check_number(one.unit_price, "unit_price")
        digits = exponent(str(made.get("currency")))
        owed = sum(billionths(one.qty) * billionths(one.unit_price) for one in lines)
    except (msgspec.MsgspecError, RecordError, UnicodeEncodeError):
        return 0
    return int(owed * 10**digits // 10 ** (2 * QTY_DECIMALS))
