"""An account's own lists, which its people edit, and what they let be sent."""

from collections.abc import Mapping

from gitpip_standins.exchange import JsonObject
from gitpip_standins.pipedrive.account import (
    FIRST_PRIORITY,
    PRIORITIES,
    activity_fields,
    activity_types,
    field_of,
    options,
    pipeline,
    stage,
    user,
)
from gitpip_standins.pipedrive.input import Rejected

CHOSEN = {"enum", "set"}


class Setup:
    """The set-up of the account; tests change it as the account's people would."""

    def __init__(self) -> None:
        self.activity_types: tuple[str, ...] = (
            *("call", "meeting", "task", "deadline", "email", "lunch"),
        )
        self.users: dict[int, tuple[str, str]] = {1: ("Petra Pipe", "petra@example.com")}
        """The names and e-mail addresses of the users who are active."""
        self.requires = True
        """Whether the API refuses a deal without a required field, and not only the web pages."""
        self.currencies = {"EUR", "GBP", "USD"}
        self.visibilities = {1, 3, 5, 7}
        """The groups that a deal can be visible to; smaller plans have fewer."""
        self.pipelines: dict[int, str] = {1: "Sales"}
        self.stages: dict[int, tuple[str, int]] = {1: ("Qualified", 1), 2: ("Offer", 1)}
        """The names of the stages, with their pipelines."""
        self.deal_fields: list[JsonObject] = [
            field_of("Title", "title", "varchar", custom=False),
            field_of("Value", "value", "monetary", custom=False),
            field_of(
                "Label", "label_ids", "set", custom=False, options=options("Hot", "Cold", first=11)
            ),
        ]

    def lists(self) -> Mapping[str, list[JsonObject]]:
        """The answer of each path."""
        return {
            "activityTypes": activity_types(self.activity_types),
            "users": [
                user(number, name, email, active=True)
                for number, (name, email) in self.users.items()
            ],
            "pipelines": [pipeline(number, name) for number, name in self.pipelines.items()],
            "stages": [stage(number, *of) for number, of in self.stages.items()],
            "activityFields": activity_fields(),
        }

    def require(self, name: str, *stages: int) -> None:
        """Let a deal field be required, in these stages or in all."""
        for field in self.deal_fields:
            if field["field_name"] == name:
                rules = {"enabled": True, "stage_ids": list(stages), "statuses": {}}
                field["required_fields"] = rules

    def check_activity(self, fields: JsonObject) -> None:
        """Refuse what names something that the account does not have."""
        self._check_owner(fields)
        priority = fields.get("priority")
        if priority is not None and priority not in range(
            FIRST_PRIORITY, FIRST_PRIORITY + len(PRIORITIES)
        ):
            raise _unknown("priority", priority)

    def check_deal(self, fields: JsonObject, *, is_new: bool) -> None:
        """Refuse what names something that the account does not have, or lacks what it asks for."""
        self._check_owner(fields)
        for name, known in (("currency", self.currencies), ("visible_to", self.visibilities)):
            if fields.get(name) is not None and fields[name] not in known:
                raise _unknown(name, fields[name])
        pipeline_id, stage_id = fields.get("pipeline_id"), fields.get("stage_id")
        if pipeline_id is not None and pipeline_id not in self.pipelines:
            raise _unknown("pipeline_id", pipeline_id)
        if stage_id is not None and stage_id not in self.stages:
            raise _unknown("stage_id", stage_id)
        if stage_id is not None and isinstance(stage_id, int):
            of = self.stages[stage_id][1]
            if fields.setdefault("pipeline_id", of) != of:
                raise Rejected("stage_id: the stage is of another pipeline", code="ERR_BAD_REQUEST")
        elif isinstance(pipeline_id, int):
            first = [number for number, (_, of) in self.stages.items() if of == pipeline_id]
            fields["stage_id"] = min(first, default=1)
        self._check_options("label_ids", fields.get("label_ids"))
        custom = fields.get("custom_fields")
        given: JsonObject = custom if isinstance(custom, dict) else {}
        for code, content in given.items():
            self._check_options(code, content)
        if is_new and self.requires:
            self._check_required(fields | given)

    def _check_owner(self, fields: JsonObject) -> None:
        owner = fields.get("owner_id")
        if owner is not None and owner not in self.users:
            raise _unknown("owner_id", owner)

    def _check_options(self, code: str, content: object) -> None:
        field = next((each for each in self.deal_fields if each["field_code"] == code), None)
        if field is None or field["field_type"] not in CHOSEN or content is None:
            return
        listed = field["options"]
        known = [each["id"] for each in listed] if isinstance(listed, list) else []
        for one in content if isinstance(content, list) else [content]:
            if one not in known:
                raise _unknown(code, one)

    def _check_required(self, given: JsonObject) -> None:
        for field in self.deal_fields:
            rules = field["required_fields"]
            if not isinstance(rules, dict) or not rules.get("enabled"):
                continue
            stages = rules["stage_ids"]
            if stages and given.get("stage_id", 1) not in stages:
                continue
            if given.get(str(field["field_code"])) in (None, "", []):
                raise Rejected(f"{field['field_name']} is required", code="ERR_BAD_REQUEST")


def _unknown(name: str, content: object) -> Rejected:
    return Rejected(f"{name}: {content!r} does not exist", code="ERR_BAD_REQUEST")
