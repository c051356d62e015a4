"""The command that asks for the tokens, tests them, and writes them into `.env`."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from dotenv import set_key
from pydantic import SecretStr

from gitpip.cli.output import console, errors, prepared_settings, run, tell_finding
from gitpip.config import Settings
from gitpip.config.loader import ENVIRONMENT
from gitpip.runtime.vendors import NOTHING_KNOWN, look_at_destination, look_at_github
from gitpip.status.findings import Finding, FindingLevel

FILE = Path(".env")
TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_.~+/=-]+")


@dataclass(frozen=True)
class _Asked:
    """A token that is asked for."""

    name: str
    attribute: str
    vendor: str
    where: str
    """The place where a person finds or makes it."""


TOKENS = (
    _Asked(
        "GITHUB_TOKEN",
        "github_token",
        "GitHub",
        "Make a classic token without any scope at https://github.com/settings/tokens/new",
    ),
    _Asked(
        "PIPEDRIVE_TOKEN",
        "pipedrive_token",
        "Pipedrive",
        "Copy it in Pipedrive from Personal preferences > API",
    ),
)


def set_up() -> None:
    """Ask for the GitHub and Pipedrive tokens, test them and save them to .env.

    Other lines in .env are not changed. Afterwards only you can read the file.

    Tokens from the environment or a secret file are tested, and not changed.
    """
    if not sys.stdin.isatty():
        errors.say(
            "gitpip setup asks at a terminal; elsewhere, write GITHUB_TOKEN and PIPEDRIVE_TOKEN "
            "into .env or the environment"
        )
        raise typer.Exit(1)
    settings = prepared_settings()
    written = []
    try:
        for asked in TOKENS:
            console.say(f"{asked.vendor}")
            token = _ask(settings, asked)
            if token is not None:
                _write(asked.name, token)
                written.append(asked.name)
            console.say("")
    finally:  # also where Ctrl-C ends it
        if written:
            console.say(f"Saved {' and '.join(written)} in {FILE.resolve()}, readable only by you.")
    console.say("Start gitpip with: make run, or gitpip serve. If it runs already, restart it.")


def _ask(settings: Settings, asked: _Asked) -> str | None:
    """A new token, or None where nothing is to be written.

    The vendor accepts it, or could not be reached and the person wants it saved.
    """
    present: SecretStr | None = getattr(settings, asked.attribute)
    if present is not None:
        source = settings.sources.get(asked.name, "a file of secrets")
        console.say(f"{asked.name} is set already, by {source}.")
        accepted = _accepts(_test(settings, asked))
        if source != str(FILE):
            place = "the environment" if source == ENVIRONMENT else source
            console.say("" if accepted else f"Change it in {place}, which wins over .env.")
            return None
        if typer.confirm("Keep it?", default=accepted):
            return None
    console.say(asked.where + ".")
    while True:
        text: str = typer.prompt(
            f"{asked.vendor} token (hidden; Enter to skip)",
            default="",
            hide_input=True,
            show_default=False,
        ).strip()
        if not text:
            console.say(f"Skipped: add {asked.name} to .env later.")
            return None
        if not TOKEN_PATTERN.fullmatch(text):
            console.say(
                "That isn't a token. A token has letters, digits and a few signs, no spaces."
            )
            continue
        findings = _test(settings.model_copy(update={asked.attribute: SecretStr(text)}), asked)
        if _accepts(findings):
            return text
        unreachable = any(
            finding.verdict is FindingLevel.FAILURE and finding.is_of_connection
            for finding in findings
        )
        # It may be right: the network can be the trouble, and asking again finds out nothing.
        if unreachable:
            if typer.confirm("Save the token untested?", default=False):
                return text
            console.say("Not saved. Enter the token again to repeat the test, or skip it.")


def _accepts(findings: Sequence[Finding]) -> bool:
    return all(finding.verdict is not FindingLevel.FAILURE for finding in findings)


def _test(settings: Settings, asked: _Asked) -> Sequence[Finding]:
    """Return the vendor's answer to the token of these settings; print it."""
    looking = look_at_github if asked.attribute == "github_token" else look_at_destination
    findings = run(looking(settings, NOTHING_KNOWN)).findings
    for finding in findings:
        tell_finding(finding)
    return findings


def _write(name: str, value: str) -> None:
    """Set one line of the file, which only its owner can read from then on."""
    FILE.touch(mode=0o600)
    FILE.chmod(0o600)
    set_key(FILE, name, value, quote_mode="never", follow_symlinks=True)
