"""Activities that a person copied, marked anew or deleted mislead no comparison."""

import pytest

from gitpip.marking import marker_of
from gitpip.publish.comparison import MOST_IDS
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.publications import duplicates
from gitpip.store.schema_accounts import Vendor
from gitpip_standins import Fault
from tests.publish.test_comparison import HOUR
from tests.support.scene import Scene

pytestmark = pytest.mark.long


async def test_a_person_who_copies_an_activity_doubles_nothing(scene: Scene) -> None:
    await scene.find_files("ada", "a.py", "b.py")
    await scene.settle(await scene.process())
    original = scene.crm.activities[0]
    copy = scene.crm.add_activity(
        str(original["subject"]), note=original["note"], deal_id=original["deal_id"]
    )
    # A marker in the subject of somebody's own activity proves nothing.
    scene.crm.add_activity(f"see {original['subject']}", note="a talk about it")
    scene.clock.advance(HOUR)
    await scene.settle(await scene.process())
    assert len(scene.crm.activities) == 4
    async with scene.database.read() as transaction:
        account = await accounts.bound(transaction, Vendor.DESTINATION)
        assert account
        (found,) = await duplicates.listed(transaction, account.key, 10)
    assert (found.activity_id, found.published_as) == (copy, original["id"])

    # The person deletes the original: the copy takes its place.
    scene.crm.delete_activity(int(str(original["id"])))
    await scene.settle(await scene.process())
    assert (await scene.rows())[0].activity_id == copy
    async with scene.database.read() as transaction:
        assert await duplicates.listed(transaction, account.key, 10) == ()


@pytest.mark.parametrize("asked", [False, True])
async def test_copies_that_nobody_deletes_hide_no_later_one(scene: Scene, asked: bool) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    original = scene.crm.activities[0]
    subject, note = str(original["subject"]), original["note"]
    copies = [scene.crm.add_activity(subject, note=note, deal_id=1) for _ in range(MOST_IDS + 5)]
    scene.clock.advance(HOUR)
    await scene.settle(await scene.process())
    scene.crm.delete_activity(copies[-1])

    async def left() -> int:
        async with scene.database.read() as transaction:
            account = await accounts.bound(transaction, Vendor.DESTINATION)
            assert account
            return len(await duplicates.listed(transaction, account.key, 100))

    assert await left() == len(copies)
    other = await scene.process()
    for _ in range(1 if asked else 2):
        if asked:
            async with scene.database.begin() as transaction:
                await ledger.request(transaction, scene.clock())
        else:
            # Something unknown makes it compare again.
            unknown = f"gp-{'abcdefgh'[len(scene.crm.activities) % 8] * 12}"
            scene.crm.add_activity("x", note=f"<p>gitpip {unknown}</p>", deal_id=1)
            await scene.find_files("ada", f"{unknown}.py")
            scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
        await scene.settle(other)
    assert await left() == len(copies) - 1


@pytest.mark.parametrize("copied", ["subject", "footer"])
async def test_a_copied_marker_is_no_publication(scene: Scene, copied: str) -> None:
    await scene.find_files("ada", "a.py")
    (row,) = await scene.rows()
    if copied == "subject":
        scene.crm.add_activity(f"a.py · ada [{row.marker}]", note="a talk about it")
    else:
        marker = marker_of(row.gist_id, "other.py")
        scene.crm.add_activity(
            f"a.py · ada [{row.marker}]", note=f"<p>gitpip {marker}</p>", creator_user_id=1
        )
    await scene.settle(await scene.process())
    assert len(scene.crm.activities) == 2
    assert scene.activities()[row.marker] == 1


async def test_an_account_that_was_emptied_is_told_and_nothing_is_sent_again(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "a.py", "b.py")
    await scene.settle(await scene.process())
    scene.crm.empty_account()
    scene.clock.advance(HOUR)
    await scene.settle(await scene.process())
    async with scene.database.read() as transaction:
        assert (await ledger.read(transaction)).missing == 2
    assert await scene.states() == ["published"] * 2
    assert all(activity["is_deleted"] for activity in scene.crm.activities)

    await scene.find_files("ada", "c.py", "d.py")
    await scene.settle(await scene.process())
    scene.clock.advance(HOUR)
    await scene.settle(await scene.process())
    async with scene.database.read() as transaction:
        assert (await ledger.read(transaction)).missing == 0
