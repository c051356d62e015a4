"""GitHub's JSON objects, with every field that its published OpenAPI schema names."""

import base64
from datetime import datetime
from typing import Final
from urllib.parse import quote

from gitpip_standins.exchange import JsonObject
from gitpip_standins.github.languages import language_of, media_type_of
from gitpip_standins.github.world import Gist, GistFile, User, World

LARGEST_CONTENT: Final = 1024 * 1024
MOST_FILES: Final = 300
NEW_VERSION: Final = "2026-03-10"


class Objects:
    """Renders users and gists with links that lead back to `origin`, for one API version."""

    def __init__(self, world: World, origin: str, version: str) -> None:
        self.world = world
        self.origin = origin
        self._version = version

    def simple_user(self, user: User) -> JsonObject:
        return self._account(user) | {"name": None, "email": None, "starred_at": ""}

    def _account(self, user: User) -> JsonObject:
        url = f"{self.origin}/users/{user.login}"
        return {
            "login": user.login,
            "id": user.id,
            "node_id": user.node_id,
            "avatar_url": f"{self.origin}/avatars/u/{user.id}?v=4",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.origin}/web/{user.login}",
            "followers_url": f"{url}/followers",
            "following_url": f"{url}/following{{/other_user}}",
            "gists_url": f"{url}/gists{{/gist_id}}",
            "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
            "subscriptions_url": f"{url}/subscriptions",
            "organizations_url": f"{url}/orgs",
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events{{/privacy}}",
            "received_events_url": f"{url}/received_events",
            "type": "Organization" if user.organization else "User",
            "user_view_type": "public",
            "site_admin": False,
        }

    def public_user(self, user: User) -> JsonObject:
        gists = [gist for gist in self.world.gists_of(user.id) if gist.public]
        return self._account(user) | {
            "name": user.login.title(),
            "company": None,
            "blog": "",
            "location": None,
            "email": None,
            "hireable": None,
            "bio": None,
            "twitter_username": None,
            "notification_email": None,
            "public_repos": 0,
            "public_gists": len(gists),
            "followers": 0,
            "following": 0,
            "created_at": written(user.created_at),
            "plan": {"collaborators": 0, "name": "free", "space": 0, "private_repos": 0},
            "private_gists": 0,
            "total_private_repos": 0,
            "owned_private_repos": 0,
            "disk_usage": 0,
            "collaborators": 0,
            "updated_at": written(max([user.created_at, *(gist.updated_at for gist in gists)])),
        }

    def listed_gist(self, gist: Gist) -> JsonObject:
        """A `base-gist`, as lists show it: without any content."""
        shown = self._gist(gist)
        if self._version != NEW_VERSION:
            shown |= {"user": None, "forks": [], "history": []}
        return shown

    def whole_gist(self, gist: Gist) -> JsonObject:
        """A `gist-simple`: files with their contents, and before 2026-03-10 the history."""
        shown = self._gist(gist) | {"fork_of": self._fork_of(gist), "user": None}
        files = list(gist.files.values())[:MOST_FILES]
        shown["files"] = {
            file.name: self._file(gist, file)
            | ({} if file.name in gist.troubles.missing_raw else _content(file))
            for file in files
        }
        if self._version != NEW_VERSION:
            shown |= {"forks": [], "history": self._history(gist)}
        return shown

    def _fork_of(self, gist: Gist) -> JsonObject | None:
        if gist.fork_of is None:
            return None
        return {"id": gist.fork_of, "url": f"{self.origin}/gists/{gist.fork_of}", "public": True}

    def raw_url(self, gist: Gist, file: GistFile) -> str:
        owner = self.world.user(gist.owner_id)
        login = owner.login if owner else "ghost"
        path = f"{login}/{gist.id}/raw/{file.blob_hash}/{quote(file.name, safe='')}"
        return f"{self.origin}/raw/{path}"

    def html_url(self, gist: Gist) -> str:
        owner = self.world.user(gist.owner_id)
        return f"{self.origin}/web/{owner.login if owner else 'ghost'}/{gist.id}"

    def _gist(self, gist: Gist) -> JsonObject:
        owner = self.world.user(gist.owner_id)
        url = f"{self.origin}/gists/{gist.id}"
        files = list(gist.files.values())[:MOST_FILES]
        shown: JsonObject = {
            "url": url,
            "forks_url": f"{url}/forks",
            "commits_url": f"{url}/commits",
            "id": gist.id,
            "node_id": gist.node_id,
            "git_pull_url": f"{self.origin}/web/{gist.id}.git",
            "git_push_url": f"{self.origin}/web/{gist.id}.git",
            "html_url": self.html_url(gist),
            "files": {file.name: self._file(gist, file) for file in files},
            "public": gist.public,
            "created_at": written(gist.created_at),
            "updated_at": written(gist.updated_at),
            "description": gist.description,
            "comments": 0,
            "comments_enabled": True,
            "comments_url": f"{url}/comments",
            "truncated": len(gist.files) > MOST_FILES,
        }
        if owner is not None:
            shown["owner"] = self.simple_user(owner)
        return shown

    def _file(self, gist: Gist, file: GistFile) -> JsonObject:
        return {
            "filename": file.name,
            "type": media_type_of(file.name),
            "language": language_of(file.name),
            "raw_url": self.raw_url(gist, file),
            "size": len(file.content),
            "encoding": "utf-8",
        }

    def _history(self, gist: Gist) -> list[JsonObject]:
        owner = self.world.user(gist.owner_id)
        return [
            {
                "user": self.simple_user(owner) if owner else None,
                "version": version,
                "committed_at": written(at),
                "change_status": {"total": 1, "additions": 1, "deletions": 0},
                "url": f"{self.origin}/gists/{gist.id}/{version}",
            }
            for version, at in gist.revisions
        ]


def written(at: datetime) -> str:
    """ISO 8601 in whole seconds, as GitHub writes times."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _content(file: GistFile) -> JsonObject:
    head = file.content[:LARGEST_CONTENT]
    truncated = len(file.content) > LARGEST_CONTENT
    try:
        # A character cut in two at the end of a truncated text is no sign of a binary file.
        text = head.decode(errors="ignore" if truncated else "strict")
    except UnicodeDecodeError:
        return {
            "truncated": truncated,
            "content": base64.b64encode(head).decode(),
            "encoding": "base64",
        }
    return {"truncated": truncated, "content": text, "encoding": "utf-8"}
