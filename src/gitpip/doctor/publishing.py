"""Publishing as the doctor sees it: does the account have what the settings name, and does the
detector of credentials find one?
"""

import time
from collections.abc import Mapping
from contextlib import closing

from gitpip.config import Settings
from gitpip.config.publishing.activity import DEFAULT_TYPE
from gitpip.config.publishing.policy import PublishingPolicy, effective, policy_of
from gitpip.doctor.findings import Finding, failure, ok, warning
from gitpip.modes import CredentialsGuard
from gitpip.publish.credentials.detector import Detector
from gitpip.publish.credentials.findings import Parts
from gitpip.publish.destination import Destination, LookFailed
from gitpip.publish.resolution import About, Resolved, ask_for, needed, resolve

ABOUT = "publishing settings"
CHANGE = "change it under Settings or with gitpip publishing settings, or create it in Pipedrive"

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


async def look_at_settings(
    settings: Settings, stored: Mapping[str, str], destination: Destination
) -> tuple[Finding, ...]:
    """Compare them with the account's lists; costs 30 tokens, and 10 to 20 for each list more."""
    policy = policy_of(effective(settings.publishing, stored))
    try:
        catalog = await destination.catalog(
            needed(policy, About.ACTIVITY) | needed(policy, About.DEAL)
        )
    except LookFailed as error:
        return (warning(ABOUT, f"could not read the account's lists: {error}", "try again"),)
    resolved = resolve(policy, catalog)
    found = [
        failure(ABOUT, f"{name}: {sentence}", CHANGE)
        for name, sentence in (resolved.of_activity | resolved.of_deal).items()
    ]
    if resolved.required:
        found.append(warning(ABOUT, ask_for(resolved.required), "see gitpip publishing settings"))
    sent = resolved.activity.type
    for name, sentence in resolved.replaced.items():
        found.append(warning(ABOUT, f"{name}: {sentence}; until then {sent!r} is sent", CHANGE))
    if policy.activity_type == DEFAULT_TYPE and sent != DEFAULT_TYPE and not found:
        no_default = f"the account has no activity type {DEFAULT_TYPE!r}, so {sent!r} is sent"
        found.append(warning(ABOUT, no_default, "choose a type with the setting activity_type"))
    return tuple(found) or (ok(ABOUT, _summary(policy, resolved)),)


def _summary(policy: PublishingPolicy, resolved: Resolved) -> str:
    done = "done" if policy.activity_done else "open to-dos"
    return f"match the account; activities are {resolved.activity.type}s, {done}"
