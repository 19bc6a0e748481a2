"""The second reading of the claim state machine, tested by itself: stories and edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from settlement_machine_claim import Claim
from settlement_machine_oracle import Machine
from settlement_machine_readings import READINGS
from settlement_machine_words import (
    AmendmentAccepted,
    Booked,
    ClaimTerms,
    ContractAgreed,
    Cut,
    DisputeRaised,
    DisputeResolved,
    Disputes,
    HoldConfirmed,
    HoldLost,
    HoldRefused,
    HoldRenewed,
    Input,
    Instruction,
    MutualCancel,
    NoOriginal,
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
    Terms,
    Verdict,
)

TRUE = Verdict("TRUE", 80, "h")
SEIZED = Verdict("UNKNOWN", 80, "h2", ("seized",), revivable=True)
COURT = Disputes(("BUYER",), 2, ("x", "y", "z"), 10, "BUYER")


def machine(*, claim: dict[str, Any] | None = None, **given: Any) -> Machine:
    """An agreed contract of one claim A of at most 100, funded, at tick 0."""
    one = ClaimTerms(**({"id": "A", "max_minor": 100, "deadline": 50, "grace": 5} | (claim or {})))
    usual = {
        "claims": (one,), "currency": "CNY", "cap": 300, "funding": "PREFUNDED_HOLD",
        "auto_renew": False, "funding_deadline": 20, "long_stop": 200, "tolls": False,
        "attempts_max": 2, "sla": 5, "disputes": COURT,
    }  # fmt: skip
    built = Machine(Terms(**(usual | given)))
    built.take(ContractAgreed())
    for name in built.claims:
        built.take(HoldConfirmed(name, 1, 100, "CNY", 900))
    return built


def instructed(**given: Any) -> Machine:
    """The same, paid at tick 1: 80 in flight, 20 still reserved."""
    built = machine(**given)
    cut(built, 1)
    assert built.claims["A"].state == "INSTRUCTED"
    return built


def cut(built: Machine, tick: int, verdict: Verdict = TRUE) -> list[Taken | Refused]:
    return built.take(Cut(tick, dict.fromkeys(built.claims, verdict)))


def rows(answer: list[Taken | Refused]) -> list[int]:
    return [one.row for one in answer if isinstance(one, Taken)]


def sent(answer: list[Taken | Refused], kind: str) -> list[int]:
    said = [one.instructions for one in answer if isinstance(one, Taken)]
    return [order.no for orders in said for order in orders if order.kind == kind]


def accounts(claim: Claim) -> tuple[int, int, int, int]:
    return claim.buyer, claim.reserved, claim.in_flight, claim.seller


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


EDGES: dict[str, tuple[Callable[[], Machine], int, Verdict, int, int]] = {
    "funding": (lambda: _unfunded(), 20, Verdict(), 0, 4),
    "false": (lambda: machine(claim={"on_false": "HOLD"}), 55, Verdict("FALSE"), 0, 9),
    "revivable": (machine, 55, Verdict(revivable=True), 0, 9),
    "false while held": (lambda: _after(RiskHold("A", "r", "ann")), 55, Verdict("FALSE"), 0, 15),
    "dispute": (lambda: _after(DisputeRaised("A", "ann", "BUYER")), 10, TRUE, 0, 19),
    "sla": (lambda: _paid_at(1), 6, TRUE, 0, 26),
    "long stop": (lambda: _after(RiskHold("A", "r", "ann")), 200, TRUE, 0, 34),
}


def _unfunded() -> Machine:
    one = ClaimTerms("A", 100, 50, 5)
    built = Machine(Terms((one,), "CNY", 100, "PREFUNDED_HOLD", False, 20, 200, False, 2, 5))
    built.take(ContractAgreed())
    return built


def _after(said: Input) -> Machine:
    built = machine()
    built.take(said)
    return built


def _paid_at(tick: int) -> Machine:
    built = machine()
    cut(built, tick)
    return built


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("name", EDGES)
def test_a_deadline_is_missed_one_tick_after_it(name: str, by: int) -> None:
    """At the deadline itself an act would still have been in time, so nothing ends there."""
    build, edge, verdict, _, row = EDGES[name]
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
    built = _unfunded()
    assert isinstance(built.take(HoldLost("A", 1))[0], Refused)
    answer = built.take(HoldConfirmed("A", 1, 100, "CNY", 900))
    assert (rows(answer), sent(answer, "RELEASE"), sent(answer, "RESERVE")) == ([38], [1], [2])


@pytest.mark.parametrize(
    ("amount", "ccy", "expires"), [(99, "CNY", 900), (100, "USD", 900), (100, "CNY", 55)]
)
def test_an_unfit_hold_is_given_back(amount: int, ccy: str, expires: int) -> None:
    """Too small, of another currency or ending at the close: released, and asked again."""
    built = _unfunded()
    answer = built.take(HoldConfirmed("A", 1, amount, ccy, expires))
    assert (rows(answer), sent(answer, "RELEASE")) == ([38], [1])
    assert answer[0].alarms == ("HOLD_UNFIT",)  # type: ignore[union-attr]
    assert built.claims["A"].reserved == 0


def test_a_hold_that_is_confirmed_too_late_is_released() -> None:
    """After the end, each confirmation is answered once, also one that follows a refusal."""
    built = _unfunded()
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
    """What still stands takes the claim back at the next cut."""
    built = _after(RiskHold("A", "r1", "ann"))
    cut(built, 1)
    built.take(RiskHold("A", "r2", "ann"))
    built.take(ReviewReleased("A", "bob", "h", ("r1", "tomorrow")))
    assert built.claims["A"].cleared == {"r1"}
    assert rows(cut(built, 2)) == [12]


def test_k_arbiters_award_a_part_and_the_buyer_has_the_rest() -> None:
    """Two who say the same decide; the award is paid whatever the condition says."""
    built = _after(DisputeRaised("A", "ann", "BUYER"))
    assert built.take(DisputeResolved("A", "SELLER", 60, "x"))[0].kind == "counted"  # type: ignore[union-attr]
    assert built.take(DisputeResolved("A", "SELLER", 50, "y"))[0].kind == "counted"  # type: ignore[union-attr]
    assert rows(built.take(DisputeResolved("A", "SELLER", 60, "w"))) == []
    assert rows(built.take(DisputeResolved("A", "SELLER", 60, "z"))) == [18]
    assert accounts(built.claims["A"]) == (-60, 60, 0, 0)
    assert rows(cut(built, 3, Verdict("FALSE"))) == [43, 21]
    assert accounts(built.claims["A"]) == (-60, 0, 60, 0)
    assert rows(cut(built, 4, Verdict("FALSE", adverse_ids=("late",)))) == []


def test_an_award_under_a_risk_hold_is_not_paid_in_the_same_cut() -> None:
    """Row 21 does not overtake row 12."""
    built = _after(DisputeRaised("A", "ann", "BUYER"))
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
        Booked("A", 1, "e2", 80, "CNY"), Returned("A", "t", 1, "CNY"),
    ):  # fmt: skip
        assert rows(built.take(said)) == []
    assert rows(built.take(ReconResolved("A", "eva", 81, "SETTLED"))) == [51]
    assert accounts(built.claims["A"]) == (-80, 0, 0, 80)  # 81 paid, 1 returned


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


def kinds(answer: list[Taken | Refused]) -> list[str]:
    return [one.kind for one in answer if isinstance(one, Refused)]


def alarms(answer: list[Taken | Refused]) -> list[str]:
    return [code for one in answer if isinstance(one, Taken) for code in one.alarms]


def test_a_commitment_pays_without_any_hold() -> None:
    """Nothing is reserved or released at the rail; the mirror reserves all the same."""
    terms = replace(machine().terms, funding="COMMITMENT_ONLY")
    built = Machine(terms)
    answer = built.take(ContractAgreed())
    assert (rows(answer), sent(answer, "RESERVE")) == ([1, 2], [])
    assert accounts(built.claims["A"]) == (-100, 100, 0, 0)
    assert kinds(built.take(HoldLost("A", 1))) == ["illegal"]
    cut(built, 1)
    answer = built.take(Booked("A", 1, "e", 80, "CNY"))
    assert (rows(answer), sent(answer, "RELEASE")) == ([23], [])
    assert accounts(built.claims["A"]) == (-80, 0, 0, 80)


def test_a_hold_that_is_paid_out_is_not_released() -> None:
    """A payment of the whole hold uses it up; a confirmation of it is then an old one."""
    built = machine()
    cut(built, 1, Verdict("TRUE", 100))
    answer = built.take(Booked("A", 1, "e", 100, "CNY"))
    assert (rows(answer), sent(answer, "RELEASE")) == ([23], [])
    assert kinds(built.take(HoldConfirmed("A", 1, 100, "CNY", 900))) == ["stale"]


def test_a_retraction_after_the_payment_is_a_claim_and_a_freeze() -> None:
    """A condition that was TRUE and is so no more counts like an adverse fact, once."""
    built = machine(claims=(ClaimTerms("A", 100, 50), ClaimTerms("B", 100, 50)))
    built.take(Cut(1, {"A": TRUE}))
    built.take(Booked("A", 1, "e", 80, "CNY"))
    assert built.take(Cut(2, {"A": TRUE})) == []
    answer = built.take(Cut(3, {"A": Verdict(revivable=True)}))
    assert (rows(answer), alarms(answer)) == ([32, 12], ["CLAIM"])
    assert built.claims["B"].origin == "FREEZE"
    assert built.take(Cut(4, {"A": Verdict(revivable=True)})) == []


def test_what_was_adverse_before_the_booking_freezes_after_it() -> None:
    """A recall that came too late does not make the fact old; it is noted once before that."""
    built = machine(claims=(ClaimTerms("A", 100, 50), ClaimTerms("B", 100, 50)))
    built.take(Cut(1, {"A": TRUE}))
    assert rows(built.take(Cut(2, {"A": SEIZED}))) == [28]
    assert built.take(Cut(3, {"A": SEIZED})) == []
    built.take(Booked("A", 1, "e", 80, "CNY"))
    assert rows(built.take(Cut(4, {"A": SEIZED}))) == [32, 12]


@pytest.mark.parametrize(
    ("tick", "verdict", "target"),
    [
        (40, Verdict("FALSE"), ""),
        (55, Verdict("UNKNOWN"), "RESERVED"),
        (56, Verdict("UNKNOWN"), ""),
        (56, Verdict("TRUE", 80), "MATCHED"),
        (40, Verdict("TRUE", 0), "RESERVED"),
        (40, Verdict("TRUE", 80, "", ("seized",)), "RESERVED"),
        (200, Verdict("TRUE", 80), "MATCHED"),
    ],
)
def test_a_review_releases_only_what_can_still_come_true(
    tick: int, verdict: Verdict, target: str
) -> None:
    """FALSE, and UNKNOWN after the close, stay held; only a clean TRUE is matched at once."""
    built = _after(RiskHold("A", "r", "ann"))
    cut(built, tick, verdict)
    answer = built.take(ReviewReleased("A", "bob", "", ("r",)))
    assert [one.target for one in answer if isinstance(one, Taken)] == ([target] if target else [])


def test_a_short_hold_neither_approves_nor_pays() -> None:
    """A hold must outlast the SLA: approvals wait or are taken back, awards too."""
    soon = HoldConfirmed("A", 1, 100, "CNY", 15)
    built = Machine(replace(machine().terms, auto_renew=True))
    built.take(ContractAgreed())
    built.take(soon)
    assert rows(cut(built, 10)) == [7]
    assert rows(cut(built, 11)) == []
    assert rows(built.take(HoldRenewed("A", 1, 15))) == []
    assert rows(built.take(HoldRenewed("A", 1, 18))) == [5]
    assert rows(cut(built, 12)) == [11, 21]
    built.take(Rejected("A", 1, retryable=True))
    answer = cut(built, 13)
    assert [(one.row, one.target) for one in answer if isinstance(one, Taken)] == [(20, "MATCHED")]
    built.take(DisputeRaised("A", "ann", "BUYER"))
    for arbiter in "xy":
        built.take(DisputeResolved("A", "SELLER", 60, arbiter))
    assert rows(cut(built, 14)) == []


def test_a_resolved_break_lets_the_claim_go_on() -> None:
    """Resolved as not paid: held, and after a review the next attempt runs like any other."""
    built = instructed()
    assert kinds(built.take(ReconResolved("A", "eva", 80, "SETTLED"))) == ["illegal"]
    cut(built, 9)
    assert kinds(built.take(ReconResolved("A", "eva", 80, "SETTLED"))) == ["illegal"]
    assert alarms(built.take(Booked("A", 1, "e", 80, "USD"))) == ["RECON_BREAK"]
    assert kinds(built.take(ReconResolved("A", "eva", 1, "HELD"))) == ["illegal"]
    assert rows(built.take(ReconResolved("A", "eva", 0, "HELD"))) == [51]
    built.take(ReviewReleased("A", "bob", "h"))
    assert sent(cut(built, 10), "PAY") == [2]
    assert rows(built.take(Pending("A", 2))) == [22]
    assert rows(built.take(Booked("A", 2, "e2", 80, "CNY"))) == [23]


def test_a_break_may_be_resolved_as_more_than_was_sent() -> None:
    """The excess is the buyer's money, and somebody is told."""
    built = instructed()
    built.take(Booked("A", 1, "e", 150, "CNY"))
    assert alarms(built.take(ReconResolved("A", "eva", 150, "SETTLED"))) == ["OVERPAID"]
    assert accounts(built.claims["A"]) == (-150, 0, 0, 150)


def test_strange_money_is_a_break_wherever_it_comes() -> None:
    """A return too large or in another currency stops a payment; after an end it is a claim."""
    for said in (Returned("A", "t", 81, "CNY"), Returned("A", "t", 80, "USD")):
        assert rows(instructed().take(said)) == [50]
    built = machine()
    assert rows(built.take(Booked("A", 1, "e", 80, "USD"))) == [12]
    assert kinds(built.take(Booked("A", 1, "e0", 0, "CNY"))) == ["illegal"]
    assert kinds(built.take(Booked("A", 2, "e1", 80, "CNY"))) == ["illegal"]
    built.take(MutualCancel())
    answer = built.take(Booked("A", 1, "e2", 80, "CNY"))
    assert (rows(answer), alarms(answer)) == ([49], ["RECON_BREAK", "CLAIM"])
    assert accounts(built.claims["A"]) == (-80, 0, 0, 80)


def test_a_booking_of_a_rejected_attempt_stops_everything() -> None:
    """Before the next attempt it settles the claim with an alarm; beside it, it settles too, and a
    second booking is an overpayment.
    """
    built = instructed()
    built.take(Rejected("A", 1, retryable=True))
    answer = built.take(Booked("A", 1, "e", 80, "CNY"))
    assert (rows(answer), alarms(answer), sent(answer, "RELEASE")) == ([48], ["RECON_BREAK"], [1])
    built = instructed()
    built.take(Rejected("A", 1, retryable=True))
    cut(built, 2)
    answer = built.take(Booked("A", 1, "e", 80, "CNY"))
    assert (rows(answer), sent(answer, "RELEASE")) == ([23], [1])
    answer = built.take(Booked("A", 2, "e2", 80, "CNY"))
    assert (rows(answer), alarms(answer)) == ([53], ["RECON_BREAK", "OVERPAID"])
    assert built.claims["A"].seller == 160
    assert rows(built.take(Returned("A", "t", 80, "CNY"))) == [31]
    assert built.claims["A"].state == "SETTLED"


def test_old_and_unknown_numbers_are_told_apart() -> None:
    """What was once asked and is over is stale, what was never asked is illegal."""
    built = instructed()
    assert kinds(built.take(Pending("A", 2))) == ["illegal"]
    assert kinds(built.take(Released("A", 1))) == ["illegal"]
    assert kinds(built.take(RecallRefused("A", 1))) == ["illegal"]
    assert kinds(built.take(HoldRefused("A", 1))) == ["stale"]
    assert kinds(built.take(Cut(1, {"A": TRUE}))) == ["stale"]
    built.take(Rejected("A", 1, retryable=False))
    assert kinds(built.take(Pending("A", 1))) == ["stale"]
    built.take(MutualCancel())
    assert kinds(built.take(MutualCancel())) == ["stale"]
    built.take(Released("A", 1))
    assert kinds(built.take(Released("A", 1))) == ["stale"]
    assert kinds(Machine(built.terms).take(Cut(1))) == ["stale"]


def test_a_refused_recall_asks_the_bank_and_is_marked_for_this_attempt() -> None:
    """Row 30 queries; `no original` goes on waiting; the next attempt may be recalled again."""
    built = instructed()
    built.take(RecallOrdered("A", "eva"))
    answer = built.take(NoOriginal("A", 1))
    assert (sent(answer, "QUERY"), built.claims["A"].state) == ([1], "CANCEL_PENDING")
    assert sent(cut(built, 7, SEIZED), "QUERY") == []  # row 54 first
    answer = cut(built, 8, SEIZED)
    assert (rows(answer), sent(answer, "RECALL"), alarms(answer)) == ([46], [1], ["SLA"])
    assert sent(built.take(RecallRefused("A", 1)), "QUERY") == [3]
    built.take(Rejected("A", 1, retryable=False))
    assert built.claims["A"].recall_refused is False


def test_row_27_counts_only_what_ends_a_doubt() -> None:
    """Asking again is no definitive status, an acceptance is."""
    built = instructed()
    cut(built, 9)
    cut(built, 19)
    assert built.rows[46] == 1 and built.rows[27] == 0
    built.take(Pending("A", 1))
    assert built.rows[27] == 1


def test_a_successor_without_a_hold_is_funded_until_its_own_close() -> None:
    """A funding date that has passed would end the new claim at once."""
    for tick, due in ((20, 20), (21, 95)):
        built = machine()
        cut(built, tick, Verdict())
        built.take(AmendmentAccepted("A", ClaimTerms("A", 200, 90, 5)))
        assert built.claims["A"].funding_due == due


def test_a_claim_whose_hold_was_lost_ends_as_a_default() -> None:
    """The buyer has until the close; then the alarm names the default."""
    built = machine()
    built.take(HoldLost("A", 1))
    assert cut(built, 55) == []
    answer = cut(built, 56)
    assert (rows(answer), sent(answer, "RELEASE")) == ([4], [2])
    assert alarms(answer) == ["FUNDING_MISSED", "DEFAULT"]


def test_silence_speaks_for_the_side_that_the_terms_name() -> None:
    """For the seller: what is due, at the cut after which it is paid."""
    built = machine(disputes=replace(COURT, on_timeout="SELLER"))
    built.take(DisputeRaised("A", "ann", "BUYER"))
    assert cut(built, 11, Verdict("UNKNOWN", 0)) == []
    assert rows(cut(built, 12, Verdict("UNKNOWN", 70))) == [18]
    assert accounts(built.claims["A"]) == (-70, 70, 0, 0)
    assert rows(cut(built, 13, Verdict("UNKNOWN", 0))) == [43, 21]


def test_less_is_paid_when_the_amount_falls_and_never_more_than_was_matched() -> None:
    """The window has shown an amount to the parties."""
    for now, paid in ((50, 50), (99, 80)):
        built = machine(claim={"challenge": 5})
        cut(built, 1)
        cut(built, 6, Verdict("TRUE", now))
        assert built.claims["A"].in_flight == paid


def test_every_reading_names_its_rows_and_quotes() -> None:
    """A reader can argue with each of them, and no row is named that does not exist."""
    assert len(READINGS) > 40
    for one in READINGS:
        assert one.rows and set(one.rows) <= set(range(55))
        assert one.quote.strip() and one.reading.strip().endswith((".", ")"))
