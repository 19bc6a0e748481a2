"""One test for each row of the state table that a hold, a window, a dispute, an amendment, a court
or a broken reconciliation brings in; the row's number is in the name.
"""

import pytest
import settlement_world as w
from immutables import Map
from msgspec.structs import replace
from settlement_walker import Told

from supplytwin.processors import settlement
from supplytwin.processors.settlement_state import CREDIT_RISK, Accounts
from supplytwin.schemas import terms
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK

day, Chain = w.day, w.Chain
AMOUNT = 100_000
DISPUTES = terms.Disputes(
    who=("BUYER",), arbiters=("ann", "bob", "cas"), k=2, max_len_us=30 * DAY_US,
    on_timeout="BUYER",
)  # fmt: skip
EITHER = replace(DISPUTES, who=("BUYER", "SELLER"))


def chain_of(*claims, **changes):
    """A chain under a contract of these claims (one of 1,000.00 when none is given); funding is due
    on day 28, of several claims on day 60.
    """
    funded = {"funding_deadline": day(60)} if len(claims) > 1 else {}
    chain = Chain(w.contract_terms(claims or None, **{**funded, **changes}))
    chain.agree()
    return chain


def rows_of(outcome):
    return [(t.row, t.from_state, t.to_state) for t in outcome.transitions]


def hold(chain, status="CONFIRMED", number=0, **fields):
    """The rail about the current hold of a claim."""
    order = replace(chain.last("RESERVE", number), hold_no=chain.claim(number).hold_no)
    return chain.answer(order, status, **{"hold_expires": day(300), **fields})


def shrink(chain, left):
    """The rail renews the current hold with so much."""
    return hold(chain, "RENEWED", amount_minor=left, currency="USD")


def money(chain, number=0):
    one = chain.claim(number).accounts
    return (one.reserved, one.in_flight, one.seller)


def ruling(chain, verdict, *persons, **fields):
    """What comes of the word of these arbiters, one after the other."""
    return [chain.review(verdict, role="ARBITER", reviewer=person, **fields) for person in persons][
        -1
    ]


def disputed(**changes):
    """A chain whose claim is reserved and disputed on day 2."""
    chain = chain_of(disputes=DISPUTES, **changes).reserved()
    chain.cut(day(2))
    assert rows_of(chain.review("DISPUTE", role="BUYER")) == [(16, "RESERVED", "DISPUTED")]
    return chain


# ---- funding


def test_row_2_a_commitment_reserves_without_the_rail_and_is_labelled():
    """COMMITMENT_ONLY: nothing is held, and every record says that it is a credit risk."""
    chain = chain_of(funding_mode=terms.COMMITMENT)
    assert chain.rows == [1, 2]
    assert chain.sent == []
    assert money(chain) == (AMOUNT, 0, 0)
    assert all(CREDIT_RISK in e[1].public_state for e in chain.journal if e[0] == "DECISION")
    told = settlement.explain(chain.book, chain.twin, day(1))[0]
    assert told.public_state == f"committed ({CREDIT_RISK})"
    chain.facts(*w.proofs())
    assert chain.cut(day(31)) == [7, 11, 21]
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    assert [o.kind for o in chain.sent] == ["PAY"]
    assert money(chain) == (0, 0, AMOUNT)


def test_row_2_a_bank_undertaking_is_recorded_by_a_financier():
    """Enough of it reserves; too little, or anybody else's word, does nothing."""
    chain = chain_of(funding_mode=terms.UNDERTAKING)
    for fields in ({"amount_minor": AMOUNT - 1}, {"amount_minor": None}):
        given = chain.review("UNDERTAKING", role="FINANCIER", **fields)
        assert given.verdict == "ILLEGAL"
    assert chain.review("UNDERTAKING", role="SELLER", amount_minor=AMOUNT).verdict == "ILLEGAL"
    given = chain.review("UNDERTAKING", role="FINANCIER", amount_minor=AMOUNT)
    assert rows_of(given) == [(2, "CREATED", "RESERVED")]
    assert hold(chain).verdict == "STALE"


def test_row_2_a_hold_that_runs_out_before_the_close_does_when_it_is_renewed():
    """auto_renew: the rail renews it; without, it is released (row 38)."""
    assert rows_of(hold(chain_of(auto_renew=True), hold_expires=day(80))) == [
        (2, "CREATED", "RESERVED")
    ]
    assert rows_of(hold(chain_of(), hold_expires=day(80))) == [(38, "CREATED", "CREATED")]


def test_row_2_a_hold_that_was_lost_before_it_was_confirmed_does_not_count():
    """Two answers in the wrong order: it is released, and another one is asked for."""
    chain = chain_of()
    assert hold(chain, "LOST").verdict == "ILLEGAL"
    assert rows_of(hold(chain)) == [(38, "CREATED", "CREATED")]
    assert rows_of(hold(chain)) == [(2, "CREATED", "RESERVED")]


def test_row_3_a_court_terminates_what_is_not_funded():
    """A hold that is asked for is released; what is under way is left to finish."""
    chain = chain_of(w.claim_terms(1), w.claim_terms(2)).instructed()
    ended = chain.review("TERMINATE", settlement_id=EVERY, role="COURT")
    assert rows_of(ended) == [(3, "CREATED", "VOIDED")]
    assert chain.sent[-1].kind == "RELEASE"
    assert chain.book.contract_state == "TERMINATED"
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.rows[-1] == 25
    assert (chain.state(), money(chain)) == ("VOIDED", (0, 0, 0))


def test_row_4_a_lost_hold_that_nothing_replaces_is_a_default():
    """After row 6 another hold has time until the close; then the default is recorded."""
    chain = chain_of().reserved()
    hold(chain, "LOST")
    assert chain.cut(day(90)) == []
    assert chain.cut(day(90) + 1) == [4]
    assert {"NOT_FUNDED", "FUNDING_DEFAULT"} <= {alarm.code for alarm in chain.alarms}


@pytest.mark.parametrize("at", ["RESERVED", "INSTRUCTED", "DISPUTED"])
def test_row_5_a_renewed_hold_stands_longer(at):
    """In every state in which there is one."""
    chain = {
        "RESERVED": lambda: chain_of().reserved(), "INSTRUCTED": lambda: chain_of().instructed(),
        "DISPUTED": disputed,
    }[at]()  # fmt: skip
    assert rows_of(hold(chain, "RENEWED", hold_expires=day(400))) == [(5, at, at)]
    assert chain.claim().hold_expires == day(400)


def test_row_5_a_renewal_in_another_currency_is_none():
    """It is recorded and alarmed; the hold stands as it was."""
    chain = chain_of().reserved()
    assert hold(chain, "RENEWED", amount_minor=1, currency="CNY").verdict == "ILLEGAL"
    assert chain.claim().hold_expires == day(300)


def test_row_6_a_lost_hold_is_asked_for_again():
    """RESERVED goes back to CREATED with another number; what was said of the old one is stale."""
    chain = chain_of(w.claim_terms(challenge_us=5 * DAY_US)).reserved()
    chain.facts(*w.proofs())
    assert chain.cut(day(31)) == [7]
    old = chain.last("RESERVE")
    assert rows_of(hold(chain, "LOST")) == [(6, "MATCHED", "CREATED")]
    assert (chain.sent[-1].kind, chain.sent[-1].hold_no) == ("RESERVE", 2)
    assert money(chain) == (0, 0, 0)
    assert chain.answer(old, "LOST").verdict == "STALE"
    assert chain.answer(old, "CONFIRMED").verdict == "STALE"
    assert rows_of(hold(chain)) == [(2, "CREATED", "RESERVED")]
    assert chain.cut(day(32)) == [7]


@pytest.mark.parametrize("left", [0, 1, 99_999])
def test_row_6_a_hold_that_has_shrunk_is_released_and_asked_for_again(left):
    """What is left of it is given back, once; whatever is said of it later is stale."""
    chain = chain_of(w.claim_terms(challenge_us=5 * DAY_US)).reserved()
    chain.facts(*w.proofs())
    assert chain.cut(day(31)) == [7]
    old = chain.last("RESERVE")
    assert rows_of(shrink(chain, left)) == [(6, "MATCHED", "CREATED")]
    sent = [(o.kind, o.hold_no, o.amount_minor) for o in chain.sent[1:]]
    assert sent == [("RELEASE", 1, left)] * (left > 0) + [("RESERVE", 2, 100_000)]
    assert money(chain) == (0, 0, 0)
    assert [one.code for one in chain.alarms].count("HOLD_LOST") == 1
    assert chain.answer(old, "RENEWED", amount_minor=left).verdict == "STALE"
    assert chain.answer(old, "LOST").verdict == "STALE"
    assert chain.cut(day(40)) == []
    assert rows_of(hold(chain)) == [(2, "CREATED", "RESERVED")]
    assert chain.cut(day(41)) == [7]


def test_row_40_a_hold_that_shrinks_on_the_way_is_read_when_the_payment_is_rejected():
    """The payment may have taken from it: nothing is released; another hold is asked for after a
    rejection.
    """
    chain = chain_of().instructed()
    assert rows_of(shrink(chain, 1)) == [(40, "INSTRUCTED", "INSTRUCTED")]
    assert [o.kind for o in chain.sent] == ["RESERVE", "PAY"]
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert (chain.sent[-1].kind, chain.sent[-1].hold_no) == ("RESERVE", 2)
    assert money(chain) == (0, 0, 0)


def test_row_41_a_hold_that_shrinks_while_the_claim_is_disputed():
    """Released, and another one is asked for; the dispute goes on."""
    chain = disputed()
    assert rows_of(shrink(chain, 1)) == [(41, "DISPUTED", "DISPUTED")]
    assert [(o.kind, o.hold_no) for o in chain.sent[-2:]] == [("RELEASE", 1), ("RESERVE", 2)]
    assert money(chain) == (0, 0, 0)


# ---- a hold that runs out


END = day(40)
"""When the hold of `until` runs out."""


def until(end=END, **changes):
    """A chain whose claim is reserved by a hold until `end`, which the terms renew; five days for
    challenges.
    """
    claims = changes.pop("claims", (w.claim_terms(challenge_us=5 * DAY_US),))
    chain = chain_of(*claims, auto_renew=True, **changes)
    hold(chain, hold_expires=end)
    return chain


def sent(chain):
    return [(one.kind, one.hold_no) for one in chain.sent]


def lost(chain):
    """What the buyer was told of holds."""
    return [one.reason for one in chain.alarms if one.code == "HOLD_LOST"]


RAN_OUT = ["hold 1 has run out: the buyer has to fund another one"]


@pytest.mark.parametrize("state", ["RESERVED", "MATCHED", "APPROVED"])
def test_row_6_a_hold_that_has_run_out_is_asked_for_again(state):
    """The rail has freed it: nothing is reserved, nothing is released, another one is asked for."""
    if state == "APPROVED":
        chain = chain_of(attempts_max=3).instructed()
        hold(chain, "RENEWED", hold_expires=END)
        chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    else:
        chain = until()
        if state == "MATCHED":
            chain.facts(*w.proofs())
            assert chain.cut(day(38)) == [7]
        assert chain.cut(END - 1) == []
        assert settlement.due(chain.book) == END
    assert chain.state() == state
    before = len(chain.sent)
    assert chain.cut(END) == [6]
    assert chain.state() == "CREATED"
    assert sent(chain)[before:] == [("RESERVE", 2)]
    assert money(chain) == (0, 0, 0)
    assert lost(chain) == RAN_OUT
    assert (chain.claim().window_end, chain.claim().hold_expires) == (None, None)
    assert chain.cut(END + 1) == []
    assert w.history(chain.restored()) == w.history(chain.book)
    assert rows_of(hold(chain)) == [(2, "CREATED", "RESERVED")]


def test_row_6_a_claim_whose_hold_has_run_out_is_paid_from_the_next_one():
    """Proofs in time are not lost with it; nobody pays on a hold that the rail has freed."""
    chain = until()
    chain.facts(*w.proofs())
    assert chain.cut(day(38)) == [7]
    assert chain.cut(day(43)) == [6]
    assert rows_of(hold(chain)) == [(2, "CREATED", "RESERVED")]
    assert chain.cut(day(44)) == [7]
    assert chain.cut(day(49)) == [11, 21]
    assert [one.hold_no for one in chain.pays()] == [2]


def test_row_4_a_hold_that_has_run_out_and_is_not_replaced_is_a_default():
    """The next one has until the close."""
    chain = until()
    assert chain.cut(END) == [6]
    assert chain.cut(day(90)) == []
    assert chain.cut(day(90) + 1) == [4]
    assert [one.code for one in chain.alarms] == ["HOLD_LOST", "NOT_FUNDED", "FUNDING_DEFAULT"]
    assert sent(chain) == [("RESERVE", 1), ("RESERVE", 2), ("RELEASE", 2)]


def test_row_6_a_renewal_that_comes_before_the_cut_wins_and_a_later_one_is_stale():
    """By order of the log: what is known at the cut counts; an older hold comes never back."""
    chain = until()
    old = chain.last("RESERVE")
    chain.cut(END - 1)
    assert rows_of(hold(chain, "RENEWED", hold_expires=day(45))) == [(5, "RESERVED", "RESERVED")]
    assert chain.cut(END) == []
    assert settlement.due(chain.book) == day(45)
    assert chain.cut(day(45)) == [6]
    for number in (1, 2):
        late = chain.answer(old, "RENEWED", hold_expires=day(300))
        assert late.verdict == "STALE", number
        assert chain.answer(old, "LOST").verdict == "STALE"
        assert chain.answer(old, "CONFIRMED", hold_expires=day(300)).verdict == "STALE"
        assert not (chain.claim().hold_live and number == 1)
        hold(chain)
    assert chain.claim().hold_expires == day(300)
    assert lost(chain) == RAN_OUT


def test_row_6_a_renewal_until_a_time_that_is_over_ends_the_hold_at_the_next_cut():
    """Whatever end the rail names, an earlier one too."""
    chain = until()
    chain.cut(day(20))
    assert rows_of(hold(chain, "RENEWED", hold_expires=day(19))) == [(5, "RESERVED", "RESERVED")]
    assert chain.cut(day(20) + 1) == [6]


def test_row_6_an_award_whose_hold_has_run_out_waits_for_another():
    """DISPUTED, of the amount that was awarded."""
    chain = disputed(attempts_max=3)
    ruling(chain, "RESOLVE_SELLER", "ann", "bob", amount_minor=40_000)
    assert chain.cut(day(3)) == [43, 21]
    hold(chain, "RENEWED", hold_expires=END)
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.state() == "APPROVED"
    assert chain.cut(END) == [6]
    assert chain.state() == "DISPUTED"
    assert (chain.claim().basis, chain.claim().due_minor) == ("AWARD", 40_000)
    assert (chain.sent[-1].kind, chain.sent[-1].amount_minor) == ("RESERVE", 40_000)
    assert rows_of(hold(chain)) == [(41, "DISPUTED", "DISPUTED")]
    assert chain.cut(day(41)) == [43, 21]


@pytest.mark.parametrize("state", ["HELD", "DISPUTED"])
def test_row_41_a_hold_that_runs_out_while_the_claim_is_stopped(state):
    """The claim stays where it is; another hold is asked for, and taken."""
    chain = until(disputes=DISPUTES)
    chain.cut(day(20))
    if state == "HELD":
        chain.review("HOLD", reviewer="hal")
    else:
        chain.review("DISPUTE", role="BUYER")
    assert chain.cut(END - 1) == []
    assert settlement.due(chain.book) == END
    assert chain.cut(END) == [41]
    assert chain.state() == state
    assert sent(chain) == [("RESERVE", 1), ("RESERVE", 2)]
    assert lost(chain) == RAN_OUT
    assert money(chain) == (0, 0, 0)
    assert chain.cut(END + 1) == []
    assert w.history(chain.restored()) == w.history(chain.book)
    assert rows_of(hold(chain)) == [(41, state, state)]
    assert money(chain) == (AMOUNT, 0, 0)


def test_a_hold_that_runs_out_while_its_payment_is_under_way_changes_nothing():
    """The payment may have used it: it is booked as always."""
    chain = chain_of().instructed()
    hold(chain, "RENEWED", hold_expires=END)
    assert chain.cut(END) == []
    assert chain.cut(day(45) + 1) == [26]
    assert money(chain) == (0, AMOUNT, 0)
    assert lost(chain) == []
    booked = chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    assert rows_of(booked) == [(23, "IN_DOUBT", "SETTLED")]
    assert [one.kind for one in chain.sent] == ["RESERVE", "PAY", "QUERY"]


@pytest.mark.parametrize(("heard", "row", "state"), [(0, 25, "HELD"), (-1, 24, "APPROVED")])
def test_rows_24_25_a_rejected_payment_is_not_tried_again_on_a_hold_that_has_run_out(
    heard, row, state
):
    """Rejected after the end, it is held (row 25); before it, the next cut takes the approval back.
    Another hold is asked for either way, and nothing is paid without it.
    """
    chain = chain_of(attempts_max=3).instructed()
    hold(chain, "RENEWED", hold_expires=END)
    chain.cut(END + heard)
    rejected = chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert rows_of(rejected) == [(row, "INSTRUCTED", state)]
    assert chain.cut(END + 1) == [6 if state == "APPROVED" else 41]
    assert lost(chain) == RAN_OUT
    assert sent(chain)[2:] == [("RESERVE", 2)]
    assert money(chain) == (0, 0, 0)
    assert chain.cut(END + 2) == []
    assert len(chain.pays()) == 1


def test_what_ends_a_claim_or_holds_it_comes_before_the_end_of_its_hold(monkeypatch):
    """No hold is asked for that nobody needs, and nobody is blamed for it: rows 34, 8, 15, 19, 37;
    rows 9, 10 and 12 stop the claim first, and the next cut asks for a hold.
    """
    told = Told(monkeypatch)
    late = day(91)
    told.of = {"A-1": ("FALSE", None, None, ())}
    chain = until(late)
    assert chain.cut(late) == [8]
    chain = until(late, claims=(w.claim_terms(on_false="HOLD"),))
    assert [chain.cut(late), chain.cut(late + 1), chain.cut(late + 2)] == [[9], [41], []]
    chain = until(late)
    chain.review("HOLD", reviewer="hal")
    assert chain.cut(late) == [15]
    told.of = {"A-1": ("UNKNOWN", None, None, ())}
    assert until(day(271)).cut(day(271)) == [34]
    chain = until(disputes=DISPUTES)
    chain.cut(day(2))
    chain.review("DISPUTE", role="BUYER")
    assert chain.cut(END) == [19]
    told.of = {"A-1": ("TRUE", None, 0, ())}
    assert until().cut(END) == [37]
    told.of = {"A-1": ("TRUE", None, None, ())}
    chain = until()
    assert chain.cut(day(39)) == [7]
    told.of = {"A-1": ("TRUE", None, None, ("x",))}
    assert [chain.cut(END), chain.cut(END + 1)] == [[12], [41]]
    told.of = {"A-1": ("TRUE", None, None, ())}
    chain = until()
    assert chain.cut(day(39)) == [7]
    told.of = {"A-1": ("UNKNOWN", None, None, ())}
    assert [chain.cut(END), chain.cut(END + 1)] == [[10], [6]]


def test_row_18_silence_awards_before_the_end_of_the_hold_is_noticed():
    """An award of what was reserved; the next hold is for that."""
    chain = until(disputes=replace(DISPUTES, on_timeout="SELLER"))
    chain.cut(day(2))
    chain.review("DISPUTE", role="BUYER")
    assert [chain.cut(END), chain.cut(END + 1), chain.cut(END + 2)] == [[18], [41], []]
    hold(chain)
    assert chain.cut(END + 3) == [43, 21]


@pytest.mark.parametrize("past", [0, DAY_US])
def test_row_38_a_hold_that_had_run_out_when_it_was_confirmed_does_not_do(past):
    """With renewals agreed, too: it is released, and another one is asked for while that is due. A
    rail that confirms nothing else would have one taken and lost at every cut.
    """
    chain = chain_of(auto_renew=True)
    chain.cut(day(20))
    for number in (1, 2):
        asked = hold(chain, hold_expires=day(20) - past)
        assert rows_of(asked) == [(38, "CREATED", "CREATED")]
        assert sent(chain)[-2:] == [("RELEASE", number), ("RESERVE", number + 1)]
    chain.cut(day(28))
    assert chain.cut(day(28) + 1) == [4]
    assert rows_of(hold(chain, hold_expires=day(28) - past)) == [(39, "EXPIRED", "EXPIRED")]
    assert [kind for kind, _ in sent(chain)].count("RESERVE") == 3


def test_row_41_a_hold_that_had_run_out_when_it_was_confirmed_is_not_taken():
    """As by row 38, while the claim is stopped."""
    chain = until()
    chain.review("HOLD", reviewer="hal")
    assert chain.cut(END) == [41]
    assert rows_of(hold(chain, hold_expires=END)) == [(41, "HELD", "HELD")]
    assert sent(chain)[-2:] == [("RELEASE", 2), ("RESERVE", 3)]
    assert money(chain) == (0, 0, 0)
    assert rows_of(hold(chain, hold_expires=END + 1)) == [(41, "HELD", "HELD")]
    assert money(chain) == (AMOUNT, 0, 0)


def test_row_52_a_hold_that_has_run_out_does_not_move_to_the_successor():
    """With renewals agreed, too: another one is asked for."""
    chain = until()
    chain.review("HOLD", reviewer="hal")
    chain.cut(day(30))
    hold(chain, "RENEWED", hold_expires=day(30))
    amended = chain.amend(replace(chain.terms, version=2))
    assert rows_of(amended) == [(33, "HELD", "SUPERSEDED"), (52, "NONE", "CREATED")]
    assert sent(chain)[1:] == [("RELEASE", 1), ("RESERVE", 2)]


# ---- a hold while time stands still


@pytest.mark.parametrize("expires", [day(200), day(90) + 1])
def test_row_2_a_hold_beyond_the_close_does_while_a_record_is_in_the_quarantine(expires):
    """Nobody knows yet how much later the close will be: it is held against the one that is known,
    or every good hold would be released until the claim expires unfunded.
    """
    chain = chain_of()
    refused(chain)
    assert rows_of(hold(chain, hold_expires=expires)) == [(2, "CREATED", "RESERVED")]
    assert sent(chain) == [("RESERVE", 1)]


def test_row_2_the_time_that_stood_still_before_counts_for_the_length_of_a_hold():
    """Five days were lost: a hold until the agreed close is too short, within a second quarantine,
    too; nothing is asked for beyond the long stop.
    """
    chain = chain_of()
    chain.cut(day(2))
    refused(chain)
    chain.cut(day(7))
    chain.review(
        "DROP_RECORD", settlement_id=EVERY, contract_id=EVERY,
        cleared_ids=("supplytwin:quarantine/topic/0/1",),
    )  # fmt: skip
    for second in (False, True):
        if second:
            refused(chain, "topic/0/2")
        assert rows_of(hold(chain, hold_expires=day(95))) == [(38, "CREATED", "CREATED")]
    assert rows_of(hold(chain, hold_expires=day(95) + 1))[0][0] == 2


def test_row_2_a_hold_beyond_the_long_stop_is_long_enough_for_any_close():
    """Nothing is extended beyond the long stop."""
    chain = chain_of(w.claim_terms(deadline=day(238)))
    chain.cut(day(2))
    refused(chain)
    chain.cut(day(27))
    chain.review(
        "DROP_RECORD", settlement_id=EVERY, contract_id=EVERY,
        cleared_ids=("supplytwin:quarantine/topic/0/1",),
    )  # fmt: skip
    assert rows_of(hold(chain, hold_expires=day(270))) == [(38, "CREATED", "CREATED")]
    assert rows_of(hold(chain, hold_expires=day(270) + 1))[0][0] == 2


def test_row_41_an_award_takes_a_hold_beyond_the_close_that_is_known():
    """DISPUTED stands still until it is paid: the award was never paid, every hold was released."""
    chain = disputed()
    chain.cut(day(20))
    ruling(chain, "RESOLVE_SELLER", "ann", "bob", amount_minor=80_000)
    hold(chain, "LOST")
    assert rows_of(hold(chain, hold_expires=day(200))) == [(41, "DISPUTED", "DISPUTED")]
    assert sent(chain) == [("RESERVE", 1), ("RESERVE", 2)]
    assert chain.cut(day(21)) == [43, 21]
    assert chain.last("PAY").amount_minor == 80_000


def refused(chain, place="topic/0/1"):
    """A record under the chain's key goes to the quarantine."""
    return chain.review(
        "QUARANTINE", source="supplytwin:quarantine", input_id=place, settlement_id=EVERY,
        contract_id=EVERY, reviewer="",
    )  # fmt: skip


def test_row_38_after_the_funding_deadline_no_other_hold_is_asked_for():
    """Released, alarmed, and expired at the next cut without a second RELEASE."""
    chain = chain_of()
    chain.now = day(28) + 1
    hold(chain, amount_minor=1)
    assert [o.kind for o in chain.sent] == ["RESERVE", "RELEASE"]
    assert chain.cut(day(29)) == [4]
    assert [o.kind for o in chain.sent] == ["RESERVE", "RELEASE"]


def test_row_40_a_hold_lost_on_the_way_is_read_when_the_payment_is_rejected():
    """Row 25 then gives the money back and asks for another hold, retryable or not."""
    chain = chain_of().instructed()
    assert rows_of(hold(chain, "LOST")) == [(40, "INSTRUCTED", "INSTRUCTED")]
    assert money(chain) == (0, AMOUNT, 0)
    rejected = chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert rows_of(rejected) == [(25, "INSTRUCTED", "HELD")]
    assert money(chain) == (0, 0, 0)
    assert (chain.sent[-1].kind, chain.sent[-1].hold_no) == ("RESERVE", 2)


def test_row_41_a_claim_that_is_stopped_loses_a_hold_and_gets_another():
    """It stays where it is; without a hold a release leads to CREATED (row 13)."""
    chain = chain_of().reserved()
    chain.review("HOLD", reviewer="hal")
    assert rows_of(hold(chain, "LOST")) == [(41, "HELD", "HELD")]
    assert [one.code for one in chain.alarms][-1] == "HOLD_LOST"
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    asked = {"evidence_hash": told.evidence_hash, "cleared_ids": told.adverse_ids}
    assert rows_of(chain.review("RELEASE", **asked)) == [(13, "HELD", "CREATED")]
    assert rows_of(hold(chain)) == [(2, "CREATED", "RESERVED")]
    chain.review("HOLD", reviewer="hal")
    hold(chain, "LOST")
    assert rows_of(hold(chain)) == [(41, "HELD", "HELD")]
    assert money(chain) == (AMOUNT, 0, 0)


def test_row_41_a_hold_that_does_not_do_is_released_while_the_claim_is_stopped():
    """And another one is asked for, as by row 38."""
    chain = disputed()
    hold(chain, "LOST")
    assert rows_of(hold(chain, amount_minor=1)) == [(41, "DISPUTED", "DISPUTED")]
    assert [(o.kind, o.hold_no) for o in chain.sent[-2:]] == [("RELEASE", 2), ("RESERVE", 3)]
    assert money(chain) == (0, 0, 0)


def test_row_42_the_release_of_one_hold_is_told_from_that_of_another():
    """Two holds, two releases: each is sent again until the rail has confirmed that very one."""
    chain = chain_of()
    hold(chain, amount_minor=1)
    chain.cut(day(1))
    hold(chain)
    chain.cut(day(20))
    assert chain.rows[-1] == 42
    assert chain.claim().hold_live
    first = next(o for o in chain.sent if o.kind == "RELEASE")
    assert rows_of(chain.answer(first, "RELEASED")) == [(42, "RESERVED", "RESERVED")]
    assert chain.answer(first, "RELEASED").verdict == "STALE"


# ---- the challenge window


def test_rows_7_10_11_the_amount_is_unconditional_when_the_window_is_over(monkeypatch):
    """Between match and end nothing is approved; what is missed only in the window is open till
    then, and decided at its end, inclusive.
    """
    told = Told(monkeypatch)
    claim = w.claim_terms(challenge_us=5 * DAY_US)
    for after, rows in (("TRUE", [11, 21]), ("FALSE", [10]), ("UNKNOWN", [10])):
        chain = chain_of(claim).reserved()
        told.of = {"A-1": ("UNKNOWN", "TRUE", None, ())}
        assert chain.cut(day(31)) == [7]
        assert chain.claim().window_end == day(36)
        assert chain.cut(day(36) - 1) == []
        told.of = {"A-1": (after, "TRUE", None, ())}
        assert chain.cut(day(36)) == rows
        assert chain.claim().challenge_end == day(36)


def test_row_10_what_does_not_match_any_more_closes_the_window(monkeypatch):
    """Before the close it is RESERVED again, after it HELD; a second match opens a new one."""
    told = Told(monkeypatch)
    chain = chain_of(w.claim_terms(challenge_us=5 * DAY_US)).reserved()
    told.of = {"A-1": ("TRUE", None, 60_000, ())}
    assert chain.cut(day(86)) == [7]
    assert chain.claim().due_minor == 60_000
    told.of = {"A-1": ("UNKNOWN", None, None, ())}
    assert chain.cut(day(87)) == [10]
    assert (chain.claim().window_end, chain.claim().due_minor) == (None, None)
    told.of = {"A-1": ("TRUE", None, None, ())}
    assert chain.cut(day(88)) == [7]
    told.of = {"A-1": ("UNKNOWN", None, None, ())}
    assert chain.cut(day(91)) == [10]
    assert (chain.state(), chain.claim().origin) == ("HELD", "REVIVABLE")


def test_row_9_on_false_hold_is_of_each_claim():
    """One claim expires, the other is held: FALSE, for people."""
    chain = chain_of(w.claim_terms(1), w.claim_terms(2, on_false="HOLD"))
    chain.reserved(0).reserved(1)
    assert chain.cut(day(90) + 1) == [8, 9]
    assert (chain.state(0), chain.state(1)) == ("EXPIRED", "HELD")
    assert chain.claim(1).origin == "FALSE"


# ---- reserved, due, paid


def test_row_11_fixes_what_is_due_and_the_rest_goes_back_when_it_is_paid(monkeypatch):
    """Reserved is the most, paid is what is due: the rest is released at the booking."""
    told = Told(monkeypatch)
    chain = chain_of().reserved()
    told.of = {"A-1": ("TRUE", None, 70_000, ())}
    assert chain.cut(day(31)) == [7, 11, 21]
    assert chain.last("PAY").amount_minor == 70_000
    assert money(chain) == (30_000, 70_000, 0)
    told.of = {"A-1": ("TRUE", None, 10_000, ())}
    chain.cut(day(32))
    booked = chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    assert rows_of(booked) == [(23, "INSTRUCTED", "SETTLED")]
    assert (chain.sent[-1].kind, chain.sent[-1].amount_minor) == ("RELEASE", 30_000)
    assert chain.claim().accounts == Accounts(buyer=-70_000, seller=70_000)
    assert chain.journal[-1][1].amount_minor == 70_000


def test_row_11_never_pays_more_than_is_reserved(monkeypatch):
    """An amount beyond the reservation is cut to it."""
    told = Told(monkeypatch)
    chain = chain_of().reserved()
    told.of = {"A-1": ("TRUE", None, AMOUNT + 1, ())}
    chain.cut(day(31))
    assert chain.last("PAY").amount_minor == AMOUNT


def test_row_37_nothing_due_by_a_true_condition_closes_without_a_payment(monkeypatch):
    """From RESERVED; a match by which nothing is due any more is undone first (row 10)."""
    told = Told(monkeypatch)
    chain = chain_of(w.claim_terms(challenge_us=DAY_US)).reserved()
    told.of = {"A-1": ("TRUE", None, 5, ())}
    assert chain.cut(day(31)) == [7]
    told.of = {"A-1": ("TRUE", None, 0, ())}
    assert chain.cut(day(33)) == [10]
    assert chain.cut(day(34)) == [37]
    assert (chain.state(), money(chain), chain.pays()) == ("CLOSED", (0, 0, 0), [])


def test_a_residual_is_what_the_named_tranches_leave(monkeypatch):
    """It waits until they have ended, and is decided last; ended otherwise, on_false applies."""
    told = Told(monkeypatch)
    rest = w.claim_terms(2, tranche_id="T2", residual_of=("T1",), amount_minor=20_000)
    for end, paid in (("BOOKED", 20_000), ("RJCT", None)):
        chain = chain_of(w.claim_terms(1), rest, cap_minor=120_000).reserved(0).reserved(1)
        told.of = {"A-1": ("TRUE", None, 70_000, ()), "A-2": ("TRUE", None, None, ())}
        assert chain.cut(day(31)) == [7, 11, 21]
        chain.answer(chain.last("PAY"), end, entry_id="E1", rail_reason="AC04")
        if paid is None:
            chain.review("REJECT", 0)
            assert chain.cut(day(32)) == [8]
            continue
        assert chain.cut(day(32)) == [7, 11, 21]
        assert chain.last("PAY", 1).amount_minor == paid


def test_row_9_a_residual_that_waits_for_others_is_not_held_for_that():
    """Past its own close it waits until they have ended, and follows them at the same cut."""
    first = w.claim_terms(1, deadline=day(150), grace_us=0)
    rest = w.claim_terms(2, tranche_id="T2", residual_of=("T1",), amount_minor=20_000)
    chain = chain_of(first, rest, cap_minor=120_000).reserved(0).reserved(1)
    chain.facts(*w.proofs(2, at=20))
    assert chain.cut(day(91)) == []
    assert chain.cut(day(150) + 1) == [8, 8]


# ---- disputes and awards


def test_row_16_only_who_is_entitled_disputes_and_before_the_instruction():
    """Not the seller here, not without a clause, not once the payment is under way."""
    assert chain_of().reserved().review("DISPUTE", role="BUYER").verdict == "ILLEGAL"
    chain = chain_of(disputes=DISPUTES).reserved()
    assert chain.review("DISPUTE", role="SELLER").verdict == "ILLEGAL"
    chain = chain_of(disputes=DISPUTES).instructed()
    assert chain.review("DISPUTE", role="BUYER").verdict == "ILLEGAL"


def test_row_16_while_disputed_deadlines_stand_still():
    """DISPUTED tolls always: what it took is added to the deadline."""
    chain = disputed()
    assert chain.cut(day(31)) == []
    chain.review("WITHDRAW", role="BUYER")
    promise = chain.book.promises[chain.ids[0]]
    assert promise.deadline == day(60 + 29)
    assert chain.cut(day(90) + 1) == []
    assert chain.cut(day(119) + 1) == [8]


def test_row_17_who_raised_it_withdraws_and_arbiters_dismiss():
    """RESERVED again, or CREATED without a hold; two of three arbiters are asked."""
    assert disputed().review("WITHDRAW", role="SELLER").verdict == "ILLEGAL"
    chain = disputed()
    assert ruling(chain, "DISMISS", "ann").verdict == "NOTED"
    assert ruling(chain, "DISMISS", "ann").verdict == "NOTED"
    assert rows_of(ruling(chain, "DISMISS", "bob")) == [(17, "DISPUTED", "RESERVED")]
    chain = disputed()
    hold(chain, "LOST")
    assert rows_of(chain.review("WITHDRAW", role="BUYER")) == [(17, "DISPUTED", "CREATED")]


def test_rows_18_43_21_an_award_is_paid_whatever_the_condition_says():
    """Two arbiters, one amount: the rest is the buyer's at once; the next cut pays."""
    chain = disputed()
    assert ruling(chain, "RESOLVE_SELLER", "ann", amount_minor=40_000).verdict == "NOTED"
    assert ruling(chain, "RESOLVE_SELLER", "bob", amount_minor=41_000).verdict == "NOTED"
    assert ruling(chain, "RESOLVE_SELLER", "zoe", amount_minor=40_000).verdict == "ILLEGAL"
    awarded = ruling(chain, "RESOLVE_SELLER", "cas", amount_minor=40_000)
    assert rows_of(awarded) == [(18, "DISPUTED", "DISPUTED")]
    assert money(chain) == (40_000, 0, 0)
    assert chain.review("WITHDRAW", role="BUYER").verdict == "ILLEGAL"
    assert chain.cut(day(3)) == [43, 21]
    assert chain.last("PAY").amount_minor == 40_000
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    assert (chain.sent[-1].kind, chain.sent[-1].amount_minor) == ("RELEASE", 60_000)
    assert chain.cut(day(200)) == [42]
    assert "CLAIM_RECORD" not in {alarm.code for alarm in chain.alarms}


@pytest.mark.parametrize("amount", [0, AMOUNT + 1, None, -1])
def test_row_18_an_award_is_more_than_nothing_and_no_more_than_is_reserved(amount):
    """Anything else changes nothing."""
    chain = disputed()
    assert ruling(chain, "RESOLVE_SELLER", "ann", "bob", amount_minor=amount).verdict == "ILLEGAL"


def test_rows_18_and_19_time_decides_what_nobody_does():
    """At the first cut later than the longest dispute, for whom the terms say."""
    for winner, rows in (("BUYER", [19]), ("SELLER", [18])):
        chain = disputed() if winner == "BUYER" else disputed_for_the_seller()
        assert chain.cut(day(32)) == []
        assert chain.cut(day(32) + 1) == rows
    assert chain.cut(day(33)) == [43, 21]
    assert chain.last("PAY").amount_minor == AMOUNT


def disputed_for_the_seller():
    chain = chain_of(disputes=replace(DISPUTES, on_timeout="SELLER")).reserved()
    chain.cut(day(2))
    chain.review("DISPUTE", role="BUYER")
    return chain


@pytest.mark.parametrize("recalled", [False, True])
def test_row_16_what_was_instructed_once_is_disputed_no_more(recalled):
    """It is for reviewers, of whom two are asked: the seller alone does not get it going by a
    dispute that he withdraws.
    """
    chain = chain_of(disputes=EITHER, attempts_max=1, release_reviewers=2).instructed()
    if recalled:
        chain.review("RECALL", reviewer="rita", role="RISK")
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.state() == "HELD"
    refused = chain.review("DISPUTE", reviewer="sam", role="SELLER")
    assert refused.verdict == "ILLEGAL"
    assert "a payment was instructed once: it is disputed no more" in refused.alarms[-1].reason
    assert chain.state() == "HELD"


def held_without_goods(**changes):
    """After the close on day 90 only the goods are missing."""
    chain = chain_of(w.claim_terms(on_false="HOLD"), **changes).reserved()
    chain.facts(*w.proofs(1, 30)[:2])
    assert chain.cut(day(91)) == [9]
    return chain


def test_row_16_a_dispute_after_the_close_brings_nothing_in_time():
    """Goods came after the deadline, and were told after the close."""
    chain = held_without_goods(disputes=EITHER)
    chain.facts((w.received(day(61)), day(91, 5)))
    chain.cut(day(92))
    chain.review("DISPUTE", reviewer="sam", role="SELLER")
    chain.cut(day(95))
    chain.now = day(103)
    chain.review("WITHDRAW", reviewer="sam", role="SELLER")
    assert chain.claim().tolled_us == 0
    assert chain.cut(day(104)) == [9]
    assert chain.pays() == []


def test_row_9_a_hold_after_the_close_brings_nothing_in_time():
    """Held because it is FALSE, under terms whose holds move the deadline."""
    chain = held_without_goods(hold_tolls_deadline=True)
    chain.facts((w.received(day(100)), day(100, 5)))
    chain.cut(day(151))
    seen = settlement.explain(chain.book, chain.twin, chain.now)[0]
    act = chain.review("RELEASE", reviewer="olga", evidence_hash=seen.evidence_hash)
    assert act.verdict == "ILLEGAL"


@pytest.mark.parametrize("between", ["RENEWED", "LOST"])
def test_row_18_what_the_rail_says_of_a_hold_takes_no_voice_back(between):
    """Two of the arbiters say the same, whatever becomes of the hold between them."""
    chain = disputed()
    assert rows_of(ruling(chain, "RESOLVE_SELLER", "ann", amount_minor=80_000)) == []
    hold(chain, between, hold_expires=day(400))
    if between == "LOST":
        hold(chain)
    won = ruling(chain, "RESOLVE_SELLER", "bob", amount_minor=80_000)
    assert rows_of(won) == [(18, "DISPUTED", "DISPUTED")]


def test_row_54_a_second_content_of_an_act_is_a_break_after_a_restart_too():
    """Live it stands against the claim; a restore must not take it for the act."""
    chain = chain_of()
    chain.agree()
    refused = {"source": QUARANTINE_DESK, "reviewer": "", "role": ""}
    chain.review("QUARANTINE", input_id="supply.customs/0/7", settlement_id="*", **refused)
    (key,) = chain.claim().standing
    act = {"input_id": "act-1", "reviewer": "olga", "role": "OPERATOR"}
    chain.review("RELEASE_RECORD", cleared_ids=("other",), **act)
    again = chain.review("RELEASE_RECORD", cleared_ids=(key,), **act)
    assert rows_of(again) == [(54, "CREATED", "CREATED")]
    assert chain.restored().claims == chain.book.claims
    assert key not in chain.claim().cleared


def test_row_19_the_buyer_has_all_back():
    """VOIDED, released; not after an award."""
    chain = disputed()
    won = ruling(chain, "RESOLVE_BUYER", "ann", "bob")
    assert rows_of(won) == [(19, "DISPUTED", "VOIDED")]
    assert chain.sent[-1].kind == "RELEASE"
    chain = disputed()
    ruling(chain, "RESOLVE_SELLER", "ann", "bob", amount_minor=1)
    assert ruling(chain, "RESOLVE_BUYER", "ann", "bob").verdict == "ILLEGAL"


def test_row_13_an_award_that_was_held_stands_when_it_is_released():
    """Rejected for good, held, released by a person: DISPUTED, and paid again; never by row 14."""
    chain = disputed()
    ruling(chain, "RESOLVE_SELLER", "ann", "bob", amount_minor=AMOUNT)
    chain.cut(day(3))
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AC04")
    assert chain.state() == "HELD"
    assert chain.review("REJECT").verdict == "ILLEGAL"
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    released = chain.review("RELEASE", evidence_hash=told.evidence_hash)
    assert rows_of(released) == [(13, "HELD", "DISPUTED")]
    assert chain.cut(day(100)) == [43, 21]
    assert [o.attempt for o in chain.pays()] == [1, 2]


def test_row_20_an_award_whose_hold_is_lost_is_not_lost_with_it():
    """It waits in DISPUTED for another hold, of the amount that was awarded."""
    chain = disputed(attempts_max=3)
    ruling(chain, "RESOLVE_SELLER", "ann", "bob", amount_minor=40_000)
    hold(chain, "RENEWED", hold_expires=day(20))
    assert chain.cut(day(3)) == [43, 21]
    chain.now = day(5)
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.cut(day(7)) == [20]
    assert chain.state() == "DISPUTED"
    assert rows_of(hold(chain, "LOST")) == [(41, "DISPUTED", "DISPUTED")]
    assert (chain.sent[-1].kind, chain.sent[-1].amount_minor) == ("RESERVE", 40_000)
    hold(chain, amount_minor=40_000)
    assert chain.cut(day(8)) == [43, 21]


def test_row_6_an_approved_award_keeps_its_basis_when_its_hold_is_lost():
    """DISPUTED with the award, not CREATED: no condition can take the award back."""
    chain = disputed(attempts_max=3)
    ruling(chain, "RESOLVE_SELLER", "ann", "bob", amount_minor=40_000)
    chain.cut(day(3))
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.state() == "APPROVED"
    assert rows_of(hold(chain, "LOST")) == [(6, "APPROVED", "DISPUTED")]
    assert (chain.claim().basis, chain.claim().due_minor) == ("AWARD", 40_000)


# ---- holds by people


def test_row_13_k_persons_release_none_of_whom_raised_it():
    """Each sees the same evidence and clears the same; whoever held it does not count."""
    chain = chain_of(release_reviewers=2).reserved()
    chain.review("HOLD", reviewer="hal")
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    asked = {"evidence_hash": told.evidence_hash, "cleared_ids": told.adverse_ids}
    assert chain.review("RELEASE", reviewer="hal", **asked).verdict == "ILLEGAL"
    assert chain.review("RELEASE", reviewer="rosa", **asked).verdict == "NOTED"
    assert chain.review("RELEASE", reviewer="rosa", **asked).verdict == "NOTED"
    released = chain.review("RELEASE", reviewer="tim", **asked)
    assert rows_of(released) == [(13, "HELD", "RESERVED")]


def test_row_13_a_later_adverse_fact_voids_the_reviews_before_it():
    """One of two had released; a person holds it once more: both are asked again."""
    chain = chain_of(release_reviewers=2).reserved()
    chain.review("HOLD", reviewer="hal")
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    asked = {"evidence_hash": told.evidence_hash, "cleared_ids": told.adverse_ids}
    chain.review("RELEASE", reviewer="rosa", **asked)
    assert rows_of(chain.review("HOLD", reviewer="zoe")) == [(54, "HELD", "HELD")]
    assert chain.review("RELEASE", reviewer="tim", **asked).verdict == "NOTED"


def test_row_13_a_release_may_add_attempts():
    """Used up by row 25, two more are allowed: a retryable rejection is tried again."""
    chain = chain_of(attempts_max=1).instructed()
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    chain.review("RELEASE", evidence_hash=told.evidence_hash, attempts=2)
    assert chain.cut(day(32)) == [11, 21]
    assert rows_of(chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04"))[0][0] == 24


def test_row_15_a_claim_whose_deadline_stands_still_does_not_expire_while_it_is_held():
    """hold_tolls_deadline: afterwards the time it took is added."""
    for tolls, rows in ((False, [15]), (True, [])):
        chain = chain_of(hold_tolls_deadline=tolls).reserved()
        chain.cut(day(2))
        chain.review("HOLD", reviewer="hal")
        assert chain.cut(day(91)) == rows
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    asked = {"evidence_hash": told.evidence_hash, "cleared_ids": told.adverse_ids}
    assert rows_of(chain.review("RELEASE", **asked)) == [(13, "HELD", "RESERVED")]
    assert chain.book.promises[chain.ids[0]].deadline == day(60 + 89)


def test_row_12_a_break_found_by_people_holds():
    """RECON_BREAK of a named person: HELD; where no row holds it, it is noted (row 54)."""
    chain = chain_of(w.claim_terms(1), w.claim_terms(2)).reserved(0)
    assert rows_of(chain.review("RECON_BREAK", 0)) == [(12, "RESERVED", "HELD")]
    assert rows_of(chain.review("RECON_BREAK", 1)) == [(54, "CREATED", "CREATED")]


def test_row_20_a_hold_that_runs_out_before_the_rail_answers_is_too_short():
    """Approved, rejected, and meanwhile too short: MATCHED, and approved again once renewed."""
    chain = chain_of(attempts_max=3).instructed()
    hold(chain, "RENEWED", hold_expires=day(40))
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.cut(day(32)) == [20]
    assert chain.cut(day(33)) == []
    hold(chain, "RENEWED", hold_expires=day(60))
    assert chain.cut(day(34)) == [11, 21]


# ---- courts


def test_rows_28_34_a_court_order_on_a_claim_is_not_undone_by_a_rejection():
    """Recalled; rejected meanwhile, it is VOIDED and never tried again (row 45)."""
    chain = chain_of(w.claim_terms(1), w.claim_terms(2)).reserved(1).instructed(0)
    order = chain.review("COURT_ORDER", 0, role="COURT")
    assert rows_of(order) == [(28, "INSTRUCTED", "CANCEL_PENDING")]
    rejected = chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert rows_of(rejected) == [(45, "CANCEL_PENDING", "VOIDED")]
    assert rows_of(chain.review("COURT_ORDER", 1, role="COURT")) == [(34, "RESERVED", "VOIDED")]


def test_row_25_after_a_court_order_that_came_too_late_to_recall_nothing_is_tried_again():
    """The recall was refused: the order is recorded, and a rejection voids the claim."""
    chain = chain_of().instructed()
    chain.review("RECALL")
    chain.answer(chain.last("RECALL"), "RJCR")
    assert chain.review("COURT_ORDER", role="COURT").verdict == "ILLEGAL"
    rejected = chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert rows_of(rejected) == [(25, "IN_DOUBT", "VOIDED")]


def test_row_34_a_court_ends_the_whole_contract():
    """All that is not instructed is VOIDED, the rest recalled."""
    chain = chain_of(w.claim_terms(1), w.claim_terms(2)).instructed(0)
    ended = chain.review("COURT_ORDER", settlement_id=EVERY, role="COURT")
    assert [t.row for t in ended.transitions] == [28, 34]
    assert chain.book.contract_state == "TERMINATED"
    assert chain.review("COURT_ORDER", settlement_id=EVERY, role="BUYER").verdict == "ILLEGAL"


# ---- amendments


def test_rows_33_52_the_hold_moves_to_the_successor():
    """Same settlement id; what the hold is too large by is the buyer's, at the rail in the end."""
    chain = chain_of().reserved()
    name = chain.ids[0]
    amended = w.contract_terms((w.claim_terms(amount_minor=60_000),), version=2)
    assert rows_of(chain.amend(amended)) == [
        (33, "RESERVED", "SUPERSEDED"), (52, "NONE", "RESERVED"),
    ]  # fmt: skip
    assert chain.ids == (name,)
    assert money(chain) == (60_000, 0, 0)
    chain.facts(*w.proofs())
    chain.cut(day(31))
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    assert [(o.kind, o.amount_minor) for o in chain.sent[-2:]] == [
        ("PAY", 60_000), ("RELEASE", 40_000),
    ]  # fmt: skip
    numbers = [o.instruction_no for o in chain.sent]
    assert numbers == list(range(1, len(numbers) + 1))


def test_row_52_a_hold_that_is_too_small_is_given_up_for_another():
    """The successor waits for it in CREATED."""
    chain = chain_of().reserved()
    amended = w.contract_terms((w.claim_terms(amount_minor=150_000),), version=2)
    assert rows_of(chain.amend(amended))[1] == (52, "NONE", "CREATED")
    assert [(o.kind, o.hold_no, o.amount_minor) for o in chain.sent[-2:]] == [
        ("RELEASE", 1, 100_000), ("RESERVE", 2, 150_000),
    ]  # fmt: skip
    assert money(chain) == (0, 0, 0)


def test_rows_33_1_a_claim_is_taken_out_and_another_comes_in():
    """What no longer stands in the terms is released; what is new begins at row 1."""
    chain = chain_of().reserved()
    assert rows_of(chain.amend(w.contract_terms((w.claim_terms(2),), version=2))) == [
        (33, "RESERVED", "SUPERSEDED"), (1, "NONE", "CREATED"),
    ]  # fmt: skip
    assert [o.kind for o in chain.sent] == ["RESERVE", "RELEASE", "RESERVE"]
    assert chain.state(0) == "CREATED"
    assert chain.state(1) == "SUPERSEDED"
    late = replace(chain.last("RESERVE", 1), kind="PAY")
    assert rows_of(chain.answer(late, "BOOKED", entry_id="E")) == [(49, *["SUPERSEDED"] * 2)]


def test_row_33_what_is_approved_keeps_its_terms():
    """The instructed claim goes on under version 1, the other one under version 2: the rail may be
    silent for 14 days about the one, for a day about the release of the other.
    """
    chain = chain_of(w.claim_terms(1), w.claim_terms(2)).instructed(0)
    both = (w.claim_terms(1), w.claim_terms(2, deadline=day(100)))
    later = {"status_sla_us": DAY_US, "funding_deadline": day(60)}
    chain.amend(w.contract_terms(both, version=2, **later))
    assert [chain.claim(n).version for n in (0, 1)] == [1, 2]
    assert chain.cut(day(40)) == [42]
    assert chain.cut(day(46)) == [26, 42]


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1}, {"version": 2, "currency": "EUR"}, {"version": 2, "contract_id": "C-2"},
    ],
    ids=str,
)  # fmt: skip
def test_terms_that_do_not_follow_amend_nothing(changes):
    """The same version, another currency, another contract: recorded, alarmed."""
    chain = chain_of().reserved()
    before = chain.book.claims
    assert chain.amend(w.contract_terms(**changes)).verdict == "ILLEGAL"
    assert chain.book.claims == before


def test_terms_that_leave_a_gap_wait_for_what_is_missing():
    """Recorded, told, and without effect until the version between has come."""
    chain = chain_of().reserved()
    before = chain.book.claims
    early = chain.amend(w.contract_terms(version=3, status_sla_us=DAY_US))
    assert (early.verdict, [one.code for one in early.alarms]) == ("NOTED", ["EARLY_TERMS"])
    assert chain.book.claims == before
    assert chain.amend(w.contract_terms(version=2)).verdict == "TAKEN"
    assert chain.book.terms.version == 3
    assert chain.claim().version == 3


def test_an_amendment_cannot_lift_what_may_be_paid_over_its_cap():
    """What is under way keeps its amount: with it the new claims have to stay within the cap."""
    chain = chain_of(w.claim_terms(1), w.claim_terms(2)).instructed(0)
    claims = (w.claim_terms(1, amount_minor=1), w.claim_terms(2, amount_minor=150_000))
    assert chain.amend(w.contract_terms(claims, version=2)).verdict == "ILLEGAL"
    assert chain.book.terms.version == 1


# ---- bookings that do not fit


def _broken():
    chain = chain_of().instructed()
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1", amount_minor=90_000)
    assert chain.state() == "IN_DOUBT"
    return chain


@pytest.mark.parametrize("paid", [90_000, 100_000, 110_000])
def test_row_51_two_persons_say_what_was_paid(paid):
    """The actual amount is the seller's; one person, or two with two amounts, do not do."""
    chain = _broken()
    assert chain.review("RECON_SETTLED", amount_minor=paid).verdict == "NOTED"
    other = chain.review("RECON_SETTLED", reviewer="hal", amount_minor=paid + 1)
    assert other.verdict == "NOTED"
    done = chain.review("RECON_SETTLED", reviewer="hal", amount_minor=paid)
    assert rows_of(done) == [(51, "IN_DOUBT", "SETTLED")]
    assert chain.claim().accounts == Accounts(buyer=-paid, seller=paid)


def test_row_51_two_persons_say_that_nothing_was_paid():
    """HELD for a review, with the next attempt; nothing is tried again without one."""
    chain = _broken()
    chain.review("RECON_HELD")
    assert rows_of(chain.review("RECON_HELD", reviewer="hal")) == [(51, "IN_DOUBT", "HELD")]
    assert (chain.claim().origin, chain.claim().attempt) == ("RECON", 2)
    assert money(chain) == (AMOUNT, 0, 0)
    assert chain.cut(day(40)) == []


def test_row_51_a_payment_in_doubt_that_the_rail_has_not_told_of_is_not_for_people():
    """Without a broken reconciliation only the rail says what became of it."""
    chain = chain_of().instructed()
    chain.cut(day(50))
    assert chain.state() == "IN_DOUBT"
    chain.review("RECON_HELD")
    assert chain.review("RECON_HELD", reviewer="hal").verdict == "ILLEGAL"


def test_row_48_what_was_returned_without_an_order_had_been_paid():
    """Nothing may be paid after it; the hold is released, and the booking that comes is known."""
    chain = chain_of().reserved()
    order = replace(chain.last("RESERVE"), kind="PAY")
    returned = {"return_id": "R1", "amount_minor": AMOUNT + 1, "currency": "USD"}
    assert rows_of(chain.answer(order, "RETURNED", **returned)) == [(48, "RESERVED", "RETURNED")]
    assert chain.sent[-1].kind == "RELEASE"
    booked = chain.answer(order, "BOOKED", entry_id="E1", amount_minor=AMOUNT + 1)
    assert booked.verdict == "STALE"
    assert chain.claim().accounts == Accounts()


def test_row_53_what_was_booked_twice_is_kept_in_mind():
    """The overpaid amount stands beside the claim."""
    chain = chain_of().instructed()
    for entry in ("E1", "E2"):
        chain.answer(chain.last("PAY"), "BOOKED", entry_id=entry)
    assert chain.rows[-1] == 53
    assert chain.claim().overpaid_minor == AMOUNT


# ---- what somebody else has to grant


def test_terms_that_ask_for_a_rule_that_nobody_keeps_are_refused():
    """Fail closed: limits, screening, approvals and locks are for a later version."""
    for rule in ("limits", "breaker", "screening", "approvals", "asset_lock"):
        chain = Chain(w.contract_terms(needs=(rule,)))
        with pytest.raises(RecordError) as caught:
            chain.agree()
        assert caught.value.field == "terms.needs"


@pytest.mark.parametrize("state", ["MATCHED", "APPROVED", "DISPUTED"])
def test_nothing_is_approved_or_instructed_without_its_grants(state, monkeypatch):
    """The one port stops rows 11, 21 and 43; refunds do not ask it."""
    chain = chain_of(w.claim_terms(challenge_us=DAY_US), disputes=DISPUTES).reserved()
    chain.facts(*w.proofs(at=0))
    fields = {"state": state, "window_end": day(1)}
    fields |= {"basis": "AWARD", "due_minor": AMOUNT} if state == "DISPUTED" else {}
    claim = replace(chain.claim(), **fields)
    chain.book = replace(chain.book, claims=Map({claim.settlement_id: claim}))
    monkeypatch.setattr(
        "supplytwin.processors.settlement_guards.settlement_grants.granted", lambda agreed: False
    )
    assert chain.cut(day(3)) == ([20] if state == "APPROVED" else [])
    assert chain.pays() == []
    assert chain.cut(day(271)) == [34]


# ---- terms


def test_members_that_came_later_do_not_change_the_hash_of_older_terms():
    """Left out when they say what is so without them; a second spelling is refused."""
    plain = terms.encode(w.contract_terms())
    assert b"funding_mode" not in plain
    assert b"challenge_us" not in plain
    assert terms.decode(plain) == w.contract_terms()
    spelled = plain.replace(b'"grace_us"', b'"challenge_us":0,"grace_us"')
    spelled = spelled.replace(b'"claim_id":"A-1"', b'"claim_id":"A-1"')
    with pytest.raises(RecordError):
        terms.decode(spelled)
    rich = w.contract_terms(disputes=DISPUTES, funding_mode=terms.COMMITMENT)
    assert terms.decode(terms.encode(rich)) == rich
