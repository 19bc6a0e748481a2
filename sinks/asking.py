"""Questions to a bank in turn: one that fails is put again later, and holds up no other one."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from supplytwin.schemas.errors import AbortError, TransientError

T = TypeVar("T")
PAUSE_S = 1.0
"""After the first failure; after each further one twice as long."""
PAUSE_MAX_S = 60.0
TURN_S = 5.0
"""So long they are put one after the other; who asks has other work, too."""


class Asking(Generic[T]):
    """See the module. `put` raises TransientError when a question has to be put again, of which
    `failed` is told; `alive` is called behind each.
    """

    def __init__(
        self,
        put: Callable[[T], None],
        failed: Callable[[T, TransientError], None],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._put, self._failed, self._alive = put, failed, alive
        self.clear()

    def clear(self) -> None:
        """None waits."""
        self._waiting: deque[T] = deque()
        self._pause_s, self._again_at = PAUSE_S, 0.0

    def __iter__(self) -> Iterator[T]:
        """Those that wait."""
        return iter(self._waiting)

    def add(self, one: T) -> None:
        """Put it now, or behind those that wait."""
        if self._waiting or not self._is_put(one):
            self._waiting.append(one)

    def later(self, one: T) -> None:
        """It has just failed: put it behind those that wait."""
        self._waiting.append(one)
        self._again_at = time.monotonic() + self._pause_s

    def go_on(self) -> None:
        """The first of those that wait, when it is time; as long as that succeeds, and for
        `TURN_S`, the others.
        """
        until = time.monotonic() + TURN_S
        for _ in range(len(self._waiting)):
            if not self._again_at <= time.monotonic() <= until:
                return
            first = self._waiting.popleft()
            if not self._is_put(first):
                self._waiting.append(first)

    def _is_put(self, one: T) -> bool:
        try:
            self._put(one)
        except AbortError:
            raise
        except TransientError as error:
            self._again_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
            self._failed(one, error)
            return False
        finally:
            self._alive()
        self._pause_s = PAUSE_S
        return True
