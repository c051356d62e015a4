"""No body of the API takes true for the number 1."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from gitpip.web import app
from gitpip.web.api.parameters import RequestBody


def bodies(base: type[RequestBody] = RequestBody) -> Iterator[type[RequestBody]]:
    for body in base.__subclasses__():
        yield body
        yield from bodies(body)


def numbers() -> Iterator[tuple[type[RequestBody], str, object]]:
    """Each field that holds whole numbers and no truth value, with true in the place of one."""
    assert app, "it imports every body"
    for body in bodies():
        for name, schema in body.model_json_schema()["properties"].items():
            kinds = [each.get("type") for each in schema.get("anyOf", [schema])]
            if "integer" in kinds:
                yield body, name, True
            elif schema.get("items", {}).get("type") == "integer":
                yield body, name, [True]


def test_true_is_no_number() -> None:
    found = list(numbers())
    assert {"ids", "check", "shown", "position"} <= {name for _, name, _ in found}
    for body, name, value in found:
        with pytest.raises(ValidationError) as caught:
            body.model_validate({name: value})
        said = {each["loc"][0]: each["msg"] for each in caught.value.errors()}
        assert "must be a number, not true or false" in said.get(name, ""), (body, name)
