"""Troubles of queries, users and gists at GitHub that its documents do not mention."""

from dataclasses import dataclass, field
from typing import Literal

from gitpip_standins.exchange import JsonObject

BlockStatus = Literal[403, 451]
Failing = Literal["500", "502", "404", "broken", "too-large"]
Oddity = Literal[
    "null",
    "no-id",
    "no-owner",
    "wrong-owner",
    "no-raw-url",
    "null-file",
    "negative-size",
    "same-name",
    "wrong-types",
    "no-files",
    "bad-time",
]


@dataclass
class GistTroubles:
    """The trouble of one gist; none by default."""

    blocked: BlockStatus | None = None
    """Asking for it gives this status, with the reason of the block."""
    failing: Failing | None = None
    """Asking for it fails, though the lists show it."""
    missing_raw: set[str] = field(default_factory=set)
    """Files whose own addresses answer 404, and whose content no other answer has."""
    odd: Oddity | None = None
    """The fault of its entry in the lists and in the public feed."""
    odd_alone: bool = False
    """Whether the gist asked for alone is as wrong."""


def distorted(shown: JsonObject, oddity: Oddity | None) -> JsonObject | None:
    """A gist's JSON as it should be, made odd."""
    files = shown["files"]
    if oddity is None or not isinstance(files, dict) or not files:
        return shown
    first = next(iter(files))
    changes: dict[Oddity, JsonObject] = {
        "wrong-owner": {"owner": 5},
        "wrong-types": {"public": "perhaps", "description": ["a", "list"]},
        "bad-time": {"created_at": "0001-01-01T00:00:00+23:00", "updated_at": "yesterday"},
        "null-file": {"files": {**files, first: None}},
        "same-name": {"files": {**files, "another": files[first]}},
        "no-raw-url": {"files": {**files, first: files[first] | {"raw_url": None}}},
        "negative-size": {"files": {**files, first: files[first] | {"size": -1}}},
    }
    if oddity == "null":
        return None
    if oddity in changes:
        return shown | changes[oddity]
    return {name: value for name, value in shown.items() if name != oddity.removeprefix("no-")}


UserTrouble = Literal[
    "401",
    "403",
    "404",
    "429",
    "secondary-limit",
    "502",
    "broken-json",
    "no-data",
    "resource-limits",
    "left-out",
    "null-gists",
    "odd-gist",
    "fewer",
    "more",
]
"""The failure of a query that names a certain user, at any size.

The first eight spoil the whole answer. The others are in that user's place: an error, a null
without an error, a right `totalCount` above nulls, a gist without its time, a wrong `totalCount`.
"""


@dataclass
class Troubles:
    """Off by default; every field can be changed while requests come in.

    Numbers count the users (or node ids) of one query.
    """

    fail_above: int | None = None
    """Larger queries fail as `failure` says."""
    failure: Literal["resource-limits", 502, 504] = "resource-limits"
    """A null and RESOURCE_LIMITS_EXCEEDED for each user too many, or a page of the edge's."""
    cut_above: int | None = None
    """Users beyond this one have only half of their gists, silently; so does `totalCount`."""
    users: dict[int, UserTrouble] = field(default_factory=dict)
    """The trouble of single users, by their id."""
    not_shown: set[str] = field(default_factory=set)
    """Gists that GraphQL neither names nor counts."""
    hides_gists: bool = False
    """Gists are null, without an error, as with a fine-grained token; `totalCount` is right."""

    def fails(self, subjects: int) -> bool:
        return self.fail_above is not None and subjects > self.fail_above

    def cuts(self, subject: int) -> bool:
        return self.cut_above is not None and subject > self.cut_above
