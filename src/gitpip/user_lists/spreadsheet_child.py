"""The process that reads a spreadsheet: its rows come out as lines of JSON, cells as text.

It runs apart from the service, within limits of memory and time. Its library is native code that
reads files of strangers, and a small file can unfold to many gigabytes. It imports nothing of
gitpip. The file comes in by standard input; the first line that goes out names the sheets.
"""

import contextlib
import io
import json
import resource
import sys
from datetime import date, datetime, time, timedelta

MOST_ROWS = 1_000_000
"""A sheet of Excel has at most 1,048,576 rows."""
HAS_PASSWORD, TOO_LARGE = 3, 4
"""The codes with which the process ends if it can't read the spreadsheet, and knows why."""
ENCRYPTED = "EncryptedPackage".encode("utf-16-le").ljust(64, b"\0")
"""The name of the stream with an encrypted workbook, as in the directory of the file:
https://learn.microsoft.com/openspecs/office_file_formats/ms-offcrypto
The library only says that it can't detect the format."""


def main() -> None:
    """Write the rows of one sheet, or `{"error": ...}` in place of them."""
    library, memory, seconds, sheet = sys.argv[1:5]
    sys.path.append(library)
    from python_calamine import CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415

    data = sys.stdin.buffer.read()
    if ENCRYPTED in data:
        sys.exit(HAS_PASSWORD)
    limit(resource.RLIMIT_NOFILE, 0)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, int(memory))
    limit(resource.RLIMIT_CPU, int(seconds))
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    shown = [
        found.name for found in book.sheets_metadata if found.visible == SheetVisibleEnum.Visible
    ]
    names = shown or book.sheet_names
    if sheet and sheet not in book.sheet_names:
        return write({"error": "no-sheet", "sheets": book.sheet_names})
    chosen = [sheet] if sheet else names
    for name in chosen:
        rows = book.get_sheet_by_name(name).iter_rows()
        # Sheets without a cell are passed over, unless one was asked for by name.
        first = next(rows, None)
        if first is None and name != chosen[-1]:
            continue
        write({"sheet": name, "sheets": names})
        if first is not None:
            write([text_of(cell) for cell in first])
        for number, row in enumerate(rows, start=2):
            if number > MOST_ROWS:
                return write({"error": "too-long"})
            write([text_of(cell) for cell in row])
        return None
    return write({"error": "empty"})


def text_of(cell: object) -> str:
    """A cell as a person reads it: whole numbers without a point, dates without midnight."""
    match cell:
        case bool():
            return "yes" if cell else "no"
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return str(cell)
    return str(cell).strip()


def limit(what: int, value: int) -> None:
    """Limit a resource of this process, one of `resource.RLIMIT_*`, where the system has it."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(what, (value, value))


def write(line: object) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        sys.exit(TOO_LARGE)
