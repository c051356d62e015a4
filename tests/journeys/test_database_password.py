"""A password of the database that changes under a running service: no restart, nothing lost."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import URL, make_url

from tests.conftest import PostgresServer
from tests.journeys.cluster import CONNECTIONS, Cluster, clustered
from tests.journeys.mounted import Mounted
from tests.support.running import Installation

OLD, NEW, OTHER = "old/pass@word-of-ours", "new/pass@word-of-ours", "pass-word-of-another"
REFUSAL = "password authentication failed for user"
SOON = 60  # reached only when something is broken


@pytest.fixture
def cluster(tmp_path: Path, postgres_files: Path) -> Iterator[Cluster]:
    """A PostgreSQL that asks gitpip for a password; no setting says yet where it is."""
    with clustered(tmp_path, postgres_files, GITPIP_CHECK_INTERVAL="1s") as cluster:
        demand_a_password(cluster.postgres)
        cluster.postgres.psql("ALTER DATABASE cluster OWNER TO gitpip;")
        cluster.environment = {
            name: value
            for name, value in cluster.environment.items()
            if name != "GITPIP_DATABASE_URL"
        }
        cluster.github.add_user("ada")
        yield cluster


@pytest.fixture
def mounted(cluster: Cluster, tmp_path: Path) -> Mounted:
    """The folder with the address of the database, under the old password."""
    folder = tmp_path / "secrets"
    cluster.environment = {**cluster.environment, "GITPIP_SECRETS_DIR": str(folder)}
    mounted = Mounted(folder)
    mounted.write(postgres_connection_string=address(cluster, OLD))
    return mounted


def demand_a_password(postgres: PostgresServer) -> None:
    postgres.psql(f"CREATE ROLE gitpip LOGIN PASSWORD '{OLD}';")
    rules = Path(postgres.psql("SHOW hba_file;").splitlines()[2].strip())
    rules.write_text(f"local all gitpip scram-sha-256\n{rules.read_text()}")
    postgres.psql("SELECT pg_reload_conf();")


def address(cluster: Cluster, password: str) -> str:
    url = login_of(cluster).set(password=password)
    return url.render_as_string(hide_password=False)


def login_of(cluster: Cluster) -> URL:
    return make_url(cluster.dsn).set(username="gitpip")


def end_connections(cluster: Cluster) -> None:
    cluster.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gitpip'")


def restart(cluster: Cluster) -> None:
    cluster.postgres.stop()
    cluster.postgres.ensure_postgres_running()


def is_refused(replica: Installation) -> bool:
    answer = replica.get("/status")
    return answer.status_code == 503 and REFUSAL in answer.text


def says(replica: Installation, what: str) -> bool:
    return what in replica.get("/status").text


def has_good_file_again(replica: Installation, times: int) -> bool:
    return len(replica.logged("secret.readable")) == times


def publish_one_more(cluster: Cluster) -> None:
    number = len(cluster.pipedrive.activities) + 1
    cluster.github.add_gist("ada", {f"{number}.txt": "a note"})
    cluster.await_activities(number, SOON)


def open_every_connection(cluster: Cluster, replica: Installation) -> None:
    """Let many ask at once, so that none has to be opened later, under another password."""

    def all_are_open() -> bool:
        with ThreadPoolExecutor(4 * CONNECTIONS) as pool:
            # Requests have half of them, and probes the others.
            list(pool.map(replica.get, ["/status", "/ready", "/metrics"] * 4 * CONNECTIONS))
        return cluster.connections() == CONNECTIONS

    replica.wait_for(all_are_open, "every connection to be open", SOON)


def hides_every_password(*texts: str) -> bool:
    spellings = [spelling for word in (OLD, NEW, OTHER) for spelling in (word, quote(word, ""))]
    return not any(spelling in text for spelling in spellings for text in texts)


@pytest.mark.parametrize("end", [end_connections, restart])
@pytest.mark.parametrize("first", ["server", "file"])
def test_a_password_is_changed_in_the_server_and_in_its_file_in_either_order(
    cluster: Cluster, mounted: Mounted, first: str, end: Callable[[Cluster], None]
) -> None:
    replica = cluster.add()
    assert replica.post("/users/ada/1").status_code == 201
    publish_one_more(cluster)
    open_every_connection(cluster, replica)

    def change_in_server() -> None:
        cluster.postgres.psql(f"ALTER ROLE gitpip PASSWORD '{NEW}';")

    def change_in_file() -> None:
        mounted.write(postgres_connection_string=address(cluster, NEW))
        replica.wait_for(lambda: replica.logged("secret.changed"), "the file to be read", SOON)

    one, other = change_in_server, change_in_file
    if first == "file":
        one, other = other, one
    one()
    publish_one_more(cluster)  # over the connections that there are
    end(cluster)
    replica.wait_for(lambda: is_refused(replica), "the database to refuse it", SOON)
    assert replica.get("/ready").status_code == 503
    told = replica.get("/status").text
    cluster.github.add_gist("ada", {"meanwhile.txt": "a note"})
    other()
    replica.wait_for(lambda: replica.get("/ready").status_code == 200, "to be ready", SOON)
    cluster.await_activities(3, SOON)
    end(cluster)
    publish_one_more(cluster)
    replica.wait_for(lambda: cluster.published() == 4, "all to be published")
    assert len(cluster.pipedrive.activities) == 4
    assert replica.logged("secret.waits_for_restart") == []
    settings = replica.command("settings")
    assert settings.returncode == 0
    assert replica.stop() == 0
    assert hides_every_password(told, settings.stdout, replica.log_file.read_text())


def test_a_file_that_is_no_address_leaves_the_last_login_and_another_database_waits(
    cluster: Cluster, mounted: Mounted
) -> None:
    replica = cluster.add()
    assert replica.post("/users/ada/1").status_code == 201
    good = address(cluster, OLD)
    wrong = {"is empty": "", "must be a connection string": OTHER, "can't be read": None}
    for number, (told, text) in enumerate(wrong.items(), start=1):
        if text is None:
            (mounted.folder / "postgres-connection-string").unlink()
        else:
            mounted.write(postgres_connection_string=text)
        replica.wait_for(partial(says, replica, told), "the file to be told of")
        end_connections(cluster)
        publish_one_more(cluster)
        mounted.write(postgres_connection_string=good)
        replica.wait_for(partial(has_good_file_again, replica, number), "a right file")
    elsewhere = login_of(cluster).set(password=OTHER, database="elsewhere")
    mounted.write(postgres_connection_string=elsewhere.render_as_string(hide_password=False))
    replica.wait_for(lambda: replica.logged("secret.waits_for_restart"), "a warning")
    end_connections(cluster)
    publish_one_more(cluster)
    assert replica.logged("secret.changed") == []
    assert replica.stop() == 0
    assert hides_every_password(replica.log_file.read_text())


def test_a_service_that_starts_with_an_old_password_goes_on_when_its_file_is_right(
    cluster: Cluster, mounted: Mounted
) -> None:
    cluster.postgres.psql(f"ALTER ROLE gitpip PASSWORD '{NEW}';")
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(cluster.add)
        while not (cluster.replicas and cluster.replicas[0].log_file.exists()):
            assert not starting.done()
            time.sleep(0.05)
        replica = cluster.replicas[0]
        (told,) = replica.wait_for(lambda: replica.logged("database.waiting"), "it to wait")
        assert REFUSAL in str(told["reason"])
        mounted.write(postgres_connection_string=address(cluster, NEW))
        starting.result()
    assert replica.post("/users/ada/1").status_code == 201
    publish_one_more(cluster)
    assert replica.stop() == 0
    assert hides_every_password(replica.log_file.read_text())
