"""What a killed or frozen replica was at moves on within half a minute; its return does no harm."""

import signal
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitpip_standins import Fault
from tests.journeys.cluster import Cluster, clustered
from tests.support.running import Installation

WITHIN = 30
FILES = 8  # fewer than are claimed at a time
USERS = 12
DAWDLE = Fault.slow(timedelta(seconds=1))
BLOWS = [signal.SIGKILL, signal.SIGSTOP]


@pytest.fixture
def cluster(tmp_path: Path, postgres_files: Path) -> Iterator[Cluster]:
    # The wait for an answer, and all that follows from it, as it is without tests.
    with clustered(
        tmp_path, postgres_files, GITPIP_HTTP_TIMEOUT="20s", GITPIP_CHECK_INTERVAL="1h"
    ) as cluster:
        for _ in range(2):
            cluster.add()
        yield cluster


@pytest.mark.parametrize("blow", BLOWS)
def test_publishing_moves_on(cluster: Cluster, blow: signal.Signals) -> None:
    cluster.pipedrive.faults.script(DAWDLE, method="POST", path="activities", times=None)
    cluster.github.add_user("octocat")
    cluster.github.add_gist("octocat", {f"{number}.txt": "text" for number in range(FILES)})
    assert cluster.replicas[0].post("/users/octocat/1").status_code == 201
    cluster.await_activities(2)

    struck = cluster.last("publication.published")
    [survivor] = [replica for replica in cluster.replicas if replica is not struck]
    published = len(survivor.logged("publication.published"))
    struck.send(blow)
    survivor.wait_for(
        lambda: len(survivor.logged("publication.published")) > published,
        "the next activity",
        WITHIN,
    )
    cluster.pipedrive.faults.clear()
    struck.send(signal.SIGCONT)
    # All but the one that was being sent, which is looked for when its answer can't come any more.
    survivor.wait_for(lambda: cluster.published() >= FILES - 1, "all others to be published")

    subjects = Counter(str(activity["subject"]) for activity in cluster.pipedrive.activities)
    assert len(subjects) >= FILES - 1
    assert set(subjects.values()) == {1}
    assert len(cluster.pipedrive.deals) == 1
    assert cluster.pipedrive.abuse == []


@pytest.mark.parametrize("blow", BLOWS)
def test_watching_moves_on(cluster: Cluster, blow: signal.Signals) -> None:
    logins = [f"user-{number}" for number in range(USERS)]
    for login in logins:
        cluster.github.add_user(login)
        cluster.github.add_gist(login, {"a.txt": login})
    for number, login in enumerate(logins):
        assert cluster.replicas[0].post(f"/users/{login}/{number}").status_code == 201
    cluster.await_activities(USERS)
    cluster.github.faults.script(DAWDLE, path="/(graphql|users/|gists/)", times=None)
    for login in logins:
        cluster.github.add_gist(login, {"b.txt": login})
    asked_for = cluster.replicas[0].post("/api/v1/checks")
    assert asked_for.status_code == 202
    # Only its own replica will do: the checks of the additions may still be under way elsewhere.
    struck = cluster.replicas[0].wait_for(
        lambda: started_by(cluster, asked_for.json()["id"]), "the check to start"
    )
    asked = looks(cluster)
    cluster.github.wait_until(lambda: looks(cluster) > asked)

    [survivor] = [replica for replica in cluster.replicas if replica is not struck]
    found = len(survivor.logged("gist.found"))
    struck.send(blow)
    cluster.github.faults.clear()
    survivor.wait_for(
        lambda: len(survivor.logged("gist.found")) > found, "the next gist to be found", WITHIN
    )
    cluster.await_activities(2 * USERS)
    struck.send(signal.SIGCONT)

    if blow is signal.SIGSTOP:
        survivor.wait_for(lambda: struck.logged("work.taken_over"), "the thawed one to let go")
    assert cluster.ask("SELECT count(*) FROM publications") == [(2 * USERS,)]
    assert len(cluster.pipedrive.activities) == 2 * USERS
    assert cluster.github.abuse == []


def started_by(cluster: Cluster, check_id: int) -> Installation | None:
    """The replica that started a check; None as long as none did."""
    for replica in cluster.replicas:
        if any(event["check_id"] == check_id for event in replica.logged("check.started")):
            return replica
    return None


def looks(cluster: Cluster) -> int:
    """How often GitHub was asked by checks; the feed is read in addition."""
    return sum(request.path != "/gists/public" for request in cluster.github.requests)
