"""The forms of Pipedrive's answers."""

from gitpip_standins.exchange import Answer, JsonObject, json_answer


def found(data: object) -> Answer:
    return json_answer(200, {"success": True, "data": data, "additional_data": None})


def listed(data: object, cursor: str | None) -> Answer:
    return json_answer(
        200, {"success": True, "data": data, "additional_data": {"next_cursor": cursor}}
    )


def error(status: int, reason: str, code: str | None = None) -> Answer:
    return json_answer(
        status,
        {
            "success": False,
            "error": reason,
            "error_info": "Please check developers.pipedrive.com",
            "data": None,
            "additional_data": None,
            "code": code or {404: "ERR_NOT_FOUND"}.get(status, "ERR_INTERNAL"),
        },
    )


def unauthorized() -> Answer:
    return json_answer(
        401,
        {
            "success": False,
            "error": "unauthorized access",
            "errorCode": 401,
            "error_info": "Please check developers.pipedrive.com",
        },
    )


def search_item(deal: JsonObject) -> JsonObject:
    return {
        "result_score": 1.0,
        "item": {
            "id": deal["id"],
            "type": "deal",
            "title": deal["title"],
            "value": deal["value"],
            "currency": deal["currency"],
            "status": deal["status"],
            "visible_to": deal["visible_to"],
            "owner": {"id": deal["owner_id"]},
            "stage": {"id": deal["stage_id"], "name": "Qualified"},
            "person": None,
            "organization": None,
            "custom_fields": [],
            "notes": [],
            "is_archived": deal["is_archived"],
        },
    }
