"""From start to ready, and resident memory, with 1,000 tracked users on SQLite.

Each number stands next to that of a Python which only imports the same libraries, measured in the
same run: `python -m benchmarks.start`. The users are looked at by a whole check against the
stand-in before the memory is read.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import psutil

from gitpip_standins import GitHub, Pipedrive, Server
from tests.support.running import Installation

USERS = 1000
STARTS = 5
TOKEN = "benchmark-token"  # noqa: S105 - the stand-ins'
IMPORTS = "import alembic, aiosqlite, fastapi, httpx2, pgqueuer, psycopg, sqlalchemy, uvicorn"
MIB = 1024 * 1024


def main() -> None:
    """Measure and print."""
    github = GitHub(tokens={TOKEN}, points_a_minute=None, limit_with_token=None)
    pipedrive = Pipedrive(token=TOKEN)
    for number in range(USERS):
        github.add_user(f"user-{number}")
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(github.app) as github_server,
        Server(pipedrive.app) as pipedrive_server,
    ):
        gitpip = Installation(
            Path(folder),
            {
                "GITPIP_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3",
                "GITPIP_PORT": "0",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_TOKEN": TOKEN,
                "GITHUB_API_URL": github_server.url,
                "PIPEDRIVE_TOKEN": TOKEN,
                "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
            },
        )
        users = Path(folder) / "users.txt"
        users.write_text("".join(f"user-{number}\n" for number in range(USERS)))
        gitpip.command("users", "import", str(users))
        starts, memory = _starts(gitpip)
    bare_starts = [_bare_start() for _ in range(STARTS)]
    start, bare_start = statistics.median(starts), statistics.median(bare_starts)
    bare_memory = _bare_memory()
    print(f"start to ready: {start:.2f} s, {start / bare_start:.2f} x its bare imports")
    print(
        f"resident with {USERS:,} users, all looked at: {memory / MIB:.0f} MiB, "
        f"{memory / bare_memory:.2f} x its bare imports"
    )


def _starts(gitpip: Installation) -> tuple[list[float], int]:
    took = []
    memory = 0
    for _ in range(STARTS):
        began = time.perf_counter()
        gitpip.start()
        gitpip.wait_for(lambda: _ready(gitpip), "readiness")
        took.append(time.perf_counter() - began)
        gitpip.wait_for(lambda: _all_looked_at(gitpip), "a whole check", seconds=300)
        assert gitpip.process
        memory = max(memory, psutil.Process(gitpip.process.pid).memory_info().rss)
        gitpip.stop()
    return took, memory


def _ready(gitpip: Installation) -> bool:
    try:
        return gitpip.get("/ready").is_success
    except httpx2.TransportError:
        return False


def _all_looked_at(gitpip: Installation) -> bool:
    checks = gitpip.get("/api/v1/status").json()["last_checks"]
    looked_at: int = sum(check["users"] for check in checks if check["ended_at"])
    return looked_at >= USERS


def _bare_start() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.perf_counter() - began


def _bare_memory() -> int:
    code = f"{IMPORTS}\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        memory: int = psutil.Process(process.pid).memory_info().rss
        process.communicate(b"\n")
    return memory


if __name__ == "__main__":
    main()
