"""What must be true after an attack, whatever it was."""

from collections.abc import Collection, Sequence
from pathlib import Path

from harness import Deployment, Open, until
from loads import Load, ledgers
from verifier import Witness, kafka

from supplytwin.schemas.records import JOURNAL


def start(deployed: Deployment, slots: Sequence[int] = (0, 1)) -> None:
    """Workers and gateway run, and the workers share the partitions."""
    for slot in slots:
        deployed.worker(slot)
    deployed.gateway()
    until(lambda: deployed.up(*slots), "the workers share the partitions")


def offsets(deployed: Deployment, isolation: str, topic: str = JOURNAL) -> set[tuple[int, int]]:
    """(partition, offset) of every record of a topic that such a reader is given."""
    read = kafka(deployed.settings.kafka.bootstrap, isolation)
    return {(one.partition, one.offset) for one in read(topic)}


def never_committed(deployed: Deployment, hit: list[list[Open]]) -> None:
    """What was open at the kills stands in the log, and no read_committed reader is given it."""
    everything, visible = offsets(deployed, "read_uncommitted"), offsets(deployed, "read_committed")
    for found in hit:
        aborted = {(at.partition, n) for at, start, end in found for n in range(start, end)}
        assert aborted <= everything
        assert not aborted & visible


def sound(deployed: Deployment, load: Load, forgotten: Collection[str] = ()) -> Witness:
    """The outside witness has nothing to say against it; `forgotten` as for `Witness.compare`."""
    witness = Witness(kafka(deployed.settings.kafka.bootstrap))
    witness.compare(ledgers(load), forgotten)
    witness.compare_rail(Path(deployed.settings.gateway.ledger))
    witness.assert_sound()
    return witness
