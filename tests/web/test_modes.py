"""Pauses and modes as a person meets them: on the pages, in the API and in the status."""

import json
import re
from datetime import timedelta

import httpx2

from gitpip.clock import utc_now
from tests.support.pages import on_one_line
from tests.web.conftest import Served


def published(served: Served) -> int:
    return len(served.pipedrive.activities)


def test_a_persons_pause_is_said_everywhere_and_ended_on_the_page(served: Served) -> None:
    address = f"{served.gitpip.url}/status-page/publishing/pause"
    tomorrow = (utc_now() + timedelta(days=1)).date()
    in_tokyo = {"cookie": "gitpip_zone=Asia%2FTokyo"}
    httpx2.post(address, data={"until": f"{tomorrow}T09:00"}, headers=in_tokyo)
    assert served.api("GET", "/status").json()["publishing"]["until"] == f"{tomorrow}T00:00:00Z"
    assert httpx2.post(address, data={"reason": "a fair"}).status_code == 303
    served.track("ada", {"one.py": "1"})

    status = served.api("GET", "/status").json()
    assert not status["all_good"]
    assert "Sync is paused by" in status["sentence"]
    assert status["publishing"]["state"] == "paused"
    assert status["publishing"]["until"] is None
    assert status["publishing"]["by"]
    assert status["next_publication_due"] is None
    assert served.gitpip.get("/health").status_code == 200
    [row] = served.api("GET", "/publications").json()["items"]
    assert (row["state"], row["due_at"]) == ("pending", None)
    retried = served.api("POST", f"/publications/{row['id']}/retry").json()
    assert (retried["state"], retried["due_at"]) == ("pending", None)
    listed = served.gitpip.get("/publications").text
    assert "When sync is resumed" in listed
    assert "Sync is paused: resume sync to send it" in listed
    one = served.gitpip.get(f"/publications/{row['id']}").text
    assert re.search('id="waits".*Sync is paused by.*id="resume-publishing"', one, re.DOTALL)
    assert 'id="resume-publishing"' in served.gitpip.get("/status-page").text
    told = served.gitpip.command("status").stdout
    assert "a fair. Nothing is lost." in told
    assert "To resume: gitpip publishing resume" in told
    drained = served.gitpip.command("publish", "--json")
    assert "Sync is paused by" in json.loads(drained.stdout)["reason"]

    assert served.gitpip.post("/status-page/publishing/resume").status_code == 303
    served.pipedrive.wait_until(lambda: published(served) == 1)


def test_what_is_asked_about_is_approved_on_the_page(served: Served) -> None:
    changed = served.gitpip.command("publishing", "settings", "set", "publishing_mode=ask")
    assert changed.returncode == 0, changed.stderr
    served.track("ada", {"one.py": "1"}, {"two.py": "2"})
    held = served.gitpip.wait_for(
        lambda: (
            (found := served.api("GET", "/held").json()) and found[0]["files"] == 2 and found[0]
        ),
        "held files",
    )
    assert held["because"] == {"ask": 2}
    page = served.gitpip.get("/publications").text
    assert "Held</span>: needs approval" in " ".join(page.split())
    first, second = served.api("GET", "/publications?state=held").json()["items"]
    assert f'id="choose-{first["id"]}"' in page
    planned = served.gitpip.command("publish", "--dry-run")
    told = planned.stdout
    assert planned.stderr == "Nothing is queued.\n"
    assert "Held for approval: 2 (needs approval). See gitpip held." in told
    assert "Sync is stopped" not in told
    assert served.api("GET", "/publishing/plan").json()["held"] == {"ask": 2}
    assert served.gitpip.command("publishing", "pause", "--reason", "a fair").returncode == 0
    told = served.gitpip.command("publish", "--dry-run").stdout
    assert "Sync is stopped" in told
    assert "a fair" in told
    assert served.gitpip.command("publishing", "resume").returncode == 0

    address = f"{served.gitpip.url}/publications/selected?state=held"
    answer = httpx2.post(address, data={"act": "approve", "number": [str(first["id"])]})
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/publications?state=held&offset=0&approved=1",
    )
    served.pipedrive.wait_until(lambda: published(served) == 1)
    assert served.api("GET", f"/publications/{first['id']}").json()["approved_by"]
    assert served.api("GET", f"/publications/{second['id']}").json()["held_because"] == "ask"
    served.gitpip.wait_for(
        lambda: served.api("GET", f"/publications/{first['id']}").json()["activity_id"],
        "the approved file to be noted as sent",
    )
    both = [str(first["id"]), str(second["id"])]
    in_pipedrive = "1 file did not change. Its status is now In Pipedrive."
    for act, number, told in (
        ("approve", both, f"Approved 1 file. {in_pipedrive}"),
        ("skip", both[:1], in_pipedrive),
    ):
        answer = httpx2.post(address, data={"act": act, "number": number}, follow_redirects=True)
        assert f'role="status">{told}<' in on_one_line(answer.text), act


def test_the_pages_of_a_dry_run_promise_nothing(served: Served) -> None:
    changed = served.gitpip.command("publishing", "settings", "set", "publishing_mode=dry-run")
    assert changed.returncode == 0, changed.stderr
    served.track("ada", {"one.py": "1"})
    served.gitpip.wait_for(
        lambda: served.api("GET", "/publications?state=pending").json()["total"] == 1, "a file"
    )

    page = on_one_line(served.gitpip.get("/publications").text)

    assert "Dry run: nothing is sent to Pipedrive." in page
    assert "1 queued." in page  # without a time that is left
    why = "Once you choose another mode in the settings, it waits for your approval"
    assert why in page
    assert why in on_one_line(served.gitpip.get("/publications/1").text)


def test_a_list_that_is_cut_off_says_so_beside_its_rows(served: Served) -> None:
    served.track("ada", {"one.py": "1", "two.py": "2"})
    served.pipedrive.wait_until(lambda: published(served) == 2)

    listed = served.gitpip.command("publications", "list", "--limit", "1")
    none = served.gitpip.command("publications", "list", "--state", "failed")
    shown = served.gitpip.command("publications", "show", "1").stdout

    assert len(listed.stdout.splitlines()) == 1
    assert listed.stderr == "Showing 1 of 2. Use --limit to show more.\n"
    assert (none.stdout, none.stderr) == ("", "No failed publications.\n")
    assert shown.endswith(
        "The activity is shown as it would be sent now. The one in Pipedrive may differ.\n"
    )
