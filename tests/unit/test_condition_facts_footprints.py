"""Footprints as evidence, attacked: stolen keys, other consignments, what becomes another one."""

import condition_facts_world as f
import settlement_world as w
from msgspec.structs import replace
from test_condition_facts_papers import AFTER, carbon, day, footprint, verified

from supplytwin.processors.condition_facts import built
from supplytwin.processors.signed import Counts, Nothing, Reason

LINE = "ORDER_LINE:L1"
AT_MOST = carbon("2100")


def value(*facts, fixed=False, leaf=AT_MOST, **changes):
    """Of the carbon leaf; `fixed`: the claim is approved or paid."""
    question = f.asked(leaf, **changes)
    question = replace(question, scope=replace(question.scope, fixed=fixed))
    found = built(w.twin_of(*facts), question)
    return f.evaluate(question.condition, found.evidence, question.scope).value


def now(kg, of="h1", **others):
    return {"footprints": {"ASN-1": footprint(kg, of=of), **others}}


def test_a_footprint_that_becomes_another_one_takes_no_payment_back():
    """Restated, or of facts that came later: what was approved by a verified one stands, whatever
    the new one is; before the approval it is verified no more.
    """
    told = verified(1)
    for later in (now("2100", "h2"), now("9000", "h2"), now(None, "h2"), {"footprints": {}}):
        for tick in (day(80), AFTER):
            assert value(told, fixed=True, tick=tick, **later) == "TRUE"
            assert value(told, tick=tick, **later) != "TRUE"
    dearer = verified(2, of="h2", on=60)
    assert value(told, dearer, fixed=True, **now("9000", "h2")) == "TRUE"
    assert value(told, dearer, **now("9000", "h2")) == "UNKNOWN"
    assert value(fixed=True, **now("2100")) == "UNKNOWN"


def test_a_verification_that_is_withdrawn_takes_the_payment_back():
    """Retracted, or by a key that was stolen: what was approved by it rests on nothing."""
    message, at = verified(1)
    gone = w.with_(message, revision=2, correction_action="RETRACT",
                   correction_event_id=message.event_id)  # fmt: skip
    for later in (now("2100"), now("2100", "h2")):
        assert value((message, at), (gone, day(40)), fixed=True, **later) == "UNKNOWN"


def test_a_verification_by_a_stolen_key_verifies_nothing():
    """It may be made good: UNKNOWN, also when the tranche has closed; a second one counts alone."""
    message, at = verified(1)
    content = w.item(message, 0).content_hash
    stolen = {content: Nothing(reason=Reason.COMPROMISED, says="stolen")}
    for fixed in (False, True):
        for tick in (day(80), AFTER):
            told = {"signatures": stolen, "tick": tick, "fixed": fixed, **now("2100")}
            assert value((message, at), **told) == "UNKNOWN"
            assert value((message, at), verified(2), **told) == "TRUE"
    right = Counts(organisation="auditor", role="VERIFIER", site="", kid="k", source="verifier",
                   seq=1, signed_at=at, non_repudiable=True)  # fmt: skip
    assert value((message, at), signatures={content: right}, **now("2100")) == "TRUE"


def test_verified_for_another_consignment_is_verified_for_that_one():
    """The same hash, told of ASN-9."""
    message, at = verified(1)
    other = w.with_(message, subject_id="ASN-9")
    assert value((other, at), **now("2100", **{"ASN-9": footprint("1")})) == "UNKNOWN"


def test_it_may_be_verified_before_the_facts_are_whole():
    """The hash names what it is of: it counts from when the footprint is that one."""
    early = verified(1, on=2)
    assert value(early, **now(None, "h0")) == "UNKNOWN"
    assert value(early, **now("2100")) == "TRUE"


def carried(consignment, number=1, **fields):
    """An event about the line that names a consignment."""
    made = w.event("order.goods_ready", LINE, f"ready-{number}", day(20), source="seller",
                   line_id="L1", qty=1, refs=(f"CONSIGNMENT:{consignment}",), **fields)  # fmt: skip
    return made, day(20)


def test_without_a_consignment_of_its_own_a_claim_has_the_footprints_of_all_that_stand():
    """Each has to be verified. What was named by mistake, and taken back, is not of the goods."""
    both = (carried("ASN-1", 1), carried("ASN-9", 2))
    free = {"consignment_id": None, **now("1000", **{"ASN-9": footprint("1100", of="h9")})}
    alone = {"consignment_id": None, **now("1000")}
    message, at = verified(9, of="h9")
    theirs = w.with_(message, subject_id="ASN-9"), at
    assert value(*both, verified(1), **free) == "UNKNOWN"
    assert value(*both, verified(1), **alone) == "UNKNOWN"
    assert value(*both, verified(1), theirs, **free) == "TRUE"
    assert value(*both, verified(1), theirs, leaf=carbon("2099"), **free) == "UNKNOWN"
    wrong, _ = both[1]
    gone = w.with_(wrong, revision=2, correction_action="RETRACT",
                   correction_event_id=wrong.event_id)  # fmt: skip
    assert value(*both, (gone, day(30)), verified(1), **alone) == "TRUE"
    moved = w.with_(wrong, revision=2, refs=())
    assert value(*both, (moved, day(30)), verified(1), **alone) == "TRUE"
    torn = w.with_(wrong, qty=2)
    assert value(*both, (torn, day(30)), verified(1), **alone) == "UNKNOWN"


def test_a_claim_of_a_lot_has_not_the_footprint_of_another_lot():
    """What names lot 4 and a consignment says nothing of how lot 5 came."""
    both = (carried("ASN-1", 1), carried("ASN-9", 2))
    (one, at), (other, _) = both
    own = w.with_(one, refs=(*one.refs, "LOT:5")), at
    theirs = w.with_(other, refs=(*other.refs, "LOT:4")), at
    free = {"consignment_id": None, "lots": ("5",), **now("1000")}
    assert value(own, theirs, verified(1), **free) == "TRUE"
    assert value(own, both[1], verified(1), **free) == "UNKNOWN"
