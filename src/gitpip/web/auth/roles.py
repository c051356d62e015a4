"""The role that a route needs: declared at the route, and asked for before anything of it runs.

A route declares its role with a decorator below the router's. Its router is made by `page_router`
or `api_router`, or with `route_class=RoleRoute`:

    router = api_router()

    @router.post("/checks/now")
    @needs(Role.OPERATOR)
    async def check_now(context: Context) -> Response: ...

A route that declares nothing needs an admin. `check_routes` refuses to build an application with
a route of another class, which would ask for nothing. The path is matched once, by the router: a
second pattern, here or elsewhere, would sooner or later match other spellings than the router's.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from gitpip.model import Role

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])
Handle = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Requirement:
    """The requirement of a route."""

    role: Role | None
    """None for a route that is open to all."""
    by_feed_address: bool = False
    """The path parameter `address`, where the path has one, is a feed's secret address, and stands
    for a key."""
    without_database: bool = False
    """A key that was accepted before is also accepted while the database is away."""
    asks_for_code: bool = False
    """The route asks callers for a code who are let in because there is no key yet; other acts of
    an admin are refused to them."""
    counted_as: str | None = None
    """The name under which requests to an open route are counted for each address; None where
    the route bounds its work itself."""


BEARER_KEY = HTTPBearer(
    auto_error=False,
    description="An access key, created by `gitpip keys create`. Until the first key exists, a "
    "gitpip that listens on loopback needs none: programs on its machine may do what an operator "
    "may.",
)
"""For the OpenAPI document; it is `Access` that asks for the key.

It stands at each router, not where routers are included: FastAPI would look at each parameter of
each route once more, which took 0.13 s of a start.
"""

UNDECLARED = Requirement(Role.ADMIN)
UNMATCHED = Requirement(Role.VIEWER)
"""The requirement of a path that no route matches: strangers can't tell it from one that exists."""

_declared: dict[Callable[..., object], Requirement] = {}


class Gatekeeper(Protocol):
    """Decides who is let in; `app.state.access` of the application."""

    async def refusal(self, request: Request, requirement: Requirement) -> Response | None:
        """The answer to a caller who is refused; None for one who is let in."""

    def turn(
        self, request: Request, requirement: Requirement, send: Send
    ) -> AbstractAsyncContextManager[Send]:
        """Wait for the caller's turn; what to send the answer with."""


def needs(
    role: Role,
    *,
    by_feed_address: bool = False,
    without_database: bool = False,
    asks_for_code: bool = False,
) -> Callable[[Endpoint], Endpoint]:
    """Declare the role that an endpoint's routes need; see Requirement for the rest."""
    return _declare(
        Requirement(
            role,
            by_feed_address=by_feed_address,
            without_database=without_database,
            asks_for_code=asks_for_code,
        )
    )


def open_to_all(*, counted_as: str | None = None) -> Callable[[Endpoint], Endpoint]:
    """Declare that an endpoint's routes need no role; see Requirement for the rest."""
    return _declare(Requirement(None, counted_as=counted_as))


class RoleRoute(APIRoute):
    """A route that lets in only callers with the role that its endpoint declares.

    The caller is known, and refused or let in, before the body is read or a method is refused.
    """

    @property
    def requirement(self) -> Requirement:
        """The requirement of this route."""
        return _declared.get(self.endpoint, UNDECLARED)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that matches this route, or refuse it."""
        await guarded(self.requirement, super().handle, scope, receive, send)


class OpenMount(Mount):
    """An application below a path that is open to all, such as a folder of files."""

    @property
    def requirement(self) -> Requirement:
        """The requirement of this route."""
        return Requirement(None, counted_as=self.name)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that matches this route, or refuse it."""
        await guarded(self.requirement, super().handle, scope, receive, send)


async def guarded(
    requirement: Requirement, handle: Handle, scope: Scope, receive: Receive, send: Send
) -> None:
    """Let `handle` serve a request whose caller meets the requirement; refuse the others."""
    gatekeeper: Gatekeeper = scope["app"].state.access
    # Without `receive`: nothing of the body can be read before the caller is known.
    request = Request(scope)
    async with gatekeeper.turn(request, requirement, send) as sending:
        refusal = await gatekeeper.refusal(request, requirement)
        await (refusal or handle)(scope, receive, sending)


def check_routes(routes: Iterable[BaseRoute]) -> None:
    """Raise TypeError for a route that would let in everyone because of its class."""
    for context in iter_route_contexts(tuple(routes)):
        if not isinstance(context.original_route, RoleRoute | OpenMount):
            kind = type(context.original_route).__name__
            raise TypeError(
                f"the route {context.path} has the class {kind}, which asks for no role; "
                "make its router with route_class=RoleRoute"
            )


def _declare(requirement: Requirement) -> Callable[[Endpoint], Endpoint]:
    def declare(endpoint: Endpoint) -> Endpoint:
        _declared[endpoint] = requirement
        return endpoint

    return declare
