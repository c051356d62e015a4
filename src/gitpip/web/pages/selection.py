"""Users selected in the table: what is to be done to them, and what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query

from gitpip.actions.users import Order, Tagging, UserAct
from gitpip.errors import InvalidInput
from gitpip.validation import any_of, possible_login
from gitpip.web.pages.forms import tags_of

ROWS = 50
"""How many users the table shows on a page."""
MOST = 500
"""How many users can be dealt with at once, in one transaction."""


@dataclass(frozen=True)
class Selection:
    """What a form of selected users holds, as it was sent."""

    logins: Sequence[str] = ()
    tags: str = ""
    field: str = ""
    fault: str = ""
    """What is wrong with it, and in which field."""


def order_of(selection: Selection, act: str) -> Order:
    """The order that a form gives; raises InvalidInput, UserNotTracked."""
    acts: dict[str, UserAct | Tagging] = {known.value: known for known in (*UserAct, *Tagging)}
    if act not in acts:
        raise InvalidInput("act", f"must be {any_of(acts)}, not {act[:40]!r}")
    if not selection.logins:
        raise InvalidInput("login", "select at least one person")
    logins = {login.lower(): possible_login(login) for login in selection.logins}
    if len(logins) > MOST:
        raise InvalidInput("login", f"{len(logins)} are selected; at most {MOST} at once")
    chosen = acts[act]
    tags: tuple[str, ...] = ()
    if isinstance(chosen, Tagging) and not (tags := tags_of(selection.tags)):
        raise InvalidInput("tags", "must be one or more tags, separated by spaces, e.g. vip")
    return Order(chosen, tuple(logins.values()), tags)


@dataclass(frozen=True)
class Done:
    """What was done to selected users, as the address of the page that says so tells."""

    done: Annotated[UserAct | Tagging | Literal["", "add"], Query()] = ""
    number: Annotated[int, Query(ge=0, le=MOST)] = 0
    paused: Annotated[int, Query(ge=0, le=MOST)] = 0
    """How many of them are not looked at yet, as they are paused."""
    known: Annotated[int, Query(ge=0, le=MOST)] = 0
    """Of those who were to be added: how many were tracked already."""
    tags: Annotated[str, Query(max_length=1_200)] = ""


ADDED = "add"
"""What `Done.done` says where people were added."""
NOTHING_DONE = Done()
