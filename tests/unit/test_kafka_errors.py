"""What errors of the Kafka client mean to the engine."""

import confluent_kafka as ck
import pytest
import structlog

from supplytwin.schemas.errors import (
    AbortError,
    FatalError,
    FencedError,
    TransientError,
    UsageError,
)
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.kafka_errors import Complaints, call, classify

E = ck.KafkaError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (E(E._TIMED_OUT, "x", retriable=True), TransientError),
        (E(E.ILLEGAL_GENERATION, "x", txn_requires_abort=True), AbortError),
        (E(E._TIMED_OUT, "x", txn_requires_abort=True), AbortError),
        (E(E._FENCED, "x", fatal=True), FencedError),
        (E(E._FATAL, "Static consumer fenced by other consumer", fatal=True), FencedError),
        (E(E._FATAL, "out of order sequence", fatal=True), FatalError),
        (E(E.INVALID_PRODUCER_EPOCH, "x", fatal=True), FencedError),
        (E(E.INVALID_PRODUCER_EPOCH, "x", txn_requires_abort=True), AbortError),
        (E(E._TIMED_OUT, "x", fatal=True, retriable=True), FatalError),
        (E(E._STATE), FatalError),
        (E(E.TOPIC_AUTHORIZATION_FAILED, "x", txn_requires_abort=True), UsageError),
        (E(E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "x", fatal=True), UsageError),
        (E(E.FENCED_INSTANCE_ID), FencedError),
        (E(E._TRANSPORT), TransientError),
        (E(E._NOENT), TransientError),
        (E(E.STALE_MEMBER_EPOCH), AbortError),
        (E(E.COORDINATOR_LOAD_IN_PROGRESS), TransientError),
        (E(E.UNSTABLE_OFFSET_COMMIT), TransientError),
        (E(E.UNKNOWN_MEMBER_ID), AbortError),
        (E(E.REBALANCE_IN_PROGRESS), AbortError),
    ],
)
def test_flags_come_before_codes(error: ck.KafkaError, kind: type[Exception]) -> None:
    """Refused rights, then fatal, abort, retriable; codes without a flag; unknown is fatal."""
    found = classify(error, "commit")
    assert type(found) is kind
    assert str(found).startswith("commit: ")
    assert error.name() in str(found)


def test_a_client_that_cannot_connect_does_not_flood_the_log() -> None:
    """Each kind of complaint is logged at once, then at most every half minute."""
    now = [0.0]
    say = Complaints(lambda: now[0])
    with structlog.testing.capture_logs() as lines:
        for at in (0.0, 0.1, 29.0, 31.0, 40.0):
            now[0] = at
            say(E(E._TRANSPORT))
        say(E(E._FENCED, "x", fatal=True))
    assert [(line["code"], line["log_level"]) for line in lines] == [
        ("_TRANSPORT", "warning"),
        ("_TRANSPORT", "warning"),
        ("_FENCED", "error"),
    ]


@pytest.mark.parametrize("key", ["enable.auto.commit", "partitioner", "transactional.id"])
def test_what_correctness_rests_on_cannot_be_overridden(key: str) -> None:
    """[kafka.client] with such a key is refused by name."""
    with pytest.raises(UsageError, match=key):
        KafkaBroker("localhost:1", client={key: "x"})


def test_a_fatal_error_among_callbacks_is_what_is_told() -> None:
    """The client raises it while callbacks are due; the failure of the next one hides it."""

    def crashes() -> None:
        raise SystemError("a callback returned a result with an exception set") from (
            ck.KafkaException(E(E._FENCED, "a newer one", fatal=True))
        )

    def breaks() -> None:
        raise SystemError("something else")

    with pytest.raises(FatalError, match="flush: a newer one"):
        call("flush", crashes)
    with pytest.raises(SystemError, match="something else"):
        call("flush", breaks)


class Failed:
    """A client that has failed: its callbacks tell why, once."""

    def __init__(self, *reasons: Exception) -> None:
        self._reasons = list(reasons)

    def commit(self) -> None:
        raise ck.KafkaException(E(E._FATAL, "Local: Fatal error", fatal=True))

    def poll(self, timeout_s: float) -> None:
        if self._reasons:
            raise self._reasons.pop(0)


def test_a_client_that_says_only_that_it_has_failed_is_asked_why() -> None:
    """Fenced, when that is what its callbacks still have to say; else fatal, as it said."""
    failed = Failed(ck.KafkaException(E(E.FENCED_INSTANCE_ID, "another one", fatal=True)))
    with pytest.raises(FencedError, match="another one"):
        call("commit", failed.commit)
    with pytest.raises(FatalError, match="Local: Fatal error") as caught:
        call("commit", failed.commit)
    assert not isinstance(caught.value, FencedError)
