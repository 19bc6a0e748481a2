"""What a claim is told of money that moved in a way that is not understood, and under which id.

Such a break has the id of a receipt that was published, and another content: the worker takes it as
two words of the rail about one thing. Each has an id of its own, since a person clears an id: one
that came again under it would count for nothing.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from supplytwin.schemas.records import Receipt
from supplytwin.sinks.iso20022_sent import Doubt
from supplytwin.sinks.reconcile import Difference

OWN = "own"
"""In the source of a receipt: the rail's own answer, not its bank's."""
_MOVED = frozenset(("BOOKED", "RETURNED"))


class Breaks(NamedTuple):
    """What can be told of some doubts, and those of which nothing can be told yet."""

    told: tuple[Receipt, ...]
    left: tuple[Doubt, ...]


def difference_of(receipt: Receipt) -> str | None:
    """The difference that a break is about; None = the receipt is none."""
    name = (receipt.rail_reason or "").partition(":")[0]
    return name if name in Difference.__members__ else None


def moved(receipts: Iterable[Receipt]) -> set[str]:
    """Settlements of which these tell a booking or a return."""
    return {
        one.settlement_id
        for one in receipts
        if one.rail_status in _MOVED and difference_of(one) is None
    }


def in_turn(receipts: Iterable[Receipt], doubted: Collection[str]) -> list[Receipt]:
    """Breaks first. A rejection of the bank makes way for another attempt: it is held back as long
    as its settlement is among the `doubted`.
    """
    free = [one for one in receipts if one.settlement_id not in doubted or not _rejects(one)]
    return sorted(free, key=lambda one: difference_of(one) is None)


def behind(receipts: Iterable[Receipt], breaks: Iterable[Receipt]) -> list[Receipt]:
    """Each break behind the receipt whose id it has; first of all where that was published."""
    under = {one.input_id: one for one in breaks}
    found = []
    for one in receipts:
        found += [one, under.pop(one.input_id)] if one.input_id in under else [one]
    return [*under.values(), *found]


def _rejects(receipt: Receipt) -> bool:
    own = receipt.source.partition(":")[2] == OWN
    return receipt.rail_status == "RJCT" and difference_of(receipt) is None and not own


class Published:
    """What was published of each settlement, by any rail: under which ids a break can be told, and
    which were.
    """

    def __init__(self, rail: str) -> None:
        self._rail = rail
        self._of: dict[str, list[Receipt]] = {}
        self._breaks: set[tuple[str, str]] = set()
        self._broken: set[str] = set()
        self._reasons: set[tuple[str, str]] = set()

    def take(self, receipt: Receipt) -> None:
        """One that was published. Bookings and returns are kept, and of all else the first answer
        to each hold, payment, question and recall.
        """
        difference = difference_of(receipt)
        if difference is None:
            known = self._of.setdefault(receipt.settlement_id, [])
            if receipt.kind != "RELEASE" and all(_kept(one) != _kept(receipt) for one in known):
                known.append(receipt)
            return
        self._breaks.add((receipt.input_id, difference))
        self._broken.add(receipt.input_id)
        self._reasons.add((receipt.settlement_id, receipt.rail_reason or ""))

    def told_break(self, receipt_id: str, difference: str) -> bool:
        """Whether this difference about this booking was published before."""
        return (receipt_id, difference) in self._breaks

    def breaks(
        self, doubts: Iterable[Doubt], waiting: Iterable[Receipt], beside: Iterable[Receipt]
    ) -> Breaks:
        """What claims are told of these doubts: each once, under the id of a receipt that bears no
        break yet; a booking or return before others, of the same attempt before others.
        `waiting` = what is to be published; `beside` = what will be, before the breaks.
        """
        doubts, told, left = tuple(doubts), [], []
        if not doubts:
            return Breaks((), ())
        open_breaks = [one for one in waiting if difference_of(one) is not None]
        used = {one.input_id for one in open_breaks}
        said = {(one.settlement_id, one.rail_reason or "") for one in open_breaks}
        also: dict[str, list[Receipt]] = {}
        for receipt in beside:
            also.setdefault(receipt.settlement_id, []).append(receipt)
        for doubt in doubts:
            why = f"{Difference.NOT_UNDERSTOOD}: attempt {doubt.attempt}: {doubt.says}"
            word = (doubt.settlement_id, why)
            if word in said or word in self._reasons:
                continue
            every = [*self._of.get(doubt.settlement_id, ()), *also.get(doubt.settlement_id, ())]
            free = [one for one in every if one.input_id not in used]
            free = [one for one in free if one.input_id not in self._broken]
            if not free:
                left.append(doubt)
                continue
            chosen = min(free, key=lambda one: _preferred(one, doubt))
            used.add(chosen.input_id)
            said.add(word)
            told.append(replace(chosen, source=self._source(chosen), rail_reason=why))
        return Breaks(tuple(told), tuple(left))

    def _source(self, receipt: Receipt) -> str:
        """That of the receipt; of another rail's, this rail's own."""
        rail = receipt.source.partition(":")[0]
        return receipt.source if rail == self._rail else f"{self._rail}:{OWN}"


def _kept(receipt: Receipt) -> tuple[object, ...]:
    """Of those that are alike in this the first is kept."""
    if receipt.rail_status in _MOVED:
        return (receipt.input_id,)
    return receipt.kind, receipt.attempt, receipt.hold_no, receipt.recall_no, receipt.query_no


def _preferred(receipt: Receipt, doubt: Doubt) -> tuple[bool, bool, bool, bool]:
    """The least is the best; of those that are alike the first that was told."""
    status = receipt.rail_status
    return (
        receipt.attempt != doubt.attempt,
        status not in _MOVED,
        status == "RETURNED",
        status == "RJCT",
    )
