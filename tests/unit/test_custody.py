"""The hash chain: what it accepts, and which entry it names when something was changed."""

from typing import Any

import pytest

from supplytwin.processors import custody
from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.flow import Record

CHAIN = "PO-1"


def source(offset: int) -> Record:
    return Record(
        topic="supply.orders", partition=3, offset=offset, arrival=7, key=b"PO-1", value=b"v",
        headers=(("st-signature", b"s"), ("none", None)),
    )  # fmt: skip


def entries(count: int, chain: str = CHAIN) -> list[bytes]:
    """`count` sound entries of a chain: inputs, every third one a decision."""
    head, values = custody.START, []
    for at in range(count):
        head, value = custody.append(
            head,
            chain_id=chain,
            kind="DECISION" if at % 3 == 2 else "FACT",
            record=None if at % 3 == 2 else source(at),
            fingerprint=0x0102030405060708,
            taken_at=5,
            fold_version="1",
            timeline="t",
            body=b"body %d" % at,
        )
        values.append(value)
    return values


def broken(values: list[bytes]) -> tuple[int, int, str]:
    found = custody.verify(CHAIN, values)
    assert found is not None
    assert str(found) == f"entry {found.seq}: {found.reason}"
    return found.position, found.seq, found.reason


def test_an_untouched_chain_is_sound() -> None:
    """Entries as they were appended verify, and so does every beginning of them."""
    values = entries(7)
    for count in range(8):
        assert custody.verify(CHAIN, values[:count]) is None


def test_an_entry_holds_what_was_taken() -> None:
    """Source, headers, body and fingerprint are kept as they came; a decision has no source."""
    first, _, third = (journal.read(value) for value in entries(3))
    assert (first.seq, first.kind, first.prev_hash) == (1, "FACT", bytes(32))
    assert (first.source_topic, first.source_partition) == ("supply.orders", 3)
    assert (first.source_offset, first.arrival) == (0, 7)
    assert first.headers == (("st-signature", b"s"), ("none", None))
    assert first.body_fingerprint == bytes((8, 7, 6, 5, 4, 3, 2, 1))
    assert (third.body, third.source_topic, third.arrival) == (b"body 2", None, None)


def test_every_changed_byte_is_named() -> None:
    """Whichever byte behind the wire header changes, that entry is the first bad one."""
    values = entries(3)
    second = values[1]
    for at in range(codec.HEADER_LEN, len(second)):
        changed = second[:at] + bytes((second[at] ^ 1,)) + second[at + 1 :]
        position, seq, _ = broken([values[0], changed, values[2]])
        assert (position, seq) == (1, 2)


def test_a_missing_entry_is_named() -> None:
    """The entry behind a gap does not have the number that is due."""
    values = entries(4)
    assert broken([values[0], *values[2:]]) == (1, 2, "is numbered 3 where 2 is due")
    assert broken(values[1:]) == (0, 1, "is numbered 2 where 1 is due")


def test_swapped_and_repeated_entries_are_named() -> None:
    """Order and count matter: the first entry out of its place is named."""
    one, two, three = entries(3)
    assert broken([one, three, two])[:2] == (1, 2)
    assert broken([one, two, two, three])[:2] == (2, 3)


def test_an_entry_written_anew_breaks_the_next_link() -> None:
    """An entry replaced by one with a right hash of its own is found out by the entry behind it."""
    values = entries(3)
    head = custody.follow(custody.START, CHAIN, journal.read(values[0]), values[0])
    _, forged = custody.append(
        head, chain_id=CHAIN, kind="FACT", record=source(1), fingerprint=1, taken_at=5,
        fold_version="1", timeline="t", body=b"forged",
    )  # fmt: skip
    position, _, reason = broken([values[0], forged, values[2]])
    assert (position, reason) == (2, "does not carry the hash of the entry before it")


def test_an_entry_of_another_chain_is_named() -> None:
    """A sound entry of another chain does not belong here."""
    stranger = entries(2, "PO-2")[1]
    assert broken([entries(1)[0], stranger]) == (1, 2, "belongs to chain 'PO-2'")


@pytest.mark.parametrize("value", [b"", b"\xc3\x01", b"garbage " * 20])
def test_what_is_no_entry_is_named(value: bytes) -> None:
    """Bytes that cannot be read as an entry are the first bad entry."""
    position, seq, reason = broken([entries(1)[0], value])
    assert (position, seq) == (1, 2)
    assert reason.startswith("cannot be read")


@pytest.mark.parametrize("place", [0, 2])
def test_restoring_a_broken_chain_is_fatal(place: int) -> None:
    """`follow` gives the head that `append` gave, and refuses an entry out of its place."""
    values = entries(3)
    head: Any = custody.START
    for value in values[:1]:
        head = custody.follow(head, CHAIN, journal.read(value), value)
    assert head == custody.Head(seq=1, hash=journal.read(values[0]).hash)
    with pytest.raises(FatalError, match="entry 2"):
        custody.follow(head, CHAIN, journal.read(values[place]), values[place])
