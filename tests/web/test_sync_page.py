"""CRM sync keeps its list after each act, and says there what was refused and what is tried."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from gitpip_standins import Fault
from tests.support.pages import on_one_line
from tests.web.conftest import Served, serving

FILTER = "login=ada&tag=vip"
PAGE = {"accept": "text/html"}


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Served]:
    """Two files of ada, who is tagged, that Pipedrive refused."""
    with serving(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3") as served:
        refusal = Fault.says(400, {"success": False, "error": "no such type"})
        served.pipedrive.faults.script(*[refusal] * 2, method="POST", path="activities$")
        served.track("ada", {"1.txt": "1", "2.txt": "2"})
        assert served.api("PATCH", "/users/ada", {"tags": ["vip"]}).is_success
        served.gitpip.wait_for(lambda: total(served, "failed") == 2, "two refusals")
        yield served


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Served]:
    """Files of two people that wait for a decision."""
    with serving(
        tmp_path,
        f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3",
        GITPIP_PUBLISHING_MODE="ask",
    ) as served:
        served.track("ada", {"1.txt": "1", "2.txt": "2"})
        served.track("bob", {"3.txt": "3"})
        served.gitpip.wait_for(lambda: total(served, "held") == 3, "three that are held")
        yield served


def total(served: Served, state: str) -> int:
    found: int = served.api("GET", f"/publications?state={state}").json()["total"]
    return found


def post(served: Served, path: str, **fields: str) -> httpx2.Response:
    return httpx2.post(served.gitpip.url + path, data=fields, headers=PAGE, timeout=20)


def shown(served: Served, path: str) -> str:
    return on_one_line(httpx2.get(served.gitpip.url + path, headers=PAGE, timeout=20).text)


def actions(page: str) -> list[str]:
    return [found.replace("&amp;", "&") for found in re.findall('action="(/[^"]*)"', page)]


def test_each_act_leads_back_to_the_same_list(refused: Served) -> None:
    page = shown(refused, f"/publications?{FILTER}&state=failed")
    first, second = sorted(re.findall('name="number" value="([0-9]+)"', page))
    back = "/publications?state=failed&login=ada&tag=vip&offset=0"

    [selected] = [one for one in actions(page) if one.startswith("/publications/selected")]
    chosen = post(refused, selected, act="skip", number=first)
    [retry] = [one for one in actions(page) if one.startswith(f"/publications/{second}/retry")]
    retried = post(refused, retry)
    opened = shown(refused, f"/publications/{first}?{FILTER}&state=failed")

    assert chosen.headers["location"] == f"{back}&skipped=1"
    assert retried.headers["location"] == f"{back}&retried=1"
    assert f'href="{back.replace("&", "&amp;")}" data-back' in opened
    after = shown(refused, chosen.headers["location"])
    assert "Skipped 1 file." in after
    assert 'name="login" value="ada"' in after
    repair = post(refused, f"/repairs?{FILTER}&state=skipped", act="retry", shown="1")
    assert f'href="/publications?{FILTER.replace("&", "&amp;")}"' in shown(
        refused, repair.headers["location"]
    )


def test_what_another_tab_did_is_said_on_the_same_list(refused: Served) -> None:
    page = shown(refused, f"/publications?{FILTER}")
    number = re.findall('name="number" value="([0-9]+)"', page)[0]
    assert post(refused, f"/publications/{number}/skip").status_code == 303

    late = post(refused, f"/publications/{number}/skip?{FILTER}&offset=0")
    approved = post(
        refused, f"/publications/selected?{FILTER}&offset=0", act="approve", number=number
    )

    for answer, sentence in (
        (late, "This file is skipped already, so it can&#39;t be skipped."),
        (approved, "is skipped"),
    ):
        told = on_one_line(answer.text)
        assert answer.status_code == 409
        assert "<h1>CRM sync</h1>" in told
        assert re.search(f'role="alert">[^<]*{sentence}', told)
        assert 'name="login" value="ada"' in told


def test_a_number_that_changed_is_said_where_it_was_decided(held: Served) -> None:
    of_one = post(held, "/people/ada/held", approve="all", shown="1", back="publications")
    of_all = post(held, "/publications/held", approve="latest", latest="1", shown="2")
    wrong = post(held, "/people/ada/held", approve="latest", latest="0", back="publications")

    assert "2 files of ada are held now, not 1." in on_one_line(of_one.text)
    assert "3 files are held now, not 2." in on_one_line(of_all.text)
    assert (of_one.status_code, of_all.status_code, wrong.status_code) == (409, 409, 422)
    for answer in (of_one, of_all, wrong):
        assert "<h1>CRM sync</h1>" in answer.text
        assert 'role="alert"' in answer.text
    assert total(held, "held") == 3


def test_a_repair_whose_files_changed_asks_again_with_the_reason(held: Served) -> None:
    answer = post(held, "/repairs?state=held", act="approve", shown="2")
    page = on_one_line(answer.text)
    assert answer.status_code == 409
    assert "<h1>Approve 3 files?</h1>" in page
    assert 'role="alert">The number of files changed from 2 to 3. Review' in page
    assert '<button name="shown" value="3"' in page
    assert total(held, "held") == 3


def test_acts_on_all_ask_once_and_look_alike(held: Served) -> None:
    page = shown(held, "/publications").partition('<div class="chips"')[0]
    buttons = re.findall('<button name="act" value="(approve|skip)"([^>]*)>([^<]*)<', page)
    assert [(act, words.strip()) for act, _, words in buttons] == [
        ("approve", "Approve all 3 held files …"),
        ("skip", "Skip all 3 held files …"),
    ]
    assert {style for _, style, _ in buttons} == {' class="quiet"'}
    assert 'class="grave"' not in page
    for act, _, _ in buttons:
        asked = post(held, "/repairs?state=held", act=act).text
        assert f"{act.capitalize()} 3 files?" in asked
    assert "Approve 1 file, skip 2" in shown(held, "/publications?latest=1")
    assert total(held, "held") == 3


def test_a_wrong_length_of_a_pause_keeps_the_form(served: Served) -> None:
    for back, heading in (("publications", "CRM sync"), ("", "Status")):
        fields = {"lasts": "tomorrow", "reason": "a fair", "back": back}
        answer = post(served, "/status-page/publishing/pause", **fields)
        page = on_one_line(answer.text)
        assert answer.status_code == 422
        assert f"<h1>{heading}</h1>" in page
        assert "For: must be a duration, e.g. 45 s, 90 min, 3 h, 2 days." in page
        assert '<details class="more" open><summary class="act">Pause sync' in page
        for name, value in (("lasts", "tomorrow"), ("reason", "a fair")):
            assert re.search(f'name="{name}"[^>]* value="{value}"', page)
    late = post(served, "/status-page/publishing/pause", until="2001-02-03T08:00").text
    assert re.search(r"Until: <time[^>]*>[^<]*</time> is not within", on_one_line(late))
    for length in ("90 min", "3 h", "2 days"):
        paused = post(served, "/status-page/publishing/pause", lasts=length, back="publications")
        assert (paused.status_code, paused.headers["location"]) == (303, "/publications")

    for path in ("/status-page", "/publications"):
        page = shown(served, path)
        assert 'id="pause-publishing"' not in page, path
        assert 'id="resume-publishing"' in page, path


def test_pausing_and_resuming_keep_the_filter(refused: Served) -> None:
    back = "/publications?state=failed&login=ada&tag=vip"
    for act in ("pause", "resume"):
        page = shown(refused, f"/publications?{FILTER}&state=failed")
        [form] = [one for one in actions(page) if one.startswith("/status-page/publishing/")]
        assert form.startswith(f"/status-page/publishing/{act}?")
        wrong = post(refused, form, back="publications", lasts="tomorrow")
        if act == "pause":
            assert 'name="login" value="ada"' in on_one_line(wrong.text)
            done = post(refused, form, back="publications")
            assert done.headers["location"] == back
            # Nothing is tried above the pause of a person.
            status = shown(refused, "/status-page?tried=publishing")
            assert "Trying now" not in status
            assert "is running again" not in status
        else:
            assert wrong.headers["location"] == back
    number = re.findall('name="number" value="([0-9]+)"', page)[0]
    tried = post(refused, f"/status-page/try/publishing?{FILTER}", back="publications")
    assert tried.headers["location"] == f"/publications?{FILTER}&tried=publishing"
    again = post(refused, f"/repairs?{FILTER}&state=published", act="retry", number=number)
    assert "<h1>Retry 1 file?</h1>" in on_one_line(again.text)


def test_a_wrong_day_in_an_address_is_named_in_plain_words(served_to_all: Served) -> None:
    page = shown(served_to_all, "/publications?found_on=x")
    assert "Found on: must be a date, e.g. 2026-01-31." in page


def test_trying_now_is_said_until_the_pause_is_back(served: Served) -> None:
    limited = Fault.limited({"x-daily-ratelimit-token-remaining": "0"})
    served.pipedrive.faults.chance(1, [limited], seed=1, method="POST")
    served.track("ada", {"one.txt": "1"}, {"two.txt": "2"})
    served.gitpip.wait_for(lambda: "Try now" in shown(served, "/publications"), "the pause")
    page = shown(served, "/publications")
    parts = "#unread,#attention,#paused,#stopped:morph,#needing:morph,#status-chips:morph"
    assert f'hx-select-oob="{parts}"' in page
    assert re.search('<span id="paused"><a href="/publications"><span>Sync paused · retries ', page)

    served.pipedrive.faults.clear()
    served.pipedrive.faults.script(Fault.held(), limited, method="POST")
    tried = post(served, "/status-page/try/publishing", back="publications")
    assert tried.headers["location"] == "/publications?tried=publishing"
    page = shown(served, tried.headers["location"])
    assert 'role="status">Trying now…<' in page
    assert " left." not in page
    assert 'hx-get="/publications?offset=0&amp;tried=publishing"' in page
    assert '<span id="paused"></span>' in page
    status = shown(served, "/status-page?tried=publishing")
    assert "Trying now…" in status

    served.pipedrive.faults.let_go()
    served.gitpip.wait_for(
        lambda: 'id="try-publishing-paused"' in shown(served, "/publications?tried=publishing"),
        "the pause that is back",
    )
    assert "Trying now…" not in shown(served, "/publications?tried=publishing")


def test_what_waits_is_counted_as_the_filters_count_it(served: Served) -> None:
    served.pipedrive.faults.script(Fault.held(), method="POST", path="activities$")
    served.track("ada", {"one.py": "1"})
    served.gitpip.wait_for(lambda: total(served, "sending") == 1, "an activity on its way")
    page = shown(served, "/publications")
    assert re.search(r'<p class="soft">1 sending\.', page)
    assert ">Sending</span> 1<" in page.replace(" </a>", "<").replace("</a>", "<")
    assert ">1 sending</a>" in shown(served, "/status-page")
    served.pipedrive.faults.let_go()


def test_a_column_without_anything_in_it_is_left_out(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    served.gitpip.wait_for(lambda: total(served, "published") == 1, "an activity")
    published, everything = (
        shown(served, f"/publications{query}") for query in ("?state=published", "")
    )
    assert 'data-label="Reason"' not in published
    assert ">Reason</th>" not in published
    assert ">Reason</th>" in everything
    assert re.search(r'<span class="links"><a href="[^"]*" rel="noreferrer">Activity', published)
