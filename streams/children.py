"""Child processes that never outlive us: started with a parent-death signal, restarted on exit
75.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from supplytwin.schemas.errors import FatalError, FencedError

RESTART = 75
"""Exit code of a process that cannot go on and wants to be started again (EX_TEMPFAIL)."""
STUCK = "stuck, leaving"
_TAIL = 65_536
"""Bytes of a log of which the last line is looked for: a line has a trace of 4,000 characters."""
_PR_SET_PDEATHSIG = 1
_RESTARTS_IN_A_ROW = 5
_STABLE_S = 30.0


def die_with_parent() -> None:
    """Ask the kernel to end this process (SIGTERM) when its parent is gone; runs between fork
    and exec.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


Restarted = Callable[[str, str], None]
"""Told the name of a process that is started again, and why (`ended`)."""


def unwatched(name: str, why: str) -> None:
    """The default of every `Restarted`: nobody counts."""


def ended(code: int, said: bytes) -> str:
    """Why a process is to be started again: killed | fenced | stuck | failed.

    `said` is (the end of) what it logged. The exit code is one for all that a restart helps: the
    last line tells more, and a process that is fenced has no time to be asked for its metrics.
    """
    if code == -signal.SIGKILL:
        return "killed"
    try:
        line = msgspec.json.decode(said.splitlines()[-1], type=_Last)
    except (IndexError, msgspec.DecodeError):
        return "failed"
    if line.event == STUCK:
        return "stuck"
    return "fenced" if line.error == FencedError.__name__ else "failed"


class _Last(msgspec.Struct, frozen=True, kw_only=True):
    """What matters of a process's last log line."""

    event: str
    error: str = ""


CLI = ("-m", "supplytwin.streams.cli")


def command(*words: str, program: Sequence[str] = CLI) -> list[str]:
    """The command line of one of our own commands (or of another program) in this interpreter."""
    return [sys.executable, *program, *words]


class Child:
    """One supervised process: a name, its command, and a log file."""

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        restarted: Restarted = unwatched,
        *,
        program: Sequence[str] = CLI,
    ) -> None:
        self.name = name
        self._restarted, self._program = restarted, program
        self.log = log
        self._words = words
        self._env = {**os.environ, **env}
        self._failures = 0
        self._started = 0.0
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._started = time.monotonic()
        with self.log.open("ab") as log:
            self._from = log.tell()
            return subprocess.Popen(
                command(*self._words, program=self._program),
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509  one system call, no lock
                start_new_session=True,  # a Ctrl-C is the supervisor's to pass on, once
            )

    def tend(self) -> None:
        """Restart the process when it asked for it. Raises FatalError when it cannot be kept
        up.
        """
        code = self.process.poll()
        if code is None:
            return
        killed = code == -signal.SIGKILL
        if code != RESTART and not killed:
            raise FatalError(f"{self.name} ended with exit code {code}; its log: {self.log}")
        lasted = time.monotonic() - self._started
        self._failures = 0 if lasted > _STABLE_S else self._failures + 1
        if self._failures > _RESTARTS_IN_A_ROW:
            raise FatalError(f"{self.name} failed {self._failures} times in a row: {self.log}")
        self._restarted(self.name, ended(code, self._said()))
        time.sleep(min(0.2 * 2**self._failures, 5.0))
        self.process = self._spawn()

    def _said(self) -> bytes:
        """The end of what this process logged since it was last started."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._from, size - _TAIL))
            return log.read()

    def stop(self, patience_s: float = 12.0) -> int:
        """Drain by SIGTERM; SIGKILL when it does not end in time. Returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


class Children:
    """A group of supervised processes, stopped in the order in which they were started."""

    def __init__(
        self,
        env: Mapping[str, str],
        logs: Path,
        *,
        restarted: Restarted = unwatched,
    ) -> None:
        self._env = env
        self._restarted = restarted
        self._logs = logs
        self._logs.mkdir(parents=True, exist_ok=True)
        self.members: list[Child] = []

    def start(self, name: str, *words: str) -> Child:
        child = Child(name, words, self._env, self._logs / f"{name}.log", self._restarted)
        self.members.append(child)
        return child

    def tend(self) -> None:
        for child in self.members:
            child.tend()

    def stop(self) -> dict[str, int]:
        """Exit code by name."""
        codes = {child.name: child.stop() for child in self.members}
        self.members = []
        return codes
