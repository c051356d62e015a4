"""Lists in the formats in which people have them, with headings of any kind."""

import csv
import io
import zipfile
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.errors import InvalidInput
from gitpip.user_lists.columns import Choice
from gitpip.user_lists.reading import Understood, open_list, read_list
from gitpip.user_lists.rows import COLUMNS, ImportRow, RowError
from tests.support.spreadsheets import encrypted_xlsx, ods, xlsx

ROWS = (
    ("Kunde", "Kunden-Nr.", "Konto bei GitHub"),
    ("Ada Lovelace", 17, "@ada"),
    ("Bob", 18, "bob"),
)
CHOICE = Choice({"Konto bei GitHub": "login", "kunden nr": "id"})


def understood(content: bytes, choice: Choice | None = None) -> Understood:
    with open_list(io.BytesIO(content), choice) as opened:
        return opened.understood


def users(content: bytes, choice: Choice | None = None) -> list[tuple[str, str | None]]:
    found = list(read_list(io.BytesIO(content), choice))
    assert all(isinstance(row, ImportRow) for row in found), found
    return [(row.login, row.external_id) for row in found if isinstance(row, ImportRow)]


def table(separator: str, encoding: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([*ROWS, ("Grüße & Söhne", 19, "eve")])
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_a_table_is_read_in_every_encoding(separator: str, encoding: str, name: str) -> None:
    content = table(separator, encoding)
    assert understood(content).format.endswith(f"in {name}")
    found = users(content, Choice({"Konto bei GitHub": "login", "Kunde": "id"}))
    assert found == [("ada", "Ada Lovelace"), ("bob", "Bob"), ("eve", "Grüße & Söhne")]


@pytest.mark.parametrize("content", [xlsx({"Leads": ROWS}), ods({"Leads": ROWS})])
def test_a_spreadsheet_is_read_whatever_its_name(content: bytes) -> None:
    assert users(content, CHOICE) == [("ada", "17"), ("bob", "18")]
    told = understood(content)
    assert told.format == "sheet 'Leads' of a spreadsheet"
    assert told.columns.meanings == (None, "id", "login")
    assert not told.certain


def test_nothing_is_guessed_without_being_shown() -> None:
    """Without a choice the error says what was found, and no user is taken."""
    for content in (xlsx({"Leads": ROWS}), table(";", "cp1252")):
        with pytest.raises(InvalidInput, match=r"'Kunde', 'Kunden-Nr\.', 'Konto bei GitHub'"):
            users(content)


def test_our_own_headings_need_no_choice() -> None:
    rows = (("Login", "tags"), ("ada", "vip"), ("", ""), ("https://github.com/Bob?tab=gists", ""))
    for content in (
        xlsx({"People": rows}),
        ods({"People": rows}),
        b"login;tags\nada;vip\nhttps://github.com/Bob;\n",
        b"sep=;\r\nlogin;tags\r\nada;vip\r\n@Bob;\r\n",
    ):
        assert [login for login, _ in users(content)] == ["ada", "Bob"]


@pytest.mark.parametrize("title", ["Our developers, 2026", "Developers", "ada"])
@pytest.mark.parametrize("empty", [0, 3])
def test_a_title_above_a_table_is_no_user(title: str, empty: int) -> None:
    rows = ((title,), *[("", "")] * empty, ("GitHub", "Tags"), ("bob", "vip"), ("eve", ""))
    for content in (xlsx({"People": rows}), ods({"People": rows})):
        told = understood(content)
        assert told.first == ("GitHub", "Tags")
        assert users(content, Choice({"GitHub": "login"})) == [("bob", None), ("eve", None)]


def test_a_title_of_words_stands_above_some_unknown_headings() -> None:
    rows = (("Our developers",), ("As of July",), ("Name", "GitHub", "Company"), ("B", "bob", "C"))
    assert understood(xlsx({"People": rows})).first == ("Name", "GitHub", "Company")


@pytest.mark.parametrize(
    "rows",
    [
        (("GitHub usernames", ""), ("ada", "vip"), ("eve", "")),
        (("login", ""), ("ada", ""), ("github", "tags")),
        (("ada", ""), ("eve", ""), ("bob", "user")),
        (("@ada", ""), ("@github", "17"), ("@eve", "18")),
        (("Ada Lovelace", ""), ("bob", "vip"), ("eve", "user")),
        (("", "Customer ID"), ("bob", "17"), ("eve", "18")),
        (("ada", ""), ("Name", "GitHub", "Company"), ("B", "bob", "C")),
    ],
)
def test_no_row_is_a_title_that_can_be_a_user_or_a_heading(rows: tuple[tuple[str, ...]]) -> None:
    told = understood(xlsx({"People": rows}))
    assert told.first[: len(rows[0])] == rows[0]


def test_nothing_is_a_title_where_the_first_row_is_a_user() -> None:
    rows = (("Ada Lovelace", ""), ("github", "tags"))
    content = xlsx({"People": rows})
    assert understood(content).first == ("github", "tags")
    read = read_list(io.BytesIO(content), Choice({"1": "login"}, header=False))
    assert [row.place for row in read if isinstance(row, RowError)] == ["row 1"]


@pytest.mark.parametrize("second", ["name", "NAME ", "1"])
def test_a_column_is_chosen_once_however_it_is_named(second: str) -> None:
    content = xlsx({"People": (("Name", "GitHub"), ("B", "bob"))})
    with pytest.raises(InvalidInput, match="given twice"):
        understood(content, Choice({"Name": "tags", second: "id", "GitHub": "login"}))


def test_the_first_visible_sheet_with_cells_is_read_unless_another_is_named() -> None:
    other = (("login",), ("eve",))
    sheets = {"old": other, "empty": (), "now": (("login",), ("ada",)), "later": other}
    content = xlsx(sheets, hidden=["old"])
    assert [login for login, _ in users(content)] == ["ada"]
    told = understood(content)
    assert (told.sheet, told.sheets) == ("now", ("empty", "now", "later"))
    named = Choice({"login": "login"}, sheet="later")
    assert [login for login, _ in users(content, named)] == ["eve"]
    with pytest.raises(InvalidInput, match=r"no sheet 'Later'\. Sheets: 'old', 'empty', 'now'"):
        users(content, Choice({"login": "login"}, sheet="Later"))


def test_cells_are_texts_as_people_read_them() -> None:
    days = (date(2026, 1, 31), datetime(2026, 1, 31, 12, 30), True, 1.5, 12.0)  # noqa: DTZ001
    content = xlsx({"People": (("login", "id"), *((f"u{n}", day) for n, day in enumerate(days)))})
    assert [external for _, external in users(content)] == [
        *("2026-01-31", "2026-01-31T12:30:00", "yes", "1.5", "12")
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04 and no more", "gitpip can't read this spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "gitpip can't read this spreadsheet"),
        (encrypted_xlsx(), "the spreadsheet has a password"),
        (xlsx({"People": ()}), "no cell with a text|no username"),
        (xlsx({"People": (("", None),)}), "no cell with a text|no username"),
    ],
)
def test_an_unreadable_file_says_why(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        users(content)


@pytest.mark.long
def test_a_file_that_unfolds_to_gigabytes_is_refused() -> None:
    """A megabyte of zip is a gigabyte of cells: the process that reads it ends, not ours."""
    cell = b'<c t="inlineStr"><is><t>' + b"x" * 30_000 + b"</t></is></c>"
    source = io.BytesIO(xlsx({"People": (("login",),)}))
    target = io.BytesIO()
    with (
        zipfile.ZipFile(source) as given,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made,
    ):
        for entry in given.namelist():
            if entry.startswith("xl/worksheets/"):
                with made.open(entry, "w", force_zip64=True) as sheet:
                    sheet.write(
                        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/'
                        b'main"><sheetData>'
                    )
                    for number in range(1, 2_001):
                        sheet.write(b'<row r="%d">%s</row>' % (number, cell * 20))
                    sheet.write(b"</sheetData></worksheet>")
            else:
                made.writestr(entry, given.read(entry))
    with pytest.raises(InvalidInput, match=r"takes more than 1024 MB or 60 seconds to read\. Save"):
        users(target.getvalue())


@pytest.mark.long
@given(
    st.binary(max_size=300), st.sampled_from([b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
)
def test_no_archive_is_too_strange(rest: bytes, start: bytes) -> None:
    with pytest.raises(InvalidInput):
        users(start + rest)


@pytest.mark.parametrize(
    ("content", "meanings", "header"),
    [
        (b"Name,GitHub\nAda,ada\nBob,bob\n", (None, "login"), True),
        # An address or an @name is GitHub's; a first name could be a login, and is none.
        (b"Name,Link\nAda,https://github.com/ada\nBob,github.com/bob\n", (None, "login"), True),
        (b"Ada Lovelace;@ada\nBob B.;@bob\n", (None, "login"), False),
        (b"User,Username\nAda L.,ada\nBob B.,bob\n", (None, "login"), True),
        (b"Name,Town\nAda L.,St. Ives\n", (None, None), True),
        (b"Kunden\nada\nbob\n", ("login",), True),
        (b"login,name\nada,Ada L.\n", ("login", None), True),
        (b"Handle,Labels,Kunde\nada,vip,A B\n", ("login", "tags", None), True),
    ],
)
def test_the_contents_of_columns_are_proposed(
    content: bytes, meanings: tuple[str | None, ...], header: bool
) -> None:
    told = understood(content)
    assert (told.columns.meanings, told.columns.header) == (meanings, header)
    assert not told.certain


def test_a_choice_can_take_the_first_row_for_a_user() -> None:
    assert users(b"Kunde,GitHub\nada,bob\n", Choice({"1": "login"}, header=False)) == [
        ("Kunde", None),
        ("ada", None),
    ]
    assert users(b"GitHub\nada\n", Choice({"1": "login"}, header=False)) == [
        ("GitHub", None),
        ("ada", None),
    ]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (
            Choice({"GitHub": "login", "Town": "id"}),
            "unknown column 'Town'. The file has 'Kunde', 'GitHub'",
        ),
        (Choice({"3": "login"}), "unknown column '3'"),
        (Choice({"GitHub": "name"}), f"unknown column 'name'. Allowed: {', '.join(COLUMNS)}"),
        (Choice({"GitHub": "login", "Kunde": "login"}), "two columns are chosen as login"),
        (Choice({"Kunde": "id"}), "choose the column that holds GitHub usernames"),
        (Choice({"GitHub": "login"}, header=False), "unknown column 'GitHub'"),
    ],
)
def test_a_choice_that_can_not_be_is_refused(choice: Choice, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        users(b"Kunde,GitHub\nA,ada\n", choice)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@given(st.lists(st.lists(cells, max_size=4), max_size=5), st.sampled_from(",;\t"), st.booleans())
def test_every_row_of_a_table_is_a_user_or_a_fault(
    rows: list[list[str]], separator: str, header: bool
) -> None:
    """Whatever is in them: no row is lost without a word, but empty ones."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(["one", "two", "three"])
    writer.writerows(rows)
    found = list(read_list(io.BytesIO(text.getvalue().encode()), Choice({"2": "login"}, header)))
    told = [row for row in rows if any(cell.strip() for cell in row)]
    assert len(found) == len(told) + (not header)
    assert all(isinstance(row, ImportRow | RowError) for row in found)
