"""Edits and deletions on GitHub, and what the rules let become of them in Pipedrive."""

from datetime import timedelta
from functools import partial

import pytest

from gitpip.clock import utc_now
from gitpip_standins import Fault
from tests.journeys.conftest import World


def begin(world: World, **rules: str) -> str:
    """Track somebody with one gist, and wait until it is in Pipedrive."""
    world.gitpip.environment = {**world.gitpip.environment, **rules}
    world.github.add_user("octocat")
    # Older than GitHub's lists can be behind: a younger one is not taken for deleted.
    created_at = utc_now() - timedelta(minutes=10)
    gist = world.github.add_gist(
        "octocat", {"a.txt": "first words", "b.txt": "other words"}, created_at=created_at
    )
    world.gitpip.start()
    assert world.gitpip.post("/users/octocat/1").status_code == 201
    world.gitpip.wait_for(lambda: published(world) == 2, "both files to be published")
    return gist


def published(world: World) -> int:
    counts = world.gitpip.get("/api/v1/status").json()["publications"]
    number: int = counts["published"]
    return number


def notes(world: World) -> dict[str, str]:
    return {
        str(activity["subject"]): str(activity["note"]) for activity in world.pipedrive.activities
    }


def note_of(world: World, start: str) -> str:
    return next(note for subject, note in notes(world).items() if subject.startswith(start))


def _some_note_says(world: World, words: str) -> bool:
    return any(words in note for note in notes(world).values())


def test_an_edit_is_written_into_the_note_whatever_fails(world: World) -> None:
    gist = begin(world, GITPIP_ON_EDIT="update", GITPIP_HTTP_TIMEOUT="2s")
    world.pipedrive.faults.script(
        Fault.drop(), Fault.drop(processed=True), Fault.error(500), method="PATCH"
    )
    world.github.edit_gist(gist, {"a.txt": "second words"})

    world.pipedrive.wait_until(lambda: "second words" in note_of(world, "a.txt"))

    note = note_of(world, "a.txt")
    assert "Edited on GitHub (noticed " in note
    assert "first words" not in note
    assert "other words" in note_of(world, "b.txt")
    assert len(world.pipedrive.activities) == 2
    assert world.pipedrive.abuse == []


def test_an_edit_becomes_another_activity(world: World) -> None:
    gist = begin(world, GITPIP_ON_EDIT="new")
    for words in ("second words", "third words"):
        world.github.edit_gist(gist, {"a.txt": words})
        world.pipedrive.wait_until(partial(_some_note_says, world, words))
    world.gitpip.wait_for(lambda: published(world) == 4, "all revisions to be published")
    subjects = sorted(subject for subject in notes(world) if subject.startswith("a.txt"))
    assert [subject.partition(" ·")[0] for subject in subjects] == [
        "a.txt (revision 2)",
        "a.txt (revision 3)",
        "a.txt",
    ]
    assert "first words" in note_of(world, "a.txt ·")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_edit_is_ignored_unless_wanted(world: World) -> None:
    gist = begin(world)
    before = notes(world)
    world.github.edit_gist(gist, {"a.txt": "second words"})
    world.gitpip.wait_for(
        lambda: any(event["event"] == "gist.edited" for event in world.gitpip.events()),
        "the edit to be seen",
    )
    assert world.gitpip.stop() == 0
    assert notes(world) == before


def test_a_deletion_is_said_in_the_note_and_an_activity_somebody_deleted_stays_deleted(
    world: World,
) -> None:
    gist = begin(world, GITPIP_ON_DELETE="note")
    gone = next(a for a in world.pipedrive.activities if str(a["subject"]).startswith("b.txt"))
    number = gone["id"]
    assert isinstance(number, int)
    world.pipedrive.delete_activity(number)
    world.github.delete_gist(gist)

    world.pipedrive.wait_until(lambda: "Deleted on GitHub (noticed " in note_of(world, "a.txt"))
    rows = world.gitpip.wait_for(
        lambda: [
            row for row in world.gitpip.get("/api/v1/publications").json()["items"] if row["reason"]
        ],
        "the note that can't be written to be shown",
    )

    assert "first words" in note_of(world, "a.txt")
    assert [row["filename"] for row in rows] == ["b.txt"]
    assert "could not be brought up to date" in rows[0]["reason"]
    assert published(world) == 2
