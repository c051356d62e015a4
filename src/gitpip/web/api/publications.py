"""`/api/v1/publications` and `/api/v1/notes`: what goes into the CRM."""

from dataclasses import asdict

from pydantic import Field

from gitpip.actions import publications as actions
from gitpip.bodies.noun import ListBody
from gitpip.bodies.publications import ActivityPreview, MovedBody, PublicationBody
from gitpip.bodies.repairs import CauseBody
from gitpip.bodies.status import NotesAct, NotesBody
from gitpip.clock import utc_now
from gitpip.model import Publication, PublicationId, Role
from gitpip.modes import FoundCredentials
from gitpip.publish.policy import Policies
from gitpip.publish.preview import conditions
from gitpip.store.publications import causes, publications
from gitpip.store.publications.selection import MAX_IDS_CHOSEN
from gitpip.store.users import users
from gitpip.web.api.parameters import Id, Limit, Number, Offset, RequestBody
from gitpip.web.api.repairs import Wanted
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing

router = api_router()


@router.get("/publications", tags=["publications"])
@needs(Role.VIEWER)
async def list_publications(
    context: Context,
    wanted: Wanted,
    offset: Offset = 0,
    limit: Limit = 100,
) -> ListBody[PublicationBody]:
    """List publications, newest first: all of them, or those that match a filter."""
    async with context.database.read() as transaction:
        page = await publications.page(transaction, wanted, offset=offset, limit=limit)
        stops = await context.stops(transaction)
    items = [PublicationBody.under(publication, stops) for publication in page.items]
    return ListBody(items=items, total=page.total, offset=offset, limit=limit)


@router.get("/publications/causes", tags=["publications"])
@needs(Role.VIEWER)
async def list_causes(context: Context, wanted: Wanted) -> list[CauseBody]:
    """List the causes of publications' states, most frequent first.

    At most 100. Use a filter to find others.
    """
    async with context.database.read() as transaction:
        return [CauseBody.of(one) for one in await causes.of(transaction, wanted)]


@router.get("/publications/{publication_id}", tags=["publications"])
@needs(Role.VIEWER)
async def get_publication(publication_id: Number, context: Context) -> PublicationBody:
    """Get a publication."""
    async with context.database.read() as transaction:
        found = await publications.get(transaction, PublicationId(publication_id))
        return PublicationBody.under(found, await context.stops(transaction))


@router.get("/publications/{publication_id}/preview", tags=["publications"])
@needs(Role.VIEWER)
async def preview_publication(
    publication_id: Number,
    context: Context,
    credentials: FoundCredentials = FoundCredentials.PUBLISH,
) -> ActivityPreview:
    """Get exactly what would be sent to Pipedrive now.

    For a file held for credentials, this is what an approval with `credentials` would send.
    """
    async with context.database.read() as transaction:
        publication = await publications.get(transaction, PublicationId(publication_id))
        user = await users.get(transaction, publication.user_key)
        activity = await context.preview(
            transaction, publication.file_key, publication.revision, credentials=credentials
        )
        sent = await conditions(
            transaction,
            activity.day,
            policies=Policies(context.settings.publishing),
            now=utc_now(),
        )
    target = user.target if publication.sent_at is None else publication.sent_to
    deal_id = publication.deal_id
    if deal_id is None and target is None:
        deal_id = user.deal_id
    return ActivityPreview(
        subject=activity.subject,
        note=activity.note,
        deal_id=deal_id,
        target=None if target is None else str(target),
        masked=list(activity.masked),
        credentials=list(activity.credentials),
        **asdict(sent),
    )


class WhichBody(RequestBody):
    """The chosen publications: give one of the three."""

    ids: list[Id] = Field([], max_length=MAX_IDS_CHOSEN)
    login: str = ""
    """The login of their user."""
    all: bool = False

    @property
    def which(self) -> actions.PublicationChoice:
        """The publications that an act is about."""
        return actions.PublicationChoice(
            [PublicationId(each) for each in self.ids], self.login, self.all
        )


class ApprovalBody(WhichBody):
    """The publications to approve, and how."""

    credentials: FoundCredentials | None = None
    """Whether the parts of the named files that look like credentials are sent (`publish`), or not
    (`mask`). By default, as a person has decided before, else `publish`."""


class RetryBody(RequestBody):
    """The way in which a publication is sent after all."""

    credentials: FoundCredentials | None = None
    """The same as for an approval; `publish` changes nothing about what failed or waits."""


@router.post("/publications/approve", tags=["publications"])
@needs(Role.OPERATOR)
async def approve_publications(wanted: ApprovalBody, acting: CurrentActing) -> MovedBody:
    """Approve held publications. They are sent, and nothing holds them again.

    Answers 409 if none of them is held, for example because they were skipped.
    """
    return MovedBody.of(await actions.approve(acting, wanted.which, wanted.credentials))


@router.post("/publications/hold", tags=["publications"])
@needs(Role.OPERATOR)
async def hold_publications(wanted: WhichBody, acting: CurrentActing) -> MovedBody:
    """Hold waiting publications that were never sent, until someone approves them."""
    return MovedBody.of(await actions.hold(acting, wanted.which))


@router.post("/publications/{publication_id}/retry", tags=["publications"])
@needs(Role.OPERATOR)
async def retry_publication(
    publication_id: Number, context: Context, acting: CurrentActing, how: RetryBody | None = None
) -> PublicationBody:
    """Send a publication that failed, was skipped or is held, or send a waiting one now."""
    credentials = (how or RetryBody()).credentials
    retried = await actions.retry(acting, PublicationId(publication_id), credentials)
    return await _body(context, retried)


@router.post("/publications/{publication_id}/skip", tags=["publications"])
@needs(Role.OPERATOR)
async def skip_publication(
    publication_id: Number, context: Context, acting: CurrentActing
) -> PublicationBody:
    """Skip a publication. It is not sent."""
    return await _body(context, await actions.skip(acting, PublicationId(publication_id)))


async def _body(context: AppContext, publication: Publication) -> PublicationBody:
    async with context.database.read() as transaction:
        return PublicationBody.under(publication, await context.stops(transaction))


@router.post("/notes/{act}", tags=["publications"])
@needs(Role.OPERATOR)
async def act_on_failed_notes(act: NotesAct, acting: CurrentActing) -> NotesBody:
    """Try to update the notes that Pipedrive refused, or leave them as they are."""
    again = act == "retry"
    return NotesBody(notes=await actions.settle_failed_notes(acting, again=again))
