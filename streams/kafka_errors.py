"""What the errors of librdkafka mean to us, and how its terms translate into ours.

What we may not do is a UsageError; then by the flags: retriable is a TransientError, requiring an
abort an AbortError, fatal or unflagged a FatalError (a FencedError where the code says so).
Codes stand in only where librdkafka sets no flags at all: everything outside a transaction.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import confluent_kafka as ck
import structlog

from supplytwin.schemas.errors import (
    AbortError,
    FatalError,
    FencedError,
    SupplytwinError,
    TransientError,
    UsageError,
)
from supplytwin.streams.ports import Offsets, TopicPartition

log = structlog.get_logger("supplytwin.kafka")
client_log = logging.getLogger("supplytwin.librdkafka")
"""Where the client's own log lines go: silent unless somebody configures it."""
client_log.addHandler(logging.NullHandler())

T = TypeVar("T")

CALL_S = 10.0
"""How long one request may take."""
_SILENT_S = 30.0

_E = ck.KafkaError
_TRANSIENT = frozenset(
    (
        _E._TIMED_OUT, _E._TIMED_OUT_QUEUE, _E._TRANSPORT, _E._ALL_BROKERS_DOWN, _E._RESOLVE,
        _E._WAIT_COORD, _E._WAIT_CACHE, _E._IN_PROGRESS, _E._PREV_IN_PROGRESS, _E._INTR,
        _E._MSG_TIMED_OUT, _E.REQUEST_TIMED_OUT, _E.COORDINATOR_NOT_AVAILABLE,
        _E.COORDINATOR_LOAD_IN_PROGRESS, _E.NOT_COORDINATOR, _E.LEADER_NOT_AVAILABLE,
        _E.NOT_LEADER_FOR_PARTITION, _E.NETWORK_EXCEPTION, _E.NOT_CONTROLLER,
        _E.UNSTABLE_OFFSET_COMMIT, _E.BROKER_NOT_AVAILABLE, _E.REPLICA_NOT_AVAILABLE,
        _E.NOT_ENOUGH_REPLICAS, _E.NOT_ENOUGH_REPLICAS_AFTER_APPEND, _E.KAFKA_STORAGE_ERROR,
        _E.FENCED_LEADER_EPOCH, _E.UNKNOWN_LEADER_EPOCH, _E.OFFSET_NOT_AVAILABLE,
        _E.CONCURRENT_TRANSACTIONS, _E.UNKNOWN_TOPIC_OR_PART,
        _E._NOENT,  # "no leaders found": all brokers of a partition are away
    )
)  # fmt: skip
GRANT = "`supplytwin topics acl` says which rights each role needs"
_FORBIDDEN = frozenset(
    (
        _E.TOPIC_AUTHORIZATION_FAILED, _E.GROUP_AUTHORIZATION_FAILED,
        _E.CLUSTER_AUTHORIZATION_FAILED, _E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    )
)  # fmt: skip
"""No repetition helps, whatever the flags say: somebody has to grant it."""
_LEFT_BEHIND = frozenset(
    (
        _E.ILLEGAL_GENERATION, _E.UNKNOWN_MEMBER_ID, _E.REBALANCE_IN_PROGRESS,
        _E.STALE_MEMBER_EPOCH, _E.FENCED_MEMBER_EPOCH,
    )
)  # fmt: skip
"""The group has gone on without us: rejoin through `consume`, and read again."""
_FENCED = frozenset(
    (_E._FENCED, _E.PRODUCER_FENCED, _E.INVALID_PRODUCER_EPOCH, _E.FENCED_INSTANCE_ID)
)
"""Fatal, and why: somebody else is who we were."""
RECOVERS = _TRANSIENT | {
    _E._MAX_POLL_EXCEEDED, _E._UNKNOWN_TOPIC, _E._UNKNOWN_PARTITION, _E.UNKNOWN_TOPIC_ID,
    *_LEFT_BEHIND,
}  # fmt: skip
"""What a consumer reports and gets over by itself."""


def classify(error: ck.KafkaError, what: str) -> SupplytwinError:
    """The error of ours that `error` is: what nobody allows us first, then by its flags."""
    text = f"{what}: {error.str()} ({error.name()})"
    if error.code() in _FORBIDDEN:
        return UsageError(f"{text}; {GRANT}")
    fatal = FencedError if _fences(error) else FatalError
    if error.fatal():
        return fatal(text)
    if error.txn_requires_abort():
        return AbortError(text, error.name())
    if error.retriable() or error.code() in _TRANSIENT:
        return TransientError(text, error.name())
    if error.code() in _LEFT_BEHIND:
        return AbortError(text, error.name())
    return fatal(text)


def _fences(error: ck.KafkaError) -> bool:
    """The client reports a consumer's fatal error as _FATAL: its own code is only in the text."""
    wrapped = error.code() == _E._FATAL and "fenced by other consumer" in error.str()
    return wrapped or error.code() in _FENCED


def call(what: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """The result of a client's function, its errors made ours; `what` names it for people."""
    try:
        return function(*args, **kwargs)
    except ck.KafkaException as error:
        _hear(what, function, error.args[0])
        raise classify(error.args[0], what) from error
    except SystemError as error:
        # A fatal error is raised by the client while callbacks are still to be run; the next of
        # them then fails with this.
        fatal = error.__cause__
        if not isinstance(fatal, ck.KafkaException):
            raise
        raise classify(fatal.args[0], what) from fatal


def _hear(what: str, function: Callable[..., object], error: ck.KafkaError) -> None:
    """Raise why a client has failed, if it did not say so: asked for anything it says only that it
    has; the reason comes out of its callbacks, which run in `poll`.
    """
    client = getattr(function, "__self__", None)
    if error.code() == _E._FATAL and not _fences(error) and function.__name__ != "poll":
        poll = getattr(client, "poll", None)
        if poll is not None:
            call(what, poll, 0)


def result(what: str, future: "Future[T]") -> T:
    """What an admin request answers, waited for a little longer than the client does."""
    try:
        return call(what, future.result, CALL_S + 5)
    except TimeoutError as error:
        raise TransientError(f"{what}: no answer") from error


def native(offsets: Offsets) -> list[ck.TopicPartition]:
    """Offsets in the client's terms."""
    return [ck.TopicPartition(at.topic, at.partition, offset) for at, offset in offsets.items()]


def ours(partitions: Sequence[ck.TopicPartition]) -> list[TopicPartition]:
    """Partitions in our terms."""
    return [TopicPartition(at.topic, at.partition) for at in partitions]


def known(partitions: Sequence[ck.TopicPartition], what: str) -> dict[TopicPartition, int | None]:
    """Offsets in our terms, None = there is none. Raises for the first that failed."""
    found: dict[TopicPartition, int | None] = {}
    for at in partitions:
        if at.error is not None:
            raise classify(at.error, f"{what} of {at.topic} partition {at.partition}")
        found[TopicPartition(at.topic, at.partition)] = at.offset if at.offset >= 0 else None
    return found


class Complaints:
    """What a client reports about its connections; it goes on trying by itself.

    It reports every attempt, several in a second: each kind is logged once in a while.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[int, float] = {}

    def __call__(self, error: ck.KafkaError) -> None:
        at = self._clock()
        if at - self._said.get(error.code(), at - _SILENT_S) >= _SILENT_S:
            self._said[error.code()] = at
            say = log.error if error.fatal() else log.warning
            say("kafka client", code=error.name(), why=error.str())
