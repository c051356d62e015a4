"""The command that imports a list of users from a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from gitpip.actions import imports
from gitpip.actions.acting import Acting
from gitpip.actions.import_preview import ImportPreview, preview
from gitpip.backfill import Backfill
from gitpip.cli.asking import Yes, ask, asks
from gitpip.cli.named_values import by_name
from gitpip.cli.output import (
    Json,
    act,
    console,
    errors,
    parsed_backfill,
    prepared_settings,
    print_json,
    progress_bar,
    run,
)
from gitpip.config import Settings
from gitpip.counts import count
from gitpip.runtime.opening import opened
from gitpip.store.users.imports import Imported
from gitpip.user_lists.columns import Choice
from gitpip.user_lists.reading import understood

LOOKED_UP_LATER = (
    "gitpip now looks up the added usernames on GitHub. Users it cannot find are shown as "
    "unavailable in gitpip users list."
)
THEY_KEEP = "Users who are already tracked keep their customer IDs, tags and settings."
MAX_NAMED_ROWS = 5

Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="HEADING=COLUMN",
        help="Map a column, given by heading or number from 1, to login, id, tags, interval, "
        "backfill, deal, lead, person, organization or publishing_mode. HEADING= leaves it out. "
        "Repeat for several. Other columns keep what their headings say.",
    ),
]


def import_users(  # noqa: PLR0913 - one parameter for each option of the command
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, readable=True, help="Spreadsheet, CSV, JSON or text file."
        ),
    ],
    *,
    column: Columns = None,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first row has headings."),
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of the spreadsheet.")] = None,
    backfill: Annotated[
        str | None,
        typer.Option(
            help="Existing gists to send: all, none, latest:N or since:YYYY-MM-DD (UTC). Users "
            "whose row has a rule of its own keep it."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be imported without adding anyone.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Import users from a spreadsheet, CSV, JSON, or a text file with one username per line.

    A table needs a login column. It may have id, tags, interval, backfill, publishing_mode, and
    one target per row: deal, lead, person or organization. If the headings differ, gitpip proposes
    a mapping and asks; or set it with --column. Rows with errors are reported and skipped.

    Users who are already tracked are unchanged. gitpip looks up the usernames on GitHub after the
    import. Users it cannot find are shown as unavailable in gitpip users list.
    """
    choice = _choice(column, header, sheet)
    settings = prepared_settings()
    rule = parsed_backfill(backfill) or settings.backfill
    with file.open("rb") as stream:
        if dry_run:
            _show(run(_looked_at(settings, stream, choice)), as_json)
            return
        if not understood(stream, choice).certain:
            choice = _confirmed(run(_looked_at(settings, stream, choice)), yes, as_json)
        imported = _carry_out(settings, file, stream, choice, rule, as_json=as_json)
    faults = tuple(f"{file.name}, {fault}" for fault in imported.faults)
    if as_json:
        print_json({"added": imported.added, "known": imported.known, "faults": faults})
    else:
        stay = f" {THEY_KEEP}" if imported.known else ""
        console.say(
            f"Added {count(imported.added, 'user')}. Already tracked: {imported.known}.{stay}"
        )
        if imported.added:
            console.say(LOOKED_UP_LATER)
        for fault in faults:
            errors.say(fault)
    if faults:
        raise typer.Exit(1)


def _carry_out(
    settings: Settings,
    file: Path,
    stream: BinaryIO,
    choice: Choice | None,
    backfill: Backfill,
    *,
    as_json: bool,
) -> Imported:
    size = file.stat().st_size
    with progress_bar(as_json) as progress:
        # Their number is not known before the list is read to its end.
        task = progress.add_task("Importing", total=None)

        def follow(imported: Imported) -> None:
            done = imported.added + imported.known + len(imported.faults)
            progress.update(task, completed=done)

        async def take(acting: Acting) -> Imported:
            import_id = await imports.begin(acting, stream, choice, name=file.name, size=size)
            return await imports.carry_out(
                acting,
                import_id,
                stream,
                backfill=backfill,
                choice=choice,
                follow=follow,
            )

        return act(settings, take, makes=True)


async def _looked_at(settings: Settings, file: BinaryIO, choice: Choice | None) -> ImportPreview:
    async with opened(settings, makes=True) as database:
        return await preview(database, file, choice)


def _choice(columns: Sequence[str] | None, header: bool | None, sheet: str | None) -> Choice | None:
    """Return the columns that the options give, or None if they give none."""
    if not columns:
        if header is None and sheet is None:
            return None
        raise typer.BadParameter("can only be used with --column", param_hint="--header, --sheet")
    given = []
    for one in columns:
        heading, separator, meaning = one.rpartition("=")
        if not separator:
            raise typer.BadParameter(
                f"{one!r} is not HEADING=COLUMN, such as 'GitHub account=login'",
                param_hint="--column",
            )
        given.append((heading, meaning))
    return Choice(by_name(given, "--column"), header, sheet, keeps_others=True)


def _confirmed(looked: ImportPreview, yes: bool, as_json: bool) -> Choice | None:
    """The columns as they are proposed, once a person takes them; None leaves them refused."""
    told = looked.understood
    meanings = {
        str(place): meaning for place, meaning in enumerate(told.columns.meanings, 1) if meaning
    }
    may_guess = yes or asks(yes=yes, as_json=as_json)
    if not (may_guess and (told.is_list or "login" in meanings.values())):
        return None
    if not yes:
        _show(looked, as_json=False)
        ask(question="Import this?")
    if told.is_list:
        return Choice({}, is_list=True)
    return Choice(meanings, told.columns.header, told.sheet)


def _show(looked: ImportPreview, as_json: bool) -> None:
    told = looked.understood
    held = {told.heading(place): meaning for place, meaning in enumerate(told.columns.meanings)}
    if as_json:
        print_json(
            {
                "format": told.format,
                "columns": held,
                "header": told.columns.header,
                "users": looked.logins,
                "tracked": looked.tracked,
                "faults": looked.faults,
                "more": looked.more,
            }
        )
        return
    console.say(f"This is {told.format}.")
    for heading, meaning in held.items():
        console.say(f"{heading}: {meaning or 'not imported'}")
    new = [row.login for row in looked.new]
    rows = ", going by the first 1,000 rows" if looked.more else ""
    names = (
        ": " + ", ".join(new[:MAX_NAMED_ROWS]) + ", ..." * (len(new) > MAX_NAMED_ROWS)
        if new
        else ""
    )
    console.say(
        f"{count(len(new), 'user')} would be added{rows}{names}. {looked.tracked} already tracked, "
        f"{count(looked.faulty, 'row')} with errors."
    )
    if looked.tracked:
        console.say(THEY_KEEP)
    for fault in looked.faults:
        errors.say(fault)
