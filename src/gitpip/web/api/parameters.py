"""What the endpoints for programs take in paths and queries."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator

from gitpip.validation import possible_login

Offset = Annotated[int, Query(ge=0, le=10**9, description="How many to leave out.")]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Number = Annotated[int, Path(ge=1, le=2**53)]
Login = Annotated[str, Path(max_length=100), AfterValidator(possible_login)]


def _printable(text: str | None) -> str | None:
    if text is not None and not text.isprintable():
        raise ValueError("must hold printable characters only")
    return text


Viewer = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=100,
        description="Who looks; each viewer has own visits. Without, the name of the access key.",
    ),
    AfterValidator(_printable),
]
