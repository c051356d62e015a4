"""The commands about secret addresses of feeds."""

from ipaddress import ip_address
from typing import Annotated

import typer

from gitpip.actions import feeds as actions
from gitpip.actions.acting import Acting
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
from gitpip.web.api.feeds import FeedAddressBody

feeds_app = typer.Typer(
    help="Make, list and revoke secret addresses of the feeds, for feed readers.",
    no_args_is_help=True,
)


@feeds_app.command("create")
def create_address(
    name: Annotated[str, typer.Argument(help="For which feed reader it is.")],
    key: Annotated[
        str | None,
        typer.Option(help="The access key whose it is, and with which it ends."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an address, and show it once: who knows it can read the feeds."""
    settings = prepared_settings()

    async def make(acting: Acting) -> IssuedAddress:
        owner = await actions.owner_named(acting.database, settings, key)
        return await actions.create(acting, name, owner)

    issued = act(settings, make)
    place = f"{_base(settings)}/feeds/{issued.secret}/gists"
    if as_json:
        address = issued.address
        print_json(
            {
                "id": address.id,
                "name": address.name,
                "atom": f"{place}.atom",
                "json_feed": f"{place}.json",
            }
        )
        return
    console.say(f"The addresses for {name}. They are shown only now:")
    console.say(f"{place}.atom")
    console.say(f"{place}.json")
    if settings.public_url is None and _is_any_address(settings.host):
        console.say(
            "From another machine, put its address in place of localhost, or set GITPIP_PUBLIC_URL."
        )


@feeds_app.command("list")
def list_addresses(as_json: Json = False) -> None:
    """List the addresses that lead somewhere, newest first."""
    settings = prepared_settings()

    async def listed(acting: Acting) -> tuple[FeedAddress, ...]:
        return await actions.addresses(acting.database, settings)

    rows: list[dict[str, object]] = [
        FeedAddressBody.of(address).model_dump() for address in act(settings, listed)
    ]
    print_rows(rows, as_json, "There are none; make one with: gitpip feeds create NAME")


@feeds_app.command("revoke")
def revoke_address(
    number: Annotated[int, typer.Argument(min=1, help="Its number in gitpip feeds list.")],
    as_json: Json = False,
) -> None:
    """Let an address lead nowhere any more."""
    address_id = FeedAddressId(number)
    address = act(
        prepared_settings(), lambda acting: actions.revoke(acting, address_id, viewer=None)
    )
    if as_json:
        print_json({"id": address.id, "name": address.name, "revoked": True})
    else:
        console.say(f"The address for {address.name} leads nowhere any more.")


def _base(settings: Settings) -> str:
    """The address of the service, as feed readers reach it."""
    if settings.public_url:
        return str(settings.public_url)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{'localhost' if _is_any_address(settings.host) else host}:{settings.port}"


def _is_any_address(host: str) -> bool:
    """Whether a service that listens there listens on every address, and has none of its own."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
