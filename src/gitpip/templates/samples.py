"""Sample gists, with which templates are tried before they are used, and shown."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gitpip.model import FileKey, GistFile, GistId, UserKey
from gitpip.templates.variables import MOST_ITEMS, Surroundings

_FOUND = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
_CONTENT = "def greet(name):\n    return f'Hello, {name} & <friends>'\n"


@dataclass(frozen=True)
class SampleFile:
    """An invented gist file, and its surroundings."""

    name: str
    file: GistFile
    around: Surroundings
    revision: int = 1
    remarks: tuple[str, ...] = ()


_ORDINARY = SampleFile(
    "an ordinary gist",
    GistFile(
        key=FileKey(0),
        user_key=UserKey(0),
        login="octocat",
        gist_id=GistId("aa5a315d61ae9438b18d24a7be1c6a5e"),
        filename="greeting.py",
        sequence=1,
        blob_hash="8f1c2b7a" * 5,
        size=len(_CONTENT),
        language="Python",
        content=_CONTENT,
        truncated=False,
        raw_url="https://gist.githubusercontent.com/octocat/aa5a315d61ae9438b18d/raw/greeting.py",
        html_url="https://gist.github.com/octocat/aa5a315d61ae9438b18d",
        description='How I greet <everybody> & "their" friends',
        created_at=_FOUND - timedelta(minutes=3),
        updated_at=_FOUND - timedelta(minutes=3),
        found_at=_FOUND,
        publication=None,
        activity_id=None,
    ),
    Surroundings(("greeting.py", "README.md"), "customer-42", ("beta", "europe")),
)
_NAMES = tuple(f"{number:03}-".ljust(255, "n") for number in range(MOST_ITEMS["gist.files"]))
SAMPLES = (
    _ORDINARY,
    replace(
        _ORDINARY,
        name="an edited file",
        revision=2,
        remarks=("Edited on GitHub (noticed 2026-03-15 08:00 UTC).",),
    ),
    SampleFile(
        "a gist without a description, too large to be stored",
        replace(_ORDINARY.file, description=None, language=None, content=None, size=12_000_000),
        Surroundings(("greeting.py",), "octocat"),
    ),
    SampleFile(
        f"a gist of {len(_NAMES)} files with the longest names",
        replace(_ORDINARY.file, filename=_NAMES[0], description="d" * 256),
        Surroundings(_NAMES, "customer-42", tuple(f"tag-{number}" for number in range(10))),
    ),
)
"""The samples, from common to rare."""
