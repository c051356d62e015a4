"""Links that lead out: to GitHub and to Pipedrive, and to nowhere else."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from gitpip.model import ActivityId, DealId
from gitpip.settings import Settings

PUBLIC_API = "api.github.com"
HOSTS = frozenset({"github.com", "gist.github.com", "gist.githubusercontent.com", "www.github.com"})


@dataclass(frozen=True)
class Links:
    """Where the pages may lead: GitHub or your Enterprise Server, and your company at Pipedrive."""

    enterprise: str | None = None
    organisation: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Links":
        """The links that fit the settings."""
        host = urlsplit(settings.github_api_url).hostname
        return cls(host if host and host != PUBLIC_API else None, settings.pipedrive_org)

    def gist(self, url: str) -> str | None:
        """The address of a gist, if it may be linked: https, and on a host of GitHub's."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return None
        own = {self.enterprise, f"gist.{self.enterprise}"} if self.enterprise else set()
        safe = parts.scheme == "https" and host in HOSTS | own and not port and not parts.username
        return url if safe and url.isprintable() and " " not in url else None

    def user(self, login: str) -> str:
        """The page of a user's gists."""
        if self.enterprise:
            return f"https://{self.enterprise}/gist/{login}"
        return f"https://gist.github.com/{login}"

    def deal(self, deal_id: DealId) -> str | None:
        """The page of a deal; None where the company is not known."""
        return self._pipedrive(f"deal/{deal_id}")

    def activity(self, activity_id: ActivityId) -> str | None:
        """The page of an activity; None where the company is not known."""
        return self._pipedrive(f"activities/{activity_id}")

    def _pipedrive(self, path: str) -> str | None:
        return f"https://{self.organisation}.pipedrive.com/{path}" if self.organisation else None
