"""Which receipts pay, and what takes them back: by source, by lot and by line."""

import itertools
from decimal import Decimal

import pytest
import settlement_world as w
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from supplytwin.processors import twin as twins
from supplytwin.processors.conditions import evaluate
from supplytwin.schemas.flow import DELEGATION
from supplytwin.schemas.terms import ClaimLine

day = w.day
BEFORE = day(80)
DECLARED, RELEASED, RECEIVED = (pair[0] for pair in w.proofs())


def judged(*facts, lines=("L1",)):
    """(the twin, the verdict) over `facts`, which are the same in every order of up to five."""
    claim = w.claim_terms(lines=tuple(ClaimLine(line_id=one, qty=Decimal(40)) for one in lines))
    terms = w.contract_terms((claim,))
    found = []
    for order in itertools.permutations(facts) if len(facts) < 6 else (facts, facts[::-1]):
        twin = w.twin_of(*((fact, fact.event_time) for fact in (DECLARED, RELEASED, *order)))
        found.append((twin, evaluate(terms, claim, twin, BEFORE)))
    assert len({one.evidence_hash for _, one in found}) == 1
    assert all(twins.canonical(one) == twins.canonical(found[0][0]) for one, _ in found)
    assert all(one == found[0][1] for _, one in found)
    return found[0]


def told(*facts, lines=("L1",)):
    """What is received of each line, as the verdict says."""
    whys = [leaf.why for leaf in judged(*facts, lines=lines)[1].leaves[3:]]
    return [Decimal(why.rpartition("(received ")[2].partition(" ")[0]) for why in whys]


def receipt(name, qty=40, source="wms", **fields):
    return w.received(day(30), qty=qty, event_id=name, source=source, **fields)


def bare(name, qty=40, lot="lot-L1", **fields):
    """A reversal as the vocabulary has it: lot, quantity, reason."""
    about = {"subject_id": lot, "lot_id": lot, "refs": ()}
    return w.reversed_(day(31), qty=qty, event_id=name, **{**about, **fields})


# ---- whose receipts


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("wms", True), ("wms:buyer", True), ("simulated:wms", True), ("simulated:wms:1", True),
        ("simulated:carrier", False), ("simulated", False), ("carrier:x", False), ("wms-1", False),
        ("terminal:3pl", False), ("erp", False), ("inferred:wms", False), ("customs", False),
    ],
)  # fmt: skip
def test_only_a_warehouse_has_received(source, counts):
    """Or what stands in for it in a simulation; what any other source tells pays nothing."""
    found = judged(receipt("a", source=source))[1]
    assert (found.value == "TRUE") is counts
    assert (f"{source}/a" in found.evidence) is counts


def test_two_sources_tell_of_the_same_goods_and_one_source_of_more_goods():
    """Partial deliveries of one source add up; a second source's do not add to them."""
    assert told(receipt("a", 20, "wms:b")) == [20]
    assert told(receipt("a", 20, "wms:b"), receipt("b", 20, "terminal:3pl")) == [20]
    assert told(receipt("a", 20, "wms:b"), receipt("b", 20, "wms:c")) == [20]
    assert told(receipt("a", 20, "wms:b"), receipt("b", 20, "wms:b")) == [40]
    assert told(receipt("a", 20, "wms:b"), receipt("b", 20, "wms:c", lot_id="2")) == [40]


def test_of_two_warehouses_the_one_with_less_is_believed():
    """By what each has of the lot in all, whatever their names."""
    of_b = receipt("1", 15, "wms:b"), receipt("2", 10, "wms:b")
    for other in ("wms:a", "wms:c"):
        assert told(*of_b, receipt("3", 30, other)) == [25]
        assert told(*of_b, receipt("3", 20, other)) == [20]


def test_a_warehouse_is_believed_before_what_stands_in_for_it():
    """Whether it has more or less."""
    for qty in (10, 40):
        assert told(receipt("a", qty, "wms:z"), receipt("b", 20, "simulated:wms")) == [qty]


def test_a_delegate_corrects_a_receipt_in_the_name_of_its_warehouse():
    """It stands in its place beside the others of that source; without a delegation it is none, and
    a warehouse cannot be spoken for by a correction of what a stranger has told."""
    first, other = receipt("a", 20, "wms:b"), receipt("b", 20, "wms:b")
    aim = {"correction_action": "SUPERSEDE", "correction_source": "wms:b",
           "correction_event_id": "a", "revision": 2}  # fmt: skip
    corrected = receipt("c", 15, "clerk", **aim)
    claim = w.claim_terms()
    twin = w.twin_of(*((fact, day(30)) for fact in (DECLARED, RELEASED, first, other)))
    for header, told_now in (((DELEGATION, b"clerk"),), 35), ((), 40):
        taken = w.item(corrected, day(30))
        taken = replace(taken, record=replace(taken.record, headers=header))
        found = evaluate(w.contract_terms(), claim, twins.take(twin, taken).twin, BEFORE)
        assert found.leaves[3].why.endswith(f"(received {told_now} of 40)")
    stranger = receipt("s", 20, "carrier:x")
    of_it = {**aim, "correction_source": "carrier:x", "correction_event_id": "s"}
    assert told(first, stranger, receipt("d", 20, "wms:b", **of_it)) == [20]


# ---- of which line


def test_a_receipt_about_one_line_that_refers_to_another_pays_none():
    """Nobody can tell which of them came, unless it says so; and then not another than its own."""
    about = {"subject_type": "ORDER_LINE", "subject_id": "L9"}
    lines = ("L1", "L9")
    assert told(receipt("a", **about), lines=lines) == [0, 0]
    assert told(receipt("a", line_id="L1", **about), lines=lines) == [0, 0]
    assert told(receipt("a", line_id="L9", **about), lines=lines) == [0, 40]
    assert told(receipt("a", refs=(), **about), lines=lines) == [0, 40]
    both = ("ORDER_LINE:L1", "ORDER_LINE:L9")
    assert told(receipt("a", refs=both), lines=lines) == [0, 0]
    assert told(receipt("a", refs=both, line_id="L1"), lines=lines) == [40, 0]


# ---- reversals that name their lot


def test_a_reversal_that_names_its_lot_alone_takes_the_receipt_back():
    """Payload `lot_id, qty, reason` is the regular form: it counts for money and in the twin."""
    twin, found = judged(receipt("a"), bare("b"))
    assert (found.value, found.against) == ("UNKNOWN", (("wms", "b"),))
    line, lot = twins.subject(twin, "ORDER_LINE", "L1"), twins.subject(twin, "LOT", "lot-L1")
    assert (line.value.net_received, line.state, line.codes) == (0, "SHIPPED", ())
    assert lot.value.on_hand == 0
    assert told(receipt("a"), bare("b", 1)) == [39]


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_type": "HANDLING_UNIT", "subject_id": "H"},
        {"subject_type": "CONSIGNMENT", "subject_id": "ASN-1", "facility": None},
        {"subject_type": "CONSIGNMENT", "subject_id": "ASN-1", "lot_id": "x",
         "refs": ("LOT:lot-L1",)},
    ],
)  # fmt: skip
def test_the_lot_of_a_reversal_is_found_wherever_it_is_named(changes):
    """As the subject, as a reference, or in the payload alone."""
    twin, found = judged(receipt("a"), bare("b", 5, **changes))
    assert found.value == "UNKNOWN"
    assert twins.subject(twin, "ORDER_LINE", "L1").value.net_received == 35


def test_a_receipt_about_its_line_makes_a_lot_which_its_reversal_finds():
    """The lot that its payload names."""
    about_line = receipt("a", subject_type="ORDER_LINE", subject_id="L1", refs=())
    twin, found = judged(about_line, bare("b"))
    assert found.value == "UNKNOWN"
    assert twins.subject(twin, "LOT", "lot-L1").state == "EXPECTED"


def test_it_takes_back_from_every_line_that_receipts_of_its_lot_name():
    """Of two lines that share a lot nobody has said which; one of another lot is not touched."""
    shared = receipt("a"), receipt("b", line="L2", lot_id="lot-L1", subject_id="lot-L1")
    other = receipt("c", line="L3")
    lines = ("L1", "L2", "L3")
    assert told(*shared, other, lines=lines) == [40, 40, 40]
    assert told(*shared, other, bare("d", 3), lines=lines) == [37, 37, 40]
    named = bare("d", 3, refs=("ORDER_LINE:L2",))
    assert told(*shared, other, named, lines=lines) == [40, 37, 40]


def test_it_follows_receipts_that_come_and_go():
    """A receipt of the lot that is taken back leaves the line alone; a later one is hit again."""
    first, back = receipt("a"), bare("b", 5)
    gone = replace(first, event_id="r", revision=2, correction_action="RETRACT",
                   correction_event_id="a")  # fmt: skip
    again = replace(first, revision=3, qty=Decimal(60))
    assert told(first, back) == [35]
    twin, found = judged(first, back, gone)
    assert twins.subject(twin, "ORDER_LINE", "L1").value.exceptions == ()
    assert found.leaves[3].why.endswith("(received 0 of 40)")
    assert told(first, back, gone, again) == [55]


def test_a_reversal_in_contradiction_is_adverse_and_a_planned_one_is_nothing():
    """What names the lot alone is looked at as what names the line."""
    one, two = bare("b", 5), bare("b", 6)
    found = judged(receipt("a"), one, two)[1]
    assert (found.value, found.adverse) == ("TRUE", (("wms", "b"),))
    planned = replace(one, classifier="PLANNED")
    twin, found = judged(receipt("a"), planned)
    assert (found.value, found.against) == ("TRUE", ())
    assert twins.subject(twin, "ORDER_LINE", "L1").value.net_received == 40


def test_a_cut_that_remembers_hears_of_a_reversal_of_the_lot():
    """What the last cut found of a line rests on its lots, too: received before, it is no more when
    the release comes."""
    chain = w.Chain().reserved().facts((DECLARED, day(30)), (receipt("a"), day(30)))
    chain.cut(day(32))
    chain.facts((bare("b", 5), day(33)))
    chain.cut(day(34))
    chain.facts((w.customs("released", day(35)), day(35)))
    chain.cut(day(36))
    assert (chain.state(), chain.pays()) == ("RESERVED", [])
    chain.facts((receipt("c", 5), day(37)))
    chain.cut(day(38))
    assert len(chain.pays()) == 1


def test_a_cut_that_remembers_hears_of_what_a_reversal_may_be_of():
    """A receipt of another lot that the reversal names tells whose goods went: not the line's."""
    wrong = bare("x", refs=("LOT:lot-X", "ORDER_LINE:L2"))
    proofs = ((DECLARED, day(30)), (RELEASED, day(30)), (receipt("a"), day(30)))
    chain = w.Chain().reserved().facts(*proofs, (wrong, day(31)))
    chain.cut(day(32))
    assert chain.pays() == []
    chain.facts((receipt("b", line="L2", subject_id="lot-X", lot_id="lot-X"), day(33)))
    chain.cut(day(34))
    assert len(chain.pays()) == 1


LOTS, LINES = ("1", "2"), ("L1", "L2", "L3")


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_reversal_of_a_lot_does_what_one_does_that_names_its_lines(random):
    """In any order, with facts that are taken back, told as plans, or about the line itself: every
    line is as if each reversal named the lines of its lot, which are read off the facts here."""
    facts = [_moving(random, number) for number in range(random.randint(2, 9))]
    gone = [one for one in facts if random.random() < 0.2]
    stands = [one for one in facts if one not in gone and one.classifier == "ACTUAL"]
    taken_back = [
        replace(one, event_id=f"r{one.event_id}", correction_action="RETRACT",
                correction_event_id=one.event_id)
        for one in gone
    ]  # fmt: skip
    told = [*facts, *taken_back]
    random.shuffle(told)
    found = w.twin_of(*((one, day(50)) for one in told))
    for one in stands:
        if one.event_type == "wh.receipt_reversed" and not _lines(one):
            named = {line for other in stands for line in _shared(other, one)}
            told = [replace(one, refs=tuple(sorted(named))) if same == one else same
                    for same in told]  # fmt: skip
    random.shuffle(told)
    spelled = w.twin_of(*((one, day(50)) for one in told))
    for name in LINES:
        one, other = (twins.subject(each, "ORDER_LINE", name) for each in (found, spelled))
        assert (one is None) == (other is None)
        if one is not None:
            pending = [fact.event.event_id for fact in one.value.pending]
            assert pending == [fact.event.event_id for fact in other.value.pending]
            assert replace(one.value, pending=()) == replace(other.value, pending=())
            assert (one.state, one.codes) == (other.state, other.codes)


def _moving(random, number):
    """A receipt or a reversal of one of two lots; mostly the latter name no line."""
    lot, lines = random.choice(LOTS), random.sample(LINES, random.choice((1, 1, 2)))
    is_receipt = random.random() < 0.6
    fields = {
        "lot_id": lot, "subject_id": lot, "event_id": str(number), "qty": random.choice((1, 5, 20)),
        "classifier": random.choice(("ACTUAL",) * 6 + ("PLANNED",)), "line": "L1",
        "refs": tuple(f"ORDER_LINE:{one}" for one in lines),
    }  # fmt: skip
    if is_receipt and random.random() < 0.3:
        fields |= {"subject_type": "ORDER_LINE", "subject_id": lines[0], "refs": ()}
    if is_receipt and random.random() < 0.5:
        fields["line_id"] = lines[0]
    if not is_receipt and random.random() < 0.8:
        fields["refs"] = ()
    at = day(30, random.randrange(20) * 1_000_000 + number)
    return (w.received if is_receipt else w.reversed_)(at, **fields)


def _lines(fact):
    own = (f"{fact.subject_type}:{fact.subject_id}",)
    return {ref for ref in (*own, *fact.refs) if ref.startswith("ORDER_LINE:")}


def _shared(fact, reversal):
    """The lines that `fact` names, when it is a receipt of the lot of `reversal`."""
    if fact.event_type != "wh.received" or fact.lot_id != reversal.lot_id:
        return set()
    named = {f"ORDER_LINE:{fact.line_id}"} & _lines(fact)
    return named or _lines(fact)


# ---- a reversal takes from its own lot


@pytest.mark.parametrize(
    "never_counted",
    [
        receipt("wrong", facility="WH-9", subject_id="lot-A", lot_id="lot-A"),
        receipt("carried", source="carrier:x", subject_id="lot-A", lot_id="lot-A"),
        w.received(day(65), event_id="late", subject_id="lot-A", lot_id="lot-A"),
    ],
    ids=lambda one: one.event_id,
)
def test_goods_that_never_counted_are_taken_back_without_loss(never_counted):
    """Booked elsewhere, by no witness or too late, and reversed: the other lot stands in full."""
    back = bare("back", lot="lot-A", source=never_counted.source)
    assert told(never_counted, back, receipt("good")) == [40]
    assert told(never_counted, bare("back", lot="lot-L1"), receipt("good")) == [0]


def test_what_is_taken_back_of_a_lot_that_nobody_knows_is_missing():
    """A reversal that names the line, or two lots of it, is of goods that may have counted."""
    other = receipt("b", subject_id="lot-B", lot_id="lot-B")
    unknown = w.reversed_(day(31), qty=5, event_id="x", subject_id="lot-X", lot_id="lot-X")
    both = bare("y", qty=5, refs=("LOT:lot-B",))
    assert told(receipt("a"), unknown) == [35]
    assert told(receipt("a"), other, both) == [75]
    assert told(receipt("a"), other, bare("z", qty=60)) == [20], "more than ever came of it"
    assert told(receipt("a"), other, bare("z"), bare("y", source="carrier:x")) == [40]
    stranger = receipt("c", qty=1, source="carrier:x", subject_id="lot-X", lot_id="lot-X")
    assert told(receipt("a"), stranger, unknown) == [35], "who has no say lifts no reversal"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_id": "WH-1/lot-7", "lot_id": "lot-7"},
        {"subject_type": "CONSIGNMENT", "subject_id": "ASN-1", "lot_id": "lot-7",
         "refs": ("LOT:B-1", "ORDER_LINE:L1")},
    ],
)  # fmt: skip
def test_a_reversal_may_call_the_lot_as_the_receipt_did(changes):
    """By the receipt's `lot_id`, also where that names another lot by subject or reference."""
    about = {"subject_type": "CONSIGNMENT", "subject_id": "ASN-1", "refs": (), "lot_id": "lot-7"}
    assert told(receipt("a", **changes), w.reversed_(day(31), event_id="b", **about)) == [0]


def test_a_lot_that_was_renamed_is_taken_back_by_its_old_name():
    """By a revision, or by a receipt that supersedes it."""
    old = receipt("a", subject_id="lot-A", lot_id="lot-A")
    revised = w.with_(old, revision=2, subject_id="lot-B", lot_id="lot-B")
    newer = w.with_(
        revised, event_id="c", correction_action="SUPERSEDE", correction_event_id="a",
        correction_source="wms",
    )  # fmt: skip
    mistyped = receipt("z", line="L9", subject_id="lot-A", lot_id="lot-A")
    assert told(old, revised, mistyped, bare("x", lot="lot-A")) == [40], "another lot by now"
    for renamed in (revised, newer):
        assert told(old, renamed) == [40]
        assert told(old, renamed, bare("x", lot="lot-A")) == [0]
        assert told(old, renamed, bare("x", lot="lot-B")) == [0]


def test_a_reversal_that_names_a_line_without_goods_of_its_lot_takes_them_where_they_are():
    """Also where the receipt refers to both lines, and says of which it is."""
    wrong = bare("x", refs=("ORDER_LINE:L2",))
    both = ("ORDER_LINE:L1", "ORDER_LINE:L2")
    assert told(receipt("a"), wrong) == [0]
    assert told(receipt("a", line_id="L1", refs=both), wrong) == [0]
    two = receipt("b", line="L2", subject_id="lot-L1", lot_id="lot-L1")
    assert told(receipt("a"), two, wrong, lines=("L1", "L2")) == [40, 0]


def test_who_has_no_say_turns_no_reversal_away():
    """A carrier's receipt of the lot for another line leaves the goods of this one gone."""
    wrong = bare("x", refs=("ORDER_LINE:L2",))
    stranger = receipt("c", line="L2", source="carrier:x", subject_id="lot-L1", lot_id="lot-L1")
    assert told(receipt("a"), wrong, stranger) == [0]
    assert told(receipt("a"), wrong, w.with_(stranger, source="wms")) == [40]
    old = receipt("a", subject_id="lot-A", lot_id="lot-A")
    new = w.with_(old, revision=2, subject_id="lot-B", lot_id="lot-B")
    other = receipt("d", line="L9", source="carrier:x", subject_id="lot-A", lot_id="lot-A")
    assert told(old, new, bare("y", lot="lot-A"), other) == [0]


# ---- who is believed


def test_a_better_source_is_believed_also_when_it_tells_less():
    """Its receipt is elsewhere, too late or taken back: what stands in for it has no say."""
    stand_in = receipt("s", source="simulated:wms")
    real = receipt("a")
    gone = w.with_(
        real, event_id="u", correction_action="RETRACT", correction_event_id="a",
        correction_source="wms", correction_reason="DID_NOT_OCCUR",
    )  # fmt: skip
    assert told(stand_in) == [40]
    assert told(stand_in, w.with_(real, facility="WH-9")) == [0]
    assert told(stand_in, w.with_(real, event_time=day(61))) == [0]
    assert told(stand_in, real, gone) == [0]
    moved = w.with_(real, revision=2, subject_id="lot-B", lot_id="lot-B")
    assert told(stand_in, real, moved) == [40], "the goods of lot B"


def test_of_two_equals_one_that_had_it_come_too_late_has_less():
    """Elsewhere before is no contradiction: goods go from one warehouse to the next."""
    early, late = receipt("x", source="wms:a"), w.received(day(61), event_id="y", source="wms:b")
    assert told(early, late) == [0]
    assert told(early, w.with_(late, event_time=day(30), facility="WH-9")) == [40]


def test_a_lot_that_a_late_revision_names_first_counts():
    """The fact was told in time; what it calls its lot came after the close."""
    claim = w.claim_terms()
    first = receipt("a", subject_id="lot-A", lot_id="lot-A")
    renamed = w.with_(first, revision=2, subject_id="lot-B", lot_id="lot-B")
    facts = [(one, day(30)) for one in (DECLARED, RELEASED, first)]
    twin = w.twin_of(*facts, (renamed, day(91)))
    assert evaluate(w.contract_terms((claim,)), claim, twin, day(92)).value == "TRUE"


@pytest.mark.parametrize("line", [{"line": "L9"}, {"refs": ()}])
def test_a_cut_that_remembers_is_told_of_what_a_receipt_supersedes(line):
    """What comes later and never was of the line changes nothing."""
    newer = receipt("b", subject_id="lot-B", lot_id="lot-B", correction_action="SUPERSEDE",
                    correction_event_id="a", correction_source="wms")  # fmt: skip
    old = receipt("a", subject_id="lot-A", lot_id="lot-A", **line)
    facts = ((DECLARED, day(30)), (newer, day(30)), (bare("x", lot="lot-A"), day(31)))
    one, other = w.Chain().reserved(), w.Chain().reserved()
    one.facts(*facts)
    one.cut(day(32))
    one.facts((old, day(33)))
    one.cut(day(34))
    one.facts((RELEASED, day(35)))
    one.cut(day(36))
    other.facts(*facts, (old, day(33)), (RELEASED, day(35)))
    other.cut(day(36))
    assert len(one.pays()) == len(other.pays()) == 1


# ---- deliveries that share a line


def test_a_receipt_pays_one_of_the_deliveries_that_share_a_line():
    """The one that it names; one that names neither, or both, pays none."""
    whole = (ClaimLine(line_id="L1", qty=Decimal(40)),)
    claims = (w.claim_terms(1), w.claim_terms(2, lines=whole))
    terms = w.contract_terms(claims)
    customs = [fact for number in (1, 2) for fact, _ in w.proofs(number)[:2]]

    def paid(also=None, **fields):
        facts = (*customs, receipt("a", **fields), *([] if also is None else [also]))
        twin = w.twin_of(*((fact, fact.event_time) for fact in facts))
        return [evaluate(terms, claim, twin, BEFORE).value == "TRUE" for claim in claims]

    line = "ORDER_LINE:L1"
    assert paid(asn="ASN-1") == [True, False]
    assert paid(refs=("CONSIGNMENT:ASN-2", line)) == [False, True]
    assert paid() == [False, False]
    assert paid(asn="ASN-1", refs=("CONSIGNMENT:ASN-2", line)) == [False, False]
    less = receipt("b", qty=5)
    stand_in = {"asn": "ASN-1", "source": "simulated:wms"}
    assert paid(**stand_in) == [True, False]
    assert paid(**stand_in, also=less) == [False, False], "one who names none has a say in less"
    assert paid(asn="ASN-1", also=w.with_(less, source="wms:b")) == [False, False]
    other = receipt("b", source="wms:b", asn="ASN-2")
    assert paid(asn="ASN-1", also=other) == [False, False], "one lot, two deliveries"
    of_one = w.contract_terms(claims[:1])
    twin = w.twin_of(*((fact, fact.event_time) for fact in (*customs, receipt("a"))))
    assert evaluate(of_one, claims[0], twin, BEFORE).value == "TRUE"
