"""The condition of a tranche as data: its operators, and the one spelling that the parties sign.
`condition_read` reads it.

A condition is a JSON object with one member, named by its operator; `condition.schema.json` says
the same, docs/conditions.md what each means. There is no negation but `absent`, which has a window:
with late data any other would take back what was TRUE.
"""

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from supplytwin.schemas import strict
from supplytwin.schemas.decimal_text import Bounds
from supplytwin.schemas.durations import duration_text, duration_us
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.rfc3339 import moment

DEPTH_MAX, NODES_MAX = 8, 64
BP = 10_000
"""Basis points in the whole."""

Name = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
"""A type, a role, a state, a measure."""
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", extra={"line": True})]
Subject = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{0,63}:[!-~]{1,200}$")]
Roles = Annotated[tuple[Name, ...], Meta(min_length=1, extra={"filled": True, "unique": True})]
Instant = Annotated[str, Meta(extra={"format": "moment"})]
Duration = Annotated[str, Meta(extra={"format": "duration"})]
Positive = Annotated[Decimal, Meta(extra={"bounds": Bounds(low=Decimal(0), above=True)})]
Compared = Literal[">=", ">", "=", "<", "<="]
Reached = Literal[">=", ">"]
Sort = Literal[
    "milestone", "quantity", "quality", "telemetry", "document", "asset", "carbon", "absent",
    "approval", "time",
]  # fmt: skip
EVIDENCE_ASSURANCE = ("UNSIGNED", "AUTHENTICATED", "SIGNED")
"""From the weakest on: nothing, a shared key (nobody is bound by it), a signature."""
CARBON_ASSURANCE = ("UNVERIFIED", "VERIFIED")


class Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown fields are refused."""


class Anchor(Form, frozen=True, kw_only=True):
    """A time that only the chain will tell: when a milestone was reached or a tranche was settled,
    and so much later.
    """

    anchor: Annotated[str, Meta(pattern=r"^(MILESTONE|TRANCHE):[A-Za-z0-9_-]{1,64}$")]
    plus: Duration = "PT0S"


When = Anchor | Instant


class By(Form, frozen=True, kw_only=True):
    """Who has to tell it: k organisations, each in another of the roles."""

    roles: Roles
    k: int = 1
    distinct_orgs: bool = True
    """Always true: k says how many organisations there are."""


class Milestone(Form, frozen=True, kw_only=True):
    """It was reached, of one subject, as told by enough organisations."""

    type: Name
    subject: Subject | None = None
    """Left out: of any one subject, the same one for all who tell it."""
    by: By
    before: Instant | None = None
    """Inclusive, like every deadline; its offset decides what day it is."""
    place: Text | None = None
    min_assurance: Literal["UNSIGNED", "AUTHENTICATED", "SIGNED"] | None = None


class Quantity(Form, frozen=True, kw_only=True):
    """So much of an order line, all that counts added up."""

    line: Text
    measure: Literal["SHIPPED", "RECEIVED", "ACCEPTED"]
    op: Reached
    value: Positive | None = None
    pct_of_ordered_bp: int | None = None


class Quality(Form, frozen=True, kw_only=True):
    """The last word of the certificates on a test."""

    test: Name
    op: Compared
    value: Decimal
    unit: Text
    certificate_role: Name


class Telemetry(Form, frozen=True, kw_only=True):
    """A series of readings stayed within its bounds, but for so long at most."""

    metric: Name
    min: Decimal
    max: Decimal
    unit: Text
    from_: When = field(name="from")
    to: When
    max_excursion: Duration
    max_single: Duration
    min_coverage_bp: int


class Document(Form, frozen=True, kw_only=True):
    """A document of the type stands in a state, as its issuer told last."""

    type: Name
    state: Name
    unique: bool
    """Always true: nothing is paid on a document that backs another contract, too."""
    issuer_role: Name


class Asset(Form, frozen=True, kw_only=True):
    """A title of the kind stands in a state under a controller, as was told last."""

    kind: Name
    state: Name
    controller_role: Name


class Carbon(Form, frozen=True, kw_only=True):
    """The last footprint of at least that assurance."""

    measure: Name
    op: Compared
    value: Decimal
    unit: Text
    assurance: Literal["UNVERIFIED", "VERIFIED"]


class Absent(Form, frozen=True, kw_only=True):
    """No fact of the type, decided when the window has closed."""

    type: Name
    during: Literal["CHALLENGE"] | tuple[When, When]


class Approval(Form, frozen=True, kw_only=True):
    """k organisations agree, each in another of the roles."""

    roles: Roles
    k: int
    deadline: Instant | None = None
    """Left out: the long stop of the contract."""


class Time(Form, frozen=True, kw_only=True):
    """The tick time lies within, both ends included."""

    not_before: When | None = None
    not_after: When | None = None


class All(Form, frozen=True, kw_only=True):
    """Every one of them."""

    of: tuple["Condition", ...]


class AnyOf(Form, frozen=True, kw_only=True):
    """One of them."""

    of: tuple["Condition", ...]


class AtLeast(Form, frozen=True, kw_only=True):
    """k of them."""

    k: int
    of: tuple["Condition", ...]


Leaf = (
    Milestone | Quantity | Quality | Telemetry | Document | Asset | Carbon | Absent | Approval
    | Time
)  # fmt: skip
Group = All | AnyOf | AtLeast
Condition = Leaf | Group

LEAVES: dict[str, type[Any]] = {
    "milestone": Milestone,
    "quantity": Quantity,
    "quality": Quality,
    "telemetry": Telemetry,
    "document": Document,
    "asset": Asset,
    "carbon": Carbon,
    "absent": Absent,
    "approval": Approval,
    "time": Time,
}
GROUPS = ("all", "any", "at_least")
OPERATORS = (*GROUPS, *LEAVES)
_NAMES: dict[type[Any], str] = {kind: name for name, kind in LEAVES.items()}
_NAMES |= {All: "all", AnyOf: "any", AtLeast: "at_least"}
CONDITIONS = tuple(_NAMES)
"""Every Struct that a condition is made of."""


def operator(node: Condition) -> str:
    """The name of the operator, as it stands in the JSON."""
    return _NAMES[type(node)]


def children(node: Condition, path: str) -> Iterator[tuple[str, Condition]]:
    """The conditions directly inside of one at `path`, each with its own path."""
    if isinstance(node, AtLeast):
        path = f"{path}.at_least.of"
    elif isinstance(node, All | AnyOf):
        path = f"{path}.{operator(node)}"
    else:
        return
    for at, child in enumerate(node.of):
        yield f"{path}[{at}]", child


def walked(node: Condition, path: str = "$") -> Iterator[tuple[str, Condition]]:
    """A condition and all inside of it, each with its path, in the order of the document."""
    yield path, node
    for where, child in children(node, path):
        yield from walked(child, where)


# ---- one spelling


def micros(text: str) -> Micros:
    """The instant of an `Instant` that was read, us UTC."""
    return moment(text).micros


def _when(value: When) -> When:
    if isinstance(value, Anchor):
        return replace(value, plus=duration_text(duration_us(value.plus)))
    return moment(value).text


def spelled(node: Any) -> Any:
    """A leaf with its times, durations and roles in their one spelling."""
    match node:
        case Milestone():
            by = replace(node.by, roles=tuple(sorted(node.by.roles)))
            before = None if node.before is None else moment(node.before).text
            return replace(node, by=by, before=before)
        case Telemetry():
            return replace(
                node,
                from_=_when(node.from_),
                to=_when(node.to),
                max_excursion=duration_text(duration_us(node.max_excursion)),
                max_single=duration_text(duration_us(node.max_single)),
            )
        case Absent() if node.during != "CHALLENGE":
            first, last = node.during
            return replace(node, during=(_when(first), _when(last)))
        case Approval():
            deadline = None if node.deadline is None else moment(node.deadline).text
            return replace(node, roles=tuple(sorted(node.roles)), deadline=deadline)
        case Time():
            ends = {"not_before": node.not_before, "not_after": node.not_after}
            given = {name: _when(one) for name, one in ends.items() if one is not None}
            return replace(node, **given)
    return node


def plain(node: Condition) -> dict[str, Any]:
    """The JSON object of a condition, with every default written out. Raises RecordError for a
    number that has no plain spelling.
    """
    if isinstance(node, All | AnyOf):
        return {operator(node): [plain(child) for child in node.of]}
    if isinstance(node, AtLeast):
        return {"at_least": {"k": node.k, "of": [plain(child) for child in node.of]}}
    if isinstance(node, Absent):
        during = node.during
        shown = during if during == "CHALLENGE" else [_written(one) for one in during]
        return {"absent": {"type": node.type, "during": shown}}
    whens = {"from": "from_", "to": "to"} if isinstance(node, Telemetry) else {}
    if isinstance(node, Time):
        whens = {"not_before": "not_before", "not_after": "not_after"}
    body = strict.written(replace(node, **dict.fromkeys(whens.values())))
    for name, attribute in whens.items():
        when: When | None = getattr(node, attribute)
        if when is not None:
            body[name] = _written(when)
    return {operator(node): body}


def _written(when: When) -> Any:
    return strict.written(when) if isinstance(when, Anchor) else when


def encode(node: Condition) -> bytes:
    """Canonical JSON: members sorted by name, no white space, decimals as texts, UTF-8. What was
    read and says the same in another spelling gives the same bytes; the order of children stays.
    """
    return msgspec.json.encode(plain(node), order="sorted")


def condition_hash(canonical: bytes) -> str:
    """Hex SHA-256 of a canonical condition: what the parties sign."""
    return hashlib.sha256(canonical).hexdigest()
