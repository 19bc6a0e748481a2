"""Every row of the failure catalogue of the settlement reference has a test, and docs/failures.md
says what happens; what belongs to other chains or is decided otherwise here is listed.
"""

import re
from pathlib import Path
from types import ModuleType

import pytest
import test_failures_evidence
import test_failures_payments

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "failures.md").read_text()
LAST = 32
"""The rows of the catalogue are numbered from 1."""
MODULES: tuple[ModuleType, ...] = (test_failures_evidence, test_failures_payments)
ELSEWHERE = {
    2: "that other contracts of the same parties stop, too: limits and breakers span chains",
    5: "evidence that names no chain, parked under a reference with a time to live: correlation",
    10: "freezing the seller's other contracts: breakers span chains",
    14: "an excess that the buyer accepts is paid after an amendment with a larger hold, not by "
    "itself: nothing is ever paid above a hold",
    16: "two currencies under one contract, exchanged by a clause of the terms: later terms",
    23: "the gateway after a failover: tests/unit/test_recovery.py and "
    "tests/integration/test_recovery.py",
    24: "the same with a real broker: tests/chaos/test_zombies.py",
    25: "one invoice under two contracts: a question to other chains",
    31: "a list of what is final in every chain: each chain tells its own claim record",
}
"""Parts of rows that need more than one chain, more than one process, or later terms."""
OTHERWISE = {
    2: "a conflict holds the claims that it bears on, not every claim of the contract",
    3: "facts are told apart by identity, never by content: quantities under two ids add up; of "
    "roles and organisations each counts once",
    4: "inputs are keyed by chain, a contract has one chain",
    20: "a deadline asks both when it happened and when it arrived",
    24: "the broker fences; a decision carries no epoch of its writer",
    25: "a partition has one owner, instead of a compare-and-set",
    32: "a word that nobody knows is quarantined and holds the claims, instead of being marked; "
    "terms name the version of their rules, not those of the schemas of evidence",
}
"""Where the design of this project says something else than the row; it wins."""


def rows_of_tests() -> dict[int, set[str]]:
    """The names of the tests of each row."""
    found: dict[int, set[str]] = {}
    for module in MODULES:
        for name in vars(module):
            if name.startswith("test_row_"):
                found.setdefault(int(name[9:11]), set()).add(name)
    return found


def rows_of_page() -> dict[int, tuple[str, str, set[str]]]:
    """(failure, what happens, tests) of each line of the page's table."""
    lines = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert all(len(one) == 4 for one in cells), cells
    found = {
        int(number): (failure, then, set(re.findall(r"`(test_\w+)`", tests)))
        for number, failure, then, tests in cells
    }
    assert len(found) == len(lines)
    return found


def test_every_row_has_a_test() -> None:
    """From the first to the last number, none left out, none made up."""
    assert sorted(rows_of_tests()) == list(range(1, LAST + 1))


def test_the_page_has_the_same_rows_and_tests() -> None:
    """Each row stands in the table with every test that it has, and no other."""
    page = rows_of_page()
    assert {number: tests for number, (_, _, tests) in page.items()} == rows_of_tests()
    assert all(failure and then for failure, then, _ in page.values())


@pytest.mark.parametrize("left", [ELSEWHERE, OTHERWISE], ids=["elsewhere", "otherwise"])
def test_what_is_left_out_is_said_with_its_row(left: dict[int, str]) -> None:
    """The page says the same of the same rows, in the same words."""
    assert set(left) <= set(range(1, LAST + 1))
    said = " ".join(PAGE.split())
    for number, reason in left.items():
        assert f"- {number}: {reason}" in said, number
