"""A payment that a verified footprint has let go is not taken back by another footprint."""

import json
from decimal import Decimal
from typing import Any

from contract_world import changed
from settlement_full_world import LINE, FullWorld, day, electronics

from supplytwin.schemas.contract import ContractTerms, written
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.records import SETTLEMENT_EVENTS

HOME = "CONSIGNMENT:ASN-1"
LEAF = {"carbon": {"measure": "CO2E_WTW", "op": "<=", "value": "100000", "unit": "kgCO2e",
                   "assurance": "VERIFIED"}}  # fmt: skip


def terms() -> ContractTerms:
    """The founding use case; at export a verified footprint is asked for, and nothing else."""
    made: dict[str, Any] = json.loads(json.dumps(written(electronics())))
    alone = {"template": None, "template_version": None, "parameters": {}}
    verifier = {"org_id": "green-audit", "role": "VERIFIER", "sources": ["verifier"], "sites": []}
    attesters = [*made["attesters"], verifier]
    found = read(changed(made, {**alone, "tranches.0.condition": LEAF, "attesters": attesters}))
    assert found.value is not None, found.findings
    return found.value


class Green(FullWorld):
    """The export is instructed by the footprint that was verified."""

    def __init__(self) -> None:
        super().__init__(terms())
        self.tick(day(0.5))
        self.answer("RESERVE", "CONFIRMED", 0.6)
        self.fact("shipment.booked", HOME, "booked", 1, "carrier", booking_ref="b", carrier="c",
                  legs=("1;ROAD;CNSZX;CNSHA",), refs=(LINE,))  # fmt: skip
        self.fact("shipment.delivered", HOME, "delivered", 1.6, "carrier", consignment_id="ASN-1",
                  receiver="r", mass_kg=Decimal(500))  # fmt: skip
        for kind, port, on in (("departed", "CNSZX", 1.2), ("arrived", "CNSHA", 1.4)):
            self.fact(f"shipment.{kind}", "LEG:ASN-1/1", kind, on, "carrier", unlocode=port,
                      refs=(HOME,))  # fmt: skip
        of = self.state(self.chain).footprints["ASN-1"].input_hash
        self.fact("shipment.noted", HOME, "verified", 2, "verifier", text="verified",
                  evidence=(f"VERIFIED_FOOTPRINT;{of};",))  # fmt: skip
        self.tick(day(3))
        assert self.states()[0] == "INSTRUCTED"

    def fuel(self, on: float) -> None:
        """The carrier tells what was burnt: another footprint, that nobody has verified."""
        before = self.state(self.chain).footprints["ASN-1"].input_hash
        self.fact("shipment.energy", "LEG:ASN-1/1", "fuel", on, "carrier", energy_carrier="diesel",
                  energy_qty=Decimal(100), energy_unit="l", refs=(HOME,))  # fmt: skip
        assert self.state(self.chain).footprints["ASN-1"].input_hash != before

    def rows(self) -> list[int]:
        return [one.row for one in self.read(SETTLEMENT_EVENTS)]


def test_a_footprint_of_later_facts_recalls_nothing_under_way() -> None:
    """The bank has been asked to pay: the payment goes on."""
    world = Green()
    world.fuel(3.01)
    world.tick(day(3.02))
    assert world.states()[0] == "INSTRUCTED"
    world.answer("PAY", "ACSC", 3.03)
    world.tick(day(5))
    assert world.states()[0] == "SETTLED"
    assert world.audit().differences == []


def test_a_footprint_of_later_facts_claims_nothing_back() -> None:
    """What was paid is settled; a verification that is taken back is another matter."""
    world = Green()
    world.answer("PAY", "ACSC", 3.1)
    world.fuel(4)
    for on in (4.1, 90.0):
        world.tick(day(on))
    assert 32 not in world.rows()
    world.fact("shipment.noted", HOME, "verified", 91, "verifier", text="it was wrong", revision=2)
    world.tick(day(91.1))
    assert 32 in world.rows()
