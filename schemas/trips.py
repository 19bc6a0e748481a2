"""Subject ids of transport: a container number alone names no trip, a leg belongs to a consignment.

A container is used again and again, so a trip is (container, booking or bill of lading):
``MSCU1234566/BKG-7``. A leg is one of a consignment's: ``ASN-8/1``.
"""

import re
from functools import lru_cache

_CONTAINER = re.compile(r"[A-Z]{3}[UJZR][ -]?\d{6}[ -]?\d", re.ASCII)
"""ISO 6346: owner, category (R: detachable equipment as some feeds write it), serial, check."""


def trip_id(container_no: str, document: str) -> str:
    """The subject id of one trip of a container under a booking or a bill of lading. Equipment
    that is known by a URI keeps its spelling.

    Raises ValueError when either is empty: a trip without its document is not told apart.
    """
    container = container_no
    if ":" not in container_no:
        container = re.sub("[ -]", "", container_no).upper()
    if not container or not document:
        raise ValueError("a trip is (container, booking or bill of lading)")
    return f"{container}/{document}"


def leg_id(consignment_id: str, leg_no: int) -> str:
    """The subject id of one leg of a consignment."""
    return f"{consignment_id}/{leg_no}"


@lru_cache(maxsize=8192)
def is_bare_container(subject_id: str) -> bool:
    """Whether an id is nothing but a container number, in any of the usual spellings."""
    return _CONTAINER.fullmatch(subject_id.strip().upper()) is not None


def iso6346(text: str) -> str | None:
    """A container number as ISO 6346 writes it, check digit unchecked; None = it is none."""
    number = re.sub("[ -]", "", text).upper()
    return number if _CONTAINER.fullmatch(number) else None


def check_digit(number: str) -> int:
    """The check digit of ISO 6346 that the first ten characters of `number` ask for."""
    total = sum(_VALUES[sign] << at for at, sign in enumerate(number[:10]))
    return total % 11 % 10


_VALUES = {
    **{str(digit): digit for digit in range(10)},
    **{chr(ord("A") + at): 10 + at + (9 + at) // 10 for at in range(26)},
}
"""Letters count from 10 on, without the multiples of 11."""
