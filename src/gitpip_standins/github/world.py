"""The accounts and gists that GitHub's stand-in knows, and what people do with them."""

import base64
import hashlib
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gitpip_standins.exchange import Clock, utc_now
from gitpip_standins.github.troubles import BlockStatus, GistTroubles

KEPT = timedelta(minutes=10)
"""The time for which the former state of a gist is known."""


@dataclass(slots=True)
class User:
    """An account; `id` stays when `login` changes."""

    id: int
    login: str
    created_at: datetime
    organization: bool = False
    hidden_answers: int = 0
    """So many further answers claim that the user does not exist."""
    blocked: bool = False

    @property
    def node_id(self) -> str:
        return "U_" + _encoded(b"\x92\x00\xce" + struct.pack(">I", self.id))


@dataclass(frozen=True, slots=True)
class GistFile:
    """A file's name and content; `blob_hash` is what git calls it."""

    name: str
    content: bytes
    blob_hash: str

    @classmethod
    def of(cls, name: str, content: str | bytes) -> "GistFile":
        octets = content.encode() if isinstance(content, str) else content
        blob = b"blob %d\0%s" % (len(octets), octets)
        return cls(name, octets, hashlib.sha1(blob, usedforsecurity=False).hexdigest())


@dataclass(slots=True)
class Gist:
    """A gist as it is now. `sequence` tells gists of the same second apart."""

    id: str
    owner_id: int
    sequence: int
    description: str | None
    public: bool
    created_at: datetime
    updated_at: datetime
    pushed_at: datetime
    files: dict[str, GistFile]
    stars: int = 0
    fork_of: str | None = None
    """The gist that it is a fork of."""
    troubles: GistTroubles = field(default_factory=GistTroubles)
    revisions: list[tuple[str, datetime]] = field(default_factory=list)
    """Versions (40 hex digits) and their times, newest first."""

    def copy(self) -> "Gist":
        return replace(
            self,
            files=dict(self.files),
            revisions=list(self.revisions),
            troubles=replace(self.troubles),
        )

    @property
    def node_id(self) -> str:
        octets = self.id.encode()
        head = b"\x93\x00\xce" + struct.pack(">I", self.owner_id)
        return "G_" + _encoded(head + b"\xda" + struct.pack(">H", len(octets)) + octets)


class World:
    """Users and gists, changed from any thread. Every change may be made while requests come in.

    `clock` gives the time of changes; it never goes back here, even if the clock does. Methods that
    take an id raise KeyError where nobody and nothing has it.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._users: dict[int, User] = {}
        self._ids_by_login: dict[str, int] = {}
        self._gists: dict[str, Gist] = {}
        self._gist_ids_of: dict[int, list[str]] = {}
        self._past: dict[str, list[tuple[datetime, Gist | None]]] = {}
        """The gists before each change, with its time; the latest changes only."""
        self._blobs: dict[tuple[str, str], GistFile] = {}
        self._next_user_id = 1000
        self._sequence = 0

    def add_user(self, login: str, id: int | None = None, *, organization: bool = False) -> int:  # noqa: A002
        """A new account and its id; ValueError where the login or the id is taken."""
        with self.lock:
            user_id = self._next_user_id if id is None else id
            if login.lower() in self._ids_by_login or user_id in self._users:
                raise ValueError(f"login {login} or id {user_id} is taken")
            self._next_user_id = max(self._next_user_id, user_id + 1)
            self._users[user_id] = User(user_id, login, self._now(), organization)
            self._ids_by_login[login.lower()] = user_id
            return user_id

    def rename(self, user_id: int, new_login: str) -> None:
        """The old login is free from now on, for anybody."""
        with self.lock:
            user = self._users[user_id]
            if self._ids_by_login.get(new_login.lower(), user_id) != user_id:
                raise ValueError(f"login {new_login} is taken")
            del self._ids_by_login[user.login.lower()]
            self._ids_by_login[new_login.lower()] = user_id
            user.login = new_login

    def remove_user(self, user_id: int) -> None:
        """The account goes for good, with its gists."""
        with self.lock:
            for gist_id in list(self._gist_ids_of.get(user_id, ())):
                self.delete_gist(gist_id)
            user = self._users.pop(user_id)
            del self._ids_by_login[user.login.lower()]

    def hide_user(self, user_id: int, answers: int) -> None:
        """The next `answers` answers that concern this user say 404, as for a flagged account."""
        with self.lock:
            self._users[user_id].hidden_answers = answers

    def block_user(self, user_id: int, *, blocked: bool = True) -> None:
        """Answers about this user say 451 from now on, and 403 about single gists."""
        with self.lock:
            self._users[user_id].blocked = blocked

    def block_gist(self, gist_id: str, *, blocked: bool = True, status: BlockStatus = 403) -> None:
        """GitHub's staff disable one gist: asking for it answers 403 with a reason, or 451."""
        with self.lock:
            self._gists[gist_id].troubles.blocked = status if blocked else None

    def trouble_gist(self, gist_id: str, troubles: GistTroubles) -> None:
        """Set the trouble of one gist from now on, in place of the former one."""
        with self.lock:
            self._gists[gist_id].troubles = troubles

    def add_gist(
        self,
        owner_login: str,
        files: Mapping[str, str | bytes],
        *,
        description: str | None = "",
        public: bool = True,
        created_at: datetime | None = None,
        fork_of: str | None = None,
    ) -> str:
        """A new gist and its id (32 hex digits)."""
        with self.lock:
            owner_id = self._ids_by_login[owner_login.lower()]
            at = (created_at or self._now()).replace(microsecond=0)
            self._sequence += 1
            gist_id = hashlib.md5(
                f"gist {self._sequence}".encode(), usedforsecurity=False
            ).hexdigest()
            gist = Gist(gist_id, owner_id, self._sequence, description, public, at, at, at, {})
            gist.fork_of = fork_of
            self._changing(gist_id)
            self._gists[gist_id] = gist
            self._gist_ids_of.setdefault(owner_id, []).append(gist_id)
            self._write(gist, files, at)
            return gist_id

    def edit_gist(
        self,
        gist_id: str,
        files: Mapping[str, str | bytes | None] | None = None,
        *,
        description: str | None = None,
    ) -> None:
        """Write some files (None deletes one) and, if given, the description."""
        with self.lock:
            gist = self._gists[gist_id]
            self._changing(gist_id)
            at = self._now()
            if description is not None:
                gist.description = description
            if files:
                self._write(gist, files, at)
            gist.updated_at = at

    def delete_gist(self, gist_id: str) -> None:
        with self.lock:
            self._changing(gist_id)
            gist = self._gists.pop(gist_id)
            self._gist_ids_of[gist.owner_id].remove(gist_id)

    def star(self, gist_id: str) -> None:
        """A star bumps `updated_at` and changes nothing else that a list shows."""
        with self.lock:
            gist = self._gists[gist_id]
            self._changing(gist_id)
            gist.stars += 1
            gist.updated_at = self._now()

    def make_public(self, gist_id: str) -> None:
        """A secret gist becomes public; its `created_at` stays."""
        with self.lock:
            gist = self._gists[gist_id]
            self._changing(gist_id)
            gist.public = True
            gist.updated_at = self._now()

    # What the API asks

    def user(self, user_id: int) -> User | None:
        return self._users.get(user_id)

    def user_of(self, login: str) -> User | None:
        user_id = self._ids_by_login.get(login.lower())
        return None if user_id is None else self._users[user_id]

    def user_of_node(self, node_id: str) -> User | None:
        """By a node id of today (`U_...`) or of before 2021 (base64 of `04:User1`)."""
        try:
            if node_id.startswith("U_"):
                return self._users.get(struct.unpack(">I", _decoded(node_id[2:])[-4:])[0])
            kind, _, number = _decoded(node_id).decode().partition("User")
            return self._users.get(int(number)) if kind.endswith(":") else None
        except (ValueError, struct.error):
            return None

    def gist(self, gist_id: str, at: datetime | None = None) -> Gist | None:
        """A gist as it is, or as it was a few minutes ago; None where there is or was none."""
        with self.lock:
            if at is not None:
                for until, gist in self._past.get(gist_id, ()):
                    if at < until:
                        return gist
            return self._gists.get(gist_id)

    def gist_of_node(self, node_id: str) -> Gist | None:
        try:
            return self._gists.get(_decoded(node_id.removeprefix("G_"))[-32:].decode())
        except ValueError:
            return None

    def gists_of(self, user_id: int, at: datetime | None = None) -> list[Gist]:
        """A user's gists as they are, or as they were a few minutes ago."""
        with self.lock:
            ids = self._gist_ids_of.get(user_id, ())
            if at is None:
                return [self._gists[gist_id] for gist_id in ids]
            deleted = [id_ for id_ in self._past if id_ not in self._gists]
            then = [self.gist(gist_id, at) for gist_id in (*ids, *deleted)]
            return [gist for gist in then if gist is not None and gist.owner_id == user_id]

    def all_gists(self) -> list[Gist]:
        with self.lock:
            return list(self._gists.values())

    def blob(self, gist_id: str, blob_hash: str) -> GistFile | None:
        """A file of a gist, by the hash of any of its revisions, as long as the gist exists."""
        return self._blobs.get((gist_id, blob_hash)) if gist_id in self._gists else None

    def _write(self, gist: Gist, files: Mapping[str, str | bytes | None], at: datetime) -> None:
        for name, content in files.items():
            if content is None:
                gist.files.pop(name, None)
            else:
                file = GistFile.of(name, content)
                gist.files[name] = file
                self._blobs[gist.id, file.blob_hash] = file
        gist.pushed_at = at
        tree = f"{gist.id} {len(gist.revisions)} {[f.blob_hash for f in gist.files.values()]}"
        version = hashlib.sha1(tree.encode(), usedforsecurity=False).hexdigest()
        gist.revisions.insert(0, (version, at))

    def _changing(self, gist_id: str) -> None:
        """Keep what a gist was until now, for answers that are behind."""
        now = self._clock()
        gist = self._gists.get(gist_id)
        past = [(until, was) for until, was in self._past.get(gist_id, ()) if now - until < KEPT]
        self._past[gist_id] = [*past, (now, gist.copy() if gist else None)]

    def _now(self) -> datetime:
        self._latest = max(self._latest, self._clock().replace(microsecond=0))
        return self._latest


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
