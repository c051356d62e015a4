"""The command about held files: what waits for a decision, and the answer."""

from collections.abc import Sequence
from typing import Annotated

import typer

from gitpip.actions.acting import Acting
from gitpip.actions.publications import decide_held, decide_held_of_all
from gitpip.backfill import Backfill, BackfillKind
from gitpip.bodies.held import AnsweredBody, HeldBody
from gitpip.cli.asking import Yes, ask, asks
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
from gitpip.counts import count
from gitpip.model import UserKey
from gitpip.modes import HELD_WORDS
from gitpip.store.database import Transaction
from gitpip.store.publications import held
from gitpip.store.publications.held import Answered, Held
from gitpip.store.users import users
from gitpip.validation import possible_login

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
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show held files, or decide about them.

    Files held for credentials are decided about one by one: gitpip publications approve or skip.
    """
    if approve is not None and (login is None) is not everybody:
        raise typer.BadParameter("give a username or --everybody", param_hint="--approve")
    settings = prepared_settings()
    if approve is not None:
        approved = held.parse_answer(approve)
        is_asked = asks(yes=yes, as_json=as_json)
        number = _confirmed(settings, login, approved) if is_asked else None
        answered = act(settings, lambda acting: _decide(acting, login, approved, number))
        _tell(answered, as_json=as_json)
        return
    waiting = read(settings, lambda transaction: _waiting(transaction, login))
    if as_json:
        print_json([HeldBody.of(one).model_dump() for one in waiting])
    else:
        _show(waiting)


def say_left_for_credentials(number: int) -> None:
    """Say how many files an answer about many has left, if any, and how they are decided about."""
    if number:
        console.say(
            f"Left held for credentials: {count(number, 'file')}. Decide about each by its ID: "
            "gitpip held"
        )


async def _waiting(transaction: Transaction, login: str | None) -> Sequence[Held]:
    key = await _key_of(transaction, login)
    return await held.with_credentials(transaction, key, limit=MOST_SHOWN)


async def _key_of(transaction: Transaction, login: str | None) -> UserKey | None:
    """Return the key of a user; None for all users."""
    return (await users.find(transaction, possible_login(login))).key if login else None


def _show(waiting: Sequence[Held]) -> None:
    each = [HeldBody.of(one) for one in waiting]
    rows = [body.model_dump(exclude={"credentials"}) for body in each if body.files]
    for row in rows:
        row["because"] = ", ".join(
            f"{HELD_WORDS[why]} ({number:,})" for why, number in row["because"].items()
        )
    files = [
        {"login": body.login, **file.model_dump()} for body in each for file in body.credentials
    ]
    if rows or not files:
        print_rows(rows, as_json=False, none="No held files.")
    if files:
        # Programs read rows of a pipe, so the sentences are not among them.
        errors.say("These files may contain credentials. Decide about each by its ID:")
        print_rows(files, as_json=False)
        errors.say(
            "To see what is sent: gitpip publications show ID. To send it: gitpip publications "
            "approve ID, or, without the credentials, gitpip publications approve ID "
            "--credentials mask. To leave it out: gitpip publications skip ID"
        )


def _tell(answered: Answered, *, as_json: bool) -> None:
    if as_json:
        print_json(AnsweredBody.of(answered).model_dump())
        return
    if answered.published or answered.skipped:
        about = answered.login or "Everyone"
        queued = count(answered.published, "file")
        console.say(f"{about}: {queued} queued, {answered.skipped:,} skipped.")
    else:
        other = "other " if answered.for_credentials else ""
        console.say(f"No {other}held files from {answered.login or 'anyone'}. Nothing changed.")
    say_left_for_credentials(answered.for_credentials)


def _confirmed(settings: Settings, login: str | None, approved: Backfill) -> int:
    """Return the number of files that a person decides about, who agreed to the answer."""

    async def answer(transaction: Transaction) -> Answered:
        user_key = await _key_of(transaction, login)
        return await held.tried(transaction, approved, user_key=user_key)

    tried = read(settings, answer)
    latest = approved.count if approved.kind is BackfillKind.LATEST else None
    whose = login or "all people together"
    about = f"The latest {count(latest, 'gist')} of {whose}. " if latest else ""
    queued = count(tried.published, "file")
    ask(f"{about}{queued} would be queued, {tried.skipped:,} skipped.")
    return tried.published + tried.skipped


async def _decide(
    acting: Acting, login: str | None, approved: Backfill, shown: int | None
) -> Answered:
    if login is None:
        return await decide_held_of_all(acting, approved, shown=shown)
    return await decide_held(acting, login, approved, shown=shown)
