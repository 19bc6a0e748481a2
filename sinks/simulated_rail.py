"""A SIMULATED payment rail: no bank, no money. Its ledger is one SQLite file, committed before
it answers.

What it does with a payment follows from (seed, settlement id, ledger) alone: most are accepted
and booked; some holds are refused, some payments are rejected (for now, or for good), returned,
met with silence, or lost on their way. Every query is answered by the third. It never loses a
hold, never books another amount, and never books after a rejection.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros
from supplytwin.schemas.records import Instruction, Receipt, SentMessage, SettlementEvent
from supplytwin.sinks.rail import Alive, Answer, Closed, number_of

SOURCE = "simulated:rail"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (settlement_id TEXT, kind TEXT, number INTEGER, times INTEGER,
  PRIMARY KEY (settlement_id, kind, number));
CREATE TABLE IF NOT EXISTS payment (settlement_id TEXT, attempt INTEGER, status TEXT, reason TEXT,
  books_at INTEGER, queries INTEGER DEFAULT 0, PRIMARY KEY (settlement_id, attempt));
CREATE TABLE IF NOT EXISTS entry (entry_id TEXT PRIMARY KEY, settlement_id TEXT, attempt INTEGER,
  amount_minor INTEGER, currency TEXT, booked_at INTEGER);
CREATE TABLE IF NOT EXISTS returned (return_id TEXT PRIMARY KEY, settlement_id TEXT,
  amount_minor INTEGER, currency TEXT, booked_at INTEGER);
CREATE TABLE IF NOT EXISTS outbox (receipt_id TEXT PRIMARY KEY, due INTEGER, receipt BLOB,
  acknowledged INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (acknowledged, due);
"""


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares of settlements in per mille; the rest is accepted and booked."""

    refuse_hold: int = 2
    reject_once: int = 12
    reject: int = 5
    give_back: int = 8
    silent: int = 8
    lose: int = 6


class Delays(Struct, frozen=True, kw_only=True):
    """How long after the instruction the rail answers, us; always later than the instruction."""

    reserve: int = HOUR_US
    accept: int = 10 * 60 * SECOND_US
    book: int = DAY_US
    give_back: int = 5 * DAY_US
    answer: int = HOUR_US


INSTANT = Delays(
    reserve=SECOND_US // 20, accept=SECOND_US // 20, book=SECOND_US // 5,
    give_back=SECOND_US, answer=SECOND_US // 20,
)  # fmt: skip
"""For wall-clock time."""


class SimulatedRail:
    """See the module. `seed` picks who is met with what."""

    name = "simulated-rail"
    keeps = False

    def __init__(
        self,
        path: Path,
        *,
        seed: int = 7,
        behaviour: Behaviour | None = None,
        delays: Delays | None = None,
    ) -> None:
        self._seed = seed
        self._behaviour = behaviour or Behaviour()
        self._delays = delays or Delays()
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    # ---- the port

    def watched(self, alive: Alive) -> None:
        """Its calls are short."""

    def draft(self, instruction: Instruction) -> SentMessage | None:
        """Nothing: its ledger keeps every instruction."""
        return None

    def reserve(self, instruction: Instruction) -> None:
        self._record_and_act(instruction, self._reserve)

    def release(self, instruction: Instruction) -> None:
        self._record_and_act(instruction, self._release)

    def submit(self, order: Instruction | SentMessage) -> None:
        self._record_and_act(order, self._pay)

    def status(self, instruction: Instruction) -> None:
        self._record_and_act(instruction, self._query)

    def recall(self, order: Instruction | SentMessage) -> None:
        self._record_and_act(order, self._recall)

    def _record_and_act(
        self, instruction: Instruction | SentMessage, act: Callable[[Instruction, int], None]
    ) -> None:
        """One SQLite transaction per instruction; a repeat of one is recorded and acted on as
        such.
        """
        assert isinstance(instruction, Instruction), "this rail drafts no messages"
        key = (instruction.settlement_id, instruction.kind, number_of(instruction))
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "INSERT INTO seen VALUES (?, ?, ?, 1) "
                "ON CONFLICT DO UPDATE SET times = times + 1", key,
            )  # fmt: skip
            (times,) = self._one(
                "SELECT times FROM seen WHERE settlement_id = ? AND kind = ? AND number = ?", *key
            )
            act(instruction, times)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def answers(self, until: int) -> list[Answer]:
        return self._outbox("acknowledged = 0 AND due <= ?", until)

    def told(self, settlements: Collection[str], until: int) -> list[Answer]:
        wanted = frozenset(settlements)
        found = self._outbox("due <= ?", until)
        return [answer for answer in found if answer.receipt.settlement_id in wanted]

    def _outbox(self, where: str, *values: Any) -> list[Answer]:
        found = self._db.execute(
            f"SELECT due, receipt FROM outbox WHERE {where} ORDER BY due, receipt_id", values
        )
        return [
            Answer(due=due, receipt=msgspec.json.decode(blob, type=Receipt)) for due, blob in found
        ]

    def acknowledge(self, receipt_ids: Sequence[str]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "UPDATE outbox SET acknowledged = 1 WHERE receipt_id = ?", [(i,) for i in receipt_ids]
        )
        self._db.execute("COMMIT")

    def remember(self, kept: SentMessage | Receipt) -> None:
        """Its ledger remembers."""

    def forget(self) -> None:
        """What it has recorded it has recorded for good."""

    def findings(self) -> Sequence[str]:
        """It understands itself."""
        return ()

    def statements(self) -> int:
        """None: nobody closes its day."""
        return 0

    def close_day(self, events: Sequence[SettlementEvent]) -> list[Closed]:
        """It makes no statements."""
        return []

    def close(self) -> None:
        self._db.close()

    # ---- what it does

    def _character(self, settlement_id: str) -> str:
        """What this settlement is met with: a name of `Behaviour`, or "accept"."""
        digest = hashlib.sha256(f"{self._seed}\0{settlement_id}".encode()).digest()
        draw = int.from_bytes(digest[:4], "big") % 1000
        for name in self._behaviour.__struct_fields__:
            draw -= getattr(self._behaviour, name)
            if draw < 0:
                return name
        return "accept"

    def _reserve(self, one: Instruction, times: int) -> None:
        due = one.taken_at + self._delays.reserve
        if self._character(one.settlement_id) == "refuse_hold":
            self._answer(one, "REFUSED", due, rail_reason="AM04")
            return
        self._answer(
            one, "CONFIRMED", due, amount_minor=one.amount_minor, currency=one.currency,
            hold_expires=one.hold_until,
        )  # fmt: skip

    def _release(self, one: Instruction, times: int) -> None:
        self._answer(one, "RELEASED", one.taken_at + self._delays.answer)

    def _pay(self, one: Instruction, times: int) -> None:
        if self._payment(one) is not None:
            return  # seen before: what was answered stands
        character = self._character(one.settlement_id)
        if character == "lose" and times == 1:
            return
        accepted = one.taken_at + self._delays.accept
        if character == "reject" or (character == "reject_once" and one.attempt == 1):
            reason = "AC04" if character == "reject" else "AM04"
            self._record(one, "RJCT", reason, None)
            self._answer(one, "RJCT", accepted, rail_reason=reason)
            return
        if character == "silent":
            self._record(one, "SILENT", None, None)
            return
        books_at = one.taken_at + self._delays.book
        self._record(one, "ACSC", None, books_at)
        self._answer(one, "ACCP", accepted)
        self._book(one, books_at)
        if character == "give_back":
            self._give_back(one, one.taken_at + self._delays.give_back)

    def _query(self, one: Instruction, times: int) -> None:
        due = one.taken_at + self._delays.answer
        found = self._payment(one)
        if found is None:
            self._answer(one, "NOT_FOUND", due)
            return
        status, reason, books_at, queries = found
        if status == "SILENT":
            queries += times == 1
            self._db.execute(
                "UPDATE payment SET queries = ? WHERE settlement_id = ? AND attempt = ?",
                (queries, one.settlement_id, one.attempt),
            )
            patience = 1 + int(one.settlement_id[:4], 16) % 3
            if queries < patience:
                return
            self._set_status(one, "ACSC", due)
            self._book(one, due)
        elif status == "ACSC" and books_at > one.taken_at:
            self._answer(one, "ACSP", due)
        elif status == "ACSC":
            self._book(one, due)
        else:
            self._answer(one, status, due, rail_reason=reason)

    def _recall(self, one: Instruction, times: int) -> None:
        due = one.taken_at + self._delays.answer
        found = self._payment(one)
        if found is None:
            # An id that was never sent is dead from now on.
            self._record(one, "RJCT", "CUST", None)
            self._answer(one, "CNCL", due)
            return
        status, _, books_at, _ = found
        if status == "RJCT":
            self._answer(one, "CNCL", due)
        elif status == "ACSC" and books_at <= one.taken_at:
            self._answer(one, "RJCR", due)
        else:
            self._set_status(one, "RJCT", None)
            self._unbook(one)
            self._answer(one, "CNCL", due)

    # ---- its ledger

    def _one(self, text: str, *values: Any) -> Any:
        return self._db.execute(text, values).fetchone()

    def _payment(self, one: Instruction) -> tuple[str, str | None, int, int] | None:
        found = self._one(
            "SELECT status, reason, coalesce(books_at, 0), queries FROM payment "
            "WHERE settlement_id = ? AND attempt = ?", one.settlement_id, one.attempt,
        )  # fmt: skip
        return None if found is None else tuple(found)

    def _record(self, one: Instruction, status: str, reason: str | None, at: int | None) -> None:
        self._db.execute(
            "INSERT INTO payment (settlement_id, attempt, status, reason, books_at) "
            "VALUES (?, ?, ?, ?, ?)",
            (one.settlement_id, one.attempt, status, reason, at),
        )

    def _set_status(self, one: Instruction, status: str, books_at: int | None) -> None:
        self._db.execute(
            "UPDATE payment SET status = ?, books_at = ?, reason = 'CUST' "
            "WHERE settlement_id = ? AND attempt = ?",
            (status, books_at, one.settlement_id, one.attempt),
        )

    def _book(self, one: Instruction, at: int) -> None:
        """One entry per attempt, whoever asks; its notification is the same every time."""
        entry = hashlib.sha256(f"entry\0{one.settlement_id}\0{one.attempt}".encode()).hexdigest()
        amount, currency = one.amount_minor, one.currency
        self._db.execute(
            "INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?, ?, ?)",
            (entry[:32], one.settlement_id, one.attempt, amount, currency, at),
        )
        self._answer(
            one, "ACSC", at, entry_id=entry[:32], amount_minor=amount, currency=currency
        )  # fmt: skip

    def _unbook(self, one: Instruction) -> None:
        """A payment that is cancelled before its booking day leaves neither entry nor
        notification.
        """
        self._db.execute(
            "DELETE FROM entry WHERE settlement_id = ? AND attempt = ?",
            (one.settlement_id, one.attempt),
        )
        self._db.execute("DELETE FROM returned WHERE settlement_id = ?", (one.settlement_id,))
        for due, blob in self._db.execute(
            "SELECT due, receipt FROM outbox WHERE acknowledged = 0 AND due > ?", (one.taken_at,)
        ).fetchall():
            receipt = msgspec.json.decode(blob, type=Receipt)
            same = (receipt.settlement_id, receipt.attempt) == (one.settlement_id, one.attempt)
            if same and receipt.kind in {"PAY", "QUERY"} and due > one.taken_at:
                self._db.execute("DELETE FROM outbox WHERE receipt_id = ?", (receipt.input_id,))

    def _give_back(self, one: Instruction, at: int) -> None:
        number = hashlib.sha256(f"return\0{one.settlement_id}\0{one.attempt}".encode()).hexdigest()
        self._db.execute(
            "INSERT OR IGNORE INTO returned VALUES (?, ?, ?, ?, ?)",
            (number[:32], one.settlement_id, one.amount_minor, one.currency, at),
        )
        self._answer(
            one, "RETURNED", at, return_id=number[:32], amount_minor=one.amount_minor,
            currency=one.currency, rail_reason="AC04",
        )  # fmt: skip

    def _answer(self, one: Instruction, status: str, due: int, **fields: Any) -> None:
        """Put a receipt into the outbox, once: its id follows from what it says."""
        receipt = Receipt(
            input_id="", source=SOURCE, chain_id=one.chain_id, contract_id=one.contract_id,
            settlement_id=one.settlement_id, kind=one.kind, instruction_no=one.instruction_no,
            attempt=one.attempt, hold_no=one.hold_no, recall_no=one.recall_no,
            query_no=one.query_no, rail_status=status, rail_time=Micros(due), **fields,
        )  # fmt: skip
        about = (one.settlement_id, one.kind, number_of(one), status, receipt.entry_id or "",
                 receipt.return_id or "")  # fmt: skip
        digest = hashlib.sha256("\0".join(map(str, about)).encode()).hexdigest()
        receipt = replace(receipt, input_id=f"rail:{digest[:32]}")
        self._db.execute(
            "INSERT OR IGNORE INTO outbox (receipt_id, due, receipt) VALUES (?, ?, ?)",
            (receipt.input_id, due, msgspec.json.encode(receipt)),
        )


def booked(path: Path) -> dict[str, list[tuple[int, str]]]:
    """The witness: (amount, currency) of each booking, by settlement id."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found: dict[str, list[tuple[int, str]]] = {}
    rows = db.execute("SELECT settlement_id, amount_minor, currency FROM entry ORDER BY entry_id")
    for settlement_id, amount, currency in rows:
        found.setdefault(settlement_id, []).append((amount, currency))
    db.close()
    return found
