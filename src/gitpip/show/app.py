"""The ASGI application put together."""

from pathlib import Path

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles

from gitpip.model import Part
from gitpip.show import (
    api,
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
from gitpip.show.access import Access
from gitpip.show.authentication import Authentication
from gitpip.show.guard import Guard
from gitpip.show.problems import handle_problems
from gitpip.show.proxies import Proxies
from gitpip.show.setting import Setting
from gitpip.show.throttle import Throttle

STATIC = Path(__file__).parent / "static"

PAGES = (
    operations.router,
    legacy.router,
    api.router,
    api_users.router,
    api_keys.router,
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
    app = FastAPI(
        title="gitpip",
        description="Tracked GitHub users, their new gist files, and how these get into the CRM.",
        version=operations.VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if shows else None,
    )
    app.state.setting = setting
    app.state.authentication = Authentication(setting.database, setting.credentials)
    app.state.attempts = Throttle(sign_in.ATTEMPTS)
    handle_problems(app)
    app.include_router(probes.router)
    for router in (metrics.router, *(PAGES if shows else ())):
        app.include_router(router, dependencies=[Security(KEY)])
    if shows:
        app.mount("/static", StaticFiles(directory=STATIC), name="static")
    limit = setting.settings.request_limit
    app.add_middleware(
        Access,
        authentication=app.state.authentication,
        limit=None if limit == "off" else limit,
    )
    app.add_middleware(Guard)
    app.add_middleware(Proxies, trusted=setting.settings.trusted_proxies)
    return app
