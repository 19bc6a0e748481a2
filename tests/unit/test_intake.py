"""From records to inputs: what is misplaced, bad or from the future is named, and only that."""

from typing import Any

import codec_world as w
import pytest
from msgspec.structs import replace

from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import ORDERS, WAREHOUSE
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.ids import HOUR_US, partition_of
from supplytwin.schemas.records import CONTROL, RECEIPTS, Control, Receipt
from supplytwin.streams.intake import Intake, guard

PARTITIONS = 5


def record(topic: str, message: Any, **given: Any) -> Record:
    """A message where it belongs, at the time when it happened."""
    key = message.chain_id.encode() if topic != CONTROL else b"@p2"
    own = 2 if topic == CONTROL else partition_of(key, PARTITIONS)
    made = Record(
        topic=topic, partition=own, offset=7, arrival=w.NOON, key=key,
        value=codec.encode(topic, message),
    )  # fmt: skip
    return replace(made, **given)


def order(number: int, **given: Any) -> Record:
    """One of many orders."""
    event = w.least("order.closed", event_id=f"e{number}", chain_id=f"PO-{number}")
    return record(ORDERS, event, offset=number, **given)


def only(one: Record, partitions: int = PARTITIONS) -> Any:
    """What one record is understood as."""
    (found,) = Intake()([one], partitions)
    return found


def test_a_batch_of_all_topics_keeps_its_order() -> None:
    """Each record becomes one input, with the message, its writer and its content hash."""
    messages = [
        (ORDERS, w.event("order.closed")), (CONTROL, w.sample(Control)),
        (WAREHOUSE, w.event("wh.counted")), (RECEIPTS, w.sample(Receipt)),
        (ORDERS, w.event("order.placed")),
    ]  # fmt: skip
    records = [record(topic, message) for topic, message in messages]
    intake = Intake()
    for one, found, (topic, message) in zip(
        records, intake(records, PARTITIONS), messages, strict=True
    ):
        right = codec.strict(topic, one.value or b"")
        assert found == Input(
            record=one, key=(one.key or b"").decode(), message=message,
            fingerprint=right.fingerprint, content_hash=right.content_hash,
        )  # fmt: skip
    assert (intake.strict, intake.fallbacks) == (0, 0)


MISPLACED = {
    "no key": ({"key": None}, PARTITIONS, "key"),
    "another partition": ({"partition": 4}, PARTITIONS, "partition"),
    "another number of partitions": ({}, PARTITIONS + 2, "partition"),
    "the key of another chain": (
        {"key": b"PO-2", "partition": partition_of(b"PO-2", PARTITIONS)}, PARTITIONS, "chain_id",
    ),
    "a key that is no text": (
        {"key": b"\xff", "partition": partition_of(b"\xff", PARTITIONS)}, PARTITIONS, "chain_id",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISPLACED)
def test_what_stands_in_the_wrong_place_is_misplaced(case: str) -> None:
    """Key, partition and chain id must fit, by the number of partitions that there are."""
    given, partitions, field = MISPLACED[case]
    one = order(1, **given)
    assert partition_of(b"PO-1", PARTITIONS) not in (4, partition_of(b"PO-1", PARTITIONS + 2))
    found = only(one, partitions)
    assert isinstance(found, RecordError)
    assert (found.code, found.field) == (Code.MISPLACED, field)


def test_a_control_record_has_the_key_of_its_partition() -> None:
    """It is in every partition under a key of its own, which no partitioner chose."""
    assert isinstance(only(record(CONTROL, w.sample(Control))), Input)
    for given in ({"key": b"@p3"}, {"partition": 3}):
        found = only(record(CONTROL, w.sample(Control), **given))
        assert isinstance(found, RecordError)
        assert (found.code, found.field) == (Code.MISPLACED, "key")


def test_an_event_far_ahead_of_its_arrival_is_from_the_future() -> None:
    """The arrival is the record's timestamp."""
    assert isinstance(only(order(1, arrival=w.NOON - 48 * HOUR_US)), Input)
    found = only(order(1, arrival=w.NOON - 48 * HOUR_US - 1))
    assert isinstance(found, RecordError)
    assert found.code == Code.FUTURE


def test_an_empty_record_is_refused() -> None:
    """A tombstone is not an input."""
    found = only(order(1, value=None))
    assert isinstance(found, RecordError)
    assert found.code == Code.UNKNOWN_SCHEMA


DAMAGES = {
    "last 8 bytes cut": lambda value, after: value[:-8],
    "2 extra bytes": lambda value, after: value + b"\0\0",
    "second valid record smuggled in": lambda value, after: value + after[codec.HEADER_LEN :],
    "garbage": lambda value, after: value[: codec.HEADER_LEN] + b"\xff" * 50,
    "header of nobody": lambda value, after: b"\xc3\x01" + b"\0" * 8 + value[codec.HEADER_LEN :],
}


@pytest.mark.parametrize("case", DAMAGES)
def test_one_damaged_record_changes_no_other(case: str) -> None:
    """Of ten records the fourth is damaged: it alone is refused, the others are as without it."""
    good = [order(number) for number in range(10)]
    bad = replace(good[3], value=DAMAGES[case](good[3].value, good[4].value))
    intake = Intake()
    found = intake([*good[:3], bad, *good[4:]], PARTITIONS)
    alone = [only(one) for one in good]
    assert isinstance(found[3], RecordError)
    assert found[3].code in {Code.MALFORMED, Code.UNKNOWN_SCHEMA}
    assert [*found[:3], *found[4:]] == [*alone[:3], *alone[4:]]
    assert (intake.strict, intake.fallbacks) == (1, 1)


def test_strict_readings_are_counted() -> None:
    """Each record that is not spelled as we would, and once the batch that holds such."""
    padded = order(1)
    value = (padded.value or b"").replace(b"\x04e1", b"\x84\0e1")
    intake = Intake()
    intake([order(2), replace(padded, value=value), replace(padded, value=value)], PARTITIONS)
    intake([order(3)], PARTITIONS)
    assert (intake.strict, intake.fallbacks) == (2, 1)
    (found,) = intake([replace(padded, value=value)], PARTITIONS)
    assert (intake.strict, intake.fallbacks) == (3, 2)
    assert isinstance(found, Input)
    assert found.content_hash == only(padded).content_hash


def test_a_guard_is_never_the_same() -> None:
    """Eight bytes that no writer can foresee."""
    assert len({guard() for _ in range(100)}) == 100
    assert {len(guard()) for _ in range(10)} == {8}
