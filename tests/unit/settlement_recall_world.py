"""Histories of one chain under full terms, for what is remembered from cut to cut: facts of any
kind about two of everything, signatures that count for something else later, footprints that become
others, terms that are amended, a rail, people, ticks.
"""

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import contract_world
import fold_world
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import settlement
from supplytwin.processors import twin as twins
from supplytwin.processors.condition_facts_asked import Footprinted
from supplytwin.processors.facts import Identity
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known, Said
from supplytwin.processors.settlement_judged import judged
from supplytwin.processors.settlement_memory import Memory, Recollection
from supplytwin.processors.settlement_state import LIVE
from supplytwin.processors.signed import Counts, Nothing, Reason
from supplytwin.schemas.condition import micros
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import WAREHOUSE, ShipmentSensor
from supplytwin.schemas.flow import Input
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros
from supplytwin.schemas.records import Contract

START = micros("2026-12-07T00:00:00+08:00")
SHIFT = START - fold_world.T
SOURCES = (
    ("customs-office", "CUSTOMS", "t"), ("storing", "WAREHOUSE", "s"),
    ("gulf-tools", "BUYER", "terminal:z"), ("shenzhen-light", "SELLER", "desk-s"),
    ("auditor", "VERIFIER", "v"),
)  # fmt: skip
ROLES = tuple(role for _, role, _ in SOURCES)


def day(number: float) -> Micros:
    """So many days after the seventh of December 2026 in Shanghai."""
    return Micros(START + int(number * DAY_US))


def told(type_: str, *roles: str) -> dict[str, Any]:
    by = {"roles": sorted(roles or ROLES), "k": 1, "distinct_orgs": True}
    return {"milestone": {"type": type_, "by": by}}


def amount_of(line: str, measure: str) -> dict[str, Any]:
    return {"quantity": {"line": line, "measure": measure, "op": ">=", "value": "3"}}


_COLD = {
    "metric": "X", "min": "0", "max": "8", "unit": "x", "max_excursion": "PT3H",
    "max_single": "PT3H", "min_coverage_bp": 1, "from": "2026-12-07T12:00:00+08:00",
    "to": "2026-12-10T12:00:00+08:00",
}  # fmt: skip
_UNTIL_T1 = {"anchor": "TRANCHE:T1", "plus": "P2D"}
CONDITIONS: dict[str, Any] = {
    "T1": {"all": [
        {"any": [told("CUSTOMS_RELEASED"), told("DELIVERED"), told("IN_BUYER_WAREHOUSE"),
                 told("GATE_OUT"), told("GATE_OUT_ORIGIN"), told("DEPARTED")]},
        {"absent": {"type": "CUSTOMS_HOLD", "during": "CHALLENGE"}},
    ]},
    "T2": {"any": [amount_of("1", "RECEIVED"), amount_of("2", "ACCEPTED"), told("ON_BOARD")]},
    "T3": {"any": [
        {"all": [told("DELIVERED"), {"telemetry": _COLD}]},
        {"document": {"type": "INVOICE", "state": "ISSUED", "unique": True,
                      "issuer_role": "WAREHOUSE"}},
        {"asset": {"kind": "WAREHOUSE_RECEIPT", "state": "ISSUED", "controller_role": "BUYER"}},
        {"carbon": {"measure": "CO2E_WTW", "op": "<=", "value": "5", "unit": "kgCO2e",
                    "assurance": "VERIFIED"}},
    ]},
    "T4": {"all": [told("RECEIVED_WH"), {"approval": {"roles": ["BUYER", "SELLER"], "k": 1}}]},
    "T5": {"all": [
        {"time": {"not_before": _UNTIL_T1}},
        {"absent": {"type": "SHIPMENT_EXCEPTION",
                    "during": [{"anchor": "TRANCHE:T1", "plus": "PT0S"}, _UNTIL_T1]}},
    ]},
}  # fmt: skip
_WINDOWS = {
    "T1": ("2026-12-14", "P1D", "P1D"), "T2": ("2026-12-12", "P2D", None),
    "T3": ("2026-12-14", "PT0S", None), "T4": ("2026-12-13", "P1D", "PT12H"),
    "T5": ("2026-12-26", "PT0S", None),
}  # fmt: skip


def _tranche(name: str, amount: dict[str, Any], claims: list[tuple[Any, ...]]) -> dict[str, Any]:
    last, grace, challenge = _WINDOWS[name]
    return {
        "tranche_id": name,
        "amount": amount,
        "condition": CONDITIONS[name],
        "window": {"deadline": f"{last}T20:00:00+08:00", "grace": grace},
        "challenge": challenge,
        "on_false": "HOLD" if name == "T1" else "EXPIRE",
        "claims": [
            {"claim_id": f"{name}-{at}", "consignment_id": consignment, "lot": None,
             "lines": list(lines), "max_minor": most}
            for at, (consignment, lines, most) in enumerate(claims)
        ],
    }  # fmt: skip


def terms(version: int = 1, amends: str | None = None) -> ContractTerms:
    """Six claims: two share a tranche and a line, one is the rest of two tranches. The second
    version asks for less, later, and takes the word of shared keys.
    """
    made = contract_world.free()
    made["lines"] = [
        {"line": one, "sku": "s", "qty": "10", "unit": "EA", "unit_price": "100.00"} for one in "12"
    ]
    per_unit = {"rule": "PER_UNIT", "line": "1", "cap_minor": 60_000, "bp": 9000}
    share = {"rule": "SHARE", "bp": 1000}
    made["tranches"] = [
        _tranche("T1", share, [("1", "1", 20_000)]),
        _tranche("T2", per_unit, [("1", "1", 30_000), ("2", "1", 30_000)]),
        _tranche("T3", share, [("1", "12", 20_000)]),
        _tranche("T4", share, [("2", "2", 20_000)]),
        _tranche("T5", {"rule": "RESIDUAL", "of": ["T1", "T2", "T3", "T4"]}, [("1", "12", 80_000)]),
    ]
    made["tranches"][0]["adjustments"] = {
        "late": {"due": "2026-12-09", "bp_per_day": 10, "max_bp": 500}
    }
    made["tranches"][1]["adjustments"] = {
        "carbon": {"measure": "CO2E_WTW", "at_most": "6", "unit": "kgCO2e/unit", "bp": -100}
    }
    made["cap_minor"] = made["total_minor"] = 200_000
    if version > 1:
        made |= {"version": version, "amends": amends, "evidence": {"hmac_allowed": True}}
        made["tranches"][0]["window"]["deadline"] = "2026-12-15T20:00:00+08:00"
        made["tranches"][2]["condition"]["any"][-1]["carbon"]["value"] = "50"
    made["attesters"] = [
        {"org_id": who, "role": role, "sources": [source], "sites": []}
        for who, role, source in SOURCES
    ]
    made["warehouses"] = ["WH-1"]
    made["funding"]["funding_deadline"] = "2026-12-09T18:00:00+08:00"
    made["disputes"]["max_len"] = "P2D"
    made["hold_tolls_deadline"] = True
    made["status_sla"] = "P1D"
    made["long_stop"] = "2026-12-31T18:00:00+08:00"
    found = read(contract_world.changed(made, {}))
    assert found.value is not None, found.findings
    return found.value


TERMS = terms()
AMENDED = terms(2, terms_hash(encode(TERMS)))


def contract_of(agreed: ContractTerms) -> Contract:
    """The record of a contract under these terms, signed by nobody."""
    body = encode(agreed)
    return Contract(
        input_id=f"contract-{agreed.version}", source="desk", chain_id=agreed.chain_id,
        contract_id=agreed.contract_id, version=agreed.version, terms=body,
        terms_hash=terms_hash(body),
    )  # fmt: skip


def _facts(rng: random.Random) -> list[Input]:
    """What is told in one history, in the order of its arrival."""
    seed, number, found = rng.randrange(2**32), rng.choice((14, 40, 90)), []
    for one in fold_world.wild(rng.choice((0, 8, 40)), seed, number, freight=rng.random() < 0.5):
        event: Any = one.message
        more: dict[str, Any] = {"event_time": Micros(event.event_time + SHIFT)}
        if event.TOPIC == WAREHOUSE and rng.random() < 0.8:
            more["facility"] = "WH-1"
        if hasattr(event, "uom"):
            more["uom"] = "EA"
        if event.TOPIC == "supply.customs" and rng.random() < 0.6:
            more |= {"refs": (*event.refs, "CONSIGNMENT:1"), "source": "t"}
        made = replace(event, **more)
        found.append(fold_world.item(made, one.record.arrival + SHIFT))
    found += [_reading(at, rng) for at in range(rng.choice((0, 0, 12)))]
    found += [_proof(rng) for _ in range(40)]
    return sorted(found, key=lambda one: one.record.arrival)


def _proof(rng: random.Random) -> Input:
    """What speaks for a claim, or against it; of few identities, so that some is taken back."""
    often = ("wh.received", "order.accepted", "customs.cleared", "shipment.noted")
    kind = rng.choice((*_PROOFS, *often * 3))
    which, happened = rng.choice("112"), rng.randrange(40) / 5
    source, subject, fields = _PROOFS[kind]
    name = f"{kind} {rng.randrange(9)}"
    more: dict[str, Any] = {"source": source, "revision": Micros(rng.choice((1, 1, 1, 2)))}
    if rng.random() < 0.1:
        more |= {"correction_action": rng.choice(("RETRACT", "SUPERSEDE")),
                 "correction_event_id": f"{kind} {rng.randrange(9)}"}  # fmt: skip
    refs = (f"CONSIGNMENT:{which}", f"ORDER_LINE:{which}")
    if kind == "shipment.noted":
        more["evidence"] = (f"VERIFIED_FOOTPRINT;{rng.choice(HASHES)};",)
    made = w.event(
        kind, f"{subject}:{which}", name, day(happened), chain_id="C", refs=refs,
        facility="WH-1", **fields, **more,
    )  # fmt: skip
    return fold_world.item(made, day(happened) + rng.randrange(-24, 12) * HOUR_US)


HASHES = ("a" * 64, "b" * 64)
"""Of footprints."""
_PROOFS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "customs.declared": ("t", "DECLARATION", {
        "declaration_id": "1", "regime": "IMPORT", "office": "o", "declarant": "d",
        "transport_doc": "B", "declaration_lines": ()}),
    "customs.released": ("t", "DECLARATION", {"release_kind": "FULL"}),
    "customs.cleared": ("t", "DECLARATION", {"entry_id": "e"}),
    "customs.hold_placed": ("t", "DECLARATION", {"hold_id": "h", "authority": "a"}),
    "customs.hold_removed": ("t", "DECLARATION", {"hold_id": "h", "authority": "a"}),
    "wh.received": ("s", "LOT", {"lot_id": "1", "sku": "s", "qty": Decimal(3), "uom": "EA"}),
    "wh.receipt_reversed": ("s", "LOT", {"lot_id": "1", "qty": Decimal(2), "reason": "r"}),
    "wh.counted": ("s", "LOT", {"lot_id": "1", "counted": Decimal(4)}),
    "shipment.delivered": ("s", "CONSIGNMENT", {"consignment_id": "1", "receiver": "r"}),
    "shipment.noted": ("v", "CONSIGNMENT", {"text": "verified"}),
    "order.accepted": ("terminal:z", "ORDER_LINE", {
        "line_ids": ("1",), "accepted_qty": Decimal(6), "rejected_qty": Decimal(0)}),
    "order.invoiced": ("s", "ORDER_LINE", {
        "invoice_id": "INV", "amount": Decimal(9), "currency": "CNY",
        "due_date": dt.date(2027, 1, 1)}),
}  # fmt: skip


def _reading(at: int, rng: random.Random) -> Input:
    """What a sensor measured; most of them are kept packed."""
    happened = day(rng.randrange(30) / 5)
    made = ShipmentSensor(
        event_id=f"r{rng.randrange(10)}", source=rng.choice("st"), revision=Micros(1),
        event_type=ShipmentSensor.TYPE, classifier="ACTUAL", event_time=happened,
        event_tz="+00:00", time_precision="S", recorded_time=happened, chain_id="C",
        subject_type="CONSIGNMENT", subject_id=rng.choice("112"), device_id="d",
        metric="X", value=rng.choice((1.0, 1.0, 9.0)), unit="x",
    )  # fmt: skip
    return fold_world.item(made, happened + rng.randrange(9) * HOUR_US, at)


class History(w.Chain):  # type: ignore[misc]
    """One random history; every cut is made with what the one before remembers, with nothing
    remembered, and with what any cut remembers, over the facts of any moment.
    """

    def __init__(self, rng: random.Random) -> None:
        super().__init__(TERMS)
        self.random, self.known = rng, NOTHING_KNOWN
        self.waiting = _facts(rng)
        self.now = self.tick = day(0)
        self.memories = [Memory()]
        self.seen = [(self.twin, self.known)]
        self.spared, self.rested = 0, 0
        self.agreed()
        for number in range(len(self.ids)):
            if rng.random() < 0.8:
                self.told(self.last("RESERVE", number), "CONFIRMED")
        for _ in range(rng.randrange(25)):
            self.fact()

    def agreed(self, version: ContractTerms = TERMS) -> None:
        made = contract_of(version)
        told = f"contract {version.version}".encode()
        self._ordered(made, settlement.agree(self.book, made, told, self.now))

    # -- what comes

    def fact(self) -> None:
        """The next fact; what its signature counts for, if it has one."""
        if not self.waiting:
            return
        one = self.waiting.pop(0)
        try:
            self.twin = twins.take(self.twin, one).twin
        except RecordError:
            return
        self.tick = max(self.tick, one.record.arrival)
        if self.random.random() < 0.3:
            event: Any = one.message
            self.judge({one.content_hash: Identity(event.source, event.event_id)})
        self.remember()

    def judge(self, whose: dict[bytes, Identity]) -> None:
        """What the signatures over these contents count for from now on."""
        former = self.known.signatures
        signatures = {one: self._said(former.get(one, Said()), whose) for one in (False, True)}
        self.known = replace(self.known, signatures=signatures)

    def _said(self, said: Said, whose: dict[bytes, Identity]) -> Said:
        made, since, bare = dict(said.verdicts), dict(said.since), set(said.bare)
        for content_hash, identity in whose.items():
            role, who = next(((r, w) for w, r, s in SOURCES if s == identity.source), ("X", "x"))
            made[content_hash] = self.random.choice(
                (
                    Counts(
                        organisation=who, role=role, site="", kid="k", source=identity.source,
                        seq=len(made), signed_at=self.now, non_repudiable=True,
                    ),
                    Nothing(reason=Reason.COMPROMISED, says="it was"),
                    Nothing(reason=Reason.REVOKED, says="it was"),
                )
            )  # fmt: skip
            since.pop(content_hash, None)
            bare.discard(content_hash)
            if self.random.random() < 0.5:
                since[content_hash] = self.now + self.random.randrange(-2, 9) * DAY_US
                bare.add(content_hash)
        known = {**said.whose, **whose}
        slots = self.twin.facts.slots
        known = {one: identity for one, identity in known.items() if identity in slots}
        return Said(
            verdicts={one: made[one] for one in known},
            since={one: at for one, at in since.items() if one in known},
            bare=frozenset(bare.intersection(known)),
            whose=known,
        )

    def footprint(self) -> None:
        """That of a consignment is another one, or none; verified or not."""
        named, pick = dict(self.known.footprints), self.random.choice
        which = pick(("1", "1", "2"))
        named.pop(which, None)
        if pick((0, 1, 1, 1)):
            kg = pick((None, Decimal(4), Decimal(4), Decimal(30)))
            named[which] = Footprinted(
                input_hash=pick(HASHES), co2e_wtw_kg=kg, activity_tkm=Decimal(7)
            )
        self.known = replace(self.known, footprints=named)
        self.remember()

    def rejudge(self) -> None:
        """A key is revoked, or was in other hands: what it signed counts for something else."""
        whose = self.known.signatures.get(False, Said()).whose
        for one in self.random.sample(sorted(whose), min(2, len(whose))):
            self.judge({one: whose[one]})
        self.remember()

    def delay(self) -> None:
        """The right signature of a record came at another time, and nothing else is another."""
        said, pick = self.known.signatures.get(False, Said()), self.random.choice
        if not said.whose:
            return
        one = pick(sorted(said.whose))
        late = replace(
            said,
            since={**said.since, one: pick((day(0), day(40)))},
            bare=said.bare ^ {one},
        )
        signatures = {**self.known.signatures, False: late}
        self.known = replace(self.known, signatures=signatures)
        self.remember()

    def alone(self, step: Callable[[], None]) -> list[int]:
        """It comes between two cuts, and nothing else does."""
        rows = self.cut()
        for _ in range(2):
            rows += self.cut(self.now)
        step()
        return [*rows, *self.cut(self.now)]

    def remember(self) -> None:
        self.seen.append((self.twin, self.known))

    def told(self, order: Any, status: str, **fields: Any) -> None:
        expires = self.random.choice((day(200), day(9))) if status == "CONFIRMED" else None
        self.answer(order, status, contract_id=self.terms.contract_id, hold_expires=expires,
                    **fields)  # fmt: skip

    def rail(self) -> None:
        """The rail answers something."""
        pick = self.random.choice
        flying = [at for at in range(len(self.ids)) if self.state(at) in LIVE]
        number = pick(flying if flying and pick((0, 1, 1)) else range(len(self.ids)))
        order = self.last(pick(("RESERVE", "PAY", "PAY", "PAY", "RELEASE", "RECALL")), number)
        if order is not None:
            status = {
                "RESERVE": pick(("CONFIRMED", "CONFIRMED", "REFUSED")),
                "PAY": pick(("ACSP", "BOOKED", "BOOKED", "BOOKED", "RJCT", "NOT_FOUND")),
                "RELEASE": pick(("RELEASED", "FAILED")),
                "RECALL": pick(("CNCL", "RJCR")),
            }[order.kind]
            self.told(order, status, rail_reason="AM04")

    def person(self) -> None:
        """A person acts."""
        number, pick = self.random.randrange(len(self.ids)), self.random.choice
        told = settlement.explain(self.book, self.twin, self.now, self.known)[number]
        act = pick(("HOLD", "RELEASE", "RELEASE", "APPROVE", "APPROVE", "DISPUTE",
                    "RESOLVE_SELLER", "RECALL"))  # fmt: skip
        role = "ARBITER" if act.startswith("RESOLVE") else pick(("BUYER", "SELLER"))
        source = next((s for _, r, s in SOURCES if r == role), "desk")
        self.review(
            act, number, reviewer="hkiac" if role == "ARBITER" else pick(("rosa", "hal")),
            role=role, source=source, contract_id=self.terms.contract_id,
            evidence_hash=told.evidence_hash, cleared_ids=told.adverse_ids, amount_minor=100,
        )  # fmt: skip

    def act(self, message: Any) -> Any:
        done = settlement.review(
            self.book, self.twin, message, repr(message).encode(), self.now, self.known, self.now
        )
        return self._ordered(message, done)

    # -- cuts

    def cut(self, tick: int | None = None) -> list[int]:
        """At this tick, or at a later one: some time later, or where time alone may change
        something, or just before that.
        """
        pick, due = self.random.choice, settlement.due(self.book)
        if tick is None:
            self.tick += pick((0, 0, 1, HOUR_US, 7 * HOUR_US, 7 * HOUR_US, DAY_US, 2 * DAY_US))
        if tick is None and isinstance(due, int) and due > self.now and self.random.random() < 0.5:
            self.tick = max(self.now, pick((due, due - 1)))
        self.now = self.tick = max(self.tick, self.now)
        self.compare(self.book.memory, self.twin, self.known)
        if self.random.random() < 0.4:
            self.compare(pick(self.memories), *pick(self.seen))
        self.book, moved = settlement.cut(self.book, self.twin, self.now, self.known)
        self._decided(moved, None)
        self.memories.append(self.book.memory)
        return [one.row for one in moved]

    def compare(self, memory: Memory, twin: twins.Twin, known: Known) -> None:
        """With a memory the cut is what it is without, and so is every verdict."""
        book, tick = replace(self.book, memory=memory), self.now
        plain = settlement.cut(replace(book, memory=Memory()), twin, tick, known)
        assert settlement.cut(book, twin, tick, known) == plain
        assert book.terms is not None
        past = Recollection(book, book.terms, twin, tick, known)
        for number in self.random.sample(range(len(book.order)), 2):
            claim = book.claims[book.order[number]]
            self.rested += past.rests(number, claim, book)
            found = judged(book, claim, twin, tick, known, past.answers)
            anew = judged(book, claim, twin, tick, known)
            assert found == anew
            self.awaited(book, claim, twin, known, anew)
        self.spared += past.answers.spared

    def awaited(self, book: Any, claim: Any, twin: twins.Twin, known: Known, found: Any) -> None:
        """Until the next time that a verdict names, time alone changes nothing in it that a row
        could see.
        """
        last = self.now + 9 * DAY_US if found.wakes_at is None else found.wakes_at - 1
        later = self.random.randint(self.now, max(self.now, min(last, self.now + 9 * DAY_US)))
        then = judged(book, claim, twin, later, known)
        for name in ("value", "matches", "adverse_ids", "against", "due_minor", "gross_minor",
                     "adjusted_bp", "names", "sealed"):  # fmt: skip
            assert getattr(then, name) == getattr(found, name), name
