"""Series, documents, titles, footprints, times and people of a claim."""

import random
from decimal import Decimal

import condition_facts_world as f
import pytest
import settlement_world as w

from supplytwin.processors.condition_facts_asked import Approved, Attester, Footprinted
from supplytwin.processors.condition_facts_series import Sample, exposure
from supplytwin.processors.condition_view import Assent
from supplytwin.schemas.ids import HOUR_US

day = w.day
CLOSE = day(90)
AFTER = CLOSE + 1
HOME = "CONSIGNMENT:ASN-1"
START, END = "2025-01-31T00:00:00+00:00", "2025-02-01T00:00:00+00:00"
"""Day 30, 24 hours."""
MINUTE_US = 60_000_000


# ---- telemetry


def cold(start=START, end=END, coverage=9700, **more):
    """13 to 15 degrees, 45 minutes outside in all and 20 at once."""
    body = {
        "metric": "TEMPERATURE", "min": "13", "max": "15", "unit": "CEL", "from": start, "to": end,
        "max_excursion": "PT45M", "max_single": "PT20M", "min_coverage_bp": coverage,
    }  # fmt: skip
    return {"telemetry": {**body, **more}}


def reading(number, value, subject=HOME, arrival=None, **more):
    """The reading of one hour of the day."""
    at = day(30, number * HOUR_US)
    fields = {
        "device_id": "logger", "metric": "Temperature", "value": value, "unit": "Cel",
        "source": "iot", **more,
    }  # fmt: skip
    name = f"{subject}-{number}-{fields['device_id']}-{fields['source']}"
    message = w.event("shipment.sensor", subject, name, at, **fields)
    return message, at if arrival is None else arrival


def whole_day(value=14.0, subject=HOME, hours=range(25), **more):
    return [reading(one, value, subject, **more) for one in hours]


def test_a_series_that_stayed_within_its_bounds_is_true_when_the_window_is_over():
    """25 hourly readings at 14 degrees cover the day; before its end nothing is decided."""
    assert f.value_of(cold(), *whole_day()) == "TRUE"
    assert f.value_of(cold(), *whole_day(), tick=day(31) - 1) == "UNKNOWN"
    assert f.value_of(cold(), *whole_day()[:-3]) == "UNKNOWN"
    assert f.value_of(cold(), *whole_day()[:-3], tick=AFTER) == "FALSE"
    found, _ = f.look(cold(), *whole_day(), tick=day(31) - 1)
    assert (found.evidence.series, found.until) == ((), day(31))
    found, _ = f.look(cold(), *whole_day(), tick=day(31) - 1, measures_open=True)
    assert found.evidence.series[0].current.covered_us == 23 * HOUR_US


@pytest.mark.parametrize(("value", "expected"), [(13.0, "TRUE"), (15.0, "TRUE"), (15.1, "UNKNOWN"),
                                                 (13.1, "TRUE"), (12.9, "UNKNOWN")])  # fmt: skip
def test_on_the_bound_is_inside_and_a_value_is_what_its_source_wrote(value, expected):
    """An hour outside is more than is allowed; 13.1 is 13.1 though no binary number is."""
    facts = [*whole_day(), (reading(5, value)[0], day(30, 5 * HOUR_US))]
    at = w.with_(facts[-1][0], event_id="that", event_time=day(30, 5 * HOUR_US + 1))
    assert f.value_of(cold(), *facts[:-1], (at, day(31))) == expected
    narrow = cold(min="13.1")
    assert f.value_of(narrow, *facts[:-1], (w.with_(at, value=13.1), day(31))) == "TRUE"


def test_late_and_unlisted_readings_cover_nothing_and_an_unlisted_excursion_counts():
    """Coverage needs a listed source and an arrival by the close; heat may be told by anybody."""
    late = whole_day(hours=range(12)) + whole_day(hours=range(12, 25), arrival=AFTER)
    assert f.value_of(cold(), *late, tick=AFTER + 1) == "FALSE"
    assert f.value_of(cold(), *whole_day(source="gossip")) == "UNKNOWN"
    heat = whole_day(30.0, source="gossip", device_id="other", hours=(3, 4))
    assert f.value_of(cold(), *whole_day(), *heat) == "UNKNOWN"


def test_every_container_is_measured_where_the_consignment_is_not():
    """One of two containers without a logger: nobody knows what it was like there."""

    def trip(name):
        fields = {"trip_id": name, "empty": False, "refs": (HOME,), "source": "carrier"}
        trip = f"EQUIPMENT_TRIP:{name}"
        return w.event("shipment.gate_out", trip, f"out-{name}", day(29), **fields), day(29)

    one, two = (f"EQUIPMENT_TRIP:{name}" for name in ("T/1", "T/2"))
    facts = [trip("T/1"), *whole_day(subject=one)]
    assert f.value_of(cold(), *facts) == "TRUE"
    assert f.value_of(cold(), *facts, trip("T/2")) == "UNKNOWN"
    assert f.value_of(cold(), *facts, trip("T/2"), *whole_day(subject=two)) == "TRUE"
    hot = whole_day(16.0, subject=two)
    assert f.value_of(cold(), *facts, trip("T/2"), *hot) == "UNKNOWN"


def test_withdrawn_readings_may_come_back():
    """After the close the leaf waits for a person when they would have covered the window."""
    facts = whole_day()
    undone = [
        (w.with_(message, event_id=f"undo-{message.event_id}", correction_action="RETRACT",
                 correction_event_id=message.event_id), day(40))
        for message, _ in facts[5:15]
    ]  # fmt: skip
    assert f.value_of(cold(), *facts, *undone) == "UNKNOWN"
    assert f.value_of(cold(), *facts, *undone, tick=AFTER) == "UNKNOWN"
    assert f.value_of(cold(), *facts[:5], *facts[15:], tick=AFTER) == "FALSE"


@pytest.mark.parametrize("seed", range(40))
def test_exposure_is_what_a_walk_by_minutes_says(seed):
    """Covered, outside and the longest excursion against counting each minute by itself."""
    rng = random.Random(seed)
    samples = sorted(
        {rng.randrange(0, 1500): rng.random() < 0.4 for _ in range(rng.randrange(0, 40))}.items()
    )
    first, last = 200, 1300
    covered = outside = longest = run = 0
    for minute in range(samples[0][0] if samples else 0, 1500):
        before = [one for one in samples if one[0] <= minute]
        after = [one for one in samples if one[0] > minute]
        is_covered = bool(before and after) and after[0][0] - before[-1][0] <= 120
        if not is_covered or not before[-1][1]:
            run = 0
        if not is_covered or not first <= minute < last:
            continue
        covered += 1
        if before[-1][1]:
            outside, run = outside + 1, run + 1
            longest = max(longest, run)
    found = exposure(
        [Sample(at * MINUTE_US, is_outside) for at, is_outside in samples],
        first * MINUTE_US,
        last * MINUTE_US,
    )
    told = (found.covered_us, found.outside_us, found.longest_us)
    assert told == tuple(one * MINUTE_US for one in (covered, outside, longest))


# ---- anchors


def test_a_window_between_milestones_is_the_widest_that_is_told():
    """Of two receipts the later one ends it; without one nothing is measured."""
    asked = cold(end={"anchor": "MILESTONE:RECEIVED"})
    one = (w.received(day(30, 12 * HOUR_US)), day(31))
    two = (w.received(day(31), event_id="two", source="simulated:wms"), day(31))
    half = whole_day(hours=range(13))
    assert f.value_of(asked, *half) == "UNKNOWN"
    assert f.value_of(asked, *half, one) == "TRUE"
    assert f.value_of(asked, *half, one, two) == "UNKNOWN"
    assert f.value_of(asked, *whole_day(), one, two) == "TRUE"


def test_an_anchor_that_is_used_both_ways_and_told_in_two_ways_is_not_known():
    """A window from and to one milestone that two sources tell apart: a person decides."""
    anchor = {"anchor": "MILESTONE:RECEIVED"}
    asked = {"all": [{"time": {"not_before": anchor}}, {"time": {"not_after": anchor}}]}
    one = (w.received(day(31)), day(31))
    two = (w.received(day(32), event_id="two", source="simulated:wms"), day(32))
    assert f.look(asked, one)[0].evidence.anchors[0].at == day(31)
    found, evaluation = f.look(asked, one, two, tick=AFTER)
    assert found.evidence.anchors[0].at is None
    assert found.evidence.anchors[0].may_return
    assert evaluation.value == "UNKNOWN"


def test_an_anchor_is_told_by_whom_the_condition_believes():
    """Where a leaf says who tells the milestone, nobody else sets the window."""
    asked = {"all": [f.milestone("DELIVERED", "WAREHOUSE"),
                     {"time": {"not_before": {"anchor": "MILESTONE:DELIVERED"}}}]}  # fmt: skip
    told = w.event("shipment.delivered", HOME, "d", day(31), source="carrier",
                   consignment_id="ASN-1", receiver="B")  # fmt: skip
    found, _ = f.look(asked, (told, day(31)))
    assert found.evidence.anchors[0].at is None
    found, evaluation = f.look(asked, (told, day(31)), (w.with_(told, source="wms"), day(31)))
    assert found.evidence.anchors[0].at == day(31)
    assert evaluation.value == "TRUE"


def test_a_tranche_is_an_anchor_from_its_settlement_on():
    """The retention runs from when the other tranche was settled."""
    asked = {"time": {"not_before": {"anchor": "TRANCHE:T2", "plus": "P30D"}}}
    assert f.value_of(asked, tick=day(80)) == "UNKNOWN"
    assert f.value_of(asked, tick=day(80), settled={"T2": day(51)}) == "UNKNOWN"
    assert f.value_of(asked, tick=day(81), settled={"T2": day(51)}) == "TRUE"


# ---- documents


def invoice(kind="invoiced", number="INV-7", at=31, name=None, subject=HOME, **more):
    fields = {"invoice_id": number, "amount": Decimal(5), "currency": "USD", "source": "seller"}
    if kind == "invoiced":
        fields["due_date"] = w.events.dt.date(2025, 3, 1)
    name = name or f"{kind}-{number}"
    return w.event(f"order.{kind}", subject, name, day(at), **{**fields, **more}), day(at)


def document(type_, state, role):
    return {"document": {"type": type_, "state": state, "unique": True, "issuer_role": role}}


INVOICE = document("INVOICE", "ISSUED", "SELLER")
UNIQUE = {"unique": {("INVOICE", "INV7"): True}}


def test_an_invoice_counts_by_its_issuer_when_it_backs_nothing_else():
    """Nobody has answered = unsure; no = it does not count; another role has no say."""
    assert f.value_of(INVOICE, invoice(), **UNIQUE) == "TRUE"
    _, found = f.look(INVOICE, invoice())
    assert (found.value, found.leaves[0].cause) == ("UNKNOWN", "UNSURE")
    assert f.value_of(INVOICE, invoice(), unique={("INVOICE", "INV7"): False}) == "UNKNOWN"
    assert f.value_of(INVOICE, invoice(source="buyer"), **UNIQUE) == "UNKNOWN"


def test_a_reversed_invoice_and_one_of_two_deliveries_back_nothing():
    """The last word of the issuer counts; one number of two consignments is not unique."""
    back = invoice("invoice_reversed", at=33)
    assert f.value_of(INVOICE, invoice(), back, **UNIQUE) == "UNKNOWN"
    again = invoice(at=35, name="again")
    assert f.value_of(INVOICE, invoice(), back, again, **UNIQUE) == "TRUE"
    twice = invoice(subject="CONSIGNMENT:ASN-2", number="INV 7", name="other")
    assert f.value_of(INVOICE, invoice(), twice, **UNIQUE) == "UNKNOWN"
    found, _ = f.look(INVOICE, invoice(), **UNIQUE)
    moved = [(None, w.twin_of(twice).facts.slots["seller", "other"])]
    assert not found.holds(found.asked, f.stirred_by(moved))


def test_a_declaration_is_a_document_in_the_state_that_customs_told_last():
    """Released, then cleared: the last word is CLEARED."""
    released = document("IMPORT_DECLARATION", "RELEASED", "CUSTOMS")
    known = {"unique": {("IMPORT_DECLARATION", "D1"): True}}
    facts = w.proofs()[:2]
    assert f.value_of(released, *facts, **known) == "TRUE"
    cleared = (w.customs("cleared", day(32)), day(32))
    assert f.value_of(released, *facts, cleared, **known) == "UNKNOWN"
    assert f.value_of(document("EXPORT_DECLARATION", "RELEASED", "CUSTOMS"), *facts) == "UNKNOWN"


def test_any_other_document_is_known_by_being_attached():
    """A certificate of origin that the seller attached to its invoice."""
    asked = document("CERT_ORIGIN", "PRESENTED", "SELLER")
    with_it = invoice(evidence=("CERT_ORIGIN;ab12;file",))
    known = {"unique": {("CERT_ORIGIN", "ab12"): True}}
    assert f.value_of(asked, with_it, **known) == "TRUE"
    assert f.value_of(asked, invoice(), **known) == "UNKNOWN"


# ---- titles


def title(action, at, holder="BANK", source="wms", **more):
    fields = {"wr_id": "WR-1", "action": action, "holder": holder, "qty": Decimal(40), **more}
    refs = ("LOT:lot-L1",)
    return w.event("wh.warehouse_receipt", "WAREHOUSE_RECEIPT:WR-1", f"{action}-{at}", day(at),
                   source=source, refs=refs, **fields), day(at)  # fmt: skip


LOCKED = {"asset": {"kind": "WAREHOUSE_RECEIPT", "state": "LOCKED", "controller_role": "FINANCIER"}}


def test_a_pledged_title_is_locked_under_the_role_of_its_holder():
    """Pledged to the bank it is; released, or pledged to somebody else, it is not."""
    goods = (w.received(day(30)), day(30))
    held = {"controllers": {"BANK": "FINANCIER"}}
    facts = (goods, title("ISSUE", 31, "S"), title("PLEDGE", 32))
    assert f.value_of(LOCKED, *facts, **held) == "TRUE"
    assert f.value_of(LOCKED, *facts) == "UNKNOWN"
    assert f.value_of(LOCKED, *facts, title("UNPLEDGE", 33), **held) == "UNKNOWN"


def test_who_has_no_role_makes_no_title_and_speaks_against_one():
    """An unlisted source's pledge is none; its word that the title was given away counts."""
    goods = (w.received(day(30)), day(30))
    held = {"controllers": {"BANK": "FINANCIER"}}
    assert f.value_of(LOCKED, goods, title("PLEDGE", 32, source="gossip"), **held) == "UNKNOWN"
    against = title("TRANSFER", 33, "S", source="gossip")
    assert f.value_of(LOCKED, goods, title("PLEDGE", 32), against, **held) == "UNKNOWN"
    same = title("PLEDGE", 33, source="gossip")
    assert f.value_of(LOCKED, goods, title("PLEDGE", 32), same, **held) == "TRUE"


# ---- footprints


def footprint(kg, tkm="1000", of="h1"):
    return Footprinted(
        input_hash=of, co2e_wtw_kg=None if kg is None else Decimal(kg), activity_tkm=Decimal(tkm)
    )


def verified(number, of="h1", source="verifier", on=35, **fields):
    """Somebody has attached the hash of a footprint to a word about the consignment."""
    message = w.event("shipment.noted", HOME, f"verified-{number}", day(on), text="verified",
                      source=source, evidence=(f"VERIFIED_FOOTPRINT;{of};",), **fields)  # fmt: skip
    return message, day(on)


def carbon(value, measure="CO2E_WTW", unit="kgCO2e", assurance="VERIFIED"):
    return {"carbon": {"measure": measure, "op": "<=", "value": value, "unit": unit,
                       "assurance": assurance}}  # fmt: skip


def test_a_footprint_counts_once_a_verifier_has_named_it():
    """By its hash, told by a verifier alone; what has become another one is verified no more."""
    now = {"footprints": {"ASN-1": footprint("2100")}}
    assert f.value_of(carbon("2100"), verified(1), **now) == "TRUE"
    assert f.value_of(carbon("2099"), verified(1), **now) == "UNKNOWN"
    assert f.value_of(carbon("2099"), verified(1), tick=AFTER, **now) == "FALSE"
    for other in (verified(1, of="h0"), verified(1, source="S"), verified(1, source="gossip")):
        assert f.value_of(carbon("2100"), other, **now) == "UNKNOWN"
    assert f.value_of(carbon("2100"), **now) == "UNKNOWN"
    per = carbon("2.1", "INTENSITY", "kgCO2e/tkm")
    assert f.value_of(per, verified(1), **now) == "TRUE"
    less = {"footprints": {"ASN-1": footprint("2100", tkm="999")}}
    assert f.value_of(per, verified(1), **less) == "UNKNOWN"
    part = {"footprints": {"ASN-1": footprint(None)}}
    assert f.value_of(carbon("2100"), verified(1), **part) == "UNKNOWN"


def test_a_verification_that_is_taken_back_is_none():
    """Superseded by another one, or retracted: what rested on it rests on nothing."""
    now = {"footprints": {"ASN-1": footprint("2100")}}
    first = verified(1)
    again = verified(1, of="h2", revision=1, on=36)
    assert f.value_of(carbon("2100"), first, again, **now) == "UNKNOWN"


# ---- people


def test_an_approval_binds_to_what_was_approved():
    """Another hash has lapsed, and who may not agree does not: both are named."""
    asked = {"approval": {"roles": ["BUYER", "INSPECTOR"], "k": 1}}
    act = Assent(review_id="r1", organisation="B", role="BUYER", at=day(40))
    given = {"approvals": (Approved(assent=act, of="h1"),), "approvers": (("B", "BUYER"),)}
    assert f.value_of(asked, approves="h1", **given) == "TRUE"
    found, evaluation = f.look(asked, approves="h2", **given)
    assert evaluation.value == "UNKNOWN"
    assert [(one.event_id, one.reason) for one in found.ignored] == [("r1", "LAPSED")]
    assert f.value_of(asked, approves="h1", **{**given, "approvers": ()}) == "UNKNOWN"


def test_a_leaf_at_a_place_and_an_absence_between_times():
    """A milestone at the named terminal; no exception in the week that is asked."""
    out = w.event("shipment.departed", HOME, "d", day(30), source="carrier", unlocode="CNSHA",
                  facility="T-9")  # fmt: skip
    for place in ("CNSHA", "T-9"):
        assert f.value_of(f.milestone("DEPARTED", "CARRIER", place=place), (out, day(30))) == "TRUE"
    assert f.value_of(f.milestone("DEPARTED", "CARRIER", place="X"), (out, day(30))) == "UNKNOWN"
    odd = w.event("shipment.exception", HOME, "x", day(30, HOUR_US), source="gossip",
                  exception_code="DAMAGED", text="wet")  # fmt: skip
    week = f.absent("SHIPMENT_EXCEPTION", START, END)
    assert f.value_of(week, tick=AFTER) == "TRUE"
    assert f.value_of(week, (odd, day(31)), tick=AFTER) == "FALSE"


def test_sources_are_named_by_patterns():
    """A row for a kind of source holds for each of that kind."""
    rows = (Attester(source="port-*", organisation="p", roles=("CARRIER",)),)
    out = w.event("shipment.departed", HOME, "d", day(30), source="port-7")
    asked = f.milestone("DEPARTED", "CARRIER")
    assert f.value_of(asked, (out, day(30)), attesters=rows) == "TRUE"
    assert f.value_of(asked, (w.with_(out, source="sport-7"), day(30)), attesters=rows) == "UNKNOWN"
