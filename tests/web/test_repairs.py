"""Repairs by page, API and command alongside a running service: asked before, shown, done once."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gitpip_standins import Fault
from tests.support.pages import on_one_line
from tests.web.conftest import Served, serving

SECRET = "gh" + "p_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
"""It is nobody's, and looks like a token of GitHub's."""


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Served]:
    """Three files of ada that Pipedrive refused for one cause."""
    with serving(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3") as served:
        refusal = Fault.says(400, {"success": False, "error": "no such type"})
        served.pipedrive.faults.script(*[refusal] * 3, method="POST", path="activities$")
        served.track("ada", {"1.txt": "1", "2.txt": "2", "3.txt": "3"})
        served.gitpip.wait_for(lambda: total(served, "failed") == 3, "three refusals")
        yield served


def total(served: Served, state: str) -> int:
    found: int = served.api("GET", f"/publications?state={state}").json()["total"]
    return found


def post(served: Served, path: str, **fields: str) -> httpx2.Response:
    return httpx2.post(served.gitpip.url + path, data=fields, timeout=20)


def causes(served: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.api("GET", "/publications/causes?state=failed").json()
    return found


def test_a_page_asks_with_the_count_and_shows_how_far_it_is(refused: Served) -> None:
    (cause,) = causes(refused)
    assert (cause["publications"], cause["users"], cause["state"]) == (3, 1, "failed")
    page = refused.gitpip.get("/publications/causes").text
    address = re.search(r'action="(/repairs\?[^"]*)"', page)
    assert address, page
    path = address[1].replace("&amp;", "&")

    asked = post(refused, path, act="retry").text
    assert "Retry 3 files?" in asked
    assert "Files: Failed, with the same reason." in on_one_line(asked)
    assert cause["key"] not in asked.partition("<h1>")[2].partition("<form")[0]
    assert total(refused, "failed") == 3
    changed = post(refused, path, act="retry", shown="4")
    assert changed.status_code == 409
    assert "The number of files changed from 4 to 3." in changed.text
    begun = post(refused, path, act="retry", shown="3")
    assert begun.status_code == 303
    done = refused.gitpip.wait_for(
        lambda: (
            "Retried 3 files." in on_one_line(refused.gitpip.get(begun.headers["location"]).text)
        ),
        "the repair to be done",
    )
    assert done
    shown = refused.gitpip.get(begun.headers["location"]).text
    assert "<h1>Retry 3 files</h1>" in shown
    assert "Files: Failed, with the same reason." in on_one_line(shown)
    refused.pipedrive.wait_until(lambda: len(refused.pipedrive.activities) == 3)
    refused.gitpip.wait_for(lambda: total(refused, "published") == 3, "three activities")
    assert len(refused.pipedrive.activities) == 3
    audit = refused.gitpip.get("/audit").text
    assert "Started repair" in audit
    assert "retry 3 files" in audit


def test_what_needs_attention_comes_first_grouped_by_its_cause(refused: Served) -> None:
    hold = refused.gitpip.command("publishing", "settings", "set", "credentials=hold")
    assert hold.returncode == 0, hold.stderr
    refused.track("bob", {"leak.py": f"key = {SECRET!r}"})
    refused.gitpip.wait_for(lambda: total(refused, "held") == 1, "a held file")

    page = on_one_line(refused.gitpip.get("/publications").text)
    attention, rest = page.split('<div class="chips"')
    assert "Retry all 3 failed …" in attention
    for shown in (">3 files<", "no such type", ">leak.py<", "may contain credentials"):
        assert attention.count(shown) == 1, shown
    assert rest.count("no such type") == 3
    assert 'aria-label="Skip leak.py"' in attention  # the single one is skipped at once
    assert not re.search(
        'aria-label="(Retry|Send|Approve)', attention
    )  # and sent from its page alone, which shows what is sent
    assert ">Review<" in attention
    reasons = on_one_line(refused.gitpip.get("/publications/causes?state=held").text)
    assert "Approve or skip each file on its own page." in reasons
    assert re.search('<a href="/publications/[0-9]+">Review<', reasons)
    assert "Approve …" not in reasons  # a repair would find nothing
    narrowed = on_one_line(refused.gitpip.get("/publications?state=failed").text)
    assert "Needs attention" not in narrowed
    assert "Retry all 3 …" in narrowed
    assert "Approve all" not in narrowed

    form = {"lasts": "3h", "reason": "a fair", "back": "publications"}
    paused = post(refused, "/status-page/publishing/pause", **form)
    assert paused.headers["location"] == "/publications"
    page = on_one_line(refused.gitpip.get("/publications").text)
    assert "a fair" in page.split('<div class="chips"')[0]
    resumed = post(refused, "/status-page/publishing/resume", back="publications")
    assert resumed.headers["location"] == "/publications"
    assert "a fair" not in refused.gitpip.get("/publications").text


def test_programs_and_commands_see_the_same(refused: Served) -> None:
    (cause,) = causes(refused)
    order: dict[str, object] = {"act": "skip", "cause": cause["key"], "states": ["failed"]}
    counted = refused.api("POST", "/repairs/preview", order).json()
    assert (counted["total"], counted["left"]) == (3, [])
    options = ("repair", "skip", "--cause", cause["key"], "--state", "failed", "--dry-run")
    told = json.loads(refused.gitpip.command("publications", *options, "--json").stdout)
    assert told["total"] == 3
    assert told["states"] == counted["states"]
    said = refused.gitpip.command("publications", *options).stdout
    assert "skip: 3 publications. Nothing changed." in said
    shown = json.loads(refused.gitpip.command("publications", "causes", "--json").stdout)
    assert [one["key"] for one in shown] == [cause["key"]]
    listed = refused.gitpip.command(
        "publications", "list", "--cause", cause["key"], "--json"
    ).stdout
    assert len(json.loads(listed)) == 3

    begun = refused.api("POST", "/repairs", order)
    assert begun.status_code == 202
    refused.gitpip.wait_for(lambda: total(refused, "skipped") == 3, "three that are skipped")
    path = f"/repairs/{begun.json()['id']}"
    refused.gitpip.wait_for(lambda: refused.api("GET", path).json()["ended_at"], "its end")
    assert refused.api("GET", path).json()["done"] == 3
    assert [one["id"] for one in refused.api("GET", "/repairs").json()["items"]] == [
        begun.json()["id"]
    ]
    nothing = refused.gitpip.command("publications", "repair", "skip", "--user", "nobody").stdout
    assert nothing == "No publications match.\n"


def test_selected_ones_are_retried_and_bad_fields_are_named(refused: Served) -> None:
    page = refused.gitpip.get("/publications?login=ada&found_on=&check=").text
    assert "3 results" in page
    first = re.search(r'name="number" value="([0-9]+)"', page)
    assert first
    orders: tuple[tuple[dict[str, object], str], ...] = (
        ({"act": "retry"}, "ids"),
        ({"act": "destroy", "all": True}, "act"),
        ({"act": "retry", "all": True, "login": "ada"}, "all"),
        ({"act": "retry", "found_on": "yesterday"}, "found_on"),
    )
    for order, field in orders:
        answer = refused.api("POST", "/repairs", order)
        assert answer.status_code == 422, order
        assert field in answer.text, order
    assert refused.api("POST", "/repairs", {"act": "retry", "ids": [77]}).status_code == 404
    assert total(refused, "failed") == 3
    back = post(refused, "/publications/selected", act="retry", number=first[1])
    assert back.status_code == 303
    refused.gitpip.wait_for(lambda: total(refused, "published") == 1, "one that is sent")
    assert total(refused, "failed") == 2


def test_a_running_service_goes_on_with_what_was_cut_short(refused: Served) -> None:
    with closing(sqlite3.connect(refused.gitpip.folder / "gitpip.sqlite3")) as database, database:
        database.execute(
            "INSERT INTO repairs (id, act, wanted, begun_by, begun_via, total, started_at, "
            "moved_at) SELECT 1, 'retry', 'failed', 'eve', 'page', 3, due_at, "
            "'2001-02-03 04:05:06.000000' FROM publications LIMIT 1"
        )
        database.execute(
            "INSERT INTO repairs (id, act, wanted, begun_by, begun_via, total, started_at, "
            "moved_at) SELECT 2, act, wanted, begun_by, begun_via, total, started_at, "
            "strftime('%Y-%m-%d %H:%M:%f000', 'now') FROM repairs"
        )
        database.execute(
            "INSERT INTO repair_items (repair_id, publication_id, state) "
            "SELECT 1, id, state FROM publications"
        )
    running = refused.gitpip.get("/repairs/2").text
    assert '<noscript><p class="acts"><a href="/repairs/2">Refresh</a></p></noscript>' in running
    refused.gitpip.wait_for(lambda: total(refused, "published") == 3, "three activities")
    assert refused.api("GET", "/repairs/1").json()["done"] == 3
    assert len(refused.pipedrive.activities) == 3
