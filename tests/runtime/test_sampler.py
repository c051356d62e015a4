"""A pause whose time has passed is told to be over, also if nothing asks the vendor afterwards."""

import asyncio
from datetime import timedelta

from pydantic import SecretStr

from gitpip.clock import utc_now
from gitpip.model import Pause
from gitpip.publish.pipedrive.client import Pipedrive
from gitpip.runtime.sampler import sampling
from gitpip.store.database import open_database
from gitpip.store.status import pauses, publishing_pause
from gitpip.store.status.publishing_pause import PersonsPause
from gitpip.watch.github.client import GitHub
from tests.support.happened import happened
from tests.support.tokens import TOKEN

NOWHERE = "http://127.0.0.1:1"
A_MINUTE = timedelta(minutes=1)


async def test_the_ends_of_pauses_are_told_while_nothing_waits(database_url: str) -> None:
    database = open_database(database_url)
    ago = utc_now() - timedelta(hours=2)
    by_person = PersonsPause("eve", since=ago, until=ago + A_MINUTE, reason="")
    async with database.begin() as transaction:
        await pauses.pause(transaction, "watching", Pause(ago + A_MINUTE, "refused"), now=ago)
        await publishing_pause.begin(transaction, by_person, ago)
        # This one holds.
        await pauses.pause(transaction, "reading", Pause(utc_now() + A_MINUTE, "refused"))
    github = GitHub(api_url=NOWHERE, graphql_url=None, token=None, timeout=A_MINUTE)
    pipedrive = Pipedrive(
        api_url=NOWHERE, token=SecretStr(TOKEN), timeout=A_MINUTE, rest=timedelta(0)
    )
    begun = ["watching.paused", "publishing.paused", "reading.paused"]
    async with sampling(database, github, pipedrive), asyncio.timeout(60):
        while True:
            told = [kind for kind, *_ in await happened(database)]
            if told != begun:
                break
            await asyncio.sleep(0.01)
    await pipedrive.__aexit__(None, None, None)
    await database.close()
    assert told == [*begun, "watching.resumed", "publishing.resumed"]
