"""Every error the service raises on purpose; a class's docstring is its meaning."""

from collections.abc import Sequence
from datetime import datetime

OWN_FAULT = "gitpip had an internal error. See the log."
"""The reason of what failed by an error that no code foresaw. Only the log has the error."""


class GitpipError(Exception):
    """Something went wrong that gitpip foresaw; the message says what, to what, and what to do."""


class SettingsError(GitpipError):
    """One or more settings are wrong; `faults` holds one line for each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class InvalidInput(GitpipError):
    """A value given by a caller is wrong; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}")


class TemplateInvalid(InvalidInput):
    """A template of a subject, a note or a deal's title can't be used; `line` says where."""

    def __init__(self, field: str, message: str, *, line: int | None = None) -> None:
        self.line = line
        super().__init__(field, message if line is None else f"line {line}: {message}")


class UserNotTracked(GitpipError):
    """No tracked user has this login or id.

    `login` is one under which a user could be added; `logins` are those of several that nobody has.
    """

    def __init__(
        self, message: str, *, login: str | None = None, logins: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.login = login
        self.logins = logins


class UserConflict(GitpipError):
    """The login or the id is already taken by another tracked user."""


class SameAccount(UserConflict):
    """The login is that of an account that is tracked already, by the user with this key."""

    def __init__(self, message: str, key: int) -> None:
        self.key = key
        super().__init__(message)


class GistNotFound(GitpipError):
    """No gist, file or revision like this is stored."""


class EventUnknown(GitpipError):
    """No event had this id yet, so no one can have read up to it."""


class PublicationNotFound(GitpipError):
    """No publication has this id."""


class RuleNotFound(GitpipError):
    """No publishing rule has this id."""


class OptOutNotFound(GitpipError):
    """No owner with this login opted out."""


class PublicationStateError(GitpipError):
    """The publication's present state does not allow what was asked."""


class NothingToUndo(GitpipError):
    """Nothing that was chosen is in Pipedrive or on its way there, or all of it is undone."""


class UndoNotFound(GitpipError):
    """There is no undo with this number."""


class UndoNotStopped(GitpipError):
    """The undo goes on, or has ended with nothing left to try again."""


class HeldChanged(GitpipError):
    """The held files of a user are no longer those that the person who decides was shown."""


class PauseKept(GitpipError):
    """The pause can't be ended early: the vendor said how long to wait."""


class SettingGiven(GitpipError):
    """The environment sets this setting, so it can be changed only there."""


class MarkedSince(GitpipError):
    """A mark can't be undone after the reader marked something else."""


class FilterNotFound(GitpipError):
    """The reader has saved no such filter."""


class VisitNotFound(GitpipError):
    """No visit has this id."""


class SurveyNotFound(GitpipError):
    """No audit, or no search for what others made, has this id."""


class SurveyNotEnded(GitpipError):
    """An audit, or a search for what others made, has no result yet."""


class CheckNotFound(GitpipError):
    """No check has this id."""


class KeyNotFound(GitpipError):
    """No access key that is in use has this name."""


class KeyConflict(GitpipError):
    """Another access key has this name already."""


class LastAdminKey(GitpipError):
    """Without this access key, or soon after, there is no key of an admin."""


class FeedAddressNotFound(GitpipError):
    """No feed's secret address that is in use has this number."""


class FeedAddressConflict(GitpipError):
    """There are too many secret addresses of feeds for another one."""


class AccountUnchanged(GitpipError):
    """There is no other account of a vendor to switch to."""


class AccountChanged(GitpipError):
    """The rows belong to another account than the configured one, and no one has decided."""


class AccessRefused(GitpipError):
    """The caller may not do this; the message says what would be needed."""


class CodeRefused(AccessRefused):
    """The code is missing or wrong that the first access key needs."""


class TooManyAttempts(GitpipError):
    """A secret was guessed too often; it may be tried again after `seconds`."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class AccessUndecided(GitpipError):
    """The service would listen to other machines, and nothing says who may ask."""


class ImportFailed(GitpipError):
    """An import of users ended because of an error of ours."""


class RepairNotFound(GitpipError):
    """No repair has this id."""


class RepairChanged(GitpipError):
    """A filter finds another number of publications than the person who acts was shown."""


class ImportNotFound(GitpipError):
    """No import has this id."""


class ImportNotWaiting(GitpipError):
    """An import can't be confirmed: it is under way, done, or its file is gone."""


class DatabaseUnavailable(GitpipError):
    """The database can't be reached, opened or written."""

    def __init__(self, found: str, *, advice: str = "") -> None:
        self.found = found
        self.advice = advice
        super().__init__(f"{found}; {advice}" if advice else found)


class DatabaseBusy(DatabaseUnavailable):
    """The connections that requests share are all in use."""


class TooManyTrials(GitpipError):
    """As many trials of the rules as may run at a time are running."""

    def __init__(self) -> None:
        super().__init__(
            "other trials of the rules are running, and each takes some seconds; try again in a "
            "few seconds"
        )


class DatabaseTooNew(GitpipError):
    """The database was migrated by a newer gitpip than this one."""


class DatabaseMissing(GitpipError):
    """There is no SQLite file where the settings say, and this command is not one to make it."""


class DatabaseUnsuitable(GitpipError):
    """The database can be reached, but gitpip can't work with it as it is set up."""

    def __init__(self, found: str, *, advice: str) -> None:
        self.found = found
        self.advice = advice
        super().__init__(f"{found}; {advice}")


class DestinationUnavailable(GitpipError):
    """Pipedrive can't be asked now, and a person waits for what it says."""


class ServiceFailed(GitpipError):
    """A part of the service ended unexpectedly."""


class EnvironmentUnusable(GitpipError):
    """A proxy or a certificate authority that the environment names can't be used."""


class SchedulerError(GitpipError):
    """The scheduler can't go on."""


class AddressInUse(GitpipError):
    """Another process listens on the wanted address already."""


class GitHubError(GitpipError):
    """GitHub did not answer as asked."""


class GitHubNotFound(GitHubError):
    """GitHub knows no such user or gist, or does not show it now (404).

    `names_user` is False if the message names only what was requested, such as the gist list.
    """

    def __init__(self, message: str, *, names_user: bool = True) -> None:
        self.names_user = names_user
        super().__init__(message)


class GistNotPublic(GitHubNotFound):
    """The gist is not a public one of the user in question any more."""


class GitHubBlocked(GitHubError):
    """GitHub refuses to show this user or gist to anybody (403 with a block, 451)."""


class GitHubUnauthorized(GitHubError):
    """GitHub does not accept the token (401)."""


class GitHubLimited(GitHubError):
    """GitHub's rate limit is used up, or it asked to wait; asking before `until` is abuse (UTC)."""

    def __init__(self, message: str, until: datetime, resource: str = "core") -> None:
        self.until = until
        self.resource = resource
        """The name of GitHub's limit: `core` is that of REST, `graphql` the other."""
        super().__init__(message)


class GitHubAskedToWait(GitHubLimited):
    """GitHub answered this request by asking to wait, and named no limit that is used up."""


class GraphQLFailed(GitHubError):
    """GraphQL gave no answer about these users; a smaller query may, and REST does.

    `of_anyone` is the message without the login of a user: a pause is not about one of them.
    """

    def __init__(self, message: str, *, of_anyone: str = "") -> None:
        self.of_anyone = of_anyone or message
        super().__init__(message)


class GraphQLTooSlow(GraphQLFailed):
    """GraphQL gave no whole answer in time."""


class GistsHidden(GraphQLFailed):
    """GraphQL counts a user's gists and shows none of them."""


class GraphQLUnusable(GitHubError):
    """GraphQL fails for different users one by one, so that all are checked by REST for a while."""


class GraphQLHidesGists(GraphQLUnusable):
    """GraphQL shows no gists to this token at all: a fine-grained one."""


class GitHubUnavailable(GitHubError):
    """GitHub could not be reached, or its answer was broken."""


class GitHubUnreachable(GitHubUnavailable):
    """No connection to GitHub could be made."""


class ServiceRunning(GitpipError):
    """Another gitpip works on this SQLite file already."""
