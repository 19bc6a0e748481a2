"""Documents of others through the commands: what is accepted, counted, refused, and released."""

import json
from pathlib import Path

import pytest
from feed_world import DATA, PARTITIONS, World

from supplytwin.schemas.events import CUSTOMS, SHIPMENTS, SUPPLY_TOPICS
from supplytwin.schemas.ids import partition_of
from supplytwin.streams import feeding, redrive

SAMPLE = DATA / "dcsa" / "tnt-220-response.json"
WRONG = DATA / "dcsa" / "tnt-220-response-wrong-event-ids.json"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """In wall-clock time."""
    return World(monkeypatch)


def test_the_summary_counts_what_became_of_a_document(world: World) -> None:
    """Accepted by type and classifier, and those without a place by what they say."""
    summary = world.fed("dcsa", str(SAMPLE))
    assert summary.pop("body_only")["delayReasonCode"] == 2
    assert summary == {
        "documents": 1,
        "accepted": 7,
        "by_type": {"shipment.arrived": 2, "shipment.loaded": 2, "shipment.noted": 3},
        "by_classifier": {"ACTUAL": 5, "ESTIMATED": 2},
        "corrections": 0,
        "unmapped": {
            "SHIPMENT DRAFTED BOOKING": 1,
            "SHIPMENT DRAFTED SHIPPING_INSTRUCTIONS": 1,
            "SHIPMENT DRAFTED TRANSPORT_DOCUMENT": 1,
        },
        "refused": [],
    }
    assert len(world.events()) == 7 and not world.refused()


def test_people_read_the_same_summary(world: World) -> None:
    """The three numbers in words; exit 0 when nothing was refused, else 1."""
    done = world.run("feed", "dcsa", str(SAMPLE))
    assert done.exit_code == 0
    assert "accepted: 7" in done.stdout and "facts: 7 (5 ACTUAL, 2 ESTIMATED)" in done.stdout
    assert "without a place in our model: 3" in done.stdout and "refused: 0" in done.stdout
    done = world.run("feed", "dcsa", str(WRONG))
    assert done.exit_code == 1
    assert "accepted: 0" in done.stdout and "[0].eventID" in done.stdout


def test_events_are_keyed_by_their_chain_and_lie_where_the_worker_looks(world: World) -> None:
    """Key = chain id, partition = its hash; standard input is read like a file."""
    world.fed("dcsa", "-", stdin=SAMPLE.read_bytes())
    for record, event in zip(world.records(SHIPMENTS), world.events(), strict=True):
        assert record.key == event.chain_id.encode()
        assert record.partition == partition_of(record.key, PARTITIONS)


def test_in_simulated_time_an_event_arrives_when_it_was_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The deployment's clock is the sources', so the record's time is theirs."""
    world = World(monkeypatch, simulated=True)
    world.fed("dcsa", str(SAMPLE))
    for record, event in zip(world.records(SHIPMENTS), world.events(), strict=True):
        assert record.arrival == event.recorded_time


@pytest.mark.parametrize("name", ["attribute-values", "date-times", "event-ids", "structure"])
def test_a_wrong_document_is_in_the_quarantine_as_it_came(world: World, name: str) -> None:
    """Whole, with field and reason, under a key of its own."""
    path = DATA / "dcsa" / f"tnt-220-response-wrong-{name}.json"
    (told,) = world.fed("dcsa", str(path))["refused"]
    (found,) = world.refused()
    assert (found.body, found.topic) == (path.read_bytes(), SHIPMENTS)
    assert (found.field, found.reason) == (told["field"], told["reason"]) != ("", "")
    assert (found.key or b"").decode() == told["chain"]
    assert told["sent"] and not world.events()


def test_a_corrected_document_is_released_as_events(world: World, tmp_path: Path) -> None:
    """`release --body` reads it again; what it says goes to its topics, marked with its place."""
    world.fed("dcsa", str(WRONG))
    (place,) = world.refused()
    still = world.act("release", place)
    assert still.exit_code != 0 and isinstance(still.exception, Exception)
    assert "still wrong" in str(still.exception) and not world.events()
    right = [one for one in json.loads(WRONG.read_bytes()) if one["eventID"] not in
             (123456789, "incorrect")]  # fmt: skip
    (tmp_path / "right.json").write_text(json.dumps(right))
    done = world.act("release", place, "--body", str(tmp_path / "right.json"))
    assert done.exit_code == 0, done.output
    assert len(world.events()) == len(right)
    mark = (redrive.REDRIVEN, f"{SHIPMENTS}/{place.partition}/{place.offset}".encode())
    assert sum(one.headers == (mark,) for one in world.records(SHIPMENTS)) == len(right)


def test_an_event_without_a_chain_waits_for_its_key(world: World) -> None:
    """Only it is refused; released with `--key` it belongs to that chain. Dropping it is possible,
    too.
    """
    found = world.fed("dcsa", str(DATA / "dcsa" / "tnt-300-response.json"))
    assert found["accepted"] == 2 and len(found["refused"]) == 3
    first, *others = world.refused()
    assert world.act("release", first, "--key", "PO-7").exit_code == 0
    assert [one.chain_id for one in world.events()].count("PO-7") == 1
    for place in others:
        assert world.act("drop", place).exit_code == 0
    assert len(world.events()) == 3


def test_a_chain_given_by_hand_takes_everything(world: World) -> None:
    """`--chain` is the key of every event; one that cannot be a chain is refused at once."""
    found = world.fed("dcsa", str(DATA / "dcsa" / "tnt-300-response.json"), "--chain", "PO-7")
    assert found["accepted"] == 5 and not found["refused"]
    assert {one.key for one in world.records(SHIPMENTS)} == {b"PO-7"}
    bad = world.run("feed", "dcsa", str(SAMPLE), "--chain", "@p0")
    assert bad.exit_code != 0 and "--chain" in str(bad.exception)


def test_a_file_that_is_not_there_is_said(world: World) -> None:
    """One line, and nothing is written."""
    done = world.run("feed", "dcsa", "nowhere.json")
    assert "cannot read nowhere.json" in str(done.exception)
    assert not world.refused()


def test_an_event_too_large_for_its_topic_is_refused_with_its_document(world: World) -> None:
    """Said where it came in: the broker's own refusal would come later, and say less."""
    events = json.loads(SAMPLE.read_bytes())
    events[0]["note"] = "x" * 1_000_000
    (told,) = world.fed("dcsa", "-", stdin=json.dumps(events).encode())["refused"]
    assert told["code"] == "TOO_LARGE" and not told["sent"]
    assert not world.events() and not world.refused()


def test_declarations_are_fed_row_by_row(world: World, tmp_path: Path) -> None:
    """Wrong rows are refused one by one; a corrected row is released by itself."""
    lines = (DATA / "customs" / "df_syn_test_eng.csv").read_bytes().splitlines()
    broken = lines[2].replace(b"2021-04-01", b"yesterday")
    found = world.fed("customs", "-", stdin=b"\n".join([lines[0], lines[1], broken, lines[3]]))
    assert (found["accepted"], found["by_type"]) == (2, {"customs.declared": 2})
    (place,) = world.refused()
    assert (place.key or b"").decode() == found["refused"][0]["chain"]
    assert place.field == "Date" and (place.key or b"").startswith(b"KCS:")
    (tmp_path / "row.csv").write_bytes(lines[0] + b"\n" + lines[2])
    assert world.act("release", place, "--body", str(tmp_path / "row.csv")).exit_code == 0
    assert len(world.events(CUSTOMS)) == 3


@pytest.mark.parametrize(
    ("option", "value"),
    [("--currency", "WON"), ("--recorded", "yesterday"), ("--chain", ""), ("--source", "")],
)
def test_a_wrong_option_is_said_before_anything_is_sent(
    world: World, option: str, value: str
) -> None:
    """The option and what it must be."""
    done = world.run(
        "feed", "customs", str(DATA / "customs" / "df_syn_test_eng.csv"), option, value
    )
    assert done.exit_code != 0 and option in str(done.exception)
    assert not world.events(CUSTOMS)


def test_the_worker_takes_all_that_was_fed(world: World) -> None:
    """Nothing of it is refused behind the feed; what is fed twice is taken once, and the twin has
    trips, legs, consignments and declarations.
    """
    declarations = (DATA / "customs" / "df_syn_test_eng.csv").read_bytes().splitlines()[:60]
    for _ in range(2):
        world.fed("dcsa", str(SAMPLE))
        world.fed("dcsa", str(DATA / "dcsa" / "tnt-300-response.json"), "--chain", "PO-7")
        world.fed("customs", "-", stdin=b"\n".join(declarations))
    assert not world.refused()
    facts = world.facts()
    assert len(facts) == len({(one.chain_id, one.body) for one in facts})
    assert len(facts) == (len(world.events()) + len(world.events(CUSTOMS))) // 2
    subjects = {
        key.subject_type
        for store in world.worker.stores.values()
        for state in store.states.values()
        for key in state.twin.subjects
    }
    assert {"EQUIPMENT_TRIP", "LEG", "CONSIGNMENT", "DECLARATION"} <= subjects


def test_what_was_given_by_hand_is_kept_with_a_refused_document(
    world: World, tmp_path: Path
) -> None:
    """Chain and source are those of the feed when the corrected document is released."""
    words = ("dcsa", str(WRONG), "--chain", "PO-7", "--source", "MAEU")
    assert [one["chain"] for one in world.fed(*words)["refused"]] == ["PO-7"]
    (place,) = world.refused()
    assert world.act("release", place, "--body", str(SAMPLE)).exit_code == 0
    found = world.events()
    assert {(one.chain_id, one.source) for one in found} == {("PO-7", "dcsa:MAEU")}
    world.fed("dcsa", str(DATA / "dcsa" / "tnt-300-request-shipment.json"), "--source", "MAEU")
    assert {one.source for one in world.events()} == {"dcsa:MAEU", "dcsa:EXCO:SMDG:LCL"}


def test_documents_become_events_of_three_topics_and_no_others(world: World) -> None:
    """All that are shipped here: the rights of the role `documents` are no wider."""
    for name in feeding.READERS:
        world.run("feed", name, str(DATA / name))
    assert {topic for topic in SUPPLY_TOPICS if world.events(topic)} == set(feeding.TOPICS)
