"""Tables for the terminal."""

from typing import Any

from rich.table import Table


def folding(*names: str, **options: Any) -> Table:
    """A rich table whose cells are wrapped where there is no room, and never cut.

    A hash or a time that is cut cannot be compared with another.
    """
    drawn = Table(**options)
    for name in names:
        drawn.add_column(name, overflow="fold")
    return drawn
