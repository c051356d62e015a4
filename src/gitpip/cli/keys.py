"""The commands about access keys, and the log of who did what."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import typer

from gitpip.actions import keys as actions
from gitpip.actions.acting import Acting
from gitpip.actions.words_of_log import act_in_words
from gitpip.bodies.keys import AuditEntryBody, IssuedKeyBody, KeyBody
from gitpip.cli.asking import ask, asks
from gitpip.cli.output import (
    Json,
    Result,
    act,
    console,
    errors,
    prepared_settings,
    print_json,
    print_rows,
    read,
)
from gitpip.clock import day_and_clock, utc_now
from gitpip.config import Settings, parse_duration
from gitpip.errors import LastAdminKey
from gitpip.model import Role
from gitpip.store.access import audit_log, keys
from gitpip.store.database import Transaction

MAX_LISTED = 1_000
NO_ADMIN = (
    "gitpip now asks everyone for a key, but no key is an admin's. "
    "Create one: gitpip keys create NAME --role admin"
)

keys_app = typer.Typer(help="Create, list, rotate and revoke access keys.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the key.")]
Force = Annotated[bool, typer.Option("--force", help="Also if no admin key is left. Do not ask.")]
Expires = Annotated[str | None, typer.Option(help="Expire after, e.g. 90d.")]


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Name of the new key.")],
    role: Annotated[Role, typer.Option(help="What the key may do.")],
    expires: Expires = None,
    as_json: Json = False,
) -> None:
    """Create an access key. Its secret is shown once."""
    settings = prepared_settings()
    lifetime = _lifetime(expires)
    decided = settings.admin_key or settings.allow_anonymous

    async def check(transaction: Transaction) -> None:
        if not decided and not await keys.any_exists(transaction):
            actions.check_first_key(role, lifetime)

    async def make(acting: Acting) -> tuple[keys.IssuedKey, bool]:
        # Read before the act: a key that was made is shown, whatever fails.
        async with acting.database.read() as transaction:
            has_admin = role is Role.ADMIN or await _has_admin(transaction)
        issued = await actions.create(acting, name, role=role, lifetime=lifetime, check=check)
        return issued, has_admin

    issued, has_admin = act(settings, make, makes=True)
    _show_once(issued, as_json)
    if not (has_admin or decided):
        errors.say(NO_ADMIN)


@keys_app.command("list")
def list_keys(as_json: Json = False) -> None:
    """List access keys with role, expiry and last use."""
    everyone, now = read(prepared_settings(), keys.everyone), utc_now()
    rows: list[dict[str, object]] = [
        # A line of a terminal is short.
        KeyBody.of(key, now).model_dump(exclude=set() if as_json else {"issued_at"})
        for key in everyone
    ]
    none = "No access keys yet. Create one: gitpip keys create NAME --role admin"
    print_rows(rows, as_json, none)


@keys_app.command("rotate")
def rotate_key(
    name: Name, expires: Expires = None, force: Force = False, as_json: Json = False
) -> None:
    """Replace a key's secret. The old one stops working immediately."""
    settings = prepared_settings()
    lifetime = _lifetime(expires)

    async def rotate(acting: Acting, force: bool) -> keys.IssuedKey:
        return await actions.rotate(acting, name, lifetime=lifetime, settings=settings, force=force)

    _show_once(_confirmed(settings, rotate, force=force, as_json=as_json), as_json)


@keys_app.command("revoke")
def revoke_key(name: Name, force: Force = False, as_json: Json = False) -> None:
    """Revoke a key immediately."""
    settings = prepared_settings()

    async def revoke(acting: Acting, force: bool) -> tuple[keys.AccessKey, bool]:
        revoked = await actions.revoke(acting, name, settings=settings, force=force)
        async with acting.database.read() as transaction:
            return revoked, await _has_admin(transaction)

    key, has_admin = _confirmed(settings, revoke, force=force, as_json=as_json)
    if as_json:
        print_json(KeyBody.of(key, utc_now()).model_dump() | {"revoked_at": key.revoked_at})
    else:
        console.say(f"Revoked key {key.name}.")
    if key.role is Role.ADMIN and not (has_admin or settings.admin_key or settings.allow_anonymous):
        errors.say(NO_ADMIN)


def show_log(
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED, help="Maximum number to show.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the audit log, newest first."""
    page = read(
        prepared_settings(), lambda transaction: audit_log.page(transaction, offset=0, limit=limit)
    )
    if as_json:
        print_json([AuditEntryBody.of(entry).model_dump() for entry in page.items])
        return
    rows: list[dict[str, object]] = [
        {"when": each.at, "who": each.actor, "via": each.via, "what": act_in_words(each)}
        for each in page.items
    ]
    print_rows(rows, as_json=False, none="The audit log is empty.")


def _confirmed(
    settings: Settings,
    change: Callable[[Acting, bool], Awaitable[Result]],
    *,
    force: bool,
    as_json: bool,
) -> Result:
    """Change a key; before the last key of an admin stops working, a person is asked."""
    try:
        return act(settings, lambda acting: change(acting, force))
    except LastAdminKey as error:
        told = str(error)
        if not asks(yes=False, as_json=as_json):
            raise LastAdminKey(f"{told}, or use --force") from None
    ask(f"{told[:1].upper()}{told[1:]}.", "Do this anyway?")
    return act(settings, lambda acting: change(acting, True))


async def _has_admin(transaction: Transaction) -> bool:
    return bool(await keys.admins(transaction, utc_now()))


def _lifetime(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None


def _show_once(issued: keys.IssuedKey, as_json: bool) -> None:
    key = issued.key
    if as_json:
        print_json(IssuedKeyBody.of(issued).model_dump())
        return
    until = f", until {day_and_clock(key.expires_at)}" if key.expires_at else ""
    console.say(f"{key.name}, {key.role}{until}. Copy the secret now, you won't see it again:")
    console.say(issued.secret)
