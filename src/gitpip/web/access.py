"""Access control: each request must meet its route's requirement, within the limits.

`gitpip.web.auth.roles` says how a route declares the role it needs.
"""

import re
from contextlib import AbstractAsyncContextManager, nullcontext
from http import HTTPStatus
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from limits import RateLimitItem
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match, Router
from starlette.types import Receive, Scope, Send

from gitpip.config import is_loopback
from gitpip.errors import AccessRefused
from gitpip.model import Role
from gitpip.web.auth.authentication import Authentication, address_of
from gitpip.web.auth.first_key import COMMAND
from gitpip.web.auth.identity import STATE, Identity, current
from gitpip.web.auth.roles import UNMATCHED, Requirement, guarded
from gitpip.web.auth.throttle import Throttle, address_counted
from gitpip.web.auth.turns import Turns
from gitpip.web.errors import answer, asked_too_often, wants_page
from gitpip.web.middleware import FORM_LIMIT, SAFE_METHODS
from gitpip.web.pages.sign_in import sign_in_before, sign_in_form
from gitpip.web.public_address import path_of_page

NOT_DONE = "Nothing changed: you aren't signed in. Sign in and try again."
ADMIN_NEEDS_KEY = (
    "Only admins can do this. Create an admin key first: on the page Access keys or with "
    f"`{COMMAND}`."
)
ID_MISSING = "the id is missing; to track a user, send POST /users/{login}/{id} with your own id"
NO_VALID_KEY = "no valid access key was given; send one in the header Authorization: Bearer KEY"


class Access:
    """Lets in callers who meet a route's requirement, and answers the others."""

    def __init__(self, authentication: Authentication, limit: RateLimitItem | None) -> None:
        """`limit`: how often each key, and each address without one, may ask; None for no limit.

        Routes that are open to all are counted apart from the rest. A right key of an address that
        is beyond its limit is let in: many people can share an address.
        """
        self._authentication = authentication
        self._throttle = Throttle(limit) if limit else None
        self._turns = Turns()

    async def refusal(self, request: Request, requirement: Requirement) -> Response | None:
        """The answer to a caller who is refused; None for one who is let in.

        Raises AccessRefused for a caller whose role does not suffice, DatabaseUnavailable.
        """
        if requirement.role is None:
            return self._open_too_often(request, requirement)
        identity = await self._authentication.identity(
            request, requirement, sparingly=self._is_beyond_limit(request)
        )
        request.scope[STATE] = identity
        refusal = self._too_often(request, identity) or self._foreign_host(request, identity)
        if refusal:
            return refusal
        if identity is None:
            return _unknown(request, requirement, await self._authentication.proxy_notice(request))
        # Also for the page of a refusal, which leads on to what this caller may see.
        current.set(identity)
        if not identity.role.includes(requirement.role):
            raise AccessRefused(_too_little(identity, requirement.role))
        if identity.is_open and _is_act_of_admin(request, requirement):
            raise AccessRefused(ADMIN_NEEDS_KEY)
        if identity.in_session and request.method not in SAFE_METHODS and not _tells_page(request):
            raise AccessRefused(
                "a change in a browser's session must say which page it comes from, in the "
                "header Origin or Sec-Fetch-Site; programs send an access key instead"
            )
        return None

    def turn(
        self, request: Request, requirement: Requirement, send: Send
    ) -> AbstractAsyncContextManager[Send]:
        """Wait for the caller's turn; what to send the answer with.

        Before it is known who that is, as finding out asks the database. Routes that are open to
        all take none, since probes must be answered. Neither do large bodies, which may arrive
        slowly.
        """
        headers = request.headers
        if requirement.role is None or not _has_small_body(headers):
            return nullcontext(send)
        given = headers.get("authorization") or headers.get("cookie")
        return self._turns.turn(given or address_counted(address_of(request)), send)

    def _open_too_often(self, request: Request, requirement: Requirement) -> Response | None:
        if requirement.counted_as is None:
            return None
        address = address_counted(address_of(request))
        return self._hit(request, f"{address} for {requirement.counted_as}")

    def _too_often(self, request: Request, identity: Identity | None) -> Response | None:
        open_at_home = self._authentication.is_open and identity and identity.name is None
        if open_at_home:
            return None
        named = identity.name if identity else None
        if named:
            return self._hit(request, f"key {named}")
        return self._hit(request, address_counted(address_of(request)))

    def _is_beyond_limit(self, request: Request) -> bool:
        """Return whether an address has asked as often as it may without a key."""
        address = address_counted(address_of(request))
        return self._throttle is not None and self._throttle.test(address) is not None

    def _hit(self, request: Request, counted: str) -> Response | None:
        if self._throttle is None or (pause := self._throttle.hit(counted)) is None:
            return None
        return _too_many(request, self._throttle, counted, pause)

    def _foreign_host(self, request: Request, identity: Identity | None) -> Response | None:
        """Refuse what a page elsewhere gets at by giving its own name this machine's address."""
        if identity is None or identity.name or not self._authentication.on_loopback:
            return None
        host = request.headers.get("host", "")
        if is_loopback(_name(host)) or _name(host).lower() == self._authentication.public_host:
            return None
        return answer(
            request,
            HTTPStatus.BAD_REQUEST,
            "foreign-host",
            f"Host {host[:100]!r} is not this machine; use http://127.0.0.1 or localhost, set "
            "GITPIP_PUBLIC_URL to the address that people use, or create an access key",
        )


class Unmatched:
    """Answers paths that no route matches, but only to callers who may read.

    A path that matches without the slashes at its end is redirected, as Starlette would do; but
    Starlette does it for all callers, and so shows strangers which paths exist.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, redirect, or raise HTTPException (404)."""
        if scope["type"] == "http":
            await guarded(UNMATCHED, self._answer, scope, receive, send)
        else:
            await self._router.not_found(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        shorter = scope["path"].rstrip("/")
        if scope["method"] == "POST" and re.fullmatch("/users/[^/]+", shorter):
            raise HTTPException(HTTPStatus.NOT_FOUND, ID_MISSING)
        if shorter == scope["path"] or not self._matches({**scope, "path": shorter}):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        redirect = RedirectResponse(_address(shorter, scope["query_string"]))
        await redirect(scope, receive, send)

    def _matches(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self._router.routes)


def _too_many(request: Request, throttle: Throttle, counted: str, pause: int) -> Response:
    return answer(
        request,
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-requests",
        asked_too_often(
            f"more than {throttle.limit} from {counted}: wait as long as the header "
            "Retry-After says, or let the operator raise GITPIP_REQUEST_LIMIT",
            pause,
        ),
        headers={"retry-after": str(pause)},
    )


def _unknown(request: Request, requirement: Requirement, proxy_notice: str | None) -> Response:
    """One wording for whatever is no valid key; a browser is led to where it can give one."""
    if requirement.by_feed_address and "address" in request.path_params:
        detail = "no feed has this address; it may have been revoked"
        return answer(request, HTTPStatus.NOT_FOUND, "feed-not-found", detail)
    if "authorization" not in request.headers:
        if "hx-request" in request.headers:
            return Response(
                status_code=HTTPStatus.UNAUTHORIZED,
                headers={"hx-redirect": sign_in_before(_page_before(request))},
            )
        if wants_page(request) and request.method in SAFE_METHODS:
            return RedirectResponse(sign_in_before(_wanted(request)), status_code=303)
        if wants_page(request):
            fault = f"Nothing changed: {proxy_notice}" if proxy_notice else NOT_DONE
            return sign_in_form(_page_before(request), fault=fault, key_is_wrong=False)
    return answer(
        request,
        HTTPStatus.UNAUTHORIZED,
        "no-valid-key",
        NO_VALID_KEY
        if proxy_notice is None or "authorization" in request.headers
        else proxy_notice,
        headers={"www-authenticate": 'Bearer realm="gitpip"'},
    )


def _wanted(request: Request) -> str:
    """The page that is asked for."""
    return _address(request.scope["path"], request.scope["query_string"])


def _address(path: str, query: bytes) -> str:
    return f"{quote(path)}?{query.decode('latin-1')}" if query else quote(path)


def _page_before(request: Request) -> str:
    """The page of ours that a request was made on; the first one where it does not say."""
    return path_of_page(request, request.headers.get("referer", "")) or "/"


def _too_little(identity: Identity, needed: Role) -> str:
    if identity.name:
        return (
            f"You need the {needed} role. Your key ({identity.name}) has the {identity.role} role."
        )
    return (
        f"You need the {needed} role. Without an access key you can only read. Sign in, or send a "
        "key in the header Authorization: Bearer KEY."
    )


def _is_act_of_admin(request: Request, requirement: Requirement) -> bool:
    """Return whether a request would do what only an admin may, unless its route asks for more."""
    changes = request.method not in SAFE_METHODS
    return changes and requirement.role is Role.ADMIN and not requirement.asks_for_code


def _has_small_body(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    return "transfer-encoding" not in headers and length.isdigit() and int(length) <= FORM_LIMIT


def _tells_page(request: Request) -> bool:
    """Return whether it says where it comes from; that this is no other site was seen before."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
