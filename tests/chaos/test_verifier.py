"""The outside witness can see: each kind of damage to the topics is told."""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from loads import Load, in_memory, ledgers, played_in_memory
from verifier import Raw, Records, Schema, Witness

LOAD = Load(chains=12, seed=5)
PARTITIONS = 2
Topics = dict[str, list[Raw]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """The topics of an undisturbed run."""
    broker = played_in_memory(LOAD, tmp_path_factory.mktemp("sound"), PARTITIONS)
    return in_memory(broker, PARTITIONS)


def told(records: Records, damage: Callable[[str, list[Raw]], Iterable[Raw]]) -> list[str]:
    """What the witness says when the topics are damaged so."""
    witness = Witness(lambda topic: damage(topic, list(records(topic))))
    witness.compare(ledgers(LOAD))
    return witness.problems


def only(topic: str, damage: Callable[[list[Raw]], Iterable[Raw]]) -> Callable[..., Iterable[Raw]]:
    return lambda at, raws: damage(raws) if at == topic else raws


def flipped(raws: list[Raw]) -> list[Raw]:
    """One bit of the fifth record is another."""
    value = bytearray(raws[4].value or b"")
    value[len(value) // 2] ^= 1
    return [*raws[:4], raws[4]._replace(value=bytes(value)), *raws[5:]]


def pays(raws: list[Raw]) -> list[Raw]:
    schema = Schema("settlement.instructions")
    return [raw for raw in raws if schema.decode(raw.value or b"")["kind"] == "PAY"]


DAMAGE = {
    "a bit of an entry": (only("twin.journal", flipped), "hash"),
    "an entry is missing": (only("twin.journal", lambda raws: raws[:4] + raws[5:]), "follow"),
    "an entry stands twice": (only("twin.journal", lambda raws: [*raws[:5], *raws[4:]]), "follow"),
    "a milestone is missing": (only("twin.milestones", lambda raws: raws[1:]), "gap"),
    "a milestone stands twice": (only("twin.milestones", lambda raws: [*raws, raws[0]]), "twice"),
    "all milestones are missing": (only("twin.milestones", lambda _: []), "milestones"),
    "a settlement event is missing": (
        only("settlement.events", lambda raws: raws[:-1]), "no settlement event",
    ),
    "a payment is missing": (
        only("settlement.instructions", lambda raws: [r for r in raws if r != pays(raws)[0]]),
        "told to pay",
    ),
    "a payment is told twice": (
        only("settlement.instructions", lambda raws: [*raws, pays(raws)[0]]), "told to pay",
    ),
    "an input was never sent": (only("supply.customs", lambda raws: raws[1:]), "never sent"),
    "an input was not taken": (
        only("supply.customs", lambda raws: [*raws, raws[0]._replace(offset=10**6)]), "repeated",
    ),
}  # fmt: skip


def test_a_sound_run_is_sound(sound: Records) -> None:
    """Nothing is said against a run without damage."""
    assert told(sound, lambda _, raws: raws) == []


def test_a_payment_that_the_log_forgot_needs_an_answer(sound: Records) -> None:
    """A claim that was forgotten is told again, unless the rail's word has settled it."""
    claims = {claim.settlement_id for ledger in ledgers(LOAD) for claim in ledger.settlements}
    damage, says = DAMAGE["a payment is missing"]
    witness = Witness(lambda topic: damage(topic, list(sound(topic))))
    witness.compare(ledgers(LOAD), claims)
    assert [problem for problem in witness.problems if says in problem]


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told(sound: Records, name: str) -> None:
    """Each damage leads to a problem that says what it is."""
    damage, says = DAMAGE[name]
    assert [problem for problem in told(sound, damage) if says in problem]


def test_a_journal_written_anew_is_told_by_its_ledger(sound: Records) -> None:
    """Chains that are missing as a whole break no hash; the ledger knows them."""
    chain = next(iter(sound("twin.journal"))).key

    def without(topic: str, raws: list[Raw]) -> list[Raw]:
        return [raw for raw in raws if (raw.key or b"").split(b"|")[0] != chain]

    assert [problem for problem in told(sound, without) if "is missing" in problem]


def test_the_ledger_of_the_rail_is_compared(sound: Records, tmp_path: Path) -> None:
    """A rail that has booked nothing is told."""
    with sqlite3.connect(tmp_path / "rail") as db:
        db.execute("CREATE TABLE entry (settlement_id, amount_minor, currency)")
    witness = Witness(sound)
    witness.compare_rail(tmp_path / "rail")
    assert [problem for problem in witness.problems if "the rail has booked 0" in problem]
