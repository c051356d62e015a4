"""Cases of acts on rules, and on owners who opted out."""

from gitpip.actions import rules
from tests.actions.cases import Case, api, post
from tests.actions.doors import Refused

NONE = Refused(404, "rule-not-found", "there is no rule 77")
RULES = [
    Case(
        "a rule is added at a position",
        rules.add,
        post("/rules", name="No keys", action="skip", position="1", names="*.env, id_*"),
        api(
            "POST",
            "/publishing/rules",
            name="No keys",
            action="skip",
            position=1,
            conditions={"names": ["*.env", "id_*"]},
        ),
        (
            "rules",
            "add",
            "skip",
            "--name",
            "No keys",
            "--position",
            "1",
            "--when",
            "names=*.env, id_*",
        ),
        audit=(("rule.added", "3 at 1: skip No keys, the filename matches *.env or id_*"),),
        tables=("events", "publishing_rules"),
    ),
    Case(
        "a rule whose pattern is none is added",
        rules.add,
        post("/rules", name="x", action="skip", content="(?=x)"),
        api("POST", "/publishing/rules", name="x", action="skip", conditions={"content": "(?=x)"}),
        ("rules", "add", "skip", "--name", "x", "--when", "content=(?=x)"),
        refused=Refused(
            422,
            "invalid-input",
            "conditions.content: must be a regular expression of RE2, without back-references "
            "and look-around, e.g. ^draft (invalid perl operator: (?=)",
        ),
    ),
    Case(
        "a rule is changed",
        rules.change,
        post("/rules?rule_id=1", name="Big ones", action="hold", larger_than="5000"),
        api(
            "PUT",
            "/publishing/rules/1",
            name="Big ones",
            action="hold",
            conditions={"larger_than": 5000},
        ),
        ("rules", "change", "1", "hold", "--name", "Big ones", "--when", "larger_than=5000"),
        audit=(("rule.changed", "1 at 1: hold Big ones, larger than 5000 bytes"),),
        tables=("events", "publishing_rules"),
    ),
    Case(
        "a rule is moved",
        rules.move,
        post("/rules/2/move", position="1"),
        api("POST", "/publishing/rules/2/move", position=1),
        ("rules", "move", "2", "1"),
        audit=(("rule.moved", "2 at 1: skip Second, language is Text"),),
        tables=("events", "publishing_rules"),
    ),
    Case(
        "a rule is moved to where it is",
        rules.move,
        post("/rules/2/move", position="2"),
        api("POST", "/publishing/rules/2/move", position=2),
        ("rules", "move", "2", "2"),
    ),
    Case(
        "a rule is changed to what it is",
        rules.change,
        post("/rules?rule_id=2", name="Second", action="skip", languages="Text"),
        api(
            "PUT",
            "/publishing/rules/2",
            name="Second",
            action="skip",
            conditions={"languages": ["Text"]},
        ),
        ("rules", "change", "2", "skip", "--name", "Second", "--when", "languages=Text"),
    ),
    Case(
        "a rule is removed",
        rules.remove,
        post("/rules/1/remove"),
        api("DELETE", "/publishing/rules/1"),
        ("rules", "remove", "1"),
        audit=(("rule.removed", "1 at 1: hold First, every file"),),
        tables=("events", "publishing_rules"),
    ),
    Case(
        "a rule that is not there is removed",
        rules.remove,
        post("/rules/77/remove"),
        api("DELETE", "/publishing/rules/77"),
        ("rules", "remove", "77"),
        refused=NONE,
    ),
    Case(
        "an owner opts out",
        rules.opt_out,
        post("/opt-outs", login="Ada", reason="asked by mail"),
        api("POST", "/opt-outs", login="Ada", reason="asked by mail"),
        ("opt-outs", "add", "Ada", "--reason", "asked by mail"),
        audit=(("opt_out.added", "ada, 2 skipped"),),
        tables=("events", "opt_outs", "publications"),
    ),
    Case(
        "an owner opts out who had opted out",
        rules.opt_out,
        post("/opt-outs", login="Zoe", reason="asked by mail"),
        api("POST", "/opt-outs", login="Zoe", reason="asked by mail"),
        ("opt-outs", "add", "Zoe", "--reason", "asked by mail"),
    ),
    Case(
        "an owner who opted out is published again",
        rules.end_opt_out,
        post("/opt-outs/zoe/remove"),
        api("DELETE", "/opt-outs/zoe"),
        ("opt-outs", "remove", "zoe"),
        audit=(("opt_out.removed", "zoe"),),
        tables=("opt_outs",),
    ),
]
