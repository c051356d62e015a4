"""`/api/v1/publishing/rules` and `/api/v1/opt-outs`: what is published of what was found."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from gitpip.actions import rules as actions
from gitpip.bodies.rules import OptOutBody, RuleBody, TakenBody
from gitpip.clock import utc_now
from gitpip.model import Role
from gitpip.publish import rule_trial
from gitpip.publish.policy import Policies
from gitpip.publish.rules import Conditions
from gitpip.store.publications import opt_outs, rules
from gitpip.store.publications.rules import NewRule, RuleId
from gitpip.store.schema_rules import RuleAction
from gitpip.web.api.parameters import Number, RequestBody, WholeNumber
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import Context, CurrentActing

router = api_router("publications")
_Position = Annotated[WholeNumber, Field(ge=1, le=rules.MAX_RULES)]


class RuleContent(RequestBody):
    """A rule: without conditions, every file fits."""

    name: str
    action: RuleAction
    conditions: Conditions = Conditions()

    @property
    def rule(self) -> NewRule:
        """The rule as the store takes it."""
        return NewRule(self.name, self.conditions.as_json(), self.action)


class RuleToAdd(RuleContent):
    """A rule to be added: without a position, as the last one."""

    position: _Position | None = None


class RulePosition(RequestBody):
    """The place of a rule in the order, from 1."""

    position: _Position


class NewOptOut(RequestBody):
    """An owner who opted out, tracked or not."""

    login: str
    reason: str | None = None


@router.get("/publishing/rules")
@needs(Role.VIEWER)
async def list_rules(context: Context) -> list[RuleBody]:
    """List the rules in the order they are applied. A file that no rule matches is published."""
    async with context.database.read() as transaction:
        return [RuleBody.of(rule) for rule in await rules.everything(transaction)]


@router.get("/publishing/rules/trial")
@needs(Role.VIEWER)
async def try_rules(
    context: Context,
    response: Response,
    limit: Annotated[
        int, Query(ge=1, le=rule_trial.MAX_TRIED, description="How many at most.")
    ] = 100,
) -> list[TakenBody]:
    """Test the rules on the newest stored files. Nothing is changed.

    The answer has the rule that matches each file, and the result. It takes about three seconds: if
    the rules are slow, the list ends earlier, and the header `gitpip-timed-out` is `true`.
    `gitpip-slowest-rule` is the id of the slowest rule, and `gitpip-slowest-seconds` the longest
    time that it took for a file.
    """
    policies = Policies(context.settings.publishing)
    async with context.trials.place():
        tried = await rule_trial.tried(context.database.read, policies, utc_now(), limit=limit)
    response.headers["gitpip-timed-out"] = "true" if tried.timed_out else "false"
    if tried.worst and tried.worst.slowest:
        response.headers["gitpip-slowest-rule"] = str(tried.worst.slowest.id)
        response.headers["gitpip-slowest-seconds"] = f"{tried.worst.took:.3f}"
    return [TakenBody.of(one) for one in tried.taken]


@router.post("/publishing/rules", status_code=HTTPStatus.CREATED)
@needs(Role.ADMIN)
async def add_rule(new: RuleToAdd, acting: CurrentActing) -> RuleBody:
    """Add a rule. Files that are held or skipped already stay as they are."""
    return RuleBody.of(await actions.add(acting, new.rule, new.position))


@router.put("/publishing/rules/{rule_id}")
@needs(Role.ADMIN)
async def change_rule(rule_id: Number, content: RuleContent, acting: CurrentActing) -> RuleBody:
    """Replace the name, the conditions and the action of a rule."""
    return RuleBody.of(await actions.change(acting, RuleId(rule_id), content.rule))


@router.post("/publishing/rules/{rule_id}/move")
@needs(Role.ADMIN)
async def move_rule(rule_id: Number, place: RulePosition, acting: CurrentActing) -> RuleBody:
    """Move a rule to another position. The others keep their order."""
    return RuleBody.of(await actions.move(acting, RuleId(rule_id), place.position))


@router.delete("/publishing/rules/{rule_id}")
@needs(Role.ADMIN)
async def remove_rule(rule_id: Number, acting: CurrentActing) -> RuleBody:
    """Remove a rule. Files that it held or skipped stay as they are."""
    return RuleBody.of(await actions.remove(acting, RuleId(rule_id)))


@router.get("/opt-outs")
@needs(Role.VIEWER)
async def list_opt_outs(context: Context) -> list[OptOutBody]:
    """List the owners who opted out, by login."""
    async with context.database.read() as transaction:
        return [OptOutBody.of(one) for one in await opt_outs.everyone(transaction)]


@router.post("/opt-outs", status_code=HTTPStatus.CREATED)
@needs(Role.OPERATOR)
async def add_opt_out(new: NewOptOut, acting: CurrentActing) -> OptOutBody:
    """Never publish anything of an owner. Files that wait are skipped.

    Repeating the request changes nothing. Another reason replaces the present one.
    """
    out, _ = await actions.opt_out(acting, new.login, new.reason)
    return OptOutBody.of(out)


@router.delete("/opt-outs/{login}")
@needs(Role.OPERATOR)
async def end_opt_out(
    login: Annotated[str, Path(max_length=100)], acting: CurrentActing
) -> OptOutBody:
    """End an opt-out. New files are published; skipped files stay skipped."""
    return OptOutBody.of(await actions.end_opt_out(acting, login))
