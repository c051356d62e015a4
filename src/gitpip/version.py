"""The version of this gitpip."""

from importlib.metadata import version

# importlib.metadata lists and keeps complete folders again each time they changed.
VERSION = version("gitpip")
