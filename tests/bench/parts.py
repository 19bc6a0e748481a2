"""Where the time goes: exclusive time by part of the pipeline, measured by wrapping functions.

What a wrapped function calls counts for the innermost wrapped one. `FINE` wraps what runs once or
more for each record, so it is used in memory only and its own cost is measured and taken off;
`COARSE` wraps what runs once for each batch.
"""

import functools
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

FINE = (
    ("engine", "streams.worker:Worker.turn"),
    ("consume", "streams.consume:Reader.read"),
    ("decode", "streams.intake:Intake.__call__"),
    ("fold", "processors.chain:ChainFold.step"),
    ("fold: facts", "processors.twin:insert_fact"),
    ("fold: lifecycle", "processors.sequence:insert"),
    ("fold: lifecycle", "processors.sequence:remove"),
    ("fold: twin", "processors.chain:take"),
    ("fold: changes", "processors.following:milestone_changes"),
    ("fold: changes", "processors.following:own_changes"),
    ("fold: changes", "processors.following:beside_changes"),
    ("carbon", "processors.carbon:follow"),
    ("conditions", "processors.chain:ChainFold.decide"),
    ("conditions", "processors.chain:ChainFold.due"),
    ("conditions", "streams.cut:handle"),
    ("journal and hash", "processors.custody:append"),
    ("encode", "schemas.codec:encode"),
    ("state records", "processors.chain:ChainFold.publish"),
    ("produce", "streams.checkpoint:Checkpoint.commit"),
    ("commit", "streams.memory_clients:MemoryProducer.send_offsets"),
    ("commit", "streams.memory_clients:MemoryProducer.commit"),
    ("merge", "streams.store:Overlay.merge"),
)
"""(part, module:function). In memory `produce` is the loop of the checkpoint and a list append."""

COARSE = (
    ("engine", "streams.worker:Worker.turn"),
    ("consume", "streams.consume:Reader.read"),
    ("decode", "streams.intake:Intake.__call__"),
    ("fold, carbon, encode", "streams.worker:take"),
    ("conditions", "streams.worker:handle"),
    ("state records", "streams.store:Overlay.publish"),
    ("produce", "streams.checkpoint:Checkpoint.commit"),
    ("commit", "streams.kafka:KafkaProducer.send_offsets"),
    ("commit", "streams.kafka:KafkaProducer.commit"),
    ("merge", "streams.store:Overlay.merge"),
)


class Parts:
    """CPU seconds of the calling thread by part, without waiting."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._inner: Counter[str] = Counter()
        """Wrapped calls that each part made."""
        self.missing: list[str] = []
        self._open: list[str] = []
        self._since = 0.0

    def install(self, wanted: tuple[tuple[str, str], ...]) -> None:
        """Wrap all of them; a name that is gone is remembered in `missing`."""
        for part, place in wanted:
            module, _, path = place.partition(":")
            owner: Any = import_module(f"supplytwin.{module}")
            *steps, name = path.split(".")
            owner = functools.reduce(lambda at, step: getattr(at, step, None), steps, owner)
            if not hasattr(owner, name):
                self.missing.append(place)
                continue
            setattr(owner, name, self._wrapped(part, getattr(owner, name)))

    def _wrapped(self, part: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        seconds, calls, opened = self.seconds, self.calls, self._open
        made = self._inner
        clock = time.thread_time

        @functools.wraps(inner)
        def outer(*args: Any, **kwargs: Any) -> Any:
            at = clock()
            if opened:
                seconds[opened[-1]] += at - self._since
                made[opened[-1]] += 1
            opened.append(part)
            self._since = at
            try:
                return inner(*args, **kwargs)
            finally:
                at = clock()
                seconds[part] += at - self._since
                calls[part] += 1
                opened.pop()
                self._since = at

        return outer

    def clear(self) -> None:
        """From now on."""
        self.seconds.clear()
        self.calls.clear()
        self._inner.clear()

    def per_event(self, events: int, cost_s: float = 0.0) -> dict[str, float]:
        """us per event by part. `cost_s` = what a wrapped call adds, half of it to its caller."""
        left = {
            part: spent - cost_s * (self.calls[part] + self._inner[part]) / 2
            for part, spent in self.seconds.items()
        }
        ranked = sorted(left.items(), key=lambda pair: -pair[1])
        return {part: round(max(0.0, spent) / events * 1e6, 1) for part, spent in ranked}


def cost_of_a_call() -> float:
    """Seconds that wrapping adds to one call."""
    parts, calls = Parts(), 20_000

    def nothing() -> None:
        return None

    wrapped = parts._wrapped("nothing", nothing)
    best = 1.0
    for _ in range(3):
        began = time.thread_time()
        for _ in range(calls):
            wrapped()
        middle = time.thread_time()
        for _ in range(calls):
            nothing()
        best = min(best, (middle - began - (time.thread_time() - middle)) / calls)
    return best
