"""A mailbox whose answers are not as expected: each document by itself, and nothing is lost."""

import contextlib
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_world import Server, bank, kept, serving

from supplytwin.schemas.errors import TransientError
from supplytwin.sinks import http_rail, http_rail_mailbox
from supplytwin.sinks.bank_rail import Document
from supplytwin.sinks.http_rail import TRIES, HttpBank
from supplytwin.sinks.iso20022_xml import BYTES_MAX

GOOD = [{"id": 1, "body": "<a/>"}, {"id": 2, "body": "<b/>"}]
BAD = [
    b'{"id": 7, "body": null}',
    b'{"id": 7}',
    b'{"id": 7, "body": 1}',
    b"7",
    b'"<a/>"',
    b"null",
    b"[]",
    b"",
    b'{"id": 7, "body": "\\ud800"}',
    b'{"id": 7, "body": "\xed\xa0\x80"}',
    b'{"id": 7, "body": "line\nline"}',
    b'{"id": 7, "body": "<c/>",}',
    b'{"id": 7, "body": tru}',
    b"{7}",
    b'{"id": 7, "body": ' + b"[" * 5000 + b"]" * 5000 + b"}",
]


@pytest.fixture
def server() -> Iterator[Server]:
    """Ends with the test."""
    with serving() as one:
        yield one


class Killed(BaseException):
    """The process ends here."""


def listed(*mails: bytes) -> bytes:
    """What the mailbox answers."""
    return b"[" + b", ".join(mails) + b"]"


def good(number: int) -> bytes:
    """One as it should be."""
    return json.dumps(GOOD[number]).encode()


def texts(documents: list[Document]) -> list[bytes]:
    """What they say."""
    return [one.data for one in documents]


def refused(folder: Path) -> list[bytes]:
    """What is laid aside."""
    return sorted(path.read_bytes() for path in (folder / "refused").iterdir())


def look(carrier: HttpBank) -> list[bytes]:
    """What waits, also when the mailbox makes trouble."""
    try:
        return texts(carrier.arrivals(()))
    except TransientError:
        return texts(carrier.arrivals(()))


@pytest.mark.parametrize("confirms", [True, False])
@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_one_that_cannot_be_read_hides_no_other(
    server: Server, tmp_path: Path, bad: bytes, *, confirms: bool
) -> None:
    """It is laid aside as it came, once, whatever another process finds in the mailbox again."""
    for _ in range(2):
        server.answers = [(200, listed(good(0), bad, good(1)))]
        assert look(bank(server, tmp_path, confirms=confirms)) == [b"<a/>", b"<b/>"]
        assert refused(tmp_path) == ([bad] if bad else [])
    deleted = {path for method, path, *_ in server.seen if method == "DELETE"}
    assert deleted <= {"/mail/7"}
    assert confirms or not deleted


@pytest.mark.parametrize("bad_id", ["", ".", "..", None, 1.5, True, {}, "absent"])
def test_a_document_without_an_id_is_read(server: Server, tmp_path: Path, bad_id: Any) -> None:
    """It cannot be deleted, and is known by its bytes; nothing else is deleted in its place."""
    mail = {"id": bad_id, "body": "<a/>"}
    if bad_id == "absent":
        del mail["id"]
    for _ in range(2):
        carrier = bank(server, tmp_path)
        server.answers = [(200, listed(json.dumps(mail).encode(), good(1)))]
        for one in carrier.arrivals(()):
            carrier.confirm(one)
    assert sorted(one.data for one in carrier.received()) == [b"<a/>", b"<b/>"]
    deleted = {path for method, path, *_ in server.seen if method == "DELETE"}
    assert deleted == {"/mail/2"}


@pytest.mark.parametrize(
    ("answer", "told", "kept"),
    [
        (b"<html>", [], True),
        (b'{"id": 1}', [], True),
        (b"[", [], True),
        (b'[{"id": 1, "body": "<a/>"}, {"id": 2, "bo', [b"<a/>"], True),
        (b'[{"id": 1, "body": "<a/>"}] <html>', [b"<a/>"], True),
        (b'\xef\xbb\xbf [{"id": 1, "body": "<a/>"}]\n', [b"<a/>"], False),
        (b"[]", [], False),
        (b" [ ] ", [], False),
        (b"", [], False),
    ],
)
def test_an_answer_that_is_no_list_is_kept(
    server: Server, tmp_path: Path, answer: bytes, told: list[bytes], *, kept: bool
) -> None:
    """What can be read of it is read; all of it is laid aside, where the mailbox forgets it."""
    for _ in range(2):
        server.answers = [(200, answer)]
        assert look(bank(server, tmp_path, confirms=False)) == told
        assert refused(tmp_path) == ([answer] if kept else [])
    server.answers = [(200, answer)]
    assert look(bank(server, tmp_path / "other", confirms=True)) == told
    assert refused(tmp_path / "other") == []
    assert not list((tmp_path / "mailbox").iterdir())


def test_a_mailbox_that_cannot_be_read_is_left_alone_for_a_while(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And looked at again; what is here already is read meanwhile."""
    carrier = bank(server, tmp_path)
    server.answers = [(404, b""), (200, b"<html>")]
    for _ in range(2):
        with pytest.raises(TransientError):
            carrier.arrivals(())
    server.mail = GOOD
    assert carrier.arrivals(()) == []
    real = http_rail.time.monotonic()
    monkeypatch.setattr(http_rail.time, "monotonic", lambda: real + 3600)
    assert texts(carrier.arrivals(())) == [b"<a/>", b"<b/>"]


@pytest.mark.parametrize("step", ["rename", "replace", "unlink"])
@pytest.mark.parametrize("number", range(5))
def test_a_kill_loses_and_repeats_nothing_of_a_mailbox_that_forgets(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """From the moment its answer is there whole."""
    server.answers = [(200, listed(good(0), b"7", good(1)))]
    server.mail = []
    carrier, real, left = bank(server, tmp_path, confirms=False), getattr(Path, step), number

    def dies(*given: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        found = real(*given, **options)
        if left == -1:
            raise Killed
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Path, step, dies)
        with contextlib.suppress(Killed):
            carrier.arrivals(())
    again = bank(server, tmp_path, confirms=False)
    assert texts(again.arrivals(())) == [b"<a/>", b"<b/>"]
    assert refused(tmp_path) == [b"7"]
    assert not list((tmp_path / "mailbox").iterdir())


@pytest.mark.parametrize("confirms", [True, False])
@pytest.mark.parametrize("left", [0, 1, 10])
def test_an_answer_that_broke_off_is_gone_through_as_far_as_it_came(
    server: Server, tmp_path: Path, left: int, *, confirms: bool
) -> None:
    """Its end is missing, by a kill or by the network: what came whole is not lost, and nothing
    waits for the rest.
    """
    answer = listed(good(0), good(1))
    for number, folder in enumerate((tmp_path / "killed", tmp_path / "broken")):
        carrier = bank(server, folder, confirms=confirms)
        part = answer[: len(answer) - left]
        if not number:
            (folder / "mailbox" / ".answer.tmp").write_bytes(part)
            carrier = bank(server, folder, confirms=confirms)
        else:
            server.answers = [None] * TRIES if not left else [(200, part, len(answer))]
            with pytest.raises(TransientError):
                carrier.arrivals(())
            if not left:
                continue
        server.mail = [{"id": 3, "body": "<c/>"}]
        whole = [b"<a/>", b"<b/>"] if left < 10 else [b"<a/>"]
        assert texts(carrier.arrivals(())) == [*whole, b"<c/>"]
        assert refused(folder) == ([part] if left and not confirms else [])


def test_a_long_answer_that_broke_off_is_gone_through_once(tmp_path: Path) -> None:
    """Not once for every quotation mark in what is left of it, which would take an hour."""
    answer = listed(good(0), json.dumps({"id": 2, "body": '<b c="d"/>' * 300_000}).encode())
    for end in (b"", b"\\"):
        (tmp_path / "a.json").write_bytes(answer[:-9] + end)
        found = list[bytes]()
        with pytest.raises(ValueError, match="has no end"):
            found.extend(one.data for one in http_rail_mailbox.mails(tmp_path / "a.json"))
        assert found == [b"<a/>"]


def test_a_full_disk_loses_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept of the answer is gone through again, before the mailbox is asked anew."""
    server.mail, server.forgets = list(GOOD), True
    carrier = bank(server, tmp_path, confirms=False)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(http_rail, "put", full)
        for _ in range(2):
            with pytest.raises(TransientError, match="No space"):
                carrier.arrivals(())
    assert len(server.seen) == 1
    assert texts(carrier.arrivals(())) == [b"<a/>", b"<b/>"]


def test_a_large_mailbox_is_read(server: Server, tmp_path: Path) -> None:
    """Longer than any one document may be; and never all of it in memory."""
    large = ["<a>" + letter * (BYTES_MAX // 2) + "</a>" for letter in "abcdef"]
    too_large = "<a>" + "x" * BYTES_MAX + "</a>"
    mails = [{"id": n, "body": body} for n, body in enumerate([too_large, *large])]
    answer = json.dumps(mails).encode()
    carrier = bank(server, tmp_path, confirms=False)
    server.answers = [(200, answer)]
    del mails, large, too_large
    del answer
    tracemalloc.start()
    carrier.arrivals(())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * BYTES_MAX
    found = set[bytes]()
    for _ in range(10):
        for one in carrier.arrivals(()):
            found.add(one.data[3:4])
            carrier.confirm(one)
    assert found == {b"a", b"b", b"c", b"d", b"e", b"f"}
    assert [len(one) > BYTES_MAX for one in refused(tmp_path)] == [True]


def test_a_mailbox_with_very_many_holds_nobody_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few seconds at each look, one document at least; it is asked again behind the last."""
    monkeypatch.setattr(http_rail, "LOOK_S", -1)
    server.mail, server.forgets = [{"id": n, "body": f"<a>{n}</a>"} for n in range(3)], True
    carrier = bank(server, tmp_path, confirms=False)
    looks = [(len(carrier.arrivals(())), len(server.seen)) for _ in range(4)]
    assert looks == [(1, 1), (2, 1), (3, 1), (3, 2)]
    carrier = bank(server, tmp_path / "other", confirms=False)
    server.mail = [{"id": n, "body": f"<a>{n}</a>"} for n in range(3)]
    carrier.arrivals(())
    assert len(bank(server, tmp_path / "other", confirms=False).arrivals(())) == 2


def test_a_mailbox_without_an_end_is_not_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, the process goes on, and nothing is left on the disk."""
    monkeypatch.setattr(http_rail_mailbox, "MAILBOX_MAX", 20)
    server.mail = GOOD
    carrier = bank(server, tmp_path)
    with pytest.raises(TransientError, match="more than"):
        carrier.arrivals(())
    assert carrier.arrivals(()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("length", [BYTES_MAX + 1, 3 * BYTES_MAX])
def test_a_long_answer_to_anything_else_is_not_read(
    server: Server, tmp_path: Path, length: int
) -> None:
    """What is told of a payment is as long as a document at most; of a POST only the status
    counts.
    """
    carrier = bank(server, tmp_path)
    server.answers = [(200, b"x" * length), (200, b"x" * length), (202, b"")]
    carrier.deliver(kept())
    assert carrier.ask(kept()) is None
    carrier.deliver(kept())
    assert len(server.seen) == 3
