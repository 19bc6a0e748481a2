"""Documents that a bank puts into a folder: none is lost, whatever it does with names and files."""

import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import Any

import bank_rail_world as w
import pytest
import structlog
from iso20022_world import entry, notification

from supplytwin.schemas.ids import settlement_id
from supplytwin.sinks.bank_rail import BankRail
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.sinks.file_rail import FolderBank, Inbox, put
from supplytwin.sinks.iso20022_xml import BYTES_MAX

OTHER = settlement_id(w.CONTRACT, "T1", "lot-2")


class Killed(BaseException):
    """The process ends here."""


def inbox(folder: Path, **options: Any) -> Inbox:
    """What a new process has."""
    return Inbox(folder / "from", folder / "kept", **{"settle_s": 0, **options})


def texts(box: Inbox) -> list[bytes]:
    """What waits."""
    return [one.data for one in box.documents()]


def all_files(folder: Path) -> list[bytes]:
    """Everything that lies anywhere below."""
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def other_devices(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """From now on the bank's folder is a mount: nothing can be renamed into another."""
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if (path.parent == folder) != (target.parent == folder):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(path))
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)


# ---- a name that a bank uses twice


def test_a_name_that_is_used_again_loses_no_document(tmp_path: Path) -> None:
    """The second comes while what the first says is being published: both are told."""
    rail = BankRail(FolderBank(tmp_path / "to", inbox(tmp_path)), w.DESK, w.Known())
    told = []
    for number, settlement in enumerate((w.SETTLEMENT, OTHER)):
        draft = rail.draft(w.instruction(settlement_id=settlement))
        assert draft is not None
        rail.submit(draft)
        document = notification(entry(sent_of(draft), f"ASR-{number}"))
        earlier = [one.receipt for one in rail.answers(0)]
        put(tmp_path / "from", "camt054.xml", document.replace(b"BANK-N-1", b"BANK-N-%d" % number))
        rail.acknowledge([one.input_id for one in earlier])
        told += earlier
    told += [one.receipt for one in rail.answers(0)]
    assert [one.settlement_id for one in told] == [w.SETTLEMENT, OTHER]


def test_each_document_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Three under one name, none of them confirmed: three documents, oldest first."""
    box = inbox(tmp_path)
    for number in range(3):
        put(tmp_path / "from", "a.xml", b"%d" % number)
        os.utime(tmp_path / "from" / "a.xml", (7, 7))
        assert len(box.documents()) == number + 1
    assert sorted(texts(box)) == [b"0", b"1", b"2"]
    assert len({one.name for one in box.documents()}) == 3
    for one in box.documents():
        box.confirm(one)
    assert sorted(one.data for one in box.kept()) == [b"0", b"1", b"2"]


# ---- a mount


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("step", ["rename", "replace", "unlink", "fsync"])
def test_a_kill_between_any_two_steps_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, *, late: bool,
    mounted: bool,
) -> None:  # fmt: skip
    """On the way into our folder and out of it: the next process has the one document, once."""
    box = inbox(tmp_path)
    put(tmp_path / "from", "a.xml", b"<a/>")
    if mounted:
        other_devices(monkeypatch, tmp_path / "from")
    owner: Any = os if step == "fsync" else Path
    real, left = getattr(owner, step), number

    def dies(*given: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == -1 and not late:
            raise Killed
        found = real(*given, **options)
        if left == -1:
            raise Killed
        return found

    names = set[str]()
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, dies)
        try:
            for one in box.documents():
                names.add(one.name)
                box.confirm(one)
        except Killed:
            pass
    again = inbox(tmp_path)
    waiting, kept = again.documents(), list(again.kept())
    assert [one.data for one in (*waiting, *kept)] == [b"<a/>"]
    assert len(names.union(one.name for one in (*waiting, *kept))) == 1
    for one in waiting:
        again.confirm(one)
    assert all_files(tmp_path) == [b"<a/>"]
    assert list((tmp_path / "from").iterdir()) == []


def test_a_folder_on_a_mount_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be renamed out of it: it is copied, synced and only then removed there."""
    box = inbox(tmp_path)
    other_devices(monkeypatch, tmp_path / "from")
    put(tmp_path / "from", "a.xml", b"<a/>")
    os.utime(tmp_path / "from" / "a.xml", (7, 7))
    (one,) = box.documents()
    box.confirm(one)
    assert list((tmp_path / "from").iterdir()) == []
    (path,) = (tmp_path / "kept" / "received").iterdir()
    assert (path.read_bytes(), path.stat().st_mtime) == (b"<a/>", 7)


def test_what_cannot_be_removed_from_a_mount_is_given_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is looked at, and by another process."""
    box = inbox(tmp_path)
    other_devices(monkeypatch, tmp_path / "from")
    real = Path.unlink

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        if path.parent == tmp_path / "from":
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    put(tmp_path / "from", "a.xml", b"<a/>")
    for _ in range(2):
        for one in box.documents():
            box.confirm(one)
        box = inbox(tmp_path)
    assert [one.data for one in box.kept()] == [b"<a/>"]
    assert texts(box) == []


def test_what_still_grows_while_it_is_copied_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rest would be lost with it: the whole is copied another time."""
    box, real = inbox(tmp_path), shutil.copyfileobj
    other_devices(monkeypatch, tmp_path / "from")
    put(tmp_path / "from", "a.xml", b"<a>")

    def grows(old: Any, new: Any) -> None:
        real(old, new)
        with Path(old.name).open("ab") as file:
            file.write(b"</a>")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", grows)
        assert texts(box) == []
    assert texts(box) == [b"<a></a>"]
    assert all_files(tmp_path) == [b"<a></a>"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_a_mount_on_which_nothing_can_be_synced_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Some know no sync of a folder, or of what is open for reading; what we write is synced."""
    real, written = os.fsync, list[int]()

    def fsync(handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(code, os.strerror(code))
        written.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    put(tmp_path, "b.xml", b"<b/>")
    box = inbox(tmp_path)
    put(tmp_path / "from", "a.xml", b"<a/>")
    for one in box.documents():
        box.confirm(one)
    assert [one.data for one in box.kept()] == [b"<a/>"]
    assert len(written) == 2


# ---- files that cannot be read


def test_a_file_that_may_not_be_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, and stays where it is until it may be."""
    box = inbox(tmp_path)

    def closed(patched: pytest.MonkeyPatch) -> None:
        for owner in (Path, os):
            real: Any = owner.open

            def opened(path: Path, *given: Any, real: Any = real, **options: Any) -> Any:
                if str(path).endswith("closed.xml"):
                    raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
                return real(path, *given, **options)

            patched.setattr(owner, "open", opened)

    for name in ("closed.xml", "good.xml"):
        put(tmp_path / "from", name, name.encode())
    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        closed(patched)
        for _ in range(3):
            assert texts(box) == [b"good.xml"]
            assert [one.data for one in box.unfinished()] == [b"good.xml"]
        (line,) = logs
        assert (line["log_level"], line["name"]) == ("error", "closed.xml")
    assert [one.name for one in (tmp_path / "from").iterdir()] == ["closed.xml"]
    assert texts(box) == [b"closed.xml", b"good.xml"]
    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        closed(patched)
        put(tmp_path / "from", "closed.xml", b"another one")
        assert texts(box) == [b"good.xml"]
    assert "closed.xml" in [one["name"] for one in logs]


def test_one_that_cannot_be_read_any_more_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails, in our own folders, too."""
    box, real = inbox(tmp_path), Path.open
    for name in ("a.xml", "b.xml", "c.xml"):
        put(tmp_path / "from", name, name.encode())
    box.confirm(box.documents()[1])

    def opened(path: Path, *given: Any, **options: Any) -> Any:
        if not path.name.endswith("c.xml"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, *given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", opened)
        assert texts(box) == [b"c.xml"]
        assert list(box.kept()) == []
        assert [one.data for one in box.unfinished()] == [b"c.xml"]
    assert texts(box) == [b"a.xml", b"c.xml"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """It is said once, with its size, and stays where it is; the others are read."""
    box = inbox(tmp_path)
    with (tmp_path / "from" / "dump.xml").open("wb") as file:
        file.truncate(BYTES_MAX + 1)
    put(tmp_path / "from", "good.xml", b"<a/>")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert texts(box) == [b"<a/>"]
            assert [one.data for one in box.unfinished()] == [b"<a/>"]
    (line,) = logs
    assert (line["name"], str(BYTES_MAX + 1) in line["why"]) == ("dump.xml", True)
    assert [one.name for one in (tmp_path / "from").iterdir()] == ["dump.xml"]


def test_many_large_files_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    """As many at one look as the largest document has bytes, and no fewer than one."""
    box, half = inbox(tmp_path), BYTES_MAX // 2
    for number in range(5):
        (tmp_path / "from" / f"{number}.xml").write_bytes(b"%d" % number * half)
    looks = list[int]()
    known = set[str]()
    while found := box.documents(known):
        looks.append(len(found))
        known.update(one.name for one in found)
    assert looks == [2, 2, 1]
    assert len(known) == 5


# ---- files that are not finished


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.s = 1_000_000.0

    def __call__(self) -> float:
        return self.s

    def write(self, path: Path, data: bytes, mode: str = "wb", ahead: float = 0) -> None:
        """Put these bytes into a file, at this moment."""
        with path.open(mode) as file:
            file.write(data)
        os.utime(path, (self.s + ahead, self.s + ahead))


WHOLE = b'<?xml version="1.0"?>\n<!-- a bank -->\n<Document xmlns="x"><a>1</a></Document>\n'


@pytest.mark.parametrize("left", [*range(2, len(WHOLE), 7), len(WHOLE)])
def test_a_file_without_its_end_is_waited_for(tmp_path: Path, left: int) -> None:
    """A bank that writes slowly has a minute for it; then it is read as it is."""
    now = Now()
    box, path = inbox(tmp_path, settle_s=1, clock=now), tmp_path / "from" / "a.xml"
    now.write(path, WHOLE[:-left])
    for _ in range(29):
        now.s += 2
        assert texts(box) == []
    now.write(path, WHOLE[-left:], "ab")
    assert texts(box) == []
    now.s += 2
    assert texts(box) == [WHOLE]
    now.write(path, WHOLE[:-left])
    now.s += 59
    assert texts(box) == [WHOLE]
    now.s += 3
    box.documents()
    assert texts(box) == [WHOLE, WHOLE[:-left]]


def test_what_was_refused_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A bank that still had it open has written on; a person has mended it. No other time."""
    now = Now()
    box, path = inbox(tmp_path, settle_s=1, clock=now), tmp_path / "from" / "a.xml"
    now.write(path, b"<Document>")
    now.s += 61
    box.refuse(*box.documents())
    for _ in range(3):
        now.s += 100
        assert texts(box) == []
        box = inbox(tmp_path, settle_s=1, clock=now)
    (refused,) = box.refused.iterdir()
    now.write(refused, b"</Docu", "ab")
    now.s += 2
    assert texts(box) == []
    now.write(refused, b"ment>", "ab")
    now.s += 2
    (one,) = box.documents()
    assert one.data == b"<Document></Document>"
    assert list(box.refused.iterdir()) == []
    box.refuse(one)
    now.s += 100
    assert texts(box) == []
    assert [found.data for found in box.kept()] == [one.data]


def test_what_lies_in_refused_under_other_names_is_left_alone(tmp_path: Path) -> None:
    """A person's notes are no documents."""
    box = inbox(tmp_path)
    for name in ("note.txt", "-", "²-a"):
        (box.refused / name).write_bytes(b"x")
    assert texts(box) == []


@pytest.mark.parametrize("hours", [1, 8])
def test_a_time_ahead_of_our_clock_holds_up_nothing_and_is_said(tmp_path: Path, hours: int) -> None:
    """Whether it still grows is seen with our own clock."""
    now = Now()
    box, path = inbox(tmp_path, settle_s=1, clock=now), tmp_path / "from" / "a.xml"
    with structlog.testing.capture_logs() as logs:
        now.write(path, WHOLE[:-5], ahead=hours * 3600)
        for _ in range(9):
            now.s += 2
            assert texts(box) == []
        now.write(path, WHOLE, ahead=hours * 3600)
        assert texts(box) == []
        for _ in range(3):
            now.s += 2
            box.documents()
    assert texts(box) == [WHOLE]
    (line,) = logs
    assert (line["log_level"], line["name"]) == ("warning", "a.xml")


def test_a_clock_that_is_a_little_behind_says_nothing(tmp_path: Path) -> None:
    """Two machines never agree to the second."""
    now = Now()
    box = inbox(tmp_path, settle_s=1, clock=now)
    with structlog.testing.capture_logs() as logs:
        now.write(tmp_path / "from" / "a.xml", WHOLE, ahead=30)
        for _ in range(4):
            now.s += 2
            box.documents()
    assert (texts(box), logs) == ([WHOLE], [])


# ---- names


@pytest.mark.parametrize(
    "name",
    ["x" * 246 + ".xml", "ä" * 127, "报" * 85, os.fsdecode(b"\xff\xfe.xml")],
    ids=["long", "umlauts", "chinese", "no letters"],
)
def test_a_name_is_made_fit(tmp_path: Path, name: str) -> None:
    """As long as a file system takes it, in any letters, or in none: it is read and kept."""
    box = inbox(tmp_path)
    (tmp_path / "from" / name).write_bytes(b"<a/>")
    (one,) = box.documents()
    one.name.encode()
    box.confirm(one)
    assert [found.data for found in box.kept()] == [b"<a/>"]
    (tmp_path / "from" / name).write_bytes(b"?")
    box.refuse(*box.documents())
    assert len(list((tmp_path / "kept" / "refused").iterdir())) == 1
