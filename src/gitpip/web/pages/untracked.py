"""A person who was searched for and is not tracked, so that the page can offer to add them."""

from gitpip.errors import InvalidInput, UserNotTracked
from gitpip.store.database import Transaction
from gitpip.store.users import users
from gitpip.validation import written_login


async def not_tracked(transaction: Transaction, searched: str) -> str | None:
    """The login in a search; None if the text is not a login, or if the user is tracked."""
    try:
        login = written_login(searched)
        await users.find(transaction, login)
    except InvalidInput:
        return None
    except UserNotTracked:
        return login
    return None
