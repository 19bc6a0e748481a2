"""What names lots is of those lots alone; what names the line alone is of all of it."""

import condition_facts_world as f
import pytest
import settlement_world as w

day = w.day
LINE, OWN, OTHER = "ORDER_LINE:L1", "LOT:5", "LOT:4"
RELEASED = f.milestone("CUSTOMS_RELEASED", "CUSTOMS")
FREE = {"all": [RELEASED, f.absent("CUSTOMS_HOLD")]}
REVOKED = {"all": [RELEASED, f.absent("CUSTOMS_RELEASE_REVOKED")]}


def value(condition, *facts):
    """Of the claim of lot 5; each fact arrives as it happens."""
    told = [(one, one.event_time) for one in facts]
    return f.value_of(condition, *told, consignment_id=None, lots=("5",))


def declared(*refs, **fields):
    return w.declared(day(30), refs=refs, **fields)


def released(**fields):
    return w.customs("released", day(31), **fields)


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        ((OWN,), "TRUE"),
        ((LINE,), "TRUE"),
        ((OWN, LINE), "TRUE"),
        ((OWN, OTHER, LINE), "TRUE"),
        ((OTHER,), "UNKNOWN"),
        ((OTHER, LINE), "UNKNOWN"),
    ],
    ids=str,
)
def test_a_declaration_clears_the_lots_that_it_names_else_the_line(refs, expected):
    """Lot 4's clearance is none of lot 5, though both are of one line."""
    assert value(RELEASED, declared(*refs), released()) == expected


def test_a_lot_that_anything_of_a_declaration_names_makes_it_one_of_that_lot():
    """The line is named in the release and the lot in the declaration, or the other way round."""
    assert value(RELEASED, declared(OTHER), released(refs=(LINE,))) == "UNKNOWN"
    assert value(RELEASED, declared(LINE), released(refs=(OTHER,))) == "UNKNOWN"
    accepted = w.event("customs.accepted", "DECLARATION:D1", "a", day(30.5), mrn="M",
                       accepted_time=day(30.5), refs=(OTHER, LINE))  # fmt: skip
    assert value(RELEASED, declared(LINE), accepted, released()) == "UNKNOWN"
    assert value(RELEASED, declared(LINE), accepted, released(refs=(OWN,))) == "TRUE"


def test_a_hold_is_of_the_lots_that_it_names_else_of_all_of_the_line():
    """One that names the line alone holds every lot of it, whichever declaration it is of."""
    own = (declared(OWN, LINE), released())
    theirs = (w.declared(day(30), "D2", refs=(OTHER, LINE)), w.customs("released", day(31), "D2"))

    def held(**fields):
        hold = w.customs("hold_placed", day(32), "D2", **fields)
        return value(FREE, *own, *theirs, hold)

    assert held() == "TRUE"
    assert held(refs=(OTHER, LINE)) == "TRUE"
    assert held(refs=(LINE,)) == "UNKNOWN"
    assert held(refs=(OWN, LINE)) == "UNKNOWN"
    assert value(FREE, *own, w.customs("hold_placed", day(32))) == "UNKNOWN"


def test_a_paper_of_another_lot_is_none_of_this_one():
    """It was attached to an event about lot 4 that names the line, too."""
    leaf = {"document": {"type": "CERT_ORIGIN", "state": "PRESENTED", "unique": True,
                         "issuer_role": "WAREHOUSE"}}  # fmt: skip
    paper = {"evidence": (f"CERT_ORIGIN;{'c' * 64};doc://c",), "refs": (LINE,), "result": "PASS"}

    def inspected(lot):
        made = w.event("wh.inspected", f"LOT:{lot}", "i", day(30), lot_id=lot, **paper)
        told = {"consignment_id": None, "lots": ("5",), "unique": {("CERT_ORIGIN", "c" * 64): True}}
        return f.value_of(leaf, (made, day(30)), **told)

    assert inspected("4") == "UNKNOWN"
    assert inspected("5") == "TRUE"


def test_a_milestone_of_another_lot_is_none_of_this_one():
    """Goods of lot 4 that came, or were accepted, are not those of lot 5."""

    def accepted(*refs):
        return w.event("order.accepted", LINE, "acc", day(30), source="buyer", line_ids=("L1",),
                       accepted_qty=1, rejected_qty=0, refs=refs)  # fmt: skip

    here = f.milestone("ACCEPTED", "BUYER")
    assert value(here, accepted()) == "TRUE"
    assert value(here, accepted(OWN)) == "TRUE"
    assert value(here, accepted(OTHER)) == "UNKNOWN"


def test_a_lot_of_a_consignment_is_not_cleared_with_another_lot_of_it():
    """The claim is of lot 5 in consignment 1; the declaration names the consignment and lot 4."""
    here = "CONSIGNMENT:ASN-1"
    for lot, expected in ((OWN, "TRUE"), (OTHER, "UNKNOWN")):
        told = [(one, one.event_time) for one in (declared(here, lot), released())]
        assert f.value_of(RELEASED, *told, lots=("5",)) == expected
