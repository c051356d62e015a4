"""Pipedrive's API over one company's activities and deals, strict and faulty on demand."""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from datetime import timedelta

from gitpip_standins.exchange import (
    Answer,
    Clock,
    Exchange,
    Journal,
    JsonObject,
    Recorded,
    Request,
    json_answer,
    utc_now,
)
from gitpip_standins.faults import FaultPlan
from gitpip_standins.pipedrive import input as given
from gitpip_standins.pipedrive.account import current_user, field_of
from gitpip_standins.pipedrive.answers import error, found, listed, search_item, unauthorized
from gitpip_standins.pipedrive.contacts import SEARCH_PARAMETERS, Contacts
from gitpip_standins.pipedrive.contents import included
from gitpip_standins.pipedrive.input import Rejected
from gitpip_standins.pipedrive.limits import Limits
from gitpip_standins.pipedrive.lists import (
    ACTIVITY_PARAMETERS,
    DEAL_PARAMETERS,
    PAGING,
    Filter,
    numbered_page,
    sorted_page,
)
from gitpip_standins.pipedrive.records import ACTIVITY_FIELDS, DEAL_FIELDS, Records, stamp
from gitpip_standins.pipedrive.setup import Setup
from gitpip_standins.pipedrive.web import web_page

READ_ONE, WRITE, READ_LIST, REMOVE, SEARCH = 1, 5, 10, 3, 20
"""Tokens of the daily budget; v1 costs twice as much."""


class Pipedrive:
    """A company on Pipedrive with one user; `app` is its API, to be given to a Server.

    Paths lie under `/api/v2`, `/v1` and `/api/v1`. `limits` (bursts, budget, ban) and the public
    attributes can be changed while it runs. Lists show writes `list_lag` late, searches
    `search_lag`; with `deal_cap` open deals a further one is refused.
    """

    def __init__(
        self,
        *,
        token: str,
        clock: Clock = utc_now,
        daily_tokens: int | None = 30_000,
        burst: int | None = 20,
        search_burst: int | None = 10,
    ) -> None:
        self.token = token
        self.list_lag = self.search_lag = timedelta(0)
        self.deal_cap: int | None = None
        self.setup = Setup()
        """The account's own lists."""
        self.colleagues: dict[str, int] = {}
        """The tokens of the company's other users, with the ids of those."""
        self.user_id = 1
        self.company_id = 1
        self.company_name = "Example"
        self.company_domain: object = "example"
        self.held: dict[int, dict[str, int]] = {}
        """The contents of deals besides activities, as `notes_count`, by their ids."""
        self.deletions_allowed = True
        """Whether the token's user may delete deals."""
        self.fields_allowed = True
        """Whether the token's user may make custom fields."""
        self.odd: Callable[[Request, JsonObject], JsonObject] | None = None
        """Changes the body of each answer to a GET, for example to give a list odd entries."""
        self.faults = FaultPlan()
        self.journal = Journal()
        self.limits = Limits(
            self.journal,
            daily_tokens=daily_tokens,
            burst=burst,
            search_burst=search_burst,
        )
        self.app = Exchange(
            self._handle,
            error=lambda status: error(status, "Something went wrong"),
            faults=self.faults,
            journal=self.journal,
            clock=clock,
        )
        self._clock = clock
        self._lock = threading.RLock()
        self._activities = Records(ACTIVITY_FIELDS)
        self._deals = Records(DEAL_FIELDS)
        self._fields_made = 0
        self.contacts = Contacts()
        """The persons, organizations and leads."""

    # What tests look at

    @property
    def activities(self) -> list[JsonObject]:
        """All activities as they are now, deleted ones (`is_deleted`) included."""
        self.app.land()
        with self._lock:
            return self._activities.all()

    @property
    def deals(self) -> list[JsonObject]:
        """All deals as they are now, archived and deleted ones included."""
        self.app.land()
        with self._lock:
            return self._deals.all()

    @property
    def requests(self) -> list[Recorded]:
        return self.journal.requests

    @property
    def abuse(self) -> list[str]:
        """Everything that Pipedrive would call abuse, one line each."""
        return self.journal.abuse

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60) -> None:
        """Block until `condition` holds; TimeoutError after so many seconds."""
        self.journal.wait_until(condition, timeout)

    # What people in the company do by hand

    def reset_day(self) -> None:
        """Midnight: the daily budget is whole again."""
        with self._lock:
            self.limits.reset_day()

    def add_deal(self, title: str, **fields: object) -> int:
        with self._lock:
            self._deals.add(self._clock(), title=title, origin="ManuallyCreated", **fields)
            return len(self._deals)

    def add_activity(self, subject: str, **fields: object) -> int:
        """By a person, who is another user unless `creator_user_id` says so."""
        with self._lock:
            creator: dict[str, object] = {"creator_user_id": 7}
            self._activities.add(self._clock(), subject=subject, **creator | fields)
            return len(self._activities)

    def empty_account(self) -> None:
        """Somebody deletes everything, as a reset of sample data does."""
        for activity in self.activities:
            self.delete_activity(int(str(activity["id"])))
        for deal in self.deals:
            self.delete_deal(int(str(deal["id"])))

    @property
    def activity_types(self) -> tuple[str, ...]:
        """The keys of the account's activity types; the first is that of one without a type."""
        return self.setup.activity_types

    @activity_types.setter
    def activity_types(self, keys: tuple[str, ...]) -> None:
        self.setup.activity_types = keys

    @property
    def deal_fields(self) -> dict[str, str]:
        """The custom fields of deals: their names by their codes."""
        with self._lock:
            return {
                str(one["field_code"]): str(one["field_name"])
                for one in self.setup.deal_fields
                if one["is_custom_field"]
            }

    def delete_deal_field(self, code: str) -> None:
        """The field goes, and with it what it held of every deal."""
        with self._lock:
            fields = self.setup.deal_fields
            self.setup.deal_fields = [one for one in fields if one["field_code"] != code]

    def edit_activity(self, activity_id: int, **fields: object) -> None:
        with self._lock:
            self._activities.change(activity_id, self._clock(), **fields)

    def delete_activity(self, activity_id: int) -> None:
        self.edit_activity(activity_id, is_deleted=True)

    def edit_deal(self, deal_id: int, **fields: object) -> None:
        with self._lock:
            self._deals.change(deal_id, self._clock(), **fields)

    def delete_deal(self, deal_id: int) -> None:
        self.edit_deal(deal_id, is_deleted=True, status="deleted")

    def merge_deals(self, losing: int, winning: int) -> None:
        """The one deal's activities move to the other, and it is deleted."""
        with self._lock:
            for activity in self._activities.all():
                if activity["deal_id"] == losing:
                    self._activities.change(
                        int(str(activity["id"])), self._clock(), deal_id=winning
                    )
            self.delete_deal(losing)

    def archive_deal(self, deal_id: int) -> None:
        self.edit_deal(deal_id, is_archived=True, archive_time=stamp(self._clock()))

    # What the API does

    def _handle(self, request: Request) -> Answer:
        with self._lock:
            if request.method == "GET" and (
                shown := web_page(request.path, self._deals.all(), self._activities.all())
            ):
                return shown
            refused = self._unauthorized(request)
            if refused is not None:
                return refused
            route, number = _route(request)
            if route is None:
                return error(404, "Unknown method")
            cost = route.cost
            refused = self.limits.refusal(request.at, cost=cost, search=cost == SEARCH)
            if refused is None:
                try:
                    answer = route.answer(self, request, number)
                    if self.odd is not None and request.method == "GET":
                        answer = json_answer(200, self.odd(request, json.loads(answer.body)))
                except Rejected as rejected:
                    answer = error(rejected.status, rejected.reason, rejected.code)
                answer.spent = cost
            else:
                answer = refused
            if answer.headers["content-type"].startswith("application/json"):
                answer.headers.update(self.limits.headers(request.at))
            return answer

    def _unauthorized(self, request: Request) -> Answer | None:
        if "api_token" in request.query:
            self.journal.blame("the token in the URL")
        elif _token(request) == self.token or _token(request) in self.colleagues:
            return None
        return unauthorized()

    def _user(self, request: Request) -> int:
        return self.colleagues.get(_token(request), self.user_id)

    def _add_activity(self, request: Request, _: int) -> Answer:
        fields = self._activity_fields(request)
        kind = fields.setdefault("type", self.activity_types[0])
        fields.setdefault("subject", str(kind).capitalize())
        user = self._user(request)
        fields.setdefault("owner_id", user)
        if fields.get("done"):
            fields["marked_as_done_time"] = stamp(request.at)
        return found(self._activities.add(request.at, creator_user_id=user, **fields))

    def _change_activity(self, request: Request, number: int) -> Answer:
        _existing(self._activities, number, "Activity")
        fields = self._activity_fields(request)
        if "done" in fields:
            fields["marked_as_done_time"] = stamp(request.at) if fields["done"] else None
        return found(self._activities.change(number, self._clock(), **fields))

    def _activity_fields(self, request: Request) -> JsonObject:
        fields = given.json_body(request)
        given.check_activity(fields, self.activity_types)
        self.setup.check_activity(fields)
        deal_id = fields.get("deal_id")
        if isinstance(deal_id, int):
            deal = self._deals.get(deal_id)
            if deal is None or deal["is_deleted"]:
                raise Rejected(
                    f"Deal {deal_id} was not found or is deleted", code="ERR_BAD_REQUEST"
                )
            # "deal_id wins": an activity is linked to one of the three only.
            fields |= {"lead_id": None, "project_id": None}
        self.contacts.check_activity(fields)
        participants = fields.get("participants")
        if isinstance(participants, list):
            primary = next((p for p in participants if p.get("primary")), None)
            fields["person_id"] = primary["person_id"] if primary else None
        return fields

    def _get_activity(self, _: Request, number: int) -> Answer:
        return found(_existing(self._activities, number, "Activity"))

    def _remove_activity(self, request: Request, number: int) -> Answer:
        _existing(self._activities, number, "Activity")
        self._activities.change(number, self._clock(), is_deleted=True)
        return found({"id": number})

    def _list_activities(self, request: Request, _: int) -> Answer:
        query = given.parameters(request, ACTIVITY_PARAMETERS)
        wanted = Filter.read(query)
        rows = self._activities.seen(
            self._clock(), self.list_lag, lambda row: not row["is_deleted"] and wanted.wants(row)
        )
        return sorted_page(rows, query, ("id", "update_time", "add_time", "due_date"))

    def _add_deal(self, request: Request, _: int) -> Answer:
        fields = self._deal_fields_of(request)
        if "title" not in fields:
            raise Rejected("title is required")
        is_open = [deal for deal in self._deals.all() if _is_open(deal)]
        if self.deal_cap is not None and len(is_open) >= self.deal_cap:
            raise Rejected(
                "The limit of open deals of your plan is reached",
                status=403,
                code="feature_capping_deals_limit",
            )
        user = self._user(request)
        fields.setdefault("owner_id", user)
        return found(self._deals.add(request.at, creator_user_id=user, **fields))

    def _change_deal(self, request: Request, number: int) -> Answer:
        deal = _existing(self._deals, number, "Deal")
        fields = self._deal_fields_of(request)
        if deal["is_archived"]:
            raise Rejected("Archived deals can't be edited", code="ERR_BAD_REQUEST")
        return found(self._deals.change(number, self._clock(), **fields))

    def _deal_fields_of(self, request: Request) -> JsonObject:
        fields = given.json_body(request)
        custom = [field for field in self.setup.deal_fields if field["is_custom_field"]]
        given.check_deal(fields, {str(f["field_code"]): str(f["field_type"]) for f in custom})
        self.setup.check_deal(fields, is_new=request.method == "POST")
        return fields

    def _get_deal(self, request: Request, number: int) -> Answer:
        deal = _existing(self._deals, number, "Deal")
        own = [one for one in self._activities.all() if one["deal_id"] == number]
        return found(deal | included(request, self.held.get(number, {}), deal, own))

    def _remove_deal(self, _: Request, number: int) -> Answer:
        if not self.deletions_allowed:
            raise Rejected("You do not have permission", status=403, code="ERR_FORBIDDEN")
        _existing(self._deals, number, "Deal")
        self.delete_deal(number)
        return found({"id": number})

    def _list_deals(self, request: Request, _: int, *, archived: bool = False) -> Answer:
        query = given.parameters(request, DEAL_PARAMETERS)
        wanted = Filter.read(query)
        statuses = query["status"].split(",") if "status" in query else ("open", "won", "lost")
        if any(status not in ("open", "won", "lost", "deleted") for status in statuses):
            raise Rejected("status must be some of open, won, lost, deleted")
        rows = self._deals.seen(
            self._clock(),
            self.list_lag,
            lambda row: (
                row["is_archived"] is archived and row["status"] in statuses and wanted.wants(row)
            ),
        )
        return sorted_page(rows, query, ("id", "update_time", "add_time"))

    def _list_archived_deals(self, request: Request, number: int) -> Answer:
        return self._list_deals(request, number, archived=True)

    def _search_deals(self, request: Request, _: int) -> Answer:
        query = given.parameters(
            request,
            (
                *PAGING,
                *("term", "fields", "exact_match", "person_id", "organization_id"),
                *("status", "include_fields"),
            ),
        )
        term = query.get("term", "").strip().lower()
        exact = given.truth(query, "exact_match") or False
        if len(term) < (1 if exact else 2):
            raise Rejected("term must be at least 2 characters long, 1 with exact_match")
        if set(query.get("fields", "title").split(",")) - {"custom_fields", "notes", "title"}:
            raise Rejected("fields must be some of custom_fields, notes, title")
        status = query.get("status")

        def wanted(deal: JsonObject) -> bool:
            title = str(deal["title"]).lower()
            return (
                not deal["is_deleted"]
                and status in (None, deal["status"])
                and (title == term if exact else term in title)
            )

        found = list(self._deals.seen(self._clock(), self.search_lag, wanted))
        page, cursor = numbered_page(found, query)
        return listed({"items": [search_item(deal) for deal in page]}, cursor)

    def _get_contact(self, request: Request, number: int) -> Answer:
        kind = request.path.split("/")[-2]
        return found(_existing(self.contacts.of(kind), number, kind[:-1].capitalize()))

    def _get_lead(self, request: Request, _: int) -> Answer:
        return found(self.contacts.lead(request.path.rpartition("/")[2]))

    def _search_items(self, request: Request, _: int) -> Answer:
        query = given.parameters(request, SEARCH_PARAMETERS)
        deals = self._deals.seen(self._clock(), self.search_lag, lambda deal: True)
        hits = self.contacts.search(query, deals)
        page, cursor = numbered_page(hits, query)
        return listed({"items": page, "related_items": []}, cursor)

    def _add_deal_field(self, request: Request, _: int) -> Answer:
        fields = given.json_body(request)
        if not self.fields_allowed:
            raise Rejected("You do not have permission", status=403, code="ERR_FORBIDDEN")
        given.check_deal_field(fields)
        self._fields_made += 1
        code = hashlib.sha1(f"deal field {self._fields_made}".encode()).hexdigest()  # noqa: S324
        field = field_of(str(fields["field_name"]), code, str(fields["field_type"]), custom=True)
        self.setup.deal_fields.append(field)
        return found(field)

    def _list_deal_fields(self, request: Request, _: int) -> Answer:
        query = given.parameters(request, (*PAGING, "include_fields"))
        return listed(*numbered_page(self.setup.deal_fields, query))

    def _get_current_user(self, request: Request, _: int) -> Answer:
        user = current_user(self._user(request), self.company_domain)
        return found(user | {"company_id": self.company_id, "company_name": self.company_name})

    def _list_of_account(self, request: Request, _: int) -> Answer:
        """A list of v1, which is shown on one page, or of v2, which has pages."""
        name = request.path.rpartition("/")[2]
        entries = self.setup.lists()[name]
        if "/v1/" in request.path:
            return found(entries)
        return listed(*numbered_page(entries, given.parameters(request, (*PAGING, *LIST_OPTIONS))))


LIST_OPTIONS = ("sort_by", "sort_direction", "pipeline_id", "include_fields")


class _Route:
    """A method and path of the API, what it costs, and what answers it."""

    def __init__(
        self,
        method: str,
        path: str,
        cost: int,
        answer: Callable[[Pipedrive, Request, int], Answer],
    ) -> None:
        self.method = method
        self.path = re.compile(path)
        self.cost = cost
        self.answer = answer


_ROUTES = (
    _Route("POST", "/api/v2/activities", WRITE, Pipedrive._add_activity),
    _Route("GET", "/api/v2/activities", READ_LIST, Pipedrive._list_activities),
    _Route("GET", r"/api/v2/activities/(\d+)", READ_ONE, Pipedrive._get_activity),
    _Route("PATCH", r"/api/v2/activities/(\d+)", WRITE, Pipedrive._change_activity),
    _Route("DELETE", r"/api/v2/activities/(\d+)", REMOVE, Pipedrive._remove_activity),
    _Route("POST", "/api/v2/deals", WRITE, Pipedrive._add_deal),
    _Route("GET", "/api/v2/deals", READ_LIST, Pipedrive._list_deals),
    _Route("GET", "/api/v2/deals/search", SEARCH, Pipedrive._search_deals),
    _Route("GET", "/api/v2/deals/archived", READ_LIST, Pipedrive._list_archived_deals),
    _Route("GET", r"/api/v2/deals/(\d+)", READ_ONE, Pipedrive._get_deal),
    _Route("PATCH", r"/api/v2/deals/(\d+)", WRITE, Pipedrive._change_deal),
    _Route("DELETE", r"/api/v2/deals/(\d+)", REMOVE, Pipedrive._remove_deal),
    _Route("GET", r"/api/v2/(?:persons|organizations)/(\d+)", READ_ONE, Pipedrive._get_contact),
    _Route("GET", "(?:/api)?/v1/leads/[^/]+", 2 * READ_ONE, Pipedrive._get_lead),
    _Route("GET", "/api/v2/itemSearch", SEARCH, Pipedrive._search_items),
    _Route("POST", "/api/v2/dealFields", WRITE, Pipedrive._add_deal_field),
    _Route("GET", "/api/v2/dealFields", READ_LIST, Pipedrive._list_deal_fields),
    _Route("GET", "(?:/api)?/v1/users/me", 2 * READ_ONE, Pipedrive._get_current_user),
    _Route(
        "GET", "(?:/api)?/v1/(?:activityTypes|users)", 2 * READ_LIST, Pipedrive._list_of_account
    ),
    _Route(
        "GET", "/api/v2/(?:pipelines|stages|activityFields)", READ_LIST, Pipedrive._list_of_account
    ),
)


def _route(request: Request) -> tuple[_Route | None, int]:
    for route in _ROUTES:
        if route.method == request.method and (found := route.path.fullmatch(request.path)):
            return route, int(found[1]) if found.groups() else 0
    return None, 0


def _token(request: Request) -> str:
    return request.headers.get("x-api-token", "")


def _existing(records: Records, number: int, kind: str) -> JsonObject:
    record = records.get(number)
    if record is None or record["is_deleted"]:
        raise Rejected(f"{kind} not found", status=404, code="ERR_NOT_FOUND")
    return record


def _is_open(deal: JsonObject) -> bool:
    return deal["status"] == "open" and not deal["is_archived"] and not deal["is_deleted"]
