"""The publishing settings in an account's own ids, or what the account lacks. Without I/O."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from gitpip.config.publishing.activity import (
    DEAL_OWNER,
    DEFAULT_TYPE,
    TOKEN_OWNER,
    ActivitySettings,
)
from gitpip.config.publishing.deal import DealSettings
from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.publish.catalog import ActivityFields, Catalog, CatalogEntry, DealFields, Field, Listed
from gitpip.validation import read_decimal, read_whole

MAX_ENTRIES_NAMED = 20
"""The most existing entries that an error names."""
LABELS = frozenset({"label", "label_ids"})
PRIORITY = "priority"
TEXTS = frozenset({"varchar", "varchar_auto", "text", "phone"})
NUMBERS = frozenset({"int", "double"})
SETTABLE: dict[str, str] = {
    "value": "deal_value",
    "label": "deal_labels",
    "label_ids": "deal_labels",
}
"""The setting that gives a deal a field of the account's own."""
GIVEN = frozenset(
    {"title", "owner_id", "pipeline_id", "pipeline", "stage_id", "status", "currency"}
)
"""The fields that a deal has in any case."""


class Lacking(Exception):
    """The account lacks what a setting names. The message lists what it has."""


@dataclass(frozen=True)
class Resolved:
    """The settings as they are sent, and what the account lacks of them, by setting."""

    activity: ActivityFields = field(default_factory=ActivityFields)
    deal: DealFields = field(default_factory=DealFields)
    of_activity: dict[str, str] = field(default_factory=dict)
    """The reasons why no activity can be sent."""
    of_deal: dict[str, str] = field(default_factory=dict)
    """The reasons why no deal can be made."""
    replaced: dict[str, str] = field(default_factory=dict)
    """The values that are replaced by others."""
    required: tuple[Field, ...] = ()
    """The fields that the account requires of a deal, and no setting gives. The web application
    asks for them. Whether the API refuses a deal without them is not documented."""

    @property
    def faults(self) -> dict[str, str]:
        """The faults of activities, deals and replaced values together."""
        return self.of_activity | self.of_deal | self.replaced


class About(StrEnum):
    """The kind of object refused. The lists behind all of its settings are read."""

    ACTIVITY = "activity"
    DEAL = "deal"


def needed(policy: PublishingPolicy, refused: About | None = None) -> frozenset[Listed]:
    """Return the lists that have the ids of what the settings name.

    The default type, and anything named by its id, is sent as it is until it is refused.
    """
    of_activity, of_deal = refused is About.ACTIVITY, refused is About.DEAL

    def named(whole: bool, *texts: str | None) -> bool:
        users = (TOKEN_OWNER, DEAL_OWNER, None)
        return any(one not in users and (whole or not str(one).isdigit()) for one in texts)

    pipeline, stage = policy.deal_pipeline, policy.deal_stage
    wanted = {
        Listed.ACTIVITY_TYPES: of_activity or policy.activity_type != DEFAULT_TYPE,
        Listed.USERS: named(of_activity, policy.activity_owner)
        or (of_activity and policy.activity_owner == DEAL_OWNER)
        or named(of_deal, policy.deal_owner),
        Listed.ACTIVITY_FIELDS: named(of_activity, policy.activity_priority),
        # A stage is named within its pipeline: several can have the same name.
        Listed.PIPELINES: named(of_deal, pipeline) or (named(of_deal, stage) and bool(pipeline)),
        Listed.STAGES: named(of_deal, stage),
        Listed.DEAL_FIELDS: of_deal
        or bool(policy.deal_custom_fields)
        or named(of_deal, *policy.deal_labels),
    }
    return frozenset(listed for listed, is_wanted in wanted.items() if is_wanted)


def resolve(
    policy: PublishingPolicy, catalog: Catalog, *, chosen: Collection[str] = ()
) -> Resolved:
    """Return the settings in this account's ids. A name whose list was not read is used unchanged.

    `chosen` names settings that a person gives now: the default type is a fault among them, if the
    account has none of its name.
    """
    found = Resolved()
    activity = _activity(policy, catalog, found, chosen)
    deal = _deal(policy, catalog, found)
    required = _missing(policy, catalog.deal_fields, deal.stage_id)
    return Resolved(activity, deal, found.of_activity, found.of_deal, found.replaced, required)


def ask_for(required: Sequence[Field]) -> str:
    """Return a sentence about fields that the account requires, with what to do."""
    named = []
    for each in required:
        setting = SETTABLE.get(each.code, "deal_custom_fields" if each.is_custom else None)
        how = setting or "gitpip can't set it: stop requiring it in Pipedrive"
        named.append(f"{each.name} ({how})")
    return f"the Pipedrive account requires these fields of a deal: {', '.join(named)}; set them"


def _activity(
    policy: ActivitySettings, catalog: Catalog, found: Resolved, chosen: Collection[str]
) -> ActivityFields:
    kind = policy.activity_type
    if catalog.activity_types is not None:
        is_default = kind == DEFAULT_TYPE and "activity_type" not in chosen
        kind = _type(kind, catalog.activity_types, found, is_default=is_default)
    owner_id = priority = None
    if policy.activity_owner not in (TOKEN_OWNER, DEAL_OWNER):
        with_faults = _Faults("activity_owner", found.of_activity)
        owner_id = with_faults.id_of(policy.activity_owner, catalog.users, "user", Listed.USERS)
    if policy.activity_priority is not None:
        with_faults = _Faults("activity_priority", found.of_activity)
        options = _options(catalog.activity_fields, frozenset({PRIORITY}))
        priority = with_faults.id_of(
            policy.activity_priority, options, "priority of activities", Listed.ACTIVITY_FIELDS
        )
    return ActivityFields(kind, policy.activity_done, owner_id, None, priority)


def _type(wanted: str, types: Sequence[CatalogEntry], found: Resolved, *, is_default: bool) -> str:
    matching = _matching(wanted, types)
    if matching:
        return matching[0].key or wanted
    if not types:
        found.of_activity["activity_type"] = (
            "the Pipedrive account has no active activity type; create one there"
        )
        return wanted
    instead = types[0].key or types[0].name
    # The default is not a person's choice: the doctor says that another type is sent.
    if not is_default:
        found.replaced["activity_type"] = _unclear("activity type", wanted, 0, types)
    return instead


def _deal(policy: DealSettings, catalog: Catalog, found: Resolved) -> DealFields:
    def faults(name: str) -> _Faults:
        return _Faults(name, found.of_deal)

    pipeline_id = stage_id = owner_id = None
    if policy.deal_pipeline is not None:
        pipeline_id = faults("deal_pipeline").id_of(
            policy.deal_pipeline, catalog.pipelines, "pipeline", Listed.PIPELINES
        )
    if policy.deal_stage is not None:
        stages = catalog.stages
        if stages is not None and pipeline_id is not None:
            stages = tuple(each for each in stages if each.parent == pipeline_id)
        stage_id = faults("deal_stage").id_of(policy.deal_stage, stages, "stage", Listed.STAGES)
        if pipeline_id is None and catalog.stages is not None:
            pipeline_id = next(
                (each.parent for each in catalog.stages if each.id == stage_id), None
            )
    if policy.deal_owner != TOKEN_OWNER:
        owner_id = faults("deal_owner").id_of(
            policy.deal_owner, catalog.users, "user", Listed.USERS
        )
    options = _options(catalog.deal_fields, LABELS)
    labels = [
        faults("deal_labels").id_of(label, options, "label of deals", Listed.DEAL_FIELDS)
        for label in policy.deal_labels
    ]
    custom = _custom_fields(policy, catalog, faults("deal_custom_fields"))
    return DealFields(
        pipeline_id,
        stage_id,
        owner_id,
        tuple(label for label in labels if label is not None),
        policy.deal_value,
        policy.deal_currency,
        None if policy.deal_visible_to is None else int(policy.deal_visible_to),
        custom,
    )


def _custom_fields(
    policy: DealSettings, catalog: Catalog, faults: "_Faults"
) -> tuple[tuple[str, object], ...]:
    fields = catalog.deal_fields
    if fields is None:
        if policy.deal_custom_fields and Listed.DEAL_FIELDS in catalog.hidden:
            faults.add("Pipedrive does not show the deal fields to the token's user")
        return ()
    custom = tuple(each for each in fields if each.is_custom)
    found: list[tuple[str, object]] = []
    for name, text in policy.deal_custom_fields:
        matching = [each for each in custom if name.lower() in (each.name.lower(), each.code)]
        if len(matching) != 1:
            faults.add(_unclear("custom field of deals", name, len(matching), custom))
            continue
        try:
            found.append((matching[0].code, _field_value(matching[0], text)))
        except Lacking as lacking:
            faults.add(f"{matching[0].name}: {lacking}")
    return tuple(found)


def _field_value(of: Field, text: str) -> object:
    """Return the value that Pipedrive takes for a field; raises Lacking."""
    if of.kind in TEXTS:
        return text
    if of.kind in NUMBERS:
        try:
            return read_whole(text, 42) if of.kind == "int" else read_decimal(text)
        except ValueError as error:
            raise Lacking(str(error)) from None
    if of.kind == "enum":
        return _chosen(text, of.options, "option")
    if of.kind == "set":
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return [_chosen(part, of.options, "option") for part in parts]
    if of.kind == "date":
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            raise Lacking(f"must be a date, e.g. 2026-01-31, not {text!r}") from None
    raise Lacking(f"gitpip can't fill a field of the kind {of.kind}")


def _missing(
    policy: DealSettings, fields: Sequence[Field] | None, stage_id: int | None
) -> tuple[Field, ...]:
    """Return the fields that the account requires of a deal and no setting gives."""
    named = {name.lower() for name, _ in policy.deal_custom_fields}
    given = {"value": policy.deal_value is not None, **dict.fromkeys(LABELS, policy.deal_labels)}
    return tuple(
        each
        for each in fields or ()
        if each.is_required
        and (stage_id is None or not each.required_in or stage_id in each.required_in)
        and each.code not in GIVEN
        and not given.get(each.code)
        and not named & {each.name.lower(), each.code}
    )


@dataclass(frozen=True)
class _Faults:
    """The record of what the account lacks of one setting."""

    name: str
    sentences: dict[str, str]

    def add(self, sentence: str) -> None:
        self.sentences.setdefault(self.name, sentence)

    def id_of(
        self, text: str, entries: Sequence[CatalogEntry] | None, thing: str, listed: Listed
    ) -> int | None:
        """Return the id of what a text names, or None if that is a fault."""
        if entries is None:
            if text.isdigit():
                return int(text)
            self.add(f"Pipedrive does not show the {listed} to the token's user; use an id")
            return None
        try:
            return _chosen(text, entries, thing)
        except Lacking as lacking:
            self.add(str(lacking))
            return None


def _chosen(text: str, entries: Sequence[CatalogEntry], thing: str) -> int:
    """Return the id of the entry that a text names; raises Lacking."""
    matching = _matching(text, entries)
    if len(matching) != 1:
        raise Lacking(_unclear(thing, text, len(matching), entries))
    return matching[0].id


def _matching(text: str, entries: Sequence[CatalogEntry]) -> list[CatalogEntry]:
    """Return the entries that a text names: by id or key, or else by name in any case."""
    wanted = text.casefold()
    by_id = [each for each in entries if text == str(each.id) or wanted == (each.key or "").lower()]
    return by_id or [each for each in entries if wanted == each.name.casefold()]


def _unclear(thing: str, text: str, number: int, there: Iterable[CatalogEntry | Field]) -> str:
    if number:
        return (
            f"the Pipedrive account has {number} with the name {text!r}; give the id of the {thing}"
        )
    names = _names(tuple(there))
    what_next = f"; choose one of {names}" if names else "; it has none"
    return f"the Pipedrive account has no {thing} {text!r}{what_next}"


def _names(there: Sequence[CatalogEntry | Field]) -> str:
    names = [each.name for each in there]
    more = len(names) - MAX_ENTRIES_NAMED
    return ", ".join(names[:MAX_ENTRIES_NAMED]) + (f" and {more} more" if more > 0 else "")


def _options(
    fields: Sequence[Field] | None, codes: frozenset[str]
) -> tuple[CatalogEntry, ...] | None:
    if fields is None:
        return None
    return next((each.options for each in fields if each.code in codes), ())
