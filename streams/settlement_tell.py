"""What the commands of `supplytwin settlement` tell, on a console: money in units of its currency,
times in UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from supplytwin.processors.condition_facts_words import VERIFIED_FOOTPRINT
from supplytwin.processors.settlement_footprints import ToVerify
from supplytwin.processors.settlement_report import Explanation
from supplytwin.processors.settlement_rows import PAID
from supplytwin.schemas.money import from_minor
from supplytwin.schemas.records import ExceptionRecord, Instruction, SettlementEvent
from supplytwin.streams.cli_run import out
from supplytwin.streams.drawing import folding
from supplytwin.streams.settlement_act import Acted
from supplytwin.streams.settlement_read import Listed
from supplytwin.streams.settlement_run import Ran, Told
from supplytwin.streams.settlement_show import Explained, Leaf, Shown


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
        for carried in told.footprints:
            out.print(f"    {_footprint(carried)}")
        if told.ignored and told.state not in PAID:
            out.print(f"    counts for nothing: {', '.join(told.ignored)}")
    for currency, accounts in ran.balances.items():
        out.print(f"balances {currency}: {balance(accounts, currency)}")
    if ran.refused:
        out.print(f"{ran.refused} of {len(ran.steps)} steps were refused", style="red")


def _step(step: Told) -> None:
    by = "" if step.by is None else f" by {step.by}"
    note = "" if step.note is None else f"  # {step.note}"
    head = f"{step.line:>4}  {step.at}  {step.what}{by}"
    if step.verdict == "TAKEN":
        out.print(f"{head}{note}")
    else:
        reason = "" if step.reason is None else f": {step.reason}"
        out.print(f"{head} {step.verdict}{reason}{note}", style="yellow")
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


def _footprint(one: ToVerify) -> str:
    """What a verifier has to attach, as it is now."""
    if one.input_hash is None:
        return f"footprint of {one.consignment_id}: none so far"
    how = "not whole, or by a plan" if one.co2e_wtw_kg is None else f"{one.co2e_wtw_kg} kgCO2e"
    return f"footprint of {one.consignment_id}: {how}; {VERIFIED_FOOTPRINT};{one.input_hash};"


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


# ---- list, show, explain


def listed(found: Sequence[Listed]) -> None:
    """One line a claim."""
    drawn = folding("contract/tranche/claim", "chain", "state", "amount", "since", "settlement id",
                    "why")  # fmt: skip
    for one in found:
        drawn.add_row(
            one.path, one.chain_id, f"{one.state} ({one.public_state})",
            money(one.amount_minor, one.currency), one.since, one.settlement_id, one.reason,
        )  # fmt: skip
    out.print(drawn)
    out.print("1 claim" if len(found) == 1 else f"{len(found)} claims")


def shown(found: Shown) -> None:
    """Everything about one claim."""
    now, currency = found.explained, found.claim.currency
    out.print(f"{found.claim.path} of chain {found.claim.chain_id}", style="bold")
    if found.broken is not None:
        out.print(f"hash chain: BROKEN at {found.broken}", style="bold red")
    rows = (
        ("settlement id", found.claim.settlement_id),
        ("state", f"{now.state} ({now.public_state}) since {found.claim.since}"),
        ("contract", now.contract_state),
        ("amount", money(now.amount_minor, currency)),
        ("from", found.buyer),
        ("to", found.seller),
        ("waits for", now.waits_for or "-"),
        ("counts for nothing", now.ignored),
        ("condition", now.verdict),
        ("deadline", f"{found.deadline}; what arrives by {found.close} counts"),
        ("long stop", found.long_stop),
        ("mirror", balance(found.accounts, currency)),
        ("attempt", found.attempt),
        ("booked", [f"{money(one['amount_minor'], one['currency'])} ({key}, attempt "
                    f"{one['attempt']})" for key, one in found.bookings.items()]),
        ("returned", [f"{money(one, currency)} ({key})" for key, one in found.returns.items()]),
        ("stands against it", now.adverse_ids),
        ("cleared", found.cleared),
        ("evidence", now.evidence_ids),
        ("evidence hash", now.evidence_hash),
    )  # fmt: skip
    for name, value in rows:
        out.print(f"  {name}: {text_of(value) or '-'}")
    out.print("history: journal entry, tick time, what", style="bold")
    for one in found.history:
        by = "" if one.by is None else f" (from {one.by})"
        still = "; moved no claim" if one.moved is False else ""
        out.print(f"{one.seq:>4}  {one.at}  {one.what}{by}{still}")
        if one.transition is not None and one.transition.postings:
            out.print(f"{'':8}posts {moved(one.transition.postings, currency)}")
    if found.instructions is None:
        out.print("instructions: not in an exported journal")
        return
    out.print("instructions", style="bold")
    for sent in found.instructions:
        amount = money(sent.amount_minor, sent.currency)
        out.print(f"{sent.instruction_no:>4}  {sent.at}  {sent.kind} {amount}, UETR {sent.uetr}")


def until(leaf: Leaf) -> str:
    """By when what would make a leaf true must have happened and be known; "" where nothing would.
    Of full terms the second is said, which is never earlier.
    """
    if leaf.arrived_until is None:
        return ""
    happened = "" if leaf.happened_until is None else f"happened by {leaf.happened_until}, "
    return f"until: {happened}known by {leaf.arrived_until}"


def explained(found: Explained) -> None:
    """Leaf by leaf, claim by claim."""
    out.print(f"chain {found.chain_id}, at {found.at}", style="bold")
    if found.broken is not None:
        out.print(f"hash chain: BROKEN at {found.broken}", style="bold red")
    for claim in found.claims:
        now = claim.explained
        out.print(
            f"{now.tranche_id} {now.claim_id}: {now.state} ({now.public_state}), "
            f"{money(now.amount_minor, now.currency)}; condition {now.verdict}"
        )
        for leaf in claim.leaves:
            out.print(f"  {leaf.value:<7} {leaf.name}: {leaf.why}")
            if leaf.evidence:
                out.print(f"{'':10}evidence: {', '.join(leaf.evidence)}")
            if due := until(leaf):
                out.print(f"{'':10}{due}")
        if now.adverse_ids:
            out.print(f"  against it: {', '.join(now.adverse_ids)}")
        if now.ignored:
            out.print(f"  counts for nothing: {', '.join(now.ignored)}")
        if now.waits_for:
            out.print(f"  waits for {now.waits_for}")
        for one in now.footprints:
            out.print(f"  {_footprint(one)}")


# ---- acts


def to_release(one: Listed, now: Explanation, raised: Mapping[str, str]) -> None:
    """What a release would rest on, and clear."""
    out.print(
        f"{one.path}: {now.state} ({now.public_state}), {money(now.amount_minor, now.currency)}; "
        f"condition {now.verdict}"
    )
    out.print(f"  rests on {', '.join(now.evidence_ids) or 'nothing'}")
    out.print(f"  evidence hash {now.evidence_hash}")
    for adverse in now.adverse_ids:
        who = raised.get(adverse)
        by = "" if who is None else f" (raised by {who or 'this system'})"
        out.print(f"  clears {adverse}{by}")
    if not now.adverse_ids:
        out.print("  clears nothing: nothing stands against it")


def acted(found: Acted) -> None:
    """What the worker made of an act."""
    review = found.review
    out.print(f"{review.verdict} by {review.reviewer} ({review.role}): {review.input_id}")
    if found.seq is not None:
        out.print(f"  taken as journal entry {found.seq} of {review.chain_id}")
    for one in found.transitions:
        out.print(f"  {transition(one)}")
        if one.postings:
            out.print(f"    posts {moved(one.postings, one.currency)}")
    if found.refused is not None:
        out.print(f"  REFUSED: {found.refused}", style="red")
        out.print("  no claim has moved: see `supplytwin settlement explain`, and act on that")
        return
    for alarm in found.alarms:
        out.print(f"  {_problem(alarm)}")
    if not found.transitions:
        out.print("  recorded; no claim moves by it alone")
