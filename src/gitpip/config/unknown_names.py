"""The search for names that no setting has, and for the setting that may be meant."""

from collections.abc import Container, Iterable, Mapping
from difflib import get_close_matches

from gitpip.config.publishing.policy import registry
from gitpip.config.settings import fields, secret_names

OWN = "GITPIP_"
SHORT_NAME = 4
"""The most letters of a name in which two wrong ones make another word."""


def unknown_names(
    layer: Mapping[str, str], source: str, given: Container[str], *, is_ours: bool
) -> list[str]:
    """Return a sentence for each name in `layer` that no setting has.

    A name without our prefix is only reported if it is similar to a setting that is not `given`:
    the environment has variables of other programs, such as GITHUB_ACTIONS. In a file that
    `is_ours`, longer names of a setting are also reported, such as PIPEDRIVE_API_TOKEN.
    """
    secrets = {f"{name}_FILE": name for name in secret_names()}
    known = {name: name for name in fields()} | secrets
    known |= {one.variable: one.variable for one in registry().values()}
    missing = [
        name for name, setting in known.items() if setting not in given and not name.startswith(OWN)
    ]
    faults = []
    for name in (name for name, value in layer.items() if value.strip() and name not in known):
        if name.upper().startswith(OWN):
            guess = _guess(name.upper(), known)
        elif meant := meant_by(name.upper(), missing, by_words=is_ours):
            guess = f"; did you mean {meant}?"
        else:
            continue
        faults.append(f"{one_line(name)}: no such setting ({source}){guess}")
    return faults


def meant_by(name: str, missing: Iterable[str], *, by_words: bool = False) -> str | None:
    """Return the one of `missing` that `name` misspells, or None if it is a name of its own.

    `by_words` also accepts one of them with more words between its vendor and the rest.
    """
    for one in missing:
        vendor, _, rest = one.partition("_")
        starts_alike = name.startswith(f"{vendor}_")
        # GITLAB_TOKEN is two letters from GITHUB_TOKEN, and PIPEDRIVE_URL from PIPEDRIVE_ORG.
        allowed = 2 if starts_alike and len(rest) > SHORT_NAME else 1
        if abs(len(name) - len(one)) <= allowed and _distance(name, one) <= allowed:
            return one
        if by_words and starts_alike and name.endswith(f"_{rest}"):
            return one
    return None


def one_line(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= 100 else f"{shown[:100]}..."  # noqa: PLR2004


def _guess(name: str, known: Iterable[str]) -> str:
    """Return the nearest setting. The common prefix is ignored, as it makes all names similar."""
    whole = {one.removeprefix(OWN): one for one in known}
    matches = get_close_matches(name.removeprefix(OWN), sorted(whole), n=1)
    return f"; did you mean {whole[matches[0]]}?" if matches else ""


def _distance(one: str, other: str) -> int:
    """Return how many letters are added, left out, replaced or swapped with the next.

    https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance#Optimal_string_alignment_distance
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        row = [i + 1]
        for j, counterpart in enumerate(other):
            least = min(last[j + 1] + 1, row[j] + 1, last[j] + (letter != counterpart))
            if i and j and (letter, one[i - 1]) == (other[j - 1], counterpart):
                least = min(least, before[j - 1] + 1)
            row.append(least)
        before, last = last, row
    return last[-1]
