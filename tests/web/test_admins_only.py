"""A page offers no change that its reader may not make, and says who may."""

import pytest

from tests.support.pages import on_one_line
from tests.web.conftest import Served


@pytest.mark.parametrize(
    ("path", "button"), [("/settings/publishing", "Save settings"), ("/rules", "Add rule")]
)
def test_without_any_key_nobody_changes_what_needs_an_admin(
    served: Served, path: str, button: str
) -> None:
    page = on_one_line(served.gitpip.get(path).text)

    assert "Only admins can change these." in page
    assert '<a href="/keys">create an admin key</a>' in page
    assert f">{button}<" not in page
