"""`supplytwin feed epcis`: what reaches the worker, what the quarantine says, and the way back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from feed_world import DATA as EVERY
from feed_world import World

from supplytwin.processors.feeds import BYTES_MAX
from supplytwin.schemas.epcis_words import instant
from supplytwin.streams.refused import REFUSED, verdict_of

DATA = EVERY / "epcis"
EVENT: dict[str, Any] = {
    "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld"],
    "type": "ObjectEvent",
    "eventTime": "2025-07-22T06:45:00+02:00",
    "eventTimeZoneOffset": "+02:00",
    "action": "OBSERVE",
    "bizStep": "receiving",
    "epcList": ["urn:epc:id:sgtin:4012345.011111.1"],
    "bizTransactionList": [{"type": "po", "bizTransaction": "urn:x:po-1"}],
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A deployment in wall-clock time."""
    found = World(monkeypatch)
    yield found
    found.broker.close()


def test_a_folder_of_documents_is_taken_once(world: World) -> None:
    """Every fact is in the journal, nothing in the quarantine, and a second time adds nothing."""
    told = world.fed("epcis", str(DATA / "Documents"))
    assert (told["documents"], told["accepted"]) == (38, 68)
    facts = sum(told["by_type"].values()) - 1  # one event stands in two of the documents
    assert told["unmapped"]["TransformationEvent commissioning"] == 3
    assert told["body_only"]["ilmd"] == 7
    assert len(world.facts()) == facts
    assert not world.refused()
    assert world.fed("epcis", str(DATA / "Documents")) == told
    assert len(world.facts()) == facts


def test_the_invalid_documents_are_quarantined_with_path_and_reason(world: World) -> None:
    """15 documents: each refused event with its code, field and reason, the right one is taken."""
    told = world.fed("epcis", str(DATA / "Invalid"))
    assert (told["documents"], told["accepted"], len(told["refused"])) == (15, 1, 21)
    assert {one["sent"] for one in told["refused"]} == {True}
    found = world.refused()
    said = {(one.field, one.reason) for one in found}
    assert said == {(one["field"], one["reason"]) for one in told["refused"]}
    assert len(found) == 21
    assert {one.code for one in found} == {"BAD_VALUE", "MISSING_FIELD", "FOREIGN_FIELD"}


@pytest.mark.parametrize("path", sorted((DATA / "Invalid").glob("*.json")), ids=lambda p: p.stem)
def test_what_was_quarantined_is_taken_after_a_correction(
    world: World, tmp_path: Path, path: Path
) -> None:
    """`quarantine release --body`: wrong again is refused with exit 2, corrected it is a fact."""
    world.fed("epcis", str(path), "--source", "wms", "--chain", "C-1")
    entries, place = len(world.facts()), world.refused()[0]
    again = world.act("release", place)
    assert again.exit_code != 0
    assert "still wrong" in str(again.exception)
    body = tmp_path / "corrected.json"
    body.write_text("[]")
    assert "no event" in str(world.act("release", place, "--body", str(body)).exception)
    body.write_text(json.dumps(EVENT | {"epcList": ["urn:x:1"]}))
    done = world.act("release", place, "--body", str(body))
    assert done.exit_code == 0, done.output
    assert len(world.facts()) == entries + 1
    slots = world.state("C-1").twin.facts.slots
    (right,) = [slot for slot in slots.values() if "shipment.noted" in slot.identity.event_id
                and slot.latest.event.chain_id == "C-1"
                and "urn:x:1" in (slot.latest.event.original or b"").decode()]  # fmt: skip
    assert right.identity.source == "wms"


def test_a_refused_event_stands_under_the_chain_that_it_names(world: World) -> None:
    """So its claims are held: the order is read although another field is wrong."""
    told = world.fed("epcis", "-", stdin=json.dumps(EVENT | {"action": "MOVE"}).encode())
    assert [one["chain"] for one in told["refused"]] == ["urn:x:po-1"]
    (found,) = world.refused()
    assert (found.key, found.code, found.field) == (b"urn:x:po-1", "BAD_VALUE", "action")
    assert dict(found.headers).keys() == {REFUSED}


def test_bytes_that_are_no_json_are_quarantined_whole(world: World) -> None:
    """Under a key that no chain has."""
    told = world.fed("epcis", "-", stdin=b"not json")
    (found,) = world.refused()
    assert (found.code, found.body) == ("MALFORMED", b"not json")
    assert (found.key or b"").startswith(b"epcis:")
    assert told["refused"][0]["file"] == "standard input"


def test_an_event_that_is_too_large_is_named_and_not_sent(world: World) -> None:
    """The quarantine could not keep it either: the summary and exit 1 say so."""
    large = EVENT | {"example:text": "x" * BYTES_MAX}
    told = world.fed("epcis", "-", stdin=json.dumps(large).encode())
    (one,) = told["refused"]
    assert not one["sent"]
    assert "may have 900000" in one["reason"]
    assert not world.refused()


def test_check_sends_nothing(world: World) -> None:
    """--check reads and says the same, and needs no broker."""
    told = world.fed("epcis", str(DATA / "Invalid"), "--check")
    assert len(told["refused"]) == 21
    assert not world.refused()


def test_what_a_person_reads(world: World) -> None:
    """One line for each refusal, with file, path, reason and place."""
    done = world.run("feed", "epcis", str(DATA / "Invalid"))
    assert done.exit_code == 1
    text = " ".join(done.output.split())
    assert "documents: 15; accepted: 1" in text
    said = "ObjectEvent_with_invalid_action.json: BAD_VALUE epcisBody.eventList[0].action: event 1:"
    assert said in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.json",), "cannot read nowhere.json"),
        ((str(DATA / "hashes" / "none"),), "cannot read"),
        ((str(DATA), "--chain", "@p1"), "--chain: must be"),
    ],
)
def test_what_cannot_be_read_is_one_line(world: World, words: tuple[str, ...], said: str) -> None:
    """Wrong words are told apart from wrong documents."""
    done = world.run("feed", "epcis", *words)
    assert said in str(done.exception)


def test_a_folder_without_documents_is_a_mistake(world: World, tmp_path: Path) -> None:
    """It is not silently nothing."""
    assert "has no .json" in str(world.run("feed", "epcis", str(tmp_path)).exception)


def test_a_header_that_nobody_here_wrote_is_refused(world: World) -> None:
    """A record cannot make the worker stumble over its own words."""
    producer = world.broker.producer(None)
    producer.produce("supply.shipments", b"C", b"x", headers=((REFUSED, b"{"),))
    producer.flush()
    world.pump()
    (found,) = world.refused()
    assert (found.code, found.field) == ("MALFORMED", "headers")


def test_the_header_means_something_on_one_topic_only(world: World) -> None:
    """A receipt cannot become a fact of somebody by way of the quarantine."""
    producer = world.broker.producer(None)
    verdict = b'{"code":"BAD_VALUE","field":"f","reason":"r"}'
    producer.produce("supply.customs", b"C", b"x", headers=((REFUSED, verdict),))
    producer.flush()
    world.pump()
    (found,) = world.refused()
    assert found.code == "UNKNOWN_SCHEMA"
    assert verdict_of(found) is None


def test_a_released_event_may_get_another_chain(world: World, tmp_path: Path) -> None:
    """`--key` of the release is its chain."""
    world.fed("epcis", "-", stdin=json.dumps(EVENT | {"action": "MOVE"}).encode())
    (place,) = world.refused()
    body = tmp_path / "corrected.json"
    body.write_text(json.dumps(EVENT))
    done = world.act("release", place, "--body", str(body), "--key", "C-9")
    assert done.exit_code == 0, done.output
    assert [entry.chain_id for entry in world.facts()] == ["C-9"]


def test_in_simulated_time_facts_arrive_when_they_were_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At their record times, without a tick; the refused one is quarantined, too."""
    world = World(monkeypatch, simulated=True)
    wrong, first = EVENT | {"action": "MOVE"}, EVENT | {"recordTime": "2025-07-23T00:00:00Z"}
    told = world.fed("epcis", "-", stdin=json.dumps([EVENT, wrong, first]).encode())
    assert (told["accepted"], len(told["refused"])) == (2, 1)
    assert len(world.refused()) == 1
    happened, recorded = "2025-07-22T04:45:00Z", "2025-07-23T00:00:00Z"
    assert [entry.arrival for entry in world.facts()] == [instant(happened), instant(recorded)]
    world.broker.close()
