"""The persons, organizations and leads of a company, and the search over all of its items."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

from gitpip_standins.exchange import JsonObject
from gitpip_standins.pipedrive import input as given
from gitpip_standins.pipedrive.answers import search_item
from gitpip_standins.pipedrive.input import Rejected
from gitpip_standins.pipedrive.lists import PAGING
from gitpip_standins.pipedrive.records import Records

PERSON_FIELDS: JsonObject = {
    "id": 0,
    "name": "",
    "first_name": None,
    "last_name": None,
    "owner_id": 1,
    "org_id": None,
    "add_time": "",
    "update_time": "",
    "emails": [],
    "phones": [],
    "is_deleted": False,
    "visible_to": 3,
    "label_ids": [],
    "picture_id": None,
    "custom_fields": {},
}
ORGANIZATION_FIELDS: JsonObject = {
    "id": 0,
    "name": "",
    "owner_id": 1,
    "add_time": "",
    "update_time": "",
    "is_deleted": False,
    "visible_to": 3,
    "label_ids": [],
    "address": None,
    "custom_fields": {},
}
SEARCH_PARAMETERS = (
    *PAGING,
    *("term", "item_types", "fields", "search_for_related_items", "exact_match", "include_fields"),
)
ITEM_TYPES = ("deal", "person", "organization", "product", "lead", "file", "mail_attachment")
_LONG_AGO = datetime(2024, 1, 2, tzinfo=UTC)


class Contacts:
    """Entries that people made in the company by hand. Deleted ones stay, and nobody sees them."""

    def __init__(self) -> None:
        self.persons = Records(PERSON_FIELDS)
        self.organizations = Records(ORGANIZATION_FIELDS)
        self.leads: dict[str, JsonObject] = {}

    def add_person(self, name: str, **fields: object) -> int:
        return int(str(self.persons.add(_LONG_AGO, name=name, **fields)["id"]))

    def add_organization(self, name: str, **fields: object) -> int:
        return int(str(self.organizations.add(_LONG_AGO, name=name, **fields)["id"]))

    def add_lead(self, title: str, **fields: object) -> str:
        """With a UUID for an id, as v1 shows leads."""
        number = str(uuid4())
        self.leads[number] = {
            "id": number,
            "title": title,
            "owner_id": 1,
            "creator_id": 1,
            "label_ids": [],
            "person_id": None,
            "organization_id": None,
            "source_name": "API",
            "is_archived": False,
            "was_seen": True,
            "value": None,
            "expected_close_date": None,
            "add_time": "2024-01-02T03:04:05Z",
            "update_time": "2024-01-02T03:04:05Z",
            **fields,
        }
        return number

    def of(self, kind: str) -> Records:
        """The records under a path: `persons` or `organizations`."""
        return self.persons if kind == "persons" else self.organizations

    def lead(self, number: str) -> JsonObject:
        try:
            UUID(number)
        except ValueError:
            raise Rejected("lead_id must be a UUID") from None
        if number not in self.leads:
            raise Rejected("Lead not found", status=404, code="ERR_NOT_FOUND")
        return self.leads[number]

    def check_activity(self, fields: JsonObject) -> None:
        """Refuse an activity that names what is not there."""
        lead = fields.get("lead_id")
        if isinstance(lead, str) and (lead not in self.leads or self.leads[lead]["is_archived"]):
            raise Rejected(f"Lead {lead} was not found", code="ERR_BAD_REQUEST")
        self._check(self.organizations, fields.get("org_id"), "Organization")
        participants = fields.get("participants")
        for one in participants if isinstance(participants, list) else []:
            self._check(self.persons, one.get("person_id"), "Person")

    def _check(self, records: Records, number: object, kind: str) -> None:
        record = records.get(number) if isinstance(number, int) else None
        if number is not None and (record is None or record["is_deleted"]):
            raise Rejected(f"{kind} {number} was not found or is deleted", code="ERR_BAD_REQUEST")

    def search(self, query: Mapping[str, str], deals: Iterable[JsonObject]) -> list[JsonObject]:
        """The hits of /api/v2/itemSearch over these kinds of items, by their titles and names."""
        term = query.get("term", "").strip().lower()
        exact = given.truth(query, "exact_match") or False
        if len(term) < (1 if exact else 2):
            raise Rejected("term must be at least 2 characters long, 1 with exact_match")
        types = query.get("item_types", ",".join(ITEM_TYPES)).split(",")
        if set(types) - set(ITEM_TYPES):
            raise Rejected(f"item_types must be some of {', '.join(ITEM_TYPES)}")
        of_type: dict[str, Iterable[JsonObject]] = {
            "deal": deals,
            "person": self.persons.all(),
            "organization": self.organizations.all(),
            "lead": self.leads.values(),
        }
        found = []
        for kind in types:
            for record in of_type.get(kind, ()):
                name = str(record.get("title", record.get("name"))).lower()
                if not record.get("is_deleted") and (name == term if exact else term in name):
                    found.append(self._item(kind, record))
        return found

    def _item(self, kind: str, record: JsonObject) -> JsonObject:
        person, organization = record.get("person_id"), record.get("org_id")
        organization = organization or record.get("organization_id")
        linked: JsonObject = {
            "person": self._named(self.persons, person),
            "organization": self._named(self.organizations, organization),
        }
        if kind == "deal":
            hit = search_item(record)
            item = hit["item"]
            return hit | {"item": (item if isinstance(item, dict) else {}) | linked}
        shown = {
            name: content
            for name, content in record.items()
            if name in {"id", "name", "title", "is_archived"}
        }
        owner = {"owner": {"id": record["owner_id"]}, "custom_fields": [], "notes": []}
        only = linked if kind != "organization" else {}
        if kind == "person":
            only = {"organization": linked["organization"]}
        entry: JsonObject = {"type": kind, **shown, **owner, **only}
        return {"result_score": 1.0, "item": entry}

    def _named(self, records: Records, number: object) -> JsonObject | None:
        record = records.get(number) if isinstance(number, int) else None
        return None if record is None else {"id": number, "name": record["name"]}
