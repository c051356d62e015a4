"""The page of the API says what each request may hold, and which answers are its own."""

import re
import shutil
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import httpx2
import pytest

from gitpip.config import load_settings
from gitpip.store.database import open_database
from gitpip.web.api.problems import PROBLEMS
from tests.web.routes import application


@pytest.fixture
async def sections(tmp_path: Path, migrated_file: Path) -> AsyncIterator[dict[str, str]]:
    """By method and path: what the page says; what stands above all of them under ""."""
    shutil.copy(migrated_file, tmp_path / "gitpip.db")
    settings = load_settings({"GITPIP_DATA_DIR": str(tmp_path)}, env_file=None)
    database = open_database(settings.database_url)
    app = application(database, settings)
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        page = (await client.get("/docs")).text
    above, *parts = page.split("<h2><code>")
    texts = {"": above} | dict(part.split("</code></h2>", 1) for part in parts)
    yield {
        name: " ".join(unescape(re.sub("<[^>]*>", "", at)).split()) for name, at in texts.items()
    }
    await database.close()


async def test_a_body_is_shown_field_by_field(sections: dict[str, str]) -> None:
    adding = sections["POST /api/v1/publishing/rules"]

    assert "Body, as application/json:" in adding
    assert "name (string, required)" in adding
    assert "action (one of " in adding


async def test_a_request_without_a_body_shows_none(sections: dict[str, str]) -> None:
    assert "Body" not in sections["GET /api/v1/publishing/rules"]


async def test_what_any_request_can_meet_is_said_once(sections: dict[str, str]) -> None:
    assert "429 Too many requests." in sections[""]
    assert [name for name, text in sections.items() if "`" in text] == []
    for name, text in sections.items():
        if name:
            own = re.search(r"Answers: ([\w, ]*)", text)
            assert own, name
            assert len(own[1].split(", ")) < len(PROBLEMS) / 2, (name, own[1])
