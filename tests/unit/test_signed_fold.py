"""Signed facts in the fold: what counts follows from facts and keys, whoever reads, whenever."""

import hashlib
import random
from itertools import permutations

import pytest
import settlement_world
import signed_fold_world as world
from chain_world import ChainDriver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from settlement_world import event
from signed_fold_world import SignedWorld, Watching, a_key, day, fact, record, sealed
from signed_world import control

from supplytwin.processors import keys
from supplytwin.processors.chain import ChainFold, canonical
from supplytwin.processors.closing import Closed, ClosingFold
from supplytwin.processors.signed_facts_counted import CODE, UNSIGNED, judgements
from supplytwin.processors.timetravel import as_of
from supplytwin.schemas import codec, signing
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import MAC, Due, Record
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import QUARANTINE
from supplytwin.streams import audit
from supplytwin.streams.intake import Intake
from supplytwin.streams.quarantine import Limits
from supplytwin.streams.store import Overlay

SHARED = b"a shared secret of thirty-two bytes or more"


# ---- the register is in force by its place in the journal


def test_a_key_counts_from_its_entry_on_live_after_a_restart_and_in_an_audit():
    """One register on every partition, the same for whoever reads the journal."""
    played = SignedWorld(partitions=3)
    played.tell(record(a_key(), a_key("wh-2"), revoked=[("wh-2", day(5))]))
    known = [played.register(number) for number in range(3)]
    assert known[0] == known[1] == known[2] == keys.register_of([record(a_key(), a_key("wh-2"),
        revoked=[("wh-2", day(5))])])  # fmt: skip
    assert [one.kind for one in played.entries()] == ["CONTROL"] * 3
    played.restart()
    assert [played.register(number) for number in range(3)] == known
    alone = ChainFold("")
    alone.told_of_all(played.driver.read("twin.journal"))
    assert alone.register == known[0]


@pytest.mark.parametrize("body", [b"", b"{", b'{"keys":[{"kid":"a"}]}', b'{"revoked":[]}'])
def test_a_record_that_tells_of_no_key_is_refused_and_stops_nothing(body):
    """It is in the quarantine with its field; what comes after it is taken."""
    played = SignedWorld()
    played.tell(None, body=body)
    (refused,) = played.read(QUARANTINE)
    assert (refused.code, refused.topic, refused.field[:4]) == ("BAD_VALUE", "control", "body")
    played.tell(record(a_key()))
    played.signed(fact())
    played.tick(day(11))
    assert played.verdicts() == {"recv-1": ""}
    assert not played.audit().differences


def test_a_journal_of_older_code_with_a_key_record_that_is_none_is_read():
    """Older code took any KEY record: such an entry says nothing, and no restart fails by it."""
    fold, older = ChainFold("test"), ChainFold("test")
    state = fold.new("@p0")
    emit = older._emitter(state, 0)
    emit.take("CONTROL", _item_of(control(b"{")))
    (entry,) = emit.entries
    found = fold.restore(state, Record(topic="twin.journal", partition=0, offset=0, arrival=0,
                                       key=b"@p0", value=entry.value))  # fmt: skip
    assert (found.head.seq, found.register) == (1, keys.Register())


def _item_of(told):
    value = codec.encode("control", told)
    raw = Record(topic="control", partition=0, offset=0, arrival=day(0), key=b"@p0", value=value)
    (item,) = Intake()([raw], 1)
    return item


# ---- what is not signed


def test_an_unsigned_fact_leaves_no_trace_of_signatures():
    """No verdict, nothing counted, nobody waits for keys, and a register changes nothing of it."""
    played = SignedWorld()
    played.send(fact())
    played.tick(day(11))
    before = played.state()
    assert not before.twin.facts.signed
    assert played.counted("signed") == 0
    played.tell(record(a_key()))
    played.tick(day(12))
    assert played.watching.decided == [("PO-1", day(11), {})]
    assert played.state() == before
    assert UNSIGNED.reason == "NO_SIGNATURE"


# ---- what counts for nothing is recorded


def _flip(headers):
    name, value = headers[0]
    return ((name, value[:-4] + bytes([value[-4] ^ 1]) + value[-3:]),)


@pytest.mark.parametrize(
    ("told", "sent", "reason"),
    [
        ([a_key()], {}, ""),
        ([a_key()], {"headers": _flip}, "BAD_SIGNATURE"),
        ([a_key()], {"headers": lambda _: (("st-signature", b"x"),)}, "MALFORMED_SIGNATURE"),
        ([], {}, "UNKNOWN_KEY"),
        ([a_key(sources=("erp:*",))], {}, "FOREIGN_SOURCE"),
        ([a_key(), a_key(role="CARRIER")], {}, "CONFLICTED_KEY"),
        ([a_key(valid_to=day(10))], {}, "OUT_OF_VALIDITY"),
    ],
)
def test_what_counts_for_nothing_is_taken_told_and_counted_with_its_reason(told, sent, reason):
    """The fact is a fact; an exception on its subject and a metric say why it proves nothing; an
    audit finds the same.
    """
    played = SignedWorld()
    if told:
        played.tell(record(*told))
    value, headers = sealed(fact())
    played.send(fact(), sent.get("headers", lambda same: same)(headers), value=value)
    played.tick(day(11))
    assert played.verdicts() == {"recv-1": reason}
    assert played.exceptions() == ([(CODE, reason)] if reason else [])
    assert played.counted("signed") == 1
    if reason:
        assert played.counted(f"signed_{reason.lower()}") == 1
    assert not played.read(QUARANTINE)
    assert not played.audit().differences
    assert played.audit().derived["twin.exceptions"] == bool(reason)


def test_a_used_seq_and_an_ended_key_are_told_too():
    """Replay, revocation and compromise, each where the fact comes after what spoils it."""
    played = SignedWorld()
    made = [a_key(), a_key("wh-2"), a_key("wh-3")]
    ends = {"revoked": [("wh-2", day(10))], "compromised": [("wh-3", day(10))]}
    played.tell(record(*made, **ends))
    played.signed(fact("a"), seq=7)
    played.signed(fact("b", at=day(11)), seq=7)
    played.signed(fact("c"), kid="wh-2")
    played.signed(fact("d"), kid="wh-3")
    said = {"a": "", "b": "REPLAYED_SEQ", "c": "REVOKED", "d": "COMPROMISED"}
    assert played.verdicts() == said
    assert [reason for _, reason in played.exceptions()] == list(said.values())[1:]
    assert not played.audit().differences


def test_a_bad_signature_over_what_counts_already_is_told_too():
    """The version goes on counting by the signature that is right; the other one is recorded."""
    played = SignedWorld()
    played.tell(record(a_key()))
    played.signed(fact())
    value, headers = sealed(fact())
    for _ in range(2):
        played.send(fact(), _flip(headers), at=day(11), value=value)
    assert played.verdicts() == {"recv-1": ""}
    assert played.exceptions() == [(CODE, "BAD_SIGNATURE")]
    assert [one.kind for one in played.entries("PO-1")] == ["FACT", "FACT"]
    assert (played.counted("duplicates"), played.counted("signed_bad_signature")) == (1, 1)
    assert not played.audit().differences


# ---- a change of the register


def test_a_change_of_keys_wakes_the_chains_with_signed_facts_once():
    """At the next cut, and no other chain; the cuts after it wake nobody; a key record that says
    nothing new wakes nobody.
    """
    played = SignedWorld()
    played.signed(fact())
    played.signed(fact(chain_id="PO-2"))
    played.send(fact(chain_id="PO-3"))
    played.tick(day(11))
    seen = played.watching.decided
    unknown = {"recv-1": "UNKNOWN_KEY"}
    said = [("PO-1", unknown), ("PO-2", unknown), ("PO-3", {})]
    assert seen == [(name, day(11), verdict) for name, verdict in said]
    seen.clear()
    played.tick(day(12))
    assert not seen
    for said, verdict in (
        (record(a_key()), ""),
        (record(a_key()), None),
        (record(revoked=[("wh-1", day(20))]), ""),
        (record(compromised=[("wh-1", day(10))]), "COMPROMISED"),
    ):
        seen.clear()
        at = day(13 + played.numbers)
        played.tell(said)
        played.tick(at)
        played.tick(at + 10_000)
        names = ("PO-1", "PO-2") if verdict is not None else ()
        assert seen == [(name, at, {"recv-1": verdict}) for name in names]


@pytest.mark.parametrize("snapshots", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_a_restart_forgets_no_change_of_keys(tmp_path, snapshots, before):
    """Told before or after the snapshot, decided by nobody yet: the next worker wakes the chain."""
    played = SignedWorld(tmp_path if snapshots else None)
    played.signed(fact())
    played.send(fact(chain_id="PO-3"))
    played.tick(day(11))
    if before:
        played.tell(record(a_key()))
    if snapshots:
        _snapshot(played)
    if not before:
        played.tell(record(a_key()))
    held, registered = played.state(), played.register()
    played.restart()
    assert (played.state().twin, played.register()) == (held.twin, registered)
    played.tick(day(12))
    seen = [one for one in played.watching.decided if one[0] == "PO-1"]
    assert seen == [("PO-1", day(12), {"recv-1": ""})]
    if snapshots:
        assert len(played.watching.decided) == 1, "quiet chains stay packed"
    assert canonical(played.state()) == canonical(held)


def test_a_batch_that_is_given_up_forgets_no_change_of_keys():
    """Whoever is woken by a batch that is not committed is woken by the next one again."""
    played = SignedWorld()
    played.signed(fact())
    played.tick(day(11))
    played.tell(record(a_key()))
    store = played.store()
    for _ in range(2):
        assert Overlay(store, Limits(), QUARANTINE).due(day(12)) == ["PO-1"]
    overlay = Overlay(store, Limits(), QUARANTINE)
    overlay.due(day(12))
    overlay.merge()
    assert store.due(day(12)) == {"PO-1", "@p0"}
    assert Overlay(store, Limits(), QUARANTINE).due(day(12)) == ["PO-1"], "until it is decided"


class Signing(ChainDriver):
    """The chain that is paid, each fact signed with the key of its source."""

    def __init__(self):
        super().__init__()
        self.seq, self.watching = 0, Watching("test")
        self.driver._fold = ClosingFold(self.watching, 90 * DAY_US)
        self.driver.restart()

    def send(self, topic, message, at):
        headers = ()
        if isinstance(message, Event):
            self.seq += 1
            headers = sealed(message, f"k-{message.source}", self.seq)[1]
        value = codec.encode(topic, message)
        self.driver.send(topic, message.chain_id, value, headers=headers,
                         timestamp_us=at // 1000 * 1000)  # fmt: skip
        self.driver.settle()
        if isinstance(message, Event):
            self.tell(record(_key_of(message.source)))

    def tell(self, said):
        told = replace(control(keys.body_of(said)), timeline="test")
        self.driver.send("control", "@p0", codec.encode("control", told), partition=0)
        self.driver.settle()


def _key_of(source):
    return a_key(f"k-{source}", sources=(source,), valid_to=day(9_000), valid_from=day(-9_000))


def test_an_audit_decides_under_the_register_that_stood_there(monkeypatch):
    """Keys are registered and end while a chain is on its way to be paid: each decision that the
    audit takes again is taken under the same register as it was, and comes out the same.
    """
    played = Signing()
    played.paid()
    live = list(played.watching.decided)
    assert played.claim.state == "SETTLED"
    played.tell(record(compromised=[("k-customs", day(-9_000))]))
    later = world.verdicts(played.state, played.driver.state("@p0").register)
    made = []

    def watching(timeline):
        made.append(Watching(timeline))
        return made[-1]

    monkeypatch.setattr(audit, "ChainFold", watching)
    found = audit.Audited()
    count = audit.Recount(0, "test", found)
    for one in played.driver.read("twin.journal"):
        count.take(one)
    count.close()
    assert not found.differences
    again = made[0].decided
    assert again
    assert [one for one in live if one in again] == again
    (paid,) = {tuple(said.items()) for _, _, said in again}
    assert set(dict(paid).values()) == {""}
    assert set(later.values()) == {"", "COMPROMISED"}


def _snapshot(played):
    metrics = played.driver.worker.metrics
    for _ in range(5_000):
        played.driver.seconds += 10.0
        played.driver.turn()
        if metrics.value("supplytwin_snapshots_total"):
            return
    raise AssertionError("no snapshot")


def test_a_compromise_takes_back_and_another_key_of_the_organisation_attests_again():
    """What arrived since counts for nothing from the next cut on; the same fact, signed by another
    key, counts, and that it is known already does not make it a duplicate.
    """
    played = SignedWorld()
    played.tell(record(a_key(), a_key("wh-2")))
    played.signed(fact())
    played.tick(day(11))
    assert played.verdicts() == {"recv-1": ""}
    played.tell(record(compromised=[("wh-1", day(9))]))
    played.tick(day(12))
    assert played.watching.decided[-1] == ("PO-1", day(12), {"recv-1": "COMPROMISED"})
    played.signed(fact(), at=day(13))
    assert (played.counted("duplicates"), played.verdicts()) == (1, {"recv-1": "COMPROMISED"})
    played.signed(fact(), kid="wh-2", at=day(13))
    assert (played.counted("duplicates"), played.verdicts()) == (1, {"recv-1": ""})
    played.tick(day(14))
    assert played.watching.decided[-1] == ("PO-1", day(14), {"recv-1": ""})
    assert not played.audit().differences
    held = played.state()
    played.restart()
    assert (played.state().twin, canonical(played.state())) == (held.twin, canonical(held))


def test_a_correction_that_is_not_signed_counts_as_a_correction_only():
    """A later unsigned revision is another version: what the first one proves it does not prove."""
    played = SignedWorld()
    played.tell(record(a_key()))
    played.signed(fact())
    played.send(replace(fact(), revision=2))
    (slot,) = played.state().twin.facts.every()
    found = judgements(played.state().twin, played.register())
    assert [(slot.identity, 1)] == list(found)
    assert slot.effective.revision == 2


def test_two_signatures_over_one_version_count_as_the_first():
    """An organisation cannot take the place of another one by signing what that has signed."""
    for order in permutations((("wh-1", day(10)), ("aa-1", day(11)))):
        played = SignedWorld()
        played.tell(record(a_key(), a_key("aa-1", organisation="ORG-A", role="CARRIER")))
        for kid, at in order:
            played.signed(fact(), kid=kid, at=at)
        (found,) = judgements(played.state().twin, played.register()).values()
        assert found.organisation == "ORG-WH"
        played.tell(record(compromised=[("wh-1", day(1))]))
        (found,) = judgements(played.state().twin, played.register()).values()
        assert found.organisation == "ORG-A"


def test_a_closed_chain_knows_its_facts_by_their_signatures():
    """The same fact with the same signature is a duplicate; signed otherwise it opens the chain;
    a change of keys does not.
    """
    played = Signing()
    played.closed()
    count = played.counted("duplicates")
    first = played.proofs[0]
    at = first.event_time
    value, headers = sealed(first, f"k-{first.source}", 1)
    played.driver.send(first.TOPIC, first.chain_id, value, headers=headers, timestamp_us=at)
    played.driver.settle()
    assert played.counted("duplicates") == count + 1
    played.tell(record(compromised=[("k-wms", day(1))]))
    played.tick(settlement_world.day(200))
    assert isinstance(played.state, Closed)
    value, headers = sealed(first, f"k-{first.source}", 77)
    played.driver.send(first.TOPIC, first.chain_id, value, headers=headers, timestamp_us=at)
    played.driver.settle()
    assert not isinstance(played.state, Closed)
    assert len(played.state.twin.facts.signed) == len(played.proofs)


def test_what_is_left_out_leaves_no_signature_behind():
    """The twin as of an earlier time has neither the later facts nor what they used up."""
    played = SignedWorld()
    played.signed(fact("a"))
    played.signed(fact("b", at=day(20)), seq=2)
    played.signed(fact("c", at=day(20)))
    facts = as_of(played.state().twin, day(15)).facts
    assert [one.event_id for one in facts.signed] == ["a"]
    assert list(facts.seqs) == [("wh-1", world.SOURCE, 1)]
    assert not as_of(played.state().twin, day(1)).facts.seqs


# ---- HMAC


def test_hmac_is_checked_when_it_is_taken_and_never_needs_the_secret_again():
    """The journal says what the secret of the worker said; what a producer says there is dropped;
    an audit and a restart without the secret come to the same.
    """
    mac = a_key("mac", alg="HMAC-SHA-256", key=hashlib.sha256(SHARED).hexdigest())
    played = SignedWorld(secrets={"mac": SHARED})
    played.tell(record(mac))
    value, _ = sealed(fact())
    header = signing.sign_hmac(SHARED, kid="mac", source=world.SOURCE, seq=1, value=value)
    played.send(fact(), (header, (MAC, b"wrong;" + b"0" * 64)), value=value)
    wrong = fact("recv-2")
    played.send(wrong, (header,))
    played.tick(day(11))
    entry = played.entries("PO-1")[0]
    assert entry.headers == (header, (MAC, f"right;{mac.key}".encode()))
    assert played.verdicts(hmac_allowed=True) == {"recv-1": "", "recv-2": "BAD_SIGNATURE"}
    assert played.verdicts() == dict.fromkeys(("recv-1", "recv-2"), "HMAC_NOT_ALLOWED")
    (found, _) = judgements(played.state().twin, played.register(), hmac_allowed=True).values()
    assert found.non_repudiable is False
    assert not played.audit().differences
    played.secrets = None
    played.restart()
    assert played.verdicts(hmac_allowed=True) == {"recv-1": "", "recv-2": "BAD_SIGNATURE"}


def test_hmac_counts_for_nothing_where_nobody_has_the_secret():
    """A worker without it cannot say; what a producer writes there is not believed; the worker that
    has it is believed when the fact comes again.
    """
    mac = a_key("mac", alg="HMAC-SHA-256", key=hashlib.sha256(SHARED).hexdigest())
    played = SignedWorld()
    played.tell(record(mac))
    value, _ = sealed(fact())
    header = signing.sign_hmac(SHARED, kid="mac", source=world.SOURCE, seq=1, value=value)
    played.send(fact(), (header, (MAC, f"right;{mac.key}".encode())), value=value)
    assert played.verdicts(hmac_allowed=True) == {"recv-1": "NO_SECRET"}
    played.secrets = {"mac": SHARED}
    played.restart()
    played.send(fact(), (header,), value=value)
    assert played.verdicts(hmac_allowed=True) == {"recv-1": ""}


# ---- laws, on the fold alone


def item(message, value, headers, at):
    """What a worker decodes of one record. Raises RecordError for what it refuses."""
    raw = Record(topic=message.TOPIC, partition=0, offset=0, arrival=at,
                 key=message.chain_id.encode(), value=value, headers=headers)  # fmt: skip
    (found,) = Intake()([raw], 1)
    if isinstance(found, RecordError):
        raise found
    return found


def folded(items):
    """(state, register) after facts and key records in this order."""
    fold = ChainFold("test")
    chain, known = fold.new("PO-1"), fold.new("@p0")
    for one in items:
        if isinstance(one, keys.KeyRecord):
            known = fold.step(known, _item_of(control(keys.body_of(one))), day(0)).state
        else:
            chain = fold.step(chain, fold.admit(known, one), day(0)).state
    return chain, known.register


def _history(drawn):
    """Facts with and without signatures, some of them twice, and key records."""
    made = []
    for kid, event_id, seq, arrived, revision in drawn:
        message = replace(fact(f"e{event_id}", at=day(10)), revision=revision)
        value, headers = sealed(message, kid or "wh-1", seq)
        made.append(item(message, value, headers if kid else (), day(10 + arrived)))
    return made


histories = st.lists(
    st.tuples(st.sampled_from(("wh-1", "wh-2", "wh-9", "")), st.integers(0, 2), st.integers(1, 2),
              st.integers(0, 4), st.integers(1, 2)),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories, st.randoms(use_true_random=False))
def test_no_order_changes_what_counts(drawn, rng):
    """Facts, signatures and key records in another order, some of them twice: the same facts, the
    same register, the same verdicts, the same canonical state.
    """
    said = [record(a_key(), a_key("wh-2")), record(revoked=[("wh-2", day(13))]),
            record(compromised=[("wh-1", day(12))])]  # fmt: skip
    made = _history(drawn)
    one, known = folded([*made, *said])
    mixed = [*made, *said, *made[:2]]
    rng.shuffle(mixed)
    other, also = folded(mixed)
    assert also == known
    assert other.twin.facts == one.twin.facts
    assert canonical(other) == canonical(one)
    for allowed in (False, True):
        assert judgements(other.twin, also, hmac_allowed=allowed) == judgements(
            one.twin, known, hmac_allowed=allowed
        )
    assert set(judgements(one.twin, known)) <= {
        (slot.identity, version.revision)
        for slot in one.twin.facts.every() for version in slot.versions if version.signed
    }  # fmt: skip
    thawed = _frozen(one)
    assert thawed == one
    assert judgements(thawed.twin, known) == judgements(one.twin, known)


def test_of_two_contents_under_one_seq_the_one_that_arrived_first_counts():
    """Whichever is read first, and whatever their bytes are."""
    for number in range(6):
        made = []
        for name, arrived in ((f"first-{number}", day(10)), (f"second-{number}", day(11))):
            message = fact(name)
            made.append(item(message, *sealed(message), arrived))
        said = {f"first-{number}": "", f"second-{number}": "REPLAYED_SEQ"}
        for order in permutations((*made, record(a_key()))):
            chain, known = folded(order)
            assert world.verdicts(chain, known) == said


def _frozen(state):
    fold = ClosingFold(ChainFold("test"))
    return fold.thaw(fold.freeze(state))


def test_one_flipped_bit_counts_for_nothing_in_the_fold(required):
    """One bit of the record's value, its header or the registered key: the record is refused, or is
    a fact that counts for nothing.
    """
    count, rng = required("signed_fold_flips"), random.Random(7)
    message = fact()
    value, headers = sealed(message)
    found = []
    for at in range(count):
        what = ("value", "header", "key")[at % 3]
        known, sent, header = a_key(), value, headers[0][1]
        if what == "value":
            sent = _flipped(value, rng)
        elif what == "header":
            header = _flipped(header, rng)
        else:
            known = a_key(key=_flipped(bytes.fromhex(known.key), rng).hex())
        found.append(_verdict(message, sent, header, known))
    assert "COUNTS" not in found
    assert {"REFUSED", "BAD_SIGNATURE", "MALFORMED_SIGNATURE", "UNKNOWN_KEY"} <= set(found)
    assert _verdict(message, value, headers[0][1], a_key()) == "COUNTS"
    count.done(count)


def _flipped(data, rng):
    bit = rng.randrange(len(data) * 8)
    made = bytearray(data)
    made[bit // 8] ^= 1 << bit % 8
    return bytes(made)


def _verdict(message, value, header, known):
    fold, control = ChainFold("test"), replace(ChainFold("").new("@p0"), register=keys.register_of(
        [record(known)]))  # fmt: skip
    try:
        one = item(message, value, (("st-signature", header),), day(10))
        step = fold.step(fold.new(one.key), fold.admit(control, one), day(0))
    except RecordError:
        return "REFUSED"
    (found,) = judgements(step.state.twin, control.register).values()
    return str(getattr(found, "reason", "COUNTS"))


def test_signed_readings_are_facts_like_others():
    """A plain reading that is signed is not packed away with those that are not."""
    fold = ChainFold("test")
    control = replace(fold.new("@p0"), register=keys.register_of([record(a_key())]))
    message = _reading()
    value, headers = sealed(message)
    state = fold.new("PO-1")
    state = fold.step(state, fold.admit(control, item(message, value, (), day(10))), 0).state
    assert (len(state.twin.facts.slots), state.twin.facts.count) == (0, 1)
    again = fold.admit(control, item(message, value, headers, day(10)))
    step = fold.step(state, again, 0)
    assert (len(step.state.twin.facts.slots), step.state.twin.facts.count) == (1, 1)
    (found,) = judgements(step.state.twin, control.register).values()
    assert found.kid == "wh-1"
    first = fold.step(fold.new("PO-1"), again, 0).state
    last = fold.step(first, fold.admit(control, item(message, value, (), day(10))), 0)
    assert (last.counts, last.state.twin) == (("duplicates",), step.state.twin)
    assert fold.due(last.state) is Due.NEXT


def _reading():
    return replace(
        event("shipment.sensor", "CONSIGNMENT:ASN-1", "r-1", day(10), device_id="D", metric="t",
              value=5.0, unit="C"),
        source=world.SOURCE, chain_id="PO-1",
    )  # fmt: skip
