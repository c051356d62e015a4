"""Two versions at once: a newer gitpip migrates the database beneath older ones that run."""

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import gitpip
from gitpip_standins import Fault
from tests.journeys.cluster import Cluster, clustered

FILES = 120
MIGRATION = '''
"""What a newer version adds"""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("users", "publications", "services", "checks"):
        op.add_column(
            table, sa.Column("colour", sa.String(10), server_default="red", nullable=False)
        )
    op.create_table("colours", sa.Column("name", sa.String(10), primary_key=True))
'''


@pytest.fixture
def cluster(tmp_path: Path, postgres_files: Path) -> Iterator[Cluster]:
    with clustered(tmp_path, postgres_files) as cluster:
        yield cluster


@pytest.fixture
def newer(tmp_path: Path) -> dict[str, str]:
    """The environment in which `gitpip` is a version with one migration more."""
    package = tmp_path / "newer" / "gitpip"
    shutil.copytree(Path(gitpip.__file__).parent, package)
    versions = package / "store" / "migrations" / "versions"
    head = max(file.name for file in versions.glob("*.py"))[:4]
    (versions / "9999_newer.py").write_text(MIGRATION.format(head=head).lstrip())
    return {"PYTHONPATH": str(package.parent)}


def test_older_replicas_go_on_beside_a_newer_one_until_they_are_replaced(
    cluster: Cluster, newer: dict[str, str]
) -> None:
    cluster.pipedrive.faults.script(
        Fault.slow(timedelta(seconds=0.5)), method="POST", path="activities", times=None
    )
    cluster.github.add_user("octocat")
    cluster.github.add_user("hubot")
    cluster.github.add_gist("octocat", {f"{number}.txt": "text" for number in range(FILES)})
    cluster.github.add_gist("hubot", {"late.txt": "late"})
    older = [cluster.add(), cluster.add()]
    assert older[0].post("/users/octocat/1").status_code == 201
    cluster.await_activities(3)

    first = cluster.add(environment=newer)
    assert cluster.ask("SELECT version_num FROM alembic_version") == [("9999",)]
    published = cluster.published()
    for replica in older:
        assert replica.get("/ready").json()["ready"] is True
        assert replica.get("/health").text == "Alive"
    assert older[1].post("/users/hubot/2").status_code == 201
    first.wait_for(lambda: cluster.published() > published + 3, "the older ones to go on")

    assert older[0].stop() == 0
    second = cluster.add(environment=newer)
    assert older[1].stop() == 0
    refused = older[1].command("serve")
    assert refused.returncode == 1
    assert "a newer gitpip has migrated it" in refused.stderr
    cluster.pipedrive.faults.clear()
    second.wait_for(lambda: cluster.published() == FILES + 1, "every publication to be published")

    subjects = Counter(str(activity["subject"]) for activity in cluster.pipedrive.activities)
    assert len(subjects) == FILES + 1
    assert set(subjects.values()) == {1}
    assert len(cluster.pipedrive.deals) == 2
    assert cluster.pipedrive.abuse == []
