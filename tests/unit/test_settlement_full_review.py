"""Full contract terms where a mistake would cost money: amendments, several claims, late evidence,
awards, approvals, dates.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import contract_world
import pytest
from msgspec.structs import replace
from settlement_full_world import LINE, FullWorld, a_year_ago, day, electronics
from settlement_world import contract, contract_terms, event
from test_contract_signing import secret

from supplytwin.processors import contract_check
from supplytwin.processors.keys import Key, KeyRecord
from supplytwin.processors.settlement_judged import judged
from supplytwin.schemas import contract_signature as signatures
from supplytwin.schemas import signing
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.ids import SECOND_US
from supplytwin.schemas.records import CONTRACTS, Contract

EXPORT, ARRIVAL, WARRANTY = 0, 1, 2


@pytest.fixture
def free_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms may be of no template."""
    sense = contract_check.sense

    def permitted(terms: ContractTerms, **_: bool) -> Any:
        return sense(terms, free_conditions=True)

    monkeypatch.setattr(contract_check, "sense", permitted)


def funded(terms: ContractTerms | None = None) -> FullWorld:
    """Agreed, every claim with its hold."""
    world = FullWorld(terms)
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    return world


def amend(
    world: FullWorld,
    terms: ContractTerms,
    on: float,
    kids: Mapping[str, str] = MappingProxyType({}),
    input_id: str = "",
) -> None:
    """Terms take the place of those in force, signed by all that they name."""
    body = encode(terms)
    hashed = terms_hash(body)
    signed = tuple(
        [
            signatures.record(
                signatures.signed(
                    secret(kids.get(seat, seat)),
                    kid=kids.get(seat, f"{seat}-1"),
                    seat=seat,
                    terms_hash=hashed,
                )
            )
            for seat in terms.seats
        ]
    )
    world.put(
        CONTRACTS,
        Contract(input_id=input_id or f"contract {terms.version}", source="desk",
                 chain_id=terms.chain_id, contract_id=terms.contract_id, version=terms.version,
                 terms=body, terms_hash=hashed, signatures=signed),
        day(on),
    )  # fmt: skip


def later(world: FullWorld, **changes: Any) -> ContractTerms:
    """The second version of the terms in force."""
    now = world.terms
    return replace(now, version=2, amends=terms_hash(encode(now)), **changes)


def version(world: FullWorld) -> int:
    terms = world.state(world.chain).book.terms
    assert terms is not None
    return terms.version


def is_sound(world: FullWorld) -> bool:
    """An audit computes the same; so does who starts again; a snapshot comes back whole."""
    found, state = world.audit(), world.state(world.chain)
    assert world.fold.thaw(world.fold.freeze(state)) == state
    claims = range(len(world.states()))
    before = [world.now(one) for one in claims]
    world.restart()
    return not found.differences and before == [world.now(one) for one in claims]


# ---- amendments


def test_signed_terms_are_not_amended_by_terms_that_nobody_signs() -> None:
    """The older form asks for no signature: it takes the place of no full terms."""
    world = funded()
    thin = contract_terms(
        chain_id=world.chain, contract_id=world.terms.contract_id, version=2, currency="CNY"
    )
    world.put(CONTRACTS, replace(contract(thin), chain_id=world.chain, source="desk"), day(1))
    assert version(world) == 1


def test_an_amendment_is_signed_by_those_who_signed_before() -> None:
    """Other parties, all of which have signed what they want, amend nothing."""
    world = funded()
    parties = [
        replace(one, org_id="mallory") if one.role == "BUYER" else one
        for one in world.terms.parties
    ]
    world.tell(
        KeyRecord(
            keys=(
                Key(kid="mallory-1", alg="Ed25519", organisation="mallory", role="BUYER",
                    site="desk", key=signing.public_key(secret("mallory-1")).hex(),
                    valid_from=day(-300), valid_to=day(900), sources=(CONTRACTS,)),
            )
        )
    )  # fmt: skip
    amend(world, later(world, parties=tuple(parties)), 1, {"BUYER": "mallory-1"})
    assert version(world) == 1


def test_an_amendment_names_what_it_amends() -> None:
    """What was signed over another first version is none of this one; the right hash is taken."""
    world = funded()
    amend(world, replace(later(world), amends="0" * 64), 1)
    assert version(world) == 1
    right = electronics(version=2, amends=later(world).amends, attempts_max=4)
    amend(world, right, 2, input_id="the right one")
    assert version(world) == 2
    assert is_sound(world)


# ---- what is told after the challenge window


def arrived() -> FullWorld:
    """Exported and paid for that; the rest instructed on day 65, when the window is over."""
    world = funded()
    world.export()
    world.tick(day(3))
    world.answer("PAY", "ACSC", 4)
    world.cleared()
    world.received()
    world.tick(day(64))
    world.tick(day(65))
    assert world.states() == ["SETTLED", "INSTRUCTED", "RESERVED"]
    return world


def test_a_seizure_after_the_window_recalls_what_is_under_way() -> None:
    """Nobody could have told it in the window; the money has not arrived yet."""
    world = arrived()
    world.seized(65.5)
    world.tick(day(65.6))
    assert world.states()[ARRIVAL] == "CANCEL_PENDING"
    assert is_sound(world)


def test_a_seizure_after_the_payment_is_claimed_and_freezes_the_rest() -> None:
    """Money that has arrived is final: a record of the claim, and nothing more is paid."""
    world = arrived()
    world.answer("PAY", "ACSC", 65.2)
    world.seized(65.5)
    world.tick(day(65.6))
    assert world.states() == ["SETTLED", "SETTLED", "HELD"]
    assert world.rows().count(32) == 1
    world.tick(day(66))
    assert world.rows().count(32) == 1
    assert is_sound(world)


# ---- dates


def test_a_date_that_is_told_abroad_is_the_date_that_it_says() -> None:
    """The tenth of February in New York is not late in Shanghai, where its last hour is the
    eleventh.
    """
    world = funded()
    world.export()
    world.tick(day(3))
    world.cleared()
    world.received(on=71.6, time_precision="DAY", event_tz="-05:00")
    world.tick(day(74))
    world.tick(day(76))
    assert world.paid()[1:] == [144_000_000]


# ---- a quantity that no condition names


def fruit() -> FullWorld:
    """Of durian: its second claim is paid by what the buyer has accepted."""
    return funded(a_year_ago(contract_world.DURIAN))


def amount(world: FullWorld) -> str:
    return next(one.value for one in world.now(1).leaves if one.name == "amount")


def test_a_quantity_that_is_ahead_wakes_its_claim() -> None:
    """Told a minute early, it counts when its time has come: somebody looks then."""
    world = fruit()
    world.tick(day(1))
    made = event("order.accepted", LINE, "accepted", day(2) + 60 * SECOND_US, source="erp-nansha",
                 chain_id=world.chain, line_ids=("1",), accepted_qty=Decimal(20_000),
                 rejected_qty=Decimal(0))  # fmt: skip
    world.send(made, at=day(2))
    world.tick(day(2) + SECOND_US)
    assert amount(world) == "UNKNOWN"
    assert world.fold.due(world.state(world.chain)) == day(2) + 60 * SECOND_US


def test_without_a_quantity_in_time_the_amount_is_false() -> None:
    """What comes after the close is not paid: no one has to wait for the long stop."""
    world = fruit()
    world.tick(day(1))
    close = world.terms.tranches[1].close
    world.tick(close)
    assert amount(world) == "UNKNOWN"
    world.tick(close + 1)
    assert amount(world) == "FALSE"


def test_approvals_lapse_with_an_amendment() -> None:
    """The hash that an approval names is of the terms, too."""
    world = funded(a_year_ago("bulk-draft-survey"))
    world.fact("wh.received", "LOT:L", "received", 2, "wms-qingdao", lot_id="L", sku="S",
               qty=Decimal(60_000), uom="TNE", facility="QINGDAO-SILO-1", refs=(LINE,))  # fmt: skip
    world.tick(day(2.1))
    seen = world.now(0).evidence_hash
    world.review("APPROVE", 0, 3, role="BUYER", source="desk-buyer", evidence_hash=seen)
    assert len(world.state(world.chain).book.approvals) == 1
    amend(world, later(world), 4)
    assert version(world) == 2
    assert len(world.state(world.chain).book.approvals) == 0
    world.tick(day(5))
    assert world.now(0).evidence_hash != seen
    assert is_sound(world)


# ---- claims that an amendment took out


def test_a_residual_does_not_wait_for_what_an_amendment_took_out() -> None:
    """Its tranche is settled once the claims that are left of it are."""
    world = arrived()
    world.answer("PAY", "ACSC", 66)
    state = world.state(world.chain)
    book, (_, arrival, warranty) = state.book, state.book.order
    gone = replace(book.claims[arrival], settlement_id="gone", claim_id="gone",
                   state="SUPERSEDED", settled_at=None)  # fmt: skip
    amended = replace(
        book,
        claims=book.claims.set("gone", gone),
        promises=book.promises.set("gone", book.promises[arrival]),
        order=(*book.order, "gone"),
    )
    seen = [judged(one, one.claims[warranty], state.twin, day(120)) for one in (book, amended)]
    told = [{leaf.name: leaf.value for leaf in one.leaves} for one in seen]
    assert [one["$.all[0] time"] for one in told] == ["TRUE", "TRUE"]
    assert [one["amount"] for one in told] == ["TRUE", "TRUE"]


# ---- a tranche of which nothing was due


def test_a_time_after_a_tranche_of_which_nothing_was_due_runs_from_its_end(
    free_conditions: None,
) -> None:
    """So late that nothing is left of it, it is closed without a payment: what is to be paid thirty
    days after it does not wait for a payment that can never come.
    """
    made = json.loads(
        json.dumps(contract_world.free()).replace("2026-", "2025-").replace("2027-", "2026-")
    )
    second = made["tranches"][1]
    second["challenge"] = None
    second["adjustments"]["late"] = {"due": "2026-01-10", "bp_per_day": 500, "max_bp": 10_000}
    second["condition"] = {
        "quantity": {"line": "1", "measure": "RECEIVED", "op": ">=", "value": "1200"}
    }
    terms = read(json.dumps(made).encode()).value
    assert terms is not None
    world = funded(terms)
    world.tick(day(1))
    world.export()
    world.tick(day(3))
    world.answer("PAY", "ACSC", 3.1)
    world.received()
    world.tick(day(63))
    assert world.states() == ["SETTLED", "CLOSED", "RESERVED"]
    assert is_sound(world)
    world.tick(day(92.9))
    assert world.states()[WARRANTY] == "RESERVED"
    world.tick(day(100))
    assert world.states()[WARRANTY] == "INSTRUCTED"
    assert world.paid() == [72_000_000, 24_000_000]
    assert is_sound(world)
