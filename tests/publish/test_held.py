"""What is held is sent when a person says so, and by nothing else."""

import asyncio
from datetime import timedelta

import pytest

from gitpip.actions.acting import Acting, Work
from gitpip.actions.publications import decide_held
from gitpip.backfill import Backfill
from gitpip.counts import count
from gitpip.errors import HeldChanged, InvalidInput, PublicationStateError, UserNotTracked
from gitpip.model import ActivityId, DealId, PublicationState
from gitpip.store.access import audit_log
from gitpip.store.access.audit_log import Actor
from gitpip.store.accounts import accounts
from gitpip.store.publications import held, markers, publications
from gitpip.store.publications.held import Answered
from gitpip.store.publications.recognition import Sighting
from gitpip.store.schema_access import Via
from gitpip.store.schema_accounts import Vendor
from gitpip.store.users import users
from tests.support.scene import Scene

BECAUSE = "one of 5 files that would have been sent at once"
WEEK = timedelta(days=7)


async def hold(scene: Scene, login: str, *filenames: str) -> None:
    """A gist of one file each, a minute apart, all held."""
    for filename in filenames:
        scene.clock.advance(timedelta(minutes=1))
        await scene.find_files(login, filename, held_because=BECAUSE)


async def answer(scene: Scene, login: str, approved: str, *, shown: int | None = None) -> Answered:
    acting = Acting(scene.database, Actor("eve", Via.PAGE), _wake_nobody, scene.clock)
    return await decide_held(acting, login, Backfill.parse(approved), shown=shown)


async def _wake_nobody(work: Work) -> None:
    """Leave it to the test when somebody publishes."""


async def kept(scene: Scene) -> list[str]:
    """What the audit says was done, with its subject."""
    async with scene.database.read() as transaction:
        entries = (await audit_log.page(transaction, offset=0, limit=10)).items
    return [f"{entry.action} {entry.subject}" for entry in entries]


async def files_in(scene: Scene, state: PublicationState) -> list[str]:
    return [row.filename for row in await scene.rows() if row.state is state]


async def test_no_restart_no_replica_and_no_time_releases_what_is_held(scene: Scene) -> None:
    await hold(scene, "ada", "1.py", "2.py")
    first, second = await scene.process(), await scene.process()
    for process in (first, second):
        await process.run()
    await first.publisher.due()
    scene.clock.advance(WEEK)
    restarted = await scene.process()
    await asyncio.gather(restarted.run(), second.run())
    assert not await scene.wake()
    assert [request.path for request in scene.crm.requests if request.method == "POST"] == []
    assert set(await scene.states()) == {"held"}


async def test_what_comes_later_is_sent_beside_what_is_held(scene: Scene) -> None:
    await hold(scene, "ada", "1.py", "2.py")
    await scene.find_files("ada", "later.py")
    await scene.settle(await scene.process())
    assert await scene.states() == ["held", "held", "published"]


ANSWERS = {
    "all": ["1.py", "2.py", "3.py", "4.py", "5.py"],
    "latest:3": ["3.py", "4.py", "5.py"],
    "latest:900": ["1.py", "2.py", "3.py", "4.py", "5.py"],
    "none": [],
}


async def test_the_answer_is_followed_once(scene: Scene) -> None:
    for number in range(len(ANSWERS)):
        await hold(scene, f"user-{number}", "1.py", "2.py", "3.py", "4.py", "5.py")
    told: list[str] = []
    for number, (approved, sent) in enumerate(ANSWERS.items()):
        login = f"user-{number}"
        assert await answer(scene, login.upper(), approved) == Answered(
            login, len(sent), 5 - len(sent)
        )
        rest = f"{count(len(sent), 'file')} to send, {5 - len(sent)} skipped"
        told.insert(0, f"held.decided {login}: {approved}, {rest}")
    process = await scene.process()
    await scene.settle(process)

    for number, sent in enumerate(ANSWERS.values()):
        rows = [row for row in await scene.rows() if row.login == f"user-{number}"]
        published = [row.filename for row in rows if row.state is PublicationState.PUBLISHED]
        assert published == sent
        for again in ("all", "latest:1", "none"):
            nothing = Answered(f"user-{number}", 0, 0)
            assert await answer(scene, f"user-{number}", again, shown=5) == nothing
    await scene.settle(process)
    assert len(scene.activities()) == sum(map(len, ANSWERS.values()))
    assert await kept(scene) == told


async def test_the_latest_gists_count_and_not_the_latest_files(scene: Scene) -> None:
    await scene.find_files("ada", "old.py", held_because=BECAUSE)
    scene.clock.advance(timedelta(minutes=1))
    await scene.find_files("ada", "a.py", "b.py", held_because=BECAUSE)
    assert await answer(scene, "ada", "latest:1") == Answered("ada", 2, 1)
    assert await files_in(scene, PublicationState.PENDING) == ["a.py", "b.py"]


async def test_a_bad_answer_says_what_is_wrong_and_changes_nothing(scene: Scene) -> None:
    await hold(scene, "ada", "1.py", "2.py")
    with pytest.raises(InvalidInput, match="approve: must be all, latest:N"):
        await answer(scene, "ada", "since:2026-01-01")
    for wrong in ("", "latest:0", "latest:-3", "latest:1e9", "ALL!", "yes", "latest"):
        with pytest.raises(InvalidInput, match="must be all, latest:N"):
            held.parse_answer(wrong)
    with pytest.raises(HeldChanged, match="2 files of ada are held now, not 1"):
        await answer(scene, "ada", "all", shown=1)
    with pytest.raises(UserNotTracked):
        await answer(scene, "nobody", "all")
    assert await scene.states() == ["held", "held"]
    assert await kept(scene) == []


async def test_one_of_two_simultaneous_answers_counts(scene: Scene) -> None:
    await hold(scene, "ada", *(f"{number}.py" for number in range(6)))
    answers = await asyncio.gather(answer(scene, "ada", "all"), answer(scene, "ada", "none"))
    assert sorted((one.published, one.skipped) for one in answers) in [
        [(0, 0), (6, 0)],
        [(0, 0), (0, 6)],
    ]
    assert len(set(await scene.states())) == 1
    assert len(await kept(scene)) == 1


async def test_held_files_of_a_removed_user_are_not_sent_shown_or_decided(scene: Scene) -> None:
    await hold(scene, "ada", "1.py", "2.py")
    process = await scene.process()
    async with scene.database.begin() as transaction:
        user = await users.find(transaction, "ada")
        await users.remove(transaction, user.key, scene.clock())
    with pytest.raises(UserNotTracked):
        await answer(scene, "ada", "all")
    async with scene.database.read() as transaction:
        assert await held.everyone(transaction, limit=10) == ()
        assert await held.summary(transaction) is None
    await scene.add("ada")
    await scene.settle(process)
    assert await scene.states() == ["held", "held"]
    assert await answer(scene, "ada", "latest:1") == Answered("ada", 1, 1)
    await scene.settle(process)
    assert await files_in(scene, PublicationState.PUBLISHED) == ["2.py"]


async def test_single_files_can_be_published_or_skipped(scene: Scene) -> None:
    await hold(scene, "ada", "1.py", "2.py", "3.py")
    first, second, _ = await scene.rows()
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, first.id, scene.clock())
        await publications.skip(transaction, second.id, scene.clock())
    await scene.settle(await scene.process())
    assert await scene.states() == ["published", "skipped", "held"]
    assert await answer(scene, "ada", "none") == Answered("ada", 0, 1)
    with pytest.raises(PublicationStateError):
        async with scene.database.begin() as transaction:
            await publications.skip(transaction, second.id, scene.clock())


async def test_what_is_in_pipedrive_already_is_adopted_although_it_is_held(scene: Scene) -> None:
    await hold(scene, "ada", "1.py", "2.py")
    process = await scene.process()
    await process.run()  # binds the account
    row, _ = await scene.rows()
    async with scene.database.begin() as transaction:
        account = await accounts.bound(transaction, Vendor.DESTINATION)
        assert account
        seen = Sighting(ActivityId(77), row.marker, DealId(7), None)
        await markers.take_in(transaction, account.key, [seen], scene.clock(), write=True)
    assert await scene.states() == ["published", "held"]
    assert await answer(scene, "ada", "all", shown=1) == Answered("ada", 1, 0)
