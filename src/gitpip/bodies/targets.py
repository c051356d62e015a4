"""Bodies of what there is in Pipedrive to put activities to."""

from typing import Self

from pydantic import BaseModel

from gitpip.publish.destination import SearchHit


class HitBody(BaseModel):
    """A deal, lead, person or organization that was found."""

    target: str
    """The value to set as a user's `target`, like `deal:42`."""
    title: str
    person: str | None
    organization: str | None
    owner_id: int | None
    fault: str | None
    """The reason why it can't be chosen; null where it can."""

    @classmethod
    def of(cls, hit: SearchHit) -> Self:
        """The body of a hit."""
        return cls(
            target=str(hit.target),
            title=hit.title,
            person=hit.person,
            organization=hit.organization,
            owner_id=hit.owner_id,
            fault=hit.fault,
        )


class FoundBody(BaseModel):
    """The results of a search, the best first; at most 20."""

    items: list[HitBody]
