"""Which topic it was: asked of the broker when it refuses, for its refusals often do not say."""

from collections.abc import Callable, Iterable
from typing import Any

import confluent_kafka as ck
import confluent_kafka.admin

from supplytwin.schemas.errors import UsageError
from supplytwin.streams.kafka_errors import GRANT, client_log

ckadmin: Any = confluent_kafka.admin  # its names are re-exported without types
_ASK_S = 2.0
Lacking = Callable[[Iterable[str], str], UsageError | None]
"""(topics, Read or Write) -> what to say about those that lack that right; None = none is known."""


def lacking(config: dict[str, Any], topics: Iterable[str], right: str) -> UsageError | None:
    """What to say about those of `topics` on which a client with these settings lacks a right.

    None = all is granted, or the broker does not tell within two seconds.
    """
    wanted = getattr(ckadmin.AclOperation, right.upper())
    admin = ckadmin.AdminClient(config, logger=client_log)  # answers end with the last reference
    answers = admin.describe_topics(
        ck.TopicCollection(sorted(set(topics))),
        include_authorized_operations=True,
        request_timeout=_ASK_S,
    )
    lacks = [name for name, answer in answers.items() if _lacks(answer, wanted)]
    if not lacks:
        return None
    return UsageError(f"this client lacks the right {right} on {', '.join(lacks)}; {GRANT}")


def _lacks(answer: Any, wanted: Any) -> bool:
    try:
        return wanted not in (answer.result(_ASK_S).authorized_operations or (wanted,))
    except ck.KafkaException as error:
        return bool(error.args[0].code() == ck.KafkaError.TOPIC_AUTHORIZATION_FAILED)
    except TimeoutError:
        return False
