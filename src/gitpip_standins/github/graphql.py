"""GitHub's GraphQL API as far as it concerns gists; needs graphql-core."""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from graphql import GraphQLError, execute_sync

from gitpip_standins.exchange import Answer, JsonObject, Request, html_answer, json_answer
from gitpip_standins.github.languages import language_of
from gitpip_standins.github.limits import Limits
from gitpip_standins.github.objects import LARGEST_CONTENT, Objects, written
from gitpip_standins.github.query import SCHEMA, Malformed, Query, Refused, refusal
from gitpip_standins.github.rest import failure
from gitpip_standins.github.troubles import Troubles, UserTrouble
from gitpip_standins.github.world import Gist, GistFile, User, World

MOST_IDS: Final = 100
LARGEST_PAGE: Final = 100


def answer_graphql(
    world: World, limits: Limits, troubles: Troubles, request: Request, caller: str
) -> Answer:
    """The answer to POST /graphql; `spent` is what the query costs in points."""
    if request.method != "POST":
        return failure(404, "Not Found")
    try:
        query = Query.read(request.body)
    except Malformed:
        return failure(400, "Problems parsing JSON")
    except Refused as refused:
        return _answer(None, refused.errors, 1)
    if troubles.failure != "resource-limits" and troubles.fails(query.subjects):
        answer = html_answer(troubles.failure)
        answer.spent = query.cost
        return answer
    root = _Root(Objects(world, request.origin, "2022-11-28"), limits, troubles, query, caller)
    result = execute_sync(
        SCHEMA, query.document, root.fields(request.at), variable_values=query.variables
    )
    if root.spoils is not None:
        return _spoilt(root.spoils, query.cost)
    return _answer(result.data, result.errors or (), query.cost)


class _Root:
    """Resolves one query. Objects are dictionaries; fields with arguments are functions in them."""

    def __init__(
        self, objects: Objects, limits: Limits, troubles: Troubles, query: Query, caller: str
    ) -> None:
        self._objects = objects
        self._world = objects.world
        self._limits = limits
        self._troubles = troubles
        self._query = query
        self._caller = caller
        self._subjects_seen = 0
        self.spoils: UserTrouble | None = None
        """The trouble of a user in the query that spoils the whole answer, if any."""

    def fields(self, at: datetime) -> JsonObject:
        return {
            "user": lambda _, login: self._user_by_login(login),
            "node": lambda _, id: self._node(id),  # noqa: A006 - GitHub's name
            "nodes": lambda _, ids: self._nodes(ids),
            "viewer": lambda _: self._viewer(at),
            "rateLimit": lambda _, **__: self._rate_limit(at),
        }

    def _user_by_login(self, login: str) -> JsonObject | None:
        user = self._world.user_of(login)
        if not _shown(user) or user is None or user.organization:
            raise refusal("NOT_FOUND", f"Could not resolve to a User with the login of '{login}'.")
        return self._subject(user)

    def _node(self, node_id: str) -> JsonObject | None:
        user = self._world.user_of_node(node_id)
        if user is not None and _shown(user):
            return self._subject(user)
        gist = self._world.gist_of_node(node_id) if user is None else None
        if gist is None:
            raise refusal(
                "NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'"
            )
        return self._gist(gist)

    def _nodes(self, ids: list[str]) -> list[JsonObject | GraphQLError | None]:
        if len(ids) > MOST_IDS:
            message = f"You may not provide more than {MOST_IDS} node ids; you provided {len(ids)}."
            raise refusal("ARGUMENT_LIMIT", message)
        found: list[JsonObject | GraphQLError | None] = []
        for node_id in ids:
            try:
                found.append(self._node(node_id))
            except GraphQLError as error:
                # As an item, so that it takes the place of this node only.
                found.append(error)
        return found

    def _viewer(self, at: datetime) -> JsonObject | None:
        user = self._world.user_of(self._caller)
        return self._subject(user or User(1, self._caller, at))

    def _rate_limit(self, at: datetime) -> JsonObject | None:
        window = self._limits.window(self._caller, "graphql", at)
        if window is None:
            return None
        return {
            "cost": self._query.cost,
            "limit": window.limit,
            "nodeCount": self._query.nodes,
            "remaining": max(0, window.remaining - self._query.cost),
            "resetAt": written(datetime.fromtimestamp(window.shown()["reset"], UTC)),
            "used": window.used + self._query.cost,
        }

    def _subject(self, user: User) -> JsonObject | None:
        """A user or organization the query is about, in whatever trouble large queries get."""
        self._subjects_seen += 1
        if self._troubles.fails(self._subjects_seen):
            raise refusal("RESOURCE_LIMITS_EXCEEDED", "Resource limits for this query exceeded.")
        trouble = self._troubles.users.get(user.id)
        match trouble:
            case (
                "401"
                | "403"
                | "404"
                | "429"
                | "secondary-limit"
                | "502"
                | "broken-json"
                | "no-data"
            ):
                self.spoils = trouble
            case "resource-limits":
                raise refusal("RESOURCE_LIMITS_EXCEEDED", "Resource limits exceeded.")
            case "left-out":
                return None
        return self._user(user, cut=self._troubles.cuts(self._subjects_seen))

    def _user(self, user: User, *, cut: bool = False) -> JsonObject:
        return {
            "__typename": "Organization" if user.organization else "User",
            "id": user.node_id,
            "login": user.login,
            "databaseId": user.id,
            "name": user.login.title(),
            "url": f"{self._objects.origin}/web/{user.login}",
            "createdAt": written(user.created_at),
            "updatedAt": written(user.created_at),
            "gist": lambda _, name: self._gist_named(user, name),
            "gists": lambda _, **arguments: self._gists(user, arguments, cut=cut),
        }

    def _gist_named(self, user: User, name: str) -> JsonObject | None:
        gist = self._world.gist(name)
        return self._gist(gist) if gist is not None and gist.owner_id == user.id else None

    def _gists(self, user: User, arguments: Mapping[str, object], *, cut: bool) -> JsonObject:
        first = arguments.get("first")
        if not isinstance(first, int):
            message = "You must provide a `first` or `last` value to properly paginate `gists`."
            raise refusal("MISSING_PAGINATION_BOUNDARIES", message)
        if not 0 <= first <= LARGEST_PAGE:
            message = f"Requesting {first} records on `gists` exceeds the `first` limit of 100."
            raise refusal("EXCESSIVE_PAGINATION", message)
        rows = self._ordered(user, arguments)
        if cut:
            rows = rows[: len(rows) // 2]
        start = 0
        if after := arguments.get("after"):
            cursors = [_cursor(gist) for gist in rows]
            if after not in cursors:
                raise refusal("INVALID_CURSOR_ARGUMENTS", f"`{after}` is not a valid cursor.")
            start = cursors.index(str(after)) + 1
        page = rows[start : start + first]
        trouble = self._troubles.users.get(user.id)
        nodes: list[JsonObject | None] = [self._gist(gist) for gist in page]
        if trouble == "null-gists" or self._troubles.hides_gists:
            nodes = [None] * len(page)
        elif trouble == "odd-gist":
            nodes = [node and {**node, "updatedAt": "not a time"} for node in nodes]
        wrong = {"fewer": -1, "more": 1}.get(trouble or "", 0)
        return {
            "totalCount": max(len(rows) + wrong, 0),
            "nodes": nodes,
            "edges": [
                {"cursor": _cursor(gist), "node": node}
                for gist, node in zip(page, nodes, strict=True)
            ],
            "pageInfo": {
                "startCursor": _cursor(page[0]) if page else None,
                "endCursor": _cursor(page[-1]) if page else None,
                "hasNextPage": start + first < len(rows),
                "hasPreviousPage": start > 0,
            },
        }

    def _ordered(self, user: User, arguments: Mapping[str, object]) -> list[Gist]:
        own = self._caller.lower() == user.login.lower()
        privacy = arguments.get("privacy") or "PUBLIC"
        rows = [
            gist
            for gist in self._world.gists_of(user.id)
            if gist.id not in self._troubles.not_shown
            if (gist.public and privacy != "SECRET")
            or (own and not gist.public and privacy != "PUBLIC")
        ]
        order = arguments.get("orderBy")
        field, direction = (
            (order["field"], order["direction"])
            if isinstance(order, Mapping)
            else ("CREATED_AT", "ASC")
        )
        times: dict[object, Callable[[Gist], datetime]] = {
            "CREATED_AT": lambda gist: gist.created_at,
            "UPDATED_AT": lambda gist: gist.updated_at,
            "PUSHED_AT": lambda gist: gist.pushed_at,
        }
        time = times[field]
        rows.sort(key=lambda gist: (time(gist), gist.sequence), reverse=direction == "DESC")
        return rows

    def _gist(self, gist: Gist) -> JsonObject:
        owner = self._world.user(gist.owner_id)
        url = self._objects.html_url(gist)
        return {
            "__typename": "Gist",
            "id": gist.node_id,
            "name": gist.id,
            "description": gist.description,
            "url": url,
            "resourcePath": url.removeprefix(self._objects.origin),
            "createdAt": written(gist.created_at),
            "updatedAt": written(gist.updated_at),
            "pushedAt": written(gist.pushed_at),
            "isPublic": gist.public,
            "isFork": gist.fork_of is not None,
            "stargazerCount": gist.stars,
            "owner": self._user(owner) if owner else None,
            "files": lambda _, limit=10: [_file(file) for file in [*gist.files.values()][:limit]],
        }


def _file(file: GistFile) -> JsonObject:
    try:
        text: str | None = file.content[:LARGEST_CONTENT].decode()
    except UnicodeDecodeError:
        text = None
    language = language_of(file.name)
    return {
        "name": file.name,
        "encodedName": quote(file.name, safe=""),
        "extension": PurePosixPath(file.name).suffix,
        "encoding": "UTF-8" if text is not None else None,
        "size": len(file.content),
        "isImage": file.name.lower().endswith((".png", ".jpg", ".jpeg", ".gif")),
        "isTruncated": len(file.content) > LARGEST_CONTENT,
        "language": {"id": f"L_{language}", "name": language, "color": None} if language else None,
        "text": lambda _, truncate=None: text[:truncate] if text is not None else None,
    }


def _shown(user: User | None) -> bool:
    """Whether GitHub shows this user in this answer."""
    if user is None or user.blocked:
        return False
    if user.hidden_answers:
        user.hidden_answers -= 1
        return False
    return True


def _cursor(gist: Gist) -> str:
    return base64.b64encode(f"cursor:v2:{gist.id}".encode()).decode()


def _problem(error: GraphQLError) -> JsonObject:
    """An error in GitHub's form, which has the type next to the message."""
    problem: JsonObject = {"message": error.message}
    if error.extensions and "type" in error.extensions:
        problem["type"] = error.extensions["type"]
    if error.path:
        problem["path"] = error.path
    if error.locations:
        problem["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    return problem


def _spoilt(trouble: UserTrouble, cost: int) -> Answer:
    """The answer to a query about a user whose trouble spoils all of it."""
    match trouble:
        case "401":
            answer = failure(401, "Bad credentials")
        case "403":
            answer = failure(
                403, "Resource not accessible: fine-grained tokens do not support GraphQL."
            )
        case "404":
            answer = failure(404, "Not Found")
        case "429":
            answer = failure(429, "Too many requests")
            answer.headers["retry-after"] = "1"
        case "secondary-limit":
            answer = failure(403, "You have exceeded a secondary rate limit.")
        case "broken-json":
            answer = json_answer(200, {})
            answer.body = b'{"data": {"nodes": ['
        case "no-data":
            message = "Something went wrong while executing your query."
            answer = json_answer(200, {"data": None, "errors": [{"message": message}]})
        case _:
            answer = html_answer(502)
    answer.spent = cost
    return answer


def _answer(data: object, errors: Sequence[GraphQLError], cost: int) -> Answer:
    content: JsonObject = {"data": data} if data is not None else {}
    if errors:
        content["errors"] = [_problem(error) for error in errors]
    answer = json_answer(200, content)
    answer.spent = cost
    return answer
