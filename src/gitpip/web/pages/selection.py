"""Users selected in the table: what is to be done to them, and what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self

from fastapi import Query

from gitpip.errors import InvalidInput
from gitpip.web.pages.forms import possible_login, tags_of
from gitpip.web.pages.user_acts import Act

ROWS = 50
"""So many users the table shows on a page, and so many can be dealt with at once."""


class Tagging(StrEnum):
    """What else can be done to users who are selected."""

    TAG = "tag"
    UNTAG = "untag"


@dataclass(frozen=True)
class Selection:
    """What a form of selected users holds, as it was sent."""

    logins: Sequence[str] = ()
    tags: str = ""
    field: str = ""
    fault: str = ""
    """What is wrong with it, and in which field."""


@dataclass(frozen=True)
class Order:
    """What is to be done, and to whom."""

    act: Act | Tagging
    logins: Sequence[str]
    tags: tuple[str, ...]

    @classmethod
    def read(cls, selection: Selection, act: str) -> Self:
        """The order that a form gives; raises InvalidInput, UserNotTracked."""
        acts: dict[str, Act | Tagging] = {known.value: known for known in (*Act, *Tagging)}
        if act not in acts:
            raise InvalidInput("act", f"{act[:40]!r} is none of {', '.join(acts)}")
        if not selection.logins:
            raise InvalidInput("login", "nobody is selected; tick the box of at least one user")
        logins = {login.lower(): possible_login(login) for login in selection.logins}
        if len(logins) > ROWS:
            raise InvalidInput("login", f"{len(logins)} are selected; at most {ROWS} at once")
        chosen = acts[act]
        tags: tuple[str, ...] = ()
        if isinstance(chosen, Tagging) and not (tags := tags_of(selection.tags)):
            raise InvalidInput("tags", "there is none; write one or more, with spaces between them")
        return cls(chosen, tuple(logins.values()), tags)


@dataclass(frozen=True)
class Done:
    """What was done to selected users, as the address of the page that says so tells."""

    done: Annotated[Act | Tagging | Literal[""], Query()] = ""
    number: Annotated[int, Query(ge=0, le=ROWS)] = 0
    paused: Annotated[int, Query(ge=0, le=ROWS)] = 0
    """So many of them are not looked at yet, as they are paused."""
    tags: Annotated[str, Query(max_length=1_200)] = ""


NOTHING_DONE = Done()
