"""The faults of a drill: every kind that the stand-ins know, at both vendors."""

from datetime import timedelta
from typing import Final

from gitpip_standins import Fault

LATEST_PROCESSING: Final = timedelta(seconds=1.5)
"""The latest time at which a request is processed after its client has gone."""

_EITHER: Final = (
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.cut(),
    Fault.hang(processed=True),
    Fault.late(LATEST_PROCESSING),
    Fault.slow(timedelta(seconds=0.5)),
    Fault.lands(LATEST_PROCESSING),
    Fault.error(500),
    Fault.error(500, processed=True),
    Fault.html(502),
    Fault.html(503, processed=True),
    Fault.broken_json(),
    Fault.empty(),
    Fault.says(200, ["not", "an", "answer"], processed=True),
)
# A lost request and a processed one look the same to the client. One in five of these is lost.
# After a third failure in a row a request waits for four minutes, then for sixteen.

PIPEDRIVE: Final = (*_EITHER, Fault.held(), Fault.limited({"x-ratelimit-reset": "1"}))
GITHUB: Final = (*_EITHER, Fault.hang(), Fault.limited({"retry-after": "1"}))
# Without a Retry-After GitHub's documents ask for a minute, in which a drill would learn nothing.
# A ban by Pipedrive's edge (a page with 403) is left out for the same reason: it lasts five.
