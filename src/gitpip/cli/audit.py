"""The commands that read the whole account: an audit, and adopting what other tools made."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from gitpip.actions import surveys as actions
from gitpip.actions.acting import Acting
from gitpip.bodies.audits import CSV_COLUMNS, AuditLineBody, LineCountBody, MatchBody, SurveyBody
from gitpip.cli.output import (
    Json,
    act,
    console,
    day,
    errors,
    prepared_settings,
    print_json,
    print_rows,
    read,
    run,
)
from gitpip.config import Settings
from gitpip.counts import count
from gitpip.errors import GitpipError
from gitpip.runtime.opening import opened
from gitpip.runtime.surveys import survey_now
from gitpip.spreadsheet import BOM, csv_lines
from gitpip.store.schema_surveys import Confidence, Verdict
from gitpip.store.surveys import lines, others
from gitpip.store.surveys.lines import VerdictCount
from gitpip.store.surveys.surveys import Survey
from gitpip.validation import possible_login

MAX_LINES_PRINTED = 50
"""The most unexplained differences that are printed; the CSV and the JSON hold all lines."""
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Let the running service do it, and don't wait.")
]


def audit(  # noqa: PLR0913 - one parameter for each option of the command
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's files.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only files found since this day in UTC, e.g. 2026-10-01.")
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(help="Write all lines to this CSV file. Use - for standard output."),
    ] = None,
    without_github: Annotated[
        bool, typer.Option("--without-github", help="Compare the database with Pipedrive only.")
    ] = False,
    no_wait: NoWait = False,
    limit: Annotated[str | None, typer.Option(hidden=True)] = None,
    as_json: Json = False,
) -> None:
    """Compare GitHub, database and Pipedrive file by file. Exits 1 on unexplained differences.

    Reads all deals and activities, at 10 API tokens for 500. If the daily budget is used up, the
    audit stops. Run it again to continue. For the audit log of who did what, use gitpip log.
    """
    if limit is not None:
        raise typer.BadParameter(
            "an audit has no limit. For the audit log, use gitpip log --limit",
            param_hint="--limit",
        )
    begin = day(since, "--since")
    moment = datetime.combine(begin, time(), UTC) if begin else None
    login = possible_login(user) if user is not None else None
    path = None if csv in {None, "-"} else Path(csv or "")
    if csv is not None:
        _check_csv(path, as_json=as_json, no_wait=no_wait)

    async def request(acting: Acting) -> Survey:
        return await actions.request_audit(
            acting, login=login, since=moment, with_github=not without_github
        )

    settings = prepared_settings()
    if no_wait:
        _tell_request(act(settings, request), as_json=as_json)
        return
    survey = run(survey_now(settings, request, _follow))
    counts = read(settings, lambda transaction: lines.summary(transaction, survey.id))
    if path is not None:
        run(_write_csv(settings, survey.id, path))
    if as_json:
        told = run(_lines(settings, survey.id))
        summary = [LineCountBody.of(one).model_dump() for one in counts]
        print_json(_body(survey) | {"summary": summary, "lines": told})
    elif csv == "-":
        run(_write_lines(settings, survey.id, sys.stdout))
    else:
        _print_summary(settings, survey, counts)
    if any(one.verdict is Verdict.UNEXPLAINED for one in counts):
        raise typer.Exit(1)


def _follow(survey: Survey) -> None:
    """A command says nothing while it reads; the page shows how far it is."""


def _body(survey: Survey) -> dict[str, Any]:
    return SurveyBody.of(survey).model_dump()


def _tell_request(survey: Survey, *, as_json: bool) -> None:
    if as_json:
        print_json(_body(survey))
    else:
        console.say(f"Requested {survey.kind} {survey.id}. The running service does it.")


async def _lines(settings: Settings, number: int) -> list[dict[str, object]]:
    async with opened(settings) as database, database.read() as transaction:
        return [
            AuditLineBody.of(line).model_dump()
            async for some in lines.in_pages(transaction, number)
            for line in some
        ]


def _check_csv(path: Path | None, *, as_json: bool, no_wait: bool) -> None:
    """Refuse a CSV that can't be written, before an audit has spent tokens; None is the output.

    Raises BadParameter, GitpipError.
    """
    if no_wait:
        raise typer.BadParameter("with --no-wait there are no lines yet", param_hint="--csv")
    if path is None:
        if as_json:
            raise typer.BadParameter("--json writes to standard output, too", param_hint="--csv")
        return
    exists = path.exists()
    if exists and not path.is_file() and not path.is_dir():
        return  # a pipe would be used up
    try:
        path.open("ab").close()
    except OSError as error:
        raise _not_written(path, error) from error
    if not exists:
        path.unlink()


async def _write_csv(settings: Settings, number: int, path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(BOM)
            await _write_lines(settings, number, file)
    except OSError as error:
        raise _not_written(path, error) from error


async def _write_lines(settings: Settings, number: int, file: TextIO) -> None:
    file.write(csv_lines(CSV_COLUMNS, [], head=True))
    async with opened(settings) as database, database.read() as transaction:
        async for some in lines.in_pages(transaction, number):
            file.write(csv_lines(CSV_COLUMNS, [asdict(line) for line in some], head=False))


def _not_written(path: Path, error: OSError) -> GitpipError:
    return GitpipError(f"{path} can't be written: {error.strerror}")


def _print_summary(settings: Settings, survey: Survey, counts: tuple[VerdictCount, ...]) -> None:
    console.say(
        f"{count(survey.activities, 'activity', 'activities')} and {count(survey.deals, 'deal')} "
        f"read for {count(survey.tokens, 'API token')}, and "
        f"{count(survey.github_lists, 'gist list')} at GitHub"
    )
    for one in counts:
        why = f" ({one.explanation})" if one.explanation else ""
        console.say(f"  {one.lines:,} {one.verdict}{why}")
    page = read(
        settings,
        lambda transaction: lines.page(
            transaction, survey.id, verdict=Verdict.UNEXPLAINED, offset=0, limit=MAX_LINES_PRINTED
        ),
    )
    for line in page.items:
        what = f"{line.filename} of {line.login}" if line.filename else "no file"
        activity = f", activity {line.activity_id}" if line.activity_id else ""
        console.say(f"  {line.explanation}: {what}{activity}: {line.detail}")
    if page.total > MAX_LINES_PRINTED:
        console.say(f"  and {page.total - MAX_LINES_PRINTED} more; --csv and --json show all")


def adopt_from_others(
    *, dry_run: bool, least: Confidence, last_search: bool, no_wait: bool, as_json: bool
) -> None:
    """Search for what other tools made, show it, and adopt it unless it is a dry run."""
    settings = prepared_settings()
    if no_wait:
        _tell_request(act(settings, actions.request_search), as_json=as_json)
        return
    if not last_search:
        survey = run(survey_now(settings, actions.request_search, _follow))
        # The JSON of an adoption is alone on standard output.
        say = errors.say if as_json else console.say
        _show_matches(settings, survey.id, say, as_json=as_json and dry_run)
    if dry_run:
        return
    done = act(settings, lambda acting: actions.adopt_others(acting, least))
    if as_json:
        print_json(asdict(done))
    else:
        console.say(
            f"Adopted {done.adopted:,} with at least {least} confidence. Their files are not sent."
        )


def _show_matches(
    settings: Settings, number: int, say: Callable[[str], None], *, as_json: bool
) -> None:
    page = read(
        settings, lambda transaction: others.page(transaction, number, offset=0, limit=100_000)
    )
    rows = [MatchBody.of(one).model_dump() for one in page.items]
    if as_json:
        print_rows(rows, as_json=True)
        return
    counts: dict[str, int] = {}
    for one in page.items:
        counts[one.confidence] = counts.get(one.confidence, 0) + 1
    told = ", ".join(f"{number} {word}" for word, number in counts.items()) or "none"
    say(f"Activities that other tools made: {told}")
    for one in page.items[:MAX_LINES_PRINTED]:
        what = f"{one.filename} of {one.login}" if one.filename else "no file"
        say(f"  {one.confidence}: activity {one.activity_id} is {what}: {one.because}")
    if page.total > MAX_LINES_PRINTED:
        say(f"  and {page.total - MAX_LINES_PRINTED} more; --dry-run --json shows all")
