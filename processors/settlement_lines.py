"""A case for the settlement, as people write it: JSON lines, read strictly and all at once.

Each line is one object: what happens (`event`, `tick`, `receipt`, `review`, `contract`, `rail`) and
perhaps when it arrived. Nothing is guessed: an unknown name, a name that stands twice, a value of
another type is reported with its line and field. docs/settlement-simulate.md has the format.
"""

import difflib
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from supplytwin.schemas import codec, json_exact, terms, validate
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import EVENT_TYPES, Event
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.json_text import Twice
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.records import CONTRACTS, Contract, Receipt, Review, Signature
from supplytwin.schemas.rfc3339 import moment

Kind = Literal["event", "tick", "receipt", "review", "contract", "rail"]
KINDS: tuple[Kind, ...] = typing.get_args(Kind)
HERE = "here"
"""The contract of the command line is taken where a line says so, not before all lines."""
NOW = "now"
"""In a review: the evidence hash, or the adverse ids, as they are when the review is taken."""
SIMULATED = "simulated"
_BESIDE: Mapping[Kind, frozenset[str]] = {
    "tick": frozenset(("note",)),
    "rail": frozenset(("note", "seed", "behaviour")),
}
_BESIDE_ALL = frozenset(("note", "arrival"))
_SHORT = ("claim_id", "tranche_id")
"""What a receipt or a review may name instead of the settlement id."""
_NOT_FILLED = ("kind", "rail_status", "verdict", "reviewer", "role", "reason")
"""Of these nobody knows what was meant."""


class Wrong(Struct, frozen=True, kw_only=True, gc=False):
    """What cannot be read, where, and what to do. Line 0 is the contract's file."""

    line: int
    field: str
    says: str


class SimulatedRail(Struct, frozen=True, kw_only=True, gc=False):
    """The labelled simulator answers by itself: shares in per mille by name, the rest is paid."""

    seed: int = 7
    behaviour: dict[str, int] = {}


class Given(Struct, frozen=True, kw_only=True, gc=False):
    """The fields of a receipt or a review that a line names; the others are filled in when it is
    taken."""

    kind: type[Receipt] | type[Review]
    fields: dict[str, Any]


Body = Event | Contract | Given | SimulatedRail | int | str
"""An int is a tick, us UTC; a str is HERE."""


class Line(Struct, frozen=True, kw_only=True, gc=False):
    """One thing that happens. `arrival`: us UTC, None = nothing was said about it."""

    number: int
    kind: Kind
    body: Body
    arrival: int | None = None
    note: str | None = None


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """(the type, whether null may stand for it)."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    kinds = [one for one in typing.get_args(hint) if one is not type(None)]
    return (kinds[0] if len(kinds) == 1 else hint), len(kinds) < len(typing.get_args(hint))


class _Reader:
    """Reads one line; collects what is wrong. Lives for that line."""

    def __init__(self, number: int, raw: bytes) -> None:
        self.number = number
        self.wrong: list[Wrong] = []
        try:
            self._twice(json_exact.parsed(raw), "")
        except RecordError as error:
            reason = error.reason.replace("at line 1, ", "at ") if number else error.reason
            self.found("", f"{reason}: write one JSON object{' a line' if number else ''}")
        self.members: dict[str, msgspec.Raw] = {} if self.wrong else self.object(raw, "") or {}

    def found(self, field: str, says: str) -> None:
        self.wrong.append(Wrong(line=self.number, field=field, says=says))

    def _twice(self, value: Any, path: str) -> None:
        if isinstance(value, Twice):
            for name in value.names:
                self.found(_below(path, name), "stands there twice: leave one out")
        if isinstance(value, dict):
            for name, one in value.items():
                self._twice(one, _below(path, name))
        elif isinstance(value, list):
            for at, one in enumerate(value):
                self._twice(one, f"{path}[{at}]")

    def object(self, raw: bytes, path: str) -> dict[str, msgspec.Raw] | None:
        try:
            return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError:
            self.found(path, f"must be an object, not {_short(raw)}")
            return None

    # ---- by type

    def value(self, raw: bytes, hint: Any, path: str) -> Any:
        """The value, or None when it is wrong: then that is among the findings."""
        inner, _ = _without_none(hint)
        if inner is Micros:
            return self.moment(raw, path)
        if isinstance(inner, type) and issubclass(inner, Struct):
            given = self.given(raw, inner, path)
            return None if given is None else self.made(inner, given, path)
        item = typing.get_args(inner)[0] if typing.get_origin(inner) is tuple else None
        if isinstance(item, type) and issubclass(item, Struct):
            return self._list(raw, item, path)
        try:
            return msgspec.json.decode(raw, type=hint)
        except msgspec.DecodeError as error:
            says = str(error).replace("`", "").partition(" - at ")[0]
            self.found(path, f"{says[:1].lower()}{says[1:]}: it is {_short(raw)}")
            return None

    def _list(self, raw: bytes, item: type[Struct], path: str) -> Any:
        try:
            parts = msgspec.json.decode(raw, type=list[msgspec.Raw])
        except msgspec.DecodeError:
            self.found(path, f"must be a list, not {_short(raw)}")
            return None
        return tuple(
            [self.value(bytes(one), item, f"{path}[{at}]") for at, one in enumerate(parts)]
        )

    def moment(self, raw: bytes, path: str) -> Micros | None:
        """A time with its offset, or us UTC as records have it."""
        try:
            if raw.startswith(b'"'):
                micros = moment(msgspec.json.decode(raw, type=str)).micros
            else:
                micros = Micros(msgspec.json.decode(raw, type=int))
            check_time(micros)
            return micros
        except RecordError as error:
            self.found(path, error.reason)
            return None
        except msgspec.DecodeError:
            says = f"{_short(raw)} is no time"
        except ValueError as error:
            says = str(error)
        self.found(path, f"{says}: write 2027-01-31T23:59:59Z, or us since 1970 as a whole number")
        return None

    def given(
        self, raw: bytes, kind: type[Struct], path: str, more: tuple[str, ...] = ()
    ) -> dict[str, Any] | None:
        """The fields of a Struct that stand there, read by their types; null is as if absent."""
        members = self.object(raw, path)
        if members is None:
            return None
        hints, made = _hints(kind), dict[str, Any]()
        known = [*(one.name for one in fields(kind)), *more]
        for name, one in members.items():
            where = _below(path, name)
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                self.found(where, f"is no field of {_called(kind)}: {hint}")
            elif bytes(one) == b"null" and (name in more or _without_none(hints[name])[1]):
                continue
            elif kind is Review and name == "cleared_ids" and bytes(one) == f'"{NOW}"'.encode():
                made[name] = NOW
            else:
                made[name] = self.value(bytes(one), hints.get(name, str), where)
        return made

    def made(self, kind: type[Struct], given: Mapping[str, Any], path: str) -> Any:
        """The Struct of these fields; None when one is wrong or missing."""
        for one in fields(kind):
            if one.required and one.name not in given:
                self.found(_below(path, one.name), f"is missing: {_called(kind)} must have it")
        return None if self.wrong else kind(**given)

    # ---- by kind of line

    def line(self) -> Line | None:
        """What the line says; None when something in it is wrong."""
        if self.wrong:
            return None
        found = [name for name in KINDS if name in self.members]
        if len(found) != 1:
            has = " and ".join(found or list(self.members)[:3]) or "nothing"
            self.found("", f"must have exactly one of {', '.join(KINDS)}: it has {has}")
            return None
        kind = found[0]
        allowed = {kind, *_BESIDE.get(kind, _BESIDE_ALL)}
        for name in (one for one in self.members if one not in allowed):
            near = ", ".join(sorted(allowed - {kind}))
            self.found(name, f"has no meaning here: beside {kind} there may be {near}")
        arrival = None
        if "arrival" in self.members and "arrival" in allowed:
            arrival = self.moment(bytes(self.members["arrival"]), "arrival")
        note = self.members.get("note")
        said = None if note is None else self.value(bytes(note), str, "note")
        body = self._body(kind, bytes(self.members[kind]))
        if self.wrong or body is None:
            return None
        return Line(number=self.number, kind=kind, body=body, arrival=arrival, note=said)

    def _body(self, kind: Kind, raw: bytes) -> Body | None:
        match kind:
            case "event":
                return self._event(raw)
            case "tick":
                return self.moment(raw, "tick")
            case "receipt":
                return self._answer(raw, Receipt, kind)
            case "review":
                return self._answer(raw, Review, kind)
            case "contract":
                return HERE if raw == f'"{HERE}"'.encode() else self.contract(raw, "contract")
            case "rail":
                return self._rail(raw)

    def _event(self, raw: bytes) -> Event | None:
        members = self.object(raw, "event") or {}
        named = members.get("event_type")
        if named is None:
            self.found("event.event_type", "is missing: it says which fields there are")
            return None
        name = self.value(bytes(named), str, "event.event_type")
        kind = None if name is None else EVENT_TYPES.get(name)
        if kind is None:
            near = difflib.get_close_matches(str(name), EVENT_TYPES, 1)
            says = f"did you mean {near[0]}?" if near else f"known are {', '.join(EVENT_TYPES)}"
            self.found("event.event_type", f"{_short(bytes(named))} is no event type: {says}")
            return None
        made = self.made(kind, self.given(raw, kind, "event") or {}, "event")
        return None if made is None else self._checked(kind.TOPIC, made, "event")

    def _checked(self, topic: str, message: Any, path: str) -> Any:
        """What a worker would read of the message, or what it would say."""
        try:
            return codec.decode(topic, codec.encode(topic, message)).message
        except RecordError as error:
            self.found(_below(path, error.field), error.reason)
            return None

    def _answer(self, raw: bytes, kind: type[Receipt] | type[Review], path: str) -> Given | None:
        given = self.given(raw, kind, path, _SHORT)
        if given is None:
            return None
        for one in fields(kind):
            if one.name in _NOT_FILLED and one.required and one.name not in given:
                self.found(f"{path}.{one.name}", "is missing: nobody can fill it in")
        if ("settlement_id" in given) == ("claim_id" in given):
            says = "name the claim by either settlement_id or claim_id"
            self.found(f"{path}.claim_id", says)
        self._one_by_one(kind, given, path)
        return Given(kind=kind, fields=given)

    def _one_by_one(self, kind: type[Struct], given: Mapping[str, Any], path: str) -> None:
        """Each field's own list or form; what only the whole shows is said when it is taken."""
        for name, one in given.items():
            hint = _hints(kind).get(name)
            check = None if hint is None or one is None else validate.check(kind, name, hint)
            if check is None or (name in ("cleared_ids", "evidence_hash") and one == NOW):
                continue
            try:
                check(one, name)
            except RecordError as error:
                self.found(_below(path, error.field), error.reason)

    def _rail(self, raw: bytes) -> SimulatedRail | None:
        if raw != f'"{SIMULATED}"'.encode():
            self.found("rail", f'is {_short(raw)}: the only one that answers here is "{SIMULATED}"')
            return None
        beside = {name: one for name, one in self.members.items() if name in ("seed", "behaviour")}
        hints = _hints(SimulatedRail)
        made = {name: self.value(bytes(one), hints[name], name) for name, one in beside.items()}
        return None if self.wrong else SimulatedRail(**made)

    # ---- contracts

    def contract(self, raw: bytes, path: str) -> Contract | None:
        """Terms, or {"terms": {...}, "signatures": [...]} with any other field of a contract."""
        members = self.object(raw, path)
        if members is None:
            return None
        whole = "terms" in members
        where = _below(path, "terms") if whole else path
        signed = self._terms(bytes(members["terms"]) if whole else raw, where)
        if signed is None:
            return None
        canonical, agreed = signed
        made: dict[str, Any] = {
            "input_id": f"contract:{agreed.contract_id}:{agreed.version}",
            "source": "contract",
            "chain_id": agreed.chain_id,
            "contract_id": agreed.contract_id,
            "version": agreed.version,
            "terms_hash": terms.terms_hash(canonical),
        }
        hints = _hints(Contract)
        for name, one in members.items() if whole else ():
            if name in hints and name != "terms":
                made[name] = self.value(bytes(one), hints[name], _below(path, name))
            elif name != "terms":
                self.found(_below(path, name), "is no field of a contract")
        if self.wrong:
            return None
        found: Contract | None = self._checked(CONTRACTS, Contract(**made, terms=canonical), path)
        return found

    def _terms(self, raw: bytes, path: str) -> tuple[bytes, Any] | None:
        """(canonical bytes, the terms): members in any order, times as texts, defaults left out."""
        try:
            canonical = msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
            return canonical, terms.decode(canonical)
        except RecordError:
            given = self.given(raw, terms.Terms, path)
        made = None if given is None else self.made(terms.Terms, given, path)
        if made is None:
            return None
        try:
            canonical = terms.encode(made)
            return canonical, terms.decode(canonical)
        except RecordError as error:
            self.found(_below(path, error.field.removeprefix("terms").lstrip(".")), error.reason)
            return None


def _called(kind: type[Struct]) -> str:
    """A Struct's name as people know it."""
    if issubclass(kind, Event):
        return kind.TYPE
    names = {Receipt: "a receipt", Review: "a review", Contract: "a contract",
             terms.Terms: "a contract's terms", Signature: "a signature"}  # fmt: skip
    return names.get(kind, kind.__name__)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _short(raw: bytes) -> str:
    text = raw.decode(errors="replace")
    return text if len(text) <= 60 else text[:59] + "…"


def read(raw: bytes) -> tuple[list[Line], list[Wrong]]:
    """Every line, and everything that is wrong in any. Blank lines are passed over."""
    lines: list[Line] = []
    wrong: list[Wrong] = []
    for number, text in enumerate(raw.split(b"\n"), start=1):
        if not text.strip():
            continue
        reader = _Reader(number, text)
        line = reader.line()
        wrong += reader.wrong
        if line is None:
            continue
        if line.kind == "rail" and lines:
            says = "must be the first line: what has been sent before would stay unanswered"
            wrong.append(Wrong(line=number, field="rail", says=says))
        lines.append(line)
    return lines, wrong


def read_contract(raw: bytes) -> tuple[Contract | None, list[Wrong]]:
    """A file with one contract or its terms; findings are on line 0."""
    reader = _Reader(0, raw)
    found = None if reader.wrong else reader.contract(raw, "")
    return found, reader.wrong
