"""The first access key, which closes a service that was open to everybody on its machine."""

from gitpip.errors import InvalidInput
from gitpip.model import Role
from gitpip.store.access import keys
from gitpip.store.database import Transaction
from gitpip.web.auth.identity import Identity
from gitpip.web.context import AppContext


async def check_role(
    transaction: Transaction, context: AppContext, identity: Identity, role: Role
) -> None:
    """Raise InvalidInput if a key of this role would lock out its maker.

    A caller without a key is an admin only as long as there is none: after a first key that is
    not an admin's, nobody could make another one.
    """
    is_open = identity.name is None and not context.settings.allow_anonymous
    if role is not Role.ADMIN and is_open and not await keys.any_exists(transaction):
        raise InvalidInput(
            "role",
            "must be admin for the first key: from then on nothing is open without a key, "
            f"and you could make no other one with the role {role}",
        )
