"""The columns of a table: known by their headings, by their contents, or from a person."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitpip.digests import digest
from gitpip.errors import InvalidInput
from gitpip.user_lists.rows import COLUMNS
from gitpip.validation import written_login

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "login": (
        *("login", "logins", "github", "github login", "github username", "github user"),
        *("github name", "github handle", "github account", "github profile", "github url"),
        *("username", "usernames", "user name", "user", "users", "handle", "handles", "nickname"),
        *("nicknames", "account", "accounts", "profile", "profile url", "benutzername", "benutzer"),
        *("nutzername", "github konto", "github benutzername", "github profil", "utilisateur"),
        *("usuario", "utente", "gebruikersnaam"),
    ),
    "id": (
        *("id", "customer id", "client id", "external id", "crm id", "contact id"),
        *(
            "kundennummer",
            "kunden id",
            "kunden nr",
            "kundennr",
            "customer number",
            "customer no",
            "numero",
        ),
    ),
    "tags": (
        *("tags", "tag", "labels", "label", "groups", "group", "segment", "segments", "gruppe"),
        *("gruppen", "schlagwort", "schlagworte", "schlagwörter", "stichwort", "stichwörter"),
    ),
    "interval": ("interval", "check interval", "check every", "intervall"),
    "backfill": ("backfill", "existing gists"),
    "deal": ("deal", "deal id", "pipedrive deal", "pipedrive deal id"),
    "lead": ("lead id", "pipedrive lead"),
    "person": ("person id", "pipedrive person"),
    "organization": ("organization id", "organisation id", "pipedrive organization"),
    "publishing_mode": ("publishing mode", "mode", "modus"),
}
"""Headings that tell what a column holds, in lower case and with spaces between their words."""
LIST_HEADINGS = {
    *HEADINGS["login"],
    *("client", "clients", "contact", "contacts", "customer", "customers", "developer"),
    *("developers", "employee", "employees", "engineer", "engineers", "lead", "leads", "member"),
    *("members", "name", "names", "owner", "owners", "people", "person", "persons", "student"),
    *("students", "team", "kunde", "kunden", "mitarbeiter", "entwickler", "personen"),
}
"""First lines of a list that could be a login, and more likely head a spreadsheet's only column."""
MOST_ARE = 0.5
"""A column holds logins if more of its cells than this can be logins."""


@dataclass(frozen=True)
class Choice:
    """The columns as a person gives them, or an earlier import of a table with the same headings.

    `columns` says what columns hold (one of COLUMNS, or nothing), by heading or by number from 1.
    Other columns are left out. With `keeps_others` they hold what their headings say, except
    logins. `header` is whether the first row holds headings; None leaves that to the table. `sheet`
    names one of a spreadsheet. `is_list` is whether each word of a text is a username. With False,
    and no columns, the columns are as the table tells.
    """

    columns: Mapping[str, str]
    header: bool | None = None
    sheet: str | None = None
    keeps_others: bool = False
    is_list: bool | None = None


@dataclass(frozen=True)
class Columns:
    """The contents of the columns of a table."""

    header: bool
    """Whether the first row holds headings."""
    meanings: tuple[str | None, ...]
    """One of COLUMNS for each column; None for one that is left out."""
    certain: bool
    """Whether the headings are our own names, or a person chose: nothing is guessed."""


def proposed(first: Sequence[str], following: Sequence[Sequence[str]]) -> Columns:
    """Return the contents of the columns, as far as the first rows tell.

    They are without a login column if the rows show none. A heading of ours counts before one that
    people use, and that before what is in a column.
    """
    names = [cell.strip().lower() for cell in first]
    exact = [name for name in names if name]
    if "login" in names and set(exact) <= set(COLUMNS) and len(set(exact)) == len(exact):
        return Columns(True, tuple(name or None for name in names), certain=True)
    if len(names) == 1 and not is_heading(first[0]) and is_login(first[0]):
        return Columns(False, ("login",), certain=True)
    meanings = [_meaning(cell) for cell in first]
    login = _login_column(meanings, following or [first])
    header = _is_header(first, login) and not _has_values(first, following)
    meanings = [
        None if meaning == "login" or meaning in meanings[:place] else meaning
        for place, meaning in enumerate(meanings)
    ]
    if login is not None:
        meanings[login] = "login"
    return Columns(header, tuple(meanings), certain=False)


def chosen(choice: Choice, first: Sequence[str], proposal: Columns) -> Columns:
    """Return the columns as a person gives them; raises InvalidInput where that can't be."""
    header = proposal.header if choice.header is None else choice.header
    named = {_plain(cell): place for place, cell in enumerate(first)} if header else {}
    places = named | {str(number): number - 1 for number in range(1, len(first) + 1)}
    meanings: list[str | None] = [None] * len(first)
    named_places = set()
    for name, meaning in choice.columns.items():
        place = places.get(_plain(name))
        if place is None:
            raise InvalidInput(
                "columns", f"unknown column {name[:60]!r}. The file has {listed(first)}"
            )
        if meaning and meaning not in COLUMNS:
            raise InvalidInput(
                "columns", f"unknown column {meaning[:60]!r}. Allowed: {', '.join(COLUMNS)}"
            )
        if place in named_places:
            raise InvalidInput("columns", f"column {name[:60]!r} is given twice. Give it once")
        meanings[place] = meaning or None
        named_places.add(place)
    given = [meaning for meaning in meanings if meaning]
    if choice.keeps_others and header:
        for place, heading in enumerate(proposal.meanings):
            # Which column holds logins may be a guess by its cells, so a person says it.
            if place not in named_places and heading not in ("login", *given):
                meanings[place] = heading
    if twice := [meaning for meaning in COLUMNS if given.count(meaning) > 1]:
        raise InvalidInput("columns", f"two columns are chosen as {twice[0]}. Choose one")
    if "login" not in given:
        raise InvalidInput("columns", "choose the column that holds GitHub usernames (login)")
    return Columns(header, tuple(meanings), certain=True)


def signature(first: Sequence[str]) -> str:
    """Return a digest that tells tables with the same headings, in the same order, from others."""
    return digest("\n".join(_plain(cell) for cell in first))


def is_heading(cell: str) -> bool:
    """Return whether a cell is more likely the heading of a column than a login."""
    return _plain(cell) in LIST_HEADINGS


def is_login_heading(cell: str) -> bool:
    """Return whether people use this text as the heading of a column of logins."""
    return _meaning(cell) == "login" and not is_marked(cell)


def is_known_heading(cell: str) -> bool:
    """Return whether people use this text as the heading of a column."""
    return (is_heading(cell) or _meaning(cell) is not None) and not is_marked(cell)


def is_login(cell: str) -> bool:
    """Return whether a cell can hold a login, as people write it."""
    try:
        written_login(cell)
    except InvalidInput:
        return False
    return True


def is_marked(cell: str) -> bool:
    """Return whether a cell names GitHub: an @name, or an address there."""
    cell = cell.strip().lower()
    return cell.startswith("@") or "github.com/" in cell


def listed(cells: Sequence[str]) -> str:
    """Headings as an error shows them: shortened, in quotation marks."""
    shown = [repr(cell.strip()[:40]) for cell in cells[:10]]
    return ", ".join(shown) + (", ..." if len(cells) > len(shown) else "")


def _plain(cell: str) -> str:
    """A heading in lower case, with spaces between its words alone."""
    return " ".join(re.findall(r"\w+", cell.replace("_", " ").lower()))


def _meaning(cell: str) -> str | None:
    plain = _plain(cell)
    return next((meaning for meaning, known in HEADINGS.items() if plain in known), None)


def _is_header(first: Sequence[str], login: int | None) -> bool:
    """Return whether a first row holds headings: a table mostly does, a list mostly does not."""
    if len(first) == 1:
        return is_heading(first[0]) or not is_login(first[0])
    return login is None or not is_marked(first[login])


def _has_values(first: Sequence[str], following: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row has a number or a mail address where the others have one."""
    if any(map(is_known_heading, first)):
        return False
    rows = [first, *following]
    columns = [[row[place] for row in rows if place < len(row)] for place in range(len(first))]
    return any(all(map(_is_value, column)) for column in columns if len(column) > 1)


def _is_value(cell: str) -> bool:
    """Return whether a cell is a number, a date or a mail address, as no heading is."""
    cell = cell.strip()
    return (any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell))) or "@" in cell[1:]


def _login_column(meanings: Sequence[str | None], rows: Sequence[Sequence[str]]) -> int | None:
    """Return the column of logins: by its heading if the cells agree, else by the cells."""
    best: tuple[bool, float, float] | None = None
    found = None
    for place, meaning in enumerate(meanings):
        cells = [row[place] for row in rows if place < len(row) and row[place].strip()]
        share = sum(is_login(cell) for cell in cells) / len(cells) if cells else 0.0
        marked = sum(is_marked(cell) for cell in cells) / len(cells) if cells else 0.0
        named = meaning == "login"
        if (share <= MOST_ARE and not (named and not cells)) or (meaning and not named):
            continue
        if best is None or (named, marked, share) > best:
            best, found = (named, marked, share), place
    return found
