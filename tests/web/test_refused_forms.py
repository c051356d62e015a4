"""A refused form marks the field that is wrong, says why, and keeps what was written."""

from collections.abc import AsyncIterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from gitpip.backfill import Backfill
from gitpip.clock import utc_now
from gitpip.config import load_settings
from gitpip.store.database import open_database
from gitpip.store.users import users
from tests.web.routes import application

ORIGIN = {"origin": "http://127.0.0.1"}
RULE = {"name": "a rule", "action": "hold"}
LONG = "x" * 400
Fields = Mapping[str, str]


VOID = {"input", "br", "link", "meta", "img", "hr", "wbr"}


class FormFields(HTMLParser):
    """The fields of a page, with their attributes, and the text of each element with an id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: list[dict[str, str]] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        """The tags that are open, each with the id of its element."""
        self._is_written = False
        """Whether the text that follows is the value of a field."""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        had = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append((tag, had.get("id", "")))
        if tag in {"input", "select", "textarea"}:
            self.fields.append(had)
        elif tag == "option" and "selected" in had and "value" in had:
            self.fields[-1]["value"] = had["value"]
        self._is_written = tag == "textarea" or (
            tag == "option" and "selected" in had and "value" not in had
        )

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            self.texts[name] = self.texts.get(name, "") + data
        if self._is_written:
            self.fields[-1]["value"] = self.fields[-1].get("value", "") + data

    def handle_endtag(self, tag: str) -> None:
        self._is_written = False
        while self._open and self._open.pop()[0] != tag:
            pass


@pytest.fixture
async def client(database_url: str, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    database = open_database(database_url)
    await database.migrate()
    settings = load_settings(
        {"GITPIP_DATA_DIR": str(tmp_path), "GITPIP_ALLOW_ANONYMOUS": "all"}, env_file=None
    )
    async with database.begin() as transaction:
        await users.add(
            transaction,
            "ada",
            external_id="ada",
            account=None,
            backfill=Backfill.parse("all"),
            now=utc_now(),
        )
    transport = httpx2.ASGITransport(app=application(database, settings))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", timeout=60
    ) as client:
        first: dict[str, object] = {**RULE, "conditions": {}}
        assert (await client.post("/api/v1/publishing/rules", json=first)).status_code == 201
        yield client
    await database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("path", "form", "field", "told"),
    [
        ("/keys", {"name": "no name", "role": "operator"}, "name", "Name: "),
        ("/keys", {"name": "ada", "role": "admin", "expires": "soon"}, "expires", "Expires after"),
        ("/feeds", {"name": LONG[:100]}, "name", "Name: "),
        ("/rules", RULE | {"name": LONG}, "name", "Name: "),
        ("/rules", RULE | {"position": "first"}, "position", "Position: "),
        ("/rules", RULE | {"larger_than": "many"}, "larger_than", "Larger than (bytes): "),
        ("/rules", RULE | {"content": "("}, "content", "Content matches: "),
        ("/rules/1/move", {"position": "9"}, "position", "Position: "),
        ("/opt-outs", {"login": "no login", "reason": "asked"}, "login", "isn't a valid"),
        ("/opt-outs", {"login": "ada", "reason": LONG}, "reason", "Reason: "),
        ("/settings/publishing", {"subject_template": "{{"}, "subject_template", "Subject"),
        ("/settings/publishing/preview", {"note_template": "{{"}, "note_template", "Note"),
        ("/settings/publishing/preview", {"of": "no!such"}, "of", "no!such"),
        ("/audits", {"login": "no!such"}, "login", "no!such"),
        ("/inbox/filters", {"name": LONG}, "name", "Name: "),
        ("/inbox/filters", {"name": "mine", "user": "no!such"}, "user", "no!such"),
        ("/people", {"login": " ", "tags": "a"}, "login", "Enter at least one"),
        ("/people", {"login": "grace", "tags": LONG}, "tags", "Tags: "),
        ("/people", {"login": "grace", "id": LONG}, "id", "Customer ID: "),
        ("/people", {"login": "grace", "backfill": "latest", "latest": "0"}, "latest", "Existing"),
        ("/people/ada/change", {"tags": LONG}, "tags", "Tags: "),
        ("/people/ada/change", {"tags": "a", "interval": "soon"}, "interval", "Check every: "),
        ("/people/ada/target", {"target": "deal:x"}, "target", "Target: "),
        ("/people/ada/targets", {"term": "x"}, "term", "Name in Pipedrive: "),
        ("/status-page/publishing/pause", {"lasts": "soon", "reason": "a"}, "lasts", "For: "),
        ("/status-page/publishing/pause", {"until": "then"}, "until", "Until: "),
        ("/status-page/publishing/pause", {"lasts": "1h", "reason": LONG}, "reason", "Reason: "),
        ("/imports", {}, "file", "Choose a file"),
        ("/imports", {"users": '{"login": "ada"'}, "users", "Not imported: "),
    ],
)
async def test_the_field_that_is_wrong_is_marked(
    client: httpx2.AsyncClient, path: str, form: Fields, field: str, told: str
) -> None:
    answer = await client.post(path, data=form, headers=ORIGIN)

    assert answer.status_code == 422, answer.text
    page = FormFields(answer.text)
    [wrong] = [each for each in page.fields if "aria-invalid" in each]
    assert (wrong["name"], wrong["aria-invalid"]) == (field, "true")
    # Adding people leads to the place of the form, which keeps a browser from focusing a field.
    focused = [] if path == "/people" else [wrong]
    assert [each for each in page.fields if "autofocus" in each] == focused
    messages = [page.texts[each] for each in wrong["aria-describedby"].split()]
    assert told in messages[0]
    kept = {(each.get("name"), each.get("value")) for each in page.fields}
    assert {*form.items()} <= kept


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_search_that_fails_keeps_its_term_in_sight(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/people/ada/targets", data={"term": "Acme"}, headers=ORIGIN)

    assert answer.status_code == 422, answer.text
    terms = [each["value"] for each in FormFields(answer.text).fields if each.get("name") == "term"]
    assert terms == ["Acme"]
    assert '<details id="target" open>' in answer.text
