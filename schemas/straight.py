"""Straight-line functions: the source of one function written for one Struct, then compiled.

Every record passes a writer and a reader of its Struct; a loop over the fields costs more than the
fields. The source holds names of our own fields and nothing that comes from outside.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Source:
    """A function's source, line by line, and the values that it names."""

    def __init__(self, head: str) -> None:
        self._lines = [head]
        self._depth = 1
        self._values: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def line(self, *lines: str) -> None:
        """Add lines at the present depth."""
        self._lines += [" " * self._depth + line for line in lines]

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """Add `head`; the lines that follow stand inside of it."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def name(self, value: Any) -> str:
        """The name by which the function finds `value`."""
        name = self._names.setdefault(id(value), f"k{len(self._names)}")
        self._values[name] = value  # which also keeps its id its own
        return name

    def function(self) -> Callable[..., Any]:
        """The function."""
        own: dict[str, Any] = {}
        text = "\n".join(self._lines)
        exec(compile(text, f"<{self._lines[0]}>", "exec"), self._values, own)  # noqa: S102 ours
        made: Callable[..., Any] = own.popitem()[1]
        return made
