"""Placement: the partition of a key is the one that Java's clients and librdkafka choose."""

import pytest

from supplytwin.schemas.ids import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_the_vectors_of_apache_kafka(key: bytes, signed: int) -> None:
    """The values of `UtilsTest.testMurmur2` in Apache Kafka, there as signed integers."""
    assert murmur2(key) == signed % 2**32


@pytest.mark.parametrize(
    ("key", "unsigned"),
    [
        (b"kafka", 0xD067CF64),
        (b"giberish123456789", 0x8F552B0C),
        (b"1234", 0x9FC97B14),
        (b"234", 0xE7C009CA),
        (b"34", 0x873930DA),
        (b"4", 0x5A4B5CA1),
        (b"PreAmbleWillBeRemoved,ThePrePartThatIs", 0x78424F1C),
        (b"reAmbleWillBeRemoved,ThePrePartThatIs", 0x4A62B377),
        (b"eAmbleWillBeRemoved,ThePrePartThatIs", 0xE0E4E09E),
        (b"AmbleWillBeRemoved,ThePrePartThatIs", 0x62B8B43F),
        (b"", 0x106E08D9),
    ],
)
def test_murmur2_gives_the_vectors_of_librdkafka(key: bytes, unsigned: int) -> None:
    """The values of `unittest_murmur2` in librdkafka: keys of every length modulo four."""
    assert murmur2(key) == unsigned


@pytest.mark.parametrize(("partitions", "expected"), [(1, 0), (12, 6), (24, 6), (1000, 166)])
def test_a_partition_is_the_positive_hash_modulo_the_count(partitions: int, expected: int) -> None:
    """The sign bit is dropped, not negated: Java's toPositive."""
    assert murmur2(b"foobar") & 0x80000000
    assert partition_of(b"foobar", partitions) == expected
    assert expected == ((-790332482) & 0x7FFFFFFF) % partitions
