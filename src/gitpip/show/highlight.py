"""Contents of files as HTML: highlighted, cut to size, and never anything but text."""

import re
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

from gitpip.model import GistFile

HIGHLIGHTED = 60_000
"""Beyond so many characters a content is shown plain: some lexers are slow on what is no code."""

# Other control characters than tab and line feed, and those that turn text around.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
    "\ufffe\uffff]"
)


@dataclass(frozen=True)
class Cut:
    """A content ready to be shown; `cut` says that there is more than is shown."""

    html: Markup
    cut: bool


@dataclass(frozen=True)
class Bounds:
    """How much of a content is shown."""

    characters: int
    lines: int
    width: int


PREVIEW = Bounds(characters=6_000, lines=12, width=180)
WHOLE = Bounds(characters=400_000, lines=6_000, width=2_000)


def visible(text: str) -> str:
    """The text with characters that hide or turn others written out, as in `[U+202E]`."""
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def shown(file: GistFile, bounds: Bounds) -> Cut:
    """A file's content within the bounds; empty where no content is stored."""
    if file.content is None:
        return Cut(Markup(""), cut=False)
    return _shown(file.blob_hash, file.language or "", file.filename, bounds, _Text(file.content))


class _Text:
    """A content that counts as equal to every other: in the cache the blob hash stands for it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Text)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=512)
def _shown(blob_hash: str, language: str, filename: str, bounds: Bounds, content: _Text) -> Cut:
    text = content.text[: bounds.characters].replace("\r\n", "\n").replace("\r", "\n")
    lines = text.removesuffix("\n").split("\n")
    kept = [
        visible(line if len(line) <= bounds.width else line[: bounds.width] + " …")
        for line in lines[: bounds.lines]
    ]
    cut = (
        len(content.text) >= bounds.characters
        or len(lines) > bounds.lines
        or any(len(line) > bounds.width for line in lines)
    )
    text = "\n".join(kept)
    lexer = _lexer(language, filename) if len(text) <= HIGHLIGHTED else TextLexer()
    formatter = HtmlFormatter[str](nowrap=True)
    # Pygments escapes every token; what it gives is markup.
    return Cut(Markup(highlight(text, lexer, formatter)), cut)  # noqa: S704


def _lexer(language: str, filename: str) -> Lexer:
    try:
        return get_lexer_by_name(language.lower())
    except ClassNotFound:
        pass
    try:
        return get_lexer_for_filename(filename[-100:].replace("/", "_"))
    except ClassNotFound:
        return TextLexer()
