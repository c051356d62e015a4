"""Spreadsheets (.xlsx, .xls, .ods) as rows of text, read by a process with limits of its own."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from gitpip.errors import InvalidInput
from gitpip.user_lists.spreadsheet_child import HAS_PASSWORD, TOO_LARGE

SPREADSHEET_MEMORY_LIMIT = 1024**3
"""The process may take so many bytes. A sheet of 900,000 users takes 360 MB."""
SECONDS = 60
"""The most time that the process may take. That sheet takes 11 seconds."""
ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The first bytes of .xlsx and .ods, and of .xls and of what Excel encrypts."""
SAVE_AS_CSV = "Save the sheet with the usernames as CSV"


@dataclass(frozen=True)
class Sheet:
    """One sheet, and the names of all that can be chosen."""

    name: str
    names: tuple[str, ...]
    rows: Iterator[list[str]]


def is_spreadsheet(start: bytes) -> bool:
    """Return whether a file that begins with these bytes is read as a spreadsheet."""
    return start.startswith((ZIP, OLE))


@contextmanager
def open_sheet(file: BinaryIO, name: str | None) -> Iterator[Sheet]:
    """The named sheet, or the first visible one with a cell; raises InvalidInput."""
    library = importlib.util.find_spec("python_calamine")
    if library is None or library.origin is None:
        raise InvalidInput("file", f"this gitpip can't read spreadsheets. {SAVE_AS_CSV}")
    with tempfile.TemporaryFile() as out:
        with tempfile.TemporaryFile() as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            _read(copy, out, Path(library.origin).parent.parent, name)
        out.seek(0)
        match json.loads(out.readline() or "{}"):
            case {"sheet": str(found), "sheets": [*names]}:
                yield Sheet(found, tuple(map(str, names)), _rows(out))
            case {"error": "no-sheet", "sheets": [*names]}:
                exist = ", ".join(map(repr, names))
                raise InvalidInput("sheet", f"there is no sheet {name!r}. Sheets: {exist}")
            case _:
                raise InvalidInput("file", "the spreadsheet has no cell with a text in it")


def _read(file: BinaryIO, out: IO[bytes], library: Path, name: str | None) -> None:
    """Let the process read a file; raises InvalidInput where it can't."""
    child = Path(__file__).parent / "spreadsheet_child.py"
    needed = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
    command = [
        sys.executable,
        "-I",
        str(child),
        str(library),
        str(SPREADSHEET_MEMORY_LIMIT),
        str(SECONDS),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and file
            [*command, name or ""],
            stdin=file,
            stdout=out,
            stderr=subprocess.DEVNULL,
            # Only the variables that Python needs to start: our environment holds tokens.
            env={key: os.environ[key] for key in needed if key in os.environ},
            timeout=SECONDS + 10,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidInput("file", _too_large()) from None
    if done.returncode == 0:
        return
    if done.returncode == HAS_PASSWORD:
        raise InvalidInput("file", "the spreadsheet has a password. Save it without one")
    # Its library ends it by a signal if it gets no memory, and so does the limit of its time.
    if done.returncode < 0 or done.returncode == TOO_LARGE:
        raise InvalidInput("file", _too_large())
    raise InvalidInput("file", f"gitpip can't read this spreadsheet. {SAVE_AS_CSV}")


def _too_large() -> str:
    return (
        f"the spreadsheet takes more than {SPREADSHEET_MEMORY_LIMIT // 1024**2} MB "
        f"or {SECONDS} seconds to read. "
        f"{SAVE_AS_CSV}"
    )


def _rows(out: IO[bytes]) -> Iterator[list[str]]:
    for line in out:
        row = json.loads(line)
        if isinstance(row, dict):
            raise InvalidInput("file", f"the sheet has more than a million rows. {SAVE_AS_CSV}")
        yield row
