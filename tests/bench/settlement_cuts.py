"""What a cut of a chain under full terms costs, in memory: CPU milliseconds.

One contract of 1 or 20 claims over 10, 100 or 1,000 facts. The facts are those of one consignment
after the other, or each of them names all consignments, so that every claim hangs on every fact.
Measured are cuts in which nothing came, in which a fact of another consignment came, and in which
one came that bears on claims.
"""

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import full_terms
from measure import answer, median, once, say
from msgspec.structs import replace
from report import Aim, table

from supplytwin.processors import settlement
from supplytwin.processors.keys import register_of
from supplytwin.processors.settlement import Signing
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.twin import EMPTY, Twin, take
from supplytwin.schemas import codec
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.ids import DAY_US, SECOND_US, Micros
from supplytwin.schemas.records import Receipt

CLAIMS, FACTS = (1, 20), (10, 100, 1_000)
CHAIN = "PO-1"
TICK_US = 200_000
AT_MOST_S = 2.0
"""For one figure, after the first cut."""
QUIET_MS, BEARING_MS = 2.0, 100.0


def _item(event: Event, arrival: int) -> Input:
    value = codec.encode(event.TOPIC, event)
    record = Record(topic=event.TOPIC, partition=0, offset=0, arrival=arrival, key=b"", value=value)
    digest = hashlib.sha256(value).digest()
    return Input(record=record, key=CHAIN, message=event, fingerprint=0, content_hash=digest)


class World:
    """A book whose claims are reserved, over facts that do not pay them yet."""

    def __init__(self, claims: int, facts: int, *, shared: bool) -> None:
        self.claims, self.shared = claims, shared
        self.twin: Twin = EMPTY
        agreed = full_terms.terms(CHAIN, claims)
        signing = Signing(register=register_of([full_terms.keys(agreed)]), at=full_terms.START)
        made = full_terms.contract(agreed)
        done = settlement.agree(Book(), made, b"contract", full_terms.START, signing)
        assert len(done.transitions) == claims, done.alarms
        self.book = done.book
        for move in done.transitions:
            for order in move.instructions:
                self._confirm(order)
        self.tick = full_terms.START + 20 * DAY_US
        self.number = 0
        for _ in range(facts):
            self.tell()

    def _confirm(self, order: Any) -> None:
        names = ("contract_id", "settlement_id", "kind", "instruction_no", "attempt", "hold_no",
                 "recall_no", "query_no", "amount_minor", "currency")  # fmt: skip
        same = {name: getattr(order, name) for name in names}
        said = Receipt(
            input_id=f"ok {order.settlement_id}", source="rail", chain_id=CHAIN,
            rail_status="CONFIRMED", rail_time=Micros(full_terms.START), **same,
        )  # fmt: skip
        key = order.settlement_id.encode()
        self.book = settlement.receipt(self.book, said, key, full_terms.START).book

    def tell(self, consignment: int | None = None) -> None:
        """The next fact, which never makes a claim payable."""
        at = full_terms.START + DAY_US + self.number * SECOND_US
        which = self.number % self.claims if consignment is None else consignment
        turn = self.number // self.claims if consignment is None else self.number
        event = full_terms.fact(CHAIN, turn * full_terms.KINDS + turn % 4, at, which, ready=False)
        event = replace(event, event_id=str(self.number))
        if consignment is not None:
            event = replace(event, refs=(f"CONSIGNMENT:K{consignment}",))
        elif self.shared:
            others = tuple(f"CONSIGNMENT:K{one}" for one in range(self.claims))
            event = replace(event, refs=(*event.refs, *others))
        self.number += 1
        self.twin = take(self.twin, _item(event, at + SECOND_US)).twin

    def cut_ms(self) -> float:
        """One cut; CPU ms."""
        self.tick += TICK_US
        began = time.process_time()
        self.book, moved = settlement.cut(self.book, self.twin, self.tick)
        spent = (time.process_time() - began) * 1e3
        assert not moved
        return spent

    def figures(self) -> Iterator[tuple[str, float]]:
        """The median of each kind of cut."""
        yield "first", self.cut_ms()
        for name in ("nothing", "another", "bearing"):
            found: list[float] = []
            end = time.monotonic() + AT_MOST_S
            while len(found) < 25 and (len(found) < 3 or time.monotonic() < end):
                if name != "nothing":
                    self.tell(999 if name == "another" else None)
                found.append(self.cut_ms())
            yield name, sorted(found)[len(found) // 2]


def measure() -> None:
    """Role: every world once."""
    found = {}
    for shared in (False, True):
        for claims in CLAIMS:
            for facts in FACTS:
                if claims > 1 or not shared:
                    world = World(claims, facts, shared=shared)
                    kind = "shared" if shared else "apart"
                    found[f"{claims} {facts} {kind}"] = dict(world.figures())
    answer(found)


def bench(rounds: int) -> dict[str, Any]:
    """Rounds, each in a process of its own."""
    say("cuts of chains under full terms")
    runs = [once("settlement_cuts") for _ in range(rounds)]
    kinds = ("first", "nothing", "another", "bearing")
    middle = {
        name: {kind: median(run[name][kind] for run in runs) for kind in kinds} for name in runs[0]
    }
    table(
        "A cut under full terms: CPU ms",
        ("claims, facts", "everything anew", "nothing came", "of another", "bears on it"),
        [(name, *(found[kind] for kind in kinds)) for name, found in middle.items()],
    )
    aims = [
        Aim("1 claim, 1,000 facts, nothing bears on it: CPU ms",
            middle["1 1000 apart"]["another"], QUIET_MS, smaller=True),
        Aim("20 claims, 1,000 facts, one fact came: CPU ms",
            middle["20 1000 apart"]["bearing"], BEARING_MS, smaller=True),
    ]  # fmt: skip
    return {"aims": aims, "runs": runs}
