"""`/docs`: the API's description for people, made from the OpenAPI document."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from gitpip.show.rendering import render

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def documentation(request: Request) -> HTMLResponse:
    """List every endpoint; no script, nothing from elsewhere."""
    endpoints = [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("description") or operation.get("summary", ""),
            "parameters": operation.get("parameters", []),
            "body": "requestBody" in operation,
            "answers": operation.get("responses", {}),
        }
        for path, operations in request.app.openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    return HTMLResponse(render("docs.html", page="docs", endpoints=endpoints))
