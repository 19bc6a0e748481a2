"""Templates of contract terms as data: `contract_templates.json`, and its parameters as types.

A template has the terms with holes, and declares what may stand in each: `"{deadline}"` is the
value of a parameter, `"lot-{each.lot}"` a text with one in it, `{"$each": "lots", "make": …}` in a
list what is made of each element, `{"$total": true}` the floor of quantities times prices,
`{"$most": "T1"}` the most that a tranche can pay. Everything in DETAILS is the contract's own.
"""

from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from supplytwin.schemas.amounts import ALL_BP, Id, Minor
from supplytwin.schemas.condition import Duration, Instant
from supplytwin.schemas.contract import Form, Some, Text
from supplytwin.schemas.decimal_text import Bounds

FILE = "contract_templates.json"
DETAILS = (
    "contract_id", "version", "amends", "chain_id", "parties", "attesters", "warehouses",
    "references", "currency", "purpose_code", "lines", "calendar", "evidence",
)  # fmt: skip
"""What no template says: it stands in the terms as it was given."""
Type = Literal[
    "moment", "date", "duration", "share", "points", "minor", "count", "decimal", "id", "text",
    "word", "flag", "names", "items",
]  # fmt: skip
Date = Annotated[str, Meta(extra={"format": "date"})]
_PLAIN: dict[str, Any] = {
    "moment": Instant,
    "date": Date,
    "duration": Duration,
    "minor": Minor,
    "id": Id,
    "text": Text,
    "flag": bool,
    "names": Some,
}


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hole of a template: its type, what it means, its range, and its default if it has one."""

    name: str
    type: Type
    says: str
    default: Any | UnsetType = UNSET
    min: int | str | None = None
    max: int | str | None = None
    words: tuple[str, ...] = ()
    fields: tuple["Parameter", ...] = ()

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is UNSET


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all templates share."""

    parameters: tuple[Parameter, ...]
    terms: dict[str, Any]


class Template(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One template in one version. `example` fills it in."""

    name: str
    version: str
    title: str
    differs: tuple[str, ...]
    """What the contract that it is after has, and the template does not."""
    parameters: tuple[Parameter, ...]
    terms: dict[str, Any]
    example: dict[str, Any]


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    common: Part
    templates: tuple[Template, ...]


@cache
def shipped() -> dict[str, Template]:
    """The templates of this package by name, each with what all of them share."""
    raw = resources.files("supplytwin.schemas").joinpath(FILE).read_bytes()
    file = msgspec.json.decode(raw, type=_File)
    return {
        one.name: msgspec.structs.replace(
            one,
            parameters=(*one.parameters, *file.common.parameters),
            terms=file.common.terms | one.terms,
        )
        for one in file.templates
    }


@cache
def form(name: str) -> type[Struct]:
    """The parameters of a shipped template as a Struct, for the strict reader."""
    return _form(name, shipped()[name].parameters)


def _form(name: str, parameters: tuple[Parameter, ...]) -> type[Struct]:
    needed = [(one.name, _type(one)) for one in parameters if one.required]
    others = [
        (one.name, _type(one), _default(one.default)) for one in parameters if not one.required
    ]
    return msgspec.defstruct(
        f"Parameters of {name}", [*needed, *others], bases=(Form,), frozen=True, kw_only=True
    )


def _default(value: Any) -> Any:
    """A list cannot be a default: msgspec copies only empty ones."""
    if not isinstance(value, list):
        return value
    return msgspec.field(default_factory=lambda: value)


def _type(parameter: Parameter) -> Any:
    match parameter.type:
        case "share" | "points" | "count":
            low, high = _whole(parameter.min, 0), _whole(parameter.max, ALL_BP)
            return Annotated[int, Meta(ge=low, le=high)]
        case "decimal":
            bounds = Bounds(low=Decimal(str(parameter.min)), high=Decimal(str(parameter.max)))
            return Annotated[Decimal, Meta(extra={"bounds": bounds})]
        case "word":
            return Annotated[str, Meta(extra={"words": parameter.words})]
        case "items":
            item = _form(parameter.name, parameter.fields)
            return Annotated[tuple[item, ...], Meta(extra={"filled": True})]  # type: ignore[valid-type]
        case _:
            return _PLAIN[parameter.type]


def _whole(bound: int | str | None, otherwise: int) -> int:
    return otherwise if bound is None else int(bound)
