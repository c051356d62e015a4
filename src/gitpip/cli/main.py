"""The program `gitpip`: its commands, and the messages when one fails."""

import asyncio
import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from io import TextIOWrapper
from itertools import chain
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from gitpip.actions import try_now as actions
from gitpip.actions import visits as visit_actions
from gitpip.bodies.checks import CheckBody
from gitpip.bodies.gists import FileBody
from gitpip.cli import examples, json_fields
from gitpip.cli.accounts import accounts_app, adopt
from gitpip.cli.asking import Login
from gitpip.cli.audit import audit
from gitpip.cli.completion import completion
from gitpip.cli.drill import drill
from gitpip.cli.events import show_events
from gitpip.cli.feeds import feeds_app
from gitpip.cli.greeting import announce, greet, tell_end
from gitpip.cli.held import show_or_decide
from gitpip.cli.inbox import inbox_app
from gitpip.cli.keys import keys_app, show_log
from gitpip.cli.output import (
    Json,
    act,
    console,
    errors,
    prepared_settings,
    print_json,
    print_rows,
    progress_bar,
    read,
    run,
    summary_of,
    tell_finding,
)
from gitpip.cli.plan import plan
from gitpip.cli.publications import publications_app, settle_notes
from gitpip.cli.publishing import MOST_PLANNED, publishing_app, show_plan
from gitpip.cli.rules import opt_outs_app, rules_app
from gitpip.cli.setup import set_up
from gitpip.cli.status import status
from gitpip.cli.targets import targets_app
from gitpip.cli.undo import undo, undos_app
from gitpip.cli.users import users_app
from gitpip.clock import utc_now
from gitpip.config import describe
from gitpip.counts import count, people
from gitpip.doctor.examination import examine
from gitpip.errors import GitpipError, InvalidInput, SettingsError
from gitpip.model import Check, GistFile, Part, PublicationState
from gitpip.observability.logging import configure_logging, get_logger, log_uncaught
from gitpip.observability.redaction import redacted
from gitpip.program import PANELS, as_called, program
from gitpip.runtime import oneshot
from gitpip.status.findings import Finding, FindingLevel
from gitpip.store.database import Transaction
from gitpip.store.gists import gists
from gitpip.store.status import pauses
from gitpip.store.users import users
from gitpip.store.visits import visits
from gitpip.store.visits.visits import Visit
from gitpip.validation import plain_fault, possible_login
from gitpip.version import VERSION

log = get_logger()


USAGE = 2
"""The exit code where an option, an argument, a file or a setting can't be used."""
HELP = ["--help", "-h"]
"""The options that ask for help. A command remembers those of the first context that it is in."""

TAKEN = {
    "str": "TEXT",
    "int": "NUMBER",
    "int range": "NUMBER",
    "decimal": "NUMBER",
    "file": "FILE",
    "%Y-%m-%d": "YYYY-MM-DD",
}
"""The values that an option takes, by Typer's name of its type."""
LONG_CHOICE = 40
"""The number of letters from which choices are broken into lines."""
LARGEST_SHOWN = 1_000_000
"""The largest limit of a number that the help shows."""


class Commands(TyperGroup):
    """All commands, by panel and in the order of PANELS.

    A wrong value is reported in gitpip's words, not pydantic's.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for path, command in _each(self, ""):
            _improve_help(command, path)
            if isinstance(command, TyperCommand):
                _refuse_repeats(command)
        for panel, names in PANELS.items():
            for name in names:
                self.commands[name].rich_help_panel = panel  # type: ignore[attr-defined]

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # as Typer
        """The names of all commands, as they are shown."""
        return list(dict.fromkeys([*chain(*PANELS.values()), *super().list_commands(ctx)]))

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # as Typer
        """Parse the command line; the fields of --json are no words of the command."""
        return super().parse_args(ctx, json_fields.take(ctx, self, args))

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # as Typer makes it
        """Run the command that is asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValidationError):
                error.message = plain_fault(error.__cause__.errors()[0])
            error.message = as_called(error.message)
            raise


def _each(
    command: TyperCommand | TyperGroup, path: str
) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    yield path, command
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from _each(each, f"{path} {name}".strip())  # type: ignore[arg-type]


def _refuse_repeats(command: TyperCommand) -> None:
    """Refuse an option that takes one value and is given twice: else the last would count."""
    parse = command.parse_args

    def parse_once(context: typer.Context, words: list[str]) -> list[str]:
        if not context.resilient_parsing:
            _, _, order = command.make_parser(context).parse_args([*words])
            for option in order:
                if not isinstance(option, TyperOption) or option.multiple:
                    continue
                is_choice = not option.is_flag or bool(option.secondary_opts)
                if is_choice and order.count(option) > 1:
                    raise typer.BadParameter("given twice; give it once", context, option)
        return parse(context, words)

    command.parse_args = parse_once  # type: ignore[method-assign, assignment]


def _improve_help(command: TyperCommand | TyperGroup, path: str) -> None:
    """Add examples, name commands as they can be called, and say in words what options take."""
    command.epilog = as_called(examples.shown(path))
    command.help = as_called(command.help or "")
    context = typer.Context(command, help_option_names=HELP)
    for parameter in command.get_params(context):
        if not isinstance(parameter, TyperOption | TyperArgument):
            continue
        parameter.help = as_called(parameter.help or "")
        is_flag = isinstance(parameter, TyperOption) and parameter.is_flag
        _say_what_it_takes(
            parameter, "" if is_flag else _taken(parameter.display_type_rich(context))
        )


def _say_what_it_takes(parameter: TyperOption | TyperArgument, taken: str) -> None:
    """Show this in the help in place of Python's type, and a range in words."""
    low, high = parameter.min, parameter.max
    within = "" if low is None or high is None or high > LARGEST_SHOWN else f"{low} to {high:,}"
    parameter.display_type_rich = lambda ctx: taken  # type: ignore[method-assign]
    parameter._get_number_range_help_str = lambda: within  # type: ignore[method-assign]


def _taken(shown: str | None) -> str:
    """Return what an option takes in words, of what Typer shows: a type, or the choices."""
    name = (shown or "").strip("<>").removeprefix("list[").removesuffix("]")
    # A line break stands at a space only.
    return TAKEN.get(name, name if len(name) < LONG_CHOICE else name.replace("|", " | "))


app = typer.Typer(
    cls=Commands,
    help="Watch GitHub users for new public gists and send each file to Pipedrive.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(users_app, name="users")
app.add_typer(targets_app, name="targets")
app.add_typer(publications_app, name="publications")
app.add_typer(publishing_app, name="publishing")
app.add_typer(rules_app, name="rules")
app.add_typer(opt_outs_app, name="opt-outs")
app.add_typer(keys_app, name="keys")
app.add_typer(feeds_app, name="feeds")
app.add_typer(inbox_app, name="inbox")
app.add_typer(accounts_app, name="accounts")
app.command("undo")(undo)
app.add_typer(undos_app, name="undos")
app.command("log")(show_log)
app.command("audit")(audit)
app.command("adopt")(adopt)
app.command("held")(show_or_decide)
app.command("events")(show_events)
app.command("completion")(completion)
app.command("drill")(drill)
app.command("plan")(plan)
app.command("notes")(settle_notes)
app.command("setup")(set_up)
app.command("status")(status)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.say(f"gitpip {VERSION}")
        raise typer.Exit


@app.callback(context_settings={"help_option_names": HELP})
def _before_commands(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take what stands before the name of a command."""


def main() -> None:
    """Run a command; errors that gitpip foresaw are one line each.

    Exits with 2 where a value that was given can't be used, as Typer does, and else with 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # none where it is closed
            stream.reconfigure(errors="backslashreplace")  # a terminal may know but few letters
    configure_logging("WARNING", "console")  # until the settings are read
    log_uncaught()
    # At the end, looking for cycles in all that was imported takes half a second, for nothing.
    atexit.register(gc.freeze)
    try:
        app(prog_name=program())
    except SettingsError as error:
        for fault in error.faults:
            errors.say(f"gitpip: {redacted(fault)}")
        sys.exit(USAGE)
    except GitpipError as error:
        errors.say(f"gitpip: {redacted(str(error))}")
        sys.exit(USAGE if isinstance(error, InvalidInput) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:
        # Python itself would print what is in it, and that can be a secret.
        log.critical("command.failed", exc_info=True)
        sys.exit(1)


@app.command()
def serve(
    only: Annotated[
        Literal["web", "work"] | None,
        typer.Option(help="Run one part: the pages and the API (web), or checks and sync (work)."),
    ] = None,
) -> None:
    """Start the server (Ctrl-C to stop)."""
    with suppress(KeyboardInterrupt):  # during the start: later it ends without one
        announce()
        from gitpip.runtime.serve import serve as run_service  # noqa: PLC0415 - loads every page

        settings = prepared_settings(quiet=False)
        part = Part(only or "all")
        asyncio.run(run_service(settings, part=part, ready=partial(greet, settings, part)))
    tell_end()


@app.command()
def demo() -> None:
    """Try gitpip with simulated GitHub and Pipedrive - no accounts needed."""
    console.say("Starting the demo …")
    from gitpip.demo.run import run_demo  # noqa: PLC0415 - no other command needs the stand-ins

    run_demo()


@app.command()
def check(as_json: Json = False) -> None:
    """Check all tracked users now. Exits 1 unless each was checked."""
    settings = prepared_settings()
    with progress_bar(as_json) as progress:
        task = progress.add_task("Checking", total=None)

        def follow(check: Check, tracked: int) -> None:
            progress.update(task, completed=check.users, total=tracked)

        checked = run(oneshot.check_now(settings, follow))
    result = checked.check
    if as_json:
        print_json(CheckBody.of(result).model_dump())
    else:
        console.say(summary_of(result).capitalize())
        for failure in result.failures:
            console.say(f"  {failure}")
    if checked.unchecked:
        errors.say(f"{people(checked.unchecked)} not checked.")
    if result.failed or checked.unchecked:
        raise typer.Exit(1)


@app.command()
def publish(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent without sending it.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_PLANNED, help="With --dry-run: maximum number to show.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Send everything that is queued and wait.

    Exits 1 if anything failed or is still queued. A failed file counts until you retry or skip it.
    """
    settings = prepared_settings()
    if dry_run:
        show_plan(settings, limit, as_json=as_json)
        return
    with progress_bar(as_json) as progress:
        task = progress.add_task("Publishing", total=None)
        most = 0

        def follow(waiting: int) -> None:
            nonlocal most
            most = max(most, waiting)
            progress.update(task, completed=most - waiting, total=most)

        result = run(oneshot.publish_now(settings, follow))
    if as_json:
        print_json(asdict(result))
    else:
        console.say(
            f"Sent: {result.published}. Failed: {result.failed}. Still queued: {result.waiting}."
        )
        if result.reason:
            console.say(f"  queued: {result.reason}")
        if result.failed:
            console.say(
                f"  failed: {count(result.failed, 'file')} to retry or skip. "
                "See gitpip publications list --state failed"
            )
        if result.held:
            console.say(f"  held: {count(result.held, 'file')} to approve or skip. See gitpip held")
    if result.failed or result.reason:
        raise typer.Exit(1)


@app.command()
def latest(
    login: Login,
    record: Annotated[bool, typer.Option(help="Mark these files as read.")] = True,
    as_json: Json = False,
) -> None:
    """Show a user's unread gist files."""
    viewer, wanted = visits.SHARED_VIEWER, possible_login(login)

    async def looked_at(transaction: Transaction) -> tuple[GistFile, ...]:
        user = await users.find(transaction, wanted)
        visit = await visits.look(transaction, user, viewer=viewer, now=utc_now())
        return await _files_shown_by(transaction, visit)

    settings = prepared_settings()
    if record:
        files = act(
            settings,
            lambda acting: visit_actions.record(acting, wanted, viewer, _files_shown_by),
        )
    else:
        files = read(settings, looked_at)
    if as_json:
        print_json([FileBody.of(file).model_dump() for file in files])
        return
    rows: list[dict[str, object]] = [
        {
            "filename": file.filename,
            "language": file.language,
            "size": file.size,
            "created_at": file.created_at,
            "published": file.publication is PublicationState.PUBLISHED,
            "html_url": file.html_url,
        }
        for file in files
    ]
    print_rows(rows, as_json=False, none=f"No unread gists from {login}.")


async def _files_shown_by(transaction: Transaction, visit: Visit) -> tuple[GistFile, ...]:
    return await gists.between(
        transaction, visit.user_key, after=visit.after, up_to=visit.up_to, content_limit=0
    )


@app.command("try-now")
def try_now(
    paused: Annotated[
        pauses.Pausable | None,
        typer.Argument(help="What to resume. Default: everything."),
    ] = None,
    as_json: Json = False,
) -> None:
    """End a pause and try one request now. If the request fails, gitpip pauses again.

    watching: checks for new gists. sweeping: checks of many users in one request, by GraphQL.
    reading: reading new gists. publishing: sending files to Pipedrive. examining: examining files
    for credentials.
    """
    names = pauses.PAUSABLE if paused is None else (paused,)
    tried = act(prepared_settings(), lambda acting: actions.try_now(acting, names))
    if as_json:
        print_json({"ended": sorted(tried.ended)})
    elif tried.reason is None:
        console.say(
            f"Ended the pause of {' and '.join(sorted(tried.ended))}. If the next request fails, "
            "gitpip pauses again: see gitpip status."
        )
    else:
        console.say(tried.reason)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Diagnose problems with settings, tokens, network and database. Exits 1 on failure."""
    configure_logging("CRITICAL", "console")  # the findings tell

    async def tell() -> list[Finding]:
        findings = []
        async for finding in examine():
            findings.append(finding)
            if not as_json:
                tell_finding(finding)
        return findings

    findings = run(tell())
    if as_json:
        print_json([asdict(finding) | {"found": redacted(finding.found)} for finding in findings])
    if any(finding.verdict is FindingLevel.FAILURE for finding in findings):
        raise typer.Exit(1)


@app.command("settings")
def show_settings(as_json: Json = False) -> None:
    """Show every setting, its source and its meaning. Secrets are masked."""
    rows = [asdict(row) for row in describe(prepared_settings())]
    print_rows(rows, as_json, advice="source")
