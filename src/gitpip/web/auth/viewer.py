"""The viewer: the name of the access key, or else a random name that the browser keeps."""

import re
import secrets
from datetime import timedelta

from fastapi import Request, Response

from gitpip.store.visits.visits import BROWSER
from gitpip.web.auth.identity import identity_of

COOKIE = "gitpip_viewer"
COOKIE_LASTS = timedelta(days=400)
"""The longest that browsers keep a cookie."""


def viewer_of(request: Request) -> str:
    """The viewer's name; a browser that has none yet gets one with `remember`."""
    by_key = identity_of(request).viewer
    if by_key:
        return by_key
    known = request.cookies[COOKIE] if sends_name(request) else secrets.token_hex(16)
    return BROWSER + known


def sends_name(request: Request) -> bool:
    """Whether a browser sends the name that it got with `remember`."""
    return re.fullmatch("[0-9a-f]{32}", request.cookies.get(COOKIE, "")) is not None


def remember(request: Request, response: Response, viewer: str) -> None:
    """Store the viewer's name in a cookie of the browser, unless it is that of a key."""
    name = viewer.removeprefix(BROWSER)
    if request.cookies.get(COOKIE) != name and viewer.startswith(BROWSER):
        response.set_cookie(
            COOKIE,
            name,
            max_age=int(COOKIE_LASTS.total_seconds()),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
