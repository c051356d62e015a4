"""How soon a new gist is in the CRM, with many tracked users and default settings.

`python -m benchmarks.freshness [USERS [MINUTES]]` (100,000 and 4 unless given) runs the real
service on SQLite against the stand-ins. Once everybody was looked at, somebody publishes a gist
every few seconds, and the time until its activity appears is taken. The feed is read once a minute,
so the ratio to one minute says what all the rest adds.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.crowd import FIRST_ID, fill
from gitpip.store.database import open_database
from gitpip_standins import GitHub, Pipedrive, Server
from tests.support.running import Installation

TOKEN = "benchmark-token"  # noqa: S105 - the stand-ins'
EVERY = 60.0


def main() -> None:
    """Measure and print."""
    users, minutes = ([int(argument) for argument in sys.argv[1:]] + [100_000, 4])[:2]
    github, pipedrive = GitHub(tokens={TOKEN}), Pipedrive(token=TOKEN)
    for number in range(users):
        github.add_user(f"user-{number}", FIRST_ID + number)
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(github.app) as github_server,
        Server(pipedrive.app) as pipedrive_server,
    ):
        address = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
        asyncio.run(_prepare(address, users))
        gitpip = Installation(
            Path(folder),
            {
                "GITPIP_DATABASE_URL": address,
                "GITPIP_PORT": "0",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_TOKEN": TOKEN,
                "GITHUB_API_URL": github_server.url,
                "PIPEDRIVE_TOKEN": TOKEN,
                "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
            },
        )
        gitpip.start()
        try:
            gitpip.wait_for(
                lambda: gitpip.get("/api/v1/status").json()["nothing_missed_before"],
                "everybody to be looked at",
                seconds=600,
            )
            took = _publish_and_watch(github, pipedrive, users, minutes)
        finally:
            gitpip.stop()
    window = github.limits.window("#0", "graphql", github.journal.requests[-1].at)
    print(f"{len(took)} gists of {users:,} users, from GitHub to the CRM:")
    print(f"  p50 {_at(took, 50):.0f} s, p95 {_at(took, 95):.0f} s, longest {took[-1]:.0f} s")
    print(f"  p95 is {_at(took, 95) / EVERY:.2f} x the minute between two readings of the feed")
    print(f"  points used: {window.used if window else 0}")


def _at(took: list[float], part: int) -> float:
    return statistics.quantiles(took, n=100, method="inclusive")[part - 1]


async def _prepare(address: str, users: int) -> None:
    database = open_database(address)
    await database.migrate()
    await fill(database, users)
    await database.close()


def _publish_and_watch(
    github: GitHub, pipedrive: Pipedrive, users: int, minutes: int
) -> list[float]:
    chance = random.Random(20261124)
    published: dict[str, float] = {}
    took: dict[str, float] = {}
    end = time.monotonic() + minutes * EVERY
    next_at = time.monotonic()
    while time.monotonic() < end or len(took) < len(published):
        now = time.monotonic()
        if now > end + 5 * EVERY:
            raise SystemExit(f"{len(published) - len(took)} gists never came")
        if next_at <= now < end:
            name = f"file-{len(published)}.txt"
            github.add_gist(f"user-{chance.randrange(users)}", {name: name})
            published[name] = now
            next_at = now + chance.uniform(1, 5)
        for activity in pipedrive.activities[len(took) :]:
            name = str(activity["subject"]).split(" ")[0]
            took.setdefault(name, now - published[name])
        time.sleep(0.1)
    return sorted(took.values())


if __name__ == "__main__":
    main()
