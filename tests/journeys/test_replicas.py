"""Three replicas, everything going wrong at random, and every file becomes exactly one activity."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from gitpip_standins import Fault
from tests.journeys.cluster import CONNECTIONS, Cluster, ConnectionCount, clustered
from tests.support.running import Installation

REPLICAS = 3
USERS, GISTS, FILES = 30, 10, 1
WANTED = USERS * GISTS * FILES
STRIKES = ["kill"] * 3 + ["freeze"] * 3 + ["restart of PostgreSQL"]
SEED = 20261124
MINUTE = 60
OTHERS = (REPLICAS - 1) * CONNECTIONS
"""How many connections two replicas may have open."""


@pytest.fixture
def cluster(tmp_path: Path, postgres_files: Path) -> Iterator[Cluster]:
    with clustered(
        tmp_path, postgres_files, GITPIP_HTTP_TIMEOUT="1s", GITPIP_ABSENT_AFTER="5s"
    ) as cluster:
        yield cluster


@pytest.mark.timeout(900)
def test_three_replicas_killed_frozen_and_without_their_database(
    cluster: Cluster, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    for user in range(USERS):
        cluster.github.add_user(f"user-{user}")
    gists = [(user, gist) for user in range(USERS) for gist in range(GISTS)]
    chance.shuffle(gists)
    for gist in gists[: len(gists) // 2]:
        add(cluster, gist)
    spoil_writes_and_looks(cluster)
    with ConnectionCount(cluster.dsn) as count:
        for _ in range(REPLICAS):
            cluster.add()
        file = tmp_path / "users.csv"
        file.write_text("login,id\n" + "".join(f"user-{n},id-{n}\n" for n in range(USERS)))
        assert cluster.replicas[0].command("users", "import", str(file)).returncode == 0
        thaws = strike(cluster, chance, gists[len(gists) // 2 :])
        cluster.replicas[0].wait_for(
            lambda: cluster.published() == WANTED, "every publication to be published", 480
        )
        cluster.github.wait_until(lambda: len(readings_of_the_feed(cluster)) > 1, timeout=130)
        for thaw in thaws:
            thaw.join()
        for replica in cluster.replicas:
            replica.wait_for(partial(is_ready, replica), "the replica to be ready")
        for replica in cluster.replicas:
            assert replica.stop() == 0
        replica.wait_for(lambda: cluster.connections() == 0, "every connection to be closed")

    subjects = Counter(str(activity["subject"]) for activity in cluster.pipedrive.activities)
    assert len(subjects) == WANTED
    assert set(subjects.values()) == {1}
    titles = Counter(str(deal["title"]) for deal in cluster.pipedrive.deals)
    assert titles == Counter(f"user-{user}" for user in range(USERS))
    assert cluster.pipedrive.abuse == []
    assert cluster.github.abuse == []
    assert max(count.counted) <= REPLICAS * CONNECTIONS
    minutes = readings_of_the_feed(cluster)
    assert minutes == list(range(minutes[0], minutes[0] + len(minutes)))


def add(cluster: Cluster, gist: tuple[int, int]) -> None:
    user, number = gist
    files = {f"{part}-{number}.txt": f"{user} {number} {part}" for part in range(FILES)}
    cluster.github.add_gist(f"user-{user}", files)


def spoil_writes_and_looks(cluster: Cluster) -> None:
    # What takes up a whole wait for an answer is rarer, or the run would consist of waits.
    slow = [Fault.hang(), Fault.hang(processed=True), Fault.late(timedelta(seconds=1.5))]
    quick = [
        Fault.drop(),
        Fault.drop(processed=True),
        Fault.error(500, processed=True),
        Fault.broken_json(),
    ]
    for method, much in (("POST", 1.0), ("GET", 0.5)):
        cluster.pipedrive.faults.chance(0.01 * much, slow, seed=SEED, method=method)
        cluster.pipedrive.faults.chance(0.08 * much, quick, seed=SEED + 1, method=method)


def strike(
    cluster: Cluster, chance: random.Random, gists: list[tuple[int, int]]
) -> list[threading.Timer]:
    """Strike after strike, while gists appear; gives the thaws of those who were frozen."""
    strikes = chance.sample(STRIKES, len(STRIKES))
    thaws: list[threading.Timer] = []
    frozen: list[Installation] = []
    for number, blow in enumerate(strikes):
        target = (number + 1) * WANTED // (len(strikes) + 1) + chance.randrange(10)
        cluster.await_progress(target, 120)
        for gist in gists[number :: len(strikes)]:
            add(cluster, gist)
        keep_away_from_the_feed(cluster)
        if blow == "restart of PostgreSQL":
            cluster.postgres.stop()
            cluster.postgres.ensure_postgres_running()
            continue
        busy = cluster.last("publication.published", "publication.uncertain")
        awake = [r for r in cluster.replicas if r not in frozen]
        victim = busy if busy in awake and chance.random() < 1 / 2 else chance.choice(awake)
        if blow == "kill":
            victim.kill()
            # PostgreSQL notices that its client is gone when it answers; until then both count.
            victim.wait_for(lambda: cluster.connections() <= OTHERS, "the killed one's connections")
            victim.start()
            continue
        victim.send(signal.SIGSTOP)
        frozen.append(victim)

        def thaw(victim: Installation = victim) -> None:
            victim.send(signal.SIGCONT)
            frozen.remove(victim)

        thaws.append(threading.Timer(chance.uniform(3, 22), thaw))
        thaws[-1].start()
    return thaws


def is_ready(replica: Installation) -> bool:
    return replica.get("/ready").status_code == 200


def keep_away_from_the_feed(cluster: Cluster) -> None:
    """Work that is cut short is done again, and so the feed would be read again: not be counted."""
    while not 6 < time.time() % MINUTE < MINUTE - 6 or is_read(cluster):
        time.sleep(0.5)


def is_read(cluster: Cluster) -> bool:
    """Whether a reading of the feed is under way."""
    return any(r.path == "/gists/public" and r.status is None for r in cluster.github.requests)


def readings_of_the_feed(cluster: Cluster) -> list[int]:
    """In which minutes the public feed was read, by all replicas together; its first page."""
    return [
        int(request.at.timestamp() // MINUTE)
        for request in cluster.github.requests
        if request.path == "/gists/public" and "page" not in parse_qs(request.query)
    ]
