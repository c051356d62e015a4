"""A person acknowledges problems that nobody can mend, by page, API and command."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from gitpip.actions.adoption import ACKNOWLEDGEABLE
from gitpip.status.problem import ProblemKind
from gitpip_standins import Fault
from tests.web.conftest import Served

DOUBLED, INTERRUPTED = "activities-doubled", "import-interrupted"
UNDO: dict[str, object] = {"login": "ada"}
BUTTON = f'id="acknowledge-{DOUBLED}"'


def kinds(served: Served) -> list[str]:
    return [problem["kind"] for problem in served.gitpip.get("/status").json()["problems"]]


def copy_and_compare(served: Served) -> None:
    """A person copies an activity, and it is found."""
    original = served.pipedrive.activities[0]
    copy = {"note": original["note"], "deal_id": original["deal_id"]}
    served.pipedrive.add_activity(str(original["subject"]), **copy)
    assert served.api("POST", "/adoption").status_code == 202
    served.gitpip.wait_for(lambda: DOUBLED in kinds(served), "the problem")


def test_a_copy_is_acknowledged_by_page_api_and_command(served_from_any: Served) -> None:
    served = served_from_any
    served.track("ada", {"one.py": "1"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)

    copy_and_compare(served)
    assert BUTTON in served.gitpip.get("/status-page").text
    done = served.gitpip.post(f"/status-page/acknowledge/{DOUBLED}")
    assert done.status_code in {200, 303}
    assert DOUBLED not in kinds(served)
    assert BUTTON not in served.gitpip.get("/status-page").text
    [told] = served.api("GET", "/adoption").json()["duplicates"]
    assert told["acknowledged_at"] is not None

    copy_and_compare(served)
    path = f"/problems/{DOUBLED}/acknowledge"
    assert served.api("POST", path).json() == {"activities": 1, "imports": 0}
    assert served.api("POST", path).json() == {"activities": 0, "imports": 0}
    assert DOUBLED not in kinds(served)

    copy_and_compare(served)
    by_command = served.gitpip.command("adopt", "--acknowledge")
    assert by_command.returncode == 0
    told = "Acknowledged 1 file with two activities in Pipedrive"
    assert told in " ".join(by_command.stdout.split())
    assert DOUBLED not in kinds(served)
    again = served.gitpip.command("adopt", "--acknowledge", "--json")
    assert '"activities-doubled": 0' in again.stdout

    audit = served.api("GET", "/audit").json()["items"]
    assert [
        (entry["via"], entry["subject"])
        for entry in reversed(audit)
        if entry["action"] == "problem.acknowledged"
    ] == [(via, "1 file with two activities in Pipedrive") for via in ("page", "api", "command")]


def interrupt_an_import(served: Served) -> None:
    """An import whose process went away ten minutes ago."""
    ago = datetime.now(UTC) - timedelta(minutes=10)
    with closing(sqlite3.connect(served.gitpip.folder / "gitpip.sqlite3")) as database, database:
        database.execute(
            "INSERT INTO imports (name, size, faults, started_at, moved_at, confirmed_at)"
            " VALUES ('a.csv', 9, '', :at, :at, :at)",
            {"at": f"{ago:%Y-%m-%d %H:%M:%S.%f}"},
        )


def test_an_interrupted_import_is_acknowledged_by_page_api_and_command(served: Served) -> None:
    path = f"/problems/{INTERRUPTED}/acknowledge"
    interrupt_an_import(served)
    assert f'id="acknowledge-{INTERRUPTED}"' in served.gitpip.get("/status-page").text
    served.gitpip.post(f"/status-page/acknowledge/{INTERRUPTED}")
    assert INTERRUPTED not in kinds(served)
    interrupt_an_import(served)
    assert served.api("POST", path).json() == {"activities": 0, "imports": 1}
    assert served.api("POST", path).json() == {"activities": 0, "imports": 0}
    assert INTERRUPTED not in kinds(served)
    interrupt_an_import(served)
    by_command = served.gitpip.command("adopt", "--acknowledge", "--json")
    assert json.loads(by_command.stdout)[INTERRUPTED] == 1
    assert INTERRUPTED not in kinds(served)
    audit = [each["subject"] for each in served.api("GET", "/audit").json()["items"]]
    assert audit.count("1 interrupted import") == 3


def test_what_an_undo_left_is_acknowledged_by_page_api_and_command(served: Served) -> None:
    gitpip, left = served.gitpip, "undo-failed"
    served.track("ada", {"one.py": "1"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    refused = Fault.says(400, {"success": False, "error": "Bad activity"})
    served.pipedrive.faults.script(refused, method="DELETE", path="/activities/", times=None)
    gitpip.wait_for(lambda: served.api("POST", "/undos", UNDO).is_success, "the file is sent")
    gitpip.wait_for(lambda: left in kinds(served), "the problem")

    [problem] = gitpip.get("/status").json()["problems"]
    assert (problem["act"], problem["undo_id"], problem["count"]) == ("resume-undo", 1, 1)
    assert "Bad activity" in problem["sentence"]
    metric = 'gitpip_problems{kind="undo-failed"} 1.0'
    gitpip.wait_for(lambda: metric in gitpip.get("/metrics").text, "the metric")
    page = gitpip.get("/status-page").text
    assert 'href="/undos/1"' in page
    assert 'action="/undos/1/resume"' in page
    gitpip.post(f"/status-page/acknowledge/{left}")
    assert kinds(served) == []

    def fail_again() -> None:
        gitpip.post("/undos/1/resume")
        gitpip.wait_for(lambda: left in kinds(served), "the problem once more")

    fail_again()
    assert served.api("POST", f"/problems/{left}/acknowledge").json()["activities"] == 1
    assert kinds(served) == []
    fail_again()
    assert "could not delete (1)" in gitpip.command("undos", "acknowledge").stdout
    assert kinds(served) == []
    assert '"acknowledged": 0' in gitpip.command("undos", "acknowledge", "--json").stdout


def test_only_what_can_be_acknowledged_is(served: Served) -> None:
    refused = served.api("POST", "/problems/publications-failed/acknowledge")
    assert refused.status_code == 422
    assert DOUBLED in refused.text
    both = served.gitpip.command("adopt", "--acknowledge", "--dry-run")
    assert both.returncode == 2
    assert {ProblemKind(kind) for kind in ACKNOWLEDGEABLE} == {
        ProblemKind.ACTIVITIES_MISSING,
        ProblemKind.ACTIVITIES_DOUBLED,
        ProblemKind.IMPORT_INTERRUPTED,
        ProblemKind.UNDO_FAILED,
    }
