"""`/api/v1/users`: who is tracked, and how."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Response
from pydantic import AfterValidator

from gitpip.actions import users as actions
from gitpip.backfill import Backfill
from gitpip.bodies.noun import ListBody
from gitpip.bodies.users import ForecastBody, OneUserBody, UnreadableBody, UserBody
from gitpip.config import parse_duration
from gitpip.model import Role, User
from gitpip.publish import chosen_targets
from gitpip.store.gists import unreadable
from gitpip.store.users import users
from gitpip.store.users.users import GENERAL, Changes, Interval, Mode, parsed_mode
from gitpip.targets import TargetChoice, parsed_target
from gitpip.validation import check_login
from gitpip.web.api.parameters import Limit, Login, Offset, RequestBody
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing

router = api_router()


def _backfill_text(text: str) -> str:
    return str(Backfill.parse(text))


def _interval_text(text: str) -> str:
    if text != GENERAL:
        parse_duration(text)
    return text


def _mode_text(text: str) -> str:
    return str(parsed_mode(text))


def _target_text(text: str) -> str:
    return str(parsed_target(text))


TargetText = Annotated[str, AfterValidator(_target_text)]
ModeText = Annotated[str, AfterValidator(_mode_text)]
BackfillText = Annotated[str, AfterValidator(_backfill_text)]
IntervalText = Annotated[str, AfterValidator(_interval_text)]


class NewUser(RequestBody):
    """A user to track. Without an id, GitHub's own is taken; without a backfill, the setting's."""

    login: str
    id: str | None = None
    backfill: BackfillText | None = None
    tags: list[str] | None = None
    interval: IntervalText | None = None
    publishing_mode: ModeText | None = None
    target: TargetText | None = None


class UserChange(RequestBody):
    """The changes of a user; what is left out stays."""

    id: str | None = None
    backfill: BackfillText | None = None
    tags: list[str] | None = None
    """All of them; `[]` takes every tag away."""
    interval: IntervalText | None = None
    """The time between two checks, like `45s` or `6h`; `general` for the default."""
    paused: bool | None = None
    """True if the user is not checked, and nothing of theirs is sent."""
    publishing_mode: ModeText | None = None
    """`automatic`, `ask` or `dry-run`; `general` for the default."""
    target: TargetText | None = None
    """Where new activities are put: `deal:ID`, `lead:UUID`, `person:ID`, `organization:ID`, or
    `deal-by-title`."""


class ForecastRequest(RequestBody):
    """The user to be tracked. Without a backfill, the setting's is taken."""

    login: str
    backfill: BackfillText | None = None


@router.get("/users", tags=["users"])
@needs(Role.VIEWER)
async def list_users(
    context: Context,
    offset: Offset = 0,
    limit: Limit = 100,
    q: Annotated[str, Query(max_length=100, description="A part of the login.")] = "",
    tag: Annotated[str | None, Query(max_length=100, description="Only those with it.")] = None,
) -> ListBody[UserBody]:
    """List tracked users by login."""
    async with context.database.read() as transaction:
        page = await users.page(
            transaction,
            offset=offset,
            limit=limit,
            login_contains=q,
            tag=tag,
        )
        stops = await context.stops(transaction)
    items = [UserBody.under(user, stops) for user in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post(
    "/users",
    tags=["users"],
    status_code=HTTPStatus.CREATED,
    responses={
        200: {"description": "The same pair was tracked already.", "model": UserBody},
        202: {"description": "Tracked; GitHub can't be asked now.", "model": UserBody},
    },
)
@needs(Role.OPERATOR)
async def add_user(
    new: NewUser, context: Context, acting: CurrentActing, response: Response
) -> UserBody:
    """Track a user."""
    details = Changes(
        tags=_tags(new.tags),
        interval=_interval(new.interval),
        mode=_mode(new.publishing_mode),
        target=_target(new.target),
    )
    added = await actions.add_user(
        acting,
        new.login,
        external_id=new.id,
        backfill=Backfill.parse(new.backfill) if new.backfill else context.settings.backfill,
        details=await chosen_targets.checked(details, context.check_target),
        find_account=context.find_account,
    )
    if not added.new:
        response.status_code = HTTPStatus.OK
    elif added.user.github_id is None:
        response.status_code = HTTPStatus.ACCEPTED
    return await _body(context, added.user)


@router.post("/forecast", tags=["users"])
@needs(Role.OPERATOR)
async def forecast(wanted: ForecastRequest, context: Context) -> ForecastBody:
    """Preview what adding a user would send to Pipedrive, and how long that takes.

    It uses up requests of GitHub's rate limit, so it needs an operator, and is no GET: a page of
    another site can make a browser send one.
    """
    check_login(wanted.login)
    rule = Backfill.parse(wanted.backfill) if wanted.backfill else context.settings.backfill
    return ForecastBody.of(await context.forecast(wanted.login, rule))


@router.get("/users/{login}", tags=["users"])
@needs(Role.VIEWER)
async def get_user(login: Login, context: Context) -> OneUserBody:
    """Get a tracked user by the login or a former login."""
    async with context.database.read() as transaction:
        user = await users.find(transaction, login)
        unread = await unreadable.of_user(transaction, user.key)
        stops = await context.stops(transaction)
    body = OneUserBody.under(user, stops)
    body.could_not_read = [UnreadableBody.of(item) for item in unread]
    return body


@router.patch("/users/{login}", tags=["users"])
@needs(Role.OPERATOR)
async def change_user(
    login: Login, change: UserChange, context: Context, acting: CurrentActing
) -> UserBody:
    """Change a user's id, backfill rule, tags, interval, mode or target; pause or resume.

    Looking up a target in Pipedrive costs one or two tokens.
    """
    changes = Changes(
        external_id=change.id,
        backfill=Backfill.parse(change.backfill) if change.backfill else None,
        tags=_tags(change.tags),
        interval=_interval(change.interval),
        paused=change.paused,
        mode=_mode(change.publishing_mode),
        target=_target(change.target),
    )
    changes = await chosen_targets.checked(changes, context.check_target)
    return await _body(context, await actions.change(acting, login, changes))


@router.post("/users/{login}/check", tags=["users"], status_code=HTTPStatus.ACCEPTED)
@needs(Role.OPERATOR)
async def check_user(login: Login, context: Context, acting: CurrentActing) -> UserBody:
    """Check a user as soon as possible, and try again what could not be read."""
    return await _body(context, await actions.check(acting, login))


@router.delete("/users/{login}", tags=["users"], status_code=HTTPStatus.NO_CONTENT)
@needs(Role.OPERATOR)
async def remove_user(login: Login, acting: CurrentActing) -> None:
    """Stop tracking a user. The gists found so far stay, so that none is published twice."""
    await actions.remove(acting, login)


async def _body(context: AppContext, user: User) -> UserBody:
    async with context.database.read() as transaction:
        return UserBody.under(user, await context.stops(transaction))


def _tags(tags: list[str] | None) -> tuple[str, ...] | None:
    return None if tags is None else tuple(tags)


def _mode(text: str | None) -> Mode | None:
    return parsed_mode(text) if text else None


def _target(text: str | None) -> TargetChoice | None:
    return parsed_target(text) if text else None


def _interval(text: str | None) -> Interval | None:
    return GENERAL if text == GENERAL else parse_duration(text) if text else None
