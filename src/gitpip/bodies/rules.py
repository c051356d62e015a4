"""Bodies of rules and opt-outs."""

from dataclasses import asdict
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from gitpip.bodies.noun import NounBody
from gitpip.publish.rule_trial import TrialledFile, TrialOutcome
from gitpip.publish.rules import Conditions, readable
from gitpip.store.publications.opt_outs import OptOut
from gitpip.store.publications.rules import PublishingRule
from gitpip.store.schema_rules import RuleAction


class RuleBody(BaseModel):
    """A rule: the first one that fits a file decides. Times are UTC."""

    id: int
    position: int
    name: str
    action: RuleAction
    conditions: Conditions | None
    """Null where this gitpip can't read them: the rule holds every file until it is changed."""
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, rule: PublishingRule) -> Self:
        """The body of a rule."""
        return cls.model_validate({**asdict(rule), "conditions": readable(rule)})


class TakenBody(BaseModel):
    """A stored file, the rule that fits it, and what would become of the file now.

    The rule is null where none fits, or none in time.
    """

    login: str
    gist_id: str
    filename: str
    rule_id: int | None
    rule: str | None
    action: RuleAction
    """The result of the rules."""
    too_slow: bool = False
    """True if the rules take too long for it together, so that it is held."""
    outcome: TrialOutcome
    """The result with opt-outs, modes and pauses: only credentials and floods can hold it besides.
    For what waits, the decision comes when a pause or a dry run ends."""
    because: str | None
    """The reason why it would be held, skipped, or wait, and what is decided then about what
    waits."""

    @classmethod
    def of(cls, taken: TrialledFile) -> Self:
        """The body of what a trial found."""
        rule = taken.rule
        return cls(
            login=taken.login,
            gist_id=taken.gist_id,
            filename=taken.filename,
            rule_id=rule.id if rule else None,
            rule=rule.name if rule else None,
            action=taken.ruling.action,
            too_slow=taken.ruling.is_late,
            outcome=taken.fate.outcome,
            because=taken.fate.because,
        )


class OptOutBody(NounBody[OptOut]):
    """An owner whose files are never published. Times are UTC."""

    login: str
    github_id: int | None
    """The owner's GitHub id. Where it is known it decides; else the login does."""
    reason: str | None
    created_at: datetime
    created_by: str
