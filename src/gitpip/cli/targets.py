"""The commands about targets: what there is in Pipedrive to put activities to."""

from typing import Annotated

import typer

from gitpip.bodies.targets import HitBody
from gitpip.cli.output import Json, prepared_settings, print_rows, run
from gitpip.publish import chosen_targets
from gitpip.runtime.account_targets import AccountTargets

targets_app = typer.Typer(
    help="Search Pipedrive for deals, leads, people and organizations.", no_args_is_help=True
)


@targets_app.callback()
def _targets() -> None:
    """Search Pipedrive for deals, leads, people and organizations."""


@targets_app.command("search")
def search_targets(
    term: Annotated[str, typer.Argument(help="Part of the name, at least two characters.")],
    as_json: Json = False,
) -> None:
    """Search Pipedrive by name. Costs 20 API tokens of the daily budget."""
    settings = prepared_settings()
    hits = run(chosen_targets.search(term, AccountTargets(lambda: settings).search))
    rows = [HitBody.of(hit).model_dump() for hit in hits]
    print_rows(rows, as_json, "No matches in Pipedrive.")
