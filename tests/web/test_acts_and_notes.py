"""What the audit log and the previews show: acts in words, and notes as Pipedrive shows them."""

import re
from pathlib import Path

import pytest

from gitpip.actions.words_of_log import WORDS
from gitpip.web.render.notes import shown_note

SOURCE = Path(__file__).parents[2] / "src" / "gitpip"
RECORDED = re.compile(
    r"""\bact\.record\(\s*(?:"([a-z_.]+)"(?:\ if\ [\w.]+\ else\ "([a-z_.]+)")?)
    |\bidentity\.record\(\w+,\s*"([a-z_.]+)"|\b_record\(act,\s*"([a-z]+)\"""",
    re.VERBOSE,
)
MADE_OF_PARTS = {"notes.left", "notes.retried"}


def test_each_act_that_is_recorded_has_words() -> None:
    recorded = {
        code if "." in code else f"rule.{code}"
        for path in SOURCE.rglob("*.py")
        for codes in RECORDED.findall(path.read_text())
        for code in codes
        if code
    }
    assert recorded | MADE_OF_PARTS == set(WORDS)
    assert len(set(WORDS.values())) == len(WORDS), "each act has words of its own"


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        (
            '<p>a &lt;b&gt; &amp; <a href="https://example.com/?a=1&amp;b=2">c</a></p><pre>1\n</pre>',
            "<p>a &lt;b&gt; &amp; <u>c</u></p><pre>1\n</pre>",
        ),
        ("<h1>one</h1><ul><li>two", "<strong>one</strong><ul><li>two</li></ul>"),
        ("a<br>b</p></ul>", "a<br>b"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)"),
        ('<p onclick="x" style="y">a</p>', "<p>a</p>"),
        ('<a href="javascript:alert(1)">a</a>', "<u>a</u>"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
        ("half a <a hre", "half a &lt;a hre"),
        ("<p>\u202eturned</p>", "<p>[U+202E]turned</p>"),
    ],
)
def test_a_note_is_shown_with_nothing_but_the_tags_of_notes(note: str, shown: str) -> None:
    assert str(shown_note(note)) == shown
