"""Where worker and gateway are killed between a decision and the money: the one table of it.

Each point is a place of the loop that `fail_at` knows (`checkpoint.POINTS`, `gateway.POINTS`).
"""

from msgspec import Struct

from supplytwin.streams import checkpoint, gateway

WORKER, GATEWAY = "worker-0", "gateway"


class Point(Struct, frozen=True, kw_only=True):
    """One place of the loop of a process, and what a kill there leaves behind."""

    process: str
    name: str
    leaves: str
    times: int = 3
    """A process dies at one of its first so many passages: by the seed."""


CRASH_POINTS = (
    Point(process=WORKER, name="restoring", times=2,
          leaves="a predecessor's transaction, perhaps; states that are read halfway"),
    Point(process=WORKER, name="after_read",
          leaves="records that were read and not folded"),
    Point(process=WORKER, name="cut_complete", times=12,
          leaves="decisions that only memory has"),
    Point(process=WORKER, name="after_begin",
          leaves="decisions that only memory has; an empty transaction"),
    Point(process=WORKER, name="after_produce",
          leaves="decisions and instructions in an open transaction"),
    Point(process=WORKER, name="before_send_offsets",
          leaves="the same, with what they follow from still to be committed"),
    Point(process=WORKER, name="between_send_offsets_and_commit",
          leaves="a whole transaction without its commit"),
    Point(process=WORKER, name="between_commit_and_merge",
          leaves="decisions that stand, of which memory knew nothing"),
    Point(process=WORKER, name="after_merge",
          leaves="decisions that stand, before anything else was read"),
    Point(process=GATEWAY, name="assigned", times=1,
          leaves="a rebalance; the record of what was sent is read, nothing else"),
    Point(process=GATEWAY, name="after_read",
          leaves="instructions that were read and not drafted"),
    Point(process=GATEWAY, name="drafted",
          leaves="the message that is about to be sent, in an open transaction"),
    Point(process=GATEWAY, name="handing_over",
          leaves="a message that is kept and was never sent"),
    Point(process=GATEWAY, name="submitted",
          leaves="a message that the bank has, and nobody has recorded so"),
    Point(process=GATEWAY, name="answered",
          leaves="the bank's answer in an open transaction"),
    Point(process=GATEWAY, name="before_commit",
          leaves="a whole transaction, of messages or of answers, without its commit"),
    Point(process=GATEWAY, name="committed",
          leaves="messages that are kept, answers that are told and not acknowledged"),
)  # fmt: skip
KNOWN = {WORKER: checkpoint.POINTS, GATEWAY: gateway.POINTS}
