"""Real processes whose writes land late and whose lists lag, and two installations of one account.

The vendor's stand-in is behind in real time, by seconds: `tests/publish/test_any_ledger.py` tries
minutes, by clocks that are moved.
"""

from collections import Counter
from datetime import timedelta
from pathlib import Path

from gitpip_standins import Fault
from tests.support.running import Installation
from tests.web.conftest import Served, serving

BEHIND = timedelta(seconds=3)
LATE = timedelta(seconds=4)
SETTINGS = {"GITPIP_FEED": "off", "GITPIP_HTTP_TIMEOUT": "2s", "GITPIP_ABSENT_AFTER": "10s"}


def published(gitpip: Installation, number: int) -> None:
    gitpip.wait_for(
        lambda: gitpip.get("/api/v1/publications?state=published").json()["total"] == number,
        f"{number} files to be published",
    )


def assert_each_is_there_once(served: Served, files: int) -> None:
    subjects = Counter(str(activity["subject"]) for activity in served.pipedrive.activities)
    assert len(subjects) == files
    assert set(subjects.values()) == {1}
    assert not any(activity["is_deleted"] for activity in served.pipedrive.activities)


def test_a_late_write_in_a_late_list_is_there_once(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path, database_url, **SETTINGS) as served:
        served.track("ada", {"old.py": "1\n"})
        published(served.gitpip, 1)
        pipedrive = served.pipedrive
        pipedrive.list_lag = BEHIND
        pipedrive.faults.script(Fault.lands(LATE), method="POST", path="/activities$", times=2)
        served.publish_another("ada", {"a.py": "2\n", "b.py": "3\n"})
        pipedrive.wait_until(lambda: len(pipedrive.faults.injected) == 2)
        # One that is on its way when its process dies is looked for by the next one.
        served.gitpip.kill()
        served.gitpip.start()
        published(served.gitpip, 3)
        assert_each_is_there_once(served, 3)
        titles = Counter(str(deal["title"]) for deal in pipedrive.deals)
        assert titles == {"ada": 1}


def test_a_second_installation_sends_nothing_that_the_first_one_has_sent(
    tmp_path: Path, database_url: str
) -> None:
    with serving(tmp_path, database_url, **SETTINGS) as served:
        served.track("ada", {"old.py": "1\n"}, {"older.py": "2\n"})
        published(served.gitpip, 2)
        folder = tmp_path / "second"
        folder.mkdir()
        url = f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3"
        second = Installation(folder, {**served.gitpip.environment, "GITPIP_DATABASE_URL": url})
        second.start()
        try:
            assert second.post("/users/ada/1").status_code == 201
            # What it finds is known to be published: it waits, as more may be on its way.
            second.wait_for(lambda: second.logged("ledger.adopted"), "the comparison")
            published(second, 2)
            served.publish_another("ada", {"new.py": "3\n"})
            published(served.gitpip, 3)
            assert second.post("/api/v1/checks").status_code == 202
            second.wait_for(
                lambda: second.get("/api/v1/users/ada/gists").json()["total"] == 3,
                "the new file to be found",
            )
            assert_each_is_there_once(served, 3)
        finally:
            second.stop()
        assert_each_is_there_once(served, 3)
        assert len(served.pipedrive.deals) == 1
