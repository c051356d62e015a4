"""The engine: who runs what, and when; it knows no gist."""

from gitpip.runtime.scheduler.connection import describe
from gitpip.runtime.scheduler.scheduler import Engine, Handler, failure

__all__ = ["Engine", "Handler", "describe", "failure"]
