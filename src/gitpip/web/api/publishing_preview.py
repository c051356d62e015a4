"""`/api/v1/publishing/preview`: what activities would look like under other templates."""

from typing import Annotated

from pydantic import Field

from gitpip.actions.trial import MAX_TRIALS, Per, trials_of
from gitpip.bodies.publishing_preview import TrialBody
from gitpip.model import Role
from gitpip.web.api.parameters import RequestBody, WholeNumber
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context

router = api_router("publishing", prefix="/api/v1/publishing")


class TrialRequest(RequestBody):
    """Templates to try, and what to try them with; null stands for the present template."""

    subject_template: str | None = None
    note_template: str | None = None
    of: Annotated[str | None, Field(max_length=100)] = None
    """A user's login or the id of a gist; null shows sample gists."""
    limit: Annotated[WholeNumber, Field(ge=1, le=MAX_TRIALS)] = 10
    """The most activities that are shown."""
    activity_per: Per | None = None
    """The files that one activity holds; null stands for the present setting."""


@router.post("/preview")
@needs(Role.OPERATOR)
async def preview_templates(wanted: TrialRequest, context: Context) -> list[TrialBody]:
    """Preview the activities of sample gists or stored ones. Nothing is stored or sent."""
    async with context.database.read() as transaction:
        trials = await trials_of(
            transaction,
            context.settings,
            wanted.subject_template,
            wanted.note_template,
            wanted.activity_per,
        )
        found = (
            trials.samples()
            if wanted.of is None
            else await trials.stored(transaction, wanted.of, wanted.limit)
        )
    return [TrialBody.of_trial(trial) for trial in found]
