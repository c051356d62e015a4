"""What an activity is: its type, whether it is done, its owner, due date and priority."""

from dataclasses import dataclass
from functools import partial

from gitpip.config.publishing.declaration import (
    YES_OR_NO,
    Group,
    Kind,
    one_line,
    one_of,
    optional,
    setting,
)

TOKEN_OWNER = "token"  # noqa: S105 - a user of the CRM
"""The user to which the token belongs."""
DEAL_OWNER = "deal"
"""The user who owns the deal."""
PER_FILE, PER_GIST = "file", "gist"
GIST_DATE, TODAY, NO_DATE = "gist", "today", "none"
DEFAULT_TYPE = "task"


def _owner(text: str) -> str:
    line = one_line(text, example="Sam Sales")
    return line.lower() if line.lower() in (TOKEN_OWNER, DEAL_OWNER) else line


@dataclass(frozen=True)
class ActivitySettings:
    """The fields of each activity."""

    activity_type: str = setting(
        DEFAULT_TYPE,
        Kind(partial(one_line, example=DEFAULT_TYPE)),
        group=Group.ACTIVITY,
        description="the type of an activity, by its key or name in Pipedrive",
    )
    activity_done: bool = setting(
        True,
        YES_OR_NO,
        group=Group.ACTIVITY,
        description="whether an activity is made as done; otherwise it is an open to-do",
    )
    activity_owner: str = setting(
        TOKEN_OWNER,
        Kind(_owner),
        group=Group.ACTIVITY,
        description="the owner of an activity: token (the user of the token), deal (the owner of"
        " its deal), or a user by name, e-mail address or id",
    )
    activity_due_date: str = setting(
        GIST_DATE,
        one_of(GIST_DATE, TODAY, NO_DATE),
        group=Group.ACTIVITY,
        description="the due date of an activity: the gist's date (UTC), today, or none",
    )
    activity_priority: str | None = setting(
        None,
        optional(partial(one_line, example="High")),
        group=Group.ACTIVITY,
        description="the priority of an activity, by its name or id in Pipedrive, or none",
    )
    activity_per: str = setting(
        PER_FILE,
        one_of(PER_FILE, PER_GIST),
        group=Group.ACTIVITY,
        description="what one activity is made for: each file, or each gist with all its new files",
    )
