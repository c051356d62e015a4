"""The question at a terminal before a command does what can't be taken back."""

import sys
from typing import Annotated

import typer

from gitpip.cli.output import errors

Login = Annotated[str, typer.Argument(help="GitHub username of a tracked user.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def asks(*, yes: bool, as_json: bool = False) -> bool:
    """Return whether a person is asked: at a terminal, unless they said yes already or want JSON.

    Elsewhere a program runs the command, and nobody could answer.
    """
    return sys.stdin.isatty() and not (yes or as_json)


def ask(told: str = "", question: str = "Do this?") -> None:
    """Say what would be done, and ask; without a yes, the command ends with 1."""
    if told:
        errors.say(told)
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
