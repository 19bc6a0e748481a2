"""The peers: Kafka Streams, Quix Streams, Faust. Each has an environment of its own, which is made
on demand (BENCH_PEERS=1) in the user's cache folder; without one it is left out, and that is said.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import platformdirs
from canonical import IN, OUT, TYPES, WANTED
from kafka_tools import create, fresh
from measure import HERE, bound, rates, say

from supplytwin.schemas.errors import FatalError

INSTALL = "BENCH_PEERS"
"""1 = install what is missing, 0 = run no peer; otherwise those that are installed run."""
STRETCHES = (400_000, 1_400_000, 2_400_000)
"""Kafka Streams: cold to the first, warm from the second to the third (as in other comparisons)."""
QUIX, FAUST = 100_000, 20_000
"""How many records the slower peers get."""
_PACKAGES = {
    "quix": ("quixstreams", "fastavro"),
    "faust": ("faust-streaming", "cramjam", "fastavro"),
}
NAMES = ("kstreams", *_PACKAGES)
_JAVA = ("java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")


def _home() -> Path:
    return Path(platformdirs.user_cache_dir("supplytwin")) / "bench-peers"


def _installed(name: str) -> bool:
    return (_home() / name / ".complete").exists()


def available() -> list[str]:
    """The peers that run; says of each other one that it is left out."""
    wish = os.environ.get(INSTALL, "")
    found = []
    for name in NAMES:
        if wish == "1" and not _installed(name):
            say(f"peer {name}: installing")
            try:
                _install(name)
            except (FatalError, OSError, subprocess.TimeoutExpired) as error:
                say(f"peer {name}: cannot be installed: {error}")
        if wish == "0":
            say(f"peer {name}: not wanted ({INSTALL}=0), skipped")
        elif not _installed(name):
            say(f"peer {name}: not installed, skipped ({INSTALL}=1 installs it)")
        else:
            found.append(name)
    return found


def _run(*words: str, timeout_s: float = 600.0) -> str:
    done = subprocess.run(
        bound(words), capture_output=True, text=True, check=False, timeout=timeout_s
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise FatalError(f"{Path(words[0]).name}: " + " ".join(said[-4:]))
    return done.stdout


def _install(name: str) -> None:
    folder = _home() / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name == "kstreams":
        for tool in ("java", "mvn"):
            if shutil.which(tool) is None:
                raise FatalError(f"{tool} is not on the PATH")
        _run(
            "mvn", "-q", "-B", "-f", str(HERE / "kstreams" / "pom.xml"), "package",
            "dependency:copy-dependencies", f"-Dout={folder}", "-DincludeScope=runtime",
            f"-DoutputDirectory={folder / 'lib'}",
        )  # fmt: skip
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin" / "pip"), "install", "--quiet", *_PACKAGES[name])
    (folder / ".complete").touch()


class Task:
    """What a peer has to do: files and topics of one bench."""

    def __init__(self, address: str, source: str, long_source: str, folder: Path) -> None:
        self.address, self.source, self.long_source = address, source, long_source
        self.file, self.schemas = folder / "task.json", folder / "schemas.txt"
        self.file.write_text(
            json.dumps({"in": IN, "out": OUT, "types": TYPES, "wanted": sorted(WANTED)})
        )
        self.schemas.write_text(f"{json.dumps(IN)}\n{json.dumps(OUT)}\n")

    def run(self, name: str) -> tuple[dict[str, Any], str]:
        """(figures of one run, its output topic)."""
        prefix = fresh(name)
        out = prefix + "out"
        create(self.address, (out,))
        return (self._kstreams if name == "kstreams" else self._python)(name, prefix, out), out

    def _python(self, name: str, prefix: str, out: str) -> dict[str, Any]:
        count = QUIX if name == "quix" else FAUST
        said = _run(
            str(_home() / name / "bin" / "python"), str(HERE / f"peer_{name}.py"),
            self.address, self.source, out, prefix + "app", str(self.file), str(count),
        )  # fmt: skip
        found = json.loads(said.strip().splitlines()[-1])
        return rates(found["events"], found["wall_s"], found["cpu_s"])

    def _kstreams(self, name: str, prefix: str, out: str) -> dict[str, Any]:
        home = _home() / name
        path = os.pathsep.join((str(home / "bench-kstreams-1.jar"), str(home / "lib" / "*")))
        with tempfile.TemporaryDirectory() as state:
            said = _run(
                *_JAVA, "-cp", path, "CanonicalWork", self.address, self.long_source, out,
                prefix + "app", state, str(self.schemas), ",".join(TYPES),
                ",".join(sorted(WANTED)), ",".join(map(str, STRETCHES)),
            )  # fmt: skip
        cold, _, warm = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return {
            **rates(warm["events"], warm["wall_s"], warm["cpu_s"]),
            "cold": rates(cold["events"], cold["wall_s"], cold["cpu_s"]),
            "rss_mb": int(warm["rss_kb"]) // 1024,
        }
