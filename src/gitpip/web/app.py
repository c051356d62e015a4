"""The ASGI application put together."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.routing import BaseRoute

from gitpip.model import Part
from gitpip.version import VERSION
from gitpip.web import feeds
from gitpip.web.access import Access, Unmatched
from gitpip.web.api import accounts as api_accounts
from gitpip.web.api import audits as api_audits
from gitpip.web.api import capacity as api_capacity
from gitpip.web.api import checks as api_checks
from gitpip.web.api import events as api_events
from gitpip.web.api import feeds as api_feeds
from gitpip.web.api import gists as api_gists
from gitpip.web.api import held as api_held
from gitpip.web.api import imports as api_imports
from gitpip.web.api import inbox as api_inbox
from gitpip.web.api import keys as api_keys
from gitpip.web.api import legacy as api_legacy
from gitpip.web.api import publications as api_publications
from gitpip.web.api import publishing as api_publishing
from gitpip.web.api import publishing_preview as api_publishing_preview
from gitpip.web.api import publishing_settings as api_publishing_settings
from gitpip.web.api import repairs as api_repairs
from gitpip.web.api import rules as api_rules
from gitpip.web.api import status as api_status
from gitpip.web.api import targets as api_targets
from gitpip.web.api import undos as api_undos
from gitpip.web.api import users as api_users
from gitpip.web.api import visits as api_visits
from gitpip.web.auth.authentication import Authentication
from gitpip.web.auth.roles import OpenMount, check_routes
from gitpip.web.auth.throttle import Throttle
from gitpip.web.context import AppContext
from gitpip.web.errors import handle_problems
from gitpip.web.middleware import SecurityMiddleware
from gitpip.web.ops import health, metrics
from gitpip.web.pages import (
    adding,
    api_docs,
    audit_log,
    audits,
    bulk,
    capacity,
    checks,
    feed_tokens,
    gists,
    imports,
    inbox,
    keys,
    pauses,
    publications,
    publishing_preview,
    publishing_settings,
    repairs,
    rules,
    setup,
    sign_in,
    status,
    undos,
    user,
    users,
)
from gitpip.web.proxies import Proxies
from gitpip.web.public_address import PublicAddress

STATIC = Path(__file__).parent / "pages" / "static"

API = (
    api_status.unversioned,
    api_legacy.router,
    api_gists.router,
    api_visits.router,
    api_inbox.router,
    api_publications.router,
    api_repairs.router,
    api_publishing.router,
    api_capacity.router,
    api_checks.router,
    api_audits.router,
    api_events.router,
    api_status.router,
    api_targets.router,
    api_users.router,
    api_imports.router,
    api_keys.router,
    api_feeds.router,
    api_accounts.router,
    api_held.router,
    api_publishing_settings.router,
    api_rules.router,
    api_undos.router,
    api_publishing_preview.router,
    feeds.router,
)
PAGES = (
    api_docs.router,
    inbox.router,
    imports.router,
    checks.router,
    capacity.router,
    audits.router,
    users.router,
    adding.router,
    bulk.router,
    user.router,
    gists.router,
    repairs.router,  # before the route of one publication
    publications.router,
    publishing_settings.router,
    rules.router,
    undos.router,
    publishing_preview.router,
    setup.router,
    status.router,
    pauses.router,
    feed_tokens.router,
    keys.router,
    audit_log.router,
    sign_in.router,
)


def _routes_of(part: Part) -> Sequence[BaseRoute]:
    """All routes of a process's part; they know no application, so every one can have them."""
    routers = [health.router, metrics.router]
    if part is not Part.WORK:
        routers += [*API, *PAGES]
    routes: list[BaseRoute] = [route for router in routers for route in router.routes]
    if part is not Part.WORK:
        routes.append(OpenMount("/static", StaticFiles(directory=STATIC), name="static files"))
    check_routes(routes)
    return routes


def create_app(context: AppContext, part: Part = Part.ALL) -> FastAPI:
    """The application over a migrated database; of a process that only works, just its probes."""
    public_url = context.settings.public_url
    app = FastAPI(
        title="gitpip",
        description="Tracked GitHub users, their new gist files, and how these get into the CRM.",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": public_url.prefix}] if public_url and public_url.prefix else None,
        openapi_url=None,  # FastAPI's own route asks for no role; see `documentation`
        redirect_slashes=False,  # `Unmatched` does it
    )
    app.state.context = context
    app.state.authentication = Authentication(context.database_of_keys, context.credentials)
    request_limit = context.settings.request_limit
    limit = None if request_limit == "off" else request_limit
    app.state.access = Access(app.state.authentication, limit)
    app.state.wrong_keys = Throttle(sign_in.WRONG_KEYS)
    app.state.new_browsers = Throttle(inbox.NEW_BROWSERS)
    app.state.sign_ins = Throttle(sign_in.SIGN_INS)
    handle_problems(app)
    app.router.routes.extend(_routes_of(part))
    app.router.default = Unmatched(app.router)
    app.add_middleware(SecurityMiddleware, public_url=public_url, limit=limit)
    if public_url:
        app.add_middleware(PublicAddress, public_url=public_url)
    app.add_middleware(Proxies, trusted=context.settings.trusted_proxies)
    return app
