"""Imports by page and API: what a file holds is shown first, and then its users are added."""

import http.client
import re
from collections.abc import Iterator
from html import unescape

import httpx2
import pytest

from tests.support.pages import on_one_line
from tests.support.spreadsheets import xlsx
from tests.web.conftest import Served

FOREIGN = "Kunde;Kürzel;Konto\nAnalytics AG;A;@ada\nBau GmbH;B;https://github.com/bob\n"


@pytest.fixture
def people(served: Served) -> Iterator[httpx2.Client]:
    for login in ("ada", "bob"):
        served.github.add_user(login)
    with httpx2.Client(base_url=served.gitpip.url, follow_redirects=True, timeout=20) as client:
        yield client


def upload(people: httpx2.Client, content: bytes, name: str = "list.csv") -> httpx2.Response:
    return people.post("/imports", files={"file": (name, content)})


def said(page: httpx2.Response) -> str:
    """Return the text of a page, without its tags."""
    return on_one_line(unescape(re.sub("<[^>]+>", " ", page.text)))


def confirm(
    served: Served, people: httpx2.Client, page: httpx2.Response, **fields: str
) -> httpx2.Response:
    """Import the file of a page, and wait until that is done."""
    answer = people.post(f"{page.url.path}/confirm", data=fields)
    if answer.status_code == 200:
        served.gitpip.wait_for(
            lambda: "Importing" not in people.get(page.url.path).text, "the import"
        )
        return people.get(page.url.path)
    return answer


def tracked(served: Served) -> list[str]:
    return [user["login"] for user in served.gitpip.get("/users").json()]


def test_a_file_is_shown_then_imported_and_its_bad_rows_named(
    served: Served, people: httpx2.Client
) -> None:
    served.track("cleo", {"one.py": "1"})
    text = "login,tags\ncleo,\nada,vip\nno such login,\nbob,<script>alert(1)</script>\n"

    page = upload(people, text.encode(), "<b>list</b>.csv")
    shown = said(page)

    assert (
        "2 people will be added. You already track 1 person. This person keeps the customer ID, "
        "tags and settings. gitpip leaves out 1 row with errors." in shown
    )
    assert "a table separated by commas, in UTF-8" in shown
    assert "proposes" not in shown
    assert "no such login" in shown
    assert "<b>list" not in page.text
    assert tracked(served) == ["cleo"]
    assert "not confirmed yet" in on_one_line(people.get("/imports").text)
    done = confirm(served, people, page).text
    assert "2 people added, 1 already tracked, 1 row with errors" in on_one_line(done)
    assert "People you already track keep their customer IDs" in on_one_line(done)
    assert "/people?state=unavailable" in done
    assert "no such login" in done
    assert "<b>list" not in done
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in people.get("/people").text
    assert "<b>list" not in people.get("/imports").text


@pytest.mark.parametrize(
    ("content", "encoded"),
    [
        (FOREIGN.encode("cp1252"), "Windows-1252"),
        (FOREIGN.encode("utf-16"), "UTF-16"),
        (xlsx({"Kunden": [line.split(";") for line in FOREIGN.splitlines()]}), "sheet"),
    ],
)
def test_headings_of_any_kind_are_chosen_by_a_person_and_remembered(
    served: Served, people: httpx2.Client, content: bytes, encoded: str
) -> None:
    page = upload(people, content, "wrong extension.json")
    assert encoded in page.text
    assert "Check how gitpip matched the columns" in page.text
    assert re.search(
        'aria-label="Field of Konto">.*?value="login"\n? *selected', page.text, re.DOTALL
    )

    address = page.url.path
    chosen = {"column-1": "tags", "column-2": "id", "column-3": "login", "header": "on"}
    preview = on_one_line(people.get(address, params=chosen).text)
    assert "2 people will be added" in preview
    assert 'data-label="Customer ID">A</td>' in preview
    assert tracked(served) == []
    assert "2 people added" in on_one_line(confirm(served, people, page, **chosen).text)
    assert served.gitpip.get("/users").json() == [
        {"login": "ada", "id": "A"},
        {"login": "bob", "id": "B"},
    ]
    again = on_one_line(upload(people, content).text)
    assert "Its columns are used as you chose for the same headings before" in again
    assert "You already track 2 people. They keep their customer IDs" in again
    other = upload(people, b"login,id\nada,another\nbob,B\n")
    for shown in (said(other), said(confirm(served, people, other))):
        assert "ada keeps customer ID A. The file says another, and an import does not" in shown
        assert "1 row with errors" in shown
    without = upload(people, b"login,tags\nada,vip\n")
    empty = upload(people, b"login,id,tags\nada,,vip\n")
    for page in (without, empty):
        assert "You already track 1 person. This person keeps the customer ID, tags" in said(page)
        assert "errors" not in said(page)
    assert "0 people added, 1 already tracked" in said(confirm(served, people, empty))
    assert served.gitpip.get("/users").json() == [
        {"login": "ada", "id": "A"},
        {"login": "bob", "id": "B"},
    ]
    for login in ("cleo", "dan"):
        served.github.add_user(login)
    taken = said(upload(people, b"login,id\ncleo,A\ndan,7\nDAN,8\n"))
    assert "1 person will be added. gitpip leaves out 2 rows with errors." in taken
    assert "line 2: customer ID A is taken already, by ada" in taken


def test_what_was_not_previewed_is_shown_before_anyone_is_added(
    served: Served, people: httpx2.Client
) -> None:
    page = upload(people, b"Kunde;GitHub;Chef\nA;ada;bob\n")
    fields = {"header": "on", "shown": _shown(page)}
    chosen = {"column-1": "", "column-2": "", "column-3": "login"}
    answer = people.post(f"{page.url.path}/confirm", data=fields | chosen)
    assert answer.status_code == 422
    assert "changed since the preview. Check it, then add the people." in said(answer)
    assert tracked(served) == []
    for changed in ({"shown": "[]"}, {"shown": "{"}, {"kind": "list"}, {"sheet": "other"}):
        again = fields | {"shown": _shown(answer)} | chosen | changed
        assert people.post(f"{page.url.path}/confirm", data=again).status_code == 422
    assert tracked(served) == []
    confirm(served, people, page, **fields | {"shown": _shown(answer)} | chosen)
    assert tracked(served) == ["bob"]


def _shown(page: httpx2.Response) -> str:
    found = re.search('name="shown" value="([^"]*)"', page.text)
    assert found, page.text
    return unescape(found[1])


def test_a_choice_that_can_not_be_changes_nothing(served: Served, people: httpx2.Client) -> None:
    page = upload(people, FOREIGN.encode())
    for fields, words in (
        ({"column-1": "login", "column-3": "login"}, "two columns are chosen as login"),
        ({"column-1": "id"}, "choose the column that holds GitHub usernames (login)"),
        ({"column-9": "login"}, "unknown column"),
        ({"column-1": "name"}, "unknown column"),
    ):
        refused = confirm(served, people, page, **fields)
        assert (refused.status_code, words in on_one_line(refused.text)) == (422, True), words
        shown = people.get(page.url.path, params=fields)
        assert words in on_one_line(shown.text)
    assert tracked(served) == []


def test_usernames_that_github_does_not_show_are_left_out(
    served: Served, people: httpx2.Client
) -> None:
    for name in ("one.py", "two.py"):
        served.github.add_gist("ada", {name: "1"})
        served.github.add_gist("bob", {name: "1"})
    page = upload(people, b"login,backfill\nada,latest:1\nno-such-user,all\n")
    shown = said(page)
    assert "1 person will be added." in shown
    assert "GitHub does not know 1 username. gitpip leaves it out: no-such-user." in shown
    assert "The new person has 2 public gists now. 1 gist will be sent to Pipedrive" in shown
    assert "Add 1 person<" in on_one_line(page.text)
    done = said(confirm(served, people, page))
    assert "1 person added, 1 row with errors" in done
    assert "GitHub has no user 'no-such-user'" in done
    assert tracked(served) == ["ada"]
    listed = upload(people, b"bob\n")
    for chosen, words in (
        ({"backfill": "none"}, "None of them is sent to Pipedrive"),
        ({"backfill": "latest", "latest": "1"}, "1 gist will be sent to Pipedrive"),
        ({"backfill": "latest", "latest": "many"}, "Existing gists: must be"),
    ):
        assert words in said(people.get(listed.url.path, params=chosen)), chosen
    confirm(served, people, listed, backfill="none")
    assert served.api("GET", "/users/bob").json()["backfill"] == "none"
    file = {"file": ("list.csv", b"cleo\n")}
    refused = people.post("/api/v1/imports", data={"backfill": "x"}, files=file)
    assert (refused.status_code, "backfill: " in refused.text) == (422, True)
    served.github.tokens.clear()
    shown = said(upload(people, b"ada\n"))
    assert "gitpip could not ask GitHub whether these usernames exist" in shown


def test_a_pasted_list_is_previewed_too(served: Served, people: httpx2.Client) -> None:
    page = people.post("/imports", data={"users": "@ada\r\nhttps://github.com/bob\r\n"})
    assert "2 people will be added" in on_one_line(page.text)
    confirm(served, people, page)
    assert tracked(served) == ["ada", "bob"]


def test_a_pasted_list_can_be_as_long_as_its_field_takes(people: httpx2.Client) -> None:
    """The field counts a line break as one character, and a browser sends it as two."""
    field = re.search('name="users"[^>]* maxlength="([0-9]+)"', people.get("/imports").text)
    assert field
    longest = ("ada\nbob\n" * int(field[1]))[: int(field[1])]
    page = people.post("/imports", data={"users": longest.replace("\n", "\r\n")})
    assert "2 people will be added" in said(page)
    refused = people.post("/imports", data={"users": longest + "!"})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    "text",
    ["ada, bob, cleo", "ada; bob\r\ncleo; dan", "@ada\r\nhttps://github.com/bob/x\r\ncleo\tdan"],
)
def test_every_word_of_a_pasted_list_is_a_username(
    served: Served, people: httpx2.Client, text: str
) -> None:
    names = ["ada", "bob", "cleo", "dan"][: 3 + ("dan" in text)]
    for login in names[2:]:
        served.github.add_user(login)
    page = people.post("/imports", data={"users": text})
    assert f"{len(names)} people will be added." in said(page)
    assert "a list of usernames, in UTF-8. gitpip reads each word as a username." in said(page)
    confirm(served, people, page, kind="list")
    assert sorted(tracked(served)) == names


def test_a_list_can_be_read_as_a_table_instead(served: Served, people: httpx2.Client) -> None:
    page = people.post("/imports", data={"users": "Acme;ada\nBau;bob"})
    assert "“" not in said(page)
    assert "out: Acme, Bau." in said(page)
    table = people.get(page.url.path, params={"kind": "table"})
    assert re.search('value="table" *selected', on_one_line(table.text))
    assert 'name="column-2"' in table.text
    chosen = {"kind": "table", "column-1": "", "column-2": "login"}
    assert "2 people will be added" in said(people.get(page.url.path, params=chosen))
    assert "2 people added" in said(confirm(served, people, page, **chosen))
    assert tracked(served) == ["ada", "bob"]


def test_a_guessed_table_can_be_read_as_a_list_instead(
    served: Served, people: httpx2.Client
) -> None:
    page = upload(people, b"ada;5\nbob;6\n")
    assert re.search('<select name="kind">.*value="table" *selected', on_one_line(page.text))
    exact = upload(people, b"login,id\nada,A\n")
    assert 'name="kind"' not in exact.text


def test_a_first_row_like_the_others_is_no_heading(served: Served, people: httpx2.Client) -> None:
    page = upload(people, b"ada;5\nbob;6\n")
    assert "2 people will be added." in said(page)
    assert re.search('name="header">', on_one_line(page.text))
    assert ">Don't import</option>" in page.text
    assert "Nothing to import" not in page.text


def test_every_username_that_is_not_on_github_can_be_read(
    served: Served, people: httpx2.Client
) -> None:
    absent = [f"not-on-github-{number}" for number in range(28)]
    page = upload(people, "\n".join(["ada", *absent]).encode())
    assert (
        "1 person will be added. GitHub does not know 28 usernames. gitpip leaves them out"
        in said(page)
    )
    for login in absent:
        assert f"<li>{login}</li>" in page.text
    assert re.findall('role="columnheader">([^<]*)<', page.text)[3:] == ["GitHub username"]


def test_nobody_to_ask_about_is_not_said_to_be_githubs_fault(
    served: Served, people: httpx2.Client
) -> None:
    assert "gitpip could not ask GitHub" not in said(upload(people, b"Name,Town\nA L.,St. Ives\n"))


def test_an_import_is_confirmed_once(served: Served, people: httpx2.Client) -> None:
    page = upload(people, b"ada\n")
    confirm(served, people, page)
    again = people.post(f"{page.url.path}/confirm")
    assert [answer.status_code for answer in (*again.history, again)] == [303, 200]
    assert again.url.path == page.url.path
    assert "1 person added" in said(again)
    assert '<p class="sentence bad" role="alert">' not in again.text
    assert people.post("/imports/99/confirm").status_code == 404


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file has no username"),
        (b"PK\x03\x04\x14\x00", "t read this spreadsheet"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "t a list. Upload"),
        (b"\x00\xff\xfe\n", "t a list. Upload"),
        (b'{"login": "ada"}', "a list was expected"),
    ],
)
def test_a_file_that_is_no_list_is_not_kept(
    served: Served, people: httpx2.Client, content: bytes, says: str
) -> None:
    page = upload(people, content)
    assert page.status_code == 422
    assert says in page.text
    assert people.get("/imports/1").status_code == 404
    assert tracked(served) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"id,tags,login,login\nx,y,ada,bob\n", "Check how gitpip matched the columns"),
        (b"login;id\n\xff\xff;1\n", "1 row with errors"),
        (b"\x1a\xff\xfe\n", "Choose the column that holds GitHub usernames"),
        (b"[1, 2", "2 rows with errors"),
    ],
)
def test_an_odd_file_adds_no_one(
    served: Served, people: httpx2.Client, content: bytes, says: str
) -> None:
    page = upload(people, content)
    assert says in on_one_line(page.text)
    assert "Add people</button>" not in on_one_line(page.text)
    confirm(served, people, page)
    assert tracked(served) == []


def test_no_file_and_too_large_a_file(served: Served, people: httpx2.Client) -> None:
    assert "Choose a file or paste a list first." in people.post("/imports", data={"file": ""}).text
    address = people.base_url
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.putrequest("POST", "/imports")
    connection.putheader("content-length", str(2**26 + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert people.get("/imports/99").status_code == 404


def test_programs_say_what_columns_hold(served: Served) -> None:
    url = f"{served.gitpip.url}/api/v1/imports"
    file = {"file": ("list.csv", FOREIGN.encode("cp1252"))}
    guessed = httpx2.post(url, files=file, timeout=20)
    assert guessed.status_code == 422
    assert "found the columns 'Kunde', 'Kürzel', 'Konto'" in guessed.json()["detail"]
    assert served.api("GET", "/imports/1").status_code == 404
    looked = httpx2.post(f"{url}/preview", files=file, timeout=20).json()
    assert looked == {
        "format": "a table separated by semicolons, in Windows-1252",
        "columns": [
            {"heading": "Kunde", "holds": None},
            {"heading": "Kürzel", "holds": None},
            {"heading": "Konto", "holds": "login"},
        ],
        "header": True,
        "certain": False,
        "sheets": [],
        "sheet": None,
        "users": ["ada", "bob"],
        "tracked": 0,
        "faulty": 0,
        "faults": [],
        "more": False,
    }
    for columns, words in (
        ("{", "columns: must be JSON with texts"),
        ('{"Konto": 1}', "columns: must be JSON with texts"),
        ('{"Account": "login"}', "columns: unknown column 'Account'. The file has 'Kunde'"),
    ):
        refused = httpx2.post(url, files=file, data={"columns": columns}, timeout=20)
        assert refused.status_code == 422
        assert words in refused.json()["detail"]
    assert httpx2.post(url, files=file, data={"sheet": "x"}, timeout=20).status_code == 422
    chosen = {"columns": '{"Konto": "login", "Kürzel": "id"}', "header": "true"}
    number = httpx2.post(url, files=file, data=chosen, timeout=20).json()["id"]
    served.gitpip.wait_for(
        lambda: served.api("GET", f"/imports/{number}").json()["ended_at"], "the import"
    )
    assert served.gitpip.get("/users").json()[0] == {"login": "ada", "id": "A"}
