"""What is in Pipedrive twice, or missing there, is acknowledged by page, API and command."""

from gitpip.actions.adoption import ACKNOWLEDGEABLE
from gitpip.status.problem import ProblemKind
from tests.web.conftest import Served

DOUBLED = "activities-doubled"
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
    assert served.api("POST", path).json() == {"activities": 1}
    assert served.api("POST", path).json() == {"activities": 0}
    assert DOUBLED not in kinds(served)

    copy_and_compare(served)
    by_command = served.gitpip.command("adopt", "--acknowledge")
    assert by_command.returncode == 0
    assert "Acknowledged activities-doubled (1)" in " ".join(by_command.stdout.split())
    assert DOUBLED not in kinds(served)
    again = served.gitpip.command("adopt", "--acknowledge", "--json")
    assert '"activities-doubled": 0' in again.stdout

    audit = served.api("GET", "/audit").json()["items"]
    assert [
        (entry["via"], entry["subject"])
        for entry in reversed(audit)
        if entry["action"] == "problem.acknowledged"
    ] == [(via, "activities-doubled: 1") for via in ("page", "api", "command")]


def test_only_what_can_be_acknowledged_is(served: Served) -> None:
    refused = served.api("POST", "/problems/publications-failed/acknowledge")
    assert refused.status_code == 422
    assert DOUBLED in refused.text
    both = served.gitpip.command("adopt", "--acknowledge", "--dry-run")
    assert both.returncode == 2
    assert {ProblemKind(kind) for kind in ACKNOWLEDGEABLE} == {
        ProblemKind.ACTIVITIES_MISSING,
        ProblemKind.ACTIVITIES_DOUBLED,
    }
