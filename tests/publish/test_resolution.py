"""The publishing settings in an account's own numbers: which of several is meant."""

from dataclasses import replace

import pytest

from gitpip.config.publishing.policy import PublishingPolicy, effective, policy_of
from gitpip.publish.catalog import Catalog, CatalogEntry, Field, Listed
from gitpip.publish.resolution import About, ask_for, needed, resolve

KIND, DAY, SEATS, PLACE = "a" * 40, "b" * 40, "c" * 40, "d" * 40
CATALOG = Catalog(
    activity_types=(CatalogEntry(1, "Call", "call"), CatalogEntry(2, "Visit", "visit_1")),
    users=(
        CatalogEntry(1, "Ann", "a@example.com"),
        CatalogEntry(2, "Bob", "b@example.com"),
        CatalogEntry(3, "Bob"),
    ),
    pipelines=(CatalogEntry(1, "Sales"), CatalogEntry(2, "Open")),
    stages=(CatalogEntry(1, "New", parent=1), CatalogEntry(2, "New", parent=2)),
    deal_fields=(
        Field(
            KIND,
            "Kind",
            "set",
            is_custom=True,
            options=(CatalogEntry(7, "Tool"), CatalogEntry(8, "Lib")),
        ),
        Field(DAY, "Day", "date", is_custom=True),
        Field(SEATS, "Seats", "int", is_custom=True),
        Field(PLACE, "Place", "address", is_custom=True),
        Field("person_id", "Contact", "people", is_custom=False, is_required=True),
    ),
    activity_fields=(),
)


def policy(**texts: str) -> PublishingPolicy:
    return policy_of(effective({}, texts))


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ({"activity_owner": "Bob"}, "2 with the name 'Bob'; give the id of the user"),
        ({"deal_owner": "4"}, "no user '4'; choose one of Ann, Bob, Bob"),
        ({"deal_stage": "New"}, "2 with the name 'New'; give the id of the stage"),
        ({"deal_pipeline": "Sales", "deal_stage": "2"}, "no stage '2'; choose one of New"),
        ({"activity_priority": "High"}, "no priority of activities 'High'; it has none"),
        ({"deal_custom_fields": "Kind=Tool, Book"}, "Kind: the Pipedrive account has no option"),
        ({"deal_custom_fields": "Day=soon"}, "Day: must be a date, e.g. 2026-01-31, not 'soon'"),
        ({"deal_custom_fields": "Seats=1,5"}, "Seats: must be a whole number without a comma"),
        ({"deal_custom_fields": "Place=Rome"}, "can't fill a field of the kind address"),
        ({"deal_custom_fields": "Contact=1"}, "no custom field of deals 'Contact'"),
    ],
    ids=str,
)
def test_an_ambiguous_or_missing_name_is_reported(texts: dict[str, str], fault: str) -> None:
    (sentence,) = resolve(policy(**texts), CATALOG).faults.values()
    assert fault in sentence


def test_what_is_named_is_found_by_id_key_name_or_address() -> None:
    for owner, number in (("1", 1), ("ann", 1), ("B@example.com", 2), ("3", 3)):
        assert resolve(policy(deal_owner=owner), CATALOG).deal.owner_id == number
    for kind in ("2", "visit", "VISIT_1"):
        assert resolve(policy(activity_type=kind), CATALOG).activity.type == "visit_1"
    deal = resolve(policy(deal_pipeline="open", deal_stage="new"), CATALOG).deal
    assert (deal.pipeline_id, deal.stage_id) == (2, 2)
    fields = f"{KIND}=8, tool\nDay=2026-01-31\nSeats=3"
    custom = dict(resolve(policy(deal_custom_fields=fields), CATALOG).deal.custom_fields)
    assert custom == {KIND: [8, 7], DAY: "2026-01-31", SEATS: 3}


def test_a_list_that_is_not_shown_leaves_what_is_named_by_number() -> None:
    hidden = Catalog(hidden=frozenset({Listed.USERS}))
    assert resolve(policy(deal_owner="9"), hidden).deal.owner_id == 9
    (sentence,) = resolve(policy(deal_owner="Ann"), hidden).faults.values()
    assert sentence == "Pipedrive does not show the users to the token's user; use an id"


def test_only_the_lists_are_read_that_are_needed() -> None:
    assert needed(policy()) == frozenset()
    assert needed(policy(), About.ACTIVITY) == {Listed.ACTIVITY_TYPES}
    assert needed(policy(), About.DEAL) == {Listed.DEAL_FIELDS}
    numbers = policy(activity_owner="1", deal_pipeline="2", deal_stage="3", deal_labels="4")
    assert needed(numbers) == frozenset()
    assert needed(policy(deal_pipeline="2", deal_stage="New")) == {Listed.PIPELINES, Listed.STAGES}


def test_a_required_field_that_can_not_be_set_is_said_to_be_that() -> None:
    required = resolve(policy(), CATALOG).required
    assert "Contact (gitpip can't set it: stop requiring it in Pipedrive)" in ask_for(required)
    elsewhere = replace(CATALOG.deal_fields[-1], required_in=frozenset({1}))  # type: ignore[index]
    catalog = replace(CATALOG, deal_fields=(elsewhere,))
    assert resolve(policy(deal_stage="2"), catalog).required == ()
