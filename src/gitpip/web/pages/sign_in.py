"""Signing in with an access key, so that a browser need not show it again, and signing out."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote_plus, urlsplit

from fastapi import Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from limits import RateLimitItem, parse

from gitpip.model import Role
from gitpip.web.auth.authentication import COOKIE, Authentication, address_of
from gitpip.web.auth.identity import STATE
from gitpip.web.auth.roles import needs, open_to_all
from gitpip.web.auth.throttle import address_counted
from gitpip.web.errors import answer
from gitpip.web.middleware import LONGEST_TARGET
from gitpip.web.pages.router import page_router
from gitpip.web.render.jinja import render

WRONG_KEYS = parse("10/5 minutes")
"""How often one address may be wrong, with each process."""
SIGN_INS = parse("30/5 minutes")
"""How often one key may begin a session, with each process."""
SIGN_IN_BEFORE = "/sign-in?next="
"""The address of the sign-in page, up to that of the page to go on to."""
WRONG = "That key isn't valid. It may have expired or been revoked."

router = page_router()
Key = Annotated[str, Form(max_length=500)]
Next = Annotated[str, Form(max_length=LONGEST_TARGET)]


@router.get("/sign-in")
@open_to_all(counted_as="the sign-in page")
async def ask_for_key(
    request: Request,
    next: Annotated[str, Query(max_length=LONGEST_TARGET)] = "/",  # noqa: A002 (the usual name)
) -> HTMLResponse:
    """A form for an access key."""
    authentication: Authentication = request.app.state.authentication
    return sign_in_form(next, notice=await authentication.proxy_notice(request))


@router.post("/sign-in")
@open_to_all()
async def sign_in(request: Request, key: Key = "", next: Next = "/") -> Response:  # noqa: A002
    """Begin a session, and go on to where one came from.

    Wrong keys are counted for each address, and right ones for each key. So a right key is
    accepted while an address is locked out, which many people can share behind an ingress that is
    not trusted. Guessing is no easier for that: a key holds 192 random bits, and the settings'
    at least 32 characters.
    """
    authentication: Authentication = request.app.state.authentication
    address = address_counted(address_of(request))
    # Counted before it is looked up, so that of many at once no more than these are.
    pause = request.app.state.wrong_keys.hit(address)
    identity = None
    if pause is None or await authentication.may_be_right(key.strip()):
        identity = await authentication.by_key(request, key.strip())
    if identity is None:
        if pause:
            return _too_many(request, WRONG_KEYS, "wrong keys", f"from {address}", pause)
        return sign_in_form(next, fault=WRONG)
    request.app.state.wrong_keys.give_back(address)
    request.scope[STATE] = identity
    if pause := request.app.state.sign_ins.hit(identity.name):
        return _too_many(request, SIGN_INS, "sign-ins", f"with the key {identity.name}", pause)
    session = await authentication.begin_session(identity)
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
@needs(Role.VIEWER)
async def sign_out(request: Request) -> Response:
    """End the browser's session, everywhere and at once."""
    authentication: Authentication = request.app.state.authentication
    await authentication.sign_out(request)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response


def _too_many(
    request: Request, limit: RateLimitItem, what: str, whose: str, pause: int
) -> Response:
    minutes = limit.get_expiry() // 60
    in_words = f"{limit.amount} {what} in {minutes} minutes {whose.replace('address ', '')}"
    return answer(
        request,
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-attempts",
        f"too many attempts to sign in: more than {in_words}; try again in {pause} seconds",
        headers={"retry-after": str(pause)},
    )


def sign_in_form(
    next_page: str, *, fault: str = "", notice: str | None = None, key_is_wrong: bool = True
) -> HTMLResponse:
    """The page that asks for a key, and leads on to another; with a fault it is a refusal."""
    page = render(
        "sign_in.html",
        next=_own(next_page),
        fault=fault,
        notice=notice and f"{notice[0].upper()}{notice[1:]}.".split("`"),
        key_is_wrong=bool(fault) and key_is_wrong,
    )
    return HTMLResponse(page, status_code=HTTPStatus.UNAUTHORIZED if fault else HTTPStatus.OK)


def sign_in_before(wanted: str) -> str:
    """The address of the sign-in page that leads on to what was wanted."""
    own = _own(wanted)
    return "/sign-in" if own == "/" else SIGN_IN_BEFORE + quote_plus(own)


def _own(address: str) -> str:
    """A page of ours to go on to.

    The first one instead of any elsewhere, and of one whose address is too long to be carried.
    """
    if len(quote_plus(address)) > LONGEST_TARGET - len(SIGN_IN_BEFORE):
        return "/"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    ours = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if ours and not parts.netloc and address.isprintable() else "/"
