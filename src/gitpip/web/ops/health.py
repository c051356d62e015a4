"""For what supervises the process: alive, and able to serve."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from gitpip.web.auth.roles import RoleRoute, open_to_all
from gitpip.web.context import Context

router = APIRouter(route_class=RoleRoute, tags=["status"])


class ReadyBody(BaseModel):
    """Whether this process can serve, by part."""

    ready: bool
    database: bool
    migrations: bool
    engine: bool | None
    """Null where this process only shows, and others watch and publish."""


@router.get(
    "/health",
    response_class=PlainTextResponse,
    responses={
        503: {"content": {"text/plain": {}}, "description": "What is wrong with this process"}
    },
)
@open_to_all()
async def health(context: Context) -> PlainTextResponse:
    """Return `Alive`, or the problems that a restart may solve."""
    health_problems = context.health_problems()
    if not health_problems:
        return PlainTextResponse("Alive")
    return PlainTextResponse(
        "".join(f"{problem}\n" for problem in health_problems), status_code=503
    )


@router.get("/ready", responses={503: {"model": ReadyBody}})
@open_to_all()
async def ready(context: Context, response: Response) -> ReadyBody:
    """Return whether the database answers and is migrated, and the scheduler runs."""
    answer = await context.readiness.ask()
    engine = context.scheduler_is_alive()
    body = ReadyBody(
        ready=answer.migrations and engine is not False,
        database=answer.database,
        migrations=answer.migrations,
        engine=engine,
    )
    if not body.ready:
        response.status_code = 503
    return body
