"""READINGS: where the reference is silent, or two of its rules collide, and what was read.

Each entry has the rows that it touches (0 stands for the rules below the table), the words of the
reference, and the reading. Asked to choose, the reading is the one that sends the least money
early and can never trap a refund. `doubt` is True where the words may well be wrong: a reader
should settle these first.
"""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """One place at which somebody else may read otherwise."""

    rows: tuple[int, ...]
    quote: str
    reading: str
    doubt: bool = False


FUNDING = (
    Reading(
        (1, 2),
        "HoldConfirmed, or undertaking recorded / COMMITMENT_ONLY",
        "COMMITMENT_ONLY: rows 1 and 2 at agreement, no RESERVE and later no RELEASE; the mirror "
        "still reserves, the hold counts as live for ever under number 0. BANK_UNDERTAKING: "
        "RESERVE asks for the undertaking and HoldConfirmed records it.",
    ),
    Reading(
        (1, 37),
        "Row 37 is tried before row 1's effect: amount 0 goes ∅ → CLOSED without RESERVE",
        "At agreement only a claim whose maximum is 0 is closed; any other amount is known at a "
        'cut at the earliest ("Facts act only at a cut: rows 7, ..., 37").',
    ),
    Reading(
        (2,),
        "buyer→reserved",
        "What is posted is the maximum of the claim (the award, once there is one), not the "
        "amount of the hold; a larger hold stays the business of RELEASE.",
    ),
    Reading(
        (2, 6, 38),
        "hold_no current, not already lost",
        "HoldLost in CREATED has no row, so it is illegal; it is remembered all the same, and a "
        "confirmation of that hold then fails row 2 and takes row 38.",
    ),
    Reading(
        (3, 34),
        "HoldRefused (final) / termination",
        "Mutual cancel and court order in CREATED are reported as row 34; the effect of row 3 is "
        "the same. HoldRefused outside CREATED is illegal and changes nothing: a claim that is "
        "HELD or DISPUTED keeps the hold as asked, and RELEASEs it when it ends.",
    ),
    Reading(
        (6,),
        "funding_due = close",
        "The close wherever it is by then. Rows 25, 41 and 51 with a lost hold, and rows 13 and 17 "
        "to CREATED, set it likewise.",
    ),
    Reading(
        (6, 41),
        "Reservation ... expires at the rail: back to CREATED, buyer notified (failure 26)",
        "Rows 6 and 41 name HoldLost alone. A hold that has run out is lost at the first cut whose "
        "tick is not before its expiry, whatever the rail says later: row 6 in PRE, 41 in HELD and "
        "DISPUTED, with the effects of HoldLost and no RELEASE. A renewal that came before that "
        "cut counts, one that comes after it is row 36. While a payment is under way nothing "
        "happens; row 24 asks for a hold that still reaches. In the order of a cut it stands "
        "between 12 and 20: what ends or holds the claim, row 37 too, comes first, so that no hold "
        "is asked for which nobody needs.",
    ),
    Reading(
        (2, 38, 41),
        "expiry > close (2); effective deadline = deadline + the closed HELD intervals",
        "While an interval is open nothing closes before the long stop, but a hold is held against "
        "the close by the intervals that are closed: nobody knows yet how much later the close "
        "will be, and against the long stop every good hold would be released.",
    ),
    Reading(
        (2, 38, 41, 52),
        "expiry > close or renewable",
        "And later than the last tick: a hold that is over when it is confirmed, or when it would "
        "move to a successor, does not do, renewable or not.",
    ),
    Reading(
        (6, 13, 20),
        "PRE → CREATED (6); basis AWARD: DISPUTED (13, 20)",
        "An APPROVED award whose hold is lost goes to DISPUTED, as rows 13 and 20 say of awards: "
        "otherwise a buyer escapes from an award by losing the hold.",
    ),
    Reading(
        (38, 41),
        "HELD/DISPUTED → same | HoldConfirmed | hold_no current",
        "In HELD and DISPUTED a hold must pass the guard of row 2 as well; if it fails, it is "
        "released and the next one asked for, by row 41. A loss counts before the confirmation.",
    ),
    Reading(
        (39,),
        "EXPIRED/VOIDED/SUPERSEDED/CLOSED → same | HoldConfirmed | RELEASE",
        "Also hold 1 of a claim that was closed without a RESERVE, unless it is a "
        "commitment. Also in SETTLED and RETURNED (row 48 may end a claim whose RESERVE is "
        "unanswered), also "
        "after HoldRefused, and once for the last hold: a second confirmation is row 36, and that "
        "of an older hold, whose RELEASE is repeated until it is confirmed.",
    ),
    Reading(
        (42,),
        "Released / release failed / silent",
        "Silent: at a cut that takes no other row of the claim, in every state, all RELEASEs "
        "without answer for longer than the SLA are sent again with an alarm. The order at a cut "
        "does not name row 42; without this a refund is trapped by one lost message.",
    ),
    Reading(
        (4, 8, 14, 15, 19, 25, 29, 34, 37),
        "reserved→buyer; RELEASE",
        "RELEASE is sent if the hold is live, or asked and unanswered, or lost while a payment was "
        "under way (it may only have shrunk); never for one that is refused.",
    ),
    Reading(
        (5, 36),
        "renewal: hold_no current",
        "Whatever expiry it names, an earlier one too. A renewal of a hold that is not confirmed "
        "is illegal, of one that is over stale.",
    ),
    Reading(
        (36,),
        "its id, attempt or hold_no is already applied or older",
        "HoldLost, HoldRefused or HoldRenewed of a hold that is released, used, refused or lost, "
        "and Pending, RJCT, NOT_FOUND or camt.029 after an end without payment, are late: row 36.",
    ),
)

DECIDING = (
    Reading(
        (7, 10, 11),
        "`absent during CHALLENGE` leaves taken as open (7); condition wholly TRUE (11)",
        "A verdict has a value, with those leaves taken as open until the window ends, and "
        "`whole`, False while one of them is. Rows 7, 10, 13 and 21 look at the value, row 11 at "
        "both. After the window's end nothing is open.",
    ),
    Reading(
        (7, 11),
        "record ... amount (7); amount fixed (11)",
        "The amount is what is due at row 11, at most what is reserved: partial deliveries are to "
        "add up (failure 13). If nothing is due any more, row 10 takes the match back, and row 37 "
        "may follow.",
    ),
    Reading(
        (8, 9),
        "Cut, FALSE (8); Cut, tick > close: FALSE with on_false = HOLD (9)",
        "Row 8 acts on FALSE at any tick (not_after and before may close early), row 9 only after "
        "the close; until then the claim stays RESERVED.",
    ),
    Reading(
        (9, 0),
        "UNKNOWN because revivable / CONFLICTED",
        "UNKNOWN of which any reason is in doubt: a proof that may come back, a contradiction, "
        'something that nobody knows for sure. Rule (5) lets leaves close later ("approval closes '
        'at long_stop"): while they alone are missing, the claim stays RESERVED, is looked at '
        "again, and is matched when they are TRUE. Of a choice of which one branch is open and "
        "another in doubt it is held: nobody would be told of the doubt else, and the long stop "
        "would end it. Rows 10 and 13 stay as they are written: a match that is lost after the "
        "close goes to people, and they release no UNKNOWN.",
    ),
    Reading(
        (10, 12),
        "row 12 first (10); the order ... 28/32/54, 10, 12, 20",
        "Row 10 has as a guard that row 12 does not apply; so a contradicted claim with an "
        "adverse fact is HELD, not RESERVED.",
    ),
    Reading(
        (10,),
        "after close → HELD(REVIVABLE)",
        "Also when the condition is FALSE by then, whatever on_false says.",
    ),
    Reading(
        (11, 20, 21, 43),
        "hold live (11, 21, 43); hold too short (20)",
        "A hold serves when it is live and expires later than tick + SLA (failure 26), with "
        "auto_renew too. If it does not, 11, 21 and 43 wait and row 20 takes the approval back.",
    ),
    Reading(
        (12, 21, 43, 54),
        "condition TRUE and no uncleared adverse, or AWARD (21); takes effect by 12, 13 (54)",
        "Row 12 has no guard on the basis and row 21 pays an award whatever the condition says: "
        "the two collide. While anything adverse stands, row 21 does not follow row 43; the claim "
        "stays APPROVED and row 12 takes it at the next cut.",
        doubt=True,
    ),
    Reading(
        (12, 32),
        "contract freeze (row 12 for every other tranche, CREATED too)",
        "Row 32 comes before all other decisions of the same cut, for all claims. Its id stands "
        "against every other claim that is not over: row 12 in PRE, noted by row 54 in CREATED, "
        "HELD, DISPUTED and CANCEL_PENDING, so that row 12 follows as soon as CREATED is funded. A "
        "later contradiction voids what a review has cleared of an earlier one.",
    ),
    Reading(
        (12, 54),
        "CREATED/HELD/DISPUTED/CANCEL_PENDING → same | RiskHold, AdverseEvidence",
        "ReconBreak is noted there as well. RiskHold and ReconBreak in INSTRUCTED, ACCEPTED and "
        "IN_DOUBT have no row: illegal, but remembered, so that row 12 acts if the claim returns "
        "to APPROVED. They order no recall. A ReconBreak is what people find, and what two "
        "contents under one id of the rail are.",
        doubt=True,
    ),
    Reading(
        (54, 43, 37, 46),
        "the first applicable row of ... 28/32/54, 10, ...",
        "Row 54 is taken once for each new adverse fact and uses up the cut: 43, 37 and 46 wait "
        "for the next one.",
    ),
    Reading(
        (9, 18, 0),
        "RESIDUAL = clamp(...), computed when the tranches that it names are absorbing",
        "Until then it is UNKNOWN, is not held for that after its close (row 9 asks for revivable "
        "or conflicted), and nothing is due of it: silence awards nothing (row 18).",
    ),
    Reading(
        (32,),
        "AdverseEvidence, retraction",
        "Once when the paid claim is found contradicted (an uncleared adverse fact, or a condition "
        "that is not TRUE with basis CONDITION), then once for each further adverse fact.",
    ),
    Reading(
        (0,),
        "DESIGN: a tick not later than the last handled one is without effect",
        "Row 36.",
    ),
)

PEOPLE = (
    Reading(
        (13, 14),
        "k reviewers ≠ raiser; four-eyes",
        "One reviewer, who has raised none of the risk holds that stand; the two persons of "
        "four-eyes come with a later issue. Row 14 has the same guard.",
    ),
    Reading(
        (13,),
        "evidence hash equals now",
        "Now is the verdict of the last cut. A review that names an id which does not stand when "
        "it is taken is refused.",
    ),
    Reading(
        (13, 7),
        "HELD → MATCHED if TRUE, else RESERVED",
        "MATCHED if TRUE, whatever is due or stands: rows 10 and 12 take it at the next cut.",
    ),
    Reading(
        (13,),
        "not FALSE; not UNKNOWN past close",
        "For basis CONDITION only: an award does not depend on the condition, and with row 14 "
        "closed to it (basis ≠ AWARD) it would be stuck. An award without a hold goes to "
        "DISPUTED, not to CREATED, where row 41 funds it.",
    ),
    Reading(
        (13, 24, 25),
        "may add attempts",
        "The review adds none; only row 24 asks for attempts < max, so every release of a claim "
        "whose attempts are used up allows exactly one more.",
    ),
    Reading(
        (15,),
        "tolls = false; FALSE; origin is row 12; basis = CONDITION",
        "Whatever on_false says. Origins FALSE, REVIVABLE and RAIL (rows 25, 45, 51) wait for a "
        "review or the long stop.",
    ),
    Reading(
        (0,),
        "deadline + the closed HELD intervals; while HELD with tolling no leaf closes; DISPUTED "
        "tolls always",
        "Intervals run from the tick at which the claim entered to the tick at which it "
        "left; while "
        "one is open the close is the long stop. They are not carried to a successor. None begins "
        "after the close: only an amendment revives what is late (failure 7).",
    ),
    Reading(
        (16,),
        "entitled, in time, no award",
        "In time means before INSTRUCTED: never again once a payment was, whatever came of it.",
    ),
    Reading(
        (18, 19),
        "arbiter k-of-n",
        "The first k distinct arbiters who say the same (side and amount) decide; of one "
        "person the "
        "last word counts. Rows 16, 17 and 19 ask for no award, row 18 does not: a "
        "second award may "
        "only be lower. Votes end with the next row of the claim that is not about a hold (5, 40, "
        "41, 42).",
    ),
    Reading(
        (18,),
        "(or on_timeout = SELLER)",
        "Tried at the place of row 19. The amount is what is due at that cut, at most what is "
        "reserved. Where nothing is due only because nobody knows an adjustment yet (how late a "
        "delivery is that has not come), it is what is due by those that are known: silence would "
        "else speak for the buyer. While that is 0 (nothing is known, or the terms leave the "
        "amount to people), or there is no hold, the claim waits (for the long stop at last). Row "
        "43 may follow at the next cut.",
        doubt=True,
    ),
    Reading(
        (4, 18, 19, 26, 42, 46),
        "Cut at max_len; Cut, SLA passed",
        "Later than, not at: a deadline is inclusive and is declared missed at the first cut "
        "whose tick is later.",
    ),
    Reading(
        (18, 23, 43),
        "rest reserved→buyer",
        "Row 18 posts and sends no RELEASE (a hold cannot be released in part); the RELEASE "
        "follows when the award is paid or ends.",
    ),
    Reading(
        (28, 34, 45),
        "mutual cancel: TERMINATED; cancelled or past long stop: VOIDED",
        "A court order terminates the contract too. Both speak of the whole contract: one input, "
        "a row for every claim.",
    ),
    Reading(
        (33, 52),
        "same tranche_id and settlement_id",
        "So the successor has the id of what it replaces, goes on with its hold numbers, and gets "
        "its bookings: row 49 cannot occur for SUPERSEDED. What stands and what was cleared (state "
        "carried: cleared adverse ids) go with it.",
    ),
    Reading(
        (52,),
        "amount ≤ hold moved",
        "And the hold must reach the new close or be renewable, and be of the way of funding that "
        "the new terms name: a bank's word is no money that is held. Otherwise the old hold is "
        "released and row 52 goes to CREATED *with* RESERVE of the next number (the table names "
        "none), to be funded by the date of the terms; a commitment goes the same way and takes "
        "row 2 at once. Where the claim before it was funded, or had until its close (row 6), the "
        "successor has until its own close, or until that date if it is later: a date that is "
        "over would end at once what somebody had paid for.",
    ),
)

PAYING = (
    Reading(
        (23, 47, 51),
        "in_flight→seller",
        "What is still reserved then goes back to the buyer, and the hold is released if it was "
        "larger than the payment, or if an earlier attempt than the running one was booked; else "
        "it is used up. Otherwise an absorbing state would keep money.",
        doubt=True,
    ),
    Reading(
        (23, 47, 50),
        "SETTLED (RETURNED if returns already cover it)",
        "Only by returns of a row 50 that people have resolved as not paid; row 48 takes off such "
        "returns as well.",
    ),
    Reading(
        (24, 25, 30, 45),
        "RJCT retryable (24); never a retry (45)",
        "After a refused recall a retryable RJCT takes row 25, not 24: somebody wanted the money "
        "back.",
        doubt=True,
    ),
    Reading(
        (28, 30),
        "no recall refused yet",
        'The mark belongs to one attempt and ends with it. "(basis CONDITION)" stands behind "≠ '
        'TRUE" only: adverse facts and persons recall an award, too.',
    ),
    Reading(
        (28,),
        "authorised recall",
        "Elsewhere it is illegal (before INSTRUCTED a risk hold is meant).",
    ),
    Reading(
        (22, 44),
        "INSTRUCTED/IN_DOUBT → ...",
        "Pending in CANCEL_PENDING is stale, NOT_FOUND there and in ACCEPTED illegal: no change.",
    ),
    Reading(
        (44,),
        "recall refused: CANCEL_PENDING ... / RECALL",
        "With the next recall number: the old one has been answered. Otherwise the identical PAY "
        'goes out again even after the long stop ("later ones finish").',
    ),
    Reading(
        (29,),
        "current attempt",
        "Whatever recall number it names: the bank says that this attempt is not paid.",
    ),
    Reading(
        (46,),
        "QUERY; same RECALL; alarm",
        "IN_DOUBT: QUERY; CANCEL_PENDING: QUERY and the same RECALL. Row 26 has no alarm.",
    ),
    Reading(
        (47, 50),
        "return before its booking",
        "A return of more than is in flight, or in another currency, takes row 50.",
    ),
    Reading(
        (23, 36, 47, 53),
        "second attempt booked",
        "The booking that a return of row 47 or 48 has announced (same amount) is row 36 when it "
        "comes; any other new entry, and any answer to a recall or RJCT of the last "
        "attempt, is row "
        "53, as often as it comes.",
    ),
    Reading(
        (31, 53),
        "second booking: overpaid claim",
        "It is posted buyer→seller (bookings are converging facts), so that a later return of it "
        "passes Σ returns ≤ settled and leaves the claim SETTLED; RETURNED stays RETURNED.",
        doubt=True,
    ),
    Reading(
        (48,),
        "booking or return, any attempt",
        "Also of an attempt that was never sent: otherwise it might be paid twice. In another "
        "currency it cannot be posted: a recon break that stands (12, 54). What comes back was "
        "paid: at least the last PAY, without one the return; the hold is always released.",
    ),
    Reading(
        (49,),
        "seller = Σ bookings − Σ returns",
        "Never below zero: a return that comes first waits for its booking. In CLOSED, and in "
        "another currency, it is illegal: recorded, not posted.",
    ),
    Reading(
        (50, 51),
        "no retry, recall or refund",
        "Until row 51, answers of the rail are illegal; bookings and returns take row 50 again. "
        "QUERY of row 46 goes on. The amount is that of the running PAY, whatever "
        "attempt is named.",
    ),
    Reading(
        (51,),
        "actual amount; posting as resolved",
        "SETTLED needs an amount (more than in flight: the excess comes from the buyer, alarm "
        "OVERPAID); HELD needs amount 0 and is then as row 25: attempt + 1, because the "
        "resolution says that nothing was paid; HELD with an amount would pay it twice. It stays "
        "HELD when the contract is over, for the "
        "long stop.",
        doubt=True,
    ),
)

READINGS = (*FUNDING, *DECIDING, *PEOPLE, *PAYING)
