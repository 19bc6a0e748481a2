"""`supplytwin settlement simulate`: a case in two files, run through the fold that workers run.

The files alone decide what comes out: no clock, no broker, no account of an earlier run.
"""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from supplytwin.processors import settlement_lines
from supplytwin.processors.settlement_lines import HERE, Given, Line, SimulatedRail
from supplytwin.processors.settlement_reading import Wrong
from supplytwin.processors.settlement_simulate import REFUSED, Answer, Simulation, Standing
from supplytwin.schemas import terms_read
from supplytwin.schemas.errors import Code, RecordError, UsageError
from supplytwin.schemas.events import Event
from supplytwin.schemas.records import (
    Contract,
    ExceptionRecord,
    Instruction,
    Receipt,
    SettlementEvent,
)
from supplytwin.sinks import simulated_rail
from supplytwin.sinks.rail import Rail, hand_over
from supplytwin.sinks.simulated_rail import Behaviour
from supplytwin.streams.show import iso

RAIL = "the SIMULATED rail"
STDIN = "-"
"""Names standard input instead of a file."""
_MEMORY = Path(":memory:")
"""SQLite's name for a ledger that ends with the process."""


class Told(Struct, frozen=True, kw_only=True):
    """One step of a case: what came, and what it did. Records as they stand in the topics."""

    line: int
    """Of the events' file; 0 = the contract of the command line."""
    what: str
    by: str | None
    """Who answered, where no line did."""
    chain_id: str | None
    at: str | None
    """Arrival of an input, time of a tick; ISO 8601, UTC."""
    note: str | None
    """Of the line, for people."""
    verdict: str
    reason: str | None
    transitions: tuple[SettlementEvent, ...]
    instructions: tuple[Instruction, ...]
    alarms: tuple[ExceptionRecord, ...]
    exceptions: tuple[ExceptionRecord, ...]


class Ran(Struct, frozen=True, kw_only=True):
    """A case that has been run."""

    rail: str | None
    """Who played the bank; None = the receipts of the file."""
    steps: list[Told]
    claims: list[Standing]
    balances: dict[str, dict[str, int]]
    """By currency, minor units; each adds up to zero."""
    canonical_hashes: dict[str, str]
    """By chain."""
    refused: int
    """Steps that did not do what they ask for."""
    findings: list[Wrong]
    """What may not be meant; the case was run all the same."""


def warnings(ran: Ran, events: Path) -> list[str]:
    """Its findings for people."""
    return [_found(one, events, events) for one in ran.findings]


class Unreadable(UsageError):
    """A case that cannot be run; `findings` say why, line by line."""

    def __init__(self, findings: Sequence[Wrong], contract: Path, events: Path) -> None:
        self.findings = tuple(findings)
        self.lines = [_found(one, contract, events) for one in findings]
        count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        super().__init__(f"the case was not run: {count}")


def _found(one: Wrong, contract: Path, events: Path) -> str:
    place = f"{events} line {one.line}" if one.line else f"{contract}"
    return (
        f"{place}: {one.field or 'the line' if one.line else one.field or 'the file'}: {one.says}"
    )


def run(contract: Path, events: Path, *, free_conditions: bool = False) -> Ran:
    """The case of these two files, run to its end.

    `free_conditions`: the policy of the case permits terms without a template.
    Raises Unreadable when a line cannot be read, or cannot be filled in at its turn.
    """
    if STDIN == str(contract) == str(events):
        raise UsageError("- twice: standard input is one of the two files, not both")
    agreed, wrong = settlement_lines.read_contract(_content(contract))
    lines, more = settlement_lines.read(_content(events))
    if wrong or more or agreed is None:
        raise Unreadable([*wrong, *more], contract, events)
    case = _Case(agreed, Simulation(free_conditions=free_conditions))
    try:
        case.start(lines)
        for line in lines:
            case.take(line)
        return case.end(lines)
    except _Stopped as stopped:
        raise Unreadable([stopped.wrong], contract, events) from None
    finally:
        case.close()


def _content(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == STDIN else file.read_bytes()


class _Stopped(Exception):
    def __init__(self, line: int, error: RecordError, kind: str) -> None:
        super().__init__(str(error))
        self.wrong = Wrong(line=line, field=f"{kind}.{error.field}", says=error.reason)


class _Case:
    """A case while it runs."""

    def __init__(self, agreed: Contract, simulation: Simulation) -> None:
        self._agreed = agreed
        self._simulation = simulation
        self._rail: Rail | None = None
        self._steps: list[Told] = []
        self._note: str | None = None

    def start(self, lines: Sequence[Line]) -> None:
        """Unless a line says where the contract is taken, it is first: at its own `agreed_at`, or
        where it has none at the first time that a line names.
        """
        if lines and isinstance(lines[0].body, SimulatedRail):
            self._connect(lines[0])
        if any(line.body == HERE for line in lines):
            return
        try:
            agreed = terms_read.decode(self._agreed.terms)
            start = agreed.agreed_at if agreed.full is None else _first(lines)
        except RecordError as error:
            raise _Stopped(0, error, "terms") from None
        self._tick(0, start)
        self._put(0, self._agreed, start)

    def take(self, line: Line) -> None:
        """Whatever a line says happens, and what the rail answers to it."""
        self._note = line.note
        match line.body:
            case SimulatedRail():
                return
            case int(at):
                self._tick(line.number, at)
            case str():
                self._put(line.number, self._agreed, self._arrival(line))
            case Given() as given:
                try:
                    message = self._simulation.completed(given, line.number)
                except RecordError as error:
                    raise _Stopped(line.number, error, line.kind) from None
                self._put(line.number, message, self._arrival(line))
            case Event() as event:
                stated = line.arrival
                self._put(line.number, event, event.recorded_time if stated is None else stated)
            case Contract() as contract:
                self._put(line.number, contract, self._arrival(line))

    def _arrival(self, line: Line) -> int:
        return self._simulation.now if line.arrival is None else line.arrival

    def _put(self, line: int, message: Any, arrival: int, by: str | None = None) -> None:
        answer = self._simulation.take(message, arrival)
        self._tell(line, _what(message), answer, message.chain_id, arrival, by)

    def _tick(self, line: int, at: int) -> None:
        answer = self._simulation.tick(at)
        self._tell(line, "tick", answer, None, at)
        while self._rail is not None and answer.verdict != "STALE":
            due = self._rail.answers(at)
            if not due:
                return
            for one in due:
                self._put(line, one.receipt, one.due, RAIL)
            self._rail.acknowledge([one.receipt.input_id for one in due])

    def _tell(
        self, line: int, what: str, answer: Answer, chain_id: str | None, at: int,
        by: str | None = None,
    ) -> None:  # fmt: skip
        self._steps.append(
            Told(
                line=line,
                what=what,
                by=by,
                chain_id=chain_id,
                at=iso(at),
                note=None if by is not None else self._note,
                verdict=answer.verdict,
                reason=answer.reason,
                transitions=answer.transitions,
                instructions=answer.instructions,
                alarms=answer.alarms,
                exceptions=answer.exceptions,
            )
        )
        if self._rail is not None:
            for one in answer.instructions:
                hand_over(self._rail, one)

    def _connect(self, line: Line) -> None:
        assert isinstance(line.body, SimulatedRail)
        shares = line.body.behaviour
        known = Behaviour.__struct_fields__
        wrong = [name for name in shares if name not in known]
        if wrong:
            says = f"{wrong[0]!r} is no behaviour: known are {', '.join(known)}"
        elif min(shares.values(), default=0) < 0 or sum(shares.values()) > 1000:
            says = "shares are per mille: 0 or more each, 1000 at most together"
        else:
            quiet = dict.fromkeys(known, 0)
            behaviour = Behaviour(**{**quiet, **shares})
            self._rail = simulated_rail.SimulatedRail(
                _MEMORY, seed=line.body.seed, behaviour=behaviour
            )
            return
        raise _Stopped(line.number, RecordError(Code.BAD_VALUE, "behaviour", says), "rail")

    def end(self, lines: Sequence[Line]) -> Ran:
        """What has come of it."""
        return Ran(
            rail=None if self._rail is None else RAIL,
            steps=self._steps,
            claims=self._simulation.claims(),
            balances=self._simulation.balances(),
            canonical_hashes=self._simulation.hashes(),
            refused=sum(one.verdict in REFUSED for one in self._steps),
            findings=_strangers(lines, self._simulation.agreed()),
        )

    def close(self) -> None:
        if self._rail is not None:
            self._rail.close()


def _what(message: Any) -> str:
    match message:
        case Event():
            subject = f"{message.subject_type} {message.subject_id}"
            return f"event {message.event_type} of {subject} ({message.source}/{message.event_id})"
        case Contract():
            return f"contract {message.contract_id} version {message.version}"
        case Receipt():
            return f"receipt {message.kind} {message.rail_status}"
        case _:
            return f"review {message.verdict} by {message.reviewer} ({message.role})"


def _first(lines: Sequence[Line]) -> int:
    """The first time that a line names: a tick, an arrival, when an event was recorded; us UTC.
    Raises RecordError when none does.
    """
    for line in lines:
        if isinstance(line.body, int):
            return line.body
        if line.arrival is not None:
            return line.arrival
        if isinstance(line.body, Event):
            return line.body.recorded_time
    says = "full terms have none, and no line names a time: begin with a tick"
    raise RecordError(Code.MISSING_FIELD, "agreed_at", says)


def _strangers(lines: Sequence[Line], chains: Sequence[str]) -> list[Wrong]:
    """The events of chains that have no contract in the case: they count for no claim."""
    found = []
    for line in lines:
        if isinstance(line.body, Event) and line.body.chain_id not in chains:
            near = difflib.get_close_matches(line.body.chain_id, chains, 1)
            hint = f": did you mean {near[0]}?" if near else ""
            says = f"{line.body.chain_id} has no contract here, the event counts for no claim{hint}"
            found.append(Wrong(line=line.number, field="event.chain_id", says=says))
    return found
