"""A removed user's files stay where they are: nothing is sent before the user is back."""

import asyncio
import itertools

import pytest
from sqlalchemy import text

from gitpip.store.users import users
from tests.support.scene import Scene


@pytest.mark.long
async def test_nothing_is_sent_for_a_user_who_was_removed_at_any_moment(scene: Scene) -> None:
    for moment in itertools.count(1):
        login = f"user-{moment}"
        await scene.find_files(login, "a.py")
        process = await scene.process()
        process.database.freezes = process.database.in_moments(moment)
        running = asyncio.create_task(process.run())
        frozen = asyncio.create_task(process.database.frozen.wait())
        await asyncio.wait({running, frozen}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            frozen.cancel()
            break
        under_way, before = await _being_sent(scene), _sent(scene)
        await _remove(scene, login)
        process.database.thawed.set()
        await running
        assert _sent(scene) - before <= under_way
        await process.run()
        assert _sent(scene) - before <= under_way
        await scene.add(login)
        await scene.settle(process)

    assert moment > 10
    await scene.assert_each_is_there_once()


async def test_a_note_of_a_removed_user_waits_until_they_are_back(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    await scene.change_contents()
    requests = len(scene.crm.requests)

    await _remove(scene, "ada")
    due = await process.publisher.due()
    await process.run()
    asked_meanwhile = len(scene.crm.requests) - requests
    await scene.add("ada")
    await process.run()

    assert (due, asked_meanwhile) == (False, 0)
    assert [request.method for request in scene.crm.requests[requests:]] == ["GET", "PATCH"]


def _sent(scene: Scene) -> int:
    return sum(request.method == "POST" for request in scene.crm.requests)


async def _being_sent(scene: Scene) -> int:
    async with scene.database.read() as transaction:
        numbers = [
            await transaction.scalar(text(f"SELECT count(*) FROM {table} WHERE state = 'sending'"))  # noqa: S608
            for table in ("publications", "deals")
        ]
    return sum(number or 0 for number in numbers)


async def _remove(scene: Scene, login: str) -> None:
    async with scene.database.begin() as transaction:
        user = await users.find(transaction, login)
        await users.remove(transaction, user.key, scene.clock())
