"""Pages of the stand-ins for people: what the links of a demo lead to."""

import html
from collections.abc import Sequence

from gitpip_standins.exchange import Answer

STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:1rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8886;"
    "vertical-align:top}pre{overflow:auto;padding:.6rem;border:1px solid #8886}"
    "iframe{width:100%;min-height:24rem;border:1px solid #8886;background:#fff}"
)


def page(status: int, title: str, body: str, *, about: str) -> Answer:
    """An HTML page; `title` and `about` are texts, `body` is HTML."""
    shown = html.escape(title)
    content = (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{shown}</title><style>{STYLE}</style><p><small>{html.escape(about)}</small></p>"
        f"<h1>{shown}</h1>{body}</html>"
    )
    return Answer(status, content.encode(), {"content-type": "text/html; charset=utf-8"})


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> str:
    """A table whose cells are HTML, or a sentence where it would be empty."""
    if not rows:
        return f"<p>{html.escape(none)}</p>"
    head = "".join(f"<th>{html.escape(name)}</th>" for name in headings)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for cells in rows)
    return f"<table><tr>{head}</tr>{lines}</table>"


def link(address: str, text: object) -> str:
    """A link within the stand-in."""
    return f'<a href="{html.escape(address)}">{html.escape(str(text))}</a>'
