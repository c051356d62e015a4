"""The commands about the rules on what is published, and about owners who opted out."""

from contextlib import nullcontext
from typing import Annotated

import typer

from gitpip.actions import rules as actions
from gitpip.bodies.rules import OptOutBody, RuleBody, TakenBody
from gitpip.cli.named_values import by_name
from gitpip.cli.output import (
    Json,
    act,
    console,
    errors,
    prepared_settings,
    print_json,
    print_rows,
    read,
)
from gitpip.clock import utc_now
from gitpip.counts import count
from gitpip.publish import rule_trial
from gitpip.publish.policy import Policies
from gitpip.publish.rules import Conditions, told, without_value
from gitpip.store.publications import opt_outs, rules
from gitpip.store.publications.rules import NewRule, PublishingRule, RuleId
from gitpip.store.schema_rules import RuleAction

rules_app = typer.Typer(
    help="List, add, update, move, remove and test publishing rules.",
    no_args_is_help=True,
)
opt_outs_app = typer.Typer(
    help="List, add and remove people whose gists are never sent.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(min=1, help="ID from gitpip rules list.")]
Action = Annotated[RuleAction, typer.Argument(help="What to do with files that match.")]
Name = Annotated[str, typer.Option(help="Name of the rule.")]
When = Annotated[
    list[str] | None,
    typer.Option(
        help="Condition, e.g. names='*.env, id_*' or larger_than=100000. Repeat for several. "
        f"Names: {', '.join(Conditions.model_fields)}."
    ),
]
Position = Annotated[int, typer.Argument(min=1, help="New position, from 1.")]


@rules_app.command("list")
def list_rules(as_json: Json = False) -> None:
    """List rules in the order they are applied."""
    ordered = read(prepared_settings(), rules.everything)
    if as_json:
        print_json([RuleBody.of(rule).model_dump(mode="json") for rule in ordered])
        return
    rows: list[dict[str, object]] = [
        {
            "position": rule.position,
            "id": rule.id,
            "name": rule.name,
            "does": rule.action,
            "with": told(rule),
        }
        for rule in ordered
    ]
    print_rows(rows, as_json, "No rules. Every file is sent.")


@rules_app.command("add")
def add_rule(
    action: Action,
    name: Name,
    when: When = None,
    position: Annotated[int | None, typer.Option(min=1, help="Position. Default: last.")] = None,
    as_json: Json = False,
) -> None:
    """Add a rule that publishes, holds or skips matching files."""
    new = _new(action, name, when)
    _told(act(prepared_settings(), lambda acting: actions.add(acting, new, position)), as_json)


@rules_app.command("change")
def change_rule(
    number: Number, action: Action, name: Name, when: When = None, as_json: Json = False
) -> None:
    """Replace a rule's action, name and conditions."""
    new = _new(action, name, when)
    rule_id = RuleId(number)
    _told(act(prepared_settings(), lambda acting: actions.change(acting, rule_id, new)), as_json)


@rules_app.command("move")
def move_rule(number: Number, position: Position, as_json: Json = False) -> None:
    """Move a rule. The other rules keep their order."""
    rule_id = RuleId(number)
    _told(act(prepared_settings(), lambda acting: actions.move(acting, rule_id, position)), as_json)


@rules_app.command("remove")
def remove_rule(number: Number, as_json: Json = False) -> None:
    """Remove a rule. Files it held or skipped stay held or skipped."""
    rule = act(prepared_settings(), lambda acting: actions.remove(acting, RuleId(number)))
    if as_json:
        print_json({"id": rule.id, "name": rule.name, "removed": True})
    else:
        console.say(f"Removed rule {rule.name}.")


@rules_app.command("test")
def try_rules(
    limit: Annotated[
        int, typer.Option(min=1, max=rule_trial.MAX_TRIED, help="Maximum number of files.")
    ] = rule_trial.MAX_TRIED,
    as_json: Json = False,
) -> None:
    """Show which rule applies to each of the newest stored files, and the result."""
    settings = prepared_settings()
    policies = Policies(settings.publishing)
    tried = read(
        settings,
        lambda transaction: rule_trial.tried(
            lambda: nullcontext(transaction), policies, utc_now(), limit=limit
        ),
    )
    rows: list[dict[str, object]] = [TakenBody.of(one).model_dump() for one in tried.taken]
    if not as_json:
        rows = [
            {
                "login": one.login,
                "gist_id": one.gist_id,
                "filename": one.filename,
                "rule": one.rule.name if one.rule else None,
                "outcome": str(one.fate),
            }
            for one in tried.taken
        ]
    print_rows(rows, as_json, "No files yet.")
    if tried.remark:
        errors.say(tried.remark)


@opt_outs_app.command("list")
def list_opt_outs(as_json: Json = False) -> None:
    """List people who opted out."""
    rows = [OptOutBody.of(one).model_dump() for one in read(prepared_settings(), opt_outs.everyone)]
    print_rows(rows, as_json, "No one has opted out.")


@opt_outs_app.command("add")
def add_opt_out(
    login: Annotated[str, typer.Argument(help="GitHub username of the person.")],
    reason: Annotated[str | None, typer.Option(help="Reason to show in the list.")] = None,
    as_json: Json = False,
) -> None:
    """Never send a person's gists. Queued files are skipped."""
    out, skipped = act(prepared_settings(), lambda acting: actions.opt_out(acting, login, reason))
    if as_json:
        print_json({**OptOutBody.of(out).model_dump(), "skipped": skipped})
    else:
        console.say(f"{out.login} is opted out. Skipped {count(skipped, 'queued file')}.")


@opt_outs_app.command("remove")
def end_opt_out(
    login: Annotated[str, typer.Argument(help="GitHub username of the person.")],
    as_json: Json = False,
) -> None:
    """End an opt-out. New files are sent; skipped files stay skipped."""
    out = act(prepared_settings(), lambda acting: actions.end_opt_out(acting, login))
    if as_json:
        print_json({"login": out.login, "removed": True})
    else:
        console.say(f"Ended the opt-out of {out.login}. New files are sent.")


def _new(action: RuleAction, name: str, when: list[str] | None) -> NewRule:
    texts: list[tuple[str, str]] = []
    for one in when or []:
        asked, equals, text = one.partition("=")
        if not equals or asked.strip() not in Conditions.model_fields:
            raise typer.BadParameter(
                f"{one[:60]!r} is not like NAME=VALUE with one of the names "
                f"{', '.join(Conditions.model_fields)}",
                param_hint="--when",
            )
        if not text:
            raise without_value(asked.strip())
        texts.append((asked.strip(), text))
    conditions = Conditions.of_texts(by_name(texts, "--when"))
    return NewRule(name, conditions.as_json(), action)


def _told(rule: PublishingRule, as_json: bool) -> None:
    if as_json:
        print_json(RuleBody.of(rule).model_dump(mode="json"))
        return
    asked = told(rule)
    console.say(f"Rule {rule.id}, at position {rule.position}: {rule.action} {rule.name}, {asked}.")
