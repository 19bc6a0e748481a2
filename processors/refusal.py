"""What a chain is told about a record under its key that went to the quarantine."""

from msgspec.structs import replace

from supplytwin.schemas import avro, codec
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK, REVIEWS, Review, refused_record


def told(chain_id: str, record: Record, error: RecordError, now: int) -> Input:
    """The review that this worker writes about it, at the place of that record.

    Of what the record carries nothing is copied but its arrival: it may be what could not be
    written.
    """
    place = refused_record(record.topic, record.partition, record.offset)
    found = Review(
        input_id=place,
        source=QUARANTINE_DESK,
        chain_id=chain_id,
        contract_id=EVERY,
        settlement_id=EVERY,
        verdict="QUARANTINE",
        reviewer="",
        role="SYSTEM",
        reason=f"{error.code} {error.field or 'record'} of {place}",
    )
    value = codec.encode(REVIEWS, found)
    return Input(
        record=replace(record, value=value, headers=(), arrival=_arrival(record, now)),
        key=chain_id,
        message=found,
        fingerprint=avro.fingerprint_of(REVIEWS),
        content_hash=codec.content_hash(REVIEWS, found),
    )


def _arrival(record: Record, now: int) -> int:
    """When it came, as far as that can be written."""
    try:
        check_time(record.arrival)
    except RecordError:
        return now
    return max(now, record.arrival)


def is_told(item: Input) -> bool:
    """Whether `item` is such a review."""
    said = item.message
    return isinstance(said, Review) and said.source == QUARANTINE_DESK
