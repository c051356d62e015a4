"""What was sent twice is looked at again: of two activities the untouched younger one goes."""

from datetime import timedelta

import pytest

from gitpip.publish.delivery import ABSENCE
from gitpip.store.accounts import accounts
from gitpip.store.publications import duplicates, second_sends
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_publishing import doubles
from gitpip_standins import Fault
from tests.publish.test_sent_again import files_of, send_again
from tests.support.scene import Process, Scene

pytestmark = pytest.mark.long

LONG = ABSENCE + timedelta(minutes=1)
FIRST, SECOND = 1, 2
"""The ids of activities in the order in which they are made."""


async def send_twice(scene: Scene, lands_after: timedelta = LONG) -> Process:
    """Publish a file whose first request arrives only after it was sent once more."""
    scene.crm.faults.script(Fault.lands(lands_after), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    return process


async def found(scene: Scene) -> list[tuple[int, str | None]]:
    """The doubles that are told of: the activity, and why it was left."""
    async with scene.database.read() as transaction:
        rows = (await transaction.execute(doubles.select())).all()
    return [(row.activity_id, row.reason) for row in rows]


async def told_as_copies(scene: Scene) -> list[int]:
    """The activities that people are asked to delete, after one more comparison."""
    await scene.settle(await scene.process())
    async with scene.database.read() as transaction:
        account = await accounts.bound(transaction, Vendor.DESTINATION)
        assert account is not None
        some = await duplicates.listed(transaction, account.key, 10)
    return [one.activity_id for one in some]


def lists_of_activities(scene: Scene) -> int:
    return sum(r.method == "GET" and r.path.endswith("activities") for r in scene.crm.requests)


def there(scene: Scene) -> list[object]:
    return [each["id"] for each in scene.crm.activities if not each["is_deleted"]]


async def test_a_request_that_lands_after_all_leaves_one_activity(scene: Scene) -> None:
    process = await send_twice(scene)
    row = (await scene.rows())[0]
    assert (row.attempts, row.activity_id) == (2, FIRST)
    scene.clock.advance(LONG)
    assert there(scene) == [FIRST, SECOND]

    await scene.settle(process, watched=True)

    assert there(scene) == [FIRST]
    assert await found(scene) == [(SECOND, None)]
    await scene.assert_each_is_there_once()
    deletes = [request for request in scene.crm.requests if request.method == "DELETE"]
    assert len(deletes) == 1
    assert await told_as_copies(scene) == []


async def test_each_time_that_it_is_sent_again_has_its_own_second_activity(scene: Scene) -> None:
    process = await send_twice(scene)
    await scene.settle(process, watched=True)
    await send_again(scene, 1)
    scene.crm.faults.script(Fault.lands(LONG), method="POST", path="activities$")
    await scene.settle(process, watched=True)
    assert files_of(scene) == {"a.py": 2}
    assert len(scene.crm.activities) == 4


async def test_a_deletion_that_is_refused_is_told_and_not_tried_again(scene: Scene) -> None:
    process = await send_twice(scene)
    scene.clock.advance(LONG)
    scene.crm.faults.script(Fault.error(403), method="DELETE", times=None)
    await scene.settle(process, watched=True)
    [(activity, reason)] = await found(scene)
    assert activity == SECOND
    assert "could not delete it" in str(reason)
    deletes = [request for request in scene.crm.requests if request.method == "DELETE"]
    assert len(deletes) <= 4


async def test_the_ledger_names_the_activity_that_stays(scene: Scene) -> None:
    scene.crm.list_lag = timedelta(minutes=6)
    # The list lags so much that what arrived at once is taken for lost.
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    assert (await scene.rows())[0].activity_id == SECOND

    await scene.settle(process, watched=True)

    assert there(scene) == [FIRST]
    assert (await scene.rows())[0].activity_id == FIRST
    await scene.assert_each_is_there_once()
    assert await told_as_copies(scene) == []


@pytest.mark.parametrize(
    ("touch", "reason"),
    [
        ({"done": True}, "changed it"),
        ({"due_date": "2026-05-05"}, "changed it"),
        ({"subject": "Call them"}, "subject or its note"),
        ({"note": "see the file"}, None),
        ({"creator_user_id": 7}, "another user"),
    ],
    ids=str,
)
async def test_a_double_that_a_person_changed_is_left_and_shown(
    scene: Scene, touch: dict[str, object], reason: str | None
) -> None:
    process = await send_twice(scene)
    scene.clock.advance(LONG)
    scene.crm.activities  # noqa: B018 - it lands now
    if reason == "another user":
        # A copy is as new as what it was copied from.
        edited = scene.crm.activities[SECOND - 1]
        scene.crm.edit_activity(SECOND, **touch, update_time=edited["update_time"])
    else:
        scene.crm.edit_activity(SECOND, **touch)

    await scene.settle(process, watched=True)

    assert there(scene) == [FIRST, SECOND]
    told = await found(scene)
    assert [activity for activity, _ in told] == [SECOND]
    assert (reason or "subject or its note") in str(told[0][1])


async def test_a_copy_that_the_own_user_made_after_a_double_was_deleted_is_left(
    scene: Scene,
) -> None:
    """Two requests were sent and both have arrived: a third activity is none of theirs."""
    process = await send_twice(scene)
    scene.clock.advance(LONG)
    assert there(scene) == [FIRST, SECOND]
    while await found(scene) != [(SECOND, None)]:
        await scene.settle_until(process, lambda _: True)
        assert await scene.wake(watched=True)
    first = scene.crm.activities[FIRST - 1]
    own = {name: first[name] for name in ("note", "deal_id", "creator_user_id")}
    copy = scene.crm.add_activity(str(first["subject"]), **own)

    await scene.settle(process, watched=True)

    assert there(scene) == [FIRST, copy]
    told = await found(scene)
    assert [activity for activity, _ in told] == [copy]
    assert "more of them than gitpip sent" in str(told[0][1])


async def test_what_was_sent_twice_and_is_there_once_is_watched_for_an_hour(scene: Scene) -> None:
    process = await scene.process()
    await scene.end_youth(process, "ada")
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    sent_at = scene.clock()
    asked = lists_of_activities(scene)

    await scene.settle(process, watched=True)

    # Each look waits for the next multiple of five minutes, to be shared.
    assert timedelta(minutes=59) < scene.clock() - sent_at < timedelta(minutes=80)
    assert lists_of_activities(scene) - asked == len(second_sends.WATCHED)
    assert await found(scene) == []
    await scene.assert_each_is_there_once()


async def test_a_look_that_fails_is_made_again(scene: Scene) -> None:
    process = await send_twice(scene)
    scene.clock.advance(LONG)
    scene.crm.faults.script(Fault.error(500), method="GET", path="activities$", times=2)
    scene.crm.faults.script(Fault.error(500), method="DELETE", path="activities")

    await scene.settle(process, watched=True)

    await scene.assert_each_is_there_once()


async def test_what_is_sent_again_was_looked_for_just_before_also_after_a_pause(
    scene: Scene,
) -> None:
    scene.crm.faults.script(
        # The first is lost for minutes, and the second meets a limit for half an hour.
        Fault.lands(ABSENCE + timedelta(minutes=10)),
        Fault.limited({"x-daily-ratelimit-token-remaining": "0"}),
        method="POST",
        path="activities$",
    )
    await scene.find_files("ada", "a.py")
    await scene.settle(await scene.process(), watched=True)
    await scene.assert_each_is_there_once()
    posted = [r for r in scene.crm.requests if r.method == "POST" and "activities" in r.path]
    assert len(posted) == 2
    assert await found(scene) == []
