"""Lists of users, as people write them: what is read, and what is said of what is wrong."""

import csv
import io
import json
import re
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gitpip.backfill import Backfill
from gitpip.errors import InvalidInput
from gitpip.modes import PublishingMode
from gitpip.targets import Target
from gitpip.user_lists.json_list import CHUNK_BYTES
from gitpip.user_lists.reading import read_list
from gitpip.user_lists.rows import ImportRow, RowError

logins = st.from_regex(r"[A-Za-z0-9]{1,20}", fullmatch=True).filter(lambda text: text != "login")
entries = st.lists(
    st.fixed_dictionaries(
        {
            "login": logins,
            "id": st.from_regex(r"[A-Za-z0-9 ,;\"-]{0,9}[a-z]", fullmatch=True).map(str.strip),
            "tags": st.lists(st.from_regex(r"[a-z]{1,9}", fullmatch=True), max_size=3, unique=True),
            "interval": st.sampled_from(["", "45s", "3h", "PT10M"]),
            "backfill": st.sampled_from(["", "all", "latest:3"]),
            "deal": st.sampled_from(["", "7"]),
        }
    ),
    min_size=1,
    max_size=30,
)


def read(text: str) -> list[ImportRow | RowError]:
    return list(read_list(io.BytesIO(text.encode())))


@pytest.mark.long
@given(entries)
def test_csv_and_json_say_the_same(wanted: list[dict[str, object]]) -> None:
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(wanted[0]))
    writer.writeheader()
    for entry in wanted:
        tags = entry["tags"]
        assert isinstance(tags, list)
        writer.writerow({**entry, "tags": "; ".join(tags)})
    from_csv = read(table.getvalue())
    from_json = read(json.dumps(wanted, indent=1))
    assert [vars(entry) | {"place": ""} for entry in from_csv] == [
        vars(entry) | {"place": ""} for entry in from_json
    ]
    assert [entry.login for entry in from_csv if isinstance(entry, ImportRow)] == [
        entry["login"] for entry in wanted
    ]


@given(st.lists(logins, max_size=40), st.integers(0, 200_000))
def test_a_json_list_is_read_whatever_pieces_it_comes_in(names: list[str], spaces: int) -> None:
    found = read("[" + " " * spaces + ", ".join(json.dumps(name) for name in names) + " ]")
    assert [entry.login for entry in found if isinstance(entry, ImportRow)] == names
    assert len(found) == len(names)


@given(st.binary(max_size=400))
@example(b"\xff\xfea\0d")
def test_no_file_is_too_strange(content: bytes) -> None:
    with suppress(InvalidInput):
        for found in read_list(io.BytesIO(content)):
            assert isinstance(found, ImportRow | RowError)


@pytest.mark.parametrize("start", ["", "\ufeff", "\n", "# ours; all, of them\r\n\r\n"])
def test_a_plain_list_with_comments(start: str) -> None:
    first = start.count("\n") + 1
    assert read(f"{start}ada \n\nbob # the builder, and more\n") == [
        ImportRow(f"line {first}", "ada"),
        ImportRow(f"line {first + 2}", "bob"),
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("text", ["login,id\nada,Grüße\n", '[{"login": "ada", "id": "Grüße"}]'])
def test_utf_16_is_read_by_its_byte_order_mark(text: str, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith("be") else ""
    (found,) = read_list(io.BytesIO(f"{mark}{text}".encode(encoding)))
    assert isinstance(found, ImportRow)
    assert (found.login, found.external_id) == ("ada", "Grüße")


@pytest.mark.parametrize("start", ["", "\ufeff", "# ours; all, of them\n\n"])
@pytest.mark.parametrize(
    ("header", "row", "external_id"),
    [("login", "ada", None), ("Login,ID", "ada,7", "7"), ('"id", "login"', '"7", "ada"', "7")],
)
def test_a_header_names_columns_and_no_user(
    start: str, header: str, row: str, external_id: str | None
) -> None:
    place = f"line {start.count(chr(10)) + 2}"
    assert read(f"{start}{header}\n{row}\n") == [ImportRow(place, "ada", external_id)]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("login # whose", "found the columns 'login # whose'"),
        ("login,name", "unknown column 'name'"),
        ("login,id,ID", "named twice"),
        ('login,"id', "not CSV"),
    ],
)
def test_a_wrong_header_is_refused(header: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=f"{words}.*e\\.g\\. login,id,tags"):
        read(f"{header}\nada,1\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file has no username"),
        (b"# nobody\n\n", "the file has no username"),
        (b"PK\x03\x04\x14\x00\x06\x00", "gitpip can't read this spreadsheet. Save the sheet"),
        (b'{"login": "ada"}', "a list was expected"),
        (b"GitHub;id\nada;1\n", "separated by semicolons"),
        (b"GitHub\tid\nada\t1\n", "separated by tabs"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_the_reason(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        list(read_list(io.BytesIO(content)))


names = st.text(st.characters(blacklist_characters='\r\n#"', codec="utf-8"), max_size=9)


@given(st.lists(names, min_size=2, max_size=9), st.sampled_from(",;\t"))
@example(["", ""], "\t")
def test_a_table_without_a_login_column_is_refused_whole(header: list[str], mark: str) -> None:
    """Whatever its header holds: its first field could be a user's login."""
    line = mark.join(["GitHub", *header])
    assume("login" not in (name.strip().lower() for name in re.split("[,;\t]", line)))
    rows = read_list(io.BytesIO(f"{line}\nada{mark}Acme{mark}bob\n".encode()))
    # A header with two kinds of separators can be read by either: 'GitHub', or 'GitHub;'.
    with pytest.raises(InvalidInput, match=r"'GitHub\W.*must be a header .*e\.g\. login,id,tags"):
        next(rows)


@pytest.mark.parametrize(
    "heading",
    ["GitHub", "username", '"User"', " Logins ", "Handle # at work", "Customers", "Team"],
)
def test_a_list_below_a_heading_that_could_be_a_login_is_refused_whole(heading: str) -> None:
    rows = read_list(io.BytesIO(f"{heading}\nada\nbob\n".encode()))
    with pytest.raises(InvalidInput, match=r"looks like a heading\. Name the column"):
        next(rows)


def test_a_login_that_could_be_a_heading_is_taken_from_a_later_line() -> None:
    assert read("login\nGitHub\n") == [ImportRow("line 2", "GitHub")]
    assert read("ada\nGitHub\n") == [ImportRow("line 1", "ada"), ImportRow("line 2", "GitHub")]


def test_a_tab_before_a_comment_makes_no_table() -> None:
    assert read("ada\t# the builder\nbob\t\n") == [
        ImportRow("line 1", "ada"),
        ImportRow("line 2", "bob"),
    ]


def test_a_line_with_more_than_a_login_in_a_plain_list_is_a_fault() -> None:
    found = read("ada\nbob,7\ncy\n")
    assert [isinstance(one, RowError) for one in found] == [False, True, False]
    assert "one in each line" in str(found[1])


def test_everything_a_line_can_hold() -> None:
    line = 'ada,"customer, 1","lead, vip lead",30m,since:2026-01-31,12,Ask\n'
    assert read("login,id,tags,interval,backfill,deal,publishing_mode\n" + line) == [
        ImportRow(
            "line 2",
            "ada",
            "customer, 1",
            tags=("lead", "vip"),
            interval=timedelta(minutes=30),
            backfill=Backfill.parse("since:2026-01-31"),
            target=Target.parse("deal:12"),
            mode=PublishingMode.ASK,
        )
    ]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("login,publishing_mode\nada,never\n", "line 2", "must be automatic, ask, dry-run"),
        ("login\nnot a login\n", "line 2", "letters, digits and hyphens"),
        ("login,id\nada,1,2\n", "line 2", "3 fields where the header has 2"),
        ("login,tags\nada," + "x" * 51 + "\n", "line 2", "1 to 50 printable"),
        ("login,interval\nada,soon\n", "line 2", "interval: must be a duration"),
        ("login,backfill\nada,latest\n", "line 2", "backfill: "),
        ("login,deal\nada,-1\n", "line 2", "deal: must be the id of a deal"),
        ("login,lead\nada,12\n", "line 2", "lead: must be the UUID of a lead"),
        ("login,organization\nada,x\n", "line 2", "organization: must be the id of an organ"),
        ("login,deal,person\nada,1,7\n", "line 2", "deal and person: give only one of them"),
        ('login\n"ada\n', "line 2", "not CSV: unexpected end"),
        ("[3]", "entry 1", "must be a username or an object"),
        ('[{"login": "ada", "deal": true}]', "entry 1", "deal: must be a text or a number"),
        ('[{"login": "ada", "label": "x"}]', "entry 1", "unknown field 'label'"),
        ('["ada" "bob"]', "after entry 0", "not valid JSON"),
    ],
)
def test_what_is_wrong_is_said(text: str, place: str, words: str) -> None:
    faults = [found for found in read(text) if isinstance(found, RowError)]
    assert [fault.place for fault in faults] == [place]
    assert words in faults[0].reason


class Counted(io.BytesIO):
    """A file that counts what was read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


@pytest.mark.parametrize("indent", [None, 1])
def test_a_long_json_list_is_never_in_memory_whole(indent: int | None) -> None:
    """Programs write one line, however long; when each entry copied the rest, time grew squared."""
    wanted = [{"login": f"user-{number}", "id": str(number)} for number in range(20_000)]
    file = Counted(json.dumps(wanted, indent=indent).encode())
    assert all(isinstance(found, ImportRow) for found in read_list(file))
    assert file.taken == len(file.getvalue())
    first = Counted(file.getvalue())
    next(read_list(first))
    assert first.taken <= 4 * CHUNK_BYTES


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("[" * 50_000, "nested too deeply"),
        ('{"login": ' * 9_000, "nested too deeply"),
        ('"' + "x" * 300_000 + '"', "Unterminated string"),
        ("9" * 5_000, "limit"),
        ('"a\nb"', "Invalid control character"),
    ],
)
def test_odd_json_ends_the_list_and_spoils_nothing_before(odd: str, words: str) -> None:
    before, fault = read(f'["ada", {odd}, "bob"]')
    assert isinstance(before, ImportRow)
    assert isinstance(fault, RowError)
    assert fault.place == "after entry 1"
    assert words in fault.reason
    assert "line 1" not in fault.reason


def test_bytes_that_are_no_text_spoil_one_entry() -> None:
    found = list(read_list(io.BytesIO(b'["ada", "b\xffb", NaN, "eve"]')))
    assert [type(entry) for entry in found] == [ImportRow, RowError, RowError, ImportRow]


def test_the_last_of_two_fields_with_one_name_counts() -> None:
    (found,) = read('[{"login": "ada", "login": "bob"}]')
    assert isinstance(found, ImportRow)
    assert found.login == "bob"
