"""`/api/v1/publishing/settings`: what is written to the CRM, where and when."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel

from gitpip.actions import publishing_settings as actions
from gitpip.actions.publishing_settings import Shown
from gitpip.config.publishing.declaration import Group
from gitpip.config.publishing.policy import Source
from gitpip.model import Role
from gitpip.web.api.parameters import RequestBody
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import Context, CurrentActing

router = APIRouter(
    route_class=RoleRoute, prefix="/api/v1/publishing", tags=["publishing"], responses=PROBLEMS
)


class PublishingSettingBody(BaseModel):
    """One publishing setting. Times are UTC."""

    name: str
    group: Group
    value: str
    """The value that counts, as a text."""
    source: Source
    """Where it comes from; the environment wins over what is stored, and that over the default."""
    default: str
    allowed: list[str] | None
    """Every value that it may have, where these are few."""
    description: str
    variable: str
    """The environment variable that sets it."""
    set_at: datetime | None
    """When it was stored, where what is stored counts."""
    set_by: str | None
    fault: str | None
    """Why what is stored does not count, where it can't be read any more."""

    @classmethod
    def of(cls, shown: Shown) -> Self:
        """The body of a setting."""
        now, declared = shown.now, shown.now.setting.declaration
        return cls(
            name=now.setting.name,
            group=declared.group,
            value=now.text,
            source=now.source,
            default=declared.default,
            allowed=list(declared.allowed) or None,
            description=declared.description,
            variable=now.setting.variable,
            set_at=shown.set_at,
            set_by=shown.set_by,
            fault=now.fault,
        )


class SettingsChange(RequestBody):
    """New values by the names of their settings; null goes back to the default."""

    settings: dict[str, str | bool | int | float | list[str] | dict[str, str | int | float] | None]


class SettingsChanged(BaseModel):
    """Every publishing setting after a change."""

    settings: list[PublishingSettingBody]
    unchecked: str | None
    """Why the change could not be compared with the Pipedrive account, if so; it counts anyway."""


@router.get("/settings")
@needs(Role.OPERATOR)
async def list_publishing_settings(context: Context) -> list[PublishingSettingBody]:
    """Every publishing setting with its value, and where that comes from."""
    async with context.database.read() as transaction:
        found = await actions.shown(transaction, context.settings.publishing)
    return [PublishingSettingBody.of(one) for one in found]


@router.patch("/settings")
@needs(Role.ADMIN)
async def change_publishing_settings(
    change: SettingsChange, context: Context, acting: CurrentActing
) -> SettingsChanged:
    """Change all of these settings, or none; what is sent from now on follows them."""
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
