"""GitHub's objects against the OpenAPI document that GitHub publishes."""

import json
from pathlib import Path

import httpx2
import pytest
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

from gitpip_standins import GitHub

Schema = dict[str, object]


@pytest.fixture(scope="session")
def schema(npm: Path) -> Schema:
    """OpenAPI 3.0's `nullable` is not JSON Schema's, so it is put as JSON Schema puts it."""
    document = _without_nullable(json.loads((npm / "github.json").read_text()))
    assert isinstance(document, dict)
    for name in ("base-gist", "gist-simple"):
        properties = _properties(document, name)
        # The document says string; recorded answers have null where GitHub knows no language.
        _properties_of_files(properties)["language"] = {"type": ["string", "null"]}
    return document


@pytest.fixture
def cast(github: GitHub) -> GitHub:
    github.add_user("ada")
    github.add_gist("ada", {"a.py": "1", "unknown": "2"}, description=None)
    return github


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/users/ada/gists", "base-gist"),
        ("/gists/public", "base-gist"),
        ("/gists/{id}", "gist-simple"),
        ("/users/ada", "public-user"),
        ("/user/1000", "public-user"),
        ("/user", "public-user"),
        ("/rate_limit", "rate-limit-overview"),
        ("/users/nobody", "basic-error"),
    ],
)
def test_every_object_has_every_field_in_its_form(
    cast: GitHub,
    github_client: httpx2.Client,
    schema: Schema,
    path: str,
    name: str,
) -> None:
    (gist,) = cast.all_gists()
    content = github_client.get(path.format(id=gist.id)).json()
    shown = content[0] if isinstance(content, list) else content
    _validate(shown, schema, name)
    # `url` of an error and further resources of limits are for other cases.
    missing = set(_properties(schema, name)) - set(shown) - {"url"}
    assert missing == set()
    if "owner" in shown:
        _validate(shown["owner"], schema, "simple-user")
        assert set(_properties(schema, "simple-user")) - set(shown["owner"]) == set()
        file = shown["files"]["a.py"]
        assert set(_properties_of_files(_properties(schema, name))) - set(file) == set()


def _validate(content: object, schema: Schema, name: str) -> None:
    registry = Registry().with_resource("urn:github", DRAFT7.create_resource(schema))
    Draft7Validator({"$ref": f"urn:github#/components/schemas/{name}"}, registry=registry).validate(
        content
    )


def _properties(schema: Schema, name: str) -> Schema:
    found = schema
    for key in ("components", "schemas", name, "properties"):
        step = found[key]
        assert isinstance(step, dict)
        found = step
    return found


def _properties_of_files(properties: Schema) -> Schema:
    files = properties["files"]
    assert isinstance(files, dict)
    file = files["additionalProperties"]
    if "anyOf" in file:
        file = file["anyOf"][0]
    assert isinstance(file["properties"], dict)
    return file["properties"]


def _without_nullable(node: object) -> object:
    if isinstance(node, list):
        return [_without_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _without_nullable(item) for key, item in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain
