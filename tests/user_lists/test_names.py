"""Lists of usernames as people paste them: every word is taken, and no table is taken for one."""

import io

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitpip.errors import InvalidInput
from gitpip.user_lists.columns import Choice, is_known_heading
from gitpip.user_lists.reading import Understood, open_list, read_list
from gitpip.user_lists.rows import ImportRow, RowError

LIST = Choice({}, is_list=True)


def opened(
    text: str, choice: Choice | None = None
) -> tuple[Understood, list[ImportRow | RowError]]:
    with open_list(io.BytesIO(text.encode()), choice) as found:
        return found.understood, list(found.rows)


def logins(text: str) -> list[str]:
    """Return the usernames of a text without a fault."""
    _, rows = opened(text)
    assert all(isinstance(row, ImportRow) for row in rows), rows
    return [row.login for row in rows if isinstance(row, ImportRow)]


@pytest.mark.parametrize(
    "text",
    [
        "a, b, c",
        "a b c",
        "a,b,c\n",
        "a, b,\nc",
        "a; b\nc;",
        "@a\nhttps://github.com/b/repo\nc\t",
        "@a\nhttps://github.com/b/repo c",
        "a, @b; https://github.com/c/tool?tab=readme",
        '"a", "b", "c"',
        "# ours\n\na b # both\nc",
        "@a, https://gist.github.com/b/1#file-a-md, c",
        "a,\nb,\nc,\n",
    ],
)
def test_every_word_of_a_list_is_a_user(text: str) -> None:
    assert logins(text) == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["a; b\nc; d", "a, b, \nc, d", "a b\nc d", "a\tb\nc\td"])
def test_lines_of_one_length_are_a_list_that_is_shown_first(text: str) -> None:
    """They could be a table, too; so a program must say what it means, and a person looks."""
    assert logins(text) == ["a", "b", "c", "d"]
    told, _ = opened(text)
    assert (told.is_list, told.certain) == (True, False)
    with pytest.raises(InvalidInput, match="Put one GitHub username on each line"):
        list(read_list(io.BytesIO(text.encode())))
    assert len(list(read_list(io.BytesIO(text.encode()), LIST))) == 4
    table, _ = opened(text, Choice({}, is_list=False))
    assert not table.is_list


names = st.from_regex(r"[A-Za-z0-9-]{0,12}[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: not is_known_heading(name)
)
marks = st.text(st.sampled_from(",; \t\n"), min_size=1, max_size=3)


@given(st.lists(st.tuples(names, marks), min_size=1, max_size=30))
def test_usernames_are_read_however_they_are_joined(pairs: list[tuple[str, str]]) -> None:
    text = "".join(name + mark for name, mark in pairs)
    told = [line.strip(" ,;\t") for line in text.splitlines() if line.strip(" ,;\t")]
    # Full names next to a username in each line are a table.
    assume(len(told) < 2 or not all(" " in line for line in told))
    assert logins(text) == [name for name, _ in pairs]


@pytest.mark.parametrize(
    ("text", "meanings", "header"),
    [
        ("login,id\nada,bob\n", ("login", "id"), True),
        ("name;tags\nada;vip\nbob;gold\n", ("login", "tags"), True),
        ("Kunde,GitHub\nada,bob\n", (None, "login"), True),
        ("login,id\n", ("login", "id"), True),
        ("imp-a;5\nimp-b;6\n", ("login", None), False),
        ("imp-a,a@example.org\nimp-b,b@example.org\n", ("login", None), False),
        ("7;Acme;@ada\n8;Bau;@bob\n", (None, None, "login"), False),
        ("Ada Lovelace,ada\nGrace Hopper,grace\n", (None, "login"), True),
        ("Acme,@ada\nBau,@bob\n", (None, "login"), False),
        ("handle;2\nada;5\n", ("login", None), True),
    ],
)
def test_a_table_of_words_that_could_be_usernames_stays_a_table(
    text: str, meanings: tuple[str | None, ...], header: bool
) -> None:
    told, _ = opened(text)
    assert not told.is_list
    assert (told.columns.meanings, told.columns.header) == (meanings, header)


def test_what_is_no_username_in_a_list_is_said() -> None:
    told, rows = opened("katherine-johnson, @nobody, https://github.com/grace-hopper, bad name!")
    assert told.is_list
    assert [getattr(row, "login", None) for row in rows] == [
        *("katherine-johnson", "nobody", "grace-hopper", "bad", None)
    ]
    assert "'name!' isn't a valid GitHub username" in str(rows[-1])


def test_a_number_beside_a_username_is_not_taken_for_a_person() -> None:
    _, rows = opened("ada bob\ncy,7\n8\n9 dan eve")
    assert [getattr(row, "login", None) for row in rows] == [
        *("ada", "bob", None, "8", "9", "dan", "eve")
    ]
    assert "'cy,7' may be a username and a customer ID" in str(rows[2])


@pytest.mark.parametrize(
    "text",
    [
        "imp-a,#1001\nimp-b,#1002\n",
        "imp-a;#vip;#berlin\nimp-b;#gold;#bonn\n",
        "imp-a;1001;vip\nimp-b;1002;\n",
        "imp-a;1001;vip\nimp-b;1002\n",
        "coder,mail,company\nimp-a,mona@x.com,\nimp-b,h@y.com,Acme\n",
    ],
)
def test_a_table_with_empty_or_numbered_cells_is_asked_about(text: str) -> None:
    told, _ = opened(text)
    assert not told.is_list
    assert not told.certain
