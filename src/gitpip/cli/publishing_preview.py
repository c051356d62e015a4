"""The command that shows what activities would look like under other templates."""

import time
from pathlib import Path
from typing import Annotated

import typer

from gitpip.actions.trial import MAX_TRIALS, Per, Trial, TrialCount, trials_of
from gitpip.bodies.publishing_preview import TrialBody
from gitpip.cli.output import (
    Json,
    console,
    prepared_settings,
    print_json,
    print_text,
    read,
)
from gitpip.counts import count
from gitpip.store.database import Transaction


def preview(  # noqa: PLR0913, PLR0917 (each is an option)
    of: Annotated[
        str | None, typer.Argument(help="Username or gist ID. Default: sample gists.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Template for the subject.")] = None,
    note_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="File with a template for the note."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Render every stored file and show only counts."),
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_TRIALS, help="Maximum number of activities.")
    ] = 10,
    per: Annotated[
        Per | None,
        typer.Option(help="One activity per file or per gist. Default: as it is set."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Preview activities, with the current or other templates. Nothing is sent."""
    if every and of is not None:
        raise typer.BadParameter("--all takes every file; leave out the login or gist")
    settings = prepared_settings()
    note = note_file.read_text() if note_file else None

    async def tried(transaction: Transaction) -> tuple[Trial, ...] | TrialCount:
        trials = await trials_of(transaction, settings, subject, note, per)
        if every:
            return await trials.everything(transaction)
        return trials.samples() if of is None else await trials.stored(transaction, of, limit)

    started = time.monotonic()
    found = read(settings, tried)
    if isinstance(found, TrialCount):
        _print_count(found, time.monotonic() - started, as_json=as_json)
    elif as_json:
        print_json([TrialBody.of_trial(trial).model_dump() for trial in found])
    elif not found:
        console.say(f"No stored gists match {of}.")
    else:
        for trial in found:
            console.say(f"{trial.of}:")
            console.quote(f"  subject: {trial.activity.subject}")
            print_text("note", trial.activity.note, indent="  ")
            if trial.activity.is_cut:
                console.say("  Shortened to fit.")


def _print_count(found: TrialCount, seconds: float, *, as_json: bool) -> None:
    if as_json:
        print_json({"files": found.files, "cut": found.cut, "longest_note": found.longest})
        return
    console.say(
        f"{count(found.files, 'file')} rendered in {seconds:.1f} s; {found.cut:,} of the notes lack"
        f" some of the content, since Pipedrive takes 100 KB; the longest note has"
        f" {found.longest:,} bytes."
    )
