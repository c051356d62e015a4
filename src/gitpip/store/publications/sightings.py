"""Sightings: what lists have shown of our activities."""

from dataclasses import dataclass
from datetime import datetime

from gitpip.model import ActivityId, DealId


@dataclass(frozen=True)
class Sighting:
    """An activity of ours as a list showed it."""

    activity_id: ActivityId
    marker: str
    deal_id: DealId | None
    added_at: datetime | None
    """By Pipedrive's clock."""
    content: str | None = None
    """What it says of its content: see `marking.match`."""
