"""GitHub's stand-in: users, lists, pages, gists, ETags, versions, as in GitHub's documents."""

import hashlib
from datetime import timedelta

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip_standins import GitHub, Server
from gitpip_standins.github.world import World
from tests.support.clocks import Clock


def blob_hash(content: bytes) -> str:
    """As `git hash-object` computes it."""
    blob = b"blob %d\0%s" % (len(content), content)
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


def ids(answer: httpx2.Response) -> list[str]:
    return [gist["id"] for gist in answer.json()]


def test_pages_lead_through_all_gists_by_the_numeric_id(
    github: GitHub, github_client: httpx2.Client
) -> None:
    user_id = github.add_user("Ada")
    made = [github.add_gist("ada", {f"{n}.py": str(n)}) for n in range(75)]
    answer = github_client.get("/users/aDA/gists")
    seen = ids(answer)
    while "next" in answer.links:
        url = answer.links["next"]["url"]
        assert f"/user/{user_id}/gists?" in url
        github.rename(user_id, f"ada{len(seen)}")
        answer = github_client.get(url)
        seen += ids(answer)
    assert seen == made[::-1]
    assert "last" not in answer.links


def test_one_page_has_no_link_header(github: GitHub, github_client: httpx2.Client) -> None:
    github.add_user("ada")
    answer = github_client.get("/users/ada/gists")
    assert answer.json() == []
    assert "link" not in answer.headers


def test_no_page_is_longer_than_a_hundred(github: GitHub, github_client: httpx2.Client) -> None:
    github.add_user("ada")
    for n in range(101):
        github.add_gist("ada", {"a": str(n)})
    assert len(ids(github_client.get("/users/ada/gists?per_page=500"))) == 100


def test_lists_carry_blob_hashes_and_no_content(
    github: GitHub, github_client: httpx2.Client
) -> None:
    github.add_user("ada")
    github.add_gist("ada", {"a b/ö.py": "print('ö')\n"})
    ((name, file),) = github_client.get("/users/ada/gists").json()[0]["files"].items()
    content = github_client.get(file["raw_url"]).content
    assert name == "a b/ö.py"
    assert content == "print('ö')\n".encode()
    assert blob_hash(content) in file["raw_url"]
    assert file["size"] == len(content)
    assert "content" not in file


@given(st.binary(max_size=200))
def test_blob_hashes_are_gits(content: bytes) -> None:
    world = World()
    world.add_user("ada")
    gist = world.gist(world.add_gist("ada", {"a": content}))
    assert gist is not None
    assert gist.files["a"].blob_hash == blob_hash(content)


def test_a_star_bumps_updated_at_and_no_hash(
    github: GitHub, github_client: httpx2.Client, clock: Clock
) -> None:
    github.add_user("ada")
    old = github.add_gist("ada", {"a": "1"})
    clock.advance(timedelta(days=1))
    new = github.add_gist("ada", {"a": "2"})
    before = {gist["id"]: gist for gist in github_client.get("/users/ada/gists").json()}
    clock.advance(timedelta(days=1))
    github.star(old)
    answer = github_client.get("/users/ada/gists")
    after = {gist["id"]: gist for gist in answer.json()}
    assert after[old]["updated_at"] > before[old]["updated_at"]
    assert after[old]["files"] == before[old]["files"]
    assert ids(answer) == [new, old]
    github.lists.order = "updated"
    assert ids(github_client.get("/users/ada/gists")) == [old, new]


def test_since_looks_at_updated_at(
    github: GitHub, github_client: httpx2.Client, clock: Clock
) -> None:
    github.add_user("ada")
    old = github.add_gist("ada", {"a": "1"})
    clock.advance(timedelta(days=1))
    github.add_gist("ada", {"a": "2"})
    clock.advance(timedelta(days=1))
    since = clock().isoformat()
    github.edit_gist(old, {"a": "3"})
    assert ids(github_client.get("/users/ada/gists", params={"since": since})) == [old]
    assert github_client.get("/users/ada/gists?since=yesterday").status_code == 422


def test_secret_gists_are_listed_for_their_owner_only(
    github: GitHub, github_client: httpx2.Client
) -> None:
    github.add_user("ada")
    github.add_user("bob")
    own = github.add_gist("ada", {"a": "1"}, public=False)
    other = github.add_gist("bob", {"a": "1"}, public=False)
    assert ids(github_client.get("/users/ada/gists")) == [own]
    assert ids(github_client.get("/users/bob/gists")) == []
    assert ids(github_client.get("/gists/public")) == []
    github.make_public(other)
    assert ids(github_client.get("/users/bob/gists")) == [other]


def test_logins_move_and_ids_stay(github: GitHub, github_client: httpx2.Client) -> None:
    first = github.add_user("ada")
    github.rename(first, "countess")
    assert github_client.get("/users/ada").status_code == 404
    second = github.add_user("ADA")
    assert github_client.get("/users/ada").json()["id"] == second
    assert github_client.get(f"/user/{first}").json()["login"] == "countess"
    with pytest.raises(ValueError, match="taken"):
        github.rename(first, "ada")


def test_users_that_are_hidden_blocked_or_gone(
    github: GitHub, github_client: httpx2.Client
) -> None:
    user_id = github.add_user("ada")
    gist_id = github.add_gist("ada", {"a": "1"})
    github.hide_user(user_id, answers=2)
    assert [github_client.get("/users/ada/gists").status_code for _ in range(3)] == [404, 404, 200]
    github.block_user(user_id)
    assert github_client.get("/users/ada/gists").status_code == 451
    refused = github_client.get(f"/gists/{gist_id}")
    assert refused.status_code == 403
    assert refused.json()["block"]["reason"]
    github.remove_user(user_id)
    assert github_client.get(f"/user/{user_id}").status_code == 404
    assert github_client.get(f"/gists/{gist_id}").status_code == 404


def test_contents_end_at_a_megabyte_and_gists_at_300_files(
    github: GitHub, github_client: httpx2.Client
) -> None:
    github.add_user("ada")
    long = "ä" * 600_000
    gist_id = github.add_gist("ada", {"long.txt": long, "binary": b"\xff\0"})
    files = github_client.get(f"/gists/{gist_id}").json()["files"]
    assert files["long.txt"]["truncated"]
    assert len(files["long.txt"]["content"]) == 2**19
    assert github_client.get(files["long.txt"]["raw_url"]).text == long
    assert files["binary"]["encoding"] == "base64"
    many = github.add_gist("ada", {f"{n}": "x" for n in range(301)})
    shown = github_client.get(f"/gists/{many}").json()
    assert shown["truncated"]
    assert len(shown["files"]) == 300


def test_a_known_etag_is_answered_with_304_until_something_changes(
    github: GitHub, github_client: httpx2.Client
) -> None:
    github.add_user("ada")
    first = github_client.get("/users/ada/gists")
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    same = github_client.get("/users/ada/gists", headers={"if-none-match": etag})
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]
    github.add_gist("ada", {"a": "1"})
    changed = github_client.get("/users/ada/gists", headers={"if-none-match": etag})
    assert changed.status_code == 200


def test_an_etag_belongs_to_its_token_and_304_costs_without_one(github: GitHub) -> None:
    github.add_user("ada")
    with Server(github.app) as server, httpx2.Client(base_url=server.url) as client:
        own = client.get("/users/ada", headers={"authorization": "token ada-token"})
        anonymous = client.get("/users/ada", headers={"if-none-match": own.headers["etag"]})
        assert anonymous.status_code == 200
        again = client.get("/users/ada", headers={"if-none-match": anonymous.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["x-ratelimit-used"] == "2"


def test_the_public_list_ends_after_3000_and_may_be_old(
    github: GitHub, github_client: httpx2.Client, clock: Clock
) -> None:
    github.add_user("ada")
    for n in range(3050):
        github.add_gist("ada", {"a": str(n)})
    assert len(ids(github_client.get("/gists/public?per_page=100&page=30"))) == 100
    assert github_client.get("/gists/public?per_page=100&page=31").status_code == 422
    github.lists.public_feed_age = timedelta(seconds=60)
    newest = ids(github_client.get("/gists/public"))[0]
    added = github.add_gist("ada", {"a": "new"})
    clock.advance(timedelta(seconds=59))
    assert ids(github_client.get("/gists/public"))[0] == newest
    clock.advance(timedelta(seconds=1))
    assert ids(github_client.get("/gists/public"))[0] == added


def test_what_github_refuses(github: GitHub, github_client: httpx2.Client) -> None:
    github.add_user("ada")
    wrong = github_client.get("/users/ada", headers={"authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Bad credentials")
    version = github_client.get("/users/ada", headers={"x-github-api-version": "2020-01-01"})
    assert version.status_code == 400
    nameless = github_client.get("/users/ada", headers={"user-agent": ""})
    assert nameless.status_code == 403
    assert github.abuse == ["a request without User-Agent"]
    missing = github_client.get("/gists/0123").json()
    assert set(missing) == {"message", "documentation_url", "status"}


def test_what_the_newer_version_leaves_out(github: GitHub, github_client: httpx2.Client) -> None:
    github.add_user("ada")
    gist_id = github.add_gist("ada", {"a": "1"})
    newer = {"x-github-api-version": "2026-03-10"}
    old = github_client.get("/users/ada/gists").json()[0]
    new = github_client.get("/users/ada/gists", headers=newer).json()[0]
    assert set(old) - set(new) == {"user", "forks", "history"}
    old = github_client.get(f"/gists/{gist_id}").json()
    new = github_client.get(f"/gists/{gist_id}", headers=newer).json()
    assert set(old) - set(new) == {"forks", "history"}
    assert "rate" in github_client.get("/rate_limit").json()
    assert "rate" not in github_client.get("/rate_limit", headers=newer).json()


def test_times_never_go_back(github: GitHub, github_client: httpx2.Client, clock: Clock) -> None:
    github.add_user("ada")
    github.add_gist("ada", {"a": "1"})
    clock.advance(timedelta(hours=-1))
    github.add_gist("ada", {"a": "2"})
    times = [gist["created_at"] for gist in github_client.get("/users/ada/gists").json()]
    assert times == sorted(times, reverse=True)
