"""`/api/v1/publishing/settings`: what is written to the CRM, where and when."""

import json
from collections.abc import Mapping

from gitpip.actions import publishing_settings as actions
from gitpip.bodies.publishing_settings import PublishingSettingBody, SettingsChanged
from gitpip.model import Role
from gitpip.web.api.parameters import RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router("publishing", prefix="/api/v1/publishing")


class SettingsChange(RequestBody):
    """New values by the names of their settings; null goes back to the default."""

    settings: dict[str, str | bool | int | float | list[str] | dict[str, str | int | float] | None]


@router.get("/settings")
@needs(Role.OPERATOR)
async def list_publishing_settings(context: Context) -> list[PublishingSettingBody]:
    """List the publishing settings, with each value and where it comes from."""
    async with context.database.read() as transaction:
        found = await actions.shown(transaction, context.settings.publishing)
    return [PublishingSettingBody.of(one) for one in found]


@router.patch("/settings")
@needs(Role.ADMIN)
async def change_publishing_settings(
    change: SettingsChange, context: Context, acting: CurrentActing
) -> SettingsChanged:
    """Change all of these settings, or none. They apply to everything sent from now on."""
    texts = {name: _text(value) for name, value in change.settings.items()}
    given = context.settings.publishing
    changed = await actions.change(acting, given, texts, context.check_settings)
    bodies = [PublishingSettingBody.of(one) for one in changed.settings]
    return SettingsChanged(settings=bodies, unchecked=changed.unchecked)


def _text(value: object) -> str | None:
    """A value as people write it into the field of a page."""
    match value:
        case None | str():
            return value
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case Mapping():
            return json.dumps(value)
        case _:
            return str(value)
