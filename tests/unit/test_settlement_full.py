"""Full contract terms from end to end: the founding use case, and what must not pay."""

import datetime as dt

from settlement_full_world import FullWorld, a_year_ago, day, electronics

from supplytwin.schemas.records import INSTRUCTIONS, QUARANTINE

EXPORT, ARRIVAL, WARRANTY = 0, 1, 2


def funded() -> FullWorld:
    """Agreed, every claim with its hold, exported and paid for that."""
    world = FullWorld()
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.tick(day(3))
    world.answer("PAY", "ACSC", 4)
    return world


def is_sound(world: FullWorld) -> bool:
    """An audit computes every decision again; the state comes back whole from a snapshot; a worker
    that starts again has the same claims and says the same of them.
    """
    found, state = world.audit(), world.state(world.chain)
    assert world.fold.thaw(world.fold.freeze(state)) == state
    before = [world.now(one) for one in range(3)]
    world.restart()
    return (
        bool(found.decisions)
        and not found.differences
        and before == [world.now(one) for one in range(3)]
    )


def test_cleared_and_in_the_buyers_warehouse_pays_the_seller() -> None:
    """A share at export; the next when customs have cleared it, warehouse and tracker have it, the
    buyer has accepted it, and a day has passed without a seizure.
    """
    world = funded()
    assert world.states() == ["SETTLED", "RESERVED", "RESERVED"]
    assert world.paid() == [72_000_000]
    world.cleared()
    world.tick(day(61.5))
    assert world.states()[ARRIVAL] == "RESERVED"
    world.received()
    world.tick(day(64))
    assert world.states()[ARRIVAL] == "MATCHED"
    world.tick(day(65) - 1)
    assert world.paid() == [72_000_000]
    world.tick(day(65))
    assert world.paid() == [72_000_000, 144_000_000]
    told = [one for one in world.read(INSTRUCTIONS) if one.kind == "PAY"][-1]
    assert told.execution_date == dt.date(2026, 2, 4)  # a Wednesday, 00:00 in Shanghai
    assert told.calendar is not None
    assert told.calendar.startswith("CN-WORKDAYS@")
    world.answer("PAY", "ACSC", 66)
    assert world.states() == ["SETTLED", "SETTLED", "RESERVED"]
    assert is_sound(world)


def test_a_seizure_in_between_pays_nothing() -> None:
    """The match is taken back; the claim says what stands against it."""
    world = funded()
    world.cleared()
    world.received()
    world.tick(day(64))
    world.seized(64.5)
    for later in (66, 66.5, 68, 80):
        world.tick(day(later))
        assert world.states()[ARRIVAL] == "RESERVED"
    assert world.paid() == [72_000_000]
    told = {leaf.name: leaf for leaf in world.now(ARRIVAL).leaves}
    assert "customs-ae/seized" in told["$.all[3] absent"].why
    assert is_sound(world)


def test_lateness_takes_its_basis_points_off() -> None:
    """Ten a day after the tenth of February, in Shanghai, for what came to the warehouse on the
    fourteenth; that the buyer accepted it a day later is not the seller's.
    """
    terms = electronics()
    assert terms.tranches[ARRIVAL].adjustments.late is not None
    world = funded()
    world.cleared()
    world.received(on=75)
    world.tick(day(76.5))
    world.tick(day(77.5))
    late = 4  # from 2026-02-10 to 2026-02-14
    assert world.paid()[1:] == [144_000_000 * (10_000 - 10 * late) // 10_000]


def test_terms_that_not_all_have_signed_are_no_contract() -> None:
    """They go to the quarantine with the name of who is missing, and nothing is reserved."""
    world = FullWorld(sign=False)
    world.tick(day(0.1))
    assert [one.reason.split(":")[0] for one in world.read(QUARANTINE)] != []
    assert world.read("settlement.instructions") == []


def test_one_signature_over_other_terms_is_none() -> None:
    """A signature is over one hash: terms with another amount need new ones."""
    world = FullWorld(sign=False)
    good = world.signatures()
    world.terms = electronics(contract_id="C-OTHER")
    world.agree(good)
    assert world.read("settlement.instructions") == []


def test_who_is_not_listed_moves_nothing() -> None:
    """The same facts from sources that the terms do not name."""
    world = FullWorld()
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.declared("X-1", "EXPORT", 2, "somebody")
    world.tick(day(3))
    assert world.states()[EXPORT] == "RESERVED"
    assert world.paid() == []


def test_approvals_are_of_what_was_seen() -> None:
    """Two of the roles that the condition names; one over other evidence, or by somebody whom the
    terms do not name, is none; a hold by people makes them lapse.
    """
    world = FullWorld(a_year_ago("bulk-draft-survey"))
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.tick(day(1))

    def approves() -> str:
        return next(one.value for one in world.now(0).leaves if one.name.endswith("approval"))

    def approve(role: str, on: float, **fields: str) -> None:
        seen = {
            "evidence_hash": world.now(0).evidence_hash,
            "source": f"desk-{role.lower()}",
            **fields,
        }
        world.review("APPROVE", 0, on, role=role, **seen)

    before = world.now(0).evidence_hash
    approve("BUYER", 2)
    approve("BUYER", 2)
    approve("FINANCIER", 2, source="somebody")
    approve("FINANCIER", 2, evidence_hash="0" * 64)
    assert approves() == "UNKNOWN"
    approve("FINANCIER", 3)
    assert world.now(0).evidence_hash == before
    assert approves() == "TRUE"
    world.review("HOLD", 0, 4)
    assert world.states() == ["HELD"]
    assert approves() == "UNKNOWN"
    assert world.audit().differences == []
