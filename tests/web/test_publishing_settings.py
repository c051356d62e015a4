"""The publishing settings by page and API: compared with the account, and with the environment."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from gitpip.clock import utc_now
from gitpip.config import load_settings
from gitpip.config.publishing.policy import registry
from gitpip.runtime.account_lists import AccountLists
from gitpip.store.database import Database, open_database
from gitpip_standins import Fault, Pipedrive, Server
from gitpip_standins.pipedrive.account import field_of
from tests.support.clocks import Clock
from tests.support.pages import on_one_line
from tests.support.tokens import TOKEN
from tests.web.routes import application

PAGE, API = "/settings/publishing", "/api/v1/publishing/settings"


@pytest.fixture
def crm() -> Pipedrive:
    crm = Pipedrive(token=TOKEN)
    crm.setup.users[7] = ("Sam Sales", "sam@example.com")
    return crm


@pytest.fixture
def crm_url(crm: Pipedrive) -> Iterator[str]:
    with Server(crm.app) as server:
        yield server.url


@pytest.fixture
async def database(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Database]:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3")
    shutil.copy(migrated_file, tmp_path / "gitpip.sqlite3")
    yield database
    await database.close()


def asked(
    database: Database,
    crm_url: str,
    now: Callable[[], datetime] = utc_now,
    **environment: str,
) -> httpx2.AsyncClient:
    """A client of the application under these settings."""
    settings = load_settings(
        {
            "PIPEDRIVE_TOKEN": TOKEN,
            "PIPEDRIVE_API_URL": f"{crm_url}/api",
            "GITPIP_ALLOW_ANONYMOUS": "all",
            **environment,
        },
        env_file=None,
    )
    app = application(database, settings)
    check = AccountLists(lambda: settings, now).check
    app.state.context = replace(app.state.context, check_settings=check)
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")


class PageForm(HTMLParser):
    """The fields of a page, with what is typed in them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if (name := given.get("name")) and tag in {"input", "textarea"}:
            self.values[name] = given.get("value") or ""
            self._inside = name if tag == "textarea" else None

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.values[self._inside] += data


async def value(client: httpx2.AsyncClient, name: str) -> tuple[str, str]:
    found = {one["name"]: one for one in (await client.get(API)).json()}
    return found[name]["value"], found[name]["source"]


@pytest.mark.parametrize(
    ("name", "wrong", "there_is"),
    [
        ("activity_type", "visit", "choose one of Call, Meeting, Task"),
        ("activity_owner", "Nobody", "choose one of Petra Pipe, Sam Sales"),
        ("activity_owner", "99", "choose one of Petra Pipe, Sam Sales"),
        ("activity_priority", "urgent", "choose one of Low, Medium, High"),
        ("deal_pipeline", "Purchase", "choose one of Sales"),
        ("deal_stage", "9", "choose one of Qualified, Offer"),
        ("deal_labels", "Hot, Warm", "choose one of Hot, Cold"),
        ("deal_custom_fields", "Source=GitHub", "no custom field of deals 'Source'"),
    ],
)
async def test_what_the_account_lacks_is_refused_with_what_there_is(
    database: Database, crm_url: str, name: str, wrong: str, there_is: str
) -> None:
    async with asked(database, crm_url) as client:
        answer = await client.patch(API, json={"settings": {name: wrong}})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
        assert there_is in answer.json()["detail"]
        page = await client.post(PAGE, data={name: wrong}, headers={"accept": "text/html"})
        assert page.status_code == 422
        shown = on_one_line(page.text)
        assert f">{registry()[name].declaration.label}: " in shown
        assert there_is.replace("'", "&#39;") in shown
        assert "<legend>Changed deals</legend>" in shown
        assert f">{wrong}</textarea>" in shown or f'value="{wrong}"' in shown
        assert (await value(client, name))[1] == "default"


async def test_the_default_type_is_refused_if_a_person_chooses_it_and_the_account_lacks_it(
    database: Database, crm: Pipedrive, crm_url: str
) -> None:
    crm.activity_types = ("call", "visit")
    async with asked(database, crm_url) as client:
        chosen = await client.patch(API, json={"settings": {"activity_type": "task"}})
        other = await client.patch(API, json={"settings": {"activity_done": "no"}})

    assert chosen.status_code == 422
    assert "no activity type 'task'; choose one of Call, Visit" in chosen.json()["detail"]
    assert other.status_code == 200  # the first active type is sent instead, as the doctor says


async def test_saving_several_times_reads_the_lists_once(
    database: Database, crm: Pipedrive, crm_url: str
) -> None:
    async with asked(database, crm_url) as client:
        for kind in ("meeting", "Call", "task"):
            answer = await client.patch(API, json={"settings": {"activity_type": kind}})
            assert answer.status_code == 200
            assert answer.json()["unchecked"] is None
        assert await value(client, "activity_type") == ("task", "stored")
    assert len(crm.requests) == 1


async def test_what_was_added_in_the_account_after_a_refusal_is_accepted(
    database: Database, crm: Pipedrive, crm_url: str
) -> None:
    clock = Clock()
    source = {"settings": {"deal_custom_fields": "Source=GitHub"}}
    async with asked(database, crm_url, clock) as client:
        for _ in range(2):
            assert (await client.patch(API, json=source)).status_code == 422
        assert len(crm.requests) == 1
        crm.setup.deal_fields.append(field_of("Source", "e" * 40, "varchar", custom=True))
        clock.advance(timedelta(seconds=6))
        answer = await client.patch(API, json=source)
    assert (answer.status_code, answer.json()["unchecked"]) == (200, None)


async def test_a_setting_that_could_not_be_compared_is_saved_with_a_note(
    database: Database, crm: Pipedrive, crm_url: str
) -> None:
    crm.faults.script(Fault.error(500), path="activityTypes$", times=None)
    async with asked(database, crm_url) as client:
        answer = await client.patch(API, json={"settings": {"activity_type": "visit"}})
        assert answer.status_code == 200
        assert "500" in answer.json()["unchecked"]
        page = await client.post(PAGE, data={"activity_type": "chat"})
        assert "could not be compared with the Pipedrive account" in on_one_line(page.text)
        assert await value(client, "activity_type") == ("chat", "stored")


async def test_what_the_environment_sets_is_shown_so_and_changed_by_nobody(
    database: Database, crm_url: str
) -> None:
    async with asked(
        database, crm_url, GITPIP_ACTIVITY_TYPE="call", GITPIP_DEAL_VISIBLE_TO="3"
    ) as client:
        assert await value(client, "activity_type") == ("call", "environment")
        answer = await client.patch(
            API, json={"settings": {"activity_done": False, "activity_type": "task"}}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "setting-given")
        assert "GITPIP_ACTIVITY_TYPE" in answer.json()["detail"]
        assert (await client.patch(API, json={"settings": {"activity_type": None}})).is_error
        page = await client.get(PAGE)
        assert "set in the environment by GITPIP_ACTIVITY_TYPE" in on_one_line(page.text)
        assert 'name="activity_type"' not in page.text
        assert 'value="Everyone, or the owner&#39;s group" disabled' in page.text
        assert '<option value="ask">Require approval</option>' in page.text
        assert 'value="">Send automatically (default)<' in on_one_line(page.text)
        assert await value(client, "activity_done") == ("yes", "default")


async def test_a_form_changes_only_what_was_changed_in_it(database: Database, crm_url: str) -> None:
    async with asked(database, crm_url) as client:
        await client.patch(API, json={"settings": {"deal_value": 7, "deal_currency": "EUR"}})
        form = {
            "deal_value": "8",
            "was:deal_value": "",
            "deal_currency": "EUR",
            "was:deal_currency": "EUR",
            "activity_done": "",
            "was:activity_done": "",
        }
        await client.patch(API, json={"settings": {"activity_done": False}})
        assert (await client.post(PAGE, data=form)).status_code == 303
        assert await value(client, "deal_value") == ("8", "stored")
        assert await value(client, "activity_done") == ("no", "stored"), "another's change stays"


async def test_templates_are_tried_from_the_settings_and_saved_from_there(
    database: Database, crm_url: str
) -> None:
    form = PageForm()
    async with asked(database, crm_url) as client:
        settings = (await client.get(PAGE)).text
        assert f'formaction="{PAGE}/preview"' in settings
        tried = await client.post(
            f"{PAGE}/preview",
            data={"activity_type": "call", "subject_template": "New: {{ file.name }}"},
        )
        assert tried.status_code == 200
        form.feed(tried.text)
        assert form.values["subject_template"] == "New: {{ file.name }}"
        saved = await client.post(PAGE, data=form.values)

        assert saved.status_code == 303
        assert await value(client, "subject_template") == ("New: {{ file.name }}", "stored")
        # What was not changed there is as it was.
        assert (await value(client, "note_template"))[1] == "default"
        assert (await value(client, "activity_type"))[1] == "default"
