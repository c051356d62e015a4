"""Each process asks Pipedrive by a client that is made in one place, and says where it can't."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from gitpip.actions import surveys as actions
from gitpip.config import Settings, load_settings
from gitpip.errors import DestinationUnavailable
from gitpip.runtime import oneshot_accounts, surveys

SOURCE = Path(__file__).parents[2] / "src" / "gitpip"
STAND_INS = ("demo", "drill")
"""What these call Pipedrive is the stand-in."""
WITHOUT_TOKEN = "^set PIPEDRIVE_TOKEN: without it Pipedrive can't be asked$"


def test_the_client_is_made_in_one_place() -> None:
    made = re.compile(r"(?<!class )\bPipedrive\(")
    places = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if made.search(path.read_text())
    ]
    elsewhere = [place for place in places if not place.startswith(STAND_INS)]
    assert elsewhere == ["runtime/account_access.py"]


@pytest.mark.parametrize(
    "command",
    [
        partial(oneshot_accounts.adopt, write=False),
        partial(surveys.survey_now, request=actions.request_search, follow=lambda survey: None),
    ],
    ids=["adopt", "adopt --from-others"],
)
async def test_calls_of_pipedrive_say_that_the_token_is_missing(
    command: Callable[[Settings], Awaitable[object]], database_url: str
) -> None:
    environment = {"GITPIP_DATABASE_URL": database_url}
    with pytest.raises(DestinationUnavailable, match=WITHOUT_TOKEN):
        await command(load_settings(environment, env_file=None))
