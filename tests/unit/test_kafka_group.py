"""How a consumer leaves its group."""

import confluent_kafka as ck
import pytest

from supplytwin.schemas.errors import FencedError
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.kafka_group import leave

E = ck.KafkaError


class Member:
    """A client that notes what it is asked."""

    def __init__(self, *, fails: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._fails = fails

    def poll(self, timeout_s: float) -> None:
        self.asked.append(f"poll {timeout_s:g}")
        if self._fails is not None:
            raise self._fails

    def close(self) -> None:
        self.asked.append("close")
        if self._fails is not None:
            raise self._fails


def test_what_the_group_has_said_is_heard_before_the_client_closes() -> None:
    """Unheard until then, its answer can come too late to be waited for."""
    member = Member()
    leave(member)
    assert member.asked == ["poll 0", "close"]


def test_a_consumer_may_be_closed_twice() -> None:
    """The client refuses to be asked anything once it is closed, but not to be closed."""
    consumer = KafkaBroker("127.0.0.1:1").consumer("g")
    consumer.close()
    consumer.close()


def test_why_a_client_has_failed_is_still_told_when_it_closes() -> None:
    """As by every other call."""
    member = Member(fails=ck.KafkaException(E(E.FENCED_INSTANCE_ID, "another one", fatal=True)))
    with pytest.raises(FencedError, match="another one"):
        leave(member)
    assert member.asked == ["poll 0", "close"]
