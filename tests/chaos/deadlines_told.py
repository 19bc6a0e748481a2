"""What is told about the contracts of `deadlines_world`, and in which order it is sent."""

import random
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from deadlines_world import MS, ZONE_NAME, Chain, Plan, World

from supplytwin.schemas import terms as contract_terms
from supplytwin.schemas.events import (
    CustomsHoldPlaced,
    CustomsHoldRemoved,
    CustomsReleased,
    Event,
    OrderLine,
    OrderPlaced,
    WarehouseInspected,
    WarehouseReceived,
)
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros
from supplytwin.schemas.records import CONTRACTS, RECEIPTS, Contract, Receipt
from supplytwin.schemas.terms import ClaimLine, ClaimTerms, Party, Terms

STORE = "store:1"
IDLE = "supply.shipments"
"""Nobody ever sends anything to this topic."""


def made(world: World) -> tuple[list[Plan], list[list[Message]], int]:
    """Claims; messages by the tick that follows them, shuffled; how many are repeated later."""
    plans: list[Plan] = []
    sent: dict[int, list[Message]] = defaultdict(list)
    repeated = 0
    for number in range(world.chains):
        chain = Chain(world, number)
        plans += chain.plans
        for message in Teller(chain).messages():
            sent[world.number_of(message.arrival)].append(message)
            again = world.number_of(message.arrival) + chain.chance.randrange(1, 6)
            if chain.chance.random() < 0.03 and again < world.ticks:
                sent[again].append(message)
                repeated += 1
    chance = random.Random(world.seed)
    assert max(sent) < world.ticks
    rounds = [sent[number] for number in range(world.ticks)]
    for messages in rounds:
        chance.shuffle(messages)
    return plans, rounds, repeated


class Teller:
    """Everything that is told about one contract."""

    def __init__(self, chain: Chain) -> None:
        self.chain, self.chain_id = chain, chain.chain_id
        self.agreed, self.apart, self.plans = chain.agreed, chain.apart, chain.plans

    def messages(self) -> Iterator[Message]:
        """Everything, in no order."""
        yield self._contract()
        yield self._order()
        world, chance = self.chain.world, self.chain.chance
        confirmed = world.first_tick(self.agreed) + world.tick_us
        before = self.agreed - DAY_US
        if not self.apart:
            yield self._customs(CustomsReleased, "", before, self.agreed, release_kind="FULL")
        for plan in self.plans:
            if plan.kind != "unfunded":
                yield self._confirmed(plan, confirmed - chance.randrange(HOUR_US) // MS * MS)
            yield from self._facts(plan, before)

    def _facts(self, plan: Plan, before: int) -> Iterator[Message]:
        own = plan.claim_id if self.apart else ""
        told: list[Message] = []
        if self.apart:
            yield self._receipt(plan, before, self.agreed)
            hold: dict[str, Any] = {"hold_id": f"H-{plan.claim_id}", "authority": "customs:1"}
            release: dict[str, Any] = {"release_kind": "FULL"}
            if plan.role == "removal":
                yield self._customs(CustomsReleased, own, before, self.agreed, **release)
                yield self._customs(CustomsHoldPlaced, own, before + HOUR_US, self.agreed, **hold)
            kind: tuple[type[Event], dict[str, Any]] = (
                (CustomsReleased, release) if plan.role == "release" else (CustomsHoldRemoved, hold)
            )
            if plan.happened is not None:
                told.append(
                    self._customs(kind[0], own, plan.happened, plan.arrived,
                                  time_precision=plan.precision, **kind[1])
                )  # fmt: skip
        elif plan.happened is not None:
            told.append(
                self._receipt(plan, plan.happened, plan.arrived, time_precision=plan.precision)
            )
        yield from told
        if plan.kind == "withdrawn":
            yield self._inspected(plan, before)
            yield from (_withdrawn(one) for one in told)

    def _contract(self) -> Message:
        claims = tuple(
            ClaimTerms(
                claim_id=plan.claim_id,
                tranche_id="T1",
                consignment_id=self._consignment(plan.claim_id if self.apart else ""),
                lines=(ClaimLine(line_id=self._line(plan), qty=Decimal(10)),),
                amount_minor=plan.amount_minor,
                deadline=Micros(plan.deadline),
                grace_us=plan.grace,
            )
            for plan in self.plans
        )
        terms = Terms(
            contract_id=self.chain_id,
            version=1,
            template=contract_terms.TEMPLATE,
            template_version=contract_terms.TEMPLATE_VERSION,
            chain_id=self.chain_id,
            buyer=Party(org_id="buyer:1", name="Buyer", account="account:b"),
            seller=Party(org_id="seller:1", name="Seller", account="account:s"),
            currency="EUR",
            cap_minor=sum(plan.amount_minor for plan in self.plans),
            agreed_at=Micros(self.agreed),
            funding_deadline=Micros(self.chain.funding),
            long_stop=Micros(self.chain.long_stop),
            zone=ZONE_NAME,
            warehouses=(STORE,),
            claims=claims,
            status_sla_us=self.chain.sla,
        )
        canonical = contract_terms.encode(terms)
        body = Contract(
            input_id=f"contract:{self.chain_id}", source="desk:1", chain_id=self.chain_id,
            contract_id=self.chain_id, version=1, terms=canonical,
            terms_hash=contract_terms.terms_hash(canonical),
        )  # fmt: skip
        return Message(topic=CONTRACTS, key=self.chain_id, arrival=self.agreed, body=body)

    def _confirmed(self, plan: Plan, arrival: int) -> Message:
        body = Receipt(
            input_id=f"hold:{plan.settlement_id}", source="rail:1", chain_id=self.chain_id,
            contract_id=self.chain_id, settlement_id=plan.settlement_id, kind="RESERVE",
            instruction_no=1, attempt=0, hold_no=1, recall_no=0, query_no=0,
            rail_status="CONFIRMED", rail_time=Micros(arrival), amount_minor=plan.amount_minor,
            currency="EUR",
        )  # fmt: skip
        return Message(topic=RECEIPTS, key=self.chain_id, arrival=arrival, body=body)

    def _consignment(self, own: str) -> str:
        return f"{self.chain_id}-C{own}"

    def _line(self, plan: Plan) -> str:
        return f"{self.chain_id}-L{plan.claim_id}"

    def _order(self) -> Message:
        line = self._line(self.plans[0])
        item = OrderLine(
            line_id=line, sku="SKU-1", qty=Decimal(10), uom="EA", unit_price=Decimal("1.00")
        )
        return self._told(
            OrderPlaced, f"order:{line}", "erp:1", self.agreed, self.agreed,
            subject_type="ORDER_LINE", subject_id=line, order_id=self.chain_id, buyer="buyer:1",
            seller="seller:1", currency="EUR", order_lines=(item,),
        )  # fmt: skip

    def _customs(
        self, kind: type[Event], own: str, happened: int, arrival: int, **fields: Any
    ) -> Message:
        consignment = self._consignment(own)
        return self._told(
            kind, f"{kind.TYPE}:{consignment}", "customs:1", happened, arrival,
            subject_type="DECLARATION", subject_id=f"{consignment}-X",
            refs=(f"CONSIGNMENT:{consignment}",), **fields,
        )  # fmt: skip

    def _receipt(self, plan: Plan, happened: int, arrival: int, **fields: Any) -> Message:
        line = self._line(plan)
        return self._told(
            WarehouseReceived, f"received:{line}", "wms:1", happened, arrival,
            subject_type="LOT", subject_id=line, facility=STORE, lot_id=line, sku="SKU-1",
            refs=(f"ORDER_LINE:{line}",), qty=Decimal(10), uom="EA", line_id=line, **fields,
        )  # fmt: skip

    def _inspected(self, plan: Plan, happened: int) -> Message:
        """Of goods whose receipt is taken back something is known still."""
        line = self._line(plan)
        return self._told(
            WarehouseInspected, f"inspected:{line}", "wms:1", happened, self.agreed,
            subject_type="LOT", subject_id=line, refs=(f"ORDER_LINE:{line}",), lot_id=line,
            result="PASS",
        )  # fmt: skip

    def _told(
        self, kind: type[Event], event_id: str, source: str, happened: int, arrival: int,
        **fields: Any,
    ) -> Message:  # fmt: skip
        envelope: dict[str, Any] = {
            "event_id": event_id,
            "source": source,
            "revision": Micros(arrival),
            "event_type": kind.TYPE,
            "classifier": "ACTUAL",
            "event_time": Micros(happened),
            "event_tz": ZONE_NAME,
            "time_precision": "MS",
            "recorded_time": Micros(arrival),
            "chain_id": self.chain_id,
        }
        body = kind(**{**envelope, **fields})
        return Message(topic=kind.TOPIC, key=self.chain_id, arrival=arrival, body=body)


def _withdrawn(told: Message) -> Message:
    """Its source takes a fact back before any tick has seen it; it may even come first."""
    fact: Any = told.body
    fields = {name: getattr(fact, name) for name in type(fact).__struct_fields__}
    fields |= {
        "event_id": f"retraction:{fact.event_id}",
        "correction_action": "RETRACT",
        "correction_source": fact.source,
        "correction_event_id": fact.event_id,
        "correction_reason": "DID_NOT_OCCUR",
    }
    return Message(topic=told.topic, key=told.key, arrival=told.arrival, body=type(fact)(**fields))
