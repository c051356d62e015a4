"""Text from outside, made safe to show in one line and in HTML."""

import html
import re

LINK_LIMIT = 2_000
"""The most characters of an address that are shown: browsers and mail refuse longer ones."""

# Characters that HTML forbids, and those that change the direction of text around them.
UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# Within a line, also invisible characters: names that look the same could otherwise differ.
_NO_CHARACTERS = "".join(chr(end - 1) + chr(end) for end in range(0xFFFF, 0x110000, 0x10000))
UNSEEN = re.compile(
    "[\xad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufdd0-\ufdef\ufeff\ufff9-\ufffb"
    f"\U000e0000-\U000e007f{_NO_CHARACTERS}]"
)


def in_a_line(text: str) -> str:
    """Return a text in one line, with a sign in place of deceptive or invisible characters."""
    seen = UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
    return " ".join(UNSAFE.sub("\N{REPLACEMENT CHARACTER}", seen).split())


def in_lines(text: str) -> str:
    """Return a text as it is, with a sign in place of characters that HTML forbids."""
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def escape(text: str) -> str:
    """Return a text as HTML that shows it."""
    return html.escape(text, quote=True)


def link(url: str, text: str | None = None) -> str:
    """Return an address as HTML, a link if it is one of the web, or `text` in its place."""
    address = escape(in_a_line(url)[:LINK_LIMIT])
    shown = address if text is None else escape(in_a_line(text)[:LINK_LIMIT])
    if url.startswith(("https://", "http://")):
        return f'<a href="{address}">{shown}</a>'
    return shown


def fitting(content: str, room: int) -> tuple[str, bool]:
    """Return the longest beginning within `room` bytes of HTML, as HTML, and whether it is all."""
    # A character takes a byte or more.
    escaped = escape(content[: max(room, 0)])
    encoded = escaped.encode()
    if len(encoded) <= room:
        return escaped, len(content) <= room
    kept = encoded[: max(room, 0)].decode(errors="ignore")
    before, _, entity = kept.rpartition("&")
    return (kept if ";" in entity or "&" not in kept else before), False
