"""An oracle of two times: how an order line stood at T by what was known at K.

It knows nothing of facts, folds and effects: it reads a list of messages, finds which of them
stand, puts those in order and walks through them once.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from supplytwin.schemas.events import (
    Event,
    OrderAccepted,
    OrderHeld,
    OrderLine,
    OrderPlaced,
    OrderUnheld,
    ShipmentArrived,
    ShipmentDelivered,
    ShipmentDeparted,
)
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import Micros

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
T0 = 20_000 * DAY
ZONES = {"+00:00": 0, "+08:00": 8, "-07:00": -7, "unknown": 0, "Asia/Shanghai": 8}
PATH = ("PLACED", "CONFIRMED", "READY", "SHIPPED", "DELIVERED", "RECEIVED", "ACCEPTED")
KINDS: dict[str, tuple[type[Event], str, bool, str]] = {
    # name: class, state that it leads to, may it come again, milestone
    "placed": (OrderPlaced, "PLACED", False, "ORDER_PLACED"),
    "held": (OrderHeld, "", True, ""),
    "unheld": (OrderUnheld, "", True, ""),
    "departed": (ShipmentDeparted, "SHIPPED", True, "DEPARTED"),
    "arrived": (ShipmentArrived, "SHIPPED", True, "ARRIVED"),
    "delivered": (ShipmentDelivered, "DELIVERED", True, "DELIVERED"),
    "accepted": (OrderAccepted, "ACCEPTED", True, "ACCEPTED"),
}
"""In the order in which they happen within one moment."""
ORDER = tuple(KINDS)


Name = tuple[str, str]
"""Source and event id."""


class Told(NamedTuple):
    """One message, as it was told and when it arrived."""

    kind: str
    source: str
    event_id: str
    revision: int
    classifier: str
    line: str
    time: int
    tz: str
    precision: str
    arrival: int
    action: str | None = None
    target_source: str | None = None
    target_id: str | None = None

    @property
    def identity(self) -> tuple[str, str]:
        return self.source, self.event_id

    @property
    def content(self) -> tuple[Any, ...]:
        return self._replace(arrival=0)

    @property
    def topic(self) -> str:
        return KINDS[self.kind][0].TOPIC

    @property
    def day(self) -> int:
        return (self.time + ZONES[self.tz] * HOUR) // DAY

    @property
    def coarse(self) -> bool:
        return self.precision == "DAY"

    def visible(self, moment: int) -> bool:
        """Whether it counts as of `moment`."""
        if self.classifier != "ACTUAL":
            return True
        midnight = self.day * DAY - ZONES[self.tz] * HOUR
        return (midnight if self.coarse else self.time) <= moment


class Row(NamedTuple):
    """What is compared of one line."""

    lifecycle: str | None
    milestones: tuple[str, ...]
    flags: tuple[str, ...]
    holds_open: int
    planned_time: int | None
    eta: int | None
    actual_time: int | None
    delay_days: int | None


# ---- what is told


def draw(pick: Callable[[Sequence[Any]], Any], *, facts: int = 5, corrections: int = 3) -> Told:
    """One message: a fact of few identities that are told again, revised, or contradicted, or a
    correction of a fact or of another correction.
    """
    kind = pick(("placed", "held", "unheld", "departed", "arrived", "arrived", "delivered",
                 "delivered", "delivered", "accepted"))  # fmt: skip
    time = T0 + pick(range(12)) * 5 * HOUR + pick((0, 1, 700_000))
    tz, precision = pick(tuple(ZONES)), pick(("S", "S", "MIN", "DAY"))
    if kind in ("held", "unheld"):  # no hold is refused because of an unknown order within a day
        tz, precision = "+00:00", "S"
    topic = KINDS[kind][0].TOPIC.removeprefix("supply.")[0]
    classifier = "ACTUAL"
    if kind == "arrived":
        classifier = pick(("ACTUAL", "PLANNED", "ESTIMATED"))
    fields: dict[str, Any] = {
        "kind": kind, "source": pick(("s", "s", "s", "t")),
        "event_id": f"f{pick(range(facts))}{topic}",
        "revision": pick((1, 1, 1, 2, 3)), "classifier": classifier, "line": pick("112"),
        "time": time, "tz": tz, "precision": precision,
        "arrival": time + pick((-20, -1, 0, 0, 0, 3, 30, 90)) * HOUR + pick((0, 119)) * SECOND,
    }  # fmt: skip
    if pick((False, False, True)):
        number = pick(range(corrections))
        aims = [f"f{at}" for at in range(facts)] + [f"r{at}" for at in range(number)]
        fields |= {
            "event_id": f"r{number}{topic}", "action": pick(("RETRACT", "RETRACT", "SUPERSEDE")),
            "target_source": pick(("s", "s", "t", None)),
            "target_id": pick(aims) + pick((topic, topic, topic, "o", "s")),
        }  # fmt: skip
    return Told(**fields)


def message(told: Told, chain_id: str) -> Message:
    """The event that says it, as a feed sends it."""
    made = KINDS[told.kind][0]
    fields: dict[str, Any] = {
        "event_id": told.event_id, "source": told.source, "revision": Micros(told.revision),
        "event_type": made.TYPE, "classifier": told.classifier, "event_time": Micros(told.time),
        "event_tz": told.tz, "time_precision": told.precision, "recorded_time": Micros(told.time),
        "chain_id": chain_id, "subject_type": "ORDER_LINE", "subject_id": told.line, "refs": (),
        "correction_action": told.action, "correction_source": told.target_source,
        "correction_event_id": told.target_id,
    }  # fmt: skip
    if made is OrderPlaced:
        ordered = OrderLine(line_id=told.line, sku="s", qty=Decimal(1), uom="u",
                            unit_price=Decimal(1))  # fmt: skip
        fields |= {"order_id": "o", "buyer": "b", "seller": "s", "currency": "USD",
                   "order_lines": (ordered,)}  # fmt: skip
    elif made in (OrderHeld, OrderUnheld):
        fields |= {"line_id": told.line, "hold_code": "h", "scope": "GOODS"}
    elif made is OrderAccepted:
        fields |= {"line_ids": (told.line,), "accepted_qty": Decimal(1),
                   "rejected_qty": Decimal(0)}  # fmt: skip
    elif made is ShipmentDelivered:
        fields |= {"consignment_id": "c", "receiver": "b"}
    event = made(**fields)
    return Message(topic=made.TOPIC, key=chain_id, arrival=told.arrival, body=event)


# ---- what stands


def rows(told: Iterable[Told], as_of: int, known_at: int) -> dict[str, Row]:
    """Every line that there was as of `as_of`, by what had arrived at `known_at`."""
    said: dict[Name, dict[int, list[Told]]] = {}
    for one in sorted(told, key=lambda one: one.arrival):
        same = said.setdefault(one.identity, {}).setdefault(one.revision, [])
        if one.arrival <= known_at and one.content not in [other.content for other in same]:
            same.append(one)
    known = {name: {at: same for at, same in all_.items() if same} for name, all_ in said.items()}
    known = {name: same for name, same in known.items() if same}
    standing: dict[str, list[Told]] = {}
    conflicts: set[str] = set()
    corrected = _Corrected(known)
    for identity in known:
        contents = corrected.contents(identity)
        if not any(one.visible(as_of) for one in contents):
            continue
        if identity in corrected.conflicts:
            conflicts.update(one.line for one in contents)
        elif contents[0].action != "RETRACT":
            standing.setdefault(contents[0].line, []).append(contents[0])
    return {
        line: _walk(standing.get(line, []), conflict=line in conflicts)
        for line in {*standing, *conflicts}
    }


class _Corrected:
    """Which identities are taken back, in conflict, or without authority.

    A correction aims at facts and at corrections of a lower number: the highest is decided first.
    What it says of others is void, or in doubt, by a retraction of it alone.
    """

    def __init__(self, said: dict[Name, dict[int, list[Told]]]) -> None:
        self.said = said
        self.gone: dict[Name, int] = {}
        self.doubted: dict[Name, int] = {}
        self.void: set[tuple[Name, int]] = set()
        self.unsure: set[tuple[Name, int]] = set()
        for name in sorted(said, key=lambda one: one[1], reverse=True):
            self._correct(name)
        self.conflicts = {name for name in said if self._conflicted(name)}

    def contents(self, name: Name) -> list[Told]:
        """What is shown of it: nothing when it is taken back or has no authority."""
        now = self._now(name)
        if self.gone.get(name, 0) >= now:
            return []
        if name not in self.conflicts and not self._with_power(name):
            return []
        return self._contradiction(name, self.gone.get(name, 0)) or self.said[name][now]

    def _conflicted(self, name: Name) -> bool:
        now = self._now(name)
        if self.gone.get(name, 0) >= now:
            return False
        unclear = self._contradiction(name, self.gone.get(name, 0))
        return bool(unclear) or self.doubted.get(name, 0) >= now

    def _may(self, one: Told) -> bool:
        target = _target(one)
        if target is None:
            return True
        topics = {told.topic for same in self.said.get(target, {}).values() for told in same}
        return target[0] == one.source and topics <= {one.topic}

    def _with_power(self, name: Name) -> dict[int, list[Told]]:
        return {at: same for at, same in self.said[name].items() if any(map(self._may, same))}

    def _now(self, name: Name) -> int:
        return max(self._with_power(name) or self.said[name])

    def _contradiction(self, name: Name, above: int) -> list[Told]:
        """Several contents of the revision that counts, or a plan and what happened below it."""
        now = self._now(name)
        said = self._with_power(name) or {now: self.said[name][now]}
        done = [at for at, same in said.items() if at > above and _any_actual(same)]
        if not _any_actual(said[now]) and done:
            return [one for at in said if at >= max(done) for one in said[at]]
        return said[now] if len(said[now]) > 1 else []

    def _correct(self, name: Name) -> None:
        now = self._now(name)
        if any(of == name and at >= now for of, at in self.void):
            return
        shaken = any(of == name and at >= now for of, at in self.unsure)
        unclear = self._contradiction(name, 0)
        for one in unclear or self.said[name][now]:
            target = _target(one)
            if target is None or not self._may(one):
                continue
            sure = not unclear and not shaken
            past = [told for at, same in self.said.get(target, {}).items() if at <= now
                    for told in same]  # fmt: skip
            if one.classifier != "ACTUAL" and _any_actual(past):
                sure = False
            marks = self.gone if sure else self.doubted
            marks[target] = max(now, marks.get(target, 0))
            if one.action == "RETRACT":
                (self.void if sure else self.unsure).add((target, now))


def _target(one: Told) -> Name | None:
    if one.target_id is None:
        return None
    return (one.target_source or one.source, one.target_id)


def _any_actual(told: Iterable[Told]) -> bool:
    return any(one.classifier == "ACTUAL" for one in told)


def _walk(facts: list[Told], *, conflict: bool) -> Row:
    state, moved, delivered = -1, list[Told](), None
    milestones, skipped, holds = set[str](), set[int](), list[Told]()
    flags = {"conflict"} if conflict else set[str]()
    plans: dict[str, Told] = {}
    for fact in sorted(facts, key=_moment):
        flags |= _time_flags(fact)
        if fact.classifier != "ACTUAL":
            best = plans.get(fact.classifier)
            if best is None or _version(fact) > _version(best):
                plans[fact.classifier] = fact
            continue
        if fact.kind in ("held", "unheld"):
            holds.append(fact)
            continue
        _, to, again, milestone = KINDS[fact.kind]
        place = PATH.index(to)
        one_day = any(_at_one_time(fact, one) for one in moved)
        if place > state:
            skipped |= set(range(state + 1, place))
            state, moved = place, [fact]
        elif not (place == state and again) and not (place < state and one_day):
            continue
        skipped.discard(place)
        milestones.add(milestone)
        delivered = fact if fact.kind == "delivered" else delivered
    planned, eta = plans.get("PLANNED"), plans.get("ESTIMATED")
    delay = None if delivered is None or planned is None else delivered.day - planned.day
    flags |= {name for name, on in (("inferred", skipped), ("late", (delay or 0) > 0)) if on}
    return Row(
        lifecycle=PATH[state] if state >= 0 else None,
        milestones=tuple(sorted(milestones)),
        flags=tuple(sorted(flags)),
        holds_open=int(_is_held(holds)),
        planned_time=None if planned is None else planned.time,
        eta=None if eta is None else eta.time,
        actual_time=None if delivered is None else delivered.time,
        delay_days=delay,
    )


def _at_one_time(one: Told, other: Told) -> bool:
    """Whether a whole date and another time, or two dates, have a moment in common."""
    if not (one.coarse or other.coarse):
        return False
    begin, end = zip(_span(one), _span(other), strict=True)
    return max(begin) < min(end)


def _span(fact: Told) -> tuple[int, int]:
    if fact.coarse:
        midnight = fact.day * DAY - ZONES[fact.tz] * HOUR
        return midnight, midnight + DAY
    grain = {"S": SECOND, "MIN": 60 * SECOND}[fact.precision]
    begin = fact.time // grain * grain
    return begin, begin + grain


def _is_held(told: list[Told]) -> bool:
    """Whether some source placed a hold more often than any one source has lifted since then."""
    placers = {one.source for one in told if one.kind == "held"}
    lifters = {one.source for one in told if one.kind == "unheld"}
    for placer in placers:
        due = dict.fromkeys((*lifters, None), 0)
        for one in told:
            if one.kind == "unheld" and due[one.source]:
                due[one.source] -= 1
                if not due[one.source]:
                    due = dict.fromkeys(due, 0)
            elif one.kind == "held" and one.source == placer:
                due = {lifter: left + 1 for lifter, left in due.items()}
        if due[None]:
            return True
    return False


def _moment(fact: Told) -> tuple[int, int, str, str]:
    """Its place in time: what is no more exact than a minute or a day begins with it."""
    grain = {"S": SECOND, "MIN": 60 * SECOND}
    at = (
        max(fact.day * DAY, fact.day * DAY - ZONES[fact.tz] * HOUR)
        if fact.coarse
        else fact.time // grain[fact.precision] * grain[fact.precision]
    )
    return at, ORDER.index(fact.kind), fact.source, fact.event_id


def _version(fact: Told) -> tuple[int, str, str]:
    return fact.revision, fact.source, fact.event_id


def _time_flags(fact: Told) -> set[str]:
    found = {"day_precision"} if fact.coarse else set[str]()
    if fact.tz == "unknown":
        found.add("no_tz")
    if fact.classifier == "ACTUAL":
        if fact.coarse:
            ahead = fact.day > (fact.arrival + ZONES[fact.tz] * HOUR) // DAY
        else:
            ahead = fact.time - fact.arrival > 120 * SECOND
        if ahead:
            found.add("implausible_time")
    return found
