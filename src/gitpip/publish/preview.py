"""What exactly is sent for a publication: the same when it is sent and when it is shown before."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from gitpip.config.publishing.activity import GIST_DATE, TODAY
from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.model import FileKey, GistFile, OnDelete, OnEdit
from gitpip.modes import CredentialsGuard
from gitpip.publish.activity import Rendered, Wording, remarks_on, render
from gitpip.publish.credentials.detector import DETECTOR
from gitpip.publish.credentials.findings import Examined, Parts, masked, without
from gitpip.publish.policy import Policies
from gitpip.store.database import Transaction
from gitpip.store.gists import gists, surroundings
from gitpip.store.publications import approvals, publications
from gitpip.templates import Templates

NOT_JUDGED = "everything, as it could not be examined: "


@dataclass(frozen=True)
class Conditions:
    """How an activity is sent, beside its text, as the publishing settings name it."""

    type: str
    done: bool
    owner: str
    """A user of the account; `token` or `deal` stands for the user of the token, or its owner."""
    due_date: date | None
    priority: str | None


async def conditions(
    transaction: Transaction, day: date | None, *, policies: Policies, now: datetime
) -> Conditions:
    """How an activity of a gist of this day (UTC) would be sent now. Asks Pipedrive nothing."""
    policy = await policies.read(transaction)
    due = {GIST_DATE: day, TODAY: now.astimezone(UTC).date()}
    return Conditions(
        type=policy.activity_type,
        done=policy.activity_done,
        owner=policy.activity_owner,
        due_date=due.get(policy.activity_due_date),
        priority=policy.activity_priority,
    )


async def rendered(
    transaction: Transaction,
    key: FileKey,
    revision: int,
    *,
    on_edit: OnEdit,
    on_delete: OnDelete,
    policies: Policies,
) -> Rendered:
    """The activity of a stored file, made for one of its revisions, under these rules.

    The templates are those of this moment. What looks like a credential is left out, unless the
    settings say otherwise, or a person approved this file with it.
    """
    policy = await policies.read(transaction)
    templates = templates_of(policy)
    # Where edits are written into the note, it always shows the file as it is now.
    shown = None if on_edit is OnEdit.UPDATE else revision
    file = await gists.file(transaction, key, shown)
    remarks = remarks_on(file, on_edit=on_edit, on_delete=on_delete)
    marker = await publications.marker(transaction, key, revision)
    around = await surroundings.of_files(transaction, [file], templates.uses)
    wording = Wording(templates, around[file.key])
    approved_at = await approvals.approved_with_credentials(transaction, key, revision)
    # What was edited since is not what the person saw.
    is_approved = approved_at is not None and (file.revised_at or approved_at) <= approved_at
    left_out: tuple[str, ...] = ()
    if policy.credentials is not CredentialsGuard.PUBLISH and not is_approved:
        found = await DETECTOR.examine(file)
        file, wording = await _without_credentials(file, found, wording)
        left_out = found.named if found.not_judged is None else (NOT_JUDGED + found.not_judged,)
    activity = render(file, marker=marker, revision=revision, remarks=remarks, wording=wording)
    return replace(activity, masked=left_out)


async def _without_credentials(
    file: GistFile, found: Examined, wording: Wording
) -> tuple[GistFile, Wording]:
    """The same with each credential replaced by what it is."""
    left = masked(file, found)
    names = wording.around.filenames
    in_names = await DETECTOR.examined(Parts("", "", "\n".join(names)))
    if in_names.is_clean:
        return left, wording
    if in_names.not_judged is not None:
        shown: tuple[str, ...] = ()
    else:
        shown = tuple(without("\n".join(names), in_names.spans[-1]).split("\n"))
    return left, replace(wording, around=replace(wording.around, filenames=shown))


def templates_of(policy: PublishingPolicy) -> Templates:
    """The templates of the publishing settings."""
    return Templates(policy.subject_template, policy.note_template)
