"""The SCMS deliveries as messages: every total that the file gives is found again in them."""

import csv
import datetime as dt
import importlib.resources
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from supplytwin.processors import scms
from supplytwin.processors.twin import check_arrival
from supplytwin.schemas import codec
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import CONTRACTS, Contract
from supplytwin.schemas.terms import ClaimTerms, Terms, decode

FileRow = dict[str, str]
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


def date(row: FileRow, what: str) -> dt.date:
    day, month, year = row[what].split("-")
    return dt.date(2000 + int(year), MONTHS.index(month) // 4 + 1, int(day))


def scheduled(row: FileRow) -> dt.date:
    return date(row, "scheduled delivery date")


def delivered(row: FileRow) -> dt.date:
    return date(row, "delivered to client date")


def recorded(row: FileRow) -> dt.date:
    return date(row, "delivery recorded date")


def day_of(micros: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=micros // DAY_US)


@pytest.fixture(scope="module")
def table() -> list[FileRow]:
    """The shipped file through the csv module alone."""
    path = importlib.resources.files("supplytwin.schemas").joinpath(scms_file.SHIPPED)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return scms.timeline(scms_file.read())


@pytest.fixture(scope="module")
def by_type(messages: list[Message]) -> dict[str, list[Any]]:
    """The events, by type, in the order of arrival."""
    found: dict[str, list[Any]] = defaultdict(list)
    for message in messages:
        if isinstance(message.body, Event):
            found[message.body.event_type].append(message.body)
    return found


@pytest.fixture(scope="module")
def terms(messages: list[Message]) -> dict[str, Terms]:
    """The terms of every contract, decoded and checked as the engine does."""
    return {
        message.key: decode(message.body.terms)
        for message in messages
        if isinstance(message.body, Contract)
    }


def claims(terms: dict[str, Terms]) -> Iterator[ClaimTerms]:
    return (claim for one in terms.values() for claim in one.claims)


# ---- how many of what


def test_messages_by_kind(messages: list[Message], by_type: dict[str, list[Any]]) -> None:
    """Four events a line, five a consignment, one contract an order."""
    assert {kind: len(found) for kind, found in by_type.items()} == {
        "order.placed": 10_324, "shipment.arrived": 10_324, "shipment.delivered": 10_324,
        "wh.received": 10_324, "customs.declared": 7_030, "customs.accepted": 7_030,
        "customs.duty_assessed": 7_030, "customs.duty_paid": 7_030, "customs.released": 7_030,
    }  # fmt: skip
    assert sum(message.topic == CONTRACTS for message in messages) == 6_233
    assert len({message.key for message in messages}) == 6_233


def test_identities_are_unique(by_type: dict[str, list[Any]]) -> None:
    """No two events share source and event id."""
    found = [(event.source, event.event_id) for events in by_type.values() for event in events]
    assert len(set(found)) == len(found)


def test_orders_and_consignments(terms: dict[str, Terms], by_type: dict[str, list[Any]]) -> None:
    """Of 7,030 claims 1,450 have several lines and 880 several sites; 389 orders have several."""
    assert sum(1 for _ in claims(terms)) == 7_030
    assert sum(len(one.claims) > 1 for one in terms.values()) == 389
    assert sum(len(claim.lines) > 1 for claim in claims(terms)) == 1_450
    sites = defaultdict(set)
    for event in by_type["shipment.delivered"]:
        sites[event.consignment_id].add(event.from_place)
    assert sum(len(names) > 1 for names in sites.values()) == 880


def test_late_lines_by_mode(by_type: dict[str, list[Any]]) -> None:
    """1,186 lines are delivered after their schedule; the modes are the source's own words."""
    planned = {event.subject_id: event.event_time for event in by_type["shipment.arrived"]}
    late: Counter[str | None] = Counter()
    every: Counter[str | None] = Counter()
    late_consignments = set()
    for event in by_type["shipment.delivered"]:
        every[event.mode_detail] += 1
        if event.event_time > planned[event.subject_id]:
            late[event.mode_detail] += 1
            late_consignments.add(event.consignment_id)
    assert sum(late.values()) == 1_186
    assert len(late_consignments) == 805
    assert {mode: (late[mode], every[mode]) for mode in every} == {
        "Air": (587, 6_113), "Truck": (455, 2_830), "Air Charter": (75, 650),
        "Ocean": (65, 371), None: (4, 360),
    }  # fmt: skip


# ---- what each event says


def test_every_event_is_a_day_of_its_line(
    by_type: dict[str, list[Any]], table: list[FileRow]
) -> None:
    """Schedule, delivery and receipt stand at the file's dates, at precision DAY in UTC."""
    rows = {row["id"]: row for row in table}
    for kind, what in (
        ("shipment.arrived", scheduled),
        ("shipment.delivered", delivered),
        ("wh.received", delivered),
    ):
        for event in by_type[kind]:
            row = rows[event.subject_id]
            assert day_of(event.event_time) == what(row)
            assert (event.time_precision, event.event_tz) == ("DAY", "+00:00")
            assert event.chain_id == row["po / so #"]
            assert f"CONSIGNMENT:{row['asn/dn #']}" in event.refs
    assert {event.classifier for event in by_type["shipment.arrived"]} == {"PLANNED"}
    assert {event.classifier for event in by_type["shipment.delivered"]} == {"ACTUAL"}


def test_deliveries_arrive_at_their_recording_date(
    messages: list[Message], table: list[FileRow]
) -> None:
    """Delivery and receipt become known on the day that the file says, however late that is."""
    rows = {row["id"]: row for row in table}
    for message in messages:
        event: Any = message.body
        if message.topic != CONTRACTS and event.event_type in ("shipment.delivered", "wh.received"):
            assert day_of(message.arrival) == recorded(rows[event.subject_id])


def test_order_dates_that_are_inferred_say_so(
    by_type: dict[str, list[Any]], table: list[FileRow]
) -> None:
    """5,732 lines have an order date of another source, the earliest date of their order."""
    earliest: dict[str, dt.date] = {}
    for row in table:
        found = min(scheduled(row), delivered(row), recorded(row))
        order = row["po / so #"]
        earliest[order] = min(found, earliest.get(order, found))
    sources = Counter(event.source for event in by_type["order.placed"])
    assert sources == {"inferred:scms": 5_732, "scms": 10_324 - 5_732}
    for event in by_type["order.placed"]:
        if event.source == "inferred:scms":
            assert day_of(event.event_time) == earliest[event.chain_id]


def test_the_complement_is_marked(by_type: dict[str, list[Any]], messages: list[Message]) -> None:
    """What the file does not have comes from a source simulated:…, and nothing else does."""
    for kind, events in by_type.items():
        complement = kind.startswith(("customs.", "wh."))
        assert all(event.source.startswith("simulated:") == complement for event in events)
    contracts = [message.body for message in messages if isinstance(message.body, Contract)]
    assert all(contract.source.startswith("simulated:") for contract in contracts)


def test_masses_are_own_or_included_or_unknown(by_type: dict[str, list[Any]]) -> None:
    """No delivery says zero, none says both, and a third says neither a mass nor where it is."""
    found = by_type["shipment.delivered"]
    assert sum(event.mass_kg is not None for event in found) == 6_371
    assert sum(event.mass_included_in is not None for event in found) == 2_319
    assert all(event.mass_kg is None or event.mass_kg > 0 for event in found)
    assert not [e for e in found if e.mass_kg is not None and e.mass_included_in is not None]


def test_prices_and_quantities(by_type: dict[str, list[Any]], table: list[FileRow]) -> None:
    """Quantity, price and Incoterm of an order line are the file's; no place of it is made up."""
    rows = {row["id"]: row for row in table}
    for event in by_type["order.placed"]:
        row, (line,) = rows[event.subject_id], event.order_lines
        assert (line.line_id, line.qty) == (row["id"], Decimal(row["line item quantity"]))
        assert line.unit_price == Decimal(row["pack price"])
        assert event.incoterm in (row["vendor inco term"], None)
        assert event.incoterm_place is None
        assert (event.currency, event.seller) == ("USD", row["vendor"])


# ---- the order in which things become known


def test_arrival_is_the_order_and_the_same_every_time(messages: list[Message]) -> None:
    """Sorted by arrival, in whole ms; a second run gives equal messages."""
    arrivals = [message.arrival for message in messages]
    assert arrivals == sorted(arrivals)
    assert all(arrival % 1000 == 0 for arrival in arrivals)
    rows = scms_file.read()
    assert scms.timeline(rows[:300]) == scms.timeline(list(rows[:300]))


def test_the_contract_is_known_before_what_it_pays_for(messages: list[Message]) -> None:
    """No fact of a chain arrives before its contract; of one day's the proofs come last."""
    seen = set()
    known: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        if message.topic == CONTRACTS:
            seen.add(message.key)
            continue
        assert message.key in seen
        event: Any = message.body
        for ref in event.refs:
            if ref.startswith("CONSIGNMENT:"):
                known[ref].append(event.event_type)
    customs = [
        "customs.declared", "customs.accepted", "customs.duty_assessed", "customs.duty_paid",
        "customs.released",
    ]  # fmt: skip
    for told in known.values():
        assert [kind for kind in told if kind.startswith("customs.")] == customs
        assert told.index("customs.released") < told.index("wh.received")


def test_nothing_is_too_far_ahead_to_be_taken(messages: list[Message]) -> None:
    """Three lines are recorded a day before they happen; the engine takes every one of them."""
    ahead = set()
    for message in messages:
        if isinstance(message.body, Event):
            check_arrival(message.body, message.arrival)
            event = message.body
            if event.event_type == "shipment.delivered" and event.event_time > message.arrival:
                ahead.add(event.subject_id)
    assert ahead == {"29140", "57447", "72832"}


def test_what_is_odd_is_told_as_it_is(by_type: dict[str, list[Any]]) -> None:
    """Five lines are ordered after their delivery; ten consignments have two schedules."""
    placed = {event.subject_id: event for event in by_type["order.placed"]}
    after = {
        event.subject_id
        for event in by_type["shipment.delivered"]
        if placed[event.subject_id].event_time > event.event_time
    }
    assert after == {"4190", "4432", "13148", "25539", "52710"}
    schedules = defaultdict(set)
    for event in by_type["shipment.arrived"]:
        schedules[event.refs[0]].add(event.event_time)
    assert sum(len(times) > 1 for times in schedules.values()) == 10


def test_messages_pass_the_codec(messages: list[Message]) -> None:
    """Encoded and read again strictly, a sample of every kind is the same."""
    for message in messages[:400] + messages[40_000:40_400] + messages[-400:]:
        wire = codec.encode(message.topic, message.body)
        assert codec.decode(message.topic, wire).message == message.body


# ---- the contracts


def test_terms_follow_the_lines(terms: dict[str, Terms], table: list[FileRow]) -> None:
    """Amount, lines, deadline, grace and the other dates of every claim, from the file alone."""
    parcels: dict[str, list[FileRow]] = defaultdict(list)
    for row in table:
        parcels[row["asn/dn #"]].append(row)
    for one in terms.values():
        closes = []
        for claim in one.claims:
            rows = parcels[claim.consignment_id]
            assert {row["po / so #"] for row in rows} == {one.chain_id}
            value = sum(Decimal(row["line item value"]) for row in rows)
            assert claim.amount_minor == value * 100
            assert {line.line_id: line.qty for line in claim.lines} == {
                row["id"]: Decimal(row["line item quantity"]) for row in rows
            }
            last = max(map(scheduled, rows)) + dt.timedelta(days=30)
            assert day_of(claim.deadline) == last
            assert day_of(claim.deadline + 1) == last + dt.timedelta(days=1)
            assert claim.grace_us == 30 * DAY_US
            closes.append(claim.deadline + claim.grace_us)
        assert one.funding_deadline - one.agreed_at == 28 * DAY_US
        assert one.long_stop == max(closes) + 180 * DAY_US
        assert (one.on_false, one.currency) == ("EXPIRE", "USD")


def test_fifteen_claims_are_worth_nothing(terms: dict[str, Terms]) -> None:
    """15 consignments have no value: to be closed without an instruction."""
    assert sum(claim.amount_minor == 0 for claim in claims(terms)) == 15


def test_how_many_claims_must_expire(
    table: list[FileRow], terms: dict[str, Terms], messages: list[Message]
) -> None:
    """177 of 7,030 consignments miss deadline or grace, counted twice: from file and messages.

    Two of them are worth nothing: 175 claims expire, 15 close, 6,840 come true.
    """
    parcels: dict[str, list[FileRow]] = defaultdict(list)
    for row in table:
        parcels[row["asn/dn #"]].append(row)
    missed = set()
    for name, rows in parcels.items():
        deadline = max(map(scheduled, rows)) + dt.timedelta(days=30)
        close = deadline + dt.timedelta(days=30)
        if any(delivered(row) > deadline or recorded(row) > close for row in rows):
            missed.add(name)
    assert len(missed) == 177

    last: dict[str, tuple[int, int]] = {}
    for message in messages:
        event: Any = message.body
        if message.topic != CONTRACTS and event.event_type in ("wh.received", "customs.released"):
            name = event.refs[0].removeprefix("CONSIGNMENT:")
            happened, arrived = last.get(name, (0, 0))
            last[name] = max(happened, event.event_time), max(arrived, message.arrival)
    in_messages = {
        claim.consignment_id
        for claim in claims(terms)
        if last[claim.consignment_id][0] > claim.deadline
        or last[claim.consignment_id][1] > claim.deadline + claim.grace_us
    }
    assert in_messages == missed
    paid = {claim.consignment_id for claim in claims(terms) if claim.amount_minor}
    assert (len(missed & paid), len(paid - missed)) == (175, 6_840)


def test_the_warehouse_is_the_one_of_the_terms(
    by_type: dict[str, list[Any]], terms: dict[str, Terms]
) -> None:
    """Every receipt is in a warehouse that the contract names, and is of the line that it names."""
    for event in by_type["wh.received"]:
        assert event.facility in terms[event.chain_id].warehouses
        assert event.subject_type == "LOT"
        assert event.line_id == event.subject_id
        assert f"ORDER_LINE:{event.subject_id}" in event.refs
