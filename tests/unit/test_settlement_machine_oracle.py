"""The second reading of the claim state machine, tested by itself: stories and edges."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from settlement_machine_oracle import Machine
from settlement_machine_readings import READINGS
from settlement_machine_stories import (
    SEIZED,
    TRUE,
    accounts,
    after,
    cut,
    instructed,
    machine,
    rows,
    sent,
    unfunded,
)
from settlement_machine_words import (
    AmendmentAccepted,
    Booked,
    ClaimTerms,
    ContractAgreed,
    Cut,
    DisputeRaised,
    DisputeResolved,
    HoldConfirmed,
    HoldLost,
    HoldRefused,
    Input,
    Instruction,
    MutualCancel,
    NotFound,
    Pending,
    Posting,
    RecallDone,
    RecallOrdered,
    RecallRefused,
    ReconResolved,
    Refused,
    Rejected,
    Released,
    Returned,
    ReviewReleased,
    RiskHold,
    Taken,
    Verdict,
)


def test_goods_cleared_and_received_pay_the_seller_once() -> None:
    """One cut matches, approves and instructs; the booking settles and gives back the rest."""
    built = machine()
    answer = cut(built, 1)
    assert rows(answer) == [7, 11, 21]
    assert answer[-1] == Taken(
        "A", 21, "APPROVED", "INSTRUCTED",
        (Posting("reserved", "in_flight", 80),), (Instruction("PAY", 1, 80),),
    )  # fmt: skip
    assert rows(built.take(Pending("A", 1))) == [22]
    answer = built.take(Booked("A", 1, "e1", 80, "CNY"))
    assert rows(answer) == [23] and sent(answer, "RELEASE") == [1]
    assert accounts(built.claims["A"]) == (-80, 0, 0, 80)
    assert built.status == "COMPLETED"
    assert built.take(Booked("A", 1, "e1", 80, "CNY"))[0].kind == "stale"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("tick", "state"), [(9, "MATCHED"), (10, "INSTRUCTED"), (11, "INSTRUCTED")]
)
def test_a_challenge_ends_at_its_last_tick(tick: int, state: str) -> None:
    """Row 11 waits for the end of the window, inclusive, and row 21 follows at once."""
    built = machine(claim={"challenge": 9})
    assert rows(cut(built, 1)) == [7]
    cut(built, tick)
    assert built.claims["A"].state == state


def test_an_open_challenge_leaf_matches_and_does_not_approve() -> None:
    """A verdict that is TRUE only with open leaves opens the window and pays nothing."""
    built = machine()
    assert rows(cut(built, 1, Verdict("TRUE", 80, "h", whole=False))) == [7]
    assert rows(cut(built, 2, Verdict("TRUE", 80, "h", whole=False))) == []
    assert rows(cut(built, 3)) == [11, 21]


@pytest.mark.parametrize(
    ("before", "state", "paid"),
    [
        ([], "HELD", False),
        ([Cut(1, {"A": Verdict("TRUE", 80, whole=False)})], "HELD", False),
        ([Cut(1, {"A": TRUE}), Rejected("A", 1, retryable=True)], "HELD", True),
        ([Cut(1, {"A": TRUE})], "CANCEL_PENDING", True),
        ([Cut(1, {"A": TRUE}), Pending("A", 1)], "CANCEL_PENDING", True),
        ([Cut(1, {"A": TRUE}), Booked("A", 1, "e", 80, "CNY")], "SETTLED", True),
    ],
    ids=["RESERVED", "MATCHED", "APPROVED", "INSTRUCTED", "ACCEPTED", "SETTLED"],
)
def test_a_seizure_after_the_clearance_stops_what_can_be_stopped(
    before: list[Input], state: str, paid: bool
) -> None:
    """Held before the instruction, recalled after it, claimed once it is settled; in no case is
    anything more sent.
    """
    built = machine()
    for said in before:
        built.take(said)
    assert bool(built.claims["A"].attempts_sent) is paid
    answer = cut(built, 5, SEIZED)
    assert sent(answer, "PAY") == []
    assert built.claims["A"].state == state
    assert sent(answer, "RECALL") == ([1] if state == "CANCEL_PENDING" else [])
    assert rows(answer) == {"HELD": [12], "CANCEL_PENDING": [28], "SETTLED": [32]}[state]


EDGES: dict[str, tuple[Callable[[], Machine], int, Verdict, int]] = {
    "funding": (unfunded, 20, Verdict(), 4),
    "false": (lambda: machine(claim={"on_false": "HOLD"}), 55, Verdict("FALSE"), 9),
    "revivable": (machine, 55, Verdict(revivable=True), 9),
    "false while held": (lambda: after(RiskHold("A", "r", "ann")), 55, Verdict("FALSE"), 15),
    "dispute": (lambda: after(DisputeRaised("A", "ann", "BUYER")), 10, TRUE, 19),
    "sla": (lambda: _paid_at(1), 6, TRUE, 26),
    "long stop": (lambda: after(RiskHold("A", "r", "ann")), 200, TRUE, 34),
}


def _paid_at(tick: int) -> Machine:
    built = machine()
    cut(built, tick)
    return built


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("name", EDGES)
def test_a_deadline_is_missed_one_tick_after_it(name: str, by: int) -> None:
    """At the deadline itself an act would still have been in time, so nothing ends there."""
    build, edge, verdict, row = EDGES[name]
    assert rows(cut(build(), edge + by, verdict)) == ([row] if by > 0 else [])


def test_only_a_rejection_allows_the_next_attempt() -> None:
    """NOT_FOUND repeats the same ids, silence asks, a rejection counts on to the last attempt."""
    built = instructed()
    assert rows(cut(built, 9)) == [26]
    answer = built.take(NotFound("A", 1))
    assert rows(answer) == [44] and answer[0].instructions == (Instruction("PAY", 1, 80),)  # type: ignore[union-attr]
    assert rows(built.take(Rejected("A", 1, retryable=True))) == [24]
    assert rows(built.take(Rejected("A", 1, retryable=True))) == []
    assert sent(cut(built, 10), "PAY") == [2]
    assert rows(built.take(Rejected("A", 2, retryable=True))) == [25]
    assert built.claims["A"].state == "HELD"
    assert accounts(built.claims["A"]) == (-100, 100, 0, 0)


def test_a_refused_recall_is_never_followed_by_a_retry() -> None:
    """Somebody wanted the money back: a retryable rejection then waits for a review."""
    built = instructed()
    assert sent(built.take(RecallOrdered("A", "eva")), "RECALL") == [1]
    assert rows(built.take(RecallRefused("A", 1))) == [30]
    assert isinstance(built.take(RecallOrdered("A", "eva"))[0], Refused)
    assert rows(built.take(Rejected("A", 1, retryable=True))) == [25]


def test_not_found_after_a_refused_recall_recalls_again() -> None:
    """A bank that does not know the payment gets a new recall, never the payment again."""
    built = instructed()
    built.take(RecallOrdered("A", "eva"))
    built.take(RecallRefused("A", 1))
    answer = built.take(NotFound("A", 1))
    assert (sent(answer, "PAY"), sent(answer, "RECALL")) == ([], [2])
    assert rows(built.take(RecallDone("A", 1, 2))) == [29]
    assert accounts(built.claims["A"]) == (0, 0, 0, 0)


def test_a_lost_hold_pays_nothing_and_asks_for_another() -> None:
    """Before the instruction the claim starts again; after it, a rejection does so."""
    built = machine()
    answer = built.take(HoldLost("A", 1))
    assert (rows(answer), sent(answer, "RESERVE")) == ([6], [2])
    assert cut(built, 1) == []
    built = instructed()
    assert rows(built.take(HoldLost("A", 1))) == [40]
    answer = built.take(Rejected("A", 1, retryable=True))
    assert (rows(answer), sent(answer, "RESERVE")) == ([25], [2])
    assert accounts(built.claims["A"]) == (0, 0, 0, 0)


def test_a_hold_that_was_lost_before_it_was_confirmed_does_not_fund() -> None:
    """The order of two answers of the rail does not matter: the confirmation is released."""
    built = unfunded()
    assert isinstance(built.take(HoldLost("A", 1))[0], Refused)
    answer = built.take(HoldConfirmed("A", 1, 100, "CNY", 900))
    assert (rows(answer), sent(answer, "RELEASE"), sent(answer, "RESERVE")) == ([38], [1], [2])


@pytest.mark.parametrize(
    ("amount", "ccy", "expires"), [(99, "CNY", 900), (100, "USD", 900), (100, "CNY", 55)]
)
def test_an_unfit_hold_is_given_back(amount: int, ccy: str, expires: int) -> None:
    """Too small, of another currency or ending at the close: released, and asked again."""
    built = unfunded()
    answer = built.take(HoldConfirmed("A", 1, amount, ccy, expires))
    assert (rows(answer), sent(answer, "RELEASE")) == ([38], [1])
    assert answer[0].alarms == ("HOLD_UNFIT",)  # type: ignore[union-attr]
    assert built.claims["A"].reserved == 0


def test_a_hold_that_is_confirmed_too_late_is_released() -> None:
    """After the end, each confirmation is answered once, also one that follows a refusal."""
    built = unfunded()
    built.take(HoldRefused("A", 1))
    answer = built.take(HoldConfirmed("A", 1, 100, "CNY", 900))
    assert (rows(answer), sent(answer, "RELEASE")) == ([39], [1])
    assert rows(built.take(HoldConfirmed("A", 1, 100, "CNY", 900))) == []


def test_a_release_is_repeated_until_the_rail_confirms_it() -> None:
    """A rail that is silent about a refund is asked again at every cut after the SLA."""
    built = machine()
    assert rows(built.take(MutualCancel())) == [34]
    assert rows(cut(built, 5)) == []
    answer = cut(built, 6)
    assert (rows(answer), sent(answer, "RELEASE")) == ([42], [1])
    assert rows(built.take(Released("A", 1))) == [42]
    assert rows(cut(built, 50)) == []


def test_the_raiser_does_not_release_and_old_evidence_does_not_count() -> None:
    """A review needs another person and the evidence of now; then the window starts anew."""
    built = machine(claim={"challenge": 9})
    cut(built, 1)
    built.take(RiskHold("A", "r1", "ann"))
    assert rows(built.take(ReviewReleased("A", "ann", "h", ("r1",)))) == []
    assert rows(built.take(ReviewReleased("A", "bob", "old", ("r1",)))) == []
    cut(built, 8)
    assert rows(built.take(ReviewReleased("A", "bob", "h", ("r1",)))) == [13]
    assert cut(built, 16) == []
    assert rows(cut(built, 17)) == [11, 21]


def test_a_review_that_clears_too_little_pays_nothing() -> None:
    """What still stands takes the claim back at the next cut; what does not cannot be cleared."""
    built = after(RiskHold("A", "r1", "ann"))
    cut(built, 1)
    built.take(RiskHold("A", "r2", "ann"))
    assert rows(built.take(ReviewReleased("A", "bob", "h", ("r1", "tomorrow")))) == []
    built.take(ReviewReleased("A", "bob", "h", ("r1",)))
    assert built.claims["A"].cleared == {"r1"}
    assert rows(cut(built, 2)) == [12]


def test_k_arbiters_award_a_part_and_the_buyer_has_the_rest() -> None:
    """Two who say the same decide; the award is paid whatever the condition says."""
    built = after(DisputeRaised("A", "ann", "BUYER"))
    assert built.take(DisputeResolved("A", "SELLER", 60, "x"))[0].kind == "counted"  # type: ignore[union-attr]
    assert built.take(DisputeResolved("A", "SELLER", 50, "y"))[0].kind == "counted"  # type: ignore[union-attr]
    assert rows(built.take(DisputeResolved("A", "SELLER", 60, "w"))) == []
    assert rows(built.take(DisputeResolved("A", "SELLER", 60, "z"))) == [18]
    assert accounts(built.claims["A"]) == (-60, 60, 0, 0)
    assert rows(cut(built, 3, Verdict("FALSE"))) == [43, 21]
    assert accounts(built.claims["A"]) == (-60, 0, 60, 0)
    assert rows(cut(built, 4, Verdict("FALSE", adverse_ids=("late",)))) == [28]


def test_an_award_under_a_risk_hold_is_not_paid_in_the_same_cut() -> None:
    """Row 21 does not overtake row 12."""
    built = after(DisputeRaised("A", "ann", "BUYER"))
    built.take(RiskHold("A", "r", "ann"))
    for arbiter in "xy":
        built.take(DisputeResolved("A", "SELLER", 60, arbiter))
    assert rows(cut(built, 3)) == [43]
    assert rows(cut(built, 4)) == [12]
    assert not built.claims["A"].attempts_sent


def test_a_settled_claim_that_is_contradicted_freezes_the_others_first() -> None:
    """The claim that would be paid at the same cut, listed before it, is held instead."""
    claims = (ClaimTerms("A", 100, 50), ClaimTerms("B", 100, 50))
    built = machine(claims=claims)
    built.take(Cut(1, {"B": TRUE}))
    built.take(Booked("B", 1, "e", 80, "CNY"))
    answer = built.take(Cut(2, {"A": TRUE, "B": SEIZED}))
    assert [(one.claim, one.row) for one in answer] == [("B", 32), ("A", 12)]  # type: ignore[union-attr]


def test_the_hold_of_a_claim_moves_to_its_successor() -> None:
    """Nothing is released or reserved again, and the numbers go on."""
    built = machine()
    answer = built.take(AmendmentAccepted("A", ClaimTerms("A", 70, 90)))
    assert rows(answer) == [33, 52]
    assert sent(answer, "RELEASE") == sent(answer, "RESERVE") == []
    assert accounts(built.claims["A"]) == (-70, 70, 0, 0)
    assert accounts(built.superseded[0]) == (0, 0, 0, 0)
    larger = built.take(AmendmentAccepted("A", ClaimTerms("A", 300, 90)))
    assert (sent(larger, "RELEASE"), sent(larger, "RESERVE")) == ([1], [2])
    assert rows(built.take(AmendmentAccepted("A", ClaimTerms("A", 301, 90)))) == []


def test_a_paid_claim_cannot_be_amended() -> None:
    """After any attempt there is no successor: it could be paid twice."""
    built = instructed()
    built.take(Rejected("A", 1, retryable=False))
    assert built.claims["A"].state == "HELD"
    assert rows(built.take(AmendmentAccepted("A", ClaimTerms("A", 70, 90)))) == []


def test_a_wrong_booking_waits_for_people() -> None:
    """Neither a retry nor a recall nor a refund happens until somebody has looked."""
    built = instructed()
    assert rows(built.take(Booked("A", 1, "e", 81, "CNY"))) == [50]
    for said in (
        Rejected("A", 1, retryable=True), NotFound("A", 1), RecallOrdered("A", "eva"),
    ):  # fmt: skip
        assert rows(built.take(said)) == []
    for said in (Booked("A", 1, "e2", 80, "CNY"), Returned("A", "t", 1, "CNY")):
        assert rows(built.take(said)) == [50]
    assert rows(built.take(ReconResolved("A", "eva", 81, "SETTLED"))) == [51]
    assert accounts(built.claims["A"]) == (-81, 0, 0, 81)


def test_late_money_follows_the_rail_in_any_order() -> None:
    """After an end without payment a return and its booking cancel out, whichever comes first."""
    for first, second in (("b", "r"), ("r", "b")):
        built = instructed()
        built.take(RecallOrdered("A", "eva"))
        built.take(RecallDone("A", 1, 1))
        said = {"b": Booked("A", 1, "e", 80, "CNY"), "r": Returned("A", "t", 80, "CNY")}
        assert rows(built.take(said[first])) + rows(built.take(said[second])) == [49, 49]
        assert accounts(built.claims["A"]) == (0, 0, 0, 0)


def test_a_return_before_its_booking_is_one_return() -> None:
    """The booking that follows changes nothing; a second one is an overpayment."""
    built = instructed()
    assert rows(built.take(Returned("A", "t", 80, "CNY"))) == [47]
    assert built.claims["A"].state == "RETURNED"
    assert rows(built.take(Booked("A", 1, "e", 80, "CNY"))) == []
    assert rows(built.take(Booked("A", 1, "e2", 80, "CNY"))) == [53]
    assert built.claims["A"].seller == 80


def test_a_claim_of_nothing_is_closed_without_a_hold() -> None:
    """Amount 0 never reserves and never pays, before and after the agreement."""
    built = Machine(machine(claim={"max_minor": 0}).terms)
    answer = built.take(ContractAgreed())
    assert rows(answer) == [37] and sent(answer, "RESERVE") == []
    built = machine()
    assert rows(cut(built, 1, Verdict("TRUE", 0))) == [37]
    assert accounts(built.claims["A"]) == (0, 0, 0, 0)


def test_held_time_counts_only_when_the_terms_say_so() -> None:
    """With tolling the deadline moves by the time under review, without it does not."""
    for tolls, row in ((True, []), (False, [9])):
        built = machine(tolls=tolls, claim={"on_false": "HOLD"})
        cut(built, 10, Verdict(evidence_hash="h"))
        built.take(RiskHold("A", "r", "ann"))
        cut(built, 30, Verdict(evidence_hash="h"))
        built.take(ReviewReleased("A", "bob", "h", ("r",)))
        assert rows(cut(built, 75, Verdict("FALSE"))) == row
        assert rows(cut(built, 76, Verdict("FALSE"))) == ([9] if tolls else [])


def test_every_reading_names_its_rows_and_quotes() -> None:
    """A reader can argue with each of them, and no row is named that does not exist."""
    assert len(READINGS) > 40
    for one in READINGS:
        assert one.rows and set(one.rows) <= set(range(55))
        assert one.quote.strip() and one.reading.strip().endswith((".", ")"))
