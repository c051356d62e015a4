"""What operators do where a problem is in the settings: the only texts that name a setting.

Sentences about problems are also for viewers, who can't change a setting.
"""

from collections.abc import Mapping

from gitpip.status.problem import Remedy

SETTING_ADVICE: Mapping[Remedy | None, str] = {
    Remedy.SET_GITHUB_TOKEN: "set GITHUB_TOKEN to a valid token",
    Remedy.SET_PIPEDRIVE_TOKEN: "set PIPEDRIVE_TOKEN to a valid token",
    Remedy.CHECK_LESS_OFTEN: "set a longer GITPIP_CHECK_INTERVAL",
}
