"""The ASGI application put together."""

from pathlib import Path

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles

from gitpip.model import Part
from gitpip.show import (
    api,
    api_accounts,
    api_held,
    api_keys,
    api_users,
    documentation,
    feeds,
    legacy,
    metrics,
    operations,
    pages,
    pages_feeds,
    pages_gists,
    pages_keys,
    pages_publications,
    pages_selected,
    pages_status,
    pages_user,
    pages_users,
    pages_work,
    probes,
    sign_in,
)
from gitpip.show.access import Access, Unmatched
from gitpip.show.authentication import Authentication
from gitpip.show.guard import Guard
from gitpip.show.problems import handle_problems
from gitpip.show.proxies import Proxies
from gitpip.show.public_address import PublicAddress
from gitpip.show.roles import OpenMount, check_routes
from gitpip.show.setting import Setting
from gitpip.show.throttle import Throttle

STATIC = Path(__file__).parent / "static"

PAGES = (
    operations.router,
    legacy.router,
    api.router,
    api_users.router,
    api_keys.router,
    api_accounts.router,
    api_held.router,
    documentation.router,
    pages.router,
    pages_work.router,
    pages_users.router,
    pages_selected.router,
    pages_user.router,
    pages_gists.router,
    pages_publications.router,
    pages_status.router,
    feeds.router,
    pages_feeds.router,
    pages_keys.router,
    sign_in.router,
)
KEY = HTTPBearer(
    auto_error=False,
    description="An access key, made by `gitpip keys create`; on loopback none is needed before "
    "the first one was made.",
)
"""For the OpenAPI document; it is `Access` that asks for the key."""


def create_app(setting: Setting, part: Part = Part.ALL) -> FastAPI:
    """The application over a migrated database; of a process that only works, just its probes."""
    shows = part is not Part.WORK
    public_url = setting.settings.public_url
    app = FastAPI(
        title="gitpip",
        description="Tracked GitHub users, their new gist files, and how these get into the CRM.",
        version=operations.VERSION,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": public_url.prefix}] if public_url and public_url.prefix else None,
        openapi_url=None,  # FastAPI's own route asks for no role; see `documentation`
        redirect_slashes=False,  # `Unmatched` does it
    )
    app.state.setting = setting
    app.state.authentication = Authentication(setting.database, setting.credentials)
    request_limit = setting.settings.request_limit
    limit = None if request_limit == "off" else request_limit
    app.state.access = Access(app.state.authentication, limit)
    app.state.wrong_keys = Throttle(sign_in.WRONG_KEYS)
    app.state.new_browsers = Throttle(pages.NEW_BROWSERS)
    app.state.sign_ins = Throttle(sign_in.SIGN_INS)
    handle_problems(app)
    app.include_router(probes.router)
    for router in (metrics.router, *(PAGES if shows else ())):
        app.include_router(router, dependencies=[Security(KEY)])
    if shows:
        static = OpenMount("/static", StaticFiles(directory=STATIC), name="static files")
        app.router.routes.append(static)
    app.router.default = Unmatched(app.router)
    check_routes(app.routes)
    app.add_middleware(Guard, public_url=public_url, limit=limit)
    if public_url:
        app.add_middleware(PublicAddress, public_url=public_url)
    app.add_middleware(Proxies, trusted=setting.settings.trusted_proxies)
    return app
