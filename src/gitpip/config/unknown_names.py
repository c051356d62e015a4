"""Names that no setting has, with the setting that may be meant."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from gitpip.config.settings import fields, secret_names

OWN = "GITPIP_"


def unknown_names(layer: Mapping[str, str], source: str) -> list[str]:
    """A sentence for each name in `layer` that no setting has."""
    known = {*fields(), *(f"{name}_FILE" for name in secret_names())}
    return [
        f"{one_line(name)}: no such setting ({source}){_guess(name.upper(), known)}"
        for name, value in layer.items()
        if value.strip() and name.upper().startswith(OWN) and name not in known
    ]


def one_line(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= 100 else f"{shown[:100]}..."  # noqa: PLR2004


def _guess(name: str, known: Iterable[str]) -> str:
    """The nearest setting; the prefix that nearly all have is left out, as it makes all alike."""
    whole = {one.removeprefix(OWN): one for one in known}
    matches = get_close_matches(name.removeprefix(OWN), sorted(whole), n=1)
    return f"; did you mean {whole[matches[0]]}?" if matches else ""
