"""The engine: who runs what, and when; it knows no gist."""

from gitpip.engine.engine import Engine, Handler

__all__ = ["Engine", "Handler"]
