"""Which events of a chain answer which leaf of a condition, and by whose word."""

from decimal import Decimal

import condition_facts_world as f
import pytest
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import twin as twins
from supplytwin.processors.condition_facts import built, stirred_by
from supplytwin.processors.condition_facts_asked import Attester, ClaimLine
from supplytwin.processors.condition_facts_words import unanswered
from supplytwin.processors.condition_view import Ordered
from supplytwin.processors.signed import Counts, Nothing, Reason
from supplytwin.schemas.ids import DAY_US, HOUR_US

day = w.day
CLOSE = day(90)
AFTER = CLOSE + 1
RELEASED = f.milestone("CUSTOMS_RELEASED", "CUSTOMS")
HOME = "CONSIGNMENT:ASN-1"


def proofs():
    """Declared and released."""
    return w.proofs()[:2]


def reasons(value, *facts, **changes):
    """(event id, why it counts for nothing)."""
    found, _ = f.look(value, *facts, **changes)
    return {(one.event_id, one.reason) for one in found.ignored}


def hash_of(message):
    return w.item(message, 0).content_hash


# ---- who may tell it


def test_a_release_of_a_listed_source_counts_and_of_another_for_nothing():
    """Only attesters count for a leaf; another source is named with the reason."""
    assert f.value_of(RELEASED, *proofs()) == "TRUE"
    (declared, at), (released, then) = proofs()
    stranger = w.with_(released, source="gossip")
    assert f.value_of(RELEASED, (declared, at), (stranger, then)) == "UNKNOWN"
    assert reasons(RELEASED, (declared, at), (stranger, then)) >= {
        ("released-D1", "NOT_LISTED")
    }  # fmt: skip


def test_whoever_tells_it_a_hold_and_a_revocation_count_against():
    """What speaks against needs no role, and only a listed source of customs lifts it."""
    hold = w.customs("hold_placed", day(31), source="gossip")
    free = {"all": [RELEASED, f.absent("CUSTOMS_HOLD")]}
    facts = (*proofs(), (hold, day(31)))
    assert f.value_of(free, *proofs()) == "TRUE"
    assert f.value_of(free, *facts) == "UNKNOWN"
    lifted = w.customs("hold_removed", day(32), source="gossip")
    assert f.value_of(free, *facts, (lifted, day(32))) == "UNKNOWN"
    assert f.value_of(free, *facts, (w.with_(lifted, source="wms"), day(32))) == "UNKNOWN"
    assert f.value_of(free, *facts, (w.with_(lifted, source="customs"), day(32))) == "TRUE"
    revoked = w.customs("release_revoked", day(31), source="gossip")
    assert f.value_of(RELEASED, *proofs(), (revoked, day(31))) == "UNKNOWN"


def test_a_declaration_is_the_claims_by_the_word_of_customs_alone():
    """Somebody else's link makes no release count, and yet brings its holds along."""
    (declared, at), (released, then) = proofs()
    linked = w.with_(declared, source="seller")
    hold = w.customs("hold_placed", day(31))
    assert f.value_of(RELEASED, (linked, at), (released, then)) == "UNKNOWN"
    held = f.absent("CUSTOMS_HOLD")
    assert f.value_of(held, (linked, at), (hold, day(31))) == "UNKNOWN"


def test_a_declaration_takes_its_hold_along_only_by_the_word_of_customs():
    """A stranger who cancels it lifts no hold, and yet its release does not count any more."""
    free = {"all": [RELEASED, f.absent("CUSTOMS_HOLD")]}
    other = (w.declared(day(30), "D2"), day(30))
    held = (w.customs("hold_placed", day(31), "D2"), day(31))
    over = w.customs("cancelled", day(32), "D2")
    stranger = w.with_(over, source="gossip")
    assert f.value_of(free, *proofs(), other) == "TRUE"
    assert f.value_of(free, *proofs(), other, held) == "UNKNOWN"
    assert f.value_of(free, *proofs(), other, held, (stranger, day(32))) == "UNKNOWN"
    assert f.value_of(free, *proofs(), other, held, (over, day(32))) == "TRUE"
    gone = w.customs("cancelled", day(32), source="gossip")
    assert f.value_of(RELEASED, *proofs(), (gone, day(32))) == "UNKNOWN"


def test_a_strangers_order_cannot_change_a_unit():
    """What states no unit is in that of the terms; where an order says otherwise nobody knows."""
    accepted = w.event("order.accepted", "ORDER_LINE:L1", "a", day(40), source="buyer",
                       line_ids=("L1",), accepted_qty=Decimal(40), rejected_qty=Decimal(0),
                       refs=("ORDER_LINE:L1",)), day(40)  # fmt: skip
    line = w.events.OrderLine(
        line_id="L1", sku="s", qty=Decimal(40), uom="DZN", unit_price=Decimal(1)
    )  # fmt: skip
    order = w.event("order.placed", "ORDER:O", "o", day(1), source="gossip", order_id="O",
                    buyer="B", seller="S", currency="USD", order_lines=(line,),
                    refs=("ORDER_LINE:L1",)), day(1)  # fmt: skip
    asked = f.quantity("L1", 40, "ACCEPTED")
    assert f.value_of(asked, accepted) == "TRUE"
    assert f.value_of(asked, accepted, order) == "UNKNOWN"


def test_a_source_of_two_organisations_or_at_another_site_counts_for_nothing():
    """Rows of one source must agree on whose it is; sites bind it to places."""
    two = (*f.SOURCES, Attester(source="customs", organisation="other", roles=("CUSTOMS",)))
    assert ("released-D1", "LISTED_TWICE") in reasons(RELEASED, *proofs(), attesters=two)
    here = (Attester(source="customs", organisation="c", roles=("CUSTOMS",), sites=("DEHAM",)),)
    assert f.value_of(RELEASED, *proofs(), attesters=here) == "UNKNOWN"
    facts = [(w.with_(one, unlocode="DEHAM"), at) for one, at in proofs()]
    assert f.value_of(RELEASED, *facts, attesters=here) == "TRUE"


def test_one_organisation_in_two_roles_counts_once():
    """k organisations, each in another role: two roles of one source do not make two."""
    asked = f.milestone("RECEIVED_WH", "WAREHOUSE", "INSPECTOR", k=2)
    both = (Attester(source="wms", organisation="o", roles=("INSPECTOR", "WAREHOUSE")),)
    receipt = w.received(day(30))
    second = w.with_(receipt, event_id="again", source="surveyor", lot_id="lot-L1")
    facts = ((receipt, day(30)), (second, day(30)))
    assert f.value_of(asked, *facts, attesters=both) == "UNKNOWN"
    more = (*both, Attester(source="surveyor", organisation="p", roles=("INSPECTOR",)))
    assert f.value_of(asked, *facts, attesters=more) == "TRUE"


# ---- signatures


def _counts(**changes):
    fields = {
        "organisation": "customs-org", "role": "CUSTOMS", "site": "", "kid": "k", "seq": 1,
        "source": "customs", "signed_at": day(30), "non_repudiable": True,
    }  # fmt: skip
    return Counts(**{**fields, **changes})


SIGNED = f.milestone("CUSTOMS_RELEASED", "CUSTOMS", min_assurance="SIGNED")
JUDGED = [
    (None, "UNKNOWN", "UNKNOWN"),
    (_counts(), "TRUE", "TRUE"),
    (_counts(non_repudiable=False), "UNKNOWN", "TRUE"),
    (_counts(organisation="other"), "UNKNOWN", "UNKNOWN"),
    (_counts(role="CARRIER"), "UNKNOWN", "UNKNOWN"),
    (Nothing(reason=Reason.BAD_SIGNATURE, says=""), "UNKNOWN", "UNKNOWN"),
    (Nothing(reason=Reason.NO_SIGNATURE, says=""), "UNKNOWN", "TRUE"),
    (Nothing(reason=Reason.COMPROMISED, says=""), "UNKNOWN", "UNKNOWN"),
]


@pytest.mark.parametrize(("said", "signed", "plain"), JUDGED)
def test_a_signature_carries_as_far_as_it_was_judged(said, signed, plain):
    """One of the source's own organisation and role gives its assurance; one that counts for
    nothing takes the whole fact away, whatever the leaf asks for.
    """
    released = proofs()[1][0]
    judged = {} if said is None else {hash_of(released): said}
    assert f.value_of(SIGNED, *proofs(), signatures=judged) == signed
    assert f.value_of(RELEASED, *proofs(), signatures=judged) == (plain if said else "TRUE")


def test_a_compromised_key_may_be_made_good_and_a_bad_signature_never():
    """After the close the void fact leaves the leaf UNKNOWN, the forged one FALSE."""
    content = hash_of(proofs()[1][0])
    for reason, value in ((Reason.COMPROMISED, "UNKNOWN"), (Reason.BAD_SIGNATURE, "FALSE")):
        judged = {content: Nothing(reason=reason, says="")}
        assert f.value_of(RELEASED, *proofs(), signatures=judged, tick=AFTER) == value


def test_a_void_revision_brings_no_later_one_in_time():
    """The signed revision came late; the one that was in time is by a stolen key: not TRUE."""
    first, at = proofs()[1]
    second = w.with_(first, revision=2)
    facts = (proofs()[0], (first, at), (second, AFTER))
    assert f.value_of(RELEASED, *facts, tick=AFTER + 1) == "TRUE"
    judged = {hash_of(first): Nothing(reason=Reason.COMPROMISED, says="")}
    assert f.value_of(RELEASED, *facts, tick=AFTER + 1, signatures=judged) == "UNKNOWN"


def test_the_terms_may_ask_for_signatures_of_everything():
    """min_assurance holds for every leaf that a fact could support."""
    received = f.quantity("L1", 40)
    receipt = w.proofs()[2]
    assert f.value_of(received, receipt) == "TRUE"
    assert f.value_of(received, receipt, min_assurance="SIGNED") == "UNKNOWN"
    by = _counts(organisation="buyer-wh", role="WAREHOUSE", source="wms")
    judged = {hash_of(receipt[0]): by}
    assert f.value_of(received, receipt, min_assurance="SIGNED", signatures=judged) == "TRUE"


# ---- milestones


def test_a_release_that_was_revoked_is_none_until_customs_releases_again():
    """Undone it tells nothing, after the close for good; a release after it does again."""
    revoked = (w.customs("release_revoked", day(31)), day(31))
    facts = (*proofs(), revoked)
    assert f.value_of(RELEASED, *facts) == "UNKNOWN"
    assert f.value_of(RELEASED, *facts, tick=AFTER) == "FALSE"
    assert ("released-D1", "UNDONE") in reasons(RELEASED, *facts)
    again = (w.customs("released", day(32), event_id="again"), day(32))
    found, evaluation = f.look(RELEASED, *facts, again)
    assert evaluation.value == "TRUE"
    assert {one.event_id for one in found.evidence.facts if one.standing == "LIVE"} >= {"again"}


def test_a_revocation_in_conflict_leaves_the_release_in_doubt():
    """Nobody knows whether it stands: not TRUE, and after the close not FALSE."""
    revoked = w.customs("release_revoked", day(31))
    other = w.with_(revoked, reason="another")
    facts = (*proofs(), (revoked, day(31)), (other, day(31)))
    assert f.value_of(RELEASED, *facts) == "UNKNOWN"
    found, evaluation = f.look(RELEASED, *facts, tick=AFTER)
    assert evaluation.value == "UNKNOWN"
    assert found.adverse == (("customs", "release_revoked-D1"),)
    assert found.adverse_ids[0].startswith("customs/release_revoked-D1~")


def test_the_regime_of_a_declaration_may_be_asked():
    """An export release is no import release; two declared regimes are none that counts."""
    imported = f.milestone("IMPORT_RELEASED", "CUSTOMS")
    exported = f.milestone("EXPORT_DECLARED", "CUSTOMS")
    assert f.value_of(imported, *proofs()) == "TRUE"
    assert f.value_of(exported, *proofs()) == "UNKNOWN"
    away = (w.with_(proofs()[0][0], regime="EXPORT"), day(30))
    assert f.value_of(imported, away, proofs()[1]) == "UNKNOWN"
    assert f.value_of(exported, away) == "TRUE"
    both = (w.declared(day(30), event_id="other", regime="EXPORT"), day(30))
    assert f.value_of(imported, *proofs(), both, tick=AFTER) == "UNKNOWN"


def test_partial_releases_count_together_when_they_cover_what_was_ordered():
    """Of 40 ordered pieces 30 are no release, 30 and 10 are."""
    (declared, at), (released, then) = proofs()
    part = w.with_(released, qty=Decimal(30))
    facts = ((declared, at), (part, then))
    assert f.value_of(RELEASED, *facts) == "UNKNOWN"
    assert ("released-D1", "PARTIAL_RELEASE") in reasons(RELEASED, *facts)
    rest = w.customs("released", day(32), event_id="rest", qty=Decimal(10))
    assert f.value_of(RELEASED, *facts, (rest, day(32))) == "TRUE"


def test_free_to_deliver_waits_for_holds_and_duty():
    """Released is not free: an open hold and duty that is assessed and not paid keep it."""
    free = f.milestone("FREE_TO_DELIVER", "CUSTOMS")
    duty = {"amount": Decimal(5), "currency": "EUR", "basis": "PAYMENT"}
    assert f.value_of(free, *proofs()) == "TRUE"
    owed = (w.event("customs.duty_assessed", "DECLARATION:D1", "owed", day(31), **duty), day(31))
    assert f.value_of(free, *proofs(), owed) == "UNKNOWN"
    paid = w.event("customs.duty_paid", "DECLARATION:D1", "paid", day(32), **duty)
    assert f.value_of(free, *proofs(), owed, (paid, day(32))) == "TRUE"
    assert f.value_of(free, *proofs(), owed, (w.with_(paid, source="seller"), day(32))) == "UNKNOWN"
    hold = (w.customs("hold_placed", day(31)), day(31))
    assert f.value_of(free, *proofs(), hold) == "UNKNOWN"
    other = (w.declared(day(30), "D2"), day(30))
    held = (w.customs("hold_placed", day(31), "D2"), day(31))
    assert f.value_of(free, *proofs(), other) == "TRUE"
    assert f.value_of(free, *proofs(), other, held) == "UNKNOWN"


def two_lines(**changes):
    lines = (ClaimLine(line="L1"), ClaimLine(line="L2"))
    return {"lines": lines, **changes}


def test_a_milestone_of_lines_is_the_claims_when_one_organisation_has_told_it_of_each():
    """One of two lines is not the claim; and two organisations with one line each are not."""
    asked = f.milestone("RECEIVED_WH", "WAREHOUSE")
    one = (w.received(day(30)), day(30))
    two = w.received(day(31), line="L2")
    assert f.value_of(asked, one, **two_lines()) == "UNKNOWN"
    assert f.value_of(asked, one, (two, day(31)), **two_lines()) == "TRUE"
    simulated = w.with_(two, source="simulated:wms")
    assert f.value_of(asked, one, (simulated, day(31)), **two_lines()) == "UNKNOWN"
    late = (w.with_(two, event_time=day(61)), day(61))
    assert f.value_of(asked, one, late, **two_lines()) == "UNKNOWN"
    assert f.value_of(asked, one, (two, AFTER), tick=AFTER + 1, **two_lines()) == "FALSE"
    before = f.milestone("RECEIVED_WH", "WAREHOUSE", before="2025-01-31T12:00:00+00:00")
    assert f.value_of(before, one, (two, day(31)), **two_lines()) == "FALSE"
    assert f.value_of(before, one, (w.with_(two, event_time=day(30)), day(31)), **two_lines()) == (
        "TRUE"
    )
    own = f.milestone("RECEIVED_WH", "WAREHOUSE", subject="ORDER_LINE:L1")
    assert f.value_of(own, one, **two_lines()) == "TRUE"


def trip(kind, name, at, **more):
    """A step of a container that carries the consignment."""
    fields = {"trip_id": name, "source": "carrier", "refs": (HOME,), **more}
    return w.event(f"shipment.{kind}", f"EQUIPMENT_TRIP:{name}", f"{kind}-{name}", at, **fields)


def test_a_milestone_of_containers_is_the_claims_when_each_has_reached_it():
    """One of two containers that left is not the consignment."""
    asked = f.milestone("GATE_OUT", "CARRIER")
    one, two = (trip("gate_out", name, day(30), empty=False) for name in ("T/1", "T/2"))
    arrived = trip("discharged", "T/2", day(29))
    assert f.value_of(asked, (one, day(30))) == "TRUE"
    assert f.value_of(asked, (one, day(30)), (arrived, day(29))) == "UNKNOWN"
    assert f.value_of(asked, (one, day(30)), (arrived, day(29)), (two, day(30))) == "TRUE"


def test_in_the_buyers_warehouse_by_two_roles():
    """The warehouse's receipt and a tracker's delivery at the same facility."""
    asked = f.milestone("IN_BUYER_WAREHOUSE", "IOT", "WAREHOUSE", k=2)
    receipt = (w.received(day(30)), day(30))
    seen = w.event(
        "shipment.delivered", HOME, "seen", day(30), source="iot", consignment_id="ASN-1",
        receiver="B", facility="WH-1",
    )  # fmt: skip
    assert f.value_of(asked, receipt) == "UNKNOWN"
    assert f.value_of(asked, receipt, (seen, day(30))) == "TRUE"
    elsewhere = w.with_(seen, facility="WH-2")
    assert f.value_of(asked, receipt, (elsewhere, day(30))) == "UNKNOWN"
    away = (w.received(day(30), facility="WH-2"), day(30))
    assert f.value_of(f.milestone("RECEIVED_WH", "WAREHOUSE"), away) == "UNKNOWN"


def test_a_day_counts_by_local_dates_and_an_unknown_zone_when_it_surely_has_begun():
    """The last day counts where it happens; of an unknown zone it is ahead 12 hours longer."""
    (declared, at), (released, _) = proofs()
    fields = {"event_time": day(60, 12 * HOUR_US), "time_precision": "DAY"}
    last = w.with_(released, event_tz="-10:00", **fields)
    facts = ((declared, at), (last, day(60)))
    assert f.value_of(RELEASED, *facts, tick=day(60, 10 * HOUR_US) - 1) == "UNKNOWN"
    assert f.value_of(RELEASED, *facts, tick=day(60, 10 * HOUR_US)) == "TRUE"
    unknown = w.with_(last, event_tz="unknown")
    facts = ((declared, at), (unknown, day(60)))
    assert f.value_of(RELEASED, *facts, tick=day(60, 11 * HOUR_US)) == "UNKNOWN"
    assert f.value_of(RELEASED, *facts, tick=day(60, 12 * HOUR_US)) == "TRUE"


def test_a_fact_ahead_of_the_tick_is_waited_for():
    """It counts for nothing until the tick has passed it, and says when to look again."""
    facts = [(w.with_(one, event_time=day(33)), day(33) - 1) for one, _ in proofs()]
    found, evaluation = f.look(RELEASED, *facts, tick=day(33) - 1)
    assert evaluation.value == "UNKNOWN"
    assert found.until == day(33)
    assert f.value_of(RELEASED, *facts, tick=day(33)) == "TRUE"


# ---- quantities


def receipts(qty, unit="EA", name="r", source="wms", **more):
    return w.received(day(30), qty, event_id=name, uom=unit, source=source, **more), day(30)


def test_receipts_less_reversals():
    """40 received and 15 sent back are 25; the reversal has no deadline."""
    back = w.reversed_(AFTER + 1, 15), AFTER + 1
    found, evaluation = f.look(f.quantity("L1", 25), receipts(40), back, tick=AFTER + 2)
    assert evaluation.value == "TRUE"
    assert f.value_of(f.quantity("L1", 26), receipts(40), back, tick=AFTER + 2) == "FALSE"
    assert sorted(one.current.value for one in found.evidence.facts) == [-15, 40]


def test_several_sources_tell_the_same_goods_once():
    """Of two of a kind the one that has less is believed, one that only simulates has no say."""
    two = receipts(30, name="s", source="wms:b")
    assert f.value_of(f.quantity("L1", 31), receipts(40), two) == "UNKNOWN"
    assert f.value_of(f.quantity("L1", 30), receipts(40), two) == "TRUE"
    assert ("r", "SAME_GOODS") in reasons(f.quantity("L1", 30), receipts(40), two)
    unseen = receipts(90, name="s", source="simulated:wms")
    assert f.value_of(f.quantity("L1", 41), receipts(40), unseen) == "UNKNOWN"


def test_a_quantity_is_told_by_whose_business_it_is():
    """A customs office that lists receipts has no say in what the warehouse has."""
    assert f.value_of(f.quantity("L1", 40), receipts(40, source="customs")) == "UNKNOWN"
    assert ("r", "OTHER_ROLE") in reasons(f.quantity("L1", 40), receipts(40, source="customs"))


UNITS = [
    ("KGM", "KGM", 40, "TRUE"), ("kg", "KGM", 40, "TRUE"), ("KGM", "GRM", 40_000, "TRUE"),
    ("KGM", "GRM", 40_001, "UNKNOWN"), ("GRM", "KGM", 40, "UNKNOWN"),
    ("TNE", "KGM", 40_000, "TRUE"),
    ("EA", "KGM", 1, "UNKNOWN"), ("LBR", "KGM", 18, "TRUE"), ("LBR", "KGM", 19, "UNKNOWN"),
]  # fmt: skip


@pytest.mark.parametrize(("stated", "ordered", "value", "expected"), UNITS)
def test_units_are_converted_exactly_or_count_for_nothing(stated, ordered, value, expected):
    """40 kg are 40,000 g and never 40 g of anything; what has another dimension is nothing."""
    asked = f.asked(f.quantity("L1", value))
    lines = (Ordered(line="L1", qty=Decimal(value), unit=ordered),)
    asked = replace(asked, scope=replace(asked.scope, lines=lines))
    found = built(w.twin_of(receipts(40, stated)), asked)
    assert f.evaluate(asked.condition, found.evidence, asked.scope).value == expected


def stock(kind, at, name="stock", **fields):
    base = {"lot_id": "lot-L1", "facility": "WH-1", **fields}
    return w.event(f"wh.{kind}", "LOT:lot-L1", name, at, **base), at


def test_what_is_adjusted_away_or_not_found_counts_against_a_receipt():
    """A loss takes from its own lot whoever tells it; a gain adds nothing."""
    lost = stock("adjusted", day(31), delta=Decimal(-5), source="gossip")
    assert f.value_of(f.quantity("L1", 35), receipts(40), lost) == "TRUE"
    assert f.value_of(f.quantity("L1", 36), receipts(40), lost) == "UNKNOWN"
    short = stock("counted", day(31), counted=Decimal(38))
    assert f.value_of(f.quantity("L1", 38), receipts(40), short) == "TRUE"
    assert f.value_of(f.quantity("L1", 39), receipts(40), short) == "UNKNOWN"
    more = stock("adjusted", day(31), delta=Decimal(5))
    assert f.value_of(f.quantity("L1", 41), receipts(40), more) == "UNKNOWN"
    all_there = stock("counted", day(31), counted=Decimal(40))
    assert f.value_of(f.quantity("L1", 40), receipts(40), all_there) == "TRUE"


def test_a_loss_and_a_reversal_take_no_more_than_there_is():
    """A lot that is gone twice leaves the line's other lot alone."""
    other = receipts(40, name="other", lot_id="lot-X", subject_id="lot-X")
    gone = w.reversed_(day(31), 40), day(31)
    lost = stock("adjusted", day(32), delta=Decimal(-40))
    assert f.value_of(f.quantity("L1", 40), receipts(40), other, gone, lost) == "TRUE"


def test_a_reversal_in_conflict_keeps_the_quantity_from_being_true():
    """It counts as soon as it may stand, by the most that it says."""
    one, two = w.reversed_(day(31), 5), w.reversed_(day(31), 10)
    found, evaluation = f.look(f.quantity("L1", 40), receipts(40), (one, day(31)), (two, day(31)))
    assert evaluation.value == "UNKNOWN"
    assert evaluation.leaves[0].cause == "CONTRADICTED"
    assert found.adverse == (("wms", "rev-L1"),)


def test_a_shared_line_counts_for_the_delivery_that_it_names():
    """Where two consignments have goods of one line, a receipt says whose they are."""
    shared = {"lines": (ClaimLine(line="L1", rivals=("ASN-2",)),)}
    assert f.value_of(f.quantity("L1", 40), receipts(40), **shared) == "UNKNOWN"
    assert f.value_of(f.quantity("L1", 40), receipts(40, asn="ASN-1"), **shared) == "TRUE"
    assert f.value_of(f.quantity("L1", 40), receipts(40, asn="ASN-2"), **shared) == "UNKNOWN"


def test_a_claim_of_a_lot_counts_that_lot_alone():
    """Receipts of the line's other lots are nothing to it."""
    assert f.value_of(f.quantity("L1", 40), receipts(40), lots=("lot-L1",)) == "TRUE"
    assert f.value_of(f.quantity("L1", 40), receipts(40), lots=("lot-X",)) == "UNKNOWN"


def test_accepted_by_the_buyer_and_shipped_by_the_seller():
    """Reports of one source add up; one of several lines is of none that is known."""

    def accepted(name, lines=("L1",)):
        return w.event("order.accepted", "ORDER_LINE:L1", name, day(40), source="buyer",
                       line_ids=lines, accepted_qty=Decimal(20), rejected_qty=Decimal(0),
                       refs=tuple(f"ORDER_LINE:{one}" for one in lines)), day(40)  # fmt: skip

    asked = f.quantity("L1", 40, "ACCEPTED")
    assert f.value_of(asked, accepted("a")) == "UNKNOWN"
    assert f.value_of(asked, accepted("a"), accepted("b")) == "TRUE"
    both = accepted("b", ("L1", "L2"))
    assert f.value_of(asked, accepted("a"), both) == "UNKNOWN"
    assert ("b", "QUANTITY_OF_SEVERAL_LINES") in reasons(asked, accepted("a"), both)
    sent = w.event("wh.dispatched", "ORDER_LINE:L1", "d", day(20), source="seller", hu_ids=(),
                   consignment_id="ASN-1", qty=Decimal(40)), day(20)  # fmt: skip
    assert f.value_of(f.quantity("L1", 40, "SHIPPED"), sent) == "TRUE"


# ---- memory


def test_the_answer_holds_until_a_fact_about_the_claim_changes():
    """A fact about another claim changes nothing, one about this one does; so does time."""
    asked = f.asked(RELEASED)
    twin = w.twin_of(*proofs())
    found = built(twin, asked)
    later = replace(asked, scope=replace(asked.scope, tick=asked.scope.tick + DAY_US))
    assert found.holds(later, frozenset())
    other = twins.take(twin, w.item(w.declared(day(31), "D9", "ASN-9"), day(31)))
    assert found.holds(later, stirred_by(other.slots))
    own = twins.take(twin, w.item(w.customs("hold_placed", day(31)), day(31)))
    assert not found.holds(later, stirred_by(own.slots))
    assert not found.holds(replace(later, warehouses=("WH-9",)), frozenset())
    earlier = replace(asked, scope=replace(asked.scope, tick=asked.scope.tick - 1))
    assert not found.holds(earlier, frozenset())


# ---- what nothing answers


def test_what_no_event_tells_is_found_before_it_is_signed():
    """An absence that nothing could contradict, a test value, a title that nobody tells of."""
    asked = f.condition({"all": [
        f.milestone("CIQ_RELEASED", "CUSTOMS"), f.absent("BUYER_CLAIM"), RELEASED,
        f.absent("CUSTOMS_SEIZED"), f.absent("SHIPMENT_EXCEPTION"),
        {"quality": {"test": "MOISTURE", "op": "<=", "value": "13", "unit": "%",
                     "certificate_role": "INSPECTOR"}},
    ]})  # fmt: skip
    assert [one.path for one in unanswered(asked)] == ["$.all[0]", "$.all[1]", "$.all[5]"]


def test_an_absence_that_nothing_could_contradict_is_never_true():
    """Nobody would know, so it stays UNKNOWN until a person has decided."""
    _, found = f.look(f.absent("BUYER_CLAIM"))
    assert (found.value, found.leaves[0].cause) == ("UNKNOWN", "CONTRADICTED")
    assert f.value_of(f.absent("BUYER_CLAIM"), tick=AFTER) == "UNKNOWN"
    assert f.value_of(f.absent("CUSTOMS_SEIZED")) == "TRUE"


def test_a_hold_that_was_lifted_is_no_open_hold_but_was_a_seizure():
    """CUSTOMS_HOLD asks for open ones, CUSTOMS_SEIZED for any that was placed."""
    facts = (*proofs(), (w.customs("hold_placed", day(31)), day(31)),
             (w.customs("hold_removed", day(32)), day(32)))  # fmt: skip
    assert f.value_of(f.absent("CUSTOMS_HOLD"), *facts) == "TRUE"
    assert f.value_of(f.absent("CUSTOMS_SEIZED"), *facts) == "UNKNOWN"
    later = f.absent("CUSTOMS_HOLD", "2025-02-05T00:00:00+00:00", "2025-02-06T00:00:00+00:00")
    assert f.value_of(later, *facts) == "TRUE"
    assert f.value_of(later, *facts[:3]) == "UNKNOWN"
    assert f.value_of(later, *facts[:3], tick=AFTER) == "FALSE"
    retracted = w.with_(facts[3][0], event_id="undo", correction_action="RETRACT", revision=2,
                        correction_event_id="hold_removed-D1")  # fmt: skip
    again = (*facts, (retracted, day(33)))
    assert f.value_of(f.absent("CUSTOMS_HOLD"), *again) == "UNKNOWN"
    assert f.value_of(f.absent("CUSTOMS_HOLD"), *again, tick=AFTER) == "UNKNOWN"


def test_of_an_inspection_only_a_failed_one_is_a_quality_hold():
    """One event type reaches QC_PASSED or QC_HOLD, by its result."""

    def inspected(result):
        return w.event("wh.inspected", "LOT:lot-L1", "q", day(31), lot_id="lot-L1", result=result,
                       refs=("ORDER_LINE:L1",), facility="WH-1"), day(31)  # fmt: skip

    asked = f.absent("QC_HOLD")
    assert f.value_of(asked, receipts(40), inspected("PASS")) == "TRUE"
    assert f.value_of(asked, receipts(40), inspected("FAIL")) == "UNKNOWN"
    passed = f.milestone("QC_PASSED", "WAREHOUSE")
    assert f.value_of(passed, receipts(40), inspected("PASS")) == "TRUE"
    assert f.value_of(passed, receipts(40), inspected("PARTIAL")) == "UNKNOWN"


def test_one_identity_that_says_several_things_is_taken_apart():
    """A reversal and an adjustment under one identity, a receipt that was a delivery, a loss of two
    lots, declarations whose numbers are spelt alike: evaluated, and never TRUE by what is in doubt.
    """
    back, lost = w.reversed_(day(31), 5, event_id="x"), stock("adjusted", day(31), "x",
                                                             delta=Decimal(-5))  # fmt: skip
    receipt = receipts(40)
    facts = (receipt, (back, day(31)), lost)
    assert f.value_of(f.quantity("L1", 31), *facts) == "UNKNOWN"
    assert f.value_of(f.quantity("L1", 30), *facts) == "TRUE"
    other = receipts(40, name="other", lot_id="lot-X", subject_id="lot-X")
    two = stock("adjusted", day(31), "y", delta=Decimal(-5), refs=("LOT:lot-X",))
    assert f.value_of(f.quantity("L1", 71), receipt, other, two) == "UNKNOWN"
    assert f.value_of(f.quantity("L1", 70), receipt, other, two) == "TRUE"
    moved = w.event("shipment.delivered", HOME, "r", day(30), source="wms", revision=2,
                    consignment_id="ASN-1", receiver="B", facility="WH-1")  # fmt: skip
    asked = f.milestone("IN_BUYER_WAREHOUSE", "WAREHOUSE")
    assert f.value_of(asked, receipt, (moved, day(31))) == "UNKNOWN"
    alike = w.declared(day(30), "D-1", event_id="decl-D1", revision=2)
    paper = {"document": {"type": "DECLARATION", "state": "FILED", "unique": True,
                          "issuer_role": "CUSTOMS"}}  # fmt: skip
    known = {"unique": {("DECLARATION", "D1"): True}}
    assert f.value_of(paper, proofs()[0], (alike, day(31)), **known) == "TRUE"
