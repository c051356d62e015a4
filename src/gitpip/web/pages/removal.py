"""The question before users are removed."""

from collections.abc import Sequence

from gitpip.model import PublicationState, User
from gitpip.store import listing
from gitpip.store.database import Transaction
from gitpip.store.publications import progress, publications
from gitpip.web.render.jinja import render


async def asked_before_removing(
    transaction: Transaction,
    leaving: Sequence[User],
    *,
    action: str,
    keep: str,
    matching: int | None = None,
) -> str:
    """The page that says what removing these users does, and asks whether to.

    `action` is where the form is sent if so, with the logins, or with the number of those who are
    `matching` a filter; `keep` leads back if not.
    """
    keys = [user.key for user in leaving]
    counts = await publications.count(transaction, keys)
    return render(
        "remove.html",
        page="people",
        leaving=leaving,
        gists=await listing.count_gists(transaction, keys),
        files=sum(user.last_sequence for user in leaving),
        deals=[user.deal_id for user in leaving if user.deal_id],
        waiting=progress.unsent(counts),
        published=counts.get(PublicationState.PUBLISHED, 0),
        action=action,
        matching=matching,
        keep=keep,
    )
