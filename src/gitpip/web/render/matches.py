"""The lines of a content that hold the words of a search, with the words highlighted."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gitpip.store.gists.search import phrases
from gitpip.web.render.highlight import visible

MATCHING_LINES = 3
LINE_WIDTH = 160
CHARACTERS_BEFORE = 60
"""The number of characters of a long line before the first word that was found."""


@dataclass(frozen=True)
class MatchingLine:
    """A line that holds what was searched for, as HTML."""

    number: int
    html: Markup


def pattern_of(text: str) -> re.Pattern[str] | None:
    """Return the pattern of a search's words in a text; None for a search without words."""
    found = [r"[\W_]+".join(map(re.escape, words)) for words in phrases(text)]
    if not found:
        return None
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(found)})[^\W_]*", re.IGNORECASE)


def matching_lines(content: str, pattern: re.Pattern[str]) -> Sequence[MatchingLine]:
    """The first lines that hold one of the words, cut to a width."""
    return list(_lines(content, pattern))


def highlighted(text: str, pattern: re.Pattern[str] | None) -> Markup:
    """A text as HTML, with the words of a search marked."""
    if pattern is None:
        return Markup.escape(visible(text))
    html, end = Markup(), 0
    for found in pattern.finditer(text):
        html += visible(text[end : found.start()])
        html += Markup("<mark>{}</mark>").format(visible(found[0]))
        end = found.end()
    return html + visible(text[end:])


def _lines(content: str, pattern: re.Pattern[str]) -> Iterator[MatchingLine]:
    shown = 0
    for number, line in enumerate(content.splitlines(), start=1):
        found = pattern.search(line)
        if found is None:
            continue
        start = max(found.start() - CHARACTERS_BEFORE, 0) if len(line) > LINE_WIDTH else 0
        part = line[start : start + LINE_WIDTH]
        html = highlighted(part, pattern)
        before, after = "… " if start else "", " …" if start + LINE_WIDTH < len(line) else ""
        yield MatchingLine(number, Markup("{}{}{}").format(before, html, after))
        shown += 1
        if shown == MATCHING_LINES:
            return
