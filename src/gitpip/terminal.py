"""The output of commands: text in which nothing controls the terminal, wherever it is from.

Names, descriptions and errors come from GitHub, Pipedrive and files, and a terminal obeys the
escape sequences in them: they can hide lines, change its title, or type for its user.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from gitpip import colours
from gitpip.observability.logging import on_one_line
from gitpip.program import as_called

SHORT = len("2026-05-04 12:00 UTC")
"""Values of at most this many letters, such as a time, are never broken in a table."""
LEAST = 12
"""The least width of a column whose values are broken."""
GAP = 2


class Terminal:
    """Standard output or standard error. No other part of gitpip prints for people."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads the output, and not a file or a program."""
        return colours.is_terminal(sys.stderr if self._stderr else sys.stdout)

    @cached_property
    def _console(self) -> Console:
        # Rich itself would take FORCE_COLOR for a terminal, and draw tables for programs.
        coloured = colours.are_wanted(sys.stderr if self._stderr else sys.stdout)
        return Console(
            stderr=self._stderr,
            markup=False,
            emoji=False,
            highlight=False,
            force_terminal=self.is_terminal or coloured,
            color_system="standard" if coloured else None,
            width=shutil.get_terminal_size().columns,
        )

    def say(self, text: str, *, lead: str = "", style: str = "") -> None:
        """Print a line of ours: `lead` in a style of Rich, then the text. Long lines stay whole.

        It names gitpip's commands as a person can call them. What others wrote is for `quote`.
        """
        self.quote(as_called(text), lead=lead, style=style)

    def quote(self, text: str, *, lead: str = "", style: str = "") -> None:
        """Print a line like `say`, with the text as it is."""
        line = Text(on_one_line(lead), style=style)
        line.append(on_one_line(text), style="default")
        self._console.print(line, soft_wrap=True)

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Print rows with the same names. There must be at least one.

        Without a terminal, each row is one line without headings, its values separated by tabs, for
        programs that read lines. On a terminal short values keep to one line, and so does the first
        column, which names the thing, if it leaves room for the others. Where the terminal is too
        narrow for that, each value has a line of its own.
        """
        lines = [[on_one_line(value) for value in row.values()] for row in rows]
        if not self.is_terminal:
            for line in lines:
                self._console.file.write("\t".join(line) + "\n")  # print() turns tabs into spaces
            return
        names = [on_one_line(name).upper() for name in rows[0]]
        widths = [
            max(cell_len(name), *(cell_len(line[place]) for line in lines))
            for place, name in enumerate(names)
        ]
        is_short = [place > 0 and width <= SHORT for place, width in enumerate(widths)]
        others = sum(
            GAP + (width if short else LEAST)
            for width, short in zip(widths[1:], is_short[1:], strict=True)
        )
        room = self._console.width - others - GAP
        if room < min(LEAST, widths[0]):
            self._records(names, lines)
            return
        whole = widths[0] <= (room if all(is_short[1:]) else min(room, self._console.width // 2))
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
        for name, short in zip(names, [whole, *is_short[1:]], strict=True):
            table.add_column(name, overflow="fold", no_wrap=short)
        for line in lines:
            table.add_row(*map(Text, line))
        self._console.print(table)

    def _records(self, names: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
        """Print each row as lines: what names it, then its other values that have a text."""
        for line in lines:
            self.quote(line[0])
            for name, value in zip(names[1:], line[1:], strict=True):
                if value:
                    self.quote(value, lead=f"  {name} ", style="dim")

    def progress(self, *, disable: bool) -> Progress:
        """Return a progress bar on a terminal, and one that shows nothing elsewhere."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=self._console,
            transient=True,
            disable=disable or not self.is_terminal,
        )
