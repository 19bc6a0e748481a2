"""Whose accounts a bank is told: those of the terms under which an instruction was decided."""

from collections.abc import Iterator
from typing import Any

import bank_rail_world as w
import contract_world
import msgspec
import pytest
from msgspec.structs import replace
from settlement_full_world import day
from settlement_world import contract_terms
from test_settlement_full_review import amend, funded, is_sound

from supplytwin.schemas import codec, terms
from supplytwin.schemas.contract import Account, ContractTerms, Party, encode, terms_hash
from supplytwin.schemas.records import CONTRACTS, INSTRUCTIONS, Contract
from supplytwin.sinks.bank_rail_terms import Funding, ListedParties, Paying, agreed, as_bank
from supplytwin.streams import gateway_terms, topics
from supplytwin.streams.gateway_terms import AgreedParties
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Kafka, Settings

PARTITIONS = 3
FIRST = contract_world.terms()
OTHER = "4000099999999999999"


def moved(made: ContractTerms) -> ContractTerms:
    """The next version: the seller has another account."""
    parties = tuple(
        [
            replace(one, account=Account(other=OTHER)) if one.role == made.payee else one
            for one in made.parties
        ]
    )
    return replace(made, version=2, amends=terms_hash(encode(made)), parties=parties)


class World:
    """A topic of contracts, and the gateway's view of it."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        settings = Settings(kafka=Kafka(partitions=PARTITIONS))
        topics.init(broker, settings)
        self.parties = AgreedParties(broker, PARTITIONS)

    def publish(self, body: bytes, **changes: Any) -> None:
        """Terms as a record of the topic."""
        made = Contract(
            input_id="c", source="desk", chain_id=FIRST.chain_id, contract_id=FIRST.contract_id,
            version=1, terms=body, terms_hash=terms_hash(body),
        )  # fmt: skip
        value = codec.encode(CONTRACTS, replace(made, **changes))
        producer = self.broker.producer(None)
        producer.produce(CONTRACTS, FIRST.chain_id.encode(), value)
        producer.close()

    def account(self, hashed: str | None) -> str | None:
        """The creditor's account for an instruction that was decided under these terms."""
        order = w.instruction(chain_id=FIRST.chain_id, contract_id=FIRST.contract_id)
        found = self.parties.of(replace(order, terms_hash=hashed))
        return None if found is None else found.creditor.account.other


@pytest.fixture
def world() -> Iterator[World]:
    """Nothing is published."""
    broker = MemoryBroker()
    yield World(broker)
    broker.close()


def creditor(made: ContractTerms) -> str:
    """The seller's account number."""
    payee = made.party(made.payee)
    assert payee is not None
    assert payee.account is not None
    return payee.account.other


def test_an_amendment_changes_no_account_of_what_is_decided(world: World) -> None:
    """Each instruction is paid to the account of its own version of the terms, whichever is the
    newest when it is sent.
    """
    first, second = encode(FIRST), encode(moved(FIRST))
    world.publish(first)
    world.publish(second, version=2)
    assert world.account(terms_hash(first)) == creditor(FIRST) != OTHER
    assert world.account(terms_hash(second)) == OTHER


def test_a_contract_that_comes_later_is_found(world: World) -> None:
    """What is not known yet is looked for where the last look ended."""
    assert world.account(terms_hash(encode(FIRST))) is None
    for made in (FIRST, moved(FIRST)):
        world.publish(encode(made))
        assert world.account(terms_hash(encode(made))) == creditor(made)


def test_what_is_known_is_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for the same terms nor, when others have come, from the start."""
    seen: list[int] = []
    real = gateway_terms.read

    def counted(*given: Any, **named: Any) -> Iterator[Any]:
        for record in real(*given, **named):
            seen.append(record.offset)
            yield record

    monkeypatch.setattr(gateway_terms, "read", counted)
    first, second = encode(FIRST), encode(moved(FIRST))
    world.publish(first)
    for _ in range(3):
        assert world.account(terms_hash(first))
    world.publish(second)
    assert world.account(terms_hash(second))
    assert seen == [0, 1]


def test_terms_that_are_not_what_was_signed_count_for_nothing(world: World) -> None:
    """Terms under the hash of others, and bytes that are no terms: nothing is paid by them."""
    first, second = encode(FIRST), encode(moved(FIRST))
    world.publish(second, terms_hash=terms_hash(first))
    world.publish(b"{}", terms_hash=terms_hash(b"{}"))
    assert world.account(terms_hash(first)) is None
    assert world.account(terms_hash(b"{}")) is None


def test_an_instruction_that_names_no_terms_is_paid_by_none(world: World) -> None:
    """Written before the field was there: no contract stands for it."""
    world.publish(encode(FIRST))
    assert world.account(None) is None


def test_a_list_speaks_for_terms_without_accounts_only(world: World) -> None:
    """What is signed is not overruled; terms of the older form are paid as the list says."""
    older = terms.encode(contract_terms())
    paying = agreed(encode(moved(FIRST)))
    assert paying is not None
    listed = {terms_hash(one): paying for one in (older, encode(FIRST))}
    known = ListedParties(msgspec.json.encode(listed), "parties.json")
    world.parties = AgreedParties(world.broker, PARTITIONS, known)
    world.publish(older)
    world.publish(encode(FIRST))
    assert world.account(terms_hash(older)) == OTHER
    assert world.account(terms_hash(encode(FIRST))) == creditor(FIRST)


@pytest.mark.parametrize("name", contract_world.NAMES)
def test_the_sides_are_those_of_the_whole_terms(name: str) -> None:
    """What is read of the bytes for a payment is what all of the terms say."""
    made = contract_world.terms(name)
    payer, payee = made.party(made.payer), made.party(made.payee)
    assert payer is not None
    assert payee is not None
    assert agreed(encode(made)) == Paying(
        debtor=as_bank(payer),
        creditor=as_bank(payee),
        funding=Funding(made.funding.mode),
        purpose_code=made.purpose_code or "",
    )


def test_who_has_no_account_is_not_paid() -> None:
    """Terms of the older form, and a payee without a bank."""
    assert agreed(terms.encode(contract_terms())) is None

    def without(one: Party) -> Party:
        return replace(one, agent=None) if one.role == FIRST.payee else one

    parties = tuple([without(one) for one in FIRST.parties])
    assert agreed(encode(replace(FIRST, parties=parties))) is None


def test_an_instruction_names_the_terms_of_its_claim() -> None:
    """An amendment leaves the terms of what is decided alone, also when the payment is sent again
    or tried a second time; what it may still amend is paid under the new ones.
    """
    world = funded()
    first = terms_hash(encode(world.terms))
    world.export()
    world.tick(day(3))
    changed = moved(world.terms)
    amend(world, changed, 3.5)
    world.answer("PAY", "NOT_FOUND", 3.6)
    world.answer("PAY", "RJCT", 3.7, rail_reason="AM04")
    world.tick(day(4))
    paid = [one for one in world.read(INSTRUCTIONS) if one.kind == "PAY"]
    assert [one.attempt for one in paid] == [1, 1, 2]
    assert {one.terms_hash for one in paid} == {first}
    world.cleared()
    world.received()
    for on in (64, 65):
        world.tick(day(on))
    assert world.read(INSTRUCTIONS)[-1].terms_hash == terms_hash(encode(changed))
    assert is_sound(world)
