"""`gitpip completion`: what a shell needs to complete commands, options and their values.

Typer's own scripts start gitpip at each press of Tab, which takes a second. These hold all words,
so a shell answers at once; they are rewritten after an upgrade.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from gitpip.cli.output import console

LONGEST_HELP = 200


class Shell(StrEnum):
    """A shell that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@dataclass
class Completions:
    """Return what can follow the words of a command."""

    next: dict[str, str] = field(default_factory=dict)
    """Commands and values, with what they mean."""
    options: dict[str, str] = field(default_factory=dict)
    """Options, with what they mean."""
    values: dict[str, list[str]] = field(default_factory=dict)
    """Options that take one of these values, or, if there are none, any."""


def completion(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument(help="Shell to complete in.")],
) -> None:
    """Print the completion script for a shell.

    bash: gitpip completion bash > ~/.local/share/bash-completion/completions/gitpip

    zsh: gitpip completion zsh > a file named _gitpip in a folder of $fpath

    fish: gitpip completion fish > ~/.config/fish/completions/gitpip.fish
    """
    root = context.find_root()
    group = root.command
    assert isinstance(group, TyperGroup)  # noqa: S101 (the one that this command is in)
    words = dict(_words(typer.Context(group, help_option_names=root.help_option_names), group, ""))
    scripts = {Shell.BASH: _bash, Shell.ZSH: _zsh, Shell.FISH: _fish}
    for line in scripts[shell](words).splitlines():
        console.quote(line)


def _words(
    context: typer.Context, command: TyperCommand | TyperGroup, path: str
) -> Iterator[tuple[str, Completions]]:
    found = Completions()
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False):
            continue
        items = parameter.shell_complete(context, "")
        choices = [item.value for item in items if item.type == "plain"]
        if isinstance(parameter, TyperOption):
            about = _in_one_line(parameter.help or "")
            found.options |= dict.fromkeys([*parameter.opts, *parameter.secondary_opts], about)
            if not parameter.is_flag:
                found.values |= dict.fromkeys(parameter.opts, choices)
        elif isinstance(parameter, TyperArgument):
            found.next |= dict.fromkeys(choices, _in_one_line(parameter.help or ""))
    children = []
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if isinstance(child, TyperCommand | TyperGroup) and not child.hidden:
                found.next[name] = _in_one_line(child.get_short_help_str(LONGEST_HELP))
                children.append((child, f"{path} {name}".strip()))
    yield path, found
    for child, its_path in children:
        yield from _words(typer.Context(child, parent=context), child, its_path)


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    """A word of bash and zsh, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


PATH = """\
    local word cur_path="" i
    for ((i = FIRST; i < LAST; i++)); do
        word="${cur_path:+$cur_path }${WORDS[i]}"
        case "$word" in
            PATHS) cur_path=$word ;;
        esac
    done"""
"""Finds the command that the line names, in bash and zsh."""


def _path(words: Mapping[str, Completions], **names: str) -> str:
    text = PATH.replace("PATHS", "|".join(_quoted(path) for path in words if path))
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def _bash(words: Mapping[str, Completions]) -> str:
    cases, values = [], []
    for path, found in words.items():
        shown = " ".join([*found.next, *found.options])
        cases.append(f"        {_quoted(path)}) words={_quoted(shown)} ;;")
        for option, choices in found.values.items():
            values.append(
                f"        {_quoted(f'{path} {option}')}) words={_quoted(' '.join(choices))} ;;"
            )
    names = {"FIRST": "1", "LAST": "COMP_CWORD", "WORDS": "COMP_WORDS"}
    return "\n".join(
        [
            "_gitpip() {",
            '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=""',
            _path(words, **names),
            '    case "$cur_path $prev" in',
            *values,
            '        *) case "$cur_path" in',
            *cases,
            "        esac ;;",
            "    esac",
            '    COMPREPLY=($(compgen -W "$words" -- "$cur"))',
            "}",
            "complete -o default -F _gitpip gitpip",
        ]
    )


def _zsh(words: Mapping[str, Completions]) -> str:
    def described(options: Mapping[str, str]) -> str:
        return " ".join(_quoted(f"{name}:{about}") for name, about in options.items())

    cases, values = [], []
    for path, found in words.items():
        cases.append(f"        {_quoted(path)}) found=({described(found.next | found.options)}) ;;")
        for option, choices in found.values.items():
            taken = " ".join(map(_quoted, choices))
            values.append(f"        {_quoted(f'{path} {option}')}) found=({taken}) ;;")
    names = {"FIRST": "2", "LAST": "CURRENT", "WORDS": "words"}
    return "\n".join(
        [
            "#compdef gitpip",
            "_gitpip() {",
            "    local -a found",
            _path(words, **names),
            '    case "$cur_path ${words[CURRENT - 1]}" in',
            *values,
            '        *) case "$cur_path" in',
            *cases,
            "        esac ;;",
            "    esac",
            "    (( $#found )) && _describe 'gitpip' found || _files",
            "}",
            # In a folder of $fpath, this file is the function itself when it is first called.
            'if [ "$funcstack[1]" = "_gitpip" ]; then _gitpip; else compdef _gitpip gitpip; fi',
        ]
    )


def _fish(words: Mapping[str, Completions]) -> str:
    lines = [
        "function __gitpip_path",
        '    set -l found ""',
        "    for word in (commandline -opc)[2..]",
        '        set -l longer (string trim -- "$found $word")',
        f"        contains -- $longer {' '.join(_quoted(path) for path in words if path)}",
        "        and set found $longer",
        "    end",
        "    echo $found",
        "end",
    ]
    for path, found in words.items():
        here = f'-n \'test "$(__gitpip_path)" = "{path}"\''
        for word, about in found.next.items():
            lines.append(f"complete -c gitpip {here} -f -a {word} -d {_fish_quoted(about)}")
        for option, about in found.options.items():
            kind = "-l" if option.startswith("--") else "-s"
            line = f"complete -c gitpip {here} {kind} {option.lstrip('-')} -d {_fish_quoted(about)}"
            if option in found.values:
                choices = found.values[option]
                line += f" -x -a {_fish_quoted(' '.join(choices))}" if choices else " -r"
            lines.append(line)
    return "\n".join(lines)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
