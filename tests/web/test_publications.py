"""The pages of publications: what exactly would be sent, and decisions that lead back."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import httpx2

from gitpip_standins import Fault
from tests.support.pages import on_one_line
from tests.web.conftest import Served

SECRET = "gh" + "p_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
FOUND = "GitHub personal access token (line 2)"
REMOVED = "[removed: GitHub personal access token]"
"""It is nobody's, and looks like a token of GitHub's."""


def test_what_is_shown_is_what_is_sent(served: Served) -> None:
    served.track("ada", {"one.py": "print('<1>')"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    row = served.gitpip.get("/api/v1/publications").json()["items"][0]

    preview = served.gitpip.get(f"/api/v1/publications/{row['id']}/preview").json()
    page = served.gitpip.get(f"/publications/{row['id']}").text

    activity = served.pipedrive.activities[0]
    assert preview["subject"] == activity["subject"]
    assert preview["note"] == activity["note"]
    assert preview["deal_id"] == activity["deal_id"]
    assert "&lt;pre&gt;print(&amp;#x27;&amp;lt;1" in page
    assert served.gitpip.get("/api/v1/publications/99/preview").status_code == 404
    assert served.gitpip.get("/publications/99").status_code == 404


def test_the_page_shows_the_fields_and_what_is_left_out(served: Served) -> None:
    done = served.gitpip.command(
        *("publishing", "settings", "set", "credentials=mask", "activity_type=meeting"),
        *("activity_done=no", "activity_due_date=today", "activity_owner=deal"),
    )
    assert done.returncode == 0, done.stderr
    served.track("ada", {"leak.py": f"user = 'ada'\nkey = {SECRET!r}\n"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    row = served.gitpip.get("/api/v1/publications").json()["items"][0]
    preview = served.gitpip.get(f"/api/v1/publications/{row['id']}/preview").json()
    page = served.gitpip.get(f"/publications/{row['id']}").text
    shown = served.gitpip.command("publications", "show", str(row["id"])).stdout
    command = json.loads(
        served.gitpip.command("publications", "show", str(row["id"]), "--json").stdout
    )

    activity = served.pipedrive.activities[0]
    for sent in (preview, command):
        assert (sent["subject"], sent["note"]) == (activity["subject"], activity["note"])
        assert (sent["type"], sent["done"]) == (activity["type"], activity["done"])
        assert (sent["owner"], sent["priority"]) == ("deal", None)
        assert sent["due_date"] == activity["due_date"]
        assert sent["masked"] == [FOUND]
    assert (activity["type"], activity["done"]) == ("meeting", False)
    assert REMOVED in str(activity["note"])
    for text in (page, shown):
        assert FOUND in text
        assert str(activity["due_date"]) in text
        assert "meeting" in text
        assert SECRET not in text
    assert "an open to-do" in page
    assert "the owner of the deal" in page
    assert "done: no" in shown


def test_lists_and_feeds_show_no_credential_that_a_file_is_held_for(served: Served) -> None:
    name = f"{SECRET}.py"
    served.github.add_user("ada")
    served.github.add_gist("ada", {name: f"key = {SECRET!r}\n"}, description=f"use {SECRET}")
    served.gitpip.post("/users/ada/id-of-ada")
    served.gitpip.wait_for(
        lambda: served.api("GET", "/publications?state=held").json()["total"] == 1, "the held file"
    )
    url = served.gitpip.url
    with httpx2.Client(base_url=url, follow_redirects=True) as browser:
        browser.get("/")
        browser.post("/seen", data={"everything": "1"})
        [visit] = re.findall('href="(/seen/[0-9]+)"', browser.get("/").text)
        row = browser.get("/api/v1/publications").json()["items"][0]
        for path in (
            "/?show=all",
            "/?q=use",
            "/people/ada",
            visit,
            "/publications",
            "/publications?login=ada",
            "/feed.atom",
            "/feed.json",
            "/feed.atom?show=today",
        ):
            page = browser.get(path).text
            assert SECRET not in page.replace(name, ""), path
            assert name in page, path
        assert REMOVED not in browser.get("/publications").text
        for path in (visit, "/feed.json"):
            assert browser.get(path).text.count(REMOVED) == 2, path
        # Below its facts, the page shows what an approval sends.
        facts, _, _ = browser.get(f"/publications/{row['id']}").text.partition("<h2")
        assert SECRET not in facts.replace(name, "")
        assert "View gist" in facts


def test_what_is_held_for_credentials_is_shown_as_its_approval_sends_it(served: Served) -> None:
    served.track("ada", {"leak.py": f"user = 'ada'\nkey = {SECRET!r}\n"})
    [row] = served.gitpip.wait_for(
        lambda: served.gitpip.get("/api/v1/publications?state=held").json()["items"],
        "a held file",
    )
    path = f"/publications/{row['id']}"
    page = on_one_line(served.gitpip.get(path).text)
    preview = served.gitpip.get(f"/api/v1{path}/preview").json()
    without = served.gitpip.get(f"/api/v1{path}/preview?credentials=mask").json()
    show = ("publications", "show", str(row["id"]))
    shown = served.gitpip.command(*show).stdout
    shown_without = served.gitpip.command(*show, "--credentials", "mask").stdout
    assert f"sends it as shown here, with what looks like credentials: {FOUND}" in page
    assert re.search('<button id="retry-1" class="quiet"[^>]*>Send with the credential<', page)
    assert re.search('<button id="mask-1" aria-label[^>]*>Send without the credential<', page)
    assert (without["masked"], without["credentials"]) == ([FOUND], [])
    assert f"key = &amp;#x27;{REMOVED}" in page.partition('<h2 id="without">')[2]
    for text in (page.partition('<h2 id="without">')[2], json.dumps(without), shown_without):
        assert SECRET not in text
        assert REMOVED in text
    assert (preview["masked"], preview["credentials"]) == ([], [FOUND])
    assert f"credentials: {FOUND}. Approving sends the note as it is" in shown
    for text in (page, preview["note"], shown):
        assert SECRET in text

    # A form of a page that did not show it sends nothing.
    url = served.gitpip.url
    led = httpx2.post(f"{url}{path}/retry")
    assert led.headers["location"].startswith(path)
    boxes = {"act": "approve", "number": str(row["id"])}
    assert httpx2.post(f"{url}/publications/selected", data=boxes).status_code == 303
    assert served.gitpip.get(f"/api/v1{path}").json()["state"] == "held"

    sent = httpx2.post(f"{url}{path}/retry", data={"credentials": "publish"})
    assert sent.status_code == 303
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    assert served.pipedrive.activities[0]["note"] == preview["note"]
    served.gitpip.wait_for(
        lambda: served.gitpip.get(f"/api/v1{path}").json()["state"] == "published", "it to be sent"
    )
    page = on_one_line(served.gitpip.get(path).text)
    assert (
        f"gitpip sent it as shown here. It contains what looks like credentials: {FOUND}." in page
    )
    assert SECRET in page


def test_the_words_around_a_sent_file(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    [row] = served.gitpip.wait_for(
        lambda: served.gitpip.get("/api/v1/publications?state=published").json()["items"],
        "the publication",
    )
    listed = served.gitpip.get("/publications").text
    assert re.search(r">View<span[^>]*> one.py", on_one_line(listed))
    shown = on_one_line(served.gitpip.get(f"/publications/{row['id']}").text)
    assert "<h2>Activity with current settings</h2>" in shown
    assert re.search(r'aria-label="Note" dir="auto"><p>.*?<pre>1', shown)  # not its tags as text
    assert f"Sync ID <code>{row['marker']}</code>" in shown
    assert '<span class="state published">' in listed
    assert '<span class="state failed">' not in listed  # red, for none
    person = re.sub("<[^>]+>", "", served.gitpip.get("/people/ada").text)
    assert re.search(r"last checked [^·]+\S\s+·\s+View on GitHub", person)
    [ready] = served.gitpip.logged("deal.ready")
    assert ready["deal_id"]
    assert "reason" not in ready


def test_the_list_says_how_many_wait_and_how_long_that_takes(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    served.gitpip.wait_for(
        lambda: served.gitpip.get("/api/v1/publications?state=published").json()["items"],
        "the first publication",
    )
    assert " left." not in served.gitpip.get("/publications").text

    served.pipedrive.faults.script(Fault.held(), method="POST", path="activities$")
    served.track("bob", {"two.py": "2", "three.py": "3"})
    served.gitpip.wait_for(
        lambda: served.gitpip.get("/api/v1/publications?state=sending").json()["items"],
        "an activity on its way",
    )
    listed = served.gitpip.get("/publications").text
    assert re.search(r"(1 queued, 1|2) sending, about \d+ \w+ left\.", on_one_line(listed))

    served.pipedrive.faults.let_go()
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 3)
    served.gitpip.wait_for(
        lambda: " left." not in served.gitpip.get("/publications").text, "the queue's end"
    )


def test_a_decision_leads_back_to_the_list_it_came_from(served: Served) -> None:
    served.github.add_user("ada")
    served.github.add_gist("ada", {"one.py": "1"})
    added = httpx2.post(
        served.gitpip.url + "/api/v1/users", json={"login": "ada", "backfill": "none"}
    )
    assert added.status_code == 201
    served.wait_for_files("ada", 1)
    row = served.gitpip.get("/api/v1/publications?state=skipped").json()["items"][0]

    listed = served.gitpip.get("/publications?state=skipped").text
    assert f'action="/publications/{row["id"]}/retry?state=skipped&amp;offset=0"' in listed
    answer = served.gitpip.post(f"/publications/{row['id']}/retry?state=skipped&offset=0")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/publications?state=skipped&offset=0&queued=1"
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    assert served.gitpip.post("/publications/1/retry?state=nonsense").status_code == 422


def test_a_file_that_waits_for_its_deal_can_be_retried_and_the_status_says_why(
    served: Served,
) -> None:
    served.pipedrive.deal_cap = 0
    served.track("ada", {"one.py": "1"})

    def kinds() -> list[str]:
        problems = served.gitpip.get("/api/v1/status").json()["problems"]
        return [problem["kind"] for problem in problems]

    served.gitpip.wait_for(lambda: "deals-delayed" in kinds(), "the warning")
    told = on_one_line(served.gitpip.get("/status-page").text)
    assert "plan is reached; close or delete open deals in Pipedrive, or get a larger plan." in told
    row = served.gitpip.get("/api/v1/publications?state=pending").json()["items"][0]
    assert f'id="retry-{row["id"]}"' in served.gitpip.get("/publications").text

    served.pipedrive.deal_cap = None
    assert served.gitpip.post(f"/publications/{row['id']}/retry").status_code == 303
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)


def test_files_of_one_activity_name_each_other(served: Served, tmp_path: Path) -> None:
    served.track("ada", {f"{name}.py": name for name in "abcde"})
    served.gitpip.wait_for(
        lambda: served.gitpip.get("/api/v1/publications?state=published").json()["total"] == 5,
        "the publications",
    )
    # As they are where one activity was made of the gist, which waits for the first minutes.
    with sqlite3.connect(tmp_path / "gitpip.sqlite3") as database:
        database.execute("UPDATE publications SET state = 'skipped', part_of = 1 WHERE id > 1")
    everything = served.gitpip.get("/api/v1/publications").json()["items"]
    *parts, first = everything
    activity = first["activity_id"]
    names = {each["id"]: each["filename"] for each in everything}
    others = [{"id": number, "filename": names[number]} for number in (2, 3, 4, 5)]
    assert first["sent_with"] == others
    for part in parts:
        assert part["sent_with"] == [{"id": 1, "filename": names[1]}]
        assert (part["part_of"], part["activity_id"]) == (1, activity)
    [check] = {each["check_id"] for each in everything}
    of_check = served.gitpip.get(f"/api/v1/publications?check={check}").json()
    assert (of_check["total"], of_check["items"]) == (5, everything)

    [page, of_first, of_part] = [
        " ".join(re.sub("<[^>]+>", "", served.gitpip.get(f"/publications{path}").text).split())
        for path in ("", "/1", "/2")
    ]
    command = served.gitpip.command("publications", "list", "--json").stdout
    listed = " ".join(served.gitpip.command("publications", "list").stdout.split())
    with_first = f"sent with {names[1]} as activity {activity}"
    with_others = f"sent with {names[2]}, {names[3]}, {names[4]} and 1 more as activity {activity}"
    for text in (page, listed):
        assert text.count(with_first) == 4
        assert with_others in text
    assert [each["sent_with"] for each in json.loads(command)][-1] == others
    assert f"Sent with {', '.join(names[number] for number in (2, 3, 4, 5))}" in of_first
    assert f"Sent with {names[1]}, which is retried" in of_part
    assert f"sent with: {names[1]} (1)\n" in (
        served.gitpip.command("publications", "show", "2").stdout
    )
    gist = served.gitpip.get(f"/gist/{first['gist_id']}").text
    assert " ".join(gist.split()).count("· sent with <bdi>") == 5


def test_what_is_selected_is_sent_again_and_undone_after_a_question(served: Served) -> None:
    served.track("ada", {"one.py": "1", "two.py": "2"})

    def published() -> list[dict[str, Any]]:
        rows = served.gitpip.get("/api/v1/publications").json()["items"]
        return rows if {row["state"] for row in rows} == {"published"} else []

    rows = served.gitpip.wait_for(published, "both files to be published")
    selected = {"act": "send-again", "number": [str(row["id"]) for row in rows]}
    listed = served.gitpip.get("/publications").text
    assert '<button formmethod="get" formaction="/undo"' in listed
    assert all(f'id="choose-{row["id"]}"' in listed for row in rows)

    asked = httpx2.post(served.gitpip.url + "/publications/selected", data=selected).text
    assert "The old activity stays there" in asked
    assert len(served.pipedrive.activities) == 2
    shown = re.findall(r'name="number"\s+value="([0-9]+)"', asked)
    assert sorted(shown) == sorted(selected["number"])
    begun = httpx2.post(served.gitpip.url + "/repairs", data=selected | {"shown": "2"})
    assert begun.status_code == 303
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 4)
    page = served.gitpip.get(f"/publications/{rows[0]['id']}").text
    assert f"Sent before as activity {rows[0]['activity_id']}" in " ".join(
        re.sub("<[^>]*>", "", page).split()
    )

    numbers = "&".join(f"number={row['id']}" for row in rows)
    plan = served.gitpip.get(f"/undo?{numbers}").text
    assert "4 activities in Pipedrive will be deleted" in " ".join(plan.split())
    assert "which=earlier" in plan


def test_an_undo_is_found_from_the_pages(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    of_ada = 'href="/undo?user=ada"'
    served.gitpip.wait_for(
        lambda: of_ada in served.gitpip.get("/people/ada").text, "the link to undo what was sent"
    )
    assert 'href="/undo"' in served.gitpip.get("/publications").text
    assert "Recent undos" not in served.gitpip.get("/undo").text
    asked = httpx2.post(served.gitpip.url + "/undos", data={"user": "ada", "check": "1"})
    assert asked.status_code == 422
    assert "only one of them" in asked.text

    begun = httpx2.post(served.gitpip.url + "/undos", data={"user": "ada"})

    listed = served.gitpip.get("/undo").text
    assert f'<a href="{begun.headers["location"]}">Undo 1: ' in listed


def test_an_undo_says_what_holds_it_up(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    served.pipedrive.wait_until(lambda: len(served.pipedrive.activities) == 1)
    assert served.api("POST", "/publishing/pause", {"for": "1h"}).is_success
    served.gitpip.wait_for(lambda: served.api("POST", "/undos", {"user": "ada"}).is_success, "it")
    page = on_one_line(served.gitpip.get("/undos/1").text)
    assert "Waits. Sync is paused" in page
    assert 'id="resume-publishing"' in page
    listed = served.api("GET", "/undos").json()["items"]
    shown = json.loads(served.gitpip.command("undos", "show", "1", "--json").stdout)
    for one in (*listed, served.api("GET", "/undos/1").json(), shown):
        assert one["waits_because"].startswith("Sync is paused")
    httpx2.post(served.gitpip.url + "/status-page/publishing/resume")
    served.gitpip.wait_for(lambda: "Done" in served.gitpip.get("/undos/1").text, "the undo to end")
    assert "Waits." not in served.gitpip.get("/undos/1").text
    assert served.api("GET", "/undos/1").json()["waits_because"] is None
