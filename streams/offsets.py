"""`supplytwin offsets restore`: the offsets of a group that has lost them, from the journal.

The journal names every input that had an effect, the quarantine every one that was refused; what
lies between had none (a duplicate, a stale tick). So a worker may go on behind the last of them:
what it reads again it knows by identity.
"""

from msgspec import Struct

from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.records import CONTROL, INSTRUCTIONS, JOURNAL, QUARANTINE, SENT, Quarantined
from supplytwin.streams.audit_run import Progress, read
from supplytwin.streams.ports import Admin, Broker, TopicPartition
from supplytwin.streams.topics import GATEWAY_GROUP, INPUTS, WORKER_GROUP, Meta, places


class Given(Struct, frozen=True, kw_only=True):
    """One offset that was given back."""

    group: str
    topic: str
    partition: int
    offset: int


def restore(broker: Broker, meta: Meta, progress: Progress) -> list[Given]:
    """Commit every offset that worker and gateway have lost; those that they have stay.

    The gateway begins at the first instruction: the rail knows each by its ids, and answers again.
    Raises UsageError when a lost offset cannot be known because the topic begins behind it.
    """
    admin = broker.admin()
    try:
        found = _lost(admin, WORKER_GROUP, places(INPUTS, meta.partitions))
        reached = _reached(broker, meta, progress) if found else {}
        given = [_given(admin, WORKER_GROUP, at, reached.get(at, 0)) for at in found]
        own = places((INSTRUCTIONS, CONTROL, SENT), meta.partitions)
        paid = _lost(admin, GATEWAY_GROUP, own)
        given += [_given(admin, GATEWAY_GROUP, at, 0) for at in paid]
        for group in (WORKER_GROUP, GATEWAY_GROUP):
            lost = {
                TopicPartition(g.topic, g.partition): g.offset for g in given if g.group == group
            }
            if lost:
                admin.commit(group, lost)
        return given
    finally:
        admin.close()


def _lost(admin: Admin, group: str, wanted: list[TopicPartition]) -> list[TopicPartition]:
    committed = admin.committed(group, wanted)
    return [at for at in wanted if committed[at] is None]


def _given(admin: Admin, group: str, at: TopicPartition, offset: int) -> Given:
    begin = admin.begins([at])[at]
    if begin > offset:
        raise UsageError(
            f"{at.topic} partition {at.partition} begins at {begin}, and the last that is known to "
            f"have had an effect is before it ({offset}): records may have been lost unread"
        )
    return Given(group=group, topic=at.topic, partition=at.partition, offset=offset)


def _reached(broker: Broker, meta: Meta, progress: Progress) -> dict[TopicPartition, int]:
    """Behind the last record of each input that had an effect or was refused."""
    found: dict[TopicPartition, int] = {}

    def note(topic: str | None, partition: int | None, offset: int | None) -> None:
        if topic is not None and partition is not None and offset is not None:
            at = TopicPartition(topic, partition)
            found[at] = max(found.get(at, 0), offset + 1)

    for number in range(meta.partitions):
        for record in read(broker, TopicPartition(JOURNAL, number), None, progress):
            entry = journal.read(record.value or b"")
            note(entry.source_topic, entry.source_partition, entry.source_offset)
        for record in read(broker, TopicPartition(QUARANTINE, number), None, progress):
            refused = codec.decode(QUARANTINE, record.value or b"").message
            if isinstance(refused, Quarantined):
                note(refused.topic, refused.partition, refused.offset)
    return found
