"""Numbers with decimals, as options take them."""

import typer

from gitpip.validation import read_decimal


def decimal(given: str | float) -> float:
    """Return the number of an option, or its default; raises BadParameter for `1,5` and `1.000`."""
    try:
        return read_decimal(str(given))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
