"""Pages link to deals and activities in the company that Pipedrive names."""

import re
from pathlib import Path

import pytest

from tests.web.conftest import Served, serving

LINK = re.compile(r'href="https://([^"/]+)/deal/\d+"')


def _publish(served: Served, files: dict[str, str]) -> None:
    """Let ada publish one more gist, and wait until it is in Pipedrive."""
    before = len(served.pipedrive.activities)
    if before == 0:
        served.track("ada", files)
    else:
        served.publish_another("ada", files)
    served.gitpip.wait_for(
        lambda: len(served.pipedrive.activities) == before + len(files), "publishing"
    )


def _linked(served: Served) -> str | None:
    """The host that ada's page links her deal to; None without a link."""
    page = served.gitpip.get("/people/ada").text
    assert re.search(r"deal \d+", page)
    found = LINK.search(page)
    return found[1] if found else None


def _asked(served: Served) -> int:
    return sum(request.path.endswith("/users/me") for request in served.pipedrive.requests)


def test_the_company_is_learned_once_for_each_token(served_from_any: Served) -> None:
    served = served_from_any
    _publish(served, {"notes.md": "# Notes"})
    served.gitpip.wait_for(lambda: _linked(served) == "example.pipedrive.com", "a link")

    served.gitpip.stop()
    served.gitpip.start()
    _publish(served, {"more.md": "# More"})
    assert _linked(served) == "example.pipedrive.com"
    assert _asked(served) == 1

    served.gitpip.stop()
    # Another user's token of the same company, which goes by another domain now.
    served.pipedrive.token, served.pipedrive.company_domain = "another-token", "other"
    served.gitpip.environment = {**served.gitpip.environment, "PIPEDRIVE_TOKEN": "another-token"}
    served.gitpip.start()
    _publish(served, {"most.md": "# Most"})
    served.gitpip.wait_for(lambda: _linked(served) == "other.pipedrive.com", "another link")
    assert _asked(served) == 2


def test_the_setting_wins(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3"
    with serving(tmp_path, url, PIPEDRIVE_ORG="chosen") as served:
        _publish(served, {"notes.md": "# Notes"})
        assert _linked(served) == "chosen.pipedrive.com"


@pytest.mark.parametrize("domain", [None, 7, "evil.example/x?"])
def test_a_name_that_is_no_company_is_not_linked(served: Served, domain: object) -> None:
    served.pipedrive.company_domain = domain
    _publish(served, {"notes.md": "# Notes"})
    served.gitpip.wait_for(lambda: _asked(served) == 1, "the question")
    assert _linked(served) is None
