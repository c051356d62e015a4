"""The command about held files: what waits for a decision, and the answer."""

import sys
from typing import Annotated

import typer

from gitpip.actions.acting import Acting
from gitpip.actions.publications import decide_held, decide_held_of_all
from gitpip.cli.output import (
    Json,
    act,
    console,
    errors,
    prepared_settings,
    print_json,
    print_rows,
    read,
)
from gitpip.config import Settings
from gitpip.model import Backfill, BackfillKind
from gitpip.status.problem import count
from gitpip.store.database import Transaction
from gitpip.store.publications import held
from gitpip.store.publications.held import Answered, Held
from gitpip.store.users import users
from gitpip.validation import possible_login
from gitpip.web.api.held import AnsweredBody, HeldBody

MOST_SHOWN = 1_000


def show_or_decide(
    login: Annotated[str | None, typer.Argument(help="Username. Default: everyone.")] = None,
    approve: Annotated[
        str | None,
        typer.Option(help="Gists to send: all, latest:N or none. The rest is skipped."),
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Decide for all users at once.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Decide for all without asking.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show files held because unusually many arrived at once, or decide about them."""
    if approve is not None and (login is None) is not everybody:
        raise typer.BadParameter("give a username or --everybody", param_hint="--approve")
    settings = prepared_settings()
    if approve is not None:
        approved = held.parse_answer(approve)
        asks = everybody and sys.stdin.isatty() and not (yes or as_json)
        number = _confirmed(settings, approved) if asks else None
        answered = act(settings, lambda acting: _decide(acting, login, approved, number))
        if as_json:
            print_json(AnsweredBody.of(answered).model_dump())
        elif answered.published or answered.skipped:
            about = answered.login or "Everyone"
            queued = count(answered.published, "file")
            console.say(f"{about}: {queued} queued, {answered.skipped:,} skipped.")
        else:
            console.say(f"No held files from {answered.login or 'anyone'}. Nothing changed.")
        return

    async def waiting(transaction: Transaction) -> tuple[Held, ...]:
        if login is None:
            return await held.everyone(transaction, limit=MOST_SHOWN)
        user = await users.find(transaction, possible_login(login))
        one = await held.of_user(transaction, user.key)
        return (one,) if one else ()

    found = read(settings, waiting)
    rows = [HeldBody.of(one).model_dump() for one in found]
    if not as_json:
        for row, one in zip(rows, found, strict=True):
            row["because"] = ", ".join(f"{why} {number:,}" for why, number in one.because.items())
    print_rows(rows, as_json, "No held files.")


def _confirmed(settings: Settings, approved: Backfill) -> int:
    """How many files a person decides about, who was told what the answer does, and agreed."""
    tried = read(settings, lambda transaction: held.tried_for_all(transaction, approved))
    latest = approved.count if approved.kind is BackfillKind.LATEST else None
    about = f"The latest {count(latest, 'gist')} of all people together. " if latest else ""
    queued = count(tried.published, "file")
    errors.say(f"{about}{queued} would be queued, {tried.skipped:,} skipped.")
    if not typer.confirm("Do this?", err=True):
        raise typer.Exit(1)
    return tried.published + tried.skipped


async def _decide(
    acting: Acting, login: str | None, approved: Backfill, shown: int | None
) -> Answered:
    if login is None:
        return await decide_held_of_all(acting, approved, shown=shown)
    return await decide_held(acting, login, approved)
