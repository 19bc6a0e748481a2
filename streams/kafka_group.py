"""How a consumer is a member of its group, by Kafka's two group protocols.

In `consumer` (KIP-848) the broker hands out and takes back partitions piece by piece, and the
client allows only steps from one assignment to the next. The port speaks of whole assignments: each
change is told as "all of it is revoked" and "this is yours now". A revocation is acknowledged after
both were told, so until the callback returns nobody else has what was revoked.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, Protocol

import confluent_kafka as ck

from supplytwin.schemas.errors import SupplytwinError
from supplytwin.streams.kafka_errors import call, native, ours
from supplytwin.streams.ports import Offsets, OnRebalance, TopicPartition

GroupProtocol = Literal["classic", "consumer"]


def membership(
    protocol: GroupProtocol, session_timeout_ms: int, instance_id: str | None
) -> dict[str, Any]:
    """The client's configuration for it.

    Static in the protocol `classic` only: in `consumer` a new process of a slot would have to wait
    for the end of the old one's session; its transactional id fences that at once.
    """
    if protocol == "consumer":
        return {"group.protocol": "consumer", "group.remote.assignor": "range"}
    classic = {
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": min(3000, session_timeout_ms // 3),
        "partition.assignment.strategy": "range",
    }
    return classic if instance_id is None else {**classic, "group.instance.id": instance_id}


class Member(Protocol):
    """What leaving needs of a client's consumer."""

    def poll(self, timeout: float) -> object: ...

    def close(self) -> None: ...


def leave(member: Member) -> None:
    """Close a consumer, after it has heard what its group has said by now.

    librdkafka waits for ever for the answer to an assignment that it announces while it closes (its
    issue 4884). The client holds the interpreter meanwhile, so no thread of ours could bound that:
    an assignment in the instant between the two calls can still block the process.
    Raises what the client says when it closes.
    """
    with suppress(SupplytwinError, RuntimeError):  # said again by `close`; closed already
        call("poll", member.poll, 0)
    call("close", member.close)


class Incremental:
    """Whole assignments for a member of a group whose protocol knows only steps."""

    def __init__(self, member: ck.Consumer) -> None:
        self._native = member
        self._group: set[TopicPartition] = set()
        """What the group has given to this member."""
        self._read: list[TopicPartition] = []
        """What of it is being read."""
        self._said = False
        """Whether a callback has said what is to be read."""

    def assign(self, offsets: Offsets) -> None:
        """See `ports.Consumer`."""
        self._stop()
        call("incremental_assign", self._native.incremental_assign, native(offsets))
        self._read = list(offsets)

    def unassign(self) -> None:
        """See `ports.Consumer`."""
        if self._read:
            self._stop()
        self._said = True

    def _stop(self) -> None:
        read, self._read = self._read, []
        self._said = True
        gone = native(dict.fromkeys(read, 0))
        call("incremental_unassign", self._native.incremental_unassign, gone)

    def callbacks(
        self, on_assign: OnRebalance, on_revoke: OnRebalance, on_lost: OnRebalance
    ) -> dict[str, Callable[[Any, list[ck.TopicPartition]], None]]:
        """What to subscribe with."""

        def given(_: Any, partitions: list[ck.TopicPartition]) -> None:
            if self._group:
                on_revoke(self._whole())
            self._group |= set(ours(partitions))
            call("incremental_assign", self._native.incremental_assign, [])
            self._tell(on_assign)

        def revoked(_: Any, partitions: list[ck.TopicPartition]) -> None:
            before = self._whole()
            self._group -= set(ours(partitions))
            on_revoke(before)
            self._stop()
            if self._group:
                self._tell(on_assign)

        def lost(_: Any, partitions: list[ck.TopicPartition]) -> None:
            before = self._whole()
            self._group.clear()
            on_lost(before)
            self._stop()

        return {"on_assign": given, "on_revoke": revoked, "on_lost": lost}

    def _tell(self, on_assign: OnRebalance) -> None:
        """What the callback does not assign is read from the committed offset."""
        self._said = False
        on_assign(self._whole())
        if not self._said:
            at = [ck.TopicPartition(where.topic, where.partition) for where in self._whole()]
            call("incremental_assign", self._native.incremental_assign, at)
            self._read = self._whole()

    def _whole(self) -> list[TopicPartition]:
        return sorted(self._group)
