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
        """Print a line: `lead` in a style of Rich, then the text. Long lines are not broken."""
        line = Text(on_one_line(lead), style=style)
        line.append(on_one_line(text), style="default")
        self._console.print(line, soft_wrap=True)

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Print rows with the same names. There must be at least one.

        Without a terminal, each row is one line without headings, its values separated by tabs, for
        programs that read lines. On a terminal the first column, which names the thing, keeps to
        one line if half the width is enough for it. A longer one would leave no room for the
        others.
        """
        lines = [[on_one_line(value) for value in row.values()] for row in rows]
        if not self.is_terminal:
            for line in lines:
                self._console.file.write("\t".join(line) + "\n")  # print() turns tabs into spaces
            return
        first = max(cell_len(line[0]) for line in lines)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for number, name in enumerate(rows[0]):
            whole = number == 0 and first <= self._console.width // 2
            table.add_column(on_one_line(name).upper(), overflow="fold", no_wrap=whole)
        for line in lines:
            table.add_row(*map(Text, line))
        self._console.print(table)

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
