"""The text of a file: how it is encoded, and its first line that says something."""

import codecs
import io
import re
from dataclasses import dataclass
from typing import BinaryIO

CHUNK_BYTES = 64 * 1024
COMMENT = re.compile(r"(^|\s)#.*", re.DOTALL)
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
ENCODING_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}


@dataclass
class Text:
    """A file as text. Bytes that are not text are read as U+FFFD."""

    stream: io.TextIOWrapper
    first: str
    """Its first line that is neither empty nor a comment; only the beginning of long JSON."""
    skipped: int
    """The number of lines before that one."""
    encoding: str


def open_text(file: BinaryIO, start: bytes) -> Text:
    """Read a file up to its first line; `start` was read of it already. It stays open.

    UTF-8 and UTF-16 are recognised by their byte order mark, UTF-16 without one by its zeros. Other
    bytes that are not UTF-8 are read as Windows-1252, in which spreadsheets write CSV in Europe and
    America.
    """
    encoding = _encoding(start, file)
    file.seek(len(start))
    stream = io.TextIOWrapper(
        io.BufferedReader(_Unclosed(file, start)), encoding=encoding, errors="replace", newline=""
    )
    skipped = 0
    first = _first_line(stream)
    while first and not content(first):
        skipped += 1
        first = _first_line(stream)
    return Text(stream, first, skipped, encoding)


def content(line: str) -> str:
    """A line without its comment, which begins at its start or after a space.

    The `#` in an address, and in a cell such as `#1001`, begins none.
    """
    return COMMENT.sub("", line).strip()


def is_json(first: str) -> bool:
    """Return whether a text that begins like this is meant as JSON."""
    return first.lstrip().startswith(("[", "{"))


def _encoding(start: bytes, file: BinaryIO) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    # Letters of Latin scripts have a zero in each pair of bytes; no login is written in another.
    pairs = max(len(start) // 2, 1)
    if start[1::2].count(0) / pairs > 1 / 2:
        return "utf-16-le"
    if start[::2].count(0) / pairs > 1 / 2:
        return "utf-16-be"
    if start.lstrip()[:1] in (b"[", b"{"):
        return "utf-8"  # as JSON always is; it is not read to its end for that
    return "utf-8" if _is_utf_8(start, file) else "cp1252"


def _is_utf_8(start: bytes, file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    piece = start
    try:
        while piece:
            decoder.decode(piece)
            piece = file.read(CHUNK_BYTES)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _first_line(text: io.TextIOWrapper) -> str:
    """The next line, or its beginning where it begins JSON: a long list may be one line."""
    line = text.readline(CHUNK_BYTES)
    if line.endswith(("\n", "\r")) or is_json(line):
        return line
    return line + text.readline()


class _Unclosed(io.RawIOBase):
    """A file whose start was read already; it stays open for its owner when its reader is done."""

    def __init__(self, file: BinaryIO, start: bytes) -> None:
        self._start = io.BytesIO(start)
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        given = self._start.read(len(buffer)) or self._file.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)
