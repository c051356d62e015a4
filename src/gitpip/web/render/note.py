"""The note of an activity as Pipedrive shows it: its text and the few tags that a note may hold."""

from html.parser import HTMLParser

from markupsafe import Markup, escape

from gitpip.templates.markup import TAGS
from gitpip.web.render.highlight import visible

_EMPTY = ("br", "hr")
_INSTEAD = {"a": "u", "h1": "h4", "h2": "h4", "h3": "h4"}
"""A preview leads nowhere, and its headings are below those of the page."""


def shown_note(note: str) -> Markup:
    """A note as HTML that is safe whatever it holds: known tags alone, each of them closed."""
    reader = _Note()
    reader.feed(note)
    reader.close()
    return reader.result()


class _Note(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[Markup] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            return
        shown = _INSTEAD.get(tag, tag)
        self._parts.append(Markup("<{}>").format(shown))
        if tag not in _EMPTY:
            self._open.append(shown)

    def handle_endtag(self, tag: str) -> None:
        shown = _INSTEAD.get(tag, tag)
        if shown not in self._open:
            return
        while self._open:
            last = self._open.pop()
            self._parts.append(Markup("</{}>").format(last))
            if last == shown:
                return

    def handle_data(self, data: str) -> None:
        self._parts.append(escape(visible(data)))

    def result(self) -> Markup:
        """What was read so far, with every tag closed."""
        ends = (Markup("</{}>").format(tag) for tag in reversed(self._open))
        return Markup("").join([*self._parts, *ends])
