"""Pictures of every page for the documentation: `python -m tests.journeys.screenshots FOLDER`.

They are taken in Chromium from the real service with the stand-ins, with the demo's cast.
"""

import json
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from playwright.sync_api import Page, ViewportSize, sync_playwright

from gitpip.demo.cast import CAST, GUEST, settle
from gitpip_standins import Fault, GitHub, Pipedrive, Server
from gitpip_standins.faults import FaultKind
from tests.support.chromium import ARGUMENTS
from tests.support.pages import on_one_line
from tests.support.running import Installation
from tests.support.tokens import TOKEN

WIDE = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed: no page can be shown")
    github, pipedrive = GitHub(tokens={TOKEN}), Pipedrive(token=TOKEN)
    settle(github, datetime.now(UTC))
    with (
        tempfile.TemporaryDirectory() as data,
        Server(github.app) as github_server,
        Server(pipedrive.app) as pipedrive_server,
        sync_playwright() as playwright,
    ):
        gitpip = Installation(
            Path(data),
            {
                "GITPIP_DATA_DIR": data,
                "GITPIP_PORT": "0",
                "GITPIP_CHECK_INTERVAL": "2s",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_TOKEN": TOKEN,
                "GITHUB_API_URL": github_server.url,
                "PIPEDRIVE_TOKEN": TOKEN,
                "PIPEDRIVE_ORG": "example",
                "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
            },
        )
        gitpip.start()
        try:
            gist_id = _play(github, pipedrive, gitpip)
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            dark = browser.new_context(
                viewport=PHONE, color_scheme="dark", device_scale_factor=2
            ).new_page()
            for name, path in {"home": "/", "users": "/people", "status": "/status-page"}.items():
                dark.goto(gitpip.url + path)
                dark.screenshot(path=folder / f"{name}-phone-dark.png")
            # At last, as it makes keys, and from then on nobody gets in without one.
            _take(browser.new_page(viewport=WIDE), gitpip, folder, gist_id)
            browser.close()
        finally:
            gitpip.stop()


def _play(github: GitHub, pipedrive: Pipedrive, gitpip: Installation) -> str:
    """Track the cast, let a gist be edited and one be refused; give the edited one's id."""
    with httpx2.Client(base_url=gitpip.url) as client:
        for number, actor in enumerate(CAST):
            tags = ["customer", "priority"] if number % 2 else ["customer"]
            client.post("/api/v1/users", json={"login": actor.login, "tags": tags})
        _until_published(gitpip)
        # Pipedrive refuses the next activity, for its own reasons.
        pipedrive.faults.script(
            Fault(FaultKind.ERROR, processed=False, status=400), method="POST", path="activities$"
        )
        gist_id = github.add_gist(
            CAST[0].login,
            {
                "retry.py": "import time\n\n\ndef retry(call, attempts=3):\n"
                "    for attempt in range(attempts):\n        try:\n            return call()\n"
                "        except OSError:\n            time.sleep(2**attempt)\n    raise\n"
            },
            description="Call again where the network fails",
        )
        gitpip.wait_for(lambda: _total(gitpip, "failed"), "a refusal")
        github.edit_gist(
            gist_id,
            {
                "retry.py": "import random\nimport time\n\n\ndef retry(call, attempts=3):\n"
                "    for attempt in range(attempts):\n        try:\n            return call()\n"
                "        except OSError:\n            if attempt == attempts - 1:\n"
                "                raise\n"
                "            time.sleep(2**attempt * random.random())\n"
            },
        )
        gitpip.wait_for(
            lambda: "View changes" in on_one_line(client.get(f"/gist/{gist_id}").text),
            "the edit",
            seconds=30,
        )
        _until_published(gitpip)
    return gist_id


def _total(gitpip: Installation, state: str) -> int:
    total: int = gitpip.get(f"/api/v1/publications?state={state}").json()["total"]
    return total


def _until_published(gitpip: Installation) -> None:
    gitpip.wait_for(
        lambda: _total(gitpip, "published") and not _total(gitpip, "pending"), "the publications"
    )


def _take(page: Page, gitpip: Installation, folder: Path, gist_id: str) -> None:
    login = CAST[0].login
    key = httpx2.get(f"{gitpip.url}/gist/{gist_id}").text.split("/changes/")[1].split('"')[0]
    failed = gitpip.get("/api/v1/publications?state=failed").json()["items"][0]["id"]
    for name, path in {
        "home": "/",
        "search": "/?q=time",
        "users": "/people",
        "user": f"/people/{login}",
        "remove": f"/people/{login}/remove",
        "gist": f"/gist/{gist_id}",
        "changes": f"/gist/{gist_id}/changes/{key}",
        "publications": "/publications",
        "publication": f"/publications/{failed}",
        "status": "/status-page",
        "setup": "/setup",
        "feeds": "/feeds",
        "api": "/docs",
    }.items():
        page.goto(gitpip.url + path)
        page.screenshot(path=folder / f"{name}.png")
    page.goto(f"{gitpip.url}/people?add={GUEST.login}")
    page.get_by_role("button", name="Preview").click()
    page.locator("#preview").wait_for()
    page.screenshot(path=folder / "forecast.png")
    page.goto(f"{gitpip.url}/imports")
    lines = "login,tags\nada-lovelace,customer\nno such login,\nkatherine-johnson,customer\n"
    file = {"name": "customers.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    page.get_by_label("File", exact=True).set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Preview import").click()
    page.get_by_role("button", name="Add 1 person").or_(
        page.get_by_role("button", name="Add 2 people")
    ).wait_for()
    page.screenshot(path=folder / "import.png")
    _sign_in(page, gitpip, folder)


def _sign_in(page: Page, gitpip: Installation, folder: Path) -> None:
    """From the first key on, what is only for those who have one."""
    made = gitpip.command("keys", "create", "ada", "--role", "admin", "--json")
    for name, role in (("grace", "operator"), ("sales", "viewer")):
        gitpip.command("keys", "create", name, "--role", role, "--expires", "90d")
    page.goto(f"{gitpip.url}/keys")
    page.screenshot(path=folder / "sign-in.png")
    page.get_by_label("Access key").fill(json.loads(made.stdout)["key"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Access keys").wait_for()
    page.screenshot(path=folder / "keys.png")
    page.goto(f"{gitpip.url}/audit")
    page.screenshot(path=folder / "audit.png")
    page.goto(f"{gitpip.url}/settings/publishing/preview")
    page.screenshot(path=folder / "preview.png")


if __name__ == "__main__":
    main()
