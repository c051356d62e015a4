"""Users selected in the table: what is to be done to them, and what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query

from gitpip.actions.users import BulkAction, Tagging, UserAct
from gitpip.errors import InvalidInput
from gitpip.validation import any_of, possible_login
from gitpip.web.pages.forms import tags_of

USERS_PER_PAGE = 50
"""The number of users on a page of the table."""
MAX_SELECTED = 500
"""The most users that one act can change, in one transaction."""


@dataclass(frozen=True)
class SelectedUsers:
    """The fields of a form of selected users, as it was sent."""

    logins: Sequence[str] = ()
    tags: str = ""
    field: str = ""
    fault: str = ""
    """The fault of a form, and its field."""
    gone: Sequence[str] = ()
    """Those of the logins that nobody has any more; a page keeps them selected no longer."""


def order_of(selection: SelectedUsers, act: str) -> BulkAction:
    """The order that a form gives; raises InvalidInput, UserNotTracked."""
    acts: dict[str, UserAct | Tagging] = {known.value: known for known in (*UserAct, *Tagging)}
    if act not in acts:
        raise InvalidInput("act", f"must be {any_of(acts)}, not {act[:40]!r}")
    if not selection.logins:
        raise InvalidInput("login", "select at least one person")
    logins = {login.lower(): possible_login(login) for login in selection.logins}
    if len(logins) > MAX_SELECTED:
        raise InvalidInput("login", f"{len(logins)} are selected. Select at most {MAX_SELECTED}")
    chosen = acts[act]
    tags: tuple[str, ...] = ()
    if isinstance(chosen, Tagging) and not (tags := tags_of(selection.tags)):
        raise InvalidInput("tags", "must be one or more tags, separated by spaces, e.g. vip")
    return BulkAction(chosen, tuple(logins.values()), tags)


@dataclass(frozen=True)
class Done:
    """The result of an act on selected users, from the address of the page that shows it."""

    done: Annotated[UserAct | Tagging | Literal["", "add"], Query()] = ""
    number: Annotated[int, Query(ge=0, le=MAX_SELECTED)] = 0
    paused: Annotated[int, Query(ge=0, le=MAX_SELECTED)] = 0
    """The number of them that are not checked yet, as they are paused."""
    known: Annotated[int, Query(ge=0, le=MAX_SELECTED)] = 0
    """The number of users to be added that were tracked already."""
    tags: Annotated[str, Query(max_length=1_200)] = ""


ADDED = "add"
"""The value of `Done.done` where people were added."""
NOTHING_DONE = Done()
