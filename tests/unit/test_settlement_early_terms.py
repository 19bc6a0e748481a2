"""Terms that arrive before the version that they amend: they wait, by name, and take effect in the
order of their versions.
"""

from typing import Any

import msgspec
from settlement_full_world import FullWorld, day, electronics
from settlement_world import contract, contract_terms
from test_settlement_full_review import amend

from supplytwin.processors.chain import canonical
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.records import CONTRACTS, EXCEPTIONS, INSTRUCTIONS, ExceptionRecord


class Early(FullWorld):
    """A chain whose keys are known, and whose contract is still to come."""

    def agree(self, signed: tuple[Any, ...]) -> None:
        """Nothing yet: the test says when."""


def versions(count: int = 3) -> list[ContractTerms]:
    """Versions of one contract, each over the one before it, with another number of attempts."""
    made = [electronics()]
    for number in range(2, count + 1):
        before = terms_hash(encode(made[-1]))
        made.append(electronics(version=number, amends=before, attempts_max=1 + number % 9))
    return made


def told(world: FullWorld) -> list[str]:
    """What people are told of a contract, in the order in which it was."""
    return [
        f"{one.code}: {one.reason}"
        for one in world.read(EXCEPTIONS)
        if isinstance(one, ExceptionRecord) and one.subject_type == "CLAIM"
    ]


def outcome(world: FullWorld) -> tuple[Any, ...]:
    """What holds at the end, and what was asked of the rail."""
    book = world.state(world.chain).book
    assert book.terms is not None
    orders = [(one.kind, one.amount_minor) for one in world.read(INSTRUCTIONS)]
    return (
        book.terms.version,
        sorted(book.former),
        [book.claims[one].version for one in book.order],
        world.states(),
        orders,
    )


def sent(*numbers: int, count: int = 3) -> Early:
    """Versions in this order of arrival, then a tick and the holds."""
    world, made = Early(), versions(count)
    for at, number in enumerate(numbers):
        amend(world, made[number - 1], 0.01 * (at + 1))
    world.tick(day(0.5))
    return world


def is_sound(world: FullWorld) -> bool:
    found, state = world.audit(), world.state(world.chain)
    assert world.fold.thaw(world.fold.freeze(state)) == state
    before = outcome(world)
    world.restart()
    return not found.differences and outcome(world) == before


def test_an_amendment_before_its_base_waits_for_it() -> None:
    """Nothing is agreed by it; people are told what is missing; when the base comes both count, in
    the order of their versions, and each claim is held once.
    """
    world = sent(2)
    assert world.state(world.chain).book.terms is None
    assert told(world) == ["EARLY_TERMS: version 2 waits for version 1"]
    assert is_sound_without_contract(world)
    amend(world, versions()[0], 0.6)
    assert outcome(world)[:4] == (2, [1], [2, 2, 2], ["CREATED"] * 3)
    assert [kind for kind, _ in outcome(world)[4]] == ["RESERVE"] * 3
    assert is_sound(world)


def is_sound_without_contract(world: FullWorld) -> bool:
    state = world.state(world.chain)
    assert world.fold.thaw(world.fold.freeze(state)) == state
    world.restart()
    again = world.state(world.chain)
    return again.book.waiting == state.book.waiting and canonical(again) == canonical(state)


def test_every_order_of_arrival_ends_with_the_newest_version() -> None:
    """Three versions in each of six orders: the same terms are in force, no hold is asked for that
    nobody wants.
    """
    for order in ((1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)):
        world = sent(*order)
        version, former, of, states, _ = outcome(world)
        assert (version, former, states) == (3, [1, 2], ["CREATED"] * 3), order
        assert set(of) == {3}, order
        assert is_sound(world), order


def test_a_version_that_waits_does_not_replace_what_was_paid() -> None:
    """Version 3 comes, then a tranche is paid, then version 2: what is settled stays as it was."""
    world, made = Early(), versions()
    amend(world, made[0], 0.01)
    amend(world, made[2], 0.02)
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.tick(day(3))
    world.answer("PAY", "ACSC", 4)
    amend(world, made[1], 5)
    version, former, of, states, _ = outcome(world)
    assert (version, former, of) == (3, [1, 2], [1, 3, 3])
    assert states[0] == "SETTLED"
    assert len(world.paid()) == 1
    assert is_sound(world)


def test_what_does_not_follow_after_all_is_told() -> None:
    """Terms over another base wait too; when the base is there they are refused with the reason."""
    made = versions()
    world = Early()
    amend(world, electronics(version=2, amends="0" * 64), 0.01)
    amend(world, made[0], 0.02)
    assert outcome(world)[:3] == (1, [], [1, 1, 1])
    assert len(told(world)) == 2
    assert told(world)[1].startswith("ILLEGAL_PAIR: version 2 waited: $.amends is not the hash")
    assert is_sound(world)


def test_a_second_version_of_one_number_does_not_wait() -> None:
    """The first one that all have signed waits; another one is refused, and that is told."""
    made = versions()
    world = Early()
    amend(world, made[1], 0.01)
    other = electronics(version=2, amends=made[1].amends, attempts_max=9)
    amend(world, other, 0.02, input_id="another")
    amend(world, made[0], 0.03)
    book = world.state(world.chain).book
    assert book.terms is not None
    assert (book.terms.version, book.terms.attempts_max) == (2, made[1].attempts_max)
    assert told(world)[1] == "ILLEGAL_PAIR: another version 2 waits already"
    assert is_sound(world)


def test_terms_that_nobody_signed_keep_no_signed_ones_from_waiting() -> None:
    """The older form asks for no signature: in its name nobody takes the place of another."""
    world, made = Early(), versions()
    thin = contract_terms(
        chain_id=world.chain, contract_id=made[0].contract_id, version=2, currency="CNY"
    )
    forged = msgspec.structs.replace(contract(thin), chain_id=world.chain, source="desk")
    world.put(CONTRACTS, forged, day(0.01))
    amend(world, made[1], 0.02)
    amend(world, made[0], 0.03)
    assert outcome(world)[:3] == (2, [1], [2, 2, 2])
    assert (
        world.state(world.chain)
        .book.terms_of(next(iter(world.state(world.chain).book.claims.values())))
        .full
    )
    assert is_sound(world)


def test_what_waits_has_a_bound() -> None:
    """Eight versions wait; a further one is refused, and can be sent again later."""
    world, made = Early(), versions(11)
    for terms in made[1:]:
        amend(world, terms, 0.01 * terms.version)
    assert [one.partition(":")[0] for one in told(world)] == ["EARLY_TERMS"] * 8 + [
        "ILLEGAL_PAIR"
    ] * 2
    amend(world, made[0], 0.5)
    assert outcome(world)[0] == 9
    assert is_sound(world)
