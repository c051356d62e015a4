"""Plain words in code, documents and messages; `CONTRIBUTING.md` says why."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ODD = re.compile(
    r"\b(?:would be right|whom|whomever|whoever|by itself|for ever|of late|gone on with|"
    r"nobody else|bears?|heard just now|as a whole|not here any more|glimpses?|in vain|"
    r"thereby|for want of|be it (?:of|over|under|as|run|sent|known))\b",
    re.IGNORECASE,
)
"""Turns of phrase that readers stumbled over. Say who does what to what instead."""
NUMBERS = re.compile(r"(?<![</])\bfigures?\b", re.IGNORECASE)
"""They are called numbers, metrics or measurements; pages have elements called figure."""
KINDS = {".py", ".md", ".html", ".js", ".css", ".yaml", ".yml", ".tpl", ".toml", ".sh", ".txt"}
PLACES = ("src", "docs", "tests", "benchmarks", "deploy")


def texts() -> list[Path]:
    """Every text of ours: not the work of others, and not this list."""
    found = [path for place in PLACES for path in (ROOT / place).rglob("*")]
    return [
        path
        for path in [*ROOT.glob("*.md"), *found]
        if path.suffix in KINDS and "vendor" not in path.parts and path != Path(__file__)
    ]


@pytest.mark.parametrize("place", ["", *PLACES])
def test_no_odd_words(place: str) -> None:
    odd = []
    for path in texts():
        inside = path.relative_to(ROOT)
        if (inside.parts[0] if len(inside.parts) > 1 else "") != place:
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if ODD.search(line) or (path.suffix in {".py", ".md"} and NUMBERS.search(line)):
                odd.append(f"{inside}:{number}: {line.strip()}")
    assert odd == []
