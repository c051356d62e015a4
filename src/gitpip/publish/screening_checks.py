"""The checks before the first send of a publication: rules, credentials, the day's flood."""

from collections.abc import Collection
from datetime import datetime
from functools import cache

from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.model import Publication
from gitpip.modes import CredentialsGuard, HeldBecause
from gitpip.publish.credentials.detector import DETECTOR
from gitpip.publish.credentials.findings import parts_of
from gitpip.publish.rules import Facts, Ruling, ruling_of
from gitpip.publish.screening import (
    PUBLISH,
    Candidate,
    Checks,
    Decision,
    Hold,
    Skip,
    Wait,
)
from gitpip.store.database import Transaction
from gitpip.store.publications import day_flood, rules
from gitpip.store.schema_rules import RuleAction


async def checks_now(
    transaction: Transaction,
    about: Collection[Publication],
    policy: PublishingPolicy,
    now: datetime,
) -> Checks:
    """Return the checks for these publications, by the rules, settings and rows of this moment."""
    ordered = await rules.everything(transaction)
    tags = await rules.tags_of(transaction, {each.user_key for each in about}) if ordered else {}

    @cache
    def ruling(candidate: Candidate) -> Ruling:
        of_user = tags.get(candidate.publication.user_key, ())
        return ruling_of(ordered, Facts.of(candidate.file, of_user, now))

    most = policy.flood_per_day
    floods = most > 0 and await day_flood.lasts(transaction, most, now, policy.publishing_mode)
    fresh = await day_flood.fresh_of(transaction, [each.id for each in about]) if floods else ()
    return Checks(
        first=(lambda candidate: _skipped(ruling(candidate)),),
        always=(lambda candidate: _by_credentials(candidate, policy.credentials),),
        then=(
            lambda candidate: _held(ruling(candidate)),
            lambda candidate: _flooded(most) if candidate.publication.id in fresh else PUBLISH,
        ),
    )


def _skipped(ruling: Ruling) -> Decision:
    return Skip(ruling.reason or "") if ruling.action is RuleAction.SKIP else PUBLISH


def _held(ruling: Ruling) -> Decision:
    if ruling.action is not RuleAction.HOLD:
        return PUBLISH
    return Hold(HeldBecause.RULE, ruling.reason or "")


def _flooded(most: int) -> Decision:
    return Hold(HeldBecause.DAY_FLOOD, f"more than {most:,} new files of all users within a day")


def _by_credentials(candidate: Candidate, guard: CredentialsGuard) -> Decision:
    masked = candidate.publication.masked or guard is CredentialsGuard.MASK
    if guard is CredentialsGuard.PUBLISH and not masked:
        return PUBLISH
    found = DETECTOR.find(parts_of(candidate.file))
    if found.trouble is not None:
        return Wait(found.trouble)
    told = found.sentence()
    if told is None or (masked and found.not_judged is None):
        return PUBLISH
    return Hold(HeldBecause.CREDENTIALS, told)
