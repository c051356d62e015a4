"""Cases of acts on the publishing settings."""

from gitpip.actions import publishing_settings
from gitpip.config.publishing.policy import registry
from tests.actions.cases import Case, api, post
from tests.actions.doors import Refused

PAGE, API = "/settings/publishing", "/publishing/settings"
COMMAND = ("publishing", "settings")
CHANGED = "publishing.settings_changed"
SETTINGS = [
    Case(
        "two publishing settings are changed",
        publishing_settings.change,
        post(PAGE, activity_type="meeting", activity_done="no"),
        api("PATCH", API, settings={"activity_type": "meeting", "activity_done": False}),
        (*COMMAND, "set", "activity_type=meeting", "activity_done=no"),
        audit=(
            (CHANGED, "activity_type: task → meeting"),
            (CHANGED, "activity_done: yes → no"),
        ),
        tables=("publishing_settings",),
    ),
    Case(
        "a publishing setting goes back to its default",
        publishing_settings.change,
        post(PAGE, **{"activity_due_date": "", "was:activity_due_date": "today"}),
        api("PATCH", API, settings={"activity_due_date": None}),
        (*COMMAND, "unset", "activity_due_date"),
        audit=((CHANGED, "activity_due_date: today → gist"),),
        tables=("publishing_settings",),
    ),
    Case(
        "a publishing setting is stored as it is",
        publishing_settings.change,
        post(PAGE, **{"activity_due_date": "today", "was:activity_due_date": "gist"}),
        api("PATCH", API, settings={"activity_due_date": "today"}),
        (*COMMAND, "set", "activity_due_date=today"),
    ),
    Case(
        "one of two publishing settings is wrong",
        publishing_settings.change,
        post(PAGE, activity_type="meeting", deal_value="much"),
        api("PATCH", API, settings={"activity_type": "meeting", "deal_value": "much"}),
        (*COMMAND, "set", "activity_type=meeting", "deal_value=much"),
        refused=Refused(
            422,
            "invalid-input",
            "deal_value: 'much': must be none, or a number from 0 on, e.g. 1200 or 99.50",
        ),
        on_page="Value of new deals: 'much': must be none, or a number from 0 on",
    ),
    Case(
        "a setting that there is not is changed",
        publishing_settings.change,
        post(PAGE, activity_colour="red"),
        api("PATCH", API, settings={"activity_colour": "red"}),
        (*COMMAND, "set", "activity_colour=red"),
        refused=Refused(
            422,
            "invalid-input",
            f"activity_colour: no such setting; there are {', '.join(registry())}",
        ),
    ),
]
