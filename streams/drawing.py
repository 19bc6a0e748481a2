"""Tables and progress bars for the terminal."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


def bar(console: Console, quiet: bool) -> Progress:
    """A progress bar; on standard error it leaves standard output clean."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=quiet,
    )


def folding(*names: str, **options: Any) -> Table:
    """A rich table whose cells are wrapped where there is no room, and never cut.

    A hash or a time that is cut cannot be compared with another.
    """
    drawn = Table(**options)
    for name in names:
        drawn.add_column(name, overflow="fold")
    return drawn
