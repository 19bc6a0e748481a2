"""Releases that say of how much they are: which of them stand, and whether they cover the claim."""

import itertools
import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import condition_facts_world as f
import pytest
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import twin as twins
from supplytwin.processors.condition_facts import built
from supplytwin.processors.condition_facts_asked import Attester, ClaimAsked, ClaimLine
from supplytwin.processors.condition_facts_look import Look
from supplytwin.processors.condition_facts_releases import is_shared_out
from supplytwin.processors.condition_view import Ordered
from supplytwin.processors.fixing import Fixing, fixing
from supplytwin.schemas.events import DeclarationLine
from supplytwin.schemas.ids import SECOND_US

day = w.day
HOME, RIVAL, LINE = "CONSIGNMENT:K1", "CONSIGNMENT:K2", "ORDER_LINE:1"
IMPORTED = f.milestone("IMPORT_RELEASED", "CUSTOMS")
ANY = f.milestone("CUSTOMS_RELEASED", "CUSTOMS")
FREE = f.milestone("FREE_TO_DELIVER", "CUSTOMS")
IMPORT_FREE = f.milestone("IMPORT_FREE_TO_DELIVER", "CUSTOMS")
AFTER = day(90) + 1
ALONE: tuple[str, ...] = ()
APPROVED = Fixing(at=day(42))


def ordered(qty: int = 100, line: str = "1", unit: str = "EA", **more: Any) -> Ordered:
    return Ordered(line=line, qty=Decimal(qty), unit=unit, **more)


def question(
    value: Any, *lines: Ordered, rivals: tuple[str, ...] = ("K2",), tick: int = day(80),
    **changes: Any,
) -> ClaimAsked:  # fmt: skip
    """Of a claim of consignment K1, of what was ordered."""
    lines = lines or (ordered(),)
    base = f.asked(value, tick=tick)
    fixed = changes.get("fixing") is not None
    scope = replace(base.scope, lines=lines, fixed=fixed)
    own = tuple(ClaimLine(line=one.line, rivals=rivals) for one in lines)
    fields = {"scope": scope, "consignment_id": "K1", "lines": own, "ordered": lines}
    return replace(base, **{**fields, **changes})


def of(asked: ClaimAsked, *facts: Any) -> str:
    """The value of a condition over facts, each of which arrives as it happens."""
    return of_told(asked, *timed(*facts))


def timed(*facts: Any) -> list[tuple[Any, int]]:
    """Each with when it arrives: as it happens, unless it is told already."""
    return [one if isinstance(one, tuple) else (one, one.event_time) for one in facts]


def of_told(asked: ClaimAsked, *facts: tuple[Any, int]) -> str:
    """The value of a condition over facts and when they arrive."""
    told = built(w.twin_of(*facts), asked)
    return f.evaluate(asked.condition, told.evidence, asked.scope).value


def filed(name: str = "D1", *refs: str, on: float = 30, **fields: Any) -> Any:
    return w.declared(day(on), name, refs=refs or (HOME,), **fields)


def free(qty: int | None, on: float, name: str = "D1", **fields: Any) -> Any:
    stated = None if qty is None else Decimal(qty)
    id = f"{name} {on} {fields.get('source', '')}"
    return w.customs("released", day(on), name, id, qty=stated, **fields)


def shipped(qty: int, line: str = "1", home: str = "K1", on: float = 20) -> Any:
    refs = (f"ORDER_LINE:{line}", f"CONSIGNMENT:{home}")
    return w.event("wh.dispatched", refs[0], f"out {line} {home}", day(on), source="wms",
                   hu_ids=(), lot_id=f"from-{line}", consignment_id=home, qty=Decimal(qty),
                   refs=refs)  # fmt: skip


def arrived(qty: int, on: float = 40, lot: str = "L", home: str = "K1", **fields: Any) -> Any:
    base = {"lot_id": lot, "asn": home, "refs": (LINE, f"CONSIGNMENT:{home}"),
            "subject_id": lot, **fields}  # fmt: skip
    return w.received(day(on), qty, "1", f"in {lot}", **base)


# ---- which of them stand


def test_a_release_that_was_revoked_is_not_added_to_the_next_one() -> None:
    """50 released, revoked, and 50 again are 50; what comes after the revocation adds up."""
    asked = question(IMPORTED, rivals=ALONE)
    revoked = w.customs("release_revoked", day(32))
    facts = (filed(), free(50, 31), revoked, free(50, 33))
    assert of(asked, *facts) == "UNKNOWN"
    assert of(asked, *facts, free(50, 34)) == "TRUE"
    assert of(asked, filed(), free(50, 31), free(50, 33)) == "TRUE"


@pytest.mark.parametrize("qty", [100, None])
@pytest.mark.parametrize("type_", ["IMPORT_RELEASED", "FREE_TO_DELIVER"])
def test_a_release_that_was_revoked_is_not_the_first_one_when_it_is_given_again(
    type_: str, qty: int | None
) -> None:
    """By day 32 it was released and revoked; what is released on day 33 comes too late for that."""
    facts = (filed(), free(qty, 31), w.customs("release_revoked", day(32)), free(qty, 33))
    for before, expected in (("2025-02-02", "FALSE"), ("2025-02-04", "TRUE")):
        leaf = f.milestone(type_, "CUSTOMS", before=f"{before}T00:00:00+00:00")
        assert of(question(leaf, rivals=ALONE, tick=AFTER), *facts) == expected


def test_a_release_of_an_ended_declaration_is_not_added() -> None:
    """50 of a declaration that was cancelled, and 50 of another one, are 50."""
    asked = question(IMPORTED, rivals=ALONE)
    facts = (filed("D2"), free(50, 31, "D2"), filed(), free(50, 33))
    assert of(asked, *facts) == "TRUE"
    assert of(asked, *facts, w.customs("cancelled", day(32), "D2")) == "UNKNOWN"
    assert of(asked, *facts, w.customs("rejected", day(32), "D2")) == "UNKNOWN"


@pytest.mark.parametrize("leaf", [IMPORTED, ANY, FREE, IMPORT_FREE])
def test_releases_of_two_regimes_are_not_added(leaf: Any) -> None:
    """What left is what came: 60 of the export and 40 of the import are not 100 of either."""
    asked = question(leaf, rivals=ALONE)
    away = filed("X", regime="EXPORT")
    assert of(asked, away, free(60, 31, "X"), filed(), free(40, 33)) == "UNKNOWN"
    assert of(asked, away, free(60, 31, "X"), filed(), free(40, 33), free(60, 34)) == "TRUE"


def test_what_two_sources_tell_of_one_declaration_is_told_of_the_same_goods() -> None:
    """Of one source its releases add up; of two the one counts that has told more of them; and
    another organisation's are its own.
    """
    more = (*f.SOURCES, Attester(source="port", organisation="customs-org", roles=("CUSTOMS",)),
            Attester(source="other", organisation="other-org", roles=("CUSTOMS",)))  # fmt: skip
    asked = question(IMPORTED, rivals=ALONE, attesters=more)
    for source in ("port", "other"):
        assert of(asked, filed(), free(50, 31), free(50, 33, source=source)) == "UNKNOWN"
    second = filed("D2"), free(50, 33, "D2", source="port")
    assert of(asked, filed(), free(50, 31), *second) == "TRUE"
    strange = filed("D2"), free(50, 33, "D2", source="other")
    assert of(asked, filed(), free(50, 31), *strange) == "UNKNOWN"


def test_what_is_held_is_not_added_to_what_is_free() -> None:
    """Duty is owed for 60 of 100: released they are, free to deliver only 40."""
    duty = {"amount": Decimal(5), "currency": "EUR", "basis": "PAYMENT"}
    owed = w.event("customs.duty_assessed", "DECLARATION:D2", "owed", day(31), **duty)
    facts = (filed(), free(40, 33), filed("D2"), free(60, 32, "D2"), owed)
    assert of(question(ANY, rivals=ALONE), *facts) == "TRUE"
    assert of(question(FREE, rivals=ALONE), *facts) == "UNKNOWN"
    paid = w.event("customs.duty_paid", "DECLARATION:D2", "paid", day(34), **duty)
    assert of(question(FREE, rivals=ALONE), *facts, paid) == "TRUE"


# ---- of how much the claim is


def test_a_claim_of_a_consignment_among_others_needs_what_its_condition_asks_for() -> None:
    """Of 100 ordered K1 is 40: a release that states 40 is whole, one of 30 is not."""
    asked = question({"all": [IMPORTED, f.quantity("1", 40)]})
    facts = (filed(), arrived(40))
    assert of(asked, *facts, free(40, 31)) == "TRUE"
    assert of(asked, *facts, free(30, 31)) == "UNKNOWN"
    assert of(asked, *facts, free(30, 31), free(10, 32)) == "TRUE"
    either = question({"all": [IMPORTED, {"any": [f.quantity("1", 40), ANY]}]})
    assert of(either, filed(), free(40, 31)) == "UNKNOWN"


def test_it_needs_all_that_was_shipped_or_received_of_it() -> None:
    """What came beyond that has not been released; what was taken back need not be."""
    asked = question(IMPORTED)
    assert of(asked, filed(), free(40, 31)) == "UNKNOWN"
    assert of(asked, filed(), free(40, 31), shipped(40)) == "TRUE"
    assert of(asked, filed(), free(40, 31), shipped(41)) == "UNKNOWN"
    assert of(asked, filed(), free(40, 31), arrived(40)) == "TRUE"
    assert of(asked, filed(), free(40, 31), shipped(40), arrived(40), arrived(9, lot="M")) == (
        "UNKNOWN"
    )
    back = w.reversed_(day(41), 9, "1", lot_id="M", subject_id="M", refs=(LINE, HOME))
    more = (shipped(40), arrived(40), arrived(9, lot="M"), back)
    assert of(asked, filed(), free(40, 31), *more) == "TRUE"
    assert of(asked, filed(), free(40, 31), shipped(40), shipped(60, home="K2")) == "TRUE"


def test_of_goods_by_mass_it_needs_what_was_declared_when_nothing_else_is_known() -> None:
    """40 kg were declared, and 40 were released; of pieces the mass says nothing."""
    mass = DeclarationLine(line_no=1, value=Decimal(1), currency="EUR", net_mass_kg=Decimal(40))
    paper = filed(declaration_lines=(mass,))
    for unit, expected in (("KGM", "TRUE"), ("EA", "UNKNOWN")):
        asked = question(IMPORTED, ordered(unit=unit))
        assert of(asked, paper, free(40, 31)) == expected
        assert of(asked, paper, free(39, 31)) == "UNKNOWN"
    tonnes = question(IMPORTED, ordered(unit="TNE"))
    assert of(tonnes, paper, free(1, 31)) == "TRUE"
    unsaid = filed(declaration_lines=(mass, replace(mass, line_no=2, net_mass_kg=None)))
    assert of(question(IMPORTED, ordered(unit="KGM")), unsaid, free(40, 31)) == "UNKNOWN"


def test_a_claim_that_has_the_line_to_itself_needs_what_was_ordered() -> None:
    """Less what the tolerance allows, where less came."""
    alone = question(IMPORTED, rivals=ALONE)
    assert of(alone, filed(), free(95, 31), shipped(95)) == "UNKNOWN"
    loose = question(IMPORTED, ordered(short_bp=500), rivals=ALONE)
    assert of(loose, filed(), free(95, 31)) == "UNKNOWN"
    assert of(loose, filed(), free(95, 31), shipped(95)) == "TRUE"
    assert of(loose, filed(), free(95, 31), shipped(98)) == "UNKNOWN"
    assert of(loose, filed(), free(94, 31), shipped(94)) == "UNKNOWN"
    assert of(loose, filed(), free(100, 31), shipped(110)) == "TRUE"


def test_a_claim_of_a_lot_needs_the_lot() -> None:
    """What the terms say of it; a declaration of the line alone may be of any lot."""
    line = ordered(lots=(("5", Decimal(40)), ("6", Decimal(60))))
    asked = question(IMPORTED, line, rivals=ALONE, lots=("5",), consignment_id=None)
    assert of(asked, filed("D1", "LOT:5"), free(40, 31)) == "TRUE"
    assert of(asked, filed("D1", "LOT:5", LINE), free(39, 31)) == "UNKNOWN"
    assert of(asked, filed("D1", LINE), free(40, 31)) == "UNKNOWN"
    assert of(asked, filed("D1", "LOT:5", "LOT:6"), free(40, 31)) == "UNKNOWN"
    assert of(asked, filed("D1", LINE), free(100, 31)) == "TRUE"
    assert of(asked, filed("D1", LINE), free(60, 31), filed("D2", "LOT:5"), free(40, 32, "D2")) == (
        "TRUE"
    )


@pytest.mark.parametrize("unit", ["EA", "KGM"])
def test_a_claim_of_a_lot_needs_nothing_of_a_line_that_has_none_of_it(unit: str) -> None:
    """The terms say of which line it is; what is told of it on the other one is needed, too."""
    lines = ordered(lots=(("5", Decimal(40)),)), ordered(50, "2", unit)
    asked = question(IMPORTED, *lines, rivals=ALONE, lots=("5",), consignment_id=None)
    assert of(asked, filed("D1", "LOT:5"), free(40, 31)) == "TRUE"
    assert of(asked, filed("D1", "LOT:5"), free(39, 31)) == "UNKNOWN"
    other = arrived(7, lot="5", refs=("ORDER_LINE:2",), uom=unit)
    assert of(asked, filed("D1", "LOT:5"), free(40, 31), other) == "UNKNOWN"
    unsaid = question(IMPORTED, *lines, rivals=ALONE, lots=("6",), consignment_id=None)
    assert of(unsaid, filed("D1", "LOT:6"), free(40, 31)) == "UNKNOWN"


def test_a_declaration_of_several_consignments_has_to_be_released_whole() -> None:
    """40 of 100 may be those of the other one; a release that states nothing is of all."""
    asked = question({"all": [IMPORTED, f.quantity("1", 40)]})
    paper = filed("D1", HOME, RIVAL)
    assert of(asked, paper, arrived(40), free(40, 31)) == "UNKNOWN"
    assert of(asked, paper, arrived(40), free(100, 31)) == "TRUE"
    assert of(asked, paper, arrived(40), free(None, 31)) == "TRUE"


def test_a_stranger_narrows_no_declaration() -> None:
    """By his word it is of the claim's goods alone, or of less of them: for nothing. That it is of
    others, too, counts whoever tells it.
    """
    lot = {"rivals": ALONE, "lots": ("5",), "consignment_id": None}
    line = ordered(lots=(("5", Decimal(40)), ("6", Decimal(60))))

    def told(*refs: str, **fields: Any) -> Any:
        return filed("D1", *refs, source="gossip", event_id="gossip", **fields)

    facts = (filed("D1", LINE), free(40, 31))
    assert of(question(IMPORTED, line, **lot), *facts, told("LOT:5", LINE)) == "UNKNOWN"
    two = question(IMPORTED, ordered(), ordered(50, "2", "KGM"), rivals=ALONE)
    facts = (filed("D1", HOME), free(100, 31), filed("D2", HOME, "ORDER_LINE:2"))
    assert of(two, *facts, free(50, 32, "D2"), told(HOME, LINE)) == "UNKNOWN"
    mass = DeclarationLine(line_no=1, value=Decimal(1), currency="EUR", net_mass_kg=Decimal(40))
    bare = w.event("customs.accepted", "DECLARATION:D1", "a", day(30.5), mrn="M",
                   accepted_time=day(30.5), refs=(HOME,))  # fmt: skip
    light = told(HOME, declaration_lines=(mass,))
    by_mass = question(ANY, ordered(unit="KGM"))
    assert of(by_mass, bare, free(40, 31), light) == "UNKNOWN"
    assert of(by_mass, bare, free(40, 31), replace(light, source="customs")) == "TRUE"
    part = question(IMPORTED)
    assert of(part, filed(), free(40, 31), shipped(40), told(HOME)) == "TRUE"
    assert of(part, filed(), free(40, 31), shipped(40), told(HOME, RIVAL)) == "UNKNOWN"


def test_a_declaration_of_other_lines_too_has_to_be_released_with_them() -> None:
    """Line 1 is the claim's and line 2 is not; the declaration names both, or the consignment."""
    both = ordered(), ordered(30, "2")
    asked = question(IMPORTED, ordered(), rivals=ALONE, ordered=both)
    lines = filed("D1", HOME, LINE, "ORDER_LINE:2")
    assert of(asked, lines, free(100, 31)) == "UNKNOWN"
    assert of(asked, lines, free(130, 31)) == "TRUE"
    assert of(asked, filed("D1", HOME, LINE), free(100, 31), shipped(30, "2")) == "TRUE"
    assert of(asked, filed(), free(100, 31), shipped(30, "2")) == "UNKNOWN"
    assert of(asked, filed(), free(130, 31), shipped(30, "2")) == "TRUE"


def test_lines_in_two_units_are_released_line_by_line() -> None:
    """A release states no unit: it counts for the one line that its declaration names."""
    lines = ordered(), ordered(50, "2", "KGM")
    asked = question(IMPORTED, *lines, rivals=ALONE)
    assert of(asked, filed(), free(150, 31)) == "UNKNOWN"
    assert of(asked, filed(), free(None, 31)) == "TRUE"
    one, two = filed("D1", HOME, LINE), filed("D2", HOME, "ORDER_LINE:2")
    assert of(asked, one, free(100, 31)) == "UNKNOWN"
    assert of(asked, one, free(100, 31), two, free(50, 32, "D2")) == "TRUE"
    assert of(asked, one, free(100, 31), two, free(49, 32, "D2")) == "UNKNOWN"
    part = question(IMPORTED, *lines)
    assert of(part, filed(), free(40, 31), shipped(40)) == "UNKNOWN"
    assert of(question(IMPORTED, lines[0]), filed(), free(40, 31), shipped(40)) == "TRUE"


@pytest.mark.parametrize("leaf", [IMPORTED, FREE])
@pytest.mark.parametrize("unit", ["EA", "KGM"])
def test_a_line_is_not_released_by_what_is_released_of_another_one(leaf: Any, unit: str) -> None:
    """Ten of line 1 are asked for and none is released; of line 2 nobody knows how much there is,
    then that it is 30: what is beyond that is none of line 1 either.
    """
    lines = ordered(), ordered(900, "2", unit)
    asked = question({"all": [leaf, f.quantity("1", 10)]}, *lines)
    facts = (filed("D1", HOME, LINE), filed("D2", HOME, "ORDER_LINE:2"), arrived(10))
    for more in ((), (shipped(30, "2"),)):
        assert of(asked, *facts, *more, free(500, 31, "D2")) == "UNKNOWN"
    known = (*facts, shipped(30, "2"), free(30, 31, "D2"))
    assert of(asked, *known) == "UNKNOWN"
    assert of(asked, *known, free(10, 32)) == "TRUE"
    alone = question(leaf, ordered(), ordered(50, "2", unit), rivals=ALONE)
    both = (filed("D1", HOME, LINE), filed("D2", HOME, "ORDER_LINE:2"))
    assert of(alone, *both, free(150, 31, "D2")) == "UNKNOWN"
    assert of(alone, *both, free(50, 31, "D2"), free(100, 32)) == "TRUE"


def test_of_goods_by_mass_each_declaration_is_released_for_its_own_mass() -> None:
    """Of line 2 nobody knows how much there is: what was declared of both is asked for, and what is
    released of one declaration is not of the other; of one that says no mass nobody knows.
    """

    def weighed(name: str, line: str, mass: int | None) -> Any:
        net = None if mass is None else Decimal(mass)
        one = DeclarationLine(line_no=1, value=Decimal(1), currency="EUR", net_mass_kg=net)
        return filed(name, HOME, f"ORDER_LINE:{line}", declaration_lines=(one,))

    lines = ordered(unit="KGM"), ordered(900, "2", "KGM")
    asked = question({"all": [IMPORTED, f.quantity("1", 10)]}, *lines)
    goods = (arrived(10, uom="KGM"), weighed("D1", "1", 10))
    both = (*goods, weighed("D2", "2", 500))
    assert of(asked, *both, free(500, 31, "D2")) == "UNKNOWN"
    assert of(asked, *both, free(510, 31, "D2")) == "UNKNOWN"
    assert of(asked, *both, free(500, 31, "D2"), free(10, 32)) == "TRUE"
    assert of(asked, *goods, weighed("D2", "2", None), free(10, 31)) == "UNKNOWN"
    assert of(asked, *goods, weighed("D2", "2", 500), free(10, 31)) == "UNKNOWN"
    more = (arrived(20, lot="M", uom="KGM"), shipped(1, "2"))
    assert of(asked, *both, *more, free(10, 31), free(500, 32, "D2")) == "UNKNOWN"


def test_a_part_is_not_released_after_the_close() -> None:
    """Less than the claim is of is FALSE when its time is over; one that may return is not."""
    asked = question({"all": [IMPORTED, f.quantity("1", 40)]}, tick=AFTER)
    facts = (filed(), arrived(40), free(30, 31))
    assert of(asked, *facts) == "FALSE"
    rest = free(10, 32)
    undo = replace(rest, event_id="undo", event_time=day(33), correction_action="RETRACT",
                   correction_source=rest.source, correction_event_id=rest.event_id)  # fmt: skip
    assert of(asked, *facts, rest, undo) == "UNKNOWN"


def test_goods_that_are_heard_of_after_the_approval_take_no_release_back() -> None:
    """What was approved was released; that less of it is released now does take it back."""
    facts = (filed(), free(30, 31), free(10, 32), shipped(40))
    more = (*facts, arrived(45, on=45))
    assert of(question(IMPORTED), *facts) == "TRUE"
    assert of(question(IMPORTED), *more) == "UNKNOWN"
    assert of(question(IMPORTED, fixing=APPROVED), *more) == "TRUE"
    undo = replace(facts[2], event_id="undo", event_time=day(33), correction_action="RETRACT",
                   correction_source="customs", correction_event_id=facts[2].event_id)  # fmt: skip
    assert of(question(IMPORTED, fixing=APPROVED), *facts, undo) == "UNKNOWN"


def test_a_part_that_is_released_after_the_approval_is_not_all_of_it() -> None:
    """It was approved by something else: what was not released then is not taken for released."""
    facts = (filed(), shipped(40))
    either = question({"any": [IMPORTED, f.quantity("1", 40, "SHIPPED")]}, fixing=APPROVED)
    assert of(either, *facts) == "TRUE"
    assert of(question(IMPORTED, fixing=APPROVED), *facts, free(10, 44)) == "UNKNOWN"
    assert of(question(IMPORTED, fixing=APPROVED), *facts, free(40, 44)) == "TRUE"


def test_what_is_of_another_regime_since_the_approval_is_released_no_longer() -> None:
    """Ten of the forty turn out to have left the other country."""
    paper = filed("D2")
    facts = timed(filed(), paper, shipped(40), free(30, 31), free(10, 31, "D2"))
    fixed = question(IMPORTED, fixing=APPROVED)
    assert of_told(fixed, *facts) == "TRUE"
    away = replace(paper, revision=2, regime="EXPORT")
    assert of_told(fixed, *facts, (away, day(43))) == "UNKNOWN"


def test_what_no_longer_stood_at_the_approval_is_not_missed_after_it() -> None:
    """Less than was ever told: corrected, withdrawn, revoked or cancelled before the approval. What
    was approved did not rest on that, so goods that come later change nothing.
    """
    first = free(100, 31)
    withdrawn = free(60, 31.5)
    undo = replace(withdrawn, event_id="undo", event_time=day(33), correction_action="RETRACT",
                   correction_source="customs",
                   correction_event_id=withdrawn.event_id)  # fmt: skip
    ended = filed("D2"), free(60, 31, "D2"), w.customs("cancelled", day(32), "D2")
    stories: list[list[Any]] = [
        [(first, day(31)), (replace(first, revision=2, qty=Decimal(40)), day(33))],
        [free(40, 31), w.customs("release_revoked", day(32)), free(40, 33)],
        [withdrawn, free(40, 32), undo],
        [*ended, free(40, 33)],
    ]
    for story in stories:
        facts = timed(filed(), shipped(40), *story)
        late = timed(arrived(45, on=45))
        assert of_told(question(IMPORTED), *facts) == "TRUE"
        assert of_told(question(IMPORTED), *facts, *late) == "UNKNOWN"
        assert of_told(question(IMPORTED, fixing=APPROVED), *facts, *late) == "TRUE"
        lost = timed(w.customs("cancelled", day(44)))
        assert of_told(question(IMPORTED, fixing=APPROVED), *facts, *late, *lost) == "UNKNOWN"


@pytest.mark.parametrize("qty", [40, None])
def test_what_stood_at_the_approval_and_stands_no_longer_takes_it_back(qty: int | None) -> None:
    """Corrected to less, in conflict, withdrawn or revoked after it, also when something more is
    released then; one that was of all of it, too.
    """
    first = free(qty, 31)
    less = replace(first, revision=2, qty=Decimal(30))
    undo = replace(first, event_id="undo", event_time=day(43), correction_action="RETRACT",
                   correction_source="customs", correction_event_id=first.event_id)  # fmt: skip
    other = replace(first, qty=Decimal(30))
    revoked = w.customs("release_revoked", day(43))
    facts = timed(filed(), shipped(40), first)
    fixed = question(IMPORTED, fixing=APPROVED)
    assert of_told(fixed, *facts) == "TRUE"
    for after in (less, undo, other, revoked):
        later = ((after, day(43)), (free(30, 44), day(44)))
        assert of_told(fixed, *facts, *later[:1]) == "UNKNOWN"
        expected = "TRUE" if after is less else "UNKNOWN"
        assert of_told(fixed, *facts, *later) == expected
    again = (undo, day(43)), (replace(undo, event_id="u2", correction_event_id="undo"), day(44))
    assert of_told(fixed, *facts, *again, *timed(arrived(45, on=45))) == "TRUE"


def test_what_was_built_before_goods_came_is_built_again_after_them() -> None:
    """The answer follows from the goods, too: it does not hold when more of them come."""
    asked = question(IMPORTED)
    facts = [(one, one.event_time) for one in (filed(), free(40, 31), shipped(40))]
    twin = w.twin_of(*facts)
    kept = built(twin, asked)
    taken = twins.take(twin, w.item(arrived(45), day(40)))
    assert not kept.holds(asked, f.stirred_by(taken.slots))
    assert not kept.holds(question(IMPORTED, fixing=APPROVED), frozenset())


@pytest.mark.parametrize("approved", [None, APPROVED])
@pytest.mark.parametrize("qty", [100, 10**6])
def test_twice_as_many_declarations_are_twice_the_work(
    monkeypatch: pytest.MonkeyPatch, qty: int, approved: Fixing | None
) -> None:
    """What is looked up of subjects and events, whether the releases are enough or not."""
    looked = {"slots": 0, "reached_by": 0}

    def counting(name: str) -> None:
        plain = getattr(Look, name)

        def counted(look: Look, of: Any) -> Any:
            looked[name] += 1
            return plain(look, of)

        monkeypatch.setattr(Look, name, counted)

    for name in looked:
        counting(name)
    work = list[dict[str, int]]()
    for number in (10, 20):
        facts = list[Any]()
        for each in range(number):
            facts += [filed(f"D{each}"), free(10, 31, f"D{each}"), arrived(10, lot=f"L{each}")]
        looked.update(dict.fromkeys(looked, 0))
        of(question(IMPORTED, ordered(qty), rivals=ALONE, fixing=approved), *facts)
        work.append(dict(looked))
    assert all(work[1][name] <= 2.2 * work[0][name] for name in looked), work


# ---- read a second time, one by one


class _Paper:
    """A declaration as it goes: what each source has released of it and was not taken back."""

    def __init__(self) -> None:
        self.regime = ""
        self.told: list[tuple[str, int | None]] = []
        self.is_revoked = self.is_over = self.is_shared = False
        self.lines, self.ids = "", set[str]()


ORGANISATION = {"customs": "a", "port": "a", "other": "b"}


def enough(papers: list[tuple[str, int]], needs: dict[str, int], *, one_unit: bool) -> bool:
    """Whether papers, each of lines or of whichever it may be (""), release so much of each: no
    lines together need more than the papers are of that may be of any of them. In several units a
    paper counts for the one line that it names.
    """
    if not one_unit:
        return all(sum(qty for of, qty in papers if of == one) >= needs[one] for one in needs)
    some = [{"1"}, {"2"}, {"1", "2"}] if len(needs) > 1 else [{"1"}]
    return all(
        sum(qty for of, qty in papers if not of or those & set(of)) >= sum(needs[x] for x in those)
        for those in some
    )


def test_what_is_of_several_lines_is_shared_out_as_far_as_it_goes() -> None:
    """It is enough where no lines together need more than there is of any of them."""
    seen = {True: 0, False: 0}
    for seed in range(2000):
        rng = random.Random(seed)
        lines = "abcd"[: rng.randrange(1, 5)]
        needed = {line: Decimal(rng.randrange(6)) for line in lines}
        there: dict[frozenset[str], Decimal] = {}
        for _ in range(rng.randrange(6)):
            of = frozenset(rng.sample(lines + "z", rng.randrange(1, len(lines) + 1)))
            there[of] = Decimal(rng.randrange(9))
        some = [those for size in range(1, 5) for those in itertools.combinations(lines, size)]
        expected = all(
            sum(needed[line] for line in those)
            <= sum(qty for of, qty in there.items() if not of.isdisjoint(those))
            for those in some
        )
        assert is_shared_out(there, needed) is expected, seed
        seen[expected] += 1
    assert min(seen.values()) > 200, seen


def papers_of(story: list[Any], lines: Iterable[str]) -> dict[str, _Paper]:
    """What became of each declaration, in the order of time."""
    papers: dict[str, _Paper] = {}
    for event in story:
        paper = papers.setdefault(event.subject_id, _Paper())
        kind = event.event_type.partition(".")[2]
        if kind == "declared":
            paper.regime, paper.is_shared = event.regime, RIVAL in event.refs
            paper.lines = "".join(one for one in lines if f"ORDER_LINE:{one}" in event.refs)
        elif kind == "released" and not paper.is_over:
            qty = None if event.qty is None else int(event.qty)
            paper.told.append((event.source, qty))
            paper.ids.add(event.event_id)
            paper.is_revoked = False
        elif kind == "release_revoked":
            paper.is_revoked, paper.told, paper.ids = True, [], set()
        elif kind == "cancelled":
            paper.is_over, paper.told, paper.ids = True, [], set()
    return papers


def covered(
    papers: list[_Paper], organisation: str, needs: dict[str, int | None], *, one_unit: bool
) -> bool:
    """Whether what an organisation has released by papers of one regime is so much of each line of
    what is the claim's alone, or all that was ordered.
    """
    own, whole = list[tuple[str, int]](), list[tuple[str, int]]()
    for paper in papers:
        sums = dict.fromkeys(ORGANISATION, 0)
        for source, qty in paper.told:
            sums[source] += qty or 0
        most = max(sums[one] for one in sums if ORGANISATION[one] == organisation)
        whole.append((paper.lines, most))
        own += [] if paper.is_shared else [(paper.lines, most)]
    known = {line: qty for line, qty in needs.items() if qty is not None}
    if len(known) == len(needs) and enough(own, known, one_unit=one_unit):
        return True
    return enough(whole, dict.fromkeys(needs, 100), one_unit=one_unit)


def second_reading(
    story: list[Any],
    regime: str,
    needs: dict[str, int | None],
    *,
    one_unit: bool = True,
    approved: tuple[int, dict[str, int | None]] | None = None,
) -> bool:
    """Whether some organisation tells that the claim's goods are released, of one regime.
    `approved`: when it was, and how much of each line it was known to be of then; what was covered
    is so until a release that stood then stands no longer.
    """
    papers = papers_of(story, needs)
    if any(one.is_revoked and not one.is_over for one in papers.values()):
        return False
    of_regime = [one for one in papers.values() if one.regime == regime]
    if any(qty is None for one in of_regime for _, qty in one.told):
        return True
    by = ("a", "b")
    if approved is not None:
        at, known = approved
        told = papers_of([one for one in story if one.event_time <= at], needs).values()
        then = [one for one in told if one.regime == regime]
        gone = set[str]().union(*(one.ids for one in then)) - set[str]().union(
            *(one.ids for one in of_regime)
        )
        if not gone and any(covered(then, one, known, one_unit=one_unit) for one in by):
            return True
    return any(covered(of_regime, one, needs, one_unit=one_unit) for one in by)


def _story(rng: random.Random, *lines: str) -> list[Any]:
    """Declarations of two regimes and what becomes of them, in the order of time; of some lines or
    of none.
    """
    names = ("D1", "D2", "X1", "X2")
    told, at = list[Any](), day(30)
    for name in names:
        regime = "EXPORT" if name[0] == "X" else "IMPORT"
        refs = (HOME, RIVAL) if rng.random() < 0.25 else (HOME,)
        named = rng.choice((*lines, *lines, "", "".join(lines))) if lines else ()
        refs += tuple(f"ORDER_LINE:{one}" for one in named)
        told.append(w.declared(at, name, refs=refs, regime=regime))
    kinds = ("released",) * (12 if lines else 6) + ("release_revoked", "cancelled")
    over = set[str]()
    for number in range(rng.randrange(1, 9) * (2 if lines else 1)):
        name, kind = rng.choice(names), rng.choice(kinds)
        at += SECOND_US * rng.randrange(1, 50)
        fields: dict[str, Any] = {}
        if kind == "released":
            stated = rng.choice((10, 20, 20, 40, 60, None if rng.random() < 0.1 else 30))
            fields = {"qty": None if stated is None else Decimal(stated),
                      "source": rng.choice(tuple(ORGANISATION))}  # fmt: skip
        elif name in over:
            continue
        over |= {name} if kind == "cancelled" else set()
        told.append(w.customs(kind, at, name, f"{number}", **fields))
    return told


def test_a_second_reading_finds_the_same_releases_whole() -> None:
    """Over random lives of four declarations, some of them of another consignment, too, by adding
    up one by one what stands.
    """
    listed = tuple(
        Attester(source=source, organisation=organisation, roles=("CUSTOMS",))
        for source, organisation in ORGANISATION.items()
    )
    seen: dict[tuple[str, bool], int] = {}
    for seed in range(400):
        rng = random.Random(seed)
        story, need = _story(rng), rng.choice((20, 40, 60))
        some = shipped(need), arrived(need), arrived(need - 10)
        goods = rng.choice((some[:1], some[1:2], (some[0], some[2])))
        told = rng.sample([*story, *goods], len(story) + len(goods))
        for regime in ("IMPORT", "EXPORT"):
            asked = question(f.milestone(f"{regime}_RELEASED", "CUSTOMS"),
                             attesters=(*f.SOURCES[1:], *listed))  # fmt: skip
            expected = second_reading(story, regime, {"1": need})
            assert (of(asked, *told) == "TRUE") is expected, (seed, regime)
            stands = any(getattr(one, "qty", None) is not None for one in story)
            key = ("stated" if stands else "none", expected)
            seen[key] = seen.get(key, 0) + 1
    assert seen["stated", True] > 50 and seen["stated", False] > 50


def test_a_second_reading_finds_the_same_releases_of_several_lines_whole() -> None:
    """Line 2 in the unit of line 1 or in another one; of some stories nobody knows how much of it
    there is. What is not by mass is released by what is known of each line, or whole.
    """
    listed = tuple(
        Attester(source=source, organisation=organisation, roles=("CUSTOMS",))
        for source, organisation in ORGANISATION.items()
    )
    seen: dict[tuple[str, bool, bool], int] = {}
    for seed in range(600):
        rng = random.Random(seed)
        unit, is_known = rng.choice(("EA", "KGM")), rng.random() < 0.7
        story, need, more = _story(rng, "1", "2"), rng.choice((10, 30)), rng.choice((10, 20))
        goods = (arrived(need), *((shipped(more, "2"),) if is_known else ()))
        told = rng.sample([*story, *goods], len(story) + len(goods))
        for regime in ("IMPORT", "EXPORT"):
            lines = ordered(), ordered(100, "2", unit)
            asked = question(f.milestone(f"{regime}_RELEASED", "CUSTOMS"), *lines,
                             attesters=(*f.SOURCES[1:], *listed))  # fmt: skip
            needs = {"1": need, "2": more if is_known else None}
            expected = second_reading(story, regime, needs, one_unit=unit == "EA")
            assert (of(asked, *told) == "TRUE") is expected, (seed, regime)
            key = (unit, is_known, expected)
            seen[key] = seen.get(key, 0) + 1
    assert all(seen.get((unit, True, True), 0) > 15 for unit in ("EA", "KGM")), seen


def test_a_second_reading_finds_the_same_of_what_is_approved() -> None:
    """The story goes on after an approval, and more goods come: what stood then decides, what came
    later counts only by itself. What was known then arrived by the tick, or just after it.
    """
    listed = tuple(
        Attester(source=source, organisation=organisation, roles=("CUSTOMS",))
        for source, organisation in ORGANISATION.items()
    )
    seen = {True: 0, False: 0}
    for seed in range(800):
        rng = random.Random(seed)
        lines = rng.choice((("1",), ("1", "2")))
        story, need, late = _story(rng, *lines), rng.choice((10, 30)), rng.choice((0, 20))
        at = rng.choice(story).event_time
        goods = [shipped(need, line) for line in lines]
        goods += [arrived(need + late, on=45)] if late else []
        told = timed(*rng.sample([*story, *goods], len(story) + len(goods)))
        told = [(one, at + rng.choice((0, 1)) if on <= at else on + 2) for one, on in told]
        fixed = fixing(w.twin_of(*[one for one in told if one[1] <= at + 1]), at)
        then: dict[str, int | None] = dict.fromkeys(lines, need)
        for regime in ("IMPORT", "EXPORT"):
            asked = question(f.milestone(f"{regime}_RELEASED", "CUSTOMS"),
                             *[ordered(100, line) for line in lines], fixing=fixed,
                             attesters=(*f.SOURCES[1:], *listed))  # fmt: skip
            now = {**then, "1": need + late}
            expected = second_reading(story, regime, now, approved=(at, then))
            assert (of_told(asked, *told) == "TRUE") is expected, (seed, regime)
            seen[expected and not second_reading(story, regime, now)] += 1
    assert seen[True] > 15, seen
