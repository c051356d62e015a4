"""GitHub's stand-in as PyGithub, a client by others, sees it."""

from collections.abc import Iterator

import github as pygithub
import pytest

from gitpip_standins import GitHub, Server


@pytest.fixture
def client(github: GitHub) -> Iterator[pygithub.Github]:
    with Server(github.app) as server:
        client = pygithub.Github(
            base_url=server.url,
            auth=pygithub.Auth.Token("ada-token"),
            per_page=10,
            retry=None,
            seconds_between_requests=None,
        )
        yield client
        client.close()


def test_it_lists_gists_over_several_pages(github: GitHub, client: pygithub.Github) -> None:
    github.add_user("ada")
    made = [github.add_gist("ada", {"a.py": str(n)}) for n in range(35)]
    gists = list(client.get_user("ada").get_gists())
    assert [gist.id for gist in gists] == made[::-1]
    assert {gist.owner.login for gist in gists} == {"ada"}


def test_it_reads_a_gist_and_a_user(github: GitHub, client: pygithub.Github) -> None:
    user_id = github.add_user("ada")
    gist_id = github.add_gist("ada", {"a.py": "print(1)"}, description="one")
    gist = client.get_gist(gist_id)
    assert gist.description == "one"
    assert gist.files["a.py"].content == "print(1)"
    assert len(gist.history) == 1
    user = client.get_user("ada")
    assert (user.id, user.public_gists) == (user_id, 1)
    assert client.get_rate_limit().rate.limit == 5000
    assert client.get_user().login == "ada"


def test_it_sees_who_is_not_there(client: pygithub.Github) -> None:
    with pytest.raises(pygithub.UnknownObjectException):
        client.get_user("nobody")


def test_it_sees_a_wrong_token(github: GitHub) -> None:
    with Server(github.app) as server:
        client = pygithub.Github(base_url=server.url, auth=pygithub.Auth.Token("wrong"), retry=None)
        with pytest.raises(pygithub.BadCredentialsException):
            client.get_user("ada")
        client.close()
