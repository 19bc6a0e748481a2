"""Records and bytes: what is written, and that no shortcut of reading changes what is accepted."""

import datetime as dt
import random
import struct
from decimal import Decimal
from typing import Any

import codec_world as w
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from supplytwin.schemas import avro, binary, canonical, codec, members, validate
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import CUSTOMS, EVENT_TYPES, ORDERS, Event, OrderLine
from supplytwin.schemas.localtime import TIME_MAX
from supplytwin.schemas.records import (
    CONTROL,
    JOURNAL,
    SCHEMAS,
    STATE,
    Control,
    JournalEntry,
    StateRecord,
)

any_record = st.sampled_from(sorted(SCHEMAS)).flatmap(
    lambda topic: st.tuples(st.just(topic), w.anything(SCHEMAS[topic]))
)
any_message = any_record | w.any_event.map(lambda event: (event.TOPIC, event))
EVENTS = sorted(EVENT_TYPES)


def wire(topic: str, body: bytes) -> bytes:
    """A body behind the newest schema's header."""
    return codec.header(topic) + body


def strict(topic: str, value: bytes) -> codec.Decoded | None:
    """What the strict reader says, None = refused."""
    try:
        return codec.strict(topic, value)
    except RecordError:
        return None


def judge(topic: str, value: bytes) -> codec.Decoded | None:
    """The strict verdict, after asserting that the fast reader does not disagree with it.

    It must take exactly what the strict reader takes and what we would write in the same bytes.
    """
    right = strict(topic, value)
    fast = codec.canonically(topic, value)
    if fast is None:
        assert right is None or codec.encode(topic, right.message) != value
    else:
        assert fast == right
        assert codec.encode(topic, fast.message) == value
    return right


# ---- writing


def test_every_message_is_written_as_fastavro_writes_it() -> None:
    """Header and body of a sample of each event type and each record."""
    for topic, message in w.samples():
        fingerprint = avro.fingerprint_of(topic).to_bytes(8, "little")
        value = codec.encode(topic, message)
        assert value == b"\xc3\x01" + fingerprint + w.witness(topic, message), topic
        assert codec.body(topic, message) == value[10:]


@settings(max_examples=150, deadline=None)
@given(any_message)
def test_any_message_is_written_as_fastavro_writes_it(given_: tuple[str, Struct]) -> None:
    """Whatever the values, nulls and lists are."""
    topic, message = given_
    assert codec.body(topic, message) == w.witness(topic, message)


UNWRITABLE: dict[str, tuple[str, Any, str]] = {
    "no text": (STATE, {"subject_id": None}, "subject_id"),
    "a lone surrogate": (STATE, {"lifecycle": "\ud800"}, "lifecycle"),
    "not an integer": (STATE, {"seq": 1.0}, "seq"),
    "an integer of 65 bits": (STATE, {"exposure_minor": 2**63}, "exposure_minor"),
    "a list with a number": (STATE, {"flags": ("a", 1)}, "flags"),
    "a text for bytes": (CONTROL, {"body": "x"}, "body"),
    "no decimal": ("order.invoiced", {"amount": Decimal("Infinity")}, "amount"),
    "in a line": (
        "order.placed",
        {"order_lines": (OrderLine(line_id="1", sku="s", qty=Decimal("NaN"), uom="EA",
                                   unit_price=Decimal(1)),)},
        "order_lines.qty",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNWRITABLE)
def test_what_cannot_be_written_is_named(case: str) -> None:
    """A value of another type or range raises a RecordError with the path of the field."""
    what, values, field = UNWRITABLE[case]
    sample = w.event(what) if what in EVENT_TYPES else w.sample(SCHEMAS[what])
    topic = EVENT_TYPES[what].TOPIC if what in EVENT_TYPES else what
    with pytest.raises(RecordError, match="cannot be written") as caught:
        codec.encode(topic, msgspec.structs.replace(sample, **values))
    assert (caught.value.code, caught.value.field) == (Code.BAD_VALUE, field)


def test_a_message_of_another_topic_is_refused() -> None:
    """Neither events nor records are written to a topic that is not theirs."""
    for topic, message in ((CUSTOMS, w.event("order.closed")), (STATE, w.sample(Control))):
        with pytest.raises(RecordError, match=f"is no record of {topic}"):
            codec.encode(topic, message)


# ---- reading what we write


@settings(max_examples=200, deadline=None)
@given(any_message)
def test_what_we_write_is_read_again(given_: tuple[str, Struct]) -> None:
    """Any message comes back with its content hash, and both ways of reading agree.

    No event that we write needs the strict one: no error, but it costs five times as much.
    """
    topic, message = given_
    value = codec.encode(topic, message)
    decoded = codec.decode(topic, value)
    assert (decoded.message, decoded.fingerprint) == (message, avro.fingerprint_of(topic))
    assert decoded == codec.strict(topic, value)
    assert decoded.content_hash == codec.content_hash(topic, message)
    assert codec.read(topic, value) == message
    if isinstance(message, Event):
        assert codec.canonically(topic, value) == decoded


def test_no_sample_needs_the_strict_reader() -> None:
    """Nor does any record, nor an event with nothing but what it must have."""
    least = [(EVENT_TYPES[name].TOPIC, w.least(name)) for name in EVENTS]
    bare = StateRecord(
        chain_id="c", seq=1, index=0, fold_version="1", taken_at=w.NOON, timeline="t",
        subject_type="LOT", subject_id="1", lifecycle=None, milestones=(), flags=(),
        holds_open=0, state_hash="",
    )  # fmt: skip
    for topic, message in [*w.samples(), *least, (STATE, bare)]:
        decoded = codec.canonically(topic, codec.encode(topic, message))
        assert decoded is not None and decoded.message == message, topic


def test_more_values_than_are_kept_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fast reader keeps of values is bounded, and forgetting is harmless."""
    kept = canonical._kept(
        "chain_id", str, validate.check(EVENT_TYPES["order.closed"], "chain_id", str)
    )
    kept.clear()
    monkeypatch.setattr(canonical, "_KEPT_MAX", 3)
    for number in (0, 1, 2, 3, 4, 0, 4):
        event = w.event("order.closed", chain_id=f"c{number}")
        decoded = codec.canonically(ORDERS, codec.encode(ORDERS, event))
        assert decoded is not None and decoded.message == event
        assert len(kept) <= 3
    long = w.event("order.closed", chain_id="c" * 200)
    assert codec.decode(ORDERS, codec.encode(ORDERS, long)).message == long
    assert all(len(raw) < 65 for raw in kept)


# ---- reading anything else: the two readers never disagree


seeds = st.integers(0, 2**32)


@settings(max_examples=150, deadline=None)
@given(any_message, seeds)
def test_other_spellings_are_for_the_strict_reader(given_: tuple[str, Struct], seed: int) -> None:
    """Padded integers, split arrays, wrong branches: accepted or refused as strictly read.

    What is accepted in another spelling has the content hash of ours. An event is taken by the fast
    reader exactly if its bytes are those that we would write.
    """
    topic, message = given_
    for rate in (0.005, 0.01, 0.02, 0.05, 0.2):
        value = wire(topic, w.Speller(seed, rate).body(topic, message))
        decoded = strict(topic, value)
        if isinstance(message, Event):
            judge(topic, value)
        elif (fast := codec.canonically(topic, value)) is not None:
            assert fast == decoded
            assert codec.encode(topic, fast.message) == value
        if decoded is not None:
            assert decoded.content_hash == codec.content_hash(topic, decoded.message)
            assert codec.decode(topic, value) == decoded


def damaged(body: bytes, other: bytes, chance: random.Random) -> bytes:
    """A body that is damaged in one to three places, or mixed with another."""
    for _ in range(chance.randrange(1, 4)):
        at, end = sorted(chance.randrange(len(body) + 1) for _ in range(2))
        one = body[at : at + 1]
        match chance.randrange(7):
            case 0 if one:
                body = body[:at] + bytes((one[0] ^ 1 << chance.randrange(8),)) + body[at + 1 :]
            case 1 if one:
                new = chance.choice((0, 1, 2, 3, 4, 127, 128, 129, 255))
                body = body[:at] + bytes((new,)) + body[at + 1 :]
            case 2:
                body = body[:at] + body[end:]
            case 3:
                body = body[:at]
            case 4:
                body = body[:at] + chance.randbytes(chance.randrange(1, 5)) + body[at:]
            case 5:
                body = body[:end] + body[at:]
            case _:
                body = body[:at] + other[end:]
    return body


@settings(max_examples=100, deadline=None)
@given(w.any_event, w.any_event, seeds)
def test_damaged_events_are_judged_as_strictly_read(event: Any, other: Any, seed: int) -> None:
    """Flipped bits, truncations, extra bytes, parts of another event: one verdict."""
    chance = random.Random(seed)
    body, part = codec.body(event.TOPIC, event), codec.body(other.TOPIC, other)
    for _ in range(30):
        judge(event.TOPIC, wire(event.TOPIC, damaged(body, part, chance)))


TYPES = ("order.placed", "customs.declared", "shipment.gate_in", "shipment.sensor",
         "shipment.available")  # fmt: skip


@pytest.mark.parametrize("what", [*TYPES, JOURNAL])
def test_every_truncation_and_every_flipped_bit_is_judged_alike(what: str) -> None:
    """One message of each kind of field, byte by byte and bit by bit."""
    topic = EVENT_TYPES[what].TOPIC if what in EVENT_TYPES else what
    value = codec.encode(topic, w.event(what) if what in EVENT_TYPES else w.sample(JournalEntry))
    for end in range(len(value)):
        assert judge(topic, value[:end]) is None
    for at in range(codec.HEADER_LEN, len(value)):
        for bit in range(8):
            changed = bytes((value[at] ^ 1 << bit,))
            judge(topic, value[:at] + changed + value[at + 1 :])


def test_a_negative_length_does_not_read_backwards() -> None:
    """Minus two: the next field would begin with the branch of this one, and end well."""
    lat = struct.unpack("<d", b"\x03" + struct.pack("<d", 22.5)[1:])[0]
    event = w.event("order.closed", lat=lat, facility=None)
    value = codec.encode(ORDERS, event)
    field = b"\0\x02" + struct.pack("<d", lat)
    assert value.count(field) == 1
    assert judge(ORDERS, value) is not None
    assert judge(ORDERS, value.replace(field, field[1:])) is None


def test_a_padded_time_of_eight_bytes_is_read_strictly() -> None:
    """In 1973 a time takes seven bytes: the eighth is a padding."""
    event = w.event("order.closed", event_time=10**14)
    value, ours = codec.encode(ORDERS, event), binary.long(10**14)
    padded = value.replace(ours, ours[:-1] + bytes((ours[-1] | 128, 0)))
    assert codec.canonically(ORDERS, padded) is None
    assert judge(ORDERS, padded) == judge(ORDERS, value)


def test_an_event_of_another_topic_is_refused_though_it_would_fit() -> None:
    """Orders have a reason too, but no cancelled declaration belongs there."""
    event = w.event("customs.cancelled")
    body = members.body_encoder(type(event), members.wire_order(ORDERS))(event)
    assert codec.canonically(ORDERS, wire(ORDERS, body)) is None
    with pytest.raises(RecordError, match=r"'customs.cancelled' is not an event type of supply"):
        codec.decode(ORDERS, wire(ORDERS, body))


DAY = dt.date(2026, 2, 28).toordinal() - dt.date(1970, 1, 1).toordinal()
TIME = binary.long(w.NOON)
REFS = (b"\x04", b"\x22CONSIGNMENT:ASN-8", b"\x14PO:4500012", b"\0")
HOLDS = b"\x02\x02\x08item\0"
SPELLINGS: dict[str, tuple[str, bytes, bytes, bool]] = {
    "padded length": ("order.closed", b"\x10event_id", b"\x90\x80\x00event_id", True),
    "padded time": ("order.closed", TIME, TIME[:-1] + bytes((TIME[-1] | 128, 0)), True),
    "time of 66 bits": ("order.closed", TIME, b"\xfe" + b"\xff" * 8 + b"\x03", False),
    "padded count": ("order.closed", b"".join(REFS), b"\x84\0" + b"".join(REFS[1:]), True),
    "two blocks": (
        "order.closed", b"".join(REFS), b"\x02" + REFS[1] + b"\x02" + REFS[2] + b"\0", True,
    ),
    "a block with its size": (
        "order.closed", b"".join(REFS), b"\x03\x3a" + REFS[1] + REFS[2] + b"\0", True,
    ),
    "a block with another size": (
        "order.closed", b"".join(REFS), b"\x03\x3c" + REFS[1] + REFS[2] + b"\0", False,
    ),
    "branch 2 of 2": ("order.closed", b"\x02\x10order_id", b"\x04\x10order_id", False),
    "branch -1": ("order.closed", b"\x02\x10order_id", b"\x01\x10order_id", False),
    "padded branch": ("order.closed", b"\x02\x10order_id", b"\x82\x00\x10order_id", False),
    "boolean byte 2": ("shipment.gate_in", b"\x02\x01\x00", b"\x02\x02\x00", False),
    "day of 33 bits": (
        "order.confirmed", b"\x02" + binary.long(DAY), b"\x02" + binary.long(DAY + 2**32), False,
    ),
    "no day at all": (
        "order.confirmed", b"\x02" + binary.long(DAY), b"\x02" + binary.long(2**30), False,
    ),
    "decimal with a leading zero": (
        "order.goods_ready", b"\x0c12.500", b"\x0e012.500", True,
    ),
    "decimal with an exponent": ("order.goods_ready", b"\x0c12.500", b"\x0c1.25E1", False),
    "not a number": (
        "order.closed", struct.pack("<d", 22.5), struct.pack("<d", float("nan")), False,
    ),
    "no list for an empty one": ("shipment.available", HOLDS, b"\0", True),
    "a foreign field": ("order.closed", b"\x02\x10order_id", b"\x02\x10order_id\x02\x02b", False),
    "a negative count": ("order.closed", b"".join(REFS), b"\x01\0", False),
    "time of the year 7000": ("order.closed", TIME, binary.long(TIME_MAX + 1), False),
    "no identity": ("order.closed", b"\x10event_id", b"\0", False),
    "a tenth of a cent": ("order.invoiced", b"\x0c120.50", b"\x0e120.505", False),
    "not UTF-8": ("order.closed", b"\x10event_id", b"\x10event_i\xff", False),
    "a chain of control": ("order.closed", b"\x10chain_id", b"\x10@hain_id", False),
    "no chain": ("order.closed", b"\x10chain_id", b"\0", False),
}  # fmt: skip


@pytest.mark.parametrize("case", SPELLINGS)
def test_a_spelling_that_is_not_ours_is_not_read_fast(case: str) -> None:
    """What Avro allows is accepted with our content hash, what it forbids is refused."""
    name, ours, theirs, accepted = SPELLINGS[case]
    event = w.event(name)
    value = codec.encode(event.TOPIC, event)
    at = value.index(ours)
    changed = value[:at] + theirs + value[at + len(ours) :]
    assert codec.canonically(event.TOPIC, changed) is None
    decoded = judge(event.TOPIC, changed)
    assert (decoded is not None) == accepted
    if decoded is not None:
        assert codec.decode(event.TOPIC, changed) == decoded
        assert decoded.content_hash == codec.content_hash(event.TOPIC, decoded.message)
    else:
        with pytest.raises(RecordError):
            codec.decode(event.TOPIC, changed)


NEIGHBOURS = {
    "the next record smuggled in": lambda one, other: one + other,
    "the next record with its header": lambda one, other: one + codec.header(ORDERS) + other,
    "its end missing": lambda one, other: one[:-8],
    "its end in the next record": lambda one, other: one[:-8] + other[:8],
    "two more bytes": lambda one, other: one + b"\0\0",
    "nothing": lambda one, other: b"",
    "garbage": lambda one, other: b"\xde\xad\xbe\xef" * 20,
}


@pytest.mark.parametrize("case", NEIGHBOURS)
def test_a_record_takes_nothing_from_its_neighbour(case: str) -> None:
    """A record ends where it ends: what is too short or too long is malformed."""
    one = codec.body(ORDERS, w.least("order.closed"))
    other = codec.body(ORDERS, w.least("order.closed", event_id="other"))
    value = wire(ORDERS, NEIGHBOURS[case](one, other))
    assert codec.canonically(ORDERS, value) is None
    with pytest.raises(RecordError) as caught:
        codec.decode(ORDERS, value)
    assert caught.value.code == Code.MALFORMED


@given(st.binary(max_size=60), st.sampled_from(avro.topics()))
def test_random_bytes_are_a_message_or_a_refusal(body: bytes, topic: str) -> None:
    """Behind any header nothing but a RecordError is raised, and the readers agree."""
    judge(topic, wire(topic, body))
    judge(topic, body)


def test_an_unknown_topic_or_header_is_named() -> None:
    """Neither way of reading takes what has no schema of ours."""
    value = codec.encode(ORDERS, w.least("order.closed"))
    for topic, given_ in (
        ("elsewhere", value),
        (CUSTOMS, value),
        (ORDERS, value[:9]),
        (ORDERS, b""),
    ):
        assert codec.canonically(topic, given_) is None
        with pytest.raises(RecordError) as caught:
            codec.decode(topic, given_)
        assert caught.value.code in {Code.UNKNOWN_SCHEMA, Code.MALFORMED}
