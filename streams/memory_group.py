"""One consumer group in memory: classic protocol, eager, assignor range; offsets, also pending."""

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from supplytwin.streams.ports import TopicPartition

Event = tuple[Literal["assign", "revoke", "lost"], tuple[TopicPartition, ...]]


class Member:
    """One consumer that has subscribed."""

    def __init__(self, name: str, instance: str | None, topics: Sequence[str]) -> None:
        self.name, self.instance, self.topics = name, instance, tuple(topics)
        self.assigned: tuple[TopicPartition, ...] = ()
        self.target: tuple[TopicPartition, ...] | None = None
        """What the newest assignment gives it, until it has been told."""
        self.generation = -1
        self.joined = False
        self.fenced = False
        self.seen = time.monotonic()


class Group:
    """Members and offsets. `turn` is a member's poll: it says what happened to it."""

    def __init__(self, name: str, max_poll_s: float) -> None:
        self.name = name
        self.generation = 0
        self.offsets: dict[TopicPartition, int] = {}
        self.pending: dict[TopicPartition, int] = {}
        """How many open transactions hold an offset of this partition."""
        self.members: dict[str, Member] = {}
        self._max_poll_s = max_poll_s
        self._joining = False

    def join(self, member: Member) -> None:
        """Everybody has to join anew. A second member of one instance fences the first."""
        if member.instance is not None:
            for other in [m for m in self.members.values() if m.instance == member.instance]:
                other.fenced = True
                del self.members[other.name]
        member.seen = time.monotonic()
        self.members[member.name] = member
        self._rejoin()

    def leave(self, member: Member) -> None:
        """Its partitions go to the others."""
        if self.members.pop(member.name, None) is not None:
            self._rejoin()

    def current(self, member: Member) -> bool:
        """Whether the group still counts on what it assigned to this member."""
        return member.name in self.members and member.generation == self.generation

    def turn(self, member: Member, partitions: Mapping[str, int]) -> Event | None:
        """The next thing that this member must be told; `partitions` = the count of each topic."""
        member.seen = time.monotonic()
        if member.name not in self.members:
            lost, member.assigned = member.assigned, ()
            self.join(member)
            if lost:
                return "lost", lost
        if self._joining and not member.joined:
            if member.assigned:
                revoked, member.assigned = member.assigned, ()
                return "revoke", revoked
            member.joined = True
        if self._joining:
            self._complete(partitions)
        if member.target is not None and not self._joining:
            member.assigned, member.target = member.target, None
            member.generation = self.generation
            return "assign", member.assigned
        return None

    def _rejoin(self) -> None:
        self._joining = True
        for member in self.members.values():
            member.joined, member.target = False, None

    def _complete(self, partitions: Mapping[str, int]) -> None:
        """Assign, when everybody has joined; who has not polled for too long is put out."""
        oldest = time.monotonic() - self._max_poll_s
        for member in [m for m in self.members.values() if not m.joined and m.seen < oldest]:
            del self.members[member.name]
        if not all(member.joined for member in self.members.values()):
            return
        self._joining = False
        self.generation += 1
        targets: dict[str, list[TopicPartition]] = {name: [] for name in self.members}
        for topic in sorted({topic for m in self.members.values() for topic in m.topics}):
            takers = sorted(
                (m for m in self.members.values() if topic in m.topics),
                key=lambda m: (m.instance or "", m.name),
            )
            share, extra = divmod(partitions.get(topic, 0), len(takers))
            start = 0
            for index, taker in enumerate(takers):
                stop = start + share + (index < extra)
                targets[taker.name] += [TopicPartition(topic, n) for n in range(start, stop)]
                start = stop
        for name, target in targets.items():
            self.members[name].target = tuple(target)
