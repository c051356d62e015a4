"""The page of the rules on what is published, and of owners who opted out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gitpip.actions import rules as actions
from gitpip.clock import utc_now
from gitpip.errors import InvalidInput, TooManyTrials
from gitpip.model import Role
from gitpip.publish import rule_trial
from gitpip.publish.policy import Policies
from gitpip.publish.rule_trial import RuleTrial
from gitpip.publish.rules import EXAMPLES, Conditions, readable, told
from gitpip.store.publications import opt_outs, rules
from gitpip.store.publications.rules import NewRule, RuleId
from gitpip.store.schema_rules import RuleAction
from gitpip.validation import read_whole, without_nul
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing
from gitpip.web.pages.forms import Field, read_field
from gitpip.web.pages.router import page_router
from gitpip.web.render.faults import FormFault, form_fault
from gitpip.web.render.jinja import render

MAX_TRIALS_SHOWN = 50
"""The most files that are shown with their rules; all that were tried are counted."""
_LABELS = {
    "languages": "Languages",
    "names": "Names",
    "larger_than": "Larger than (bytes)",
    "smaller_than": "Smaller than (bytes)",
    "tags": "Tags of the person",
    "description": "Description matches",
    "older_than_days": "Older than (days)",
    "younger_than_days": "Younger than (days)",
    "words": "Words in the content",
    "content": "Content matches",
}
FIELDS = tuple((name, words, EXAMPLES[name]) for name, words in _LABELS.items())
"""The conditions as fields of the form: name, label and an example."""
ACTION_WORDS = {"publish": "Send", "hold": "Hold", "skip": "Skip", "wait": "Wait"}
"""The words for what happens to a file, by the code of an action or of a trial's outcome."""
NOTHING_WRITTEN: Mapping[str, str] = {}
LABELS = {f"conditions.{name}": label for name, label in _LABELS.items()}

router = page_router()
RulePath = Annotated[int, Path(ge=1, le=2**53)]


@dataclass(frozen=True)
class _Form:
    """The fields of the form of a rule; a rule that is there already has an id."""

    name: str = ""
    action: str = RuleAction.HOLD
    position: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    rule_id: int | None = None

    def rule(self) -> NewRule:
        """The rule that it describes; raises InvalidInput."""
        action = read_field("action", RuleAction, self.action) or RuleAction.HOLD
        conditions = Conditions.of_texts(
            {name: without_nul(text) for name, text in self.texts.items()}
        )
        return NewRule(self.name, conditions.as_json(), action)

    def place(self) -> int | None:
        """The position that it asks for; raises InvalidInput."""
        return read_field("position", read_whole, self.position)


@router.get("/rules")
@needs(Role.VIEWER)
async def list_rules(
    context: Context, edit: Annotated[int | None, Query(ge=1, le=2**53)] = None
) -> HTMLResponse:
    """The rules, which stored files each decides about, and a form for another one, or for one."""
    if edit is None:
        return await _page(context, _Form())
    async with context.database.read() as transaction:
        rule = await rules.get(transaction, RuleId(edit))
    texts = (readable(rule) or Conditions()).texts()
    return await _page(context, _Form(rule.name, rule.action, texts=texts, rule_id=rule.id))


@router.post("/rules")
@needs(Role.ADMIN)
async def save_rule(
    *,
    context: Context,
    acting: CurrentActing,
    rule_id: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    name: Field = "",
    action: Field = "",
    position: Field = "",
    languages: Field = "",
    names: Field = "",
    larger_than: Field = "",
    smaller_than: Field = "",
    tags: Field = "",
    fork: Field = "",
    description: Field = "",
    older_than_days: Field = "",
    younger_than_days: Field = "",
    words: Field = "",
    content: Field = "",
) -> Response:
    """Add a rule, or change the one with this id."""
    texts = {
        "languages": languages,
        "names": names,
        "larger_than": larger_than,
        "smaller_than": smaller_than,
        "tags": tags,
        "fork": fork,
        "description": description,
        "older_than_days": older_than_days,
        "younger_than_days": younger_than_days,
        "words": words,
        "content": content,
    }
    form = _Form(name, action, position, texts, rule_id)
    try:
        if rule_id is None:
            await actions.add(acting, form.rule(), form.place())
        else:
            await actions.change(acting, RuleId(rule_id), form.rule())
    except InvalidInput as error:
        return await _page(context, form, fault=form_fault(error, LABELS))
    return RedirectResponse("/rules", 303)


@router.post("/rules/{rule_id}/{act}")
@needs(Role.ADMIN)
async def act_on_rule(
    rule_id: RulePath,
    act: Literal["move", "remove"],
    context: Context,
    acting: CurrentActing,
    position: Field = "",
) -> Response:
    """Move a rule, or remove it."""
    if act == "remove":
        await actions.remove(acting, RuleId(rule_id))
    else:
        form = f"rule-{rule_id}"
        try:
            place = read_field("position", read_whole, position)
            await actions.move(acting, RuleId(rule_id), 0 if place is None else place)
        except InvalidInput as error:
            fault = form_fault(error, form=form)
            return await _page(context, _Form(), fault=fault, written={form: position})
    return RedirectResponse("/rules", 303)


@router.post("/opt-outs")
@needs(Role.OPERATOR)
async def add_opt_out(
    context: Context, acting: CurrentActing, login: Field = "", reason: Field = ""
) -> Response:
    """Never publish anything of an owner."""
    try:
        await actions.opt_out(acting, login.strip(), reason)
    except InvalidInput as error:
        fault = form_fault(error, form="opt-out")
        written = {"login": login, "reason": reason}
        return await _page(context, _Form(), fault=fault, written=written)
    return RedirectResponse("/rules#opt-outs", 303)


@router.post("/opt-outs/{login}/remove")
@needs(Role.OPERATOR)
async def end_opt_out(
    login: Annotated[str, Path(max_length=100)], acting: CurrentActing
) -> Response:
    """Publish what an owner makes from now on."""
    await actions.end_opt_out(acting, login)
    return RedirectResponse("/rules#opt-outs", 303)


async def _trial(context: AppContext, *, has_rules: bool) -> tuple[RuleTrial, str | None]:
    """The trial of the rules with a remark on it; without files where it is not made."""
    policies = Policies(context.settings.publishing)
    tried = partial(rule_trial.tried, context.database.read, policies, utc_now())
    if not has_rules:
        return await tried(limit=0), None
    try:
        async with context.trials.place():
            made = await tried()
    except TooManyTrials as error:  # a slow rule can still be removed on the page
        return await tried(limit=0), f"The rules were not tried: {error}."
    return made, made.remark


async def _page(
    context: AppContext,
    form: _Form,
    *,
    fault: FormFault | None = None,
    written: Mapping[str, str] = NOTHING_WRITTEN,
) -> HTMLResponse:
    """The page; `written` stands in the form of opt-outs, and by `rule-ID` in those that move."""
    async with context.database.read() as transaction:
        ordered = await rules.everything(transaction)
        out = await opt_outs.everyone(transaction)
    tried, remark = await _trial(context, has_rules=bool(ordered))
    counts = Counter(
        one.rule.id if one.rule else None for one in tried.taken if not one.ruling.is_late
    )
    page = render(
        "rules.html",
        page="rules",
        rules=[(rule, told(rule), counts[rule.id]) for rule in ordered],
        unruled=counts[None],
        tried=len(tried.taken),
        late=tried.late,
        remark=remark,
        others=tried.others,
        taken=tried.taken[:MAX_TRIALS_SHOWN],
        form=form,
        fields=FIELDS,
        actions=list(RuleAction),
        action_words=ACTION_WORDS,
        opt_outs=out,
        written=written,
        fault=fault,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK
    return HTMLResponse(page, status_code=status)
