"""What goes to the terminal: tables, progress bars, and a console that shows strangers' text."""

import os
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_WIDE = 1_000
"""Columns where there is no screen: a table that goes into a file or a pipe is not folded."""
_KEPT = "\n\t"
_HIDDEN = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Control characters, and those that turn the direction of what follows."""
_SHOWN = {code: ascii(chr(code))[1:-1] for code in _HIDDEN if chr(code) not in _KEPT}


class Plain(Console):
    """A console for text that strangers wrote: no mark-up, no emoji codes, and control characters
    are spelt out, so that no record can fail to be shown, or command the terminal.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = _WIDE

    def render_str(self, text: str, **options: Any) -> Text:
        """See Console; a table's cells come through here, too."""
        return super().render_str(text.translate(_SHOWN), **options)


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
