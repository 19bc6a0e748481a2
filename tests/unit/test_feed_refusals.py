"""What a feed says of documents that are not what it reads, or that tell of what is to come."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from feed_world import DATA, World

from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.events import CUSTOMS, SHIPMENTS, WAREHOUSE

DCSA = DATA / "dcsa" / "tnt-220-response.json"
DECLARATIONS = (DATA / "customs" / "df_syn_test_eng.csv").read_bytes().splitlines()[:2]
FEEDS = ("customs", "dcsa", "epcis")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """In wall-clock time."""
    return World(monkeypatch)


def why(world: World, feed: str, document: bytes, *options: str) -> str:
    """Field and reason of the first refusal; nothing of the document is an event."""
    first = world.fed(feed, "-", *options, stdin=document)["refused"][0]
    assert not [*world.events(SHIPMENTS), *world.events(CUSTOMS), *world.events(WAREHOUSE)]
    return f"{first['field']}: {first['reason']}"


# ---- ahead of their arrival


def later(hours: int, place: str = "") -> str:
    """So many hours from now, as standards write it."""
    at = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    return at.strftime(f"%Y-%m-%dT%H:%M:%S{place or 'Z'}")


def told(feed: str, hours: int) -> bytes:
    """A document of one event that has happened in so many hours from now."""
    if feed == "epcis":
        event: dict[str, Any] = {
            "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld"],
            "type": "ObjectEvent",
            "eventTime": later(hours),
            "eventTimeZoneOffset": "+00:00",
            "action": "OBSERVE",
            "bizStep": "arriving",
            "epcList": ["urn:epc:id:sgtin:4012345.011111.1"],
            "bizTransactionList": [{"type": "po", "bizTransaction": "urn:x-supplytwin:po:PO-7"}],
        }
        return json.dumps(event).encode()
    if feed == "dcsa":
        events = json.loads(DCSA.read_bytes())
        actual = next(one for one in events if one["eventClassifierCode"] == "ACT")
        actual["eventDateTime"] = later(hours, "+00:00")
        return json.dumps([actual]).encode()
    day = later(hours)[:10].encode()  # the feed knows of it at its end, up to a day later
    header, row = DECLARATIONS
    return header + b"\n" + row.replace(b"2021-04-01", day)


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["sent", "looked at"])
@pytest.mark.parametrize("feed", FEEDS)
def test_what_the_worker_would_refuse_as_of_the_future_is_refused_by_the_feed(
    world: World, feed: str, options: tuple[str, ...]
) -> None:
    """With the event, its time and the arrival; under the chain that it is of, which is held."""
    said = world.fed(feed, "-", *options, "--chain", "PO-7", stdin=told(feed, 80))
    (one,) = said["refused"]
    assert (said["accepted"], one["code"], one["chain"]) == (0, "FUTURE", "PO-7")
    assert "is more than 48 h ahead of its arrival at 20" in one["reason"]
    assert "feed it when it has happened" in one["reason"]
    assert [place.code for place in world.refused()] == ([] if options else ["FUTURE"])
    assert not world.facts()


@pytest.mark.parametrize("feed", FEEDS)
def test_what_is_a_little_ahead_is_taken(world: World, feed: str) -> None:
    """Clocks differ, and days begin earlier elsewhere."""
    said = world.fed(feed, "-", "--chain", "PO-7", stdin=told(feed, 10))
    assert (said["accepted"], said["refused"]) == (1, [])
    assert world.facts() and not world.refused()


def test_a_document_of_the_future_is_refused_under_its_own_chain(world: World) -> None:
    """Also where no chain was given: its open claims must wait."""
    assert world.fed("dcsa", "-", stdin=told("dcsa", 10))["refused"] == []
    (chain,) = {event.chain_id for event in world.events()}
    (one,) = world.fed("dcsa", "-", stdin=told("dcsa", 80))["refused"]
    assert one["chain"] == chain


def test_in_simulated_time_an_event_may_be_of_any_year(monkeypatch: pytest.MonkeyPatch) -> None:
    """It arrives when its source recorded it."""
    world = World(monkeypatch, simulated=True)
    event = json.loads(told("epcis", 80)) | {"recordTime": later(90)}
    assert world.fed("epcis", "-", stdin=json.dumps(event).encode())["refused"] == []
    assert world.facts() and not world.refused()


# ---- no documents of this feed


@pytest.mark.parametrize("feed", FEEDS)
def test_a_file_of_nothing_is_empty(world: World, feed: str) -> None:
    """That is all that can be said of it."""
    assert why(world, feed, b"") == ": is empty"


@pytest.mark.parametrize("feed", FEEDS)
def test_utf_16_is_called_by_its_name(world: World, feed: str) -> None:
    """As spreadsheets save it."""
    document = b"\n".join(DECLARATIONS).decode().encode("utf-16")
    assert why(world, feed, document) == ": is UTF-16: save it as UTF-8"


def test_semicolons_are_no_commas(world: World) -> None:
    """As spreadsheets in half of Europe save it."""
    document = b"\n".join(DECLARATIONS).replace(b",", b";")
    assert "semicolons: save it with commas" in why(world, "customs", document)


def test_a_document_of_dcsa_is_none_of_epcis(world: World) -> None:
    """That is said, and not only which field is missing."""
    assert "this is no EPCIS document" in why(world, "epcis", DCSA.read_bytes())


def test_a_feed_of_nothing_does_not_read_the_current_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable in a script must not send whatever lies there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.json").write_bytes(DCSA.read_bytes())
    done = world.run("feed", "dcsa", "")
    assert isinstance(done.exception, UsageError) and "name a file" in str(done.exception)
    assert not world.events()
