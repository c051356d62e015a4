"""Why a publication can't be retried or skipped, in words: its state, and not the name of it."""

from collections.abc import Mapping

from gitpip.model import Publication, PublicationState

IS: Mapping[PublicationState, str] = {
    PublicationState.PENDING: "is queued already",
    PublicationState.SENDING: "is being sent",
    PublicationState.UNCERTAIN: "may have arrived, which gitpip is checking",
    PublicationState.PUBLISHED: "is already in Pipedrive",
    PublicationState.FAILED: "has failed",
    PublicationState.SKIPPED: "is skipped already",
    PublicationState.HELD: "is held",
    PublicationState.WITHDRAWN: "was undone",
}


def why_not_moved(publication: Publication, to: PublicationState) -> str:
    """Why a person's act does not apply to a publication."""
    done = "skipped" if to is PublicationState.SKIPPED else "retried"
    return f"this file {IS[publication.state]}, so it can't be {done}"
