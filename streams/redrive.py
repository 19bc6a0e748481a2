"""Acts of an operator that are records: a refused record is released or dropped, a policy is set.

Whoever reads the journal sees who did it, and why.
"""

import hashlib
from pathlib import Path

import msgspec
from msgspec import Struct

from supplytwin.processors.sources import POLICY_MEMBERS, sources_of
from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.ids import Micros, check_chain_id, control_key
from supplytwin.schemas.records import (
    CONTROL,
    EVERY,
    QUARANTINE,
    QUARANTINE_DESK,
    REVIEWS,
    Control,
    Quarantined,
    Review,
    refused_record,
)
from supplytwin.streams import feeding, framed
from supplytwin.streams.audit_run import Progress, read
from supplytwin.streams.ports import Broker, Producer, TopicPartition
from supplytwin.streams.refused import REFUSED, verdict_of
from supplytwin.streams.topics import Meta

OPERATOR_ID = "supplytwin.operator"
REDRIVEN = "st-redriven"
"""The header of a record that was released: the place where it was refused."""
_INIT_S = 30.0


class Act(Struct, frozen=True, kw_only=True):
    """Who does it, in which role, and why."""

    who: str
    role: str
    reason: str


def find(
    broker: Broker, meta: Meta, topic: str, partition: int, offset: int, progress: Progress
) -> Quarantined:
    """The quarantine record of one refused record. Raises UsageError when there is none."""
    if 0 <= partition < meta.partitions:
        for record in read(broker, TopicPartition(QUARANTINE, partition), None, progress):
            found = codec.decode(QUARANTINE, record.value or b"").message
            assert isinstance(found, Quarantined)
            if (found.topic, found.partition, found.offset) == (topic, partition, offset):
                return found
    raise UsageError(f"nothing was quarantined from {topic} {partition} {offset}")


def release(
    broker: Broker, meta: Meta, found: Quarantined, act: Act, *, body: bytes | None, key: str | None
) -> None:
    """Send it again to its topic, as it was or corrected, and let its chain's claims go on.

    One transaction: a cut that sees the act sees the record. What a feed refused is read again by
    that feed's reader, and sent as the events that it gives. Raises UsageError when there is no
    body or no key to send, or the body is still wrong for the reader.
    """
    if found.topic == CONTROL:
        raise UsageError("a control record is written again by its own source, not from here")
    value = found.body if body is None else body
    if value is None:
        raise UsageError("the quarantine has no body of this record: give a corrected one")
    name = found.key if key is None else key.encode()
    if name is None:
        raise UsageError("the record has no key: give one, the chain_id")
    verdict = verdict_of(found)
    events = () if verdict is None else feeding.corrected(verdict, value, key)
    place = refused_record(found.topic, found.partition, found.offset)
    own = tuple(header for header in found.headers if header[0] != REFUSED)
    headers = (*own, (REDRIVEN, place.encode()))
    framed.require(broker, {one.TOPIC for one in events})
    producer = _producer(broker)
    try:
        producer.begin()
        arrival = found.arrival if meta.simulated else None
        for one in events:
            feeding.send(producer, meta, one, headers)
        if verdict is None:
            producer.produce(found.topic, name, value, headers=headers, timestamp_us=arrival)
        _review(producer, meta, found, "RELEASE_RECORD", act)
        producer.commit()
    finally:
        producer.close()


def drop(broker: Broker, meta: Meta, found: Quarantined, act: Act) -> None:
    """Leave it out for good, and let its chain's claims go on."""
    producer = _producer(broker)
    try:
        producer.begin()
        _review(producer, meta, found, "DROP_RECORD", act)
        producer.commit()
    finally:
        producer.close()


def _producer(broker: Broker) -> Producer:
    producer = broker.producer(OPERATOR_ID)
    producer.init(_INIT_S)
    return producer


def _review(producer: Producer, meta: Meta, found: Quarantined, verdict: str, act: Act) -> None:
    """The act, under the chain whose key the record has; a record of no chain holds no claim."""
    try:
        chain_id = (found.key or b"").decode()
        check_chain_id(chain_id)
    except (UnicodeDecodeError, RecordError):
        return
    place = refused_record(found.topic, found.partition, found.offset)
    said = hashlib.sha256(msgspec.json.encode(act)).hexdigest()[:8]
    review = Review(
        input_id=f"{verdict}:{place}:{said}",
        source="supplytwin:operator",
        chain_id=chain_id,
        contract_id=EVERY,
        settlement_id=EVERY,
        verdict=verdict,
        reviewer=act.who,
        role=act.role,
        reason=act.reason,
        cleared_ids=(f"{QUARANTINE_DESK}/{place}",),
    )
    arrival = found.arrival if meta.simulated else None
    value = codec.encode(REVIEWS, review)
    producer.produce(REVIEWS, chain_id.encode(), value, timestamp_us=arrival)


def publish_policy(broker: Broker, meta: Meta, file: Path, act: Act, at: int) -> str:
    """Put the policy of `file` in force on every partition, in one transaction; its input id.

    `at` = now, us. Raises UsageError when it is no policy.
    """
    try:
        raw = msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError as error:
        raise UsageError(f"{file} is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise UsageError(f"{file} must hold a JSON object")
    if foreign := ", ".join(sorted(raw.keys() - set(POLICY_MEMBERS))):
        raise UsageError(f"{file}: {foreign} means nothing: there are {', '.join(POLICY_MEMBERS)}")
    body = msgspec.json.encode({**raw, "act": act}, order="sorted")
    control = Control(
        input_id=f"policy:{hashlib.sha256(body).hexdigest()[:16]}",
        kind="POLICY",
        tick_time=Micros(at),
        timeline=meta.timeline,
        body=body,
    )
    try:
        if sources_of(control) is None:
            raise UsageError(f'{file} has no "sources"')
    except RecordError as error:
        raise UsageError(f"{file}: {error.reason}") from None
    value = codec.encode(CONTROL, control)
    producer = _producer(broker)
    try:
        producer.begin()
        for number in range(meta.partitions):
            key = control_key(number).encode()
            producer.produce(CONTROL, key, value, partition=number, timestamp_us=at)
        producer.commit()
    finally:
        producer.close()
    return control.input_id
