"""The lines of an audit about files and activities that belong to no publication."""

from gitpip.model import UserKey
from gitpip.publish.verdicts import GitHubSide, SideVerdict, not_stored
from gitpip.store.database import Transaction
from gitpip.store.rows import in_pieces
from gitpip.store.schema_surveys import Verdict
from gitpip.store.surveys import comparing, others
from gitpip.store.surveys.lines import NewLine
from gitpip.store.surveys.surveys import Survey


async def only_on_github(
    transaction: Transaction, survey: Survey, user_key: UserKey, side: GitHubSide
) -> list[NewLine]:
    """Return a line for each file that GitHub shows and the store does not have."""
    found: list[NewLine] = []
    files = side.files or {}
    for some in in_pieces(sorted({gist_id for gist_id, _ in files})):
        stored = await others.stored_files(transaction, some)
        wanted = set(some)
        for name, listed in files.items():
            if name[0] not in wanted or name in stored:
                continue
            if survey.since is not None and listed.gist_updated_at < survey.since:
                continue
            part = not_stored(name, listed, side)
            found.append(
                NewLine(
                    user_key,
                    *name,
                    github=part.state,
                    stored="not there",
                    pipedrive="not known",
                    verdict=part.verdict,
                    explanation=part.explanation,
                    detail=part.detail,
                )
            )
    return found


def stranger(one: comparing.Stranger) -> NewLine:
    """Return the line of an activity with a marker that no publication has."""
    seen = one.seen
    part = SideVerdict(
        "not known",
        Verdict.UNEXPLAINED,
        "unknown-marker",
        f"another activity, of a file that was sent again, has the same marker {seen.marker}"
        if one.doubles_earlier
        else f"no publication has the marker {seen.marker}",
    )
    if one.removed:
        part = SideVerdict("not known", Verdict.EXPLAINED, "user-removed")
    elif one.sent_again:
        detail = "a person had it sent again: its publication has another activity"
        part = SideVerdict("not known", Verdict.EXPLAINED, "sent-again", detail)
    elif one.acknowledged:
        part = SideVerdict("not known", Verdict.EXPLAINED, "acknowledged")
    return NewLine(
        None,
        None,
        None,
        github="not known",
        stored="not there" if not one.removed else "removed",
        pipedrive="there",
        verdict=part.verdict,
        explanation=part.explanation,
        detail=part.detail,
        activity_id=seen.activity_id,
        deal_id=seen.deal_id,
    )
