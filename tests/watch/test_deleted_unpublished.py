"""A gist that is deleted or made secret after it was found, and before it was published."""

from datetime import timedelta

import pytest

from gitpip.model import PublicationState
from gitpip.store.database import Database
from gitpip.store.publications import publications
from gitpip.store.schema_events import EventKind
from gitpip.store.status import checks
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.support.happened import happened
from tests.watch.conftest import INTERVAL
from tests.watch.test_check import run, stored, track
from tests.watch.test_unreadable import rows_of

A_MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("publish", [True, False])
async def test_it_is_published_all_the_same_unless_the_setting_says_no(
    world: StandIn, github: GitHub, database: Database, clock: Clock, publish: bool
) -> None:
    rules = Rules(interval=INTERVAL, publish_deleted=publish)
    watcher = Watcher(database, github, rules=rules, now=clock)
    world.add_user("ada")
    deleted = world.add_gist("ada", {"deleted.txt": "x"})
    secret = world.add_gist("ada", {"secret.txt": "x"})
    part = world.add_gist("ada", {"kept.txt": "x", "removed.txt": "x"})
    await track(database, clock, "ada")
    await run(watcher)
    clock.advance(INTERVAL)
    world.delete_gist(deleted)
    gist = world.gist(secret)
    assert gist
    gist.public = False
    world.edit_gist(part, {"removed.txt": None})
    await run(watcher)
    states = {file.filename: file.publication for file in await stored(database, "ada")}
    then = PublicationState.PENDING if publish else PublicationState.SKIPPED
    assert states == {
        "deleted.txt": then,
        "secret.txt": then,
        "removed.txt": then,
        "kept.txt": PublicationState.PENDING,
    }
    skipped = await happened(database, EventKind.PUBLICATIONS_SKIPPED)
    each = ("publications.skipped", "ada", "3 files: deleted or made secret on GitHub")
    assert skipped == ([] if publish else [each])


async def test_a_skipped_deleted_file_is_published_once_it_is_public_again(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    rules = Rules(interval=INTERVAL, publish_deleted=False)
    watcher = Watcher(database, github, rules=rules, now=clock)
    world.add_user("ada")
    hidden = world.add_gist("ada", {"by-person.txt": "x", "edited.txt": "x", "same.txt": "x"})
    part = world.add_gist("ada", {"kept.txt": "x", "back.txt": "x"})
    await track(database, clock, "ada")
    await run(watcher)
    by_name = {file.filename: file for file in await stored(database, "ada")}
    by_person = by_name["by-person.txt"].publication_id
    assert by_person
    async with database.begin() as transaction:
        await publications.skip(transaction, by_person, clock())
    gist = world.gist(hidden)
    assert gist
    gist.public = False
    world.edit_gist(part, {"back.txt": None})
    clock.advance(INTERVAL)
    await run(watcher)
    states = {file.filename: file.publication for file in await stored(database, "ada")}
    assert states["same.txt"] is states["back.txt"] is PublicationState.SKIPPED

    gist.public = True
    world.edit_gist(hidden, {"edited.txt": "y"})
    world.edit_gist(part, {"back.txt": "x"})
    clock.advance(INTERVAL)
    await run(watcher)

    assert await happened(database, EventKind.PUBLICATIONS_QUEUED) == [
        ("publications.queued", "ada", "3 files: shown on GitHub again")
    ]
    states = {file.filename: file.publication for file in await stored(database, "ada")}
    assert states.pop("by-person.txt") is PublicationState.SKIPPED
    assert set(states.values()) == {PublicationState.PENDING}
    async with database.read() as transaction:
        rows = await publications.page(transaction, offset=0, limit=100)
    reasons = {row.filename: row.reason for row in rows.items}
    assert reasons.pop("by-person.txt") == "skipped by a person"
    assert set(reasons.values()) == {None}


async def test_a_list_that_is_behind_does_not_make_a_new_gist_a_deleted_one(
    world: StandIn, github: GitHub, database: Database, clock: Clock
) -> None:
    rules = Rules(interval=INTERVAL, publish_deleted=False)
    watcher = Watcher(database, github, rules=rules, now=clock)
    world.add_user("ada")
    world.add_gist("ada", {"old.txt": "x"})
    await track(database, clock, "ada")
    await run(watcher)
    clock.advance(INTERVAL)
    world.add_gist("ada", {"new.txt": "x"})
    await run(watcher)
    # Another of GitHub's servers, which knows nothing of the gist yet, answers.
    world.lists.behind = world.lists.gists_behind = 2 * A_MINUTE
    clock.advance(A_MINUTE)
    async with database.begin() as transaction:
        await checks.request(transaction, clock())
    await run(watcher)
    states = {file.filename: file.publication for file in await stored(database, "ada")}
    assert states["new.txt"] is PublicationState.PENDING
    assert len(await rows_of(database, "ada")) == 1
    clock.advance(2 * A_MINUTE)
    await run(watcher)
    assert await rows_of(database, "ada") == ()
