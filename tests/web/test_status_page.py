"""The status page: a sentence, and the numbers behind it."""

import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from gitpip.web.render.charts import over_a_day, per_hour, top_of_axis
from gitpip_standins import Fault, FaultKind
from tests.support.pages import on_one_line
from tests.web.conftest import Served, serving

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_budgets_queue_and_freshness_are_shown(served_from_any: Served) -> None:
    served = served_from_any
    served.track("ada", {"one.py": "1"})

    def budgets() -> set[str]:
        return {budget["name"] for budget in served.gitpip.get("/status").json()["budgets"]}

    served.gitpip.wait_for(
        lambda: {"GitHub requests", "Pipedrive tokens"} <= budgets(), "the budgets"
    )
    served.gitpip.wait_for(
        lambda: "All systems normal. " in served.gitpip.get("/status-page").text, "the sentence"
    )
    page = served.gitpip.get("/status-page").text

    page = on_one_line(page)
    assert re.search(r"Pipedrive tokens: 29,9\d\d of 30,000 left", page)
    assert "Resets <time" in page
    # Nothing is held, so nothing is red.
    assert ">Held</a>: 0" in page
    assert 'class="state held"' not in page
    assert "&lt; 5 min" in page
    assert re.search(r"Peak [\d,]+, now 0 \(15-minute bars\)", page)
    for card in ("GitHub", "Pipedrive", "Database", "Workers"):
        assert f'aria-labelledby="card-{card.lower()}"' in page, card
    assert "1 worker running" in page
    assert not re.search(r'class="(?:wait|bad)">', page)
    assert "next send" not in page  # nothing is queued
    assert re.search(r"(SQLite|PostgreSQL), [\d.]+ [KM]B", page)
    assert re.search(r"<caption>Most files queued in each hour</caption>.*<td>\d+</td>", page)
    finished = on_one_line(served.gitpip.get("/checks/1").text)
    assert "1 person checked: 1 new file." in finished
    assert re.search(
        r'<h2>New files</h2> <ul><li><a href="/gist/.*In Pipedrive</span></a></li>', finished
    )


def test_a_day_is_cut_into_quarters_of_an_hour() -> None:
    samples = [
        (NOW - timedelta(hours=23, minutes=59), 4),
        (NOW - timedelta(minutes=14), 1),
        (NOW - timedelta(minutes=2), 2),
        (NOW - timedelta(days=3), 99),
        (NOW + timedelta(hours=1), 99),
    ]

    bars = over_a_day(samples, NOW)

    assert len(bars) == 96
    assert (bars[0].number, bars[0].height) == (4, 100)
    assert (bars[-1].number, bars[-1].height) == (2, 50)
    assert [number for _, number in per_hour(bars)] == [2, 4]
    tops = {0: 2, 3: 4, 5: 10, 10: 10, 11: 20, 39: 40, 41: 100}
    assert {most: top_of_axis(over_a_day([(NOW, most)], NOW)) for most in tops} == tops
    assert {bar.number for bar in bars[1:-1]} == {None}
    assert {bar.height for bar in over_a_day([], NOW)} == {0}


def kinds(served: Served) -> list[str]:
    return [problem["kind"] for problem in served.gitpip.get("/status").json()["problems"]]


def test_notes_that_were_refused_are_retried_or_left(tmp_path: Path) -> None:
    database_url = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    with serving(tmp_path, database_url, GITPIP_ON_EDIT="update") as served:
        served.github.add_user("ada")
        gist = served.github.add_gist("ada", {"one.txt": "1"})
        assert served.gitpip.post("/users/ada/1").status_code == 201
        served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
        refusal = Fault(FaultKind.ERROR, processed=False, status=400)
        served.pipedrive.faults.script(refusal, method="PATCH", times=2)
        served.github.edit_gist(gist, {"one.txt": "2"})
        assert served.api("POST", "/checks").status_code == 202
        served.gitpip.wait_for(lambda: "notes-failed" in kinds(served), "the refusal")

        assert served.api("POST", "/notes/retry").json() == {"notes": 1}
        served.gitpip.wait_for(
            lambda: (
                len(served.gitpip.logged("publication.not_amended")) == 2
                and "notes-failed" in kinds(served)
            ),
            "another refusal",
        )
        left = httpx2.post(f"{served.gitpip.url}/status-page/notes/leave")
        assert left.status_code == 303
        assert "notes-failed" not in kinds(served)
        assert served.api("POST", "/notes/retry").json() == {"notes": 0}
        audit = served.api("GET", "/audit").json()["items"]
        assert [entry["action"] for entry in audit[:2]] == ["notes.left", "notes.retried"]


def test_due_times_take_a_pause_into_account(served: Served) -> None:
    served.pipedrive.faults.chance(1, [Fault(FaultKind.ERROR, processed=False, status=401)], seed=1)
    served.track("ada", {"one.txt": "1"})
    served.gitpip.wait_for(
        lambda: served.gitpip.get("/status").json()["publishing"]["state"] == "paused", "a pause"
    )

    status = served.gitpip.get("/status").json()

    assert status["next_publication_due"] == status["publishing"]["until"]
    until = datetime.fromisoformat(status["publishing"]["until"])
    assert f"{until:%H:%M} UTC" in re.sub(
        r"(?s).*>When<", "", served.gitpip.get("/publications").text
    )
    assert ">Next<" not in served.gitpip.get("/publications").text
    page = on_one_line(served.gitpip.get("/status-page").text)
    assert re.search(r'<h2 id="card-pipedrive">Pipedrive</h2> <p class="bad">Paused until', page)
    assert '<a href="#problems">1 problem</a>' in page
    assert '<p class="good">1 worker running</p>' in page
    told = served.gitpip.command("status").stdout
    assert told.startswith("error   Sync is paused until")
    as_json = json.loads(served.gitpip.command("status", "--json").stdout)
    assert [problem["kind"] for problem in as_json["problems"]] == kinds(served)
    assert as_json["all_good"] is False


def test_the_progress_of_reading_lists_is_shown_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "gitpip.sqlite3"
    with serving(tmp_path, f"sqlite+aiosqlite:///{path}") as served:
        served.track("ada", {"one.txt": "1"})
        assert "not read the full gist list" not in served.gitpip.get("/status-page").text
        served.gitpip.stop()
        with sqlite3.connect(path) as rows:
            rows.execute("UPDATE users SET listed_at = datetime(listed_at, '-30 days')")
        served.gitpip.start("--only", "web")  # so that no check reads the list meanwhile
        none_read = served.gitpip.get("/status-page").text
        with sqlite3.connect(path) as rows:
            rows.execute(
                "UPDATE checks SET listed = (id = (SELECT max(id) FROM checks)),"
                " started_at = datetime(started_at, '-1 day')"
            )

        lists = served.gitpip.get("/status").json()["lists"]
        page = on_one_line(served.gitpip.get("/status-page").text)
        told = json.loads(served.gitpip.command("status", "--json").stdout)

    assert "spare requests: none in the last day" in none_read
    assert (lists["waiting"], lists["a_day"], lists["round"]) == (1, 1, 86_400)
    assert "gitpip has not read the full gist list of 1 person for a week" in page
    assert "1 a day now. Reading all lists takes 1 day" in page
    assert told["lists_not_read_for_a_week"] == told["lists_read_in_a_day"] == 1
    assert told["days_for_a_round_of_lists"] == 1.0
