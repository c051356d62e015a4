"""A page that can't be read within the limits is read in smaller ones: no list stops for good."""

import pytest

from gitpip.publish.pipedrive.client import PIPEDRIVE_ANSWER_LIMIT
from gitpip.publish.pipedrive.page_size import SIZES, PageSize
from gitpip_standins import Fault
from tests.support.scene import TIMEOUT, Scene

LISTS = "activities$"


def sizes_asked(scene: Scene) -> list[int]:
    """The sizes of the pages of the list of all activities."""
    lists = [r.query for r in scene.crm.requests if r.method == "GET" and "activities" in r.path]
    return [int(query.rpartition("limit=")[2].partition("&")[0]) for query in lists]


def test_small_pages_stand_for_a_large_one() -> None:
    size = PageSize()
    read = []
    for readable in [20] * 5 + [100] * 4 + [500]:
        while size.current > readable:
            assert size.was_not_read(size.current)
        read.append(size.current)
        size.was_read(size.current)
    assert read == [20] * 5 + [100] * 4 + [500]
    for smaller in SIZES[1:]:
        assert size.was_not_read(size.current)
        assert size.current == smaller
    assert not size.was_not_read(SIZES[-1])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_comparison_goes_on_where_a_large_page_takes_too_long(scene: Scene) -> None:
    scene.timeout = TIMEOUT
    for number in range(1_100):
        scene.crm.add_activity(f"call number {number}")
    slow = Fault.hang(processed=True)
    scene.crm.faults.script(slow, method="GET", path=LISTS, about="limit=500.*cursor")
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert sizes_asked(scene) == [500, 500, 100, 100, 100, 100, 100, 500]
    assert await scene.pause() is None
    assert await scene.states() == ["published"]


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_comparison_goes_on_where_a_large_page_is_too_large(scene: Scene) -> None:
    note = "x" * 150_000
    for number in range(PIPEDRIVE_ANSWER_LIMIT // len(note) + 1):
        scene.crm.add_activity(f"call number {number}", note=note)
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert sizes_asked(scene) == [500, 100, 100, 100, 100, 100]
    assert await scene.states() == ["published"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_all_of_some_activities_are_seen_in_small_pages(scene: Scene) -> None:
    scene.timeout = TIMEOUT
    for number in range(100):
        scene.crm.add_activity(f"call number {number}")
    scene.crm.faults.script(Fault.hang(), method="GET", path=LISTS, about="limit=[15]00")
    scene.crm.faults.script(Fault.hang(), method="GET", path=LISTS, about="limit=[15]00")
    client = (await scene.process()).pipedrive
    client.admit(client.fingerprint)
    assert len(await client.existing_activities(range(1, 101))) == 100
