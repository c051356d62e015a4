"""Which files are text: those of other encodings are, and no binary format is."""

import codecs
import gzip
import io
import pickle
import sqlite3
import string
import struct
import sys
import tarfile
import wave
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.watch.github.encodings import text_of

MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
LATIN = {
    "German": "# Größe\nprint('Schöne Grüße aus Köln')\n",
    "French": "Où êtes-vous ? À bientôt, cher élève, ça va à Noël.\r\n",
    "Spanish": "¿Qué pasó mañana? ¡Más café, señor!\n",
    "a copyright sign": "/* © 2019 A Company. All rights reserved. */\nint main;\n",
    "prices": "Tea £3, coffee £4; a room at 20° is best kept for guests who stay\n",
}
text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]) | st.sampled_from("\n\t"))
prose = st.text(string.ascii_letters + " .,\n", min_size=1)


@given(text, st.sampled_from(sorted(MARKS)))
def test_a_text_with_a_byte_order_mark_is_that_text(content: str, encoding: str) -> None:
    assert text_of(MARKS[encoding] + content.encode(encoding)) == content


@given(text)
def test_utf_8_stays_as_it_is(content: str) -> None:
    assert text_of(content.encode()) == content.removeprefix("\ufeff")


@given(prose.filter(str.strip), st.data())
def test_a_stray_nul_is_left_out(content: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content)))
    assert text_of((content[:place] + "\0" + content[place:]).encode()) == content


@pytest.mark.parametrize("name", LATIN)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_western_european_text_is_text(name: str, encoding: str) -> None:
    assert text_of(LATIN[name].encode(encoding)) == LATIN[name]


def test_typographic_signs_of_windows_are_kept() -> None:
    content = "“Smart quotes” \u2013 for 5 € \u2013 are common in what was pasted from Word…\n"
    assert text_of(content.encode("cp1252")) == content


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"text\n"))
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "text\n")
    return file.getvalue()


def _wave() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(struct.pack("<100h", *range(0, 30000, 300)))
    return file.getvalue()


def _png(size: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
    rows = zlib.compress(b"\0ab" * size)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _database() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE a (b)")
        content = connection.serialize()
    connection.close()
    return content


BINARY = {
    "png": _png(),
    "a png that was cut": b"\x89PNG\r\n\xff\xfe",
    "gif": b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00;",
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01",
    "pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" * 3,
    "zip": _zip(),
    "tar": _tar(),
    "gzip": gzip.compress(b"text\n"),
    "zlib": zlib.compress(b"text\n" * 20),
    "wave": _wave(),
    "pickle": pickle.dumps({"a": [1, 2.5, "text"]}),
    "sqlite": _database(),
    "program": Path(sys.executable).resolve().read_bytes()[:100_000],
    "wasm": b"\0asm\x01\0\0\0",
    "numbers": struct.pack("<20I", *range(20)),
    "nothing but a NUL": b"\0",
    "many NULs": b"text" + b"\0" * 8,
    "a mark and an odd byte": b"\xff\xfea",
    # What can't be told from other encodings of one byte is no text rather than a wrong one.
    "Cyrillic": "Привет, мир".encode("cp1251"),
    "Japanese": "こんにちは世界".encode("shift-jis"),
}


@pytest.mark.parametrize("name", BINARY)
def test_binary_files_are_no_text(name: str) -> None:
    assert text_of(BINARY[name]) is None


@given(st.binary(min_size=24).map(zlib.compress))
def test_compressed_data_is_no_text(content: bytes) -> None:
    found = text_of(content)
    assert found is None


@given(st.binary())
def test_a_text_has_nothing_that_a_database_refuses(content: bytes) -> None:
    found = text_of(content)
    assert found is None or "\0" not in found
    if found is not None:
        found.encode()
