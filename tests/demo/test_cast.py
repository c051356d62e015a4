"""The demo's cast: it settles, acts by its seed, and stops when told."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import islice

from gitpip.demo.cast import CAST, acts, perform, settle
from gitpip_standins import GitHub
from gitpip_standins.github.world import World

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def settled() -> World:
    world = World()
    settle(world, NOW)
    return world


def play(length: int, seed: int) -> list[tuple[int, str | None, list[str]]]:
    """Owner, description and blob hashes of all gists after so many acts."""
    world = settled()
    list(islice(acts(world, seed=seed), length))
    return [
        (gist.owner_id, gist.description, [file.blob_hash for file in gist.files.values()])
        for gist in world.all_gists()
    ]


def test_the_same_seed_gives_the_same_play() -> None:
    assert play(20, seed=1) == play(20, seed=1)
    assert play(20, seed=1) != play(20, seed=2)


def test_every_fourth_act_is_an_edit() -> None:
    world = settled()
    before = len(world.all_gists())
    list(islice(acts(world), 8))
    gists = world.all_gists()
    assert len(gists) == before + 6
    assert sum(len(gist.revisions) - 1 for gist in gists) == 2


def test_everybody_brings_gists_of_the_past() -> None:
    world = settled()
    for actor in CAST:
        gists = world.gists_of(actor.id)
        assert 1 <= len(gists) <= 3
        assert all(gist.created_at < NOW for gist in gists)


async def test_the_play_ends_when_told() -> None:
    github = GitHub()
    settle(github, NOW)
    before = len(github.all_gists())
    stop = asyncio.Event()
    playing = asyncio.create_task(perform(github, stop, timedelta(milliseconds=1)))
    async with asyncio.timeout(10):
        while len(github.all_gists()) == before:  # noqa: ASYNC110 - a world tells nobody
            await asyncio.sleep(0)
        stop.set()
        await playing
