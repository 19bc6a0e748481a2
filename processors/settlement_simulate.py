"""A deployment's settlement in one process: the real fold over inputs in the order given.

What a worker does to a chain, record by record and tick by tick, without its topics: every tick is
a complete cut. Transitions, instructions and alarms are the records that a worker would write.
"""

from collections.abc import Sequence
from typing import Any

from immutables import Map
from msgspec import Struct
from msgspec.structs import asdict, fields, replace

from supplytwin.processors import postings
from supplytwin.processors.chain import ChainFold, ChainState, canonical_hash
from supplytwin.processors.keys import learn
from supplytwin.processors.settlement_asked import Known
from supplytwin.processors.settlement_case_keys import signed_for
from supplytwin.processors.settlement_known import known_of
from supplytwin.processors.settlement_lines import NOW, Given
from supplytwin.processors.settlement_overlooked import with_overlooked
from supplytwin.processors.settlement_report import Explanation, explain
from supplytwin.processors.settlement_state import Accounts, Claim, total
from supplytwin.processors.sources import Sources
from supplytwin.processors.twin import check_arrival
from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Due, Input, Output, Record, Step
from supplytwin.schemas.ids import Micros, check_chain_id, control_key
from supplytwin.schemas.records import (
    CONTRACTS,
    EXCEPTIONS,
    INSTRUCTIONS,
    RECEIPTS,
    REVIEWS,
    SETTLEMENT_EVENTS,
    Contract,
    ExceptionRecord,
    Instruction,
    Receipt,
    Review,
    SettlementEvent,
)

TIMELINE = "simulation"
_TOPICS: dict[type[Struct], str] = {Contract: CONTRACTS, Receipt: RECEIPTS, Review: REVIEWS}
REFUSED = ("ILLEGAL", "CONFLICT", "QUARANTINED")
"""Verdicts on what has not done what it asks for."""
_WANTED = (SETTLEMENT_EVENTS, INSTRUCTIONS, EXCEPTIONS)


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    """What one input or one tick did.

    `verdict`: TAKEN, NOTED (a half of something), STALE (row 36, or an old tick), DUPLICATE
    (nothing was written), ILLEGAL (no row fits), CONFLICT (one id, two contents), QUARANTINED (not
    taken).
    """

    verdict: str
    reason: str | None = None
    """Why it was refused."""
    transitions: tuple[SettlementEvent, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    alarms: tuple[ExceptionRecord, ...] = ()
    """Exceptions of claims."""
    exceptions: tuple[ExceptionRecord, ...] = ()
    """Those of goods and documents that were opened or closed."""


class Standing(Struct, frozen=True, kw_only=True, gc=False):
    """One claim: where it stands and why, its mirrored money in minor units."""

    contract_id: str
    explained: Explanation
    accounts: dict[str, int]
    bookings: dict[str, dict[str, Any]]
    """What the rail has booked, by its entry id."""
    returns: dict[str, int]


class Simulation:
    """Chains by id, and the last tick handled. Grows with every input; nothing is forgotten.

    `free_conditions`: as under a policy that permits terms which name no template.
    """

    def __init__(self, *, free_conditions: bool = False) -> None:
        self.now = 0
        self.chains: Map[str, ChainState] = Map()
        self._fold = ChainFold(TIMELINE)
        policy = Sources(sources=(), free_conditions=True) if free_conditions else None
        self._control = replace(self._fold.new(control_key(0)), sources=policy)
        self._taken = 0
        self._sent: list[Instruction] = []

    def _known(self, state: ChainState) -> Known:
        register = self._control.register
        return known_of(state.book, state.twin, register, state.footprints)

    # ---- inputs

    def take(self, message: Event | Contract | Receipt | Review, arrival: int) -> Answer:
        """What a worker does with a record that holds `message` and arrived then (us UTC). Full
        terms without a signature are signed for the case (`settlement_case_keys`).
        """
        if isinstance(message, Contract):
            message, keys = signed_for(message)
            register = learn(self._control.register, keys) if keys is not None else None
            if register is not None:
                self._control = replace(self._control, register=register)
        topic = message.TOPIC if isinstance(message, Event) else _TOPICS[type(message)]
        value = codec.encode(topic, message)
        decoded = codec.decode(topic, value)
        record = Record(
            topic=topic,
            partition=0,
            offset=self._taken,
            arrival=arrival,
            key=message.chain_id.encode(),
            value=value,
        )
        self._taken += 1
        known = self.chains.get(message.chain_id)
        state = self._fold.new(message.chain_id) if known is None else known
        item = Input(
            record=record,
            key=message.chain_id,
            message=decoded.message,
            fingerprint=decoded.fingerprint,
            content_hash=decoded.content_hash,
        )
        try:
            check_chain_id(message.chain_id)
            if isinstance(message, Event):
                check_arrival(message, arrival)
            step = self._fold.step(state, self._fold.admit(self._control, item), self.now)
        except RecordError as error:
            step_of = self._fold.refused
            told = None if known is None else step_of(known, record, error, self.now)
            return self._did(message.chain_id, told, "QUARANTINED", str(error))
        return self._did(message.chain_id, step, _verdict(step.counts))

    def tick(self, at: int) -> Answer:
        """The cut at tick time `at`, us UTC, over every chain; an older tick is passed over."""
        if at <= self.now:
            return Answer(verdict="STALE")
        self.now = at
        found = Answer(verdict="TAKEN")
        for chain_id, state in sorted(self.chains.items()):
            due = self._fold.due(state)
            if due is None or (not isinstance(due, Due) and due > at):
                continue
            one = self._did(chain_id, self._fold.decide(state, at, self._control), "TAKEN")
            found = Answer(
                verdict="TAKEN",
                transitions=found.transitions + one.transitions,
                instructions=found.instructions + one.instructions,
                alarms=found.alarms + one.alarms,
                exceptions=found.exceptions + one.exceptions,
            )
        return found

    def _did(
        self, chain_id: str, step: Step[ChainState] | None, verdict: str, reason: str | None = None
    ) -> Answer:
        if step is None:
            return Answer(verdict=verdict, reason=reason)
        self.chains = self.chains.set(chain_id, step.state)
        records = _records(step.outputs)
        problems = [one for one in records if isinstance(one, ExceptionRecord)]
        alarms = tuple(one for one in problems if one.subject_type == "CLAIM")
        if reason is None and verdict in REFUSED:
            reason = "; ".join(one.reason for one in alarms)
        answer = Answer(
            verdict=verdict,
            reason=reason,
            transitions=tuple(one for one in records if isinstance(one, SettlementEvent)),
            instructions=tuple(one for one in records if isinstance(one, Instruction)),
            alarms=alarms,
            exceptions=tuple(one for one in problems if one.subject_type != "CLAIM"),
        )
        self._sent += answer.instructions
        return answer

    # ---- what a line leaves out

    def completed(self, given: Given, line: int) -> Receipt | Review:
        """The receipt or the review of a line, with what it leaves out as it is now.

        Raises RecordError naming the field that cannot be filled in.
        """
        told = dict(given.fields)
        chain_id, settlement = self._claim(told)
        claim = told.pop("claim_id", None)
        told.pop("tranche_id", None)
        told.setdefault("input_id", f"line-{line}")
        if settlement is not None:
            assert chain_id is not None
            terms = self.chains[chain_id].book.terms
            assert terms is not None
            told.setdefault("settlement_id", settlement)
            told.setdefault("chain_id", chain_id)
            told.setdefault("contract_id", terms.contract_id)
        if given.kind is Review:
            return self._review(told)
        return self._receipt(told, claim)

    def _claim(self, told: dict[str, Any]) -> tuple[str | None, str | None]:
        """(chain, settlement id) of the claim that is named in either way; None = it is none."""
        asked = {name: told[name] for name in ("settlement_id", "claim_id", "tranche_id",
                 "contract_id", "chain_id") if name in told}  # fmt: skip
        found = []
        for chain_id, state in sorted(self.chains.items()):
            terms = state.book.terms
            for claim in state.book.claims.values():
                own = {
                    "settlement_id": claim.settlement_id,
                    "claim_id": claim.claim_id,
                    "tranche_id": claim.tranche_id,
                    "contract_id": None if terms is None else terms.contract_id,
                    "chain_id": chain_id,
                }
                if asked.items() <= own.items():
                    found.append((chain_id, claim.settlement_id))
        if len(found) == 1:
            return found[0]
        if "settlement_id" in told:
            return None, None
        why = "more than one claim has it: say tranche_id, contract_id, or settlement_id"
        said = why if found else "no contract that was taken so far has such a claim"
        raise RecordError(Code.BAD_VALUE, "claim_id", f"{told['claim_id']!r}: {said}")

    def _receipt(self, told: dict[str, Any], claim: str | None) -> Receipt:
        """Numbers are those of the last instruction of its kind; what money moved is never
        filled in."""
        told.setdefault("source", "rail")
        told.setdefault("rail_time", Micros(self.now))
        numbers = ("instruction_no", "attempt", "hold_no", "recall_no", "query_no")
        if any(name not in told for name in numbers):
            mine = (one for one in reversed(self._sent)
                    if one.settlement_id == told["settlement_id"]
                    and one.kind == told["kind"])  # fmt: skip
            last = next(mine, None)
            if last is None:
                of = claim or told["settlement_id"]
                raise RecordError(
                    Code.BAD_VALUE,
                    "kind",
                    f"no {told['kind']} has gone out for {of} so far: for an answer that nobody "
                    f"asked for, give {', '.join(numbers)}, too",
                )
            for name in numbers:
                told.setdefault(name, getattr(last, name))
        made: Receipt = _made(Receipt, told)
        return made

    def _review(self, told: dict[str, Any]) -> Review:
        told.setdefault("source", "desk")
        seen = self._explained(told.get("chain_id"), told.get("settlement_id"))
        for name, current in (("evidence_hash", "evidence_hash"), ("cleared_ids", "adverse_ids")):
            if told.get(name) == NOW:
                if seen is None:
                    raise RecordError(Code.BAD_VALUE, name, f'"{NOW}": there is no such claim')
                told[name] = getattr(seen, current)
        made: Review = _made(Review, told)
        return made

    def _explained(self, chain_id: str | None, settlement: str | None) -> Explanation | None:
        state = None if chain_id is None else self.chains.get(chain_id)
        if state is None:
            return None
        every = explain(state.book, state.twin, self.now, self._known(state))
        return next((one for one in every if one.settlement_id == settlement), None)

    # ---- the end

    def agreed(self) -> list[str]:
        """The chains that have a contract."""
        return [name for name, state in sorted(self.chains.items()) if state.book.terms is not None]

    def claims(self) -> list[Standing]:
        """Every claim of every contract, in the order of chains and terms."""
        found = []
        for _, state in sorted(self.chains.items()):
            terms = state.book.terms
            known = self._known(state)
            every = explain(state.book, state.twin, self.now, known)
            for told in with_overlooked(state.book, state.twin, self.now, known, every):
                assert terms is not None
                claim = state.book.claims[told.settlement_id]
                found.append(standing(terms.contract_id, told, claim))
        return found

    def balances(self) -> dict[str, dict[str, int]]:
        """The mirror by currency, minor units: the four accounts add up to zero."""
        by_currency: dict[str, list[Accounts]] = {}
        for state in self.chains.values():
            for claim in state.book.claims.values():
                by_currency.setdefault(claim.currency, []).append(claim.accounts)
        return {name: balances_of(total(found)) for name, found in sorted(by_currency.items())}

    def hashes(self) -> dict[str, str]:
        """The canonical hash of each chain."""
        return {name: canonical_hash(state) for name, state in sorted(self.chains.items())}


def balances_of(accounts: Accounts) -> dict[str, int]:
    """Balances by the names that postings use, minor units."""
    return {name: getattr(accounts, name) for name in postings.ACCOUNTS}


def standing(contract_id: str, told: Explanation, claim: Claim) -> Standing:
    """One claim of a book, with its explanation."""
    return Standing(
        contract_id=contract_id,
        explained=told,
        accounts=balances_of(claim.accounts),
        bookings={key: asdict(one) for key, one in sorted(claim.bookings.items())},
        returns=dict(sorted(claim.returns.items())),
    )


def _verdict(counts: Sequence[str]) -> str:
    """From what the fold counts: `inputs_<verdict>`, or a duplicate; a fact is just taken."""
    if "duplicates" in counts:
        return "DUPLICATE"
    said = (one.removeprefix("inputs_").upper() for one in counts if one.startswith("inputs_"))
    return next(said, "TAKEN")


def _records(outputs: Sequence[Output]) -> list[Struct]:
    return [
        codec.decode(one.topic, one.value).message
        for one in outputs
        if one.topic in _WANTED and one.value is not None
    ]


def _made(kind: Any, given: dict[str, Any]) -> Any:
    """The message, read as a worker reads it. Raises RecordError naming the field."""
    for one in fields(kind):
        if one.required and one.name not in given:
            says = "is missing and cannot be filled in"
            raise RecordError(Code.MISSING_FIELD, one.name, says)
    topic = _TOPICS[kind]
    return codec.decode(topic, codec.encode(topic, kind(**given))).message
