"""The API's description: the OpenAPI document for programs, and `/docs` for people."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from gitpip.model import Role
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.render.jinja import render

router = APIRouter(route_class=RoleRoute, include_in_schema=False)


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
