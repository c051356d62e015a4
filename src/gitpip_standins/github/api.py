"""GitHub's API over a world of users and gists, strict and faulty on demand."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from email.utils import format_datetime
from http import HTTPStatus

from gitpip_standins.exchange import (
    Answer,
    Clock,
    Exchange,
    Journal,
    Recorded,
    Request,
    json_answer,
    utc_now,
)
from gitpip_standins.faults import FaultPlan
from gitpip_standins.github.limits import Limits
from gitpip_standins.github.rest import Lists, answer_rest, failure
from gitpip_standins.github.troubles import Troubles
from gitpip_standins.github.world import World

VERSIONS = ("2022-11-28", "2026-03-10")


class GitHub(World):
    """The world, and its API as `app`, to be given to a Server.

    `tokens` are the valid ones: a mapping tells whose each is (a login, who then sees own secret
    gists too), otherwise each token is a user's of its own. Limits are per user, not per token.
    `limits`, `lists`, `graphql` (see their classes) and `faults` can be changed while it runs.
    """

    def __init__(
        self,
        *,
        tokens: Mapping[str, str] | Iterable[str] = (),
        clock: Clock = utc_now,
        limit_with_token: int | None = 5000,
        limit_without_token: int | None = 60,
        points_a_minute: int | None = 900,
    ) -> None:
        super().__init__(clock)
        self.tokens: dict[str, str] = (
            dict(tokens)
            if isinstance(tokens, Mapping)
            else {token: f"#{number}" for number, token in enumerate(tokens)}
        )
        self.faults = FaultPlan()
        self.journal = Journal()
        self.limits = Limits(
            self.journal,
            with_token=limit_with_token,
            without_token=limit_without_token,
            points_a_minute=points_a_minute,
        )
        self.lists = Lists()
        self.graphql = Troubles()
        self.odd: Callable[[Request, object], object] | None = None
        """Changes the body of each 200 in JSON, for example to hold odd values."""
        self.app = Exchange(
            self._handle,
            error=lambda status: failure(status, "Something went wrong"),
            faults=self.faults,
            journal=self.journal,
            clock=clock,
        )

    @property
    def requests(self) -> list[Recorded]:
        return self.journal.requests

    @property
    def abuse(self) -> list[str]:
        """Everything that GitHub would call abuse, one line each."""
        return self.journal.abuse

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60) -> None:
        """Block until `condition` holds; TimeoutError after so many seconds."""
        self.journal.wait_until(condition, timeout)

    def _handle(self, request: Request) -> Answer:
        with self.lock:
            answer = self._checked(request)
        kind = answer.headers.get("content-type", "")
        if self.odd is not None and answer.status == HTTPStatus.OK and "json" in kind:
            body = self.odd(request, json.loads(answer.body))
            answer = replace(answer, body=json_answer(200, body).body)
        answer.headers |= {
            "date": format_datetime(request.at, usegmt=True),
            "server": "github.com",
            "x-github-request-id": f"0000:{self.journal.count:X}",
        }
        return answer

    def _checked(self, request: Request) -> Answer:
        if request.path.startswith(("/raw/", "/web/", "/gist/", "/avatars/")):
            return answer_rest(self, self.lists, request, None, VERSIONS[0])
        if not request.headers.get("user-agent"):
            self.journal.blame("a request without User-Agent")
            return failure(403, "Request forbidden by administrative rules. Send a User-Agent.")
        version = request.headers.get("x-github-api-version", VERSIONS[0])
        if version not in VERSIONS:
            return failure(400, f'"{version}" is not a supported version of the GitHub API.')
        token = _token(request)
        if token is not None and token not in self.tokens:
            return failure(401, "Bad credentials")
        caller = None if token is None else self.tokens[token]
        answer = self._limited(request, caller, version)
        answer.headers |= {"x-github-api-version-selected": version}
        return answer

    def _limited(self, request: Request, caller: str | None, version: str) -> Answer:
        if request.path == "/rate_limit":
            return self._rate_limit(request, caller, version)
        resource = "graphql" if request.path == "/graphql" else "core"
        answer = self.limits.refusal(caller, resource, request.at, request.in_flight)
        if answer is None:
            if resource == "graphql":
                answer = self._graphql(request, caller)
            else:
                answer = answer_rest(self, self.lists, request, caller, version)
                answer.spent = 1
                if request.method == "GET" and answer.status == HTTPStatus.OK:
                    answer = _conditional(request, answer, caller)
            self.limits.charge(caller, resource, request.at, answer.spent)
        answer.headers |= self.limits.headers(caller, resource, request.at)
        return answer

    def _graphql(self, request: Request, caller: str | None) -> Answer:
        if caller is None:
            return failure(401, "This endpoint requires you to be authenticated.")
        try:
            from gitpip_standins.github.graphql import answer_graphql  # noqa: PLC0415
        except ImportError:  # graphql-core is no dependency of the service
            return failure(503, "GraphQL needs graphql-core, which is not installed.")
        return answer_graphql(self, self.limits, self.graphql, request, caller)

    def _rate_limit(self, request: Request, caller: str | None, version: str) -> Answer:
        shown = {
            resource: window.shown()
            for resource in ("core", "graphql", "search")
            if (window := self.limits.window(caller, resource, request.at))
        }
        if not shown:
            return failure(404, "Rate limiting is not enabled.")
        rate = {"rate": shown["core"]} if version == VERSIONS[0] else {}
        return json_answer(200, {"resources": shown, **rate})


def _token(request: Request) -> str | None:
    """The token a request comes with; the empty one where the header is not understood."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else ""


def _conditional(request: Request, answer: Answer, caller: str | None) -> Answer:
    """The answer with its weak ETag, which differs per caller; a 304 where the client has it."""
    seen = hashlib.sha256(f"{caller} {answer.headers.get('link')} ".encode() + answer.body)
    etag = f'W/"{seen.hexdigest()}"'
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known:
        # Free with a token only: https://docs.github.com/rest/using-the-rest-api/best-practices
        return Answer(304, b"", {"etag": etag}, spent=0 if caller else 1)
    answer.headers |= {
        "etag": etag,
        "cache-control": f"{'private' if caller else 'public'}, max-age=60, s-maxage=60",
        "vary": "Accept, Authorization, Cookie, Accept-Encoding, Accept, X-Requested-With",
        "x-github-media-type": "github.v3; format=json",
    }
    return answer
