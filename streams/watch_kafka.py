"""How Faust reads Kafka here: committed records only, as `[kafka.client]` says, writing nothing.

The transport is Faust's default one (aiokafka) with three classes changed. Faust's own reads
uncommitted records; its librdkafka one never finishes recovery and drops headers.
"""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import aiokafka
from faust.app.base import BootStrategy
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver

from supplytwin.schemas.errors import FatalError, UsageError
from supplytwin.streams.kafka import Client

_SILENT_S = 30.0
"""Kafka answers every 1.5 s, also when there is nothing new."""
NextOf = Callable[[str, int], int]
"""The offset after the last record that was taken of (topic, partition)."""


class CommittedThread(driver.AIOKafkaConsumerThread):
    """Where the consumer lives."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._fetched: dict[Any, int] = {}
        self._reached: dict[Any, tuple[int, int]] = {}
        """By partition: how far it was fetched, and the offset after the last record of that."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        if not hasattr(consumer, "_isolation_level"):  # else aborted records would be shown
            raise FatalError(f"watch cannot read committed with aiokafka {aiokafka.__version__}")
        consumer._isolation_level = "read_committed"
        return consumer

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> RecordMap:
        found = await super()._fetch_records(*args, **kwargs)
        self._fetched |= {at: records[-1].offset + 1 for at, records in found.items() if records}
        for at, state in self._states().items():
            if state.has_valid_position:
                self._reached[at] = state.position, self._fetched.get(at, 0)
        return found

    def _states(self) -> dict[Any, Any]:
        """What aiokafka knows of each partition that is assigned to this process."""
        subscription = self._consumer and self._consumer._subscription.subscription
        assignment = subscription and subscription.assignment
        return {at: assignment.state_value(at) for at in assignment.tps} if assignment else {}

    def behind(self, next_of: NextOf) -> int | None:
        """How many offsets are still to be read or taken.

        None = not known: before every partition was asked, or when Kafka has been silent for long.
        Beyond the last record a partition may have markers and aborted records: these are never
        handed over, so what was taken does not tell how far it was read.
        """
        states = self._states()
        if not states or any(states[at].lso is None or at not in self._reached for at in states):
            return None
        left = 0
        for at, state in states.items():
            position, fetched = self._reached[at]
            left += max(0, state.lso - position) + max(0, fetched - next_of(*at))
        silent_s = time.time() - min(one.timestamp for one in states.values()) / 1000
        return None if left == 0 and silent_s > _SILENT_S else left


class CommittedConsumer(driver.Consumer):
    """Faust's own reads uncommitted records."""

    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    def behind(self, next_of: NextOf) -> int | None:
        """See `CommittedThread.behind`."""
        return cast(CommittedThread, self._thread).behind(next_of)


class CommittedTransport(driver.Transport):
    """The transport of DESIGN §8: Faust's default one, with the consumer above."""

    Consumer = CommittedConsumer


class ReadOnly(BootStrategy):
    """Starts no producer."""

    enable_kafka_producer = False


# ---- the deployment's security settings

_SECURITY = ("security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.")
_FOLLOWED = frozenset(
    (
        "security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password",
        "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password",
        "ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification",
    )
)  # fmt: skip
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def credentials_of(client: Client) -> Credentials | None:
    """What Faust needs to connect as `[kafka.client]` says; the rest is librdkafka's.

    Raises UsageError for a security setting that cannot be followed here.
    """
    strange = sorted(
        name for name in client if name.startswith(_SECURITY) and name not in _FOLLOWED
    )
    if strange:
        raise UsageError(f"watch cannot follow [kafka.client] {', '.join(strange)}")
    protocol = str(client.get("security.protocol", "plaintext")).upper()
    context = _tls(client) if protocol in ("SSL", "SASL_SSL") else None
    match protocol:
        case "PLAINTEXT":
            return None
        case "SSL":
            return SSLCredentials(context)
        case "SASL_PLAINTEXT" | "SASL_SSL":
            named = client.get("sasl.mechanisms", client.get("sasl.mechanism", "GSSAPI"))
            if named not in _MECHANISMS:
                known = ", ".join(_MECHANISMS)
                raise UsageError(
                    f"watch cannot follow [kafka.client] sasl.mechanism {named}: {known}"
                )
            return SASLCredentials(
                username=str(client.get("sasl.username", "")),
                password=str(client.get("sasl.password", "")),
                mechanism=str(named),
                ssl_context=context,
            )
        case _:
            raise UsageError(f"[kafka.client] security.protocol: {protocol} is not known")


def _tls(client: Client) -> ssl.SSLContext:
    """Raises UsageError naming the file that cannot be used."""
    place = client.get("ssl.ca.location")
    certificate, key = client.get("ssl.certificate.location"), client.get("ssl.key.location")
    try:
        if place is None:
            context = ssl.create_default_context()
        elif Path(str(place)).is_dir():
            context = ssl.create_default_context(capath=str(place))
        else:
            context = ssl.create_default_context(cafile=str(place))
        if certificate is not None:
            password = client.get("ssl.key.password")
            context.load_cert_chain(
                str(certificate),
                None if key is None else str(key),
                None if password is None else str(password),
            )
    except OSError as error:
        raise UsageError(
            f"[kafka.client] ssl: {error}; see {place}, {certificate}, {key}"
        ) from None
    named = str(client.get("ssl.endpoint.identification.algorithm", "https")).lower()
    verified = str(client.get("enable.ssl.certificate.verification", "true")).lower()
    context.check_hostname = named != "none" and verified != "false"
    if verified == "false":
        context.verify_mode = ssl.CERT_NONE
    return context
