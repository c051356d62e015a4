"""Work alongside a block: it ends with it, and hides nothing."""

import asyncio

import pytest

from gitpip.background import in_background


async def test_it_is_cancelled_when_the_block_ends() -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        await asyncio.Event().wait()

    async with in_background(work()) as task:
        await began.wait()
        assert not task.done()
    assert task.cancelled()


async def test_what_it_raised_is_not_lost() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with in_background(work()) as task:
            await asyncio.wait({task})


async def test_it_does_not_replace_the_error_of_the_block() -> None:
    """It may be the one that says what the failure of the work means."""

    async def work() -> None:
        raise ZeroDivisionError

    async def block() -> None:
        async with in_background(work()) as task:
            await asyncio.wait({task})
            raise LookupError from task.exception()

    with pytest.raises(LookupError):
        await block()


async def test_a_block_that_is_cancelled_at_its_end_stays_so() -> None:
    ending, may_end = asyncio.Event(), asyncio.Event()
    after = False

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await may_end.wait()

    async def block() -> None:
        nonlocal after
        async with in_background(work()) as task:
            await asyncio.sleep(0)
            assert not task.done()
        after = True

    whole = asyncio.create_task(block())
    await ending.wait()
    whole.cancel()
    may_end.set()
    await asyncio.wait({whole})
    assert whole.cancelled()
    assert not after
