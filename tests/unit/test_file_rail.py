"""A bank that is two folders: files appear whole, are kept once read, and overwrite nothing."""

import os
from pathlib import Path

import bank_rail_world as w
import pytest

from supplytwin.schemas.errors import FatalError, TransientError
from supplytwin.schemas.records import SentMessage
from supplytwin.sinks.file_rail import FolderBank, Inbox, put


def kept() -> SentMessage:
    """A message that was drafted."""
    draft = w.Desktop().rail.draft(w.instruction())
    assert draft is not None
    return draft


def bank(folder: Path, settle_s: float = 0) -> FolderBank:
    """A bank of two folders, and a third where its documents are kept."""
    return FolderBank(folder / "to", Inbox(folder / "from", folder / "kept", settle_s=settle_s))


def test_name_and_bytes_follow_from_what_is_paid(tmp_path: Path) -> None:
    """MsgId and message; delivered again before and after the bank took it: the same file."""
    carrier, message = bank(tmp_path), kept()
    path = tmp_path / "to" / f"{message.message_id}.pain.001.001.09.xml"
    for _ in range(2):
        for _ in range(2):
            carrier.deliver(message)
            assert [one.name for one in (tmp_path / "to").iterdir()] == [path.name]
            assert path.read_bytes() == message.body
        path.unlink()


def test_a_file_is_synced_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written aside, synced, renamed, and the folder synced: at no moment half a file."""
    seen: list[tuple[bool, int]] = []
    real = os.fsync

    def watched(handle: int) -> None:
        seen.append(((tmp_path / "a.xml").exists(), os.fstat(handle).st_size))
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    put(tmp_path, "a.xml", b"12345")
    assert seen[0] == (False, 5)
    assert seen[1][0]
    assert [one.name for one in tmp_path.iterdir()] == ["a.xml"]


def test_a_write_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space: TransientError, and nothing that a bank would read; the next try succeeds."""
    carrier, message = bank(tmp_path), kept()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(TransientError, match="No space"):
            carrier.deliver(message)
    assert not [one for one in (tmp_path / "to").iterdir() if not one.name.startswith(".")]
    carrier.deliver(message)
    assert [one.read_bytes() for one in (tmp_path / "to").iterdir()] == [message.body]


def test_unfinished_files_are_left_alone(tmp_path: Path) -> None:
    """Hidden ones, those with the names of transfers under way, folders, and young ones."""
    carrier = bank(tmp_path, settle_s=60)
    for name in (".hidden.xml", "a.tmp", "b.part", "c.filepart", "young.xml", "old.xml"):
        (tmp_path / "from" / name).write_bytes(name.encode())
        os.utime(tmp_path / "from" / name, (1, 1)) if name != "young.xml" else None
    (tmp_path / "from" / "folder").mkdir()
    (one,) = carrier.arrivals(())
    assert one.data == b"old.xml"
    assert one.name.endswith("-old.xml")
    assert carrier.arrivals((one.name,)) == []
    assert carrier.arrivals(()) == [one]
    assert len(list((tmp_path / "from").iterdir())) == 6


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    """By time, those of one moment by name."""
    carrier = bank(tmp_path)
    for name, at in (("b", 5), ("a", 9), ("d", 1), ("c", 5)):
        (tmp_path / "from" / name).write_bytes(b"x")
        os.utime(tmp_path / "from" / name, (at, at))
    assert [one.name[-2:] for one in carrier.arrivals(())] == ["-d", "-b", "-c", "-a"]


def test_what_is_confirmed_is_kept_and_never_overwritten(tmp_path: Path) -> None:
    """Two files of one name, one after the other: both are kept, and both can be read again."""
    carrier = bank(tmp_path)
    for data in (b"first", b"second"):
        (tmp_path / "from" / "a.xml").write_bytes(data)
        (one,) = carrier.arrivals(())
        carrier.confirm(one)
        assert carrier.arrivals(()) == []
    (tmp_path / "from" / "later.xml").write_bytes(b"third")
    assert sorted(one.data for one in carrier.received()) == [b"first", b"second", b"third"]
    carrier.confirm(one)  # a second time: gone already


def test_what_cannot_be_read_is_kept_apart(tmp_path: Path) -> None:
    """For a person, in a folder of its own."""
    carrier = bank(tmp_path)
    (tmp_path / "from" / "a.xml").write_bytes(b"?")
    carrier.refuse(*carrier.arrivals(()))
    assert len(list((tmp_path / "kept" / "refused").iterdir())) == 1
    assert list((tmp_path / "kept" / "received").iterdir()) == []


def test_a_folder_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    """A mount that is away is no end of the process; a document that cannot be laid aside is."""
    carrier = bank(tmp_path)
    (tmp_path / "from" / "a.xml").write_bytes(b"x")
    (one,) = carrier.arrivals(())
    (tmp_path / "kept" / "received").rmdir()
    (tmp_path / "kept" / "received").write_bytes(b"in the way")
    with pytest.raises(FatalError):
        carrier.confirm(one)
    (tmp_path / "kept" / "received").unlink()
    with pytest.raises(FatalError):  # it was not moved before
        carrier.confirm(one)
    (tmp_path / "from").rename(tmp_path / "away")
    with pytest.raises(TransientError):
        carrier.arrivals(())


def test_a_folder_answers_no_questions(tmp_path: Path) -> None:
    """None, never an answer that nobody gave."""
    assert bank(tmp_path).ask(kept()) is None
