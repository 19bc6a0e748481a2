"""docs/iso20022.md says what the code has."""

import re
from pathlib import Path

from supplytwin.sinks import (
    iso20022_in,
    iso20022_out,
    iso20022_recall,
    iso20022_status,
    iso20022_xml,
)
from supplytwin.sinks.iso20022_answers import Fault
from supplytwin.sinks.reconcile import Difference

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "iso20022.md").read_text()


def _first_column(header: str) -> list[str]:
    table = TEXT.split(f"\n| {header} |")[1].split("\n\n")[0]
    return re.findall(r"^\| ([A-Z_]+) \|", table, re.MULTILINE)


def test_every_finding_and_every_difference_is_documented() -> None:
    """Each code has its line, in the order of the code, and none is made up."""
    assert _first_column("code") == list(Fault)
    assert _first_column("result") == list(Difference)


def test_every_version_and_every_code_is_documented() -> None:
    """Messages, versions, reasons and limits stand there as they are in the code."""
    assert f"{iso20022_out.MESSAGE} out" in TEXT
    assert f"{iso20022_recall.MESSAGE} out" in TEXT
    for family, versions in iso20022_in.VERSIONS.items():
        assert f"{family}.{versions[0]}" in TEXT
        assert f".{versions[-1]}" in TEXT
    assert " ".join(sorted(iso20022_recall.REASONS)) in TEXT
    assert all(code in TEXT for code in iso20022_status.STATUSES)
    assert f"at most {iso20022_out.PAYMENTS_MAX:,} payments" in TEXT
    assert f"{iso20022_xml.BYTES_MAX >> 20} MiB, {iso20022_xml.ELEMENTS_MAX:,}\nelements" in TEXT
    assert f"{iso20022_xml.DEPTH_MAX} levels" in TEXT
