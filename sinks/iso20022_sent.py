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
from supplytwin.sinks.iso20022_answers import Answer, Fault, Reading, Scope, Statement
from supplytwin.sinks.iso20022_out import Sent

_ANY_ATTEMPT = frozenset(("BOOKED", "RETURNED", "ANNOUNCED"))
"""Money that moved counts for the claim, whichever attempt moved it."""
_MOVED = frozenset(("BOOKED", "RETURNED"))
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


class Doubt(Struct, frozen=True, kw_only=True, gc=False):
    """Money of a settlement may have moved in a way that is a finding and no answer."""

    settlement_id: str
    attempt: int
    """The last of those that it may be about."""
    says: str


class Attributed(Struct, frozen=True, kw_only=True, gc=False):
    """All answers of a reading that have an owner, and findings for those that have none."""

    told: tuple[Told, ...]
    findings: tuple[Finding, ...]
    statements: tuple[Statement, ...]
    """As they were read; an entry has the settlement that any of its ids names."""
    doubts: tuple[Doubt, ...]


class _Ledger:
    """What was sent, by each of its ids."""

    def __init__(self, sent: Iterable[Sent], recalled: Iterable[Recalled]) -> None:
        self.sent = tuple(sent)
        self.cases = {one.case_id: one for one in recalled}
        self.by_settlement: dict[str, list[Sent]] = {}
        self.by_message: dict[str, list[Sent]] = {}
        self.by_part: dict[str, list[Sent]] = {}
        for one in self.sent:
            self.by_settlement.setdefault(one.settlement_id, []).append(one)
            self.by_message.setdefault(one.message_id, []).append(one)
            for part in (one.instruction_id, one.payment_information_id):
                self.by_part.setdefault(part, []).append(one)
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
        found += self.by_part.get(answer.instruction_id or "", ())
        block = self.by_part.get(answer.original_batch_id or "", [])
        inside = answer.scope is Scope.PAYMENT and block
        return found + (
            block if inside else self.by_message.get(answer.original_message_id or "", [])
        )

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
    found = _Attribution(ledger, reading)
    for scope in (Scope.CASE, Scope.PAYMENT, Scope.BATCH, Scope.MESSAGE):
        found.take(scope)
    order = {id(answer): place for place, answer in enumerate(reading.answers)}
    found.told.sort(key=lambda one: order[id(one.answer)])
    return Attributed(
        told=tuple(_amounts(found.told, ledger)),
        findings=in_order(found.findings),
        statements=tuple(found.owned(one) for one in reading.statements),
        doubts=tuple(found.doubts),
    )


class _Attribution:
    """One document, from the nearest words in it to those of the whole file."""

    def __init__(self, ledger: _Ledger, reading: Reading) -> None:
        self._ledger, self._reading = ledger, reading
        self.told: list[Told] = []
        self.findings = list(reading.findings)
        self.doubts: list[Doubt] = []
        self._nearer: set[_Payment] = set()
        self._owners: dict[str, set[_Payment]] = {}
        """Payments by the path of what is said of them."""
        self._spoilt: set[str] = set()
        """Paths of what turned out to be ours and not understood, and of what that stands in."""

    def take(self, scope: Scope) -> None:
        """All that is said of one scope, where nothing nearer is said."""
        fresh: list[Told] = []
        unread: list[Told] = []
        named: set[_Payment] = set()
        for answer in (one for one in self._reading.answers if one.scope is scope):
            owned = self._of(answer, named)
            if isinstance(owned, str):
                self._find(answer.path, Fault.UNKNOWN_REFERENCE, owned)
                if answer.status in _MOVED:
                    self._doubt(answer, owned)
            fresh += [] if isinstance(owned, str) else owned
            if answer.status == _OF_PARTS:
                named |= {(one.settlement_id, one.attempt) for one in self._ledger.many(answer)}
        for part in (one for one in self._reading.unread if one.about.scope is scope):
            owned = self._of(part.about, named)
            unread += [] if isinstance(owned, str) else owned
            if part.why is not None and (owned or not part.about.doubtful):
                self.findings.append(part.why)
                if part.moved:
                    self._doubt(part.about, f"{part.why.code}, {part.why.says}")
                steps = part.about.path.split("/")
                self._spoilt |= {"/".join(steps[:end]) for end in range(1, len(steps) + 1)}
        fresh = [one for one in fresh if one.payment not in self._nearer]
        self._nearer |= named | {one.payment for one in (*fresh, *unread)}
        self.told += self._agreed(fresh, unread)

    def _of(self, answer: Answer, named: set[_Payment]) -> Sequence[Told] | str:
        """Whom it is told to; or why nobody, and then whom it may be about, which is kept. What is
        other business is told to nobody.
        """
        owned = _owned(self._ledger, answer)
        if not isinstance(owned, str):
            self._owners[answer.path] = {one.payment for one in owned}
            return owned
        if answer.doubtful:
            return []
        around = {(one.settlement_id, one.attempt) for one in self._ledger.around(answer)}
        named |= around
        self._owners[answer.path] = around
        return owned

    def _doubt(self, answer: Answer, says: str) -> None:
        """The bank's id of the entry tells two of one payment apart."""
        name = answer.entry_id or answer.return_id
        says = says if name is None else f"entry {name}: {says}"
        for settlement, attempt in dict(sorted(self._owners.get(answer.path, ()))).items():
            self.doubts.append(Doubt(settlement_id=settlement, attempt=attempt, says=says))

    def _find(self, path: str, code: Fault, says: str) -> None:
        self.findings.append(Finding(path=path, code=code, says=says))

    def _agreed(self, told: list[Told], unread: list[Told]) -> list[Told]:
        """What is told without contradicting itself: of two words of one document about one payment
        neither counts, nor one beside another that is not understood. Entries of an account are no
        words about each other.
        """
        if not self._reading.message.startswith(_STATUSES):
            return told
        words: dict[tuple[_Payment, int], set[tuple[object, ...]]] = {}
        for one in (*told, *unread):
            said = one.answer
            word = (said.status, said.reason, said.amount_minor, said.currency)
            words.setdefault((one.payment, one.recall_no), set()).add(word)
        agreed = []
        for one in told:
            if len(words[one.payment, one.recall_no]) == 1:
                agreed.append(one)
                continue
            says = f"{one.answer.status}, and another word about the same payment"
            self._find(one.answer.path, Fault.CONTRADICTION, says)
        return agreed

    def owned(self, statement: Statement) -> Statement:
        """A statement whose entries have their owner where another id than the EndToEndId says it;
        it is not complete when one of them is ours and not understood.
        """
        entries, spoilt = [], False
        for entry in statement.entries:
            owners = {settlement for settlement, _ in self._owners.get(entry.path, ())}
            spoilt = spoilt or entry.path in self._spoilt
            known = entry.settlement_id is not None or len(owners) != 1
            entries.append(entry if known else replace(entry, settlement_id=min(owners)))
        complete = statement.complete and not spoilt
        return replace(statement, entries=tuple(entries), complete=complete)


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
