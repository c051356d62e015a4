"""The lists in which a reader marks gists as read, with their addresses: the inbox, a person's."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, urlencode

from gitpip.errors import InvalidInput
from gitpip.model import VisitId
from gitpip.store.inbox import pages
from gitpip.store.inbox.filters import InboxFilter
from gitpip.validation import possible_login

BACK = 2_000
"""The most characters of the query of a list that are read."""


class OfPerson(StrEnum):
    """The gists that the page of a person shows, if it does not show all."""

    UNREAD = "unread"
    WEEK = "week"
    EDITED = "edited"
    FAILED = "failed"


@dataclass(frozen=True)
class ShownList:
    """A page of a list of gists, made anew from the fields of a form."""

    person: str = ""
    """The login whose gists it lists; empty for the inbox."""
    asked: InboxFilter = field(default_factory=InboxFilter)
    """The list of the inbox."""
    show: str = ""
    """The list on the page of a person."""
    before: str = ""

    @classmethod
    def of(cls, form: Mapping[str, object]) -> "ShownList":
        """Return the list that these fields name. Raises UserNotTracked for an impossible login."""
        fields = dict(parse_qsl(str(form.get("back", ""))[:BACK]))
        before = fields.get("before", "")
        before = before if pages.position(before) else ""
        if person := str(form.get("person") or ""):
            show = fields.get("show", "")
            show = show if show in list(OfPerson) else ""
            return cls(possible_login(person), show=show, before=before)
        with suppress(InvalidInput):
            return cls(asked=InboxFilter.of(fields), before=before)
        return cls()

    @property
    def query(self) -> str:
        """The query of its address."""
        own = urlencode({"show": self.show}) if self.show else self.asked.query
        place = urlencode({"before": self.before}) if self.before else ""
        return "&".join(part for part in (own, place) if part)

    def address(self, seen: VisitId | None = None, *, saved: bool = False) -> str:
        """Return its address, with the act that it tells about: of marking, or of saving."""
        told = f"seen={seen}" if seen is not None else ""
        query = "&".join(part for part in (self.query, told, "saved=true" if saved else "") if part)
        path = f"/people/{self.person}" if self.person else "/"
        return f"{path}?{query}" if query else path
