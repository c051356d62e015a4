"""`--json login,tags`: which fields of its JSON a command prints, for all commands at once."""

import json
from collections.abc import Sequence
from contextvars import ContextVar

import typer
from typer.core import TyperCommand, TyperGroup

from gitpip.cli.json_shapes import fields_of
from gitpip.errors import InvalidInput

OPTION = "--json"
_fields: ContextVar[tuple[str, ...] | None] = ContextVar("fields", default=None)


def take(context: typer.Context, group: TyperGroup, words: Sequence[str]) -> list[str]:
    """Return the rest of a command line once the fields are taken out, which `as_json` then prints.

    `--json` stays. The word after it is a list of fields where it can be nothing else: in
    `users show --json ada` it is the username, as without fields. Raises InvalidInput for a field
    that the command's JSON does not have, before the command changes anything.
    """
    command, depth = _command(context, group, words)
    _fields.set(None)
    before, own = [*words[:depth]], [*words[depth:]]
    end = own.index("--") if "--" in own else len(own)
    for place, word in enumerate(own[:end]):
        name, is_given, text = word.partition("=")
        if name != OPTION:
            continue
        rest = own[place + 1 :]
        if not is_given and place + 1 < end and _is_extra(context, command, own, rest[0]):
            is_given, text, rest = "=", rest[0], rest[1:]
        if not is_given:
            break
        fields = tuple(field.strip() for field in text.split(","))
        if known := fields_of(before, own):
            _check(fields, known)
        _fields.set(fields)
        return [*before, *own[:place], OPTION, *rest]
    return [*words]


def as_json(value: object, *, indent: int | None) -> str:
    """A value of JSON types as text, with the fields that were asked for, or all of them.

    Raises InvalidInput for a field that it does not have, with those that it has.
    """
    # JSON escapes every control character but this one, which it allows in strings.
    return json.dumps(_chosen(value), indent=indent).replace("\x7f", r"\u007f")


def _chosen(value: object) -> object:
    fields = _fields.get()
    if fields is None:
        return value
    if isinstance(value, list):
        return [_picked(row, fields) for row in value]
    return _picked(value, fields)


def _picked(row: object, fields: Sequence[str]) -> object:
    if not isinstance(row, dict):
        return row
    _check(fields, [*row])
    return {field: row[field] for field in fields}


def _check(fields: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [field for field in fields if field not in known]:
        raise InvalidInput(OPTION, f"unknown field {unknown[0]!r}; fields: {', '.join(known)}")


def _command(
    context: typer.Context, group: TyperGroup, words: Sequence[str]
) -> tuple[TyperCommand | TyperGroup, int]:
    """The command that these words name, and how many of them do."""
    command: TyperCommand | TyperGroup = group
    for depth, word in enumerate(words):
        found = command.get_command(context, word) if isinstance(command, TyperGroup) else None
        if not isinstance(found, TyperCommand | TyperGroup):
            return command, depth
        command = found
    return command, len(words)


def _is_extra(
    context: typer.Context, command: TyperCommand | TyperGroup, words: list[str], word: str
) -> bool:
    """Return whether a command could not take this word for anything else."""
    if word.startswith("-"):
        return False
    if isinstance(command, TyperGroup):
        return command.get_command(context, word) is None
    own = typer.Context(command, parent=context)
    try:
        _, extra, _ = command.make_parser(own).parse_args([*words])
    except typer.TyperException:  # parsing it once more tells what is wrong
        return False
    return bool(extra)
