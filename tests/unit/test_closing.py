"""Finished chains leave memory, wake for what is new, and never pay twice."""

from decimal import Decimal

import chain_world as c
import pytest
from msgspec.structs import replace

from supplytwin.processors import closing
from supplytwin.processors.chain import ChainState
from supplytwin.processors.closing import Closed
from supplytwin.schemas.errors import FatalError, TransientError
from supplytwin.schemas.records import CONTRACTS, EXCEPTIONS, RECEIPTS

w, day, QUIET = c.w, c.day, c.QUIET_DAYS
LATE = 40 + QUIET
"""A day after the closing."""


def test_a_finished_chain_is_closed_after_its_days_and_not_before():
    """No entry until N days of ticks after the last one; then CLOSED, and only identities stay."""
    chain = c.ChainDriver().paid()
    chain.tick(day(31 + QUIET) - 1)
    assert "CLOSED" not in chain.kinds()
    chain.tick(day(31 + QUIET))
    assert chain.kinds()[-1] == "CLOSED"
    assert isinstance(chain.state, Closed)
    assert chain.state.settlements == (chain.pays()[0].settlement_id,)
    assert chain.driver.worker.metrics.value("supplytwin_chains_closed") == 1
    chain.tick(day(400 + QUIET))
    assert chain.kinds().count("CLOSED") == 1


def test_days_are_counted_from_a_tick():
    """What came before the first tick has no time yet: its chain is not as old as the epoch."""
    chain = c.ChainDriver()
    chain.fact(w.received(day(30)))
    chain.tick(day(31))
    assert chain.kinds() == ["FACT"]
    chain.fact(w.received(day(31), event_id="second"))
    chain.tick(day(31 + QUIET) - 1)
    assert chain.kinds() == ["FACT", "FACT"]
    chain.tick(day(31 + QUIET))
    assert chain.kinds() == ["FACT", "FACT", "CLOSED"]


def test_without_days_nothing_is_closed():
    """[worker] close_after_days = 0: every chain stays."""
    chain = c.ChainDriver(close_after_days=0).paid()
    chain.tick(day(5000))
    assert isinstance(chain.state, ChainState)


@pytest.mark.parametrize(
    "open_",
    [
        w.customs("hold_placed", day(33)),
        w.declared(day(33), "D9", event_id="new"),
        w.event(
            "order.placed", "ORDER_LINE:L9", "order-9", day(33), source="erp", order_id="O",
            buyer="B", seller="S", currency="USD", order_lines=(),
        ),
    ],
    ids=["an open hold", "a declaration that is only filed", "a line that is only placed"],
)  # fmt: skip
def test_a_chain_that_waits_for_something_is_not_closed(open_):
    """An open hold or a lifecycle that goes on keeps it, until the next entry ends that."""
    chain = c.ChainDriver().paid()
    chain.fact(open_)
    chain.tick(day(34))
    chain.tick(day(400))
    assert isinstance(chain.state, ChainState)
    if open_.event_type == "customs.hold_placed":
        chain.fact(w.customs("hold_removed", day(401)))
        chain.tick(day(402))
        chain.tick(day(402 + QUIET))
        assert isinstance(chain.state, Closed)


def test_a_container_under_way_keeps_no_chain():
    """Carriers stop telling: a trip on board, and its consignment, are waited for by nobody; a
    pledged receipt is.
    """
    trip = "MSCU1234565/BKG-7"
    chain = c.ChainDriver().paid()
    loaded = {"source": "carrier", "trip_id": trip, "leg_no": 1, "vehicle_id": "V"}
    about, refs = f"EQUIPMENT_TRIP:{trip}", ("CONSIGNMENT:X",)
    chain.fact(w.event("shipment.loaded", about, "loaded", day(33), refs=refs, **loaded))
    receipt = {"source": "wms", "wr_id": "R", "holder": "bank", "qty": Decimal(1)}
    for action, when in (("PLEDGE", 33), ("UNPLEDGE", 40 + QUIET)):
        pledge = w.event("wh.warehouse_receipt", "WAREHOUSE_RECEIPT:R", action, day(when),
                         action=action, **receipt)  # fmt: skip
        chain.fact(pledge)
        chain.tick(day(when + 1))
        chain.tick(day(when + 2 + QUIET))
        assert isinstance(chain.state, Closed) == (action == "UNPLEDGE")


def test_an_open_claim_keeps_its_chain():
    """While money may still move nothing is closed."""
    chain = c.ChainDriver()
    chain.send(CONTRACTS, w.contract(w.contract_terms()), day(0))
    chain.tick(day(1))
    chain.receipt("RESERVE", "CONFIRMED", day(2), hold_expires=day(300))
    for message, _ in w.proofs():
        chain.fact(message)
    chain.tick(day(31))
    chain.tick(day(33 + QUIET))
    assert chain.claim.state == "IN_DOUBT"


def test_duplicates_are_counted_without_waking():
    """Everything sent once more: counted, no entry, and the chain stays asleep."""
    chain = c.ChainDriver().closed()
    before = chain.kinds()
    chain.send(CONTRACTS, chain.contract, day(LATE))
    chain.send(RECEIPTS, chain.booked, day(LATE))
    for message in chain.proofs:
        chain.fact(message, at=day(LATE))
    assert chain.kinds() == before
    assert chain.counted("duplicates") == 5
    assert chain.counted("reopened") == 0
    assert isinstance(chain.state, Closed)


def test_a_copy_that_arrived_earlier_wakes_the_chain():
    """It lowers the first arrival, which may decide whether a proof was in time."""
    chain = c.ChainDriver().closed()
    chain.fact(chain.proofs[2], at=day(29))
    assert chain.counted("reopened") == 1
    assert chain.kinds()[-2:] == ["CLOSED", "FACT"]


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
@pytest.mark.parametrize("snapshots", [False, True], ids=["journal", "snapshot"])
def test_a_settlement_is_never_minted_twice(restart, snapshots, tmp_path):
    """Contract again, with other bytes, under another id; receipts and facts late: one payment."""
    folder = tmp_path if snapshots else None
    chain = c.ChainDriver(upkeep=c.UpkeepSettings(snapshots=folder, every_s=0.0, timeline="test"))
    chain.closed()
    other = w.contract(w.contract_terms(cap_minor=200_000, claims=(w.claim_terms(
        amount_minor=200_000),)))  # fmt: skip
    attacks = [
        lambda: chain.send(CONTRACTS, chain.contract, day(LATE)),
        lambda: chain.send(CONTRACTS, other, day(LATE)),
        lambda: chain.send(CONTRACTS, replace(chain.contract, input_id="again"), day(LATE)),
        lambda: chain.send(CONTRACTS, replace(other, input_id="more"), day(LATE)),
        lambda: chain.receipt("RESERVE", "CONFIRMED", day(LATE), hold_expires=day(900)),
        lambda: chain.receipt("PAY", "NOT_FOUND", day(LATE)),
        lambda: chain.receipt("PAY", "RJCT", day(LATE)),
        lambda: chain.receipt("PAY", "ACSC", day(LATE), entry_id="E-1"),
        lambda: chain.fact(w.received(day(LATE), event_id="again")),
        lambda: chain.fact(w.customs("released", day(LATE), event_id="again")),
    ]
    for number, attack in enumerate(attacks):
        if restart:
            chain.restart()
            assert isinstance(chain.state, Closed)
        attack()
        chain.tick(day(LATE + 1 + 200 * number))
        chain.tick(day(LATE + 1 + 200 * number + QUIET + 1))
        assert isinstance(chain.state, Closed), number
    assert len(chain.pays()) == 1
    assert chain.rows().count(1) == 1
    assert chain.rows().count(21) == 1
    assert chain.kinds().count("CLOSED") >= 9
    whole = chain.driver.worker.stores[0].fold
    assert whole.rest(chain.state) == chain.state


def test_late_contrary_evidence_wakes_the_chain_and_is_claimed():
    """A revocation after the closing: row 32 at the next cut, as if it had never been closed."""
    chain = c.ChainDriver().closed()
    chain.fact(w.customs("release_revoked", day(LATE)))
    assert chain.counted("reopened") == 1
    assert isinstance(chain.state, ChainState)
    chain.tick(day(LATE + 1))
    assert chain.rows()[-1] == 32
    assert chain.claim.state == "SETTLED"
    kinds = chain.kinds()
    assert kinds[kinds.index("CLOSED") :] == ["CLOSED", "FACT", "DECISION"]
    codes = [one.code for one in chain.read(EXCEPTIONS) if one.subject_type == "CLAIM"]
    assert codes, "the claim is alarmed"


def test_a_chain_that_woke_for_nothing_rests_again_without_an_entry():
    """What it was woken for is no entry: at the next cut it is as it was."""
    chain = c.ChainDriver().paid()
    chain.fact(w.customs("cleared", day(33)))
    chain.tick(day(34))
    chain.tick(day(34 + QUIET))
    before, kinds = chain.state, chain.kinds()
    chain.fact(chain.proofs[0], at=day(31))
    assert chain.counted("reopened") == 1
    assert isinstance(chain.state, ChainState)
    chain.tick(day(35 + QUIET))
    assert chain.state == before
    assert chain.kinds() == kinds


def test_memory_after_a_restart_is_what_it_was():
    """Closed, reopened and closed again, reopened: the journal gives the same values."""
    chain = c.ChainDriver().closed()
    for step in range(3):
        live = c.settled_memory(chain.driver.worker.stores[0].states)
        chain.restart()
        assert c.settled_memory(chain.driver.worker.stores[0].states) == live
        chain.fact(w.customs("cleared", day(LATE + step), event_id=f"cleared-{step}"))
        chain.tick(day(LATE + 1 + step))
        if step == 1:
            chain.tick(day(LATE + 3 + QUIET))
            assert isinstance(chain.state, Closed)


def test_a_record_that_waits_for_a_cut_keeps_its_chain_open():
    """A revocation beyond the answers, at the very cut that would close the chain: it is taken."""
    chain = c.ChainDriver().paid()
    driver = chain.driver
    stranger = driver.broker.producer("stranger")
    stranger.init(5.0)
    stranger.begin()
    stranger.produce("supply.orders", b"other", b"never", partition=0)
    driver.tick(day(33 + QUIET))
    driver.turn(5)
    assert driver.worker.cuts[0].asked is not None, "the cut waits for the stranger"
    revoked = w.customs("release_revoked", day(33 + QUIET))
    driver.send(revoked.TOPIC, revoked.chain_id, c.codec.encode(revoked.TOPIC, revoked),
                timestamp_us=day(33 + QUIET))  # fmt: skip
    driver.turn(5)
    assert driver.worker.cuts[0].waiting
    stranger.abort()
    driver.settle()
    assert "CLOSED" not in chain.kinds()
    assert chain.kinds()[-1] == "FACT"
    chain.tick(day(34 + QUIET))
    assert chain.rows()[-1] == 32


def test_a_chain_that_cannot_be_read_now_aborts_the_batch():
    """The record is read again, the chain is woken then, and nothing is folded in between."""
    chain = c.ChainDriver().closed()
    history = chain.driver.worker._clients.upkeep.history
    real, left = history.entries, [TransientError("not now"), TransientError("nor now")]

    def entries(number, wanted):
        if left:
            raise left.pop()
        return real(number, wanted)

    history.entries = entries
    chain.fact(w.customs("release_revoked", day(LATE)))
    assert not left
    assert chain.driver.worker.metrics.value("supplytwin_aborts_total", error="AbortError") == 2
    assert chain.kinds()[-2:] == ["CLOSED", "FACT"]


def test_a_journal_that_does_not_give_the_closed_chain_stops_the_worker():
    """Fail closed: what wakes must be what was closed."""
    chain = c.ChainDriver().closed()
    store = chain.driver.worker.stores[0]
    store.states[c.CHAIN] = replace(chain.state, settlements=("another",))
    with pytest.raises(FatalError, match="does not give the chain that it closed"):
        chain.fact(w.customs("release_revoked", day(LATE)))


def test_a_closed_chain_is_never_stepped_over():
    """An engine that forgets to wake it cannot fold into it."""
    chain = c.ChainDriver().closed()
    item = w.item(w.customs("release_revoked", day(LATE)), day(LATE))
    with pytest.raises(FatalError, match="has to be read first"):
        chain.driver.worker.stores[0].fold.step(chain.state, item, day(LATE))


def test_early_closing_needs_a_finished_chain_too():
    """Under memory pressure the days do not count, everything else does."""
    chain = c.ChainDriver().paid()
    fold = chain.driver.worker.stores[0].fold
    step = fold.close(chain.state, day(33))
    assert step is not None
    assert isinstance(step.state, Closed)
    assert fold.close(replace(chain.state, touched=True), day(33)) is None
    assert fold.close(step.state, day(33)) is None
    chain.fact(w.customs("hold_placed", day(33)))
    chain.tick(day(34))
    assert fold.close(chain.state, day(34)) is None


def test_digests_tell_facts_and_inputs_apart():
    """Another content, revision, source or kind is never taken for a duplicate."""
    chain = c.ChainDriver().closed()
    fold, state = chain.driver.worker.stores[0].fold, chain.state
    first = chain.proofs[0]
    again = w.item(first, day(LATE))
    for changed in (
        replace(first, revision=2),
        replace(first, source=first.source + "x"),
        replace(first, event_id=first.event_id + "x"),
    ):
        assert fold.late(state, w.item(changed, day(LATE)))
    assert fold.late(state, replace(again, content_hash=bytes(32)))
    assert len(state.known) == closing.DIGEST_LEN * len(set(closing._parts(state.known)))
