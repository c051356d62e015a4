"""Times are written in UTC, with their exact value for the script that shows them to a reader."""

import re
from datetime import UTC, datetime

import pytest

from gitpip.web.render.jinja import FOLDER
from gitpip.web.render.times import age, exact, in_sentence

NOW = datetime(2026, 11, 25, 21, 16, 30, tzinfo=UTC)
LATER = '<time datetime="2026-11-25T21:46:00Z">Nov 25, 21:46 UTC</time>'


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (NOW, "Nov 25, 21:16 UTC"),
        (datetime(2025, 1, 2, 3, 4, tzinfo=UTC), "Jan 2, 2025, 03:04 UTC"),
    ],
)
def test_a_time_has_its_year_where_that_is_another(time: datetime, text: str) -> None:
    assert exact(time, NOW) == text
    assert age(time, NOW) == f'<time datetime="{time:%Y-%m-%dT%H:%M:%S}Z" data-age>{text}</time>'


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Paused until 2026-11-25 21:46:00 UTC.", f"Paused until {LATER}."),
        ("Since 2026-11-25 21:46 UTC <b>", f"Since {LATER} &lt;b&gt;"),
        ("2026-11-25 21:46 UTC & 2026-11-25 21:46 UTC", f"{LATER} &amp; {LATER}"),
        ("No time: 21:46 UTC, 2026-13-01 00:00 UTC", "No time: 21:46 UTC, 2026-13-01 00:00 UTC"),
        ("for 45 s", "for 45 s"),
    ],
)
def test_the_times_of_a_sentence_are_those_of_the_reader(sentence: str, shown: str) -> None:
    assert in_sentence(sentence, NOW) == shown


def test_every_sentence_of_a_page_shows_its_times_to_the_reader() -> None:
    words = "sentence|fault|failure|held_up|(?<!opt_out.)reason|detail|waits_because"
    sentences = re.compile(rf"\b(?:{words})\s*\|\s*visible")
    for template in sorted(FOLDER.glob("*.html")):
        assert sentences.findall(template.read_text()) == [], (
            f"{template.name}: use the filter prose"
        )
