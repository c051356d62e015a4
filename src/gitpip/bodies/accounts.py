"""Bodies of the vendors' accounts, and of what Pipedrive holds."""

from datetime import datetime

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.store.accounts.accounts import VendorAccount
from gitpip.store.publications.duplicates import Duplicate
from gitpip.store.schema_accounts import Vendor


class AccountBody(NounBody[VendorAccount]):
    """A company on Pipedrive, or an address of GitHub. Times are UTC."""

    vendor: Vendor
    identity: str
    """Pipedrive's id of the company; GitHub's host."""
    name: str
    bound: bool
    """True if the rows belong to it."""
    waits_since: datetime | None
    """Since when it is set although the rows belong to another account."""
    met_at: datetime


class DuplicateBody(NounBody[Duplicate]):
    """An activity with the marker of another one. Times are UTC."""

    activity_id: int
    published_as: int | None
    """The other one, where it is a publication's."""
    deal_id: int | None
    login: str | None
    filename: str | None
    seen_at: datetime
    acknowledged_at: datetime | None
    """The time at which a person acknowledged it: it is no problem any more."""


class AcknowledgedBody(BaseModel):
    """The number of things that an acknowledged problem was about.

    0 if there was none. Of `undo-failed`, `activities` also counts deals.
    """

    activities: int = 0
    imports: int = 0


class AdoptionBody(BaseModel):
    """The result of comparing with Pipedrive. Times are UTC."""

    compared_at: datetime | None
    requested_at: datetime | None
    """The time at which a comparison of everything was requested that is not done yet."""
    adopted: int
    """The number of publications found in Pipedrive that the ledger did not know there."""
    waiting: int
    """Activities of files that are not found yet: they will be stored as published."""
    missing: int
    """The number of the last published activities that Pipedrive does not show; 0 if it shows one,
    or once it is acknowledged."""
    duplicates: list[DuplicateBody]
    """The first hundred."""
