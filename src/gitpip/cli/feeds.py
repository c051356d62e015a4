"""The commands about secret addresses of feeds."""

from ipaddress import ip_address
from typing import Annotated

import typer

from gitpip.actions import feeds as actions
from gitpip.actions.acting import Acting
from gitpip.bodies.feeds import FeedAddressBody, IssuedAddressBody
from gitpip.cli.output import (
    Json,
    act,
    console,
    prepared_settings,
    print_json,
    print_rows,
)
from gitpip.config import Settings
from gitpip.store.access.feed_tokens import FeedAddress, FeedAddressId, IssuedAddress

feeds_app = typer.Typer(
    help="Create, list and revoke secret feed links for feed readers.",
    no_args_is_help=True,
)


@feeds_app.command("create")
def create_address(
    name: Annotated[str, typer.Argument(help="Name of the feed reader.")],
    key: Annotated[
        str | None,
        typer.Option(help="Access key that owns the link. The link ends with the key."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a secret feed link. It is shown once; anyone who has it can read the feeds."""
    settings = prepared_settings()

    async def make(acting: Acting) -> IssuedAddress:
        owner = await actions.owner_named(acting.database, settings, key)
        return await actions.create(acting, name, owner)

    issued = act(settings, make)
    address = IssuedAddressBody.of(issued, _base(settings))
    if as_json:
        print_json(address.model_dump())
        return
    console.say(f"Created feed links for {name}. Copy one now, you won't see them again:")
    console.say(address.atom)
    console.say(address.json_feed)
    if settings.public_url is None and _is_any_address(settings.host):
        console.say(
            "On another machine, replace localhost with this machine's address, or set "
            "GITPIP_PUBLIC_URL."
        )


@feeds_app.command("list")
def list_addresses(as_json: Json = False) -> None:
    """List active feed links, newest first."""
    settings = prepared_settings()

    async def listed(acting: Acting) -> tuple[FeedAddress, ...]:
        return await actions.addresses(acting.database, settings)

    rows: list[dict[str, object]] = [
        FeedAddressBody.of(address).model_dump() for address in act(settings, listed)
    ]
    print_rows(rows, as_json, "No feed links yet. Create one: gitpip feeds create NAME")


@feeds_app.command("revoke")
def revoke_address(
    number: Annotated[int, typer.Argument(min=1, help="ID from gitpip feeds list.")],
    as_json: Json = False,
) -> None:
    """Revoke a feed link immediately."""
    address_id = FeedAddressId(number)
    address = act(
        prepared_settings(), lambda acting: actions.revoke(acting, address_id, viewer=None)
    )
    if as_json:
        print_json({"id": address.id, "name": address.name, "revoked": True})
    else:
        console.say(f"Revoked the feed link for {address.name}.")


def _base(settings: Settings) -> str:
    """The address of the service, as feed readers reach it."""
    if settings.public_url:
        return str(settings.public_url)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{'localhost' if _is_any_address(settings.host) else host}:{settings.port}"


def _is_any_address(host: str) -> bool:
    """Return whether a service that listens there listens on every address."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
