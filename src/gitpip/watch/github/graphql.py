"""The queries of the batch poll to GitHub's GraphQL API: one query about many users.

A query asks for little: one that asks for more fails, or is cut silently, if users have much. Costs
as in https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api: a
point for a hundred users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from gitpip.digests import digest
from gitpip.errors import GistsHidden, GitHubError, GitHubNotFound, GraphQLFailed
from gitpip.model import Account, GistId, GitHubId, User, UserKey
from gitpip.vendor_values import cleaned, json_of, words
from gitpip.watch.github.rate_limits import GitHubLimits
from gitpip.watch.github.rest_models import AccountId, GistIdText, Login, Moment
from gitpip.watch.github.transport import GitHubAnswer

NEWEST = 5
SETTLING = timedelta(seconds=2)
SNAPSHOT = f"""
fragment snapshot on User {{
  id databaseId login
  gists(first: {NEWEST}, privacy: PUBLIC, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
    totalCount nodes {{ name updatedAt }}
  }}
}}"""

GISTS_OF_ONE = """query($login: String!) { user(login: $login) {
  gists(first: 1, privacy: PUBLIC) { totalCount nodes { name updatedAt } }
} }"""


@dataclass(frozen=True)
class Snapshot:
    """The batch poll's view of a user: enough to tell whether anything changed."""

    account: Account
    gist_count: int
    mark: str | None
    """A digest of the gists that were updated last: any change of a public gist changes it.

    None right after an update: times are in full seconds, so another update could go unnoticed.
    """
    newest: Mapping[GistId, datetime] = field(default_factory=dict)
    """The times of the last updates of the gists that were updated last."""
    as_of: datetime | None = None
    """The time of the answer by GitHub's clock, or None if it was not told."""
    asked_with: int = 1
    """The number of users in the query."""


@dataclass(frozen=True)
class LookedUp:
    """The answer of GitHub about some logins. A login in neither of both was not answered."""

    gist_counts: Mapping[str, int]
    """The number of public gists of each user."""
    unknown: frozenset[str]
    """The logins that no user has."""


def build_query(users: Sequence[User]) -> Mapping[str, object]:
    """Return the query about these users: by node id, which survives renames, or else by login."""
    ids = [user.node_id for user in users if user.node_id]
    logins = {f"login{user.key}": user.login for user in users if not user.node_id}
    declared = [*(["$ids: [ID!]!"] if ids else []), *(f"${name}: String!" for name in logins)]
    fields = [
        *(["nodes(ids: $ids) { ...snapshot }"] if ids else []),
        *(f"{name}: user(login: ${name}) {{ ...snapshot }}" for name in logins),
    ]
    query = f"query({', '.join(declared)}) {{ {' '.join(fields)} }}{SNAPSHOT}"
    return {"query": query, "variables": {**({"ids": ids} if ids else {}), **logins}}


def build_look_up(logins: Sequence[str]) -> Mapping[str, object]:
    """Return the query for users with these logins, and the number of their public gists.

    It costs a point for up to a hundred.
    """
    names = {f"login{number}": login for number, login in enumerate(logins)}
    declared = ", ".join(f"${name}: String!" for name in names)
    counted = "databaseId gists(first: 1, privacy: PUBLIC) { totalCount }"
    fields = " ".join(f"{name}: user(login: ${name}) {{ {counted} }}" for name in names)
    return {"query": f"query({declared}) {{ {fields} }}", "variables": names}


def parse_look_up(answer: GitHubAnswer, logins: Sequence[str], limits: GitHubLimits) -> LookedUp:
    """Return what an answer says about these logins. Raises GitHubLimited and GraphQLFailed."""
    body = _body_of(answer)
    if "RATE_LIMITED" in {problem.type for problem in body.errors or ()}:
        raise limits.refused({"x-ratelimit-remaining": "0", **answer.headers}, answer.date)
    if body.data is None:
        raise GraphQLFailed("GraphQL gave no data")
    missing = {problem.place for problem in body.errors or () if problem.type == "NOT_FOUND"}
    places = {f"login{number}": login for number, login in enumerate(logins)}
    counts = {login: _gist_count(body.data.get(place)) for place, login in places.items()}
    return LookedUp(
        {login: count for login, count in counts.items() if count is not None},
        frozenset(login for place, login in places.items() if place in missing),
    )


def _gist_count(given: object) -> int | None:
    """Return the number of a user's public gists, or None if the answer does not say it."""
    try:
        return _Counted.model_validate(given).gists.totalCount
    except ValidationError:
        return None


def parse_response(
    answer: GitHubAnswer, users: Sequence[User], limits: GitHubLimits
) -> Mapping[UserKey, Snapshot | GitHubError]:
    """Return what an answer says about each of the users asked about.

    Raises GitHubLimited, and GraphQLFailed if it says nothing about any user.
    """
    body = _body_of(answer)
    kinds = {problem.place: problem.type for problem in body.errors or () if problem.place}
    if "RATE_LIMITED" in {problem.type for problem in body.errors or ()}:
        raise limits.refused({"x-ratelimit-remaining": "0", **answer.headers}, answer.date)
    if body.data is None:
        said = words("; ".join(problem.message or "" for problem in body.errors or ()), 300)
        raise GraphQLFailed(f"GraphQL gave no data: {said or 'no reason'}")
    nodes = body.data.get("nodes")
    found = {f"nodes.{n}": node for n, node in enumerate(nodes)} if isinstance(nodes, list) else {}
    by_id = [user.key for user in users if user.node_id]
    places = {key: f"nodes.{number}" for number, key in enumerate(by_id)}
    answered_at = answer.date
    seen: dict[UserKey, Snapshot | GitHubError] = {}
    for user in users:
        place = places.get(user.key, f"login{user.key}")
        node = found.get(place, body.data.get(place))
        try:
            snapshot = _snapshot(user, node, kinds.get(place), answered_at)
            seen[user.key] = replace(snapshot, asked_with=len(users))
        except GitHubError as error:
            seen[user.key] = error
    return seen


def shows_gists(answer: GitHubAnswer) -> bool | None:
    """Return whether an answer about one user shows a gist, or None if it has none or is unknown.

    Raises GraphQLFailed if the answer is broken.
    """
    given = (_body_of(answer).data or {}).get("user")
    try:
        node = None if given is None else _Node.model_validate(given)
    except ValidationError as error:
        raise GraphQLFailed(f"GraphQL gave a broken answer: {_fault(error)}") from None
    if node is None or node.gists is None or not node.gists.totalCount:
        return None
    return any(node.gists.nodes or ())


class _Gist(BaseModel):
    name: GistIdText
    updatedAt: Moment  # noqa: N815 - GitHub's name


class _Count(BaseModel):
    totalCount: Annotated[int, Field(ge=0, lt=2**31)]  # noqa: N815 - GitHub's name


class _Gists(_Count):
    nodes: list[_Gist | None] | None


class _Counted(BaseModel):
    gists: _Count


class _Node(BaseModel):
    id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    databaseId: AccountId | None = None  # noqa: N815 - GitHub's name
    login: Login | None = None
    gists: _Gists | None = None


class _Problem(BaseModel):
    type: str | None = None
    message: str | None = None
    path: list[str | int] | None = None

    @property
    def place(self) -> str | None:
        path = self.path or []
        parts = path[:2] if path[:1] == ["nodes"] else path[:1]
        return ".".join(str(part) for part in parts) or None


class _Body(BaseModel):
    # Users are checked one by one: an odd answer about one says nothing about the others.
    data: dict[str, object] | None = None
    errors: list[_Problem] | None = None


def _body_of(answer: GitHubAnswer) -> _Body:
    """Return an answer with texts as they can be stored; raises GraphQLFailed if broken."""
    try:
        return _Body.model_validate(cleaned(json_of(answer.body)))
    except ValidationError as error:
        raise GraphQLFailed(f"GraphQL gave a broken answer: {_fault(error)}") from None
    except ValueError:
        raise GraphQLFailed("GraphQL gave a broken answer: the body is not JSON") from None


def _fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_context=False, include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or "the body"
    return f"{place}: {fault['type']}"


def _snapshot(user: User, given: object, kind: str | None, server_now: datetime | None) -> Snapshot:
    """Return what the answer holds about one user; raises GitHubNotFound and GraphQLFailed."""
    try:
        node = None if given is None else _Node.model_validate(given)
    except ValidationError as error:
        raise GraphQLFailed(
            f"GraphQL gave a broken answer about {user.login}: {_fault(error)}",
            of_anyone=f"GraphQL gave a broken answer: {_fault(error)}",
        ) from None
    if node is None or node.gists is None:
        if kind == "NOT_FOUND" or (node is not None and node.id is None and kind is None):
            raise GitHubNotFound(f"{user.login} is not shown by GraphQL")
        reason = words(kind or "", 100) or "no reason"
        raise GraphQLFailed(
            f"GraphQL left {user.login} out: {reason}",
            of_anyone=f"GraphQL left them out: {reason}",
        )
    gists = [gist for gist in node.gists.nodes or () if gist]
    if node.gists.totalCount and not gists:
        raise GistsHidden(
            f"GraphQL counts {node.gists.totalCount} gists of {user.login} and shows none"
        )
    if node.databaseId is None or node.login is None or len(gists) != len(node.gists.nodes or ()):
        raise GraphQLFailed(
            f"GraphQL told only a part about {user.login}",
            of_anyone="GraphQL told only a part about them",
        )
    if user.github_id is not None and node.databaseId != user.github_id:
        raise GitHubNotFound(f"the login {user.login} belongs to another account now")
    newest = sorted(f"{gist.name} {gist.updatedAt.isoformat()}" for gist in gists)
    marked = "\n".join([str(node.gists.totalCount), *newest])
    return Snapshot(
        account=Account(node.login, GitHubId(node.databaseId), node.id),
        gist_count=node.gists.totalCount,
        mark=(
            digest(marked)[:32]
            if server_now and all(_settled(gist, server_now) for gist in gists)
            else None
        ),
        newest={GistId(gist.name): gist.updatedAt for gist in gists},
        as_of=server_now,
    )


def _settled(gist: _Gist, server_now: datetime) -> bool:
    return gist.updatedAt < server_now - SETTLING
