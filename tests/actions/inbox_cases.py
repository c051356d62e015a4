"""Cases of what a reader does in the inbox, and of visits to one user."""

from gitpip.actions import inbox, visits
from tests.actions.cases import NOBODY, Case, api, post
from tests.actions.doors import Refused, Request

FIRST = f"{1:020}"
READ = f"{2:020}"
"""A gist that all without a key have marked as read."""
COOKIE = Request("POST", "/seen")
"""A browser without a key is recorded once it sends its cookie."""
MARKED = Request("POST", "/seen", {"gist": FIRST}, after=COOKIE)
UNRECORDED = {inbox.mark, inbox.mark_all, inbox.undo, visits.record}
"""What a person has read is that person's business alone."""
INBOX = [
    Case(
        "a gist is marked as read",
        inbox.mark,
        Request("POST", "/seen", {"gist": FIRST}, after=COOKIE),
        api("POST", "/inbox/marks", gists=[FIRST]),
        ("inbox", "read", FIRST),
        tables=("home_visits", "inbox_marks"),
    ),
    Case(
        "a gist is marked as unread in a browser",
        inbox.mark,
        Request("POST", "/seen", {"unread": FIRST}, after=MARKED),
        None,
        None,
        tables=("home_visits", "inbox_marks"),
    ),
    Case(
        "a gist is marked as unread",
        inbox.mark,
        None,  # a browser has read other gists before; see above
        api("POST", "/inbox/marks", gists=[READ], read=False),
        ("inbox", "unread", READ),
        tables=("home_visits", "inbox_marks"),
    ),
    Case(
        "everything is marked as read",
        inbox.mark_all,
        None,  # a browser has read other gists before; see below
        api("POST", "/inbox/marks", everything=True),
        ("inbox", "read", "--all"),
        tables=("home_visits", "inbox_lines", "visits"),
    ),
    Case(
        "everything is marked as read in a browser",
        inbox.mark_all,
        Request("POST", "/seen", {"everything": "true"}, after=COOKIE),
        None,
        None,
        tables=("home_visits", "inbox_lines", "visits"),
    ),
    Case(
        "nothing is named to be marked",
        inbox.mark,
        None,
        api("POST", "/inbox/marks"),
        ("inbox", "read"),
        refused=Refused(
            422, "invalid-input", "gists: name at least one gist to mark, or everything"
        ),
    ),
    Case(
        "a mark is undone",
        inbox.undo,
        None,  # a browser undoes a mark of its own; see below
        api("POST", "/inbox/marks/1/undo"),
        ("inbox", "undo", "1"),
        tables=("home_visits", "inbox_marks"),
    ),
    Case(
        "a mark of a browser is undone",
        inbox.undo,
        Request("POST", "/seen/2/undo", after=MARKED),
        None,
        None,
        tables=("home_visits",),
    ),
    Case(
        "no mark is undone",
        inbox.undo,
        post("/seen/77/undo"),
        api("POST", "/inbox/marks/77/undo"),
        ("inbox", "undo", "77"),
        refused=Refused(404, "visit-not-found", "you have no mark 77"),
    ),
    Case(
        "a filter is saved",
        inbox.save_filter,
        post("/inbox/filters", name="mine", tag="vip"),
        api("POST", "/inbox/filters", name="mine", tag="vip"),
        ("inbox", "save", "mine", "--tag", "vip"),
        audit=(("filter.saved", "mine"),),
        tables=("inbox_filters",),
    ),
    Case(
        "a filter is saved without a name",
        inbox.save_filter,
        post("/inbox/filters", name="", tag="vip"),
        api("POST", "/inbox/filters", name="", tag="vip"),
        ("inbox", "save", "", "--tag", "vip"),
        refused=Refused(
            422, "invalid-input", "name: must be 1 to 60 printable characters, e.g. vip"
        ),
    ),
    Case(
        "a filter is deleted",
        inbox.delete_filter,
        None,  # a browser deletes a filter of its own; see below
        api("DELETE", "/inbox/filters/1"),
        ("inbox", "delete", "1"),
        audit=(("filter.deleted", "python"),),
        tables=("inbox_filters",),
    ),
    Case(
        "a filter of a browser is deleted",
        inbox.delete_filter,
        Request("POST", "/inbox/filters/2/delete", after=post("/inbox/filters", name="mine")),
        None,
        None,
        audit=(("filter.deleted", "mine"),),
    ),
    Case(
        "no filter is deleted",
        inbox.delete_filter,
        post("/inbox/filters/77/delete"),
        api("DELETE", "/inbox/filters/77"),
        ("inbox", "delete", "77"),
        refused=Refused(404, "filter-not-found", "you have no saved filter 77"),
    ),
    Case(
        "what is new of a user is seen",
        visits.record,
        None,
        api("POST", "/users/ada/visits"),
        ("latest", "ada"),
        tables=("visits",),
    ),
    Case(
        "what is new of a user is seen by the original's endpoint",
        visits.record,
        None,
        Request("POST", "/latestgists/ada"),
        ("latest", "ada"),
        tables=("visits",),
    ),
    Case(
        "a user who is not tracked is visited",
        visits.record,
        None,
        api("POST", "/users/nobody/visits"),
        ("latest", "nobody"),
        refused=NOBODY,
    ),
]
