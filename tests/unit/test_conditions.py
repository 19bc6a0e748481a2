"""When a claim's condition is TRUE, when it waits, and when it can no longer become true."""

import itertools
import random
from decimal import Decimal

import conditions_oracle as oracles
import pytest
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import settlement
from supplytwin.processors.conditions import assess, evaluate
from supplytwin.processors.settlement_memory import Memory, differing
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US
from supplytwin.schemas.terms import ClaimLine

day = w.day
CLOSE = day(90)
BEFORE, AFTER = day(80), CLOSE + 1


def verdict(*facts, tick=BEFORE, claim=None, **changes):
    """The verdict of claim A-1 over (event, arrival) pairs."""
    claim = w.claim_terms() if claim is None else claim
    terms = w.contract_terms((claim,), **changes)
    return evaluate(terms, claim, w.twin_of(*facts), tick)


def values(found):
    return {leaf.name: leaf.value for leaf in found.leaves}


def at_once(*messages):
    """Facts that arrive when they happen."""
    return tuple((message, message.event_time) for message in messages)


DECLARED, RELEASED, RECEIVED = (pair[0] for pair in w.proofs())


def test_two_proofs_make_it_true():
    """Released and received: TRUE, resting on exactly these facts."""
    found = verdict(*w.proofs())
    assert found.value == "TRUE"
    assert found.evidence == ("customs/decl-D1", "customs/released-D1", "wms/recv-L1")
    assert (found.adverse, found.against, found.wakes_at) == ((), (), None)


def test_cleared_is_as_good_as_released():
    """A declaration that went on to CLEARED has been released."""
    cleared = w.customs("cleared", day(31))
    assert verdict(*at_once(DECLARED, cleared, RECEIVED)).value == "TRUE"


@pytest.mark.parametrize("missing", range(3))
def test_each_proof_is_needed(missing):
    """Without the link, the release or the receipt it waits, and after the close it is FALSE."""
    facts = [pair for number, pair in enumerate(w.proofs()) if number != missing]
    assert verdict(*facts).value == "UNKNOWN"
    assert verdict(*facts, tick=CLOSE).value == "UNKNOWN"
    assert verdict(*facts, tick=AFTER).value == "FALSE"


# ---- the deadline

UTC_DEADLINE = day(60, 12 * HOUR_US)
ZONED = [
    # zone of the terms, deadline, zone of the event, hours of the event from the deadline, in time
    ("UTC", day(60, 12 * HOUR_US), "+00:00", 11, True),
    ("UTC", day(60, 12 * HOUR_US), "+00:00", 12, False),
    ("UTC", day(60, 12 * HOUR_US), "+10:00", 1, True),
    ("UTC", day(60, 12 * HOUR_US), "+10:00", 2, False),
    ("UTC", day(60, 12 * HOUR_US), "-10:00", 21, True),
    ("UTC", day(60, 12 * HOUR_US), "-10:00", 22, False),
    ("Asia/Shanghai", day(60, 15 * HOUR_US), "+08:00", 0, True),
    ("Asia/Shanghai", day(60, 16 * HOUR_US), "+08:00", 23, True),
    ("Asia/Shanghai", day(60, 16 * HOUR_US), "+08:00", 24, False),
    ("America/New_York", day(60, 4 * HOUR_US), "America/New_York", 0, True),
    ("America/New_York", day(60, 4 * HOUR_US), "America/New_York", 1, False),
    ("America/New_York", day(60, 5 * HOUR_US), "unknown", 18, True),
    ("America/New_York", day(60, 5 * HOUR_US), "unknown", 19, False),
]  # fmt: skip


@pytest.mark.parametrize("proof", ["release", "receipt"])
@pytest.mark.parametrize(("offset", "in_time"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("precision", ["MS", "S", "MIN"])
def test_the_deadline_is_inclusive_to_the_microsecond(proof, offset, in_time, precision):
    """One microsecond before and at the deadline counts, one after does not."""
    at = {"event_time": day(60) + offset, "time_precision": precision}
    release = w.with_(RELEASED, **at) if proof == "release" else RELEASED
    receipt = w.with_(RECEIVED, **at) if proof == "receipt" else RECEIVED
    found = verdict(*((fact, day(60) + offset) for fact in (DECLARED, release, receipt)))
    assert (found.value == "TRUE") is in_time


@pytest.mark.parametrize(("zone", "deadline", "tz", "hours", "in_time"), ZONED)
def test_a_day_event_compares_by_local_dates(zone, deadline, tz, hours, in_time):
    """The event's date where it happened against the deadline's date in the terms' zone."""
    at = {"event_time": deadline + hours * HOUR_US, "event_tz": tz, "time_precision": "DAY"}
    release = w.with_(RELEASED, **at)
    claim = w.claim_terms(deadline=deadline)
    facts = ((DECLARED, day(30)), (release, deadline + DAY_US), (RECEIVED, day(30)))
    assert (verdict(*facts, claim=claim, zone=zone).value == "TRUE") is in_time


@pytest.mark.parametrize(("offset", "in_time"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("grace_days", [0, 30])
@pytest.mark.parametrize("proof", ["release", "receipt"])
def test_evidence_may_arrive_until_the_close(offset, in_time, grace_days, proof):
    """Happened in time, arrived one microsecond before, at or after deadline + grace."""
    claim = w.claim_terms(grace_us=grace_days * DAY_US)
    close = day(60 + grace_days)
    arrivals = {"release": day(30), "receipt": day(30), proof: close + offset}
    facts = (
        (DECLARED, day(30)), (RELEASED, arrivals["release"]), (RECEIVED, arrivals["receipt"]),
    )  # fmt: skip
    assert (verdict(*facts, claim=claim, tick=day(100)).value == "TRUE") is in_time


def test_a_late_revision_of_a_fact_that_was_in_time_counts():
    """The winning revision qualifies and an earlier qualifying one arrived by the close."""
    second = w.with_(RECEIVED, revision=2, qty=Decimal(41))
    in_time = (*w.proofs(), (second, day(200)))
    assert verdict(*in_time, tick=day(201)).value == "TRUE"
    too_late = (*w.proofs()[:2], (second, day(200)))
    assert verdict(*too_late, tick=day(201)).value == "FALSE"


def test_a_duplicate_that_turns_out_to_have_come_earlier_brings_a_fact_in_time():
    """Only the earliest arrival of a revision matters."""
    late = (*w.proofs()[:2], (RECEIVED, day(91)))
    assert verdict(*late, tick=day(92)).value == "FALSE"
    assert verdict(*late, (RECEIVED, day(89)), tick=day(92)).value == "TRUE"


# ---- facts ahead of the tick


def test_a_fact_ahead_of_the_tick_counts_once_the_tick_has_passed_it():
    """Until then it waits and says when it will count."""
    facts = tuple((fact, day(29)) for fact, _ in w.proofs())
    found = verdict(*facts, tick=day(30, 1_999_999))
    assert (found.value, found.wakes_at) == ("UNKNOWN", day(30, 2_000_000))
    assert verdict(*facts, tick=day(30, 2_000_000)).value == "TRUE"


def test_a_day_fact_is_ahead_until_its_local_date_begins():
    """31 January in Auckland begins at 11:00 UTC on the 30th."""
    ahead = w.with_(RECEIVED, event_time=day(30), event_tz="Pacific/Auckland", time_precision="DAY")
    facts = (*w.proofs()[:2], (ahead, day(29)))
    begins = day(29, 11 * HOUR_US)
    tick = begins - 1
    early = tuple((w.with_(f, event_time=day(1)), day(1)) for f, _ in facts[:2])
    assert verdict(*early, facts[2], tick=tick).wakes_at == begins
    assert verdict(*early, facts[2], tick=begins).value == "TRUE"


def test_a_contrary_fact_ahead_of_the_tick_counts_at_once():
    """It can only delay: a hold that is to come tomorrow already stops the payment."""
    hold = w.customs("hold_placed", day(32))
    assert verdict(*w.proofs(), (hold, day(31)), tick=day(31)).value == "UNKNOWN"


# ---- what counts


@pytest.mark.parametrize("classifier", ["PLANNED", "ESTIMATED"])
def test_only_actual_facts_count(classifier):
    """A plan releases nothing and receives nothing."""
    for wrong in range(3):
        facts = [
            (w.with_(fact, classifier=classifier) if number == wrong else fact, at)
            for number, (fact, at) in enumerate(w.proofs())
        ]
        assert verdict(*facts).value == "UNKNOWN"


@pytest.mark.parametrize("facility", [None, "WH-2"])
def test_a_receipt_elsewhere_counts_for_nothing(facility):
    """Only the buyer's warehouses, by facility."""
    elsewhere = w.with_(RECEIVED, facility=facility)
    assert verdict(*w.proofs()[:2], (elsewhere, day(30))).value == "UNKNOWN"
    both = w.contract_terms(warehouses=("WH-1", "WH-2"))
    found = evaluate(both, both.claims[0], w.twin_of(*w.proofs()), BEFORE)
    assert found.value == "TRUE"


def test_a_warehouse_cannot_release_and_customs_cannot_receive():
    """A released event that does not come as a customs fact of a declaration is no release."""
    stranger = w.with_(RELEASED, subject_type="CONSIGNMENT", subject_id="ASN-1")
    assert verdict(*at_once(DECLARED, stranger, RECEIVED)).value == "UNKNOWN"


def test_evidence_reaches_a_claim_by_subject_or_ref_only():
    """Another consignment's declaration and another line's receipt are nothing to it."""
    other = w.proofs(2)
    assert verdict(*other).value == "UNKNOWN"
    by_subject = w.with_(RECEIVED, subject_type="ORDER_LINE", subject_id="L1", refs=())
    assert verdict(*at_once(DECLARED, RELEASED, by_subject)).value == "TRUE"
    unlinked = w.with_(RECEIVED, refs=())
    assert verdict(*at_once(DECLARED, RELEASED, unlinked)).value == "UNKNOWN"


def test_one_quantity_does_not_pay_for_two_lines():
    """A receipt that refers to several lines counts for the one that it names, or for none."""
    refs = ("ORDER_LINE:L1", "ORDER_LINE:L9")
    for line_id, value in ((None, "UNKNOWN"), ("L9", "UNKNOWN"), ("L1", "TRUE")):
        receipt = w.with_(RECEIVED, refs=refs, line_id=line_id)
        assert verdict(*at_once(DECLARED, RELEASED, receipt)).value == value


def test_quantities_add_up_exactly():
    """0.1 twice is 0.2: parts of a line add up, reversals are taken off."""
    claim = w.claim_terms(lines=(ClaimLine(line_id="L1", qty=Decimal("0.3")),))
    parts = [w.received(day(30), qty="0.1", event_id=f"p{n}") for n in range(3)]
    facts = at_once(DECLARED, RELEASED, *parts)
    assert verdict(*facts[:4], claim=claim).value == "UNKNOWN"
    assert verdict(*facts, claim=claim).value == "TRUE"
    back = w.reversed_(day(31), qty="0.0000000000000001")
    assert verdict(*facts, *at_once(back), claim=claim).value == "UNKNOWN"


def test_every_line_is_needed():
    """One line short, and the claim waits for it by name."""
    lines = tuple(ClaimLine(line_id=name, qty=Decimal(40)) for name in ("L1", "L2"))
    found = verdict(*w.proofs(), claim=w.claim_terms(lines=lines))
    assert values(found) == {
        "release": "TRUE", "holds": "TRUE", "revocation": "TRUE", "received:L1": "TRUE",
        "received:L2": "UNKNOWN",
    }  # fmt: skip
    assert "40 of line L2" in found.leaves[-1].why


@pytest.mark.parametrize(("facility", "counts"), [("WH-1", True), (None, True), ("WH-2", False)])
def test_a_reversal_counts_without_any_deadline(facility, counts):
    """Whenever it happened or arrived; one elsewhere does not, one that names no place does."""
    back = w.reversed_(day(85), qty=1, facility=facility)
    found = verdict(*w.proofs(), (back, day(95)), tick=day(96))
    assert found.value == ("FALSE" if counts else "TRUE")


# ---- holds, revocations, several declarations


def test_an_open_hold_waits_and_its_removal_frees():
    """A hold without its removal keeps the claim; the removal must be in time like every proof."""
    hold, removal = w.customs("hold_placed", day(31)), w.customs("hold_removed", day(32))
    held = (*w.proofs(), *at_once(hold))
    assert verdict(*held).value == "UNKNOWN"
    assert verdict(*held, *at_once(removal)).value == "TRUE"
    late = w.with_(removal, event_time=day(61))
    assert verdict(*held, (late, day(61)), tick=day(62)).value == "UNKNOWN"
    assert verdict(*held, (late, day(61)), tick=AFTER).value == "FALSE"


@pytest.mark.parametrize("about", ["CONSIGNMENT:ASN-1", "CONSIGNMENT:other", "DECLARATION:D9"])
@pytest.mark.parametrize("kind", ["hold_placed", "release_revoked", "cancelled", "rejected"])
def test_what_speaks_against_a_declaration_counts_wherever_it_refers_to_it(kind, about):
    """The twin takes it, so the money does: about whatever it is, and in contradiction, too."""
    subject_type, _, subject_id = about.partition(":")
    against = w.customs(kind, day(40), subject_type=subject_type, subject_id=subject_id,
                        refs=("DECLARATION:D1",))  # fmt: skip
    found = verdict(*w.proofs(), *at_once(against))
    assert found.value == "UNKNOWN"
    assert found.against == (("customs", f"{kind}-D1"),)
    other = w.with_(against, correction_reason="R", correction_action="SUPERSEDE",
                    correction_event_id="nothing")  # fmt: skip
    assert verdict(*w.proofs(), *at_once(against, other)).adverse == found.against
    assert verdict(*w.proofs(), *at_once(w.with_(against, refs=()))).value == "TRUE"


def test_a_hold_about_the_consignment_holds_a_declaration_that_nothing_else_ties_to_it():
    """It names both: that is as good as a declaration that refers to the consignment."""
    hold = w.customs("hold_placed", day(40), subject_type="CONSIGNMENT", subject_id="ASN-1",
                     refs=("DECLARATION:D2",))  # fmt: skip
    found = verdict(*w.proofs(), *at_once(hold))
    assert (found.value, values(found)["holds"]) == ("UNKNOWN", "UNKNOWN")


@pytest.mark.parametrize("after", ["released", "cleared"])
@pytest.mark.parametrize("kind", ["cancelled", "rejected"])
def test_an_end_by_reference_takes_the_release_back_as_the_twin_does(kind, after):
    """A cancellation after the clearance, a rejection after the release: until released again."""
    base = at_once(DECLARED, RELEASED, RECEIVED, w.customs(after, day(31), event_id="after"))
    end = w.customs(kind, day(40), subject_type="CONSIGNMENT", subject_id="ASN-1",
                    refs=("DECLARATION:D1",))  # fmt: skip
    assert verdict(*base).value == "TRUE"
    assert verdict(*base, *at_once(end)).value == "UNKNOWN"
    again = (w.declared(day(41), "D2"), w.customs("released", day(42), "D2"))
    assert verdict(*base, *at_once(end, *again)).value == "TRUE", "filed again under another number"


@pytest.mark.parametrize("about", ["DECLARATION:D1", "CONSIGNMENT:ASN-1"])
@pytest.mark.parametrize("kind", ["cancelled", "rejected"])
def test_an_end_that_is_still_ahead_waits_already(kind, about):
    """What ends a declaration delays from when it is known; it is dead only at its time."""
    subject_type, _, subject_id = about.partition(":")
    refs = () if about == "DECLARATION:D1" else ("DECLARATION:D1",)
    end = w.customs(kind, day(50), subject_type=subject_type, subject_id=subject_id, refs=refs)
    found = verdict(*w.proofs(), (end, day(49)), tick=day(49))
    assert (found.value, found.wakes_at) == ("UNKNOWN", day(50))


def test_a_release_of_another_declaration_brings_none_in_time():
    """Moved by a revision after the close: that it was told early does not help."""
    moved = w.customs("released", day(30), "D9", event_id="r")
    here = w.with_(moved, revision=2, subject_id="D1")
    facts = (*at_once(DECLARED, RECEIVED, moved), (here, CLOSE + 1))
    assert verdict(*facts, tick=CLOSE + 2).value == "FALSE"


@pytest.mark.parametrize("kind", ["released", "cleared", "hold_removed", "declared"])
def test_what_speaks_for_a_declaration_counts_only_when_it_is_about_it(kind):
    """A reference frees nothing, though the twin follows it."""
    by_reference = {"subject_type": "CONSIGNMENT", "subject_id": "ASN-1"}
    needed = {
        "declared": w.declared(day(20)), "released": RELEASED,
        "cleared": w.customs("cleared", day(31)),
        "hold_removed": w.customs("hold_removed", day(32)),
    }[kind]  # fmt: skip
    others = {
        "declared": (RELEASED,), "released": (DECLARED,), "cleared": (DECLARED,),
        "hold_removed": (DECLARED, RELEASED, w.customs("hold_placed", day(31))),
    }[kind]  # fmt: skip
    assert verdict(*at_once(*others, needed, RECEIVED)).value == "TRUE"
    refs = ("DECLARATION:D1", *needed.refs)
    elsewhere = w.with_(needed, refs=refs, **by_reference)
    assert verdict(*at_once(*others, elsewhere, RECEIVED)).value == "UNKNOWN"


def test_an_open_hold_after_the_close_is_false():
    """No proof of it is withdrawn, so nothing can be revived: FALSE, by the rule for every leaf."""
    hold = w.customs("hold_placed", day(95))
    found = verdict(*w.proofs(), (hold, day(95)), tick=day(96))
    assert values(found)["holds"] == "FALSE"
    assert found.value == "FALSE"


def test_a_withdrawn_removal_may_come_back():
    """The removal was in time and is retracted: the hold may yet be lifted, UNKNOWN."""
    hold, removal = w.customs("hold_placed", day(31)), w.customs("hold_removed", day(32))
    undo = _retraction(removal)
    facts = (*w.proofs(), *at_once(hold, removal), (undo, day(40)))
    assert verdict(*facts, tick=AFTER).value == "UNKNOWN"


@pytest.mark.parametrize("kind", ["released", "cleared"])
def test_a_revoked_release_counts_no_more(kind):
    """Until customs releases again; so it is after CLEARED, too, though the state stays."""
    first = w.customs(kind, day(30))
    revoked = w.customs("release_revoked", day(31))
    facts = at_once(DECLARED, first, RECEIVED, revoked)
    assert verdict(*facts).value == "UNKNOWN"
    assert verdict(*facts, tick=AFTER).value == "FALSE"
    again = w.customs("released", day(32), event_id="again")
    found = verdict(*facts, *at_once(again))
    assert found.value == "TRUE"


@pytest.mark.parametrize("end", ["cancelled", "rejected"])
def test_a_dead_declaration_counts_neither_way(end):
    """Its hold does not hold, its release does not release; another declaration's does."""
    dead = at_once(
        w.declared(day(20), "D0"), w.customs(end, day(22), "D0"),
        w.customs("hold_placed", day(23), "D0", hold_id="H0"),
    )  # fmt: skip
    assert verdict(*dead, *w.proofs()).value == "TRUE"
    assert verdict(*dead, *at_once(RECEIVED)).value == "UNKNOWN"
    cancelled = w.customs("cancelled", day(31))
    assert verdict(*w.proofs(), *at_once(cancelled)).value == "UNKNOWN"


def test_a_hold_on_any_declaration_of_the_consignment_counts():
    """One released declaration is not enough while another live one has a hold or is revoked."""
    second = at_once(w.declared(day(30), "D2"), w.customs("hold_placed", day(31), "D2"))
    assert verdict(*w.proofs(), *second).value == "UNKNOWN"
    lifted = at_once(w.customs("hold_removed", day(32), "D2"))
    assert verdict(*w.proofs(), *second, *lifted).value == "TRUE"
    revoked = at_once(
        w.declared(day(30), "D3"), w.customs("released", day(31), "D3"),
        w.customs("release_revoked", day(32), "D3"),
    )  # fmt: skip
    assert verdict(*w.proofs(), *revoked).value == "UNKNOWN"


def test_a_declaration_of_another_consignment_has_no_say():
    """Its hold is not this claim's."""
    other = at_once(w.declared(day(30), "D2", "ASN-2"), w.customs("hold_placed", day(31), "D2"))
    assert verdict(*w.proofs(), *other).value == "TRUE"


# ---- retractions, revisions, conflicts


def _retraction(fact, revision=2, **fields):
    return w.with_(
        fact, event_id=f"undo-{fact.event_id}", revision=revision, correction_action="RETRACT",
        correction_source=fact.source, correction_event_id=fact.event_id, **fields,
    )  # fmt: skip


@pytest.mark.parametrize("proof", range(3))
def test_a_retracted_proof_waits_and_is_never_false(proof):
    """Before and after the close UNKNOWN: it was in time and may be revived."""
    fact = w.proofs()[proof][0]
    facts = (*w.proofs(), (_retraction(fact), day(40)))
    assert verdict(*facts).value == "UNKNOWN"
    found = verdict(*facts, tick=AFTER)
    assert found.value == "UNKNOWN"
    assert (fact.source, fact.event_id) in found.against
    revived = w.with_(fact, revision=3)
    assert verdict(*facts, (revived, day(200)), tick=day(201)).value == "TRUE"


def test_a_retraction_is_no_proof_itself():
    """An event of the right type that only retracts something was never a release."""
    stray = w.with_(
        RELEASED, event_id="stray", correction_action="RETRACT", correction_source="customs",
        correction_event_id="nothing",
    )  # fmt: skip
    facts = at_once(DECLARED, stray, RECEIVED)
    assert verdict(*facts, tick=AFTER).value == "FALSE"


def test_a_retracted_proof_that_came_too_late_stays_false():
    """Only what was in time may be revived."""
    facts = (*w.proofs()[:2], (RECEIVED, day(95)), (_retraction(RECEIVED), day(96)))
    assert verdict(*facts, tick=day(97)).value == "FALSE"


def test_one_leaf_that_is_lost_for_good_makes_the_claim_false():
    """Kleene: a release that may be revived cannot help where nothing was ever received."""
    facts = (*w.proofs()[:2], (_retraction(RELEASED), day(40)))
    found = verdict(*facts, tick=AFTER)
    assert values(found)["release"] == "UNKNOWN"
    assert values(found)["received:L1"] == "FALSE"
    assert found.value == "FALSE"


def test_a_revision_that_names_less_may_be_revised_back():
    """40 became 30 after it was in time: UNKNOWN after the close; had it always been 30: FALSE."""
    less = w.with_(RECEIVED, revision=2, qty=Decimal(30))
    assert verdict(*w.proofs(), (less, day(40)), tick=AFTER).value == "UNKNOWN"
    assert verdict(*w.proofs()[:2], (less, day(40)), tick=AFTER).value == "FALSE"


def test_a_revision_that_moves_a_proof_behind_the_deadline_withdraws_it():
    """The winning revision does not qualify; the superseded one was in time."""
    moved = w.with_(RELEASED, revision=2, event_time=day(61))
    facts = (*w.proofs(), (moved, day(62)))
    assert verdict(*facts).value == "UNKNOWN"
    assert verdict(*facts, tick=AFTER).value == "UNKNOWN"


def test_a_conflict_is_adverse_until_a_higher_revision():
    """Two contents of one revision: neither counts, the identity is adverse, and never FALSE."""
    facts = (*w.proofs(), (w.with_(RECEIVED, qty=Decimal(41)), day(40)))
    found = verdict(*facts)
    assert (found.value, found.adverse) == ("UNKNOWN", (("wms", "recv-L1"),))
    assert found.adverse_ids[0].startswith("wms/recv-L1~")
    assert verdict(*facts, tick=AFTER).value == "UNKNOWN"
    resolved = w.with_(RECEIVED, revision=2)
    found = verdict(*facts, (resolved, day(100)), tick=day(101))
    assert (found.value, found.adverse) == ("TRUE", ())


def test_a_conflict_beside_a_true_condition_is_adverse_all_the_same():
    """A conflicted hold does not hold, but somebody must look at it."""
    one, two = (w.customs("hold_placed", day(31), hold_id=name) for name in ("X", "Y"))
    found = verdict(*w.proofs(), *at_once(one, two))
    assert (found.value, found.adverse) == ("TRUE", (("customs", "hold_placed-D1"),))


def test_another_content_is_another_adverse_id():
    """What was cleared for two contents is not cleared for three."""
    contents = [w.customs("hold_placed", day(31), hold_id=name) for name in "XYZ"]
    two = verdict(*w.proofs(), *at_once(*contents[:2])).adverse_ids
    three = verdict(*w.proofs(), *at_once(*contents)).adverse_ids
    assert two != three
    assert [one.split("~")[0] for one in two] == [one.split("~")[0] for one in three]


# ---- the evidence hash


def test_the_verdict_is_the_same_for_every_order_of_arrival():
    """All orders of the same facts: one verdict, one evidence hash."""
    facts = (
        *w.proofs(), (w.customs("hold_placed", day(31)), day(31)),
        (w.customs("hold_removed", day(32)), day(32)), (_retraction(RECEIVED), day(40)),
    )  # fmt: skip
    found = {verdict(*order) for order in itertools.permutations(facts)}
    assert len(found) == 1


def test_the_evidence_hash_sees_every_change():
    """A new fact, a revision, a retraction and a conflict each change it; a duplicate does not."""
    base = w.proofs()
    changes = [
        (),
        ((w.with_(RECEIVED, revision=2), day(40)),),
        ((w.with_(RECEIVED, qty=Decimal(41)), day(40)),),
        ((_retraction(RECEIVED), day(40)),),
        ((w.customs("hold_placed", day(31)), day(31)),),
        ((w.reversed_(day(31), qty=1), day(31)),),
    ]
    hashes = [verdict(*base, *change).evidence_hash for change in changes]
    assert len(set(hashes)) == len(hashes)
    assert verdict(*base, base[0]).evidence_hash == hashes[0]


# ---- random streams: a second reading, and what is remembered from cut to cut

CLAIMS = (
    w.claim_terms(1, deadline=day(8), grace_us=3 * DAY_US),
    w.claim_terms(2, deadline=day(9, 5 * HOUR_US), grace_us=2 * DAY_US, lines=(
        ClaimLine(line_id="L1", qty=Decimal(10)), ClaimLine(line_id="L2", qty=Decimal(20)),
    )),
    w.claim_terms(3, deadline=day(10), grace_us=0, consignment_id="ASN-1"),
)  # fmt: skip
"""Two claims share a consignment, two share a line, and declarations refer to either or both."""
ZONES = ("+00:00", "+00:00", "-10:00", "unknown", "America/New_York", "Pacific/Kiritimati")
KINDS = (
    "declared", "declared", "released", "released", "cleared", "hold_placed", "hold_removed",
    "release_revoked", "cancelled", "rejected", "received", "received", "received", "received",
    "reversed", "elsewhere",
)  # fmt: skip


class Stream:
    """One random history of three claims: facts of every kind, a rail, people, and cuts.

    Every cut is also made with nothing remembered, and another one with what any cut of this
    history remembers, over the facts of any moment of it. Nobody could tell which was which.
    """

    def __init__(self, seed):
        self.random = random.Random(seed)
        terms = w.contract_terms(
            CLAIMS, funding_deadline=day(6), long_stop=day(16), status_sla_us=2 * DAY_US,
            zone=self.random.choice(("UTC", "America/New_York")),
        )  # fmt: skip
        self.chain = w.Chain(terms)
        self.chain.agree()
        self.tick = day(0)
        self.memories = [Memory()]
        self.twins = [self.chain.twin]
        self.spared = 0
        self.rows = set()
        if self.random.random() < 0.7:
            for number in range(3):
                self.answer(self.chain.last("RESERVE", number), "CONFIRMED")
        if self.random.random() < 0.6:
            self.chain.facts(*w.proofs(1, at=1), *w.proofs(2, at=2))
            self.chain.facts((w.received(day(2), line="L3"), day(2)))

    def any_of(self, *choices):
        return self.random.choice(choices)

    # -- facts

    def fact(self):
        """Any fact: of few identities, so that they meet with revisions, contents and targets."""
        kind, pick = self.random.choice(KINDS), self.random
        at = self.tick + pick.randrange(-72, 48) * HOUR_US + pick.randrange(3) * SECOND_US
        declaration = self.any_of("D1", "D1", "D2", "D3")
        lines = pick.sample(("L1", "L2", "L3"), pick.choice((1, 1, 1, 2)))
        refs = tuple(f"CONSIGNMENT:ASN-{n}" for n in (1, 2) if pick.random() < 0.5)
        fields = {
            "revision": pick.randrange(1, 5), "event_tz": pick.choice(ZONES),
            "time_precision": self.any_of("S", "S", "MS", "DAY"),
            "classifier": self.any_of(*["ACTUAL"] * 9, "PLANNED", "ESTIMATED"),
        }  # fmt: skip
        own_name = f"{kind}-{declaration if kind not in ('received', 'reversed') else lines[0]}"
        name = pick.choice((own_name,) * 6 + ("x1", "x2"))
        fields["source"] = self.any_of("customs", "customs", "wms")
        if kind in ("received", "reversed"):
            make = w.received if kind == "received" else w.reversed_
            fields["refs"] = (*refs, *(f"ORDER_LINE:{line}" for line in lines))
            fields["facility"] = self.any_of("WH-1", "WH-1", "WH-1", "WH-2", None)
            fields["source"] = self.any_of(
                "wms", "wms", "wms", "wms:b", "simulated:wms", "simulated:carrier", "customs"
            )
            fields["lot_id"] = self.any_of("lot-L1", "lot-L2", f"lot-{lines[0]}")
            if kind == "reversed" and pick.random() < 0.5:
                fields["refs"] = refs
            if pick.random() < 0.8:
                fields |= {"subject_id": fields["lot_id"]}
            if pick.random() < 0.15:
                fields["refs"] = (*fields["refs"], self.any_of("LOT:lot-L1", "LOT:lot-X"))
            if kind == "received":
                fields["asn"] = self.any_of(None, None, "ASN-1", "ASN-2")
            if kind == "received":
                fields["line_id"] = self.any_of(None, lines[0], "L2")
            if pick.random() < 0.1:
                about = self.any_of("ORDER_LINE", "ORDER_LINE", "CONSIGNMENT")
                fields |= {"subject_type": about, "subject_id": self.any_of(*lines, "L3")}
            made = make(at, self.any_of(5, 20, 40), lines[0], name, **fields)
        elif kind == "elsewhere":
            made = w.event(
                "order.goods_ready", f"ORDER_LINE:{lines[0]}", name, at, refs=refs,
                line_id=lines[0], qty=Decimal(1), **fields,
            )  # fmt: skip
        elif kind == "declared":
            made = w.declared(at, declaration, event_id=name, **fields | {"refs": refs})
        else:
            hold = {"hold_id": self.any_of("H1", "H2")} if kind.startswith("hold") else {}
            linked = {"refs": refs} if pick.random() < 0.3 else {}
            if pick.random() < 0.2:
                more = (f"DECLARATION:{declaration}", self.any_of("DECLARATION:D1", "PO:1"))
                linked = {"refs": (*linked.get("refs", ()), *more)}
                linked["subject_type"], _, linked["subject_id"] = self.any_of(
                    "CONSIGNMENT:ASN-1", "CONSIGNMENT:ASN-2", "DECLARATION:D3", "ORDER_LINE:L1"
                ).partition(":")
            made = w.customs(kind, at, declaration, name, **fields, **hold, **linked)
        return self.corrected(made)

    def corrected(self, made):
        """One in five corrects another fact, not always with the right to do so."""
        slots = self.chain.twin.facts.slots
        if not slots or self.random.random() > 0.2:
            return made
        target = self.random.choice(sorted(slots))
        source = self.any_of(target.source, target.source, made.source)
        return w.with_(
            made, event_id=self.any_of(f"undo-{target.event_id}", made.event_id), source=source,
            correction_action=self.any_of("RETRACT", "RETRACT", "SUPERSEDE"),
            correction_source=target.source, correction_event_id=target.event_id,
        )  # fmt: skip

    def tell(self):
        """A fact, at its time or late; or one that is known, which turns out to have come early."""
        slots = self.chain.twin.facts.slots
        if slots and self.random.random() < 0.1:
            slot = slots[self.random.choice(sorted(slots))]
            known = self.random.choice(slot.versions)
            fact = self.random.choice(known.contents)
            arrival = known.arrival - self.random.randrange(5) * DAY_US
        else:
            fact, arrival = self.fact(), self.tick + self.random.randrange(-24, 24) * HOUR_US
        self.chain.facts((fact, max(arrival, fact.event_time - DAY_US)))
        self.twins.append(self.chain.twin)

    # -- rail and people

    def answer(self, order, status, **fields):
        expires = self.any_of(day(300), day(13)) if status == "CONFIRMED" else None
        self.chain.answer(order, status, hold_expires=expires, **fields)

    def ordered(self):
        """The rail answers something, or a person acts."""
        number = self.random.randrange(3)
        order = self.chain.last(
            self.any_of("RESERVE", "PAY", "PAY", "PAY", "RELEASE", "RECALL"), number
        )
        if order is not None and self.random.random() < 0.8:
            status = {
                "RESERVE": self.any_of("CONFIRMED", "CONFIRMED", "CONFIRMED", "REFUSED"),
                "PAY": self.any_of("ACSP", "BOOKED", "BOOKED", "BOOKED", "RJCT", "NOT_FOUND"),
                "RELEASE": self.any_of("RELEASED", "FAILED"),
                "RECALL": self.any_of("CNCL", "RJCR"),
            }[order.kind]  # fmt: skip
            self.answer(order, status, rail_reason="AM04")
            return
        act = self.any_of("HOLD", "RELEASE", "RELEASE", "RELEASE", "RECALL", "CANCEL")
        if act == "CANCEL" and self.random.random() < 0.8:
            return
        found = settlement.explain(self.chain.book, self.chain.twin, self.chain.now)[number]
        self.chain.review(
            act, number, reviewer=self.any_of("rosa", "hal"), role=self.any_of("BUYER", "SELLER"),
            evidence_hash=found.evidence_hash, cleared_ids=found.adverse_ids,
        )  # fmt: skip

    # -- cuts

    def cut(self):
        """A cut with what the one before remembers, then one with any memory over any facts."""
        hours = self.any_of(0, 1, 5, 11, 24, 24, 24, 48, 96)
        self.tick += hours * HOUR_US + self.any_of(0, 0, 1)
        chain, tick = self.chain, self.any_of(*[self.tick] * 9, self.tick - DAY_US)
        self.compare(chain.book.memory, chain.twin, tick)
        self.compare(self.random.choice(self.memories), self.random.choice(self.twins), tick)
        self.rows.update(chain.cut(tick))
        self.memories.append(chain.book.memory)

    def compare(self, memory, twin, tick):
        """With `memory` the cut is what it is without, and remembers what is true of `twin`."""
        book, terms = self.chain.book, self.chain.terms
        plain = settlement.cut(replace(book, memory=Memory()), twin, tick)
        after, transitions = settlement.cut(replace(book, memory=memory), twin, tick)
        assert transitions == plain[1]
        assert after == plain[0]
        assert after.memory.twin is twin
        for number, found in enumerate(after.memory.findings):
            if found is not None and found.assessment is not None:
                old = memory.findings[number] if memory.findings else None
                self.spared += old is not None and old.assessment is found.assessment
                assert found.holds(tick)
                assert found.assessment.verdict == evaluate(terms, CLAIMS[number], twin, tick)


def fields_of(found):
    """A Verdict as the second reading gives it."""
    names = ("value", "evidence", "evidence_hash", "adverse", "adverse_ids", "against", "wakes_at")
    told = {name: getattr(found, name) for name in names}
    return {**told, "leaves": tuple((one.name, one.value, one.why) for one in found.leaves)}


def test_random_facts_are_judged_as_by_a_second_reading_and_memory_changes_nothing(required):
    """At every step of random histories: the verdict of a plain second reading, its own for as
    long as it says it holds, and the same cut with a memory, with none and with another one's."""
    number, spared, rows, values = required("remembered_verdicts"), 0, set(), set()
    for seed in range(number):
        stream = Stream(seed)
        for _ in range(30):
            act = stream.random.random()
            (stream.tell if act < 0.4 else stream.ordered if act < 0.6 else stream.cut)()
            claim, pick = stream.random.choice(CLAIMS), stream.random
            terms, twin = stream.chain.terms, pick.choice((stream.chain.twin, *stream.twins))
            tick = stream.tick + pick.randrange(-48, 48) * HOUR_US + pick.randrange(-1, 2)
            found = assess(terms, claim, twin, tick)
            read = oracles.Reading(terms, claim, twin, tick)
            assert fields_of(found.verdict) == read.fields
            values.add(read.fields["value"])
            assert found.until > tick
            last = min(found.until - 1, tick + 30 * DAY_US)
            assert evaluate(terms, claim, twin, pick.randint(tick, last)) == found.verdict
            assert evaluate(terms, claim, twin, last) == found.verdict
        spared += stream.spared
        rows |= stream.rows
    assert values == {"TRUE", "FALSE", "UNKNOWN"}
    assert rows >= {4, 7, 8, 9, 11, 12, 15, 21, 26, 28, 32, 42, 46, 54}
    assert spared > number, "nothing was ever remembered"
    number.done(number)


def test_a_proof_of_the_last_day_that_is_still_ahead_after_the_close_is_not_too_late():
    """Its local date is the deadline's and has not begun where it happens: UNKNOWN until it has."""
    ahead = w.with_(
        RECEIVED, event_time=day(60, 12 * HOUR_US), event_tz="-10:00", time_precision="DAY"
    )
    claim = w.claim_terms(grace_us=0)
    facts = (*w.proofs()[:2], (ahead, day(59)))
    begins = day(60, 10 * HOUR_US)
    assert verdict(*facts, claim=claim, tick=day(60) + 1).value == "UNKNOWN"
    assert verdict(*facts, claim=claim, tick=begins - 1).value == "UNKNOWN"
    assert verdict(*facts, claim=claim, tick=begins).value == "TRUE"


def test_a_receipt_that_is_moved_to_another_line_stands_as_counting():
    """Withdrawn from the one line, it counts for the other: that is how it stands for the claim."""
    lines = tuple(ClaimLine(line_id=name, qty=Decimal(40)) for name in ("L1", "L2"))
    claim = w.claim_terms(lines=lines)
    first = w.with_(RECEIVED, refs=("ORDER_LINE:L1", "ORDER_LINE:L2"), line_id="L1")
    second = w.with_(first, revision=2, line_id="L2")
    twin = w.twin_of((first, day(30)), (second, day(31)))
    terms = w.contract_terms((claim,))
    found = evaluate(terms, claim, twin, BEFORE)
    assert [standing for _, standing in found.rests_on] == ["counts"]
    assert found.against == (("wms", "recv-L1"),)
    assert fields_of(found) == oracles.Reading(terms, claim, twin, BEFORE).fields


def test_an_old_revision_that_could_have_counted_is_not_overlooked():
    """An identity that means nothing to the claim gets a superseded version that was a proof."""
    other = w.event("order.goods_ready", "ORDER_LINE:L1", "x", day(31), revision=5,
                    line_id="L1", qty=Decimal(1), source="wms")  # fmt: skip
    chain = w.Chain().reserved().facts(*w.proofs()[:2], (other, day(31)))
    chain.cut(day(61))
    chain.facts((w.received(day(30), event_id="x", revision=3), day(31)))
    chain.cut(day(62))
    found = chain.book.memory.findings[0].assessment.verdict
    assert found.against == (("wms", "x"),)
    assert found == evaluate(chain.terms, chain.terms.claims[0], chain.twin, day(62))


def test_a_local_date_that_comes_twice_is_not_remembered():
    """In St John's in 2006 clocks went back at 00:01: the date came, went, and came again."""
    begins = 1_162_089_000_000_000
    release = w.with_(
        RELEASED, event_time=begins + HOUR_US, event_tz="America/St_Johns", time_precision="DAY"
    )
    early = [w.with_(fact, event_time=begins - DAY_US) for fact in (DECLARED, RECEIVED)]
    twin = w.twin_of(*((fact, begins - DAY_US) for fact in (*early, release)))
    claim = w.claim_terms()
    terms = w.contract_terms((claim,))
    minutes = (-1, 0, 1, 30, 59, 60, 61, 120, 3_000)
    told = [assess(terms, claim, twin, begins + n * 60 * SECOND_US) for n in minutes]
    released = [one.verdict.leaves[0].value == "TRUE" for one in told]
    assert released == [False, True, False, False, False, True, True, True, True]
    for at, one in enumerate(told):
        for later, other in zip(minutes[at:], told[at:], strict=True):
            if begins + later * 60 * SECOND_US < one.until:
                assert other.verdict == one.verdict


def test_what_differs_is_found_without_looking_everything_up():
    """One new fact and one revision among 3,000: found, with no more than a few look-ups."""
    facts = [w.declared(day(1), f"D{number}") for number in range(3_000)]
    before = w.twin_of(*at_once(*facts))
    after = before
    news = (w.with_(facts[1_234], revision=2), w.declared(day(2), "D-new"))
    for fact in news:
        after = w.twins.take(after, w.item(fact, day(2))).twin
    asked = []

    class Asked:
        values = before.facts.slots.values

        def get(self, identity):
            asked.append(identity)
            return before.facts.slots.get(identity)

    found = list(differing(Asked(), after.facts.slots))
    assert {slot.latest.event for _, slot in found} == set(news)
    assert len([was for was, _ in found if was is None]) == 1
    assert len(asked) < 10
    assert list(differing(after.facts.slots, after.facts.slots)) == []
