"""States as bytes and back, exactly: what snapshots are made of.

A generic form, found from the annotations of the state's own classes: it cannot forget a field that
somebody adds, and its name changes with every class, field and type, so that bytes of other code
are told apart before they are read. The bytes are pickles in which nothing can stand but these
classes, containers and numbers: whatever else they name is refused, and nothing of it is called.
"""

import datetime as dt
import hashlib
import io
import pickle
import typing
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from immutables import Map
from msgspec import Struct
from msgspec.structs import astuple

VALUES = (Decimal, dt.date, Map)
"""Classes of others that a state may hold."""


class Form:
    """The form of all states that are built of `roots` and what their fields are annotated with.

    `name` is 64 hex digits: two codes with one name read each other's bytes. Of the classes in
    `blank` nothing is kept: an instance comes back as one that was just made.
    """

    def __init__(self, roots: Iterable[type], blank: Iterable[type] = ()) -> None:
        self._blank = frozenset(blank)
        found: dict[type, str] = dict.fromkeys(self._blank, "blank")
        for root in roots:
            _visit(root, found)
        lines = sorted(f"{_path(kind)} {fields}" for kind, fields in found.items())
        self.name = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        self._structs = frozenset(
            kind for kind in found if issubclass(kind, Struct) and kind not in self._blank
        )
        self._known = {*found, *VALUES}
        self._makers: dict[tuple[str, str], Any] = {
            (kind.__module__, kind.__qualname__): _maker(kind) if kind in self._structs else kind
            for kind in self._known
        }

    def freeze(self, value: object) -> bytes:
        """`value` as bytes. Raises ValueError when it holds something that `thaw` would refuse."""
        file = io.BytesIO()
        _Writer(file, self._structs, self._known, self._blank).dump(value)
        return file.getvalue()

    def thaw(self, data: bytes) -> object:
        """What was frozen, equal and sharing what it shared. Raises ValueError for anything else:
        trust a hash of the bytes, not this, to tell whether they are the ones that were written.
        """
        try:
            return _Reader(data, self._makers).load()
        except Exception as error:  # a pickle that is damaged may raise anything
            raise ValueError(f"this is no state: {type(error).__name__}: {error}") from error


class _Writer(pickle.Pickler):
    def __init__(
        self,
        file: io.BytesIO,
        structs: frozenset[type],
        known: set[type],
        blank: frozenset[type],
    ) -> None:
        super().__init__(file, protocol=5)
        self._structs, self._known, self._blank = structs, known, blank

    def reducer_override(self, one: object) -> Any:
        kind = type(one)
        if kind in self._blank:
            return kind, ()
        if kind in self._structs:
            return kind, astuple(one)  # type: ignore[arg-type]
        if kind in self._known or (isinstance(one, type) and one in self._known):
            return NotImplemented
        raise ValueError(f"a {_path(kind)} is no part of a state")


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes, makers: dict[tuple[str, str], Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._makers = makers

    def find_class(self, module: str, name: str) -> Any:
        found = self._makers.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
        return found


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _maker(kind: type) -> Callable[..., Any]:
    """Makes a Struct of its fields' values in order (the Struct itself wants their names)."""
    fields: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    return lambda *values: kind(**dict(zip(fields, values, strict=True)))


def _visit(hint: Any, found: dict[type, str]) -> None:
    """Every class of ours that a value of this type may hold."""
    for inner in typing.get_args(hint):
        _visit(inner, found)
    kind = typing.get_origin(hint) or hint
    named = isinstance(kind, type) and (issubclass(kind, Struct) or hasattr(kind, "_fields"))
    if not named or kind in found:
        return
    hints = typing.get_type_hints(kind)
    fields = kind.__struct_fields__ if issubclass(kind, Struct) else kind._fields
    found[kind] = ", ".join(f"{name}: {hints[name]!r}" for name in fields)
    for name in fields:
        _visit(hints[name], found)
