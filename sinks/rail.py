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
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct

from supplytwin.schemas.records import Instruction, Receipt


class Answer(Struct, frozen=True, kw_only=True):
    """A receipt, and when it may be published (us)."""

    due: int
    receipt: Receipt


class Rail(Protocol):
    name: str

    def submit(self, instruction: Instruction) -> None:
        """Hand over one instruction. It has been recorded for good when this returns."""

    def answers(self, until: int) -> list[Answer]:
        """What is due and not acknowledged, oldest first."""

    def told(self, settlements: Collection[str], until: int) -> list[Answer]:
        """All that it has answered about these settlements by `until` (us), acknowledged or not,
        oldest first: the same receipts with the same ids.
        """

    def acknowledge(self, receipt_ids: Sequence[str]) -> None:
        """These have been published; they need not be kept for us any longer."""

    def close(self) -> None: ...


def number_of(instruction: Instruction) -> int:
    """Which of its kind an instruction is, within its settlement."""
    return {
        "PAY": instruction.attempt,
        "RECALL": instruction.recall_no,
        "QUERY": instruction.query_no,
    }.get(instruction.kind, instruction.hold_no)
