"""How things are measured: CPU of whole processes, wall time, memory, percentiles, medians.

A measured piece of work runs in a process of its own (`child.py ROLE`), so that the CPU of every
thread of it counts, those of librdkafka and polars included, and nothing else does.
"""

import ctypes
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1
PATIENCE_S = 120.0


def say(text: str = "") -> None:
    """One line for people."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


# ---- time, CPU, memory


class Clock:
    """Wall time and CPU of this process, all threads, since `start`."""

    def __init__(self) -> None:
        self.started = False
        self._wall = self._cpu = 0.0

    def start(self) -> None:
        """Begin; a second call changes nothing."""
        if not self.started:
            self.started = True
            self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self, events: int) -> dict[str, float]:
        """What `events` took since the start."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return rates(events, wall, cpu)


def rates(events: int, wall_s: float, cpu_s: float) -> dict[str, float]:
    """The figures of one piece of work."""
    return {
        "events": events,
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "events_per_s": round(events / wall_s) if wall_s else 0,
        "events_per_cpu_s": round(events / cpu_s) if cpu_s else 0,
    }


def peak_rss_mb(pid: int | str = "self") -> int:
    """Largest resident memory of a process so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


def cpu_of(pid: int) -> float:
    """CPU seconds of a living process, all threads (resolution 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def calibration_ms() -> float:
    """CPU of a fixed piece of Python: tells how fast the machine is right now."""
    began = time.process_time()
    table: dict[int, int] = {}
    for number in range(200_000):
        table[number & 1023] = table.get(number & 1023, 0) + number
    return round((time.process_time() - began) * 1000, 1)


# ---- many values


def median(values: Iterable[float]) -> float:
    """The median, rounded to what can be believed."""
    found = statistics.median(values)
    return round(found) if found >= 100 else round(found, 3)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Latencies in ms."""
    ordered = sorted(seconds)
    if not ordered:
        return {"samples": 0}

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)

    return {
        "samples": len(ordered),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
        "max_ms": round(ordered[-1] * 1000, 1),
    }


# ---- children


class Child:
    """One measured process: a role of `child.py`. It ends when this process does."""

    def __init__(self, role: str, **arguments: Any) -> None:
        words = [sys.executable, str(HERE / "child.py"), role, json.dumps(arguments)]
        self._began = time.monotonic()
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.role = role

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, word: str) -> None:
        """Write one line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Its next line, which is JSON. Raises RuntimeError when it has ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.role} ended with {self.process.wait()} and said nothing")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, word: str) -> dict[str, Any]:
        """`tell`, then `hear`."""
        self.tell(word)
        return self.hear()

    def end(self, patience_s: float = 20.0) -> None:
        """Let it finish; killed when it does not."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def once(role: str, **arguments: Any) -> dict[str, Any]:
    """Run a role to its end; what it says."""
    child = Child(role, **arguments)
    try:
        return child.hear()
    finally:
        child.end()


def answer(found: Mapping[str, Any]) -> None:
    """A child's way to speak to its parent."""
    sys.stdout.write(json.dumps(dict(found)) + "\n")
    sys.stdout.flush()


def word() -> str | None:
    """A child's line from its parent, if there is one; "" when the parent has closed."""
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return sys.stdin.readline().strip() if ready else None


def end_with_parent(parent: int | None = None) -> None:
    """SIGTERM for this process when its parent is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if parent is not None and os.getppid() != parent:
        sys.exit(1)


def bound(words: Sequence[str]) -> list[str]:
    """A command line of another program that gets SIGTERM when this process is gone."""
    ask = f"ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGTERM)})"
    code = f"import ctypes, os, sys; {ask}; os.execvp(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-S", "-c", code, *words]


def until(ready: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for `ready`. Raises RuntimeError that says what did not happen."""
    deadline = time.monotonic() + patience_s
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {patience_s:.0f} s")
        time.sleep(0.005)
