"""The commands about targets: what there is in Pipedrive to put activities to."""

from typing import Annotated

import typer

from gitpip.cli.output import Json, prepared_settings, print_rows, run
from gitpip.publish import chosen_targets
from gitpip.runtime.account_targets import AccountTargets
from gitpip.web.api.targets import HitBody

targets_app = typer.Typer(
    help="Look in Pipedrive for what a user's activities can be put to.", no_args_is_help=True
)


@targets_app.callback()
def _targets() -> None:
    """Look in Pipedrive for what a user's activities can be put to."""


@targets_app.command("search")
def search_targets(
    term: Annotated[str, typer.Argument(help="A part of the name; at least two characters.")],
    as_json: Json = False,
) -> None:
    """Find deals, leads, persons and organizations by name, for 20 tokens of the daily budget."""
    settings = prepared_settings()
    hits = run(chosen_targets.search(term, AccountTargets(lambda: settings).search))
    rows = [HitBody.of(hit).model_dump() for hit in hits]
    print_rows(rows, as_json, "Nothing in Pipedrive has this in its name.")
