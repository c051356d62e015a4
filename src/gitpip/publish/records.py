"""Recording the result of a publication: in its row, in the metrics and in the log."""

from datetime import datetime

from gitpip.model import Change, Publication, PublicationState
from gitpip.observability import metrics
from gitpip.observability.logging import get_logger
from gitpip.publish.delivery import NotProcessed, Outcome
from gitpip.store.database import Database
from gitpip.store.publications import outbox

log = get_logger()


async def others_pass(database: Database, outcome: Outcome, since: datetime | None) -> bool:
    """Return whether others were accepted `since` a row was sent before, if it was refused.

    The rows tell it, so that a restart of the process changes nothing.
    """
    if since is None or not (isinstance(outcome, NotProcessed) and outcome.everyone):
        return False
    async with database.read() as transaction:
        return await outbox.any_accepted_since(transaction, since)


async def record(
    database: Database,
    claim: Publication,
    change: Change,
    now: datetime,
    *,
    only_in: PublicationState | None = None,
) -> bool:
    """Write an outcome and release the row; return False if the claim was lost.

    With `only_in`, a row in another state is not changed, and False is returned.
    """
    async with database.begin() as transaction:
        ours = await outbox.record(transaction, claim, change, now, only_in=only_in)
    if ours:
        _count(claim, change, now)
        _log(claim, change)
    return ours


def _count(claim: Publication, change: Change, now: datetime) -> None:
    was_uncertain = claim.state is PublicationState.UNCERTAIN
    if was_uncertain and change.state is PublicationState.UNCERTAIN:
        return
    metrics.deliveries.labels(change.state).inc()
    if was_uncertain:
        found = change.state is PublicationState.PUBLISHED
        metrics.reconciled.labels("found" if found else "not_found").inc()
    if change.state is PublicationState.PUBLISHED and claim.appeared_at is not None:
        # GitHub's clock may be ahead of ours. A negative number would make the sum fall.
        age = max((now - claim.appeared_at).total_seconds(), 0)
        metrics.creation_to_activity_seconds.observe(age)


def _log(claim: Publication, change: Change) -> None:
    bound = log.bind(
        login=claim.login,
        gist_id=claim.gist_id,
        filename=claim.filename,
        publication_id=claim.id,
        marker=claim.marker,
    )
    match change.state:
        case PublicationState.PUBLISHED:
            bound.info("publication.published", activity_id=change.accepted_id)
        case PublicationState.FAILED:
            bound.error("publication.failed", reason=change.reason)
        case PublicationState.UNCERTAIN:
            bound.warning("publication.uncertain", reason=change.reason, looks=change.looks)
        case _:
            bound.info("publication.waits", reason=change.reason, until=change.due_at)
