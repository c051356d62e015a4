"""What exactly is sent for a publication: the same when it is sent and when it is shown before."""

from gitpip.model import FileKey, OnDelete, OnEdit
from gitpip.publish.activity import Rendered, remarks_on, render
from gitpip.store.database import Transaction
from gitpip.store.gists import gists
from gitpip.store.publications import publications


async def rendered(
    transaction: Transaction,
    key: FileKey,
    revision: int,
    *,
    on_edit: OnEdit,
    on_delete: OnDelete,
) -> Rendered:
    """The activity of a stored file, made for one of its revisions, under these rules."""
    # Where edits are written into the note, it always shows the file as it is now.
    shown = None if on_edit is OnEdit.UPDATE else revision
    file = await gists.file(transaction, key, shown)
    remarks = remarks_on(file, on_edit=on_edit, on_delete=on_delete)
    marker = await publications.marker(transaction, key, revision)
    return render(file, marker=marker, revision=revision, remarks=remarks)
