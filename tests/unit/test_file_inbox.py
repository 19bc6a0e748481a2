"""Documents that a bank puts into a folder: none is lost, whatever it does with names and files."""

import errno
import os
from pathlib import Path
from typing import Any

import bank_rail_world as w
import pytest
from iso20022_world import entry, notification

from supplytwin.schemas.ids import settlement_id
from supplytwin.sinks.bank_rail import BankRail
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.sinks.file_rail import FolderBank, Inbox, put

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
