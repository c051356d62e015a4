"""Bodies of gists in the inbox, of marks and of saved filters."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody, ShownViewer
from gitpip.model import PublicationState
from gitpip.store.inbox.entries import InboxEntry
from gitpip.store.inbox.saved import SavedFilter
from gitpip.store.visits.home import HomeVisit


class InboxGistBody(BaseModel):
    """A gist of the inbox. Times are UTC."""

    gist_id: str
    login: str
    tags: list[str]
    title: str
    """Its description, or the name of a file where it has none."""
    html_url: str
    created_at: datetime
    found_at: datetime
    """The time at which its newest file or content was found."""
    edited_at: datetime | None
    unread: bool
    files: list[str]
    """The names of those that changed last."""
    file_count: int
    state: PublicationState | None
    """The state of the file that a person should look at first."""
    activity_id: int | None
    deal_id: int | None

    @classmethod
    def of(cls, entry: InboxEntry) -> Self:
        """The body of a gist."""
        return cls(
            gist_id=entry.gist_id,
            login=entry.login,
            tags=list(entry.tags),
            title=entry.title,
            html_url=entry.html_url,
            created_at=entry.created_at,
            found_at=entry.at,
            edited_at=entry.edit.at if entry.edit else None,
            unread=entry.unread,
            files=[file.filename for file in entry.files],
            file_count=entry.number,
            state=entry.sync.state if entry.sync else None,
            activity_id=entry.sync.activity_id if entry.sync else None,
            deal_id=entry.sync.deal_id if entry.sync else None,
        )


class InboxBody(BaseModel):
    """Gists of the inbox; `next` is the value of `before` for the next ones."""

    items: list[InboxGistBody]
    next: str | None


class SavedFilterBody(NounBody[SavedFilter]):
    """A filter that a reader saved; `query` has its fields as the address of the inbox has them."""

    id: int
    viewer: ShownViewer
    name: str
    query: str
    saved_at: datetime


class MarkBody(NounBody[HomeVisit]):
    """Gists that were marked together. Times are UTC."""

    id: int
    viewer: ShownViewer
    at: datetime
    gists: int
    unread: bool
    undone_at: datetime | None
