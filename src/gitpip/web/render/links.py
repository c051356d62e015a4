"""Links that lead out: to GitHub and to Pipedrive, and to nowhere else."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from gitpip.config import Settings
from gitpip.model import ActivityId, DealId
from gitpip.targets import Target, TargetKind

PUBLIC_API = "api.github.com"
HOSTS = ("github.com", "gist.github.com", "gist.githubusercontent.com", "www.github.com")


@dataclass(frozen=True)
class Links:
    """The sites that pages lead to.

    They are GitHub or your Enterprise Server, and your company at Pipedrive.
    """

    enterprise: str | None = None
    """The address of an Enterprise Server, as in `https://git.example`."""
    pipedrive: str | None = None
    """The address of the company at Pipedrive, as in `https://example.pipedrive.com`."""

    @classmethod
    def of(cls, settings: Settings, company: str | None) -> "Links":
        """The links that fit the settings; `company` is the domain that Pipedrive named, if any."""
        api = urlsplit(settings.github_api_url)
        # A server answers under /api/v3; a company's own part of ghe.com has a host for that.
        host = api.netloc.rpartition("@")[2].removeprefix("api.")
        public = api.hostname == PUBLIC_API
        company = settings.pipedrive_org or company
        pipedrive = f"https://{company}.pipedrive.com" if company else _not_pipedrives(settings)
        return cls(None if public else f"{api.scheme}://{host}", pipedrive)

    def gist(self, url: str) -> str | None:
        """The address of a gist, if it may be linked: on GitHub, or where the settings say."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        known = {f"https://{host}" for host in HOSTS}
        if self.enterprise:
            scheme, _, host = self.enterprise.partition("://")
            known |= {self.enterprise, f"{scheme}://gist.{host}"}
        safe = f"{parts.scheme}://{parts.netloc}" in known
        return url if safe and url.isprintable() and " " not in url else None

    def user(self, login: str) -> str:
        """The page of a user's gists."""
        if self.enterprise:
            return f"{self.enterprise}/gist/{login}"
        return f"https://gist.github.com/{login}"

    def deal(self, deal_id: DealId) -> str | None:
        """The page of a deal; None where the company is not known."""
        return self._pipedrive(f"deal/{deal_id}")

    def target(self, target: Target) -> str | None:
        """The page of a target; None where the company is not known."""
        if target.kind is TargetKind.LEAD:
            return self._pipedrive(f"leads/inbox/{target.id}")
        return self._pipedrive(f"{target.kind}/{target.id}")

    def activity(self, activity_id: ActivityId) -> str | None:
        """The page of an activity; None where the company is not known."""
        return self._pipedrive(f"activities/{activity_id}")

    def _pipedrive(self, path: str) -> str | None:
        return f"{self.pipedrive}/{path}" if self.pipedrive else None


def _not_pipedrives(settings: Settings) -> str | None:
    """Return the address of an API that is not Pipedrive's own.

    A stand-in serves its pages at the same address.
    """
    api = urlsplit(settings.pipedrive_api_url)
    host = api.netloc.rpartition("@")[2]
    if (api.hostname or "").endswith("pipedrive.com"):
        return None
    return f"{api.scheme}://{host}"
