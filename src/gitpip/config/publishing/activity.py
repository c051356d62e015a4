"""The settings of activities: type, whether it is done, owner, due date and priority."""

from dataclasses import dataclass
from functools import partial

from gitpip.config.publishing.declaration import (
    YES_OR_NO,
    Group,
    ValueKind,
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
        ValueKind(partial(one_line, example=DEFAULT_TYPE)),
        group=Group.ACTIVITY,
        label="Type of activity",
        description="an activity type of Pipedrive, by its key or name",
    )
    activity_done: bool = setting(
        True,
        YES_OR_NO,
        group=Group.ACTIVITY,
        label="Mark activities as done",
        description="with no, activities are created as open to-dos",
    )
    activity_owner: str = setting(
        TOKEN_OWNER,
        ValueKind(_owner),
        group=Group.ACTIVITY,
        label="Owner of activities",
        description="use token for the user of the token, deal for the owner of the deal, or a"
        " Pipedrive user's name, e-mail address or id",
    )
    activity_due_date: str = setting(
        GIST_DATE,
        one_of({GIST_DATE: "Date of the gist (UTC)", TODAY: "Today", NO_DATE: "None"}),
        group=Group.ACTIVITY,
        label="Due date",
        description="use gist for the date of the gist (UTC), today, or none",
    )
    activity_priority: str | None = setting(
        None,
        optional(partial(one_line, example="High")),
        group=Group.ACTIVITY,
        label="Priority",
        description="a priority of Pipedrive, by its name or id, or none",
    )
    activity_per: str = setting(
        PER_FILE,
        one_of({PER_FILE: "File", PER_GIST: "Gist, with all its new files"}),
        group=Group.ACTIVITY,
        label="One activity for each",
        description="with file, each file becomes an activity; with gist, all new files of a gist"
        " become one",
    )
