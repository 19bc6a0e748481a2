"""What a rail with a bank behind it has to say to the people who run it: docs/operations.md."""

from collections.abc import Iterable

import structlog

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.findings import Finding
from supplytwin.schemas.records import Instruction, SentMessage
from supplytwin.sinks.rail import Closed
from supplytwin.sinks.reconcile import Difference

log = structlog.get_logger("supplytwin.rail")


def with_another_bank(order: Instruction, rail: str) -> None:
    """Nothing is sent, asked or answered about it here."""
    log.error(
        "a payment is with another bank",
        settlement_id=order.settlement_id,
        attempt=order.attempt,
        kind=order.kind,
        rail=rail,
    )


def is_over(order: Instruction | SentMessage) -> None:
    """A recall comes behind the last word of the bank."""
    settlement = order.settlement_id
    log.warning("a payment is over: its recall does not go out", settlement_id=settlement)


def not_written(order: Instruction | SentMessage, why: str) -> None:
    """A message that no bank would take, or that names what we do not know."""
    log.error(
        "a message to the bank cannot be written",
        settlement_id=order.settlement_id,
        kind=order.kind,
        why=why,
    )


def not_understood(name: str, findings: Iterable[Finding]) -> None:
    """Parts of a document from which nothing was guessed."""
    for one in findings:
        log.error(
            "a document of the bank is not understood",
            name=name,
            path=one.path,
            code=one.code,
            says=one.says,
        )


def asked_again(question: tuple[str, SentMessage], error: TransientError) -> None:
    """A duplicate (document, payment) about which the bank could not be asked."""
    settlement, why = question[1].settlement_id, str(error)
    log.warning("a duplicate is asked about again later", settlement_id=settlement, why=why)


def not_reconciled(closed: Closed) -> None:
    """One line for each difference that wants a person."""
    for one in closed.result.results:
        if one.difference is not Difference.NOT_OURS:
            log.error(
                "a statement does not reconcile",
                account=closed.account,
                statement=closed.result.statement_id,
                difference=one.difference,
                settlement_id=one.settlement_id,
                entry_id=one.entry_id,
                bank_minor=one.bank_minor,
                mirror_minor=one.mirror_minor,
                currency=one.currency,
            )
