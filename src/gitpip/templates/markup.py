"""The HTML that a template of a note may hold: a few tags, each closed in its own block."""

import re

TAGS = (
    *("a", "b", "blockquote", "br", "code", "em", "h1", "h2", "h3", "hr", "i"),
    *("li", "ol", "p", "pre", "s", "strong", "u", "ul"),
)
"""The accepted tags. Pipedrive does not document what it shows of a note; its editor makes text of
these."""
_EMPTY = ("br", "hr")
_DEEPEST_TAG = 10
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)\s*(/?)>", re.IGNORECASE)
_LINK = re.compile(r'<(a) href="(https?://[^"<>\s{}]+)">', re.IGNORECASE)
_HALF_ENTITY = re.compile("&[#0-9A-Za-z]{0,31}$")
_CLOSING_ROOM = _DEEPEST_TAG * len("</blockquote>")


class MarkupFault(Exception):
    """The HTML of a template is not what a note may hold; `after` is the text before the fault."""

    def __init__(self, message: str, after: str = "") -> None:
        self.after = after
        super().__init__(message)


def opened(text: str, outside: tuple[str, ...], inside: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tags that are open after a literal text, from the outermost.

    `outside` are those open around the block that the text is in, `inside` those opened in it.
    Raises MarkupFault.
    """
    open_tags = [*outside, *inside]
    for found in re.finditer("<", text):
        before = text[: found.start()]
        if _LINK.match(text, found.start()):
            open_tags.append("a")
            continue
        tag = _TAG.match(text, found.start())
        if tag is None:
            raise MarkupFault(_what_is_wrong(text[found.start() :]), before)
        name = tag[2].lower()
        if name not in TAGS:
            raise MarkupFault(f"<{name}> is not allowed in a note; use {', '.join(TAGS)}", before)
        if tag[1]:
            _close(name, open_tags, len(outside), before)
        elif name == "a":
            raise MarkupFault('write links as <a href="https://…">', before)
        elif name not in _EMPTY:
            open_tags.append(name)
        if len(open_tags) > _DEEPEST_TAG:
            raise MarkupFault(f"more than {_DEEPEST_TAG} tags are open at once", before)
    return tuple(open_tags[len(outside) :])


def _close(name: str, open_tags: list[str], outside: int, before: str) -> None:
    if len(open_tags) <= outside or open_tags[-1] != name:
        expected = f"</{open_tags[-1]}>" if len(open_tags) > outside else "no closing tag"
        raise MarkupFault(
            f"</{name}> where {expected} is expected: a tag is closed in the block"
            " in which it was opened",
            before,
        )
    open_tags.pop()


def _what_is_wrong(rest: str) -> str:
    if re.match("<[!?]", rest):
        return "comments and declarations are not allowed, because they hide what follows"
    shown = re.match("<[^<>]{0,30}>?", rest)
    if not re.match("</?[a-z]", rest, re.IGNORECASE):
        return "write &lt; for a < that does not begin a tag"
    return (
        f"{shown[0] if shown else '<'} is not allowed in a note: a tag has no attributes, except"
        ' the href of <a href="https://…">, and no variable; for a link to a variable write'
        " {{ gist.url|link }}"
    )


def cut(text: str, room: int) -> str:
    """Return the beginning of a template's output in `room` bytes, with every tag closed."""
    whole = text.encode()
    if len(whole) <= room:
        return text
    kept = whole[: max(room - _CLOSING_ROOM - len("…".encode()), 0)].decode(errors="ignore")
    if kept.rfind("<") > kept.rfind(">"):
        kept = kept[: kept.rfind("<")]
    kept = _HALF_ENTITY.sub("", kept)
    open_tags: list[str] = []
    for closing, name in re.findall(r"<(/?)([a-zA-Z0-9]+)[^<>]*>", kept):
        if closing:
            open_tags.pop()
        elif name.lower() not in _EMPTY:
            open_tags.append(name)
    return f"{kept}…" + "".join(f"</{name}>" for name in reversed(open_tags)) if room > 0 else ""
