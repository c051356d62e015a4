"""For those who keep it running: alive, ready, and how it is doing."""

from gitpip.actions.try_now import try_now
from gitpip.bodies.status import StatusBody, TriedBody
from gitpip.clock import utc_now
from gitpip.model import Role
from gitpip.status.summary import read_summary
from gitpip.store.status.pauses import Pausable
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

unversioned = api_router("status", prefix="")
router = api_router("status")


@router.get("/status")
@needs(Role.VIEWER)
async def get_status(context: Context) -> StatusBody:
    """Get the state of the service."""
    async with context.database.read() as transaction:
        summary = await read_summary(transaction, context.process, utc_now())
    return StatusBody.of(summary, is_alive=context.scheduler_is_alive())


@unversioned.get("/status")
@needs(Role.VIEWER)
async def status(context: Context) -> StatusBody:
    """Get the state of the service."""
    return await get_status(context)


@router.post("/pauses/{name}/try")
@needs(Role.OPERATOR)
async def try_pause_now(name: Pausable, acting: CurrentActing) -> TriedBody:
    """End a pause. gitpip makes one request, and pauses again if it is refused.

    A pause that GitHub asked for can't be ended (409).
    """
    tried = await try_now(acting, (name,))
    return TriedBody(name=name, ended=bool(tried.ended), reason=tried.reason)
