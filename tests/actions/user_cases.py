"""Cases of acts on users: one by one, selected, and imported."""

from collections.abc import Callable
from typing import Any

from gitpip.actions import adding, imports, users
from gitpip.user_lists.reading import EXPECTED
from tests.actions.cases import NOBODY, Case, api, post
from tests.actions.doors import Refused, Request

NO_LOGIN = Refused(404, "user-not-tracked", "'no.login' isn't a GitHub username")
TOO_LONG = Refused(
    422,
    "invalid-input",
    "tags: must be 1 to 50 printable characters without spaces, commas and semicolons, e.g. vip, "
    f"not {'x' * 51!r}",
)

USERS = [
    Case(
        "a user is added",
        users.add_user,
        post("/people", login="cleo", id="3", tags="new vip"),
        api("POST", "/users", login="cleo", id="3", tags=["new", "vip"]),
        ("users", "add", "cleo", "--id", "3", "--tag", "new", "--tag", "vip"),
        audit=(("user.added", "cleo"),),
        wakes=("check",),
        tables=("events", "users", "user_tags"),
    ),
    Case(
        "several people are added at once",
        adding.add_people,
        post("/people", login="cleo, ada, @dan", tags="new"),
        None,
        None,
        audit=(("user.added", "cleo"), ("user.added", "dan")),
        wakes=("check", "check"),
        tables=("events", "users", "user_tags"),
    ),
    Case(
        "one id for several people",
        adding.add_people,
        post("/people", login="cleo dan", id="3"),
        None,
        None,
        refused=Refused(
            *(422, "invalid-input"),
            "id: a customer ID is for one person; add people one by one, or import a list of them",
        ),
        refused_by=("page",),
    ),
    Case(
        "a user who is tracked already is not added",
        users.add_user,
        post("/people", login="ada", id="id-of-ada"),
        Request("POST", "/users/ada/id-of-ada"),
        ("users", "add", "ada", "--id", "id-of-ada"),
    ),
    Case(
        "an id that is taken",
        users.add_user,
        post("/people", login="cleo", id="id-of-ada"),
        api("POST", "/users", login="cleo", id="id-of-ada"),
        ("users", "add", "cleo", "--id", "id-of-ada"),
        refused=Refused(409, "user-conflict", "customer ID id-of-ada is taken already, by ada"),
    ),
    Case(
        "a login that GitHub does not know",
        users.add_user,
        post("/people", login="zoe"),
        api("POST", "/users", login="zoe"),
        ("users", "add", "zoe"),
        refused=Refused(404, "github-user-not-found", "GitHub has no user zoe; check the spelling"),
    ),
    Case(
        "tags and an interval are changed",
        users.change,
        post("/people/ada/change", tags="a b", interval="30m"),
        api("PATCH", "/users/ada", tags=["a", "b"], interval="30m"),
        ("users", "change", "ada", "--tag", "a", "--tag", "b", "--interval", "30m"),
        audit=(("user.changed", "ada: tags: vip → a, b; check interval: default → 30m"),),
        wakes=("check",),
        tables=("users", "user_tags"),
    ),
    Case(
        "a user gets a publishing mode",
        users.change,
        post("/people/ada/change", tags="vip", publishing_mode="ask"),
        api("PATCH", "/users/ada", publishing_mode="ask"),
        ("users", "change", "ada", "--mode", "ask"),
        audit=(("user.changed", "ada: new files: default → ask"),),
        tables=("events", "users"),
    ),
    Case(
        "a user gets a target",
        users.change,
        post("/people/ada/target", target="person:7"),
        api("PATCH", "/users/ada", target="person:7"),
        ("users", "change", "ada", "--person", "7"),
        audit=(("user.changed", "ada: activities go to: deal-by-title → person:7"),),
        wakes=("publish",),
        tables=("publications", "targets"),
    ),
    Case(
        "a user gets the target that is so already",
        users.change,
        post("/people/ada/target", target="deal-by-title"),
        api("PATCH", "/users/ada", target="deal-by-title"),
        ("users", "change", "ada", "--deal-by-title"),
    ),
    Case(
        "a user gets what is no target",
        users.change,
        post("/people/ada/target", target="deal:x"),
        api("PATCH", "/users/ada", target="deal:x"),
        ("users", "change", "ada", "--deal", "x"),
        refused=Refused(
            *(422, "invalid-input"),
            "target: must be the id of a deal, a whole number, e.g. 42, not 'x'",
        ),
    ),
    Case(
        "a user gets the publishing mode that is so already",
        users.change,
        post("/people/ada/change", tags="vip", publishing_mode="general"),
        api("PATCH", "/users/ada", publishing_mode="general"),
        ("users", "change", "ada", "--mode", "general"),
    ),
    Case(
        "a change to what is so already",
        users.change,
        post("/people/ada/change", tags="vip", interval=""),
        api("PATCH", "/users/ada", tags=["vip"], interval="general"),
        ("users", "change", "ada", "--tag", "vip", "--interval", "general"),
    ),
    Case(
        "a backfill rule that is so already",
        users.change,
        None,
        api("PATCH", "/users/ada", backfill="all"),
        ("users", "change", "ada", "--backfill", "all"),
    ),
    Case(
        "a backfill rule latest:N counts anew when it is given again",
        users.change,
        None,
        api("PATCH", "/users/bob", backfill="latest:2"),
        ("users", "change", "bob", "--backfill", "latest:2"),
        audit=(("user.changed", "bob: existing gists: latest:2 → latest:2"),),
    ),
    Case(
        "a tag that can't be one",
        users.change,
        post("/people/ada/change", tags="x" * 51),
        api("PATCH", "/users/ada", tags=["x" * 51]),
        ("users", "change", "ada", "--tag", "x" * 51),
        refused=TOO_LONG,
    ),
    Case(
        "a user is paused",
        users.change,
        post("/people/ada/pause"),
        api("PATCH", "/users/ada", paused=True),
        ("users", "change", "ada", "--pause"),
        audit=(("user.paused", "ada"),),
        tables=("events", "users"),
    ),
    Case(
        "a user who is paused already",
        users.change,
        post("/people/bob/pause"),
        api("PATCH", "/users/bob", paused=True),
        ("users", "change", "bob", "--pause"),
    ),
    Case(
        "a user is resumed",
        users.change,
        post("/people/bob/resume"),
        api("PATCH", "/users/bob", paused=False),
        ("users", "change", "bob", "--resume"),
        audit=(("user.resumed", "bob"),),
        wakes=("check",),
        tables=("events", "users"),
    ),
    Case(
        "a change of nobody",
        users.change,
        post("/people/nobody/pause"),
        api("PATCH", "/users/nobody", paused=True),
        ("users", "change", "nobody", "--pause"),
        refused=NOBODY,
    ),
    Case(
        "a user is checked",
        users.check,
        post("/people/ada/check"),
        api("POST", "/users/ada/check"),
        ("users", "check", "ada"),
        audit=(("user.check_requested", "ada"),),
        wakes=("check",),
        tables=("users",),
    ),
    Case(
        "a check of what is no login",
        users.check,
        post("/people/no.login/check"),
        api("POST", "/users/no.login/check"),
        ("users", "check", "no.login"),
        refused=NO_LOGIN,
    ),
    Case(
        "a user is removed",
        users.remove,
        post("/people/ada/remove"),
        api("DELETE", "/users/ada"),
        ("users", "remove", "ada"),
        audit=(("user.removed", "ada"),),
        tables=("users",),
    ),
    Case(
        "nobody is removed",
        users.remove,
        post("/people/nobody/remove"),
        api("DELETE", "/users/nobody"),
        ("users", "remove", "nobody"),
        refused=NOBODY,
    ),
    Case(
        # By the other doors each is named alone.
        "selected users are paused",
        users.act_on_selected,
        post("/people/selected", login=["ada", "bob"], act="pause"),
        None,
        None,
        audit=(("user.paused", "ada"),),
        tables=("events", "users"),
    ),
    Case(
        "selected users are checked",
        users.act_on_selected,
        post("/people/selected", login=["ada", "bob"], act="check"),
        None,
        None,
        audit=(("user.check_requested", "ada"), ("user.check_requested", "bob")),
        wakes=("check",),
        tables=("users",),
    ),
]
NO_HEADER = ("list.csv", b"name,tags\ncleo,vip\n")
IMPORT = ("users", "import", "list.csv")


def importing(name: str, act: Callable[..., object], text: bytes, **what: Any) -> Case:
    audit = (("users.imported", "list.csv"),)
    file = ("list.csv", text)
    upload = Request("POST", "/imports", file=file)
    page = Request("POST", "/imports/1/confirm", after=upload)
    by_api = Request("POST", "/api/v1/imports", file=file)
    return Case(name, act, page, by_api, IMPORT, audit=audit, file=file, **what)


UPLOAD = Request("POST", "/imports", file=("list.csv", b"cleo\n"))
IMPORTS = [
    Case(
        "a list is kept for a preview",
        imports.upload,
        UPLOAD,
        None,
        None,
        audit=(("users.import_uploaded", "list.csv"),),
        tables=("import_pieces", "imports"),
    ),
    Case(
        "a list that was kept is confirmed",
        imports.confirm,
        Request("POST", "/imports/1/confirm", {"column-1": "login"}, after=UPLOAD),
        None,
        None,
        audit=(("users.imported", "list.csv"),),
        wakes=("check",),
        tables=("events", "import_columns", "imports", "users"),
    ),
    importing(
        "a list of users is imported",
        imports.begin,
        b"login,tags\ncleo,vip\nada,\n",
        wakes=("check",),
        tables=("events", "imports", "user_tags", "users"),
    ),
    importing(
        "a list of users who are tracked is imported",
        imports.carry_out,
        b"ada\nbob\n",
        tables=("imports",),
    ),
    Case(
        # By page, the file is kept, and what its columns hold is proposed.
        "a list without a header is imported",
        imports.begin,
        None,
        Request("POST", "/api/v1/imports", file=NO_HEADER),
        IMPORT,
        file=NO_HEADER,
        refused=Refused(
            422,
            "invalid-input",
            "header: found the columns 'name', 'tags' in a table separated by commas, in UTF-8. "
            + EXPECTED,
        ),
    ),
]
