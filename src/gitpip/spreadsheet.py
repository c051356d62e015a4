"""Tables as CSV that a spreadsheet opens without running anything in them."""

import csv
import io
from collections.abc import Mapping, Sequence

BOM = "\ufeff"
"""At the begin of a file: without it Excel takes UTF-8 for the encoding of the machine."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet run a cell: OWASP, "CSV Injection". Full-width signs count, too."""
_WIDE = ("\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(value: object) -> str:
    """A value as a cell of text; what a spreadsheet would run begins with an apostrophe."""
    text = "" if value is None else str(value)
    # A spreadsheet may take spaces away before it looks.
    return f"'{text}" if text.lstrip(" \xa0\ufeff").startswith(FORMULA + _WIDE) else text


def csv_lines(names: Sequence[str], rows: Sequence[Mapping[str, object]], *, head: bool) -> str:
    """Rows as lines of CSV (RFC 4180), after a line with the names of the columns if `head`."""
    written = io.StringIO()
    writer = csv.writer(written)
    if head:
        writer.writerow(names)
    writer.writerows([safe_cell(row[name]) for name in names] for row in rows)
    return written.getvalue()
