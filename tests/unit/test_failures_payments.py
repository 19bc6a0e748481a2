"""The failure catalogue of the settlement reference, where terms, money, processes or the bank do
not do what they should: rows 12 to 17 and 21 to 30, each over signed full terms through the real
fold, and against a rail with a bank of paper where the row is about the rail.
"""

import json
from decimal import Decimal
from typing import Any

import bank_rail_world as bank
import contract_world
import pytest
from bank_rail_world import Desktop, instruction, query
from contract_world import ELECTRONICS
from failure_world import (
    ARRIVAL,
    ARRIVAL_MINOR,
    EXPORT,
    EXPORT_MINOR,
    WARRANTY,
    AtTheBank,
    Failures,
    by_hand,
    by_weight,
    exported,
    funded,
    instructed,
    matched,
    permit_free_conditions,
    received,
    settled,
)
from iso20022_world import (
    bank_statement,
    entry,
    notification,
    payment_return,
    resolution,
    status_report,
)
from settlement_full_world import a_year_ago, day
from settlement_world import event

from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.errors import AbortError, FencedError
from supplytwin.schemas.events import CUSTOMS
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import INSTRUCTIONS, QUARANTINE
from supplytwin.sinks.bank_rail import Asked
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.streams.memory_clients import MemoryProducer

HOUR = 1 / 24


@pytest.fixture
def free_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms that no template made are taken."""
    permit_free_conditions(monkeypatch)


def second(world: Failures, **changes: Any) -> ContractTerms:
    """The second version of the electronics, made by their template."""
    hashed = terms_hash(encode(world.terms))
    return a_year_ago(ELECTRONICS, version=2, amends=hashed, **changes)


def versions(world: Failures) -> list[int]:
    return [world.claim(one).version for one in range(len(world.states()))]


# ---- terms and amounts


def test_row_12_an_amendment_needs_all_signatures() -> None:
    """Without that of one party it is refused, and the first version goes on."""
    world = matched()
    longer = second(world, challenge="PT48H")
    missing = longer.seats.copy()
    missing.pop("SELLER")
    world.amend(longer, 64.5, missing)
    assert versions(world) == [1, 1, 1]
    (kept,) = world.read(QUARANTINE)
    assert (kept.code, kept.field) == ("BAD_TERMS", "signatures")
    assert "SELLER" in kept.reason
    assert len(world.sent("RESERVE")) == 3
    assert world.sent("PAY", ARRIVAL) == []
    assert world.is_sound()


def test_row_12_matched_is_evaluated_anew() -> None:
    """A match of the first version is none of the second: it goes back, matches again, waits for
    the window of the new terms. Nobody is paid twice, and no second hold is asked for.
    """
    world = matched()
    world.amend(second(world, challenge="PT48H"), 64.5)
    assert versions(world) == [1, 2, 2]
    assert world.states() == ["SETTLED", "RESERVED", "RESERVED"]
    assert [one.row for one in world.events(ARRIVAL)][-2:] == [33, 52]
    assert len(world.sent("RESERVE", ARRIVAL)) == 1
    for tick, paid in ((64.6, []), (65, []), (66.59, []), (66.6, [ARRIVAL_MINOR])):
        world.tick(day(tick))
        assert world.sent("PAY", ARRIVAL) == paid
    assert world.sent("PAY", EXPORT) == [EXPORT_MINOR]
    assert world.is_sound()


def test_row_12_what_is_under_way_keeps_its_version() -> None:
    """Instructed under the first version: the second one changes neither state nor amount."""
    world = instructed()
    world.amend(second(world, challenge="PT48H"), 65.05)
    assert versions(world) == [1, 1, 2]
    assert world.states() == ["SETTLED", "INSTRUCTED", "RESERVED"]
    world.answer("PAY", "ACSC", 65.1)
    world.tick(day(70))
    assert world.states()[ARRIVAL] == "SETTLED"
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()


@pytest.mark.usefixtures("free_conditions")
def test_row_13_partial_deliveries_do_not_drift() -> None:
    """33.3 + 33.3 + 33.4 pieces at 3.33: each is paid the floor of all so far, less what was
    instructed, together 333.00; each floored by itself would be 332.98.
    """
    world = funded(by_weight([11_655] * 3, "3.33", "100", {"plus_bp": 500}))
    for number, qty in enumerate(("33.3", "33.3", "33.4"), 1):
        received(world, number, qty, 10 + number)
        world.tick(day(10.5 + number))
        world.says(number - 1, "PAY", "ACSC", 10.6 + number, entry_id=f"E-{number}")
    assert world.paid() == [11_088, 11_089, 11_123]
    assert sum(world.paid()) == 33_300
    assert world.states() == ["SETTLED"] * 3
    assert world.balances() == {"buyer": -33_300, "seller": 33_300}
    assert world.is_sound()


@pytest.mark.usefixtures("free_conditions")
def test_row_14_more_than_was_ordered_is_not_paid() -> None:
    """110 of 100 pieces: 100 are paid, and the reason says that the rest needs the buyer. What one
    consignment has too much is not paid above its hold either.
    """
    world = funded(by_weight([33_300], "3.33", "100"))
    received(world, 1, "110", 11)
    world.tick(day(11.5))
    assert world.paid() == [33_300]
    (decided,) = [one for one in world.events(0) if one.row == 21]
    assert "the rest needs the buyer's acceptance" in decided.reason
    assert world.is_sound()
    narrow = funded(by_weight([14_000, 19_300], "3.33", "100"))
    received(narrow, 1, "60", 11)
    narrow.tick(day(11.5))
    assert narrow.paid() == [14_000]
    assert narrow.is_sound()


BULK = {"minus_bp": 500, "plus_bp": 500}


@pytest.mark.usefixtures("free_conditions")
@pytest.mark.parametrize(
    ("tolerance", "hold", "qty", "paid"),
    [
        (BULK, 34_965, "104", [34_632]),
        (BULK, 34_965, "106", [34_965]),
        (BULK, 34_965, "96", [31_968]),
        (None, 33_300, "100.1", [33_300]),
        (None, 33_300, "99", [32_967]),
    ],
)
def test_row_15_what_came_is_paid_within_the_tolerance(
    tolerance: dict[str, Any] | None, hold: int, qty: str, paid: list[int]
) -> None:
    """Five percent more of bulk goods are paid, six percent are paid as five; without a tolerance
    the ordered quantity is the most. Less than that is paid as what it is.
    """
    world = funded(by_weight([hold], "3.33", "100", tolerance))
    received(world, 1, qty, 11)
    world.tick(day(11.5))
    assert world.paid() == paid
    assert world.is_sound()


@pytest.mark.usefixtures("free_conditions")
def test_row_15_each_lot_is_tested_where_the_terms_say_so() -> None:
    """47 of 50 pieces are below the five percent of the lot: nothing is payable, and it is said
    why. One more, and 48 are paid.
    """
    line = {"line": "1", "sku": "SWITCH-24", "qty": "100", "unit": "EA", "unit_price": "3.33",
            "tolerance": {**BULK, "basis": "LOT"},
            "lots": [{"lot": "L1", "qty": "50"}, {"lot": "L2", "qty": "50"}]}  # fmt: skip
    tranche = {
        "amount": {"rule": "PER_UNIT", "line": "1", "lot": "L1", "cap_minor": 17_482},
        "condition": {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">", "value": "1"}},
        "claims": [{"claim_id": "lot-1", "lot": "L1", "lines": ["1"], "max_minor": 17_482}],
    }
    world = funded(by_hand(tranche, lines=[line], cap_minor=33_300, total_minor=33_300))
    received(world, 1, "47", 11)
    world.tick(day(11.5))
    assert (world.states(), world.paid()) == (["RESERVED"], [])
    assert "less than the 47.5 that the tolerance asks for" in world.leaf(0, "amount").why
    world.fact("wh.received", "LOT:L1", "more", 12, "wms-jafza", lot_id="L1", sku="SWITCH-24",
               qty=Decimal(1), uom="EA", facility="JAFZA-7",
               refs=("CONSIGNMENT:K1", "ORDER_LINE:1"))  # fmt: skip
    world.tick(day(12.5))
    assert world.paid() == [15_984]
    assert world.is_sound()


def test_row_16_another_currency_is_refused_and_never_converted() -> None:
    """A hold in dollars reserves nothing: released, and asked for again. Terms in dollars do not
    amend a contract in yuan. A rail that booked dollars has not settled.
    """
    world = Failures()
    world.tick(day(0.1))
    world.says(ARRIVAL, "RESERVE", "CONFIRMED", 0.2, currency="USD")
    assert world.last(ARRIVAL) == (38, "CREATED", "CREATED")
    assert world.public()[ARRIVAL] == "awaiting funds"
    assert (len(world.sent("RELEASE", ARRIVAL)), world.claim(ARRIVAL).hold_no) == (1, 2)
    assert world.balances() == {}
    assert world.codes()["HOLD_UNFIT"] == 1
    assert world.is_sound()
    other = exported()
    other.amend(second(other, currency="USD"), 5)
    assert versions(other) == [1, 1, 1]
    assert any("currency" in one for one in other.why("ILLEGAL_PAIR"))
    assert other.is_sound()
    paying = instructed()
    paying.says(ARRIVAL, "PAY", "BOOKED", 65.1, currency="USD", entry_id="E-1")
    assert paying.last(ARRIVAL) == (50, "INSTRUCTED", "IN_DOUBT")
    assert paying.claim(ARRIVAL).accounts.seller == 0
    assert {one.currency for one in paying.events()} == {"CNY"}
    assert paying.is_sound()


def shares(currency: str, price: str, rounding: str) -> ContractTerms:
    """Thirty, sixty and ten percent of one piece."""
    made = contract_world.free(ELECTRONICS)
    line = {**made["lines"][0], "qty": "1", "unit_price": price, "tolerance": {}}
    for tranche, most in zip(made["tranches"], ROUNDED[rounding], strict=True):
        tranche["claims"][0]["max_minor"] = most
    last = made["tranches"][-1]
    last["amount"] = {"rule": "SHARE", "bp": 1000}
    last["condition"] = {"time": {"not_before": {"anchor": "TRANCHE:T2", "plus": "P30D"}}}
    made |= {"lines": [line], "currency": currency, "rounding": rounding,
             "cap_minor": 10_001, "total_minor": 10_001}  # fmt: skip
    text = json.dumps(made).replace("2026-", "2025-").replace("2027-", "2026-")
    found = read(text.encode())
    assert found.value is not None, found.findings
    return found.value


ROUNDED = {"largest-earliest": [3001, 6000, 1000], "cumulative": [3000, 6000, 1001]}


@pytest.mark.usefixtures("free_conditions")
@pytest.mark.parametrize("rounding", ROUNDED)
@pytest.mark.parametrize(
    ("currency", "price", "exponent"), [("CNY", "100.01", 2), ("JPY", "10001", 0),
                                        ("KWD", "10.001", 3)],
)  # fmt: skip
def test_row_17_percentages_are_rounded_by_the_rule_of_the_terms(
    rounding: str, currency: str, price: str, exponent: int
) -> None:
    """100.01 in 30, 60 and 10 percent: 30.01, 60.00, 10.00 or 30.00, 60.00, 10.01, whole minor
    units of every currency, and together the whole.
    """
    world = funded(shares(currency, price, rounding))
    world.export()
    world.tick(day(3))
    world.says(EXPORT, "PAY", "ACSC", 3.1, entry_id="E-1")
    world.cleared()
    world.received(1)
    world.tick(day(64))
    world.tick(day(65))
    world.says(ARRIVAL, "PAY", "ACSC", 65.1, entry_id="E-2")
    world.tick(day(96))
    world.says(WARRANTY, "PAY", "ACSC", 96.1, entry_id="E-3")
    assert world.paid() == ROUNDED[rounding]
    pays = [one for one in world.read(INSTRUCTIONS) if one.kind == "PAY"]
    assert {(one.currency, one.exponent) for one in pays} == {(currency, exponent)}
    assert world.balances() == {"buyer": -10_001, "seller": 10_001}
    assert world.is_sound()


# ---- processes


def test_row_21_a_crash_between_decision_and_sending_pays_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Decision and instruction are one transaction: when it is aborted neither is there, and the
    next attempt makes the same ones.
    """
    world = matched()
    real, left = MemoryProducer.commit, [2]

    def commit(self: MemoryProducer) -> None:
        instructions = self._memory.topics[INSTRUCTIONS].logs
        if left[0] and any(log in instructions for log in self._open().written):
            left[0] -= 1
            before = len(world.events()), world.sent("PAY", ARRIVAL)
            assert before == (told, [])
            raise AbortError("the broker went away")
        real(self)

    told = len(world.events())
    monkeypatch.setattr(MemoryProducer, "commit", commit)
    world.tick(day(65))
    assert left == [0]
    assert world.states()[ARRIVAL] == "INSTRUCTED"
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert [one.row for one in world.events()][told:] == [11, 21]
    assert world.is_sound()


def test_row_21_a_sender_that_crashed_sends_the_same_bytes_and_asks_when_they_are_known() -> None:
    """Handed over, and dead before it was noted: the next process hands over the same message with
    the same ids. A bank that says "duplicate" is asked, and nothing is rejected.
    """
    desk = Desktop()
    first = desk.give(instruction())
    desk.new()
    assert desk.give(instruction()) == first
    assert first is not None
    assert desk.paper.delivered == [first, first]
    sent = sent_of(first)
    desk.paper.knows[first.message_id] = Asked(known=True, data=status_report(sent, "ACSC"))
    told = desk.statuses(status_report(None, group="RJCT", reason="DUPL",
                                       message_id=first.message_id))  # fmt: skip
    assert desk.paper.asked == [first.message_id]
    assert [(kind, status) for kind, status, _ in told] == [("PAY", "ACSC")]
    assert len(desk.paper.delivered) == 2


def test_row_22_a_silent_bank_is_asked_and_never_given_another_id() -> None:
    """After the agreed time in doubt, with an alarm; from then on questions, and no other payment,
    whatever comes; the answer settles it.
    """
    world = instructed()
    world.tick(day(65) + 4 * 3_600_000_000)
    assert world.states()[ARRIVAL] == "INSTRUCTED"
    world.tick(day(65) + 4 * 3_600_000_000 + 1)
    assert world.last(ARRIVAL) == (26, "INSTRUCTED", "IN_DOUBT")
    assert world.public()[ARRIVAL] == "payment in doubt"
    for tick in (65.5, 66, 67, 80, 104):
        world.tick(day(tick))
        assert world.states()[ARRIVAL] == "IN_DOUBT"
    orders = [one for one in world.read(INSTRUCTIONS)
              if one.settlement_id == world.claim(ARRIVAL).settlement_id]  # fmt: skip
    assert {one.kind for one in orders[2:]} == {"QUERY"}
    assert {(one.attempt, one.uetr) for one in orders[1:]} == {(1, orders[1].uetr)}
    assert world.codes()["RAIL_SILENT"] >= 1
    world.says(ARRIVAL, "QUERY", "ACSC", 105, entry_id="E-1")
    assert world.last(ARRIVAL) == (23, "IN_DOUBT", "SETTLED")
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()
    desk = Desktop()
    desk.paid()
    for number in range(1, 5):
        desk.give(query(query_no=number, instruction_no=number + 3))
    assert len(desk.paper.delivered) == 1
    assert desk.publish() == []


def test_row_23_a_replay_sends_nothing() -> None:
    """A worker that has lost its state reads its journal at every stage of a life, and writes not
    one instruction; a gateway that reads all instructions again hands over nothing that the bank
    has answered.
    """
    world = Failures()

    def replayed() -> None:
        before, told = world.read(INSTRUCTIONS), world.hash()
        world.restart()
        assert (world.read(INSTRUCTIONS), world.hash()) == (before, told)

    replayed()
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    replayed()
    world.export()
    replayed()
    world.tick(day(3))
    replayed()
    world.answer("PAY", "ACSC", 4)
    world.cleared()
    world.received()
    for tick in (64, 65):
        world.tick(day(tick))
        replayed()
    world.answer("PAY", "ACSC", 65.1)
    replayed()
    assert world.is_sound()
    assert world.paid() == [EXPORT_MINOR, ARRIVAL_MINOR]
    desk = Desktop()
    sent = desk.paid()
    desk.hear(notification(entry(sent)))
    desk.new()
    for order in (instruction("RESERVE"), instruction(), query()):
        desk.give(order)
    assert len(desk.paper.delivered) == 1


def test_row_24_a_zombie_is_fenced_before_it_pays() -> None:
    """Another worker has its slot; what the old one would decide at the next tick is refused by the
    broker, and only the new one's is there.
    """
    world = matched()
    old = world.driver.worker
    world.driver.restart()
    world.driver.settle()
    world.driver.tick(day(65))
    with pytest.raises(FencedError):
        for _ in range(20):
            old.turn(0.0)
    assert world.sent("PAY", ARRIVAL) == []
    world.driver.settle()
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()


def test_row_25_of_two_workers_one_decides() -> None:
    """Both are in the group; the one that has the partition decides, and the transitions of the
    contract have numbers without a hole. When it leaves, the other one reads what it wrote.
    """
    world = matched()
    peer: Any = world.driver.start(slot=1)
    for tick in (65, 65.1):
        world.driver.tick(day(tick))
        for _ in range(20):
            world.driver.worker.turn(0.0)
            peer.turn(0.0)
    owners = [one for one in (world.driver.worker, peer) if one.stores]
    assert len(owners) == 1
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    (owner,) = owners
    rest = peer if owner is world.driver.worker else world.driver.worker
    owner.close()
    world.driver.worker = rest
    world.driver.settle()
    world.answer("PAY", "ACSC", 65.2)
    assert world.states() == ["SETTLED", "SETTLED", "RESERVED"]
    assert world.is_sound()


# ---- the bank


def _is_paid_from_the_next_hold(world: Failures, pays: int) -> None:
    """Nothing more goes out before there is another one."""
    for tick in (65.3, 66.5, 67.5):
        world.tick(day(tick))
    assert len(world.sent("PAY", ARRIVAL)) == pays
    world.says(ARRIVAL, "RESERVE", "CONFIRMED", 68)
    for tick in (68.1, 69.2):
        world.tick(day(tick))
    assert len(world.sent("PAY", ARRIVAL)) == pays + 1
    assert world.is_sound()


@pytest.mark.parametrize("state", ["RESERVED", "MATCHED", "APPROVED"])
def test_row_26_a_hold_that_is_lost_is_asked_for_again(state: str) -> None:
    """Back to CREATED, with an exception that tells the buyer; without a hold nothing is approved;
    when there is one again, it is paid.
    """
    world = exported() if state == "RESERVED" else matched()
    if state == "APPROVED":
        world.tick(day(65))
        world.answer("PAY", "RJCT", 65.1, rail_reason="AM04")
    assert world.states()[ARRIVAL] == state
    pays = len(world.sent("PAY", ARRIVAL))
    world.says(ARRIVAL, "RESERVE", "LOST", 65.2)
    assert world.last(ARRIVAL) == (6, state, "CREATED")
    assert world.public()[ARRIVAL] == "awaiting funds"
    assert world.claim(ARRIVAL).accounts.reserved == 0
    assert world.sent("RESERVE", ARRIVAL) == [ARRIVAL_MINOR, ARRIVAL_MINOR]
    assert world.events(ARRIVAL)[-1].reason == "the hold is lost: another one is asked for"
    assert world.why("HOLD_LOST") == ["hold 1 is lost: the buyer has to fund another one"]
    if state == "RESERVED":
        world.cleared()
        world.received()
    _is_paid_from_the_next_hold(world, pays)


def test_row_26_a_hold_that_shrinks_is_asked_for_again() -> None:
    """The rail renews it with less: that is given back, and nothing is approved before there is a
    whole one again.
    """
    world = matched()
    pays = len(world.sent("PAY", ARRIVAL))
    less = ARRIVAL_MINOR - 1
    world.says(ARRIVAL, "RESERVE", "RENEWED", 65.2, amount_minor=less)
    assert world.last(ARRIVAL)[0] == 6
    assert world.public()[ARRIVAL] == "awaiting funds"
    assert world.claim(ARRIVAL).accounts.reserved == 0
    assert world.sent("RELEASE", ARRIVAL) == [less]
    assert world.sent("RESERVE", ARRIVAL) == [ARRIVAL_MINOR, ARRIVAL_MINOR]
    (why,) = world.why("HOLD_LOST")
    assert f"is of {less} now" in why
    _is_paid_from_the_next_hold(world, pays)


def test_row_26_a_hold_that_runs_out_is_asked_for_again() -> None:
    """The day that its confirmation named has come and nobody renewed it: the buyer is told. What
    is said of it later is too late; paid is from the next one.
    """
    world = Failures()
    world.tick(day(0.1))
    for claim in (EXPORT, ARRIVAL, WARRANTY):
        end = Micros(day(66)) if claim == ARRIVAL else None
        world.says(claim, "RESERVE", "CONFIRMED", 0.2, hold_expires=end)
    world.cleared()
    world.received()
    world.tick(day(65.95))
    assert world.states()[ARRIVAL] == "MATCHED"
    world.tick(day(66))
    assert world.last(ARRIVAL) == (6, "MATCHED", "CREATED")
    assert world.public()[ARRIVAL] == "awaiting funds"
    assert world.claim(ARRIVAL).accounts.reserved == 0
    assert world.sent("RELEASE", ARRIVAL) == []
    assert world.sent("RESERVE", ARRIVAL) == [ARRIVAL_MINOR, ARRIVAL_MINOR]
    assert world.why("HOLD_LOST") == ["hold 1 has run out: the buyer has to fund another one"]
    world.says(ARRIVAL, "RESERVE", "RENEWED", 66.1, hold_no=1, hold_expires=Micros(day(100)))
    for tick in (66.2, 67.5):
        world.tick(day(tick))
    assert world.sent("PAY", ARRIVAL) == []
    world.says(ARRIVAL, "RESERVE", "CONFIRMED", 68)
    for tick in (68.1, 69.2):
        world.tick(day(tick))
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()


def test_row_26_a_hold_that_ends_too_soon_approves_nothing() -> None:
    """It has to outlive the time that a bank may be silent; renewed, it does."""
    world = Failures()
    world.tick(day(0.1))
    for claim in (EXPORT, ARRIVAL, WARRANTY):
        end = Micros(day(65 + 4 * HOUR)) if claim == ARRIVAL else None
        world.says(claim, "RESERVE", "CONFIRMED", 0.2, hold_expires=end)
    world.cleared()
    world.received()
    for tick in (64, 65, 65.1):
        world.tick(day(tick))
        assert world.states()[ARRIVAL] == "MATCHED"
    assert world.sent("PAY", ARRIVAL) == []
    world.says(ARRIVAL, "RESERVE", "RENEWED", 65.12, hold_expires=Micros(day(100)))
    world.tick(day(65.13))
    assert world.states()[ARRIVAL] == "INSTRUCTED"
    assert world.is_sound()


def test_row_27_a_booking_that_is_told_twice_is_booked_once() -> None:
    """The bank's notification again, in another message: known by its entry and EndToEndId. Two
    receipts of one entry move a claim once.
    """
    desk = Desktop()
    once = notification(entry(desk.paid()))
    told = [*desk.hear(once), *desk.hear(once.replace(b"BANK-N-1", b"BANK-N-2"))]
    assert {(one.settlement_id, one.entry_id, one.amount_minor) for one in told} == {
        (bank.SETTLEMENT, "ASR-1", 24_000_050)
    }
    world = instructed()
    world.says(ARRIVAL, "PAY", "BOOKED", 65.1, entry_id="ASR-1")
    moves = len(world.events(ARRIVAL))
    for later in (65.2, 65.3):
        world.says(ARRIVAL, "PAY", "BOOKED", later, entry_id="ASR-1")
    assert len(world.events(ARRIVAL)) == moves
    assert world.claim(ARRIVAL).accounts.seller == ARRIVAL_MINOR
    assert world.codes()["RECON_BREAK"] == world.codes()["CLAIM_RECORD"] == 0
    assert world.is_sound()


@pytest.mark.parametrize(
    "wrong", [{"amount_minor": ARRIVAL_MINOR - 1}, {"amount_minor": ARRIVAL_MINOR + 1},
              {"currency": "USD"}],
)  # fmt: skip
def test_row_28_a_booking_of_another_sum_is_no_settlement(wrong: dict[str, Any]) -> None:
    """A break: nothing is posted to the seller, paid again, asked back or recalled until two
    persons have said what was paid.
    """
    world = instructed()
    world.says(ARRIVAL, "PAY", "BOOKED", 65.1, entry_id="E-1", **wrong)
    assert world.last(ARRIVAL) == (50, "INSTRUCTED", "IN_DOUBT")
    assert world.public()[ARRIVAL] == "payment in doubt"
    assert world.codes()["RECON_BREAK"] == 1
    orders = world.read(INSTRUCTIONS)
    world.seized(65.2)
    for tick in (65.3, 66, 70, 104):
        world.tick(day(tick))
    assert world.states()[ARRIVAL] == "IN_DOUBT"
    later = world.read(INSTRUCTIONS)[len(orders) :]
    assert not {"PAY", "RECALL", "RELEASE"} & {
        one.kind for one in later if one.settlement_id == world.claim(ARRIVAL).settlement_id
    }  # fmt: skip
    assert world.claim(ARRIVAL).accounts.seller == 0
    for reviewer in ("rosa", "olga"):
        world.review("RECON_SETTLED", ARRIVAL, 105, reviewer=reviewer,
                     amount_minor=ARRIVAL_MINOR - 1)  # fmt: skip
    assert world.last(ARRIVAL) == (51, "IN_DOUBT", "SETTLED")
    assert world.claim(ARRIVAL).accounts.seller == ARRIVAL_MINOR - 1
    assert world.is_sound()


@pytest.mark.parametrize(
    ("back", "then", "left"),
    [(ARRIVAL_MINOR, "RETURNED", 0), (1_000, "SETTLED", ARRIVAL_MINOR - 1_000)],
)
def test_row_29_a_return_gives_the_money_back_and_opens_nothing(
    back: int, then: str, left: int
) -> None:
    """Whole: RETURNED; a part: still SETTLED. The condition is true, and yet nothing is paid
    again; the same return told twice is one.
    """
    world = settled()
    orders = world.sent("PAY")
    for on in (70, 70.1):
        world.says(ARRIVAL, "PAY", "RETURNED", on, amount_minor=back, return_id="R-1")
    assert world.last(ARRIVAL) == (31, "SETTLED", then)
    assert [one.row for one in world.events(ARRIVAL)].count(31) == 1
    assert world.public()[ARRIVAL] == {"RETURNED": "returned", "SETTLED": "paid"}[then]
    assert world.claim(ARRIVAL).accounts.seller == left
    for tick in (71, 80, 99):
        world.tick(day(tick))
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert len(orders) == 2
    assert world.is_sound()


# ---- through a bank: what it is handed and what it says, as ISO 20022


@pytest.fixture
def at_the_bank() -> AtTheBank:
    """The second share is handed over."""
    return AtTheBank(instructed())


def test_row_09_a_recall_goes_to_the_bank_and_its_answer_decides(at_the_bank: AtTheBank) -> None:
    """The payment, then the camt.056 of it; a camt.029 that cancels gives the buyer all back."""
    world, kept = at_the_bank.world, at_the_bank.hand_over()
    world.seized(65.05)
    world.tick(day(65.1))
    recalled = at_the_bank.hand_over()
    assert recalled.message == "camt.056.001.12"
    for name in (kept.settlement_id, sent_of(kept).uetr, kept.message_id):
        assert name.encode() in recalled.body
    at_the_bank.says(65.2, resolution(sent_of(kept), recalled.message_id, "CNCL"))
    assert world.last(ARRIVAL) == (29, "CANCEL_PENDING", "VOIDED")
    assert world.claim(ARRIVAL).accounts.seller == 0
    assert world.is_sound()


def test_row_22_the_same_payment_is_asked_about(at_the_bank: AtTheBank) -> None:
    """Questions bring no second message to the bank; what it says at last settles the claim."""
    world, kept = at_the_bank.world, at_the_bank.hand_over()
    for tick in (65.5, 66, 67):
        world.tick(day(tick))
        assert at_the_bank.hand_over() == kept
    assert world.states()[ARRIVAL] == "IN_DOUBT"
    at_the_bank.says(68, notification(entry(sent_of(kept))))
    assert world.last(ARRIVAL) == (23, "IN_DOUBT", "SETTLED")
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.is_sound()


def test_row_27_one_entry_in_three_documents_is_one_booking(at_the_bank: AtTheBank) -> None:
    """Notified twice, and once more in the statement of the day: booked once."""
    world, sent = at_the_bank.world, sent_of(at_the_bank.hand_over())
    once = notification(entry(sent))
    again = once.replace(b"BANK-N-1", b"BANK-N-2")
    day_end = bank_statement(ARRIVAL_MINOR, 0, entry(sent))
    for on, document in ((65.1, once), (65.2, again), (65.3, day_end)):
        at_the_bank.says(on, document)
    assert [one.row for one in world.events(ARRIVAL)].count(23) == 1
    assert world.claim(ARRIVAL).accounts.seller == ARRIVAL_MINOR
    assert world.codes()["RECON_BREAK"] == world.codes()["CLAIM_RECORD"] == 0
    assert world.is_sound()


@pytest.mark.parametrize("booked", [{"minor": ARRIVAL_MINOR - 1}, {"currency": "USD"}])
def test_row_28_another_sum_in_a_notification(
    at_the_bank: AtTheBank, booked: dict[str, Any]
) -> None:
    """The bank's own figures reach the claim, and break it: nothing else goes out."""
    world, kept = at_the_bank.world, at_the_bank.hand_over()
    at_the_bank.says(65.1, notification(entry(sent_of(kept), **booked)))
    assert world.last(ARRIVAL) == (50, "INSTRUCTED", "IN_DOUBT")
    assert world.codes()["RECON_BREAK"] == 1
    for tick in (65.5, 66):
        world.tick(day(tick))
        assert at_the_bank.hand_over() == kept
    assert world.is_sound()


def test_row_29_a_return_between_banks_counts_with_its_entry(at_the_bank: AtTheBank) -> None:
    """Booked, and given back by a pacs.004 and on the account: RETURNED once, by the account, and
    no other payment leaves.
    """
    world, kept = at_the_bank.world, at_the_bank.hand_over()
    at_the_bank.says(65.1, notification(entry(sent_of(kept))))
    at_the_bank.says(70, payment_return(sent_of(kept)))
    assert world.last(ARRIVAL) == (23, "INSTRUCTED", "SETTLED")
    back = entry(sent_of(kept), "ASR-2", "CRDT", returned="AC04")
    at_the_bank.says(70.1, notification(back))
    assert world.last(ARRIVAL) == (31, "SETTLED", "RETURNED")
    for tick in (71, 99):
        world.tick(day(tick))
        assert at_the_bank.hand_over() == kept
    assert world.claim(ARRIVAL).accounts.seller == 0
    assert world.is_sound()


def test_row_29_money_that_comes_back_and_is_no_return_is_a_break(at_the_bank: AtTheBank) -> None:
    """A credit without return information: alarmed on the claim, nothing is posted, paid or
    recalled; people resolve it.
    """
    world, kept = at_the_bank.world, at_the_bank.hand_over()
    at_the_bank.says(65.1, notification(entry(sent_of(kept))))
    assert world.codes()["RECON_BREAK"] == 0
    for on in (70, 70.1):
        at_the_bank.says(on, notification(entry(sent_of(kept), "ASR-2", "CRDT")))
        assert world.states()[ARRIVAL] == "SETTLED"
        assert world.codes()["RECON_BREAK"] == 1
    assert world.claim(ARRIVAL).accounts.seller == ARRIVAL_MINOR
    assert at_the_bank.hand_over() == kept
    assert world.is_sound()


def test_row_29_a_debit_that_is_not_understood_allows_no_other_attempt(
    at_the_bank: AtTheBank,
) -> None:
    """Nothing but the hold was told before. A debit bears its InstrId alone, and then the bank
    rejects it for a reason that else allows a retry: it may have been paid, people decide.
    """
    world = at_the_bank.world
    (hold,) = [one for one in world.read(INSTRUCTIONS) if one.kind == "RESERVE"
               and one.settlement_id == world.claim(ARRIVAL).settlement_id]  # fmt: skip
    at_the_bank.desk.give(hold)
    at_the_bank.says(65.05)
    kept = at_the_bank.hand_over()
    names = ("EndToEndId", "UETR")
    debit = [one for one in entry(sent_of(kept)) if one[0].rpartition("/")[2] not in names]
    at_the_bank.says(65.1, notification(debit))
    at_the_bank.says(65.2, status_report(sent_of(kept), "RJCT", "TM01"))
    for tick in (65.5, 66, 67):
        world.tick(day(tick))
    assert world.sent("PAY", ARRIVAL) == [ARRIVAL_MINOR]
    assert world.states()[ARRIVAL] == "HELD"
    assert world.is_sound()


def test_row_30_a_poisoned_record_is_kept_aside_and_flags_its_contract() -> None:
    """With reason and place in the quarantine; the open claims of its chain are held and say so;
    the records behind it, of this chain and of others, are taken.
    """
    world = matched()
    world.driver.send(CUSTOMS, world.chain, b"\x00garbage", timestamp_us=day(64.1))
    world.driver.settle()
    (kept,) = world.read(QUARANTINE)
    assert (kept.code, kept.topic, kept.body) == ("UNKNOWN_SCHEMA", CUSTOMS, b"\x00garbage")
    assert kept.reason
    assert world.states() == ["SETTLED", "HELD", "HELD"]
    place = f"{kept.topic}/{kept.partition}/{kept.offset}"
    assert place in world.events(ARRIVAL)[-1].reason
    facts = len(world.facts())
    world.fact("shipment.exception", "CONSIGNMENT:ASN-1", "wet", 64.2, "tracker",
               exception_code="DAMAGED", text="a wet box")  # fmt: skip
    other = event("shipment.exception", "CONSIGNMENT:X", "wet", day(64.2), source="tracker",
                  chain_id="PO-OTHER", exception_code="DAMAGED", text="a wet box")  # fmt: skip
    world.send(other)
    assert len(world.facts()) == facts + 1
    assert [one.kind for one in world.entries("PO-OTHER")] == ["FACT"]
    for tick in (65, 66):
        world.tick(day(tick))
    assert world.sent("PAY", ARRIVAL) == []
    assert world.is_sound()
