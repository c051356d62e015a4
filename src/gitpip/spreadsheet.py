"""Tables as CSV that a spreadsheet opens without running anything in them."""

import csv
import io
from collections.abc import Mapping, Sequence

BOM = "\ufeff"
"""The beginning of a file: without it Excel assumes the machine's encoding instead of UTF-8."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""The beginnings that make a spreadsheet run a cell: OWASP, "CSV Injection". Full-width signs
count, too."""
_WIDE = ("\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(value: object) -> str:
    """Return a value as a cell of text. An apostrophe keeps a spreadsheet from running it."""
    text = "" if value is None else str(value)
    # A spreadsheet may remove spaces before it checks.
    return f"'{text}" if text.lstrip(" \xa0\ufeff").startswith(FORMULA + _WIDE) else text


def csv_lines(names: Sequence[str], rows: Sequence[Mapping[str, object]], *, head: bool) -> str:
    """Return rows as lines of CSV (RFC 4180), after a line with the column names if `head`."""
    written = io.StringIO()
    writer = csv.writer(written)
    if head:
        writer.writerow(names)
    writer.writerows([safe_cell(row[name]) for name in names] for row in rows)
    return written.getvalue()
