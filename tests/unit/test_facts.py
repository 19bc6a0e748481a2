"""The set of facts against a slow oracle that looks at all records at once."""

import hashlib
import itertools
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
    plan: bool = False

    @property
    def identity(self) -> Identity:
        return Identity(self.source, self.event_id)

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(repr(self._replace(arrival=0)).encode()).digest()


class Stands(NamedTuple):
    """How an identity stands: by which revision, with which contents, since when; and whether its
    latest revision is a correction without authority.
    """

    name: str
    revision: int
    hashes: list[bytes]
    arrival: int
    unauthorised: bool = False


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
        classifier="PLANNED" if rec.plan else "ACTUAL",
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


class Oracle:
    """How each identity stands, from all records at once: by the rules, as they are written."""

    def __init__(self, recs: list[Rec]) -> None:
        self.said: dict[Identity, dict[int, list[Rec]]] = {}
        for rec in sorted(recs, key=lambda rec: (rec.hash, rec.arrival)):
            same = self.said.setdefault(rec.identity, {}).setdefault(rec.revision, [])
            if rec.hash not in {one.hash for one in same}:
                same.append(rec)
        self.retracted: dict[Identity, int] = {}
        self.doubted: dict[Identity, int] = {}
        self.settle()

    def all(self, identity: Identity) -> list[Rec]:
        return [rec for same in self.said.get(identity, {}).values() for rec in same]

    def may(self, rec: Rec) -> bool:
        """Has authority over what it corrects."""
        target = aim(rec)
        if target is None:
            return True
        delegated = any(one.delegated for one in self.said[rec.identity][rec.revision])
        topics = {one.customs for one in self.all(target)}
        return (target.source == rec.source or delegated) and topics <= {rec.customs}

    def powerless(self, identity: Identity, revision: int) -> bool:
        return not any(map(self.may, self.said[identity][revision]))

    def current(self, identity: Identity) -> int:
        revisions = self.said[identity]
        return max((one for one in revisions if not self.powerless(identity, one)),
                   default=max(revisions))  # fmt: skip

    def contradiction(self, identity: Identity, above: int) -> list[Rec]:
        """What cannot all be true, when what is up to `above` is taken back."""
        said, now = self.said[identity], self.current(identity)
        if len({rec.customs for rec in self.all(identity)}) > 1:
            return self.all(identity)
        if all(rec.plan for rec in said[now]):
            done = [one for one in said if above < one < now and not self.powerless(identity, one)
                    and not all(rec.plan for rec in said[one])]  # fmt: skip
            if done:
                return [rec for one, same in said.items() if max(done) <= one <= now
                        and not self.powerless(identity, one) for rec in same]  # fmt: skip
        return said[now] if len(said[now]) > 1 else []

    def aims(self, identity: Identity) -> list[tuple[Identity, bool, bool]]:
        """(what it would take back, whether it is clear, whether with all that this says)."""
        now, unclear = self.current(identity), self.contradiction(identity, -1)
        found = []
        for rec in unclear or self.said[identity][now]:
            target = aim(rec)
            if target is None or not self.may(rec):
                continue
            happened = any(not one.plan for one in self.all(target) if one.revision <= now)
            clear = not unclear and not (rec.plan and happened)
            found.append((target, clear, rec.action == "RETRACT"))
        return found

    def settle(self) -> None:
        now = {identity: self.current(identity) for identity in self.said}
        aims = {identity: self.aims(identity) for identity in self.said}
        reach = {
            (one, to) for one in now for to, *_ in aims[one] if to in now and now[one] >= now[to]
        }
        left, blocked = set(now), set[tuple[Identity, Identity]]()
        blows: list[tuple[int, Identity, bool, bool]] = []
        while left:
            edges = {(one, to) for one, to in reach if one in left and to in left}
            ready = left - {to for _, to in edges} or {
                max(_first(edges), key=lambda i: (now[i], i))
            }
            one = max(ready)
            left.remove(one)
            word = [sure for at, to, sure, whole in blows if (to, whole) == (one, True)
                    and at >= now[one]]  # fmt: skip
            if any(word):
                continue
            for other in (other for other, to in edges if to == one):
                said = [(sure, whole) for to, sure, whole in aims[other] if to == one]
                if all(sure for sure, _ in said):
                    blocked.add((other, one))
                else:
                    word += [False for _, whole in said if whole]
            blows += [(now[one], to, sure and not word, whole)
                      for to, sure, whole in aims[one] if (one, to) not in blocked]  # fmt: skip
        for at, to, sure, _ in blows:
            marks = self.retracted if sure else self.doubted
            marks[to] = max(at, marks.get(to, -1))

    def standing(self) -> dict[Identity, Stands]:
        return {identity: self.one(identity) for identity in self.said}

    def one(self, identity: Identity) -> Stands:
        now, above = self.current(identity), self.retracted.get(identity, -1)
        said = self.said[identity][now]
        shown, name = said, "COUNTS"
        if above >= now:
            name = "RETRACTED"
        elif self.contradiction(identity, above):
            shown, name = self.contradiction(identity, above), "CONFLICTED"
        elif self.doubted.get(identity, -1) >= now:
            name = "CONFLICTED"
        elif self.powerless(identity, now):
            name = "UNAUTHORISED"
        elif said[0].action == "RETRACT":
            name = "BARE"
        hashes = sorted(rec.hash for rec in shown)
        arrival = min(rec.arrival for rec in said)
        top = max(self.said[identity])
        return Stands(name, now, hashes, arrival, self.powerless(identity, top))


def aim(rec: Rec) -> Identity | None:
    target = None if rec.target is None else Identity(*rec.target)
    return None if target == rec.identity else target


def _first(edges: set[tuple[Identity, Identity]]) -> set[Identity]:
    """Those of the rings at which nothing aims from outside."""
    beyond = {(one, to) for one, to in edges}
    while True:
        more = {(a, d) for a, b in beyond for c, d in edges if b == c} - beyond
        if not more:
            break
        beyond |= more
    names = {one for one, _ in edges}
    return {one for one in names if all((one, a) in beyond for a, b in beyond if b == one)}


def oracle(recs: list[Rec]) -> dict[Identity, Stands]:
    return Oracle(recs).standing()


def seen(facts: FactSet) -> dict[Identity, Stands]:
    found = {}
    for identity, slot in facts.slots.items():
        current = slot.current
        if slot.retracted:
            standing = "RETRACTED"
        elif slot.conflicted:
            standing = "CONFLICTED"
        elif current.revision in slot.powerless:
            standing = "UNAUTHORISED"
        else:
            standing = "BARE" if slot.effective is None else "COUNTS"
        assert (slot.effective is current) == (standing == "COUNTS")
        shown = sorted(one for version in slot.disputed or (current,) for one in version.hashes)
        found[identity] = Stands(
            standing, current.revision, shown, current.arrival, slot.unauthorised
        )
    return found


names = st.tuples(st.sampled_from("ab"), st.sampled_from("123"))
records = st.builds(
    Rec,
    source=st.sampled_from("aab"),
    event_id=st.sampled_from("1234"),
    revision=st.integers(1, 3),
    customs=st.sampled_from((True,) * 9 + (False,)),
    content=st.integers(0, 1),
    action=st.none(),
    target=st.none(),
    arrival=st.integers(100, 103),
    plan=st.sampled_from((False, False, True)),
) | st.builds(
    Rec,
    source=st.sampled_from("aab"),
    event_id=st.sampled_from("1234"),
    revision=st.integers(1, 3),
    customs=st.sampled_from((True,) * 9 + (False,)),
    action=st.sampled_from(("RETRACT", "SUPERSEDE")),
    content=st.just(0),
    target=names,
    arrival=st.integers(100, 103),
    delegated=st.sampled_from((False, False, True)),
    plan=st.sampled_from((False, False, True)),
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
    found = seen(load(recs))
    assert found == oracle(recs)
    for order in itertools.islice(itertools.permutations(recs), 24):
        assert load(list(order)) == load(recs)
    return found[Identity(source, event_id)].name


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


# ---- what takes nothing back

RETRACTION = Rec("a", "2", 2, action="RETRACT", target=("a", "1"))
DELEGATED = Rec("b", "2", 2, action="RETRACT", target=("a", "1"), delegated=True)


@pytest.mark.parametrize("action", ["RETRACT", "SUPERSEDE"])
def test_a_revision_without_authority_is_no_revision(action: str) -> None:
    """A hold stays that its source restates as a correction of a stranger's event; the exception
    does, too, until a revision with authority is above it.
    """
    own = Rec("a", "1", 2, action=action, target=("b", "9"))
    assert standing([FACT, own], "1") == "COUNTS"
    slot = load([FACT, own]).slots[FACT.identity]
    assert slot.unauthorised
    assert slot.effective is not None
    assert slot.effective.revision == 1
    healed = load([FACT, own, FACT._replace(revision=3)]).slots[FACT.identity]
    assert not healed.unauthorised


def test_a_retraction_stays_when_it_is_told_again_without_its_delegation() -> None:
    """What a delegate took back stays so when the delegation ends and the delegate repeats it."""
    again = DELEGATED._replace(revision=3, delegated=False)
    assert standing([FACT, DELEGATED, again], "1") == "RETRACTED"
    assert standing([FACT, DELEGATED, again, again._replace(revision=4)], "1") == "RETRACTED"
    assert load([FACT, DELEGATED, again]).slots[again.identity].unauthorised


@pytest.mark.parametrize("retraction", [RETRACTION, DELEGATED], ids=["own", "delegated"])
def test_a_contradicted_retraction_leaves_its_target_in_conflict(retraction: Rec) -> None:
    """Whether the target stands is unknown: it counts for nothing and is adverse, until a higher
    revision says so, or the retraction is itself taken back.
    """
    other = retraction._replace(content=1, delegated=False)
    recs = [FACT, retraction, other]
    assert standing(recs, "1") == "CONFLICTED"
    assert standing([*recs, FACT._replace(revision=3)], "1") == "COUNTS"
    assert standing([*recs, retraction._replace(revision=3)], "1") == "RETRACTED"
    mine = Rec(retraction.source, "3", 2, action="RETRACT", target=retraction.identity)
    assert standing([*recs, mine], "1") == "COUNTS"


def test_every_target_of_a_contradicted_correction_is_in_conflict() -> None:
    """Two contents that correct two facts: neither stands as if nothing had been said of it."""
    other = RETRACTION._replace(target=("a", "4"))
    recs = [FACT, FACT._replace(event_id="4"), RETRACTION, other]
    assert standing(recs, "1") == standing(recs, "4") == "CONFLICTED"
    plain = RETRACTION._replace(action=None, target=None)
    assert standing([FACT, RETRACTION, plain], "1") == "CONFLICTED"


def test_doubt_goes_on_along_corrections() -> None:
    """A retraction that may be taken back may stand, so its own target is in conflict, too."""
    second = Rec("a", "3", 2, action="RETRACT", target=RETRACTION.identity)
    recs = [FACT, RETRACTION, second, second._replace(content=1)]
    assert standing(recs, "2") == "CONFLICTED"
    assert standing(recs, "1") == "CONFLICTED"


def test_a_plan_above_what_has_happened_is_a_conflict() -> None:
    """Until a higher revision says what happened; a plan above plans, or above what was taken back,
    is none.
    """
    plan = FACT._replace(revision=2, plan=True)
    assert standing([FACT, plan], "1") == "CONFLICTED"
    assert standing([FACT, plan, plan._replace(revision=3)], "1") == "CONFLICTED"
    assert standing([FACT, plan, FACT._replace(revision=3)], "1") == "COUNTS"
    assert standing([FACT._replace(plan=True), plan], "1") == "COUNTS"
    back = RETRACTION._replace(revision=1)
    assert standing([FACT, back, plan], "1") == "COUNTS"


@pytest.mark.parametrize("action", ["RETRACT", "SUPERSEDE"])
def test_a_planned_correction_takes_only_plans_back(action: str) -> None:
    """What has happened is in conflict with it, until a higher revision says what is true."""
    planned = RETRACTION._replace(plan=True, action=action)
    assert standing([FACT._replace(plan=True), planned], "1") == "RETRACTED"
    assert standing([FACT, planned], "1") == "CONFLICTED"
    assert standing([FACT, planned, FACT._replace(revision=3)], "1") == "COUNTS"
    assert standing([FACT, planned, planned._replace(revision=3, plan=False)], "1") == "RETRACTED"


def test_a_retraction_that_its_source_restates_as_a_plan_revives_nothing() -> None:
    """Nor does a plan that would take the retraction back."""
    restated = RETRACTION._replace(revision=3, plan=True)
    assert standing([FACT, RETRACTION, restated], "1") == "CONFLICTED"
    planned = Rec("a", "3", 2, plan=True, action="RETRACT", target=RETRACTION.identity)
    assert standing([FACT, RETRACTION, planned], "1") == "CONFLICTED"


@pytest.mark.parametrize("revision", [1, 2])
@pytest.mark.parametrize("action", [None, "RETRACT"])
def test_one_identity_on_two_topics_is_a_conflict(revision: int, action: str | None) -> None:
    """A warehouse feed cannot lift a customs hold by its identity, whichever revision is higher;
    nor can anybody take it back from either topic.
    """
    hold = FACT._replace(revision=2)
    other = FACT._replace(customs=False, revision=revision * 2 - 1, action=action)
    assert standing([hold, other], "1") == "CONFLICTED"
    for customs in (True, False):
        back = RETRACTION._replace(revision=5, customs=customs)
        assert standing([hold, other, back], "1") == "CONFLICTED"
