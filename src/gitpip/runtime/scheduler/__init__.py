"""The scheduler: who runs what, and when; it knows no gist."""

from gitpip.runtime.scheduler.connection import describe
from gitpip.runtime.scheduler.scheduler import Handler, Scheduler, Timing, failure

__all__ = ["Handler", "Scheduler", "Timing", "describe", "failure"]
