"""GitHub's GraphQL: what it answers, what it costs, and how it fails large queries."""

import httpx2
import pytest

from gitpip_standins import GitHub
from gitpip_standins.github.troubles import UserTrouble

BATCH_POLL = """
query($ids: [ID!]!) {
  nodes(ids: $ids) { ... on User { id login gists(first: 5) { totalCount nodes { name } } } }
  rateLimit { cost remaining limit resetAt }
}
"""
PAGES = """
query($login: String!, $after: String) {
  user(login: $login) {
    gists(first: 3, after: $after, privacy: PUBLIC,
          orderBy: {field: CREATED_AT, direction: DESC}) {
      totalCount pageInfo { hasNextPage endCursor } nodes { name }
    }
  }
}
"""


def ask(client: httpx2.Client, query: str, **variables: object) -> httpx2.Response:
    return client.post("/graphql", json={"query": query, "variables": variables})


def crowd(github: GitHub, size: int) -> list[str]:
    nodes = []
    for n in range(size):
        user = github.user(github.add_user(f"user{n}"))
        assert user is not None
        for m in range(4):
            github.add_gist(user.login, {"a": f"{n} {m}"})
        nodes.append(user.node_id)
    return nodes


def id_of(github: GitHub, login: str) -> int:
    user = github.user_of(login)
    assert user is not None
    return user.id


def test_a_hundred_users_cost_a_point(github: GitHub, github_client: httpx2.Client) -> None:
    answer = ask(github_client, BATCH_POLL, ids=crowd(github, 100))
    data = answer.json()["data"]
    assert [node["gists"]["totalCount"] for node in data["nodes"]] == [4] * 100
    assert (data["rateLimit"]["cost"], data["rateLimit"]["remaining"]) == (1, 4999)
    assert answer.headers["x-ratelimit-remaining"] == "4999"
    assert answer.headers["x-ratelimit-resource"] == "graphql"


def test_pages_by_cursor(github: GitHub, github_client: httpx2.Client) -> None:
    github.add_user("ada")
    made = [github.add_gist("ada", {"a": str(n)}) for n in range(8)]
    seen: list[str] = []
    after = None
    while True:
        page = ask(github_client, PAGES, login="ADA", after=after).json()["data"]["user"]["gists"]
        seen += [node["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == made[::-1]


def test_who_is_missing_is_null_in_place(github: GitHub, github_client: httpx2.Client) -> None:
    first, hidden, last = crowd(github, 3)
    user = github.user_of_node(hidden)
    assert user is not None
    github.hide_user(user.id, answers=1)
    content = ask(github_client, BATCH_POLL, ids=[first, hidden, "U_nobody", last]).json()
    assert [bool(node) for node in content["data"]["nodes"]] == [True, False, False, True]
    assert [(e["type"], e["path"]) for e in content["errors"]] == [
        ("NOT_FOUND", ["nodes", 1]),
        ("NOT_FOUND", ["nodes", 2]),
    ]


def test_files_come_ten_at_most_unless_asked(github: GitHub, github_client: httpx2.Client) -> None:
    github.add_user("ada")
    github.add_gist("ada", {f"{n}.py": "x" for n in range(20)} | {"z.bin": b"\xff\0"})
    query = """{user(login: "ada") {gists(first: 1) {nodes {
        few: files {name} all: files(limit: 50) {name size text language {name}}}}}}"""
    (gist,) = ask(github_client, query).json()["data"]["user"]["gists"]["nodes"]
    assert (len(gist["few"]), len(gist["all"])) == (10, 21)
    assert gist["all"][0]["language"] == {"name": "Python"}
    assert gist["all"][-1]["text"] is None


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ('{user(login: "ada") {gists {totalCount}}}', "MISSING_PAGINATION_BOUNDARIES"),
        ('{user(login: "ada") {gists(first: 101) {totalCount}}}', "EXCESSIVE_PAGINATION"),
        ('{user(login: "nobody") {login}}', "NOT_FOUND"),
        (f"{{nodes(ids: {['x'] * 101}) {{id}}}}".replace("'", '"'), "ARGUMENT_LIMIT"),
    ],
)
def test_refusals(github: GitHub, github_client: httpx2.Client, query: str, kind: str) -> None:
    github.add_user("ada")
    answer = ask(github_client, query)
    assert answer.status_code == 200
    assert [error["type"] for error in answer.json()["errors"]] == [kind]


def test_large_queries_fail_as_told(github: GitHub, github_client: httpx2.Client) -> None:
    nodes = crowd(github, 4)
    github.graphql.fail_above = 2
    content = ask(github_client, BATCH_POLL, ids=nodes).json()
    assert [bool(node) for node in content["data"]["nodes"]] == [True, True, False, False]
    assert {error["type"] for error in content["errors"]} == {"RESOURCE_LIMITS_EXCEEDED"}
    github.graphql.failure = 502
    assert ask(github_client, BATCH_POLL, ids=nodes).status_code == 502
    assert "errors" not in ask(github_client, BATCH_POLL, ids=nodes[:2]).json()


def test_large_queries_are_cut_silently_as_told(
    github: GitHub, github_client: httpx2.Client
) -> None:
    nodes = crowd(github, 3)
    github.graphql.cut_above = 2
    content = ask(github_client, BATCH_POLL, ids=nodes).json()
    assert "errors" not in content
    assert [node["gists"]["totalCount"] for node in content["data"]["nodes"]] == [4, 4, 2]


def test_the_limit_is_told_with_status_200(github: GitHub, github_client: httpx2.Client) -> None:
    github.limits.with_token = 1
    ask(github_client, "{viewer {login}}")
    answer = ask(github_client, "{viewer {login}}")
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["type"] == "RATE_LIMITED"


def test_it_needs_a_token(github_client: httpx2.Client) -> None:
    answer = httpx2.post(github_client.base_url.join("/graphql"), json={"query": "{viewer{login}}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        ("401", 401),
        ("403", 403),
        ("404", 404),
        ("502", 502),
        ("no-data", 200),
        ("broken-json", 200),
    ],
)
def test_a_user_can_spoil_every_query_that_names_them(
    github: GitHub, github_client: httpx2.Client, trouble: UserTrouble, status: int
) -> None:
    nodes = crowd(github, 3)
    github.graphql.users[id_of(github, "user1")] = trouble
    answer = ask(github_client, BATCH_POLL, ids=nodes)
    assert answer.status_code == status
    assert b"totalCount" not in answer.content
    fine = ask(github_client, BATCH_POLL, ids=[nodes[0], nodes[2]]).json()
    assert [node["gists"]["totalCount"] for node in fine["data"]["nodes"]] == [4, 4]


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ("resource-limits", None),
        ("left-out", None),
        ("null-gists", {"totalCount": 4, "nodes": [None] * 4}),
        ("fewer", 3),
        ("more", 5),
    ],
)
def test_a_user_can_be_in_trouble_alone(
    github: GitHub, github_client: httpx2.Client, trouble: UserTrouble, expected: object
) -> None:
    nodes = crowd(github, 2)
    github.graphql.users[id_of(github, "user1")] = trouble
    body = ask(github_client, BATCH_POLL, ids=nodes).json()
    first, second = body["data"]["nodes"]
    assert first["gists"]["totalCount"] == 4
    if expected is None:
        assert second is None
        assert ("errors" in body) == (trouble == "resource-limits")
    else:
        gists = second["gists"]
        assert expected in (gists, gists["totalCount"])


def test_a_fine_grained_token_sees_counts_and_no_gists(
    github: GitHub, github_client: httpx2.Client
) -> None:
    github.graphql.hides_gists = True
    body = ask(github_client, BATCH_POLL, ids=crowd(github, 2)).json()
    assert "errors" not in body
    assert [node["gists"] for node in body["data"]["nodes"]] == [
        {"totalCount": 4, "nodes": [None] * 4}
    ] * 2
