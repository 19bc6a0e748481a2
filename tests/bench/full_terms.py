"""The world of the settlement benches: contracts under full terms, signed by their parties, and the
facts of their chains. The template is "release and receipt": each consignment is paid when customs
have released it and its goods are in the buyer's warehouse, without a challenge window.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pipeline import TIMELINE, Sent

from supplytwin.processors import contract_templates
from supplytwin.processors.keys import Key, KeyRecord, body_of
from supplytwin.schemas import codec, signing
from supplytwin.schemas import contract_signature as signatures
from supplytwin.schemas.condition import micros
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.contract_templates import shipped
from supplytwin.schemas.events import EVENT_TYPES, Event
from supplytwin.schemas.ids import DAY_US, SECOND_US, Micros
from supplytwin.schemas.records import CONTRACTS, Contract, Control

START = micros("2025-12-01T00:00:00+08:00")
EACH = 2
"""Units of one receipt, and of a claim: the first receipt is enough."""
NEEDED = frozenset(("customs.released", "wh.received"))
KINDS = 6
"""Of facts that come in turn."""


def terms(chain: str, claims: int) -> ContractTerms:
    """A contract for so many consignments of one line, all of them signed for."""
    template = shipped()["release-and-receipt"]
    text = json.dumps(template.example).replace("2026-", "2025-").replace("2027-", "2026-")
    made = json.loads(text) | {
        "contract_id": f"C-{chain}", "chain_id": chain,
        "funding_deadline": "2026-06-30T18:00:00+08:00", "long_stop": "2026-11-30T18:00:00+08:00",
        "status_sla": "P5D",
    }  # fmt: skip
    made["lines"][0] |= {"qty": str(EACH * claims), "unit_price": "480.00"}
    made["consignments"] = [
        {
            "tranche_id": f"T{at}", "claim_id": f"K{at}", "consignment_id": f"K{at}",
            "amount_minor": EACH * 48_000, "deadline": "2026-09-30T23:59:59+08:00",
            "lines": [{"line": "1", "qty": str(EACH)}],
        }
        for at in range(claims)
    ]  # fmt: skip
    raw = contract_templates.make(template, json.dumps(made).encode())
    assert raw.raw is not None, raw.findings
    found = read(raw.raw)
    assert found.value is not None, found.findings
    return found.value


def secret(seat: str) -> bytes:
    """The secret key of a party, 32 bytes; worth nothing outside of this bench."""
    return seat.encode().ljust(32, b".")[:32]


def keys(agreed: ContractTerms) -> KeyRecord:
    """The keys of all parties."""
    made = [
        Key(
            kid=f"{seat}-1", alg="Ed25519", organisation=party.org_id, role=party.role, site="desk",
            key=signing.public_key(secret(seat)).hex(), valid_from=Micros(START - DAY_US),
            valid_to=Micros(START + 900 * DAY_US), sources=(CONTRACTS,),
        )
        for seat, party in agreed.seats.items()
    ]  # fmt: skip
    return KeyRecord(keys=tuple(made))


def key_value(agreed: ContractTerms) -> Control:
    """The record that makes them known."""
    return Control(
        input_id="keys", kind="KEY", tick_time=Micros(START), timeline=TIMELINE,
        body=body_of(keys(agreed)),
    )  # fmt: skip


def contract(agreed: ContractTerms) -> Contract:
    """The record of a contract, signed in every seat."""
    body = encode(agreed)
    hashed = terms_hash(body)
    signed = [
        signatures.signed(secret(seat), kid=f"{seat}-1", seat=seat, terms_hash=hashed)
        for seat in agreed.seats
    ]
    return Contract(
        input_id=f"agreed {agreed.contract_id}", source="desk", chain_id=agreed.chain_id,
        contract_id=agreed.contract_id, version=1, terms=body, terms_hash=hashed,
        signatures=tuple(map(signatures.record, signed)),
    )  # fmt: skip


def fact(chain: str, number: int, at: int, consignment: int, *, ready: bool) -> Event:
    """One fact of a chain: what a claim needs only when it is `ready`; all kinds come in turn."""
    kind, one = number % KINDS, f"CONSIGNMENT:K{consignment}"
    refs, declaration = (one, "ORDER_LINE:1"), f"I-{consignment}-{number // KINDS // 4}"
    names = (
        "customs.declared", "shipment.departed", "wh.received", "shipment.arrived",
        "customs.released", "shipment.delivered",
    )  # fmt: skip
    named = names[kind]
    if named in NEEDED and not ready:
        named = "shipment.departed"
    lot = f"L-{consignment}-{number // KINDS}"
    made: dict[str, tuple[str, str, dict[str, Any]]] = {
        "customs.declared": (f"DECLARATION:{declaration}", "customs-ae", {
            "declaration_id": declaration, "regime": "IMPORT", "office": "o", "declarant": "d",
            "transport_doc": "B", "declaration_lines": ()}),
        "customs.released": (f"DECLARATION:{declaration}", "customs-ae", {"release_kind": "FULL"}),
        "wh.received": (f"LOT:{lot}", "wms-jafza", {
            "lot_id": lot, "sku": "SWITCH-24", "qty": Decimal(EACH), "uom": "EA"}),
        "shipment.departed": (one, "carrier", {"leg_no": 1}),
        "shipment.arrived": (one, "carrier", {"leg_no": 1}),
        "shipment.delivered": (one, "tracker", {
            "consignment_id": f"K{consignment}", "receiver": "r"}),
    }  # fmt: skip
    subject, source, fields = made[named]
    subject_type, _, subject_id = subject.partition(":")
    return EVENT_TYPES[named](
        event_id=f"{named} {number}", source=source, revision=Micros(1), event_type=named,
        classifier="ACTUAL", event_time=Micros(at), event_tz="+00:00", time_precision="S",
        recorded_time=Micros(at), chain_id=chain, subject_type=subject_type,
        subject_id=subject_id, refs=refs, facility="JAFZA-7", **fields,
    )  # fmt: skip


def story(chain: str, facts: int, start: int, every_us: int) -> Iterator[Sent]:
    """A contract for one consignment, then its facts; it waits for the last of them."""
    agreed = terms(chain, 1)
    key = chain.encode()
    yield Sent(CONTRACTS, key, codec.encode(CONTRACTS, contract(agreed)), start, is_fact=False)
    numbers = [KINDS * at + at % KINDS for at in range(facts - 3)]
    wanted = [*numbers, KINDS * facts, KINDS * facts + 2, KINDS * facts + 4]
    for place, number in enumerate(wanted, start=1):
        at = start + place * every_us
        event = fact(chain, number, at, 0, ready=place > facts - 3)
        yield Sent(event.TOPIC, key, codec.encode(event.TOPIC, event), at + SECOND_US, is_fact=True)
