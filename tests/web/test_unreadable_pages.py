"""What could not be read from GitHub is shown with the reason and the time of the next try."""

from gitpip_standins.github.troubles import GistTroubles
from tests.web.conftest import Served


def test_pages_and_api_tell_what_could_not_be_read(served: Served) -> None:
    served.github.add_user("ada")
    blocked = served.github.add_gist("ada", {"1.txt": "one"})
    partly = served.github.add_gist("ada", {"missing.txt": "one", "good.txt": "two"})
    served.github.block_gist(blocked, status=451)
    served.github.trouble_gist(partly, GistTroubles(missing_raw={"missing.txt"}))
    assert served.gitpip.post("/users/ada/7").status_code == 201
    served.wait_for_files("ada", 1)

    served.gitpip.wait_for(
        lambda: served.api("GET", "/users/ada").json()["unreadable"] == 2, "both rows"
    )
    body = served.api("GET", "/users/ada").json()
    rows = {row["gist_id"]: row for row in body["could_not_read"]}
    assert rows[blocked]["filename"] is None
    assert "451" in rows[blocked]["reason"]
    assert rows[partly]["filename"] == "missing.txt"
    assert "404" in rows[partly]["reason"]
    assert body["nothing_missed_before"] is None
    person = served.gitpip.get("/people/ada").text
    for words in (blocked, partly, "451", "missing.txt", "Next try:", "could not be read"):
        assert words in person
    gist = served.gitpip.get(f"/gist/{partly}")
    assert "missing.txt" in gist.text
    assert "Next try:" in gist.text
    unread = served.gitpip.get(f"/gist/{blocked}")
    assert unread.status_code == 404
    assert "451" in unread.text
    assert served.gitpip.get("/people/ada").text.count("<li>") >= 2
