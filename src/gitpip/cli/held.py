"""The command about held files: what waits for a decision, and the answer."""

from dataclasses import asdict
from typing import Annotated

import typer

from gitpip.cli.output import Json, console, prepared_settings, print_json, print_rows, run
from gitpip.runtime import oneshot_held
from gitpip.status.problem import count
from gitpip.store.publications import held


def show_or_decide(
    login: Annotated[str | None, typer.Argument(help="The user; everybody if not given.")] = None,
    approve: Annotated[
        str | None,
        typer.Option(help="What to publish: all, latest:N (gists) or none; the rest is skipped."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what is held, since far more came at once than was expected; or decide about a user."""
    if approve is not None and login is None:
        raise typer.BadParameter("name the user it is about", param_hint="--approve")
    settings = prepared_settings()
    if login is not None and approve is not None:
        answered = run(oneshot_held.decide(settings, login, held.parse_answer(approve)))
        if as_json:
            print_json(asdict(answered))
        elif answered.published or answered.skipped:
            console.say(
                f"{answered.login}: {count(answered.published, 'file')} to be published now, "
                f"{answered.skipped:,} skipped."
            )
        else:
            console.say(f"Nothing of {answered.login} is held, so nothing was changed.")
        return
    rows = [asdict(one) for one in run(oneshot_held.show(settings, login))]
    print_rows(rows, as_json, "Nothing is held.")
