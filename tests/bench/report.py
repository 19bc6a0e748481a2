"""What a bench run says: tables, one JSON file, and each aim beside what was reached."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from measure import HERE, calibration_ms, say

RESULTS = HERE.parents[1] / "bench-results"


class Aim(NamedTuple):
    """`least` (and better `good`) for a value; `most` instead where smaller is better."""

    name: str
    value: float | None
    least: float
    good: float | None = None
    smaller: bool = False

    def verdict(self) -> str:
        """In words."""
        if self.value is None:
            return "not measured"
        if self.smaller:
            return "reached" if self.value < self.least else "MISSED"
        if self.good is not None and self.value >= self.good:
            return "reached, and the aim beyond"
        return "reached" if self.value >= self.least else "MISSED"

    def row(self) -> tuple[str, str, str, str]:
        """For the table."""
        sign = "<" if self.smaller else ">="
        wanted = f"{sign} {self.least:g}" + ("" if self.good is None else f", aim {self.good:g}")
        value = "-" if self.value is None else f"{self.value:g}"
        return self.name, value, wanted, self.verdict()


def table(title: str, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Columns as wide as they must be; numbers to the right."""
    lines = [tuple(map(_shown, row)) for row in (head, *rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    say()
    say(title)
    for number, line in enumerate(lines):
        cells = [
            cell.ljust(width) if at == 0 or not _is_number(cell) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        say("  " + "  ".join(cells).rstrip())
        if number == 0:
            say("  " + "  ".join("-" * width for width in widths))


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell == "-"


def _commit() -> str:
    """The commit that was measured, with a plus when the tree differs from it."""
    try:
        asked = ("git", "describe", "--always", "--dirty=+", "--abbrev=10")
        done = subprocess.run(
            asked, cwd=HERE, capture_output=True, text=True, check=False, timeout=10
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": [round(one, 1) for one in os.getloadavg()],
        "calibration_ms": calibration_ms(),
    }


def save(results: Mapping[str, Any], seconds: float) -> Path:
    """Write one JSON file, and the same as `latest.json`."""
    RESULTS.mkdir(exist_ok=True)
    whole = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "seconds": round(seconds),
        **results,
    }
    text = json.dumps(whole, indent=1) + "\n"
    path = RESULTS / time.strftime("bench-%Y%m%dT%H%M%SZ.json", time.gmtime())
    path.write_text(text)
    (RESULTS / "latest.json").write_text(text)
    return path


def conclude(aims: list[Aim]) -> dict[str, Any]:
    """The last table; what stands about it in the JSON."""
    rows: list[tuple[Any, ...]] = [aim.row() for aim in aims]
    if rows:
        table("Aims (ratios and rates per CPU-second; medians)", ("", "here", "wanted", ""), rows)
    return {aim.name: {"value": aim.value, "verdict": aim.verdict()} for aim in aims}
