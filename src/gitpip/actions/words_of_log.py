"""The words for each act in the audit log, on its page and in `gitpip log`; JSON keeps codes."""

from collections.abc import Mapping

from gitpip.store.access.audit_log import AuditEntry
from gitpip.store.schema_publishing import RepairAct
from gitpip.store.status import pauses

ACTED: Mapping[RepairAct, str] = {
    RepairAct.APPROVE: "Approved",
    RepairAct.HOLD: "Held",
    RepairAct.RETRY: "Retried",
    RepairAct.SEND_AGAIN: "Queued",
    RepairAct.SKIP: "Skipped",
}
"""The words for acts on files that are done."""

WORDS: Mapping[str, str] = {
    "user.added": "Added",
    "user.changed": "Changed the settings of",
    "user.paused": "Paused checks of",
    "user.resumed": "Resumed checks of",
    "user.check_requested": "Started a check of",
    "user.removed": "Stopped tracking",
    "users.import_uploaded": "Uploaded a list:",
    "users.imported": "Imported people from",
    "check.requested": "Started check",
    "publication.retried": "Retried file",
    "publication.skipped": "Skipped file",
    "publications.approved": "Approved held files:",
    "publications.held": "Held files:",
    "held.decided": "Decided about held files of",
    "notes.retried": "Retried notes that Pipedrive rejected:",
    "notes.left": "Kept notes that Pipedrive rejected:",
    "publishing.paused": "Paused sync",
    "publishing.resumed": "Resumed sync. Reason for the pause:",
    "publishing.settings_changed": "Changed the setting",
    "pause.ended": "Ended the pause of",
    "rule.added": "Added rule",
    "rule.changed": "Changed rule",
    "rule.moved": "Moved rule",
    "rule.removed": "Removed rule",
    "opt_out.added": "Added an opt-out:",
    "opt_out.changed": "Changed the opt-out of",
    "opt_out.removed": "Removed the opt-out of",
    "repair.begun": "Started repair",
    "repair.resumed": "Resumed repair",
    "repair.ended": "Finished repair",
    "undo.begun": "Started undo",
    "undo.resumed": "Resumed undo",
    "adoption.requested": "Started a comparison with",
    "activities.adopted": "Adopted activities that were in Pipedrive already:",
    "problem.acknowledged": "Acknowledged",
    "account.switched": "Switched the account:",
    "audit.requested": "Started audit",
    "others.searched": "Searched for activities of other tools: search",
    "others.adopted": "Adopted activities of other tools:",
    "key.created": "Created the access key",
    "key.rotated": "Replaced the secret of the access key",
    "key.revoked": "Revoked the access key",
    "session.begun": "Signed in as",
    "feed_address.created": "Created a feed link:",
    "feed_address.revoked": "Revoked a feed link:",
    "filter.saved": "Saved the filter",
    "filter.deleted": "Deleted the filter",
}
"""The words for each code; what the act was done to follows."""

ENDED_PAUSES: Mapping[str, str] = {
    pauses.PUBLISHING: "Resumed sync (Try now)",
    pauses.EXAMINING: "Resumed sync (Try now)",
    pauses.WATCHING: "Resumed checks (Try now)",
    pauses.READING: "Resumed reading new gists (Try now)",
    pauses.SWEEPING: "Resumed checks of many people at once (Try now)",
}
"""The words for the end of a pause of each name."""


def act_in_words(entry: AuditEntry) -> str:
    """Return what a person did, and to what.

    An act that only another version records keeps its code.
    """
    if entry.action == "pause.ended" and entry.subject in ENDED_PAUSES:
        return ENDED_PAUSES[entry.subject]
    return f"{WORDS.get(entry.action, entry.action)} {entry.subject}".rstrip()
