"""A bank over HTTP that fails in every way a few times: the same bytes again, and no more often."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from http_world import Server, bank, kept, serving

from supplytwin.schemas.errors import NotLetInError, TransientError
from supplytwin.sinks.http_rail import TRIES


@pytest.fixture
def server() -> Iterator[Server]:
    """Ends with the test."""
    with serving() as one:
        yield one


@pytest.mark.parametrize("failure", [None, (500, b""), (503, b"away"), (429, b"")])
def test_a_failure_is_tried_again_with_the_same_bytes(
    server: Server, tmp_path: Path, failure: tuple[int, bytes] | None
) -> None:
    """A dropped connection, a status that passes: the same request again, until it is taken."""
    server.answers = [failure] * (TRIES - 1)
    bank(server, tmp_path).deliver(kept())
    assert len(server.seen) == TRIES
    assert set(server.seen) == {("POST", "/pay", kept().body, "Bearer t")}


def test_tries_have_an_end(server: Server, tmp_path: Path) -> None:
    """Then the caller is told, and calls again with the same when it likes."""
    server.answers = [(503, b"")] * TRIES
    carrier = bank(server, tmp_path)
    with pytest.raises(TransientError, match="503"):
        carrier.deliver(kept())
    assert len(server.seen) == TRIES
    carrier.deliver(kept())
    assert len(set(server.seen)) == 1


def test_nobody_there(server: Server, tmp_path: Path) -> None:
    """No connection is a TransientError, too."""
    carrier = bank(server, tmp_path, payments="http://127.0.0.1:1/pay", timeout_s=1)
    with pytest.raises(TransientError):
        carrier.deliver(kept())


@pytest.mark.parametrize("status", [401, 403, 404, 407, 408, 425])
@pytest.mark.parametrize("kind", ["PAY", "RECALL"])
def test_who_is_not_let_in_comes_again(
    server: Server, tmp_path: Path, status: int, kind: str
) -> None:
    """A token that has expired, an address that has moved say nothing about the message: the same
    bytes again, when the caller likes; and it is said once, not every second.
    """
    server.answers = [(status, b"no")] * 3
    carrier = bank(server, tmp_path)
    with structlog.testing.capture_logs() as logs:
        for number in range(1, 4):
            with pytest.raises(TransientError, match=str(status)):
                carrier.deliver(kept(kind))
            assert len(server.seen) == number  # a wrong password is not tried in a burst
    (line,) = logs
    assert (line["log_level"], line["http_status"]) == ("error", status)
    carrier.deliver(kept(kind))
    assert {body for _, _, body, _ in server.seen} == {kept(kind).body}


@pytest.mark.parametrize("status", [401, 407, 408, 425])
def test_a_token_may_expire_at_any_time(server: Server, tmp_path: Path, status: int) -> None:
    """These say who asks, and when, whatever was taken before; it is said again, once."""
    carrier = bank(server, tmp_path)
    carrier.deliver(kept())
    server.answers = [(status, b"no")]
    with structlog.testing.capture_logs() as logs, pytest.raises(NotLetInError):
        carrier.deliver(kept())
    assert len(logs) == 1


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("kind", ["PAY", "RECALL"])
def test_an_address_that_has_taken_a_message_refuses_one(
    server: Server, tmp_path: Path, status: int, kind: str
) -> None:
    """It is there, and lets us in: what it says then it says of that message, which blocks nobody.
    What another address has taken says nothing of it.
    """
    carrier = bank(server, tmp_path)
    carrier.deliver(kept("RECALL" if kind == "PAY" else "PAY"))
    server.answers = [(status, b"no")]
    with pytest.raises(NotLetInError):
        carrier.deliver(kept(kind))
    server.answers = [(400, b"no"), (status, b"no")]
    carrier.deliver(kept(kind))
    with pytest.raises(NotLetInError):
        carrier.deliver(kept(kind))  # a refusal is no message taken
    carrier.deliver(kept(kind))
    server.answers = [(status, b"no")]
    with structlog.testing.capture_logs() as logs:
        carrier.deliver(kept(kind))
    assert [line["event"] for line in logs] == ["the bank refused a message"]
    with pytest.raises(NotLetInError):  # of a new process nothing is known
        server.answers = [(status, b"no")]
        bank(server, tmp_path).deliver(kept(kind))


@pytest.mark.parametrize("status", [400, 405, 409, 410, 413, 415, 422, 302])
def test_a_refusal_is_final_for_the_carrier(server: Server, tmp_path: Path, status: int) -> None:
    """It is not repeated and blocks nobody: what became of the payment is asked."""
    server.answers = [(status, b"no")]
    bank(server, tmp_path).deliver(kept())
    assert len(server.seen) == 1


def test_a_recall_has_its_own_address(server: Server, tmp_path: Path) -> None:
    """Posted there; a bank that takes none is sent none."""
    bank(server, tmp_path).deliver(kept("RECALL"))
    bank(server, tmp_path, recalls="").deliver(kept("RECALL"))
    assert [(method, path) for method, path, _, _ in server.seen] == [("POST", "/recall")]


def test_a_document_is_in_the_folder_before_anything_else(server: Server, tmp_path: Path) -> None:
    """A mailbox that forgets what it has given loses nothing: another process finds it."""
    server.mail, server.forgets = [{"id": 1, "body": "<a/>"}, {"id": 2, "body": "<b/>"}], True
    assert [one.data for one in bank(server, tmp_path).arrivals(())] == [b"<a/>", b"<b/>"]
    again = bank(server, tmp_path)
    assert [one.data for one in again.arrivals(())] == [b"<a/>", b"<b/>"]
    for one in again.arrivals(()):
        again.confirm(one)
    assert again.arrivals(()) == []
    assert [one.data for one in again.received()] == [b"<a/>", b"<b/>"]


def test_a_document_is_deleted_when_it_is_confirmed(server: Server, tmp_path: Path) -> None:
    """Not before, by its id; and once it is confirmed it is not read a second time."""
    server.mail = [{"id": "x y", "body": "<a/>"}]
    carrier = bank(server, tmp_path)
    (one,) = carrier.arrivals(())
    assert carrier.arrivals((one.name,)) == []
    assert not [method for method, *_ in server.seen if method == "DELETE"]
    carrier.confirm(one)
    assert ("DELETE", "/mail/x%20y") in [(method, path) for method, path, _, _ in server.seen]
    assert carrier.arrivals(()) == []


def test_a_confirmation_that_fails_is_made_up_for(server: Server, tmp_path: Path) -> None:
    """The next look, also of another process, deletes what is done."""
    server.mail = [{"id": 7, "body": "<a/>"}]
    carrier = bank(server, tmp_path)
    (one,) = carrier.arrivals(())
    server.answers = [(503, b"")] * TRIES
    carrier.confirm(one)
    assert server.mail
    assert bank(server, tmp_path).arrivals(()) == []
    assert not server.mail


def test_a_mailbox_without_confirmation_is_read_once(server: Server, tmp_path: Path) -> None:
    """Known documents are told from new ones by their bytes; nothing is deleted."""
    server.mail = [{"id": 1, "body": "<a/>"}]
    carrier = bank(server, tmp_path, confirms=False)
    carrier.confirm(*carrier.arrivals(()))
    server.mail.append({"id": 2, "body": "<b/>"})
    assert [one.data for one in carrier.arrivals(())] == [b"<b/>"]
    assert {method for method, *_ in server.seen} == {"GET"}


def test_an_empty_mailbox(server: Server, tmp_path: Path) -> None:
    """204 says so as well as an empty list; without a mailbox nobody is asked."""
    server.answers = [(204, b"")]
    assert bank(server, tmp_path).arrivals(()) == []
    assert bank(server, tmp_path, mailbox="").arrivals(()) == []
    assert len(server.seen) == 1


def test_the_mailbox_is_not_asked_at_every_turn(server: Server, tmp_path: Path) -> None:
    """Once in so many seconds."""
    carrier = bank(server, tmp_path, poll_s=60)
    for _ in range(5):
        carrier.arrivals(())
    assert len(server.seen) == 1


def test_a_question(server: Server, tmp_path: Path) -> None:
    """404 is not found; a document is one; silence, refusal and no address are no answer."""
    carrier, message = bank(server, tmp_path), kept()
    server.answers = [(404, b""), (200, b"<doc/>"), (204, b""), (200, b""), (403, b"no")]
    first, second, *others = [carrier.ask(message) for _ in range(5)]
    assert first is not None
    assert second is not None
    assert (first.known, second.known, second.data) == (False, True, b"<doc/>")
    assert others == [None, None, None]
    assert server.seen[0][1].startswith("/status/")
    assert bank(server, tmp_path, status="").ask(message) is None
    server.answers = [(500, b"")] * TRIES
    with pytest.raises(TransientError):
        carrier.ask(message)
