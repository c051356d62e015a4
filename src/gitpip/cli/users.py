"""The commands about tracked users."""

from datetime import timedelta
from math import ceil
from typing import Annotated

import typer

from gitpip.actions import users as actions
from gitpip.actions.acting import Acting
from gitpip.bodies.users import ForecastBody, UnreadableBody, UserBody
from gitpip.capacity import REQUESTS_WITH_TOKEN, REQUESTS_WITHOUT_TOKEN
from gitpip.cli.asking import Login, Yes, ask, asks
from gitpip.cli.imports import import_users
from gitpip.cli.output import (
    Json,
    act,
    console,
    parsed_backfill,
    prepared_settings,
    print_facts,
    print_json,
    print_rows,
    read,
    read_stops_now,
    run,
)
from gitpip.clock import utc_now
from gitpip.config import format_duration, parse_duration
from gitpip.counts import count
from gitpip.errors import InvalidInput
from gitpip.model import Unreadable, User, UserState
from gitpip.publish import chosen_targets
from gitpip.runtime import oneshot
from gitpip.runtime.account_targets import AccountTargets
from gitpip.status.reading import ProcessFacts, ServiceCondition, read_stops
from gitpip.store.database import Transaction
from gitpip.store.gists import unreadable
from gitpip.store.publications import progress, publications
from gitpip.store.users import users
from gitpip.targets import DEAL_BY_TITLE, TargetChoice, TargetKind, chosen_target
from gitpip.validation import possible_login
from gitpip.watch.forecast import Forecast

TWO_MINUTES = 120
SHORT_INTERVAL = timedelta(minutes=1)
"""An interval below this takes more requests than most users are worth."""

users_app = typer.Typer(
    help="Add, list, update, remove and import tracked users.", no_args_is_help=True
)

users_app.command("import")(import_users)

DEFAULT = "default"
"""The word for no value of the user's own, in options and in what is printed. Options also take the
API's word, `general`."""

OwnId = Annotated[
    str | None, typer.Option("--id", help="Your customer ID for this user. Must be unique.")
]
BackfillOption = Annotated[
    str | None,
    typer.Option(
        "--backfill",
        help="Existing gists to send: all, none, latest:N or since:YYYY-MM-DD (UTC).",
    ),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Tag to set. Repeat for several.")]
ModeOption = Annotated[
    str | None,
    typer.Option("--mode", help="How to send: automatic, ask or dry-run. Use 'default' to reset."),
]
DealOption = Annotated[str | None, typer.Option("--deal", help="Put activities on this deal (ID).")]
LeadOption = Annotated[
    str | None, typer.Option("--lead", help="Put activities on this lead (UUID).")
]
PersonOption = Annotated[
    str | None, typer.Option("--person", help="Put activities on this person (ID).")
]
OrganizationOption = Annotated[
    str | None, typer.Option("--organization", help="Put activities on this organization (ID).")
]
ByTitleOption = Annotated[
    bool,
    typer.Option("--deal-by-title", help="Put activities on the deal with the user's name."),
]
IntervalOption = Annotated[
    str | None,
    typer.Option("--interval", help="How often to check, e.g. 30m. Use 'default' to reset."),
]


@users_app.command("add")
def add_user(  # noqa: PLR0913 - one parameter for each option of the command
    login: Annotated[str, typer.Argument(help="GitHub username.")],
    *,
    user_id: OwnId = None,
    backfill: BackfillOption = None,
    tag: Tags = None,
    interval: IntervalOption = None,
    mode: ModeOption = None,
    deal: DealOption = None,
    lead: LeadOption = None,
    person: PersonOption = None,
    organization: OrganizationOption = None,
    deal_by_title: ByTitleOption = False,
    as_json: Json = False,
) -> None:
    """Start tracking a user."""
    settings = prepared_settings()
    chosen = parsed_backfill(backfill)
    target = _target((deal, lead, person, organization), by_title=deal_by_title)
    details = users.Changes(
        tags=_tags(tag), interval=_interval(interval), mode=_mode(mode), target=target
    )
    added = run(
        oneshot.add_user(settings, login, external_id=user_id, backfill=chosen, details=details)
    )
    user, confirmed = added.user, added.user.github_id is not None
    if as_json:
        told = {
            "external_id": user.external_id,  # the former name of `id`
            "new": added.new,
            "confirmed": confirmed,
        }
        print_json(_facts(user, read_stops_now(settings)) | told)
        return
    what = "Tracking" if added.new else "Already tracking"
    doubt = "" if confirmed else " (not confirmed: GitHub did not respond)"
    console.say(f"{what} {user.login}, customer ID {user.external_id}{doubt}.")
    _print_cost(user)
    _say_unchecked(user)


@users_app.command("list")
def list_users(as_json: Json = False) -> None:
    """List tracked users."""
    settings = prepared_settings()
    everyone = read(settings, users.everyone)
    if as_json:
        stops = read_stops_now(settings)
        print_json([_facts(user, stops) for user in everyone])
        return
    rows: list[dict[str, object]] = [
        {
            "login": user.login,
            "id": user.external_id,
            "github_id": user.github_id,
            "state": user.state,
            "tags": " ".join(user.tags),
            "files": user.last_sequence,
            "checked_at": user.checked_at,
            "failure": user.failure,
        }
        for user in everyone
    ]
    none = "You're not tracking anyone yet. Add a user: gitpip users add LOGIN"
    print_rows(rows, as_json=False, none=none)


@users_app.command("show")
def show_user(login: Login, as_json: Json = False) -> None:
    """Show a tracked user, and any gists that could not be read."""

    settings = prepared_settings()

    async def find(
        transaction: Transaction,
    ) -> tuple[User, ServiceCondition, tuple[Unreadable, ...]]:
        user = await users.find(transaction, possible_login(login))
        stops = await read_stops(transaction, ProcessFacts(settings), utc_now())
        return user, stops, await unreadable.of_user(transaction, user.key)

    user, stops, unread = read(settings, find)
    facts = _facts(user, stops)
    if as_json:
        items = [UnreadableBody.of(item).model_dump() for item in unread]
        print_json(facts | {"could_not_read": items})
        return
    mode = user.publishing_mode or DEFAULT
    described = {
        "tags": ", ".join(user.tags),
        "interval": _every(user),
        "publishing_mode": mode,
        "target": user.target or DEAL_BY_TITLE,
    }
    if user.target is None and user.deal_drift_words:
        described["deal_drift"] = user.deal_drift_words
    print_facts(facts | described)
    for item in unread:
        place = " of ".join(part for part in (item.filename, item.gist_id) if part)
        console.say(f"could not read {place or 'a part of the list'}: {item.reason}")


@users_app.command("change")
def change_user(  # noqa: PLR0913 - one parameter for each option of the command
    login: Login,
    *,
    user_id: OwnId = None,
    backfill: BackfillOption = None,
    tag: Tags = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Remove all tags.")] = False,
    interval: IntervalOption = None,
    paused: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Pause or resume checks for this user.")
    ] = None,
    mode: ModeOption = None,
    deal: DealOption = None,
    lead: LeadOption = None,
    person: PersonOption = None,
    organization: OrganizationOption = None,
    deal_by_title: ByTitleOption = False,
    as_json: Json = False,
) -> None:
    """Update a tracked user. Options you leave out are unchanged.

    A new target applies to new files. Activities that were already sent stay where they are.
    """
    if no_tags and tag:
        raise typer.BadParameter("give it without --tag", param_hint="--no-tags")
    settings = prepared_settings()
    target = _target((deal, lead, person, organization), by_title=deal_by_title)
    changes = users.Changes(
        external_id=user_id,
        backfill=parsed_backfill(backfill),
        tags=() if no_tags else _tags(tag),
        interval=_interval(interval),
        paused=paused,
        mode=_mode(mode),
        target=target,
    )

    async def change(acting: Acting) -> User:
        checked = await chosen_targets.checked(changes, AccountTargets(lambda: settings).check)
        return await actions.change(acting, login, checked)

    user = act(settings, change)
    if as_json:
        print_json(_facts(user, read_stops_now(settings)))
        return
    every = format_duration(user.check_interval or settings.check_interval)
    console.say(
        f"{user.login}: {user.state}, customer ID {user.external_id}, backfill {user.backfill}, "
        f"every {every}, tags {', '.join(user.tags) or 'none'}, "
        f"publishing mode {user.publishing_mode or DEFAULT}, "
        f"target {_target_words(user)}."
    )
    _print_cost(user)
    _say_unchecked(user)


@users_app.command("check")
def check_user(login: Login, as_json: Json = False) -> None:
    """Ask the running service to check a user now."""
    settings = prepared_settings()
    user = act(settings, lambda acting: actions.check(acting, login))
    if as_json:
        print_json(_facts(user, read_stops_now(settings)))
    elif user.state is UserState.PAUSED:
        console.say(
            f"{user.login} is paused. To check again, run: "
            f"gitpip users change {user.login} --resume"
        )
    else:
        console.say(
            f"A running service checks {user.login} within seconds. If none runs: gitpip check"
        )


@users_app.command("remove")
def remove_user(login: Login, yes: Yes = False, as_json: Json = False) -> None:
    """Stop tracking a user. Their gists are kept.

    If you add the user again, nothing is sent twice.
    """
    settings = prepared_settings()
    if asks(yes=yes, as_json=as_json):
        user, unsent = read(settings, lambda transaction: _leaving(transaction, login))
        files = f" {count(unsent, 'queued or held file')} would not be sent." if unsent else ""
        ask(f"gitpip would stop tracking {user.login}.{files}")
    user = act(settings, lambda acting: actions.remove(acting, login))
    if as_json:
        print_json({"login": user.login, "removed": True})
    else:
        console.say(f"Stopped tracking {user.login}.")


async def _leaving(transaction: Transaction, login: str) -> tuple[User, int]:
    """A user, and how many of their files wait."""
    user = await users.find(transaction, possible_login(login))
    return user, progress.unsent(await publications.count(transaction, [user.key]))


@users_app.command("forecast")
def forecast_user(
    login: Annotated[str, typer.Argument(help="GitHub username.")],
    backfill: BackfillOption = None,
    as_json: Json = False,
) -> None:
    """Preview what adding a user would send to Pipedrive."""
    settings = prepared_settings()
    forecast = run(oneshot.forecast_of(settings, login, parsed_backfill(backfill)))
    if as_json:
        print_json(ForecastBody.of(forecast).model_dump())
        return
    login, tracked_as = forecast.account.login, forecast.tracked_as
    if tracked_as:
        known = f", as {tracked_as}" if tracked_as != login else ""
        console.say(
            f"{login} is already tracked{known}. Adding {login} again changes nothing and sends "
            "nothing."
        )
        return
    console.say(
        f"{login} has {count(forecast.gists, 'public gist')}. "
        f"{_activities(forecast)} on Pipedrive's smallest plan."
    )


def _activities(forecast: Forecast) -> str:
    files = forecast.activities
    creates = f"{count(files, 'file')} would create {count(files, 'activity', 'activities')}"
    seconds = ceil(forecast.duration.total_seconds())
    takes = f"{seconds} s" if seconds < TWO_MINUTES else f"{ceil(seconds / 60):,} min"
    return f"{creates}, which takes at least {takes}"


def _print_cost(user: User) -> None:
    """Say how many requests a short interval takes: GitHub allows so many for all users."""
    own = user.check_interval
    if own is not None and own < SHORT_INTERVAL:
        looks = timedelta(hours=1) // own
        console.say(
            f"  Checking every {format_duration(own)} can take {looks:,} requests an hour. GitHub "
            f"allows {REQUESTS_WITH_TOKEN:,} an hour for all users ({REQUESTS_WITHOUT_TOKEN} "
            "without a token)."
        )


def _facts(user: User, stops: ServiceCondition) -> dict[str, object]:
    return UserBody.under(user, stops).model_dump()


def _every(user: User) -> str:
    return format_duration(user.check_interval) if user.check_interval else DEFAULT


def _tags(tags: list[str] | None) -> tuple[str, ...] | None:
    return tuple(tags) if tags else None


def _mode(text: str | None) -> users.Mode | None:
    try:
        if text is None:
            return None
        return users.parsed_mode(
            DEFAULT if text.strip().lower() == users.GENERAL else text, reset_by=DEFAULT
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--mode") from None


def _target(
    given: tuple[str | None, str | None, str | None, str | None], *, by_title: bool
) -> TargetChoice | None:
    try:
        return chosen_target(dict(zip(TargetKind, given, strict=True)), by_title=by_title)
    except ValueError as error:
        raise InvalidInput("target", str(error)) from None


def _target_words(user: User) -> str:
    if user.target is None:
        return DEAL_BY_TITLE
    return f"{user.target} ({user.target_title})" if user.target_title else str(user.target)


def _say_unchecked(user: User) -> None:
    if user.target is not None and user.target_title is None:
        console.say(
            f"{user.target.words} could not be checked because Pipedrive did not respond. gitpip "
            "checks it before it sends the next file."
        )


def _interval(text: str | None) -> users.Interval | None:
    if text is None:
        return None
    try:
        return users.GENERAL if text in {DEFAULT, users.GENERAL} else parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--interval") from None
