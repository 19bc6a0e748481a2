"""Lanes and modes as a flow chart: bands whose width is kg CO2e, drawn by the page's template."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from supplytwin.processors.carbon_figures import Flow
from supplytwin.processors.carbon_parts import ZERO, over, summed

K = TypeVar("K")
_SHOWN = 8
_HEIGHT, _LEFT, _RIGHT, _NODE = Decimal(320), Decimal(330), Decimal(620), Decimal(10)
_SLOT, _GAP, _THIN, _TOP = Decimal(34), Decimal(6), Decimal("1.5"), Decimal(8)
_TENTH, _HALF = Decimal("0.1"), Decimal("0.5")
WIDTH = Decimal(860)
_LEFT_LETTERS, _RIGHT_LETTERS = 42, 28


class Node(Struct, frozen=True, kw_only=True):
    """A lane (left) or a mode (right): the whole name, what fits beside it, where it stands."""

    name: str
    label: str
    wtw_kg: Decimal
    x: Decimal
    y: Decimal
    height: Decimal

    @property
    def middle(self) -> Decimal:
        return (self.y + self.height * _HALF).quantize(_TENTH)


class Band(Struct, frozen=True, kw_only=True):
    """What goes from a lane to a mode."""

    lane: str
    by: str
    wtw_kg: Decimal
    path: str


class Chart(Struct, frozen=True, kw_only=True):
    """All of it, in the units of the drawing."""

    width: Decimal
    height: Decimal
    lanes: tuple[Node, ...]
    modes: tuple[Node, ...]
    bands: tuple[Band, ...]


def chart(flows: Sequence[Flow]) -> Chart | None:
    """The largest lanes, the others together; null when nothing flows."""
    whole = summed(one.wtw_kg for one in flows)
    if whole <= 0:
        return None
    flowing = [one for one in flows if one.wtw_kg > 0]
    lane_of, rest = _kept(_sums((one.lane, one.wtw_kg) for one in flowing), "other lanes")
    mode_of, more = _kept(_sums((one.by, one.wtw_kg) for one in flowing), "others")
    merged = [((lane_of[one.lane], mode_of[one.by]), one.wtw_kg) for one in flowing]
    sums = _sums(merged)
    scale = over(_HEIGHT, whole) or ZERO
    by_lane = _sums((lane, kg) for (lane, _), kg in merged)
    by_mode = _sums((by, kg) for (_, by), kg in merged)
    lanes = _nodes(by_lane, scale, _LEFT, rest, _LEFT_LETTERS)
    modes = _nodes(by_mode, scale, _RIGHT + _NODE, more, _RIGHT_LETTERS)
    bottom = max(_bottom(lanes), _bottom(modes))
    return Chart(
        width=WIDTH,
        height=(bottom + _TOP).quantize(_TENTH),
        lanes=tuple(lanes.values()),
        modes=tuple(modes.values()),
        bands=tuple(_bands(sums, lanes, modes, scale)),
    )


def _sums(pairs: Iterable[tuple[K, Decimal]]) -> dict[K, Decimal]:
    found: dict[K, list[Decimal]] = {}
    for name, kg in pairs:
        found.setdefault(name, []).append(kg)
    return {name: summed(some) for name, some in found.items()}


def _kept(sums: Mapping[str, Decimal], others: str) -> tuple[dict[str, str], str]:
    """(under which name each is drawn, the name of those that are drawn together)."""
    top = sorted(sums, key=lambda name: (-sums[name], name))
    shown = top if len(top) <= _SHOWN + 1 else top[:_SHOWN]
    rest = f"{len(top) - len(shown)} {others}"
    return {name: name if name in shown else rest for name in top}, rest


def _nodes(
    sums: Mapping[str, Decimal], scale: Decimal, x: Decimal, last: str, letters: int
) -> dict[str, Node]:
    """Nodes from the top down, the largest first; each has room for its two lines of text."""
    made, y = dict[str, Node](), _TOP
    for name in sorted(sums, key=lambda one: (one == last, -sums[one], one)):
        height = max((sums[name] * scale).quantize(_TENTH), _THIN)
        slot = max(height, _SLOT)
        label = name if len(name) <= letters else f"{name[: letters - 1]}…"
        at = (y + (slot - height) * _HALF).quantize(_TENTH)
        made[name] = Node(name=name, label=label, wtw_kg=sums[name], x=x, y=at, height=height)
        y += slot + _GAP
    return made


def _bottom(nodes: Mapping[str, Node]) -> Decimal:
    return max(one.middle + max(one.height, _SLOT) * _HALF for one in nodes.values())


def _bands(
    sums: Mapping[tuple[str, str], Decimal],
    lanes: Mapping[str, Node],
    modes: Mapping[str, Node],
    scale: Decimal,
) -> Iterator[Band]:
    """Each node is filled from its top, by the order of the nodes on the other side."""
    left = {name: one.y for name, one in lanes.items()}
    right = {name: one.y for name, one in modes.items()}
    start, end = _LEFT + _NODE, _RIGHT + _NODE
    middle = (start + end) * _HALF
    for lane in lanes:
        for by in modes:
            if (lane, by) not in sums:
                continue
            kg = sums[(lane, by)]
            wide = max((kg * scale).quantize(_TENTH), _HALF)
            one, other = left[lane], right[by]
            left[lane], right[by] = one + wide, other + wide
            path = (
                f"M{start},{one} C{middle},{one} {middle},{other} {end},{other} "
                f"V{other + wide} C{middle},{other + wide} {middle},{one + wide} "
                f"{start},{one + wide} Z"
            )
            yield Band(lane=lane, by=by, wtw_kg=kg, path=path)
