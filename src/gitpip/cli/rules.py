"""The commands about the rules on what is published, and about owners who opted out."""

from typing import Annotated

import typer

from gitpip.actions import rules as actions
from gitpip.cli.output import Json, act, console, prepared_settings, print_json, print_rows, read
from gitpip.clock import utc_now
from gitpip.publish import rule_trial
from gitpip.publish.rules import Conditions, told
from gitpip.status.problem import count
from gitpip.store.publications import opt_outs, rules
from gitpip.store.publications.rules import NewRule, PublishingRule, RuleAction, RuleId
from gitpip.web.api.rules import OptOutBody, RuleBody, TakenBody

rules_app = typer.Typer(
    help="List, add, change, move, remove and try the rules on what is published.",
    no_args_is_help=True,
)
opt_outs_app = typer.Typer(
    help="List, add and remove owners whose gists are never published.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(min=1, help="Its number in gitpip rules list.")]
Name = Annotated[str, typer.Option(help="What people call it.")]
When = Annotated[
    list[str] | None,
    typer.Option(
        help="What a file must fit, like names='*.env, id_*' or larger_than=100000; can be given "
        f"several times. One of {', '.join(Conditions.model_fields)}."
    ),
]
Position = Annotated[int, typer.Argument(min=1, help="Where it is to stand, from 1.")]


@rules_app.command("list")
def list_rules(as_json: Json = False) -> None:
    """List the rules, in the order in which they are asked."""
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
    print_rows(rows, as_json, "There are no rules, so every file is published.")


@rules_app.command("add")
def add_rule(
    action: RuleAction,
    name: Name,
    when: When = None,
    position: Annotated[
        int | None, typer.Option(min=1, help="Where; the last if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a rule: publish, hold or skip what fits it."""
    new = _new(action, name, when)
    _told(act(prepared_settings(), lambda acting: actions.add(acting, new, position)), as_json)


@rules_app.command("change")
def change_rule(
    number: Number, action: RuleAction, name: Name, when: When = None, as_json: Json = False
) -> None:
    """Give a rule another action, another name and other conditions."""
    new = _new(action, name, when)
    rule_id = RuleId(number)
    _told(act(prepared_settings(), lambda acting: actions.change(acting, rule_id, new)), as_json)


@rules_app.command("move")
def move_rule(number: Number, position: Position, as_json: Json = False) -> None:
    """Put a rule at another position; the others keep their order."""
    rule_id = RuleId(number)
    _told(act(prepared_settings(), lambda acting: actions.move(acting, rule_id, position)), as_json)


@rules_app.command("remove")
def remove_rule(number: Number, as_json: Json = False) -> None:
    """Remove a rule; what was held or skipped by it stays so."""
    rule = act(prepared_settings(), lambda acting: actions.remove(acting, RuleId(number)))
    if as_json:
        print_json({"id": rule.id, "name": rule.name, "removed": True})
    else:
        console.say(f"The rule {rule.name} is removed.")


@rules_app.command("test")
def try_rules(
    limit: Annotated[
        int, typer.Option(min=1, max=rule_trial.MOST, help="How many files at most.")
    ] = rule_trial.MOST,
    as_json: Json = False,
) -> None:
    """Show which rule decides about which of the newest stored files; changes nothing."""
    taken = read(
        prepared_settings(),
        lambda transaction: rule_trial.tried(transaction, utc_now(), limit=limit),
    )
    rows = [TakenBody.of(one).model_dump() for one in taken]
    print_rows(rows, as_json, "No files are stored yet.")


@opt_outs_app.command("list")
def list_opt_outs(as_json: Json = False) -> None:
    """List the owners who opted out."""
    rows = [OptOutBody.of(one).model_dump() for one in read(prepared_settings(), opt_outs.everyone)]
    print_rows(rows, as_json, "Nobody opted out.")


@opt_outs_app.command("add")
def add_opt_out(
    login: str,
    reason: Annotated[str | None, typer.Option(help="Why, for those who read the list.")] = None,
    as_json: Json = False,
) -> None:
    """Never publish anything of an owner; what waits is skipped."""
    out, skipped = act(prepared_settings(), lambda acting: actions.opt_out(acting, login, reason))
    if as_json:
        print_json({**OptOutBody.of(out).model_dump(), "skipped": skipped})
    else:
        console.say(
            f"Nothing of {out.login} is published any more; {count(skipped, 'file')} skipped."
        )


@opt_outs_app.command("remove")
def end_opt_out(login: str, as_json: Json = False) -> None:
    """Publish what an owner makes from now on; what was skipped stays skipped."""
    out = act(prepared_settings(), lambda acting: actions.end_opt_out(acting, login))
    if as_json:
        print_json({"login": out.login, "removed": True})
    else:
        console.say(f"What {out.login} makes from now on is published.")


def _new(action: RuleAction, name: str, when: list[str] | None) -> NewRule:
    texts: dict[str, str] = {}
    for one in when or []:
        asked, equals, text = one.partition("=")
        if not equals or asked.strip() not in Conditions.model_fields:
            raise typer.BadParameter(
                f"{one[:60]!r} is not like NAME=VALUE with one of the names "
                f"{', '.join(Conditions.model_fields)}",
                param_hint="--when",
            )
        texts[asked.strip()] = text
    return NewRule(name, Conditions.of_texts(texts).as_json(), action)


def _told(rule: PublishingRule, as_json: bool) -> None:
    if as_json:
        print_json(RuleBody.of(rule).model_dump(mode="json"))
        return
    asked = told(rule)
    console.say(f"Rule {rule.id} at {rule.position}: {rule.action} {rule.name}, {asked}.")
