"""The words for the differences of an audit; its JSON and its CSV keep the codes."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "missing": "Pipedrive does not list its activity",
    "twice": "another activity has the same Sync ID",
    "moved": "the activity is under another deal",
    "unknown-marker": "no file in gitpip has the Sync ID of this activity",
    "not-known-as-published": "in Pipedrive, but gitpip does not know that it was sent",
    "not-in-store": "on GitHub, but not stored",
    "edit-not-stored": "edited on GitHub, but not stored",
    "shown-again": "deleted in gitpip, but shown by GitHub",
    "no-publication": "stored, but never queued",
    "held": "held",
    "waits": "queued",
    "failed": "failed",
    "being-looked-for": "gitpip checks whether it arrived",
    "skipped": "skipped",
    "before-backfill": "older than what was to be sent",
    "withdrawn": "undone",
    "with-its-gist": "sent with another file of its gist",
    "published-meanwhile": "sent during the audit",
    "edited-by-a-person": "a person edited the activity",
    "moved-to-deal-of-user": "moved to the person's present deal",
    "deal-changed": "the person has another deal now",
    "deal-gone": "the deal was merged, deleted or archived",
    "kept-by-undo": "a person moved it, so an undo kept it",
    "sent-again": "a person had it sent again",
    "acknowledged": "acknowledged by a person",
    "looked-at-again": "gitpip checks it again for an hour",
    "adopted-from-others": "another tool created the activity",
    "deleted-on-github": "deleted on GitHub",
    "deleted-since-check": "deleted on GitHub since the last check",
    "changed-since-check": "changed on GitHub since the last check",
    "not-checked-yet": "the person was not checked yet",
    "unreadable": "GitHub did not show it",
    "github-not-read": "GitHub did not answer",
    "user-paused": "the person is paused",
    "user-unavailable": "the person can't be found on GitHub",
    "user-removed": "the person is no longer tracked",
}


def explained(code: str) -> str:
    """Return why there is a difference: a code that only another version writes stays as it is."""
    return WORDS.get(code, code)
