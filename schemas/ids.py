"""Identities, units of the type system, and the hashes that ids are made of."""

import hashlib
import re
from functools import lru_cache
from typing import NewType

from supplytwin.schemas.errors import Code, RecordError

ChainId = NewType("ChainId", str)
Micros = NewType("Micros", int)
"""Microseconds since 1970-01-01T00:00:00Z."""
Minor = NewType("Minor", int)
"""Money in minor units of its currency (ISO 4217 exponent)."""

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US

TERM_ID = re.compile(r"[A-Za-z0-9-]{1,35}")
"""Contract, tranche and claim ids: what ISO 20022 takes as Max35Text without escaping."""


CHAIN_ID_BYTES = 255


def check_chain_id(chain_id: str) -> None:
    """Raise RecordError unless `chain_id` is 1-255 UTF-8 bytes and does not start with '@'."""
    if not 1 <= len(chain_id.encode()) <= CHAIN_ID_BYTES or chain_id.startswith("@"):
        raise RecordError(
            Code.BAD_VALUE, "chain_id", "must be 1-255 UTF-8 bytes, not starting with '@'"
        )


def control_key(partition: int) -> str:
    """The chain id under which a partition's control entries are journalled."""
    return f"@p{partition}"


def partition_of_control(key: str) -> int:
    """The partition number whose control key this is."""
    return int(key.removeprefix("@p"))


def key63(text: str) -> int:
    """First 63 bits of SHA-256 of `text`: the integer join key of the analysts' tables."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def settlement_id(contract_id: str, tranche_id: str, claim_id: str) -> str:
    """32 hex digits, constant over attempts and contract versions.

    The parts are joined by NUL, which no id may contain, so that no two triples share a hash.
    """
    digest = hashlib.sha256("\0".join((contract_id, tranche_id, claim_id)).encode()).digest()
    return digest[:16].hex()


def uetr(settlement: str, attempt: int) -> str:
    """UUID of the version 4 pattern from SHA-256(settlement id, attempt): one per attempt, for
    ever the same.
    """
    raw = bytearray(hashlib.sha256(f"{settlement}\0{attempt}".encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 (org.apache.kafka.common.utils.Utils), as an unsigned 32-bit integer."""
    mask = 0xFFFFFFFF
    mult = 0x5BD1E995
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * mult & mask
        k ^= k >> 24
        h = (h * mult & mask) ^ (k * mult & mask)
    if length > whole:
        h ^= int.from_bytes(data[whole:], "little")
        h = h * mult & mask
    h ^= h >> 13
    h = h * mult & mask
    return h ^ (h >> 15)


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key under Kafka's default partitioner (librdkafka: murmur2_random)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
