"""What an audit of a large account costs: tokens, time and memory, on SQLite.

`python -m benchmarks.audit [ACTIVITIES]` (100,000 unless given) audits an account with a hundredth
of that number, and then this one, each in a process of its own. It prints the tokens of both, and
the peak of the memory of the second as a ratio to that of the first. Fifty differences are planted
in the second account: the audit must find them and no other.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from gitpip.store.database import open_database
from gitpip_standins import Pipedrive, Server
from tests.support.whole_account import WholeAccount

FILES = 100
PLANTED = 50
TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - the stand-in's


def main() -> None:
    """Measure and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    small = _audit(max(size // 100, FILES), planted=0)
    large = _audit(size, planted=PLANTED)
    print(f"activities {small['activities']}: {small['tokens']} tokens, {small['seconds']:.0f} s")
    print(f"activities {large['activities']}: {large['tokens']} tokens, {large['seconds']:.0f} s")
    print(f"unexplained: {large['unexplained']} of {PLANTED} planted")
    print(f"memory at its peak: {large['peak'] / small['peak']:.2f} times the small one's")


def _audit(size: int, *, planted: int) -> dict[str, float]:
    crm = Pipedrive(token=TOKEN, burst=None, search_burst=None)
    with tempfile.TemporaryDirectory() as folder, Server(crm.app) as server:
        url = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
        asyncio.run(_fill(url, crm, size, planted))
        environment = {
            "PATH": os.environ["PATH"],
            "GITPIP_DATA_DIR": folder,
            "GITPIP_DATABASE_URL": url,
            "PIPEDRIVE_TOKEN": TOKEN,
            "PIPEDRIVE_API_URL": f"{server.url}/api",
        }
        began = time.monotonic()
        csv = Path(folder) / "audit.csv"
        arguments = ("audit", "--without-github", "--csv", str(csv))
        done = subprocess.run(
            [sys.executable, "-m", "gitpip", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        # The peak of all children so far: the larger audit comes last.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if done.returncode not in {0, 1}:
            raise SystemExit(done.stderr)
        lines = csv.read_text("utf-8-sig").splitlines()[1:]
        return {
            "activities": len(crm.activities),
            "tokens": crm.limits.spent_today,
            "seconds": seconds,
            "peak": peak,
            "unexplained": sum(line.startswith("unexplained,") for line in lines),
        }


async def _fill(url: str, crm: Pipedrive, size: int, planted: int) -> None:
    database = open_database(url)
    await database.migrate()
    account = WholeAccount(crm, database, datetime.now(UTC))
    await account.fill(size // FILES, FILES)
    for number in range(planted):
        crm.delete_activity(
            account.activities[f"user-{number % (size // FILES)}", f"file-{number}.py"]
        )
    await database.close()


if __name__ == "__main__":
    main()
