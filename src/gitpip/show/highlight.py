"""Contents of files as HTML: highlighted, cut to size, and never anything but text."""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from io import StringIO

from markupsafe import Markup
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.token import _TokenType
from pygments.util import ClassNotFound

from gitpip.model import GistFile

HIGHLIGHTED = 60_000
"""Beyond so many characters a content is shown plain: some lexers are slow on what is no code."""
PATIENCE = 0.3
"""After so many seconds, too."""

_NEVER_SLOW = """
    AppleScript; Awk; Bash; Batchfile; C; C#; C++; CMake; CSS; Clojure; Common Lisp; Crystal; D;
    Dart; Diff; Docker; Elixir; EmacsLisp; Erlang; F#; Fish; Fortran; Go; GraphQL; Groovy; HTML;
    Haskell; INI; JSON; JSX; Java; JavaScript; Julia; Kotlin; LessCss; Lua; Makefile; Markdown;
    Matlab; Nimrod; Nix; OCaml; Objective-C; PHP; Perl; PowerShell; Protocol Buffer; Python;
    Ruby; Rust; S; SCSS; SQL; Scala; Scheme; Solidity; Swift; TOML; TSX; TeX; Terraform;
    TypeScript; VimL; Vue; XML; YAML; Zig; reStructuredText
"""
LEXERS = frozenset(name.strip() for name in _NEVER_SLOW.split(";"))
"""Of Pygments' lexers those that are never slow; some others take minutes on what is no code."""

# Other control characters than tab and line feed, those that turn text around, those that show
# nothing, and those that are none; but what joins pictures to one picture shows as that.
_HIDDEN = re.compile(
    "(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d|"
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
# Marks above and below letters; a heap of them would cover the lines around.
_HEAPED = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
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


Token = tuple[_TokenType, str]

PREVIEW = Bounds(characters=6_000, lines=12, width=180)
WHOLE = Bounds(characters=400_000, lines=6_000, width=2_000)
PAGE = 1_200_000
"""So many characters of contents a page shows at most, give or take a few."""


def whole_of(files: int) -> Bounds:
    """How much is shown of each file of a gist: all, unless they are many."""
    return replace(WHOLE, characters=min(WHOLE.characters, PAGE // max(files, 1)))


def visible(text: str) -> str:
    """The text with characters that hide, turn or cover others written out, as in `[U+202E]`."""
    written = _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)
    return _HEAPED.sub(r"\1[…]", written)


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
    try:
        html = _html(text, lexer)
    except TimeoutError:
        html = _html(text, TextLexer())
    return Cut(html, cut)


def _html(text: str, lexer: Lexer) -> Markup:
    html = StringIO()
    HtmlFormatter[str](nowrap=True).format(_in_time(lexer.get_tokens(text)), html)
    # Pygments escapes every token; what it gives is markup.
    return Markup(html.getvalue())  # noqa: S704


def _in_time(tokens: Iterable[Token]) -> Iterator[Token]:
    """The same tokens; raises TimeoutError when they are too long in coming."""
    until = time.monotonic() + PATIENCE
    for token in tokens:
        if time.monotonic() > until:
            raise TimeoutError
        yield token


def _lexer(language: str, filename: str) -> Lexer:
    try:
        lexer = get_lexer_by_name(language.lower())
    except ClassNotFound:
        try:
            lexer = get_lexer_for_filename(filename[-100:].replace("/", "_"))
        except ClassNotFound:
            return TextLexer()
    return lexer if lexer.name in LEXERS else TextLexer()
