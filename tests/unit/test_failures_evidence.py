"""The failure catalogue of the settlement reference, what is told wrongly, twice, late or never:
rows 1 to 11, 18 to 20, 31 and 32, each over signed full terms through the real fold.

Rows about payments and terms: `test_failures_payments`. Which row is where:
`test_failure_catalogue`.
"""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from contract_world import example
from failure_world import (
    ARRIVAL,
    ARRIVAL_MINOR,
    EXPORT,
    EXPORT_MINOR,
    RELEASE,
    WARRANTY,
    Failures,
    at_the_door,
    consignments,
    exported,
    freed,
    funded,
    instructed,
    matched,
    permit_free_conditions,
    received,
    settled,
)
from msgspec.structs import replace
from settlement_full_world import CONSIGNMENT, LINE, a_year_ago, day
from settlement_world import event
from signed_fold_world import sealed
from signed_world import secret_of

from supplytwin.processors import epcis
from supplytwin.processors.feeds import Given
from supplytwin.processors.keys import Act, Compromised, Key, KeyRecord
from supplytwin.schemas import codec, signing
from supplytwin.schemas.contract import encode, terms_hash
from supplytwin.schemas.ids import DAY_US, SECOND_US
from supplytwin.schemas.records import CONTRACTS, INSTRUCTIONS, SETTLEMENT_EVENTS, Contract


@pytest.fixture
def free_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms that no template made are taken."""
    permit_free_conditions(monkeypatch)


MS = 1_000
DEADLINE = 51 * DAY_US - SECOND_US + day(0)
"""Of consignment K1: 2026-01-20T23:59:59 in Shanghai."""
CLOSE = DEADLINE + 2 * DAY_US


def test_row_01_an_exact_duplicate_changes_nothing() -> None:
    """The same facts again, all bytes alike: no entry, the same canonical state, one payment; they
    are counted.
    """
    world = exported()
    made: list[Any] = []
    real = world.send

    def remembered(message: Any, *args: Any, **options: Any) -> None:
        made.append(message)
        real(message, *args, **options)

    world.send = remembered  # type: ignore[method-assign]
    world.cleared()
    world.received()
    world.send = real  # type: ignore[method-assign]
    entries, before = len(world.entries()), world.hash()
    for later, message in enumerate(made * 3):
        world.send(message, at=day(63.5) + later)
    assert world.hash() == before
    assert len(world.entries()) == entries
    assert world.counted("duplicates") == 3 * len(made) == 15
    for tick in (64, 65, 66):
        world.tick(day(tick))
        for message in made:
            world.send(message, at=day(tick))
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()


def test_row_02_one_id_with_two_contents_holds_the_contract() -> None:
    """Neither the first nor the last counts: the claim that it bears on is held with the conflict
    as its reason, and the rest waits for that one; nothing is sent. A higher revision and a review,
    and it is paid.
    """
    world = matched()
    two = another_content(world)
    world.send(two, at=day(64.2))
    assert any("CONFLICT" in code for code in world.codes())
    for tick in (64.5, 65, 66, 70):
        world.tick(day(tick))
        assert world.states() == ["SETTLED", "HELD", "RESERVED"]
    assert world.last(ARRIVAL) == (12, "MATCHED", "HELD")
    assert world.events(ARRIVAL)[-1].evidence_ids == ("erp-buyer/accepted",)
    assert world.public()[ARRIVAL] == "held for review"
    (adverse,) = world.now(ARRIVAL).adverse_ids
    assert adverse.startswith("erp-buyer/accepted~")
    assert world.sent("PAY", ARRIVAL) == []
    world.send(replace(two, revision=2, accepted_qty=Decimal(1200), rejected_qty=Decimal(0)),
               at=day(70.5))  # fmt: skip
    world.tick(day(71))
    assert world.sent("PAY", ARRIVAL) == []
    world.review("RELEASE", ARRIVAL, 71.1, evidence_hash=world.now(ARRIVAL).evidence_hash)
    world.tick(day(71.2))
    world.tick(day(72.3))
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()


@pytest.mark.parametrize(
    ("state", "row", "then"),
    [("INSTRUCTED", 28, "CANCEL_PENDING"), ("ACCEPTED", 28, "CANCEL_PENDING"),
     ("SETTLED", 32, "SETTLED")],
)  # fmt: skip
def test_row_02_two_contents_under_way_are_recalled_or_claimed(
    state: str, row: int, then: str
) -> None:
    """As any contrary evidence: never another payment, never a silent return."""
    world = WAYS[state]()
    world.send(another_content(world), at=day(65.11))
    world.tick(day(65.12))
    assert world.last(ARRIVAL) == (row, state, then)
    assert world.events(ARRIVAL)[-1].evidence_ids == ("erp-buyer/accepted",)
    assert len(world.sent("RECALL", ARRIVAL)) == (row == 28)
    world.tick(day(66))
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()


def another_content(world: Failures) -> Any:
    """The buyer has accepted 1,199 pieces, under the id by which it has accepted 1,200."""
    return event("order.accepted", LINE, "accepted", day(63), source="erp-buyer",
                 chain_id=world.chain, line_ids=("1",), accepted_qty=Decimal(1199),
                 rejected_qty=Decimal(1), refs=(CONSIGNMENT,))  # fmt: skip


def test_row_03_the_same_fact_under_another_id_counts_once_toward_k() -> None:
    """The warehouse says five times what it has said: that is one organisation in one role, and two
    are asked for. The tracker is the second one.
    """
    world = exported()
    world.cleared()
    arrival = {"lot_id": "L", "sku": "ROUTER-AX", "qty": Decimal(1200), "uom": "EA",
               "facility": "JAFZA-7", "refs": (CONSIGNMENT, LINE)}  # fmt: skip
    for again in range(5):
        world.fact("wh.received", "LOT:L", f"received {again}", 62, "wms-jafza", **arrival)
    world.fact("order.accepted", LINE, "accepted", 63, "erp-buyer", line_ids=("1",),
               accepted_qty=Decimal(1200), rejected_qty=Decimal(0),
               refs=(CONSIGNMENT,))  # fmt: skip
    world.tick(day(64))
    world.tick(day(66))
    (warehouse,) = [one for one in world.now(ARRIVAL).leaves if "all[1]" in one.name]
    assert (world.states()[ARRIVAL], warehouse.value) == ("RESERVED", "UNKNOWN")
    assert world.sent("PAY", ARRIVAL) == []
    delivered = event("shipment.delivered", CONSIGNMENT, "delivered", day(62), source="tracker",
                      chain_id=world.chain, consignment_id="ASN-1", receiver="r",
                      facility="JAFZA-7", refs=(LINE,))  # fmt: skip
    world.send(delivered, at=day(66.5))
    world.tick(day(67))
    assert world.states()[ARRIVAL] == "MATCHED"
    world.tick(day(68))
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()


def test_row_04_topics_in_any_order_give_one_twin_and_one_payment() -> None:
    """Facts of four topics in twelve orders: the same canonical state, the same evidence, the same
    transitions of the claim, one payment of the same amount.
    """
    facts: list[Callable[[Failures], Any]] = [
        lambda world: world.declared("I-1", "IMPORT", 60, "customs-ae"),
        lambda world: world.fact("customs.cleared", "DECLARATION:I-1", "cleared", 61,
                                 "customs-ae", entry_id="E", refs=(CONSIGNMENT,)),
        lambda world: world.received(),
        lambda world: world.fact("shipment.exception", CONSIGNMENT, "late", 50, "tracker",
                                 exception_code="DAMAGED", text="a storm"),
    ]  # fmt: skip
    chance, found = random.Random(4), set()
    for _ in range(12):
        world = exported()
        chance.shuffle(facts)
        for tell in facts:
            tell(world)
        world.tick(day(64))
        evidence = world.now(ARRIVAL).evidence_hash
        world.tick(day(65))
        moves = tuple((one.row, one.evidence_ids) for one in world.events(ARRIVAL))
        found.add((world.hash(), evidence, moves, tuple(world.paid())))
        assert world.is_sound()
    ((_, _, moves, paid),) = found
    assert [row for row, _ in moves] == [1, 2, 7, 11, 21]
    assert paid == (EXPORT_MINOR, ARRIVAL_MINOR)


def test_row_05_evidence_before_the_contract_waits_for_it() -> None:
    """The twin has it, without a contract nothing is sent; when the contract comes, it counts as if
    it had come later.
    """
    world = Failures(agreed=False)
    world.export()
    world.tick(day(3))
    assert len(world.facts()) == 2
    assert world.read(INSTRUCTIONS) == world.events() == []
    world.agree()
    assert world.states() == ["CREATED", "CREATED", "CREATED"]
    world.answer("RESERVE", "CONFIRMED", 3.5)
    world.tick(day(4))
    assert world.states()[EXPORT] == "INSTRUCTED"
    assert world.sent("PAY", EXPORT) == [EXPORT_MINOR]
    assert set(world.events(EXPORT)[-1].evidence_ids) >= {
        "erp-seller/invoice", "customs-cn/declared X-1",
    }  # fmt: skip
    assert world.is_sound()


def arrives(world: Failures, happened: int, arrival: int) -> None:
    """K1 is in the warehouse: when that was, and when it is told."""
    made = event("wh.received", "LOT:L1", "received 1", happened, source="wms-jafza",
                 chain_id=world.chain, lot_id="L1", sku="SWITCH-24", qty=Decimal(200), uom="EA",
                 facility="JAFZA-7", refs=("CONSIGNMENT:K1", "ORDER_LINE:1"))  # fmt: skip
    world.send(made, at=arrival)


def test_row_06_late_but_in_time_counts() -> None:
    """It happened at the deadline itself and arrives when the grace ends: paid."""
    world = consignments()
    freed(world, 1, 40)
    world.tick(DEADLINE + DAY_US)
    assert world.states()[0] == "RESERVED"
    arrives(world, DEADLINE, CLOSE)
    world.tick(CLOSE)
    assert world.states()[0] == "INSTRUCTED"
    assert world.sent("PAY", 0) == [9_600_000]
    assert world.is_sound()


@pytest.mark.parametrize(
    ("happened", "arrival"), [(DEADLINE, CLOSE + MS), (DEADLINE + SECOND_US, DEADLINE + DAY_US)]
)
def test_row_07_what_is_late_beyond_grace_pays_nothing(happened: int, arrival: int) -> None:
    """Told a millisecond after the grace, or of a second after the deadline: expired at the first
    cut behind it, the hold goes back to the buyer. What comes then is kept, and moves nothing.
    """
    world = consignments()
    freed(world, 1, 40)
    arrives(world, happened, arrival)
    world.tick(CLOSE)
    assert world.states()[0] == "RESERVED"
    world.tick(CLOSE + 2 * MS)
    assert world.last(0) == (8, "RESERVED", "EXPIRED")
    assert world.public()[0] == "expired"
    assert (world.sent("PAY", 0), world.sent("RELEASE", 0)) == ([], [9_600_000])
    assert world.claim(0).accounts.reserved == 0
    world.answer("RELEASE", "RELEASED", 54)
    facts, moves = len(world.facts()), len(world.events(0))
    received(world, 1, "200", 60)
    world.tick(day(61))
    world.tick(day(70))
    assert len(world.facts()) == facts + 1
    assert (world.states()[0], len(world.events(0)), world.sent("PAY", 0)) == ("EXPIRED", moves, [])
    assert world.is_sound()


def test_row_07_an_amendment_alone_may_pay_it_after_all() -> None:
    """The same claim with a later deadline stays expired; another claim for the same goods, signed
    by all, has a hold of its own and is paid, once.
    """
    for again, name, states in (
        (False, "K1", ["EXPIRED", "RESERVED"]),
        (True, "K1B", ["INSTRUCTED", "RESERVED", "EXPIRED"]),
    ):
        world = consignments()
        freed(world, 1, 40)
        world.tick(CLOSE + 1)
        world.answer("RELEASE", "RELEASED", 54)
        received(world, 1, "200", 60)
        told = a_year_ago_consignments()
        told[0] |= {"deadline": "2026-02-20T23:59:59+08:00", "claim_id": name,
                    "tranche_id": f"T{name[1:]}"}  # fmt: skip
        hashed = terms_hash(encode(world.terms))
        world.amend(a_year_ago(RELEASE, version=2, amends=hashed, consignments=told), 62)
        if again:
            world.says(0, "RESERVE", "CONFIRMED", 62.1)
        world.tick(day(63))
        assert world.states() == states
        assert world.sent("PAY") == [9_600_000] * again
        assert world.is_sound()


# ---- cleared, then seized


def reserved_at_arrival() -> Failures:
    """Cleared, and not in the warehouse yet."""
    world = exported()
    world.cleared()
    world.tick(day(61.5))
    return world


def approved() -> Failures:
    """The bank has no money at the first attempt: nothing is under way."""
    world = instructed()
    world.answer("PAY", "RJCT", 65.1, rail_reason="AM04")
    return world


def accepted() -> Failures:
    """The bank has taken it."""
    world = instructed()
    world.answer("PAY", "ACSP", 65.1)
    return world


WAYS: dict[str, Callable[[], Failures]] = {
    "RESERVED": reserved_at_arrival,
    "MATCHED": matched,
    "APPROVED": approved,
    "INSTRUCTED": instructed,
    "ACCEPTED": accepted,
    "SETTLED": settled,
}
"""How the second share comes to each state in which a seizure may find it."""


def seized(world: Failures, how: str, on: float) -> None:
    """Customs take the goods back: they place a hold, or revoke the clearance."""
    if how == "hold":
        world.seized(on)
    else:
        world.fact("customs.release_revoked", "DECLARATION:I-1", "seized", on, "customs-ae",
                   reason="smuggled", refs=(CONSIGNMENT,))  # fmt: skip


@pytest.mark.parametrize("how", ["hold", "revoked"])
@pytest.mark.parametrize("state", ["RESERVED", "MATCHED", "APPROVED"])
def test_row_08_seized_before_the_instruction_sends_nothing(state: str, how: str) -> None:
    """The claim goes back to RESERVED or is HELD, the seizure stands in what is told, and not a
    minor unit is sent from then on, whatever the goods do; at the end the buyer has it all back.
    """
    world = WAYS[state]()
    assert world.states()[ARRIVAL] == state
    orders = len(world.read(INSTRUCTIONS))
    seized(world, how, 65.5)
    world.tick(day(66))
    assert world.states()[ARRIVAL] in ("RESERVED", "HELD")
    if state == "RESERVED":
        world.received()
    for tick in (67, 80, 100):
        world.tick(day(tick))
        assert world.states()[ARRIVAL] in ("RESERVED", "HELD")
    assert world.public()[ARRIVAL] in ("funds reserved", "held for review")
    told = world.now(ARRIVAL)
    names = " ".join([*(leaf.why for leaf in told.leaves), *told.adverse_ids])
    assert "customs-ae/seized" in names
    assert world.claim(ARRIVAL).accounts.in_flight == world.claim(ARRIVAL).accounts.seller == 0
    for tick in (103, 212):
        world.tick(day(tick))
    assert world.states()[ARRIVAL] in ("EXPIRED", "VOIDED")
    sent = world.read(INSTRUCTIONS)[orders:]
    assert sum(one.amount_minor for one in sent if one.kind == "PAY") == 0
    assert world.balances() == {"buyer": -EXPORT_MINOR, "seller": EXPORT_MINOR}
    assert world.is_sound()


@pytest.mark.parametrize("how", ["hold", "revoked"])
@pytest.mark.parametrize("state", ["INSTRUCTED", "ACCEPTED"])
def test_row_09_seized_after_the_instruction_is_recalled(state: str, how: str) -> None:
    """One recall and no other instruction; what becomes of it the bank says: cancelled, and the
    buyer has the money; refused and booked, and there is a claim to have it back.
    """
    for answer in ("CNCL", "RJCR"):
        world = WAYS[state]()
        orders = len(world.read(INSTRUCTIONS))
        seized(world, how, 65.5)
        world.tick(day(65.6))
        assert world.last(ARRIVAL) == (28, state, "CANCEL_PENDING")
        assert world.public()[ARRIVAL] == "recall pending"
        assert "customs-ae/seized" in world.events(ARRIVAL)[-1].evidence_ids
        assert [one.kind for one in world.read(INSTRUCTIONS)[orders:]] == ["RECALL"]
        world.answer("RECALL", answer, 65.7)
        if answer == "CNCL":
            assert world.last(ARRIVAL) == (29, "CANCEL_PENDING", "VOIDED")
            assert world.balances()["seller"] == EXPORT_MINOR
        else:
            assert world.last(ARRIVAL) == (30, "CANCEL_PENDING", "IN_DOUBT")
            world.answer("PAY", "ACSC", 65.8)
            assert world.states()[ARRIVAL] == "SETTLED"
            world.tick(day(66))
            assert 32 in [one.row for one in world.events(ARRIVAL)]
            assert world.codes()["CLAIM_RECORD"] == 1
            assert world.balances()["seller"] == EXPORT_MINOR + ARRIVAL_MINOR
        for tick in (67, 80, 103):
            world.tick(day(tick))
        assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
        assert world.is_sound()


@pytest.mark.parametrize("how", ["hold", "revoked"])
def test_row_10_seized_after_the_payment_is_a_claim_and_a_freeze(how: str) -> None:
    """Money is final: it stays where it is and nothing is recalled; a claim record is told once,
    and the last share is held until people have decided.
    """
    world = settled()
    orders = len(world.read(INSTRUCTIONS))
    seized(world, how, 65.5)
    world.tick(day(65.6))
    assert world.last(ARRIVAL) == (32, "SETTLED", "SETTLED")
    assert world.last(WARRANTY) == (12, "RESERVED", "HELD")
    assert world.public()[ARRIVAL:] == ["paid", "held for review"]
    assert world.codes()["CLAIM_RECORD"] == 1
    for tick in (66, 96, 120):
        world.tick(day(tick))
    assert world.codes()["CLAIM_RECORD"] == 1
    assert world.read(INSTRUCTIONS)[orders:] == []
    assert world.balances()["seller"] == EXPORT_MINOR + ARRIVAL_MINOR
    assert world.is_sound()


def test_a_seizure_that_comes_while_people_look_is_named_to_them() -> None:
    """Row 54: the held claim says what stands against it by now; who releases it and clears all
    else has paid nothing either.
    """
    world = approved()
    world.review("HOLD", ARRIVAL, 65.2, reviewer="hal")
    world.seized(65.5)
    world.tick(day(65.6))
    assert world.last(ARRIVAL) == (54, "HELD", "HELD")
    assert "customs-ae/seized" in world.events(ARRIVAL)[-1].evidence_ids
    told = world.now(ARRIVAL)
    seizure, hold = told.adverse_ids
    assert seizure.startswith("customs-ae/seized~")
    assert seizure in told.waits_for
    world.review("RELEASE", ARRIVAL, 65.7, evidence_hash=told.evidence_hash, cleared_ids=(hold,))
    for tick in (65.8, 66, 67, 80):
        world.tick(day(tick))
    assert world.states()[ARRIVAL] == "RESERVED"
    assert len(world.sent("PAY", ARRIVAL)) == 1
    assert world.is_sound()


# ---- corrections, time


def delivery(on: str, **fields: Any) -> bytes:
    """An EPCIS event of the warehouse: consignment K1 is received where it was to go."""
    place = {"id": "urn:x-supplytwin:facility:JAFZA-7"}
    said = {
        "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld"],
        "type": "ObjectEvent", "eventTime": on, "eventTimeZoneOffset": "+04:00",
        "action": "OBSERVE", "bizStep": "receiving", "bizLocation": place,
        "epcList": ["https://id.gs1.org/00/040123450000003338"],
        "bizTransactionList": [{"type": "desadv", "bizTransaction": "urn:x-supplytwin:asn:K1"}],
        "destinationList": [{"type": "location", "destination": place["id"]}],
        **fields,
    }  # fmt: skip
    return json.dumps(said).encode()


@pytest.mark.usefixtures("free_conditions")
def test_row_11_an_error_declaration_takes_back_and_replaces() -> None:
    """What EPCIS declares an error did not happen: the match is taken back and nothing is paid. The
    event that it names as the right one counts, and is paid once.
    """
    world = funded(at_the_door())

    def told(arrives: float, on: str, **fields: Any) -> None:
        given = Given(source="wms-jafza", chain=world.chain)
        found = epcis.document(delivery(on, **fields), given)
        assert not found.refused
        for message in found.events:
            world.send(message, at=day(arrives))

    wrong = {"on": "2026-01-03T12:00:00+04:00", "eventID": "urn:uuid:1"}
    told(34, **wrong)
    world.tick(day(34.1))
    assert world.last(0) == (7, "RESERVED", "MATCHED")
    error = {"declarationTime": "2026-01-04T08:00:00+04:00", "reason": "incorrect_data",
             "correctiveEventIDs": ["urn:uuid:2"]}  # fmt: skip
    told(34.5, **wrong, errorDeclaration=error)
    world.tick(day(35.2))
    assert world.last(0) == (10, "MATCHED", "RESERVED")
    assert world.public() == ["funds reserved"]
    assert world.sent("PAY") == []
    told(36, "2026-01-04T18:00:00+04:00", eventID="urn:uuid:2")
    world.tick(day(36.1))
    assert world.last(0) == (7, "RESERVED", "MATCHED")
    told_of = " ".join(world.events(0)[-1].evidence_ids)
    assert "urn:uuid:2#" in told_of
    assert "urn:uuid:1#" not in told_of
    world.tick(day(37.1))
    assert world.sent("PAY") == [9_600_000]
    assert world.is_sound()


@pytest.mark.parametrize("first", ["evidence", "tick"])
def test_row_18_evidence_and_deadline_together_are_ordered_by_the_log(first: str) -> None:
    """At the last instant both count: evidence below the cut pays. Behind a cut that has expired
    the claim it is too late, and stays so; who replays the journal says the same.
    """
    world = consignments()
    freed(world, 1, 40)
    if first == "evidence":
        arrives(world, DEADLINE, CLOSE)
        world.tick(CLOSE + 1)
        assert (world.states()[0], world.sent("PAY", 0)) == ("INSTRUCTED", [9_600_000])
    else:
        world.tick(CLOSE)
        assert world.states()[0] == "RESERVED"
        world.tick(CLOSE + 1)
        assert world.last(0) == (8, "RESERVED", "EXPIRED")
        arrives(world, DEADLINE, CLOSE)
        world.tick(CLOSE + SECOND_US)
        assert (world.states()[0], world.sent("PAY", 0)) == ("EXPIRED", [])
    assert world.is_sound()


def test_row_19_times_have_an_offset_and_are_kept_in_utc() -> None:
    """Terms with a time that has none are no contract: nothing is reserved. One instant spelt with
    two offsets is one deadline, decided at the same tick.
    """
    terms = a_year_ago(RELEASE)
    body = encode(terms)
    bare = body.replace(b'59:59+08:00","grace', b'59:59","grace')
    assert bare != body
    world = Failures(agreed=False)
    world.terms = terms
    world.put(
        CONTRACTS,
        Contract(input_id="bare", source="desk", chain_id=terms.chain_id,
                 contract_id=terms.contract_id, version=1, terms=bare,
                 terms_hash=terms_hash(bare), signatures=world.signatures()),
        day(0),
    )  # fmt: skip
    assert [code for code, _ in world.refused()] == ["BAD_TERMS"]
    assert world.read(INSTRUCTIONS) == []
    spelt = a_year_ago_consignments()
    spelt[0]["deadline"] = "2026-01-20T19:59:59+04:00"
    for made in (terms, a_year_ago(RELEASE, consignments=spelt)):
        other = funded(made)
        freed(other, 1, 40)
        other.tick(CLOSE)
        assert other.states()[0] == "RESERVED"
        other.tick(CLOSE + 1)
        assert other.states()[0] == "EXPIRED"
        assert other.events(0)[-1].tick_time == CLOSE + 1
        assert other.is_sound()


def a_year_ago_consignments() -> list[dict[str, Any]]:
    """Those of the example, in the year of these tests."""
    text = json.dumps(example(RELEASE)["consignments"])
    found: list[dict[str, Any]] = json.loads(text.replace("2027-", "2026-"))
    return found


def test_row_20_a_clock_ahead_pays_nothing_before_its_time() -> None:
    """An hour ahead of its arrival: flagged, and it counts from its own time on. Three days ahead:
    quarantined, and the claim is held.
    """
    world = consignments()
    freed(world, 1, 40)
    ahead = day(41) + 3600 * SECOND_US
    arrives(world, ahead, day(41))
    assert world.codes()["IMPLAUSIBLE_TIME"] == 1
    for tick in (day(41) + SECOND_US, ahead - 1):
        world.tick(tick)
        assert (world.states()[0], world.sent("PAY", 0)) == ("RESERVED", [])
    world.tick(ahead + 1)
    assert (world.states()[0], world.sent("PAY", 0)) == ("INSTRUCTED", [9_600_000])
    assert world.is_sound()
    far = consignments()
    freed(far, 1, 40)
    arrives(far, day(44), day(41))
    assert far.refused() == [("FUTURE", "event_time")]
    for tick in (42, 44.5, 45):
        far.tick(day(tick))
    assert far.sent("PAY", 0) == []
    assert far.states()[0] == "HELD"
    assert far.is_sound()


# ---- keys, words


def by_key(world: Failures) -> None:
    """Customs of Dubai sign their clearance."""
    public = signing.public_key(secret_of("ae-1")).hex()
    world.tell(
        KeyRecord(
            keys=(
                Key(kid="ae-1", alg="Ed25519", organisation="dubai-customs", role="CUSTOMS",
                    site="desk", key=public, valid_from=day(-300),
                    valid_to=day(900), sources=("customs-ae",)),
            )
        )
    )  # fmt: skip
    world.declared("I-1", "IMPORT", 60, "customs-ae")
    made = event("customs.cleared", "DECLARATION:I-1", "cleared", day(61), source="customs-ae",
                 chain_id=world.chain, entry_id="E", refs=(CONSIGNMENT,))  # fmt: skip
    value, headers = sealed(made, "ae-1", 1)
    world.send(made, headers, day(61) + SECOND_US, value)
    world.received()
    world.tick(day(64))
    assert world.states()[ARRIVAL] == "MATCHED"


@pytest.mark.parametrize(
    ("state", "row", "then"),
    [("MATCHED", 10, "RESERVED"), ("INSTRUCTED", 28, "CANCEL_PENDING"), ("SETTLED", 32, "SETTLED")],
)
def test_row_31_a_key_that_was_compromised_takes_back_what_it_signed(
    state: str, row: int, then: str
) -> None:
    """From the time of the compromise on: what is not final is evaluated anew, what is under way
    recalled, what is paid told as a claim. What was signed before goes on counting.
    """
    for since, moves in ((day(62), False), (day(60.5), True)):
        world = exported()
        by_key(world)
        if state != "MATCHED":
            world.tick(day(65))
        if state == "SETTLED":
            world.answer("PAY", "ACSC", 65.1)
        told = len(world.events(ARRIVAL))
        said = Compromised(kid="ae-1", compromise_at=since, reason="stolen")
        act = Act(who="olga", role="OPERATOR", reason="a break-in")
        world.tell(KeyRecord(compromised=(said,), act=act))
        world.tick(day(64.9) if state == "MATCHED" else day(65.15))
        if not moves:
            assert (world.states()[ARRIVAL], len(world.events(ARRIVAL))) == (state, told)
            assert world.is_sound()
            continue
        assert world.last(ARRIVAL) == (row, state, then)
        assert world.codes()["CLAIM_RECORD"] == (state == "SETTLED")
        world.tick(day(66))
        paid = [] if state == "MATCHED" else [ARRIVAL_MINOR]
        assert world.sent("PAY", ARRIVAL) == paid
        assert world.is_sound()


@pytest.mark.parametrize("word", ["regime", "classifier", "event_type", "schema"])
def test_row_32_a_word_that_nobody_knows_stops_nothing_and_pays_nothing(word: str) -> None:
    """The record is kept aside with its field, the stream moves on, and the claims of the chain are
    held: what it would have said may matter.
    """
    world = matched()
    made = event("customs.hold_placed", "DECLARATION:I-1", "odd", day(64.1), source="customs-ae",
                 chain_id=world.chain, hold_id="H", authority="A",
                 refs=(CONSIGNMENT,))  # fmt: skip
    value = codec.encode(made.TOPIC, made)
    if word == "schema":
        value = value[:2] + bytes(8) + value[10:]
    else:
        named = {"classifier": b"ACTUAL", "event_type": b"customs.hold_placed",
                 "regime": b"DECLARATION"}[word]  # fmt: skip
        assert named in value
        value = value.replace(named, named[:-1] + b"?")
    world.send(made, (), day(64.1) + SECOND_US, value)
    ((code, _),) = world.refused()
    assert code in ("BAD_VALUE", "UNKNOWN_SCHEMA")
    for tick in (64.5, 65, 66):
        world.tick(day(tick))
    assert world.states()[ARRIVAL:] == ["HELD", "HELD"]
    assert world.sent("PAY", ARRIVAL) == []
    facts = len(world.facts())
    world.fact("shipment.exception", CONSIGNMENT, "wet", 66, "tracker", exception_code="DAMAGED",
               text="a wet box")  # fmt: skip
    assert len(world.facts()) == facts + 1
    assert {one.rule_version for one in world.read(SETTLEMENT_EVENTS)} == {
        f"{world.terms.template}/{world.terms.template_version}"
    }
    assert world.is_sound()
