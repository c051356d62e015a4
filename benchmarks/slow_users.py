"""What the others pay for a few slow users: how fresh they are, and how many requests are spent.

`python -m benchmarks.slow_users [USERS]` has everybody publish a gist (200 users unless given), and
5 % of them be slow: the contents of their gists take three seconds, or hang until the time-out. It
prints how many times as long it takes until the others' gists are stored (95th percentile), and how
many times as much is spent, as without slow users: when they are met first, and when they are
known. Each number is the median of three pairs of runs, one right after the other. It ends with 1
when the others' gists take more than 1.2 times as long, or more than 1.5 times as much is spent.
"""

import asyncio
import statistics
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update

from gitpip.clock import utc_now
from gitpip.observability.logging import configure_logging
from gitpip.store.database import Database, open_database
from gitpip.store.schema import gists, users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.watch.crowd import add_users, id_of, track_identified

TOKEN = "benchmark-token"  # noqa: S105 - the stand-in's
USERS = 200
TRIALS = 3
SLOW_PART = 0.05
TIMEOUT = timedelta(seconds=20)
FAULTS = {
    "take 3 s": Fault.slow(timedelta(seconds=3)),
    "hang": Fault.hang(),
}
MOST_TIME = 1.2
MOST_SPENT = 1.5
ROUNDS = ("met first", "known")


@dataclass(frozen=True)
class Round:
    """What one round took."""

    p95: float
    """Of the time until the others' gists were stored, in seconds."""
    spent: int
    """Requests and points, for the others' sake or the slow users'."""


def main() -> None:
    """Measure and print."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    configure_logging("ERROR", "console", secrets=())
    too_much = False
    for name, fault in FAULTS.items():
        trials = [
            (asyncio.run(rounds(number, None)), asyncio.run(rounds(number, fault)))
            for _ in range(TRIALS)
        ]
        for when, met in enumerate(ROUNDS):
            pairs = [(without[when], slow[when]) for without, slow in trials]
            p95 = statistics.median(slow.p95 / without.p95 for without, slow in pairs)
            spent = statistics.median(slow.spent / without.spent for without, slow in pairs)
            print(
                f"contents of {SLOW_PART:.0%} {name}, {met}: the others' p95 is {p95:.2f} times "
                f"that without ({pairs[0][0].p95:.1f} s), and {spent:.2f} times as much is spent",
                flush=True,
            )
            too_much |= p95 > MOST_TIME or spent > MOST_SPENT
    sys.exit(too_much)


async def rounds(number: int, fault: Fault | None) -> list[Round]:
    """Two rounds in which everybody publishes, after one in which everybody is learned."""
    world = StandIn(tokens={TOKEN}, points_a_minute=None, limit_with_token=None)
    logins = add_users(world, number)
    slow = logins[:: round(1 / SLOW_PART)]
    with tempfile.TemporaryDirectory() as folder, Server(world.app) as server:
        database = open_database(f"sqlite+aiosqlite:///{Path(folder)}/gitpip.sqlite3")
        await database.migrate()
        await track_identified(database, world, utc_now, logins)
        async with GitHub(
            api_url=server.url,
            graphql_url=f"{server.url}/graphql",
            token=TOKEN,
            timeout=TIMEOUT,
        ) as github:
            watcher = Watcher(database, github, rules=Rules(interval=timedelta(hours=3)))
            await watcher.run()
            measured = [
                await one_round(world, database, watcher, slow=slow, fault=fault, logins=logins)
                for _ in ROUNDS
            ]
        await database.close()
    return measured


async def one_round(
    world: StandIn,
    database: Database,
    watcher: Watcher,
    *,
    slow: list[str],
    fault: Fault | None,
    logins: list[str],
) -> Round:
    """Let everybody publish, and check once."""
    for login in logins:
        gist = world.add_gist(login, {"new.txt": login})
        if fault and login in slow:
            world.faults.script(fault, path=f"^/gists/{gist}$", times=None)
    began, asked = utc_now(), len(world.requests)
    async with database.begin() as transaction:
        await transaction.execute(update(users).values(next_check_at=began))
    await watcher.run()
    spent = sum(request.spent for request in world.requests[asked:])
    world.faults.clear()
    others = [id_of(world, login) for login in logins if login not in slow]
    async with database.read() as transaction:
        found = await transaction.execute(
            select(gists.c.found_at)
            .join(users, users.c.key == gists.c.user_key)
            .where(gists.c.found_at >= began, users.c.github_id.in_(others))
        )
        took = [(at - began).total_seconds() for at in found.scalars()]
    assert len(took) == len(others)
    return Round(statistics.quantiles(took, n=20, method="inclusive")[-1], spent)


if __name__ == "__main__":
    main()
