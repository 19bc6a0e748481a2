"""A bank over HTTP that answers late: each call has a beat behind it, and few fail in one turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from http_world import Server, bank, kept, serving

from supplytwin.schemas.errors import TransientError
from supplytwin.sinks import http_rail
from supplytwin.sinks.http_rail import TRIES


@pytest.fixture
def server() -> Iterator[Server]:
    """Ends with the test."""
    with serving() as one:
        yield one


def test_a_beat_stands_behind_each_call(server: Server, tmp_path: Path) -> None:
    """Whatever came of it, and behind each try: a bank has several addresses, each may hang."""
    carrier, beats = bank(server, tmp_path), list[int]()
    carrier.alive = lambda: beats.append(len(server.seen))
    carrier.deliver(kept())
    server.answers = [None] * TRIES
    with pytest.raises(TransientError):
        carrier.ask(kept())
    server.answers = [(503, b"")] * TRIES
    with pytest.raises(TransientError):
        carrier.arrivals(())
    assert sorted(set(beats)) == list(range(1, 2 + 2 * TRIES))


def test_a_bank_that_deletes_nothing_is_not_waited_for_again_and_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that fails is the last for a while; then all of them are made up for."""
    server.mail = [{"id": number, "body": f"<a>{number}</a>"} for number in range(5)]
    carrier = bank(server, tmp_path)
    whole, answer = server.answer, [True]
    monkeypatch.setattr(
        server,
        "answer",
        lambda method, path: (
            (503, b"") if answer[0] and method == "DELETE" else whole(method, path)
        ),
    )
    for one in carrier.arrivals(()):
        carrier.confirm(one)
    assert carrier.arrivals(()) == []
    assert [method for method, *_ in server.seen].count("DELETE") == TRIES
    assert len(server.mail) == 5
    answer[0] = False
    now = http_rail.time.monotonic() + http_rail.PAUSE_S
    monkeypatch.setattr(http_rail.time, "monotonic", lambda: now)
    assert carrier.arrivals(()) == []
    assert not server.mail
