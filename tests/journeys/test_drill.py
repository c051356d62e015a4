"""The drill: everything goes wrong at once, and every file still becomes exactly one activity."""

import random
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from gitpip_standins import Fault
from tests.journeys.conftest import World

USERS, GISTS, FILES = 25, 3, 2
KILLS = 10


@pytest.mark.timeout(900)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_ten_kills_and_a_third_of_all_writes_spoilt(world: World) -> None:
    chance = random.Random(20261123)
    for number in range(USERS):
        world.github.add_user(f"user-{number}")
        for gist in range(GISTS):
            files = {f"{part}-{gist}.txt": f"{number} {gist} {part}" for part in range(FILES)}
            world.github.add_gist(f"user-{number}", files)
    world.pipedrive.faults.chance(
        1 / 3,
        [
            # Few are not processed: what fails three times in a row waits for four minutes.
            Fault.drop(),
            Fault.drop(processed=True),
            Fault.drop(processed=True),
            Fault.hang(processed=True),
            Fault.hang(processed=True),
            Fault.late(timedelta(seconds=1.5)),
            Fault.error(500, processed=True),
            Fault.broken_json(),
        ],
        seed=20261123,
        method="POST",
    )
    # Shorter than is safe in a real network; here no write lands later than 1.5 s.
    quick = {"GITPIP_HTTP_TIMEOUT": "1s", "GITPIP_ABSENT_AFTER": "5s"}
    world.gitpip.environment = {**world.gitpip.environment, **quick}
    world.gitpip.start()
    for number in range(USERS):
        # Accepted, if not confirmed: GitHub may fail to answer within a second, too.
        assert world.gitpip.post(f"/users/user-{number}/id-{number}").is_success

    wanted = USERS * GISTS * FILES
    for kill in range(KILLS):
        target = (kill + 1) * wanted // (KILLS + 1) + chance.randrange(5)
        world.pipedrive.wait_until(partial(_holds, world, target), timeout=180)
        world.gitpip.kill()
        world.gitpip.start()
    world.gitpip.wait_for(
        lambda: _published(world) == wanted, "every publication to be published", seconds=400
    )
    world.gitpip.stop()

    subjects = Counter(str(activity["subject"]) for activity in world.pipedrive.activities)
    titles = Counter(str(deal["title"]) for deal in world.pipedrive.deals)
    assert len(subjects) == wanted
    assert set(subjects.values()) == {1}
    assert titles == Counter(f"user-{number}" for number in range(USERS))
    assert world.pipedrive.abuse == []
    assert world.github.abuse == []


def _holds(world: World, activities: int) -> bool:
    return len(world.pipedrive.activities) >= activities


def _published(world: World) -> int:
    counts = world.gitpip.get("/api/v1/status").json()["publications"]
    published: int = counts["published"]
    return published
