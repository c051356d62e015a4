"""Contents of files as HTML: highlighted, cut to size, and never anything but text."""

import re
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from threading import Lock

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
LONGEST_SECONDS = 0.3
"""After so many seconds, too."""
CACHED = 8 * 2**20
"""Bytes of HTML that are kept for the next page."""
OVERHEAD = 500
"""Bytes that an entry of the cache takes besides its HTML."""

_NEVER_SLOW = """
    AppleScript; Awk; Bash; Batchfile; C; C#; C++; CMake; CSS; Clojure; Common Lisp; Crystal; D;
    Dart; Diff; Docker; Elixir; EmacsLisp; Erlang; F#; Fish; Fortran; Go; GraphQL; Groovy; HTML;
    Haskell; INI; JSON; JSX; Java; JavaScript; Julia; Kotlin; LessCss; Lua; Makefile; Markdown;
    Matlab; Nimrod; Nix; OCaml; Objective-C; PHP; Perl; PowerShell; Protocol Buffer; Python;
    Ruby; Rust; S; SCSS; SQL; Scala; Scheme; Solidity; Swift; TOML; TSX; TeX; Terraform;
    TypeScript; VimL; Vue; XML; YAML; Zig; reStructuredText
"""
LEXERS = frozenset(name.strip() for name in _NEVER_SLOW.split(";"))
"""Those of Pygments' lexers that are never slow; some others take minutes on what is no code."""

# Control characters other than tab and line feed, characters that change the direction of text,
# invisible ones, and code points that are no characters. The joiner of emoji is not among them.
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
    """The part of a content that is shown."""

    characters: int
    lines: int
    width: int


Token = tuple[_TokenType, str]

PREVIEW_BOUNDS = Bounds(characters=6_000, lines=12, width=180)
WHOLE_FILE = Bounds(characters=400_000, lines=6_000, width=2_000)
MAX_PAGE_CHARACTERS = 1_200_000
"""The most characters of contents that a page shows, give or take a few."""


def whole_of(files: int) -> Bounds:
    """Return how much is shown of each file of a gist with so many `files`.

    It is all, unless they are many.
    """
    return replace(
        WHOLE_FILE, characters=min(WHOLE_FILE.characters, MAX_PAGE_CHARACTERS // max(files, 1))
    )


def visible(text: str) -> str:
    """The text with characters that hide, turn or cover others written out, as in `[U+202E]`."""
    written = _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)
    return _HEAPED.sub(r"\1[…]", written)


def shown(file: GistFile, bounds: Bounds) -> Cut:
    """A file's content within the bounds; empty where no content is stored."""
    if file.content is None:
        return Cut(Markup(""), cut=False)
    key = (file.blob_hash, file.language or "", file.filename, bounds)
    cut = _cache.get(key)
    if cut is None:
        cut = _shown(file.content, file.language or "", file.filename, bounds)
        _cache.put(key, cut)
    return cut


LINKED_LINES = 4_000
"""The most lines of a page that have a link. All lines of many large files made a page of 11 MB."""


def with_line_links(html: Markup, prefix: str, files: int = 1) -> Markup:
    """The same with a link on the number of each line, whose id is `prefix`, L and the number.

    Where a page has several files, the first lines of each have one.

    Pygments closes every element at the end of a line. The number is no text, so that it is not
    copied with the line; for screen readers and keyboards the links would only be in the way.
    """
    line = Markup(
        '<span id="{0}L{1}"><a href="#{0}L{1}" data-line="{1}" tabindex="-1" aria-hidden="true">'
        "</a>{2}\n</span>"
    )
    lines = html.removesuffix("\n").split("\n")
    linked = LINKED_LINES // files
    numbered = enumerate(lines[:linked], start=1)
    first = [line.format(prefix, number, Markup(one)) for number, one in numbered]  # noqa: S704
    return Markup("").join(first) + Markup("\n".join(lines[linked:]))  # noqa: S704 (the rest of it)


Key = tuple[str, str, str, Bounds]


class Cache:
    """The contents that were shown last, up to so many bytes of HTML.

    Pages are made in several threads.

    An `lru_cache` counts entries: 512 of them held up to 1 GB, as a file can have 400,000
    characters.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0
        self._lock = Lock()
        self._kept: OrderedDict[Key, Cut] = OrderedDict()

    def get(self, key: Key) -> Cut | None:
        with self._lock:
            cut = self._kept.get(key)
            if cut is not None:
                self._kept.move_to_end(key)
            return cut

    def put(self, key: Key, cut: Cut) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = cut
            self.size += _bytes_of(cut)
            while self.size > self.capacity:
                _, oldest = self._kept.popitem(last=False)
                self.size -= _bytes_of(oldest)


def _bytes_of(cut: Cut) -> int:
    return OVERHEAD + sys.getsizeof(cut.html)


_cache = Cache(CACHED)


def _shown(content: str, language: str, filename: str, bounds: Bounds) -> Cut:
    text = content[: bounds.characters].replace("\r\n", "\n").replace("\r", "\n")
    lines = text.removesuffix("\n").split("\n")
    kept = [
        visible(line if len(line) <= bounds.width else line[: bounds.width] + " …")
        for line in lines[: bounds.lines]
    ]
    cut = (
        len(content) >= bounds.characters
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
    """Pass the tokens on; raises TimeoutError after LONGEST_SECONDS."""
    until = time.monotonic() + LONGEST_SECONDS
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
