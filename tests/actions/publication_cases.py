"""Cases of acts on publications, checks, pauses and accounts."""

from gitpip.actions import accounts, adoption, checks, pauses, publications, publishing
from gitpip.clock import utc_now
from gitpip.status.problem import until
from tests.actions.cases import NOBODY, Case, api, post
from tests.actions.doors import Refused
from tests.actions.rooms import FAILED, LATER, PUBLISHED, WAITING

GONE = Refused(404, "publication-not-found", "there is no publication 77")
PUBLICATIONS = [
    Case(
        "a failed publication is sent again",
        publications.retry,
        post(f"/publications/{FAILED}/retry"),
        api("POST", f"/publications/{FAILED}/retry"),
        ("publications", "retry", str(FAILED)),
        audit=(("publication.retried", str(FAILED)),),
        wakes=("publish",),
        tables=("publications",),
    ),
    Case(
        "a publication that is not there is sent again",
        publications.retry,
        post("/publications/77/retry"),
        api("POST", "/publications/77/retry"),
        ("publications", "retry", "77"),
        refused=GONE,
    ),
    Case(
        "a publication that waits is skipped",
        publications.skip,
        post(f"/publications/{WAITING}/skip"),
        api("POST", f"/publications/{WAITING}/skip"),
        ("publications", "skip", str(WAITING)),
        audit=(("publication.skipped", str(WAITING)),),
        tables=("publications",),
    ),
    Case(
        "a publication that is in Pipedrive is skipped",
        publications.skip,
        post(f"/publications/{PUBLISHED}/skip"),
        api("POST", f"/publications/{PUBLISHED}/skip"),
        ("publications", "skip", str(PUBLISHED)),
        refused=Refused(
            409,
            "publication-state",
            f"publication {PUBLISHED} is published; only one that is failed or held or pending "
            "can become skipped",
        ),
    ),
    Case(
        "what is held is published",
        publications.decide_held,
        post("/people/ada/held", approve="all"),
        api("POST", "/users/ada/held", approve="all"),
        ("held", "ada", "--approve", "all"),
        audit=(("held.decided", "ada: all, 1 to publish, 0 skipped"),),
        wakes=("publish",),
        tables=("publications",),
    ),
    Case(
        "what is held is skipped",
        publications.decide_held,
        post("/people/ada/held", approve="none"),
        api("POST", "/users/ada/held", approve="none"),
        ("held", "ada", "--approve", "none"),
        audit=(("held.decided", "ada: none, 0 to publish, 1 skipped"),),
        tables=("publications",),
    ),
    Case(
        "nothing is held of a user",
        publications.decide_held,
        post("/people/bob/held", approve="all"),
        api("POST", "/users/bob/held", approve="all"),
        ("held", "bob", "--approve", "all"),
    ),
    Case(
        "a decision about nobody",
        publications.decide_held,
        post("/people/nobody/held", approve="all"),
        api("POST", "/users/nobody/held", approve="all"),
        ("held", "nobody", "--approve", "all"),
        refused=NOBODY,
    ),
    Case(
        "refused notes are written once more",
        publications.settle_failed_notes,
        post("/status-page/notes/retry"),
        api("POST", "/notes/retry"),
        ("notes", "retry"),
        audit=(("notes.retried", "1"),),
        wakes=("publish",),
        tables=("publications", "amendments"),
    ),
    Case(
        "refused notes are left",
        publications.settle_failed_notes,
        post("/status-page/notes/leave"),
        api("POST", "/notes/leave"),
        ("notes", "leave"),
        audit=(("notes.left", "1"),),
        tables=("publications",),
    ),
]
MISSING = "activities-missing"
WORK = [
    # gitpip check makes the check as well; see below.
    Case(
        "a check of all users",
        checks.request,
        post("/people/check"),
        api("POST", "/checks"),
        None,
        audit=(("check.requested", "1"),),
        wakes=("check",),
        tables=("checks", "users"),
    ),
    Case(
        "a pause is ended",
        pauses.try_now,
        post("/status-page/try/publishing"),
        api("POST", "/pauses/publishing/try"),
        ("try-now", "publishing"),
        audit=(("pause.ended", "publishing"),),
        wakes=("publish",),
        tables=("pauses", "publications"),
    ),
    Case(
        "publishing is paused",
        publishing.pause_publishing,
        post("/status-page/publishing/pause", reason="a fair"),
        api("POST", "/publishing/pause", reason="a fair"),
        ("publishing", "pause", "--reason", "a fair"),
        audit=(("publishing.paused", "until it is resumed: a fair"),),
        tables=("publishing_pause",),
    ),
    Case(
        "publishing is paused until yesterday",
        publishing.pause_publishing,
        post("/status-page/publishing/pause", until="2001-02-03"),
        api("POST", "/publishing/pause", until="2001-02-03"),
        ("publishing", "pause", "--until", "2001-02-03"),
        refused=Refused(
            422,
            "invalid-input",
            "until: 2001-02-03 00:00 UTC is not within the next 366 days; without a time, "
            "publishing is paused until somebody resumes it",
        ),
    ),
    Case(
        "publishing is resumed",
        publishing.resume_publishing,
        post("/status-page/publishing/resume"),
        api("POST", "/publishing/resume"),
        ("publishing", "resume"),
        audit=(("publishing.resumed", "a fair"),),
        tables=("events", "publishing_pause"),
    ),
    Case(
        "what is not paused is tried",
        pauses.try_now,
        post("/status-page/try/watching"),
        api("POST", "/pauses/watching/try"),
        ("try-now", "watching"),
    ),
    Case(
        "a pause that GitHub asked for",
        pauses.try_now,
        post("/status-page/try/sweeping"),
        api("POST", "/pauses/sweeping/try"),
        ("try-now", "sweeping"),
        refused=Refused(
            409,
            "pause-kept",
            f"sweeping is paused {until(LATER, utc_now())} because GitHub asked to wait that long; "
            "asking earlier can get the token banned, so it can't be ended",
        ),
    ),
    Case(
        "the account is switched",
        accounts.switch,
        post("/status-page/accounts/pipedrive/switch"),
        api("POST", "/accounts/pipedrive/switch"),
        ("accounts", "switch", "pipedrive"),
        audit=(("account.switched", "pipedrive Next Ltd"),),
        wakes=("publish",),
        tables=("accounts", "kept_publications", "ledger", "publications"),
    ),
    Case(
        "no other account is set",
        accounts.switch,
        post("/status-page/accounts/github/switch"),
        api("POST", "/accounts/github/switch"),
        None,  # where no service runs, a command first notes which account is set
        refused=Refused(
            409, "account-unchanged", "no change of the github account waits to be confirmed"
        ),
    ),
    Case(
        # gitpip adopt makes the comparison as well.
        "a comparison with Pipedrive",
        adoption.request_comparison,
        post("/status-page/adopt"),
        api("POST", "/adoption"),
        None,
        audit=(("adoption.requested", "pipedrive"),),
        wakes=("publish",),
        tables=("ledger",),
    ),
    Case(
        "what is missing is acknowledged",
        adoption.acknowledge,
        post(f"/status-page/acknowledge/{MISSING}"),
        api("POST", f"/problems/{MISSING}/acknowledge"),
        ("adopt", "--acknowledge"),
        audit=(("problem.acknowledged", f"{MISSING}: 2"),),
        tables=("ledger",),
    ),
    Case(
        "nothing to acknowledge",
        adoption.acknowledge,
        post("/status-page/acknowledge/activities-doubled"),
        api("POST", "/problems/activities-doubled/acknowledge"),
        None,
    ),
]
