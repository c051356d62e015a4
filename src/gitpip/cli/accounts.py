"""The commands about accounts at the vendors, and about what is in Pipedrive already."""

from dataclasses import asdict
from typing import Annotated

import typer

from gitpip.actions.adoption import BY_ADOPT, acknowledge, acknowledged
from gitpip.bodies.accounts import AccountBody
from gitpip.cli.audit import NoWait, adopt_from_others
from gitpip.cli.output import (
    Json,
    act,
    console,
    prepared_settings,
    print_json,
    print_rows,
    read,
    run,
)
from gitpip.runtime import oneshot_accounts
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import VendorAccount
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_surveys import Confidence

MAX_FILES_PRINTED = 20

accounts_app = typer.Typer(
    help="Show and switch the GitHub and Pipedrive accounts.", no_args_is_help=True
)


@accounts_app.command("list")
def list_accounts(as_json: Json = False) -> None:
    """List known accounts and which ones are in use."""
    known = read(prepared_settings(), accounts.everyone)
    if as_json:
        print_json([AccountBody.of(each).model_dump() | {"state": _state(each)} for each in known])
        return
    rows: list[dict[str, object]] = [
        {
            "vendor": account.vendor,
            "name": account.name,
            "identity": account.identity,
            "state": _state(account),
            "met_at": account.met_at,
        }
        for account in known
    ]
    print_rows(rows, as_json=False, none="No accounts yet.")


def _state(account: VendorAccount) -> str:
    return "in use" if account.bound else "waits" if account.waits_since else "former"


@accounts_app.command("switch")
def switch_account(
    vendor: Annotated[Vendor, typer.Argument(help="Whose account to switch.")],
    same: Annotated[
        bool,
        typer.Option("--same", help="Same GitHub at a new address. All data stays."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Switch to the account that is configured now. Data of the former account is kept."""
    change = run(oneshot_accounts.switch(prepared_settings(), vendor, same=same))
    if as_json:
        names = {"from": change.bound.name, "to": change.waiting.name}
        print_json(AccountBody.of(change.switched).model_dump() | names)
        return
    console.say(
        f"Switched to {change.waiting.name}. Data of {change.bound.name} is kept. Switch back to "
        "use it again."
    )


def adopt(  # noqa: PLR0913 - one parameter for each option of the command
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be adopted without adopting it.")
    ] = False,
    acknowledges: Annotated[
        bool,
        typer.Option(
            "--acknowledge",
            help="Acknowledge missing and duplicate activities and interrupted imports, so that "
            "status stops showing them.",
        ),
    ] = False,
    from_others: Annotated[
        bool,
        typer.Option(
            "--from-others",
            help="Adopt activities that other tools created for the same gists. Run it before the "
            "first sync.",
        ),
    ] = False,
    min_confidence: Annotated[
        Confidence,
        typer.Option(
            metavar="certain|likely|possible", help="With --from-others: minimum confidence."
        ),
    ] = Confidence.CERTAIN,
    last_search: Annotated[
        bool,
        typer.Option(
            "--last-search",
            help="With --from-others: adopt the matches of the last search.",
        ),
    ] = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Mark files that are already in Pipedrive as sent.

    Reads all activities, at 10 API tokens for 500. The service does the same for recent activities
    before it sends anything.
    """
    if acknowledges and (from_others or dry_run):
        other = "--from-others" if from_others else "--dry-run"
        raise typer.BadParameter("can't be combined", param_hint=f"--acknowledge, {other}")
    if from_others:
        adopt_from_others(
            dry_run=dry_run,
            least=min_confidence,
            last_search=last_search,
            no_wait=no_wait,
            as_json=as_json,
        )
        return
    if last_search or no_wait:
        raise typer.BadParameter("only with --from-others", param_hint="--last-search, --no-wait")
    if acknowledges:
        _acknowledge(as_json=as_json)
        return
    _adopt_own(dry_run=dry_run, as_json=as_json)


def _adopt_own(*, dry_run: bool, as_json: bool) -> None:
    result = run(oneshot_accounts.adopt(prepared_settings(), write=not dry_run))
    if as_json:
        print_json(asdict(result))
    else:
        _print_adopted(result, dry_run=dry_run)


def _print_adopted(result: oneshot_accounts.Adoption, *, dry_run: bool) -> None:
    would = "would be" if dry_run else "was" if result.adopted == 1 else "were"
    console.say(
        f"{result.account}: {result.read} activities, {result.known} known; "
        f"{result.adopted} {would} adopted, {result.kept} of files that are not found yet, "
        f"{result.duplicates} new duplicates"
    )
    for one in result.files[:MAX_FILES_PRINTED]:
        console.say(
            f"  {one.filename} of {one.login}: activity {one.activity_id}, deal {one.deal_id}"
        )
    if len(result.files) > MAX_FILES_PRINTED:
        console.say(f"  and {len(result.files) - MAX_FILES_PRINTED} more; --json shows all")


def _acknowledge(*, as_json: bool) -> None:
    ended = act(prepared_settings(), lambda acting: acknowledge(acting, BY_ADOPT))
    if as_json:
        print_json({kind: ended.get(kind, 0) for kind in BY_ADOPT})
    elif not ended:
        console.say(
            "No missing or duplicate activities, and no interrupted imports to acknowledge."
        )
    else:
        told = " and ".join(acknowledged(kind, number) for kind, number in ended.items())
        console.say(f"Acknowledged {told}.")
