"""The tick source of a wall-clock deployment: now, as a record on every control partition."""

import threading
import time
from collections.abc import Callable

from supplytwin.schemas import codec
from supplytwin.schemas.errors import AbortError, UsageError
from supplytwin.schemas.ids import Micros, control_key
from supplytwin.schemas.records import CONTROL, Control
from supplytwin.streams import framed
from supplytwin.streams.checkpoint import insist
from supplytwin.streams.ports import Broker, Producer
from supplytwin.streams.topics import TICK_ID, Meta, require_meta

TIMEOUT_S = 10.0


def wall_clock_us() -> int:
    """Microseconds since 1970 by the clock of this machine."""
    return time.time_ns() // 1000


def write(
    producer: Producer,
    value: bytes,
    partitions: int,
    deadline: float,
    timestamp_us: int | None = None,
) -> None:
    """One control record on every partition, in one transaction.

    Raises AbortError when it is to be aborted, FatalError after `deadline` (time.monotonic).
    """
    insist(producer.begin, deadline, time.monotonic)
    for number in range(partitions):
        key = control_key(number).encode()
        producer.produce(CONTROL, key, value, partition=number, timestamp_us=timestamp_us)
    insist(producer.commit, deadline, time.monotonic)


class Ticker:
    """Writes one TICK to every control partition, in one transaction, every `interval_s`.

    Opening a second one fences the first: its next tick raises FatalError. Raises UsageError in a
    deployment that was not initialised, or whose time is simulated (its feed writes the ticks).
    """

    def __init__(
        self,
        broker: Broker,
        interval_s: float = 0.2,
        *,
        clock_us: Callable[[], int] = wall_clock_us,
    ) -> None:
        self.meta: Meta = require_meta(broker)
        if self.meta.simulated:
            raise UsageError(
                "this deployment's time is simulated: its feed writes the ticks, "
                "`supplytwin tick` is for wall-clock time"
            )
        framed.require(broker, (CONTROL,))
        self.interval_s = interval_s
        self.beat = time.monotonic()
        """When the last tick was committed, or the ticker was opened."""
        self._clock_us = clock_us
        self._last = 0
        self._producer: Producer = broker.producer(TICK_ID)
        deadline = time.monotonic() + TIMEOUT_S
        insist(lambda: self._producer.init(TIMEOUT_S), deadline, time.monotonic)

    def tick(self) -> int:
        """Write one tick now, later than the one before; its time in us.

        A transaction that aborts is given up: the next tick says more than its repetition.
        """
        self._last = max(self._clock_us(), self._last + 1)
        message = Control(
            input_id=f"tick:{self.meta.timeline}:{self._last}",
            kind="TICK",
            tick_time=Micros(self._last),
            timeline=self.meta.timeline,
        )
        value = codec.encode(CONTROL, message)
        deadline = time.monotonic() + TIMEOUT_S
        try:
            write(self._producer, value, self.meta.partitions, deadline)
        except AbortError:
            insist(self._producer.abort, deadline, time.monotonic)
        self.beat = time.monotonic()
        return self._last

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set."""
        while not stop.wait(self.interval_s):
            self.tick()
        self.close()

    def close(self) -> None:
        self._producer.close()
