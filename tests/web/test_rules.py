"""The page and the API of rules: which rule decides about which stored file, and what is wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import update

from gitpip.backfill import Backfill
from gitpip.config import load_settings
from gitpip.model import GistId
from gitpip.publish import rule_trial
from gitpip.publish import rules as publishing_rules
from gitpip.store.database import Database, open_database
from gitpip.store.gists import gists
from gitpip.store.schema import gist_files
from gitpip.store.users import users
from gitpip.web import context
from tests.support.pages import on_one_line
from tests.support.rows import gist_of_one_file
from tests.web.routes import application

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ORIGIN = {"origin": "http://127.0.0.1"}
RULES = "/api/v1/publishing/rules"
SLOW = "((a{0,30}){0,30}b){0,1}z"


async def store(database: Database, login: str, number: int) -> None:
    """A tracked user with so many gists of one file each."""
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            login,
            external_id=login,
            account=None,
            backfill=Backfill.parse("all"),
            now=NOW,
        )
        found = [gist_of_one_file(GistId(f"{login}{at:020}"), at, NOW) for at in range(number)]
        await gists.store(transaction, added.user, found, check_id=None, now=NOW)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    await store(database, "ada", 3)
    settings = load_settings(
        {"GITPIP_DATA_DIR": str(tmp_path), "GITPIP_ALLOW_ANONYMOUS": "all"}, env_file=None
    )
    transport = httpx2.ASGITransport(app=application(database, settings))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", timeout=60
    ) as client:
        yield client


def cells_of(page: str) -> str:
    """Return the texts of the cells of all tables of a page, between bars."""
    return f"|{'|'.join(re.findall('<td[^>]*>([^<]*)</td>', page))}|"


async def test_the_page_and_the_api_show_which_rule_takes_which_file(
    client: httpx2.AsyncClient,
) -> None:
    first = (await client.get(f"{RULES}/trial")).json()
    assert [one["action"] for one in first] == ["publish"] * 3
    name = first[0]["filename"]
    for number, conditions in enumerate(({"names": [name]}, {"tags": ["vip"]})):
        rule = {"name": f"rule {number}", "action": "skip", "conditions": conditions}
        assert (await client.post(RULES, json=rule)).status_code == 201
    tried = (await client.get(f"{RULES}/trial?limit=2")).json()
    assert [(one["rule"], one["action"]) for one in tried] == [
        ("rule 0", "skip"),
        (None, "publish"),
    ]
    page = on_one_line((await client.get("/rules")).text)
    cells = cells_of(page)
    assert f"|rule 0|Skip|the filename matches {name}|1|" in cells
    assert "|no rule|Send|every other file|2|" in cells
    assert "Counted in the newest 3 stored files" in page
    edit = on_one_line((await client.get("/rules?edit=2")).text)
    assert 'action="/rules?rule_id=2"' in edit
    assert '<input name="tags" value="vip"' in edit
    assert '<option value="" selected>Any gist</option>' in edit
    of_forks = {"name": "rule 1", "action": "skip", "fork": "no"}
    saved = await client.post("/rules?rule_id=2", data=of_forks, headers=ORIGIN)
    assert saved.status_code == 303
    edit = on_one_line((await client.get("/rules?edit=2")).text)
    assert '<option value="no" selected>No forks</option>' in edit


async def test_what_would_become_of_a_file_counts_opt_outs_modes_and_pauses(
    client: httpx2.AsyncClient,
) -> None:
    names = [one["filename"] for one in (await client.get(f"{RULES}/trial")).json()]
    for name, action in zip(names[:2], ("skip", "publish"), strict=True):
        rule = {"name": action, "action": action, "conditions": {"names": [name]}}
        assert (await client.post(RULES, json=rule)).status_code == 201

    async def told() -> list[str]:
        """Of a file that a rule skips, one that a rule publishes, and one that none fits."""
        tried = (await client.get(f"{RULES}/trial")).json()
        assert [one["action"] for one in tried] == ["skip", "publish", "publish"]
        words = {"publish": "Send", "hold": "Hold", "skip": "Skip", "wait": "Wait"}
        fates = [
            f"{words[one['outcome']]}: {one['because']}".replace(": None", "") for one in tried
        ]
        page = on_one_line((await client.get("/rules")).text)
        assert re.findall('data-label="Result">([^<]*)</td></tr>', page) == fates
        return fates

    async def mode(path: str, **settings: object) -> None:
        assert (await client.patch(f"/api/v1/{path}", json=settings)).status_code == 200

    skipped = "; then it is skipped by the rule skip"
    assert await told() == ["Skip: skipped by the rule skip", "Send", "Send"]
    await mode("publishing/settings", settings={"publishing_mode": "dry-run"})
    dry = "Wait: nothing is sent in a dry run"
    held = "; then it is held: found, or not sent yet, during a dry run"
    assert await told() == [dry + skipped, dry + held, dry + held]
    page = on_one_line((await client.get("/rules")).text)
    assert f"|no rule|{dry}{held}|" in cells_of(page)
    await mode("users/ada", publishing_mode="ask")
    asked = "needs approval"
    assert await told() == ["Skip: skipped by the rule skip", *[f"Hold: {asked}"] * 2]
    await mode("users/ada", paused=True)
    paused = "Wait: its user is paused"
    assert await told() == [paused + skipped, *[f"{paused}; then it is held: {asked}"] * 2]
    await mode("users/ada", publishing_mode="automatic")
    await client.post("/api/v1/publishing/pause", json={})
    paused = f"{paused} and publishing is paused"
    assert await told() == [paused + skipped, paused, paused]
    await client.post("/api/v1/opt-outs", json={"login": "ada"})
    assert await told() == ["Skip: its owner opted out"] * 3


async def test_slow_rules_are_tried_on_fewer_files_and_can_be_removed_on_the_page(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_trial, "TRIAL_TIME_LIMIT", timedelta(0))
    slow = {"name": "slow", "action": "hold", "conditions": {"content": SLOW}}
    rule = (await client.post(RULES, json=slow)).json()
    answer = await client.get(f"{RULES}/trial")
    [one] = answer.json()
    assert (one["action"], one["too_slow"]) == ("publish", False)
    assert answer.headers["gitpip-timed-out"] == "true"
    assert answer.headers["gitpip-slowest-rule"] == str(rule["id"])
    assert float(answer.headers["gitpip-slowest-seconds"]) < 1
    page = on_one_line((await client.get("/rules")).text)
    assert (
        "In 0 seconds, gitpip tried only the newest 1 of 1,000 stored files. "
        "The slowest rule is slow: up to 0.0 s for a file."
    ) in page
    assert "Counted in the newest 1 stored file." in page
    with monkeypatch.context() as patch:
        patch.setattr(publishing_rules, "RULES_TIME_LIMIT", -1)
        [one] = (await client.get(f"{RULES}/trial")).json()
        assert (one["rule"], one["action"], one["too_slow"]) == (None, "hold", True)
        page = on_one_line((await client.get("/rules")).text)
    assert "|too slow|Hold|" in cells_of(page)
    assert "They take longer for 1 of these files, so gitpip would hold it." in page
    removed = await client.post(f"/rules/{rule['id']}/remove", headers=ORIGIN)
    assert removed.status_code == 303
    assert "No rules yet. Every file is sent." in (await client.get("/rules")).text


@pytest.mark.long
async def test_two_trials_run_at_a_time_and_the_page_still_shows_the_rules(
    client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "TRIALS_WAIT", timedelta(0))
    slow = {"name": "slow", "action": "hold", "conditions": {"content": SLOW}}
    assert (await client.post(RULES, json=slow)).status_code == 201
    async with database.begin() as transaction:
        await transaction.execute(update(gist_files).values(content="a" * 20_000))
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(client.get(f"{RULES}/trial")) for _ in range(5)]
        first, *_ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert next(iter(first)).result().status_code == 503
        page = tasks.create_task(client.get("/rules"))
    assert sorted(task.result().status_code for task in asked) == [200, 200, 503, 503, 503]
    assert "The rules were not tried: other trials of the rules are running" in page.result().text
    assert "/rules/1/remove" in page.result().text


async def test_the_page_says_what_is_wrong_and_keeps_what_was_written(
    client: httpx2.AsyncClient,
) -> None:
    form = {"name": "My <rule>", "action": "hold", "content": "(a", "names": "*.env"}
    answer = await client.post("/rules", data=form, headers=ORIGIN)
    page = on_one_line(answer.text)
    assert answer.status_code == 422
    assert "Content matches: must be a regular expression of RE2" in page
    assert 'value="My &lt;rule&gt;"' in page
    assert 'name="content" value="(a"' in page
    assert 'name="names" value="*.env"' in page


async def test_a_user_who_opted_out_is_shown_as_one(client: httpx2.AsyncClient) -> None:
    form = {"login": "Ada", "reason": "asked <by> mail"}
    assert (await client.post("/opt-outs", data=form, headers=ORIGIN)).status_code == 303
    page = on_one_line((await client.get("/people/ada")).text)
    assert "The owner opted out" in page
    assert "asked &lt;by&gt; mail" in page
    [one] = (await client.get("/api/v1/opt-outs")).json()
    assert (one["login"], one["reason"]) == ("ada", "asked <by> mail")
