"""The second reading of the claim state machine, tested by itself: corners that random lives do not
tell apart.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from settlement_machine_oracle import Machine
from settlement_machine_stories import (
    COURT,
    SEIZED,
    TRUE,
    accounts,
    after,
    alarms,
    cut,
    instructed,
    kinds,
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
    HoldRenewed,
    MutualCancel,
    NoOriginal,
    Pending,
    RecallOrdered,
    RecallRefused,
    ReconBreak,
    ReconResolved,
    Rejected,
    Released,
    Returned,
    ReviewReleased,
    RiskHold,
    Taken,
    Verdict,
)


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
        (40, Verdict("TRUE", 0), "MATCHED"),
        (40, Verdict("TRUE", 80, "", ("seized",)), "MATCHED"),
        (200, Verdict("TRUE", 80), "MATCHED"),
    ],
)
def test_a_review_releases_only_what_can_still_come_true(
    tick: int, verdict: Verdict, target: str
) -> None:
    """FALSE, and UNKNOWN after the close, stay held; TRUE is matched at once."""
    built = after(RiskHold("A", "r", "ann"))
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
    assert rows(built.take(HoldRenewed("A", 1, 18))) == [5]
    assert rows(cut(built, 12)) == [11, 21]
    built.take(Rejected("A", 1, retryable=True))
    answer = cut(built, 13)
    assert [(one.row, one.target) for one in answer if isinstance(one, Taken)] == [(20, "MATCHED")]
    built.take(DisputeRaised("A", "ann", "BUYER"))
    for arbiter in "xy":
        built.take(DisputeResolved("A", "SELLER", 60, arbiter))
    assert rows(cut(built, 14)) == []


def test_a_hold_that_has_run_out_is_lost_at_the_next_cut() -> None:
    """As if the rail had said so, with no RELEASE: from its expiry on, not before; what was renewed
    in time stands, and a renewal that comes later is stale.
    """
    built = Machine(replace(machine().terms, auto_renew=True))
    built.take(ContractAgreed())
    built.take(HoldConfirmed("A", 1, 100, "CNY", 9))
    assert rows(cut(built, 8)) == [7]
    assert rows(built.take(HoldRenewed("A", 1, 10))) == [5]
    assert rows(cut(built, 9)) == []
    answer = cut(built, 10)
    assert [(one.row, one.target) for one in answer if isinstance(one, Taken)] == [(6, "CREATED")]
    assert (alarms(answer), sent(answer, "RESERVE"), sent(answer, "RELEASE")) == (
        ["HOLD_LOST"], [2], [],
    )  # fmt: skip
    assert kinds(built.take(HoldRenewed("A", 1, 90))) == ["stale"]
    assert rows(built.take(HoldConfirmed("A", 2, 100, "CNY", 10))) == [38]
    assert rows(built.take(HoldConfirmed("A", 3, 100, "CNY", 11))) == [2]
    built.take(RiskHold("A", "r", "ann"))
    answer = cut(built, 11)
    assert [(one.row, one.target) for one in answer if isinstance(one, Taken)] == [(41, "HELD")]


def test_a_hold_that_runs_out_on_the_way_is_not_used_again() -> None:
    """Nothing happens while the payment may have used it; rejected, it is held and not retried."""
    built = instructed()
    built.take(HoldRenewed("A", 1, 9))
    assert 6 not in rows(cut(built, 9)) and built.claims["A"].hold == "live"
    assert rows(built.take(Rejected("A", 1, retryable=True))) == [25]
    assert rows(cut(built, 10)) == [41]


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
    assert rows(built.take(Booked("A", 1, "e0", 0, "CNY"))) == [54]
    built.take(MutualCancel())
    assert kinds(built.take(Booked("A", 1, "e1", 80, "USD"))) == ["illegal"]
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


def test_a_successor_without_a_hold_has_the_time_of_what_it_replaces() -> None:
    """One of a claim that was never funded has until the date of the terms; one of a claim that was
    funded has until its close, also when that date has passed.
    """
    for tick in (19, 20, 21):
        built = machine()
        cut(built, tick, Verdict())
        built.take(AmendmentAccepted("A", ClaimTerms("A", 200, 90, 5)))
        assert built.claims["A"].funding_due is None
        assert built.claims["A"].funded_by() == 95
    fresh = Machine(built.terms)
    fresh.take(ContractAgreed())
    fresh.take(AmendmentAccepted("A", ClaimTerms("A", 200, 90, 5)))
    assert fresh.claims["A"].funding_due == fresh.terms.funding_deadline == 20


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


def test_what_is_due_at_the_approval_is_paid() -> None:
    """Row 11 fixes the amount, not the match; never more than is reserved."""
    for now, paid in ((50, 50), (99, 99), (101, 100)):
        built = machine(claim={"challenge": 5})
        cut(built, 1)
        cut(built, 6, Verdict("TRUE", now))
        assert built.claims["A"].in_flight == paid


def test_an_award_is_one_and_at_most_what_is_reserved() -> None:
    """More than the reservation, nothing, or a second award are refused; all of it is allowed."""
    built = after(DisputeRaised("A", "ann", "BUYER"))
    assert kinds(built.take(DisputeResolved("A", "SELLER", 101, "x"))) == ["illegal"]
    assert kinds(built.take(DisputeResolved("A", "SELLER", 0, "x"))) == ["illegal"]
    for arbiter, rows_taken in (("x", []), ("y", [18])):
        assert rows(built.take(DisputeResolved("A", "SELLER", 100, arbiter))) == rows_taken
    assert kinds(built.take(DisputeResolved("A", "BUYER", 0, "x"))) == ["illegal"]
    assert kinds(built.take(DisputeResolved("A", "BUYER", 0, "y"))) == ["illegal"]
    assert built.claims["A"].reserved == 100


def test_a_held_claim_waits_for_its_review_where_the_table_says_so() -> None:
    """Neither a claim whose time is stopped, nor one held for FALSE itself, expires by row 15."""
    built = machine(tolls=True)
    built.take(RiskHold("A", "r", "ann"))
    assert cut(built, 100, Verdict("FALSE")) == []
    built = machine(claim={"on_false": "HOLD"})
    cut(built, 56, Verdict("FALSE"))
    assert built.claims["A"].origin == "FALSE"
    assert cut(built, 100, Verdict("FALSE")) == []
    built = machine()
    cut(built, 56, Verdict(revivable=True))
    assert built.claims["A"].origin == "REVIVABLE"


def test_after_the_long_stop_a_rejection_refunds() -> None:
    """What was instructed finishes, but nothing is tried again: not LIVE, not under a recall."""
    for recalled, row in ((False, 25), (True, 45)):
        built = instructed()
        if recalled:
            built.take(RecallOrdered("A", "eva"))
        cut(built, 201)
        answer = built.take(Rejected("A", 1, retryable=True))
        assert (rows(answer), sent(answer, "RELEASE")) == ([row], [1])
        assert built.claims["A"].state == "VOIDED"
        assert accounts(built.claims["A"]) == (0, 0, 0, 0)


def test_returns_are_posted_up_to_what_was_settled() -> None:
    """Part by part, in the currency of the contract; the last part makes it RETURNED."""
    built = instructed()
    built.take(Booked("A", 1, "e", 80, "CNY"))
    assert rows(built.take(Returned("A", "t1", 30, "CNY"))) == [31]
    assert accounts(built.claims["A"]) == (-50, 0, 0, 50)
    assert kinds(built.take(Returned("A", "t1", 30, "CNY"))) == ["stale"]
    assert kinds(built.take(Returned("A", "t2", 51, "CNY"))) == ["illegal"]
    assert kinds(built.take(Returned("A", "t3", 50, "USD"))) == ["illegal"]
    assert built.claims["A"].state == "SETTLED"
    assert rows(built.take(Returned("A", "t4", 50, "CNY"))) == [31]
    assert built.claims["A"].state == "RETURNED"
    assert accounts(built.claims["A"]) == (0, 0, 0, 0)


def test_a_return_that_settles_an_unpaid_claim_is_a_break() -> None:
    """Before anything is under way, the attempt that came back counts as paid and returned."""
    built = instructed()
    built.take(Rejected("A", 1, retryable=True))
    answer = built.take(Returned("A", "t", 30, "CNY"))
    assert (rows(answer), alarms(answer), sent(answer, "RELEASE")) == ([48], ["RECON_BREAK"], [1])
    assert accounts(built.claims["A"]) == (-50, 0, 0, 50)
    assert rows(built.take(Booked("A", 1, "e", 80, "CNY"))) == []


def test_a_fact_freezes_the_others_once() -> None:
    """The same adverse fact makes one claim record, a new one makes another."""
    built = instructed()
    built.take(Booked("A", 1, "e", 80, "CNY"))
    fact = Verdict("TRUE", 80, "h", ("one",))
    assert rows(cut(built, 2, fact)) == [32]
    assert cut(built, 3, fact) == []
    assert rows(cut(built, 4, Verdict("TRUE", 80, "h", ("one", "two")))) == [32]
    assert kinds(built.take(ReconBreak("A", "r"))) == ["illegal"]
    assert kinds(built.take(RiskHold("A", "r", "ann"))) == ["illegal"]


def test_a_funding_that_was_lost_on_the_way_is_a_default() -> None:
    """A hold lost before its confirmation, or under a running payment, is remembered."""
    built = unfunded()
    built.take(HoldLost("A", 1))
    assert alarms(cut(built, 21)) == ["FUNDING_MISSED", "DEFAULT"]
    assert alarms(cut(unfunded(), 21)) == ["FUNDING_MISSED"]


def test_a_match_records_what_was_seen() -> None:
    """Amount and evidence hash of the moment at which the window opened."""
    built = machine(claim={"challenge": 5})
    cut(built, 1)
    cut(built, 2, Verdict("TRUE", 90, "another"))
    assert built.claims["A"].view()["matched"] == (80, "h")
