"""What the watch side-car shows, and what it needs from Faust, without a broker."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import sink_world as w
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from supplytwin.processors.settlement_state import STATES
from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.records import (
    EXCEPTIONS,
    SETTLEMENT_EVENTS,
    ExceptionRecord,
    SettlementEvent,
)
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import TopicSpec
from supplytwin.streams.topics import WATCH_GROUP
from supplytwin.streams.watch_views import ALERT_STATES, MONEY_BACK, Views


def changed(record: Record, **fields: Any) -> Record:
    """The record with other values in its message."""
    message = msgspec.structs.replace(codec.decode(record.topic, record.value).message, **fields)
    return msgspec.structs.replace(record, value=codec.encode(record.topic, message))


def move(chain: Any, claim: str, number: int, before: str, after: str, **fields: Any) -> Record:
    """A transition of a claim, caused by a journal entry of its own."""
    chain.seq += 1
    return changed(chain.settle(claim, number, after), from_state=before, **fields)


def problem(chain: Any, code: str, *, is_open: bool = True, **fields: Any) -> Record:
    """An exception, caused by a journal entry of its own."""
    chain.seq += 1
    return changed(chain.exception(code, open=is_open), **fields)


def taken(records: Sequence[Record], **limits: int) -> Views:
    """Views that have taken these records."""
    views = Views(limits.pop("alerts_max", 100), **limits)
    for record in records:
        views.take(record)
    return views


def codes(views: Views) -> list[str]:
    return [alert["code"] for alert in views.alerts(1000)]


def flags(views: Views) -> dict[str, bool | None]:
    return {alert["code"]: alert["superseded"] for alert in views.alerts(1000)}


# ---- what is an alert


def test_an_exception_is_an_alert_when_it_opens() -> None:
    """Every record with open = true is one, also when it opens again; one that closes is none."""
    chain = w.Chain(w.Log(), "A")
    story = [problem(chain, "LATE"), problem(chain, "LATE", is_open=False), problem(chain, "LATE")]
    views = Views(10)
    assert [views.take(one) is not None for one in story] == [True, False, True]
    assert codes(views) == ["LATE", "LATE"]


@pytest.mark.parametrize("state", STATES)
def test_a_claim_that_enters_a_state_that_needs_a_person_is_an_alert(state: str) -> None:
    """States that need a person, or in which nothing is paid as agreed, are alerts, others not."""
    chain = w.Chain(w.Log(), "A")
    alert = Views(10).take(move(chain, "K", 1, "RESERVED", state))
    needs = {"HELD", "DISPUTED", "IN_DOUBT", "CANCEL_PENDING", "RETURNED", "EXPIRED", "VOIDED"}
    assert (alert is not None) == (state in needs)
    assert needs == ALERT_STATES
    if alert is not None:
        assert (alert.code, alert.from_state, alert.to_state) == (state, "RESERVED", state)
        assert (alert.amount_minor, alert.currency, alert.claim_id) == (1234, "USD", "K")
        assert (alert.subject_type, alert.subject_id, alert.reason) == (
            "CLAIM",
            "s-K",
            f"to {state}",
        )


def test_staying_in_a_state_is_no_alert_but_its_alarm_is() -> None:
    """A second query in doubt moves nothing; the alarm that comes with it is what is shown."""
    chain = w.Chain(w.Log(), "A")
    entered = move(chain, "K", 1, "INSTRUCTED", "IN_DOUBT")
    again = move(chain, "K", 2, "IN_DOUBT", "IN_DOUBT")
    alarm = changed(
        chain.exception("RAIL_SILENT", open=True), subject_type="CLAIM", subject_id="s-K"
    )
    assert codes(taken([entered, again, alarm])) == ["RAIL_SILENT", "IN_DOUBT"]


def test_money_that_comes_back_in_part_is_an_alert() -> None:
    """A return that leaves the claim SETTLED takes from the seller, and is shown."""
    chain = w.Chain(w.Log(), "A")
    part = ("seller;-200", "buyer;200")
    paid = move(chain, "K", 1, "ACCEPTED", "SETTLED")
    assert codes(taken([paid, move(chain, "K", 2, "SETTLED", "SETTLED", postings=part)])) == [
        MONEY_BACK
    ]


# ---- the newest alerts


def test_the_newest_alerts_are_those_of_the_newest_ticks() -> None:
    """A partition that is read last does not push out newer alerts of one that was read before."""
    log = w.Log()
    old, new = w.Chain(log, "old"), w.Chain(log, "new")
    new.seq = 1000
    ahead = [problem(new, f"NEW{n}") for n in range(5)]
    behind = [problem(old, f"OLD{n}") for n in range(5)]
    views = taken([*ahead, *behind], alerts_max=6)
    assert codes(views) == ["NEW4", "NEW3", "NEW2", "NEW1", "NEW0", "OLD4"]
    assert [alert["code"] for alert in views.alerts(2)] == ["NEW4", "NEW3"]
    assert views.alerts(0) == []


def story(seed: int) -> list[Record]:
    """What three chains said, in the order of a log: exceptions that come and go, transitions."""
    log, records = w.Log(), []
    chains = [w.Chain(log, name) for name in ("A", "B/ö", "C")]
    for n in range(24):
        chain = chains[(n * seed) % 3]
        code = f"X{(n + seed) % 4}"
        if n % 2:
            records.append(problem(chain, code, is_open=(n * seed) % 5 > 1, event_id=str(n % 3)))
        else:
            state = STATES[(n * seed) % len(STATES)]
            records.append(move(chain, f"K{n % 3}", n, "RESERVED", state))
    return records


def shown(views: Views) -> bytes:
    chains = [views.chain(name) for name in ("A", "B/ö", "C")]
    return msgspec.json.encode([views.alerts(1000), chains])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.randoms(use_true_random=False))
def test_the_order_of_partitions_and_reading_again_change_nothing(seed: int, random: Any) -> None:
    """Any interleaving of the partitions, with a second reading of all, shows the same bytes."""
    records = story(seed)
    queues: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        queues.setdefault((record.topic, record.partition), []).append(record)
    mixed: list[Record] = []
    for queue in queues.values():
        queue += queue  # from the beginning again, as after a rebalance
    while queues:
        name = random.choice(sorted(queues))
        mixed.append(queues[name].pop(0))
        if not queues[name]:
            del queues[name]
    views = taken(mixed)
    assert shown(views) == shown(taken(records))
    assert views.records == len(records)


def test_a_record_that_was_written_twice_is_one_alert() -> None:
    """(chain_id, seq, index) is the identity, and an older record at a later offset is older."""
    chain = w.Chain(w.Log(), "A")
    once = [
        problem(chain, "LATE"),
        problem(chain, "LATE", is_open=False),
        move(chain, "K", 1, "RESERVED", "HELD"),
        move(chain, "K", 2, "HELD", "RESERVED"),
    ]
    again = [msgspec.structs.replace(one, offset=one.offset + 50) for one in (once[0], once[2])]
    views = taken([*once, *again])
    assert codes(views) == ["HELD", "LATE"]
    assert views.chain("A") == taken(once).chain("A")
    assert views.records == 6


# ---- what is no longer so


def test_an_alert_says_when_a_newer_record_says_something_else() -> None:
    """Closed exceptions, claims that moved on and their alarms are superseded; the rest is not."""
    chain = w.Chain(w.Log(), "A")
    held = move(chain, "K", 1, "RESERVED", "HELD")
    alarm = changed(chain.exception("HELD_FOR_REVIEW", open=True), subject_type="CLAIM",
                    subject_id="s-K")  # fmt: skip
    late, lost = problem(chain, "LATE"), problem(chain, "LOST")
    views = taken([held, alarm, late, lost])
    assert set(flags(views).values()) == {False}
    views.take(move(chain, "K", 2, "HELD", "RESERVED"))
    views.take(problem(chain, "LATE", is_open=False))
    assert flags(views) == {"HELD": True, "HELD_FOR_REVIEW": True, "LATE": True, "LOST": False}


def test_an_alarm_is_not_superseded_by_the_transition_that_it_came_with() -> None:
    """The input that breaks reconciliation raises the alarm and holds the claim: both stand."""
    chain = w.Chain(w.Log(), "A")
    alarm = problem(chain, "RECON_BREAK", subject_type="CLAIM", subject_id="s-K")
    held = move(chain, "K", 1, "RESERVED", "HELD", cause_chain_id="A", cause_seq=chain.seq)
    assert flags(taken([alarm, held])) == {"RECON_BREAK": False, "HELD": False}


# ---- one chain


def test_a_chain_shows_its_claims_as_they_stand_and_what_is_open() -> None:
    """The last transition of each claim, and of each exception whether it is still open."""
    chain = w.Chain(w.Log(), "A")
    records = [
        move(chain, "K1", 1, "NONE", "CREATED"),
        move(chain, "K2", 2, "NONE", "CREATED"),
        move(chain, "K1", 3, "CREATED", "RESERVED"),
        problem(chain, "LATE", event_id="e1"),
        problem(chain, "LATE", event_id="e2"),
        problem(chain, "LOST"),
        problem(chain, "LATE", event_id="e1", is_open=False),
    ]
    found = taken(records).chain("A")
    assert found is not None
    claims: list[SettlementEvent] = found["claims"]
    problems: list[ExceptionRecord] = found["open_exceptions"]
    assert [(one.claim_id, one.to_state) for one in claims] == [
        ("K1", "RESERVED"),
        ("K2", "CREATED"),
    ]
    assert [(one.code, one.event_id) for one in problems] == [("LATE", "e2"), ("LOST", None)]
    assert (found["whole"], found["taken_at"]) == (True, w.NOON + chain.seq)
    assert taken(records).chain("B") is None


def test_memory_is_bounded_and_says_so() -> None:
    """The quietest chains go first; a chain that comes back says that it may not be whole."""
    log = w.Log()
    chains = [w.Chain(log, f"chain {n}") for n in range(50)]
    for number, chain in enumerate(chains):
        chain.seq = number
    views = taken([problem(chain, "LATE") for chain in chains], alerts_max=20, chains_max=10)
    counts = views.counts(0.0)
    assert counts["chains"] <= 10
    assert counts["alerts"] == 20
    assert views.chain("chain 49")["whole"] is False  # type: ignore[index]
    assert views.chain("chain 0") is None
    assert [one["superseded"] for one in views.alerts(20)][-1] is None
    chains[0].seq = 100
    views.take(problem(chains[0], "LATE"))
    assert views.chain("chain 0")["whole"] is False  # type: ignore[index]


def test_a_chain_is_bounded_too() -> None:
    """Closed exceptions are forgotten first, then the oldest; the chain is no longer whole."""
    chain = w.Chain(w.Log(), "A")
    records = [problem(chain, "LATE", event_id="kept")]
    for n in range(30):
        records.append(problem(chain, "LATE", event_id=str(n)))
        records.append(problem(chain, "LATE", event_id=str(n), is_open=False))
    found = taken(records, things_max=10).chain("A")
    assert found is not None
    assert [one.event_id for one in found["open_exceptions"]] == ["kept"]
    assert found["whole"] is False
    records = [move(chain, f"K{n}", n, "NONE", "CREATED") for n in range(30)]
    found = taken(records, things_max=10).chain("A")
    assert found is not None
    assert 9 <= len(found["claims"]) <= 10
    assert {one.claim_id for one in found["claims"]} >= {"K29", "K28", "K27"}


# ---- what cannot be read


@pytest.mark.parametrize("value", [None, b"", b"junk", b"\xc3\x01", b"\0\0\0\0\x07"])
def test_what_cannot_be_decoded_is_counted_and_reading_goes_on(value: bytes | None) -> None:
    """Such a record raises, is counted once, and the next one is taken."""
    log = w.Log()
    views = Views(10)
    bad = log.put(EXCEPTIONS, b"A", value)
    with pytest.raises(RecordError):
        views.take(bad)
    assert views.take(bad) is None
    views.take(problem(w.Chain(log, "A"), "LATE"))
    counts = views.counts(w.NOON / 1e6 + 2.5)
    assert (counts["records"], counts["undecodable"], counts["alerts"]) == (2, 1, 1)
    assert counts["newest_record_age_s"] == 2.5
    assert Views(10).counts(1.0)["newest_record_age_s"] is None


# ---- the parts that need Faust


class Stream:
    """What Faust hands to an agent."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records

    async def events(self) -> Any:
        for one in self.records:
            message = SimpleNamespace(
                topic=one.topic, partition=one.partition, offset=one.offset, key=one.key,
                value=one.value, timestamp=one.arrival / 1e6,
            )  # fmt: skip
            yield SimpleNamespace(message=message)


def test_the_agent_logs_new_alerts_and_what_cannot_be_decoded() -> None:
    """A bad record is logged with its place; an alert from before the start is only shown."""
    pytest.importorskip("faust")
    from supplytwin.streams import watch

    log = w.Log()
    chain = w.Chain(log, "A")
    before, bad, after = (
        problem(chain, "OLD"),
        log.put(EXCEPTIONS, b"A", b"junk"),
        problem(chain, "NEW"),
    )
    after = msgspec.structs.replace(after, arrival=w.NOON + 1_000_000)
    views = Views(10)
    with capture_logs() as lines:
        asyncio.run(watch.follow(views, w.NOON + 500_000, Stream([before, bad, after])))
    assert codes(views) == ["NEW", "OLD"]
    wrong, alert = lines
    assert (wrong["event"], wrong["topic"]) == ("undecodable", EXCEPTIONS)
    assert (wrong["partition"], wrong["offset"]) == (bad.partition, bad.offset)
    assert (alert["event"], alert["code"], alert["log_level"]) == ("alert", "NEW", "warning")


def test_a_defect_in_decoding_costs_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever decoding raises, the record is counted and told with its place; others are taken."""
    pytest.importorskip("faust")
    from supplytwin.streams import watch

    chain = w.Chain(w.Log(), "A")
    first, second = problem(chain, "LATE"), problem(chain, "LOST")
    real = codec.decode

    def broken(topic: str, value: bytes) -> Any:
        return 1 / 0 if value == first.value else real(topic, value)

    monkeypatch.setattr(codec, "decode", broken)
    views = Views(10)
    with capture_logs() as lines:
        asyncio.run(watch.follow(views, w.NOON + 1, Stream([first, second])))
    assert (codes(views), views.undecodable) == (["LOST"], 1)
    assert (lines[0]["topic"], lines[0]["offset"]) == (first.topic, first.offset)
    assert "ZeroDivisionError" in lines[0]["trace"]


def test_the_app_writes_nothing_and_listens_on_this_machine_only() -> None:
    """No producer, no topics declared, no leader topic, no acknowledgements; its own group."""
    pytest.importorskip("faust")
    from supplytwin.streams import watch, watch_kafka

    async def look() -> None:
        app = watch.build("127.0.0.1:1,127.0.0.1:2", 6066, Views(10))
        assert not list(app.boot_strategy.kafka_producer())
        assert isinstance(app.transport, watch_kafka.CommittedTransport)
        assert [url.port for url in app.transport.url] == [1, 2]
        conf = app.conf
        assert (conf.topic_allow_declare, conf.topic_disable_leader) == (False, True)
        assert conf.consumer_auto_offset_reset == "earliest"
        assert conf.web_bind == "127.0.0.1"
        assert conf.id.startswith(f"{WATCH_GROUP}-")
        assert conf.id != watch.build("127.0.0.1:1", 6066, Views(10)).conf.id
        (agent,) = app.agents.values()
        assert set(agent.channel.topics) == {EXCEPTIONS, SETTLEMENT_EVENTS}
        assert agent.channel.acks is False

    asyncio.run(look())


def test_without_its_topics_it_does_not_start(memory: MemoryBroker) -> None:
    """Asking a cluster for a missing topic may create it: a line says what to do instead."""
    pytest.importorskip("faust")
    from supplytwin.streams.watch import require_topics

    memory.admin().create([TopicSpec(name=EXCEPTIONS, partitions=1, replication=1, config={})])
    with pytest.raises(UsageError, match=rf"no topic {SETTLEMENT_EVENTS}: run `supplytwin init`"):
        require_topics(memory)
    memory.admin().create(
        [TopicSpec(name=SETTLEMENT_EVENTS, partitions=1, replication=1, config={})]
    )
    require_topics(memory)


def test_security_settings_of_the_deployment_are_followed(tmp_path: Path) -> None:
    """Plain text needs nothing; TLS verifies as librdkafka does; SASL passes user and password."""
    pytest.importorskip("faust")
    from faust.types.auth import AuthProtocol, SASLMechanism

    from supplytwin.streams.watch_kafka import credentials_of

    assert credentials_of({"linger.ms": 5}) is None
    tls: Any = credentials_of({"security.protocol": "ssl"})
    assert tls.context.check_hostname and tls.context.verify_mode == ssl.CERT_REQUIRED
    loose: Any = credentials_of(
        {"security.protocol": "SSL", "enable.ssl.certificate.verification": False}
    )
    assert loose.context.verify_mode == ssl.CERT_NONE
    unnamed: Any = credentials_of(
        {"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"}
    )
    assert not unnamed.context.check_hostname
    assert unnamed.context.verify_mode == ssl.CERT_REQUIRED
    user = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "u", "sasl.password": "p"}
    sasl: Any = credentials_of({"security.protocol": "sasl_ssl", **user})
    assert (sasl.protocol, sasl.mechanism) == (AuthProtocol.SASL_SSL, SASLMechanism.SCRAM_SHA_512)
    assert (sasl.username, sasl.password) == ("u", "p")
    assert sasl.ssl_context.check_hostname
    plain: Any = credentials_of({"security.protocol": "sasl_plaintext", **user})
    assert (plain.protocol, plain.ssl_context) == (AuthProtocol.SASL_PLAINTEXT, None)


@pytest.mark.parametrize(
    ("client", "named"),
    [
        ({"security.protocol": "ssl", "ssl.keystore.location": "x"}, "ssl.keystore.location"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"}, "GSSAPI"),
        ({"security.protocol": "sasl_plaintext"}, "GSSAPI"),
        ({"security.protocol": "magic"}, "MAGIC"),
        ({"security.protocol": "ssl", "ssl.ca.location": "/no/such/ca.pem"}, "/no/such/ca.pem"),
    ],
)
def test_a_security_setting_that_cannot_be_followed_is_refused(
    client: dict[str, str | int | float | bool], named: str
) -> None:
    """Watch does not connect with less than what the deployment asks for: one line says why."""
    pytest.importorskip("faust")
    from supplytwin.streams.watch_kafka import credentials_of

    with pytest.raises(UsageError, match=named):
        credentials_of(client)
