"""Whether memory, file handles and connections level off under a steady load.

`python -m benchmarks.soak [--minutes N] [--database sqlite|postgresql] [--speed S]` (3 minutes,
both, 1) runs the real service against the stand-ins with 200 tracked users, 2.5 new gists and 4
page views a second, or S times as many. It prints what the process takes over time, and how fast
memory grew in the last half; it ends with 1 when that is more than 0.25 MiB a minute, or when file
handles or connections grew. The cache of highlighted files is filled before: it holds up to 8 MiB,
and at this pace takes 40 minutes to fill, which looks like a leak of 0.6 MiB a minute. Every five
minutes gitpip looks for what was sent twice, which takes up to 6 MiB more or less from then on: for
a verdict take at least 45 minutes.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import psutil

from gitpip_standins import GitHub, Pipedrive, Server
from tests.conftest import postgres_server
from tests.support.running import Installation

TOKEN = "benchmark-token"  # noqa: S105 - the stand-ins'
USERS = 200
GISTS_A_SECOND = 2.5
VIEWS_A_SECOND = 4
SAMPLE_EVERY = 5.0
FILLING = 1_500
"""How many gists are viewed first. The HTML of one takes some 8 KiB of the cache's 8 MiB."""
MIB = 1024 * 1024
LEVEL = 0.25
"""MiB a minute: below it, noise of the allocator. That is less than 400 MiB in a day."""
MORE = 3
"""So many more handles or connections at the end are growth: fewer may be requests under way."""


@dataclass(frozen=True)
class Sample:
    """What the process took at a time, in seconds from the start of the load."""

    at: float
    memory: float
    handles: int
    connections: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    parser.add_argument("--speed", type=float, default=1)
    options = parser.parse_args()
    level = True
    with tempfile.TemporaryDirectory() as folder:
        if options.database != "postgresql":
            address = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
            level &= soak("SQLite", Path(folder), address, options)
        if options.database != "sqlite":
            with postgres_server() as postgres:
                level &= soak("PostgreSQL", Path(folder), postgres.get_uri(), options)
    sys.exit(not level)


def soak(name: str, folder: Path, database_url: str, options: argparse.Namespace) -> bool:
    """Run the service under load; print what it took, and say whether it is level."""
    github = GitHub(tokens={TOKEN}, limit_with_token=None, points_a_minute=None)
    pipedrive = Pipedrive(token=TOKEN, daily_tokens=None, burst=5_000)
    logins = [f"user-{number}" for number in range(USERS)]
    for login in logins:
        github.add_user(login)
    with Server(github.app) as github_server, Server(pipedrive.app) as pipedrive_server:
        gitpip = Installation(
            folder,
            {
                "GITPIP_DATABASE_URL": database_url,
                "GITPIP_PORT": "0",
                "GITPIP_CHECK_INTERVAL": "20s",
                "GITPIP_FLOOD_PER_DAY": "0",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_TOKEN": TOKEN,
                "GITHUB_API_URL": github_server.url,
                "PIPEDRIVE_TOKEN": TOKEN,
                "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
            },
        )
        users = folder / "users.txt"
        users.write_text("".join(f"{login}\n" for login in logins))
        gitpip.command("users", "import", str(users))
        gitpip.start()
        print(f"{name}: seconds, MiB, file handles, connections, gists, activities", flush=True)
        try:
            _fill_the_cache(gitpip, github, logins)
            samples = _load(gitpip, github, pipedrive, logins, options)
        finally:
            gitpip.stop()
    return _judge(name, samples)


def _fill_the_cache(gitpip: Installation, github: GitHub, logins: list[str]) -> None:
    """View gists like those of the load, until their HTML takes more than the cache keeps."""
    chance = random.Random(2)
    gists = [_gist(github, chance, logins, -number) for number in range(1, FILLING + 1)]
    with httpx2.Client(base_url=gitpip.url, timeout=60) as client:
        for gist in gists:
            gitpip.wait_for(partial(_is_shown, client, gist), "a gist to be found")


def _is_shown(client: httpx2.Client, gist: str) -> bool:
    return client.get(f"/gist/{gist}").status_code == 200


def _gist(github: GitHub, chance: random.Random, logins: list[str], number: int) -> str:
    text = f"def number_{abs(number)}():\n    return {chance.random()}\n" * 20
    return github.add_gist(chance.choice(logins), {f"file_{number}.py": text})


def _load(
    gitpip: Installation,
    github: GitHub,
    pipedrive: Pipedrive,
    logins: list[str],
    options: argparse.Namespace,
) -> list[Sample]:
    assert gitpip.process
    process = psutil.Process(gitpip.process.pid)
    chance = random.Random(1)
    samples: list[Sample] = []
    gists: list[str] = []
    views = 0
    began = time.monotonic()
    with httpx2.Client(base_url=gitpip.url, timeout=60) as client:
        while (now := time.monotonic() - began) < options.minutes * 60:
            if now >= SAMPLE_EVERY * len(samples):
                samples.append(_sample(process, now))
                _print(samples[-1], len(gists), len(pipedrive.activities))
            if now >= len(gists) / GISTS_A_SECOND / options.speed:
                gists.append(_gist(github, chance, logins, len(gists)))
            if now >= views / VIEWS_A_SECOND / options.speed:
                views += 1
                _view(client, chance, logins, gists)
            time.sleep(0.01)
    return samples


def _view(
    client: httpx2.Client, chance: random.Random, logins: list[str], gists: list[str]
) -> None:
    login, gist = chance.choice(logins), chance.choice(gists)
    paths = ("/", "/people", f"/people/{login}", f"/gist/{gist}", "/publications", "/status-page")
    others = ("/metrics", f"/api/v1/users/{login}/gists", "/?q=number", "/feed.atom")
    path = chance.choice(paths + others)
    headers = {"cookie": f"gitpip_viewer={chance.getrandbits(128):032x}"}
    answer = client.get(path, headers=headers)
    # A gist is on a page only when it was found.
    assert answer.status_code == 200 or path.startswith("/gist/"), answer.text


def _sample(process: psutil.Process, at: float) -> Sample:
    return Sample(
        at,
        process.memory_info().rss / MIB,
        process.num_fds(),
        len(process.net_connections()),
    )


def _print(sample: Sample, gists: int, activities: int) -> None:
    print(
        f"{sample.at:6.0f} {sample.memory:7.1f} {sample.handles:5} {sample.connections:5} "
        f"{gists:6} {activities:6}",
        flush=True,
    )


def _judge(name: str, samples: list[Sample]) -> bool:
    half = samples[len(samples) // 2 :]
    first, last = half[: len(half) // 2], half[len(half) // 2 :]
    slope, _ = statistics.linear_regression(
        [sample.at / 60 for sample in half], [sample.memory for sample in half]
    )
    grown = [
        field
        for field in ("handles", "connections")
        if statistics.median(getattr(one, field) for one in last)
        >= statistics.median(getattr(one, field) for one in first) + MORE
    ]
    level = slope < LEVEL and not grown
    print(
        f"{name}: memory grew by {slope:.2f} MiB a minute in the last half, to "
        f"{half[-1].memory:.0f} MiB; {' and '.join(grown) or 'nothing else'} grew: "
        f"{'level' if level else 'NOT level'}\n",
        flush=True,
    )
    return level


if __name__ == "__main__":
    main()
