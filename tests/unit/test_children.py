"""Why a supervised process was started again: the supervisor counts it, fences among the rest."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from supplytwin.schemas.errors import AbortError, FatalError, FencedError
from supplytwin.streams import observe, process
from supplytwin.streams.children import RESTART, Child, ended
from supplytwin.streams.memory import MemoryBroker

FAILS_ONCE = """
import pathlib, sys
from supplytwin.schemas.errors import FencedError
from supplytwin.streams import observe, process
def run(stop):
    raise FencedError("a newer producer holds the transactional id")
mark = pathlib.Path(sys.argv[1])
if mark.exists():
    sys.exit(75)
mark.touch()
observe.configure_logging()
sys.exit(process.serve(run))
"""


@pytest.fixture
def said() -> Iterator[Callable[[], bytes]]:
    """What this process logged, as it stands in the file of a supervised one."""
    with structlog.testing.capture_logs() as lines:
        yield lambda: b"\n".join(msgspec.json.encode(line) for line in lines) + b"\n"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (FencedError("a newer one"), "fenced"),
        (FatalError("fenced, it says, but is not"), "failed"),
        (AbortError("x"), "failed"),
        (ValueError("a defect"), "failed"),
    ],
)
def test_the_last_line_of_a_process_says_why_it_ended(
    said: Callable[[], bytes], error: Exception, why: str
) -> None:
    """The line that `serve` logs tells a fence from everything else that ends with 75."""

    def run(stop: threading.Event) -> None:
        raise error

    assert process.serve(run) == RESTART
    assert ended(RESTART, said()) == why


def test_a_stuck_process_is_told_from_a_failed_one(said: Callable[[], bytes]) -> None:
    """The watchdog's last line counts as stuck."""
    left, born = threading.Event(), time.monotonic()

    def run(stop: threading.Event) -> None:
        assert left.wait(5.0)

    process.serve(run, beat=lambda: born, stuck_s=0.05, leave=lambda code: left.set())
    assert ended(RESTART, said()) == "stuck"


@pytest.mark.parametrize("said", [b"", b"error: no broker\n", b'{"half', b"[1]\n", b"\xff\n"])
def test_what_says_nothing_has_failed(said: bytes) -> None:
    """A process that ended without a log line of ours is a failure; SIGKILL is told by its code."""
    assert ended(RESTART, said) == "failed"
    assert ended(-signal.SIGKILL, said) == "killed"


def test_a_fence_is_counted_once_and_by_its_process(tmp_path: Path) -> None:
    """An older line of the same log is not the reason of a later end."""
    metrics = observe.UpMetrics()
    child = Child(
        "worker-0",
        [str(tmp_path / "mark")],
        {},
        tmp_path / "worker-0.log",
        metrics.restarted,
        program=("-c", FAILS_ONCE),
    )
    try:
        for counted in ((1, 0), (1, 1)):
            child.process.wait(20.0)
            child.tend()
            found = [
                metrics.value("supplytwin_restarts_total", process="worker-0", why=why)
                for why in ("fenced", "failed")
            ]
            assert tuple(found) == counted
    finally:
        child.stop()


def test_a_producer_that_was_replaced_is_fenced() -> None:
    """The older of two producers of one transactional id gets the error that is counted."""
    broker = MemoryBroker()
    first, second = broker.producer("t"), broker.producer("t")
    first.init(1.0)
    second.init(1.0)
    with pytest.raises(FencedError):
        first.begin()
    broker.close()
