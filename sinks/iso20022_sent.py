"""Whose an answer is: the answers of a bank laid against what was sent to it.

A bank repeats some of a payment's ids and not others, and it answers for a whole file at once. Here
every answer becomes one per payment, with its attempt, or a finding. Ids that contradict each
other name nobody.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.schemas.findings import Finding, in_order
from supplytwin.sinks import iso20022_ids as ids
from supplytwin.sinks.iso20022_answers import Answer, Fault, Reading, Scope
from supplytwin.sinks.iso20022_out import Sent

_ANY_ATTEMPT = frozenset(("BOOKED", "RETURNED"))
"""Money that moved counts for the claim, whichever attempt moved it."""
_OF_PARTS = "PART"
_STATUSES = ("pain.002", "camt.029")
_Payment = tuple[str, int]
"""Settlement id and attempt."""


class Recalled(Struct, frozen=True, kw_only=True, gc=False):
    """One recall that was handed over: its number and the payment."""

    sent: Sent
    recall_no: int

    @property
    def case_id(self) -> str:
        """By what an answer names it."""
        return ids.recall_id(self.sent.settlement_id, self.recall_no)


class Told(Struct, frozen=True, kw_only=True, gc=False):
    """What one payment is told: everything that a receipt of it needs."""

    settlement_id: str
    attempt: int
    recall_no: int
    """0 when it answers no recall."""
    answer: Answer

    @property
    def payment(self) -> tuple[str, int]:
        """Which payment: settlement id and attempt."""
        return self.settlement_id, self.attempt


class Attributed(Struct, frozen=True, kw_only=True, gc=False):
    """All answers of a reading that have an owner, and findings for those that have none."""

    told: tuple[Told, ...]
    findings: tuple[Finding, ...]


class _Ledger:
    """What was sent, by each of its ids."""

    def __init__(self, sent: Iterable[Sent], recalled: Iterable[Recalled]) -> None:
        self.sent = tuple(sent)
        self.cases = {one.case_id: one for one in recalled}
        self.by_settlement: dict[str, list[Sent]] = {}
        self.by_message: dict[str, list[Sent]] = {}
        for one in self.sent:
            self.by_settlement.setdefault(one.settlement_id, []).append(one)
            self.by_message.setdefault(one.message_id, []).append(one)
        self.by_uetr = {one.uetr: one for one in self.sent}

    def payment(self, answer: Answer) -> Sent | str:
        """The attempt that an answer names, or why it names none."""
        if answer.settlement_id is None:
            found = [self.by_uetr[answer.uetr]] if answer.uetr in self.by_uetr else []
        else:
            found = self.by_settlement.get(answer.settlement_id, [])
        if not found:
            return "names no payment that was sent"
        if answer.uetr is not None:
            found = [one for one in found if one.uetr == answer.uetr]
        if answer.message.startswith("pain.002") and answer.original_message_id is not None:
            found = [one for one in found if one.message_id == answer.original_message_id]
        if not found:
            return "its ids are of different payments"
        found = _narrowed(found, "instruction_id", answer.instruction_id)
        found = _narrowed(found, "message_id", answer.original_message_id)
        if len(found) > 1 and answer.status not in _ANY_ATTEMPT:
            return f"could be about any of {len(found)} attempts"
        return max(found, key=lambda one: one.attempt)

    def around(self, answer: Answer) -> list[Sent]:
        """All that an answer without an owner may be about: by each id, and by the block or file
        that it stands in.
        """
        found = list(self.by_settlement.get(answer.settlement_id or "", ()))
        found += [self.by_uetr[answer.uetr]] if answer.uetr in self.by_uetr else []
        block = self.many(replace(answer, scope=Scope.BATCH))
        inside = answer.scope is Scope.PAYMENT and block
        return found + (block if inside else self.many(replace(answer, scope=Scope.MESSAGE)))

    def many(self, answer: Answer) -> list[Sent]:
        """The payments of the file or block that an answer names."""
        found = self.by_message.get(answer.original_message_id or "", [])
        if answer.scope is Scope.BATCH:
            block = answer.original_batch_id
            found = [one for one in found if one.payment_information_id == block]
        return found


def attribute(
    reading: Reading, sent: Iterable[Sent], recalled: Iterable[Recalled] = ()
) -> Attributed:
    """Every answer of `reading` for the payment that it is about, in the order of the document.

    A status of a file or block is told to each payment of it of which nothing nearer is said, be
    it understood or not. An ACSC without an amount speaks of the amount as instructed, and gets it
    from what was sent.
    """
    ledger = _Ledger(sent, recalled)
    findings = list(reading.findings)
    told: list[Told] = []
    nearer: set[_Payment] = set()
    for scope in (Scope.CASE, Scope.PAYMENT, Scope.BATCH, Scope.MESSAGE):
        fresh: list[Told] = []
        named: set[_Payment] = set()
        for answer in (one for one in reading.answers if one.scope is scope):
            owned = _owned(ledger, answer)
            if isinstance(owned, str):
                findings.append(Finding(path=answer.path, code=Fault.UNKNOWN_REFERENCE, says=owned))
                named.update(_payments(ledger.around(answer)))
            else:
                fresh += [one for one in owned if one.payment not in nearer]
        unread: list[Told] = []
        for answer in (one for one in reading.unread if one.scope is scope):
            owned = _owned(ledger, answer)
            if isinstance(owned, str):
                named.update(_payments(ledger.around(answer)))
            else:
                unread += owned
        nearer |= named | {one.payment for one in (*fresh, *unread)}
        told += _agreed(fresh, unread, findings)
    order = {id(answer): place for place, answer in enumerate(reading.answers)}
    told.sort(key=lambda one: order[id(one.answer)])
    return Attributed(told=tuple(_amounts(told, ledger)), findings=in_order(findings))


def _payments(sent: Iterable[Sent]) -> set[_Payment]:
    return {(one.settlement_id, one.attempt) for one in sent}


def _agreed(told: list[Told], unread: list[Told], findings: list[Finding]) -> list[Told]:
    """What is told without contradicting itself: of two words of one document about one payment
    neither counts, nor one beside another that is not understood. Entries of an account are no
    words about each other.
    """
    words: dict[tuple[_Payment, int], set[tuple[object, ...]]] = {}
    for one in (*told, *unread):
        said = one.answer
        word = (said.status, said.reason, said.amount_minor, said.currency)
        words.setdefault((one.payment, one.recall_no), set()).add(word)
    agreed = []
    for one in told:
        said = one.answer
        if said.message.startswith(_STATUSES) and len(words[one.payment, one.recall_no]) > 1:
            says = f"{said.status}, and another word about the same payment"
            findings.append(Finding(path=said.path, code=Fault.CONTRADICTION, says=says))
        else:
            agreed.append(one)
    return agreed


def _owned(ledger: _Ledger, answer: Answer) -> Sequence[Told] | str:
    """Whom an answer is told to, or why nobody."""
    if answer.scope is Scope.CASE:
        case = ledger.cases.get(answer.case_id or "")
        if case is None:
            return "names no recall that was sent"
        return [_told(case.sent, answer, case.recall_no)]
    if answer.scope is Scope.PAYMENT:
        one = ledger.payment(answer)
        if isinstance(one, str):
            return one
        if not answer.message.startswith("camt.029"):
            return [_told(one, answer)]
        number = _recall(ledger, answer, one)
        return number if isinstance(number, str) else [_told(one, answer, number)]
    many = ledger.many(answer)
    if not many:
        return f"names no {answer.scope.lower()} that was sent"
    return [] if answer.status == _OF_PARTS else [_told(one, answer) for one in many]


def _recall(ledger: _Ledger, answer: Answer, payment: Sent) -> int | str:
    """The number of the recall that is answered; without a case it must be the only one."""
    known = [one for one in ledger.cases.values() if one.sent == payment]
    if answer.case_id is not None:
        known = [one for one in known if one.case_id == answer.case_id]
    if len(known) != 1:
        return f"answers one of {len(known)} recalls of its payment"
    return known[0].recall_no


def _told(sent: Sent, answer: Answer, recall_no: int = 0) -> Told:
    return Told(
        settlement_id=sent.settlement_id, attempt=sent.attempt, recall_no=recall_no, answer=answer
    )


def _amounts(told: Iterable[Told], ledger: _Ledger) -> Iterable[Told]:
    known = {(one.settlement_id, one.attempt): one for one in ledger.sent}
    for one in told:
        answer = one.answer
        if answer.status == "ACSC" and answer.amount_minor is None:
            sent = known[one.payment]
            answer = replace(answer, amount_minor=sent.amount_minor, currency=sent.currency)
        yield replace(one, answer=answer)


def _narrowed(found: list[Sent], name: str, stated: str | None) -> list[Sent]:
    """Those that have the id, when some have; an id that a bank put in its place says nothing."""
    return [one for one in found if getattr(one, name) == stated] or found
