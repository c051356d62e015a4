"""Reading a `.env` file: its values, and the lines that can't be read."""

import re
from pathlib import Path
from stat import S_ISDIR

from dotenv.parser import Binding, parse_stream

QUOTED = re.compile(r"""\s*(?:export\s+)?[^=\s]+\s*=\s*["']""")


def read_env_file(path: Path, faults: list[str]) -> dict[str, str]:
    """Return the values of a `.env` file, or none if it is missing; a `$` in a value stays.

    A sentence for each unreadable line is added to `faults`. It leaves out the line, which can be a
    secret. python-dotenv's reader of files would only log a warning for it.

    pydantic-settings can only read such a file with `${NAME}` replaced from the environment. A
    downloaded file could send any secret of the environment to a host of its own that way.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return {}  # it is missing, or in a folder that can't be read
    if S_ISDIR(mode):
        return {}
    values = {}
    with path.open(encoding="utf-8") as stream:
        for binding in parse_stream(stream):
            if binding.error or (binding.key and binding.value is None):
                faults.append(f"{path}, line {_line(binding)}: {_problem(binding)}")
            elif binding.key and binding.value is not None:
                values[binding.key] = binding.value
    return values


def _line(binding: Binding) -> int:
    """Return the line on which it begins; python-dotenv includes empty lines before it."""
    text = binding.original.string
    return binding.original.line + text[: -len(text.lstrip())].count("\n")


def _problem(binding: Binding) -> str:
    if QUOTED.match(binding.original.string):
        return "the quote is not closed at the end of the value; close it, or use no quotes"
    return "not NAME=VALUE; correct it, or put a # before it"
