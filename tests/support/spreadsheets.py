"""Spreadsheets as people have them, for tests."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from html import escape

import openpyxl

Rows = Sequence[Sequence[object]]
TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
CHAIN_ENDS, NONE = 0xFFFFFFFE, 0xFFFFFFFF
KIND = "application/vnd.oasis.opendocument.spreadsheet"


def xlsx(sheets: Mapping[str, Rows], *, hidden: Sequence[str] = ()) -> bytes:
    """A file of Excel with these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
        for row in rows:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def encrypted_xlsx() -> bytes:
    """The compound file in which Excel keeps a workbook with a password; what it holds is empty."""
    header = struct.pack(
        "<8s16x5H6x10I",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        *(0x3E, 3, 0xFFFE, 9, 6),
        *(0, 1, 1, 0, 4096, CHAIN_ENDS, 0, CHAIN_ENDS, 0, 0),
    )
    chains = struct.pack("<11I", 0xFFFFFFFD, CHAIN_ENDS, *range(3, 11), CHAIN_ENDS)
    names = _entry("Root Entry", 5, CHAIN_ENDS, 0, child=1) + _entry("EncryptedPackage", 2, 2, 4608)
    sectors = (header.ljust(512, b"\xff"), chains.ljust(512, b"\xff"), names.ljust(512, b"\0"))
    return b"".join(sectors) + bytes(4608)


def _entry(name: str, kind: int, start: int, size: int, *, child: int = NONE) -> bytes:
    text = name.encode("utf-16-le")
    about = struct.pack("<HBB3I36xIQ", len(text) + 2, kind, 1, NONE, NONE, child, start, size)
    return text.ljust(64, b"\0") + about


def ods(sheets: Mapping[str, Rows]) -> bytes:
    """A file of LibreOffice with these sheets; each cell is a text."""
    tables = "".join(
        f'<table:table table:name="{escape(name)}">{"".join(map(_row, rows))}</table:table>'
        for name, rows in sheets.items()
    )
    content = (
        f'<office:document-content xmlns:office="{OFFICE}" xmlns:table="{TABLE}" '
        f'xmlns:text="{TEXT}"><office:body><office:spreadsheet>{tables}'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{KIND}"/>'
        "</manifest:manifest>"
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", KIND)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return file.getvalue()


def _row(cells: Sequence[object]) -> str:
    shown = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{escape(str(cell))}</text:p>'
        "</table:table-cell>"
        for cell in cells
    )
    return f"<table:table-row>{shown}</table:table-row>"
