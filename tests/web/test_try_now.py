"""Try now, by page, API and command: one request is made, and it pauses again when refused."""

from collections.abc import Callable

import httpx2
import pytest

from gitpip_standins import Fault
from tests.support.pages import on_one_line
from tests.web.conftest import Served

USED_UP = Fault.limited({"x-daily-ratelimit-token-remaining": "0"})


def paused(served: Served, times: int) -> bool:
    return len(served.gitpip.logged("publishing.paused")) == times


def posts(served: Served) -> int:
    return sum(request.method == "POST" for request in served.pipedrive.requests)


def try_by_page(served: Served) -> None:
    page = served.gitpip.get("/status-page").text
    assert 'action="/status-page/try/publishing"' in page
    answer = httpx2.post(f"{served.gitpip.url}/status-page/try/publishing")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/status-page?tried=publishing",
    )


def try_by_api(served: Served) -> None:
    answer = served.api("POST", "/pauses/publishing/try")
    told = {"name": "publishing", "ended": True, "reason": None}
    assert (answer.status_code, answer.json()) == (200, told)


def try_by_command(served: Served) -> None:
    done = served.gitpip.command("try-now", "publishing")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "Ended the pause of publishing. If the next request fails, gitpip pauses again: "
        "see gitpip status.\n"
    )


@pytest.mark.parametrize(
    ("database_url", "doors"),
    [
        ("sqlite", (try_by_page, try_by_command)),
        ("postgres", (try_by_api, try_by_command)),
    ],
    indirect=["database_url"],
)
def test_one_request_is_made_and_it_pauses_again_or_goes_on(
    served_from_any: Served, doors: tuple[Callable[[Served], None], Callable[[Served], None]]
) -> None:
    served, (first, second) = served_from_any, doors
    served.pipedrive.faults.chance(1, [USED_UP], seed=1, method="POST")
    served.track("ada", {"one.txt": "1"}, {"two.txt": "2"}, {"three.txt": "3"})
    served.gitpip.wait_for(lambda: paused(served, 1), "the pause")
    asked = posts(served)

    first(served)
    served.gitpip.wait_for(lambda: paused(served, 2), "the pause after one more refusal")
    assert posts(served) == asked + 1
    [problem] = [
        problem
        for problem in served.gitpip.get("/status").json()["problems"]
        if problem["pause"] == "publishing"
    ]
    assert (problem["kind"], problem["act"]) == ("publishing-paused", "try-now")

    served.pipedrive.faults.clear()
    second(served)
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 3)
    audit = served.api("GET", "/audit").json()["items"]
    assert [entry["subject"] for entry in audit if entry["action"] == "pause.ended"] == [
        "publishing",
        "publishing",
    ]


def test_nothing_is_ended_or_audited_without_a_pause(served: Served) -> None:
    assert served.api("POST", "/pauses/watching/try").json() == {
        "name": "watching",
        "ended": False,
        "reason": "watching is not paused.",
    }
    unknown = served.api("POST", "/pauses/nothing/try")
    assert unknown.status_code == 422
    assert "publishing" in unknown.text
    done = served.gitpip.command("try-now")
    assert (done.returncode, done.stdout) == (0, "Nothing is paused.\n")
    assert served.api("GET", "/audit").json()["total"] == 0


def test_what_github_asked_to_wait_for_is_kept(served: Served) -> None:
    served.track("ada")
    limited = Fault.limited({"retry-after": "3600"})
    served.github.faults.chance(1, [limited], seed=1)
    assert served.api("POST", "/checks").status_code == 202
    served.gitpip.wait_for(
        lambda: served.gitpip.get("/status").json()["watching"]["state"] == "paused", "the pause"
    )
    name = next(
        problem["pause"]
        for problem in served.gitpip.get("/status").json()["problems"]
        if problem["pause"]
    )
    asked = len(served.github.requests)

    refused = served.api("POST", f"/pauses/{name}/try")

    assert (refused.status_code, refused.json()["type"]) == (409, "urn:gitpip:pause-kept")
    assert "GitHub asked to wait" in refused.json()["detail"]
    by_command = served.gitpip.command("try-now", name)
    assert by_command.returncode == 1
    assert "GitHub asked to wait" in by_command.stderr
    page = httpx2.post(
        f"{served.gitpip.url}/status-page/try/{name}", headers={"accept": "text/html"}
    )
    assert page.status_code == 409
    assert '<details class="more"><summary class="act">Pause sync' in on_one_line(page.text)
    assert len(served.github.requests) == asked
