"""Cases of acts that take back what was published."""

from gitpip.actions import undo
from tests.actions.cases import Case, api, post
from tests.actions.doors import Refused
from tests.actions.rooms import PUBLISHED, UNDOING

UNDOS = [
    Case(
        "a publication is undone",
        undo.undo,
        post("/undos", number=str(PUBLISHED)),
        api("POST", "/undos", publications=[PUBLISHED]),  # the former name
        ("undo", "--publication", str(PUBLISHED)),
        audit=(("undo.begun", f"2: file {PUBLISHED}, 1 file"),),
        wakes=("publish",),
        tables=("undone", "undos"),
    ),
    Case(
        "all of a user is undone",
        undo.undo,
        post("/undos", user="ada"),
        api("POST", "/undos", user="ada"),
        ("undo", "--user", "ada"),
        audit=(("undo.begun", "2: user ada, 6 files"),),
        wakes=("publish",),
        tables=("events", "publications", "undone", "undos"),
    ),
    Case(
        "a publication is undone with the deal of its user",
        undo.undo,
        post("/undos", number=str(PUBLISHED), with_deals="true"),
        api("POST", "/undos", ids=[PUBLISHED], with_deals=True),
        ("undo", "--publication", str(PUBLISHED), "--with-deals"),
        audit=(("undo.begun", f"2: file {PUBLISHED}, 1 file, with empty deals"),),
        wakes=("publish",),
        tables=("undone", "undos"),  # no deal was made for the user
    ),
    Case(
        "a user who is not tracked is undone",
        undo.undo,
        post("/undos", user="nobody"),
        api("POST", "/undos", login="nobody"),
        ("undo", "--user", "nobody"),
        refused=Refused(404, "user-not-tracked", "nobody is not tracked"),
    ),
    Case(
        "nothing is named to be undone",
        undo.undo,
        post("/undos"),
        api("POST", "/undos"),
        ("undo",),
        refused=Refused(
            422, "invalid-input", "check: give a check, an import, publications or a user"
        ),
    ),
    Case(
        "what is being undone is undone once more",
        undo.undo,
        post("/undos", number=str(UNDOING)),
        api("POST", "/undos", ids=[UNDOING]),
        ("undo", "--publication", str(UNDOING)),
        refused=Refused(
            409,
            "nothing-to-undo",
            f"nothing of file {UNDOING} is left to undo: 1 being undone already",
        ),
    ),
    Case(
        "a stopped undo goes on",
        undo.resume_undo,
        post("/undos/1/resume"),
        api("POST", "/undos/1/resume"),
        ("undos", "resume", "1"),
        audit=(("undo.resumed", "1"),),
        wakes=("publish",),
        tables=("undone", "undos"),
    ),
    Case(
        "an undo that is not there goes on",
        undo.resume_undo,
        post("/undos/77/resume"),
        api("POST", "/undos/77/resume"),
        ("undos", "resume", "77"),
        refused=Refused(404, "undo-not-found", "there is no undo 77"),
    ),
]
