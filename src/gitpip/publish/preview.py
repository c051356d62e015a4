"""What exactly is sent for a publication: the same when it is sent and when it is shown before."""

from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.model import FileKey, OnDelete, OnEdit
from gitpip.publish.activity import Rendered, Wording, remarks_on, render
from gitpip.publish.policy import Policies
from gitpip.store.database import Transaction
from gitpip.store.gists import gists, surroundings
from gitpip.store.publications import publications
from gitpip.templates import Templates


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

    The templates are those of this moment.
    """
    templates = templates_of(await policies.read(transaction))
    # Where edits are written into the note, it always shows the file as it is now.
    shown = None if on_edit is OnEdit.UPDATE else revision
    file = await gists.file(transaction, key, shown)
    remarks = remarks_on(file, on_edit=on_edit, on_delete=on_delete)
    marker = await publications.marker(transaction, key, revision)
    around = await surroundings.of_files(transaction, [file], templates.uses)
    wording = Wording(templates, around[file.key])
    return render(file, marker=marker, revision=revision, remarks=remarks, wording=wording)


def templates_of(policy: PublishingPolicy) -> Templates:
    """The templates of the publishing settings."""
    return Templates(policy.subject_template, policy.note_template)
