"""What strangers may send and must not be able to do: each case here has once stopped something."""

import json
from typing import Any

import msgspec
import pytest

from supplytwin.processors import simulate
from supplytwin.processors.reach import reached_by
from supplytwin.schemas import codec, terms, validate
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import ENVELOPE, EVENT_TYPES, WAREHOUSE
from supplytwin.schemas.flow import UNREADABLE, Input, Record
from supplytwin.schemas.ids import Micros, partition_of
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN
from supplytwin.schemas.records import CONTRACTS, CONTROL, QUARANTINE, Quarantined
from supplytwin.streams.drawing import Plain, folding
from supplytwin.streams.intake import Intake
from supplytwin.streams.kafka_records import headers_of
from supplytwin.streams.quarantine import KEY_BYTES, LARGEST, MARGIN, Limits, quarantined
from supplytwin.streams.testing import Driver, Gate

GOOD = list(simulate.chains(1, 3).messages)
CONTRACT: Any = next(one.body for one in GOOD if one.topic == CONTRACTS)
RECEIVED: Any = next(one.body for one in GOOD if one.topic == WAREHOUSE)
CLAIM, LINE = "terms.claims[0]", "terms.claims[0].lines[0]"
LONG = "x" * (validate.NAME_MAX + 1)


# ---- terms that could never be decided on


def changed(**changes: Any) -> bytes:
    """The good terms with one value changed, in canonical form."""
    found = json.loads(CONTRACT.terms)
    claim = found["claims"][0]
    for name, value in changes.items():
        place = next(one for one in (found, claim, claim["lines"][0]) if name in one)
        place[name] = value
    return msgspec.json.encode(found, order="sorted")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"zone": "Mars/Olympus"}, "terms.zone"),
        ({"zone": ""}, "terms.zone"),
        ({"currency": "XXX"}, "terms.currency"),
        ({"deadline": -(10**18)}, f"{CLAIM}.deadline"),
        ({"deadline": 10**40}, f"{CLAIM}.deadline"),
        ({"long_stop": 2**63 - 1}, "terms.long_stop"),
        ({"agreed_at": TIME_MIN - 1}, "terms.agreed_at"),
        ({"funding_deadline": TIME_MAX + 1}, "terms.funding_deadline"),
        ({"status_sla_us": 2**63 - 1}, "terms.status_sla_us"),
        ({"qty": "NaN"}, f"{LINE}.qty"),
        ({"qty": "sNaN"}, f"{LINE}.qty"),
        ({"qty": "Infinity"}, f"{LINE}.qty"),
        ({"qty": "1E+400"}, f"{LINE}.qty"),
        ({"qty": "0"}, f"{CLAIM}.lines"),
        ({"line_id": LONG}, f"{LINE}.line_id"),
        ({"consignment_id": ""}, f"{CLAIM}.consignment_id"),
        ({"warehouses": ["simulated:store", LONG]}, "terms.warehouses[1]"),
        ({"buyer": {"account": LONG, "name": "B", "org_id": "b"}}, "terms.buyer.account"),
        ({"amount_minor": 2**63, "cap_minor": 2**63}, "terms.cap_minor"),
    ],
    ids=str,
)
def test_terms_that_no_cut_could_decide_are_refused(changes: dict[str, Any], field: str) -> None:
    """Taken, they would hold the buyer's money for ever: the condition would raise at every cut."""
    assert terms.decode(changed()) == terms.decode(CONTRACT.terms)
    with pytest.raises(RecordError) as caught:
        terms.decode(changed(**changes))
    assert (caught.value.code, caught.value.field) == (Code.BAD_TERMS, field)


@pytest.mark.parametrize(
    "text",
    [b"", b"[" * 100_000, b'{"x":' + b"[" * 100_000, b'{"contract_id":"\xff"}', b'{"version":NaN}'],
    ids=["empty", "array", "deep", "not UTF-8", "NaN"],
)
def test_terms_that_are_no_json_of_ours_are_refused(text: bytes) -> None:
    """Whatever the JSON reader raises, it is the contract's fault and not a defect of ours."""
    with pytest.raises(RecordError) as caught:
        terms.decode(text)
    assert (caught.value.code, caught.value.field) == (Code.BAD_TERMS, "terms")


# ---- identifiers have a length, and a record has a bounded cost


@pytest.mark.parametrize("name", ["event_id", "source", "subject_id"])
def test_an_identifier_has_at_most_500_characters(name: str) -> None:
    """Keys, evidence and reasons are made of it: the longest passes, one more does not."""
    longest = msgspec.structs.replace(RECEIVED, **{name: LONG[1:]})
    codec.decode(WAREHOUSE, codec.encode(WAREHOUSE, longest))
    for wrong in (LONG, ""):
        message = msgspec.structs.replace(RECEIVED, **{name: wrong})
        with pytest.raises(RecordError, match="1 to 500 characters") as caught:
            codec.decode(WAREHOUSE, codec.encode(WAREHOUSE, message))
        assert (caught.value.code, caught.value.field) == (Code.BAD_VALUE, name)


def test_an_event_has_at_most_1000_refs_of_500_characters() -> None:
    """Each may be a subject to fold and a key to write."""
    many = [f"LOT:{number}" for number in range(validate.REFS_MAX + 1)]
    for refs, field in ((many, "refs"), (["LOT:1", f"LOT:{LONG}"], "refs[1]")):
        message = msgspec.structs.replace(RECEIVED, refs=tuple(refs))
        with pytest.raises(RecordError, match="at most") as caught:
            codec.decode(WAREHOUSE, codec.encode(WAREHOUSE, message))
        assert caught.value.field == field
    codec.decode(
        WAREHOUSE, codec.encode(WAREHOUSE, msgspec.structs.replace(RECEIVED, refs=tuple(many[1:])))
    )


@pytest.mark.parametrize(
    ("kind", "name", "others"),
    [
        ("wh.packed", "children", {"hu_id": "P"}),
        ("wh.dispatched", "hu_ids", {"consignment_id": "A"}),
        ("shipment.booked", "legs", {"booking_ref": "B", "carrier": "C"}),
    ],
)
def test_a_payload_names_at_most_1000_subjects(kind: str, name: str, others: Any) -> None:
    """What a payload names is folded like a ref: as many and as long, and no more."""
    made = EVENT_TYPES[kind]
    envelope = {one: getattr(RECEIVED, one) for one in ENVELOPE} | {"event_type": kind}
    tail = ";SEA;CNSZX;NLRTM" if name == "legs" else ""
    many = [f"{number}{tail}" for number in range(validate.REFS_MAX + 1)]

    def decode(values: list[str]) -> Any:
        message: Any = made(**envelope, **others, **{name: tuple(values)})
        return codec.decode(made.TOPIC, codec.encode(made.TOPIC, message)).message

    assert len(getattr(decode(many[1:]), name)) == validate.REFS_MAX
    for wrong, field in ((many, name), ([f"1{tail}", LONG], f"{name}[1]")):
        with pytest.raises(RecordError) as caught:
            decode(wrong)
        assert (caught.value.code, caught.value.field) == (Code.BAD_VALUE, field)


@pytest.mark.parametrize(("about", "others"), [("CONSIGNMENT", 39), ("EQUIPMENT_TRIP", 40)])
def test_a_booking_names_at_most_1000_legs(about: str, others: int) -> None:
    """Every leg of every consignment is a subject: 25 legs of 40 consignments pass, of 41 do not,
    unless the booking names a leg itself."""
    made = EVENT_TYPES["shipment.booked"]
    envelope = {one: getattr(RECEIVED, one) for one in ENVELOPE}
    envelope |= {"event_type": made.TYPE, "subject_type": about, "facility": None}

    def decode(consignments: int, *more: str) -> Any:
        message: Any = made(
            **envelope | {"refs": (*(f"CONSIGNMENT:{n}" for n in range(consignments)), *more)},
            booking_ref="B", carrier="C", legs=tuple(f"{n};SEA;CNSZX;NLRTM" for n in range(25)),
        )  # fmt: skip
        return codec.decode(made.TOPIC, codec.encode(made.TOPIC, message)).message

    named = {key for key in reached_by(decode(others)) if key.subject_type == "LEG"}
    assert len(named) == validate.REFS_MAX
    with pytest.raises(RecordError, match=r"legs times consignments.*are 1025") as caught:
        decode(others + 1)
    assert (caught.value.code, caught.value.field) == (Code.BAD_VALUE, "refs")
    decode(others + 1, "LEG:1/1")


# ---- what only the record shows


def taken(**changes: Any) -> Input | RecordError:
    """What the intake makes of the good record with something changed."""
    key = RECEIVED.chain_id.encode()
    fields: dict[str, Any] = {
        "topic": WAREHOUSE, "partition": partition_of(changes.get("key") or key, 3), "offset": 0,
        "arrival": RECEIVED.recorded_time, "key": key, "value": codec.encode(WAREHOUSE, RECEIVED),
        **changes,
    }  # fmt: skip
    return Intake()([Record(**fields)], 3)[0]


def test_a_key_is_compared_as_bytes() -> None:
    """A key that only looks like the chain id once it is text would lie in another partition."""
    lookalike = msgspec.structs.replace(RECEIVED, chain_id="\ufffd")
    value = codec.encode(WAREHOUSE, lookalike)
    right, wrong = taken(key=b"\xef\xbf\xbd", value=value), taken(key=b"\xff", value=value)
    assert isinstance(right, Input)
    assert isinstance(wrong, RecordError)
    assert (wrong.code, wrong.field) == (Code.MISPLACED, "chain_id")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"headers": UNREADABLE}, Code.MALFORMED, "headers"),
        ({"arrival": 2**62 * 1000}, Code.BAD_VALUE, "arrival"),
        ({"arrival": TIME_MIN - 1}, Code.BAD_VALUE, "arrival"),
        ({"key": b"k" * 256, "partition": 0}, Code.MISPLACED, "key"),
        ({"key": None}, Code.MISPLACED, "key"),
        ({"topic": CONTROL, "key": None}, Code.MISPLACED, "key"),
        ({"value": None}, Code.UNKNOWN_SCHEMA, ""),
    ],
    ids=str,
)
def test_what_cannot_be_written_down_is_not_taken(
    changes: dict[str, Any], code: Code, field: str
) -> None:
    """Headers and times that no journal entry can hold, keys that are no chain's."""
    assert isinstance(taken(), Input)
    found = taken(**changes)
    assert isinstance(found, RecordError)
    assert (found.code, found.field) == (code, field)


def test_headers_that_the_client_cannot_give_are_marked() -> None:
    """A name that is not UTF-8 makes the client fail; the record still arrives, marked."""

    class Message:
        def __init__(self, found: Any) -> None:
            self.found = found

        def headers(self) -> Any:
            if isinstance(self.found, Exception):
                raise self.found
            return self.found

    failure = SystemError("returned a result with an exception set")
    for found, expected in (
        (None, ()),
        ([], ()),
        ([("a", None), ("a", b"1")], (("a", None), ("a", b"1"))),
        (failure, UNREADABLE),
    ):
        message: Any = Message(found)
        assert headers_of(message) == expected


# ---- the quarantine takes everything


@pytest.mark.parametrize(
    ("arrival", "key"), [(2**62 * 1000, b"k"), (-(2**62) * 1000, None), (1, bytes(3 * LARGEST))]
)
def test_the_quarantine_record_of_an_impossible_record_can_be_written(
    arrival: int, key: bytes | None
) -> None:
    """A time beyond 64 bits becomes the nearest of ours, a key of megabytes its beginning."""
    record = Record(
        topic=WAREHOUSE, partition=1, offset=2, arrival=arrival, key=key, value=b"v", headers=()
    )
    kafka_key, value = quarantined(record, RecordError(Code.MALFORMED, "", "bad"), Limits())
    assert len(kafka_key or b"") + len(value) <= LARGEST - MARGIN
    found = codec.decode(QUARANTINE, value).message
    assert isinstance(found, Quarantined)
    assert found.arrival == Micros(min(max(arrival, TIME_MIN), TIME_MAX))
    assert found.key == (None if key is None else key[:KEY_BYTES])
    assert found.size == 1


def test_a_bad_control_record_behind_an_unhandled_tick_is_refused_once() -> None:
    """The tick's offset is not committed, so both are read again: one quarantine record."""
    driver = Driver(Gate())
    other = driver.broker.producer("stranger")
    other.init(1.0)
    other.begin()
    other.produce("papers", b"k", b'{"id":"n","says":"note"}', partition=0)
    driver.tick(60)
    driver.send(CONTROL, "@p0", b"garbage", partition=0)
    driver.tick(70)
    driver.settle()
    driver.worker.close()
    driver.restart()
    driver.settle()
    other.commit()
    driver.settle()
    driver.worker.close()
    driver.restart()
    driver.settle()
    assert [(one.topic, one.offset) for one in driver.quarantine()] == [(CONTROL, 2)]
    assert driver.committed() == driver.broker.admin().ends(driver.inputs(), "read_uncommitted")


# ---- the terminal


def test_strangers_text_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """Mark-up and emoji codes stay text, control characters are spelt out, in tables too."""
    console = Plain()
    console.print("[/red] :bomb: \x1b[2J\0\u202e", style="bold")
    drawn = folding("column")
    drawn.add_row("[/bold]\x07")
    console.print(drawn)
    said = capsys.readouterr().out
    assert "[/red] :bomb: \\x1b[2J\\x00\\u202e" in said
    assert "[/bold]\\x07" in said
