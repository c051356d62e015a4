"""A database that is gone for a while, comes back, or has no connection left: all moves on."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import make_url

from tests.journeys.cluster import CONNECTIONS, Cluster, ConnectionCount, clustered
from tests.support.running import Installation

PATIENCE = 15
SOON = 30
REQUESTS, AT_ONCE = 200, 20


@pytest.fixture
def cluster(tmp_path: Path, postgres_files: Path) -> Iterator[Cluster]:
    with clustered(
        tmp_path, postgres_files, GITPIP_HEALTH_PATIENCE=f"{PATIENCE}s", GITPIP_CHECK_INTERVAL="1s"
    ) as cluster:
        cluster.github.add_user("octocat")
        yield cluster


def test_a_database_that_is_gone_for_longer_than_health_is_patient(cluster: Cluster) -> None:
    replicas = [cluster.add(), cluster.add()]
    cluster.github.add_gist("octocat", {"before.txt": "before"})
    assert replicas[0].post("/users/octocat/1").status_code == 201
    replicas[0].wait_for(lambda: cluster.published() == 1, "the first to be published")

    cluster.postgres.stop()
    try:
        for replica in replicas:
            replica.wait_for(partial(answers, replica, "/ready", 503), "not to be ready", PATIENCE)
            assert replica.get("/ready").json()["database"] is False
            assert replica.get("/health").text == "Alive"
            refused = replica.get("/status")
            assert (refused.status_code, refused.json()["code"]) == (503, "database-unavailable")
        cluster.github.add_gist("octocat", {"meanwhile.txt": "meanwhile"})
        for replica in replicas:
            replica.wait_for(partial(answers, replica, "/health", 503), "bad health")
            assert "the database could not be written for" in replica.get("/health").text
    finally:
        cluster.postgres.ensure_postgres_running()

    for replica in replicas:
        replica.wait_for(partial(answers, replica, "/ready", 200), "to be ready again", SOON)
        replica.wait_for(partial(answers, replica, "/health", 200), "good health", SOON)
    cluster.await_activities(2, SOON)
    replicas[0].wait_for(lambda: cluster.published() == 2, "both to be published")
    assert len(cluster.pipedrive.activities) == 2
    assert len(cluster.pipedrive.deals) == 1


def test_connections_stay_within_their_bound_and_none_is_leaked(cluster: Cluster) -> None:
    with ConnectionCount(cluster.dsn) as count:
        replica = cluster.add()
        for _ in range(2):
            assert set(ask_often(replica)) == {200}
            cluster.postgres.stop()
            assert set(ask_often(replica)) == {503}
            cluster.postgres.ensure_postgres_running()
            replica.wait_for(partial(answers, replica, "/ready", 200), "to be ready", SOON)
        assert set(ask_often(replica)) == {200}
        assert max(count.counted) <= CONNECTIONS
        replica.wait_for(
            lambda: 'connections{state="in_use"} 0.0' in replica.get("/metrics").text,
            "every connection to be given back",
        )
        replica.stop()
        replica.wait_for(lambda: cluster.connections() == 0, "every connection to be closed")


def test_a_server_without_a_free_connection_is_an_outage_like_others(cluster: Cluster) -> None:
    cluster.postgres.psql("CREATE ROLE few LOGIN;")
    cluster.postgres.psql("ALTER DATABASE cluster OWNER TO few;")
    dsn = make_url(cluster.dsn).set(username="few").render_as_string(hide_password=False)
    replica = cluster.add(environment={"GITPIP_DATABASE_URL": dsn})

    cluster.postgres.psql("ALTER ROLE few CONNECTION LIMIT 2;")
    cluster.postgres.stop()
    cluster.postgres.ensure_postgres_running()
    replica.wait_for(
        lambda: any("GITPIP_DATABASE_CONNECTIONS" in text for text in refusals(replica)),
        "a request to be refused, with the reason",
    )
    cluster.postgres.psql("ALTER ROLE few CONNECTION LIMIT -1;")

    cluster.github.add_gist("octocat", {"a.txt": "a"})
    replica.wait_for(lambda: replica.post("/users/octocat/1").is_success, "a free one")
    cluster.await_activities(1, SOON)
    assert set(ask_often(replica)) == {200}


def ask_often(replica: Installation) -> Counter[int]:
    """How a row of requests, many at a time, are answered."""
    return Counter(answer.status_code for answer in _answers(replica))


def refusals(replica: Installation) -> set[str]:
    """What is said where a row of requests, many at a time, are answered with 503."""
    return {answer.text for answer in _answers(replica) if answer.status_code == 503}


def _answers(replica: Installation) -> list[httpx2.Response]:
    with (
        httpx2.Client(base_url=replica.url, timeout=60) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        return list(pool.map(lambda _: client.get("/users"), range(REQUESTS)))


def answers(replica: Installation, path: str, status: int) -> bool:
    return replica.get(path).status_code == status
