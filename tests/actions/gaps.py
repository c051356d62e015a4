"""The doors that an act is not offered by, or that a test of its own covers, and why."""

from collections.abc import Callable, Mapping

from gitpip.actions import adding, adoption, checks, imports, users, visits

Gap = tuple[Callable[..., object], str]
"""An act and a door: page, api or command."""

LEFT_OUT: Mapping[Gap, str] = {
    (adding.add_people, "api"): "POST /api/v1/users adds one, POST /api/v1/imports adds many",
    (adding.add_people, "command"): "users add adds one, users import adds many",
    (users.act_on_selected, "api"): "a program names each: PATCH, DELETE and POST …/check",
    (users.act_on_selected, "command"): "users change, users check and users remove name each",
    (imports.upload, "api"): "POST /api/v1/imports/preview shows it, and the caller keeps the file",
    (imports.upload, "command"): "users import asks at the terminal, while it has the file open",
    (imports.confirm, "api"): "POST /api/v1/imports takes the file together with its columns",
    (imports.confirm, "command"): "users import begins as soon as its question is answered",
    (visits.record, "page"): "POST /seen marks gists, and reading a page records nothing",
    (adoption.request_comparison, "command"): "adopt makes the comparison, and waits for it",
    (adoption.adopt, "page"): "a request does not wait so long: it uses request_comparison",
    (adoption.adopt, "api"): "a request does not wait so long: it uses request_comparison",
}
"""Why a door does not offer an act. Each names how the same is done there."""
ELSEWHERE: frozenset[Gap] = frozenset({(adoption.adopt, "command"), (checks.request, "command")})
"""These do more than the act, so that they have tests of their own in `test_doors.py`."""
