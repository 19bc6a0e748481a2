"""What the stories about the second reading begin with: an agreed and funded contract of one claim,
and short words for what came out.
"""

from __future__ import annotations

from typing import Any

from settlement_machine_claim import Claim
from settlement_machine_oracle import Machine
from settlement_machine_words import (
    ClaimTerms,
    ContractAgreed,
    Cut,
    Disputes,
    HoldConfirmed,
    Input,
    Refused,
    Taken,
    Terms,
    Verdict,
)

TRUE = Verdict("TRUE", 80, "h")
SEIZED = Verdict("UNKNOWN", 80, "h2", ("seized",), revivable=True)
COURT = Disputes(("BUYER",), 2, ("x", "y", "z"), 10, "BUYER")


def machine(*, claim: dict[str, Any] | None = None, **given: Any) -> Machine:
    """An agreed contract of one claim A of at most 100, funded, at tick 0."""
    one = ClaimTerms(**({"id": "A", "max_minor": 100, "deadline": 50, "grace": 5} | (claim or {})))
    usual = {
        "claims": (one,), "currency": "CNY", "cap": 300, "funding": "PREFUNDED_HOLD",
        "auto_renew": False, "funding_deadline": 20, "long_stop": 200, "tolls": False,
        "attempts_max": 2, "sla": 5, "disputes": COURT,
    }  # fmt: skip
    built = Machine(Terms(**(usual | given)))
    built.take(ContractAgreed())
    for name in built.claims:
        built.take(HoldConfirmed(name, 1, 100, "CNY", 900))
    return built


def instructed(**given: Any) -> Machine:
    """The same, paid at tick 1: 80 in flight, 20 still reserved."""
    built = machine(**given)
    cut(built, 1)
    assert built.claims["A"].state == "INSTRUCTED"
    return built


def cut(built: Machine, tick: int, verdict: Verdict = TRUE) -> list[Taken | Refused]:
    return built.take(Cut(tick, dict.fromkeys(built.claims, verdict)))


def rows(answer: list[Taken | Refused]) -> list[int]:
    return [one.row for one in answer if isinstance(one, Taken)]


def sent(answer: list[Taken | Refused], kind: str) -> list[int]:
    said = [one.instructions for one in answer if isinstance(one, Taken)]
    return [order.no for orders in said for order in orders if order.kind == kind]


def accounts(claim: Claim) -> tuple[int, int, int, int]:
    return claim.buyer, claim.reserved, claim.in_flight, claim.seller


def unfunded() -> Machine:
    one = ClaimTerms("A", 100, 50, 5)
    built = Machine(Terms((one,), "CNY", 100, "PREFUNDED_HOLD", False, 20, 200, False, 2, 5))
    built.take(ContractAgreed())
    return built


def after(said: Input) -> Machine:
    built = machine()
    built.take(said)
    return built


def kinds(answer: list[Taken | Refused]) -> list[str]:
    return [one.kind for one in answer if isinstance(one, Refused)]


def alarms(answer: list[Taken | Refused]) -> list[str]:
    return [code for one in answer if isinstance(one, Taken) for code in one.alarms]
