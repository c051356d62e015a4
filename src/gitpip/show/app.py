"""The ASGI application put together."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gitpip.model import Part
from gitpip.show import (
    api,
    api_users,
    documentation,
    feeds,
    legacy,
    metrics,
    operations,
    pages,
    pages_gists,
    pages_publications,
    pages_status,
    pages_users,
    pages_work,
    probes,
)
from gitpip.show.guard import Guard
from gitpip.show.problems import handle_problems
from gitpip.show.setting import Setting

STATIC = Path(__file__).parent / "static"

PROBES = (probes.router, metrics.router)
PAGES = (
    operations.router,
    legacy.router,
    api.router,
    api_users.router,
    documentation.router,
    pages.router,
    pages_work.router,
    pages_users.router,
    pages_gists.router,
    pages_publications.router,
    pages_status.router,
    feeds.router,
)


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
    handle_problems(app)
    for router in (*PROBES, *(PAGES if shows else ())):
        app.include_router(router)
    if shows:
        app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Guard, host=setting.settings.host)
    return app
