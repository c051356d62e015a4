"""The comparison of the publishing settings with the account: whether it has what they name."""

from collections.abc import Mapping

from gitpip.config import Settings
from gitpip.config.publishing.activity import DEFAULT_TYPE
from gitpip.config.publishing.policy import PublishingPolicy, effective, policy_of
from gitpip.publish.destination import Destination, LookFailed
from gitpip.publish.resolution import About, Resolved, ask_for, needed, resolve
from gitpip.status.findings import Finding, failure, ok, warning

PROBLEM_SUBJECT = "publishing settings"
CHANGE = "change it under Settings or with gitpip publishing settings, or create it in Pipedrive"


async def look_at_settings(
    settings: Settings, stored: Mapping[str, str], destination: Destination
) -> tuple[Finding, ...]:
    """Compare the settings with the account's lists.

    Costs 30 tokens, and 10 to 20 for each list more.
    """
    policy = policy_of(effective(settings.publishing, stored))
    try:
        catalog = await destination.catalog(
            needed(policy, About.ACTIVITY) | needed(policy, About.DEAL)
        )
    except LookFailed as error:
        return (
            warning(PROBLEM_SUBJECT, f"could not read the account's lists: {error}", "try again"),
        )
    resolved = resolve(policy, catalog)
    found = [
        failure(PROBLEM_SUBJECT, f"{name}: {sentence}", CHANGE)
        for name, sentence in (resolved.of_activity | resolved.of_deal).items()
    ]
    if resolved.required:
        found.append(
            warning(PROBLEM_SUBJECT, ask_for(resolved.required), "see gitpip publishing settings")
        )
    sent = resolved.activity.type
    for name, sentence in resolved.replaced.items():
        found.append(
            warning(PROBLEM_SUBJECT, f"{name}: {sentence}; until then {sent!r} is sent", CHANGE)
        )
    if policy.activity_type == DEFAULT_TYPE and sent != DEFAULT_TYPE and not found:
        no_default = f"the account has no activity type {DEFAULT_TYPE!r}, so {sent!r} is sent"
        found.append(
            warning(PROBLEM_SUBJECT, no_default, "choose a type with the setting activity_type")
        )
    return tuple(found) or (ok(PROBLEM_SUBJECT, _summary(policy, resolved)),)


def _summary(policy: PublishingPolicy, resolved: Resolved) -> str:
    done = "done" if policy.activity_done else "open"
    return f"all exist in the account; activities have the type {resolved.activity.type}, {done}"
