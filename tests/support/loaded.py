"""What the server that `forked` forks from loads, once, and tests that need no process do not."""

from gitpip.cli.main import main
from gitpip.model import Part
from gitpip.web.app import routes_of
from gitpip.web.render.jinja import templates

__all__ = ["main"]

for part in Part:
    routes_of(part)
for name in templates().list_templates():
    templates().get_template(name)
