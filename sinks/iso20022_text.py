"""What may stand in a message to a bank: characters, lengths, account and bank ids.

Refused is whatever a bank on the way could change, cut or reject: then two sides would hold two
texts for one payment. Nothing is spelled in another way: a name in Chinese characters is refused,
and the terms say how it is written in Latin ones, because a guessed name is another name.
"""

import re

from supplytwin.schemas.errors import Code, RecordError

CHARACTERS = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*")
"""The character set "X" of SWIFT, which the SEPA rulebooks take over: every bank takes it."""
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}")
_COUNTRY = re.compile(r"[A-Z]{2}")


def text(value: str, field: str, most: int) -> str:
    """`value` when it has 1 to `most` characters of the set X and no space at either end.

    Raises RecordError that names the field and the first character that is not taken.
    """
    if not value:
        raise RecordError(Code.MISSING_FIELD, field, f"needs 1 to {most} characters")
    if len(value) > most:
        raise RecordError(
            Code.BAD_VALUE, field, f"has {len(value)} characters, the message takes {most}"
        )
    taken = CHARACTERS.match(value)
    end = taken.end() if taken else 0
    if end < len(value):
        raise RecordError(
            Code.BAD_VALUE,
            field,
            f"{value[end]!r} is not a character that every bank takes (A-Z a-z 0-9 space "
            "/ - ? : ( ) . , ' +): write it in those, nothing is transliterated",
        )
    if value != value.strip():
        raise RecordError(Code.BAD_VALUE, field, "starts or ends with a space")
    return value


def reference(value: str, field: str, most: int) -> str:
    """As `text`, and no '/' at either end nor '//' within: banks read those as codes."""
    text(value, field, most)
    if value.startswith("/") or value.endswith("/") or "//" in value:
        raise RecordError(Code.BAD_VALUE, field, "has a '/' at an end or '//' within")
    return value


def iban(value: str, field: str) -> str:
    """`value` when it is an IBAN (ISO 13616) whose check digits are right."""
    if not _IBAN.fullmatch(value) or not _mod97(value[4:] + value[:4]):
        raise RecordError(Code.BAD_VALUE, field, f"{value!r} is not an IBAN")
    return value


def lei(value: str, field: str) -> str:
    """`value` when it is an LEI (ISO 17442) whose check digits are right."""
    if not _LEI.fullmatch(value) or not _mod97(value):
        raise RecordError(Code.BAD_VALUE, field, f"{value!r} is not an LEI")
    return value


def bic(value: str, field: str) -> str:
    """`value` when it has the form of a BIC (ISO 9362)."""
    if not _BIC.fullmatch(value):
        raise RecordError(Code.BAD_VALUE, field, f"{value!r} is not a BIC of 8 or 11 characters")
    return value


def country(value: str, field: str) -> str:
    """`value` when it has the form of an ISO 3166-1 alpha-2 code."""
    if not _COUNTRY.fullmatch(value):
        raise RecordError(Code.BAD_VALUE, field, f"{value!r} is not a country code of two letters")
    return value


def _mod97(value: str) -> bool:
    """ISO 7064: A = 10 … Z = 35, read as one number, leaves 1."""
    return int("".join(str(int(one, 36)) for one in value)) % 97 == 1
