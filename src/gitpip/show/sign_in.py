"""Signing in with an access key, so that a browser need not show it again, and signing out."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from limits import parse

from gitpip.show.authentication import COOKIE, Authentication, address_of
from gitpip.show.problems import answer
from gitpip.show.rendering import render
from gitpip.show.throttle import Throttle
from gitpip.telemetry import get_logger

ATTEMPTS = parse("10/5 minutes")
"""How often one address may be wrong, with each process."""
WRONG = "That is no valid access key: it may have expired, or been revoked or rotated."

router = APIRouter(include_in_schema=False)
log = get_logger()
Key = Annotated[str, Form(max_length=500)]
Next = Annotated[str, Form(max_length=2_000)]


@router.get("/sign-in")
async def ask_for_key(
    request: Request,
    next: Annotated[str, Query(max_length=2_000)] = "/",  # noqa: A002 (the usual name)
) -> HTMLResponse:
    """A form for an access key."""
    authentication: Authentication = request.app.state.authentication
    return sign_in_form(next, notice=await authentication.proxy_notice(request))


@router.post("/sign-in")
async def sign_in(request: Request, key: Key = "", next: Next = "/") -> Response:  # noqa: A002
    """Begin a session, and go on to where one came from."""
    authentication: Authentication = request.app.state.authentication
    attempts: Throttle = request.app.state.attempts
    address = address_of(request)
    if pause := attempts.pause(address):
        return answer(
            request,
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-attempts",
            f"too many attempts to sign in from {address}; try again in {pause} seconds",
            headers={"retry-after": str(pause)},
        )
    session = await authentication.sign_in(request, key.strip())
    if session is None:
        attempts.count(address)
        log.warning("sign_in.refused", address=address)
        return sign_in_form(next, fault=WRONG)
    await authentication.sign_out(request)  # of a session before, if there is one
    response = RedirectResponse(_own(next), status_code=303)
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=int(session.length.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the browser's session, everywhere and at once."""
    authentication: Authentication = request.app.state.authentication
    await authentication.sign_out(request)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response


def sign_in_form(
    next_page: str, *, fault: str = "", notice: str | None = None, key_is_wrong: bool = True
) -> HTMLResponse:
    """The page that asks for a key, and leads on to another; with a fault it is a refusal."""
    page = render(
        "sign_in.html",
        next=_own(next_page),
        fault=fault,
        notice=notice and f"{notice[0].upper()}{notice[1:]}.",
        key_is_wrong=bool(fault) and key_is_wrong,
    )
    return HTMLResponse(page, status_code=HTTPStatus.UNAUTHORIZED if fault else HTTPStatus.OK)


def _own(address: str) -> str:
    """A page of ours to go on to; the first one instead of any elsewhere."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    ours = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if ours and not parts.netloc and address.isprintable() else "/"
