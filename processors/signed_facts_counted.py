"""What the signed facts of a chain count for by the register in force.

A function of the set of facts and the register: no order of arrival, and none of the register's
records, changes it. A version with several signatures counts once (`signed.best`): another
organisation attests with a record of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from supplytwin.processors import signed_facts_terms
from supplytwin.processors.facts import FactSet, Identity
from supplytwin.processors.keys import Register
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.signed import Counts, Nothing, Reason, Signed, best, judged, slot_of
from supplytwin.processors.twin import Twin
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Input
from supplytwin.schemas.records import EXCEPTIONS, ExceptionRecord
from supplytwin.schemas.signature import HEADER, Malformed, digest, read

Judgement = Counts | Nothing
Derive = Callable[..., None]
"""See `emit.Emitter.derive`."""
CODE = "SIGNATURE_COUNTS_FOR_NOTHING"
"""Of the exception: as it was when the fact was taken; `described` says how it is."""
UNSIGNED = Nothing(reason=Reason.NO_SIGNATURE, says=f"the record has no header {HEADER}")
"""What is to be said of a version that `judgements` does not have."""


class Version(NamedTuple):
    identity: Identity
    revision: int


class _Line(NamedTuple):
    """One signature over one version."""

    version: Version
    event: Event
    signed: Signed


def _lines(facts: FactSet, identities: Iterable[Identity]) -> Iterator[_Line]:
    for identity in sorted(identities):
        for version in facts.slots[identity].versions:
            for one in version.signed:
                yield _Line(Version(identity, version.revision), version.event, one)


def _verdicts(
    lines: Iterable[_Line], register: Register, *, hmac_allowed: bool
) -> list[tuple[_Line, Judgement]]:
    found = list(lines)
    verdicts = judged([one.signed for one in found], register, hmac_allowed=hmac_allowed)
    return list(zip(found, verdicts, strict=True))


def judgements(
    twin: Twin, register: Register, *, hmac_allowed: bool = False
) -> Mapping[Version, Judgement]:
    """What each signed version of a chain counts for; any other is `UNSIGNED`.

    Retracted, outdated and contradictory versions are judged like all others: which version counts
    does not depend on signatures.
    """
    found = by_version(twin, register, hmac_allowed=hmac_allowed)
    return {version: best(pairs) for version, pairs in found.items()}


def by_version(
    twin: Twin, register: Register, *, hmac_allowed: bool, of: Set[Identity] | None = None
) -> dict[Version, list[tuple[Signed, Judgement]]]:
    """The same, signature by signature. `of`: those of these identities alone."""
    found: dict[Version, list[tuple[Signed, Judgement]]] = {}
    signed = twin.facts.signed
    asked = set(signed) if of is None else {one for one in of if one in signed}
    wanted = asked if of is None else asked | _rivals(twin.facts, asked)
    lines = _lines(twin.facts, wanted)
    for line, verdict in _verdicts(lines, register, hmac_allowed=hmac_allowed):
        if line.version.identity in asked:
            found.setdefault(line.version, []).append((line.signed, verdict))
    return found


def hanging_on(before: FactSet, after: FactSet, changed: Iterable[Identity]) -> set[Identity]:
    """The identities whose judgements may differ between two sets of facts of which these alone
    differ: they themselves, and whoever shares a seq with what they are or were.
    """
    found = set(changed)
    return found | _rivals(before, found) | _rivals(after, found)


def _rivals(facts: FactSet, identities: Iterable[Identity]) -> set[Identity]:
    """Whoever shares a seq with these."""
    slots = (facts.slots.get(one) for one in identities)
    versions = (version for slot in slots if slot is not None for version in slot.versions)
    seqs = {slot_of(one) for version in versions for one in version.signed}
    return {one for seq in seqs if seq is not None for one in facts.seqs.get(seq, ())}


def told_of(twin: Twin, book: Book, item: Input, derive: Derive) -> tuple[str, ...]:
    """What is counted of a fact that was taken under a register; with an exception when its
    signature counts for nothing by it, or by the terms that there are.
    """
    event, register = item.message, item.under
    if not isinstance(register, Register) or not isinstance(event, Event):
        return ()
    found = _verdict(twin, item, event, register)
    if isinstance(found, Counts):
        refused = signed_facts_terms.refused(book, twin, event, item.content_hash, found)
        if refused is None:
            return ("signed",)
        found = refused
    derive(
        EXCEPTIONS,
        ExceptionRecord,
        subject_type=event.subject_type,
        subject_id=event.subject_id,
        code=CODE,
        open=True,
        reason=f"{found.reason}: {found.says} ({event.source[:60]} {event.event_id[:60]})",
        event_id=event.event_id,
        event_time=event.event_time,
        arrival=item.record.arrival,
    )
    return ("signed", f"signed_{found.reason.lower()}")


def _verdict(twin: Twin, item: Input, event: Event, register: Register) -> Judgement:
    """That of the signature of a fact that was just taken. Looked at are those facts alone that
    share a seq with it.
    """
    facts, record = twin.facts, item.record
    version = Version(Identity(event.source, event.event_id), event.revision)
    header, content = read(record.headers), digest(record.value or b"", event.original)
    lines = [
        one
        for one in _lines(facts, (version.identity,))
        if one.version == version
        and (one.signed.signature, one.signed.content) == (header, content)
    ]
    used = filter(None, (slot_of(one.signed) for one in lines))
    rivals = _lines(facts, frozenset().union(*(facts.seqs[seq] for seq in used)))
    verdicts = _verdicts((*lines, *rivals), register, hmac_allowed=True)
    return best([(line.signed, verdict) for line, verdict in verdicts[: len(lines)]])


def described(twin: Twin, register: Register) -> list[dict[str, Any]]:
    """Every signature of a chain as people want to see it, sorted; JSON-able. HMAC is judged as if
    the terms allowed it.
    """
    lines = _verdicts(_lines(twin.facts, twin.facts.signed), register, hmac_allowed=True)
    return [_described(line, verdict) for line, verdict in lines]


def _described(line: _Line, verdict: Judgement) -> dict[str, Any]:
    found, counts = line.signed.signature, isinstance(verdict, Counts)
    told: dict[str, Any] = {
        "subject": f"{line.event.subject_type} {line.event.subject_id}",
        "event_type": line.event.event_type,
        "source": line.version.identity.source,
        "event_id": line.version.identity.event_id,
        "revision": line.version.revision,
        "kid": None if isinstance(found, Malformed) else found.kid,
        "seq": None if isinstance(found, Malformed) else found.seq,
        "counts": counts,
    }
    if isinstance(verdict, Counts):
        told |= {"organisation": verdict.organisation, "role": verdict.role,
                 "non_repudiable": verdict.non_repudiable}  # fmt: skip
        return told
    return {**told, "reason": str(verdict.reason), "says": verdict.says}
