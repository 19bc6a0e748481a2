"""The payment rail as a port: what a bank connection must keep so that nobody is paid twice.

- Ids are idempotent for ever: the same (settlement, kind, attempt | hold | recall | query number)
is one act.
- A rejection is final for its attempt; nothing is booked after it.
- A recall of an id that was never sent kills that id, and is answered as cancelled.
- "Not found" means not yet.
- What was answered can be fetched again until it is acknowledged, with the same id and the same
content.

A rail that books after it has rejected makes a double payment possible in any design but one that
deduplicates on the end-to-end id at the rail itself.

A rail either records an instruction for good before a call returns (`keeps` is False: the simulated
one has a ledger), or it has a bank behind it that must be given the same bytes after a crash as
before. Then `keeps` is True, the gateway asks `draft` for what is to go out, writes it to Kafka,
and only then calls `submit` or `recall` with it.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import Struct

from supplytwin.schemas.records import Instruction, Receipt, SentMessage, SettlementEvent
from supplytwin.sinks.reconcile import Reconciliation

Alive = Callable[[], None]
"""Called between any two calls that may take their time."""


class Answer(Struct, frozen=True, kw_only=True):
    """A receipt, and when it may be published (us; 0 = at once)."""

    due: int
    receipt: Receipt


class Closed(Struct, frozen=True, kw_only=True):
    """A statement laid against the mirror: every difference has a name. What a claim must be told
    of them is among the next `answers`.
    """

    account: str
    result: Reconciliation


class Rail(Protocol):
    """See the module. `reserve`, `release`, `submit`, `status` and `recall` take an instruction of
    their kind. Each raises TransientError when it must be called again with the same.
    """

    name: str
    keeps: bool
    """What goes out is written to `settlement.sent` first."""

    def watched(self, alive: Alive) -> None:
        """Somebody ends the process when `alive` is not called for a while: it is, behind each call
        of a bank and each document that is read.
        """

    def draft(self, instruction: Instruction) -> SentMessage | None:
        """What a PAY or RECALL sends, for ever the same bytes under the same ids; None = it is to
        be handed over as it is (every kind, unless the rail `keeps`).
        """

    def reserve(self, instruction: Instruction) -> None:
        """RESERVE: hold the buyer's money."""

    def release(self, instruction: Instruction) -> None:
        """RELEASE: give a hold back."""

    def submit(self, order: Instruction | SentMessage) -> None:
        """PAY: the payment, or the message that was kept of it."""

    def status(self, instruction: Instruction) -> None:
        """QUERY: ask what became of the payment."""

    def recall(self, order: Instruction | SentMessage) -> None:
        """RECALL: ask for the payment back."""

    def answers(self, until: int) -> list[Answer]:
        """What is due and not acknowledged, oldest first."""

    def told(self, settlements: Collection[str], until: int) -> list[Answer]:
        """All that it has answered about these settlements by `until` (us), acknowledged or not,
        oldest first: the same receipts with the same ids. What a bank has said it has said: its
        clock may be ahead of ours, and `until` is no bound for it.
        """

    def acknowledge(self, receipt_ids: Sequence[str]) -> None:
        """These have been published; they need not be kept for us any longer."""

    def remember(self, kept: SentMessage | Receipt) -> None:
        """What Kafka has of an earlier process, in its order: messages that were sent, receipts
        that were published.
        """

    def forget(self) -> None:
        """Drop what is not in Kafka: `remember` is called with all of that next."""

    def findings(self) -> Sequence[str]:
        """Codes of what was not understood of what a bank has said, since the last call."""

    def statements(self) -> int:
        """How many statements wait for `close_day`, whose entries have been told by `answers`."""

    def close_day(self, events: Sequence[SettlementEvent]) -> list[Closed]:
        """Lay each statement that waits against the postings of all transitions so far."""

    def close(self) -> None: ...


def number_of(order: Instruction | SentMessage) -> int:
    """Which of its kind an instruction is, within its settlement."""
    return {
        "PAY": order.attempt,
        "RECALL": order.recall_no,
        "QUERY": order.query_no,
    }.get(order.kind, order.hold_no)


def hand_over(rail: Rail, order: Instruction | SentMessage) -> None:
    """Call what the kind of an order asks for. Raises KeyError for a kind that is none."""
    if isinstance(order, SentMessage):
        acts = {"PAY": rail.submit, "RECALL": rail.recall}
        acts[order.kind](order)
        return
    calls: dict[str, Callable[[Instruction], None]] = {
        "RESERVE": rail.reserve,
        "RELEASE": rail.release,
        "PAY": rail.submit,
        "QUERY": rail.status,
        "RECALL": rail.recall,
    }
    calls[order.kind](order)
