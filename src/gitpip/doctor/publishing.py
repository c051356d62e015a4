"""Publishing as the doctor sees it: does the detector of credentials find one?"""

import time
from collections.abc import Mapping
from contextlib import closing

from gitpip.config import Settings
from gitpip.config.publishing.policy import effective, policy_of
from gitpip.modes import CredentialsGuard
from gitpip.publish.credentials.detector import Detector
from gitpip.publish.credentials.findings import Parts
from gitpip.status.findings import Finding, failure, ok

DETECTOR = "credentials detector"
PLANTED = "key = 'gh" + "p_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5'\n"
"""A token of nobody's, in two pieces, so that no detector finds one in this file."""
UNTIL_THEN = "install gitpip's dependencies again, or run its image; until then files are held"


async def look_at_detector(
    settings: Settings, stored: Mapping[str, str], detector: Detector | None = None
) -> Finding:
    """Make it examine a planted sample, within its limit for one file; asks no host."""
    policy = policy_of(effective(settings.publishing, stored))
    if policy.credentials is CredentialsGuard.PUBLISH:
        return ok(DETECTOR, "off, because the setting credentials is publish")
    began = time.monotonic()
    with closing(detector or Detector()) as asked:
        found = await asked.examined(Parts("", "", PLANTED))
    if found.not_judged is not None:
        return failure(DETECTOR, f"a sample could not be examined: {found.not_judged}", UNTIL_THEN)
    if found.is_clean:
        blind = "it finds no token in a sample that holds one, so credentials would be published"
        return failure(DETECTOR, blind, "pause publishing; install gitpip's dependencies again")
    took = (time.monotonic() - began) * 1000
    return ok(DETECTOR, f"works (found a sample token in {took:,.0f} ms, including start)")
