"""The detection of text in the bytes of a file, and its encoding.

GitHub itself shows only UTF-8. Editors on Windows still write UTF-16 and Latin-1, and a stray NUL
does not make a text binary. A wrong guess would put garbage into the CRM, so doubtful bytes count
as binary.
"""

import codecs
import re
import unicodedata

BYTE_ORDER_MARKS = (
    # UTF-32 comes first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
STRAY_NULS = 1 / 100
"""The largest share of NULs in a text; one NUL is allowed in any text."""
MOST_HIGH_BYTES = 0.3
"""The largest share of non-ASCII bytes in a Western European text of one byte per character."""
FEW_HIGH_BYTES = 0.1
"""The largest share of non-ASCII bytes if they are only signs, such as quotation marks."""
PDF = b"%PDF"
"""The beginning of a PDF file, which can consist of printable characters, except a comment that
marks it as binary."""
CONTROLS = re.compile(r"[\x01-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
"""Control characters that texts do not have: all but tab, line ends, backspace and escape."""
HIGH = re.compile(r"[^\x00-\x7f]")
LETTER_IN_A_WORD = re.compile(r"(?<=[A-Za-z])[À-ÖØ-öø-ÿŒœŠšŽžŸ]|[À-ÖØ-öø-ÿŒœŠšŽžŸ](?=[A-Za-z])")


def text_of(content: bytes) -> str | None:
    """Return the text of these bytes, without byte order mark and NULs, or None."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            text = _decoded(content.removeprefix(mark), encoding)
            if encoding == "utf-8":
                return None if text is None else _without_stray_nuls(text)
            if text is not None and _all_assigned(text):
                return _without_stray_nuls(text)
    text = _decoded(content, "utf-8")
    if text is not None:
        return _without_stray_nuls(text) if "\0" in text else text
    return _western_european(content)


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _all_assigned(text: str) -> bool:
    """Return whether every character is assigned: most pairs of random bytes are characters too."""
    categories = {unicodedata.category(character) for character in set(text)}
    return not categories & {"Cn", "Co", "Cs"} and not CONTROLS.search(text)


def _without_stray_nuls(text: str) -> str | None:
    """Return the text without U+0000, which no database stores, or None if there are too many."""
    rest = text.replace("\0", "")
    nuls = len(text) - len(rest)
    if nuls == 0:
        return text
    few = nuls <= max(1, len(text) * STRAY_NULS)
    return rest if few and rest.strip() and not CONTROLS.search(rest) else None


def _western_european(content: bytes) -> str | None:
    """Return the text, if it is plausible as Windows-1252, which includes Latin-1's characters."""
    if b"\0" in content or content.startswith(PDF):
        return None
    text = _decoded(content, "cp1252")
    if text is None or CONTROLS.search(text):
        return None
    high = len(HIGH.findall(text))
    if high > len(text) * MOST_HIGH_BYTES:
        return None
    in_words = len(LETTER_IN_A_WORD.findall(text))
    return text if in_words * 2 >= high or high <= len(text) * FEW_HIGH_BYTES else None
