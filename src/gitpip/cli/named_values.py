"""Values that a command line gives by name, such as `larger_than=100000`."""

from collections.abc import Iterable

import typer


def by_name(pairs: Iterable[tuple[str, str]], option: str | None = None) -> dict[str, str]:
    """Return values by their names.

    Raises BadParameter for a name that is given twice: otherwise the last value would count, and
    the first be lost without a word.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise typer.BadParameter(
                f"{name or repr(name)} is given twice; give it once", param_hint=option
            )
        given[name] = value
    return given
