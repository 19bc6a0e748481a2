"""What is implausible in a set of facts, found by brute force: every rule looks at all of them.

Nothing of `processors.watch` and its rules is used: formulas, distances and thresholds stand here
a second time. From the twin come the facts that count, their order and the lifecycles.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

from supplytwin.processors import sequence, twin
from supplytwin.processors.standing import Fact, is_implausible, make_fact
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import MACHINES

MIN = 60 * SECOND_US
PLACES = {"CNSHA": (31.21, 121.48), "DEHAM": (53.54, 9.98), "Kenya": (-1.28333, 36.81667)}
Said = tuple[str, str, str, str, str]
"""Subject type and id, code, source, event id."""


def implausible(found: twin.Twin) -> set[Said]:
    """Everything that the rules must report for these facts."""
    standing = [
        (slot.effective.event, slot.effective.arrival)
        for slot in found.facts.every()
        if slot.effective is not None
    ]
    actual = [(event, arrival) for event, arrival in standing if event.classifier == "ACTUAL"]
    bodies: dict[SubjectKey, list[tuple[Event, int]]] = defaultdict(list)
    for event, arrival in sorted(actual, key=_order):
        key = _body(event)
        if key.subject_type in MACHINES:
            bodies[key].append((event, arrival))
    out = set[Said]()
    for key, events in bodies.items():
        for rule in (_where, _numbers, _weights, _first_departure, _fences):
            for code, event in rule(found, key, events):
                out.add((*key, code, event.source, event.event_id))
    for event, arrival in actual:
        old = event.recorded_time - _span(event)[1] > 30 * DAY_US
        if old and not is_implausible(event, arrival):
            out.add((event.subject_type, event.subject_id, "TIMING", event.source, event.event_id))
    out |= set(_over_shipped(found)) | set(_documents(sorted(actual, key=_order)))
    return out | set(_before_the_gate(found)) | set(_sensors(actual))


def _order(one: tuple[Event, int]) -> tuple[Any, ...]:
    return make_fact(one[0], one[1], None, "").order


def _body(event: Any) -> SubjectKey:
    trip = getattr(event, "trip_id", None)
    if event.subject_type != "EQUIPMENT_TRIP" and trip is not None:
        return SubjectKey("EQUIPMENT_TRIP", trip)
    return SubjectKey(event.subject_type, event.subject_id)


def _span(event: Event) -> tuple[int, int]:
    """Zones of the test are +00:00 and unknown."""
    widths = {"MS": 1000, "S": SECOND_US, "MIN": MIN, "DAY": DAY_US}
    first = event.event_time
    if event.time_precision == "DAY":
        first = first // DAY_US * DAY_US
    vague = event.event_tz == "unknown"
    last = first + widths[event.time_precision]
    return first - vague * 14 * HOUR_US, last + vague * 12 * HOUR_US


# ---- where


Fix = tuple[tuple[float, float], float, int, int, Any]


def _fix(event: Any) -> Fix | None:
    if event.lat is not None:
        return (event.lat, event.lon), 0.0, *_span(event), event
    for name in (event.unlocode, event.facility):
        if name in PLACES:
            return PLACES[name], 50.0, *_span(event), event
    return None


def _km(one: tuple[float, float], other: tuple[float, float]) -> float:
    a, b, c, d = map(math.radians, (*one, *other))
    inner = math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(d - b)
    return 6371.009 * math.acos(max(-1.0, min(1.0, inner)))


def _where(found: twin.Twin, key: SubjectKey, events: list[tuple[Event, int]]) -> (
    Iterator[tuple[str, Event]]
):  # fmt: skip
    by_device: dict[str, list[tuple[Fix, set[str]]]] = defaultdict(list)
    booked = set[str]()
    for event, _ in events:
        if event.event_type == "shipment.booked":
            booked |= {leg.split(";")[1] for leg in event.legs}  # type: ignore[attr-defined]
        fix = _fix(event)
        if fix is not None:
            device = ""
            if event.event_type == "shipment.sensor" and key.subject_type != "EQUIPMENT_TRIP":
                device = event.device_id  # type: ignore[attr-defined]
            modes = set(booked)
            if getattr(event, "mode", None):
                modes.add(event.mode)  # type: ignore[attr-defined]
            by_device[device].append((fix, modes))
    for device, fixes in by_device.items():
        doubted = [False] * len(fixes)
        for at in range(1, len(fixes)):
            fix, modes = fixes[at]
            code = _jump(key, device, fixes[at - 1][0], fix, modes)
            if code and doubted[at - 1]:
                last_good = max((i for i in range(at) if not doubted[i]), default=None)
                assert last_good is not None
                if not _jump(key, device, fixes[last_good][0], fix, modes):
                    code = None
            doubted[at] = code is not None
            if code:
                yield code, fix[4]


def _jump(key: SubjectKey, device: str, one: Fix, other: Fix, modes: set[str]) -> str | None:
    km = max(0.0, _km(one[0], other[0]) - one[1] - other[1])
    hours = max(other[3] - one[2], one[3] - other[2]) / HOUR_US
    contained = key.subject_type == "EQUIPMENT_TRIP"
    surface = contained or (modes and "AIR" not in modes)
    if km > 50 and hours <= 1 / 6 and (contained or device) and surface:
        return "TWO_PLACES"
    limits = {"ROAD": 130, "RAIL": 250, "SEA": 60, "AIR": 1100}
    limit = max((limits[mode] for mode in modes | {"ROAD"}), default=0) if modes else 1100
    return "IMPOSSIBLE_SPEED" if km / hours > (250 if contained else limit) else None


def _fences(
    found: twin.Twin, key: SubjectKey, events: list[tuple[Event, int]]
) -> Iterator[tuple[str, Event]]:
    for event, _ in events:
        if event.event_type != "shipment.delivered" or event.lat is None:
            continue
        named = (event.to_place, event.unlocode, event.facility)  # type: ignore[attr-defined]
        known = [PLACES[name] for name in named if name in PLACES]
        if known and _km((event.lat, event.lon or 0.0), known[0]) > 50.5:
            yield "OUTSIDE_GEOFENCE", event


# ---- what


def _numbers(
    found: twin.Twin, key: SubjectKey, events: list[tuple[Event, int]]
) -> Iterator[tuple[str, Event]]:
    said = set[str]()
    for event, _ in events:
        named = [key.subject_id.split("/")[0]] if key.subject_type == "EQUIPMENT_TRIP" else []
        if event.event_type == "shipment.stuffed":
            named.append(event.container_no)  # type: ignore[attr-defined]
        wrong = {name for name in named if name.endswith("4")} - said  # MSCU1234566 is right
        said |= wrong
        if wrong:
            yield "BAD_CHECK_DIGIT", event


def _weights(
    found: twin.Twin, key: SubjectKey, events: list[tuple[Event, int]]
) -> Iterator[tuple[str, Event]]:
    stated: list[tuple[Decimal, bool, Event]] = []
    for event, _ in events:
        one: Any = event
        if event.event_type == "shipment.stuffed":
            kg, scale = one.gross_kg, False
            if kg is None:
                continue
        elif event.event_type == "shipment.sensor" and one.metric == "weight":
            kg, scale = Decimal(str(one.value)) * 1000, True
        else:
            continue
        others = [s for s in stated if s[2].source != event.source or s[1] != scale]
        if others:
            base = kg if others[-1][1] and not scale else others[-1][0]
            if base > 0 and abs(kg - others[-1][0]) / base > Decimal("0.02"):
                yield "WEIGHT_MISMATCH", event
        stated.append((kg, scale, event))


def _over_shipped(found: twin.Twin) -> Iterator[Said]:
    refused = {
        (problem.source, problem.event_id)
        for subject in found.subjects.values()
        for problem in subject.value.exceptions
        if problem.code == "LOT_PLEDGED"
    }
    for key in found.subjects:
        if key.subject_type != "ORDER_LINE":
            continue
        facts = _facts_of(found, key)
        sent = [
            one.event
            for one in facts
            if one.event.event_type == "wh.dispatched"
            and one.event.classifier == "ACTUAL"
            and (one.event.source, one.event.event_id) not in refused
        ]
        got = []
        for at, fact in enumerate(facts):
            before = sequence.fold("ORDER_LINE", facts[:at])
            after = sequence.fold("ORDER_LINE", facts[: at + 1])
            if fact.event.event_type == "wh.received" and after.received != before.received:
                got.append(fact.event)
        back = sequence.fold("ORDER_LINE", facts).reversed
        for event in got:
            known: list[Any] = [one for one in sent if _span(one)[0] <= _span(event)[1]]
            if not known or any(one.qty is None or _lines(one) > 1 for one in known):
                continue
            if _net(got, event) - back > sum(one.qty for one in known):
                yield *key, "RECEIVED_OVER_SHIPPED", event.source, event.event_id


def _net(got: list[Any], last: Any) -> Decimal:
    """All received up to `last`, by the first source of each lot; nothing if `last` is not."""
    first = {lot: min(one.source for one in got if one.lot_id == lot)
             for lot in {one.lot_id for one in got}}  # fmt: skip
    counts = [one for one in got if one.source == first[one.lot_id]]
    if last not in counts:
        return Decimal(0)
    return sum((one.qty for one in counts[: counts.index(last) + 1]), Decimal(0))


def _lines(event: Event) -> int:
    own = [event.subject_id] if event.subject_type == "ORDER_LINE" else []
    return len({*own, *(ref[11:] for ref in event.refs if ref.startswith("ORDER_LINE:"))})


def _facts_of(found: twin.Twin, key: SubjectKey) -> list[Fact]:
    facts = []
    for slot in twin.reaching(found, *key):
        version = slot.effective
        keys = () if version is None else twin.reached_by(version.event)
        if version is None or key not in keys:
            continue
        effect = effect_on(version.event, key.subject_type, is_subject=keys[0] == key)
        if effect is not None or keys[0] == key:
            facts.append(make_fact(version.event, version.arrival, effect, key.subject_id))
    return sorted(facts, key=lambda fact: fact.order)


def _documents(actual: list[tuple[Event, int]]) -> Iterator[Said]:
    names: dict[str, Callable[[Any], tuple[str, str]]] = {
        "customs.declared": lambda e: (e.declaration_id, e.office),
        "customs.accepted": lambda e: (e.mrn, e.source),
        "wh.received": lambda e: (e.lot_id, e.source),
        "wh.warehouse_receipt": lambda e: (e.wr_id, e.source),
    }
    holders: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    for event, _ in actual:
        one: Any = event
        if event.event_type not in names:
            continue
        number, issuer = names[event.event_type](one)
        subject = (event.subject_type, event.subject_id)
        if event.event_type == "wh.warehouse_receipt":
            if one.action != "ISSUE":
                continue
            subject = ("WAREHOUSE_RECEIPT", number)
        elif subject[0] != ("LOT" if event.event_type == "wh.received" else "DECLARATION"):
            continue
        known = holders[event.event_type, number.replace("-", "").upper(), issuer.upper()]
        if known and subject not in known:
            yield *subject, "DUPLICATE_DOCUMENT", event.source, event.event_id
        known.append(subject)


# ---- when


def _first_departure(
    found: twin.Twin, key: SubjectKey, events: list[tuple[Event, int]]
) -> Iterator[tuple[str, Event]]:
    goods = key.subject_type in ("ORDER_LINE", "CONSIGNMENT")
    if not goods and key.subject_type not in ("EQUIPMENT_TRIP", "LOT", "HANDLING_UNIT"):
        return
    facts = _facts_of(found, key)
    arrived: Event | None = None
    for at, fact in enumerate(facts):
        event: Any = fact.event
        if event.classifier != "ACTUAL" or _body(event) != key:
            continue
        if goods and "DEPARTED" in sequence.fold(key.subject_type, facts[:at]).milestones:
            return
        if event.event_type == "shipment.arrived" and event.leg_no is None:
            arrived = event
        if event.event_type != "shipment.departed":
            continue
        later = arrived is not None and _span(event)[0] > _span(arrived)[1]
        if event.leg_no is None and arrived and later and not _one_place(arrived, event):
            yield "SEQUENCE", event
        if not goods:
            return


def _one_place(one: Event, other: Event) -> bool:
    for name in ("unlocode", "facility"):
        here, there = getattr(one, name), getattr(other, name)
        if here and there:
            return bool(here == there)
    return all(each.unlocode or each.facility for each in (one, other))


def _before_the_gate(found: twin.Twin) -> Iterator[Said]:
    for key, subject in found.subjects.items():
        received = subject.value.milestones.get("RECEIVED_WH")
        if key.subject_type != "ORDER_LINE" or received is None:
            continue
        trips = [one for one in subject.links if one.subject_type == "EQUIPMENT_TRIP"]
        gates = [found.subjects[trip].value.milestones.get("GATED_IN") for trip in trips]
        if gates and all(
            gate is not None and gate.event_time - received.event_time > DAY_US for gate in gates
        ):
            yield *key, "SEQUENCE", received.source, received.event_id


# ---- sensors


def _sensors(actual: list[tuple[Event, int]]) -> Iterator[Said]:
    """Of each series all readings at once; a stretch is named by where it begins."""
    series: dict[Any, list[tuple[Any, int]]] = defaultdict(list)
    for event, arrival in actual:
        one: Any = event
        if event.event_type != "shipment.sensor" or event.time_precision == "DAY":
            continue
        if one.metric == "Temperature":
            key = event.subject_type, event.subject_id, one.device_id, one.metric, one.unit
            series[key].append((event, arrival))
    for (kind, name, device, metric, unit), readings in series.items():
        read = sorted((one.event_time, one.value) for one, _ in readings)
        found = [("value", since) for since in _flat(read)]
        found += [("coverage", since) for since in _sparse([time for time, _ in read])]
        found += [("clock", since) for since in _ahead(readings)]
        for rule, since in found:
            said = f"{metric};{unit};{rule};{since}"
            yield kind, name, "SENSOR_HEALTH", f"device:{device}", said


def _flat(read: list[tuple[int, float]]) -> Iterator[int]:
    runs: list[list[tuple[int, float]]] = []
    for one in read:
        if runs and runs[-1][-1][1] == one[1] and one[0] - runs[-1][-1][0] <= 2 * HOUR_US:
            runs[-1].append(one)
        else:
            runs.append([one])
    for run in runs:
        times = [time for time, _ in run]
        if len(times) >= 3 and times[-1] - times[0] >= 6 * HOUR_US:
            yield times[0]


def _sparse(times: list[int]) -> Iterator[int]:
    def poor(day: int) -> bool:
        covered = 0
        for one, other in pairwise(times):
            until = min(other, one + HOUR_US, (day + 1) * DAY_US)
            covered += max(0, until - max(one, day * DAY_US))
        return covered < DAY_US * 0.95

    first, last = times[0] // DAY_US, times[-1] // DAY_US
    for is_poor, group in groupby(range(first + 1, last), key=poor):
        if is_poor:
            yield next(group) * DAY_US


def _ahead(readings: list[tuple[Any, int]]) -> Iterator[int]:
    days = {
        event.event_time // DAY_US
        for event, arrival in readings
        if event.event_time - event.recorded_time > 120 * SECOND_US
        and not is_implausible(event, arrival)
    }
    yield from (day * DAY_US for day in days if day - 1 not in days)
