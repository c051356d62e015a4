"""The commands about accounts at the vendors, and about what is in Pipedrive already."""

from dataclasses import asdict
from typing import Annotated

import typer

from gitpip.actions.adoption import ACKNOWLEDGEABLE, acknowledge
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
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.schema_surveys import Confidence

SHOWN = 20

accounts_app = typer.Typer(
    help="Show whose accounts the rows belong to, and switch to another one.", no_args_is_help=True
)


@accounts_app.command("list")
def list_accounts(as_json: Json = False) -> None:
    """List the accounts that were met, and which ones the rows belong to."""
    rows: list[dict[str, object]] = [
        {
            "vendor": account.vendor,
            "name": account.name,
            "identity": account.identity,
            "state": "in use" if account.bound else "waits" if account.waits_since else "former",
            "met_at": account.met_at,
        }
        for account in read(prepared_settings(), accounts.everyone)
    ]
    print_rows(rows, as_json, "No account was met yet.")


@accounts_app.command("switch")
def switch_account(
    vendor: Vendor,
    same: Annotated[
        bool,
        typer.Option(help="It is the same GitHub under another address: everything stays."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Let the rows belong to the account that is set now; the former one's are kept apart."""
    change = run(oneshot_accounts.switch(prepared_settings(), vendor, same=same))
    if as_json:
        print_json({"vendor": vendor, "from": change.bound.name, "to": change.waiting.name})
        return
    console.say(
        f"From now on the rows belong to {change.waiting.name}. What belongs to "
        f"{change.bound.name} is kept: switching back finds it again."
    )


def adopt(  # noqa: PLR0913 - one parameter for each option of the command
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be adopted.")
    ] = False,
    acknowledges: Annotated[
        bool,
        typer.Option(
            "--acknowledge",
            help="Ask Pipedrive nothing: say to know what was missing, or there twice, so that "
            "status tells it no more.",
        ),
    ] = False,
    from_others: Annotated[
        bool,
        typer.Option(
            "--from-others",
            help="Adopt what other tools made of the same gists: with a link to one, or its "
            "content. Do it before the first send.",
        ),
    ] = False,
    min_confidence: Annotated[
        Confidence, typer.Option(help="With --from-others: how sure a match must be.")
    ] = Confidence.CERTAIN,
    last_search: Annotated[
        bool,
        typer.Option(
            "--last-search",
            help="With --from-others: adopt what the last search found; asks Pipedrive nothing.",
        ),
    ] = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Adopt what is in Pipedrive as published; reads all activities, 10 tokens for 500.

    The service does the same, down to what it knows, before it sends anything.
    """
    if acknowledges and (from_others or dry_run):
        other = "--from-others" if from_others else "--dry-run"
        raise typer.BadParameter("give one of the two", param_hint=f"--acknowledge, {other}")
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
        raise typer.BadParameter("goes with --from-others", param_hint="--last-search, --no-wait")
    if acknowledges:
        _acknowledge(as_json=as_json)
        return
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
    for one in result.files[:SHOWN]:
        console.say(
            f"  {one.filename} of {one.login}: activity {one.activity_id}, deal {one.deal_id}"
        )
    if len(result.files) > SHOWN:
        console.say(f"  and {len(result.files) - SHOWN} more; --json shows all")


def _acknowledge(*, as_json: bool) -> None:
    ended = act(prepared_settings(), lambda acting: acknowledge(acting, ACKNOWLEDGEABLE))
    if as_json:
        print_json({kind: ended.get(kind, 0) for kind in ACKNOWLEDGEABLE})
    elif not ended:
        console.say("Nothing is missing, and nothing is there twice, that is not acknowledged.")
    else:
        told = " and ".join(f"{kind} ({number})" for kind, number in ended.items())
        console.say(f"Acknowledged {told}. gitpip status tells what comes after this.")
