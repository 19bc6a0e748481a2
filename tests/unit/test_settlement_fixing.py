"""An approval at a tick rests on all that its cut has folded, also on what was appended a moment
after that tick; what comes after the cut is no ground of it.
"""

from decimal import Decimal
from typing import Any

import pytest
from goods_world import Till, claim, contract, day, tranche
from msgspec.structs import replace

from supplytwin.processors import settlement_cut
from supplytwin.processors.settlement_apply import apply
from supplytwin.processors.settlement_memory import Memory

IMPORTED = {"milestone": {"type": "IMPORT_RELEASED", "by": {"roles": ["CUSTOMS"], "k": 1}}}
SHIPPED = {"quantity": {"line": "1", "measure": "SHIPPED", "op": ">=", "value": "0.001"}}
STORED = {"milestone": {"type": "RECEIVED_WH", "by": {"roles": ["WAREHOUSE"], "k": 1}}}
CUT, MOMENT, LATER = 6, 50_000, 8
DECLARED = {
    "declaration_id": "D1", "regime": "IMPORT", "office": "O", "declarant": "X",
    "declaration_lines": (),
}  # fmt: skip
LAGS = pytest.mark.parametrize("after_tick", [-MOMENT, MOMENT])


def customs(till: Till, kind: str, id: str, on: float, **fields: Any) -> None:
    """Of the declaration of consignment K1."""
    base: dict[str, Any] = {"source": "customs", "refs": ("CONSIGNMENT:K1",)}
    till.tell(f"customs.{kind}", "DECLARATION:D1", id, on, **{**base, **fields})


def release(till: Till, id: str, qty: int, on: float, **more: Any) -> None:
    customs(till, "released", id, on, qty=Decimal(qty), release_kind="FULL", **more)


def ship(till: Till, id: str, qty: int, on: float, **more: Any) -> None:
    till.tell("wh.dispatched", "ORDER_LINE:1", id, on, source="wms", hu_ids=(), lot_id="L1",
              consignment_id="K1", qty=Decimal(qty), refs=("ORDER_LINE:1", "CONSIGNMENT:K1"),
              **more)  # fmt: skip


def released(after_tick: int) -> Till:
    """Forty were shipped; thirty are released, and ten about the time of the tick."""
    both = claim("A", consignment_id="K1"), claim("B", consignment_id="K2")
    till = Till(contract(tranche("T1", *both, condition={"all": [IMPORTED, SHIPPED]})))
    customs(till, "declared", "d", 2, **DECLARED)
    ship(till, "s1", 40, 2)
    release(till, "f1", 30, 3)
    release(till, "f2", 10, 5, arrives_us=day(CUT) + after_tick)
    return till


def approve(till: Till) -> list[Any]:
    """The cut at its tick, over what had arrived a moment later, too."""
    till.book, moved = settlement_cut.cut(till.book, till.twin(CUT + 0.1), day(CUT))
    assert [one.to_state for one in moved] == ["MATCHED", "APPROVED"]
    return list(moved)


@LAGS
def test_an_approval_rests_on_what_arrived_while_its_cut_was_made(after_tick: int) -> None:
    """Five more leave on the next day: they were no goods of it, and take no release back."""
    till = released(after_tick)
    approve(till)
    ship(till, "s2", 5, 7)
    assert till.look("A", LATER).value == "TRUE"
    assert till.cut(LATER) == []
    customs(till, "release_revoked", "x", 9, reason="R")
    assert till.cut(10) == ["RESERVED"]


@LAGS
def test_what_arrived_while_its_cut_was_made_is_missed_when_it_is_withdrawn(
    after_tick: int,
) -> None:
    """Without the ten it is not all of it: neither then nor now."""
    till = released(after_tick)
    approve(till)
    release(till, "undo", 10, 7, correction_action="RETRACT", correction_source="customs",
            correction_event_id="f2")  # fmt: skip
    ship(till, "s2", 5, 7)
    assert till.cut(LATER) == ["RESERVED"]


@LAGS
def test_what_comes_after_the_cut_is_no_ground_of_it(after_tick: int) -> None:
    """Whether it has an arrival after the tick or, by a broker whose clock is behind, before it:
    goods that leave on the next day are none of the claim's.
    """
    till = released(MOMENT)
    approve(till)
    fixing = till.claim("A").fixing
    assert fixing is not None
    assert {identity.event_id for identity, _ in fixing.late} == {"f2"}
    ship(till, "s2", 5, 5.9, arrives_us=day(CUT) + after_tick)
    assert till.look("A", LATER).value == "TRUE"
    assert till.cut(LATER) == []


def test_a_restart_has_the_same_grounds() -> None:
    """The journal has the facts in the order in which they were folded."""
    till = released(MOMENT)
    before = till.book
    moved = approve(till)
    restored = before
    for one in moved:
        restored = apply(restored, one, None, till.twin(CUT + 0.1))
    assert restored.claims == till.book.claims
    till.book = replace(restored, memory=Memory())
    ship(till, "s2", 5, 7)
    assert till.cut(LATER) == []


@LAGS
def test_a_lot_that_came_while_the_cut_was_made_is_of_the_claim(after_tick: int) -> None:
    """That it is not there after all speaks against the claim as it does of any other lot."""
    both = {"all": [STORED, {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">=",
                                          "value": "100"}}]}  # fmt: skip
    till = Till(contract(tranche("T1", claim("A"), condition=both)))
    till.receive("r1", 60, 5, "L1")
    till.receive("r2", 40, 5.9, "L2", arrives_us=day(CUT) + after_tick)
    approve(till)
    assert till.cut(7) == []
    till.reverse("x", 40, 7.5, "L2")
    assert till.cut(LATER) == ["RESERVED"]
