"""A reefer trip with 5,000 readings against chains of ordinary length: CPU and memory per event.

Only the fold is measured: `step` for each input, and `publish` after each. Both kinds are fed in
turn, so that a busy machine slows both. 15 % of the readings are minutes to hours late; some come
twice, are revised or retracted.
"""

import gc
import time
from collections.abc import Iterator
from typing import Any

from measure import answer, median, once, say
from report import Aim, table

from supplytwin.processors import simulate
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.simulate import Draw
from supplytwin.schemas import codec
from supplytwin.schemas.events import SHIPMENTS, ShipmentSensor
from supplytwin.schemas.flow import Input, Message, Record
from supplytwin.schemas.ids import HOUR_US, SECOND_US, Micros
from supplytwin.streams.intake import Intake
from supplytwin.streams.pressure import resident_bytes

READINGS, EVERY_US = 5_000, 600 * SECOND_US
LATE, AGAIN, REVISED, RETRACTED = 0.15, 0.02, 0.01, 0.005
FACTS = 20
"""Of an ordinary chain."""
START = 1_704_067_200 * SECOND_US
KEPT = {"sensors": 4, "ordinary": 1_000}
"""Chains whose memory is measured."""
FACTOR_MAX = 2.0


def _reading(chain: str, at: int, draw: Draw) -> ShipmentSensor:
    happened = START + at * EVERY_US
    outside = 600 <= at % 1_000 < 620
    celsius = (9.0 if outside else 5.0) + draw.below(20, f"{at} value") / 10
    return ShipmentSensor(
        event_id=f"{chain}-{at:06}", source="carrier:reefers", revision=Micros(happened),
        event_type=ShipmentSensor.TYPE, classifier="ACTUAL", event_time=Micros(happened),
        event_tz="+00:00", time_precision="S", recorded_time=Micros(happened + 2 * SECOND_US),
        chain_id=chain, subject_type="EQUIPMENT_TRIP", subject_id="MSKU1234565/BL-1",
        refs=("CONSIGNMENT:ASN-1",), device_id="R-77", metric="TEMPERATURE", value=celsius,
        unit="CEL", **_LIMITS,
    )  # fmt: skip


_LIMITS: dict[str, Any] = {
    name: value
    for name, value in (("lower", 2.0), ("upper", 8.0))
    if name in ShipmentSensor.__struct_fields__
}


def trip(number: int, readings: int = READINGS) -> list[Message]:
    """One trip's readings as they arrive."""
    chain, draw = f"TRIP-{number}", Draw(17, number)
    found: list[Message] = []

    def send(event: ShipmentSensor, delay: int) -> None:
        arrival = event.event_time + 5 * SECOND_US + delay
        found.append(Message(topic=SHIPMENTS, key=chain, arrival=arrival, body=event))

    for at in range(readings):
        event = _reading(chain, at, draw)
        late = draw.chance(LATE, f"{at} late")
        delay = draw.whole_ms(12 * HOUR_US, f"{at} delay") if late else 0
        send(event, delay)
        if draw.chance(AGAIN, f"{at} again"):
            send(event, delay + 60 * SECOND_US)
        fields = {name: getattr(event, name) for name in event.__struct_fields__}
        fields["revision"] = Micros(event.revision + HOUR_US)
        if draw.chance(REVISED, f"{at} revised"):
            send(ShipmentSensor(**fields | {"value": event.value + 0.5}), HOUR_US)
        if draw.chance(RETRACTED, f"{at} retracted"):
            correction = {"event_id": f"{event.event_id}-x", "correction_action": "RETRACT",
                          "correction_event_id": event.event_id}  # fmt: skip
            send(ShipmentSensor(**fields | correction), HOUR_US)
    return sorted(found, key=lambda message: message.arrival)


def decoded(messages: list[Message]) -> list[Input]:
    """As a worker decodes them."""
    records = [
        Record(
            topic=message.topic,
            partition=0,
            offset=offset,
            arrival=message.arrival,
            key=message.key.encode(),
            value=codec.encode(message.topic, message.body),
        )
        for offset, message in enumerate(messages)
    ]
    return [one for one in Intake()(records, 1) if isinstance(one, Input)]


def ordinary(number: int) -> list[Message]:
    """One chain as `feed simulate` makes it."""
    return list(simulate.chains(1, number, facts_per_chain=FACTS).messages)


class Folded:
    """Chains that are folded, with the CPU seconds that it took."""

    def __init__(self) -> None:
        self.fold = ChainFold("bench")
        self.states: dict[str, ChainState] = {}
        self.events = 0
        self.step_s = self.publish_s = 0.0

    def take(self, items: list[Input]) -> None:
        """All of them, each published by itself."""
        fold, clock = self.fold, time.process_time
        for item in items:
            state = self.states.get(item.key) or fold.new(item.key)
            began = clock()
            after = fold.step(state, item, item.record.arrival).state
            stepped = clock()
            fold.publish(state, after)
            self.publish_s += clock() - stepped
            self.step_s += stepped - began
            self.states[item.key] = after
        self.events += len(items)

    def us(self) -> tuple[float, float]:
        """us per event: of the steps alone, and with what is published."""
        each = 1e6 / self.events
        return self.step_s * each, (self.step_s + self.publish_s) * each


def _stretches() -> Iterator[tuple[str, list[Input]]]:
    """One trip cut into pieces, and as many events of ordinary chains after each of them."""
    items = decoded(trip(1))
    number = 0
    for at in range(0, len(items), 250):
        yield "sensors", items[at : at + 250]
        others: list[Input] = []
        while len(others) < 250:
            number += 1
            others += decoded(ordinary(number))
        yield "ordinary", others


def cpu() -> None:
    """Role: us per event of both."""
    folded = {"sensors": Folded(), "ordinary": Folded()}
    for name, items in _stretches():
        folded[name].take(items)
    answer({name: one.us() for name, one in folded.items()})


def memory(kind: str, first: int = 0) -> None:
    """Role: resident bytes per event of chains of one kind that are kept."""
    make = trip if kind == "sensors" else ordinary
    warm, kept = Folded(), Folded()
    for number in range(1_000_000, 1_000_000 + (1 if kind == "sensors" else 300)):
        warm.take(decoded(make(number)))
    gc.collect()
    before = resident_bytes()
    for number in range(KEPT[kind]):
        kept.take(decoded(make(number)))
    gc.collect()
    answer({"bytes": (resident_bytes() - before) / kept.events})


def bench(rounds: int) -> dict[str, Any]:
    """Both, measured in processes of their own."""
    say("a trip of 5,000 sensor readings against ordinary chains")
    runs = [once("sensor_cpu") for _ in range(rounds)]
    held = {kind: once("sensor_memory", kind=kind)["bytes"] for kind in KEPT}
    step, whole = ({kind: median(run[kind][at] for run in runs) for kind in KEPT} for at in (0, 1))
    ratios = [one["sensors"] / one["ordinary"] for one in (step, whole)]
    rows = [
        ("us per event, step", step["sensors"], step["ordinary"], round(ratios[0], 2)),
        ("us per event, step and publish", whole["sensors"], whole["ordinary"],
         round(ratios[1], 2)),
        ("resident bytes per event", round(held["sensors"]), round(held["ordinary"]),
         round(held["sensors"] / held["ordinary"], 2)),
    ]  # fmt: skip
    head = ("fold alone", f"{READINGS:,} readings", f"chains of {FACTS} facts", "ratio")
    table("Sensor readings", head, rows)
    return {
        "aims": [
            Aim("sensor reading / ordinary fact, CPU", ratios[1], FACTOR_MAX, smaller=True),
        ],
        "runs": runs,
        "bytes": held,
    }
