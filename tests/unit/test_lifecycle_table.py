"""Every machine, state by state: what each event type may do there, and that nothing else may."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.standing import Accumulator, make_fact
from supplytwin.schemas.events import EVENT_TYPES, Event
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.lifecycles import EFFECTS, effect_on
from supplytwin.schemas.machines import MACHINES
from supplytwin.schemas.ranks import RANK

FILL: dict[Any, Any] = {
    str: "x", int: 1, Micros: 1, bool: False, float: 1.0, Decimal: Decimal(10),
    dt.date: dt.date(2026, 1, 1),
}  # fmt: skip
T = 1_760_000_000_000_000


def make(kind: str, **given: Any) -> Event:
    fields = {f.name: FILL.get(f.type, ()) for f in msgspec.structs.fields(EVENT_TYPES[kind])
              if f.required}  # fmt: skip
    fields |= {
        "event_type": kind, "event_id": "e", "source": "s", "revision": T, "classifier": "ACTUAL",
        "event_time": T, "event_tz": "+00:00", "time_precision": "S", "recorded_time": T,
    }  # fmt: skip
    return EVENT_TYPES[kind](**(fields | given))


# event (and what it says) -> states that it leaves, where it leads, states in which it stays
LINE = {
    "order.placed": ("-", "PLACED", ""),
    "order.confirmed": ("- PLACED", "CONFIRMED", "CONFIRMED"),
    "order.goods_ready": ("- PLACED CONFIRMED", "READY", "READY"),
    "shipment.loaded": ("- PLACED CONFIRMED READY", "SHIPPED", "SHIPPED"),
    "shipment.departed": ("- PLACED CONFIRMED READY", "SHIPPED", "SHIPPED"),
    "shipment.arrived": ("- PLACED CONFIRMED READY", "SHIPPED", "SHIPPED"),
    "wh.dispatched": ("- PLACED CONFIRMED READY", "SHIPPED", "SHIPPED"),
    "shipment.delivered": ("- PLACED CONFIRMED READY SHIPPED", "DELIVERED", "DELIVERED"),
    "wh.received": ("- PLACED CONFIRMED READY SHIPPED DELIVERED", "RECEIVED", "RECEIVED"),
    "wh.receipt_reversed": ("RECEIVED", "SHIPPED", ""),
    "order.accepted": (
        "- PLACED CONFIRMED READY SHIPPED DELIVERED RECEIVED", "ACCEPTED", "ACCEPTED",
    ),
    "order.closed": (
        "- PLACED CONFIRMED READY SHIPPED DELIVERED RECEIVED ACCEPTED", "CLOSED", "",
    ),
    "order.cancelled": ("- PLACED CONFIRMED READY", "CANCELLED", ""),
    "order.reinstated": ("CANCELLED", "CONFIRMED", ""),
    "order.held": ("", "", "*"),
    "order.unheld": ("", "", "*"),
    "order.line_changed": ("", "", "*open"),
    "order.invoiced": ("", "", "*open"),
    "order.invoice_reversed": ("", "", "*open"),
    "shipment.booked": ("", "", "*open"),
    "shipment.stuffed": ("", "", "*open"),
    "shipment.sensor": ("", "", "*"),
}  # fmt: skip
DECLARATION = {
    "customs.declared": ("- REJECTED", "FILED", ""),
    "customs.accepted": ("- REJECTED FILED REVOKED", "ACCEPTED", ""),
    "customs.rejected": ("- FILED", "REJECTED", ""),
    "customs.inspection_ordered": ("- REJECTED FILED ACCEPTED REVOKED", "SELECTED", ""),
    "customs.inspection_completed": (
        "- REJECTED FILED ACCEPTED SELECTED REVOKED", "EXAMINED", "",
    ),
    "customs.released": (
        "- REJECTED FILED ACCEPTED SELECTED EXAMINED REVOKED", "RELEASED", "",
    ),
    "customs.cleared": (
        "- REJECTED FILED ACCEPTED SELECTED EXAMINED RELEASED REVOKED", "CLEARED", "",
    ),
    "customs.release_revoked": ("RELEASED", "REVOKED", ""),
    "customs.cancelled": (
        "- REJECTED FILED ACCEPTED SELECTED EXAMINED RELEASED REVOKED", "CANCELLED", "",
    ),
    "customs.hold_placed": ("", "", "*"),
    "customs.hold_removed": ("", "", "*"),
    "customs.duty_assessed": ("", "", "*"),
    "customs.duty_paid": ("", "", "*"),
}  # fmt: skip
LOT = {
    "wh.received": ("- EXPECTED", "RECEIVED", "RECEIVED"),
    "wh.receipt_reversed": ("RECEIVED", "EXPECTED", ""),
    "wh.inspected FAIL": ("- EXPECTED RECEIVED", "QC_HOLD", "QC_HOLD"),
    "wh.inspected PARTIAL": ("- EXPECTED RECEIVED", "QC_HOLD", "QC_HOLD"),
    "wh.inspected PASS": ("- EXPECTED RECEIVED QC_HOLD", "AVAILABLE", "AVAILABLE"),
    "wh.put_away": ("- EXPECTED RECEIVED QC_HOLD", "AVAILABLE", "AVAILABLE"),
    "wh.reserved": ("- EXPECTED RECEIVED QC_HOLD AVAILABLE", "RESERVED", "RESERVED"),
    "wh.unreserved": ("RESERVED", "AVAILABLE", ""),
    "wh.picked": ("- EXPECTED RECEIVED QC_HOLD AVAILABLE RESERVED", "PICKED", "PICKED"),
    "wh.dispatched": (
        "- EXPECTED RECEIVED QC_HOLD AVAILABLE RESERVED PICKED", "DISPATCHED", "DISPATCHED",
    ),
    "wh.packed": ("", "", "*open"),
    "wh.adjusted": ("", "", "*open"),
    "wh.counted": ("", "", "*open"),
    "shipment.sensor": ("", "", "*"),
}  # fmt: skip
LEG = {
    "shipment.booked": ("-", "PLANNED", "PLANNED"),
    "shipment.loaded": ("- PLANNED", "LOADING", "LOADING"),
    "shipment.departed": ("- PLANNED LOADING", "DEPARTED", "DEPARTED"),
    "shipment.arrived": ("- PLANNED LOADING DEPARTED", "ARRIVED", "ARRIVED"),
    "shipment.discharged": ("- PLANNED LOADING DEPARTED ARRIVED", "DISCHARGED", "DISCHARGED"),
    "shipment.delivered": ("- PLANNED LOADING DEPARTED ARRIVED DISCHARGED", "CLOSED", ""),
    "order.cancelled": ("- PLANNED", "CANCELLED", ""),
    "shipment.exception REROUTED": ("- PLANNED", "OMITTED", "*told"),
    "shipment.exception ROLLED": ("", "", "*told"),
    "shipment.exception DELAY": ("", "", "*told"),
    "shipment.sensor": ("", "", "*"),
    "shipment.energy": ("", "", "*open"),
    "shipment.footprint": ("", "", "*open"),
}
_ASHORE = "- EMPTY_OUT STUFFED GATED_IN"
_LANDED = f"{_ASHORE} ON_BOARD DISCHARGED"
TRIP = {
    "shipment.gate_out empty": ("-", "EMPTY_OUT", "EMPTY_OUT"),
    "shipment.stuffed": ("- EMPTY_OUT", "STUFFED", "STUFFED"),
    "shipment.gate_in full": ("- EMPTY_OUT STUFFED", "GATED_IN", "GATED_IN"),
    "shipment.loaded": (f"{_ASHORE} DISCHARGED", "ON_BOARD", "ON_BOARD"),
    "shipment.discharged": (f"{_ASHORE} ON_BOARD", "DISCHARGED", "DISCHARGED"),
    "shipment.available": (f"{_LANDED} UNAVAILABLE", "AVAILABLE", "AVAILABLE"),
    "shipment.unavailable": (f"{_LANDED} AVAILABLE", "UNAVAILABLE", "UNAVAILABLE"),
    "shipment.gate_out full": (f"{_LANDED} AVAILABLE UNAVAILABLE", "GATED_OUT", "GATED_OUT"),
    "shipment.stripped": (f"{_LANDED} AVAILABLE UNAVAILABLE GATED_OUT", "STRIPPED", "STRIPPED"),
    "shipment.gate_in empty": (
        f"{_LANDED} AVAILABLE UNAVAILABLE GATED_OUT STRIPPED",
        "EMPTY_RETURNED",
        "",
    ),
    "shipment.empty_returned": (
        f"{_LANDED} AVAILABLE UNAVAILABLE GATED_OUT STRIPPED",
        "EMPTY_RETURNED",
        "",
    ),
    "shipment.sealed": ("", "", "*open"),
    "shipment.sensor": ("", "", "*"),
    "shipment.exception DAMAGED": ("", "", "*told"),
}
TITLE = {
    "wh.warehouse_receipt ISSUE": ("-", "ISSUED", ""),
    "wh.warehouse_receipt PLEDGE": ("- ISSUED TRANSFERRED", "PLEDGED", ""),
    "wh.warehouse_receipt UNPLEDGE": ("PLEDGED", "ISSUED", ""),
    "wh.warehouse_receipt TRANSFER": ("- ISSUED", "TRANSFERRED", "TRANSFERRED"),
    "wh.warehouse_receipt CANCEL": ("- ISSUED TRANSFERRED", "CANCELLED", ""),
}  # fmt: skip
UNIT = {
    "shipment.stuffed": ("", "", "*"),
    "shipment.stripped": ("", "", "*"),
    "wh.packed": ("", "", "*"),
    "wh.dispatched": ("", "", "*"),
    "shipment.sensor": ("", "", "*"),
}
TABLES = {
    "ORDER_LINE": LINE, "DECLARATION": DECLARATION, "LOT": LOT, "LEG": LEG,
    "EQUIPMENT_TRIP": TRIP, "WAREHOUSE_RECEIPT": TITLE, "HANDLING_UNIT": UNIT,
}  # fmt: skip
SAYS = {
    "wh.inspected": "result", "shipment.exception": "exception_code",
    "wh.warehouse_receipt": "action",
}  # fmt: skip
COUNTS_ANYWAY = (
    "customs.rejected",
    "customs.release_revoked",
    "customs.cancelled",
    "wh.receipt_reversed",
)
"""Contrary evidence closes the gates even where its machine refuses the step."""
PLEDGED_AGAIN = ("PLEDGED", "wh.warehouse_receipt PLEDGE")
"""Binds the goods once more, though no step leads there."""
CASES = [
    (machine, state, event)
    for machine, table in TABLES.items()
    for state in ("-", *MACHINES[machine].states)
    for event in table
]


def told(event: str) -> tuple[str, dict[str, Any]]:
    """The event type of a row, and what the event must say to be the one that is meant."""
    kind, _, word = event.partition(" ")
    if kind in SAYS:
        return kind, {SAYS[kind]: word}
    if kind.startswith("shipment.gate"):
        return kind, {"empty": word == "empty"}
    if kind == "wh.adjusted":
        return kind, {"delta": Decimal(1)}
    return kind, {"qty": Decimal(2)} if kind in ("wh.reserved", "wh.unreserved") else {}


@pytest.mark.parametrize(("machine", "state", "event"), CASES)
def test_every_pair_of_state_and_event(machine: str, state: str, event: str) -> None:
    """An allowed step leads where the table says; any other is one exception, state unmoved."""
    kind, given = told(event)
    before = Accumulator(
        state=None if state == "-" else state,
        previous="CONFIRMED",
        received=Decimal(10),
        on_hand=Decimal(10),
        reserved=Decimal(2),
        holds=frozenset(("x", "x:x")),
        invoices=frozenset(("x",)),
    )
    fact_event = make(kind, subject_type=machine, subject_id="x", **given)
    effect = effect_on(fact_event, machine, is_subject=True)
    after = accumulate(machine, before, make_fact(fact_event, T, effect, "x"))
    leaves, to, stays = TABLES[machine][event]
    closed = state in MACHINES[machine].terminal
    codes = [problem.code for problem in after.exceptions]
    assert after.state == (to if state in leaves.split() else before.state)
    if stays == "*told":
        assert codes == [f"SHIPMENT_{given['exception_code']}"]
    elif state in leaves.split() or state in stays.split() or stays == "*":
        assert not codes
    elif stays == "*open":
        assert codes == (["AFTER_CLOSE"] if closed else [])
    else:
        assert codes == ["AFTER_CLOSE" if closed else "ILLEGAL_TRANSITION"]
        assert ("after_close" in after.flags) == closed
    if codes and kind not in COUNTS_ANYWAY and to not in ("OMITTED",):
        said: dict[str, Any] = {
            "exceptions": (),
            "pending": (),
            "flags": before.flags,
            "watch": None,
        }
        if (state, event) == PLEDGED_AGAIN:
            assert "PLEDGED" in after.accounts
            said["accounts"] = before.accounts
        assert msgspec.structs.replace(after, **said) == before


@pytest.mark.parametrize("machine", TABLES)
def test_the_tables_above_name_every_effect(machine: str) -> None:
    """No event type has an effect on a folded machine that the tables of this test leave out."""
    own = {kind for kind, effects in EFFECTS.items() if any(e.machine == machine for e in effects)}
    named = {event.split()[0] for event in TABLES[machine]}
    assert own - named <= {"shipment.exception"}
    assert named <= own


def test_every_event_type_has_its_effects_and_its_rank() -> None:
    """The table of effects and the ranks name all event types, and each rank once."""
    assert EFFECTS.keys() == RANK.keys() == EVENT_TYPES.keys()
    assert sorted(RANK.values()) == list(range(len(EVENT_TYPES)))


@pytest.mark.parametrize("kind", EFFECTS)
def test_effects_name_states_that_exist(kind: str) -> None:
    """An effect leads to a state of its machine, forward only to one on the path."""
    for effect in EFFECTS[kind]:
        machine = MACHINES[effect.machine]
        if effect.to is not None:
            assert effect.to in (machine.states if effect.leaves else machine.path)
        assert set(effect.leaves) <= {"", *machine.states}


@pytest.mark.parametrize("kind", EFFECTS)
def test_at_most_one_effect_of_an_event_on_a_machine(kind: str) -> None:
    """Effects on one machine exclude each other by what the event says or by how it gets there."""
    for machine in {e.machine for e in EFFECTS[kind]}:
        mine = [e for e in EFFECTS[kind] if e.machine == machine]
        said = [value for e in mine if e.when is not None for value in e.when[1]]
        assert len(said) == len(set(said))
        assert len([e for e in mine if e.when is None]) <= 1
        assert not said or all(e.when is not None for e in mine)


def test_skipped_states_are_marked_inferred_unless_optional() -> None:
    """A release straight after filing infers ACCEPTED, not the optional inspection."""
    value = Accumulator()
    for kind in ("customs.declared", "customs.released"):
        event = make(kind, subject_type="DECLARATION", subject_id="x")
        effect = effect_on(event, "DECLARATION", is_subject=True)
        value = accumulate("DECLARATION", value, make_fact(event, T, effect, "x"))
    assert value.state == "RELEASED"
    assert value.inferred == {"ACCEPTED"}


@pytest.mark.parametrize("classifier", ["PLANNED", "ESTIMATED"])
@pytest.mark.parametrize("kind", sorted(EFFECTS))
def test_only_actual_facts_move_anything(kind: str, classifier: str) -> None:
    """A planned or estimated event moves no state, milestone, quantity or hold on any machine."""
    for machine in MACHINES:
        given = {"exception_code": "LOST"} if kind == "shipment.exception" else {}
        event = make(kind, subject_type=machine, subject_id="x", classifier=classifier, **given)
        effect = effect_on(event, machine, is_subject=True)
        after = accumulate(machine, Accumulator(), make_fact(event, T, effect, "x"))
        moved = msgspec.structs.replace(after, planned=None, eta=None)
        assert moved == Accumulator()
