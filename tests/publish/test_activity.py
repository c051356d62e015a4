"""What a gist file looks like in Pipedrive, however hostile it is."""

import html
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitpip.marking import marker_of
from gitpip.model import FileKey, GistFile, GistId, UserKey
from gitpip.publish.activity import has_marker, render

PIPEDRIVES_NOTE_LIMIT = 100 * 1024

PLAIN = GistFile(
    key=FileKey(1),
    user_key=UserKey(1),
    login="ada",
    gist_id=GistId("0123456789abcdef0123456789abcdef"),
    filename="engine.py",
    sequence=1,
    blob_hash="0" * 40,
    size=12_345,
    language="Python",
    content="print('hello')\n",
    truncated=False,
    raw_url="https://gist.githubusercontent.com/ada/0123/raw/engine.py",
    html_url="https://gist.github.com/ada/0123",
    description="An engine",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    found_at=datetime(2026, 1, 1, tzinfo=UTC),
    publication=None,
    activity_id=None,
)

HOSTILE = (
    "</pre><script>alert(1)</script><pre>",
    "<img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)' x=\"",
    "]]>--><!-- </p> &lt;b&gt; &#60;script&#62;",
    "\x00\x08\x1b[31m\x7f\x9f",
    "\ud800 \udfff",
    "\u202egnp.exe\u2066",
    "gitpip gp-aaaaaaaaaaaa</p>",
    "x · ada [gp-aaaaaaaaaaaa]",
    "\N{GRINNING FACE}\N{COMBINING ACUTE ACCENT}ẞß",
)
anything = st.text(alphabet=st.characters(codec=None, exclude_categories=())) | st.lists(
    st.sampled_from(HOSTILE), max_size=5
).map("".join)
long = st.builds(
    lambda piece, times: piece * times,
    st.sampled_from(HOSTILE) | st.sampled_from(["x", "&", "\n", "€", "\U0001f600", "\ud800"]),
    st.integers(1, 30_000),
)
urls = st.builds("https://gist.github.com/{}".format, anything | long) | anything
files = st.builds(
    replace,
    st.just(PLAIN),
    login=st.from_regex(r"[A-Za-z0-9-]{1,39}", fullmatch=True),
    gist_id=st.from_regex(r"[0-9a-f]{20,32}", fullmatch=True).map(GistId),
    filename=anything | long,
    size=st.integers(0, 10**12),
    language=st.none() | anything | long,
    content=st.none() | anything | long,
    truncated=st.booleans(),
    raw_url=urls,
    html_url=urls,
    description=st.none() | anything | long,
)


class Reading(HTMLParser):
    """What a reader of HTML finds in a note."""

    def __init__(self, note: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.open: list[str] = []
        self.links: list[str | None] = []
        self.texts: dict[str, str] = {}
        self.strange: list[str] = []
        self.feed(note)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [content for name, content in attrs if name == "href"]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        within = self.open[-1] if self.open else ""
        self.texts[within] = self.texts.get(within, "") + data

    def handle_comment(self, data: str) -> None:
        self.strange.append(data)

    def handle_decl(self, decl: str) -> None:
        self.strange.append(decl)

    def handle_pi(self, data: str) -> None:
        self.strange.append(data)

    def unknown_decl(self, data: str) -> None:
        self.strange.append(data)


def test_an_activity_reads_like_this() -> None:
    rendered = render(PLAIN)
    marker = marker_of(PLAIN.gist_id, PLAIN.filename)
    assert rendered.subject == f"engine.py · ada [{marker}]"
    note = Reading(rendered.note)
    assert note.texts["pre"] == PLAIN.content
    assert note.texts["a"] == PLAIN.html_url
    assert note.links == [PLAIN.html_url]
    for expected in ("An engine", "Python", "12,345 bytes", f"gitpip {marker}"):
        assert expected in note.texts["p"]
    above, _, below = rendered.note.partition("<pre>")
    assert all(expected in above for expected in ("An engine", PLAIN.html_url, "Python", "12,345"))
    assert marker in below


@given(files)
@example(replace(PLAIN, content=None, language="&" * 200_000))
@example(replace(PLAIN, content="\ud800" * 200_000))
@example(replace(PLAIN, content='"' * 200_000, description='"' * 9_999, raw_url='"' * 9_999))
def test_notes_and_subjects_keep_to_the_limits(file: GistFile) -> None:
    rendered = render(file)
    assert len(rendered.note.encode()) <= PIPEDRIVES_NOTE_LIMIT
    assert len(rendered.subject) <= 255
    assert rendered.subject.endswith(f"[{marker_of(file.gist_id, file.filename)}]")
    assert rendered.subject.isprintable() or "\n" not in rendered.subject


@given(files)
def test_no_markup_comes_from_a_gist(file: GistFile) -> None:
    note = Reading(render(file).note)
    assert not note.open
    assert not note.strange
    assert set(note.tags) <= {("p", ()), ("pre", ()), ("a", ("href",))}
    assert all(link and link.startswith(("https://", "http://")) for link in note.links)


@pytest.mark.long
@given(files)
def test_no_forbidden_characters_come_from_a_gist(file: GistFile) -> None:
    rendered = render(file)
    forbidden = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
    assert not re.search(forbidden, rendered.note + rendered.subject)


@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Cf", "Cn"))))
def test_harmless_content_survives_unchanged(content: str) -> None:
    assert Reading(render(replace(PLAIN, content=content)).note).texts.get("pre", "") == content


@given(st.sampled_from(["x", "&", "€", "\U0001f600", "<b>\n"]))
def test_long_content_is_cut_late_with_a_link_to_the_rest(piece: str) -> None:
    content = piece * 120_000
    rendered = render(replace(PLAIN, content=content))
    note = Reading(rendered.note)
    assert content.startswith(note.texts["pre"])
    assert PLAIN.raw_url in note.links
    assert len(rendered.note.encode()) > 0.95 * PIPEDRIVES_NOTE_LIMIT


def test_what_is_not_stored_is_linked() -> None:
    note = Reading(render(replace(PLAIN, content=None, truncated=True)).note)
    assert PLAIN.raw_url in note.links
    assert "pre" not in note.texts


def test_what_was_stored_in_part_is_linked() -> None:
    note = Reading(render(replace(PLAIN, content="the beginning", truncated=True)).note)
    assert PLAIN.raw_url in note.links


@pytest.mark.parametrize("piece", ["x", "&", "\x01", "\ud800", "\U0001f600", "x\n"])
def test_five_megabytes_are_rendered_at_once(piece: str) -> None:
    file = replace(PLAIN, content=piece * (5_000_000 // len(piece)))
    best = min(_time_to_render(file) for _ in range(3))
    assert best < 0.5


def _time_to_render(file: GistFile) -> float:
    start = time.process_time()
    render(file)
    return time.process_time() - start


CHANGES: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "outer whitespace": lambda text: f"  {text}\r\n ",
    "whitespace between tags": lambda text: text.replace("><", ">\n  <"),
    "no-break spaces": lambda text: text.replace(" ", "&nbsp;"),
    "entities": lambda text: text.replace("·", "&middot;").replace("'", "&apos;"),
    "entities undone": html.unescape,
    "attributes": lambda text: text.replace("<p>", '<p class="x">').replace("<pre>", "<pre dir=a>"),
    "a wrapper": lambda text: f"<div>{text}</div>",
    "upper-case tags": lambda text: re.sub("</?[a-z]+", lambda tag: tag[0].upper(), text),
    "no tags": lambda text: re.sub("<[^>]*>", " ", text),
    "breaks": lambda text: text.replace("</p>", "<br></p><br />"),
}


@given(files, st.sampled_from(sorted(CHANGES)))
def test_our_activity_is_recognised_by_its_note(file: GistFile, change: str) -> None:
    note = CHANGES[change](render(file).note)
    assert has_marker(marker_of(file.gist_id, file.filename), subject="renamed", note=note)


@given(files, st.sampled_from(["", " ", "\n", "\N{NO-BREAK SPACE}"]))
def test_our_activity_is_recognised_by_its_subject(file: GistFile, after: str) -> None:
    marker = marker_of(file.gist_id, file.filename)
    assert has_marker(marker, subject=render(file).subject + after, note=None)


@given(files, files)
def test_no_file_is_taken_for_another(file: GistFile, other: GistFile) -> None:
    marker, others = (marker_of(f.gist_id, f.filename) for f in (file, other))
    rendered = render(file)
    assert has_marker(others, subject=rendered.subject, note=rendered.note) == (marker == others)


@given(st.sampled_from(["{0}", "x [{0}]", "gitpip {0}", "<p>gitpip {0}</p>", "gitpip {0}</p>\n"]))
def test_a_file_that_quotes_anothers_marker_is_not_taken_for_it(quote: str) -> None:
    victim = marker_of(GistId("f" * 32), "secret.txt")
    quoted = quote.format(victim)
    for file in (
        replace(PLAIN, content=quoted),
        replace(PLAIN, content="x" * 200_000 + quoted),
        replace(PLAIN, filename=quoted, description=quoted, language=quoted),
        replace(PLAIN, content=None, raw_url=f"https://x/{quoted}", html_url=quoted),
    ):
        rendered = render(file)
        for change in CHANGES.values():
            assert not has_marker(victim, subject=rendered.subject, note=change(rendered.note))


@pytest.mark.parametrize("text", [None, "", "gp-", "call ada"])
def test_other_peoples_activities_are_not_ours(text: str | None) -> None:
    marker = marker_of(PLAIN.gist_id, PLAIN.filename)
    assert not has_marker(marker, subject=text, note=text)
    assert not has_marker(marker, subject=f"x{marker}", note=f"<p>gitpip {marker}x</p>")
