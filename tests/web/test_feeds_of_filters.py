"""The feed of a saved filter has what the filter finds, also by a private link without a key."""

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from tests.support.pages import on_one_line
from tests.web.conftest import Served, serving

ADMIN_KEY = "admin-key-of-the-settings-" + "k" * 16


@pytest.fixture
def with_key(tmp_path: Path) -> Iterator[Served]:
    database = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    with serving(tmp_path, database, GITPIP_ADMIN_KEY=ADMIN_KEY) as served:
        yield served


def titles(served: Served, path: str) -> list[str]:
    """What a feed reader is shown, which has no key."""
    answer = httpx2.get(served.gitpip.url + path, timeout=20)
    assert answer.status_code == 200, answer.text
    return [item["title"].partition(": ")[2] for item in json.loads(answer.content)["items"]]


def test_days_count_in_feeds_as_they_do_in_the_inbox(served_from_any: Served) -> None:
    served, now = served_from_any, datetime.now(UTC)
    served.github.add_user("ada")
    ages = {
        "new.py": timedelta(hours=1),
        "week.py": timedelta(days=3),
        "old.py": timedelta(days=20),
    }
    for name, age in ages.items():
        served.github.add_gist("ada", {name: name}, created_at=now - age)
    assert served.gitpip.post("/users/ada/id-of-ada").status_code == 201
    served.wait_for_files("ada", 3)
    day = f"{now - timedelta(days=10):%Y-%m-%d}"

    for query, expected in (
        ("", {"new.py", "week.py", "old.py"}),
        ("show=week", {"new.py", "week.py"}),
        (f"since={day}&by=published&user=ada&show=unread", {"new.py", "week.py"}),
        (f"until={day}", {"old.py"}),
        (f"since={day}&language=Rust", set()),
        (f"until={day}&by=found", set()),
        (f"since={day}&by=found", {"new.py", "week.py", "old.py"}),
    ):
        assert set(titles(served, f"/feed.json?{query}")) == expected, query
        of_page = served.api("GET", f"/inbox?{query.replace('show=unread', 'show=all')}").json()
        assert len(of_page["items"]) == len(expected), query

    wrong = httpx2.get(f"{served.gitpip.url}/feed.json?since=soon")
    assert (wrong.status_code, "must be a date" in wrong.text) == (422, True)
    page = on_one_line(served.gitpip.get("/").text)
    assert "Feeds also include gists that you have read." in page


def test_a_private_link_of_a_filter_is_read_without_a_key(with_key: Served) -> None:
    served = with_key
    with httpx2.Client(
        base_url=served.gitpip.url,
        headers={"authorization": f"Bearer {ADMIN_KEY}", "accept": "text/html"},
        follow_redirects=True,
        timeout=20,
    ) as reader:
        for login in ("ada", "bob"):
            served.github.add_user(login)
            served.github.add_gist(login, {f"{login}.py": login})
            assert reader.post("/api/v1/users", json={"login": login}).status_code == 201

        def found() -> bool:
            return len(reader.get("/api/v1/inbox?show=all").json()["items"]) == 2

        served.gitpip.wait_for(found, "both gists")
        saved = reader.post("/inbox/filters", data={"name": "of bob", "user": "bob"})
        page = on_one_line(saved.text)
        [link] = re.findall('<a href="(/feeds[^"]*)">Make a private feed link', page)
        assert "/feed.atom?user" not in page.partition('aria-label="Saved filters"')[2]

        asked = on_one_line(reader.get(html.unescape(link)).text)
        assert "The new link will follow this filter: bob." in asked
        # A query after the link's own would be another part of it.
        assert "to any link" not in asked
        [action] = re.findall('<form method="post" action="(/feeds[^"/]*)"', asked)
        made = on_one_line(reader.post(html.unescape(action), data={"name": "phone"}).text)

    addresses = re.findall('<code class="secret" id="secret-[a-z]+">([^<]*)</code>', made)
    assert [address.endswith("?user=bob") for address in addresses] == [True, True]
    assert made.count("data-copy=") == 2
    private = addresses[1].removeprefix(served.gitpip.url)
    assert titles(served, html.unescape(private)) == ["bob.py"]
    assert httpx2.get(f"{served.gitpip.url}/feed.json?user=bob").status_code == 401
