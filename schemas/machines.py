"""The lifecycles, as data: one machine per subject type.

A machine is a path of states that events move along, with a few states beside it.
"""

from collections.abc import Mapping

from msgspec import Struct, field

LINE, DECLARATION, LOT, CONSIGNMENT = "ORDER_LINE", "DECLARATION", "LOT", "CONSIGNMENT"
LEG, TRIP, TITLE = "LEG", "EQUIPMENT_TRIP", "WAREHOUSE_RECEIPT"
UNIT = "HANDLING_UNIT"
ORDER = "ORDER"
"""Has no lifecycle: its lines have."""


class Machine(Struct, frozen=True, kw_only=True):
    """The states of one subject type; a handling unit has none, it is only somewhere."""

    name: str
    path: tuple[str, ...]
    """The states in the order in which they are reached."""
    side: Mapping[str, str | None] = {}
    """States beside the path -> the path state where they go on (None: before the first)."""
    optional: frozenset[str] = frozenset()
    """Path states that may be left out without being inferred."""
    terminal: frozenset[str] = frozenset()
    final: frozenset[str] = frozenset()
    """States in which nothing more is waited for: the terminal ones, and where goods stay. Feeds
    without a warehouse end at DELIVERED, few ever tell that an order is closed. For a leg or a trip
    nobody waits: many carriers stop telling on the way."""
    born: bool = False
    """The first state of the path is where a subject stands before any event."""
    places: dict[str, int] = field(default_factory=dict)
    """State -> its place on the path; of a state beside it the place where it goes on."""

    def __post_init__(self) -> None:
        at = {state: place for place, state in enumerate(self.path)}
        for state, onward in self.side.items():
            at[state] = -1 if onward is None else at[onward]
        at[""] = 0 if self.born else -1
        self.places.update(at)

    @property
    def states(self) -> tuple[str, ...]:
        return (*self.path, *self.side)


_LINE_PATH = (
    "PLACED", "CONFIRMED", "READY", "SHIPPED", "DELIVERED", "RECEIVED", "ACCEPTED", "CLOSED",
)  # fmt: skip
_LEG_PATH = ("PLANNED", "LOADING", "DEPARTED", "ARRIVED", "DISCHARGED", "CLOSED")
_TRIP_PATH = (
    "EMPTY_OUT", "STUFFED", "GATED_IN", "ON_BOARD", "DISCHARGED", "AVAILABLE", "GATED_OUT",
    "STRIPPED", "EMPTY_RETURNED",
)  # fmt: skip
_LINE_FINAL = frozenset(("DELIVERED", "RECEIVED", "ACCEPTED", "CLOSED", "CANCELLED"))

MACHINES: dict[str, Machine] = {
    machine.name: machine
    for machine in (
        Machine(
            name=LINE,
            path=_LINE_PATH,
            side={"CANCELLED": None},
            terminal=frozenset(("CLOSED", "CANCELLED")),
            final=_LINE_FINAL,
        ),
        Machine(
            name=DECLARATION,
            path=("FILED", "ACCEPTED", "SELECTED", "EXAMINED", "RELEASED", "CLEARED"),
            side={"REJECTED": None, "REVOKED": "FILED", "CANCELLED": None},
            optional=frozenset(("SELECTED", "EXAMINED")),
            terminal=frozenset(("CLEARED", "CANCELLED")),
            final=frozenset(("RELEASED", "CLEARED", "REJECTED", "CANCELLED")),
        ),
        Machine(
            name=LOT,
            path=(
                "EXPECTED",
                "RECEIVED",
                "QC_HOLD",
                "AVAILABLE",
                "RESERVED",
                "PICKED",
                "DISPATCHED",
                "CLOSED",
            ),
            optional=frozenset(("QC_HOLD",)),
            terminal=frozenset(("CLOSED",)),
            final=frozenset(("RECEIVED", "AVAILABLE", "DISPATCHED", "CLOSED")),
            born=True,
        ),
        Machine(
            name=CONSIGNMENT,
            path=_LINE_PATH,
            side={"CANCELLED": None},
            final=_LINE_FINAL,
        ),
        Machine(
            name=LEG,
            path=_LEG_PATH,
            side={"CANCELLED": None, "OMITTED": None},
            terminal=frozenset(("CLOSED", "CANCELLED", "OMITTED")),
            final=frozenset((*_LEG_PATH, "CANCELLED", "OMITTED")),
        ),
        Machine(
            name=TRIP,
            path=_TRIP_PATH,
            side={"UNAVAILABLE": "DISCHARGED"},
            terminal=frozenset(("EMPTY_RETURNED",)),
            final=frozenset((*_TRIP_PATH, "UNAVAILABLE")),
        ),
        Machine(
            name=TITLE,
            path=("ISSUED", "PLEDGED", "TRANSFERRED"),
            side={"CANCELLED": None},
            optional=frozenset(("PLEDGED",)),
            terminal=frozenset(("CANCELLED",)),
            final=frozenset(("ISSUED", "TRANSFERRED", "CANCELLED")),
        ),
        Machine(name=UNIT, path=()),
    )
}
