"""The fold of a chain keeps much and computes again little: here all of it is computed again."""

import contextlib
import hashlib
from collections import defaultdict
from typing import Any

import fold_world as world
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from supplytwin.processors import carbon, chain, sequence, snapshots, twin
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.facts import Slot
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import Event, ShipmentDelivered
from supplytwin.schemas.flow import Input, Output, Record
from supplytwin.schemas.footprints import Footprint
from supplytwin.schemas.ids import HOUR_US
from supplytwin.schemas.records import FOOTPRINTS, JOURNAL, STATE, StateRecord

GOLDEN: dict[str, dict[str, str]] = {
    "many": {
        "canonical": "dd6e09910874e4c3",
        "carbon.footprints": "247a303263cb03b2",
        "carbon.legs": "d57e2cbf531dc3ac",
        "settlement.events": "86f7c71a0abdeced",
        "settlement.instructions": "c83264a49a5ef0b8",
        "twin.exceptions": "7524d932a132ec92",
        "twin.journal": "44ce219c221e1509",
        "twin.milestones": "3f668829a2737b0c",
        "twin.state": "f680a5266f09f712",
    },
    "long": {
        "canonical": "caceff5d02eba193",
        "carbon.footprints": "89af99424b662722",
        "carbon.legs": "820b2768ccb3237b",
        "settlement.events": "ee0ab4eef2968394",
        "settlement.instructions": "83e10a9e52af6d09",
        "twin.exceptions": "6743490fe3a72421",
        "twin.journal": "d12f301d199fcde4",
        "twin.milestones": "4aa6cb220cfdaa8e",
        "twin.state": "76e88405a9bc8c90",
    },
    "wild": {
        "canonical": "8615fcc509b0b4cd",
        "carbon.footprints": "8c829c1af3ea59d5",
        "carbon.legs": "9457cc8dc622f985",
        "twin.exceptions": "3e63e04074c1e1ee",
        "twin.journal": "ad34e9472e0fdc48",
        "twin.milestones": "d1d6d3f8807c9998",
        "twin.state": "717bfe517fa68776",
    },
    "freight": {
        "canonical": "1743bac595399e78",
        "carbon.footprints": "00a59e5c2fb248bb",
        "carbon.legs": "7f76dffdd7352c99",
        "twin.exceptions": "886a6a0fdee3f737",
        "twin.journal": "729be466e2da5c4a",
        "twin.milestones": "41eaaafa918d29f6",
        "twin.state": "85c98edf6994f309",
    },
}
"""Of messages that `fold_world` makes -> digests of all that follows from them."""

# ---- what follows from a set of facts, without anything that was kept


def _afresh(taken: list[Input]) -> twin.Twin:
    """The twin of the same facts, taken in another order."""
    made = twin.EMPTY
    for each in sorted(taken, key=lambda one: one.content_hash):
        with contextlib.suppress(RecordError):
            made = twin.take(made, each).twin
    return made


def _standing(found: twin.Twin, key: SubjectKey) -> list[Event]:
    """The events that count and reach a subject, by the slots alone."""
    slots = [slot for _, slot in sorted(found.facts.slots.items())]
    events = [slot.effective.event for slot in slots if slot.effective is not None]
    return [event for event in events if key in twin.reached_by(event)]


def _is_delivery(event: Event) -> bool:
    return isinstance(event, ShipmentDelivered) and event.classifier == "ACTUAL"


SHOWN: dict[str, tuple[str, str]] = {
    "LEG": ("vehicle", "consignment"),
    "EQUIPMENT_TRIP": ("seal", "consignment order_line"),
    "WAREHOUSE_RECEIPT": ("holder", "lot"),
    "HANDLING_UNIT": ("inside", "consignment order_line lot"),
}
"""Subject type -> what its binding is called, and the types whose links are shown."""


def _attributes(found: twin.Twin, key: SubjectKey) -> tuple[str, ...]:
    """What a line's record says about its lane, and what others are bound to and linked with."""
    value, links = found.subjects[key].value, found.subjects[key].links
    if key.subject_type == "LOT":
        return (f"pledged={value.pledges}",) if value.pledges else ()
    if key.subject_type != "ORDER_LINE":
        bound, listed = SHOWN.get(key.subject_type, ("", ""))
        shown = listed.split()
        said = {f"{bound}={value.bound}"} if value.bound is not None else set()
        if value.route is not None:
            mode, start, end = value.route.split(";")
            said |= {f"mode={mode}", f"from={start}", f"to={end}"}
        pairs = [f"{kind.lower()}={name}" for kind, name in links]
        return tuple(sorted(said.union(pair for pair in pairs if pair.split("=")[0] in shown)))
    said = {f"consignment={one.subject_id}" for one in links if one.subject_type == "CONSIGNMENT"}
    for event in _standing(found, key):
        if event.classifier == "ACTUAL" and event.source.startswith("inferred:"):
            said.add("order_date=inferred")
        if _is_delivery(event):
            delivery: Any = event
            pairs = {"mode": delivery.mode, "mode_detail": delivery.mode_detail,
                     "from": delivery.from_place, "to": delivery.to_place}  # fmt: skip
            said |= {f"{name}={value}" for name, value in pairs.items() if value is not None}
    return tuple(sorted(said))


def _deliveries(found: twin.Twin, consignment: str) -> tuple[bool, list[Event]]:
    """Whether a delivery was ever stated of it, and those that count."""
    key = SubjectKey("CONSIGNMENT", consignment)
    slots: list[Slot] = [slot for _, slot in found.facts.slots.items()]
    stated = any(
        _is_delivery(event) and key in twin.reached_by(event)
        for slot in slots
        for version in slot.versions
        for event in version.contents
    )
    return stated, [event for event in _standing(found, key) if _is_delivery(event)]


# ---- the laws


class Records:
    """The newest record of each subject and consignment, as a compacted topic keeps them."""

    def __init__(self) -> None:
        self.states: dict[str, StateRecord | None] = {}
        self.footprints: dict[str, Footprint] = {}

    def __call__(self, output: Output) -> None:
        if output.topic == STATE:
            record = None
            if output.value is not None:
                record = codec.decode(STATE, output.value).message
                assert isinstance(record, StateRecord)
            self.states[output.key] = record
        elif output.topic == FOOTPRINTS:
            message = codec.decode(FOOTPRINTS, output.value or b"").message
            assert isinstance(message, Footprint)
            self.footprints[message.consignment_id] = message


def _placeless(record: StateRecord | None) -> StateRecord | None:
    """The record without when and where it was written."""
    return None if record is None else replace(record, seq=0, index=0, taken_at=0)


def _check_records(records: Records, state: ChainState, fold: ChainFold) -> None:
    """The newest records are those of a chain of which everything is written at once."""
    whole = Records()
    for output in fold.publish(fold.new(state.chain_id), state):
        whole(output)
    assert {key: _placeless(one) for key, one in records.states.items()} == {
        key: _placeless(one) for key, one in whole.states.items()
    }
    for key, subject in state.twin.subjects.items():
        record = records.states[f"C|{key.subject_type}|{key.subject_id}"]
        if record is None:
            assert not subject.effective
            assert not subject.conflicts
        else:
            bound = [one for one in record.attributes if not one.startswith("sensor=")]
            assert tuple(bound) == _attributes(state.twin, key)


def _check_footprints(records: Records, state: ChainState, afresh: twin.Twin) -> None:
    """Every footprint is that of the facts, and the newest record says the same."""
    for key in state.twin.subjects:
        if key.subject_type != "CONSIGNMENT":
            continue
        stated, _ = _deliveries(state.twin, key.subject_id)
        result = carbon.of(afresh, key.subject_id, ())
        known = state.footprints.get(key.subject_id)
        assert result is not None or not stated
        if result is None:
            assert known is None or known.void
        else:
            assert known is not None
            assert known.input_hash == result.input_sha256
            record = records.footprints[key.subject_id]
            assert record.version == known.version
            assert (record.input_hash, record.co2e_wtw_kg, record.missing) == (
                known.input_hash, known.co2e_wtw_kg, known.missing,
            )  # fmt: skip


GOODS = ("LOT", "WAREHOUSE_RECEIPT", "ORDER_LINE", "HANDLING_UNIT")


def _same_subjects(one: twin.Twin, other: twin.Twin) -> None:
    """All that is kept about a subject is the same, but for how its facts are cut into chunks."""
    assert set(one.subjects) == set(other.subjects)
    for key, subject in one.subjects.items():
        again = other.subjects[key]
        assert subject.ordered.facts == again.ordered.facts
        assert replace(subject, ordered=again.ordered) == again
        assert subject.value == again.value
        if key.subject_type in GOODS:  # what reaches them hangs on other subjects, too
            assert subject.value == sequence.fold(key.subject_type, subject.ordered.facts)
        else:
            assert subject.value == twin.fold(*key, twin.reaching(one, *key))


@st.composite
def streams(draw: st.DrawFn) -> list[Input]:
    """Up to 25 events about a few subjects, some of them again at another time."""

    def pick(choices: Any, name: str) -> Any:
        return draw(st.sampled_from(choices), label=name)

    identities, freight = pick((4, 12, 40), "identities"), pick((False, True), "freight")
    found: list[Input] = []
    for at in range(pick(range(1, 26), "length")):
        event = world.anything(pick, identities, freight=freight)
        shift = pick(range(-30, 60), "delay")
        found.append(world.item(event, event.event_time + shift * HOUR_US, at))
    again = draw(st.lists(st.sampled_from(found), max_size=4))
    return [*found, *again]


@settings(max_examples=60, deadline=None)
@given(streams(), st.sampled_from((1, 1, 3)), st.sampled_from((0, 0, 5, 99)), st.integers(2, 6))
def test_what_is_kept_is_what_follows_from_the_facts(
    stream: list[Input], batch: int, small: int, kept: int
) -> None:
    """After every batch: subjects, footprints and latest records are those of the facts alone,
    from whatever size on a chain counts as large, and however few facts it then remembers.
    """
    records = Records()
    desk = world.Desk(records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "SMALL", small)
        patch.setattr(snapshots, "KEPT", kept)
        for at in range(0, len(stream), batch):
            desk.round(stream[at : at + batch])
            state = desk.states.get("C")
            if state is None:
                continue
            afresh = _afresh(stream[: at + batch])
            _same_subjects(state.twin, afresh)
            _check_footprints(records, state, afresh)
            _check_records(records, state, desk.fold)


@settings(max_examples=40, deadline=None)
@given(streams(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_cannot_matter_to_a_chain(stream: list[Input], random: Any) -> None:
    """Any order of any stream gives one canonical state, its footprints included."""
    hashes = set()
    for _ in range(3):
        fold = ChainFold("t")
        state = fold.new("C")
        for each in stream:
            try:
                state = fold.step(state, each, 0).state
            except RecordError:
                continue
        hashes.add(chain.canonical_hash(state))
        random.shuffle(stream)
    assert len(hashes) == 1


def test_a_delivery_that_moved_is_of_the_lane_where_it_is_now() -> None:
    """A revision that names another line takes mode and places away from the first line's record,
    which a further revision cannot change.
    """
    records = Records()
    desk = world.Desk(records)
    told = [one.message for one in world.wild(400, 1, 400)]
    made: Any = next(one for one in told if isinstance(one, ShipmentDelivered))
    made = replace(made, subject_type="LEG", classifier="ACTUAL", correction_action=None)
    for revision, line, mode in ((1, "1", "AIR"), (2, "2", "SEA"), (3, "2", "ROAD")):
        event = replace(made, revision=revision, refs=(f"ORDER_LINE:{line}",), mode=mode)
        desk.round([world.item(event, event.event_time)])
    assert records.states["C|ORDER_LINE|1"] is None
    again = replace(made, event_id="other", refs=("ORDER_LINE:1",), mode=None, mode_detail=None)
    desk.round([world.item(again, again.event_time)])
    one, two = (records.states[f"C|ORDER_LINE|{line}"] for line in "12")
    assert "mode=ROAD" in two.attributes
    assert not [said for said in one.attributes if said.startswith("mode=")]


# ---- the same bytes as ever


def _digests(items: list[Input], batch: int) -> dict[str, str]:
    """First 16 hex digits of SHA-256 over all records, by topic, and over the canonical states."""
    digests = defaultdict(hashlib.sha256)
    journal: dict[str, list[Output]] = defaultdict(list)

    def hear(output: Output) -> None:
        digests[output.topic].update(f"{output.key}\0".encode() + (output.value or b"") + b"\n")
        if output.topic == JOURNAL:
            journal[output.key].append(output)

    desk = world.Desk(hear)
    for at in range(0, len(items), batch):
        desk.round(items[at : at + batch])
    for key, state in sorted(desk.states.items()):
        digests["canonical"].update(chain.canonical(state))
        assert key == "C" or chain.canonical(_restored(desk.fold, journal[key])) == (
            chain.canonical(state)
        )
    return {name: found.hexdigest()[:16] for name, found in sorted(digests.items())}


def _restored(fold: ChainFold, entries: list[Output]) -> ChainState:
    state = fold.new(entries[0].key)
    for at, entry in enumerate(entries):
        record = Record(
            topic=JOURNAL, partition=0, offset=at, arrival=0, key=entry.key.encode(),
            value=entry.value,
        )  # fmt: skip
        state = fold.restore(state, record)
    return state


@pytest.mark.parametrize("name", GOLDEN)
def test_every_byte_is_as_it_was(name: str) -> None:
    """Thousands of messages, late, doubled, corrected and revoked, give the records that they gave
    when this was written down: whoever changes a digest changes what a replay of a log says.
    """
    items = {
        "many": lambda: world.simulated(100, 20),
        "long": lambda: world.simulated(2, 200),
        "wild": lambda: [one for seed in range(4) for one in world.wild(150, seed, 60 + 90 * seed)],
        "freight": lambda: world.wild(600, 7, 500, freight=True),
    }[name]()
    assert _digests(items, 60 if name == "many" else 25) == GOLDEN[name]
