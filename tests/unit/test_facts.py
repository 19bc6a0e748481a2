"""The set of facts against a slow oracle that looks at all records at once."""

import hashlib
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.processors.facts import FactSet, Identity, insert
from supplytwin.schemas.events import CustomsHoldPlaced, Event, WarehouseReceiptReversed
from supplytwin.schemas.flow import DELEGATION, Input, Record


class Rec(NamedTuple):
    """One record: who, which, revision, on which topic, what it says, what it corrects."""

    source: str
    event_id: str
    revision: int
    customs: bool = True
    content: int = 0
    action: str | None = None
    target: tuple[str, str] | None = None
    arrival: int = 100
    delegated: bool = False

    @property
    def identity(self) -> Identity:
        return Identity(self.source, self.event_id)

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(repr(self._replace(arrival=0)).encode()).digest()


def item(rec: Rec) -> Input:
    kind: type[Event] = CustomsHoldPlaced if rec.customs else WarehouseReceiptReversed
    payload: dict[str, Any] = (
        {"hold_id": "h", "authority": str(rec.content)}
        if rec.customs
        else {"lot_id": "L", "qty": Decimal(rec.content), "reason": "r"}
    )
    event = kind(
        event_id=rec.event_id,
        source=rec.source,
        revision=rec.revision,
        event_type=kind.TYPE,
        classifier="ACTUAL",
        event_time=0,
        event_tz="+00:00",
        time_precision="S",
        recorded_time=0,
        chain_id="C",
        subject_type="LOT",
        subject_id="L",
        correction_action=rec.action,
        correction_source=rec.target and rec.target[0],
        correction_event_id=rec.target and rec.target[1],
        **payload,
    )
    record = Record(
        topic=kind.TOPIC, partition=0, offset=0, arrival=rec.arrival, key=b"C", value=b"",
        headers=((DELEGATION, b"{}"),) if rec.delegated else (),
    )  # fmt: skip
    return Input(record=record, key="C", message=event, fingerprint=0, content_hash=rec.hash)


def load(recs: list[Rec]) -> FactSet:
    facts = FactSet()
    for rec in recs:
        facts = insert(facts, item(rec)).facts
    return facts


def oracle(recs: list[Rec]) -> dict[Identity, tuple[str, int, tuple[bytes, ...], int]]:
    """(standing, revision, hashes, first arrival of it) of each identity, from the whole set."""
    latest: dict[Identity, list[Rec]] = {}
    for identity in {rec.identity for rec in recs}:
        mine = [rec for rec in recs if rec.identity == identity]
        top = max(rec.revision for rec in mine)
        latest[identity] = [rec for rec in mine if rec.revision == top]

    def topic(identity: Identity) -> bool:
        return min(latest[identity], key=lambda rec: rec.hash).customs

    def aim(identity: Identity) -> Identity | None:
        one = latest[identity][0]
        if len({rec.hash for rec in latest[identity]}) > 1 or one.target is None:
            return None
        target = Identity(*one.target)
        return None if target == identity else target

    def allowed(identity: Identity) -> bool:
        target = aim(identity)
        return (
            target is not None
            and (target.source == identity.source or latest[identity][0].delegated)
            and (target not in latest or topic(target) == topic(identity))
        )

    def rank(identity: Identity) -> tuple[int, Identity]:
        return latest[identity][0].revision, identity

    def attackers(identity: Identity) -> list[Identity]:
        return [
            other
            for other in latest
            if allowed(other) and aim(other) == identity and rank(other)[0] >= rank(identity)[0]
        ]

    def ring(identity: Identity) -> list[Identity]:
        seen = [identity]
        while True:
            target = aim(seen[-1]) if allowed(seen[-1]) else None
            if target is None or target not in latest or seen[-1] not in attackers(target):
                return []
            if target == identity:
                return seen
            if target in seen:
                return []
            seen.append(target)

    def effective_attackers(identity: Identity) -> list[Identity]:
        members = ring(identity)
        top = bool(members) and max(members, key=rank) == identity
        return [a for a in attackers(identity) if not (top and a == members[-1])]

    def stands(identity: Identity) -> bool:
        return not any(stands(attacker) for attacker in effective_attackers(identity))

    found = {}
    for identity, same in latest.items():
        hashes = tuple(sorted({rec.hash for rec in same}))
        if not stands(identity):
            standing = "RETRACTED"
        elif len(hashes) > 1:
            standing = "CONFLICTED"
        elif aim(identity) is not None and not allowed(identity):
            standing = "UNAUTHORISED"
        elif same[0].action == "RETRACT":
            standing = "BARE"
        else:
            standing = "COUNTS"
        found[identity] = (standing, same[0].revision, hashes, min(r.arrival for r in same))
    return found


def seen(facts: FactSet) -> dict[Identity, tuple[str, int, tuple[bytes, ...], int]]:
    found = {}
    for identity, slot in facts.slots.items():
        latest = slot.latest
        if slot.retracted:
            standing = "RETRACTED"
        elif slot.conflicted:
            standing = "CONFLICTED"
        elif slot.unauthorised:
            standing = "UNAUTHORISED"
        else:
            standing = "BARE" if slot.effective is None else "COUNTS"
        assert (slot.effective is latest) == (standing == "COUNTS")
        found[identity] = (standing, latest.revision, latest.hashes, latest.arrival)
    return found


names = st.tuples(st.sampled_from("ab"), st.sampled_from("123"))
records = st.builds(
    Rec,
    source=st.sampled_from("aab"),
    event_id=st.sampled_from("1234"),
    revision=st.integers(1, 3),
    customs=st.sampled_from((True, True, True, False)),
    content=st.integers(0, 1),
    action=st.none(),
    target=st.none(),
    arrival=st.integers(100, 103),
) | st.builds(
    Rec,
    source=st.sampled_from("aab"),
    event_id=st.sampled_from("1234"),
    revision=st.integers(1, 3),
    customs=st.sampled_from((True, True, True, False)),
    action=st.sampled_from(("RETRACT", "SUPERSEDE")),
    content=st.just(0),
    target=names,
    arrival=st.integers(100, 103),
    delegated=st.sampled_from((False, False, True)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(records, min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_any_order_gives_what_the_whole_set_says(recs: list[Rec], random: Any) -> None:
    """Whatever the order and the duplicates, each identity stands as the set as a whole says."""
    shuffled = [*recs, *recs[::2]]
    random.shuffle(shuffled)
    expected = oracle(recs)
    assert seen(load(recs)) == expected
    facts = load(shuffled)
    assert seen(facts) == expected
    assert facts == load(recs)


@settings(max_examples=200, deadline=None)
@given(st.lists(records, min_size=1, max_size=8))
def test_moved_has_every_slot_that_changed(recs: list[Rec]) -> None:
    """What `insert` says that moved is what it changed, before and after, the inserted identity
    first.
    """
    facts = FactSet()
    for rec in recs:
        done = insert(facts, item(rec))
        changed = {i for i, slot in done.facts.slots.items() if facts.slots.get(i) != slot}
        touched = [after.identity for _, after in done.moved]
        assert changed <= set(touched) <= changed | {rec.identity}
        assert len(set(touched)) == len(touched)
        for before, after in done.moved:
            assert before == facts.slots.get(after.identity)
            assert after == done.facts.slots[after.identity]
        if done.verdict == "DUPLICATE":
            assert done.facts is facts
            assert not done.moved
        else:
            assert touched[0] == rec.identity
        facts = done.facts


def standing(recs: list[Rec], event_id: str, source: str = "a") -> str:
    return seen(load(recs))[Identity(source, event_id)][0]


FACT = Rec("a", "1", 1)


@pytest.mark.parametrize("revision", [1, 2])
@pytest.mark.parametrize("first", [True, False])
def test_a_retraction_beats_its_target_whichever_comes_first(revision: int, first: bool) -> None:
    """A retraction with at least its target's revision retracts it, arriving before or after."""
    retraction = Rec("a", "2", revision, action="RETRACT", target=("a", "1"))
    recs = [retraction, FACT] if first else [FACT, retraction]
    assert standing(recs, "1") == "RETRACTED"


def test_a_later_revision_revives_the_target() -> None:
    """A revision above the retraction's counts again; one that is not above it does not."""
    retraction = Rec("a", "2", 2, action="RETRACT", target=("a", "1"))
    assert standing([FACT, retraction, FACT._replace(revision=2)], "1") == "RETRACTED"
    assert standing([FACT, retraction, FACT._replace(revision=3)], "1") == "COUNTS"


def test_a_superseding_event_counts_itself() -> None:
    """SUPERSEDE retracts its target and counts; RETRACT only retracts."""
    recs = [FACT, Rec("a", "2", 2, action="SUPERSEDE", target=("a", "1"))]
    assert standing(recs, "1") == "RETRACTED"
    assert standing(recs, "2") == "COUNTS"
    bare = [FACT, Rec("a", "2", 2, action="RETRACT", target=("a", "1"))]
    assert standing(bare, "2") == "BARE"


@pytest.mark.parametrize("action", ["RETRACT", "SUPERSEDE"])
@pytest.mark.parametrize(
    "stranger", [Rec("b", "2", 2), Rec("a", "2", 2, customs=False)], ids=["source", "topic"]
)
def test_a_stranger_cannot_retract(stranger: Rec, action: str) -> None:
    """A correction from another source or topic is an exception and has no effect at all."""
    correction = stranger._replace(action=action, target=("a", "1"))
    assert standing([FACT, correction], "1") == "COUNTS"
    assert standing([FACT, correction], "2", correction.source) == "UNAUTHORISED"
    assert standing([correction, FACT], "1") == "COUNTS"


@pytest.mark.parametrize("first", [True, False])
def test_a_delegate_may_correct_on_the_same_topic_only(first: bool) -> None:
    """With a delegation a stranger's retraction counts, whichever comes first; never across topics:
    a warehouse cannot lift a customs hold.
    """
    for customs, expected in ((True, "RETRACTED"), (False, "COUNTS")):
        correction = Rec("b", "2", 2, customs, action="RETRACT", target=("a", "1"), delegated=True)
        recs = [correction, FACT] if first else [FACT, correction]
        assert standing(recs, "1") == expected
        assert standing(recs, "2", "b") == ("BARE" if customs else "UNAUTHORISED")


def test_a_later_revision_revives_what_a_delegate_has_retracted() -> None:
    """A delegate has the authority of the source, and no more."""
    correction = Rec("b", "2", 2, action="RETRACT", target=("a", "1"), delegated=True)
    assert standing([FACT, correction, FACT._replace(revision=3)], "1") == "COUNTS"


def test_a_retracted_retraction_revives() -> None:
    """Retracting a retraction, even at its own revision, lets its target count again."""
    first = Rec("a", "3", 2, action="RETRACT", target=("a", "1"))
    second = Rec("a", "2", 2, action="RETRACT", target=("a", "3"))
    assert standing([FACT, first, second], "1") == "COUNTS"
    assert standing([FACT, first, second], "3") == "RETRACTED"


def test_of_two_that_retract_each_other_the_higher_stands() -> None:
    """With equal revisions the higher (source, event_id) stands, whatever the order."""
    low = Rec("a", "2", 2, action="SUPERSEDE", target=("a", "3"))
    high = Rec("a", "3", 2, action="SUPERSEDE", target=("a", "2"))
    for recs in ([low, high], [high, low]):
        assert standing(recs, "2") == "RETRACTED"
        assert standing(recs, "3") == "COUNTS"


def test_other_content_conflicts_until_a_higher_revision() -> None:
    """Same identity and revision with other content counts for nothing until revised."""
    other = FACT._replace(content=1)
    assert standing([FACT, other], "1") == "CONFLICTED"
    assert standing([FACT, other, FACT._replace(revision=2)], "1") == "COUNTS"
    slot = load([FACT, other]).slots[FACT.identity]
    assert len(slot.latest.contents) == 2


def test_an_earlier_duplicate_lowers_the_arrival() -> None:
    """A known content that turns out to have arrived before is EARLIER, not a duplicate."""
    facts = load([FACT])
    assert insert(facts, item(FACT._replace(arrival=100))).verdict == "DUPLICATE"
    done = insert(facts, item(FACT._replace(arrival=99)))
    assert done.verdict == "EARLIER"
    assert done.facts.slots[FACT.identity].latest.arrival == 99


def test_every_revision_is_kept_with_its_first_arrival() -> None:
    """An older revision that comes late stands in its place, below the one that counts."""
    recs = [FACT._replace(revision=2, arrival=200), FACT._replace(arrival=300)]
    versions = load(recs).slots[FACT.identity].versions
    assert [(v.revision, v.arrival) for v in versions] == [(1, 300), (2, 200)]
