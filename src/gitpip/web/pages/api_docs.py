"""The API's description: the OpenAPI document for programs, and `/docs` for people."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse

from gitpip.model import Role
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.roles import needs
from gitpip.web.pages.router import page_router
from gitpip.web.render.jinja import render

router = page_router()


@router.get("/openapi.json")
@needs(Role.VIEWER)
async def openapi_document(request: Request) -> JSONResponse:
    """The OpenAPI document. FastAPI's own route for it could not ask for a role."""
    document = request.app.openapi()
    if prefix := request.scope.get("root_path"):
        document = {"servers": [{"url": prefix}], **document}
    return JSONResponse(document)


@router.get("/docs")
@needs(Role.VIEWER)
async def documentation(request: Request) -> HTMLResponse:
    """List every endpoint; no script, nothing from elsewhere."""
    document = request.app.openapi()
    schemas = document.get("components", {}).get("schemas", {})
    endpoints = [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("description") or operation.get("summary", ""),
            "parameters": operation.get("parameters", []),
            "body": _body(operation["requestBody"], schemas)
            if "requestBody" in operation
            else None,
            "answers": _answers(operation.get("responses", {})),
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    problems = {status: answer["description"] for status, answer in PROBLEMS.items()}
    page = render("docs.html", page="docs", endpoints=endpoints, problems=problems)
    return HTMLResponse(page)


def _answers(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The answers of this endpoint; the problems that any request can meet stand above all."""
    return [
        status
        for status, answer in answers.items()
        if not status.isdigit()
        or int(status) not in PROBLEMS
        or answer.get("description") != PROBLEMS[int(status)]["description"]
    ]


def _body(body: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields that the body of a request may hold."""
    media, content = next(iter(body["content"].items()))
    schema = _resolved(content.get("schema", {}), schemas)
    required = schema.get("required", [])
    return {
        "media": media,
        "fields": [
            {
                "name": name,
                "type": _type(field, schemas),
                "required": name in required,
                "description": field.get("description", ""),
            }
            for name, field in schema.get("properties", {}).items()
        ],
    }


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema itself, where only its name stands."""
    if "$ref" in schema:
        resolved: Mapping[str, Any] = schemas[schema["$ref"].rpartition("/")[2]]
        return resolved
    return schema


def _type(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """The type of a field in words, such as `string or null` or `list of integer`."""
    schema = _resolved(field, schemas)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(choice, schemas) for choice in choices))
    if values := schema.get("enum"):
        return "one of " + ", ".join(map(str, values))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), schemas)}"
    return str(schema.get("const") or schema.get("type") or "any value")
