"""The page that says what more users and gists would cost."""

import re
from urllib.parse import quote

import pytest

from tests.support.pages import on_one_line
from tests.web.conftest import Served


def test_a_plan_stands_beside_what_there_is(served_to_all: Served) -> None:
    page = on_one_line(served_to_all.gitpip.get("/capacity").text)
    assert '<th scope="row" role="rowheader">Pipedrive tokens per day</th>' in page
    assert (
        'People</th> <td role="cell" data-label="Planned">1</td>'
        '<td role="cell" data-label="Today">0</td></tr>' in page
    )
    asked = "users=2000000&gists_per_day=50000&pipedrive_plan=growth&seats=2&check_interval=1m"
    planned = on_one_line(served_to_all.gitpip.get(f"/capacity?{asked}").text)
    assert "% of 120,000)" in planned
    assert ">1,200,000 (24,000%)<" in planned
    assert planned.count('class="sentence bad" role="status"') >= 2
    assert 'value="50000"' in planned
    without = served_to_all.gitpip.get("/capacity?users=90&github_token=none").text
    assert "<option selected>none</option>" in without
    assert "Without a token GitHub allows 60 requests an hour" in on_one_line(without)


def test_the_time_to_pipedrive_and_the_queue_stand_beside_the_plan(served: Served) -> None:
    gitpip = served.gitpip
    served.track("ada", {"old.py": "1"})
    for number in range(2):
        served.github.add_gist("ada", {f"{number}.py": "1"})
    gitpip.post("/api/v1/checks")
    gitpip.wait_for(
        lambda: gitpip.get("/api/v1/publications?state=published").json()["total"] == 3,
        "three published files",
    )
    assert served.api("POST", "/publishing/pause", {"for": "1h"}).is_success
    served.github.add_gist("ada", {"waits.py": "1"})
    gitpip.post("/api/v1/checks")
    gitpip.wait_for(
        lambda: gitpip.get("/api/v1/publications?state=pending").json()["total"] == 1, "a queue"
    )

    present = gitpip.get("/api/v1/capacity").json()["today"]
    assert 0 <= present["published_p95_seconds"] <= 60
    assert 0 < present["queue_seconds"] <= 600
    page = on_one_line(gitpip.get("/capacity").text)
    assert re.search(r'data-label="Today">within [0-9]+ (s|min) \(last 7 days\)</td>', page)
    assert '<td role="cell" data-label="Today">0.0 for the queue</td>' in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "users=many",
            "People: must be a whole number without a comma or point, e.g. 250, not &#39;many&#39;",
        ),
        ("users=0", "People: must be from 1 to"),
        (
            "users=1e3",
            "People: must be a whole number without a comma or point, e.g. 250, not &#39;1e3&#39;",
        ),
        ("backlog=1.5", "Files in the queue: must be a whole number"),
        ("gists_per_day=-1", "Gists per day: must be from 0 to"),
        ("files_per_gist=nan", "Files per gist: must be a number"),
        ("files_per_gist=few", "Files per gist: must be a number with a point for decimals"),
        (
            "pipedrive_plan=huge",
            "Pipedrive plan: must be lite, growth, premium or ultimate, not &#39;huge&#39;",
        ),
        ("check_interval=soon", "Check every: "),
        ("users=1%2C000", "People: must be a whole number without a comma or point"),
        ("files_per_gist=1%2C5", "Files per gist: must be a number with a point for decimals"),
        ("gists_per_day=1.000", "e.g. 1.5 or 1000, not &#39;1.000&#39;"),
        ("seats=inf", "Seats: must be a whole number"),
    ],
)
def test_what_makes_no_sense_is_named(served_to_all: Served, query: str, words: str) -> None:
    answer = served_to_all.gitpip.get(f"/capacity?{query}")
    assert answer.status_code == 422
    assert words in on_one_line(answer.text)


@pytest.mark.parametrize(
    ("field", "text"),
    [("users", "1.000"), ("users", "1_000"), ("files_per_gist", "1,5"), ("gists_per_day", "1.000")],
)
def test_a_number_with_two_meanings_is_refused_by_api_and_command(
    served_to_all: Served, field: str, text: str
) -> None:
    answer = served_to_all.gitpip.get(f"/api/v1/capacity?{field}={quote(text)}")
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert f"without a comma or point, e.g. 1000, not {text!r}" in error["message"] or (
        f"e.g. 1.5 or 1000, not {text!r}" in error["message"]
    )
    if field != "users":
        option = f"--{field.replace('_', '-')}"
        refused = served_to_all.gitpip.command("plan", option, text)
        assert refused.returncode == 2
        assert repr(text) in refused.stderr
