"""The inbox shows the status of a moment ago, and at once what was done here."""

from tests.support.pages import on_one_line
from tests.web.conftest import Served

PAUSED = "Sync is paused"


def test_what_is_done_here_shows_at_once(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    assert PAUSED not in _told(served)
    assert served.api("POST", "/publishing/pause", {"reason": "holidays"}).status_code == 200
    assert PAUSED in _told(served)
    assert served.api("POST", "/publishing/resume").status_code == 200
    assert PAUSED not in _told(served)


def test_what_is_done_elsewhere_shows_after_the_next_page(served: Served) -> None:
    served.track("ada", {"one.py": "1"})
    assert PAUSED not in _told(served)
    paused = served.gitpip.command("publishing", "pause", "--reason", "holidays")
    assert paused.returncode == 0, paused.stderr
    served.gitpip.wait_for(lambda: PAUSED in _told(served), "the pause to be shown")


def _told(served: Served) -> str:
    page = on_one_line(served.gitpip.get("/").text)
    _, found, rest = page.partition('id="condition"')
    return rest.partition("</p>")[0] if found else ""
