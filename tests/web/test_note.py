"""The preview of a note shows what Pipedrive shows, and nothing of it acts on our page."""

import pytest

from gitpip.web.render.note import shown_note


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        ("<p>one &lt;b&gt;</p><pre>a < b\n</pre>", "<p>one &lt;b&gt;</p><pre>a &lt; b\n</pre>"),
        ('<a href="https://x.example">here</a><h1>Top</h1>', "<u>here</u><h4>Top</h4>"),
        ('<p onclick="x()">a<script>b()</script></p><img src=x>', "<p>ab()</p>"),
        ("<p><strong>cut off", "<p><strong>cut off</strong></p>"),
        ("<b><i>crossed</b></i></u>", "<b><i>crossed</i></b>"),
        ("two<br>lines<!-- hidden --> \u202e", "two<br>lines [U+202E]"),
    ],
)
def test_a_note_is_shown_with_the_tags_of_notes_alone(note: str, shown: str) -> None:
    assert shown_note(note) == shown
