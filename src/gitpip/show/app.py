"""The ASGI application put together."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gitpip.settings import Settings
from gitpip.show import (
    api,
    api_users,
    documentation,
    feeds,
    legacy,
    operations,
    pages,
    pages_gists,
    pages_publications,
    pages_users,
)
from gitpip.show.guard import Guard
from gitpip.show.problems import handle_problems
from gitpip.show.setting import (
    EngineIsAlive,
    FindAccount,
    MakeForecast,
    Preview,
    Setting,
    Wake,
)
from gitpip.store.database import Database

STATIC = Path(__file__).parent / "static"


def create_app(
    *,
    database: Database,
    settings: Settings,
    find_account: FindAccount,
    wake: Wake,
    engine_is_alive: EngineIsAlive,
    forecast: MakeForecast,
    preview: Preview,
) -> FastAPI:
    """The application over a migrated database.

    `find_account` asks GitHub who bears a login (raises GitHubError); `wake` is told, after the
    commit, that work waits; `engine_is_alive` answers for `/ready`; `forecast` says what tracking
    a login would publish (raises GitHubError); `preview` renders what is sent to Pipedrive.
    """
    app = FastAPI(
        title="gitpip",
        description="Tracked GitHub users, their new gist files, and how these get into the CRM.",
        version=operations.VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.setting = Setting(
        database, settings, find_account, wake, engine_is_alive, forecast, preview
    )
    handle_problems(app)
    for router in (
        operations.router,
        legacy.router,
        api.router,
        api_users.router,
        documentation.router,
        pages.router,
        pages_users.router,
        pages_gists.router,
        pages_publications.router,
        feeds.router,
    ):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Guard, host=settings.host)
    return app
