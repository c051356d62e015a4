"""At a terminal, what can't be taken back is said and asked about before it is done."""

import sqlite3
from collections.abc import Callable

from tests.actions.doors import House
from tests.support.answering import answering


def answered(house: House, answer: str, *command: str) -> tuple[int, str, str, list[str]]:
    """Type an answer; gives the exit code, what was said before and after, and what was done."""
    asked = ""

    def next_answer(said: str) -> str | None:
        nonlocal asked
        if asked or not said.endswith("[y/N]: "):
            return None
        asked = said
        return answer

    code, said = answering(command, house.folder, house.environment, next_answer)
    with sqlite3.connect(house.folder / "gitpip.sqlite3") as database:
        done = [subject for (subject,) in database.execute("SELECT subject FROM audit")]
    return code, asked, said.removeprefix(asked), done


HELD = ("held", "--everybody", "--approve", "latest:1")
ASKING = {
    HELD: "The latest 1 gist of all people together. 1 file would be queued, 0 skipped.\r\nDo ",
    ("held", "ada", "--approve", "none"): "0 files would be queued, 1 skipped.\r\nDo ",
    ("undo", "--user", "ada"): "Activities that a person has changed are kept.\r\nUndo this?",
    ("publications", "repair", "skip", "--all"): "1 pending\r\n",
    ("publications", "approve", "--all"): "1 held publication would be approved, and sent.",
    ("users", "remove", "ada"): "gitpip would stop tracking ada. 3 queued or held files would not",
}


def test_irreversible_commands_ask_first(house: Callable[[], House]) -> None:
    own = house()
    for command, told in ASKING.items():
        code, asked, _, done = answered(own, "", *command)
        assert (code, told in asked, done) == (1, True, []), asked
    code, asked, then, done = answered(own, "y", *HELD)
    assert (code, ASKING[HELD] in asked) == (0, True)
    assert "Everyone: 1 file queued, 0 skipped." in then
    assert done == ["all people: latest:1, 1 file to send, 0 skipped"]
    code, asked, then, _ = answered(own, "", "users", "remove", "ada", "--yes")
    assert (code, asked, "Stopped tracking ada." in then) == (0, "", True)


def test_the_last_admin_key_is_revoked_only_after_a_question(house: Callable[[], House]) -> None:
    own = house()
    own.lock()
    revoke = ("keys", "revoke", "root")
    code, asked, _, done = answered(own, "", *revoke)
    assert (code, done) == (1, [])
    assert asked.startswith("Without root, no admin key would be left. Then only gitpip keys")
    assert asked.endswith("Create another admin key first.\r\nDo this anyway? [y/N]: ")
    code, _, then, done = answered(own, "y", *revoke)
    assert (code, "Revoked key root." in then, done) == (0, True, ["root"])
