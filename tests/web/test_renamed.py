"""After a rename, whatever was asked by the old login is still answered."""

from tests.web.conftest import Served

ATOM = "application/atom+xml"


def rename(
    served: Served, files: dict[str, str], former: str = "ada", login: str = "countess"
) -> None:
    """Let ada become countess, publish one more gist, and wait until gitpip knows of both."""
    user = served.github.user_of(former)
    assert user
    before = served.total("ada")
    served.github.rename(user.id, login)
    served.github.add_gist(login, files)
    assert served.gitpip.post("/api/v1/checks").status_code == 202
    served.wait_for_files("ada", before + len(files))
    served.gitpip.wait_for(
        lambda: served.api("GET", "/users/ada").json()["login"] == login, "the rename"
    )


def test_the_old_login_goes_on_working_after_a_rename(served_from_any: Served) -> None:
    served = served_from_any
    served.track("ada", {"one.txt": "1"})
    served.gitpip.post("/latestgists/ada")
    rename(served, {"two.txt": "2"})

    page = served.gitpip.get("/people/Ada?before=7")
    assert (page.status_code, page.headers["location"]) == (307, "/people/countess?before=7")
    assert served.gitpip.get("/people/countess").status_code == 200
    feed = served.gitpip.get("/feed.atom?user=ada")
    assert (feed.status_code, feed.headers["content-type"].partition(";")[0]) == (200, ATOM)
    assert "two.txt" in feed.text
    latest = served.gitpip.post("/latestgists/ada")
    assert [file["filename"] for file in latest.json()] == ["two.txt"]
    again = served.gitpip.post("/users/ada/id-of-ada")
    assert (again.status_code, again.json()) == (200, {"login": "countess", "id": "id-of-ada"})
    assert served.api("PATCH", "/users/ada", {"tags": ["lead"]}).json()["login"] == "countess"
    found = served.api("GET", "/publications?login=ada").json()
    assert {one["login"] for one in found["items"]} == {"countess"}
    counted = served.api("POST", "/repairs/preview", {"login": "ada", "act": "skip"})
    assert counted.status_code == 200, counted.text
    opted_out = served.api("POST", "/opt-outs", {"login": "Ada"}).json()
    user = served.github.user_of("countess")
    assert user is not None
    assert opted_out["github_id"] == user.id
    assert "opted out" in served.gitpip.get("/people/countess").text
    assert served.api("DELETE", "/opt-outs/ada").status_code == 200
    other_id = served.gitpip.post("/users/ada/another-id")
    assert other_id.json()["code"] == "github-user-not-found"

    rename(served, {"three.txt": "3"}, "countess", "lovelace")
    for former in ("ada", "countess"):
        page = served.gitpip.get(f"/people/{former}")
        assert (page.status_code, page.headers["location"]) == (307, "/people/lovelace")
        again = served.gitpip.post(f"/users/{former}/id-of-ada")
        assert (again.status_code, again.json()["login"]) == (200, "lovelace")
    assert "three.txt" in served.gitpip.post("/latestgists/ada").text

    served.github.add_user("ada")
    served.github.add_gist("ada", {"stranger.txt": "3"})
    assert served.gitpip.post("/users/ada/of-the-new-owner").status_code == 201
    served.wait_for_files("ada", 1)
    assert served.gitpip.get("/people/ada").status_code == 200
    assert served.api("GET", "/users/ada").json()["id"] == "of-the-new-owner"
    assert served.gitpip.post("/users/ada/id-of-ada").json()["code"] == "user-conflict"


def test_a_list_can_be_imported_again_after_a_rename(served: Served) -> None:
    served.track("ada")
    rename(served, {"one.txt": "1"})
    roster = served.gitpip.folder / "users.csv"
    roster.write_text("login,id\nada,id-of-ada\n")
    imported = served.gitpip.command("users", "import", str(roster))
    assert imported.returncode == 0, imported.stdout + imported.stderr
    assert len(served.gitpip.get("/users").json()) == 1
