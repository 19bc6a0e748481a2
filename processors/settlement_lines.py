"""A case for the settlement, as people write it: JSON lines, read strictly and all at once.

Each line is one object: what happens (`event`, `tick`, `receipt`, `review`, `contract`, `rail`) and
perhaps when it arrived. Nothing is guessed: an unknown name, a name that stands twice, a value of
another type is reported with its line and field. docs/settlement-simulate.md has the format.
"""

import difflib
import typing
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from supplytwin.processors.settlement_reading import Reader, Wrong, below, hints_of, short
from supplytwin.schemas import codec, contract_read, terms, terms_read, validate
from supplytwin.schemas.contract import FORM, encode
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import EVENT_TYPES, Event
from supplytwin.schemas.records import CONTRACTS, Contract, Receipt, Review

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


class _LineReader(Reader):
    """Reads one line. Lives for that line."""

    def word(self, kind: type[Struct], name: str, raw: bytes) -> str | None:
        if kind is Review and name == "cleared_ids" and raw == f'"{NOW}"'.encode():
            return NOW
        return None

    def line(self) -> Line | None:
        """What the line says; None when something in it is wrong."""
        if self.wrong:
            return None
        found: list[Kind] = [name for name in KINDS if name in self.members]
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
                return self._contract(raw)
            case "rail":
                return self._rail(raw)

    def _contract(self, raw: bytes) -> Contract | str | None:
        if raw == f'"{HERE}"'.encode():
            return HERE
        if raw.startswith(b'"'):
            self.found("contract", f'not {short(raw)}: write the contract, or "{HERE}"')
            return None
        return self.contract(raw, "contract")

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
            self.found("event.event_type", f"{short(bytes(named))} is no event type: {says}")
            return None
        made = self.made(kind, self.given(raw, kind, "event") or {}, "event")
        return None if made is None else self._checked(kind.TOPIC, made, "event")

    def _checked(self, topic: str, message: Any, path: str) -> Any:
        """What a worker would read of the message, or what it would say."""
        try:
            return codec.decode(topic, codec.encode(topic, message)).message
        except RecordError as error:
            self.found(below(path, error.field), error.reason)
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
            hint = hints_of(kind).get(name)
            check = None if hint is None or one is None else validate.check(kind, name, hint)
            if check is None or (name in ("cleared_ids", "evidence_hash") and one == NOW):
                continue
            try:
                check(one, name)
            except RecordError as error:
                self.found(below(path, error.field), error.reason)

    def _rail(self, raw: bytes) -> SimulatedRail | None:
        if raw != f'"{SIMULATED}"'.encode():
            self.found("rail", f'is {short(raw)}: the only one that answers here is "{SIMULATED}"')
            return None
        beside = {name: one for name, one in self.members.items() if name in ("seed", "behaviour")}
        hints = hints_of(SimulatedRail)
        made = {name: self.value(bytes(one), hints[name], name) for name, one in beside.items()}
        return None if self.wrong else SimulatedRail(**made)

    # ---- contracts

    def contract(self, raw: bytes, path: str) -> Contract | None:
        """Terms, or {"terms": {...}, "signatures": [...]} with any other field of a contract."""
        members = self.object(raw, path)
        if members is None:
            return None
        whole = "terms" in members
        where = below(path, "terms") if whole else path
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
        hints = hints_of(Contract)
        for name, one in members.items() if whole else ():
            if name in hints and name != "terms":
                made[name] = self.value(bytes(one), hints[name], below(path, name))
            elif name != "terms":
                self.found(below(path, name), "is no field of a contract")
        if self.wrong:
            return None
        found: Contract | None = self._checked(CONTRACTS, Contract(**made, terms=canonical), path)
        return found

    def _terms(self, raw: bytes, path: str) -> tuple[bytes, Any] | None:
        """(canonical bytes, the terms): members in any order, times as texts, defaults left out."""
        if terms_read.form_of(raw) == FORM:
            return self._full(raw, path)
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
            self.found(below(path, error.field.removeprefix("terms").lstrip(".")), error.reason)
            return None

    def _full(self, raw: bytes, path: str) -> tuple[bytes, Any] | None:
        """Those of the full form, as `contract check` reads them."""
        found = contract_read.read(raw)
        for one in found.findings:
            self.found(below(path, one.path.removeprefix("$").lstrip(".")), one.line)
        if found.value is None:
            return None
        return encode(found.value), terms_read.of_contract(found.value)


def read(raw: bytes) -> tuple[list[Line], list[Wrong]]:
    """Every line, and everything that is wrong in any. Blank lines are passed over."""
    lines: list[Line] = []
    wrong: list[Wrong] = []
    for number, text in enumerate(raw.split(b"\n"), start=1):
        if not text.strip():
            continue
        reader = _LineReader(number, text)
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
    reader = _LineReader(0, raw)
    found = None if reader.wrong else reader.contract(raw, "")
    return found, reader.wrong
