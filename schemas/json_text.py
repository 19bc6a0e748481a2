"""What is wrong with a text that should be JSON, said alike for every kind of document."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from supplytwin.schemas.errors import Code, RecordError


def malformed(reason: str) -> RecordError:
    """The refusal of a whole text."""
    return RecordError(Code.MALFORMED, "", reason)


@contextmanager
def refused() -> Iterator[None]:
    """What decoding, parsing and writing again raise inside, as RecordError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise malformed(f"is not UTF-8 at byte {error.start}") from None
    except UnicodeEncodeError:
        raise malformed("has half of a surrogate pair, which is no character") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise malformed(f"is not JSON at {place}: {error.msg}") from None
