"""Notes as Pipedrive shows them: the few tags that a note may have, and all else as text."""

from html.parser import HTMLParser

from markupsafe import Markup, escape

from gitpip.templates.markup import TAGS
from gitpip.web.render.highlight import visible

SHOWN_AS = {"h1": "strong", "h2": "strong", "h3": "strong", "a": "u"}
"""They would be headings of the page, and links that lead out to anywhere."""
EMPTY = ("br", "hr")


def shown_note(note: str) -> Markup:
    """The HTML of a note with nothing in it but the tags of notes, each closed and bare."""
    reader = _Reader()
    reader.feed(note)
    reader.close()
    return reader.result()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Markup] = []
        self._open: list[str] = []

    def result(self) -> Markup:
        """Return what was read, with a closing tag for each that is open."""
        closing = [Markup("</{}>").format(_tag(name)) for name in reversed(self._open)]
        return Markup("").join([*self._parts, *closing])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self._parts.append(escape(visible(self.get_starttag_text() or "")))
            return
        self._parts.append(Markup("<{}>").format(_tag(tag)))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while (name := self._open.pop()) != tag:
                self._parts.append(Markup("</{}>").format(_tag(name)))
            self._parts.append(Markup("</{}>").format(_tag(tag)))

    def handle_data(self, data: str) -> None:
        self._parts.append(escape(visible(data)))


def _tag(name: str) -> str:
    return SHOWN_AS.get(name, name)
