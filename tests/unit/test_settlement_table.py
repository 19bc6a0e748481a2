"""Every pair of state and event: what the table does, and that nothing else does anything."""

import pytest
import settlement_world as w
from immutables import Map
from msgspec.structs import replace

from supplytwin.processors import settlement, settlement_table
from supplytwin.processors.conditions import evaluate
from supplytwin.processors.settlement_case import Case
from supplytwin.processors.settlement_effects import EFFECTS
from supplytwin.processors.settlement_guards import GUARDS, holds
from supplytwin.processors.settlement_state import (
    ABSORBING,
    LIVE,
    PRE,
    STATES,
    Accounts,
    Booking,
    Release,
)
from supplytwin.schemas import terms
from supplytwin.schemas.ids import DAY_US

day, Chain = w.day, w.Chain

NUMBERS = {*range(1, 35), *range(36, 55)}
"""All but 35: there are no parents."""

FLYING = (*LIVE, "CANCEL_PENDING")
STOPPED = ("HELD", "DISPUTED")
OPEN = ("CREATED", *PRE, *STOPPED)
OVER = ("EXPIRED", "VOIDED", "SUPERSEDED", "CLOSED")
PAID = ("SETTLED", "RETURNED")
MIRRORED = ("EXPIRED", "VOIDED", "SUPERSEDED")
AMOUNT = 100_000
DISPUTES = terms.Disputes(
    who=("BUYER", "SELLER"), arbiters=("ann", "bob"), k=1, max_len_us=30 * DAY_US,
    on_timeout="BUYER",
)  # fmt: skip


def chain_in(state, **changes):
    """A chain whose one claim is in `state`, as if it had come there by the shortest way."""
    agreed = {"attempts_max": 2, "disputes": DISPUTES, **changes.pop("terms", {})}
    chain = Chain(w.contract_terms(**agreed))
    chain.agree()
    reserve = chain.last("RESERVE")
    fields = {"state": state}
    if state in PRE or state in STOPPED:
        fields |= {"hold_answered": True, "hold_live": True, "window_end": day(1)}
        fields |= {"held_minor": AMOUNT}
        fields |= {"accounts": Accounts(buyer=-AMOUNT, reserved=AMOUNT)}
        fields |= {"origin": "RISK"} if state == "HELD" else {}
        fields |= {"disputed_by": "BUYER", "disputed_at": day(1)} if state == "DISPUTED" else {}
    if state in FLYING or state in ("SETTLED", "RETURNED"):
        fields |= {"hold_answered": True, "hold_live": True, "issued": 1, "instruction_no": 2}
        fields |= {"held_minor": AMOUNT}
        fields |= {"pay": replace(reserve, kind="PAY"), "status_at": day(1), "recall_no": 0}
        fields |= {"accounts": Accounts(buyer=-AMOUNT, in_flight=AMOUNT)}
    if state == "CANCEL_PENDING":
        fields |= {"recall_no": 1, "recall": replace(reserve, kind="RECALL", recall_no=1)}
    if state == "SETTLED":
        booking = Booking(attempt=1, amount_minor=AMOUNT, currency="USD")
        fields |= {"accounts": Accounts(buyer=-AMOUNT, seller=AMOUNT)}
        fields |= {"bookings": Map({"E0": booking})}
    if state == "RETURNED":
        fields |= {"accounts": Accounts(), "returns": Map({"R0": AMOUNT})}
        fields |= {"bookings": Map({"E0": Booking(attempt=1, amount_minor=AMOUNT, currency="USD")})}
    at = changes.pop("release_at", 0)
    release = Release(order=replace(reserve, kind="RELEASE"), open=True, at=at)
    fields |= {"releases": Map({1: release})} if state in ABSORBING else {}
    claim = replace(chain.claim(), **{**fields, **changes})
    chain.book = replace(chain.book, claims=chain.book.claims.set(claim.settlement_id, claim))
    chain.now = day(2)
    return chain


def _answer(kind, status, **fields):
    def act(chain):
        order = replace(chain.last("RESERVE"), kind=kind, attempt=1, hold_no=1, recall_no=1)
        return chain.answer(order, status, **fields)

    return act


def _hold_at_last(chain):
    """While a claim is stopped, its hold was lost, and another is confirmed."""
    if chain.state() in STOPPED:
        lost = {"hold_answered": False, "hold_live": False, "accounts": Accounts()}
        claim = replace(chain.claim(), **lost)
        chain.book = replace(chain.book, claims=chain.book.claims.set(chain.ids[0], claim))
    if chain.state() in PAID:
        claim = replace(chain.claim(), hold_answered=False, hold_live=False)
        chain.book = replace(chain.book, claims=chain.book.claims.set(chain.ids[0], claim))
    return ACTS["HoldConfirmed"](chain)


def _overpaid_back(chain):
    """What was booked twice comes back."""
    if chain.state() == "RETURNED":
        claim = replace(chain.claim(), accounts=Accounts(buyer=-AMOUNT, seller=AMOUNT))
        chain.book = replace(chain.book, claims=chain.book.claims.set(chain.ids[0], claim))
    return ACTS["Returned"](chain)


def _review(verdict, **fields):
    def act(chain):
        told = settlement.explain(chain.book, chain.twin, chain.now)[0]
        return chain.review(verdict, evidence_hash=told.evidence_hash, **fields)

    return act


def _two_contents(chain):
    """A receipt that does nothing by itself (unknown status), then its id with other content."""
    order = chain.last("RESERVE")
    chain.answer(order, "WHAT", input_id="same")
    return chain.answer(order, "ELSE", input_id="same")


def _cancel_of_both(chain):
    chain.review("CANCEL", role="BUYER", reviewer="bo")
    return chain.review("CANCEL", role="SELLER", reviewer="sue")


def _everybody(verdict):
    return _review(verdict, settlement_id="*", role="COURT")


def _two_persons(verdict, **fields):
    """Two of them about a broken reconciliation, where there can be one."""

    def act(chain):
        if chain.state() == "IN_DOUBT":
            claim = replace(chain.claim(), recon_break=True)
            chain.book = replace(chain.book, claims=chain.book.claims.set(chain.ids[0], claim))
        chain.review(verdict, reviewer="rosa", **fields)
        return chain.review(verdict, reviewer="hal", **fields)

    return act


RECORD = "supplytwin:quarantine/supply.customs/0/7"


def _record_refused(chain):
    return chain.review(
        "QUARANTINE", source="supplytwin:quarantine", input_id="supply.customs/0/7",
        settlement_id="*", contract_id="*", reviewer="",
    )  # fmt: skip


def _record_resolved(chain):
    """A refused record alone stands against the claim, and an operator has dealt with it."""
    claim = replace(chain.claim(), standing=Map({RECORD: ""}), tolls_since=day(1))
    claim = replace(claim, origin="QUARANTINED") if claim.state == "HELD" else claim
    claims = chain.book.claims.set(claim.settlement_id, claim)
    chain.book = replace(chain.book, claims=claims, refused=frozenset((RECORD,)))
    return chain.review("RELEASE_RECORD", cleared_ids=(RECORD,), settlement_id="*", contract_id="*")


SAME, STALE = "same", "STALE"
WATCHED = ("CREATED", *STOPPED, "CANCEL_PENDING")
USD = {"currency": "USD"}
ACTS = {
    "HoldConfirmed": _answer("RESERVE", "CONFIRMED", hold_expires=day(300)),
    "HoldConfirmed at last": _hold_at_last,
    "HoldConfirmed too small": _answer("RESERVE", "CONFIRMED", amount_minor=1),
    "HoldRefused": _answer("RESERVE", "REFUSED"),
    "HoldRenewed": _answer("RESERVE", "RENEWED", hold_expires=day(400)),
    "HoldRenewed in CNY": _answer("RESERVE", "RENEWED", amount_minor=1, currency="CNY"),
    "HoldRenewed of less": _answer("RESERVE", "RENEWED", amount_minor=1, **USD),
    "HoldLost": _answer("RESERVE", "LOST"),
    "UndertakingRecorded": _review("UNDERTAKING", role="FINANCIER", amount_minor=AMOUNT),
    "Pending": _answer("PAY", "ACSP"),
    "Booked": _answer("PAY", "BOOKED", entry_id="E1"),
    "Booked another amount": _answer("PAY", "BOOKED", entry_id="E1", amount_minor=7),
    "Booked known": _answer("PAY", "BOOKED", entry_id="E0"),
    "Booked otherwise": _answer("PAY", "ACSC", amount_minor=7),
    "Rejected retryable": _answer("PAY", "RJCT", rail_reason="AM04"),
    "Rejected final": _answer("PAY", "RJCT", rail_reason="AC04"),
    "NotFound": _answer("QUERY", "NOT_FOUND"),
    "Returned": _answer("PAY", "RETURNED", return_id="R1", amount_minor=AMOUNT, **USD),
    "Returned overpaid": _overpaid_back,
    "Returned in part": _answer("PAY", "RETURNED", return_id="R1", amount_minor=1, **USD),
    "Returned too much": _answer("PAY", "RETURNED", return_id="R1", amount_minor=AMOUNT + 1, **USD),
    "Released": _answer("RELEASE", "RELEASED"),
    "ReleaseFailed": _answer("RELEASE", "FAILED"),
    "RecallDone": _answer("RECALL", "CNCL"),
    "RecallRefused": _answer("RECALL", "RJCR"),
    "NoOriginal": _answer("RECALL", "NOOR"),
    "ReviewReleased": _review("RELEASE"),
    "ReviewReleased by the raiser": _review("RELEASE", reviewer=""),
    "ReviewRejected": _review("REJECT"),
    "RiskHold": _review("HOLD"),
    "RecallOrdered": _review("RECALL"),
    "MutualCancel": _cancel_of_both,
    "CourtOrder": _review("COURT_ORDER", role="COURT"),
    "CourtOrder of anybody": _review("COURT_ORDER", role="BUYER"),
    "CourtOrder on all": _everybody("COURT_ORDER"),
    "Terminated": _everybody("TERMINATE"),
    "DisputeRaised": _review("DISPUTE", role="BUYER"),
    "DisputeRaised by a carrier": _review("DISPUTE", role="CARRIER"),
    "DisputeWithdrawn": _review("WITHDRAW", role="BUYER"),
    "DisputeWithdrawn by the other": _review("WITHDRAW", role="SELLER"),
    "DisputeDismissed": _review("DISMISS", role="ARBITER", reviewer="ann"),
    "ResolvedForSeller": _review(
        "RESOLVE_SELLER", role="ARBITER", reviewer="ann", amount_minor=AMOUNT
    ),
    "ResolvedForSeller too much": _review(
        "RESOLVE_SELLER", role="ARBITER", reviewer="ann", amount_minor=AMOUNT + 1
    ),
    "ResolvedForBuyer": _review("RESOLVE_BUYER", role="ARBITER", reviewer="bob"),
    "ResolvedForBuyer by a stranger": _review("RESOLVE_BUYER", role="ARBITER", reviewer="zoe"),
    "ReconBreak": _two_contents,
    "ReconFound": _review("RECON_BREAK"),
    "ReconSettled": _two_persons("RECON_SETTLED", amount_minor=AMOUNT),
    "ReconHeld": _two_persons("RECON_HELD"),
    "RecordRefused": _record_refused,
    "RecordResolved": _record_resolved,
    "unknown verdict": _review("PERHAPS"),
    "unknown status": _answer("PAY", "WHAT"),
    "status of another kind": _answer("RESERVE", "BOOKED"),
}  # fmt: skip


def _each(states, outcome):
    return dict.fromkeys(states, outcome)


EXPECTED = {
    "HoldConfirmed": {
        "CREATED": (2, "RESERVED"), **_each(OVER, (39, SAME)),
        **_each((*PRE, *STOPPED, *FLYING, "SETTLED", "RETURNED"), STALE),
    },
    "HoldConfirmed at last": {
        "CREATED": (2, "RESERVED"), **_each((*OVER, *PAID), (39, SAME)),
        **_each(STOPPED, (41, SAME)), **_each((*PRE, *FLYING), STALE),
    },
    "HoldConfirmed too small": {
        "CREATED": (38, SAME), **_each(OVER, (39, SAME)),
        **_each((*PRE, *STOPPED, *FLYING, "SETTLED", "RETURNED"), STALE),
    },
    "HoldRenewed": {**_each((*PRE, *STOPPED, *FLYING), (5, SAME)), **_each(ABSORBING, STALE)},
    "HoldRenewed in CNY": _each(ABSORBING, STALE),
    "HoldRenewed of less": {
        **_each(PRE, (6, "CREATED")), **_each(FLYING, (40, SAME)), **_each(STOPPED, (41, SAME)),
        **_each(ABSORBING, STALE),
    },
    "HoldLost": {
        **_each(PRE, (6, "CREATED")), **_each(FLYING, (40, SAME)), **_each(STOPPED, (41, SAME)),
        **_each(ABSORBING, STALE),
    },
    "HoldRefused": {
        "CREATED": (3, "VOIDED"), **_each(OVER, STALE),
        **_each((*PRE, *STOPPED, *FLYING, "SETTLED", "RETURNED"), STALE),
    },
    "Pending": {
        **_each(("INSTRUCTED", "IN_DOUBT"), (22, "ACCEPTED")),
        **_each(("ACCEPTED", "CANCEL_PENDING", "SETTLED", "RETURNED"), STALE),
    },
    "Booked": {
        **_each(FLYING, (23, "SETTLED")), **_each(OPEN, (48, "SETTLED")),
        **_each(MIRRORED, (49, SAME)), **_each(("SETTLED", "RETURNED"), (53, SAME)),
    },
    "Booked another amount": {
        **_each(FLYING, (50, "IN_DOUBT")), **_each(OPEN, (48, "SETTLED")),
        **_each(MIRRORED, (49, SAME)), **_each(("SETTLED", "RETURNED"), (53, SAME)),
    },
    "Booked known": {
        **_each(FLYING, (23, "SETTLED")), **_each(OPEN, (48, "SETTLED")),
        **_each(MIRRORED, (49, SAME)), **_each(("SETTLED", "RETURNED"), STALE),
    },
    "Booked otherwise": {
        **_each(FLYING, (50, "IN_DOUBT")), **_each(OPEN, (48, "SETTLED")),
        **_each(MIRRORED, (49, SAME)), **_each(("SETTLED", "RETURNED"), (50, SAME)),
    },
    "Rejected retryable": {
        **_each(LIVE, (24, "APPROVED")), "CANCEL_PENDING": (45, "HELD"),
        **_each(("SETTLED", "RETURNED"), (53, SAME)),
    },
    "Rejected final": {
        **_each(LIVE, (25, "HELD")), "CANCEL_PENDING": (45, "HELD"),
        **_each(("SETTLED", "RETURNED"), (53, SAME)),
    },
    "NotFound": {
        **_each(("INSTRUCTED", "IN_DOUBT"), (44, "INSTRUCTED")),
        **_each(("SETTLED", "RETURNED"), STALE),
    },
    "Returned": {
        **_each(FLYING, (47, "RETURNED")), **_each(OPEN, (48, "RETURNED")),
        **_each(MIRRORED, (49, SAME)), "SETTLED": (31, "RETURNED"),
    },
    "Returned overpaid": {
        **_each(FLYING, (47, "RETURNED")), **_each(OPEN, (48, "RETURNED")),
        **_each(MIRRORED, (49, SAME)), "SETTLED": (31, "RETURNED"), "RETURNED": (31, SAME),
    },
    "Returned in part": {
        **_each(FLYING, (47, "SETTLED")), **_each(OPEN, (48, "RETURNED")),
        **_each(MIRRORED, (49, SAME)), "SETTLED": (31, "SETTLED"),
    },
    "Returned too much": {
        **_each(FLYING, (50, "IN_DOUBT")), **_each(OPEN, (48, "RETURNED")),
        **_each(MIRRORED, (49, SAME)),
    },
    "Released": _each(ABSORBING, (42, SAME)),
    "ReleaseFailed": _each(ABSORBING, (42, SAME)),
    "RecallDone": {
        **_each(FLYING, (29, "VOIDED")), **_each(("SETTLED", "RETURNED"), (53, SAME)),
    },
    "RecallRefused": {
        "CANCEL_PENDING": (30, "IN_DOUBT"), **_each(("SETTLED", "RETURNED"), (53, SAME)),
    },
    "NoOriginal": {
        "CANCEL_PENDING": (30, SAME), **_each(("SETTLED", "RETURNED"), (53, SAME)),
    },
    "ReviewReleased": {"HELD": (13, "RESERVED")},
    "ReviewRejected": {"HELD": (14, "VOIDED")},
    "RiskHold": {
        **_each(PRE, (12, "HELD")), **_each(WATCHED, (54, SAME)),
    },
    "RecallOrdered": _each(LIVE, (28, "CANCEL_PENDING")),
    "MutualCancel": {**_each(OPEN, (34, "VOIDED")), **_each(LIVE, (28, "CANCEL_PENDING"))},
    "CourtOrder": {**_each(OPEN, (34, "VOIDED")), **_each(LIVE, (28, "CANCEL_PENDING"))},
    "CourtOrder on all": {**_each(OPEN, (34, "VOIDED")), **_each(LIVE, (28, "CANCEL_PENDING"))},
    "Terminated": {"CREATED": (3, "VOIDED"), **_each((*PRE, *STOPPED), (34, "VOIDED"))},
    "DisputeRaised": _each((*PRE, "HELD"), (16, "DISPUTED")),
    "DisputeWithdrawn": {"DISPUTED": (17, "RESERVED")},
    "DisputeDismissed": {"DISPUTED": (17, "RESERVED")},
    "ResolvedForSeller": {"DISPUTED": (18, SAME)},
    "ResolvedForBuyer": {"DISPUTED": (19, "VOIDED")},
    "ReconSettled": {"IN_DOUBT": (51, "SETTLED")},
    "ReconHeld": {"IN_DOUBT": (51, "HELD")},
    "ReconFound": {**_each(PRE, (12, "HELD")), **_each(WATCHED, (54, SAME))},
    "ReconBreak": {
        **_each(PRE, (12, "HELD")), **_each(WATCHED, (54, SAME)),
    },
    "RecordRefused": {**_each(PRE, (12, "HELD")), **_each(WATCHED, (54, SAME))},
    "RecordResolved": {
        "HELD": (13, "RESERVED"),
        **_each(("CREATED", *PRE, "DISPUTED", "CANCEL_PENDING"), (54, SAME)),
    },
}  # fmt: skip


SENDS = {
    1: ["RESERVE"], 4: ["RELEASE"], 6: ["RESERVE"], 19: ["RELEASE"],
    38: ["RELEASE", "RESERVE"], 8: ["RELEASE"], 14: ["RELEASE"], 15: ["RELEASE"], 21: ["PAY"],
    26: ["QUERY"], 28: ["RECALL"], 29: ["RELEASE"], 30: ["QUERY"], 34: ["RELEASE"],
    37: ["RELEASE"], 39: ["RELEASE"], 44: ["PAY"],
}  # fmt: skip
"""Row -> the instructions that go out (42, 46, 48: see below); every other row sends nothing."""
ALARMS = {
    4: {"NOT_FUNDED"}, 6: {"HOLD_LOST"}, 9: {"HELD_FOR_REVIEW"}, 12: {"HELD_FOR_REVIEW"},
    16: {"DISPUTED"}, 25: {"HELD_FOR_REVIEW"}, 32: {"CLAIM_RECORD"}, 38: {"HOLD_UNFIT"},
    45: {"HELD_FOR_REVIEW"},
    46: {"RAIL_SILENT"}, 48: {"RECON_BREAK"}, 49: {"RECON_BREAK", "CLAIM_RECORD"},
    50: {"RECON_BREAK"}, 51: {"HELD_FOR_REVIEW"}, 53: {"RECON_BREAK"},
}  # fmt: skip
ORIGINS = {9: "REVIVABLE", 10: "REVIVABLE", 12: "RISK", 25: "REJECTED", 45: "REJECTED"}


def check_effects(transition, claim):
    """What goes out with a transition, who is told, and why a claim is held."""
    row, kinds = transition.row, [order.kind for order in transition.instructions]
    codes = {alarm.code for alarm in transition.alarms}
    if row in (6, 41) and "run out" in transition.reason:
        assert (kinds, codes) == (["RESERVE"], {"HOLD_LOST"})
        return
    if row in (6, 41) and "shrunk" in transition.reason:
        assert (kinds, codes) == (["RELEASE", "RESERVE"], {"HOLD_LOST"})
        return
    if row == 46:
        again = ["RECALL"] if transition.from_state == "CANCEL_PENDING" else []
        assert kinds == ["QUERY", *again]
    elif row in (3, 48):
        assert kinds in ([], ["RELEASE"])
    elif row == 41:
        assert kinds == ([] if claim.hold_live else ["RESERVE"])
    elif row == 42:
        sent_again = claim.release_open
        assert (kinds == ["RELEASE"]) == (codes == {"RELEASE_FAILED"}) == sent_again
        return
    else:
        assert kinds == SENDS.get(row, [])
    if row == 41:
        assert codes == ({"HOLD_LOST"} if "lost" in transition.reason else set())
    elif row in (10, 51):
        assert bool(codes) == (transition.to_state == "HELD")
    else:
        assert codes - {"CLAIM_RECORD"} >= ALARMS.get(row, set()) - {"CLAIM_RECORD"}
        assert codes <= ALARMS.get(row, set()) | ({"CLAIM_RECORD"} if row == 53 else set())
    if transition.to_state == "HELD" and row in ORIGINS:
        refused = transition.reason.startswith("a record of the chain")
        assert claim.origin == ("QUARANTINED" if refused else ORIGINS[row])
    if row in (10, 12):
        assert claim.window_end is None
    if row == 13:
        assert claim.origin is None
    stopped = (row, transition.to_state) == (50, "IN_DOUBT")
    if row in (21, 22, 26, 28, 30, 44, 46) or stopped:
        assert claim.status_at == transition.tick_time


OF_ALL = ("MutualCancel", "CourtOrder on all", "Terminated")
"""Recorded of the contract, whether or not the claim moves."""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("act", ACTS)
def test_every_pair_of_state_and_input_does_what_the_table_says(act, state):
    """A row fires with its target, or the input is recorded and the claim stays as it is."""
    chain = chain_in(state)
    before = chain.claim()
    rows_before = len(chain.rows)
    outcome = ACTS[act](chain)
    expected = EXPECTED.get(act, {}).get(state)
    if isinstance(expected, tuple):
        row, target = expected
        assert [(t.row, t.from_state) for t in outcome.transitions] == [(row, state)]
        assert outcome.transitions[0].to_state == chain.state()
        assert chain.state() == (state if target == SAME else target)
        check_effects(outcome.transitions[0], chain.claim())
        return
    assert len(chain.rows) == rows_before
    assert chain.state() == state
    told = {"bookings": Map(), "returns": Map(), "unbooked": False}
    told |= {"standing": Map(), "tolls_since": None, "hold_lost_no": 0, "cancelled": False}
    told |= {"recon_break": False}
    if act in ("RiskHold", "ReconFound", "ReconBreak", "RecordRefused"):
        told["noted"] = frozenset()
    if act == "RecordResolved" and state in (*LIVE, "SUPERSEDED"):
        told["cleared"] = frozenset()
    assert replace(chain.claim(), **told) == replace(before, **told)
    if expected == STALE:
        assert outcome.verdict == "STALE"
        assert not outcome.alarms
    elif act == "ReconBreak":
        assert outcome.verdict == "CONFLICT"
    elif act.startswith("Record") or (act in OF_ALL and state not in ABSORBING):
        assert outcome.verdict == "NOTED"
    else:
        assert outcome.verdict == "ILLEGAL"
        assert [alarm.code for alarm in outcome.alarms] == ["ILLEGAL_PAIR"]


def _hold_fact(chain):
    chain.facts(*w.proofs(at=0), (w.customs("hold_placed", day(1)), day(1)))


def _conflict(chain):
    chain.facts(*w.proofs(at=0), (w.received(day(0, 2_000_000), qty=41), day(1)))


def _proofs(chain):
    chain.facts(*w.proofs(at=0))


def _withdrawn(chain):
    chain.facts(*w.proofs(at=0))
    release = w.proofs(at=0)[1][0]
    undo = w.with_(
        release, event_id="undo", revision=2, correction_action="RETRACT",
        correction_source="customs", correction_event_id=release.event_id,
    )  # fmt: skip
    chain.facts((undo, day(1)))


def _nothing(chain):
    pass


AT_CUT = [
    *((34, state, "VOIDED", day(271), _nothing, {}) for state in OPEN),
    (4, "CREATED", "EXPIRED", day(29), _nothing, {}),
    (8, "RESERVED", "EXPIRED", day(91), _nothing, {}),
    (9, "RESERVED", "HELD", day(91), _withdrawn, {}),
    (15, "HELD", "EXPIRED", day(91), _nothing, {}),
    *((28, state, "CANCEL_PENDING", day(3), _hold_fact, {}) for state in LIVE),
    *((28, state, "CANCEL_PENDING", day(3), _conflict, {}) for state in LIVE),
    (32, "SETTLED", "SETTLED", day(3), _hold_fact, {}),
    (32, "SETTLED", "SETTLED", day(3), _conflict, {}),
    *((54, state, state, day(3), _conflict, {}) for state in WATCHED),
    (
        18,
        "DISPUTED",
        "DISPUTED",
        day(32),
        _nothing,
        {"terms": {"disputes": replace(DISPUTES, on_timeout="SELLER")}},
    ),
    (19, "DISPUTED", "VOIDED", day(32), _nothing, {}),
    *((6, state, "CREATED", day(3), _proofs, {"hold_expires": day(3)}) for state in PRE),
    (6, "APPROVED", "DISPUTED", day(3), _proofs, {"hold_expires": day(3), "basis": "AWARD"}),
    *((41, state, state, day(3), _nothing, {"hold_expires": day(3)}) for state in STOPPED),
    (41, "DISPUTED", "DISPUTED", day(3), _nothing, {"hold_expires": day(3), "basis": "AWARD"}),
    (20, "APPROVED", "MATCHED", day(3), _proofs, {"hold_expires": day(10)}),
    (20, "APPROVED", "DISPUTED", day(3), _proofs, {"hold_expires": day(10), "basis": "AWARD"}),
    (43, "DISPUTED", "INSTRUCTED", day(3), _nothing, {"basis": "AWARD", "due_minor": AMOUNT}),
    (10, "MATCHED", "RESERVED", day(3), _nothing, {}),
    (10, "APPROVED", "RESERVED", day(3), _hold_fact, {}),
    (10, "MATCHED", "HELD", day(91), _nothing, {}),
    (10, "APPROVED", "HELD", day(91), _hold_fact, {}),
    *((12, state, "HELD", day(3), _conflict, {}) for state in PRE),
    *(
        (37, state, "CLOSED", day(3), _nothing, {"amount_minor": 0})
        for state in ("CREATED", "RESERVED")
    ),
    (7, "RESERVED", "INSTRUCTED", day(3), _proofs, {}),
    (11, "MATCHED", "INSTRUCTED", day(3), _proofs, {}),
    (21, "APPROVED", "INSTRUCTED", day(3), _proofs, {}),
    *((26, state, "IN_DOUBT", day(16), _proofs, {}) for state in ("INSTRUCTED", "ACCEPTED")),
    *((46, state, state, day(16), _proofs, {}) for state in ("IN_DOUBT", "CANCEL_PENDING")),
    *((42, state, state, day(16), _proofs, {"release_at": day(1)}) for state in ABSORBING),
]


@pytest.mark.parametrize(("row", "state", "target", "tick", "facts", "changes"), AT_CUT)
def test_every_row_of_a_cut_fires_from_every_state_that_it_names(
    row, state, target, tick, facts, changes
):
    """At a cut the first applicable row is taken; after 7 row 11, after 11 row 21."""
    if "amount_minor" in changes:
        changes = {**changes, "accounts": Accounts()}
    chain = chain_in(state, **changes)
    facts(chain)
    chain.now = tick
    chain.book, transitions = settlement.cut(chain.book, chain.twin, tick)
    check_effects(transitions[-1], chain.claim())
    rows = [transition.row for transition in transitions]
    assert rows[0] == row
    assert rows[1:] == {7: [11, 21], 11: [21], 43: [21]}.get(row, [])
    assert chain.state() == target


@pytest.mark.parametrize("state", STATES)
def test_a_cut_with_nothing_to_do_does_nothing(state):
    """With proofs and holds in order and no time passed, only the way to the payment is open."""
    chain = chain_in(state, release_at=day(2), status_at=day(2))
    _proofs(chain)
    before = chain.claim()
    assert bool(chain.cut(day(3))) == (state in PRE)
    assert state in PRE or chain.claim() == before


REPLACED = ("CREATED", "RESERVED", "MATCHED", *STOPPED)


@pytest.mark.parametrize("state", STATES)
def test_an_amendment_replaces_what_is_not_approved_and_nothing_else(state):
    """Rows 33 and 52; where all has ended nothing of it is amended, of others the rest is kept."""
    chain = chain_in(state)
    before, amended = chain.claim(), replace(chain.terms, version=2)
    outcome = chain.amend(amended)
    rows = [(t.row, t.from_state, t.to_state) for t in outcome.transitions]
    if state in REPLACED:
        target = "CREATED" if state == "CREATED" else "RESERVED"
        assert rows == [(33, state, "SUPERSEDED"), (52, "NONE", target)]
        assert chain.claim().settlement_id == before.settlement_id
        assert chain.claim().version == 2
    else:
        assert rows == []
        assert outcome.verdict == ("ILLEGAL" if state in ABSORBING else "NOTED")
        assert chain.claim() == before


def test_the_rows_are_those_of_this_version_and_each_is_tried():
    """The numbers are the agreed ones; every row but the stale one is fired by the tests above."""
    numbers = {row.number for row in settlement_table.ROWS} | set(settlement_table.AS_IN_DOUBT)
    assert numbers == NUMBERS
    fired = {
        (outcome[0], state)
        for states in EXPECTED.values()
        for state, outcome in states.items()
        if isinstance(outcome, tuple)
    }
    fired |= {(row, state) for row, state, *_ in AT_CUT} | {(1, "NONE"), (37, "NONE")}
    fired |= {(33, state) for state in REPLACED} | {(52, "NONE")}
    named = {
        (row.number, origin)
        for row in settlement_table.ROWS
        for origin in row.origins
        if row.number not in (settlement_table.STALE, 42)
    }
    assert named - fired == set()


def test_row_27_is_how_the_other_rows_name_in_doubt():
    """Every row that row 27 stands for can be taken from IN_DOUBT."""
    for number in settlement_table.AS_IN_DOUBT[27]:
        assert any(
            "IN_DOUBT" in row.origins for row in settlement_table.ROWS if row.number == number
        )


def test_the_table_is_closed():
    """Every guard, effect, state and event that a row names exists; every cut row has its place."""
    targets = {*STATES, settlement_table.SAME}
    for row in settlement_table.ROWS:
        assert set(row.guards) <= GUARDS.keys()
        assert set(row.effects) <= EFFECTS.keys()
        assert {state for state, _ in row.targets} <= targets
        assert {guard for _, guard in row.targets} - {None} <= GUARDS.keys()
        assert row.targets[-1][1] is None
        assert row.event in settlement_table.EVENTS
        assert row.event != "Cut" or row.number in settlement_table.CUT_ORDER
    used = {name for row in settlement_table.ROWS for name in row.guards}
    used |= {guard for row in settlement_table.ROWS for _, guard in row.targets if guard}
    assert used == GUARDS.keys()
    assert {name for row in settlement_table.ROWS for name in row.effects} == EFFECTS.keys()


def test_a_record_names_one_way_of_enacting_it():
    """Rows with one number, event, origin and target have the same effects: a restore has no more
    to go by.
    """
    seen = {}
    for row in settlement_table.ROWS:
        for origin in row.origins:
            for target, _ in row.targets:
                key = (row.number, row.event, origin, target)
                assert seen.setdefault(key, row.effects) == row.effects


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", settlement_table.EVENTS)
def test_every_pair_has_rows_or_is_none_of_the_table(event, state):
    """Enumerated: what the table does not name is what the acts above find to be illegal."""
    acts = [name for name in ACTS if name.split(" ")[0] == event]
    fires = any(isinstance(EXPECTED.get(act, {}).get(state), tuple) for act in acts)
    fires |= event == "AmendmentAccepted" and state in REPLACED
    fires |= event == "Cut" and any(one == state for _, one, *_ in AT_CUT)
    fires |= event == "UndertakingRecorded" and state == "CREATED"
    fires |= event in ("ContractAgreed", "AmendmentAccepted") and state == "CREATED"
    found = {row.number for row in settlement_table.rows(state, event)} - {settlement_table.STALE}
    if event in ("Released", "ReleaseFailed", "Cut"):
        found -= {42}
        fires &= bool(found)
    assert bool(found) == fires


def _refused(state):
    """A chain in `state` whose running attempt the rail has refused to give back."""
    return chain_in(state, recall_no=1, refused_no=1, refused_attempt=1)


def test_an_unknown_payment_whose_recall_was_refused_is_recalled():
    """Row 44 never repeats a PAY that was to be recalled."""
    chain = _refused("IN_DOUBT")
    outcome = ACTS["NotFound"](chain)
    assert [(t.row, t.to_state) for t in outcome.transitions] == [(44, "CANCEL_PENDING")]
    assert [order.kind for order in outcome.transitions[0].instructions] == ["RECALL"]


@pytest.mark.parametrize("state", [*LIVE, "CANCEL_PENDING"])
def test_a_rejection_after_the_long_stop_or_a_cancel_voids(state):
    """Rows 25 and 45: then there is nothing to hold the claim for."""
    for late in (True, False):
        chain = chain_in(state)
        if late:
            chain.now = day(271)
        else:
            chain.book = replace(chain.book, cancels=Map({"BUYER": "bo", "SELLER": "sue"}))
        ACTS["Rejected retryable"](chain)
        assert chain.state() == "VOIDED"
        assert chain.claim().accounts.reserved == 0


@pytest.mark.parametrize("state", LIVE)
def test_the_last_attempt_that_is_rejected_holds(state):
    """Row 24 needs an attempt left and a live hold, else row 25."""
    chain = chain_in(state, attempt=2, issued=2)
    order = replace(chain.last("RESERVE"), kind="PAY", attempt=2)
    chain.answer(order, "RJCT", rail_reason="AM04")
    assert chain.state() == "HELD"
    chain = chain_in(state, hold_expires=day(1))
    ACTS["Rejected retryable"](chain)
    assert chain.state() == "HELD"


def test_a_review_releases_to_matched_when_the_condition_is_true():
    """Row 13: with the proofs in, the claim goes on at once."""
    chain = chain_in("HELD")
    _proofs(chain)
    ACTS["ReviewReleased"](chain)
    assert chain.state() == "MATCHED"


@pytest.mark.parametrize("tick", [day(91), day(271)])
def test_a_review_cannot_release_what_can_no_longer_become_true(tick):
    """Row 13: not FALSE, not UNKNOWN after the close, not past the long stop."""
    for facts in (_nothing, _withdrawn):
        chain = chain_in("HELD")
        facts(chain)
        chain.now = tick
        assert ACTS["ReviewReleased"](chain).verdict == "ILLEGAL"
    chain = chain_in("HELD")
    _proofs(chain)
    chain.now = day(271)
    assert ACTS["ReviewReleased"](chain).verdict == "ILLEGAL"


def test_a_review_clears_only_what_stands():
    """An id that is not adverse now cannot be cleared in advance."""
    chain = chain_in("HELD")
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    outcome = chain.review("RELEASE", evidence_hash=told.evidence_hash, cleared_ids=("wms/later",))
    assert outcome.verdict == "ILLEGAL"


@pytest.mark.parametrize("state", [one for one in STATES if one not in ("SETTLED", "RETURNED")])
@pytest.mark.parametrize("attempt", [0, 3])
def test_an_answer_about_an_attempt_that_was_never_sent_is_illegal(state, attempt):
    """A status, a rejection, an unknown payment, a recall done: of attempt 0, or of one to come."""
    for kind, status in (
        ("PAY", "ACSP"),
        ("PAY", "RJCT"),
        ("QUERY", "NOT_FOUND"),
        ("RECALL", "CNCL"),
    ):
        chain = chain_in(state)
        before = chain.claim()
        order = replace(chain.last("RESERVE"), kind=kind, attempt=attempt)
        assert chain.answer(order, status).verdict == "ILLEGAL"
        assert chain.claim() == before


@pytest.mark.parametrize("state", FLYING)
def test_an_answer_about_an_older_attempt_is_stale(state):
    """Attempt 1 was rejected; what is said of it while attempt 2 is under way changes nothing."""
    for kind, status in (
        ("PAY", "ACSP"),
        ("PAY", "RJCT"),
        ("QUERY", "NOT_FOUND"),
        ("RECALL", "CNCL"),
    ):
        chain = chain_in(state, attempt=2, issued=2)
        before = chain.claim()
        order = replace(chain.last("RESERVE"), kind=kind, attempt=1)
        assert chain.answer(order, status).verdict == "STALE"
        assert chain.claim() == before


@pytest.mark.parametrize("status", ["RJCR", "NOOR"])
def test_an_answer_to_a_recall_that_was_never_sent_is_illegal(status):
    """Only the current recall is answered; an older one is stale."""
    chain = chain_in("CANCEL_PENDING", recall_no=2)
    order = replace(chain.last("RESERVE"), kind="RECALL", attempt=1)
    assert chain.answer(replace(order, recall_no=3), status).verdict == "ILLEGAL"
    assert chain.answer(replace(order, recall_no=0), status).verdict == "ILLEGAL"
    assert chain.answer(replace(order, recall_no=1), status).verdict == "STALE"
    assert chain.state() == "CANCEL_PENDING"


BROKEN = (
    "Pending", "Rejected retryable", "Rejected final", "NotFound", "RecallDone", "RecallOrdered",
    "MutualCancel",
)  # fmt: skip


@pytest.mark.parametrize("state", FLYING)
@pytest.mark.parametrize("act", BROKEN)
def test_nothing_moves_a_claim_whose_reconciliation_is_broken(act, state):
    """After row 50 no retry, recall, refund or repeat: only people may (a later version)."""
    chain = chain_in(state, recon_break=True)
    outcome = ACTS[act](chain)
    assert outcome.transitions == ()
    assert chain.state() == state
    _hold_fact(chain)
    assert chain.cut(day(3)) == []


@pytest.mark.parametrize("act", ["Booked", "Returned"])
@pytest.mark.parametrize("state", FLYING)
def test_even_the_right_booking_does_not_settle_a_broken_reconciliation(act, state):
    """Two bookings of one payment, or a return: row 50 again."""
    chain = chain_in(state, recon_break=True)
    outcome = ACTS[act](chain)
    assert [(t.row, t.to_state) for t in outcome.transitions] == [(50, "IN_DOUBT")]


@pytest.mark.parametrize("state", LIVE)
def test_a_payment_whose_recall_was_refused_is_not_recalled_again(state):
    """Row 28, by evidence, by a person and by a mutual cancel: no recall refused yet."""
    for act in ("RecallOrdered", "MutualCancel"):
        chain = _refused(state)
        assert ACTS[act](chain).transitions == ()
    chain = _refused(state)
    _hold_fact(chain)
    assert chain.cut(day(3)) == []


def test_returns_that_are_known_before_the_booking_count_with_it():
    """Row 23 goes to RETURNED when they cover the amount, else the rest stays paid."""
    for known, state, seller in ((AMOUNT, "RETURNED", 0), (1, "SETTLED", AMOUNT - 1)):
        chain = chain_in("INSTRUCTED", returns=Map({"R": known}))
        ACTS["Booked"](chain)
        assert (chain.state(), chain.claim().accounts.seller) == (state, seller)


def test_a_refused_hold_is_answered():
    """A refusal of another hold is illegal; one that is confirmed after its refusal is released."""
    chain = chain_in("CREATED")
    order = replace(chain.last("RESERVE"), hold_no=2)
    assert chain.answer(order, "REFUSED").verdict == "ILLEGAL"
    ACTS["HoldRefused"](chain)
    confirmed = ACTS["HoldConfirmed"](chain)
    assert [(t.row, t.to_state) for t in confirmed.transitions] == [(39, "VOIDED")]
    assert chain.sent[-1].kind == "RELEASE"
    assert ACTS["HoldConfirmed"](chain).verdict == "STALE"


@pytest.mark.parametrize("state", ["MATCHED", "APPROVED"])
def test_nothing_is_instructed_without_a_live_hold(state):
    """A hold that is too short for an answer of the rail stops rows 11 and 21; when it has run out,
    another one is asked for.
    """
    chain = chain_in(state, hold_expires=day(5))
    _proofs(chain)
    assert chain.cut(day(3)) == ([20] if state == "APPROVED" else [])
    assert chain.cut(day(4)) == []
    assert chain.cut(day(5)) == [6]
    assert chain.cut(day(6)) == []
    assert chain.cut(day(91)) == [4]


@pytest.mark.parametrize("state", FLYING)
def test_a_hold_that_runs_out_while_a_payment_is_under_way_is_left_alone(state):
    """The payment may have used it."""
    chain = chain_in(state, hold_expires=day(2), status_at=day(2))
    _proofs(chain)
    before = chain.claim()
    assert chain.cut(day(3)) == []
    assert chain.claim() == before


def test_conflicts_that_were_recalled_for_are_not_noted_once_more():
    """Row 28 notes its adverse ids, so that row 54 stays silent in CANCEL_PENDING."""
    chain = chain_in("INSTRUCTED")
    _conflict(chain)
    assert chain.cut(day(3)) == [28]
    assert chain.cut(day(4)) == []


def _case(chain, **changes):
    name = chain.ids[0]
    terms, promise = chain.terms, chain.book.promises[name]
    at = changes.pop("at", day(3))
    book = replace(chain.book, **changes.pop("book", {}))
    claim = replace(book.claims[name], **changes)
    verdict = evaluate(terms, promise, chain.twin, at)
    return Case(book=book, terms=terms, promise=promise, claim=claim, at=at, verdict=verdict)


@pytest.mark.parametrize(("number", "state"), [(7, "RESERVED"), (11, "MATCHED"), (21, "APPROVED")])
def test_the_rows_that_lead_to_a_payment_need_no_other_row_to_be_safe(number, state):
    """Each names every guard itself: one thing wrong, and it does not fit, in any order."""
    row = next(row for row in settlement_table.rows(state, "Cut") if row.number == number)
    good = chain_in(state)
    _proofs(good)
    assert holds(_case(good), row.guards)
    held, torn = chain_in(state), chain_in(state)
    _hold_fact(held)
    _conflict(torn)
    assert not holds(_case(held), row.guards)
    assert not holds(_case(torn), row.guards)
    assert not holds(_case(good, standing=Map({"desk/x": "hal"})), row.guards)
    assert not holds(_case(good, book={"freezes": frozenset({"another"})}), row.guards)
    assert not holds(_case(good, at=day(271)), row.guards)
    if number == 7:
        assert not holds(_case(good, amount_minor=0), row.guards)
        return
    ended = {"cancels": Map({"BUYER": "bo", "SELLER": "sue"})}
    assert not holds(_case(good, book=ended), row.guards)
    assert not holds(_case(good, hold_live=False), row.guards)
    wrong = {"window_end": day(4)} if number == 11 else {"issued": 1}
    assert not holds(_case(good, **wrong), row.guards)
