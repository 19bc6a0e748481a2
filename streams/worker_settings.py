"""What a worker is told: its topics, and how it works."""

from msgspec import Struct

from supplytwin.streams.upkeep import UpkeepSettings


class WorkerTopics(Struct, frozen=True, kw_only=True):
    """`inputs` without the control topic; `derived`: others that must have the same partitions."""

    inputs: tuple[str, ...]
    control: str
    journal: str
    state: str
    quarantine: str
    derived: tuple[str, ...] = ()


class WorkerSettings(Struct, frozen=True, kw_only=True):
    group: str = "supplytwin-worker"
    transactional_id: str = "supplytwin.worker"
    """The slot is appended: `supplytwin.worker.0`."""
    partitions: int | None = None
    """What `init` wrote down; None = whatever the topics have, if they agree."""
    simulated: bool = False
    """Offsets are committed at once whenever an own next offset has moved."""
    batch: int = 5_000
    poll_s: float = 0.05
    wait_s: float = 1.0
    """No record waits for a cut longer than this."""
    commit_s: float = 5.0
    """Offsets without a transaction are committed at least this often."""
    transaction_timeout_s: float = 10.0
    upkeep: UpkeepSettings = UpkeepSettings()
