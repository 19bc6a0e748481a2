"""A refused record and money: open claims of its chain are held until an operator has acted."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from typer.testing import CliRunner

from supplytwin.processors import simulate
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.feeds import Given
from supplytwin.processors.settlement_state import Claim
from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import Code, RecordError, UsageError
from supplytwin.schemas.events import CUSTOMS, CustomsAccepted
from supplytwin.schemas.flow import Message, Record
from supplytwin.schemas.ids import DAY_US, partition_of
from supplytwin.schemas.records import (
    JOURNAL,
    QUARANTINE,
    REVIEWS,
    SETTLEMENT_EVENTS,
    Quarantined,
    Review,
    SettlementEvent,
)
from supplytwin.streams import (
    audit_run,
    cli,
    cli_check,
    deployment,
    feeding,
    redrive,
    show,
    topics,
)
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.conductor import Conductor, intervals, send
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.quarantine import RATE_MIN, Policy
from supplytwin.streams.settings import Gateway, Kafka, QuarantineSection, Settings, Time
from supplytwin.streams.summary import fold_journal, read_all

ACT = redrive.Act(who="olga", role="OPERATOR", reason="the source sent it again")
CHAIN = "SIM-9-00000000"


class World:
    """One chain, its worker and its rail, a day at a time."""

    def __init__(
        self, folder: Path, policy: QuarantineSection | None = None, *, without: str = ""
    ) -> None:
        self.settings = Settings(
            kafka=Kafka(partitions=2),
            time=Time(simulated=True, timeline="t"),
            quarantine=policy or QuarantineSection(),
            gateway=Gateway(ledger=str(folder / "rail"), behaviour=dict.fromkeys(QUIET, 0)),
        )
        self.broker = MemoryBroker()
        topics.init(self.broker, self.settings)
        self.meta = topics.require_meta(self.broker)
        self.worker = deployment.worker(self.broker, self.settings, self.meta)
        self.gateway = deployment.gateway(self.broker, self.settings, self.meta)
        self.conductor = Conductor(self.broker, partitions=2, timeline="t", pump=self.pump)
        self.records = self.broker.producer(None)
        self.ticks = self.broker.producer(topics.TICK_ID)
        self.ticks.init(5.0)
        self.now = 0
        told = (m for m in simulate.chains(1, 9).messages if m.topic != without)
        self.rounds = intervals(told, DAY_US)

    def pump(self) -> None:
        self.worker.turn(0.0)
        self.gateway.turn(0.0)

    def days(self, number: int) -> None:
        """So many more days of the chain's own messages, then of ticks alone."""
        for _ in range(number):
            self.now, batch = next(self.rounds, (self.now + DAY_US, list[Message]()))
            for message in batch:
                send(self.records, message)
            self.conductor._round(self.records, self.ticks, self.now)

    def spoil(self, value: bytes = b"garbage", topic: str = CUSTOMS) -> Quarantined:
        """A record under the chain's key that is refused; what the quarantine says about it."""
        self.records.produce(topic, CHAIN.encode(), value, timestamp_us=self.now)
        self.records.flush()
        self.conductor.quiet()
        return self.refused()[-1]

    def refused(self) -> list[Quarantined]:
        found = [codec.decode(QUARANTINE, r.value or b"").message for r in self.read(QUARANTINE)]
        return [one for one in found if isinstance(one, Quarantined)]

    def read(self, topic: str) -> list[Record]:
        return list(read_all(self.broker, topic, 2))

    def restart(self) -> None:
        """Another worker takes over and reads the journal."""
        self.worker = deployment.worker(self.broker, self.settings, self.meta)
        for _ in range(100):
            self.worker.turn(0.0)
        self.conductor.quiet()

    def state(self) -> ChainState:
        return self.worker.stores[partition_of(CHAIN.encode(), 2)].states[CHAIN]

    def claim(self) -> Claim:
        (claim,) = self.state().book.claims.values()
        return claim

    def events(self) -> list[SettlementEvent]:
        found = [codec.decode(SETTLEMENT_EVENTS, r.value or b"").message
                 for r in self.read(SETTLEMENT_EVENTS)]  # fmt: skip
        return [one for one in found if isinstance(one, SettlementEvent)]


QUIET = ("refuse_hold", "reject_once", "reject", "give_back", "silent", "lose")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A chain whose rail does what it is told."""
    found = World(tmp_path)
    yield found
    found.broker.close()


def test_without_a_refused_record_the_claim_is_paid(world: World) -> None:
    """The chain of these tests is a good one: its claim is paid within its 40 days."""
    world.days(40)
    assert world.claim().state == "SETTLED"


def test_a_refused_record_holds_the_claim_and_the_rest_goes_on(world: World) -> None:
    """HELD with reason and place; facts are still taken; nothing is paid, nothing expires."""
    world.days(5)
    place = world.spoil()
    assert world.claim().state == "HELD"
    assert world.claim().origin == "QUARANTINED"
    (held,) = [one for one in world.events() if one.to_state == "HELD"]
    assert held.row == 12
    assert "UNKNOWN_SCHEMA" in held.reason
    assert f"{place.topic}/{place.partition}/{place.offset}" in held.reason
    facts = len(world.state().twin.facts.slots)
    world.days(50)
    assert len(world.state().twin.facts.slots) > facts
    assert world.claim().state == "HELD"
    assert not any(one.to_state in ("INSTRUCTED", "EXPIRED") for one in world.events())


@pytest.mark.parametrize("how", ["release", "correct", "drop"])
def test_an_operators_act_lets_the_claim_go_on(world: World, how: str) -> None:
    """After the deadline it is paid all the same: it stood still, and who and why is journalled."""
    world.days(5)
    found = world.spoil()
    place = redrive.find(
        world.broker, world.meta, found.topic, found.partition, found.offset, lambda *_: None
    )
    world.days(50)
    body = None
    if how == "correct":
        (event,) = [m.body for m in simulate.chains(1, 9).messages
                    if isinstance(m.body, CustomsAccepted)]  # fmt: skip
        body = codec.encode(CUSTOMS, event)
    if how == "drop":
        redrive.drop(world.broker, world.meta, place, ACT)
    else:
        redrive.release(world.broker, world.meta, place, ACT, body=body, key=None)
    world.conductor.quiet()
    if how == "release":  # it is still garbage: refused again, at its new place
        assert len(world.refused()) == 2
        assert world.claim().state == "HELD"
        return
    assert world.claim().state == "RESERVED"
    (resumed,) = [one for one in world.events() if one.row == 13]
    assert "olga" in resumed.reason and "sent it again" in resumed.reason
    world.days(4)
    assert world.claim().state == "SETTLED"
    assert len(world.refused()) == 1


def test_what_a_feed_refused_holds_the_claim_until_it_is_corrected(world: World) -> None:
    """An EPCIS event that names the chain: HELD with the feed's words; its facts come instead."""
    world.days(5)
    event = {
        "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld"],
        "type": "ObjectEvent",
        "eventTime": "2020-01-01T00:00:00Z",
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": "transforming",
        "epcList": [],
        "bizTransactionList": [
            {"type": "po", "bizTransaction": f"urn:x-supplytwin:po:{quote(CHAIN, safe='')}"}
        ],
    }
    feed = feeding.Feed("epcis", Given())
    feed.send(world.broker, world.meta, iter([("a file", json.dumps(event).encode())]))
    world.conductor.quiet()
    (found,) = world.refused()
    assert (found.field, found.code) == ("bizStep", "BAD_VALUE")
    assert world.claim().state == "HELD"
    body = json.dumps(event | {"bizStep": "other"}).encode()
    facts = len(world.state().twin.facts.slots)
    redrive.release(world.broker, world.meta, found, ACT, body=body, key=None)
    world.conductor.quiet()
    assert len(world.state().twin.facts.slots) == facts + 1
    world.days(40)
    assert world.claim().state == "SETTLED"


@pytest.mark.parametrize("how", ["release", "drop"])
def test_the_commands_do_so(world: World, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """`supplytwin quarantine release | drop` with a place: the act is taken, and says by whom."""
    world.days(5)
    place = world.spoil()
    chosen = Chosen(broker=world.broker, how="in memory", close=lambda: None)
    monkeypatch.setattr(cli_check, "connect", lambda context: (world.settings, chosen))
    words = [place.topic, str(place.partition), str(place.offset), "--who", "olga",
             "--reason", "the source sent it again"]  # fmt: skip
    done = CliRunner().invoke(cli.app, ["quarantine", how, *words])
    assert done.exit_code == 0, done.output
    world.conductor.quiet()
    told = [codec.decode(REVIEWS, r.value or b"").message for r in world.read(REVIEWS)]
    (act,) = [one for one in told if isinstance(one, Review)]
    assert (act.reviewer, act.role) == ("olga", "OPERATOR")
    assert act.verdict == {"release": "RELEASE_RECORD", "drop": "DROP_RECORD"}[how]
    assert len(world.refused()) == (2 if how == "release" else 1), "garbage comes back"


def test_what_stood_still_is_added_to_the_deadline_and_no_more(world: World) -> None:
    """The deadline in force is the agreed one plus the time in the quarantine, within the stop."""
    world.days(5)
    agreed = next(iter(world.state().book.promises.values())).deadline
    found = world.spoil()
    since = world.claim().tolls_since
    world.days(7)
    redrive.drop(world.broker, world.meta, found, ACT)
    world.conductor.quiet()
    assert since is not None
    lost = world.now - since
    assert world.claim().tolled_us == lost == 7 * DAY_US
    assert next(iter(world.state().book.promises.values())).deadline == agreed + lost


def test_the_close_that_is_in_force_is_the_one_that_expires(tmp_path: Path) -> None:
    """No fact comes any more: after the act the claim expires at its tolled close, not later."""
    world = World(tmp_path, without="supply.warehouse")
    world.days(20)
    found = world.spoil()
    world.days(10)
    redrive.drop(world.broker, world.meta, found, ACT)
    world.conductor.quiet()
    book = world.state().book
    assert book.terms is not None
    close = book.terms.close(next(iter(book.promises.values())))
    assert world.now < close < book.terms.long_stop
    while world.now + DAY_US <= close:
        world.days(1)
        assert world.claim().state == "RESERVED"
    world.days(1)
    assert world.claim().state == "EXPIRED"


def test_nobody_acts_and_the_long_stop_ends_it(world: World) -> None:
    """A claim that stays held is voided at its long stop: it is never paid by waiting."""
    world.days(5)
    world.spoil()
    world.days(95)
    assert world.claim().state == "VOIDED"
    assert not any(one.to_state == "INSTRUCTED" for one in world.events())


def test_whatever_the_record_carries_its_chain_hears_of_it(world: World) -> None:
    """Headers of 2 MB and an arrival beyond 64 bits: the entry has neither, and can be written."""
    world.days(5)
    hostile = Record(
        topic=CUSTOMS, partition=0, offset=7, arrival=2**62 * 1000, key=CHAIN.encode(),
        value=b"", headers=(("large", bytes(2_000_000)),),
    )  # fmt: skip
    error = RecordError(Code.MALFORMED, "", "is garbage")
    step = ChainFold("t").refused(world.state(), hostile, error, world.now)
    assert step is not None
    assert [len(entry.value or b"") < 2_000 for entry in step.entries] == [True, True]
    assert journal.read(step.entries[0].value or b"").arrival == world.now


def test_people_see_why_the_claim_waits(world: World) -> None:
    """`twin show` names the refused record in the timeline and in what the claim waits for."""
    world.days(5)
    found = world.spoil()
    entries = [r.value or b"" for r in world.read(JOURNAL) if r.key == CHAIN.encode()]
    shown = show.show(CHAIN, entries)
    place = f"{found.topic}/{found.partition}/{found.offset}"
    assert any(place in moment.what for moment in shown.timeline if moment.kind == "INPUT")
    assert place in shown.settlement[0].waits_for
    assert shown.broken is None


def test_two_refused_records_need_two_acts(world: World) -> None:
    """The claim goes on when the last of them is dealt with; so does its deadline."""
    world.days(5)
    first, second = world.spoil(), world.spoil()
    redrive.drop(world.broker, world.meta, second, ACT)
    world.conductor.quiet()
    assert world.claim().state == "HELD"
    assert world.claim().tolls_since is not None
    redrive.drop(world.broker, world.meta, first, ACT)
    world.conductor.quiet()
    assert world.claim().state == "RESERVED"
    assert world.claim().tolls_since is None


def test_a_payment_under_way_is_not_touched(world: World) -> None:
    """From INSTRUCTED on a refused record changes nothing: recalls need evidence, not garbage."""
    world.days(40)
    before = world.claim()
    world.spoil()
    assert world.claim() == before


def test_a_restart_and_an_audit_agree(world: World) -> None:
    """The journal alone gives the same claim, and every decision is what the fold decides again."""
    world.days(5)
    found = world.spoil()
    world.days(3)
    claim, hashes = world.claim(), fold_journal(world.broker, 2)
    world.restart()
    assert world.claim() == claim
    redrive.drop(world.broker, world.meta, found, ACT)
    world.days(40)
    assert world.claim().state == "SETTLED"
    assert fold_journal(world.broker, 2).entries > hashes.entries
    audited = audit_run.run(world.broker, world.meta, lambda *_: None)
    assert audited.differences == []


def test_a_record_without_a_body_or_a_key_needs_them(world: World) -> None:
    """What cannot be sent again says what is missing."""
    world.days(1)
    found = world.spoil()
    for change, says in (({"body": None}, "corrected one"), ({"key": None}, "chain_id")):
        with pytest.raises(UsageError, match=says):
            redrive.release(
                world.broker, world.meta, msgspec.structs.replace(found, **change), ACT,
                body=None, key=None,
            )  # fmt: skip
    with pytest.raises(UsageError, match="nothing was quarantined"):
        redrive.find(world.broker, world.meta, CUSTOMS, 0, 10**6, lambda *_: None)


# ---- who may speak


def policy(tmp_path: Path, pattern: str) -> Path:
    file = tmp_path / "policy.json"
    rule = {"topic": CUSTOMS, "source": pattern, "organisation": "Customs of X"}
    file.write_text(json.dumps({"sources": [rule]}))
    return file


def test_a_source_that_may_not_speak_is_refused(world: World, tmp_path: Path) -> None:
    """On a topic with rules a strange source is quarantined, and its chain's claims are held."""
    redrive.publish_policy(world.broker, world.meta, policy(tmp_path, "customs:*"), ACT, 1000)
    world.days(40)
    assert {one.code for one in world.refused()} == {"FORBIDDEN_SOURCE"}
    assert {one.topic for one in world.refused()} == {CUSTOMS}
    assert "Customs of X" in world.refused()[0].reason
    assert world.claim().state == "HELD"


def test_a_new_policy_replaces_the_old_one(world: World, tmp_path: Path) -> None:
    """With the right pattern everything is admitted again, also after a restart."""
    redrive.publish_policy(world.broker, world.meta, policy(tmp_path, "customs:*"), ACT, 1000)
    redrive.publish_policy(world.broker, world.meta, policy(tmp_path, "simulated:*"), ACT, 2000)
    world.days(2)
    world.restart()
    world.days(40)
    assert world.refused() == []
    assert world.claim().state == "SETTLED"


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "not JSON"), ("[]", "JSON object"), ("{}", "no \"sources\""),
     ('{"sources": [{"topic": "x"}]}', "not a policy"),
     ('{"sources": [], "free_condition": true}', "free_condition means nothing")],
)  # fmt: skip
def test_what_is_no_policy_is_not_published(
    world: World, tmp_path: Path, text: str, says: str
) -> None:
    """One line says what is wrong, and nothing is written."""
    file = tmp_path / "policy.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        redrive.publish_policy(world.broker, world.meta, file, ACT, 1000)


# ---- stopping instead


def test_a_topic_may_stop_the_worker(tmp_path: Path) -> None:
    """With [quarantine] stop the first refused record ends the worker, and nothing is committed."""
    world = World(tmp_path, QuarantineSection(stop=(CUSTOMS,)))
    world.days(1)
    admin = world.broker.admin()
    at = TopicPartition(CUSTOMS, partition_of(CHAIN.encode(), 2))
    before = admin.committed(topics.WORKER_GROUP, [at])
    with pytest.raises(UsageError, match=r"stopped at supply.customs partition . offset"):
        world.spoil()
    assert admin.committed(topics.WORKER_GROUP, [at]) == before
    assert world.refused() == []


def test_a_high_share_of_refused_records_stops_the_worker() -> None:
    """More than the share of a minute's records; a new minute counts anew."""
    policy = Policy((), 10)
    record = Record(topic="t", partition=0, offset=0, arrival=0, key=None, value=None)
    error = RecordError(Code.MALFORMED, "", "is garbage")
    policy.seen(RATE_MIN, 0.0)
    for _ in range(10):
        policy.refused(record, error)
    policy.seen(RATE_MIN, 61.0)
    for _ in range(10):
        policy.refused(record, error)
    with pytest.raises(UsageError, match="11 of 100"):
        policy.refused(record, error)
