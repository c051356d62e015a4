"""The engine: who runs what, and when; it knows no gist."""

from gitpip.engine.connection import describe
from gitpip.engine.engine import Engine, Handler, failure

__all__ = ["Engine", "Handler", "describe", "failure"]
