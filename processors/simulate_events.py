"""How a simulated chain tells what happens to it: the contract and the events of each consignment.

Times of a consignment hang on its delivery D: departed D-6 d, declared D-5 d, released D-4 d, a
mistaken hold D-3.5 d, revoked D-3 d, released again D-2 d, received within a day after D. Customs
are recorded within 6 h, all else within 2 d, corrections within a day after what they correct:
whatever decides about a claim is known before its goods are.
"""

import hashlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeVar

from msgspec import Struct

from supplytwin.processors.agreement import agreement
from supplytwin.schemas.events import (
    CustomsAccepted,
    CustomsDeclared,
    CustomsDutyAssessed,
    CustomsDutyPaid,
    CustomsHoldPlaced,
    CustomsReleased,
    CustomsReleaseRevoked,
    DeclarationLine,
    Event,
    OrderLine,
    OrderPlaced,
    ShipmentArrived,
    ShipmentDelivered,
    ShipmentDeparted,
    WarehouseReceived,
)
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros
from supplytwin.schemas.money import from_minor
from supplytwin.schemas.terms import ClaimLine, ClaimTerms, Party

ERP, CUSTOMS, CARRIER = "simulated:erp", "simulated:customs", "simulated:carrier"
WMS = "simulated:wms"
TRANCHE = "T1"
DEADLINE_US, GRACE_US = 5 * DAY_US, 5 * DAY_US
"""Deadline after the planned arrival; grace after the deadline."""
_FUNDING_US, _LONG_STOP_US, _STATUS_SLA_US = 28 * DAY_US, 60 * DAY_US, 14 * DAY_US
_MS = 1000
T = TypeVar("T")


class Draw:
    """Numbers that look random and follow from (seed, chain, name) alone."""

    def __init__(self, seed: int, number: int) -> None:
        self._base = hashlib.sha256(f"{seed}\0{number}\0".encode())

    def _bits(self, name: str) -> int:
        digest = self._base.copy()
        digest.update(name.encode())
        return int.from_bytes(digest.digest()[:8], "big")

    def below(self, limit: int, name: str) -> int:
        """0 to limit - 1."""
        return self._bits(name) * limit >> 64

    def chance(self, share: float, name: str) -> bool:
        """True in that share of the cases."""
        return self._bits(name) < share * 2**64

    def one_of(self, values: Sequence[T], name: str) -> T:
        return values[self.below(len(values), name)]

    def whole_ms(self, limit_us: int, name: str) -> int:
        """From 1 ms to the limit, in us."""
        return (1 + self.below(limit_us // _MS, name)) * _MS


class Line(Struct, frozen=True, kw_only=True):
    line_id: str
    qty: Decimal
    price_minor: int
    mass_kg: Decimal


class Consignment(Struct, frozen=True, kw_only=True):
    """What is decided about a consignment before anything is told."""

    claim_id: str
    consignment_id: str
    lines: tuple[Line, ...]
    etas: int
    mode: str
    site: str
    country: str
    planned: int
    late: Literal["HAPPENED", "ARRIVED"] | None
    revoked: Literal["FOR_GOOD", "FOR_NOW"] | None
    corrected: Literal["REVISION", "RETRACT", "SUPERSEDE"] | None
    draw: Draw

    @property
    def amount_minor(self) -> int:
        return sum(int(line.qty) * line.price_minor for line in self.lines)

    @property
    def deadline(self) -> int:
        return self.planned + DEADLINE_US

    @property
    def close(self) -> int:
        return self.deadline + GRACE_US

    @property
    def store(self) -> str:
        return f"simulated:store:{self.country}"

    @property
    def delivered(self) -> int:
        """On time: from 2 days before to 3 days after the plan."""
        if self.late == "HAPPENED":
            return self.deadline + self.ms(9 * DAY_US, "D") + DAY_US
        return self.planned - 2 * DAY_US + self.ms(5 * DAY_US, "D")

    def ms(self, limit_us: int, name: str) -> int:
        return self.draw.whole_ms(limit_us, f"{self.claim_id} {name}")


def contract(chain_id: str, begins: int, currency: str, parcels: Sequence[Consignment]) -> Message:
    """The contract of a chain; it comes first."""
    claims = tuple(
        ClaimTerms(
            claim_id=parcel.claim_id,
            tranche_id=TRANCHE,
            consignment_id=parcel.consignment_id,
            lines=tuple(ClaimLine(line_id=line.line_id, qty=line.qty) for line in parcel.lines),
            amount_minor=parcel.amount_minor,
            deadline=Micros(parcel.deadline),
            grace_us=GRACE_US,
        )
        for parcel in parcels
    )
    return agreement(
        chain_id,
        begins,
        buyer=Party(org_id="simulated:buyer", name="Buyer", account=f"simulated:{chain_id}:b"),
        seller=Party(org_id="simulated:seller", name="Seller", account=f"simulated:{chain_id}:s"),
        currency=currency,
        claims=claims,
        warehouses=(parcel.store for parcel in parcels),
        funding_us=_FUNDING_US,
        long_stop=max(parcel.close for parcel in parcels) + _LONG_STOP_US,
        status_sla_us=_STATUS_SLA_US,
    )


class _Teller:
    """Fills the envelope of the events of one consignment."""

    def __init__(self, chain_id: str, parcel: Consignment) -> None:
        self.chain_id = chain_id
        self.parcel = parcel

    def message(
        self, kind: type[Event], source: str, happened: int, arrival: int, **fields: Any
    ) -> Message:
        values: dict[str, Any] = {
            "source": source,
            "revision": Micros(arrival),
            "event_type": kind.TYPE,
            "classifier": "ACTUAL",
            "event_time": Micros(happened),
            "event_tz": "+00:00",
            "time_precision": "MS",
            "recorded_time": Micros(arrival),
            "chain_id": self.chain_id,
        }
        body = kind(**{**values, **fields})
        return Message(topic=kind.TOPIC, key=self.chain_id, arrival=arrival, body=body)

    def of_line(
        self, kind: type[Event], line: Line, source: str, happened: int, **fields: Any
    ) -> Message:
        """An event of an order line, recorded within two days."""
        name = fields.pop("name", kind.TYPE)
        arrival = fields.pop("arrival", None)
        delay = self.parcel.ms(2 * DAY_US, f"{name}{line.line_id}")
        envelope = {
            "event_id": f"{name}:{line.line_id}",
            "subject_type": "ORDER_LINE",
            "subject_id": line.line_id,
            "refs": (f"CONSIGNMENT:{self.parcel.consignment_id}",),
        }
        return self.message(
            kind,
            source,
            happened,
            happened + delay if arrival is None else arrival,
            **{**envelope, **fields},
        )

    def of_customs(self, kind: type[Event], happened: int, **fields: Any) -> Message:
        """An event of the consignment's declaration, recorded within six hours."""
        name = fields.pop("name", kind.TYPE)
        arrival = fields.pop("arrival", None)
        delay = self.parcel.ms(6 * HOUR_US, name)
        envelope = {
            "event_id": f"{name}:{self.parcel.consignment_id}",
            "subject_type": "DECLARATION",
            "subject_id": f"simulated:{self.parcel.consignment_id}",
            "refs": (f"CONSIGNMENT:{self.parcel.consignment_id}",),
        }
        arrival = happened + delay if arrival is None else arrival
        return self.message(kind, CUSTOMS, happened, arrival, **{**envelope, **fields})


def consignment(
    chain_id: str, begins: int, currency: str, parcel: Consignment
) -> Iterator[Message]:
    """Everything that is told about a consignment, corrections included."""
    teller = _Teller(chain_id, parcel)
    for line in parcel.lines:
        yield _placed(teller, begins, currency, line)
        yield teller.of_line(
            ShipmentArrived, line, CARRIER, parcel.planned,
            name="planned", arrival=begins + 2 * HOUR_US, classifier="PLANNED",
        )  # fmt: skip
        yield teller.of_line(ShipmentDeparted, line, CARRIER, parcel.delivered - 6 * DAY_US)
    for number in range(parcel.etas):
        yield _eta(teller, begins, number)
    yield from _customs(teller, currency)
    for at, line in enumerate(parcel.lines):
        corrected = parcel.corrected if at == 0 else None
        yield from _delivered(teller, line, corrected)
        yield from _received(teller, line, corrected)


def _placed(teller: _Teller, begins: int, currency: str, line: Line) -> Message:
    item = OrderLine(
        line_id=line.line_id,
        sku=f"SKU-{line.price_minor}",
        qty=line.qty,
        uom="EA",
        unit_price=from_minor(line.price_minor, currency),
    )
    return teller.of_line(
        OrderPlaced,
        line,
        ERP,
        begins,
        arrival=begins + HOUR_US,
        order_id=teller.chain_id,
        buyer="simulated:buyer",
        seller="simulated:seller",
        currency=currency,
        order_lines=(item,),
    )


def _eta(teller: _Teller, begins: int, number: int) -> Message:
    """One of many estimates, told some time between order and delivery."""
    parcel = teller.parcel
    line = parcel.lines[number % len(parcel.lines)]
    told = begins + 2 * HOUR_US + parcel.ms(parcel.delivered - begins - 2 * HOUR_US, f"eta{number}")
    guess = parcel.delivered - 3 * DAY_US + parcel.ms(6 * DAY_US, f"guess{number}")
    return teller.of_line(
        ShipmentArrived,
        line,
        CARRIER,
        guess,
        name=f"eta{number}",
        arrival=told,
        classifier="ESTIMATED",
    )


def _customs(teller: _Teller, currency: str) -> Iterator[Message]:
    parcel = teller.parcel
    at = parcel.delivered - 5 * DAY_US
    declared = tuple(
        DeclarationLine(
            line_no=number,
            value=from_minor(int(line.qty) * line.price_minor, currency),
            currency=currency,
        )
        for number, line in enumerate(parcel.lines, start=1)
    )
    duty: dict[str, Any] = {
        "amount": from_minor(parcel.amount_minor // 20, currency),
        "currency": currency,
        "basis": "PAYMENT",
    }
    yield teller.of_customs(
        CustomsDeclared, at,
        declaration_id=f"simulated:{parcel.consignment_id}", regime="IMPORT",
        office=f"simulated:{parcel.country}", declarant="simulated:broker",
        transport_doc=parcel.consignment_id, declaration_lines=declared,
    )  # fmt: skip
    accepted = at + HOUR_US
    yield teller.of_customs(
        CustomsAccepted, accepted, mrn=parcel.consignment_id, accepted_time=Micros(accepted)
    )
    yield teller.of_customs(CustomsDutyAssessed, at + 2 * HOUR_US, **duty)
    yield teller.of_customs(CustomsDutyPaid, at + 3 * HOUR_US, **duty)
    yield teller.of_customs(CustomsReleased, at + DAY_US, release_kind="FULL")
    if parcel.corrected == "RETRACT":
        yield from _mistaken_hold(teller, at + 3 * DAY_US // 2)
    if parcel.revoked is not None:
        yield teller.of_customs(CustomsReleaseRevoked, at + 2 * DAY_US, reason="simulated")
    if parcel.revoked == "FOR_NOW":
        yield teller.of_customs(
            CustomsReleased, at + 3 * DAY_US, name="released again", release_kind="FULL"
        )


def _mistaken_hold(teller: _Teller, happened: int) -> Iterator[Message]:
    """A hold that never was; in half of the cases its retraction arrives first."""
    parcel = teller.parcel
    hold = {"hold_id": f"hold:{parcel.consignment_id}", "authority": CUSTOMS}
    placed = teller.of_customs(CustomsHoldPlaced, happened, **hold)
    body: Any = placed.body
    later = placed.arrival + parcel.ms(DAY_US, "retraction")
    first = parcel.draw.chance(0.5, f"{parcel.claim_id} retraction first")
    yield placed
    yield teller.of_customs(
        CustomsHoldPlaced, happened,
        name="retraction", arrival=happened if first else later, revision=Micros(later),
        correction_action="RETRACT", correction_source=CUSTOMS,
        correction_event_id=body.event_id, correction_reason="DID_NOT_OCCUR", **hold,
    )  # fmt: skip


def _delivered(teller: _Teller, line: Line, corrected: str | None) -> Iterator[Message]:
    parcel = teller.parcel
    facts: dict[str, Any] = {
        "consignment_id": parcel.consignment_id,
        "receiver": parcel.store,
        "mode": parcel.mode,
        "from_place": parcel.site,
        "to_place": parcel.country,
    }
    told = teller.of_line(
        ShipmentDelivered, line, CARRIER, parcel.delivered,
        mass_kg=line.mass_kg * (10 if corrected == "SUPERSEDE" else 1), **facts,
    )  # fmt: skip
    yield told
    if corrected == "SUPERSEDE":
        body: Any = told.body
        yield teller.of_line(
            ShipmentDelivered, line, CARRIER, parcel.delivered,
            name="delivered instead", arrival=told.arrival + parcel.ms(DAY_US, "instead"),
            mass_kg=line.mass_kg, correction_action="SUPERSEDE", correction_source=CARRIER,
            correction_event_id=body.event_id, correction_reason="INCORRECT_DATA", **facts,
        )  # fmt: skip


def _received(teller: _Teller, line: Line, corrected: str | None) -> Iterator[Message]:
    """The receipt; a REVISION says half of the quantity first."""
    parcel = teller.parcel
    happened = parcel.delivered + parcel.ms(DAY_US, f"received{line.line_id}")
    if parcel.late == "ARRIVED":
        arrival = parcel.close + parcel.ms(5 * DAY_US, f"arrived{line.line_id}")
    else:
        arrival = happened + parcel.ms(2 * DAY_US, f"recorded{line.line_id}")
    fields: dict[str, Any] = {
        "subject_type": "LOT",
        "subject_id": line.line_id,
        "refs": (f"CONSIGNMENT:{parcel.consignment_id}", f"ORDER_LINE:{line.line_id}"),
        "facility": parcel.store,
        "lot_id": line.line_id,
        "sku": f"SKU-{line.price_minor}",
        "uom": "EA",
        "asn": parcel.consignment_id,
        "line_id": line.line_id,
    }
    if corrected == "REVISION":
        half = line.qty // 2
        yield teller.of_line(
            WarehouseReceived, line, WMS, happened, arrival=arrival, qty=half, **fields
        )
        arrival += parcel.ms(DAY_US, f"revision{line.line_id}")
    yield teller.of_line(
        WarehouseReceived, line, WMS, happened, arrival=arrival, qty=line.qty, **fields
    )
