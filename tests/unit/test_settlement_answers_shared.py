"""Claims of one delivery in several tranches do not push each other's answers out."""

from typing import Any

import pytest
from goods_world import ANY, Till, claim, contract, day, tranche

from supplytwin.processors import settlement_answers
from supplytwin.processors.fixing import Fixing
from supplytwin.processors.settlement_answers import Answers
from supplytwin.processors.settlement_judged import judged

WARRANTY = {"all": [ANY, {"time": {"not_before": "2027-01-07T00:00:00+08:00"}}]}


def paid_in_two(number: int) -> Till:
    """So many deliveries, each of them paid by two tranches at different times; of every second one
    the second part is still to come.
    """
    claims = [claim(f"C{one}", consignment_id=f"K{one}", max_minor=10**6) for one in range(number)]
    tranches = [
        tranche("T1", *claims, bp=7000),
        tranche("T2", *claims, bp=3000, condition=WARRANTY),
    ]
    for one in tranches:
        one["amount"]["cap_minor"] = number * 10**6
    till = Till(contract(*tranches, qty=str(number * 10)))
    for one in range(number):
        till.receive(f"r{one}", 10, 5, f"L{one}", f"CONSIGNMENT:K{one}")
        for name, amount, on in (("T1", 2331, 5.5), ("T2", 999, 7.0)):
            if name == "T1" or one % 2:
                till.change(f"C{one}", name, state="SETTLED", gross_minor=amount, due_minor=amount,
                            settled_at=day(7.5), fixing=Fixing(at=day(on)))  # fmt: skip
    return till


def test_twice_as_many_deliveries_are_twice_as_many_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is built of the facts, when all claims are judged over the same of them."""
    built, plain = [0], settlement_answers.built

    def counted(*of: Any) -> Any:
        built[0] += 1
        return plain(*of)

    monkeypatch.setattr(settlement_answers, "built", counted)
    work = list[int]()
    for number in (6, 12):
        till, built[0] = paid_in_two(number), 0
        twin = till.twin(8)
        answers = Answers(twin)
        for one in till.book.claims.values():
            judged(till.book, one, twin, day(8), answers=answers)
        work.append(built[0])
    assert work[1] <= 2.2 * work[0], work
