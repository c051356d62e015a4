"""How fast publishing is, with and without failures: in seconds, and in percent of the limit.

`python -m benchmarks.publishing` takes about five minutes and prints three tables, all with the
default settings; with the name of one situation it measures that one alone, in less than three:

- how long a file takes whose request meets one fault. What takes minutes is measured by a clock
  that jumps to the next thing to do;
- how many files a second are published, in percent of the burst limit, by plan and by the time that
  an answer takes, next to one request at a time, and while somebody else uses half of the limit;
- how much longer 120 files of one user take, and what they cost, while many writes fail.


Five times the time without failures is promised where the writes arrive and only their answers are
lost. A write that does not arrive looks the same from outside, and absence is concluded after
minutes: then six minutes are added, and the waits are measured by a clock that jumps over them.
Where a write of one file is lost twice, nothing is promised but that it is published once.

It exits with 1 if a file was published too late, if less of the limit was used than is wanted or a
request was refused with a 429 in those runs, if files took longer than promised, if a limit was hit
while it was already exceeded, or if a file is missing or doubled.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import structlog

from gitpip.model import DealId
from gitpip.publish.destination import Place
from gitpip.publish.token_costs import BURST_WINDOW
from gitpip.runtime.worker import SWEEP
from gitpip.store.database import open_database
from gitpip.store.publications import publications
from gitpip_standins import Fault, FaultKind, Pipedrive, Server
from tests.journeys.cluster import clustered
from tests.support.clocks import Clock
from tests.support.scene import Process, RealTime, Scene
from tests.support.tokens import TOKEN

FILES = 120
GIVE_UP = timedelta(minutes=2)
LONGEST_RATIO = 5.0
"""So many times as long as without failures, at the most."""
NEVER_ARRIVED = timedelta(minutes=6)
"""So long a file takes at the most whose first request never arrives."""
TIMEOUT = timedelta(seconds=20)
TRIALS = 8
MEASURED = 8.0
"""Seconds for which a rate is measured, after the first requests."""
USERS = 10


@dataclass(frozen=True)
class Situation:
    """What goes wrong with the requests that create activities."""

    key: str
    """Its name on the command line."""
    name: str
    chance: float = 0.0
    """How likely each of them fails; 1 fails them as `faults` says, one after the other."""
    faults: Sequence[Fault] = ()
    files: int = FILES
    arrives: bool = True
    """Whether what fails is processed, or surely not and said so: nothing waits for minutes."""
    within: timedelta | None = None
    """How long it takes at the most, where that is no multiple of the time without failures."""

    def wanted(self, without_failures: float) -> float:
        """How many seconds it takes at the most."""
        if self.within is not None:
            return self.within.total_seconds()
        floor = timedelta(0) if self.arrives else NEVER_ARRIVED
        return floor.total_seconds() + LONGEST_RATIO * without_failures


SITUATIONS = (
    Situation("none", "no failures"),
    Situation(
        "lost-answers", "the answer to 1 write in 4 is lost", 1 / 4, [Fault.drop(processed=True)]
    ),
    Situation("html-502", "1 HTML 502 in 30, processed", 1 / 30, [Fault.html(502, processed=True)]),
    Situation(
        "html-502-unprocessed",
        "1 HTML 502 in 30, not processed",
        1 / 30,
        [Fault.html(502)],
        arrives=False,
    ),
    Situation(
        "dropped-unprocessed",
        "1 write in 30 is dropped before it arrives",
        1 / 30,
        [Fault.drop()],
        arrives=False,
    ),
    Situation(
        "limited",
        "ten files, every third write gets a 429 with a reset of 2 s",
        1,
        [
            Fault.slow(timedelta(0)),
            Fault.slow(timedelta(0)),
            Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}),
        ],
        files=10,
        within=timedelta(seconds=15),
    ),
)


@dataclass(frozen=True)
class Plan:
    """A plan of Pipedrive, by the requests in a window."""

    name: str
    burst: int
    wanted: Mapping[timedelta, int]
    """So many percent of the limit are to be used, by the time that an answer takes."""


QUICK, SLOW = timedelta(milliseconds=100), timedelta(milliseconds=250)
LATENCIES = (QUICK, SLOW)
PLANS = (
    Plan("Lite", 20, {QUICK: 90, SLOW: 85}),
    Plan("Ultimate", 120, {QUICK: 75, SLOW: 60}),
)
WANTED_BESIDE_OTHERS = 25
"""Half of the half that they leave, as `tests/publish/test_pace_among_others.py` wants it."""
LOST_BEFORE, HUNG_BEFORE, KILLED_BEFORE = 42, 62, 84
"""Seconds that one file took with one request at a time, and a first look after 40 seconds."""


@dataclass(frozen=True)
class Measured:
    """What a situation cost, in seconds and tokens."""

    seconds: float
    tokens: int
    failed: int
    wrong: int
    abuse: int


@asynccontextmanager
async def arranged(crm: Pipedrive, clock: Clock) -> AsyncIterator[Scene]:
    """A fresh ledger on SQLite, and this Pipedrive."""
    with tempfile.TemporaryDirectory() as folder, Server(crm.app) as server:
        url = f"sqlite+aiosqlite:///{Path(folder)}/gitpip.sqlite3"
        database = open_database(url)
        async with MIGRATING:  # Alembic's context is global
            await database.migrate()
        scene = Scene(database, url, crm, server.url, clock, timeout=TIMEOUT)
        try:
            yield scene
        finally:
            await scene.close()


MIGRATING = asyncio.Lock()


class Jumping(RealTime):
    """The time as it is, plus the waits that were jumped over."""

    def __init__(self) -> None:
        super().__init__()
        self._jumped = timedelta(0)

    def __call__(self) -> datetime:
        return super().__call__() + self._jumped

    def jump(self, until: datetime) -> None:
        """Let it be `until`, unless that is past."""
        self._jumped += max(until - self(), timedelta(0))


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publishing")
    keys = [each.key for each in SITUATIONS]
    parser.add_argument("situation", nargs="?", choices=keys, help="measure this one alone")
    only: str | None = parser.parse_args().situation
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if only is not None:
        base, *others = SITUATIONS
        kept = await _print_situations([base, *(each for each in others if each.key == only)])
    else:
        kept = await _print_fates()
        kept &= await _print_rates()
        kept &= await _print_situations(SITUATIONS)
    if not kept:
        sys.exit(1)


async def _print_fates() -> bool:
    """Print how long each takes, and say whether none took too long."""
    in_time = True
    lost, hung, killed = await asyncio.gather(_lost_answers(), _hung(), _killed())
    again = await asyncio.to_thread(_killed_on_postgresql, replicas=1)
    other = await asyncio.to_thread(_killed_on_postgresql, replicas=2)
    never = await _never_arrived()
    print(f"{'one file whose ...':52} {'before':>8} {'published after':>16} {'wanted':>8}")
    for name, before, seconds, wanted in (
        (f"answer is lost, 95th percentile of {TRIALS}", LOST_BEFORE, lost, 6),
        ("request gets no answer", HUNG_BEFORE, hung, 25),
        ("sender is killed and started again", KILLED_BEFORE, killed, 20),
        ("process is killed and started again, PostgreSQL", None, again, 20),
        ("process is killed, and another one runs", None, other, 20),
        (
            "request never arrives (by a clock that jumps)",
            None,
            never,
            round(NEVER_ARRIVED.total_seconds()),
        ),
    ):
        formerly = f"{before} s" if before else ""
        late = "  TOO LATE" * (seconds > wanted)
        print(f"{name:52} {formerly:>8} {seconds:14.1f} s {wanted:6} s{late}")
        in_time &= seconds <= wanted
    print()
    return in_time


async def _lost_answers() -> float:
    """The 95th percentile, in seconds, of files whose answers get lost, one after the other."""
    crm = Pipedrive(token=TOKEN, burst=None, daily_tokens=None)
    async with arranged(crm, RealTime()) as scene:
        process = await scene.process()

        async def one(number: int) -> float:
            await scene.find_files(f"user-{number}", "a.py")
            found = time.monotonic()
            crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
            await process.run()
            await _until_published(scene, process, number + 1)
            return time.monotonic() - found

        took = [await one(number) for number in range(TRIALS)]
        return statistics.quantiles(took, n=20, method="inclusive")[-1]


async def _hung() -> float:
    crm = Pipedrive(token=TOKEN)
    async with arranged(crm, RealTime()) as scene:
        crm.faults.script(Fault.hang(processed=True), method="POST", path="activities$")
        await scene.find_files("ada", "a.py")
        found = time.monotonic()
        await _until_published(scene, await scene.process(), 1)
        return time.monotonic() - found


async def _killed() -> float:
    """The sender is stopped for good while its request is under way, and another one is started."""
    crm = Pipedrive(token=TOKEN)
    async with arranged(crm, RealTime()) as scene:
        crm.faults.script(Fault.hang(processed=True), method="POST", path="activities$")
        await scene.find_files("ada", "a.py")
        dead = await scene.process()
        running = asyncio.create_task(dead.run())
        await asyncio.to_thread(crm.wait_until, lambda: bool(crm.activities))
        dead.database.dead = True
        killed = time.monotonic()
        process = await scene.process()
        await process.publisher.take_over()
        await _until_published(scene, process, 1)
        took = time.monotonic() - killed
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return took


def _killed_on_postgresql(*, replicas: int) -> float:
    """`gitpip serve` is killed while its request is under way; the only one is started again.

    Until what it was sending is published, by the rows.
    """
    settings = {"GITPIP_HTTP_TIMEOUT": "20s", "GITPIP_ABSENT_AFTER": "5m"}
    with (
        tempfile.TemporaryDirectory() as folder,
        clustered(Path(folder), GITPIP_FEED="off", **settings) as cluster,
    ):
        sender = cluster.add()
        cluster.github.add_user("octocat")
        cluster.github.add_gist("octocat", {"warm-up.txt": "text"})
        sender.post("/users/octocat/1")
        sender.wait_for(lambda: cluster.published() == 1, "the first file")
        hung = Fault.hang(processed=True)
        cluster.pipedrive.faults.script(hung, method="POST", path="activities$")
        cluster.github.add_gist("octocat", {"a.txt": "text"})
        sender.post("/api/v1/checks")
        cluster.await_activities(2)
        other = cluster.add() if replicas > 1 else sender
        sender.kill()
        started = time.monotonic()
        if replicas == 1:
            sender.start()
        other.wait_for(lambda: cluster.published() == 2, "what was being sent")
        return time.monotonic() - started


async def _never_arrived() -> float:
    clock = Clock()
    crm = Pipedrive(token=TOKEN, clock=clock, burst=None)
    async with arranged(crm, clock) as scene:
        crm.faults.script(Fault.drop(), method="POST", path="activities$")
        await scene.find_files("ada", "a.py")
        found = clock.now
        await scene.settle(await scene.process())
        return (clock.now - found).total_seconds()


async def _print_rates() -> bool:
    """Print how much of the limit is used, and say whether all is, without one 429."""
    title = "files a second, in percent of the burst limit"
    print(f"{title:52} {'one by one':>11} {'now':>6} {'wanted':>8}  429s")
    kept = True
    for plan in PLANS:
        for latency in LATENCIES:
            alone = f"{await _one_by_one(plan, latency):.0f} %"
            answers = f"{plan.name}, answers after {latency / timedelta(milliseconds=1):.0f} ms"
            kept &= _rate_is_kept(answers, alone, await _rate(plan, latency), plan.wanted[latency])
        shared = await _rate(plan, SLOW, others=plan.burst // 2)
        name = f"{plan.name}, 250 ms, half is used by others"
        kept &= _rate_is_kept(name, "", shared, WANTED_BESIDE_OTHERS)
    print()
    return kept


def _rate_is_kept(name: str, alone: str, measured: tuple[float, int], wanted: int) -> bool:
    now, refused = measured
    flaw = "  TOO SLOW" * (now < wanted) + "  REFUSED" * (refused > 0)
    print(f"{name:52} {alone:>11} {now:4.0f} % {wanted:6} % {refused:5}{flaw}")
    return now >= wanted and not refused


def _slow_crm(plan: Plan, latency: timedelta) -> Pipedrive:
    crm = Pipedrive(token=TOKEN, burst=plan.burst, daily_tokens=None)
    crm.faults.script(Fault.slow(latency), times=None)
    return crm


async def _one_by_one(plan: Plan, latency: timedelta) -> float:
    """One request after the other, as fast as the limit lets them."""
    crm = _slow_crm(plan, latency)
    async with arranged(crm, RealTime()) as scene:
        crm.add_deal("ada")
        client = (await scene.process()).pipedrive
        number, started = 0, time.monotonic()
        while time.monotonic() - started < MEASURED / 2:
            await client.create_activity(place=Place.deal(DealId(1)), subject=f"{number}", note="x")
            number += 1
        return _percent(number, time.monotonic() - started, plan)


async def _rate(plan: Plan, latency: timedelta, others: int = 0) -> tuple[float, int]:
    """The rate in percent of the limit, and how many requests were refused."""
    crm = _slow_crm(plan, latency)
    async with arranged(crm, RealTime()) as scene:
        number = int(plan.burst / BURST_WINDOW.total_seconds() * (MEASURED + 6) / USERS)
        for user in range(USERS):
            await scene.find_files(f"user-{user}", "first.py")
        process = await scene.process()
        somebody_else = asyncio.create_task(_somebody_else(scene.crm_url, others))
        await asyncio.sleep(3 if others else 0)
        await _until_published(scene, process, USERS)
        for user in range(USERS):
            await scene.find_files(f"user-{user}", *(f"{each}.py" for each in range(number)))
        running = asyncio.create_task(process.run())
        await asyncio.sleep(3)
        before, started = len(crm.activities), time.monotonic()
        await asyncio.sleep(MEASURED)
        published, seconds = len(crm.activities) - before, time.monotonic() - started
        process.publisher.stop()
        somebody_else.cancel()
        await asyncio.gather(running, somebody_else, return_exceptions=True)
        refused = sum(request.status == 429 for request in crm.requests)
        return _percent(published, seconds, plan), refused


async def _somebody_else(url: str, in_a_window: int) -> None:
    """Another application under the same token, as steady as can be."""
    if not in_a_window:
        return
    every = BURST_WINDOW.total_seconds() / in_a_window
    async with (
        httpx2.AsyncClient(headers={"x-api-token": TOKEN}, timeout=9) as client,
        asyncio.TaskGroup() as asking,
    ):
        following = time.monotonic()
        while True:
            asking.create_task(_ask(client, f"{url}/api/v1/users/me"))
            following += every
            await asyncio.sleep(following - time.monotonic())


async def _ask(client: httpx2.AsyncClient, url: str) -> None:
    with suppress(httpx2.HTTPError):  # the other application's failures are its own
        await client.get(url)


def _percent(requests: int, seconds: float, plan: Plan) -> float:
    return 100 * requests / seconds / (plan.burst / BURST_WINDOW.total_seconds())


async def _print_situations(situations: Sequence[Situation]) -> bool:
    """Print what each costs, and say whether none is too slow, nor wrong; the first is the base."""
    measured = await asyncio.gather(*(_measure(each) for each in situations))
    base, kept = measured[0], True
    print(
        f"{'120 files of one user, on Lite':62} {'time':>7} {'wanted':>7} {'ratio':>6}"
        f" {'tokens':>7} {'ratio':>6}"
    )
    for situation, run in zip(situations, measured, strict=True):
        same = situation.files == FILES
        wanted = situation.wanted(base.seconds)
        ratios = (run.seconds / base.seconds, run.tokens / base.tokens)
        slower, dearer = (f"{ratio:.1f}" if same else "" for ratio in ratios)
        too_slow = run.seconds > wanted
        kept &= not (too_slow or run.wrong or run.abuse)
        print(
            f"{situation.name:62} {run.seconds:5.0f} s {wanted:5.0f} s {slower:>6}"
            f" {run.tokens:7} {dearer:>6}  {run.failed} failures"
            + (f", {run.wrong} MISSING OR DOUBLED" if run.wrong else "")
            + (", TOO SLOW" if too_slow else "")
            + (f", {run.abuse} TIMES BEYOND A LIMIT" if run.abuse else "")
        )
    return kept


async def _measure(situation: Situation) -> Measured:
    clock = RealTime() if situation.arrives else Jumping()
    crm = Pipedrive(token=TOKEN, clock=clock)
    if situation.chance == 1:
        crm.faults.script(*situation.faults, method="POST", path="activities$", times=None)
    elif situation.chance:
        crm.faults.chance(
            situation.chance, situation.faults, seed=7, method="POST", path="activities$"
        )
    async with arranged(crm, clock) as scene:
        await scene.find_files("ada", *(f"{number}.py" for number in range(situation.files)))
        started = clock()
        await _until_published(scene, await scene.process(), situation.files)
        seconds = (clock() - started).total_seconds()
        markers = {row.marker for row in await scene.rows()}
        there = scene.activities()
        failed = [each for each in crm.faults.injected if each.fault.kind is not FaultKind.SLOW]
        wrong = sum(there[marker] != 1 for marker in markers)
        return Measured(seconds, crm.limits.spent_today, len(failed), wrong, len(crm.abuse))


async def _until_published(scene: Scene, process: Process, number: int) -> None:
    """Publish as the service does: a run whenever the sweep finds something due."""
    end = time.monotonic() + GIVE_UP.total_seconds()
    while time.monotonic() < end:
        if await process.publisher.due():
            await process.run()
        async with scene.database.read() as transaction:
            due = await publications.next_due(transaction)
        if due is None:
            break
        pause = await scene.pause()
        if isinstance(scene.clock, Jumping) and pause is None:
            scene.clock.jump(due)
        else:
            await asyncio.sleep(SWEEP.total_seconds())
    states = await scene.states()
    if states.count("published") != number:
        print(f"only {states.count('published')} of {number} are published")


if __name__ == "__main__":
    asyncio.run(main())
