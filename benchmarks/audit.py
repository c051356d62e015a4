"""What an audit of a large account costs: tokens, time and memory, on SQLite.

`python -m benchmarks.audit [ACTIVITIES]` (100,000 unless given) audits an account with a hundredth
of that number, and then this one, each in a process of its own. It prints the tokens of both, and
the peak of the memory of the second as a ratio to that of the first. In the second account 44
differences of five kinds are planted, those that can be found without asking GitHub: the audit must
find them and no other.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from csv import DictReader
from datetime import UTC, datetime
from pathlib import Path

from gitpip.store.database import open_database
from gitpip_standins import Pipedrive, Server
from tests.support.whole_account import Planted, WholeAccount, plant

FILES = 100
TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - the stand-in's


def main() -> None:
    """Measure and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    small = _audit(max(size // 100, FILES), plants=False)
    large = _audit(size, plants=True)
    print(f"activities {small['activities']}: {small['tokens']} tokens, {small['seconds']:.0f} s")
    print(f"activities {large['activities']}: {large['tokens']} tokens, {large['seconds']:.0f} s")
    print(f"found: {large['found']} of {large['planted']} planted, and {large['others']} others")
    print(f"memory at its peak: {large['peak'] / small['peak']:.2f} times the small one's")


def _audit(size: int, *, plants: bool) -> dict[str, float]:
    crm = Pipedrive(token=TOKEN, burst=None, search_burst=None)
    with tempfile.TemporaryDirectory() as folder, Server(crm.app) as server:
        url = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
        planted = asyncio.run(_fill(url, crm, size, plants=plants))
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
        found = _unexplained(csv)
        return {
            "activities": len(crm.activities),
            "tokens": crm.limits.spent_today,
            "seconds": seconds,
            "peak": peak,
            "planted": len(planted),
            "found": len(planted & found),
            "others": len(found - planted),
        }


def _unexplained(path: Path) -> Planted:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in DictReader(file) if row["verdict"] == "unexplained"]
    return {
        (
            row["explanation"],
            f"{row['login']}/{row['filename']}" if row["filename"] else None,
            int(row["activity_id"]),
        )
        for row in rows
    }


async def _fill(url: str, crm: Pipedrive, size: int, *, plants: bool) -> Planted:
    """Fill the account and the database; gives what an audit is to find without GitHub."""
    database = open_database(url)
    await database.migrate()
    account = WholeAccount(crm, database, datetime.now(UTC))
    await account.fill(size // FILES, FILES)
    planted = await plant(account) if plants else set()
    await database.close()
    return {each for each in planted if each[2] is not None}


if __name__ == "__main__":
    main()
