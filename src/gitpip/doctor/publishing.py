"""Publishing as the doctor sees it: does the detector of credentials find one?"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import closing

from gitpip.config import Settings
from gitpip.config.publishing.policy import effective, policy_of
from gitpip.modes import CredentialsGuard
from gitpip.publish.credentials.detector import Detector
from gitpip.status.findings import Finding, failure, ok

DETECTOR = "credentials detector"
UNTIL_THEN = "install gitpip's dependencies again, or run its image; until then new files wait"


async def examine_detector(
    settings: Settings, stored: Mapping[str, str], detector: Detector | None = None
) -> Finding:
    """Make it examine a planted sample, within its limit for one file; asks no host."""
    policy = policy_of(effective(settings.publishing, stored))
    if policy.credentials is CredentialsGuard.PUBLISH:
        return ok(DETECTOR, "off, because the setting credentials is publish")
    began = time.monotonic()
    with closing(detector or Detector()) as asked:
        trouble = await asyncio.to_thread(asked.trouble)
    if trouble is not None:
        return failure(DETECTOR, f"no file can be examined: {trouble}", UNTIL_THEN)
    took = (time.monotonic() - began) * 1000
    return ok(DETECTOR, f"works (found a sample token in {took:,.0f} ms, including start)")
