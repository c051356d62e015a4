"""Sentences about GitHub's addresses name what is there, and only the log has the URL."""

import pytest

from gitpip.watch.github.addresses import called, shown

API = "https://api.github.com"
SHA = "0" * 40


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"{API}/user/1/gists?per_page=100&page=2", "the gist list"),
        (f"{API}/users/ada/gists", "the gist list"),
        ("https://github.example.com/api/v3/users/ada/gists", "the gist list"),
        (f"{API}/gists/public?per_page=100", "the public feed"),
        (f"{API}/users/ada", "the account"),
        (f"{API}/user/1", "the account"),
        (f"{API}/gists/abc", "gist abc"),
        (f"{API}/rate_limit", "the rate limits"),
        (f"{API}/graphql", "a GraphQL query"),
        (
            f"https://gist.githubusercontent.com/ada/abc/raw/{SHA}/my%20notes.md",
            "the file my notes.md",
        ),
        ("https://gist.githubusercontent.com/ada/abc/raw/notes.md", "the file notes.md"),
        (f"{API}/something/new?token=secret", "a request"),
        ("https://[broken", "an invalid address"),
    ],
)
def test_what_is_at_an_address_is_named(url: str, name: str) -> None:
    assert called(url) == name


def test_a_url_in_the_log_has_no_secret() -> None:
    assert shown(f"{API.replace('//', '//ada:secret@')}/gists?token=secret") == f"{API}/gists"
    assert shown("https://[broken") == "an invalid URL"
