"""Bodies of the secret addresses of feeds."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody, ShownViewer
from gitpip.store.access.feed_tokens import FeedAddress, IssuedAddress


class FeedAddressBody(NounBody[FeedAddress]):
    """A secret address of the feeds, without its secret. Times are UTC."""

    id: int
    name: str
    viewer: ShownViewer
    """Its maker; a browser without a key is named by a part of a hash."""
    created_at: datetime
    used_at: datetime | None


class IssuedAddressBody(BaseModel):
    """An address just made, shown only now: who knows it can read the feeds."""

    id: int
    name: str
    atom: str
    json_feed: str

    @classmethod
    def of(cls, issued: IssuedAddress, base: str) -> Self:
        """The body of an address just made, below the address of the service."""
        place = f"{base}/feeds/{issued.secret}/gists"
        return cls(
            id=issued.address.id,
            name=issued.address.name,
            atom=f"{place}.atom",
            json_feed=f"{place}.json",
        )
