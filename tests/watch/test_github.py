"""The client for GitHub over a real socket: lists, contents, limits, and answers gone wrong."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from gitpip.digests import blob_hash
from gitpip.errors import (
    GistNotPublic,
    GitHubBlocked,
    GitHubNotFound,
    GitHubUnavailable,
    GitHubUnreachable,
)
from gitpip.model import Account, GistId, GitHubId, SeenGist
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.contents import GistToRead, Reading
from gitpip.watch.github.gist_list import GistList
from gitpip_standins import Fault, Server
from gitpip_standins import GitHub as StandIn
from tests.support.clocks import Clock
from tests.support.network import nobody_listening
from tests.support.tokens import TOKEN
from tests.watch.conftest import client
from tests.watch.script import ADA, AT, Script


def gist_of(files: dict[str, dict[str, object]], gist_id: str = "abc") -> dict[str, object]:
    return {
        "id": gist_id,
        "html_url": "https://gist.github.com/ada/abc",
        "public": True,
        "created_at": AT,
        "updated_at": AT,
        "description": None,
        "owner": {"login": "ada", "id": ADA},
        "files": files,
    }


def file_of(content: bytes, raw_base: str, name: str = "a.txt", **more: object) -> dict[str, Any]:
    return {
        "filename": name,
        "language": None,
        "size": len(content),
        "raw_url": f"{raw_base}/raw/{blob_hash(content)}/{name}",
        **more,
    }


async def whole_list(github: GitHub, github_id: int) -> GistList:
    return await github.gists(GitHubId(github_id), None)


async def listed_gist(github: GitHub, script: Script, gist: dict[str, object]) -> SeenGist:
    script.say(f"/user/{ADA}/gists", [gist])
    return (await whole_list(github, ADA)).gists[0]


async def read(github: GitHub, listed: SeenGist) -> Reading:
    return await github.read(GistToRead(listed.id, listed.owner_id, listed))


def account_of(world: StandIn, user_id: int) -> Account:
    user = world.user(user_id)
    assert user
    return Account(user.login, GitHubId(user_id), user.node_id)


async def test_accounts_by_login(world: StandIn, github: GitHub) -> None:
    ada = world.add_user("Ada")
    assert await github.account("aDA") == account_of(world, ada)
    with pytest.raises(GitHubNotFound):
        await github.account("../gists/public")
    world.block_user(ada)
    with pytest.raises(GitHubBlocked):
        await github.account("ada")


async def test_every_request_says_who_asks_and_for_what(script: Script) -> None:
    script.say("/users/ada", {"login": "ada", "id": 7})
    with Server(script) as api:
        async with client(api.url) as github:
            await github.account("ada")
    _, sent = script.requests[0]
    assert sent["authorization"] == f"Bearer {TOKEN}"
    assert sent["user-agent"].startswith("gitpip/")
    assert sent["accept"] == "application/vnd.github+json"
    assert sent["x-github-api-version"] == "2022-11-28"


@pytest.mark.parametrize("order", ["created", "updated", "shuffled"])
async def test_a_list_is_whole_in_whatever_order(
    world: StandIn, github: GitHub, clock: Clock, order: Any
) -> None:
    world.lists.order = order
    ada = world.add_user("ada")
    ids = {
        world.add_gist("ada", {"a": "b"}, created_at=clock() - timedelta(days=days))
        for days in range(1, 206)
    }
    listed = await whole_list(github, ada)
    assert {gist.id for gist in listed.gists} == ids
    assert (await github.gists(GitHubId(ada), listed.list_tag)).unchanged


async def test_a_gist_that_slips_to_a_page_already_read_is_found(
    world: StandIn, github: GitHub, clock: Clock
) -> None:
    ada = world.add_user("ada")
    ids = [
        world.add_gist("ada", {"a": "b"}, created_at=clock() - timedelta(days=days))
        for days in range(1, 306)
    ]
    world.faults.script(Fault.slow(timedelta(0)), path="gists", times=2)
    world.faults.script(Fault.held(), path="gists")
    reading = asyncio.create_task(whole_list(github, ada))
    await asyncio.to_thread(world.wait_until, lambda: len(world.faults.injected) == 3)
    world.delete_gist(ids[150])
    world.faults.let_go()
    listed = await reading
    assert {gist.id for gist in listed.gists} >= set(ids) - {ids[150]}


async def test_a_tag_of_another_token_is_not_used(world: StandIn, server: Server) -> None:
    world.tokens["another"] = "another"
    ada = world.add_user("ada")
    world.add_gist("ada", {"a": "b"})
    async with client(server.url) as github:
        list_tag = (await whole_list(github, ada)).list_tag
    async with GitHub(api_url=server.url, token="another", timeout=timedelta(seconds=60)) as github:
        listed = await github.gists(GitHubId(ada), list_tag)
    assert not listed.unchanged
    assert listed.list_tag != list_tag


async def test_a_wrong_content_is_read_again_from_its_own_address(script: Script) -> None:
    content = b"the content\n"
    with Server(script) as api, Server(raw := Script()) as raw_server:
        file = file_of(content, raw_server.url)
        raw.say(file["raw_url"].removeprefix(raw_server.url), content)
        async with client(api.url) as github:
            listed = await listed_gist(github, script, gist_of({"a.txt": file}))
            script.say("/gists/abc", gist_of({"a.txt": {**file, "content": "the conten"}}))
            (file_read,) = (await read(github, listed)).gist.files
            assert file_read.content == content.decode()
            assert file_read.blob_hash == blob_hash(content)
            raw.say(file["raw_url"].removeprefix(raw_server.url), b"something else")
            reading = await read(github, listed)
            assert reading.gist.files == ()
            assert "does not match its own hash" in reading.unread["a.txt"]
    assert all("authorization" not in headers for _, headers in raw.requests)
    assert all(headers["authorization"] for _, headers in script.requests)


async def test_a_gist_too_large_for_one_answer_is_read_file_by_file(script: Script) -> None:
    with Server(script) as api:
        files = {
            name: file_of(name.encode(), api.url, name) for name in ("a.txt", "b.txt", "c.txt")
        }
        for name, file in files.items():
            script.say(file["raw_url"].removeprefix(api.url), name.encode())
        async with client(api.url) as github:
            listed = await listed_gist(github, script, gist_of(dict(files)))
            script.say("/gists/abc", b" " * (33 * 1024 * 1024))
            reading = await read(github, listed)
    assert [file.content for file in reading.gist.files] == ["a.txt", "b.txt", "c.txt"]
    assert not reading.unread


async def test_files_that_a_gist_leaves_out_are_read_from_the_lists_addresses(
    script: Script,
) -> None:
    with Server(script) as api:
        one, two, three = (file_of(b"x", api.url, name) for name in ("one", "two", "three"))
        script.say(two["raw_url"].removeprefix(api.url), b"x")
        async with client(api.url) as github:
            listed = await listed_gist(
                github, script, gist_of({"one": one, "two": two, "three": three})
            )
            cut = gist_of({"one": {**one, "content": "x"}}) | {"truncated": True}
            script.say("/gists/abc", cut)
            reading = await read(github, listed)
    assert {file.filename: file.content for file in reading.gist.files} == {"one": "x", "two": "x"}
    assert reading.unread.keys() == {"", "three"}
    assert "shows only 1" in reading.unread[""]


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[1", b"\xff", b"null", b'[{"id": "abc"}', b"[" * 100_000],
)
async def test_a_broken_answer_is_named_without_its_address(script: Script, body: bytes) -> None:
    script.say(f"/user/{ADA}/gists", body)
    with Server(script) as api:
        async with client(api.url) as github:
            with pytest.raises(GitHubUnavailable, match="broken answer for the gist list") as why:
                await github.gists(ADA, None)
    assert "per_page" not in str(why.value)
    assert "://" not in str(why.value)


async def test_pages_on_another_host_or_without_end_are_not_read(script: Script) -> None:
    with Server(script) as api:
        for target in (f"http://other.invalid/user/{ADA}/gists", f"{api.url}/user/{ADA}/gists"):
            script.say(f"/user/{ADA}/gists", [], link=f'<{target}?per_page=100>; rel="next"')
            async with client(api.url) as github:
                listed = await whole_list(github, ADA)
            assert listed.fault
            assert "page 2 of the gist list" in listed.fault
            assert not listed.whole
            assert listed.list_tag is None
    assert {path for path, _ in script.requests} == {f"/user/{ADA}/gists"}


async def test_a_redirect_is_followed_on_the_same_host_only(script: Script) -> None:
    script.say("/users/old", {}, status=301, location="/users/new")
    script.say("/users/new", {"login": "new", "id": 7})
    script.say("/users/away", {}, status=302, location="http://other.invalid/users/new")
    script.say("/users/round", {}, status=302, location="/users/round")
    with Server(script) as api:
        async with client(api.url) as github:
            assert await github.account("old") == Account("new", ADA)
            with pytest.raises(GitHubUnavailable, match="another host"):
                await github.account("away")
            with pytest.raises(GitHubUnavailable, match="too often"):
                await github.account("round")


@pytest.mark.parametrize("fault", [Fault.error(500), Fault.error(503), Fault.drop(), Fault.cut()])
async def test_a_passing_fault_is_tried_again_twice(
    world: StandIn, github: GitHub, fault: Fault
) -> None:
    ada = world.add_user("ada")
    world.faults.script(fault, times=2)
    assert (await github.account("ada")).github_id == ada
    world.faults.script(fault, times=3)
    with pytest.raises(GitHubUnavailable):
        await github.account("ada")


async def test_an_answer_that_never_comes_is_given_up(world: StandIn, server: Server) -> None:
    world.faults.script(Fault.hang())
    async with GitHub(api_url=server.url, token=TOKEN, timeout=timedelta(seconds=0.3)) as github:
        with pytest.raises(GitHubUnavailable, match=r"0\.3 s"):
            await github.account("ada")
    assert len(world.faults.injected) == 1


async def test_an_unreachable_host_is_said_to_be() -> None:
    with nobody_listening() as port:
        async with client(f"http://127.0.0.1:{port}") as github:
            with pytest.raises(GitHubUnreachable, match="GitHub can't be reached"):
                await github.account("ada")


@pytest.mark.parametrize(
    "link",
    [
        '<{}>; rel="next"',
        "<{}>; rel=next",
        '<{}>;rel="next", <{}&last>; rel="last"',
        '<{}&first>; rel="first",<{}>; REL="NEXT"',
        '<{}>; rel="next last"',
        '<{}&tags=a,b>; rel="next"',
    ],
)
async def test_the_next_page_is_found_in_every_form_of_the_link_header(
    script: Script, link: str
) -> None:
    with Server(script) as api:
        path = f"/user/{ADA}/gists"
        further = f"{api.url}/user/{ADA}/more?page=2"
        script.say(path, [gist_of({}, "first")], link=link.replace("{}", further))
        script.say(f"/user/{ADA}/more", [gist_of({}, "second")])
        async with client(api.url) as github:
            listed = await whole_list(github, ADA)
    assert {gist.id for gist in listed.gists} == {"first", "second"}


@pytest.mark.parametrize("status", [401, 403, 404, 451, 500])
async def test_a_refused_raw_file_is_that_files_trouble(script: Script, status: int) -> None:
    with Server(script) as api, Server(raw := Script()) as raw_server:
        files = {
            name: file_of(name.encode(), raw_server.url, name, truncated=True) for name in "abc"
        }
        for name, file in files.items():
            refused = status if name == "b" else 200
            raw.say(file["raw_url"].removeprefix(raw_server.url), name.encode(), refused)
        async with client(api.url) as github:
            script.say("/gists/abc", gist_of(dict(files)))
            reading = await github.read(GistToRead(GistId("abc"), ADA))
    assert [file.content for file in reading.gist.files] == ["a", "c"]
    assert reading.unread.keys() == {"b"}
    assert str(status) in reading.unread["b"]


@pytest.mark.parametrize("wrong", [b"\xff", b"\\ud800", b"\\ud800\\ud800", b"\\udc00 and \xc3("])
async def test_one_wrong_character_spoils_no_list(script: Script, wrong: bytes) -> None:
    good = json.dumps(gist_of({}, "good")).encode()
    odd = json.dumps(gist_of({}, "odd") | {"description": "HERE"}).encode()
    script.say(f"/user/{ADA}/gists", b"[" + good + b"," + odd.replace(b"HERE", wrong) + b"]")
    with Server(script) as api:
        async with client(api.url) as github:
            listed = await whole_list(github, ADA)
    assert {gist.id for gist in listed.gists} == {"good", "odd"}
    for gist in listed.gists:
        (gist.description or "").encode()


async def test_a_file_name_too_long_for_an_index_is_noted_with_its_gist(script: Script) -> None:
    with Server(script) as api:
        long = "x" * 3000
        files = {name: file_of(b"x", api.url, name) | {"content": "x"} for name in ("a.txt", long)}
        script.say("/gists/abc", gist_of(dict(files)))
        async with client(api.url) as github:
            reading = await github.read(GistToRead(GistId("abc"), ADA))
    assert [file.filename for file in reading.gist.files] == ["a.txt"]
    assert reading.unread.keys() == {""}


async def test_a_gist_made_secret_is_not_shown(world: StandIn, github: GitHub) -> None:
    ada = world.add_user("ada")
    gist_id = GistId(world.add_gist("ada", {"a": "b"}))
    listed = (await whole_list(github, ada)).gists[0]
    shown = world.gist(gist_id)
    assert shown is not None
    shown.public = False
    with pytest.raises(GistNotPublic):
        await read(github, listed)
