"""What the commands of `supplytwin settlement` tell, on a console: money in units of its currency,
times in UTC.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from supplytwin.schemas.money import from_minor
from supplytwin.schemas.records import ExceptionRecord, Instruction, SettlementEvent
from supplytwin.streams.cli_run import out
from supplytwin.streams.settlement_run import Ran, Told


def money(minor: int, currency: str) -> str:
    """An amount for people: `-1234.50 USD`."""
    return f"{from_minor(minor, currency):f} {currency}"


def moved(postings: Iterable[str], currency: str) -> str:
    """The posting lines of a record: `buyer -10.00, reserved 10.00`."""
    parts = (line.partition(";") for line in postings)
    return ", ".join(f"{name} {from_minor(int(minor), currency):f}" for name, _, minor in parts)


def balance(accounts: Mapping[str, int], currency: str) -> str:
    """Balances in one line."""
    return ", ".join(f"{name} {from_minor(minor, currency):f}" for name, minor in accounts.items())


def transition(one: SettlementEvent) -> str:
    """One transition in one line."""
    return (
        f"{one.claim_id}: {one.from_state} -> {one.to_state} (row {one.row}, "
        f"{one.public_state}): {one.reason}"
    )


# ---- simulate


def simulated(ran: Ran) -> None:
    """Every step with what it did, then where the claims and the money are."""
    for step in ran.steps:
        _step(step)
    out.print("claims:")
    for one in ran.claims:
        told = one.explained
        amount = money(told.amount_minor, told.currency)
        out.print(
            f"  {one.contract_id} {told.tranche_id} {told.claim_id}: {told.state} "
            f"({told.public_state}), {amount}; {balance(one.accounts, told.currency)}"
        )
        if told.waits_for:
            out.print(f"    waits for {told.waits_for}")
    for currency, accounts in ran.balances.items():
        out.print(f"balances {currency}: {balance(accounts, currency)}")
    if ran.refused:
        out.print(f"{ran.refused} of {len(ran.steps)} steps were refused", style="red")


def _step(step: Told) -> None:
    by = "" if step.by is None else f" by {step.by}"
    head = f"{step.line:>4}  {step.at}  {step.what}{by}"
    if step.verdict == "TAKEN":
        out.print(head)
    else:
        reason = "" if step.reason is None else f": {step.reason}"
        out.print(f"{head} {step.verdict}{reason}", style="yellow")
    for one in step.transitions:
        out.print(f"{'':6}{transition(one)}")
        if one.postings:
            out.print(f"{'':8}posts {moved(one.postings, one.currency)}")
        for order in step.instructions:
            if (order.chain_id, order.seq) == (one.chain_id, one.seq):
                out.print(f"{'':8}{_instruction(order)}")
        _alarms(step.alarms, one)
    told = {(one.chain_id, one.seq) for one in step.transitions}
    for problem in (*step.alarms, *step.exceptions):
        if (problem.chain_id, problem.seq) not in told and problem.reason != step.reason:
            out.print(f"{'':6}{_problem(problem)}")


def _alarms(alarms: Iterable[ExceptionRecord], one: SettlementEvent) -> None:
    for alarm in alarms:
        if (alarm.chain_id, alarm.seq) == (one.chain_id, one.seq):
            out.print(f"{'':8}{_problem(alarm)}")


def _instruction(one: Instruction) -> str:
    text = f"instructs {one.kind} no {one.instruction_no}, {money(one.amount_minor, one.currency)}"
    return f"{text} from {one.debtor} to {one.creditor}" if one.kind == "PAY" else text


def _problem(one: ExceptionRecord) -> str:
    if one.subject_type == "CLAIM":
        return f"ALARM {one.code}: {one.reason}"
    state = "exception" if one.open else "no longer"
    return f"{state} {one.code} of {one.subject_type} {one.subject_id}: {one.reason}"


def text_of(value: Any) -> str:
    """Nothing as nothing, several as a list."""
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    return "" if value is None else str(value)
