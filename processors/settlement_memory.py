"""What the last cut of a chain found, so that the next one looks only at what has changed since.

A verdict has parts, and each is a function of terms, claim, tick, and the facts of one sort that
reach certain subjects (`evidence.Part`). It is kept with these and with the time until which it
holds, and is used again while no such fact has another slot: slots are immutable, so one that is
the same object says the same. A claim to which no row applied rests until its own state, its
verdict or something else in the book is another one, or a time comes for which its rows wait.

None of this is part of a chain's state: with an empty memory (after a restore) a cut decides the
same, and all memories are equal.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from functools import lru_cache
from itertools import chain
from operator import attrgetter, is_
from typing import TYPE_CHECKING

from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.condition_facts import Built, stirred_by
from supplytwin.processors.conditions import Assessment, assess
from supplytwin.processors.evidence import NEVER, Concern, Part, Verdict, sorts
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.reach import reached_by
from supplytwin.processors.settlement_answers import (
    Answers,
    concerns_of,
    stirred,
)
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.terms import ClaimTerms, Terms

if TYPE_CHECKING:
    from supplytwin.processors.settlement_asked import Known
    from supplytwin.processors.settlement_state import Book, Claim


class Finding(Struct, frozen=True, kw_only=True, gc=False):
    """What a cut found about one claim."""

    assessment: Assessment | None = None
    """None: its terms are full, or it is over and no row that may still apply reads a verdict."""
    answers: tuple[Built, ...] = ()
    """Of full terms: what its verdict rests on."""
    concerns: frozenset[SubjectKey] = frozenset()
    """Of these answers."""
    claims: "Map[str, Claim] | None" = None
    """Of full terms: all claims of the book, which a verdict may look at."""
    at: int = 0
    """The tick of that cut; an earlier one has to look for itself."""
    claim: "Claim | None" = None
    """The claim when no row applied to it, else None."""
    frame: tuple[object, ...] = ()
    """What else of the book its rows could see."""
    wakes_at: int | None = None
    """The first tick time at which by time alone a row may apply to it."""

    def holds(self, tick: int) -> bool:
        """Whether over the same facts the verdict is that of `tick` too."""
        seen = self.assessment
        return self.at <= tick and (seen is None or tick < seen.until)

    def rests(self, claim: "Claim", frame: tuple[object, ...], tick: int) -> bool:
        """Whether over the same facts no row applies to `claim` at `tick` either."""
        if self.claim is not claim or self.frame is not frame or not self.holds(tick):
            return False
        return self.wakes_at is None or tick < self.wakes_at


class Memory(Struct, frozen=True, kw_only=True, gc=False, eq=False):
    """What the last cut found, and over what. `Memory()` knows nothing."""

    terms: Terms | None = None
    twin: Twin = Twin()
    frame: tuple[object, ...] = ()
    findings: tuple[Finding | None, ...] = ()
    """One for each claim in the order of the book."""
    known: "Known | None" = None
    """What was known beside the facts."""
    claims: "Map[str, Claim] | None" = None
    """All claims of the book."""
    at: int = 0
    """The tick of that cut."""
    wakes_at: int | None = None
    """The first tick time at which by time alone a row may apply to any claim."""
    still_until: int = 0
    """The first later tick time at which by time alone anything may be another; 0 = something moved
    at that cut.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Memory)

    def __hash__(self) -> int:
        return 0


def is_still(book: "Book", twin: Twin, tick: int, known: "Known") -> bool:
    """Whether a cut finds what the one before found: nothing came, and no time for which anything
    waits.
    """
    memory = book.memory
    return (
        memory.at <= tick < memory.still_until
        and memory.twin is twin
        and memory.known is known
        and memory.terms is book.terms
        and memory.claims is book.claims
        and _frame(book, memory.frame) is memory.frame
    )


class Recollection:
    """A memory while one cut uses it, and what that cut adds to it. Lives for that call."""

    def __init__(self, book: "Book", terms: Terms, twin: Twin, tick: int, known: "Known") -> None:
        self.terms = terms
        self.twin = twin
        self.tick = tick
        self.known = known
        self._frame = _frame(book, book.memory.frame)
        found = _recalled(book.memory, terms, len(book.order), twin, known)
        self._stirred, self._subjects, self._findings = found
        self._answers: Answers | None = None
        self._wakes: list[int] = []

    def rests(self, number: int, claim: "Claim", book: "Book") -> bool:
        """Whether no row applies to a claim of the book, as none did at the cut before."""
        found = self._findings[number]
        if found is None or not found.rests(claim, self._frame, self.tick):
            return False
        if found.assessment and not self._stirred.isdisjoint(found.assessment.concerns):
            return False
        if found.claims is not None and (
            found.claims is not book.claims or not self._subjects.isdisjoint(found.concerns)
        ):
            return False
        if found.wakes_at is not None:
            self._wakes.append(found.wakes_at)
        return True

    def forget(self, number: int) -> None:
        """The claim is over: no verdict matters to it any more."""
        self._findings[number] = None

    def verdict(self, number: int, terms: Terms, promise: ClaimTerms) -> Verdict:
        """The condition of a claim under its terms, over the facts as they are: what still holds is
        not evaluated again."""
        found, stirred = self._findings[number], self._stirred
        seen = None if found is None else found.assessment
        known: list[Part | None] | None = None
        if seen is not None and seen.promise is promise:
            known = [one if one.holds(self.tick, stirred) else None for one in seen.parts]
        if seen is None or known is None or None in known:
            seen = assess(terms, promise, self.twin, self.tick, known)
        self._findings[number] = Finding(assessment=seen, at=self.tick)
        return seen.verdict

    @property
    def answers(self) -> Answers:
        """To the questions of full terms: those that still hold are kept."""
        if self._answers is None:
            kept = (one for found in self._findings if found is not None for one in found.answers)
            self._answers = Answers(self.twin, kept, self._subjects)
        return self._answers

    def answered(self, number: int, book: "Book") -> None:
        """The verdict on a claim of the book was found by the `answers` that were used."""
        used = self.answers.used()
        self._findings[number] = Finding(
            answers=used, concerns=concerns_of(used), claims=book.claims, at=self.tick
        )

    def note(self, number: int, book: "Book", claim: "Claim | None", wakes: Iterable[int]) -> None:
        """The claim was tried, and `book` came of it. `claim` = None: a row applied."""
        if claim is None:
            self._frame = _frame(book, self._frame)
        found, moments = self._findings[number], sorted(wakes)
        self._wakes.extend(moments)
        self._findings[number] = replace(
            Finding() if found is None else found,
            at=self.tick,
            claim=claim,
            frame=self._frame,
            wakes_at=moments[0] if moments else None,
        )

    @property
    def wakes_at(self) -> int | None:
        """The first tick time at which by time alone a row may apply to any claim."""
        return min(self._wakes, default=None)

    def memory(self, book: "Book", *, moved: bool) -> Memory:
        """What the next cut of the book starts from; `moved` = a row applied."""
        untils = [one.assessment.until for one in self._findings if one and one.assessment]
        return Memory(
            terms=self.terms,
            twin=self.twin,
            frame=self._frame,
            findings=tuple(self._findings),
            known=self.known,
            claims=book.claims,
            at=self.tick,
            wakes_at=self.wakes_at,
            still_until=0 if moved else min([*self._wakes, *untils], default=NEVER),
        )


# ---- what else of a book matters

_APART = ("claims", "inputs", "contract_seq", "agenda", "memory", "votes")
"""No row of a cut looks at these: guards read their own claim, and of the others only whether all
are over, which their own is not. Whatever else a row reads must be a field of the book."""


@lru_cache(maxsize=2)
def _framing(names: tuple[str, ...]) -> Callable[[Struct], tuple[object, ...]]:
    return attrgetter(*(name for name in names if name not in _APART))


def _frame(book: "Book", last: tuple[object, ...]) -> tuple[object, ...]:
    """All else of the book; `last` itself when it is still that."""
    frame = _framing(book.__struct_fields__)(book)
    same = len(last) == len(frame) and all(map(is_, frame, last))
    return last if same else frame


# ---- which facts are others


_Recalled = tuple[set[Concern], set[SubjectKey], list[Finding | None]]


def _recalled(memory: Memory, terms: Terms, claims: int, twin: Twin, known: "Known") -> _Recalled:
    """The facts that differ in `twin`, as they bear on conditions and by the subjects of which
    anything is another, and what was found of each of the `claims` under `terms`.
    """
    nothing: _Recalled = set(), set(), [None] * claims
    if memory.terms is not terms:
        return nothing
    moved: list[tuple[Slot | None, Slot]] = []
    if memory.twin is not twin:
        before, after = memory.twin.facts.slots, twin.facts.slots
        moved = list(differing(before, after))
        if len(before) + sum(was is None for was, _ in moved) != len(after):
            return nothing  # some are missing
    concerns = {one for pair in moved for slot in pair if slot for one in _concerns(slot)}
    subjects = set[SubjectKey]()
    if terms.full is not None:
        if memory.twin is not twin:
            subjects = stirred(memory.twin, twin, moved)
        signed = _judged_otherwise(memory.known, known, twin)
        if signed is None:
            return nothing
        subjects |= signed
    return concerns, subjects, list(memory.findings)


def _judged_otherwise(was: "Known | None", now: "Known", twin: Twin) -> Set[SubjectKey] | None:
    """The subjects of the facts whose signatures count for something else; None = nobody knows, or
    footprints are others, too.
    """
    if was is None or was.footprints != now.footprints:
        return None
    if was.signatures.keys() != now.signatures.keys():
        return None
    found: list[tuple[None, Slot]] = []
    for allowed, said in now.signatures.items():
        for identity in said.differing(was.signatures[allowed]):
            slot = twin.facts.slots.get(identity)
            if slot is None:
                return None
            found.append((None, slot))
    return stirred_by(found)


def differing(
    before: Map[Identity, Slot], after: Map[Identity, Slot]
) -> Iterator[tuple[Slot | None, Slot]]:
    """Every slot of `after` that is not the same object in `before`, with the one that was there.

    Both maps go by the hashes of their keys, so what they share comes in one order: one walk along
    both passes over it, and only a slot that is not met on the walk is looked up.
    """
    old_slots, slots = iter(before.values()), iter(after.values())
    waiting: tuple[Slot, ...] = ()
    while True:
        for old, slot in zip(chain(waiting, old_slots), slots, strict=False):
            if old is not slot:
                break
        else:
            break
        was = before.get(slot.identity)
        waiting = () if was is old else (old,)
        if was is not slot:
            yield was, slot
    for slot in slots:
        was = before.get(slot.identity)
        if was is not slot:
            yield was, slot


def _concerns(slot: Slot) -> set[Concern]:
    """Whose parts may rest on this slot."""
    of = sorts(slot)
    if not of:
        return set()
    events = [event for version in slot.versions for event in version.contents]
    return {(sort, key) for sort in of for event in events for key in reached_by(event)}
