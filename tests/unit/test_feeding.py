"""Documents of others through the commands: what is accepted, counted, refused, and released."""

import json
import os
from pathlib import Path

import pytest
from feed_world import DATA, PARTITIONS, World

from supplytwin.processors.feeds import Check, Given, Read, Refused
from supplytwin.schemas.errors import Code, RecordError, UsageError
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
        "not_read": {},
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
    [
        ("--currency", "WON"),
        ("--recorded", "yesterday"),
        ("--recorded", "9999-01-01T00:00:00Z"),
        ("--recorded", "2999-01-01T00:00:00Z"),
        ("--chain", ""),
        ("--source", ""),
        ("--chain", "\udcff"),
        ("--source", "\udcff"),
    ],
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


def broken(on: bytes, error: Exception) -> feeding.Reader:
    """The reader of DCSA, with a defect that one document meets."""
    read = feeding.READERS["dcsa"]

    def reader(data: bytes, given: Given, check: Check) -> Read:
        if data == on:
            raise error
        return read(data, given, check)

    return reader


DEFECTS = [KeyError("leg"), RecursionError("too deep"), ValueError("x" * 2_000), OSError("\ud800")]


@pytest.mark.parametrize("error", DEFECTS, ids=lambda error: type(error).__name__)
def test_a_defect_of_a_reader_refuses_its_document_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    """The others of the folder are read and sent; it is quarantined whole, with what to do, logged
    with its trace, and released as it is once the reader is right.
    """
    (tmp_path / "1.json").write_bytes(b"[1]")
    (tmp_path / "2.json").write_bytes(SAMPLE.read_bytes())
    with monkeypatch.context() as patch:
        patch.setitem(vars(feeding)["READERS"], "dcsa", broken(b"[1]", error))
        done = world.run("feed", "dcsa", str(tmp_path), "--json")
        assert done.exit_code == 1
        found = json.loads(done.stdout)
        (place,) = world.refused()
        assert (found["documents"], found["accepted"], len(found["refused"])) == (2, 7, 1)
        (told,) = found["refused"]
        assert (told["code"], told["field"], told["sent"]) == ("READER_ERROR", "", True)
        assert type(error).__name__ in told["reason"]
        assert "maintainers" in told["reason"] and "after an upgrade" in told["reason"]
        assert (place.body, place.reason) == (b"[1]", told["reason"])
        (line,) = [json.loads(one) for one in done.stderr.splitlines() if one.startswith("{")]
        assert (line["event"], line["level"]) == ("a reader raised", "error")
        assert line["file"].endswith("1.json") and type(error).__name__ in line["trace"]
        still = world.act("release", place)
        assert isinstance(still.exception, UsageError) and len(world.events()) == 7
        said = str(still.exception)
        assert said.startswith("not released: a defect of ours") and "\n" not in said
    (tmp_path / "right.json").write_bytes(SAMPLE.read_bytes())
    done = world.act("release", place, "--body", str(tmp_path / "right.json"))
    assert done.exit_code == 0 and len(world.events()) == 14


def test_a_refusal_that_cannot_be_written_is_a_defect_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a character in its chain or reason: the whole document goes to the quarantine."""
    for chain, reason in (("\ud800", "wrong"), ("PO-7", "\ud800")):
        refused = Refused(b"[2]", RecordError(Code.BAD_VALUE, "a", reason), chain)
        read = Read(refused=(refused,))
        monkeypatch.setitem(
            vars(feeding)["READERS"], "dcsa", lambda data, given, check, read=read: read
        )
        (told,) = world.fed("dcsa", "-", stdin=b"[1]")["refused"]
        assert told["code"] == "READER_ERROR" and "UnicodeEncodeError" in told["reason"]
    assert {one.body for one in world.refused()} == {b"[1]"}


def test_files_are_known_by_their_suffix_and_others_are_counted(
    world: World, tmp_path: Path
) -> None:
    """In small or large letters; what was not read is said, by suffix; a file that is named itself
    is read whatever its suffix.
    """
    (tmp_path / "below").mkdir()
    for name in ("4.JSON", "below/5.Json", "6.txt", "below/7.TXT", "README"):
        (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    found = world.fed("dcsa", str(tmp_path))
    assert (found["documents"], found["accepted"]) == (2, 14)
    assert found["not_read"] == {".txt": 2, "without a suffix": 1}
    said = world.run("feed", "dcsa", str(tmp_path), "--check").stdout
    assert "files of the folder that were not read: 3" in said and "2  .txt" in said
    assert world.fed("dcsa", str(tmp_path / "6.txt"))["not_read"] == {}
    none = world.run("feed", "customs", str(tmp_path))
    assert "has no .csv file" in str(none.exception)


def test_a_name_that_is_no_text_is_said(world: World, tmp_path: Path) -> None:
    """Names of files are bytes: one that is no UTF-8 is shown with the bytes written out."""
    (tmp_path / os.fsdecode(b"\xff.json")).write_bytes(b"[1]")
    (told,) = world.fed("dcsa", str(tmp_path))["refused"]
    assert told["file"].endswith("\\udcff.json") and told["sent"]


def test_a_corrected_declaration_loses_its_inspection_in_the_twin(
    world: World, tmp_path: Path
) -> None:
    """Through the worker: what an earlier label said stands no more; fed twice it stays so."""
    header, *rows = (DATA / "customs" / "df_syn_test_eng.csv").read_bytes().splitlines()
    row = next(row for row in rows if row.endswith(b",1,1"))
    world.fed("customs", "-", stdin=b"\n".join([header, row]))
    (key,) = {event.chain_id for event in world.events(CUSTOMS)}
    corrected = b"\n".join([header, row.removesuffix(b"1,1") + b"0,0"])
    for _ in range(2):
        words = ("customs", "-", "--recorded", "2026-01-01T00:00:00+09:00")
        assert world.fed(*words, stdin=corrected)["corrections"] == 2
        slots = list(world.state(key).twin.facts.every())
        found = [slot.effective.event.event_type for slot in slots if slot.effective is not None]
        assert (found, len(slots)) == (["customs.declared"], 3)
        (subject,) = world.state(key).twin.subjects.values()
        assert subject.state == "FILED"
    assert not world.refused() and len(world.facts()) == 6
