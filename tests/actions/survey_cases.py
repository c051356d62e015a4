"""Cases of acts that read a whole account: an audit, and what other tools made."""

from gitpip.actions import surveys
from tests.actions.cases import NOBODY, Case, api, post
from tests.actions.doors import Refused

SURVEYS = [
    Case(
        "an audit is requested",
        surveys.request_audit,
        post("/audits", login="ada"),
        api("POST", "/audits", login="ada"),
        ("audit", "--user", "ada", "--no-wait"),
        audit=(("audit.requested", "2"),),
        wakes=("survey",),
        tables=("surveys",),
    ),
    Case(
        "an audit of a user who is not tracked",
        surveys.request_audit,
        post("/audits", login="nobody"),
        api("POST", "/audits", login="nobody"),
        ("audit", "--user", "nobody", "--no-wait"),
        refused=NOBODY,
    ),
    Case(
        "what other tools made is searched for",
        surveys.request_search,
        post("/adoption/search"),
        api("POST", "/adoption/others"),
        ("adopt", "--from-others", "--no-wait"),
        audit=(("others.searched", "2"),),
        wakes=("survey",),
        tables=("surveys",),
    ),
    Case(
        "what other tools made is adopted",
        surveys.adopt_others,
        post("/adoption/adopt", min_confidence="likely"),
        api("POST", "/adoption/others/adopt", min_confidence="likely"),
        ("adopt", "--from-others", "--last-search", "--min-confidence", "likely"),
        audit=(("others.adopted", "1 activity, at least likely"),),
        tables=("publications", "adopted_from_others", "events"),
    ),
    Case(
        "what fits several files is not adopted",
        surveys.adopt_others,
        post("/adoption/adopt", min_confidence="ambiguous"),
        api("POST", "/adoption/others/adopt", min_confidence="ambiguous"),
        ("adopt", "--from-others", "--last-search", "--min-confidence", "ambiguous"),
        refused=Refused(
            422,
            "invalid-input",
            "min_confidence: must be certain, likely or possible",
        ),
    ),
]
