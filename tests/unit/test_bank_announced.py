"""A return that a pacs.004 announces moves nothing: the account has to show it. One that it does
not show reaches its claim.
"""

from bank_rail_world import Desktop, instruction, settled
from bank_rail_world import instructed as flying
from iso20022_world import BUYER, bank_statement, entry, notification, payment_return
from structlog.testing import capture_logs
from test_bank_rail_statement import CLOSING, OPENING, closed, names

from supplytwin.schemas.records import Receipt, SentMessage

BOTH = (flying(), settled())
PAID = OPENING - CLOSING
SAYS = (
    f"NOT_UNDERSTOOD: attempt 1: return RTR-1 of {PAID} CNY (minor units) was announced, and the "
    "account does not show it"
)


def booked() -> Desktop:
    """Held, paid, booked on the 19th, whose statement has it; the rail is one of a new process."""
    desk = Desktop()
    desk.give(instruction("RESERVE"))
    desk.publish()
    desk.sent = desk.paid()  # type: ignore[attr-defined]
    debit = entry(desk.sent)  # type: ignore[attr-defined]
    desk.hear(notification(debit))
    desk.paper.bring(bank_statement(OPENING, CLOSING, debit))
    assert names(closed(desk, *BOTH)) == []
    desk.new()
    return desk


def announced(desk: Desktop, return_id: str = "RTR-1", minor: int | None = None) -> list[Receipt]:
    """On the 20th it is announced that it comes back."""
    data = payment_return(desk.sent, return_id, minor)  # type: ignore[attr-defined]
    return desk.hear(data.replace(b"2026-11-24", b"2026-11-20"))


def day(number: int, *entries: list[tuple[str, ...]], page: tuple[str, str] | None = None) -> bytes:
    """The statement of this day of November, which opens with what the 19th closed with."""
    sums = sum(int(one[0][1].replace(".", "")) for one in entries)
    data = bank_statement(CLOSING, CLOSING + sums, *entries, page=page)
    return (
        data.replace(b"2026-11-19", b"2026-11-%d" % number)
        .replace(b"STMT-324", b"STMT-%d" % (305 + number))
        .replace(b"BANK-D-1", b"BANK-D-%d" % number)
    )


def back(desk: Desktop, name: str = "RTN-1", minor: int | None = None) -> list[tuple[str, ...]]:
    """The return on the account, ."""
    return entry(desk.sent, name, "CRDT", returned="AC04", minor=minor)  # type: ignore[attr-defined]


def after(desk: Desktop, *documents: bytes) -> list[str | None]:
    """The reasons of what is told when these statements are closed."""
    desk.paper.bring(*documents)
    desk.publish()
    desk.rail.close_day(BOTH)
    return [one.rail_reason for one in desk.publish()]


def test_it_is_found_when_it_comes() -> None:
    """Logged and counted, and told to nobody."""
    desk = booked()
    with capture_logs() as lines:
        assert announced(desk) == []
    (line,) = lines
    assert (line["event"], line["code"]) == (
        "a document of the bank is not understood",
        "NOT_BOOKED",
    )
    assert line["says"] == "return RTR-1 is announced: it counts when the account shows it"
    assert desk.rail.findings() == ("NOT_BOOKED",)
    assert desk.paper.confirmed == [one.name for one in desk.paper.mail]


def test_an_account_that_does_not_show_it_tells_the_claim() -> None:
    """Once, by the first whole statement of its day or later, in whichever process."""
    desk = booked()
    announced(desk)
    assert after(desk, day(19).replace(b"STMT-324", b"STMT-1")) == []
    assert after(desk, day(20, page=("1", "false"))) == []
    desk.new()
    assert after(desk, day(20)) == [SAYS]
    assert after(desk, day(21)) == []
    desk.new()
    assert after(desk, day(22)) == []
    assert desk.paper.confirmed == [one.name for one in desk.paper.mail]


def test_a_transaction_that_was_aborted_forgets_none() -> None:
    """The rail is given again what Kafka has; what was announced stands in no topic."""
    desk = booked()
    announced(desk)
    assert after(desk, day(19).replace(b"STMT-324", b"STMT-1")) == []
    desk.rail.forget()
    for kind in (SentMessage, Receipt):
        for one in desk.kept:
            if isinstance(one, kind):
                desk.rail.remember(one)
    assert after(desk, day(20)) == [SAYS]


def test_what_the_account_shows_is_not_missing() -> None:
    """Under an id of its own, and also where a charge was taken from it."""
    for minor in (PAID, PAID - 500):
        desk = booked()
        announced(desk)
        desk.hear(notification(back(desk, minor=minor)).replace(b"BANK-N-1", b"BANK-N-2"))
        assert SAYS not in after(desk, day(20, back(desk, minor=minor)))


def test_of_two_that_are_announced_one_is_shown() -> None:
    """The other one is missing; the announcement that comes twice is one."""
    desk = booked()
    announced(desk, "RTR-2", PAID - 500)
    announced(desk)
    announced(desk)
    shown = back(desk, minor=PAID - 500)
    assert SAYS in after(desk, day(20, shown))


def test_another_account_need_not_show_it() -> None:
    """The bank's statement of other money says nothing about it."""
    desk = booked()
    announced(desk)
    iban = (BUYER.account.iban or "").encode()
    assert after(desk, day(20).replace(iban, iban[:-1] + b"0")) == []


def test_it_is_no_reference_of_ours_that_the_account_shows_instead() -> None:
    """A credit that bears none of our ids is a stranger's: the claim still hears of its return."""
    desk = booked()
    announced(desk)
    credit = [one for one in back(desk) if "/Refs/" not in one[0] and "RtrInf" not in one[0]]
    desk.paper.bring(day(20, credit))
    assert "NOT_OURS" in names(closed(desk, *BOTH))
    assert SAYS in [one.rail_reason for one in desk.kept if isinstance(one, Receipt)]
