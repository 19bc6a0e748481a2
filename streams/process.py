"""How a long-running process ends: drained by SIGTERM, at once by the second, killed when
stuck.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog
from msgspec import Struct

from supplytwin.schemas.errors import UsageError
from supplytwin.streams.checkpoint import POINTS, At, nowhere
from supplytwin.streams.children import RESTART
from supplytwin.streams.observe import trace

log = structlog.get_logger("supplytwin.process")

DRAIN_S = 9.0
IN_FLIGHT_S = 0.3


def serve(
    run: Callable[[threading.Event], None],
    *,
    beat: Callable[[], float] | None = None,
    stuck_s: float = 20.0,
    drain_s: float = DRAIN_S,
    leave: Callable[[int], None] = os._exit,
) -> int:
    """Call `run` until a signal sets its event. Exit code: 0 drained, 75 failed, start me
    again.

    `beat` tells (on time.monotonic) when the loop last came round: longer ago than `stuck_s`,
    or a drain longer than `drain_s`, ends the process with 75 by `leave`; so does the second
    signal. UsageError passes. Must be called in the main thread.
    """
    stop, done = threading.Event(), threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            leave(RESTART)
        stop.set()

    before = {name: signal.signal(name, on_signal) for name in (signal.SIGTERM, signal.SIGINT)}
    watch = _Watch(stop=stop, done=done, beat=beat, stuck_s=stuck_s, drain_s=drain_s, leave=leave)
    threading.Thread(target=watch.run, daemon=True).start()
    try:
        run(stop)
    except UsageError:
        raise
    except Exception as error:
        kind = type(error).__name__
        log.error("cannot go on", error=kind, why=str(error), trace=trace(error))
        return RESTART
    finally:
        done.set()
        for name, handler in before.items():
            signal.signal(name, handler)
    return 0


def killer(point: str) -> At:
    """An `At` that kills this process (SIGKILL) at a point of the loop: `NAME`, or `NAME:nth`.

    Raises UsageError for a name that is not in checkpoint.POINTS. "" = never.
    """
    if not point:
        return nowhere
    name, _, times = point.partition(":")
    if name not in POINTS or not (times or "1").isdigit():
        raise UsageError(f"{point!r} is no point of the loop: {', '.join(POINTS)}, or NAME:nth")
    left = int(times or "1")

    def at(reached: str) -> None:
        nonlocal left
        left -= reached == name
        if reached == name and left == 0:
            time.sleep(IN_FLIGHT_S)  # what was produced is with the broker by then
            os.kill(os.getpid(), signal.SIGKILL)

    return at


class _Watch(Struct, frozen=True, kw_only=True):
    """Ends the process when its loop is stuck, or its drain takes too long."""

    stop: threading.Event
    done: threading.Event
    beat: Callable[[], float] | None
    stuck_s: float
    drain_s: float
    leave: Callable[[int], None]

    def run(self) -> None:
        draining: float | None = None
        while not self.done.wait(min(0.5, self.drain_s / 4, self.stuck_s / 4)):
            at = time.monotonic()
            if self.stop.is_set() and draining is None:
                draining = at
            late = draining is not None and at - draining > self.drain_s
            if late or (self.beat is not None and at - self.beat() > self.stuck_s):
                log.error("stuck, leaving", draining=draining is not None)
                self.leave(RESTART)
                return
