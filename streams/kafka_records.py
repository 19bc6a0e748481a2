"""What the client's messages are to us: records, ends of partitions, or errors."""

from typing import cast

import confluent_kafka as ck
import structlog

from supplytwin.schemas.errors import FatalError, UsageError
from supplytwin.schemas.flow import UNREADABLE, Header, Record
from supplytwin.streams.kafka_errors import RECOVERS, classify
from supplytwin.streams.ports import Eof

log = structlog.get_logger("supplytwin.kafka")
_E = ck.KafkaError


def item_of(message: ck.Message, group: str) -> Record | Eof | None:
    """What a message stands for; None for a report about a fault that the client gets over."""
    error = message.error()
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if error is not None:
        if error.code() == _E._PARTITION_EOF:
            return Eof(topic or "", -1 if partition is None else partition, offset or 0)
        if not error.fatal() and (error.retriable() or error.code() in RECOVERS):
            log.warning("kafka consumer", code=error.name(), why=error.str(), topic=topic)
            return None
        where = f"{topic} partition {partition}" if topic else f"as group {group}"
        found = classify(error, f"cannot read {where}")
        raise found if isinstance(found, UsageError | FatalError) else FatalError(str(found))
    return Record(
        topic=topic or "",
        partition=-1 if partition is None else partition,
        offset=-1 if offset is None else offset,
        arrival=message.timestamp()[1] * 1000,
        key=message.key(),
        value=message.value(),
        headers=headers_of(message),
    )


def headers_of(message: ck.Message) -> tuple[Header, ...]:
    """The headers; UNREADABLE when a name is not UTF-8: Kafka takes any, the client does not.

    It then returns a list with holes and raises nothing, but leaves an exception behind that comes
    up anywhere. A call from C, such as an iterator's, is checked and raises that here.
    """
    try:
        found = next(iter(message.headers, None), None)
    except (SystemError, UnicodeDecodeError):
        return UNREADABLE
    return cast(tuple[Header, ...], tuple(found)) if found else ()
