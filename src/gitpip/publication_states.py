"""The states of publications in words, as people read them."""

from collections.abc import Mapping

STATES: Mapping[str, str] = {
    "pending": "Queued",
    "sending": "Sending",
    "uncertain": "Verifying",
    "published": "In Pipedrive",
    "failed": "Failed",
    "skipped": "Skipped",
    "held": "Held",
    "withdrawn": "Undone",
}
