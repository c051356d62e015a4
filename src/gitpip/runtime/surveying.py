"""The surveyor, with its clients for both vendors."""

from collections.abc import Mapping

from gitpip.clock import utc_now
from gitpip.errors import GitHubAskedToWait, GitHubError, GitHubLimited
from gitpip.model import User
from gitpip.publish.destination import Destination
from gitpip.publish.surveyor import MustWait, Surveyor
from gitpip.publish.verdicts import FileName, ListedFile
from gitpip.store.database import Database
from gitpip.watch.github.client import GitHub


def surveyor_of(database: Database, destination: Destination, github: GitHub) -> Surveyor:
    """Return the surveyor, with the clients for both vendors."""

    async def read_gists(user: User) -> Mapping[FileName, ListedFile] | str:
        if user.github_id is None:
            return "GitHub was not asked yet whose the login is"
        try:
            listed = await github.gists(user.github_id, None)
        except GitHubLimited as limit:
            refused = isinstance(limit, GitHubAskedToWait)
            raise MustWait(limit.until, str(limit), refused=refused) from None
        except GitHubError as error:
            return str(error)
        if listed.fault is not None or listed.odd:
            return listed.fault or next(iter(listed.odd.values()))
        return {
            (gist.id, file.filename): ListedFile(file.blob_hash, gist.updated_at)
            for gist in listed.gists
            for file in gist.files
        }

    return Surveyor(database, destination, read_gists, now=utc_now)
