"""Bodies of visits."""

from dataclasses import asdict
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from gitpip.bodies.gists import FileBody
from gitpip.bodies.noun import ShownViewer
from gitpip.store.visits.visits import Visit


class VisitBody(BaseModel):
    """A visit: which of the user's files it showed, and when (UTC)."""

    id: int
    login: str
    viewer: ShownViewer
    after: int
    up_to: int
    at: datetime
    files: list[FileBody]

    @classmethod
    def of(cls, visit: Visit) -> Self:
        """The body of a visit, without what it showed."""
        return cls.model_validate({**asdict(visit), "files": []})
