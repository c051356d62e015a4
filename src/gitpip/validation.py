"""The validation of logins, ids and tags from outside."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gitpip.errors import InvalidInput, UserNotTracked

LOGIN_LIMIT = 39
EXTERNAL_ID_LIMIT = 200
TAG_LIMIT = 50
MOST_TAGS = 20


def check_login(login: str) -> None:
    """Raise InvalidInput unless GitHub can have this login.

    Letters, digits and hyphens, at most 39; enterprise-managed ones end in `_` and a short code.
    Some old accounts break the rules about where hyphens may stand, so those are not checked.
    """
    if len(login) > LOGIN_LIMIT or not re.fullmatch("[A-Za-z0-9-]+(_[A-Za-z0-9]+)?", login):
        raise InvalidInput(
            "login",
            f"{login[:60]!r} isn't a valid GitHub username (letters, digits and hyphens, "
            f"up to {LOGIN_LIMIT})",
        )


_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?:gist\.)?github\.com/(?P<login>[^/?#\s]+)(?:[/?#]\S*)?",
    re.IGNORECASE,
)


def written_login(text: str) -> str:
    """Return the login in a person's text: a username, an @name or the address of a profile.

    Raises InvalidInput if GitHub can't have it.
    """
    login = named_login(text)
    check_login(login)
    return login


def named_login(text: str) -> str:
    """Return what stands in the place of a login in a person's text, unchecked."""
    text = text.strip()
    address = _ADDRESS.fullmatch(text)
    return address["login"] if address else text.removeprefix("@")


def split_logins(text: str) -> list[str]:
    """Return the words of a person's text for several users.

    They are separated by spaces, commas, semicolons or lines, and may stand in quotation marks.
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    return [word[1:-1] if re.fullmatch('".+"', word) else word for word in words]


@dataclass(frozen=True)
class WrittenLogins:
    """The words of a person's text for several users, each once."""

    logins: tuple[str, ...]
    faults: dict[str, str]
    """The words that GitHub can't have, each with the reason."""


def written_logins(text: str) -> WrittenLogins:
    """Return the logins in a person's text for several users."""
    logins, faults = dict[str, str](), dict[str, str]()
    for word in split_logins(text):
        try:
            login = written_login(word)
        except InvalidInput as error:
            faults[word] = error.message
        else:
            logins[login.lower()] = login
    return WrittenLogins(tuple(logins.values()), faults)


def possible_login(login: str) -> str:
    """Return a login to search for among tracked users; raises UserNotTracked if impossible.

    It accepts more than `check_login`: GitHub may allow more some day. But it refuses a text that a
    database can't be asked for.
    """
    if not re.fullmatch("[A-Za-z0-9_-]{1,100}", login):
        raise UserNotTracked(f"{login[:60]!r} isn't a GitHub username")
    return login


_AMBIGUOUS = re.compile(r"-?[1-9][0-9]{0,2}\.[0-9]{3}")
"""A number whose point is a decimal sign to some people, and stands for thousands to others."""


def read_whole(text: str, example: int = 1000) -> int:
    """Return the whole number of a person's text. Raises ValueError with a valid example.

    A comma or point is refused: it is a decimal sign in one country, and stands for thousands in
    another. So is what only Python takes for a number, such as `1_000`.
    """
    if not re.fullmatch(r"-?[0-9]{1,18}", text.strip(), re.ASCII):
        raise ValueError(
            f"must be a whole number without a comma or point, e.g. {example}, not {text[:40]!r}"
        )
    return int(text)


def read_decimal(text: str, example: str = "1.5") -> float:
    """Return the number of a person's text. Raises ValueError with a valid example.

    `1.000` is refused, as it may stand for a thousand; `1.0` and `0.125` are clear.
    """
    number = text.strip()
    if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,9})?", number) or _AMBIGUOUS.fullmatch(number):
        raise ValueError(
            f"must be a number with a point for decimals and no sign for thousands, e.g. {example}"
            f" or 1000, not {text[:40]!r}"
        )
    return float(number)


def whole_in_text(value: object) -> object:
    """Return a value before pydantic reads it as an integer; it would read `1.000` as 1."""
    return read_whole(value) if isinstance(value, str) else value


def decimal_in_text(value: object) -> object:
    """Return a value before pydantic reads it as a number; it would read `1.000` as 1."""
    return read_decimal(value) if isinstance(value, str) else value


def any_of(words: Iterable[str]) -> str:
    """Return the words as a choice, such as `on, off or auto`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


FAULTS = {
    "missing": "is missing",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "datetime_type": "must be a time",
    "datetime_parsing": "must be a time",
    "datetime_from_date_parsing": "must be a time",
    "date_type": "must be a date, e.g. 2026-01-31",
    "date_parsing": "must be a date, e.g. 2026-01-31",
    "date_from_datetime_parsing": "must be a date, e.g. 2026-01-31",
    "date_from_datetime_inexact": "must be a date, e.g. 2026-01-31",
}
"""The words for a fault of a value, by pydantic's name of it."""


def plain_fault(details: ErrorDetails) -> str:
    """Return pydantic's message about a value, in words that do not mention validation."""
    match details["type"], details.get("ctx", {}).get("error"):
        case "value_error", ValidationError() as inner:  # of one value in a list
            return plain_fault(inner.errors()[0])
        case "value_error", Exception() as error:
            return str(error)
        case kind, _ if kind in FAULTS:
            return FAULTS[kind]
    return re.sub("^[A-Z][a-z]+ should (be|have|match) ", r"must \1 ", details["msg"])


def without_nul(text: str) -> str:
    """Return a text that both databases accept: PostgreSQL refuses U+0000."""
    return text.replace("\0", "")


def is_storable(text: str) -> bool:
    """Return whether both databases accept a text: no U+0000 (PostgreSQL), no half pair (UTF-8)."""
    return "\0" not in text and not any("\ud800" <= mark <= "\udfff" for mark in text)


def check_external_id(external_id: str) -> None:
    """Raise InvalidInput unless this can be a caller's id of a user."""
    short_enough = len(external_id) <= EXTERNAL_ID_LIMIT
    if not short_enough or not external_id.strip() or not external_id.isprintable():
        raise InvalidInput(
            "id",
            f"must be 1 to {EXTERNAL_ID_LIMIT} printable characters and not only spaces, "
            f"e.g. customer-1, not {external_id[:60]!r}",
        )


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags, each once; raises InvalidInput if one is invalid, or there are too many."""
    different = tuple(dict.fromkeys(tags))
    if len(different) > MOST_TAGS:
        raise InvalidInput("tags", f"must be at most {MOST_TAGS} tags, not {len(different)}")
    for tag in different:
        _check_tag(tag)
    return different


def _check_tag(tag: str) -> None:
    if len(tag) > TAG_LIMIT or not re.fullmatch(r"[^\s,;]+", tag) or not tag.isprintable():
        raise InvalidInput(
            "tags",
            f"must be 1 to {TAG_LIMIT} printable characters without spaces, commas and "
            f"semicolons, e.g. vip, not {tag[:60]!r}",
        )
